"""Texts as words, for search by words: how a text is split, what of a word is indexed, how often it occurs.

Below the engine, which indexes, and below the embedding functions, which weigh. Nothing here weighs or stores.
"""

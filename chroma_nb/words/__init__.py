"""Texts as words, for search by words: how a text is split, what of a word is indexed, how often it occurs.

The engine indexes words, and embedding functions weight them. This package does neither.
"""

"""Embedding functions: the protocol, the registry of names, and one file a provider."""

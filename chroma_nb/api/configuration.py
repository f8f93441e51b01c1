"""Chroma's path ``chromadb.api.configuration``.

Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.
"""

from chroma_nb.schema import CollectionConfiguration, HNSWConfiguration

__all__ = [
    "CollectionConfiguration",
    "HNSWConfiguration",
]

"""Chroma's path ``chromadb.api.models``.

Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.
"""

from chroma_nb.api.models import AsyncCollection, AttachedFunction, Collection, CollectionCommon

__all__ = [
    "AsyncCollection",
    "AttachedFunction",
    "Collection",
    "CollectionCommon",
]

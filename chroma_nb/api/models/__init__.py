"""Chroma's path ``chromadb.api.models``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.api.models import AsyncCollection, AttachedFunction, Collection, CollectionCommon

__all__ = [
    "AsyncCollection",
    "AttachedFunction",
    "Collection",
    "CollectionCommon",
]

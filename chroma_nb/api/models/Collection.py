# ruff: noqa: N999
"""Chroma's path ``chromadb.api.models.Collection``.

Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.
"""

from chroma_nb.client._sync.collection import Collection
from chroma_nb.client.collection_common import CollectionCommon
from chroma_nb.results import GetResult, QueryResult

__all__ = [
    "Collection",
    "CollectionCommon",
    "GetResult",
    "QueryResult",
]

# ruff: noqa: N999
"""Chroma's path ``chromadb.api.models.CollectionCommon``.

Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.
"""

from chroma_nb.client.collection_common import CollectionCommon

__all__ = [
    "CollectionCommon",
]

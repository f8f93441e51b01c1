# ruff: noqa: N999
"""Chroma's path ``chromadb.api.models.Collection``.

Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.
"""

from chroma_nb.client._sync.collection import Collection

__all__ = [
    "Collection",
]

# ruff: noqa: N999
"""Chroma's path ``chromadb.api.models.AsyncCollection``.

Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.
"""

from chroma_nb.client._async.collection import AsyncCollection

__all__ = [
    "AsyncCollection",
]

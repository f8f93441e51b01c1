"""Chroma's path ``chromadb.api.async_api``.

Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.
"""

from chroma_nb.operations.async_protocols import AsyncAdminAPI, AsyncBaseAPI, AsyncClientAPI, AsyncServerAPI

__all__ = [
    "AsyncAdminAPI",
    "AsyncBaseAPI",
    "AsyncClientAPI",
    "AsyncServerAPI",
]

"""Chroma's path ``chromadb.api.async_client``.

Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.
"""

from chroma_nb.client._async.admin import AsyncAdminClient
from chroma_nb.client._async.client import AsyncClient
from chroma_nb.client.shared_system_client import SharedSystemClient

__all__ = [
    "AsyncAdminClient",
    "AsyncClient",
    "SharedSystemClient",
]

"""Chroma's path ``chromadb.api.client``.

Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.
"""

from chroma_nb.client._sync.admin import AdminClient
from chroma_nb.client._sync.client import Client
from chroma_nb.client.shared_system_client import SharedSystemClient

__all__ = [
    "AdminClient",
    "Client",
    "SharedSystemClient",
]

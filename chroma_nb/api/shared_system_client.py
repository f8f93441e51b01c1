"""Chroma's path ``chromadb.api.shared_system_client``.

Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.
"""

from chroma_nb.client.shared_system_client import SharedSystemClient

__all__ = [
    "SharedSystemClient",
]

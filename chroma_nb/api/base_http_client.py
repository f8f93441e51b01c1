"""Chroma's path ``chromadb.api.base_http_client``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.client.not_offered import BaseHTTPClient
from chroma_nb.config import Component, Settings, System

__all__ = [
    "BaseHTTPClient",
    "Component",
    "Settings",
    "System",
]

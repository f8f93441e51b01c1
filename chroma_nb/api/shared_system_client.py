"""Chroma's path ``chromadb.api.shared_system_client``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.client.not_offered import BaseHTTPClient, ClientStartEvent, ProductTelemetryClient
from chroma_nb.client.shared_system_client import SharedSystemClient
from chroma_nb.config import Settings, System
from chroma_nb.operations.protocols import ServerAPI

__all__ = [
    "BaseHTTPClient",
    "ClientStartEvent",
    "ProductTelemetryClient",
    "ServerAPI",
    "Settings",
    "SharedSystemClient",
    "System",
]

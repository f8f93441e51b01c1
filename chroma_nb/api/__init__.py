"""Chroma's path ``chromadb.api``.

Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.
"""

from chroma_nb.api import (
    async_api,
    async_client,
    client,
    collection_configuration,
    configuration,
    functions,
    models,
    shared_system_client,
    types,
)
from chroma_nb.operations.async_protocols import AsyncAdminAPI, AsyncBaseAPI, AsyncClientAPI, AsyncServerAPI
from chroma_nb.operations.protocols import AdminAPI, BaseAPI, ClientAPI, ServerAPI

__all__ = [
    "AdminAPI",
    "AsyncAdminAPI",
    "AsyncBaseAPI",
    "AsyncClientAPI",
    "AsyncServerAPI",
    "BaseAPI",
    "ClientAPI",
    "ServerAPI",
    "async_api",
    "async_client",
    "client",
    "collection_configuration",
    "configuration",
    "functions",
    "models",
    "shared_system_client",
    "types",
]

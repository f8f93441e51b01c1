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
from chroma_nb.client._sync.collection import Collection
from chroma_nb.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings
from chroma_nb.embedding_functions.base import DataLoader, DefaultEmbeddingFunction, EmbeddingFunction
from chroma_nb.operations.async_protocols import AsyncAdminAPI, AsyncBaseAPI, AsyncClientAPI, AsyncServerAPI
from chroma_nb.operations.expressions import Search
from chroma_nb.operations.protocols import AdminAPI, BaseAPI, ClientAPI, ServerAPI
from chroma_nb.results import GetResult, QueryResult
from chroma_nb.schema import CreateCollectionConfiguration, Schema, UpdateCollectionConfiguration
from chroma_nb.types import CollectionModel, Database, ReadLevel, Tenant, UserIdentity

__all__ = [
    "AdminAPI",
    "AsyncAdminAPI",
    "AsyncBaseAPI",
    "AsyncClientAPI",
    "AsyncServerAPI",
    "BaseAPI",
    "ClientAPI",
    "Collection",
    "CollectionModel",
    "CreateCollectionConfiguration",
    "DEFAULT_DATABASE",
    "DEFAULT_TENANT",
    "DataLoader",
    "Database",
    "DefaultEmbeddingFunction",
    "EmbeddingFunction",
    "GetResult",
    "QueryResult",
    "ReadLevel",
    "Schema",
    "Search",
    "ServerAPI",
    "Settings",
    "Tenant",
    "UpdateCollectionConfiguration",
    "UserIdentity",
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

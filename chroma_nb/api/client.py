"""Chroma's path ``chromadb.api.client``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.client._sync.admin import AdminClient
from chroma_nb.client._sync.client import Client
from chroma_nb.client._sync.collection import Collection
from chroma_nb.client.identity import maybe_set_tenant_and_database
from chroma_nb.client.shared_system_client import SharedSystemClient
from chroma_nb.config import DEFAULT_DATABASE, DEFAULT_TENANT, Component, Settings, System
from chroma_nb.embedding_functions.base import DataLoader, EmbeddingFunction
from chroma_nb.embedding_functions.default import DefaultEmbeddingFunction
from chroma_nb.errors import ChromaAuthError, ChromaError
from chroma_nb.operations.embed import (
    validate_embedding_function_conflict_on_create,
    validate_embedding_function_conflict_on_get,
)
from chroma_nb.operations.protocols import AdminAPI, BaseAPI, ClientAPI, ServerAPI
from chroma_nb.query.search import Search
from chroma_nb.results import DeleteResult, GetResult, IndexingStatus, QueryResult, SearchResult
from chroma_nb.schema import CreateCollectionConfiguration, Schema, UpdateCollectionConfiguration
from chroma_nb.types import (
    ID,
    URI,
    CollectionMetadata,
    CollectionModel,
    Database,
    Document,
    Documents,
    Embeddable,
    Embedding,
    Embeddings,
    IDs,
    Image,
    Images,
    Include,
    IncludeMetadataDocuments,
    IncludeMetadataDocumentsDistances,
    IncludeMetadataDocumentsEmbeddings,
    IncludeMetadataDocumentsEmbeddingsDistances,
    Loadable,
    Metadata,
    Metadatas,
    OneOrMany,
    PyEmbedding,
    ReadLevel,
    Tenant,
    UpdateCollectionMetadata,
    UpdateMetadata,
    URIs,
    UserIdentity,
    Where,
    WhereDocument,
)

__all__ = [
    "AdminAPI",
    "AdminClient",
    "BaseAPI",
    "ChromaAuthError",
    "ChromaError",
    "Client",
    "ClientAPI",
    "Collection",
    "CollectionMetadata",
    "CollectionModel",
    "Component",
    "CreateCollectionConfiguration",
    "DEFAULT_DATABASE",
    "DEFAULT_TENANT",
    "DataLoader",
    "Database",
    "DefaultEmbeddingFunction",
    "DeleteResult",
    "Document",
    "Documents",
    "Embeddable",
    "Embedding",
    "EmbeddingFunction",
    "Embeddings",
    "GetResult",
    "ID",
    "IDs",
    "Image",
    "Images",
    "Include",
    "IncludeMetadataDocuments",
    "IncludeMetadataDocumentsDistances",
    "IncludeMetadataDocumentsEmbeddings",
    "IncludeMetadataDocumentsEmbeddingsDistances",
    "IndexingStatus",
    "Loadable",
    "Metadata",
    "Metadatas",
    "OneOrMany",
    "PyEmbedding",
    "QueryResult",
    "ReadLevel",
    "Schema",
    "Search",
    "SearchResult",
    "ServerAPI",
    "Settings",
    "SharedSystemClient",
    "System",
    "Tenant",
    "URI",
    "URIs",
    "UpdateCollectionConfiguration",
    "UpdateCollectionMetadata",
    "UpdateMetadata",
    "UserIdentity",
    "Where",
    "WhereDocument",
    "maybe_set_tenant_and_database",
    "validate_embedding_function_conflict_on_create",
    "validate_embedding_function_conflict_on_get",
]

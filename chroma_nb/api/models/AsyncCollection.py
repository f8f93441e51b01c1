# ruff: noqa: N999
"""Chroma's path ``chromadb.api.models.AsyncCollection``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.client._async.collection import AsyncCollection
from chroma_nb.client.collection_common import CollectionCommon
from chroma_nb.config import DEFAULT_DATABASE, DEFAULT_TENANT, Component, Settings, System
from chroma_nb.embedding_functions.base import DataLoader, EmbeddingFunction
from chroma_nb.embedding_functions.default import DefaultEmbeddingFunction
from chroma_nb.errors import ChromaAuthError, ChromaError
from chroma_nb.operations.async_protocols import AsyncServerAPI
from chroma_nb.operations.embed import (
    validate_embedding_function_conflict_on_create,
    validate_embedding_function_conflict_on_get,
)
from chroma_nb.plain import maybe_cast_one_to_many
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
    "AsyncCollection",
    "AsyncServerAPI",
    "ChromaAuthError",
    "ChromaError",
    "CollectionCommon",
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
    "Settings",
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
    "maybe_cast_one_to_many",
    "validate_embedding_function_conflict_on_create",
    "validate_embedding_function_conflict_on_get",
]

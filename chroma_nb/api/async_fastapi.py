"""Chroma's path ``chromadb.api.async_fastapi``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.backends.wire.encoding import (
    convert_list_embeddings_to_np,
    convert_np_embeddings_to_list,
    deserialize_metadata,
    optional_base64_strings_to_embeddings,
    optional_embeddings_to_base64_strings,
    pack_embedding_safely,
    serialize_metadata,
)
from chroma_nb.client._async.server import AsyncFastAPI
from chroma_nb.client.collection_configuration import (
    create_collection_configuration_to_json,
    create_collection_configuration_to_json_str,
    update_collection_configuration_to_json,
    update_collection_configuration_to_json_str,
)
from chroma_nb.client.not_offered import AttachedFunction, BaseHTTPClient
from chroma_nb.config import DEFAULT_DATABASE, DEFAULT_TENANT, Component, Settings, System
from chroma_nb.embedding_functions.base import DataLoader, EmbeddingFunction
from chroma_nb.embedding_functions.default import DefaultEmbeddingFunction
from chroma_nb.errors import ChromaAuthError, ChromaError
from chroma_nb.operations.async_protocols import AsyncServerAPI
from chroma_nb.operations.embed import (
    validate_embedding_function_conflict_on_create,
    validate_embedding_function_conflict_on_get,
)
from chroma_nb.operations.validate import validate_batch
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
    "AsyncFastAPI",
    "AsyncServerAPI",
    "AttachedFunction",
    "BaseHTTPClient",
    "ChromaAuthError",
    "ChromaError",
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
    "convert_list_embeddings_to_np",
    "convert_np_embeddings_to_list",
    "create_collection_configuration_to_json",
    "create_collection_configuration_to_json_str",
    "deserialize_metadata",
    "optional_base64_strings_to_embeddings",
    "optional_embeddings_to_base64_strings",
    "pack_embedding_safely",
    "serialize_metadata",
    "update_collection_configuration_to_json",
    "update_collection_configuration_to_json_str",
    "validate_batch",
    "validate_embedding_function_conflict_on_create",
    "validate_embedding_function_conflict_on_get",
]

"""Chroma's import paths: which names stand at which path, and where they live here.

``Here:There`` is our name and Chroma's, where they differ.

``python tests/meta/generate_paths.py`` writes the files, ``--check`` tells whether they are current. Nothing is
defined in them, and nothing here imports them.
"""

from __future__ import annotations

import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "chroma_nb"

_VALIDATORS = (
    "is_document is_image normalize_base_record_set normalize_insert_record_set "
    "normalize_metadata normalize_metadatas validate_base_record_set validate_batch validate_documents "
    "validate_ids validate_images validate_include "
    "validate_insert_record_set validate_metadata validate_metadatas validate_n_results "
    "validate_record_set_contains_any validate_record_set_contains_one validate_record_set_for_embedding "
    "validate_sparse_vectors validate_update_metadata "
    "BaseRecordSet InsertRecordSet META_KEY_CHROMA_DOCUMENT get_default_embeddable_record_set_fields"
)
_FILTER_CHECKS = "FilterSet validate_filter_set validate_where validate_where_document"
_SCHEMA = (
    "BoolInvertedIndexConfig BoolInvertedIndexType BoolValueType Cmek CmekProvider DOCUMENT_KEY EMBEDDING_KEY "
    "FloatInvertedIndexConfig FloatInvertedIndexType FloatListValueType FloatValueType FtsIndexConfig FtsIndexType "
    "HnswIndexConfig IndexConfig IntInvertedIndexConfig IntInvertedIndexType IntValueType Schema SpannIndexConfig "
    "SparseVectorIndexConfig SparseVectorIndexType SparseVectorValueType StringInvertedIndexConfig "
    "StringInvertedIndexType StringValueType ValueTypes VectorIndexConfig VectorIndexType"
)
_INDEX_NAMES = (
    "BOOL_INVERTED_INDEX_NAME BOOL_VALUE_NAME FLOAT_INVERTED_INDEX_NAME FLOAT_LIST_VALUE_NAME FLOAT_VALUE_NAME "
    "FTS_INDEX_NAME HNSW_INDEX_NAME INT_INVERTED_INDEX_NAME INT_VALUE_NAME SPANN_INDEX_NAME SPARSE_VECTOR_INDEX_NAME "
    "SPARSE_VECTOR_VALUE_NAME STRING_INVERTED_INDEX_NAME STRING_VALUE_NAME VECTOR_INDEX_NAME"
)
_INCLUDES = (
    "IncludeMetadataDocuments IncludeMetadataDocumentsDistances IncludeMetadataDocumentsEmbeddings "
    "IncludeMetadataDocumentsEmbeddingsDistances"
)
_RECORD_WORDS = (
    "CollectionMetadata Document Documents Embeddable Embedding Embeddings ID IDs Image Images Include Loadable "
    "Metadata Metadatas OneOrMany PyEmbedding URI URIs UpdateCollectionMetadata UpdateMetadata Where WhereDocument"
)
_REQUESTS = "AddRequest DeleteRequest GetRequest QueryRequest UpdateRequest UpsertRequest"
_WHERE_WORDS = (
    "InclusionExclusionOperator LiteralValue LogicalOperator OperatorExpression PyVector WhereDocumentOperator "
    "WhereOperator"
)
_TYPES = (
    f"{_RECORD_WORDS} {_REQUESTS} {_INCLUDES} {_WHERE_WORDS} ImageDType IndexMetadata Parameter PyEmbeddings ReadLevel "
    "SPARSE_VECTOR_TYPE_VALUE Space SparseVector SparseVectors T TYPE_KEY Vector"
)
_RESULTS = "DeleteResult GetResult IndexingStatus QueryResult SearchResult"
_CONFLICTS = "validate_embedding_function_conflict_on_create validate_embedding_function_conflict_on_get"
_CONFIGURATION_CLASSES = (
    "CollectionConfiguration CreateCollectionConfiguration CreateHNSWConfiguration CreateSpannConfiguration "
    "HNSWConfiguration SpannConfiguration UpdateCollectionConfiguration UpdateHNSWConfiguration "
    "UpdateSpannConfiguration"
)
_CONFIGURATION_PURE = (
    "create_collection_configuration_from_legacy_collection_metadata "
    "create_collection_configuration_from_legacy_metadata_dict json_to_create_hnsw_configuration "
    "json_to_create_spann_configuration json_to_update_hnsw_configuration json_to_update_spann_configuration "
    "overwrite_hnsw_configuration overwrite_spann_configuration populate_create_hnsw_defaults "
    "update_collection_configuration_from_legacy_collection_metadata "
    "update_collection_configuration_from_legacy_update_metadata update_schema_from_collection_configuration"
)
_CONFIGURATION_LIVE = (
    "collection_configuration_to_json collection_configuration_to_json_str create_collection_configuration_to_json "
    "create_collection_configuration_to_json_str load_collection_configuration_from_json "
    "load_collection_configuration_from_json_str load_create_collection_configuration_from_json "
    "load_update_collection_configuration_from_json load_update_collection_configuration_from_json_str "
    "overwrite_collection_configuration overwrite_embedding_function update_collection_configuration_to_json "
    "update_collection_configuration_to_json_str"
)
_WIRE = (
    "convert_list_embeddings_to_np convert_np_embeddings_to_list deserialize_metadata "
    "optional_base64_strings_to_embeddings optional_embeddings_to_base64_strings pack_embedding_safely "
    "serialize_metadata"
)
_SERVER_API = "AdminAPI BaseAPI ClientAPI ServerAPI"
_ASYNC_SERVER_API = "AsyncAdminAPI AsyncBaseAPI AsyncClientAPI AsyncServerAPI"
_CONDITIONS = "And Contains Eq Gt Gte In K Key Lt Lte Ne Nin NotContains NotRegex Or Regex"
_RANKS = "Abs Div Exp Knn Log Max Min Mul Rank Rrf Sub Sum Val"
_SEARCH_PARTS = "Aggregate GroupBy Limit MaxK MinK Select"

#: Chroma's module of a provider -> module below embedding_functions -> its classes.
_PROVIDERS = {
    "amazon_bedrock_embedding_function": {"amazon_bedrock": "AmazonBedrockEmbeddingFunction"},
    "baseten_embedding_function": {"baseten": "BasetenEmbeddingFunction"},
    "bm25_embedding_function": {
        "fastembed": "Bm25EmbeddingFunction",
        "by_task": "QueryConfig:Bm25EmbeddingFunctionQueryConfig TaskType",
    },
    "chroma_bm25_embedding_function": {
        "chroma_bm25": "ChromaBm25Config ChromaBm25EmbeddingFunction DEFAULT_AVG_DOC_LENGTH DEFAULT_B "
        "DEFAULT_CHROMA_BM25_STOPWORDS DEFAULT_K DEFAULT_TOKEN_MAX_LENGTH NAME",
    },
    "chroma_cloud_qwen_embedding_function": {
        "chroma_cloud_qwen": "CHROMA_CLOUD_QWEN_DEFAULT_INSTRUCTIONS ChromaCloudQwenEmbeddingFunction "
        "ChromaCloudQwenEmbeddingInstructions ChromaCloudQwenEmbeddingModel ChromaCloudQwenEmbeddingTarget",
    },
    "chroma_cloud_splade_embedding_function": {
        "stand_ins": "ChromaCloudSpladeEmbeddingFunction",
        "stand_in_arguments": "ChromaCloudSpladeEmbeddingModel",
    },
    "chroma_langchain_embedding_function": {
        "chroma_langchain": "ChromaLangchainEmbeddingFunction create_langchain_embedding"
    },
    "cloudflare_workers_ai_embedding_function": {"services": "CloudflareWorkersAIEmbeddingFunction"},
    "cohere_embedding_function": {"cohere": "CohereEmbeddingFunction"},
    "fastembed_sparse_embedding_function": {
        "fastembed": "FastembedSparseEmbeddingFunction",
        "by_task": "QueryConfig:FastembedSparseEmbeddingFunctionQueryConfig TaskType",
    },
    "google_embedding_function": {
        "google_genai": "GoogleGeminiEmbeddingFunction GoogleGenaiEmbeddingFunction "
        "GoogleGenerativeAiEmbeddingFunction GooglePalmEmbeddingFunction GoogleVertexEmbeddingFunction",
    },
    "huggingface_embedding_function": {"huggingface": "HuggingFaceEmbeddingFunction HuggingFaceEmbeddingServer"},
    "huggingface_sparse_embedding_function": {
        "huggingface_sparse": "HuggingFaceSparseEmbeddingFunction",
        "by_task": "QueryConfig:HuggingFaceSparseEmbeddingFunctionQueryConfig TaskType",
    },
    "instructor_embedding_function": {"sentence_models": "InstructorEmbeddingFunction"},
    "jina_embedding_function": {"jina": "JinaEmbeddingFunction JinaQueryConfig"},
    "mistral_embedding_function": {"services": "MistralEmbeddingFunction"},
    "morph_embedding_function": {"services": "MorphEmbeddingFunction"},
    "nomic_embedding_function": {"services": "NomicEmbeddingFunction NomicQueryConfig"},
    "ollama_embedding_function": {"ollama": "OllamaEmbeddingFunction"},
    "onnx_mini_lm_l6_v2": {"onnx_minilm": "ONNXMiniLM_L6_V2"},
    "open_clip_embedding_function": {"open_clip": "OpenCLIPEmbeddingFunction"},
    "openai_embedding_function": {"openai": "OpenAIEmbeddingFunction"},
    "perplexity_embedding_function": {"services": "PerplexityEmbeddingFunction"},
    "roboflow_embedding_function": {"services": "RoboflowEmbeddingFunction"},
    "sentence_transformer_embedding_function": {"sentence_transformer": "SentenceTransformerEmbeddingFunction"},
    "text2vec_embedding_function": {"sentence_models": "Text2VecEmbeddingFunction"},
    "together_ai_embedding_function": {"services": "TogetherAIEmbeddingFunction"},
    "voyageai_embedding_function": {"voyageai": "VoyageAIEmbeddingFunction"},
}

#: What Chroma's clients take and answer; it stands wherever they do.
_OF_THE_API = {
    "config": "Component DEFAULT_DATABASE DEFAULT_TENANT Settings System",
    "embedding_functions.base": "DataLoader EmbeddingFunction",
    "embedding_functions.default": "DefaultEmbeddingFunction",
    "errors": "ChromaAuthError ChromaError",
    "operations.embed": _CONFLICTS,
    "query.search": "Search",
    "results": _RESULTS,
    "schema": "CreateCollectionConfiguration Schema UpdateCollectionConfiguration",
    "types": f"{_RECORD_WORDS} {_INCLUDES} CollectionModel Database ReadLevel Tenant UserIdentity",
}
#: As much for the modules of Chroma's that hold the root object below its clients.
_OF_A_SERVER = {
    **_OF_THE_API,
    "backends.wire.encoding": _WIRE,
    "client.collection_configuration": "create_collection_configuration_to_json "
    "create_collection_configuration_to_json_str update_collection_configuration_to_json "
    "update_collection_configuration_to_json_str",
    "client.not_offered": "AttachedFunction BaseHTTPClient",
    "operations.validate": "validate_batch",
}

#: Path below the package -> module below the package -> its names that stand at the path.
PATHS: dict[str, dict[str, str]] = {
    "api/__init__.py": {
        **_OF_THE_API,
        "api": "async_api async_client async_fastapi base_http_client client collection_configuration configuration "
        "fastapi functions models rust segment shared_system_client types",
        "client._sync.collection": "Collection",
        "client.not_offered": "AttachedFunction",
        "embedding_functions.base": "DataLoader EmbeddingFunction SparseEmbeddingFunction validate_embedding_function "
        "validate_sparse_embedding_function",
        "operations.async_protocols": _ASYNC_SERVER_API,
        "operations.protocols": _SERVER_API,
        "operations.validate": "validate_sparse_vectors",
        "query.conditions": f"{_CONDITIONS} Where:SearchWhere",
        "query.ranking": _RANKS,
        "query.search": f"{_SEARCH_PARTS} Search",
        "results": f"{_RESULTS} SearchResultRow",
        "schema": f"{_SCHEMA} {_INDEX_NAMES} CreateCollectionConfiguration UpdateCollectionConfiguration",
        "types": f"{_OF_THE_API['types']} SPARSE_VECTOR_TYPE_VALUE Space SparseVector SparseVectors TYPE_KEY",
    },
    "api/async_api.py": {
        **_OF_THE_API,
        "client._async.collection": "AsyncCollection",
        "operations.async_protocols": _ASYNC_SERVER_API,
    },
    "api/async_client.py": {
        **_OF_THE_API,
        "client._async.admin": "AsyncAdminClient",
        "client._async.client": "AsyncClient",
        "client._async.collection": "AsyncCollection",
        "client.identity": "maybe_set_tenant_and_database",
        "client.shared_system_client": "SharedSystemClient",
        "operations.async_protocols": _ASYNC_SERVER_API,
    },
    "api/async_fastapi.py": {
        **_OF_A_SERVER,
        "client._async.server": "AsyncFastAPI",
        "operations.async_protocols": "AsyncServerAPI",
    },
    "api/base_http_client.py": {"client.not_offered": "BaseHTTPClient", "config": "Component Settings System"},
    "api/client.py": {
        **_OF_THE_API,
        "client._sync.admin": "AdminClient",
        "client._sync.client": "Client",
        "client._sync.collection": "Collection",
        "client.identity": "maybe_set_tenant_and_database",
        "client.shared_system_client": "SharedSystemClient",
        "operations.protocols": _SERVER_API,
    },
    "api/collection_configuration.py": {
        "client.collection_configuration": _CONFIGURATION_LIVE,
        "embedding_functions.base": "EmbeddingFunction",
        "embedding_functions.registry": "known_embedding_functions register_embedding_function",
        "operations.embed": _CONFLICTS,
        "schema": f"{_CONFIGURATION_CLASSES} {_CONFIGURATION_PURE} Schema",
        "types": "CollectionMetadata Space UpdateMetadata",
    },
    "api/configuration.py": {
        "client.not_offered": "CollectionConfigurationInterface CollectionConfigurationInternal "
        "ConfigurationDefinition ConfigurationInternal ConfigurationParameter EmbeddingsQueueConfigurationInternal "
        "HNSWConfigurationInterface HNSWConfigurationInternal JSONSerializable ParameterValidator ParameterValue",
        "errors": "InvalidConfigurationError StaticParameterError",
        "schema": "CollectionConfiguration HNSWConfiguration",
    },
    "api/fastapi.py": {
        **_OF_A_SERVER,
        "backends.http.auth": "ClientAuthProvider",
        "client._sync.server": "FastAPI",
        "operations.protocols": "ServerAPI",
    },
    "api/functions.py": {"types": "Function RECORD_COUNTER_FUNCTION STATISTICS_FUNCTION"},
    "api/models/__init__.py": {"api.models": "AsyncCollection AttachedFunction Collection CollectionCommon"},
    "api/models/AsyncCollection.py": {
        **_OF_THE_API,
        "client._async.collection": "AsyncCollection",
        "client.collection_common": "CollectionCommon",
        "operations.async_protocols": "AsyncServerAPI",
        "plain": "maybe_cast_one_to_many",
    },
    "api/models/AttachedFunction.py": {
        "client.not_offered": "AttachedFunction",
        "operations.protocols": "ServerAPI",
    },
    "api/models/Collection.py": {
        **_OF_THE_API,
        "client._sync.collection": "Collection",
        "client.collection_common": "CollectionCommon",
        "client.not_offered": "AttachedFunction",
        "operations.protocols": "ServerAPI",
        "plain": "maybe_cast_one_to_many",
        "types": f"{_OF_THE_API['types']} Function",
    },
    "api/models/CollectionCommon.py": {
        **_OF_THE_API,
        "client.collection_common": "CollectionCommon",
        "client.collection_configuration": "load_collection_configuration_from_json overwrite_collection_configuration",
        "client.not_offered": "validation_context",
        "embedding_functions.base": "DataLoader EmbeddingFunction SparseEmbeddingFunction validate_embedding_function "
        "validate_sparse_embedding_function",
        "operations.async_protocols": "AsyncServerAPI",
        "operations.protocols": "ServerAPI",
        "embeddings": "validate_embeddings",
        "plain": "maybe_cast_one_to_many",
        "operations.filters": _FILTER_CHECKS,
        "operations.validate": _VALIDATORS,
        "schema": "CollectionConfiguration CreateCollectionConfiguration DOCUMENT_KEY EMBEDDING_KEY Schema "
        "SparseVectorIndexConfig UpdateCollectionConfiguration",
        "types": f"{_OF_THE_API['types']} {_REQUESTS}",
    },
    "api/rust.py": {
        **_OF_A_SERVER,
        "client._sync.server": "RustBindingsAPI",
        "operations.protocols": "ServerAPI",
    },
    "api/segment.py": {
        **_OF_A_SERVER,
        "client._sync.server": "SegmentAPI",
        "client.not_offered": "AttachedFunction CountPlan Filter GetPlan KNN KNNPlan Projection Scan",
        "errors": "InvalidDimensionException NotFoundError VersionMismatchError",
        "operations.protocols": "ServerAPI",
        "operations.filters": "validate_where validate_where_document",
        "operations.validate": "validate_batch validate_metadata validate_update_metadata",
        "query.search": "Limit Search",
    },
    "api/shared_system_client.py": {
        "client.not_offered": "BaseHTTPClient ClientStartEvent ProductTelemetryClient",
        "client.shared_system_client": "SharedSystemClient",
        "config": "Settings System",
        "operations.protocols": "ServerAPI",
    },
    "api/types.py": {
        "backends.wire.encoding": _WIRE,
        "config": "is_thin_client",
        "embedding_functions.base": "D DataLoader EmbeddingFunction L SparseEmbeddingFunction "
        "validate_embedding_function validate_sparse_embedding_function",
        "embedding_functions.default": "DefaultEmbeddingFunction",
        "embeddings": "normalize_embeddings validate_embeddings",
        "operations.filters": _FILTER_CHECKS,
        "plain": "maybe_cast_one_to_many",
        "query.conditions": "Key",
        "operations.validate": _VALIDATORS,
        "results": f"{_RESULTS} SearchResultRow",
        "schema": f"{_SCHEMA} {_INDEX_NAMES}",
        "types": _TYPES,
    },
    "auth/__init__.py": {
        "auth": "basic_authn simple_rbac_authz token_authn utils",
        "backends.http.auth": "AuthError ClientAuthHeaders ClientAuthProvider",
        "client.not_offered": "AuthzAction AuthzResource ServerAuthenticationProvider ServerAuthorizationProvider",
        "config": "Component System",
        "types": "UserIdentity",
    },
    "auth/basic_authn/__init__.py": {
        "backends.http.auth": "AUTHORIZATION_HEADER AuthError BasicAuthClientProvider ClientAuthHeaders "
        "ClientAuthProvider",
        "client.not_offered": "BasicAuthenticationServerProvider ServerAuthenticationProvider",
        "config": "System",
        "errors": "ChromaAuthError",
        "types": "UserIdentity",
    },
    "auth/simple_rbac_authz/__init__.py": {
        "client.not_offered": "AuthzAction AuthzResource ServerAuthorizationProvider SimpleRBACAuthorizationProvider",
        "config": "System",
        "types": "UserIdentity",
    },
    "auth/token_authn/__init__.py": {
        "backends.http.auth": "AuthError ClientAuthHeaders ClientAuthProvider TokenAuthClientProvider "
        "allowed_token_headers valid_token_chars",
        "client.not_offered": "ServerAuthenticationProvider TokenAuthenticationServerProvider User",
        "config": "System",
        "errors": "ChromaAuthError",
        "types": "TokenTransportHeader UserIdentity",
    },
    "auth/utils/__init__.py": {
        "client.identity": "maybe_set_tenant_and_database",
        "config": "DEFAULT_DATABASE DEFAULT_TENANT",
        "errors": "ChromaAuthError",
        "types": "UserIdentity",
    },
    "base_types.py": {
        "types": f"{_WHERE_WORDS} ArrayContainsOperator Metadata MetadataListValue SPARSE_VECTOR_TYPE_VALUE "
        "SparseVector TYPE_KEY UpdateMetadata Vector Where WhereDocument",
    },
    "execution/__init__.py": {"execution": "expression"},
    "execution/expression/__init__.py": {
        "execution.expression": "operator plan",
        "query.conditions": f"{_CONDITIONS} Where Where:SearchWhere",
        "query.ranking": _RANKS,
        "query.search": f"{_SEARCH_PARTS} Search",
    },
    "execution/expression/operator.py": {
        "client.not_offered": "Filter KNN Projection RequestVersionContext Scan Segment",
        "embeddings": "normalize_embeddings validate_embeddings",
        "plain": "maybe_cast_one_to_many",
        "query.conditions": f"{_CONDITIONS} Where",
        "query.ranking": _RANKS,
        "query.search": _SEARCH_PARTS,
        "types": "Collection Embeddings IDs Include LiteralValue OneOrMany SPARSE_VECTOR_TYPE_VALUE SparseVector "
        "TYPE_KEY",
    },
    "execution/expression/plan.py": {
        "client.not_offered": "CountPlan Filter GetPlan KNN KNNPlan Projection Scan",
        "query.conditions": "Key Where",
        "query.ranking": "Rank",
        "query.search": "GroupBy Limit Search Select",
    },
    "utils/__init__.py": {
        "config": "get_class",
        "utils": "batch_utils data_loaders distance_functions embedding_functions results sparse_embedding_utils",
    },
    "utils/batch_utils.py": {
        "operations.batches": "create_batches",
        "operations.protocols": "BaseAPI",
        "types": "Documents Embeddings IDs Metadatas",
    },
    "utils/data_loaders.py": {
        "embedding_functions.image_loader": "ChromaLangchainPassthroughDataLoader ImageLoader",
        "embedding_functions.base": "DataLoader",
        "types": "Image URI URIs",
    },
    "utils/distance_functions.py": {"operations.distance_functions": "cosine ip l2", "types": "Vector"},
    # Resolved on first use, as they are where they live: no provider is loaded for another one's sake.
    "utils/embedding_functions/__init__.py": {"embedding_functions": "__all__ __dir__ __getattr__"},
    **{
        f"utils/embedding_functions/{path}.py": {
            f"embedding_functions.{module}": names for module, names in rows.items()
        }
        for path, rows in _PROVIDERS.items()
    },
    "utils/results.py": {"tables.frames": "get_result_to_df query_result_to_dfs", "results": "GetResult QueryResult"},
    "utils/sparse_embedding_utils.py": {"types": "SparseVector normalize_sparse_vector"},
}


def text(path: str) -> str:
    """The file at ``path``."""
    imports = [_import(module, names.split()) for module, names in sorted(PATHS[path].items())]
    names = sorted({here_and_there(name)[1] for names in PATHS[path].values() for name in names.split()})
    return f"{_head(path)}{''.join(imports)}{_all(names)}"


def here_and_there(entry: str) -> tuple[str, str]:
    """Our name and Chroma's in an entry of the table."""
    here, _, there = entry.partition(":")
    return here, there or here


def _head(path: str) -> str:
    chroma_path = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    name_of_a_class = "# ruff: noqa: N999\n" if Path(path).name[0].isupper() else ""
    return (
        f'{name_of_a_class}"""Chroma\'s path ``chromadb.{chroma_path}``.\n\n'
        'Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.\n"""\n\n'
    )


def _all(names: list[str]) -> str:
    if "__all__" in names:
        return ""
    listed = "".join(f'    "{name}",\n' for name in names)
    return f"\n__all__ = [\n{listed}]\n"


def _import(module: str, names: list[str]) -> str:
    pairs = [here_and_there(entry) for entry in sorted(set(names), key=_as_ruff_sorts)]
    if "__all__" in names:
        return "".join(f"from chroma_nb.{module} import {name} as {name}\n" for name, _ in pairs)
    plain = [here for here, there in pairs if here == there]
    lines = {here: f"from chroma_nb.{module} import {here} as {there}\n" for here, there in pairs if here != there}
    lines |= {name: _plain_import(module, plain) for name in plain[:1]}
    return "".join(lines[name] for name in sorted(lines, key=_as_ruff_sorts))


def _plain_import(module: str, names: list[str]) -> str:
    line = f"from chroma_nb.{module} import {', '.join(names)}\n"
    if len(line) <= 121:
        return line
    listed = "".join(f"    {name},\n" for name in names)
    return f"from chroma_nb.{module} import (\n{listed})\n"


def _as_ruff_sorts(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest."""
    if name.isupper() and len(name) > 1:
        return 0, name.lower()
    return (1, name.lower()) if name[0].isupper() else (2, name.lower())


def main(arguments: list[str]) -> int:
    """Write what differs, or with ``--check`` name it and return 1."""
    stale = [path for path in PATHS if not _is_current(path)]
    for path in stale:
        if "--check" in arguments:
            sys.stderr.write(f"chroma_nb/{path} is not current; run: python tests/meta/generate_paths.py\n")
        else:
            (PACKAGE / path).parent.mkdir(parents=True, exist_ok=True)
            (PACKAGE / path).write_text(text(path), encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


def _is_current(path: str) -> bool:
    file = PACKAGE / path
    return file.exists() and file.read_text(encoding="utf-8") == text(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

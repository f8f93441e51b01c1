"""Chroma's import paths: which names stand at which path, and where they live here.

``python -m chroma_nb.client._generate_paths`` writes the files, ``--check`` tells whether they are current. Nothing is
defined in them, and nothing here imports them.
"""

from __future__ import annotations

import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent

_VALIDATORS = (
    "is_document is_image maybe_cast_one_to_many normalize_base_record_set normalize_insert_record_set "
    "normalize_metadata normalize_metadatas validate_base_record_set validate_batch validate_documents "
    "validate_embeddings validate_filter_set validate_ids validate_images validate_include "
    "validate_insert_record_set validate_metadata validate_metadatas validate_n_results "
    "validate_record_set_contains_any validate_record_set_contains_one validate_record_set_for_embedding "
    "validate_sparse_vectors validate_update_metadata validate_where validate_where_document "
    "BaseRecordSet FilterSet InsertRecordSet META_KEY_CHROMA_DOCUMENT"
)
_SCHEMA = (
    "BoolInvertedIndexConfig BoolInvertedIndexType BoolValueType Cmek CmekProvider DOCUMENT_KEY EMBEDDING_KEY "
    "FloatInvertedIndexConfig FloatInvertedIndexType FloatListValueType FloatValueType FtsIndexConfig FtsIndexType "
    "HnswIndexConfig IndexConfig IntInvertedIndexConfig IntInvertedIndexType IntValueType Schema SpannIndexConfig "
    "SparseVectorIndexConfig SparseVectorIndexType SparseVectorValueType StringInvertedIndexConfig "
    "StringInvertedIndexType StringValueType ValueTypes VectorIndexConfig VectorIndexType"
)
_TYPES = (
    "CollectionMetadata Document Documents Embeddable Embedding Embeddings ID IDs Image Images Include LiteralValue "
    "Loadable Metadata Metadatas OneOrMany PyEmbedding PyEmbeddings ReadLevel SPARSE_VECTOR_TYPE_VALUE Space "
    "SparseVector SparseVectors TYPE_KEY URI URIs UpdateCollectionMetadata UpdateMetadata Vector Where WhereDocument"
)
_CONFIGURATION = (
    "CollectionConfiguration CreateCollectionConfiguration CreateHNSWConfiguration CreateSpannConfiguration "
    "HNSWConfiguration SpannConfiguration UpdateCollectionConfiguration UpdateHNSWConfiguration "
    "UpdateSpannConfiguration create_collection_configuration_to_json load_collection_configuration_from_json "
    "update_collection_configuration_to_json"
)
_EXPRESSIONS = (
    "Abs Aggregate And Contains Div Eq Exp GroupBy Gt Gte In K Key Knn Limit Log Lt Lte Max MaxK Min MinK Mul Ne Nin "
    "NotContains NotRegex Or Rank Regex Rrf Select Sub Sum Val Where"
)

#: Chroma's module of a provider -> module below embedding_functions -> its classes.
_PROVIDERS = {
    "amazon_bedrock_embedding_function": {"stand_ins": "AmazonBedrockEmbeddingFunction"},
    "baseten_embedding_function": {"stand_ins": "BasetenEmbeddingFunction"},
    "bm25_embedding_function": {"stand_ins": "Bm25EmbeddingFunction"},
    "chroma_bm25_embedding_function": {"stand_ins": "ChromaBm25EmbeddingFunction"},
    "chroma_cloud_qwen_embedding_function": {"stand_ins": "ChromaCloudQwenEmbeddingFunction"},
    "chroma_cloud_splade_embedding_function": {"stand_ins": "ChromaCloudSpladeEmbeddingFunction"},
    "chroma_langchain_embedding_function": {
        "chroma_langchain": "ChromaLangchainEmbeddingFunction create_langchain_embedding"
    },
    "cloudflare_workers_ai_embedding_function": {"stand_ins": "CloudflareWorkersAIEmbeddingFunction"},
    "cohere_embedding_function": {"cohere": "CohereEmbeddingFunction"},
    "fastembed_sparse_embedding_function": {"stand_ins": "FastembedSparseEmbeddingFunction"},
    "google_embedding_function": {
        "google_genai": "GoogleGeminiEmbeddingFunction GoogleGenaiEmbeddingFunction",
        "stand_ins": "GoogleGenerativeAiEmbeddingFunction GooglePalmEmbeddingFunction GoogleVertexEmbeddingFunction",
    },
    "huggingface_embedding_function": {"huggingface": "HuggingFaceEmbeddingFunction HuggingFaceEmbeddingServer"},
    "huggingface_sparse_embedding_function": {"stand_ins": "HuggingFaceSparseEmbeddingFunction"},
    "instructor_embedding_function": {"stand_ins": "InstructorEmbeddingFunction"},
    "jina_embedding_function": {"jina": "JinaEmbeddingFunction JinaQueryConfig"},
    "mistral_embedding_function": {"stand_ins": "MistralEmbeddingFunction"},
    "morph_embedding_function": {"stand_ins": "MorphEmbeddingFunction"},
    "nomic_embedding_function": {"stand_ins": "NomicEmbeddingFunction"},
    "ollama_embedding_function": {"ollama": "OllamaEmbeddingFunction"},
    "onnx_mini_lm_l6_v2": {"onnx_minilm": "ONNXMiniLM_L6_V2"},
    "open_clip_embedding_function": {"open_clip": "OpenCLIPEmbeddingFunction"},
    "openai_embedding_function": {"openai": "OpenAIEmbeddingFunction"},
    "perplexity_embedding_function": {"stand_ins": "PerplexityEmbeddingFunction"},
    "roboflow_embedding_function": {"stand_ins": "RoboflowEmbeddingFunction"},
    "sentence_transformer_embedding_function": {"sentence_transformer": "SentenceTransformerEmbeddingFunction"},
    "text2vec_embedding_function": {"stand_ins": "Text2VecEmbeddingFunction"},
    "together_ai_embedding_function": {"stand_ins": "TogetherAIEmbeddingFunction"},
    "voyageai_embedding_function": {"voyageai": "VoyageAIEmbeddingFunction"},
}

#: What Chroma's abstract clients take and answer; it stands wherever they do.
_OF_THE_API = {
    "config": "DEFAULT_DATABASE DEFAULT_TENANT Settings",
    "embedding_functions.base": "DataLoader DefaultEmbeddingFunction EmbeddingFunction",
    "operations.expressions": "Search",
    "results": "GetResult QueryResult",
    "schema": "CreateCollectionConfiguration Schema UpdateCollectionConfiguration",
    "types": "CollectionModel Database ReadLevel Tenant UserIdentity",
}

#: Path below the package -> module below the package -> its names that stand at the path.
PATHS: dict[str, dict[str, str]] = {
    "api/__init__.py": {
        "api": "async_api async_client client collection_configuration configuration functions models "
        "shared_system_client types",
        "client._sync.collection": "Collection",
        "operations.protocols": "AdminAPI BaseAPI ClientAPI ServerAPI",
        "operations.async_protocols": "AsyncAdminAPI AsyncBaseAPI AsyncClientAPI AsyncServerAPI",
        **_OF_THE_API,
    },
    "api/async_api.py": {
        "client._async.collection": "AsyncCollection",
        **_OF_THE_API,
        "operations.async_protocols": "AsyncAdminAPI AsyncBaseAPI AsyncClientAPI AsyncServerAPI",
    },
    "api/async_client.py": {
        "client._async.admin": "AsyncAdminClient",
        "client._async.client": "AsyncClient",
        "client.shared_system_client": "SharedSystemClient",
    },
    "api/client.py": {
        "client._sync.admin": "AdminClient",
        "client._sync.client": "Client",
        "client.shared_system_client": "SharedSystemClient",
    },
    "api/collection_configuration.py": {"schema": _CONFIGURATION},
    "api/configuration.py": {"schema": "CollectionConfiguration HNSWConfiguration"},
    "api/functions.py": {"types": "Function RECORD_COUNTER_FUNCTION STATISTICS_FUNCTION"},
    "api/models/__init__.py": {"api.models": "AsyncCollection Collection CollectionCommon"},
    "api/models/AsyncCollection.py": {
        "client._async.collection": "AsyncCollection",
        "client.collection_common": "CollectionCommon",
        "results": "GetResult QueryResult",
    },
    "api/models/Collection.py": {
        "client._sync.collection": "Collection",
        "client.collection_common": "CollectionCommon",
        "results": "GetResult QueryResult",
    },
    "api/models/CollectionCommon.py": {"client.collection_common": "CollectionCommon"},
    "api/shared_system_client.py": {"client.shared_system_client": "SharedSystemClient"},
    "api/types.py": {
        "embedding_functions.base": "DataLoader DefaultEmbeddingFunction EmbeddingFunction SparseEmbeddingFunction "
        "normalize_embeddings validate_embedding_function",
        "operations.validate": _VALIDATORS,
        "results": "GetResult QueryResult",
        "schema": _SCHEMA,
        "types": _TYPES,
    },
    "auth/__init__.py": {"auth": "token_authn", "types": "UserIdentity"},
    "auth/token_authn/__init__.py": {"types": "TokenTransportHeader"},
    "base_types.py": {
        "types": "LiteralValue Metadata SPARSE_VECTOR_TYPE_VALUE SparseVector TYPE_KEY UpdateMetadata Vector Where "
        "WhereDocument",
    },
    "execution/__init__.py": {"execution": "expression"},
    "execution/expression/__init__.py": {
        "execution.expression": "operator plan",
        "operations.expressions": f"{_EXPRESSIONS} Search",
    },
    "execution/expression/operator.py": {"operations.expressions": _EXPRESSIONS},
    "execution/expression/plan.py": {"operations.expressions": "Search"},
    "utils/__init__.py": {"utils": "batch_utils data_loaders distance_functions embedding_functions results"},
    "utils/batch_utils.py": {"operations.batches": "create_batches"},
    "utils/data_loaders.py": {
        "embedding_functions.image_loader": "ChromaLangchainPassthroughDataLoader ImageLoader",
    },
    "utils/distance_functions.py": {"operations.distance_functions": "cosine ip l2"},
    # Resolved on first use, as they are where they live: no provider is loaded for another one's sake.
    "utils/embedding_functions/__init__.py": {"embedding_functions": "__all__ __dir__ __getattr__"},
    **{
        f"utils/embedding_functions/{path}.py": {
            f"embedding_functions.{module}": names for module, names in rows.items()
        }
        for path, rows in _PROVIDERS.items()
    },
    "utils/results.py": {"dataframe": "get_result_to_df query_result_to_dfs"},
}


def text(path: str) -> str:
    """The file at ``path``."""
    imports = [_import(module, names.split()) for module, names in sorted(PATHS[path].items())]
    names = sorted(name for names in PATHS[path].values() for name in names.split())
    return f"{_head(path)}{''.join(imports)}{_all(names)}"


def _head(path: str) -> str:
    chroma_path = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    name_of_a_class = "# ruff: noqa: N999\n" if Path(path).name[0].isupper() else ""
    return (
        f'{name_of_a_class}"""Chroma\'s path ``chromadb.{chroma_path}``.\n\n'
        'Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.\n"""\n\n'
    )


def _all(names: list[str]) -> str:
    if "__all__" in names:
        return ""
    listed = "".join(f'    "{name}",\n' for name in names)
    return f"\n__all__ = [\n{listed}]\n"


def _import(module: str, names: list[str]) -> str:
    names = sorted(names, key=_as_ruff_sorts)
    if "__all__" in names:
        return "".join(f"from chroma_nb.{module} import {name} as {name}\n" for name in names)
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
            sys.stderr.write(f"chroma_nb/{path} is not current; run: python -m chroma_nb.client._generate_paths\n")
        else:
            (PACKAGE / path).parent.mkdir(parents=True, exist_ok=True)
            (PACKAGE / path).write_text(text(path), encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


def _is_current(path: str) -> bool:
    file = PACKAGE / path
    return file.exists() and file.read_text(encoding="utf-8") == text(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

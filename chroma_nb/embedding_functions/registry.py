"""Which class stands for which name in a stored configuration; classes are imported when first asked for.

A stored configuration can name only what is in these tables: a row below, or a class the user registered.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, TypeVar, overload

from chroma_nb.embedding_functions.base import AnyEmbeddingFunction, Config, SparseEmbeddingFunction
from chroma_nb.embedding_functions.stand_ins import STAND_INS
from chroma_nb.types import Json

C = TypeVar("C", bound=type)

#: Where the classes of ``STAND_INS`` are.
STAND_INS_MODULE = "chroma_nb.embedding_functions.stand_ins"


class Registry(MutableMapping[str, Any]):
    """Name -> class, where a value given as "module:Class" is imported on first use.

    >>> known_embedding_functions["default"].__name__
    'DefaultEmbeddingFunction'
    """

    def __init__(self, rows: dict[str, str]) -> None:
        self._classes: Json = dict(rows)

    def __getitem__(self, name: str) -> object:
        value = self._classes[name]
        if isinstance(value, str):
            module, _, attribute = value.partition(":")
            value = self._classes[name] = getattr(importlib.import_module(module), attribute)
        return value

    def __setitem__(self, name: str, value: object) -> None:
        self._classes[name] = value

    def __delitem__(self, name: str) -> None:
        del self._classes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)

    def __contains__(self, name: object) -> bool:
        return name in self._classes

    def __repr__(self) -> str:
        return f"Registry({sorted(self._classes)})"


#: Registered name -> module and class, for those that embed. Names of modules are written in full: who looks for
#: what imports a module finds them.
PROVIDERS: dict[str, str] = {
    "amazon_bedrock": "chroma_nb.embedding_functions.amazon_bedrock:AmazonBedrockEmbeddingFunction",
    "baseten": "chroma_nb.embedding_functions.baseten:BasetenEmbeddingFunction",
    "chroma-cloud-qwen": "chroma_nb.embedding_functions.chroma_cloud_qwen:ChromaCloudQwenEmbeddingFunction",
    "chroma_langchain": "chroma_nb.embedding_functions.chroma_langchain:ChromaLangchainEmbeddingFunction",
    "cloudflare_workers_ai": "chroma_nb.embedding_functions.services:CloudflareWorkersAIEmbeddingFunction",
    "cohere": "chroma_nb.embedding_functions.cohere:CohereEmbeddingFunction",
    "default": "chroma_nb.embedding_functions.default:DefaultEmbeddingFunction",
    "google_gemini": "chroma_nb.embedding_functions.google_genai:GoogleGeminiEmbeddingFunction",
    "google_genai": "chroma_nb.embedding_functions.google_genai:GoogleGeminiEmbeddingFunction",
    "google_generative_ai": "chroma_nb.embedding_functions.google_genai:GoogleGenerativeAiEmbeddingFunction",
    "google_palm": "chroma_nb.embedding_functions.google_genai:GooglePalmEmbeddingFunction",
    "google_vertex": "chroma_nb.embedding_functions.google_genai:GoogleVertexEmbeddingFunction",
    "huggingface": "chroma_nb.embedding_functions.huggingface:HuggingFaceEmbeddingFunction",
    "huggingface_server": "chroma_nb.embedding_functions.huggingface:HuggingFaceEmbeddingServer",
    "instructor": "chroma_nb.embedding_functions.sentence_models:InstructorEmbeddingFunction",
    "jina": "chroma_nb.embedding_functions.jina:JinaEmbeddingFunction",
    # the name that Chroma's bridge to LangChain stores, though it is registered by the longer one
    "langchain": "chroma_nb.embedding_functions.chroma_langchain:ChromaLangchainEmbeddingFunction",
    "mistral": "chroma_nb.embedding_functions.services:MistralEmbeddingFunction",
    "morph": "chroma_nb.embedding_functions.services:MorphEmbeddingFunction",
    "nomic": "chroma_nb.embedding_functions.services:NomicEmbeddingFunction",
    "ollama": "chroma_nb.embedding_functions.ollama:OllamaEmbeddingFunction",
    "onnx_mini_lm_l6_v2": "chroma_nb.embedding_functions.onnx_minilm:ONNXMiniLM_L6_V2",
    "open_clip": "chroma_nb.embedding_functions.open_clip:OpenCLIPEmbeddingFunction",
    "openai": "chroma_nb.embedding_functions.openai:OpenAIEmbeddingFunction",
    "perplexity": "chroma_nb.embedding_functions.services:PerplexityEmbeddingFunction",
    "roboflow": "chroma_nb.embedding_functions.services:RoboflowEmbeddingFunction",
    "sentence_transformer": "chroma_nb.embedding_functions.sentence_transformer:SentenceTransformerEmbeddingFunction",
    "text2vec": "chroma_nb.embedding_functions.sentence_models:Text2VecEmbeddingFunction",
    "together_ai": "chroma_nb.embedding_functions.services:TogetherAIEmbeddingFunction",
    "voyageai": "chroma_nb.embedding_functions.voyageai:VoyageAIEmbeddingFunction",
}
#: The same for sparse vectors.
SPARSE_PROVIDERS: dict[str, str] = {
    "bm25": "chroma_nb.embedding_functions.fastembed:Bm25EmbeddingFunction",
    "chroma_bm25": "chroma_nb.embedding_functions.chroma_bm25:ChromaBm25EmbeddingFunction",
    "fastembed_sparse": "chroma_nb.embedding_functions.fastembed:FastembedSparseEmbeddingFunction",
    "huggingface_sparse": "chroma_nb.embedding_functions.huggingface_sparse:HuggingFaceSparseEmbeddingFunction",
}


def _rows(*, sparse: bool) -> dict[str, str]:
    rows = {row.name: f"{STAND_INS_MODULE}:{row.class_name}" for row in STAND_INS if row.sparse == sparse}
    return rows | (SPARSE_PROVIDERS if sparse else PROVIDERS)


known_embedding_functions = Registry(_rows(sparse=False))
sparse_known_embedding_functions = Registry(_rows(sparse=True))


def get_builtins() -> set[str]:
    """Return the names of the classes that Chroma provides."""
    rows = (*PROVIDERS.values(), *SPARSE_PROVIDERS.values())
    return {row.partition(":")[2] for row in rows} | {row.class_name for row in STAND_INS}


def _register(registry: Registry, cls: C) -> C:
    """A class that only wraps another (``cached``) names that one as its ``registered_class``."""
    try:
        name = cls.name()  # type: ignore[attr-defined]  # the protocol demands it; its absence is the error below
    except Exception as error:
        raise ValueError(f"Failed to register embedding function: {error}") from error
    if not isinstance(name, str):
        raise ValueError(f"Failed to register embedding function: {cls.__name__}.name() is {name!r}, expected a str")
    registry[name] = getattr(cls, "registered_class", cls)
    return cls


@overload
def register_embedding_function(ef_class: C) -> C: ...
@overload
def register_embedding_function(ef_class: None = None) -> Callable[[C], C]: ...
def register_embedding_function(ef_class: Any = None) -> Any:
    """Register an embedding function so that collections can store it and build it again.

    Use it as a class decorator, ``@register_embedding_function``, or call it with the class. A collection stores only
    the name and the configuration. Register the class in each program that opens the collection.

    Parameters
    ----------
    ef_class
        The class. It needs ``name``, ``get_config`` and ``build_from_config``.

    Returns
    -------
    type
        The class itself; without ``ef_class``, a decorator.

    Raises
    ------
    ValueError
        ``ef_class.name()`` is missing or does not return a text.
    """
    if ef_class is None:
        return register_embedding_function
    return _register(known_embedding_functions, ef_class)


@overload
def register_sparse_embedding_function(ef_class: C) -> C: ...
@overload
def register_sparse_embedding_function(ef_class: None = None) -> Callable[[C], C]: ...
def register_sparse_embedding_function(ef_class: Any = None) -> Any:
    """Register a sparse embedding function, as ``register_embedding_function`` does for dense ones."""
    if ef_class is None:
        return register_sparse_embedding_function
    return _register(sparse_known_embedding_functions, ef_class)


def config_to_embedding_function(config: Config) -> AnyEmbeddingFunction:
    """Build the embedding function that a collection stores.

    Parameters
    ----------
    config
        ``{"name": …, "config": …}``. The name must be registered. The class checks the configuration first.

    Raises
    ------
    ValueError
        The name is not registered or the configuration does not fit the class.

    Examples
    --------
    >>> config_to_embedding_function({"type": "known", "name": "default", "config": {}}).name()
    'default'
    """
    if "name" not in config:
        raise ValueError("Config must contain a 'name' field.")
    cls = known_embedding_functions.get(config["name"])
    if cls is None:
        raise ValueError(f"Unsupported embedding function: {config['name']}")
    arguments = config.get("config", {})
    cls.validate_config(arguments)
    return cls.build_from_config(arguments)  # type: ignore[no-any-return]


def config_to_sparse_embedding_function(config: Config) -> SparseEmbeddingFunction[Any]:
    """Build a sparse embedding function, as ``config_to_embedding_function`` does for dense ones."""
    if "name" not in config:
        raise ValueError("Config must contain a 'name' field.")
    cls = sparse_known_embedding_functions.get(config["name"])
    if cls is None:
        raise ValueError(f"Unsupported sparse embedding function: {config['name']}")
    arguments = config.get("config", {})
    cls.validate_config(arguments)
    return cls.build_from_config(arguments)  # type: ignore[no-any-return]

"""Embedding functions: the protocol, the registry of names, and one file a provider.

The public classes are resolved on first use; importing this package loads none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from chroma_nb.embedding_functions.registry import PROVIDERS, SPARSE_PROVIDERS, STAND_INS_MODULE
from chroma_nb.embedding_functions.stand_ins import STAND_INS

#: Public name -> the module that defines it.
_HOME: dict[str, str] = {
    **{
        class_name: module
        for module, _, class_name in (row.partition(":") for row in (*PROVIDERS.values(), *SPARSE_PROVIDERS.values()))
    },
    **dict.fromkeys((row.class_name for row in STAND_INS), STAND_INS_MODULE),
    **dict.fromkeys(("EmbeddingFunction", "SparseEmbeddingFunction"), "chroma_nb.embedding_functions.base"),
    "GoogleGenaiEmbeddingFunction": "chroma_nb.embedding_functions.google_genai",
    **dict.fromkeys(
        ("ChromaLangchainPassthroughDataLoader", "ImageLoader"), "chroma_nb.embedding_functions.image_loader"
    ),
    "JinaQueryConfig": "chroma_nb.embedding_functions.jina",
    "NomicQueryConfig": "chroma_nb.embedding_functions.services",
    "cached": "chroma_nb.embedding_functions.cache",
    "create_langchain_embedding": "chroma_nb.embedding_functions.chroma_langchain",
    **dict.fromkeys(
        (
            "config_to_embedding_function",
            "get_builtins",
            "known_embedding_functions",
            "register_embedding_function",
            "register_sparse_embedding_function",
            "sparse_known_embedding_functions",
        ),
        "chroma_nb.embedding_functions.registry",
    ),
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name == "models":
        return import_module("chroma_nb.embedding_functions.models")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})

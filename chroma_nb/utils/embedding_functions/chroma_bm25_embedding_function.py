"""Chroma's path ``chromadb.utils.embedding_functions.chroma_bm25_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.chroma_bm25 import (
    DEFAULT_AVG_DOC_LENGTH,
    DEFAULT_B,
    DEFAULT_CHROMA_BM25_STOPWORDS,
    DEFAULT_K,
    DEFAULT_TOKEN_MAX_LENGTH,
    NAME,
    ChromaBm25Config,
    ChromaBm25EmbeddingFunction,
)

__all__ = [
    "ChromaBm25Config",
    "ChromaBm25EmbeddingFunction",
    "DEFAULT_AVG_DOC_LENGTH",
    "DEFAULT_B",
    "DEFAULT_CHROMA_BM25_STOPWORDS",
    "DEFAULT_K",
    "DEFAULT_TOKEN_MAX_LENGTH",
    "NAME",
]

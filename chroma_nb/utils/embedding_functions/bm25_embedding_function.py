"""Chroma's path ``chromadb.utils.embedding_functions.bm25_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.by_task import QueryConfig as Bm25EmbeddingFunctionQueryConfig
from chroma_nb.embedding_functions.by_task import TaskType
from chroma_nb.embedding_functions.fastembed import Bm25EmbeddingFunction

__all__ = [
    "Bm25EmbeddingFunction",
    "Bm25EmbeddingFunctionQueryConfig",
    "TaskType",
]

"""Chroma's path ``chromadb.utils.embedding_functions.fastembed_sparse_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.by_task import QueryConfig as FastembedSparseEmbeddingFunctionQueryConfig
from chroma_nb.embedding_functions.by_task import TaskType
from chroma_nb.embedding_functions.fastembed import FastembedSparseEmbeddingFunction

__all__ = [
    "FastembedSparseEmbeddingFunction",
    "FastembedSparseEmbeddingFunctionQueryConfig",
    "TaskType",
]

"""Chroma's path ``chromadb.utils.embedding_functions.fastembed_sparse_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.stand_in_arguments import FastembedSparseEmbeddingFunctionQueryConfig, TaskType
from chroma_nb.embedding_functions.stand_ins import FastembedSparseEmbeddingFunction

__all__ = [
    "FastembedSparseEmbeddingFunction",
    "FastembedSparseEmbeddingFunctionQueryConfig",
    "TaskType",
]

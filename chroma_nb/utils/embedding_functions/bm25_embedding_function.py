"""Chroma's path ``chromadb.utils.embedding_functions.bm25_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.stand_in_arguments import Bm25EmbeddingFunctionQueryConfig, TaskType
from chroma_nb.embedding_functions.stand_ins import Bm25EmbeddingFunction

__all__ = [
    "Bm25EmbeddingFunction",
    "Bm25EmbeddingFunctionQueryConfig",
    "TaskType",
]

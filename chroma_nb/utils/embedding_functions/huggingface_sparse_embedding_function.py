"""Chroma's path ``chromadb.utils.embedding_functions.huggingface_sparse_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.stand_in_arguments import HuggingFaceSparseEmbeddingFunctionQueryConfig, TaskType
from chroma_nb.embedding_functions.stand_ins import HuggingFaceSparseEmbeddingFunction

__all__ = [
    "HuggingFaceSparseEmbeddingFunction",
    "HuggingFaceSparseEmbeddingFunctionQueryConfig",
    "TaskType",
]

"""Chroma's path ``chromadb.utils.embedding_functions.huggingface_sparse_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.by_task import QueryConfig as HuggingFaceSparseEmbeddingFunctionQueryConfig
from chroma_nb.embedding_functions.by_task import TaskType
from chroma_nb.embedding_functions.huggingface_sparse import HuggingFaceSparseEmbeddingFunction

__all__ = [
    "HuggingFaceSparseEmbeddingFunction",
    "HuggingFaceSparseEmbeddingFunctionQueryConfig",
    "TaskType",
]

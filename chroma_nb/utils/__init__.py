"""Chroma's path ``chromadb.utils``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.config import get_class
from chroma_nb.utils import (
    batch_utils,
    data_loaders,
    distance_functions,
    embedding_functions,
    results,
    sparse_embedding_utils,
)

__all__ = [
    "batch_utils",
    "data_loaders",
    "distance_functions",
    "embedding_functions",
    "get_class",
    "results",
    "sparse_embedding_utils",
]

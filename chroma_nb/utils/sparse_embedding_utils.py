"""Chroma's path ``chromadb.utils.sparse_embedding_utils``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.types import SparseVector, normalize_sparse_vector

__all__ = [
    "SparseVector",
    "normalize_sparse_vector",
]

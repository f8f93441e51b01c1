"""Chroma's path ``chromadb.base_types``.

Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.
"""

from chroma_nb.types import (
    SPARSE_VECTOR_TYPE_VALUE,
    TYPE_KEY,
    LiteralValue,
    Metadata,
    SparseVector,
    UpdateMetadata,
    Vector,
    Where,
    WhereDocument,
)

__all__ = [
    "LiteralValue",
    "Metadata",
    "SPARSE_VECTOR_TYPE_VALUE",
    "SparseVector",
    "TYPE_KEY",
    "UpdateMetadata",
    "Vector",
    "Where",
    "WhereDocument",
]

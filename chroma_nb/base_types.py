"""Chroma's path ``chromadb.base_types``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.types import (
    SPARSE_VECTOR_TYPE_VALUE,
    TYPE_KEY,
    ArrayContainsOperator,
    InclusionExclusionOperator,
    LiteralValue,
    LogicalOperator,
    Metadata,
    MetadataListValue,
    OperatorExpression,
    PyVector,
    SparseVector,
    UpdateMetadata,
    Vector,
    Where,
    WhereDocument,
    WhereDocumentOperator,
    WhereOperator,
)

__all__ = [
    "ArrayContainsOperator",
    "InclusionExclusionOperator",
    "LiteralValue",
    "LogicalOperator",
    "Metadata",
    "MetadataListValue",
    "OperatorExpression",
    "PyVector",
    "SPARSE_VECTOR_TYPE_VALUE",
    "SparseVector",
    "TYPE_KEY",
    "UpdateMetadata",
    "Vector",
    "Where",
    "WhereDocument",
    "WhereDocumentOperator",
    "WhereOperator",
]

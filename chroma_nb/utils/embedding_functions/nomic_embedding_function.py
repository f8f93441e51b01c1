"""Chroma's path ``chromadb.utils.embedding_functions.nomic_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.services import NomicEmbeddingFunction, NomicQueryConfig

__all__ = [
    "NomicEmbeddingFunction",
    "NomicQueryConfig",
]

"""Chroma's path ``chromadb.utils.embedding_functions.baseten_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.baseten import BasetenEmbeddingFunction

__all__ = [
    "BasetenEmbeddingFunction",
]

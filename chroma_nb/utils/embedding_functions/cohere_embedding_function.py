"""Chroma's path ``chromadb.utils.embedding_functions.cohere_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.cohere import CohereEmbeddingFunction

__all__ = [
    "CohereEmbeddingFunction",
]

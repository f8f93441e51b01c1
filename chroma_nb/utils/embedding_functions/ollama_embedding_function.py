"""Chroma's path ``chromadb.utils.embedding_functions.ollama_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.ollama import OllamaEmbeddingFunction

__all__ = [
    "OllamaEmbeddingFunction",
]

"""Chroma's path ``chromadb.utils.embedding_functions.huggingface_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.huggingface import HuggingFaceEmbeddingFunction, HuggingFaceEmbeddingServer

__all__ = [
    "HuggingFaceEmbeddingFunction",
    "HuggingFaceEmbeddingServer",
]

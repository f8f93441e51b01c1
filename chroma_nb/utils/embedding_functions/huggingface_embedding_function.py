"""Chroma's path ``chromadb.utils.embedding_functions.huggingface_embedding_function``.

Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.huggingface import HuggingFaceEmbeddingFunction, HuggingFaceEmbeddingServer

__all__ = [
    "HuggingFaceEmbeddingFunction",
    "HuggingFaceEmbeddingServer",
]

"""Chroma's path ``chromadb.utils.embedding_functions.open_clip_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.open_clip import OpenCLIPEmbeddingFunction

__all__ = [
    "OpenCLIPEmbeddingFunction",
]

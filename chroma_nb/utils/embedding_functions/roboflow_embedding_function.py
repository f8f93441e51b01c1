"""Chroma's path ``chromadb.utils.embedding_functions.roboflow_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.services import RoboflowEmbeddingFunction

__all__ = [
    "RoboflowEmbeddingFunction",
]

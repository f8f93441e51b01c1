"""Chroma's path ``chromadb.utils.embedding_functions.chroma_cloud_splade_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.stand_in_arguments import ChromaCloudSpladeEmbeddingModel
from chroma_nb.embedding_functions.stand_ins import ChromaCloudSpladeEmbeddingFunction

__all__ = [
    "ChromaCloudSpladeEmbeddingFunction",
    "ChromaCloudSpladeEmbeddingModel",
]

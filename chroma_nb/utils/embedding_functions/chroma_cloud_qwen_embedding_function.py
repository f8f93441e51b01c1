"""Chroma's path ``chromadb.utils.embedding_functions.chroma_cloud_qwen_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.stand_in_arguments import (
    ChromaCloudQwenEmbeddingInstructions,
    ChromaCloudQwenEmbeddingModel,
    ChromaCloudQwenEmbeddingTarget,
)
from chroma_nb.embedding_functions.stand_ins import ChromaCloudQwenEmbeddingFunction

__all__ = [
    "ChromaCloudQwenEmbeddingFunction",
    "ChromaCloudQwenEmbeddingInstructions",
    "ChromaCloudQwenEmbeddingModel",
    "ChromaCloudQwenEmbeddingTarget",
]

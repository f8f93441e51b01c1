"""Chroma's path ``chromadb.utils.embedding_functions.amazon_bedrock_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.amazon_bedrock import AmazonBedrockEmbeddingFunction

__all__ = [
    "AmazonBedrockEmbeddingFunction",
]

"""Chroma's path ``chromadb.utils.embedding_functions.together_ai_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.services import TogetherAIEmbeddingFunction

__all__ = [
    "TogetherAIEmbeddingFunction",
]

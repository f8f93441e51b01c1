"""Chroma's path ``chromadb.utils.embedding_functions.text2vec_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.sentence_models import Text2VecEmbeddingFunction

__all__ = [
    "Text2VecEmbeddingFunction",
]

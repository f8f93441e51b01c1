"""Chroma's path ``chromadb.utils.embedding_functions.chroma_bm25_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.stand_in_arguments import ChromaBm25Config
from chroma_nb.embedding_functions.stand_ins import ChromaBm25EmbeddingFunction

__all__ = [
    "ChromaBm25Config",
    "ChromaBm25EmbeddingFunction",
]

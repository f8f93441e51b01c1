"""Chroma's path ``chromadb.utils.embedding_functions.jina_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.jina import JinaEmbeddingFunction, JinaQueryConfig

__all__ = [
    "JinaEmbeddingFunction",
    "JinaQueryConfig",
]

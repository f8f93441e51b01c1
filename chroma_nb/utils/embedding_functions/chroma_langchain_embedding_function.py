"""Chroma's path ``chromadb.utils.embedding_functions.chroma_langchain_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.chroma_langchain import ChromaLangchainEmbeddingFunction, create_langchain_embedding

__all__ = [
    "ChromaLangchainEmbeddingFunction",
    "create_langchain_embedding",
]

"""Chroma's path ``chromadb.utils.embedding_functions.cloudflare_workers_ai_embedding_function``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.services import CloudflareWorkersAIEmbeddingFunction

__all__ = [
    "CloudflareWorkersAIEmbeddingFunction",
]

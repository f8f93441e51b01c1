"""Chroma's path ``chromadb.utils.batch_utils``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.operations.batches import create_batches
from chroma_nb.operations.protocols import BaseAPI
from chroma_nb.types import Documents, Embeddings, IDs, Metadatas

__all__ = [
    "BaseAPI",
    "Documents",
    "Embeddings",
    "IDs",
    "Metadatas",
    "create_batches",
]

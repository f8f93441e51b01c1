"""Chroma's path ``chromadb.utils.batch_utils``.

Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.
"""

from chroma_nb.operations.batches import create_batches

__all__ = [
    "create_batches",
]

"""Chroma's path ``chromadb.utils``.

Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.
"""

from chroma_nb.utils import batch_utils, data_loaders, distance_functions, embedding_functions, results

__all__ = [
    "batch_utils",
    "data_loaders",
    "distance_functions",
    "embedding_functions",
    "results",
]

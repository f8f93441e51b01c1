"""Chroma's path ``chromadb.utils.distance_functions``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.operations.distance_functions import cosine, ip, l2
from chroma_nb.types import Vector

__all__ = [
    "Vector",
    "cosine",
    "ip",
    "l2",
]

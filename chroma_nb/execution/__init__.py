"""Chroma's path ``chromadb.execution``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.execution import expression

__all__ = [
    "expression",
]

"""Chroma's path ``chromadb.execution.expression.plan``.

Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.
"""

from chroma_nb.operations.expressions import Search

__all__ = [
    "Search",
]

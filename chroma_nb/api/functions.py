"""Chroma's path ``chromadb.api.functions``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.types import RECORD_COUNTER_FUNCTION, STATISTICS_FUNCTION, Function

__all__ = [
    "Function",
    "RECORD_COUNTER_FUNCTION",
    "STATISTICS_FUNCTION",
]

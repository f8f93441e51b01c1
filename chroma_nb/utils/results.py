"""Chroma's path ``chromadb.utils.results``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.results import GetResult, QueryResult
from chroma_nb.tables.frames import get_result_to_df, query_result_to_dfs

__all__ = [
    "GetResult",
    "QueryResult",
    "get_result_to_df",
    "query_result_to_dfs",
]

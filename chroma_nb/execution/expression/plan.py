"""Chroma's path ``chromadb.execution.expression.plan``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.client.not_offered import KNN, CountPlan, Filter, GetPlan, KNNPlan, Projection, Scan
from chroma_nb.query.conditions import Key, Where
from chroma_nb.query.ranking import Rank
from chroma_nb.query.search import GroupBy, Limit, Search, Select

__all__ = [
    "CountPlan",
    "Filter",
    "GetPlan",
    "GroupBy",
    "KNN",
    "KNNPlan",
    "Key",
    "Limit",
    "Projection",
    "Rank",
    "Scan",
    "Search",
    "Select",
    "Where",
]

"""Hits: the results of one search, from its ranking to the page that is returned. No I/O.

In Chroma's order: each Knn among the allowed records, the expression over their results, groups, offset and limit.
The caller passes functions that run a Knn and read metadata.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chroma_nb.engine.arrays import Float32, Rows
from chroma_nb.engine.search import grouping
from chroma_nb.engine.search.grouping import Metadata
from chroma_nb.engine.search.scores import Nearest, evaluate
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.query.ranking import Rank
from chroma_nb.query.search import GroupBy, Limit


def hits(
    rank: Rank | None,
    group_by: GroupBy,
    limit: Limit,
    *,
    allowed: Callable[[], Rows],
    nearest: Nearest,
    metadata: Metadata,
) -> tuple[Rows, Float32]:
    """The rows of a search and their scores, lowest first.

    Without a rank these are the ``allowed`` rows, in get() order; the score of each is its place on the page, from 0.
    InvalidArgumentError for invalid groups.
    """
    grouping.check(group_by, has_rank=rank is not None)
    stretch = _stretch(limit)
    if rank is None:
        rows = allowed()[stretch]
        return rows, np.arange(len(rows), dtype=np.float32)
    rows, scores = grouping.grouped(*evaluate(rank, nearest).ranked(), group_by, metadata)
    return rows[stretch], scores[stretch]


def _stretch(limit: Limit) -> slice:
    if limit.offset < 0 or (limit.limit is not None and limit.limit < 0):
        raise InvalidArgumentError(f"Expected limit and offset of 0 or more, got {limit.limit} and {limit.offset}")
    return slice(limit.offset, None if limit.limit is None else limit.offset + limit.limit)

"""Select records by ids, by a filter, and by limit and offset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from chroma_nb.engine.arrays import Ints, Mask
from chroma_nb.engine.filters.evaluation import evaluate
from chroma_nb.engine.memory.snapshot import Snapshot
from chroma_nb.query.conditions import Where

#: How many rows are tested first when only the first few matches are wanted; then four times as many.
_FIRST_BLOCK: Final = 512


def select(
    snapshot: Snapshot, ids: Sequence[str] | None, filter: Where | None, limit: int | None, offset: int = 0
) -> Ints:
    """The rows selected, in get() order.

    Raises InvalidArgumentError for a filter on a key that the collection's schema does not index.
    """
    if filter is not None and (unindexed := snapshot.row.unindexed) is not None:
        unindexed.refuse(filter)
    if not snapshot.memory.whole:  # no others were read
        return snapshot.memory.live_rows()
    end = None if limit is None else offset + limit
    rows = None if ids is None else snapshot.rows_of(ids)
    if filter is None:
        found = snapshot.memory.live_rows() if rows is None else rows
    elif rows is not None or end is None:
        found = np.flatnonzero(_matching(snapshot, filter, rows))
    else:
        found = _first_matches(snapshot, filter, end)
    return found[offset:end]


def allowed(snapshot: Snapshot, filter: Where | None) -> Ints:
    """The rows that a search may return, in get() order. Its filter may test ids."""
    memory = snapshot.memory
    if filter is None:
        return memory.live_rows()
    return np.flatnonzero(evaluate(filter, snapshot.columns, snapshot.documents, memory.alive, ids=snapshot.rows_of))


def _matching(snapshot: Snapshot, filter: Where, among: Ints | None) -> Mask:
    """A mask over rows: live, matching, and in ``among`` when it is given."""
    alive = snapshot.memory.alive
    if among is not None:
        alive = np.zeros(snapshot.memory.rows, np.bool_)
        alive[among] = True
    return evaluate(filter, snapshot.columns, snapshot.documents, alive)


def _first_matches(snapshot: Snapshot, filter: Where, wanted: int) -> Ints:
    memory = snapshot.memory
    found: list[Ints] = []
    count, stop, block = 0, 0, _FIRST_BLOCK
    while stop < memory.rows and count < wanted:
        start, stop = stop, min(stop + block, memory.rows)
        block *= 4
        mask = evaluate(filter, snapshot.columns, snapshot.documents, memory.alive, start, stop)
        found.append(np.flatnonzero(mask) + start)
        count += len(found[-1])
    return np.concatenate(found) if found else np.empty(0, np.int64)

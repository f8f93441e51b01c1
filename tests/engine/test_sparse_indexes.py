"""The sparse indexes of a collection in memory: what was taken down of changes, put in by the next search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from engine_samples import sparse
from hypothesis import given
from hypothesis import strategies as st

from chroma_nb.engine.index.postings import SparseRows
from chroma_nb.engine.memory import sparse_indexes
from chroma_nb.engine.memory.sparse_indexes import SparseIndexes

EVERY = np.arange(5)

#: dimension -> value, or no vector at all.
vectors = st.none() | st.dictionaries(st.integers(0, 4), st.sampled_from((0.5, 1.0, 2.0)), max_size=3)
#: Row -> what it holds from then on.
changes = st.dictionaries(st.integers(0, 7), vectors, max_size=5)


def everything(indexes: SparseIndexes) -> dict[int, dict[int, float]]:
    """What an index holds, by row; empty vectors are not there."""
    index = indexes.index("v", lambda: pytest.fail("it is made anew"))
    rows, _ = index.nearest(EVERY, np.ones(5), 100)
    entries = index.entries_of(rows, EVERY)
    return {
        row: {dimension: value for dimension, value in enumerate(values) if not np.isnan(value)}
        for row, values in zip(rows.tolist(), entries.tolist(), strict=True)
    }


@given(stored=changes, later=st.lists(st.tuples(changes, st.sets(st.integers(0, 7), max_size=2)), max_size=6))
def test_changes_that_wait_are_put_in_as_if_each_had_been_at_once(stored: Any, later: Any) -> None:
    indexes = SparseIndexes()
    held = {row: vector for row, vector in stored.items() if vector}
    rows = np.array(sorted(stored), np.int64)
    piece = [{"v": sparse(stored[row] or {}).to_dict(), "n": 1} if stored[row] else {"v": 5} for row in rows.tolist()]
    indexes.index("v", lambda: [(rows, piece)])
    for changed, gone in later:
        gone = sorted(gone - changed.keys())
        metadatas = [None if vector is None else {"v": sparse(vector)} for vector in changed.values()]
        indexes.note(np.array([*changed], np.int64), metadatas, np.array(gone, np.int64))
        for row in (*changed, *gone):
            held.pop(row, None)
            if changed.get(row):
                held[row] = changed[row]
    waiting = list(indexes._kept["v"].behind)
    assert everything(indexes) == held
    indexes._kept["v"].behind = waiting  # as an interrupt leaves it, after they were put in
    assert everything(indexes) == held


def as_rows(lot: dict[int, Any]) -> SparseRows:
    return SparseRows.of(np.array(sorted(lot), np.int64), [sparse(lot[row] or {}) for row in sorted(lot)])


@given(lots=st.lists(changes, min_size=1, max_size=5))
def test_of_several_changes_the_last_of_each_row_counts(lots: Any) -> None:
    last = {row: vector for lot in lots for row, vector in lot.items()}
    right, found = as_rows(last), SparseRows.last_of(list(map(as_rows, lots)))
    for part in ("rows", "lengths", "dimensions", "values"):
        assert getattr(found, part).tolist() == getattr(right, part).tolist()


def test_what_waits_is_put_in_before_it_is_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse_indexes, "_MOST_BEHIND", 3)
    indexes = SparseIndexes()
    indexes.index("v", list)
    for row in range(10):
        indexes.note(np.array([row]), [{"v": sparse({1: 1.0})}], np.empty(0, np.int64))
        assert len(indexes._kept["v"].behind) <= 3
    assert len(everything(indexes)) == 10

"""Some records of a collection, read from SQLite without loading the others: by ids, or a page in get() order.

Only for databases in files, which have an index of ids. The result is None if this would take longer than loading,
or needs the whole collection; then the caller loads it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from chroma_nb.engine.arrays import Ints, Mask
from chroma_nb.engine.memory.collection import CollectionInMemory
from chroma_nb.engine.storage import records
from chroma_nb.engine.storage.catalog import CollectionRow

#: Looking a record up takes some ten times as long as loading one among many.
_SHARE: Final = 16
#: This many are looked up in any case: as many as displays show.
_ALWAYS: Final = 100


class Part(CollectionInMemory):
    """A collection in memory with only some of its records, for one call that needs no others.

    It knows where their vectors lie, not which record lies at a slot: it cannot be searched.
    """

    whole = False

    def __init__(self, row: CollectionRow, headers: Sequence[tuple[Any, ...]]) -> None:
        """``headers``: (key, id, slot, norm) of each, in get() order."""
        super().__init__(row.number)
        keys, ids, slots, norms = zip(*headers, strict=True) if headers else ((), (), (), ())
        self.seq, self.generation, self.next_slot = row.seq, row.generation, row.next_slot
        self.positions = records.positions_of(np.array(keys, np.int64))
        self.ids = list(ids)
        self.slots = np.array(slots, np.int64)
        if len(slots) and not 0 <= self.slots.min() <= self.slots.max() < row.next_slot:
            raise ValueError("a slot beyond the vectors")
        self.rows = self.live = len(headers)
        self.alive = np.ones(self.rows, np.bool_)
        self._has_vector = np.array(norms, np.float64) >= 0
        self.searchable = int(self._has_vector.sum())

    def has_vector(self, rows: Ints) -> Mask:
        """Which of these records have a vector."""
        return np.asarray(self._has_vector[rows])


def of_ids(
    connection: sqlite3.Connection, row: CollectionRow, ids: Sequence[str], limit: int | None, offset: int
) -> Part | None:
    """The records of those ids, after ``limit`` and ``offset``; None if that needs a loaded collection."""
    if not _is_small(len(ids), row):
        return None
    headers = records.headers_of(connection, row.number, ids, row.hidden)
    return Part(row, headers[offset : None if limit is None else offset + limit])


def of_page(connection: sqlite3.Connection, row: CollectionRow, limit: int, offset: int) -> Part | None:
    """The ``limit`` records after the first ``offset``; None if that needs a loaded collection."""
    end = min(offset + limit, row.record_count)
    if offset >= end:
        return Part(row, ())
    if row.record_count == row.next_position:  # no position is free, or hidden
        if not _is_small(end - offset, row):
            return None
        headers = records.headers_between(connection, row.number, offset, end - 1)
    elif row.hidden or not _is_small(end, row):
        return None
    else:
        headers = records.page_of_headers(connection, row.number, end - offset, offset)
    # Fewer than the catalog counts: it is damaged, and a loaded collection has all that is left.
    return Part(row, headers) if len(headers) == end - offset else None


def _is_small(count: int, row: CollectionRow) -> bool:
    return count <= max(_ALWAYS, row.record_count // _SHARE)

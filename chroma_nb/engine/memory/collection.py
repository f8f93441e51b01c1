"""A collection in memory: which records live, in which order, and where their vectors lie.

A row is a record's place in these arrays; rows are in get() order and keep their place until the
collection is loaded anew. Everything here is derived from SQLite at one ``seq`` and advances only
by ``apply``; when that is interrupted, ``seq`` says nothing is known and the next call loads anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chroma_nb.engine.index.exact import ExactIndex
from chroma_nb.engine.index.hnsw import HnswIndex
from chroma_nb.engine.index.witnesses import Witnesses
from chroma_nb.engine.locks import ReadersWriterLock
from chroma_nb.engine.memory.columns import Columns

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]
Metadatas = Sequence[Mapping[str, Any] | None]

UNKNOWN: Final = -1
#: Changed records beyond which metadata columns are dropped and made anew when they are asked for.
MOST_BEHIND: Final = 65_536


@dataclass(frozen=True)
class Change:
    """What one or several calls did to a collection, as rows (existing records) and new records."""

    seq: int
    next_slot: int
    positions: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    ids: Sequence[str] = ()
    slots: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    norms: Float64 = field(default_factory=lambda: np.empty(0))
    metadatas: Metadatas = ()
    moved_rows: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    moved_slots: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    moved_norms: Float64 = field(default_factory=lambda: np.empty(0))
    rewritten_rows: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    rewritten_metadatas: Metadatas = ()
    removed_rows: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        """Records changed."""
        return len(self.positions) + len(self.rewritten_rows) + len(self.removed_rows) + 1


class CollectionInMemory:
    """The rows of one collection and what is derived from them."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.lock = ReadersWriterLock()
        self.generation = UNKNOWN
        self.forget()

    def forget(self) -> None:
        """Know nothing; the next call loads."""
        self.seq = UNKNOWN
        self.ids: list[str] = []
        self.row_of: dict[str, int] = {}
        self.live = 0
        self.searchable = 0
        self._rows = 0
        self._positions = np.empty(0, np.int64)
        self._slots = np.empty(0, np.int64)
        self._alive = np.empty(0, np.bool_)
        self._row_of_slot = np.empty(0, np.int64)
        self.next_slot = 0
        self._columns: Columns | None = None
        self._columns_behind: list[Change] = []
        self._columns_lock = threading.Lock()
        self.exact: ExactIndex | None = None
        self.graph: HnswIndex | None = None
        self.witnesses: Witnesses | None = None
        self.exact_seconds = 0.0

    # --- looking -----------------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """Rows, dead ones included."""
        return self._rows

    @property
    def positions(self) -> Ints:
        return self._positions[: self._rows]

    @property
    def slots(self) -> Ints:
        return self._slots[: self._rows]

    @property
    def alive(self) -> Mask:
        return self._alive[: self._rows]

    @property
    def row_of_slot(self) -> Ints:
        """Slot -> row; UNKNOWN where no live record has its vector. Row order is get() order."""
        return self._row_of_slot[: self.next_slot]

    @property
    def dead_slots(self) -> int:
        return self.next_slot - self.live

    @property
    def index_state(self) -> str:
        """For displays: which index answers."""
        return "exact" if self.graph is None else f"hnsw over {self.graph.count} of {self.live} records"

    def dead_mask(self) -> Mask | None:
        """Slots that hold no live record's vector; None when there are none."""
        return self.row_of_slot == UNKNOWN if self.searchable < self.next_slot else None

    def has_vector(self, rows: Ints) -> Mask:
        """Which of these live records have a vector: those of an import may have lost theirs."""
        return np.asarray(self._row_of_slot[self._slots[rows]] != UNKNOWN)

    def searchable_slots(self, rows: Ints) -> Ints:
        """The slots of those of these live records that have a vector."""
        slots = self._slots[rows]
        return slots if self.searchable == self.live else slots[self._row_of_slot[slots] != UNKNOWN]

    def live_rows(self) -> Ints:
        """The rows of live records, in get() order."""
        return np.arange(self._rows) if self.live == self._rows else np.flatnonzero(self.alive)

    def rows_of(self, ids: Sequence[str]) -> Ints:
        """The rows of those ids that exist, ascending."""
        found = sorted(row for row in map(self.row_of.get, ids) if row is not None)
        return np.array(found, np.int64)

    def rows_at(self, positions: Ints) -> Ints:
        """The row of each position; UNKNOWN where there is none."""
        if not self._rows:
            return np.full(len(positions), UNKNOWN, np.int64)
        places = np.minimum(np.searchsorted(self.positions, positions), self._rows - 1)
        return np.where((self.positions[places] == positions) & self.alive[places], places, UNKNOWN)

    def columns(self, stored: Callable[[], Iterable[Metadatas]]) -> Columns:
        """The metadata columns: made of ``stored`` (pieces of the live records) at the first filter, then kept.

        What calls changed is put in by the next filter, so that a write does not wait for it.
        """
        with self._columns_lock:  # readers share this collection
            if self._columns is None:
                self._columns = self._made_columns(stored())
            try:
                self._bring_up(self._columns)
            except BaseException:  # half of a change may be in: an interrupt must not put it in twice
                self._columns, self._columns_behind = None, []
                raise
            return self._columns

    def _made_columns(self, pieces: Iterable[Metadatas]) -> Columns:
        """The columns, a piece at a time: its dicts are read while the processor still has them, then forgotten."""
        columns, live, seen = Columns(), self.live_rows(), 0
        for piece in pieces:
            rows = live[seen : seen + len(piece)]
            seen += len(piece)
            more = int(rows[-1]) + 1 - len(columns)
            if more == len(piece):
                columns.extend(piece)
            else:  # rows of deleted records lie between
                columns.extend([None] * more)
                columns.replace(rows, piece)
        columns.extend([None] * (self.rows - len(columns)))
        return columns

    def _bring_up(self, columns: Columns) -> None:
        while self._columns_behind:
            change = self._columns_behind[0]
            columns.extend(change.metadatas)
            if len(change.rewritten_rows):
                columns.replace(change.rewritten_rows, change.rewritten_metadatas)
            if len(change.removed_rows):
                columns.clear(change.removed_rows)
            del self._columns_behind[0]

    # --- changing (under the writing side of the lock) -------------------------------------------------

    def follow(self, seq: int, change: Change) -> None:
        """Apply a change that was made at ``seq``, unless a reader has brought this collection further already."""
        if self.seq == seq:
            self.apply(change)

    def apply(self, change: Change) -> None:
        """Advance to ``change.seq``."""
        self.seq = UNKNOWN  # an interrupt from here on means: load anew
        if len(change.removed_rows):  # first: an id may be removed and added again
            self._remove(change.removed_rows)
        self._append(change)
        if len(change.moved_rows):
            self._move(change)
        if self._columns is not None:
            self._columns_behind.append(change)
            if sum(map(len, self._columns_behind)) > MOST_BEHIND:
                self._columns, self._columns_behind = None, []
        self.exact_seconds = 0.0
        self.seq = change.seq

    def _append(self, change: Change) -> None:
        first, count = self._rows, len(change.positions)
        end = first + count
        self._positions = grown(self._positions, end)
        self._slots = grown(self._slots, end)
        self._alive = grown(self._alive, end)
        self._row_of_slot = grown(self._row_of_slot, change.next_slot)
        self._row_of_slot[self.next_slot : change.next_slot] = UNKNOWN
        rows = np.arange(first, end)
        self._positions[first:end] = change.positions
        self._slots[first:end] = change.slots
        self._alive[first:end] = True
        self._settle(change.slots, rows, change.norms)
        self.ids.extend(change.ids)
        self.row_of.update(zip(change.ids, rows.tolist(), strict=True))
        self.live += count
        self._rows = end
        if self.exact is not None and change.next_slot > self.next_slot:
            slots = np.concatenate([change.slots, change.moved_slots])
            self.exact.extend(slots, np.concatenate([change.norms, change.moved_norms]), change.next_slot)
        self.next_slot = change.next_slot

    def _move(self, change: Change) -> None:
        self._bury(self._slots[change.moved_rows])
        self._slots[change.moved_rows] = change.moved_slots
        self._settle(change.moved_slots, change.moved_rows, change.moved_norms)

    def _settle(self, slots: Ints, rows: Ints, norms: Float64) -> None:
        """Note whose vectors lie in these slots: nobody's where the norm says that there is none."""
        there = norms >= 0
        if not there.all():
            slots, rows = slots[there], rows[there]
        self._row_of_slot[slots] = rows
        self.searchable += len(slots)

    def _remove(self, rows: Ints) -> None:
        self._bury(self._slots[rows])
        self._alive[rows] = False
        for row in rows.tolist():
            del self.row_of[self.ids[row]]
            self.ids[row] = ""
        self.live -= len(rows)

    def _bury(self, slots: Ints) -> None:
        self.searchable -= int((self._row_of_slot[slots] != UNKNOWN).sum())
        self._row_of_slot[slots] = UNKNOWN
        if self.graph is not None:
            self.graph.mark(slots)


def grown(array: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """``array`` with room for ``size`` elements: itself, or a copy half as large again."""
    if size <= len(array):
        return array
    larger = np.zeros(max(size, len(array) + len(array) // 2), array.dtype)
    larger[: len(array)] = array
    return larger

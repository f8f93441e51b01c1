"""A collection in memory: which records live, in which order, and where their vectors lie.

A row is a record's place in these arrays; rows are in get() order and keep their place until the
collection is loaded again. Everything here is derived from SQLite at one ``seq`` and advances only
by ``apply``; when that is interrupted, ``seq`` is UNKNOWN and the next call loads again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import repeat
from typing import Final, TypeAlias, TypeVar

import numpy as np

from chroma_nb import _locks
from chroma_nb.engine.arrays import EMPTY, Float64, Ints, Mask
from chroma_nb.engine.index.certified import CertifiedIndex
from chroma_nb.engine.index.hnsw import HnswIndex
from chroma_nb.engine.index.sparse import SparseIndex
from chroma_nb.engine.index.witnesses import Witnesses
from chroma_nb.engine.memory import word_files
from chroma_nb.engine.memory.columns import Columns
from chroma_nb.engine.memory.ids import StoredIds
from chroma_nb.engine.memory.row_files import FEWEST, StoredRows
from chroma_nb.engine.memory.sparse_indexes import SparseIndexes
from chroma_nb.engine.memory.word_index import KeptWords
from chroma_nb.engine.storage import changelog
from chroma_nb.types import Array, Fields

T = TypeVar("T")
#: The type of ``threading.RLock()``.
Lock: TypeAlias = AbstractContextManager[bool]
Metadatas = Sequence[Fields | None]

UNKNOWN: Final = -1
#: Changed records beyond which metadata columns are dropped and rebuilt when needed.
MOST_BEHIND: Final = 65_536
#: Calls after which the rows are stored again: half of what the change log remembers.
MOST_CALLS: Final = changelog.KEPT // 2
#: How many ids are mapped in the time of looking one up in the database, among several or alone.
_LOOKING_UP: Final = 16
_LOOKING_ONE_UP: Final = 48


@dataclass(frozen=True)
class Delta:
    """The changes of one or several calls: of existing records, by row, and new records."""

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
    #: All existing records that were changed in any way.
    changed_rows: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    removed_rows: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        """Records changed."""
        return len(self.positions) + len(self.rewritten_rows) + len(self.removed_rows) + 1


class ReadersWriterLock:
    """Many readers or one writer; a waiting writer has priority over new readers.

    Each thread has its own lock, which it holds while it reads. A writer closes the entrance, waits for each of
    these locks once, and is then alone: later threads find the entrance closed. All of these are Python's own locks
    in ``with``, since no interrupt is delivered between them and their block. A list of readers, which an interrupt
    could leave behind, would keep a writer waiting, and all threads after it.

    A thread that reads may write, or read again; one that writes must do neither.
    """

    def __init__(self) -> None:
        self._entrance = _locks.Lock()  # held by a writer
        self._reading: dict[int, Lock] = {}  # by thread

    def read(self, look: Callable[[], T]) -> T:
        """Call ``look`` while others may read, but not write; returns its result."""
        mine = self._reading.get(threading.get_ident())
        if mine is None:
            mine = self._reading.setdefault(threading.get_ident(), _locks.RLock())
        while True:
            with mine:
                if not self._entrance.locked():  # a writer from here on waits for ``mine``
                    return look()
            with self._entrance:
                pass

    def write(self, change: Callable[[], T]) -> T:
        """Call ``change`` alone, with no reader and no other writer; returns its result."""
        with self._entrance:
            for reading in list(self._reading.values()):
                with reading:
                    pass
            return change()


class CollectionInMemory:
    """The rows of one collection and the data derived from them."""

    #: Whether all records are loaded; see ``part.py``.
    whole: bool = True

    def __init__(self, number: int) -> None:
        self.number = number
        self.lock = ReadersWriterLock()
        self.generation = UNKNOWN
        #: Whether there was an HNSW index once: searches have paid for it, so it is rebuilt when it is outdated.
        self.had_graph = False
        self.clear()

    def clear(self) -> None:
        """Drop all records: the next call loads the collection."""
        self.seq = UNKNOWN
        self.ids: list[str] | StoredIds = []
        self._row_of: dict[str, int] | None = {}
        self._looked_up = 0
        #: The seq of the file that holds these rows, and how much has changed since.
        self.stored_seq = UNKNOWN
        self.changed_since_stored = 0
        self.live = 0
        self.searchable = 0
        #: Rows, dead ones included.
        self.rows = 0
        self.next_slot = 0
        # By row. Each array is the used part of one that has room for more.
        self.positions: Ints = EMPTY
        self.slots: Ints = EMPTY
        self.alive: Mask = np.empty(0, np.bool_)
        #: Slot -> row; UNKNOWN where no live record has its vector. Row order is get() order.
        self.row_of_slot: Ints = EMPTY
        self._room = _Room(self.positions, self.slots, self.alive, self.row_of_slot)
        self._columns: Columns | None = None
        self._columns_behind: list[Delta] = []
        self._changed_behind = 0  # records that they change
        self._columns_lock = _locks.Lock()
        self._sparse = SparseIndexes()
        self.words = KeptWords()
        self.exact: CertifiedIndex | None = None
        self.graph: HnswIndex | None = None
        self.witnesses: Witnesses | None = None
        self.exact_seconds = 0.0

    # --- reading -----------------------------------------------------------------------------------

    @property
    def maps_ids(self) -> bool:
        """Whether ``row_of`` exists: for rows from a file it is built when it is first needed."""
        return self._row_of is not None

    def is_mapping_due(self, looked_up: int) -> bool:
        """Whether looking up ids in the database, ``looked_up`` more now, has cost as much as a map of all ids."""
        self._looked_up += _LOOKING_ONE_UP + _LOOKING_UP * looked_up
        return self._looked_up > self.rows

    @property
    def row_of(self) -> dict[str, int]:
        """The row of each id."""
        if self._row_of is None:
            ids = self.ids = list(self.ids)
            if self.live == self.rows:
                self._row_of = dict(zip(ids, range(self.rows), strict=True))
            else:
                self._row_of = {ids[row]: row for row in self.live_rows().tolist()}
        return self._row_of

    @property
    def follows_metadata(self) -> bool:
        """Whether there are metadata columns or sparse indexes, which have to follow changes."""
        return self._columns is not None or bool(self._sparse)

    def forget_metadata(self) -> None:
        """Drop the columns, which the next filter rebuilds, and the sparse indexes, which the next search rebuilds."""
        self.forget_columns()
        self._sparse = SparseIndexes()

    def forget_columns(self) -> None:
        """Drop the columns, which the next filter rebuilds."""
        self._columns, self._columns_behind, self._changed_behind = None, [], 0

    @property
    def index_state(self) -> str:
        """The index that is searched, for displays."""
        return "exact" if self.graph is None else f"hnsw over {self.graph.count} of {self.live} records"

    def lacks_stored_rows(self) -> bool:
        """Whether a file of these rows would save time, and there is none or much has changed since."""
        if self.seq == UNKNOWN or self.live < FEWEST:
            return False
        return self._is_due(self.stored_seq, self.changed_since_stored)

    def lacks_stored_words(self) -> bool:
        """The same for the index of words, if there is one."""
        if self.seq == UNKNOWN or self.words.made is None or self.live < word_files.FEWEST:
            return False
        return self._is_due(self.words.stored_seq, self.words.changed_since_stored)

    def _is_due(self, stored_seq: int, changed: int) -> bool:
        return stored_seq == UNKNOWN or self.seq - stored_seq > MOST_CALLS or changed > self.live // 20

    def dead_mask(self) -> Mask | None:
        """A mask of the slots that hold no live record's vector; None if there are none."""
        return self.row_of_slot == UNKNOWN if self.searchable < self.next_slot else None

    def has_vector(self, rows: Ints) -> Mask:
        """Which of these live records have a vector: imported ones may have lost theirs."""
        return np.asarray(self.row_of_slot[self.slots[rows]] != UNKNOWN)

    def searchable_slots(self, rows: Ints) -> Ints:
        """The slots of those of these live records that have a vector."""
        slots = self.slots[rows]
        return slots if self.searchable == self.live else slots[self.row_of_slot[slots] != UNKNOWN]

    def live_rows(self) -> Ints:
        """The rows of live records, in get() order."""
        return np.arange(self.rows) if self.live == self.rows else np.flatnonzero(self.alive)

    def find(self, ids: Sequence[str], look_up: Callable[[Sequence[str]], Ints]) -> Ints:
        """The row of each id; UNKNOWN if there is none.

        ``look_up`` queries the database. A map of all ids is built when that has cost as much, so the first calls on
        a newly opened collection do not need it.
        """
        row_of = self._row_of
        if row_of is None:
            if not self.is_mapping_due(len(ids)):
                return look_up(ids)
            row_of = self.row_of
        return np.fromiter(map(row_of.get, ids, repeat(UNKNOWN)), np.int64, len(ids))

    def rows_at(self, positions: Ints) -> Ints:
        """The row of each position; UNKNOWN if there is none."""
        if not self.rows:
            return np.full(len(positions), UNKNOWN, np.int64)
        places = np.minimum(np.searchsorted(self.positions, positions), self.rows - 1)
        return np.where((self.positions[places] == positions) & self.alive[places], places, UNKNOWN)

    def columns(self, keys: Collection[str], stored: Callable[[], Iterable[Metadatas]]) -> Columns:
        """The metadata columns of ``keys`` (and of others that were needed before).

        Missing ones are built from ``stored`` (pieces of the live records), then kept. The changes of calls are
        applied by the next filter, so that a write does not wait for it.
        """
        with self._columns_lock:  # readers share this collection
            try:
                if self._columns is not None and self._columns_behind:
                    self._bring_up(self._columns)
            except BaseException:  # half of a change may be applied: after an interrupt it must not be applied twice
                self.forget_columns()
                raise
            if self._columns is None:
                self._columns = self._made_columns(keys, stored())
            elif missing := self._columns.lack(keys):
                self._columns.adopt(self._made_columns(missing, stored()))
            return self._columns

    def all_columns(self, stored: Iterable[Metadatas]) -> Columns:
        """The columns of all keys, built from ``stored`` and not kept."""
        return self._made_columns(None, stored)

    def _made_columns(self, keys: Collection[str] | None, pieces: Iterable[Metadatas]) -> Columns:
        """The columns, built a piece at a time: its dicts are read while in the processor's cache, then dropped."""
        columns = Columns(keys)
        for rows, piece in self._with_rows(pieces):
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
            delta = self._columns_behind[0]
            columns.extend(delta.metadatas)
            if len(delta.rewritten_rows):
                columns.replace(delta.rewritten_rows, delta.rewritten_metadatas)
            if len(delta.removed_rows):
                columns.clear(delta.removed_rows)
            del self._columns_behind[0]
            self._changed_behind -= len(delta)

    def sparse_index(self, key: str, stored: Callable[[], Iterable[Metadatas]]) -> SparseIndex:
        """The sparse index of ``key``; the first search builds it from ``stored`` (see ``columns``)."""
        return self._sparse.index(key, lambda: self._with_rows(stored()))

    def _with_rows(self, pieces: Iterable[Metadatas]) -> Iterator[tuple[Ints, Metadatas]]:
        """The pieces of all live records with their rows."""
        live, seen = self.live_rows(), 0
        for piece in pieces:
            yield live[seen : seen + len(piece)], piece
            seen += len(piece)

    # --- changing (under the writing side of the lock) -------------------------------------------------

    def take(self, stored: StoredRows) -> None:
        """Start from the rows of a file."""
        self.ids, self._row_of = stored.ids, None
        self.apply(
            Delta(
                seq=stored.seq,
                next_slot=stored.next_slot,
                positions=stored.positions,
                slots=stored.slots,
                norms=stored.norms,
            )
        )
        self.stored_seq, self.changed_since_stored = stored.seq, 0

    def is_stored(self, generation: int, seq: int) -> None:
        """Note that the rows at ``seq`` are in a file."""
        if self.generation == generation and self.seq != UNKNOWN:
            self.stored_seq, self.changed_since_stored = seq, 0

    def words_are_stored(self, generation: int, seq: int) -> None:
        """Note that the index of words at ``seq`` is in a file."""
        if self.generation == generation and self.seq != UNKNOWN:
            self.words.is_stored(seq)

    def is_stored_no_more(self) -> None:
        """Note that the files of rows and of words were removed."""
        self.stored_seq = UNKNOWN
        self.words.is_stored_no_more()

    def apply(self, delta: Delta) -> None:
        """Advance to ``delta.seq``."""
        self.seq = UNKNOWN  # after an interrupt from here on, the collection is loaded again
        self.changed_since_stored += len(delta)
        if len(delta.removed_rows):  # first: an id may be removed and added again
            self._remove(delta.removed_rows)
        first = self.rows
        self._append(delta)
        if len(delta.moved_rows):
            self._move(delta)
        if self._sparse:
            rows = np.concatenate([np.arange(first, self.rows), delta.rewritten_rows])
            self._sparse.note(rows, [*delta.metadatas, *delta.rewritten_metadatas], delta.removed_rows)
        if self.words.made is not None:
            self.words.note(np.concatenate([np.arange(first, self.rows), delta.changed_rows, delta.removed_rows]))
        if self._columns is not None:
            self._columns_behind.append(delta)
            self._changed_behind += len(delta)
            if self._changed_behind > MOST_BEHIND:
                self.forget_columns()
        self.exact_seconds = 0.0
        self.seq = delta.seq

    def _append(self, delta: Delta) -> None:
        first, count = self.rows, len(delta.positions)
        end = first + count
        if end > len(self._room.positions) or delta.next_slot > len(self._room.row_of_slot):
            self._room = self._room.enlarged(end, delta.next_slot)
        room = self._room
        self.positions, self.slots, self.alive = room.positions[:end], room.slots[:end], room.alive[:end]
        self.row_of_slot = room.row_of_slot[: delta.next_slot]
        self.row_of_slot[self.next_slot :] = UNKNOWN
        rows = np.arange(first, end)
        self.positions[first:] = delta.positions
        self.slots[first:] = delta.slots
        self.alive[first:] = True
        self._assign(delta.slots, rows, delta.norms)
        self.ids.extend(delta.ids)
        if self._row_of is not None:
            self._row_of.update(zip(delta.ids, rows.tolist(), strict=True))
        self.live += count
        self.rows = end
        if self.exact is not None and delta.next_slot > self.next_slot:
            slots = np.concatenate([delta.slots, delta.moved_slots])
            self.exact.extend(slots, np.concatenate([delta.norms, delta.moved_norms]), delta.next_slot)
        self.next_slot = delta.next_slot

    def _move(self, delta: Delta) -> None:
        self._free(self.slots[delta.moved_rows])
        self.slots[delta.moved_rows] = delta.moved_slots
        self._assign(delta.moved_slots, delta.moved_rows, delta.moved_norms)

    def _assign(self, slots: Ints, rows: Ints, norms: Float64) -> None:
        """Note that the vectors of ``rows`` are in ``slots``; a norm below 0 means that a record has none."""
        there = norms >= 0
        if not there.all():
            slots, rows = slots[there], rows[there]
        self.row_of_slot[slots] = rows
        self.searchable += len(slots)

    def _remove(self, rows: Ints) -> None:
        self._free(self.slots[rows])
        self.alive[rows] = False
        for row in rows.tolist():
            if self._row_of is not None:
                del self._row_of[self.ids[row]]
            self.ids[row] = ""
        self.live -= len(rows)

    def _free(self, slots: Ints) -> None:
        """Note that these slots hold no live record's vector any more."""
        self.searchable -= int((self.row_of_slot[slots] != UNKNOWN).sum())
        self.row_of_slot[slots] = UNKNOWN
        if self.graph is not None:
            self.graph.mark(slots)


@dataclass(frozen=True)
class _Room:
    """The arrays of a collection with room for more rows and slots, so that appending costs its own length."""

    positions: Ints
    slots: Ints
    alive: Mask
    row_of_slot: Ints

    def enlarged(self, rows: int, slots: int) -> _Room:
        """The arrays with room for that many rows and slots."""
        return _Room(
            enlarged(self.positions, rows),
            enlarged(self.slots, rows),
            enlarged(self.alive, rows),
            enlarged(self.row_of_slot, slots),
        )


def enlarged(array: Array, size: int) -> Array:
    """``array`` with room for ``size`` elements: the same array, or a copy half as large again."""
    if size <= len(array):
        return array
    larger = np.zeros(max(size, len(array) + len(array) // 2), array.dtype)
    larger[: len(array)] = array
    return larger

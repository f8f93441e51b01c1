"""Bring a collection in memory to the seq of a read transaction: load it whole, or apply what changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from chroma_nb.engine.arrays import Positions
from chroma_nb.engine.index.certified import CertifiedIndex
from chroma_nb.engine.memory import row_files
from chroma_nb.engine.memory.collection import UNKNOWN, CollectionInMemory, Delta
from chroma_nb.engine.memory.row_files import StoredRows
from chroma_nb.engine.storage import changelog, records
from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.errors import _DamagedError
from chroma_nb.types import Json

#: The share of a collection that may have changed since its file of rows; above it, all is read from the database.
_MOST_CHANGED: Final = 0.125


def advance(
    connection: sqlite3.Connection,
    row: CollectionRow,
    memory: CollectionInMemory,
    stored: Callable[[CollectionRow], StoredRows | None] = lambda _: None,
) -> bool:
    """Bring ``memory``, whose writing lock is held, to ``row.seq``; True when it was loaded whole.

    ``stored``: the rows that are kept in a file, if there is one.
    """
    if memory.seq != UNKNOWN and memory.generation == row.generation:
        positions = changelog.since(connection, row.number, memory.seq, row.seq)
        if positions is not None:
            memory.apply(_delta(connection, row, memory, positions))
            return False
    if row.record_count < row_files.FEWEST or not _load_stored(connection, row, memory, stored):
        _load(connection, row, memory)
    return True


def _load(connection: sqlite3.Connection, row: CollectionRow, memory: CollectionInMemory) -> None:
    positions, ids, slots, norms = records.header_columns(connection, row.number, row.hidden)
    _begin(row, memory)
    memory.apply(Delta(seq=row.seq, next_slot=row.next_slot, positions=positions, ids=ids, slots=slots, norms=norms))


def _load_stored(
    connection: sqlite3.Connection,
    row: CollectionRow,
    memory: CollectionInMemory,
    stored: Callable[[CollectionRow], StoredRows | None],
) -> bool:
    """Load the rows of a file and the changes since; False if there is no file, or too much has changed."""
    rows = stored(row)
    changed = None if rows is None else changelog.since(connection, row.number, rows.seq, row.seq)
    if rows is None or changed is None or len(changed) > _MOST_CHANGED * row.record_count:
        return False
    _begin(row, memory)
    memory.take(rows)
    if rows.seq != row.seq:
        memory.apply(_delta(connection, row, memory, changed))
    return True


def _begin(row: CollectionRow, memory: CollectionInMemory) -> None:
    memory.clear()
    memory.generation = row.generation
    if row.dimension is not None:
        memory.exact = CertifiedIndex(row.parameters.space, row.dimension)


def _metadatas(found: list[records.Header], memory: CollectionInMemory) -> Sequence[Json | None]:
    """The metadata of these records, for columns and indexes. If it is damaged, the call that needs it raises."""
    if memory.follows_metadata:
        try:
            return records.decode_metadata([header.metadata for header in found])
        except _DamagedError:
            memory.forget_metadata()
    return [None] * len(found)


def _delta(
    connection: sqlite3.Connection, row: CollectionRow, memory: CollectionInMemory, positions: Positions
) -> Delta:
    """The changes of the records at ``positions``, from what SQLite holds now."""
    found = records.headers_at(connection, row.number, positions)
    at = np.array([header.position for header in found], np.int64)
    rows = memory.rows_at(at)
    known = np.flatnonzero(rows != UNKNOWN)
    fresh = np.flatnonzero(rows == UNKNOWN)
    slots = np.array([header.slot for header in found], np.int64)
    norms = np.array([header.norm for header in found])
    metadatas = _metadatas(found, memory)
    moved = known[memory.slots[rows[known]] != slots[known]]
    gone = memory.rows_at(np.setdiff1d(positions, at))
    return Delta(
        seq=row.seq,
        next_slot=row.next_slot,
        positions=at[fresh],
        ids=[found[place].id for place in fresh.tolist()],
        slots=slots[fresh],
        norms=norms[fresh],
        metadatas=[metadatas[place] for place in fresh.tolist()],
        moved_rows=rows[moved],
        moved_slots=slots[moved],
        moved_norms=norms[moved],
        rewritten_rows=rows[known],
        changed_rows=rows[known],
        rewritten_metadatas=[metadatas[place] for place in known.tolist()],
        removed_rows=gone[gone != UNKNOWN],
    )

"""Bringing a collection in memory to the seq of a read transaction: loaded whole, or by what changed."""

from __future__ import annotations

import sqlite3

import numpy as np

from chroma_nb.engine.arrays import Positions
from chroma_nb.engine.index.certified import CertifiedIndex
from chroma_nb.engine.memory.collection import UNKNOWN, CollectionInMemory, Delta
from chroma_nb.engine.storage import changelog, records
from chroma_nb.engine.storage.catalog import CollectionRow


def advance(connection: sqlite3.Connection, row: CollectionRow, memory: CollectionInMemory) -> bool:
    """Bring ``memory``, whose writing lock is held, to ``row.seq``; True when it was loaded whole."""
    if memory.seq != UNKNOWN and memory.generation == row.generation:
        positions = changelog.since(connection, row.number, memory.seq, row.seq)
        if positions is not None:
            memory.apply(_delta(connection, row, memory, positions))
            return False
    _load(connection, row, memory)
    return True


def _load(connection: sqlite3.Connection, row: CollectionRow, memory: CollectionInMemory) -> None:
    positions, ids, slots, norms = records.header_columns(connection, row.number, row.hidden)
    memory.clear()
    memory.generation = row.generation
    if row.dimension is not None:
        memory.exact = CertifiedIndex(row.parameters.space, row.dimension)
    memory.apply(Delta(seq=row.seq, next_slot=row.next_slot, positions=positions, ids=ids, slots=slots, norms=norms))


def _delta(
    connection: sqlite3.Connection, row: CollectionRow, memory: CollectionInMemory, positions: Positions
) -> Delta:
    """What happened to the records at ``positions``, by what SQLite holds of them now."""
    found = records.headers_at(connection, row.number, positions)
    at = np.array([header.position for header in found], np.int64)
    rows = memory.rows_at(at)
    known = np.flatnonzero(rows != UNKNOWN)
    fresh = np.flatnonzero(rows == UNKNOWN)
    slots = np.array([header.slot for header in found], np.int64)
    norms = np.array([header.norm for header in found])
    metadatas = records.decode_metadata([header.metadata for header in found])
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
        rewritten_metadatas=[metadatas[place] for place in known.tolist()],
        removed_rows=gone[gone != UNKNOWN],
    )

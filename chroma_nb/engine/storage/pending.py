"""Pending rows: vectors that are in a file but perhaps not on the disk, kept in the database until they are.

With durability "process" no call waits for the disk, and a loss of power may keep a commit without the rows
that it names. So those rows are committed with it, and put into the file again when the directory is opened.
Without pending rows, the contents of the file and its name are on the disk. Only for databases in a directory.
"""

from __future__ import annotations

import sqlite3
from typing import Final

import numpy as np

from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.engine.storage.stores import VectorStores
from chroma_nb.engine.storage.vectors import VectorStore, bytes_of
from chroma_nb.types import Matrix

#: This many bytes are not stored twice: the file is synced instead.
LARGEST: Final = 1 << 20


def keep(connection: sqlite3.Connection, collection: int, first_slot: int, rows: Matrix) -> None:
    """Keep rows that were just written, unless there are so many that ``sync_if_due`` will sync them."""
    if rows.nbytes <= LARGEST:
        connection.execute("INSERT INTO pending_vectors VALUES (?, ?, ?)", (collection, first_slot, bytes_of(rows)))


def sync_if_due(
    connection: sqlite3.Connection, row: CollectionRow, store: VectorStore, next_slot: int, *, now: bool
) -> None:
    """Sync the file and drop the pending rows: ``now``, or if there are many. ``row``: before this call."""
    statement = "SELECT min(slot) FROM pending_vectors WHERE collection = ?"
    (oldest,) = connection.execute(statement, (row.number,)).fetchone()
    first = row.next_slot if oldest is None else min(oldest, row.next_slot)
    if now or (next_slot - first) * store.dimension * 4 > LARGEST:
        store.sync(names=oldest is not None)
        if oldest is not None:
            forget(connection, row.number)


def forget(connection: sqlite3.Connection, collection: int) -> None:
    """Drop a collection's pending rows: they are on the disk."""
    connection.execute("DELETE FROM pending_vectors WHERE collection = ?", (collection,))


def exist(connection: sqlite3.Connection) -> bool:
    """Whether any collection has pending rows."""
    return connection.execute("SELECT 1 FROM pending_vectors LIMIT 1").fetchone() is not None


def restore(connection: sqlite3.Connection, rows: list[CollectionRow], stores: VectorStores) -> None:
    """Write all pending rows into their files and sync these. Inside a write transaction."""
    for row in rows:
        kept = connection.execute(
            "SELECT slot, rows FROM pending_vectors WHERE collection = ?", (row.number,)
        ).fetchall()
        if not kept or not row.dimension:
            continue
        store = stores.first(row, row.dimension)
        for slot, data in kept:
            if len(data) % (4 * row.dimension) == 0 and 0 <= slot <= row.next_slot - len(data) // (4 * row.dimension):
                store.write(slot, np.frombuffer(data, "<f4").reshape(-1, row.dimension))
        store.sync(names=True)
        forget(connection, row.number)

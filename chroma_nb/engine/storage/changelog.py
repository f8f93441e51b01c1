"""Change log: which records each call touched, in order of the collection's sequence number.

Not SQLite's write-ahead log; that is a journal mode, set in ``engine.py``. A reader in another thread or process asks
what changed since the seq it knows and reads only those records. The log is short: a reader that is behind its oldest
entry loads the collection again.
"""

from __future__ import annotations

import sqlite3
from typing import Final

import numpy as np

from chroma_nb.engine.arrays import Positions

#: Calls that are kept for each collection.
KEPT: Final = 1_000
#: A call that touches more records than this is not logged: loading again is as fast.
LARGEST: Final = 65_536


def record(connection: sqlite3.Connection, collection: int, seq: int, positions: Positions) -> None:
    """Note that call ``seq`` touched the records at ``positions`` (ascending)."""
    if not len(positions):
        first, last, blob = None, None, None
    elif int(positions[-1]) - int(positions[0]) + 1 == len(positions):
        first, last, blob = int(positions[0]), int(positions[-1]), None
    elif len(positions) <= LARGEST:
        first, last, blob = None, None, positions.astype("<i8").tobytes()
    else:
        connection.execute("DELETE FROM changes WHERE collection = ?", (collection,))
        return
    connection.execute("INSERT INTO changes VALUES (?, ?, ?, ?, ?)", (collection, seq, first, last, blob))
    connection.execute("DELETE FROM changes WHERE collection = ? AND seq <= ?", (collection, seq - KEPT))


def since(connection: sqlite3.Connection, collection: int, known: int, current: int) -> Positions | None:
    """The positions touched after call ``known`` up to call ``current``, ascending; None: load again."""
    rows = connection.execute(
        "SELECT first, last, positions FROM changes WHERE collection = ? AND seq > ? AND seq <= ?",
        (collection, known, current),
    ).fetchall()
    if len(rows) != current - known:
        return None
    touched = [_positions(*row) for row in rows]
    return np.unique(np.concatenate(touched)) if touched else np.empty(0, np.int64)


def copy(connection: sqlite3.Connection, collection: int, into: int) -> None:
    """Copy the log of a collection to another one."""
    connection.execute(
        "INSERT INTO changes SELECT ?, seq, first, last, positions FROM changes WHERE collection = ?",
        (into, collection),
    )


def forget(connection: sqlite3.Connection, collection: int) -> None:
    """Drop the collection's log: all other readers load the collection again (after a compaction)."""
    connection.execute("DELETE FROM changes WHERE collection = ?", (collection,))


def _positions(first: int | None, last: int | None, blob: bytes | None) -> Positions:
    if blob is not None:
        return np.frombuffer(blob, "<i8").astype(np.int64)
    if first is None or last is None:
        return np.empty(0, np.int64)
    return np.arange(first, last + 1, dtype=np.int64)

"""Staging: records that are too many for one transaction are written in pieces, and become visible together.

A piece is an ordinary short transaction: it takes positions and slots from the collection's counters, writes its rows
there, and notes the positions in the collection's row as hidden. Readers skip hidden positions. Publishing
removes the note, in one short transaction.

The session holds a lock on a file beside the vectors, which ends with the object or the process. Staged records whose
lock is free are removed, piece by piece, by the next opening, staging or vacuum. While anything is staged the
collection is not compacted: a copy of the vectors would not know of it.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

from chroma_nb.engine import locks
from chroma_nb.engine.storage import catalog, pending, records
from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.engine.storage.sqlite import Connection
from chroma_nb.engine.storage.vectors import TEMPORARY
from chroma_nb.errors import InternalError, _NoRoomError
from chroma_nb.records import Records
from chroma_nb.types import Json

T = TypeVar("T")

#: Records removed by one transaction.
_REMOVED_AT_ONCE: Final = 20_000
_NAME: Final = re.compile("[0-9a-f]{32}")


class Staging:
    """The staged records of one call. It ends when it is closed, or when it is no longer referenced."""

    def __init__(self, collection: UUID, folder: Path) -> None:
        """``folder``: the folder of the vectors, with the lock file."""
        self.collection = collection
        self._process = os.getpid()
        #: id -> position of every record that is staged.
        self.positions: dict[str, int] = {}
        #: Positions of records that delete metadata keys, if their ids exist at the end.
        self.deleting_keys: set[int] = set()
        #: The name under which its records are noted.
        self.name = ""

        def path_of_another() -> Path:
            self.name = secrets.token_hex(16)
            return _path(folder, self.name)

        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            path, descriptor = locks.create_claimed(path_of_another)
        except OSError as error:
            raise InternalError(f"cannot write {folder}: {error.strerror}. Nothing was written.") from error
        self.close = weakref.finalize(self, _end, descriptor, path, os.getpid())
        self.close.atexit = False

    @property
    def is_ours(self) -> bool:
        """Whether this process began it; a child that was forked in the middle only has a copy."""
        return self._process == os.getpid()

    def note(self, given: Records, first: int) -> None:
        """Note that ``given`` is staged from position ``first`` on."""
        self.positions.update(zip(given.ids, range(first, first + len(given)), strict=True))
        for position, metadata in enumerate(given.metadatas or (), first):
            if metadata is not None and None in metadata.values():
                self.deleting_keys.add(position)

    def check(self, row: CollectionRow, *, whole: bool = False) -> None:
        """InternalError if the staged records are not there any more; ``whole``: or are not the known ones."""
        if not self.is_ours:
            raise InternalError(
                f"This process was forked in the middle of a call that writes to collection [{row.name}]. The "
                "other process goes on with it; nothing was written here."
            )
        ranges = row.staged.get(self.name, {"ranges": []})["ranges"]
        count = sum(last - first + 1 for first, last in ranges)
        if (self.positions and not count) or (whole and count != len(self.positions)):
            raise InternalError(
                f"The records that were being added to collection [{row.name}] are missing; another process may "
                "have removed them. Nothing was written. Try again."
            )


def _path(folder: Path, name: str) -> Path:
    # The ending is that of unfinished copies: a sweep of the folder ignores it while it is locked.
    return folder / f"{name}{TEMPORARY}"


def _end(descriptor: int, path: Path, process: int) -> None:
    if os.getpid() == process:  # not in a forked child: the parent process continues
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    os.close(descriptor)


def _is_dead(folder: Path, name: str) -> bool:
    """Whether the lock of this session is free."""
    if not _NAME.fullmatch(name):  # a path is not built from unchecked text of the database
        return True
    try:
        descriptor = os.open(_path(folder, name), os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | os.O_NOFOLLOW)
    except OSError:
        return True
    try:
        return locks.claim(descriptor)
    finally:
        os.close(descriptor)


def sweep(rows: Iterable[CollectionRow], folder: Path, change: Callable[[Callable[[Connection], bool]], bool]) -> None:
    """Remove the records of ended sessions; ``change`` runs its work in a transaction."""
    for row in rows:
        for name in row.staged:
            if _is_dead(folder, name):
                remove(row.id, name, change)
                if _NAME.fullmatch(name):
                    with contextlib.suppress(OSError):
                        _path(folder, name).unlink(missing_ok=True)


def remove(collection: str, name: str, change: Callable[[Callable[[Connection], bool]], bool]) -> None:
    """Remove the records of a session, some in each transaction: fewer if there is no space for its journal."""
    most = _REMOVED_AT_ONCE
    while most:
        try:
            if not change(partial(_remove_some, collection=collection, name=name, most=most)):
                return
        except _NoRoomError:
            most //= 8
            if not most:
                raise


def _remove_some(connection: Connection, collection: str, name: str, most: int) -> bool:
    """Remove up to ``most`` records of a session; False if none are left."""
    row = catalog.find_collection_by_id(connection, collection)
    if row is None or name not in row.staged:
        return False
    staged: Json = {**row.staged}
    session = {**staged[name], "ranges": [*staged[name]["ranges"]]}
    if not session["ranges"]:
        del staged[name]
        # The first vectors of a collection set its dimension; these are removed. A file of another dimension is
        # another generation.
        undone = session["first"] and not staged and not row.record_count and row.seq == session["seq"]
        catalog.set_staged(connection, row, staged, dimension=None if undone else row.dimension)
        if undone:
            pending.forget(connection, row.number)
            catalog.switch_generation(connection, row, row.generation + 1, 0)
        return False
    first, last = session["ranges"].pop()
    start = max(first, last - most + 1)
    records.delete_range(connection, row.number, start, last)
    if start > first:
        session["ranges"].append([first, start - 1])
    catalog.set_staged(connection, row, {**staged, name: session}, dimension=row.dimension)
    return True


def noted(row: CollectionRow, name: str, first: int, last: int) -> Json:
    """The staged positions of a collection, with ``first`` to ``last`` added for session ``name``."""
    session = row.staged.get(name) or {"ranges": [], "first": row.dimension is None, "seq": row.seq}
    ranges = [[start, end] for start, end in session["ranges"]]
    if ranges and ranges[-1][1] + 1 == first:
        ranges[-1][1] = last
    else:
        ranges.append([first, last])
    return {**row.staged, name: {**session, "ranges": ranges}}

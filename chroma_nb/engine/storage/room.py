"""Disk space that is reserved, so that deleting works on a full disk.

A deletion writes before it frees: the pages it changes go to SQLite's journal, the journal goes into the database, and
only then are pages freed. So a file reserves space that only a deletion or an opening may use: it is removed if they
find none, and made again after them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from chroma_nb.engine.storage import refusals
from chroma_nb.engine.storage.sqlite import FILE_NAME, Connection, Connections
from chroma_nb.errors import ChromaError, _NoRoomError

T = TypeVar("T")
Work = Callable[[Connection], T]

RESERVE_NAME: Final = "chroma_nb.reserve"
#: The reserve is as large as the database and its journal, so that the journal can always be emptied, between these ...
SMALLEST: Final = 1 << 18
LARGEST: Final = 1 << 22
#: ... and a share of the database: what the deletion of a collection writes about the pages it frees.
SHARE: Final = 32
#: Pages freed at a time, if there is no room to free all at once.
_PIECE: Final = 64


class Room:
    """The reserve of one database. ``directory`` None: a database in memory, or one that is read-only.

    ``drop`` removes files that can be built again (HNSW indexes, older generations of vectors).
    """

    def __init__(self, directory: Path | None, connections: Connections, drop: Callable[[], None]) -> None:
        self._directory = directory
        self._connections = connections
        self._drop = drop
        self._held = self._tried = self._database = self._page = 0
        self._paths = [] if directory is None else [str(directory / (FILE_NAME + end)) for end in ("", "-wal")]

    def keep(self, *, look: bool = False) -> None:
        """Let the reserve grow with the database; ``look``: enlarge it to its full size, if there is room."""
        if self._directory is None:
            return
        self._database, journal = _size(self._paths[0]), _size(self._paths[1])
        wanted = min(LARGEST, max(SMALLEST, 1 << (self._database + journal).bit_length())) + self._database // SHARE
        if look or wanted > self._tried:
            self._tried = wanted
            self._held = _allocated(self._directory / RESERVE_NAME, wanted)

    def check(self, connection: Connection) -> None:
        """At the end of a transaction that adds: raise _NoRoomError unless its pages also fit the database.

        Otherwise the journal, which takes them first, could never be emptied.
        """
        if self._directory is None:
            return
        size = self._bytes_of_pages(connection)
        if 2 * (size - self._database) <= self._held and not refusals.is_beyond_limit(size):
            return  # nearly always, by the sizes of the files when they were last read
        growth, journal = size - _size(self._paths[0]), _size(self._paths[1])
        needed = growth + max(0, growth - journal)
        number = 0
        if journal and needed > self._held and needed > self._held + _free(self._directory):
            number = errno.ENOSPC
        if growth > 0 and refusals.is_beyond_limit(size):
            number = errno.EFBIG
        if number:
            text = f"{os.strerror(number)}: {size:,} bytes"
            raise refusals.explained(OSError(number, text), self._directory / FILE_NAME)

    def _bytes_of_pages(self, connection: Connection) -> int:
        """The size of the database after the journal is copied into it."""
        if not self._page:
            self._page = int(connection.execute("PRAGMA page_size").fetchone()[0])
        return self._page * int(connection.execute("PRAGMA page_count").fetchone()[0])

    def freeing(self, change: Callable[[Work[T]], T], work: Work[T]) -> T:
        """``change(work)``, for work that deletes: without enough room, it is repeated with more and more of it."""
        if self._directory is None:
            return change(work)
        try:
            result = change(work)
        except _NoRoomError as error:
            refused = error
        else:
            if _free(self._directory) < self._held:
                self.give_back()  # if room is scarce, free the deleted pages now
            return result
        try:
            for make_room, shrinks in _STEPS:
                make_room(self)
                try:
                    return change(partial(_sparing, work=work, shrinks=shrinks))
                except _NoRoomError as error:
                    refused = error
            raise _NoRoomError(
                f"{refused}. The space reserved for deletions is too small for this one. Delete fewer records in "
                "one call, or a whole collection"
            ) from refused
        finally:
            self.give_back()

    def _restart_journal(self) -> None:
        """Copy the journal into the database, so that its room can be used again; not if that could wait for ever."""

        def restart(connection: Connection) -> None:
            if self._bytes_of_pages(connection) - _size(self._paths[0]) <= _free(self._directory or Path()):
                connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()

        with contextlib.suppress(ChromaError):
            self._connections.outside_transactions(restart)

    def give_up(self) -> None:
        """Remove the reserve: any process can use its room."""
        if self._directory is not None:
            self._held = self._tried = 0
            with contextlib.suppress(OSError):
                (self._directory / RESERVE_NAME).unlink()
            self._restart_journal()

    def _drop_the_rest(self) -> None:
        with contextlib.suppress(ChromaError, OSError):
            self._drop()
        self._restart_journal()

    def give_back(self) -> None:
        """After a deletion: return free pages to the disk, and restore the reserve."""
        if self._directory is None:
            return
        with contextlib.suppress(ChromaError):  # the call is committed already
            try:
                self._connections.outside_transactions(without_free_pages)
            except _NoRoomError:
                self.give_up()
                self._connections.outside_transactions(without_free_pages)
        self.keep(look=True)


def _nothing(room: Room) -> None:
    """The first attempt: use the free room."""


#: The attempts, in order: how to make more room, and whether freed pages are returned in the same transaction,
#: which needs less room if they are at the end of the file, and more if others have to be moved.
_STEPS: Final[tuple[tuple[Callable[[Room], None], bool], ...]] = (
    (Room._restart_journal, False),
    (Room.give_up, True),
    (_nothing, False),
    (Room._drop_the_rest, True),
    (_nothing, False),
)


def give_up_reserve(directory: Path) -> bool:
    """Before a database is open: remove its reserve; False if there is none."""
    try:
        (directory / RESERVE_NAME).unlink()
    except OSError:
        return False
    return True


def _sparing(connection: Connection, *, work: Work[T], shrinks: bool) -> T:
    """``work`` that writes each page only once, at its end, and no page that it frees."""
    connection.execute("PRAGMA cache_spill=OFF")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    try:
        result = work(connection)
        if shrinks:
            _free_pages(connection, connection.execute("PRAGMA freelist_count").fetchone()[0])
        return result
    finally:
        connection.execute("PRAGMA cache_spill=ON")
        connection.execute("PRAGMA wal_autocheckpoint=1000")


def _free_pages(connection: Connection, count: int) -> None:
    for _ in range(count):  # each step of it frees one page, and execute() takes one step
        connection.execute("PRAGMA incremental_vacuum(1)")


def without_free_pages(connection: Connection) -> bool:
    """Free the pages of deleted records; True if a reader blocks the journal."""
    try:
        connection.executescript("PRAGMA incremental_vacuum")  # as a script, which runs all steps
    except sqlite3.Error as error:
        if not isinstance(refusals.explained(error, None), _NoRoomError):
            raise
        _piece_by_piece(connection)
    return truncated_journal(connection)


def _piece_by_piece(connection: Connection) -> None:
    """As ``PRAGMA incremental_vacuum``, but the journal is emptied in between."""
    while left := connection.execute("PRAGMA freelist_count").fetchone()[0]:
        if truncated_journal(connection):
            return
        with connection:  # leaving it undoes what is not committed
            connection.execute("BEGIN IMMEDIATE")
            _free_pages(connection, min(left, _PIECE))
            connection.execute("COMMIT")


def truncated_journal(connection: Connection) -> bool:
    """Copy the write-ahead log into the database and empty it; True if a reader blocks that."""
    busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return bool(busy and busy[0])


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _free(directory: Path) -> int:
    """Bytes that this process may still write, by the file system; a quota shows only when it is exceeded."""
    try:
        status = os.statvfs(directory)
    except OSError:
        return 1 << 62  # unknown: the write will show it
    return status.f_bavail * status.f_frsize


def _allocated(path: Path, wanted: int) -> int:
    """Allocate that much space for the file at ``path``, or what is left; returns its size."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError:
        return 0
    try:
        held = os.fstat(descriptor).st_size
        if held > wanted:
            os.ftruncate(descriptor, wanted)
            return wanted
        while held < wanted:
            try:
                _fill(descriptor, held, wanted)
                held = wanted
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, held)
                wanted = wanted * 7 // 8 if wanted > _LEAST else 0
        return held
    except OSError:
        return 0
    finally:
        os.close(descriptor)


#: The least room that is reserved.
_LEAST: Final = 1 << 15


def _fill(descriptor: int, start: int, end: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, start, end - start)
    else:
        os.pwrite(descriptor, os.urandom(end - start), start)

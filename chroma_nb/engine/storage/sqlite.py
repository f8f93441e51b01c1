"""SQLite: connections, pragmas, transactions. The only module that opens the database file.

Nothing else in this process may open that file, not even to read its header: closing any other
descriptor of it would release the process's POSIX locks.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
import sys
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, TypeVar
from urllib.parse import quote

from chroma_nb import _locks
from chroma_nb.engine.storage import refusals
from chroma_nb.errors import ChromaError, InternalError, _ReadOnlyError
from chroma_nb.types import Json

T = TypeVar("T")

FILE_NAME: Final = "chroma_nb.sqlite3"
#: "CHNB": marks the file as ours for ``file(1)`` and for us.
APPLICATION_ID: Final = 0x43484E42
#: A statement that writes a page without a change.
_WRITE_NOTHING: Final = f"PRAGMA application_id={APPLICATION_ID}"
#: How long a writer waits for another process's transaction before it raises an error.
BUSY_TIMEOUT_SECONDS: Final = 60.0

#: SQLite's codes for a lock that is held elsewhere.
_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
#: Locks that the system refused although they were free (ENOLCK, for example): the call can be repeated.
_LOCK_REFUSED: Final = {
    sqlite3.SQLITE_IOERR_LOCK,
    sqlite3.SQLITE_IOERR_RDLOCK,
    sqlite3.SQLITE_IOERR_UNLOCK,
    sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK,
    sqlite3.SQLITE_IOERR_SHMLOCK,
}
#: How often, and after how many seconds.
_TRIES: Final = 3
_BETWEEN_TRIES_SECONDS: Final = 0.05
#: The errors of a transaction that need an explanation: SQLite's, and those of our own files.
_REFUSED: Final = (sqlite3.Error, OSError)

#: Readers that are kept open for later calls.
_MOST_IDLE: Final = 8
#: The most readers at a time, and the descriptors that a process may have (``ulimit -n``) for each of them: a reader
#: takes two, and files that SQLite closes stay open until no other connection of this process has the database open.
_MOST_READERS: Final = 64
_DESCRIPTORS_OF_A_READER: Final = 8
#: Seconds after which a thread that waits for a reader checks whether an ended thread has left one.
_WAITING_SECONDS: Final = 0.5
#: How long a fork waits for readers in other threads.
_FORK_SECONDS: Final = 0.5

Durability = Literal["power", "process"]
#: What survives -> SQLite's ``synchronous``. "power": every acknowledged call. "process": every one
#: when the process dies; the last ones may be missing after a power cut, nothing is damaged.
SYNCHRONOUS: Final[dict[Durability, str]] = {
    # EXTRA: with a rollback journal (network mounts) a commit counts when the deletion of the journal is on the disk.
    "power": "PRAGMA synchronous=EXTRA",
    "process": "PRAGMA synchronous=NORMAL",
}

_PRAGMAS: Final = (
    "PRAGMA trusted_schema=OFF",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA secure_delete=OFF",
    "PRAGMA cache_size=-16384",
    "PRAGMA journal_size_limit=67108864",
)


class Connection(sqlite3.Connection):
    """A connection that remembers what it has read of the catalog until the next commit.

    ``catalog`` is valid inside a transaction once ``refresh`` was called in it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.catalog: Json = {}
        self._version = -1

    def refresh(self) -> None:
        """Forget the catalog if another connection has committed since (SQLite's ``data_version``)."""
        version = self.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self.catalog.clear()
            self._version = version


class Connections:
    """The connections to one database: one that writes, and readers that are lent to threads.

    ``path`` None is a database in memory: one connection, which all threads use in turn.
    """

    #: How long a transaction waits for that of another process.
    patience: float = BUSY_TIMEOUT_SECONDS

    def __init__(
        self,
        path: Path | None,
        *,
        durability: Durability,
        read_only: bool,
        made: Callable[[sqlite3.Connection], None] = lambda connection: None,
    ) -> None:
        """``made`` is called with every new connection."""
        self.path = path
        self._made = made
        self.read_only = read_only
        self._durability: Durability = durability
        self._idle: list[Connection] = []
        self._lent: dict[int, Connection] = {}  # by thread
        self._new_locks_of_readers()
        self._own([])
        self._closed = self._commit_uncertain = False
        self._seen: tuple[int, int, bool] | None = None
        self._gate: threading.Event | None = None
        self._changing = 0  # the thread whose transaction the writer is running, if any
        self.writing = _locks.RLock()
        #: The lock of readers: a database in memory has one connection, which all threads use in turn.
        self.one_at_a_time: AbstractContextManager[Any] = self.writing if path is None else nullcontext()
        self._writer = self._connect()

    @cached_property
    def _writer(self) -> Connection:
        """The connection that writes; a forked child opens its own at its first write.

        Opening it at the fork could fail (a deleted directory) while other databases are being prepared.
        """
        return self._connect()

    def _new_locks_of_readers(self) -> None:
        self._lending = _locks.Lock()
        self._given_back = threading.Condition(self._lending)
        self._waiting = 0  # at least as many threads wait for a reader

    def _opened_writer(self) -> list[Connection]:
        return [self._writer] if "_writer" in vars(self) else []

    def _own(self, connections: list[Connection]) -> None:
        """Own these connections: they are closed at the latest when this object is no longer referenced."""
        self._all = connections
        self._last_close = weakref.finalize(self, _close_all, connections)
        self._last_close.atexit = False

    def _connect(self) -> Connection:
        try:
            connection = _despite_refused_locks(self._opened)
        except _REFUSED as error:
            raise self.explained(error) from error
        self._all.append(connection)
        return connection

    def _opened(self) -> Connection:
        if self.path is None:
            connection = _open(":memory:", timeout=self.patience)
        elif self.read_only:
            self._seen = self._stamp()
            # Immutable hides commits in a -wal file; without one nothing else opens here.
            mode = "mode=ro" if self._has_journal() else "mode=ro&immutable=1"
            connection = _open(f"file:{quote(str(self.path))}?{mode}", uri=True, timeout=self.patience)
        else:
            connection = _open(str(self.path), timeout=self.patience)
        try:
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            connection.execute(SYNCHRONOUS[self._durability])
            self._made(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def begin(self, tries: int = _TRIES) -> Connection:
        """A connection inside a new read transaction, for this thread, which holds ``one_at_a_time``; see ``end``."""
        if self.path is None:
            return self._writer  # every transaction forgets its catalog
        gate = self._gate
        if gate is not None:
            gate.wait()
        if self.read_only and self._stamp() != self._seen:
            self._renew()
        connection = self._lend()
        try:
            connection.execute("BEGIN")
            connection.refresh()
        except _REFUSED as error:
            self.end(connection)
            if tries > 1 and _is_refused_lock(error):
                time.sleep(_BETWEEN_TRIES_SECONDS)
                return self.begin(tries - 1)
            raise self.explained(error) from error
        except BaseException:
            self.end(connection)
            raise
        return connection

    def _lend(self) -> Connection:
        """A reader for this thread."""
        me = threading.get_ident()
        with self._lending:
            if me in self._lent or len(self._all) > 1 + len(self._idle) + len(self._lent):
                self._close_lost(me)
            if not self._idle and len(self._lent) >= _most_readers():
                self._wait_for_reader()
            connection = self._lent[me] = self._idle.pop() if self._idle else self._connect()
            return connection

    def _wait_for_reader(self) -> None:
        """Wait, holding the lock of readers, until one can be lent. A thread that has one never waits for another."""
        self._waiting += 1
        try:
            # No read begins while a fork waits for readers.
            while self._gate is not None or (not self._idle and len(self._lent) >= _most_readers()):
                if not self._given_back.wait(_WAITING_SECONDS):
                    for thread in self._lent.keys() - sys._current_frames().keys():
                        self._close_lost(thread)
        finally:
            self._waiting -= 1

    def _close_lost(self, thread: int) -> None:
        """Close readers that were not returned because of an interrupt: they may be reading still."""
        self._lent.pop(thread, None)
        known = {*self._opened_writer(), *self._idle, *self._lent.values()}
        for connection in [connection for connection in self._all if connection not in known]:
            self._all.remove(connection)
            connection.close()

    def end(self, connection: Connection) -> None:
        """End the transaction that ``begin`` returned."""
        if self.path is None:
            return
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        with self._lending:
            del self._lent[threading.get_ident()]
            if self._closed:
                connection.close()
                return
            if len(self._idle) < max(_MOST_IDLE, self._waiting):
                self._idle.append(connection)
            else:
                self._all.remove(connection)
                connection.close()
            if self._waiting:
                self._given_back.notify()

    def _has_journal(self) -> bool:
        return self.path is not None and self.path.with_name(self.path.name + "-wal").exists()

    def _stamp(self) -> tuple[int, int, bool]:
        """A value that differs after another process has written to the database, which we may only read."""
        status = os.stat(self.path or "")
        return status.st_mtime_ns, status.st_size, self._has_journal()

    def _renew(self) -> None:
        """Close idle connections: immutable ones do not notice that the file has changed."""
        with self._lending:
            for connection in self._idle:
                self._all.remove(connection)
                connection.close()
            self._idle.clear()

    # Work is passed as a function, not as the block of a ``with``: an interrupt between a block and a context manager
    # written in Python would leave it open for as long as a traceback is kept. Locks and connections are C.
    # For the same reason no cursor is kept: its unread rows would hold its snapshot open.

    def read(self, work: Callable[[Connection], T]) -> T:
        """Call ``work`` with a connection inside one read transaction; returns its result."""
        try:
            with self.one_at_a_time:
                connection = self.begin()
                try:
                    return work(connection)
                finally:
                    self.end(connection)
        except _REFUSED as error:
            raise self.explained(error) from error

    def check_writable(self) -> None:
        """Raise if this process may only read the database."""
        if self.read_only:
            raise _ReadOnlyError(
                f"{self.path} is read-only here: get and query work, writing does not. To write, copy the directory."
            )

    def write(self, work: Callable[[Connection], T], *, durable: bool = False) -> T:
        """Call ``work`` inside one write transaction: committed at its end, undone by an exception; returns its result.

        ``durable``: it and all earlier commits survive a power cut, with any durability.
        """
        self.check_writable()
        waits = durable and self._durability == "process"
        try:
            with self.writing:
                try:
                    if waits:
                        self._writer.execute(SYNCHRONOUS["power"])
                    return self._changed(work)
                finally:
                    if waits:
                        self._writer.execute(SYNCHRONOUS[self._durability])
        except _REFUSED as error:
            raise self.explained(error) from error

    def _changed(self, work: Callable[[Connection], T]) -> T:
        self._changing = threading.get_ident()
        if self._commit_uncertain:
            self._overwrite_failed_commit()
        try:
            with self._writer as connection:  # leaving it rolls back uncommitted changes
                try:
                    connection.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError as error:
                    if not _is_refused_lock(error):
                        raise
                    time.sleep(_BETWEEN_TRIES_SECONDS)
                    connection.execute("BEGIN IMMEDIATE")
                # Inside the transaction: earlier, a read in the middle of this call (nested) would fill it again.
                connection.catalog.clear()
                result = work(connection)
                self._commit_uncertain = True
                connection.execute("COMMIT")
                self._commit_uncertain = False
                return result
        except sqlite3.Error:
            if self._commit_uncertain:
                with contextlib.suppress(sqlite3.Error):  # else the next write tries, before it changes anything
                    self._overwrite_failed_commit()
            raise

    def _overwrite_failed_commit(self) -> None:
        """Overwrite the pages that a failed commit may have left in the journal.

        If only their sync failed, they are complete: after the death of all processes SQLite would take them for
        committed, and by then the rows of vectors that they name may hold others.
        """
        with self._writer as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_WRITE_NOTHING)
            connection.execute("COMMIT")
        self._commit_uncertain = False

    def outside_transactions(self, work: Callable[[Connection], T]) -> T:
        """Call ``work`` with the writing connection outside transactions (VACUUM, checkpoints)."""
        try:
            with self.writing:
                return _despite_refused_locks(lambda: work(self._writer))
        except _REFUSED as error:
            raise self.explained(error) from error

    def explained(self, error: sqlite3.Error | OSError) -> ChromaError:
        """The same error for a reader."""
        return explained(error, self.path)

    def close(self) -> None:
        """Close every connection that is not lent; the others are closed when they are returned."""
        self._closed = True
        with self.writing:
            for connection in [*self._opened_writer(), *self._idle]:
                connection.close()
            self._idle.clear()

    def pause(self) -> None:
        """Before a fork: wait for writers, and for a moment for readers; later ones wait for ``resume``.

        SQLite's locks are copied into the child as they are: one that another thread holds right now would
        be held there for ever.
        """
        if self._gate is None:
            self._gate = threading.Event()
        self.writing.acquire()
        deadline = time.monotonic() + _FORK_SECONDS
        while self._lent.keys() - {threading.get_ident()} and time.monotonic() < deadline:
            time.sleep(0.0002)

    def resume(self) -> None:
        """After a fork, in the parent."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.set()
        self.writing.release()

    def after_fork(self) -> list[Connection]:
        """In a forked child: new locks and, for a file, new connections.

        The inherited connections are returned; they must stay referenced and unused, since closing
        them would release the parent's locks.
        """
        self._gate = None
        self.writing = _locks.RLock()
        if self.path is None:
            self.one_at_a_time = self.writing
            return []
        self._last_close.detach()
        inherited, self._idle, self._lent = self._all, [], {}
        self._new_locks_of_readers()
        self._own([])
        vars(self).pop("_writer", None)
        return inherited


#: The message for a call that would have to wait for the call it interrupts.
IN_THE_MIDDLE: Final = (
    "This call comes in the middle of another call of the same thread (from a signal handler, a "
    "finalizer or a trace function) and cannot wait for the write that is under way. Nothing was "
    "written: make the call before or after."
)


class NestedConnections(Connections):
    """The connections of a call in the middle of another call of its thread, which it never waits for.

    A file is opened again, as by another process. A database in memory has one connection, which is shared for
    reading, outside transactions.
    """

    #: A call may wait for a write of another thread or process, but not long: that may wait for the interrupted call.
    patience = 1.0

    def __init__(self, outer: Connections) -> None:
        self._outer = outer
        # In this order: SQLite may block on a connection until its thread goes on, and holds the GIL until then.
        if outer._changing == threading.get_ident() and outer._writer.in_transaction:
            self.patience = 0.0  # that of the interrupted call
        if outer.path is not None:
            super().__init__(outer.path, durability=outer._durability, read_only=outer.read_only, made=outer._made)
            return
        self.path = None
        self.read_only = False
        self.one_at_a_time = self.writing = outer.writing

    def begin(self, tries: int = _TRIES) -> Connection:
        """See ``Connections.begin``; InternalError inside a write transaction of a database in memory."""
        if self.path is not None:
            return super().begin(tries)
        if self._outer._writer.in_transaction:
            raise InternalError(IN_THE_MIDDLE)
        return self._outer._writer

    def write(self, work: Callable[[Connection], T], *, durable: bool = False) -> T:
        """See ``Connections.write``; InternalError for a database in memory: the interrupted call may be reading."""
        if self.path is None:
            raise InternalError(IN_THE_MIDDLE)
        return super().write(work, durable=durable)

    def outside_transactions(self, work: Callable[[Connection], T]) -> T:
        """See ``Connections.outside_transactions``; InternalError for a database in memory."""
        if self.path is None:
            raise InternalError(IN_THE_MIDDLE)
        return super().outside_transactions(work)

    def explained(self, error: sqlite3.Error | OSError) -> ChromaError:
        """See ``Connections.explained``."""
        if isinstance(error, sqlite3.Error) and refusals.primary_code(error) in _BUSY:
            return InternalError(IN_THE_MIDDLE)
        return super().explained(error)

    def close(self) -> None:
        """Close the connections that were opened for this call."""
        if self.path is not None:
            super().close()


def _is_refused_lock(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", None) in _LOCK_REFUSED


def _despite_refused_locks(action: Callable[[], T]) -> T:
    """``action``, which can be run twice, repeated if the system refused a lock that is free."""
    for _ in range(_TRIES - 1):
        try:
            return action()
        except sqlite3.OperationalError as error:
            if not _is_refused_lock(error):
                raise
        time.sleep(_BETWEEN_TRIES_SECONDS)
    return action()


def _most_readers() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return _MOST_READERS
    return max(1, min(_MOST_READERS, limit // _DESCRIPTORS_OF_A_READER))


def _close_all(connections: list[Connection]) -> None:
    for connection in connections:
        connection.close()


def _open(database: str, *, uri: bool = False, timeout: float = BUSY_TIMEOUT_SECONDS) -> Connection:
    return sqlite3.connect(
        database,
        uri=uri,
        isolation_level=None,
        check_same_thread=False,
        timeout=timeout,
        cached_statements=256,
        factory=Connection,
    )


def alone_with(path: Path) -> bool:
    """Whether no other connection has this database open; then its journal is in the file, which can be moved.

    A damaged file cannot be open anywhere.
    """
    connection = _open(str(path), timeout=0.0)
    try:
        # Leaving WAL mode needs exclusive access: every other connection holds a lock on the file while it is open.
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        return refusals.primary_code(error) not in _BUSY
    except sqlite3.DatabaseError:
        return True
    finally:
        connection.close()
    return True


def explained(error: sqlite3.Error | OSError, path: Path | None) -> ChromaError:
    """The same error for a reader: what happened to which file, and what to do."""
    code = refusals.primary_code(error) if isinstance(error, sqlite3.Error) else None
    if code == sqlite3.SQLITE_PROTOCOL:
        return InternalError(
            f"{path} could not be locked for several seconds ({error}): other processes use it all the time, "
            "or the system has no locks left. Nothing was written. Try again, with a new client if that does "
            "not help."
        )
    if code in _BUSY:
        return InternalError(
            f"{path or 'the in-memory database'} is busy: another process kept its write transaction open for "
            f"{BUSY_TIMEOUT_SECONDS:.0f} s ({error}). Nothing was written. Try again."
        )
    return refusals.explained(error, path)

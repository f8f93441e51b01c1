"""Run the read and write transactions of one database, and bring its collections in memory up to date."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

from chroma_nb.engine.memory import loading, row_files, word_files
from chroma_nb.engine.memory.collection import UNKNOWN, CollectionInMemory, Delta
from chroma_nb.engine.memory.part import Part
from chroma_nb.engine.memory.row_files import StoredRows
from chroma_nb.engine.memory.snapshot import Snapshot
from chroma_nb.engine.memory.word_files import WordsAtRest
from chroma_nb.engine.storage import catalog, pending, sqlite
from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.engine.storage.directory import identity
from chroma_nb.engine.storage.room import Room
from chroma_nb.engine.storage.sqlite import Connection, Connections, Durability
from chroma_nb.engine.storage.stores import VectorStores
from chroma_nb.engine.storage.vectors import VectorStore
from chroma_nb.engine.transactions import open_collections
from chroma_nb.engine.transactions.writing import Writing
from chroma_nb.errors import InternalError, _ClosedError, _DamagedError
from chroma_nb.plain import shown

T = TypeVar("T")

_ATTEMPTS: Final = 100
#: Attempts after which a missing file cannot be due to a compaction elsewhere.
_ATTEMPTS_FOR_FILE: Final = 3
#: Seconds for which a reader assumes that the directory still exists: a check costs a system call.
TRUSTED_SECONDS: Final = 0.05
#: Chroma's text before the name of a missing collection, in some calls.
GETTING: Final = "Error getting collection: "


class Transactions:
    """Runs work in transactions. ``directory`` is None for a database in memory.

    ``loaded`` is called with a collection that was loaded completely, ``written`` with one that a call has
    changed, after the commit.
    """

    def __init__(
        self,
        directory: Path | None,
        durability: Durability,
        connections: Connections,
        stores: VectorStores,
        room: Room,
        *,
        loaded: Callable[[CollectionRow, CollectionInMemory], None],
        written: Callable[[CollectionRow, CollectionInMemory], None],
    ) -> None:
        self.directory = directory
        self.connections = connections
        self.stores = stores
        self.room = room
        self.memories: dict[int, CollectionInMemory] = {}
        #: When each collection was used last: see ``open_collections.py``.
        self.last_used: dict[int, int] = {}
        if directory is not None:
            open_collections.count(self)
        self.closed = False
        #: Whether pending rows of vector files were found when the directory was opened.
        self.has_pending = False
        #: Whether single records can be found without loading the others: a database in memory has no index of ids.
        self.has_index_of_ids = directory is not None
        self.durable = durability == "power"
        self._loaded, self._written = loaded, written
        self._seen_there = 0.0
        self._identity = None if directory is None else identity(directory / sqlite.FILE_NAME)

    # --- whether it can run at all --------------------------------------------------------------------------

    def is_there(self) -> bool:
        """Whether the directory that was opened is still the one under its name."""
        if self.directory is None:
            return True
        try:
            return identity(self.directory / sqlite.FILE_NAME) == self._identity
        except OSError:
            return False

    def check_open(self, *, writing: bool = True) -> None:
        """Raise if the database is closed or its directory is deleted; readers check that now and then."""
        if self.closed:
            raise _ClosedError("This client is closed. Create a new one.")
        if not writing and time.monotonic() - self._seen_there < TRUSTED_SECONDS:
            return
        if not self.is_there():
            raise InternalError(
                f"{self.directory} was removed or replaced while it was open. Create a new client to continue "
                "(nothing was written)."
            )
        self._seen_there = time.monotonic()

    def restore_pending(self) -> None:
        """Write the rows that were pending at the opening of the directory to the disk, before any other write."""
        if self.has_pending:
            self.connections.write(
                lambda connection: pending.restore(connection, catalog.all_collections(connection), self.stores)
            )
            self.has_pending = False

    # --- the database ---------------------------------------------------------------------------------------

    def read(self, work: Callable[[Connection], T]) -> T:
        """Call ``work`` in a read transaction; returns its result."""
        self.check_open(writing=False)
        return self.connections.read(work)

    def write(self, work: Callable[[Connection], T], *, durable: bool = False) -> T:
        """Call ``work`` in a write transaction: committed at its end, undone by any exception; returns its result.

        ``durable``: for a commit whose loss would contradict files that are removed or created after it.
        """
        self.check_open()
        if self.has_pending:
            self.restore_pending()
        return self.connections.write(work, durable=durable)

    # --- one collection ---------------------------------------------------------------------------------------

    def read_collection(
        self,
        collection_id: UUID,
        work: Callable[[Snapshot], T],
        context: str = "",
        part: Callable[[Connection, CollectionRow], Part | None] | None = None,
    ) -> T:
        """Call ``work`` in one read transaction, with the collection in memory at the same seq.

        ``part`` reads the records that ``work`` needs, if it can: a collection that is not in memory at that seq
        is not loaded then.
        """
        self.check_open(writing=False)
        ident, vectors = str(collection_id), self.stores.current
        for attempt in range(_ATTEMPTS):
            if attempt == _ATTEMPTS_FOR_FILE:
                vectors = self._store
            with self.connections.one_at_a_time:
                connection = self.connections.begin()
                try:
                    row = connection.catalog.get(ident) or catalog.known_collection(connection, ident, context)
                    open_collections.use(self, row.number)
                    if part is not None and (few := self._few(connection, row, part)) is not None:
                        return work(Snapshot(connection, row, few, vectors, True))
                    memory = self.refreshed(connection, row)
                    if memory is None:
                        continue  # another thread is ahead of our snapshot: use a newer one
                    found = memory.lock.read(partial(self._looked_at, connection, row, memory, vectors, work))
                    if found is not None:
                        return found[0]
                except FileNotFoundError:
                    continue  # compacted meanwhile: the catalog now names another file
                except (sqlite3.Error, OSError) as error:
                    raise sqlite.explained(error, self.connections.path) from error
                finally:
                    self.connections.end(connection)
        raise InternalError(f"collection [{ident}] changed {_ATTEMPTS} times while it was read. Try again.")

    def _looked_at(
        self,
        connection: Connection,
        row: CollectionRow,
        memory: CollectionInMemory,
        vectors: Callable[[CollectionRow], VectorStore | None],
        work: Callable[[Snapshot], T],
    ) -> tuple[T] | None:
        """The result of ``work``; None if ``memory``, whose lock is held, is not at the seq of ``row`` any more."""
        if memory.seq != row.seq or memory.generation != row.generation:
            return None
        on_disk = self.directory is not None
        return (work(Snapshot(connection, row, memory, vectors, on_disk, stored_words=self._stored_words)),)

    def _store(self, row: CollectionRow) -> VectorStore | None:
        """The vectors of a collection; raises an error if their file is lost."""
        try:
            return self.stores.current(row)
        except FileNotFoundError as error:
            raise self.stores.lost(row) from error

    def write_collection(
        self,
        collection_id: UUID,
        work: Callable[[Writing], Delta | None],
        context: str = GETTING,
        *,
        deletes: bool = False,
    ) -> None:
        """Call ``work`` in one write transaction, then update memory. ``deletes``: it only frees space."""

        def write(connection: Connection) -> tuple[CollectionRow, CollectionInMemory, Delta | None]:
            writing = self.writing(connection, str(collection_id), context)
            delta = work(writing)
            if not deletes:
                self.room.check(connection)
            return writing.row, writing.memory, delta

        # In memory the lock is held to the end: a thread with another lock of the engine must hold it, too, since a
        # call in the middle of this one needs it.
        with self.connections.one_at_a_time:
            row, memory, delta = self.room.freeing(self.write, write) if deletes else self.write(write)

            def apply() -> None:
                if delta is not None and memory.seq == row.seq:  # else a reader has updated it further already
                    memory.apply(delta)

            if delta is not None:
                memory.lock.write(apply)
                self.room.keep()
                self._written(row, memory)

    def writing(self, connection: Connection, ident: str, context: str = GETTING) -> Writing:
        """A collection inside the write transaction of ``connection``."""
        row = catalog.collection_by_id(connection, ident, context)
        open_collections.use(self, row.number)
        memory = self.refreshed(connection, row)
        if memory is None:
            raise InternalError(f"collection [{row.name}] is newer than its database. Create a new client.")
        return Writing(
            connection,
            row,
            memory,
            self._store,
            self.directory is not None,
            open_store=lambda dimension: self.stores.first(row, dimension),
            durable=self.durable,
        )

    # --- collections in memory ----------------------------------------------------------------------------------

    def refreshed(self, connection: sqlite3.Connection, row: CollectionRow) -> CollectionInMemory | None:
        """The collection in memory at the seq of ``connection``'s snapshot; None if it is ahead."""
        memory = self.memories.get(row.number)
        if memory is None:
            memory = self.memories.setdefault(row.number, CollectionInMemory(row.number))
        if memory.seq == row.seq and memory.generation == row.generation:
            return memory
        return memory.lock.write(lambda: self._advanced(connection, row, memory))

    def _few(
        self, connection: Connection, row: CollectionRow, part: Callable[[Connection, CollectionRow], Part | None]
    ) -> Part | None:
        """The records that ``part`` reads; None if the collection is in memory with its ids, or has to be."""
        memory = self.memories.get(row.number)
        if memory is not None and (memory.seq, memory.generation) != (row.seq, row.generation):
            memory = None
        if not self.has_index_of_ids or (memory is not None and memory.maps_ids):
            return None
        few = _sensible(row, lambda: part(connection, row))
        if memory is not None and few is not None and memory.is_mapping_due(few.rows):
            return None
        return few

    def _advanced(
        self, connection: sqlite3.Connection, row: CollectionRow, memory: CollectionInMemory
    ) -> CollectionInMemory | None:
        """``memory``, whose writing lock is held, at the seq of ``row``; None if it is ahead."""
        if memory.seq != UNKNOWN and (memory.generation, memory.seq) >= (row.generation, row.seq):
            return memory if (memory.generation, memory.seq) == (row.generation, row.seq) else None
        if _sensible(row, lambda: loading.advance(connection, row, memory, self._stored_rows)):
            self._loaded(row, memory)
        return memory

    def _stored_rows(self, row: CollectionRow) -> StoredRows | None:
        """The rows of a collection in its cache file."""
        if self.directory is None:
            return None
        return row_files.load(self.directory / "cache", row, mapped=self.stores.mapped)

    def _stored_words(self, row: CollectionRow) -> WordsAtRest | None:
        """The index of words of a collection in its cache file."""
        if self.directory is None:
            return None
        return word_files.load(self.directory / "cache", row, mapped=self.stores.mapped)


def _sensible(row: CollectionRow, read: Callable[[], T]) -> T:
    """The records that ``read`` returns; raises an error if they are invalid."""
    try:
        return read()
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise _DamagedError(
            f"The records of collection [{shown(row.name)}] are not consistent ({shown(error, 200)}): the "
            "database is damaged. Restore it from a backup."
        ) from error
    except MemoryError as error:
        raise InternalError(
            f"Not enough memory for the {row.record_count} records of collection [{shown(row.name)}] "
            f"({error}). Free some memory and try again. If the collection should not be that large, restore "
            "the database from a backup."
        ) from error

"""The engine: opens a directory or memory, one method per operation; owns locks and lifetime.

The decisions are elsewhere: what a filter means in ``filters.py``, how a query is answered in
``planner.py``, in which order a write happens in ``writes.py``. Here is who may run when.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

from chroma_nb import schema as schemas
from chroma_nb._reentry import is_running
from chroma_nb.engine import (
    catalog,
    loading,
    migrations,
    pending,
    planner,
    refusals,
    sqlite,
    staging,
    threads,
    verification,
)
from chroma_nb.engine import directory as directories
from chroma_nb.engine.catalog import CollectionRow
from chroma_nb.engine.collection import UNKNOWN, Change, CollectionInMemory
from chroma_nb.engine.compaction import Compaction
from chroma_nb.engine.executor import Reading
from chroma_nb.engine.graph import GraphSource
from chroma_nb.engine.index import storage
from chroma_nb.engine.index.background import GraphBuilder
from chroma_nb.engine.locks import first_open, is_network_mount
from chroma_nb.engine.room import Room, give_up_reserve, truncated_journal
from chroma_nb.engine.sqlite import Connection, Connections, Durability, NestedConnections
from chroma_nb.engine.staging import Staging
from chroma_nb.engine.stores import VectorStores
from chroma_nb.engine.vectors import LostVectors, VectorStore
from chroma_nb.engine.writes import Writing
from chroma_nb.errors import ChromaError, InternalError, _ClosedError, _DamagedError, _MissingError, _NoRoomError
from chroma_nb.results import GetResult, QueryResult
from chroma_nb.types import CollectionMetadata, CollectionModel, Database, Edited, Edits, Matrix, Records, Tenant
from chroma_nb.where import Expression

T = TypeVar("T")
Q = TypeVar("Q")
_ATTEMPTS: Final = 100
#: Attempts after which a file that is not there is not a matter of a compaction elsewhere.
_LOOKS_FOR_FILE: Final = 3
#: Seconds for which a reader trusts that the directory is still there: asking costs a system call.
_LOOKED: Final = 0.05
_GETTING: Final = "Error getting collection: "

#: The engines of this process by the device and inode of their directory; several clients share one.
_OPEN: dict[tuple[int, int], Engine] = {}
_OPENING = threading.RLock()
#: Connections that a forked child inherited: referenced for ever, used and closed never.
_INHERITED: list[Any] = []


class Engine:
    """One database, in a directory or in memory. Safe to use from several threads.

    >>> engine = Engine.open(None)
    >>> model = engine.create_collection("words", "default_tenant", "default_database", None, None, None, False)
    >>> engine.count(model.id)
    0
    >>> engine.close()
    """

    def __init__(self, directory: Path | None, *, durability: Durability) -> None:
        self.directory = directory
        self.durability: Durability = durability
        self.read_only = directory is not None and not directories.is_writable(directory)
        self._mapped = directory is None or not is_network_mount(directory)
        self._references = 1
        self._has_pending = False
        self._closed = False
        #: Threads that are in ``serve``. A hint: an interrupt may leave one behind.
        self._serving: set[int] = set()
        #: The thread whose call, when it is over, closes this engine.
        self._closed_by: int | None = None
        self._memories: dict[int, CollectionInMemory] = {}
        self._stores = VectorStores(directory, read_only=self.read_only, mapped=self._mapped)
        path = None if directory is None else directory / sqlite.FILE_NAME
        # A rollback journal that is synced less may leave the database itself damaged.
        commits: Durability = durability if self._mapped else "power"
        self._connections = (
            Connections(path, durability=commits, read_only=True, made=migrations.show_as_current)
            if self.read_only
            else Connections(path, durability=commits, read_only=False)
        )
        self._room = Room(None if self.read_only else directory, self._connections, self._drop_what_is_derived)
        try:
            self._prepare(path)
        except BaseException:
            self._connections.close()
            raise
        self._seen_there = 0.0
        self._identity = None if path is None else directories.identity(path)
        self.builder = GraphBuilder(self)
        _EVERY.add(self)

    # --- opening and closing -----------------------------------------------------------------------------

    @classmethod
    def open(cls, path: Path | None, *, durability: Durability = "power") -> Engine:
        """The engine of a directory (made when it is not there), or a new one in memory.

        A directory that is open in this process already gives the same engine; each ``open`` is given
        back by one ``close``. Raises InternalError when the directory is not ours or is damaged.
        """
        if path is None:
            return cls(None, durability=durability)
        try:
            return cls._shared(path.absolute(), durability)  # a later chdir must not move the database
        except OSError as error:
            raise refusals.explained(error, path, cannot="open") from error

    @classmethod
    def _shared(cls, path: Path, durability: Durability) -> Engine:
        with _OPENING:
            directories.make(path)
            key = directories.identity(path)
            shared = _OPEN.get(key)
            if shared is not None:
                shared._references += 1  # first of all: a close() in the middle of this sees it
                if not shared._closed and shared._is_there():
                    return shared
                shared.close()

            def make() -> Engine:
                directories.refuse_lost(path)
                directories.make_database_private(path)
                try:
                    return cls(path, durability=durability)
                except _NoRoomError:
                    if not (give_up_reserve(path) or storage.clear(path / "cache")):
                        raise
                    return cls(path, durability=durability)

            engine = _OPEN[key] = first_open(path, make)
            return engine

    @staticmethod
    def is_open(path: Path) -> bool:
        """Whether the database in this directory is open in this process."""
        shared = _OPEN.get(directories.identity(path))
        return shared is not None and shared._is_there()

    @classmethod
    def alone(cls, path: Path, work: Callable[[], T]) -> T:
        """Do ``work`` on a directory, which is there, while nobody opens it; InternalError when it is open here."""
        with _OPENING:
            if cls.is_open(path):
                raise InternalError(f"{path} is in use in this process; close its clients, and try again")
            return first_open(path, work)

    def _prepare(self, path: Path | None) -> None:
        if self.read_only:
            if not self._connections.read(migrations.is_readable):
                raise _DamagedError(f"{path} is read-only and not (or not this version of) a chroma_nb database")
            return
        if path is not None:
            self._connections.alone(self._set_journal)
        if path is None or not self._connections.alone(migrations.is_current):
            # Durable: vectors beside a database without tables mean that it was lost.
            self._connections.change(lambda connection: migrations.apply(connection, path), durable=True)
        self._has_pending = path is not None and self._connections.alone(pending.exist)
        with contextlib.suppress(ChromaError, OSError):  # without room: reading goes on, the first write tries again
            self._restore_pending()
            self._sweep_staged(self._connections.change)
        with contextlib.suppress(ChromaError, OSError):  # as above
            if self._stores.orphans() or (path is not None and storage.exist(path.with_name("cache"))):
                self._sweep()
        self._room.keep(look=True)

    def _set_journal(self, connection: Connection) -> None:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL" if self._mapped else "PRAGMA journal_mode=DELETE")

    def _restore_pending(self) -> None:
        """See rows on the disk that were pending when the directory was opened; else nothing may be written."""
        if self._has_pending:
            self._connections.change(
                lambda connection: pending.restore(connection, catalog.all_collections(connection), self._stores)
            )
            self._has_pending = False

    def close(self) -> None:
        """Give one reference back; the last one closes the files and ends the background thread.

        In the middle of a call of this thread: when that call is over.
        """
        with _OPENING:
            self._references -= 1
            if self._references > 0 or self._closed:
                return
            keys = [key for key, engine in _OPEN.items() if engine is self]
            for key in keys:
                del _OPEN[key]
            if self._references > 0:  # opened again, by a signal handler, between these lines
                _OPEN.update(dict.fromkeys(keys, self))
                return
        me = threading.get_ident()
        if threads.THIS.ours and self._serving:  # a finalizer that was run in a thread of ours
            self._closed_by = next(iter(self._serving))
        elif me in self._serving and is_running(Engine.serve.__code__):
            self._closed_by = me
        else:
            self._close_files()

    def _close_files(self) -> None:
        self._closed = True
        self.builder.stop()
        self._connections.close()
        self._stores.close()
        self._memories.clear()

    # --- calls in the middle of a call ---------------------------------------------------------------------

    def serve(self, work: Callable[[Engine, Q], T], request: Q) -> T:
        """``work(engine, request)``: a call of a client, which may come in the middle of another one.

        Signal handlers, finalizers, weak reference callbacks and trace functions run between any two instructions
        of a call, in its thread, while it holds locks, transactions and half-changed caches. Their calls are done
        as if they came from another process: with connections and caches of their own, so that the outer call is
        not disturbed. What would have to wait for the outer call (a write in the middle of a write; with a database
        in memory, any write) raises InternalError before anything is touched.
        """
        me = threading.get_ident()
        if threads.THIS.ours or (me in self._serving and is_running(Engine.serve.__code__)):
            return self._serve_apart(work, request)
        self._serving.add(me)
        try:
            return work(self, request)
        finally:
            self._serving.discard(me)
            if self._closed_by == me:
                self._closed_by = None
                self._close_files()

    def _serve_apart(self, work: Callable[[Engine, Q], T], request: Q) -> T:
        self._check_open()
        if self.directory is None and threads.THIS.ours:
            # Whoever holds the turn may be waiting for this thread. (A thread of ours is never interrupted.)
            if not self._connections.writing.acquire(blocking=False):
                raise InternalError(sqlite.IN_THE_MIDDLE)
            try:
                return self._serve_with_turn(work, request)
            finally:
                self._connections.writing.release()
        with self._connections.turn:  # nobody changes a database in memory meanwhile
            return self._serve_with_turn(work, request)

    def _serve_with_turn(self, work: Callable[[Engine, Q], T], request: Q) -> T:
        nested = _NestedEngine(self)
        try:
            return work(nested, request)
        finally:
            nested._close_files()

    def _is_there(self) -> bool:
        """Whether the directory we opened is still the one under its name."""
        if self.directory is None:
            return True
        try:
            return directories.identity(self.directory / sqlite.FILE_NAME) == self._identity
        except OSError:
            return False

    def _check_open(self, *, writing: bool = True) -> None:
        """Raise when this engine is closed or its directory is gone; readers look for that now and then."""
        if self._closed:
            raise _ClosedError("this client is closed; make a new one")
        if not writing and time.monotonic() - self._seen_there < _LOOKED:
            return
        if not self._is_there():
            raise InternalError(
                f"{self.directory} was removed or replaced while it was open; "
                "make a new client to go on (nothing was written)"
            )
        self._seen_there = time.monotonic()

    def _after_fork(self) -> None:
        """In a forked child: own connections and locks; no thread, no graph, nothing half-changed."""
        self._stores.after_fork()
        self._memories = {}
        self.builder = GraphBuilder(self)
        if not self._closed:
            _INHERITED.extend(self._connections.after_fork())

    # --- tenants and databases ---------------------------------------------------------------------------

    def create_tenant(self, name: str) -> None:
        """Raises InternalError (also a ValueError) when it exists."""
        self.change(lambda connection: catalog.create_tenant(connection, name))

    def get_tenant(self, name: str) -> Tenant:
        """Raises NotFoundError when there is none."""
        return self.look(lambda connection: catalog.get_tenant(connection, name))

    def create_database(self, name: str, tenant: str) -> None:
        """Raises InternalError (also a ValueError) when it exists."""
        self.change(lambda connection: catalog.create_database(connection, name, tenant))

    def get_database(self, name: str, tenant: str) -> Database:
        """Raises NotFoundError when there is none."""
        return self.look(lambda connection: catalog.get_database(connection, name, tenant))

    def delete_database(self, name: str, tenant: str) -> None:
        """Delete a database with its collections and their files."""
        self._discard(lambda connection: catalog.delete_database(connection, name, tenant))

    def list_databases(self, tenant: str, limit: int | None = None, offset: int | None = None) -> list[Database]:
        """In order of creation."""
        return self.look(lambda connection: catalog.list_databases(connection, tenant, limit, offset))

    # --- collections -----------------------------------------------------------------------------------------

    def create_collection(
        self,
        name: str,
        tenant: str,
        database: str,
        metadata: CollectionMetadata | None,
        configuration: dict[str, Any] | None,
        schema: dict[str, Any] | None,
        get_or_create: bool,
    ) -> CollectionModel:
        """Make a collection; with ``get_or_create`` an existing one is answered as it is.

        Raises InternalError (also a ValueError) when the name is taken, InvalidArgumentError when
        configuration, schema and metadata do not make sense together.
        """

        def find(connection: Connection) -> CollectionRow | None:
            return catalog.find_collection(connection, name, tenant, database) if get_or_create else None

        def create(connection: Connection) -> CollectionRow:
            return find(connection) or catalog.create_collection(
                connection,
                name=name,
                tenant=tenant,
                database=database,
                metadata=metadata or None,
                configuration=resolved.configuration_json,
                schema=resolved.serialized_schema,
                settings={"ef_search_is_set": resolved.ef_search_is_set},
            )

        existing = self.look(find) if get_or_create else None
        if existing is not None:
            return existing.model
        resolved = schemas.resolve(metadata, configuration, schema)
        return self.change(create).model

    def get_collection(self, name: str, tenant: str, database: str) -> CollectionModel:
        """Raises NotFoundError (also a ValueError) when there is none."""
        return self.look(lambda connection: catalog.collection_by_name(connection, name, tenant, database)).model

    def get_collection_by_id(self, id: UUID, tenant: str, database: str) -> CollectionModel:
        """Raises NotFoundError (also a ValueError) when that database has none of this id."""
        row = self.look(lambda connection: catalog.collection_by_id(connection, str(id)))
        if (row.tenant, row.database) != (tenant, database):
            raise _MissingError(f"Collection [{id}] does not exist.")
        return row.model

    def list_collections(
        self, tenant: str, database: str, limit: int | None = None, offset: int | None = None
    ) -> list[CollectionModel]:
        """In order of creation."""
        rows = self.look(lambda connection: catalog.list_collections(connection, tenant, database, limit, offset))
        return [row.model for row in rows]

    def count_collections(self, tenant: str, database: str) -> int:
        """How many collections a database has."""
        return self.look(lambda connection: catalog.count_collections(connection, tenant, database))

    def modify_collection(
        self,
        id: UUID,
        tenant: str,
        database: str,
        new_name: str | None,
        new_metadata: CollectionMetadata | None,
        new_configuration: dict[str, Any] | None,
    ) -> None:
        """Rename, replace the metadata, change the configuration; None leaves a part as it is."""

        def modify(connection: Connection) -> None:
            row = catalog.collection_by_id(connection, str(id))
            configuration, schema, settings = row.configuration, row.schema, row.settings
            if new_configuration is not None:
                resolved = schemas.updated(row.configuration, row.schema, new_configuration)
                configuration, schema = resolved.configuration_json, resolved.serialized_schema
                is_set = resolved.ef_search_is_set or settings.get("ef_search_is_set", False)
                settings = {**settings, "ef_search_is_set": is_set}
            kept = None if new_metadata is None else {k: v for k, v in new_metadata.items() if v is not None}
            catalog.modify_collection(
                connection,
                row,
                name=new_name,
                metadata=kept or None,
                replace_metadata=new_metadata is not None,
                configuration=configuration,
                schema=schema,
                settings=settings,
            )

        self.change(modify)

    def delete_collection(self, name: str, tenant: str, database: str) -> None:
        """Delete a collection and its files. Raises NotFoundError (also a ValueError) when there is none."""

        def delete(connection: Connection) -> list[CollectionRow]:
            row = catalog.collection_by_name(connection, name, tenant, database)
            catalog.delete_collection(connection, row)
            return [row]

        self._discard(delete)

    def reset(self) -> None:
        """Delete everything; the default tenant and database are there again."""

        def clear(connection: Connection) -> list[CollectionRow]:
            gone = catalog.all_collections(connection)
            catalog.clear(connection)
            migrations.insert_defaults(connection)
            return gone

        self._discard(clear)

    def settings_of(self, collection_id: UUID) -> dict[str, Any]:
        """What we keep about a collection in addition to Chroma's fields."""
        return self.look(lambda connection: catalog.collection_by_id(connection, str(collection_id))).settings

    def update_settings(self, collection_id: UUID, settings: dict[str, Any]) -> None:
        """Lay ``settings`` over what we keep about a collection."""

        def update(connection: Connection) -> None:
            row = catalog.collection_by_id(connection, str(collection_id))
            catalog.set_settings(connection, row, {**row.settings, **settings})

        self.change(update)

    # --- records ---------------------------------------------------------------------------------------------

    def add(self, collection_id: UUID, given: Records) -> None:
        """Add records; ids that exist are left as they are."""
        self._write(collection_id, lambda writing: writing.add(given))

    def adopt(self, collection_id: UUID, given: Records) -> None:
        """Add records as they were elsewhere, those that have lost their vector too."""
        self._write(collection_id, lambda writing: writing.adopt(given))

    def update(self, collection_id: UUID, given: Records) -> None:
        """Update records; ids that do not exist are passed over."""
        self._write(collection_id, lambda writing: writing.update(given))

    def upsert(self, collection_id: UUID, given: Records) -> None:
        """Update the records that exist, add the others."""
        self._write(collection_id, lambda writing: writing.upsert(given))

    def edit(self, collection_id: UUID, edits: Edits) -> Edited:
        """Delete, update and add records in one transaction; how many of each."""
        done = Edited()

        def operation(writing: Writing) -> Change | None:
            nonlocal done
            change, done = writing.edit(edits)
            return change

        only_deletes = not (len(edits.update) or len(edits.add) or len(edits.upsert))
        self._write(collection_id, operation, deletes=only_deletes)
        return done

    def begin_staging(self, collection_id: UUID) -> Staging | None:
        """Begin to take records in by pieces; None where everything is in memory anyway."""
        if self.directory is None or self.read_only:
            return None
        self.look(lambda connection: catalog.known_collection(connection, str(collection_id), _GETTING))
        self._sweep_staged(self.change)
        return Staging(collection_id, self.directory / "vectors")

    def stage(self, session: Staging, given: Records) -> None:
        """Write a piece, which no reader counts yet, in a transaction of its own."""

        def write(connection: Connection) -> int:
            writing = self._writing(connection, str(session.collection), _GETTING)
            writing.stage(given, session)
            self._room.check(connection)
            return writing.row.next_position

        session.note(given, self.change(write))
        self._room.keep()

    def publish(self, session: Staging, edits: Edits, *, update: bool) -> Edited:
        """Let what was staged count, and do ``edits``, in one transaction.

        An id that exists is passed over, or with ``update`` changed.
        """
        ident = str(session.collection)

        def write(connection: Connection) -> Edited:
            writing = self._writing(connection, ident, _GETTING)
            _, done = writing.edit(edits)
            after = replace(writing, row=catalog.collection_by_id(connection, ident))
            published = after.publish(session, update=update, gone=frozenset(edits.delete))
            self._room.check(connection)
            return Edited(done.deleted, done.updated + published.updated, done.added + published.added)

        done = self.change(write)
        session.close()
        self._room.keep()
        return done

    def abandon(self, session: Staging) -> None:
        """Remove what was staged."""
        if session.is_ours:  # else its parent goes on
            try:
                staging.remove(str(session.collection), session.name, partial(self._room.freeing, self.change))
            finally:
                session.close()  # whoever sweeps has the rest
        else:
            session.close()

    def _sweep_staged(self, change: Callable[[Callable[[Connection], bool]], bool]) -> None:
        """Remove what calls staged whose process or object has ended."""
        if self.directory is not None:
            rows = self._connections.read(catalog.with_staged)
            staging.sweep(rows, self.directory / "vectors", partial(self._room.freeing, change))

    def delete(
        self, collection_id: UUID, ids: Sequence[str] | None, filter: Expression | None, limit: int | None = None
    ) -> int:
        """Delete records; answers how many ids were asked for (no filter) or how many matched."""
        matched = 0

        def operation(writing: Writing) -> Change | None:
            nonlocal matched
            _check_filter(filter, writing.row)
            rows = writing.select(ids, filter, limit)
            matched = len(rows) if filter is not None or ids is None else len(ids)
            return writing.delete(rows)

        self._write(collection_id, operation, context="", deletes=True)
        return matched

    def count(self, collection_id: UUID) -> int:
        """How many records a collection has."""
        return self.look(lambda connection: catalog.known_collection(connection, str(collection_id))).record_count

    def get(
        self,
        collection_id: UUID,
        ids: Sequence[str] | None,
        filter: Expression | None,
        limit: int | None,
        offset: int | None,
        include: Sequence[str],
    ) -> GetResult:
        """Records in get() order: by first insertion."""

        def operation(reading: Reading) -> GetResult:
            _check_filter(filter, reading.row)
            return reading.get(reading.select(ids, filter, limit, offset or 0), include)

        return self._read(collection_id, operation)

    def query(
        self,
        collection_id: UUID,
        query_embeddings: Matrix,
        n_results: int,
        ids: Sequence[str] | None,
        filter: Expression | None,
        include: Sequence[str],
    ) -> QueryResult:
        """The nearest records to each query vector, nearest first."""

        def operation(reading: Reading) -> QueryResult:
            _check_filter(filter, reading.row)
            result = reading.query(query_embeddings, n_results, ids, filter, include)
            self.builder.consider(reading.row, reading.memory)
            return result

        return self._read(collection_id, operation, _GETTING)

    def explain(
        self,
        collection_id: UUID,
        query_embeddings: Matrix,
        n_results: int,
        ids: Sequence[str] | None,
        filter: Expression | None,
        include: Sequence[str],
    ) -> dict[str, Any]:
        """Run a query and tell how: method, reason, candidates, exactness, milliseconds."""
        started = time.perf_counter()

        def operation(reading: Reading) -> dict[str, Any]:
            _check_filter(filter, reading.row)
            loaded = time.perf_counter()
            result = reading.query(query_embeddings, n_results, ids, filter, include)
            return {
                **reading.steps,
                "index": reading.memory.index_state,
                "open_ms": (loaded - started) * 1e3,
                "total_ms": (time.perf_counter() - started) * 1e3,
                "results": [len(found) for found in result["ids"]],
            }

        return self._read(collection_id, operation, _GETTING)

    def describe(self, collection_id: UUID) -> dict[str, Any]:
        """What is known of a collection for a display: counts, metadata keys and types, index state."""

        def operation(reading: Reading) -> dict[str, Any]:
            memory = reading.memory
            return {
                "count": memory.live,
                "dimension": reading.row.dimension,
                "space": reading.row.parameters.space,
                "index": memory.index_state,
                "metadata": reading.columns().describe(memory.alive) if memory.live else {},
            }

        return self._read(collection_id, operation)

    # --- maintenance -----------------------------------------------------------------------------------------

    def vacuum(self) -> dict[str, Any]:
        """Compact every vector file and the database, and leave no deleted text in any file.

        Answers the collections compacted, the bytes before and after, and whether all of it could be done
        (``complete``); if not, ``problems`` says what could not, in a sentence each. On a full disk it does what
        the room allows, the smallest copies first: each makes room for the next.
        """
        self._connections.check_writable()
        before = directories.bytes_below(self.directory)
        problems, compacted = [], set()
        try:
            self._sweep_staged(self.change)
        except _NoRoomError as error:
            problems.append(f"what calls that failed had written of their records was not removed: {error}")
        rows = self.look(catalog.all_collections)
        self._sweep(keep_previous=False)
        self._room.give_back()
        for row in sorted(rows, key=lambda row: row.record_count * (row.dimension or 0)):
            try:
                if row.next_slot > row.record_count and self._compacted(row):
                    compacted.add(row.id)
            except _MissingError:  # deleted meanwhile
                continue
            except InternalError as error:  # no room, or damaged: the others go on
                problems.append(f"collection [{row.name}] was not compacted: {error}")
        try:
            try:
                problems += self._connections.alone(_vacuumed)
            except _NoRoomError:
                self._room.give_up()
                problems += self._connections.alone(_vacuumed)
        except _NoRoomError as error:
            problems.append(f"the database was not packed, and deleted text may be left in it: {error}")
        self._sweep(keep_previous=False)
        self._room.give_back()
        return {
            "compacted": [row.name for row in rows if row.id in compacted],
            "bytes_before": before,
            "bytes_after": directories.bytes_below(self.directory),
            "complete": not problems,
            "problems": problems,
        }

    def _compacted(self, row: CollectionRow) -> bool:
        """As ``compact``; without room, once more in place of the reserve and of what the compaction outdates."""
        try:
            return self.compact(UUID(row.id))
        except _NoRoomError:
            self._room.give_up()
            self._sweep(keep_previous=False)
            if self.directory is not None:
                storage.drop(self.directory / "cache", row.id)
            return self.compact(UUID(row.id))

    def compact(self, collection_id: UUID) -> bool:
        """Copy the live vectors of a collection into a new file; False without vectors, or when another came first.

        Its graph, whose labels are slots, is of no use then: the saved one is removed, and one that was in use is
        built again by the background thread at once.
        """
        had_graph = False

        def begin(reading: Reading) -> Compaction | None:
            nonlocal had_graph
            had_graph = reading.memory.graph is not None
            # A copy would not know of what is on its way in.
            waits = reading.vectors is None or reading.row.staged_json is not None
            return None if waits else Compaction(reading, self._stores.next)

        def finish(connection: Connection) -> CollectionRow | None:
            row = catalog.collection_by_id(connection, str(collection_id))
            if row.staged_json is not None:
                return None
            memory = self._refreshed(connection, row)
            if memory is None or not copy.finish(connection, row, memory, self._stores.current(row)):
                return None
            self._stores.adopt(row, copy.store)
            return row

        self._connections.check_writable()
        self._restore_pending()
        begun = self._read(collection_id, begin)
        if begun is None:
            return False
        copy = begun
        try:
            copy.copy()
            row = self.change(finish, durable=True)
        except BaseException:
            copy.abandon()
            raise
        if row is None:
            copy.abandon()
            return False
        self._stores.forget(row.number, before=row.generation + 1)
        if self.directory is not None:
            had_graph |= storage.drop(self.directory / "cache", row.id, before=row.generation + 1)
        with contextlib.suppress(ChromaError):  # deleted meanwhile
            self._read(collection_id, lambda now: self.builder.compacted(now.row, now.memory, at_once=had_graph))
        return True

    def verify(self) -> list[str]:
        """Check everything stored; answers what is wrong, one sentence each."""

        def check(connection: Connection) -> tuple[list[str], list[CollectionRow]]:
            found = [text for (text,) in connection.execute("PRAGMA integrity_check").fetchall()]
            return found, catalog.all_collections(connection)

        found, rows = self.look(check)
        wrong = [f"the database: {text}" for text in found if text != "ok"]
        for row in rows:
            try:
                findings = self._read(UUID(row.id), lambda reading: list(verification.findings(reading)))
            except _MissingError:  # deleted meanwhile
                continue
            except InternalError as error:
                findings = [str(error)]
            wrong += [f"collection [{row.name}]: {finding}" for finding in findings]
        return wrong

    # --- who may run when --------------------------------------------------------------------------------------

    def look(self, work: Callable[[Connection], T]) -> T:
        """Do ``work`` in a read transaction on the catalog; its answer."""
        self._check_open(writing=False)
        return self._connections.read(work)

    def change(self, work: Callable[[Connection], T], *, durable: bool = False) -> T:
        """Do ``work`` in a write transaction: committed at its end, undone by any exception; its answer.

        ``durable``: before files are removed or made that a loss of the commit would contradict.
        """
        self._check_open()
        self._restore_pending()
        return self._connections.change(work, durable=durable)

    def _read(self, collection_id: UUID, operation: Callable[[Reading], T], context: str = "") -> T:
        """Run ``operation`` in one read transaction, the collection in memory at the same seq."""
        self._check_open(writing=False)
        ident = str(collection_id)
        for attempt in range(_ATTEMPTS):
            with self._connections.turn:
                connection = self._connections.begin()
                try:
                    row = catalog.known_collection(connection, ident, context)
                    memory = self._refreshed(connection, row)
                    if memory is None:
                        continue  # another thread is ahead of our snapshot: take a newer one
                    store = self._reading_store(row, last=attempt >= _LOOKS_FOR_FILE)
                    try:
                        memory.lock.acquire_reading()
                        if memory.seq != row.seq or memory.generation != row.generation:
                            continue
                        return operation(Reading(connection, row, memory, store, self.directory is not None))
                    finally:
                        memory.lock.release_reading()
                except FileNotFoundError:
                    continue  # compacted meanwhile: the catalog names another file
                except (sqlite3.Error, OSError) as error:
                    raise sqlite.explained(error, self._connections.path) from error
                finally:
                    self._connections.end(connection)
        raise InternalError(f"collection [{ident}] changed {_ATTEMPTS} times while it was read; try again")

    def _reading_store(self, row: CollectionRow, *, last: bool) -> VectorStore | None:
        """The vectors of a collection; when they are lost, at the ``last`` look, what says so to whom needs them."""
        try:
            return self._stores.current(row) if row.has_vectors else None
        except FileNotFoundError:
            if not last:
                raise
            return LostVectors(row.dimension or 0, self._stores.lost(row))

    def _write(
        self,
        collection_id: UUID,
        operation: Callable[[Writing], Change | None],
        context: str = _GETTING,
        *,
        deletes: bool = False,
    ) -> None:
        """Run ``operation`` in one write transaction, then let memory follow."""

        def write(connection: Connection) -> tuple[CollectionRow, CollectionInMemory, Change | None]:
            writing = self._writing(connection, str(collection_id), context)
            change = operation(writing)
            if not deletes:
                self._room.check(connection)
            return writing.row, writing.memory, change

        # In memory the turn is kept to the end: whoever holds another lock of the engine must hold it too, since a call
        # in the middle of this one asks for it.
        with self._connections.turn:
            row, memory, change = self._room.freeing(self.change, write) if deletes else self.change(write)
            if change is not None:
                memory.lock.write(lambda: memory.follow(row.seq, change))
                self._room.keep()
                if planner.worth_compacting(live=memory.live, dead=memory.dead_slots, dimension=row.dimension or 0):
                    # The call itself is committed: without room for a copy the next write tries again.
                    with contextlib.suppress(ChromaError, OSError):
                        self.compact(collection_id)
                self.builder.written(row, memory)

    def _writing(self, connection: Connection, ident: str, context: str) -> Writing:
        """A collection inside the write transaction of ``connection``."""
        row = catalog.collection_by_id(connection, ident, context)
        memory = self._refreshed(connection, row)
        if memory is None:
            raise InternalError(f"collection [{row.name}] is ahead of its database; reopen the client")
        try:
            store = self._stores.current(row) if row.has_vectors else None
        except FileNotFoundError as error:
            raise self._stores.lost(row) from error
        return Writing(
            connection,
            row,
            memory,
            store,
            self.directory is not None,
            open_store=lambda dimension: self._stores.first(row, dimension),
            durable=self.durability == "power",
        )

    def _refreshed(self, connection: sqlite3.Connection, row: CollectionRow) -> CollectionInMemory | None:
        """The collection in memory at the seq of ``connection``'s snapshot; None when it is ahead."""
        memory = self._memories.get(row.number)
        if memory is None:
            memory = self._memories.setdefault(row.number, CollectionInMemory(row.number))
        if memory.seq == row.seq and memory.generation == row.generation:
            return memory
        return memory.lock.write(lambda: self._advanced(connection, row, memory))

    def _advanced(
        self, connection: sqlite3.Connection, row: CollectionRow, memory: CollectionInMemory
    ) -> CollectionInMemory | None:
        """``memory``, whose writing lock is held, at the seq of ``row``; None when it is ahead."""
        if memory.seq != UNKNOWN and (memory.generation, memory.seq) >= (row.generation, row.seq):
            return memory if (memory.generation, memory.seq) == (row.generation, row.seq) else None
        try:
            loaded = loading.advance(connection, row, memory)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise _DamagedError(
                f"the records of collection [{row.name}] make no sense ({error}): the database is damaged; "
                "restore it from a backup"
            ) from error
        if loaded:
            self.builder.loaded(row, memory)
        return memory

    # --- files ---------------------------------------------------------------------------------------------------

    def _discard(self, delete: Callable[[Connection], list[CollectionRow]]) -> None:
        """Delete collections in one transaction, then remove their files and give the database's pages back."""
        rows = self._room.freeing(lambda work: self.change(work, durable=True), delete)
        for row in rows:
            self._memories.pop(row.number, None)
            self._stores.forget(row.number)
        if self.directory is not None and rows:
            with contextlib.suppress(ChromaError):  # the call is committed: what stays is swept another time
                self._sweep()
            self._room.give_back()

    def _sweep(self, *, keep_previous: bool = True) -> None:
        """Remove the files that belong to no collection: of deletions, compactions and processes that died."""

        def sweep(connection: Connection) -> None:
            rows = catalog.all_collections(connection)
            self._stores.sweep(rows, keep_previous=keep_previous)
            if self.directory is not None:
                storage.sweep(self.directory / "cache", {row.id: row.generation for row in rows})

        self._connections.change(sweep)

    def _drop_what_is_derived(self) -> None:
        """Make room of what can be made again: saved graphs, and older generations of vectors."""
        if self.directory is not None:
            storage.clear(self.directory / "cache")
        self._sweep(keep_previous=False)

    # --- the graph (called by the background thread) ----------------------------------------------------------------

    def build_graph(self, collection_id: UUID, cancelled: Callable[[], bool] = lambda: False) -> bool:
        """Load the collection's graph from its cache file, or build it; True when one is in place."""
        source = self._read(collection_id, GraphSource.of)
        if source is None:
            return False
        cache = None if self.directory is None else self.directory / "cache"
        graph = None if cache is None else source.load(cache)
        fresh = graph is None
        graph = graph or source.build(cancelled)
        memory = self._memories.get(source.row.number)
        if graph is None or memory is None:
            return False
        witnesses = source.witnesses()
        if not memory.lock.write(lambda: source.publish(graph, witnesses, memory)):
            return False
        if fresh and cache is not None and not self.read_only:
            with contextlib.suppress(ChromaError):  # it is in place, saved or not
                if self.durability == "process":  # a graph must not outlive the commits that gave it its slots
                    self.change(migrations.renumber, durable=True)
                storage.save(graph, cache, source.row.id, source.row.generation, source.row.seq, graph.covers)
                self._drop_if_outdated(cache, source.row)
        return True

    def _drop_if_outdated(self, cache: Path, row: CollectionRow) -> None:
        """Remove a graph that was saved for a collection that was deleted or compacted meanwhile."""

        def generation(connection: Connection) -> int | None:
            found = connection.execute("SELECT generation FROM collections WHERE id = ?", (row.id,)).fetchone()
            return None if found is None else int(found[0])

        if self.look(generation) != row.generation:
            storage.drop(cache, row.id, before=row.generation + 1)


class _NestedEngine(Engine):
    """An engine for one call in the middle of another one of its thread; shares nothing that can be half changed."""

    def __init__(self, outer: Engine) -> None:
        self.directory = outer.directory
        self.durability = outer.durability
        self.read_only = outer.read_only
        self._mapped = outer._mapped
        self._references = 1
        self._has_pending = outer._has_pending
        self._closed = False
        self._serving = set()
        self._closed_by = None
        self._memories = {}
        if outer.directory is None:
            self._stores = outer._stores
        else:
            self._stores = VectorStores(outer.directory, read_only=self.read_only, mapped=self._mapped)
        self._connections = NestedConnections(outer._connections)
        self._room = Room(None, self._connections, self._drop_what_is_derived)  # the reserve is the outer engine's
        self._seen_there = outer._seen_there
        self._identity = outer._identity
        self.builder = GraphBuilder(self)
        self.builder.stop()  # it is gone before a graph would be of use
        if outer.directory is not None:
            _EVERY.add(self)

    def _close_files(self) -> None:
        self._closed = True
        self._connections.close()
        if self.directory is not None:
            self._stores.close()


def _vacuumed(connection: Connection) -> list[str]:
    """Pack the database and leave no deleted text in it; what could not be done."""
    connection.execute("PRAGMA secure_delete=ON")
    try:
        connection.execute("VACUUM")
        busy = truncated_journal(connection)
    finally:
        connection.execute("PRAGMA secure_delete=OFF")
    return ["the journal, which may hold deleted text, was not emptied: another process is reading"] if busy else []


def _check_filter(filter: Expression | None, row: CollectionRow) -> None:
    schema = None if filter is None else row.schema
    if filter is not None and schema is not None:
        schemas.check_filter_allowed(filter, schema)


#: Every engine that is alive, for fork.
_EVERY: weakref.WeakSet[Engine] = weakref.WeakSet()


#: Those of them that wait for a fork to be over; one fork at a time.
_PAUSED: list[Engine] = []
_FORKING = threading.Lock()


def _before_fork() -> None:
    # Nobody may be using SQLite right now: the child inherits its locks as they stand.
    _FORKING.acquire()
    for engine in list(_EVERY):
        engine._connections.pause()
        _PAUSED.append(engine)


def _in_parent() -> None:
    while _PAUSED:
        _PAUSED.pop()._connections.resume()
    _FORKING.release()


def _in_forked_child() -> None:
    global _OPENING, _FORKING
    _OPENING, _FORKING = threading.RLock(), threading.Lock()
    _PAUSED.clear()
    for engine in list(_EVERY):
        engine._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_forked_child)

"""The engine: opens a directory or memory, one method per operation; owns locks and lifetime.

The decisions are elsewhere: what a filter means in ``filters.py``, how a query is answered in
``planner.py``, in which order a write happens in ``writes.py``. Here is who may run when.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np

from chroma_nb import schema as schemas
from chroma_nb.engine import catalog, changelog, migrations, records, sqlite
from chroma_nb.engine.catalog import CollectionRow
from chroma_nb.engine.collection import UNKNOWN, Change, CollectionInMemory
from chroma_nb.engine.compaction import Compaction
from chroma_nb.engine.executor import Reading
from chroma_nb.engine.index import storage
from chroma_nb.engine.index.background import GraphBuilder
from chroma_nb.engine.index.exact import ExactIndex
from chroma_nb.engine.index.hnsw import HnswIndex
from chroma_nb.engine.locks import first_open, is_network_mount
from chroma_nb.engine.sqlite import Connections, Durability
from chroma_nb.engine.vectors import MemoryVectors, VectorFile, VectorStore, checksums_of, file_name
from chroma_nb.engine.writes import Writing
from chroma_nb.errors import InternalError, _ClosedError, _DamagedError, _MissingError
from chroma_nb.results import GetResult, QueryResult
from chroma_nb.schema import IndexParameters
from chroma_nb.types import CollectionMetadata, CollectionModel, Database, Matrix, Records, Tenant
from chroma_nb.where import Expression

_ATTEMPTS: Final = 100
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
        self.read_only = directory is not None and not _writable(directory)
        self._mapped = directory is None or not is_network_mount(directory)
        self._references = 1
        self._closed = False
        self._memories: dict[int, CollectionInMemory] = {}
        self._stores: dict[int, tuple[int, VectorStore]] = {}
        self._in_memory: dict[tuple[int, int], VectorStore] = {}  # by collection and generation; no directory
        self._opening_stores = threading.RLock()
        path = None if directory is None else directory / sqlite.FILE_NAME
        self._connections = Connections(path, durability=durability, read_only=self.read_only)
        try:
            self._prepare(path)
        except BaseException:
            self._connections.close()
            raise
        self._identity = None if path is None else _identity(path)
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
        path = path.absolute()  # a later chdir must not move the database
        with _OPENING:
            _make_directory(path)
            key = _identity(path)
            shared = _OPEN.get(key)
            if shared is not None and shared._is_there():
                shared._references += 1
                return shared
            with first_open(path):
                _refuse_gutted(path)
                engine = cls(path, durability=durability)
            _OPEN[key] = engine
            return engine

    def _prepare(self, path: Path | None) -> None:
        if self.read_only:
            with self._connections.reading() as connection:
                if not migrations.is_current(connection):
                    raise _DamagedError(f"{path} is read-only and not (or not this version of) a chroma_nb database")
            return
        with self._connections.outside_transactions() as connection:
            if path is not None:
                connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
                connection.execute("PRAGMA journal_mode=WAL" if self._mapped else "PRAGMA journal_mode=DELETE")
            if not (path is not None and migrations.is_current(connection)):
                connection.execute("BEGIN IMMEDIATE")
                try:
                    migrations.apply(connection, path)
                    connection.execute("COMMIT")
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
        if path is not None and self._orphans(set()):
            with self._connections.transaction() as connection:
                self._sweep(connection)

    def close(self) -> None:
        """Give one reference back; the last one closes the files and ends the background thread."""
        with _OPENING:
            self._references -= 1
            if self._references > 0 or self._closed:
                return
            self._closed = True
            for key in [key for key, engine in _OPEN.items() if engine is self]:
                del _OPEN[key]
        self.builder.stop()
        self._connections.close()
        with self._opening_stores:
            for _, store in self._stores.values():
                store.close()
            self._stores.clear()
        self._memories.clear()

    def _is_there(self) -> bool:
        """Whether the directory we opened is still the one under its name."""
        if self.directory is None:
            return True
        try:
            return _identity(self.directory / sqlite.FILE_NAME) == self._identity
        except OSError:
            return False

    def _check_open(self) -> None:
        if self._closed:
            raise _ClosedError("this client is closed; make a new one")
        if not self._is_there():
            raise InternalError(
                f"{self.directory} was removed or replaced while it was open; "
                "make a new client to go on (nothing was written)"
            )

    def _after_fork(self) -> None:
        """In a forked child: own connections and locks; no thread, no graph, nothing half-changed."""
        self._opening_stores = threading.RLock()
        self._memories = {}
        self.builder = GraphBuilder(self)
        if not self._closed:
            _INHERITED.extend(self._connections.after_fork())

    # --- tenants and databases ---------------------------------------------------------------------------

    def create_tenant(self, name: str) -> None:
        """Raises InternalError (also a ValueError) when it exists."""
        with self._changing() as connection:
            catalog.create_tenant(connection, name)

    def get_tenant(self, name: str) -> Tenant:
        """Raises NotFoundError when there is none."""
        with self._looking() as connection:
            return catalog.get_tenant(connection, name)

    def create_database(self, name: str, tenant: str) -> None:
        """Raises InternalError (also a ValueError) when it exists."""
        with self._changing() as connection:
            catalog.create_database(connection, name, tenant)

    def get_database(self, name: str, tenant: str) -> Database:
        """Raises NotFoundError when there is none."""
        with self._looking() as connection:
            return catalog.get_database(connection, name, tenant)

    def delete_database(self, name: str, tenant: str) -> None:
        """Delete a database with its collections and their files."""
        with self._changing() as connection:
            gone = catalog.delete_database(connection, name, tenant)
        self._discard(gone)

    def list_databases(self, tenant: str, limit: int | None = None, offset: int | None = None) -> list[Database]:
        """In order of creation."""
        with self._looking() as connection:
            return catalog.list_databases(connection, tenant, limit, offset)

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
        if get_or_create:
            with self._looking() as connection:
                existing = catalog.find_collection(connection, name, tenant, database)
            if existing is not None:
                return existing.model
        resolved = schemas.resolve(metadata, configuration, schema)
        with self._changing() as connection:
            existing = catalog.find_collection(connection, name, tenant, database) if get_or_create else None
            if existing is not None:
                return existing.model
            return catalog.create_collection(
                connection,
                name=name,
                tenant=tenant,
                database=database,
                metadata=metadata or None,
                configuration=resolved.configuration_json,
                schema=resolved.serialized_schema,
                settings={"ef_search_is_set": resolved.ef_search_is_set},
            ).model

    def get_collection(self, name: str, tenant: str, database: str) -> CollectionModel:
        """Raises NotFoundError (also a ValueError) when there is none."""
        with self._looking() as connection:
            return catalog.collection_by_name(connection, name, tenant, database).model

    def get_collection_by_id(self, id: UUID, tenant: str, database: str) -> CollectionModel:
        """Raises NotFoundError (also a ValueError) when that database has none of this id."""
        with self._looking() as connection:
            row = catalog.collection_by_id(connection, str(id))
        if (row.tenant, row.database) != (tenant, database):
            raise _MissingError(f"Collection [{id}] does not exist.")
        return row.model

    def list_collections(
        self, tenant: str, database: str, limit: int | None = None, offset: int | None = None
    ) -> list[CollectionModel]:
        """In order of creation."""
        with self._looking() as connection:
            return [row.model for row in catalog.list_collections(connection, tenant, database, limit, offset)]

    def count_collections(self, tenant: str, database: str) -> int:
        """How many collections a database has."""
        with self._looking() as connection:
            return catalog.count_collections(connection, tenant, database)

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
        with self._changing() as connection:
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

    def delete_collection(self, name: str, tenant: str, database: str) -> None:
        """Delete a collection and its files. Raises NotFoundError (also a ValueError) when there is none."""
        with self._changing() as connection:
            row = catalog.collection_by_name(connection, name, tenant, database)
            catalog.delete_collection(connection, row)
        self._discard([row])

    def reset(self) -> None:
        """Delete everything; the default tenant and database are there again."""
        with self._changing() as connection:
            gone = catalog.all_collections(connection)
            catalog.clear(connection)
            migrations.insert_defaults(connection)
        self._discard(gone)

    def settings_of(self, collection_id: UUID) -> dict[str, Any]:
        """What we keep about a collection in addition to Chroma's fields."""
        with self._looking() as connection:
            return catalog.collection_by_id(connection, str(collection_id)).settings

    def update_settings(self, collection_id: UUID, settings: dict[str, Any]) -> None:
        """Lay ``settings`` over what we keep about a collection."""
        with self._changing() as connection:
            row = catalog.collection_by_id(connection, str(collection_id))
            catalog.set_settings(connection, row, {**row.settings, **settings})

    # --- records ---------------------------------------------------------------------------------------------

    def add(self, collection_id: UUID, given: Records) -> None:
        """Add records; ids that exist are left as they are."""
        self._write(collection_id, lambda writing: writing.add(given))

    def update(self, collection_id: UUID, given: Records) -> None:
        """Update records; ids that do not exist are passed over."""
        self._write(collection_id, lambda writing: writing.update(given))

    def upsert(self, collection_id: UUID, given: Records) -> None:
        """Update the records that exist, add the others."""
        self._write(collection_id, lambda writing: writing.upsert(given))

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

        self._write(collection_id, operation, context="")
        return matched

    def count(self, collection_id: UUID) -> int:
        """How many records a collection has."""
        with self._looking() as connection:
            return catalog.collection_by_id(connection, str(collection_id)).record_count

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
        with self._reading(collection_id) as reading:
            _check_filter(filter, reading.row)
            return reading.get(reading.select(ids, filter, limit, offset or 0), include)

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
        with self._reading(collection_id, _GETTING) as reading:
            _check_filter(filter, reading.row)
            result = reading.query(query_embeddings, n_results, ids, filter, include)
            memory, row = reading.memory, reading.row
        self.builder.consider(row, memory)
        return result

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
        with self._reading(collection_id, _GETTING) as reading:
            _check_filter(filter, reading.row)
            loaded = time.perf_counter()
            result = reading.query(query_embeddings, n_results, ids, filter, include)
            steps = dict(reading.steps)
            graph = reading.memory.graph
        steps["index"] = "none" if graph is None else f"hnsw over {graph.count} vectors"
        steps["open_ms"] = (loaded - started) * 1e3
        steps["total_ms"] = (time.perf_counter() - started) * 1e3
        steps["results"] = [len(found) for found in result["ids"]]
        return steps

    def describe(self, collection_id: UUID) -> dict[str, Any]:
        """What is known of a collection for a display: counts, metadata keys and types, index state."""
        with self._reading(collection_id) as reading:
            memory = reading.memory
            graph = memory.graph
            return {
                "count": memory.live,
                "dimension": reading.row.dimension,
                "space": reading.parameters.space,
                "index": "exact" if graph is None else f"hnsw ({graph.count} of {memory.live})",
                "metadata": reading.columns().describe(memory.alive) if memory.live else {},
            }

    # --- maintenance -----------------------------------------------------------------------------------------

    def vacuum(self) -> dict[str, Any]:
        """Compact every vector file and the database, and leave no deleted text in any file."""
        before = self._bytes_on_disk()
        with self._looking() as connection:
            rows = catalog.all_collections(connection)
        compacted = [row.name for row in rows if self._has_holes(row) and self.compact(UUID(row.id))]
        with self._connections.outside_transactions() as connection:
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute("VACUUM")
            busy = self._truncate_journal(connection)
            connection.execute("PRAGMA secure_delete=OFF")
        if self.directory is not None:
            with self._connections.transaction() as connection:
                self._sweep(connection, keep_previous=False)
        return {
            "compacted": compacted,
            "bytes_before": before,
            "bytes_after": self._bytes_on_disk(),
            "complete": not busy,
        }

    def _has_holes(self, row: CollectionRow) -> bool:
        return row.next_slot > row.record_count

    def compact(self, collection_id: UUID) -> bool:
        """Copy the live vectors of a collection into a new file; False when another process came first."""
        with self._reading(collection_id) as reading:
            if reading.vectors is None:
                return False
            copy = Compaction.begin(reading, self._new_store)
        try:
            with self._changing() as connection:
                row = catalog.collection_by_id(connection, str(collection_id))
                memory = self._refreshed(connection, row)
                if self.directory is None:  # committed or not: the generation in the catalog chooses
                    self._in_memory[row.number, row.generation + 1] = copy.store
                if not copy.finish(connection, row, memory, self._store(row)):
                    copy.abandon()
                    return False
        except BaseException:
            copy.abandon()
            raise
        self._forget_store(row.number)
        return True

    def verify(self) -> list[str]:
        """Check everything stored; answers what is wrong, one sentence each."""
        wrong: list[str] = []
        with self._looking() as connection:
            for (finding,) in connection.execute("PRAGMA integrity_check"):
                if finding != "ok":
                    wrong.append(f"the database: {finding}")
            rows = catalog.all_collections(connection)
        for row in rows:
            try:
                with self._reading(UUID(row.id)) as reading:
                    wrong += [f"collection [{row.name}]: {finding}" for finding in _findings(reading)]
            except InternalError as error:
                wrong.append(f"collection [{row.name}]: {error}")
        return wrong

    # --- who may run when --------------------------------------------------------------------------------------

    @contextmanager
    def _looking(self) -> Iterator[Any]:
        self._check_open()
        with self._connections.reading() as connection:
            yield connection

    @contextmanager
    def _changing(self) -> Iterator[Any]:
        self._check_open()
        with self._connections.transaction() as connection:
            yield connection

    @contextmanager
    def _reading(self, collection_id: UUID, context: str = "") -> Iterator[Reading]:
        """One read transaction with the collection in memory at the same seq, under the reading lock."""
        for attempt in range(_ATTEMPTS):
            with ExitStack() as stack:
                connection = stack.enter_context(self._looking())
                row = catalog.collection_by_id(connection, str(collection_id), context)
                try:
                    memory = self._refreshed(connection, row)
                    if memory is None:
                        continue  # another thread is ahead of our snapshot: take a newer one
                    store = self._store(row) if row.next_slot else None
                except FileNotFoundError as error:
                    if attempt + 1 < _ATTEMPTS:
                        continue  # compacted meanwhile: the catalog names another file
                    raise self._lost(row) from error
                stack.enter_context(memory.lock.reading())
                if (memory.seq, memory.generation) != (row.seq, row.generation):
                    continue
                yield Reading(connection, row, memory, store, _parameters(row), self.directory is not None)
                return
        raise InternalError(f"collection [{collection_id}] changed {_ATTEMPTS} times while it was read; try again")

    def _write(
        self, collection_id: UUID, operation: Callable[[Writing], Change | None], context: str = _GETTING
    ) -> None:
        with self._changing() as connection:
            row = catalog.collection_by_id(connection, str(collection_id), context)
            memory = self._refreshed(connection, row)
            try:
                store = self._store(row) if row.next_slot else None
            except FileNotFoundError as error:
                raise self._lost(row) from error
            writing = Writing(
                connection,
                row,
                memory,
                store,
                _parameters(row),
                self.directory is not None,
                open_store=lambda dimension: self._first_store(row, dimension),
                durable=self.durability == "power",
            )
            change = operation(writing)
        if change is not None:
            with memory.lock.writing():
                if memory.seq == row.seq:  # else a reader has brought it further already
                    memory.apply(change)
            self.builder.written(row, memory)

    def _refreshed(self, connection: Any, row: CollectionRow) -> Any:
        """The collection in memory at the seq of ``connection``'s snapshot; None when it is ahead."""
        memory = self._memories.get(row.number)
        if memory is None:
            memory = self._memories.setdefault(row.number, CollectionInMemory(row.number))
        if memory.seq == row.seq and memory.generation == row.generation:
            return memory
        with memory.lock.writing():
            if memory.generation == row.generation and memory.seq >= row.seq and memory.seq != UNKNOWN:
                return memory if memory.seq == row.seq else None
            if memory.generation > row.generation:
                return None
            positions = None
            if memory.seq != UNKNOWN and memory.generation == row.generation:
                positions = changelog.since(connection, row.number, memory.seq, row.seq)
            if positions is None:
                self._load(connection, row, memory)
            else:
                memory.apply(_change_since(connection, row, memory, positions))
        return memory

    def _load(self, connection: Any, row: CollectionRow, memory: CollectionInMemory) -> None:
        positions, ids, slots, norms = records.header_columns(connection, row.number)
        memory.forget()
        memory.generation = row.generation
        if row.dimension is not None:
            memory.exact = ExactIndex(_parameters(row).space, row.dimension)
        memory.apply(
            Change(
                seq=row.seq,
                next_slot=row.next_slot,
                positions=positions,
                ids=ids,
                slots=slots,
                norms=norms,
            )
        )
        self.builder.loaded(row, memory)

    # --- files ---------------------------------------------------------------------------------------------------

    def _store(self, row: CollectionRow) -> VectorStore:
        """The open vector store of a collection's current generation."""
        if self.directory is None:
            return self._in_memory[row.number, row.generation]
        held = self._stores.get(row.number)
        if held is not None and held[0] == row.generation:
            return held[1]
        with self._opening_stores:
            held = self._stores.get(row.number)
            if held is not None and held[0] == row.generation:
                return held[1]
            path = self._vectors_directory() / file_name(str(UUID(row.id)), row.generation)
            store = VectorFile(path, row.dimension or 0, read_only=self.read_only, create=False, mapped=self._mapped)
            self._forget_store(row.number)
            self._stores[row.number] = (row.generation, store)
            return store

    def _first_store(self, row: CollectionRow, dimension: int) -> VectorStore:
        """The store for a collection's first vectors."""
        if self.directory is None:
            return self._in_memory.setdefault((row.number, row.generation), MemoryVectors(dimension))
        with self._opening_stores:
            self._forget_store(row.number)
            path = self._vectors_directory() / file_name(str(UUID(row.id)), row.generation)
            store = VectorFile(path, dimension, create=True, mapped=self._mapped)
            self._stores[row.number] = (row.generation, store)
            return store

    def _new_store(self, row: CollectionRow, dimension: int) -> VectorStore:
        """The store a compaction writes to: under a name of its own until it is finished."""
        if self.directory is None:
            return MemoryVectors(dimension)
        name = f"{file_name(str(UUID(row.id)), row.generation + 1)}.{os.urandom(8).hex()}.new"
        return VectorFile(self._vectors_directory() / name, dimension, create=True, mapped=self._mapped)

    def _forget_store(self, number: int) -> None:
        """Close the store of a collection that was deleted, or of a generation that is over."""
        current = None if number not in self._memories else self._memories[number].generation
        for key in [key for key in self._in_memory if key[0] == number and key[1] < (current or 0)]:
            del self._in_memory[key]
        held = self._stores.pop(number, None)
        if held is not None:
            held[1].close()

    def _vectors_directory(self) -> Path:
        if self.directory is None:
            raise InternalError("a database in memory has no files")
        return self.directory / "vectors"

    @property
    def cache_directory(self) -> Path | None:
        """Where derived files may be kept; None when nowhere."""
        return None if self.directory is None or self.read_only else self.directory / "cache"

    def _lost(self, row: CollectionRow) -> _DamagedError:
        name = file_name(row.id, row.generation)
        return _DamagedError(
            f"the vector file {name} of collection [{row.name}] is missing: its {row.record_count} vectors are lost; "
            "restore vectors/ from a backup, or delete the collection and add its records again"
        )

    def _discard(self, rows: Sequence[CollectionRow]) -> None:
        """Remove the files of deleted collections and give the database's pages back."""
        for row in rows:
            self._memories.pop(row.number, None)
            with self._opening_stores:
                self._forget_store(row.number)
            if self.directory is not None:
                storage.sweep(self.directory / "cache", row.id)
        if self.directory is not None and rows:
            with self._connections.transaction() as connection:
                self._sweep(connection)
            with self._connections.outside_transactions() as connection:
                connection.execute("PRAGMA incremental_vacuum").fetchall()
                self._truncate_journal(connection)

    def _truncate_journal(self, connection: Any) -> bool:
        """Copy the write-ahead log into the database and empty it; True when a reader is in the way."""
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return bool(busy and busy[0])

    def _orphans(self, known: set[str]) -> list[Path]:
        """Files in vectors/ that ``known`` does not name."""
        with contextlib.suppress(FileNotFoundError):
            return [path for path in self._vectors_directory().iterdir() if path.name not in known]
        return []

    def _sweep(self, connection: Any, *, keep_previous: bool = True) -> None:
        """Remove vector files that no collection names. Only under the write lock.

        The previous generation stays until the next compaction: another process may be reading it.
        """
        known = set()
        for row in catalog.all_collections(connection):
            known.add(file_name(row.id, row.generation))
            if keep_previous:
                known.add(file_name(row.id, row.generation - 1))
        for path in self._orphans(known):
            with contextlib.suppress(OSError):
                path.unlink()

    def _bytes_on_disk(self) -> int:
        if self.directory is None:
            return 0
        return sum(path.stat().st_size for path in self.directory.rglob("*") if path.is_file())

    # --- the graph (called by the background thread) ----------------------------------------------------------------

    def build_graph(self, collection_id: UUID, cancelled: Callable[[], bool]) -> bool:
        """Load the collection's graph from its cache file, or build it; True when one is in place."""
        with self._reading(collection_id) as reading:
            row, memory = reading.row, reading.memory
            if reading.vectors is None or not memory.live:
                return False
            slots = np.sort(memory.slots[memory.live_rows()])
            view = reading.vectors.view(memory.next_slot)
            generation, end, parameters = memory.generation, memory.next_slot, reading.parameters
        graph = None
        if self.directory is not None:
            graph = storage.load(self.directory / "cache", row.id, generation, parameters, view.shape[1], end)
            if graph is not None and end - graph.covers > max(5_000, int(0.2 * len(slots))):
                graph = None
        fresh = graph is None
        if graph is None:
            graph = HnswIndex.build(parameters, lambda chosen: view[chosen], slots, view.shape[1], cancelled)
            if graph is None:
                return False
            graph.covers = end
        with self._reading(collection_id) as reading:
            memory = reading.memory
        with memory.lock.writing():
            if memory.generation != generation or memory.seq == UNKNOWN:
                return False
            indexed = graph.slots()
            graph.mark(indexed[memory.row_of_slot[indexed] == UNKNOWN])
            memory.graph = graph
        if fresh and self.cache_directory is not None:
            storage.save(graph, self.cache_directory, row.id, generation, row.seq, graph.covers)
        return True


def _parameters(row: CollectionRow) -> IndexParameters:
    return IndexParameters.of(row.configuration, bool(row.settings.get("ef_search_is_set", False)))


def _check_filter(filter: Expression | None, row: CollectionRow) -> None:
    if filter is not None and row.schema is not None:
        schemas.check_filter_allowed(filter, row.schema)


def _change_since(connection: Any, row: CollectionRow, memory: CollectionInMemory, positions: Any) -> Change:
    """What happened to the records at ``positions``, told from what SQLite holds of them now."""
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
    return Change(
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


def _findings(reading: Reading) -> Iterator[str]:
    """What is wrong with a collection's records and vectors."""
    stored = list(records.checksums(reading.connection, reading.row.number))
    if len(stored) != reading.row.record_count:
        yield f"{len(stored)} records, but the catalog counts {reading.row.record_count}"
    slots = [slot for _, slot, _, _ in stored]
    if len(set(slots)) != len(slots) or (slots and not 0 <= min(slots) <= max(slots) < reading.row.next_slot):
        yield "slots are named twice or lie beyond the vector file"
        return
    if not reading.checked or reading.vectors is None:
        return
    view = reading.vectors.view(reading.memory.next_slot)
    for start in range(0, len(stored), 4096):
        block = stored[start : start + 4096]
        found = checksums_of(view[[slot for _, slot, _, _ in block]])
        for (ident, slot, crc, _), actual in zip(block, found, strict=True):
            if crc != actual:
                yield f"the vector of record {ident!r} (slot {slot}) does not match its checksum"


def _writable(directory: Path) -> bool:
    path = directory / sqlite.FILE_NAME
    return os.access(directory, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


def _identity(path: Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _make_directory(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise InternalError(f"expected a directory to keep the database in, got the file {path}")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InternalError(f"cannot make the directory {path}: {error.strerror}") from error


def _refuse_gutted(path: Path) -> None:
    """An empty database beside vectors is a lost database, not a new one."""
    database, vectors = path / sqlite.FILE_NAME, path / "vectors"
    has_vectors = vectors.is_dir() and any(entry.suffix == ".f32" for entry in vectors.iterdir())
    if has_vectors and (not database.exists() or not database.stat().st_size):
        raise _DamagedError(
            f"{database} is missing or empty, but {vectors} holds vectors: the database was lost; "
            "restore it from a backup, or remove vectors/ to begin anew (nothing was touched)"
        )


#: Every engine that is alive, for fork.
_EVERY: weakref.WeakSet[Engine] = weakref.WeakSet()


def _memory_locks() -> list[Any]:
    return [engine._connections.writing for engine in list(_EVERY) if engine.directory is None]


def _before_fork() -> None:
    # The one connection of a store in memory goes on in the child: nobody may be using it right now.
    for lock in _memory_locks():
        lock.acquire()


def _in_parent() -> None:
    for lock in _memory_locks():
        lock.release()


def _in_forked_child() -> None:
    global _OPENING
    _OPENING = threading.RLock()
    for engine in list(_EVERY):
        engine._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_forked_child)

"""The engine: one database, in a directory or in memory, with a method for each operation.

Operations that read a collection are in ``reader.py``. ``transactions/running.py`` runs the transactions,
``transactions/writing.py`` defines the order of a write. ``opening.py`` knows which directories are open in this
process. ``nested.py`` serves calls in the middle of other calls.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import UUID

from chroma_nb import schema as schemas
from chroma_nb.constraints import (
    check_collection_metadata,
    check_collection_name,
    check_database_name,
    check_edits,
    check_records,
    check_tenant_name,
)
from chroma_nb.engine.filters.selection import select
from chroma_nb.engine.locks import is_network_mount
from chroma_nb.engine.memory.collection import CollectionInMemory, Delta
from chroma_nb.engine.reader import Reader
from chroma_nb.engine.search.index_builder import IndexBuilder
from chroma_nb.engine.storage import catalog, directory, migrations, pending, sqlite
from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.engine.storage.room import Room
from chroma_nb.engine.storage.sqlite import Connection, Connections, Durability
from chroma_nb.engine.storage.stores import VectorStores
from chroma_nb.engine.transactions import forking, staging
from chroma_nb.engine.transactions.cache import Cache
from chroma_nb.engine.transactions.maintenance import Maintenance
from chroma_nb.engine.transactions.running import GETTING, Transactions
from chroma_nb.engine.transactions.staging import Staging
from chroma_nb.engine.transactions.writing import Writing
from chroma_nb.errors import ChromaError, _DamagedError, _MissingError
from chroma_nb.query.conditions import Where
from chroma_nb.records import Edited, Edits, Records
from chroma_nb.results import IndexingStatus
from chroma_nb.types import CollectionMetadata, CollectionModel, Database, Json, Tenant


class Engine(Reader):
    """One database. Safe to use from several threads.

    >>> engine = Engine(None)
    >>> model = engine.create_collection("words", "default_tenant", "default_database", None, None, None, False)
    >>> engine.count(model.id)
    0
    >>> engine.close()
    """

    def __init__(self, path: Path | None, *, durability: Durability = "power") -> None:
        """Open the database in directory ``path``, which exists; None: a new one in memory.

        Raises InternalError when the directory is not one of chroma_nb, or is damaged.
        """
        read_only = path is not None and not directory.is_writable(path)
        mapped = path is None or not is_network_mount(path)
        # If a rollback journal is synced less, the database itself may be damaged.
        commits: Durability = durability if mapped else "power"
        file = None if path is None else path / sqlite.FILE_NAME
        made = migrations.show_as_current if read_only else _nothing
        connections = Connections(file, durability=commits, read_only=read_only, made=made)
        stores = VectorStores(path, read_only=read_only, mapped=mapped)
        room = Room(None if read_only else path, connections, lambda: self.maintenance.drop_what_is_derived())
        self._assemble(path, durability, connections, stores, room)
        try:
            self._prepare(mapped)
        except BaseException:
            connections.close()
            raise
        EVERY.add(self)

    def _assemble(
        self, path: Path | None, durability: Durability, connections: Connections, stores: VectorStores, room: Room
    ) -> None:
        self.directory = path
        self.durability: Durability = durability
        self.read_only = connections.read_only
        self._cache = None if path is None else path / "cache"
        cache = None if self._cache is None else Cache(self._cache)
        self.transactions = Transactions(
            path, durability, connections, stores, room, loaded=self._loaded, written=self._written
        )
        self.maintenance = Maintenance(self.transactions, lambda: self.builder, cache)
        self.builder = IndexBuilder(self.maintenance.build_indexes, self._cache)

    def _prepare(self, mapped: bool) -> None:
        transactions = self.transactions
        connections = transactions.connections
        path = connections.path
        if path is not None:
            connections.read(lambda connection: migrations.check_schema(connection, path))
        if self.read_only:
            if not connections.read(migrations.is_readable):
                raise _DamagedError(f"{path} is read-only, and it is not a chroma_nb database of this version")
            transactions.has_index_of_ids = connections.read(migrations.is_current)
            return
        if path is not None:
            connections.outside_transactions(_journal_in_wal if mapped else _journal_in_file)
        if path is None or not connections.outside_transactions(migrations.is_current):
            # Durable: vectors beside a database without tables mean that it was lost.
            connections.write(lambda connection: migrations.apply(connection, path), durable=True)
        transactions.has_pending = path is not None and connections.outside_transactions(pending.exist)
        with contextlib.suppress(ChromaError, OSError):  # no disk space: reading works, the first write tries again
            transactions.restore_pending()
            self.maintenance.sweep_staged(connections.write)
        with contextlib.suppress(ChromaError, OSError):  # as above
            self.maintenance.sweep_if_needed()
        transactions.room.keep(look=True)

    def _loaded(self, row: CollectionRow, memory: CollectionInMemory) -> None:
        self.builder.loaded(row, memory)

    def _written(self, row: CollectionRow, memory: CollectionInMemory) -> None:
        self.maintenance.compact_if_worth_it(row, memory)
        self.builder.written(row, memory)

    def close(self) -> None:
        """Close the files and end the background thread; later calls are refused."""
        self.transactions.closed = True
        try:
            self.builder.stop()
        finally:
            self.transactions.connections.close()
            self.transactions.stores.close()
            self.transactions.memories.clear()

    def after_fork(self) -> list[Connection]:
        """In a forked child: new connections and locks; no thread, no HNSW index, nothing half-changed.

        Returns the inherited connections, which must be kept and never used.
        """
        self.transactions.stores.after_fork()
        self.transactions.memories = {}
        self.builder = IndexBuilder(self.maintenance.build_indexes, self._cache)
        return [] if self.transactions.closed else self.transactions.connections.after_fork()

    # --- tenants and databases ---------------------------------------------------------------------------

    def create_tenant(self, name: str) -> None:
        """Raises InternalError (also a ValueError) when it exists."""
        name = check_tenant_name(name)
        self.transactions.write(lambda connection: catalog.create_tenant(connection, name))

    def get_tenant(self, name: str) -> Tenant:
        """Raises NotFoundError when there is none."""
        return self.transactions.read(lambda connection: catalog.get_tenant(connection, name))

    def create_database(self, name: str, tenant: str) -> None:
        """Raises InternalError (also a ValueError) when it exists."""
        name = check_database_name(name)
        self.transactions.write(lambda connection: catalog.create_database(connection, name, tenant))

    def get_database(self, name: str, tenant: str) -> Database:
        """Raises NotFoundError when there is none."""
        return self.transactions.read(lambda connection: catalog.get_database(connection, name, tenant))

    def delete_database(self, name: str, tenant: str) -> None:
        """Delete a database with its collections and their files."""
        self.maintenance.discard(lambda connection: catalog.delete_database(connection, name, tenant))

    def list_databases(self, tenant: str, limit: int | None = None, offset: int | None = None) -> list[Database]:
        """In order of creation."""
        return self.transactions.read(lambda connection: catalog.list_databases(connection, tenant, limit, offset))

    # --- collections -----------------------------------------------------------------------------------------

    def create_collection(
        self,
        name: str,
        tenant: str,
        database: str,
        metadata: CollectionMetadata | None,
        configuration: Json | None,
        schema: Json | None,
        get_or_create: bool,
    ) -> CollectionModel:
        """Create a collection; with ``get_or_create`` an existing one is returned unchanged.

        Raises InternalError (also a ValueError) when the name is taken, InvalidArgumentError when
        configuration, schema and metadata contradict each other, or one of them cannot be stored.
        """
        name, metadata = check_collection_name(name), check_collection_metadata(metadata)

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

        existing = self.transactions.read(find) if get_or_create else None
        if existing is not None:
            return existing.model
        resolved = schemas.resolve(metadata, configuration, schema)
        return self.transactions.write(create).model

    def get_collection(self, name: str, tenant: str, database: str) -> CollectionModel:
        """Raises NotFoundError (also a ValueError) when there is none."""
        find = partial(catalog.collection_by_name, name=name, tenant=tenant, database=database)
        return self.transactions.read(find).model

    def get_collection_by_id(self, id: UUID, tenant: str, database: str) -> CollectionModel:
        """Raises NotFoundError (also a ValueError) when that database has none of this id."""
        row = self.transactions.read(lambda connection: catalog.collection_by_id(connection, str(id)))
        if (row.tenant, row.database) != (tenant, database):
            raise _MissingError(f"Collection [{id}] does not exist.")
        return row.model

    def list_collections(
        self, tenant: str, database: str, limit: int | None = None, offset: int | None = None
    ) -> list[CollectionModel]:
        """In order of creation."""
        find = partial(catalog.list_collections, tenant=tenant, database=database, limit=limit, offset=offset)
        return [row.model for row in self.transactions.read(find)]

    def count_collections(self, tenant: str, database: str) -> int:
        """How many collections a database has."""
        return self.transactions.read(lambda connection: catalog.count_collections(connection, tenant, database))

    def modify_collection(
        self,
        id: UUID,
        tenant: str,
        database: str,
        new_name: str | None,
        new_metadata: CollectionMetadata | None,
        new_configuration: Json | None,
    ) -> None:
        """Rename, replace the metadata, change the configuration; None leaves a part as it is."""
        new_name = None if new_name is None else check_collection_name(new_name, "new_name")
        new_metadata = check_collection_metadata(new_metadata, "new_metadata", updating=True)

        def modify(connection: Connection) -> None:
            row = catalog.collection_by_id(connection, str(id))
            configuration, schema, settings = row.configuration, row.schema, row.settings
            if new_configuration is not None:
                resolved = schemas.updated(row.configuration, row.schema, new_configuration)
                configuration, schema = resolved.configuration_json, resolved.serialized_schema
                is_set = resolved.ef_search_is_set or settings.get("ef_search_is_set", False)
                settings = {**settings, "ef_search_is_set": is_set}
            catalog.modify_collection(
                connection,
                row,
                name=new_name,
                metadata=new_metadata or None,
                replace_metadata=new_metadata is not None,
                configuration=configuration,
                schema=schema,
                settings=settings,
            )

        self.transactions.write(modify)

    def fork(self, collection_id: UUID, new_name: str) -> CollectionModel:
        """Copy a collection under another name, in its database; later changes of one do not affect the other.

        Raises NotFoundError when there is none, InternalError (both also a ValueError) when the name is taken.
        """
        new_name = check_collection_name(new_name, "new_name")
        row = forking.fork(self.transactions, collection_id, new_name, self.maintenance.sweep)
        self.maintenance.share_cache(collection_id, row)
        return row.model

    def fork_count(self, collection_id: UUID) -> int:
        """How many forks were made of the original collection and of its forks; deleted forks count, too."""
        return self.transactions.read(partial(catalog.known_collection, ident=str(collection_id))).forks

    def indexing_status(self, collection_id: UUID) -> IndexingStatus:
        """Everything is indexed: a change is seen by every search that begins after it."""
        done = self.transactions.read(partial(catalog.known_collection, ident=str(collection_id))).operations
        return IndexingStatus(num_indexed_ops=done, num_unindexed_ops=0, total_ops=done, op_indexing_progress=1.0)

    def delete_collection(self, name: str, tenant: str, database: str) -> None:
        """Delete a collection and its files. Raises NotFoundError (also a ValueError) when there is none."""

        def delete(connection: Connection) -> list[CollectionRow]:
            row = catalog.collection_by_name(connection, name, tenant, database)
            catalog.delete_collection(connection, row)
            return [row]

        self.maintenance.discard(delete)

    def reset(self) -> None:
        """Delete everything, and create the default tenant and database again."""

        def clear(connection: Connection) -> list[CollectionRow]:
            gone = catalog.all_collections(connection)
            catalog.clear(connection)
            migrations.insert_defaults(connection)
            return gone

        self.maintenance.discard(clear)

    def settings_of(self, collection_id: UUID) -> Json:
        """Our settings of a collection, in addition to Chroma's fields."""
        return self.transactions.read(partial(catalog.collection_by_id, ident=str(collection_id))).settings

    def update_settings(self, collection_id: UUID, settings: Json) -> None:
        """Update our settings of a collection with ``settings``."""

        def update(connection: Connection) -> None:
            row = catalog.collection_by_id(connection, str(collection_id))
            catalog.set_settings(connection, row, {**row.settings, **settings})

        self.transactions.write(update)

    # --- records ---------------------------------------------------------------------------------------------

    def add(self, collection_id: UUID, given: Records) -> None:
        """Add records; ids that exist are ignored."""
        given = check_records(given, updating=False)
        self.transactions.write_collection(collection_id, lambda writing: writing.add(given))

    def adopt(self, collection_id: UUID, given: Records) -> None:
        """Add records of another database unchanged, also those without a vector."""
        given = check_records(given, updating=False, foreign=True)
        self.transactions.write_collection(collection_id, lambda writing: writing.adopt(given))

    def update(self, collection_id: UUID, given: Records) -> None:
        """Update records; ids that do not exist are ignored."""
        given = check_records(given, updating=True)
        self.transactions.write_collection(collection_id, lambda writing: writing.update(given))

    def upsert(self, collection_id: UUID, given: Records) -> None:
        """Update the records that exist, add the others."""
        given = check_records(given, updating=True)
        self.transactions.write_collection(collection_id, lambda writing: writing.upsert(given))

    def edit(self, collection_id: UUID, edits: Edits) -> Edited:
        """Delete, update and add records in one transaction; returns how many of each."""
        edits = check_edits(edits)
        done = Edited()

        def operation(writing: Writing) -> Delta | None:
            nonlocal done
            delta, done = writing.edit(edits)
            return delta

        only_deletes = not (edits.update.ids or edits.add.ids or edits.upsert.ids)
        self.transactions.write_collection(collection_id, operation, deletes=only_deletes)
        return done

    def begin_staging(self, collection_id: UUID) -> Staging | None:
        """Begin to stage records in pieces; None for a database in memory."""
        if self.directory is None or self.read_only:
            return None
        self.transactions.read(lambda connection: catalog.known_collection(connection, str(collection_id), GETTING))
        self.maintenance.sweep_staged(self.transactions.write)
        return Staging(collection_id, self.directory / "vectors")

    def stage(self, session: Staging, given: Records) -> None:
        """Write a piece, which readers do not see yet, in a separate transaction."""
        given = check_records(given, updating=True)

        def write(connection: Connection) -> int:
            writing = self.transactions.writing(connection, str(session.collection))
            writing.stage(given, session)
            self.transactions.room.check(connection)
            return writing.row.next_position

        session.note(given, self.transactions.write(write))
        self.transactions.room.keep()

    def publish(self, session: Staging, edits: Edits, *, update: bool) -> Edited:
        """Make the staged records visible and do ``edits``, in one transaction.

        An id that exists is ignored, or with ``update`` changed.
        """
        edits, ident = check_edits(edits), str(session.collection)

        def write(connection: Connection) -> Edited:
            writing = self.transactions.writing(connection, ident)
            _, done = writing.edit(edits)
            after = replace(writing, row=catalog.collection_by_id(connection, ident))
            published = after.publish(session, update=update, gone=frozenset(edits.delete))
            self.transactions.room.check(connection)
            return Edited(done.deleted, done.updated + published.updated, done.added + published.added)

        done = self.transactions.write(write)
        session.close()
        self.transactions.room.keep()
        return done

    def abandon(self, session: Staging) -> None:
        """Remove the staged records."""
        if session.is_ours:  # else the parent process continues
            try:
                freeing = partial(self.transactions.room.freeing, self.transactions.write)
                staging.remove(str(session.collection), session.name, freeing)
            finally:
                session.close()  # the next sweep removes the rest
        else:
            session.close()

    def delete(
        self, collection_id: UUID, ids: Sequence[str] | None, filter: Where | None, limit: int | None = None
    ) -> int:
        """Delete records; returns the number of given ids (no filter) or of matching records."""
        matched = 0

        def operation(writing: Writing) -> Delta | None:
            nonlocal matched
            rows = select(writing, ids, filter, limit)
            matched = len(rows) if filter is not None or ids is None else len(ids)
            return writing.delete(rows)

        self.transactions.write_collection(collection_id, operation, context="", deletes=True)
        return matched

    # --- maintenance: see Maintenance ---------------------------------------------------------------------------

    def vacuum(self) -> Json:
        """Compact every vector file and the database, and leave no deleted text in any file."""
        return self.maintenance.vacuum()

    def compact(self, collection_id: UUID) -> bool:
        """Copy the live vectors of a collection into a new file; False without vectors, or if another was faster."""
        return self.maintenance.compact(collection_id)

    def verify(self) -> list[str]:
        """Check everything that is stored; returns a sentence for each problem."""
        return self.maintenance.verify()

    def build_graph(self, collection_id: UUID, cancelled: Callable[[], bool] = lambda: False) -> bool:
        """Load the collection's HNSW index from its cache file, or build it; True when there is one."""
        return self.maintenance.build_graph(collection_id, cancelled)


#: All engines that exist, for fork.
EVERY: weakref.WeakSet[Engine] = weakref.WeakSet()


def _nothing(connection: object) -> None:
    """The set-up of a new connection to a writable database: none."""


def _journal_in_wal(connection: Connection) -> None:
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=WAL")


def _journal_in_file(connection: Connection) -> None:
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=DELETE")

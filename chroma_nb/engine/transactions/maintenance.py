"""Maintenance of a database: compaction, vacuum, verification, building indexes, removing unused files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

from chroma_nb.engine.index import graph_files
from chroma_nb.engine.memory import row_files, word_files
from chroma_nb.engine.memory.collection import CollectionInMemory
from chroma_nb.engine.memory.row_files import StoredRows
from chroma_nb.engine.memory.snapshot import Snapshot
from chroma_nb.engine.memory.word_files import WordsAtRest
from chroma_nb.engine.search.coding import CodeSource
from chroma_nb.engine.search.graph import GraphSource
from chroma_nb.engine.search.index_builder import IndexBuilder, lacks_codes, lacks_graph, wants_graph
from chroma_nb.engine.storage import cache_files, catalog, directory, migrations, records
from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.engine.storage.room import truncated_journal
from chroma_nb.engine.storage.sqlite import Connection
from chroma_nb.engine.transactions import open_collections, staging, verification
from chroma_nb.engine.transactions.cache import Cache
from chroma_nb.engine.transactions.compaction import Compaction
from chroma_nb.engine.transactions.running import Transactions
from chroma_nb.errors import ChromaError, InternalError, _MissingError, _NoRoomError
from chroma_nb.schema.discovered import Discovered, discovered
from chroma_nb.types import Json

#: The contents of a file in the cache that is used once the catalog notes it.
Noted = TypeVar("Noted", StoredRows, WordsAtRest)

#: Bytes of unused vectors below which a vector file is left as it is.
SMALLEST_WASTE: Final = 1 << 20


class Maintenance:
    """The upkeep of one database. ``cache`` is None for a database in memory."""

    def __init__(self, transactions: Transactions, builder: Callable[[], IndexBuilder], cache: Cache | None) -> None:
        """``builder`` returns the current builder of indexes: a forked child makes its own."""
        self._transactions = transactions
        self._builder = builder
        self._cache = cache

    # --- compaction -------------------------------------------------------------------------------------------

    def compact_if_worth_it(self, row: CollectionRow, memory: CollectionInMemory) -> None:
        """Compact a collection if most of its vector file is unused; without space the next write tries again."""
        dead = memory.next_slot - memory.live
        if worth_compacting(live=memory.live, dead=dead, dimension=row.dimension or 0):
            with contextlib.suppress(ChromaError, OSError):
                self.compact(UUID(row.id))

    def compact(self, collection_id: UUID) -> bool:
        """Copy the live vectors of a collection into a new file; False without vectors, or if another was faster.

        Its HNSW index, whose labels are slots, is then useless: the saved one is removed, and one that was in use is
        rebuilt by the background thread at once.
        """
        transactions, stores = self._transactions, self._transactions.stores
        had_graph = False

        def begin(snapshot: Snapshot) -> Compaction | None:
            nonlocal had_graph
            had_graph = snapshot.memory.graph is not None
            # A copy would not know of the staged records.
            waits = snapshot.vectors is None or snapshot.row.staged_json is not None
            return None if waits else Compaction(snapshot, stores.next)

        def finish(connection: Connection) -> CollectionRow | None:
            row = catalog.collection_by_id(connection, str(collection_id))
            if row.staged_json is not None:
                return None
            memory, source = transactions.refreshed(connection, row), stores.current(row)
            if memory is None or source is None or not copy.finish(connection, row, memory, source):
                return None
            stores.adopt(row.number, row.generation + 1, copy.store)
            return row

        transactions.connections.check_writable()
        transactions.restore_pending()
        begun = transactions.read_collection(collection_id, begin)
        if begun is None:
            return False
        copy = begun
        try:
            copy.copy()
            row = transactions.write(finish, durable=True)
        except BaseException:
            copy.abandon()
            raise
        if row is None:
            copy.abandon()
            return False
        stores.forget(row.number, before=row.generation + 1)
        if self._cache is not None:
            had_graph |= graph_files in self._cache.drop(row.id, before=row.generation + 1)

        def tell(now: Snapshot) -> None:
            self._builder().compacted(now.row, now.memory, at_once=had_graph)

        with contextlib.suppress(ChromaError):  # deleted meanwhile
            transactions.read_collection(collection_id, tell)
        return True

    # --- vacuum -------------------------------------------------------------------------------------------------

    def vacuum(self) -> Json:
        """Compact every vector file and the database, and leave no deleted text in any file.

        Returns the compacted collections, the bytes before and after, and whether everything could be done
        (``complete``); if not, ``problems`` has a sentence for each thing that could not. On a full disk it does what
        the space allows, the smallest copies first: each frees space for the next.
        """
        connections, room = self._transactions.connections, self._transactions.room
        connections.check_writable()
        before = directory.bytes_below(self._transactions.directory)
        problems, compacted = [], set()
        try:
            self.sweep_staged(self._transactions.write)
        except _NoRoomError as error:
            problems.append(f"the parts of records that failed calls had written were not removed: {error}")
        rows = self._transactions.read(catalog.all_collections)
        self.sweep(keep_previous=False)
        if self._cache is not None:
            cache_files.forget_texts(self._cache.directory)  # they may have ids and words of deleted records
            for memory in list(self._transactions.memories.values()):
                memory.lock.write(memory.is_stored_no_more)
        room.give_back()
        for row in sorted(rows, key=lambda row: row.record_count * (row.dimension or 0)):
            try:
                if row.next_slot > row.record_count and self._compacted(row):
                    compacted.add(row.id)
                self._transactions.write(partial(_forget_keys, row.id))
            except _MissingError:  # deleted meanwhile
                continue
            except InternalError as error:  # no space, or damaged: continue with the others
                problems.append(
                    f"collection [{row.name}] was not compacted, or its schema shows keys of deleted records: {error}"
                )
        try:
            try:
                problems += connections.outside_transactions(_vacuumed)
            except _NoRoomError:
                room.give_up()
                problems += connections.outside_transactions(_vacuumed)
        except _NoRoomError as error:
            problems.append(f"the database was not packed, and deleted text may still be in it: {error}")
        self.sweep(keep_previous=False)
        room.give_back()
        return {
            "compacted": [row.name for row in rows if row.id in compacted],
            "bytes_before": before,
            "bytes_after": directory.bytes_below(self._transactions.directory),
            "complete": not problems,
            "problems": problems,
        }

    def _compacted(self, row: CollectionRow) -> bool:
        """As ``compact``; without space, it tries again after the reserve and outdated files are removed."""
        try:
            return self.compact(UUID(row.id))
        except _NoRoomError:
            self._transactions.room.give_up()
            self.sweep(keep_previous=False)
            if self._cache is not None:
                self._cache.drop(row.id)
            return self.compact(UUID(row.id))

    def verify(self) -> list[str]:
        """Check everything that is stored; returns a sentence for each problem."""

        def check(connection: Connection) -> tuple[list[str], list[CollectionRow]]:
            found = [text for (text,) in connection.execute("PRAGMA integrity_check").fetchall()]
            return found, catalog.all_collections(connection)

        def findings(snapshot: Snapshot) -> list[str]:
            return list(verification.findings(snapshot))

        found, rows = self._transactions.read(check)
        wrong = [f"the database: {text}" for text in found if text != "ok"]
        for row in rows:
            try:
                of_collection = self._transactions.read_collection(UUID(row.id), findings)
            except _MissingError:  # deleted meanwhile
                continue
            except InternalError as error:
                of_collection = [str(error)]
            wrong += [f"collection [{row.name}]: {finding}" for finding in of_collection]
        return wrong

    # --- rows, codes and graphs (called by the background thread) ---------------------------------------------------

    def build_indexes(self, collection_id: UUID, cancelled: Callable[[], bool]) -> None:
        """Build the missing files of a collection: first the file of its rows and its codes, which take little time."""

        def lacks(snapshot: Snapshot) -> tuple[bool, bool, bool, bool, bool]:
            row, memory = snapshot.row, snapshot.memory
            graph = lacks_graph(row, memory)
            files = memory.lacks_stored_rows(), memory.lacks_stored_words()
            return *files, lacks_codes(row, memory), graph, graph and wants_graph(row, memory)

        rows, words, codes, graph, built = self._transactions.read_collection(collection_id, lacks)
        for missing, store in ((rows, self.store_rows), (words, self.store_words)):
            if missing:
                with contextlib.suppress(ChromaError, Warning):  # without it opening is slower; nothing else needs it
                    store(collection_id)
        if codes:
            self.build_codes(collection_id, cancelled)
        if graph and (built or (self._cache is not None and graph_files.exist(self._cache.directory))):
            self.build_graph(collection_id, cancelled, only_saved=not built)

    def store_rows(self, collection_id: UUID) -> bool:
        """Write the rows of a collection to its cache file, so that it opens faster; False if there is no file."""
        return self._store(
            collection_id, Snapshot.stored_rows, row_files.save, cache_files.ROWS, CollectionInMemory.is_stored
        )

    def store_words(self, collection_id: UUID) -> bool:
        """Write the index of a collection's words to its cache file, as ``store_rows`` does its rows."""
        return self._store(
            collection_id,
            Snapshot.words_at_rest,
            word_files.save,
            cache_files.WORDS,
            CollectionInMemory.words_are_stored,
        )

    def _store(
        self,
        collection_id: UUID,
        look: Callable[[Snapshot], Noted],
        save: Callable[[Noted, Path, str, int], str | None],
        kind: str,
        stored: Callable[[CollectionInMemory, int, int], None],
    ) -> bool:
        """Write a file that the catalog notes, from the result of ``look``; ``stored`` tells memory that it exists."""
        if self._cache is None or self._transactions.connections.read_only:
            return False
        row, memory, found = self._transactions.read_collection(
            collection_id, lambda snapshot: (snapshot.row, snapshot.memory, look(snapshot))
        )
        sha256 = save(found, self._cache.directory, row.id, row.generation)
        if sha256 is None or not self._note(self._cache, row, kind, found.seq, sha256):
            return False
        memory.lock.write(lambda: stored(memory, row.generation, found.seq))
        return True

    def _note(self, cache: Cache, row: CollectionRow, kind: str, seq: int, sha256: str) -> bool:
        """Note a file that was written for a collection, so that it is used."""

        def note(connection: Connection) -> None:
            now = catalog.collection_by_id(connection, row.id)
            if now.generation == row.generation:
                catalog.set_settings(connection, now, cache_files.note(now, kind, seq, sha256))

        try:
            self._transactions.write(note)
        except _MissingError:  # deleted meanwhile: the file is not used
            cache.drop(row.id)
            raise
        self._drop_if_outdated(cache, row)
        return True

    def build_codes(self, collection_id: UUID, cancelled: Callable[[], bool] = lambda: False) -> bool:
        """Load the collection's codes from the cache, or compute them, and save new ones; True if there are some."""
        source = self._transactions.read_collection(collection_id, CodeSource.of)
        if source is None:
            return False
        if self._cache is None:
            return source.make(cancelled)
        crcs = self._transactions.read(source.checksums)
        if crcs is None:  # compacted meanwhile: the collection is queued again
            return False
        stored = source.load(self._cache.directory, crcs, cancelled, mapped=self._transactions.stores.mapped)
        if not source.make(cancelled):
            return False
        if not self._transactions.connections.read_only:
            with contextlib.suppress(ChromaError):  # they are in use, saved or not
                if not self._transactions.durable:  # codes must not outlive the commits that gave vectors their slots
                    self._transactions.write(migrations.renumber, durable=True)
                source.save(self._cache.directory, crcs, stored)
                self._drop_if_outdated(self._cache, source.row)
        return True

    def build_graph(
        self, collection_id: UUID, cancelled: Callable[[], bool] = lambda: False, *, only_saved: bool = False
    ) -> bool:
        """Load the collection's HNSW index from its cache file, or build it; True if there is one."""
        source = self._transactions.read_collection(collection_id, GraphSource.of)
        if source is None:
            return False
        graph = None if self._cache is None else source.load(self._cache.directory)
        fresh = graph is None
        if graph is None and not only_saved:
            graph = source.build(cancelled)
        memory = self._transactions.memories.get(source.row.number)
        if graph is None or memory is None:
            return False
        witnesses = source.witnesses()
        if not memory.lock.write(lambda: source.publish(graph, witnesses, memory)):
            return False
        if fresh and self._cache is not None and not self._transactions.connections.read_only:
            with contextlib.suppress(ChromaError):  # it is in use, saved or not
                if not self._transactions.durable:  # an index must not outlive the commits that gave it its slots
                    self._transactions.write(migrations.renumber, durable=True)
                row = source.row
                graph_files.save(graph, self._cache.directory, row.id, row.generation, row.seq, graph.covers)
                self._drop_if_outdated(self._cache, row)
        return True

    def share_cache(self, collection_id: UUID, fork: CollectionRow) -> None:
        """Share the cache files of a collection with the fork that was just made of it."""
        if self._cache is not None:
            self._cache.share(str(collection_id), fork)
            self._drop_if_outdated(self._cache, fork)

    def _drop_if_outdated(self, cache: Cache, row: CollectionRow) -> None:
        """Remove the files that were saved for a collection that was deleted or compacted meanwhile."""

        def generation(connection: Connection) -> int | None:
            found = connection.execute("SELECT generation FROM collections WHERE id = ?", (row.id,)).fetchone()
            return None if found is None else int(found[0])

        if self._transactions.read(generation) != row.generation:
            cache.drop(row.id, before=row.generation + 1)

    # --- files --------------------------------------------------------------------------------------------------------

    def discard(self, delete: Callable[[Connection], list[CollectionRow]]) -> None:
        """Delete collections in one transaction, then remove their files and free the database's pages."""
        transactions = self._transactions
        rows = transactions.room.freeing(lambda work: transactions.write(work, durable=True), delete)
        for row in rows:
            open_collections.let_go(transactions, row.number)
        if self._cache is not None and rows:
            with contextlib.suppress(ChromaError):  # the call is committed: a later sweep removes what stays
                self.sweep()
            transactions.room.give_back()

    def sweep(self, *, keep_previous: bool = True) -> None:
        """Remove the files that belong to no collection: after deletions, compactions and the death of processes."""

        def sweep(connection: Connection) -> None:
            rows = catalog.all_collections(connection)
            self._transactions.stores.sweep(rows, keep_previous=keep_previous)
            if self._cache is not None:
                self._cache.sweep({row.id: row.generation for row in rows})

        self._transactions.connections.write(sweep)

    def sweep_if_needed(self) -> None:
        """As ``sweep``, if there is a file that no collection uses, or anything in the cache."""
        cached = self._cache is not None and self._cache.has_files()
        if cached or self._transactions.stores.orphans():
            self.sweep()

    def sweep_staged(self, write: Callable[[Callable[[Connection], bool]], bool]) -> None:
        """Remove staged records whose process or object has ended."""
        at = self._transactions.directory
        if at is not None:
            staged = self._transactions.connections.read(catalog.with_staged)
            staging.sweep(staged, at / "vectors", partial(self._transactions.room.freeing, write))

    def drop_what_is_derived(self) -> None:
        """Remove files that can be built again (HNSW indexes, codes, rows), and older generations of vectors."""
        if self._cache is not None:
            self._cache.clear()
        self.sweep(keep_previous=False)


def _forget_keys(ident: str, connection: Connection) -> None:
    """Reduce the schema to the keys that records have: the others are deleted text, too."""
    row = catalog.collection_by_id(connection, ident)
    if row.staged or not row.discovered:
        return
    found: set[Discovered] = set()
    for metadatas in records.metadatas(connection, row.number, whole=True):
        found |= discovered(metadatas)
    if not row.discovered <= found:
        catalog.discover(connection, row, found, keep=False)


def _vacuumed(connection: Connection) -> list[str]:
    """Pack the database and leave no deleted text in it; returns what could not be done."""
    connection.execute("PRAGMA secure_delete=ON")
    try:
        connection.execute("VACUUM")
        busy = truncated_journal(connection)
    finally:
        connection.execute("PRAGMA secure_delete=OFF")
    return ["the journal, which may hold deleted text, was not emptied: another process is reading"] if busy else []


def worth_compacting(*, live: int, dead: int, dimension: int) -> bool:
    """Whether more than half of a vector file, and enough to be worth a copy, is unused.

    So at least as much was written before as is copied: each write pays a fixed share of a copy.
    """
    return dead * dimension * 4 > max(live * dimension * 4, SMALLEST_WASTE)

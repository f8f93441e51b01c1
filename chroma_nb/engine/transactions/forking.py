"""Forks: copies of a collection under another name, which are independent from then on.

Most vectors are copied while others read and write: committed rows do not change. What came meanwhile follows under the
write lock, in the transaction that copies the records and makes the fork count. Positions, slots and the generation are
those of the collection, holes included. In memory both have one array of vectors until one of them is written to.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from typing import Any
from uuid import UUID

from chroma_nb.engine.storage import catalog, changelog, records
from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.engine.storage.sqlite import Connection
from chroma_nb.engine.storage.stores import VectorStores
from chroma_nb.engine.storage.vectors import TEMPORARY, VectorFile, file_name
from chroma_nb.engine.transactions.running import Transactions
from chroma_nb.errors import ChromaError, _AlreadyExistsError


def fork(transactions: Transactions, collection_id: UUID, name: str, sweep: Callable[[], None]) -> CollectionRow:
    """Fork a collection; ``sweep`` removes files that no collection uses.

    Raises NotFoundError when there is none, InternalError (also a ValueError) when the name is taken.
    """

    def finish(connection: Connection) -> CollectionRow:
        row = copy.finish(connection)
        transactions.room.check(connection)
        return row

    transactions.connections.check_writable()
    transactions.restore_pending()
    copy = Fork(str(collection_id), name, transactions.stores)
    try:
        with contextlib.suppress(FileNotFoundError):  # compacted since: everything is copied in the transaction
            copy.vectors(transactions.read(copy.source))
        row = transactions.write(finish)
    except BaseException:
        if copy.close():
            with contextlib.suppress(ChromaError):
                sweep()
        raise
    copy.close()
    transactions.room.keep()
    return row


class Fork:
    """A fork in progress: its id, and the vectors that are copied."""

    def __init__(self, source: str, name: str, stores: VectorStores) -> None:
        """Nothing is copied yet. ``source``: the id of the collection."""
        self._source, self._name, self._stores = source, name, stores
        self._id = str(uuid.uuid4())
        self._store: Any = None
        self._generation = self._copied = 0

    def source(self, connection: Connection) -> CollectionRow:
        """The collection; an error when there is none, or the name is taken."""
        row = catalog.collection_by_id(connection, self._source)
        if catalog.find_collection(connection, self._name, row.tenant, row.database) is not None:
            raise _AlreadyExistsError(f"Collection [{self._name}] already exists")
        return row

    def vectors(self, row: CollectionRow) -> None:
        """Copy the vectors that ``row`` counts and that are not copied yet. FileNotFoundError: compacted, or lost."""
        found = self._stores.current(row) if row.record_count else None
        if found is None:
            return
        if self._store is None or self._generation != row.generation:
            self.close()
            self._store = self._stores.draft(self._id, row.generation, found.dimension)
            self._generation, self._copied = row.generation, 0
        self._store.copy(found, self._copied, row.next_slot)
        self._copied = row.next_slot

    def finish(self, connection: Connection) -> CollectionRow:
        """Inside a write transaction: copy the rest and the records, and make the fork visible."""
        source = self.source(connection)
        row = catalog.fork_collection(connection, source, self._id, self._name)
        try:
            self.vectors(source)
        except FileNotFoundError as error:
            raise self._stores.lost(source) from error
        records.copy(connection, source.number, row.number, source.hidden)
        changelog.copy(connection, source.number, row.number)
        if self._store is not None:
            if isinstance(self._store, VectorFile):
                self._store.finish(self._store.path.with_name(file_name(row.id, row.generation)))
            self._stores.adopt(row.number, row.generation, self._store)
        return row

    def close(self) -> bool:
        """Remove an unfinished copy; of one with its final name, the catalog says whether it counts."""
        if self._store is not None:
            self._store.close()
        if not isinstance(self._store, VectorFile):
            return False
        if self._store.path.suffix != TEMPORARY:
            return True
        with contextlib.suppress(OSError):
            self._store.path.unlink(missing_ok=True)
        return False

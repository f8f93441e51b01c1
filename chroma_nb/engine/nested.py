"""An engine for one call that comes in the middle of another call of its thread."""

from __future__ import annotations

from chroma_nb.engine.engine import EVERY, Engine
from chroma_nb.engine.storage.room import Room
from chroma_nb.engine.storage.sqlite import NestedConnections
from chroma_nb.engine.storage.stores import VectorStores


class NestedEngine(Engine):
    """The database of ``outer``, opened as another process would open it: nothing half-changed is shared.

    Signal handlers, finalizers, weak reference callbacks and trace functions run between any two instructions of a
    call, in its thread, while it holds locks, transactions and half-changed caches.
    """

    def __init__(self, outer: Engine) -> None:
        stores, path = outer.transactions.stores, outer.directory
        if path is not None:
            stores = VectorStores(path, read_only=outer.read_only, mapped=stores.mapped)
        connections = NestedConnections(outer.transactions.connections)
        room = Room(None, connections, lambda: None)  # the reserve belongs to the outer engine
        self._assemble(path, outer.durability, connections, stores, room)
        self.transactions.has_pending = outer.transactions.has_pending
        self.transactions.has_index_of_ids = outer.transactions.has_index_of_ids
        self.builder.stop()  # it is closed before an HNSW index would be of use
        if path is not None:
            EVERY.add(self)

    def close(self) -> None:
        """Close the connections that were opened for this call."""
        self.transactions.closed = True
        self.transactions.connections.close()
        if self.directory is not None:
            self.transactions.stores.close()

"""Compaction: the live vectors of a collection copied into a file without holes.

Most is copied while others read and write; what changed meanwhile follows under the write lock, in
the transaction that switches the generation. Slots are renumbered, positions stay.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from typing import Final

import numpy as np

from chroma_nb.engine.arrays import Ints
from chroma_nb.engine.memory.collection import UNKNOWN, CollectionInMemory
from chroma_nb.engine.memory.snapshot import Snapshot
from chroma_nb.engine.storage import catalog, changelog, pending, records
from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.engine.storage.vectors import TEMPORARY, VectorFile, VectorStore, file_name
from chroma_nb.types import Matrix

_CHUNK: Final = 4096


class Compaction:
    """A copy in progress: its store, and the new slot of each old one."""

    def __init__(self, snapshot: Snapshot, new_store: Callable[[CollectionRow, int], VectorStore]) -> None:
        """Note the live records of this snapshot; nothing is copied yet."""
        memory = snapshot.memory
        self.generation = snapshot.row.generation
        self.store = new_store(snapshot.row, snapshot.store.dimension)
        self._live = memory.slots[memory.live_rows()]
        self._view = snapshot.matrix
        self._new_slot = np.full(memory.next_slot, UNKNOWN, np.int64)
        self._copied = 0

    def copy(self) -> None:
        """Copy their vectors, in get() order. Without any lock: committed rows do not change.

        All the space is allocated first: if there is not enough, nothing is copied in vain.
        """
        self.store.allocate(len(self._live))
        self._append(self._view, self._live)

    def _append(self, view: Matrix, slots: Ints) -> None:
        for start in range(0, len(slots), _CHUNK):
            block = slots[start : start + _CHUNK]
            self.store.write(self._copied, view[block])
            self._new_slot[block] = np.arange(self._copied, self._copied + len(block))
            self._copied += len(block)

    def finish(
        self, connection: sqlite3.Connection, row: CollectionRow, memory: CollectionInMemory, source: VectorStore
    ) -> bool:
        """Inside a write transaction: copy the tail and switch; False if another compaction was faster."""
        if row.generation != self.generation:
            return False
        live = memory.live_rows()
        slots = memory.slots[live]
        added = np.full(row.next_slot - len(self._new_slot), UNKNOWN, np.int64)
        self._new_slot = np.concatenate([self._new_slot, added])
        self._append(source.view(row.next_slot), slots[self._new_slot[slots] == UNKNOWN])
        renumbered = zip(self._new_slot[slots].tolist(), memory.positions[live].tolist(), strict=True)
        records.update_slots(connection, row.number, renumbered)
        changelog.forget(connection, row.number)
        catalog.switch_generation(connection, row, row.generation + 1, self._copied)
        if isinstance(self.store, VectorFile):
            pending.forget(connection, row.number)
            final = self.store.path.with_name(file_name(row.id, row.generation + 1))
            self.store.finish(final)
            with contextlib.suppress(OSError):
                final.with_name(file_name(row.id, row.generation - 1)).unlink(missing_ok=True)
        return True

    def abandon(self) -> None:
        """Remove the copy, unless it has its final name: the catalog says whether that one counts."""
        self.store.close()
        if isinstance(self.store, VectorFile) and self.store.path.suffix == TEMPORARY:
            with contextlib.suppress(OSError):
                self.store.path.unlink(missing_ok=True)

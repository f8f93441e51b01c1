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
import numpy.typing as npt

from chroma_nb.engine import catalog, changelog, records
from chroma_nb.engine.catalog import CollectionRow
from chroma_nb.engine.collection import UNKNOWN, CollectionInMemory
from chroma_nb.engine.executor import Reading
from chroma_nb.engine.vectors import VectorFile, VectorStore, file_name, sync_directory
from chroma_nb.errors import InternalError

_CHUNK: Final = 4096
#: The ending of a copy that is not finished.
TEMPORARY: Final = ".new"
Ints = npt.NDArray[np.int64]


class Compaction:
    """A copy under way: its store, and which new slot each old one has."""

    def __init__(self, generation: int, store: VectorStore, new_slot: Ints, copied: int) -> None:
        self.generation = generation
        self.store = store
        self._new_slot = new_slot
        self._copied = copied

    @classmethod
    def begin(cls, reading: Reading, new_store: Callable[[CollectionRow, int], VectorStore]) -> Compaction:
        """Copy what lives in this snapshot, in get() order."""
        memory = reading.memory
        slots = memory.slots[memory.live_rows()]
        store = new_store(reading.row, reading.store.dimension)
        copy = cls(reading.row.generation, store, np.full(memory.next_slot, UNKNOWN, np.int64), 0)
        copy._append(reading.store, slots, memory.next_slot)
        return copy

    def _append(self, source: VectorStore, slots: Ints, end: int) -> None:
        view = source.view(end)
        for start in range(0, len(slots), _CHUNK):
            block = slots[start : start + _CHUNK]
            self.store.write(self._copied, view[block])
            self._new_slot[block] = np.arange(self._copied, self._copied + len(block))
            self._copied += len(block)

    def finish(
        self, connection: sqlite3.Connection, row: CollectionRow, memory: CollectionInMemory, source: VectorStore
    ) -> bool:
        """Inside a write transaction: copy the tail and switch; False when another compaction came first."""
        if row.generation != self.generation:
            return False
        live = memory.live_rows()
        slots = memory.slots[live]
        added = np.full(row.next_slot - len(self._new_slot), UNKNOWN, np.int64)
        self._new_slot = np.concatenate([self._new_slot, added])
        self._append(source, slots[self._new_slot[slots] == UNKNOWN], row.next_slot)
        renumbered = zip(self._new_slot[slots].tolist(), memory.positions[live].tolist(), strict=True)
        records.update_slots(connection, row.number, renumbered)
        changelog.forget(connection, row.number)
        catalog.switch_generation(connection, row, row.generation + 1, self._copied)
        if isinstance(self.store, VectorFile):
            self.store.sync()
            if not self.store.is_linked():
                raise InternalError("the compacted copy was removed by another process; nothing was changed, try again")
            final = self.store.path.with_name(file_name(row.id, row.generation + 1))
            self.store.path.rename(final)
            self.store.path = final
            sync_directory(final.parent)
            with contextlib.suppress(OSError):
                final.with_name(file_name(row.id, row.generation - 1)).unlink(missing_ok=True)
        return True

    def abandon(self) -> None:
        """Remove what was copied, unless it has its final name: whether that counts, the catalog says."""
        self.store.close()
        if isinstance(self.store, VectorFile) and self.store.path.suffix == TEMPORARY:
            with contextlib.suppress(OSError):
                self.store.path.unlink(missing_ok=True)

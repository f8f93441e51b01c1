"""Build the HNSW index of a collection from a snapshot, and install it.

The snapshot is taken in a read transaction. Loading or building runs without any lock, since committed rows do not
change. Records that are deleted meanwhile are marked when the index is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chroma_nb.engine.arrays import Slots
from chroma_nb.engine.index import graph_files
from chroma_nb.engine.index.hnsw import HnswIndex
from chroma_nb.engine.index.witnesses import Witnesses
from chroma_nb.engine.memory.collection import UNKNOWN, CollectionInMemory
from chroma_nb.engine.memory.snapshot import Snapshot
from chroma_nb.engine.search import planner
from chroma_nb.engine.storage import records
from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.types import Matrix


@dataclass(frozen=True)
class GraphSource:
    """The live records of a collection at one seq: their slots and vectors.

    ``end``: the slots below it belong to these or are dead for ever. Staged records may still become live.
    """

    row: CollectionRow
    slots: Slots
    vectors: Matrix
    end: int

    @classmethod
    def of(cls, snapshot: Snapshot) -> GraphSource | None:
        """The live records of this snapshot; None if there are none to index."""
        memory = snapshot.memory
        if snapshot.vectors is None or not memory.searchable:
            return None
        row, slots = snapshot.row, np.sort(memory.searchable_slots(memory.live_rows()))
        staged = records.first_slot(snapshot.connection, row.number, row.hidden)
        if staged is None:
            return cls(row, slots, snapshot.matrix, row.next_slot)
        slots = slots[slots < staged]
        return cls(row, slots, snapshot.matrix, staged) if len(slots) else None

    def load(self, cache: Path) -> HnswIndex | None:
        """The index in the cache, if it is valid and not too old."""
        row, dimension = self.row, self.vectors.shape[1]
        graph = graph_files.load(cache, row.id, row.generation, row.parameters, dimension, self.end)
        if graph is None or not planner.is_close(tail=row.next_slot - graph.covers, live=len(self.slots)):
            return None
        return graph

    def build(self, cancelled: Callable[[], bool]) -> HnswIndex | None:
        """A new index; None when ``cancelled``."""
        dimension = self.vectors.shape[1]
        graph = HnswIndex.build(self.row.parameters, self.vectors.__getitem__, self.slots, dimension, cancelled)
        if graph is not None:
            graph.covers = self.end
        return graph

    def witnesses(self) -> Witnesses:
        """A sample of the records, which checks searches of the index."""
        return Witnesses.of(self.slots, self.vectors)

    def publish(self, graph: HnswIndex, witnesses: Witnesses, memory: CollectionInMemory) -> bool:
        """Install ``graph``, under the writing lock; False if the vectors have moved to another file."""
        if memory.generation != self.row.generation or memory.seq == UNKNOWN:
            return False
        indexed = graph.slots()
        graph.mark(indexed[memory.row_of_slot[indexed] == UNKNOWN])
        memory.graph, memory.witnesses, memory.had_graph = graph, witnesses, True
        return True

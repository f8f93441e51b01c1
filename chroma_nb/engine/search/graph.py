"""Build the HNSW index of a collection from a snapshot, and put it in place.

The snapshot is taken in a read transaction. Loading or building runs without any lock, since committed rows do not
change. Records that are deleted meanwhile are marked when the index is put in place.
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
    """What lived in a collection at one seq: the slots and their vectors.

    ``end``: the slots below it are all of these or dead for ever. Records that are staged may live yet.
    """

    row: CollectionRow
    slots: Slots
    vectors: Matrix
    end: int

    @classmethod
    def of(cls, snapshot: Snapshot) -> GraphSource | None:
        """What lives in this snapshot; None when there is nothing to index."""
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
        """The graph in the cache, when it is whole and not too far behind."""
        row, dimension = self.row, self.vectors.shape[1]
        graph = graph_files.load(cache, row.id, row.generation, row.parameters, dimension, self.end)
        if graph is None or not planner.is_close(tail=row.next_slot - graph.covers, live=len(self.slots)):
            return None
        return graph

    def build(self, cancelled: Callable[[], bool]) -> HnswIndex | None:
        """A new graph; None when ``cancelled``."""
        dimension = self.vectors.shape[1]
        graph = HnswIndex.build(self.row.parameters, self.vectors.__getitem__, self.slots, dimension, cancelled)
        if graph is not None:
            graph.covers = self.end
        return graph

    def witnesses(self) -> Witnesses:
        """A sample of the records, by which searches of the graph are checked."""
        return Witnesses.of(self.slots, self.vectors)

    def publish(self, graph: HnswIndex, witnesses: Witnesses, memory: CollectionInMemory) -> bool:
        """Put ``graph`` in place, under the writing lock; False when the vectors have moved to another file."""
        if memory.generation != self.row.generation or memory.seq == UNKNOWN:
            return False
        indexed = graph.slots()
        graph.mark(indexed[memory.row_of_slot[indexed] == UNKNOWN])
        memory.graph, memory.witnesses, memory.had_graph = graph, witnesses, True
        return True

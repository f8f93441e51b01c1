"""Making the codes of a collection from a snapshot: loaded from the cache, made of the vectors, saved.

As with graphs (``graph.py``) the snapshot is taken in a read transaction and the work runs outside every lock:
committed rows do not change. Codes of rows that are deleted meanwhile stay; searches pass them over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chroma_nb.engine.index import code_files
from chroma_nb.engine.index.certified import CertifiedIndex, codes_pay
from chroma_nb.engine.index.code_files import Checksums
from chroma_nb.engine.memory.snapshot import Snapshot
from chroma_nb.engine.storage import records
from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.types import Matrix


@dataclass(frozen=True)
class CodeSource:
    """The vectors of a collection at one seq, by slot, and their checksums: 0 where there is no record's.

    ``settled``: the slots below it are all of records or dead for ever. Records that are staged may live yet.
    """

    row: CollectionRow
    index: CertifiedIndex
    vectors: Matrix
    crcs: Checksums
    settled: int

    @classmethod
    def of(cls, snapshot: Snapshot) -> CodeSource | None:
        """What is in this snapshot; None where codes are of no use."""
        memory, row = snapshot.memory, snapshot.row
        if snapshot.vectors is None or not memory.searchable:
            return None
        index = snapshot.exact_index()
        if not codes_pay(row.parameters.space, memory.next_slot, index.dimension):
            return None
        staged = records.first_slot(snapshot.connection, row.number, row.hidden)
        crcs = np.zeros(memory.next_slot, np.uint32)
        if snapshot.on_disk:
            found = records.vector_checksums(snapshot.connection, row.number, row.hidden)
            crcs[found[:, 0]] = found[:, 1]
        return cls(row, index, snapshot.matrix, crcs, memory.next_slot if staged is None else staged)

    def load(self, cache: Path, cancelled: Callable[[], bool], *, mapped: bool) -> bool:
        """Take what the cache has, where there are no codes yet; ``mapped``: maps of its files can be trusted."""
        if self.index.codes is not None:
            return False
        row = self.row
        found = code_files.load(
            cache,
            row.id,
            row.generation,
            row.parameters.space,
            self.vectors,
            self.crcs,
            row.seq,
            mapped=mapped,
            cancelled=cancelled,
        )
        return found is not None and self.index.adopt(found)

    def make(self, cancelled: Callable[[], bool]) -> bool:
        """Code the vectors that are not coded yet; False when ``cancelled``."""
        return self.index.make_codes(self.vectors, cancelled)

    def save(self, cache: Path) -> None:
        """Write the whole blocks to the cache."""
        if self.index.codes is not None:
            row = self.row
            code_files.save(self.index.codes, self.crcs, cache, row.id, row.generation, row.seq, self.settled)

"""Compute the codes of a collection from a snapshot: load them from the cache or code the vectors, and save them.

As with HNSW indexes (``graph.py``) the snapshot is taken in a read transaction and the work runs without any lock:
committed rows do not change. Codes of rows that are deleted meanwhile stay; searches skip them. The checksums of the
vectors take longer to read, so they come from a later transaction and no write waits for them.
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
from chroma_nb.engine.storage import catalog, records
from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.engine.storage.sqlite import Connection
from chroma_nb.types import Matrix


@dataclass(frozen=True)
class CodeSource:
    """The vectors of a collection at one seq, by slot.

    ``settled``: the slots below it belong to records or are dead for ever. Staged records may still become live.
    """

    row: CollectionRow
    index: CertifiedIndex
    vectors: Matrix
    settled: int

    @classmethod
    def of(cls, snapshot: Snapshot) -> CodeSource | None:
        """The vectors of this snapshot; None if codes are of no use."""
        memory, row = snapshot.memory, snapshot.row
        if snapshot.vectors is None or not memory.searchable:
            return None
        index = snapshot.exact_index()
        if not codes_pay(row.parameters.space, memory.next_slot, index.dimension):
            return None
        staged = records.first_slot(snapshot.connection, row.number, row.hidden)
        return cls(row, index, snapshot.matrix, memory.next_slot if staged is None else staged)

    def checksums(self, connection: Connection) -> Checksums | None:
        """The vectors' checksums by slot, 0 for slots without a record; None if the slots were renumbered."""
        now = catalog.collection_by_id(connection, self.row.id)
        if now.generation != self.row.generation:
            return None
        crcs = np.zeros(max(now.next_slot, len(self.vectors)), np.uint32)
        found = records.vector_checksums(connection, now.number, now.hidden)
        crcs[found[:, 0]] = found[:, 1]
        return crcs[: len(self.vectors)]

    def load(self, cache: Path, crcs: Checksums, cancelled: Callable[[], bool], *, mapped: bool) -> int:
        """Load codes from the cache if there are none yet; returns the slot up to which the cache has them.

        ``mapped``: whether maps of its files can be trusted.
        """
        if self.index.codes is not None:
            return 0
        row = self.row
        found = code_files.load(
            cache,
            row.id,
            row.generation,
            row.parameters.space,
            self.vectors,
            crcs,
            row.seq,
            mapped=mapped,
            cancelled=cancelled,
        )
        return found.end if found is not None and self.index.adopt(found) else 0

    def make(self, cancelled: Callable[[], bool]) -> bool:
        """Compute the missing codes; False when ``cancelled``."""
        return self.index.make_codes(self.vectors, cancelled)

    def save(self, cache: Path, crcs: Checksums, stored: int) -> None:
        """Write the whole blocks to the cache, if there are more than the cache has."""
        if self.index.codes is not None:
            row = self.row
            code_files.save(self.index.codes, crcs, cache, row.id, row.generation, row.seq, self.settled, stored)

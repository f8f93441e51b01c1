"""The sparse indexes of a collection in memory: one for each key, built by its first search, then kept current.

Rows are the row numbers of the collection in memory. Changes are noted as arrays, and the next search applies them, so
writes do not wait for it. (The index itself: ``index/sparse.py``.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np

from chroma_nb import _locks
from chroma_nb.engine.arrays import Ints, Rows
from chroma_nb.engine.index.postings import SparseRows
from chroma_nb.engine.index.sparse import SparseIndex
from chroma_nb.types import SPARSE_VECTOR_TYPE_VALUE, TYPE_KEY, Fields, SparseVector

#: Some rows, and the metadata of each as JSON holds it.
Piece: TypeAlias = tuple[Rows, Sequence[Fields | None]]

#: The most changes that are noted; then they are applied, as by a search.
_MOST_BEHIND: Final = 256


@dataclass
class _Kept:
    """An index, and the changes since it was last updated."""

    index: SparseIndex
    behind: list[SparseRows] = field(default_factory=list)

    def bring_up(self) -> SparseIndex:
        if self.behind:
            # In this order: after an interrupt changes are applied twice, which has no effect.
            self.index = self.index.changed(_NO_ROWS, SparseRows.last_of(self.behind))
            self.behind = []
        return self.index


class SparseIndexes:
    """The index of each key that was searched."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._lock = _locks.Lock()

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._kept)

    def index(self, key: str, stored: Callable[[], Iterable[Piece]]) -> SparseIndex:
        """The index of ``key``; a missing one is built from ``stored``, all records as they are now."""
        with self._lock:  # readers share this collection
            kept = self._kept.get(key)
            if kept is None:
                parts = [_stored_vectors(key, *piece) for piece in stored()]
                kept = self._kept[key] = _Kept(SparseIndex.of(SparseRows.last_of(parts)))
            return kept.bring_up()

    def note(self, rows: Rows, metadatas: Sequence[Fields | None], gone: Ints) -> None:
        """Note a change: ``rows`` (in any order) have this metadata from now on, and the rows ``gone`` are deleted.

        The caller lets no thread read meanwhile.
        """
        for key, kept in self._kept.items():
            kept.behind.append(_changed_vectors(key, rows, metadatas, gone))
            if len(kept.behind) > _MOST_BEHIND:
                kept.bring_up()


_NO_ROWS: Final[Rows] = np.empty(0, np.int64)
_NO_VECTOR: Final = SparseVector.as_given([], [])


def _changed_vectors(key: str, rows: Rows, metadatas: Sequence[Fields | None], gone: Ints) -> SparseRows:
    """The vectors of changed rows; rows without a vector get an empty one, which no search finds."""
    values = [(metadata or {}).get(key) for metadata in metadatas]
    vectors = [value if isinstance(value, SparseVector) else _NO_VECTOR for value in values]
    every = np.concatenate([rows, gone])
    order = np.argsort(every, kind="stable").tolist()
    vectors += [_NO_VECTOR] * len(gone)
    return SparseRows.of(every[order], [vectors[place] for place in order])


def _stored_vectors(key: str, rows: Rows, metadatas: Sequence[Fields | None]) -> SparseRows:
    values = enumerate(metadata.get(key) if metadata else None for metadata in metadatas)
    vectors = {
        place: value
        for place, value in values
        if type(value) is dict and value.get(TYPE_KEY) == SPARSE_VECTOR_TYPE_VALUE
    }
    indices, numbers = ([vector[part] for vector in vectors.values()] for part in ("indices", "values"))
    return SparseRows.of_entries(rows[list(vectors)], indices, numbers)

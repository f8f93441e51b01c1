"""What an index of vectors answers. Not the choice between indexes: that is ``planner.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from chroma_nb.types import Matrix, Space

#: Slots: rows of the vector file.
Slots: TypeAlias = npt.NDArray[np.int64]
#: One bool per slot.
SlotMask: TypeAlias = npt.NDArray[np.bool_]
#: Slots and distances, nearest first, each of shape (queries, k); -1 and infinity where there is none.
Neighbours: TypeAlias = tuple[Slots, npt.NDArray[np.float32]]
#: Slots -> their vectors, one row each.
VectorSource: TypeAlias = Callable[[Slots], Matrix]


class IndexParameters(Protocol):
    """What a graph is built with: Chroma's ``hnsw`` configuration has these and more."""

    @property
    def space(self) -> Space:
        """l2, cosine or ip."""

    @property
    def max_neighbors(self) -> int:
        """Links per vector and level (M)."""

    @property
    def ef_construction(self) -> int:
        """Candidates looked at when a vector is linked."""


class Index(Protocol):
    """Finds near vectors among those it was given."""

    def query(self, queries: Matrix, k: int, ef: int, allowed: SlotMask | None = None) -> Neighbours | None:
        """The ``k`` nearest live slots to each query; None when this index cannot answer."""

"""Witnesses: a sample of the records that shows when an HNSW search missed some.

An HNSW search that ends in the wrong cluster returns ten neighbours like any other. A record that is nearer than the
last of them and not among them proves that some were missed. So a small sample is scanned with each HNSW search, and
where such a witness is found everything is scanned. (A cluster of c records of n has a witness in a sample of s with 1
- (1 - s/n)^c.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from chroma_nb.engine.arrays import Slots
from chroma_nb.types import Matrix

#: One of this many records is a witness ...
_ONE_OF: Final = 50
#: ... within these limits: a scan of them takes less time than an HNSW search.
_FEWEST: Final = 1_024
_MOST: Final = 4_096


@dataclass(frozen=True)
class Witnesses:
    """Some slots, ascending, and a copy of their vectors, shape (slots, dimension)."""

    slots: Slots
    vectors: Matrix

    @classmethod
    def of(cls, slots: Slots, vectors: Matrix) -> Witnesses:
        """A sample of ``slots``, the same one each time; ``vectors`` by slot."""
        count = min(len(slots), max(_FEWEST, min(_MOST, len(slots) // _ONE_OF)))
        chosen = np.sort(np.random.default_rng(0).choice(slots, count, replace=False))
        return cls(chosen, vectors[chosen])

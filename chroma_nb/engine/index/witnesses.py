"""Witnesses: a sample of the records that tells when a graph has lost its way.

A search of an HNSW graph that ends in the wrong cluster answers with ten neighbours like any other. What
it missed is proved by any record that is nearer than its last answer and not among them; so a small
sample is scanned beside each search of the graph, and where a witness is found the answer is that of a
complete scan. (A cluster of c records of n has a witness in a sample of s with 1 - (1 - s/n)^c.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from chroma_nb.engine.arrays import Slots
from chroma_nb.types import Matrix

#: One of so many records is a witness ...
_ONE_OF: Final = 50
#: ... and never fewer or more than this: a scan of them stays below the time of a search of the graph.
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

"""Array types of the engine, named by what they hold; and the search of values in an array."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from chroma_nb.types import Array, Float32, Float64, Ints, Mask

__all__ = ["EMPTY", "Float32", "Float64", "Ints", "Mask", "Positions", "Rows", "Slots", "found_in"]

#: The places of records among those in memory, in get() order: see ``memory/collection.py``.
Rows: TypeAlias = Ints
#: The places of vectors in the vector file; a new one for every version of a vector.
Slots: TypeAlias = Ints
#: The places of records in the primary key; assigned once, never reused.
Positions: TypeAlias = Ints

#: No rows, no slots, no positions.
EMPTY: Ints = np.empty(0, np.int64)


def found_in(ascending: Array, wanted: Array) -> tuple[Ints, Ints]:
    """Which of ``wanted`` are in an ascending array, and where.

    >>> [found.tolist() for found in found_in(np.array([2, 5, 7]), np.array([7, 1, 2]))]
    [[0, 2], [2, 0]]
    """
    if not len(ascending):
        return EMPTY, EMPTY
    at = np.searchsorted(ascending, wanted)
    there = np.flatnonzero(ascending[np.minimum(at, len(ascending) - 1)] == wanted)
    return there, at[there]

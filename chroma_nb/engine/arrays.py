"""The arrays of the engine, each named by what its numbers are."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from chroma_nb.types import Float32, Float64, Ints, Mask

__all__ = ["EMPTY", "Float32", "Float64", "Ints", "Mask", "Positions", "Rows", "Slots"]

#: Where records stand among those in memory, in get() order: see ``memory/collection.py``.
Rows: TypeAlias = Ints
#: Where vectors lie in the vector file; a new one for every version of a vector.
Slots: TypeAlias = Ints
#: Where records stand in the primary key; given once, never reused.
Positions: TypeAlias = Ints

#: No rows, no slots, no positions.
EMPTY: Ints = np.empty(0, np.int64)

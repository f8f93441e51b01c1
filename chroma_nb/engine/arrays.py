"""The arrays of the engine, each named by what its numbers are."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Float32: TypeAlias = npt.NDArray[np.float32]
Float64: TypeAlias = npt.NDArray[np.float64]
#: One bool for each row, slot or cell.
Mask: TypeAlias = npt.NDArray[np.bool_]

#: Where records stand among those in memory, in get() order: see ``memory/collection.py``.
Rows: TypeAlias = Ints
#: Where vectors lie in the vector file; a new one for every version of a vector.
Slots: TypeAlias = Ints
#: Where records stand in the primary key; given once, never reused.
Positions: TypeAlias = Ints

#: No rows, no slots, no positions.
EMPTY: Ints = np.empty(0, np.int64)

"""Products of int8 rows: the only module that uses numkong.

The library is imported at the first product. Without it ``available()`` is False and searches scan float32 vectors
(``exact.py``); the results are the same.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from chroma_nb._optional import is_being_imported
from chroma_nb.engine.arrays import Float32

Int8 = npt.NDArray[np.int8]


def library() -> Any | None:
    """The library, or None if it is not installed or has no instructions for this processor.

    In plain C it takes twice to twenty times as long as numpy's float32. None, too, for a call in the middle of the
    import itself (by a signal handler or a finalizer); the next call gets it.

    >>> library() is None or callable(library().dots_packed)
    True
    """
    try:
        return _imported()
    except _NotNowError:
        return None


class _NotNowError(Exception):
    """This thread is in the middle of importing the library."""


@cache
def _imported() -> Any | None:
    try:
        import numkong
    except (ImportError, OSError):
        return None
    if is_being_imported(numkong):
        raise _NotNowError
    return numkong if _instructions(numkong) - {"serial"} else None


def available() -> bool:
    """Whether products can be computed here; ``CHROMA_NB_NO_CODES=1`` in the environment turns them off."""
    return os.environ.get("CHROMA_NB_NO_CODES") != "1" and library() is not None


@cache
def beat_float32() -> bool:
    """Whether many rows times many queries take less time than numpy's product of float32.

    With AVX2 alone (the library's "haswell") they take as long. One query is still faster, since it waits for memory.
    """
    return bool(instructions() - {"haswell"})


def instructions() -> frozenset[str]:
    """What the library uses of this processor, by its names ("neon", "skylake", …); ask where it is available."""
    return _instructions(_needed()) - {"serial"}


def products(query: Int8, rows: Int8) -> Float32:
    """Each of ``rows`` (n, d) times ``query`` (d,): sums of int32, as float32, so exact below 2**24.

    The GIL is released meanwhile. There is no ``out``: a new array costs little compared with the product.
    """
    found: Float32 = np.asarray(_needed().cdist(query[None], rows, "dot", out_dtype="float32"))[0]
    return found


class PackedQueries:
    """Queries laid out once for many products with rows."""

    def __init__(self, queries: Int8) -> None:
        """``queries``: shape (m, d)."""
        self._library = _needed()
        self._packed = self._library.dots_pack(np.ascontiguousarray(queries))
        self._count = len(queries)

    def room(self, rows: int) -> Any:
        """An array for the products of so many rows, for ``products``; one for each thread."""
        return self._library.empty((rows, self._count), dtype="int32")

    def products(self, rows: Int8, room: Any | None = None) -> npt.NDArray[np.int32]:
        """Shape (rows, queries), exact; a view of ``room`` when it is as large."""
        if room is not None and room.shape[0] == len(rows):
            self._library.dots_packed(rows, self._packed, out=room)
            return np.asarray(room)
        return np.asarray(self._library.dots_packed(rows, self._packed))


def _instructions(library: Any) -> frozenset[str]:
    """What the library uses of this processor, by its names."""
    return frozenset(name for name, there in library.get_capabilities().items() if there)


def _needed() -> Any:
    found = library()
    if found is None:
        raise ImportError("numkong is not installed: pip install numkong")
    return found

"""The distance of two vectors in each space, for users; the engine has its own for many rows."""

from __future__ import annotations

import numpy as np

from chroma_nb.types import Vector


def l2(x: Vector, y: Vector) -> float:
    """The squared Euclidean distance.

    >>> l2(np.array([0.0, 3.0]), np.array([4.0, 0.0]))
    25.0
    """
    difference = np.subtract(x, y, dtype=np.float64)
    return float(difference @ difference)


def cosine(x: Vector, y: Vector) -> float:
    """1 - the cosine of the angle; 1 where a vector is zero.

    >>> cosine(np.array([2.0, 0.0]), np.array([0.0, 1.0]))
    1.0
    """
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    return float(1.0 - a @ b / norms) if norms > 0 else 1.0


def ip(x: Vector, y: Vector) -> float:
    """1 - the inner product; it may be negative.

    >>> ip(np.array([2.0, 1.0]), np.array([1.0, 1.0]))
    -2.0
    """
    return float(1.0 - np.asarray(x, dtype=np.float64) @ np.asarray(y, dtype=np.float64))

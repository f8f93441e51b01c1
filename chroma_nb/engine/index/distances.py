"""Distances: what l2, cosine and ip mean, in float64, and how a scan may rank by them.

Chroma's definitions: l2 is the *squared* Euclidean distance, cosine is 1 - cos, ip is 1 - dot
(it may be negative). A zero vector has cosine 0 to everything: distance 1.

A scan ranks by ``score = bias(row) - scale(row) * (row . reference)``, one float32 product for the
three spaces; the winners' distances are computed again from the vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from chroma_nb.engine.arrays import Float64
from chroma_nb.types import Space


def squared_l2(rows: Float64, query: Float64) -> Float64:
    """|x - q|^2 for each row; rows (n, d), query (d,) or one for each row.

    >>> squared_l2(np.array([[3.0, 4.0]]), np.array([0.0, 0.0]))
    array([25.])
    """
    difference = rows - query
    squares: Float64 = np.einsum("ij,ij->i", difference, difference)
    return squares


def cosine(rows: Float64, query: Float64) -> Float64:
    """1 - cos(x, q) for each row; 1 where either is zero. Equal directions give 0 to rounding.

    >>> cosine(np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([1.0, 0.0]))
    array([0., 1.])
    """
    return _one_minus(_dot(rows, query), np.linalg.norm(rows, axis=1) * norm_of(query))


def inner_product(rows: Float64, query: Float64) -> Float64:
    """1 - x.q for each row.

    >>> inner_product(np.array([[2.0, 1.0]]), np.array([1.0, 1.0]))
    array([-2.])
    """
    return 1.0 - _dot(rows, query)


def norm_of(query: Float64) -> float:
    """|q|.

    >>> norm_of(np.array([3.0, 4.0]))
    5.0
    """
    return float(np.linalg.norm(query))


def _one_minus(dots: Float64, norms: Float64) -> Float64:
    cosines = np.divide(dots, norms, out=np.zeros(len(dots)), where=norms > 0)
    distances: Float64 = 1.0 - np.clip(cosines, -1.0, 1.0)
    return distances


def _dot(rows: Float64, query: Float64) -> Float64:
    # Not ``@``: BLAS may round equal rows differently at different places, and ties must stay ties.
    dots: Float64 = np.einsum("ij,j->i", rows, query)
    return dots


def _squared_l2_of_pairs(rows: Float64, queries: Float64, lengths: Float64) -> Float64:
    return squared_l2(rows, queries)


def _cosine_of_pairs(rows: Float64, queries: Float64, lengths: Float64) -> Float64:
    return _one_minus(np.einsum("ij,ij->i", rows, queries), np.linalg.norm(rows, axis=1) * lengths)


def _inner_product_of_pairs(rows: Float64, queries: Float64, lengths: Float64) -> Float64:
    dots: Float64 = np.einsum("ij,ij->i", rows, queries)
    return 1.0 - dots


@dataclass(frozen=True)
class InCodes:
    """How 8-bit codes bound a distance (the formulas: ``codes.py``).

    ``of_directions``: rows and queries are brought to length 1, and the distance is 1 - x . q; else it is
    |x - q|^2 (``of_differences``) or 1 - x . q of the vectors as they are.
    ``of_pairs``: the distance of each row to the query beside it, bit for bit that of ``Distance.of`` for one query;
    its third argument is the length of each query, by ``norm_of``.
    """

    of_directions: bool
    of_differences: bool
    of_pairs: Callable[[Float64, Float64, Float64], Float64]


@dataclass(frozen=True)
class Distance:
    """A space: its name, its formula, whether a scan needs norms as bias or as scale, and the space of the HNSW index.

    An HNSW index of inner products holds vectors of length 1 if the scale is the inverse norm. ``in_codes``: how codes
    bound it; None: it is scanned, as a distance that is a function of another one (an angle) has to be.
    """

    space: Space
    of: Callable[[Float64, Float64], Float64]
    bias_is_half_square: bool
    scale_is_inverse_norm: bool
    in_graph: Literal["l2", "ip"]
    in_codes: InCodes | None = None


#: One row for each space.
DISTANCES: dict[str, Distance] = {
    "l2": Distance(
        "l2",
        squared_l2,
        bias_is_half_square=True,
        scale_is_inverse_norm=False,
        in_graph="l2",
        in_codes=InCodes(of_directions=False, of_differences=True, of_pairs=_squared_l2_of_pairs),
    ),
    "cosine": Distance(
        "cosine",
        cosine,
        bias_is_half_square=False,
        scale_is_inverse_norm=True,
        in_graph="ip",
        in_codes=InCodes(of_directions=True, of_differences=False, of_pairs=_cosine_of_pairs),
    ),
    "ip": Distance(
        "ip",
        inner_product,
        bias_is_half_square=False,
        scale_is_inverse_norm=False,
        in_graph="ip",
        in_codes=InCodes(of_directions=False, of_differences=False, of_pairs=_inner_product_of_pairs),
    ),
}

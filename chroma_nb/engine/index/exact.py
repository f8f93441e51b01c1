"""Exact nearest neighbours by scanning: one float32 product to rank, float64 to decide.

A float32 score is wrong by at most (d + 3) u |x| |r| (u = 2^-24; Higham, "Accuracy and Stability of
Numerical Algorithms", section 3.1). Every row whose score lies within twice that bound of the k-th
best is measured again from its vector in float64, so the result is that of a float64 scan, also
for vectors that are huge, tiny, equal or far from the origin.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from chroma_nb import _locks
from chroma_nb.engine.arrays import Float32, Float64, Mask, Slots
from chroma_nb.engine.index.distances import DISTANCES
from chroma_nb.engine.threads import in_parts, rows_worth_a_thread
from chroma_nb.types import Matrix, Vector

_U: Final = 2.0**-24
_UNDERFLOW: Final = 2.0**-126
#: Rows whose minimum is kept in the search for the k smallest scores.
_GROUP: Final = 64
#: Rows measured in float64 at a time.
_GATHERED: Final = 2048
#: How many rows are copied at a time when few of many rows are read.
_COPIED: Final = 256
#: Bytes of scores that one batch of queries may take.
_BATCH_BYTES: Final = 1 << 26
#: Rows in the sample that shows whether the vectors lie far from the origin.
_SAMPLE: Final = 1024
#: A product above this may overflow float32 while it is summed.
_LARGEST: Final = 1e37
#: Below this length, float32 products lose digits.
_TINY: Final = 1e-15


class ExactIndex:
    """The numbers per slot that a scan needs beside the vectors: norms, and from them bias and scale."""

    def __init__(self, space: str, dimension: int) -> None:
        self.distance = DISTANCES[space]
        self.dimension = dimension
        self._norms = np.empty(0)
        self._bias: Float32 = np.empty(0, np.float32)
        self._scale: Float32 = np.empty(0, np.float32)
        self._centre: Float64 | None = None
        self._largest_norm = 0.0
        self._smallest_norm = np.inf  # of the vectors that are not zero
        self._largest_bias = 0.0
        self._preparing = _locks.Lock()
        self.slots = 0

    def extend(self, slots: Slots, norms: Float64, end: int) -> None:
        """Add the norms of new ``slots``; ``end``: the next slot to be assigned.

        New slots in between that are not named hold no record's vector (failed calls, replaced versions), nor do
        those whose norm is below 0 (records without a vector).
        """
        self._norms = _grown(self._norms, end, self.slots)
        self._norms[self.slots : end] = 0.0
        self._norms[slots] = np.maximum(norms, 0.0)
        self._largest_norm = max(self._largest_norm, float(norms.max(initial=0.0)))
        self._smallest_norm = min(self._smallest_norm, float(norms.min(initial=np.inf, where=norms > 0)))
        self.slots = end

    def prepare(self, vectors: Matrix) -> None:
        """Compute bias and scale of all known slots."""
        with self._preparing:
            done = len(self._bias) if self.distance.bias_is_half_square else len(self._scale)
            if done >= self.slots:
                return
            norms = self._norms[done : self.slots]
            if self.distance.scale_is_inverse_norm:
                inverse = np.divide(1.0, norms, out=np.zeros(len(norms)), where=norms > 0)
                with np.errstate(over="ignore"):
                    self._scale = np.concatenate([self._scale, inverse.astype(np.float32)])
            if self.distance.bias_is_half_square:
                if done == 0:
                    self._centre = _far_centre(vectors[: self.slots])
                half = self._half_squares(vectors, done, norms)
                self._largest_bias = max(self._largest_bias, float(np.abs(half).max(initial=0.0)))
                with np.errstate(over="ignore"):
                    self._bias = np.concatenate([self._bias, half.astype(np.float32)])

    def _half_squares(self, vectors: Matrix, first: int, norms: Float64) -> Float64:
        if self._centre is None:
            return 0.5 * norms * norms
        half = np.empty(len(norms))
        for start in range(0, len(norms), _GATHERED):
            block = (
                vectors[first + start : first + min(start + _GATHERED, len(norms))].astype(np.float64) - self._centre
            )
            half[start : start + len(block)] = 0.5 * np.einsum("ij,ij->i", block, block)
        half[np.isnan(half)] = 0.0  # no record's vector
        return half

    def search(
        self,
        vectors: Matrix,
        queries: Matrix,
        k: int,
        order: Slots,
        *,
        among: Slots | None = None,
        dead: Mask | None = None,
    ) -> list[tuple[Slots, Float64]]:
        """The ``k`` nearest slots to each query, nearest first, with their distances.

        ``among``: only these slots are read (gathered). ``dead``: a mask of slots to skip.
        Equal distances are ordered by ``order[slot]``.
        """
        with np.errstate(all="ignore"):
            if among is not None:
                return [self._gather(vectors, query, k, order, among) for query in queries]
            self.prepare(vectors)
            vectors = vectors[: self.slots]
            references = self._references(queries)
            if len(queries) == 1:
                products = _products(vectors, references[0])
                return self._decide(vectors, queries, references, products, k, order, dead)
            at_once = max(1, _BATCH_BYTES // (4 * max(1, len(vectors))))
            found = []
            for start in range(0, len(queries), at_once):
                some = slice(start, start + at_once)
                products = references[some] @ vectors.T
                found += self._decide(vectors, queries[some], references[some], products, k, order, dead)
            return found

    def scores(self, vectors: Matrix, slots: Slots, queries: Matrix) -> Float32:
        """The scores of the vectors of ``slots`` for each query; smaller is nearer. Shape (queries, slots).

        They have float32 precision and can be compared only with one another. ``search`` or ``prepare`` was called
        before.
        """
        with np.errstate(all="ignore"):
            references = self._references(queries)
            products = np.vecdot(vectors, references[0])[None] if len(queries) == 1 else references @ vectors.T
            return self._scores(products, slots)

    def _references(self, queries: Matrix) -> Float32:
        """The queries as seen from the centre."""
        if self._centre is None:
            return np.ascontiguousarray(queries, np.float32)
        return np.asarray(queries.astype(np.float64) - self._centre, np.float32)

    def _scores(self, products: Float32, slots: Slots | None = None) -> Float32:
        if self.distance.bias_is_half_square:
            return (self._bias[: self.slots] if slots is None else self._bias[slots]) - products
        if self.distance.scale_is_inverse_norm:
            return -(products * (self._scale[: self.slots] if slots is None else self._scale[slots]))
        return -products

    def _gather(self, vectors: Matrix, query: Vector, k: int, order: Slots, among: Slots) -> tuple[Slots, Float64]:
        if len(among) <= max(_GATHERED // 4, 4 * k):
            return self._nearest(vectors, query, among, k, order)
        self.prepare(vectors)
        reference = self._references(query[None])[0]
        products = _products_of(vectors, among, reference)
        return self._decide(vectors, query[None], reference[None], products, k, order, None, among)[0]

    def _decide(
        self,
        vectors: Matrix,
        queries: Matrix,
        references: Float32,
        products: Float32,
        k: int,
        order: Slots,
        dead: Mask | None,
        among: Slots | None = None,
    ) -> list[tuple[Slots, Float64]]:
        """The ``k`` nearest by float64, from float32 products, one row for each query."""
        scores = self._scores(products, among)
        if dead is not None:
            np.copyto(scores, np.inf, where=dead[: self.slots])
        lengths = np.sqrt(np.einsum("ij,ij->i", references, references, dtype=np.float64))
        limits = kth_smallest(scores, k) + 2 * self._bounds(lengths)
        found = []
        for query, length, row, limit in zip(queries, lengths, scores, limits, strict=True):
            near = self._candidates(row, k, length, limit, among)
            if dead is not None:
                near = near[~dead[near]]
            found.append(self._nearest(vectors, query, near if among is None else among[near], k, order))
        return found

    def _bounds(self, lengths: Float64) -> Float64:
        """The largest error of the scores of a query of this length; infinite if float32 cannot tell."""
        relative = (self.dimension + 3) * _U
        if self.distance.scale_is_inverse_norm:
            bounds = relative * lengths
            unsafe = (lengths < _TINY) | (self._smallest_norm < _TINY)
        else:
            bounds = relative * self._largest_norm * lengths + 2 * _U * self._largest_bias
            bounds += self.dimension * _UNDERFLOW + self._rounding
            unsafe = np.zeros(len(lengths), np.bool_)
        unsafe |= ~(self._largest_norm * np.maximum(lengths, self._largest_norm) <= _LARGEST)
        return np.where(unsafe, np.inf, bounds)

    @property
    def _rounding(self) -> float:
        """The largest difference of scores with equal distances: 1 - x.q is rounded to 2^-53 of 1."""
        return 0.0 if self.distance.bias_is_half_square or self.distance.scale_is_inverse_norm else 2.0**-52

    def _candidates(self, scores: Float32, k: int, length: float, limit: float, among: Slots | None) -> Slots:
        """Indices in ``scores`` that may belong to the k smallest, with rounding considered."""
        if not np.isfinite(limit):
            return np.arange(len(scores))
        near = np.flatnonzero(scores <= np.nextafter(np.float32(limit), np.float32(np.inf)))
        if len(near) > _GATHERED and not self.distance.scale_is_inverse_norm:
            return self._narrowed(scores, near, k, length, among)
        return near

    def _narrowed(self, scores: Float32, near: Slots, k: int, length: float, among: Slots | None) -> Slots:
        """The same with each row's own bound: one row of great length must not widen it for all."""
        slots = near if among is None else among[near]
        error = (self.dimension + 3) * _U * length * self._norms[slots] + self.dimension * _UNDERFLOW
        error += self._rounding
        if self.distance.bias_is_half_square:
            error += 2 * _U * np.abs(self._bias[slots])
        values = scores[near].astype(np.float64)
        worst = kth_smallest((values + error)[None], k)[0]
        narrowed: Slots = near[values - error <= worst]
        return narrowed

    def _nearest(self, vectors: Matrix, query: Vector, slots: Slots, k: int, order: Slots) -> tuple[Slots, Float64]:
        """The k nearest among ``slots`` by the space's own formula."""
        wanted = np.asarray(query, np.float64)
        if len(slots) <= _GATHERED:
            distances = self.distance.of(vectors[slots].astype(np.float64), wanted)
        else:
            distances = np.empty(len(slots))
            for start in range(0, len(slots), _GATHERED):
                block = vectors[slots[start : start + _GATHERED]].astype(np.float64)
                distances[start : start + _GATHERED] = self.distance.of(block, wanted)
        return ordered(slots, distances, k, order)

    def measure(self, vectors: Matrix, query: Vector, slots: Slots, k: int, order: Slots) -> tuple[Slots, Float64]:
        """The k nearest among ``slots`` with exact distances (candidates of an HNSW index)."""
        with np.errstate(all="ignore"):
            return self._nearest(vectors, query, slots, k, order)


def _products(vectors: Matrix, reference: Float32) -> Float32:
    """Each vector times ``reference``; shape (1, vectors). vecdot, not ``@``: that would wake BLAS's threads."""
    products = np.empty((1, len(vectors)), np.float32)

    def part(start: int, stop: int) -> None:
        """The products of some rows."""
        np.vecdot(vectors[start:stop], reference, out=products[0, start:stop])

    in_parts(len(vectors), rows_worth_a_thread(4 * vectors.shape[1]), part)
    return products


def _products_of(vectors: Matrix, slots: Slots, reference: Float32) -> Float32:
    """The vectors of ``slots`` times ``reference``, copied in blocks that stay in the processor's cache."""
    products = np.empty((1, len(slots)), np.float32)

    def part(start: int, stop: int) -> None:
        """The products of some of the rows named, copied block by block."""
        block = np.empty((min(_COPIED, stop - start), vectors.shape[1]), np.float32)
        for first in range(start, stop, _COPIED):
            some = slots[first : min(first + _COPIED, stop)]
            # "clip", although no slot is out of range: with "raise" numpy copies twice.
            np.take(vectors, some, axis=0, out=block[: len(some)], mode="clip")
            np.vecdot(block[: len(some)], reference, out=products[0, first : first + len(some)])

    in_parts(len(slots), rows_worth_a_thread(8 * vectors.shape[1]), part)  # read, and copied
    return products


def ordered(slots: Slots, distances: Float64, k: int, order: Slots) -> tuple[Slots, Float64]:
    """The first ``k`` by distance, ties by ``order[slot]``; NaN distances last."""
    if len(slots) > 4 * k + 64:
        worst = kth_smallest(distances[None], k)[0]
        if np.isfinite(worst):
            keep = np.flatnonzero(distances <= worst)
            slots, distances = slots[keep], distances[keep]
    best = np.lexsort((order[slots], distances))[:k]
    return slots[best], distances[best]


def kth_smallest(values: npt.NDArray[np.floating], k: int) -> Float64:
    """For each row a value not below, and near, its k-th smallest: exact in short rows, else by group minima.

    >>> kth_smallest(np.array([[3.0, 1.0, 2.0]]), 2)
    array([2.])
    """
    length = values.shape[1]
    if k >= length:
        return np.full(len(values), np.inf)
    if length >= 4096 and k * _GROUP * 2 <= length:
        # k groups have a member at or below their k-th smallest minimum, so k values are at or below it.
        values = values[:, : length - length % _GROUP].reshape(len(values), -1, _GROUP).min(axis=2)
    return np.asarray(np.partition(values, k - 1, axis=1)[:, k - 1], np.float64)


def _far_centre(vectors: Matrix) -> Float64 | None:
    """The mean of the vectors when they lie far from the origin compared with their spread."""
    if not len(vectors):
        return None
    sample = vectors[:: max(1, len(vectors) // _SAMPLE)][:_SAMPLE].astype(np.float64)
    sample = sample[~np.isnan(sample[:, 0])]  # rows of NaN belong to no record with a vector
    if not len(sample):
        return None
    centre = np.asarray(sample.mean(axis=0).astype(np.float32), np.float64)
    spread = float(np.einsum("ij,ij->", sample - centre, sample - centre)) / len(sample)
    if not np.isfinite(spread) or float(centre @ centre) <= 16 * spread:
        return None
    return centre


def _grown(array: Float64, size: int, used: int) -> Float64:
    if size <= len(array):
        return array
    grown = np.zeros(max(size, int(1.6 * len(array))))
    grown[:used] = array[:used]
    return grown

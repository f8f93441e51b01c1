"""Exact search by 8-bit codes, several queries at once: blocks of rows are multiplied by all queries.

The certificate is that of ``certified.py``, but T is found in another way. No query's bounds are kept for all rows, so
each query begins with the k-th distance in a sample and lowers it as rows are found. A row that is found has an upper
bound, too (``codes.py``), and the k-th least of those is a limit like any other. At the end the k rows of least bound
are measured, then those left below their k-th distance.

A query that codes narrow too little leaves the batch: its entry in the result is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chroma_nb import _locks
from chroma_nb.engine.arrays import Float32, Float64, Ints, Mask, Slots
from chroma_nb.engine.index.codes import SLACK, Block, Codes, Queries, rounded_up
from chroma_nb.engine.index.distances import norm_of
from chroma_nb.engine.index.int8_products import PackedQueries
from chroma_nb.engine.threads import Halt, in_parts
from chroma_nb.types import Matrix

#: Queries in one batch, rows multiplied at once, rows of one minimum: products stay in the processor's cache.
_QUERIES: Final = 256
_ROWS: Final = 1_024
_GROUP: Final = 16
#: Rows of the sample, at least, and for each result wanted.
_SAMPLE: Final = 2_048
_SAMPLE_PER_RESULT: Final = 8
#: Rows found for one query beyond which it leaves the batch.
_MOST_FOUND: Final = 4_096
#: Pairs of row and query measured at a time: they stay in the cache, which takes a third less time than 2,048.
_MEASURED: Final = 256
#: Pairs found for each query before the limits are lowered by them.
_PAIRS_BEFORE_NARROWING: Final = 8
#: Biases that differ by less than this share of the codes' error count as equal.
_FLAT: Final = 0.2

_INFINITE: Final = np.float32(np.inf)


@dataclass(frozen=True)
class _Found:
    """Pairs of a slot and a query (its number), with the bounds of their key over t."""

    slots: Slots
    queries: Ints
    lower: Float32
    upper: Float32

    def __len__(self) -> int:
        return len(self.slots)

    def __getitem__(self, chosen: Ints | Mask) -> _Found:
        return _Found(self.slots[chosen], self.queries[chosen], self.lower[chosen], self.upper[chosen])

    @classmethod
    def joined(cls, parts: Sequence[_Found]) -> _Found:
        """All pairs."""
        if not parts:
            none = np.empty(0, np.int64), np.empty(0, np.float32)
            return cls(none[0], none[0], none[1], none[1])
        return cls(
            np.concatenate([part.slots for part in parts]),
            np.concatenate([part.queries for part in parts]),
            np.concatenate([part.lower for part in parts]),
            np.concatenate([part.upper for part in parts]),
        )


def nearest_to_each(
    codes: Codes,
    blocks: Sequence[Block],
    vectors: Matrix,
    queries: Matrix,
    k: int,
    order: Slots,
    dead: Mask | None,
) -> list[tuple[Slots, Float64] | None]:
    """The k nearest slots of ``blocks`` to each query; None if codes narrow too little."""
    found: list[tuple[Slots, Float64] | None] = []
    for start in range(0, len(queries), _QUERIES):
        found += _Batch(codes, blocks, vectors, queries[start : start + _QUERIES], k, order, dead).nearest()
    return found


class _Batch:
    """Some queries that are searched block by block. Bounds and limits are in units of each query's t."""

    def __init__(
        self,
        codes: Codes,
        blocks: Sequence[Block],
        vectors: Matrix,
        queries: Matrix,
        k: int,
        order: Slots,
        dead: Mask | None,
    ) -> None:
        self._blocks, self._vectors, self._k, self._order, self.dead = blocks, vectors, k, order, dead
        self._of_pairs, self._wanted = codes.frame.form.of_pairs, queries.astype(np.float64)
        self._lengths = np.array([norm_of(query) for query in self._wanted])
        self._most = max(_MOST_FOUND, _SAMPLE_PER_RESULT * k)
        self.queries = Queries(codes, queries)
        self.count = len(queries)
        self.packed = PackedQueries(self.queries.units)
        self.inverse: Float32 = np.reciprocal(self.queries.steps)
        self._narrowing = _locks.Lock()
        self.halt = Halt()
        self._left: Mask = ~self.queries.usable
        #: A row whose bound is above it is not among the k nearest.
        self.limits: Float32 = np.where(self._left, -_INFINITE, _INFINITE)

    def nearest(self) -> list[tuple[Slots, Float64] | None]:
        """The result of each query; None for those that left the batch."""
        self._lower_limits(self._limits_of_a_sample())
        found: list[_Found] = []

        def scan(first: int, last: int) -> None:
            """Scan some blocks, one after the other: what one finds narrows the next."""
            mine = [_Found.joined([])]  # first the pairs kept, then those found since
            for block in self._blocks[first:last]:
                _Scan(self, block).run(mine)
            found.extend(mine)

        in_parts(len(self._blocks), 2, scan, self.halt)
        return self._measured(self._passing(_Found.joined(found)))

    # --- limits ----------------------------------------------------------------------------------------------------

    def narrow(self, found: list[_Found]) -> None:
        """Lower the limits by the k-th least upper bound of each query in ``found``; only pairs that pass stay."""
        with self._narrowing:  # a query that leaves must leave in every thread
            self._narrow(found)

    def _narrow(self, found: list[_Found]) -> None:
        together = self._passing(_Found.joined(found))
        steps = self.queries.steps
        self._lower_limits(self._over_steps(self._kth(together.upper, together.queries) * steps))
        together = self._passing(together)
        self._left |= np.bincount(together.queries, minlength=self.count) > self._most
        if self._left[together.queries].any():
            self._lower_limits(self.limits)
            together = self._passing(together)
        found[:] = [together]

    def _lower_limits(self, limits: Float32) -> None:
        self.limits = np.where(self._left, -_INFINITE, np.minimum(self.limits, limits))

    def _over_steps(self, keys: Float64) -> Float32:
        """The limits that follow from keys that k rows do not exceed."""
        limits = self.queries.limits(keys) / self.queries.steps
        return rounded_up(np.where(np.isnan(limits), np.inf, limits + 1e-15 * np.abs(limits)))

    def _passing(self, found: _Found) -> _Found:
        return found[(found.lower <= self.limits[found.queries]) & ~self._left[found.queries]]

    def _limits_of_a_sample(self) -> Float32:
        """From each query's k rows of least upper bound in a sample, spread over all rows: files are often sorted."""
        rows = [np.arange(len(block)) for block in self._blocks]
        if self.dead is not None:
            rows = [np.flatnonzero(~self.dead[block.first : block.end]) for block in self._blocks]
        stride = max(1, sum(map(len, rows)) // max(_SAMPLE, _SAMPLE_PER_RESULT * self._k))
        uppers = []
        for block, places in zip(self._blocks, rows, strict=True):
            sample = block.pick(places[::stride])
            if len(sample):
                products, margins = self.packed.products(sample.codes), self.queries.margins(block)
                out = np.empty(products.shape, np.float32)
                lower = lower_bounds(sample, products, margins, self.inverse, out)
                scales, biases = sample.scales[:, None], sample.biases[:, None]
                uppers.append(upper_bounds(lower, scales, biases, margins, self.inverse))
        if sum(map(len, uppers)) < self._k:
            return np.full(self.count, _INFINITE)
        kth = np.partition(np.concatenate(uppers), self._k - 1, axis=0)[self._k - 1]
        return self._over_steps(np.nextafter(kth, _INFINITE).astype(np.float64) * self.queries.steps)

    def _kth(self, values: Float64 | Float32, which: Ints) -> Float64:
        """The k-th least of the values of each query, rounded up; infinite if there are fewer."""
        if not len(values):
            return np.full(self.count, np.inf)
        up = np.nextafter(values.astype(np.float32), _INFINITE).view(np.int32)
        ordered = (up ^ ((up >> 31) & 0x7FFFFFFF)).astype(np.int64) + 2**31  # floats in the order of integers
        keys = np.sort((which << 32) | ordered)  # one sort for all queries: numpy's is vectorised
        starts = np.searchsorted(keys, np.arange(self.count + 1) << 32)
        at = np.minimum(starts[:-1] + self._k - 1, len(keys) - 1)
        back = ((keys[at] & 0xFFFFFFFF) - 2**31).astype(np.int32)
        kth = (back ^ ((back >> 31) & 0x7FFFFFFF)).view(np.float32).astype(np.float64)
        return np.where(np.diff(starts) >= self._k, kth, np.inf)

    # --- exactly ---------------------------------------------------------------------------------------------------

    def _distances(self, slots: Slots, which: Ints) -> Float64:
        distances = np.empty(len(slots))
        for start in range(0, len(slots), _MEASURED):
            part = slice(start, start + _MEASURED)
            rows = self._vectors[slots[part]].astype(np.float64)
            distances[part] = self._of_pairs(rows, self._wanted[which[part]], self._lengths[which[part]])
        return distances

    def _measured(self, found: _Found) -> list[tuple[Slots, Float64] | None]:
        """The result of each query from the pairs that were found for all."""
        found = found[np.argsort(found.queries.astype(np.uint8), kind="stable")]
        first = found.lower <= self._kth(found.lower, found.queries)[found.queries]
        distances = np.full(len(found), np.inf)
        distances[first] = self._distances(found.slots[first], found.queries[first])
        self._lower_limits(self._over_steps(self.queries.keys(self._kth(distances[first], found.queries[first]))))
        second = ~first & (found.lower <= self.limits[found.queries])
        distances[second] = self._distances(found.slots[second], found.queries[second])
        seen = np.flatnonzero(first | second)
        found, distances = found[seen], distances[seen]
        nearest = np.lexsort((self._order[found.slots], distances, found.queries))
        slots, distances = found.slots[nearest], distances[nearest]
        starts = np.searchsorted(found.queries, np.arange(self.count + 1)).tolist()
        return [
            None if left or stop - start < self._k else (slots[start:stop][: self._k], distances[start:stop][: self._k])
            for left, (start, stop) in zip(self._left.tolist(), pairwise(starts), strict=True)
        ]


class _Scan:
    """One block that is compared with all queries."""

    def __init__(self, batch: _Batch, block: Block) -> None:
        self._batch, self._block = batch, block
        self._margins = batch.queries.margins(block)
        low, high = float(block.biases.min()), float(block.biases.max())
        # The lengths are nearly equal: one bias is enough, and saves two passes.
        step = float(np.median(block.scales)) * float(np.median(self._margins * batch.queries.steps))
        self._spread = high - low if high - low <= _FLAT * step else None
        self._shift: Float32 | None = None if self._spread is None else np.float32(low) * batch.inverse

    def run(self, found: list[_Found]) -> None:
        """Add the pairs within the limits to ``found``, and lower the limits by them."""
        batch, block = self._batch, self._block
        out, room = np.empty((_ROWS, batch.count), np.float32), batch.packed.room(_ROWS)
        for start in range(0, len(block), _ROWS):
            if batch.halt.is_asked:
                return
            part = slice(start, min(start + _ROWS, len(block)))
            products = batch.packed.products(block.codes[part], room)
            more = self._within(part, products, out[: part.stop - start])
            if len(more):
                found.append(more)
            # The new pairs must outnumber the kept ones: else the same pairs would be sorted again and again.
            if sum(map(len, found[1:])) > max(_PAIRS_BEFORE_NARROWING * batch.count, len(found[0])):
                batch.narrow(found)

    def _within(self, part: slice, products: Any, out: Float32) -> _Found:
        """The pairs of these rows and queries whose bound is within the limits."""
        batch, block, shift = self._batch, self._block, self._shift
        inverse = None if shift is not None else batch.inverse
        bounds = lower_bounds(block, products, self._margins, inverse, out, part)
        if batch.dead is not None:
            bounds[batch.dead[block.first + part.start : block.first + part.stop]] = np.inf
        limits = batch.limits
        if shift is not None:
            limits = np.nextafter(limits - shift, _INFINITE)
        rows, which = _at_most(bounds, limits)
        lower = bounds[rows, which]
        if batch.dead is not None:
            live = lower < np.inf
            rows, which, lower = rows[live], which[live], lower[live]
        places = rows + part.start
        scales, biases = block.scales[places], block.biases[places]
        upper = upper_bounds(lower, scales, biases, self._margins[which], batch.inverse[which])
        if shift is not None:
            lower = lower + shift[which]
            upper += shift[which] + np.float32(self._spread or 0.0) * batch.inverse[which]
        return _Found(block.slots(places), which, lower, upper)


def lower_bounds(
    block: Block,
    products: npt.NDArray[np.int32],
    margins: Float32,
    inverse: Float32 | None,
    out: Float32,
    part: slice = slice(None),
) -> Float32:
    """``lower`` / t of rows of a block and all queries, from their products; without B if ``inverse`` is None."""
    np.copyto(out, products, casting="unsafe")
    out += margins
    out *= -block.scales[part, None]
    if inverse is not None and block.biases[part].any():
        out += block.biases[part, None] * inverse
    return out


def upper_bounds(lower: Float32, scales: Float32, biases: Float32, margins: Float32, inverse: Float32) -> Float32:
    """Upper bounds of the keys / t with these ``lower`` / t."""
    upper: Float32 = lower + (2 + 1e-5) * scales * margins
    upper += (2.1 * SLACK) * np.abs(biases) * inverse
    upper[np.isneginf(lower)] = np.inf  # a row that is not coded has no bound
    return upper


def _at_most(bounds: Float32, limits: Float32) -> tuple[Slots, Ints]:
    """The rows and queries (columns) whose bound is not above the query's limit."""
    rows, queries = bounds.shape
    if rows % _GROUP:
        few, each = np.nonzero(bounds <= limits)
        return few.astype(np.int64), each.astype(np.int64)
    width = rows // _GROUP
    minima = bounds.reshape(_GROUP, width, queries).min(axis=0)
    groups, which = np.divmod(np.flatnonzero(minima <= limits), queries)
    places, which = (groups[:, None] + np.arange(_GROUP) * width).ravel(), np.repeat(which, _GROUP)
    near = bounds[places, which] <= limits[which]
    return places[near], which[near]

"""Exact nearest neighbours from 8-bit codes: a quarter of the bytes is read, and the result is proved.

For one query: ``codes.py`` bounds each row's key from below. The k rows of least bound are measured in float64,
which gives a distance T that k rows reach; every row whose bound is not above T's key is measured, too. A row that
is not measured is farther than T. So the result is that of ``exact.py`` for any vectors; where codes bound badly
(clusters far tighter than their distance from the centre, say) many rows are measured, or everything is scanned.
Several queries: ``certified_batches.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from chroma_nb import _locks
from chroma_nb.engine.arrays import Float64, Mask, Slots
from chroma_nb.engine.index import int8_products
from chroma_nb.engine.index.certified_batches import nearest_to_each
from chroma_nb.engine.index.codes import Block, Codes, Frame, Queries, float64_error, form_of, rounded_up, sample_of
from chroma_nb.engine.index.distances import DISTANCES
from chroma_nb.engine.index.exact import ExactIndex
from chroma_nb.engine.threads import Halt, in_parts
from chroma_nb.types import Matrix, Vector

#: With fewer dimensions, or rows, a scan is as fast.
SMALLEST_DIMENSION: Final = 32
#: With more, the rounding errors are not proved to be within ``codes.SLACK``. (Products fit int32 up to 133,144.)
LARGEST_DIMENSION: Final = 4_096
FEWEST_ROWS: Final = 8_192
#: For batches: the least number of queries, and of rows.
SMALLEST_BATCH: Final = 3
FEWEST_ROWS_FOR_A_BATCH: Final = 2_048
#: From this number of queries on, numpy's product has reached its full speed.
_LARGE_BATCH: Final = 32
#: This many allowed rows, or fewer, are measured by exact.py.
FEW_ALLOWED: Final = 2_000
#: If more than this share is allowed, all rows are bounded and the others skipped.
GATHERED_SHARE: Final = 0.25
#: Rows left to measure beyond which everything is scanned, as a share of all rows.
LARGEST_LEFT: Final = 0.15
#: Rows left to measure beyond which float32 looks at them first.
NARROWED: Final = 2_048
#: Bytes of codes that are worth another thread.
_BYTES_OF_A_THREAD: Final = 12_000_000
#: Seconds to compute a code of 384 dimensions, to scan a float32 vector, and to multiply one in a batch.
CODING_SECONDS: Final = 1.6e-6
_SCAN_SECONDS: Final = 3e-8
_MULTIPLY_SECONDS: Final = 6e-9
#: The longest time for which a call computes codes; the background thread does longer work.
_LONGEST_WAIT: Final = 0.5
#: Codes are of no use while more than this share of the queries, of at least so many, ends in a scan; after so
#: many scans they are tried again.
_LARGEST_SHARE_SCANNED: Final = 0.5
_FEWEST_TRIED: Final = 16
_SCANS_BEFORE_TRIED_AGAIN: Final = 1_000
#: When the collection has grown by this factor since a frame was chosen, another is chosen.
_OUTGROWN: Final = 4
_GROUP: Final = 64
_COPIED: Final = 256
_GATHERED: Final = 2_048
_U: Final = np.float32(2.0**-24)
#: The inverse of a greater norm loses digits in float32.
_LARGEST_NORM: Final = 1e37

#: A block, or some of its slots.
Part: TypeAlias = tuple[Block, Slots | None]


def codes_pay(space: str, rows: int, dimension: int, queries: int = 1) -> bool:
    """Whether there are codes for a space, and they make searches of so many queries among so many rows faster."""
    if DISTANCES[space].in_codes is None:
        return False
    fewest = FEWEST_ROWS if queries < SMALLEST_BATCH else FEWEST_ROWS_FOR_A_BATCH
    coded = SMALLEST_DIMENSION <= dimension <= LARGEST_DIMENSION
    return coded and rows >= fewest and int8_products.available()


def rows_per_result(queries: int, *, gathered: bool) -> int:
    """How many rows are needed for each result wanted: with fewer, measuring them costs what codes save.

    A batch is scanned by one product, and saves little by codes if the processor does not multiply int8 faster. Of
    rows that are ``gathered`` each query makes its own scan. Measured: docs/architecture.md, "Searching".
    """
    if queries < SMALLEST_BATCH or gathered:
        return 64
    if int8_products.beat_float32():
        return 768
    return 2_048 if queries < _LARGE_BATCH else 4_096


class _Outcomes:
    """The outcomes of recent queries that used codes: some vectors, or queries, are not narrowed by codes."""

    def __init__(self) -> None:
        self._tried = self._scanned = self._left_out = 0

    @property
    def are_poor(self) -> bool:
        """Whether scanning at once saves the time for trying."""
        return self._tried >= _FEWEST_TRIED and self._scanned > _LARGEST_SHARE_SCANNED * self._tried

    def note(self, tried: int, scanned: int) -> None:
        """``scanned``: how many of the queries ended in a scan."""
        if self._tried > 16 * _FEWEST_TRIED:  # older queries count less
            self._tried, self._scanned = self._tried // 2, self._scanned // 2
        self._tried, self._scanned = self._tried + tried, self._scanned + scanned

    def leave_out(self, count: int) -> None:
        """Queries were scanned without trying."""
        self._left_out += count
        if self._left_out >= _SCANS_BEFORE_TRIED_AGAIN:
            self._tried = self._scanned = self._left_out = 0


class CertifiedIndex(ExactIndex):
    """As ``ExactIndex``, with the same results; searches use codes if there are any and they are faster.

    Codes are computed by the searches once scanning has cost as much as computing them, or by ``make_codes``
    (in the background).
    """

    def __init__(self, space: str, dimension: int) -> None:
        super().__init__(space, dimension)
        self.codes: Codes | None = None
        self._coding = _locks.Lock()
        self._scanned_seconds = 0.0
        self._outcomes = _Outcomes()

    # --- codes ----------------------------------------------------------------------------------------------

    def make_codes(
        self,
        vectors: Matrix,
        cancelled: Callable[[], bool] = lambda: False,
        *,
        anew: bool | None = None,
        wait: bool = True,
    ) -> bool:
        """Compute the missing codes of known slots; False when ``cancelled``, or if there is nothing to code.

        ``anew``: with another frame; by default if the collection has outgrown the present one. Without
        ``wait``, False if another thread is computing them.
        """
        taken: list[bool] = []
        try:
            taken.extend(map(self._coding.acquire, (wait,)))  # in one step, as in _locks
            if not taken[0]:
                return False
            end = min(self.slots, len(vectors))  # other threads may add some meanwhile
            codes = self.codes
            if codes is None or (self._outgrown(codes) if anew is None else anew):
                frame = self._frame(vectors[:end])
                if frame is None:
                    return False
                codes, self._outcomes = Codes(frame), _Outcomes()
            codes = codes.extended(vectors[:end], cancelled)
            if codes.end < end:
                return False
            self.codes = codes
            return True
        finally:
            if any(taken):
                self._coding.release()

    def adopt(self, codes: Codes) -> bool:
        """Take codes that were loaded from a file if there are none yet; returns whether they were taken."""
        with self._coding:
            if self.codes is not None or codes.end > self.slots or codes.frame.dimension != self.dimension:
                return False
            self.codes = codes
            return True

    def norms(self, end: int) -> Float64:
        """The norm of each slot below ``end``; 0 where there is no record's vector."""
        return self._norms[:end]

    def _outgrown(self, codes: Codes) -> bool:
        return self.slots > _OUTGROWN * codes.frame.rows

    def _frame(self, vectors: Matrix) -> Frame | None:
        slots = np.flatnonzero(self._norms[: len(vectors)] > 0)
        if not len(slots) or self.distance.in_codes is None:
            return None
        return Frame.chosen_for(self.distance.space, sample_of(vectors, slots), len(vectors))

    def has_codes_for(self, count: int, k: int, allowed: int | None = None, *, gathered: bool = False) -> bool:
        """Whether a search of ``count`` queries for ``k`` results uses codes.

        ``allowed``: the slots that may be returned (None: all). ``gathered``: only these are read.
        """
        if self.codes is None or self._outcomes.are_poor:
            return False
        return self._codes_pay_for(count, k, allowed, gathered=gathered)

    def _codes_pay_for(self, count: int, k: int, allowed: int | None, *, gathered: bool) -> bool:
        rows = self.slots if allowed is None else allowed
        if gathered and rows <= FEW_ALLOWED:
            return False
        if not codes_pay(self.distance.space, self.slots, self.dimension, count):
            return False
        return k * rows_per_result(count, gathered=gathered) <= rows

    @property
    def is_coding_due(self) -> bool:
        """Whether scanning has cost as much as coding, and coding would take too long for a search to wait."""
        missing = self.slots - (0 if self.codes is None else self.codes.end)
        return missing > 0 and self._scanned_seconds >= missing * self.dimension / 384 * CODING_SECONDS

    def _codes_for(self, vectors: Matrix, count: int) -> Codes | None:
        """The codes of all slots if they exist or are worth computing now; else None."""
        codes, share = self.codes, self.dimension / 384
        if codes is not None and codes.end == self.slots and not self._outgrown(codes):
            return codes
        whole = self.slots * share * CODING_SECONDS
        anew = codes is None or (self._outgrown(codes) and whole <= _LONGEST_WAIT)
        cost = whole if codes is None or anew else (self.slots - codes.end) * share * CODING_SECONDS
        scan = self.slots * share * (_SCAN_SECONDS if count < SMALLEST_BATCH else count * _MULTIPLY_SECONDS)
        if cost > min(_LONGEST_WAIT, self._scanned_seconds + scan) or not self.make_codes(
            vectors, anew=anew, wait=False
        ):
            self._scanned_seconds += scan
            return None
        return self.codes if self.codes is not None and self.codes.end == self.slots else None

    # --- searching ------------------------------------------------------------------------------------------

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
        """As ``ExactIndex.search``."""
        return self.counted_search(vectors, queries, k, order, among=among, dead=dead)[0]

    def counted_search(
        self,
        vectors: Matrix,
        queries: Matrix,
        k: int,
        order: Slots,
        *,
        among: Slots | None = None,
        dead: Mask | None = None,
    ) -> tuple[list[tuple[Slots, Float64]], int]:
        """As ``search``, and how many of the queries used codes and not a scan."""
        pays = self.slots >= FEWEST_ROWS_FOR_A_BATCH and self._codes_pay_for(
            len(queries), k, _number_of(among, dead), gathered=among is not None
        )
        if pays and self._outcomes.are_poor:
            self._outcomes.leave_out(len(queries))
            pays = False
        codes = self._codes_for(vectors, len(queries)) if pays else None
        if codes is None:
            return super().search(vectors, queries, k, order, among=among, dead=dead), 0
        parts, mask = self._parts(codes, among, dead)
        with np.errstate(all="ignore"):
            found: list[tuple[Slots, Float64] | None] = [None] * len(queries)
            if len(queries) >= SMALLEST_BATCH:
                blocks = [block if slots is None else block.pick(slots - block.first) for block, slots in parts]
                found = nearest_to_each(codes, blocks, vectors, queries, k, order, mask)
                parts = [(block, None) for block in blocks]
            left = [number for number, nearest in enumerate(found) if nearest is None]
            if len(left) < SMALLEST_BATCH:  # else one product for all of them is faster
                for number in left:
                    found[number] = self._nearest_by_codes(codes, parts, vectors, queries[number], k, order, mask)
                left = [number for number in left if found[number] is None]
            self._outcomes.note(len(queries), len(left))
            scanned = iter(super().search(vectors, queries[left], k, order, among=among, dead=dead) if left else ())
            nearest_to_all = [next(scanned) if nearest is None else nearest for nearest in found]
            return nearest_to_all, len(queries) - len(left)

    def _parts(self, codes: Codes, among: Slots | None, dead: Mask | None) -> tuple[list[Part], Mask | None]:
        """The blocks to bound, and a mask of the slots to skip."""
        if among is None:
            return [(block, None) for block in codes.blocks], dead
        if len(among) > GATHERED_SHARE * self.slots:
            mask = np.ones(self.slots, np.bool_)
            mask[among] = False
            return [(block, None) for block in codes.blocks], mask
        return [
            (block, slots[start : start + _GATHERED])
            for block, slots in codes.parts_of(np.sort(among))
            for start in range(0, len(slots), _GATHERED)
        ], None

    def _nearest_by_codes(
        self, codes: Codes, parts: list[Part], vectors: Matrix, query: Vector, k: int, order: Slots, dead: Mask | None
    ) -> tuple[Slots, Float64] | None:
        """The k nearest to one query; None if codes narrow too little."""
        queries = Queries(codes, query[None])
        if not queries.usable[0]:
            return None
        bounds = _LowerBounds(parts, queries, dead)
        first = bounds.lowest(k)
        if first is None:
            return None
        nearest = self._nearest(vectors, query, bounds.slots(first), k, order)
        if len(first) < k:  # no other slots are allowed
            return nearest
        limit = rounded_up(queries.limits(queries.keys(nearest[1][-1:])))[0]
        if np.isnan(limit):
            return None
        near = bounds.at_most(limit)
        if len(near) > max(NARROWED, LARGEST_LEFT * bounds.count):
            return None
        slots = bounds.slots(near)
        if len(near) > max(NARROWED, 4 * k):
            slots = self._by_float32(vectors, query, slots, k)
        return self._nearest(vectors, query, slots, k, order)

    def _by_float32(self, vectors: Matrix, query: Vector, slots: Slots, k: int) -> Slots:
        """Those of ``slots`` that float32 cannot rule out.

        By differences, whose errors are relative to the distance, wherever the origin is: with u = 2^-24 a sum of d
        squares of differences is wrong by (d + 3) u of itself. For cosine |x/|x| - q/|q||^2 / 2 is taken, in which
        x/|x| and q/|q| are wrong by 3 u of length in all, and their difference by u; a sum of d products (ip) by
        (d + 3) u |x||q|. Twice that is allowed for.
        """
        asked = np.asarray(query, np.float32)
        if not np.array_equal(asked, query) or not self._largest_norm <= _LARGEST_NORM:
            return slots
        form = form_of(self.distance.space)
        cosine, l2 = form.of_directions, form.of_differences
        if cosine:
            self.prepare(vectors)
            asked = np.asarray(query / np.linalg.norm(query.astype(np.float64)), np.float32)
        relative, absolute = np.float32(2 * (self.dimension + 8)) * _U, np.float32(0 if not cosine else 8) * _U
        values, errors = np.empty(len(slots), np.float32), np.empty(len(slots), np.float32)
        room = np.empty((_COPIED, self.dimension), np.float32)
        for start in range(0, len(slots), _COPIED):
            some = slots[start : start + _COPIED]
            rows, value, error = room[: len(some)], values[start : start + _COPIED], errors[start : start + _COPIED]
            np.take(vectors, some, axis=0, out=rows, mode="clip")
            if cosine:
                rows *= self._scale[some, None]
            if cosine or l2:
                rows -= asked
                np.vecdot(rows, rows, out=value)
                error[:] = value * relative + (2 * np.sqrt(value) + absolute) * absolute
            else:
                np.vecdot(rows, asked, out=value)
                error[:] = relative * (np.sqrt(np.vecdot(rows, rows) * np.vecdot(asked, asked)) + 1)
                np.subtract(1, value, out=value)
            if cosine:
                zero = self._norms[some] == 0
                value[zero], error[zero] = 2, 0
        # Underflow; and float64's own error, if float32 compares distances that are as small.
        errors += np.float32(self.dimension * 2.0**-125 + (2 * float64_error(self.dimension) if cosine else 0.0))
        worst = np.partition(values + errors, k - 1)[k - 1]
        left: Slots = slots[~(values - errors > np.nextafter(worst, np.float32(np.inf)))]
        return left


def _number_of(among: Slots | None, dead: Mask | None) -> int | None:
    """How many slots may be returned; None means all."""
    if among is not None:
        return len(among)
    return None if dead is None else len(dead) - int(np.count_nonzero(dead))


class _LowerBounds:
    """``lower`` of every row of some parts, and the minima of groups of rows."""

    def __init__(self, parts: list[Part], queries: Queries, dead: Mask | None) -> None:
        """Bounds for the first of ``queries``."""
        named = [some for block, slots in parts if (some := block.gathered if slots is None else slots) is not None]
        #: None means that the rows are the slots from 0 on.
        self._slots: Slots | None = np.concatenate(named) if named else None
        starts = np.cumsum([0, *(len(block) if slots is None else len(slots) for block, slots in parts)]).tolist()
        self.count = starts[-1]
        self._bounds = np.empty(-(-self.count // _GROUP) * _GROUP, np.float32)
        self._bounds[self.count :] = np.inf
        units, step = queries.units[0], queries.steps[0]

        def bound(number: int) -> None:
            """The bounds of one part."""
            block, slots = parts[number]
            if slots is not None:
                block = block.pick(slots - block.first)
            out = self._bounds[starts[number] : starts[number + 1]]
            np.add(int8_products.products(units, block.codes), queries.margins(block)[0], out=out)
            out *= block.scales
            out *= -step
            out += block.biases
            if dead is not None:
                np.copyto(out, np.inf, where=dead[block.first : block.end])

        halt = Halt()

        def work(first: int, last: int) -> None:
            """Compute the bounds of some parts; an interrupt is delivered between two parts."""
            for number in range(first, last):
                if halt.is_asked:
                    return
                bound(number)

        bytes_of_a_part = max(1, self.count * len(units) // max(1, len(parts)))
        in_parts(len(parts), -(-_BYTES_OF_A_THREAD // bytes_of_a_part), work, halt)
        # Group g is the rows g, g + n/64, ...: the minimum of 64 rows laid side by side.
        self._minima = self._bounds.reshape(_GROUP, -1).min(axis=0)

    def slots(self, places: Slots) -> Slots:
        """The slots of rows."""
        return places if self._slots is None else self._slots[places]

    def lowest(self, k: int) -> Slots | None:
        """The k rows of least bound, or all; None if bounds are not numbers."""
        if np.isnan(self._minima).any():
            return None
        places: Slots = np.arange(len(self._bounds))
        if 2 * k <= len(self._minima):  # k groups hold k rows at or below the k-th least minimum
            places = self._members(np.argpartition(self._minima, k - 1)[:k])
        if k < len(places):
            places = places[np.argpartition(self._bounds[places], k - 1)[:k]]
        return places[self._bounds[places] < np.inf]

    def at_most(self, limit: np.float32) -> Slots:
        """The rows whose bound is not above ``limit``, in any order."""
        groups = np.flatnonzero(self._minima <= limit)
        if 4 * len(groups) > len(self._minima):
            places = np.flatnonzero(self._bounds <= limit)
        else:
            places = self._members(groups)
            places = places[self._bounds[places] <= limit]
        return places if limit < np.inf else places[self._bounds[places] < np.inf]

    def _members(self, groups: Slots) -> Slots:
        members: Slots = (groups[:, None] + np.arange(_GROUP) * len(self._minima)).ravel()
        return members

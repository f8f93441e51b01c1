"""Postings: which records hold a dimension of a sparse vector, and with which value.

There is one list for each dimension: the places of its records, ascending, and their values as stored
(float32). A query walks only the lists of its own dimensions, so records that share none with it are not found. The
arrays do not change; ``sparse.py`` holds what was added and deleted since they were made.

The score is ``1 - dot(query, record)``, added up in float64 in the order of the dimensions and compared as float32:
the same on every path below, to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Final, TypeAlias, cast

import numpy as np

from chroma_nb.engine.arrays import EMPTY, Float32, Float64, Ints, Mask, Rows, found_in
from chroma_nb.types import SPARSE_DIMENSIONS, Array, Int32, SparseVector

#: A query whose lists hold fewer than one posting for this many records sorts them; others add up over all records.
_FEW_POSTINGS: Final = 64
#: Looking up an allowed record in a list costs as much as adding up this many postings.
_LOOKUP: Final = 24
#: Postings for each record above which long lists are left out if possible, and the share of short ones.
_WORTH_BOUNDS: Final = 0.25
_SHORT: Final = 0.3
#: The number of lists above which computing bounds takes longer than adding them up.
_MOST_BOUNDED: Final = 1_000
#: Share of the blocks above which looking up values in the long lists takes longer than adding them up.
_MOST_NEAR: Final = 0.25
#: More than the rounding error of a sum of products.
_ROUNDING: Final = 1 + 1e-9
#: Records in a block, whose best score is used to estimate the k-th best of all.
_BLOCK: Final = 256

#: Start, end and the query's weight of a list.
_List: TypeAlias = tuple[int, int, float]


@dataclass(frozen=True)
class SparseRows:
    """The sparse vectors of some rows (ascending): ``lengths`` entries of each, their dimensions ascending."""

    rows: Rows
    lengths: Ints
    dimensions: Ints
    values: Float32

    @classmethod
    def of(cls, rows: Rows, vectors: Sequence[SparseVector]) -> SparseRows:
        """The vectors of ``rows``, one for each."""
        return cls.of_entries(rows, [vector.indices for vector in vectors], [vector.values for vector in vectors])

    @classmethod
    def of_entries(cls, rows: Rows, indices: Sequence[Sequence[int]], values: Sequence[Sequence[float]]) -> SparseRows:
        """The vectors of ``rows``, by the dimensions and the values of each."""
        lengths = np.fromiter(map(len, indices), np.int64, len(indices))
        count = int(lengths.sum())
        dimensions = np.fromiter(chain.from_iterable(indices), np.int64, count)
        with np.errstate(over="ignore"):  # a value that float32 cannot hold is infinite
            numbers = np.fromiter(chain.from_iterable(values), np.float32, count)
        return cls(np.asarray(rows, np.int64), lengths, dimensions, numbers)

    @classmethod
    def last_of(cls, changes: Sequence[SparseRows]) -> SparseRows:
        """The result of successive changes: the last vector of each row."""
        if len(changes) == 1:
            return changes[0]
        rows = np.concatenate([EMPTY, *(change.rows for change in changes)])
        lengths = np.concatenate([EMPTY, *(change.lengths for change in changes)])
        dimensions = np.concatenate([EMPTY, *(change.dimensions for change in changes)])
        values = np.concatenate([np.empty(0, np.float32), *(change.values for change in changes)])
        _, from_the_end = np.unique(rows[::-1], return_index=True)
        last = len(rows) - 1 - from_the_end  # by row, ascending
        starts, kept = np.cumsum(lengths) - lengths, lengths[last]
        entries = np.arange(int(kept.sum())) + np.repeat(starts[last] - (np.cumsum(kept) - kept), kept)
        return cls(rows[last], kept, dimensions[entries], values[entries])


class Allowed:
    """The rows (ascending) that a search may return, as rows and as a mask."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    @cached_property
    def mask(self) -> Mask:
        """By row, as long as the last of them."""
        mask = np.zeros(int(self.rows[-1]) + 1 if len(self.rows) else 0, np.bool_)
        mask[self.rows] = True
        return mask

    def holds(self, rows: Rows) -> Mask:
        """Which of these rows are allowed."""
        may = rows < len(self.mask)
        may[may] = self.mask[rows[may]]
        return may


@dataclass(frozen=True)
class Postings:
    """Lists by dimension. A place is a record's number in ``rows``; list i is ``starts[i]:starts[i + 1]``."""

    rows: Rows
    dimensions: Ints
    starts: Ints
    places: Int32
    values: Float32
    #: By place: whether the record still has this vector; None means that all do.
    alive: Mask | None = None

    # --- making -----------------------------------------------------------------------------------------------

    @classmethod
    def of(cls, vectors: SparseRows) -> Postings:
        """The lists of these vectors. ValueError for a dimension of 2**32 or more."""
        some = vectors.lengths > 0
        rows, lengths, dimensions = vectors.rows[some], vectors.lengths[some], vectors.dimensions
        if len(dimensions) and int(dimensions.max()) >= SPARSE_DIMENSIONS:
            raise ValueError(f"Expected dimensions below {SPARSE_DIMENSIONS}, got {int(dimensions.max())}")
        # Dimensions have 32 bits: one and the number of its entry are one integer of 64.
        # The entries come by row, so dimension and number of the entry, sorted as one integer, are the lists in order:
        # a fifth of the time of argsort.
        bits = len(dimensions).bit_length()
        packed = np.sort(dimensions << bits | np.arange(len(dimensions)))
        order = packed & ((1 << bits) - 1)
        places = np.repeat(np.arange(len(rows), dtype=np.int32), lengths)
        return cls._in_order(rows, packed >> bits, places[order], vectors.values[order])

    @classmethod
    def merged(cls, parts: Sequence[Postings]) -> Postings:
        """The live records of all parts; each is live in one of them only."""
        rows = np.sort(np.concatenate([EMPTY, *(part.live_rows() for part in parts)]))
        bits = len(rows).bit_length()
        keys, values = EMPTY, np.empty(0, np.float32)
        for part in parts:
            keys, values = _woven(keys, values, *part._entries(rows, bits))
        return cls._in_order(rows, keys >> bits, (keys & ((1 << bits) - 1)).astype(np.int32), values)

    @classmethod
    def _in_order(cls, rows: Rows, dimensions: Ints, places: Int32, values: Float32) -> Postings:
        """From entries in order of dimension and place."""
        first = np.flatnonzero(np.diff(dimensions, prepend=-1))
        return cls(rows, dimensions[first], np.append(first, len(dimensions)), places, values)

    def without(self, rows: Rows) -> Postings:
        """With these rows (ascending) dead; unknown rows are ignored."""
        places = self._places_of(rows)
        if not len(places):
            return self
        alive = np.ones(len(self.rows), np.bool_) if self.alive is None else self.alive.copy()
        alive[places] = False
        return replace(self, alive=alive)

    def arrays(self) -> dict[str, Array]:
        """The arrays from which ``from_arrays`` builds the same lists; for lists without dead records."""
        if self.alive is not None:
            raise ValueError("Expected lists without dead records, got some: merge them first")
        return {name: getattr(self, name) for name in ("rows", "dimensions", "starts", "places", "values")}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Postings:
        """The lists with these ``arrays``, which may be mapped from a file: they are only read."""
        return cls(**arrays)

    # --- contents ---------------------------------------------------------------------------------------------

    @property
    def live(self) -> int:
        """How many records are live."""
        return len(self.rows) if self.alive is None else int(np.count_nonzero(self.alive))

    def live_rows(self) -> Rows:
        """The rows of the live records, ascending."""
        return self.rows if self.alive is None else self.rows[self.alive]

    def frequencies(self, dimensions: Ints) -> Ints:
        """How many live records hold each dimension, with any value."""
        return np.array([self._live_in(start, stop) for start, stop in self._lists(dimensions)], np.int64)

    def entries_of(self, rows: Rows, dimensions: Ints) -> Float64:
        """The values of live rows (ascending), shape (rows, dimensions); NaN where a row does not hold one."""
        found = np.full((len(rows), len(dimensions)), np.nan)
        places, numbers = self._places_and_numbers(rows)
        for column, (start, stop) in enumerate(self._lists(dimensions)):
            there, at = found_in(self.places[start:stop], places)
            found[numbers[there], column] = self.values[start:stop][at]
        return found

    def lists(self, dimensions: Ints) -> list[tuple[Rows, Float32]]:
        """The rows of the live records that hold each dimension, ascending, and their values."""
        found = []
        for start, stop in self._lists(dimensions):
            places, values = self.places[start:stop], self.values[start:stop]
            if self.alive is not None:
                live = self.alive[places]
                places, values = places[live], values[live]
            found.append((self.rows[places], values))
        return found

    def _lists(self, dimensions: Ints) -> list[tuple[int, int]]:
        """Start and end of the list of each dimension; empty where no record holds it."""
        if not len(self.dimensions):
            return [(0, 0)] * len(dimensions)
        numbers = np.minimum(np.searchsorted(self.dimensions, dimensions), len(self.dimensions) - 1)
        there = self.dimensions[numbers] == dimensions
        starts = self.starts[numbers]
        return list(zip(starts.tolist(), np.where(there, self.starts[numbers + 1], starts).tolist(), strict=True))

    def _live_in(self, start: int, stop: int) -> int:
        if self.alive is None:
            return stop - start
        if _LOOKUP * len(self._dead_places) < stop - start:
            return stop - start - len(found_in(self.places[start:stop], self._dead_places)[0])
        return int(np.count_nonzero(self.alive[self.places[start:stop]]))

    @cached_property
    def _dead_places(self) -> Int32:
        return np.flatnonzero(~cast(Mask, self.alive)).astype(np.int32)

    def _entries(self, rows: Rows, bits: int) -> tuple[Ints, Float32]:
        """The live entries in order: dimension and, in that many bits, place in ``rows``, as one integer; values."""
        keys = np.repeat(self.dimensions << bits, np.diff(self.starts))
        if np.array_equal(rows[: len(self.rows)], self.rows):  # the other entries are newer
            keys |= self.places
        else:
            keys |= np.searchsorted(rows, self.rows).astype(np.int32)[self.places]
        if self.alive is None:
            return keys, self.values
        live = self.alive[self.places]
        return keys[live], self.values[live]

    @cached_property
    def _is_one_stretch(self) -> bool:
        """Whether the rows are consecutive."""
        return bool(len(self.rows)) and int(self.rows[-1] - self.rows[0]) == len(self.rows) - 1

    def _places_of(self, rows: Rows) -> Int32:
        """The places of those live rows (ascending) that are here."""
        return self._places_and_numbers(rows)[0]

    def _places_and_numbers(self, rows: Rows) -> tuple[Int32, Ints]:
        """The places of those live rows (ascending) that are here, and which of ``rows`` they are."""
        if self._is_one_stretch:
            first, last = np.searchsorted(rows, (self.rows[0], self.rows[-1] + 1)).tolist()
            numbers, places = np.arange(first, last), rows[first:last] - self.rows[0]
        else:
            numbers, places = found_in(self.rows, rows)
        if self.alive is not None:
            live = self.alive[places]
            numbers, places = numbers[live], places[live]
        return places.astype(np.int32), numbers

    # --- searching --------------------------------------------------------------------------------------------

    def nearest(
        self, dimensions: Ints, weights: Float64, k: int, allowed: Allowed | None = None
    ) -> tuple[Rows, Float32]:
        """(rows, scores) of the ``k`` live records with the lowest score, NaN last; ties in the order of rows.

        ``dimensions`` ascending, each once. A record that holds one of them counts, even if the product is 0.
        """
        lists = [
            (start, stop, weight)
            for (start, stop), weight in zip(self._lists(dimensions), weights.tolist(), strict=True)
            if start < stop
        ]
        if not lists or k <= 0:
            return EMPTY, np.empty(0, np.float32)
        with np.errstate(all="ignore"):  # products of infinite values, and more than float32 can hold
            places, dots = self._candidates(lists, k, allowed)
            scores = (1.0 - dots).astype(np.float32)
        if len(scores) > k:
            places, scores = _up_to_place(places, scores, k)
        order = np.argsort(scores, kind="stable")[:k]
        return self.rows[places[order]], scores[order]

    def _candidates(self, lists: list[_List], k: int, allowed: Allowed | None) -> tuple[Ints | Int32, Float64]:
        """Places, ascending, with their dot products; the ``k`` best that may be returned are among them."""
        count = sum(stop - start for start, stop, _ in lists)
        if allowed is not None and _LOOKUP * len(lists) * len(allowed.rows) < count + len(self.rows) // 4:
            return self._looked_up(lists, self._places_of(allowed.rows))
        may = self._may(allowed)
        if _FEW_POSTINGS * count < len(self.rows):
            return self._summed(lists, may)
        if count > _WORTH_BOUNDS * len(self.rows) and len(lists) <= _MOST_BOUNDED:
            short, rest = self._without_long(lists, count)
            found = self._reaching(short, rest, may, k) if short else None
            if found is not None:
                return self._looked_up(lists, found[0].astype(np.int32))
        found = self._reaching(lists, 0.0, may, k)
        return self._touched(lists, may) if found is None else found

    def _without_long(self, lists: list[_List], count: int) -> tuple[list[_List], float]:
        """The short lists that weigh most, and the most that the others can add to a dot product; no lists: use all.

        Frequent words, which have the long lists, weigh little by inverse document frequency. What the short lists
        alone bring to ``k`` records is a dot product that a record needs to be among them; where the long lists cannot
        bring as much, only records of the short lists can. (MaxScore, of Turtle and Flood, in two steps.)
        """
        bounds = [weight * float(self.values[start:stop].max()) for start, stop, weight in lists]
        heaviest = sorted(range(len(lists)), key=lambda number: -bounds[number])
        sizes = np.cumsum([lists[number][1] - lists[number][0] for number in heaviest])
        short = int(np.searchsorted(sizes, count * _SHORT, "right"))
        rest = sum(bounds[number] for number in heaviest[short:])
        if not rest < sum(bounds) / 2 or not all(
            weight >= 0 and self.values[start:stop].min() >= 0 for start, stop, weight in lists
        ):
            return [], 0.0
        return [lists[number] for number in heaviest[:short]], rest * _ROUNDING

    def _summed(self, lists: list[_List], may: Mask | None) -> tuple[Ints, Float64]:
        """The dot products of the records in short lists."""
        places, products = self._products(lists)
        touched, numbers = np.unique(places, return_inverse=True)
        dots = _sums(numbers, products, len(touched))
        if may is None:
            return touched, dots
        kept = may[touched]
        return touched[kept], dots[kept]

    def _looked_up(self, lists: list[_List], places: Int32) -> tuple[Int32, Float64]:
        """The dot products of these places, as far as they share a dimension."""
        found = [(weight, start, *found_in(self.places[start:stop], places)) for start, stop, weight in lists]
        numbers = np.concatenate([there for _, _, there, _ in found])
        products = np.concatenate([self.values[start + at].astype(np.float64) * w for w, start, _, at in found])
        touched = np.zeros(len(places), np.bool_)
        touched[numbers] = True
        return places[touched], _sums(numbers, products, len(places))[touched]

    def _products(self, lists: list[_List]) -> tuple[Ints, Float64]:
        """Of all postings of the lists, one list after the other: the place, and value times weight."""
        count = sum(stop - start for start, stop, _ in lists)
        places, products, filled = np.empty(count, np.int64), np.empty(count), 0
        for start, stop, weight in lists:
            end = filled + stop - start
            places[filled:end] = self.places[start:stop]
            np.multiply(self.values[start:stop], weight, out=products[filled:end], dtype=np.float64)
            filled = end
        return places, products

    def _may(self, allowed: Allowed | None) -> Mask | None:
        """By place: whether it may be returned; None if all may."""
        if allowed is None:
            return self.alive
        mask = allowed.mask
        may = np.zeros(len(self.rows), np.bool_)
        if self._is_one_stretch:
            among = mask[self.rows[0] : self.rows[-1] + 1]
            may[: len(among)] = among
        else:
            short = self.rows < len(mask)
            may[short] = mask[self.rows[short]]
        return may if self.alive is None else may & self.alive

    def _reaching(self, lists: list[_List], rest: float, may: Mask | None, k: int) -> tuple[Ints, Float64] | None:
        """Those whose dot product over these lists is within ``rest`` of the ``k``-th best, or above.

        None where fewer than ``k`` have more than ``rest``, or too many are within it. The best of each block of
        records tell what the k-th reaches at least, so that few blocks are looked at.
        """
        blocks = -(-len(self.rows) // _BLOCK)
        if blocks <= k:
            return None
        dots = _sums(*self._products(lists), blocks * _BLOCK)
        if may is not None:  # a product, since assigning to a random half of the places takes five times as long
            dots[: len(may)] *= may
        table = dots.reshape(blocks, _BLOCK)
        maxima = table.max(axis=1)
        if np.isnan(maxima).any():  # they hide the others of their block
            return None
        least = _least_that_may_tie(float(np.partition(maxima, blocks - k)[blocks - k]) / _ROUNDING)
        if not least > rest:
            return None
        near = np.flatnonzero(maxima >= least - rest)
        if rest and len(near) > _MOST_NEAR * blocks:
            return None
        block, column = np.nonzero(table[near] >= least - rest)
        found = near[block] * _BLOCK + column
        return found, dots[found]

    def _touched(self, lists: list[_List], may: Mask | None) -> tuple[Ints, Float64]:
        """All records of the lists, with their dot products."""
        places, products = self._products(lists)
        touched = np.zeros(len(self.rows), np.bool_)
        touched[places] = True
        if may is not None:
            touched &= may
        found = np.flatnonzero(touched)
        return found, _sums(places, products, len(self.rows))[found]


def _sums(numbers: Ints, products: Float64, count: int) -> Float64:
    """The sum of the products of each number, in the order in which they come: the same bits on every path."""
    return cast(Float64, np.bincount(numbers, products, count))


def _least_that_may_tie(dot: float) -> float:
    """A dot product below all others whose score, as float32, is not above that of ``dot``."""
    above = np.nextafter(np.float32(1.0 - dot), np.float32(np.inf))
    return float(np.nextafter(1.0 - float(above), -np.inf))


def _woven(keys: Ints, values: Float32, more: Ints, of_more: Float32) -> tuple[Ints, Float32]:
    """Two ascending sequences of keys, with a value for each, merged; a few keys are inserted into many."""
    if len(more) > len(keys):
        keys, values, more, of_more = more, of_more, keys, values
    at = np.searchsorted(keys, more) + np.arange(len(more))
    others = np.ones(len(keys) + len(more), np.bool_)
    others[at] = False
    all_keys, all_values = np.empty(len(others), np.int64), np.empty(len(others), np.float32)
    all_keys[at], all_values[at] = more, of_more
    all_keys[others], all_values[others] = keys, values
    return all_keys, all_values


def _up_to_place(places: Array, scores: Float32, k: int) -> tuple[Array, Float32]:
    """Those with the ``k`` lowest scores, and all that tie with the last of them."""
    last = np.partition(scores, k - 1)[k - 1]
    if np.isnan(last):
        return places, scores
    near = scores <= last
    return places[near], scores[near]

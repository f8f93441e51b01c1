"""Vectors as 8-bit codes with a proved bound, by which ``certified.py`` searches.

*Frame.* A row x and a query q are seen from a centre c, brought near length 1 by a power of two, and turned where
single coordinates are much larger than the rest (``Frame``):

    x' = R (x - c) 2^k        r = R (q - c) 2^k        cosine: of x/|x| and q/|q|, with k = 0

In a frame every space is one formula, up to what depends on the query alone:

    key_i = B_i - x'_i . r
    l2      B = |x'|^2 / 2    distance 2^2k = 2 key + |r|^2
    cosine  B = |x'|^2 / 2    distance      =   key + |r|^2 / 2     (c = 0: B = 0, distance = 1 + key)
    ip      B = -x' . c       distance 2^2k = 2^2k + key - c . q    (c and q scaled by 2^k each)

A zero vector has cosine distance 1 by definition, which is 1/2 more than the formula with a centre gives: B + 1/2.

*Codes.* x' = s u + e and r = t v + f, with u and v of int8 in [-127, 127], s and t of float32, about max|x'|/127
and max|r|/127. What is left out of x' . r = s t (u . v) + e . r + (s u) . f is bounded by Cauchy and Schwarz:

    |x'_i . r - s_i t (u_i . v)| <= s_i kappa      kappa = E |r| + W |f|      E = max |e_i|/s_i     W = max |u_i|
    lower_i = B_i - s_i (t (u_i . v) + kappa) <= key_i <= lower_i + 2 s_i kappa

One kappa serves all rows of a block: |e|/s is near sqrt(d/12) for every row and never above sqrt(d)/2.

*Rounding.* With u = 2^-24 (float32) and 2^-53 (float64):

- The product u . v is an integer, exact in float32 below 2^24 (d <= 1040) and wrong by one u of itself above. With
  it ``lower`` takes five roundings, each at most u (|s u||t v| + s kappa), where |s u| <= 1.25 |x'|, |t v| <= 1.25 |r|
  and kappa s <= 0.6 |x'||r| for d <= 4096: together below 16 u |x'||r|. E is raised by 32 u |x'|/s, which gives back
  twice that; B is lowered by 32 u |B|, which covers its own rounding and that of the last addition.
- x' and r are computed in float64: x - c is rounded relative to itself, a rotation is wrong by 1e-11 |x'| at most
  (d <= 1024), both far inside those 32 u. Division by a norm is wrong by (d + 5) 2^-53 absolutely: see ``Queries``.
- Products below 2^-126 lose digits: absolutely less than 1e-36, which ``Queries.limits`` adds.
- Nothing overflows: |x'| <= 2^30 in each coordinate or the row is not coded, and a query above 1e15 is refused.

A row that is not coded (too long, or not finite, as no record's vector is) has B = -inf: it is always measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from chroma_nb.engine.arrays import Float32, Float64, Mask, Slots
from chroma_nb.engine.index.distances import DISTANCES, InCodes
from chroma_nb.engine.index.int8_products import Int8
from chroma_nb.engine.threads import Halt, in_parts
from chroma_nb.types import Matrix

#: Rows of a block: what is bounded, checked and scanned together. With 2,048 a scan takes a quarter longer.
BLOCK_ROWS: Final = 16_384
#: Rows encoded at a time: their float64 numbers stay in the cache, and in memory that is used again.
_AT_ONCE: Final = 256
#: Rows in the sample by which a frame is chosen.
_SAMPLE: Final = 1_024
#: The relative rounding error: see the module's docstring.
SLACK: Final = 32 * 2.0**-24
#: The longest coordinate that is coded, of vectors whose sample has coordinates up to 1.
_LARGEST: Final = 2.0**30
#: The finest steps of rows and of queries; anything shorter is residual.
_FINEST_ROW: Final = np.float32(2.0**-60)
_FINEST_QUERY: Final = 2.0**-36
#: The largest coordinate of a query that codes are used for.
_LARGEST_QUERY: Final = 1e15
#: Dimensions in which a rotation is worth its cost: two products of d * d a row.
_ROTATED: Final = range(32, 1025)
#: A rotation must divide the residual of the sample by at least this.
_ROTATION_PAYS: Final = 2.0
#: The centre is worth its bias when its square is above this share of the spread.
_CENTRE_PAYS: Final = 0.25


@dataclass(frozen=True, eq=False)
class Frame:
    """How the vectors of a collection are seen before they are coded; see the module's docstring.

    ``rows``: how many there were when it was chosen. A frame changes the cost of a search, never its result.
    """

    space: str
    dimension: int
    exponent: int
    centre: Float64 | None
    rotation: Float64 | None
    rows: int

    @classmethod
    def chosen_for(cls, space: str, sample: Float64, rows: int) -> Frame:
        """The frame for a collection; ``sample`` (n, d) are some of its vectors that are not zero."""
        dimension, directions = sample.shape[1], form_of(space).of_directions
        if directions:
            sample = sample * _inverse(_lengths(sample))[:, None]
        centre = sample.mean(axis=0)
        spread = float(np.square(sample - centre).sum()) / len(sample)
        square = float(centre @ centre)
        centred = square > _CENTRE_PAYS * spread
        if centred:
            sample = sample - centre
        largest = max(float(np.abs(sample).max()), np.sqrt(square) * 2.0**-24 if centred else 0.0)
        exponent = -int(np.ceil(np.log2(largest))) if not directions and largest > 0 else 0
        rotation = _rotation_that_pays(sample)
        return cls(space, dimension, exponent, centre if centred else None, rotation, rows)

    @property
    def form(self) -> InCodes:
        """The formula that is used."""
        return form_of(self.space)

    @property
    def has_half_squares(self) -> bool:
        """Whether B is |x'|^2 / 2."""
        return self.form.of_differences or (self.form.of_directions and self.centre is not None)

    def shifted(self, vectors: Float64) -> Float64:
        """(x - c) 2^k of each row (cosine: x/|x| - c), before the rotation."""
        if self.form.of_directions:
            vectors = vectors * _inverse(_lengths(vectors))[:, None]
        if self.centre is not None:
            vectors = vectors - self.centre
        return vectors * 2.0**self.exponent if self.exponent else vectors

    def turned(self, shifted: Float64) -> Float64:
        """R times each row."""
        return shifted if self.rotation is None else shifted @ self.rotation


@dataclass(frozen=True, eq=False)
class Block:
    """The codes of consecutive slots from ``first`` on, or of ``gathered`` ones.

    ``residual`` is E, ``length`` W, ``longest`` the largest |x'|. Immutable: a block that grows is another one, which
    may share its arrays, since rows are only added behind those that it knows.
    """

    codes: Int8
    scales: Float32
    biases: Float32
    residual: float
    length: float
    longest: float
    first: int
    gathered: Slots | None = None

    def __len__(self) -> int:
        return len(self.scales)

    @property
    def end(self) -> int:
        """The slot after the last one, for consecutive slots."""
        return self.first + len(self.scales)

    def slots(self, places: Slots) -> Slots:
        """The slots of rows of this block."""
        return places + self.first if self.gathered is None else self.gathered[places]

    def pick(self, places: Slots) -> Block:
        """Some rows, copied."""
        return replace(
            self,
            # "clip", although no index is out of range: with "raise" numpy copies twice.
            codes=np.take(self.codes, places, axis=0, mode="clip"),
            scales=np.take(self.scales, places, mode="clip"),
            biases=np.take(self.biases, places, mode="clip"),
            gathered=self.slots(places),
        )


@dataclass(frozen=True, eq=False)
class Codes:
    """The codes of the slots from 0 on: all blocks but the last are of BLOCK_ROWS. Immutable, as blocks are."""

    frame: Frame
    blocks: tuple[Block, ...] = ()

    @property
    def end(self) -> int:
        """The slots below this are coded."""
        return self.blocks[-1].end if self.blocks else 0

    @property
    def longest(self) -> float:
        """The largest |x'|."""
        return max((block.longest for block in self.blocks), default=0.0)

    @property
    def nbytes(self) -> int:
        """Bytes of codes, scales and biases."""
        return sum(block.codes.nbytes + block.scales.nbytes + block.biases.nbytes for block in self.blocks)

    def parts_of(self, slots: Slots) -> Iterator[tuple[Block, Slots]]:
        """Each block that has some of ``slots`` (ascending), with those."""
        bounds = np.searchsorted(slots, [block.first for block in self.blocks] + [self.end]).tolist()
        for block, start, stop in zip(self.blocks, bounds, bounds[1:], strict=False):
            if start < stop:
                yield block, slots[start:stop]

    def extended(self, vectors: Matrix, cancelled: Callable[[], bool] = lambda: False) -> Codes:
        """With the codes of all of ``vectors``, by slot; of fewer when ``cancelled``, which is called now and then.

        The leftovers of an interrupt are beyond the rows that any block knows.
        """
        codes = self
        while codes.end < len(vectors) and not cancelled():
            last = codes.blocks[-1] if codes.blocks else None
            codes = codes._with_blocks(vectors, last if last is not None and len(last) < BLOCK_ROWS else None)
        return codes

    def _with_blocks(self, vectors: Matrix, old: Block | None) -> Codes:
        """With one block more or, where two will be full, two; ``old``: the last, which has room."""
        first = self.end if old is None else old.first
        count = 2 if len(vectors) >= first + 2 * BLOCK_ROWS else 1
        made = [_EMPTY] * count

        halt = Halt()

        def encode(start: int, stop: int) -> None:
            """Some of the blocks, of which only the first can be begun already."""
            for number in range(start, stop):
                before = old if number == 0 else None
                made[number] = _encoded(self.frame, before, first + number * BLOCK_ROWS, vectors, halt)

        in_parts(count, 1, encode, halt)
        return Codes(self.frame, (*(self.blocks if old is None else self.blocks[:-1]), *made))


_EMPTY: Final = Block(np.empty((0, 0), np.int8), np.empty(0, np.float32), np.empty(0, np.float32), 0.0, 0.0, 0.0, 0)


def form_of(space: str) -> InCodes:
    """How codes bound the distances of a space, from ``distances.py``; ``certified.py`` checks that they do."""
    form = DISTANCES[space].in_codes
    if form is None:
        raise ValueError(f"there are no codes for {space!r}")
    return form


def sample_of(vectors: Matrix, slots: Slots) -> Float64:
    """Some of the vectors of ``slots``, spread over all."""
    chosen = slots[:: max(1, len(slots) // _SAMPLE)][:_SAMPLE]
    return vectors[chosen].astype(np.float64)


def coded(frame: Frame, vectors: Matrix) -> Block:
    """The codes of a few vectors, as if their slots began at 0."""
    return _encoded(frame, None, 0, vectors, Halt())


def _encoded(frame: Frame, old: Block | None, first: int, vectors: Matrix, halt: Halt) -> Block:
    """The block from slot ``first`` to the end of ``vectors``; ``old``: the part that exists already."""
    done, count = 0 if old is None else len(old), min(BLOCK_ROWS, len(vectors) - first)
    codes, scales, biases = _with_room(old, count, frame.dimension)
    residual, length, longest = (0.0, 0.0, 0.0) if old is None else (old.residual, old.length, old.longest)
    for start in range(done, count, _AT_ONCE):
        if halt.is_asked:
            return _EMPTY
        part = slice(start, min(start + _AT_ONCE, count))
        rows = vectors[first + part.start : first + part.stop]
        bounds = _encode(frame, rows, codes[part], scales[part], biases[part])
        residual, length, longest = max(residual, bounds[0]), max(length, bounds[1]), max(longest, bounds[2])
    return Block(codes[:count], scales[:count], biases[:count], residual, length, longest, first)


def _with_room(old: Block | None, count: int, dimension: int) -> tuple[Int8, Float32, Float32]:
    """Arrays for ``count`` rows that begin with those of ``old``: the same arrays if they have room."""
    room = None if old is None else _room_of(old)
    if old is not None and room is not None and len(room[1]) >= count:
        return room
    size = BLOCK_ROWS if count > BLOCK_ROWS // 4 else min(BLOCK_ROWS, 2 * count)
    codes, scales, biases = np.empty((size, dimension), np.int8), np.empty(size, np.float32), np.empty(size, np.float32)
    if old is not None:
        codes[: len(old)], scales[: len(old)], biases[: len(old)] = old.codes, old.scales, old.biases
    return codes, scales, biases


def _room_of(old: Block) -> tuple[Int8, Float32, Float32] | None:
    """The larger arrays that a block's arrays are views of; None if they are not such views."""
    codes, scales, biases = old.codes.base, old.scales.base, old.biases.base
    if isinstance(codes, np.ndarray) and isinstance(scales, np.ndarray) and isinstance(biases, np.ndarray):
        return codes, scales, biases
    return None


def _encode(frame: Frame, vectors: Matrix, codes: Int8, scales: Float32, biases: Float32) -> tuple[float, float, float]:
    """Fill ``codes``, ``scales`` and ``biases`` of some rows; returns their E, W and largest |x'|."""
    with np.errstate(all="ignore"):
        given = vectors.astype(np.float64)
        shifted = frame.shifted(given)
        turned = frame.turned(shifted)
        largest = np.maximum(turned.max(axis=1), -turned.min(axis=1))
        uncoded = ~(largest <= _LARGEST)  # not finite, too
        if uncoded.any():
            turned[uncoded], shifted[uncoded], largest[uncoded] = 0.0, 0.0, 0.0
        squares = np.einsum("ij,ij->i", shifted, shifted)
        scales[:] = np.maximum((largest / 127).astype(np.float32), _FINEST_ROW)
        scales[largest == 0] = 0
        steps = scales.astype(np.float64)
        inverse = _inverse(steps)
        units = np.rint(turned * inverse[:, None])
        np.clip(units, -127, 127, out=units)
        codes[:] = units
        biases[:] = _lowered(_biases(frame, given, shifted, squares))
        biases[uncoded] = -np.inf
        lengths = np.sqrt(np.einsum("ij,ij->i", units, units))
        units *= steps[:, None]
        turned = turned - units
        residuals = (np.sqrt(np.einsum("ij,ij->i", turned, turned)) + SLACK * np.sqrt(squares)) * inverse
        return float(residuals.max()), float(lengths.max()), float(np.sqrt(squares.max()))


def _biases(frame: Frame, given: Float64, shifted: Float64, squares: Float64) -> Float64:
    """B of each row."""
    if not frame.has_half_squares:
        if frame.centre is None:
            return np.zeros(len(given))
        return -(shifted @ np.ldexp(frame.centre, frame.exponent))
    half = squares / 2
    if frame.form.of_directions:
        half[~given.any(axis=1)] += 0.5
    return half


def _lowered(biases: Float64) -> Float64:
    return biases - SLACK * np.abs(biases)


class Queries:
    """Queries in a frame: their codes, and the terms that turn a distance into a key.

    ``usable``: which of them can be searched by codes; not those that are far too long or not finite, and for cosine
    not zero, which has the same distance to everything.
    """

    def __init__(self, codes: Codes, queries: Matrix) -> None:
        frame = self.frame = codes.frame
        wanted = queries.astype(np.float64)
        shifted = frame.shifted(wanted)
        turned = frame.turned(shifted)
        largest = np.abs(turned).max(axis=1)
        self.usable: Mask = largest <= _LARGEST_QUERY
        if frame.form.of_directions:
            self.usable &= wanted.any(axis=1)
        steps = np.maximum(largest / 127, _FINEST_QUERY)
        if not self.usable.all():
            steps[~self.usable] = 1.0
            turned = np.where(self.usable[:, None], turned, 0.0)
        #: t, and as float64 the same numbers.
        self.steps: Float32 = steps.astype(np.float32)
        exactly = self.steps.astype(np.float64)[:, None]
        units = np.clip(np.rint(turned / exactly), -127, 127)
        self.units: Int8 = units.astype(np.int8)
        self._residuals = _lengths(turned - units * exactly)
        self._squares = np.einsum("ij,ij->i", shifted, shifted)
        self._lengths = np.sqrt(self._squares)
        self._constant, self._slack = self._of_distances(codes, wanted)

    def _of_distances(self, codes: Codes, wanted: Float64) -> tuple[Float64, Float64]:
        """The term that is added to a distance (in the frame's scale) to get its key, and its rounding error."""
        frame, count = self.frame, len(wanted)
        if frame.has_half_squares:
            return -self._squares / 2, self._squares + (16.0 if frame.form.of_directions else 0.0)
        scale = np.ldexp(1.0, 2 * frame.exponent)
        if frame.form.of_directions:
            return np.full(count, -1.0), np.full(count, 16.0)
        centre = np.zeros(frame.dimension) if frame.centre is None else frame.centre
        away = np.ldexp(float(np.linalg.norm(centre)), frame.exponent)
        lengths = np.ldexp(_lengths(wanted), frame.exponent)
        return ((wanted @ centre) - 1.0) * scale, 2 * (codes.longest + away) * (lengths + away) + 2 * scale

    def margins(self, block: Block) -> Float32:
        """kappa / t of each query in this block."""
        kappa = block.residual * self._lengths + block.length * self._residuals
        return np.asarray(kappa / self.steps * (1 + 1e-6), np.float32)

    def keys(self, distances: Float64) -> Float64:
        """The key of a row at this distance, one for each query."""
        scaled = np.ldexp(distances, 2 * self.frame.exponent) if self.frame.exponent else distances
        return (scaled / 2 if self.frame.form.of_differences else scaled) + self._constant

    def limits(self, keys: Float64) -> Float64:
        """A row whose key is above this is farther, as float64 computes it, than any row whose key is ``keys``.

        What ``distances.py`` computes differs from the true distance by less than (2 d + 16) 2^-53 times the distance
        (l2), 1 (cosine), or |x||q| + 1 (ip; |x| <= |x'| + |c|): once for the one row, once for the other. And x/|x|,
        the biases of ip and the constants here are of float64: as much again.
        """
        size = 2 * np.abs(keys - self._constant) + self._slack
        limits: Float64 = keys + float64_error(self.frame.dimension) * size + 1e-36
        return limits


def float64_error(dimension: int) -> float:
    """The relative error of two distances and the constants of ``Queries``: see ``Queries.limits``."""
    return (8 * dimension + 128) * 2.0**-53


def rounded_up(values: Float64) -> Float32:
    """As float32, rounded up."""
    return np.nextafter(values.astype(np.float32), np.float32(np.inf))


def _rotation_that_pays(sample: Float64) -> Float64 | None:
    """A random rotation if single coordinates make the codes of the sample coarse, else None."""
    dimension = sample.shape[1]
    if dimension not in _ROTATED:
        return None
    before = _coarseness(sample)
    # A turned vector looks like a Gaussian one: its largest coordinate is near sqrt(2 ln d) of |x|/sqrt(d).
    if before < _ROTATION_PAYS * np.sqrt(2 * np.log(dimension)) / 440:
        return None
    rotation: Float64 = np.linalg.qr(np.random.default_rng(0).normal(size=(dimension, dimension)))[0]
    return rotation if _coarseness(sample @ rotation) * _ROTATION_PAYS < before else None


def _coarseness(rows: Float64) -> float:
    """The median error of a row's code, as a share of the row's length."""
    largest = np.abs(rows).max(axis=1)
    rows = rows[largest > 0]
    if not len(rows):
        return 0.0
    steps = largest[largest > 0] / 127
    return float(np.median(np.sqrt(rows.shape[1] / 12) * steps / _lengths(rows)))


def _lengths(rows: Float64) -> Float64:
    lengths: Float64 = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return lengths


def _inverse(values: Float64) -> Float64:
    inverse: Float64 = np.divide(1.0, values, out=np.zeros(len(values)), where=values > 0)
    return inverse

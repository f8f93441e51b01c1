"""Facets and descriptions: which values records have under their metadata keys, how often, in which ranges.

A facet is made of the different values of a key with their numbers of records (``Counted``). The engine counts columns
(``engine/search/facets.py``), ``counted`` counts values one by one, for other servers; from there on it is the same.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from chroma_nb._optional import require
from chroma_nb.cells import kind_of
from chroma_nb.query.ordering import rank_of
from chroma_nb.types import Array, SparseVector

if TYPE_CHECKING:
    import pandas

Value: TypeAlias = str | int | float | bool
Int64: TypeAlias = npt.NDArray[np.int64]
#: Bytes of texts, one text a column.
Letters: TypeAlias = npt.NDArray[np.uint8]
#: Metadata key -> the ends of the ranges in which its numbers are counted, ascending.
Edges: TypeAlias = Mapping[str, Sequence[float]]

#: Ranges that numbers are divided into, about.
_RANGES: Final = 10
#: Days, and months, that dates are counted by before the next longer unit is taken.
_MOST_DAYS, _MOST_MONTHS = 31, 36
#: Bytes of a text that are looked at for its place and its date: a day, and what may follow it.
_LETTERS: Final = 11
#: Characters of texts that are joined as a whole, in the mean.
_SHORT: Final = 100


# --- What comes back ---------------------------------------------------------------------------------------------
class ValueCount(NamedTuple):
    """A value and the number of records that have it, as the pair ``value``, ``records``."""

    value: Value
    records: int


class Range(NamedTuple):
    """A range of numbers and the number of records in it, as the triple ``lower``, ``upper``, ``records``.

    ``upper`` is not part of the range, except in the last one. If a record has a list, each number counts.
    """

    lower: float
    upper: float
    records: int


@dataclass(frozen=True)
class Facet:
    """The values that records have under one metadata key, as returned by ``facets``.

    ``print`` shows it as text, a notebook as a table.

    Attributes
    ----------
    key
        The metadata key.
    records
        How many records were counted.
    missing
        How many of them do not have the key.
    kinds
        How many records have a value of each kind, such as ``"int"``, ``"str"`` or ``"list of str"``.
    distinct
        How many different values there are. 1 and 1.0 are the same value, True is another one. If a
        record has a list, each element counts once.
    values
        The most frequent values with their counts, as ``ValueCount``. Values with equal counts are in the
        order of ``get(order_by=...)``.
    minimum
        The smallest number, or None.
    maximum
        The largest number, or None.
    ranges
        How many records have numbers in which range, as ``Range``.
    dates
        If all texts start with an ISO date: how many records there are for each day, month or year, as
        ``ValueCount``.
    """

    key: str
    records: int
    missing: int
    kinds: dict[str, int]
    distinct: int
    values: tuple[ValueCount, ...]
    minimum: float | None = None
    maximum: float | None = None
    ranges: tuple[Range, ...] = ()
    dates: tuple[ValueCount, ...] = ()

    def to_df(self) -> pandas.DataFrame:
        """Return the values and their counts as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            The columns ``value`` and ``records``, with a row for each value.

        Examples
        --------
        >>> from chroma_nb.facets import Facet, ValueCount
        >>> values = ValueCount("moon", 2), ValueCount("mars", 1)
        >>> Facet("topic", 3, 0, {"str": 3}, 2, values).to_df()
          value  records
        0  moon        2
        1  mars        1
        """
        frame: pandas.DataFrame = _pandas().DataFrame(list(self.values), columns=["value", "records"])
        return frame

    def __str__(self) -> str:
        from chroma_nb.display.formatters import facet_text

        return facet_text(self)

    def _repr_html_(self) -> str:
        from chroma_nb.display.formatters import facet_html

        return facet_html(self)


@dataclass(frozen=True)
class Description:
    """What a collection contains, as returned by ``describe``.

    ``print`` shows it as text, a notebook as a table.

    Attributes
    ----------
    records
        The number of records.
    dimension
        The dimension of the vectors, or None if there are none yet.
    space
        The distance: ``"l2"``, ``"cosine"`` or ``"ip"``.
    documents
        How many records have a document.
    median_length
        The median length of the documents, in characters.
    keys
        A ``Facet`` for each metadata key, in alphabetical order, with its most frequent value.
    """

    records: int
    dimension: int | None
    space: str
    documents: int
    median_length: float | None
    keys: tuple[Facet, ...] = field(default=())

    def to_df(self) -> pandas.DataFrame:
        """Return the metadata keys as a pandas DataFrame, with a row for each key.

        Returns
        -------
        pandas.DataFrame
            The columns ``key``, ``kinds``, ``records``, ``distinct``, ``minimum``, ``maximum``,
            ``most frequent`` and ``of these`` (how many records have the most frequent value).

        Examples
        --------
        >>> from chroma_nb.facets import Description, Facet, ValueCount
        >>> facet = Facet("year", 3, 1, {"int": 2}, 1, (ValueCount(2020, 2),), 2020, 2020)
        >>> Description(3, 2, "l2", 0, None, (facet,)).to_df()["most frequent"].tolist()
        [2020]
        """
        rows = [
            {
                "key": facet.key,
                "kinds": ", ".join(facet.kinds),
                "records": facet.records - facet.missing,
                "distinct": facet.distinct,
                "minimum": facet.minimum,
                "maximum": facet.maximum,
                "most frequent": facet.values[0].value if facet.values else None,
                "of these": facet.values[0].records if facet.values else 0,
            }
            for facet in self.keys
        ]
        pd = _pandas()
        columns = ["key", "kinds", "records", "distinct", "minimum", "maximum", "most frequent", "of these"]
        objects = {name: [row[name] for row in rows] for name in columns}
        frame: pandas.DataFrame = pd.DataFrame(
            {name: pd.Series(values, dtype=None if name in _NUMBERS else object) for name, values in objects.items()}
        )
        return frame

    def __str__(self) -> str:
        from chroma_nb.display.formatters import description_text

        return description_text(self)

    def _repr_html_(self) -> str:
        from chroma_nb.display.formatters import description_html

        return description_html(self)


_NUMBERS: Final = frozenset({"records", "distinct", "of these"})


def _pandas() -> Any:
    return require("pandas", feature="to_df()", package="pandas")


# --- Different texts -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Texts:
    """Different texts, and the first bytes of each as UTF-8, one text a column; 0 behind its end.

    The texts themselves lie scattered in memory, where looking at all of them takes as long as everything else.
    """

    values: Sequence[str]
    letters: Letters

    @classmethod
    def of(cls, values: Sequence[str]) -> Texts:
        """Values with their letters.

        >>> Texts.of(["2024-01-02", "a"]).letters[:2, 1].tobytes()
        b'a\\x00'
        """
        return cls(values, _first_letters(values))

    def __len__(self) -> int:
        return len(self.values)

    def held(self, counts: Int64) -> tuple[Texts, Int64]:
        """Those of which there are any, with their counts."""
        used = np.flatnonzero(counts)
        if len(used) == len(counts):
            return self, counts
        values = list(map(self.values.__getitem__, used.tolist()))
        return Texts(values, self.letters[:, used]), counts[used]

    def first(self, places: Int64, limit: int) -> list[str]:
        """The first of the texts at these places in the order of texts, which UTF-8 has, too."""
        if len(places) > limit:
            keys = np.ascontiguousarray(self.letters[:8].T).view(">u8")[:, 0][places]
            places = places[keys <= np.partition(keys, limit - 1)[limit - 1]]
        return sorted(map(self.values.__getitem__, places.tolist()))[:limit]


def _first_letters(texts: Sequence[str]) -> Letters:
    some = texts[:: len(texts) // 1000 + 1]
    if sum(map(len, some)) <= _SHORT * len(some):  # else nearly all that is joined would be cut off again
        joined = "\n".join(texts).encode("utf-8", "surrogatepass")
        bytes_ = np.frombuffer(joined + b"\n" + bytes(_LETTERS), np.uint8)
        ends = np.flatnonzero(bytes_ == ord("\n"))
        if len(ends) == len(texts):  # none has a line break
            starts = np.append(0, ends[:-1] + 1)
            letters: Letters = np.lib.stride_tricks.sliding_window_view(bytes_, _LETTERS)[starts].T
            letters[np.arange(_LETTERS)[:, None] >= ends - starts] = 0
            return letters
    pieces = (text[:_LETTERS].encode("utf-8", "surrogatepass")[:_LETTERS] for text in texts)
    return np.frombuffer(b"".join(piece.ljust(_LETTERS, b"\0") for piece in pieces), np.uint8).reshape(-1, _LETTERS).T


# --- Values and how many records have them -------------------------------------------------------------------------
@dataclass(frozen=True)
class Counted:
    """The different values under a key, and how many records have each.

    Numbers and truths are ascending; an integer and the float that it is equal to may both be there.
    """

    kinds: dict[str, int]
    ints: tuple[Int64, Int64]
    floats: tuple[npt.NDArray[np.float64], Int64]
    texts: tuple[Texts, Int64]
    truths: tuple[Sequence[bool], Int64]

    def joined(self, other: Counted) -> Counted:
        """The values of both, which no record has in common."""
        found = counters()
        for counted in (self, other):
            texts, of_texts = counted.texts
            for kind, (values, counts) in zip(
                found, (counted.ints, counted.floats, (texts.values, of_texts), counted.truths), strict=True
            ):
                found[kind].update(dict(zip(map(_plain, values), counts.tolist(), strict=True)))
        return counted_of({**self.kinds, **other.kinds}, found)


#: Type of values -> how many records have each of them.
Counters: TypeAlias = dict[type, Counter[Any]]


def counters() -> Counters:
    """Counters of single values, of which none is counted yet."""
    return {kind: Counter() for kind in (int, float, str, bool)}


def counted(values: Iterable[object]) -> Counted:
    """The values of some records under one key; None where a record has none."""
    kinds: Counter[str] = Counter()
    found = counters()
    for value in values:
        if value is None or (type(value) is float and not math.isfinite(value)):
            continue
        kinds[kind_of(value)] += 1
        elements = set(value) if isinstance(value, list) else () if isinstance(value, SparseVector) else (value,)
        for element in elements:
            found[type(element)][element] += 1
    return counted_of(dict(kinds), found)


def counted_of(kinds: dict[str, int], found: Counters) -> Counted:
    """Values by their type, with their counts, as ``Counted``; what is no number of 64 bits is a float, NaN nothing."""
    ints = {value: count for value, count in found[int].items() if -(2**63) <= value < 2**63}
    floats = Counter({value: count for value, count in found[float].items() if math.isfinite(value)})
    for value in found[int].keys() - ints.keys():
        floats[float(value)] += found[int][value]
    return Counted(
        kinds,
        (np.array(sorted(ints), np.int64), _counts(ints, sorted(ints))),
        (np.array(sorted(floats), np.float64), _counts(floats, sorted(floats))),
        (Texts.of(list(found[str])), _counts(found[str], found[str])),
        (sorted(found[bool]), _counts(found[bool], sorted(found[bool]))),
    )


def _counts(counts: dict[Any, int], values: Iterable[object]) -> Int64:
    return np.array([counts[value] for value in values], np.int64)


# --- From counted values to a facet ----------------------------------------------------------------------------------
def facet(key: str, records: int, found: Counted, limit: int, bounds: Sequence[float] | None = None) -> Facet:
    """The facet of ``records`` records with these values, at most ``limit`` of which it names.

    Numbers are counted between ``bounds``, where these are given.
    """
    ints, floats = _merged(found.ints, found.floats)
    parts: list[tuple[Any, Int64]] = [ints, floats, found.texts, found.truths]
    ends = [(values[0].item(), values[-1].item()) for values, _ in (ints, floats) if len(values)]
    minimum, maximum = (min(first for first, _ in ends), max(last for _, last in ends)) if ends else (None, None)
    return Facet(
        key=key,
        records=records,
        missing=records - sum(found.kinds.values()),
        kinds=dict(sorted(found.kinds.items(), key=lambda item: (-item[1], item[0]))),
        distinct=sum(len(counts) for _, counts in parts),
        values=_most_frequent(parts, limit),
        minimum=minimum,
        maximum=maximum,
        ranges=_ranges(minimum, maximum, (ints, floats), bounds),
        dates=_dates(*found.texts),
    )


def _merged(ints: tuple[Int64, Int64], floats: tuple[Any, Int64]) -> tuple[tuple[Int64, Int64], tuple[Any, Int64]]:
    """Each number once: floats that are equal to an integer that is there are counted with it."""
    (values, counts), (fractions, their_counts) = ints, floats
    if not len(values) or not len(fractions):
        return ints, floats
    inside = (np.floor(fractions) == fractions) & (fractions >= -(2.0**63)) & (fractions < 2.0**63)
    whole = np.where(inside, fractions, 0).astype(np.int64)
    at = np.minimum(np.searchsorted(values, whole), len(values) - 1)
    same = inside & (values[at] == whole)
    counts = counts.copy()
    counts[at[same]] += their_counts[same]
    return (values, counts), (fractions[~same], their_counts[~same])


def _most_frequent(parts: Sequence[tuple[Any, Int64]], limit: int) -> tuple[ValueCount, ...]:
    """The most frequent values; where many are equally frequent, few of them are looked at."""
    every = np.concatenate([counts for _, counts in parts])
    least = 0 if len(every) <= limit or not limit else int(np.partition(every, len(every) - limit)[-limit])
    found: list[ValueCount] = []
    for values, counts in parts if limit else ():
        texts = isinstance(values, Texts)
        more, ties = np.flatnonzero(counts > least).tolist(), np.flatnonzero(counts == least)
        every_one = values.values if texts else values
        found += [ValueCount(_plain(every_one[place]), int(counts[place])) for place in more]
        # Numbers and truths are ascending.
        first = values.first(ties, limit) if texts else [_plain(values[place]) for place in ties[:limit].tolist()]
        found += [ValueCount(value, least) for value in first]
    return tuple(sorted(found, key=lambda count: (-count.records, rank_of(count.value)))[:limit])


def _plain(value: Any) -> Value:
    plain: Value = value.item() if isinstance(value, np.generic) else value
    return plain


# --- Ranges of numbers -----------------------------------------------------------------------------------------------
def _ranges(
    minimum: float | None, maximum: float | None, parts: Sequence[tuple[Array, Int64]], bounds: Sequence[float] | None
) -> tuple[Range, ...]:
    if bounds is None:
        if minimum is None or maximum is None:
            return ()
        bounds = edges(minimum, maximum, whole=not len(parts[1][0]))
    below = [sum(_below(edge, *part) for part in parts) for edge in bounds[:-1]]
    below.append(sum(_below(bounds[-1], *part, up_to=True) for part in parts))
    return tuple(map(Range, bounds, bounds[1:], (stop - start for start, stop in pairwise(below))))


def _below(edge: float, values: Any, counts: Int64, *, up_to: bool = False) -> int:
    """How many records have numbers below ``edge``, or up to it. Python compares ints and floats without rounding."""
    place = (bisect_right if up_to else bisect_left)(values, edge, key=lambda value: value.item())
    return int(counts[:place].sum())


def edges(minimum: float, maximum: float, *, whole: bool = False, ranges: int = _RANGES) -> list[float]:
    """The ends of about so many ranges between two numbers: multiples of 1, 2 or 5 times a power of ten.

    ``whole``: of integers, which are not divided.

    >>> edges(1961, 2024)
    [1960, 1970, 1980, 1990, 2000, 2010, 2020, 2030]
    >>> edges(0.03, 0.27)
    [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]
    """
    least, greatest = Fraction(str(minimum)), Fraction(str(maximum))  # 0.4 is meant, not the nearest binary number
    step = _step((greatest - least) / ranges, whole)
    if step is None:
        return [minimum, maximum]
    first, last = math.floor(least / step), math.ceil(greatest / step)
    return [_readable(number * step, step) for number in range(first, last + 1)]


def _step(least: Fraction, whole: bool) -> Fraction | None:
    """The least step that is not below ``least``; None where numbers are equal, or too near to be divided."""
    if least < Fraction(1, 10**300):
        return None
    power = math.floor(math.log10(least)) - 1  # the logarithm may be rounded
    steps = (factor * Fraction(10) ** exponent for exponent in range(power, power + 4) for factor in (1, 2, 5))
    return next(step for step in steps if step >= least and (not whole or step.denominator == 1))


def _readable(edge: Fraction, step: Fraction) -> float:
    if step.denominator == 1 and abs(edge) < 2**63:
        return int(edge)
    return float(edge) if abs(edge) <= _LARGEST else math.copysign(float(_LARGEST), 1 if edge > 0 else -1)


#: The largest float.
_LARGEST: Final = Fraction(np.finfo(np.float64).max.item())


# --- Dates in texts --------------------------------------------------------------------------------------------------
def _dates(texts: Texts, counts: Int64) -> tuple[ValueCount, ...]:
    """Texts by day, month or year, where all of them begin with an ISO date; else nothing."""
    if not len(texts) or _days(texts.letters[:, :10]) is None:  # most keys are told by few of their texts
        return ()
    days = _days(texts.letters)
    if days is None:
        return ()
    first = int(days.min())
    of_each = np.bincount(days - first, weights=counts).astype(np.int64)
    periods = np.flatnonzero(of_each)
    of_each = of_each[periods]
    periods += first
    units = ((10, 1, _MOST_DAYS), (7, 31, _MOST_MONTHS), (4, 31 * 12, len(days)))
    starts_of = ((length, np.flatnonzero(np.diff(periods // unit, prepend=-1)), most) for length, unit, most in units)
    length, starts = next((length, starts) for length, starts, most in starts_of if len(starts) <= most)
    labels = [_date(day)[:length] for day in periods[starts].tolist()]
    return tuple(map(ValueCount, labels, np.add.reduceat(of_each, starts).tolist()))


def _days(letters: Letters) -> Int64 | None:
    """The days of texts as numbers, 31 to a month; None unless all begin with one, and end there or go on with a time.

    >>> _days(Texts.of(["0001-01-02", "0001-02-01T10:00:00Z"]).letters).tolist()
    [373, 403]
    >>> _days(Texts.of(["2024-13-31"]).letters), _days(Texts.of(["2024-01-310"]).letters)
    (None, None)
    """
    digits = letters[[0, 1, 2, 3, 5, 6, 8, 9]] - np.uint8(ord("0"))  # what lies below wraps round
    dashes = letters[[4, 7]] == ord("-")
    after = (letters[10] == 0) | (letters[10] == ord("T")) | (letters[10] == ord(" "))
    if digits.max() > 9 or not dashes.all() or not after.all():
        return None
    tens = digits[::2] * np.uint8(10) + digits[1::2]
    month, day = tens[2], tens[3]
    if month.min() < 1 or month.max() > 12 or day.min() < 1 or day.max() > 31:
        return None
    year = tens[0].astype(np.int64) * 100 + tens[1]
    days: Int64 = (year * 12 + (month - 1)) * 31 + (day - 1)
    return days


def _date(day: int) -> str:
    return f"{day // 31 // 12:04}-{day // 31 % 12 + 1:02}-{day % 31 + 1:02}"

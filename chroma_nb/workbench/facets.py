"""The facets' requests: every key counted under all filters but its own, and the filter that a click makes.

Our collections count by themselves, also over HTTP on our server. Of another collection the first records that pass
are read and counted here, and the page says so. Counts that hold for all filters (which values, which bars) are kept
until something is written. No widgets here.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Protocol, TypeAlias

from chroma_nb import dates
from chroma_nb.collection import counts_itself
from chroma_nb.facets import Edges, Facet, Value, counted, edges, facet
from chroma_nb.paging import slices
from chroma_nb.records import Records
from chroma_nb.types import Json, Metadata, Options, Where
from chroma_nb.workbench import narrowing
from chroma_nb.workbench.columns import FIELD_KEYS, Column, cell
from chroma_nb.workbench.narrowing import Bound, Choice, Narrowing
from chroma_nb.workbench.seen import Seen
from chroma_nb.workbench.source import Question, Source

#: Records that are counted of a collection that does not count by itself.
SAMPLE: Final = 5_000
#: Ids of one call.
_AT_ONCE: Final = 1_000
#: Values that are counted of a key, shown of it at first, and shown of it where all are asked for.
_COUNTED: Final = 200
_SHOWN: Final = 12
_MOST: Final = 1_000
#: Values that are counted of a key where what is looked for may be any of them.
_ANY: Final = 100_000
#: Chosen values that are shown beside those, wherever they would stand.
_CHOSEN: Final = 50
#: Whole numbers of so few values have a bar for each; others, and moments, are bars of ranges, about so many.
_FEW: Final = 12
_BARS: Final = 24
#: Years, months or days that have a bar each.
_MOST_PERIODS: Final = 60
#: Numbers have logarithmic ranges where so many of them lie in the first of a tenth.
_SKEWED: Final = 0.8

Scale: TypeAlias = Literal["linear", "log"]


# --- Counting --------------------------------------------------------------------------------------------------------
class Counts(Protocol):
    """Facets of some keys, of the records that pass filters; and whether that is all of them."""

    def __call__(self, keys: Sequence[str], filters: Options, limit: int, edges: Edges) -> tuple[list[Facet], bool]:
        """Count."""


def _counts(source: Source) -> Counts:
    make = _by_itself if counts_itself(source.collection) else _read
    found: Counts = source.kept("counts", lambda: make(source))
    return found


def _by_itself(source: Source) -> Counts:
    facets: Callable[..., list[Facet]] = source.collection.facets  # type: ignore[attr-defined]

    def count(keys: Sequence[str], filters: Options, limit: int, edges: Edges) -> tuple[list[Facet], bool]:
        return facets(list(keys), **filters, limit=limit, edges=dict(edges) or None), True

    return count


def _read(source: Source) -> Counts:
    def count(keys: Sequence[str], filters: Options, limit: int, edges: Edges) -> tuple[list[Facet], bool]:
        found = Records.of_result(source.collection.get(limit=SAMPLE, include=["metadatas"], **filters))
        metadatas = found.column("metadatas")
        return _of(metadatas, keys, limit, edges), len(metadatas) < SAMPLE

    return count


def _among(source: Source, ids: Iterable[str]) -> Counts:
    """Of the records with these ids, which no filter says; what passes the same filters is read once."""
    every = sorted(ids)
    asked = every if counts_itself(source.collection) else every[:SAMPLE]
    read: dict[str, list[Metadata | None]] = {}

    def count(keys: Sequence[str], filters: Options, limit: int, edges: Edges) -> tuple[list[Facet], bool]:
        if (name := _text(filters)) not in read:
            pages = (source.collection.get(ids=s, include=["metadatas"], **filters) for s in slices(asked, _AT_ONCE))
            read[name] = [metadata for page in pages for metadata in page["metadatas"] or ()]
        return _of(read[name], keys, limit, edges), len(asked) == len(every)

    return count


def _of(metadatas: Sequence[Metadata | None], keys: Sequence[str], limit: int, edges: Edges) -> list[Facet]:
    of_keys = ((key, counted([(one or {}).get(key) for one in metadatas])) for key in keys)
    return [facet(key, len(metadatas), values, limit, edges.get(key)) for key, values in of_keys]


# --- How a key is shown ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Shape:
    """How a key is shown under any filter, and its counts under the filters that always hold (``whole``).

    ``bars``: a bar for each value. ``ranges``: one for each range of numbers (``ends``), or each year, month or day
    (``periods``) of ISO texts. ``log``: the ranges are logarithmic.
    """

    view: Literal["bars", "ranges", "none"]
    whole: Facet
    ends: tuple[float, ...] = ()
    periods: tuple[str, ...] = ()
    log: bool = False

    @property
    def limit(self) -> int:
        """Values that are counted of it."""
        return _COUNTED if self.view == "bars" else 0

    def heights(self, found: Facet) -> list[int]:
        """How many records lie in each range."""
        if not self.periods:
            return [one.records for one in found.ranges]
        letters, counts = len(self.periods[0]), dict.fromkeys(self.periods, 0)
        for day, records in found.dates:
            if (period := str(day)[:letters]) in counts:
                counts[period] += records
        return list(counts.values())


def _shape(first: Facet, column: Column, counts: Counts, filters: Options, scale: Scale | None) -> Shape:
    key = first.key
    numbers = set(first.kinds) <= {"int", "float"} and first.minimum is not None and first.maximum is not None
    if first.dates and set(first.kinds) == {"str"}:
        return Shape("ranges", first, periods=tuple(_periods([str(day) for day, _ in first.dates])))
    few = column.type == "integer" and first.distinct <= _FEW
    if not numbers or few:
        (whole,), _ = counts([key], filters, _COUNTED, {})
        return Shape("bars" if whole.values else "none", whole)
    return _ranges(key, first, column, counts, filters, scale)


def _ranges(key: str, first: Facet, column: Column, counts: Counts, filters: Options, scale: Scale | None) -> Shape:
    least, greatest = first.minimum or 0, first.maximum or 0
    # What a column is was told from a sample: all of it may hold a number that is no moment, 9999-12-31 for "never".
    if column.type in ("epoch_s", "epoch_ms") and dates.stored_as(key, (least, greatest), named=True) == column.type:
        ends: Sequence[float] = _moments(least, greatest, column.type)
    else:
        ends = edges(least, greatest, whole=set(first.kinds) == {"int"}, ranges=_BARS)
    if len(ends) < 2 or ends[0] >= ends[-1]:
        (whole,), _ = counts([key], filters, _COUNTED, {})
        return Shape("bars", whole)
    (whole,), _ = counts([key], filters, 0, {key: ends})
    low = sum(one.records for one in whole.ranges[: max(1, len(whole.ranges) // 10)])
    skewed = low > _SKEWED * (first.records - first.missing) and len(whole.ranges) >= 10
    logarithmic = least >= 0 and column.type in ("integer", "number") and (skewed if scale is None else scale == "log")
    if logarithmic:
        ends = _powers(least, greatest)
        (whole,), _ = counts([key], filters, 0, {key: ends})
    return Shape("ranges", whole, ends=tuple(ends), log=logarithmic)


def _powers(least: float, greatest: float) -> list[float]:
    """Ends of logarithmic ranges: 1, 2 and 5 times powers of ten; what is far below the greatest is one range.

    >>> _powers(0, 300)[:4], _powers(3, 300)
    ([0, 0.002, 0.005, 0.01], [2, 5, 10, 20, 50, 100, 200, 500])
    """
    lowest = max(least, greatest / 1e5)
    powers = range(math.floor(math.log10(lowest)), math.ceil(math.log10(greatest)) + 1)
    every = [factor * 10**power if power >= 0 else factor / 10**-power for power in powers for factor in (1, 2, 5)]
    first = max((place for place, end in enumerate(every) if end <= lowest), default=0)
    last = next(place for place, end in enumerate(every) if end >= greatest)
    found: list[float] = every[first : max(last, first + 1) + 1]
    return [0, *found] if least < found[0] else found


# --- Dates -----------------------------------------------------------------------------------------------------------
def _periods(labels: Sequence[str]) -> Iterable[str]:
    """Years, months or days without gaps, from the first to the last of these."""
    first, last = labels[0], labels[-1]
    if len(first) == 4:
        years = range(int(first), int(last) + 1)
        return [f"{year:04}" for year in years] if len(years) <= 100 else labels
    if len(first) == 7:
        months = range(_month(first), _month(last) + 1)
        return [f"{month // 12:04}-{month % 12 + 1:02}" for month in months] if len(months) <= _MOST_PERIODS else labels
    try:
        start, stop = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
    except ValueError:  # the 31st of a month without one
        return labels
    days = (stop - start).days + 1
    return [str(start + datetime.timedelta(days=day)) for day in range(days)] if days <= _MOST_PERIODS else labels


def _month(label: str) -> int:
    return int(label[:4]) * 12 + int(label[5:7]) - 1


def _moments(least: float, greatest: float, stored: dates.Stored) -> list[float]:
    """Ends of ranges between two moments: of hours, days, weeks, months or years, in UTC.

    >>> _moments(1704067200, 1706745600, "epoch_s")[:2]
    [1704067200, 1704153600]
    """
    unit = 1 if stored == "epoch_s" else 1_000
    first = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=least / unit)
    days = (greatest - least) / unit / 86_400
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    if days <= 2:
        return _steps(first.replace(minute=0, second=0, microsecond=0), datetime.timedelta(hours=1), greatest, stored)
    if days <= _MOST_PERIODS:
        return _steps(midnight, datetime.timedelta(days=1), greatest, stored)
    if days <= _MOST_PERIODS * 7:
        return _steps(midnight - datetime.timedelta(days=first.weekday()), datetime.timedelta(days=7), greatest, stored)
    return _calendar(first, greatest, stored, months=1 if days <= _MOST_PERIODS * 30 else 12)


def _steps(start: datetime.datetime, step: datetime.timedelta, greatest: float, stored: dates.Stored) -> list[float]:
    found = [dates.epoch(start, stored)]
    while found[-1] <= greatest:
        start += step
        found.append(dates.epoch(start, stored))
    return found


def _calendar(first: datetime.datetime, greatest: float, stored: dates.Stored, months: int) -> list[float]:
    month = first.year * 12 + (first.month - 1 if months == 1 else 0)
    found: list[float] = []
    while not found or found[-1] <= greatest:
        found.append(dates.epoch(datetime.datetime(month // 12, month % 12 + 1, 1), stored))
        month += months
    return found


# --- What the page asks ----------------------------------------------------------------------------------------------
def facets(seen: Seen, asked: Json) -> Json:
    """Each of ``keys``, counted under all filters but its own; ``changes`` are what is newly chosen of keys.

    ``given``: the filters that always hold. ``options``: of each key what to list (``find``, ``sort``, ``all``) and
    the ``scale``. The answer's ``where`` is the filter with the changes, ``other`` the tests of it of another form,
    ``hits`` whether what a search finds was counted, and nothing else.
    """
    source, question = seen.source, seen.question
    with source.lock:
        known = dict(source.columns.known)
    given: Json = asked.get("given") or {}
    now = narrowing.read(question.where, given.get("where"))
    changes: Json = asked.get("changes") or {}
    for key, wanted in changes.items():
        now = now.replaced(key, _wanted(source, known[key], wanted))
    keys = [key for key in map(str, asked["keys"]) if key in known and key not in FIELD_KEYS]
    where = now.where if changes else question.where
    asking = _Asking(source, replace(question, where=where), now, given, asked.get("options") or {})
    shapes = asking.shapes([known[key] for key in keys])
    found = asking.count(shapes)
    return {
        "where": where,
        "other": list(now.rest),
        "sample": None if asking.whole else SAMPLE,
        "hits": asking.hits,
        "exists": counts_itself(source.collection),
        "facets": [
            _told(known[key], shapes[key], found[key], now.choices.get(key), asking.option(key)) for key in keys
        ],
    }


@dataclass
class _Asking:
    """One request: what it counts."""

    source: Source
    question: Question
    now: Narrowing
    given: Json
    options: Json
    #: Whether all records were counted; and whether of a search's, its hits.
    whole: bool = True
    hits: bool = False

    def option(self, key: str) -> Json:
        """What a person chose for the look of a key."""
        found: Json = self.options.get(key) or {}
        return found

    def shapes(self, columns: Sequence[Column]) -> dict[str, Shape]:
        """How keys are shown; found once, for all that are new together, so that the collection is read once."""
        kept: dict[tuple[str, object], Shape] = self.source.kept(("shapes", _text(self.given)), dict)
        names = {column.key: (column.key, self.option(column.key).get("scale")) for column in columns}
        new = [column for column in columns if names[column.key] not in kept]
        if new:
            always = {kind: value for kind, value in self.given.items() if value}
            counts = _counts(self.source)
            firsts, _ = counts([column.key for column in new], always, 0, {})
            for first, column in zip(firsts, new, strict=True):
                name = names[column.key]
                kept[name] = _shape(first, column, counts, always, name[1])
        return {key: kept[name] for key, name in names.items()}

    def count(self, shapes: dict[str, Shape]) -> dict[str, Facet]:
        """Each key under all filters but its own. Keys that have the same filters are counted together.

        Where values are chosen that are among the seldom ones of a key, its shape is told of them, too.
        """
        together: dict[str | None, dict[int, list[str]]] = {}
        for key, shape in shapes.items():
            own = key if key in self.now.choices else None
            together.setdefault(own, {}).setdefault(self._limit(key, shape), []).append(key)
        found: dict[str, Facet] = {}
        for own, by_limit in together.items():
            question = self._without(own)
            counts = self._counts(question)
            for limit, keys in by_limit.items():
                ends = {key: shapes[key].ends for key in keys if shapes[key].ends}
                facets, whole = counts(keys, question.filters, limit, ends)
                self.whole = self.whole and whole
                found.update(zip(keys, facets, strict=True))
            if own is not None and shapes[own].view == "bars":
                chosen = self.now.choices[own]
                found[own] = _with_values(found[own], chosen, counts, question.filters, every=not whole)
                shapes[own] = self._known(shapes[own], chosen)
        return found

    def _without(self, own: str | None) -> Question:
        """The question without what is chosen of a key."""
        return self.question if own is None else replace(self.question, where=self.now.without(own))

    def _counts(self, question: Question) -> Counts:
        """What counts a question's records: the hits of its search, of which there are few, where it has one."""
        among = question.within
        if question.search is not None:
            hits = self.source.hits(question)
            self.hits = not hits.error
            if self.hits:
                among = frozenset(hits.found) if among is None else among & hits.found.keys()
        return _counts(self.source) if among is None else _among(self.source, among)

    def _known(self, shape: Shape, choice: Choice) -> Shape:
        """With the counts of what is chosen, however seldom it is, under the filters that always hold."""
        key = shape.whole.key
        always = {kind: value for kind, value in self.given.items() if value}

        def counted() -> Facet:
            sampled = not counts_itself(self.source.collection)
            return _with_values(shape.whole, choice, _counts(self.source), always, every=sampled)

        name = ("chosen", key, _text(self.given), _text({"chosen": [*choice.values, *choice.excluded]}))
        return replace(shape, whole=self.source.kept(name, counted))

    def _limit(self, key: str, shape: Shape) -> int:
        option = self.option(key)
        listed = shape.view == "bars" and (option.get("find") or option.get("sort") == "value" or option.get("all"))
        return _ANY if listed else shape.limit


def _with_values(found: Facet, choice: Choice, counts: Counts, filters: Options, *, every: bool) -> Facet:
    """A facet with the chosen values among its values, also those that are none of the most frequent.

    ``every``: those that it says nothing of are asked for, though it has all its values: it is that of a sample.
    """
    named = dict.fromkeys((type(value), value) for value in (*choice.values, *choice.excluded))
    missing = [one for one in named if one not in {(type(value), value) for value, _ in found.values}]
    if not missing or not (every or len(found.values) < found.distinct):
        return found
    (term,) = Choice(tuple(value for _, value in missing), elements=choice.elements).terms(found.key)
    where = filters.get("where")
    (those,), _ = counts([found.key], {**filters, "where": {"$and": [where, term]} if where else term}, _ANY, {})
    more = [one for one in those.values if (type(one.value), one.value) in missing]
    return replace(found, values=(*found.values, *more))


def _text(filters: Json) -> str:
    return json.dumps(filters, sort_keys=True, default=str)


def _told(column: Column, shape: Shape, found: Facet, choice: Choice | None, option: Json) -> Json:
    """A facet, as the page is told of it."""
    told: Json = {
        "key": column.key,
        "view": shape.view,
        "records": found.records,
        "missing": found.missing,
        "everMissing": shape.whole.missing,
        "distinct": found.distinct,
        "ever": shape.whole.distinct,
        "withoutKey": choice.missing if choice else None,
        "chosen": bool(choice),
    }
    if shape.view == "ranges":
        span = _span(shape, choice)
        return {
            **told,
            "ends": list(shape.ends),
            "periods": list(shape.periods),
            "log": shape.log,
            "all": shape.heights(shape.whole),
            "now": shape.heights(found),
            "span": span,
            "least": cell(shape.whole.minimum),
            "greatest": cell(shape.whole.maximum),
        }
    return {**told, **_bars(shape, found, choice or Choice(), option)}


def _bars(shape: Shape, found: Facet, choice: Choice, option: Json) -> Json:
    ever = {(type(one.value), one.value): one.records for one in shape.whole.values}
    now = {(type(one.value), one.value): one.records for one in found.values}
    named = [(type(value), value) for value in (*choice.values, *choice.excluded)]
    complete = len(ever) >= shape.whole.distinct
    listed = list(ever) if complete else list(now)
    listed += [one for one in named if one not in set(listed)]
    if text := str(option.get("find") or "").casefold():
        listed = [one for one in listed if text in str(one[1]).casefold()]
    if option.get("sort") == "value":
        listed.sort(key=_natural)
    elif not complete:
        listed.sort(key=lambda one: one not in named)  # the others stay in their order
    most = _MOST if option.get("all") else _SHOWN
    shown = listed[:most]
    shown += [one for one in listed[most:] if one in named][:_CHOSEN]
    values = [
        {
            "token": json.dumps(value),
            "cell": cell(value, 200),
            "all": ever.get((kind, value)),
            "now": now.get((kind, value), 0),
            "on": value in choice.values and (kind, value) in named,
            "off": value in choice.excluded and (kind, value) in named,
        }
        for kind, value in shown
    ]
    hidden = [one for one in named if one not in shown]
    known = complete or bool(option.get("find"))
    others = {
        "on": [json.dumps(value) for _, value in hidden if value in choice.values],
        "off": [json.dumps(value) for _, value in hidden if value in choice.excluded],
    }
    return {
        "values": values,
        "open": bool(option.get("all")),
        "hidden": others,
        "more": (len(listed) if known else max(len(listed), found.distinct)) - len(shown),
    }


def _natural(one: tuple[type, Value]) -> tuple[int, Any]:
    kind, value = one
    return (2, value) if kind is bool else (1, value) if kind is str else (0, value)


def _span(shape: Shape, choice: Choice | None) -> list[Any] | None:
    """The first and the last of what is chosen of ranges; None where nothing is."""
    if choice is None:
        return None
    if shape.periods:
        texts = dates.iso_texts(choice.values)
        return [texts[0], texts[-1]] if texts else None
    if choice.values:
        numbers = sorted(value for value in choice.values if isinstance(value, int | float))
        return [numbers[0], numbers[-1], True] if numbers else None
    low, high = choice.low, choice.high
    return [low and low[1], high and high[1], high is not None and high[0] == "$lte"] if low or high else None


def _wanted(source: Source, column: Column, wanted: Json | None) -> Choice | None:
    """What the page says is chosen of a key: values, a range of numbers, or one of dates."""
    if not wanted:
        return None
    if wanted.get("dates"):
        return _dated(source, column, *wanted["dates"])
    if wanted.get("range"):
        low, high, included = wanted["range"]
        least: Bound | None = None if low is None else ("$gte", low)
        return Choice(low=least, high=None if high is None else ("$lte" if included else "$lt", high))
    if wanted.get("missing") is not None and not wanted.get("values"):
        return Choice(missing=wanted["missing"])
    values, excluded = ([json.loads(one) for one in wanted.get(name) or ()] for name in ("values", "excluded"))
    return Choice(tuple(values), tuple(excluded), missing=wanted.get("missing"), elements=column.type == "list")


def _dated(source: Source, column: Column, start: str | None, end: str | None) -> Choice:
    """From the beginning of one date to the end of another, in the form in which they are stored."""
    if column.type in ("epoch_s", "epoch_ms"):
        where: Where = dates.epoch_range(column.key, column.type, start, end)
    else:
        key = column.key
        texts = source.kept(("dates", key), lambda: dates.iso_texts(dates.values_under(source.collection, key)))
        where = dates.text_range(key, texts, start, end)
        if not set(where[key]["$in"]) & set(texts):
            raise ValueError(f"no record has a date under {key!r} from {start or 'the first'} to {end or 'the last'}")
    return narrowing.read(where).choices[column.key]

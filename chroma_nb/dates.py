"""Dates in metadata: ISO texts, or numbers of seconds or milliseconds since 1970; and filters for a range of them.

``where`` compares numbers with ``$gte`` and ``$lt``, but no texts: for these a range is ``$in`` with the values that
the collection has in it.
"""

from __future__ import annotations

import datetime
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, Literal, TypeAlias

from chroma_nb._optional import require
from chroma_nb.collection import Collection, offers
from chroma_nb.paging import PAGE, pages
from chroma_nb.types import Where

#: ISO texts, or numbers that are moments.
Stored: TypeAlias = Literal["date", "epoch_s", "epoch_ms"]
#: A day, month, year or moment as a person gives it.
Given: TypeAlias = str | datetime.date

ISO: Final = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    r"([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?( ?(Z|[+-]\d\d:?\d\d))?)?"
)
_ISO_PARTS: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:[.,]\d+)?)?)?\s?(Z|[+-]\d\d:?\d\d)?")
#: Seconds since 1970 that are taken for a moment: 1973 to 2100. Milliseconds are a thousand times as many.
SECONDS: Final = (100_000_000, 4_102_444_800)
#: Words of keys under which numbers are moments: created, updated_at, timestamp.
_MOMENT: Final = re.compile(
    r"(^|[_\W])(at|on|ts|date|datetime|day|time|timestamp|epoch|created|updated|modified|published|added|seen|since|until"
    r"|start|end|begin|due|posted|opened|closed|birthday|expires)($|[_\W])"
)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
#: Different values that tell whether they are dates.
_FEW_VALUES: Final = 1000
#: Different texts that a filter may list.
MOST_TEXTS: Final = 50_000
_GIVEN: Final = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?)?)?)?")
_EXPECTED: Final = 'a date such as "2024", "2024-05", "2024-05-17" or "2024-05-17 13:05"'
_EPOCH: Final = datetime.datetime(1970, 1, 1)


def stored_as(key: str, values: Iterable[Any], *, named: bool = False) -> Stored | None:
    """How dates are stored under a key with these values; None where they are something else.

    Numbers are moments where the key says so (created_at), or somebody who named it as one (``named``).

    >>> stored_as("updatedAt", [1758568000.5]), stored_as("price", [1758568000]), stored_as("seen", ["2024-05-01"])
    ('epoch_s', None, 'date')
    """
    found = list(values)
    if found and all(isinstance(value, str) and ISO.fullmatch(value) for value in found):
        return "date"
    if not found or not all(isinstance(value, int | float) and not isinstance(value, bool) for value in found):
        return None
    if not named and not _MOMENT.search(_CAMEL.sub("_", key).lower()):
        return None
    least, most = SECONDS
    if all(least <= value < most for value in found):
        return "epoch_s"
    return "epoch_ms" if all(1000 * least <= value < 1000 * most for value in found) else None


def shown_date(value: object, stored: Stored) -> str | None:
    """A date as people read it, in UTC where it is a number; None for other values.

    >>> shown_date("2024-05-01T13:05:00+02:00", "date"), shown_date(1714568700, "epoch_s"), shown_date("soon", "date")
    ('2024-05-01 13:05 +02:00', '2024-05-01 13:05', None)
    """
    if stored == "date":
        found = _ISO_PARTS.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            return None
        day, time, seconds, zone = found.groups()
        clock = "" if time is None else f" {time}" + (f":{seconds}" if seconds not in (None, "00") else "")
        return day + clock + (f" {zone}" if zone not in (None, "Z", "+00:00") else "")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        moment = _EPOCH + datetime.timedelta(seconds=value / (1 if stored == "epoch_s" else 1000))
    except (OverflowError, ValueError):
        return None
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment.second else f"{moment:%Y-%m-%d %H:%M}"


@dataclass(frozen=True)
class Period:
    """A year, month, day, minute or moment: from ``start`` to below ``end``, in UTC; ``text`` as ISO texts begin."""

    start: datetime.datetime
    end: datetime.datetime
    text: str


def period(given: Given) -> Period:
    """What a person means by a date. ValueError for anything else.

    >>> period("2024-02").end.isoformat(), period("2024-02-29 13:05").text
    ('2024-03-01T00:00:00', '2024-02-29T13:05')
    """
    if isinstance(given, datetime.datetime) and given.tzinfo is not None:
        given = given.astimezone(datetime.UTC).replace(tzinfo=None)
    text = given.isoformat() if isinstance(given, datetime.date) else str(given).strip()
    found = _GIVEN.fullmatch(text)
    if found is None:
        raise ValueError(f"expected {_EXPECTED}, got {given!r}")
    year, month, day, hour, minute, second, fraction = found.groups()
    try:
        start = datetime.datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0))
        start = start.replace(second=int(second or 0))
    except ValueError as error:
        raise ValueError(f"expected {_EXPECTED}, got {given!r}: {error}") from None
    start = start.replace(microsecond=int((fraction or "0").ljust(6, "0")))
    return Period(start, _end(start, found.groups()), text.replace(" ", "T"))


def is_date(text: str) -> bool:
    """Whether a person means a date by this text.

    >>> is_date("2024-05"), is_date("2024-13"), is_date("May")
    (True, False, False)
    """
    try:
        period(text)
    except ValueError:
        return False
    return True


def _end(start: datetime.datetime, parts: Sequence[str | None]) -> datetime.datetime:
    """Where the last unit that is named ends; the last moment there is stands for what is beyond it."""
    named = sum(part is not None for part in parts)
    try:
        if named == 1:
            return start.replace(year=start.year + 1)
        if named == 2:
            return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
        steps = {3: {"days": 1}, 5: {"minutes": 1}, 6: {"seconds": 1}, 7: {"microseconds": 1}}
        return start + datetime.timedelta(**steps[named])
    except (ValueError, OverflowError):
        return datetime.datetime.max


def epoch(moment: datetime.datetime, stored: Stored) -> float:
    """A moment in UTC as a number, in the unit that is stored; whole where it is.

    >>> epoch(datetime.datetime(2024, 5, 1), "epoch_ms")
    1714521600000
    """
    passed = (moment - _EPOCH) / datetime.timedelta(seconds=1 if stored == "epoch_s" else 0.001)
    return int(passed) if passed == int(passed) else passed


# --- Filters ---------------------------------------------------------------------------------------------------------
def date_range(collection: Collection, key: str, start: Given | None = None, end: Given | None = None) -> Where:
    """Create a filter for records from a range of dates.

    A date can be a year, month, day or point in time: ``"2024"``, ``"2024-05"``, ``"2024-05-17"``,
    ``"2024-05-17 13:05"``, or a ``date`` or ``datetime``. Both ends are included, and an ``end`` of
    ``"2024"`` includes the whole year. Records can store their dates as ISO texts or as seconds or
    milliseconds since 1970 (UTC). Values that are not dates do not match.

    The result is an ordinary Chroma filter. For ISO texts it lists the matching values that the
    collection has now, at most 50,000. Call the function again after you add records.

    Parameters
    ----------
    collection
        The collection that has the dates.
    key
        The metadata key that holds the dates.
    start
        The first date. None means no lower limit.
    end
        The last date. None means no upper limit.

    Returns
    -------
    Where
        A filter for ``get``, ``query`` and ``delete``. If no record has a date in the range, it matches
        nothing.

    Raises
    ------
    ValueError
        ``start`` or ``end`` is not a date, both are missing, no record has dates under ``key``, or the range
        has more than 50,000 different texts.

    Examples
    --------
    >>> import chroma_nb
    >>> with chroma_nb.EphemeralClient() as client:
    ...     birds = client.create_collection("birds")
    ...     days = [{"t": "2024-05-17"}, {"t": "2024-06-01"}]
    ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=days)
    ...     where = chroma_nb.date_range(birds, "t", "2024-05", "2024-05")
    ...     birds.get(where=where)["ids"]
    ['wren']
    """
    stored, texts = _dates_under(collection, key)
    return text_range(key, texts, start, end) if stored == "date" else epoch_range(key, stored, start, end)


def compared(collection: Collection, key: str, operator: str, given: Given) -> Where:
    """The filter of a comparison with a date: "$gt" is after the whole of it, "$lt" before it.

    Raises ValueError as ``date_range``.

    >>> import chroma_nb
    >>> with chroma_nb.EphemeralClient() as client:
    ...     birds = client.create_collection("birds")
    ...     birds.add(ids=["wren"], embeddings=[[1, 0]], metadatas=[{"seen_at": 1714550000}])
    ...     compared(birds, "seen_at", "$gt", "2024-04")
    {'seen_at': {'$gte': 1714521600}}
    """
    stored, texts = _dates_under(collection, key)
    named = period(given)
    if stored != "date":
        bounds = {"$gte": named.start, "$lt": named.start, "$gt": named.end, "$lte": named.end}
        return {key: {"$gte" if operator in ("$gt", "$gte") else "$lt": epoch(bounds[operator], stored)}}
    low, high = _places(texts, named.text, named.text)
    parts = {"$gte": texts[low:], "$gt": texts[high:], "$lt": texts[:low], "$lte": texts[:high]}
    return _listed(key, parts[operator], f"{operator} {named.text}")


def epoch_range(key: str, stored: Stored, start: Given | None, end: Given | None) -> Where:
    """The filter where dates are numbers.

    >>> epoch_range("t", "epoch_s", "2024-05-01", None)
    {'t': {'$gte': 1714521600}}
    """
    terms: list[Where] = []
    if start is not None:
        terms.append({key: {"$gte": epoch(period(start).start, stored)}})
    if end is not None:
        terms.append({key: {"$lt": epoch(period(end).end, stored)}})
    if not terms:
        raise ValueError(f"expected start or end for the range of {key!r}, got neither")
    return terms[0] if len(terms) == 1 else {"$and": terms}


def text_range(key: str, texts: Sequence[str], start: Given | None, end: Given | None) -> Where:
    """The filter where dates are these ISO texts, ascending (``iso_texts``); that of no record where none is meant.

    >>> text_range("seen", ["2024-05-01", "2024-06-01T10:00:00Z"], "2024-06", None)
    {'seen': {'$in': ['2024-06-01T10:00:00Z']}}
    """
    if start is None and end is None:
        raise ValueError(f"expected start or end for the range of {key!r}, got neither")
    first, last = (None if one is None else period(one).text for one in (start, end))
    low, high = _places(texts, first, last)
    return _listed(key, texts[low:high], f"{first or '..'}/{last or '..'}")


def _places(texts: Sequence[str], first: str | None, last: str | None) -> tuple[int, int]:
    """Where texts that begin with ``first`` or later begin, and where those that begin with ``last`` or earlier end."""
    low = 0 if first is None else bisect_left(texts, first, key=_written)
    return low, len(texts) if last is None else bisect_right(texts, last + "~", key=_written)


def _listed(key: str, texts: Sequence[str], which: str) -> Where:
    """The filter for these texts; where there are none, for ``which`` as a text, which is no date of any record."""
    if len(texts) > MOST_TEXTS:
        raise ValueError(
            f"{len(texts):,} different dates under {key!r} lie in {which}, more than a filter may list "
            f"({MOST_TEXTS:,}). Choose a shorter range, or store the dates as numbers: add_df(df, "
            'dates="epoch").'
        )
    return {key: {"$in": list(texts) or [which]}}


def iso_texts(values: Iterable[object]) -> list[str]:
    """The ISO dates among values, ascending as they are written."""
    return sorted({value for value in values if isinstance(value, str) and ISO.fullmatch(value)}, key=_written)


def _written(text: str) -> str:
    return text.replace(" ", "T", 1)


# --- Tables ----------------------------------------------------------------------------------------------------------
def as_dates(frame: Any, columns: bool | str | Sequence[str]) -> Any:
    """The DataFrame with dates in place of what is stored, in these ``columns``; True: wherever dates are recognised.

    Numbers become moments of UTC without a zone, as ``dates="epoch"`` reads them; texts keep their zone, as UTC. Raises
    ValueError for a column that is not there or holds something else.

    >>> import pandas
    >>> as_dates(pandas.DataFrame({"t": [1714521600, None]}), "t")["t"].tolist()
    [Timestamp('2024-05-01 00:00:00'), NaT]
    """
    every = columns is True
    names = list(frame.columns) if isinstance(columns, bool) else [columns] if isinstance(columns, str) else columns
    for name in names if columns else ():
        if name not in frame:
            raise ValueError(f"expected dates to be names of columns, got {name!r}")
        there = frame[name].dropna()
        stored = stored_as(name, there.tolist(), named=not every)
        if stored is not None:
            frame[name] = _moments(frame[name], stored)
        elif not every and len(there):
            raise ValueError(f"{name!r} has no dates: expected ISO texts, or seconds or milliseconds since 1970")
    return frame


def _moments(column: Any, stored: Stored) -> Any:
    pd = require("pandas", feature="to_df(dates=…)")
    if stored != "date":
        return pd.to_datetime(column.astype("Float64"), unit="s" if stored == "epoch_s" else "ms")
    zoned = column.dropna().str.contains(r"Z$|[+-]\d\d:?\d\d$", regex=True).all()
    if zoned:
        return pd.to_datetime(column, format="ISO8601", utc=True)
    return pd.to_datetime(column, format="ISO8601", utc=True).dt.tz_localize(None)


# --- What a collection has -------------------------------------------------------------------------------------------
def _dates_under(collection: Collection, key: str) -> tuple[Stored, list[str]]:
    """How most dates under a key are stored, and those that are texts, ascending. ValueError where there are none.

    Values that are no dates are passed over; numbers, of which any could be a moment, are dates if most of them are.
    """
    values = values_under(collection, key)
    texts = iso_texts(values)
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    kinds = Counter(kind for kind in (stored_as(key, [number], named=True) for number in numbers) if kind)
    stored, count = max(kinds.items(), key=itemgetter(1), default=("date", 0))
    if 2 * count > len(numbers) and count > len(texts):
        return stored, []
    if not texts:
        raise ValueError(f"{key!r} has no dates: expected ISO texts, or seconds or milliseconds since 1970")
    return "date", texts


def values_under(collection: Collection, key: str) -> list[Any]:
    """The different values that records have under a key, of numbers the most frequent; elements of lists are none."""
    if offers(type(collection), "facets"):
        facets: Callable[..., Any] = collection.facets  # type: ignore[attr-defined]
        facet = facets(key, limit=_FEW_VALUES)
        if facet.distinct > _FEW_VALUES and any(kind.endswith("str") for kind in facet.kinds):
            facet = facets(key, limit=facet.distinct)
        return [one.value for one in facet.values]
    found: dict[str | float, None] = {}
    for page in pages(collection, PAGE, include=["metadatas"]):
        for metadata in page["metadatas"] or ():
            value = (metadata or {}).get(key)
            if isinstance(value, str | int | float):
                found[value] = None
    return list(found)

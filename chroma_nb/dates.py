"""Dates in metadata: ISO texts, or numbers of seconds or milliseconds since 1970; and filters for a range of them.

``where`` compares numbers with ``$gte`` and ``$lt``, but no texts: for these a range is ``$in`` with the values that
the collection has in it.
"""

from __future__ import annotations

import datetime
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

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
#: Seconds since 1970 that are taken for a moment: 1973 to 2100. Milliseconds are a thousand times as many.
SECONDS: Final = (100_000_000, 4_102_444_800)
#: Different texts that a filter may list.
MOST_TEXTS: Final = 50_000
_GIVEN: Final = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?)?)?)?")
_EXPECTED: Final = 'a date such as "2024", "2024-05", "2024-05-17" or "2024-05-17 13:05"'
_EPOCH: Final = datetime.datetime(1970, 1, 1)


@dataclass(frozen=True)
class Period:
    """A year, month, day, minute or moment: from ``start`` to below ``end``, in UTC; ``text`` as ISO texts begin."""

    start: datetime.datetime
    end: datetime.datetime
    text: str


def period(given: Given) -> Period:
    """What a person means by a date. ValueError for what is none.

    >>> period("2024-02").end.isoformat(), period("2024-02-29 13:05").text
    ('2024-03-01T00:00:00', '2024-02-29T13:05')
    """
    if isinstance(given, datetime.datetime) and given.tzinfo is not None:
        given = given.astimezone(datetime.UTC).replace(tzinfo=None)
    text = given.isoformat() if isinstance(given, datetime.date) else given
    found = _GIVEN.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"expected {_EXPECTED}, got {given!r}")
    year, month, day, hour, minute, second, fraction = found.groups()
    try:
        start = datetime.datetime(*(int(part or least) for part, least in ((year, 1), (month, 1), (day, 1))))
        start = start.replace(hour=int(hour or 0), minute=int(minute or 0), second=int(second or 0))
    except ValueError as error:
        raise ValueError(f"expected {_EXPECTED}, got {given!r}: {error}") from None
    start = start.replace(microsecond=int((fraction or "0").ljust(6, "0")))
    return Period(start, _end(start, found.groups()), text.strip().replace(" ", "T"))


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
    """A filter for the records whose date under ``key`` lies between two dates, both included.

    A date is a year, month, day or moment as text ("2024", "2024-05", "2024-05-17 13:05"), or a date or datetime of
    Python's; ``end`` includes the whole of it. Stored dates may be ISO texts, which are compared as they are written,
    or seconds or milliseconds since 1970, in UTC. The filter is one of Chroma's: for texts it lists those that the
    collection has in the range now. Raises ValueError for what is no date, and where no record has a date in the range.

    >>> import chroma_nb
    >>> with chroma_nb.EphemeralClient() as client:
    ...     birds = client.create_collection("birds")
    ...     days = [{"t": "2024-05-17"}, {"t": "2024-06-01"}]
    ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=days)
    ...     where = date_range(birds, "t", "2024-05", "2024-05")
    ...     birds.get(where=where)["ids"]
    ['wren']
    """
    values = values_under(collection, key)
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if numbers and len(numbers) == len(values):
        milliseconds = max(numbers) >= SECONDS[1]
        return epoch_range(key, "epoch_ms" if milliseconds else "epoch_s", start, end)
    return text_range(key, iso_texts(values), start, end)


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
        raise ValueError(f"expected a start or an end of the range of {key!r}, got neither")
    return terms[0] if len(terms) == 1 else {"$and": terms}


def text_range(key: str, texts: Sequence[str], start: Given | None, end: Given | None) -> Where:
    """The filter where dates are these ISO texts, ascending (``iso_texts``).

    >>> text_range("seen", ["2024-05-01", "2024-06-01T10:00:00Z"], "2024-06", None)
    {'seen': {'$in': ['2024-06-01T10:00:00Z']}}
    """
    if start is None and end is None:
        raise ValueError(f"expected a start or an end of the range of {key!r}, got neither")
    first = 0 if start is None else bisect_left(texts, period(start).text, key=_written)
    last = len(texts) if end is None else bisect_right(texts, period(end).text + "~", key=_written)
    found = list(texts[first:last])
    if not found:
        raise ValueError(f"no record has a date under {key!r} from {start or 'the first'} to {end or 'the last'}")
    if len(found) > MOST_TEXTS:
        raise ValueError(
            f"{len(found):,} different dates under {key!r} lie in this range, more than a filter may list "
            f'({MOST_TEXTS:,}); take a shorter one, or store the dates as numbers: add(df, dates="epoch")'
        )
    return {key: {"$in": found}}


def iso_texts(values: Iterable[object]) -> list[str]:
    """The ISO dates among values, ascending as they are written."""
    return sorted({value for value in values if isinstance(value, str) and ISO.fullmatch(value)}, key=_written)


def _written(text: str) -> str:
    return text.replace(" ", "T", 1)


def values_under(collection: Collection, key: str) -> list[Any]:
    """The different values that records have under a key; elements of lists are none."""
    if offers(type(collection), "facets"):
        facets: Callable[..., Any] = collection.facets  # type: ignore[attr-defined]
        return [one.value for one in facets(key, limit=max(1, collection.count())).values]
    found: dict[str | float, None] = {}
    for page in pages(collection, PAGE, include=["metadatas"]):
        for metadata in page["metadatas"] or ():
            value = (metadata or {}).get(key)
            if isinstance(value, str | int | float):
                found[value] = None
    return list(found)

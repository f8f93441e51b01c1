"""Columns of the table: which there are, of what type, and how a value travels to the page. No widgets here.

A collection has no list of its keys, so they are found in records spread over it, and in every page that is shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from chroma_nb.dates import ISO, stored_as
from chroma_nb.query.conditions import DOCUMENT_KEY
from chroma_nb.query.ordering import ID_KEY
from chroma_nb.types import Json, Metadata, as_sparse_vector

URI_KEY: Final = "#uri"
#: What the map is coloured by, besides metadata: its regions.
REGION_KEY: Final = "#region"
#: What a column holds besides metadata.
FIELD_KEYS: Final = (ID_KEY, DOCUMENT_KEY, URI_KEY)

#: ``date``: ISO texts; ``epoch_s``, ``epoch_ms``: numbers that are moments; ``mixed``: values of several types.
Type: TypeAlias = Literal[
    "text", "integer", "number", "boolean", "date", "epoch_s", "epoch_ms", "list", "sparse", "mixed"
]

#: Letters of a text that a cell is sent; the rest is asked for when it is copied or read.
CELL_LETTERS: Final = 400
#: Integers beyond these are no numbers of JavaScript.
_EXACT: Final = 2**53

#: A key has a text of its own in each record if at least so many texts are known and this share of them differ.
_FEWEST_TEXTS: Final = 50
_SHARE_DIFFERENT: Final = 0.95


@dataclass
class Column:
    """One column: its key ("#id", "#document", "#uri" or of the metadata), type, and the letters it usually needs."""

    key: str
    type: Type = "text"
    letters: int = 8
    #: Of dates: whether some have a time of day.
    clock: bool = False
    #: Of numbers: how many digits are shown behind the point.
    digits: int | None = None
    #: Of texts: whether nearly every record met has one of its own, as a title.
    own: bool = False

    def json(self) -> Json:
        """What the page is told of it."""
        known = ("key", "type", "letters", "clock", "digits", "own")
        return {name: getattr(self, name) for name in known}


@dataclass
class Columns:
    """The columns that are known of a collection, the most frequent keys first; new ones come at the end.

    >>> columns = Columns()
    >>> columns.meet(["a"], ["a text"], [None], [{"year": 2020, "seen": "2024-05-01"}])
    True
    >>> {column.key: column.type for column in columns.known.values()}
    {'#id': 'text', '#document': 'text', 'year': 'integer', 'seen': 'date'}
    """

    known: dict[str, Column] = field(default_factory=dict)

    def meet(
        self,
        ids: Sequence[str],
        documents: Sequence[str | None],
        uris: Sequence[str | None],
        metadatas: Sequence[Metadata | None],
    ) -> bool:
        """Look at some records; whether there was a key among them that was not known."""
        before = len(self.known)
        fields: dict[str, Iterable[str | None]] = {ID_KEY: ids, DOCUMENT_KEY: documents, URI_KEY: uris}
        for key, texts in fields.items():
            if key not in self.known:
                there = [text for text in texts if text is not None]
                if there or key == ID_KEY:
                    self.known[key] = Column(key, letters=_letters(there))
        unknown: dict[str, list[object]] = {}
        for metadata in metadatas:
            for key, value in (metadata or {}).items():
                if key not in self.known:
                    unknown.setdefault(key, []).append(value)
        for key in sorted(unknown, key=lambda key: -len(unknown[key])):
            self.known[key] = column_of(key, unknown[key])
        return len(self.known) > before


def column_of(key: str, values: Sequence[object]) -> Column:
    """Return the column of a metadata key with these values, which are all there.

    >>> column_of("created", [1758568000.5, 1758568001.0]).type
    'epoch_s'
    >>> column_of("price", [1758568000.5]).type, column_of("n", [1, "one"]).type
    ('number', 'mixed')
    """
    found = type_of(key, values)
    shown = [str(value) for value in values]
    clock = found in ("epoch_s", "epoch_ms") or (found == "date" and any(_has_clock(text) for text in shown))
    if found == "number":
        digits = _digits([float(value) for value in values])  # type: ignore[arg-type]
        return Column(key, found, _letters([f"{value:,.{digits}f}" for value in values]), digits=digits)
    if found in ("epoch_s", "epoch_ms"):
        second = 1 if found == "epoch_s" else 1000
        exact = any(float(value) // second % 60 for value in values)  # type: ignore[arg-type]
        return Column(key, found, len("2024-05-01 13:05:09" if exact else "2024-05-01 13:05"), clock)
    if found == "date":
        shown = [text.removesuffix("Z").removesuffix("+00:00") if clock else text[:10] for text in shown]
    own = found == "text" and len(values) >= _FEWEST_TEXTS and len(set(shown)) >= _SHARE_DIFFERENT * len(shown)
    return Column(key, found, _letters(shown), clock, own=own)


def _has_clock(text: str) -> bool:
    return len(text) > 10 and text[11:16] != "00:00"


def _digits(values: Sequence[float]) -> int:
    """How many digits behind the point tell most of these numbers apart: four that count, of the usual number.

    >>> _digits([1.0, 2.0]), _digits([0.25, 0.5]), _digits([1234.56789]), _digits([0.000123456])
    (0, 2, 1, 7)
    """
    finite = [abs(value) for value in values if math.isfinite(value) and value]
    if not finite:
        return 0
    usual = sorted(finite)[len(finite) // 2]
    there = max(-int(Decimal(repr(value)).normalize().as_tuple().exponent) for value in finite)
    return min(max(there, 0), max(1, 3 - math.floor(math.log10(usual))), 12)


def _letters(texts: Sequence[str]) -> int:
    """How many letters all but the longest tenth of texts have."""
    return sorted(map(len, texts))[(len(texts) * 9) // 10] if texts else 1


def type_of(key: str, values: Sequence[object]) -> Type:
    """What the values under a key are; numbers are moments only where their key says so.

    >>> type_of("x", [True]), type_of("x", [1, 2.5]), type_of("updatedAt", [1758568000]), type_of("x", [["a"]])
    ('boolean', 'number', 'epoch_s', 'list')
    """
    kinds = {_kind(value) for value in values}
    if kinds <= {"integer", "number"} and kinds:
        return stored_as(key, values) or ("number" if "number" in kinds else "integer")
    if len(kinds) != 1:
        return "mixed"
    (kind,) = kinds
    if kind == "text" and stored_as(key, values) == "date":
        return "date"
    return kind


def is_date(text: str) -> bool:
    """Whether a text is an ISO date, with or without a time.

    >>> is_date("2024-05-01T09:30:00Z"), is_date("May 2024")
    (True, False)
    """
    return ISO.fullmatch(text) is not None


def _kind(value: object) -> Type:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, list | tuple):
        return "list"
    return "text" if isinstance(value, str) else "sparse"


# --- Values on their way to the page --------------------------------------------------------------------------------
def cell(value: object, limit: int | None = CELL_LETTERS) -> Any:
    """A value as JSON that JavaScript reads as the same value; texts are cut to ``limit``.

    What JSON or JavaScript's numbers cannot hold is a dict with its ``kind`` and its ``text``.

    >>> cell("abc", 2), cell(2**60), cell(float("inf"))
    ('ab…', {'kind': 'integer', 'text': '1152921504606846976'}, {'kind': 'number', 'text': 'inf'})
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value) if limit is None or len(value) <= limit else value[:limit] + "…"
    if isinstance(value, int):
        return int(value) if -_EXACT <= value <= _EXACT else {"kind": "integer", "text": str(int(value))}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"kind": "number", "text": str(float(value))}
    if isinstance(value, list | tuple):
        return [cell(one, limit) for one in (value if limit is None else value[:limit])]
    sparse = as_sparse_vector(value)
    if sparse is None and isinstance(value, Mapping):
        return {"kind": "sparse", "text": f"{len(value.get('indices', ())):,} entries"}
    return {"kind": "sparse", "text": f"{len(sparse.indices):,} entries" if sparse else str(value)}

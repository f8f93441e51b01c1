"""Checks of what is set on a workbench, and the choices that are kept for a collection. No widgets here.

Every check returns the value as it is kept, or raises ``StateError`` with one sentence.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from traitlets import TraitError

from chroma_nb.plain import plain
from chroma_nb.query.conditions import Key
from chroma_nb.query.ordering import Order
from chroma_nb.types import Json
from chroma_nb.workbench import temporary
from chroma_nb.workbench.columns import FIELD_KEYS, REGION_KEY
from chroma_nb.workbench.search import BY, Search

#: Pixels that a column may be wide.
WIDTHS: Final = (40, 2_000)


class StateError(TraitError, ValueError):
    """A value that a workbench cannot show; what stood there before stays."""


# --- Columns and order ---
def columns(given: object, known: Iterable[str], *, strict: bool) -> list[Json] | None:
    """Columns to show, each as ``{"key", "width", "pinned"}``; None for all of them.

    ``strict``: a key that was not met is an error, with the nearest name; else it is left out.

    >>> columns(["year", {"key": "#id", "pinned": True}], ["#id", "year"], strict=True)
    [{'key': 'year'}, {'key': '#id', 'pinned': True}]
    """
    if given is None:
        return None
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise StateError(f"expected columns as a list of keys, got {given!r}")
    there = list(known)
    found = [_column(one) for one in given]
    for one in found:
        if strict and one["key"] not in there and one["key"] not in FIELD_KEYS:
            raise StateError(unknown_key("column", one["key"], there))
    return list({one["key"]: one for one in found if one["key"] in there}.values())


def _column(one: object) -> Json:
    if isinstance(one, str | Key):
        return {"key": key_of(one)}
    if not isinstance(one, Mapping) or "key" not in one:
        raise StateError(f'expected a column as a key or as {{"key": …, "width": …, "pinned": …}}, got {one!r}')
    column: Json = {"key": key_of(one["key"])}
    width = one.get("width")
    if width is not None:
        if isinstance(width, bool) or not isinstance(width, int | float):
            raise StateError(f"expected the width of column {column['key']!r} in pixels, got {width!r}")
        column["width"] = int(min(max(width, WIDTHS[0]), WIDTHS[1]))
    if one.get("pinned") is not None:
        column["pinned"] = bool(one["pinned"])
    return column


def order(given: object, known: Iterable[str]) -> Json | None:
    """An order as ``{"by", "descending"}``; None as stored. A key alone is ascending.

    >>> order("year", ["#id", "year"])
    {'by': 'year', 'descending': False}
    """
    if given is None:
        return None
    if isinstance(given, str | Key):
        given = {"by": given}
    if not isinstance(given, Mapping) or "by" not in given:
        raise StateError(f'expected an order as a key or as {{"by": …, "descending": …}}, got {given!r}')
    by, descending = key_of(given["by"]), given.get("descending", False)
    if by not in (there := list(known)):
        raise StateError(unknown_key("key to order by", by, there))
    if not isinstance(descending, bool):
        raise StateError(f"expected descending as True or False, got {descending!r}")
    return {"by": by, "descending": descending}


def colour(given: object, known: Iterable[str]) -> str | None:
    """What the map is coloured by: a metadata key, "#region" for the regions of the map, or None.

    >>> colour("year", ["#id", "year"]), colour("#region", [])
    ('year', '#region')
    """
    if given is None:
        return None
    key, there = key_of(given), [REGION_KEY, *(one for one in known if one not in FIELD_KEYS)]
    if key not in there:
        raise StateError(unknown_key("key to colour by", key, there))
    return key


def order_of(kept: Json | None) -> Order | None:
    """The order as a collection takes it."""
    return None if kept is None else Order(kept["by"], kept["descending"])


def key_of(given: object) -> str:
    """A key by its name, or as ``K("year")``."""
    name = given.name if isinstance(given, Key) else plain(given)
    if not isinstance(name, str):
        raise StateError(f"expected a key as text, got {given!r}")
    return name


def unknown_key(what: str, key: str, known: Iterable[str]) -> str:
    """That there is no such key, and which one may be meant.

    >>> unknown_key("column", "yaer", ["#id", "year"])
    "there is no column 'yaer'; did you mean 'year'?"
    """
    there = [*known]
    close = difflib.get_close_matches(key, there, n=1)
    if close:
        return f"there is no {what} {key!r}; did you mean {close[0]!r}?"
    names = ", ".join(map(repr, there[:20])) + (", …" if len(there) > 20 else "")
    return f"there is no {what} {key!r}; there are {names}"


# --- Filters and records ---
def mapping(what: str, given: object) -> Any:
    """A filter as a dict, or None."""
    if given is not None and not isinstance(given, Mapping):
        raise StateError(f"expected {what} as a dict, as get() takes it, or None, got {given!r}")
    return given or None


def record(given: object) -> str | None:
    """The id of the record that is open, or None."""
    value = plain(given)
    if value is not None and not isinstance(value, str):
        raise StateError(f"expected the id of a record as text, or None, got {given!r}")
    return value


def search(given: object) -> Json | None:
    """What is searched for as ``{"text" or "like", "by", "case"}``; None for nothing. A text alone is one.

    >>> search("parcel stuck")
    {'text': 'parcel stuck', 'by': 'both', 'case': False}
    """
    if given is None or given == "":
        return None
    if isinstance(given, str):
        given = {"text": given}
    if not isinstance(given, Mapping) or (given.get("text") is None) == (given.get("like") is None):
        raise StateError(f'expected a search as a text, as {{"text": …}} or as {{"like": id}}, got {given!r}')
    kind = "text" if given.get("text") is not None else "like"
    value, by, case = given[kind], given.get("by", "both"), given.get("case", False)
    if not isinstance(value, str):
        raise StateError(f"expected what is searched for as text, got {value!r}")
    if by not in BY:
        raise StateError(f"expected by as one of {', '.join(map(repr, BY))}, got {by!r}")
    if not isinstance(case, bool):
        raise StateError(f"expected case as True or False, got {case!r}")
    if unknown := set(given) - {"text", "like", "by", "case"}:
        raise StateError(
            f"unknown part of a search: {sorted(map(str, unknown))[0]!r}; expected text, like, by and case"
        )
    if kind == "like":
        return {"like": value}
    return {"text": value, "by": by, "case": case} if value.strip() else None


def search_of(kept: Json | None) -> Search | None:
    """The search as a collection is asked."""
    return None if kept is None else Search(**kept)


# --- Choices ---
@dataclass(frozen=True)
class Choices:
    """What a person has chosen for the look of a collection; ``asked`` is what the call named of it."""

    asked: Json
    kept: Json


#: Names of the traits that are choices.
CHOSEN: Final = ("columns", "order", "wrap", "folded", "colour")
#: Collection id, or what a table is known by -> the choices that were last made for it in this kernel. The oldest of
#: many are dropped.
_CHOICES: dict[str, Choices] = {}
_COLLECTIONS: Final = 100


def remember(collection: object, choices: Choices) -> None:
    """Keep choices for the next workbench of this collection."""
    name = _name(collection)
    _CHOICES.pop(name, None)
    _CHOICES[name] = choices
    while len(_CHOICES) > _COLLECTIONS:
        del _CHOICES[next(iter(_CHOICES))]


def remembered(collection: object, asked: Json) -> Json:
    """The choices for this collection; without those of which the call names something else than it did then."""
    found = _CHOICES.get(_name(collection))
    if found is None:
        return {}
    named = found.asked
    return {name: value for name, value in found.kept.items() if name not in asked or named.get(name) == asked[name]}


def _name(collection: object) -> str:
    """What the choices for a collection are kept by: those of a table by its columns, each run makes a collection."""
    found = temporary.of(collection)
    return str(getattr(collection, "id", "")) if found is None else f"table {found.columns}"

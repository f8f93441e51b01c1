"""Typed text -> a value of the type that the key has in a sample of the records. No widgets here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from chroma_nb.collection import values_by_key
from chroma_nb.types import LiteralValue, Metadata

#: Records that the types of keys are learned from.
SAMPLE: Final = 200


def kinds(metadatas: Iterable[Metadata | None]) -> dict[str, str]:
    """The kind of value that each key of some records has.

    >>> kinds([{"year": 2020, "tag": ["a"]}, {"year": 2021.5}, None])
    {'year': 'number', 'tag': 'list'}
    """
    return {key: _common(map(_kind, values)) for key, values in values_by_key(metadatas).items()}


_KINDS: Final[Mapping[type, str]] = {str: "text", bool: "bool", int: "int", float: "float", list: "list"}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "mixed")


def _common(found: Iterable[str]) -> str:
    different = set(found)
    if different == {"int", "float"}:
        return "number"
    return different.pop() if len(different) == 1 else "mixed"


def typed(key: str, kind: str, text: str) -> LiteralValue:
    """The value that was typed, of the type that the key's values have.

    >>> typed("year", "int", " 2020"), typed("new", "mixed", "true")
    (2020, True)
    """
    reader, expected = _READERS.get(kind, _READERS["mixed"])
    try:
        return reader(text.strip() if kind != "text" else text)
    except (ValueError, KeyError):
        raise ValueError(f"expected {expected} for {key!r}, got {text!r}") from None


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _literal(text: str) -> LiteralValue:
    """A number, true, false or quoted text; anything else is text."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    return value if isinstance(value, str | int | float | bool) else text


#: Kind of a key -> how a value is read, and the words for what was expected.
_READERS: Final[dict[str, tuple[Callable[[str], LiteralValue], str]]] = {
    "text": (str, "text"),
    "int": (_number, "a number"),
    "number": (_number, "a number"),
    "float": (float, "a number"),
    "bool": (lambda text: {"true": True, "false": False}[text.lower()], "true or false"),
    "mixed": (_literal, "a value"),
}

"""The filter builder's rows as values: which operations a key allows, and the ``where`` they make.

Keys and their kinds come from a sample of the records. The widgets stand in ``filter_builder.py``.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from chroma_nb.collection import values_by_key
from chroma_nb.display.markup import plain
from chroma_nb.query.conditions import DOCUMENT_KEY
from chroma_nb.query.operators import OPERATORS, Operator
from chroma_nb.types import LiteralValue, Metadata, Where

#: What the builder calls the document, which no metadata key can be called.
DOCUMENT: Final = DOCUMENT_KEY
#: Records that the keys are learned from; values of a key that are offered.
SAMPLE, _OFFERED = 200, 50


@dataclass(frozen=True)
class Key:
    """A metadata key as the sample shows it; ``element`` is the kind of a list's elements."""

    name: str
    kind: str
    count: int = 0
    values: tuple[str, ...] = ()
    element: str = "mixed"


_NUMBERS: Final = frozenset({"int", "float", "number"})


def _goes_with(row: Operator, kind: str) -> bool:
    """Whether a key of this kind can be asked with the operator."""
    if kind == "document":
        return row.document
    if row.metadata == "presence":
        return True
    if row.metadata == "element":
        return kind in ("list", "mixed")
    if kind == "bool":
        return bool in row.kinds and not row.many  # there are but two to be one of
    return row.metadata == "value" and (
        kind == "mixed" or (kind == "text" and str in row.kinds) or (kind in _NUMBERS and int in row.kinds)
    )


def operations(kind: str) -> list[str]:
    """The labels of what a key of this kind can be asked.

    >>> operations("bool")
    ['is', 'is not', 'is there']
    """
    return [row.label for row in OPERATORS.values() if _goes_with(row, kind)]


@dataclass(frozen=True)
class FilterRow:
    """One condition, as typed. ``joined`` says how it goes with the row before; "and" binds closer than "or"."""

    key: str
    operation: str = "is"
    value: str = ""
    joined: Literal["and", "or"] = field(default="and")


# --- Keys ---------------------------------------------------------------------------------------------
def observe(metadatas: Iterable[Metadata | None]) -> dict[str, Key]:
    """The keys of some records, the most frequent first.

    >>> observe([{"year": 2020, "tag": ["a"]}, {"year": 2021}, None])["year"]
    Key(name='year', kind='int', count=2, values=('2020', '2021'), element='mixed')
    """
    keys = [_key(name, values) for name, values in values_by_key(metadatas).items()]
    return {key.name: key for key in sorted(keys, key=lambda key: -key.count)}


def _key(name: str, values: Sequence[object]) -> Key:
    kind = _common(map(_kind, values))
    elements = [element for value in values if isinstance(value, list) for element in value]
    offered = sorted(
        {plain(value) for value in (elements or values) if not isinstance(value, list)}, key=_reading_order
    )
    return Key(name, kind, len(values), tuple(offered[:_OFFERED]), _common(map(_kind, elements)))


def _reading_order(text: str) -> tuple[bool, float, str]:
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text


_KINDS: Final[dict[type, str]] = {str: "text", bool: "bool", int: "int", float: "float", list: "list"}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "mixed")


def _common(kinds: Iterable[str]) -> str:
    different = set(kinds)
    if different == {"int", "float"}:
        return "number"
    return different.pop() if len(different) == 1 else "mixed"


# --- From rows to filters -----------------------------------------------------------------------------------
def compiled(rows: Sequence[FilterRow], keys: Mapping[str, Key]) -> tuple[Where | None, Where | None]:
    """``where`` and ``where_document`` of the rows; one without a value does not count.

    Raises ValueError for a value that does not fit its key, and for an "or" between document and metadata,
    which Chroma cannot express.

    >>> keys = observe([{"year": 2020}])
    >>> compiled([FilterRow("year", "≥", "2019"), FilterRow("year", "is", "7", "or")], keys)
    ({'$or': [{'year': {'$gte': 2019}}, {'year': {'$eq': 7}}]}, None)
    """
    groups: list[list[FilterRow]] = []
    for row in (row for row in rows if row.key and row.value != ""):
        if not groups or row.joined == "or":
            groups.append([])
        groups[-1].append(row)
    about_document = [row.key == DOCUMENT for group in groups for row in group]
    if len(groups) > 1 and any(about_document) and not all(about_document):
        raise ValueError("conditions on the document and on metadata can only be joined by 'and'; ask twice instead")
    return _side(groups, keys, lambda row: row.key != DOCUMENT), _side(groups, keys, lambda row: row.key == DOCUMENT)


def _side(groups: list[list[FilterRow]], keys: Mapping[str, Key], belongs: Callable[[FilterRow], bool]) -> Where | None:
    terms = [both(*(_condition(row, keys) for row in group if belongs(row))) for group in groups]
    return _joined("$or", [term for term in terms if term is not None])


def both(*filters: Where | None) -> Where | None:
    """All of these filters in one; None if all are None.

    >>> both({"a": 1}, None, {"$and": [{"b": 2}, {"c": 3}]})
    {'$and': [{'a': 1}, {'b': 2}, {'c': 3}]}
    """
    terms: list[Where] = []
    for condition in filters:
        if condition:
            terms += condition["$and"] if list(condition) == ["$and"] else [condition]
    return _joined("$and", terms)


def _joined(operator: str, terms: list[Where]) -> Where | None:
    if not terms:
        return None
    return terms[0] if len(terms) == 1 else {operator: terms}


def _condition(row: FilterRow, keys: Mapping[str, Key]) -> Where:
    key = Key(row.key, "document") if row.key == DOCUMENT else keys.get(row.key) or Key(row.key, "mixed")
    asked = (
        operator
        for operator in OPERATORS.values()
        if operator.label == row.operation and _goes_with(operator, key.kind)
    )
    found = next(asked, None)
    if found is None:
        raise ValueError(f"{row.key!r} cannot be asked {row.operation!r}; it can: {', '.join(operations(key.kind))}")
    if row.key == DOCUMENT:
        return {found.name: row.value}
    kind = "bool" if found.metadata == "presence" else key.element if key.kind == "list" else key.kind
    texts = next(csv.reader([row.value], skipinitialspace=True)) if found.many else [row.value]
    values = [typed(key.name, kind, text) for text in texts]
    return {row.key: {found.name: values if found.many else values[0]}}


def typed(key: str, kind: str, text: str) -> LiteralValue:
    """The value that was typed, of the type that the key's values have."""
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

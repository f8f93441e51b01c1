"""Filters: the dicts of ``where`` and ``where_document``, read once into a condition.

This module refuses, with InvalidArgumentError, what Chroma's engine refuses. The checks and messages of Chroma's
Python side are in ``operations/filters.py``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, TypeAlias, cast

from chroma_nb.errors import InvalidArgumentError
from chroma_nb.plain import LARGEST, PLAIN, are_unicode, plain, plain_tree
from chroma_nb.query.conditions import DOCUMENT_KEY, And, Or, Where, condition
from chroma_nb.query.expression import MAX_DEPTH
from chroma_nb.query.operators import OPERATORS, Operator, kind_names, of_documents, of_metadata
from chroma_nb.types import Json

#: What a part of a filter means, and the part as it was written: a copy of plain values.
_Read: TypeAlias = tuple[Where, Json]
_Refuse: TypeAlias = Callable[[str], NoReturn]

_JUNCTIONS: Final[dict[str, type[And] | type[Or]]] = {"$and": And, "$or": Or}
_LEAST_INT: Final = -(2**63)
_LARGEST_INT: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter of one call: what the caller wrote, which is what is sent, and the condition that it means.

    ``known`` is the condition, when it was read together with what was written. What Chroma's engine refuses has none:
    it is refused where the condition is asked for, with the engine's words.

    >>> Filter({"topic": "moon"}, {"$contains": "crater"}).condition
    And(conditions=[Eq(key='topic', value='moon'), Contains(key='#document', value='crater')])
    """

    where: Json | None = None
    where_document: Json | None = None
    known: Where | None = field(default=None, compare=False, repr=False)

    @property
    def condition(self) -> Where:
        """Both filters as one condition; InvalidArgumentError for what Chroma's engine refuses."""
        if self.known is not None:
            return self.known
        where = None if self.where is None else parse_where(self.where)
        return _both(where, None if self.where_document is None else parse_where_document(self.where_document))


def read_filter(where: object, where_document: object) -> Filter:
    """The filter of a call, checked and read in one pass; later changes of what was given have no effect.

    At least one of the two is given. Takes what Chroma's Python side and its engine both take; for anything else, and
    for subclasses of dict and list, InvalidArgumentError: whether and how it is refused is said elsewhere.
    """
    asked, text = (None, None) if where is None else _Parser(_refuse_where, False, True).parse(where)
    asked_of_document, document_text = (
        (None, None) if where_document is None else _Parser(_refuse_where_document, True, True).parse(where_document)
    )
    return Filter(text, document_text, _both(asked, asked_of_document))


def written(where: object, where_document: object) -> Filter | None:
    """The filter of a call whose arguments are not checked: a copy of plain values; None when neither is given."""
    if where is None and where_document is None:
        return None
    return Filter(plain_tree(where), plain_tree(where_document))


def parse_where(where: object, *, max_depth: int = MAX_DEPTH) -> Where:
    """The condition of a filter on metadata.

    Raises InvalidArgumentError for what Chroma's engine refuses: unknown operators, operands that are
    not finite or beyond 64 bits, lists of several types, ordering of anything but numbers, nesting
    deeper than ``max_depth``.

    >>> parse_where({"$and": [{"year": {"$gt": 2000}}, {"topic": "moon"}]})
    And(conditions=[Gt(key='year', value=2000), Eq(key='topic', value='moon')])
    >>> parse_where({"#document": {"$contains": "crater"}})
    Contains(key='#document', value='crater')
    """
    return _Parser(_refuse_where, False).parse(where, max_depth)[0]


def parse_where_document(where_document: object, *, max_depth: int = MAX_DEPTH) -> Where:
    """The condition of a filter on documents; refuses as ``parse_where`` does.

    >>> parse_where_document({"$or": [{"$contains": "moon"}, {"$regex": "^Mars"}]})
    Or(conditions=[Contains(key='#document', value='moon'), Regex(key='#document', pattern='^Mars')])
    """
    return _Parser(_refuse_where_document, True).parse(where_document, max_depth)[0]


def _both(where: Where | None, where_document: Where | None) -> Where:
    if where is not None and where_document is not None:
        return And([where, where_document])
    return cast(Where, where or where_document)


class _Parser:
    """One pass over a filter.

    A ``strict`` one also refuses what only Chroma's Python side refuses, and filters of very many parts: those may be
    few that stand in each other again and again.
    """

    __slots__ = ("_left", "_of_document", "_refuse", "_strict")

    def __init__(self, refuse: _Refuse, of_document: bool, strict: bool = False) -> None:
        self._refuse = refuse
        self._of_document = of_document
        self._strict = strict
        self._left = LARGEST if strict else sys.maxsize

    def parse(self, source: object, levels: int = MAX_DEPTH) -> _Read:
        """A filter, or one of its terms."""
        if levels <= 0:
            self._refuse("it is nested too deeply")
        if type(source) is not dict or len(source) != 1:
            self._refuse(f"expected a dict with one entry, got {_brief(source)}")
        ((key, value),) = source.items()
        key = key if type(key) is str else plain(key)
        if type(key) is not str:
            self._refuse(f"expected a str as key, got {_brief(key)}")
        junction = _JUNCTIONS.get(key)
        if junction is not None:
            return self._joined(key, junction, value, levels - 1)
        return self._asked_of_document(key, value) if self._of_document else self._asked_of_key(key, value)

    def _count(self, parts: int) -> None:
        self._left -= parts
        if self._left < 0:
            self._refuse("it has very many parts")

    def _joined(self, name: str, junction: type[And] | type[Or], terms: Any, levels: int) -> _Read:
        if not self._is_list(terms) or len(terms) < (2 if self._strict else 1):
            self._refuse(f"expected a non-empty list for {name}, got {_brief(terms)}")
        self._count(3 * len(terms))  # each is a dict, a dict and a value at most
        read = [self.parse(term, levels) for term in terms]
        return junction([term for term, _ in read]), {name: [written for _, written in read]}

    def _is_list(self, value: object) -> bool:
        return type(value) is list or (not self._strict and isinstance(value, list | tuple))

    def _asked_of_key(self, key: str, value: object) -> _Read:
        if key[:1] == "$":
            self._refuse(f"{key!r} is neither $and, $or nor a key of metadata")
        if not key.isascii():
            self._check_unicode([key])
        if type(value) is not dict:
            operand, written = self._operand(OPERATORS["$eq"], value)
            return condition("$eq", key, operand), {key: written}
        if len(value) != 1:
            self._refuse(f"expected one operator, got {_brief(value)}")
        ((name, given),) = value.items()
        name = name if type(name) is str else plain(name)
        row = OPERATORS.get(name)
        of_document = row is not None and row.document and key == DOCUMENT_KEY and (row.metadata or not self._strict)
        if row is None or not (row.metadata or of_document):
            self._refuse(f"unknown operator {_brief(name)}; there are {_names(of_metadata())}")
        operand, written = self._text(name, given) if of_document else self._operand(row, given)
        return condition(name, key, operand), {key: {name: written}}

    def _asked_of_document(self, name: str, given: object) -> _Read:
        row = OPERATORS.get(name)
        if row is None or not row.document:
            self._refuse(f"unknown operator {_brief(name)}; there are {_names(of_documents())}")
        text, written = self._text(name, given)
        if self._strict and not text:
            self._refuse(f"{name} takes a str that is not empty")
        return condition(name, DOCUMENT_KEY, text), {name: written}

    def _text(self, name: str, given: object) -> tuple[str, str]:
        text = plain(given)
        if type(text) is not str:
            self._refuse(f"{name} takes a str, got {_brief(given)}")
        if not text.isascii():
            self._check_unicode([text])
        return text, text

    def _check_unicode(self, texts: list[str]) -> None:
        if not are_unicode(texts):
            wrong = next(text for text in texts if not are_unicode([text]))
            self._refuse(f"{_brief(wrong)} holds half of a surrogate pair, which is no Unicode")

    def _operand(self, row: Operator, given: object) -> tuple[Any, object]:
        """The operand within the ranges of Chroma's engine, and as it was written, in plain values."""
        if row.many:
            return self._operands(row, given)
        value = given if type(given) in PLAIN else plain(given)
        if type(value) not in row.kinds:
            self._refuse(f"{row.name} takes {kind_names(row)}, got {_brief(given)}")
        if type(value) is str and not value.isascii():
            self._check_unicode([value])
        return self._in_range(value), value

    def _operands(self, row: Operator, given: Any) -> tuple[list[object], list[object]]:
        if not self._is_list(given) or not given:
            self._refuse(f"{row.name} takes a non-empty list, got {_brief(given)}")
        self._count(len(given))
        written = list(given) if PLAIN.issuperset(map(type, given)) else list(map(plain, given))
        kinds = set(map(type, written))
        if len(kinds) != 1 or not kinds <= row.kinds:
            self._refuse(f"{row.name} takes a list of one type ({kind_names(row)}), got {_brief(given)}")
        if kinds == {str}:
            self._check_unicode(written)
        if kinds <= _WITHOUT_RANGE or (kinds == {int} and _LEAST_INT <= min(written) <= max(written) <= _LARGEST_INT):
            return written, written
        return list(map(self._in_range, written)), written

    def _in_range(self, value: object) -> Any:
        """A plain operand within the ranges of Chroma's engine.

        Its numbers are JSON numbers: integers beyond 64 bits become floats, those that fit only unsigned
        are refused.
        """
        if type(value) is int and not _LEAST_INT <= value <= _LARGEST_INT:
            if 2**63 <= value < 2**64:
                self._refuse(f"integers reach from -2**63 to 2**63 - 1, got {value}")
            try:
                return float(value)
            except OverflowError:
                self._refuse("the integer is too large")
        if type(value) is float and not math.isfinite(value):
            self._refuse(f"expected a finite number, got {value}")
        return value


_WITHOUT_RANGE: Final = frozenset({str, bool})


def _names(rows: Iterable[Operator]) -> str:
    return ", ".join(row.name for row in rows)


def _brief(value: object) -> str:
    """A value for a message: type and, of scalars, the beginning."""
    value = plain(value)
    if isinstance(value, str | float | bool | None):
        return repr(value if not isinstance(value, str) else value[:60])
    if isinstance(value, int):
        return repr(value) if value.bit_length() <= 128 else f"an int of {value.bit_length()} bits"
    if isinstance(value, dict | list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"


def _refuse_where(reason: str) -> NoReturn:
    raise InvalidArgumentError(f"Invalid where clause: {reason}")


def _refuse_where_document(reason: str) -> NoReturn:
    raise InvalidArgumentError(f"Invalid where document clause: {reason}")

"""Grammar of ``where`` and ``where_document``: dict -> tree -> dict.

What a filter means is said here; how it is evaluated stands in ``engine/filters/evaluation.py``. The checks with
Chroma's Python-side sentences stand in ``operations/validate.py``: here is what Chroma's engine refuses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

from chroma_nb.errors import InvalidArgumentError
from chroma_nb.plain import plain


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metadata key against one operand: ``{"year": {"$gt": 2020}}``.

    The operand of ``$in`` and ``$nin`` is a tuple of values of one type.
    """

    key: str
    operator: str
    operand: Any


@dataclass(frozen=True, slots=True)
class DocumentTest:
    """A test of the document: ``$contains``, ``$not_contains``, ``$regex``, ``$not_regex``."""

    operator: str
    operand: str


@dataclass(frozen=True, slots=True)
class And:
    """All terms hold."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one term holds."""

    terms: tuple[Expression, ...]


Expression: TypeAlias = Comparison | DocumentTest | And | Or


@dataclass(frozen=True, slots=True)
class Operator:
    """What an operator takes and means.

    ``kinds`` are the types an operand may have, by exact type: bool is no int. ``many`` says that the
    operand is a list of such values.
    """

    name: str
    kinds: frozenset[type]
    many: bool
    negative: bool
    meaning: str


_SCALARS: Final = frozenset({str, int, float, bool})
_NUMBERS: Final = frozenset({int, float})

#: What a metadata key can be asked. A negative operator also holds where the key is missing.
OPERATORS: Final[dict[str, Operator]] = {
    row.name: row
    for row in (
        Operator("$eq", _SCALARS, False, False, "the value equals the operand; 1 equals 1.0, True equals only True"),
        Operator("$ne", _SCALARS, False, True, "not $eq"),
        Operator("$gt", _NUMBERS, False, False, "a number above the operand"),
        Operator("$gte", _NUMBERS, False, False, "a number not below the operand"),
        Operator("$lt", _NUMBERS, False, False, "a number below the operand"),
        Operator("$lte", _NUMBERS, False, False, "a number not above the operand"),
        Operator("$in", _SCALARS, True, False, "$eq with one of the operands"),
        Operator("$nin", _SCALARS, True, True, "not $in"),
        Operator("$contains", _SCALARS, False, False, "a list with this element, of this very type"),
        Operator("$not_contains", _SCALARS, False, True, "not $contains"),
    )
}

#: What a document can be asked. A negative operator also holds where there is no document.
DOCUMENT_OPERATORS: Final[dict[str, Operator]] = {
    row.name: row
    for row in (
        Operator("$contains", frozenset({str}), False, False, "the text occurs, letter for letter"),
        Operator("$not_contains", frozenset({str}), False, True, "not $contains"),
        Operator("$regex", frozenset({str}), False, False, "the pattern is found somewhere"),
        Operator("$not_regex", frozenset({str}), False, True, "not $regex"),
    )
}

_JUNCTIONS: Final[dict[str, type[And] | type[Or]]] = {"$and": And, "$or": Or}
#: The key under which ``where`` asks the document.
DOCUMENT_KEY: Final = "#document"
#: How deep Chroma's engine lets filters nest, the innermost term included.
MAX_DEPTH: Final = 64


def parse_where(where: Any, *, max_depth: int = MAX_DEPTH) -> Expression:
    """The tree of a filter on metadata.

    Raises InvalidArgumentError for what Chroma's engine refuses: unknown operators, operands that are
    not finite or beyond 64 bits, lists of several types, ordering of anything but numbers, nesting
    deeper than ``max_depth``.

    >>> parse_where({"$and": [{"year": {"$gt": 2000}}, {"topic": "moon"}]})
    And(terms=(Comparison(key='year', operator='$gt', operand=2000), Comparison(key='topic', operator='$eq', operand='moon')))
    >>> parse_where({"#document": {"$contains": "crater"}})
    DocumentTest(operator='$contains', operand='crater')
    """  # noqa: E501
    return _parse(where, _parse_comparison, _refuse_where, max_depth)


def parse_where_document(where_document: Any, *, max_depth: int = MAX_DEPTH) -> Expression:
    """The tree of a filter on documents; refuses as ``parse_where`` does.

    >>> parse_where_document({"$or": [{"$contains": "moon"}, {"$regex": "^Mars"}]})
    Or(terms=(DocumentTest(operator='$contains', operand='moon'), DocumentTest(operator='$regex', operand='^Mars')))
    """
    return _parse(where_document, _parse_document_test, _refuse_where_document, max_depth)


def to_dict(expression: Expression) -> dict[str, Any]:
    """The filter as Chroma writes it, in its long form. Document tests stand under ``#document``.

    >>> to_dict(parse_where({"topic": "moon"}))
    {'topic': {'$eq': 'moon'}}
    """
    match expression:
        case And(terms):
            return {"$and": [to_dict(term) for term in terms]}
        case Or(terms):
            return {"$or": [to_dict(term) for term in terms]}
        case DocumentTest(operator, operand):
            return {DOCUMENT_KEY: {operator: operand}}
        case Comparison(key, operator, operand):
            return {key: {operator: list(operand) if isinstance(operand, tuple) else operand}}


_Refuse: TypeAlias = Callable[[str], NoReturn]


def _parse(
    source: Any, parse_term: Callable[[str, Any, _Refuse], Expression], refuse: _Refuse, levels: int
) -> Expression:
    if levels <= 0:
        refuse("it is nested too deeply")
    if not isinstance(source, dict) or len(source) != 1:
        refuse(f"expected a dict with one entry, got {_brief(source)}")
    ((key, value),) = dict.items(source)
    key = plain(key)
    if not isinstance(key, str):
        refuse(f"expected a str as key, got {_brief(key)}")
    junction = _JUNCTIONS.get(key)
    if junction is None:
        return parse_term(key, value, refuse)
    if not isinstance(value, list | tuple) or not value:
        refuse(f"expected a non-empty list for {key}, got {_brief(value)}")
    return junction(tuple(_parse(term, parse_term, refuse, levels - 1) for term in value))


def _parse_comparison(key: str, condition: Any, refuse: _Refuse) -> Expression:
    if key.startswith("$"):
        refuse(f"{key!r} is neither $and, $or nor a key of metadata")
    name, operand = _operator_and_operand(condition, refuse)
    if key == DOCUMENT_KEY and name in DOCUMENT_OPERATORS:
        return _parse_document_test(name, operand, refuse)
    operator = OPERATORS.get(name)
    if operator is None:
        refuse(f"unknown operator {_brief(name)}; there are {', '.join(OPERATORS)}")
    if operator.many:
        return Comparison(key, name, _list_operand(operator, operand, refuse))
    return Comparison(key, name, _scalar_operand(operator, operand, refuse))


def _parse_document_test(name: str, operand: Any, refuse: _Refuse) -> Expression:
    if name not in DOCUMENT_OPERATORS:
        refuse(f"unknown operator {_brief(name)}; there are {', '.join(DOCUMENT_OPERATORS)}")
    text = plain(operand)
    if not isinstance(text, str):
        refuse(f"{name} takes a str, got {_brief(operand)}")
    return DocumentTest(name, text)


def _operator_and_operand(condition: Any, refuse: _Refuse) -> tuple[str, Any]:
    if not isinstance(condition, dict):
        return "$eq", condition
    if len(condition) != 1:
        refuse(f"expected one operator, got {_brief(condition)}")
    ((name, operand),) = dict.items(condition)
    return plain(name), operand


def _scalar_operand(operator: Operator, operand: Any, refuse: _Refuse) -> Any:
    value = plain(operand)
    if type(value) not in operator.kinds:
        refuse(f"{operator.name} takes {_kind_names(operator)}, got {_brief(operand)}")
    return _in_range(value, refuse)


def _list_operand(operator: Operator, operand: Any, refuse: _Refuse) -> tuple[Any, ...]:
    if not isinstance(operand, list | tuple) or not operand:
        refuse(f"{operator.name} takes a non-empty list, got {_brief(operand)}")
    values = list(map(plain, operand))
    kinds = set(map(type, values))
    if kinds in ({str}, {bool}):
        return tuple(values)
    if len(kinds) != 1 or not kinds <= operator.kinds:
        refuse(f"{operator.name} takes a list of one type ({_kind_names(operator)}), got {_brief(operand)}")
    return tuple(_in_range(value, refuse) for value in values)


def _in_range(value: Any, refuse: _Refuse) -> Any:
    """A plain operand within the ranges of Chroma's engine.

    Its numbers are JSON numbers: integers beyond 64 bits become floats, those that fit only unsigned
    are refused.
    """
    if type(value) is int:
        if 2**63 <= value < 2**64:
            refuse(f"integers reach from -2**63 to 2**63 - 1, got {value}")
        return value if -(2**63) <= value < 2**63 else _as_float(value, refuse)
    if type(value) is float and not math.isfinite(value):
        refuse(f"expected a finite number, got {value}")
    return value


def _as_float(value: int, refuse: _Refuse) -> float:
    try:
        return float(value)
    except OverflowError:
        refuse("the integer is too large")


def _kind_names(operator: Operator) -> str:
    return ", ".join(sorted(kind.__name__ for kind in operator.kinds))


def _brief(value: Any) -> str:
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

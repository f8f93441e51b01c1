"""Filters as arguments: the checks of Chroma's Python side, with its messages, public under their Chroma names.

``query/parsing.py`` refuses what Chroma's engine refuses.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final, TypedDict

from chroma_nb.advice import advised
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.operations import filter_advice
from chroma_nb.plain import PLAIN, plain_tree, shown
from chroma_nb.query.conditions import DOCUMENT_KEY
from chroma_nb.query.expression import MAX_DEPTH
from chroma_nb.query.operators import NUMBERS, Operator, kind_names, of_documents, of_metadata
from chroma_nb.query.parsing import Filter, read_filter
from chroma_nb.types import Where, WhereDocument


class FilterSet(TypedDict):
    """The two filters of one call."""

    where: Where | None
    where_document: WhereDocument | None


def validate_filter_set(filter_set: FilterSet) -> None:
    """``validate_where`` and ``validate_where_document`` of the filters that are given."""
    if filter_set["where"] is not None:
        validate_where(filter_set["where"])
    if filter_set["where_document"] is not None:
        validate_where_document(filter_set["where_document"])


def validate_where(where: Where) -> None:
    """ValueError unless it is a filter on metadata in Chroma's form; ``query/parsing.py`` has the engine's checks.

    >>> validate_where({"$and": [{"year": {"$gt": 1960}}, {"topic": "moon"}]})
    """
    check_plain_where(plain_tree(where))


def check_plain_where(where: object) -> None:
    """``validate_where`` of plain values."""
    pending: list[tuple[object, int]] = [(where, 1)]
    while pending:
        term, level = pending.pop()
        if level > MAX_DEPTH:
            raise InvalidArgumentError(f"Invalid where clause: nested more than {MAX_DEPTH} levels deep")
        key, value = _where_entry(term)
        if key in ("$and", "$or"):
            terms = _junction_terms(value, "where", "where")
            pending += [(term, level + 1) for term in reversed(terms)]
        elif isinstance(value, dict):
            _check_condition(key, value)


def _where_entry(where: object) -> tuple[str, object]:
    if not isinstance(where, dict):
        raise advised(ValueError(f"Expected where to be a dict, got {shown(where)}"), filter_advice.for_filter(where))
    if len(where) != 1:
        raise advised(
            ValueError(f"Expected where to have exactly one operator, got {shown(where)}"),
            filter_advice.for_several(where),
        )
    ((key, value),) = where.items()
    if not isinstance(key, str):
        raise ValueError(f"Expected where key to be a str, got {shown(key)}")
    if key in ("$contains", "$not_contains"):
        raise advised(
            ValueError(f"Expected where key to be a metadata field name or a logical operator ($and, $or), got {key}"),
            f"For documents, use where_document={{'{key}': …}}.",
        )
    if key not in ("$and", "$or", "$in", "$nin") and not isinstance(value, str | int | float | dict):
        raise advised(
            ValueError(f"Expected where value to be a str, int, float, or operator expression, got {shown(value)}"),
            filter_advice.for_operand("$eq", value),
        )
    return key, value


def _junction_terms(value: object, what: str, expressions: str) -> list[object]:
    """The terms of $and or $or; ``what`` and ``expressions`` are Chroma's words for the filter."""
    if not isinstance(value, list):
        raise advised(
            ValueError(
                f"Expected {what} value for $and or $or to be a list of {expressions} expressions, got {shown(value)}"
            ),
            filter_advice.for_junction(value),
        )
    if len(value) <= 1:
        raise advised(
            ValueError(
                f"Expected {what} value for $and or $or to be a list with at least two {expressions} expressions, "
                f"got {shown(value)}"
            ),
            filter_advice.for_junction(value),
        )
    return value


#: The order in which Chroma names the operators; others follow.
_NAMED_FIRST: Final = ("$gt", "$gte", "$lt", "$lte", "$ne", "$eq")


def _named(operators: Collection[str]) -> str:
    known = [name for name in _NAMED_FIRST if name in operators]
    return ", ".join([*known, *(name for name in operators if name not in known)])


def _check_condition(key: str, condition: dict[object, object]) -> None:
    if len(condition) != 1:
        raise advised(
            ValueError(f"Expected operator expression to have exactly one operator, got {shown(condition)}"),
            filter_advice.for_several_operators(key, condition),
        )
    ((operator, operand),) = condition.items()
    allowed = {row.name: row for row in of_metadata()}
    if operator not in allowed:
        chromas = [name for name, row in allowed.items() if not row.ours]
        raise advised(
            ValueError(f"Expected where operator to be one of {_named(chromas)}, got {shown(operator)}"),
            filter_advice.for_operator(operator, allowed, key),
        )
    reason = _reason_against(key, allowed[operator], operand)
    if reason is not None:
        raise advised(ValueError(f"Expected {reason}"), filter_advice.for_operand(operator, operand))
    if isinstance(operand, list) and not _are_of_one_type(operand):
        raise advised(
            ValueError(
                "Expected where operand value to be a non-empty list, and all values to be of the same type "
                f"got {shown(operand)}"
            ),
            filter_advice.for_operands(operand),
        )


def _reason_against(key: str, row: Operator, operand: object) -> str | None:
    """Why the operator cannot have this operand, in Chroma's words; None when it can."""
    if row.kinds <= NUMBERS and not isinstance(operand, int | float):
        return f"operand value to be an int or a float for operator {row.name}, got {shown(operand)}"
    if row.many and not isinstance(operand, list):
        return f"operand value to be an list for operator {row.name}, got {shown(operand)}"
    if row.document:
        if key == DOCUMENT_KEY and not isinstance(operand, str):
            return f"operand value to be a str for operator {row.name} on {DOCUMENT_KEY}, got {shown(operand)}"
        if not isinstance(operand, str | int | float):
            return f"operand value to be a str, int, float, or bool for operator {row.name}, got {shown(operand)}"
    if row.ours and type(operand) not in row.kinds:
        return f"operand value to be a {kind_names(row)} for operator {row.name}, got {shown(operand)}"
    if not isinstance(operand, str | int | float | list):
        return f"where operand value to be a str, int, float, bool, or list of those type, got {shown(operand)}"
    return None


def _are_of_one_type(values: list[object]) -> bool:
    if len(set(map(type, values))) <= 1:
        return bool(values)
    first = type(values[0])
    return all(isinstance(value, first) for value in values)


def validate_where_document(where_document: WhereDocument) -> None:
    """ValueError unless it is a filter on documents in Chroma's form.

    >>> validate_where_document({"$not_contains": "moon"})
    """
    check_plain_where_document(plain_tree(where_document))


def check_plain_where_document(where_document: object) -> None:
    """``validate_where_document`` of plain values."""
    pending: list[tuple[object, int]] = [(where_document, 1)]
    while pending:
        term, level = pending.pop()
        if level > MAX_DEPTH:
            raise InvalidArgumentError(f"Invalid where document clause: nested more than {MAX_DEPTH} levels deep")
        operator, operand = _where_document_entry(term)
        if operator in ("$and", "$or"):
            pending += [(term, level + 1) for term in reversed(_junction_terms(operand, "document", "where document"))]
        elif not isinstance(operand, str):
            raise advised(
                ValueError(
                    f"Expected where document operand value for operator {operator} to be a str, got {shown(operand)}"
                ),
                f"{{'$or': [{{'{operator}': …}}, {{'{operator}': …}}]}} matches any of several texts."
                if isinstance(operand, list | tuple | set)
                else None,
            )
        elif not operand:
            raise ValueError(f"Expected where document operand value for operator {operator} to be a non-empty str")


def _where_document_entry(where_document: object) -> tuple[str, object]:
    if not isinstance(where_document, dict):
        raise advised(
            ValueError(f"Expected where document to be a dictionary, got {shown(where_document)}"),
            f"Write {{'$contains': {shown(where_document, 60)!r}}}."
            if isinstance(where_document, str)
            else filter_advice.for_filter(where_document),
        )
    if len(where_document) != 1:
        raise advised(
            ValueError(f"Expected where document to have exactly one operator, got {shown(where_document)}"),
            filter_advice.for_several(where_document),
        )
    ((operator, operand),) = where_document.items()
    allowed = (*(row.name for row in of_documents()), "$and", "$or")
    if operator not in allowed:
        raise advised(
            ValueError(f"Expected where document operator to be one of {', '.join(allowed)}, got {shown(operator)}"),
            filter_advice.for_operator(operator, allowed),
        )
    return operator, operand


def checked_filter(where: object, where_document: object) -> Filter:
    """The filter of a call that has one, read and checked; raises what Chroma's Python side does.

    A valid filter takes one pass. Only for others all of Chroma's checks are run, which know the class and the
    text of the error. What they accept and Chroma's engine does not is refused by the engine (``Filter.condition``).
    """
    try:
        return read_filter(where, where_document)
    except InvalidArgumentError:
        pass  # it may be valid all the same: a subclass of dict, say
    written = Filter(plain_tree(where), plain_tree(where_document))
    if written.where is not None:
        check_plain_where(written.where)
    if written.where_document is not None:
        check_plain_where_document(written.where_document)
    return written


def check_sendable(filter: Filter) -> None:
    """TypeError if a filter that passed the checks cannot be JSON, ValueError if it contains itself, as in Chroma.

    InvalidArgumentError for operands that are endlessly nested lists.
    """
    if filter.known is not None or filter.where is None:
        return
    where = filter.where
    pending: list[tuple[Any, int]] = [(where, 1)]
    while pending:
        term, level = pending.pop()
        kind = type(term)
        if kind in PLAIN:
            continue
        if not issubclass(kind, dict | list | tuple):
            raise TypeError(
                f"Object of type {kind.__name__} is not JSON serializable\n{filter_advice.for_operand('$eq', term)}"
            )
        items = dict.values(term) if issubclass(kind, dict) else term
        if not PLAIN.issuperset(map(type, items)):
            if level > _DEEPEST:
                raise _endless(where)
            pending += [(item, level + 1) for item in items]


#: Deeper than filters may be, each level a dict and a list, and one operand more.
_DEEPEST: Final = 2 * MAX_DEPTH + 4


def _endless(where: object) -> Exception:
    """The error for a filter that contains itself, or for lists in lists."""
    try:
        json.dumps(where)
    except ValueError as error:
        return ValueError(f"{error}\nThe filter contains itself. Write an operand that is a str, a number or a bool.")
    except RecursionError:
        pass
    return InvalidArgumentError("Invalid where clause: an operand is a list in a list, nested too deeply")

"""Advice about a filter that is refused: one sentence after Chroma's own, as in ``advice.py``."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np

from chroma_nb._hints import meant
from chroma_nb.advice import for_list, for_value, quoted, remedy, with_article
from chroma_nb.plain import SHOWN, shown
from chroma_nb.query.operators import NUMBERS, OPERATORS, TRUTH, of_metadata

#: The most characters of a value that an advice shows.
_BRIEF: Final = 200


def for_several(where: object) -> str:
    """How several conditions in one dict are written."""
    if not isinstance(where, dict):
        return ""
    if not where:
        return "An empty filter has no condition: leave the argument out."
    return f"Write them as {_joined([{key: value} for key, value in where.items()])}"


def for_several_operators(key: str, condition: Mapping[Any, object]) -> str:
    """How several operators on one key are written."""
    if not condition:
        return f"Write an operator for {quoted(key)}: one of {', '.join(row.name for row in of_metadata())}."
    return f"Write them as {_joined([{key: {name: operand}} for name, operand in condition.items()])}"


def _joined(terms: list[object]) -> str:
    whole = shown({"$and": terms}, SHOWN)
    return whole if len(whole) <= _BRIEF * 2 else '{"$and": [{…}, {…}]}, one condition per dict'


def for_operand(operator: str, operand: object) -> str:
    """How to turn an operand into one that is allowed."""
    row = OPERATORS[operator]
    if row.many:
        return for_list(operand, "[1, 2]")
    if row.kinds == TRUTH:
        return f"Write True for records that have the key, or False for the others; got {with_article(operand)}."
    if row.kinds <= NUMBERS and isinstance(operand, str | datetime.date):
        return (
            f"{operator} compares numbers, got {with_article(operand)}. Write a number without quotes. "
            "Store dates as numbers, such as .timestamp(), to compare them; for dates stored as text, "
            "chroma_nb.date_range(collection, key, start, end) creates the filter."
        )
    if operand is None:
        return "No record holds None: leave the condition out."
    if isinstance(operand, list):
        return f"Write {{'$in': {shown(operand, 60)}}} to match any of several values."
    if isinstance(operand, list | tuple | set | frozenset | np.ndarray):
        return "Write {'$in': […]} with a list to match any of several values."
    return f"Got {with_article(operand)}: {remedy(operand)}."


def for_operands(operands: list[object]) -> str:
    """What is wrong with the list of ``$in`` or ``$nin``."""
    words = for_value(operands).replace("leave the key out", "leave the condition out")
    return f"{words[0].upper()}{words[1:]}."


def for_operator(operator: object, allowed: Collection[str], key: str = "") -> str:
    """The operator that may be intended; ``key`` is what was written in place of the metadata key."""
    if key == "$not":
        return "There is no $not: write the opposite operator, such as $ne, $nin, $not_contains or $lte."
    name = shown(operator, 30)
    if f"${name}" in allowed:
        return f"Operators begin with $. Did you mean '${name}'?"
    other = _MEANT.get(name) or next((row.name for row in OPERATORS.values() if name in row.signs), None)
    if other in allowed:
        return f"Write {other}."
    if name in OPERATORS and not OPERATORS[name].metadata:
        return f"{name} is for documents: where_document={{'{name}': …}}."
    if name in ("$and", "$or"):
        return f"{name} takes whole conditions: {{'{name}': [{{'key': …}}, {{'key': …}}]}}."
    return meant(name, allowed, cutoff=0.8)  # "$near" is not "$ne"


#: Words that are written for an operator, besides SQL's signs.
_MEANT: Final = {"$not": "$ne", "$not_in": "$nin", "$notin": "$nin", "not in": "$nin"}


def for_filter(where: object) -> str:
    """What to write instead of something that is not a dict."""
    if isinstance(where, list | tuple):
        return "Write one dict: {'$and': […]} joins several conditions."
    if isinstance(where, Mapping):
        return "Convert it with dict(…)."
    if callable(getattr(where, "to_dict", None)):
        return "Pass its dict: where=(…).to_dict()."
    return ""


def for_junction(terms: object) -> str:
    """What to do about something that is not a list of conditions, or is too short."""
    if isinstance(terms, list):
        return "Write the single condition without the list." if terms else "Leave the filter out."
    if isinstance(terms, dict):
        return f"Write a list: {shown([{key: value} for key, value in terms.items()], _BRIEF)}"
    return for_list(terms, "[{'key': 1}, {'key': 2}]")

"""A ``where`` filter in a few words, to name groups of records in tables and legends.

Not a language: nothing parses these words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chroma_nb.types import Where

#: Letters of a name, and values of a list that are named.
_LETTERS: Final = 60
_VALUES: Final = 3
_SIGNS: Final = {"$eq": "=", "$ne": "≠", "$gt": ">", "$gte": "≥", "$lt": "<", "$lte": "≤"}
_LISTS: Final = {"$in": "in", "$nin": "not in", "$contains": "contains", "$not_contains": "does not contain"}
_JOINED: Final = {"$and": " and ", "$or": " or "}


def in_words(where: Where) -> str:
    """A filter as a person would say it, cut where it is long.

    >>> in_words({"product": "Billing"}), in_words({"year": {"$gte": 2020, "$lt": 2025}})
    ('product = Billing', 'year ≥ 2020 and year < 2025')
    >>> in_words({"$or": [{"year": 2020}, {"topic": {"$in": ["a", "b"]}, "ok": True}]})
    'year = 2020 or (topic in a, b and ok = true)'
    """
    text = _clause(where)
    return text if len(text) <= _LETTERS else text[: _LETTERS - 1] + "…"


def _clause(where: Mapping[str, object], inside: str = "") -> str:
    """``inside`` is the word that joins it with others: another one within it needs brackets."""
    parts: list[str] = []
    joint = " and "
    for key, condition in where.items():
        if key in _JOINED and isinstance(condition, list | tuple):
            own = _JOINED[key]
            joined = [_clause(one, own) for one in condition if isinstance(one, Mapping)]
            text = own.join(joined)
            if len(where) == 1:
                parts, joint = joined, own
            else:
                parts.append(f"({text})" if own != joint else text)
        elif isinstance(condition, Mapping):
            parts += [_condition(key, operator, value) for operator, value in condition.items()]
        else:
            parts.append(_condition(key, "$eq", condition))
    text = joint.join(parts)
    return f"({text})" if inside and inside != joint and len(parts) > 1 else text


def _condition(key: str, operator: str, value: object) -> str:
    name = {"#id": "id", "#document": "document"}.get(key, key)
    if operator in _SIGNS:
        return f"{name} {_SIGNS[operator]} {_value(value)}"
    sign = _LISTS.get(operator, operator.removeprefix("$").replace("_", " "))
    several = list(value) if isinstance(value, list | tuple | set) else [value]
    shown = [_value(one) for one in several[:_VALUES]] + (["…"] if len(several) > _VALUES else [])
    return f"{name} {sign} {', '.join(shown)}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return '""' if value == "" else str(value)

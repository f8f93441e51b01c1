"""A filter as what is chosen of each key, and back. No widgets here.

A ``where`` that is one test a key, or tests joined by ``$and``, is read as choices: values, values excluded, a range,
whether the key is there. What has another form is kept as it is, and so are the tests that always hold.

>>> found = read({"$and": [{"kind": {"$in": ["wren", "heron"]}}, {"year": {"$gte": 2000}}]})
>>> found.choices["kind"].values, found.choices["year"].low
(('wren', 'heron'), ('$gte', 2000))
>>> found.replaced("kind", Choice(excluded=("swift",))).where
{'$and': [{'kind': {'$ne': 'swift'}}, {'year': {'$gte': 2000}}]}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from chroma_nb.facets import Value
from chroma_nb.types import Where

#: An operator of a range, and its number.
Bound: TypeAlias = tuple[str, float]

_LOW: Final = ("$gte", "$gt")
_HIGH: Final = ("$lt", "$lte")


@dataclass(frozen=True)
class Choice:
    """What is chosen of one key: records with one of ``values``, none of ``excluded``, in a range.

    ``missing``: True: records without the key, too; False: none of them. ``elements``: values are elements of lists.
    """

    values: tuple[Value, ...] = ()
    excluded: tuple[Value, ...] = ()
    low: Bound | None = None
    high: Bound | None = None
    missing: bool | None = None
    elements: bool = False

    def terms(self, key: str) -> list[Where]:
        """The tests that it comes to."""
        any_of = _any_of(key, self.values, self.elements)
        if self.missing:
            any_of.append({key: {"$exists": False}})
        return [
            *([any_of[0] if len(any_of) == 1 else {"$or": any_of}] if any_of else []),
            *([{key: {"$exists": True}}] if self.missing is False else []),
            *_none_of(key, self.excluded, self.elements),
            *({key: {bound[0]: bound[1]}} for bound in (self.low, self.high) if bound),
        ]

    def joined(self, other: Choice) -> Choice | None:
        """Both; None where that is no choice."""
        if (self.values or self.missing) and (other.values or other.missing):
            return None
        if any(mine and theirs for mine, theirs in ((self.low, other.low), (self.high, other.high))):
            return None
        told = {self.elements for one in (self, other) if one.values or one.excluded}
        if len(told) > 1 or (self.missing is not None and other.missing is not None):
            return None
        return Choice(
            self.values or other.values,
            tuple(dict.fromkeys((*self.excluded, *other.excluded))),
            self.low or other.low,
            self.high or other.high,
            self.missing if self.missing is not None else other.missing,
            self.elements or other.elements,
        )


def _any_of(key: str, values: Sequence[Value], elements: bool) -> list[Where]:
    if elements:
        return [{key: {"$contains": value}} for value in values]
    kinds = {type(value): None for value in values}
    groups = [[value for value in values if type(value) is kind] for kind in kinds]
    return [{key: some[0]} if len(some) == 1 else {key: {"$in": some}} for some in groups]


def _none_of(key: str, values: Sequence[Value], elements: bool) -> list[Where]:
    if elements:
        return [{key: {"$not_contains": value}} for value in values]
    kinds = {type(value): None for value in values}
    groups = [[value for value in values if type(value) is kind] for kind in kinds]
    return [{key: {"$ne": some[0]}} if len(some) == 1 else {key: {"$nin": some}} for some in groups]


@dataclass(frozen=True)
class Narrowing:
    """A filter: tests that always hold, choices by key, and tests of another form."""

    fixed: tuple[Where, ...] = ()
    choices: Mapping[str, Choice] = field(default_factory=dict)
    rest: tuple[Where, ...] = ()

    @property
    def where(self) -> Where | None:
        """The filter."""
        return self.without(None)

    def without(self, key: str | None) -> Where | None:
        """The filter without what is chosen of ``key``."""
        chosen = [term for name, one in self.choices.items() if name != key for term in one.terms(name)]
        terms = [*self.fixed, *chosen, *self.rest]
        return None if not terms else terms[0] if len(terms) == 1 else {"$and": terms}

    def replaced(self, key: str, choice: Choice | None) -> Narrowing:
        """With another choice of ``key``; None: with none."""
        choices = dict(self.choices)
        if choice is not None and choice.terms(key):
            choices[key] = choice
        else:
            choices.pop(key, None)
        return replace(self, choices=choices)


def read(where: Where | None, given: Where | None = None) -> Narrowing:
    """What a filter says; ``given`` are the tests in it that always hold."""
    left = _terms(where)
    fixed = [term for term in _terms(given) if term in left]
    for term in fixed:
        left.remove(term)
    choices: dict[str, Choice] = {}
    rest: list[Where] = []
    for term in left:
        found = _piece(term)
        joined = None if found is None else choices.get(found[0], Choice()).joined(found[1])
        if found is None or joined is None:
            rest.append(term)
        else:
            choices[found[0]] = joined
    return Narrowing(tuple(fixed), choices, tuple(rest))


def _terms(where: Where | None) -> list[Where]:
    """The tests that must all hold, out of any depth of ``$and``."""
    if not where:
        return []
    if set(where) == {"$and"} and isinstance(where["$and"], list):
        return [term for inner in where["$and"] for term in _terms(inner)]
    return [where]


def _piece(term: Where) -> tuple[str, Choice] | None:
    """A test as a key and what it chooses of it; None for one of another form."""
    if len(term) != 1:
        return None
    ((key, operand),) = term.items()
    if key == "$or":
        return _alternatives(operand)
    if key.startswith(("$", "#")):
        return None
    if not isinstance(operand, Mapping):
        return (key, Choice(values=(operand,))) if _is_value(operand) else None
    if len(operand) != 1:
        return None
    ((name, value),) = operand.items()
    choice = _choice(name, value)
    return None if choice is None else (key, choice)


def _choice(name: str, value: Any) -> Choice | None:
    if name == "$exists" and isinstance(value, bool):
        return Choice(missing=not value)
    if name in ("$in", "$nin"):
        if not isinstance(value, list) or not value or not all(map(_is_value, value)):
            return None
        return Choice(values=tuple(value)) if name == "$in" else Choice(excluded=tuple(value))
    if not _is_value(value):
        return None
    made = {
        "$eq": lambda: Choice(values=(value,)),
        "$ne": lambda: Choice(excluded=(value,)),
        "$contains": lambda: Choice(values=(value,), elements=True),
        "$not_contains": lambda: Choice(excluded=(value,), elements=True),
        **dict.fromkeys(_LOW, lambda: Choice(low=(name, value))),
        **dict.fromkeys(_HIGH, lambda: Choice(high=(name, value))),
    }
    return made[name]() if name in made else None


def _alternatives(operand: Any) -> tuple[str, Choice] | None:
    """Tests of which one must hold: all of one key, each for values or for the key's absence."""
    pieces = [_piece(dict(term)) if isinstance(term, Mapping) else None for term in operand]
    keys = {piece[0] for piece in pieces if piece}
    chosen = [piece[1] for piece in pieces if piece]
    plain = all(one in (Choice(values=one.values, elements=one.elements), Choice(missing=True)) for one in chosen)
    told = {one.elements for one in chosen if one.values}
    if len(chosen) < len(pieces) or len(keys) != 1 or not plain or len(told) > 1:
        return None
    values = tuple(dict.fromkeys(value for one in chosen for value in one.values))
    missing = True if any(one.missing for one in chosen) else None
    return keys.pop(), Choice(values=values, missing=missing, elements=True in told)


def _is_value(value: object) -> bool:
    return isinstance(value, str | int | float)

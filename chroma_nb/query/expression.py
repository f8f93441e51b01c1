"""What conditions and ranking expressions have in common: how a tree is written as JSON, shown, and joined."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from reprlib import recursive_repr
from typing import Any, Final, NoReturn, TypeAlias, TypeVar, cast

from chroma_nb.plain import LARGEST, plain_tree, too_many_parts
from chroma_nb.types import Json

E = TypeVar("E")

#: How deep expressions in dicts may nest, the innermost included: as deep as Chroma's engine lets filters.
MAX_DEPTH: Final = 64


def type_error(what: str, expected: str, got: object) -> NoReturn:
    """The TypeError of Chroma's for a value of another type."""
    raise TypeError(f"{what} {expected}, got {type(got).__name__}")


def as_dict(data: object, name: str) -> Json:
    """``data``; TypeError unless a dict."""
    if not isinstance(data, dict):
        raise TypeError(f"Expected dict for {name}, got {type(data).__name__}")
    return data


def plain_dict(data: object, name: str) -> Json:
    """A dict with all that stands in it plain: a copy, as for filters."""
    return cast("Json", plain_tree(as_dict(data, name)))


def joined(kind: type[E], attribute: str, terms: Iterable[object]) -> E:
    """One node over the terms; terms of the same kind give theirs, so that a chain stays flat."""
    flat: list[Any] = []
    for term in terms:
        flat += getattr(term, attribute) if isinstance(term, kind) else [term]
    if len(flat) > LARGEST and len(set(map(id, flat))) < len(flat):  # twenty times x = x & x are a million
        raise too_many_parts()
    return kind(flat)  # type: ignore[call-arg]  # every kind given here has the list as its one field


#: What writes a part of an expression.
Write: TypeAlias = "Callable[[Any], Json]"


class Expression:
    """A node of a filter or a ranking: written as JSON, and shown, never longer than anybody could read."""

    def to_dict(self) -> Json:
        """Return the expression as JSON, in Chroma's form.

        Raises
        ------
        ValueError
            The expression contains itself, is nested thousands of levels deep, or is too large to be written out.
        """
        try:
            return self._checked_form()
        except RecursionError:
            raise ValueError("Expected an expression that can be sent, got one that is nested too deeply") from None

    def _checked_form(self) -> Json:
        found = _Found()
        if _size(self, found) > LARGEST and found.again:
            raise too_many_parts()
        if found.circle:
            raise ValueError("Circular reference detected\nThe expression contains itself. Use each part only once.")
        return cast(Json, plain_tree(_written(self)))

    def _form(self, write: Write) -> Json:
        raise NotImplementedError("Subclasses must implement to_dict()")

    @recursive_repr()
    def __repr__(self) -> str:
        name, found = type(self).__qualname__, _Found()
        if _size(self, found) > LARGEST and found.again:
            return f"{name}(…)"
        parts = ", ".join([f"{one.name}={getattr(self, one.name)!r}" for one in fields(cast(Any, self))])
        return f"{name}({parts})"


def _written(node: Any) -> Json:
    ours = isinstance(node, Expression) and type(node).to_dict is Expression.to_dict
    return cast(Json, node._form(_written) if ours else node.to_dict())


class _Found(dict[int, int]):
    """The sizes of nodes by their id, 0 of one that is being looked at; whether one was met again, or in itself."""

    again = circle = False


def _size(node: object, found: _Found) -> int:
    """How many nodes an expression has, written out; what contains itself counts once."""
    if not isinstance(node, Expression):
        return sum([_size(one, found) for one in node]) if isinstance(node, list) and _are_nodes(node) else 0
    if id(node) in found:
        found.again = True
        found.circle = found.circle or found[id(node)] == 0
        return found[id(node)]
    found[id(node)] = 0
    found[id(node)] = 1 + sum([_size(one, found) for one in vars(node).values()])
    return found[id(node)]


def _are_nodes(values: list[object]) -> bool:
    """Whether a list holds nodes, by its first: a list of numbers may be long."""
    return bool(values) and isinstance(values[0], Expression)

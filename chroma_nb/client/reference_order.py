"""Calls written for the older reference (0.5), whose positional arguments stand in another order than 1.5.9's.

The type of the second argument tells them apart; where it does not, 1.5.9's order holds. The table of both stands in
docs/compatibility.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from chroma_nb.schema import Schema

P = ParamSpec("P")
T = TypeVar("T")

#: The reference's parameters after ``name``.
CREATE_COLLECTION = ("configuration", "metadata", "embedding_function", "data_loader", "get_or_create")
GET_COLLECTION = ("id", "embedding_function", "data_loader")


def is_configuration(value: Any) -> bool:
    """Whether ``value`` stands where 1.5.9 has a Schema and is a configuration, or the reference's object for one."""
    return isinstance(value, Mapping) or (not isinstance(value, Schema) and type(value).__name__ == NAME)


#: What the reference calls the object.
NAME = "CollectionConfiguration"


def also_in_order(
    parameters: tuple[str, ...], when: Callable[[Any], bool]
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a method ``(self, name, …)`` take the reference's order when its second argument says so."""

    def decorate(method: Callable[P, T]) -> Callable[P, T]:
        @wraps(method)
        def either(*args: P.args, **kwargs: P.kwargs) -> T:
            if len(args) > 2 and when(args[2]):
                given: dict[str, Any] = dict(zip(parameters, args[2:], strict=False))
                twice = given.keys() & kwargs.keys()
                if twice:
                    raise TypeError(f"{method.__name__}() got multiple values for argument {sorted(twice)[0]!r}")
                return method(*args[:2], **{**kwargs, **given})  # type: ignore[call-arg]
            return method(*args, **kwargs)

        return either

    return decorate


def is_id(value: Any) -> bool:
    """Whether ``value`` is the reference's ``id`` of a collection."""
    return isinstance(value, UUID)

"""Calls in the argument order of the older reference (0.5), which differs from that of 1.5.9.

The type of the second argument tells them apart; where it does not, 1.5.9's order holds. docs/compatibility.md has the
table of both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast
from uuid import UUID

from chroma_nb.schema import Schema

F = TypeVar("F", bound=Callable[..., Any])

#: The reference's parameters after ``name``.
CREATE_COLLECTION = ("configuration", "metadata", "embedding_function", "data_loader", "get_or_create")
GET_COLLECTION = ("id", "embedding_function", "data_loader")


def is_configuration(value: object) -> bool:
    """Whether ``value``, where 1.5.9 has a Schema, is a configuration: a dict, or the reference's object for one."""
    return isinstance(value, Mapping) or (hasattr(value, "to_json") and not isinstance(value, Schema))


def is_id(value: object) -> bool:
    """Whether ``value``, where 1.5.9 has an embedding function, is the reference's ``id`` of a collection."""
    return isinstance(value, UUID)


def also_in_order(parameters: tuple[str, ...], *, when: Callable[[Any], bool]) -> Callable[[F], F]:
    """Let a method ``(self, name, …)`` take its positional arguments in the reference's order.

    ``parameters`` are those of the reference after ``name``; ``when`` tells from the second argument which order
    was meant.
    """

    def decorate(method: F) -> F:
        """``method``, which also takes its arguments in the order of the older reference."""

        @wraps(method)
        def either(*args: object, **kwargs: object) -> Any:
            """Call the method with its arguments by name, in whichever order they came."""
            if len(args) > 2 and when(args[2]):
                given = dict(zip(parameters, args[2:], strict=False))
                twice = sorted(given.keys() & kwargs.keys())
                if twice or len(args) > 2 + len(parameters):
                    raise TypeError(
                        f"{method.__name__}() got too many arguments, or one of them twice: {', '.join(twice)}"
                    )
                args, kwargs = args[:2], {**kwargs, **given}
            return method(*args, **kwargs)

        return cast(F, either)

    return decorate

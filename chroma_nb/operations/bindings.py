"""Checks of the arguments of the engine's calls, with the errors of Chroma's bindings.

The embedded backend runs them, so a server does too. The engine checks what may be stored, see ``constraints.py``.
"""

from __future__ import annotations

from operator import index
from typing import Any, Final, overload
from uuid import UUID

from chroma_nb.errors import InvalidArgumentError, refused
from chroma_nb.plain import plain, plain_list

#: The largest number that Chroma's engine takes.
UINT32_MAX: Final = 2**32 - 1


def check_name_is_str(name: object, argument: str = "name") -> str:
    """The name to look up; TypeError unless it is a str."""
    name = plain(name)
    if type(name) is not str:
        raise refused(TypeError(f"argument '{argument}': expected str, got {type(name).__name__}"))
    return name


def check_collection_id(id: object) -> UUID:
    """The id; InvalidArgumentError unless it is a UUID or the text of one."""
    if isinstance(id, UUID):
        return id
    try:
        return UUID(plain(id))
    except (ValueError, TypeError, AttributeError):
        raise InvalidArgumentError(
            "Validation error: collection_id: Invalid collection ID format, expected UUID"
        ) from None


@overload
def check_limit(limit: int, argument: str = "limit") -> int: ...
@overload
def check_limit(limit: int | None, argument: str = "limit") -> int | None: ...
def check_limit(limit: object, argument: str = "limit") -> int | None:
    """A limit, an offset or a number of results; TypeError unless an integer, OverflowError unless from 0 to 2**32 - 1.

    >>> check_limit(10)
    10
    """
    if limit is None or (type(limit) is int and 0 <= limit <= UINT32_MAX):
        return limit
    try:
        value: int = int(index(plain(limit)))
    except (AttributeError, TypeError):
        raise refused(
            TypeError(f"argument '{argument}': '{type(limit).__name__}' object cannot be interpreted as an integer")
        ) from None
    if not 0 <= value <= UINT32_MAX:
        raise refused(
            OverflowError(
                "out of range integral type conversion attempted\n"
                f"Expected {argument} to be at least 0 and below 2**32, got {value}."
            )
        )
    return value


def check_query_ids(ids: Any) -> list[str] | None:
    """The ids that a query is limited to; TypeError unless all are str. They may repeat, and may be unknown."""
    if ids is None:
        return None
    if isinstance(ids, str):
        raise refused(TypeError("argument 'ids': Can't extract `str` to `Vec`\nWrite a list: [id]."))
    checked: list[str] = plain_list(list(ids))
    foreign = set(map(type, checked)) - {str}
    if foreign:
        raise refused(TypeError(f"argument 'ids': expected str, got {foreign.pop().__name__}"))
    return checked

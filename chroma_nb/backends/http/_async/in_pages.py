"""What only our server does, asked of another server by Chroma's own calls: page after page, the answer made here.

The same functions of records make it that any backend's answer agrees with. Records that others write or delete
between two pages may be met twice or not at all, as in any reading by pages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from chroma_nb.operations import requests as ops
from chroma_nb.operations.requests import Request
from chroma_nb.paging import Cursor
from chroma_nb.results import QueryResult

R = TypeVar("R")
#: Records of one page.
PAGE: Final = 1_000


class AsyncServer(Protocol):
    """Who answers Chroma's own calls."""

    async def ask(self, request: Request[R]) -> R:
        """The answer to ``request``."""
        ...


async def answer(request: Request[R], server: AsyncServer) -> R:
    """The answer that our server would give to ``request``."""
    found: R = await _ANSWERS[type(request)](request, server)
    return found


async def _count(request: ops.CountMatching, server: AsyncServer) -> int:
    count, cursor = 0, Cursor(PAGE)
    for limit, offset in cursor:
        page = await server.ask(_get(request, limit=limit, offset=offset))
        cursor.passed(len(page["ids"]))
        count += len(page["ids"])
    return count


async def _query(request: ops.Query, server: AsyncServer) -> QueryResult:
    include, most = request.include, request.max_distance
    asked = include if "distances" in include else (*include, "distances")
    result = await server.ask(replace(request, include=asked, max_distance=None))
    return result if most is None else result.within(most, include)


def _get(request: ops.Filtered[Any], *, include: tuple[str, ...] = (), **changes: Any) -> ops.Get:
    """A get() of what the filter of ``request`` leaves."""
    place = request.collection_id, request.tenant, request.database
    return ops.Get(*place, filter=request.filter, include=include, **changes)


_ANSWERS: Final[dict[type, Callable[[Any, AsyncServer], Any]]] = {
    ops.CountMatching: _count,
    ops.Query: _query,
}

"""Operations that only our server has, over another server: read in pages by Chroma's own calls, computed here.

Every backend computes the results by the same functions of records. Records that others write or delete between two
pages may appear twice or not at all, as in any reading by pages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from statistics import median
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

import numpy as np

from chroma_nb.collection import space, values_by_key
from chroma_nb.embeddings import vector_like
from chroma_nb.facets import Description, Edges, Facet, counted, facet
from chroma_nb.operations import bindings
from chroma_nb.operations import requests as ops
from chroma_nb.operations.requests import Request
from chroma_nb.paging import IDS_PER_CALL, PAGE, Cursor, slices
from chroma_nb.query.sampling import sampled
from chroma_nb.results import GetResult, QueryResult
from chroma_nb.types import Fields

R = TypeVar("R")


class AsyncServer(Protocol):
    """A server that knows Chroma's own calls."""

    async def ask(self, request: Request[R]) -> R:
        """The result of ``request``."""
        ...


async def answer(request: Request[R], server: AsyncServer) -> R:
    """The answer that our server would give to ``request``."""
    found: R = await _ANSWERS[type(request)](request, server)
    return found


async def _count(request: ops.CountMatching, server: AsyncServer) -> int:
    return sum(len(page["ids"]) for page in await _pages(request, (), server))


async def _query(request: ops.Query, server: AsyncServer) -> QueryResult:
    include, most = request.include, request.max_distance
    if most is None:
        return await server.ask(request)
    asked = include if "distances" in include else (*include, "distances")
    return (await server.ask(replace(request, include=asked, max_distance=None))).within(most, include)


async def _query_like(request: ops.QueryLike, server: AsyncServer) -> QueryResult:
    named = list(dict.fromkeys([*request.like, *request.unlike]))
    known = await _fetched(named, request, ("embeddings",), server)
    query = ops.Query(
        *_place(request),
        query_embeddings=vector_like(_vectors(known), request.like, request.unlike),
        n_results=request.n_results + len(named),
        ids=request.ids,
        filter=request.filter,
        include=request.include,
        max_distance=request.max_distance,
    )
    return (await _query(query, server)).without(named, request.n_results)


def _vectors(known: GetResult) -> dict[str, object]:
    return dict(zip(known["ids"], known["embeddings"], strict=True))


async def _ordered(request: ops.Get, server: AsyncServer) -> GetResult:
    order, ids = request.order, request.ids
    if order is None:
        return await server.ask(request)
    limit, offset = bindings.check_limit(request.limit), bindings.check_limit(request.offset, "offset") or 0
    pages = (
        await _pages(request, order.include, server)
        if ids is None
        else [await server.ask(replace(request, include=order.include, limit=None, offset=None, order=None))]
    )
    known = _joined(pages)
    chosen = order.places(known["ids"], known["metadatas"], known["documents"])[offset:][:limit]
    return await _fetched([known["ids"][place] for place in chosen], request, request.include, server)


async def _facets(request: ops.Facets, server: AsyncServer) -> list[Facet]:
    metadatas = _joined(await _pages(request, ("metadatas",), server))["metadatas"] or []
    return _facets_of(request.keys, metadatas, request.limit, request.edges)


def _facets_of(
    keys: Sequence[str], metadatas: Sequence[Fields | None], limit: int, edges: Edges | None = None
) -> list[Facet]:
    of_keys = ([(metadata or {}).get(key) for metadata in metadatas] for key in keys)
    ends = edges or {}
    return [
        facet(key, len(metadatas), counted(values), limit, ends.get(key))
        for key, values in zip(keys, of_keys, strict=True)
    ]


async def _describe(request: ops.Describe, server: AsyncServer) -> Description:
    model = await server.ask(ops.GetCollectionById(request.collection_id, request.tenant, request.database))
    found = _joined(await _pages(ops.Get(*_place(request)), ("metadatas", "documents"), server))
    metadatas: Sequence[Fields | None] = found["metadatas"] or []
    lengths = [len(text) for text in found["documents"] or () if text is not None]
    return Description(
        records=len(found["ids"]),
        dimension=model.dimension,
        space=space(model),
        documents=len(lengths),
        median_length=float(median(lengths)) if lengths else None,
        keys=tuple(_facets_of(sorted(values_by_key(metadatas)), metadatas, 1)),
    )


async def _sample(request: ops.Sample, server: AsyncServer) -> GetResult:
    ids = _joined(await _pages(request, (), server))["ids"]
    return await _fetched(
        [ids[place] for place in sampled(len(ids), request.n, request.seed)], request, request.include, server
    )


async def _pages(request: ops.Filtered[Any], include: tuple[str, ...], server: AsyncServer) -> list[GetResult]:
    """All records that the filter of ``request`` leaves."""
    pages, cursor = [], Cursor(PAGE)
    for limit, offset in cursor:
        pages.append(await server.ask(_get(request, limit=limit, offset=offset, include=include)))
        cursor.passed(len(pages[-1]["ids"]))
    return pages


async def _fetched(
    ids: Sequence[str], request: ops.Filtered[Any], include: tuple[str, ...], server: AsyncServer
) -> GetResult:
    """The records of these ids, in this order; without those that were deleted meanwhile."""
    parts = [
        await server.ask(ops.Get(*_place(request), ids=part, include=include)) for part in slices(ids, IDS_PER_CALL)
    ]
    found = _joined(parts) if parts else await server.ask(_get(request, include=include, limit=0))
    place_of = {id_: place for place, id_ in enumerate(found["ids"])}
    return found.at([place_of[id_] for id_ in ids if id_ in place_of])


def _joined(pages: Sequence[GetResult]) -> GetResult:
    """The records of all pages, of which there is one at least."""
    filled = [page for page in pages if page["ids"]] or pages[:1]
    return GetResult(
        {
            field: value if value is None or field == "included" else _chained([page[field] for page in filled])
            for field, value in filled[0].items()
        }
    )


def _chained(values: Sequence[Any]) -> Any:
    return np.concatenate(values) if isinstance(values[0], np.ndarray) else list(chain.from_iterable(values))


def _get(request: ops.Filtered[Any], *, include: tuple[str, ...] = (), **changes: Any) -> ops.Get:
    """A get() of what the filter of ``request`` leaves."""
    return ops.Get(*_place(request), filter=request.filter, include=include, **changes)


def _place(request: ops.CollectionRequest[Any]) -> tuple[UUID, str, str]:
    return request.collection_id, request.tenant, request.database


_ANSWERS: Final[dict[type, Callable[[Any, AsyncServer], Any]]] = {
    ops.CountMatching: _count,
    ops.Get: _ordered,
    ops.Facets: _facets,
    ops.Describe: _describe,
    ops.Sample: _sample,
    ops.Query: _query,
    ops.QueryLike: _query_like,
}

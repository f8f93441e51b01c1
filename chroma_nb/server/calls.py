"""Checks of the values of a call before the server makes a request of them. No I/O except to count.

Most requests take the values as they are; the others have a row in ``_LOOKED_AT``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from chroma_nb import errors
from chroma_nb.backends.base import Backend
from chroma_nb.operations import requests as ops
from chroma_nb.query.parsing import written
from chroma_nb.server.limits import (
    Limits,
    check_batch,
    check_facets,
    check_filter,
    check_knns,
    check_result_rows,
    check_search_rows,
)
from chroma_nb.types import Json

Values: TypeAlias = Json
Kind: TypeAlias = type[ops.AnyRequest]


@dataclass(frozen=True)
class Context:
    """What a call may depend on besides its values."""

    backend: Backend
    limits: Limits
    allow_reset: bool


def request_of(kind: Kind, values: Values, context: Context) -> ops.AnyRequest:
    """The request of this class that ``values`` make, once they are looked at."""
    look = _LOOKED_AT.get(kind)
    return kind(**values) if look is None else look(kind, values, context)


def _reset(kind: Kind, values: Values, context: Context) -> ops.AnyRequest:
    if not context.allow_reset:
        raise errors._ResetRefusedError("Reset is disabled by config")
    return kind(**values)


def _place(values: Values) -> Values:
    return {name: values[name] for name in ("collection_id", "tenant", "database")}


def _write(kind: Kind, values: Values, context: Context) -> ops.AnyRequest:
    check_batch(len(values["records"]), context.limits)
    # A write of nothing only asks whether the collection is there.
    return kind(**values) if len(values["records"]) else ops.Count(**_place(values))


def _filtered(kind: Callable[..., ops.AnyRequest], values: Values, context: Context) -> ops.AnyRequest:
    rest = dict(values)
    where, where_document = rest.pop("where"), rest.pop("where_document")
    check_filter(where, context.limits)
    check_filter(where_document, context.limits)
    return kind(**rest, filter=written(where, where_document))


def _delete(kind: Kind, values: Values, context: Context) -> ops.AnyRequest:
    if values["where"] is None and values["where_document"] is None:
        if values["limit"] is not None:
            raise errors.InvalidArgumentError("limit can only be specified when a where clause is provided")
        # Neither ids nor a filter deletes nothing, never everything.
        values = values | {"ids": values["ids"] or []}
    return _filtered(kind, values, context)


def _query(kind: Kind, values: Values, context: Context) -> ops.AnyRequest:
    vectors = values["query_embeddings"]
    if not len(vectors):
        raise errors.InvalidArgumentError("Expected at least one query embedding, got an empty list")
    return _asked(kind, values, len(vectors), context)


def _query_like(kind: Kind, values: Values, context: Context) -> ops.AnyRequest:
    if not (values["like"] or values["unlike"]):
        raise errors.InvalidArgumentError("Expected like or unlike to name a record, got none")
    return _asked(kind, values, 1, context)


def _facets(kind: Kind, values: Values, context: Context) -> ops.AnyRequest:
    keys, wanted = values["keys"], values["limit"]
    if len(keys) * max(wanted, 1) > context.limits.result_rows:
        wanted = min(wanted, context.backend.handle(ops.Count(**_place(values))))
        check_facets(len(keys), wanted, context.limits)
    return _filtered(kind, values | {"limit": wanted}, context)


def _hybrid(kind: Kind, values: Values, context: Context) -> ops.AnyRequest:
    given = [some for some in (values["query_texts"], values["query_embeddings"]) if some is not None]
    if not all(map(len, given)):
        raise errors.InvalidArgumentError("Expected at least one query text or embedding, got an empty list")
    return _asked(kind, values, max(map(len, given), default=0), context)


def _asked(kind: Kind, values: Values, queries: int, context: Context) -> ops.AnyRequest:
    """The request of so many queries, for no more results than there are records."""
    wanted = values["n_results"]
    if queries * wanted > context.limits.result_rows:
        # Many callers ask for "all" with a huge number: what counts is what there is.
        wanted = max(1, min(wanted, context.backend.handle(ops.Count(**_place(values)))))
        check_result_rows(queries, wanted, context.limits)
    return _filtered(kind, values | {"n_results": wanted}, context)


def _search(kind: Kind, values: Values, context: Context) -> ops.AnyRequest:
    searches, most = values["searches"], context.limits.result_rows
    wanted = []
    for search in searches:
        check_filter(search.get("filter"), context.limits)
        knns = list(_knns(search.get("rank")))
        check_knns(len(knns), context.limits)
        wanted.append(_wanted(search, knns))
    if None in wanted or sum(filter(None, wanted)) > most:
        count = context.backend.handle(ops.Count(**_place(values)))
        check_search_rows(sum(count if rows is None else min(rows, count) for rows in wanted), context.limits)
    return kind(**values)


def _wanted(search: Json, knns: Sequence[Json]) -> int | None:
    """How many records a search finds at most; None: all. (What is no number is refused where the search is read.)"""
    limit = search.get("limit")
    bounds = [] if search.get("rank") is None else [sum(map(_found_by, knns))]
    if isinstance(limit, dict) and type(limit.get("limit")) is int:
        bounds.append(limit["limit"])
    return max(min(bounds), 0) if bounds else None


def _knns(rank: object) -> Iterator[Json]:
    """What stands under each $knn of a rank; walks without recursion."""
    todo = [rank]
    while todo:
        part = todo.pop()
        if isinstance(part, dict) and isinstance(knn := part.get("$knn"), dict):
            yield knn
        elif isinstance(part, dict | list):
            todo.extend(part.values() if isinstance(part, dict) else part)


def _found_by(knn: Json) -> int:
    limit = knn.get("limit", _KNN_LIMIT)
    return limit if type(limit) is int else 0


#: What a $knn finds that names no limit.
_KNN_LIMIT: Final = 16


_LOOKED_AT: Mapping[Kind, Callable[[Kind, Values, Context], ops.AnyRequest]] = {
    ops.Reset: _reset,
    ops.Add: _write,
    ops.Update: _write,
    ops.Upsert: _write,
    ops.Delete: _delete,
    ops.CountMatching: _filtered,
    ops.Get: _filtered,
    ops.Facets: _facets,
    ops.Sample: _filtered,
    ops.Query: _query,
    ops.QueryLike: _query_like,
    ops.Hybrid: _hybrid,
    ops.Search: _search,
}

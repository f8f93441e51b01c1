"""The calls a server takes: values of an HTTP request -> operation, answer -> JSON. No I/O.

One row per operation; methods and paths are those of the client's codec table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chroma_nb import errors
from chroma_nb.backends.base import Backend
from chroma_nb.operations import requests as ops
from chroma_nb.results import GetResult, QueryResult
from chroma_nb.server.bodies import Field, records
from chroma_nb.server.limits import Limits, check_batch, check_filter, check_result_rows
from chroma_nb.types import CollectionModel, Database, ReadLevel, UserIdentity

Values = dict[str, Any]


# --- Answers -> JSON ----------------------------------------------------------------------------------------
def _same(answer: Any) -> Any:
    return answer


def _nothing(answer: Any) -> dict[str, Any]:
    return {}


def collection_json(model: CollectionModel) -> dict[str, Any]:
    """What is known of a collection, as Chroma's server says it."""
    wire = {field.name: getattr(model, field.name) for field in dataclasses.fields(model)}
    wire["schema"] = wire.pop("serialized_schema")
    if wire["embedding_model"] is None:
        del wire["embedding_model"]  # our own addition, for our own client; others pass it over
    return wire


def _database(database: Database) -> dict[str, Any]:
    return {"id": str(database["id"]), "name": database["name"], "tenant": database["tenant"]}


def _identity(identity: UserIdentity) -> dict[str, Any]:
    return {"user_id": identity.user_id, "tenant": identity.tenant, "databases": identity.databases}


def _vectors(embeddings: Any) -> Any:
    """As float32: shorter numbers in JSON, the same values."""
    if embeddings is None or not len(embeddings):
        return None if embeddings is None else []
    return np.ascontiguousarray(embeddings, dtype=np.float32)


def _result(result: GetResult | QueryResult, embeddings: Any) -> dict[str, Any]:
    wire = {key: value for key, value in result.items() if key not in {"included", "data"}}
    return wire | {"embeddings": embeddings, "include": result["included"]}


def _get_result(result: GetResult) -> dict[str, Any]:
    return _result(result, _vectors(result["embeddings"]))


def _query_result(result: QueryResult) -> dict[str, Any]:
    embeddings = result["embeddings"]
    return _result(result, None if embeddings is None else [_vectors(one) for one in embeddings])


# --- Values -> requests -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Context:
    """What a call may depend on besides its values."""

    backend: Backend
    limits: Limits
    allow_reset: bool


Build = Callable[[Values, Context], "ops.Request[Any]"]


def _plain(kind: type[ops.Request[Any]]) -> Build:
    return lambda values, context: kind(**values)


def _reset(values: Values, context: Context) -> ops.Reset:
    if not context.allow_reset:
        raise errors.AuthorizationError("Reset is disabled by config")
    return ops.Reset()


def _write(kind: type[ops.Add] | type[ops.Update] | type[ops.Upsert]) -> Build:
    def build(values: Values, context: Context) -> ops.Request[Any]:
        """The request of a write, within the limits."""
        check_batch(len(values["ids"]), context.limits)
        place = {name: values[name] for name in ("collection_id", "tenant", "database")}
        written = records(values)
        # A write of nothing only asks whether the collection is there.
        return kind(**place, records=written) if len(written) else ops.Count(**place)

    return build


def _filtered(kind: type[ops.Request[Any]]) -> Build:
    def build(values: Values, context: Context) -> ops.Request[Any]:
        """The request of a call with filters, within the limits."""
        check_filter(values["where"], context.limits)
        check_filter(values["where_document"], context.limits)
        return kind(**values)

    return build


def _delete(values: Values, context: Context) -> ops.Request[Any]:
    if values["where"] is None and values["where_document"] is None:
        if values["limit"] is not None:
            raise errors.InvalidArgumentError("limit can only be specified when a where clause is provided")
        # Neither ids nor a filter deletes nothing, never everything.
        values = values | {"ids": values["ids"] or []}
    return _filtered(ops.Delete)(values, context)


def _query(values: Values, context: Context) -> ops.Request[Any]:
    vectors, wanted = values["query_embeddings"], values["n_results"]
    if not len(vectors):
        raise errors.InvalidArgumentError("Expected at least one query embedding, got an empty list")
    if len(vectors) * wanted > context.limits.result_rows:
        # Many callers ask for "all" with a huge number: what counts is what there is.
        place = {name: values[name] for name in ("collection_id", "tenant", "database")}
        wanted = max(1, min(wanted, context.backend.handle(ops.Count(**place))))
        check_result_rows(len(vectors), wanted, context.limits)
    return _filtered(ops.Query)(values | {"n_results": wanted}, context)


def _read_level(text: str | None) -> ReadLevel:
    try:
        return ReadLevel(text or ReadLevel.INDEX_AND_WAL)
    except ValueError:
        expected = ", ".join(f"`{one.value}`" for one in ReadLevel)
        raise errors.InvalidArgumentError(f"read_level: unknown variant `{text}`, expected one of {expected}") from None


def _count(values: Values, context: Context) -> ops.Count:
    return ops.Count(**values | {"read_level": _read_level(values["read_level"])})


def _search(values: Values, context: Context) -> ops.Search:
    searches, level = tuple(values["searches"]), _read_level(values["read_level"])
    return ops.Search(**values | {"searches": searches, "read_level": level})


def _detach(values: Values, context: Context) -> ops.DetachFunction:
    delete = values.pop("delete_output")
    return ops.DetachFunction(**values, delete_output_collection=delete)


# --- The table ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Operation:
    """How a request class is read from an HTTP request and its answer written. ``query`` names the
    parameters of the query string, all numbers but ``read_level``."""

    build: Build
    answer: Callable[[Any], Any] = _same
    body: tuple[Field, ...] | None = None
    query: tuple[str, ...] = ()
    status: int = 200


_ID_FIELD = Field("ids", "strings")
_FILTER_FIELDS = (_ID_FIELD, Field("where", "filter"), Field("where_document", "filter"))


def _record_fields(vectors: str, metadatas: str, required: bool) -> tuple[Field, ...]:
    return (
        Field("ids", "strings", required=True),
        Field("embeddings", vectors, required=required),
        Field("metadatas", metadatas),
        Field("documents", "strings_or_nulls"),
        Field("uris", "strings_or_nulls"),
    )


_NAME = (Field("name", "string", required=True),)
_PAGE = ("limit", "offset")

OPERATIONS: Mapping[type[ops.Request[Any]], Operation] = {
    ops.Heartbeat: Operation(_plain(ops.Heartbeat), lambda now: {"nanosecond heartbeat": now}),
    ops.GetVersion: Operation(_plain(ops.GetVersion)),
    ops.GetMaxBatchSize: Operation(_plain(ops.GetMaxBatchSize)),
    ops.GetUserIdentity: Operation(_plain(ops.GetUserIdentity), _identity),
    ops.Reset: Operation(_reset),
    ops.CreateTenant: Operation(_plain(ops.CreateTenant), _nothing, _NAME),
    ops.GetTenant: Operation(_plain(ops.GetTenant), lambda tenant: {"name": tenant["name"], "resource_name": None}),
    ops.CreateDatabase: Operation(_plain(ops.CreateDatabase), _nothing, _NAME),
    ops.GetDatabase: Operation(_plain(ops.GetDatabase), _database),
    ops.DeleteDatabase: Operation(_plain(ops.DeleteDatabase), _nothing),
    ops.ListDatabases: Operation(
        _plain(ops.ListDatabases), lambda databases: [_database(one) for one in databases], query=_PAGE
    ),
    ops.ListCollections: Operation(
        _plain(ops.ListCollections), lambda models: [collection_json(one) for one in models], query=_PAGE
    ),
    ops.CountCollections: Operation(_plain(ops.CountCollections)),
    ops.CreateCollection: Operation(
        _plain(ops.CreateCollection),
        collection_json,
        (
            *_NAME,
            Field("metadata", "metadata"),
            Field("configuration", "object"),
            Field("schema", "object"),
            Field("get_or_create", "bool", default=False),
        ),
    ),
    ops.GetCollection: Operation(_plain(ops.GetCollection), collection_json),
    ops.GetCollectionById: Operation(_plain(ops.GetCollectionById), collection_json),
    ops.ModifyCollection: Operation(
        _plain(ops.ModifyCollection),
        _nothing,
        (Field("new_name", "string"), Field("new_metadata", "metadata_update"), Field("new_configuration", "object")),
    ),
    ops.DeleteCollection: Operation(_plain(ops.DeleteCollection), _nothing),
    ops.Add: Operation(_write(ops.Add), _nothing, _record_fields("vectors", "metadatas", required=True), status=201),
    ops.Update: Operation(
        _write(ops.Update), _nothing, _record_fields("vectors_or_nulls", "metadata_updates", required=False)
    ),
    ops.Upsert: Operation(_write(ops.Upsert), _nothing, _record_fields("vectors", "metadata_updates", required=True)),
    ops.Delete: Operation(_delete, lambda deleted: {"deleted": deleted}, (*_FILTER_FIELDS, Field("limit", "u32"))),
    ops.Count: Operation(_count, query=("read_level",)),
    ops.Get: Operation(
        _filtered(ops.Get),
        _get_result,
        (
            *_FILTER_FIELDS,
            Field("limit", "u32"),
            Field("offset", "u32"),
            Field("include", "include", default=("metadatas", "documents")),
        ),
    ),
    ops.Query: Operation(
        _query,
        _query_result,
        (
            Field("query_embeddings", "query_vectors", required=True),
            Field("n_results", "u32", default=10),
            *_FILTER_FIELDS,
            Field("include", "include", default=("metadatas", "documents", "distances")),
        ),
    ),
    ops.Search: Operation(_search, _same, (Field("searches", "objects", required=True), Field("read_level", "string"))),
    ops.Fork: Operation(_plain(ops.Fork), collection_json, (Field("new_name", "string", required=True),)),
    ops.ForkCount: Operation(_plain(ops.ForkCount), lambda count: {"count": count}),
    ops.GetIndexingStatus: Operation(_plain(ops.GetIndexingStatus)),
    ops.AttachFunction: Operation(
        _plain(ops.AttachFunction),
        _same,
        (
            *_NAME,
            Field("function_id", "string", required=True),
            Field("output_collection", "string", required=True),
            Field("params", "object"),
        ),
    ),
    ops.GetAttachedFunction: Operation(_plain(ops.GetAttachedFunction)),
    ops.DetachFunction: Operation(
        _detach,
        lambda success: {"success": success},
        (Field("delete_output", "bool", default=False),),
    ),
}

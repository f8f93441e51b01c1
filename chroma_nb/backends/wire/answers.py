"""The results of operations as JSON: how a server writes them, and how a client reads them. One row each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import numpy as np

from chroma_nb.backends.wire.encoding import deserialize_metadata, optional
from chroma_nb.facets import Description, Facet, Range, ValueCount
from chroma_nb.operations import requests as ops
from chroma_nb.results import GetResult, HybridResult, IndexingStatus, QueryResult, SearchResult
from chroma_nb.types import CollectionModel, Database, Fields, Json, Tenant, UserIdentity


@dataclass(frozen=True)
class Answer:
    """``write``: answer -> JSON. ``read``: JSON, and the request that it answers -> answer."""

    write: Callable[[Any], Any]
    read: Callable[[Any, Any], Any]


# --- Written by the server ---------------------------------------------------------------------------------
def _same(answer: object) -> Any:
    return answer


def _nothing(answer: object) -> Json:
    return {}


def _written_collection(model: CollectionModel) -> Json:
    """What is known of a collection, as Chroma's server says it."""
    wire = {field.name: getattr(model, field.name) for field in dataclasses.fields(model)}
    wire["schema"] = wire.pop("serialized_schema")
    if wire["embedding_model"] is None:
        del wire["embedding_model"]  # our own addition, for our own client; others pass it over
    return wire


def _written_database(database: Database) -> Json:
    return {"id": str(database["id"]), "name": database["name"], "tenant": database["tenant"]}


def _written_identity(identity: UserIdentity) -> Json:
    return {"user_id": identity.user_id, "tenant": identity.tenant, "databases": identity.databases}


def _vectors(embeddings: Any) -> Any:
    """As float32: shorter numbers in JSON, the same values."""
    if embeddings is None or not len(embeddings):
        return None if embeddings is None else []
    return np.ascontiguousarray(embeddings, dtype=np.float32)


def _result(result: GetResult | QueryResult, embeddings: object) -> Json:
    wire = {key: value for key, value in result.items() if key not in {"included", "data"}}
    return wire | {"embeddings": embeddings, "include": result["included"]}


def _written_get(result: GetResult) -> Json:
    return _result(result, _vectors(result["embeddings"]))


def _written_query(result: QueryResult) -> Json:
    embeddings = result["embeddings"]
    return _result(result, None if embeddings is None else [_vectors(one) for one in embeddings])


# --- Read by the client ------------------------------------------------------------------------------------
def _read_collection(answer: Fields) -> CollectionModel:
    return CollectionModel(
        id=UUID(answer["id"]),
        name=answer["name"],
        configuration_json=answer.get("configuration_json") or {},
        serialized_schema=answer.get("schema"),
        metadata=answer.get("metadata"),
        dimension=answer.get("dimension"),
        tenant=answer["tenant"],
        database=answer["database"],
        version=answer.get("version") or 0,
        log_position=answer.get("log_position") or 0,
        embedding_model=answer.get("embedding_model"),  # said by our server only
    )


def _read_database(answer: Fields) -> Database:
    return Database(id=UUID(answer["id"]), name=answer["name"], tenant=answer["tenant"])


def _read_identity(answer: Fields) -> UserIdentity:
    return UserIdentity(
        user_id=answer.get("user_id", ""), tenant=answer.get("tenant"), databases=answer.get("databases")
    )


def _matrix(rows: list[object]) -> Any:
    """Rows of numbers as float64 holding float32 values, as a local engine returns them."""
    if any(row is None for row in rows):
        return rows
    return np.array(rows, dtype=np.float32).astype(np.float64)


def _read_get(answer: Fields, request: ops.Get) -> GetResult:
    embeddings = answer.get("embeddings")
    return GetResult(
        ids=answer["ids"],
        embeddings=None if embeddings is None else _matrix(embeddings),
        documents=answer.get("documents"),
        uris=answer.get("uris"),
        included=list(request.include),
        data=None,
        metadatas=optional(deserialize_metadata, answer.get("metadatas")),
    )


def _read_query(answer: Fields, request: ops.Query | ops.Hybrid) -> QueryResult:
    return QueryResult(
        ids=answer["ids"],
        embeddings=optional(_matrix, answer.get("embeddings")),
        documents=answer.get("documents"),
        uris=answer.get("uris"),
        included=list(request.include),
        data=None,
        metadatas=optional(lambda batch: optional(deserialize_metadata, batch), answer.get("metadatas")),
        distances=answer.get("distances"),
    )


#: What a hybrid result has besides the fields of a query's.
_FOUND_BY: Final = ("scores", "meaning_ranks", "word_ranks", "words")


def _read_hybrid(answer: Fields, request: ops.Hybrid) -> HybridResult:
    return HybridResult(_read_query(answer, request), **{name: answer[name] for name in _FOUND_BY})


def _read_search(answer: Json) -> SearchResult:
    metadatas = optional(lambda batch: optional(deserialize_metadata, batch), answer.get("metadatas"))
    return SearchResult(answer | {"metadatas": metadatas})


def _written_facet(facet: Facet) -> Json:
    counts = {name: list(map(list, getattr(facet, name))) for name in ("values", "ranges", "dates")}
    return vars(facet) | counts


def _read_facet(answer: Fields) -> Facet:
    counts = {name: tuple(ValueCount(*counted) for counted in answer[name]) for name in ("values", "dates")}
    return Facet(**{**answer, **counts, "ranges": tuple(Range(*bounds) for bounds in answer["ranges"])})


def _written_description(description: Description) -> Json:
    return {**vars(description), "keys": list(map(_written_facet, description.keys))}


def _read_description(answer: Fields) -> Description:
    return Description(**{**answer, "keys": tuple(map(_read_facet, answer["keys"]))})


def _read_indexing_status(answer: Fields) -> IndexingStatus:
    return IndexingStatus(**{one.name: answer[one.name] for one in dataclasses.fields(IndexingStatus)})


# --- The rows ----------------------------------------------------------------------------------------------
def answer(write: Callable[[Any], Any], read: Callable[[Any], Any]) -> Answer:
    """An answer that is read without a look at its request."""
    return Answer(write, lambda json, request: read(json))


def under(key: str, kind: type) -> Answer:
    """A single value under ``key``."""
    return answer(lambda value: {key: value}, lambda json: kind(json[key]))


NOTHING: Final = answer(_nothing, lambda json: None)
TEXT: Final = answer(_same, str)
NUMBER: Final = answer(_same, int)
TRUTH: Final = answer(_same, bool)
OBJECT: Final = answer(_same, dict)
HEARTBEAT: Final = under("nanosecond heartbeat", int)
COUNT: Final = under("count", int)
SUCCESS: Final = under("success", bool)
DELETED: Final = answer(lambda deleted: {"deleted": deleted}, lambda json: int((json or {}).get("deleted", 0)))
BATCH_SIZE: Final = answer(
    # The last is our own addition, for our own client; others pass it over.
    lambda size: {"max_batch_size": size, "supports_base64_encoding": True, "supports_asking": True},
    lambda json: int(json.get("max_batch_size", -1)),
)
IDENTITY: Final = answer(_written_identity, _read_identity)
TENANT: Final = answer(
    lambda tenant: {"name": tenant["name"], "resource_name": None}, lambda json: Tenant(name=json["name"])
)
DATABASE: Final = answer(_written_database, _read_database)
DATABASES: Final = answer(
    lambda databases: [_written_database(one) for one in databases], lambda json: [_read_database(one) for one in json]
)
COLLECTION: Final = answer(_written_collection, _read_collection)
COLLECTIONS: Final = answer(
    lambda models: [_written_collection(one) for one in models], lambda json: [_read_collection(one) for one in json]
)
GET: Final = Answer(_written_get, _read_get)
QUERY: Final = Answer(_written_query, _read_query)
HYBRID: Final = Answer(_written_query, _read_hybrid)
SEARCH: Final = answer(_same, _read_search)
INDEXING_STATUS: Final = answer(dataclasses.asdict, _read_indexing_status)
FACETS: Final = answer(
    lambda facets: {"facets": list(map(_written_facet, facets))}, lambda json: list(map(_read_facet, json["facets"]))
)
DESCRIPTION: Final = answer(_written_description, _read_description)

"""The table of operations: what the engine does for each, and its route in Chroma's REST API v2. One row each.

``EmbeddedBackend`` calls the handlers. The HTTP client writes calls and reads replies by the routes, the server reads
calls and writes replies by the same routes, and its OpenAPI document is generated from them. A new endpoint needs its
request class (``operations/requests.py``), a handler (``handlers.py``), a row here and, for an answer of a new form, a
row in ``wire/answers.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from chroma_nb import constraints
from chroma_nb.backends import handlers
from chroma_nb.backends.wire import answers, fields
from chroma_nb.backends.wire.answers import Answer
from chroma_nb.backends.wire.fields import Body, Field, Kind, RecordsBody
from chroma_nb.config import DEFAULT_DATABASE, DEFAULT_TENANT
from chroma_nb.operations import requests as r
from chroma_nb.types import ReadLevel, UserIdentity

if TYPE_CHECKING:
    from chroma_nb.engine.engine import Engine

#: The version of Chroma whose API is spoken.
API_VERSION = "1.5.9"
#: Any batch is taken; programs that split theirs by this number keep it in memory, so it is not infinite.
MAX_BATCH_SIZE = 1_000_000


def _always(request: object) -> bool:
    return True


def _never(request: object) -> bool:
    return False


@dataclass(frozen=True)
class Route:
    """How an operation travels. ``path`` names fields of the request, or what ``parameters`` gives for a name in it;
    ``repeatable`` tells whether a request leaves the same state and gets the same answer when it arrives twice,
    ``ours`` whether it asks for what Chroma's server does not have: other servers are asked in pages then
    (``http/_async/in_pages.py``)."""

    method: str
    path: str
    answer: Answer
    body: Body | None = None
    query: Body = field(default_factory=Body)
    status: int = 200
    repeatable: Callable[[Any], bool] = _always
    ours: Callable[[Any], bool] = _never
    parameters: Mapping[str, str] = field(default_factory=dict)
    #: Of a route that Chroma does not have: what a client says when its server has none.
    absent: str = ""

    def field_of(self, name: str) -> str:
        """The field of the request that ``name`` in the path means."""
        return self.parameters.get(name, name)


#: Engine and request -> answer.
Handler: TypeAlias = "Callable[[Engine, Any], Any]"


@dataclass(frozen=True)
class Endpoint:
    """What the engine does for an operation, and how that travels; None: an extra of ours for a local engine."""

    handler: Handler
    route: Route | None = None


# --- How it travels ------------------------------------------------------------------------------------------
API_PATH = "/api/v2"
TENANT = "/tenants/{tenant}"
DATABASE = TENANT + "/databases/{database}"
COLLECTION = DATABASE + "/collections/{collection_id}"
_BY_NAME = DATABASE + "/collections/{name}"
_BY_COLLECTION_ID = DATABASE + "/collections/by-id/{id}"


def _name(check: Callable[[Any], object]) -> Kind:
    return replace(fields.STRING, check=check)


_TENANT_NAME: Final = _name(constraints.check_tenant_name)
_DATABASE_NAME: Final = _name(constraints.check_database_name)
_COLLECTION_NAME: Final = _name(constraints.check_collection_name)

_PAGE: Final = Body(Field("limit", fields.DIGITS, null=False), Field("offset", fields.DIGITS, null=False))
_WHERE: Final = (Field("where", fields.FILTER), Field("where_document", fields.FILTER))
_FILTER: Final = (Field("ids", fields.STRINGS), *_WHERE)
_LEVEL: Final = Field("read_level", fields.READ_LEVEL, default=ReadLevel.INDEX_AND_WAL)


def _records(vectors: Kind, metadatas: Kind, *, required: bool) -> RecordsBody:
    return RecordsBody(
        Field("ids", fields.STRINGS, required=True),
        Field("embeddings", vectors, required=required),
        Field("metadatas", metadatas),
        Field("documents", fields.STRINGS_OR_NULLS),
        Field("uris", fields.STRINGS_OR_NULLS),
    )


def _names_records(request: r.Delete) -> bool:
    """With a filter the second answer would be 0, with a limit it would delete more."""
    return request.where is None and request.where_document is None


# --- The table -----------------------------------------------------------------------------------------------
ENDPOINTS: dict[type[r.AnyRequest], Endpoint] = {
    # The server itself
    r.Heartbeat: Endpoint(lambda engine, request: time.time_ns(), Route("GET", "/heartbeat", answers.HEARTBEAT)),
    r.GetVersion: Endpoint(lambda engine, request: API_VERSION, Route("GET", "/version", answers.TEXT)),
    r.GetMaxBatchSize: Endpoint(
        lambda engine, request: MAX_BATCH_SIZE, Route("GET", "/pre-flight-checks", answers.BATCH_SIZE)
    ),
    r.GetUserIdentity: Endpoint(
        lambda engine, request: UserIdentity("", DEFAULT_TENANT, [DEFAULT_DATABASE]),
        Route("GET", "/auth/identity", answers.IDENTITY),
    ),
    r.Reset: Endpoint(handlers.reset, Route("POST", "/reset", answers.TRUTH, repeatable=_never)),
    # Tenants and databases
    r.CreateTenant: Endpoint(
        handlers.create_tenant,
        Route(
            "POST",
            "/tenants",
            answers.NOTHING,
            Body(Field("name", _TENANT_NAME, required=True)),
            repeatable=_never,
        ),
    ),
    r.GetTenant: Endpoint(handlers.get_tenant, Route("GET", TENANT, answers.TENANT, parameters={"tenant": "name"})),
    r.CreateDatabase: Endpoint(
        handlers.create_database,
        Route(
            "POST",
            TENANT + "/databases",
            answers.NOTHING,
            Body(Field("name", _DATABASE_NAME, required=True)),
            repeatable=_never,
        ),
    ),
    r.GetDatabase: Endpoint(
        handlers.get_database, Route("GET", DATABASE, answers.DATABASE, parameters={"database": "name"})
    ),
    r.DeleteDatabase: Endpoint(
        handlers.delete_database,
        Route("DELETE", DATABASE, answers.NOTHING, repeatable=_never, parameters={"database": "name"}),
    ),
    r.ListDatabases: Endpoint(
        handlers.list_databases, Route("GET", TENANT + "/databases", answers.DATABASES, query=_PAGE)
    ),
    # Collections
    r.ListCollections: Endpoint(
        handlers.list_collections, Route("GET", DATABASE + "/collections", answers.COLLECTIONS, query=_PAGE)
    ),
    r.CountCollections: Endpoint(
        handlers.count_collections, Route("GET", DATABASE + "/collections_count", answers.NUMBER)
    ),
    r.CreateCollection: Endpoint(
        handlers.create_collection,
        Route(
            "POST",
            DATABASE + "/collections",
            answers.COLLECTION,
            Body(
                Field("name", _COLLECTION_NAME, required=True),
                Field("metadata", fields.METADATA),
                Field("configuration", fields.OBJECT),
                Field("schema", fields.OBJECT),
                Field("get_or_create", fields.BOOL, default=False),
            ),
            repeatable=lambda request: bool(request.get_or_create),
        ),
    ),
    r.GetCollection: Endpoint(handlers.get_collection, Route("GET", _BY_NAME, answers.COLLECTION)),
    r.GetCollectionById: Endpoint(handlers.get_collection_by_id, Route("GET", _BY_COLLECTION_ID, answers.COLLECTION)),
    r.ModifyCollection: Endpoint(
        handlers.modify_collection,
        Route(
            "PUT",
            DATABASE + "/collections/{id}",
            answers.NOTHING,
            Body(
                Field("new_name", _COLLECTION_NAME),
                Field("new_metadata", fields.METADATA_UPDATE),
                Field("new_configuration", fields.OBJECT),
            ),
        ),
    ),
    r.DeleteCollection: Endpoint(
        handlers.delete_collection, Route("DELETE", _BY_NAME, answers.NOTHING, repeatable=_never)
    ),
    # Records
    r.Add: Endpoint(
        handlers.add,
        Route(
            "POST",
            COLLECTION + "/add",
            answers.NOTHING,
            _records(fields.VECTORS, fields.METADATAS, required=True),
            status=201,
        ),
    ),
    r.Update: Endpoint(
        handlers.update,
        Route(
            "POST",
            COLLECTION + "/update",
            answers.NOTHING,
            _records(fields.VECTORS_OR_NULLS, fields.METADATA_UPDATES, required=False),
        ),
    ),
    r.Upsert: Endpoint(
        handlers.upsert,
        Route(
            "POST",
            COLLECTION + "/upsert",
            answers.NOTHING,
            _records(fields.VECTORS, fields.METADATA_UPDATES, required=True),
        ),
    ),
    r.Delete: Endpoint(
        handlers.delete,
        Route(
            "POST",
            COLLECTION + "/delete",
            answers.DELETED,
            Body(*_FILTER, Field("limit", fields.NATURAL, null=False)),
            repeatable=_names_records,
        ),
    ),
    r.Count: Endpoint(handlers.count, Route("GET", COLLECTION + "/count", answers.NUMBER, query=Body(_LEVEL))),
    r.Get: Endpoint(
        handlers.get,
        Route(
            "POST",
            COLLECTION + "/get",
            answers.GET,
            Body(
                *_FILTER,
                Field("limit", fields.NATURAL),
                Field("offset", fields.NATURAL),
                Field("include", fields.INCLUDE, default=("metadatas", "documents")),
                Field("order_by", fields.ORDER, null=False, attribute="order"),
            ),
            ours=lambda request: request.order is not None,
        ),
    ),
    r.Query: Endpoint(
        handlers.query,
        Route(
            "POST",
            COLLECTION + "/query",
            answers.QUERY,
            Body(
                Field("query_embeddings", fields.QUERY_VECTORS, required=True),
                Field("n_results", fields.NUMBER, default=10),
                *_FILTER,
                Field("include", fields.INCLUDE, default=("metadatas", "documents", "distances")),
                Field("max_distance", fields.FLOAT, null=False),
            ),
            ours=lambda request: request.max_distance is not None,
        ),
    ),
    # What no server of Chroma's has
    r.CountMatching: Endpoint(
        handlers.count_matching,
        Route("POST", COLLECTION + "/count", answers.NUMBER, Body(*_WHERE), query=Body(_LEVEL), ours=_always),
    ),
    r.Facets: Endpoint(
        handlers.facets,
        Route(
            "POST",
            COLLECTION + "/facets",
            answers.FACETS,
            Body(
                Field("keys", fields.STRINGS, required=True),
                *_WHERE,
                Field("limit", fields.NATURAL, default=20),
                Field("edges", fields.EDGES, null=False),
            ),
            ours=_always,
        ),
    ),
    r.Describe: Endpoint(
        lambda engine, request: engine.describe(request.collection_id),
        Route("GET", COLLECTION + "/description", answers.DESCRIPTION, ours=_always),
    ),
    r.Sample: Endpoint(
        handlers.sample,
        Route(
            "POST",
            COLLECTION + "/sample",
            answers.GET,
            Body(
                Field("n", fields.NATURAL, required=True),
                Field("seed", fields.INTEGER),
                *_WHERE,
                Field("include", fields.INCLUDE, default=("metadatas", "documents")),
            ),
            ours=_always,
        ),
    ),
    r.QueryLike: Endpoint(
        handlers.query_like,
        Route(
            "POST",
            COLLECTION + "/query_like",
            answers.QUERY,
            Body(
                Field("like", fields.STRINGS, default=()),
                Field("unlike", fields.STRINGS, default=()),
                Field("n_results", fields.NUMBER, default=10),
                *_FILTER,
                Field("include", fields.INCLUDE, default=("metadatas", "documents", "distances")),
                Field("max_distance", fields.FLOAT, null=False),
            ),
            ours=_always,
        ),
    ),
    # What is ours and not Chroma's
    r.Hybrid: Endpoint(
        handlers.hybrid,
        Route(
            "POST",
            COLLECTION + "/hybrid",
            answers.HYBRID,
            Body(
                Field("query_texts", fields.STRINGS),
                Field("query_embeddings", fields.QUERY_VECTORS),
                Field("n_results", fields.NUMBER, default=10),
                *_FILTER[1:],
                Field("include", fields.INCLUDE, default=("metadatas", "documents", "distances")),
            ),
            absent=(
                "This server has no search by words. Pass fetch=True to download the documents of the collection "
                "once and search their words in this process."
            ),
        ),
    ),
    # What Chroma has in its cloud only
    r.Search: Endpoint(
        handlers.search,
        Route(
            "POST",
            COLLECTION + "/search",
            answers.SEARCH,
            Body(Field("searches", fields.OBJECTS, required=True), _LEVEL),
        ),
    ),
    r.Fork: Endpoint(
        lambda engine, request: engine.fork(request.collection_id, request.new_name),
        Route(
            "POST",
            COLLECTION + "/fork",
            answers.COLLECTION,
            Body(Field("new_name", _COLLECTION_NAME, required=True)),
            repeatable=_never,
        ),
    ),
    r.ForkCount: Endpoint(
        lambda engine, request: engine.fork_count(request.collection_id),
        Route("GET", COLLECTION + "/fork_count", answers.COUNT),
    ),
    r.GetIndexingStatus: Endpoint(
        lambda engine, request: engine.indexing_status(request.collection_id),
        Route("GET", COLLECTION + "/indexing_status", answers.INDEXING_STATUS),
    ),
    r.AttachFunction: Endpoint(
        handlers.ATTACHED_FUNCTIONS,
        Route(
            "POST",
            COLLECTION + "/functions/attach",
            answers.OBJECT,
            Body(
                Field("name", fields.STRING, required=True),
                Field("function_id", fields.STRING, required=True),
                Field("output_collection", fields.STRING, required=True),
                Field("params", fields.OBJECT),
            ),
            repeatable=_never,
        ),
    ),
    r.GetAttachedFunction: Endpoint(
        handlers.ATTACHED_FUNCTIONS, Route("GET", COLLECTION + "/functions/{name}", answers.OBJECT)
    ),
    r.DetachFunction: Endpoint(
        handlers.ATTACHED_FUNCTIONS,
        Route(
            "POST",
            COLLECTION + "/attached_functions/{name}/detach",
            answers.SUCCESS,
            Body(Field("delete_output", fields.BOOL, default=False, attribute="delete_output_collection")),
            repeatable=_never,
        ),
    ),
    # What only a local engine can do
    r.Edit: Endpoint(handlers.edit),
    r.BeginStaging: Endpoint(lambda engine, request: engine.begin_staging(request.id)),
    r.Stage: Endpoint(handlers.stage),
    r.Publish: Endpoint(handlers.publish),
    r.AbandonStaging: Endpoint(lambda engine, request: engine.abandon(request.session)),
    r.RecordEmbeddingModel: Endpoint(handlers.record_embedding_model),
    r.Vacuum: Endpoint(lambda engine, request: engine.vacuum()),
    r.Verify: Endpoint(lambda engine, request: engine.verify()),
    r.GetAsStored: Endpoint(handlers.get),
    r.Explain: Endpoint(handlers.query),
}

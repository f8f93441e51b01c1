"""The operations: what the engine does for each, and how it travels over Chroma's REST API v2. One row each.

``EmbeddedBackend`` calls the handlers, the client of a server writes calls and reads replies by the routes, the server
reads calls and writes replies by the same routes, and its OpenAPI document is drawn from them. A new endpoint is its
request class (``operations/requests.py``), a handler and a row here, and, for an answer of a new form, a row in
``wire/answers.py``.

Handlers check the values of a request and call the engine they are given; this module loads none. It is long because
the table and the handlers that its rows name stand in one place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

from chroma_nb import constraints
from chroma_nb.backends.wire import answers, fields
from chroma_nb.backends.wire.answers import Answer
from chroma_nb.backends.wire.fields import Body, Field, Kind, RecordsBody
from chroma_nb.config import DEFAULT_DATABASE, DEFAULT_TENANT
from chroma_nb.embedding_functions.progress import record_bar
from chroma_nb.errors import InvalidArgumentError, refused
from chroma_nb.facets import Facet
from chroma_nb.operations import requests as r
from chroma_nb.operations import validate
from chroma_nb.query.search import Search
from chroma_nb.records import Edited
from chroma_nb.results import GetResult, HybridResult, QueryResult, SearchResult
from chroma_nb.types import CollectionModel, Columns, Database, Json, ReadLevel, Tenant, UserIdentity

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


# --- What the engine does ------------------------------------------------------------------------------------
def _reset(engine: Engine, request: r.Reset) -> bool:
    engine.reset()
    return True


def _create_tenant(engine: Engine, request: r.CreateTenant) -> None:
    engine.create_tenant(request.name)


def _get_tenant(engine: Engine, request: r.GetTenant) -> Tenant:
    return engine.get_tenant(validate.check_name_is_str(request.name))


def _create_database(engine: Engine, request: r.CreateDatabase) -> None:
    engine.create_database(request.name, validate.check_name_is_str(request.tenant, "tenant"))


def _get_database(engine: Engine, request: r.GetDatabase) -> Database:
    return engine.get_database(
        constraints.check_database_name(request.name), validate.check_name_is_str(request.tenant, "tenant")
    )


def _delete_database(engine: Engine, request: r.DeleteDatabase) -> None:
    engine.delete_database(
        validate.check_name_is_str(request.name, "name"), validate.check_name_is_str(request.tenant, "tenant")
    )


def _list_databases(engine: Engine, request: r.ListDatabases) -> list[Database]:
    return engine.list_databases(
        validate.check_name_is_str(request.tenant, "tenant"),
        validate.check_limit(request.limit),
        validate.check_limit(request.offset, "offset"),
    )


def _list_collections(engine: Engine, request: r.ListCollections) -> list[CollectionModel]:
    return engine.list_collections(
        request.tenant,
        request.database,
        validate.check_limit(request.limit),
        validate.check_limit(request.offset, "offset"),
    )


def _count_collections(engine: Engine, request: r.CountCollections) -> int:
    return engine.count_collections(request.tenant, request.database)


def _create_collection(engine: Engine, request: r.CreateCollection) -> CollectionModel:
    return engine.create_collection(
        request.name,
        request.tenant,
        request.database,
        request.metadata,
        request.configuration,
        request.schema,
        request.get_or_create,
    )


def _get_collection(engine: Engine, request: r.GetCollection) -> CollectionModel:
    return engine.get_collection(validate.check_name_is_str(request.name, "name"), request.tenant, request.database)


def _get_collection_by_id(engine: Engine, request: r.GetCollectionById) -> CollectionModel:
    return engine.get_collection_by_id(validate.check_collection_id(request.id), request.tenant, request.database)


def _modify_collection(engine: Engine, request: r.ModifyCollection) -> None:
    engine.modify_collection(
        request.id,
        request.tenant,
        request.database,
        request.new_name,
        request.new_metadata,
        request.new_configuration,
    )


def _delete_collection(engine: Engine, request: r.DeleteCollection) -> None:
    engine.delete_collection(validate.check_name_is_str(request.name, "name"), request.tenant, request.database)


def _add(engine: Engine, request: r.Add) -> None:
    engine.add(request.collection_id, request.records)


def _update(engine: Engine, request: r.Update) -> None:
    engine.update(request.collection_id, request.records)


def _upsert(engine: Engine, request: r.Upsert) -> None:
    engine.upsert(request.collection_id, request.records)


def _edit(engine: Engine, request: r.Edit) -> Edited:
    return engine.edit(request.id, request.edits)


def _stage(engine: Engine, request: r.Stage) -> None:
    engine.stage(request.session, request.records)


def _publish(engine: Engine, request: r.Publish) -> Edited:
    return engine.publish(request.session, request.edits, update=request.update)


def _checked_ids(ids: list[str] | None) -> list[str] | None:
    """TypeError unless all are str, UnicodeEncodeError for half of a surrogate pair: as Chroma takes them."""
    if ids is None:
        return None
    if type(ids) is not list:
        ids = validate.check_query_ids(ids)
    try:
        "".join(ids or ()).encode()
    except TypeError:
        return validate.check_query_ids(ids)
    except UnicodeEncodeError:
        constraints.check_unicode(ids or (), "the id")
    return ids


def _delete(engine: Engine, request: r.Delete) -> int:
    ids, limit = request.ids, request.limit
    return engine.delete(
        request.collection_id,
        _checked_ids(ids),
        None if request.filter is None else request.filter.condition,
        None if limit is None else validate.check_limit(limit),
    )


def _count(engine: Engine, request: r.Count) -> int:
    return engine.count(request.collection_id)


def _count_matching(engine: Engine, request: r.CountMatching) -> int:
    return engine.count_matching(request.collection_id, None if request.filter is None else request.filter.condition)


def _get(engine: Engine, request: r.Get | r.GetAsStored) -> GetResult | Columns:
    """The answer of a get, in Chroma's form or as columns for a table."""
    get, ask = (request.get, engine.get_as_stored) if isinstance(request, r.GetAsStored) else (request, engine.get)
    if get.order is not None:
        ask = partial(engine.get, order=get.order)
    ids, limit, offset = get.ids, get.limit, get.offset
    return ask(
        get.collection_id,
        _checked_ids(ids),
        None if get.filter is None else get.filter.condition,
        None if limit is None else validate.check_limit(limit),
        None if offset is None else validate.check_limit(offset, "offset"),
        get.include,
    )


def _query(engine: Engine, request: r.Query | r.Explain) -> QueryResult | Json:
    """The answer of a query, or how it is found."""
    query, ask = (request.query, engine.explain) if isinstance(request, r.Explain) else (request, engine.query)
    return ask(
        query.collection_id,
        query.query_embeddings,
        validate.check_limit(query.n_results, "n_results"),
        _checked_ids(query.ids),
        None if query.filter is None else query.filter.condition,
        query.include,
        query.max_distance,
    )


def _query_like(engine: Engine, request: r.QueryLike) -> QueryResult:
    return engine.query_like(
        request.collection_id,
        request.like,
        request.unlike,
        validate.check_limit(request.n_results, "n_results"),
        _checked_ids(request.ids),
        None if request.filter is None else request.filter.condition,
        request.include,
        request.max_distance,
    )


def _facets(engine: Engine, request: r.Facets) -> list[Facet]:
    return engine.facets(
        request.collection_id,
        request.keys,
        None if request.filter is None else request.filter.condition,
        validate.check_limit(request.limit),
    )


def _sample(engine: Engine, request: r.Sample) -> GetResult:
    return engine.sample(
        request.collection_id,
        validate.check_limit(request.n, "n"),
        request.seed,
        None if request.filter is None else request.filter.condition,
        request.include,
    )


def _hybrid(engine: Engine, request: r.Hybrid) -> HybridResult:
    texts, vectors = request.query_texts, request.query_embeddings
    if texts is None and vectors is None:
        raise InvalidArgumentError("Expected query_texts, query_embeddings or both, got neither")
    if texts is not None and vectors is not None and len(texts) != len(vectors):
        raise InvalidArgumentError(
            f"Expected one query embedding for each query text, got {len(vectors)} for {len(texts)} texts"
        )
    return engine.hybrid(
        request.collection_id,
        texts,
        vectors,
        validate.check_limit(request.n_results, "n_results"),
        None if request.filter is None else request.filter.condition,
        request.include,
        record_bar(None),
    )


def _search(engine: Engine, request: r.Search) -> SearchResult:
    try:
        searches = list(map(Search.sent, request.searches))
    except (TypeError, ValueError) as error:
        raise refused(InvalidArgumentError(str(error)), 422, "ChromaError") from None
    return engine.search(request.collection_id, searches)


def _record_embedding_model(engine: Engine, request: r.RecordEmbeddingModel) -> str:
    noted = engine.settings_of(request.id).get("embedding_model")
    if noted is None:
        engine.update_settings(request.id, {"embedding_model": request.embedding_model})
    return str(noted or request.embedding_model)


def _in_the_cloud_only(what: str) -> Callable[[Engine, Any], NoReturn]:
    def refuse(engine: Engine, request: object) -> NoReturn:
        raise refused(NotImplementedError(what), 501, "ChromaError")

    return refuse


_ATTACHED_FUNCTIONS: Final = _in_the_cloud_only(
    "Attached functions are only supported when connecting to a Chroma server via HttpClient. "
    "The Rust bindings (embedded mode) do not support attached function operations."
)

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
    r.Reset: Endpoint(_reset, Route("POST", "/reset", answers.TRUTH, repeatable=_never)),
    # Tenants and databases
    r.CreateTenant: Endpoint(
        _create_tenant,
        Route(
            "POST",
            "/tenants",
            answers.NOTHING,
            Body(Field("name", _TENANT_NAME, required=True)),
            repeatable=_never,
        ),
    ),
    r.GetTenant: Endpoint(_get_tenant, Route("GET", TENANT, answers.TENANT, parameters={"tenant": "name"})),
    r.CreateDatabase: Endpoint(
        _create_database,
        Route(
            "POST",
            TENANT + "/databases",
            answers.NOTHING,
            Body(Field("name", _DATABASE_NAME, required=True)),
            repeatable=_never,
        ),
    ),
    r.GetDatabase: Endpoint(_get_database, Route("GET", DATABASE, answers.DATABASE, parameters={"database": "name"})),
    r.DeleteDatabase: Endpoint(
        _delete_database,
        Route("DELETE", DATABASE, answers.NOTHING, repeatable=_never, parameters={"database": "name"}),
    ),
    r.ListDatabases: Endpoint(_list_databases, Route("GET", TENANT + "/databases", answers.DATABASES, query=_PAGE)),
    # Collections
    r.ListCollections: Endpoint(
        _list_collections, Route("GET", DATABASE + "/collections", answers.COLLECTIONS, query=_PAGE)
    ),
    r.CountCollections: Endpoint(_count_collections, Route("GET", DATABASE + "/collections_count", answers.NUMBER)),
    r.CreateCollection: Endpoint(
        _create_collection,
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
    r.GetCollection: Endpoint(_get_collection, Route("GET", _BY_NAME, answers.COLLECTION)),
    r.GetCollectionById: Endpoint(_get_collection_by_id, Route("GET", _BY_COLLECTION_ID, answers.COLLECTION)),
    r.ModifyCollection: Endpoint(
        _modify_collection,
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
    r.DeleteCollection: Endpoint(_delete_collection, Route("DELETE", _BY_NAME, answers.NOTHING, repeatable=_never)),
    # Records
    r.Add: Endpoint(
        _add,
        Route(
            "POST",
            COLLECTION + "/add",
            answers.NOTHING,
            _records(fields.VECTORS, fields.METADATAS, required=True),
            status=201,
        ),
    ),
    r.Update: Endpoint(
        _update,
        Route(
            "POST",
            COLLECTION + "/update",
            answers.NOTHING,
            _records(fields.VECTORS_OR_NULLS, fields.METADATA_UPDATES, required=False),
        ),
    ),
    r.Upsert: Endpoint(
        _upsert,
        Route(
            "POST",
            COLLECTION + "/upsert",
            answers.NOTHING,
            _records(fields.VECTORS, fields.METADATA_UPDATES, required=True),
        ),
    ),
    r.Delete: Endpoint(
        _delete,
        Route(
            "POST",
            COLLECTION + "/delete",
            answers.DELETED,
            Body(*_FILTER, Field("limit", fields.NATURAL, null=False)),
            repeatable=_names_records,
        ),
    ),
    r.Count: Endpoint(_count, Route("GET", COLLECTION + "/count", answers.NUMBER, query=Body(_LEVEL))),
    r.Get: Endpoint(
        _get,
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
        _query,
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
        _count_matching,
        Route("POST", COLLECTION + "/count", answers.NUMBER, Body(*_WHERE), query=Body(_LEVEL), ours=_always),
    ),
    r.Facets: Endpoint(
        _facets,
        Route(
            "POST",
            COLLECTION + "/facets",
            answers.FACETS,
            Body(
                Field("keys", fields.STRINGS, required=True),
                *_WHERE,
                Field("limit", fields.NATURAL, default=20),
            ),
            ours=_always,
        ),
    ),
    r.Describe: Endpoint(
        lambda engine, request: engine.describe(request.collection_id),
        Route("GET", COLLECTION + "/description", answers.DESCRIPTION, ours=_always),
    ),
    r.Sample: Endpoint(
        _sample,
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
        _query_like,
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
    # What Chroma has not
    r.Hybrid: Endpoint(
        _hybrid,
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
                "this server has no search by words; give fetch=True to read the collection's documents from it, once, "
                "and search their words in this process"
            ),
        ),
    ),
    # What Chroma has in its cloud only
    r.Search: Endpoint(
        _search,
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
        _ATTACHED_FUNCTIONS,
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
        _ATTACHED_FUNCTIONS, Route("GET", COLLECTION + "/functions/{name}", answers.OBJECT)
    ),
    r.DetachFunction: Endpoint(
        _ATTACHED_FUNCTIONS,
        Route(
            "POST",
            COLLECTION + "/attached_functions/{name}/detach",
            answers.SUCCESS,
            Body(Field("delete_output", fields.BOOL, default=False, attribute="delete_output_collection")),
            repeatable=_never,
        ),
    ),
    # What only a local engine can do
    r.Edit: Endpoint(_edit),
    r.BeginStaging: Endpoint(lambda engine, request: engine.begin_staging(request.id)),
    r.Stage: Endpoint(_stage),
    r.Publish: Endpoint(_publish),
    r.AbandonStaging: Endpoint(lambda engine, request: engine.abandon(request.session)),
    r.RecordEmbeddingModel: Endpoint(_record_embedding_model),
    r.Vacuum: Endpoint(lambda engine, request: engine.vacuum()),
    r.Verify: Endpoint(lambda engine, request: engine.verify()),
    r.GetAsStored: Endpoint(_get),
    r.Explain: Endpoint(_query),
}

"""A function for each operation: check the values of a request, and call the engine.

Handlers call the engine they are given; this module loads none.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

from chroma_nb import constraints
from chroma_nb.embedding_functions.progress import record_bar
from chroma_nb.errors import InvalidArgumentError, refused
from chroma_nb.facets import Facet
from chroma_nb.operations import bindings
from chroma_nb.operations import requests as r
from chroma_nb.operations.additions import validate_keys, validate_order
from chroma_nb.query.search import Search
from chroma_nb.records import Edited
from chroma_nb.results import GetResult, HybridResult, QueryResult, SearchResult
from chroma_nb.types import CollectionModel, Columns, Database, Json, Tenant

if TYPE_CHECKING:
    from chroma_nb.engine.engine import Engine


def reset(engine: Engine, request: r.Reset) -> bool:
    """Delete everything; True, as Chroma returns."""
    engine.reset()
    return True


def create_tenant(engine: Engine, request: r.CreateTenant) -> None:
    engine.create_tenant(request.name)


def get_tenant(engine: Engine, request: r.GetTenant) -> Tenant:
    """The tenant of this name."""
    return engine.get_tenant(bindings.check_name_is_str(request.name))


def create_database(engine: Engine, request: r.CreateDatabase) -> None:
    engine.create_database(request.name, bindings.check_name_is_str(request.tenant, "tenant"))


def get_database(engine: Engine, request: r.GetDatabase) -> Database:
    return engine.get_database(
        constraints.check_database_name(request.name), bindings.check_name_is_str(request.tenant, "tenant")
    )


def delete_database(engine: Engine, request: r.DeleteDatabase) -> None:
    engine.delete_database(
        bindings.check_name_is_str(request.name, "name"), bindings.check_name_is_str(request.tenant, "tenant")
    )


def list_databases(engine: Engine, request: r.ListDatabases) -> list[Database]:
    """The databases of a tenant, of which a page may be asked for."""
    return engine.list_databases(
        bindings.check_name_is_str(request.tenant, "tenant"),
        bindings.check_limit(request.limit),
        bindings.check_limit(request.offset, "offset"),
    )


def list_collections(engine: Engine, request: r.ListCollections) -> list[CollectionModel]:
    """The collections of a database, of which a page may be asked for."""
    return engine.list_collections(
        request.tenant,
        request.database,
        bindings.check_limit(request.limit),
        bindings.check_limit(request.offset, "offset"),
    )


def count_collections(engine: Engine, request: r.CountCollections) -> int:
    return engine.count_collections(request.tenant, request.database)


def create_collection(engine: Engine, request: r.CreateCollection) -> CollectionModel:
    """The collection that was made, or found where that is asked for."""
    return engine.create_collection(
        request.name,
        request.tenant,
        request.database,
        request.metadata,
        request.configuration,
        request.schema,
        request.get_or_create,
    )


def get_collection(engine: Engine, request: r.GetCollection) -> CollectionModel:
    """The collection of this name."""
    return engine.get_collection(bindings.check_name_is_str(request.name, "name"), request.tenant, request.database)


def get_collection_by_id(engine: Engine, request: r.GetCollectionById) -> CollectionModel:
    """The collection of this id, in its database."""
    return engine.get_collection_by_id(bindings.check_collection_id(request.id), request.tenant, request.database)


def modify_collection(engine: Engine, request: r.ModifyCollection) -> None:
    engine.modify_collection(
        request.id,
        request.tenant,
        request.database,
        request.new_name,
        request.new_metadata,
        request.new_configuration,
    )


def delete_collection(engine: Engine, request: r.DeleteCollection) -> None:
    engine.delete_collection(bindings.check_name_is_str(request.name, "name"), request.tenant, request.database)


def add(engine: Engine, request: r.Add) -> None:
    engine.add(request.collection_id, request.records)


def update(engine: Engine, request: r.Update) -> None:
    engine.update(request.collection_id, request.records)


def upsert(engine: Engine, request: r.Upsert) -> None:
    engine.upsert(request.collection_id, request.records)


def edit(engine: Engine, request: r.Edit) -> Edited:
    """Deletions, changes and additions in one transaction; how many of each."""
    return engine.edit(request.id, request.edits)


def stage(engine: Engine, request: r.Stage) -> None:
    """Write a piece of a table or file, which counts once it is published."""
    engine.stage(request.session, request.records)


def publish(engine: Engine, request: r.Publish) -> Edited:
    """Let what was staged count; how many records were deleted, changed and added."""
    return engine.publish(request.session, request.edits, update=request.update)


def _checked_ids(ids: list[str] | None) -> list[str] | None:
    """TypeError unless all are str, UnicodeEncodeError for half of a surrogate pair: as Chroma takes them."""
    if ids is None:
        return None
    if type(ids) is not list:
        ids = bindings.check_query_ids(ids)
    try:
        "".join(ids or ()).encode()
    except TypeError:
        return bindings.check_query_ids(ids)
    except UnicodeEncodeError:
        constraints.check_unicode(ids or (), "the id")
    return ids


def delete(engine: Engine, request: r.Delete) -> int:
    """How many records were deleted, as Chroma counts them."""
    ids, limit = request.ids, request.limit
    return engine.delete(
        request.collection_id,
        _checked_ids(ids),
        None if request.filter is None else request.filter.condition,
        None if limit is None else bindings.check_limit(limit),
    )


def count(engine: Engine, request: r.Count) -> int:
    return engine.count(request.collection_id)


def count_matching(engine: Engine, request: r.CountMatching) -> int:
    """How many records pass a filter."""
    return engine.count_matching(request.collection_id, None if request.filter is None else request.filter.condition)


def get(engine: Engine, request: r.Get | r.GetAsStored) -> GetResult | Columns:
    """The records of a get, in Chroma's form or as columns for a table."""
    get, ask = (request.get, engine.get_as_stored) if isinstance(request, r.GetAsStored) else (request, engine.get)
    if get.order is not None:
        ask = partial(engine.get, order=validate_order(get.order.key, get.order.descending))
    ids, limit, offset = get.ids, get.limit, get.offset
    return ask(
        get.collection_id,
        _checked_ids(ids),
        None if get.filter is None else get.filter.condition,
        None if limit is None else bindings.check_limit(limit),
        None if offset is None else bindings.check_limit(offset, "offset"),
        get.include,
    )


def query(engine: Engine, request: r.Query | r.Explain) -> QueryResult | Json:
    """What a query finds, or how it finds it."""
    query, ask = (request.query, engine.explain) if isinstance(request, r.Explain) else (request, engine.query)
    return ask(
        query.collection_id,
        query.query_embeddings,
        bindings.check_limit(query.n_results, "n_results"),
        _checked_ids(query.ids),
        None if query.filter is None else query.filter.condition,
        query.include,
        query.max_distance,
    )


def query_like(engine: Engine, request: r.QueryLike) -> QueryResult:
    """The neighbours of some records, away from others."""
    return engine.query_like(
        request.collection_id,
        request.like,
        request.unlike,
        bindings.check_limit(request.n_results, "n_results"),
        _checked_ids(request.ids),
        None if request.filter is None else request.filter.condition,
        request.include,
        request.max_distance,
    )


def facets(engine: Engine, request: r.Facets) -> list[Facet]:
    """The values under some keys, counted."""
    return engine.facets(
        request.collection_id,
        validate_keys(request.keys),
        None if request.filter is None else request.filter.condition,
        bindings.check_limit(request.limit),
        request.edges,
    )


def sample(engine: Engine, request: r.Sample) -> GetResult:
    """Some records at random."""
    return engine.sample(
        request.collection_id,
        bindings.check_limit(request.n, "n"),
        request.seed,
        None if request.filter is None else request.filter.condition,
        request.include,
    )


def hybrid(engine: Engine, request: r.Hybrid) -> HybridResult:
    """What questions find by meaning and by words: they have texts, vectors or both."""
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
        bindings.check_limit(request.n_results, "n_results"),
        None if request.filter is None else request.filter.condition,
        request.include,
        record_bar(None),
    )


def search(engine: Engine, request: r.Search) -> SearchResult:
    """What searches find, which come as they travel."""
    try:
        searches = list(map(Search.sent, request.searches))
    except (TypeError, ValueError) as error:
        raise refused(InvalidArgumentError(str(error)), 422, "ChromaError") from None
    return engine.search(request.collection_id, searches)


def record_embedding_model(engine: Engine, request: r.RecordEmbeddingModel) -> str:
    """The model that is noted with a collection: the first that was."""
    noted = engine.settings_of(request.id).get("embedding_model")
    if noted is None:
        engine.update_settings(request.id, {"embedding_model": request.embedding_model})
    return str(noted or request.embedding_model)


def _in_the_cloud_only(what: str) -> Callable[[Engine, Any], NoReturn]:
    def refuse(engine: Engine, request: object) -> NoReturn:
        raise refused(NotImplementedError(what), 501, "ChromaError")

    return refuse


ATTACHED_FUNCTIONS: Final = _in_the_cloud_only(
    "Attached functions are only supported when connecting to a Chroma server via HttpClient. "
    "The Rust bindings (embedded mode) do not support attached function operations."
)

"""The Chroma API as data: every operation is a frozen dataclass, every backend handles them.

``Request[R]`` says what the type of the result is: ``Backend.handle(request: Request[R]) -> R``.
Requests hold values that are checked and embedded already (``prepare.py``, ``asking.py``). Nothing here does I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar
from uuid import UUID

import numpy as np

from chroma_nb.facets import Description, Edges, Facet
from chroma_nb.plain import PLAIN, plain, plain_tree
from chroma_nb.query.ordering import Order
from chroma_nb.query.parsing import Filter
from chroma_nb.records import Edited, Edits, Records
from chroma_nb.results import GetResult, HybridResult, IndexingStatus, QueryResult, SearchResult
from chroma_nb.types import (
    CollectionMetadata,
    CollectionModel,
    Columns,
    Database,
    Fields,
    Json,
    Matrix,
    ReadLevel,
    Tenant,
    UserIdentity,
    Where,
    WhereDocument,
)

R = TypeVar("R")


#: Types that a request keeps as they are: plain already, or checked when they were created.
_AS_IT_IS: Final = PLAIN | {UUID, np.ndarray, Records, Edits, ReadLevel, Filter}


class Request(Generic[R]):
    """One operation; ``R`` is the type of its result. It holds plain values: see ``Given``."""


class Given:
    """A request with values as a caller passed them, which are made plain here. (Those of others are plain before.)"""

    def __post_init__(self) -> None:
        """Make the values plain."""
        for name, value in vars(self).items():
            kind = type(value)
            if kind in _AS_IT_IS:
                continue
            if kind is not tuple:
                object.__setattr__(self, name, plain_tree(value))
            elif not PLAIN.issuperset(map(type, value)):
                object.__setattr__(self, name, tuple(map(plain, value)))


#: A request, whatever its result.
AnyRequest: TypeAlias = Request[Any]


# --- The server itself ------------------------------------------------------------------------------
@dataclass(frozen=True)
class Heartbeat(Request[int]):
    """Nanoseconds since the epoch."""


@dataclass(frozen=True)
class GetVersion(Request[str]):
    """The version of Chroma whose API the backend has."""


@dataclass(frozen=True)
class GetMaxBatchSize(Request[int]):
    """The most records that one call may contain."""


@dataclass(frozen=True)
class GetUserIdentity(Request[UserIdentity]):
    """The identity that the server gives this client."""


@dataclass(frozen=True)
class Reset(Request[bool]):
    """Delete everything; whether it is allowed is checked by the caller."""


# --- Tenants and databases ----------------------------------------------------------------------------
@dataclass(frozen=True)
class CreateTenant(Given, Request[None]):
    """Create a tenant."""

    name: str


@dataclass(frozen=True)
class GetTenant(Given, Request[Tenant]):
    """The tenant of this name."""

    name: str


@dataclass(frozen=True)
class CreateDatabase(Given, Request[None]):
    """Create a database in a tenant."""

    name: str
    tenant: str


@dataclass(frozen=True)
class GetDatabase(Given, Request[Database]):
    """The database of this name."""

    name: str
    tenant: str


@dataclass(frozen=True)
class DeleteDatabase(Given, Request[None]):
    """Delete a database and its collections."""

    name: str
    tenant: str


@dataclass(frozen=True)
class ListDatabases(Given, Request[list[Database]]):
    """The databases of a tenant; at most ``limit``, after the first ``offset``."""

    tenant: str
    limit: int | None = None
    offset: int | None = None


# --- Collections --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class ListCollections(Given, Request[list[CollectionModel]]):
    """The collections of a database in the order they were created; at most ``limit``, after the first ``offset``."""

    tenant: str
    database: str
    limit: int | None = None
    offset: int | None = None


@dataclass(frozen=True)
class CountCollections(Given, Request[int]):
    """How many collections a database has."""

    tenant: str
    database: str


@dataclass(frozen=True)
class CreateCollection(Given, Request[CollectionModel]):
    """``configuration`` and ``schema`` are JSON as it is sent, not yet resolved."""

    name: str
    tenant: str
    database: str
    metadata: CollectionMetadata | None = None
    configuration: Json | None = None
    schema: Json | None = None
    get_or_create: bool = False


@dataclass(frozen=True)
class GetCollection(Given, Request[CollectionModel]):
    """The collection of this name."""

    name: str
    tenant: str
    database: str


@dataclass(frozen=True)
class GetCollectionById(Given, Request[CollectionModel]):
    """The collection of this id."""

    id: UUID
    tenant: str
    database: str


@dataclass(frozen=True)
class ModifyCollection(Given, Request[None]):
    """None leaves a field as it is; ``new_metadata`` replaces all metadata."""

    id: UUID
    tenant: str
    database: str
    new_name: str | None = None
    new_metadata: CollectionMetadata | None = None
    new_configuration: Json | None = None


@dataclass(frozen=True)
class DeleteCollection(Given, Request[None]):
    """Delete a collection and everything in it."""

    name: str
    tenant: str
    database: str


# --- Records --------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class CollectionRequest(Request[R]):
    """An operation on the records of one collection."""

    collection_id: UUID
    tenant: str
    database: str


class Filtered(CollectionRequest[R]):
    """An operation on the records that pass a filter; ``where`` and ``where_document`` are as the user wrote them."""

    filter: Filter | None

    @property
    def where(self) -> Where | None:
        return None if self.filter is None else self.filter.where

    @property
    def where_document(self) -> WhereDocument | None:
        return None if self.filter is None else self.filter.where_document


@dataclass(frozen=True)
class Add(CollectionRequest[None]):
    """Ids that exist already are ignored without a message."""

    records: Records


@dataclass(frozen=True)
class Update(CollectionRequest[None]):
    """Ids that do not exist are ignored without a message."""

    records: Records


@dataclass(frozen=True)
class Upsert(CollectionRequest[None]):
    """Ids that exist already are updated, the others added."""

    records: Records


@dataclass(frozen=True)
class Delete(Filtered[int]):
    """The result is the number of ids in the request (ids only) or of records that match (with a filter)."""

    ids: list[str] | None = None
    filter: Filter | None = None
    limit: int | None = None


@dataclass(frozen=True)
class Count(Given, CollectionRequest[int]):
    """How many records there are."""

    read_level: ReadLevel = ReadLevel.INDEX_AND_WAL


@dataclass(frozen=True)
class CountMatching(Filtered[int]):
    """How many records pass the filter."""

    filter: Filter | None = None
    read_level: ReadLevel = ReadLevel.INDEX_AND_WAL


@dataclass(frozen=True)
class Get(Filtered[GetResult]):
    """``include`` never holds "data" (the client loads it); "data" in the result is None. No ``order``: as added."""

    ids: list[str] | None = None
    filter: Filter | None = None
    limit: int | None = None
    offset: int | None = None
    include: tuple[str, ...] = ("metadatas", "documents")
    order: Order | None = None


@dataclass(frozen=True)
class Query(Filtered[QueryResult]):
    """``query_embeddings`` is a float32 array of shape (queries, dimension). None is farther than ``max_distance``."""

    query_embeddings: Matrix
    n_results: int = 10
    ids: list[str] | None = None
    filter: Filter | None = None
    include: tuple[str, ...] = ("metadatas", "documents", "distances")
    max_distance: float | None = None


@dataclass(frozen=True)
class Facets(Filtered[list[Facet]]):
    """The values that the records that pass the filter have under these keys, at most ``limit`` for each key.

    ``edges``: keys whose numbers are counted between these bounds.
    """

    keys: list[str]
    limit: int = 20
    filter: Filter | None = None
    edges: Edges | None = None


@dataclass(frozen=True)
class Describe(CollectionRequest[Description]):
    """What is in the collection."""


@dataclass(frozen=True)
class Sample(Filtered[GetResult]):
    """Some of the records that pass the filter, at random; with a ``seed`` the same ones each time."""

    n: int
    seed: int | None = None
    filter: Filter | None = None
    include: tuple[str, ...] = ("metadatas", "documents")


@dataclass(frozen=True)
class QueryLike(Filtered[QueryResult]):
    """The neighbours of records: the query is the mean vector of ``like``, moved away from that of ``unlike``."""

    like: list[str]
    unlike: list[str]
    n_results: int = 10
    ids: list[str] | None = None
    filter: Filter | None = None
    include: tuple[str, ...] = ("metadatas", "documents", "distances")
    max_distance: float | None = None


# --- What Chroma does not have --------------------------------------------------------------------------------
@dataclass(frozen=True)
class Hybrid(Filtered[HybridResult]):
    """Queries as texts, as vectors (float32, shape (queries, dimension)), or both, one of each for each query."""

    query_texts: list[str] | None
    query_embeddings: Matrix | None
    n_results: int = 10
    filter: Filter | None = None
    include: tuple[str, ...] = ("metadatas", "documents", "distances")


# --- What Chroma has in its cloud only ------------------------------------------------------------------
@dataclass(frozen=True)
class Search(Given, CollectionRequest[SearchResult]):
    """``searches`` are Search expressions as JSON."""

    searches: tuple[Fields, ...]
    read_level: ReadLevel = ReadLevel.INDEX_AND_WAL


@dataclass(frozen=True)
class Fork(Given, CollectionRequest[CollectionModel]):
    """Copy the collection under another name, in the same database."""

    new_name: str


@dataclass(frozen=True)
class ForkCount(CollectionRequest[int]):
    """How many forks were made of the original collection and of its forks."""


@dataclass(frozen=True)
class GetIndexingStatus(CollectionRequest[IndexingStatus]):
    """How many changes of the collection are indexed."""


@dataclass(frozen=True)
class AttachFunction(Given, CollectionRequest[dict[str, Any]]):
    """Let a function run on what is written to the collection; only with a server."""

    function_id: str
    name: str
    output_collection: str
    params: Fields | None = None


@dataclass(frozen=True)
class GetAttachedFunction(Given, CollectionRequest[dict[str, Any]]):
    """The description of an attached function; only with a server."""

    name: str


@dataclass(frozen=True)
class DetachFunction(Given, CollectionRequest[bool]):
    """Detach a function, and delete the collection it writes if requested; only with a server."""

    name: str
    delete_output_collection: bool = False


# --- What only a local engine can do --------------------------------------------------------------------
class LocalRequest(Request[R]):
    """A request that Chroma does not have and that cannot be sent to a server."""


@dataclass(frozen=True)
class RecordEmbeddingModel(Given, LocalRequest[str]):
    """Store which variant of its model embeds a collection, unless one is stored; the result is the stored one."""

    id: UUID
    embedding_model: str


@dataclass(frozen=True)
class Edit(LocalRequest[Edited]):
    """Delete, update and add records of one collection in one transaction."""

    id: UUID
    edits: Edits


@dataclass(frozen=True)
class BeginStaging(Given, LocalRequest[Any]):
    """Begin to store records that are too many for one transaction; None if there is no need for it."""

    id: UUID


@dataclass(frozen=True)
class Stage(LocalRequest[None]):
    """Store some of these records, each with a vector. ``session`` is the result of ``BeginStaging``."""

    session: Any
    records: Records


@dataclass(frozen=True)
class Publish(LocalRequest[Edited]):
    """Make the records visible and do ``edits``, in one transaction; ids that exist are ignored or updated."""

    session: Any
    edits: Edits
    update: bool


@dataclass(frozen=True)
class AbandonStaging(LocalRequest[None]):
    """Remove the records that were staged."""

    session: Any


@dataclass(frozen=True)
class Vacuum(LocalRequest[dict[str, Any]]):
    """Compact every vector file and the database; leave no deleted text in any file."""


@dataclass(frozen=True)
class Verify(LocalRequest[list[str]]):
    """Check everything that is stored; the result lists the problems, and is empty if there are none."""


@dataclass(frozen=True)
class GetAsStored(LocalRequest[Columns]):
    """What ``get`` returns, as columns for a table: vectors in float32, metadata not decoded."""

    get: Get


@dataclass(frozen=True)
class Explain(LocalRequest[dict[str, Any]]):
    """Run the query and describe how: plan, candidates, exactness, milliseconds."""

    query: Query

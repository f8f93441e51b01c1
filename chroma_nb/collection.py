"""Collections and clients, ours or chromadb's: protocols of what both offer, and the only place for what differs.

Code that reads any collection (notebooks, maps, copies, tables) uses these types, and the functions below for what the
libraries have in different places or forms. Nothing here stores anything.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any, Protocol, TypeGuard, TypeVar
from uuid import UUID

from chroma_nb.types import (
    ID,
    URI,
    CollectionModel,
    Columns,
    Document,
    Embedding,
    Include,
    Metadata,
    OneOrMany,
    Options,
    PyEmbedding,
    Where,
    WhereDocument,
)

#: What a method returns: a result, or what is awaited for it.
R_co = TypeVar("R_co", covariant=True)


class Write(Protocol[R_co]):
    """A method that writes records: what is given of each, beside its id."""

    def __call__(
        self,
        ids: OneOrMany[ID],
        embeddings: OneOrMany[Embedding] | OneOrMany[PyEmbedding] | None = None,
        metadatas: OneOrMany[Metadata] | None = None,
        documents: OneOrMany[Document] | None = None,
        *,
        uris: OneOrMany[URI] | None = None,
    ) -> R_co:
        """Write them."""


class Collection(Protocol):
    """A collection whose methods return their result: of chroma_nb in this process, of a server, or of chromadb."""

    @property
    def id(self) -> UUID:
        """Which collection it is; it stays when the name changes."""

    @property
    def name(self) -> str:
        """What it is called in its database."""

    @property
    def metadata(self) -> Metadata | None:
        """The collection's own metadata."""

    @property
    def configuration_json(self) -> Mapping[str, object]:
        """How it is indexed and what embeds, as JSON."""

    def count(self) -> int:
        """How many records there are."""

    def get(
        self,
        ids: OneOrMany[ID] | None = None,
        where: Where | None = None,
        limit: int | None = None,
        offset: int | None = None,
        where_document: WhereDocument | None = None,
        include: Include = ...,
    ) -> Columns:
        """Records by id or filter, in the order they were added."""

    def peek(self, limit: int = 10) -> Columns:
        """The first records, with their embeddings."""

    def query(
        self,
        query_embeddings: OneOrMany[Embedding] | OneOrMany[PyEmbedding] | None = None,
        query_texts: OneOrMany[Document] | None = None,
        *,
        ids: OneOrMany[ID] | None = None,
        n_results: int = 10,
        where: Where | None = None,
        where_document: WhereDocument | None = None,
        include: Include = ...,
    ) -> Columns:
        """The nearest records to each query, nearest first."""

    @property
    def add(self) -> Write[None]:
        """Add records; ids that are there stay as they are."""

    @property
    def update(self) -> Write[None]:
        """Change records; ids that are not there are passed over."""

    @property
    def upsert(self) -> Write[None]:
        """Add the records that are not there, update those that are."""

    def delete(
        self, ids: list[ID] | None = None, where: Where | None = None, where_document: WhereDocument | None = None
    ) -> object:
        """Delete records by id or filter."""

    def modify(self, name: str | None = None) -> None:
        """Rename the collection."""


class AsyncCollection(Protocol):
    """A collection whose methods are awaited, as far as tables are concerned."""

    async def get(
        self,
        ids: OneOrMany[ID] | None = None,
        where: Where | None = None,
        limit: int | None = None,
        offset: int | None = None,
        where_document: WhereDocument | None = None,
        include: Include = ...,
    ) -> Columns:
        """As of ``Collection``."""

    @property
    def add(self) -> Write[Awaitable[None]]:
        """As of ``Collection``."""

    @property
    def update(self) -> Write[Awaitable[None]]:
        """As of ``Collection``."""

    @property
    def upsert(self) -> Write[Awaitable[None]]:
        """As of ``Collection``."""

    async def delete(
        self, ids: list[ID] | None = None, where: Where | None = None, where_document: WhereDocument | None = None
    ) -> object:
        """As of ``Collection``."""


class Client(Protocol):
    """A client whose methods return their result: of chroma_nb or of chromadb."""

    @property
    def tenant(self) -> str:
        """The owner of the database."""

    @property
    def database(self) -> str:
        """The database that its collections are in."""

    def heartbeat(self) -> int:
        """Nanoseconds since the epoch, from whoever answers."""

    def get_max_batch_size(self) -> int:
        """The most records that one call should carry."""

    def count_collections(self) -> int:
        """How many collections there are."""

    def list_collections(self, limit: int | None = None, offset: int | None = None) -> Sequence[Collection]:
        """The collections, in the order they were made."""

    # The function stays open: each library has an embedding function of its own, and a default of its own.
    @property
    def create_collection(self) -> Callable[..., Collection]:
        """Make a collection."""

    @property
    def get_collection(self) -> Callable[..., Collection]:
        """The collection of a name."""

    @property
    def get_or_create_collection(self) -> Callable[..., Collection]:
        """The collection of a name, made if it is not there."""

    def delete_collection(self, name: str) -> None:
        """Delete a collection with all its records."""

    def close(self) -> None:
        """Give back what the client holds open."""


# --- Is it one? -----------------------------------------------------------------------------------------
_CLIENT = ("list_collections", "get_or_create_collection", "delete_collection", "heartbeat")
_COLLECTION = ("count", "get", "query", "add", "upsert", "peek", "modify")


def is_client(value: object) -> TypeGuard[Client]:
    """Whether this is a client, ours or chromadb's, by what its class can do; not one that is awaited."""
    return offers(type(value), *_CLIENT)


def is_collection(value: object) -> TypeGuard[Collection]:
    """Whether this is a collection, ours or chromadb's, by what its class can do; not one that is awaited."""
    return offers(type(value), *_COLLECTION)


def offers(value: object, *methods: str) -> bool:
    """Whether all of these can be called on ``value``, and none is awaited."""
    found = [getattr(value, name, None) for name in methods]
    return all(callable(method) and not inspect.iscoroutinefunction(method) for method in found)


# --- How it is indexed, and what embeds -----------------------------------------------------------------
def _configured(collection: object, part: str) -> Mapping[str, object]:
    # Not ``configuration``: chromadb's warns there of a collection without an embedding function.
    found = (getattr(collection, "configuration_json", None) or {}).get(part)
    return found if isinstance(found, Mapping) else {}


def index(collection: object) -> tuple[str | None, Mapping[str, object]]:
    """The index that is configured, "hnsw" or "spann", and its settings; or (None, {})."""
    found = ((kind, _configured(collection, kind)) for kind in ("hnsw", "spann"))
    return next(((kind, settings) for kind, settings in found if settings), (None, {}))


def space(collection: Collection | CollectionModel) -> str:
    """The collection's distance: "l2", "cosine" or "ip".

    >>> import chroma_nb
    >>> with chroma_nb.EphemeralClient() as client:
    ...     space(client.create_collection("birds", configuration={"hnsw": {"space": "cosine"}}))
    'cosine'
    """
    configured = index(collection)[1].get("space")
    return str(configured or (collection.metadata or {}).get("hnsw:space", "l2"))


def stored_function(collection: object) -> Mapping[str, object]:
    """The configuration of the collection's embedding function: type, name, config; or an empty one."""
    return _configured(collection, "embedding_function")


def embedding_function(collection: Collection) -> object:
    """The collection's embedding function, made from its configuration; None where no name was stored."""
    if (stored_function(collection) or {"type": "legacy"}).get("type") == "legacy":
        return None
    configuration: Mapping[str, object] = getattr(collection, "configuration", {})
    return configuration.get("embedding_function")


def embedding_model(collection: object) -> str | None:
    """What embeds here, and which variant of it, where a collection knows that: ours do."""
    model: str | None = getattr(collection, "embedding_model", None)
    return model


def explanation(collection: Collection, **question: object) -> Options | None:
    """How the collection would answer a query; None where it cannot say, as chromadb's.

    Raises NotImplementedError for a server's.
    """
    explain = getattr(collection, "explain", None)
    if explain is None:
        return None
    found: Options = explain(**question)
    return found


def counts_itself(collection: object) -> bool:
    """Whether it counts values where its records are: ours in this process, or on our server; others are read for it.

    >>> import chroma_nb
    >>> with chroma_nb.EphemeralClient() as client:
    ...     counts_itself(client.create_collection("birds"))
    True
    """
    if not offers(type(collection), "facets"):
        return False
    client = getattr(collection, "_client", None)
    server = getattr(getattr(client, "_backend", None), "_server", None)
    if server is None:
        return True
    if server.facts is None:
        client.get_max_batch_size()  # type: ignore[union-attr]  # of which a server says what it is
    return bool(server.facts and server.facts.is_ours)


# --- Writing --------------------------------------------------------------------------------------------
def edits_at_once(collection: object) -> bool:
    """Whether many changes can be one transaction: with ours in this process, not over HTTP nor with chromadb's."""
    return getattr(collection, "_edits_at_once", None) is True


def can_embed(collection: object) -> bool:
    """Whether documents can be embedded apart from writing them: ours and chromadb's have the same name for it."""
    return getattr(collection, "_embed", None) is not None


def embeds_for_calls(collection: object) -> bool:
    """Whether ``_embed`` wants to know for which call it embeds: ours does, chromadb's does not."""
    return isinstance(getattr(collection, "_edits_at_once", None), bool)


def data_loader(collection: object) -> Callable[..., list[object]] | None:
    """What loads what uris point to, where the collection was given it; chromadb's has the same name for it."""
    load: Callable[..., list[object]] | None = getattr(collection, "_data_loader", None)
    return load


def sparse_sources(collection: object) -> Mapping[str, str]:
    """The metadata keys of sparse vectors that are made when records are written, each with what they are made of.

    That is "#document" or another key. Ours knows; of chromadb's the schema is read.
    """
    if hasattr(type(collection), "_sparse_functions"):
        found: Mapping[str, str] = collection._sparse_functions().sources  # type: ignore[attr-defined]
        return found
    configs = _sparse_configs(collection).items()
    return {key: str(index.source_key) for key, index in configs if index.source_key and index.embedding_function}


def has_sparse_indexes(collection: object) -> bool:
    """Whether the schema of the collection has an index of sparse vectors."""
    return bool(_sparse_configs(collection))


def _sparse_configs(collection: object) -> dict[str, Any]:
    """Each key with an index of sparse vectors, and the configuration of that."""
    keys = getattr(getattr(collection, "schema", None), "keys", None)
    if not isinstance(keys, Mapping):
        return {}
    indexes = {
        key: getattr(value_types.sparse_vector, "sparse_vector_index", None) for key, value_types in keys.items()
    }
    return {key: index.config for key, index in indexes.items() if index is not None and index.enabled}


# --- Metadata keys --------------------------------------------------------------------------------------
def first_metadatas(collection: Collection, count: int) -> list[Metadata | None]:
    """The metadata of the first records."""
    return list(collection.get(limit=count, include=["metadatas"])["metadatas"] or ())


def values_by_key(metadatas: Iterable[Metadata | None]) -> dict[str, list[object]]:
    """Each metadata key with the values that it has, record by record, in the order the keys come up.

    >>> values_by_key([{"a": 1}, None, {"b": 2, "a": 1}])
    {'a': [1, 1], 'b': [2]}
    """
    found: dict[str, list[object]] = {}
    for metadata in metadatas:
        for key, value in (metadata or {}).items():
            found.setdefault(key, []).append(value)
    return found


# --- Its client, and what a client has ------------------------------------------------------------------
def client_of(collection: Collection, candidates: Iterable[object]) -> Client | None:
    """The first client among ``candidates`` that has this collection."""
    return next((one for one in candidates if is_client(one) and holds(one, collection)), None)


def holds(client: Client, collection: Collection) -> bool:
    """Whether this very collection is one of the client's; no for a client that is closed, or cannot be reached."""
    try:
        return bool(opened(client, collection.name).id == collection.id)
    except Exception:  # noqa: BLE001  # a closed client, a server that is away, another database
        return False


def opened(client: Client, name: str) -> Collection:
    """The client's collection of this name, without its embedding function, which would be loaded."""
    return client.get_collection(name, embedding_function=None)


def listed(client: Client, limit: int | None = None, offset: int | None = None) -> list[Collection | str]:
    """The collections of a client in the order they were made; their names, where a chromadb gives no more (0.6)."""
    return list(client.list_collections(limit=limit, offset=offset) if limit is not None else client.list_collections())


def name_of(listed: Collection | str) -> str:
    """The name of a collection that was listed."""
    return listed if isinstance(listed, str) else listed.name


def collection_names(client: Client) -> list[str]:
    """The names of a client's collections, in alphabetical order."""
    return sorted(map(name_of, listed(client)))


def databases(client: Client) -> list[str]:
    """The databases of the client's tenant, its own first; that one alone where they cannot be listed."""
    own = client.database
    admin = getattr(client, "_admin_client", None)  # of ours and of chromadb's; there is no public way to it
    try:
        found = [one["name"] for one in admin.list_databases(tenant=client.tenant)]  # type: ignore[union-attr]
    except Exception:  # noqa: BLE001  # a client without the right, a server without the list
        return [own]
    return [own, *sorted(name for name in found if name != own)]


def in_database(client: Client, database: str) -> AbstractContextManager[Client]:
    """A client of another database of the same place, to be closed; the client itself for its own."""
    if database == client.database:
        return nullcontext(client)
    made = type(client).from_system(client._system, client.tenant, database)  # type: ignore[attr-defined]
    return closing(made)


def directory(collection: object) -> Path | None:
    """The directory that a collection of ours lies in; None for one in memory, of a server or of chromadb."""
    if not type(collection).__module__.startswith("chroma_nb."):
        return None
    settings = collection._client.get_settings()  # type: ignore[attr-defined]
    return Path(settings.persist_directory) if settings.is_persistent else None

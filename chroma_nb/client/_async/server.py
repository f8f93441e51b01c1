"""The root object under every client: each operation with its tenant and database.

It turns arguments into requests and passes them to the backend. It knows neither a client's defaults nor embedding
functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chroma_nb import _blocking as blocking
from chroma_nb.backends.base import AsyncBackend
from chroma_nb.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings
from chroma_nb.embedding_functions.registry import register_embedding_function
from chroma_nb.embeddings import embedding_matrix, embedding_rows
from chroma_nb.operations import prepare, requests
from chroma_nb.operations.async_protocols import AsyncServerAPI
from chroma_nb.operations.validate import normalize_metadatas
from chroma_nb.plain import plain, plain_list, plain_tree
from chroma_nb.query.parsing import written
from chroma_nb.records import Records
from chroma_nb.results import DeleteResult, GetResult, QueryResult
from chroma_nb.schema import Schema
from chroma_nb.types import (
    CollectionMetadata,
    CollectionModel,
    Database,
    Matrix,
    ReadLevel,
    Tenant,
    UserIdentity,
    Where,
    WhereDocument,
)


class AsyncServer(AsyncServerAPI):
    """The same operations as a client's, with tenant and database given per call."""

    def __init__(self, backend: AsyncBackend) -> None:
        self._backend = backend

    def stop(self) -> None:
        """Release what the backend holds now, even if other clients use it."""
        self._backend.stop()

    # --- The server itself ---

    def get_settings(self) -> Settings:
        """The settings this server was created with."""
        return self._backend.settings

    async def heartbeat(self) -> int:
        return await self._backend.handle(requests.Heartbeat())

    async def get_version(self) -> str:
        return await self._backend.handle(requests.GetVersion())

    async def get_max_batch_size(self) -> int:
        return await self._backend.handle(requests.GetMaxBatchSize())

    async def get_user_identity(self) -> UserIdentity:
        return await self._backend.handle(requests.GetUserIdentity())

    async def reset(self) -> bool:
        return await self._backend.handle(requests.Reset())

    # --- Tenants and databases ---

    async def create_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        return await self._backend.handle(requests.CreateDatabase(name, tenant))

    async def get_database(self, name: str, tenant: str = DEFAULT_TENANT) -> Database:
        return await self._backend.handle(requests.GetDatabase(name, tenant))

    async def delete_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        return await self._backend.handle(requests.DeleteDatabase(name, tenant))

    async def list_databases(
        self, limit: int | None = None, offset: int | None = None, tenant: str = DEFAULT_TENANT
    ) -> Sequence[Database]:
        return await self._backend.handle(requests.ListDatabases(tenant, limit, offset))

    async def create_tenant(self, name: str) -> None:
        return await self._backend.handle(requests.CreateTenant(name))

    async def get_tenant(self, name: str) -> Tenant:
        return await self._backend.handle(requests.GetTenant(name))

    # --- Collections ---

    async def count_collections(self, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE) -> int:
        return await self._backend.handle(requests.CountCollections(tenant, database))

    async def list_collections(
        self,
        limit: int | None = None,
        offset: int | None = None,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> Sequence[CollectionModel]:
        return await self._backend.handle(requests.ListCollections(tenant, database, limit, offset))

    async def create_collection(
        self,
        name: str,
        schema: Schema | None = None,
        configuration: object = None,
        metadata: CollectionMetadata | None = None,
        get_or_create: bool = False,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> CollectionModel:
        """Create a collection."""
        request = prepare.create_collection(
            name=name,
            tenant=tenant,
            database=database,
            schema=schema,
            configuration=configuration,
            metadata=metadata,
            get_or_create=get_or_create,
            register=register_embedding_function,
        )
        return await self._backend.handle(request)

    async def get_or_create_collection(
        self,
        name: str,
        schema: Schema | None = None,
        configuration: object = None,
        metadata: CollectionMetadata | None = None,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> CollectionModel:
        """The collection of this name, created if it does not exist."""
        return await self.create_collection(name, schema, configuration, metadata, True, tenant, database)

    async def get_collection(
        self, name: str, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE
    ) -> CollectionModel:
        return await self._backend.handle(requests.GetCollection(name, tenant, database))

    async def get_collection_by_id(
        self, collection_id: UUID, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE
    ) -> CollectionModel:
        return await self._backend.handle(requests.GetCollectionById(collection_id, tenant, database))

    async def delete_collection(
        self, name: str, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE
    ) -> None:
        return await self._backend.handle(requests.DeleteCollection(name, tenant, database))

    async def _modify(
        self,
        id: UUID,
        new_name: str | None = None,
        new_metadata: CollectionMetadata | None = None,
        new_configuration: Any = None,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> None:
        place = (id, tenant, database)
        return await self._backend.handle(requests.ModifyCollection(*place, new_name, new_metadata, new_configuration))

    # --- Records: Chroma's names, for programs that use calls below a collection. Arguments are not checked here. ---

    async def _count(
        self,
        collection_id: UUID,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
        read_level: ReadLevel = ReadLevel.INDEX_AND_WAL,
    ) -> int:
        return await self._backend.handle(requests.Count(collection_id, tenant, database, read_level))

    async def _peek(
        self, collection_id: UUID, n: int = 10, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE
    ) -> GetResult:
        include = ("metadatas", "documents", "embeddings")
        return await self._backend.handle(
            requests.Get(collection_id, tenant, database, limit=plain(n), include=include)
        )

    async def _get(
        self,
        collection_id: UUID,
        ids: list[str] | None = None,
        where: Where | None = None,
        limit: int | None = None,
        offset: int | None = None,
        where_document: WhereDocument | None = None,
        include: Sequence[str] = ("metadatas", "documents"),
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> GetResult:
        place = (collection_id, tenant, database)
        return await self._backend.handle(
            requests.Get(
                *place, plain_tree(ids), written(where, where_document), plain(limit), plain(offset), _names(include)
            )
        )

    async def _query(
        self,
        collection_id: UUID,
        query_embeddings: Sequence[object],
        ids: list[str] | None = None,
        n_results: int = 10,
        where: Where | None = None,
        where_document: WhereDocument | None = None,
        include: Sequence[str] = ("metadatas", "documents", "distances"),
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> QueryResult:
        place = (collection_id, tenant, database)
        vectors = await blocking.run(_matrix, query_embeddings)
        return await self._backend.handle(
            requests.Query(
                *place, vectors, plain(n_results), plain_tree(ids), written(where, where_document), _names(include)
            )
        )

    async def _delete(
        self,
        collection_id: UUID,
        ids: list[str] | None = None,
        where: Where | None = None,
        where_document: WhereDocument | None = None,
        limit: int | None = None,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> DeleteResult:
        place = (collection_id, tenant, database)
        request = requests.Delete(*place, plain_tree(ids), written(where, where_document), plain(limit))
        return {"deleted": await self._backend.handle(request)}

    async def _add(
        self,
        ids: list[str],
        collection_id: UUID,
        embeddings: Sequence[object],
        metadatas: list[object] | None = None,
        documents: list[object] | None = None,
        uris: list[object] | None = None,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> bool:
        records = await blocking.run(_records, ids, embeddings, metadatas, documents, uris)
        await self._backend.handle(requests.Add(collection_id, tenant, database, records))
        return True

    async def _update(
        self,
        collection_id: UUID,
        ids: list[str],
        embeddings: Sequence[object] | None = None,
        metadatas: list[object] | None = None,
        documents: list[object] | None = None,
        uris: list[object] | None = None,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> bool:
        records = await blocking.run(_records, ids, embeddings, metadatas, documents, uris)
        await self._backend.handle(requests.Update(collection_id, tenant, database, records))
        return True

    async def _upsert(
        self,
        collection_id: UUID,
        ids: list[str],
        embeddings: Sequence[object],
        metadatas: list[object] | None = None,
        documents: list[object] | None = None,
        uris: list[object] | None = None,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> bool:
        records = await blocking.run(_records, ids, embeddings, metadatas, documents, uris)
        await self._backend.handle(requests.Upsert(collection_id, tenant, database, records))
        return True


class AsyncFastAPI(AsyncServer):
    """The root object of a client of a server."""


class AsyncRustBindingsAPI(AsyncServer):
    """The root object of a client of the engine in this process."""


class AsyncSegmentAPI(AsyncServer):
    """The root object of a client whose settings name Chroma's older engine; here it is the same engine."""


#: The last part of ``chroma_api_impl`` -> the class that programs check with ``isinstance``.
_KINDS: dict[str, type[AsyncServer]] = {
    kind.__name__: kind for kind in (AsyncFastAPI, AsyncRustBindingsAPI, AsyncSegmentAPI)
}


def server_over(backend: AsyncBackend) -> AsyncServer:
    """The root object of a client of ``backend``, of the class that its settings name."""
    return _KINDS.get(str(backend.settings.chroma_api_impl).rpartition(".")[2], AsyncServer)(backend)


def _names(include: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(plain, include))


def _records(
    ids: list[str],
    embeddings: Sequence[object] | None,
    metadatas: list[Any] | None,
    documents: list[object] | None,
    uris: list[object] | None,
) -> Records:
    vectors = None if embeddings is None else _matrix(embeddings)
    return Records(
        plain_list(ids),
        vectors,
        plain_list(documents),
        normalize_metadatas(metadatas),
        plain_list(uris),
    )


def _matrix(embeddings: Sequence[object]) -> Matrix:
    rows = embedding_rows(embeddings)
    if rows is None:
        raise ValueError("Expected embeddings, got None")
    return embedding_matrix(rows)

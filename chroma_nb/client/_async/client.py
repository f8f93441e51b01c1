"""The client: a tenant, a database, and the collections in it."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any
from uuid import UUID

from chroma_nb.backends.opening import open_async_backend
from chroma_nb.client import reference_order
from chroma_nb.client._async.admin import AsyncAdminClient
from chroma_nb.client._async.collection import AsyncCollection
from chroma_nb.client._async.server import AsyncServer, server_over
from chroma_nb.client.identity import place
from chroma_nb.client.shared_system_client import SharedSystemClient
from chroma_nb.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings
from chroma_nb.embedding_functions.base import AnyDataLoader, AnyEmbeddingFunction, validate_embedding_function
from chroma_nb.embedding_functions.default import DefaultEmbeddingFunction
from chroma_nb.embedding_functions.registry import register_embedding_function
from chroma_nb.errors import _MissingError
from chroma_nb.operations import bindings, prepare, requests
from chroma_nb.operations.async_protocols import AsyncClientAPI
from chroma_nb.plain import plain
from chroma_nb.schema import Schema, warn_of_other_settings
from chroma_nb.types import CollectionMetadata, CollectionModel, Json, UserIdentity

#: What embeds in a collection when nothing else is named.
DEFAULT_EMBEDDING_FUNCTION: AnyEmbeddingFunction = DefaultEmbeddingFunction()


class AsyncClient(SharedSystemClient, AsyncClientAPI):
    """A tenant, a database, and the collections in it.

    Made by one of the functions of the package: ``EphemeralClient``, ``PersistentClient``, ``HttpClient``…
    """

    tenant: str = DEFAULT_TENANT
    database: str = DEFAULT_DATABASE

    _server: AsyncServer
    _admin_client: AsyncAdminClient

    async def __ainit__(
        self,
        tenant: str | None = DEFAULT_TENANT,
        database: str | None = DEFAULT_DATABASE,
        settings: Settings | None = None,
    ) -> None:
        settings = settings or Settings()
        self._backend = open_async_backend(settings)
        try:
            self._connect()
            inferred = bool(settings.chroma_overwrite_singleton_tenant_database_access_from_auth)
            asked = plain(tenant), plain(database)
            self.tenant, self.database = place(await self.get_user_identity(), inferred, *asked)
            await self._check_place(self.tenant, self.database)
        except BaseException:
            await self._backend.close()
            raise

    def _connect(self) -> None:
        self._server = server_over(self._backend)
        self._admin_client = AsyncAdminClient._over(self._backend)

    # async only
    @classmethod
    async def create(
        cls,
        tenant: str | None = DEFAULT_TENANT,
        database: str | None = DEFAULT_DATABASE,
        settings: Settings | None = None,
    ) -> AsyncClient:
        """A client of the place that ``settings`` mean."""
        client = cls()
        await client.__ainit__(tenant, database, settings)
        return client

    # end async only
    @classmethod
    async def from_system(
        cls, system: Any, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE
    ) -> AsyncClient:
        """A client of the place that another client has open (its ``_system``)."""
        return await cls.create(tenant, database, system.settings)

    # --- The place itself ---

    async def heartbeat(self) -> int:
        """Nanoseconds since the epoch, from the clock of the backend."""
        return await self._server.heartbeat()

    async def get_version(self) -> str:
        """The version of Chroma whose API is spoken."""
        return await self._server.get_version()

    def get_settings(self) -> Settings:
        """The settings this client was made with."""
        return self._server.get_settings()

    async def get_max_batch_size(self) -> int:
        """The most records that one call should carry."""
        return await self._server.get_max_batch_size()

    async def get_user_identity(self) -> UserIdentity:
        """Who the other side says we are: user_id, tenant, databases."""
        return await self._server.get_user_identity()

    async def reset(self) -> bool:
        """Delete everything in every tenant and database.

        AuthorizationError unless the client was made with ``Settings(allow_reset=True)``.
        """
        return await self._server.reset()

    async def vacuum(self) -> Json:
        """Give the space of deleted records back and leave no deleted text in any file; tells what was freed.

        Where the disk has no room for copies it does what it can: ``complete`` is False then, and ``problems`` says
        in sentences what could not be done.
        """
        return await self._server._backend.handle(requests.Vacuum())

    async def verify(self) -> list[str]:
        """Check everything stored; the list says what is wrong, and is empty when nothing is."""
        return await self._server._backend.handle(requests.Verify())

    async def set_tenant(self, tenant: str, database: str = DEFAULT_DATABASE) -> None:
        """Work in another tenant's database from now on.

        NotFoundError (and ValueError) when one of them is not there; the client then stays where it was.
        """
        tenant, database = plain(tenant), plain(database)
        await self._check_place(tenant, database)
        self.tenant, self.database = tenant, database

    async def set_database(self, database: str) -> None:
        """Work in another database of the same tenant from now on.

        NotFoundError (and ValueError) when it is not there; the client then stays where it was.
        """
        database = plain(database)
        await self._check_place(self.tenant, database)
        self.database = database

    async def _check_place(self, tenant: str, database: str) -> None:
        if not isinstance(tenant, str):
            raise ValueError(f"Could not connect to tenant {tenant}. Are you sure it exists?")
        await self._server.get_tenant(tenant)
        await self._server.get_database(database, tenant)

    async def close(self) -> None:
        """Give the place back; the last client to do so closes it. A second call does nothing.

        What was ephemeral is gone then; every later call raises an AttributeError.
        """
        if not self._closed:
            self._closed = True
            await self._backend.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # --- Collections ---

    async def count_collections(self) -> int:
        """How many collections there are.

        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     _ = client.create_collection("birds")
        ...     client.count_collections()
        1
        """
        return await self._server.count_collections(self.tenant, self.database)

    async def list_collections(self, limit: int | None = None, offset: int | None = None) -> Sequence[AsyncCollection]:
        """The collections, in the order they were created: at most ``limit`` of them, after the first ``offset``.

        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     _ = client.create_collection("birds"), client.create_collection("fish")
        ...     client.list_collections(limit=1)
        [Collection(name=birds)]
        """
        models = await self._server.list_collections(limit, offset, self.tenant, self.database)
        return [AsyncCollection(self._server, model, DEFAULT_EMBEDDING_FUNCTION) for model in models]

    @reference_order.also_in_order(reference_order.CREATE_COLLECTION, when=reference_order.is_configuration)
    async def create_collection(
        self,
        name: str,
        schema: Schema | None = None,
        configuration: object = None,
        metadata: CollectionMetadata | None = None,
        embedding_function: AnyEmbeddingFunction | None = DEFAULT_EMBEDDING_FUNCTION,
        data_loader: AnyDataLoader | None = None,
        get_or_create: bool = False,
    ) -> AsyncCollection:
        """Make a collection.

        ``configuration`` is a dict such as ``{"hnsw": {"space": "cosine"}}``; ``schema`` says the same in more
        detail (not both). ``embedding_function`` turns documents into vectors where none are given; None: there is
        none. With ``get_or_create`` a collection of this name is returned as it is.

        Raises InvalidArgumentError (also a ValueError) for a name that Chroma does not allow, InternalError (also a
        UniqueConstraintError and a ValueError) when the name is taken, ValueError when two embedding functions are
        named that differ.

        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds", configuration={"hnsw": {"space": "cosine"}})
        ...     birds, birds.configuration_json["hnsw"]["space"]
        (Collection(name=birds), 'cosine')
        """
        request = self._creation(name, schema, configuration, metadata, embedding_function, get_or_create)
        model = await self._server._backend.handle(request)
        if get_or_create:
            warn_of_other_settings(model, configuration, metadata)
        return AsyncCollection(self._server, model, embedding_function, data_loader)

    @reference_order.also_in_order(reference_order.CREATE_COLLECTION, when=reference_order.is_configuration)
    async def get_or_create_collection(
        self,
        name: str,
        schema: Schema | None = None,
        configuration: object = None,
        metadata: CollectionMetadata | None = None,
        embedding_function: AnyEmbeddingFunction | None = DEFAULT_EMBEDDING_FUNCTION,
        data_loader: AnyDataLoader | None = None,
    ) -> AsyncCollection:
        """The collection of this name, made if it is not there.

        Where it is, ``schema``, ``configuration`` and ``metadata`` are ignored; an embedding function that differs
        from the stored one is a ValueError. Otherwise as ``create_collection``.

        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.get_or_create_collection("birds", metadata={"year": 2024})
        ...     client.get_or_create_collection("birds", metadata={"year": 2025}).metadata
        {'year': 2024}
        """
        request = self._creation(name, schema, configuration, metadata, embedding_function, True)
        model = await self._server._backend.handle(request)
        warn_of_other_settings(model, configuration, metadata)
        return self._existing(model, embedding_function, data_loader)

    @reference_order.also_in_order(reference_order.GET_COLLECTION, when=reference_order.is_id)
    async def get_collection(
        self,
        name: str,
        embedding_function: AnyEmbeddingFunction | None = DEFAULT_EMBEDDING_FUNCTION,
        data_loader: AnyDataLoader | None = None,
        *,
        id: UUID | None = None,
    ) -> AsyncCollection:
        """The collection of this name; with ``id``, of this name and this id.

        Raises NotFoundError (also a ValueError) when it is not there, ValueError when ``embedding_function``
        differs from the stored one.

        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     _ = client.create_collection("birds")
        ...     client.get_collection("birds")
        Collection(name=birds)
        """
        model = await self._server.get_collection(name, self.tenant, self.database)
        if id is not None and model.id != bindings.check_collection_id(id):
            raise _MissingError(f"Collection [{name}] with id [{id}] does not exist")
        return self._existing(model, embedding_function, data_loader)

    async def get_collection_by_id(
        self,
        id: UUID,
        embedding_function: AnyEmbeddingFunction | None = DEFAULT_EMBEDDING_FUNCTION,
        data_loader: AnyDataLoader | None = None,
    ) -> AsyncCollection:
        """The collection of this id. Raises as ``get_collection`` does."""
        model = await self._server.get_collection_by_id(id, self.tenant, self.database)
        return self._existing(model, embedding_function, data_loader)

    def _creation(
        self,
        name: str,
        schema: Schema | None,
        configuration: object,
        metadata: CollectionMetadata | None,
        embedding_function: AnyEmbeddingFunction | None,
        get_or_create: bool,
    ) -> requests.CreateCollection:
        if embedding_function is not None:
            validate_embedding_function(embedding_function)
        return prepare.create_collection(
            name=name,
            tenant=self.tenant,
            database=self.database,
            schema=schema,
            configuration=configuration,
            metadata=metadata,
            embedding_function=embedding_function,
            get_or_create=get_or_create,
            register=register_embedding_function,
        )

    def _existing(
        self, model: CollectionModel, embedding_function: AnyEmbeddingFunction | None, loader: AnyDataLoader | None
    ) -> AsyncCollection:
        prepare.check_embedding_function(model, embedding_function)
        return AsyncCollection(self._server, model, embedding_function, loader)

    async def delete_collection(self, name: str) -> None:
        """Delete a collection and everything in it.

        NotFoundError (also a ValueError) when it is not there.

        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     _ = client.create_collection("birds")
        ...     client.delete_collection("birds")
        ...     client.count_collections()
        0
        """
        return await self._server.delete_collection(name, self.tenant, self.database)

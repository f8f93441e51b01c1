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

#: The embedding function of a collection if none is named.
DEFAULT_EMBEDDING_FUNCTION: AnyEmbeddingFunction = DefaultEmbeddingFunction()


class AsyncClient(SharedSystemClient, AsyncClientAPI):
    """A client: it works in one database of one tenant, and creates, lists and deletes collections there.

    You create a client with one of the functions ``EphemeralClient``, ``PersistentClient``,
    ``HttpClient``, ``AsyncHttpClient``, ``CloudClient`` or ``Client``.

    Attributes
    ----------
    tenant
        The tenant the client works in.
    database
        The database the client works in.
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
        """Create a client from settings.

        Parameters
        ----------
        tenant
            The tenant to work in. None lets the credentials decide.
        database
            The database to work in. None lets the credentials decide.
        settings
            Settings of the client.

        Returns
        -------
        AsyncClient
            The client.
        """
        client = cls()
        await client.__ainit__(tenant, database, settings)
        return client

    # end async only
    @classmethod
    async def from_system(
        cls, system: Any, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE
    ) -> AsyncClient:
        """Create a client for the database that another client has open.

        Parameters
        ----------
        system
            The attribute ``_system`` of the other client.
        tenant
            The tenant to work in.
        database
            The database to work in.

        Returns
        -------
        ClientAPI
            The client.
        """
        return await cls.create(tenant, database, system.settings)

    # --- The database itself ---

    async def heartbeat(self) -> int:
        """Return the current time of the backend, to check that it responds.

        Returns
        -------
        int
            Nanoseconds since 1970 (UTC).
        """
        return await self._server.heartbeat()

    async def get_version(self) -> str:
        """Return the version of Chroma whose API the backend has.

        Returns
        -------
        str
            For chroma_nb ``"1.5.9"``. A server of Chroma returns its own version.
        """
        return await self._server.get_version()

    def get_settings(self) -> Settings:
        """Return the settings of this client.

        Returns
        -------
        Settings
            The settings.
        """
        return self._server.get_settings()

    async def get_max_batch_size(self) -> int:
        """Return the largest number of records that one call should contain.

        Returns
        -------
        int
            For a server its limit. For a local database 1,000,000, although calls with more records work.
        """
        return await self._server.get_max_batch_size()

    async def get_user_identity(self) -> UserIdentity:
        """Return the user, tenant and databases that this client works as.

        Returns
        -------
        UserIdentity
            The user id, the tenant and the databases that the client has access to.
        """
        return await self._server.get_user_identity()

    async def reset(self) -> bool:
        """Delete all data of all tenants and databases.

        Returns
        -------
        bool
            True.

        Raises
        ------
        AuthorizationError
            The client does not have the setting ``allow_reset=True``, or the server does not allow a reset.
        """
        return await self._server.reset()

    async def vacuum(self) -> Json:
        """Return the disk space of deleted records, and remove deleted texts from all files.

        This call is not available over HTTP.

        Returns
        -------
        dict
            ``bytes_before`` and ``bytes_after`` are the sizes of the files. ``compacted`` lists the collections
            whose vectors were rewritten. ``complete`` is False if something could not be done, for example
            because the disk is nearly full. ``problems`` then says what.

        Raises
        ------
        NotImplementedError
            The client is connected to a server.

        Examples
        --------
        >>> import chroma_nb, tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     with chroma_nb.PersistentClient(directory) as client:
        ...         client.vacuum()["complete"]
        True
        """
        return await self._server._backend.handle(requests.Vacuum())

    async def verify(self) -> list[str]:
        """Check all stored data for damage.

        This call is not available over HTTP.

        Returns
        -------
        list of str
            A sentence for each problem. The list is empty if everything is in order.

        Raises
        ------
        NotImplementedError
            The client is connected to a server.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     client.verify()
        []
        """
        return await self._server._backend.handle(requests.Verify())

    async def set_tenant(self, tenant: str, database: str = DEFAULT_DATABASE) -> None:
        """Switch this client to another tenant.

        Parameters
        ----------
        tenant
            The tenant to work in from now on.
        database
            The database of this tenant to work in.

        Raises
        ------
        NotFoundError
            The tenant or the database does not exist. The client stays where it was. The error is also a
            ``ValueError``.
        """
        tenant, database = plain(tenant), plain(database)
        await self._check_place(tenant, database)
        self.tenant, self.database = tenant, database

    async def set_database(self, database: str) -> None:
        """Switch this client to another database of its tenant.

        Parameters
        ----------
        database
            The database to work in from now on.

        Raises
        ------
        NotFoundError
            The database does not exist. The client stays where it was. The error is also a ``ValueError``.
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
        """Close this client.

        When the last client of a database is closed, the database is closed, too, and data in memory is
        lost. A call of such a client then raises an ``AttributeError``. While another client has the same
        database open, a closed client still works, as in Chroma. Closing a client twice does nothing.
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
        """Count the collections in the database of this client.

        Returns
        -------
        int
            The number of collections.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     _ = client.create_collection("birds")
        ...     client.count_collections()
        1
        """
        return await self._server.count_collections(self.tenant, self.database)

    async def list_collections(self, limit: int | None = None, offset: int | None = None) -> Sequence[AsyncCollection]:
        """List the collections in the database of this client, oldest first.

        Parameters
        ----------
        limit
            The most collections to return. None means all.
        offset
            How many collections to skip.

        Returns
        -------
        list of Collection
            The collections.

        Raises
        ------
        OverflowError
            ``limit`` or ``offset`` is negative. Over HTTP it is an ``InvalidArgumentError``.

        Examples
        --------
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
        """Create a collection.

        Parameters
        ----------
        name
            The name: 3 to 512 characters from ``a-z``, ``A-Z``, ``0-9``, ``.``, ``_`` and ``-``. The first
            and the last character are a letter or a digit.
        schema
            How the collection is indexed, in detail. You can pass a schema or a configuration, not both.
        configuration
            How the collection is indexed, for example ``{"hnsw": {"space": "cosine"}}``. The space is
            ``"l2"`` (default), ``"cosine"`` or ``"ip"``.
        metadata
            Metadata of the collection itself.
        embedding_function
            The function that turns documents into vectors. By default the packaged model all-MiniLM-L6-v2, with 384
            dimensions. With None no function is stored, and documents without embeddings are embedded with
            the default model, as in Chroma.
        data_loader
            The function that loads images or other data from the URIs of records.
        get_or_create
            Return the collection of this name if it exists. Its settings stay unchanged.

        Returns
        -------
        Collection
            The collection.

        Raises
        ------
        InvalidArgumentError
            The name is not allowed (the error is also a ``ValueError``), or both a schema and a configuration
            are given.
        UniqueConstraintError
            A collection of this name exists. The error is also an ``InternalError`` and a ``ValueError``.
        ValueError
            ``configuration`` and ``embedding_function`` contain different embedding functions.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     cosine = {"hnsw": {"space": "cosine"}}
        ...     birds = client.create_collection("birds", configuration=cosine)
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
        """Return the collection of this name, creating it if needed.

        If the collection exists, ``schema``, ``configuration`` and ``metadata`` are ignored.

        Parameters
        ----------
        name
            The name of the collection.
        schema
            As for ``create_collection``.
        configuration
            As for ``create_collection``.
        metadata
            As for ``create_collection``.
        embedding_function
            As for ``create_collection``. If the collection exists, the stored function is used, unless you
            pass one.
        data_loader
            The function that loads images or other data from the URIs of records.

        Returns
        -------
        Collection
            The collection.

        Raises
        ------
        InvalidArgumentError
            The name is not allowed. The error is also a ``ValueError``.
        ValueError
            The collection stores another embedding function than the one you pass.

        Examples
        --------
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
        """Return the collection of this name.

        Parameters
        ----------
        name
            The name of the collection.
        embedding_function
            The function that turns documents into vectors. By default the one that the collection stores.
        data_loader
            The function that loads images or other data from the URIs of records.
        id
            The id that the collection must have, too.

        Returns
        -------
        Collection
            The collection.

        Raises
        ------
        NotFoundError
            The collection does not exist. The error is also a ``ValueError``.
        ValueError
            The collection stores another embedding function than the one you pass.

        Examples
        --------
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
        """Return the collection of this id.

        Parameters
        ----------
        id
            The id of the collection, a ``UUID``.
        embedding_function
            As for ``get_collection``.
        data_loader
            The function that loads images or other data from the URIs of records.

        Returns
        -------
        Collection
            The collection.

        Raises
        ------
        NotFoundError
            The collection does not exist. The error is also a ``ValueError``.
        InvalidArgumentError
            ``id`` is not a ``UUID``.
        ValueError
            The collection stores another embedding function than the one you pass.
        """
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
        """Delete a collection and its records.

        Parameters
        ----------
        name
            The name of the collection.

        Raises
        ------
        NotFoundError
            The collection does not exist. The error is also a ``ValueError``.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     _ = client.create_collection("birds")
        ...     client.delete_collection("birds")
        ...     client.count_collections()
        0
        """
        return await self._server.delete_collection(name, self.tenant, self.database)

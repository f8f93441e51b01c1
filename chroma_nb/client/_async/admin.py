"""The admin client: tenants and databases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chroma_nb.backends.base import AsyncBackend
from chroma_nb.backends.opening import open_async_backend
from chroma_nb.client._async.server import AsyncServer, server_over
from chroma_nb.client.shared_system_client import SharedSystemClient
from chroma_nb.config import DEFAULT_TENANT, Settings
from chroma_nb.operations.async_protocols import AsyncAdminAPI
from chroma_nb.types import Database, Tenant


class AsyncAdminClient(SharedSystemClient, AsyncAdminAPI):
    """A client that creates, lists and deletes tenants and databases.

    You create it with ``chroma_nb.AdminClient``.
    """

    _server: AsyncServer

    async def __ainit__(self, settings: Settings | None = None) -> None:
        self._backend = open_async_backend(settings or Settings())
        self._connect()

    def _connect(self) -> None:
        self._server = server_over(self._backend)

    # async only
    @classmethod
    async def create(cls, settings: Settings | None = None) -> AsyncAdminClient:
        """Create an admin client from settings.

        Parameters
        ----------
        settings
            Settings that describe where the data is.

        Returns
        -------
        AsyncAdminClient
            The admin client.
        """
        client = cls()
        await client.__ainit__(settings)
        return client

    # end async only
    @classmethod
    def from_system(cls, system: Any) -> AsyncAdminClient:
        """Create an admin client for the database that another client has open.

        Parameters
        ----------
        system
            The attribute ``_system`` of the other client, or a ``System`` of ``chroma_nb.config``.

        Returns
        -------
        AdminAPI
            The admin client.
        """
        return cls._over(open_async_backend(system.settings))

    @classmethod
    def _over(cls, backend: AsyncBackend) -> AsyncAdminClient:
        client = cls.__new__(cls)
        client._backend = backend
        client._connect()
        return client

    async def create_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        """Create a database.

        Parameters
        ----------
        name
            The name, at least 3 characters. Chroma's server accepts letters, digits, ``.``, ``_`` and ``-`` only.
        tenant
            The tenant it belongs to.

        Raises
        ------
        UniqueConstraintError
            The tenant has a database of this name. The error is also an ``InternalError`` and a ``ValueError``.
        InvalidArgumentError
            The name is not allowed. The error is also a ``ValueError``.
        """
        return await self._server.create_database(name, tenant)

    async def get_database(self, name: str, tenant: str = DEFAULT_TENANT) -> Database:
        """Return a database.

        Parameters
        ----------
        name
            The name of the database.
        tenant
            The tenant it belongs to.

        Returns
        -------
        dict
            The ``id``, ``name`` and ``tenant`` of the database.

        Raises
        ------
        NotFoundError
            The database does not exist. The error is also a ``ValueError``.
        """
        return await self._server.get_database(name, tenant)

    async def delete_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        """Delete a database with its collections.

        Parameters
        ----------
        name
            The name of the database.
        tenant
            The tenant it belongs to.

        Raises
        ------
        NotFoundError
            The database does not exist. The error is also a ``ValueError``.
        """
        return await self._server.delete_database(name, tenant)

    async def list_databases(
        self, limit: int | None = None, offset: int | None = None, tenant: str = DEFAULT_TENANT
    ) -> Sequence[Database]:
        """List the databases of a tenant, ordered by name.

        Parameters
        ----------
        limit
            The most databases to return. None means all.
        offset
            How many databases to skip.
        tenant
            The tenant. For an unknown tenant the list is empty.

        Returns
        -------
        list of dict
            The ``id``, ``name`` and ``tenant`` of each database.
        """
        return await self._server.list_databases(limit, offset, tenant)

    async def create_tenant(self, name: str) -> None:
        """Create a tenant.

        A new tenant has no database.

        Parameters
        ----------
        name
            The name, at least 3 characters.

        Raises
        ------
        UniqueConstraintError
            A tenant of this name exists. The error is also an ``InternalError`` and a ``ValueError``.
        InvalidArgumentError
            The name is not allowed. The error is also a ``ValueError``.
        """
        return await self._server.create_tenant(name)

    async def get_tenant(self, name: str) -> Tenant:
        """Return a tenant.

        Parameters
        ----------
        name
            The name of the tenant.

        Returns
        -------
        dict
            The ``name`` of the tenant.

        Raises
        ------
        NotFoundError
            The tenant does not exist. The error is also a ``ValueError``.
        """
        return await self._server.get_tenant(name)

    async def close(self) -> None:
        """Close this client. Closing it twice does nothing.

        When the last client of a database is closed, the database is closed, too.
        """
        if not self._closed:
            self._closed = True
            await self._backend.close()

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
    """Makes, lists and deletes tenants and databases of the place that ``settings`` mean."""

    _server: AsyncServer

    async def __ainit__(self, settings: Settings | None = None) -> None:
        self._backend = open_async_backend(settings or Settings())
        self._connect()

    def _connect(self) -> None:
        self._server = server_over(self._backend)

    # async only
    @classmethod
    async def create(cls, settings: Settings | None = None) -> AsyncAdminClient:
        """An admin client of the place that ``settings`` mean."""
        client = cls()
        await client.__ainit__(settings)
        return client

    # end async only
    @classmethod
    def from_system(cls, system: Any) -> AsyncAdminClient:
        """An admin client of the place of ``system``: another client's ``_system``, or a ``System`` of ``config``."""
        return cls._over(open_async_backend(system.settings))

    @classmethod
    def _over(cls, backend: AsyncBackend) -> AsyncAdminClient:
        client = cls.__new__(cls)
        client._backend = backend
        client._connect()
        return client

    async def create_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        """Make a database. An error that is both InternalError and ValueError when the name is taken."""
        return await self._server.create_database(name, tenant)

    async def get_database(self, name: str, tenant: str = DEFAULT_TENANT) -> Database:
        """The database: its id, name and tenant. NotFoundError (and ValueError) when it is not there."""
        return await self._server.get_database(name, tenant)

    async def delete_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        """Delete a database and its collections. NotFoundError (and ValueError) when it is not there."""
        return await self._server.delete_database(name, tenant)

    async def list_databases(
        self, limit: int | None = None, offset: int | None = None, tenant: str = DEFAULT_TENANT
    ) -> Sequence[Database]:
        """The databases of ``tenant``, ordered by name."""
        return await self._server.list_databases(limit, offset, tenant)

    async def create_tenant(self, name: str) -> None:
        """Make a tenant. An error that is both InternalError and ValueError when the name is taken."""
        return await self._server.create_tenant(name)

    async def get_tenant(self, name: str) -> Tenant:
        """The tenant: its name. NotFoundError (and ValueError) when it is not there."""
        return await self._server.get_tenant(name)

    async def close(self) -> None:
        """Give the place back; the last client to do so closes it. A second call does nothing."""
        if not self._closed:
            self._closed = True
            await self._backend.close()

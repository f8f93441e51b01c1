# Generated from chroma_nb/client/_async/admin.py by python -m chroma_nb.client._generate_sync: change that file, not this one.
# fmt: off
# ruff: noqa: I001
"""The admin client: tenants and databases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chroma_nb.backends.opening import open_backend
from chroma_nb.client._sync.server import Server
from chroma_nb.client.shared_system_client import SharedSystemClient
from chroma_nb.config import DEFAULT_TENANT, Settings
from chroma_nb.operations.protocols import AdminAPI
from chroma_nb.types import Database, Tenant


class AdminClient(SharedSystemClient, AdminAPI):
    """Makes, lists and deletes tenants and databases of the place that ``settings`` mean."""

    _server: Server

    def __init__(self, settings: Settings | None = None) -> None:
        self._backend = open_backend(settings or Settings())
        self._server = Server(self._backend)

    @classmethod
    def from_system(cls, system: Any) -> AdminClient:
        """An admin client of the place that another client has open (its ``_system``)."""
        client = cls.__new__(cls)
        client._backend = system
        client._server = Server(system)
        return client

    def create_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        """Make a database. An error that is both InternalError and ValueError when the name is taken."""
        return self._server.create_database(name, tenant)

    def get_database(self, name: str, tenant: str = DEFAULT_TENANT) -> Database:
        """The database: its id, name and tenant. NotFoundError (and ValueError) when it is not there."""
        return self._server.get_database(name, tenant)

    def delete_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        """Delete a database and its collections. NotFoundError (and ValueError) when it is not there."""
        return self._server.delete_database(name, tenant)

    def list_databases(
        self, limit: int | None = None, offset: int | None = None, tenant: str = DEFAULT_TENANT
    ) -> Sequence[Database]:
        """The databases of ``tenant``, in the order they were created."""
        return self._server.list_databases(limit, offset, tenant)

    def create_tenant(self, name: str) -> None:
        """Make a tenant. An error that is both InternalError and ValueError when the name is taken."""
        return self._server.create_tenant(name)

    def get_tenant(self, name: str) -> Tenant:
        """The tenant: its name. NotFoundError (and ValueError) when it is not there."""
        return self._server.get_tenant(name)

    def close(self) -> None:
        """Give the place back; the last client to do so closes it."""
        self._backend.close()

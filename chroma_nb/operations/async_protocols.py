"""Abstract base classes of clients, admin clients and servers.

Signatures only, in two forms: the asynchronous one, and the synchronous one, which is generated from it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chroma_nb.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings
from chroma_nb.schema import Schema
from chroma_nb.types import CollectionMetadata, CollectionModel, Database, Tenant, UserIdentity


class AsyncBaseAPI(ABC):
    """What every client offers."""

    @abstractmethod
    async def heartbeat(self) -> int:
        """Nanoseconds since the epoch, from the clock of the backend."""

    @abstractmethod
    async def count_collections(self) -> int:
        """How many collections there are."""

    @abstractmethod
    async def delete_collection(self, name: str) -> None:
        """Delete a collection and everything in it."""

    @abstractmethod
    async def reset(self) -> bool:
        """Delete everything, where the settings allow it."""

    @abstractmethod
    async def get_version(self) -> str:
        """The version of Chroma whose API the backend has."""

    @abstractmethod
    def get_settings(self) -> Settings:
        """The settings of the client."""

    @abstractmethod
    async def get_max_batch_size(self) -> int:
        """The most records that one call should contain."""

    @abstractmethod
    async def get_user_identity(self) -> UserIdentity:
        """The identity that the backend gives this client."""


class AsyncClientAPI(AsyncBaseAPI):
    """The abstract base class of clients, for ``isinstance`` and annotations."""

    tenant: str
    database: str

    @abstractmethod
    async def list_collections(self, limit: int | None = None, offset: int | None = None) -> Sequence[Any]:
        """The collections, in the order they were created."""

    @abstractmethod
    async def create_collection(
        self,
        name: str,
        schema: Schema | None = None,
        configuration: Any = None,
        metadata: CollectionMetadata | None = None,
        embedding_function: Any = ...,
        data_loader: Any = None,
        get_or_create: bool = False,
    ) -> Any:
        """Create a collection."""

    @abstractmethod
    async def get_collection(
        self, name: str, embedding_function: Any = ..., data_loader: Any = None, *, id: UUID | None = None
    ) -> Any:
        """The collection of this name."""

    @abstractmethod
    async def get_collection_by_id(self, id: UUID, embedding_function: Any = ..., data_loader: Any = None) -> Any:
        """The collection of this id."""

    @abstractmethod
    async def get_or_create_collection(
        self,
        name: str,
        schema: Schema | None = None,
        configuration: Any = None,
        metadata: CollectionMetadata | None = None,
        embedding_function: Any = ...,
        data_loader: Any = None,
    ) -> Any:
        """The collection of this name, created if it does not exist."""

    @abstractmethod
    async def set_tenant(self, tenant: str, database: str = DEFAULT_DATABASE) -> None:
        """Work in another tenant's database from now on."""

    @abstractmethod
    async def set_database(self, database: str) -> None:
        """Work in another database of the same tenant from now on."""

    @staticmethod
    @abstractmethod
    def clear_system_cache() -> None:
        """Forget which databases are open: the next client of a path opens it again."""


class AsyncAdminAPI(ABC):
    """The abstract base class of admin clients, for ``isinstance`` and annotations."""

    @abstractmethod
    async def create_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        """Create a database."""

    @abstractmethod
    async def get_database(self, name: str, tenant: str = DEFAULT_TENANT) -> Database:
        """The database of this name."""

    @abstractmethod
    async def delete_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        """Delete a database and its collections."""

    @abstractmethod
    async def list_databases(
        self, limit: int | None = None, offset: int | None = None, tenant: str = DEFAULT_TENANT
    ) -> Sequence[Database]:
        """The databases of a tenant."""

    @abstractmethod
    async def create_tenant(self, name: str) -> None:
        """Create a tenant."""

    @abstractmethod
    async def get_tenant(self, name: str) -> Tenant:
        """The tenant of this name."""


class AsyncServerAPI(AsyncBaseAPI, AsyncAdminAPI):
    """The root under every client: the same operations, with tenant and database given per call."""

    @abstractmethod
    async def count_collections(self, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE) -> int:
        """How many collections there are in the database."""

    @abstractmethod
    async def list_collections(
        self,
        limit: int | None = None,
        offset: int | None = None,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> Sequence[CollectionModel]:
        """The models of the collections, in the order they were created."""

    @abstractmethod
    async def create_collection(
        self,
        name: str,
        schema: Schema | None = None,
        configuration: Any = None,
        metadata: CollectionMetadata | None = None,
        get_or_create: bool = False,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> CollectionModel:
        """Create a collection."""

    @abstractmethod
    async def get_collection(
        self, name: str, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE
    ) -> CollectionModel:
        """The model of the collection of this name."""

    @abstractmethod
    async def get_collection_by_id(
        self, collection_id: UUID, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE
    ) -> CollectionModel:
        """The model of the collection of this id."""

    @abstractmethod
    async def get_or_create_collection(
        self,
        name: str,
        schema: Schema | None = None,
        configuration: Any = None,
        metadata: CollectionMetadata | None = None,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> CollectionModel:
        """The collection of this name, created if it does not exist."""

    @abstractmethod
    async def delete_collection(
        self, name: str, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE
    ) -> None:
        """Delete a collection and everything in it."""

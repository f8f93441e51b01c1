"""The functions that make clients. Each turns its arguments into settings and a client of the place they mean."""

from __future__ import annotations

import os

from chroma_nb.client._sync.admin import AdminClient as _AdminClient
from chroma_nb.client._sync.client import Client as _Client
from chroma_nb.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings


def EphemeralClient(  # noqa: N802  # Chroma's name
    settings: Settings | None = None, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE
) -> _Client:
    """A client of a store in memory.

    All ephemeral clients of a process share one store, which lives until the last of them is closed or the process
    ends. Raises NotFoundError (also a ValueError) for an unknown tenant or database, ValueError when the store is
    open with other settings.

    >>> with EphemeralClient() as client:
    ...     birds = client.create_collection("birds")
    ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]])
    ...     birds.query(query_embeddings=[1, 0.2], n_results=1)["ids"]
    [['wren']]
    """
    chosen = (settings or Settings()).copy(update={"is_persistent": False})
    return _Client(str(tenant), str(database), chosen)


def PersistentClient(  # noqa: N802  # Chroma's name
    path: str | os.PathLike[str] = "./chroma",
    settings: Settings | None = None,
    tenant: str = DEFAULT_TENANT,
    database: str = DEFAULT_DATABASE,
) -> _Client:
    """A client of a store in a directory, which is made if it is not there.

    Any number of clients, in this process and in others, may use one directory. A directory that Chroma made is
    imported when it is first opened. Raises as ``EphemeralClient``; InternalError when the directory is not ours
    or damaged, with a message that says what to do.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     with PersistentClient(directory) as client:
    ...         client.create_collection("birds").add(ids="wren", embeddings=[1, 0])
    ...     with PersistentClient(directory) as client:
    ...         client.get_collection("birds").count()
    1
    """
    update = {"is_persistent": True, "persist_directory": os.fspath(path)}
    return _Client(str(tenant), str(database), (settings or Settings()).copy(update=update))


def RustClient(  # noqa: N802  # Chroma's name
    path: str | None = None,
    settings: Settings | None = None,
    tenant: str = DEFAULT_TENANT,
    database: str = DEFAULT_DATABASE,
) -> _Client:
    """As ``PersistentClient(path)``, or without a path as ``EphemeralClient()``; Chroma's name for its own engine."""
    if path is None:
        return EphemeralClient(settings, tenant, database)
    return PersistentClient(path, settings, tenant, database)


def Client(  # noqa: N802  # Chroma's name
    settings: Settings | None = None, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE
) -> _Client:
    """A client of the place that ``settings`` mean: in memory unless they say otherwise.

    >>> with Client() as client:
    ...     client.count_collections()
    0
    """
    return _Client(str(tenant), str(database), settings)


def AdminClient(settings: Settings | None = None) -> _AdminClient:  # noqa: N802  # Chroma's name
    """A client that makes, lists and deletes tenants and databases of the place that ``settings`` mean.

    >>> with EphemeralClient() as client:
    ...     admin = AdminClient()
    ...     admin.create_database("zoo")
    ...     client.set_database("zoo")
    ...     [database["name"] for database in admin.list_databases()]
    ...     admin.close()
    ['default_database', 'zoo']
    """
    return _AdminClient(settings)

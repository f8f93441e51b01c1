"""The functions that make clients. Each turns its arguments into settings and a client of the place they mean."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from chroma_nb.backends.embedded import open_alone
from chroma_nb.client._sync.admin import AdminClient as _AdminClient
from chroma_nb.client._sync.client import Client as _Client
from chroma_nb.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings
from chroma_nb.plain import plain

if TYPE_CHECKING:
    from chroma_nb import collection as protocols
    from chroma_nb.client._async.client import AsyncClient as _AsyncClient
    from chroma_nb.client._sync.collection import Collection

    def _ours_is_any_collection(collection: Collection) -> protocols.Collection:
        return collection

    def _ours_is_any_client(client: _Client) -> protocols.Client:
        return client


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
    return _Client(str(plain(tenant)), str(plain(database)), chosen)


def client_of_its_own(name: str) -> _Client:
    """A client of a store in memory that no other client shares; it goes with the client. ``name`` is for errors.

    >>> with client_of_its_own("mine") as mine, EphemeralClient() as theirs:
    ...     _ = mine.create_collection("birds")
    ...     mine.count_collections(), theirs.count_collections()
    (1, 0)
    """
    backend = open_alone(name, Settings().copy(update={"is_persistent": False}))
    client = _Client.__new__(_Client)
    client.__setstate__({"_backend": backend, "tenant": DEFAULT_TENANT, "database": DEFAULT_DATABASE})
    return client


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
    directory = os.fspath(path)
    if not directory:
        raise ValueError("expected the path of a directory, got an empty text. For the working directory, pass '.'")
    update = {"is_persistent": True, "persist_directory": directory}
    return _Client(str(plain(tenant)), str(plain(database)), (settings or Settings()).copy(update=update))


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


def HttpClient(  # noqa: N802  # Chroma's name
    host: str = "localhost",
    port: int = 8000,
    ssl: bool = False,
    headers: dict[str, str] | None = None,
    settings: Settings | None = None,
    tenant: str = DEFAULT_TENANT,
    database: str = DEFAULT_DATABASE,
) -> _Client:
    """A client of a Chroma server; of ours (``chroma_nb.serve``) or of Chroma's.

    ``host`` is a name, or a URL (``https://chroma.example.com/base``), which then says port and protocol. Writes
    beyond what the server takes at once are sent in batches. Raises ValueError when no server answers or when
    ``settings`` name another host or port; NotFoundError (also a ValueError) for an unknown tenant or database;
    ChromaAuthError or AuthorizationError when the server wants other credentials.

    >>> import chroma_nb
    >>> with chroma_nb.serve(chroma_nb.EphemeralClient(), port=0) as server:
    ...     with HttpClient(port=server.port) as client:
    ...         client.create_collection("birds").add(ids="wren", embeddings=[1, 0])
    ...         client.get_collection("birds").count()
    1
    """
    return _Client(
        str(plain(tenant)), str(plain(database)), _http_settings("FastAPI", host, port, ssl, headers, settings)
    )


async def AsyncHttpClient(  # noqa: N802  # Chroma's name
    host: str = "localhost",
    port: int = 8000,
    ssl: bool = False,
    headers: dict[str, str] | None = None,
    settings: Settings | None = None,
    tenant: str = DEFAULT_TENANT,
    database: str = DEFAULT_DATABASE,
) -> _AsyncClient:
    """As ``HttpClient``, for an event loop: every call of the client and of its collections is awaited.

    >>> import asyncio, chroma_nb
    >>> async def count(port):
    ...     async with await AsyncHttpClient(port=port) as client:
    ...         return await client.count_collections()
    >>> with chroma_nb.serve(chroma_nb.EphemeralClient(), port=0) as server:
    ...     asyncio.run(count(server.port))
    0
    """
    chosen = _http_settings("AsyncFastAPI", host, port, ssl, headers, settings)
    from chroma_nb.client._async.client import AsyncClient  # half of the client's modules, for those who wait

    return await AsyncClient.create(str(plain(tenant)), str(plain(database)), chosen)


def CloudClient(  # noqa: N802  # Chroma's name
    tenant: str | None = None,
    database: str | None = None,
    api_key: str | None = None,
    settings: Settings | None = None,
    *,
    cloud_host: str = "api.trychroma.com",
    cloud_port: int = 443,
    enable_ssl: bool = True,
) -> _Client:
    """A client of Chroma Cloud.

    What is not given comes from CHROMA_API_KEY, CHROMA_TENANT and CHROMA_DATABASE, and tenant and database else from
    the key, when it opens one only. Raises ValueError without a key, ChromaAuthError when the key does not open what
    was asked for.
    """
    key = api_key or os.environ.get("CHROMA_API_KEY")
    if key is None:
        raise ValueError(
            "Missing required arguments: api_key. Please provide them or set the environment variables: CHROMA_API_KEY"
        )
    tenant = tenant or os.environ.get("CHROMA_TENANT")
    database = database or os.environ.get("CHROMA_DATABASE")
    update = {
        "chroma_api_impl": "chromadb.api.fastapi.FastAPI",
        "chroma_server_host": str(cloud_host),
        "chroma_server_http_port": int(cloud_port),
        "chroma_server_ssl_enabled": bool(enable_ssl),
        "chroma_client_auth_provider": "chromadb.auth.token_authn.TokenAuthClientProvider",
        "chroma_client_auth_credentials": str(key),
        "chroma_auth_token_transport_header": "X-Chroma-Token",
        "chroma_overwrite_singleton_tenant_database_access_from_auth": True,
    }
    chosen = (settings or Settings()).copy(update=update)
    return _Client(
        None if tenant is None else str(plain(tenant)), None if database is None else str(plain(database)), chosen
    )


def _http_settings(
    api: str, host: str, port: int, ssl: bool, headers: dict[str, str] | None, settings: Settings | None
) -> Settings:
    """``settings`` that mean the server at ``host``; they must not name another one."""
    settings, host, port = settings or Settings(), str(host), int(port)
    if settings.chroma_server_host and settings.chroma_server_host != host:
        raise ValueError(
            f"Chroma server host provided in settings[{_shown(settings.chroma_server_host)}] is different to the one "
            f"provided in HttpClient: [{_shown(host)}]"
        )
    if settings.chroma_server_http_port and settings.chroma_server_http_port != port:
        raise ValueError(
            f"Chroma server http port provided in settings[{settings.chroma_server_http_port}] is different to the one "
            f"provided in HttpClient: [{port}]"
        )
    update = {
        "chroma_api_impl": f"chromadb.api.{'async_fastapi' if api.startswith('Async') else 'fastapi'}.{api}",
        "chroma_server_host": host,
        "chroma_server_http_port": port,
        "chroma_server_ssl_enabled": bool(ssl),
        "chroma_server_headers": headers,
    }
    return settings.copy(update=update)


def _shown(host: str) -> str:
    """A host or URL as it may stand in an error: without user and password."""
    return re.sub(r"//[^/@\s]+@", "//***@", host)


def Client(  # noqa: N802  # Chroma's name
    settings: Settings | None = None, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE
) -> _Client:
    """A client of the place that ``settings`` mean: in memory unless they say otherwise.

    >>> with Client() as client:
    ...     client.count_collections()
    0
    """
    return _Client(str(plain(tenant)), str(plain(database)), settings)


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

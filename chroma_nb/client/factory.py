"""The functions that create clients. Each turns its arguments into settings and a client."""

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
    """Create a client that keeps its data in memory only.

    All in-memory clients of a process share one database. Its data is lost when the last of these
    clients is closed, or when the process ends.

    Parameters
    ----------
    settings
        Settings of the client. By default they come from environment variables and Chroma's defaults.
        ``is_persistent`` is ignored.
    tenant
        The tenant to work in. It must exist.
    database
        The database to work in. It must exist.

    Returns
    -------
    ClientAPI
        The client. You can use it as a context manager, which closes it.

    Raises
    ------
    NotFoundError
        The tenant or the database does not exist. The error is also a ``ValueError``.
    ValueError
        The in-memory database is already open with other settings.

    Examples
    --------
    >>> import chroma_nb
    >>> with chroma_nb.EphemeralClient() as client:
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
    """Open a database in a directory, creating it if needed.

    Several clients can use one directory at the same time, in this process and in others. If Chroma
    wrote the directory, its data is imported the first time you open it. Chroma's files stay unchanged.

    Parameters
    ----------
    path
        The directory. A relative path starts at the current working directory.
    settings
        Settings of the client. By default they come from environment variables and Chroma's defaults.
        ``is_persistent`` and ``persist_directory`` are replaced.
    tenant
        The tenant to work in. It must exist.
    database
        The database to work in. It must exist.

    Returns
    -------
    ClientAPI
        The client. You can use it as a context manager, which closes it.

    Raises
    ------
    NotFoundError
        The tenant or the database does not exist. The error is also a ``ValueError``.
    ValueError
        ``path`` is empty, or this process has the directory open with other settings.
    InternalError
        ``path`` is a file, the database is damaged, or the directory cannot be used for another reason.
        The message says what to do.

    Examples
    --------
    >>> import chroma_nb, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     with chroma_nb.PersistentClient(directory) as client:
    ...         client.create_collection("birds").add(ids="wren", embeddings=[1, 0])
    ...     with chroma_nb.PersistentClient(directory) as client:
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
    """Create a persistent or an in-memory client, under Chroma's name for its own engine.

    Parameters
    ----------
    path
        With a path, the function does the same as ``PersistentClient(path)``.
        Without one, it does the same as ``EphemeralClient()``.
    settings
        Settings of the client.
    tenant
        The tenant to work in. It must exist.
    database
        The database to work in. It must exist.

    Returns
    -------
    ClientAPI
        The client.

    Raises
    ------
    NotFoundError
        The tenant or the database does not exist. The error is also a ``ValueError``.
    ValueError
        The database is already open with other settings.
    """
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
    """Connect to a Chroma server over HTTP.

    The server can be Chroma's own (``chroma run``) or one of chroma_nb (``chroma-nb serve`` or
    ``chroma_nb.serve``). Large writes are sent in batches of the size that the server accepts.

    Parameters
    ----------
    host
        A host name, or a URL such as ``https://chroma.example.com/base``. A URL also sets the protocol,
        and the port of the URL is used instead of ``port``.
    port
        The port of the server.
    ssl
        Use HTTPS.
    headers
        HTTP headers to send with every request, for example a token.
    settings
        Settings of the client, for example credentials.
    tenant
        The tenant to work in. It must exist on the server.
    database
        The database to work in. It must exist on the server.

    Returns
    -------
    ClientAPI
        The client. You can use it as a context manager, which closes its connections.

    Raises
    ------
    ValueError
        No server can be reached (the error is also an ``httpx.ConnectError``), or ``settings`` name
        another host or port than the arguments.
    NotFoundError
        The tenant or the database does not exist.
    ChromaAuthError
        The server rejects the credentials.
    AuthorizationError
        The server requires credentials and got none.

    Examples
    --------
    >>> import chroma_nb
    >>> with chroma_nb.serve(chroma_nb.EphemeralClient(), port=0) as server:
    ...     with chroma_nb.HttpClient(port=server.port) as client:
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
    """Connect to a Chroma server from asynchronous code.

    You have to await this function, and every call of the client and of its collections that sends a
    request.

    Parameters
    ----------
    host
        A host name or a URL, as for ``HttpClient``.
    port
        The port of the server.
    ssl
        Use HTTPS.
    headers
        HTTP headers to send with every request, for example a token.
    settings
        Settings of the client, for example credentials.
    tenant
        The tenant to work in. It must exist on the server.
    database
        The database to work in. It must exist on the server.

    Returns
    -------
    AsyncClientAPI
        The client. You can use it with ``async with``, which closes its connections.

    Raises
    ------
    ValueError
        No server can be reached (the error is also an ``httpx.ConnectError``), or ``settings`` name
        another host or port than the arguments.
    NotFoundError
        The tenant or the database does not exist.
    ChromaAuthError
        The server rejects the credentials.
    AuthorizationError
        The server requires credentials and got none.

    Examples
    --------
    >>> import asyncio, chroma_nb
    >>> async def count(port):
    ...     async with await chroma_nb.AsyncHttpClient(port=port) as client:
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
    """Connect to Chroma Cloud.

    Parameters
    ----------
    tenant
        The tenant to work in. By default it is read from the environment variable ``CHROMA_TENANT``,
        or inferred if the key has access to exactly one tenant.
    database
        The database to work in. By default it is read from ``CHROMA_DATABASE``, or inferred if the key
        has access to exactly one database.
    api_key
        The API key. By default it is read from ``CHROMA_API_KEY``.
    settings
        Settings of the client. The settings for the address and the credentials are replaced.
    cloud_host
        The host name of the service.
    cloud_port
        The port of the service.
    enable_ssl
        Use HTTPS.

    Returns
    -------
    ClientAPI
        The client.

    Raises
    ------
    ValueError
        There is no API key, or the service cannot be reached (the error is also an
        ``httpx.ConnectError``).
    ChromaAuthError
        The key is rejected, has no access to this tenant or database, or does not say which one to use.
    NotFoundError
        The tenant or the database does not exist.

    Examples
    --------
    >>> import chroma_nb
    >>> client = chroma_nb.CloudClient(api_key="ck-...")  # doctest: +SKIP
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
    """Create the client that the settings describe.

    Without settings the client keeps its data in memory, unless environment variables such as
    ``IS_PERSISTENT`` say otherwise.

    Parameters
    ----------
    settings
        Settings of the client. ``Settings(is_persistent=True, persist_directory=path)`` opens a
        directory.
    tenant
        The tenant to work in. It must exist.
    database
        The database to work in. It must exist.

    Returns
    -------
    ClientAPI
        The client. You can use it as a context manager, which closes it.

    Raises
    ------
    NotFoundError
        The tenant or the database does not exist. The error is also a ``ValueError``.
    ValueError
        The database is already open with other settings, or ``chroma_api_impl`` names an unknown
        implementation.

    Examples
    --------
    >>> import chroma_nb
    >>> with chroma_nb.Client() as client:
    ...     client.count_collections()
    0
    """
    return _Client(str(plain(tenant)), str(plain(database)), settings)


def AdminClient(settings: Settings | None = None) -> _AdminClient:  # noqa: N802  # Chroma's name
    """Create a client that manages tenants and databases.

    Parameters
    ----------
    settings
        Settings that describe where the data is, as for ``Client``. Pass ``client.get_settings()`` to
        manage the tenants and databases of another client.

    Returns
    -------
    AdminAPI
        The admin client.

    Raises
    ------
    ValueError
        The database is already open with other settings.

    Examples
    --------
    >>> import chroma_nb
    >>> with chroma_nb.EphemeralClient() as client:
    ...     admin = chroma_nb.AdminClient(client.get_settings())
    ...     admin.create_database("zoo")
    ...     client.set_database("zoo")
    ...     [database["name"] for database in admin.list_databases()]
    ...     admin.close()
    ['default_database', 'zoo']
    """
    return _AdminClient(settings)

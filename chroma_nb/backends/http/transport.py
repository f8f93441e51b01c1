"""The sockets: httpx sends the calls, synchronously or not.

No decisions here: ``_async/conversation.py`` defines the order of calls, ``exchange.py`` what is repeated,
``codec.py`` the encoding. A backend owns its connections; backends share nothing.
"""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, Self, cast
from urllib.parse import quote, unquote, urlsplit
from weakref import WeakKeyDictionary

from chroma_nb._http import around_proxies, header_value, proxy_variable
from chroma_nb._optional import require
from chroma_nb._reentry import is_running
from chroma_nb.backends.endpoints import API_PATH
from chroma_nb.backends.http._async import conversation as async_conversation
from chroma_nb.backends.http._sync import conversation
from chroma_nb.backends.http.auth import SecretHeaders, auth_headers, basic
from chroma_nb.backends.http.codec import Call, Reply
from chroma_nb.backends.http.exchange import Failure, KnownServer, Outcome
from chroma_nb.config import Settings, secret_names
from chroma_nb.embedding_functions.progress import Progress as Bar
from chroma_nb.embedding_functions.progress import progress_bar
from chroma_nb.errors import ChromaError, InternalError, ShownAs, _ClosedError
from chroma_nb.operations.requests import R, Request
from chroma_nb.types import Json

if TYPE_CHECKING:
    import httpx

#: Seconds to connect, and to wait for the next byte of an answer. Large writes and filters take minutes.
CONNECT_TIMEOUT = 10.0
ANSWER_TIMEOUT = 600.0

#: How an answer may be packed, once: identity, and what unpacks a thousandfold at most.
_CODINGS: Final = ("identity", "gzip", "deflate")
#: Bytes that an answer may unpack to, whatever it is packed in; beyond, so many for each that came.
_UNPACKED: Final = 1 << 26
_MOST_PACKED: Final = 100

USER_AGENT = "Chroma Python Client v1.5.9 (https://github.com/chroma-core/chroma)"


# --- Where the server is ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Endpoint:
    """A server's API and how to talk to it; shows no credential."""

    url: str
    headers: SecretHeaders = field(repr=False)
    verify: bool | str = True
    keepalive: float | None = 40.0
    max_connections: int | None = None
    max_keepalive_connections: int | None = None


def endpoint(settings: Settings) -> Endpoint:
    """The endpoint that Chroma's ``chroma_server_*`` and ``chroma_client_auth_*`` settings describe."""
    url, userinfo = _api_url(settings)
    headers: dict[str, str] = {"Authorization": basic(unquote(userinfo))} if userinfo else {}
    headers |= dict(settings.chroma_server_headers or {})
    headers |= {
        "Accept": "*/*",
        "Accept-Encoding": ", ".join(_CODINGS[1:]),
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
    }
    headers |= auth_headers(settings)
    verify = settings.chroma_server_ssl_verify
    return Endpoint(
        url=url,
        headers=SecretHeaders({name: header_value(name, str(value)) for name, value in headers.items()}),
        verify=True if verify is None else verify,
        keepalive=settings.chroma_http_keepalive_secs,
        max_connections=settings.chroma_http_max_connections,
        max_keepalive_connections=settings.chroma_http_max_keepalive_connections,
    )


def _api_url(settings: Settings) -> tuple[str, str]:
    """The API's base URL and the ``user:password`` that stood in it."""
    host, port = str(settings.chroma_server_host), settings.chroma_server_http_port
    tls, api = bool(settings.chroma_server_ssl_enabled), _api_path(settings)
    if "/" not in host:
        alone, colon, written = host.rpartition(":")
        if colon and ":" not in alone:
            raise ValueError(
                f"Invalid port: '{written}:{port or 8000}'\nThe host {host!r} contains a port. Pass them "
                f"separately: HttpClient(host={alone!r}, port={written}), or pass a URL: "
                f"HttpClient(host='http{'s' if tls else ''}://{host}')."
            )
        name = f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host
        return f"{'https' if tls else 'http'}://{name}:{port or 8000}{api}", ""
    parts = urlsplit(host)
    if parts.scheme not in {"http", "https"}:
        raise ValueError(
            f"Invalid URL. Unrecognized protocol - {parts.scheme}. Please add http:// or https:// to the host."
        )
    if not parts.hostname:
        raise ValueError(f"Invalid URL. {host!r} has no host name; expected for example https://chroma.example.com.")
    userinfo, _, place = parts.netloc.rpartition("@")
    path = quote(parts.path.rstrip("/").replace("//", "/"))
    return f"{'https' if tls else parts.scheme}://{place}{path if path.endswith(api) else path + api}", userinfo


def _api_path(settings: Settings) -> str:
    path = settings.chroma_server_api_default_path
    return str(getattr(path, "value", path) or API_PATH)


def _tls(at: Endpoint) -> ssl.SSLContext | bool:
    if not at.url.startswith("https:"):
        # Loading the authorities takes 0.1 s; a context without any trusts nobody, should TLS be met after all.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if isinstance(at.verify, bool):
        return at.verify
    try:
        if os.path.isdir(at.verify):
            return ssl.create_default_context(capath=at.verify)
        return ssl.create_default_context(cafile=at.verify)
    except OSError as error:
        raise ValueError(
            f"Expected chroma_server_ssl_verify to be the path of a file or folder of certificates, got {at.verify!r} "
            f"({error})."
        ) from None


# --- What can fail on the way --------------------------------------------------------------------------------
@cache
def _kind(base: str, *more: type[Exception]) -> type[Exception]:
    """A ChromaError that is httpx's class too, and shown as that: code written for Chroma catches it."""
    shown = getattr(require("httpx", feature="a client of a server"), base)
    names = {"status": 503, "__module__": __name__}
    kind = ShownAs(base, (ChromaError, shown, *more), names, shown=shown, found=(_kind, (base, *more)))
    return cast("type[Exception]", kind)


def _failure(error: httpx.RequestError, place: str) -> Failure:
    """``error`` in this package's words."""
    httpx = require("httpx", feature="a client of a server")
    base, detail = type(error).__name__, str(error) or type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        # Chroma's constructors turn this one into a ValueError with this sentence.
        what = "Could not connect to a Chroma server. Are you sure it is running?"
        proxy = proxy_variable(place)
        way = (
            f"; the request went to the proxy in {proxy}. To reach the server directly, add it to NO_PROXY"
            if proxy
            else ""
        )
        advice = _for_unreached(place, detail)
        is_tls = "SSL" in detail  # asking again would change nothing
        return Failure(
            _kind(base, ValueError)(f"{what} ({place}: {detail}{way})\n{advice}"), unreached=not is_tls, final=is_tls
        )
    timeout = isinstance(error, httpx.TimeoutException)
    what = "took too long to reply" if timeout else "broke the connection"
    hint = "" if timeout or place.startswith("https:") else ". If it is a server with TLS, use ssl=True or an https URL"
    return Failure(_kind(base)(f"the Chroma server at {place} {what} ({detail}){hint}"), final=timeout)


def _for_unreached(place: str, detail: str) -> str:
    """What to do when no connection to ``place`` came about, for the reason in ``detail``."""
    if "CERTIFICATE_VERIFY" in detail:
        return (
            "The certificate of the server is not trusted here. Name the file of its authority: "
            "settings=Settings(chroma_server_ssl_verify='ca.pem')."
        )
    if "SSL" in detail:
        return "If the server does not speak TLS, use ssl=False or a URL with http://."
    return "Check the host and the port, and start the server if it is not running: chroma-nb serve --path DIRECTORY."


class _Answer:
    """An answer that comes in pieces; refused when it is packed as nobody asked for, or unpacks without end."""

    def __init__(self, response: httpx.Response) -> None:
        coding = response.headers.get("content-encoding", _CODINGS[0]).strip().lower()
        if coding not in _CODINGS:
            raise InternalError(
                f"Expected a reply with Content-Encoding {', '.join(_CODINGS)}, got {coding[:40]!r}. "
                "Check whether a proxy changes the server's replies."
            )
        self._response, self._pieces, self._size = response, list[bytes](), 0

    def add(self, piece: bytes) -> None:
        """The next piece, unpacked."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > max(_UNPACKED, _MOST_PACKED * self._response.num_bytes_downloaded):
            raise InternalError(
                f"The reply of the server unpacks to more than {_MOST_PACKED} times its size (over "
                f"{_UNPACKED >> 20} MB), so it was not read further. Check that it is a Chroma server."
            )

    def reply(self) -> Reply:
        """All of it."""
        headers = {key.lower(): value for key, value in self._response.headers.items()}
        return Reply(self._response.status_code, headers, b"".join(self._pieces))


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _apart(seconds: float) -> float:
    # Clients that failed together should not come back together.
    return seconds * random.uniform(1.0, 1.25)  # noqa: S311


class _ProgressBar:
    """A bar for writes in batches that take longer than a second."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._told = 0

    def progress(self, written: int, total: int) -> None:
        """See ``Line``."""
        if self._bar is None:
            self._bar = progress_bar(total, description="writing", unit="record", leave=False)
        self._bar.update(written - self._told)
        self._told = written

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


class _HttpParts:
    """What the sync and the async backend have in common."""

    edits_at_once = False

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._endpoint = endpoint(settings)
        self._place = _place(self._endpoint.url)
        self._server = KnownServer()
        self._closed = False
        self.identifier = self._endpoint.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._endpoint.url!r})"

    def get_api_url(self) -> str:
        """The base URL of the server's API."""
        return self._endpoint.url

    def get_request_headers(self) -> Mapping[str, str]:
        """The headers every request carries; their values do not show."""
        return self._endpoint.headers

    def _options(self) -> Json:
        httpx, at = require("httpx", feature="a client of a server"), self._endpoint
        return {
            "headers": dict(at.headers),
            "verify": _tls(at),
            "mounts": around_proxies(at.url),
            "timeout": httpx.Timeout(ANSWER_TIMEOUT, connect=CONNECT_TIMEOUT, pool=None),
            "limits": httpx.Limits(
                max_connections=at.max_connections,
                max_keepalive_connections=at.max_keepalive_connections,
                keepalive_expiry=at.keepalive,
            ),
        }

    def _check_open(self) -> None:
        if self._closed:
            raise _ClosedError(f"This client of {self._place} is closed. Create a new one: HttpClient(host, port).")

    def share(self) -> None:
        """Nothing: each client has a backend of its own."""

    # --- Copies: connections of their own to the same server. ---

    def __copy__(self) -> Self:
        twin = type(self)(self.settings)
        twin._closed = self._closed
        return twin

    def __deepcopy__(self, memo: object) -> Self:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        secrets, environment = secret_names(self.settings), Settings()
        given = [name for name in secrets if getattr(environment, name, None) != getattr(self.settings, name)]
        if given:
            raise TypeError(
                f"Cannot pickle this client or collection of {self._place}: its settings {', '.join(given)} may hold a "
                "secret, which the pickle would show. Create the client where it is used. Or set the environment "
                f"variables {', '.join(map(str.upper, given))} on both sides: a pickle leaves out what comes from them."
            )
        kept = {name: value for name, value in self.settings.model_dump().items() if name not in secrets}
        return _made_again, (type(self), kept, secrets, self._closed)


def _made_again(kind: type[_HttpParts], kept: Json, secrets: list[str], closed: bool) -> _HttpParts:
    """The backend of a pickled client: nothing is asked before it is used."""
    settings = Settings().copy(update=kept)
    if missing := [name for name in secrets if not getattr(settings, name, None)]:
        raise ValueError(
            "The pickled client or collection uses credentials from the environment. "
            f"Set these environment variables here: {', '.join(map(str.upper, missing))}."
        )
    backend = kind(settings)
    backend._closed = closed
    return backend


class HttpBackend(_HttpParts):
    """Answers requests by asking a server; thread-safe, also for calls in the middle of a call of the same thread."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        #: The threads that are in a call; an interrupt may leave one behind.
        self._inside: set[int] = set()
        self._keep_connections()

    def _connect(self) -> httpx.Client:
        client: httpx.Client = require("httpx", feature="HttpClient").Client(**self._options())
        return client

    def _keep_connections(self) -> None:
        self._connections = self._connect()
        self._process = os.getpid()
        weakref.finalize(self, _close, self._connections, self._process).atexit = False

    def handle(self, request: Request[R]) -> R:
        """Ask the server for ``request``."""
        self._check_open()
        if self._is_inside():  # the locks of the connections are not re-entrant, and may be held
            with self._connect() as connections:
                return self._converse(request, connections)
        return self._handle(request)

    def _is_inside(self) -> bool:
        """Whether this thread is in the middle of another call: this one is a signal handler's, a callback's."""
        return get_ident() in self._inside and is_running(HttpBackend._handle.__code__)

    def _handle(self, request: Request[R]) -> R:
        self._inside.add(get_ident())
        try:
            if self._process != os.getpid():  # a forked child must not speak on its parent's sockets
                self._keep_connections()
            return self._converse(request, self._connections)
        finally:
            self._inside.discard(get_ident())
            if self._closed:  # in the middle of this call, which was not to be disturbed
                _close(self._connections, self._process)

    def _converse(self, request: Request[R], connections: httpx.Client) -> R:
        line = _Line(connections, self._endpoint.url, self._check_open)
        try:
            return conversation.ask(request, self._server, line)
        finally:
            line.close()

    def close(self) -> None:
        """Close the connections, after a call that this thread is in the middle of; harmless when closed already."""
        closed, self._closed = self._closed, True
        if not closed and not self._is_inside():
            _close(self._connections, self._process)

    stop = close


def _close(connections: httpx.Client, process: int) -> None:
    """Close them where they were opened: a forked child must not say goodbye on its parent's sockets."""
    if process == os.getpid():
        connections.close()


class _Line(_ProgressBar):
    """Carries the calls of one request."""

    def __init__(self, connections: httpx.Client, url: str, check_open: Callable[[], None]) -> None:
        super().__init__()
        self._connections, self._url, self._check_open = connections, url, check_open

    def send(self, call: Call) -> Outcome:
        """See ``conversation.Line``."""
        httpx = require("httpx", feature="HttpClient")
        if self._connections.is_closed:  # by another thread, between two calls of this request
            self._check_open()
        try:
            with self._connections.stream(call.method, self._url + call.target, content=call.body) as response:
                answer = _Answer(response)
                for piece in response.iter_bytes():
                    answer.add(piece)
            return answer.reply()
        except httpx.RequestError as error:
            return _failure(error, _place(self._url))

    def pause(self, seconds: float) -> None:
        """See ``conversation.Line``."""
        time.sleep(_apart(seconds))


class AsyncHttpBackend(_HttpParts):
    """Answers requests by asking a server, without blocking the event loop."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        # Connections belong to the loop that opened them; a client may outlive one asyncio.run().
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()

    def _connections(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if loop not in self._by_loop:
            self._by_loop[loop] = require("httpx", feature="AsyncHttpClient").AsyncClient(**self._options())
        return self._by_loop[loop]

    async def handle(self, request: Request[R]) -> R:
        """Ask the server for ``request``."""
        self._check_open()
        line = _AsyncLine(self._connections(), self._endpoint.url)
        try:
            return await async_conversation.ask(request, self._server, line)
        finally:
            line.close()

    async def close(self) -> None:
        """Close the connections of this event loop; those of loops that ended are gone with them."""
        self._closed = True
        client = self._by_loop.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    def stop(self) -> None:
        """Let go of every connection without waiting."""
        self._closed = True
        self._by_loop.clear()


class _AsyncLine(_ProgressBar):
    """Carries the calls of one request."""

    def __init__(self, connections: httpx.AsyncClient, url: str) -> None:
        super().__init__()
        self._connections, self._url = connections, url

    async def send(self, call: Call) -> Outcome:
        """See ``conversation.Line``."""
        httpx = require("httpx", feature="AsyncHttpClient")
        try:
            async with self._connections.stream(call.method, self._url + call.target, content=call.body) as response:
                answer = _Answer(response)
                async for piece in response.aiter_bytes():
                    answer.add(piece)
            return answer.reply()
        except httpx.RequestError as error:
            return _failure(error, _place(self._url))

    async def pause(self, seconds: float) -> None:
        """See ``conversation.Line``."""
        await asyncio.sleep(_apart(seconds))

"""Chroma's REST API v2 over any backend, as an ASGI app: HTTP request -> operation -> HTTP response.

The routes are those of ``backends/endpoints.py``, and every call ends in one ``backend.handle``. The server embeds
nothing and loads no uri. ``serving.py`` runs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote
from uuid import UUID, uuid4

import orjson

from chroma_nb import errors
from chroma_nb._optional import require
from chroma_nb.backends.base import Backend
from chroma_nb.backends.endpoints import API_PATH, ENDPOINTS, TENANT, Route
from chroma_nb.backends.wire import answers
from chroma_nb.backends.wire.encoding import dumps
from chroma_nb.operations import requests as ops
from chroma_nb.server import bodies
from chroma_nb.server.auth import Gate
from chroma_nb.server.calls import Context, Values, request_of
from chroma_nb.server.limits import Limits
from chroma_nb.server.openapi import document

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("chroma_nb.server")


# --- Errors -> JSON ---------------------------------------------------------------------------------------------
def error_answer(error: Exception) -> tuple[int, str, str]:
    """``(status, name, message)`` of an error, as Chroma's server would say it: the first two are attributes of it.

    >>> error_answer(errors.NotFoundError("Collection [x] does not exist"))
    (404, 'NotFoundError', 'Collection [x] does not exist')
    """
    name = getattr(error, "wire_name", None)
    if name is None:
        return 500, "InternalError", "The server failed on this request. Its log has the details under the trace id."
    message = error.message() if isinstance(error, errors.ChromaError) else str(error)
    return getattr(error, "status", 400), name, message


# --- One HTTP request ------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an HTTP answer."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


#: What an endpoint does, in a worker thread: scope and body -> answer.
Work = Callable[["Scope", bytes | None], Answer]


def _error(error: Exception) -> Answer:
    status, name, message = error_answer(error)
    headers = ((b"www-authenticate", b"Bearer"),) if status == 401 else ()
    if getattr(error, "closes", False):
        headers = (*headers, (b"connection", b"close"))
    return Answer(status, dumps({"error": name, "message": message}), headers=headers)


#: What a browser is told that asks for a page of an allowed origin what it may send.
_MAY_ASK: Final = (
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
    (b"access-control-allow-headers", b"authorization, content-type, x-chroma-token"),
    (b"access-control-max-age", b"600"),
)


def _for_page(origin: str) -> tuple[tuple[bytes, bytes], ...]:
    """Headers by which a browser lets a page of this origin read the answer."""
    return ((b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"origin"))


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


class _StatusError(errors.ChromaError, metaclass=errors.ShownAs, shown=errors.ChromaError):
    """An error that only HTTP knows."""

    def __init__(self, status: int, message: str, *, closes: bool = False) -> None:
        super().__init__(message)
        self.status, self.closes = status, closes


def _path_values(route: Route, parameters: Mapping[str, str]) -> Values:
    values: Values = {route.field_of(name): unquote(value) for name, value in parameters.items()}
    for name in ("collection_id", "id"):
        if name in values:
            values[name] = _uuid(values[name])
    return values


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise errors.InvalidArgumentError("Collection ID is not a valid UUIDv4") from None


def _parsed(body: bytes) -> Any:
    try:
        return bodies.parsed(body)
    except orjson.JSONDecodeError as error:
        raise errors.InvalidArgumentError(f"Failed to parse the request body as JSON: {error}") from None


def _call(kind: type[ops.AnyRequest], route: Route, context: Context) -> Work:
    """Parse, ask the backend, encode: all in a worker thread."""

    def work(scope: Scope, body: bytes | None) -> Answer:
        values = _path_values(route, scope["path_params"])
        values |= route.query.read(dict(parse_qsl(scope["query_string"].decode("latin-1"))))
        if route.body is not None:
            # The path has the last word: a body cannot name another place.
            values = route.body.read(_parsed(body or b"")) | values
        answer = context.backend.handle(request_of(kind, values, context))
        return Answer(route.status, dumps(route.answer.write(answer)))

    return work


class _Endpoint:
    """An ASGI endpoint: reads the body if there is to be one, works in a thread, sends."""

    def __init__(self, server: Server, path: str, work: Work, takes_body: bool) -> None:
        self._server, self._path, self._work, self._takes_body = server, path, work, takes_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route_path"] = self._path
        body = await self._server.body(scope, receive) if self._takes_body else None
        await self._server.run(self._work, scope, body, receive, send)


#: In the state of a request whose client has closed its half of the connection.
SENDS_NO_MORE: Final = "chroma_nb.sends_no_more"


# --- The app ------------------------------------------------------------------------------------------------------
_PIECE = 1024 * 1024
#: Seconds after which a call that waits for memory looks again.
_LOOKING_SECONDS: Final = 0.25
#: Seconds for which a call waits for a thread when its client may have left.
_BUSY_SECONDS: Final = 1.0
#: Routes are tried one after the other; these calls are most of a server's day.
_OFTEN: tuple[type[ops.AnyRequest], ...] = (ops.Query, ops.Get, ops.Add, ops.Upsert, ops.Count)


class Server:
    """The ASGI app: lets in, reads, answers, logs. ``stopping`` turns readiness off."""

    def __init__(self, backend: Backend, gate: Gate, limits: Limits, allow_reset: bool) -> None:
        self._gate, self._limits = gate, limits
        self._threads = ThreadPoolExecutor(limits.threads, "chroma_nb server")
        self._context = Context(backend, limits, allow_reset)
        self._turns = asyncio.Semaphore(limits.threads)
        #: Bytes of answers that were not taken yet; whenever some are, ``_taken`` is set.
        self._unsent, self._taken = 0, asyncio.Event()
        #: Connections whose client does not take what is sent at once: since when, and how much there was then.
        self.stalled: dict[asyncio.Transport, tuple[float, int]] = {}
        self.stopping = False
        self._router: ASGIApp = self._routes()

    def _routes(self) -> ASGIApp:
        routing = require("starlette.routing", feature="the server", package="starlette")
        often = {kind: ENDPOINTS[kind] for kind in _OFTEN}
        works: dict[tuple[str, str], Work] = {}
        with_body = set()
        for kind, endpoint in (often | ENDPOINTS).items():
            if (route := endpoint.route) is not None:
                works[route.method, API_PATH + route.path] = _call(kind, route, self._context)
                if route.body is not None:
                    with_body.add((route.method, API_PATH + route.path))
        works |= self._own_works()
        routes = [
            routing.Route(path, _Endpoint(self, path, work, (method, path) in with_body), methods=[method])
            for (method, path), work in works.items()
        ]
        router: ASGIApp = routing.Router(routes=routes, redirect_slashes=False, default=_no_such_path)
        return router

    # What is more than one request to the backend, or none.
    def _own_works(self) -> dict[tuple[str, str], Work]:
        v1 = dict.fromkeys(
            [(method, "/api/v1/{rest:path}") for method in ("GET", "POST", "PUT", "PATCH", "DELETE")], _v1
        )
        return {
            ("GET", API_PATH): self._heartbeat,
            ("GET", API_PATH + "/healthcheck"): self._health,
            ("GET", API_PATH + "/pre-flight-checks"): self._facts,
            ("PATCH", API_PATH + TENANT): self._update_tenant,
            ("GET", API_PATH + "/collections/{crn}"): self._collection_by_crn,
            ("GET", "/openapi.json"): _openapi,
            ("GET", "/docs"): _docs,
            **v1,
        }

    def _heartbeat(self, scope: Scope, body: bytes | None) -> Answer:
        return Answer(200, dumps(answers.HEARTBEAT.write(self._context.backend.handle(ops.Heartbeat()))))

    def _health(self, scope: Scope, body: bytes | None) -> Answer:
        ready = not self.stopping
        if ready:
            self._context.backend.handle(ops.CountCollections("default_tenant", "default_database"))
        return Answer(200 if ready else 503, dumps({"is_executor_ready": ready, "is_log_client_ready": ready}))

    def _facts(self, scope: Scope, body: bytes | None) -> Answer:
        offered = self._context.backend.handle(ops.GetMaxBatchSize())
        size = min(offered, self._limits.batch) if offered > 0 else self._limits.batch
        return Answer(200, dumps(answers.BATCH_SIZE.write(size)))

    def _update_tenant(self, scope: Scope, body: bytes | None) -> Answer:
        # A resource name means something in Chroma's Cloud only; their own server takes and forgets it too.
        self._context.backend.handle(ops.GetTenant(unquote(scope["path_params"]["tenant"])))
        return Answer(200, b"{}")

    def _collection_by_crn(self, scope: Scope, body: bytes | None) -> Answer:
        parts = unquote(scope["path_params"]["crn"]).split(":")
        if len(parts) != 3:
            raise errors.InvalidArgumentError("Expected a resource name of the form tenant:database:collection")
        tenant, database, name = parts
        model = self._context.backend.handle(ops.GetCollection(name, tenant, database))
        return Answer(200, dumps(answers.COLLECTION.write(model)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        start, trace = time.perf_counter(), uuid4().hex
        status = 0
        headers = _headers(scope)
        for_page = _for_page(headers["origin"]) if self._gate.allows(headers.get("origin")) else ()

        async def traced(message: Message) -> None:
            """Send a message on, and note the status for the log."""
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"chroma-trace-id", trace.encode()), *for_page]
            await send(message)

        # Quoted slashes in a name are not separators: routes are matched before unquoting.
        scope = dict(scope, path=scope["raw_path"].decode("latin-1"))
        try:
            path = scope["path"]
            scope["chroma_nb.headers"] = headers
            if "content-length" in headers and "transfer-encoding" in headers:  # one of them lies about where it ends
                raise _StatusError(400, "Expected Content-Length or Transfer-Encoding, got both", closes=True)
            if for_page and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                self._gate.check_place(headers)  # a browser asks without the token whether it may ask
                return await self.send(Answer(204, b"", headers=_MAY_ASK), traced)
            self._gate.check(path.removeprefix(API_PATH) if path.startswith(API_PATH) else path, headers)
            await self._router(scope, receive, traced)
        except Exception as error:  # noqa: BLE001  # every failure becomes an answer
            if error_answer(error)[0] == 500 and not isinstance(error, errors.ChromaError):
                _log_failure(error, trace)
            if status == 0:
                await self.send(_error(error), traced)
        finally:
            route = scope.get("route_path", "-")
            milliseconds = (time.perf_counter() - start) * 1000
            log.info("%s %s %s %.1fms %s", scope["method"], route, status, milliseconds, trace)

    async def run(self, work: Work, scope: Scope, body: bytes | None, receive: Receive, send: Send) -> None:
        """Do ``work`` in a thread, when it is its turn, and send what it returns."""
        large = body is not None  # what comes without a body has a small answer: whether the server lives, how many
        if self._turns.locked() or (large and self._is_full()):
            await self._wait_for_turn(scope, receive, large)
        else:
            await self._turns.acquire()
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._threads, work, scope, body)
        finally:
            self._turns.release()
        await self.send(answer, send)

    async def _wait_for_turn(self, scope: Scope, receive: Receive, large: bool) -> None:
        """Return when it is the turn of this call; a client that leaves meanwhile has none."""
        turn, leaving = asyncio.ensure_future(self._next_turn(large)), asyncio.ensure_future(_left(scope, receive))
        try:
            await asyncio.wait((turn, leaving), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((turn,), timeout=_BUSY_SECONDS)  # one who sends no more may wait still, but not long
            if not turn.done():
                raise _StatusError(503, "the client has stopped sending, and the server was busy")
        except BaseException:
            if not turn.cancel():
                self._turns.release()
            raise
        finally:
            leaving.cancel()

    async def _next_turn(self, large: bool) -> None:
        while True:
            while large and self._is_full():
                self._let_go_of_stalled()
                self._taken.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._taken.wait(), _LOOKING_SECONDS)
            await self._turns.acquire()
            if not (large and self._is_full()):
                return
            self._turns.release()

    def _is_full(self) -> bool:
        """Whether answers that were not taken yet hold all the memory they may."""
        return self._unsent > self._limits.unsent_bytes

    def _let_go_of_stalled(self) -> None:
        """Close the connections of clients that have taken nothing for a while."""
        now = asyncio.get_running_loop().time()
        for transport, (since, size) in list(self.stalled.items()):
            left = transport.get_write_buffer_size()
            if left < size:  # slow, but alive
                self.stalled[transport] = (now, left)
            elif now - since > self._limits.stalled_seconds:
                del self.stalled[transport]
                transport.abort()

    async def send(self, answer: Answer, send: Send) -> None:
        """Send an answer in pieces. (A client that stops taking them is left by ``serving.py``.)"""
        length = str(len(answer.body)).encode()
        headers = [(b"content-type", answer.content_type.encode()), (b"content-length", length), *answer.headers]
        size = len(answer.body)
        self._unsent += size
        try:
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            for start in range(0, max(size, 1), _PIECE):
                piece, more = answer.body[start : start + _PIECE], start + _PIECE < size
                await send({"type": "http.response.body", "body": piece, "more_body": more})
                await asyncio.sleep(0)  # others have their turn, and a connection that was lost is known as such
        finally:
            self._unsent -= size
            self._taken.set()

    async def body(self, scope: Scope, receive: Receive) -> bytes:
        """The request's body, within the limits."""
        headers = scope["chroma_nb.headers"]
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise _StatusError(415, "Expected a body without Content-Encoding, as this server does not unpack bodies")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise _StatusError(415, "Expected request with `Content-Type: application/json`")
        if int(headers.get("content-length", "0")) > self._limits.body_bytes:
            raise self._too_large()
        pieces, size = [], 0
        clock = asyncio.get_running_loop().time
        end = clock() + self._limits.body_seconds
        while True:
            try:
                async with asyncio.timeout_at(min(clock() + self._limits.body_idle_seconds, end)):
                    message = await receive()
            except TimeoutError:
                raise _StatusError(408, "The body of the request did not arrive in time.") from None
            if message["type"] == "http.disconnect":
                raise _StatusError(400, "The client disconnected before its request was complete.")
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > self._limits.body_bytes:
                raise self._too_large()
            if not message.get("more_body"):
                return b"".join(pieces)

    def close(self) -> None:
        """End the threads; each finishes the call it is in. The backend stays open."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _too_large(self) -> _StatusError:
        return _StatusError(
            413, f"Expected a body of at most {self._limits.body_bytes} bytes. Send the records in several calls."
        )


async def _left(scope: Scope, receive: Receive) -> None:
    """Return when the client has closed the connection, or its half of it: which of the two cannot be told."""
    while (await receive())["type"] != "http.disconnect" and SENDS_NO_MORE not in scope.get("state", ()):
        pass


def _openapi(scope: Scope, body: bytes | None) -> Answer:
    return Answer(200, dumps(document()))


def _docs(scope: Scope, body: bytes | None) -> Answer:
    return Answer(303, b"", headers=((b"location", b"/openapi.json"),))


def _v1(scope: Scope, body: bytes | None) -> Answer:
    return Answer(410, b'{"error":"Unimplemented","message":"The v1 API is deprecated. Please use /v2 apis"}')


async def _no_such_path(scope: Scope, receive: Receive, send: Send) -> None:
    raise _StatusError(404, "This server has no such path. /openapi.json describes its API.")


def _log_failure(error: Exception, trace: str) -> None:
    # Frames without the message: it may quote a record.
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s in a request, trace id %s\n%s", type(error).__name__, trace, frames)


def create_app(
    backend: Backend,
    *,
    token: str | None = None,
    host: str = "127.0.0.1",
    allowed_hosts: tuple[str, ...] = (),
    allowed_origins: tuple[str, ...] = (),
    allow_reset: bool = False,
    limits: Limits | None = None,
) -> Server:
    """An ASGI app that serves ``backend`` to Chroma's clients.

    ``host`` is the address it will listen on: on a loopback address only loopback names (and
    ``allowed_hosts``) are accepted in the Host header. Web pages of ``allowed_origins`` may ask.
    The caller closes the backend.
    """
    return Server(backend, Gate(token, host, allowed_hosts, allowed_origins), limits or Limits(), allow_reset)

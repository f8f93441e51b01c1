"""Run the server: sockets, uvicorn, a thread of its own in a notebook, an orderly shutdown."""

from __future__ import annotations

import asyncio
import atexit
import errno
import inspect
import os
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from chroma_nb._optional import require
from chroma_nb.backends.base import Backend
from chroma_nb.config import Settings
from chroma_nb.server.app import SENDS_NO_MORE, Server, create_app
from chroma_nb.server.auth import check_binding
from chroma_nb.server.limits import Limits


def serve(
    source: object = "./chroma",
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    allowed_hosts: tuple[str, ...] = (),
    allowed_origins: tuple[str, ...] = (),
    allow_reset: bool = False,
    limits: Limits | None = None,
) -> ServerHandle:
    """Start a server for Chroma's clients in a thread of this process.

    The function returns at once. Any client that uses Chroma's REST API v2 can connect. See also the
    command ``chroma-nb serve``. The server needs the package uvicorn.

    Parameters
    ----------
    source
        A directory, which is created if needed, or an open client. An in-memory client can be shared, too.
    host
        The address to listen on. With the default only programs on this machine can connect. Other
        addresses need a ``token``.
    port
        The port to listen on. ``0`` picks a free port.
    token
        A secret of at least 16 characters that clients have to send.
    allowed_hosts
        Further names that the ``Host`` header of a request may have, for example behind a proxy.
    allowed_origins
        Web pages that may send requests, for example ``("http://localhost:3000",)``. By default no web
        page may. ``"*"`` allows every page.
    allow_reset
        Let clients delete everything with ``reset()``. If ``source`` is a client, its own settings need
        ``allow_reset=True``, too.
    limits
        Limits for requests, as a ``chroma_nb.server.limits.Limits``. The defaults allow 10,000 records
        in a write, 256 MiB in a request and 512 connections.

    Returns
    -------
    ServerHandle
        The running server, with ``url``, ``port`` and ``stop()``.

    Raises
    ------
    ValueError
        ``host`` can be reached from other machines and there is no token, or the token is too short.
    OSError
        The port is in use. ``port=0`` picks a free one.
    TypeError
        ``source`` is neither a path nor a synchronous client of chroma_nb.
    ImportError
        uvicorn is not installed.

    Examples
    --------
    >>> import chroma_nb
    >>> with chroma_nb.serve(chroma_nb.EphemeralClient(), port=0) as server:
    ...     with chroma_nb.HttpClient(port=server.port) as client:
    ...         client.get_version()
    '1.5.9'
    """
    check_binding(host, token)
    backend, own = _backend(source, allow_reset)
    try:
        app = create_app(
            backend,
            token=token,
            host=host,
            allowed_hosts=allowed_hosts,
            allowed_origins=allowed_origins,
            allow_reset=allow_reset,
            limits=limits,
        )
        return ServerHandle(app, listen(host, port), host, limits or Limits(), backend.close if own else _nothing)
    except BaseException:
        if own:
            backend.close()
        raise


def run(
    path: str,
    *,
    host: str,
    port: int,
    token: str | None,
    allowed_hosts: tuple[str, ...] = (),
    allowed_origins: tuple[str, ...] = (),
    allow_reset: bool = False,
    limits: Limits | None = None,
    started: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve a directory in this thread until SIGINT or SIGTERM; ``started`` is called with the URL."""
    check_binding(host, token)
    backend, _ = _backend(path, allow_reset)
    limits = limits or Limits()
    try:
        app = create_app(
            backend,
            token=token,
            host=host,
            allowed_hosts=allowed_hosts,
            allowed_origins=allowed_origins,
            allow_reset=allow_reset,
            limits=limits,
        )
        listening = listen(host, port)
    except BaseException:
        backend.close()
        raise
    # uvicorn ends the process by the signal it got, so the backend is closed in its shutdown, not after it.
    server = _uvicorn_server(app, limits, lambda: started(_url(host, listening)), backend.close)
    asyncio.run(server.serve(sockets=[listening]))


#: Seconds for which a connection is let be, however little it has sent.
_MOMENT = 1.0
#: How long a server that is told to stop at once may take.
_FORCED_SECONDS = 5.0


class ServerHandle:
    """A running server, as returned by ``serve``.

    You can use it as a context manager, which stops the server. The server also stops when the process
    ends.

    Attributes
    ----------
    url
        The address of the server, for example ``http://127.0.0.1:8000``.
    port
        The port it listens on.
    """

    def __init__(
        self, app: Server, listening: socket.socket, host: str, limits: Limits, release: Callable[[], None]
    ) -> None:
        self.port: int = listening.getsockname()[1]
        self.url = _url(host, listening)
        self._process, self._release = os.getpid(), release
        self._patience = limits.stop_seconds + _FORCED_SECONDS
        running = threading.Event()
        self._server = _uvicorn_server(app, limits, running.set, lambda: None)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._server.serve(sockets=[listening])), name="chroma_nb server", daemon=True
        )
        self._thread.start()
        while not running.wait(0.05) and self._thread.is_alive():
            pass
        atexit.register(self.stop)

    def stop(self) -> None:
        """Stop the server.

        Running requests are finished, new ones are refused, and the port becomes free. A client that you
        passed to ``serve`` stays open. Calling this method again does nothing.
        """
        atexit.unregister(self.stop)
        if os.getpid() != self._process or self._release is _stopped:
            return
        self._server.should_exit = True
        try:  # a clock that was replaced for a while (freezegun, a test) may have sent the loop to sleep for hours
            if self._thread.is_alive():
                self._server.loop.call_soon_threadsafe(_nothing)
        except RuntimeError:
            pass  # another thread has stopped it just now
        self._thread.join(self._patience)
        if self._thread.is_alive():  # something would not end; the port is free already
            self._server.force_exit = True
            self._thread.join(_FORCED_SECONDS)
        release, self._release = self._release, _stopped
        release()

    def __enter__(self) -> ServerHandle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self._thread.is_alive() else "stopped"
        return f"<chroma_nb server at {self.url}, {state}>"


def _nothing() -> None:
    """Neither a backend that belongs to a client, who closes it, nor a loop that is only to wake needs more."""


def _stopped() -> None:
    """Stopped already."""


def _backend(source: Any, allow_reset: bool) -> tuple[Backend, bool]:
    """The backend of a path or a client, and whether it was opened here."""
    if isinstance(source, str | os.PathLike):
        from chroma_nb.backends.opening import open_backend  # the engine, unless another backend is served

        settings = Settings(is_persistent=True, persist_directory=os.fspath(source), allow_reset=allow_reset)
        return open_backend(settings), True
    backend = source if hasattr(source, "handle") else getattr(source, "_backend", None)
    if backend is None or inspect.iscoroutinefunction(backend.handle):
        raise TypeError(
            f"Expected the path of a directory or a chroma_nb client that is not async, got {type(source).__name__}. "
            "For a client of chromadb, stop it and pass the path of its directory."
        )
    return backend, False


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; ``port`` 0 is any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            what = f"Port {port} of {host} is in use. Choose another port, or 0 for a free one"
        elif error.errno == errno.EACCES:
            what = f"Port {port} of {host} needs more rights. Choose a port above 1023, or 0 for a free one"
        else:
            what = f"Cannot listen on {host}, port {port}: {error.strerror or error}"
        raise type(error)(error.errno, what) from None


def _url(host: str, listening: socket.socket) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listening.getsockname()[1]}"


def _uvicorn_server(app: Server, limits: Limits, started: Callable[[], None], stopped: Callable[[], None]) -> Any:
    uvicorn = require("uvicorn", feature="the server")

    class Orderly(uvicorn.Server):  # type: ignore[misc, name-defined]  # the module is loaded on use
        """Tells when it has started; turns readiness off before it stops."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            """Begin to listen, and note the event loop."""
            await super().startup(sockets)
            self.loop = asyncio.get_running_loop()
            started()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """Let requests that run know that they should end, then stop."""
            app.stopping = True
            await super().shutdown(sockets)
            for connection in list(self.server_state.connections):
                connection.transport.abort()  # whoever takes no answer would keep us waiting
            app.close()
            stopped()

    config = uvicorn.Config(
        app,
        http=_patient_protocol(app, limits),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=limits.header_bytes,
        limit_concurrency=limits.connections + 2,  # beyond, where none can be closed
        timeout_keep_alive=limits.keepalive_seconds,
        timeout_graceful_shutdown=limits.stop_seconds,
    )
    return Orderly(config)


def _patient_protocol(app: Server, limits: Limits) -> type[Any]:
    """uvicorn's protocol, with an end to its patience: it would wait for ever for the head of a request, or
    for a client to take its answer.

    h11's, not httptools': that one drops the body of a request which offers HTTP/2, as Java's clients do, and
    takes heads of any size.
    """
    base = require("uvicorn.protocols.http.h11_impl", feature="the server", package="uvicorn").H11Protocol

    class PatientProtocol(base):  # type: ignore[misc, valid-type]  # the module is loaded on use
        """uvicorn's protocol, with limits on how long a head may take to come and an answer to be taken."""

        def connection_made(self, transport: asyncio.Transport) -> None:
            """A client has connected: its head is waited for, for a time."""
            self._timers: dict[str, asyncio.TimerHandle] = {}
            self._begin_waiting()
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                self._close_slowest()
            if app.stopping:  # accepted before, seen after all connections were told
                transport.close()
                return
            # asyncio does so only for sockets that name their protocol; without it an answer waits 40 ms.
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport.set_write_buffer_limits(high=0)  # whatever is not taken at once is watched
            self._watch_head()

        def data_received(self, data: bytes) -> None:
            """More of a request has come."""
            self._heard += len(data)
            super().data_received(data)
            self._watch_head()

        def on_response_complete(self) -> None:
            """An answer was sent whole: the next request is waited for."""
            self._begin_waiting()
            super().on_response_complete()

        def _begin_waiting(self) -> None:
            self._since, self._heard = asyncio.get_running_loop().time(), 0

        def _waits_for_client(self) -> bool:
            return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

        def _close_slowest(self) -> None:
            """Close the connection that sends least, of those that wait for their client for more than a moment."""
            now = self.loop.time()
            waiting = [one for one in self.connections if now - one._since > _MOMENT and one._waits_for_client()]
            if waiting:
                slowest = min(waiting, key=lambda one: (one._heard / (now - one._since), one._since))
                slowest.transport.abort()

        def eof_received(self) -> bool:
            """The client sends no more; whether the connection stays open for an answer."""
            # Who sends no more may still wait for the answer to a request that is complete.
            if self._waits_for_client():
                return False
            self.scope["state"][SENDS_NO_MORE] = True
            self.cycle.message_event.set()
            return True

        def pause_writing(self) -> None:
            """The client takes no more for now: it is waited for, for a time."""
            super().pause_writing()
            app.stalled[self.transport] = (self.loop.time(), self.transport.get_write_buffer_size())
            # close() would wait until all is taken.
            self._timers["answer"] = self.loop.call_later(limits.answer_idle_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            """The client takes more again."""
            super().resume_writing()
            self._takes_again()

        def connection_lost(self, error: Exception | None) -> None:
            """The connection is gone: nothing is waited for any more."""
            self._forget("head")
            self._takes_again()
            super().connection_lost(error)

        def _takes_again(self) -> None:
            app.stalled.pop(self.transport, None)
            self._forget("answer")

        def _watch_head(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self._forget("head")
            elif "head" not in self._timers:
                self._timers["head"] = self.loop.call_later(limits.header_seconds, self.transport.close)

        def _forget(self, name: str) -> None:
            if name in self._timers:
                self._timers.pop(name).cancel()

    return PatientProtocol

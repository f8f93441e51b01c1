"""A backend of Chroma's own server, and a server that says what a test tells it."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chroma_nb.backends.http.transport import HttpBackend
from chroma_nb.config import Settings
from chroma_nb.operations import requests as ops


def settings_for(port: int, **more: Any) -> Settings:
    return Settings(chroma_server_host="127.0.0.1", chroma_server_http_port=port, **more)


@pytest.fixture
def chroma_backend(real_chroma: int) -> Iterator[HttpBackend]:
    backend = HttpBackend(settings_for(real_chroma))
    yield backend
    backend.close()


@pytest.fixture
def place(chroma_backend: HttpBackend) -> dict[str, str]:
    """A database of the test's own on Chroma's server."""
    database = f"db_{uuid.uuid4().hex}"
    chroma_backend.handle(ops.CreateDatabase(database, "default_tenant"))
    return {"tenant": "default_tenant", "database": database}


@dataclass
class Told:
    """What the scripted server heard."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Scripted:
    """A server on ``port`` that gives ``replies`` in turn: (status, JSON) or (status, JSON, headers).

    ``"hang up"`` closes the connection without an answer.
    """

    port: int = 0
    replies: list[Any] = field(default_factory=list)
    heard: list[Told] = field(default_factory=list)


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("content-length", 0))
            raw = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            script.heard.append(Told(self.command, self.path, headers, json.loads(raw) if raw else None))
            reply = script.replies.pop(0)
            if reply == "hang up":
                self.close_connection = True
                return
            status, value, *more = reply
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            for name, text in (more[0] if more else {}).items():
                self.send_header(name, text)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        script.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield script
        server.shutdown()
        thread.join()

"""A home without Chroma's cache folder, and a provider's server that plays what a test tells it to."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from chroma_nb.embedding_functions import onnx_minilm


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """HOME is an empty folder, and what is said once may be said again."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("CHROMA_NB_PROGRESS", "0")
    monkeypatch.delenv("CHROMA_NB_MODEL", raising=False)
    onnx_minilm._say_other_variant.cache_clear()
    onnx_minilm._say_unusable.cache_clear()
    return folder


@dataclass
class Received:
    """One request as the server saw it."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Provider:
    """A provider on 127.0.0.1: plays its answers in order, the last one again and again."""

    url: str
    received: list[Received] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)

    def plays(self, *answers: Any) -> None:
        """Each answer is a JSON value (status 200), a (status, JSON value), or a (status, headers, JSON value)."""
        for answer in answers:
            if not isinstance(answer, tuple):
                self.answers.append((200, {}, answer))
            elif len(answer) == 2:
                self.answers.append((answer[0], {}, answer[1]))
            else:
                self.answers.append(answer)


@pytest.fixture
def provider() -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            played.received.append(Received(self.path, headers, json.loads(body)))
            status, extra, answer = played.answers.pop(0) if len(played.answers) > 1 else played.answers[0]
            if callable(answer):
                answer = answer(played.received[-1].body)
            self.reply(status, extra, answer if isinstance(answer, bytes) else json.dumps(answer).encode())

        def do_GET(self) -> None:
            played.received.append(Received(self.path, dict(self.headers), None))
            status, extra, answer = played.answers.pop(0) if len(played.answers) > 1 else played.answers[0]
            self.reply(status, extra, answer)

        def reply(self, status: int, extra: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    played = Provider(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield played
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""The client under test, over every place it can have. One body of a test runs over each."""

from __future__ import annotations

import asyncio
import inspect
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import chroma_nb
from chroma_nb.client.shared_system_client import SharedSystemClient
from chroma_nb.config import Settings


@contextmanager
def _over_http(directory: Path) -> Iterator[Any]:
    with (
        chroma_nb.EphemeralClient(Settings(allow_reset=True)) as store,
        chroma_nb.serve(store, port=0, allow_reset=True) as server,
        chroma_nb.HttpClient(port=server.port) as client,
    ):
        yield client


@contextmanager
def _awaited_over_http(directory: Path) -> Iterator[Any]:
    with (
        chroma_nb.EphemeralClient(Settings(allow_reset=True)) as store,
        chroma_nb.serve(store, port=0, allow_reset=True) as server,
        asyncio.Runner() as runner,
    ):
        client = Awaited(runner.run(chroma_nb.AsyncHttpClient(port=server.port)), runner)
        yield client
        client.close()


class Awaited:
    """An asynchronous client or collection each of whose calls is awaited, so that one body of a test serves both."""

    def __init__(self, asynchronous: Any, runner: asyncio.Runner) -> None:
        self._asynchronous, self._runner = asynchronous, runner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._asynchronous, name)
        if not inspect.ismethod(value):
            return self._same_for(value)

        def call(*arguments: Any, **options: Any) -> Any:
            result = value(*arguments, **options)
            return self._same_for(self._runner.run(result) if inspect.isawaitable(result) else result)

        return call

    def _same_for(self, result: Any) -> Any:
        if isinstance(result, list):
            return [self._same_for(one) for one in result]
        own = type(result).__module__.startswith("chroma_nb.client._async")
        return Awaited(result, self._runner) if own else result

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Awaited) and bool(self._asynchronous == other._asynchronous)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._asynchronous)


#: Name of a place -> what opens a client of it, given an empty directory.
PLACES: dict[str, Callable[[Path], Any]] = {
    "memory": lambda directory: chroma_nb.EphemeralClient(Settings(allow_reset=True)),
    "disk": lambda directory: chroma_nb.PersistentClient(directory / "db", Settings(allow_reset=True)),
    "http": _over_http,
    "async": _awaited_over_http,
}


@pytest.fixture
def closed_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The connections that clients leave open, as Chroma's do, are closed after the test."""
    opened, connect = [], httpx.Client.__init__

    def recorded(self: httpx.Client, *arguments: Any, **options: Any) -> None:
        connect(self, *arguments, **options | {"verify": False})  # no TLS here; authorities take 0.1 s to load
        opened.append(self)

    monkeypatch.setattr(httpx.Client, "__init__", recorded)
    yield
    for connections in opened:
        connections.close()


@pytest.fixture(scope="session")
def real_chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server of Chroma 1.5.9 itself, which may be reset."""
    program = Path(sys.executable).with_name("chroma")
    if not program.exists():
        pytest.fail(f"{program} is missing: make test installs chromadb==1.5.9, whose server these tests talk to")
    directory = tmp_path_factory.mktemp("chroma")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = directory / "config.yaml"
    configuration.write_text(
        f"persist_path: {directory}\nport: {port}\nlisten_address: 127.0.0.1\nallow_reset: true\n", encoding="utf-8"
    )
    command = [str(program), "run", str(configuration)]
    with open(directory / "log", "wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/v2/heartbeat", process)
            yield port
        finally:
            process.kill()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail("chroma run did not answer")


def _opened(place: str, directory: Path) -> Iterator[Any]:
    SharedSystemClient.clear_system_cache()
    with PLACES[place](directory) as client:
        yield client
    SharedSystemClient.clear_system_cache()


@pytest.fixture(params=[*PLACES, "chroma"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A client of an empty place that may be reset; "chroma" is a server of Chroma itself."""
    if request.param != "chroma":
        yield from _opened(request.param, tmp_path)
        return
    with chroma_nb.HttpClient(port=request.getfixturevalue("real_chroma")) as client:
        client.reset()
        yield client


@pytest.fixture(params=["memory", "disk", "http"])
def sync_client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """As ``client``, for what looks at classes and identities."""
    yield from _opened(request.param, tmp_path)


@pytest.fixture(params=["memory", "disk"])
def local_client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A client of an empty place in this process, for what has no form over HTTP."""
    yield from _opened(request.param, tmp_path)


@pytest.fixture
def no_place_is_open() -> Iterator[None]:
    """Nothing that another test left open is shared with this one, nor what this one leaves."""
    SharedSystemClient.clear_system_cache()
    yield
    SharedSystemClient.clear_system_cache()

"""The client under test, over every place it can have. One body of a test runs over each."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


def _opened(place: str, directory: Path) -> Iterator[Any]:
    SharedSystemClient.clear_system_cache()
    with PLACES[place](directory) as client:
        yield client
    SharedSystemClient.clear_system_cache()


@pytest.fixture(params=list(PLACES))
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A client of an empty place that may be reset."""
    yield from _opened(request.param, tmp_path)


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

"""The client under test, over every place it can have. One body of a test runs over each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import chroma_nb
from chroma_nb.client.shared_system_client import SharedSystemClient
from chroma_nb.config import Settings

#: Name of a place -> what opens a client of it, given an empty directory.
PLACES: dict[str, Callable[[Path], Any]] = {
    "memory": lambda directory: chroma_nb.EphemeralClient(Settings(allow_reset=True)),
    "disk": lambda directory: chroma_nb.PersistentClient(directory / "db", Settings(allow_reset=True)),
}


@pytest.fixture(params=list(PLACES))
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A client of an empty place that may be reset."""
    SharedSystemClient.clear_system_cache()
    with PLACES[request.param](tmp_path) as client:
        yield client
    SharedSystemClient.clear_system_cache()


@pytest.fixture
def no_place_is_open() -> Iterator[None]:
    """Nothing that another test left open is shared with this one, nor what this one leaves."""
    SharedSystemClient.clear_system_cache()
    yield
    SharedSystemClient.clear_system_cache()

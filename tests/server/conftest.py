"""A server of ours over a store in memory."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

import chroma_nb
from chroma_nb.client.shared_system_client import SharedSystemClient
from chroma_nb.server.serving import ServerHandle

D = "/api/v2/tenants/default_tenant/databases/default_database"


@pytest.fixture(scope="session")
def shared_store() -> Iterator[Any]:
    with chroma_nb.EphemeralClient(chroma_nb.Settings(allow_reset=True)) as client:
        # Other tests' ephemeral clients get a store of their own.
        SharedSystemClient.clear_system_cache()
        yield client


@pytest.fixture(scope="session")
def shared_server(shared_store: Any) -> Iterator[ServerHandle]:
    with chroma_nb.serve(shared_store, port=0) as server:
        yield server


@pytest.fixture
def chromadb(closed_connections: None) -> Any:
    """Chroma's package."""
    return importlib.import_module("chromadb")


@pytest.fixture
def store(shared_store: Any) -> Any:
    """A client of the store that is served, empty."""
    shared_store.reset()
    return shared_store


@pytest.fixture
def serve(store: Any) -> Iterator[Callable[..., ServerHandle]]:
    """Start a server with these options; it is stopped after the test."""
    started = []

    def start(**options: Any) -> ServerHandle:
        started.append(chroma_nb.serve(store, port=0, **options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def server(shared_server: ServerHandle, store: Any) -> ServerHandle:
    """A server of ``store`` with default options."""
    return shared_server


@pytest.fixture
def http(server: ServerHandle) -> Iterator[httpx.Client]:
    """A plain HTTP client of the server."""
    with httpx.Client(base_url=server.url, headers={"content-type": "application/json"}) as client:
        yield client


@pytest.fixture
def collection(store: Any) -> Any:
    """Two records of three dimensions."""
    birds = store.create_collection("birds", embedding_function=None)
    birds.add(
        ids=["wren", "crow"],
        embeddings=[[1, 0, 0], [0, 1, 0]],
        documents=["small", "black"],
        metadatas=[{"g": 9}, None],
    )
    return birds

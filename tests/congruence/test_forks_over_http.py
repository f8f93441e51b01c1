"""Chroma's own client forks on our server, as it does on Chroma's cloud."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import chromadb
import pytest
from chromadb.api.types import IndexingStatus, ReadLevel
from chromadb.errors import ChromaError, NotFoundError

import chroma_nb


@pytest.fixture
def port() -> Iterator[int]:
    with chroma_nb.EphemeralClient() as store, chroma_nb.serve(store, port=0) as server:
        yield server.port


def filled(client: Any) -> Any:
    birds = client.create_collection("birds", metadata={"by": "me"}, embedding_function=None)
    birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], documents=["small", "black"])
    return birds


@pytest.mark.usefixtures("closed_connections")
def test_chromas_client_forks(port: int) -> None:
    client = chromadb.HttpClient(port=port)
    birds = filled(client)
    fork = birds.fork("trial")
    assert (type(fork), fork.name, fork.metadata) == (type(birds), "trial", {"by": "me"})
    assert fork.get() == birds.get()
    fork.delete(ids=["wren"])
    assert (fork.count(), birds.count()) == (1, 2)
    assert (fork.fork_count(), birds.fork_count()) == (1, 1)
    assert birds.get_indexing_status() == IndexingStatus(2, 0, 2, 1.0)
    assert fork.get_indexing_status() == IndexingStatus(3, 0, 3, 1.0)
    for level in ReadLevel:
        assert birds.count(read_level=level) == 2
        assert birds.search(chromadb.Search(), read_level=level)["ids"] == [["wren", "crow"]]
    with pytest.raises(ChromaError, match=r"Collection \[trial\] already exists") as taken:
        birds.fork("trial")
    assert type(taken.value) is ChromaError
    client.delete_collection("birds")
    with pytest.raises(NotFoundError, match="does not exist"):
        birds.fork("more")


def test_chromas_asynchronous_client_forks(port: int) -> None:
    async def conversation() -> None:
        client = await chromadb.AsyncHttpClient(port=port)
        birds = await client.create_collection("birds", embedding_function=None)
        await birds.add(ids=["wren"], embeddings=[[1, 0]])
        fork = await birds.fork("trial")
        assert (await fork.get())["ids"] == ["wren"]
        assert await birds.fork_count() == 1
        assert await fork.get_indexing_status() == IndexingStatus(1, 0, 1, 1.0)
        for server in {client._server, client._admin_client._server}:
            await server._cleanup()

    asyncio.run(conversation())

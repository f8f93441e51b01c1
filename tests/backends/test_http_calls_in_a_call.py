"""A signal handler, ``__del__`` or a callback may use a client over HTTP in the middle of a call of the same client."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from calls_in_a_call import interrupted, lines_of, spread, watchdog

import chroma_nb
from chroma_nb.backends.http import exchange, transport
from chroma_nb.config import Settings
from chroma_nb.errors import ChromaError


@pytest.fixture
def server(no_place_is_open: None) -> Iterator[Any]:
    with (
        chroma_nb.EphemeralClient(Settings(allow_reset=True)) as store,
        chroma_nb.serve(store, port=0, allow_reset=True) as server,
    ):
        yield server


@pytest.fixture
def client(server: Any) -> Iterator[Any]:
    with chroma_nb.HttpClient(port=server.port) as client:
        birds = client.create_collection("birds", embedding_function=None)
        birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], documents=["a wren", "a crow"])
        yield client


def new() -> str:
    return uuid.uuid4().hex


def birds(client: Any) -> Any:
    return client.get_collection("birds", embedding_function=None)


def write(client: Any, verb: str) -> list[str]:
    """Records of one call, read back."""
    ids = [new() for _ in range(3)]
    getattr(birds(client), verb)(ids=ids, embeddings=[[0, 5], [5, 0], [5, 5]])
    return [str(len(birds(client).get(ids=ids)["ids"]))]


def made_and_deleted(client: Any) -> int:
    name = new()
    client.create_collection(name, embedding_function=None).modify(metadata={"a": 1})
    client.delete_collection(name)
    return len([one for one in client.list_collections() if one.name == name])


def deleted(client: Any) -> Any:
    name = new()
    birds(client).add(ids=name, embeddings=[7, 7])
    return birds(client).delete(ids=[name])


#: Name -> a call that returns the same whatever was written by the others.
CALLS: dict[str, Callable[[Any], Any]] = {
    "add": lambda client: write(client, "add"),
    "upsert": lambda client: write(client, "upsert"),
    "update": lambda client: birds(client).update(ids="wren", embeddings=[1, 0]),
    "delete": deleted,
    "get": lambda client: birds(client).get(ids=["wren", "crow"], include=["documents", "embeddings"])["documents"],
    "query": lambda client: birds(client).query(query_embeddings=[[1, 0]], n_results=1)["ids"],
    "count": lambda client: birds(client).count() >= 2,
    "peek": lambda client: birds(client).peek(1)["ids"],
    "create, modify, delete": made_and_deleted,
    "list": lambda client: [one.name for one in client.list_collections() if one.name == "birds"],
    "identity": lambda client: (client.get_version(), client.get_max_batch_size(), client.heartbeat() > 0),
    "tenant": lambda client: client.set_tenant("default_tenant"),
}


@pytest.mark.parametrize("outer", CALLS)
def test_every_call_works_in_the_middle_of_every_other(client: Any, outer: str) -> None:
    expected = {name: call(client) for name, call in CALLS.items()}
    inner, told = list(CALLS), []

    def handler() -> None:
        name = inner[len(told) % len(inner)]
        told.append((name, CALLS[name](client)))

    with watchdog(60):
        chosen = spread(lines_of(lambda: CALLS[outer](client)), 3 * len(CALLS), shift=list(CALLS).index(outer) * 7)
        result, _ = interrupted(lambda: CALLS[outer](client), handler, chosen.__contains__)
    assert result == expected[outer]
    assert {name for name, _ in told} == set(CALLS)
    assert all(value == expected[name] for name, value in told)


@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.long)])
def test_at_every_line_of_a_call_another_works(client: Any, step: int) -> None:
    told = []
    with watchdog(300):
        result, lines = interrupted(
            client.count_collections, lambda: told.append(client.get_version()), lambda line: line % step == 0
        )
    assert result == 1
    assert told == ["1.5.9"] * -(-lines // step)
    assert lines > 300  # those of httpx, which hold the locks, among them


def test_a_call_in_a_call_in_a_call_works(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    send, told, versions = transport._Line.send, [], []

    def calling(line: Any, call: Any) -> Any:
        if len(told) < 3:
            told.append("asked")
            versions.append(client.get_version())
        return send(line, call)

    monkeypatch.setattr(transport._Line, "send", calling)
    with watchdog(60):
        assert client.count_collections() == 1
    assert versions == ["1.5.9"] * 3


def test_a_client_that_is_closed_in_the_middle_of_its_call_finishes_it_and_closes(server: Any, client: Any) -> None:
    with watchdog(120):
        lines = lines_of(client.count_collections)
        for line in spread(lines, 60):
            other = chroma_nb.HttpClient(port=server.port)
            try:
                result = interrupted(other.count_collections, other.close, line.__eq__)[0]
            except (AttributeError, ChromaError) as error:  # before it began
                assert "closed" in str(error)  # noqa: PT017  # both are right
            else:
                assert result == 1
            other.close()  # where this call had fewer lines
            assert other._system._connections.is_closed
            with pytest.raises(AttributeError, match="is closed"):
                other.count_collections()


def test_a_write_in_batches_is_finished_though_its_client_is_closed_meanwhile(
    server: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = exchange.batches
    monkeypatch.setattr(exchange, "batches", lambda records, size: whole(records, 2))
    other = chroma_nb.HttpClient(port=server.port)
    handle, sent = birds(other), []
    send = transport._Line.send

    def closing(line: Any, call: Any) -> Any:
        sent.append(call)
        if len(sent) == 3:
            other.close()
        return send(line, call)

    monkeypatch.setattr(transport._Line, "send", closing)
    handle.add(ids=[f"b{n}" for n in range(8)], embeddings=[[n, 1] for n in range(8)])
    assert birds(client).count() == 10
    assert other._system._connections.is_closed


def test_an_interrupt_leaves_no_mark(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = client._system
    backend._inside.add(threading.get_ident())  # as an interrupt in a finally leaves it
    monkeypatch.setattr(backend, "_connect", lambda: pytest.fail("the connections that there are would do"))
    assert client.count_collections() == 1

"""A client that was just made reads the records it is asked for, and returns what one that has read all returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chroma_nb
from chroma_nb.client.shared_system_client import SharedSystemClient
from chroma_nb.display import formatters
from chroma_nb.display.formatters import SEARCHED
from chroma_nb.engine.memory import loading, part

COUNT = 60
INCLUDE = ["embeddings", "documents", "metadatas", "uris"]


@contextmanager
def over_http(directory: Path) -> Iterator[Any]:
    with (
        chroma_nb.PersistentClient(directory) as store,
        chroma_nb.serve(store, port=0) as server,
        chroma_nb.HttpClient(port=server.port) as client,
    ):
        yield client


@pytest.fixture(params=["memory", "disk", "http"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Opens the place as a new process does; in memory, where there is none, once and for all."""
    SharedSystemClient.clear_system_cache()
    with ExitStack() as stack:
        if request.param == "memory":
            ephemeral = stack.enter_context(chroma_nb.EphemeralClient())
            yield lambda: ephemeral
        else:
            make = over_http if request.param == "http" else chroma_nb.PersistentClient

            def new() -> Any:
                stack.pop_all().close()
                SharedSystemClient.clear_system_cache()
                return stack.enter_context(make(tmp_path / "db"))

            yield new
    SharedSystemClient.clear_system_cache()


def filled(client: Any) -> Any:
    birds = client.get_or_create_collection("birds", embedding_function=None)
    numbers = range(COUNT)
    birds.add(
        ids=[f"r{n}" for n in numbers],
        embeddings=np.arange(2 * COUNT, dtype=np.float32).reshape(COUNT, 2),
        documents=[f"text {n}" for n in numbers],
        metadatas=[{"n": n} if n % 3 else None for n in numbers],
        uris=[f"file:{n}" if n % 2 else None for n in numbers],
    )
    birds.delete(ids=["r0", "r7", "r8", "r59"])
    birds.update(ids=["r9"], documents=["another"], embeddings=[[5.0, 5.0]], metadatas=[{"m": True}])
    birds.upsert(ids=["r8", "r10"], embeddings=[[1, 1], [2, 2]], documents=["back", "changed"])
    return birds


def birds_of(client: Any) -> Any:
    return client.get_collection("birds", embedding_function=None)


def plain(result: Any) -> dict[str, Any]:
    return {**result, "embeddings": None if result["embeddings"] is None else np.asarray(result["embeddings"]).tolist()}


CALLS: list[dict[str, Any]] = [
    {"ids": ["r9"]},
    {"ids": ["r40", "r8", "nobody", "r7", "r1"]},
    {"ids": ["nobody"]},
    {"ids": [f"r{n}" for n in range(COUNT)]},
    {"ids": ["r5", "r4", "r3"], "limit": 1, "offset": 1},
    {"limit": 5},
    {"limit": 5, "offset": 5},
    {"limit": 5, "offset": 53},
    {"limit": 5, "offset": 54},
    {"limit": 5, "offset": 10_000},
    {"offset": 50},
    {"limit": 1_000},
    {"ids": ["r9", "r10"], "include": []},
    {"limit": 3, "include": ["metadatas"]},
    {"limit": 3, "include": ["uris", "documents"]},
]


@pytest.mark.parametrize("always", [0, 10, 100])
def test_a_client_just_made_returns_what_one_returns_that_has_read_everything(
    opened: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, always: int
) -> None:
    monkeypatch.setattr(part, "_ALWAYS", always)  # below it, small collections are read as large ones are
    filled(opened())
    new = birds_of(opened())
    before = [plain(new.get(**{"include": INCLUDE, **call})) for call in CALLS]
    peeked, counted = plain(new.peek(4)), new.count()
    loaded = birds_of(opened())
    everything = plain(loaded.get(include=INCLUDE))
    loaded.query(query_embeddings=[[1, 1]], where={"n": 1})
    assert before == [plain(loaded.get(**{"include": INCLUDE, **call})) for call in CALLS]
    assert peeked == plain(loaded.peek(4))
    assert counted == loaded.count() == len(everything["ids"])
    for call, found in zip(CALLS, before, strict=True):
        offset, limit = call.get("offset", 0), call.get("limit")
        wanted = [ident for ident in everything["ids"] if ident in call.get("ids", everything["ids"])]
        assert found["ids"] == wanted[offset:][:limit]


def test_get_by_ids_pages_count_and_displays_read_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_place_is_open: None
) -> None:
    with chroma_nb.PersistentClient(tmp_path / "db") as client:
        large = client.create_collection("birds", embedding_function=None)
        for start in range(0, SEARCHED + 1, 5_000):
            size = min(5_000, SEARCHED + 1 - start)
            large.add(ids=[str(start + n) for n in range(size)], embeddings=np.ones((size, 2), np.float32))
    monkeypatch.setattr(loading, "advance", lambda *_: pytest.fail("the collection was loaded"))
    with chroma_nb.PersistentClient(tmp_path / "db") as client:
        birds = birds_of(client)
        assert birds.get(ids=["7"], include=["embeddings"])["embeddings"].tolist() == [[1, 1]]
        assert birds.peek()["ids"] == [str(n) for n in range(10)]
        assert birds.get(limit=2, offset=19_000)["ids"] == ["19000", "19001"]
        assert birds.count() == SEARCHED + 1
        assert f"{SEARCHED + 1:,}" in formatters.collection_html(birds)
        assert f"{SEARCHED + 1:,}" in formatters.client_html(client)
        assert "19000" in formatters.result_html(birds.get(limit=2, offset=19_000))
        assert "birds" in repr(birds)

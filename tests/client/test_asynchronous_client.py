"""The asynchronous client over the embedded engine, as an adapter: it says what the synchronous one says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pandas
import pytest

import chroma_nb
from chroma_nb import _blocking
from chroma_nb.backends import opening
from chroma_nb.backends.embedded import EmbeddedBackend, open_embedded
from chroma_nb.backends.http._async import conversation
from chroma_nb.client._async.admin import AsyncAdminClient
from chroma_nb.client._async.client import AsyncClient
from chroma_nb.config import Settings
from chroma_nb.dataframe_calls import read, run_async, sync, write
from chroma_nb.embedding_functions.base import EmbeddingFunction
from chroma_nb.errors import NotFoundError
from chroma_nb.interchange import arrow, json_lines, parquet
from chroma_nb.operations import asking, prepare
from chroma_nb.operations.requests import R, Request
from chroma_nb.records import Records
from chroma_nb.tables import batches, frames, rows
from chroma_nb.tables._async import reading, syncing, writing
from chroma_nb.types import Documents, Embeddings

SETTINGS = Settings(chroma_api_impl="chromadb.api.async_fastapi.AsyncFastAPI", allow_reset=True)


class Awaited:
    """An embedded backend whose answers are awaited."""

    edits_at_once = False

    def __init__(self, settings: Settings) -> None:
        self._backend: EmbeddedBackend = open_embedded(settings)
        self.identifier, self.settings = self._backend.identifier, settings

    async def handle(self, request: Request[R]) -> R:
        await asyncio.sleep(0)
        return self._backend.handle(request)

    async def close(self) -> None:
        self._backend.close()

    def stop(self) -> None:
        self._backend.stop()


class Threads(EmbeddingFunction[Documents]):
    """Tells which threads it ran in."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, input: Documents) -> Embeddings:
        self.seen.append(threading.get_ident())
        return [[float(len(text)), 1.0] for text in input]  # type: ignore[misc]


@pytest.fixture(autouse=True)
def _asynchronous_clients_are_embedded(no_place_is_open: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "ASYNC_BACKENDS", {"AsyncFastAPI": Awaited})


def test_the_whole_life_of_a_collection() -> None:
    async def life() -> Any:
        async with await AsyncClient.create(settings=SETTINGS) as client:
            assert type(client).__name__ == "AsyncClient"
            birds = await client.create_collection("birds", {"hnsw": {"space": "cosine"}}, {"year": 2024})
            assert type(birds).__name__ == "AsyncCollection"
            await birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=[{"g": 9}, {"g": 500}])
            await birds.update(ids="wren", metadatas={"g": 10})
            await birds.upsert(ids="jay", embeddings=[1, 1])
            assert await birds.delete(ids="jay") == {"deleted": 1}
            assert (await birds.peek(1))["ids"] == ["wren"]
            assert (await birds.get(where={"g": 10}))["ids"] == ["wren"]
            assert (await birds.query(query_embeddings=[[0, 2]], n_results=1))["ids"] == [["crow"]]
            assert await birds.explain(query_embeddings=[[0, 2]])
            await birds.modify(name="small-birds")
            assert (await client.get_collection("small-birds", birds.id)).id == birds.id
            assert [one.name for one in await client.list_collections()] == ["small-birds"]
            assert await client.verify() == []
            assert await client.reset()
            return await client.count_collections()

    assert asyncio.run(life()) == 0


def test_embedding_keeps_no_event_loop_waiting() -> None:
    function = Threads()

    async def embed() -> None:
        client = await AsyncClient.create(settings=SETTINGS)
        notes = await client.create_collection("notes", embedding_function=function)
        await notes.add(ids="a", documents="four")
        await notes.query(query_texts="five!", n_results=1)

    asyncio.run(embed())
    assert len(function.seen) == 2
    assert threading.get_ident() not in function.seen


def while_the_loop_goes_on(work: Callable[..., Any], went_on: list[bool]) -> Callable[..., Any]:
    """``work``, noting whether the event loop that is running now goes on meanwhile."""
    loop = asyncio.get_running_loop()

    def working(*given: Any, **named: Any) -> Any:
        beat = threading.Event()
        loop.call_soon_threadsafe(beat.set)
        went_on.append(beat.wait(10))  # in the loop's own thread nobody would set it
        return work(*given, **named)

    return working


BIRDS = pandas.DataFrame({"id": ["wren", "crow"], "embedding": [[1.0, 0.0], [0.0, 2.0]]})
NUMBERED = BIRDS[["embedding"]]


@pytest.mark.parametrize(
    ("call", "steps"),
    [
        (lambda birds, path: birds.add(BIRDS), [(rows, "from_frame"), (writing, "_fits_memory")]),
        (lambda birds, path: birds.upsert_df(BIRDS), [(rows, "from_frame"), (writing, "only_uris")]),
        (lambda birds, path: birds.update_df(NUMBERED), [(writing, "plan_sync"), (writing, "_others")]),
        (lambda birds, path: birds.sync(BIRDS), [(syncing, "plan_sync"), (syncing, "new_without_content")]),
        (lambda birds, path: birds.to_df(), [(frames, "to_frame"), (asking, "get")]),
        (lambda birds, path: birds.to_df(columns=["id", "g"]), [(reading, "values_by_key")]),
        (lambda birds, path: birds.get(), [(asking, "get")]),
        (lambda birds, path: birds.delete(ids=["crow"]), [(prepare, "delete")]),
        (lambda birds, path: birds.to_jsonl(path), [(json_lines, "JsonLinesFile"), (Records, "of_result")]),
        (lambda birds, path: birds.from_jsonl(path), [(json_lines, "_records"), (json_lines, "_next")]),
        (lambda birds, path: birds.to_parquet(path), [(parquet, "ParquetFile"), (Records, "of_result")]),
        (lambda birds, path: birds.from_parquet(path), [(arrow, "from_batch")]),
        (lambda birds, path: birds.to_arrow(), [(arrow, "TableInMemory"), (Records, "of_result")]),
    ],
    ids=lambda given: "-".join(name for _, name in given) if isinstance(given, list) else "",
)
@pytest.mark.parametrize("at_once", [False, True], ids=["calls", "one transaction"])
def test_an_event_loop_goes_on_while_tables_and_files_are_read_checked_and_written(
    call: Callable[[Any, Path], Any],
    steps: list[tuple[object, str]],
    at_once: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    went_on: list[bool] = []
    path = tmp_path / "birds"
    monkeypatch.setattr(Awaited, "edits_at_once", at_once)

    async def life() -> None:
        async with await AsyncClient.create(settings=SETTINGS) as client:
            birds = await client.create_collection("birds", embedding_function=None)
            await birds.add(ids="crow", embeddings=[0, 1], metadatas={"g": 1})
            if "from_parquet" in call.__code__.co_names:
                await birds.to_parquet(path)
            elif "from_jsonl" in call.__code__.co_names:
                await birds.to_jsonl(path)
            for module, name in steps:
                monkeypatch.setattr(module, name, while_the_loop_goes_on(getattr(module, name), went_on))
            await call(birds, path)

    asyncio.run(life())
    assert went_on
    assert all(went_on)


def test_an_event_loop_goes_on_while_calls_of_a_server_are_put_into_bytes_and_read_from_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    went_on: list[bool] = []
    monkeypatch.setattr(opening, "ASYNC_BACKENDS", {"AsyncFastAPI": opening._open_async_http})

    async def life(port: int) -> Any:
        async with await chroma_nb.AsyncHttpClient(port=port) as client:
            birds = await client.get_collection("birds")
            for name in ("encode", "decode"):
                monkeypatch.setattr(conversation, name, while_the_loop_goes_on(getattr(conversation, name), went_on))
            return await birds.get(include=["embeddings"])

    with chroma_nb.EphemeralClient() as store, chroma_nb.serve(store, port=0) as server:
        store.create_collection("birds", embedding_function=None).add(ids="wren", embeddings=[[1, 0]])
        assert asyncio.run(life(server.port))["ids"] == ["wren"]
    assert went_on == [True, True]


# --- Tables that an awaited backend takes in one transaction ---------------------------------------------------------
@pytest.fixture
def by_pieces(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tables are one transaction, and all but a few records wait in the database; the requests that are handled."""
    monkeypatch.setattr(Awaited, "edits_at_once", True)
    for name, few in (("MEMORY_BUDGET", 100), ("STAGED_BYTES", 60), ("BATCH", 2)):
        monkeypatch.setattr(batches, name, few)
    handled: list[str] = []
    handle = Awaited.handle

    async def noting(self: Awaited, request: Request[R]) -> R:
        handled.append(type(request).__name__)
        return await handle(self, request)

    monkeypatch.setattr(Awaited, "handle", noting)
    return handled


def with_notes(folder: Path, work: Callable[[Any, Any], Awaitable[None]]) -> None:
    """Work on a client of a directory, and a collection that holds two records."""
    settings = Settings(chroma_api_impl=SETTINGS.chroma_api_impl, is_persistent=True, persist_directory=str(folder))

    async def life() -> None:
        async with await AsyncClient.create(settings=settings) as client:
            notes = await client.create_collection("notes", embedding_function=Threads())
            await notes.add(ids=["a", "z"], documents=["old", "old"])
            await work(client, notes)
            assert await client.verify() == []

    asyncio.run(life())
    assert list(folder.glob("vectors/*.new")) == []


TEXTS = pandas.DataFrame({"id": list("abcdefgh"), "document": ["text " * n for n in range(1, 9)]})
#: A call that takes a table, and the document of the record "a" afterwards.
TABLE_CALLS = pytest.mark.parametrize(
    ("call", "document"),
    [
        (lambda notes: notes.add(TEXTS), "old"),
        (lambda notes: notes.upsert_df(TEXTS), "text "),
        (lambda notes: notes.sync(TEXTS), "text "),
    ],
    ids=["add", "upsert_df", "sync"],
)


@TABLE_CALLS
def test_an_awaited_table_comes_in_by_pieces_and_counts_at_once(
    call: Callable[[Any], Any], document: str, by_pieces: list[str], tmp_path: Path
) -> None:
    async def work(client: Any, notes: Any) -> None:
        by_pieces.clear()
        await call(notes)
        assert by_pieces.count("Stage") > 1
        assert [name for name in by_pieces if name not in ("Stage", "BeginStaging", "Get")] == ["Publish"]
        got = await notes.get(include=["documents", "embeddings"])
        assert got["ids"] == ["a", "z", *"bcdefgh"]
        assert got["documents"] == [document, "old", *TEXTS["document"][1:]]
        assert [float(row[0]) for row in got["embeddings"]] == [float(len(text)) for text in got["documents"]]

    with_notes(tmp_path, work)


@TABLE_CALLS
@pytest.mark.parametrize("error", [RuntimeError("503"), asyncio.CancelledError()], ids=["error", "cancelled"])
def test_an_awaited_table_that_fails_on_its_way_leaves_nothing(
    call: Callable[[Any], Any],
    document: str,
    error: BaseException,
    by_pieces: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    embed = Threads.__call__

    def embedding(self: Threads, input: Documents) -> Embeddings:
        if "Stage" in by_pieces:
            raise error
        return embed(self, input)

    async def work(client: Any, notes: Any) -> None:
        monkeypatch.setattr(Threads, "__call__", embedding)
        with pytest.raises(type(error)):
            await call(notes)
        assert by_pieces[-1] == "AbandonStaging"
        assert (await notes.get())["documents"] == ["old", "old"]

    with_notes(tmp_path, work)


@TABLE_CALLS
def test_an_awaited_table_that_nobody_awaits_any_more_leaves_nothing(
    call: Callable[[Any], Any],
    document: str,
    by_pieces: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def at_once(call: Callable[..., Any], *given: Any, **named: Any) -> Any:
        return call(*given, **named)

    async def work(client: Any, notes: Any) -> None:
        monkeypatch.setattr(_blocking, "run", at_once)  # so that one step of the coroutine is one request
        coroutine = call(notes)
        while "Stage" not in by_pieces:
            coroutine.send(None)
        coroutine.close()
        assert (await notes.get())["documents"] == ["old", "old"]
        await client.vacuum()

    with_notes(tmp_path, work)


def test_an_awaited_collection_of_chromadb_takes_tables_and_keeps_no_event_loop_waiting() -> None:
    chromadb = pytest.importorskip("chromadb")
    function = Threads()

    async def life(port: int) -> None:
        client = await chromadb.AsyncHttpClient(port=port)
        notes = await client.create_collection("notes", embedding_function=function)
        assert (await run_async(notes, sync(TEXTS[:6]))).added == 6
        changed = TEXTS[2:].assign(document=[None, "new", *TEXTS["document"][4:]])
        done = await run_async(notes, sync(changed, delete=True))
        assert (done.added, done.updated, done.deleted, done.unchanged) == (2, 2, 2, 2)
        assert (await run_async(notes, write("update", TEXTS[:3]))).missing == 2
        frame = await run_async(notes, read(page_size=4))
        assert dict(zip(frame["id"], frame["document"], strict=True)) == {
            **dict(zip(TEXTS["id"][2:], TEXTS["document"][2:], strict=True)),
            "d": "new",
        }
        await client._server.__aexit__(None, None, None)

    with chroma_nb.EphemeralClient() as store, chroma_nb.serve(store, port=0) as server:
        asyncio.run(life(server.port))
    assert function.seen
    assert threading.get_ident() not in function.seen


def test_the_synchronous_client_embeds_where_it_is_called() -> None:
    function = Threads()
    with chroma_nb.EphemeralClient() as client:
        client.create_collection("notes", embedding_function=function).add(ids="a", documents="four")
    assert function.seen == [threading.get_ident()]


def test_many_calls_at_once() -> None:
    async def together() -> int:
        client = await AsyncClient.create(settings=SETTINGS)
        birds = await client.create_collection("birds")
        await asyncio.gather(*(birds.add(ids=str(number), embeddings=[number, 1]) for number in range(20)))
        found = await asyncio.gather(*(birds.get(str(number)) for number in range(20)))
        assert [one["ids"] for one in found] == [[str(number)] for number in range(20)]
        return await birds.count()

    assert asyncio.run(together()) == 20


def test_an_admin_client_and_errors_are_awaited_too() -> None:
    async def administrate() -> list[str]:
        admin = await AsyncAdminClient.create(SETTINGS)
        await admin.create_tenant("acme")
        await admin.create_database("zoo", "acme")
        with pytest.raises(NotFoundError, match="Database"):
            await AsyncClient.create("acme", "garden", SETTINGS)
        await AsyncClient.create("acme", "zoo", SETTINGS)
        names = [database["name"] for database in await admin.list_databases(tenant="acme")]
        await admin.close()
        return names

    assert asyncio.run(administrate()) == ["zoo"]

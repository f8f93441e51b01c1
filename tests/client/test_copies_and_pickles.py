"""Clients and collections can be copied, pickled and sent to another process: path and id are enough."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import dataclasses
import io
import multiprocessing
import os
import pickle
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chroma_nb
from chroma_nb.client._sync.client import Client
from chroma_nb.config import Settings
from chroma_nb.embedding_functions import cached
from chroma_nb.embedding_functions.base import EmbeddingFunction
from chroma_nb.embedding_functions.openai import OpenAIEmbeddingFunction
from chroma_nb.embedding_functions.registry import register_embedding_function
from chroma_nb.errors import NotFoundError

TOKEN = "tiger-tiger-burning-bright"


class Lengths(EmbeddingFunction[Any]):
    """A function of a program, with a state that is not in its configuration."""

    def __init__(self, scale: int = 1) -> None:
        self.scale = scale

    def __call__(self, input: Any) -> Any:
        return [[float(len(text) * self.scale), 1.0] for text in input]

    @staticmethod
    def name() -> str:
        return "lengths-of-the-copies"

    def get_config(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Lengths:
        return Lengths()


@register_embedding_function
class Locked(Lengths):
    """One that no pickle can hold."""

    def __init__(self, scale: int = 1) -> None:
        super().__init__(scale)
        self.lock = threading.Lock()

    @staticmethod
    def name() -> str:
        return "locked-of-the-copies"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Lengths:
        return Locked()


def through_pickle(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@dataclasses.dataclass
class Step:
    """As a pipeline or a program's own object holds them."""

    collection: Any
    client: Any
    n_results: int = 2


@pytest.fixture(autouse=True)
def _fresh(no_place_is_open: None) -> None:
    return None


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Any]:
    with chroma_nb.PersistentClient(tmp_path / "db") as client:
        yield client


def birds_of(client: Any, function: Any = None) -> Any:
    birds = client.create_collection("birds", embedding_function=function, metadata={"year": 2024})
    birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], documents=["a wren", "a crow"])
    return birds


# --- In this process ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy])
def test_a_copied_client_is_another_client_of_the_same_place(sync_client: Any, way: Any) -> None:
    birds_of(sync_client)
    twin = way(sync_client)
    assert (type(twin), twin.tenant, twin.database) == (type(sync_client), sync_client.tenant, sync_client.database)
    twin.get_collection("birds").add(ids="owl", embeddings=[1, 1])
    assert sync_client.get_collection("birds").count() == 3
    twin.close()
    assert sync_client.get_collection("birds").count() == 3


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy])
def test_closing_the_first_leaves_a_copied_client_open(sync_client: Any, way: Any) -> None:
    birds_of(sync_client)
    twin = way(sync_client)
    sync_client.close()
    assert twin.get_collection("birds").count() == 2
    twin.close()
    twin.close()
    with pytest.raises(AttributeError):
        twin.get_collection("birds")


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy])
def test_a_copied_collection_is_a_handle_of_the_same_records(sync_client: Any, way: Any) -> None:
    function = Locked(3)
    birds = birds_of(sync_client, function)
    twin = way(birds)
    assert twin == birds
    assert twin._embedding_function is function
    twin.add(ids="owl", documents="an owl")
    assert birds.get("owl", include=["embeddings"])["embeddings"].tolist() == [[18.0, 1.0]]
    twin.modify(name="small-birds")
    assert (birds.name, twin.name, birds.count()) == ("birds", "small-birds", 3)


@pytest.mark.parametrize("names", [("collection", "client"), ("client", "collection")])
def test_what_holds_a_client_and_a_collection_is_copied_with_them(sync_client: Any, names: tuple[str, str]) -> None:
    held = {"collection": birds_of(sync_client), "client": sync_client}
    twin = copy.deepcopy({name: held[name] for name in names})
    assert twin["collection"]._client._backend is twin["client"]._backend
    sync_client.close()
    assert twin["collection"].count() == 2
    twin["client"].close()
    with pytest.raises(AttributeError):
        twin["collection"].count()


def test_dataclasses_and_estimators_copy_what_they_hold(local_client: Any) -> None:
    sklearn = pytest.importorskip("sklearn.base")

    class Retriever(sklearn.BaseEstimator):  # type: ignore[misc, name-defined]
        def __init__(self, collection: Any = None) -> None:
            self.collection = collection

    birds = birds_of(local_client)
    assert sklearn.clone(Retriever(birds)).collection.count() == 2
    step = dataclasses.asdict(Step(birds, local_client))
    assert step["collection"].count() == step["client"].get_collection("birds").count() == 2


def test_a_copied_admin_client_has_a_close_of_its_own(local_client: Any) -> None:
    admin = chroma_nb.AdminClient(local_client.get_settings())
    for way in (copy.copy, copy.deepcopy):
        twin = way(admin)
        twin.create_database(f"zoo-{way.__name__}")
        twin.close()
        twin.close()  # gives nobody else's reference back
    admin.close()
    admin.close()
    assert local_client.count_collections() == 0


def test_a_closed_client_stays_closed(local_client: Any, tmp_path: Path) -> None:
    with chroma_nb.PersistentClient(tmp_path / "other") as client:
        birds = birds_of(client)
    for twin in (copy.copy(client), copy.deepcopy(client), through_pickle(client)):
        with pytest.raises(AttributeError, match="closed"):
            twin.count_collections()
    for handle in (copy.copy(birds), copy.deepcopy(birds), through_pickle(birds)):
        with pytest.raises(AttributeError, match="closed"):
            handle.count()


# --- Pickled ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_client_and_collection_of_a_directory_are_the_same_place(disk: Any, protocol: int) -> None:
    birds = birds_of(disk)
    client, twin = pickle.loads(pickle.dumps((disk, birds), protocol))
    assert twin == birds
    assert twin.get()["ids"] == ["wren", "crow"]
    client.get_collection("birds").add(ids="owl", embeddings=[1, 1])
    assert birds.count() == twin.count() == 3
    client.close()
    assert birds.count() == 3


def test_a_pickled_collection_outlives_the_client_it_came_from(disk: Any) -> None:
    kept = pickle.dumps(birds_of(disk))
    disk.close()
    assert pickle.loads(kept).count() == 2


def test_a_pickle_conflicts_with_no_settings_of_whoever_opens_it(tmp_path: Path) -> None:
    with chroma_nb.PersistentClient(tmp_path, Settings(allow_reset=True)) as client:
        kept = pickle.dumps((client, birds_of(client)))
    with chroma_nb.PersistentClient(tmp_path) as other:
        client, birds = pickle.loads(kept)
        assert birds.count() == other.get_collection("birds").count() == 2
        assert client.get_settings().allow_reset is True
        assert client.reset()
        assert other.count_collections() == 0


def test_a_relative_path_means_the_directory_it_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    client = chroma_nb.PersistentClient("db")
    birds = birds_of(client)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert through_pickle(birds).count() == 2
    assert os.listdir(tmp_path / "elsewhere") == []
    client.close()


def test_a_directory_that_is_gone_is_an_error_and_not_an_empty_database(tmp_path: Path) -> None:
    with chroma_nb.PersistentClient(tmp_path / "db") as client:
        kept = pickle.dumps(birds_of(client))
    shutil.rmtree(tmp_path / "db")
    with pytest.raises(NotFoundError, match=r"needs the database in .*db, which does not exist"):
        pickle.loads(kept)
    assert not (tmp_path / "db").exists()


def test_a_collection_that_was_deleted_meanwhile_is_not_found(disk: Any) -> None:
    kept = pickle.dumps(birds_of(disk))
    disk.delete_collection("birds")
    with pytest.raises(NotFoundError):
        pickle.loads(kept).count()


def test_a_store_in_memory_cannot_be_pickled_and_says_why() -> None:
    with chroma_nb.EphemeralClient() as client:
        for value in (client, birds_of(client), Step(client.get_collection("birds"), client)):
            with pytest.raises(
                TypeError, match=r"Cannot pickle a client or a collection of an in-memory database.*Persist"
            ):
                pickle.dumps(value)


def test_a_program_may_derive_from_the_client(tmp_path: Path) -> None:
    client = Derived(
        "default_tenant", "default_database", Settings(is_persistent=True, persist_directory=str(tmp_path))
    )
    client.note = ["mine"]
    for twin in (copy.deepcopy(client), through_pickle(client)):
        assert (type(twin), twin.note, twin.count_collections()) == (Derived, ["mine"], 0)
        assert twin.note is not client.note
        twin.close()
    client.close()


class Derived(Client):
    note: Any = None


# --- Embedding functions --------------------------------------------------------------------------------------
def test_a_function_that_can_be_pickled_is_kept_with_its_state(disk: Any) -> None:
    birds = through_pickle(birds_of(disk, Lengths(5)))
    birds.add(ids="owl", documents="an owl")
    assert birds.get("owl", include=["embeddings"])["embeddings"].tolist() == [[30.0, 1.0]]


def test_one_that_cannot_is_built_from_the_stored_configuration(disk: Any) -> None:
    birds = through_pickle(birds_of(disk, Locked()))
    birds.add(ids="owl", documents="an owl")
    assert birds.get("owl", include=["embeddings"])["embeddings"].tolist() == [[6.0, 1.0]]


def test_one_that_can_neither_be_pickled_nor_built_is_missed_when_it_is_needed(disk: Any) -> None:
    class Local(EmbeddingFunction[Any]):
        def __init__(self) -> None: ...

        def __call__(self, input: Any) -> Any:
            return [[1.0, 2.0] for _ in input]

    birds = birds_of(disk, Local())
    twin = through_pickle(birds)
    assert twin.count() == 2
    with pytest.raises(ValueError, match="must provide an embedding function"):
        twin.add(ids="owl", documents="an owl")


def test_a_cached_function_keeps_its_file(disk: Any, tmp_path: Path) -> None:
    function = cached(Lengths(), path=tmp_path / "vectors.sqlite3", max_vectors=10)
    function(["a wren"])
    for twin in (copy.copy(function), copy.deepcopy(function), through_pickle(function)):
        assert twin._vectors.path == tmp_path / "vectors.sqlite3"
        assert twin._vectors.max_vectors == 10
        assert twin(["a wren"])[0].tolist() == [6.0, 1.0]
    assert through_pickle(birds_of(disk, function))._embedding_function.embedding_function.scale == 1


def test_a_functions_key_stays_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(DeprecationWarning, match="api_key"):
        function = OpenAIEmbeddingFunction(api_key=TOKEN, default_headers={"Authorization": TOKEN, "X-Team": "blue"})
    for twin in (copy.copy(function), copy.deepcopy(function)):
        assert twin._key.value() == twin._headers["Authorization"] == TOKEN
    kept = pickle.dumps(function)
    assert TOKEN.encode() not in kept
    assert pickle.loads(kept)._headers == {"X-Team": "blue"}


# --- Servers ----------------------------------------------------------------------------------------------------
@pytest.fixture
def server() -> Iterator[Any]:
    with chroma_nb.EphemeralClient() as store, chroma_nb.serve(store, port=0, token=TOKEN) as server:
        yield server


def with_token(port: int, **more: Any) -> Settings:
    return Settings(
        chroma_client_auth_provider="chromadb.auth.token_authn.TokenAuthClientProvider",
        chroma_client_auth_credentials=TOKEN,
        chroma_server_host="localhost",
        chroma_server_http_port=port,
        **more,
    )


def test_a_client_of_a_server_is_pickled_without_asking_it(disk: Any) -> None:
    birds_of(disk)
    with chroma_nb.serve(disk, port=0) as server, chroma_nb.HttpClient(port=server.port) as client:
        kept = pickle.dumps((client, client.get_collection("birds")))
        twin, birds = pickle.loads(kept)
        assert (birds.count(), twin.count_collections()) == (2, 1)
        twin.close()
    assert repr(pickle.loads(kept)[0]) == repr(client)


@pytest.mark.parametrize(
    "settings",
    [
        {"chroma_client_auth_credentials": TOKEN},
        {"chroma_server_headers": {"X-Whatever": TOKEN}},
        {"chroma_server_host": f"http://me:{TOKEN}@localhost"},
    ],
)
def test_a_secret_goes_into_no_pickle(settings: dict[str, Any]) -> None:
    settings = {"chroma_server_host": "localhost", "chroma_server_http_port": 1, **settings}
    client = chroma_nb.AdminClient(Settings(chroma_api_impl="chromadb.api.fastapi.FastAPI", **settings))
    with pytest.raises(TypeError, match=r"which the pickle would show\. Create the client where") as told:
        pickle.dumps(client)
    assert TOKEN not in str(told.value)
    buffer = io.BytesIO()
    with pytest.raises(TypeError):
        pickle.Pickler(buffer).dump(client)
    assert TOKEN.encode() not in buffer.getvalue()
    assert copy.deepcopy(client)._system.settings == client._system.settings
    client.close()


def test_a_secret_of_the_environment_is_left_out_and_read_there(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMA_CLIENT_AUTH_CREDENTIALS", TOKEN)
    with chroma_nb.HttpClient(port=server.port, settings=with_token(server.port)) as client:
        birds_of(client)
        kept = pickle.dumps((client, client.get_collection("birds")))
    assert TOKEN.encode() not in kept
    twin, birds = pickle.loads(kept)
    assert birds.count() == 2
    twin.close()
    monkeypatch.delenv("CHROMA_CLIENT_AUTH_CREDENTIALS")
    with pytest.raises(ValueError, match="variables here: CHROMA_CLIENT_AUTH_CREDENTIALS"):
        pickle.loads(kept)


def test_an_asynchronous_client_is_copied_and_pickled(disk: Any) -> None:
    birds_of(disk)

    async def count(client: Any, birds: Any) -> list[int]:
        counted = [await birds.count(), await client.count_collections()]
        await client.close()
        return counted

    async def make(port: int) -> Any:
        client = await chroma_nb.AsyncHttpClient(port=port)
        birds = await client.get_collection("birds")
        for pair in (copy.deepcopy((client, birds)), through_pickle((client, birds)), (copy.copy(client), birds)):
            assert await count(*pair) == [2, 1]
        kept = pickle.dumps((client, birds))
        assert await count(client, birds) == [2, 1]
        return kept

    with chroma_nb.serve(disk, port=0) as server:
        kept = asyncio.run(make(server.port))
        assert asyncio.run(count(*pickle.loads(kept))) == [2, 1]


# --- Another process --------------------------------------------------------------------------------------------
def looked_at(client: Any, birds: Any) -> tuple[Any, ...]:
    os.chdir("/")
    birds.add(ids=["there"], documents=["written there"])
    return client.count_collections(), birds.count(), birds.get()["documents"], birds


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_another_process_has_the_same_collection(method: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        chroma_nb.PersistentClient("db") as client,
        concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool,
    ):
        birds = birds_of(client, Lengths(2))
        collections, count, documents, twin = pool.submit(looked_at, client, birds).result(timeout=60)
        assert (collections, count, documents[-1]) == (1, 3, "written there")
        assert birds.get("there", include=["embeddings"])["embeddings"].tolist() == [[26.0, 1.0]]
        assert (twin.id, twin.count(), twin._embedding_function.scale) == (birds.id, 3, 2)


# --- Results ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy])  # a pickle of one is a plain dict: see test_results.py
def test_results_stay_what_they_are(disk: Any, way: Any) -> None:
    birds = birds_of(disk)
    got = birds.get(include=["documents", "embeddings"], where_document={"$contains": "wren"})
    found = birds.query(query_embeddings=[[1, 0]])
    twin = way(got)
    assert type(twin) is type(got)
    assert twin["ids"] == ["wren"]
    assert np.array_equal(twin["embeddings"], got["embeddings"])
    assert twin.where_document == got.where_document
    assert way(found) == found
    assert way(found).to_df().equals(found.to_df())

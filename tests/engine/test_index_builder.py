"""The thread that makes codes and graphs: when it starts, and that it is given back."""

from __future__ import annotations

import threading
import time
import warnings

import numpy as np
import pytest
from engine_samples import create, nearest, numbered, numbered_vector, records, vectors

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.index import hnsw
from chroma_nb.engine.index.hnsw import HnswIndex
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.search import planner


@pytest.fixture(autouse=True)
def _with_hnswlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMA_NB_NO_HNSW", raising=False)
    if not HnswIndex.available():
        pytest.skip("hnswlib is not installed")


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs for small collections too, at their first query."""
    monkeypatch.setattr(planner, "SMALLEST_GRAPH_BYTES", 0)
    monkeypatch.setattr(planner, "SHARE_OF_BUILD", 0.0)


def index_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "chroma_nb indexes"]


def method(engine: Engine, collection, number: int = 3) -> str:
    asked = np.array([numbered_vector(number)], np.float32)
    return engine.explain(collection, asked, 3, None, None, ())["method"]


def test_small_collections_start_no_thread(engine: Engine) -> None:
    before = len(index_threads())
    collection = create(engine)
    engine.add(collection, numbered(0, 200))
    for number in range(20):
        nearest(engine, collection, numbered_vector(number), 3)
    assert len(index_threads()) == before


@pytest.mark.usefixtures("eager")
def test_a_graph_is_built_when_searching_has_cost_its_share(engine: Engine) -> None:
    collection = create(engine)
    engine.add(collection, numbered(0, 200))
    assert method(engine, collection) == "scan"
    nearest(engine, collection, numbered_vector(3), 3)
    assert engine.builder.wait(60)
    assert method(engine, collection) == "graph"
    assert nearest(engine, collection, numbered_vector(3), 1) == ["r3"]


@pytest.mark.usefixtures("eager")
def test_records_newer_than_the_graph_are_found_and_deleted_ones_are_not(engine: Engine) -> None:
    collection = create(engine)
    engine.add(collection, numbered(0, 200))
    nearest(engine, collection, numbered_vector(3), 3)
    assert engine.builder.wait(60)
    engine.add(collection, numbered(300, 50))
    engine.update(collection, numbered(7, 1, version=2))
    engine.delete(collection, ["r9"], None)
    assert method(engine, collection) == "graph"
    assert nearest(engine, collection, numbered_vector(333), 1) == ["r333"]
    assert nearest(engine, collection, numbered_vector(7, 2), 1) == ["r7"]
    assert "r9" not in nearest(engine, collection, numbered_vector(9), 10)
    assert "r7" not in nearest(engine, collection, numbered_vector(7), 1)


@pytest.mark.usefixtures("eager")
def test_the_graph_of_a_reopened_directory_comes_from_its_cache(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SharedEngine.open(tmp_path / "db")
    collection = create(engine)
    engine.add(collection, numbered(0, 300))
    nearest(engine, collection, numbered_vector(3), 3)
    assert engine.builder.wait(60)
    engine.close()
    if not list((tmp_path / "db" / "cache").glob("*.json")):
        pytest.skip("this hnswlib's graphs are not stored")

    def refuse(*args: object, **more: object) -> None:
        raise AssertionError("built although it lies in the cache")

    monkeypatch.setattr(HnswIndex, "build", refuse)
    engine = SharedEngine.open(tmp_path / "db")
    nearest(engine, collection, numbered_vector(3), 3)
    assert engine.builder.wait(60)
    assert method(engine, collection) == "graph"
    engine.close()


@pytest.mark.usefixtures("eager")
def test_closing_stops_a_build_and_joins_the_thread(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hnsw, "CHUNK", 50)
    before = len(index_threads())
    engine = SharedEngine.open(tmp_path / "db")
    collection = create(engine, ef_construction=400)
    given = vectors(20_000, 64)
    engine.add(collection, records([str(row) for row in range(len(given))], given))
    engine.query(collection, given[:1], 3, None, None, ())
    started = time.monotonic()
    engine.close()
    assert time.monotonic() - started < 5
    assert len(index_threads()) == before


@pytest.mark.usefixtures("eager")
def test_a_build_that_fails_is_a_warning_and_searching_goes_on(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **more: object) -> None:
        raise MemoryError("not enough")

    monkeypatch.setattr(HnswIndex, "build", fail)
    collection = create(engine)
    engine.add(collection, numbered(0, 200))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nearest(engine, collection, numbered_vector(3), 3)
        assert engine.builder.wait(60)
        assert nearest(engine, collection, numbered_vector(3), 1) == ["r3"]
        assert engine.builder.wait(60)
    assert "searches exactly instead" in str(caught[0].message)


@pytest.mark.usefixtures("eager")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of SystemExit
@pytest.mark.parametrize("failure", [MemoryError("not enough"), RuntimeWarning("not saved"), SystemExit("at once")])
def test_a_failure_where_warnings_are_errors_does_not_end_building(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    """Here they are: nobody could catch one in that thread."""
    build, failed = HnswIndex.build, []

    def fail_once(*args: object, **more: object) -> object:
        if not failed:
            failed.append(1)
            raise failure
        return build(*args, **more)

    monkeypatch.setattr(HnswIndex, "build", fail_once)
    collection = create(engine)
    engine.add(collection, numbered(0, 200))
    nearest(engine, collection, numbered_vector(3), 3)
    assert engine.builder.wait(60)
    assert failed
    assert method(engine, collection) == "scan"
    nearest(engine, collection, numbered_vector(3), 3)
    assert engine.builder.wait(60)
    assert method(engine, collection) == "graph"


@pytest.mark.usefixtures("eager")
def test_a_collection_deleted_during_its_build_harms_nobody(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    build, reached, go_on = HnswIndex.build, threading.Event(), threading.Event()

    def slow(*args: object, **more: object) -> object:
        reached.set()
        go_on.wait(10)
        return build(*args, **more)

    monkeypatch.setattr(HnswIndex, "build", slow)
    collection = create(engine)
    engine.add(collection, numbered(0, 200))
    nearest(engine, collection, numbered_vector(3), 3)
    assert reached.wait(10)
    engine.delete_collection("words", "default_tenant", "default_database")
    go_on.set()
    assert engine.builder.wait(60)
    other = create(engine)
    engine.add(other, numbered(0, 5))
    assert nearest(engine, other, numbered_vector(3), 1) == ["r3"]
    if engine.directory is not None:
        assert len(list((engine.directory / "vectors").iterdir())) == 1


@pytest.mark.usefixtures("eager")
def test_an_engine_that_is_garbage_collected_ends_its_thread() -> None:
    before = set(index_threads())
    engine = SharedEngine.open(None)
    collection = create(engine)
    engine.add(collection, numbered(0, 200))
    nearest(engine, collection, numbered_vector(3), 3)
    assert engine.builder.wait(60)
    builder = engine.builder
    del engine
    builder.stop()
    assert set(index_threads()) <= before


@pytest.mark.usefixtures("eager")
def test_where_no_thread_can_be_started_every_call_is_done_all_the_same(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if thread.name == "chroma_nb indexes":
            raise RuntimeError("can't start new thread")
        start(thread)

    engine = SharedEngine.open(tmp_path)
    collection = create(engine)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        engine.add(collection, numbered(0, 200))
        assert nearest(engine, collection, numbered_vector(3), 1) == ["r3"]
        assert engine.builder.wait(1)
    nearest(engine, collection, numbered_vector(3), 1)
    assert engine.builder.wait(60)
    assert method(engine, collection) == "graph"
    engine.close()


def test_an_engine_whose_thread_was_never_started_closes(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt may come between making the thread and starting it."""
    engine = SharedEngine.open(tmp_path)
    engine.builder._thread = threading.Thread(name="chroma_nb indexes")
    engine.close()
    assert engine.transactions.connections._closed

"""A call by the same thread in the middle of another call: from a signal handler, a finalizer, a trace function.

The outer call is never disturbed. The inner one is done as one before or after it, or is refused at once, in words,
before it touches anything. Nothing waits for itself.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from engine_samples import quick_directory
from nested_calls import BASE, DIMENSION, Nest, Operation, fields, nest, operations, states_after, stored, vector

import chroma_nb
from chroma_nb.engine import threads
from chroma_nb.engine.search import planner
from chroma_nb.engine.storage.sqlite import IN_THE_MIDDLE

OUTER, INNER = operations(1), operations(3)
#: Lines of an outer call at which an inner one is made, of the few thousand that it has.
SAMPLES = 2


@pytest.fixture(params=["memory", "disk"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    made = chroma_nb.EphemeralClient() if request.param == "memory" else chroma_nb.PersistentClient(tmp_path / "db")
    yield made
    made.close()
    chroma_nb.EphemeralClient().clear_system_cache()


REFUSED = "refused"


def unless_refused(call: Callable[[], Any]) -> Any:
    """What ``call`` returns, or that it was refused in the words for it; any other error is one of ours."""
    try:
        return call()
    except chroma_nb.errors.InternalError as error:
        if IN_THE_MIDDLE not in str(error):
            raise
        return REFUSED


def fresh(client: Any) -> Any:
    """The collection the calls are about, as it is before each of them."""
    for one in client.list_collections():
        client.delete_collection(one.name)
    collection = client.create_collection("kept", embedding_function=None)
    collection.add(**fields(BASE))
    return collection


def lines_of(client: Any, outer: Operation) -> int:
    """How many lines of the package an outer call runs, once everything it needs is imported."""
    nest(client, fresh(client), outer, INNER["count"], at=0)
    return nest(client, fresh(client), outer, INNER["count"], at=0).lines


@pytest.mark.parametrize("name", OUTER)
def test_every_call_in_the_middle_of_every_other(client: Any, name: str) -> None:
    chance = random.Random(name)
    outer, entered = OUTER[name], 0
    lines = lines_of(client, outer)
    for inner in INNER.values():
        for at in chance.sample(range(1, lines + 1), min(SAMPLES, lines)):
            entered += nest(client, fresh(client), outer, inner, at).entered
    assert entered > len(INNER) * min(SAMPLES, lines) * 0.8


@pytest.mark.long
@pytest.mark.parametrize("name", OUTER)
def test_every_call_in_the_middle_of_every_other_at_many_lines(client: Any, name: str) -> None:
    outer = OUTER[name]
    lines = lines_of(client, outer)
    for place, inner in enumerate(INNER.values()):
        for at in range(1 + place, lines + 1, len(INNER) + 1):
            nest(client, fresh(client), outer, inner, at)


def test_reads_work_in_the_middle_of_a_write_on_disk_and_writes_in_the_middle_of_a_read(tmp_path: Path) -> None:
    client = chroma_nb.PersistentClient(tmp_path / "db")
    lines = lines_of(client, OUTER["upsert"])
    for name in ("get", "get where", "count", "query", "query where", "list"):
        for at in range(1, lines, 37):
            assert nest(client, fresh(client), OUTER["upsert"], INNER[name], at).error is None
    for at in range(1, lines_of(client, OUTER["query where"]), 29):
        assert nest(client, fresh(client), OUTER["query where"], INNER["upsert"], at).error is None
    client.close()


def test_the_outer_call_of_a_refused_one_is_whole_and_the_client_goes_on(client: Any) -> None:
    outer, inner = OUTER["upsert"], INNER["upsert"]
    refused = 0
    for at in range(1, lines_of(client, outer), 23):
        collection = fresh(client)
        refused += nest(client, collection, outer, inner, at).error is not None
        inner.call(client, collection)
        assert stored(collection) == inner.effect(outer.effect(BASE))
    assert refused > 0


# --- Signals ----------------------------------------------------------------------------------------------------
def test_a_handler_that_notes_its_progress_is_before_or_after(client: Any) -> None:
    """The usual graceful shutdown, some hundred times."""
    collection = fresh(client)
    chance = random.Random(7)
    noted = refused = 0

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal noted, refused
        if unless_refused(lambda: collection.upsert(**fields({"progress": noted + 1}))) == REFUSED:
            refused += 1
        else:
            noted += 1

    previous = signal.signal(signal.SIGALRM, _reads_too(handler, collection))
    written: dict[str, int] = {}
    try:
        for number in range(300):
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-5, 3e-3))
            batch = {f"b{number % 5}-{place}": number for place in range(20)}
            collection.upsert(**fields(batch))
            written.update(batch)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    found = stored(collection)
    assert found.pop("progress", 0) == noted
    assert found == {**BASE, **written}
    assert noted + refused > 10
    assert client.verify() == []


def _reads_too(
    handler: Callable[[int, FrameType | None], None], collection: Any
) -> Callable[[int, FrameType | None], None]:
    def both(number: int, frame: FrameType | None) -> None:
        assert unless_refused(lambda: len(collection.get(include=[])["ids"]) >= len(BASE)) in (True, REFUSED)
        handler(number, frame)

    return both


# --- Finalizers --------------------------------------------------------------------------------------------------
class Note:
    """Garbage whose finalizer, and whose weak reference's callback, call a collection."""

    def __init__(self, collection: Any, heard: list[Any], number: int) -> None:
        self.itself = self
        self._collection, self._heard, self._number = collection, heard, number
        self.reference = weakref.ref(self)

    def __del__(self) -> None:
        for call in (
            lambda: self._collection.count(),
            lambda: self._collection.upsert(**fields({f"note-{self._number}": self._number})),
        ):
            self._heard.append((self._number, unless_refused(call)))


def test_finalizers_that_call_the_collection_that_is_being_written(client: Any) -> None:
    collection, heard = fresh(client), []
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for number in range(60):
            Note(collection, heard, number)
            collection.upsert(**fields({f"b{number % 7}": number}))
    finally:
        gc.set_threshold(*before)
    gc.collect()
    assert len(heard) == 120
    noted = {f"note-{number}" for number, answer in heard if answer is None}
    found = stored(collection)
    assert {ident for ident in found if ident.startswith("note-")} == noted
    assert {ident: found[ident] for ident in found if ident.startswith("b")} == {
        f"b{number % 7}": number for number in range(60)
    }
    assert client.verify() == []


def test_calls_from_the_threads_that_scan_for_a_call(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finalizer runs in whatever thread the collector happens to run, also in one of the engine's."""
    monkeypatch.setattr(threads, "_SMALLEST_BYTES", 64)
    monkeypatch.setattr(threads, "usable_processors", lambda: 4)
    monkeypatch.setattr(threads, "_pool", None)
    collection = fresh(client)
    rows = np.random.default_rng(0).normal(size=(4_000, DIMENSION)).astype(np.float32)
    collection.upsert(ids=[f"v{number}" for number in range(len(rows))], embeddings=rows)
    heard: list[Any] = []

    def call(frame: FrameType, event: str, argument: Any) -> None:
        if threads.THIS.ours and len(heard) < 40:
            heard.append(unless_refused(lambda: collection.query(query_embeddings=[vector("r1", 0)], n_results=1)))
            heard.append(unless_refused(lambda: collection.upsert(**fields({"late": 1}))))

    writer = threading.Thread(target=lambda: [collection.upsert(**fields({"other": n})) for n in range(20)])
    threading.settrace(call)
    try:
        found = collection.query(query_embeddings=[vector("r1", 0)], n_results=1)
        writer.start()
        end = time.monotonic() + 60
        while len(heard) < 4 and time.monotonic() < end:  # a busy machine may let the caller do all the work
            for _ in range(10):
                assert collection.query(query_embeddings=[vector("r1", 0)], n_results=1) == found
    finally:
        threading.settrace(None)  # type: ignore[arg-type]
        writer.join(60)
        if threads._pool is not None:
            threads._pool.shutdown()  # what it still does is over before the directory is removed
    assert not writer.is_alive()
    assert len(heard) >= 4
    assert all(answer in (found, None, REFUSED) for answer in heard)
    assert client.verify() == []


# --- Opening and closing -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["upsert", "query where", "delete", "vacuum"])
def test_closing_the_client_in_the_middle_of_its_call_waits_for_the_call(tmp_path: Path, name: str) -> None:
    outer, at, entered = OUTER[name], 1, True
    while entered:
        client = chroma_nb.PersistentClient(tmp_path / "db")
        collection = fresh(client)
        nested = Nest(client.close, at)
        done = [outer.effect(BASE)]
        with nested.block():
            try:
                outer.call(client, collection)
            except AttributeError:  # closed before the call had begun, or between its steps
                done.append(BASE)
        entered = nested.entered
        at += 41
        client.close()
        again = chroma_nb.PersistentClient(tmp_path / "db")
        assert stored(again.get_collection("kept", embedding_function=None)) in done, nested
        assert again.verify() == []
        again.close()
    assert at > 200


def test_opening_the_directory_that_is_being_opened_works_or_is_refused_in_words(tmp_path: Path) -> None:
    at, entered, refused = 1, True, 0
    while entered:
        directory = tmp_path / f"db{at}"
        nested = Nest(lambda directory=directory: chroma_nb.PersistentClient(directory), at)
        with nested.block():
            client = chroma_nb.PersistentClient(directory)
        entered = nested.entered
        assert nested.error is None or "is being opened or imported by this thread" in str(nested.error)
        refused += nested.error is not None
        collection = fresh(client)
        if nested.answer is not None:
            assert stored(nested.answer.get_collection("kept", embedding_function=None)) == BASE
            nested.answer.close()
        assert stored(collection) == BASE
        client.close()
        at += 13
    assert refused > 3


def test_a_client_in_memory_made_while_another_is_made_shares_its_records() -> None:
    at, entered = 1, True
    while entered:
        nested = Nest(chroma_nb.EphemeralClient, at)
        with nested.block():
            client = chroma_nb.EphemeralClient()
        entered = nested.entered
        if nested.answer is not None:
            fresh(client)
            assert stored(nested.answer.get_collection("kept", embedding_function=None)) == BASE, nested
            nested.answer.close()
        client.close()
        at += 7
    assert at > 50


@pytest.mark.parametrize("name", ["upsert", "query"])
def test_a_client_closed_while_another_of_its_directory_is_opened(tmp_path: Path, name: str) -> None:
    at, entered = 1, True
    while entered:
        first = chroma_nb.PersistentClient(tmp_path / "db")
        nested = Nest(first.close, at)
        with nested.block():
            second = chroma_nb.PersistentClient(tmp_path / "db")
        entered = nested.entered
        collection = fresh(second)
        OUTER[name].call(second, collection)
        assert stored(collection) == OUTER[name].effect(BASE)
        first.close()
        second.close()
        at += 11
    assert at > 50


# --- Leftovers ------------------------------------------------------------------------------------------------------
def test_a_mark_that_an_interrupt_left_behind_makes_no_later_call_a_nested_one(client: Any) -> None:
    collection = fresh(client)
    collection._client._backend.engine._serving.add(threading.get_ident())
    collection.upsert(**fields({"later": 1}))
    assert stored(collection) == {**BASE, "later": 1}


def test_nested_calls_leave_no_connection_and_no_file_open(tmp_path: Path) -> None:
    client = chroma_nb.PersistentClient(tmp_path / "db")
    lines = lines_of(client, OUTER["upsert"])
    nest(client, fresh(client), OUTER["upsert"], INNER["query"], lines // 2)
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for at in range(1, lines, 29):
        nest(client, fresh(client), OUTER["upsert"], INNER["query"], at)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before + 2  # of the collection that was made anew
    client.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked child")
@pytest.mark.parametrize("inner", ["upsert", "get", "delete", "vacuum"])
def test_a_kill_in_the_middle_of_a_nested_call(inner: str) -> None:
    """What the outer or the inner call acknowledged is there; the rest is whole or absent."""
    chance = random.Random(inner)
    for _ in range(12):
        directory = quick_directory("nested") / "db"
        client = chroma_nb.PersistentClient(directory)
        lines = lines_of(client, OUTER["upsert"])
        fresh(client)
        client.close()
        at, dies = chance.randint(1, lines), chance.randint(1, 1500)
        child = os.fork()
        if child == 0:
            _die(directory, inner, at, dies)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        again = chroma_nb.PersistentClient(directory)
        found = stored(again.get_collection("kept", embedding_function=None))
        outer, nested = OUTER["upsert"], INNER[inner]
        both = states_after(Nest(lambda: None, 0), outer, nested, BASE)
        assert found in [BASE, outer.effect(BASE), nested.effect(BASE), *both]
        assert again.verify() == []
        again.close()


def _die(directory: Path, inner: str, at: int, dies: int) -> None:
    """In a forked child: nest, and be killed some lines into the inner call (or after it)."""
    client = chroma_nb.PersistentClient(directory)
    collection = client.get_collection("kept", embedding_function=None)
    left = dies

    def doomed() -> None:
        def line(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return line

        sys.settrace(line)
        try:
            INNER[inner].call(client, collection)
        finally:
            sys.settrace(None)

    try:
        with Nest(doomed, at).block():
            OUTER["upsert"].call(client, collection)
    finally:
        os._exit(0)


def test_a_finalizer_in_the_thread_that_builds_a_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hnswlib")
    monkeypatch.setattr(planner, "SMALLEST_GRAPH_BYTES", 0)
    client = chroma_nb.PersistentClient(tmp_path / "db")
    heard, left = [], 0

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            heard.append(collection.query(query_embeddings=[vector("r1", 0)], n_results=20)["ids"])
            heard.append(unless_refused(lambda: collection.upsert(**fields({"r1": 0}))))
        return line

    def starting(frame: FrameType, event: str, argument: Any) -> Any:
        return line if threads.THIS.ours else None

    threading.settrace(starting)
    try:
        for at in (5, 60, 120, 180, 240, 300, 400):
            left = at
            collection = fresh(client)
            builder = collection._client._backend.engine.builder
            builder._request(*_row_and_memory(collection), 0.0)
            assert builder.wait(20)
            assert stored(collection) == BASE
            client.close()
            client = chroma_nb.PersistentClient(tmp_path / "db")
    finally:
        threading.settrace(None)  # type: ignore[arg-type]
    assert len(heard) > 4
    assert client.verify() == []
    client.close()


def _row_and_memory(collection: Any) -> tuple[Any, Any]:
    engine = collection._client._backend.engine
    return engine.transactions.read_collection(collection.id, lambda reading: (reading.row, reading.memory))


# --- Callbacks that a call makes on purpose ---------------------------------------------------------------------------
class Curious(chroma_nb.EmbeddingFunction[Any]):
    """An embedding function that asks, and writes to, the collection it embeds for."""

    def __init__(self) -> None:
        self.collection: Any = None
        self.seen: list[int] = []

    def __call__(self, input: Any) -> Any:
        if self.collection is not None:
            self.seen.append(self.collection.count())
            self.collection.upsert(**fields({f"asked-{len(self.seen)}": len(self.seen)}))
        return [np.array(vector(text, 0), np.float32) for text in input]

    @staticmethod
    def name() -> str:
        return "curious"

    def get_config(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Curious:
        return Curious()


def test_an_embedding_function_may_call_the_collection_it_embeds_for(client: Any) -> None:
    function = Curious()
    collection = client.create_collection("curious", embedding_function=function)
    collection.add(ids=["first"], documents=["text"])
    function.collection = collection
    collection.add(ids=["second"], documents=["text"])
    collection.update(ids=["first"], documents=["other text"])
    collection.upsert(ids=["third"], documents=["text"])
    collection.query(query_texts=["text"], n_results=1)
    assert function.seen == [1, 3, 4, 6]
    assert sorted(collection.get()["ids"]) == ["asked-1", "asked-2", "asked-3", "asked-4", "first", "second", "third"]
    assert client.verify() == []


@pytest.mark.parametrize("name", ["upsert", "get where", "query", "delete"])
def test_a_reset_in_the_middle_of_a_call_is_before_after_or_refused(tmp_path: Path, name: str) -> None:
    client = chroma_nb.PersistentClient(tmp_path / "db", chroma_nb.Settings(allow_reset=True))
    outer, done = OUTER[name], 0
    for at in range(1, lines_of(client, outer), 61):
        collection = fresh(client)
        nested = Nest(client.reset, at)
        with nested.block():
            try:
                outer.call(client, collection)
            except chroma_nb.errors.NotFoundError:
                assert nested.error is None
        if not nested.entered:  # calls after a reset run some lines less
            assert stored(collection) == outer.effect(BASE)
        elif nested.error is None:
            assert client.count_collections() == 0
            done += 1
        else:
            assert IN_THE_MIDDLE in str(nested.error)
            assert stored(collection) == outer.effect(BASE)
        assert client.verify() == []
    assert done > 0
    client.close()


def test_nested_calls_while_other_threads_write_neither_hang_nor_lose_anything(client: Any) -> None:
    collection = fresh(client)
    lines = lines_of(client, OUTER["upsert"])
    collection, stop = fresh(client), threading.Event()

    def write(number: int) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            collection.upsert(**fields({f"t{number}": count % 50}))
            collection.get(where={"version": {"$gte": 0}})

    others = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in others:
        thread.start()
    try:
        for at in range(1, lines, 47):
            for inner in ("upsert", "get where", "query"):
                nested = Nest(lambda inner=inner: INNER[inner].call(client, collection), at)
                with nested.block():
                    OUTER["upsert"].call(client, collection)
                assert nested.error is None or IN_THE_MIDDLE in str(nested.error)
                assert {ident: v for ident, v in stored(collection).items() if ident.startswith("n1-")} == {
                    f"n1-{number}": 1 for number in range(3)
                }
    finally:
        stop.set()
        for thread in others:
            thread.join(60)
    assert not any(thread.is_alive() for thread in others)
    assert client.verify() == []

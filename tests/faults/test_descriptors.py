"""Descriptors: a process has few, so what is open is bounded, and what nobody uses is given back."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from child_process import run
from engine_samples import agree, create, nearest, numbered, numbered_vector

import chroma_nb
from chroma_nb.engine import locks
from chroma_nb.engine.engine import Engine
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.storage import sqlite
from chroma_nb.engine.transactions import open_collections
from chroma_nb.errors import InternalError

VECTOR = np.ones((1, 8))


def opened() -> int:
    """How many descriptors this process has."""
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("directories", [1, 4])
def test_more_collections_than_descriptors_can_be_used_by_turns(tmp_path: Path, directories: int) -> None:
    script = """
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
    engines = [SharedEngine.open(Path(sys.argv[1]) / str(number)) for number in range(int(sys.argv[2]))]
    made = [(engines[number % len(engines)], number) for number in range(160)]
    made = [(engine, create(engine, f"words-{number}"), number) for engine, number in made]
    for turn in range(2):
        for engine, collection, number in made:
            engine.add(collection, numbered(2 * number + turn, 1))
            assert nearest(engine, collection, numbered_vector(2 * number + turn), 1)[0] == f"r{2 * number + turn}"
    assert all(len(agree(engine, collection)) == 2 for engine, collection, _ in made)
    print(len(os.listdir("/proc/self/fd")) < 110)
    """
    (tmp_path / "of").mkdir()
    assert run(script, tmp_path / "of", directories) == "True"


def test_a_collection_is_not_closed_under_those_who_read_and_write_it(
    on_disk: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_collections, "most_descriptors", lambda: 0)  # each use lets go of all others
    collections = [create(on_disk, f"words-{number}") for number in range(3)]
    for collection in collections:
        on_disk.add(collection, numbered(0, 40))

    def work(thread: int) -> None:
        for turn in range(30):
            collection = collections[(thread + turn) % 3]
            number = 1_000 * (thread + 1) + turn
            on_disk.add(collection, numbered(number, 1))
            assert nearest(on_disk, collection, numbered_vector(number), 1) == [f"r{number}"]
            on_disk.delete(collection, [f"r{number}"], None)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert [agree(on_disk, collection) for collection in collections] == [{f"r{n}" for n in range(40)}] * 3
    assert on_disk.verify() == []


def test_clients_that_are_dropped_give_back_what_they_had_open(tmp_path: Path) -> None:
    def use(number: int) -> None:
        client = chroma_nb.PersistentClient(tmp_path / str(number))
        birds = client.create_collection("birds", embedding_function=None)
        birds.add(ids=["wren"], embeddings=VECTOR)
        birds.query(query_embeddings=VECTOR)

    before, threads = opened(), threading.active_count()
    for number in range(12):
        use(number)
    gc.collect()
    assert opened() - before < 24
    assert threading.active_count() == threads
    clients = [chroma_nb.PersistentClient(tmp_path / str(number)) for number in range(12)]
    del clients
    gc.collect()
    assert opened() - before < 24


def test_a_collection_keeps_its_place_open_when_its_client_is_dropped(tmp_path: Path) -> None:
    birds = chroma_nb.PersistentClient(tmp_path / "kept").create_collection("birds", embedding_function=None)
    for number in range(6):
        chroma_nb.PersistentClient(tmp_path / str(number))
    gc.collect()
    birds.add(ids=["wren"], embeddings=VECTOR)
    with chroma_nb.PersistentClient(tmp_path / "kept") as other:
        assert other._system is birds._client._backend
        assert other.get_collection("birds", embedding_function=None).count() == 1


def test_the_last_directory_that_was_opened_stays_in_memory_when_its_client_is_dropped(tmp_path: Path) -> None:
    first = chroma_nb.PersistentClient(tmp_path)._system
    place = id(first)
    del first
    gc.collect()
    assert id(chroma_nb.PersistentClient(tmp_path)._system) == place


def test_readers_of_many_threads_are_not_kept(on_disk: Engine) -> None:
    collection = create(on_disk)
    on_disk.add(collection, numbered(0, 50))
    threads, read = 200, []
    together = threading.Barrier(threads)

    def work(_: int) -> None:
        def wait(snapshot: Any) -> int:
            read.append(1)
            return len(snapshot.documents(snapshot.memory.live_rows()))

        together.wait()
        for _ in range(3):
            assert on_disk.transactions.read_collection(collection, wait) == 50

    before = opened()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    assert len(read) == 3 * threads
    assert len(on_disk.transactions.connections._all) <= 1 + sqlite._MOST_IDLE
    assert opened() - before <= 64 + 2 * sqlite._MOST_IDLE


def test_a_thread_that_waits_for_a_reader_takes_that_of_a_thread_that_is_gone(
    on_disk: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_most_readers", lambda: 1)
    lost = threading.Thread(target=on_disk.transactions.connections.begin)
    lost.start()
    lost.join()
    assert on_disk.count_collections("default_tenant", "default_database") == 0


def test_without_descriptors_every_call_says_so_and_goes_on_when_there_are_some(tmp_path: Path) -> None:
    script = """
    import resource, numpy as np, chroma_nb
    from chroma_nb.errors import ChromaError
    vector, soft = np.ones((1, 8)), resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    def get(client):
        return client.get_collection("birds", embedding_function=None)
    CALLS = {
        "open": lambda client, path: chroma_nb.PersistentClient(path / "other"),
        "create": lambda client, path: client.create_collection("new", embedding_function=None),
        "query": lambda client, path: get(client).query(query_embeddings=vector),
        "filter": lambda client, path: get(client).get(where={"a": 1}, include=["embeddings"]),
        "add": lambda client, path: get(client).add(ids=["2"], embeddings=vector),
        "fork": lambda client, path: get(client).fork("forked"),
        "vacuum": lambda client, path: client.vacuum(),
        "verify": lambda client, path: client.verify(),
        "delete": lambda client, path: client.delete_collection("birds"),
    }
    def starved(call, left):
        held = [os.open("/dev/null", 0) for _ in range(left + 40)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(held) + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        for descriptor in held[40:]:
            os.close(descriptor)
        try:
            call()
        except ChromaError as error:
            assert "too many files are open" in str(error), error
            return True
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            for descriptor in held[:40]:
                os.close(descriptor)
    refused = set()
    for left in (14, 0, 1, 2, 3, 4, 5, 6, 7):
        path = Path(sys.argv[1]) / str(left)
        with chroma_nb.PersistentClient(path) as client:
            client.create_collection("birds", embedding_function=None).add(
                ids=["1"], embeddings=vector, metadatas=[{"a": 1}])
        with chroma_nb.PersistentClient(path) as client:
            for name, call in CALLS.items():
                if starved(lambda: call(client, path), left):
                    refused.add(name)
                    call(client, path)
    print(sorted(refused))
    """
    refused = run(script, tmp_path)
    assert {"open", "query", "fork"} <= set(eval(refused))


# --- A lock that the system refuses once ------------------------------------------------------------------------
STATEMENTS = ("PRAGMA data_version", "BEGIN IMMEDIATE", "PRAGMA journal_mode=WAL", "PRAGMA foreign_keys=ON")


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("times", [1, 100])
def test_a_lock_that_is_refused_once_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, times: int
) -> None:
    monkeypatch.setattr(sqlite, "_BETWEEN_TRIES_SECONDS", 0.0)
    refused = 0

    def execute(connection: sqlite.Connection, text: str, *arguments: Any) -> sqlite3.Cursor:
        nonlocal refused
        if text == statement and refused < times:
            refused += 1
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_RDLOCK
            raise error
        return sqlite3.Connection.execute(connection, text, *arguments)

    monkeypatch.setattr(sqlite.Connection, "execute", execute)

    def use() -> None:
        engine = SharedEngine.open(tmp_path / "db")
        try:
            engine.create_collection("words", "default_tenant", "default_database", None, None, None, True)
            engine.count_collections("default_tenant", "default_database")
        finally:
            engine.close()

    if times == 1:
        use()
    else:
        with pytest.raises(InternalError):
            use()
    assert refused == 1 if times == 1 else refused > 1


def test_a_file_that_is_locked_is_not_taken_for_abandoned_when_the_system_refuses_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_BETWEEN_TRIES_SECONDS", 0.0)
    path, writer = locks.create_claimed(lambda: tmp_path / "draft")
    asked = []

    def flock(descriptor: int, operation: int) -> None:
        asked.append(operation)
        if len(asked) == 1:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        real(descriptor, operation)

    real = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", flock)
    other = os.open(path, os.O_RDONLY)
    assert not locks.claim(other)
    assert len(asked) == 2
    for descriptor in (writer, other):
        os.close(descriptor)

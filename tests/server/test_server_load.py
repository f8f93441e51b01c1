"""Many clients at once, and the server's sudden death: no acknowledged write is lost."""

from __future__ import annotations

import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np
import orjson
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chroma_nb
from chroma_nb.results import GetResult
from chroma_nb.server import bodies, serving
from chroma_nb.server.limits import Limits

DIMENSION = 16


@contextmanager
def server_process(directory: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its URL."""
    command = [sys.executable, "-m", "chroma_nb", "serve", "--path", str(directory), "--port", "0", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[3]
        finally:
            process.kill()


class Worker(threading.Thread):
    """One client with a collection of its own and a shared one; remembers what was acknowledged."""

    def __init__(self, url: str, number: int, stop: threading.Event) -> None:
        super().__init__()
        self.url, self.number, self.stop = url, number, stop
        self.acknowledged: dict[str, int] = {}
        #: The write whose answer did not come: it may be there, whole or not at all.
        self.pending: dict[str, int | None] = {}
        self.calls = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with chroma_nb.HttpClient(host=self.url) as client:
                self.work(client)
        except BaseException as error:  # noqa: BLE001  # the test looks at it
            self.error = error

    def work(self, client: Any) -> None:
        own = client.get_or_create_collection(f"own-{self.number}", embedding_function=None)
        shared = client.get_or_create_collection("shared", embedding_function=None)
        rng, dice = np.random.default_rng(self.number), random.Random(self.number)
        while not self.stop.is_set():
            number = self.calls
            kind = dice.choice(["write", "write", "query", "get", "delete", "count"])
            if kind == "write":
                ids = [f"{self.number}-{number}-{row}" for row in range(dice.choice([1, 20]))]
                if self.acknowledged and dice.random() < 0.3:
                    ids[0] = dice.choice(list(self.acknowledged))
                self.pending = dict.fromkeys(ids, number)
                own.upsert(
                    ids=ids,
                    embeddings=rng.normal(size=(len(ids), DIMENSION)).astype(np.float32),
                    metadatas=[{"call": number}] * len(ids),
                )
                self.acknowledged |= dict.fromkeys(ids, number)
                self.pending = {}
                shared.upsert(ids=ids[:1], embeddings=rng.normal(size=(1, DIMENSION)).astype(np.float32))
            elif kind == "delete" and self.acknowledged:
                one = dice.choice(list(self.acknowledged))
                self.pending = {one: None}
                own.delete(ids=[one])
                del self.acknowledged[one]
                self.pending = {}
            elif kind == "query" and self.acknowledged:
                found = own.query(query_embeddings=rng.normal(size=(1, DIMENSION)), n_results=5)
                assert len(found["ids"][0]) == min(5, len(self.acknowledged))
            elif kind == "get":
                shared.get(limit=10, include=["embeddings"])
            else:
                assert own.count() == len(self.acknowledged)
            self.calls += 1


def check(url: str, workers: list[Worker]) -> None:
    """Every acknowledged write is there; one without an answer is there whole, or not at all."""
    with chroma_nb.HttpClient(host=url) as client:
        for worker in workers:
            got = client.get_or_create_collection(f"own-{worker.number}", embedding_function=None).get()
            there = {one: data["call"] for one, data in zip(got["ids"], got["metadatas"], strict=True)}
            before = worker.acknowledged
            after = {one: call for one, call in (before | worker.pending).items() if call is not None}
            assert there in (before, after)


def start(url: str, count: int) -> tuple[list[Worker], threading.Event]:
    stop = threading.Event()
    workers = [Worker(url, number, stop) for number in range(count)]
    for worker in workers:
        worker.start()
    return workers, stop


@pytest.mark.parametrize(
    ("clients", "seconds"), [(8, 3.0), pytest.param(16, 60.0, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_many_clients_at_once_lose_nothing(tmp_path: Path, clients: int, seconds: float) -> None:
    with server_process(tmp_path / "db") as (process, url):
        workers, stop = start(url, clients)
        memory = []
        for _ in range(3):
            stop.wait(seconds / 3)
            memory.append(psutil.Process(process.pid).memory_info().rss)
        stop.set()
        for worker in workers:
            worker.join()
        assert [worker.error for worker in workers] == [None] * clients
        assert all(worker.calls for worker in workers)
        check(url, workers)
        # What was written takes memory; 60 MB in two thirds of the time is far more than it can.
        assert memory[-1] - memory[0] < 60_000_000, memory
        assert process.poll() is None


@pytest.mark.parametrize("round_", [0, *(pytest.param(n, marks=pytest.mark.long) for n in range(1, 20))])
def test_a_server_that_is_killed_loses_no_acknowledged_write(tmp_path: Path, round_: int) -> None:
    with server_process(tmp_path / "db") as (process, url):
        workers, stop = start(url, 4)
        dice = random.Random(round_)
        deadline = time.monotonic() + 60
        goal = dice.randrange(20, 200)
        while sum(worker.calls for worker in workers) < goal and time.monotonic() < deadline:
            stop.wait(0.002)
        process.send_signal(signal.SIGKILL)
        stop.wait(0.05)
        stop.set()
        for worker in workers:
            worker.join()
    assert sum(worker.calls for worker in workers) >= goal
    with server_process(tmp_path / "db") as (_, url):
        check(url, workers)


def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    class Slow:
        """Answers a count when it is told to; the first one shows that it has begun."""

        begun, go = threading.Semaphore(0), threading.Event()
        asked: ClassVar[list[str]] = []

        def handle(self, request: Any) -> int:
            self.asked.append(str(request.collection_id)[-1])
            self.begun.release()
            self.go.wait(30)
            return 0

    slow = Slow()
    place = "/api/v2/tenants/default_tenant/databases/default_database/collections/00000000-0000-0000-0000-00000000000"
    with chroma_nb.serve(slow, port=0, limits=Limits(threads=1)) as server:

        def ask(number: int) -> socket.socket:
            connection = socket.create_connection(("127.0.0.1", server.port))
            connection.sendall(f"GET {place}{number}/count HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            return connection

        first = ask(1)
        assert slow.begun.acquire(timeout=30)
        left = [ask(number) for number in range(2, 6)]
        tasks = server._server.server_state.tasks
        wait_until(lambda: len(tasks) == 5)
        for connection in left:
            connection.close()
        wait_until(lambda: len(tasks) == 1)
        last = ask(6)
        wait_until(lambda: len(tasks) == 2)
        slow.go.set()
        for connection in (first, last):
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            connection.close()
    assert slow.asked == ["1", "6"]


def wait_until(true: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


# --- Clients that mean no good, or nothing --------------------------------------------------------------------------
def test_clients_that_take_no_answer_hold_bounded_memory_and_keep_nobody_out() -> None:
    class Large:
        """Answers with 8 MB."""

        def handle(self, request: Any) -> Any:
            nothing = dict.fromkeys(("embeddings", "documents", "uris", "data", "metadatas"))
            return GetResult(ids=["x" * 8_000_000], included=[], **nothing)

    limits = Limits(threads=2, unsent_bytes=16_000_000, stalled_seconds=0.2)
    with chroma_nb.serve(Large(), port=0, limits=limits) as server:
        app = server._server.config.app
        clients = [posted(server.port, f"{PLACE}/get", b"{}", window=4096) for _ in range(10)]
        held = []

        def all_have_begun() -> bool:
            held.append(app._unsent)
            return len(server._server.server_state.connections) <= 4

        wait_until(all_have_begun)
        assert max(held) <= 16_000_000 + 3 * 8_100_000
        taken = posted(server.port, f"{PLACE}/get", b"{}")
        assert len(heard(taken)) > 8_000_000
        for client in [*clients, taken]:
            client.close()


def test_bodies_that_come_slowly_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_MOMENT", 0.05)
    with chroma_nb.EphemeralClient() as store, chroma_nb.serve(store, port=0, limits=Limits(connections=8)) as server:
        head = b"POST /api/v2/tenants HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        slow = []
        for _ in range(8):
            slow.append(socket.create_connection(("127.0.0.1", server.port)))
            slow[-1].sendall(head + b"Content-Length: 1000\r\n\r\n{")
        connections = server._server.server_state.connections
        wait_until(lambda: len(connections) == 8 and all(time.monotonic() - one._since > 0.05 for one in connections))
        fast = socket.create_connection(("127.0.0.1", server.port))
        fast.sendall(b"GET /api/v2/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b"1.5.9" in heard(fast)
        for client in [*slow, fast]:
            client.close()


PLACE = "/api/v2/tenants/default_tenant/databases/default_database/collections/00000000-0000-0000-0000-000000000001"


def posted(port: int, path: str, body: bytes, window: int | None = None) -> socket.socket:
    """A connection on which this was asked, closed after the answer; ``window``: it takes so little at a time."""
    connection = socket.create_connection(("127.0.0.1", port))
    if window is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return connection


def heard(connection: socket.socket) -> bytes:
    """All that the server says until it closes."""
    connection.settimeout(30)
    pieces = []
    while piece := connection.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


# --- Large bodies -----------------------------------------------------------------------------------------------
BODIES = [
    {"ids": ["a", "b"], "embeddings": [[1, 2.5, -1e-7], [0, 3, None]]},
    {"query_embeddings": [[1.0]], "n_results": 3},
    {"embeddings": []},
    {"embeddings": [[]]},
    {"embeddings": None, "ids": []},
    {"embeddings": ["AAAA", "BBBB"]},
    {"embeddings": [[1, [2]], [3]]},
    {"embeddings": [[1], None]},
    {"embeddings": [["]", "a"], [1]]},
    {"embeddings": {"a": [[1]]}},
    {"documents": ['{"embeddings": [[1]]}', ', "embeddings": [[2]]'], "embeddings": [[3]]},
    {"metadatas": [{"embeddings": [[1]]}], "embeddings": [[3]]},
    {"metadatas": [{"embeddings": [[1]]}]},
    [{"embeddings": [[1]]}],
]


@pytest.mark.parametrize("value", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize("indent", [None, 2])
def test_a_large_body_is_read_in_turns_as_it_would_be_at_once(
    monkeypatch: pytest.MonkeyPatch, value: object, indent: int | None
) -> None:
    monkeypatch.setattr(bodies, "_LARGE", 0)
    body = json.dumps(value, indent=indent).encode()
    assert bodies.parsed(body) == value


@given(
    st.binary(max_size=40) | st.lists(st.sampled_from([*'[]{},:1" ', '"embeddings":', "null", "[[1],"])).map("".join)
)
def test_what_is_no_json_is_refused_alike(body: bytes | str) -> None:
    body = b'{"embeddings":' + (body.encode() if isinstance(body, str) else body)
    answers = []
    for large in (0, 1 << 30):
        with patch.object(bodies, "_LARGE", large):
            try:
                answers.append(bodies.parsed(body))
            except orjson.JSONDecodeError:
                answers.append("refused")
    assert answers[0] == answers[1]

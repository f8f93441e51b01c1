"""Many clients at once, and the server's sudden death: no acknowledged write is lost."""

from __future__ import annotations

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

import numpy as np
import psutil
import pytest

import chroma_nb
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

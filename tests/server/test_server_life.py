"""Starting, stopping, and Chroma's own clients."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from plain_http import get

import chroma_nb
from chroma_nb.server.limits import Limits

D = "/api/v2/tenants/default_tenant/databases/default_database"


def test_a_server_stops_and_frees_its_port(store: Any) -> None:
    server = chroma_nb.serve(store, port=0)
    assert "running" in repr(server)
    assert get(server.url + "/api/v2/heartbeat").status_code == 200
    server.stop()
    server.stop()
    assert "stopped" in repr(server)
    with chroma_nb.serve(store, port=server.port) as again:
        assert get(again.url + "/api/v2/heartbeat").status_code == 200
    assert store.count_collections() == 0


def test_a_taken_port_is_an_error_at_once(server: Any, store: Any) -> None:
    with pytest.raises(OSError, match="in use"):
        chroma_nb.serve(store, port=server.port)


def test_requests_under_way_are_finished_before_the_server_stops() -> None:
    reached, go_on = threading.Event(), threading.Event()

    class Slow:
        def handle(self, request: Any) -> str:
            reached.set()
            go_on.wait(10)
            return "late but true"

    server = chroma_nb.serve(Slow(), port=0)
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(get(server.url + "/api/v2/version")))
    asking.start()
    reached.wait(10)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    go_on.set()
    stopping.join()
    asking.join()
    assert answers[0].json() == "late but true"


def test_a_clock_that_was_moved_meanwhile_keeps_no_server_from_stopping(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = chroma_nb.serve(store, port=0)
    real, reads, asleep = time.monotonic, [], threading.Event()

    def clock() -> float:
        if threading.current_thread() is not server._thread:
            return real()
        reads.append(1)
        if len(reads) == 3:  # the loop has reckoned how long to sleep
            asleep.set()
        return 0.0

    monkeypatch.setattr(time, "monotonic", clock)
    asleep.wait(0.5)
    monkeypatch.undo()
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 5
    assert "stopped" in repr(server)


@pytest.mark.parametrize("threads", [1, 4])
def test_rude_clients_keep_no_server_from_stopping(store: Any, threads: int) -> None:
    large = store.create_collection("large", embedding_function=None)
    large.add(ids=[str(row) for row in range(6000)], embeddings=np.random.default_rng(0).normal(size=(6000, 128)))
    server = chroma_nb.serve(store, port=0, limits=Limits(stop_seconds=1))
    head = f"POST {D}/collections/{large.id}/get HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    unread = f'{head}content-length: 27\r\n\r\n{{"include":["embeddings"] }}'
    with ExitStack() as open_connections:
        for data in ("", "GET / HT", head + "content-length: 9\r\n\r\n{", unread, unread * 2):
            connection = open_connections.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            connection.sendall(data.encode())
        deadline = time.monotonic() + 10
        while sum(one.cycle is not None for one in list(server._server.server_state.connections)) < 3:
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
        stopping = [threading.Thread(target=server.stop) for _ in range(threads)]
        started = time.monotonic()
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()
        assert time.monotonic() - started < 5
    assert "stopped" in repr(server)
    assert store.count_collections() == 1


def test_a_directory_is_served_and_closed_again(tmp_path: Path) -> None:
    with chroma_nb.serve(tmp_path / "db", port=0) as server, chroma_nb.HttpClient(port=server.port) as client:
        client.create_collection("birds", embedding_function=None).add(ids="wren", embeddings=[1, 2])
    with chroma_nb.PersistentClient(tmp_path / "db") as client:
        assert client.get_collection("birds").count() == 1


@pytest.mark.parametrize("source", [5, None, object()])
def test_only_a_directory_or_a_client_can_be_served(source: Any) -> None:
    with pytest.raises(TypeError, match="Expected the path of a directory or a chroma_nb client"):
        chroma_nb.serve(source, port=0)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path, end: signal.Signals) -> None:
    command = [sys.executable, "-m", "chroma_nb", "serve", "--path", str(tmp_path / "db"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[3]
        with chroma_nb.HttpClient(host=url) as client:
            client.create_collection("birds", embedding_function=None).add(ids="wren", embeddings=[1, 2])
        process.send_signal(end)
        process.wait(20)
        _, log = process.communicate()
    assert "POST" in log
    assert "Traceback" not in log
    with chroma_nb.PersistentClient(tmp_path / "db") as client:
        assert client.get_collection("birds").count() == 1


def test_the_command_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "chroma_nb", "serve", "--path", str(tmp_path), "--host", "0.0.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "token" in done.stderr


# --- Chroma's own clients ------------------------------------------------------------------------------------------
def test_chromas_http_client_works_unchanged(server: Any, store: Any, chromadb: Any) -> None:
    client = chromadb.HttpClient(port=server.port)
    assert client.heartbeat() > 0
    assert client.get_version() == "1.5.9"
    birds = client.create_collection(
        "birds", metadata={"a": 1}, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
    )
    assert birds.configuration_json["hnsw"]["space"] == "cosine"
    vectors = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    ids = [f"b{row}" for row in range(50)]
    birds.add(
        ids=ids, embeddings=vectors, documents=ids, metadatas=[{"n": row, "odd": bool(row % 2)} for row in range(50)]
    )
    assert birds.count() == 50
    found = birds.query(query_embeddings=vectors[:3], n_results=1, include=["distances", "embeddings"])
    assert found["ids"] == [["b0"], ["b1"], ["b2"]]
    got = birds.get(where={"$and": [{"n": {"$lt": 10}}, {"odd": True}]}, where_document={"$contains": "b"}, limit=3)
    assert got["ids"] == ["b1", "b3", "b5"]
    birds.update(ids=["b1"], metadatas=[{"odd": None}])
    birds.upsert(ids=["b2", "new"], embeddings=vectors[:2])
    assert birds.delete(where={"n": {"$gte": 40}}) == {"deleted": 10}
    birds.modify(name="fowl", metadata={"b": 2})
    assert client.get_collection("fowl", embedding_function=None).metadata == {"b": 2}
    assert [one.name for one in client.list_collections()] == ["fowl"]
    with pytest.raises(chromadb.errors.NotFoundError):
        client.get_collection("birds")
    with pytest.raises(chromadb.errors.ChromaError, match="already exists"):
        client.create_collection("fowl")
    with pytest.raises(chromadb.errors.InvalidArgumentError, match="dimension"):
        client.get_collection("fowl", embedding_function=None).add(ids=["x"], embeddings=[[1.0]])
    client.delete_collection("fowl")
    assert store.count_collections() == 0


def test_chromas_admin_client_works_unchanged(server: Any, chromadb: Any) -> None:
    settings = chromadb.Settings(
        chroma_api_impl="chromadb.api.fastapi.FastAPI",
        chroma_server_host="127.0.0.1",
        chroma_server_http_port=server.port,
    )
    admin = chromadb.AdminClient(settings)
    admin.create_tenant("zoo")
    admin.create_database("aviary", tenant="zoo")
    assert admin.get_database("aviary", tenant="zoo")["tenant"] == "zoo"
    assert [one["name"] for one in admin.list_databases(tenant="zoo")] == ["aviary"]
    client = chromadb.HttpClient(port=server.port, tenant="zoo", database="aviary")
    assert client.count_collections() == 0
    admin.delete_database("aviary", tenant="zoo")
    with pytest.raises(chromadb.errors.NotFoundError):
        chromadb.HttpClient(port=server.port, tenant="zoo", database="aviary")


def test_chromas_async_client_works_unchanged(server: Any, chromadb: Any) -> None:
    async def conversation() -> Any:
        client = await chromadb.AsyncHttpClient(port=server.port)
        birds = await client.create_collection("birds", embedding_function=None)
        await birds.add(ids=["wren"], embeddings=[[1.0, 2.0]], documents=["small"])
        answer = await birds.query(query_embeddings=[[1.0, 2.0]], n_results=5)
        await client._server.__aexit__(None, None, None)
        return answer

    assert asyncio.run(conversation())["documents"] == [["small"]]

"""Side by side over HTTP: our client and Chroma's, against Chroma's server and ours.

    python benchmarks/over_http.py [--count 10000] [--dimension 384] [--rounds 3] [--json FILE]

Each pair of client and server adds the records, asks single queries and gets everything. Rounds are
interleaved, so that a busy machine disturbs all alike; the figures are medians. Not called http.py: as
a script it would stand in the way of the standard library's module.
"""

from __future__ import annotations

import argparse
import importlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

CLIENTS = ("chroma_nb", "chromadb")
SERVERS = ("chroma_nb", "chromadb")
QUERIES = 200


def _command(server: str, directory: Path, port: int) -> list[str]:
    place = ["--path", str(directory), "--host", "127.0.0.1", "--port", str(port)]
    if server == "chromadb":
        return [str(Path(sys.executable).with_name("chroma")), "run", *place]
    return [sys.executable, "-m", "chroma_nb", "serve", *place, "--quiet"]


@contextmanager
def running(server: str, directory: Path) -> Iterator[int]:
    """The port of a server in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen(_command(server, directory, port), stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/v2/heartbeat", process)
            yield port
        finally:
            process.terminate()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit("the server ended before it answered")


def measure(client: Any, name: str, vectors: Any, queries: Any) -> dict[str, float]:
    """Seconds to add all and to get all, milliseconds of a query, milliseconds of a heartbeat."""
    collection = client.create_collection(name, embedding_function=None)
    ids = [f"id{row}" for row in range(len(vectors))]
    documents = [f"document {row} " * 8 for row in range(len(vectors))]
    metadatas = [{"n": row, "group": f"g{row % 10}"} for row in range(len(vectors))]
    size = client.get_max_batch_size()
    start = perf_counter()
    for first in range(0, len(ids), size):
        part = slice(first, first + size)
        collection.add(ids=ids[part], embeddings=vectors[part], documents=documents[part], metadatas=metadatas[part])
    added = perf_counter()
    collection.query(query_embeddings=queries[:1], n_results=10)  # Chroma builds its index now
    single = [_timed(lambda q=query: collection.query(query_embeddings=[q], n_results=10)) for query in queries]
    start_get = perf_counter()
    got = collection.get(include=["embeddings", "documents", "metadatas"])
    got_all = perf_counter()
    assert len(got["embeddings"]) == len(ids)
    beats = [_timed(client.heartbeat) for _ in range(QUERIES)]
    client.delete_collection(name)
    return {
        "add (s)": added - start,
        "query (ms)": 1000 * statistics.median(single),
        "query p95 (ms)": 1000 * statistics.quantiles(single, n=20)[-1],
        "get all (s)": got_all - start_get,
        "heartbeat (ms)": 1000 * statistics.median(beats),
    }


def _timed(call: Any) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(options.count, options.dimension)).astype(np.float32)
    queries = rng.normal(size=(QUERIES, options.dimension)).astype(np.float32)
    figures: dict[str, list[dict[str, float]]] = {f"{c} -> {s}": [] for s in SERVERS for c in CLIENTS}
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ports = {server: stack.enter_context(running(server, directory / server)) for server in SERVERS}
        for number in range(options.rounds):
            for pair in figures:
                client, server = pair.split(" -> ")
                opened = importlib.import_module(client).HttpClient(port=ports[server])
                figures[pair].append(measure(opened, f"bench-{client}-{number}", vectors, queries))
    medians = {
        pair: {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
        for pair, rounds in figures.items()
    }
    names = list(next(iter(medians.values())))
    print(f"{'client -> server':26}" + "".join(f"{name:>16}" for name in names))
    for pair, values in medians.items():
        print(f"{pair:26}" + "".join(f"{values[name]:16.3f}" for name in names))
    if options.json:
        options.json.write_text(json.dumps({"options": vars(options) | {"json": None}, "medians": medians}, indent=1))


if __name__ == "__main__":
    main()

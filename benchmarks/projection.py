"""Maps: how long until the first is made, until it comes from the cache, and how much is sent to the browser.

    python benchmarks/projection.py --records 10000 [--dimension 384] [--method umap]

Clusters of random vectors; a fresh directory and a fresh cache. "Compiling UMAP" happens once a process. "In a new
process" opens the directory again and takes the map from the cache; it fails when that imports umap. "A lasso" is what
Python does with 1,000 points: state, table, what is sent back; "whole" is all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import chroma_nb
from chroma_nb.projection import reducers

_CLUSTERS = 40
_AGAIN = """
import sys, time, chroma_nb
client = chroma_nb.PersistentClient(sys.argv[1])
collection = client.get_collection("map", embedding_function=None)
start, cpu = time.perf_counter(), time.process_time()
found = chroma_nb.project(collection, sys.argv[2])
print(time.perf_counter() - start, time.process_time() - cpu)
assert len(found) == collection.count() and "umap" not in sys.modules
"""


class Known(chroma_nb.EmbeddingFunction[Any]):
    """The text "7" has the vector of record 7: what is measured is not a model."""

    def __init__(self, vectors: Any) -> None:
        self.vectors = vectors

    def __call__(self, input: Any) -> Any:
        return [self.vectors[int(text)] for text in input]


def fill(client: Any, records: int, dimension: int) -> Any:
    """A collection of clusters, with documents and metadata."""
    random = np.random.default_rng(0)
    cluster = random.integers(0, _CLUSTERS, records)
    vectors = random.normal(size=(_CLUSTERS, dimension))[cluster] * 2 + random.normal(size=(records, dimension))
    collection = client.create_collection("map", embedding_function=Known(vectors.astype(np.float32)))
    for start in range(0, records, 5_000):
        rows = range(start, min(start + 5_000, records))
        collection.add(
            ids=[f"id{row}" for row in rows],
            embeddings=vectors[rows.start : rows.stop].astype(np.float32),
            documents=[f"record {row} of cluster number {cluster[row]}, with some words of text" for row in rows],
            metadatas=[{"cluster": f"c{cluster[row]}", "row": row} for row in rows],
        )
    return collection


def timed(name: str, do: Callable[[], Any]) -> Any:
    """What ``do`` gives; its wall and CPU seconds are printed as a row."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = do()
    print(f"| {name} | {time.perf_counter() - wall:.3g} | {time.process_time() - cpu:.3g} |", flush=True)
    return result


def again(path: Path, method: str) -> None:
    """The row of the cached map in a new process."""
    command = [sys.executable, "-c", _AGAIN, str(path), method]
    wall, cpu = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    print(f"| from the cache, in a new process | {float(wall):.3g} | {float(cpu):.3g} |", flush=True)


def sent(explorer: Any, do: Callable[[], Any]) -> int:
    """Bytes of the messages to the map in the page while ``do`` runs, as JSON without the arrays' own bytes."""
    messages: list[int] = []

    def note(change: Any) -> None:
        if change["new"]:
            messages.append(len(json.dumps(change["new"], default=lambda array: list(map(float, array)))))

    names = [name for name in explorer.figure.keys if name.startswith("_py2js_")]
    explorer.figure.observe(note, names)
    do()
    explorer.figure.unobserve(note, names)
    return sum(messages)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--method", choices=list(reducers.REDUCERS), default="umap")
    given = parser.parse_args()
    os.environ["CHROMA_NB_PROGRESS"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        with chroma_nb.PersistentClient(Path(folder) / "db") as client:
            collection = fill(client, given.records, given.dimension)
            print("| step | wall s | CPU s |\n| --- | ---: | ---: |")
            timed("pca", lambda: chroma_nb.project(collection, "pca"))
            if given.method == "umap":
                timed("compiling UMAP", reducers.warm_umap)
            found = timed(given.method, lambda: chroma_nb.project(collection, given.method))
            timed("from the cache", lambda: chroma_nb.project(collection, given.method))
            timed("regions", lambda: found.labels)
            figure = timed("figure", lambda: found.figure(color="cluster"))
            timed("place a query", lambda: found.place(query_embeddings=np.zeros(given.dimension)))
            explorer = timed("explorer", lambda: chroma_nb.explore(found, client=client, renderer="plotly"))
            some = range(min(1_000, len(found)))
            timed("a lasso of 1,000", lambda: explorer.state.select_rows(some, "a lasso"))
            timed("a lasso of the whole", lambda: explorer.state.select_rows(range(len(found)), "a lasso"))
            timed("duplicates", lambda: chroma_nb.duplicates(collection, threshold=0.97))
            timed("outliers", lambda: chroma_nb.outliers(collection, 20))
            hundred = range(0, given.records, max(1, given.records // 100))
            questions = {str(row): f"id{row}" for row in hundred}
            timed(f"evaluate {len(questions)} questions", lambda: chroma_nb.evaluate(collection, questions))
            asked = list(questions.values())
            explorer.selection.clear()
            bytes_sent = sent(explorer, lambda: setattr(explorer.selection, "ids", asked))
            again(Path(folder) / "db", given.method)
    print(
        f"\nfigure as JSON: {len(figure.to_json()):,} bytes; a selection of {len(asked)} records: {bytes_sent:,} bytes"
    )


if __name__ == "__main__":
    main()

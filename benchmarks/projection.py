"""Maps: how long until the first is made, until it comes from the cache, and how much is sent to the browser.

    python benchmarks/projection.py --records 10000 [--dimension 384] [--method umap]

Clusters of random vectors; a fresh directory and a fresh cache. "warm" is what UMAP compiles once a process.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import chroma_nb
from chroma_nb.projection import reducers

_CLUSTERS = 40


def fill(client: Any, records: int, dimension: int) -> Any:
    """A collection of clusters, with documents and metadata."""
    random = np.random.default_rng(0)
    cluster = random.integers(0, _CLUSTERS, records)
    vectors = random.normal(size=(_CLUSTERS, dimension))[cluster] * 2 + random.normal(size=(records, dimension))
    collection = client.create_collection("map", embedding_function=None)
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
    print(f"| {name} | {time.perf_counter() - wall:.2f} | {time.process_time() - cpu:.2f} |", flush=True)
    return result


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
                timed("warm", reducers.warm_umap)
            found = timed(given.method, lambda: chroma_nb.project(collection, given.method))
            timed("again, from the cache", lambda: chroma_nb.project(collection, given.method))
            timed("regions", lambda: found.labels)
            figure = timed("figure", lambda: found.figure(color="cluster"))
            timed("place a query", lambda: found.place(query_embeddings=np.zeros(given.dimension)))
            explorer = timed("explorer", lambda: chroma_nb.explore(found, client=client))
            timed("1,000 lassoed", lambda: explorer.state.select_rows(range(min(1_000, len(found))), "benchmark"))
    print(f"\nfigure as JSON: {len(figure.to_json()):,} bytes")


if __name__ == "__main__":
    main()

"""What the workbench asks of Python: its table, facets and searches, on a collection in a directory.

    python benchmarks/browse.py --n 100000

"browse(), new process" is the first call there, with what it imports; the collection is open already.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import chroma_nb
from chroma_nb.workbench import facets, rows
from chroma_nb.workbench.widget import Workbench

BATCH = 5_000
#: Rows that are in view, and a few above and below.
VIEW = 40
KEYS = ["#id", "#document", "year", "topic"]
NEW_PROCESS = """
import sys, time, chroma_nb
collection = chroma_nb.PersistentClient(sys.argv[1]).get_collection("browse", embedding_function=None)
collection.count()
start = time.perf_counter()
chroma_nb.browse(collection)
print((time.perf_counter() - start) * 1000)
"""


def fill(client: Any, n: int, dimension: int) -> Any:
    """A collection of ``n`` records with documents and metadata."""
    made = client.create_collection("browse", embedding_function=None)
    random = np.random.default_rng(0)
    for start in range(0, n, BATCH):
        rows = range(start, min(start + BATCH, n))
        made.add(
            ids=[f"r{row}" for row in rows],
            embeddings=random.random((len(rows), dimension), dtype=np.float32),
            documents=[f"record {row} of the collection, with some words" for row in rows],
            metadatas=[{"year": 1990 + row % 35, "topic": "abc"[row % 3]} for row in rows],
        )
    return made


def milliseconds(step: Callable[[int], object], times: int = 15) -> tuple[float, float]:
    """The first call, and the median of the others."""
    taken = []
    for number in range(times):
        start = time.perf_counter()
        step(number)
        taken.append((time.perf_counter() - start) * 1000)
    return taken[0], statistics.median(taken[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=384)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, chroma_nb.PersistentClient(Path(folder) / "db") as client:
        measure(fill(client, options.n, options.dimension), Path(folder) / "db")


def first_browse(path: Path) -> float:
    """Milliseconds of the first call in a new process."""
    command = [sys.executable, "-c", NEW_PROCESS, str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(collection: Any, path: Path) -> None:
    """Print the table."""
    new = first_browse(path)
    opening = milliseconds(lambda _: Workbench(collection).close(), times=5)
    bench = Workbench(collection)
    none: dict[str, object] = {"where": None, "where_document": None, "search": None, "order": None}
    questions: dict[str, dict[str, object]] = {
        "no filter": {},
        "a filter": {"where": {"year": {"$gte": 2010}}},
        "in documents": {"where_document": {"$contains": "99"}},
        "sorted by a key": {"order": "year"},
        "words": {"search": {"text": "record 99", "by": "words"}},
    }
    print("| what is asked | first ms | then ms |\n| --- | ---: | ---: |")
    print(f"| browse(), new process | {new:.3g} | |")
    print(f"| browse() | {opening[0]:.3g} | {opening[1]:.3g} |")
    for name, question in questions.items():
        for trait, value in {**none, **question}.items():
            setattr(bench, trait, value)
        asked = {"count": VIEW, "keys": KEYS}
        first, later = milliseconds(lambda n, asked=asked: rows.rows(bench._seen, {**asked, "from": n * VIEW}))
        print(f"| rows, {name} | {first:.3g} | {later:.3g} |")
    for trait, value in none.items():
        setattr(bench, trait, value)
    clicks = [{"topic": {"values": [f'"{"abc"[n % 3]}"']}} for n in range(15)]
    first, later = milliseconds(
        lambda n: facets.facets(bench._seen, {"keys": ["year", "topic"], "given": {}, "changes": clicks[n]})
    )
    print(f"| facets after a click | {first:.3g} | {later:.3g} |")
    bench.close()


if __name__ == "__main__":
    main()

"""What a page of the browser costs: state and widgets, on a collection in memory.

python benchmarks/browse.py --n 100000
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

import chroma_nb
from chroma_nb.jupyter.widgets.browser import Browser
from chroma_nb.jupyter.widgets.browser_state import Order
from chroma_nb.jupyter.widgets.filters import FilterRow

BATCH = 5_000


def collection_of(n: int, dimension: int) -> chroma_nb.Collection:
    """``n`` records with documents and metadata."""
    made = chroma_nb.EphemeralClient().create_collection("browse", embedding_function=None)
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
    collection = collection_of(options.n, options.dimension)
    opening = milliseconds(lambda _: Browser(collection), times=3)
    browser = Browser(collection)
    questions: dict[str, dict[str, object]] = {
        "no filter": {},
        "a filter": {"rows": (FilterRow("year", "≥", "2010"),)},
        "in documents": {"contains": "99", "rows": ()},
        "sorted by a key": {"contains": "", "order": Order("metadata", "year")},
    }
    print("| page | first ms | then ms |\n| --- | ---: | ---: |")
    print(f"| browse() | {opening[0]:.3g} | {opening[1]:.3g} |")
    for name, question in questions.items():
        browser.state.ask(**question)
        first, later = milliseconds(browser._go)
        print(f"| {name} | {first:.3g} | {later:.3g} |")


if __name__ == "__main__":
    main()

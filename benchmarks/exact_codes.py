"""Exact search by 8-bit codes beside the scan of float32: milliseconds of CPU and of the clock, the least of several.

    python benchmarks/exact_codes.py --n 100000 [--dimension 384] [--space cosine] [--threads 1] [--without avx512]

The collection is a mixture of 400 clusters, or the rows of ``--vectors FILE.npy``. ``--without`` turns instructions of
the library off. Every result is compared with the scan's.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from chroma_nb.engine import threads
from chroma_nb.engine.index import int8_products
from chroma_nb.engine.index.certified import CertifiedIndex
from chroma_nb.engine.index.exact import ExactIndex
from chroma_nb.engine.storage.vectors import norms_of

SHARES = (0.001, 0.01, 0.1, 0.2, 0.5, 0.9)
RESULTS = (1, 10, 30, 100, 300, 1_000)
#: What is turned off -> the names of the library.
INSTRUCTIONS = {
    "avx512": ("skylake", "icelake", "genoa", "turin", "sapphire", "sapphireamx", "graniteamx", "diamond"),
    "vnni": ("icelake", "genoa", "turin", "sapphire", "sapphireamx", "graniteamx", "diamond", "alder", "sierra"),
}


def least(*steps: Callable[[], object], seconds: float = 2.0, most: int = 200) -> list[tuple[float, float]]:
    """Milliseconds by the clock and of CPU of each step, in turn: what else the machine does meets all of them."""
    found = [(float("inf"), float("inf"))] * len(steps)
    end, times = time.perf_counter() + seconds, 0
    while times < 3 or (times < most and time.perf_counter() < end):
        for number, step in enumerate(steps):
            start, used = time.perf_counter(), time.process_time()
            step()
            clock, cpu = (time.perf_counter() - start) * 1e3, (time.process_time() - used) * 1e3
            found[number] = min(found[number][0], clock), min(found[number][1], cpu)
        times += 1
    return found


def mixture(n: int, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors, and queries beside some of them."""
    random = np.random.default_rng(0)
    vectors = np.empty((n, dimension), np.float32)
    centres = random.normal(size=(400, dimension))
    for start in range(0, n, 50_000):
        rows = min(50_000, n - start)
        vectors[start : start + rows] = centres[random.integers(0, 400, rows)] + 0.7 * random.normal(
            size=(rows, dimension)
        )
    return vectors, beside(vectors)


def beside(vectors: np.ndarray) -> np.ndarray:
    """200 queries."""
    random = np.random.default_rng(1)
    queries = vectors[random.integers(0, len(vectors), 200)]
    return queries + (0.3 * queries.std() * random.normal(size=queries.shape)).astype(np.float32)


def cases(n: int) -> Iterator[tuple[str, int, int, dict[str, Any]]]:
    """Name, queries at once, k, and what narrows the search."""
    random = np.random.default_rng(2)
    for count in (1, 10, 100):
        for k in RESULTS:
            yield "one query" if count == 1 else f"{count} queries", count, k, {}
    yield "200 queries", 200, 10, {}
    yield "one query, 30 % deleted", 1, 10, {"dead": random.random(n) < 0.3}
    for share in SHARES:
        allowed = np.sort(random.permutation(n)[: max(10, int(share * n))])
        yield f"one query, {share:.1%} allowed", 1, 10, {"among": allowed}
    allowed = np.sort(random.permutation(n)[: n // 10])
    for k in (10, 100):
        yield "100 queries, 10.0% allowed", 100, k, {"among": allowed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--space", choices=("l2", "cosine", "ip"), default="cosine")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--vectors", help="a .npy file of vectors, instead of the mixture")
    parser.add_argument("--without", choices=sorted(INSTRUCTIONS))
    options = parser.parse_args()
    library = int8_products.library()
    if library is None:
        raise SystemExit("numkong is not installed, or knows no instructions of this processor")
    for name in INSTRUCTIONS.get(options.without, ()):
        library.disable_capability(name)
    if options.threads:
        threads.usable_processors = lambda: options.threads
    if options.vectors:
        vectors = np.ascontiguousarray(np.load(options.vectors)[: options.n], np.float32)
        queries = beside(vectors)
    else:
        vectors, queries = mixture(options.n, options.dimension)
    measure(options.space, vectors, queries)


def measure(space: str, vectors: np.ndarray, queries: np.ndarray) -> None:
    """Print the table."""
    n, order = len(vectors), np.arange(len(vectors))
    indexes: list[Any] = [kind(space, vectors.shape[1]) for kind in (ExactIndex, CertifiedIndex)]
    for index in indexes:
        index.extend(order, norms_of(vectors), n)
        index.prepare(vectors)
    start, used = time.perf_counter(), time.process_time()
    indexes[1].make_codes(vectors)
    print(f"{n:,} x {vectors.shape[1]} {space}; instructions: {instructions()}; load {os.getloadavg()[0]:.1f}")
    print(
        f"codes made in {(time.perf_counter() - start) * 1e6 / n:.2f} us a row (CPU "
        f"{(time.process_time() - used) * 1e6 / n:.2f}), {indexes[1].codes.nbytes / 1e6:.0f} MB, "
        f"frame: {frame(indexes[1])}"
    )
    print(f"{'':28}{'k':>6}{'scan':>9}{'CPU':>9}{'codes':>9}{'CPU':>9}  by codes")
    for name, count, k, narrower in cases(n):
        turn = iter(range(10**9))

        def some(index: Any, number: int, count: int = count, k: int = k, narrower: Any = narrower) -> Any:
            first = number * count % (len(queries) - count + 1)
            return index.counted_search(vectors, queries[first : first + count], k, order, **narrower)

        def scan(count: int = count, k: int = k, narrower: Any = narrower, turn: Any = turn) -> Any:
            first = next(turn) * count % (len(queries) - count + 1)
            return indexes[0].search(vectors, queries[first : first + count], k, order, **narrower)

        by_codes = 0
        for number in range(3):
            found, answered = some(indexes[1], number)
            by_codes += answered
            first = number * count % (len(queries) - count + 1)
            expected = indexes[0].search(vectors, queries[first : first + count], k, order, **narrower)
            for mine, other in zip(found, expected, strict=True):
                assert np.array_equal(mine[0], other[0])
                assert np.array_equal(mine[1], other[1])
        scanned, coded = least(scan, lambda turn=turn, some=some: some(indexes[1], next(turn)))
        print(
            f"{name:28}{k:6}{scanned[0]:9.3f}{scanned[1]:9.3f}{coded[0]:9.3f}{coded[1]:9.3f}  {by_codes} of {3 * count}"
        )


def instructions() -> str:
    """What the library may use here."""
    library = int8_products.library()
    return ", ".join(name for name, there in library.get_capabilities().items() if there) if library else ""


def frame(index: Any) -> str:
    """What the vectors called for."""
    chosen = index.codes.frame
    named = {"centre": chosen.centre is not None, "rotation": chosen.rotation is not None}
    return ", ".join(name for name, there in named.items() if there) or "plain"


if __name__ == "__main__":
    main()

"""Recall and time of filtered search, over filters that know nothing of the vectors and filters that follow them.

    python benchmarks/filters.py --n 100000 [--wordnet DIR]

A filter that follows the vectors is where approximate search goes wrong: the neighbours a graph finds first are all
forbidden. ``side`` orders the records by their nearness to one of them; the queries come from everywhere. Three
searches: exact (before the graph is built), by whatever the planner chooses afterwards, and what the filter ``$gte``
leaves, the far side.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from measures import Bench, fill, timed
from systems import ChromaNb
from workload import CONDITIONS, SHARES, K, Workload, last_distances, load, save

from chroma_nb.types import Where


def conditions() -> list[tuple[str, float, Where]]:
    """What is allowed: kind, share, filter."""
    cases = [(condition.kind, condition.share, condition.where) for condition in CONDITIONS]
    return cases + [("far side", share, {"side": {"$gte": 1 - share}}) for share in SHARES]


def measure(system: ChromaNb, work: Workload, queries: int) -> None:
    """Print one row per filter."""
    print("| filter | allowed | recall | ms | plan |\n| --- | ---: | ---: | ---: | --- |")
    for kind, share, where in conditions():
        ((column, condition),) = where.items()
        ((operator, bound),) = condition.items()
        values = work.column(column)
        mask = values < bound if operator == "$lt" else values >= bound
        found: list[list[str]] = []
        figure = timed(
            lambda i, where=where, found=found: found.extend(system.query_where(work.Q[i : i + 1], K, where)),
            least=5,
            most=queries,
        )
        (truth,) = last_distances(work.X, work.Q, [mask])
        plan = system.collection.explain(query_embeddings=work.Q[:1], n_results=K, where=where)["method"]
        recall = work.recall(found, truth, mask)
        print(f"| {kind} | {share:.1%} | {recall:.4f} | {figure['wall'] * 1e3:.3g} | {plan} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--wordnet", default=os.environ.get("CHROMA_NB_BENCH_WORDNET"), help="directory of real data")
    parser.add_argument("--build-seconds", type=float, default=180, help="how long to wait for the graph")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        save(Path(directory), options.n, Path(options.wordnet) if options.wordnet else None)
        work = load(Path(directory))
    bench = Bench(ChromaNb, work, place=None)
    system = bench.open(None)
    list(fill(bench))
    print("\nBefore the graph\n")
    measure(system, work, options.queries)
    if system.build_index(work.Q, options.build_seconds):
        print("\nWith the graph\n")
        measure(system, work, options.queries)
    else:
        print("\nNo graph: too few records, or not within --build-seconds.")
    system.close()


if __name__ == "__main__":
    main()

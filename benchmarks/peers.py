"""Databases side by side on the same work, and the ratios of the others to chroma_nb.

    python benchmarks/peers.py --n 10000,100000 --systems chroma_nb,chromadb
    python benchmarks/peers.py --n 10000 --wordnet DIR        # real text: a directory with WordNet and its vectors

Each system runs in a process of its own, one after another. Times are wall-clock medians: run it on a quiet machine,
and read ratios below about 1.5 as undecided. The table goes to standard output as Markdown, progress to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from systems import SYSTEMS
from workload import K, Workload, load, recall, save

SHARES = (0.001, 0.01, 0.1, 0.5, 0.9)
FILTERS = {"random": "score", "correlated": "side"}
Result = dict[str, Any]


@dataclass(frozen=True)
class Measure:
    """A row of the table. ``floors`` says, for a number of records, what the ratio to chromadb must reach."""

    key: str
    label: str
    unit: str = "ms"
    floors: dict[int, float] = field(default_factory=dict)
    #: True: the number itself is compared as it stands (recall), not as a ratio.
    plain: bool = False


def both(ratio: float) -> dict[int, float]:
    return {10_000: ratio, 100_000: ratio}


def filter_rows() -> list[Measure]:
    rows = []
    for kind in FILTERS:
        for share in SHARES:
            floors = {10_000: 25.0, 100_000: 300.0 if share == 0.001 else 25.0}
            rows.append(Measure(f"filter_{kind}_{share}", f"query, {kind} filter allows {share:.1%}", floors=floors))
            rows.append(Measure(f"filter_{kind}_{share}_recall", "... its recall", "", plain=True))
    return rows


MEASURES = [
    Measure("import", "import", "s", {10_000: 7}),
    Measure("add", "add, batches of 1,000", "s", both(30)),
    Measure("add_longest", "... longest call"),
    Measure("query", "one query", floors={10_000: 2.5, 100_000: 0.8}),
    Measure("query_recall", "... its recall", "", plain=True),
    Measure("query_200", "200 queries in one call", floors={10_000: 1.2}),
    Measure("graph_query", "one query, graph built", floors={100_000: 4}),
    Measure("graph_query_recall", "... its recall", "", plain=True),
    Measure("graph_query_200", "200 queries in one call, graph built", floors={100_000: 2}),
    *filter_rows(),
    Measure("get_1", "get one id", floors=both(25)),
    Measure("get_100", "get 100 ids", floors=both(10)),
    Measure("get_where", "get where, limit 10", floors=both(25)),
    Measure("get_all", "get everything", floors={10_000: 25}),
    Measure("update_1000", "update 1,000 metadatas", floors=both(20)),
    Measure("delete_where", "delete where, 1 %", floors=both(20)),
    Measure("start", "import, open and first query", "s", {10_000: 10, 100_000: 5}),
    Measure("open", "... once loaded", "s"),
    Measure("disk", "disk, less cache/", "MB", both(2)),
]
#: What others have one figure for (they answer in one way, always) and we have two.
SAME_FOR_OTHERS = {"graph_query": "query", "graph_query_200": "query_200", "graph_query_recall": "query_recall"}


# --- In the worker -------------------------------------------------------------------------------------
def median_ms(call: Callable[[int], Any], times: int, seconds: float = 5.0) -> float:
    """The median time of a call in milliseconds; stops early when it has taken ``seconds`` altogether."""
    taken: list[float] = []
    while len(taken) < times and sum(taken) < seconds:
        start = perf_counter()
        call(len(taken))
        taken.append(perf_counter() - start)
    return float(np.median(taken)) * 1e3


def fill(system: Any, work: Workload, batch: int) -> Result:
    calls = []
    for first in range(0, work.n, batch):
        rows = slice(first, first + batch)
        start = perf_counter()
        system.add(work.ids[rows], work.X[rows], work.documents[rows], work.metadatas[rows])
        calls.append(perf_counter() - start)
    start = perf_counter()
    system.query(work.Q[:1], K)  # what was put off until the first query belongs to adding
    return {"add": sum(calls) + perf_counter() - start, "add_longest": max(calls) * 1e3}


def search(system: Any, work: Workload, prefix: str = "") -> Result:
    found: list[list[str]] = []
    one = median_ms(lambda i: found.extend(system.query(work.Q[i : i + 1], K)), len(work.Q), 20)
    many = median_ms(lambda _: system.query(work.Q, K), 3)
    return {f"{prefix}query": one, f"{prefix}query_recall": recall(found, work.nearest()), f"{prefix}query_200": many}


def search_filtered(system: Any, work: Workload) -> Result:
    result: Result = {}
    for kind, column in FILTERS.items():
        values = work.column(column)
        for share in SHARES:
            found: list[list[str]] = []
            where = {column: {"$lt": share}}
            name = f"filter_{kind}_{share}"
            result[name] = median_ms(
                lambda i, where=where, found=found: found.extend(system.query(work.Q[i : i + 1], K, where)), 50
            )
            result[f"{name}_recall"] = recall(found, work.nearest(values < share))
    return result


def read_and_change(system: Any, work: Workload, path: Path | None) -> Result:
    n, ids = work.n, work.ids
    result: Result = {
        "get_1": median_ms(lambda i: system.get_ids([ids[i * 7919 % n]]), 100),
        "get_100": median_ms(lambda i: system.get_ids([ids[(i * 7919 + j * 31) % n] for j in range(100)]), 20),
        "get_where": median_ms(lambda i: system.get_where({"tag": work.metadatas[i]["tag"]}, 10), 20),
    }
    try:
        result["get_all"] = median_ms(lambda _: system.get_all(), 3)
    except Exception as error:  # noqa: BLE001  chromadb cannot from 32,767 records on; said in the table
        result["get_all_error"] = type(error).__name__
    some = ids[:1000]
    result["update_1000"] = median_ms(lambda _: system.update_metadata(some, work.metadatas[: len(some)]), 3)
    if path is not None:
        files = [file for file in path.rglob("*") if file.is_file() and "cache" not in file.relative_to(path).parts]
        result["disk"] = sum(file.stat().st_size for file in files) / 2**20
    result["delete_where"] = median_ms(lambda _: system.delete_where({"score": {"$gte": 0.99}}), 1)
    return result


def worker(arguments: argparse.Namespace) -> None:
    """One system over one database; the result is printed as a line of JSON."""
    work = load(Path(arguments.data))
    path = Path(arguments.path) if arguments.path else None
    kind = SYSTEMS[arguments.worker]
    if arguments.phase == "open":
        assert path is not None
        result = reopen(kind, work, path)
    else:
        system = kind()
        system.open(path, work.X.shape[1])
        result = fill(system, work, min(arguments.batch, system.max_batch))
        result |= search(system, work)
        if system.build_index(work.Q, arguments.build_seconds):
            result |= search(system, work, "graph_")
        result |= search_filtered(system, work)
        result |= read_and_change(system, work, path)
        system.close()
    print("RESULT " + json.dumps(result))


def reopen(kind: Callable[[], Any], work: Workload, path: Path) -> Result:
    """In a new process: from the import to the first answer (of a copy), and the same once everything is loaded."""
    result = {}
    with tempfile.TemporaryDirectory(prefix="bench-copy-") as directory:
        copy = shutil.copytree(path, Path(directory) / "copy")
        for key, place in (("start", copy), ("open", path)):
            start = perf_counter()
            system = kind()
            system.open(place, work.X.shape[1])
            system.query(work.Q[:1], K)
            result[key] = perf_counter() - start
            system.close()
    return result


# --- In the driver -------------------------------------------------------------------------------------
def import_seconds(module: str, times: int = 7) -> float:
    """The median time of importing ``module`` in a new process, less that of starting Python."""

    def once(code: str) -> float:
        start = perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        return perf_counter() - start

    once(f"import {module}")
    taken = [(once(f"import {module}"), once("pass")) for _ in range(times)]
    imported, bare = np.median(taken, axis=0)
    return float(imported - bare)


def in_a_process(name: str, options: dict[str, Any]) -> Result:
    flags = [f"--{key}={value}" for key, value in options.items() if value is not None]
    run = subprocess.run([sys.executable, __file__, "--worker", name, *flags], capture_output=True, text=True)
    for line in run.stdout.splitlines():
        if line.startswith("RESULT "):
            return dict(json.loads(line.removeprefix("RESULT ")))
    return {"error": (run.stderr.strip().splitlines() or ["no result"])[-1]}


def measure(name: str, mode: str, data: Path, options: argparse.Namespace) -> Result:
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        shared = {
            "data": data,
            "path": directory if mode == "persistent" else None,
            "batch": options.batch,
            "build-seconds": options.build_seconds,
        }
        result = in_a_process(name, shared)
        if mode == "persistent" and "error" not in result:
            result |= in_a_process(name, {**shared, "phase": "open"})
    return result


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def floor_of(row: Measure, n: int, mode: str) -> float | None:
    if row.key == "add" and mode == "ephemeral":
        return {10_000: 100.0, 100_000: 80.0}.get(n)
    return row.floors.get(n)


def table(n: int, mode: str, results: dict[str, Result]) -> list[str]:
    """The results of one size and kind as Markdown; ratios are another system's figure divided by ours."""
    names = list(results)
    ours, others = results.get("chroma_nb"), [name for name in names if name != "chroma_nb"]
    ratios = [f"{name} / chroma_nb" for name in others] if ours else []
    head = ["", *names, *ratios, *(["floor"] if ours else [])]
    lines = [f"\n### {n:,} records, {mode}\n", "| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for row in MEASURES:
        figures = {name: figure(row, name, result) for name, result in results.items()}
        if figures.get("chroma_nb", 0) is None or all(value is None for value in figures.values()):
            continue
        cells = [f"{row.label}{f' ({row.unit})' if row.unit else ''}"]
        for name, result in results.items():
            value = figures[name]
            cells.append(result.get(f"{row.key}_error", "") if value is None else number(value))
        if ours:
            mine = figures["chroma_nb"]
            for name in others:
                other = figures[name]
                comparable = mine is not None and other is not None and not row.plain
                cells.append(f"{number(other / mine)} ×" if comparable else "")
            floor = floor_of(row, n, mode)
            cells.append("" if floor is None else f"{floor:g} ×")
        lines.append("| " + " | ".join(cells) + " |")
    lines += [f"\n{name} failed: {result['error']}" for name, result in results.items() if "error" in result]
    return lines


def figure(row: Measure, name: str, result: Result) -> float | None:
    key = row.key if name == "chroma_nb" else SAME_FOR_OTHERS.get(row.key, row.key)
    return result.get(key)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", default="10000", help="numbers of records, separated by commas")
    parser.add_argument("--systems", default="chroma_nb,chromadb", help=f"of {', '.join(SYSTEMS)}")
    parser.add_argument("--modes", default="persistent,ephemeral")
    parser.add_argument("--batch", type=int, default=1000, help="records in one call of add")
    parser.add_argument("--wordnet", default=os.environ.get("CHROMA_NB_BENCH_WORDNET"), help="directory of real data")
    parser.add_argument(
        "--build-seconds", type=float, default=180, help="how long to wait for our graph; 0: not at all"
    )
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    parser.add_argument("--phase", default="main", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options)
        return
    names = options.systems.split(",")
    imports = {name: import_seconds(SYSTEMS[name].module) for name in names}  # type: ignore[attr-defined]
    imports["numpy"] = import_seconds("numpy")
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {'WordNet' if options.wordnet else 'synthetic'}"
    )
    print("\nimport (s): " + ", ".join(f"{name} {seconds:.3f}" for name, seconds in imports.items()))
    everything = []
    for n in map(int, options.n.split(",")):
        with tempfile.TemporaryDirectory(prefix="bench-data-") as directory:
            save(Path(directory), n, Path(options.wordnet) if options.wordnet else None)
            for mode in options.modes.split(","):
                results: dict[str, Result] = {}
                for name in (name for name in names if mode in SYSTEMS[name].modes):  # type: ignore[attr-defined]
                    print(f"{name}, {mode}, {n:,} records", file=sys.stderr)
                    results[name] = {"import": imports[name], **measure(name, mode, Path(directory), options)}
                    everything.append({"system": name, "mode": mode, "n": n, **results[name]})
                print("\n".join(table(n, mode, results)), flush=True)
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    main()

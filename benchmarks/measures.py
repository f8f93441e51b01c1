"""What is measured: sections of rows, each a function of one system. Runs in the process of that system.

A figure is a dict: ``wall`` and ``cpu`` (seconds, medians of ``samples`` calls; the processor time is that of this
process, all threads) and ``recall`` for times; ``value`` for sizes and the like; ``error`` where a call was refused.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Literal

import numpy as np
from workload import CONDITIONS, QUERIES, K, Workload

Figure = dict[str, Any]
Figures = dict[str, Figure]
BATCHES = (1, 10, 200)
#: Seconds after which a row takes no further sample, once it has enough; and in any case.
ENOUGH, PATIENCE = 5.0, 300.0


@dataclass
class Bench:
    """One system in one process. ``place``: its directory, None in memory; ``copy``: another with the same records."""

    kind: Callable[[], Any]
    work: Workload
    place: Path | None
    copy: Path | None = None
    samples: int = 5
    batch: int = 1000
    build_seconds: float = 180
    system: Any = None

    def open(self, place: Path | None) -> Any:
        self.system = self.kind()
        self.system.open(place, self.work.X.shape[1])
        return self.system


Process = Literal["filling", "new", "reopened"]


@dataclass(frozen=True)
class Section:
    """Rows that are measured together.

    ``process``: that which filled the database; new ones, ``times`` of them (None: as many as samples are wanted);
    or one that opened it again. ``needs``: the operation without which none of it can be measured.
    """

    name: str
    measure: Callable[[Bench], Iterator[tuple[str, Figure]]]
    process: Process
    needs: str = "query"
    times: int | None = None


# --- The clock -----------------------------------------------------------------------------------------
@contextmanager
def stopwatch() -> Iterator[Figure]:
    """The time that its block takes."""
    figure: Figure = {"samples": 1}
    wall, cpu = perf_counter(), process_time()
    yield figure
    figure |= {"wall": perf_counter() - wall, "cpu": process_time() - cpu}


def median(figures: list[Figure]) -> Figure:
    """One figure for several of one row."""
    figures = [figure for figure in figures if "error" not in figure] or figures[:1]
    if "error" in figures[0]:
        return figures[0]
    kept = {key: float(np.median([figure[key] for figure in figures])) for key in figures[0] if key != "samples"}
    return {**kept, "samples": sum(figure.get("samples", 1) for figure in figures)}


def timed(call: Callable[[int], Any], least: int, most: int, seconds: float = ENOUGH) -> Figure:
    """The median time of a call, of ``least`` to ``most``; more than ``least`` as long as ``seconds`` are not over."""
    taken: list[Figure] = []
    spent = 0.0
    while len(taken) < most and spent < (seconds if len(taken) >= least else PATIENCE):
        try:
            with stopwatch() as figure:
                call(len(taken))
        except Exception as error:  # noqa: BLE001  chromadb cannot get 32,767 records and more; said in the table
            return {"error": type(error).__name__}
        taken.append(figure)
        spent += figure["wall"]
    return median(taken)


# --- Adding and searching ------------------------------------------------------------------------------
def fill(bench: Bench, name: str = "add") -> Iterator[tuple[str, Figure]]:
    """All records, in batches; what is put off until the first query belongs to adding."""
    system, work = bench.system, bench.work
    batch = max(1, min(bench.batch, system.max_batch, work.n // 10))
    calls = []
    for first in range(0, work.n, batch):
        rows = slice(first, first + batch)
        with stopwatch() as figure:
            system.add(work.ids[rows], work.X[rows], work.documents[rows], work.metadatas[rows])
        calls.append(figure)
    with stopwatch() as query:
        system.query(work.Q[:1], K)
    tenth = len(calls) // 10
    yield name, together([*calls, query])
    yield f"{name}_longest", max(calls, key=lambda call: call["wall"])
    yield f"{name}_first_tenth", together(calls[:tenth])
    yield f"{name}_last_tenth", together(calls[-tenth:])
    yield "first_query", query
    if hasattr(system, "finish"):
        with stopwatch() as built:
            system.finish()
        yield "index_wait", built


def together(calls: list[Figure]) -> Figure:
    """The time of several calls in sum."""
    return {key: sum(call[key] for call in calls) for key in ("wall", "cpu", "samples")}


def search(bench: Bench, prefix: str = "query") -> Iterator[tuple[str, Figure]]:
    system, work = bench.system, bench.work
    for batch in BATCHES:
        found: list[Any] = []

        def ask(i: int, batch: int = batch, found: list[Any] = found) -> None:
            first = i * batch % QUERIES
            result = system.query(work.Q[first : first + batch], K)
            found.extend(() if result is None else result)

        figure = timed(ask, bench.samples, max(bench.samples, QUERIES // batch), 20 if batch == 1 else ENOUGH)
        if found:
            figure["recall"] = work.recall(found, work.truth["all"])
        yield f"{prefix}_{batch}", figure
    if hasattr(system, "method"):
        yield f"{prefix}_method", {"value": system.method(work.Q)}


def search_filtered(bench: Bench) -> Iterator[tuple[str, Figure]]:
    system, work = bench.system, bench.work
    for condition in CONDITIONS:
        found: list[Any] = []

        def ask(i: int, where: Any = condition.where, found: list[Any] = found) -> None:
            found.extend(system.query_where(work.Q[i : i + 1], K, where))

        figure = timed(ask, bench.samples, max(bench.samples, 50))
        if found:
            figure["recall"] = work.recall(found, work.truth[condition.name], condition.mask(work))
        yield condition.name, figure
    if hasattr(system, "method"):
        yield "filters_method", {"value": system.method(work.Q)}


def index(bench: Bench) -> Iterator[tuple[str, Figure]]:
    """What is kept for searching besides the records; and queries by an index that is built in the background."""
    system, work = bench.system, bench.work
    if hasattr(system, "build_index"):
        with stopwatch() as built:
            there = system.build_index(work.Q, bench.build_seconds)
        if there:
            yield "index_wait", built
            yield from search(bench, "indexed")
    if bench.place is not None:
        yield "index_size", {"value": system.index_bytes()}


# --- Reading and changing ------------------------------------------------------------------------------
def get(bench: Bench) -> Iterator[tuple[str, Figure]]:
    system, n, ids = bench.system, bench.work.n, bench.work.ids
    tags = [metadata["tag"] for metadata in bench.work.metadatas[:20]]
    few = max(bench.samples, 20)
    yield "get_1", timed(lambda i: system.get_ids([ids[i * 7919 % n]]), bench.samples, 5 * few)
    hundred = min(100, n)
    yield (
        "get_100",
        timed(
            lambda i: system.get_ids([ids[(i * 7919 + j * (n // hundred)) % n] for j in range(hundred)]),
            bench.samples,
            few,
        ),
    )
    yield "get_where", timed(lambda i: system.get_where({"tag": tags[i % len(tags)]}, 10), bench.samples, few)


def read(bench: Bench) -> Iterator[tuple[str, Figure]]:
    for name in ("to_df", "to_arrow", "get_all"):
        if hasattr(bench.system, name):
            yield name, timed(lambda _, name=name: getattr(bench.system, name)(), bench.samples, bench.samples)


def change(bench: Bench) -> Iterator[tuple[str, Figure]]:
    """Hundredths of the records, another one each time."""
    system, work = bench.system, bench.work
    system.query(work.Q[:1], K)
    part = max(1, work.n // 100)

    def update(i: int) -> None:
        rows = slice(i * part, (i + 1) * part)
        system.update_metadata(work.ids[rows], work.metadatas[rows])

    yield "update", timed(update, bench.samples, bench.samples)
    yield (
        "delete",
        timed(
            lambda i: system.delete_where({"score": {"$gte": 1 - (i + 1) / 100}}),
            bench.samples,
            bench.samples,
        ),
    )


def disk(bench: Bench) -> Iterator[tuple[str, Figure]]:
    if bench.place is not None:
        files = [file for file in bench.place.rglob("*") if file.is_file()]
        kept = [file for file in files if "cache" not in file.relative_to(bench.place).parts]
        yield "disk", {"value": sum(file.stat().st_size for file in kept)}


# --- In new processes ----------------------------------------------------------------------------------
def private_memory() -> int:
    """Bytes of this process that are its own: what it has mapped from files belongs to all."""
    import psutil

    memory = psutil.Process().memory_info()
    return int(memory.rss - getattr(memory, "shared", 0))


class Watch:
    """The most private memory of the process within a block, less what it had before; looked at by a thread."""

    def __enter__(self) -> Watch:
        self.before, self.most, self.over = private_memory(), 0, threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def _look(self) -> None:
        while True:
            self.most = max(self.most, private_memory() - self.before)
            if self.over.wait(0.02):
                return


def open_and_query(bench: Bench) -> Iterator[tuple[str, Figure]]:
    """From the import to the first result (of a copy), and the same once everything is loaded."""
    for name, place in (("start", bench.copy), ("open", bench.place)):
        with stopwatch() as figure:
            system = bench.open(place)
            system.query(bench.work.Q[:1], K)
        yield name, figure
        system.close()


def open_and_get(bench: Bench) -> Iterator[tuple[str, Figure]]:
    """One record by its id, which needs no vectors; and what opening alone takes of memory."""
    ids = [f"id{bench.work.n // 2}"]
    with stopwatch() as first:
        system = bench.open(bench.copy)
        memory = private_memory()
        system.get_ids(ids)
    yield "memory_open", {"value": memory}
    yield "start_get", first
    system.close()
    with stopwatch() as figure:
        system = bench.open(bench.place)
        system.get_ids(ids)
    yield "open_get", figure
    system.close()


def to_parquet(bench: Bench) -> Iterator[tuple[str, Figure]]:
    """A file of everything, and how much more memory of its own the process needed at most."""
    with Watch() as watch, tempfile.TemporaryDirectory(prefix="bench-") as directory:
        system = bench.open(bench.place)
        with stopwatch() as figure:
            system.to_parquet(Path(directory) / "all.parquet")
        system.close()
    yield "parquet", figure
    yield "parquet_memory", {"value": watch.most}


def fill_relaxed(bench: Bench) -> Iterator[tuple[str, Figure]]:
    """Adding again, into another directory, without waiting for the disk."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        bench.kind = bench.kind().relaxed
        bench.open(Path(directory))
        yield from (row for row in fill(bench, "add_relaxed") if row[0].startswith("add"))
        bench.system.close()


SECTIONS = [
    Section("add", fill, "filling"),
    Section("query", search, "filling"),
    Section("filters", search_filtered, "filling", "query_where"),
    Section("index", index, "filling", "index_bytes"),
    Section("get", get, "filling", "get_ids"),
    Section("read", read, "filling", "get_all"),
    Section("disk", disk, "filling", "get_ids"),
    Section("open", open_and_query, "new"),
    Section("open_get", open_and_get, "new", "get_ids"),
    Section("parquet", to_parquet, "new", "to_parquet", times=1),
    Section("durability", fill_relaxed, "new", "relaxed", times=1),
    Section("change", change, "reopened", "delete_where"),
]

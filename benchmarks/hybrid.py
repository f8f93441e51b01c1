"""Search by words, by meaning and by both, databases side by side: what is found, how fast, and what it takes.

    python benchmarks/hybrid.py --wordnet DIR --embeddings DIR     # example sentences that must find their entry
    python benchmarks/hybrid.py --n 100000,1000000                 # made data: times alone
    python benchmarks/hybrid.py --n 10000 --systems chroma_nb,bm25s

Each system runs in a process of its own, one after the other. A question is asked of each of its searches in turn, for
ten records, which is timed, and for fifty, which is not; its vector is given, so that embedding it counts nowhere.
CPU times are those of the system's process, all its threads. The table goes to standard output as Markdown, progress to
standard error; systems that are not installed are named and passed over.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import log2
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from hybrid_systems import SYSTEMS, System
from hybrid_workload import Questions, load, made, save, wordnet
from measures import stopwatch
from peers import machine_of
from report import short

FEW, MANY = 10, 50
HEADS = ["", "by", "recall@10", "recall@50", "nDCG@10", "median, ms", "95 %, ms", "questions"]
STORED = ["", "add, s", "index, s", "index, MB", "disk, MB"]


# --- In the worker -------------------------------------------------------------------------------------
@dataclass
class Asked:
    """One search of a system: what the questions found, and how long each took, in seconds."""

    few: list[list[int]] = field(default_factory=list)
    many: list[list[int]] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def figures(self, expected: list[int] | None) -> dict[str, Any]:
        """What the tables show of it."""
        times = {
            f"{name}_{part}": float(np.quantile(getattr(self, part), share))
            for name, share in (("median", 0.5), ("late", 0.95))
            for part in ("wall", "cpu")
        }
        return {**times, "questions": len(self.few), **({} if expected is None else self.quality(expected))}

    def quality(self, expected: list[int]) -> dict[str, float]:
        """How many questions found their record, and how far up. One is right: its place alone gives the nDCG."""
        places = [found.index(one) if one in found else None for one, found in zip(expected, self.few, strict=False)]
        gains = [0.0 if place is None else 1 / log2(place + 2) for place in places]
        within = [one in found for one, found in zip(expected, self.many, strict=False)]
        return {
            f"recall_{FEW}": float(np.mean([place is not None for place in places])),
            f"recall_{MANY}": float(np.mean(within)),
            "ndcg": float(np.mean(gains)),
        }


def worker(options: argparse.Namespace) -> None:
    """One system: its figures are a line of JSON on standard output."""
    work, place = load(options.data), options.place
    system = SYSTEMS[options.worker]()
    system.open(place, work.X.shape[1])
    with stopwatch() as add:
        system.add(work.documents, work.X)
    with stopwatch() as build:
        system.build(work.texts, work.Q, options.build_seconds)
    found = {name: asked.figures(work.expected) for name, asked in ask(system, work, options.seconds).items()}
    figures = {"add": add, "build": build, "searches": found, "index": system.index_bytes()}
    system.close()
    figures["disk"] = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    print("FIGURES " + json.dumps(figures), flush=True)


def ask(system: System, work: Questions, seconds: float) -> dict[str, Asked]:
    """All questions, as long as time is left; each search of the system gets the same."""
    searches, until = system.searches(), perf_counter() + seconds
    asked = {name: Asked() for name in searches}
    for search in searches.values():  # what the first call prepares
        search(work.texts[0], work.Q[0], FEW)
    for text, vector in zip(work.texts, work.Q, strict=True):
        if perf_counter() > until:
            break
        for name, search in searches.items():
            with stopwatch() as figure:
                few = search(text, vector, FEW)
            asked[name].few.append(few)
            asked[name].wall.append(figure["wall"])
            asked[name].cpu.append(figure["cpu"])
            if work.expected is not None:
                asked[name].many.append(search(text, vector, MANY))
    return asked


# --- In the driver -------------------------------------------------------------------------------------
def measured(name: str, data: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one system; the last line of its error where it has failed."""
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        flags = [f"--worker={name}", f"--data={data}", f"--place={place}", f"--seconds={options.seconds}"]
        flags += [f"--build-seconds={options.build_seconds}"]
        run = subprocess.run([sys.executable, __file__, *flags], capture_output=True, text=True, check=False)
    lines = [line.removeprefix("FIGURES ") for line in run.stdout.splitlines() if line.startswith("FIGURES ")]
    if not lines:
        return {"error": (run.stderr.strip().splitlines() or [f"exit status {run.returncode}"])[-1]}
    figures: dict[str, Any] = json.loads(lines[0])
    return figures


def table(heads: list[str], rows: list[list[str]], words: int) -> str:
    """Markdown, of which the first columns are words and the others numbers."""
    line = "| " + " | ".join(["---"] * words + ["---:"] * (len(heads) - words)) + " |"
    return "\n".join(["| " + " | ".join(heads) + " |", line, *("| " + " | ".join(row) + " |" for row in rows)])


def asked_rows(name: str, figures: dict[str, Any]) -> Iterator[list[str]]:
    for by, found in figures["searches"].items():
        shares = [f"{found[key]:.3f}" if key in found else "" for key in (f"recall_{FEW}", f"recall_{MANY}", "ndcg")]
        times = [both(found[f"{time}_wall"], found[f"{time}_cpu"], 1e3) for time in ("median", "late")]
        yield [name, by, *shares, *times, str(found["questions"])]


def stored_row(name: str, figures: dict[str, Any]) -> list[str]:
    sizes = ["" if size is None else f"{size / 2**20:,.1f}" for size in (figures["index"], figures["disk"])]
    times = ((figures[part]["wall"], figures[part]["cpu"]) for part in ("add", "build"))
    return [name, *(both(wall, cpu, 1) if wall > 1e-3 else "0" for wall, cpu in times), *sizes]


def both(wall: float, cpu: float, times: float) -> str:
    """Wall and CPU time."""
    return f"{short(wall * times)} / {short(cpu * times)}"


def run(work: Questions, title: str, options: argparse.Namespace) -> None:
    """Measure all systems on one set of data and print its tables."""
    with tempfile.TemporaryDirectory(prefix="bench-data-") as data:
        save(Path(data), work)
        asked, stored, notes = [], [], []
        for name in options.systems:
            if len(work.documents) > SYSTEMS[name].largest:
                notes.append(f"{name}: passed over, adding so many records takes it too long.")
                continue
            print(f"{title}: {name}", file=sys.stderr, flush=True)
            start = perf_counter()
            figures = measured(name, Path(data), options)
            print(f"  {perf_counter() - start:.0f} s, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
            if options.json:  # a run takes long, and may be stopped
                with options.json.open("a") as file:
                    print(json.dumps({"title": title, "system": name, "figures": figures}), file=file)
            if "error" in figures:
                notes.append(f"{name}: {figures['error']}")
                continue
            asked += asked_rows(name, figures)
            stored.append(stored_row(name, figures))
    print(f"\n### {title}\n")
    print(table(HEADS, asked, 2), table(STORED, stored, 1), *notes, sep="\n\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--n", help="numbers of records, separated by commas; of WordNet all, by default; of made data 100,000")
    add("--systems", default=",".join(SYSTEMS), help=f"of {', '.join(SYSTEMS)}; all that are installed")
    add("--questions", type=int, default=300, help="example sentences of WordNet")
    add("--seconds", type=float, default=600, help="how long a system is asked, at most")
    add("--build-seconds", type=float, default=600, help="how long to wait for our HNSW index; 0: not at all")
    add("--wordnet", type=Path, default=os.environ.get("CHROMA_NB_BENCH_WORDNET"), help="directory of real data")
    add("--embeddings", type=Path, default=Path("build"), help="directory where the vectors of its texts are kept")
    add("--json", type=Path, help="add the figures to this file, too, a line for each system")
    for hidden in ("worker", "data", "place"):
        add(f"--{hidden}", type=str if hidden == "worker" else Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options)
        return
    options.systems = options.systems.split(",")
    if unknown := [name for name in options.systems if name not in SYSTEMS]:
        parser.error(f"expected names of {', '.join(SYSTEMS)}, got {', '.join(unknown)}")
    missing = [name for name in options.systems if not importlib.util.find_spec(SYSTEMS[name].module)]
    options.systems = [name for name in options.systems if name not in missing]
    print(machine_of(dict.fromkeys(SYSTEMS[name].module for name in options.systems)))
    for name in missing:
        print(f"\n{name}: passed over, {SYSTEMS[name].module} is not installed.")
    sizes = [int(size) for size in options.n.split(",")] if options.n else [None if options.wordnet else 100_000]
    for size in sizes:
        if options.wordnet:
            options.embeddings.mkdir(parents=True, exist_ok=True)
            work = wordnet(options.wordnet, options.embeddings, size, options.questions)
        else:
            work = made(size)
        run(work, f"{len(work.documents):,} {'entries of WordNet' if options.wordnet else 'made documents'}", options)
        del work


if __name__ == "__main__":
    main()

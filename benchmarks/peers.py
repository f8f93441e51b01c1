"""Databases side by side on the same work, and what ours must reach beside them.

    python benchmarks/peers.py --n 10000,100000,1000000 --json figures.json
    python benchmarks/peers.py --n 10000 --systems chroma_nb,chromadb --rows query,get --runs 1
    python benchmarks/peers.py --n 10000 --wordnet DIR        # real text: a directory with WordNet and its vectors

Each system runs in processes of its own, one after another, and all of them once a run. Run it on a quiet machine;
ratios vary between runs, so the table gives the lowest and the highest. The table goes to standard output as Markdown
(``report.py`` prints it again from the JSON), progress to standard error. Adding is part of every run.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter
from typing import Any

from measures import SECTIONS, Bench, Figures, Section, median
from report import Entry, report, with_before
from systems import SYSTEMS
from workload import load, save

BLAS_THREADS = "OPENBLAS_NUM_THREADS"


# --- In the worker -------------------------------------------------------------------------------------
def worker(options: argparse.Namespace) -> None:
    """Some sections, in one process: each figure is a line of JSON on standard output, as soon as it is known."""
    sections = [section for section in SECTIONS if section.name in options.rows]
    new = sections[0].process == "new"
    small = new and sections[0].name != "durability"
    bench = Bench(
        SYSTEMS[options.worker],
        load(options.data, records=not small),
        options.place,
        options.copy,
        options.samples,
        options.batch,
        options.build_seconds,
    )
    gc.collect()
    gc.freeze()  # the data of the run is no garbage of the system's
    if not new:
        bench.open(options.place)
    for section in sections:
        for name, figure in section.measure(bench):
            print("FIGURE " + json.dumps([name, figure]), flush=True)
    if not new:
        bench.system.close()


# --- In the driver -------------------------------------------------------------------------------------
def in_a_process(system: str, sections: list[Section], blas: str, options: dict[str, Any]) -> Figures:
    """The figures of some sections; when they end early, those until then and the last line of the error."""
    flags = [f"--{key}={value}" for key, value in options.items() if value is not None]
    flags += ["--rows", ",".join(section.name for section in sections)]
    environment = {key: value for key, value in os.environ.items() if key != BLAS_THREADS}
    environment |= {BLAS_THREADS: blas} if blas != "unset" else {}
    run = subprocess.run(
        [sys.executable, __file__, "--worker", system, *flags], capture_output=True, text=True, env=environment
    )
    lines = (line.removeprefix("FIGURE ") for line in run.stdout.splitlines() if line.startswith("FIGURE "))
    figures: Figures = dict(json.loads(line) for line in lines)
    if run.returncode:
        figures["failed"] = {"error": (run.stderr.strip().splitlines() or [f"exit status {run.returncode}"])[-1]}
    return figures


def measure(system: str, mode: str, blas: str, data: Path, options: argparse.Namespace) -> Figures:
    """One system, once: the process that fills it, new ones that open it, one that changes it."""
    kind = SYSTEMS[system]
    chosen = [section for section in SECTIONS if section.name in options.rows and hasattr(kind, section.needs)]
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        place, copy = Path(directory) / "place", Path(directory) / "copy"
        shared = {"data": data, "samples": options.samples, "batch": options.batch}
        shared["build-seconds"] = options.build_seconds
        if mode == "ephemeral":
            return in_a_process(system, [section for section in chosen if section.process != "new"], blas, shared)
        place.mkdir()
        shared["place"] = place
        figures = in_a_process(system, [section for section in chosen if section.process == "filling"], blas, shared)
        if "failed" in figures:
            return figures
        new = [section for section in chosen if section.process == "new"]
        if new:
            shutil.copytree(place, copy)
        for section in new:
            figures |= repeated(system, section, blas, {**shared, "copy": copy}, section.times or options.samples)
        changing = [section for section in chosen if section.process == "reopened"]
        return figures | (in_a_process(system, changing, blas, shared) if changing else {})


def repeated(system: str, section: Section, blas: str, options: dict[str, Any], times: int) -> Figures:
    """The medians over several processes."""
    results = [in_a_process(system, [section], blas, options) for _ in range(times)]
    names = dict.fromkeys(name for result in results for name in result)
    return {name: median([result[name] for result in results if name in result]) for name in names}


def import_seconds(module: str, times: int) -> Figures:
    """The time of importing ``module`` in a new process, less that of starting Python."""

    def once(code: str) -> float:
        start = perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        return perf_counter() - start

    once(f"import {module}")
    taken = [{"wall": once(f"import {module}") - once("pass"), "samples": 1} for _ in range(times)]
    return {"import": median(taken)}


def machine(options: argparse.Namespace, systems: list[str]) -> str:
    """One line on what was measured on, and with."""
    data = "WordNet" if options.wordnet else "synthetic"
    return f"{machine_of(SYSTEMS[system].module for system in systems)}; {data}"


def machine_of(modules: Iterable[str]) -> str:
    """The machine, and the versions of what these modules belong to."""
    distributions = importlib.metadata.packages_distributions()
    names = dict.fromkeys(
        distributions.get(module, [module.replace("_", "-")])[0] for module in dict.fromkeys(["numpy", *modules])
    )
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    return (
        f"{processor()}, {os.cpu_count()} processors; {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}, {versions}"
    )


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def settings_of(system: str, settings: list[str]) -> list[tuple[str, str]]:
    """What is measured: the name of a setting of BLAS in the results, and its value."""
    return [(blas, blas) for blas in settings] if SYSTEMS[system].blas else [("any", "unset")]


def run(options: argparse.Namespace, systems: list[str]) -> None:
    described = machine(options, systems)
    print(described, flush=True)
    imports = {}
    if "import" in options.rows:
        imports = {system: import_seconds(SYSTEMS[system].module, options.samples) for system in systems}
    entries: list[Entry] = []
    for n in options.n:
        with tempfile.TemporaryDirectory(prefix="bench-data-") as directory:
            save(Path(directory), n, options.wordnet)
            for number in range(options.runs):
                for mode, system, name, blas in cases(systems, n, options):
                    print(f"run {number + 1}, {n:,} records, {mode}: {system}, BLAS {name}", file=sys.stderr)
                    start, load_before = perf_counter(), os.getloadavg()[0]
                    figures = imports.get(system, {}) | measure(system, mode, blas, Path(directory), options)
                    entry = {"system": system, "mode": mode, "n": n, "blas": name, "run": number}
                    entry |= {"seconds": perf_counter() - start, "load": load_before, "figures": figures}
                    entries.append(entry)
                    if options.json:
                        options.json.write_text(json.dumps({"machine": described, "entries": entries}, indent=1) + "\n")
    print(report(with_before(entries, options.before)), flush=True)


def cases(systems: list[str], n: int, options: argparse.Namespace) -> list[tuple[str, str, str, str]]:
    return [
        (mode, system, name, blas)
        for mode in options.modes
        for system in systems
        if mode in SYSTEMS[system].modes and n <= SYSTEMS[system].largest
        for name, blas in settings_of(system, options.blas)
    ]


def names(text: str) -> list[str]:
    return text.split(",")


def numbers(text: str) -> list[int]:
    return [int(part) for part in names(text)]


def main() -> None:
    rows = ["import", *(section.name for section in SECTIONS)]
    installed = [system for system, kind in SYSTEMS.items() if importlib.util.find_spec(kind.module)]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--n", type=numbers, default="10000", help="numbers of records, separated by commas")
    add("--systems", type=names, default=",".join(installed), help=f"of {', '.join(SYSTEMS)}; all that are installed")
    add("--rows", type=names, default=",".join(rows), help=f"of {', '.join(rows)}; all")
    add("--modes", type=names, default="persistent", help="of persistent, ephemeral")
    add("--blas", type=names, default="unset,1", help=f"values of {BLAS_THREADS}, for the systems that heed it")
    add("--runs", type=int, default=3)
    add("--samples", type=int, default=5, help="of each row, at least")
    add("--batch", type=int, default=1000, help="records in one call of add")
    add("--wordnet", type=Path, default=os.environ.get("CHROMA_NB_BENCH_WORDNET"), help="directory of real data")
    add("--build-seconds", type=float, default=180, help="how long to wait for our HNSW index; 0: not at all")
    add("--json", type=Path, help="write the figures here, too, for report.py")
    add("--before", type=Path, help="such a file of an earlier version on the same machine")
    add("--worker", help=argparse.SUPPRESS)
    for directory in ("data", "place", "copy"):
        add(f"--{directory}", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options)
        return
    for given, known in ((options.rows, rows), (options.systems, installed)):
        if unknown := [name for name in given if name not in known]:
            parser.error(f"expected names of {', '.join(known)}, got {', '.join(unknown)}")
    options.rows.append("add")  # nothing can be measured of an empty database
    # Installing a package compiles it; a checkout is compiled by the first process that imports it, if it may write.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    run(options, options.systems)


if __name__ == "__main__":
    main()

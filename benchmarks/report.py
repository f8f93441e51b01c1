"""Figures as tables: what `peers.py --json FILE` wrote, of one run or several, on standard output as Markdown.

    python benchmarks/report.py FILE [FILE ...] [--before FILE]

A cell is wall time / CPU time / recall (of a search), each the median over the runs; "—": the system cannot, or was not
measured. A ratio is another system's time divided by ours. Ratios and targets are taken in each run by itself: the
lowest and the highest are shown, and "open" is a target that was reached in some runs only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from targets import BEFORE, OURS, ROWS, UNITS, Limit, Row, Target

#: Whose times are divided by ours in a column of its own.
RATIOS = ("chromadb", "lancedb")
MODES = {"persistent": "on disk", "ephemeral": "in memory"}
BLAS = {"unset": "OPENBLAS_NUM_THREADS unset", "1": "OPENBLAS_NUM_THREADS=1"}
Entry = dict[str, Any]


@dataclass
class Table:
    """All that was measured with one setting of BLAS, in one mode: by run, size and system."""

    mode: str
    blas: str
    figures: dict[tuple[int, int, str], dict[str, Any]]

    def systems(self, n: int) -> list[str]:
        return list(dict.fromkeys(system for _, size, system in self.figures if size == n))

    def runs(self) -> list[int]:
        return sorted({run for run, _, _ in self.figures})

    def number(self, run: int, n: int, system: str, key: str, part: str = "wall") -> float | None:
        """One number of a figure: a time, or else its value."""
        figure = self.figures.get((run, n, system), {}).get(key, {})
        value = figure.get(part, figure.get("value") if part == "wall" else None)
        return None if value is None else float(value)

    def over_runs(self, n: int, system: str, key: str, part: str = "wall") -> float | None:
        numbers = [self.number(run, n, system, key, part) for run in self.runs()]
        known = [number for number in numbers if number is not None]
        return float(np.median(known)) if known else None

    def error(self, n: int, system: str, key: str) -> str | None:
        figures = (self.figures.get((run, n, system), {}).get(key, {}) for run in self.runs())
        return next((figure["error"] for figure in figures if "error" in figure), None)


# --- Cells ---------------------------------------------------------------------------------------------
def short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def span(values: list[float]) -> str:
    """The lowest and the highest."""
    low, high = short(min(values)), short(max(values))
    return low if low == high else f"{low}–{high}"


def cell(table: Table, n: int, system: str, row: Row) -> str:
    key = row.key_of(system)
    parts = ("cpu",) if row.part == "cpu" and system == OURS else ("wall",) if row.part == "cpu" else ("wall", "cpu")
    numbers = [table.over_runs(n, system, key, part) for part in parts]
    shown = [short(number / UNITS[row.unit]) for number in numbers if number is not None]
    recall = table.over_runs(n, system, key, "recall")
    shown += [f"{recall:.4g}"] if recall is not None else []
    return " / ".join(shown) or table.error(n, system, key) or "—"


def ratio(table: Table, n: int, system: str, row: Row) -> str:
    ratios = []
    for run in table.runs():
        ours, other = table.number(run, n, OURS, row.key, row.part), table.number(run, n, system, row.key_of(system))
        if ours and other is not None:
            ratios.append(other / ours)
    return f"{span(ratios)} ×" if ratios else "—"


def judged(table: Table, n: int, row: Row, target: Target | Limit) -> tuple[str, str]:
    """The target with what was reached, and the verdict."""
    by_key = {row.key: row for row in ROWS}
    reached = []
    for run in table.runs():

        def lookup(key: str, system: str, size: int, run: int = run) -> float | None:
            there = by_key[key] if key != row.key else row
            return table.number(run, size, system, there.key_of(system))

        ours = table.number(run, n, OURS, row.key, row.part)
        value = target.reached(row, n, ours, lookup) if ours else None
        if value is not None:
            reached.append(value)
    if not reached:
        return f"{target.text(row)}, not measured", "not measured"
    verdict = _verdict([target.met(value) for value in reached])
    text = f"{target.text(row)}: {span(reached)}, {verdict}"
    if isinstance(target, Target) and target.stretch is not None:
        text += f" (stretch {_verdict([value >= target.stretch for value in reached])})"
    return text, verdict


def _verdict(met: list[bool]) -> str:
    return "met" if all(met) else "open" if any(met) else "missed"


def wanted(row: Row, n: int, systems: list[str]) -> list[Target | Limit]:
    """The targets to judge: none without our figures, none beside an earlier version that was not given."""
    targets = row.targets.get(n, ()) if OURS in systems else ()
    return [target for target in targets if BEFORE in systems or getattr(target, "system", OURS) != BEFORE]


# --- Tables --------------------------------------------------------------------------------------------
def tables(entries: list[Entry]) -> list[Table]:
    """One for each mode and setting of BLAS; a system whose times do not depend on it stands in each."""
    settings = list(dict.fromkeys(entry["blas"] for entry in entries if entry["blas"] != "any")) or ["any"]
    modes = dict.fromkeys(entry["mode"] for entry in entries)
    return [
        Table(
            mode,
            blas,
            {
                (entry["run"], entry["n"], entry["system"]): entry["figures"]
                for entry in entries
                if entry["mode"] == mode and entry["blas"] in (blas, "any")
            },
        )
        for mode in modes
        for blas in settings
    ]


def markdown(table: Table, n: int) -> Iterator[str]:
    """The lines of one size."""
    systems = table.systems(n)
    ours = OURS in systems
    ratios = [system for system in RATIOS if ours and system in systems]
    head = ["", *systems, *(f"{system} / {OURS}" for system in ratios), *(["target"] if ours else [])]
    setting = f", {BLAS[table.blas]}" if table.blas in BLAS else ""
    yield f"\n### {n:,} records, {MODES[table.mode]}{setting}\n"
    yield "| " + " | ".join(head) + " |"
    yield "| --- |" + " ---: |" * (len(head) - 1)
    verdicts = []
    for row in ROWS:
        cells = [cell(table, n, system, row) for system in systems]
        if all(text == "—" for text in cells) or (ours and cells[systems.index(OURS)] == "—" and row.others):
            continue
        targets = [judged(table, n, row, target) for target in wanted(row, n, systems)]
        verdicts += [verdict for _, verdict in targets]
        cells = [f"{row.label} ({row.unit})", *cells, *(ratio(table, n, system, row) for system in ratios)]
        yield "| " + " | ".join([*cells, *(["; ".join(text for text, _ in targets)] if ours else [])]) + " |"
    if verdicts:
        counted = (f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))
        yield "\nTargets: " + ", ".join(counted) + "."
    yield from _methods(table, n)
    yield from _failures(table, n)


def _methods(table: Table, n: int) -> Iterator[str]:
    """Whether what an HNSW index does is among the figures above it."""
    for (_, size, system), figures in table.figures.items():
        if size == n and system == OURS:
            said = [figures[key]["value"] for key in ("query_method", "filters_method") if key in figures]
            yield (
                "\nOur single queries, after those without a filter and after those with one: " + ", ".join(said) + "."
            )


def _failures(table: Table, n: int) -> Iterator[str]:
    for (run, size, system), figures in table.figures.items():
        if size == n and "failed" in figures:
            yield f"\n{system}, run {run + 1}: {figures['failed']['error']}"


def report(entries: list[Entry]) -> str:
    """Everything as Markdown."""
    lines: list[str] = []
    for table in tables(entries):
        for n in sorted({size for _, size, _ in table.figures}):
            lines += markdown(table, n)
    return "\n".join(lines)


def read(files: list[Path]) -> list[Entry]:
    """The entries of several files, their runs numbered on."""
    entries: list[Entry] = []
    for file in files:
        first = max((entry["run"] + 1 for entry in entries), default=0)
        entries += [{**entry, "run": first + entry["run"]} for entry in json.loads(file.read_text())["entries"]]
    return entries


def with_before(entries: list[Entry], file: Path | None) -> list[Entry]:
    """``entries`` and, run by run, ours of an earlier file."""
    if file is None:
        return entries
    runs = {entry["run"] for entry in entries}
    earlier = [entry for entry in read([file]) if entry["system"] == OURS and entry["run"] in runs]
    return entries + [{**entry, "system": BEFORE} for entry in earlier]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--before", type=Path, help="figures of an earlier version on the same machine")
    options = parser.parse_args()
    for file in options.files:
        print(json.loads(file.read_text())["machine"])
    print(report(with_before(read(options.files), options.before)))


if __name__ == "__main__":
    main()

"""``benchmarks/peers.py``: each installed system fills its column of the table, and the table judges targets.

``benchmarks/hybrid.py``: each search that a system has is a row, with what the questions found.
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
#: A system -> the package it needs. The first four are installed wherever the tests run.
SYSTEMS = {
    "chroma_nb": "chroma_nb",
    "chromadb": "chromadb",
    "hnswlib": "hnswlib",
    "numpy": "numpy",
    "lancedb": "lancedb",
    "lancedb_indexed": "lancedb",
    "qdrant": "qdrant_client",
    "usearch_i8": "usearch",
    "faiss_flat": "faiss",
    "faiss_sq8": "faiss",
}
INSTALLED = [system for system, package in SYSTEMS.items() if importlib.util.find_spec(package)]
#: They take seconds to import: sections that start further processes are left to the others.
HEAVY = {"chromadb", "lancedb", "lancedb_indexed", "qdrant"}
IN_FEW_PROCESSES = "--rows=add,query,filters,index,get,read,disk,change"
#: The rows of whatever searches, of whatever keeps records, and of new processes.
QUERIES = {"query_1", "query_10", "query_200"}
SEARCH = {"add", "add_longest", "add_first_tenth", "add_last_tenth", "first_query", *QUERIES}
RECORDS = {"get_1", "get_100", "get_where", "get_all", "update", "delete", "disk"}
STARTED = {"import", "start", "open"}
STARTED_WITH_RECORDS = {"start_get", "open_get", "memory_open"}


def script(name, *arguments):
    command = [sys.executable, str(BENCHMARKS / name), *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert run.returncode == 0, run.stderr
    return run.stdout


def rows_of(table):
    """Label -> cells."""
    lines = (line[2:-2].split(" | ") for line in table.splitlines() if line.startswith("| "))
    return {cells[0]: cells[1:] for cells in lines}


@pytest.mark.parametrize(
    "system", [pytest.param(system, marks=[pytest.mark.long] if system in HEAVY else []) for system in INSTALLED]
)
def test_a_tiny_run_of_a_system_ends_with_a_full_table(system, tmp_path):
    file = tmp_path / "figures.json"
    options = ["--n=300", "--runs=1", "--samples=1", "--blas=1", f"--systems={system}", f"--json={file}"]
    table = script("peers.py", *options, *([IN_FEW_PROCESSES] if system in HEAVY else []))
    (entry,) = json.loads(file.read_text())["entries"]
    figures = entry["figures"]
    assert not {key: figure["error"] for key, figure in figures.items() if "error" in figure}
    keeps_records = system == "chroma_nb" or system in HEAVY
    expected = SEARCH | (RECORDS if keeps_records else set()) | (set() if system in HEAVY else STARTED)
    expected |= STARTED_WITH_RECORDS if system == "chroma_nb" else set()
    assert expected <= set(figures)
    recalls = {key: figure["recall"] for key, figure in figures.items() if "recall" in figure}
    finds = system != "numpy"  # which multiplies, and searches nothing
    assert {key for key in recalls if key.startswith("query")} == (QUERIES if finds else set())
    assert len([key for key in recalls if key.startswith("filter")]) == (10 if keeps_records else 0)
    assert min(recalls.values(), default=1) >= (1 if system in ("chroma_nb", "lancedb", "faiss_flat") else 0.9)
    rows = rows_of(table)
    assert ("get one id (ms)" in rows) == keeps_records
    assert all(cells[0] not in ("", "—") for cells in rows.values())
    assert script("report.py", file) == table


def test_what_a_system_cannot_is_a_dash_and_what_it_refuses_is_named(tmp_path):
    entries = [
        {"system": system, "mode": "persistent", "n": 10_000, "blas": "any", "run": 0, "figures": figures}
        for system, figures in {
            "chroma_nb": {"get_all": timing(1)},
            "chromadb": {"get_all": {"error": "InternalError"}},
            "numpy": {"query_1": timing(1)},
        }.items()
    ]
    file = tmp_path / "figures.json"
    file.write_text(json.dumps({"machine": "a machine", "entries": entries}))
    cells = rows_of(script("report.py", file))["get everything (ms)"]
    assert cells == ["1 / 0.5 / 1", "InternalError", "—", "—", "25 × chromadb, not measured"]


def written(file, *times):
    """A file of figures: in each run, how long our query takes, and chromadb's."""
    entries = [
        {"system": system, "mode": "persistent", "n": 10_000, "blas": "any", "run": run, "figures": {"query_1": figure}}
        for run, pair in enumerate(times)
        for system, figure in zip(("chroma_nb", "chromadb"), map(timing, pair), strict=True)
    ]
    file.write_text(json.dumps({"machine": "a machine", "entries": entries}))
    return file


def timing(milliseconds):
    return {"wall": milliseconds / 1e3, "cpu": milliseconds / 2e3, "samples": 5, "recall": 1.0}


def test_a_report_gives_the_medians_of_all_runs_and_the_range_of_their_ratios(tmp_path):
    first, second = written(tmp_path / "1", (1, 3), (2, 8)), written(tmp_path / "2", (4, 20))
    cells = rows_of(script("report.py", first, second))["one query (ms)"]
    assert cells == ["2 / 1 / 1", "8 / 4 / 1", "3–5 ×", "2.8 × chromadb (stretch 3.5): 3–5, met (stretch open)"]


def test_a_target_is_met_when_every_run_reaches_it_and_missed_when_none_does(tmp_path):
    cases = {"met": [(1, 3), (1, 3.4)], "open": [(1, 3), (1, 2)], "missed": [(1, 2), (1, 2.1)]}
    for verdict, times in cases.items():
        table = script("report.py", written(tmp_path / verdict, *times))
        assert f", {verdict} (stretch missed)" in rows_of(table)["one query (ms)"][-1]
        assert f"Targets: 1 {verdict}." in table


def test_an_earlier_version_is_a_column_and_no_filter_may_be_slower_than_with_it(tmp_path):
    now, before = tmp_path / "now", tmp_path / "before"
    for file, milliseconds in ((now, 2), (before, 1)):
        file.write_text(written(file, (milliseconds, 9)).read_text().replace("query_1", "filter_random_0.1"))
    cells = rows_of(script("report.py", now, f"--before={before}"))["query, random filter allows 10.0% (ms)"]
    assert cells[2] == "1 / 0.5 / 1"
    assert cells[-1].startswith("0.8 × before: 0.5, missed")


# --- By words, by meaning, by both ---------------------------------------------------------------------------
#: Word -> definition, example. Only the last example has no word of its entry.
ENTRIES = {
    "heron": ("a wading bird with a long neck", "the heron waited by the water"),
    "sonnet": ("a poem of fourteen lines", "she learned the sonnet by heart"),
    "granite": ("a hard rock of volcanic origin", "a kitchen of polished granite"),
    "ovation": ("a long applause", "everybody stood up for him"),
}
SEARCHES = {
    "chroma_nb": {"both", "words", "meaning"},
    "chroma_nb_sparse": {"both", "words", "meaning"},
    "lancedb": {"both", "words", "meaning"},
    "qdrant": {"both", "words", "meaning"},
    "bm25s": {"words"},
    "chromadb": {"meaning"},
}
PACKAGE = SYSTEMS | {"chroma_nb_sparse": "chroma_nb", "bm25s": "bm25s"}


@pytest.fixture
def small_wordnet(tmp_path):
    """A directory as that of WordNet, with sixty entries more, which have no examples."""
    others = {f"number{i}": (f"the whole number {i} of these", "") for i in range(60)}
    with gzip.open(tmp_path / "wordnet-glosses.csv.gz", "wt", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["word", "definition", "examples"])
        rows.writerows([word, *texts] for word, texts in {**others, **ENTRIES}.items())
    return tmp_path


def searches_of(tables):
    """(system, what it finds by) -> the other cells of the row."""
    rows = (line[2:-2].split(" | ") for line in tables.splitlines() if line.startswith("| "))
    return {(cells[0], cells[1]): cells[2:] for cells in rows if len(cells) == 8 and cells[1] in SEARCHES["chroma_nb"]}


def test_sentences_find_their_entries_by_words_as_far_as_they_share_some(small_wordnet, tmp_path):
    options = [f"--wordnet={small_wordnet}", f"--embeddings={tmp_path}", "--systems=chroma_nb,chroma_nb_sparse"]
    found = searches_of(script("hybrid.py", *options))
    assert set(found) == {(system, by) for system in ("chroma_nb", "chroma_nb_sparse") for by in SEARCHES[system]}
    for (_, by), (recall_10, recall_50, ndcg, *times, questions) in found.items():
        assert questions == "4"
        assert all(float(part) > 0 for time in times for part in time.split(" / "))
        assert float(ndcg) <= float(recall_10) <= float(recall_50) <= 1
        if by == "words":
            assert (recall_10, recall_50, ndcg) == ("0.750", "0.750", "0.750")
    kept = list(tmp_path.glob("*.vectors"))
    assert kept, "the vectors are kept for the next run"


@pytest.mark.long
def test_every_system_that_is_installed_has_its_rows_and_the_others_are_named():
    tables = script("hybrid.py", "--n=300", "--seconds=5")
    there = {name for name in SEARCHES if importlib.util.find_spec(PACKAGE[name])}
    assert set(searches_of(tables)) == {(name, by) for name in there for by in SEARCHES[name]}
    for name in SEARCHES.keys() - there:
        assert f"{name}: passed over, {PACKAGE[name]} is not installed." in tables
    stored = [line for line in tables.splitlines() if line.startswith("| ") and line.count(" | ") == 4]
    assert len(stored) == len(there) + 2  # a heading and a rule

"""``kill -9``: no acknowledged write is lost, no call is half done. The tester itself: ``crash_test.py``."""

from __future__ import annotations

import shutil
from pathlib import Path

import crash_test
import pytest
from crash_test import Options

import chroma_nb

#: Name -> options of a short run; a long one has fifty times as many rounds.
RUNS = {
    "at random moments": Options(rounds=2, longest=1.0),
    "of three threads": Options(rounds=2, threads=3, seed=13),
    "of large batches": Options(rounds=1, batch=2500, dimension=64, seed=14),
    "by the stop button": Options(rounds=2, mode="interrupt", seed=15),
    "while codes are made and saved": Options(rounds=2, codes=1, seed=20),
    "by none, which is the control": Options(rounds=1, mode="exit", longest=0.5, seed=16),
}
#: System calls at whose N-th the child dies -> options; the steps lead through the first calls of a database.
AIMED = {
    "pwrite64": Options(rounds=2, calls="pwrite64", first=20, stride=37, seed=17),
    "fdatasync": Options(rounds=2, calls="fdatasync", first=3, stride=5, seed=18),
    "rename,unlink,ftruncate": Options(rounds=2, calls="rename,unlink,ftruncate", first=1, stride=3, seed=19),
}


def check(options: Options) -> None:
    summary = crash_test.run(options)
    assert summary.findings == []
    assert summary.passed == options.rounds
    assert summary.acknowledged > 0


@pytest.mark.parametrize("name", list(RUNS))
def test_killed(name: str) -> None:
    check(RUNS[name])


@pytest.mark.parametrize("calls", list(AIMED))
def test_killed_at_a_system_call(calls: str) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    check(AIMED[calls])


@pytest.mark.long
@pytest.mark.parametrize("name", list(RUNS))
def test_killed_again_and_again(name: str) -> None:
    options = RUNS[name]
    check(crash_test.replace(options, rounds=50 * options.rounds, seed=options.seed + 100))


@pytest.mark.long
@pytest.mark.parametrize("calls", list(AIMED))
def test_killed_at_system_call_after_system_call(calls: str) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    check(crash_test.replace(AIMED[calls], rounds=60, first=1, stride=3))


def test_the_tester_sees_what_is_lost(tmp_path: Path) -> None:
    """A tester that finds nothing must be one that could."""
    options = Options(database=str(tmp_path / "db"), log=str(tmp_path / "log"))
    with chroma_nb.PersistentClient(options.database) as client:
        writer = crash_test.Writer(options, client, 0)
        for op in ("create", "add", "update", "fork"):
            writer.step(op)
        assert list(crash_test.verify(options, client)) == []
        collection = client.get_collection("words-0")
        (ident,) = collection.get(limit=1)["ids"]
        collection.delete(ids=[ident])
        assert [text.split(":")[0] for text in crash_test.verify(options, client)] == ["lost"]
        collection.add(ids=["r999999"], embeddings=[[0.5] * 16], documents=["?"], metadatas=[{"version": 1}])
        assert {text.split(":")[0] for text in crash_test.verify(options, client)} >= {"partial"}

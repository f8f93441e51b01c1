"""Loss of power: what the disk may then hold is opened, and holds what was promised. The tester: ``power_loss.py``."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import power_loss
import pytest
from crash_test import read_log
from power_loss import VARIANTS, Load, Name, Note, Resize, Step, Sync, Variant, Write, lose_power

from chroma_nb.engine import planner


@dataclass(frozen=True)
class Promise:
    """A load, and what is promised of it."""

    durability: str
    mapped: bool = True


PROMISES = {
    "power": Promise("power"),
    "power, on a network mount": Promise("power", mapped=False),
}
#: Files whose syncs do nothing -> what must be found then.
BROKEN: dict[str, tuple[Callable[[Name], bool], tuple[str, ...]]] = {
    "vectors": (lambda step: step.name.endswith((".f32", ".new")), ("finding", "error")),
    "the log of SQLite": (lambda step: step.name.endswith("-wal"), ("lost", "ghost")),
    "the folders": (lambda step: step.is_folder, ("lost", "error")),
}


@pytest.fixture(scope="module", autouse=True)
def _traceable() -> None:
    reason = power_loss.why_not()
    if reason:
        pytest.skip(reason)


@pytest.fixture(autouse=True)
def _small_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SMALLEST_GRAPH_BYTES", "SMALLEST_COMPACTED", "REGRET"):
        monkeypatch.setattr(planner, name, getattr(planner, name))  # put back after the test
    power_loss.small_thresholds()


def found(load: Load, steps: Sequence[Step], amount: int, unsynced: frozenset[int] = frozenset()) -> list[str]:
    """What is wrong after losing power at ``amount`` instants, in each variant."""
    chance = random.Random(load.seed)
    wrong = []
    for instant in power_loss.instants(steps, amount, chance):
        for name, variant in VARIANTS.items():
            target = Path(load.base) / "left"
            lose_power(steps[:instant], variant, chance, target, unsynced)
            where = f"after step {instant} of {len(steps)}, {name} kept"
            wrong += [f"{text} ({where})" for text in power_loss.examined(load, target)]
            shutil.rmtree(target)
    return wrong


@pytest.mark.parametrize("name", list(PROMISES))
def test_what_was_promised_survives_a_loss_of_power(name: str, tmp_path: Path) -> None:
    promise = PROMISES[name]
    load = Load(str(tmp_path), promise.durability, promise.mapped)
    steps = power_loss.record(load)
    assert found(load, steps, 14) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
@pytest.mark.parametrize("name", list(PROMISES))
def test_what_was_promised_survives_losses_of_power_again_and_again(name: str, seed: int, tmp_path: Path) -> None:
    promise = PROMISES[name]
    load = Load(str(tmp_path), promise.durability, promise.mapped, seed=seed, calls=60)
    assert found(load, power_loss.record(load), 200) == []


def test_the_load_makes_every_kind_of_file_and_the_tester_sees_syncs_that_do_nothing(tmp_path: Path) -> None:
    """A tester that finds nothing must be one that could."""
    load = Load(str(tmp_path), seed=7)
    steps = power_loss.record(load)
    names = [step for step in steps if isinstance(step, Name)]
    assert {Path(step.name).suffix for step in names if step.file} >= {".f32", ".new", ".hnsw", ".json", ".part"}
    assert {Path(step.name).suffix for step in names if step.file is None} >= {".f32", ".hnsw", ".json"}
    assert {Path(step.name).suffix for step in names if step.source} == {".f32", ".json"}
    assert len(read_log(tmp_path / "log.0")) == load.calls * load.sessions
    assert power_loss.said(steps) == (tmp_path / "log.0").read_bytes()
    for is_broken, kinds in BROKEN.values():
        unsynced = frozenset(step.file for step in names if step.file is not None and is_broken(step))
        assert {text.split(":")[0] for text in found(load, steps, 8, unsynced)} >= set(kinds[:1])


def test_everything_kept_is_the_directory_itself(tmp_path: Path) -> None:
    """The replay of the whole trace gives, byte by byte, what the writer left."""
    load = Load(str(tmp_path), calls=9)
    steps = power_loss.record(load)
    lose_power(steps, VARIANTS["everything"], random.Random(1), tmp_path / "left")

    def files(base: Path) -> dict[str, bytes]:
        return {str(path.relative_to(base)): path.read_bytes() for path in base.rglob("*") if path.is_file()}

    assert files(tmp_path / "left" / "db") == files(tmp_path / "db")


# --- The rules of the replay ------------------------------------------------------------------------------------

FILE, FOLDER = 1, 0
MADE = Name(FOLDER, "file", FILE)
ANYTHING = Variant(kept=(0.5,), torn=0.5)


def possible(steps: list[Step], tmp_path: Path, variant: Variant = ANYTHING) -> set[bytes | None]:
    """What a file called ``file`` may hold after a loss of power; None: it is not there."""
    seen: set[bytes | None] = set()
    for seed in range(60):
        target = tmp_path / str(seed)
        lose_power(steps, variant, random.Random(seed), target)
        path = target / "file"
        seen.add(path.read_bytes() if path.exists() else None)
        shutil.rmtree(target)
    return seen


def test_without_a_sync_of_its_folder_a_file_may_be_missing(tmp_path: Path) -> None:
    steps: list[Step] = [MADE, Write(FILE, 0, b"a"), Sync(FILE, 2)]
    assert possible(steps, tmp_path) == {None, b"a"}
    assert possible([*steps, Sync(FOLDER, 3)], tmp_path) == {b"a"}


def test_a_sync_covers_what_was_written_before_it_began(tmp_path: Path) -> None:
    steps: list[Step] = [MADE, Sync(FOLDER, 1), Write(FILE, 0, b"a"), Write(FILE, 0, b"b"), Sync(FILE, 3)]
    assert possible(steps, tmp_path) == {b"a", b"b"}
    assert possible([*steps, Sync(FILE, 5)], tmp_path) == {b"b"}


def test_a_write_may_be_torn_between_sectors_and_not_within(tmp_path: Path) -> None:
    steps: list[Step] = [MADE, Write(FILE, 0, b"a" * 1024), Sync(FOLDER, 2), Sync(FILE, 2), Write(FILE, 0, b"b" * 1024)]
    old, new = b"a" * 512, b"b" * 512
    assert possible(steps, tmp_path) == {old + old, old + new, new + old, new + new}


def test_a_sector_does_not_hold_a_later_write_without_an_earlier_one(tmp_path: Path) -> None:
    steps: list[Step] = [MADE, Sync(FOLDER, 1), Write(FILE, 0, b"a"), Write(FILE, 1, b"b")]
    assert possible(steps, tmp_path) <= {b"", b"\0", b"a", b"\0\0", b"a\0", b"ab"}
    assert b"ab" in possible(steps, tmp_path)


def test_what_was_cut_off_is_not_seen_again_in_a_file_that_grew_anew(tmp_path: Path) -> None:
    steps: list[Step] = [
        MADE, Write(FILE, 0, b"a" * 512), Sync(FOLDER, 2), Sync(FILE, 2), Resize(FILE, 0), Write(FILE, 600, b"b"),
    ]  # fmt: skip
    grown = {content for content in possible(steps, tmp_path) if content is not None and len(content) == 601}
    assert grown == {bytes(601), bytes(600) + b"b"}
    assert possible(steps, tmp_path) - grown == {b"", b"a" * 512}


def test_a_rename_happens_wholly_or_not_at_all(tmp_path: Path) -> None:
    steps: list[Step] = [
        MADE, Name(FOLDER, "other", 2), Sync(FOLDER, 2), Write(FILE, 0, b"a"), Write(2, 0, b"b"),
        Sync(FILE, 5), Sync(2, 5), Name(FOLDER, "file", 2, source="other"),
    ]  # fmt: skip
    assert possible(steps, tmp_path) == {b"a", b"b"}


def test_names_in_order_are_kept_up_to_one_of_them(tmp_path: Path) -> None:
    steps: list[Step] = [Name(FOLDER, "before", 2), MADE, Note(b"{}\n")]
    for seed in range(40):
        target = tmp_path / str(seed)
        lose_power(steps, Variant(kept=(0.0, 0.5, 1.0), in_order=True), random.Random(seed), target)
        assert (target / "before").exists() or not (target / "file").exists()

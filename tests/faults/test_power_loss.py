"""Loss of power: what the disk may then hold is opened, and holds what was promised. The tester: ``power_loss.py``."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import crash_test
import power_loads
import power_loss
import pytest
from engine_samples import quick_directory
from power_loads import Load
from power_loss import VARIANTS, Name, Note, Resize, Step, Sync, Variant, Write, lose_power

import chroma_nb
from chroma_nb.engine import pending, planner
from chroma_nb.engine.engine import Engine

#: What is promised -> the load that is to show it, in whatever directory.
PROMISES = {
    "power": Load(durability="power"),
    "process": Load(durability="process"),
    "power, on a network mount": Load(durability="power", mapped=False),
    "process, on a network mount": Load(durability="process", mapped=False),
}
#: What is imported, onto what -> the load. (What an import builds waits for the disk with either durability.)
IMPORTS = {
    "in the place of a database": Load(kind="imports", sessions=3, seed=2),
    "in the place of a database that may lose calls": Load(kind="imports", sessions=3, durability="process"),
    "in the place of a database, and the switch is the last thing": Load(kind="imports", sessions=3, seed=5),
    "in the place of a database on a network mount": Load(kind="imports", sessions=3, mapped=False, seed=4),
    "beside Chroma's files": Load(kind="conversions", sessions=3, seed=2),
}
#: Files whose syncs do nothing -> a load, which they are, and what must be found then.
BROKEN: dict[str, tuple[str, Callable[[Name], bool], str]] = {
    "vectors": ("power", lambda step: step.name.endswith((".f32", ".new")), "finding"),
    "the log of SQLite": ("power", lambda step: step.name.endswith("-wal"), "lost"),
    "the journal of SQLite": (
        "power, on a network mount",
        lambda step: step.name.endswith(("-journal", ".sqlite3")),
        "error",
    ),
    "the folders": ("power", lambda step: step.is_folder, "lost"),
}


class Recordings:
    """The steps of each load, recorded once."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._known: dict[str, tuple[Load, list[Step]]] = {}

    def of(self, name: str) -> tuple[Load, list[Step]]:
        """The load (with its directory) and its steps."""
        if name not in self._known:
            base = self._base / str(len(self._known))
            base.mkdir()
            load = replace(PROMISES[name], base=str(base))
            self._known[name] = load, recorded(load)
        return self._known[name]


@pytest.fixture(scope="module")
def recordings() -> Iterator[Recordings]:
    """What this module has recorded so far."""
    directory = quick_directory("power")
    yield Recordings(directory)
    shutil.rmtree(directory)


def recorded(load: Load) -> list[Step]:
    """The steps of a load; where nothing can be traced the test is skipped."""
    reason = power_loss.why_not()
    if reason:
        pytest.skip(reason)
    return power_loss.record(load)


@pytest.fixture(autouse=True)
def _small_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SMALLEST_GRAPH_BYTES", "SMALLEST_WASTE", "REGRET"):
        monkeypatch.setattr(planner, name, getattr(planner, name))  # put back after the test
    monkeypatch.setattr(pending, "LARGEST", pending.LARGEST)
    power_loads.small_thresholds()


def found(load: Load, steps: Sequence[Step], amount: int, unsynced: frozenset[int] = frozenset()) -> list[str]:
    """What is wrong after losing power at ``amount`` instants, in each variant."""
    chance = random.Random(load.seed)
    wrong = []
    for instant in power_loss.instants(steps, amount, chance):
        for name, variant in VARIANTS.items():
            target = Path(load.base) / "left"
            lose_power(steps[:instant], variant, chance, target, unsynced)
            where = f"after step {instant} of {len(steps)}, {name} kept"
            wrong += [f"{text} ({where})" for text in power_loads.examined(load, target)]
            shutil.rmtree(target)
    return wrong


@pytest.mark.parametrize("name", list(PROMISES))
def test_what_was_promised_survives_a_loss_of_power(name: str, recordings: Recordings) -> None:
    load, steps = recordings.of(name)
    assert found(load, steps, 6) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 8))
@pytest.mark.parametrize("name", list(PROMISES))
def test_what_was_promised_survives_losses_of_power_again_and_again(name: str, seed: int, tmp_path: Path) -> None:
    load = replace(PROMISES[name], base=str(tmp_path), seed=seed, calls=40)
    assert found(load, recorded(load), 150) == []


@pytest.mark.parametrize("name", list(BROKEN))
def test_the_tester_sees_syncs_that_do_nothing(name: str, recordings: Recordings) -> None:
    """A tester that finds nothing must be one that could."""
    promise, is_broken, kind = BROKEN[name]
    load, steps = recordings.of(promise)
    names = [step for step in steps if isinstance(step, Name)]
    unsynced = frozenset(step.file for step in names if step.file is not None and is_broken(step))
    assert kind in {text.split(":")[0] for text in found(load, steps, 8, unsynced)}


def test_the_load_makes_every_kind_of_file(recordings: Recordings) -> None:
    load, steps = recordings.of("power")
    names = [step for step in steps if isinstance(step, Name)]
    assert {Path(step.name).suffix for step in names if step.file} >= {".f32", ".new", ".hnsw", ".json", ".part"}
    assert {Path(step.name).suffix for step in names if step.file is None} >= {".f32", ".hnsw", ".json"}
    assert {Path(step.name).suffix for step in names if step.source} == {".f32", ".json"}
    log = Path(load.base) / "log.0"
    assert len(crash_test.read_log(log)) == load.calls * load.sessions
    assert power_loss.said(steps) == log.read_bytes()


def test_a_graph_is_not_kept_without_the_calls_that_gave_it_its_slots(
    recordings: Recordings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else later calls put other vectors into those slots, and the graph would be asked for them."""
    monkeypatch.setattr(planner, "SMALLEST_WASTE", 1 << 40)  # the graph is that of this file of vectors
    load, steps = recordings.of("process")
    saved = [place for place, step in enumerate(steps) if isinstance(step, Name) and step.name.endswith(".json")]
    renamed = [place for place in saved if steps[place].source]  # type: ignore[union-attr]
    asked = 0
    for place in renamed:
        until_synced = next(at for at in range(place, len(steps)) if isinstance(steps[at], Sync)) + 1
        lose_power(steps[:until_synced], Variant(kept=(0.0,), in_order=True), random.Random(1), tmp_path / "left")
        ids, directory = [f"new-{number}" for number in range(120)], tmp_path / "left" / "db"
        vectors = {ident: crash_test.vector(ident, 0, load.options.dimension) for ident in ids}
        with chroma_nb.PersistentClient(directory) as client:
            collection = client.get_or_create_collection("words-0", embedding_function=None)
            collection.add(ids=ids, embeddings=list(vectors.values()))
        with chroma_nb.PersistentClient(directory) as client:
            collection = client.get_collection("words-0", embedding_function=None)
            collection.get(limit=1)  # loads the collection, and then its graph
            power_loads.wait_for_graphs()
            told = [collection.explain(query_embeddings=[vectors[ident]], n_results=1) for ident in ids]
            found_first = [collection.query(query_embeddings=[vectors[ident]], n_results=1)["ids"] for ident in ids]
        asked += {one["method"] for one in told} == {"graph"}  # not where too much of it is dead
        assert not any("scanned_instead" in one for one in told)  # no search ended in the wrong part
        assert found_first == [[[ident]] for ident in ids]
        shutil.rmtree(tmp_path / "left")
    assert asked


def test_on_a_network_mount_every_commit_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With synchronous=NORMAL a rollback journal may, rarely, be rolled back from what never reached the disk."""
    monkeypatch.setattr("chroma_nb.engine.engine.is_network_mount", lambda path: True)
    engine = Engine.open(tmp_path / "db", durability="process")
    assert engine.change(lambda connection: connection.execute("PRAGMA synchronous").fetchone()) == (3,)
    engine.close()


def test_everything_kept_is_the_directory_itself(recordings: Recordings, tmp_path: Path) -> None:
    """The replay of the whole trace gives, byte by byte, what the writer left."""
    load, steps = recordings.of("power")
    lose_power(steps, VARIANTS["everything"], random.Random(1), tmp_path / "left")

    def files(base: Path) -> dict[str, bytes]:
        return {str(path.relative_to(base)): path.read_bytes() for path in base.rglob("*") if path.is_file()}

    assert files(tmp_path / "left" / "db") == files(Path(load.base) / "db")


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

"""Loss of power: what the disk may then hold is opened, and holds what was promised. The tester: ``power_loss.py``."""

from __future__ import annotations

import random
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import crash_test
import power_loads
import power_loss
import pytest
from engine_samples import asked, quick_directory
from power_loads import Load
from power_loss import VARIANTS, Name, Note, Resize, Step, Sync, Variant, Write, lose_power

import chroma_nb
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.storage.sqlite import FILE_NAME
from chroma_nb.engine.transactions import maintenance

#: What is promised -> the load that is to show it, in whatever directory.
PROMISES = {
    "power": Load(durability="power"),
    "process": Load(durability="process"),
    "power, on a network mount": Load(durability="power", mapped=False),
    "process, on a network mount": Load(durability="process", mapped=False),
}
#: Where Chroma's files are put, as above. (What an import builds waits for the disk with either durability.)
IMPORTS = {
    "imports, power": Load(kind="imports", sessions=3, seed=2),
    "conversions, process, on a network mount": Load(
        kind="conversions", sessions=3, seed=2, durability="process", mapped=False
    ),
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
    "the folders of an import": ("imports, power", lambda step: step.is_folder, "lost"),
}


class Recordings:
    """The steps of each load, recorded once."""

    def __init__(self, base: Path, source: Path) -> None:
        self._base, self._source = base, str(source)
        self._known: dict[str, tuple[Load, list[Step]]] = {}

    def of(self, name: str) -> tuple[Load, list[Step]]:
        """The load (with its directory) and its steps."""
        if name not in self._known:
            base = Path(tempfile.mkdtemp(dir=self._base))
            load = replace({**PROMISES, **IMPORTS}[name], base=str(base), source=self._source)
            self._known[name] = load, recorded(load)
        return self._known[name]


@pytest.fixture(scope="module")
def recordings(chromas: Path) -> Iterator[Recordings]:
    """What this module has recorded so far."""
    directory = quick_directory("power")
    yield Recordings(directory, chromas)
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def chromas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of Chroma."""
    directory = tmp_path_factory.mktemp("chroma")
    fixtures = Path(__file__).parents[1] / "interchange" / "fixtures"
    with tarfile.open(fixtures / "chroma-1.0.20.tar.xz") as archive:
        archive.extractall(directory, filter="data")
    return directory / "chroma-1.0.20"


def recorded(load: Load) -> list[Step]:
    """The steps of a load; where nothing can be traced the test is skipped."""
    reason = power_loss.why_not()
    if reason:
        pytest.skip(reason)
    return power_loss.record(load)


@pytest.fixture(autouse=True)
def _small_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMA_NB_PROGRESS", "0")
    for module, names in power_loads.THRESHOLDS.items():
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name))  # put back after the test
    power_loads.small_thresholds()


def found(load: Load, steps: Sequence[Step], amount: int, unsynced: frozenset[int] = frozenset()) -> list[str]:
    """What is wrong after losing power at ``amount`` instants, in each variant."""
    chance = random.Random(load.seed)
    places = [(instant, name) for instant in power_loss.instants(steps, amount, chance) for name in VARIANTS]
    return found_at(places, load, steps, chance, unsynced)


def found_at(
    places: Iterable[tuple[int, str]],
    load: Load,
    steps: Sequence[Step],
    chance: random.Random,
    unsynced: frozenset[int] = frozenset(),
) -> list[str]:
    """What is wrong after losing power at each instant, in its variant."""
    wrong = []
    for instant, name in places:
        target = Path(load.base) / "left"
        lose_power(steps[:instant], VARIANTS[name], chance, target, unsynced)
        where = f"after step {instant} of {len(steps)}, {name} kept"
        wrong += [f"{text} ({where})" for text in power_loads.examined(load, target)]
        shutil.rmtree(target)
    return wrong


def moves(steps: Sequence[Step]) -> list[int]:
    """The instants after files or folders were moved, but for those whose draft got its name."""
    drafts = (".f32", ".json")
    names = [(place, step) for place, step in enumerate(steps, 1) if isinstance(step, Name)]
    return [place for place, step in names if step.source and not step.name.endswith(drafts)]


def removals(steps: Sequence[Step]) -> list[int]:
    """The instants after a database was removed: what says that it does not count must be there by then."""
    names = [(place, step) for place, step in enumerate(steps, 1) if isinstance(step, Name)]
    return [place for place, step in names if step.name == FILE_NAME and step.file is None]


@pytest.mark.parametrize("name", list(PROMISES))
def test_what_was_promised_survives_a_loss_of_power(name: str, recordings: Recordings) -> None:
    """Records that come one by one and in tables: all of a call or nothing, and nothing of what died on its way in."""
    load, steps = recordings.of(name)
    assert found(load, steps, 5) == []


@pytest.mark.parametrize("name", list(IMPORTS))
def test_a_loss_of_power_in_an_import_leaves_what_was_there_or_what_was_imported(
    name: str, recordings: Recordings
) -> None:
    load, steps = recordings.of(name)
    chance = random.Random(load.seed)
    moved = [(instant, "anything") for instant in chance.choices(moves(steps), k=6) + removals(steps) * 5]
    assert found_at(moved, load, steps, chance) + found(load, steps, 2) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 8))
@pytest.mark.parametrize("name", list(PROMISES))
def test_what_was_promised_survives_losses_of_power_again_and_again(name: str, seed: int, tmp_path: Path) -> None:
    load = replace(PROMISES[name], base=str(tmp_path), seed=seed, calls=40)
    assert found(load, recorded(load), 150) == []


@pytest.mark.long
@pytest.mark.parametrize("kind", ["imports", "conversions"])
@pytest.mark.parametrize("seed", range(1, 13))
def test_losses_of_power_in_imports_again_and_again(kind: str, seed: int, chromas: Path, tmp_path: Path) -> None:
    """Each seed dies after another move of files."""
    promise = list(PROMISES.values())[seed % len(PROMISES)]
    load = replace(promise, base=str(tmp_path), seed=seed, kind=kind, sessions=3, source=str(chromas))
    steps, chance = recorded(load), random.Random(seed)
    moved = [
        (instant, name)
        for instant in (moves(steps) + removals(steps)) * 4
        for name in VARIANTS
        if not name.startswith("nothing")
    ]
    assert found_at(moved, load, steps, chance) + found(load, steps, 40) == []


@pytest.mark.parametrize("name", list(BROKEN))
def test_the_tester_sees_syncs_that_do_nothing(name: str, recordings: Recordings) -> None:
    """A tester that finds nothing must be one that could."""
    promise, is_broken, kind = BROKEN[name]
    load, steps = recordings.of(promise)
    names = [step for step in steps if isinstance(step, Name)]
    unsynced = frozenset(step.file for step in names if step.file is not None and is_broken(step))
    amount = 8 if load.kind == "records" else 3
    assert kind in {text.split(":")[0] for text in found(load, steps, amount, unsynced)}


def test_the_load_makes_every_kind_of_file(recordings: Recordings) -> None:
    load, steps = recordings.of("power")
    names = [step for step in steps if isinstance(step, Name)]
    made = {Path(step.name).suffix for step in names if step.file}
    assert made >= {".f32", ".new", ".hnsw", ".json", ".part", ".reserve"}
    removed = {Path(step.name).suffix for step in names if step.file is None}
    assert removed >= {".f32", ".new", ".hnsw", ".json", ".reserve"}
    assert {Path(step.name).suffix for step in names if step.source} == {".f32", ".json"}
    path = Path(load.base) / "log.0"
    assert power_loss.said(steps) == path.read_bytes()
    log = crash_test.read_log(path)
    assert len(log) > load.calls * load.sessions
    assert {call.get("way") for call, _ in log} == {None, "table", "embedded", "file", "fails", "stops"}
    assert {call["op"] for call, _ in log} >= {"add", "upsert", "sync", "update", "delete", "drop"}


def test_the_load_dies_while_records_are_staged(recordings: Recordings, tmp_path: Path) -> None:
    load, steps = recordings.of("power")
    notes = [(place, step.data) for place, step in enumerate(steps) if isinstance(step, Note)]
    [(begun, died), *_] = [(one[0], two[0]) for one, two in pairwise(notes) if b'"stops"' in one[1]]
    seen = 0
    for instant in range(begun + 1, died, 3):
        lose_power(steps[:instant], VARIANTS["everything"], random.Random(1), tmp_path / "left")
        if power_loads.staged_ids(tmp_path / "left" / "db") and (seen := seen + 1) in (1, 5):
            assert list(power_loads.examined(load, tmp_path / "left")) == []
            assert not power_loads.staged_ids(tmp_path / "left" / "db")
        shutil.rmtree(tmp_path / "left")
    assert seen >= 5


def test_a_graph_is_not_kept_without_the_calls_that_gave_it_its_slots(
    recordings: Recordings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else later calls put other vectors into those slots, and the graph would be asked for them."""
    monkeypatch.setattr(maintenance, "SMALLEST_WASTE", 1 << 40)  # the graph is that of this file of vectors
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
            collection.query(query_embeddings=[vectors[ids[0]]], n_results=1)  # loads it, and then its graph
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
    engine = SharedEngine.open(tmp_path / "db", durability="process")
    assert asked(engine, "PRAGMA synchronous") == 3
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

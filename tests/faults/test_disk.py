"""The disk: full, read-only, given back, or on another machine."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import power_loss
import pytest
from child_process import finish, run, start
from engine_samples import PLACE, agree, contents, create, index_state, nearest, numbered, numbered_vector, records

import chroma_nb.engine.engine
from chroma_nb.engine.engine import Engine
from chroma_nb.engine.locks import is_network_mount
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.storage import catalog
from chroma_nb.engine.storage.room import RESERVE_NAME
from chroma_nb.engine.storage.sqlite import Durability
from chroma_nb.errors import InternalError
from chroma_nb.query.parsing import parse_where
from chroma_nb.records import Records

# --- Full --------------------------------------------------------------------------------------------------------


@contextmanager
def disk_of(directory: Path, size: str) -> Iterator[Path]:
    """A file system of its own."""
    directory.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    with disk_of(tmp_path / "small", "4m") as directory:
        yield directory


def fill_up(directory: Path) -> Path:
    """A file that takes all the room there is, to the last byte."""
    filler = directory / "filler"
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(65536))
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert free(directory) == 0
    return filler


def free(directory: Path) -> int:
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def texts(first: int, count: int, dimension: int, length: int) -> Records:
    """Records with documents of some ``length``."""
    given = numbered(first, count, dimension=dimension)
    documents = [document.ljust(length, "x") for document in given.documents or ()]
    return dataclasses.replace(given, documents=documents)


def test_a_full_disk_refuses_the_write_and_nothing_else(small_disk: Path) -> None:
    engine = SharedEngine.open(small_disk / "db")
    collection = create(engine)
    count = 0

    def fill() -> None:
        nonlocal count
        while count < 100_000:
            engine.add(collection, numbered(count, 500, dimension=64))
            count += 500

    with pytest.raises(InternalError, match=r"(?i)no space left"):
        fill()
    assert 0 < engine.count(collection) == count  # the call that failed added nothing
    assert nearest(engine, collection, numbered_vector(7, dimension=64), 1) == ["r7"]
    assert contents(engine, collection)["r3"][1] == "text 3 version 0"
    with pytest.raises(InternalError):
        engine.add(collection, numbered(900_000, 500, dimension=64))
    assert engine.verify() == []
    engine.close()


def test_writing_goes_on_when_there_is_room_again(small_disk: Path) -> None:
    engine = SharedEngine.open(small_disk / "db")
    collection, other = create(engine), create(engine, "other")
    engine.add(other, numbered(0, 2000, dimension=64))
    filler = fill_up(small_disk)
    with pytest.raises(InternalError):
        engine.add(collection, numbered(0, 2000, dimension=64))
    assert engine.count(collection) == 0
    filler.unlink()
    engine.add(collection, numbered(0, 200, dimension=64))
    assert len(agree(engine, collection)) == 200
    assert engine.verify() == []
    engine.close()


@pytest.mark.parametrize("full_of", ["vectors", "texts"])
def test_a_fork_for_which_there_is_no_room_leaves_nothing(tmp_path: Path, full_of: str) -> None:
    with disk_of(tmp_path / "small", "8m") as disk:
        engine = SharedEngine.open(disk / "db")
        collection = create(engine)
        given = numbered(0, 1200, dimension=768) if full_of == "vectors" else texts(0, 1200, 8, 1500)
        engine.add(collection, given)
        forks = (engine.fork(collection, f"fork-{number}") for number in range(20))
        with pytest.raises(InternalError, match="no space left"):
            list(forks)
        models = engine.list_collections(*PLACE)
        names = [model.name for model in models]
        assert names == ["words", *(f"fork-{number}" for number in range(len(names) - 1))]
        files = {path.name for path in (disk / "db" / "vectors").iterdir()}
        assert files == {f"{model.id}.0.f32" for model in models}
        assert engine.fork_count(collection) == len(names) - 1
        assert engine.verify() == []
        for name in names[1:]:
            engine.delete_collection(name, *PLACE)
        engine.delete(collection, [f"r{number}" for number in range(100, 1200)], None)
        engine.vacuum()
        assert len(agree(engine, engine.fork(collection, "fork").id)) == 100
        assert engine.verify() == []
        engine.close()


#: What makes room -> the records of the full collection that are left, of those there were (None: no collection).
DELETIONS: dict[str, tuple[Callable[[Engine, UUID, int], object], Callable[[int], int | None]]] = {
    "delete_collection": (lambda engine, _, n: engine.delete_collection("words", *PLACE), lambda n: None),
    "reset": (lambda engine, _, n: engine.reset(), lambda n: None),
    "delete all": (lambda engine, words, n: engine.delete(words, None, parse_where({"number": {"$gte": 0}})), int),
    "delete every second": (
        lambda engine, words, n: engine.delete(words, [f"r{number}" for number in range(0, n, 2)], None),
        lambda n: n // 2,
    ),
    "delete two": (lambda engine, words, n: engine.delete(words, ["r1", "r2"], None), lambda n: n - 2),
    "vacuum": (lambda engine, words, n: engine.vacuum(), lambda n: n),
}
#: Large vectors, large documents in a small call, large documents in a large one: (dimension, length, records a call).
SHAPES = {"vectors": (768, 0, 100), "documents": (8, 2000, 50), "many documents": (8, 2000, 400)}


def full_disks() -> Iterator[Any]:
    """Every case; those that are not long have each deletion with each shape, each durability, open and opened anew."""
    ways = list(itertools.product(["power", "process"], ["open", "opened anew"]))
    for (row, name), (column, shape) in itertools.product(enumerate(DELETIONS), enumerate(SHAPES)):
        for way in ways:
            always = way == ways[(row + column) % len(ways)]
            yield pytest.param(name, *way, shape, marks=() if always else pytest.mark.long)


@pytest.mark.parametrize(("name", "durability", "kept", "shape"), list(full_disks()))
def test_room_is_made_from_inside_on_a_full_disk(
    name: str, durability: Durability, kept: str, shape: str, tmp_path: Path
) -> None:
    """The disk is filled by the database itself, and by others to the last byte; the journal holds what it can."""
    delete, left = DELETIONS[name]
    dimension, length, batch = SHAPES[shape]
    with disk_of(tmp_path / "small", "8m") as disk:
        engine = SharedEngine.open(disk / "db", durability=durability)
        engine.add(create(engine, "other"), texts(0, 20, dimension, length))
        words = create(engine)
        calls = (engine.add(words, texts(first, batch, dimension, length)) for first in range(0, 1 << 20, batch))
        with pytest.raises(InternalError, match="no space left"):
            list(calls)
        count = engine.count(words)
        assert count
        fill_up(disk)
        if kept == "opened anew":
            engine.close()
            fill_up(disk)
            engine = SharedEngine.open(disk / "db", durability=durability)
        delete(engine, words, count)
        assert engine.verify() == []
        rest = left(count) if name != "delete all" else 0
        if rest is None:
            words, rest = create(engine), 0
        assert engine.count(words) == rest
        if name != "vacuum":  # nothing had been deleted: it makes no room, and says so or not
            engine.vacuum()
        engine.add(words, texts(900_000, 5, dimension, length)) if name != "vacuum" else None
        engine.close()
        (disk / "filler").unlink()
        engine = SharedEngine.open(disk / "db", durability=durability)
        engine.add(words, texts(950_000, 5, dimension, length))
        assert engine.verify() == []
        assert len(agree(engine, words)) == rest + (10 if name != "vacuum" else 5)
        engine.close()


def test_a_vacuum_without_room_for_copies_does_what_it_can_and_says_what_it_could_not(tmp_path: Path) -> None:
    with disk_of(tmp_path / "small", "16m") as disk:
        engine = SharedEngine.open(disk / "db")
        large, small = create(engine, "large"), create(engine, "small")
        engine.add(large, numbered(0, 2000, dimension=768))
        engine.add(small, numbered(0, 300, dimension=768))
        engine.delete(large, [f"r{number}" for number in range(0, 2000, 4)], None)
        engine.delete(small, [f"r{number}" for number in range(290)], None)
        engine.add(create(engine, "full"), numbered(0, 1, dimension=768))
        fill_up(disk)
        report = engine.vacuum()
        assert report["compacted"] == ["small"]
        assert not report["complete"]
        assert any(
            "[large] was not compacted" in problem and "no space left" in problem for problem in report["problems"]
        )
        assert report["bytes_after"] < report["bytes_before"]
        assert free(disk) > 800_000
        assert engine.verify() == []
        (disk / "filler").unlink()
        report = engine.vacuum()
        assert report["complete"]
        assert report["problems"] == []
        assert report["compacted"] == ["large"]
        assert {path.stat().st_size for path in (disk / "db" / "vectors").iterdir()} == {
            rows * 768 * 4 for rows in (1500, 10, 1)
        }
        assert engine.verify() == []
        engine.close()


@pytest.mark.parametrize("ending", ["given up", "dead"])
def test_records_on_their_way_in_that_filled_the_disk_give_their_room_back(tmp_path: Path, ending: str) -> None:
    """By the call that fails; where its process died, by the next vacuum."""
    with disk_of(tmp_path / "disk", "12m") as disk:
        engine = SharedEngine.open(disk / "db")
        collection = create(engine)
        engine.add(collection, numbered(0, 2_000, dimension=64))
        before = free(disk)
        session = engine.begin_staging(collection)
        assert session is not None

        def stage_until_full() -> None:
            for first in range(2_000, 100_000, 200):
                engine.stage(session, texts(first, 200, 64, 400))

        with pytest.raises(InternalError, match=r"(?i)no space left"):
            stage_until_full()
        fill_up(disk)
        if ending == "given up":
            engine.abandon(session)
        else:
            session.close()
        freed = engine.vacuum()
        (disk / "filler").unlink()
        assert freed["complete"], freed["problems"]
        assert not engine.transactions.read(
            lambda connection: [row for row in catalog.all_collections(connection) if row.staged]
        )
        assert free(disk) >= before - (1 << 20)
        assert len(agree(engine, collection)) == 2_000
        engine.close()


def test_on_a_full_disk_a_deletion_gives_its_room_back_at_once(tmp_path: Path) -> None:
    with disk_of(tmp_path / "small", "16m") as disk:
        engine = SharedEngine.open(disk / "db")
        words = create(engine)
        for first in range(0, 1500, 50):
            engine.add(words, texts(first, 50, 8, 2000))
        fill_up(disk)
        engine.delete(words, [f"r{number}" for number in range(750)], None)
        assert free(disk) > 1_000_000
        engine.add(words, texts(2000, 100, 8, 2000))
        assert engine.verify() == []
        engine.close()


def test_a_deletion_for_which_nothing_is_enough_says_so_and_smaller_ones_work(tmp_path: Path) -> None:
    with disk_of(tmp_path / "small", "24m") as disk:
        engine = SharedEngine.open(disk / "db")
        words = create(engine)
        for first in range(0, 4000, 500):
            engine.add(words, texts(first, 500, 8, 2000))
        engine.close()
        engine = SharedEngine.open(disk / "db")
        fill_up(disk)
        with pytest.raises(InternalError, match="Delete fewer records in one call, or a whole collection"):
            engine.delete(words, [f"r{number}" for number in range(0, 4000, 2)], None)
        assert engine.count(words) == 4000
        for first in range(0, 4000, 400):
            engine.delete(words, [f"r{number}" for number in range(first, first + 400, 2)], None)
        assert len(agree(engine, words)) == 2000
        assert engine.verify() == []
        engine.close()


def test_no_addition_leaves_a_journal_that_could_never_be_emptied(tmp_path: Path) -> None:
    """It would fit the journal, but not once more the database: then no deletion could make room either."""
    with disk_of(tmp_path / "small", "16m") as disk:
        engine = SharedEngine.open(disk / "db")
        words = create(engine)
        with pytest.raises(InternalError, match="no space left"):
            engine.add(words, texts(0, 2500, 8, 2000))
        assert engine.count(words) == 0
        engine.add(words, texts(0, 1000, 8, 2000))
        fill_up(disk)
        engine.delete_collection("words", *PLACE)
        assert free(disk) > 4_000_000
        engine.close()


def test_a_database_is_opened_on_a_full_disk_though_nothing_was_held_back(tmp_path: Path) -> None:
    """As one is that an earlier version wrote: a saved graph is given up for it."""
    pytest.importorskip("hnswlib")
    with disk_of(tmp_path / "small", "16m") as disk:
        engine = SharedEngine.open(disk / "db")
        words = create(engine)
        engine.add(words, numbered(0, 3000, dimension=64))
        assert engine.build_graph(words)
        engine.close()
        (disk / "db" / RESERVE_NAME).unlink()
        fill_up(disk)
        engine = SharedEngine.open(disk / "db")
        assert len(agree(engine, words)) == 3000
        engine.delete(words, [f"r{number}" for number in range(2000)], None)
        assert engine.verify() == []
        engine.close()


@pytest.mark.parametrize(
    ("name", "durability"),
    [
        pytest.param(name, durability, marks=pytest.mark.long if (row + column) % 2 else ())
        for row, name in enumerate(DELETIONS)
        for column, durability in enumerate(["power", "process"])
    ],
)
def test_a_limit_on_the_size_of_files_is_a_full_disk_too(name: str, durability: Durability, tmp_path: Path) -> None:
    """SIGXFSZ, which would end the process, is ignored by Python."""
    script = """
    import resource
    from test_disk import DELETIONS, texts
    delete, left = DELETIONS[sys.argv[2]]
    engine = SharedEngine.open(Path(sys.argv[1]), durability=sys.argv[3])
    collection = create(engine)
    engine.add(collection, texts(0, 20, 8, 500))
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    count = 20
    try:
        while True:
            engine.add(collection, texts(count, 20, 8, 500))
            count += 20
    except Exception as error:
        print(type(error).__mro__[1].__name__, "limit on the size of files" in str(error), "restore" in str(error))
    assert engine.count(collection) == count
    assert nearest(engine, collection, numbered_vector(7), 1) == ["r7"]
    assert len(agree(engine, collection)) == count
    assert engine.verify() == []
    delete(engine, collection, count)
    assert engine.verify() == []
    if left(count) is None:
        collection = create(engine)
    if sys.argv[2] != "vacuum":
        engine.add(collection, texts(900_000, 5, 8, 500))
    engine.close()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    engine = SharedEngine.open(Path(sys.argv[1]))
    engine.add(collection, texts(950_000, 5, 8, 500))
    assert engine.verify() == []
    engine.close()
    """
    assert run(script, tmp_path / "db", name, durability) == "InternalError True False"


def test_a_graph_that_cannot_be_saved_on_a_full_disk_is_a_warning(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hnswlib")
    engine = SharedEngine.open(small_disk / "db")
    collection = create(engine)
    engine.add(collection, numbered(0, 3000, dimension=64))
    (small_disk / "filler").write_bytes(bytes(int(2.2e6)))
    with pytest.warns(RuntimeWarning, match="is built again when it is needed"):
        assert engine.build_graph(collection)
    assert index_state(engine, collection).startswith("hnsw")
    assert nearest(engine, collection, numbered_vector(7, dimension=64), 1) == ["r7"]
    assert list((small_disk / "db" / "cache").glob("*")) == []
    engine.close()


# --- Failing -------------------------------------------------------------------------------------------------------

WRITER = """
from chroma_nb.errors import InternalError
try:
    engine = SharedEngine.open(Path(sys.argv[1]))
except InternalError as error:
    assert "damaged" not in str(error), error
    print("not opened")
    sys.exit()
(model,) = engine.list_collections(*PLACE)
for number in (100, 200):
    try:
        engine.add(model.id, numbered(number, 3))
    except Exception as error:
        print(isinstance(error, InternalError) and "damaged" not in str(error))
    assert engine.count(model.id) in (30, 33, 36)
    assert engine.verify() == []
print(*sorted(agree(engine, model.id)), sep=" ", flush=True)
os._exit(0)  # nothing is closed
"""


@pytest.mark.parametrize(
    ("calls", "answer"),
    [
        ("fdatasync", "EIO"),
        ("pwrite64", "EDQUOT"),
        pytest.param("fdatasync", "EDQUOT", marks=pytest.mark.long),
        pytest.param("pwrite64", "EIO", marks=pytest.mark.long),
    ],
)
def test_a_disk_that_fails_from_some_moment_on_leaves_whole_calls(tmp_path: Path, calls: str, answer: str) -> None:
    """Also when the process dies then: a commit whose sync failed does not come back over rows written since."""
    if reason := power_loss.why_not():
        pytest.skip(reason)
    engine = SharedEngine.open(tmp_path / "whole")
    engine.add(create(engine), numbered(0, 30))
    engine.close()
    for number in range(1, 100, 1 if calls == "fdatasync" else 4):
        directory = shutil.copytree(tmp_path / "whole", tmp_path / str(number))
        inject = f"inject={calls}:error={answer}:when={number}+"
        strace = ("strace", "-f", "-qq", "-o", str(tmp_path / "trace"), "-e", f"trace={calls}", "-e", inject)
        said = run(WRITER, directory, prefix=strace).splitlines()
        assert set(said[:-1]) <= {"True"}
        engine = SharedEngine.open(directory)
        (model,) = engine.list_collections(*PLACE)
        assert engine.verify() == []
        left = agree(engine, model.id)
        assert said[-1] == "not opened" or set(said[-1].split()) <= left
        assert left - {f"r{number}" for number in range(30)} in (
            set(),
            {"r100", "r101", "r102"},
            {"r200", "r201", "r202"},
            {"r100", "r101", "r102", "r200", "r201", "r202"},
        )
        engine.add(model.id, numbered(300, 3))
        assert engine.verify() == []
        engine.close()
        if "INJECTED" not in (tmp_path / "trace").read_text():
            break
    assert "INJECTED" not in (tmp_path / "trace").read_text(), "the calls have no end"


# --- Read-only -----------------------------------------------------------------------------------------------------

READER = """
import shutil, traceback
from chroma_nb.query.parsing import parse_where
directory = Path(sys.argv[1])
warm = SharedEngine.open(directory.parent / "warm")  # everything is imported while this process may read it
other = create(warm)
warm.add(other, numbered(0, 2))
nearest(warm, other, numbered_vector(1), 1), contents(warm, other)
warm.close()
os.setuid(65534)
engine = SharedEngine.open(directory)
(model,) = engine.list_collections(*PLACE)
assert len(agree(engine, model.id)) == 30
assert nearest(engine, model.id, numbered_vector(7), 1) == ["r7"]
assert engine.get(model.id, None, parse_where({"number": 8}), None, None, ())["ids"] == ["r8"]
assert engine.verify() == []
assert (engine.fork_count(model.id), engine.indexing_status(model.id).total_ops >= 30) == (0, True)
for call in (
    lambda: engine.add(model.id, numbered(100, 1)),
    lambda: engine.delete(model.id, ["r1"], None),
    lambda: engine.delete_collection("words", *PLACE),
    lambda: create(engine, "more"),
    lambda: engine.fork(model.id, "more"),
):
    try:
        call()
    except Exception as error:
        assert "read-only" in str(error), error
    else:
        raise AssertionError("a read-only database was written")
print("read", flush=True)
if len(sys.argv) > 2:
    sys.stdin.readline()
    assert engine.count(model.id) == 31
    assert nearest(engine, model.id, numbered_vector(500), 1) == ["r500"]
    print("followed")
engine.close()
"""


@pytest.fixture
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory that everybody may read and only its owner may write; holds a database."""
    if os.getuid() != 0:
        pytest.skip("only root may become somebody else")
    directory = Path("/var/tmp") / f"chroma_nb-{os.getpid()}-{os.urandom(4).hex()}" / "db"
    directory.mkdir(parents=True)
    engine = SharedEngine.open(directory)
    engine.add(create(engine), numbered(0, 30))
    engine.close()
    yield directory
    subprocess.run(["rm", "-r", directory.parent], check=True)


def publish(directory: Path) -> None:
    for path in (directory.parent, directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_read_only_directory_is_read_and_queried(published: Path) -> None:
    publish(published)
    assert run(READER, published) == "read"


def test_a_read_only_directory_with_a_journal_left_behind_shows_what_is_committed(published: Path) -> None:
    killed = """
    engine = SharedEngine.open(Path(sys.argv[1]))
    (model,) = engine.list_collections(*PLACE)
    engine.delete(model.id, ["r29"], None)
    engine.add(model.id, numbered(40, 1))
    print((Path(sys.argv[1]) / "chroma_nb.sqlite3-wal").stat().st_size > 0, flush=True)
    os._exit(0)  # nothing is closed
    """
    assert run(killed, published) == "True"
    publish(published)
    assert run(READER, published) == "read"


def test_a_reader_who_may_not_write_follows_one_who_may(published: Path) -> None:
    publish(published)
    reader = start(READER, published, "follow")
    assert reader.stdout is not None
    assert reader.stdin is not None
    if (line := reader.stdout.readline().strip()) != "read":
        raise AssertionError(line + finish(reader))
    engine = SharedEngine.open(published)
    (model,) = engine.list_collections(*PLACE)
    engine.add(model.id, numbered(500, 1))
    publish(published)
    reader.stdin.write("go on\n")
    reader.stdin.flush()
    assert finish(reader).endswith("followed")
    engine.close()


# --- Given back -----------------------------------------------------------------------------------------------------

MARKER = "xyzzy-the-secret-word"


def bytes_of(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def anywhere(directory: Path, text: str) -> list[str]:
    return [path.name for path in directory.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_delete_collection_gives_the_space_back_and_removes_its_files(on_disk: Engine) -> None:
    kept = create(on_disk, "kept")
    on_disk.add(kept, numbered(0, 10))
    small = bytes_of(on_disk.directory)
    collection = create(on_disk)
    on_disk.add(collection, numbered(0, 3000, dimension=64))
    full = bytes_of(on_disk.directory)
    on_disk.delete_collection("words", *PLACE)
    assert bytes_of(on_disk.directory) - small < 0.1 * (full - small)
    assert [path.name for path in (on_disk.directory / "vectors").iterdir()] == [f"{kept}.0.f32"]
    assert agree(on_disk, kept) == {f"r{number}" for number in range(10)}


def test_vacuum_leaves_a_deleted_text_in_no_file(on_disk: Engine) -> None:
    collection = create(on_disk)
    on_disk.add(collection, numbered(0, 50))
    secret = records(
        [f"{MARKER}-id-{number}" for number in range(50)],
        [numbered_vector(500 + number) for number in range(50)],
        [f"{MARKER} document {number}" for number in range(50)],
        [{f"{MARKER}-key": f"{MARKER}-value"} for _ in range(50)],
        [f"https://{MARKER}/{number}" for number in range(50)],
    )
    on_disk.add(collection, secret)
    raw = np.array(numbered_vector(500), "<f4").tobytes()
    on_disk.delete(collection, secret.ids, None)
    assert anywhere(on_disk.directory, MARKER)  # not before it is asked for
    report = on_disk.vacuum()
    assert report["complete"]
    assert report["compacted"] == ["words"]
    assert report["bytes_after"] < report["bytes_before"]
    assert anywhere(on_disk.directory, MARKER) == []
    assert not any(raw in path.read_bytes() for path in on_disk.directory.rglob("*") if path.is_file())
    assert agree(on_disk, collection) == {f"r{number}" for number in range(50)}
    assert on_disk.verify() == []


def test_the_journal_does_not_grow_for_ever(on_disk: Engine) -> None:
    collection = create(on_disk)
    largest = 0
    for turn in range(60):
        on_disk.upsert(collection, numbered(0, 200, version=turn))
        largest = max(largest, (on_disk.directory / "chroma_nb.sqlite3-wal").stat().st_size)
    assert largest < 16_000_000


def test_files_and_folders_are_their_owners_only(tmp_path: Path) -> None:
    engine = SharedEngine.open(tmp_path / "db")
    engine.add(create(engine), numbered(0, 3))
    assert (tmp_path / "db").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "db" / "vectors").stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "db" / "vectors").iterdir():
        assert path.stat().st_mode & 0o077 == 0
    engine.close()


# --- On another machine ---------------------------------------------------------------------------------------------

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/export /home/nfs nfs4 rw 0 0
//server/share /mnt/with\\040space cifs rw 0 0
tmpfs /home/nfs/local tmpfs rw 0 0
user@host: /mnt/ssh fuse.sshfs rw 0 0
overlay /merged overlay rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/me/db", False),
        ("/home/nfs/db", True),
        ("/home/nfs", True),
        ("/home/nfsx/db", False),
        ("/home/nfs/local/db", False),
        ("/mnt/with space/db", True),
        ("/mnt/ssh/db", True),
        ("/merged/db", False),
    ],
)
def test_network_mounts_are_told_by_the_mount_table(path: str, expected: bool) -> None:
    assert is_network_mount(Path(path), MOUNTS) is expected


@pytest.fixture
def on_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(chroma_nb.engine.engine, "is_network_mount", lambda path: True)
    engine = SharedEngine.open(tmp_path / "db")
    yield engine
    engine.close()


def test_on_a_network_mount_nothing_is_mapped_and_there_is_no_shared_memory(on_the_network: Engine) -> None:
    collection = create(on_the_network)
    on_the_network.add(collection, numbered(0, 50))
    assert nearest(on_the_network, collection, numbered_vector(7), 1) == ["r7"]
    on_the_network.update(collection, numbered(7, 1, version=1))
    assert nearest(on_the_network, collection, numbered_vector(7, 1), 1) == ["r7"]
    on_the_network.delete(collection, ["r3"], None)
    assert on_the_network.compact(collection)
    assert len(agree(on_the_network, collection)) == 49
    assert on_the_network.verify() == []
    assert not [path.name for path in on_the_network.directory.rglob("*") if path.name.endswith(("-wal", "-shm"))]
    assert str(on_the_network.directory / "vectors") not in Path("/proc/self/maps").read_text()


def test_a_network_mount_is_followed_by_another_process(on_the_network: Engine) -> None:
    collection = create(on_the_network)
    on_the_network.add(collection, numbered(0, 20))
    assert len(agree(on_the_network, collection)) == 20
    script = """
    import chroma_nb.engine.engine as module
    module.is_network_mount = lambda path: True
    engine = SharedEngine.open(Path(sys.argv[1]))
    collection = UUID(sys.argv[2])
    engine.add(collection, numbered(100, 5))
    print(len(agree(engine, collection)))
    """
    assert run(script, on_the_network.directory, collection) == "25"
    assert nearest(on_the_network, collection, numbered_vector(103), 1) == ["r103"]

"""The disk: full, read-only, given back, or on another machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from child_process import finish, run, start
from engine_samples import PLACE, agree, contents, create, nearest, numbered, numbered_vector, records

import chroma_nb.engine.engine
from chroma_nb.engine.engine import Engine
from chroma_nb.engine.locks import is_network_mount
from chroma_nb.errors import InternalError

# --- Full --------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    directory = tmp_path / "small"
    directory.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", directory], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    yield directory
    subprocess.run(["umount", "-l", directory], check=True)


def test_a_full_disk_refuses_the_write_and_nothing_else(small_disk: Path) -> None:
    engine = Engine.open(small_disk / "db")
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
    engine = Engine.open(small_disk / "db")
    collection, other = create(engine), create(engine, "other")
    engine.add(other, numbered(0, 2000, dimension=64))
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        while True:
            try:
                file.write(bytes(65536))
                file.flush()
            except OSError:
                break
    with pytest.raises(InternalError):
        engine.add(collection, numbered(0, 2000, dimension=64))
    assert engine.count(collection) == 0
    filler.unlink()
    engine.add(collection, numbered(0, 200, dimension=64))
    assert len(agree(engine, collection)) == 200
    assert engine.verify() == []
    engine.close()


def test_a_limit_on_the_size_of_files_is_a_full_disk_too(tmp_path: Path) -> None:
    script = """
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    engine = Engine.open(Path(sys.argv[1]))
    collection = create(engine)
    engine.add(collection, numbered(0, 100))
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    before = 100
    try:
        for turn in range(100):
            engine.add(collection, numbered(1000 * turn + 1000, 500))
            before += 500
    except Exception as error:
        print(type(error).__name__, "nothing was" in str(error) or "disk I/O" in str(error))
    assert engine.count(collection) == before
    assert nearest(engine, collection, numbered_vector(7), 1) == ["r7"]
    assert len(agree(engine, collection)) == before
    assert engine.verify() == []
    """
    output = run(script, tmp_path / "db")
    assert output == "InternalError True"


def test_a_graph_that_cannot_be_saved_on_a_full_disk_is_a_warning(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hnswlib")
    engine = Engine.open(small_disk / "db")
    collection = create(engine)
    engine.add(collection, numbered(0, 3000, dimension=64))
    (small_disk / "filler").write_bytes(bytes(int(2.2e6)))
    with pytest.warns(RuntimeWarning, match="will be rebuilt when it is needed again"):
        assert engine.build_graph(collection)
    assert engine.describe(collection)["index"].startswith("hnsw")
    assert nearest(engine, collection, numbered_vector(7, dimension=64), 1) == ["r7"]
    assert list((small_disk / "db" / "cache").glob("*")) == []
    engine.close()


# --- Read-only -----------------------------------------------------------------------------------------------------

READER = """
import shutil, traceback
from chroma_nb.where import parse_where
directory = Path(sys.argv[1])
warm = Engine.open(directory.parent / "warm")  # everything is imported while this process may read it
other = create(warm)
warm.add(other, numbered(0, 2))
nearest(warm, other, numbered_vector(1), 1), contents(warm, other)
warm.close()
os.setuid(65534)
engine = Engine.open(directory)
(model,) = engine.list_collections(*PLACE)
assert len(agree(engine, model.id)) == 30
assert nearest(engine, model.id, numbered_vector(7), 1) == ["r7"]
assert engine.get(model.id, None, parse_where({"number": 8}), None, None, ())["ids"] == ["r8"]
assert engine.verify() == []
for call in (
    lambda: engine.add(model.id, numbered(100, 1)),
    lambda: engine.delete(model.id, ["r1"], None),
    lambda: engine.delete_collection("words", *PLACE),
    lambda: create(engine, "more"),
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
    engine = Engine.open(directory)
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
    engine = Engine.open(Path(sys.argv[1]))
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
    engine = Engine.open(published)
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
    engine = Engine.open(tmp_path / "db")
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
    engine = Engine.open(tmp_path / "db")
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
    engine = Engine.open(Path(sys.argv[1]))
    collection = UUID(sys.argv[2])
    engine.add(collection, numbered(100, 5))
    print(len(agree(engine, collection)))
    """
    assert run(script, on_the_network.directory, collection) == "25"
    assert nearest(on_the_network, collection, numbered_vector(103), 1) == ["r103"]

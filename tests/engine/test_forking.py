"""Forks of one database: what is copied, what is shared, what comes in meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from codes_for_few import codes_for_few
from engine_samples import (
    PLACE,
    agree,
    asked,
    by_text,
    contents,
    create,
    index_state,
    nearest,
    numbered,
    numbered_vector,
)

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.memory import row_files, word_files
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.search import planner
from chroma_nb.engine.storage import vectors
from chroma_nb.engine.storage.sqlite import Durability
from chroma_nb.engine.transactions.forking import Fork
from chroma_nb.errors import InternalError
from chroma_nb.query.parsing import parse_where
from chroma_nb.records import Edits


def with_holes(engine: Engine) -> UUID:
    collection = create(engine)
    engine.add(collection, numbered(0, 60))
    engine.update(collection, numbered(10, 20, version=1))
    engine.delete(collection, [f"r{number}" for number in range(0, 60, 7)], None)
    return collection


def check(engine: Engine, fork: UUID) -> None:
    """Every record has the vector that its metadata tells, and is found by it."""
    assert engine.verify() == []
    for ident, (vector, _, metadata, _) in contents(engine, fork).items():
        assert list(vector) == numbered_vector(int(ident[1:]), metadata["version"])
        assert nearest(engine, fork, vector, 1) == [ident]
    agree(engine, fork)


def test_holes_and_changes_are_as_they_were(engine: Engine) -> None:
    collection = with_holes(engine)
    fork = engine.fork(collection, "fork").id
    assert contents(engine, fork) == contents(engine, collection)
    check(engine, fork)
    where = parse_where({"version": 1})
    assert (
        engine.get(fork, None, where, None, None, ())["ids"]
        == engine.get(collection, None, where, None, None, ())["ids"]
    )
    assert engine.compact(fork)
    engine.add(fork, numbered(100, 5))
    engine.add(collection, numbered(100, 3, version=2))
    check(engine, fork)
    check(engine, collection)


@pytest.mark.parametrize("disturbance", ["add", "update", "compact", "compact twice", "all of them"])
def test_what_changes_during_the_copy_is_in_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, disturbance: str
) -> None:
    collection = with_holes(engine)
    source = Fork.source
    turn = iter(range(9))

    def disturbed(self: Fork, connection: Any) -> Any:
        row = source(self, connection)
        if next(turn) == 0:
            change = threading.Thread(target=changes)
            change.start()
            if engine.directory is not None:  # a database in memory waits for its one connection
                change.join(20)
            threads.append(change)
        return row

    def changes() -> None:
        if disturbance in ("add", "all of them"):
            engine.add(collection, numbered(200, 7))
        if disturbance in ("update", "all of them"):
            engine.update(collection, numbered(30, 7, version=4))
        for _ in range({"compact": 1, "compact twice": 2, "all of them": 2}.get(disturbance, 0)):
            engine.compact(collection)

    threads: list[threading.Thread] = []
    monkeypatch.setattr(Fork, "source", disturbed)
    fork = engine.fork(collection, "fork").id
    threads[0].join(20)
    assert not threads[0].is_alive()
    if engine.directory is not None:
        assert contents(engine, fork) == contents(engine, collection)
    check(engine, fork)
    check(engine, collection)
    if engine.directory is not None:
        assert not list((engine.directory / "vectors").glob("*.new"))


def test_records_on_their_way_in_are_not_forked(on_disk: Engine) -> None:
    collection = create(on_disk)
    session = on_disk.begin_staging(collection)
    assert session is not None
    on_disk.stage(session, numbered(0, 5, dimension=7))
    empty = on_disk.fork(collection, "empty").id
    on_disk.add(empty, numbered(0, 2, dimension=3))  # the staged ones do not say the dimension
    on_disk.abandon(session)
    on_disk.add(collection, numbered(0, 5))
    session = on_disk.begin_staging(collection)
    assert session is not None
    on_disk.stage(session, numbered(3, 5, version=1))
    fork = on_disk.fork(collection, "fork").id
    on_disk.publish(session, Edits(), update=True)
    assert agree(on_disk, fork) == {f"r{number}" for number in range(5)}
    assert {metadata["version"] for _, _, metadata, _ in contents(on_disk, fork).values()} == {0}
    assert agree(on_disk, collection) == {f"r{number}" for number in range(8)}
    second = on_disk.fork(collection, "second").id
    assert contents(on_disk, second) == contents(on_disk, collection)
    on_disk.upsert(second, numbered(3, 9, version=2))
    assert on_disk.get(second, ["r3", "r6"], None, None, None, ())["ids"] == ["r3", "r6"]
    check(on_disk, second)
    check(on_disk, fork)


@pytest.mark.parametrize("durability", ["power", "process"])
def test_rows_that_no_sync_covers_are_forked_and_synced(tmp_path: Path, durability: Durability) -> None:
    engine = SharedEngine.open(tmp_path / "db", durability=durability)
    collection = create(engine)
    engine.add(collection, numbered(0, 5))
    fork = engine.fork(collection, "fork").id
    number = asked(engine, f"SELECT number FROM collections WHERE id = '{fork}'")
    assert asked(engine, f"SELECT count(*) FROM pending_vectors WHERE collection = {number}") == 0
    assert asked(engine, "SELECT count(*) FROM pending_vectors") == (durability == "process")
    engine.add(fork, numbered(10, 5))
    engine.close()
    engine = SharedEngine.open(tmp_path / "db", durability=durability)
    check(engine, fork)
    assert len(agree(engine, fork)) == 10
    engine.close()


def test_rows_that_were_pending_when_the_directory_was_opened_are_forked(tmp_path: Path) -> None:
    """As after a loss of power: they stand in the database, and not in the file."""
    engine = SharedEngine.open(tmp_path / "db", durability="process")
    collection = create(engine)
    engine.add(collection, numbered(0, 5))
    engine.close()
    (tmp_path / "db" / "vectors" / f"{collection}.0.f32").write_bytes(b"")
    engine = SharedEngine.open(tmp_path / "db")
    check(engine, engine.fork(collection, "fork").id)
    engine.close()


def test_in_memory_vectors_are_shared_until_one_side_is_written_to() -> None:
    engine = SharedEngine.open(None)
    collection = create(engine)
    engine.add(collection, numbered(0, 50))
    fork, second = engine.fork(collection, "fork").id, engine.fork(collection, "second").id

    def array(ident: UUID) -> Any:
        return engine.transactions.read_collection(ident, lambda snapshot: snapshot.matrix)

    assert np.shares_memory(array(collection), array(fork))
    engine.add(collection, numbered(50, 3))
    engine.add(fork, numbered(60, 3))
    assert not np.shares_memory(array(collection), array(fork))
    assert not np.shares_memory(array(fork), array(second))
    for ident in (collection, fork, second):
        check(engine, ident)
    engine.close()


@pytest.mark.parametrize("way", ["in the kernel", "by reading and writing"])
def test_files_are_copied_by_either_way(on_disk: Engine, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    collection = with_holes(on_disk)
    monkeypatch.setattr(vectors, "_PIECE", 100)
    if way == "by reading and writing":
        monkeypatch.setattr("os.copy_file_range", lambda *given: (_ for _ in ()).throw(OSError(18, "another device")))
    check(on_disk, on_disk.fork(collection, "fork").id)
    on_disk.close()


def test_a_collection_whose_file_is_too_short_is_not_forked(on_disk: Engine) -> None:
    collection = with_holes(on_disk)
    path = on_disk.directory / "vectors" / f"{collection}.0.f32"
    path.write_bytes(path.read_bytes()[:320])
    with pytest.raises(InternalError, match="holds 10 vectors, but the database expects 80"):
        on_disk.fork(collection, "fork")
    path.unlink()
    on_disk.close()
    engine = SharedEngine.open(on_disk.directory)
    with pytest.raises(InternalError, match="is missing"):
        engine.fork(collection, "fork")
    assert [model.name for model in engine.list_collections(*PLACE)] == ["words"]
    engine.close()


# --- What the cache has ---------------------------------------------------------------------------------------------


KINDS = (".rows", ".words", ".codes", ".hnsw", ".json")


def cached(engine: Engine) -> dict[str, list[Path]]:
    """Kind of file -> the files of it."""
    files = sorted((engine.directory / "cache").iterdir())
    return {kind: [path for path in files if path.suffix == kind] for kind in KINDS}


def counts(engine: Engine) -> dict[str, int]:
    """Kind of file -> how many there are."""
    return {kind: len(files) for kind, files in cached(engine).items()}


@pytest.fixture
def built(on_disk: Engine, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A collection with a graph, codes, rows and words in the cache, and changes since."""
    pytest.importorskip("hnswlib")
    for files in (row_files, word_files):
        monkeypatch.setattr(files, "FEWEST", 100)
    monkeypatch.setattr(planner, "SMALLEST_GRAPH_BYTES", 0)
    codes_for_few(monkeypatch.setattr, block_rows=64)
    collection = create(on_disk)
    on_disk.add(collection, numbered(0, 400, dimension=64))
    assert on_disk.maintenance.store_rows(collection)
    assert on_disk.maintenance.build_codes(collection)
    assert on_disk.build_graph(collection)
    assert len(by_text(on_disk, collection, "version")) == 400
    assert on_disk.maintenance.store_words(collection)
    on_disk.update(collection, numbered(30, 5, version=1, dimension=64))
    on_disk.delete(collection, ["r7", "r8"], None)
    return collection


def test_a_fork_has_what_the_cache_has_of_its_collection(on_disk: Engine, built: UUID) -> None:
    fork = on_disk.fork(built, "fork").id
    found = cached(on_disk)
    assert counts(on_disk) == dict.fromkeys(KINDS, 2)
    for kind in (".rows", ".words", ".hnsw"):  # two names of one file
        assert len({path.stat().st_ino for path in found[kind]}) == 1
    assert len({path.stat().st_ino for path in found[".codes"]}) == 2
    assert on_disk.builder.wait(60)  # a file that is just being written is not counted when closing stops it
    on_disk.close()
    engine = SharedEngine.open(on_disk.directory)
    row, stored = engine.transactions.read_collection(
        fork, lambda snapshot: (snapshot.row, snapshot.memory.lacks_stored_rows())
    )
    assert engine.transactions._stored_rows(row) is not None
    assert not stored
    assert word_files.load(engine.directory / "cache", row) is not None
    assert set(by_text(engine, fork, "1")) == {"r1", *(f"r{number}" for number in range(30, 35))}
    assert by_text(engine, fork, "7") == []
    assert engine.build_graph(fork)
    assert index_state(engine, fork).startswith("hnsw")
    for number, version in ((3, 0), (31, 1), (399, 0)):
        assert nearest(engine, fork, numbered_vector(number, version, 64), 1) == [f"r{number}"]
    assert "r7" not in agree(engine, fork)
    assert engine.verify() == []
    engine.close()


def test_what_comes_after_the_fork_is_in_none_of_its_files(on_disk: Engine, built: UUID) -> None:
    """The collection writes, and its codes and graph are saved again, before the fork looks at the cache."""
    share, late = on_disk.maintenance.share_cache, []

    def later(collection: UUID, fork: Any) -> None:
        on_disk.add(built, numbered(500, 200, dimension=64))
        assert on_disk.maintenance.build_codes(built)
        on_disk.transactions.memories.clear()
        for path in cached(on_disk)[".json"]:
            path.unlink()
        assert on_disk.build_graph(built)
        late.append(fork)
        share(collection, fork)

    on_disk.maintenance.share_cache = later
    fork = on_disk.fork(built, "fork").id
    assert late
    assert len(cached(on_disk)[".json"]) == 1  # the graph is of later: the fork has none
    sizes = {path.name.partition(".")[0]: path.stat().st_size for path in cached(on_disk)[".codes"]}
    assert sizes[str(fork)] < sizes[str(built)]
    on_disk.add(fork, numbered(900, 300, dimension=64))  # in the slots that the collection gave to others
    on_disk.close()
    engine = SharedEngine.open(on_disk.directory)
    for ident in (fork, built):
        engine.maintenance.build_indexes(ident, lambda: False)
        assert engine.build_graph(ident)
    for number in range(900, 1200, 7):
        assert nearest(engine, fork, numbered_vector(number, dimension=64), 1) == [f"r{number}"]
    for number in range(500, 700, 7):
        assert nearest(engine, built, numbered_vector(number, dimension=64), 1) == [f"r{number}"]
    assert engine.verify() == []
    engine.close()


def test_a_fork_keeps_its_files_when_its_collection_is_compacted_or_deleted(on_disk: Engine, built: UUID) -> None:
    fork = on_disk.fork(built, "fork").id
    assert on_disk.compact(built)
    on_disk.delete_collection("words", *PLACE)
    assert on_disk.builder.wait(60)  # codes of the compacted collection may just be saved, and are removed
    assert counts(on_disk) == dict.fromkeys(KINDS, 1)
    on_disk.close()
    engine = SharedEngine.open(on_disk.directory)
    assert engine.build_graph(fork)
    assert nearest(engine, fork, numbered_vector(31, 1, 64), 1) == ["r31"]
    engine.close()


def test_a_cache_that_cannot_be_shared_changes_nothing(
    on_disk: Engine, built: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*given: Any, **options: Any) -> None:
        raise OSError(1, "no such links here")

    monkeypatch.setattr("os.link", refused)
    for path in cached(on_disk)[".codes"]:
        path.write_bytes(b"what no code is")
    fork = on_disk.fork(built, "fork").id
    assert counts(on_disk) == dict.fromkeys(KINDS, 1)
    assert on_disk.build_graph(fork)
    assert nearest(on_disk, fork, numbered_vector(31, 1, 64), 1) == ["r31"]

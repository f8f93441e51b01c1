"""Damaged files: an error names what is lost, the rest goes on, derived files are made again; never a crash."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from child_process import run
from codes_for_few import codes_for_few
from engine_samples import PLACE, agree, contents, create, index_state, nearest, numbered, numbered_vector

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.search import planner
from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.engine.storage.stores import VectorStores
from chroma_nb.errors import ChromaError, InternalError, VersionMismatchError

ROW = 8 * 4  # bytes of a vector


@pytest.fixture
def closed(tmp_path: Path) -> tuple[Path, UUID]:
    """A closed database of 40 records, and its collection."""
    engine = SharedEngine.open(tmp_path / "db")
    collection = create(engine)
    engine.add(collection, numbered(0, 40))
    engine.close()
    return tmp_path / "db", collection


def vector_file(directory: Path) -> Path:
    (file,) = (directory / "vectors").iterdir()
    return file


@pytest.fixture
def reopened() -> Iterator[Callable[[Path], Engine]]:
    """Opens engines that are closed in the end."""
    engines: list[Engine] = []

    def again(directory: Path) -> Engine:
        engines.append(SharedEngine.open(directory))
        return engines[-1]

    yield again
    for engine in engines:
        engine.close()


# --- The database -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["zero bytes", "gone"])
def test_an_empty_or_missing_database_beside_vectors_is_refused_and_nothing_touched(closed, damage: str) -> None:
    directory, _ = closed
    before = vector_file(directory).read_bytes()
    database = directory / "chroma_nb.sqlite3"
    database.write_bytes(b"") if damage == "zero bytes" else database.unlink()
    with pytest.raises(InternalError, match=r"missing or empty.*restore it from a backup"):
        SharedEngine.open(directory)
    assert vector_file(directory).read_bytes() == before
    assert not database.exists() or not database.stat().st_size


@pytest.mark.parametrize("left", ["gone", "zero bytes"])
@pytest.mark.parametrize("had_tables", [False, True], ids=["the first transaction", "a later transaction"])
def test_a_rollback_journal_alone_tells_of_a_database_only_when_it_had_pages(
    tmp_path: Path, had_tables: bool, left: str
) -> None:
    """A loss of power in the first transaction may keep the journal and not the database's name."""
    directory, elsewhere = tmp_path / "db", tmp_path / "other.sqlite3"
    directory.mkdir()
    with contextlib.closing(sqlite3.connect(elsewhere, isolation_level=None)) as connection:
        if had_tables:
            connection.execute("CREATE TABLE songs (title TEXT)")
        connection.execute("PRAGMA cache_size=1")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE birds (name TEXT)")
        connection.executemany("INSERT INTO birds VALUES (?)", [("wren" * 500,)] * 200)  # more than the cache holds
        journal = Path(f"{elsewhere}-journal").read_bytes()
    (directory / "chroma_nb.sqlite3-journal").write_bytes(journal)
    if left == "zero bytes":
        (directory / "chroma_nb.sqlite3").touch()
    if had_tables:
        with pytest.raises(
            InternalError, match=r"missing or empty.*delete chroma_nb\.sqlite3-journal to start with an empty"
        ):
            SharedEngine.open(directory)
        assert (directory / "chroma_nb.sqlite3-journal").read_bytes() == journal
    else:
        engine = SharedEngine.open(directory)
        assert engine.verify() == []
        engine.close()


@pytest.mark.parametrize("kept", [100, 4096, 20_000])
def test_a_truncated_database_is_an_error_that_says_so(closed, kept: int) -> None:
    directory, _ = closed
    os.truncate(directory / "chroma_nb.sqlite3", kept)

    def open_and_verify() -> None:
        engine = SharedEngine.open(directory)
        try:
            assert engine.verify() == []
        finally:
            engine.close()

    with pytest.raises(InternalError, match="damaged or not a database"):
        open_and_verify()


def test_garbage_instead_of_a_database_is_an_error_that_says_so(closed) -> None:
    directory, _ = closed
    (directory / "chroma_nb.sqlite3").write_bytes(random.Random(1).randbytes(8192))
    with pytest.raises(InternalError, match=r"not a database.*Restore it from a backup"):
        SharedEngine.open(directory)


def test_another_programs_database_is_refused_and_not_touched(tmp_path: Path) -> None:
    directory = tmp_path / "db"
    directory.mkdir()
    database = directory / "chroma_nb.sqlite3"
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE songs (title TEXT)")
    connection.execute("INSERT INTO songs VALUES ('Yesterday')")
    connection.commit()
    connection.close()
    with pytest.raises(InternalError, match="is not a database of chroma_nb"):
        SharedEngine.open(directory)
    connection = sqlite3.connect(database)
    assert connection.execute("SELECT * FROM songs").fetchall() == [("Yesterday",)]
    connection.close()


def test_a_database_of_a_newer_version_is_refused(closed) -> None:
    directory, _ = closed
    connection = sqlite3.connect(directory / "chroma_nb.sqlite3")
    connection.execute("PRAGMA user_version=999")
    connection.close()
    with pytest.raises(VersionMismatchError, match="Upgrade chroma-nb"):
        SharedEngine.open(directory)


def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InternalError, match="expected a directory"):
        SharedEngine.open(tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "hostile", ["../../outside", "/etc/passwd", "../x/6a1e6b52-8f0e-4f0a-9a38-0a7b1c2d3e4f", "a\0b"]
)
def test_a_collection_id_that_is_a_path_leads_out_of_the_directory_nowhere(closed, reopened, hostile: str) -> None:
    directory, _ = closed
    connection = sqlite3.connect(directory / "chroma_nb.sqlite3")
    connection.execute("UPDATE collections SET id = ?", (hostile,))
    connection.commit()
    connection.close()
    outside = sorted(path for path in directory.parent.rglob("*") if directory not in path.parents)
    engine = reopened(directory)
    with pytest.raises((ChromaError, ValueError)):
        engine.list_collections(*PLACE)
    for call in (engine.verify, engine.vacuum, lambda: engine.delete_collection("words", *PLACE), engine.vacuum):
        with contextlib.suppress(ChromaError, ValueError):
            call()
    assert sorted(path for path in directory.parent.rglob("*") if directory not in path.parents) == outside
    row = CollectionRow(1, hostile, "words", None, b"{}", None, b"{}", 8, 40, 1, 40, 40, 0, "d", "t")
    with pytest.raises(ValueError, match="UUID"):
        VectorStores(directory, read_only=False, mapped=True).current(row)


# --- The vectors ----------------------------------------------------------------------------------------------


def test_a_truncated_vector_file_is_named_with_what_is_lost_and_the_rest_goes_on(closed, reopened) -> None:
    directory, collection = closed
    os.truncate(vector_file(directory), 25 * ROW + 7)
    engine = reopened(directory)
    assert engine.count(collection) == 40
    found = engine.get(collection, None, None, None, None, ("documents", "metadatas"))
    assert found["documents"][39] == "text 39 version 0"
    with pytest.raises(InternalError, match=r"holds 25 vectors, but the database expects 40.*from slot 25 on are lost"):
        nearest(engine, collection, numbered_vector(3), 1)
    assert any("truncated" in finding for finding in engine.verify())


def test_records_with_lost_vectors_can_be_deleted_and_added_again(closed, reopened) -> None:
    directory, collection = closed
    os.truncate(vector_file(directory), 25 * ROW)
    engine = reopened(directory)
    engine.delete(collection, [f"r{number}" for number in range(25, 40)], None)
    engine.add(collection, numbered(25, 15))
    assert len(agree(engine, collection)) == 40
    assert engine.verify() == []
    assert nearest(engine, collection, numbered_vector(39), 1) == ["r39"]


def test_a_missing_vector_file_is_named_and_texts_are_still_there(closed, reopened) -> None:
    directory, collection = closed
    name = vector_file(directory).name
    vector_file(directory).unlink()
    engine = reopened(directory)
    assert engine.count(collection) == 40
    texts = engine.get(collection, None, None, None, None, ("documents", "metadatas"))
    assert texts["documents"][39] == "text 39 version 0"
    with pytest.raises(InternalError, match=rf"{name} of collection \[words\] is missing: its 40 vectors are lost"):
        nearest(engine, collection, numbered_vector(3), 1)
    with pytest.raises(InternalError, match="is missing"):
        engine.add(collection, numbered(50, 1))
    assert any("is missing" in finding for finding in engine.verify())
    engine.delete_collection("words", *PLACE)
    fresh = create(engine)
    engine.add(fresh, numbered(0, 3))
    assert engine.verify() == []


def test_a_flipped_byte_names_the_record_and_no_other_is_harmed(closed, reopened) -> None:
    directory, collection = closed
    with vector_file(directory).open("r+b") as file:
        file.seek(17 * ROW + 5)
        byte = file.read(1)[0]
        file.seek(17 * ROW + 5)
        file.write(bytes([byte ^ 1]))
    engine = reopened(directory)
    with pytest.raises(InternalError, match=r"The vector of record 'r17' in collection \[words\]"):
        nearest(engine, collection, numbered_vector(17), 1)
    assert nearest(engine, collection, numbered_vector(5), 1) == ["r5"]
    assert contents(engine, collection)["r18"][1] == "text 18 version 0"
    (finding,) = engine.verify()
    assert "'r17'" in finding
    engine.update(collection, numbered(17, 1, version=1))  # a new version heals it
    assert engine.verify() == []
    assert len(agree(engine, collection)) == 40


def test_compaction_does_not_make_a_damaged_vector_look_whole(closed, reopened) -> None:
    directory, collection = closed
    with vector_file(directory).open("r+b") as file:
        file.seek(17 * ROW)
        file.write(b"\0\0\0\0")
    engine = reopened(directory)
    engine.delete(collection, ["r3"], None)
    engine.compact(collection)
    (finding,) = engine.verify()
    assert "'r17'" in finding


def test_a_symbolic_link_in_the_place_of_vectors_is_not_written_through(closed, reopened) -> None:
    directory, collection = closed
    target = directory.parent / "precious"
    target.write_bytes(b"mine")
    name = vector_file(directory)
    name.unlink()
    name.symlink_to(target)
    engine = reopened(directory)
    with pytest.raises((ChromaError, OSError)):
        engine.add(collection, numbered(50, 1))
    assert target.read_bytes() == b"mine"


# --- The cache -------------------------------------------------------------------------------------------------


def wait_for_graph(engine: Engine, collection: UUID) -> None:
    nearest(engine, collection, numbered_vector(7), 1)  # an exact search that costs its share of a graph
    assert engine.builder.wait(60)


@pytest.mark.parametrize("damage", ["gone", "truncated", "flipped", "garbage sidecar", "folder gone"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reopened, damage: str) -> None:
    pytest.importorskip("hnswlib")
    monkeypatch.setattr(planner, "SMALLEST_GRAPH_BYTES", 0)
    monkeypatch.setattr(planner, "SHARE_OF_BUILD", 0.0)
    directory = tmp_path / "db"
    engine = SharedEngine.open(directory)
    collection = create(engine)
    engine.add(collection, numbered(0, 400))
    wait_for_graph(engine, collection)
    engine.close()
    graphs = list((directory / "cache").glob("*.hnsw"))
    if not graphs:
        pytest.skip("this hnswlib's graphs are not stored")
    (graph,), (sidecar,) = graphs, (directory / "cache").glob("*.json")
    if damage == "gone":
        graph.unlink()
    elif damage == "truncated":
        os.truncate(graph, graph.stat().st_size // 2)
    elif damage == "flipped":
        data = bytearray(graph.read_bytes())
        data[len(data) // 2] ^= 0x10
        graph.write_bytes(data)
    elif damage == "garbage sidecar":
        sidecar.write_bytes(b"{" * 5000)
    else:
        for path in (graph, sidecar):
            path.unlink()
        graph.parent.rmdir()
    engine = reopened(directory)
    wait_for_graph(engine, collection)
    assert index_state(engine, collection).startswith("hnsw over 400")
    assert nearest(engine, collection, numbered_vector(123), 1) == ["r123"]
    assert len(list((directory / "cache").glob("*.json"))) == 1
    assert engine.verify() == []


@pytest.mark.parametrize("damage", ["gone", "truncated", "flipped", "folder gone"])
def test_damaged_codes_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reopened, damage: str) -> None:
    pytest.importorskip("numkong")
    codes_for_few(monkeypatch.setattr, block_rows=64, by_the_background=True)
    directory = tmp_path / "db"
    engine = SharedEngine.open(directory)
    collection = create(engine)
    engine.add(collection, numbered(0, 400))
    wait_for_graph(engine, collection)
    engine.close()
    (file,) = (directory / "cache").glob("*.codes")
    whole = file.read_bytes()
    if damage == "truncated":
        os.truncate(file, len(whole) // 2)
    elif damage == "flipped":
        file.write_bytes(whole[:-5000] + bytes([whole[-5000] ^ 0x10]) + whole[-4999:])
    else:
        file.unlink()
        if damage == "folder gone":
            for path in file.parent.iterdir():
                path.unlink()
            file.parent.rmdir()
    engine = reopened(directory)
    wait_for_graph(engine, collection)
    asked = np.array([numbered_vector(number) for number in (7, 123, 399)], np.float32)
    for count in (1, 3):
        assert engine.explain(collection, asked[:count], 1, None, None, ())["method"] == "codes"
    assert engine.query(collection, asked, 1, None, None, ())["ids"] == [["r7"], ["r123"], ["r399"]]
    assert file.stat().st_size == len(whole)
    assert engine.verify() == []


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reopened) -> None:
    pytest.importorskip("hnswlib")
    monkeypatch.setattr(planner, "SMALLEST_GRAPH_BYTES", 0)
    monkeypatch.setattr(planner, "SHARE_OF_BUILD", 0.0)
    engine = reopened(tmp_path / "db")
    collection = create(engine)
    engine.add(collection, numbered(0, 400))
    (tmp_path / "db" / "cache").write_bytes(b"a file where the folder should be")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        wait_for_graph(engine, collection)
    assert caught
    assert all("could not be saved" in str(warning.message) for warning in caught)
    assert nearest(engine, collection, numbered_vector(123), 1) == ["r123"]


# --- Any byte ----------------------------------------------------------------------------------------------------

FUZZ = """
import random, shutil, signal
from chroma_nb.errors import ChromaError
whole, copy, rounds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
chance = random.Random(5)
engine = SharedEngine.open(whole)
collection = create(engine)
engine.add(collection, numbered(0, 60))
engine.delete(collection, ["r9"], None)
right = contents(engine, collection)
engine.close()
signal.alarm(100)
outcomes = {"right": 0, "refused": 0}
for round in range(rounds):
    shutil.copytree(whole, copy)
    file = chance.choice([path for path in copy.rglob("*") if path.is_file()])
    data = bytearray(file.read_bytes())
    place = chance.randrange(len(data))
    kind = chance.choice(["flip", "flip", "truncate", "zeros", "swap"])
    if kind == "flip":
        data[place] ^= 1 << chance.randrange(8)
    elif kind == "truncate":
        del data[place:]
    elif kind == "zeros":
        data[place : place + 64] = bytes(len(data[place : place + 64]))
    else:
        data[place : place + 16] = data[place : place + 16][::-1]
    file.write_bytes(data)
    try:
        engine = SharedEngine.open(copy)
        try:
            wrong = engine.verify()
            names = [model.id for model in engine.list_collections(*PLACE)]
            found = contents(engine, collection)
            vectors = {ident: row[0] for ident, row in found.items()}
            if not wrong and file.suffix == ".f32":
                assert found == right, (round, kind, place)
            for number in (3, 30):
                nearest(engine, collection, numbered_vector(number), 5)
            engine.upsert(collection, numbered(100, 2))
            outcomes["refused" if wrong else "right"] += 1
        finally:
            engine.close()
    except ChromaError:
        outcomes["refused"] += 1
    shutil.rmtree(copy)
print(outcomes["right"] > 0, outcomes["refused"] > 0)
"""


def test_no_change_of_any_byte_crashes_the_process(tmp_path: Path) -> None:
    """Right results or a ChromaError: no signal, no other exception, no wrong vectors."""
    assert run(FUZZ, tmp_path / "whole", tmp_path / "copy", 120, timeout=110) == "True True"


def test_a_damaged_text_in_the_database_is_an_error_and_no_other(closed, reopened) -> None:
    directory, collection = closed
    connection = sqlite3.connect(directory / "chroma_nb.sqlite3")
    connection.execute("UPDATE records SET metadata = CAST('{not json' AS BLOB) WHERE id = 'r4'")
    connection.commit()
    connection.close()
    engine = reopened(directory)
    with pytest.raises(InternalError):
        engine.get(collection, ["r4"], None, None, None, ("metadatas",))
    assert engine.get(collection, ["r5"], None, None, None, ("metadatas",))["metadatas"] == [
        {"number": 5, "version": 0}
    ]
    assert np.allclose(
        engine.get(collection, ["r4"], None, None, None, ("embeddings",))["embeddings"], [numbered_vector(4)]
    )
    assert engine.verify() != []

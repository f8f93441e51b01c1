"""The file of a collection's rows: what it holds is what loading from the records gives, or it is not believed."""

from __future__ import annotations

import random
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_samples import EVERYTHING, contents, create, nearest, numbered, numbered_vector, records
from noted_files import DAMAGES, its_id, opened

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.memory import collection as in_memory
from chroma_nb.engine.memory import loading, row_files
from chroma_nb.engine.memory.ids import StoredIds
from chroma_nb.engine.memory.snapshot import Snapshot
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.search import index_builder
from chroma_nb.engine.storage import directory
from chroma_nb.query.parsing import parse_where
from chroma_nb.records import Edits

COUNT = 40
ODD = ["", "ä", "日本", "a\0b", "𝔘", "r" * 300]


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_files, "FEWEST", 10)
    monkeypatch.setattr(in_memory, "FEWEST", 10)
    monkeypatch.setattr(in_memory, "_LOOKING_UP", 1)
    monkeypatch.setattr(in_memory, "_LOOKING_ONE_UP", 1)
    monkeypatch.setattr(loading, "_MOST_CHANGED", 0.5)
    monkeypatch.setattr(index_builder, "IDLE_SECONDS", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A collection with a file of its rows."""
    with opened(tmp_path / "db") as engine:
        collection = create(engine)
        engine.add(collection, numbered(0, COUNT))
        odd = [ident for ident in ODD if ident]
        engine.add(collection, records(odd, [numbered_vector(1000 + n) for n in range(len(odd))]))
        engine.delete(collection, ["r3", "r11"], None)
        engine.update(collection, records(["r5"], [numbered_vector(5, 1)]))
        assert engine.builder.wait(60)
        engine.maintenance.store_rows(collection)
    return tmp_path / "db"


def the_file(path: Path) -> Path:
    (file,) = (path / "cache").glob("*.rows")
    return file


def told(engine: Engine) -> Any:
    """Everything a collection is asked, that is not told by the records alone."""
    collection = its_id(engine)
    queries = [nearest(engine, collection, numbered_vector(number), 5) for number in (0, 5, 1001)]
    some = engine.get(collection, None, parse_where({"number": {"$gt": 10}}), 4, 1, ("documents",))
    by_ids = engine.get(collection, ["r9", "日本", "r3", "nobody"], None, None, None, EVERYTHING)
    return queries, dict(some), by_ids["ids"], contents(engine, collection), engine.verify()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How collections were loaded from here on."""
    seen: list[str] = []
    whole, stored = loading._load, in_memory.CollectionInMemory.take
    monkeypatch.setattr(loading, "_load", lambda *some: (seen.append("records"), whole(*some))[1])
    monkeypatch.setattr(
        in_memory.CollectionInMemory, "take", lambda self, rows: (seen.append("file"), stored(self, rows))[1]
    )
    return seen


def without_file(path: Path, tmp_path: Path) -> Any:
    copy = tmp_path / "copy"
    shutil.copytree(path, copy, ignore=shutil.ignore_patterns("cache"))
    with opened(copy) as engine:
        found = told(engine)
    shutil.rmtree(copy)
    return found


def test_a_collection_is_opened_by_its_file_and_is_the_same(path: Path, tmp_path: Path, reads: list[str]) -> None:
    expected = without_file(path, tmp_path)
    reads.clear()
    with opened(path) as engine:
        assert told(engine) == expected
    assert reads == ["file"]


@pytest.mark.parametrize("change", ["add", "update", "delete", "delete and add again", "all of them"])
def test_what_happened_since_is_taken_from_the_change_log(
    path: Path, tmp_path: Path, reads: list[str], change: str
) -> None:
    with opened(path) as engine:
        collection = its_id(engine)
        if change in ("add", "all of them"):
            engine.add(collection, numbered(100, 2))
        if change in ("update", "all of them"):
            engine.update(collection, records(["r7"], [numbered_vector(7, 3)], metadatas=[{"number": 700}]))
        if change in ("delete", "all of them"):
            engine.delete(collection, ["r1", "ä"], None)
        if change in ("delete and add again", "all of them"):
            engine.delete(collection, ["r9"], None)
            engine.add(collection, numbered(9, 1, version=4))
        assert engine.builder.wait(60)  # a file that is just being written is not counted when closing stops it
    expected = without_file(path, tmp_path)
    reads.clear()
    with opened(path) as engine:
        assert told(engine) == expected
    assert reads == ["file"]


def changed_at_random(engine: Engine, seed: int) -> list[Any]:
    """What some calls return that name ids: known ones, new ones, deleted ones and odd ones, some of them twice."""
    chance, collection = random.Random(seed), its_id(engine)
    names = [*(f"r{number}" for number in range(COUNT + 5)), *ODD, "half \ud800"]
    done: list[Any] = []
    for version in range(10):
        ids = chance.sample(names, 8)
        unicode = [ident for ident in ids if ident and "\ud800" not in ident]
        given = records(unicode, [numbered_vector(version, 7)] * len(unicode))
        call = chance.choice(["add", "update", "upsert", "edit", "delete"])
        if call == "delete":
            done.append(engine.delete(collection, ids + ids[:2], None))
        elif call == "edit":
            mixed = Edits(delete=ids[:2], update=given.take([3]), add=given.take([4]))
            done.append(engine.edit(collection, mixed))
        else:
            done.append(getattr(engine, call)(collection, given))
        twice = partial(Snapshot.vectors_of, ids=[*ids, *ids])
        done.append(list(engine.transactions.read_collection(collection, twice)))
    return done


@pytest.mark.parametrize("seed", range(8))
def test_writes_find_the_same_records_with_a_map_of_ids_and_without(
    path: Path, tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    shutil.copytree(path, tmp_path / "copy")
    reads.clear()
    found = []
    for place, cost in ((path, 0), (tmp_path / "copy", 1000)):
        monkeypatch.setattr(in_memory, "_LOOKING_UP", cost)
        monkeypatch.setattr(in_memory, "_LOOKING_ONE_UP", cost)
        with opened(place) as engine:
            nearest(engine, its_id(engine), numbered_vector(0), 1)
            done = changed_at_random(engine, seed)
            (memory,) = engine.transactions.memories.values()
            assert memory.maps_ids is (cost > 0)
            found.append((done, told(engine)))
    assert reads == ["file", "file"]
    assert found[0] == found[1]


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_file_that_is_not_the_one_that_was_noted_is_not_believed(
    path: Path, tmp_path: Path, reads: list[str], damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_builder, "IDLE_SECONDS", 60.0)
    file = the_file(path)
    before = tmp_path / "before"
    shutil.copy(file, before)
    with opened(path) as engine:
        engine.update(its_id(engine), records(["r7"], [numbered_vector(7, 3)]))
        engine.maintenance.store_rows(its_id(engine))
    expected = without_file(path, tmp_path)
    reads.clear()
    DAMAGES[damage](file, before)
    with opened(path) as engine:
        assert told(engine) == expected
        assert reads == ["records"]
        if damage == "directory":
            with pytest.warns(RuntimeWarning, match="could not be saved"):
                assert not engine.maintenance.store_rows(its_id(engine))
            return
        assert engine.maintenance.store_rows(its_id(engine))
    with opened(path) as engine:
        assert told(engine) == expected
    assert reads == ["records", "file"]


def test_a_backup_that_is_put_back_beside_a_newer_file_goes_its_own_way(
    path: Path, tmp_path: Path, reads: list[str]
) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(path, backup, ignore=shutil.ignore_patterns("cache"))
    with opened(path) as engine:
        engine.delete(its_id(engine), ["r7", "r8"], None)
        engine.maintenance.store_rows(its_id(engine))
    shutil.copytree(path / "cache", backup / "cache")
    with opened(backup) as engine:  # calls of another history, past the seq of the file
        engine.builder.stop()
        for number in (20, 21, 22):
            engine.delete(its_id(engine), [f"r{number}"], None)
    expected = without_file(backup, tmp_path)
    assert "r7" in expected[3]
    with opened(backup) as engine:
        assert told(engine) == expected


def test_more_changes_than_the_log_remembers_are_read_from_the_records(path: Path, reads: list[str]) -> None:
    with opened(path) as engine:
        engine.builder.stop()
        engine.delete(its_id(engine), ["r7"], None)
        engine.transactions.write(lambda connection: connection.execute("DELETE FROM changes"))
    reads.clear()
    with opened(path) as engine:
        assert "r7" not in told(engine)[3]
    assert reads == ["records"]


def test_the_background_writes_the_file_and_writes_it_anew_when_much_has_changed(tmp_path: Path) -> None:
    with opened(tmp_path / "db") as engine:
        collection = create(engine)
        engine.add(collection, numbered(0, COUNT))
        assert engine.builder.wait(60)
        first = the_file(tmp_path / "db").read_bytes()
        engine.add(collection, numbered(100, 10))
        assert engine.builder.wait(60)
        assert the_file(tmp_path / "db").read_bytes() != first
        assert list((tmp_path / "db" / "cache").iterdir()) == [the_file(tmp_path / "db")]


def test_no_deleted_id_stays_in_a_file_after_vacuum_and_no_file_after_the_collection(path: Path) -> None:
    with opened(path) as engine:
        engine.builder.stop()
        engine.delete(its_id(engine), ["r" * 300], None)
        engine.vacuum()
        assert all(b"r" * 300 not in file.read_bytes() for file in path.rglob("*") if file.is_file())
        engine.maintenance.store_rows(its_id(engine))
        assert the_file(path).exists()
        engine.delete_collection("words", "default_tenant", "default_database")
        assert list((path / "cache").iterdir()) == []


def test_staged_records_are_in_no_file_and_in_the_collection_once_they_are_published(path: Path) -> None:
    with opened(path) as engine:
        engine.builder.stop()
        collection = its_id(engine)
        session = engine.begin_staging(collection)
        assert session is not None
        engine.stage(session, numbered(500, 3))
        engine.maintenance.store_rows(collection)
        with opened(path) as other:
            assert "r501" not in told(other)[3]
        engine.publish(session, Edits(), update=False)
        with opened(path) as other:
            assert "r501" in told(other)[3]


def test_ids_become_strings_when_they_are_asked_for(path: Path) -> None:
    with opened(path) as engine:
        collection = its_id(engine)
        nearest(engine, collection, numbered_vector(1), 3)
        (memory,) = engine.transactions.memories.values()
        assert not memory.maps_ids
        assert isinstance(memory.ids, StoredIds)
        engine.get(collection, ["r1"], None, None, None, ())
        assert not memory.maps_ids
        engine.delete(collection, ["r1"], None)
        assert engine.get(collection, ["r1", "r2"], None, None, None, ())["ids"] == ["r2"]


def test_records_without_a_vector_have_none_in_the_file(tmp_path: Path, reads: list[str]) -> None:
    with opened(tmp_path / "db") as engine:
        collection = create(engine)
        engine.add(collection, numbered(0, COUNT))
        engine.adopt(collection, records(["lost"], documents=["text"]))
        engine.builder.stop()
        assert engine.maintenance.store_rows(collection)
    reads.clear()
    with opened(tmp_path / "db") as engine:
        assert "lost" not in nearest(engine, collection, numbered_vector(1), 100)
        found = engine.get(collection, None, parse_where({"number": {"$ne": 1}}), None, None, ("embeddings",))
        assert np.isnan(found["embeddings"][found["ids"].index("lost")]).all()
        (memory,) = engine.transactions.memories.values()
        assert (memory.live, memory.searchable) == (COUNT + 1, COUNT)
    assert reads == ["file"]


def test_a_read_only_directory_reads_the_file_and_writes_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "is_writable", lambda _: False)
    before = the_file(path).read_bytes()
    with opened(path) as engine:
        assert engine.read_only
        assert not engine.maintenance.store_rows(its_id(engine))
        told(engine)
    assert the_file(path).read_bytes() == before


def test_one_engine_stores_what_another_changed(path: Path, reads: list[str]) -> None:
    shared = SharedEngine.open(path)
    with opened(path) as other:
        collection = its_id(other)
        nearest(other, collection, numbered_vector(1), 1)
        shared.add(collection, numbered(200, 5))
        assert other.maintenance.store_rows(collection)
    reads.clear()
    with opened(path) as new:
        assert list(contents(new, collection))[-1] == "r204"
    assert reads == ["file"]
    shared.close()


def test_damaged_metadata_of_one_record_keeps_nobody_from_the_others_or_from_mending_it(path: Path) -> None:
    with opened(path) as engine:
        collection = its_id(engine)
        engine.update(collection, records(["r7"], metadatas=[{"number": 700}]))
        damage = "UPDATE records SET metadata = X'7B' WHERE id = 'r7'"
        engine.transactions.write(lambda connection: connection.execute(damage))
    with opened(path) as engine:
        assert nearest(engine, collection, numbered_vector(1), 1) == ["r1"]
        engine.add(collection, numbered(500, 1))
        (problem,) = engine.verify()
        assert "r7" in problem
        engine.delete(collection, ["r7"], None)
        assert engine.verify() == []


def test_a_file_that_is_written_and_not_yet_noted_is_left_to_its_writer(path: Path, tmp_path: Path) -> None:
    with opened(path) as writer:
        collection = its_id(writer)
        writer.add(collection, numbered(500, 1))
        expected = without_file(path, tmp_path)
        write = writer.transactions.write

        def read_by_another(*arguments: Any) -> Any:
            with opened(path) as reader:
                assert told(reader) == expected
            return write(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writer.transactions, "write", read_by_another)
            assert writer.maintenance.store_rows(collection)
    with opened(path) as engine, pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "_load", lambda *_: pytest.fail("the file was not believed"))
        assert told(engine) == expected


def test_after_vacuum_the_file_comes_again_with_the_next_change(path: Path) -> None:
    with opened(path) as engine:
        nearest(engine, its_id(engine), numbered_vector(1), 1)
        for _ in range(2):  # the second has nothing to compact, and removes the file all the same
            engine.vacuum()
            assert engine.builder.wait(60)
        engine.add(its_id(engine), numbered(500, 1))
        assert engine.builder.wait(60)
        assert the_file(path).exists()

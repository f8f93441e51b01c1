"""Compaction: slots are renumbered, positions stay, nothing is lost meanwhile."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import pytest
from engine_samples import PLACE, agree, contents, create, index_state, nearest, numbered, numbered_vector

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.index import graph_files
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.search import planner
from chroma_nb.engine.storage import catalog
from chroma_nb.engine.storage.sqlite import Durability
from chroma_nb.engine.transactions import maintenance
from chroma_nb.engine.transactions.compaction import Compaction
from chroma_nb.errors import InternalError, NotFoundError
from chroma_nb.records import Records


def with_holes(engine: Engine):
    collection = create(engine)
    engine.add(collection, numbered(0, 60))
    engine.update(collection, numbered(10, 20, version=1))
    engine.delete(collection, [f"r{number}" for number in range(0, 60, 7)], None)
    return collection


def test_everything_is_as_it_was(engine: Engine, hnswlib: bool) -> None:
    collection = with_holes(engine)
    nearest(engine, collection, numbered_vector(5), 1)
    assert engine.builder.wait(60)
    before = contents(engine, collection)
    assert engine.compact(collection)
    assert contents(engine, collection) == before
    assert nearest(engine, collection, numbered_vector(12, 1), 1) == ["r12"]
    assert engine.verify() == []
    engine.add(collection, numbered(100, 5))
    assert len(agree(engine, collection)) == len(before) + 5


def test_the_file_holds_what_lives_and_the_old_one_goes(on_disk: Engine) -> None:
    collection = with_holes(on_disk)
    assert on_disk.compact(collection)
    files = {path.name: path.stat().st_size for path in (on_disk.directory / "vectors").iterdir()}
    assert files[f"{collection}.1.f32"] == on_disk.count(collection) * 8 * 4
    assert on_disk.compact(collection)
    files = {path.name for path in (on_disk.directory / "vectors").iterdir()}
    assert f"{collection}.0.f32" not in files
    assert files == {f"{collection}.1.f32", f"{collection}.2.f32"}  # one older generation, for readers elsewhere


def test_a_collection_without_vectors_is_left_alone(engine: Engine) -> None:
    assert engine.compact(create(engine)) is False


@pytest.mark.parametrize("disturbance", ["add", "update", "delete", "all of them"])
def test_what_changes_during_the_copy_is_in_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, disturbance: str
) -> None:
    collection = with_holes(engine)
    copy = Compaction.copy

    def disturbed(self: Compaction) -> None:
        copy(self)
        if disturbance in ("add", "all of them"):
            engine.add(collection, numbered(200, 7))
        if disturbance in ("update", "all of them"):
            engine.update(collection, numbered(30, 7, version=4))
        if disturbance in ("delete", "all of them"):
            engine.delete(collection, [f"r{number}" for number in range(40, 50)], None)

    monkeypatch.setattr(Compaction, "copy", disturbed)
    assert engine.compact(collection)
    monkeypatch.undo()
    assert engine.verify() == []
    for ident, (vector, _, metadata, _) in contents(engine, collection).items():
        assert np.allclose(vector, numbered_vector(int(ident[1:]), metadata["version"]))
    agree(engine, collection)


def test_of_two_compactions_at_once_one_counts(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = with_holes(engine)
    before = contents(engine, collection)
    copy, turn = Compaction.copy, iter(range(9))
    answers: list[bool] = []

    def overtaken(self: Compaction) -> None:
        if next(turn) == 0:  # the first waits until the second is done, from a later state
            engine.delete(collection, ["r1"], None)
            other = threading.Thread(target=lambda: answers.append(engine.compact(collection)))
            other.start()
            other.join(20)
        copy(self)

    monkeypatch.setattr(Compaction, "copy", overtaken)
    answers.append(engine.compact(collection))
    assert answers == [True, False]
    del before["r1"]
    assert contents(engine, collection) == before
    assert engine.verify() == []
    if engine.directory is not None:
        assert not list((engine.directory / "vectors").glob("*.new"))


def test_a_file_that_is_mostly_holes_is_compacted_by_the_write_that_made_them(
    on_disk: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "SMALLEST_WASTE", 100 * 8 * 4)
    collection = create(on_disk)
    for version in range(8):
        on_disk.upsert(collection, numbered(0, 60, version=version))
    sizes = [path.stat().st_size for path in (on_disk.directory / "vectors").iterdir()]
    assert max(sizes) <= 4 * 60 * 8 * 4
    assert on_disk.verify() == []
    assert nearest(on_disk, collection, numbered_vector(7, 7), 1) == ["r7"]


@pytest.mark.parametrize("durability", ["power", "process"])
@pytest.mark.parametrize("at_once", [300, 7, 1])
def test_a_small_collection_that_is_rewritten_often_stays_small(
    tmp_path: Path, durability: Durability, at_once: int
) -> None:
    """300 records of 1,536 numbers, rewritten ten times in calls of any size."""
    live = 300 * 1536 * 4
    engine = SharedEngine.open(tmp_path / "db", durability=durability)
    collection = create(engine)
    given = numbered(0, 300, dimension=1536)
    engine.add(collection, given)
    largest = 0
    for version in range(3 if at_once == 1 else 10):
        for first in range(0, 300, at_once):
            some = slice(first, first + at_once)
            assert given.embeddings is not None
            engine.update(collection, Records(ids=given.ids[some], embeddings=given.embeddings[some] + version))
        sizes = [path.stat().st_size for path in (tmp_path / "db" / "vectors").iterdir()]
        largest = max(largest, sum(sizes))
        assert max(sizes) <= 3 * live
    assert largest <= 5 * live  # the generation before stays for readers elsewhere
    assert engine.verify() == []
    engine.close()


def test_what_a_compaction_copies_is_a_fixed_share_of_what_was_written(
    on_disk: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = 0
    copy = Compaction.copy

    def counted(self: Compaction) -> None:
        nonlocal copied
        copied += len(self._live)
        copy(self)

    monkeypatch.setattr(Compaction, "copy", counted)
    monkeypatch.setattr(maintenance, "SMALLEST_WASTE", 50 * 8 * 4)
    collection = create(on_disk)
    on_disk.add(collection, numbered(0, 100))
    for turn in range(1000):
        on_disk.upsert(collection, numbered(turn % 100, 1, version=turn))
    assert 0 < copied <= 1000


def test_a_graph_is_built_again_at_once_and_nothing_outdated_stays_in_the_cache(
    engine: Engine, hnswlib: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = with_holes(engine)
    assert engine.build_graph(collection) or not hnswlib
    for compact in (lambda: engine.compact(collection), engine.vacuum):
        engine.delete(collection, [engine.get(collection, None, None, 1, None, ())["ids"][0]], None)
        assert compact()
        assert engine.builder.wait(60)  # no query has asked
        if hnswlib:
            assert index_state(engine, collection).startswith(f"hnsw over {engine.count(collection)} ")
        if engine.directory is not None and hnswlib:
            sidecars = list((engine.directory / "cache").glob("*.json"))
            generations = {orjson.loads(path.read_bytes())["facts"]["generation"] for path in sidecars}
            current = engine.transactions.read(partial(catalog.collection_by_id, ident=str(collection))).generation
            assert generations == {current}
            assert len(list((engine.directory / "cache").iterdir())) == 2
        assert nearest(engine, collection, numbered_vector(12, 1), 1) == ["r12"]
        assert len(agree(engine, collection)) == engine.count(collection)


@pytest.mark.parametrize("call", ["vacuum", "verify", "compact", "build_graph"])
def test_a_collection_that_another_deletes_meanwhile_does_not_end_what_is_done_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """At every point where Python code runs between the call's own transactions."""
    ran: set[int] = set()
    for at in range(1, 60):
        engine = SharedEngine.open(tmp_path / str(at))
        with_holes(engine)
        gone, last = create(engine, "gone"), create(engine, "last")
        for one in (gone, last):
            engine.add(one, numbered(0, 20))
            engine.delete(one, ["r3"], None)
        turn = count(1)

        def meanwhile(engine: Engine = engine, turn: Iterator[int] = turn, at: int = at) -> None:
            if next(turn) == at:
                ran.add(at)
                engine.delete_collection("gone", *PLACE)

        for name in ("read", "begin", "write", "outside_transactions"):
            real = getattr(engine.transactions.connections, name)

            def step(*args: Any, real: Any = real, meanwhile: Any = meanwhile, **more: Any) -> Any:
                meanwhile()
                return real(*args, **more)

            monkeypatch.setattr(engine.transactions.connections, name, step)
        with contextlib.suppress(NotFoundError) if call in ("compact", "build_graph") else contextlib.nullcontext():
            report = getattr(engine, call)(*([gone] if call in ("compact", "build_graph") else []))
            assert call != "verify" or report == []
            assert call != "vacuum" or (report["complete"] and {"words", "last"} <= set(report["compacted"]))
        monkeypatch.undo()
        assert engine.verify() == []
        assert not [
            path for folder in ("vectors", "cache") for path in (tmp_path / str(at) / folder).glob(f"{gone}*")
        ] or ("gone" in [model.name for model in engine.list_collections(*PLACE)])
        assert len(agree(engine, last)) == 19
        engine.close()
        if at not in ran:
            break
    assert ran
    assert at not in ran, "the call has no end"


def test_a_graph_saved_for_a_collection_that_was_deleted_or_compacted_meanwhile_does_not_stay(
    tmp_path: Path, hnswlib: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hnswlib:
        pytest.skip("there are no graphs")
    save = graph_files.save
    for meanwhile in (
        lambda engine, collection: engine.delete_collection("words", *PLACE),
        lambda engine, collection: engine.compact(collection),
    ):
        engine = SharedEngine.open(tmp_path / "db")
        collection = with_holes(engine)
        monkeypatch.setattr(planner, "SMALLEST_GRAPH_BYTES", 1 << 40)  # nobody builds but this test

        def late(*args: Any, engine: Engine = engine, collection: UUID = collection, act: Any = meanwhile) -> None:
            act(engine, collection)
            save(*args)

        monkeypatch.setattr(graph_files, "save", late)
        engine.build_graph(collection)
        assert list((tmp_path / "db" / "cache").iterdir()) == []
        with contextlib.suppress(NotFoundError):
            engine.delete_collection("words", *PLACE)
        engine.close()


def test_what_a_dead_process_left_in_the_cache_is_swept(tmp_path: Path, hnswlib: bool) -> None:
    if not hnswlib:
        pytest.skip("there are no graphs")
    engine = SharedEngine.open(tmp_path / "db")
    collection = with_holes(engine)
    assert engine.build_graph(collection)
    cache = tmp_path / "db" / "cache"
    kept = {path.name for path in cache.iterdir()}
    engine.close()
    stale = orjson.loads(next(cache.glob("*.json")).read_bytes())["facts"]
    for number, facts in enumerate(({**stale, "generation": 7}, {**stale, "collection": str(UUID(int=7))})):
        (cache / f"stale{number}.json").write_bytes(
            orjson.dumps({"sha256": graph_files._checksum(facts), "facts": facts})
        )
        (cache / f"stale{number}.hnsw").write_bytes(b"graph")
    for name in ("dead.hnsw", "dead.part"):
        (cache / name).write_bytes(b"half")
    engine = SharedEngine.open(tmp_path / "db")
    assert {path.name for path in cache.iterdir()} == kept
    engine.close()


def test_a_read_only_database_is_not_compacted(on_disk: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = with_holes(on_disk)
    monkeypatch.setattr(on_disk.transactions.connections, "read_only", True)
    before = sorted((path, path.stat().st_mtime_ns) for path in on_disk.directory.rglob("*"))
    for call in (on_disk.vacuum, lambda: on_disk.compact(collection)):
        with pytest.raises(InternalError, match="read-only here: get and query work"):
            call()
    assert sorted((path, path.stat().st_mtime_ns) for path in on_disk.directory.rglob("*")) == before
    assert on_disk.verify() == []
    monkeypatch.undo()


def test_what_a_dead_process_left_of_a_compaction_is_swept(tmp_path) -> None:
    engine = SharedEngine.open(tmp_path / "db")
    collection = with_holes(engine)
    engine.close()
    vectors = tmp_path / "db" / "vectors"
    for name in (f"{collection}.1.f32.abc.new", f"{collection}.7.f32", "00000000-0000-0000-0000-000000000000.0.f32"):
        (vectors / name).write_bytes(b"half")
    engine = SharedEngine.open(tmp_path / "db")
    assert [path.name for path in vectors.iterdir()] == [f"{collection}.0.f32"]
    assert engine.verify() == []
    engine.close()

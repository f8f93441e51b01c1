"""Compaction: slots are renumbered, positions stay, nothing is lost meanwhile."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from engine_samples import agree, contents, create, nearest, numbered, numbered_vector

from chroma_nb.engine import planner
from chroma_nb.engine.compaction import Compaction
from chroma_nb.engine.engine import Engine


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
    monkeypatch.setattr(planner, "SMALLEST_WASTE", 100 * 8 * 4)
    collection = create(on_disk)
    for version in range(8):
        on_disk.upsert(collection, numbered(0, 60, version=version))
    sizes = [path.stat().st_size for path in (on_disk.directory / "vectors").iterdir()]
    assert max(sizes) <= 4 * 60 * 8 * 4
    assert on_disk.verify() == []
    assert nearest(on_disk, collection, numbered_vector(7, 7), 1) == ["r7"]


def test_what_a_dead_process_left_of_a_compaction_is_swept(tmp_path) -> None:
    engine = Engine.open(tmp_path / "db")
    collection = with_holes(engine)
    engine.close()
    vectors = tmp_path / "db" / "vectors"
    for name in (f"{collection}.1.f32.abc.new", f"{collection}.7.f32", "00000000-0000-0000-0000-000000000000.0.f32"):
        (vectors / name).write_bytes(b"half")
    engine = Engine.open(tmp_path / "db")
    assert [path.name for path in vectors.iterdir()] == [f"{collection}.0.f32"]
    assert engine.verify() == []
    engine.close()

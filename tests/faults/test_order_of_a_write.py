"""A call is all or nothing: whatever step of it fails, the state is that of before or of after.

The N-th statement or system call of a write fails or is interrupted, for every N; the same engine goes on.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from engine_samples import PLACE, agree, contents, create, numbered, numbered_vector
from failing_steps import Steps

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.transactions import maintenance
from chroma_nb.errors import ChromaError, _DamagedError

Operation = Callable[[Engine, UUID], object]


def _delete_all_but_one(engine: Engine, collection: UUID) -> None:
    engine.delete(collection, [f"r{number}" for number in range(5)], None)


#: Name -> (records there before, the call).
OPERATIONS: dict[str, tuple[int, Operation]] = {
    "first add": (0, lambda engine, collection: engine.add(collection, numbered(0, 3))),
    "add": (6, lambda engine, collection: engine.add(collection, numbered(10, 3))),
    "add of some that exist": (6, lambda engine, collection: engine.add(collection, numbered(4, 4, version=1))),
    "update": (6, lambda engine, collection: engine.update(collection, numbered(2, 3, version=1))),
    "upsert": (6, lambda engine, collection: engine.upsert(collection, numbered(4, 4, version=1))),
    "delete": (6, lambda engine, collection: engine.delete(collection, ["r1", "r3"], None)),
    "delete that leads to a compaction": (6, _delete_all_but_one),
    "compact": (6, lambda engine, collection: engine.compact(collection)),
    "vacuum": (6, lambda engine, collection: engine.vacuum()),
    "modify": (6, lambda engine, collection: engine.modify_collection(collection, *PLACE, None, {"a": 1}, None)),
    "delete another collection": (6, lambda engine, collection: engine.delete_collection("other", *PLACE)),
    "create another collection": (6, lambda engine, collection: create(engine, "third")),
    "fork": (6, lambda engine, collection: engine.fork(collection, "fork")),
}


def opened(directory: Path | None, count: int) -> tuple[Engine, UUID]:
    """An engine whose collection has ``count`` records, a replaced vector and a deleted record."""
    engine = SharedEngine.open(directory)
    collection, other = create(engine), create(engine, "other")
    engine.add(other, numbered(0, 2))
    if count:
        engine.add(collection, numbered(0, count + 1))
        engine.delete(collection, [f"r{count}"], None)
        engine.update(collection, numbered(0, 1, version=7))
    return engine, collection


def state(engine: Engine, collection: UUID) -> tuple[object, ...]:
    """All that the calls above can change."""
    every = [(model.name, contents(engine, model.id)) for model in engine.list_collections(*PLACE)]
    model = engine.get_collection_by_id(collection, *PLACE)
    return every, model.metadata, engine.fork_count(collection)


#: Kinds of failure that take the way of another -> the operations that meet them in each run of the tests; the others
#: do so in the long one. A full disk and a quota are errors, and late at a step is before the next, but for the last.
SOMETIMES = {
    "full": ("first add", "delete that leads to a compaction", "fork"),
    "quota": ("add", "vacuum"),
    "late interrupt": ("first add", "upsert", "delete", "compact", "create another collection", "fork"),
}


def met(name: str, place: str, kind: str) -> Any:
    """The parameters of one test."""
    always = place == "memory" or name in SOMETIMES.get(kind, OPERATIONS)
    return pytest.param(name, place, kind, marks=() if always else pytest.mark.long)


@pytest.mark.parametrize(
    ("name", "place", "kind"),
    [
        met(name, place, kind)
        for name in OPERATIONS
        for place, kind in [
            *itertools.product(["memory", "disk"], ["error", "interrupt", "late interrupt"]),
            *itertools.product(["disk"], ["full", "quota"]),
        ]
    ],
)
def test_whatever_step_fails_the_state_is_that_of_before_or_after(
    name: str, place: str, kind: str, steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "SMALLEST_WASTE", 3 * 8 * 4)
    count, operation = OPERATIONS[name]

    def directory(number: int) -> Path | None:
        return None if place == "memory" else tmp_path / str(number)

    engine, collection = opened(directory(0), count)
    before = state(engine, collection)
    operation(engine, collection)
    after = state(engine, collection)
    engine.close()
    seen = set()
    for number in range(1, 200):
        engine, collection = opened(directory(number), count)
        with steps.armed(number, kind):
            try:
                operation(engine, collection)
            except _DamagedError as error:
                pytest.fail(f"step {number} ({steps.names[-1]}) is called damage: {error}")
            except (ChromaError, KeyboardInterrupt):
                assert steps.failed
        where = f"step {number} ({steps.names[-1]})"
        now = state(engine, collection)
        assert now in (before, after), where
        seen.add(now == after)
        if not steps.failed:
            engine.close()
            break
        assert engine.verify() == [], where
        agree(engine, collection)
        engine.upsert(collection, numbered(50, 2))
        engine.add(collection, numbered(60, 2))
        ids = agree(engine, collection)
        assert {"r50", "r51", "r60", "r61"} <= ids, where
        if place == "disk":
            last = contents(engine, collection)
            engine.close()
            engine = SharedEngine.open(directory(number))
            assert contents(engine, collection) == last, where
            assert engine.verify() == [], where
        engine.close()
    assert not steps.failed, "the call has no end"
    assert now == after
    assert number > 4, "hardly a step was counted"


def test_rows_are_written_and_synced_before_what_names_them_is_committed(steps: Steps, tmp_path: Path) -> None:
    engine, collection = opened(tmp_path / "db", 6)
    with steps.armed():
        engine.add(collection, numbered(20, 2))
    engine.close()
    names = steps.names
    order = [names.index(name) for name in ("BEGIN IMMEDIATE", "os.pwrite", "os.fdatasync", "COMMIT")]
    assert order == sorted(order)
    assert names[-1] == "COMMIT"


def test_a_fork_has_its_vectors_under_their_name_before_it_is_committed(steps: Steps, tmp_path: Path) -> None:
    engine, collection = opened(tmp_path / "db", 6)
    with steps.armed():
        engine.fork(collection, "fork")
    engine.close()
    names = steps.names
    expected = ("os.copy_file_range", "BEGIN IMMEDIATE", "os.fdatasync", "os.rename", "COMMIT")
    order = [names.index(name) for name in expected]
    assert order == sorted(order)
    assert "os.fsync" in names[names.index("os.rename") : names.index("COMMIT")]  # the name, too


def test_a_fork_that_fails_leaves_no_file(steps: Steps, tmp_path: Path) -> None:
    for number in range(1, 200):
        engine, collection = opened(tmp_path / str(number), 6)
        files = {path.name for path in (tmp_path / str(number) / "vectors").iterdir()}
        with steps.armed(number, "full"), contextlib.suppress(ChromaError):
            engine.fork(collection, "fork")
        names = [model.name for model in engine.list_collections(*PLACE)]
        left = {path.name for path in (tmp_path / str(number) / "vectors").iterdir()} - files
        assert len(left) == names.count("fork"), f"step {number} ({steps.names[-1]})"
        engine.close()
        if not steps.failed:
            break
    assert names.count("fork")


def test_the_first_rows_of_a_collection_sync_the_folder_too(steps: Steps, tmp_path: Path) -> None:
    engine, collection = opened(tmp_path / "db", 0)
    with steps.armed():
        engine.add(collection, numbered(0, 2))
    engine.close()
    assert steps.names.index("os.fsync") < steps.names.index("COMMIT")


def test_durability_process_syncs_no_rows(steps: Steps, tmp_path: Path) -> None:
    engine = SharedEngine.open(tmp_path / "db", durability="process")
    collection = create(engine)
    with steps.armed():
        engine.add(collection, numbered(0, 2))
    assert engine.verify() == []
    engine.close()
    assert "os.pwrite" in steps.names
    assert not {"os.fdatasync", "os.fsync"} & set(steps.names)


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, collection = opened(tmp_path / "db", 0)
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, offset: real(file, data[:7], offset))
    engine.add(collection, numbered(0, 3))
    assert engine.verify() == []
    assert np.allclose(contents(engine, collection)["r2"][0], numbered_vector(2))
    engine.close()


def test_garbage_of_a_call_that_died_is_overwritten(steps: Steps, tmp_path: Path) -> None:
    engine, collection = opened(tmp_path / "db", 6)
    (file,) = (tmp_path / "db" / "vectors").glob(f"{collection}.*")
    size = file.stat().st_size
    with steps.armed() as counted:
        engine.add(collection, numbered(20, 1))
    insertion = next(n for n, name in enumerate(counted.names, 1) if name.startswith("INSERT INTO records"))
    grown = file.stat().st_size
    with steps.armed(insertion), pytest.raises(ChromaError):
        engine.add(collection, numbered(30, 5))
    assert file.stat().st_size > grown > size  # the dead call's rows lie there, and nothing truncates them
    engine.add(collection, numbered(40, 2))
    assert engine.verify() == []
    assert np.allclose(contents(engine, collection)["r41"][0], numbered_vector(41))
    engine.close()


def test_a_failed_first_add_does_not_decide_the_dimension(steps: Steps, tmp_path: Path) -> None:
    for place in (None, tmp_path / "db"):
        engine, collection = opened(place, 0)
        with steps.armed() as counted:
            probe = create(engine, "probe")
            engine.add(probe, numbered(0, 3))
        insertion = next(n for n, name in enumerate(counted.names, 1) if name.startswith("INSERT INTO records"))
        creation = counted.names.index("COMMIT") + 1
        with steps.armed(insertion - creation), pytest.raises(ChromaError):
            engine.add(collection, numbered(0, 3))
        engine.add(collection, numbered(0, 3, dimension=5))
        assert engine.verify() == []
        assert len(contents(engine, collection)["r0"][0]) == 5
        engine.close()

"""A collection that is not in memory: what is asked by ids or by place is read alone, the same as of a loaded one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from engine_samples import EVERYTHING, create, nearest, numbered, numbered_vector, quick_directory, records
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.memory import loading, part
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.errors import InternalError
from chroma_nb.records import Edits

Call = tuple[list[str] | None, int | None, int]
numbers = st.integers(0, 14)
places = st.integers(0, 20)
calls = st.tuples(
    st.none() | st.lists(numbers.map("r{}".format) | st.sampled_from(("", "nobody", "r1\0", "\ud800")), max_size=12),
    st.none() | places,
    places,
)
#: What happened to a collection, and to which records.
steps = st.lists(
    st.tuples(
        st.sampled_from(("add", "update", "delete", "publish", "stage", "compact")),
        st.lists(numbers, min_size=1, max_size=5, unique=True),
    ),
    max_size=8,
)


def of(which: list[int], version: int) -> Any:
    return records(
        [f"r{number}" for number in which],
        [numbered_vector(number, version) for number in which],
        [f"text {number} version {version}" for number in which],
        [{"number": number, "version": version} for number in which],
    )


def happen(engine: Engine, collection: UUID, version: int, step: str, which: list[int]) -> Any:
    """One step; returns what has to stay referenced so that a staging is not swept."""
    if step == "add":
        engine.upsert(collection, of(which, version))
    elif step == "update":
        engine.update(collection, of(which, version))
    elif step == "delete":
        engine.delete(collection, [f"r{number}" for number in which], None)
    elif step == "compact":
        engine.compact(collection)
    else:
        session = engine.begin_staging(collection)
        assert session is not None
        engine.stage(session, of(which, version))
        if step == "publish":
            engine.publish(session, Edits(), update=True)
        return session
    return None


def told(engine: Engine, collection: UUID, call: Call) -> dict[str, Any]:
    ids, limit, offset = call
    result = dict(engine.get(collection, ids, None, limit, offset, EVERYTHING))
    embeddings = result.pop("embeddings")
    return {**result, "embeddings": np.asarray(embeddings).tolist()}


def expected(everything: dict[str, Any], call: Call) -> dict[str, Any]:
    """The same of a list of all records."""
    ids, limit, offset = call
    rows = [row for row, ident in enumerate(everything["ids"]) if ids is None or ident in ids]
    rows = rows[offset:][:limit]
    return {
        name: [column[row] for row in rows] if isinstance(column, list) and name != "included" else column
        for name, column in everything.items()
    }


@contextmanager
def fresh(path: Path) -> Iterator[Engine]:
    """The database as a new process has it."""
    engine = Engine(path, durability="process")
    try:
        yield engine
    finally:
        engine.close()


def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The collections that are loaded from here on."""
    seen: list[str] = []
    whole = loading.advance

    def counted(connection: Any, row: Any, *memory: Any) -> bool:
        seen.append(row.name)
        return whole(connection, row, *memory)

    monkeypatch.setattr(loading, "advance", counted)
    return seen


@settings(max_examples=40, deadline=None)
@given(history=steps, asked=st.lists(calls, min_size=1, max_size=6), always=st.sampled_from((0, 2, 100)))
def test_a_new_process_returns_what_a_loaded_one_returns(
    history: list[tuple[str, list[int]]], asked: list[Call], always: int
) -> None:
    directory = quick_directory("part")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part, "_ALWAYS", always)  # below it, small collections are read as large ones are
        try:
            loaded = SharedEngine.open(directory / "db")
            collection = create(loaded)
            kept = [happen(loaded, collection, version, step, which) for version, (step, which) in enumerate(history)]
            nearest(loaded, collection, numbered_vector(1), 1)
            everything = told(loaded, collection, (None, None, 0))
            for call in asked:
                with fresh(directory / "db") as new:
                    assert told(new, collection, call) == told(loaded, collection, call) == expected(everything, call)
            loaded.close()
            del kept
        finally:
            shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def path(on_disk: Engine, tmp_path: Path) -> Path:
    collection = create(on_disk)
    on_disk.add(collection, numbered(0, 400))
    on_disk.delete(collection, ["r3"], None)
    dense = create(on_disk, "dense")
    on_disk.add(dense, numbered(0, 400))
    return tmp_path / "db"


@pytest.mark.parametrize(
    "call",
    [
        (["r7"], None, 0),
        (["r7", "r7", "r399"], None, 0),
        (["nobody"], None, 0),
        ([], None, 0),
        (["r9", "r8", "r7"], 1, 1),
        (None, 10, 0),
        (None, 10, 25),
        (None, 0, 0),
        (None, 10, 400),
        (None, 10, 10**9),
    ],
)
@pytest.mark.parametrize("name", ["words", "dense"])
def test_what_is_asked_by_ids_or_by_place_loads_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: Call, name: str
) -> None:
    with fresh(path) as engine:
        collection = engine.get_collection(name, "default_tenant", "default_database").id
        loaded = loads(monkeypatch)
        found = told(engine, collection, call)
        engine.count(collection)
        assert loaded == []
        everything = told(engine, collection, (None, None, 0))
        assert loaded == [name]
        assert found == expected(everything, call)


def test_far_pages_of_a_collection_without_holes_load_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fresh(path) as engine:
        collection = engine.get_collection("dense", "default_tenant", "default_database").id
        loaded = loads(monkeypatch)
        assert told(engine, collection, (None, 20, 390))["ids"] == [f"r{number}" for number in range(390, 400)]
        assert loaded == []


def test_a_loaded_collection_that_another_process_changes_is_not_loaded_for_one_id(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fresh(path) as one, fresh(path) as other:
        collection = one.get_collection("words", "default_tenant", "default_database").id
        nearest(one, collection, numbered_vector(1), 1)
        other.update(collection, records(["r7"], documents=["another"]))
        loaded = loads(monkeypatch)
        assert told(one, collection, (["r7"], None, 0))["documents"] == ["another"]
        assert loaded == []


def test_ids_that_came_in_by_pieces_are_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fresh(path) as writer:
        collection = writer.get_collection("words", "default_tenant", "default_database").id
        session = writer.begin_staging(collection)
        assert session is not None
        writer.stage(session, numbered(1000, 3))
        with fresh(path) as reader:
            assert told(reader, collection, (["r1001", "r5"], None, 0))["ids"] == ["r5"]
        writer.publish(session, Edits(), update=False)
        with fresh(path) as reader:
            loaded = loads(monkeypatch)
            assert told(reader, collection, (["r1001", "r5", "nobody"], None, 0))["ids"] == ["r5", "r1001"]
            assert loaded == []


def test_a_slot_beyond_the_vectors_is_an_error_that_says_so(path: Path) -> None:
    with fresh(path) as engine:
        collection = engine.get_collection("words", "default_tenant", "default_database").id
        damage = "UPDATE records SET slot = 10000 WHERE id = 'r7'"
        engine.transactions.write(lambda connection: connection.execute(damage))
        with pytest.raises(InternalError, match="are not consistent"):
            told(engine, collection, (["r7"], None, 0))
        assert told(engine, collection, (["r8"], None, 0))["ids"] == ["r8"]


def test_a_table_of_some_records_loads_no_others(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fresh(path) as engine:
        collection = engine.get_collection("words", "default_tenant", "default_database").id
        loaded = loads(monkeypatch)
        by_ids = engine.get_as_stored(collection, ["r9", "r7"], None, None, None, EVERYTHING)
        page = engine.get_as_stored(collection, None, None, 2, 3, EVERYTHING)
        assert loaded == []
        engine.get(collection, None, None, None, None, ())
        for some, asked in ((by_ids, (["r9", "r7"], None, None)), (page, (None, 2, 3))):
            ids, limit, offset = asked
            whole = engine.get_as_stored(collection, ids, None, limit, offset, EVERYTHING)
            assert some["ids"] == whole["ids"]
            assert np.array_equal(some["embeddings"], whole["embeddings"])
            assert list(some["metadatas"]) == list(whole["metadatas"])


def test_whoever_asks_for_many_ids_one_by_one_gets_a_map_of_them(path: Path) -> None:
    with fresh(path) as engine:
        collection = engine.get_collection("words", "default_tenant", "default_database").id
        (memory,) = (nearest(engine, collection, numbered_vector(1), 1), *engine.transactions.memories.values())[1:]
        memory._row_of = None  # as after loading from a file
        asked = 0
        while not memory.maps_ids:
            assert told(engine, collection, (["nobody"], None, 0))["ids"] == []
            asked += 1
        assert 2 < asked < 100
        assert told(engine, collection, (["r7", "nobody"], None, 0))["ids"] == ["r7"]

"""Records that come by pieces: nobody counts them before the last is there, and what died is swept."""

from __future__ import annotations

import errno
import gc
import itertools
import os
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from engine_samples import PLACE, agree, asked, contents, create, nearest, numbered, numbered_vector, records
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.storage import migrations
from chroma_nb.engine.transactions import staging
from chroma_nb.errors import InternalError, InvalidArgumentError, NotFoundError, VersionMismatchError
from chroma_nb.query.parsing import parse_where
from chroma_nb.records import Edits

EVERY_SECOND = parse_where({"number": {"$in": list(range(0, 1000, 2))}})


@pytest.fixture
def collection(on_disk: Engine) -> UUID:
    collection = create(on_disk)
    on_disk.add(collection, numbered(0, 10))
    return collection


def begun(engine: Engine, collection: UUID) -> Any:
    session = engine.begin_staging(collection)
    assert session is not None
    return session


def hidden_rows(engine: Engine) -> int:
    """Staged records that nobody has published."""
    return int(
        asked(engine, "SELECT count(*) FROM records") - asked(engine, "SELECT sum(record_count) FROM collections")
    )


def files(engine: Engine) -> list[str]:
    """What lies beside the vectors, unfinished."""
    return [path.name for path in ((engine.directory or Path()) / "vectors").glob("*.new")]


def test_nobody_counts_what_is_staged(on_disk: Engine, collection: UUID, tmp_path: Path) -> None:
    other = Engine(tmp_path / "db", durability="power")  # as another process has it
    before, session = contents(on_disk, collection), begun(on_disk, collection)
    on_disk.stage(session, numbered(100, 5))
    on_disk.stage(session, numbered(105, 5))
    for engine in (on_disk, other):
        assert contents(engine, collection) == before
        assert agree(engine, collection) == set(before)
        assert engine.get(collection, None, EVERY_SECOND, None, None, ())["ids"] == [f"r{n}" for n in range(0, 10, 2)]
        assert engine.get(collection, None, None, None, None, ("metadatas",))["metadatas"] == [
            row[2] for row in before.values()
        ]
        assert engine.verify() == []
    assert hidden_rows(on_disk) == 10
    on_disk.add(collection, numbered(50, 2))
    other.delete(collection, ["r3"], None)
    assert on_disk.publish(session, Edits(), update=False).added == 10
    wanted = [f"r{n}" for n in (0, 1, 2, *range(4, 10), *range(100, 110), 50, 51)]
    for engine in (on_disk, other):
        assert list(contents(engine, collection)) == wanted
        assert agree(engine, collection) == set(wanted)
        assert engine.get(collection, None, EVERY_SECOND, None, None, ())["ids"] == [
            one for one in wanted if int(one[1:]) % 2 == 0
        ]
        assert nearest(engine, collection, numbered_vector(104), 1) == ["r104"]
        assert engine.verify() == []
    assert files(on_disk) == []
    other.close()


def test_an_id_that_is_there_at_the_end_keeps_the_meaning_of_the_call(on_disk: Engine, collection: UUID) -> None:
    piece = records(
        ["r1", "new", "r2", "bare", "bare with uri"],
        [[1.0] * 8, [2.0] * 8, [3.0] * 8, [4.0] * 8, [5.0] * 8],
        ["one", "two", None, "four", "five"],
        [{"version": 7, "number": None}, {"number": 5, "gone": None}, None, {"gone": None}, {"gone": None}],
        [None, "u", "v", None, "w"],
    )
    before = contents(on_disk, collection)
    session = begun(on_disk, collection)
    on_disk.stage(session, piece)
    done = on_disk.publish(session, Edits(), update=False)
    assert (done.added, done.updated) == (3, 0)
    now = contents(on_disk, collection)
    assert {name: now[name] for name in before} == before
    on_disk.delete(collection, ["new", "bare", "bare with uri"], None)

    twin = SharedEngine.open(None)
    same = create(twin)
    twin.add(same, numbered(0, 10))
    twin.upsert(same, piece)
    session = begun(on_disk, collection)
    on_disk.stage(session, piece)
    done = on_disk.publish(session, Edits(), update=True)
    assert (done.added, done.updated) == (3, 2)
    assert contents(on_disk, collection) == contents(twin, same)
    assert on_disk.verify() == []
    assert on_disk.compact(collection)
    assert contents(on_disk, collection) == contents(twin, same)
    twin.close()


def test_edits_are_done_with_it_or_not_at_all(on_disk: Engine, collection: UUID) -> None:
    session = begun(on_disk, collection)
    on_disk.stage(session, numbered(20, 3))
    wrong = Edits(delete=["r1"], update=records(["r2"], [[1.0, 2.0]]))
    before = contents(on_disk, collection)
    with pytest.raises(InvalidArgumentError, match="dimension"):
        on_disk.publish(session, wrong, update=False)
    assert contents(on_disk, collection) == before
    edits = Edits(delete=["r1", "r21"], update=records(["r2"], None, ["new"]), without_document=["r2"])
    done = on_disk.publish(session, edits, update=False)
    assert (done.deleted, done.updated, done.added) == (1, 1, 3)
    now = contents(on_disk, collection)
    assert [now["r2"][1], len(now), "r1" in now] == [None, 12, False]
    assert on_disk.verify() == []


@pytest.mark.parametrize("sweeper", ["abandon", "open", "stage", "vacuum"])
def test_what_died_is_swept(sweeper: str, on_disk: Engine, collection: UUID, tmp_path: Path) -> None:
    before = contents(on_disk, collection)
    session = begun(on_disk, collection)
    on_disk.stage(session, numbered(100, 30))
    if sweeper == "abandon":
        on_disk.abandon(session)
    else:
        del session
        gc.collect()
        assert hidden_rows(on_disk) == 30
        if sweeper == "vacuum":
            on_disk.vacuum()
        elif sweeper == "stage":
            begun(on_disk, collection)
        else:
            on_disk.close()
            on_disk = SharedEngine.open(tmp_path / "db")
    assert hidden_rows(on_disk) == 0
    assert contents(on_disk, collection) == before
    assert on_disk.verify() == []
    gc.collect()
    assert files(on_disk) == []
    on_disk.upsert(collection, numbered(100, 3))
    assert len(agree(on_disk, collection)) == 13
    on_disk.close()


def test_what_is_under_way_elsewhere_is_left_alone(on_disk: Engine, collection: UUID, tmp_path: Path) -> None:
    session = begun(on_disk, collection)
    on_disk.stage(session, numbered(100, 5))
    other = Engine(tmp_path / "db", durability="power")
    other.vacuum()
    second = begun(other, collection)
    other.stage(second, numbered(200, 5))
    assert hidden_rows(on_disk) == 10
    assert other.publish(second, Edits(), update=False).added == 5
    assert on_disk.publish(session, Edits(), update=False).added == 5
    assert len(agree(on_disk, collection)) == len(agree(other, collection)) == 20
    assert other.verify() == []
    other.close()


def test_a_collection_is_not_compacted_while_something_is_staged(on_disk: Engine, collection: UUID) -> None:
    on_disk.upsert(collection, numbered(0, 10, version=1))  # ten holes
    session = begun(on_disk, collection)
    on_disk.stage(session, numbered(100, 5))
    assert not on_disk.compact(collection)
    on_disk.vacuum()
    assert on_disk.publish(session, Edits(), update=False).added == 5
    assert on_disk.verify() == []
    assert on_disk.compact(collection)
    assert nearest(on_disk, collection, numbered_vector(103), 1) == ["r103"]
    assert on_disk.verify() == []


@pytest.mark.parametrize("again", ["in this process", "opened again"])
def test_a_graph_that_is_made_meanwhile_does_not_stand_for_what_is_staged(
    on_disk: Engine, again: str, tmp_path: Path
) -> None:
    collection = create(on_disk)
    some = np.random.default_rng(7).normal(size=(3_030, 8)).astype(np.float32)

    def rows(first: int, last: int) -> Any:
        return records([f"r{number}" for number in range(first, last)], some[first:last])

    on_disk.add(collection, rows(0, 3_000))
    session = begun(on_disk, collection)
    on_disk.stage(session, rows(3_000, 3_020))
    on_disk.add(collection, rows(3_020, 3_030))  # by another call: slots beyond those that are staged
    assert on_disk.build_graph(collection)
    assert on_disk.publish(session, Edits(), update=False).added == 20
    engine = on_disk if again == "in this process" else Engine(tmp_path / "db", durability="power")
    assert engine.build_graph(collection)  # from its file
    assert engine.explain(collection, some[:1], 1, None, None, ())["method"] == "graph"
    late = range(2_990, 3_030)
    assert [nearest(engine, collection, some[number], 1) for number in late] == [[f"r{number}"] for number in late]
    if engine is not on_disk:
        engine.close()


def test_a_compaction_that_began_before_does_not_end(
    on_disk: Engine, collection: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chroma_nb.engine.transactions.compaction import Compaction

    sessions = []
    real = Compaction.copy

    def copy(self: Any) -> None:
        real(self)
        sessions.append(begun(on_disk, collection))
        on_disk.stage(sessions[0], numbered(100, 5))

    on_disk.upsert(collection, numbered(0, 10, version=1))
    monkeypatch.setattr(Compaction, "copy", copy)
    assert not on_disk.compact(collection)
    assert on_disk.publish(sessions[0], Edits(), update=False).added == 5
    assert on_disk.verify() == []
    assert nearest(on_disk, collection, numbered_vector(104), 1) == ["r104"]


def test_a_collection_that_is_deleted_takes_along_what_is_on_its_way(on_disk: Engine, collection: UUID) -> None:
    session = begun(on_disk, collection)
    on_disk.stage(session, numbered(100, 5))
    on_disk.delete_collection("words", *PLACE)
    with pytest.raises(NotFoundError):
        on_disk.stage(session, numbered(200, 5))
    on_disk.abandon(session)
    assert asked(on_disk, "SELECT count(*) FROM records") == 0
    session = begun(on_disk, create(on_disk))
    on_disk.stage(session, numbered(100, 5))
    on_disk.reset()
    with pytest.raises(NotFoundError):
        on_disk.publish(session, Edits(), update=False)
    assert on_disk.verify() == []


def test_what_was_removed_meanwhile_is_not_published(on_disk: Engine, collection: UUID) -> None:
    """On a file system without locks another process may take it for dead."""
    session = begun(on_disk, collection)
    on_disk.stage(session, numbered(100, 5))
    from chroma_nb.engine.transactions import staging

    staging.remove(str(collection), session.name, on_disk.transactions.write)
    with pytest.raises(InternalError, match="are missing; another process may have removed them"):
        on_disk.stage(session, numbered(105, 5))
    with pytest.raises(InternalError, match="are missing; another process may have removed them"):
        on_disk.publish(session, Edits(), update=False)
    assert agree(on_disk, collection) == {f"r{n}" for n in range(10)}


def test_vectors_that_never_came_set_no_dimension(on_disk: Engine) -> None:
    collection = create(on_disk)
    session = begun(on_disk, collection)
    on_disk.stage(session, numbered(0, 5))
    on_disk.abandon(session)
    on_disk.add(collection, records(["a"], [[1.0, 2.0]]))
    assert agree(on_disk, collection) == {"a"}
    assert on_disk.verify() == []


def test_in_memory_nothing_is_staged() -> None:
    engine = SharedEngine.open(None)
    assert engine.begin_staging(create(engine)) is None
    engine.close()


def test_an_earlier_version_refuses_the_directory_and_says_what_to_do(
    on_disk: Engine, collection: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = begun(on_disk, collection)
    on_disk.stage(session, numbered(100, 5))
    on_disk.close()
    earlier = [one for one in migrations.scripts() if one[0] <= 3]
    monkeypatch.setattr(migrations, "scripts", lambda: earlier)
    with pytest.raises(VersionMismatchError, match=r"written by a newer chroma_nb .*this one reads up to 3.*Upgrade"):
        SharedEngine.open(tmp_path / "db")


# --- Against an oracle -----------------------------------------------------------------------------------------
NUMBERS = st.integers(0, 12)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["begin", "publish add", "publish upsert", "abandon", "lose", "reopen", "vacuum"])),
        st.tuples(st.sampled_from(["stage", "add", "upsert"]), NUMBERS, st.integers(1, 4)),
        st.tuples(st.just("delete"), NUMBERS),
    ),
    min_size=4,
    max_size=25,
)


@given(STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_between_the_records_are_those_of_the_oracle(tmp_path: Path, steps: list[Any]) -> None:
    path = tmp_path / str(next(_COUNTER))
    engine = SharedEngine.open(path)
    collection = create(engine)
    there: dict[str, int] = {}  # id -> version
    waiting: dict[str, int] = {}
    session: Any = None
    for version, (what, *arguments) in enumerate(steps, 1):
        if what == "begin" and session is None:
            session, waiting = begun(engine, collection), {}
        elif what == "stage" and session is not None:
            first, count = arguments
            piece = numbered(first, count, version)
            if not waiting.keys() & set(piece.ids):
                engine.stage(session, piece)
                waiting |= dict.fromkeys(piece.ids, version)
        elif what.startswith("publish") and session is not None:
            update = what.endswith("upsert")
            engine.publish(session, Edits(), update=update)
            there = {**there, **waiting} if update else {**waiting, **there}
            session = None
        elif what == "abandon" and session is not None:
            engine.abandon(session)
            session = None
        elif what == "lose":
            session = None
        elif what == "reopen":
            session = None
            engine.close()
            engine = SharedEngine.open(path)
        elif what == "vacuum":
            engine.vacuum()
        elif what in ("add", "upsert"):
            first, count = arguments
            piece = numbered(first, count, version)
            getattr(engine, what)(collection, piece)
            given = dict.fromkeys(piece.ids, version)
            there = {**there, **given} if what == "upsert" else {**given, **there}
        elif what == "delete":
            engine.delete(collection, [f"r{arguments[0]}"], None)
            there.pop(f"r{arguments[0]}", None)
        now = contents(engine, collection)
        assert {name: row[2]["version"] for name, row in now.items()} == there
        for name, (vector, document, _, _) in now.items():
            assert np.allclose(vector, numbered_vector(int(name[1:]), there[name]))
            assert document == f"text {name[1:]} version {there[name]}"
        assert agree(engine, collection) == set(there)
        assert engine.verify() == []
    engine.close()


_COUNTER = itertools.count()


def test_a_folder_in_which_nothing_can_be_staged_is_named(
    on_disk: Engine, collection: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(path: Any, *arguments: Any) -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(staging.os, "open", refusing)
    with pytest.raises(InternalError, match=r"cannot write .*vectors.*Permission denied. Nothing was written"):
        on_disk.begin_staging(collection)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_that_is_forked_meanwhile_and_ends_takes_nothing_away(on_disk: Engine, collection: UUID) -> None:
    session = begun(on_disk, collection)
    on_disk.stage(session, numbered(100, 5))
    child = os.fork()
    if not child:  # an exception goes through the call's frames here as well: sys.exit() in a signal handler
        status = 1
        try:
            try:
                on_disk.stage(session, numbered(105, 5))
            except InternalError as error:
                status = 0 if "forked in the middle of a call" in str(error) else 2
            on_disk.abandon(session)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    on_disk.vacuum()
    on_disk.stage(session, numbered(105, 5))
    assert on_disk.publish(session, Edits(), update=False).added == 10
    assert on_disk.verify() == []
    assert files(on_disk) == []

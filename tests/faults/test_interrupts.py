"""The stop button: an interrupt at any line, or at any moment, leaves the state of before or of after.

The same engine goes on working, and nothing stays locked.
"""

from __future__ import annotations

import contextlib
import gc
import linecache
import random
import signal
import sqlite3
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import UUID

import pytest
from engine_samples import PLACE, agree, contents, create, nearest, numbered, numbered_vector

import chroma_nb.engine
from chroma_nb.engine.engine import Engine
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.search import planner
from chroma_nb.query.parsing import parse_where

#: The engine, and the context managers it may use.
SOURCES = str(Path(chroma_nb.engine.__file__).parent), contextlib.__file__


FILTER = parse_where({"number": {"$in": list(range(0, 2000, 2))}})


class Caller:
    """Calls that change a collection, each computed from a number, so that it can be repeated elsewhere."""

    def __init__(self, engine: Engine, collection: UUID) -> None:
        self.engine, self.collection = engine, collection

    def call(self, number: int) -> None:
        """One of six calls."""
        first, engine, collection = 100 + 7 * number, self.engine, self.collection
        kind = number % 6
        if kind in (0, 3):
            engine.add(collection, numbered(first, 40, version=number))
        elif kind == 1:
            engine.upsert(collection, numbered(first - 10, 30, version=number))
        elif kind == 2:
            engine.update(collection, numbered(first - 20, 20, version=number))
        elif kind == 4:
            engine.delete(collection, [f"r{first - back}" for back in range(0, 60, 2)], None)
        else:
            nearest(engine, collection, numbered_vector(first), 5, filter=FILTER)
            engine.compact(collection)
        engine.get(collection, None, FILTER, None, None, ())


@contextlib.contextmanager
def interrupted_at_line(
    number: int, count: Callable[[], None] = lambda: None, sources: tuple[str, ...] = SOURCES
) -> Iterator[None]:
    """KeyboardInterrupt at the ``number``-th line of the engine (of ``sources``) that this thread runs (0: never).

    Not at a line with ``with``, which is run again when the block is left, or ``try``: Python delivers no signal
    there. But where a context manager written in Python has done its work and returns, which is where Python does.
    Not in a finalizer, which the garbage collector runs at any line: Python drops what is raised there.
    """
    left = number

    def local(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        returns = event == "return" and frame.f_code.co_filename == contextlib.__file__
        if returns or (event == "line" and not line.lstrip().startswith(("with ", "try:"))):
            count()
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        return local

    def starting(frame: FrameType, event: str, argument: Any) -> Any:
        finalizing = frame.f_back is not None and frame.f_back.f_code.co_filename == weakref.__file__
        return local if frame.f_code.co_filename.startswith(sources) and not finalizing else None

    previous = sys.gettrace()
    sys.settrace(starting)
    try:
        yield
    finally:
        sys.settrace(previous)


@contextlib.contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """KeyboardInterrupt by a signal, ``seconds`` from now unless the block is over, and again each second.

    Python drops one that comes while it finalizes what other tests left behind: then the next one counts. Callbacks
    of the garbage collector (Hypothesis has one) are left out meanwhile, for the same reason.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous, callbacks = signal.signal(signal.SIGALRM, interrupt), list(gc.callbacks)
    gc.callbacks.clear()
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, 1)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        gc.callbacks.extend(callbacks)


def check(caller: Caller, twin: Caller, number: int, before: dict[str, Any]) -> None:
    """After call ``number`` was interrupted: the state is that of before, or the twin's, who was not."""
    engine, collection = caller.engine, caller.collection
    now = contents(engine, collection)
    assert now in (before, contents(twin.engine, twin.collection))
    assert engine.verify() == []
    assert agree(engine, collection) == set(now)
    filtered = engine.get(collection, None, FILTER, None, None, ())["ids"]
    assert filtered == [ident for ident, row in now.items() if row[2]["number"] % 2 == 0]
    caller.call(number)  # each call may be made twice
    assert contents(engine, collection) == contents(twin.engine, twin.collection)


@pytest.fixture(params=["memory", "disk"])
def callers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Caller, Caller]]:
    """One who is interrupted, and a twin in memory who is not."""
    engine, other = SharedEngine.open(None if request.param == "memory" else tmp_path / "db"), SharedEngine.open(None)
    yield Caller(engine, create(engine)), Caller(other, create(other))
    engine.close()
    other.close()


def test_an_interrupt_at_any_line_of_the_engine(callers: tuple[Caller, Caller]) -> None:
    caller, twin = callers
    chance = random.Random(3)
    interrupted: list[KeyboardInterrupt] = []  # kept, as a notebook keeps the last one
    for number in range(60):
        before, lines = contents(caller.engine, caller.collection), 0

        def count() -> None:
            nonlocal lines
            lines += 1

        with interrupted_at_line(0, count):
            twin.call(number)
        try:
            with interrupted_at_line(chance.randint(1, lines)):
                caller.call(number)
        except KeyboardInterrupt as error:
            interrupted.append(error)
        check(caller, twin, number, before)
    assert len(interrupted) >= 50


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_an_interrupt_at_any_line_of_a_fork_leaves_a_whole_one_or_none(place: str, tmp_path: Path) -> None:
    engine = SharedEngine.open(None if place == "memory" else tmp_path / "db")
    collection, lines = create(engine), 0
    engine.add(collection, numbered(0, 10))
    engine.delete(collection, ["r3"], None)
    wanted = contents(engine, collection)

    def count() -> None:
        nonlocal lines
        lines += 1

    with interrupted_at_line(0, count):
        engine.fork(collection, "whole")
    kept, forks = list[KeyboardInterrupt](), 1
    for number in range(1, lines + 1):
        try:
            with interrupted_at_line(number):
                engine.fork(collection, f"fork-{number}")
        except KeyboardInterrupt as error:
            kept.append(error)
        for model in engine.list_collections(*PLACE)[2:]:  # neither the collection nor the whole one
            forks += 1
            assert contents(engine, model.id) == wanted
            assert agree(engine, model.id) == set(wanted)
            engine.delete_collection(model.name, *PLACE)
        assert engine.fork_count(collection) == forks
    assert len(kept) >= lines - 2
    assert 1 < forks < lines
    assert contents(engine, collection) == wanted
    engine.fork(collection, "another")
    assert engine.verify() == []
    kept.clear()  # their frames may hold an unfinished copy open
    if engine.directory is not None:
        gc.collect()
        engine.maintenance.sweep()
        left = [path.suffix for path in (engine.directory / "vectors").iterdir()]
        assert left.count(".f32") == 3
        # Between the line that opens a file and the one that notes it, nobody knows of it but the process itself.
        assert left.count(".new") <= 3
    engine.close()


# An interrupt in a callback of a weak reference is swallowed by Python, which says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_moment(callers: tuple[Caller, Caller]) -> None:
    caller, twin = callers
    chance = random.Random(4)
    interrupted: list[KeyboardInterrupt] = []
    seconds = 0.01
    for number in range(90):
        before = contents(caller.engine, caller.collection)
        twin.call(number)
        started = time.perf_counter()
        try:
            with interrupted_after(chance.uniform(1e-5, seconds)):
                caller.call(number)
            seconds = 0.5 * seconds + 0.5 * (time.perf_counter() - started)
        except KeyboardInterrupt as error:
            interrupted.append(error)
        check(caller, twin, number, before)
    assert len(interrupted) >= 20


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # as above
def test_whoever_is_interrupted_goes_on_while_the_traceback_is_kept(callers: tuple[Caller, Caller]) -> None:
    """As in a notebook: what the frames of the last traceback refer to is not given back before the next error."""
    engine, collection = callers[0].engine, callers[0].collection
    engine.add(collection, numbered(0, 40))
    calls: list[Callable[[int], object]] = [
        lambda number: engine.upsert(collection, numbered(number, 2)),
        lambda number: engine.get(collection, ["r1"], None, None, None, ("documents",)),
        lambda number: engine.get(collection, None, FILTER, 3, None, ("metadatas",)),
        lambda number: nearest(engine, collection, numbered_vector(number), 2),
        lambda number: engine.list_collections(*PLACE),
        lambda number: engine.modify_collection(collection, *PLACE, None, {"a": number}, None),
    ]
    chance, kept = random.Random(5), None
    for number in range(500):
        try:
            with interrupted_after(chance.uniform(1e-4, 2e-3)):
                while True:
                    calls[chance.randrange(len(calls))](chance.randrange(40))
        except KeyboardInterrupt as error:
            kept = error
            engine.upsert(collection, numbered(100 + number % 7, 1, version=number))
            (seen,) = engine.get(collection, [f"r{100 + number % 7}"], None, None, None, ("metadatas",))["metadatas"]
            assert seen["version"] == number
    assert kept is not None
    assert engine.verify() == []
    assert len(engine.transactions.connections._all) <= 3  # the writer's, this thread's reader, the graph's
    assert not any(connection.in_transaction for connection in engine.transactions.connections._all)


def test_an_interrupt_while_waiting_for_another_writer_leaves_no_transaction_open(tmp_path: Path) -> None:
    engine = SharedEngine.open(tmp_path / "db")
    collection = create(engine)
    engine.add(collection, numbered(0, 5))
    taken, release = threading.Event(), threading.Event()

    def hold() -> None:
        other = sqlite3.connect(tmp_path / "db" / "chroma_nb.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        taken.set()
        release.wait(10)
        other.execute("ROLLBACK")
        other.close()

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait(10)
    threading.Timer(0.3, release.set).start()
    with pytest.raises(KeyboardInterrupt), interrupted_after(0.05):
        engine.add(collection, numbered(10, 5))
    holder.join()
    assert agree(engine, collection) == {f"r{number}" for number in range(5)}
    engine.add(collection, numbered(20, 5))
    assert engine.count(collection) == 10
    engine.close()


def test_an_interrupt_while_a_graph_is_put_in_place_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hnswlib")
    monkeypatch.setattr(planner, "SMALLEST_GRAPH_BYTES", 0)
    engine = SharedEngine.open(tmp_path / "db")
    collection = create(engine)
    engine.add(collection, numbered(0, 300))
    for number in (3, 30, 60, 90, 120):
        try:
            with interrupted_at_line(number):
                engine.build_graph(collection)
        except KeyboardInterrupt:
            pass
        assert nearest(engine, collection, numbered_vector(7), 1) == ["r7"]
        engine.add(collection, numbered(1000 + number, 1))
        assert engine.verify() == []
    engine.close()

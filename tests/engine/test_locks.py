"""Locks inside a process."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from chroma_nb.engine import locks
from chroma_nb.engine.locks import first_open
from chroma_nb.engine.memory.collection import ReadersWriterLock


class Other:
    """Another thread that takes the lock and gives it back when it is told to."""

    def __init__(self, lock: ReadersWriterLock, *, writing: bool) -> None:
        self.inside, self._leave = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(lock, writing))
        self._thread.start()

    def _run(self, lock: ReadersWriterLock, writing: bool) -> None:
        (lock.write if writing else lock.read)(self._stay)

    def _stay(self) -> None:
        self.inside.set()
        self._leave.wait(10)

    def leave(self) -> None:
        self._leave.set()
        self._thread.join(10)
        assert not self._thread.is_alive()


def test_readers_read_side_by_side() -> None:
    lock = ReadersWriterLock()
    readers = [Other(lock, writing=False) for _ in range(3)]
    assert all(reader.inside.wait(5) for reader in readers)
    for reader in readers:
        reader.leave()


def test_a_writer_is_alone() -> None:
    lock = ReadersWriterLock()
    reader = Other(lock, writing=False)
    assert reader.inside.wait(5)
    writer = Other(lock, writing=True)
    assert not writer.inside.wait(0.05)
    late = Other(lock, writing=False)
    assert not late.inside.wait(0.05)  # a waiting writer goes before new readers
    reader.leave()
    assert writer.inside.wait(5)
    assert not late.inside.wait(0.05)
    writer.leave()
    assert late.inside.wait(5)
    late.leave()


def test_an_exception_gives_the_lock_back() -> None:
    lock = ReadersWriterLock()

    def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        lock.write(fail)
    other = Other(lock, writing=True)
    assert other.inside.wait(5)
    other.leave()


def interrupted(call: Callable[[], object], number: int) -> bool:
    """Make ``call`` and interrupt it where Python looks for signals the ``number``-th time; whether it came so far."""
    seen = itertools.count()

    def look(frame: object, event: str, argument: object) -> None:
        if event in ("call", "c_return") and next(seen) == number:
            sys.setprofile(None)
            raise KeyboardInterrupt

    sys.setprofile(look)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


@pytest.mark.parametrize("name", ["read", "write"])
def test_an_interrupt_anywhere_leaves_the_lock_to_the_others_and_to_the_same_thread(name: str) -> None:
    for number in itertools.count():
        lock = ReadersWriterLock()
        lock.read(lambda: None)
        if not interrupted(partial(getattr(lock, name), lambda: len("done")), number):
            break
        writer = Other(lock, writing=True)  # it waits for readers that there are none of
        assert writer.inside.wait(5), number
        reader = Other(lock, writing=False)
        assert not reader.inside.wait(0.01)
        writer.leave()
        assert lock.read(lambda: "done") == "done"
        reader.leave()
    assert number > 3


def test_a_thread_that_reads_may_read_and_write() -> None:
    lock = ReadersWriterLock()
    assert lock.read(lambda: lock.read(lambda: lock.write(lambda: "done"))) == "done"


def test_readers_and_writers_of_many_threads_never_meet() -> None:
    lock, met = ReadersWriterLock(), []
    readers: set[int] = set()
    writers: set[int] = set()

    def stay(group: set[int], seed: int) -> None:
        group.add(seed)
        time.sleep(0)
        met.append(len(writers) > 1 or bool(readers and writers))
        group.discard(seed)

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(300):
            call, group = (lock.write, writers) if chance.random() < 0.2 else (lock.read, readers)
            call(partial(stay, group, seed))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert len(met) == 8 * 300
    assert not any(met)


def test_a_writer_who_stopped_waiting_is_forgotten() -> None:
    lock = ReadersWriterLock()
    reader = Other(lock, writing=False)
    assert reader.inside.wait(5)

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with pytest.raises(KeyboardInterrupt) as kept:
        lock.write(lambda: None)
    signal.signal(signal.SIGALRM, previous)
    second = Other(lock, writing=False)
    assert second.inside.wait(5)
    writer = Other(lock, writing=True)
    reader.leave()
    assert not writer.inside.wait(0.05)
    second.leave()
    assert writer.inside.wait(5)
    writer.leave()
    assert kept


def test_a_first_open_waits_for_another(tmp_path: Path) -> None:
    entered = threading.Event()

    thread = threading.Thread(target=first_open, args=(tmp_path, entered.set))

    def work() -> str:
        thread.start()
        assert not entered.wait(0.05)
        return "done"

    assert first_open(tmp_path, work) == "done"
    assert entered.wait(5)
    thread.join(5)


def test_a_file_that_somebody_is_about_to_remove_is_made_under_another_name(tmp_path: Path) -> None:
    """Whoever sweeps has claimed the first one, and removes it by its name after the second was made."""
    names = iter(["first", "second"])
    swept: list[int] = []

    def name() -> Path:
        path = tmp_path / next(names)
        if path.name == "second":
            swept.append(1)
        return path

    claim = locks.claim
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locks, "claim", lambda descriptor: bool(swept) and claim(descriptor))
        path, descriptor = locks.create_claimed(name)
    (tmp_path / "first").unlink()
    assert path.name == "second"
    assert os.fstat(descriptor).st_nlink == 1
    os.close(descriptor)

"""Locks inside a process."""

from __future__ import annotations

import os
import signal
import threading
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
        if writing:
            lock.write(self._stay)
            return
        lock.acquire_reading()
        try:
            self._stay()
        finally:
            lock.release_reading()

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


def test_a_mark_that_an_interrupt_left_is_taken_away_by_the_same_thread() -> None:
    lock = ReadersWriterLock()
    lock.acquire_reading()  # and the interrupt comes before the release
    assert lock.write(lambda: "done") == "done"
    lock.acquire_reading()
    lock.acquire_reading()
    lock.release_reading()
    lock.release_reading()  # twice does no harm
    other = Other(lock, writing=True)
    assert other.inside.wait(5)
    other.leave()


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

"""An interrupt at any moment leaves no lock held by a block that is not run."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chroma_nb import _locks


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def is_free(lock: Any) -> bool:
    """Whether another thread could take it now."""
    taken: list[bool] = []

    def take() -> None:
        if lock.acquire(blocking=False):
            lock.release()
            taken.append(True)

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return bool(taken)


def held_after_interrupts(make: Callable[[], Any]) -> tuple[int, int]:
    """How many interrupts of a loop that takes a lock and gives it back there were, and how many left it held."""
    lock, interrupted, held, end = make(), 0, 0, time.monotonic() + 2
    while time.monotonic() < end:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0005)
            while True:
                with lock:
                    pass
        except KeyboardInterrupt:
            interrupted += 1
        if not is_free(lock):
            held, lock = held + 1, make()
    return interrupted, held


@pytest.mark.parametrize("make", [_locks.Lock, _locks.RLock], ids=["Lock", "RLock"])
def test_no_interrupt_leaves_a_lock_held(make: Callable[[], Any]) -> None:
    interrupted, held = held_after_interrupts(make)
    assert interrupted > 50
    assert held == 0


@pytest.mark.skipif(sys.version_info < (3, 14), reason="locks of Python's own are used as they are")
def test_those_of_threading_are_left_held_and_ours_are_needed() -> None:
    assert held_after_interrupts(threading.RLock)[1] > 0


def test_what_else_locks_are_asked() -> None:
    lock = _locks.RLock()
    with lock, lock:
        assert not is_free(lock)
    assert is_free(lock)
    other = _locks.Lock()
    assert not other.locked()
    with other:
        assert other.locked()
        assert not is_free(other)
    with pytest.raises(ValueError, match="in the block"), other:
        raise ValueError("in the block")
    assert is_free(other)

"""For tests of calls in the middle of a call: a signal at chosen lines of a call, whose handler makes another one."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class DeadlockError(BaseException):
    """A call did not end; no Exception, so that nothing on the way takes it for its own."""


@contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    """Raise DeadlockError when the block takes longer."""

    def bark(number: int, frame: FrameType | None) -> None:
        raise DeadlockError(f"no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, bark)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def interrupted(
    call: Callable[[], Any], handler: Callable[[], Any], at: Callable[[int], bool] = lambda line: True
) -> tuple[Any, int]:
    """What ``call`` returns, and how many lines it ran, while a signal is handled at those lines that ``at`` picks.

    The lines of everything that it calls in this thread are counted, from 0; those of the handler are not.
    """
    lines = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal lines
        if event == "line":
            if at(lines):
                signal.raise_signal(signal.SIGUSR1)
            lines += 1
        return trace

    before = signal.signal(signal.SIGUSR1, lambda number, frame: handler())
    outer = sys.gettrace()
    sys.settrace(trace)
    try:
        result = call()
    finally:
        sys.settrace(outer)
        signal.signal(signal.SIGUSR1, before)
    return result, lines


def lines_of(call: Callable[[], Any]) -> int:
    """How many lines ``call`` runs."""
    return interrupted(call, lambda: None, lambda line: False)[1]


def spread(lines: int, count: int, shift: int = 0) -> Collection[int]:
    """About ``count`` of so many lines, evenly spread."""
    step = max(1, lines // count)
    return range(shift % step, lines, step)

"""The progress bar of a call on many records: an error in it neither ends the call nor hides its result."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias


class Counter(Protocol):
    """What counts the records of a bar."""

    @property
    def done(self) -> int:
        """How many are done."""

    def update(self, n: int) -> None:
        """``n`` more are done."""


#: Makes a progress bar of so many records, for this verb.
Bar: TypeAlias = Callable[[int | None, str], AbstractContextManager[Counter]]


class CallBar:
    """The bar of a call, if there is one."""

    def __init__(self, bar: Counter | None, total: int | None) -> None:
        self._bar, self._total = bar, total

    def reach(self, done: int) -> None:
        """So many records are dealt with; an embedding function may have moved the bar on already."""
        if self._bar is not None:
            with contextlib.suppress(Exception):
                self._bar.update(max(0, done - self._bar.done))

    def end(self) -> None:
        """All is written."""
        self.reach(self._total or 0)


class BarAfter(CallBar):
    """The bar of a call, for those that come after ``before`` others."""

    def __init__(self, shown: CallBar, before: int) -> None:
        self._shown, self._before = shown, before

    def reach(self, done: int) -> None:
        self._shown.reach(self._before + done)


@contextlib.contextmanager
def shown_bar(bar: Bar | None, total: int | None, verb: str) -> Iterator[CallBar]:
    """The bar that ``bar`` makes for a call, taken away at its end."""
    made = counter = None
    with contextlib.suppress(Exception):
        made = None if bar is None else bar(total, verb)
        counter = None if made is None else made.__enter__()
    try:
        yield CallBar(counter, total)
    finally:
        if made is not None and counter is not None:
            with contextlib.suppress(Exception):
                made.__exit__(None, None, None)

"""The progress bar of a call on many records, which must not hide what was written."""

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
    """The bar of a call, if there is one. Before anything is written its errors end the call; after that, nothing."""

    def __init__(self, bar: Counter | None, total: int | None) -> None:
        self._bar, self._total = bar, total

    def reach(self, done: int) -> None:
        """So many records are dealt with; an embedding function may have moved the bar on already."""
        if self._bar is not None:
            self._bar.update(max(0, done - self._bar.done))

    def end(self) -> None:
        """All is written."""
        with contextlib.suppress(Exception):
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
    if bar is None:
        yield CallBar(None, total)
        return
    made = bar(total, verb)
    shown = CallBar(made.__enter__(), total)
    try:
        yield shown
    finally:
        with contextlib.suppress(Exception):  # it must not hide what was written, nor another error
            made.__exit__(None, None, None)

"""A progress bar that appears when the work takes more than a second, and never otherwise.

All bars are created here. If a bar cannot be shown (no stderr, one that is closed, a pipe that nobody reads), the work
goes on without it.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Protocol, TextIO

from chroma_nb._optional import Untyped, require

#: Seconds of work before a bar is shown.
DELAY = 1.0


class Progress(Protocol):
    """What a bar can do; use it in a ``with``."""

    @property
    def done(self) -> int:
        """How many are done."""
        ...

    def update(self, n: int) -> None:
        """``n`` more are done."""
        ...

    def close(self) -> None:
        """Take the bar away, or leave it as it is."""
        ...

    def __enter__(self) -> Progress: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def progress_bar(
    total: int | None, *, description: str, unit: str, delay: float = DELAY, shown: bool = True, leave: bool = True
) -> Progress:
    """A bar of ``total`` steps that shows itself after ``delay`` seconds, unless CHROMA_NB_PROGRESS is 0.

    tqdm is not imported before then. Work inside another bar's ``with`` moves that one on and shows none of its own.
    With ``leave=False`` nothing stays of it at the end.
    """
    return _Part(outer) if (outer := _current.get()) else _Bar(total, description, unit, delay, shown, leave)


def say(text: str) -> None:
    """A line for the person on stderr, where there is one."""
    with suppress(Exception):
        sys.stderr.write(f"{text}\n")


_current: ContextVar[_Bar | None] = ContextVar("chroma_nb_progress", default=None)


class _Bar:
    def __init__(self, total: int | None, description: str, unit: str, delay: float, shown: bool, leave: bool) -> None:
        self._total, self._description, self._unit, self._leave = total, description, unit, leave
        self.done = 0
        self._bar: Untyped = None
        self._allowed = shown and os.environ.get("CHROMA_NB_PROGRESS", "1") != "0"
        self._due = time.monotonic() + delay

    def update(self, n: int) -> None:
        """``n`` more are done; the bar is shown when it is time."""
        self.done += n
        if self._bar is not None:
            self._attempt(lambda: self._bar.update(n))
        elif self._allowed and self.done != self._total and time.monotonic() >= self._due:
            self._bar = self._attempt(self._shown)

    def close(self) -> None:
        """Close the bar, if there is one."""
        if self._bar is not None:
            self._attempt(self._bar.close)

    def _attempt(self, step: Callable[[], object]) -> object:
        """Do something with the bar; one that fails, in whatever way, is given up."""
        try:
            return step()
        except Exception:  # noqa: BLE001  # tqdm, ipywidgets and the stream may raise anything
            bar, self._bar, self._allowed = self._bar, None, False
            with suppress(Exception):
                bar.disable = True  # else it would try once more when it is collected
            return None

    def _shown(self) -> object:
        if sys.stderr is None:  # under pythonw, in a daemon
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tqdm recommends ipywidgets where there are none
            tqdm = require("tqdm.auto", feature="a progress bar").tqdm
            return tqdm(
                total=self._total,
                initial=self.done,
                desc=self._description,
                unit=self._unit,
                unit_scale=self._unit == "B",
                leave=self._leave,
                file=_Stream(sys.stderr),
                bar_format="{l_bar}{bar}| {elapsed}<{remaining}" if self._unit == "%" else None,
            )

    def __enter__(self) -> _Bar:
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.reset(self._token)
        self.close()


class _Stream:
    """stderr as tqdm may use it, also from its own thread: a write that fails is not an error."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write, if that is possible."""
        with suppress(Exception):
            self._stream.write(text)

    def flush(self) -> None:
        """Flush, if that is possible."""
        with suppress(Exception):
            self._stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def __eq__(self, other: object) -> bool:  # by which tqdm knows stderr, and takes the width of the terminal
        return other is self or other is self._stream

    def __hash__(self) -> int:
        return hash(self._stream)


class _Part:
    """A bar inside a bar."""

    def __init__(self, outer: _Bar) -> None:
        self._outer = outer
        self.update = outer.update

    @property
    def done(self) -> int:
        """How many are done, of the whole."""
        return self._outer.done

    def close(self) -> None:
        """The outer one is closed by who made it."""

    def __enter__(self) -> _Part:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def record_bar(shown: bool | None) -> Callable[[int | None, str], Progress] | None:
    """What makes the bars of a call on many records: after a second (None), at once (True), or none (False)."""
    if shown is False:
        return None
    delay = 0.0 if shown else DELAY
    return lambda total, verb: progress_bar(total, description=verb, unit="record", delay=delay)

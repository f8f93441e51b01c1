"""A progress bar that appears when the work takes more than a second, and never otherwise."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol

from chroma_nb._optional import require

#: Seconds of work before a bar is shown.
DELAY = 1.0


class Progress(Protocol):
    """What a bar can do; use it in a ``with``."""

    @property
    def done(self) -> int: ...
    def update(self, n: int) -> None: ...
    def __enter__(self) -> Progress: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def progress_bar(total: int | None, *, description: str, unit: str, delay: float = DELAY) -> Progress:
    """A bar of ``total`` steps that shows itself after ``delay`` seconds, unless CHROMA_NB_PROGRESS is 0.

    tqdm is not imported before then. Work inside another bar's ``with`` moves that one on and shows none of its own.
    """
    return _Part(outer) if (outer := _current.get()) else _Bar(total, description, unit, delay)


_current: ContextVar[_Bar | None] = ContextVar("chroma_nb_progress", default=None)


class _Bar:
    def __init__(self, total: int | None, description: str, unit: str, delay: float) -> None:
        self._total, self._description, self._unit = total, description, unit
        self.done = 0
        self._bar: Any = None
        self._allowed = os.environ.get("CHROMA_NB_PROGRESS", "1") != "0"
        self._due = time.monotonic() + delay

    def update(self, n: int) -> None:
        self.done += n
        if self._bar is not None:
            self._bar.update(n)
        elif self._allowed and self.done != self._total and time.monotonic() >= self._due:
            self._bar = self._shown()

    def _shown(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tqdm recommends ipywidgets where there are none
            tqdm = require("tqdm.auto", feature="a progress bar").tqdm
            return tqdm(
                total=self._total,
                initial=self.done,
                desc=self._description,
                unit=self._unit,
                unit_scale=self._unit == "B",
                bar_format="{l_bar}{bar}| {elapsed}<{remaining}" if self._unit == "%" else None,
            )

    def __enter__(self) -> _Bar:
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.reset(self._token)
        if self._bar is not None:
            self._bar.close()


class _Part:
    """A bar inside a bar."""

    def __init__(self, outer: _Bar) -> None:
        self._outer = outer
        self.update = outer.update

    @property
    def done(self) -> int:
        return self._outer.done

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

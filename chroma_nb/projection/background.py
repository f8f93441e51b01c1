"""Work in a thread of its own that reports its progress and can be stopped. The work itself is elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from chroma_nb import _locks

T = TypeVar("T")


class StoppedError(Exception):
    """The work was asked to stop, or the process ends."""


class Background(Generic[T]):
    """``work(report)`` in a thread; ``report(stage, share)`` is how it says where it is.

    ``progress`` is (stage, share from 0 to 1). ``on_progress`` and ``on_done`` are called from that thread.

    >>> work = Background(lambda report: report("adding", 0.5) or 1 + 1)
    >>> work.start().wait()
    2
    >>> work.progress
    ('adding', 0.5)
    """

    def __init__(self, work: Callable[[Callable[[str, float], None]], T]) -> None:
        self._work = work
        self._stopping = self._done = False
        self._result: T | None = None
        self.error: BaseException | None = None
        self.progress: tuple[str, float] = ("waiting", 0.0)
        # Re-entrant, as that of an Event is not: a signal handler may stop or ask in the middle of a wait.
        self._guard = _locks.RLock()
        self._ended = threading.Condition(self._guard)
        self._on_progress: list[Callable[[str, float], object]] = []
        self._on_done: list[Callable[[Background[T]], object]] = []
        # Not a daemon: one that is cut off inside compiled code takes the process down with a signal.
        self._thread = threading.Thread(target=self._run, name="chroma_nb-map")

    def start(self) -> Background[T]:
        """Begin."""
        self._thread.start()
        return self

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._done

    @property
    def stopped(self) -> bool:
        """Whether it ended because it was asked to."""
        return isinstance(self.error, StoppedError)

    def stop(self) -> None:
        """Ask it to end at its next step; wait() returns when it has."""
        self._stopping = True

    def ended(self, timeout: float | None) -> bool:
        """Whether it has ended, after waiting for that at most ``timeout`` seconds."""
        with self._guard:
            return self._ended.wait_for(lambda: self._done, timeout)

    def wait(self, timeout: float | None = None) -> T | None:
        """Its result, or None when it was stopped; raises what it raised, and TimeoutError."""
        if not self.ended(timeout):
            raise TimeoutError(f"still {self.progress[0]} after {timeout} s")
        if self.error is not None and not self.stopped:
            raise self.error
        return self._result

    def on_progress(self, callback: Callable[[str, float], object]) -> None:
        """Call ``callback(stage, share)`` at each step."""
        self._on_progress.append(callback)

    def on_done(self, callback: Callable[[Background[T]], object]) -> None:
        """Call ``callback(self)`` at the end, at once when that has come."""
        with self._guard:
            if not self.done:
                self._on_done.append(callback)
                return
        callback(self)

    def _report(self, stage: str, share: float) -> None:
        if self._stopping or not threading.main_thread().is_alive():
            raise StoppedError(f"stopped while {stage}")
        self.progress = (stage, share)
        for callback in self._on_progress:
            callback(stage, share)

    def _run(self) -> None:
        try:
            self._result = self._work(self._report)
        except BaseException as error:  # noqa: BLE001 - raised again where somebody waits
            self.error = error
        with self._guard:
            self._done = True
            callbacks = list(self._on_done)
            self._ended.notify_all()
        for callback in callbacks:
            callback(self)

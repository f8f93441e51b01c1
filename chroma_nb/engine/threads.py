"""Work on the parts of an array in several threads: numpy releases the GIL while it computes.

The threads wait in the operating system, not in a loop, so they cost nothing on a busy machine. BLAS's own threads,
which spin, cost a hundred times the work itself there (docs/architecture.md, "Searching").
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from chroma_nb._processors import may_use_threads, usable_processors

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

#: The time is spent on reading memory; more threads than this do not read it faster.
_MOST: Final = 8
#: Below this number of bytes, starting another thread does not pay.
_SMALLEST_BYTES: Final = 1 << 22

_pool: ThreadPoolExecutor | None = None


class _This(threading.local):
    """Whether the current thread belongs to the engine.

    Foreign code runs in such threads, too: finalizers, if the garbage collector happens to run there.
    """

    ours = False


THIS = _This()


def rows_worth_a_thread(row_bytes: int) -> int:
    """The fewest rows of this size that are worth another thread.

    >>> rows_worth_a_thread(4 * 1024)
    1024
    """
    return max(1, _SMALLEST_BYTES // max(1, row_bytes))


@dataclass
class Halt:
    """Whether the parts of some work should stop, because one of them failed or was interrupted.

    Parts that check it between two slices do not keep an interrupted caller waiting.
    """

    is_asked: bool = False


def in_parts(length: int, smallest: int, work: Callable[[int, int], object], halt: Halt | None = None) -> None:
    """Call ``work(start, stop)`` for parts of ``range(length)``, none below ``smallest``, in parallel, and wait.

    ``halt`` is set when a part fails or the caller is interrupted, before waiting for the other parts.

    >>> squares = [0] * 5
    >>> in_parts(5, 2, lambda start, stop: squares.__setitem__(slice(start, stop), [i * i for i in range(start, stop)]))
    >>> squares
    [0, 1, 4, 9, 16]
    """
    parts = min(usable_processors(), _MOST, length // max(1, smallest))
    # Foreign code may run in our threads, and Python's locks around threads are not re-entrant.
    if parts < 2 or THIS.ours or not may_use_threads():
        work(0, length)
        return
    bounds = [length * part // parts for part in range(parts + 1)]
    given = []

    def beside(start: int, stop: int) -> None:
        """A part in another thread."""
        try:
            work(start, stop)
        except BaseException:
            if halt is not None:
                halt.is_asked = True
            raise

    try:
        for start, stop in pairwise(bounds[1:]):
            try:
                given.append((_threads().submit(beside, start, stop), start, stop))
            except RuntimeError:  # the interpreter is ending and accepts no work
                work(start, stop)
        work(bounds[0], bounds[1])
        for part, start, stop in reversed(given):
            if part.cancel():  # no thread was free: other calls keep them busy
                work(start, stop)
        for part, _, _ in given:
            if not part.cancelled():
                part.result()
    except BaseException:  # an interrupt, too, while the others are waited for
        if halt is not None:
            halt.is_asked = True
        raise
    finally:
        for part, _, _ in given:
            if not part.cancel():
                part.exception()  # waits: no part is running when this returns


def _threads() -> ThreadPoolExecutor:
    global _pool
    if _pool is None:
        from concurrent.futures import ThreadPoolExecutor

        _pool = ThreadPoolExecutor(
            min(usable_processors(), _MOST) - 1,
            thread_name_prefix="chroma_nb scan",
            initializer=lambda: setattr(THIS, "ours", True),
        )
    return _pool


def _forget() -> None:
    """A forked child has only the thread that forked."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

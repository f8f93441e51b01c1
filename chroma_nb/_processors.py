"""How many processors this process may use, and whether threads may be given work now."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

from chroma_nb._reentry import is_running


@cache
def usable_processors() -> int:
    """How many processors this process may use: its affinity, and the container's quota.

    >>> usable_processors() >= 1
    True
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        count = min(count, max(1, int(quota) // int(period)))
    except (OSError, ValueError):  # no such file; "max"
        pass
    return count


def may_use_threads() -> bool:
    """Whether threads may be started and given work now.

    Not by a signal handler or a callback in the middle of Python's own starting and ending of threads: its locks there
    are not re-entrant, and one of them is common to all pools.

    >>> may_use_threads()
    True
    """
    held: list[Any] = [Thread.start, Thread.join, Thread.is_alive]
    # Not imported here: once Python is ending it cannot be any more, and nothing of it runs where nobody has.
    pools = sys.modules.get("concurrent.futures.thread")
    executor = getattr(pools, "ThreadPoolExecutor", None)  # None while it is being imported
    if executor is not None:
        held += [executor.submit, executor.shutdown]
    return not any(is_running(function.__code__) for function in held)

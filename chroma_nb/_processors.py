"""How many processors there are for us."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path


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

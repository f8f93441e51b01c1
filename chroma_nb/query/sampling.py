"""Which records a random sample takes."""

from __future__ import annotations

import random


def sampled(count: int, n: int, seed: int | None) -> list[int]:
    """The places of ``n`` of ``count`` records, each once, ascending; all of them where there are no more.

    It depends on these three numbers alone: with a seed the same for records in memory, on disk and of any server.

    >>> sampled(1000, 3, seed=1)
    [137, 582, 867]
    """
    return sorted(random.Random(seed).sample(range(count), min(n, count)))  # noqa: S311  # nothing secret

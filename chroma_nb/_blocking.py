"""Run slow calls of coroutines off the event loop: checking arguments, embedding texts and converting tables.

The synchronous code that is generated has plain calls instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def run(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """``call(*args, **kwargs)``, off the event loop."""
    from asyncio import to_thread

    return await to_thread(call, *args, **kwargs)

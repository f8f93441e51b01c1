"""Where a coroutine calls what takes long: checking arguments, embedding texts and converting tables.

In the synchronous code that is generated from it there is a plain call instead.
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

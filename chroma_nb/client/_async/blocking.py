"""Work that takes long, off the event loop: checking arguments, embedding texts. The synchronous client calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def run(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """``call(*args, **kwargs)`` in a thread, while the event loop goes on."""
    from asyncio import to_thread

    return await to_thread(call, *args, **kwargs)

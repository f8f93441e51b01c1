"""Where a client calls what takes long: checking arguments and embedding texts keep an event loop waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def run(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """``call(*args, **kwargs)``, off the event loop where there is one."""
    from asyncio import to_thread

    return await to_thread(call, *args, **kwargs)

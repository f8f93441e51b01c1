# Generated from chroma_nb/client/_async/blocking.py by python -m chroma_nb.client._generate_sync: change that file, not this one.
# fmt: off
# ruff: noqa: I001
"""Where a client calls what takes long: checking arguments and embedding texts keep an event loop waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def run(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """``call(*args, **kwargs)``, off the event loop where there is one."""
    return call(*args, **kwargs)

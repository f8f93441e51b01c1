"""The names of Chroma's ``types`` that are defined in layers above ``types.py``, which must not import them.

Programs written for Chroma import Schema and its like from there. The package is above every layer and imported before
its modules, so it hands over the function that finds them.
"""

from __future__ import annotations

from collections.abc import Callable

_finders: list[Callable[[str], object]] = []


def hand_over(find: Callable[[str], object]) -> None:
    """``find`` returns what is called so; KeyError for a name that it does not know."""
    _finders[:] = [find]


def find(name: str) -> object:
    """What is called so; KeyError when there is nothing."""
    if not _finders:
        raise KeyError(name)
    return _finders[0](name)

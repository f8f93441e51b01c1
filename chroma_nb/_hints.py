"""Suggestions for unknown names, and warnings about arguments that a call ignores."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def nearest(word: object, known: Iterable[object], cutoff: float = 0.6) -> str | None:
    """The known name that is most like ``word``; None where none is.

    >>> nearest("colour", ["color", "size"])
    'color'
    """
    from difflib import get_close_matches  # for errors only

    names = [name for name in known if isinstance(name, str)]
    close = get_close_matches(word, names, n=1, cutoff=cutoff) if isinstance(word, str) else []
    return close[0] if close else None


def meant(word: object, known: Iterable[object], cutoff: float = 0.6) -> str:
    """What was perhaps meant, as a sentence; empty where nothing is like it.

    >>> meant("allow_rest", ["allow_reset", "environment"])
    "Did you mean 'allow_reset'?"
    """
    close = nearest(word, known, cutoff)
    return f"Did you mean {close!r}?" if close else ""


#: Where the modules of this package are.
_PACKAGE: Final = f"{Path(__file__).parent}{os.sep}"


def warn(words: str) -> None:
    """Warn at the line of the caller outside this package; Python shows it once for each such line."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(words, stacklevel=level)


def unknown_option(call: str, name: str, known: Iterable[str], instead: Mapping[str, str] | None = None) -> str:
    """What to say of an option that a call does not have; ``instead``: other words for some that it has.

    >>> unknown_option("figure", "colour", ["color", "size"])
    "figure() has no option 'colour'. Did you mean 'color'?"
    """
    names = list(known)
    other = (instead or {}).get(name)
    hint = f"Did you mean {other!r}?" if other else meant(name, names) or f"Its options: {', '.join(names)}."
    return f"{call}() has no option {name!r}. {hint}"


def suggesting(**instead: str) -> Callable[[F], F]:
    """Have a method say which option was perhaps meant by one that it does not have."""

    def decorate(method: F) -> F:
        """``method``, which checks the names of its options."""
        code = method.__code__
        known = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
        allowed = frozenset(known)

        @wraps(method)
        def checked(*args: object, **kwargs: object) -> Any:
            """Call the method; TypeError for an option that it does not have."""
            if not allowed.issuperset(kwargs):
                name = next(name for name in kwargs if name not in allowed)
                raise TypeError(unknown_option(method.__name__, name, known, instead))
            return method(*args, **kwargs)

        return cast(F, checked)

    return decorate

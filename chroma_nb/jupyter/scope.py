"""The variables visible to a magic: those of the function it is in, then those of the notebook.

IPython passes a line magic the local variables of its caller, and a cell magic those of the notebook. Neither passes
the variables of enclosing functions, which Python sees as well, so this module inspects the frames.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from types import CodeType, FrameType

from chroma_nb.collection import Client, Collection, client_of

#: Whose frames stand between the one who wrote the magic and its command.
_BETWEEN = frozenset(("IPython", "chroma_nb", "decorator", "traitlets", "contextlib"))


class Scope(Mapping[str, object]):
    """Variables from the inside out; a local one that has no value yet hides those of the same name."""

    def __init__(
        self, functions: Sequence[Mapping[str, object]], outside: Sequence[Mapping[str, object]], local: frozenset[str]
    ) -> None:
        self._layers = [*functions, *outside]
        #: The names that are local where the magic stands, with a value or without.
        self.local = local
        #: The variables of the functions alone.
        self.of_functions: dict[str, object] = {}
        for layer in reversed(functions):
            self.of_functions.update(layer)

    def __getitem__(self, name: str) -> object:
        for place, layer in enumerate(self._layers):
            if name in layer:
                return layer[name]
            if place == 0 and name in self.local:
                break
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        names = dict.fromkeys(itertools.chain.from_iterable(self._layers))
        return (name for name in names if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        hidden = name in self.local and name not in self._layers[0]
        return not hidden and any(name in layer for layer in self._layers)


def seen_by_the_caller(notebook: dict[str, object]) -> Mapping[str, object]:
    """The variables where the magic was written: ``notebook`` itself, where that is a cell, not a function."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in _BETWEEN:
        frame = frame.f_back
    if frame is None:
        return notebook
    outside = [notebook] if frame.f_globals is notebook else [frame.f_globals, notebook]
    if frame.f_locals is frame.f_globals:
        return notebook if len(outside) == 1 else Scope([], outside, frozenset())
    functions = [dict(function.f_locals) for function in (frame, *_around(frame))]
    return Scope(functions, outside, frozenset((*frame.f_code.co_varnames, *frame.f_code.co_cellvars)))


def _around(frame: FrameType) -> Iterator[FrameType]:
    """The functions that this one is written in, as far as they still run, the nearest first."""
    inner, outer = frame.f_code, frame.f_back
    while outer is not None:
        if (
            outer.f_code is not inner
            and outer.f_code.co_flags & inspect.CO_OPTIMIZED
            and _contains(outer.f_code, inner)
        ):
            yield outer
            inner = outer.f_code
        outer = outer.f_back


def _contains(code: CodeType, inner: CodeType) -> bool:
    return any(
        constant is inner or _contains(constant, inner) for constant in code.co_consts if isinstance(constant, CodeType)
    )


def client_for(collection: Collection) -> Client | None:
    """The first client among the variables of the notebook that has this collection."""
    return client_of(collection, notebook_variables())


def notebook_variables() -> list[object]:
    """The values of the notebook's variables; none outside of a notebook."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return [] if shell is None else list(shell.user_ns.values())

"""A call in the middle of another call of the same thread, at any line, and what both may leave.

A trace function runs where a signal handler, a finalizer or a debugger may run: between any two lines.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import chroma_nb
from chroma_nb.engine.storage.sqlite import IN_THE_MIDDLE
from chroma_nb.errors import ChromaError

PACKAGE = str(Path(chroma_nb.__file__).parent)
#: A collection by its ids; the value says which call wrote a record last.
State = dict[str, int]

BASE: State = {f"r{number}": 0 for number in range(10)}
DIMENSION = 4


def vector(ident: str, version: int) -> list[float]:
    """The vector of a record; no two versions are equal."""
    return [float(sum(map(ord, ident))), float(version), 1.0, 0.5]


def fields(state: State) -> dict[str, Any]:
    """The arguments of add, update and upsert."""
    return {
        "ids": list(state),
        "embeddings": [vector(ident, version) for ident, version in state.items()],
        "documents": [f"{ident} version {version}" for ident, version in state.items()],
        "metadatas": [{"version": version} for version in state.values()],
    }


def stored(collection: Any, **arguments: Any) -> State:
    """What a collection holds; every field must tell the same version."""
    got = collection.get(include=["embeddings", "documents", "metadatas"], **arguments)
    state = {ident: metadata["version"] for ident, metadata in zip(got["ids"], got["metadatas"], strict=True)}
    assert got["documents"] == [f"{ident} version {version}" for ident, version in state.items()]
    assert [list(row) for row in got["embeddings"]] == [vector(ident, version) for ident, version in state.items()]
    return state


def _added(new: State) -> Callable[[State], State]:
    return lambda state: {**new, **state}


def _updated(new: State) -> Callable[[State], State]:
    return lambda state: {ident: new.get(ident, version) for ident, version in state.items()}


def _upserted(new: State) -> Callable[[State], State]:
    return lambda state: {**state, **new}


def _deleted(ids: set[str]) -> Callable[[State], State]:
    return lambda state: {ident: version for ident, version in state.items() if ident not in ids}


def _same(state: State) -> State:
    return state


@dataclass(frozen=True)
class Operation:
    """A call: what it does, what it makes of the records, and what a reader sees of them (None: nothing)."""

    call: Callable[[Any, Any], Any]
    effect: Callable[[State], State] = _same
    sees: Callable[[State], Any] | None = None


def operations(version: int) -> Mapping[str, Operation]:
    """Every kind of call; its records carry ``version``, so that two of them can be told apart."""
    some = {f"r{number}": version for number in range(version, version + 4)}
    new = {f"n{version}-{number}": version for number in range(3)}
    gone = {f"r{number}" for number in range(version + 2, version + 5)}
    at = vector("r1", 0)
    return {
        "add": Operation(lambda client, c: c.add(**fields({**new, "r0": version})), _added({**new, "r0": version})),
        "update": Operation(lambda client, c: c.update(**fields(some)), _updated(some)),
        "upsert": Operation(lambda client, c: c.upsert(**fields({**some, **new})), _upserted({**some, **new})),
        "delete": Operation(lambda client, c: c.delete(ids=sorted(gone)) and None, _deleted(gone)),
        "delete where": Operation(
            lambda client, c: c.delete(where={"version": 0}, where_document={"$contains": "r9"}) and None,
            lambda state: {ident: v for ident, v in state.items() if (ident, v) != ("r9", 0)},
        ),
        "get": Operation(lambda client, c: stored(c), sees=_same),
        "get where": Operation(
            lambda client, c: stored(c, where={"version": {"$gte": 0}}, where_document={"$contains": "version"}),
            sees=_same,
        ),
        "count": Operation(lambda client, c: c.count(), sees=len),
        "query": Operation(
            lambda client, c: sorted(c.query(query_embeddings=[at], n_results=100)["ids"][0]), sees=sorted
        ),
        "query where": Operation(
            lambda client, c: sorted(
                c.query(query_embeddings=[at], n_results=100, where={"version": {"$lt": 100}})["ids"][0]
            ),
            sees=sorted,
        ),
        "modify": Operation(lambda client, c: c.modify(metadata={"by": version})),
        "create": Operation(lambda client, c: client.get_or_create_collection(f"made-{version}").count(), sees=_zero),
        "list": Operation(
            lambda client, c: "kept" in [one.name for one in client.list_collections()], sees=lambda s: True
        ),
        "drop another": Operation(lambda client, c: _drop_another(client, f"another-{version}")),
        "verify": Operation(lambda client, c: client.verify(), sees=lambda state: []),
        "vacuum": Operation(lambda client, c: client.vacuum() and None),
    }


def _zero(state: State) -> int:
    return 0


def _drop_another(client: Any, name: str) -> None:
    client.get_or_create_collection(name)
    client.delete_collection(name)


@dataclass
class Nest:
    """Calls ``inner`` once, at the ``at``-th line of the package that this thread runs inside the block."""

    inner: Callable[[], Any]
    at: int
    lines: int = 0
    answer: Any = None
    error: BaseException | None = None
    entered: bool = False
    frame: str = ""
    _inside: bool = field(default=False, repr=False)

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not self._inside:
            self.lines += 1
            if self.lines == self.at:
                self._enter(frame)
        return self._line

    def _enter(self, frame: FrameType) -> None:
        self._inside, self.entered = True, True
        self.frame = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        try:
            self.answer = self.inner()
        except ChromaError as error:
            self.error = error
        finally:
            self._inside = False

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._line(frame, event, argument) if frame.f_code.co_filename.startswith(PACKAGE) else None

    @contextmanager
    def block(self) -> Iterator[None]:
        """Trace what runs inside."""
        previous = sys.gettrace()
        sys.settrace(self._call)
        try:
            yield
        finally:
            sys.settrace(previous)


def nest(client: Any, collection: Any, outer: Operation, inner: Operation, at: int) -> Nest:
    """``outer`` with ``inner`` at its ``at``-th line; both, and what they leave, must be as one after the other."""
    before = stored(collection)
    nested = Nest(lambda: inner.call(client, collection), at)
    with nested.block():
        answer = outer.call(client, collection)
    if not nested.entered:
        assert stored(collection) == outer.effect(before)
        return nested
    check(nested, outer, inner, before, answer)
    left = stored(collection)
    assert left in states_after(nested, outer, inner, before), (nested, left)
    assert collection.count() == len(left), nested
    assert client.verify() == [], nested
    return nested


def check(nested: Nest, outer: Operation, inner: Operation, before: State, answer: Any) -> None:
    """The inner call worked or was refused in words; both saw the records as they were at some moment."""
    if nested.error is not None:
        assert IN_THE_MIDDLE in str(nested.error), nested
    elif inner.sees is not None:
        assert nested.answer in [inner.sees(state) for state in (before, outer.effect(before))], nested
    if outer.sees is not None:
        seen = [before] if nested.error is not None else [before, inner.effect(before)]
        assert answer in [outer.sees(state) for state in seen], (nested, answer)


def states_after(nested: Nest, outer: Operation, inner: Operation, before: State) -> list[State]:
    """What may be stored then."""
    if nested.error is not None:
        return [outer.effect(before)]
    return [outer.effect(inner.effect(before)), inner.effect(outer.effect(before))]

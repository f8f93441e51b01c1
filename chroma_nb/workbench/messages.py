"""The page's requests and their handlers. No widgets here.

A request is ``{who, n, kind, …}`` (``who`` is a view of the widget, of which there may be several), its answer
``{who, n, …}`` or ``{who, n, error: a sentence}``. Each kind has one handler in ``HANDLERS``. Of a kind that only
reads, a request that is overtaken before its turn is not computed, and the page drops late answers. Answers are
computed outside of the thread that runs cells, one of a kind at a time.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from chroma_nb.display.markup import failure
from chroma_nb.types import Json
from chroma_nb.workbench import edits, export, facets, record, rows, search, twin
from chroma_nb.workbench import map as map_
from chroma_nb.workbench.seen import Seen


@dataclass(frozen=True)
class Handler:
    """Who answers a kind of request. ``in_turn``: each is answered, none is overtaken, as what writes must be."""

    answer: Callable[[Seen, Json], Json]
    in_turn: bool = False


#: Kind of request -> who answers it.
HANDLERS: Final[dict[str, Handler]] = {
    "alive": Handler(rows.alive),
    "count": Handler(rows.count),
    "facets": Handler(facets.facets),
    "found": Handler(search.found),
    "refresh": Handler(rows.refresh, in_turn=True),
    "rows": Handler(rows.rows),
    "cells": Handler(rows.cells),
    "selected": Handler(rows.selected),
    "select": Handler(rows.select, in_turn=True),
    "record": Handler(record.record),
    "near": Handler(record.near),
    "beside": Handler(record.beside),
    "image": Handler(record.image),
    "copied": Handler(record.copied, in_turn=True),
    "edit": Handler(edits.edit, in_turn=True),
    "create": Handler(edits.create, in_turn=True),
    "tag": Handler(edits.tag, in_turn=True),
    "delete": Handler(edits.delete, in_turn=True),
    "undo": Handler(edits.undo, in_turn=True),
    "export": Handler(export.export, in_turn=True),
    "settled": Handler(twin.settled),
    "map": Handler(map_.points),
    "map_stop": Handler(map_.stop, in_turn=True),
    "map_shown": Handler(map_.shown),
    "map_selected": Handler(map_.selected),
    "map_select": Handler(map_.select, in_turn=True),
    "map_colour": Handler(map_.colour),
    "map_values": Handler(map_.values),
    "map_members": Handler(map_.members),
    "map_labels": Handler(map_.labels),
    "map_rename": Handler(map_.rename, in_turn=True),
    "map_within": Handler(map_.within, in_turn=True),
    "map_hover": Handler(map_.hover),
}


#: Seconds that a request waits for the state that it was asked in.
_PATIENCE: Final = 5.0
#: A view, and a kind of request.
_Line: TypeAlias = tuple[object, str]


class Send(Protocol):
    """Sends an answer to the page."""

    def __call__(self, answer: Json) -> object:
        """Send it; nobody may be there any more."""


class Requests:
    """The page's requests to one workbench."""

    def __init__(self, seen: Seen, send: Send, *, aside: bool = True) -> None:
        """``aside``: answer in threads of their own, one a kind; else where the request is heard."""
        self._seen, self._send, self._aside = seen, send, aside
        self._turn = threading.Condition()
        self._waiting: dict[_Line, deque[Json]] = {}
        self._closed = False
        self._step = 0
        #: Lines whose next request waits for a state, where no thread of its own can wait for it.
        self._held: set[_Line] = set()

    def reached(self, step: int) -> None:
        """The state that the page set as its ``step``-th is there."""
        with self._turn:
            self._step = max(self._step, step)
            self._turn.notify_all()
            held, self._held = self._held, set()
        for line in held:
            self._work(line)

    def _is_reached(self, line: _Line) -> bool:
        """Whether the state is there that the next request of a line was asked in."""
        if self._closed:
            return True
        step: Any = self._waiting[line][0].get("step")
        return not isinstance(step, int) or step <= self._step

    def hear(self, request: Json) -> None:
        """Take a request."""
        line = (request.get("who"), str(request.get("kind")))
        if line[1] not in HANDLERS:
            self._reply(request, {"error": f"unknown message {line[1]!r}; restart the kernel"})
            return
        with self._turn:
            if self._closed:
                return
            runs = line in self._waiting and line not in self._held
            waiting = self._waiting.setdefault(line, deque())
            if not HANDLERS[line[1]].in_turn:
                waiting.clear()
            waiting.append(request)
            if runs:
                return
        if self._aside:
            threading.Thread(target=self._work, args=(line,), name=f"chroma_nb {line[1]}", daemon=True).start()
        else:
            self._work(line)

    def _work(self, line: _Line) -> None:
        """Answer until nothing more waits in this line."""
        while True:
            with self._turn:
                if self._closed or not self._waiting[line]:
                    self._waiting.pop(line, None)
                    self._turn.notify_all()
                    return
                if self._aside:
                    self._turn.wait_for(lambda: self._is_reached(line), _PATIENCE)
                elif not self._is_reached(line):  # here the state is heard behind the request
                    self._held.add(line)
                    return
                if not self._waiting[line]:  # closed meanwhile
                    continue
                request = self._waiting[line].popleft()
            self._reply(request, self._answer(HANDLERS[line[1]], request))

    def _reply(self, request: Json, answer: Json) -> None:
        self._send({"who": request.get("who"), "n": request.get("n"), **answer})

    def _answer(self, handler: Handler, request: Json) -> Json:
        try:
            return handler.answer(self._seen, request)
        except Exception as error:  # noqa: BLE001  # whatever it is, the person at the page is told
            return {"error": failure(error)}

    def settle(self, seconds: float | None = None) -> bool:
        """Wait until everything is answered; False where that takes longer."""
        with self._turn:
            return self._turn.wait_for(lambda: not self._waiting, seconds)

    def close(self) -> None:
        """Answer nothing more."""
        with self._turn:
            self._closed = True
            for waiting in self._waiting.values():
                waiting.clear()
            self._turn.notify_all()
            for line in self._held:
                self._waiting.pop(line, None)
            self._held.clear()

"""The status line, and the user's actions, which it runs.

ipywidgets writes an exception of a callback to a log that nobody sees, and reports values that our code sets in the
same way as those that the user sets. This module handles both for all views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import ipywidgets

from chroma_nb.display.markup import escape, failure, fragment

#: Characters that are shown.
_SHOWN = 500


class StatusLine:
    """``run(step)`` does a step of the person's, while no other is done; ``widget`` shows what came of it.

    A step that returns no text empties the line, or leaves it ``idle()``; a ``lasting`` line keeps what it says until
    there is something else to say, except for what went wrong.
    """

    def __init__(
        self,
        lock: AbstractContextManager[object],
        *,
        idle: Callable[[], str] = lambda: "",
        lasting: bool = False,
        dim: bool = False,
    ) -> None:
        self.widget = ipywidgets.HTML()
        self.lock = lock
        self._idle, self._lasting, self._class = idle, lasting, ' class="dim"' if dim else ""
        self._alerting = False

    def run(self, step: Callable[[], object]) -> None:
        """Do the step; show the text it returns, or what went wrong."""
        with self.lock:
            if self._lasting and self._alerting:
                self.say("")
            try:
                said = step()
            except Exception as error:  # noqa: BLE001  # the database, a model or the person's input: it is shown
                self.say(failure(error), alert=True)
            else:
                if isinstance(said, str):
                    self.say(said)
                elif not self._lasting:
                    self.say("")

    def say(self, text: str, alert: bool = False) -> None:
        """Show this text; "" for what is shown when there is nothing to say."""
        self._alerting = alert
        said = f"{'⚠ ' if alert else ''}{escape(text, _SHOWN)}" if text else escape(self._idle())
        self.widget.value = fragment(f'<div role="{"alert" if alert else "status"}"{self._class}>{said}</div>')


class Filled:
    """A part of a view whose widgets are changed by the person and filled in by us."""

    def __init__(self, status: StatusLine) -> None:
        self.status = status
        self._filling = False

    @contextmanager
    def filling(self) -> Iterator[None]:
        """What changes meanwhile is filled in by us; no step follows."""
        before, self._filling = self._filling, True
        try:
            yield
        finally:
            self._filling = before

    def follow(self, widget: ipywidgets.Widget, step: Callable[[Any], object]) -> None:
        """Run ``step(value)`` when the person has changed the value of the widget.

        The value is that of the change: while the step waits for its turn, another may fill the widget.
        """

        def changed(change: Mapping[str, Any]) -> None:
            """The value is another now."""
            with self.status.lock:
                if not self._filling:
                    self.status.run(lambda: step(change["new"]))

        widget.observe(changed, "value")

"""Buttons, boxes and titles as all views have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import ipywidgets

from chroma_nb.display.markup import Html, escape, visible
from chroma_nb.jupyter.widgets.status import StatusLine

#: Side by side, on several lines where there is no room; the same with the ends apart.
FLOW: Final[Mapping[str, str]] = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "6px"}
APART: Final[Mapping[str, str]] = {**FLOW, "justify_content": "space-between"}


def button(
    text: str, icon: str, tooltip: str | None, status: StatusLine, step: Callable[[], object]
) -> ipywidgets.Button:
    """A button whose step the status line runs."""
    made = ipywidgets.Button(description=text, icon=icon, tooltip=tooltip)
    made.on_click(lambda _: status.run(step))
    return made


def show_undoable(undo: ipywidgets.Button, change: str | None) -> None:
    """The button says which change it takes back; without one it is off."""
    undo.disabled = change is None
    undo.tooltip = f"Undo: {visible(change)}" if change else "Nothing to undo"


def show(widget: ipywidgets.Widget, shown: object) -> None:
    """Show the widget, or hide it, which leaves no room for it."""
    widget.layout.display = None if shown else "none"


def title_html(name: str, about: str) -> Html:
    """What is shown, and something about it."""
    return f'<div class="title">{escape(name, 120)}<span>{escape(about, 200)}</span></div>'

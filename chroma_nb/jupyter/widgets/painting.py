"""The lists that choose the colour and the size of a map's points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import ipywidgets

from chroma_nb.display.markup import shortened
from chroma_nb.jupyter.widgets.explorer_state import By, ExplorerState
from chroma_nb.jupyter.widgets.status import Filled, StatusLine

#: The choice that stands for values by id, which only Python can give; no metadata key is called so.
_OWN: Final = "\x00 own values"


class Painting(Filled):
    """``color`` and ``size`` offer what there is on the map."""

    def __init__(self, state: ExplorerState, status: StatusLine) -> None:
        super().__init__(status)
        self._state = state
        wide = {"description_width": "initial"}
        self.color = ipywidgets.Dropdown(description="Colour", style=wide, layout={"width": "220px"})
        self.size = ipywidgets.Dropdown(description="Size", style=wide, layout={"width": "190px"})
        for choice in (self.color, self.size):
            self.follow(choice, lambda _: self._paint())

    def offer(self) -> None:
        """The current choices, and what is chosen, also from Python."""
        state = self._state
        with self.filling():
            for choice, options, value in (
                (self.color, self._colors(), _choice(state.color)),
                (self.size, self._sizes(), _choice(state.size)),
            ):
                if list(choice.options) != options:
                    choice.options = options
                choice.value = value

    def _paint(self) -> None:
        state = self._state
        state.paint(_by(self.color.value, state.color), _by(self.size.value, state.size))

    def _colors(self) -> list[tuple[str, str]]:
        keys = [key for key in self._state.metadata_keys() if key != "label"]
        first = [("regions", "label"), ("one colour", "")]
        return [*_own(self._state.color), *first, *((shortened(key, 40), key) for key in keys)]

    def _sizes(self) -> list[tuple[str, str]]:
        keys = self._state.metadata_keys(numbers=True)
        return [*_own(self._state.size), ("equal", ""), *((shortened(key, 40), key) for key in keys)]


def _choice(by: By) -> str:
    """As a value of a list box, which shows None as nothing at all."""
    return _OWN if isinstance(by, Mapping) else by or ""


def _by(choice: str, before: By) -> By:
    """What was chosen; the values by id stay what they were."""
    return before if choice == _OWN else choice or None


def _own(by: By) -> list[tuple[str, str]]:
    return [("own values", _OWN)] if isinstance(by, Mapping) else []

"""The buttons that turn the pages of a browser, and the number of the page."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from chroma_nb.display.markup import escape, fragment
from chroma_nb.jupyter.widgets.controls import button
from chroma_nb.jupyter.widgets.pages import Page
from chroma_nb.jupyter.widgets.status import Filled, StatusLine


class PageButtons(Filled):
    """``go(number)`` is called with the page to turn to, from 0."""

    def __init__(self, status: StatusLine, go: Callable[[int], object]) -> None:
        super().__init__(status)
        self._number = self._last_number = 0  # as shown last; the box may hold one that could not be read
        self.number = ipywidgets.BoundedIntText(
            description="Page", min=1, max=1, continuous_update=False, layout={"width": "150px"}
        )
        self.number.style.description_width = "44px"
        self.follow(self.number, lambda number: go(number - 1))
        self.first = button("", "angle-double-left", "First page", status, lambda: go(0))
        self.previous = button("Previous", "angle-left", "Previous page", status, lambda: go(self._number - 1))
        self.next = button("Next", "angle-right", "Next page", status, lambda: go(self._number + 1))
        self.last = button("", "angle-double-right", "Last page", status, lambda: go(self._last_number))
        self.position = ipywidgets.HTML()
        self.widgets = [self.first, self.previous, self.number, self.next, self.last, self.position]

    def show(self, page: Page) -> None:
        """Which page this is, and which there are."""
        self._number, self._last_number = page.number, page.last_number
        with self.filling():
            self.number.max = max(page.last_number, page.number) + 1
            self.number.value = page.number + 1
        self.position.value = fragment(f"of {self.number.max:,} &nbsp; <b>{escape(page.position)}</b>")
        self.first.disabled = self.previous.disabled = page.number == 0
        self.next.disabled = page.number >= page.last_number
        self.last.disabled = self.next.disabled or not page.exact

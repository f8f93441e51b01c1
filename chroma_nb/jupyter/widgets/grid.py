"""A page of records as a grid: ticks and ids as buttons on the left, the table of everything else on the right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import ipywidgets

from chroma_nb.display.markup import shortened, visible
from chroma_nb.jupyter.widgets import page_table
from chroma_nb.jupyter.widgets.browser_state import BrowserState
from chroma_nb.jupyter.widgets.controls import button
from chroma_nb.jupyter.widgets.pages import Page
from chroma_nb.jupyter.widgets.question import Order
from chroma_nb.jupyter.widgets.status import Filled, StatusLine

#: The column of ids, wide enough for a uuid's first half.
_IDS = "220px"
_ARROWS = {False: " ▲", True: " ▼"}


class Grid(Filled):
    """``sort(order)`` and ``open(id)`` are called for a click on a head and an id, ``ticked()`` after a tick."""

    def __init__(
        self,
        state: BrowserState,
        page: Page,
        status: StatusLine,
        *,
        sort: Callable[[Order], object],
        open: Callable[[str], object],
        ticked: Callable[[], object],
    ) -> None:
        super().__init__(status)
        self._state, self._page, self._sort, self._open, self._ticked = state, page, sort, open, ticked
        self._columns: list[page_table.Column] = []
        self._shape: list[tuple[str, int, str]] = []
        self.all = ipywidgets.Checkbox(description="Select all on this page", indent=False)
        self.all.add_class("chroma-nb-tick")
        self.follow(self.all, self._tick_all)
        self.by_id = button("id", "", "Sort by id", status, lambda: sort(Order("id")))
        left = ipywidgets.HBox([self.all, self.by_id], layout={"width": _IDS, "flex": "0 0 auto"})
        self.heads = ipywidgets.HBox([], layout={"flex": "1 1 auto", "min_width": "0"})
        head = ipywidgets.HBox([left, self.heads])
        head.add_class("chroma-nb-head")
        self.lines = [self._line(row) for row in range(state.page_size)]
        self.shown_lines = ipywidgets.VBox([], layout={"width": _IDS, "flex": "0 0 auto"})
        self.table = ipywidgets.HTML(layout={"flex": "1 1 auto", "min_width": "0"})
        self.widget = ipywidgets.VBox([head, ipywidgets.HBox([self.shown_lines, self.table])])
        self.widget.add_class("chroma-nb-grid")

    def _line(self, row: int) -> _Line:
        line = _Line(button("", "", None, self.status, lambda: self._open_row(row)))
        self.follow(line.tick, partial(self._tick, row))
        return line

    def show(self, page: Page, keys: Sequence[str]) -> None:
        """The lines and heads of a page; ``show_selection`` shows the table."""
        self._page = page
        self._show_heads(keys)
        self.shown_lines.children = [line.widget for line in self.lines[: len(page.ids)]]
        for id_, line in zip(page.ids, self.lines, strict=False):
            line.fill(id_)

    def show_selection(self) -> None:
        """Ticks and highlights follow the selection."""
        selection = self._state.selection
        with self.filling():
            for id_, line in zip(self._page.ids, self.lines, strict=False):
                line.tick.value = id_ in selection
            self.all.value = bool(self._page.ids) and all(id_ in selection for id_ in self._page.ids)
        caption = f"Records of {self._state.collection.name}: {self._page.position}"
        self.table.value = page_table.live_html(
            caption, self._page, self._columns, self._state.question.order, selection
        )

    # --- Heads ---
    def _show_heads(self, keys: Sequence[str]) -> None:
        columns = page_table.columns(keys, self._page, page_table.marks_of(self._state.question, self._page))
        order = self._state.question.order
        self.by_id.description = "id" + (_ARROWS[order.descending] if order.by == "id" else "")
        shape = [(column.head, column.width, column.kind) for column in columns]
        if shape != self._shape:
            self._shape = shape
            self.heads.children = [self._head(column) for column in columns]
        self._columns = columns
        for column, head in zip(columns, self.heads.children, strict=True):
            sorts = column.order is not None and (column.order.by, column.order.key) == (order.by, order.key)
            head.description = shortened(visible(column.head), 40) + (_ARROWS[order.descending] if sorts else "")

    def _head(self, column: page_table.Column) -> ipywidgets.Button:
        if column.order is None:
            head = button(column.head, "", "The document; sort by id, metadata or distance", self.status, lambda: None)
            head.disabled = True
        else:
            head = button("", "", f"Sort by {visible(column.head)}", self.status, partial(self._sort, column.order))
        head.layout = ipywidgets.Layout(width=f"{column.width}%", flex="0 0 auto", min_width="0")
        if column.kind:
            head.add_class(column.kind)
        return head

    # --- What the person does ---
    def _open_row(self, row: int) -> None:
        if row < len(self._page.ids):
            self._open(self._page.ids[row])

    def _tick(self, row: int, ticked: bool) -> None:
        if row < len(self._page.ids):
            self._select([self._page.ids[row]], ticked)

    def _tick_all(self, ticked: bool) -> None:
        self._select(self._page.ids, ticked)

    def _select(self, ids: Sequence[str], ticked: bool) -> None:
        selection = self._state.selection
        (selection.add if ticked else selection.remove)(ids, self)
        self._ticked()


class _Line:
    """The tick and the id of one line of the table."""

    def __init__(self, open: ipywidgets.Button) -> None:
        self.tick = ipywidgets.Checkbox(indent=False)
        self.tick.add_class("chroma-nb-tick")
        self.open = open
        self.widget = ipywidgets.HBox([self.tick, self.open])
        self.widget.add_class("chroma-nb-line")

    def fill(self, id: str) -> None:
        """This record."""
        shown = shortened(visible(id), 80)
        # What names a tick is typeset by ipywidgets, which nothing keeps from taking "$" for the start of a formula.
        self.tick.description = "Select " + shown.replace("$", "\N{FULLWIDTH DOLLAR SIGN}")
        self.open.description, self.open.tooltip = shown, f"Open {shown}"

"""The selected records of a map as a table, which of them are marked on the map, and the first of those in full."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from chroma_nb.display.markup import chips, document, escape, facts, fragment, shortened, table
from chroma_nb.jupyter.widgets.controls import FLOW, button, show
from chroma_nb.jupyter.widgets.explorer_state import ExplorerState
from chroma_nb.jupyter.widgets.status import Filled, StatusLine


class SelectionTable(Filled):
    """A page of the selection; ``turned()`` is called when another is to be shown."""

    def __init__(self, state: ExplorerState, status: StatusLine, turned: Callable[[], object]) -> None:
        super().__init__(status)
        self._state, self._turned = state, turned
        self.rows = ipywidgets.HTML()
        self.pick = ipywidgets.SelectMultiple(
            description="Mark",
            style={"description_width": "initial"},
            layout={"width": "24%", "min_width": "150px", "max_width": "260px", "flex": "none"},
            tooltip="Mark these on the map",
        )
        self.follow(self.pick, state.look_at)
        self.previous = button("Previous", "angle-left", None, status, lambda: self._turn(-1))
        self.next = button("Next", "angle-right", None, status, lambda: self._turn(1))
        self.of_pages = ipywidgets.HTML()
        self.keep = button(
            "Select only marked", "", "Narrow the selection to the marked rows", status, state.keep_focused
        )
        self.clear = button("Clear selection", "", "Select nothing", status, state.selection.clear)
        self.paging = ipywidgets.HBox([self.previous, self.next, self.of_pages], layout=FLOW)

    def show(self) -> None:
        """The page as it is now."""
        rows, state = self._state.table(), self._state
        chosen = len(state.selection)
        caption = f"{chosen:,} of {len(state.projection):,} records selected"
        cells = [
            [
                escape(row["id"], 60),
                escape(row["document"] or "", 160),
                escape(row["label"] or "", 60),
                chips(row["metadata"], 5),
            ]
            for row in rows
        ]
        hint = "Draw around points on the map, or search: their records are listed here."
        if not len(state.projection):
            hint = "There are no records on this map."
        empty = f'<p class="dim">{hint}</p>'
        heads = ["id", "document", "region", "metadata"]
        self.rows.value = fragment(table(caption, heads, cells) if rows else empty)
        self._offer([row["id"] for row in rows])
        self.of_pages.value = fragment(f"page {state.page + 1} of {state.pages}")
        self.previous.disabled, self.next.disabled = state.page == 0, state.page + 1 >= state.pages
        self.keep.disabled = self.clear.disabled = not chosen
        show(self.paging, state.pages > 1)

    def show_marks(self) -> None:
        """What is marked, among what can be."""
        with self.filling():
            offered = {id_ for _, id_ in self.pick.options}
            self.pick.value = [id_ for id_ in self._state.focus if id_ in offered]

    def _offer(self, ids: list[str]) -> None:
        with self.filling():
            self.pick.value = ()  # first: the page would mark the old places among the new options
            self.pick.options = [(shortened(id_, 40), id_) for id_ in ids]
            self.pick.value = [id_ for id_ in self._state.focus if id_ in ids]
            self.pick.rows = max(2, len(ids))

    def _turn(self, by: int) -> None:
        self._state.turn(by)
        self._turned()


class MarkedRecord:
    """The first of the marked records, beside the map."""

    def __init__(self, state: ExplorerState, status: StatusLine) -> None:
        self._state = state
        self.record = ipywidgets.HTML()
        self.close = button("Close record", "times", "Mark nothing", status, lambda: state.look_at(()))
        self.widget = ipywidgets.VBox(
            [self.record, ipywidgets.HBox([self.close])],
            layout={"flex": "0 1 300px", "min_width": "0", "display": "none"},
        )

    def show(self) -> None:
        """The record as it is in the collection now."""
        focus = self._state.focus
        show(self.widget, focus)
        try:
            found = self._state.record()
        except Exception:
            self.record.value = ""  # not another's beside this one's mark
            raise
        if found is None:
            gone = f"{focus[0]} is not in the collection any more" if focus else ""
            self.record.value = fragment(escape(gone, 200)) if gone else ""
            return
        pairs = [("document", document(found.document)), ("metadata", chips(found.metadata, 40))]
        self.record.value = fragment(facts(f"Record {found.id}", pairs))

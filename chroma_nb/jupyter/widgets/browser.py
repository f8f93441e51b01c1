"""The widget of ``browse(collection)``: what its parts do together.

What they show is decided in ``browser_state.py``; a change of records is made by ``changes.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import ipywidgets

from chroma_nb.collection import Client, Collection, space, stored_function
from chroma_nb.display.formatters import model_name
from chroma_nb.display.markup import Html, visible
from chroma_nb.jupyter.widgets import page_table
from chroma_nb.jupyter.widgets.browser_state import BrowserState, Rows
from chroma_nb.jupyter.widgets.controls import APART, button, show_undoable, title_html
from chroma_nb.jupyter.widgets.deletion import DeleteQuestion
from chroma_nb.jupyter.widgets.displayed import Displayed
from chroma_nb.jupyter.widgets.export import ExportForm
from chroma_nb.jupyter.widgets.grid import Grid
from chroma_nb.jupyter.widgets.page_buttons import PageButtons
from chroma_nb.jupyter.widgets.pages import PAGE_SIZE, Page
from chroma_nb.jupyter.widgets.question import Order
from chroma_nb.jupyter.widgets.question_form import QuestionForm
from chroma_nb.jupyter.widgets.record import NewRecord, RecordPanel
from chroma_nb.jupyter.widgets.status import StatusLine
from chroma_nb.jupyter.widgets.style import STYLE
from chroma_nb.types import Where, WhereDocument
from chroma_nb.workbench.selection import Selection

if TYPE_CHECKING:
    import pandas


class Browser(Displayed):
    """A collection, live. ``selection`` follows the ticks, ``where`` the filter; ``to_df()`` is what is shown.

    ``widget`` may stand in a layout of your own; ``state`` can be driven from Python, followed by ``refresh()``.
    """

    def __init__(
        self,
        collection: Collection,
        *,
        readonly: bool = True,
        where: Where | None = None,
        where_document: WhereDocument | None = None,
        columns: Sequence[str] | None = None,
        page_size: int = PAGE_SIZE,
        selection: Selection | None = None,
        client: Client | None = None,
    ) -> None:
        self.state = BrowserState(
            collection,
            page_size=page_size,
            readonly=readonly,
            where=where,
            where_document=where_document,
            selection=selection,
            client=client,
        )
        self._columns = None if columns is None else list(columns)
        _ = self.state.keys  # first: where these are of all records, they need not be counted
        self.page: Page = self.state.read()
        self._build()
        self.state.selection.on_select(lambda _: self._show_selection(), source=self.grid)
        self._render()

    # --- For Python ---
    @property
    def collection(self) -> Collection:
        """What is browsed."""
        return self.state.collection

    @property
    def selection(self) -> Selection:
        """The ids that are ticked, on whatever page."""
        return self.state.selection

    @property
    def where(self) -> Where | None:
        """The filter on metadata that is shown, as ``get`` and ``query`` take it."""
        return self.state.where

    @property
    def where_document(self) -> WhereDocument | None:
        """The filter on documents that is shown, as ``get`` and ``query`` take it."""
        return self.state.where_document

    def to_df(self, rows: Rows = "all") -> pandas.DataFrame:
        """What is shown as a DataFrame: all that match, in their order; or the "page"; or the "selected"."""
        with self.state.lock:
            return self.state.to_df(rows)

    def refresh(self) -> None:
        """Read again: what others wrote appears."""
        with self.state.lock:
            self.state.refresh()
            self.question.offer(self.state.keys)  # before the page, as at the beginning
            self._show()

    def __repr__(self) -> str:
        return f"<Browser of {visible(self.collection.name)}>"

    # --- The parts ---
    def _build(self) -> None:
        status = self.status = StatusLine(self.state.lock, idle=self._note, dim=True)
        self.title = ipywidgets.HTML()
        self.reread = button("Refresh", "refresh", "Read again: what others wrote appears", status, self.refresh)
        self.undo = button("Undo", "undo", "Take back the last change", status, self._undo)
        self.question = QuestionForm(self.state, status, self._ask)
        self.grid = Grid(self.state, self.page, status, sort=self._sort, open=self._open, ticked=self._show_selection)
        self.pages = PageButtons(status, self._go)
        self.unselect = button("Unselect all", "", "Select nothing", status, lambda: self.selection.clear())
        self.deletion = DeleteQuestion(status, self._delete)
        self.delete_selected = button(
            "Delete selected…",
            "trash",
            "Delete the selected records; asks first",
            status,
            lambda: self.deletion.ask(self.selection.ids),
        )
        self.record = RecordPanel(self.state, status, open=self._open, delete=self.deletion.ask, changed=self._show)
        self.new = NewRecord(self.state, status, changed=self._show)
        self.export = ExportForm(self.state, status)
        self.widget = self._arranged()

    def _arranged(self) -> ipywidgets.VBox:
        """The parts in their places; without those that write, where the browser only reads."""
        writable = not self.state.readonly
        tools = ipywidgets.HBox([self.reread, self.undo] if writable else [self.reread])
        pages = ipywidgets.HBox([*self.pages.widgets, self.unselect, *([self.delete_selected] if writable else [])])
        pages.add_class("chroma-nb-pages")
        more = ipywidgets.Accordion(
            [self.export.widget, *([self.new.widget] if writable else [])],
            titles=("Export", "New record"),
            selected_index=None,
        )
        whole = ipywidgets.VBox(
            [
                ipywidgets.HTML(STYLE, layout={"display": "none"}),
                ipywidgets.HBox([self.title, tools], layout=APART),
                *self.question.widgets,
                self.grid.widget,
                pages,
                self.status.widget,
                self.deletion.widget,
                self.record.widget,
                more,
            ]
        )
        return whole.add_class("chroma-nb-browser")

    # --- Doing ---
    def _ask(self, **parts: object) -> None:
        """Another question; if it fails, the one before stays."""
        before, number = self.state.question, self.state.number
        try:
            self.state.ask(**parts)
            self._show()
        except Exception:
            self.state.question, self.state.number = before, number
            self.state.refresh()
            raise

    def _sort(self, order: Order) -> None:
        """By this; the other way round where it is so already; as stored at the third time."""
        now = self.state.question.order
        same = (now.by, now.key) == (order.by, order.key)
        if same and now.descending:
            order = Order()
        elif same:
            order = Order(order.by, order.key, descending=True)
        self._ask(order=order)

    def _go(self, number: int) -> None:
        self.state.go(number)
        self._show()

    def _open(self, id: str) -> None:
        record = self.state.record(id)
        if record is None:
            raise ValueError(f"the record {id!r} is not there any more; refresh to see what is")
        self.record.show(record)

    def _delete(self, ids: Sequence[str]) -> str:
        done = self.state.delete(ids)
        if self.record.record is not None and self.record.record.id in ids:
            self.record.close()
        self._show()
        return f"Done: {done}. Undo brings it back."

    def _undo(self) -> str:
        done = self.state.undo()
        self._show()
        if self.record.record is not None:
            again = self.state.record(self.record.record.id)
            self.record.close() if again is None else self.record.show(again)
        return f"Taken back: {done}."

    # --- Showing ---
    def _show(self) -> None:
        self.page = self.state.read()
        self._render()

    def _render(self) -> None:
        self.question.show()
        self._show_title()
        self.grid.show(self.page, self._keys())
        self.pages.show(self.page)
        show_undoable(self.undo, self.state.undoable)
        self._show_selection()

    def _show_selection(self) -> None:
        """Ticks, highlights and numbers follow the selection."""
        with self.state.lock:
            self.grid.show_selection()
            self.unselect.disabled = self.delete_selected.disabled = not len(self.selection)
            self.status.say("")

    def _note(self) -> str:
        """What stands on the status line when there is nothing else to say."""
        chosen = len(self.selection)
        selected = f"{chosen:,} selected" if chosen else ""
        return "; ".join(text for text in (self.page.note, selected) if text)

    def _show_title(self) -> None:
        facts = [f"{self.state.count:,} records", space(self.collection), model_name(stored_function(self.collection))]
        facts += ["read only"] if self.state.readonly else []
        self.title.value = title_html(self.collection.name, " · ".join(facts))

    def _keys(self) -> list[str]:
        return self._columns if self._columns is not None else list(self.state.keys)

    def _static(self) -> Html:
        caption = f"Collection {self.collection.name}: {self.page.position}"
        return page_table.static_html(caption, self.page, self._keys())

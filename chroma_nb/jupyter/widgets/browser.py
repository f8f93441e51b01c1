"""The widgets of ``browse(collection)`` and ``browse(client)``: their parts, their buttons, and what stays when saved.

What they show is decided in ``browser_state.py``; a change of records is made by ``changes.py``.
"""

from __future__ import annotations

import itertools
import keyword
import threading
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets

from chroma_nb.collection import Client, Collection, client_of, space, stored_function
from chroma_nb.jupyter.formatters import model_name
from chroma_nb.jupyter.markup import Html, block, counted, escape, failure, shortened, visible
from chroma_nb.jupyter.scope import notebook_variables
from chroma_nb.jupyter.widgets import page_table
from chroma_nb.jupyter.widgets.browser_state import PAGE_SIZE, BrowserState, Order, Page, Question, Rows
from chroma_nb.jupyter.widgets.filling import Filling
from chroma_nb.jupyter.widgets.filter_builder import FilterBuilder, where_html
from chroma_nb.jupyter.widgets.record import NewRecord, RecordPanel
from chroma_nb.jupyter.widgets.selection import Selection
from chroma_nb.jupyter.widgets.tree import ClientTree, TreeView, entries_html
from chroma_nb.types import Json, Options, Where, WhereDocument

if TYPE_CHECKING:
    import pandas

#: Displays so far; it tells one static block from the next, and is the same from run to run.
_DISPLAYS = itertools.count(1)
_SELECTION_SOURCE = "browser"
#: The columns of ids, wide enough for a uuid's first half.
_IDS = "220px"
_ARROWS = {False: " ▲", True: " ▼"}

#: What an export can be: its name -> the words for its target.
_EXPORTS = {
    "DataFrame": "name of a variable",
    "CSV": "path of a new file",
    "Parquet": "path of a new file",
    "collection": "name of a new collection",
}
_SCOPES: list[tuple[str, Rows]] = [("all that match", "all"), ("this page", "page"), ("the selected", "selected")]


class _Shown:
    """What browsers of collections and clients have in common: a widget, and a static block beside it."""

    widget: ipywidgets.Widget

    def _static(self) -> Html:
        raise NotImplementedError

    def _ipython_display_(self) -> None:
        """The static block first, as an output of its own; the live widget hides it while it lives.

        One output with both forms would show neither after reopening: the front end takes the widget.
        """
        from IPython.display import display

        name = f"chroma-nb-static-{zlib.crc32(repr(self).encode()):08x}-{next(_DISPLAYS)}"
        static = f'<div class="{name}">{self._static()}</div>'
        display({"text/html": static, "text/plain": repr(self)}, raw=True)  # type: ignore[no-untyped-call]
        hide = ipywidgets.HTML(f"<style>.{name}{{display:none}}</style>", layout={"display": "none"})
        live = ipywidgets.VBox([hide, self.widget])
        bundle = live._repr_mimebundle_()
        display({**bundle, "text/plain": repr(self)}, raw=True)  # type: ignore[no-untyped-call]


class Browser(Filling, _Shown):
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
        self.collection, self.client = collection, client
        self.state = BrowserState(
            collection,
            page_size=page_size,
            readonly=readonly,
            where=where,
            where_document=where_document,
            selection=selection,
        )
        self._columns = None if columns is None else list(columns)
        _ = self.state.keys  # first: where these are of all records, they need not be counted
        self.page: Page = self.state.read()
        self._heads: list[page_table.Column] = []
        self._shape: list[tuple[str, int, str]] = []
        self._asked = Question()
        self._build()
        self.state.selection.on_select(lambda _: self._tick(), source=_SELECTION_SOURCE)
        self._render()

    # --- For Python ---
    @property
    def selection(self) -> Selection:
        """The ids that are ticked, on whatever page."""
        return self.state.selection

    @property
    def where(self) -> Json | None:
        """The filter on metadata that is shown, as ``get`` and ``query`` take it."""
        return self.state.where

    @property
    def where_document(self) -> Json | None:
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
            self.filters.offer(self.state.keys)  # before the page, as at the beginning
            self._show()

    def __repr__(self) -> str:
        return f"<Browser of {visible(self.collection.name)}>"

    # --- The parts ---
    def _build(self) -> None:
        self.title = ipywidgets.HTML()
        self.refresh_button = _button(
            "Refresh", "refresh", "Read again: what others wrote appears", self._do, self.refresh
        )
        self.undo = _button("Undo", "undo", "Take back the last change", self._do, self._undo)
        self.contains = _search_box("In document", "text, letter for letter")
        self.meaning = _search_box("By meaning", "a question or a topic")
        self.contains.observe(lambda _: self._ask(contains=self.contains.value), "value")
        self.meaning.observe(lambda _: self._ask(meaning=self.meaning.value), "value")
        self.clear = _button("Clear", "eraser", "No search, no filter, stored order", self._do, self._clear)
        self.filters = FilterBuilder(self.state.keys, lambda rows: self._ask(rows=rows), self.state.lock)
        self._where = ipywidgets.HTML()
        self.status = ipywidgets.HTML()
        self._build_grid()
        self._build_pages()
        self.record = RecordPanel(self.state, self._do_and_show, lambda id: self._do(lambda: self._open(id)))
        self.record.delete.on_click(
            lambda _: self._ask_to_delete([self.record.record.id] if self.record.record else [])
        )
        self.new = NewRecord(self.state, self._do_and_show)
        self._build_export()
        tools = [self.refresh_button, *([] if self.state.readonly else [self.undo])]
        self._more = ipywidgets.Accordion(
            [self._export, *([] if self.state.readonly else [self.new.widget])],
            titles=("Export", "New record"),
            selected_index=None,
        )
        wrap = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "6px"}
        self.widget = ipywidgets.VBox(
            [
                ipywidgets.HTML(page_table.STYLE, layout={"display": "none"}),
                ipywidgets.HBox(
                    [self.title, ipywidgets.HBox(tools)], layout={**wrap, "justify_content": "space-between"}
                ),
                ipywidgets.HBox([self.contains, self.meaning, self.filters.add, self.clear], layout=wrap),
                self.filters.widget,
                self._where,
                self._grid,
                self._pages,
                self.status,
                self._confirm,
                self.record.widget,
                self._more,
            ]
        )
        self.widget.add_class("chroma-nb-browser")

    def _build_grid(self) -> None:
        """Lines of tick and id on the left, made once; the table of everything else on the right."""
        self.all = ipywidgets.Checkbox(description="Select all on this page", indent=False)
        self.all.add_class("chroma-nb-tick")
        self.all.observe(lambda change: self._tick_all(change["new"]), "value")
        self.by_id = _button("id", "", "Sort by id", self._do, lambda: self._sort(Order("id")))
        left = ipywidgets.HBox([self.all, self.by_id], layout={"width": _IDS, "flex": "0 0 auto"})
        self._head = ipywidgets.HBox([], layout={"flex": "1 1 auto", "min_width": "0"})
        head = ipywidgets.HBox([left, self._head])
        head.add_class("chroma-nb-head")
        self.lines = [_Line(row, self._ticked, self._chosen) for row in range(self.state.page_size)]
        self._lines = ipywidgets.VBox([], layout={"width": _IDS, "flex": "0 0 auto"})
        self.table = ipywidgets.HTML(layout={"flex": "1 1 auto", "min_width": "0"})
        self._grid = ipywidgets.VBox([head, ipywidgets.HBox([self._lines, self.table])])
        self._grid.add_class("chroma-nb-grid")

    def _build_pages(self) -> None:
        go = self._go
        self.first = _button("", "angle-double-left", "First page", self._do, lambda: go(0))
        self.previous = _button("Previous", "angle-left", "Previous page", self._do, lambda: go(self.page.number - 1))
        self.next = _button("Next", "angle-right", "Next page", self._do, lambda: go(self.page.number + 1))
        self.last = _button("", "angle-double-right", "Last page", self._do, lambda: go(self.page.last_number))
        self.number = ipywidgets.BoundedIntText(
            description="Page", min=1, max=1, continuous_update=False, layout={"width": "150px"}
        )
        self.number.style.description_width = "44px"
        self.number.observe(lambda change: self._numbered(change["new"]), "value")
        self.position = ipywidgets.HTML()
        self.delete_selected = _button(
            "Delete selected…",
            "trash",
            "Delete the selected records; asks first",
            self._do,
            self._ask_to_delete_selected,
        )
        self.unselect = _button("Unselect all", "", "Select nothing", self._do, lambda: self.selection.clear())
        buttons = [self.first, self.previous, self.number, self.next, self.last, self.position, self.unselect]
        self._pages = ipywidgets.HBox([*buttons, *([] if self.state.readonly else [self.delete_selected])])
        self._pages.add_class("chroma-nb-pages")
        self._doomed: list[str] = []
        self._question = ipywidgets.HTML()
        self.confirm = _button("Delete", "trash", "Delete now; it can be undone", self._do, self._delete)
        self.confirm.button_style = "danger"
        self.keep = _button("Keep", "", "Delete nothing", self._do, lambda: self._ask_to_delete([]))
        self._confirm = ipywidgets.HBox([self._question, self.confirm, self.keep], layout={"display": "none"})

    def _build_export(self) -> None:
        self.scope = ipywidgets.Dropdown(description="Rows", options=_SCOPES, layout={"width": "240px"})
        self.form = ipywidgets.Dropdown(description="To", options=list(_EXPORTS), layout={"width": "220px"})
        self.target = ipywidgets.Text(description="Target", placeholder=_EXPORTS["DataFrame"])
        self.form.observe(lambda change: setattr(self.target, "placeholder", _EXPORTS[change["new"]]), "value")
        self.export = _button("Export", "download", "Take along what is shown", self._do, self._exported)
        self._export = ipywidgets.HBox([self.scope, self.form, self.target, self.export])
        self._export.add_class("chroma-nb-row")

    # --- Doing ---
    def _do(self, step: Callable[[], object]) -> None:
        """Run a step; say what it says, or what went wrong: an exception would vanish in the front end's log."""
        with self.state.lock:
            try:
                said = step()
            except Exception as error:  # noqa: BLE001  # the database, a model or the person's input: it is said
                self._say(failure(error), alert=True)
            else:
                self._say(said if isinstance(said, str) else "")

    def _do_and_show(self, step: Callable[[], str | None]) -> None:
        def both() -> str | None:
            """Do the step, then show the page as it is now."""
            said = step()
            self._show()
            return said

        self._do(both)

    def _say(self, text: str, alert: bool = False) -> None:
        said = f"{'⚠ ' if alert else ''}{escape(text, 500)}" if text else escape(self._note())
        self.status.value = page_table.part(f'<div role="{"alert" if alert else "status"}" class="dim">{said}</div>')

    def _note(self) -> str:
        chosen = len(self.selection)
        selected = f"{chosen:,} selected" if chosen else ""
        return "; ".join(part for part in (self.page.note, selected) if part)

    def _ask(self, **parts: object) -> None:
        """Another question; where it cannot be answered the old one stays."""

        def ask() -> None:
            """Ask the question that the form holds, unless it is being filled."""
            if self._filling:
                return
            before, number = self.state.question, self.state.number
            try:
                self.state.ask(**parts)
                self._show()
            except Exception:
                self.state.question, self.state.number = before, number
                self.state.refresh()
                raise

        self._do(ask)

    def _clear(self) -> None:
        with self._filled():
            self.contains.value = self.meaning.value = ""
            self.filters.clear()
        self._ask(contains="", meaning="", rows=(), order=Order())

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

    def _numbered(self, number: int) -> None:
        with self.state.lock:
            if not self._filling:
                self._do(lambda: self._go(number - 1))

    def _chosen(self, row: int) -> None:
        if row < len(self.page.ids):
            self._do(lambda: self._open(self.page.ids[row]))

    def _open(self, id: str) -> None:
        record = self.state.record(id)
        if record is None:
            raise ValueError(f"the record {id!r} is not there any more; refresh to see what is")
        self.record.show(record)

    def _undo(self) -> str:
        done = self.state.undo()
        self._show()
        if self.record.record is not None:
            again = self.state.record(self.record.record.id)
            self.record.close() if again is None else self.record.show(again)
        return f"Taken back: {done}."

    # --- Ticks ---
    def _ticked(self, row: int, value: bool) -> None:
        with self.state.lock:
            if not self._filling and row < len(self.page.ids):
                change = self.selection.add if value else self.selection.remove
                change([self.page.ids[row]], _SELECTION_SOURCE)
                self._tick()

    def _tick_all(self, value: bool) -> None:
        with self.state.lock:
            if not self._filling:
                (self.selection.add if value else self.selection.remove)(self.page.ids, _SELECTION_SOURCE)
                self._tick()

    def _tick(self) -> None:
        """Ticks, highlights and numbers follow the selection."""
        with self.state.lock:
            with self._filled():
                for one, line in zip(self.page.ids, self.lines, strict=False):
                    line.tick.value = one in self.selection
                self.all.value = bool(self.page.ids) and all(one in self.selection for one in self.page.ids)
            self._fill_table()
            self.unselect.disabled = self.delete_selected.disabled = not len(self.selection)
            self._say("")

    # --- Deleting ---
    def _ask_to_delete_selected(self) -> None:
        self._ask_to_delete(list(self.selection.ids))

    def _ask_to_delete(self, ids: list[str]) -> None:
        self._doomed = ids
        what = f"record {ids[0]!r}" if len(ids) == 1 else f"{len(ids):,} records"
        self._question.value = page_table.part(f"<b>Delete {escape(what, 120)}?</b>&nbsp;") if ids else ""
        self._confirm.layout.display = None if ids else "none"

    def _delete(self) -> str:
        ids = self._doomed
        self._ask_to_delete([])
        done = self.state.delete(ids)
        if self.record.record is not None and self.record.record.id in ids:
            self.record.close()
        self._show()
        return f"Done: {done}. Undo brings it back."

    # --- Export ---
    def _exported(self) -> str:
        target, rows = self.target.value.strip(), self.scope.value
        if not target:
            raise ValueError(f"expected the {_EXPORTS[self.form.value]} as target, got nothing")
        to: dict[str, Callable[[str, Rows], int]] = {
            "DataFrame": self._to_variable,
            "CSV": lambda target, rows: self.state.to_csv(Path(target), rows),
            "Parquet": lambda target, rows: self.state.to_parquet(Path(target), rows),
            "collection": self._to_collection,
        }
        try:
            count = to[self.form.value](target, rows)
        except FileExistsError:
            raise ValueError(f"there is a file {target!r} already; nothing was written") from None
        return f"{counted(count, 'record')} written to {target}."

    def _to_variable(self, name: str, rows: Rows) -> int:
        from IPython.core.getipython import get_ipython

        if not name.isidentifier() or keyword.iskeyword(name):
            raise ValueError(f"expected the name of a variable, got {name!r}")
        shell = get_ipython()
        if shell is None:
            raise ValueError("there is no notebook to put a variable into; use browser.to_df()")
        if name in shell.user_ns:
            raise ValueError(f"there is a variable {name!r} already; nothing was written")
        frame = self.to_df(rows)
        shell.user_ns[name] = frame
        return len(frame)

    def _to_collection(self, name: str, rows: Rows) -> int:
        client = self.client if self.client is not None else client_of(self.collection, notebook_variables())
        if client is None:
            raise ValueError("a new collection needs a client; give it: browse(collection, client=client)")
        return self.state.to_collection(client, name, rows)

    # --- Showing ---
    def _show(self) -> None:
        self.page = self.state.read()
        self._render()

    def _follow_question(self) -> None:
        """The boxes say what is asked, whoever asked it."""
        asked = self.state.question
        if asked != self._asked:
            self._asked = asked
            with self._filled():
                self.contains.value, self.meaning.value = asked.contains, asked.meaning
                self.filters.show(asked.rows)

    def _render(self) -> None:
        page = self.page
        self._follow_question()
        self._fill_title()
        self._fill_heads()
        self._lines.children = [line.widget for line in self.lines[: len(page.ids)]]
        for one, line in zip(page.ids, self.lines, strict=False):
            line.fill(one)
        with self._filled():
            self.number.max = max(page.last_number, page.number) + 1
            self.number.value = page.number + 1
        self.position.value = page_table.part(f"of {self.number.max:,} &nbsp; <b>{escape(page.position)}</b>")
        self.first.disabled = self.previous.disabled = page.number == 0
        self.next.disabled = page.number >= page.last_number
        self.last.disabled = self.next.disabled or not page.exact
        self._where.value = where_html(self.state.where, self.state.where_document)
        self.undo.disabled = self.state.undoable is None
        self.undo.tooltip = f"Take back: {visible(self.state.undoable)}" if self.state.undoable else "Nothing to undo"
        self._tick()

    def _fill_title(self) -> None:
        facts = [f"{self.state.count:,} records", space(self.collection), model_name(stored_function(self.collection))]
        facts += ["read only"] if self.state.readonly else []
        about = escape(" · ".join(facts), 200)
        self.title.value = f'<div class="title">{escape(self.collection.name, 120)}<span>{about}</span></div>'

    def _fill_heads(self) -> None:
        keys = self._columns if self._columns is not None else list(self.state.keys)
        columns = page_table.columns(keys, self.page, page_table.marks_of(self.state.question, self.page))
        order = self.state.question.order
        self.by_id.description = "id" + (_ARROWS[order.descending] if order.by == "id" else "")
        shape = [(column.head, column.width, column.kind) for column in columns]
        if shape != self._shape:
            self._shape = shape
            self._head.children = [self._head_button(column) for column in columns]
        self._heads = columns
        for column, button in zip(columns, self._head.children, strict=True):
            sorts = column.order is not None and (column.order.by, column.order.key) == (order.by, order.key)
            button.description = shortened(visible(column.head), 40) + (_ARROWS[order.descending] if sorts else "")

    def _head_button(self, column: page_table.Column) -> ipywidgets.Button:
        if column.order is None:
            button = _button(column.head, "", "The document; sort by id, metadata or distance", self._do, lambda: None)
            button.disabled = True
        else:
            sort = partial(self._sort, column.order)
            button = _button("", "", f"Sort by {visible(column.head)}", self._do, sort)
        button.layout = ipywidgets.Layout(width=f"{column.width}%", flex="0 0 auto", min_width="0")
        if column.kind:
            button.add_class(column.kind)
        return button

    def _fill_table(self) -> None:
        caption = f"Records of {self.collection.name}: {self.page.position}"
        self.table.value = page_table.live_html(
            caption, self.page, self._heads, self.state.question.order, self.selection
        )

    def _static(self) -> Html:
        keys = self._columns if self._columns is not None else list(self.state.keys)
        caption = f"Collection {self.collection.name}: {self.page.position}"
        return page_table.static_html(caption, self.page, keys)


class _Line:
    """The tick and the id of one line of the table."""

    def __init__(self, row: int, on_tick: Callable[[int, bool], None], on_open: Callable[[int], None]) -> None:
        self.tick = ipywidgets.Checkbox(indent=False)
        self.tick.add_class("chroma-nb-tick")
        self.tick.observe(lambda change: on_tick(row, change["new"]), "value")
        self.open = ipywidgets.Button()
        self.open.on_click(lambda _: on_open(row))
        self.widget = ipywidgets.HBox([self.tick, self.open])
        self.widget.add_class("chroma-nb-line")

    def fill(self, id: str) -> None:
        """This record."""
        shown = shortened(visible(id), 80)
        # What names a tick is typeset by ipywidgets, which nothing keeps from taking "$" for the start of a formula.
        self.tick.description = "Select " + shown.replace("$", "\N{FULLWIDTH DOLLAR SIGN}")
        self.open.description, self.open.tooltip = shown, f"Open {shown}"


class ClientBrowser(_Shown):
    """A client, live: its databases and collections; ``browser`` is that of the collection opened last."""

    def __init__(
        self,
        client: Client,
        *,
        readonly: bool = True,
        columns: Sequence[str] | None = None,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self.client = client
        self._options: Options = {"readonly": readonly, "columns": columns, "page_size": page_size}
        self.browser: Browser | None = None
        self._lock = threading.RLock()
        self.status = ipywidgets.HTML()
        self._tree = ClientTree(client)
        self.tree = TreeView(self._tree, self._do, self.open)
        self._place = ipywidgets.VBox([])
        style = ipywidgets.HTML(page_table.STYLE, layout={"display": "none"})
        head = ipywidgets.VBox([style, self.tree.widget, self.status])
        head.add_class("chroma-nb-browser")
        self.widget = ipywidgets.VBox([head, self._place], layout={"grid_gap": "8px"})

    def open(self, database: str, name: str) -> str | None:
        """Browse this collection, below the tree."""
        collection = self._tree.open(database, name)
        self.browser = Browser(collection, client=self._tree.client_of(database), **self._options)
        self._place.children = [self.browser.widget]
        return None

    def close(self) -> None:
        """Give back what was opened for other databases; the client stays open."""
        self._tree.close()

    def _do(self, step: Callable[[], str | None]) -> None:
        """Run a step and say what went wrong."""
        with self._lock:
            try:
                said = step() or ""
                self.status.value = page_table.part(f'<div role="status">{escape(said, 300)}</div>')
            except Exception as error:  # noqa: BLE001  # an exception would vanish in the front end's log
                self.status.value = page_table.part(f'<div role="alert">⚠ {escape(failure(error), 500)}</div>')

    def _static(self) -> Html:
        entries, total = self._tree.collections(self.client.database)
        caption = f"Tenant {self._tree.tenant}, database {self.client.database}: {total:,} collections"
        return block(entries_html(caption, entries))

    def __repr__(self) -> str:
        return f"<Browser of {visible(self.client.tenant)}, {visible(self.client.database)}>"


def _button(
    text: str, icon: str, tooltip: str, do: Callable[[Callable[[], Any]], None], step: Callable[[], object]
) -> ipywidgets.Button:
    button = ipywidgets.Button(description=text, icon=icon, tooltip=tooltip)
    button.on_click(lambda _: do(step))
    return button


def _search_box(label: str, hint: str) -> ipywidgets.Text:
    box = ipywidgets.Text(
        description=label, placeholder=f"{hint}, then Enter", continuous_update=False, layout={"width": "310px"}
    )
    box.style.description_width = "84px"
    return box

"""The filter builder: rows of key, operation and value; what they mean stands in ``filters.py``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import ipywidgets

from chroma_nb.display.markup import Html, escape, visible
from chroma_nb.jupyter.widgets.controls import button, show
from chroma_nb.jupyter.widgets.filters import DOCUMENT, FilterRow, Key, operations
from chroma_nb.jupyter.widgets.status import StatusLine
from chroma_nb.types import Options, Where, WhereDocument

_JOINTS = ("and", "or")
#: Seconds without a key pressed, after which a value counts without Enter, too.
PAUSE: Final = 1.0


class Typed(ipywidgets.Combobox):  # type: ignore[misc]
    """A value with suggestions, which may come while the person types: what stands there by then stays.

    For that the page tells of each key. ``on_enter`` is called when the value is whole: set from Python, picked from
    the suggestions, followed by Enter or by a pause.
    """

    def __init__(self, on_enter: Callable[[], object], **options: object) -> None:
        self._on_enter, self._in_page = on_enter, False
        self._pause: threading.Timer | None = None
        super().__init__(continuous_update=True, **options)
        self.observe(lambda _: self._typed(), "value")
        self.on_msg(lambda widget, said, buffers: self._enter() if said.get("event") == "submit" else None)

    def set_state(self, sync_data: Options) -> None:
        """What the page says."""
        self._in_page = True
        try:
            super().set_state(sync_data)
        finally:
            self._in_page = False

    def _typed(self) -> None:
        self._stop()
        if not self._in_page or self.value in self.options:
            self._on_enter()
            return
        self._pause = threading.Timer(PAUSE, self._on_enter)
        self._pause.daemon = True
        self._pause.start()

    def _enter(self) -> None:
        self._stop()
        self._on_enter()

    def _stop(self) -> None:
        pause, self._pause = self._pause, None
        if pause is not None:
            pause.cancel()


class FilterBuilder:
    """``widget`` holds the rows; ``on_change`` is called with them when a complete one changed."""

    def __init__(
        self,
        keys: Mapping[str, Key],
        on_change: Callable[[tuple[FilterRow, ...]], object],
        status: StatusLine,
    ) -> None:
        self._keys, self._on_change, self._status = keys, on_change, status
        self._rows: list[_Row] = []
        self._told: tuple[FilterRow, ...] = ()
        self.add = button("Add filter", "filter", "Add a condition on metadata", status, self.add_row)
        self._list = ipywidgets.VBox()
        self.widget = ipywidgets.VBox([self._list])

    @property
    def rows(self) -> tuple[FilterRow, ...]:
        """The rows as they stand."""
        return tuple(row.value for row in self._rows)

    def offer(self, keys: Mapping[str, Key]) -> None:
        """Other keys, from now on, for the rows that are added."""
        self._keys = keys

    def add_row(self) -> None:
        """An empty row."""
        self._rows.append(self._row(None, first=not self._rows))
        self._show()

    def clear(self) -> None:
        """Remove all rows, without a call of ``on_change``."""
        self._rows, self._told = [], ()
        self._show()

    def show(self, rows: Iterable[FilterRow]) -> None:
        """Show these rows, without a call of ``on_change``. Incomplete rows stay if these are the last call's."""
        rows = tuple(rows)
        if rows != self._told:
            self._rows = [self._row(row, first=not place) for place, row in enumerate(rows)]
            self._told = rows
            self._show()

    def _row(self, row: FilterRow | None, *, first: bool) -> _Row:
        return _Row(self._keys, self._status, self._tell, self._remove, first, row)

    def _remove(self, row: _Row) -> None:
        self._rows.remove(row)
        if self._rows:
            self._rows[0].begins()
        self._show()
        self._tell_if_changed()

    def _show(self) -> None:
        self._list.children = [row.widget for row in self._rows]

    def _tell(self) -> None:
        """After a change in a row: nothing is said on the status line where nothing is asked."""
        with self._status.lock:
            if self._complete() != self._told:
                self._status.run(self._tell_if_changed)

    def _tell_if_changed(self) -> None:
        complete = self._complete()
        if complete != self._told:
            self._told = complete
            self._on_change(complete)

    def _complete(self) -> tuple[FilterRow, ...]:
        return tuple(row for row in self.rows if row.value != "")


class _Row:
    """One condition."""

    def __init__(
        self,
        keys: Mapping[str, Key],
        status: StatusLine,
        on_change: Callable[[], None],
        on_remove: Callable[[_Row], None],
        first: bool,
        row: FilterRow | None,
    ) -> None:
        if row is not None and row.key != DOCUMENT and row.key not in keys:
            keys = {**keys, row.key: Key(row.key, "mixed")}
        self._keys = {DOCUMENT: Key(DOCUMENT, "document"), **keys}
        choices = [*((visible(name)[:60], name) for name in keys), ("(document)", DOCUMENT)]
        self.joint = _labelled("Joined by", _JOINTS, "How it goes with the condition before", "140px")
        show(self.joint, not first)
        self.key = _labelled("Key", choices, "Metadata key", "210px")
        self.operation = _labelled("Comparison", (), "Comparison", "230px")
        self.operand = Typed(
            on_change,
            value="" if row is None else row.value,
            description="Value",
            tooltip="Value",
            placeholder="then Enter",
            style={"description_width": "initial"},
            layout={"width": "260px"},
        )
        self.remove = button("", "times", "Remove this condition", status, lambda: on_remove(self))
        self.remove.layout.width = "36px"
        self._fill(row)
        self.key.observe(lambda _: self._offer(), "value")
        for control in (self.joint, self.key, self.operation):
            control.observe(lambda _: on_change(), "value")
        self.widget = ipywidgets.HBox([self.joint, self.key, self.operation, self.operand, self.remove])
        self.widget.add_class("chroma-nb-row")

    def _fill(self, row: FilterRow | None) -> None:
        if row is not None:
            self.joint.value, self.key.value = row.joined, row.key
        self._offer()
        if row is not None:
            self.operation.value = row.operation

    @property
    def value(self) -> FilterRow:
        """What the row says now."""
        return FilterRow(self.key.value, self.operation.value, self.operand.value, self.joint.value)

    def begins(self) -> None:
        """It is the first row now, joined to nothing."""
        self.joint.value = "and"
        show(self.joint, False)

    def _offer(self) -> None:
        """What the chosen key can be asked, and some of its values."""
        key = self._keys[self.key.value]
        self.operation.options = operations(key.kind)
        self.operation.index = 0
        self.operand.options = (
            ("true", "false") if key.kind == "bool" else [visible(value)[:80] for value in key.values]
        )


def _labelled(
    name: str, options: Sequence[tuple[str, object]] | Sequence[str], tooltip: str, width: str
) -> ipywidgets.Dropdown:
    return ipywidgets.Dropdown(
        description=name,
        options=options,
        tooltip=tooltip,
        style={"description_width": "initial"},
        layout={"width": width},
    )


def where_html(where: Where | None, where_document: WhereDocument | None) -> Html:
    """The filters as Python, to be copied; "" where there are none.

    The button's few words of JavaScript are ours and constant; the filter stands in the field only.
    """
    parts = [
        f"{name}={value!r}"
        for name, value in (("where", where), ("where_document", where_document))
        if value is not None
    ]
    if not parts:
        return ""
    copy = "const f=this.previousElementSibling;f.focus();f.select();document.execCommand('copy')"
    return (
        '<div class="where"><label>Filter <input readonly aria-label="Filter as Python" '
        f'value="{escape(", ".join(parts))}"><button type="button" onclick="{copy}">Copy</button></label></div>'
    )

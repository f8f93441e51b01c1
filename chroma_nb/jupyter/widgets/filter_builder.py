"""The filter builder: rows of key, operation and value; what they mean stands in ``filters.py``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import ipywidgets

from chroma_nb.jupyter.markup import Html, escape, visible
from chroma_nb.jupyter.widgets.filters import DOCUMENT, FilterRow, Key, operations

_JOINTS = ("and", "or")


class FilterBuilder:
    """``widget`` holds the rows; ``on_change`` is called with them when a complete one changed."""

    def __init__(
        self,
        keys: Mapping[str, Key],
        on_change: Callable[[tuple[FilterRow, ...]], object],
        lock: AbstractContextManager[Any],
    ) -> None:
        self._keys, self._on_change, self._lock = keys, on_change, lock
        self._rows: list[_Row] = []
        self._told: tuple[FilterRow, ...] = ()
        self.add = ipywidgets.Button(description="Add filter", icon="filter", tooltip="Add a condition on metadata")
        self.add.on_click(lambda _: self.add_row())
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
        self._rows.append(_Row(self._keys, self._tell, self._remove, first=not self._rows))
        self._show()

    def clear(self) -> None:
        """No rows; nobody is told."""
        self._rows, self._told = [], ()
        self._show()

    def _remove(self, row: _Row) -> None:
        self._rows.remove(row)
        if self._rows:
            self._rows[0].begins()
        self._show()
        self._tell()

    def _show(self) -> None:
        self._list.children = [row.widget for row in self._rows]

    def _tell(self) -> None:
        with self._lock:
            complete = tuple(row for row in self.rows if row.value != "")
            if complete != self._told:
                self._told = complete
                self._on_change(complete)


class _Row:
    """One condition."""

    def __init__(
        self, keys: Mapping[str, Key], on_change: Callable[[], None], on_remove: Callable[[_Row], None], first: bool
    ) -> None:
        self._keys = {DOCUMENT: Key(DOCUMENT, "document"), **keys}
        choices = [*((visible(name)[:60], name) for name in keys), ("(document)", DOCUMENT)]
        narrow = {"width": "70px", "visibility": "hidden" if first else "visible"}
        self.joint = ipywidgets.Dropdown(
            options=_JOINTS, tooltip="How it goes with the condition before", layout=narrow
        )
        self.key = ipywidgets.Dropdown(options=choices, tooltip="Metadata key", layout={"width": "170px"})
        self.operation = ipywidgets.Dropdown(tooltip="Comparison", layout={"width": "140px"})
        self.operand = ipywidgets.Combobox(
            tooltip="Value", placeholder="value, then Enter", continuous_update=False, layout={"width": "220px"}
        )
        self.remove = ipywidgets.Button(icon="times", tooltip="Remove this condition", layout={"width": "36px"})
        self._offer()
        self.key.observe(lambda _: self._offer(), "value")
        for control in (self.joint, self.key, self.operation, self.operand):
            control.observe(lambda _: on_change(), "value")
        self.remove.on_click(lambda _: on_remove(self))
        self.widget = ipywidgets.HBox([self.joint, self.key, self.operation, self.operand, self.remove])
        self.widget.add_class("chroma-nb-row")

    @property
    def value(self) -> FilterRow:
        return FilterRow(self.key.value, self.operation.value, self.operand.value, self.joint.value)

    def begins(self) -> None:
        """It is the first row now, joined to nothing."""
        self.joint.value = "and"
        self.joint.layout.visibility = "hidden"

    def _offer(self) -> None:
        """What the chosen key can be asked, and some of its values."""
        key = self._keys[self.key.value]
        self.operation.options = operations(key.kind)
        self.operation.index = 0
        self.operand.options = ("true", "false") if key.kind == "bool" else [visible(one)[:80] for one in key.values]


def where_html(where: Mapping[str, Any] | None, where_document: Mapping[str, Any] | None) -> Html:
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

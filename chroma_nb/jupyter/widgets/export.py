"""The form that exports what a browser shows: to a variable, a file or a new collection."""

from __future__ import annotations

import keyword
from collections.abc import Callable
from pathlib import Path
from typing import Final

import ipywidgets

from chroma_nb.display.markup import counted
from chroma_nb.jupyter.scope import client_for
from chroma_nb.jupyter.widgets.browser_state import BrowserState, Rows
from chroma_nb.jupyter.widgets.controls import button
from chroma_nb.jupyter.widgets.status import StatusLine

#: What an export can be: its name -> the words for its target, and what writes the rows to it.
_FORMS: Final[dict[str, tuple[str, Callable[[BrowserState, str, Rows], int]]]] = {
    "DataFrame": ("name of a variable", lambda state, name, rows: _to_variable(state, name, rows)),
    "CSV": ("path of a new file", lambda state, path, rows: state.to_csv(Path(path), rows)),
    "Parquet": ("path of a new file", lambda state, path, rows: state.to_parquet(Path(path), rows)),
    "collection": ("name of a new collection", lambda state, name, rows: _to_collection(state, name, rows)),
}
_ROWS: Final[list[tuple[str, Rows]]] = [
    ("all that match", "all"),
    ("this page", "page"),
    ("the selected", "selected"),
]


class ExportForm:
    """Which rows, to what, and what that is called."""

    def __init__(self, state: BrowserState, status: StatusLine) -> None:
        self._state = state
        self.rows = ipywidgets.Dropdown(description="Rows", options=_ROWS, layout={"width": "240px"})
        self.form = ipywidgets.Dropdown(description="To", options=list(_FORMS), layout={"width": "220px"})
        self.target = ipywidgets.Text(description="Target", placeholder=_FORMS["DataFrame"][0])
        self.form.observe(lambda change: setattr(self.target, "placeholder", _FORMS[change["new"]][0]), "value")
        self.export = button("Export", "download", "Take along what is shown", status, self._export)
        self.widget = ipywidgets.HBox([self.rows, self.form, self.target, self.export])
        self.widget.add_class("chroma-nb-row")

    def _export(self) -> str:
        target = self.target.value.strip()
        expected, write = _FORMS[self.form.value]
        if not target:
            raise ValueError(f"expected the {expected} as target, got nothing")
        try:
            count = write(self._state, target, self.rows.value)
        except FileExistsError:
            raise ValueError(f"there is a file {target!r} already; nothing was written") from None
        return f"{counted(count, 'record')} written to {target}."


def _to_variable(state: BrowserState, name: str, rows: Rows) -> int:
    from IPython.core.getipython import get_ipython

    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"expected the name of a variable, got {name!r}")
    shell = get_ipython()
    if shell is None:
        raise ValueError("there is no notebook to put a variable into; use browser.to_df()")
    if name in shell.user_ns:
        raise ValueError(f"there is a variable {name!r} already; nothing was written")
    frame = state.to_df(rows)
    shell.user_ns[name] = frame
    return len(frame)


def _to_collection(state: BrowserState, name: str, rows: Rows) -> int:
    client = state.client if state.client is not None else client_for(state.collection)
    if client is None:
        raise ValueError("a new collection needs a client; give it: browse(collection, client=client)")
    return state.to_collection(client, name, rows)

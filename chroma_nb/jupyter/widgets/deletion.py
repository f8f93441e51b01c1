"""The question that a view asks before it deletes records."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets

from chroma_nb.display.markup import escape, fragment
from chroma_nb.jupyter.widgets.controls import button, show
from chroma_nb.jupyter.widgets.status import StatusLine


class DeleteQuestion:
    """``ask(ids)`` shows it; ``delete(ids)`` is called with them when the person agrees."""

    def __init__(self, status: StatusLine, delete: Callable[[Sequence[str]], object]) -> None:
        self._delete = delete
        self._ids: Sequence[str] = ()
        self.text = ipywidgets.HTML()
        self.confirm = button("Yes, delete", "trash", None, status, self._agreed)
        self.confirm.button_style = "danger"
        self.keep = button("No", "", "Delete nothing", status, self.withdraw)
        self.widget = ipywidgets.HBox([self.text, self.confirm, self.keep], layout={"display": "none"})

    def ask(self, ids: Sequence[str], note: str = "Undo brings them back.") -> None:
        """Ask about these records, with a ``note`` on what follows; without any there is nothing to ask."""
        self._ids = ids
        what = f"record {ids[0]!r}" if len(ids) == 1 else f"{len(ids):,} records"
        asked = f'<div role="status"><b>Delete {escape(what, 120)}?</b> {escape(note)}&nbsp;</div>'
        self.text.value = fragment(asked) if ids else ""
        self.confirm.description = f"Yes, delete {len(ids):,}"
        show(self.widget, ids)

    def withdraw(self) -> None:
        """Ask no more."""
        self.ask(())

    def _agreed(self) -> object:
        ids = self._ids
        self.withdraw()
        return self._delete(ids)

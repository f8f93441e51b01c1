"""What can be done with the selected records of a map: save, tag, delete."""

from __future__ import annotations

import ipywidgets

from chroma_nb.display.markup import counted
from chroma_nb.jupyter.widgets.changes import DELETED_AT_ONCE
from chroma_nb.jupyter.widgets.controls import FLOW, button, show
from chroma_nb.jupyter.widgets.explorer_state import ExplorerState
from chroma_nb.jupyter.widgets.status import StatusLine


class SelectionActions:
    """Deleting asks first, on the status line, and deletes no other number of records than was asked about."""

    def __init__(self, state: ExplorerState, status: StatusLine) -> None:
        self._state = state
        self._asked: int | None = None
        wide = {"description_width": "initial"}
        self.name = ipywidgets.Text(placeholder="name of the new collection", description="Save as", style=wide)
        self.save = button("Save selection", "", "As a new collection", status, self._save)
        self.key = ipywidgets.Text(placeholder="key", description="Tag", style=wide, layout={"width": "160px"})
        self.value = ipywidgets.Text(placeholder="value", description="=", style=wide, layout={"width": "180px"})
        self.tag = button("Tag selection", "", "Give each selected record this metadata", status, self._tag)
        self.delete = button("Delete selection…", "trash", "Asks first", status, self._ask)
        self.confirm = button("Yes, delete", "", None, status, self._delete)
        self.confirm.button_style = "danger"
        self.cancel = button("No", "", None, status, self._withdraw)
        self._withdraw()
        saving, deleting = [self.name, self.save], [self.delete, self.confirm, self.cancel]
        tagging = [self.key, self.value, self.tag]
        self.widget = ipywidgets.HBox(
            [ipywidgets.HBox(widgets) for widgets in (saving, tagging, deleting)], layout=FLOW
        )

    def show(self) -> None:
        """What can be done with the selection as it is now."""
        for action in (self.save, self.tag, self.delete):
            action.disabled = not len(self._state.selection)
        self._withdraw()

    def _save(self) -> str:
        made = self._state.save_as(self.name.value)
        return f"Saved {counted(len(self._state.selection), 'record')} as the collection {made.name!r}."

    def _tag(self) -> str:
        key, text = self.key.value, self.value.value
        count = self._state.tag(key, self._state.as_typed(key, text))
        return f"{counted(count, 'record')} {'has' if count == 1 else 'have'} {key} = {text} now."

    def _ask(self) -> str:
        self._asked = len(self._state.selection)
        self.confirm.description = f"Yes, delete {self._asked:,}"
        show(self.confirm, True)
        show(self.cancel, True)
        few = self._asked <= DELETED_AT_ONCE
        after = "Undo brings them back." if few else f"More than {DELETED_AT_ONCE:,}: this cannot be undone."
        return f"Delete {counted(self._asked, 'record')} from {self._state.projection.name!r}? {after}"

    def _withdraw(self) -> None:
        self._asked = None
        show(self.confirm, False)
        show(self.cancel, False)

    def _delete(self) -> str:
        count = self._state.delete(confirmed=self._asked or 0)
        self._withdraw()
        return f"Deleted {counted(count, 'record')}."

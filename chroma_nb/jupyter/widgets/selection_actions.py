"""What can be done with the selected records of a map: save, tag, delete."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets

from chroma_nb.display.markup import counted
from chroma_nb.jupyter.widgets.controls import FLOW, button
from chroma_nb.jupyter.widgets.deletion import DeleteQuestion
from chroma_nb.jupyter.widgets.explorer_state import ExplorerState
from chroma_nb.jupyter.widgets.status import StatusLine
from chroma_nb.workbench.changes import DELETED_AT_ONCE


class SelectionActions:
    """Deleting asks first, and deletes no other number of records than was asked about."""

    def __init__(self, state: ExplorerState, status: StatusLine) -> None:
        self._state = state
        wide = {"description_width": "initial"}
        self.name = ipywidgets.Text(placeholder="name of the new collection", description="Save as", style=wide)
        self.save = button("Save selection", "", "As a new collection", status, self._save)
        self.key = ipywidgets.Text(placeholder="key", description="Tag", style=wide, layout={"width": "160px"})
        self.value = ipywidgets.Text(placeholder="value", description="=", style=wide, layout={"width": "180px"})
        self.tag = button("Tag selection", "", "Give each selected record this metadata", status, self._tag)
        self.deletion = DeleteQuestion(status, self._delete)
        self.delete = button("Delete selection…", "trash", "Asks first", status, self._ask)
        saving, deleting = [self.name, self.save], [self.delete, self.deletion.widget]
        tagging = [self.key, self.value, self.tag]
        self.widget = ipywidgets.HBox(
            [ipywidgets.HBox(widgets) for widgets in (saving, tagging, deleting)], layout=FLOW
        )

    def show(self) -> None:
        """What can be done with the selection as it is now."""
        for action in (self.save, self.tag, self.delete):
            action.disabled = not len(self._state.selection)
        self.deletion.withdraw()

    def _save(self) -> str:
        made = self._state.save_as(self.name.value)
        return f"Saved {counted(len(self._state.selection), 'record')} as the collection {made.name!r}."

    def _tag(self) -> str:
        key, text = self.key.value, self.value.value
        count = self._state.tag(key, self._state.as_typed(key, text))
        return f"{counted(count, 'record')} {'has' if count == 1 else 'have'} {key} = {text} now."

    def _ask(self) -> None:
        ids = self._state.selection.ids
        if len(ids) > DELETED_AT_ONCE:
            self.deletion.ask(ids, f"More than {DELETED_AT_ONCE:,}: this cannot be undone.")
        else:
            self.deletion.ask(ids)

    def _delete(self, ids: Sequence[str]) -> str:
        count = self._state.delete(confirmed=len(ids))
        return f"Deleted {counted(count, 'record')}."

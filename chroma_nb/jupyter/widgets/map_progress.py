"""Progress of the better map that is computed while PCA's is shown, and its outcome."""

from __future__ import annotations

import time

import ipywidgets

from chroma_nb.display.markup import counted
from chroma_nb.jupyter.widgets.controls import show
from chroma_nb.jupyter.widgets.explorer_state import ExplorerState
from chroma_nb.jupyter.widgets.status import StatusLine
from chroma_nb.projection.background import Background
from chroma_nb.types import Matrix

#: Seconds between two words about progress.
_PAUSE = 0.25


class MapProgress:
    """A bar and a button that stops; hidden unless a map is being made."""

    def __init__(self, state: ExplorerState, status: StatusLine) -> None:
        self._state, self._status = state, status
        self._said = 0.0
        self.progress = ipywidgets.FloatProgress(min=0, max=1, description="Map", layout={"width": "260px"})
        self.stop = ipywidgets.Button(description="Stop", tooltip="Keep the PCA map")
        self.widget = ipywidgets.HBox([self.progress, self.stop], layout={"display": "none"})

    def watch(self, fit: Background[Matrix]) -> None:
        """Show how far this one is, and the map when it is done."""
        show(self.widget, True)
        self.progress.style.description_width = "initial"
        self._status.say("This is a PCA map. It is replaced when the better map is ready.")
        self.stop.on_click(lambda _: fit.stop())
        fit.on_progress(self._tell)
        fit.on_done(self._end)

    def _tell(self, stage: str, share: float) -> None:
        """Not too often."""
        if (now := time.monotonic()) - self._said >= _PAUSE:
            self._said = now
            self.progress.value, self.progress.description = share, stage.capitalize()

    def _end(self, fit: Background[Matrix]) -> None:
        """Show the map, or what went wrong, while nothing else changes the state."""
        with self._status.lock:
            show(self.widget, False)
            if fit.error is None:
                self._status.run(self._show_map)
            elif fit.stopped:
                self._status.say("Stopped: this is the PCA map.")
            else:
                self._status.say(f"This is the PCA map; the better map failed: {fit.error}", alert=True)

    def _show_map(self) -> str:
        self._state.refit()
        projection = self._state.projection
        return f"{counted(len(projection), 'record')} by {projection.method}."

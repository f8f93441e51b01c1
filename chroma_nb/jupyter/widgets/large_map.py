"""The map of an explorer by jupyter-scatter, for more points than plotly holds (the extra ``large``).

The same state and selection as ``map.py``. Searches show in the selection of their hits, not as stars.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from chroma_nb._optional import require
from chroma_nb.jupyter.widgets.explorer_state import ExplorerState
from chroma_nb.projection import colours, figures
from chroma_nb.types import Matrix

_NUMBERS = itertools.count(1)


class LargeMapView:
    """``figure`` holds one jupyter-scatter widget that follows ``state`` and tells it what is lassoed."""

    def __init__(self, state: ExplorerState, height: int = 560) -> None:
        if state.projection.dims != 2:
            raise ValueError("expected a map of two dimensions for jupyter-scatter, got three; use renderer='plotly'")
        self.state, self._height = state, height
        self._source = f"large map {next(_NUMBERS)}"  # several maps may share one selection
        self._scatter_package: Any = require("jscatter", feature="a map of very many points", extra="large")
        self.figure: Any = require("ipywidgets", feature="the map").VBox()
        self.redraw()
        state.on_change(self._follow)
        state.selection.on_select(lambda selection: self.show_selection(), source=self._source)

    def _follow(self, what: str) -> None:
        if what == "map":
            self.redraw()

    def redraw(self) -> None:
        """The points and their colours anew."""
        pd: Any = require("pandas", feature="the map")
        spots = self.state.projection.coordinates
        numbers, scale = point_colours(self.state)
        frame = pd.DataFrame({"x": _within(spots[:, 0]), "y": _within(spots[:, 1]), "colour": numbers})
        scatter = self._scatter_package.Scatter(data=frame, x="x", y="y", height=self._height)
        scatter.color(by="colour", map=scale)
        scatter.lasso(initiator=True)
        self.scatter = scatter
        scatter.widget.observe(lambda change: self._selected(change["new"]), "selection")
        self.figure.children = (scatter.show(),)
        self.show_selection()

    def _selected(self, rows: Any) -> None:
        with self.state.lock:
            self.state.select_rows(np.sort(np.asarray(rows, np.intp)).tolist(), source=self._source)

    def show_selection(self) -> None:
        """The selected points are marked."""
        rows = sorted(self.state.rows_of(self.state.selection.ids))
        if not np.array_equal(rows, np.asarray(self.scatter.selection(), np.intp)):
            self.scatter.selection(rows)


def point_colours(state: ExplorerState) -> tuple[Any, Any]:
    """A column that gives each point its colour, and the colours: a list for categories, a name for a scale."""
    values, _ = figures.column(state.projection, state.color)
    count = len(state.projection)
    if values is None:
        return np.zeros(count, np.int16).astype(str), {"0": colours.PALETTE[0]}
    found = colours.coloured(values)
    if isinstance(found, colours.Scale):
        numbers = np.full(count, np.nan)
        numbers[found.rows] = found.values
        # A number is needed everywhere: what is missing gets the lowest colour.
        return np.nan_to_num(numbers, nan=float(found.values.min())), "cividis"
    names = np.full(count, "", object)
    for number, group in enumerate(found):
        names[group.rows] = str(number)
    return names, {str(number): group.colour for number, group in enumerate(found)}


def _within(values: Matrix) -> Matrix:
    """As -1 to 1, which jupyter-scatter draws without rescaling."""
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    scaled: Matrix = ((values - low) / ((high - low) or 1) * 2 - 1).astype(np.float32)
    return scaled

"""The map of an explorer: one plotly FigureWidget that shows the state and tells it what is lassoed.

One, because each sends plotly.js to the browser anew; it is redrawn by changing its traces.
"""

from __future__ import annotations

import itertools
from time import monotonic
from typing import Any

import numpy as np
import numpy.typing as npt

from chroma_nb._optional import require
from chroma_nb.jupyter.widgets.explorer_state import ExplorerState
from chroma_nb.projection import figures
from chroma_nb.types import Matrix

_NUMBERS = itertools.count(1)
_RING = "#D62728"
#: For so long what plotly says of an outline that we erased is not taken for the person's word.
_ECHO_SECONDS = 3.0


class MapView:
    """``figure`` follows ``state``; a lasso or box becomes the selection, a click the record in focus."""

    def __init__(self, state: ExplorerState, height: int = 560) -> None:
        self.state, self._height = state, height
        self._source = f"map {next(_NUMBERS)}"  # several maps may share one selection
        graph_objects = require("plotly.graph_objects", feature="the map")
        require("anywidget", feature="the map")
        self._caught: list[int] = []
        self._outlined = False
        self._erased = -_ECHO_SECONDS
        drawing = self._drawing()
        self._rows = drawing.rows
        self.figure: Any = graph_objects.FigureWidget([*drawing.figure.data, self._ring()], drawing.figure.layout)
        self._listen()
        if len(state.selection):
            self.show_selection()
        state.on_change(self._follow)
        state.selection.on_select(lambda selection: self.show_selection(), source=self._source)

    def _follow(self, what: str) -> None:
        {"map": self.redraw, "searches": self.redraw, "focus": self._show_focus}[what]()

    def _drawing(self) -> figures.Drawing:
        state = self.state
        stars = [star for placed in state.searches for star in state.projection.stars(placed)]
        return figures.draw(
            state.projection, stars=stars, color=state.color, size=state.size, height=self._height, title=""
        )

    def redraw(self) -> None:
        """All traces anew."""
        drawing = self._drawing()
        self._rows = drawing.rows
        with self.figure.batch_update():
            self.figure.data = []
            self.figure.add_traces([*drawing.figure.data, self._ring()])
            self.figure.layout = drawing.figure.layout
        self._listen()
        self.show_selection()

    def _listen(self) -> None:
        for trace in self.figure.data[: len(self._rows)]:
            trace.on_selection(self._selected)
            trace.on_deselect(self._deselected)
            trace.on_click(self._clicked)

    # --- From the person ---
    def _selected(self, trace: Any, points: Any, selector: Any) -> None:
        """plotly calls this once a trace, in order; with the last one the selection is whole."""
        self._outlined = selector is not None
        if points.trace_index == 0:
            self._caught = []
        self._caught += self._rows[points.trace_index][np.asarray(points.point_inds, np.intp)].tolist()
        if points.trace_index == len(self._rows) - 1:
            drawn = sum(map(len, self._rows))
            if selector is not None and drawn < len(self.state.projection):
                # A sample is drawn: what lies inside is selected, seen or not.
                self._caught = np.flatnonzero(inside(selector, self.state.projection.coordinates)).tolist()
            self.state.select_rows(sorted(self._caught), source=self._source)

    def _deselected(self, trace: Any, points: Any) -> None:
        if monotonic() < self._erased + _ECHO_SECONDS:
            return  # not the person: plotly says so of the outline that we took away
        self.state.selection.clear(source=self._source)

    def _clicked(self, trace: Any, points: Any, device: Any) -> None:
        hit = self._rows[points.trace_index][np.asarray(points.point_inds, np.intp)].tolist()
        if hit:
            one = self.state.projection.ids[hit[0]]
            self.state.look_at([one])
            if self.state.projection.dims == 3:  # no lasso there
                self.state.selection.toggle(one, source=self._source)

    # --- To the person ---
    def show_selection(self) -> None:
        """Selected points are bright, the others faint; nothing selected: all bright."""
        if self._outlined:
            self._erase_outline()
        chosen = np.zeros(len(self.state.projection), np.bool_)
        chosen[self.state.rows_of(self.state.selection.ids)] = True
        any_chosen = bool(chosen.any())
        with self.figure.batch_update():
            if self.state.projection.dims == 2:
                for trace, rows in zip(self.figure.data, self._rows, strict=False):
                    trace.selectedpoints = np.flatnonzero(chosen[rows]).tolist() if any_chosen else None
        self._show_focus()

    def _erase_outline(self) -> None:
        """Take away the lasso that was drawn; while it stands, plotly selects what is inside, whatever we say.

        The figure here does not know of it, and sends only what changes: so first another, then none.
        """
        corner = {"x0": 0, "x1": 0, "y0": 0, "y1": 0, "type": "rect"}
        self.figure.layout.selections = [corner]
        self.figure.layout.selections = []
        self._outlined = False
        self._erased = monotonic()

    def _ring(self) -> Any:
        """What marks the records in focus; the last trace."""
        graph_objects = require("plotly.graph_objects", feature="the map")
        flat = self.state.projection.dims == 2
        kind = graph_objects.Scattergl if flat else graph_objects.Scatter3d
        marker = {"symbol": "circle-open", "size": 16 if flat else 10, "color": _RING, "line": {"width": 3}}
        empty: dict[str, Any] = {axis: [] for axis in "xyz"[: self.state.projection.dims]}
        return kind(**empty, mode="markers", marker=marker, hoverinfo="skip", showlegend=False)

    def _show_focus(self) -> None:
        spots = self.state.projection.coordinates[self.state.rows_of(self.state.focus)]
        ring = self.figure.data[-1]
        with self.figure.batch_update():
            for column, axis in enumerate("xyz"[: self.state.projection.dims]):
                ring[axis] = np.ascontiguousarray(spots[:, column])


def inside(selector: Any, coordinates: Matrix) -> npt.NDArray[np.bool_]:
    """Which points lie in plotly's lasso (``xs``, ``ys``) or box (``xrange``, ``yrange``).

    >>> from types import SimpleNamespace
    >>> triangle = SimpleNamespace(type="lasso", xs=[0, 4, 0], ys=[0, 0, 4])
    >>> inside(triangle, np.array([[1, 1], [3, 3], [-1, 1]], np.float32)).tolist()
    [True, False, False]
    """
    x, y = coordinates[:, 0].astype(np.float64), coordinates[:, 1].astype(np.float64)
    if selector.type == "box":
        (left, right), (low, high) = sorted(selector.xrange), sorted(selector.yrange)
        boxed: npt.NDArray[np.bool_] = (x >= left) & (x <= right) & (y >= low) & (y <= high)
        return boxed
    corners = list(zip(selector.xs, selector.ys, strict=True))
    result = np.zeros(len(x), np.bool_)
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        if y1 != y2:  # a ray to the right crosses this side: in becomes out
            result ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return result

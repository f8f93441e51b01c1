"""The map of an explorer: one plotly FigureWidget that shows the state and passes on what is lassoed.

One, because each sends plotly.js to the browser again; it is redrawn by changing its traces.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from chroma_nb._optional import require
from chroma_nb.display.markup import visible
from chroma_nb.jupyter.widgets.explorer_state import ExplorerState
from chroma_nb.jupyter.widgets.map_figure import map_figure
from chroma_nb.projection import figures
from chroma_nb.types import Json, Mask, Matrix

if TYPE_CHECKING:
    from plotly.basedatatypes import BaseTraceType

#: Of the rings around the records in focus; pixels.
_RING, _RADIUS = "#D62728", 8


class MapView:
    """``figure`` follows ``state``; a lasso or box becomes the selection, a click the record in focus."""

    def __init__(self, state: ExplorerState, height: int = 560) -> None:
        self.state, self._height = state, height
        #: The selection that the outline on the map stands for; None when there is no outline of ours to keep.
        self._outlined: tuple[str, ...] | None = None
        drawing = self._drawing()
        self._rows = drawing.rows
        self._spots, self._layout = state.projection.coordinates, drawing.figure.layout.to_plotly_json()
        label = f"Map of {visible(state.projection.name)}: a point for each record; the table lists the selected ones"
        self.figure = map_figure()(self._traces(drawing), drawing.figure.layout, self, state.lock, label)
        if len(state.selection):
            self.show_selection()
        state.follow(self._follow, self.show_selection, source=self)

    def _follow(self, what: str) -> None:
        {"map": self.redraw, "searches": self.redraw, "focus": self._show_focus}[what]()

    def _drawing(self) -> figures.Drawing:
        state = self.state
        stars = [star for placed in state.searches for star in state.projection.stars(placed)]
        return figures.draw(
            state.projection, stars=stars, color=state.color, size=state.size, height=self._height, title=""
        )

    def _traces(self, drawing: figures.Drawing) -> list[BaseTraceType]:
        return [*drawing.figure.data, *([] if self.state.projection.dims == 2 else _rings_3d())]

    def redraw(self) -> None:
        """Draw all traces again."""
        with self.state.lock:
            self._erase_outline()
            drawing = self._drawing()
            self._rows = drawing.rows
            with self.figure.batch_update():
                self.figure.data = []
                self.figure.add_traces(self._traces(drawing))
            self._change_layout(drawing.figure.layout.to_plotly_json())
            self.show_selection()

    def _change_layout(self, layout: Json) -> None:
        """Only what is another than before: the rest is the person's, and a height said again would fix the width."""
        changed = {name: value for name, value in layout.items() if value != self._layout.get(name)}
        if "annotations" in self._layout and "annotations" not in layout:
            changed["annotations"] = []
        if self.state.projection.coordinates is not self._spots and self.state.projection.dims == 2:
            changed |= {axis: layout[axis] for axis in ("xaxis", "yaxis")}  # in view again, also where somebody zoomed
        self._spots, self._layout = self.state.projection.coordinates, layout
        if changed:
            self.figure.plotly_relayout(changed)

    # --- From the person ---
    def lassoed(self, points: dict[int, list[int]], shape: SimpleNamespace | None) -> None:
        """What lies in the outline becomes the selection."""
        caught = self._rows_of(points)
        if shape is not None and sum(map(len, self._rows)) < len(self.state.projection):
            # A sample is drawn: what lies inside is selected, seen or not.
            caught = np.flatnonzero(inside(shape, self.state.projection.coordinates)).tolist()
        self._outlined = tuple(self.state.projection.ids[row] for row in caught)
        self._show_chosen(self._outlined)  # the page has it; the figure here, which other pages get, has not
        self.state.select_rows(caught, source=self)

    def outlined(self) -> None:
        """The page sends an outline after the points in it; by then the selection may have changed."""
        if self.state.selection.ids != self._outlined:
            self._show_chosen(())  # what is bright on the page is not what was said: say it again
            self.show_selection()

    def unselected(self) -> None:
        """Nothing is selected any more."""
        self.state.selection.clear()

    def clicked(self, points: dict[int, list[int]]) -> None:
        """The record is shown."""
        hit = self._rows_of(points)
        if hit:
            id_ = self.state.projection.ids[hit[0]]
            self.state.look_at([id_])
            if self.state.projection.dims == 3:  # no lasso there
                self.state.selection.toggle(id_, source=self)

    def _rows_of(self, points: dict[int, list[int]]) -> list[int]:
        """The records at these points; not stars and rings."""
        ours = [(self._rows[trace], np.asarray(points[trace], np.intp)) for trace in points if trace < len(self._rows)]
        # Where the map is being drawn anew, the page may still speak of the old one.
        found = [rows[numbers[numbers < len(rows)]] for rows, numbers in ours]
        return np.sort(np.concatenate(found)).tolist() if found else []

    # --- To the person ---
    def show_selection(self) -> None:
        """Selected points are bright, the others faint; nothing selected: all bright."""
        with self.state.lock:
            if self._outlined != self.state.selection.ids:
                self._erase_outline()
            self._show_chosen(self.state.selection.ids)
            self._show_focus()

    def _show_chosen(self, ids: Iterable[str]) -> None:
        if self.state.projection.dims != 2:
            return
        chosen = np.zeros(len(self.state.projection), np.bool_)
        chosen[self.state.rows_of(ids)] = True
        any_chosen = bool(chosen.any())
        with self.figure.batch_update():
            for trace, rows in zip(self.figure.data, self._rows, strict=False):
                trace.selectedpoints = np.flatnonzero(chosen[rows]).tolist() if any_chosen else None

    def _erase_outline(self) -> None:
        """Take away the lasso that was drawn; while it stands, plotly selects what is inside, whatever we say."""
        self._outlined = None
        self._lay_out("selections", [])

    def _show_focus(self) -> None:
        """A ring around each record in focus."""
        spots = self.state.projection.coordinates[self.state.rows_of(self.state.focus)]
        with self.state.lock:
            if self.state.projection.dims == 2:
                self._lay_out("shapes", [_ring(*spot) for spot in spots.tolist()])
                return
            with self.figure.batch_update():
                for column, axis in enumerate("xyz"):
                    self.figure.data[-1][axis] = np.ascontiguousarray(spots[:, column])

    def _lay_out(self, name: str, values: list[Json]) -> None:
        """A list of the layout. Not by its attribute, which does not know what the page has told."""
        if values or self.figure.layout.to_plotly_json().get(name):
            self.figure.plotly_relayout({name: values})


def _rings_3d() -> list[BaseTraceType]:
    """The last trace of a map in space; a flat one has shapes instead, which no lasso catches."""
    graph_objects = require("plotly.graph_objects", feature="the map")
    marker = {"symbol": "circle-open", "size": 10, "color": _RING, "line": {"width": 3}}
    return [
        graph_objects.Scatter3d(x=[], y=[], z=[], mode="markers", marker=marker, hoverinfo="skip", showlegend=False)
    ]


def _ring(x: float, y: float) -> Json:
    anchor = {"xsizemode": "pixel", "ysizemode": "pixel", "xanchor": x, "yanchor": y}
    size = {"x0": -_RADIUS, "x1": _RADIUS, "y0": -_RADIUS, "y1": _RADIUS}
    return {"type": "circle", "line": {"color": _RING, "width": 3}, **anchor, **size}


def inside(selector: SimpleNamespace, coordinates: Matrix) -> Mask:
    """Which points lie in plotly's lasso (``xs``, ``ys``) or box (``xrange``, ``yrange``).

    >>> from types import SimpleNamespace
    >>> triangle = SimpleNamespace(type="lasso", xs=[0, 4, 0], ys=[0, 0, 4])
    >>> inside(triangle, np.array([[1, 1], [3, 3], [-1, 1]], np.float32)).tolist()
    [True, False, False]
    """
    x, y = coordinates[:, 0].astype(np.float64), coordinates[:, 1].astype(np.float64)
    if selector.type == "box":
        (left, right), (low, high) = sorted(selector.xrange), sorted(selector.yrange)
        boxed: Mask = (x >= left) & (x <= right) & (y >= low) & (y <= high)
        return boxed
    corners = list(zip(selector.xs, selector.ys, strict=True))
    result = np.zeros(len(x), np.bool_)
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        if y1 != y2:  # a ray to the right crosses this side: in becomes out
            result ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return result

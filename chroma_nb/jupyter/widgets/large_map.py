"""The map of an explorer by jupyter-scatter, for more points than plotly holds (the extra ``large``).

The same state and selection as ``map.py``. Searches show in the selection of their hits, not as stars.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chroma_nb._optional import Untyped, require
from chroma_nb.display.markup import shortened, visible
from chroma_nb.jupyter.widgets.explorer_state import ExplorerState
from chroma_nb.projection import figures, scales
from chroma_nb.projection.plotly_text import told_apart
from chroma_nb.types import Float64, Indices, Matrix, Options

#: Sizes of points, in pixels.
_SMALLEST, _LARGEST = 3, 10
#: Share of the room that the points fill.
_FILLED = 0.95
#: Seconds that the page may take to draw.
_DRAWING = 2.0
#: Characters of a name in the legend.
_NAMED = 28


class LargeMapView:
    """``figure`` holds one jupyter-scatter widget that follows ``state`` and passes on what is lassoed."""

    def __init__(self, state: ExplorerState, height: int = 560) -> None:
        if state.projection.dims != 2:
            raise ValueError("expected a map of two dimensions for jupyter-scatter, got three; use renderer='plotly'")
        self.state, self._height = state, height
        self._scatter_package = require("jscatter", feature="a map of very many points", extra="large")
        self.figure = require("ipywidgets", feature="the map").VBox()
        self._spots: Matrix | None = None
        self._drawn = -_DRAWING
        self.scatter: Untyped = None
        self.redraw()
        state.follow(self._follow, self.show_selection, source=self)

    def _follow(self, what: str) -> None:
        with self.state.lock:
            {"map": self.redraw, "searches": lambda: None, "focus": self._show_focus}[what]()

    def redraw(self) -> None:
        """The points anew where they have moved; else their colours and sizes, which leaves the view as it is.

        The page drops what comes while it draws: soon after another drawing there is a new one, too.
        """
        spots, now = self.state.projection.coordinates, time.monotonic()
        if spots is not self._spots or now < self._drawn + _DRAWING:
            self._spots = spots
            self._place(_within(spots))
        self._drawn = now
        if self.scatter is not None:
            self._paint()
            self.show_selection()

    def _place(self, spots: Matrix) -> None:
        if not len(spots):  # jupyter-scatter draws no empty map
            self.scatter, self.figure.children = None, ()
            return
        # The same scale in both directions: distances on the map may be compared.
        whole = {"x_scale": (-1, 1), "y_scale": (-1, 1)}
        scatter = self._scatter_package.Scatter(x=spots[:, 0], y=spots[:, 1], height=self._height, **whole)
        scatter.axes(False)
        scatter.background((1, 1, 1, 0))  # what the page has, light or dark
        scatter.reticle(color=(0.5, 0.5, 0.5, 0.4))
        scatter.opacity(unselected=0.2)
        scatter.lasso(initiator=True)
        scatter.mouse("lasso")
        self.scatter = scatter
        scatter.widget.observe(lambda change: self._selected(change["new"]), "selection")
        self.figure.children = (scatter.show(),)

    def _paint(self) -> None:
        channels = {"color": point_colours(self.state), "size": point_sizes(self.state)}
        for name, channel in channels.items():
            norm = {} if channel.range is None else {"norm": channel.range}
            getattr(self.scatter, name)(by=channel.values, map=channel.looks, skip_widget_update=True, **norm)
        # At once: of two messages with points the page would draw the first.
        for trait, value in (("prevent_filter_reset", True), ("non_spatial_points_update", True)):
            self.scatter.update_widget(trait, value)
        self.scatter.update_widget("points", self.scatter.get_point_list())
        # Ours: jupyter-scatter's own rounds years until two are the same.
        said = {name: self._legend(name, channel) for name, channel in channels.items() if channel.title is not None}
        self.scatter.legend(bool(said))
        self.scatter.widget.legend_encoding = said

    def _legend(self, name: str, channel: Channel) -> Options:
        looks = getattr(self.scatter, name)()["map"]
        if channel.range is None:
            entries = list(zip(channel.values.categories, looks, itertools.repeat(None)))
        else:
            low, high = channel.range
            ticks = channel.ticks or [(share / 4, f"{low + share / 4 * (high - low):.6g}") for share in range(5)]
            entries = [(text, looks[round(share * (len(looks) - 1))], None) for share, text in ticks]
            if channel.has_missing and channel.ticks:
                entries.insert(0, ("missing", looks[0], None))
            elif channel.has_missing:
                entries[0] = (f"{entries[0][0]} or missing", *entries[0][1:])
        return {"variable": _short(channel.title or ""), "values": entries, "categorical": True}

    def _selected(self, rows: Sequence[int]) -> None:
        with self.state.lock:
            chosen = np.sort(np.asarray(rows, np.intp)).tolist()
            self.state.select_rows(chosen, source=self)
            if len(chosen) == 1:  # a click
                self.state.look_at(self.state.selection.ids)

    def show_selection(self) -> None:
        """The selected points are marked."""
        rows = sorted(self.state.rows_of(self.state.selection.ids))
        if self.scatter is not None and not np.array_equal(rows, np.asarray(self.scatter.selection(), np.intp)):
            self.scatter.selection(rows)

    def _show_focus(self) -> None:
        """Lines cross at the record in focus."""
        if self.scatter is not None:
            self.scatter.widget.hovering = next(iter(self.state.rows_of(self.state.focus)), None)


@dataclass(frozen=True)
class Channel:
    """What points are coloured or sized by: a category or a number (then with a ``range``) for each, and how it looks.

    If all points look the same, there is no ``title``.
    """

    values: Untyped
    looks: Sequence[object] | str
    title: str | None = None
    range: tuple[float, float] | None = None
    has_missing: bool = False
    #: Values of the legend and the share of the range at which each stands; none for five of equal distance.
    ticks: tuple[tuple[float, str], ...] = ()


def point_colours(state: ExplorerState) -> Channel:
    """The colours."""
    pd = require("pandas", feature="the map")
    values, title = figures.column(state.projection, state.color)
    if values is None:
        # Not jupyter-scatter's own constant: its page stumbles over going back to that from values.
        return Channel(pd.Categorical.from_codes(np.zeros(len(state.projection), np.int8), ["all"]), scales.PALETTE[:1])
    found = scales.of_given(values, title)
    if scales.is_ramp(found):
        return _ramp(found, title)
    groups = scales.groups(found)
    codes = np.empty(len(values), np.int8)
    names: list[str] = []
    different = dict.fromkeys(visible(group.text) for group in groups)
    cut = dict(zip(different, told_apart(list(different), _NAMED), strict=True))
    for number, group in enumerate(groups):
        codes[group.rows] = number
        shown = cut[visible(group.text)]
        while shown in names:  # a value called "missing"
            shown += "\N{ZERO WIDTH SPACE}"
        names.append(shown)
    return Channel(pd.Categorical.from_codes(codes, names), [group.colour for group in groups], title)


def point_sizes(state: ExplorerState) -> Channel:
    """The sizes."""
    count = len(state.projection)
    values, title = figures.column(state.projection, state.size)
    sizes = {row: float(value) for row, value in enumerate(values or ()) if scales.is_number(value)}
    if not sizes:
        return Channel(np.zeros(count), [_SMALLEST, _SMALLEST], range=(0, 1))
    # By area: the eye compares areas, not diameters.
    looks = _SMALLEST + (_LARGEST - _SMALLEST) * np.sqrt(np.linspace(0, 1, 17))
    return _measured(count, np.array(list(sizes)), np.array(list(sizes.values())), looks.tolist(), title)


def _ramp(found: scales.Scale, title: str) -> Channel:
    """Numbers or dates by their place on the ramp; the lowest for those without one, as jupyter-scatter needs."""
    shares = np.maximum(found.codes.astype(np.float64) - 0.5, 0.5) / scales.STEPS
    called = f"{title} ({found.note})" if found.note else title
    ticks = tuple((tick.at, tick.text) for tick in found.ticks)
    return Channel(shares, scales.steps(scales.STEPS), called, (0.0, 1.0), bool(found.missing), ticks)


def _measured(count: int, rows: Indices, values: Float64, looks: Sequence[object] | str, title: str) -> Channel:
    """jupyter-scatter needs a number for each point: the lowest for those that have none."""
    low, high = float(values.min()), float(values.max())
    numbers = np.full(count, low)
    numbers[rows] = values
    return Channel(numbers, looks, title, (low, high if high > low else low + 1), len(rows) < count)


def _short(text: str) -> str:
    return shortened(visible(text), _NAMED)


def _within(spots: Matrix) -> Matrix:
    """Centred, the longer side a little within -1 to 1."""
    low, high = spots.min(axis=0, initial=0), spots.max(axis=0, initial=0)
    middle, half = (low + high) / 2, float((high - low).max()) / 2
    centred: Matrix = ((spots - middle) * (_FILLED / (half or 1))).astype(np.float32)
    return centred

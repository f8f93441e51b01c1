"""A map as a plotly figure: points, regions' names, queries with lines to their hits.

The same map gives the same figure, byte by byte: traces have fixed uids. No widget here; the explorer in
``jupyter/widgets`` puts these traces into one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

import numpy as np

from chroma_nb import by_label
from chroma_nb._hints import meant
from chroma_nb._optional import require
from chroma_nb.projection import layout, scales
from chroma_nb.projection.labels import Labels
from chroma_nb.projection.plotly_text import escaped, folded, told_apart
from chroma_nb.types import Indices, Mask, Matrix, Metadata, Options

if TYPE_CHECKING:
    from plotly.basedatatypes import BaseTraceType
    from plotly.graph_objects import Figure

#: Up to this many points a hover carries text; beyond, it would be most of what is sent: id and colour only.
HOVER_TEXTS: Final = 20_000
#: Beyond this many points a lasso is slow to follow: a box is offered first.
LASSO: Final = 50_000
#: Beyond this many points a density and a sample are drawn.
DRAWN: Final = 200_000
#: On white and on black alike 4.5 : 1.
_INK: Final = "#767676"
#: Of every figure: nothing of its own that a dark or a light page would show, and no button of plotly's that sends
#: the chart, documents and all, to its makers, wherever the figure is shown.
PLAIN: Final[Options] = {
    "template": "none",
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"color": _INK},
    "margin": {"l": 8, "r": 8, "t": 40, "b": 8},
    "modebar": {
        "bgcolor": "rgba(0,0,0,0)",
        "color": _INK,
        "activecolor": scales.PALETTE[0],
        "remove": ["sendChartToCloud"],
    },
}
_SEED: Final = 42
#: From little to much, as plotly takes it.
RAMP: Final = [[place / 15, colour] for place, colour in enumerate(scales.steps(16))]
#: From where a map in space is looked at first, in each direction: near enough to fill the room.
_EYE: Final = 0.9
#: Pixels that the points of a figure have where its width is the page's.
_USUAL_WIDTH: Final = 760
#: Pixels of a figure that its title takes, and around its points.
_TITLE: Final = 48
_EDGE: Final = 24
#: The same for pages and widgets of ours, without plotly's logo.
NO_CLOUD: Final = {"showSendToCloud": False, "plotlyServerURL": "", "displaylogo": False}
#: Of the first query, the second, …
STAR_COLOURS: Final = ("#D62728", "#6A3D9A", "#1B9E77", "#B15928")


#: What gives colours or sizes: a metadata key ("label" for the regions), values by id, or nothing.
By: TypeAlias = str | Mapping[str, object] | None
#: The same as it may be given: values also as a Series by id, or one for each record in the order of the map.
Given: TypeAlias = By | Sequence[object]


class Map(Protocol):
    """What is drawn."""

    ids: list[str]
    coordinates: Matrix
    documents: list[str | None]
    metadatas: list[Metadata | None]
    name: str

    @property
    def labels(self) -> Labels:
        """A label per record."""
        ...


@dataclass(frozen=True)
class Star:
    """A query: its text, where it lies, and the rows of its hits."""

    text: str
    spot: Matrix
    hits: list[int]


@dataclass(frozen=True)
class Drawing:
    """A figure, and for each of its first traces the rows of the map that its points are."""

    figure: Figure
    rows: list[Indices]


def draw(
    projection: Map,
    *,
    color: Given = "label",
    size: Given | float = None,
    hover: Sequence[str] | str = (),
    labels: bool = True,
    stars: Sequence[Star] = (),
    title: str | None = None,
    width: int | None = None,
    height: int = 600,
    limit: int | None = None,
) -> Drawing:
    """The figure of a map.

    ``color`` and ``size`` name a metadata key or "label", or give a value per record, or a Series or dict of values
    by id; ``hover`` names keys shown besides the document. Colours are those of the live map: by what the values are.
    ``labels`` writes the names of the regions on the map. Beyond ``limit`` points a density and that many of them
    are drawn.
    """
    go = require("plotly.graph_objects", feature="the figure of a map")
    values, colour_name = column(projection, color)
    sizes = _sizes(projection, size)
    shown = _shown(len(projection.ids), DRAWN if limit is None else limit)
    texts = _hover(projection, values, colour_name, _hovered(projection, hover), shown)
    dims = projection.coordinates.shape[1]
    traces, rows = [], []
    for name, part, marker in _parts(len(projection.ids), values, colour_name):
        kept = part if shown is None else part[shown[part]]
        if len(part) and not len(kept):
            continue
        marker["size"] = _of_rows(sizes, kept, default=_point_size(len(projection.ids), dims))
        if isinstance(shares := marker.get("color"), np.ndarray):
            marker["color"] = shares if shown is None else shares[shown[part]]
        traces.append(_points(go, projection.coordinates[kept], [texts[row] for row in kept.tolist()], name, marker))
        rows.append(kept)
    for number, trace in enumerate(traces):
        trace.uid = f"chroma-nb-{number}"
    figure = go.Figure(traces)
    if shown is not None and dims == 2:
        figure.add_trace(_density(go, projection.coordinates))
    for number, star in enumerate(stars):
        figure.add_traces(star_traces(star, projection.coordinates, number))
    figure.update_layout(_layout(projection, dims, title, width, height, len(rows)))
    if labels and len(projection.ids):
        _write_names(go, figure, projection, width, height)
    return Drawing(figure, rows)


# --- Points ---------------------------------------------------------------------------------------------
def column(projection: Map, name: Given) -> tuple[Sequence[object] | None, str]:
    """A value per record, by key or as given, and what it is called."""
    count = len(projection.ids)
    if name is None:
        return None, ""
    if not isinstance(name, str):
        return by_label.of_records(name, projection.ids, "color or size"), ""
    keys = _keys(projection)
    if name not in keys and name == "label":
        found = projection.labels.of_records()
        return (found if any(found) else None), "label"
    if name not in keys and count:
        raise ValueError(_no_key(name, keys))
    return [(metadata or {}).get(name) for metadata in projection.metadatas], name


def by_id(projection: Map, values: Given) -> By:
    """What gives colours or sizes, so that it can be kept while the map changes: values become values by id."""
    if values is None or isinstance(values, str | Mapping):
        return values
    found = by_label.of_records(values, projection.ids, "color or size")
    return dict(zip(projection.ids, found, strict=True))


def _keys(projection: Map) -> set[str]:
    return {key for metadata in projection.metadatas for key in metadata or ()}


def _no_key(name: str, keys: set[str]) -> str:
    if close := meant(name, keys):
        return f"No record has the metadata key {name!r}. {close}"
    there = ", ".join(map(repr, ["label", *sorted(keys)[:12]]))
    return f"No record has the metadata key {name!r}. The keys are: {there}."


def _hovered(projection: Map, hover: Sequence[str] | str) -> list[str]:
    """The keys shown over a point; one may be given by its name alone."""
    asked = [hover] if isinstance(hover, str) else list(hover)
    keys = _keys(projection) if asked and projection.ids else set(asked)
    if unknown := [key for key in asked if key not in keys and key != "label"]:
        raise ValueError(_no_key(unknown[0], keys))
    return asked


def _parts(count: int, values: Sequence[object] | None, name: str) -> list[tuple[str, Indices, Options]]:
    """Name, rows and marker of each trace."""
    if values is None:
        return [("records", np.arange(count), {"color": scales.PALETTE[0]})]
    found = scales.of_given(values, name)
    called = escaped(name, 40)
    if scales.is_ramp(found):
        known = np.flatnonzero(found.codes)
        title = "<br>".join(text for text in (called, escaped(found.note)) if text)
        ticks = {
            "tickvals": [tick.at for tick in found.ticks],
            "ticktext": [escaped(tick.text) for tick in found.ticks],
        }
        bar = {"title": {"text": title}, "thickness": 12, **ticks}
        shares = ((found.codes[known] - 0.5) / scales.STEPS).astype(np.float32)
        marker = {"color": shares, "cmin": 0, "cmax": 1, "colorscale": RAMP, "showscale": True, "colorbar": bar}
        parts = [(called or "value", known, marker)] if len(known) else []
        return [*parts, *_missing(np.flatnonzero(found.codes == 0))]
    groups = scales.groups(found)
    known_groups = [group for group in groups if group.known]
    names = told_apart([group.text for group in known_groups], 28)
    parts = [
        (escaped(text, 28), group.rows, {"color": group.colour})
        for text, group in zip(names, known_groups, strict=True)
    ]
    return [*parts, *(part for group in groups if not group.known for part in _missing(group.rows))]


def _missing(rows: Indices) -> list[tuple[str, Indices, Options]]:
    """The trace of records without a value, if there are any."""
    return [("missing", rows, {"color": scales.MISSING, "symbol": "circle-open"})] if len(rows) else []


def _points(go: ModuleType, spots: Matrix, texts: list[str], name: str, marker: Options) -> BaseTraceType:
    axes = dict(zip("xyz", (np.ascontiguousarray(spots[:, axis]) for axis in range(spots.shape[1])), strict=False))
    kind = go.Scattergl if spots.shape[1] == 2 else go.Scatter3d
    marker = {"opacity": 0.8, **marker}
    faint = {} if spots.shape[1] == 3 else {"unselected": {"marker": {"opacity": 0.15}}}
    return kind(**axes, mode="markers", name=name, hovertext=texts, hoverinfo="text", marker=marker, **faint)


def _point_size(count: int, dims: int) -> float:
    return float(np.clip(10 - 1.6 * np.log10(max(count, 1)), 2.5, 9)) * (0.6 if dims == 3 else 1)


def _sizes(projection: Map, size: Given | float) -> float | Matrix | None:
    """None, one size, or one per record between 4 and 18 pixels; records without a number are the smallest."""
    if size is None or isinstance(size, int | float | np.number):
        return size
    values, _ = column(projection, size)
    numbers = np.array([float(value) if scales.is_number(value) else np.nan for value in values or ()])
    if numbers.size == 0 or np.isnan(numbers).all():
        got = repr(size) if isinstance(size, str) else "values without a number"
        raise ValueError(f"expected size to be a metadata key with numbers, got {got}")
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    # By area: the eye compares areas, not diameters.
    share = np.nan_to_num((numbers - low) / (high - low if high > low else 1))
    pixels: Matrix = (4 + 14 * np.sqrt(share)).astype(np.float32)
    return pixels


def _of_rows(sizes: float | Matrix | None, rows: Indices, default: float) -> float | Matrix:
    if sizes is None:
        return default
    return sizes[rows] if isinstance(sizes, np.ndarray) else sizes


def _shown(count: int, limit: int) -> Mask | None:
    """Which rows are drawn: None for all."""
    if count <= limit:
        return None
    chosen = np.zeros(count, np.bool_)
    chosen[np.random.default_rng(_SEED).choice(count, size=limit, replace=False)] = True
    return chosen


def _hover(
    projection: Map, values: Sequence[object] | None, name: str, hover: Sequence[str], shown: Mask | None
) -> list[str]:
    """What is read over a point: id, document, the value that gives the colour, more keys."""
    count = len(projection.ids) if shown is None else int(shown.sum())
    brief = count > HOVER_TEXTS
    keys = [] if brief else [key for key in hover if key != name]
    named = projection.labels.of_records() if "label" in keys else None
    texts = []
    for row, id_ in enumerate(projection.ids):
        lines = [f"<b>{escaped(id_, 60)}</b>"]
        if not brief and projection.documents[row]:
            lines.append(folded(projection.documents[row]))
        if values is not None and values[row] is not None:
            lines.append(f"{escaped(name, 40)}: {escaped(values[row], 60)}" if name else escaped(values[row], 60))
        metadata = projection.metadatas[row] or {}
        if named is not None and named[row] is not None:
            metadata = {"label": named[row], **metadata}
        lines += [f"{escaped(key, 40)}: {escaped(metadata[key], 60)}" for key in keys if key in metadata]
        texts.append("<br>".join(lines))
    return texts


def _density(go: ModuleType, coordinates: Matrix) -> BaseTraceType:
    """How many points lie where, beneath a sample of them."""
    counts, x, y = np.histogram2d(coordinates[:, 0], coordinates[:, 1], bins=160)
    return go.Heatmap(
        z=np.where(counts > 0, np.log1p(counts), np.nan).T.astype(np.float32),
        x=((x[:-1] + x[1:]) / 2).astype(np.float32),
        y=((y[:-1] + y[1:]) / 2).astype(np.float32),
        colorscale="Greys",
        showscale=False,
        hoverinfo="skip",
        opacity=0.5,
        zsmooth="best",
        uid="chroma-nb-density",
    )


# --- Queries --------------------------------------------------------------------------------------------
def star_traces(star: Star, coordinates: Matrix, number: int) -> list[BaseTraceType]:
    """A query as a star, with lines to its hits."""
    go = require("plotly.graph_objects", feature="the figure of a map")
    dims = len(star.spot)
    colour = STAR_COLOURS[number % len(STAR_COLOURS)]
    path = np.full((3 * len(star.hits), dims), np.nan, np.float32)
    path[0::3], path[1::3] = star.spot, coordinates[star.hits]
    kind = go.Scatter if dims == 2 else go.Scatter3d
    name = escaped(star.text, 40)
    group = f"query-{number}"

    def axes(spots: Matrix) -> Options:
        """The columns of the coordinates by the names of their axes."""
        return {axis: np.ascontiguousarray(spots[:, column]) for column, axis in enumerate("xyz"[:dims])}

    lines = kind(
        **axes(path),
        mode="lines",
        line={"color": colour, "width": 1.5},
        hoverinfo="skip",
        showlegend=False,
        legendgroup=group,
        connectgaps=False,
        uid=f"chroma-nb-query-{number}-lines",
    )
    marker: Options = {"color": colour, "line": {"color": "white", "width": 1}}
    marker |= {"symbol": "star", "size": 18} if dims == 2 else {"symbol": "diamond", "size": 8}
    point = kind(
        **axes(np.asarray(star.spot, np.float32)[None, :]),
        mode="markers",
        marker=marker,
        name=f"★ {name}",
        legendgroup=group,
        hovertext=[f"<b>{folded(star.text)}</b><br>{len(star.hits)} hits on the map"],
        hoverinfo="text",
        uid=f"chroma-nb-query-{number}",
    )
    return [lines, point]


# --- Around the points ----------------------------------------------------------------------------------
def _layout(projection: Map, dims: int, title: str | None, width: int | None, height: int, groups: int) -> Options:
    bare: Options = {"showgrid": False, "zeroline": False, "showticklabels": False, "title": {"text": ""}}
    axes: Options
    if dims == 2:
        axes = _axes(projection, bare, width, height)
    else:
        quiet = {**bare, "showbackground": False, "showspikes": False}
        space: Options = {"aspectmode": "data", "camera": {"eye": dict.fromkeys("xyz", _EYE)}}
        axes = {"scene": {"xaxis": quiet, "yaxis": quiet, "zaxis": quiet, **space}}
    return {
        **axes,
        "title": {"text": escaped(projection.name if title is None else title, 80), "font": {"size": 15}},
        **PLAIN,
        "hoverlabel": {"align": "left", "font": {"color": "#222222"}, "bgcolor": "#FFFFFF"},
        "legend": {"itemsizing": "constant"},
        "showlegend": groups > 1,
        "dragmode": "orbit" if dims == 3 else ("lasso" if len(projection.ids) <= LASSO else "select"),
        "width": width,
        "height": height,
        "uirevision": "chroma-nb",
    }


def _view(projection: Map, width: int | None, height: int) -> layout.View:
    """What of the map is seen where, in pixels; about, since the page decides how wide a figure is."""
    room = (_USUAL_WIDTH if width is None else max(100, width - 160), max(100, height - _TITLE))
    return layout.view(layout.home(projection.coordinates), *room, _EDGE)


def _axes(projection: Map, bare: Options, width: int | None, height: int) -> Options:
    """The map fills its room; only one that is far longer than wide keeps some of its shape."""
    seen = _view(projection, width, height)
    across, up = (side / unit / 2 for side, unit in zip((seen.width, seen.height), seen.scale, strict=True))
    (x, y), (unit_x, unit_y) = seen.middle, seen.scale
    fixed = {"scaleanchor": "x", "scaleratio": unit_y / unit_x} if max(unit_x / unit_y, unit_y / unit_x) > 1.79 else {}
    return {
        "xaxis": {**bare, "range": [x - across, x + across]},
        "yaxis": {**bare, "range": [y - up, y + up], **fixed},
    }


def _write_names(go: ModuleType, figure: Figure, projection: Map, width: int | None, height: int) -> None:
    """Where they cover no points: on a plane beside what they name, in space where none hides another at first."""
    found = projection.labels
    if projection.coordinates.shape[1] == 3:
        free = _apart_in_space(found)
        axes = {axis: found.centres[free, column] for column, axis in enumerate("xyz")}
        figure.add_trace(
            go.Scatter3d(
                **axes,
                mode="text",
                text=[f"<b>{escaped(found.names[number], layout.LETTERS)}</b>" for number in free],
                textfont={"color": _INK},
                hoverinfo="skip",
                showlegend=False,
                uid="chroma-nb-names",
            )
        )
        return
    seen = _view(projection, width, height)
    written = layout.write(layout.names(found, seen), seen.pixels(projection.coordinates), seen)
    figure.update_layout(annotations=[_annotation(one, seen) for one in written])


def _annotation(one: layout.Written, seen: layout.View) -> Options:
    """A name at its place in pixels from what it names, wherever that is in a figure of another width."""
    x, y = (
        (pixel - side / 2) / unit * turn + middle
        for pixel, side, unit, turn, middle in zip(
            one.name.at, (seen.width, seen.height), seen.scale, (1, -1), seen.middle, strict=True
        )
    )
    return {
        "x": x,
        "y": y,
        "ax": one.middle[0] - one.name.at[0],
        "ay": one.middle[1] - one.name.at[1],
        "text": f"<b>{escaped(one.name.text, layout.LETTERS)}</b>" if one.name.level == 0 else escaped(one.name.text),
        "showarrow": True,
        "arrowhead": 0,
        "arrowwidth": 1 if one.line is not None else 0.1,
        "arrowcolor": _INK if one.line is not None else "rgba(0,0,0,0)",
        "captureevents": False,
        "font": {"color": _INK, "size": one.name.size, "shadow": "auto"},
    }


def _apart_in_space(found: Labels) -> list[int]:
    """The regions whose names do not lie over a larger one's from where the figure is looked at first."""
    records = np.bincount(found.clusters[found.clusters >= 0], minlength=len(found.names))
    # From where plotly looks first, as far in each direction: to the right, and up.
    flat = found.centres @ np.array([[-1, -1], [1, -1], [0, 2]], np.float64) / [2**0.5, 6**0.5]
    span = np.maximum(np.ptp(flat, axis=0) if len(flat) else np.ones(2), 1e-9)
    pixels = (flat - flat.min(axis=0, initial=np.inf)) / span * [500, 400]
    taken: list[tuple[float, float, float]] = []
    free = []
    for number in np.argsort(-records, kind="stable").tolist():
        half = layout.Name(found.names[number][: layout.LETTERS], (0, 0), 12).room[0] / 2
        x, y = pixels[number].tolist()
        if all(abs(x - ox) > half + wide or abs(y - oy) >= 18 for ox, oy, wide in taken):
            taken.append((x, y, half))
            free.append(number)
    return free


def html_page(figure: Figure, plotlyjs: Literal["inside", "linked"]) -> str:
    """A figure as a page of its own, the same bytes for the same figure."""
    if plotlyjs not in ("inside", "linked"):
        raise ValueError(f"expected plotlyjs to be 'inside' or 'linked', got {plotlyjs!r}")
    page: str = figure.to_html(
        include_plotlyjs=True if plotlyjs == "inside" else "cdn",
        div_id="chroma-nb-map",
        config={**NO_CLOUD, "scrollZoom": True, "responsive": True},
    )
    return page

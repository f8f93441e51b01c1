"""A map as a picture that needs no plotly, no kernel and no trust: what a saved notebook shows of it.

The picture is an SVG inside an ``<img>``, since viewers drop bare SVG from notebooks they do not trust. It is drawn
on any background, and the same map gives the same bytes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from chroma_nb.display.markup import Html, escape
from chroma_nb.projection import colours, figures
from chroma_nb.projection.colours import Group, Scale
from chroma_nb.projection.figures import By, Map, Star
from chroma_nb.projection.plotly_text import told_apart
from chroma_nb.types import Ints, Mask, Matrix

#: At most this many points are drawn; beyond, every second, third, … record.
_POINTS: Final = 2_000
_WIDTH, _HEIGHT, _LEGEND, _EDGE = 600, 400, 200, 14
_LINE, _ENTRIES = 18, 16
#: Readable on white and on black.
_INK: Final = "#767676"
#: Ten steps of the scale that numbers are coloured by.
_SCALE: Final = (
    *("#00224e", "#123570", "#3b496c", "#575d6d", "#707173"),
    *("#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"),
)
#: From the middle of a point. A circle is the round end of a line of no length, which is three characters.
_SHAPES: Final = {
    "circle": "h0",
    "diamond": "m-4 0l4-4 4 4-4 4z",
    "square": "m-3-3h6v6h-6z",
    "cross": "m-3-1h2v-2h2v2h2v2h-2v2h-2v-2h-2z",
    "circle-open": "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0m1 0a2 2 0 1 1 4 0a2 2 0 1 1-4 0",
}
_STAR: Final = "m0-9l2.1 6.1h6.5l-5.2 3.9 1.9 6.2-5.3-3.7-5.3 3.7 1.9-6.2-5.2-3.9h6.5z"
#: Where things are on the picture, in its pixels: a row each.
Places = Ints
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def drawing(projection: Map, color: By = "label", stars: Sequence[Star] = ()) -> Html:
    """The picture of a map: points by colour, names of the regions, queries with lines to their hits, a legend."""
    if not len(projection.ids):
        return ""
    values, name = figures.column(projection, color)
    found = colours.coloured(values) if values is not None else [_all(projection)]
    places = _places(projection.coordinates, [star.spot for star in stars])
    points, spots = places[: len(projection.ids)], places[len(projection.ids) :]
    drawn = np.zeros(len(points), np.bool_)
    drawn[:: -(-len(points) // _POINTS)] = True
    parts = [
        f'<g fill-opacity=".75" stroke-opacity=".75">{"".join(_points(found, points, drawn))}</g>',
        *_names(projection, points),
    ]
    entries = [*_legend(found, "" if name == "label" else name)]
    for number, (star, (x, y)) in enumerate(zip(stars, spots.tolist(), strict=True)):
        colour = figures.STAR_COLOURS[number % len(figures.STAR_COLOURS)]
        lines = "".join(f"M{x} {y}L{_at(points[row])}" for row in star.hits)
        parts.append(f'<path d="{lines}" stroke="{colour}" stroke-width="1.5" fill="none"/>')
        parts.append(f'<path d="M{x} {y}{_STAR}" fill="{colour}" stroke="#fff"/>')
        entries.append((f'<path d="M8 -4{_STAR}" fill="{colour}" transform="scale(.9)"/>', star.text))
    return _image(projection, parts, entries)


def _all(projection: Map) -> Group:
    return Group("", np.arange(len(projection.ids)), colours.PALETTE[0], "circle")


def _places(coordinates: Matrix, spots: Sequence[Matrix]) -> Places:
    """Where each record, then each spot is on the picture; one unit is as long in both directions."""
    flat = np.vstack([coordinates[:, :2], *(spot[None, :2] for spot in spots)]).astype(np.float64)
    low, high = flat.min(axis=0), flat.max(axis=0)
    room = np.array([_WIDTH - 2 * _EDGE, _HEIGHT - 2 * _EDGE])
    scale = float((room / np.maximum(high - low, 1e-9)).min())
    centred = (flat - (low + high) / 2) * scale * [1, -1] + [_WIDTH / 2, _HEIGHT / 2]
    places: Places = np.rint(np.nan_to_num(centred)).astype(np.int64)
    return places


def _at(place: Places) -> str:
    return f"{place[0]} {place[1]}"


# --- Points ---------------------------------------------------------------------------------------------
def _points(
    found: list[Group] | Scale,
    places: Places,
    drawn: Mask,
) -> Iterator[str]:
    for group in _steps(found) if isinstance(found, Scale) else found:
        shape = _SHAPES[group.shape]
        path = "".join(f"M{_at(places[row])}{shape}" for row in group.rows if drawn[row])
        if path:
            yield _path(group.shape, group.colour, path)


def _path(shape: str, colour: str, path: str) -> str:
    if shape == "circle":
        return f'<path stroke="{colour}" stroke-width="6" stroke-linecap="round" d="{path}"/>'
    return f'<path fill="{colour}" d="{path}"/>'


def _mark(shape: str, colour: str) -> str:
    """A point of the legend."""
    return _path(shape, colour, f"M8 -4{_SHAPES[shape]}")


def _steps(scale: Scale) -> Iterator[Group]:
    """Numbers as ten groups; the records without one are grey rings."""
    low, high = scale.values.min(), scale.values.max()
    share = (scale.values - low) / (high - low) if high > low else np.zeros(len(scale.values))
    step = np.minimum((share * len(_SCALE)).astype(int), len(_SCALE) - 1)
    for number, colour in enumerate(_SCALE):
        yield Group("", scale.rows[step == number], colour, "circle")
    yield Group("missing", scale.missing, colours.GREY, "circle-open")


# --- Words ----------------------------------------------------------------------------------------------
def _names(projection: Map, points: Places) -> Iterator[str]:
    """The names of the regions, each at the middle of its records, none over another."""
    found = projection.labels
    if not found.names:
        return
    spots = []
    for number, name in enumerate(found.names):
        inside = points[found.clusters == number]
        if len(inside):
            half = 3.2 * min(len(name), 40)  # of the width of a name, in pixels, about
            middle = np.clip(np.median(inside, axis=0), [half, 10], [_WIDTH - half, _HEIGHT - 10])
            spots.append((middle.astype(np.float32), name))
    frame = np.array([[0, 0], [_WIDTH, _WIDTH]], np.float32)
    yield '<g text-anchor="middle" fill="#222" stroke="#fff" stroke-opacity=".8" stroke-width="3" paint-order="stroke">'
    for (x, y), name in figures.apart(spots, frame):
        yield f'<text x="{x:.0f}" y="{y + 4:.0f}">{_text(name, 40)}</text>'
    yield "</g>"


def _legend(found: list[Group] | Scale, name: str) -> Iterator[tuple[str, str]]:
    """A mark and a text for each entry; nothing where the names on the map say it already."""
    if isinstance(found, Scale):
        yield "", name
        for colour, value in ((_SCALE[0], found.values.min()), (_SCALE[-1], found.values.max())):
            yield _mark("circle", colour), f"{value:g}"
        if found.missing.size:
            yield _mark("circle-open", colours.GREY), "missing"
    elif name and any(group.name for group in found):
        yield "", name
        for group, shown in zip(found, told_apart([group.name for group in found], 28), strict=True):
            yield _mark(group.shape, group.colour), shown


def _text(value: object, limit: int) -> str:
    """Escaped text that XML takes."""
    return escape(_NOT_IN_XML.sub("\ufffd", str(value)), limit)


def _image(projection: Map, parts: list[str], entries: list[tuple[str, str]]) -> Html:
    width = _WIDTH + (_LEGEND if entries else 0)
    if len(entries) > _ENTRIES:
        entries = [*entries[: _ENTRIES - 1], ("", f"… {len(entries) - _ENTRIES + 1} more")]
    for number, (mark, text) in enumerate(entries):
        words = f'<text x="20" fill="{_INK}">{_text(text, 28)}</text>'
        parts.append(f'<g transform="translate({_WIDTH + 4} {_EDGE + 8 + number * _LINE})">{mark}{words}</g>')
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="12">{"".join(parts)}</svg>'
    )
    data = base64.b64encode(svg.encode()).decode()
    regions = "; ".join(projection.labels.names)
    says = f"Map of {len(projection.ids):,} records" + (f"; regions: {regions}" if regions else "")
    return (
        f'<img style="max-width:100%;max-height:none" width="{width}" alt="{escape(says, 400)}" '
        f'src="data:image/svg+xml;base64,{data}">'
    )

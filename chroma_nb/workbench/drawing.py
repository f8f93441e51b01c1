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
from chroma_nb.projection import figures, layout, scales
from chroma_nb.projection.figures import By, Map, Star
from chroma_nb.types import Float64, Mask

#: At most this many points are drawn; beyond, every second, third, … record.
_POINTS: Final = 2_000
_WIDTH, _HEIGHT, _LEGEND, _EDGE = 600, 400, 200, 14
_LINE, _ENTRIES = 18, 16
#: Readable on white and on black.
_INK: Final = "#767676"
#: Pixels of the bar that a ramp is shown by, and its pieces.
_BAR, _PIECES = 160, 16
#: From the middle of a point. A circle is the round end of a line of no length, which is three characters.
_CIRCLE: Final = "h0"
_RING: Final = "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0m1 0a2 2 0 1 1 4 0a2 2 0 1 1-4 0"
_STAR: Final = "m0-9l2.1 6.1h6.5l-5.2 3.9 1.9 6.2-5.3-3.7-5.3 3.7 1.9-6.2-5.2-3.9h6.5z"
#: Pixels around the number of a hit; hits that have one.
_DISC: Final = 9
_NUMBERED: Final = 20
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def drawing(
    projection: Map,
    color: By = "label",
    stars: Sequence[Star] = (),
    *,
    scale: scales.Scale | None = None,
    passing: Mask | None = None,
    hits: Sequence[int] = (),
    box: layout.Box | None = None,
) -> Html:
    """The picture of a map: points by colour, names of the regions, queries with lines to their hits, a legend.

    ``scale`` is that of the key ``color``, where it is known already. ``passing`` says which records pass the filters:
    the others are faint. ``hits`` are rows that are numbered in their order; ``box`` is what of the map is looked at,
    None for all of it.
    """
    if not len(projection.ids):
        return ""
    found, name = scale, str(color)
    if found is None:
        values, name = figures.column(projection, color)
        found = None if values is None else scales.of_given(values, name)
    seen = layout.view(layout.home(_all(projection, stars)) if box is None else box, _WIDTH, _HEIGHT, _EDGE)
    points = seen.pixels(projection.coordinates)
    inside = (points >= 0) & (points <= np.array([_WIDTH, _HEIGHT]))
    visible: Mask = np.logical_and(inside[:, 0], inside[:, 1])
    passes: Mask = visible if passing is None else np.logical_and(visible, passing)
    parts = [
        *_faint(points, np.logical_and(visible, ~passes)),
        *_points(found, points, _thinned(passes)),
        *_names(projection, seen, points, hits),
    ]
    entries = [*_legend(found, "" if name == "label" else name)]
    for number, star in enumerate(stars):
        colour = figures.STAR_COLOURS[number % len(figures.STAR_COLOURS)]
        spot = _at(seen.pixels(np.asarray(star.spot)[None, :])[0])
        lines = "".join(f"M{spot}L{_at(points[row])}" for row in star.hits)
        parts.append(f'<path d="{lines}" stroke="{colour}" stroke-width="1.5" fill="none"/>')
        parts.append(f'<path d="M{spot}{_STAR}" fill="{colour}" stroke="#fff"/>')
        entries.append((f'<path d="M8 -4{_STAR}" fill="{colour}" transform="scale(.9)"/>', star.text))
    parts += _hits(points, [row for row in hits[:_NUMBERED] if visible[row]], {row: n for n, row in enumerate(hits, 1)})
    return _image(projection, parts, entries, "" if found is None or not scales.is_ramp(found) else _bar(found))


def _all(projection: Map, stars: Sequence[Star]) -> Float64:
    """The places of the records and of the queries, on the plane."""
    spots = [np.asarray(star.spot, np.float64)[None, :2] for star in stars]
    return np.vstack([projection.coordinates[:, :2].astype(np.float64), *spots])


def _at(place: Float64) -> str:
    return f"{place[0]:.0f} {place[1]:.0f}"


# --- Points ---------------------------------------------------------------------------------------------
def _thinned(rows: Mask) -> Mask:
    """Every second, third, … of these rows, so that few enough are drawn."""
    chosen = np.flatnonzero(rows)
    kept = np.zeros(len(rows), np.bool_)
    kept[chosen[:: max(1, -(-len(chosen) // _POINTS))]] = True
    return kept


def _faint(points: Float64, rows: Mask) -> Iterator[str]:
    """Records that do not pass the filters."""
    path = "".join(f"M{_at(points[row])}{_CIRCLE}" for row in np.flatnonzero(_thinned(rows)))
    if path:
        yield f'<g stroke-opacity=".2">{_circles(scales.MISSING, path)}</g>'


def _points(found: scales.Scale | None, points: Float64, drawn: Mask) -> Iterator[str]:
    everything = scales.Group("", scales.PALETTE[0], np.arange(len(points)))
    paths = []
    for group in [everything] if found is None else scales.groups(found):
        shape = _CIRCLE if group.known else _RING
        path = "".join(f"M{_at(points[row])}{shape}" for row in group.rows[drawn[group.rows]])
        if path:
            paths.append(_mark_of(group, path))
    yield f'<g fill-opacity=".75" stroke-opacity=".75">{"".join(paths)}</g>'


def _circles(colour: str, path: str) -> str:
    return f'<path stroke="{colour}" stroke-width="6" stroke-linecap="round" d="{path}"/>'


def _mark_of(group: scales.Group, path: str) -> str:
    return _circles(group.colour, path) if group.known else f'<path fill="{group.colour}" d="{path}"/>'


def _hits(points: Float64, rows: Sequence[int], ranks: dict[int, int]) -> Iterator[str]:
    """The hits of a search, with their ranks, the first on top."""
    for row in reversed(rows):
        x, y = _at(points[row]).split()
        yield f'<circle cx="{x}" cy="{y}" r="{_DISC}" fill="#d62728" stroke="#fff"/>'
        yield f'<text x="{x}" y="{int(y) + 4}" text-anchor="middle" font-size="11" fill="#fff">{ranks[row]}</text>'


# --- Words ----------------------------------------------------------------------------------------------
def _names(projection: Map, seen: layout.View, points: Float64, hits: Sequence[int]) -> Iterator[str]:
    """The names of the regions and of their parts, where they cover no points."""
    wanted = layout.names(projection.labels, seen)
    if not wanted:
        return
    discs = [(x - 12, y - 12, x + 12, y + 12) for x, y in points[list(hits)].tolist()]
    written = layout.write(wanted, points, seen, discs)
    lines = "".join(f"M{_at(np.array(one.name.at))}L{_at(np.array(one.line))}" for one in written if one.line)
    yield f'<path d="{lines}" stroke="{_INK}" stroke-opacity=".7" fill="none"/>'
    yield f'<g text-anchor="middle" fill="{_INK}">'
    for one in written:
        (x, y), weight = one.middle, "" if one.name.level else ' font-weight="600"'
        text = _text(one.name.text, layout.LETTERS)
        yield f'<text x="{x:.0f}" y="{y + 4:.0f}" font-size="{one.name.size:.0f}"{weight}>{text}</text>'
    yield "</g>"


def _legend(found: scales.Scale | None, name: str) -> Iterator[tuple[str, str]]:
    """A mark and a text for each entry; nothing where the names on the map say it already."""
    if found is None or not name:
        return
    if scales.is_ramp(found):
        yield "", f"{name} ({found.note})" if found.note else name
        if found.missing:
            yield f'<path fill="{scales.MISSING}" d="M8 -4{_RING}"/>', "missing"
        return
    groups = scales.groups(found)
    yield "", name
    for group, text in zip(groups, scales.shortened([group.text for group in groups], 28), strict=True):
        yield _mark_of(group, f"M8 -4{_CIRCLE if group.known else _RING}"), text


def _bar(found: scales.Scale) -> str:
    """The colours of a ramp, much at the top, and the values along it."""
    high = _BAR / _PIECES
    pieces = "".join(
        f'<path fill="{colour}" d="M0 {_BAR - (place + 1) * high:g}h12v{high:g}h-12z"/>'
        for place, colour in enumerate(scales.steps(_PIECES))
    )
    ticks = "".join(
        f'<text x="20" y="{(1 - tick.at) * _BAR + 4:.0f}" fill="{_INK}">{_text(tick.text, 24)}</text>'
        for tick in found.ticks
    )
    return pieces + ticks


def _text(value: object, limit: int) -> str:
    """Escaped text that XML takes."""
    return escape(_NOT_IN_XML.sub("\ufffd", str(value)), limit)


def _image(projection: Map, parts: list[str], entries: list[tuple[str, str]], bar: str) -> Html:
    width = _WIDTH + (_LEGEND if entries else 0)
    if len(entries) > _ENTRIES:
        entries = [*entries[: _ENTRIES - 1], ("", f"… {len(entries) - _ENTRIES + 1} more")]
    for number, (mark, text) in enumerate(entries):
        words = f'<text x="20" fill="{_INK}">{_text(text, 28)}</text>'
        parts.append(f'<g transform="translate({_WIDTH + 4} {_EDGE + 8 + number * _LINE})">{mark}{words}</g>')
    if bar and entries:
        parts.append(f'<g transform="translate({_WIDTH + 8} {_EDGE + 8 + len(entries) * _LINE})">{bar}</g>')
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

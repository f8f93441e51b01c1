"""Fit a map to its frame, and place the names of its regions.

For static pictures, by plotly or as SVG. The page of the workbench does the same for a map that is moved
(``raster.js``, ``labels.js``). Pixels run to the right and down.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from chroma_nb.projection.labels import Labels
from chroma_nb.types import Float64, Mask, Matrix

#: Points of which this share lies outside the view, at either side, do not make all others small.
_OUTSIDE: Final = 0.002
#: By as much the box of all points may be larger than the view of all but those.
_LARGER: Final = 1.6
#: A direction has at most this many times the pixels of the other for the same length.
STRETCH: Final = 1.8

#: Pixels of a cell in which points are counted, and between two distances at which a name is tried.
_CELL: Final = 3
_STEP: Final = 10
_TURNS: Final = 28
#: Pixels from what a name stands for at most: of a region, of a part.
_FAR: Final = (190, 110)
#: Where nothing is free a name may stand on points that fill as much of it.
_FEW: Final = 0.12
#: A line that crosses another is worth as many pixels more.
_CROSSING: Final = 90
#: Orders in which names are tried, beside that of their importance.
_ATTEMPTS: Final = 4
#: A name for as many pixels squared at most.
_ROOM: Final = 15_000
#: Letters of a name that are shown.
LETTERS: Final = 40

#: left, bottom, right, top on the map.
Box: TypeAlias = tuple[float, float, float, float]
#: left, top, right, bottom in pixels, a row each.
Boxes: TypeAlias = Float64


def columns_of(coordinates: Matrix | Float64) -> Float64:
    """The places that are numbers, of shape (2, n), across and up: numpy looks through rows several times faster."""
    spots = np.ascontiguousarray(coordinates[:, :2].T, np.float64)
    finite = np.isfinite(spots)
    return spots if finite.all() else spots[:, finite[0] & finite[1]]


def home(coordinates: Matrix | Float64) -> Box:
    """The view of all points of shape (n, 2 or more), but for a few that lie far out.

    >>> home(np.array([[0, 0], [4, 2]], np.float32))
    (0.0, 0.0, 4.0, 2.0)
    """
    known = columns_of(coordinates)
    if not known.shape[1]:
        return 0.0, 0.0, 1.0, 1.0
    box = np.array([known.min(axis=1), known.max(axis=1)])
    if known.shape[1] >= 100:
        most = np.quantile(known, [_OUTSIDE, 1 - _OUTSIDE], axis=1)
        if np.prod(box[1] - box[0]) > _LARGER * np.prod((most[1] - most[0]) * 1.1):
            box = most
    left, bottom, right, top = box.ravel().tolist()
    return left, bottom, right, top


@dataclass(frozen=True)
class View:
    """What of a map stands where in a room of ``width`` by ``height`` pixels."""

    width: float
    height: float
    middle: tuple[float, float]
    #: Pixels by unit, across and up.
    scale: tuple[float, float]

    def pixels(self, spots: Matrix | Float64) -> Float64:
        """Where these are; what is no number stands in the middle."""
        apart = (spots[:, :2].astype(np.float64) - self.middle) * self.scale * [1, -1]
        return np.asarray(np.nan_to_num(apart) + np.array([self.width / 2, self.height / 2]), np.float64)


def view(box: Box, width: float, height: float, edge: float) -> View:
    """The view that fills the room with a box; the directions are stretched alike, up to ``STRETCH``.

    >>> view((0, 0, 2, 1), 120, 120, 10).scale, view((0, 0, 4, 1), 120, 120, 10).scale
    ((50.0, 90.0), (25.0, 45.0))
    """
    left, bottom, right, top = box
    room = (max(40.0, width - 2 * edge), max(40.0, height - 2 * edge))
    across, up = right - left, top - bottom
    x = room[0] / across if across > 0 else np.inf
    y = room[1] / up if up > 0 else np.inf
    if not np.isfinite(x) and not np.isfinite(y):
        x = y = min(room)
    x, y = min(x, y * STRETCH), min(y, x * STRETCH)
    return View(width, height, ((left + right) / 2, (bottom + top) / 2), (float(x), float(y)))


# --- Names ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Name:
    """What is written for the spot ``at``, in letters of ``size`` pixels: of a region (``level`` 0) or a part (1)."""

    text: str
    at: tuple[float, float]
    size: float
    level: int = 0

    @property
    def room(self) -> tuple[float, float]:
        """Pixels that it takes, about: letters of East Asian scripts are as wide as high."""
        wide = sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.58 for letter in self.text)
        return wide * self.size + 8, self.size + 6


@dataclass(frozen=True)
class Written:
    """A name whose middle stands at ``middle``; from where a line leads to the spot, or None where it is beside it."""

    name: Name
    middle: tuple[float, float]
    line: tuple[float, float] | None


def names(labels: Labels, seen: View) -> list[Name]:
    """The names of the regions, the larger first, then those of their parts; only what is in view."""
    found = _of_level(labels, seen, 0, (11.0, 14.0))
    return found + _of_level(labels.parts, seen, 1, (10.0, 11.0)) if labels.parts is not None else found


def _of_level(labels: Labels, seen: View, level: int, sizes: tuple[float, float]) -> list[Name]:
    if not labels.names:
        return []
    records = np.bincount(labels.clusters[labels.clusters >= 0], minlength=len(labels.names))
    spots = seen.pixels(labels.centres).tolist()
    least, most = sizes
    shares = np.sqrt(records / max(1, int(records.max())))
    made = [
        Name(_cut(labels.names[n]), (spots[n][0], spots[n][1]), least + (most - least) * float(shares[n]), level)
        for n in np.argsort(-records, kind="stable").tolist()
        if records[n]
    ]
    return [name for name in made if 0 < name.at[0] < seen.width and 0 < name.at[1] < seen.height]


def _cut(text: str) -> str:
    return text if len(text) <= LETTERS else text[: LETTERS - 1] + "…"


def write(
    wanted: Sequence[Name],
    points: Float64,
    seen: View,
    taken: Iterable[tuple[float, float, float, float]] = (),
) -> list[Written]:
    """Names where they cover no points, no other name and nothing that is ``taken``; without such a place, left out.

    ``points`` are pixels, of shape (n, 2), each as wide as a few of them.

    >>> seen = view((0, 0, 1, 1), 400, 300, 20)
    >>> one, other = write([Name("sea", (200, 150), 12), Name("road", (200, 150), 12)], np.array([[200.0, 150]]), seen)
    >>> one.name.text, abs(one.middle[1] - other.middle[1]) > 12 or abs(one.middle[0] - other.middle[0]) > 20
    ('sea', True)
    """
    crowd, boxes = _crowd(points, seen), np.array(list(taken), np.float64).reshape(-1, 4)
    order = list(wanted[: max(4, round(seen.width * seen.height / _ROOM))])
    best = _in_order(order, crowd, seen, boxes)
    for _ in range(_ATTEMPTS):  # try again with the names first whose lines cross others; keep the better result
        tangled = {id(one.written.name) for one in best if one.tangled}
        if not tangled:
            break
        order.sort(key=lambda name: id(name) not in tangled)
        best = max(best, _in_order(order, crowd, seen, boxes), key=_worth)
    return [one.written for one in best]


@dataclass(frozen=True)
class _Placed:
    """A name at its place; what the place costs, in pixels; whether its line crosses one that was there before."""

    written: Written
    cost: float
    tangled: bool


def _worth(placed: Sequence[_Placed]) -> tuple[int, float]:
    return len(placed), sum(_FAR[0] + _CROSSING - one.cost for one in placed)


def _in_order(wanted: Sequence[Name], crowd: Float64, seen: View, boxes: Boxes) -> list[_Placed]:
    """Each name at the best place that those before it have left."""
    lines, named = np.empty((0, 4)), np.empty((0, 4))
    found: list[_Placed] = []
    for name in wanted:
        tried, far = _around(name)
        inside = (tried[:, :2] >= 3).all(axis=1) & (tried[:, 2:] <= [seen.width - 3, seen.height - 3]).all(axis=1)
        tried, far = tried[inside], far[inside]
        if not len(tried):
            continue
        leads = _leads(name.at, tried)
        free = ~_meet(tried, np.vstack([boxes, named])) & ~_through(leads, named) & ~_through_any(lines, tried)
        tangled = np.asarray(_crossing(leads, lines).any(axis=1), np.bool_)
        cost = far + _CROSSING * tangled
        full = _covered(crowd, tried)
        for few in (0.0, _FEW):
            fitting = np.flatnonzero(free & (full <= few))
            if len(fitting):
                best = int(fitting[np.argmin(cost[fitting])])
                break
        else:
            continue
        named, lines = np.vstack([named, tried[best]]), np.vstack([lines, leads[best]])
        left, top, right, bottom = tried[best].tolist()
        end_x, end_y = leads[best, 2:].tolist()
        away = float(np.hypot(end_x - name.at[0], end_y - name.at[1])) > 8
        written = Written(name, ((left + right) / 2, (top + bottom) / 2), (end_x, end_y) if away else None)
        found.append(_Placed(written, float(cost[best]), bool(tangled[best])))
    return found


def _around(name: Name) -> tuple[Boxes, Float64]:
    """Boxes at which a name is tried, the nearest first, and how far each is."""
    wide, high = name.room
    far = np.repeat(np.arange(0, _FAR[name.level] + 1, _STEP, dtype=np.float64), _TURNS)
    angles = np.tile(np.arange(_TURNS) / _TURNS * 2 * np.pi - np.pi / 2, len(far) // _TURNS)
    x = name.at[0] + (far + np.where(far > 0, wide / 2, 0)) * np.cos(angles)
    y = name.at[1] + far * np.sin(angles)
    return np.column_stack([x - wide / 2, y - high / 2, x + wide / 2, y + high / 2]), far


def _leads(at: tuple[float, float], boxes: Boxes) -> Float64:
    """Lines from a spot to the nearest point of each box."""
    x = np.clip(at[0], boxes[:, 0], boxes[:, 2])
    y = np.clip(at[1], boxes[:, 1], boxes[:, 3])
    return np.column_stack([np.full(len(boxes), at[0]), np.full(len(boxes), at[1]), x, y])


def _meet(boxes: Boxes, others: Boxes) -> Mask:
    """Which boxes lie over one of the others."""
    left_of = boxes[:, None, :2] < others[None, :, 2:]
    right_of = others[None, :, :2] < boxes[:, None, 2:]
    return np.asarray(np.all(left_of & right_of, axis=2).any(axis=1), np.bool_)


def _crossing(lines: Float64, others: Float64) -> Mask:
    """Which of some lines (rows: x, y, x, y) cross which of others, of shape (lines, others)."""
    a, b = lines[:, None, :2], lines[:, None, 2:]
    c, d = others[None, :, :2], others[None, :, 2:]
    return np.asarray((_side(a, b, c) != _side(a, b, d)) & (_side(c, d, a) != _side(c, d, b)), np.bool_)


def _side(p: Float64, q: Float64, r: Float64) -> Float64:
    """On which side of the line from p to q the point r lies."""
    x, y = q - p, r - p
    return np.asarray(np.sign(x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]), np.float64)


def _diagonals(boxes: Boxes) -> Float64:
    return np.vstack([boxes, boxes[:, [0, 3, 2, 1]]])


def _through(lines: Float64, boxes: Boxes) -> Mask:
    """Which lines lead through a box."""
    return np.asarray(_crossing(lines, _diagonals(boxes)).any(axis=1), np.bool_)


def _through_any(lines: Float64, boxes: Boxes) -> Mask:
    """Which boxes have a line through them."""
    crossing = np.asarray(_crossing(lines, _diagonals(boxes)).any(axis=0), np.bool_)
    return np.logical_or(crossing[: len(boxes)], crossing[len(boxes) :])


def _crowd(points: Float64, seen: View) -> Float64:
    """How many cells have a point in them or beside them, as sums from the corner on: any box is counted at once."""
    rows, columns = (int(np.ceil(side / _CELL)) + 2 for side in (seen.height, seen.width))
    full = np.zeros((rows, columns), np.bool_)
    cells = np.floor(points / _CELL).astype(np.int64) + 1
    inside = ((cells >= 0) & (cells < [columns, rows])).all(axis=1)
    full[cells[inside, 1], cells[inside, 0]] = True
    wide = full.copy()
    wide[1:] |= full[:-1]
    wide[:-1] |= full[1:]
    wide[:, 1:] |= wide[:, :-1].copy()
    wide[:, :-1] |= wide[:, 1:].copy()
    return np.pad(wide[1:-1, 1:-1].cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0))).astype(np.float64)


def _covered(crowd: Float64, boxes: Boxes) -> Float64:
    """The share of the cells of each box that have points."""
    most = np.array([crowd.shape[1], crowd.shape[0]]) - 1
    low = np.clip(np.floor(boxes[:, :2] / _CELL), 0, most).astype(np.intp)
    high = np.clip(np.ceil(boxes[:, 2:] / _CELL), 0, most).astype(np.intp)
    (a, t), (b, e) = low.T, high.T
    counts = crowd[e, b] - crowd[t, b] - crowd[e, a] + crowd[t, a]
    shares: Float64 = counts / np.maximum(1, (b - a) * (e - t))
    return shares

"""The regions of a map, in two levels: hills of density, and the parts that large ones are cut into.

They are found on the map alone (any number of points, milliseconds). ``region_names.py`` names them; users can change
names.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from chroma_nb._optional import require
from chroma_nb.projection import region_names
from chroma_nb.projection.region_names import Meaning
from chroma_nb.types import Float64, Indices, Int32, Ints, Matrix, Metadata

if TYPE_CHECKING:
    import pandas

#: Two hills are one when the saddle between them reaches this share of the lower one.
_SADDLE: Final = 0.75
#: Regions of a smaller share of the map stay without a name.
_SMALLEST: Final = 0.005
#: Regions of more records than this have parts, of about so many, and at most so many parts.
_UNDIVIDED, _OF_PART, _PARTS = 500, 300, 16
#: Points of a region that its parts are found by, and rounds of that.
_SEEDS, _ROUNDS = 4_000, 20

Clusters: TypeAlias = Int32
#: The vectors of some rows, and what embeds phrases; None where nothing is known of them.
ReadMeaning: TypeAlias = Callable[[Indices], Meaning | None]


@dataclass
class Labels:
    """The regions of a map and their names: ``Projection.labels``.

    A region is a place where records are dense. Regions of more than 500 records are divided into parts of about 300.
    Names are phrases that are frequent in the documents of a region and rare elsewhere.

    Attributes
    ----------
    clusters
        The number of each record's region, an array of integers; -1 outside all regions.
    names
        The names of the regions, by number.
    centres
        The densest point of each region, an array of shape (regions, dims).
    parts
        The parts of large regions, as ``Labels``; None if there are none.
    within
        For parts: the number of the region that each is in.
    given
        The names that you gave, by number.
    """

    clusters: Clusters
    names: list[str]
    centres: Matrix
    parts: Labels | None = None
    within: list[int] = field(default_factory=list)
    #: Names that a person gave, by number.
    given: dict[int, str] = field(default_factory=dict)
    #: Called after a name was changed that is to be kept; where the map is not kept, there is none.
    changed: Callable[[], object] | None = None

    def rename(self, label: int | str, name: str, *, keep: bool = True) -> None:
        """Rename a region.

        Parameters
        ----------
        label
            The number of the region, or its present name.
        name
            The new name.
        keep
            Whether to keep the name with the cached map, for the next session.

        Raises
        ------
        ValueError
            There is no such region, or the name is empty.
        """
        if not name.strip():
            raise ValueError("expected a name for the region, got none")
        number = self.names.index(label) if isinstance(label, str) and label in self.names else label
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(self.names):
            raise ValueError(
                f"there is no region {label!r}; the regions are {', '.join(map(repr, self.names)) or 'none'}"
            )
        self.names[number] = name
        if keep:
            self.given[number] = name
            if self.changed is not None:
                self.changed()

    def of_records(self) -> list[str | None]:
        """Return the name of each record's region; None outside all regions."""
        return [self.names[number] if number >= 0 else None for number in self.clusters.tolist()]

    def of_rows(self, rows: Sequence[int]) -> Labels:
        """Return the same regions for other rows of the map.

        Parameters
        ----------
        rows
            Row numbers; -1 for a record that is in no region.

        Examples
        --------
        >>> two = Labels(np.array([0, 1], np.int32), ["sea", "road"], np.zeros((2, 2), np.float32))
        >>> two.of_rows([1, -1]).of_records()
        ['road', None]
        """
        found = np.asarray(rows, np.intp)
        clusters = np.where(found >= 0, np.append(self.clusters, np.int32(-1))[found], -1).astype(np.int32)
        return replace(self, clusters=clusters, parts=self.parts and self.parts.of_rows(rows))

    def carried(self, rows: Sequence[int], spots: Matrix) -> Labels:
        """Return the same regions for some rows of the map and for further records.

        Parameters
        ----------
        rows
            Row numbers of the records that come first in ``spots``.
        spots
            The coordinates of all records. The records that follow get the region of the nearest record.

        Examples
        --------
        >>> two = Labels(np.array([0, 1], np.int32), ["sea", "road"], np.zeros((2, 2), np.float32))
        >>> two.carried([1, 0], np.array([[9, 9], [0, 0], [8, 9]], np.float32)).of_records()
        ['road', 'sea', 'road']
        """
        known = np.full(len(spots), -1, np.intp)
        known[: len(rows)] = rows
        return replace(
            self,
            clusters=carried(self.clusters, known, spots),
            names=list(self.names),
            given=dict(self.given),
            changed=None,
            parts=self.parts and self.parts.carried(rows, spots),
        )

    def to_df(self) -> pandas.DataFrame:
        """Return a table with one row per region.

        Returns
        -------
        pandas.DataFrame
            The columns ``label``, ``records`` (how many), and ``x``, ``y`` (and ``z``) of the centre. The table of
            ``parts`` also has ``within``, the number of the region.
        """
        pd = require("pandas", feature="a DataFrame of labels")
        counts = np.bincount(self.clusters[self.clusters >= 0], minlength=len(self.names))
        axes = {axis: self.centres[:, column] for column, axis in enumerate("xyz"[: self.centres.shape[1]])}
        frame: pandas.DataFrame = pd.DataFrame({"label": self.names, "records": counts[: len(self.names)], **axes})
        return frame.assign(within=self.within) if self.within else frame


def carried(clusters: Clusters, rows: Indices, spots: Matrix) -> Clusters:
    """The regions of records at ``rows`` of an earlier map; of those at -1 that of the nearest of the others.

    >>> carried(np.array([0, 1], np.int32), np.array([1, -1]), np.array([[0, 0], [1, 1]], np.float32)).tolist()
    [1, 1]
    """
    found = np.full(len(rows), -1, np.int32)
    known = rows >= 0
    found[known] = clusters[rows[known]]
    if known.any() and not known.all():
        there = spots[known].astype(np.float64)
        nearest = [int(np.argmin(((there - spot) ** 2).sum(axis=1))) for spot in spots[~known].astype(np.float64)]
        found[~known] = found[known][nearest]
    return found


def find(
    coordinates: Matrix,
    documents: Sequence[str | None],
    metadatas: Sequence[Metadata | None] | None = None,
    meaning: ReadMeaning | None = None,
) -> Labels:
    """The regions of a map and their names, which are chosen by the meaning of phrases where that is known.

    >>> spots = np.repeat(np.array([[0, 0], [9, 9]], np.float32), 20, axis=0)
    >>> find(spots, ["whales swim"] * 20 + ["engines burn fuel"] * 20).names
    ['whales swim', 'engines burn fuel']
    """
    regions = hills(coordinates)
    return called(regions, divided(coordinates, regions), coordinates, documents, metadatas, meaning)


def sketch(
    coordinates: Matrix, documents: Sequence[str | None], metadatas: Sequence[Metadata | None] | None = None
) -> Labels:
    """The regions of a map that will soon be another: of one level, named by some of their documents."""
    regions = hills(coordinates)
    rows = region_names.looked_at([regions], 60)
    (names,) = region_names.named([regions], documents, metadatas or [None] * len(documents), rows)
    return Labels(regions, names, centres(regions, coordinates))


def called(
    regions: Clusters,
    parts: Clusters,
    coordinates: Matrix,
    documents: Sequence[str | None],
    metadatas: Sequence[Metadata | None] | None = None,
    meaning: ReadMeaning | None = None,
    known: Sequence[Sequence[str]] | None = None,
    given: Sequence[Mapping[int, str]] = ({}, {}),
) -> Labels:
    """These regions and parts with names: those that are ``known``, or found anew, and in any case the ``given``."""
    levels = [regions, parts]
    names = None if known is None else [list(level) for level in known]
    if names is None or [len(level) for level in names] != [_count(level) for level in levels]:
        rows = region_names.looked_at(levels)
        says = any(documents[row] for row in rows.tolist())
        found = meaning(rows) if meaning is not None and says else None
        names = region_names.named(levels, documents, metadatas or [None] * len(documents), rows, found)
    own: list[dict[int, str]] = []
    for level, chosen in zip(names, given, strict=True):
        own.append({number: name for number, name in chosen.items() if number < len(level)})
        for number, name in own[-1].items():
            level[number] = name
    whole = [_most(regions[parts == number]) for number in range(_count(parts))]
    finer = Labels(parts, names[1], centres(parts, coordinates), None, whole, own[1])
    return Labels(regions, names[0], centres(regions, coordinates), finer, [], own[0])


def _most(regions: Clusters) -> int:
    """The region that most lie in; the first where there are none, as in a part whose records are gone."""
    return int(np.bincount(regions[regions >= 0], minlength=1).argmax())


def _count(clusters: Clusters) -> int:
    return int(clusters.max(initial=-1)) + 1


def centres(clusters: Clusters, coordinates: Matrix) -> Matrix:
    """The middle of each region."""
    found = np.zeros((_count(clusters), coordinates.shape[1]), np.float32)
    for number in range(len(found)):
        inside = coordinates[clusters == number]
        if len(inside):
            found[number] = np.median(inside, axis=0)
    return found


# --- Parts ----------------------------------------------------------------------------------------------
def divided(coordinates: Matrix, regions: Clusters) -> Clusters:
    """The number of the part that each point lies in; -1 in regions of few records, which have no parts.

    Parts of one region have numbers that follow one another.
    """
    found = np.full(len(regions), -1, np.int32)
    parts = 0
    for number in range(_count(regions)):
        rows = np.flatnonzero(regions == number)
        if len(rows) <= _UNDIVIDED:
            continue
        count = int(np.clip(round(len(rows) / _OF_PART), 2, _PARTS))
        own = _nearest_centres(coordinates[rows].astype(np.float64), count)
        kinds, place = np.unique(own, return_inverse=True)
        found[rows] = parts + place
        parts += len(kinds)
    return found


def _nearest_centres(points: Float64, count: int) -> Indices:
    """k-means on the map: parts that lie together, about as wide as each other; the same in every run."""
    random = np.random.default_rng(42)
    some = points if len(points) <= _SEEDS else points[np.sort(random.choice(len(points), _SEEDS, replace=False))]
    middle = some[random.choice(len(some), 1)]
    for _ in range(count - 1):
        gaps = _gaps(some, middle).min(axis=1)
        if not gaps.any():
            break
        middle = np.vstack([middle, some[random.choice(len(some), p=gaps / gaps.sum())]])
    for _ in range(_ROUNDS):
        own = _gaps(some, middle).argmin(axis=1)
        moved = [some[own == one].mean(axis=0) if (own == one).any() else spot for one, spot in enumerate(middle)]
        if np.array_equal(moved, middle):
            break
        middle = np.array(moved)
    return np.concatenate(
        [_gaps(points[start : start + 65_536], middle).argmin(axis=1) for start in range(0, len(points), 65_536)]
    )


def _gaps(points: Float64, others: Float64) -> Float64:
    """Squared distances."""
    found: Float64 = ((points[:, None] - others[None]) ** 2).sum(axis=2)
    return found


# --- Regions --------------------------------------------------------------------------------------------
def hills(coordinates: Matrix) -> Clusters:
    """The number of the hill of density each point lies on, the one of most points first; -1 on small ones."""
    count, dims = coordinates.shape
    if count == 0 or not np.isfinite(coordinates).all():
        return np.full(count, -1, np.int32)
    low, high = np.percentile(coordinates, [0.5, 99.5], axis=0)
    span = np.where(high > low, high - low, 1)
    bins = int(np.clip(count**0.5 / 1.2, 8, 96) if dims == 2 else np.clip(2 * count ** (1 / 3), 8, 32))
    cells = np.clip(((coordinates - low) / span * bins).astype(np.int64), 0, bins - 1)
    shape = (bins,) * dims
    flat = np.ravel_multi_index(tuple(cells.T), shape)
    density = _blurred(np.bincount(flat, minlength=bins**dims).astype(np.float64).reshape(shape))
    summit = _merged(density, _climbed(density))
    return _by_size(summit[flat], max(3.0, _SMALLEST * count))


def _blurred(density: Float64, sigma: float = 1.2) -> Float64:
    steps = np.arange(-3, 4)
    kernel = np.exp(-((steps / sigma) ** 2) / 2)
    for axis in range(density.ndim):
        density = np.apply_along_axis(np.convolve, axis, density, kernel / kernel.sum(), mode="same")
    return density


def _shifts(dims: int) -> list[tuple[int, ...]]:
    return [step for step in itertools.product((-1, 0, 1), repeat=dims) if any(step)]


def _climbed(density: Float64) -> Ints:
    """For each cell the top that uphill steps lead to."""
    numbers = np.arange(density.size).reshape(density.shape)
    best, target = density.copy(), numbers.copy()
    high = np.pad(density, 1, constant_values=-1)
    named = np.pad(numbers, 1)
    for step in _shifts(density.ndim):
        window = tuple(slice(1 + by, 1 + by + size) for by, size in zip(step, density.shape, strict=True))
        # Equal heights go to the lower number, so that a plateau has one top.
        higher = (high[window] > best) | ((high[window] == best) & (named[window] < target))
        best, target = np.where(higher, high[window], best), np.where(higher, named[window], target)
    top = target.ravel()
    while not np.array_equal(top, top[top]):
        top = top[top]
    return top


def _merged(density: Float64, top: Ints) -> Ints:
    """Hills that are hardly separated become one."""
    saddles: dict[tuple[int, int], float] = {}
    grid = top.reshape(density.shape)
    for step in _shifts(density.ndim)[: (3**density.ndim - 1) // 2]:
        here = tuple(slice(max(0, -by), size - max(0, by)) for by, size in zip(step, density.shape, strict=True))
        there = tuple(slice(max(0, by), size - max(0, -by)) for by, size in zip(step, density.shape, strict=True))
        differ = grid[here] != grid[there]
        heights = np.minimum(density[here], density[there])[differ].tolist()
        for hill, other, height in zip(grid[here][differ].tolist(), grid[there][differ].tolist(), heights, strict=True):
            pair = (min(hill, other), max(hill, other))
            saddles[pair] = max(height, saddles.get(pair, 0.0))
    flat, owner = density.ravel(), {int(hill): int(hill) for hill in np.unique(top)}

    def root(hill: int) -> int:
        """The representative of a group."""
        while owner[hill] != hill:
            hill = owner[hill]
        return hill

    for (hill, other), height in sorted(saddles.items(), key=lambda entry: (-entry[1], entry[0])):
        lower, higher = sorted((root(hill), root(other)), key=lambda top: (flat[top], -top))
        if lower != higher and height >= _SADDLE * flat[lower]:
            owner[lower] = higher
    roots = np.zeros(density.size, np.int64)
    for hill in owner:
        roots[hill] = root(hill)
    return roots[top]


def _by_size(summits: Ints, smallest: float) -> Clusters:
    found, inverse, counts = np.unique(summits, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    number = np.full(len(found), -1, np.int32)
    kept = order[counts[order] >= smallest]
    number[kept] = np.arange(len(kept), dtype=np.int32)
    return number[inverse]

"""Names for the regions of a map, without any language model: density, then the words that mark a region.

Regions are the hills of the density on a grid (any number of points, milliseconds). Words are chosen by
c-TF-IDF: frequent in the region, rare elsewhere. Names can be edited.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from chroma_nb._optional import require
from chroma_nb.types import Float64, Int32, Ints, Matrix, Metadata

if TYPE_CHECKING:
    import pandas

_TERMS: Final = 3
#: Two hills are one when the saddle between them reaches this share of the lower one.
_SADDLE: Final = 0.75
#: Regions of a smaller share of the map stay without a name.
_SMALLEST: Final = 0.005
_DOCUMENTS, _CHARACTERS = 2_000, 2_000
#: Words of three letters or more that say nothing; what is frequent everywhere loses by its score anyway.
_EMPTY: Final = frozenset(
    re.findall(
        r"\w+",
        """
    about after all also and any are because been before being but can could did does for from had has have her
    hers him his how into its just like more most not now off one only other our out over own same she should
    some such than that the their them then there these they this those through too under until upon use used
    using very was were what when where which while who whom why will with within without would you your
""",
    )
)
_WORD: Final = re.compile(r"[^\W\d_]{3,}|[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]{2}")

Clusters: TypeAlias = Int32


@dataclass
class Labels:
    """Which region each record lies in, and what the regions are called.

    ``clusters`` gives a number per record, -1 for none; ``names[number]`` its name, which may be changed;
    ``centres`` the densest point of each.
    """

    clusters: Clusters
    names: list[str]
    centres: Matrix

    def rename(self, label: int | str, name: str) -> None:
        """Call a region, by its number or its present name, something else."""
        if not name.strip():
            raise ValueError("expected a name for the region, got none")
        number = self.names.index(label) if isinstance(label, str) and label in self.names else label
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(self.names):
            raise ValueError(f"there is no region {label!r}; there are {', '.join(map(repr, self.names)) or 'none'}")
        self.names[number] = name

    def of_records(self) -> list[str | None]:
        """The name for each record, None where it lies in no region."""
        return [self.names[number] if number >= 0 else None for number in self.clusters.tolist()]

    def carried(self, rows: Sequence[int], spots: Matrix) -> Labels:
        """The same regions for the records at ``rows``, which are the first of ``spots``, and for those that follow.

        A record that follows lies in the region of the one nearest to it on the map.

        >>> two = Labels(np.array([0, 1], np.int32), ["sea", "road"], np.zeros((2, 2), np.float32))
        >>> two.carried([1, 0], np.array([[9, 9], [0, 0], [8, 9]], np.float32)).of_records()
        ['road', 'sea', 'road']
        """
        clusters = self.clusters[np.asarray(rows, np.intp)]
        known, new = spots[: len(rows)].astype(np.float64), spots[len(rows) :].astype(np.float64)
        nearest = [int(np.argmin(((known - spot) ** 2).sum(axis=1))) for spot in new] if len(known) else []
        of_new = clusters[nearest] if nearest else np.full(len(new), -1, np.int32)
        return Labels(np.concatenate([clusters, of_new]).astype(np.int32), list(self.names), self.centres)

    def of_rows(self, rows: Sequence[int]) -> Labels:
        """The same regions and names for the records at ``rows``, of which -1 is none of these.

        >>> two = Labels(np.array([0, 1], np.int32), ["sea", "road"], np.zeros((2, 2), np.float32))
        >>> two.of_rows([1, -1]).of_records()
        ['road', None]
        """
        found = np.asarray(rows, np.intp)
        clusters = np.where(found >= 0, np.append(self.clusters, np.int32(-1))[found], -1).astype(np.int32)
        return Labels(clusters, self.names, self.centres)

    def to_df(self) -> pandas.DataFrame:
        """One row a region: name, records, and where it is."""
        pd = require("pandas", feature="a DataFrame of labels")
        counts = np.bincount(self.clusters[self.clusters >= 0], minlength=len(self.names))
        axes = {axis: self.centres[:, column] for column, axis in enumerate("xyz"[: self.centres.shape[1]])}
        frame: pandas.DataFrame = pd.DataFrame({"label": self.names, "records": counts[: len(self.names)], **axes})
        return frame


def find(
    coordinates: Matrix, documents: Sequence[str | None], metadatas: Sequence[Metadata | None] | None = None
) -> Labels:
    """The regions of a map and their names.

    >>> spots = np.repeat(np.array([[0, 0], [9, 9]], np.float32), 20, axis=0)
    >>> find(spots, ["whales swim"] * 20 + ["engines burn fuel"] * 20).names
    ['swim, whales', 'burn, engines, fuel']
    """
    clusters = hills(coordinates)
    count = int(clusters.max(initial=-1)) + 1
    centres = np.zeros((count, coordinates.shape[1]), np.float32)
    for number in range(count):
        inside = coordinates[clusters == number]
        centres[number] = np.median(inside, axis=0)
    return Labels(clusters, names(clusters, documents, metadatas or [None] * len(documents)), centres)


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


# --- Names ----------------------------------------------------------------------------------------------
def names(clusters: Clusters, documents: Sequence[str | None], metadatas: Sequence[Metadata | None]) -> list[str]:
    """A name per cluster: its three most telling words; without text, its most frequent metadata value.

    Where no word comes twice, the words tell nothing: there it is a value that half of the records have.
    """
    count = int(clusters.max(initial=-1)) + 1
    words: list[Counter[str]] = [Counter() for _ in range(count)]
    looked_at = [0] * count
    for row, number in enumerate(clusters.tolist()):
        text = documents[row]
        if number >= 0 and text and looked_at[number] < _DOCUMENTS:
            looked_at[number] += 1
            # Once per document: a text that repeats itself does not name the region.
            words[number].update(set(_WORD.findall(text[:_CHARACTERS].lower())) - _EMPTY)
    everywhere: Counter[str] = sum(words, Counter())
    average = sum(everywhere.values()) / max(count, 1)
    taken: set[str] = set()
    result = []
    for number in range(count):
        repeated = max(words[number].values(), default=0) > 1
        name = _telling(words[number], everywhere, average) if repeated else ""
        name = name or _common(metadatas, clusters, number, 0.5 if words[number] else 0) or f"region {number + 1}"
        again = 2
        base = name
        while name in taken:
            name, again = f"{base} ({again})", again + 1
        taken.add(name)
        result.append(name)
    return result


def _telling(words: Counter[str], everywhere: Counter[str], average: float) -> str:
    total, whole = sum(words.values()), sum(everywhere.values())
    scores = {word: n / total * float(np.log1p(average / everywhere[word])) for word, n in words.items()}
    # A word as frequent elsewhere may score well only because it is so frequent.
    marks = {word: score for word, score in scores.items() if words[word] * whole > 1.3 * everywhere[word] * total}
    scores = marks or scores
    chosen: list[str] = []
    for word in sorted(scores, key=lambda word: (-scores[word], word)):
        if not any(word.startswith(other) or other.startswith(word) for other in chosen):
            chosen.append(word)
        if len(chosen) == _TERMS:
            break
    return ", ".join(chosen)


def _common(metadatas: Sequence[Metadata | None], clusters: Clusters, number: int, share: float) -> str:
    rows = np.flatnonzero(clusters == number)[:_DOCUMENTS].tolist()
    pairs: Counter[tuple[str, str]] = Counter(
        (key, value) for row in rows for key, value in (metadatas[row] or {}).items() if isinstance(value, str)
    )
    if not pairs or max(pairs.values()) < share * len(rows):
        return ""
    return str(min(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[0][1])[:60]

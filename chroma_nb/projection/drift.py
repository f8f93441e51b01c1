"""Whether two batches of records differ: last year's and this year's, two sources, two collections.

Measures of two samples of vectors, and the records that make the difference. ``compare.py`` follows single records
from one collection to another.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from chroma_nb._optional import require
from chroma_nb.collection import Collection, space
from chroma_nb.display.markup import visible
from chroma_nb.projection import neighbours, reducers
from chroma_nb.projection.filter_words import in_words
from chroma_nb.projection.plotly_text import escaped, told_apart
from chroma_nb.projection.projection import Projection, of_records, on_the_map
from chroma_nb.projection.reading import check, drawn, read_id_list, read_ids
from chroma_nb.projection.scales import PALETTE
from chroma_nb.records import Records
from chroma_nb.types import Float64, Indices, Mask, Where

if TYPE_CHECKING:
    import pandas
    from plotly.graph_objects import Figure

#: One column a way to deal the records out, True for the first batch; the first column is how they lie.
Deals: TypeAlias = Mask

#: The arguments that say what the batches are; what these are called is ``_names``.
_SIDES: Final = ("before", "after")
_OTHERS: Final = "the others"
_LETTERS: Final = 60
_PERMUTATIONS: Final = 499
_FOLDS: Final = 5
_NEIGHBOURS: Final = 20
#: Records whose distances give the bandwidth.
_BANDWIDTH_FROM: Final = 1_000
_ROWS: Final = 512
#: A squared distance below this share of the squared lengths is rounding.
_ROUNDING: Final = 1e-12


@dataclass(frozen=True)
class Measure:
    """One measure of the difference between two batches.

    Attributes
    ----------
    value
        The measure.
    no_drift
        The median of the measure over batches that are drawn at random from all records; 0.5 for ``auc``.
    p_value
        The share of these chance batches whose measure is at least as large; NaN for ``auc``.
    """

    value: float
    no_drift: float
    p_value: float


@dataclass(frozen=True)
class Contrast:
    """For each record: the share of its own batch among its neighbours over that by chance, and the row of its
    nearest record in the other batch."""

    scores: Float64
    nearest: Indices


@dataclass(frozen=True, eq=False)
class Drift:
    """Two batches of records and how much they differ: what ``drift`` returns.

    Attributes
    ----------
    names
        What the two batches are called: by their filters, or by their collections.
    measures
        The measures by name, as objects with ``value``, ``no_drift`` and ``p_value``.
    records
        The records of the first batch, then those of the second.
    batches
        For each record, the name of its batch.
    """

    name: str
    names: tuple[str, str]
    measures: dict[str, Measure]
    records: Records
    batches: list[str]
    scores: Float64
    nearest: Indices
    distances: Float64
    collection: Collection
    single: bool
    method: str
    seed: int

    def __repr__(self) -> str:
        before, after = self._counts
        shift, mmd, auc = (self.measures[name] for name in ("shift_in_spreads", "mmd2", "auc"))
        return (
            f"<Drift of {visible(self.name)!r}: {before:,} of {visible(self.names[0])}, {after:,} of "
            f"{visible(self.names[1])}; centroids {shift.value:.2f} spreads apart, "
            f"MMD² {round(mmd.value, 4) + 0.0:.4f} (p = {mmd.p_value:.3f}), AUC {auc.value:.2f}>"
        )

    def _repr_html_(self) -> str:
        table: str = self.to_df().to_html(index=False, border=0, na_rep="–", float_format="{:.4g}".format)
        return f"<p>{html.escape(repr(self)[1:-1])}</p>{table}"

    def to_df(self, per_record: bool = False) -> pandas.DataFrame:
        """Return the measures as a table, or the records.

        Parameters
        ----------
        per_record
            Whether to return one row per record instead of one row per measure.

        Returns
        -------
        pandas.DataFrame
            For measures, the columns ``measure``, ``value``, ``no_drift`` (what batches drawn at random have: the
            median, or 0.5 for ``auc``), ``p_value`` (the share of chance batches that differ at least as much; missing
            for ``auc``), ``before`` and ``after`` (the number of records in each batch).

            For records, those that differ most from the other batch first: ``id``, ``batch``, ``score``, ``distance``
            (to the nearest record of the other batch: Euclidean if the collection uses l2, else cosine), ``nearest``
            (the id of that record) and ``document``. ``score`` is the share of the record's own batch among its nearest
            records (at most 20), divided by the share that chance gives. 1 is typical. It is missing for a batch of one
            record.
        """
        pd = require("pandas", feature="a table of drift")
        if not per_record:
            before, after = self._counts
            rows = [{"measure": name, **vars(measure)} for name, measure in self.measures.items()]
            measures: pandas.DataFrame = pd.DataFrame(rows).assign(before=before, after=after)
            return measures
        ids = self.records.ids
        frame: pandas.DataFrame = pd.DataFrame(
            {
                "id": ids,
                "batch": self.batches,
                "score": self.scores,
                "distance": self.distances,
                "nearest": [ids[row] for row in self.nearest],
                "document": self.records.column("documents"),
            }
        )
        return frame.iloc[np.lexsort((-self.distances, -self.scores))].reset_index(drop=True)

    @property
    def _counts(self) -> tuple[int, int]:
        """Records of the first batch and of the second."""
        first = self.batches.count(self.names[0])
        return first, len(self.batches) - first

    @cached_property
    def projection(self) -> Projection:
        """The map of both batches.

        Batches of one collection are shown on the collection's map. Two collections get a map of their own.
        """
        if self.single:
            return on_the_map(self.collection, self.records, self.method, seed=self.seed)
        made = of_records(self.collection, self.records, self.method, seed=self.seed)
        made.name = self.name
        made.collection = None  # an id may stand for two records, and no search finds both
        return made

    def figure(self, **options: object) -> Figure:
        """Draw the map of both batches in two colours. Takes the options of ``Projection.figure``."""
        figure = self.projection.figure(**{"color": self.batches, **options})
        if "color" not in options:  # else the larger batch would have the first colour
            drawn = sorted(self.names, key=lambda name: (-self.batches.count(name), name))  # in the order of the legend
            for name, shown in zip(drawn, told_apart(drawn, 28), strict=True):
                selector = {"name": escaped(shown, 28), "mode": "markers"}
                figure.update_traces({"marker.color": PALETTE[self.names.index(name)]}, selector=selector)
        return figure


def drift(
    collection: Collection,
    before: Where | None = None,
    after: Where | Collection | None = None,
    *,
    method: str = "auto",
    sample: int | None = 2_000,
    seed: int = 42,
) -> Drift:
    """Measure whether two batches of records differ, by how much, and in which records.

    Parameters
    ----------
    collection
        The collection.
    before
        The first batch, as a ``where`` filter. Without it: all records that are not in ``after``.
    after
        The second batch, as a ``where`` filter, or a second collection whose embeddings come from the same model.
        Without it: all records that are not in ``before``.
    method
        How to compute a map if the collection has none, as for ``project``. The map is computed when you ask for it.
    sample
        Draw at most this many records of each batch; None for all. Time and memory grow with the square of the number.
    seed
        The seed of the sample and of the chance batches.

    Returns
    -------
    Drift
        The measures as a table (``to_df()``), the records (``to_df(per_record=True)``) and the map (``figure()``).

    Raises
    ------
    ValueError
        A batch is empty, the filters share records, there is neither ``before`` nor ``after``, or embeddings have
        different dimensions or are not finite.
    TypeError
        ``before`` is not a filter.

    Notes
    -----
    There are four measures:

    * ``centroid_shift``: the distance between the means of the batches, Euclidean if the collection uses l2, else
      cosine.
    * ``shift_in_spreads``: the Euclidean distance between the means, divided by the root mean square distance of the
      records to the mean of their batch.
    * ``mmd2``: the squared maximum mean discrepancy, unbiased, with a Gaussian kernel whose width is the median
      distance of two records (Gretton and others, "A Kernel Two-Sample Test", 2012, equation 3 and section 8). It
      detects differences of any kind, not only of the means.
    * ``auc``: the area under the ROC curve of a logistic regression that tells the batches apart, cross-validated with
      at most five folds (Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", 2017). 0.5 means that it
      cannot tell them apart, 1 that it always can.

    ``no_drift`` and ``p_value`` come from 499 permutations of the batches, so the smallest p-value is 0.002 (Phipson
    and Smyth, "Permutation P-values Should Never Be Zero", 2010). A batch of one record has no ``mmd2`` and no ``auc``.

    Examples
    --------
    >>> import chroma_nb
    >>> collection = chroma_nb.EphemeralClient().create_collection("docs")
    >>> collection.add(
    ...     ids=list("abcdef"),
    ...     embeddings=[[0, 0], [0, 1], [1, 0], [9, 9], [9, 8], [8, 9]],
    ...     metadatas=[{"year": 2024 + (row > 2)} for row in range(6)],
    ... )
    >>> found = drift(collection, {"year": 2024})
    >>> found.to_df()[["measure", "value"]].round(2)
                measure  value
    0    centroid_shift  11.79
    1  shift_in_spreads  17.68
    2              mmd2   0.83
    3               auc   1.00
    """
    reducers.check(method)
    sides, second = _read(collection, before, after, sample, seed)
    records = Records.concat(sides)
    metric = space(collection)
    points = neighbours.prepared(records.matrix, metric).astype(np.float64)
    if not np.isfinite(points).all():
        raise ValueError("expected vectors of finite numbers, got some with NaN or infinity")
    deals = _dealt(len(sides[0]), len(sides[1]), seed)
    shifts, in_spreads = centroid_shifts(points, deals, metric)
    measures = {
        "centroid_shift": _tested(shifts),
        "shift_in_spreads": _tested(in_spreads),
        "mmd2": _tested(mmd2(points, deals, bandwidth(points, seed))),
        "auc": Measure(classifier_auc(points, deals[:, 0], seed), 0.5, np.nan),
    }
    names = _names(collection, before, after if isinstance(after, Mapping) else None, second)
    found = contrast(points, deals[:, 0])
    apart = ((points - points[found.nearest]) ** 2).sum(axis=1)
    return Drift(
        name=str(collection.name) if second is None else f"{collection.name} → {second.name}",
        measures=measures,
        records=records,
        names=names,
        batches=[side for side, part in zip(names, sides, strict=True) for _ in range(len(part))],
        scores=found.scores,
        nearest=found.nearest,
        distances=np.sqrt(apart) if metric == "l2" else apart / 2,
        collection=collection,
        single=second is None,
        method=method,
        seed=seed,
    )


# --- Two batches ----------------------------------------------------------------------------------------
def _read(
    collection: Collection, before: Where | None, after: Where | Collection | None, sample: int | None, seed: int
) -> tuple[tuple[Records, Records], Collection | None]:
    """The records of both batches, and the second collection if there is one."""
    check(collection, sample)
    if not (before is None or isinstance(before, Mapping)):
        raise TypeError(
            f"Expected before to be a where filter, got {type(before).__name__}. To compare with a second "
            "collection, write drift(collection, after=other)."
        )
    second: Collection | None = None
    if after is not None and not isinstance(after, Mapping):
        check(after, sample)
        second = after
        ids = read_id_list(collection, before), read_id_list(second)
    else:
        ids = _parted(collection, before, after)
    random = np.random.default_rng(seed)
    sides = (
        read_ids(collection, drawn(ids[0], sample, random)),
        read_ids(collection if second is None else second, drawn(ids[1], sample, random)),
    )
    others = "there is no other record" if second is None else "the collection is empty"
    for side, part, asked in zip(_SIDES, sides, (before, after if second is None else None), strict=True):
        if not len(part):
            reason = others if asked is None else f"no record matches {asked!r}"
            raise ValueError(f"expected records before and after, got none {side}: {reason}")
    widths = [part.matrix.shape[1] for part in sides]
    if widths[0] != widths[1]:
        raise ValueError(
            f"expected vectors of one embedding model, got {widths[0]} dimensions before and {widths[1]} "
            "after; to compare two models on the same records, use compare()"
        )
    return sides, second


def _names(
    collection: Collection, before: Where | None, after: Where | None, second: Collection | None
) -> tuple[str, str]:
    """What the batches are called."""
    if second is None:
        first, other = (_OTHERS if where is None else in_words(where) for where in (before, after))
    else:
        first, other = str(collection.name), str(second.name)
        first = first if before is None else f"{first}: {in_words(before)}"
    one, two = told_apart([first, other], _LETTERS)
    return one, two


def _parted(collection: Collection, before: Where | None, after: Where | None) -> tuple[list[str], list[str]]:
    """The ids of either filter; a filter that is missing is all the other records."""
    if before is None and after is None:
        raise ValueError('expected a where filter that divides the records, such as {"year": {"$lt": 2025}}, got none')
    asked = [None if where is None else read_id_list(collection, where) for where in (before, after)]
    known = {id_ for ids in asked if ids is not None for id_ in ids}
    first, other = (
        [id_ for id_ in read_id_list(collection) if id_ not in known] if ids is None else ids for ids in asked
    )
    if both := len(set(first) & set(other)):
        raise ValueError(
            f"expected filters that share no record, got {both:,} records that match both before and after"
        )
    return first, other


def _dealt(before: int, after: int, seed: int) -> Deals:
    deals = np.tile(np.arange(before + after) < before, (1 + _PERMUTATIONS, 1))
    np.random.default_rng(seed).permuted(deals[1:], axis=1, out=deals[1:])
    return np.ascontiguousarray(deals.T)


def _tested(values: Float64) -> Measure:
    """The first value among those of batches dealt out by chance.

    The p-value counts the batches as they are among them, so it is never 0: Phipson and Smyth, "Permutation
    P-values should never be zero", Statistical Applications in Genetics and Molecular Biology 9 (2010).
    """
    if np.isnan(values[0]):
        return Measure(np.nan, np.nan, np.nan)
    as_far = (values >= values[0]) | np.isclose(values, values[0], rtol=1e-9, atol=0)
    return Measure(float(values[0]), float(np.median(values[1:])), float(as_far.mean()))


# --- Measures -------------------------------------------------------------------------------------------
def centroid_shifts(points: Float64, deals: Deals, metric: str) -> tuple[Float64, Float64]:
    """For each deal the distance of the two means: in the collection's space, and over the spread within.

    >>> line = np.array([[0.0], [2.0], [10.0], [12.0]])
    >>> shifts, in_spreads = centroid_shifts(line, np.array([[True], [True], [False], [False]]), "l2")
    >>> shifts.tolist(), in_spreads.tolist()
    ([10.0], [10.0])
    """
    origin = points[0]
    local = points - origin
    centre = local.mean(axis=0)
    local -= centre
    before = deals.sum(axis=0)[:, None]
    after = len(points) - before
    sums = deals.T.astype(np.float64) @ local
    means = sums / before, (local.sum(axis=0) - sums) / after
    shift = np.linalg.norm(means[0] - means[1], axis=1)
    whole = (local**2).sum()
    within = whole - (before * means[0] ** 2 + after * means[1] ** 2).sum(axis=1)
    spread = np.sqrt(np.where(within > _ROUNDING * whole, within, 0) / len(points))
    far = np.where(shift > 0, np.inf, 0.0)
    in_spreads = np.divide(shift, spread, out=far, where=spread > 0)
    if metric == "l2":
        return shift, in_spreads
    first, second = (_of_length_one(mean + centre + origin) for mean in means)
    return ((first - second) ** 2).sum(axis=1) / 2, in_spreads


def _of_length_one(vectors: Float64) -> Float64:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def bandwidth(points: Float64, seed: int = 42) -> float:
    """The median distance of two records, of at most 1,000 drawn by ``seed``: Gretton et al. 2012, section 8.

    Where more than half of the pairs are equal, the median of the others.

    >>> bandwidth(np.array([[0.0], [1.0], [5.0]]))
    4.0
    """
    if len(points) > _BANDWIDTH_FROM:
        points = points[np.random.default_rng(seed).choice(len(points), _BANDWIDTH_FROM, replace=False)]
    apart = np.sqrt(_squared(points, points)[np.triu_indices(len(points), 1)])
    for some in (apart, apart[apart > 0]):
        if some.size and (found := float(np.median(some))) > 0:
            return found
    return 1.0  # all are equal: any bandwidth says so


def mmd2(points: Float64, deals: Deals, width: float) -> Float64:
    """For each deal the squared maximum mean discrepancy, unbiased; NaN where a batch is one record.

    With the kernel k(x, y) = exp(-|x - y|² / 2 width²): the mean k within either batch, pairs of a record with
    itself left out, less twice the mean k between them. Gretton, Borgwardt, Rasch, Schölkopf and Smola, "A Kernel
    Two-Sample Test", JMLR 13 (2012), equation 3.

    >>> line = np.array([[0.0], [0.0], [9.0], [9.0]])
    >>> mmd2(line, np.array([[True], [True], [False], [False]]), 1.0).round(6).tolist()
    [2.0]
    """
    dealt = deals.astype(np.float64)
    before = float(deals[:, 0].sum())
    after = len(points) - before
    if min(before, after) < 2:
        return np.full(deals.shape[1], np.nan)
    inside, either, whole = np.zeros(deals.shape[1]), np.zeros(deals.shape[1]), 0.0
    for part in _blocks(len(points)):
        kernel = np.exp(-_squared(points[part], points) / (2 * width**2))
        total = kernel.sum(axis=1)
        inside += (dealt[part] * (kernel @ dealt)).sum(axis=0)
        either += total @ dealt[part]
        whole += float(total.sum())
    outside = whole - 2 * either + inside
    # k(x, x) is 1: the sum over a batch holds as many of these as it has records.
    within = (inside - before) / (before * (before - 1)) + (outside - after) / (after * (after - 1))
    found: Float64 = within - 2 * (either - inside) / (before * after)
    return found


def contrast(points: Float64, is_before: Mask) -> Contrast:
    """How much each record's neighbourhood is of its own batch. Equally near ones are all counted, in no order.

    >>> line = np.array([[0.0], [1.0], [2.0], [7.0], [8.0], [9.0]])
    >>> found = contrast(line, line[:, 0] < 5)
    >>> found.scores.tolist(), found.nearest.tolist()
    ([2.5, 2.5, 2.5, 2.5, 2.5, 2.5], [3, 3, 3, 2, 2, 2])
    """
    count = len(points)
    k = min(_NEIGHBOURS, max(1, round(math.sqrt(count))), count - 1)
    shares, nearest = np.empty(count), np.empty(count, np.intp)
    for part in _blocks(count):
        gaps = _squared(points[part], points)
        own = is_before[part, None] == is_before
        nearest[part] = np.where(own, np.inf, gaps).argmin(axis=1)
        gaps[np.arange(len(gaps)), np.arange(part.start, part.stop)] = np.inf
        near = gaps <= np.partition(gaps, k - 1, axis=1)[:, k - 1 : k] * (1 + 1e-9)
        shares[part] = (near & own).sum(axis=1) / near.sum(axis=1)
    sizes = np.where(is_before, is_before.sum(), (~is_before).sum())
    by_chance = (sizes - 1) / (count - 1)
    return Contrast(np.divide(shares, by_chance, out=np.full(count, np.nan), where=by_chance > 0), nearest)


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _ROWS, count)) for start in range(0, count, _ROWS))


def _squared(points: Float64, others: Float64) -> Float64:
    """Squared Euclidean distances; equal points are 0 apart, whatever the rounding."""
    lengths = np.einsum("ij,ij->i", points, points)[:, None] + np.einsum("ij,ij->i", others, others)
    gaps: Float64 = lengths - 2 * (points @ others.T)
    gaps[gaps <= _ROUNDING * lengths] = 0
    return gaps


def classifier_auc(points: Float64, is_before: Mask, seed: int = 42) -> float:
    """The area under the ROC curve of a logistic regression that tells the batches apart, on records it has not seen.

    The mean over five folds (fewer where a batch has fewer records); NaN for a batch of one. A two-sample test
    by a classifier: Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017.

    >>> line = np.arange(20.0)[:, None]
    >>> classifier_auc(line, line[:, 0] < 10)
    1.0
    """
    folds = min(_FOLDS, int(is_before.sum()), int((~is_before).sum()))
    if folds < 2:
        return float("nan")
    local = points - points[0]
    local -= local.mean(axis=0)
    # One scale for all dimensions: it keeps the geometry, and the penalty means the same for any vectors.
    local /= np.sqrt((local**2).sum(axis=1).mean()) or 1.0
    linear, selection = (
        require(f"sklearn.{module}", feature="the domain classifier of drift()", package="scikit-learn")
        for module in ("linear_model", "model_selection")
    )
    split = selection.StratifiedKFold(folds, shuffle=True, random_state=seed)
    model = linear.LogisticRegression(max_iter=1_000)
    return float(selection.cross_val_score(model, local, ~is_before, cv=split, scoring="roc_auc").mean())

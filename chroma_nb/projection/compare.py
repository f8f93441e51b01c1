"""Two collections, or two models over the same records: what moved, and the two maps side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chroma_nb._optional import require
from chroma_nb.collection import Collection, space
from chroma_nb.projection import neighbours, reducers
from chroma_nb.projection.figures import PLAIN, RAMP
from chroma_nb.projection.plotly_text import escaped, folded
from chroma_nb.projection.projection import Projection, on_the_map
from chroma_nb.projection.reading import read
from chroma_nb.records import Records
from chroma_nb.types import Matrix

if TYPE_CHECKING:
    import pandas
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Comparison:
    """The records that two collections share, with their neighbours and maps compared: what ``compare`` returns.

    Attributes
    ----------
    first
        The map of the first collection, as ``Projection``.
    second
        The map of the second collection, moved, turned, mirrored and scaled to fit the first.
    overlap
        For each record, the share of its ``k`` nearest neighbours that are the same in both collections, from 0 to 1.
    moved
        For each record, how far it moved from one map to the other, in widths of the first map.
    k
        The number of neighbours.
    """

    first: Projection
    second: Projection
    overlap: Matrix
    moved: Matrix
    k: int

    def __repr__(self) -> str:
        agreed = float(self.overlap.mean()) if len(self.overlap) else 0.0
        return (
            f"<Comparison of {self.first.name!r} and {self.second.name!r}: "
            f"{len(self.overlap):,} record{'' if len(self.overlap) == 1 else 's'}, "
            f"{agreed:.0%} of {self.k} neighbours in common>"
        )

    def to_df(self) -> pandas.DataFrame:
        """Return a table with one row per record, the most changed first.

        Returns
        -------
        pandas.DataFrame
            The columns ``id``, ``overlap``, ``moved`` and ``document``.
        """
        pd = require("pandas", feature="a comparison")
        frame: pandas.DataFrame = pd.DataFrame(
            {
                "id": self.first.ids,
                "overlap": self.overlap,
                "moved": self.moved,
                "document": self.first.documents,
            }
        )
        order = np.lexsort((-self.moved, self.overlap))
        return frame.iloc[order].reset_index(drop=True)

    def figure(self, height: int = 520) -> Figure:
        """Draw the two maps side by side, coloured by overlap.

        Parameters
        ----------
        height
            The height in pixels.

        Returns
        -------
        plotly.graph_objects.Figure
            One figure with two maps.
        """
        subplots = require("plotly.subplots", feature="the figure of a comparison")
        go = require("plotly.graph_objects", feature="the figure of a comparison")
        figure = subplots.make_subplots(
            cols=2, subplot_titles=[escaped(projection.name, 60) for projection in (self.first, self.second)]
        )
        texts = [
            f"<b>{escaped(id_, 60)}</b><br>{share:.0%} of neighbours in common"
            + (f"<br>{folded(document)}" if document else "")
            for id_, share, document in zip(self.first.ids, self.overlap.tolist(), self.first.documents, strict=True)
        ]
        for column, projection in enumerate((self.first, self.second), 1):
            figure.add_trace(
                go.Scattergl(
                    x=np.ascontiguousarray(projection.coordinates[:, 0]),
                    y=np.ascontiguousarray(projection.coordinates[:, 1]),
                    mode="markers",
                    hovertext=texts,
                    hoverinfo="text",
                    marker={
                        "color": self.overlap,
                        "cmin": 0,
                        "cmax": 1,
                        "colorscale": RAMP,
                        "size": 5,
                        "showscale": column == 2,
                        "colorbar": {"title": {"text": "overlap"}, "thickness": 12},
                    },
                    uid=f"chroma-nb-compare-{column}",
                ),
                row=1,
                col=column,
            )
        quiet = {"showgrid": False, "zeroline": False, "showticklabels": False}
        figure.update_xaxes(**quiet)
        figure.update_yaxes(**quiet, scaleratio=1)
        # As on any map: distances may be compared.
        figure.update_layout(yaxis_scaleanchor="x", yaxis2_scaleanchor="x2")
        figure.update_layout(**PLAIN, showlegend=False, dragmode="lasso", height=height)
        return figure


def compare(
    a: Collection, b: Collection, method: str = "auto", *, k: int = 10, sample: int | None = None, seed: int = 42
) -> Comparison:
    """Compare two collections that hold the same records: with other models, other settings, or at other times.

    Records are matched by id. Records that only one collection has are left out.

    Parameters
    ----------
    a, b
        The collections.
    method
        How to compute a map if a collection has none, as for ``project``.
    k
        How many neighbours of each record to compare.
    sample
        Compare only this many records of ``a``, drawn at random.
    seed
        The seed of the sample and of the maps.

    Returns
    -------
    Comparison
        The overlap of the neighbours and the two maps.

    Raises
    ------
    ValueError
        The collections share no id, ``k`` or ``sample`` is less than 1, or ``method`` is unknown.

    Notes
    -----
    Neighbours are exact, among the shared records: Euclidean if the collection uses l2, else cosine. The second map is
    fitted to the first by a Procrustes analysis: of all shifts, rotations, reflections and scalings, the one with the
    smallest squared distances.

    Examples
    --------
    >>> import chroma_nb
    >>> client = chroma_nb.EphemeralClient()
    >>> a, b = client.create_collection("one"), client.create_collection("two")
    >>> for collection, last in ((a, [0, 1]), (b, [0.85, 0.1])):
    ...     collection.add(ids=["x", "y", "z"], embeddings=[[1, 0], [0.9, 0.1], last])
    >>> compare(a, b, k=1).to_df()[["id", "overlap"]].head(1).values.tolist()
    [['y', 0.0]]
    """
    if k < 1:
        raise ValueError(f"expected k to be a number of neighbours of at least 1, got {k!r}")
    reducers.check(method)
    first, second = _shared(read(a, sample=sample, seed=seed), read(b))
    if not len(first):
        raise ValueError(
            f"expected records that are in both collections, got none: {a.name!r} and {b.name!r} have no id in common"
        )
    maps = [on_the_map(collection, records, method, seed=seed) for collection, records in ((a, first), (b, second))]
    near = [
        neighbours.exact(records.matrix, min(k + 1, len(first)), space(collection)).rows[:, 1:]
        for collection, records in ((a, first), (b, second))
    ]
    overlap = np.array([np.intersect1d(*rows).size for rows in zip(*near, strict=True)], np.float32)
    overlap = overlap / max(near[0].shape[1], 1) if near[0].shape[1] else np.ones(len(first), np.float32)
    maps[1].coordinates = aligned(maps[1].coordinates, maps[0].coordinates)
    width = max(float(np.ptp(maps[0].coordinates, axis=0).max()), 1e-12)
    moved = (np.linalg.norm(maps[0].coordinates - maps[1].coordinates, axis=1) / width).astype(np.float32)
    return Comparison(maps[0], maps[1], overlap, moved, k)


def _shared(first: Records, second: Records) -> tuple[Records, Records]:
    place = {id_: row for row, id_ in enumerate(second.ids)}
    rows = [row for row, id_ in enumerate(first.ids) if id_ in place]
    return first.take(rows), second.take([place[first.ids[row]] for row in rows])


def aligned(points: Matrix, target: Matrix) -> Matrix:
    """``points`` moved, turned, mirrored and scaled as a whole to lie as near to ``target`` as they can.

    >>> square = np.array([[0, 0], [1, 0], [1, 1]], np.float32)
    >>> aligned(square @ np.array([[0, 1], [-1, 0]], np.float32) * 3 + 5, square).round(3).tolist()
    [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]
    """
    centre, goal = points.mean(axis=0, dtype=np.float64), target.mean(axis=0, dtype=np.float64)
    here, there = points - centre, target - goal
    left, weights, right = np.linalg.svd(here.T @ there)
    length = float((here**2).sum())
    scale = float(weights.sum()) / length if length > 0 else 1.0
    fitted: Matrix = (here @ left @ right * scale + goal).astype(np.float32) + np.float32(0)
    return fitted

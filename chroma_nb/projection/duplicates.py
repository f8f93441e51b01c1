"""Duplicates and isolated records: tables from the neighbours of each record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chroma_nb._optional import require
from chroma_nb.collection import Collection, space
from chroma_nb.projection import neighbours
from chroma_nb.projection.projection import on_the_map
from chroma_nb.projection.reading import read
from chroma_nb.records import Records
from chroma_nb.types import Int32, Mask, Where

if TYPE_CHECKING:
    import pandas
    from plotly.graph_objects import Figure

#: Neighbours looked at: of more copies than these, each is still chained to the next.
_NEIGHBOURS = 16


def duplicates(collection: Collection, threshold: float = 0.95, *, where: Where | None = None) -> pandas.DataFrame:
    """Find groups of records whose embeddings are nearly the same.

    Parameters
    ----------
    collection
        The collection.
    threshold
        The least cosine similarity of two records of a pair, above 0 and at most 1. Cosine is used for every
        collection.
    where
        Look only at records whose metadata match this filter.

    Returns
    -------
    pandas.DataFrame
        One row per record, the largest group first. Columns: ``group`` (a number from 0), ``id``, ``similarity`` (to
        the most similar record of the group) and ``document``. The table has a method ``figure``, which draws the map
        of the collection with the groups in colour. It takes the options of ``Projection.figure``, and ``method``.

    Raises
    ------
    ValueError
        ``threshold`` is out of range.

    Notes
    -----
    Each record is compared with its 15 nearest neighbours. Pairs that share a record belong to the same group, so two
    records of one group may be less similar than ``threshold``. To keep one record of each group:
    ``found.groupby("group").head(1)``.

    Examples
    --------
    >>> import chroma_nb
    >>> collection = chroma_nb.EphemeralClient().create_collection("docs")
    >>> collection.add(ids=["a", "b", "c"], embeddings=[[1, 0], [1, 0.01], [0, 1]], documents=["x", "x.", "y"])
    >>> duplicates(collection)[["group", "id"]].values.tolist()
    [[0, 'a'], [0, 'b']]
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"expected threshold to be a cosine similarity above 0 and at most 1, got {threshold!r}")
    records = read(collection, where=where)
    near = _near(collection, records, where, "cosine")
    # float32 and a distance computed elsewhere: equal vectors come out a little apart.
    close = (near.distances <= 1 - threshold + 1e-6) & (near.rows >= 0)
    group = _connected(near.rows, close)
    best = np.where(close[:, 1:], 1 - near.distances[:, 1:], -1).max(axis=1, initial=-1)
    for row, others in enumerate(near.rows):  # a pair counts for both, though one may be beyond the other's view
        for column in np.flatnonzero(close[row, 1:]) + 1:
            best[others[column]] = max(best[others[column]], 1 - near.distances[row, column])
    members: dict[int, list[int]] = {}
    for row, number in enumerate(group):
        members.setdefault(number, []).append(row)
    groups = sorted((rows for rows in members.values() if len(rows) > 1), key=lambda rows: (-len(rows), rows))
    order = [row for rows in groups for row in rows]
    pd = require("pandas", feature="duplicates")
    frame: pandas.DataFrame = pd.DataFrame(
        {
            "group": [number for number, rows in enumerate(groups) for _ in rows],
            "id": [records.ids[row] for row in order],
            "similarity": np.minimum(best[order], 1) if order else np.empty(0, np.float32),
            "document": records.take(order).column("documents"),
        }
    )
    drawn = {records.ids[row]: f"group {number}" for number, rows in enumerate(groups) for row in rows}
    sizes = {id_: float(id_ in drawn) for id_ in records.ids}
    return _drawn(frame, collection, where, color=drawn, size=sizes or None)


def outliers(collection: Collection, n: int = 20, *, where: Where | None = None) -> pandas.DataFrame:
    """Find the most isolated records: those that are farthest from their nearest neighbours.

    Parameters
    ----------
    collection
        The collection.
    n
        How many records to return.
    where
        Look only at records whose metadata match this filter.

    Returns
    -------
    pandas.DataFrame
        One row per record, the most isolated first. Columns: ``id``, ``distance`` (the mean distance to the ten nearest
        records: Euclidean if the collection uses l2, else cosine), ``score`` (``distance`` divided by its median over
        all records, so 1 is typical), ``nearest`` (the id of the nearest record) and ``document``. The table has a
        method ``figure``, which draws the map of the collection coloured by score. It takes the options of
        ``Projection.figure``, and ``method``.

    Raises
    ------
    ValueError
        ``n`` is less than 1.

    Examples
    --------
    >>> import chroma_nb
    >>> collection = chroma_nb.EphemeralClient().create_collection("docs")
    >>> collection.add(ids=list("abcd"), embeddings=[[0, 0], [0, 1], [1, 0], [9, 9]])
    >>> outliers(collection, 1)["id"].tolist()
    ['d']
    """
    if n < 1:
        raise ValueError(f"expected n to be a number of records of at least 1, got {n!r}")
    records = read(collection, where=where)
    near = _near(collection, records, where, space(collection), 11)
    seen = near.rows[:, 1:] >= 0
    apart = np.where(seen, near.distances[:, 1:], 0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    order = np.argsort(-apart, kind="stable")[:n] if near.rows.shape[1] > 1 else np.empty(0, np.intp)
    usual = float(np.median(apart)) if len(apart) else 0.0
    scores = apart / usual if usual > 0 else np.where(apart > 0, np.inf, 1.0)
    pd = require("pandas", feature="outliers")
    frame: pandas.DataFrame = pd.DataFrame(
        {
            "id": [records.ids[row] for row in order],
            "distance": apart[order],
            "score": scores[order],
            "nearest": [records.ids[near.rows[row, 1]] for row in order],
            "document": records.take(order).column("documents"),
        }
    )
    chosen = set(order.tolist())
    return _drawn(
        frame,
        collection,
        where,
        color=dict(zip(records.ids, scores.tolist(), strict=True)),
        size={id_: float(row in chosen) for row, id_ in enumerate(records.ids)} or None,
    )


def _drawn(frame: pandas.DataFrame, collection: Collection, where: Where | None, **usual: object) -> pandas.DataFrame:
    """``frame``, whose figure is the map of the collection with these options, or others."""
    from chroma_nb.projection.drawn_frame import DrawnFrame  # loads pandas

    def draw(method: str = "auto", **options: object) -> Figure:
        """The map of the collection with these records marked, as a plotly figure."""
        records = read(collection, where=where)
        return on_the_map(collection, records, method, where=where).figure(**{**usual, **options})

    return DrawnFrame.of(frame, draw)


def _near(
    collection: Collection, records: Records, where: Where | None, metric: str, k: int = _NEIGHBOURS
) -> neighbours.Neighbours:
    if metric != "l2" and space(collection) != metric:  # the collection's own search orders otherwise
        return neighbours.exact(records.matrix, k, metric)
    return neighbours.find(collection, records, k, metric, where)


def _connected(rows: Int32, close: Mask) -> list[int]:
    """For each record the first record of its group."""
    owner = list(range(len(rows)))

    def root(row: int) -> int:
        """The representative of a group, found by halving the path."""
        while owner[row] != row:
            owner[row] = owner[owner[row]]
            row = owner[row]
        return row

    for row, column in zip(*np.nonzero(close), strict=True):
        first, other = sorted((root(int(row)), root(int(rows[row, column]))))
        owner[other] = first
    return [root(row) for row in range(len(rows))]

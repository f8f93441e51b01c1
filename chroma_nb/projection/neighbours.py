"""The nearest neighbours of every record: exactly by numpy, or by the collection's own search.

Not the engine's index: these functions know vectors, or a collection's public ``query``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from chroma_nb.collection import Collection
from chroma_nb.records import Records
from chroma_nb.types import Int32, Matrix, Options, Where, WhereDocument

#: Beyond this many records the collection's search is used, which may have a graph: all pairs cost more.
EXACT_LIMIT: Final = 120_000
_ROWS: Final = 512
#: Points of one product, and how many more of the nearest are kept than asked for, to be measured again.
_BLOCK, _SPARE = 2_048, 4
#: If more than one in this many are nearer than those kept, the nearest are picked from all at once.
_SELDOM: Final = 50
_QUERIES: Final = 500

#: Called with the share that is done, from 0 to 1.
Report = Callable[[float], object]


@dataclass(frozen=True)
class Neighbours:
    """For each record, nearest first, itself at the head: rows (int32) and distances (float32), (n, k).

    A row of -1 is a neighbour that the search did not find.
    """

    rows: Int32
    distances: Matrix


def exact(embeddings: Matrix, k: int, space: str = "l2", report: Report = lambda share: None) -> Neighbours:
    """The ``k`` nearest of each row among all rows, itself included.

    Distances are Euclidean for "l2", else 1 - cosine.

    >>> found = exact(np.array([[0.0], [1.0], [3.0]], np.float32), k=2)
    >>> found.rows.tolist(), found.distances.tolist()
    ([[0, 1], [1, 0], [2, 1]], [[0.0, 1.0], [0.0, 1.0], [0.0, 2.0]])
    """
    points = prepared(embeddings, space)
    count, k = len(points), min(k, len(points))
    near = _nearest(points, min(k + _SPARE, count), report)
    rows, distances = np.empty((count, k), np.int32), np.empty((count, k), np.float32)
    for start in range(0, count, _ROWS):
        stop = min(start + _ROWS, count)
        # Again from the vectors themselves: the products have lost digits where vectors lie close together.
        gaps = points[near[start:stop]].astype(np.float64) - points[start:stop, None, :]
        apart = np.einsum("ijk,ijk->ij", gaps, gaps)
        apart[near[start:stop] == np.arange(start, stop)[:, None]] = -1
        order = np.lexsort((near[start:stop], apart), axis=1)[:, :k]
        rows[start:stop] = np.take_along_axis(near[start:stop], order, axis=1)
        found = np.maximum(np.take_along_axis(apart, order, axis=1), 0)
        distances[start:stop] = np.sqrt(found) if space == "l2" else found / 2
    report(1.0)
    return Neighbours(rows, distances)


def _nearest(points: Matrix, k: int, report: Report) -> Int32:
    """The ``k`` nearest of each point in no order, (n, k), by the digits of float32; each point among its own.

    Half a squared distance is a product of two vectors, (-p, p·p/2, 1) and (q, 1, q·q/2), and as good for one side as
    for the other: a block of points meets each other block once, and what is no nearer than the farthest kept so far
    is passed over by one comparison.
    """
    half = np.einsum("ij,ij->i", points, points)[:, None] / 2
    ones = np.ones((_BLOCK, 1), np.float32)
    rows, far = np.zeros((len(points), k), np.int32), np.full((len(points), k), np.inf, np.float32)
    blocks = [slice(start, min(start + _BLOCK, len(points))) for start in range(0, len(points), _BLOCK)]
    for number, block in enumerate(blocks):
        left = np.hstack([-points[block], half[block], ones[: block.stop - block.start]])
        for others in blocks[number:]:
            right = np.hstack([points[others], ones[: others.stop - others.start], half[others]])
            apart = left @ right.T
            if others is block:
                np.fill_diagonal(apart, -np.inf)
            else:
                _keep_nearest(rows[others], far[others], apart.T, block.start)
            _keep_nearest(rows[block], far[block], apart, others.start)
        met = (number + 1) * (2 * len(blocks) - number) / (len(blocks) * (len(blocks) + 1))
        report(0.99 * met)
    return rows


def _keep_nearest(rows: Int32, far: Matrix, apart: Matrix, first: int) -> None:
    """Put what is nearer into ``rows`` and ``far``; ``apart`` is of shape (records, others), ``first`` their number."""
    k = rows.shape[1]
    nearer = apart < far.max(axis=1)[:, None]
    if np.count_nonzero(nearer) > nearer.size // _SELDOM and apart.shape[1] > k:
        others = np.argpartition(apart, k - 1, axis=1)[:, :k]
        records = np.repeat(np.arange(len(apart)), k)
        others = others.ravel()
    elif apart.flags.c_contiguous:
        records, others = np.divmod(np.flatnonzero(nearer), apart.shape[1])
    else:  # the block seen from its other side
        others, records = np.divmod(np.flatnonzero(nearer.T), apart.shape[0])
        order = np.argsort(records, kind="stable")
        records, others = records[order], others[order]
    if not len(records):
        return
    counts = np.bincount(records, minlength=len(apart))
    touched = np.flatnonzero(counts)
    place = np.arange(len(records)) - np.repeat(np.cumsum(counts) - counts, counts) + k
    at = np.cumsum(counts > 0)[records] - 1
    wide = np.full((len(touched), k + int(counts.max())), np.inf, np.float32)
    which = np.zeros(wide.shape, np.int32)
    wide[:, :k], which[:, :k] = far[touched], rows[touched]
    wide[at, place], which[at, place] = apart[records, others], others + first
    kept = np.argpartition(wide, k - 1, axis=1)[:, :k]
    far[touched], rows[touched] = np.take_along_axis(wide, kept, axis=1), np.take_along_axis(which, kept, axis=1)


def prepared(embeddings: Matrix, space: str) -> Matrix:
    """Vectors whose Euclidean order is the order of ``space``: centred for l2, of length one else.

    The inner product is taken as cosine: it is no distance, a vector need not be its own nearest.
    """
    points = np.empty(embeddings.shape, np.float32)
    centre = embeddings.mean(axis=0, dtype=np.float64) if len(embeddings) else 0.0
    for start in range(0, len(points), _BLOCK):
        part = embeddings[start : start + _BLOCK].astype(np.float64)
        if space == "l2":
            part -= centre
        else:
            part /= np.maximum(np.linalg.norm(part, axis=1, keepdims=True), np.finfo(np.float64).tiny)
        points[start : start + _BLOCK] = part
    return points


def searched(
    collection: Collection,
    records: Records,
    k: int,
    space: str = "l2",
    where: Where | None = None,
    report: Report = lambda share: None,
    *,
    where_document: WhereDocument | None = None,
) -> Neighbours:
    """As ``exact``, by the collection's ``query`` in batches; ``records`` are all that pass the filters."""
    filters: Options = {"where": where, "where_document": where_document}
    place = {id_: row for row, id_ in enumerate(records.ids)}
    count, k = len(records), min(k, len(records))
    rows, distances = np.full((count, k), -1, np.int32), np.zeros((count, k), np.float32)
    for start in range(0, count, _QUERIES):
        batch = records.matrix[start : start + _QUERIES]
        result = collection.query(query_embeddings=batch, n_results=k, include=["distances"], **filters)
        for row, (ids, apart) in enumerate(zip(result["ids"], result["distances"], strict=True), start):
            hits = [(place[id_], far) for id_, far in zip(ids, apart, strict=True) if place.get(id_, row) != row]
            hits = [(row, 0.0), *hits][:k]
            rows[row, : len(hits)] = [hit for hit, _ in hits]
            distances[row, : len(hits)] = [far for _, far in hits]
            distances[row, len(hits) :] = distances[row, len(hits) - 1]
        report((start + len(batch)) / count)
    return Neighbours(rows, _as_distances(distances, space))


def _as_distances(given: Matrix, space: str) -> Matrix:
    if space == "l2":  # a collection returns squared distances
        return np.sqrt(np.maximum(given, 0))
    if space == "ip" and given.shape[1] > 1:  # may be below zero: counted from the nearest other
        given = given.copy()
        given[:, 1:] -= given[:, 1:2]
    return np.maximum(given, 0)


def find(
    collection: Collection,
    records: Records,
    k: int,
    space: str = "l2",
    where: Where | None = None,
    whole: bool = True,
    report: Report = lambda share: None,
    *,
    where_document: WhereDocument | None = None,
) -> Neighbours:
    """The neighbours of each record by the cheaper way; ``whole`` says that records are all that pass the filters."""
    if not whole or len(records) <= EXACT_LIMIT:
        return exact(records.matrix, k, space, report)
    return searched(collection, records, k, space, where, report, where_document=where_document)

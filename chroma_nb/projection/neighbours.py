"""The nearest neighbours of every record: exactly by numpy, or by the collection's own search.

Not the engine's index: these functions know vectors, or a collection's public ``query``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chroma_nb.projection.reading import MapRecords
from chroma_nb.types import Matrix, Where

#: Beyond as many records the collection's search is asked, which may have a graph.
EXACT_LIMIT: Final = 15_000
_ROWS: Final = 512
_QUERIES: Final = 500

#: Called with the share that is done, from 0 to 1.
Report = Callable[[float], object]


@dataclass(frozen=True)
class Neighbours:
    """For each record, nearest first, itself at the head: rows (int32) and distances (float32), (n, k).

    A row of -1 is a neighbour that the search did not find.
    """

    rows: npt.NDArray[np.int32]
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
    half = np.einsum("ij,ij->i", points, points) / 2
    rows, distances = np.empty((count, k), np.int32), np.empty((count, k), np.float32)
    for start in range(0, count, _ROWS):
        stop = min(start + _ROWS, count)
        far = half - points[start:stop] @ points.T
        far[np.arange(stop - start), np.arange(start, stop)] = -np.inf
        near = np.argpartition(far, k - 1, axis=1)[:, :k]
        # Again from the vectors themselves: the products have lost digits where vectors lie close together.
        gaps = points[near].astype(np.float64) - points[start:stop, None, :]
        apart = np.einsum("ijk,ijk->ij", gaps, gaps)
        apart[near == np.arange(start, stop)[:, None]] = -1
        order = np.lexsort((near, apart), axis=1)
        rows[start:stop] = np.take_along_axis(near, order, axis=1)
        found = np.maximum(np.take_along_axis(apart, order, axis=1), 0)
        distances[start:stop] = np.sqrt(found) if space == "l2" else found / 2
        report(stop / count)
    return Neighbours(rows, distances)


def prepared(embeddings: Matrix, space: str) -> Matrix:
    """Vectors whose Euclidean order is the order of ``space``: centred for l2, of length one else.

    The inner product is taken as cosine: it is no distance, a vector need not be its own nearest.
    """
    points = embeddings.astype(np.float64)
    if space == "l2":
        points -= points.mean(axis=0) if len(points) else 0
    else:
        points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return points.astype(np.float32)


def searched(
    collection: Any,
    records: MapRecords,
    k: int,
    space: str = "l2",
    where: Where | None = None,
    report: Report = lambda share: None,
) -> Neighbours:
    """As ``exact``, by the collection's ``query`` in batches; ``records`` are all that match ``where``."""
    place = {one: row for row, one in enumerate(records.ids)}
    count, k = len(records), min(k, len(records))
    rows, distances = np.full((count, k), -1, np.int32), np.zeros((count, k), np.float32)
    for start in range(0, count, _QUERIES):
        batch = records.embeddings[start : start + _QUERIES]
        answer = collection.query(query_embeddings=batch, n_results=k, where=where, include=["distances"])
        for row, (ids, apart) in enumerate(zip(answer["ids"], answer["distances"], strict=True), start):
            hits = [(place[one], far) for one, far in zip(ids, apart, strict=True) if place.get(one, row) != row]
            hits = [(row, 0.0), *hits][:k]
            rows[row, : len(hits)] = [hit for hit, _ in hits]
            distances[row, : len(hits)] = [far for _, far in hits]
            distances[row, len(hits) :] = distances[row, len(hits) - 1]
        report((start + len(batch)) / count)
    return Neighbours(rows, _as_distances(distances, space))


def _as_distances(given: Matrix, space: str) -> Matrix:
    if space == "l2":  # a collection answers squared distances
        return np.sqrt(np.maximum(given, 0))
    if space == "ip" and given.shape[1] > 1:  # may be below zero: counted from the nearest other
        given = given.copy()
        given[:, 1:] -= given[:, 1:2]
    return np.maximum(given, 0)


def find(
    collection: Any,
    records: MapRecords,
    k: int,
    space: str = "l2",
    where: Where | None = None,
    whole: bool = True,
    report: Report = lambda share: None,
) -> Neighbours:
    """The neighbours of each record by the cheaper way; ``whole`` says that records are all that match ``where``."""
    if not whole or len(records) <= EXACT_LIMIT:
        return exact(records.embeddings, k, space, report)
    return searched(collection, records, k, space, where, report)

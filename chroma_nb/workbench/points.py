"""The points of the map: the records of a collection with their places, of the projection that is there by now.

At first that is PCA's; a better one takes its place when it is ready. Each is a ``Drawn`` with a number of its own, so
that the page and Python speak of the same rows. No widgets here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np

from chroma_nb import _locks
from chroma_nb.collection import Collection
from chroma_nb.projection.layout import columns_of, home
from chroma_nb.projection.projection import Projection, Recipe
from chroma_nb.projection.scales import Scale
from chroma_nb.types import Int32, Json, Mask, Matrix, Metadata, Where, WhereDocument
from chroma_nb.workbench.columns import REGION_KEY

#: The side of the square that holds all points, in the whole numbers that places are sent as.
SIDE: Final = 65_535
_NUMBERS: Final = itertools.count(1)


#: A corner, left and bottom, and the length of a side.
Frame: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True)
class Drawn:
    """One state of the map: ``ids`` by row, ``places`` of shape (n, 2) as uint16, ``home`` the view of all of it.

    ``home`` is left, bottom, right, top, as shares of the square that holds all points.
    """

    version: int
    projection: Projection
    ids: list[str]
    places: np.ndarray[tuple[int, int], np.dtype[np.uint16]]
    home: tuple[float, float, float, float]
    #: The corner and the side of that square, on the map.
    frame: Frame
    #: By the key that they colour by: scales that were made, and those of the map before, whose colours stay.
    scales: dict[str, Scale] = field(default_factory=dict)
    earlier: dict[str, Scale] = field(default_factory=dict)
    _rows: dict[str, int] = field(default_factory=dict)

    def rows(self, ids: Iterable[str]) -> Int32:
        """Where these ids stand; those that are not on the map are left out."""
        if not self._rows:
            self._rows.update((id_, row) for row, id_ in enumerate(self.ids))
        known = self._rows
        return np.fromiter((known[id_] for id_ in ids if id_ in known), np.int32)

    def values(self, key: str) -> list[object]:
        """What the records have under a metadata key, None where nothing; by ``REGION_KEY`` the names of regions."""
        if key == REGION_KEY:
            return list(self.projection.labels.of_records())
        return [None if metadata is None else metadata.get(key) for metadata in self.projection.metadatas]

    def mask(self, ids: Iterable[str]) -> Mask:
        """Which rows these are."""
        found = np.zeros(len(self.ids), np.bool_)
        found[self.rows(ids)] = True
        return found


def drawn(projection: Projection, before: Drawn | None = None) -> Drawn:
    """A projection as it is drawn; in the view of the map ``before``, and in its colours, of which it is the next."""
    if before is not None and _holds(before.frame, projection.coordinates):
        places, home, frame = _within(before.frame, projection.coordinates), before.home, before.frame
    else:
        places, home, frame = placed(projection.coordinates)
    earlier = {} if before is None else {**before.earlier, **before.scales}
    return Drawn(next(_NUMBERS), projection, projection.ids, places, home, frame, earlier=earlier)


def placed(
    coordinates: Matrix,
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.uint16]], tuple[float, float, float, float], Frame]:
    """Places in the square that holds all points, the view of all of them but for a few that lie far out, the square.

    >>> places, home, frame = placed(np.array([[0, 0], [4, 2]], np.float32))
    >>> places.tolist(), home, frame
    ([[0, 16384], [65535, 49151]], (0.0, 0.25, 1.0, 0.75), (0.0, -1.0, 4.0))
    """
    spots = columns_of(coordinates)
    if not spots.shape[1]:
        return np.full((len(coordinates), 2), SIDE // 2, np.uint16), (0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 1.0)
    low, high = spots.min(axis=1), spots.max(axis=1)
    span = float((high - low).max()) or 1.0
    corner = (low + high - span) / 2
    frame = (float(corner[0]), float(corner[1]), span)
    left, bottom, right, top = ((np.reshape(home(coordinates), (2, 2)) - corner) / span).ravel().tolist()
    return _within(frame, coordinates), (left, bottom, right, top), frame


def _within(frame: Frame, coordinates: Matrix) -> np.ndarray[tuple[int, int], np.dtype[np.uint16]]:
    """Places in a square; what is no number lies in its middle."""
    *corner, span = frame
    shares = (coordinates[:, :2].astype(np.float64) - corner) / span
    shares = np.nan_to_num(shares, nan=0.5, posinf=0.5, neginf=0.5)
    return np.rint(np.clip(shares, 0, 1) * SIDE).astype(np.uint16)


def _holds(frame: Frame, coordinates: Matrix) -> bool:
    """Whether all points lie in a square."""
    left, bottom, span = frame
    shares = (coordinates[:, :2].astype(np.float64) - [left, bottom]) / span
    return bool(len(shares)) and bool(((shares > -1e-6) & (shares < 1 + 1e-6)).all())


class Points:
    """The map of a collection, or of what passes ``where`` and ``where_document``; made when it is first asked for.

    >>> import chroma_nb
    >>> with chroma_nb.EphemeralClient() as client:
    ...     birds = client.create_collection("birds")
    ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]])
    ...     Points(birds).now().ids
    ['wren', 'crow']
    """

    def __init__(
        self,
        collection: Collection,
        where: Where | None = None,
        where_document: WhereDocument | None = None,
        projection: Projection | None = None,
    ) -> None:
        self._collection = collection
        self._lock = _locks.RLock()
        self._projection = projection
        recipe = projection.recipe if projection is not None else None
        self._recipe = recipe if recipe is not None else Recipe(where=where, where_document=where_document)
        #: A map that nothing can make again.
        self._kept = projection if recipe is None else None
        self._drawn: Drawn | None = None
        #: Those of the one that is drawn.
        self._coordinates: Matrix | None = None
        self._metadatas: object = None
        #: The metadata keys of a map's records, and which map that is.
        self._keys: tuple[Sequence[Metadata | None], set[str]] | None = None
        #: The map that came of the one that is drawn, with its places.
        self._renewed: Projection | None = None

    def now(self) -> Drawn:
        """The map as it is by now."""
        with self._lock:
            projection = self._made()
            last = self._drawn
            if last is None or last.projection is not projection or self._moved(last):
                self._drawn = last = drawn(projection, last if projection is self._renewed else None)
                self._coordinates, self._metadatas = projection.coordinates, projection.metadatas
            elif projection.metadatas is not self._metadatas:
                last.earlier.update(last.scales)
                last.scales.clear()
                self._metadatas = projection.metadatas
            return last

    def _moved(self, last: Drawn) -> bool:
        """Whether its coordinates are others since then."""
        return last.projection.coordinates is not self._coordinates

    def _made(self) -> Projection:
        if self._projection is None:
            self._projection = self._recipe.make(self._collection, wait=False)
        return self._projection

    def renew(self) -> None:
        """Records were written: what is gone leaves the map, what is new gets a place on it; nothing else moves."""
        with self._lock:
            if self._projection is None:
                return
            if self.making() is not None:
                self.stop()
                self._projection = None
            else:
                self._projection = self._renewed = self._projection.refreshed()

    @property
    def projection(self) -> Projection:
        """The map as a table and picture; made where it is not there yet."""
        with self._lock:
            return self._made()

    @property
    def metadata_keys(self) -> set[str]:
        """The metadata keys of the records on the map; none before it is made."""
        projection, known = self._projection, self._keys
        if projection is None:
            return set()
        if known is None or known[0] is not projection.metadatas:
            known = self._keys = projection.metadatas, set().union(*filter(None, projection.metadatas))
        return known[1]

    def making(self) -> Json | None:
        """How far the better map is: ``stage`` in a word and ``share`` from 0 to 1; None where none is being made."""
        fit = self._projection.fit if self._projection is not None else None
        if fit is None or fit.done:
            return None
        stage, share = fit.progress
        return {"stage": stage, "share": float(share)}

    @property
    def note(self) -> str:
        """What became of the better map, where it did not come."""
        projection = self._projection
        fit = projection.fit if projection is not None else None
        if projection is None or fit is None or not fit.done or fit.error is None:
            return ""
        if fit.stopped:
            return "Stopped: this is the PCA map."
        return f"This is the PCA map; {projection.better or 'the better map'} failed: {fit.error}"

    def stop(self) -> None:
        """Keep the map that is there."""
        fit = self._projection.fit if self._projection is not None else None
        if fit is not None:
            fit.stop()

    def close(self) -> None:
        """Give back what it holds; asked again, it is made again, in the way it was asked for."""
        with self._lock:
            self.stop()
            self._projection, self._drawn, self._keys = self._kept, None, None
            self._renewed, self._coordinates, self._metadatas = None, None, None

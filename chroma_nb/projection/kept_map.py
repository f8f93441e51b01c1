"""The map that a collection has, from call to call and from kernel to kernel: where each record lies.

Not ``coordinates_cache.py``, in which a map is found by exactly the vectors it was made of: here it is found by its
collection, so that it stays when records are added, changed or deleted. Records by hashes of their ids, the names of
regions by where they stand in documents: the only text is the names that a person gave.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from chroma_nb.collection import Collection
from chroma_nb.projection import coordinates_cache
from chroma_nb.projection.labels import carried
from chroma_nb.types import Array, Indices, Int32, Ints, Json, Matrix, Where, WhereDocument

Hashes: TypeAlias = npt.NDArray[np.uint64]

_VERSION: Final = 1
NO_LINES: Final[Ints] = np.zeros((0, 6), np.int64)
#: Vectors that are hashed at a time.
_ROWS: Final = 4_096


@dataclass(frozen=True)
class Regions:
    """The regions of a map and their parts: the number of each by row, and what is known of their names.

    ``given`` are the names that a person gave; ``lines`` say where the others stand in documents
    (``region_names.spans``).
    """

    levels: tuple[Int32, Int32]
    given: tuple[dict[int, str], dict[int, str]] = field(default_factory=lambda: ({}, {}))
    lines: tuple[Ints, Ints] = (NO_LINES, NO_LINES)

    def at(self, rows: Indices, spots: Matrix) -> Regions:
        """The same regions for the records that were at ``rows``; one at -1 lies in that of its nearest on the map."""
        count = len(self.levels[0])
        now = np.full(count + 1, -1, np.int64)
        now[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
        lines = []
        for part in self.lines:
            moved = part.copy()
            moved[:, 2] = now[np.where(part[:, 2] >= 0, part[:, 2], count)]
            lines.append(moved)
        first, second = (carried(clusters, rows, spots) for clusters in self.levels)
        return replace(self, levels=(first, second), lines=(lines[0], lines[1]))


@dataclass(frozen=True)
class KeptMap:
    """Where records lie, by the hashes of their ids and of their vectors, and how that was found out."""

    ids: Hashes
    vectors: Hashes
    coordinates: Matrix
    method: str
    seed: int
    regions: Regions | None = None

    def rows(self, ids: Hashes, vectors: Hashes) -> Indices:
        """For each record its row here; -1 for one that is new, or whose vector is another by now.

        >>> one, two = np.array([5, 3], np.uint64), np.array([1, 1], np.uint64)
        >>> KeptMap(one, two, np.zeros((2, 2), np.float32), "pca", 42).rows(np.array([3, 4], np.uint64), two).tolist()
        [1, -1]
        """
        if not len(self.ids):
            return np.full(len(ids), -1, np.intp)
        order = np.argsort(self.ids, kind="stable")
        found = order[np.minimum(np.searchsorted(self.ids[order], ids), len(order) - 1)]
        same = (self.ids[found] == ids) & (self.vectors[found] == vectors)
        return np.where(same, found, -1)


def hashed_ids(collection: Collection, ids: Sequence[str]) -> Hashes:
    """A number for each id, another one in each collection."""
    key = str(collection.id).encode()
    parts = [hashlib.blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=8, key=key).digest() for id_ in ids]
    return np.frombuffer(b"".join(parts), "<u8").astype(np.uint64)


def hashed_vectors(vectors: Matrix) -> Hashes:
    """A number for each vector, by its bits.

    >>> hashed_vectors(np.array([[1, 2], [1, 2], [2, 1]], np.float32))[1:].tolist().count(
    ...     hashed_vectors(np.array([[1, 2]], np.float32))[0]
    ... )
    1
    """
    odd = np.random.default_rng(2**31 - 1).integers(0, 2**63, vectors.shape[1], np.uint64) * np.uint64(2) + np.uint64(1)
    found = np.empty(len(vectors), np.uint64)
    for start in range(0, len(vectors), _ROWS):
        part = np.ascontiguousarray(vectors[start : start + _ROWS], np.float32) + np.float32(0)  # -0.0 is 0.0
        found[start : start + len(part)] = (part.view(np.uint32).astype(np.uint64) * odd).sum(axis=1)
    return found


@dataclass(frozen=True)
class Shelf:
    """Where the maps of one collection, or of what passes one filter, are kept: a file for each method and seed."""

    places: tuple[Path, ...]
    name: str
    dims: int

    @classmethod
    def of(
        cls, collection: Collection, where: Where | None, dims: int, where_document: WhereDocument | None = None
    ) -> Shelf:
        """The shelf of a collection, beside it if it is ours and on disk, else in the user's folder."""
        about = json.dumps([_VERSION, str(collection.id), where, where_document, dims], sort_keys=True, default=repr)
        name = hashlib.sha256(about.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return cls(tuple(coordinates_cache.directories(collection)), name, dims)

    def find(self, method: str | None = None, seed: int | None = None) -> KeptMap | None:
        """The map of this method and seed, or of any: the one that was used last."""
        for place in self.places:
            for path in coordinates_cache.newest_first(place, f"{coordinates_cache.KEPT}{self.name}-*.npz"):
                parts = coordinates_cache.read(path)
                found = None if parts is None else _of_parts(parts, self.dims)
                if found is not None and method in (None, found.method) and seed in (None, found.seed):
                    coordinates_cache.touch(path)
                    return found
        return None

    def keep_regions(self, kept: KeptMap) -> None:
        """Note the regions of a map that is kept; what else is known of it stays as it is."""
        there = self.find(kept.method, kept.seed)
        if there is None or kept.regions is None:
            return
        order = np.argsort(kept.ids, kind="stable")
        found = order[np.minimum(np.searchsorted(kept.ids[order], there.ids), len(order) - 1)]
        rows = np.where(kept.ids[found] == there.ids, found, -1)
        self.keep(replace(there, regions=kept.regions.at(rows, there.coordinates)))

    def keep(self, kept: KeptMap) -> None:
        """Keep a map, in the place of an earlier one of its method and seed."""
        made_by = hashlib.sha256(repr((kept.method, kept.seed)).encode()).hexdigest()[:8]
        state: Json = {"version": _VERSION, "method": kept.method, "seed": kept.seed}
        parts: dict[str, Array] = {"ids": kept.ids, "vectors": kept.vectors, "coordinates": kept.coordinates}
        if kept.regions is not None:
            state["given"] = [{str(number): name for number, name in level.items()} for level in kept.regions.given]
            parts |= dict(zip(("regions", "parts"), kept.regions.levels, strict=True))
            parts |= dict(zip(("region_lines", "part_lines"), kept.regions.lines, strict=True))
        coordinates_cache.write(
            self.places,
            f"{coordinates_cache.KEPT}{self.name}-{made_by}.npz",
            **parts,
            state=np.frombuffer(json.dumps(state).encode(), np.uint8),
        )


def _of_parts(parts: dict[str, Array], dims: int) -> KeptMap | None:
    """The map of a file; None where anything about it is odd."""
    try:
        state = json.loads(parts["state"].tobytes())
        ids, vectors = (np.asarray(parts[name], np.uint64) for name in ("ids", "vectors"))
        coordinates: Matrix = np.asarray(parts["coordinates"], np.float32)
        if state["version"] != _VERSION or not len(ids) == len(vectors) == len(coordinates):
            return None
        if coordinates.shape != (len(ids), dims) or not np.isfinite(coordinates).all():
            return None
        return KeptMap(ids, vectors, coordinates, str(state["method"]), int(state["seed"]), _regions(parts, state))
    except coordinates_cache.UNREADABLE:
        return None


def _regions(parts: dict[str, Array], state: Json) -> Regions | None:
    """The regions of a file; None where it has none that can be."""
    if "regions" not in parts:
        return None
    count = len(parts["ids"])
    levels = tuple(np.asarray(parts[name], np.int32) for name in ("regions", "parts"))
    lines = tuple(np.asarray(parts[name], np.int64) for name in ("region_lines", "part_lines"))
    if any(level.shape != (count,) or level.min(initial=0) < -1 or level.max(initial=-1) >= count for level in levels):
        return None
    if any(
        part.ndim != 2 or part.shape[1] != NO_LINES.shape[1] or part[:, 2].max(initial=-1) >= count for part in lines
    ):
        return None
    try:
        given = tuple({int(number): str(name) for number, name in level.items()} for level in state["given"])
    except coordinates_cache.UNREADABLE:
        return None
    if len(given) != len(levels):
        return None
    return Regions((levels[0], levels[1]), (given[0], given[1]), (lines[0], lines[1]))

"""The HNSW index: the only module that uses hnswlib.

hnswlib never has to overwrite or reuse a label, to add while it is searched, or to return more than it can reach.
Labels are slots, and a deletion is a mark. Where hnswlib refuses a query, the result is None, which means "search
exactly".

It shares no protocol with ``exact.py``: the HNSW index proposes slots, and the exact index measures, merges and checks
them. A search needs both.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from chroma_nb import _locks
from chroma_nb._optional import require
from chroma_nb._processors import usable_processors
from chroma_nb.engine.arrays import Mask, Slots
from chroma_nb.engine.index.distances import DISTANCES
from chroma_nb.types import Matrix, Space

#: How many vectors are added between two calls of ``cancelled``; hnswlib holds no lock in between.
CHUNK: Final = 2_000
_SEED: Final = 100

#: A number for the bytes of each vector.
Hashes: TypeAlias = npt.NDArray[np.uint64]


class GraphParameters(Protocol):
    """The parameters of an index: Chroma's ``hnsw`` configuration has these and more."""

    @property
    def space(self) -> Space:
        """l2, cosine or ip."""

    @property
    def max_neighbors(self) -> int:
        """Links per vector and level (M)."""

    @property
    def ef_construction(self) -> int:
        """Candidates considered when a vector is linked."""


class HnswIndex:
    """An approximate index of the vectors in some slots; each distinct vector is in the graph once.

    Several threads may query, mark and append; they take turns.
    """

    def __init__(self, parameters: GraphParameters, dimension: int) -> None:
        self.parameters = parameters
        self.dimension = dimension
        #: Every live slot below is in the index.
        self.covers = 0
        self._lock = _locks.Lock()
        self._graph = _new_graph(parameters, dimension)
        self._capacity = 0
        self._whole = True
        self._groups = _Groups()
        self._fingerprints = Fingerprints(dimension)

    @staticmethod
    def available() -> bool:
        """Whether hnswlib can be used; ``CHROMA_NB_NO_HNSW=1`` in the environment turns it off."""
        if os.environ.get("CHROMA_NB_NO_HNSW") == "1":
            return False
        try:
            importlib.import_module("hnswlib")
        except ImportError:
            return False
        return True

    @classmethod
    def build(
        cls,
        parameters: GraphParameters,
        vectors: Callable[[Slots], Matrix],
        slots: Slots,
        dimension: int,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> HnswIndex | None:
        """Index these slots, a chunk at a time in this thread; None when ``cancelled``."""
        index = cls(parameters, dimension)
        for first in range(0, len(slots), CHUNK):
            if cancelled():
                return None
            chunk = slots[first : first + CHUNK]
            index.append(chunk, vectors(chunk))
        return index

    @property
    def count(self) -> int:
        """How many slots can be found: those indexed and not marked."""
        return self._groups.live

    @property
    def dead(self) -> int:
        """How many vectors of the graph are marked as deleted: every search passes them and does not return them."""
        return self._groups.labels - self._groups.live_labels

    @property
    def storable(self) -> bool:
        """Whether its file can be examined: that of chroma-hnswlib has uninitialised bytes."""
        return not hasattr(self._graph, "persist_dirty")

    def slots(self) -> Slots:
        """The slots that are indexed and not marked, ascending."""
        with self._lock:
            return self._groups.live_slots()

    def append(self, slots: Slots, vectors: Matrix) -> None:
        """Add the vectors of these slots, none of which was added before."""
        if not len(slots):
            return
        inside = self._inside(vectors)
        with self._lock:
            whole, self._whole = self._whole, False  # an interrupt in between leaves an index that refuses queries
            labels = self._label(slots, inside)
            new = labels == slots
            self._add(inside[new], labels[new])
            self._groups.add(slots, labels)
            self.covers = max(self.covers, int(slots.max()) + 1)
            self._whole = whole

    def mark(self, slots: Slots) -> None:
        """These slots are deleted; those not indexed are ignored."""
        with self._lock:
            for label in self._groups.remove(slots).tolist():
                self._graph.mark_deleted(label)

    def query(self, queries: Matrix, k: int, ef: int) -> Slots | None:
        """The ``k`` slots that the graph finds nearest to each query, shape (queries, k); -1 if it found fewer.

        None when the graph cannot be searched: then the search has to be exact.
        """
        inside = self._inside(queries)
        with self._lock:
            if not self._whole:
                return None
            found = self._search(inside, min(k, self._groups.live_labels), max(ef, k))
            return None if found is None else self._groups.expand(found, k)

    def save(self, path: Path) -> tuple[Slots, Slots]:
        """Write the graph to ``path``; returns the live slots and their labels."""
        with self._lock:
            self._graph.save_index(str(path))
            slots = self._groups.live_slots()
            return slots, self._groups.label_of(slots)

    @classmethod
    def load(
        cls,
        path: Path,
        parameters: GraphParameters,
        dimension: int,
        contents: tuple[Slots, Hashes],
        slots: Slots,
        labels: Slots,
    ) -> HnswIndex:
        """The graph in ``path``, which ``graph_files.py`` has examined.

        ``contents`` are the labels of all its vectors, marked ones too, and their fingerprints; ``slots``
        are the live slots and ``labels`` the labels of these.
        """
        index = cls(parameters, dimension)
        in_file, hashes = contents
        index._graph.load_index(str(path), max_elements=len(in_file))
        index._graph.set_num_threads(usable_processors())
        index._capacity = len(in_file)
        index._groups.add(slots, labels)
        index._groups.take_labels(in_file)
        index._fingerprints.remember(hashes, in_file)
        return index

    def _inside(self, vectors: Matrix) -> Matrix:
        """Vectors as the graph holds them."""
        inside = np.ascontiguousarray(vectors, np.float32)
        return unit(inside) if DISTANCES[self.parameters.space].scale_is_inverse_norm else inside

    def _label(self, slots: Slots, vectors: Matrix) -> Slots:
        """The label of each slot's vector: that of an earlier slot if the vector is the same."""
        hashes = self._fingerprints.of(vectors)
        known = self._fingerprints.find(hashes)
        known[~self._groups.is_live(known)] = -1
        labels = np.where(known < 0, slots, known)
        twins = np.flatnonzero(known >= 0)
        if len(twins):
            unique, which = np.unique(known[twins], return_inverse=True)
            stored = np.asarray(self._graph.get_items(unique), np.float32)
            other = twins[(stored[which] != vectors[twins]).any(axis=1)]
            labels[other] = slots[other]
        fresh = np.flatnonzero(known < 0)
        _, first, which = np.unique(hashes[fresh], return_index=True, return_inverse=True)
        leader = fresh[first][which]
        same = (vectors[leader] == vectors[fresh]).all(axis=1)
        labels[fresh[same]] = slots[leader[same]]
        new = fresh[labels[fresh] == slots[fresh]]
        self._fingerprints.remember(hashes[new], slots[new])
        return labels

    def _add(self, vectors: Matrix, labels: Slots) -> None:
        needed = self._groups.labels + len(labels)
        if self._capacity == 0:
            self._capacity = max(needed, 100)
            self._graph.init_index(
                max_elements=self._capacity,
                ef_construction=breadth(self.parameters),
                M=links(self.parameters),
                random_seed=_SEED,
            )
            self._graph.set_num_threads(usable_processors())
        elif needed > self._capacity:
            self._capacity = max(needed, self._capacity + self._capacity // 2)
            self._graph.resize_index(self._capacity)
        if len(labels):
            self._graph.add_items(vectors, labels, num_threads=1)

    def _search(self, queries: Matrix, k: int, ef: int) -> Slots | None:
        """The labels of the ``k`` nearest vectors."""
        if k == 0:
            return np.zeros((len(queries), 0), np.int64)
        self._graph.set_ef(ef)
        try:
            labels, _ = self._graph.knn_query(queries, k=k)
        except RuntimeError:
            return None  # "Cannot return the results in a contiguous 2D array": it reached fewer than requested
        return np.asarray(labels, np.int64)


def unit(vectors: Matrix) -> Matrix:
    """Rows normalized to length 1; a row of zeros is not changed."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))[:, None]
    # Adding zero turns -0.0 into 0.0, so that equal vectors have equal bytes.
    return np.asarray(np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0) + 0.0, np.float32)


#: The most links and candidates that hnswlib gets. It allocates 8 bytes for each vector and link: 10**9 links,
#: which Chroma stores like any other number, would be terabytes. A graph of so many is no better than a scan.
_MOST_LINKS: Final = 512
_MOST_CANDIDATES: Final = 10_000


def links(parameters: GraphParameters) -> int:
    """M as hnswlib gets it: with one link it would divide by log(1), and for very many there is not enough memory."""
    return min(max(2, parameters.max_neighbors), _MOST_LINKS)


def breadth(parameters: GraphParameters) -> int:
    """ef_construction as hnswlib gets it; hnswlib raises it to M."""
    return max(min(parameters.ef_construction, _MOST_CANDIDATES), links(parameters))


def _hnswlib() -> Any:
    return require("hnswlib", feature="The approximate index", extra="hnsw")


def _new_graph(parameters: GraphParameters, dimension: int) -> Any:
    return _hnswlib().Index(space=DISTANCES[parameters.space].in_graph, dim=dimension)


class _Groups:
    """The slots of each label: those whose vectors are equal.

    A label is an element of the graph and the slot that had its vector first. Later slots with an equal vector are
    not inserted, since a graph of many equal vectors takes 40 to 90 times as long to build. They are noted here and
    found through the label.

    hnswlib forgets no label, and loses elements when one is overwritten or used again. So a label whose
    last slot was deleted is marked in the graph and never used again: an equal vector that comes later is inserted
    as a new element, with its own slot as label.
    """

    def __init__(self) -> None:
        self.live = 0
        self.labels = 0
        self.live_labels = 0
        self._label = np.zeros(0, np.int64)  # by slot; -1: not indexed, or marked
        self._members = np.zeros(0, np.int64)  # by label: its live slots
        self._twins = False
        self._sorted: tuple[Slots, Slots] | None = None

    def add(self, slots: Slots, labels: Slots) -> None:
        """Note the label of each of the slots."""
        self._reach(int(max(slots.max(), labels.max())) + 1 if len(slots) else 0)
        before = self._members[np.unique(labels)]
        self.live += len(slots)
        self.labels += int((labels == slots).sum())
        self.live_labels += int((before == 0).sum())
        self._label[slots] = labels
        np.add.at(self._members, labels, 1)
        self._twins = self._twins or bool((labels != slots).any())
        self._sorted = None

    def take_labels(self, labels: Slots) -> None:
        """Set all labels of a graph that was loaded, marked ones included."""
        self._reach(int(labels.max()) + 1)
        self.labels = len(labels)

    def remove(self, slots: Slots) -> Slots:
        """Remove these slots; returns the labels that have none left."""
        slots = np.unique(slots[(slots >= 0) & (slots < len(self._label))])
        slots = slots[self._label[slots] >= 0]
        labels = self._label[slots]
        self.live -= len(slots)
        self._label[slots] = -1
        np.subtract.at(self._members, labels, 1)
        labels = np.unique(labels)
        gone: Slots = labels[self._members[labels] == 0]
        self.live_labels -= len(gone)
        self._sorted = None
        return gone

    def live_slots(self) -> Slots:
        """The slots that have a label."""
        return np.flatnonzero(self._label >= 0)

    def label_of(self, slots: Slots) -> Slots:
        """The label of each slot."""
        return self._label[slots]

    def is_live(self, labels: Slots) -> Mask:
        """Whether a label has live slots; -1 has none."""
        live = np.zeros(len(labels), np.bool_)
        real = labels >= 0
        live[real] = self._members[labels[real]] > 0
        return live

    def expand(self, labels: Slots, k: int) -> Slots:
        """Labels of each query -> slots, at most ``k`` and padded to ``k``."""
        slots = np.full((len(labels), k), -1, np.int64)
        if not self._twins:
            slots[:, : labels.shape[1]] = labels
            return slots
        for row in range(len(labels)):
            filled = 0
            for label in labels[row].tolist():
                group = self._group(label)[: k - filled]
                slots[row, filled : filled + len(group)] = group
                filled += len(group)
        return slots

    def _group(self, label: int) -> Slots:
        """The live slots of a label, ascending."""
        if self._sorted is None:
            slots = self.live_slots()
            order = np.argsort(self._label[slots], kind="stable")
            self._sorted = self._label[slots][order], slots[order]
        labels, slots = self._sorted
        return slots[np.searchsorted(labels, label) : np.searchsorted(labels, label, side="right")]

    def _reach(self, size: int) -> None:
        if size > len(self._label):
            room = max(size, len(self._label) + len(self._label) // 2)
            more = room - len(self._label)
            self._label = np.concatenate([self._label, np.full(more, -1, np.int64)])
            self._members = np.concatenate([self._members, np.zeros(more, np.int64)])


class Fingerprints:
    """Finds the label of a vector by its bytes. Two vectors may share a hash, so the caller compares them."""

    def __init__(self, dimension: int) -> None:
        random = np.random.default_rng(_SEED)
        self._factors = random.integers(0, 2**63, dimension, np.uint64) * np.uint64(2) + np.uint64(1)
        self._known = np.zeros(0, np.uint64)  # ascending
        self._labels = np.zeros(0, np.int64)

    def of(self, vectors: Matrix) -> Hashes:
        """A number for each row's bytes."""
        return np.ascontiguousarray(vectors).view(np.uint32).astype(np.uint64) @ self._factors

    def find(self, hashes: Hashes) -> Slots:
        """The labels remembered for these hashes, or -1."""
        if not len(self._known):
            return np.full(len(hashes), -1, np.int64)
        at = np.minimum(np.searchsorted(self._known, hashes), len(self._known) - 1)
        return np.where(self._known[at] == hashes, self._labels[at], -1)

    def remember(self, hashes: Hashes, labels: Slots) -> None:
        """Remember these hashes with these labels."""
        hashes, first = np.unique(hashes, return_index=True)
        labels = labels[first]
        old = self.find(hashes) >= 0
        self._labels[np.searchsorted(self._known, hashes[old])] = labels[old]
        at = np.searchsorted(self._known, hashes[~old])
        self._known = np.insert(self._known, at, hashes[~old])
        self._labels = np.insert(self._labels, at, labels[~old])

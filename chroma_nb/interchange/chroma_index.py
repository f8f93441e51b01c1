"""Vectors out of a segment folder of Chroma: hnswlib's files, read with numpy.

Not an index: the links of the HNSW index are not read, ours is built again. What is read is ``data_level0.bin``
(a row per element: links, vector, label), ``header.bin`` (the layout of these rows, which can be
worked out without it), ``length.bin`` (cosine only: each vector's length before it was normalised)
and ``index_metadata.pickle`` (whose vector a label is). Nothing a file claims is believed before the
sizes agree, and nothing is read that is not a plain file in this very folder.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Container, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from chroma_nb.interchange.pickle_opcodes import IndexMetadata, parse_index_metadata
from chroma_nb.types import Float32, Ints, Mask, Matrix

#: persistence version, offset of level 0, capacity, count, bytes per row, label offset, vector offset, …
_HEADER: Final = struct.Struct("<iQQQQQQiIQQQdQ")
_LABEL_BYTES: Final = 8
_CHUNK_BYTES: Final = 1 << 24
_LARGEST_PICKLE: Final = 1 << 31
_LARGEST_DIMENSION: Final = 1 << 20
#: How many ids must agree before the order of insertion is believed.
_FEWEST_WITNESSES: Final = 8


@dataclass(frozen=True)
class Layout:
    """Where things stand in a row of ``data_level0.bin``; ``count`` rows are in use, ``rows`` are there."""

    row_bytes: int
    vector_offset: int
    dimension: int
    count: int
    rows: int

    @property
    def label_offset(self) -> int:
        """Where in an element its label begins, in bytes."""
        return self.row_bytes - _LABEL_BYTES


def layout_of(header: bytes) -> Layout | None:
    """What ``header.bin`` says, if its parts agree with one another; None if not."""
    if len(header) < _HEADER.size:
        return None
    version, start, capacity, count, row, label, vector, _, _, _, max_links, *_ = _HEADER.unpack(header[: _HEADER.size])
    dimension, rest = divmod(label - vector, 4)
    agrees = (
        version == 1
        and start == 0
        and count <= capacity
        and rest == 0
        and 0 < dimension <= _LARGEST_DIMENSION
        and row == label + _LABEL_BYTES
        and vector == 4 * max_links + 4
    )
    return Layout(row, vector, dimension, count, count) if agrees else None


def layout_without_header(dimension: int, max_neighbors: int, data_bytes: int) -> Layout:
    """The layout that a collection's dimension and settings imply, for the number of rows that the file can hold."""
    vector_offset = 4 * 2 * max_neighbors + 4
    row = vector_offset + 4 * dimension + _LABEL_BYTES
    rows = data_bytes // row
    return Layout(row, vector_offset, dimension, rows, rows)


class SegmentFiles:
    """The files of one folder, opened when first read and until ``close``."""

    def __init__(self, folder: Path) -> None:
        self._open = ExitStack()
        self._descriptors: dict[str, int] = {}
        self.problems: list[str] = []
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._open.callback(os.close, self._folder)

    def close(self) -> None:
        """Close the files."""
        self._open.close()

    def size(self, name: str) -> int | None:
        """Bytes of the file, None when there is no plain file of this name."""
        descriptor = self._descriptor(name)
        return None if descriptor is None else os.fstat(descriptor).st_size

    def read(self, name: str, size: int, at: int = 0) -> bytes:
        """At most ``size`` bytes; fewer at the end of the file, none when it is absent."""
        descriptor = self._descriptor(name)
        if descriptor is None:
            return b""
        pieces = []
        while size > 0:
            piece = os.pread(descriptor, size, at)
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
            at += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _descriptor(self, name: str) -> int | None:
        if name not in self._descriptors:
            try:
                # O_NONBLOCK: a pipe in the place of a file must not hold us up.
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                descriptor = os.open(name, flags, dir_fd=self._folder)
            except FileNotFoundError:
                return None
            except OSError as error:
                self.problems.append(f"{name} was not read: {error.strerror}; links are not followed")
                return None
            self._open.callback(os.close, descriptor)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                self.problems.append(f"{name} was not read: it is not a plain file")
                return None
            self._descriptors[name] = descriptor
        return self._descriptors[name]


class SegmentVectors:
    """The vectors of one segment folder: which ids it has, and their rows.

    ``row_of`` gives the row of an id; ``vectors(rows)`` the float32 array of these rows, of shape
    (n, dimension); ``problems`` says what could not be read, and why, in sentences.
    """

    def __init__(self, files: SegmentFiles, *, space: str, dimension: int | None, max_neighbors: int) -> None:
        self._files = files
        self._cosine = space == "cosine"
        self.problems = files.problems
        self.names = self._read_names()
        self.dimension = dimension or self.names.dimensionality
        self._layout = self._read_layout(max_neighbors)
        self.labels, self.unusable = self._read_labels()
        self.without_length = np.zeros(len(self.labels), np.bool_)
        self._lengths = self._read_lengths()
        self.row_of = self._match()

    @property
    def max_seq_id(self) -> int | None:
        """The last log entry the folder knows of, where it says so."""
        return self.names.max_seq_id

    def vectors(self, rows: Sequence[int] | Ints) -> Matrix:
        """The vectors of these rows, in this order: shape (n, dimension), at their original length."""
        layout = self._layout
        if layout is None or not len(rows):
            return np.empty((0, self.dimension or 0), np.float32)
        taken = np.empty((len(rows), layout.dimension), np.float32)
        size = 4 * layout.dimension
        for place, row in enumerate(rows):
            piece = self._files.read("data_level0.bin", size, int(row) * layout.row_bytes + layout.vector_offset)
            if len(piece) < size:
                raise OSError(
                    "data_level0.bin became shorter while it was read; check whether Chroma is still writing to it"
                )
            taken[place] = np.frombuffer(piece, "<f4")
        if self._cosine:
            taken *= self._lengths[np.asarray(rows, np.int64)][:, None]
        return taken

    def by_order(self, names: Sequence[str], nameless: Container[str]) -> dict[str, int]:
        """Rows of ids whose name the damaged ``index_metadata.pickle`` no longer gives.

        ``names`` are all records in the order of insertion, ``nameless`` those without a vector. Since 1.0 labels
        are given in that order; the ids that are still known must confirm it, and between two of them
        as many labels as ids must be unclaimed. Where they are not, nothing is guessed.
        """
        label_of = {name: self.labels[row] for name, row in self.row_of.items()}
        known = [int(label_of[name]) for name in names if name in label_of]
        if len(known) < _FEWEST_WITNESSES or sorted(known) != known:
            return {}
        in_use = self._layout.count if self._layout else 0
        rows = np.flatnonzero((self.labels[:in_use] > 0) & ~self._deleted[:in_use])
        free = {int(self.labels[row]): int(row) for row in rows}
        for label in self.names.labels.values():
            free.pop(label, None)
        unclaimed = np.asarray(sorted(free), np.int64)
        found: dict[str, int] = {}
        waiting: list[str] = []
        below = 0
        for name in (*names, None):
            if name is not None and name not in label_of:
                waiting += [name] if name in nameless else []
                continue
            above = int(label_of[name]) if name is not None else np.iinfo(np.int64).max
            between = unclaimed[np.searchsorted(unclaimed, below) : np.searchsorted(unclaimed, above)]
            if len(between) == len(waiting):
                pairs = zip(waiting, between.tolist(), strict=True)
                found.update((name, free[label]) for name, label in pairs if not self.unusable[free[label]])
            waiting, below = [], above
        return found

    def _read_names(self) -> IndexMetadata:
        name = "index_metadata.pickle"
        size = self._files.size(name)
        if size is None:
            return IndexMetadata(problem="is missing")
        if size > _LARGEST_PICKLE:
            return IndexMetadata(problem=f"is impossibly large ({size:,} bytes)")
        return parse_index_metadata(self._files.read(name, size))

    def _read_layout(self, max_neighbors: int) -> Layout | None:
        data_bytes = self._files.size("data_level0.bin")
        if not data_bytes:
            if self.names.labels or self.names.problem is None:
                self.problems.append(
                    f"data_level0.bin, which held {len(self.names.labels):,} vectors, is missing or empty"
                )
            return None
        layout = layout_of(self._files.read("header.bin", _HEADER.size))
        if layout is None or (self.dimension is not None and layout.dimension != self.dimension):
            return self._guess(max_neighbors, data_bytes)
        complete = data_bytes // layout.row_bytes
        if complete < layout.count:
            self.problems.append(
                f"data_level0.bin ends after {complete:,} of {layout.count:,} vectors; the rest is not in it"
            )
        # Rows beyond the header's count are real when their label is known: the header may be older than they are.
        return replace(layout, rows=complete)

    def _guess(self, max_neighbors: int, data_bytes: int) -> Layout | None:
        if self.dimension is None or not 0 < self.dimension <= _LARGEST_DIMENSION:
            self.problems.append(
                "header.bin is damaged and the collection's dimension is unknown: its vectors are lost"
            )
            return None
        self.problems.append(
            "header.bin is missing or damaged; the layout was computed from the collection's dimension"
        )
        return layout_without_header(self.dimension, max_neighbors, data_bytes)

    def _read_labels(self) -> tuple[Ints, Mask]:
        """The label of every row, and which rows hold no usable vector."""
        layout = self._layout
        self._deleted = np.zeros(layout.rows if layout else 0, np.bool_)
        if layout is None:
            return np.empty(0, np.int64), np.empty(0, np.bool_)
        self.dimension = layout.dimension
        row_type = np.dtype(
            {
                "names": ["flags", "vector", "label"],
                "formats": ["u1", ("<f4", (layout.dimension,)), "<u8"],
                "offsets": [2, layout.vector_offset, layout.label_offset],
                "itemsize": layout.row_bytes,
            }
        )
        labels, unusable = np.zeros(layout.rows, np.uint64), np.zeros(layout.rows, np.bool_)
        step = max(1, _CHUNK_BYTES // layout.row_bytes)
        for start in range(0, layout.rows, step):
            wanted = min(step, layout.rows - start)
            piece = self._files.read("data_level0.bin", wanted * layout.row_bytes, start * layout.row_bytes)
            rows = np.frombuffer(piece[: len(piece) // layout.row_bytes * layout.row_bytes], row_type)
            end = start + len(rows)
            labels[start:end] = rows["label"]
            self._deleted[start:end] = rows["flags"] & 1
            unusable[start:end] = self._unusable(rows["vector"])
        labels[labels > np.iinfo(np.int64).max] = 0
        return labels.astype(np.int64), unusable

    def _unusable(self, vectors: Matrix) -> Mask:
        with np.errstate(over="ignore", invalid="ignore"):
            damaged = np.asarray(~np.isfinite(vectors).all(axis=1))
            if self._cosine:
                # What is stored is of length 1 (or 0, for a zero vector); anything else was overwritten.
                length = np.linalg.norm(vectors.astype(np.float64), axis=1)
                damaged = damaged | ~((np.abs(length - 1) < 1e-3) | (length < 1e-6))
        return damaged

    def _read_lengths(self) -> Float32:
        """Per row, what a stored vector is multiplied with to have its original length."""
        lengths = np.ones(len(self.labels), np.float32)
        if not self._cosine or not len(lengths):
            return lengths
        stored = np.frombuffer(self._files.read("length.bin", 4 * len(lengths))[: 4 * len(lengths)], dtype=np.uint8)
        read = stored[: len(stored) // 4 * 4].view("<f4")
        usable = np.isfinite(read) & (read >= 0)
        lengths[: len(read)][usable] = read[usable]
        self.without_length[:] = True
        self.without_length[: len(read)] = ~usable
        return lengths

    def _match(self) -> dict[str, int]:
        """The row of every id whose label occurs once, in a usable row."""
        names = self.names
        if names.problem is not None and self._layout is not None and self._layout.count:
            self.problems.append(
                f"index_metadata.pickle, which holds the id of each vector, {names.problem}; {len(names.labels):,} "
                "ids could be read from it"
            )
        order = np.argsort(self.labels, kind="stable")
        ordered = self.labels[order]
        wanted = np.fromiter(names.labels.values(), np.int64, len(names.labels))
        first, last = np.searchsorted(ordered, wanted, "left"), np.searchsorted(ordered, wanted, "right")
        matched = {}
        damaged, twice = 0, 0
        in_use = self._layout.count if self._layout else 0
        for name, start, end in zip(names.labels, first.tolist(), last.tolist(), strict=True):
            if end == start or name in names.disputed:
                continue
            rows = order[start:end]
            if len(rows) > 1:
                # Space that was set aside may hold old rows; those in use come first.
                rows = rows[rows < in_use]
            if len(rows) != 1:
                twice += 1
                continue
            row = int(rows[0])
            if self.unusable[row]:
                damaged += 1
                continue
            matched[name] = row
        self._tell(damaged, twice, [matched[name] for name in matched])
        return matched

    def _tell(self, damaged: int, twice: int, rows: list[int]) -> None:
        if damaged:
            self.problems.append(f"data_level0.bin holds {damaged:,} vectors that were overwritten with other data")
        if twice:
            self.problems.append(f"data_level0.bin gives {twice:,} labels to more than one vector")
        if self.names.disputed:
            self.problems.append(f"index_metadata.pickle contradicts itself about {len(self.names.disputed):,} ids")
        if self._cosine and rows:
            lost = int(self.without_length[rows].sum())
            if lost:
                self.problems.append(
                    f"length.bin is missing or too short: {lost:,} vectors were recovered with length 1, which does "
                    "not change cosine distances"
                )

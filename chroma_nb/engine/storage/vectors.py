"""Vectors at rest: an append-only file of float32 rows, or an array in memory.

A row counts only when a committed record names its slot. Rows beyond the committed slots are left over from a call
that died. They are overwritten, never truncated: another process may hold a map of the file, and a missing page
under a map kills the process.
"""

from __future__ import annotations

import errno
import mmap
import os
import weakref
import zlib
from pathlib import Path
from typing import Final, Protocol, Self

import numpy as np

from chroma_nb.engine import locks
from chroma_nb.engine.arrays import Float64
from chroma_nb.engine.storage import refusals
from chroma_nb.errors import InternalError, _DamagedError
from chroma_nb.types import Matrix

#: The ending of a copy that is not finished.
TEMPORARY: Final = ".new"

#: Rows that are converted to float64 at a time: they stay in the processor's cache.
_WIDENED_AT_ONCE: Final = 512
#: How much a full array grows. Its unwritten part costs address space, not memory, so a small
#: one grows by much: it is copied less often.
_GROWTH: Final = 1.6
_GROWTH_WHILE_SMALL: Final = 4
_SMALL_BYTES: Final = 1 << 26
#: Bytes of a file copied at a time.
_PIECE: Final = 1 << 24


class VectorStore(Protocol):
    """Rows of ``dimension`` float32 values, numbered from 0."""

    dimension: int

    def write(self, first_slot: int, rows: Matrix) -> None:
        """Put ``rows`` at the slots from ``first_slot`` on."""

    def copy(self, source: Self, first_slot: int, end: int) -> None:
        """Copy the rows of ``source``, of the same kind, from ``first_slot`` up to ``end``, to the same slots."""

    def allocate(self, slots: int) -> None:
        """Allocate the space of this many rows now, before any is written; raises InternalError if there is none."""

    def sync(self, *, names: bool = False) -> None:
        """Return when everything written survives a power cut; ``names``: also if another process created the file."""

    def view(self, slots: int) -> Matrix:
        """The first ``slots`` rows, read-only, shape (slots, dimension)."""

    def close(self) -> None:
        """Close the file; views that are still in use stay valid."""


class MemoryVectors:
    """The vectors of an ephemeral collection: one array that grows."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._rows = np.empty((0, dimension), np.float32)

    def write(self, first_slot: int, rows: Matrix) -> None:
        """Put ``rows`` at the slots from ``first_slot`` on."""
        end = first_slot + len(rows)
        if end > len(self._rows):
            growth = _GROWTH if self._rows.nbytes > _SMALL_BYTES else _GROWTH_WHILE_SMALL
            grown = np.empty((max(end, int(len(self._rows) * growth)), self.dimension), np.float32)
            kept = min(first_slot, len(self._rows))
            grown[:kept] = self._rows[:kept]
            self._rows = grown  # older views keep the older array alive
        self._rows[first_slot:end] = rows

    def copy(self, source: MemoryVectors, first_slot: int, end: int) -> None:
        """Share the array of ``source`` until rows are written behind ``end``."""
        self._rows = source._rows[:end]

    def allocate(self, slots: int) -> None:
        """Nothing to do: memory is taken when it is written."""

    def sync(self, *, names: bool = False) -> None:
        """Nothing to do: memory does not survive a power cut."""

    def view(self, slots: int) -> Matrix:
        """The first ``slots`` rows."""
        return self._rows[:slots]

    def close(self) -> None:
        """Nothing to close."""


class VectorFile:
    """One generation of a collection's vectors on disk."""

    def __init__(self, path: Path, dimension: int, descriptor: int, *, new: bool, mapped: bool) -> None:
        """``descriptor``: of the file, which is ``open``; it is owned from now on."""
        # Readers of an old generation keep it open; the last one closes it. (First of all: after an
        # interrupt below, too.)
        self._close_descriptor = weakref.finalize(self, os.close, descriptor)
        self._close_descriptor.atexit = False
        self.path = path
        self.dimension = dimension
        self._row_bytes = 4 * dimension
        self._mapped = mapped
        self._view = np.empty((0, dimension), np.float32)
        self._new = new
        self._descriptor: int | None = descriptor

    @classmethod
    def open(
        cls, path: Path, dimension: int, *, create: bool, read_only: bool = False, mapped: bool = True
    ) -> VectorFile:
        """``create``: create the file if it is missing; otherwise a missing file is a FileNotFoundError.

        A symbolic link is not followed: it is an InternalError, like anything else that cannot be opened.
        """
        flags = os.O_RDONLY if read_only else os.O_RDWR | (os.O_CREAT if create else 0)
        flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        try:
            if create:
                path.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(path, flags, 0o600)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise refusals.explained(error, path, cannot="open") from error
        return cls(path, dimension, descriptor, new=create, mapped=mapped)

    @classmethod
    def draft(cls, path: Path, dimension: int, *, mapped: bool = True) -> VectorFile:
        """A new file beside ``path``, which it will replace; until it is closed no sweep removes it."""

        def name() -> Path:
            return path.with_name(f"{path.name}.{os.urandom(8).hex()}{TEMPORARY}")

        try:
            draft, descriptor = locks.create_claimed(name)
        except OSError as error:
            raise refusals.explained(error, path, cannot="open") from error
        return cls(draft, dimension, descriptor, new=True, mapped=mapped)

    def write(self, first_slot: int, rows: Matrix) -> None:
        """Put ``rows`` at the slots from ``first_slot`` on; raises InternalError when the disk is full."""
        data = bytes_of(rows)
        offset = first_slot * self._row_bytes
        descriptor = self._open_descriptor() if self._descriptor is None else self._descriptor
        try:
            while data:
                written = os.pwrite(descriptor, data[: 1 << 30], offset)
                data, offset = data[written:], offset + written
        except OSError as error:
            raise refusals.explained(error, self.path, cannot="write") from error

    def copy(self, source: VectorFile, first_slot: int, end: int) -> None:
        """Copy the rows of ``source`` from ``first_slot`` up to ``end``, to the same slots.

        A file system that can (btrfs, XFS) stores them once for both files.
        """
        source.check_size(end)
        offset, stop = first_slot * self._row_bytes, end * self._row_bytes
        try:
            while offset < stop:
                copied = _copied(source._open_descriptor(), self._open_descriptor(), offset, min(stop - offset, _PIECE))
                if not copied:
                    raise _DamagedError(f"{source.path} ended at byte {offset} while it was copied")
                offset += copied
        except OSError as error:
            raise refusals.explained(error, self.path, cannot="write") from error

    def allocate(self, slots: int) -> None:
        """Allocate the space of this many rows now, before any is written; raises InternalError if there is none."""
        if not slots or not hasattr(os, "posix_fallocate"):
            return
        try:
            os.posix_fallocate(self._open_descriptor(), 0, slots * self._row_bytes)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):  # then the write will show it
                raise refusals.explained(error, self.path, cannot="write") from error

    def sync(self, *, names: bool = False) -> None:
        """Return when the rows, and (with ``names``, or a new file) the names of file and folder, are on the disk."""
        descriptor = self._open_descriptor() if self._descriptor is None else self._descriptor
        try:
            getattr(os, "fdatasync", os.fsync)(descriptor)
            if self._new or names:
                sync_directory(self.path.parent)
                sync_directory(self.path.parent.parent)  # the folder itself may be new, too
                self._new = False
        except OSError as error:
            raise refusals.explained(error, self.path, cannot="sync") from error

    def view(self, slots: int) -> Matrix:
        """The first ``slots`` rows; raises InternalError, which names the lost rows, if the file is shorter."""
        if slots > len(self._view):
            self._view = self._load(slots)
        return self._view[:slots]

    def check_size(self, slots: int) -> int:
        """The bytes of the file; InternalError, which names the lost rows, if it holds fewer rows."""
        size = os.fstat(self._open_descriptor()).st_size
        if size < slots * self._row_bytes:
            kept = size // self._row_bytes
            raise _DamagedError(
                f"{self.path} holds {kept} vectors, but the database expects {slots}: the file was truncated. The "
                f"vectors from slot {kept} on are lost. Restore the file from a backup, or delete and add those "
                "records again."
            )
        return size

    def _load(self, slots: int) -> Matrix:
        size = self.check_size(slots)
        if not self._mapped:  # network file systems: a map may see another machine's half-written pages
            rows = np.empty((slots, self.dimension), "<f4")
            self._read_into(rows.data.cast("B"))
            return rows
        try:
            mapped = mmap.mmap(self._open_descriptor(), size - size % self._row_bytes, access=mmap.ACCESS_READ)
        except OSError as error:
            raise refusals.explained(error, self.path, cannot="map") from error
        return np.frombuffer(mapped, "<f4").reshape(-1, self.dimension)

    def _read_into(self, buffer: memoryview) -> None:
        offset = 0
        while offset < len(buffer):
            count = os.preadv(self._open_descriptor(), [buffer[offset:]], offset)
            if not count:
                raise _DamagedError(f"{self.path} ended at byte {offset} while it was read")
            offset += count

    def finish(self, final: Path) -> None:
        """Give a draft, whose rows are all written, its final name, for a commit to refer to; raises InternalError."""
        self.sync()
        if not os.fstat(self._open_descriptor()).st_nlink:
            raise InternalError(f"{self.path} was removed by another process. Nothing was changed: try again.")
        try:
            self.path.rename(final)
            self.path = final
            sync_directory(final.parent)
        except OSError as error:
            raise refusals.explained(error, final, cannot="rename") from error

    def _open_descriptor(self) -> int:
        """The descriptor; InternalError if it was closed."""
        if self._descriptor is None:
            raise InternalError(f"{self.path} was closed")
        return self._descriptor

    def close(self) -> None:
        """Close the descriptor; arrays that were returned keep their pages mapped."""
        self._close_descriptor()
        self._descriptor = None
        self._view = np.empty((0, self.dimension), np.float32)


def _copied(source: int, target: int, offset: int, count: int) -> int:
    """Copy up to ``count`` bytes of a file to the same place of another; returns how many were copied."""
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, count, offset, offset)
        except OSError as error:
            if error.errno not in _NOT_COPIED:
                raise
    return os.pwrite(target, os.pread(source, count, offset), offset)


#: The errors of copy_file_range if it cannot copy between two files.
_NOT_COPIED: Final = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM}


def bytes_of(rows: Matrix) -> memoryview:
    """The rows as a file holds them: little-endian float32."""
    return np.ascontiguousarray(rows, "<f4").data.cast("B")


def file_name(collection_id: str, generation: int) -> str:
    """The name of a generation's file."""
    return f"{collection_id}.{generation}.f32"


def sync_directory(directory: Path) -> None:
    """Make the names in ``directory`` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def norms_of(rows: Matrix) -> Float64:
    """Euclidean norms, computed in float64."""
    norms = np.empty(len(rows))
    wide = np.empty((min(len(rows), _WIDENED_AT_ONCE), rows.shape[1]))
    for start in range(0, len(rows), _WIDENED_AT_ONCE):
        some = rows[start : start + _WIDENED_AT_ONCE]
        block = wide[: len(some)]
        np.copyto(block, some)
        np.einsum("ij,ij->i", block, block, out=norms[start : start + len(some)])
    return np.sqrt(norms, out=norms)


def checksums_of(rows: Matrix) -> list[int]:
    """crc32 of each row's bytes (little-endian float32)."""
    return list(map(zlib.crc32, np.ascontiguousarray(rows, "<f4")))

"""The vectors of each collection: open files by collection and generation, or arrays.

The catalog says which generation counts. Files that it does not name are removed under the write lock.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from chroma_nb import _locks
from chroma_nb.engine import locks
from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.engine.storage.vectors import TEMPORARY, MemoryVectors, VectorFile, VectorStore, file_name
from chroma_nb.errors import _DamagedError


class VectorStores:
    """The vector stores of one database; ``directory`` None keeps them in memory."""

    def __init__(self, directory: Path | None, *, read_only: bool, mapped: bool) -> None:
        self._directory = None if directory is None else directory / "vectors"
        self._read_only = read_only
        self.mapped = mapped
        self._open: dict[int, tuple[int, VectorStore]] = {}
        # In memory several generations may exist side by side: the catalog chooses.
        self._arrays: dict[tuple[int, int], MemoryVectors] = {}
        self._opening = _locks.RLock()

    def current(self, row: CollectionRow) -> VectorStore | None:
        """The store of a collection's current generation; None before its first vector, which sets the dimension.

        FileNotFoundError: compacted meanwhile, or lost.
        """
        if row.dimension is None or row.next_slot == 0:
            return None
        if self._directory is None:
            return self._arrays[row.number, row.generation]
        held = self._open.get(row.number)
        if held is not None and held[0] == row.generation:
            return held[1]
        with self._opening:
            held = self._open.get(row.number)
            if held is not None and held[0] == row.generation:
                return held[1]
            store = VectorFile.open(
                self._path(row), row.dimension, create=False, read_only=self._read_only, mapped=self.mapped
            )
            return self._hold(row, store)

    def first(self, row: CollectionRow, dimension: int) -> VectorStore:
        """The store for a collection's first vectors."""
        if self._directory is None:
            array = self._arrays[row.number, row.generation] = MemoryVectors(dimension)
            return array
        with self._opening:
            return self._hold(row, VectorFile.open(self._path(row), dimension, create=True, mapped=self.mapped))

    def next(self, row: CollectionRow, dimension: int) -> VectorStore:
        """The store a compaction writes to, under a temporary name until it is finished."""
        return self.draft(row.id, row.generation + 1, dimension)

    def draft(self, ident: str, generation: int, dimension: int) -> VectorStore:
        """A store under a temporary name until it is finished as this generation of collection ``ident``."""
        if self._directory is None:
            return MemoryVectors(dimension)
        return VectorFile.draft(self._directory / file_name(ident, generation), dimension, mapped=self.mapped)

    def adopt(self, number: int, generation: int, store: VectorStore) -> None:
        """Register a finished copy as this generation of a collection; a file already has its name."""
        if isinstance(store, MemoryVectors):
            self._arrays[number, generation] = store

    def _path(self, row: CollectionRow) -> Path:
        # The id is parsed again: a path is not built from unchecked text of the database.
        return (self._directory or Path()) / file_name(str(UUID(row.id)), row.generation)

    def _hold(self, row: CollectionRow, store: VectorStore) -> VectorStore:
        self._open[row.number] = (row.generation, store)
        return store

    def numbers(self) -> list[int]:
        """The collections whose vector files are open."""
        return list(self._open)

    def forget(self, number: int, *, before: int | None = None) -> None:
        """Drop a collection's stores: all of them, or the generations ``before`` one.

        They are not closed: a reader in another thread may be using one.
        """
        for key in [key for key in self._arrays if key[0] == number and (before is None or key[1] < before)]:
            del self._arrays[key]
        with self._opening:
            self._open.pop(number, None)

    def close(self) -> None:
        """Close everything; arrays that were returned stay valid."""
        with self._opening:
            for _, store in self._open.values():
                store.close()
            self._open.clear()
        self._arrays.clear()

    def after_fork(self) -> None:
        """In a forked child: a new lock. Descriptors and maps of files are safe to share."""
        self._opening = _locks.RLock()

    def orphans(self, known: Iterable[str] = ()) -> list[Path]:
        """Files that ``known`` does not name."""
        names = set(known)
        if self._directory is not None:
            with contextlib.suppress(FileNotFoundError):
                return [path for path in self._directory.iterdir() if path.name not in names]
        return []

    def sweep(self, rows: Iterable[CollectionRow], *, keep_previous: bool = True) -> None:
        """Remove the files that no collection names, except copies that are being written. Only under the write lock.

        The previous generation stays until the next compaction: another process may be reading it.
        """
        kept = 2 if keep_previous else 1
        known = [file_name(row.id, row.generation - age) for row in rows for age in range(kept)]
        for path in self.orphans(known):
            with contextlib.suppress(OSError):
                if path.suffix == TEMPORARY:
                    _remove_abandoned(path)
                else:
                    path.unlink()

    def lost(self, row: CollectionRow) -> _DamagedError:
        """The error if a collection's file is missing."""
        return _DamagedError(
            f"The vector file {file_name(row.id, row.generation)} of collection [{row.name}] is missing: its "
            f"{row.record_count} vectors are lost. Restore vectors/ from a backup, or delete the collection "
            "and add its records again."
        )


def _remove_abandoned(path: Path) -> None:
    """Remove an unfinished copy, unless a process is writing it."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0))
    try:
        if locks.claim(descriptor):
            path.unlink()
    finally:
        os.close(descriptor)

"""Cache files of rows: ``<collection uuid>.<generation>.rows``, what is in memory of a collection but its columns.

Opening a large collection takes ten times as long without it. The records decide what is right: the catalog holds the
checksum of the file that was made of them, with the seq (``note`` and ``noted``), so that a file of another history,
as of a backup that was put back, is not taken for one of this. What happened since is told by the change log.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import warnings
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import numpy as np

from chroma_nb.engine.arrays import Float64, Positions, Slots
from chroma_nb.engine.memory.ids import StoredIds
from chroma_nb.engine.storage import cache_files
from chroma_nb.engine.storage.cache_files import ROWS, OddFileError, demand, open_regular, path_of
from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.types import Json

#: Records below which loading them from the database is as good.
FEWEST: Final = 20_000
_MAGIC: Final = b"chroma_nb rows 1"
_PREFIX: Final = np.dtype([("magic", "S16"), ("rows", "<u8"), ("text", "<u8"), ("seq", "<u8"), ("next_slot", "<u8")])
#: What the settings of a collection call the file that was made of it.
_NOTE: Final = "rows"


@dataclass(frozen=True)
class StoredRows:
    """The rows of a collection as they were at ``seq``, in get() order; the norm of one without a vector is below 0."""

    seq: int
    next_slot: int
    positions: Positions
    slots: Slots
    norms: Float64
    ids: list[str] | StoredIds


def noted(row: CollectionRow) -> Json | None:
    """The checksum and the seq of the file that was made of these records last."""
    found = row.settings.get(_NOTE)
    right = isinstance(found, dict) and isinstance(found.get("sha256"), str) and isinstance(found.get("seq"), int)
    return found if right else None


def note(row: CollectionRow, seq: int, sha256: str) -> Json:
    """The settings of a collection that name a file."""
    return {**row.settings, _NOTE: {"seq": seq, "generation": row.generation, "sha256": sha256}}


def save(rows: StoredRows, directory: Path, collection_id: str, generation: int) -> str | None:
    """Write a file; its checksum, which has to be noted before it counts. Failing is one warning, and None."""
    text, starts = _joined(rows.ids)
    prefix = np.array([(_MAGIC, len(rows.ids), len(text), rows.seq, rows.next_slot)], _PREFIX)
    arrays = [prefix, rows.positions.astype("<i8"), rows.slots.astype("<i8"), rows.norms.astype("<f8"), starts]
    pieces = [*(array.tobytes() for array in arrays), text]
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        cache_files.make(path_of(directory, collection_id, generation, ROWS), pieces)
    except OSError as error:
        warnings.warn(
            f"what makes opening faster was not saved in {directory} ({error}); it will be made when needed again",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return digest.hexdigest()


def share(directory: Path, collection_id: str, fork_id: str, generation: int) -> None:
    """Let a fork have the file of its collection: the note of it, which is in the settings, is the fork's too."""
    cache_files.link(*(path_of(directory, ident, generation, ROWS) for ident in (collection_id, fork_id)))


def _joined(ids: list[str] | StoredIds) -> tuple[bytes, Any]:
    """The ids as one text, and where each begins."""
    every = list(ids)
    text = "".join(every)
    encoded = text.encode()
    lengths = map(len, every) if len(text) == len(encoded) else (len(ident.encode()) for ident in every)
    return encoded, np.fromiter(accumulate(lengths, initial=0), "<i8", len(every) + 1)


def load(directory: Path, row: CollectionRow, *, mapped: bool = True) -> StoredRows | None:
    """The rows in the file that the catalog names; None when there is none.

    Another one stays: it may be about to be noted. A damaged one does, until the next is made.
    """
    expected = noted(row)
    if expected is None or expected.get("generation") != row.generation or expected["seq"] > row.seq:
        return None
    path = path_of(directory, row.id, row.generation, ROWS)
    try:
        with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            whole = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if mapped and size else file.read()
        data = memoryview(whole)
        demand(hashlib.sha256(data).hexdigest() == expected["sha256"], "not the file that was noted")
        return _read(data)
    except (OSError, ValueError, OddFileError):
        return None


def _read(data: memoryview) -> StoredRows:
    demand(len(data) >= _PREFIX.itemsize, "too short")
    prefix = np.frombuffer(data, _PREFIX, 1)[0]
    count, text, start = int(prefix["rows"]), int(prefix["text"]), _PREFIX.itemsize
    demand(prefix["magic"] == _MAGIC, "not a file of rows")
    demand(len(data) == start + 8 * (4 * count + 1) + text, "of a wrong length")
    positions, slots, starts = (
        np.frombuffer(data, "<i8", length, start + 8 * first)
        for length, first in ((count, 0), (count, count), (count + 1, 3 * count))
    )
    norms = np.frombuffer(data, "<f8", count, start + 16 * count)
    ids = StoredIds(data[len(data) - text :], starts)
    return StoredRows(int(prefix["seq"]), int(prefix["next_slot"]), positions, slots, norms, ids)

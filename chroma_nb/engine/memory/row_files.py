"""Cache files of rows: ``<collection uuid>.<generation>.rows``, a collection in memory without its columns.

Opening a large collection takes ten times as long without it. The file is noted in the catalog (see
``storage/cache_files.py``). Later changes come from the change log.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import numpy as np

from chroma_nb.engine.arrays import Float64, Positions, Slots
from chroma_nb.engine.memory.ids import StoredIds
from chroma_nb.engine.storage import cache_files
from chroma_nb.engine.storage.cache_files import ROWS, demand
from chroma_nb.engine.storage.catalog import CollectionRow

#: Records below which loading them from the database is as good.
FEWEST: Final = 20_000
_MAGIC: Final = b"chroma_nb rows 1"
_PREFIX: Final = np.dtype([("magic", "S16"), ("rows", "<u8"), ("text", "<u8"), ("seq", "<u8"), ("next_slot", "<u8")])


@dataclass(frozen=True)
class StoredRows:
    """The rows of a collection as they were at ``seq``, in get() order; the norm of one without a vector is below 0."""

    seq: int
    next_slot: int
    positions: Positions
    slots: Slots
    norms: Float64
    ids: list[str] | StoredIds


def save(rows: StoredRows, directory: Path, collection_id: str, generation: int) -> str | None:
    """Write a file; returns its checksum, to be noted before the file is used. A failure is a warning and None."""
    text, starts = _joined(rows.ids)
    prefix = np.array([(_MAGIC, len(rows.ids), len(text), rows.seq, rows.next_slot)], _PREFIX)
    arrays = [prefix, rows.positions.astype("<i8"), rows.slots.astype("<i8"), rows.norms.astype("<f8"), starts]
    pieces = [*(array.tobytes() for array in arrays), text]
    return cache_files.save_to_be_noted(directory, collection_id, generation, ROWS, pieces, "what makes opening faster")


def _joined(ids: list[str] | StoredIds) -> tuple[bytes, Any]:
    """The ids as one text, and where each begins."""
    every = list(ids)
    text = "".join(every)
    encoded = text.encode()
    lengths = map(len, every) if len(text) == len(encoded) else (len(ident.encode()) for ident in every)
    return encoded, np.fromiter(accumulate(lengths, initial=0), "<i8", len(every) + 1)


def load(directory: Path, row: CollectionRow, *, mapped: bool = True) -> StoredRows | None:
    """The rows in the file that the catalog names; None if there is none."""
    return cache_files.load_noted(directory, row, ROWS, _read, mapped=mapped)


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

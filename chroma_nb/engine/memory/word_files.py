"""Cache files of words: ``<collection uuid>.<generation>.words``, the index of the words of a collection's documents.

Without it each process splits all documents into words again. The file is noted in the catalog (see
``storage/cache_files.py``) and names records by their positions, which never change. Later changes come from the
change log. It holds the words as they are, without stems, so it does not depend on the version of the stemmer. It
depends on Python's version of Unicode, which is part of the name of its format.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from chroma_nb.engine.arrays import Positions
from chroma_nb.engine.index.words import StoredWords
from chroma_nb.engine.storage import cache_files
from chroma_nb.engine.storage.cache_files import WORDS, demand
from chroma_nb.engine.storage.catalog import CollectionRow

#: Below this number of records, splitting their documents again is as fast.
FEWEST: Final = 5_000
_MAGIC: Final = f"chroma_nb words 1, Unicode {unicodedata.unidata_version}".encode()
_PREFIX: Final = np.dtype(
    [("magic", "S48"), ("seq", "<u8"), ("documents", "<u8"), ("words", "<u8"), ("entries", "<u8"), ("text", "<u8")]
)


@dataclass(frozen=True)
class WordsAtRest:
    """The index of words as it was at ``seq``, its documents by the positions of their records."""

    seq: int
    positions: Positions
    words: StoredWords


def save(stored: WordsAtRest, directory: Path, collection_id: str, generation: int) -> str | None:
    """Write a file; returns its checksum, to be noted before the file is used. A failure is a warning and None."""
    words, text = stored.words, "\n".join(stored.words.words).encode()
    counts = (len(stored.positions), len(words.words), len(words.places), len(text))
    arrays = [
        np.array([(_MAGIC, stored.seq, *counts)], _PREFIX),
        stored.positions.astype("<i8"),
        words.starts.astype("<i8"),
        words.lengths.astype("<i4"),
        words.places.astype("<i4"),
        words.counts.astype("<f4"),
    ]
    pieces = [*(array.tobytes() for array in arrays), text]
    return cache_files.save_to_be_noted(directory, collection_id, generation, WORDS, pieces, "the index of words")


def load(directory: Path, row: CollectionRow, *, mapped: bool = True) -> WordsAtRest | None:
    """The contents of the file that the catalog names; None if there is none."""
    return cache_files.load_noted(directory, row, WORDS, _read, mapped=mapped)


def _read(data: memoryview) -> WordsAtRest:
    demand(len(data) >= _PREFIX.itemsize, "too short")
    prefix = np.frombuffer(data, _PREFIX, 1)[0]
    demand(prefix["magic"] == _MAGIC, "not a file of words, or of another version of Unicode")
    documents, words, entries, text = (int(prefix[name]) for name in ("documents", "words", "entries", "text"))
    kinds = (("<i8", documents), ("<i8", words + 1), ("<i4", 3 * documents), ("<i4", entries), ("<f4", entries))
    sizes = [np.dtype(kind).itemsize * count for kind, count in kinds]
    demand(len(data) == _PREFIX.itemsize + sum(sizes) + text, "of a wrong length")
    begins = np.cumsum([_PREFIX.itemsize, *sizes]).tolist()
    positions, starts, lengths, places, counts = (
        np.frombuffer(data, kind, count, begin) for (kind, count), begin in zip(kinds, begins[:-1], strict=True)
    )
    listed = bytes(data[begins[-1] :]).decode().split("\n") if words else []
    demand(len(listed) == words, "words are missing")
    return WordsAtRest(
        int(prefix["seq"]), positions, StoredWords(listed, lengths.reshape(3, documents), starts, places, counts)
    )

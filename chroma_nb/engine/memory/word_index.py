"""The index of words of a collection in memory: built by the first search for words or loaded, then kept current.

Changed records are noted by row, and the next search reads their documents, so writes do not wait for it. (The index
itself: ``index/words.py``; its file: ``word_files.py``.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np

from chroma_nb import _locks
from chroma_nb.engine.arrays import Rows
from chroma_nb.engine.index.words import WordIndex
from chroma_nb.tables.bars import Bar, shown_bar

#: Reads the documents of rows (ascending).
Read: TypeAlias = Callable[[Rows], Sequence[str | None]]

#: Documents that are read and split at a time; between two of them an interrupt ends the work.
PIECE: Final = 10_000


#: The most changes that are noted.
_MOST_BEHIND: Final = 1_000


class KeptWords:
    """The index of words, once there is one, and the rows that have changed since it was last updated."""

    def __init__(self) -> None:
        #: The seq of the file that holds this index, below 0 if there is none, and how many records changed since.
        self.stored_seq = -1
        self.changed_since_stored = 0
        #: The index as it was last updated; None before the first search for words.
        self.made: WordIndex | None = None
        self._behind: list[Rows] = []
        self._lock = _locks.Lock()

    def index(self, read: Read, make: Callable[[], WordIndex]) -> WordIndex:
        """The index of the documents as ``read`` reads them now; ``make`` builds the first one."""
        with self._lock:  # readers share this collection
            if self.made is None:
                self.made = make()
                self._behind = []
            if self._behind:
                rows = np.unique(np.concatenate(self._behind))
                # In this order: after an interrupt changes are applied twice, which has no effect.
                self.made = self.made.changed(rows, read(rows))
                self._behind = []
            return self.made

    def note(self, rows: Rows) -> None:
        """Note that the records in these rows were changed, added or deleted. No thread reads meanwhile."""
        if self.made is not None:
            self._behind.append(rows)
            if len(self._behind) > _MOST_BEHIND:
                self._behind = [np.unique(np.concatenate(self._behind))]
            self.changed_since_stored += len(rows)

    def is_stored(self, seq: int) -> None:
        """Note that the index at ``seq`` is in a file."""
        self.stored_seq, self.changed_since_stored = seq, 0

    def is_stored_no_more(self) -> None:
        """Note that the file was removed."""
        self.stored_seq = -1


def made_of(rows: Rows, read: Read, bar: Bar | None = None) -> WordIndex:
    """The index of the documents of ``rows`` (ascending), read in pieces, with a progress bar."""
    with shown_bar(bar, len(rows), "reading words") as shown:

        def pieces() -> Iterator[tuple[Rows, Sequence[str | None]]]:
            for start in range(0, len(rows), PIECE):
                piece = rows[start : start + PIECE]
                yield piece, read(piece)
                shown.reach(start + len(piece))

        return WordIndex.of(pieces())

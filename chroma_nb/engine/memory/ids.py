"""The ids of rows in a file: one text and the end of each id. A str is made only of ids that are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from chroma_nb.engine.arrays import Ints


class StoredIds:
    """A list of ids that can be appended to; the first ones are parts of ``text`` (UTF-8).

    >>> import numpy as np
    >>> ids = StoredIds(b"wrencrow", np.array([0, 4, 8]))
    >>> ids.extend(["owl"])
    >>> ids[1], len(ids), list(ids)
    ('crow', 3, ['wren', 'crow', 'owl'])
    """

    def __init__(self, text: bytes | memoryview, starts: Ints) -> None:
        """``starts``: where each id begins, and where the last one ends."""
        self._text = memoryview(text)
        self._starts = starts
        self._stored = len(starts) - 1
        self._more: list[str] = []

    def __len__(self) -> int:
        return self._stored + len(self._more)

    def __getitem__(self, row: int) -> str:
        if row >= self._stored:
            return self._more[row - self._stored]
        return str(self._text[self._starts[row] : self._starts[row + 1]], "utf-8")

    def __setitem__(self, row: int, ident: str) -> None:
        """Only for ids that were appended: the others stay as they are in the file."""
        if row >= self._stored:
            self._more[row - self._stored] = ident

    def __iter__(self) -> Iterator[str]:
        text, starts = str(self._text, "utf-8"), self._starts.tolist()
        if len(text) == len(self._text):  # each character is one byte
            yield from [text[start:end] for start, end in pairwise(starts)]
        else:
            yield from map(self.__getitem__, range(self._stored))
        yield from self._more

    def extend(self, ids: Iterable[str]) -> None:
        """Append ids."""
        self._more.extend(ids)

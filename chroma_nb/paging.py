"""Reading a collection, ours or chromadb's, by many calls: page after page, or some ids at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from chroma_nb.collection import Collection
from chroma_nb.types import Columns, Where, WhereDocument

#: Ids of one call: servers and SQLite limit the length of a request.
IDS_PER_CALL: Final = 5_000
#: Records of one call, where a reading may stop or be repeated after any.
PAGE: Final = 1_000


class Cursor:
    """Where a reading in pages stands: gives ``limit`` and ``offset`` of one page after another.

    It ends after a page that was not full, of which ``passed`` tells it.

    >>> cursor = Cursor(2)
    >>> for limit, offset in cursor:
    ...     found = ["a", "b", "c"][offset:][:limit]
    ...     cursor.passed(len(found))
    ...     print(found)
    ['a', 'b']
    ['c']
    """

    def __init__(self, size: int, limit: int | None = None, offset: int = 0) -> None:
        self.size, self.limit, self.offset = size, limit, offset
        self.read = 0
        self._asked = size
        self._more = True  # the first page is asked for whatever the limit: the collection says what is wrong with it

    def __iter__(self) -> Iterator[tuple[int, int]]:
        while self._more:
            self._asked = self.size if self.limit is None else min(self.size, self.limit - self.read)
            self._more = False  # until the page is said to be full
            yield self._asked, self.offset + self.read

    def passed(self, count: int) -> None:
        """So many records came."""
        self.read += count
        self._more = count >= self._asked and (self.limit is None or self.read < self.limit)


def pages(
    collection: Collection,
    size: int,
    *,
    where: Where | None = None,
    where_document: WhereDocument | None = None,
    include: Sequence[str] = (),
) -> Iterator[Columns]:
    """The records that pass the filters, at most ``size`` in one call; the last page may be empty."""
    cursor = Cursor(size)
    for limit, offset in cursor:
        page = collection.get(
            where=where, where_document=where_document, limit=limit, offset=offset, include=list(include)
        )
        cursor.passed(len(page["ids"]))
        yield page


def by_ids(
    collection: Collection, ids: Sequence[str], include: Sequence[str] = (), size: int = IDS_PER_CALL
) -> Iterator[Columns]:
    """The records of these ids, ``size`` ids in one call. A collection gives them in its own order."""
    for part in slices(ids, size):
        yield collection.get(ids=part, include=list(include))


def slices(ids: Sequence[str], size: int) -> Iterator[list[str]]:
    """``ids`` in lists of at most ``size``.

    >>> list(slices("abc", 2))
    [['a', 'b'], ['c']]
    """
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])

"""The columns of a table by their names: parts of a record, metadata keys, and the position of a hit in a result.

A table has the columns ``id``, ``document``, ``uri`` and ``embedding``; every other column is a metadata key, and a
column ``metadata`` of dicts holds any number of them. A key of one of those names is written ``metadata.<key>``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from chroma_nb import cells
from chroma_nb._optional import Untyped
from chroma_nb.cells import ABSENT, Cell, is_missing

#: Written before a metadata key that is called like a column of the record.
METADATA_PREFIX = "metadata."
RECORD_COLUMNS = ("id", "document", "uri", "data", "embedding")
HIT_COLUMNS = ("query", "query_text", "rank", "distance")
#: The same of a search.
SEARCH_COLUMNS = ("search", "query_text", "rank", "score")
#: The same of what ``hybrid`` found.
HYBRID_COLUMNS = ("query", "query_text", "rank", "score", "meaning_rank", "word_rank", "words", "distance")
#: Where a frame of ours remembers which of its columns are not metadata (``DataFrame.attrs``).
_ATTRIBUTE = "chroma_nb"
#: What the cells of such a column are: one that holds anything else was overwritten, and is the person's own.
CELLS_OF_HITS: dict[str, Callable[[Cell], bool]] = {
    "query": lambda cell: type(cell) is int,
    "search": lambda cell: type(cell) is int,
    "query_text": lambda cell: isinstance(cell, str),
    "rank": lambda cell: type(cell) is int,
    "distance": lambda cell: type(cell) is float,
    "score": lambda cell: type(cell) is float,
    "meaning_rank": lambda cell: type(cell) is int,
    "word_rank": lambda cell: type(cell) is int,
    "words": lambda cell: isinstance(cell, str),
    "data": lambda cell: not isinstance(cell, str | bool | int | float),
}


def is_of_hits(table: Untyped, name: str) -> bool:
    """Whether a column says of a hit where it stood in an answer, and nothing of the record."""
    if name not in table.attrs.get(_ATTRIBUTE, ()):
        return False
    column = table[name]
    if name == "data":
        return all(is_missing(cell) or CELLS_OF_HITS[name](cell) for cell in column.tolist())
    return all(cell is ABSENT or CELLS_OF_HITS[name](cell) for cell in cells.cells(column))


def mark_hits(frame: Untyped, names: Iterable[str]) -> None:
    """Have a frame remember that these columns are not metadata."""
    frame.attrs[_ATTRIBUTE] = list(dict.fromkeys([*frame.attrs.get(_ATTRIBUTE, ()), *names]))


def column_of(key: str, taken: Iterable[str]) -> str:
    """The key, prefixed where it would be read back as something else."""
    return METADATA_PREFIX + key if key in taken or key.startswith(METADATA_PREFIX) else key


def column_names(columns: Sequence[str]) -> Sequence[str]:
    """The names of columns, where the name of one is one, not its letters.

    >>> column_names("id"), column_names(["id", "year"])
    (['id'], ['id', 'year'])
    """
    return [columns] if isinstance(columns, str) else columns


def keys_among(columns: Sequence[str]) -> list[str]:
    """The columns that can only be metadata keys.

    >>> keys_among(["id", "year", "document"])
    ['year']
    """
    return [name for name in column_names(columns) if name not in RECORD_COLUMNS]

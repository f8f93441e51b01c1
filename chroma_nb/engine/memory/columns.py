"""Metadata in memory: one typed column per key, as numpy arrays.

Not the metadata at rest (``records.py``) and not the meaning of a filter (``filters/evaluation.py``). A type may
differ from record to record, and ``True`` is not 1, so every cell has a tag that says what it holds.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from chroma_nb.engine.arrays import Float64, Ints, Mask, Rows
from chroma_nb.facets import Texts
from chroma_nb.types import Array, Fields, Int32, Metadata

#: Values of one column: as given, or as an array of one type.
Values = Sequence[object] | Array

# What a cell holds. The tags are internal: nothing on disk depends on them.
ABSENT: Final = 0
INT: Final = 1
FLOAT: Final = 2
FALSE: Final = 3
TRUE: Final = 4
STRING: Final = 5
LIST: Final = 6
OTHER: Final = 7  # a sparse vector, for example: stored, but filters do not see it
_TAGS = 8
#: Types whose values all have one tag.
_TAG_OF: Final[dict[type, int]] = {str: STRING, list: LIST}

_INT64_LIMIT = 2**63
_NOTHING: Final[Fields] = {}
#: A key that fewer than one record in this many has is kept by its cells only, not for every row.
_SPARSE_BELOW = 16
#: If there is fewer than one code for this many values, only the codes' values are sorted.
_FEW_CODES = 8


def _tag(value: object) -> int:
    """The tag of ``value``; NaN and infinities are missing values, as in what Chroma reads back."""
    match value:
        case bool():
            return TRUE if value else FALSE
        case int():
            return INT if -_INT64_LIMIT <= value < _INT64_LIMIT else FLOAT
        case float():
            return FLOAT if math.isfinite(value) else ABSENT
        case str():
            return STRING
        case list():
            return LIST
        case None:
            return ABSENT
    return OTHER


def _typed(values: list[object]) -> tuple[npt.NDArray[np.uint8], Values]:
    """The tag of each value, and the values: as an array if all are numbers of one type."""
    kinds = set(map(type, values))
    if len(kinds) == 1 and (tag := _TAG_OF.get(*kinds)) is not None:
        return np.full(len(values), tag, np.uint8), values
    if kinds == {bool}:
        return np.where(np.array(values), np.uint8(TRUE), np.uint8(FALSE)), values
    if kinds == {float}:
        floats = np.array(values)
        return np.where(np.isfinite(floats), np.uint8(FLOAT), np.uint8(ABSENT)), floats
    if kinds == {int}:
        with suppress(OverflowError):
            return np.full(len(values), INT, np.uint8), np.array(values, np.int64)
    return np.fromiter(map(_tag, values), np.uint8, len(values)), values


class Vocabulary:
    """Distinct values of a column, numbered in order of appearance."""

    def __init__(self) -> None:
        self._codes: defaultdict[object, int] = defaultdict(None)
        self._texts: Texts | None = None
        #: Number -> the place of its value among all, ascending.
        self._ranks: Int32 | None = None

    def __len__(self) -> int:
        return len(self._codes)

    def encode(self, values: Iterable[object]) -> Int32:
        """The numbers of ``values``; new ones are numbered."""
        codes, values, before = self._codes, list(values), len(self._codes)
        codes.default_factory = codes.__len__  # values that were looked up and not found come next
        try:
            return np.fromiter(map(codes.__getitem__, values), np.int32, len(values))
        finally:
            codes.default_factory = None
            if len(codes) > before:
                self._texts = self._ranks = None

    def find(self, value: object) -> int:
        """The number of ``value``, or -1."""
        return self._codes.get(value, -1)

    def among(self, values: Iterable[object]) -> Mask:
        """For every number: whether its value is one of ``values``."""
        found = np.zeros(len(self._codes), np.bool_)
        codes = self._codes
        found[[codes[value] for value in values if value in codes]] = True
        return found

    def values(self, codes: Int32) -> list[Any]:
        """The values of these numbers, each of which is there once, ascending."""
        every = list(self._codes)
        return every if len(codes) == len(every) else list(map(every.__getitem__, codes.tolist()))

    def texts(self) -> Texts:
        """All values, which are texts, by their numbers. Kept until a value is added."""
        texts = self._texts
        if texts is None:
            texts = self._texts = Texts.of(cast(list[str], list(self._codes)))
        return texts

    def ranks(self, codes: Int32) -> Int32:
        """A number for each of ``codes``, in the order of their values.

        The ranks of all values are kept until a value is added; for few codes only their values are sorted.
        """
        ranks = self._ranks
        if ranks is None and len(codes) * _FEW_CODES < len(self):
            used, places = np.unique(codes, return_inverse=True)
            few: Int32 = _ranks(self.values(used))[places]
            return few
        if ranks is None:
            ranks = self._ranks = _ranks(list(self._codes))
        found: Int32 = ranks[codes]
        return found

    def keep(self, used: Ints) -> Int32:
        """Forget all numbers but ``used`` (ascending); returns old number -> new number."""
        values = list(self._codes)
        self._codes = defaultdict(None, {values[code]: new for new, code in enumerate(used.tolist())})
        self._texts = self._ranks = None
        renumbered = np.zeros(len(values), np.int32)
        renumbered[used] = np.arange(len(used), dtype=np.int32)
        return renumbered


def _ranks(values: Sequence[Any]) -> Int32:
    """The place of each value among them, ascending."""
    ranks = np.empty(len(values), np.int32)
    ranks[sorted(range(len(values)), key=values.__getitem__)] = np.arange(len(values), dtype=np.int32)
    return ranks


class Lists:
    """The list values of a column: element -> the cells whose list holds it."""

    def __init__(self) -> None:
        self._lists: dict[int, list[object]] = {}
        self._flat: tuple[Vocabulary, Int32, Rows] | None = None

    def __setitem__(self, cell: int, value: list[object]) -> None:
        self._lists[cell] = value
        self._flat = None

    def __len__(self) -> int:
        return len(self._lists)

    def discard(self, cells: Iterable[int]) -> None:
        """Forget the lists of these cells."""
        for cell in cells:
            self._lists.pop(cell, None)
        self._flat = None

    def moved(self, cells: Rows) -> Lists:
        """The same lists after cell i has become cell ``cells[i]``."""
        lists = Lists()
        lists._lists = {int(cells[cell]): value for cell, value in self._lists.items()}
        return lists

    def holding(self, element: object) -> Rows:
        """The cells whose list holds ``element``: 1, 1.0 and True are three elements."""
        vocabulary, codes, cells = self.flat()
        held: Rows = cells[codes == vocabulary.find((type(element), element))]
        return held

    def flat(self) -> tuple[Vocabulary, Int32, Rows]:
        """The elements of all lists: the different ones, each with its type, then the number and the cell of each.

        An element that a list holds twice is there once.
        """
        if self._flat is None:
            vocabulary, items = Vocabulary(), list(chain.from_iterable(self._lists.values()))
            codes = vocabulary.encode(zip(map(type, items), items, strict=True))
            lengths = np.fromiter(map(len, self._lists.values()), np.int64, len(self._lists))
            cells = np.repeat(np.fromiter(self._lists, np.int64, len(self._lists)), lengths)
            places, numbers = np.divmod(np.unique(cells * max(len(vocabulary), 1) + codes), max(len(vocabulary), 1))
            self._flat = vocabulary, numbers.astype(np.int32), places
        return self._flat


@dataclass(frozen=True, slots=True)
class Cells:
    """Some cells of a column: arrays of one length; a type that no cell has is None.

    They are consecutive from ``first`` on, or those with the numbers ``picked``. A number, code or list has a meaning
    only where ``tags`` says that the cell holds one.
    """

    first: int
    tags: npt.NDArray[np.uint8]
    ints: Ints | None
    floats: Float64 | None
    codes: Int32 | None
    vocabulary: Vocabulary
    lists: Lists
    picked: Rows | None = None

    def __len__(self) -> int:
        return len(self.tags)

    @property
    def numbers(self) -> Rows:
        """The numbers of these cells in the column."""
        return np.arange(self.first, self.first + len(self)) if self.picked is None else self.picked


class _Column:
    """The values of one key. Dense: cell = row. Sparse: cells in order of arrival, and their rows."""

    def __init__(self, rows: int, *, dense: bool) -> None:
        self.dense = dense
        self._places = np.zeros(0, np.int64)
        self._cell_of_row: dict[int, int] = {}
        self._cells = rows if dense else 0
        self._tags = np.zeros(self._cells, np.uint8)
        self._ints: Ints | None = None
        self._floats: Float64 | None = None
        self._codes: Int32 | None = None
        self._vocabulary = Vocabulary()
        self._lists = Lists()

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return self._cells

    @property
    def places(self) -> Rows:
        """Cell -> row."""
        return np.arange(self._cells) if self.dense else self._places[: self._cells]

    def grow(self, cells: int) -> None:
        """Make room for ``cells`` cells: half as many again, so that appending costs its own length."""
        self._cells = max(cells, self._cells)
        if cells <= len(self._tags):
            return
        room = max(cells, len(self._tags) + len(self._tags) // 2, 16)
        self._tags = _grown(self._tags, room)
        self._ints = None if self._ints is None else _grown(self._ints, room)
        self._floats = None if self._floats is None else _grown(self._floats, room)
        self._codes = None if self._codes is None else _grown(self._codes, room)
        self._places = self._places if self.dense else _grown(self._places, room)

    def put(self, rows: Rows, values: list[object]) -> None:
        """Set these rows' values."""
        cells = rows if self.dense else self._cells_of(rows)
        tags, typed = _typed(values)
        old = self._tags[cells]
        if len(self._lists) and (old == LIST).any():
            self._lists.discard(cells[old == LIST].tolist())
        self._tags[cells] = tags
        for tag in np.flatnonzero(np.bincount(tags, minlength=_TAGS)).tolist():
            if tag in _PUT:
                of_tag = tags == tag
                everything = of_tag.all()
                here = cells if everything else cells[of_tag]
                what = typed if everything else [values[i] for i in np.flatnonzero(of_tag).tolist()]
                _PUT[tag](self, here, what)

    def _cells_of(self, rows: Rows) -> Rows:
        """The cells of these rows; a row that had none gets one."""
        cell_of_row = self._cell_of_row
        cells = np.fromiter((cell_of_row.setdefault(row, len(cell_of_row)) for row in rows.tolist()), np.int64)
        self.grow(len(cell_of_row))
        self._places[cells] = rows
        return cells

    def put_ints(self, cells: Rows, values: Values) -> None:
        """Set integers in these cells."""
        if self._ints is None:
            self._ints = np.zeros(len(self._tags), np.int64)
        self._ints[cells] = np.array(values, np.int64)

    def put_floats(self, cells: Rows, values: Values) -> None:
        """Set floats in these cells."""
        if self._floats is None:
            self._floats = np.zeros(len(self._tags), np.float64)
        self._floats[cells] = np.array(values, np.float64)

    def put_strings(self, cells: Rows, values: Values) -> None:
        """Set strings in these cells; each different text is kept once."""
        if self._codes is None:
            self._codes = np.zeros(len(self._tags), np.int32)
        self._codes[cells] = self._vocabulary.encode(values)
        if len(self._vocabulary) > 2 * self._cells + 1024:  # updates left texts that no cell holds
            holders = np.flatnonzero(self._tags == STRING)
            self._codes[holders] = self._vocabulary.keep(np.unique(self._codes[holders]).astype(np.int64))[
                self._codes[holders]
            ]

    def put_lists(self, cells: Rows, values: Values) -> None:
        """Set lists in these cells."""
        for cell, value in zip(cells.tolist(), values, strict=True):
            self._lists[cell] = value

    def clear(self, rows: Rows) -> None:
        """Remove the values of these rows."""
        cells = rows
        if not self.dense:
            known = self._cell_of_row
            cells = np.array([known[row] for row in rows.tolist() if row in known], np.int64)
        if len(self._lists):
            self._lists.discard(cells.tolist())
        self._tags[cells] = ABSENT

    def spread_out(self, rows: int) -> _Column:
        """The same column with one cell for each of ``rows`` rows."""
        places = self.places
        column = _Column(rows, dense=True)
        column._tags[places] = self._tags[: self._cells]
        column._ints = _scattered(self._ints, places, rows)
        column._floats = _scattered(self._floats, places, rows)
        column._codes = _scattered(self._codes, places, rows)
        column._vocabulary = self._vocabulary
        column._lists = self._lists.moved(places)
        return column

    def stretch(self, start: int, stop: int) -> Cells:
        """The cells from ``start`` to ``stop``."""
        part = slice(start, stop)
        return Cells(
            first=start,
            tags=self._tags[part],
            ints=None if self._ints is None else self._ints[part],
            floats=None if self._floats is None else self._floats[part],
            codes=None if self._codes is None else self._codes[part],
            vocabulary=self._vocabulary,
            lists=self._lists,
        )

    def pick(self, rows: Rows) -> Cells:
        """The cells of these rows; a row that has none is ABSENT."""
        cells, there = rows, None
        if not self.dense:
            known = self._cell_of_row
            cells = np.fromiter((known.get(row, -1) for row in rows.tolist()), np.int64, len(rows))
            there = cells >= 0
        tags = self._tags[cells]
        return Cells(
            first=0,
            tags=tags if there is None else np.where(there, tags, np.uint8(ABSENT)),
            ints=None if self._ints is None else self._ints[cells],
            floats=None if self._floats is None else self._floats[cells],
            codes=None if self._codes is None else self._codes[cells],
            vocabulary=self._vocabulary,
            lists=self._lists,
            picked=cells,
        )


#: Tag -> how values of that type are kept. A boolean is its tag.
_PUT: Final[dict[int, Callable[[_Column, Rows, Values], None]]] = {
    INT: _Column.put_ints,
    FLOAT: _Column.put_floats,
    STRING: _Column.put_strings,
    LIST: _Column.put_lists,
}


class Columns:
    """The metadata of a collection's records, by row and key, ready to be filtered.

    ``keys``: those that are kept; None keeps all. Rows are those of the collection in memory.
    Several threads may read at once; the caller guards changes.

    >>> columns = Columns()
    >>> columns.extend([{"year": 2020}, None, {"year": 2021, "tags": ["a"]}])
    >>> columns.test("year", lambda cells: cells.ints > 2020, 0, 3).tolist()
    [False, False, True]
    """

    def __init__(self, keys: Collection[str] | None = None) -> None:
        self._rows = 0
        self._columns: dict[str, _Column] = {}
        self._keys = None if keys is None else set(keys)

    def __len__(self) -> int:
        return self._rows

    def lack(self, keys: Collection[str]) -> set[str]:
        """Those of ``keys`` that are not kept."""
        return set() if self._keys is None else set(keys) - self._keys

    def adopt(self, other: Columns) -> None:
        """Keep the keys of ``other``, too, which has the same rows."""
        self._columns.update(other._columns)
        if self._keys is not None and other._keys is not None:
            self._keys |= other._keys

    def extend(self, metadatas: Sequence[Metadata | None]) -> None:
        """Append a row for each of ``metadatas``."""
        first = self._rows
        self._rows += len(metadatas)
        for column in self._columns.values():
            if column.dense:
                column.grow(self._rows)
        self._put(range(first, self._rows), metadatas)

    def replace(self, rows: Rows, metadatas: Sequence[Metadata | None]) -> None:
        """Replace the metadata of these rows."""
        self.clear(rows)
        self._put(rows.tolist(), metadatas)

    def clear(self, rows: Rows) -> None:
        """Remove the metadata of these rows."""
        for column in self._columns.values():
            column.clear(rows)

    def test(self, key: str, test: Callable[[Cells], Mask], start: int, stop: int) -> Mask:
        """``test`` applied to the values of ``key``: a mask of the rows from ``start`` to ``stop``.

        ``test`` gets the column's cells and returns one bool per cell. Rows without the key are False.
        """
        column = self._columns.get(key)
        if column is None:
            return np.zeros(stop - start, np.bool_)
        if column.dense:
            return test(column.stretch(start, stop))
        hits = column.places[test(column.stretch(0, column.cells))]
        mask = np.zeros(stop - start, np.bool_)
        mask[hits[(hits >= start) & (hits < stop)] - start] = True
        return mask

    def names(self) -> list[str]:
        """The keys that are kept, in alphabetical order."""
        return sorted(self._columns)

    def every(self, key: str) -> Cells | None:
        """All cells of a column; those of rows without the key are ABSENT or missing."""
        column = self._columns.get(key)
        return None if column is None or not column.cells else column.stretch(0, column.cells)

    def pick(self, key: str, rows: Rows) -> Cells | None:
        """The cells of these rows under ``key``, in their order; None if no row of the collection has the key."""
        column = self._columns.get(key)
        return None if column is None or not column.cells else column.pick(rows)

    def _put(self, rows: Iterable[int], metadatas: Sequence[Metadata | None]) -> None:
        which = np.fromiter(rows, np.int64)
        found = _by_key(which, metadatas) if self._keys is None else _of_keys(self._keys, which, metadatas)
        for key, where, values in found:
            self._column(key, len(where)).put(where, values)

    def _column(self, key: str, more: int) -> _Column:
        """The column of ``key``, dense or sparse as fits after ``more`` cells are set."""
        column = self._columns.get(key)
        cells = more + (0 if column is None else column.cells)
        dense = cells * _SPARSE_BELOW >= self._rows
        if column is None:
            column = self._columns[key] = _Column(self._rows, dense=dense)
        elif dense and not column.dense:
            column = self._columns[key] = column.spread_out(self._rows)
        return column


def _by_key(rows: Rows, metadatas: Sequence[Metadata | None]) -> Iterator[tuple[str, Rows, list[object]]]:
    """Each key with the rows that have it and their values."""
    there = [metadata or _NOTHING for metadata in metadatas]
    if there and set(map(len, there)) == {len(there[0])}:
        try:
            of_each = [(key, rows, list(map(itemgetter(key), there))) for key in there[0]]
        except KeyError:
            pass
        else:  # records of one table: all have the keys of the first
            yield from of_each
            return
    keys = dict.fromkeys(chain.from_iterable(there))
    if len(keys) * len(there) <= 2 * sum(map(len, there)):  # most rows have most keys: a key at a time
        yield from _of_keys(keys, rows, there)
        return
    cells: dict[str, tuple[list[int], list[object]]] = {key: ([], []) for key in keys}
    for row, metadata in zip(rows.tolist(), there, strict=True):
        for key, value in metadata.items():
            where, values = cells[key]
            where.append(row)
            values.append(value)
    for key, (where, values) in cells.items():
        yield key, np.array(where, np.int64), values


def _of_keys(
    keys: Iterable[str], rows: Rows, metadatas: Sequence[Metadata | None]
) -> Iterator[tuple[str, Rows, list[object]]]:
    """As ``_by_key``, for these keys only."""
    there = [metadata or _NOTHING for metadata in metadatas]
    for key in keys:
        values = [metadata.get(key) for metadata in there]
        if None in values:
            filled = [place for place, value in enumerate(values) if value is not None]
            yield key, rows[filled], [values[place] for place in filled]
        elif values:
            yield key, rows, values


def _grown(array: Array, room: int) -> Array:
    larger = np.zeros(room, array.dtype)
    larger[: len(array)] = array
    return larger


def _scattered(values: Array | None, places: Rows, rows: int) -> Array | None:
    if values is None:
        return None
    array = np.zeros(rows, values.dtype)
    array[places] = values[: len(places)]
    return array

"""Count the values of a column, in arrays. ``chroma_nb/facets.py`` makes facets of the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any, Final

import numpy as np

from chroma_nb.engine.arrays import Ints, Rows
from chroma_nb.engine.memory.columns import FALSE, FLOAT, INT, LIST, OTHER, STRING, TRUE, Cells, Columns
from chroma_nb.engine.memory.snapshot import Snapshot
from chroma_nb.facets import Counted, Description, Edges, Facet, Texts, counted_of, counters, facet
from chroma_nb.types import SparseVector

#: Tag of a cell with one value -> the kind of the value.
_KINDS: Final = {
    INT: "int",
    FLOAT: "float",
    FALSE: "bool",
    TRUE: "bool",
    STRING: "str",
    OTHER: SparseVector.__name__,
}
#: How many documents are read at a time.
_AT_ONCE: Final = 10_000


def facets(
    snapshot: Snapshot, keys: Collection[str], rows: Rows | None, limit: int, edges: Edges | None = None
) -> list[Facet]:
    """A facet of each key over these rows, ascending; None means all records."""
    columns = snapshot.columns(keys)
    records = snapshot.memory.live if rows is None else len(rows)
    return [facet(key, records, _counted(columns, key, rows), limit, (edges or {}).get(key)) for key in keys]


def describe(snapshot: Snapshot) -> Description:
    """A description of the collection. Metadata and documents are read once and not kept."""
    columns, records = snapshot.all_columns(), snapshot.memory.live
    lengths = _lengths(snapshot)
    counts = ((key, _counted(columns, key, None)) for key in columns.names())
    return Description(
        records=records,
        dimension=snapshot.row.dimension,
        space=snapshot.row.parameters.space,
        documents=len(lengths),
        median_length=float(np.median(lengths)) if len(lengths) else None,
        keys=tuple(facet(key, records, found, 1) for key, found in counts if found.kinds),
    )


def _lengths(snapshot: Snapshot) -> Ints:
    """How many characters each document has."""
    rows = snapshot.memory.live_rows()
    pieces = (snapshot.documents(rows[start : start + _AT_ONCE]) for start in range(0, len(rows), _AT_ONCE))
    return np.array([len(text) for piece in pieces for text in piece if text is not None], np.int64)


def _counted(columns: Columns, key: str, rows: Rows | None) -> Counted:
    """The facet of ``key`` over these rows; rows of deleted records have no value."""
    cells = columns.every(key) if rows is None else columns.pick(key, rows)
    return counted_of({}, counters()) if cells is None else _of_cells(cells)


def _of_cells(cells: Cells) -> Counted:
    of_tag = np.bincount(cells.tags, minlength=max(_KINDS) + 1)
    kinds: Counter[str] = Counter()
    for tag, kind in _KINDS.items():
        if of_tag[tag]:
            kinds[kind] += int(of_tag[tag])
    truths = [(value, of_tag[tag]) for value, tag in ((False, FALSE), (True, TRUE)) if of_tag[tag]]
    found = Counted(
        kinds,
        _numbers(cells, INT, cells.ints, of_tag),
        _numbers(cells, FLOAT, cells.floats, of_tag),
        _texts(cells, of_tag),
        ([value for value, _ in truths], np.array([count for _, count in truths], np.int64)),
    )
    return found.joined(_elements(cells, int(of_tag[LIST]))) if of_tag[LIST] else found


def _numbers(cells: Cells, tag: int, values: Any, of_tag: Ints) -> tuple[Any, Ints]:
    if values is None or not of_tag[tag]:
        return np.empty(0, np.int64 if tag == INT else np.float64), np.empty(0, np.int64)
    found, counts = np.unique(values if of_tag[tag] == len(cells) else values[cells.tags == tag], return_counts=True)
    return found, counts.astype(np.int64)


def _texts(cells: Cells, of_tag: Ints) -> tuple[Texts, Ints]:
    if cells.codes is None or not of_tag[STRING]:
        return Texts.of([]), np.empty(0, np.int64)
    codes = cells.codes if of_tag[STRING] == len(cells) else cells.codes[cells.tags == STRING]
    counts = np.bincount(codes, minlength=len(cells.vocabulary)).astype(np.int64)
    return cells.vocabulary.texts().held(counts)


def _elements(cells: Cells, of_list: int) -> Counted:
    """The elements of lists, each counted once for a list. A list has one type, that of its first element."""
    vocabulary, codes, holders = cells.lists.flat()
    if of_list < len(cells.lists):
        wanted = np.zeros(int(holders.max()) + 1, np.bool_)
        wanted[cells.numbers[cells.tags == LIST]] = True
        codes, holders = codes[wanted[holders]], holders[wanted[holders]]
    counts = np.bincount(codes, minlength=len(vocabulary))
    first_of_each = codes[np.flatnonzero(np.diff(holders, prepend=-1))]
    lists = np.bincount(first_of_each, minlength=len(vocabulary))
    used = np.flatnonzero(counts)
    found = counters()
    kinds: Counter[str] = Counter()
    values = vocabulary.values(used.astype(np.int32))
    for (kind, value), count, of_lists in zip(values, counts[used].tolist(), lists[used].tolist(), strict=True):
        found[kind][value] += count
        if of_lists:
            kinds[f"list of {kind.__name__}"] += of_lists
    return counted_of(dict(kinds), found)

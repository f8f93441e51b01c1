"""Sort rows by a metadata key, by id or by document. ``query/ordering.py`` defines the order."""

from __future__ import annotations

from typing import Final

import numpy as np

from chroma_nb.engine.arrays import Float64, Ints, Rows
from chroma_nb.engine.memory.columns import FALSE, FLOAT, INT, STRING, TRUE, Cells
from chroma_nb.engine.memory.snapshot import Snapshot
from chroma_nb.query.conditions import DOCUMENT_KEY
from chroma_nb.query.ordering import ID_KEY, Order, places

#: Tag of a cell -> the place of its kind; others come last.
_KINDS: Final = {INT: 0, FLOAT: 0, STRING: 1, FALSE: 2, TRUE: 2}
_LAST: Final = 3


def ordered(snapshot: Snapshot, rows: Rows, order: Order) -> Rows:
    """``rows``, which are ascending, in this order."""
    if order.key == ID_KEY:
        ids = snapshot.memory.ids
        return rows[places([ids[row] for row in rows.tolist()], descending=order.descending)]
    if order.key == DOCUMENT_KEY:
        return rows[places(snapshot.documents(rows), descending=order.descending)]
    cells = snapshot.columns([order.key]).pick(order.key, rows)
    return rows if cells is None else rows[_sorted(cells, order.descending)]


def _sorted(cells: Cells, descending: bool) -> Ints:
    kinds = np.full(256, _LAST, np.int8)
    kinds[list(_KINDS)] = list(_KINDS.values())
    kind = kinds[cells.tags]
    number, rest = _numbers(cells), _rests(cells)
    if descending:
        kind, number, rest = np.where(kind == _LAST, kind, -kind), -number, -rest
    return np.asarray(np.lexsort((rest, number, kind)))


def _numbers(cells: Cells) -> Float64:
    """The float that is nearest to each number; 0 for other cells."""
    numbers = np.zeros(len(cells))
    if cells.ints is not None:
        of_tag = cells.tags == INT
        numbers[of_tag] = _rounded(cells.ints[of_tag])
    if cells.floats is not None:
        of_tag = cells.tags == FLOAT
        numbers[of_tag] = cells.floats[of_tag]
    return numbers


def _rounded(ints: Ints) -> Float64:
    """Floats near integers, in the same order; all of them below 2**63, so that they are int64 again."""
    return np.minimum(ints.astype(np.float64), np.nextafter(2.0**63, 0))


def _rests(cells: Cells) -> Ints:
    """What orders cells of one kind and rounded number: the rounding error of integers, the rank of a text, True."""
    rests: Ints = (cells.tags == TRUE).astype(np.int64)
    if cells.ints is not None:
        of_tag = cells.tags == INT
        ints = cells.ints[of_tag]
        rests[of_tag] = ints - _rounded(ints).astype(np.int64)
    if cells.codes is not None:
        of_tag = cells.tags == STRING
        rests[of_tag] = cells.vocabulary.ranks(cells.codes[of_tag])
    return rests

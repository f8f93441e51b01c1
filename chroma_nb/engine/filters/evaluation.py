"""Evaluate a filter: a condition and the columns -> a mask of rows.

Conditions and the table of operators are in ``query/``, conditions on documents in ``documents.py``. Here is one
function for each operator on metadata; that of a negative operator is the opposite of another's.

- A missing key fails every positive operator and satisfies ``$ne``, ``$nin``, ``$not_contains`` and ``$exists: False``.
- ``True`` is not 1, and ``"1"`` is not 1; 1 and 1.0 are the same number, compared without rounding.
- A list is not its element: only ``$contains`` looks into lists, and there 2 and 2.0 differ.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar, Final, Protocol

import numpy as np
import numpy.typing as npt

from chroma_nb.engine.arrays import Float64, Ints, Mask, Rows
from chroma_nb.engine.filters.documents import DocumentMatch, compile_match
from chroma_nb.engine.memory.columns import ABSENT, FALSE, FLOAT, INT, STRING, TRUE, Cells, Columns
from chroma_nb.query.conditions import DOCUMENT_KEY, And, Condition, Or, Where
from chroma_nb.query.operators import OPERATORS
from chroma_nb.types import Array

#: Keys -> the columns that hold them.
ColumnSource = Callable[[Collection[str]], Columns]
#: Rows -> their documents, in the same order.
DocumentSource = Callable[[Rows], Sequence[str | None]]
#: Ids -> the rows of those that exist.
IdSource = Callable[[Sequence[str]], Rows]
#: A test of the cells of one key: a mask of them.
Test = Callable[[Cells], Mask]

_INT64 = np.iinfo(np.int64)
#: How many documents are fetched at a time.
_DOCUMENTS_AT_ONCE = 10_000
#: The key of ids, in a search.
ID_KEY: Final = "#id"


def evaluate(
    condition: Where,
    columns: ColumnSource,
    documents: DocumentSource,
    alive: Mask,
    start: int = 0,
    stop: int | None = None,
    ids: IdSource | None = None,
) -> Mask:
    """A mask of the rows from ``start`` to ``stop`` that are alive and satisfy ``condition``.

    ``alive`` covers all rows. Metadata is tested first; documents are fetched only for the rows that it leaves in
    doubt. ``columns`` is called, with all keys of the condition, only when there is a condition on metadata. An invalid
    pattern is refused even where no document would be read.

    >>> from chroma_nb.query.conditions import K
    >>> columns = Columns()
    >>> columns.extend([{"year": 2020}, {"year": 2024.5}, None])
    >>> evaluate(K("year") > 2020, lambda keys: columns, lambda rows: [], np.ones(3, bool)).tolist()
    [False, True, False]
    """
    stop = len(alive) if stop is None else stop
    node = _compiled(condition)
    return node.narrow(alive[start:stop].copy(), _Rows(columns, documents, start, stop, node.keys, ids))


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows to test: from ``start`` to ``stop``."""

    columns: ColumnSource
    documents: DocumentSource
    start: int
    stop: int
    #: All keys of the condition: columns are built in one pass over the records.
    keys: frozenset[str]
    ids: IdSource | None


class _Node(Protocol):
    """A condition that is ready to be evaluated."""

    @property
    def reads_documents(self) -> bool:
        """Whether any part tests documents, which are read from the database."""
        ...

    @property
    def keys(self) -> frozenset[str]:
        """The metadata keys that any part tests."""
        ...

    def narrow(self, candidates: Mask, rows: _Rows) -> Mask:
        """Those of ``candidates`` that satisfy the condition."""
        ...


@dataclass(frozen=True, slots=True)
class _OfKey:
    """A condition on one metadata key."""

    key: str
    test: Test
    negative: bool
    keys: frozenset[str]
    reads_documents: ClassVar[bool] = False

    def narrow(self, candidates: Mask, rows: _Rows) -> Mask:
        mask = rows.columns(rows.keys).test(self.key, self.test, rows.start, rows.stop)
        return candidates & ~mask if self.negative else candidates & mask


@dataclass(frozen=True, slots=True)
class _OfIds(_OfKey):
    """``$eq``, ``$ne``, ``$in`` and ``$nin`` of ids in a search; elsewhere "#id" is a key like any other."""

    wanted: Sequence[Any]

    def narrow(self, candidates: Mask, rows: _Rows) -> Mask:
        if rows.ids is None:
            return _OfKey.narrow(self, candidates, rows)
        found = rows.ids([ident for ident in self.wanted if isinstance(ident, str)]) - rows.start
        mask = np.zeros(len(candidates), np.bool_)
        mask[found[(found >= 0) & (found < len(mask))]] = True
        return candidates & ~mask if self.negative else candidates & mask


@dataclass(frozen=True, slots=True)
class _OfDocuments:
    """All conditions on the document together, so that each document is fetched once."""

    match: DocumentMatch
    reads_documents: ClassVar[bool] = True
    keys: ClassVar[frozenset[str]] = frozenset()

    def narrow(self, candidates: Mask, rows: _Rows) -> Mask:
        found = np.zeros(len(candidates), np.bool_)
        places = np.flatnonzero(candidates)
        for first in range(0, len(places), _DOCUMENTS_AT_ONCE):
            part = places[first : first + _DOCUMENTS_AT_ONCE]
            found[part] = np.fromiter(map(self.match, rows.documents(part + rows.start)), np.bool_, len(part))
        return found


@dataclass(frozen=True, slots=True)
class _All:
    nodes: Sequence[_Node]
    reads_documents: bool
    keys: frozenset[str]

    def narrow(self, candidates: Mask, rows: _Rows) -> Mask:
        for node in self.nodes:
            if not candidates.any():
                break
            candidates = node.narrow(candidates, rows)
        return candidates


@dataclass(frozen=True, slots=True)
class _Any:
    nodes: Sequence[_Node]
    reads_documents: bool
    keys: frozenset[str]

    def narrow(self, candidates: Mask, rows: _Rows) -> Mask:
        found = np.zeros(len(candidates), np.bool_)
        for node in self.nodes:
            left = candidates & ~found
            if not left.any():
                break
            found |= node.narrow(left, rows)
        return found


def _compiled(condition: Where) -> _Node:
    if isinstance(condition, And | Or):
        return _junction(isinstance(condition, And), list(map(_compiled, condition.conditions)))
    if not isinstance(condition, Condition):
        raise TypeError(f"expected a condition, got {type(condition).__name__}")
    row = OPERATORS[condition.operator]
    if condition.key == DOCUMENT_KEY and (row.document or row.metadata == "presence"):
        return _OfDocuments(compile_match(condition))
    meant = row.opposite if row.negative and row.opposite else row.name
    negative = row.negative or (row.metadata == "presence" and condition.operand is False)
    of_key = condition.key, TESTS[meant](condition.operand), negative, frozenset([condition.key])
    if condition.key == ID_KEY and meant in ("$eq", "$in"):
        operand = condition.operand
        return _OfIds(*of_key, operand if isinstance(operand, list) else [operand])
    return _OfKey(*of_key)


def _junction(every: bool, nodes: Sequence[_Node]) -> _Node:
    """Nodes that read metadata only come first, then all on documents as one, then those that read both."""
    matches = [node.match for node in nodes if isinstance(node, _OfDocuments)]
    of_documents = [_OfDocuments(_combined(all if every else any, matches))] if matches else []
    if len(matches) == len(nodes):
        return of_documents[0]
    of_metadata = [node for node in nodes if not node.reads_documents]
    of_both = [node for node in nodes if node.reads_documents and not isinstance(node, _OfDocuments)]
    ordered = (*of_metadata, *of_documents, *of_both)
    keys = frozenset().union(*[node.keys for node in nodes])
    return (_All if every else _Any)(ordered, len(of_metadata) < len(nodes), keys)


def _combined(combine: Callable[[Iterable[bool]], bool], matches: Sequence[DocumentMatch]) -> DocumentMatch:
    return lambda text: combine(match(text) for match in matches)


# --- Operators ----------------------------------------------------------------------------------------
def _none(cells: Cells) -> Mask:
    return np.zeros(len(cells), np.bool_)


def _where_tagged(cells: Cells, tag: int, mask: Mask) -> Mask:
    return np.asarray(mask & (cells.tags == tag))


@dataclass(frozen=True)
class _Order:
    """One of = < <= > >= between numbers, without rounding either side."""

    compare: Callable[[Any, Any], Any]
    #: How a bound that is not a whole number (or not a float) becomes one without changing the result.
    round_up: bool | None

    def __call__(self, operand: Any) -> Test:
        if isinstance(operand, bool) or not isinstance(operand, int | float) or math.isnan(operand):
            return _none

        def test(cells: Cells) -> Mask:
            masks = []
            if cells.ints is not None:
                masks.append(_where_tagged(cells, INT, self.ints(cells.ints, operand)))
            if cells.floats is not None:
                masks.append(_where_tagged(cells, FLOAT, self.floats(cells.floats, operand)))
            return reduce(operator.or_, masks) if masks else _none(cells)

        return test

    def ints(self, values: Ints, operand: float) -> Mask:
        """``values`` compared with ``operand``, which may be a fraction or beyond 64 bits."""
        if operand > _INT64.max or operand < _INT64.min:  # infinities too: the same for every value
            return np.full(len(values), self.compare(0, operand), np.bool_)
        bound = math.ceil(operand) if self.round_up else math.floor(operand)
        if bound != operand and self.round_up is None:
            return np.zeros(len(values), np.bool_)
        return np.asarray(self.compare(values, np.int64(bound)))

    def floats(self, values: Float64, operand: float) -> Mask:
        """``values`` compared with ``operand``, which may be an integer that no float is equal to."""
        try:
            bound = float(operand)
        except OverflowError:
            bound = math.inf if operand > 0 else -math.inf
        if bound != operand:
            if self.round_up is None:
                return np.zeros(len(values), np.bool_)
            if self.round_up and bound < operand:
                bound = math.nextafter(bound, math.inf)
            elif not self.round_up and bound > operand:
                bound = math.nextafter(bound, -math.inf)
        return np.asarray(self.compare(values, bound))


_equal_number = _Order(operator.eq, None)


def _equal(operand: object) -> Test:
    if isinstance(operand, bool):
        return lambda cells: np.asarray(cells.tags == (TRUE if operand else FALSE))
    if isinstance(operand, str):
        return _equal_text(operand)
    return _equal_number(operand)


def _equal_text(operand: str) -> Test:
    def test(cells: Cells) -> Mask:
        code = cells.vocabulary.find(operand)
        if code < 0 or cells.codes is None:
            return _none(cells)
        return _where_tagged(cells, STRING, cells.codes == code)

    return test


def _is_in(operands: Sequence[object]) -> Test:
    by_kind: dict[type, list[Any]] = {
        kind: [value for value in operands if type(value) is kind] for kind in set(map(type, operands))
    }
    texts = by_kind.get(str, [])
    tags = {TRUE if value else FALSE for value in by_kind.get(bool, [])}
    ints, floats = _both_kinds(by_kind.get(int, []), by_kind.get(float, []))

    def test(cells: Cells) -> Mask:
        mask = _none(cells)
        for tag in tags:
            mask |= cells.tags == tag
        if cells.ints is not None and len(ints):
            mask |= _where_tagged(cells, INT, _among(cells.ints, ints))
        if cells.floats is not None and len(floats):
            mask |= _where_tagged(cells, FLOAT, _among(cells.floats, floats))
        if cells.codes is not None and texts:
            mask |= _where_tagged(cells, STRING, _looked_up(cells.vocabulary.among(texts), cells.codes))
        return mask

    return test


def _both_kinds(integers: Sequence[int], fractions: Sequence[float]) -> tuple[Ints, Float64]:
    """The integers, and the floats, that are equal to one of these (64 bits, finite); the floats ascending."""
    ints = np.array(integers, np.int64)
    floats = np.array(fractions, np.float64)
    whole = floats[(np.floor(floats) == floats) & (floats >= -(2.0**63)) & (floats < 2.0**63)].astype(np.int64)
    rounded = ints.astype(np.float64)
    inside = rounded < 2.0**63  # the largest integers round up to 2**63, which is not among them
    exact = rounded[inside][rounded[inside].astype(np.int64) == ints[inside]]
    return np.concatenate([ints, whole]), np.sort(np.concatenate([floats, exact]))


def _among(values: Array, ascending: Array) -> Mask:
    """Which values occur in ``ascending``; ``np.isin`` is fast for integers and short lists, not for many floats."""
    if values.dtype.kind == "i" or len(ascending) < 20:
        return np.isin(values, ascending)
    at = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return np.asarray(ascending[at] == values)


def _looked_up(table: Mask, codes: npt.NDArray[np.int32]) -> Mask:
    """``table[codes]``; cells without a string have code 0, which an empty table lacks."""
    return table[codes] if len(table) else np.zeros(len(codes), np.bool_)


def _contains(operand: object) -> Test:
    def test(cells: Cells) -> Mask:
        mask = _none(cells)
        holders = cells.lists.holding(operand) - cells.first
        mask[holders[(holders >= 0) & (holders < len(mask))]] = True
        return mask

    return test


def _is_there(operand: bool) -> Test:
    return lambda cells: np.asarray(cells.tags != ABSENT)


#: The tests of metadata: a function of the operand for each operator that is not the negative of another.
TESTS: Final[dict[str, Callable[[Any], Test]]] = {
    "$eq": _equal,
    "$gt": _Order(operator.gt, round_up=False),
    "$gte": _Order(operator.ge, round_up=True),
    "$lt": _Order(operator.lt, round_up=True),
    "$lte": _Order(operator.le, round_up=False),
    "$in": _is_in,
    "$contains": _contains,
    "$exists": _is_there,
}

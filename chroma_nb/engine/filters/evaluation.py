"""What a filter means: a ``where`` tree and the columns -> a mask of rows.

The grammar stands in ``where.py``, the test of a document in ``documents.py``.

- A missing key fails every positive operator and satisfies ``$ne``, ``$nin`` and ``$not_contains``.
- ``True`` is not 1, and ``"1"`` is not 1; 1 and 1.0 are the same number, compared without rounding.
- A list is not its element: only ``$contains`` looks into lists, and there 2 and 2.0 differ.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chroma_nb.engine.arrays import Float64, Ints, Mask, Rows
from chroma_nb.engine.filters.documents import DocumentMatch, compile_test
from chroma_nb.engine.memory.columns import FALSE, FLOAT, INT, STRING, TRUE, Cells, Columns
from chroma_nb.where import And, Comparison, DocumentTest, Expression, Or

#: Rows -> their documents, in the order asked for.
DocumentSource = Callable[[Rows], Sequence[str | None]]

_INT64 = np.iinfo(np.int64)
#: So many documents are fetched at a time.
_DOCUMENTS_AT_ONCE = 10_000


def evaluate(
    expression: Expression,
    columns: Columns,
    documents: DocumentSource,
    alive: Mask,
    start: int = 0,
    stop: int | None = None,
) -> Mask:
    """Which of the rows from ``start`` to ``stop`` are alive and satisfy ``expression``.

    ``alive`` covers all rows. Metadata is looked at first; documents are fetched only for the rows that
    it leaves in doubt.

    >>> columns = Columns()
    >>> columns.extend([{"year": 2020}, {"year": 2024.5}, None])
    >>> evaluate(Comparison("year", "$gt", 2020), columns, lambda rows: [], np.ones(3, bool)).tolist()
    [False, True, False]
    """
    stop = len(alive) if stop is None else stop
    tests = {test: compile_test(test) for test in _document_tests(expression)}
    return _Evaluation(columns, documents, tests, start, stop).narrow(expression, alive[start:stop].copy())


@dataclass(frozen=True)
class _Evaluation:
    columns: Columns
    documents: DocumentSource
    tests: Mapping[DocumentTest, DocumentMatch]
    start: int
    stop: int

    def narrow(self, expression: Expression, candidates: Mask) -> Mask:
        """Those of ``candidates`` that satisfy ``expression``."""
        if not candidates.any():
            return candidates
        if _subjects(expression) == _DOCUMENTS:
            return self._read(self._match(expression), candidates)
        match expression:
            case And(terms):
                for term in _cheap_first(terms, And):
                    candidates = self.narrow(term, candidates)
                return candidates
            case Or(terms):
                found = np.zeros(len(candidates), np.bool_)
                for term in _cheap_first(terms, Or):
                    found |= self.narrow(term, candidates & ~found)
                return found
            case Comparison(key, name, operand):
                row = OPERATORS[name]
                mask = self.columns.test(key, row.compile(operand), self.start, self.stop)
                return candidates & ~mask if row.negated else candidates & mask
        raise TypeError(f"expected a where expression, got {type(expression).__name__}")

    def _match(self, expression: Expression) -> DocumentMatch:
        """An expression that is only about documents, as one function of a document."""
        match expression:
            case And(terms) | Or(terms):
                matches = [self._match(term) for term in terms]
                combine = all if isinstance(expression, And) else any
                return lambda text: combine(match(text) for match in matches)
            case DocumentTest():
                return self.tests[expression]
        raise TypeError(f"expected a test of documents, got {type(expression).__name__}")

    def _read(self, match: DocumentMatch, candidates: Mask) -> Mask:
        found = np.zeros(len(candidates), np.bool_)
        places = np.flatnonzero(candidates)
        for first in range(0, len(places), _DOCUMENTS_AT_ONCE):
            part = places[first : first + _DOCUMENTS_AT_ONCE]
            found[part] = np.fromiter(map(match, self.documents(part + self.start)), np.bool_, len(part))
        return found


_METADATA: Final = frozenset({Comparison})
_DOCUMENTS: Final = frozenset({DocumentTest})


def asks_metadata(expression: Expression) -> bool:
    """Whether any part of ``expression`` is about metadata: the columns are needed."""
    return _subjects(expression) != _DOCUMENTS


def _subjects(expression: Expression) -> frozenset[type]:
    """What an expression is about: metadata, documents or both."""
    if isinstance(expression, And | Or):
        return frozenset().union(*map(_subjects, expression.terms))
    return frozenset({type(expression)})


def _cheap_first(terms: Sequence[Expression], junction: type[And] | type[Or]) -> list[Expression]:
    """Terms about metadata, then those about documents as one (each text is fetched once), then the mixed ones."""
    about = [(_subjects(term), term) for term in terms]
    of_documents = tuple(term for subjects, term in about if subjects == _DOCUMENTS)
    return [
        *(term for subjects, term in about if subjects == _METADATA),
        *([junction(of_documents)] if of_documents else []),
        *(term for subjects, term in about if len(subjects) > 1),
    ]


def _document_tests(expression: Expression) -> Iterator[DocumentTest]:
    """Every test of documents: a pattern that is none is refused even where no document would be read."""
    match expression:
        case DocumentTest():
            yield expression
        case And(terms) | Or(terms):
            for term in terms:
                yield from _document_tests(term)


# --- Operators ----------------------------------------------------------------------------------------
Test = Callable[[Cells], Mask]


def _none(cells: Cells) -> Mask:
    return np.zeros(len(cells), np.bool_)


def _where_tagged(cells: Cells, tag: int, mask: Mask) -> Mask:
    return np.asarray(mask & (cells.tags == tag))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True)
class _Order:
    """One of = < <= > >= between numbers, without rounding either side."""

    compare: Callable[[Any, Any], Any]
    #: How a bound that is no whole number (or no float) becomes one without changing what satisfies it.
    round_up: bool | None

    def __call__(self, operand: Any) -> Test:
        if not _is_number(operand) or math.isnan(operand):
            return _none

        def test(cells: Cells) -> Mask:
            mask = _none(cells)
            if cells.ints is not None:
                mask |= _where_tagged(cells, INT, self.ints(cells.ints, operand))
            if cells.floats is not None:
                mask |= _where_tagged(cells, FLOAT, self.floats(cells.floats, operand))
            return mask

        return test

    def ints(self, values: Ints, operand: float) -> Mask:
        """``values`` against ``operand``, which may be a fraction or beyond 64 bits."""
        if operand > _INT64.max or operand < _INT64.min:  # infinities too: the same for every value
            return np.full(len(values), self.compare(0, operand), np.bool_)
        bound = math.ceil(operand) if self.round_up else math.floor(operand)
        if bound != operand and self.round_up is None:
            return np.zeros(len(values), np.bool_)
        return np.asarray(self.compare(values, np.int64(bound)))

    def floats(self, values: Float64, operand: float) -> Mask:
        """``values`` against ``operand``, which may be an integer that no float is equal to."""
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


def _equal(operand: Any) -> Test:
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


def _is_in(operands: Sequence[Any]) -> Test:
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
    inside = rounded < 2.0**63  # the largest integers round up to 2**63, which is none of them
    exact = rounded[inside][rounded[inside].astype(np.int64) == ints[inside]]
    return np.concatenate([ints, whole]), np.sort(np.concatenate([floats, exact]))


def _among(values: npt.NDArray[Any], ascending: npt.NDArray[Any]) -> Mask:
    """Which values occur in ``ascending``; ``np.isin`` is quick for integers and short lists, not for many floats."""
    if values.dtype.kind == "i" or len(ascending) < 20:
        return np.isin(values, ascending)
    at = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return np.asarray(ascending[at] == values)


def _looked_up(table: Mask, codes: npt.NDArray[np.int32]) -> Mask:
    """``table[codes]``; cells without a string have code 0, which an empty table lacks."""
    return table[codes] if len(table) else np.zeros(len(codes), np.bool_)


def _contains(operand: Any) -> Test:
    def test(cells: Cells) -> Mask:
        mask = _none(cells)
        holders = cells.lists.holding(operand) - cells.first
        mask[holders[(holders >= 0) & (holders < len(mask))]] = True
        return mask

    return test


@dataclass(frozen=True)
class Operator:
    """How ``{key: {operator: operand}}`` is tested: ``compile`` gives the positive form."""

    compile: Callable[[Any], Test]
    negated: bool = False


#: One row per operator of metadata.
OPERATORS: Final[dict[str, Operator]] = {
    "$eq": Operator(_equal),
    "$ne": Operator(_equal, negated=True),
    "$gt": Operator(_Order(operator.gt, round_up=False)),
    "$gte": Operator(_Order(operator.ge, round_up=True)),
    "$lt": Operator(_Order(operator.lt, round_up=True)),
    "$lte": Operator(_Order(operator.le, round_up=False)),
    "$in": Operator(_is_in),
    "$nin": Operator(_is_in, negated=True),
    "$contains": Operator(_contains),
    "$not_contains": Operator(_contains, negated=True),
}

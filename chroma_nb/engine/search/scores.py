"""Scores: the value of a ranking expression, record by record, in float32 as Chroma computes it.

An expression has a score for each record of its support, and may have a default for all others. The support of a Knn
are its results; a number has none and is its own default. A search returns only the support, so a record that no Knn
found is in no result. An expression without a default leaves out all records outside its support.

Arithmetic is IEEE's: division by zero and the logarithm of a number that is not positive give infinities and NaN, no
error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final, TypeAlias

import numpy as np

from chroma_nb.engine.arrays import EMPTY, Float32, Ints, Rows
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.query.ranking import Abs, Div, Exp, Knn, Log, Max, Min, Mul, Rank, Rrf, Sub, Sum, Val
from chroma_nb.types import Int32

#: A step with two operands, or with one.
_Two: TypeAlias = Callable[[Any, Any], Any]
_One: TypeAlias = Callable[[Any], Any]
#: A function that runs a Knn: the rows of the nearest allowed records, nearest first, and their distances.
Nearest: TypeAlias = "Callable[[Knn], tuple[Rows, Float32]]"

_NO_SCORES: Final[Float32] = np.empty(0, np.float32)
_LARGEST: Final = float(np.finfo(np.float32).max)
_LARGEST_INT32: Final = np.int32(0x7FFFFFFF)


@dataclass(frozen=True)
class Scores:
    """``values[i]`` is the score of the record in ``rows[i]`` (ascending); ``default`` that of all others, if any."""

    rows: Rows
    values: Float32
    default: np.float32 | None

    @classmethod
    def flat(cls, value: float) -> Scores:
        """The same score for all records, and no record in the support."""
        return cls(EMPTY, _NO_SCORES, _float32(value))

    @classmethod
    def of_nearest(cls, rows: Rows, distances: Float32, *, default: float | None, return_rank: bool) -> Scores:
        """The results of a Knn, nearest first; with ``return_rank`` the scores are 0, 1, 2…"""
        values = np.arange(len(rows), dtype=np.float32) if return_rank else np.asarray(distances, np.float32)
        order = np.argsort(rows)
        return cls(rows[order], values[order], None if default is None else _float32(default))

    def mapped(self, step: _One) -> Scores:
        """Each score and the default after a step."""
        return Scores(self.rows, step(self.values), None if self.default is None else step(self.default))

    def merged(self, other: Scores, step: _Two) -> Scores:
        """The scores of a step with two operands.

        Where both have a default, all records of either side count; where one has none, its own do; where both have
        none, those of both.
        """
        if self.default is not None and other.default is not None:
            rows = _union(self.rows, other.rows)
            default = step(self.default, other.default)
        else:
            default = None
            if self.default is None and other.default is None:
                rows = self.rows[np.isin(self.rows, other.rows, assume_unique=True)]
            else:
                rows = self.rows if self.default is None else other.rows
        return Scores(rows, step(self._at(rows), other._at(rows)), default)

    def _at(self, rows: Rows) -> Float32 | np.float32 | None:
        """The scores of these rows; a single one if none of them is in the support."""
        if rows is self.rows:
            return self.values
        if not len(self.rows):
            return self.default if self.default is not None else _NO_SCORES
        places = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        values = self.values[places]
        if self.default is None:  # then all of them are in the support
            return values
        return np.where(self.rows[places] == rows, values, self.default)

    def ranked(self) -> tuple[Rows, Float32]:
        """The support, lowest score first; see ``order``."""
        places = order(self.values)
        return self.rows[places], self.values[places]


def order(scores: Float32) -> Ints:
    """The order of scores, lowest first; ties keep their order.

    -inf comes first, -0.0 before 0.0. NaN comes last, of either sign: Chroma's order of NaN goes by a sign that
    depends on the processor.

    >>> order(np.array([0.0, np.nan, -0.0, -np.inf, 0.0], np.float32)).tolist()
    [3, 2, 0, 4, 1]
    """
    return np.argsort(_sortable(scores), kind="stable")


def _sortable(scores: Float32) -> Int32:
    """Integers in the order of the scores: the bits of a float, those of a negative one turned round."""
    bits = np.ascontiguousarray(scores, np.float32).view(np.int32)
    turned = np.where(bits < 0, bits ^ _LARGEST_INT32, bits)
    return np.where(np.isnan(scores), _LARGEST_INT32, turned)


def _float32(value: float) -> np.float32:
    """The nearest float32, infinite beyond its limits. InvalidArgumentError unless it is a number."""
    if not isinstance(value, int | float | np.number):
        raise InvalidArgumentError(f"Expected $val and the default of $knn to be numbers, got {type(value).__name__}")
    if abs(value) > 2 * _LARGEST:  # an integer may be larger than any float
        return np.float32(np.inf if value > 0 else -np.inf)
    with np.errstate(over="ignore"):
        return np.float32(value)


def _union(left: Rows, right: Rows) -> Rows:
    if not len(left) or not len(right):  # most often a number on one side
        return right if not len(left) else left
    return np.union1d(left, right)


# --- expressions --------------------------------------------------------------------------------------------------

#: Steps with two operands.
_TWO: Final[Mapping[type[Rank], _Two]] = {Sub: np.subtract, Div: np.divide}
#: Steps with one operand.
_ONE: Final[Mapping[type[Rank], _One]] = {Abs: np.abs, Exp: np.exp, Log: np.log}
#: Steps with many operands, from the left, and their initial values. fmax and fmin ignore NaN, as Rust's max and min.
_MANY: Final[Mapping[type[Rank], tuple[_Two, float]]] = {
    Sum: (np.add, 0.0),
    Mul: (np.multiply, 1.0),
    Max: (np.fmax, -_LARGEST),
    Min: (np.fmin, _LARGEST),
}


#: Expression -> its parts, from left to right.
_PARTS: Final[Mapping[type[Any], Callable[[Any], Sequence[Rank]]]] = {
    **dict.fromkeys((Knn, Val), lambda rank: ()),
    **dict.fromkeys(_ONE, lambda rank: (rank.rank,)),
    **dict.fromkeys(_TWO, lambda rank: (rank.left, rank.right)),
    **dict.fromkeys(_MANY, lambda rank: rank.ranks),
    Rrf: lambda rank: (rank.expanded(),),
}


def parts(rank: Rank) -> Sequence[Rank]:
    """The parts of the expression ``rank``, from left to right.

    TypeError if it is not a ranking expression; ValueError for an Rrf whose weights do not fit.
    """
    if type(rank) not in _PARTS:
        raise TypeError(f"Expected a ranking expression (Knn, Val, Rrf, arithmetic), got {type(rank).__name__}")
    return _PARTS[type(rank)](rank)


def knns(rank: Rank) -> list[Knn]:
    """The Knn leaves of an expression, depth first from left to right, without duplicates."""
    return [node for node, _ in _in_order(rank) if isinstance(node, Knn)]


def evaluate(rank: Rank, nearest: Nearest) -> Scores:
    """The scores of an expression; ``nearest`` runs each Knn, in the order of ``knns``.

    Not recursive: an expression may have any depth. A part that is used twice is computed once.
    """
    nodes = _in_order(rank)
    uses = Counter(id(part) for _, inner in nodes for part in inner)
    found: dict[int, Scores] = {}
    with np.errstate(all="ignore"):
        for node, inner in nodes:
            value = _value(node, [found[id(part)] for part in inner], nearest)
            for part in inner:  # free scores that are not needed any more: expressions may be deep, over many records
                uses[id(part)] -= 1
                if not uses[id(part)]:
                    del found[id(part)]
            found[id(node)] = value
    return found[id(rank)]


def _in_order(rank: Rank) -> list[tuple[Rank, Sequence[Rank]]]:
    """Each node once, after its parts, with them. ValueError for an expression that contains itself."""
    done: list[tuple[Rank, Sequence[Rank]]] = []
    closed: set[int] = set()
    opened: dict[int, Sequence[Rank]] = {}  # of the nodes above
    waiting = [rank]
    while waiting:
        node = waiting[-1]
        if id(node) not in closed and id(node) not in opened:
            inner = opened[id(node)] = parts(node)
            if any(id(part) in opened for part in inner):
                raise ValueError(
                    "Circular reference detected\nThe expression contains itself. Use each part only once."
                )
            waiting.extend(reversed(inner))
            continue
        waiting.pop()
        if id(node) not in closed:
            closed.add(id(node))
            done.append((node, opened.pop(id(node))))
    return done


def _value(node: Rank, inner: Sequence[Scores], nearest: Nearest) -> Scores:
    kind = type(node)
    if isinstance(node, Knn):
        return Scores.of_nearest(*nearest(node), default=node.default, return_rank=node.return_rank)
    if isinstance(node, Val):
        return Scores.flat(node.value)
    if isinstance(node, Rrf):
        return inner[0]
    if kind in _ONE:
        return inner[0].mapped(_ONE[kind])
    if kind in _TWO:
        return inner[0].merged(inner[1], _TWO[kind])
    step, start = _MANY[kind]
    return reduce(lambda left, right: left.merged(right, step), inner, Scores.flat(start))

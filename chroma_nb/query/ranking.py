"""Ranking expressions: a score for each record, built from distances and numbers by arithmetic, and their JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from chroma_nb.cells import unmasked
from chroma_nb.embeddings import normalize_embeddings, validate_embeddings
from chroma_nb.query.conditions import K, Key, name_of
from chroma_nb.query.expression import MAX_DEPTH, Expression, Write, as_dict, joined, plain_dict, type_error
from chroma_nb.types import SPARSE_VECTOR_TYPE_VALUE, TYPE_KEY, Array, Json, SparseVector, as_sparse_vector


@dataclass(repr=False)
class Rank(Expression):
    """A score for each record. Records with lower scores come first.

    Combine scores with ``+``, ``-``, ``*``, ``/``, unary ``-``, ``abs`` and the methods below. Numbers may stand on
    either side. Scores are computed as float32. A division by zero or the logarithm of a number that is not positive
    gives infinity or NaN, not an error. Records whose score is NaN come last, with None as score.

    Examples
    --------
    >>> (Knn(query=[1.0, 2.0]) * 0.5 + 1).to_dict()["$sum"][1]
    {'$val': 1}
    """

    @staticmethod
    def from_dict(data: Json) -> Rank:
        """Create a ranking from a dict.

        Raises
        ------
        TypeError, ValueError
            The dict does not describe a ranking.

        Examples
        --------
        >>> Rank.from_dict({"$sum": [{"$val": 1}, {"$val": 2}]})
        Sum(ranks=[Val(value=1), Val(value=2)])
        """
        return _rank_from_dict(plain_dict(data, "Rank"), MAX_DEPTH)

    @staticmethod
    def sent(data: Json) -> Rank:
        """Create the ranking that an engine received. A ``Knn`` may have a limit of 0."""
        return _rank_from_dict(plain_dict(data, "Rank"), MAX_DEPTH, least=0)

    def __add__(self, other: Rank | float) -> Sum:
        return joined(Sum, "ranks", (self, _rank(other)))

    def __radd__(self, other: float) -> Sum:
        return _rank(other) + self

    def __sub__(self, other: Rank | float) -> Sub:
        return Sub(self, _rank(other))

    def __rsub__(self, other: float) -> Sub:
        return Sub(_rank(other), self)

    def __mul__(self, other: Rank | float) -> Mul:
        return joined(Mul, "ranks", (self, _rank(other)))

    def __rmul__(self, other: float) -> Mul:
        return _rank(other) * self

    def __truediv__(self, other: Rank | float) -> Div:
        return Div(self, _rank(other))

    def __rtruediv__(self, other: float) -> Div:
        return Div(_rank(other), self)

    def __neg__(self) -> Mul:
        return Mul([Val(-1), self])

    def __abs__(self) -> Abs:
        return Abs(self)

    def abs(self) -> Abs:
        """Return the absolute value of the score."""
        return Abs(self)

    def exp(self) -> Exp:
        """Return e to the power of the score."""
        return Exp(self)

    def log(self) -> Log:
        """Return the natural logarithm of the score."""
        return Log(self)

    def max(self, other: Rank | float) -> Max:
        """Return the larger of two scores."""
        return joined(Max, "ranks", (self, _rank(other)))

    def min(self, other: Rank | float) -> Min:
        """Return the smaller of two scores."""
        return joined(Min, "ranks", (self, _rank(other)))


def _rank(value: Rank | float) -> Rank:
    return Val(value) if isinstance(value, int | float) else value


@dataclass(repr=False)
class Abs(Rank):
    """The absolute value of a score."""

    rank: Rank

    def _form(self, write: Write) -> Json:
        return {"$abs": write(self.rank)}


@dataclass(repr=False)
class Exp(Rank):
    """e to the power of a score."""

    rank: Rank

    def _form(self, write: Write) -> Json:
        return {"$exp": write(self.rank)}


@dataclass(repr=False)
class Log(Rank):
    """The natural logarithm of a score."""

    rank: Rank

    def _form(self, write: Write) -> Json:
        return {"$log": write(self.rank)}


@dataclass(repr=False)
class Sub(Rank):
    """The difference of two scores."""

    left: Rank
    right: Rank

    def _form(self, write: Write) -> Json:
        return {"$sub": {"left": write(self.left), "right": write(self.right)}}


@dataclass(repr=False)
class Div(Rank):
    """The quotient of two scores."""

    left: Rank
    right: Rank

    def _form(self, write: Write) -> Json:
        return {"$div": {"left": write(self.left), "right": write(self.right)}}


@dataclass(repr=False)
class Sum(Rank):
    """The sum of scores."""

    ranks: list[Rank]

    def _form(self, write: Write) -> Json:
        return {"$sum": [write(rank) for rank in self.ranks]}


@dataclass(repr=False)
class Mul(Rank):
    """The product of scores."""

    ranks: list[Rank]

    def _form(self, write: Write) -> Json:
        return {"$mul": [write(rank) for rank in self.ranks]}


@dataclass(repr=False)
class Max(Rank):
    """The largest of scores."""

    ranks: list[Rank]

    def _form(self, write: Write) -> Json:
        return {"$max": [write(rank) for rank in self.ranks]}


@dataclass(repr=False)
class Min(Rank):
    """The smallest of scores."""

    ranks: list[Rank]

    def _form(self, write: Write) -> Json:
        return {"$min": [write(rank) for rank in self.ranks]}


@dataclass(repr=False)
class Val(Rank):
    """The same score for every record. Use it in arithmetic: alone, it finds no record.

    Parameters
    ----------
    value
        The score.
    """

    value: float

    def _form(self, write: Write) -> Json:
        return {"$val": self.value}


@dataclass(repr=False)
class Knn(Rank):
    """Rank records by their distance to a query.

    Parameters
    ----------
    query
        A text, which the collection embeds; a vector; or a sparse vector.
    key
        ``K.EMBEDDING``, or the metadata key of a sparse vector index.
    limit
        How many of the nearest records to find.
    default
        The score of records that this ``Knn`` does not find, but another ``Knn`` of the ranking does. With None, such
        records are left out.
    return_rank
        Whether the score is the rank (0, 1, 2, …) instead of the distance.

    Notes
    -----
    Distances are those of ``query``: of the collection's space for vectors. For sparse vectors the distance is 1 minus
    the inner product, and only records that share a dimension with the query are found.

    Examples
    --------
    >>> Knn(query=[1.0, 0.0], limit=5).to_dict()
    {'$knn': {'query': [1.0, 0.0], 'key': '#embedding', 'limit': 5}}
    """

    query: str | list[float] | SparseVector | Array
    key: Key | str = K.EMBEDDING
    limit: int = 16
    default: float | None = None
    return_rank: bool = False

    def _form(self, write: Write) -> Json:
        query: object = self.query
        if (vector := as_sparse_vector(query)) is not None:
            query = vector.to_dict()
        elif isinstance(query, np.ndarray):
            query = unmasked(query).tolist()
        written = {"query": query, "key": name_of(self.key), "limit": self.limit}
        if self.default is not None:
            written["default"] = self.default
        if self.return_rank:
            written["return_rank"] = self.return_rank
        return {"$knn": written}


@dataclass(repr=False)
class Rrf(Rank):
    """Combine several rankings by reciprocal rank fusion.

    The score of a record is ``-sum(weight / (k + rank))``, so the best record has the lowest score. Use rankings that
    return ranks: ``Knn(…, return_rank=True)``. The method is that of Cormack, Clarke and Büttcher, "Reciprocal Rank
    Fusion outperforms Condorcet and individual Rank Learning Methods" (2009); ranks start at 0 here, as in Chroma.

    Parameters
    ----------
    ranks
        The rankings. Give each ``Knn`` a ``default`` if records that it does not find should be returned.
    k
        How much the first ranks stand out: the larger, the less.
    weights
        A weight for each ranking; 1 by default.
    normalize
        Whether to divide the weights by their sum.

    Raises
    ------
    ValueError
        When the expression is written or run: there is no ranking, ``k`` is not positive, a weight is negative, their
        number differs from that of the rankings, or, with ``normalize``, their sum is 0.

    Examples
    --------
    >>> Rrf([Val(1)], k=9).to_dict()
    {'$mul': [{'$val': -1}, {'$div': {'left': {'$val': 1.0}, 'right': {'$sum': [{'$val': 9}, {'$val': 1}]}}}]}
    """

    ranks: list[Rank]
    k: int = 60
    weights: list[float] | None = None
    normalize: bool = False

    def _form(self, write: Write) -> Json:
        return write(self.expanded())

    def expanded(self) -> Rank:
        """Return the fusion as arithmetic over its rankings.

        Raises
        ------
        ValueError
            ``k``, the weights and the rankings do not fit together.
        """
        terms = [weight / (self.k + rank) for weight, rank in zip(self._weights(), self.ranks, strict=True)]
        total: Rank = terms[0] if len(terms) == 1 else Sum([*terms])
        return -total

    def _weights(self) -> list[float]:
        if not self.ranks:
            raise ValueError("RRF requires at least one rank")
        if self.k <= 0:
            raise ValueError(f"k must be positive, got {self.k}")
        if self.weights is not None and len(self.weights) != len(self.ranks):
            raise ValueError(f"Number of weights ({len(self.weights)}) must match number of ranks ({len(self.ranks)})")
        weights = self.weights or [1.0] * len(self.ranks)
        if any(weight < 0.0 for weight in weights):
            raise ValueError("All weights must be non-negative")
        if not self.normalize:
            return weights
        if sum(weights) == 0:
            raise ValueError("Sum of weights must be positive when normalize=True")
        return [weight / sum(weights) for weight in weights]


def _rank_from_dict(data: Any, levels: int, least: int = 1) -> Rank:
    if levels <= 0:
        raise ValueError(f"Rank dict is nested more than {MAX_DEPTH} levels deep")
    if not as_dict(data, "Rank"):
        raise ValueError("Rank dict cannot be empty")
    if len(data) != 1:
        raise ValueError(f"Rank dict must contain exactly one operator, got {len(data)}")
    ((operator, operand),) = data.items()
    if operator not in _RANKS:
        raise ValueError(f"Unknown rank operator: {operator}")
    kind, build = _RANKS[operator]
    return build(kind, operator, operand, levels - 1, least)


def _val_from_dict(kind: type[Any], operator: str, operand: object, levels: int, least: int) -> Rank:
    if not isinstance(operand, int | float):
        type_error(operator, "requires a number", operand)
    return Val(operand)


def _one_from_dict(kind: type[Any], operator: str, operand: object, levels: int, least: int) -> Rank:
    if not isinstance(operand, dict):
        type_error(operator, "requires a rank dict", operand)
    return cast(Rank, kind(_rank_from_dict(operand, levels, least)))


def _two_from_dict(kind: type[Any], operator: str, operand: object, levels: int, least: int) -> Rank:
    if not isinstance(operand, dict):
        type_error(operator, "requires a dict with 'left' and 'right'", operand)
    if "left" not in operand or "right" not in operand:
        raise ValueError(f"{operator} requires 'left' and 'right' fields")
    return cast(
        Rank, kind(_rank_from_dict(operand["left"], levels, least), _rank_from_dict(operand["right"], levels, least))
    )


def _many_from_dict(kind: type[Any], operator: str, operand: object, levels: int, least: int) -> Rank:
    if not isinstance(operand, list | tuple):
        type_error(operator, "requires a list", operand)
    if len(operand) < 2:
        raise ValueError(f"{operator} requires at least 2 ranks, got {len(operand)}")
    return cast(Rank, joined(kind, "ranks", [_rank_from_dict(part, levels, least) for part in operand]))


def _knn_from_dict(kind: type[Any], operator: str, operand: object, levels: int, least: int) -> Rank:
    if not isinstance(operand, dict):
        type_error(operator, "requires a dict", operand)
    if "query" not in operand:
        raise ValueError(f"{operator} requires 'query' field")
    key, limit = operand.get("key", "#embedding"), operand.get("limit", 16)
    return_rank = operand.get("return_rank", False)
    if not isinstance(key, str):
        type_error(f"{operator} key", "must be a string", key)
    if not isinstance(limit, int):
        type_error(f"{operator} limit", "must be an integer", limit)
    if limit < least:
        raise ValueError(f"{operator} limit must be positive, got {limit}")
    if not isinstance(return_rank, bool):
        type_error(f"{operator} return_rank", "must be a boolean", return_rank)
    query = _query_from_dict(operator, operand["query"], sent=not least)
    return Knn(query, key, limit, operand.get("default"), return_rank)


def _query_from_dict(operator: str, query: object, *, sent: bool) -> Any:
    if isinstance(query, dict):
        if sent:
            return SparseVector.sent(query)
        if query.get(TYPE_KEY) != SPARSE_VECTOR_TYPE_VALUE:
            raise ValueError(f"Expected dict with {TYPE_KEY}='{SPARSE_VECTOR_TYPE_VALUE}', got {query}")
        return SparseVector.from_dict(query)
    if not isinstance(query, list | tuple | np.ndarray):
        type_error(f"{operator} query", "must be a list, numpy array, or SparseVector dict", query)
    rows = normalize_embeddings(query)
    if rows is None or len(rows) != 1:
        raise ValueError(f"{operator} requires exactly one query embedding")
    return validate_embeddings(rows)[0]


_RANKS: Final[dict[str, tuple[type[Rank], Callable[[type[Any], str, Any, int, int], Rank]]]] = {
    "$val": (Val, _val_from_dict),
    "$knn": (Knn, _knn_from_dict),
    "$sum": (Sum, _many_from_dict),
    "$mul": (Mul, _many_from_dict),
    "$max": (Max, _many_from_dict),
    "$min": (Min, _many_from_dict),
    "$sub": (Sub, _two_from_dict),
    "$div": (Div, _two_from_dict),
    "$abs": (Abs, _one_from_dict),
    "$exp": (Exp, _one_from_dict),
    "$log": (Log, _one_from_dict),
}

"""Search expressions: filters, rankings and selections as objects, and their JSON.

Built here, executed only where a backend can (Chroma's cloud): ``collection.get`` and ``query`` take
the dicts of ``where.py``, not these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from reprlib import recursive_repr
from typing import Any, ClassVar, Final, NoReturn, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt

from chroma_nb.cells import unmasked
from chroma_nb.operations.validate import maybe_cast_one_to_many, normalize_embeddings, validate_embeddings
from chroma_nb.plain import LARGEST, plain, plain_tree, too_many_parts
from chroma_nb.types import SPARSE_VECTOR_TYPE_VALUE, TYPE_KEY, LiteralValue, OneOrMany, SparseVector
from chroma_nb.where import MAX_DEPTH

Json: TypeAlias = dict[str, Any]
E = TypeVar("E")


def _type_error(what: str, expected: str, got: Any) -> NoReturn:
    raise TypeError(f"{what} {expected}, got {type(got).__name__}")


def _dict(data: Any, name: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise TypeError(f"Expected dict for {name}, got {type(data).__name__}")
    return data


def _plain_dict(data: Any, name: str) -> dict[str, Any]:
    """A dict with all that stands in it plain: a copy, as for filters."""
    return cast("dict[str, Any]", plain_tree(_dict(data, name)))


def _joined(kind: type[E], attribute: str, terms: Iterable[Any]) -> E:
    """One node over the terms; terms of the same kind give theirs, so that a chain stays flat."""
    flat: list[Any] = []
    for term in terms:
        flat += getattr(term, attribute) if isinstance(term, kind) else [term]
    if len(flat) > LARGEST and len(set(map(id, flat))) < len(flat):  # twenty times x = x & x are a million
        raise too_many_parts()
    return kind(flat)  # type: ignore[call-arg]  # every kind given here has the list as its one field


#: What writes a part of an expression.
_Write: TypeAlias = "Callable[[Any], Json]"


class _Expression:
    """A node of a filter or a ranking: written as JSON, and shown, never longer than anybody could read."""

    def to_dict(self) -> Json:
        """The expression as it is sent, of plain values.

        ValueError when parts occur in each other so often that nobody could write the whole out, and
        for what contains itself.
        """
        found = _Found()
        if _size(self, found) > LARGEST and found.again:
            raise too_many_parts()
        if found.circle:
            raise ValueError("Circular reference detected\nThe expression contains itself: write each part once.")
        return cast(Json, plain_tree(_written(self)))

    def _form(self, write: _Write) -> Json:
        raise NotImplementedError("Subclasses must implement to_dict()")

    @recursive_repr()
    def __repr__(self) -> str:
        name, found = type(self).__qualname__, _Found()
        if _size(self, found) > LARGEST and found.again:
            return f"{name}(…)"
        parts = ", ".join([f"{one.name}={getattr(self, one.name)!r}" for one in fields(cast(Any, self))])
        return f"{name}({parts})"


def _written(node: Any) -> Json:
    ours = isinstance(node, _Expression) and type(node).to_dict is _Expression.to_dict
    return cast(Json, node._form(_written) if ours else node.to_dict())


class _Found(dict[int, int]):
    """The sizes of nodes by their id, 0 of one that is being looked at; whether one was met again, or in itself."""

    again = circle = False


def _size(node: Any, found: _Found) -> int:
    """How many nodes an expression has, written out; what contains itself counts once."""
    if not isinstance(node, _Expression):
        return sum([_size(one, found) for one in node]) if isinstance(node, list) and _are_nodes(node) else 0
    if id(node) in found:
        found.again = True
        found.circle = found.circle or found[id(node)] == 0
        return found[id(node)]
    found[id(node)] = 0
    found[id(node)] = 1 + sum([_size(one, found) for one in vars(node).values()])
    return found[id(node)]


def _are_nodes(values: list[Any]) -> bool:
    """Whether a list holds nodes, by its first: a list of numbers may be long."""
    return bool(values) and isinstance(values[0], _Expression)


# --- Filters -------------------------------------------------------------------------------------------------
@dataclass(repr=False)
class Where(_Expression):
    """A condition on a record; ``&`` and ``|`` combine conditions.

    >>> ((K("year") > 1960) & (K("topic") == "moon")).to_dict()
    {'$and': [{'year': {'$gt': 1960}}, {'topic': {'$eq': 'moon'}}]}
    """

    @staticmethod
    def from_dict(data: Json) -> Where:
        """The condition that a dict describes; TypeError or ValueError when it is none.

        >>> Where.from_dict({"year": {"$gt": 1960}})
        Gt(key='year', value=1960)
        """
        return _where_from_dict(_plain_dict(data, "Where"), MAX_DEPTH)

    def __and__(self, other: Where) -> And:
        return _joined(And, "conditions", (self, other))

    def __or__(self, other: Where) -> Or:
        return _joined(Or, "conditions", (self, other))


@dataclass(repr=False)
class And(Where):
    """All conditions hold."""

    conditions: list[Where]

    def _form(self, write: _Write) -> Json:
        return {"$and": [write(condition) for condition in self.conditions]}


@dataclass(repr=False)
class Or(Where):
    """At least one condition holds."""

    conditions: list[Where]

    def _form(self, write: _Write) -> Json:
        return {"$or": [write(condition) for condition in self.conditions]}


class _OfKey(Where):
    """A condition on one key; its fields are the key and the operand."""

    operator: ClassVar[str]

    def _form(self, write: _Write) -> Json:
        key, operand = (getattr(self, one.name) for one in fields(cast(Any, self)))
        return {key: {self.operator: operand}}


@dataclass(repr=False)
class Eq(_OfKey):
    """The value equals the operand."""

    operator: ClassVar[str] = "$eq"
    key: str
    value: Any


@dataclass(repr=False)
class Ne(_OfKey):
    """The value does not equal the operand."""

    operator: ClassVar[str] = "$ne"
    key: str
    value: Any


@dataclass(repr=False)
class Gt(_OfKey):
    """The value is above the operand."""

    operator: ClassVar[str] = "$gt"
    key: str
    value: Any


@dataclass(repr=False)
class Gte(_OfKey):
    """The value is not below the operand."""

    operator: ClassVar[str] = "$gte"
    key: str
    value: Any


@dataclass(repr=False)
class Lt(_OfKey):
    """The value is below the operand."""

    operator: ClassVar[str] = "$lt"
    key: str
    value: Any


@dataclass(repr=False)
class Lte(_OfKey):
    """The value is not above the operand."""

    operator: ClassVar[str] = "$lte"
    key: str
    value: Any


@dataclass(repr=False)
class In(_OfKey):
    """The value is one of the operands."""

    operator: ClassVar[str] = "$in"
    key: str
    values: list[Any]


@dataclass(repr=False)
class Nin(_OfKey):
    """The value is none of the operands."""

    operator: ClassVar[str] = "$nin"
    key: str
    values: list[Any]


@dataclass(repr=False)
class Contains(_OfKey):
    """The document contains a text, or a list of metadata an element."""

    operator: ClassVar[str] = "$contains"
    key: str
    value: LiteralValue


@dataclass(repr=False)
class NotContains(_OfKey):
    """The document does not contain a text, or a list of metadata an element."""

    operator: ClassVar[str] = "$not_contains"
    key: str
    value: LiteralValue


@dataclass(repr=False)
class Regex(_OfKey):
    """The pattern is found."""

    operator: ClassVar[str] = "$regex"
    key: str
    pattern: str


@dataclass(repr=False)
class NotRegex(_OfKey):
    """The pattern is not found."""

    operator: ClassVar[str] = "$not_regex"
    key: str
    pattern: str


class Key:
    """A metadata key, or with "#" a field of the record, to build conditions with.

    >>> (K("year") >= 1960).to_dict(), K.DOCUMENT.contains("moon").to_dict()
    ({'year': {'$gte': 1960}}, {'#document': {'$contains': 'moon'}})
    """

    ID: ClassVar[Key]
    DOCUMENT: ClassVar[Key]
    EMBEDDING: ClassVar[Key]
    METADATA: ClassVar[Key]
    SCORE: ClassVar[Key]

    def __init__(self, name: str) -> None:
        self.name = name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"Key({self.name!r})"

    def __eq__(self, value: object) -> Eq:  # type: ignore[override]  # a condition, as Chroma's
        return Eq(self.name, value)

    def __ne__(self, value: object) -> Ne:  # type: ignore[override]  # a condition, as Chroma's
        return Ne(self.name, value)

    def __gt__(self, value: Any) -> Gt:
        return Gt(self.name, value)

    def __ge__(self, value: Any) -> Gte:
        return Gte(self.name, value)

    def __lt__(self, value: Any) -> Lt:
        return Lt(self.name, value)

    def __le__(self, value: Any) -> Lte:
        return Lte(self.name, value)

    def is_in(self, values: list[Any]) -> In:
        """The value is one of these."""
        return In(self.name, values)

    def not_in(self, values: list[Any]) -> Nin:
        """The value is none of these."""
        return Nin(self.name, values)

    def regex(self, pattern: str) -> Regex:
        """The pattern is found."""
        return Regex(self.name, pattern)

    def not_regex(self, pattern: str) -> NotRegex:
        """The pattern is not found."""
        return NotRegex(self.name, pattern)

    def contains(self, value: LiteralValue) -> Contains:
        """The document contains this text, or the list under this key this element."""
        self._check_contained("$contains", value)
        return Contains(self.name, value)

    def not_contains(self, value: LiteralValue) -> NotContains:
        """The document does not contain this text, or the list under this key this element."""
        self._check_contained("$not_contains", value)
        return NotContains(self.name, value)

    def _check_contained(self, operator: str, value: Any) -> None:
        if self.name == "#document" and not isinstance(value, str):
            raise TypeError(f"{operator} on #document requires a string pattern")


Key.ID = Key("#id")
Key.DOCUMENT = Key("#document")
Key.EMBEDDING = Key("#embedding")
Key.METADATA = Key("#metadata")
Key.SCORE = Key("#score")
K = Key

#: Operator -> how a condition is built, what its operand must be, and that in words.
_CONDITIONS: Final[dict[str, tuple[Callable[[Key, Any], Where], Any, str]]] = {
    "$eq": (lambda key, operand: key == operand, object, ""),
    "$ne": (lambda key, operand: key != operand, object, ""),
    "$gt": (lambda key, operand: key > operand, object, ""),
    "$gte": (lambda key, operand: key >= operand, object, ""),
    "$lt": (lambda key, operand: key < operand, object, ""),
    "$lte": (lambda key, operand: key <= operand, object, ""),
    "$in": (Key.is_in, list, "a list"),
    "$nin": (Key.not_in, list, "a list"),
    "$contains": (Key.contains, str | int | float, "a str, int, float, or bool"),
    "$not_contains": (Key.not_contains, str | int | float, "a str, int, float, or bool"),
    "$regex": (Key.regex, str, "a string pattern"),
    "$not_regex": (Key.not_regex, str, "a string pattern"),
}


def _where_from_dict(data: Any, levels: int) -> Where:
    if levels <= 0:
        raise ValueError(f"Where dict is nested more than {MAX_DEPTH} levels deep")
    if not _dict(data, "Where"):
        raise ValueError("Where dict cannot be empty")
    for name, kind in (("$and", And), ("$or", Or)):
        if name in data:
            return _junction_from_dict(data, name, kind, levels)
    if len(data) != 1:
        raise ValueError(f"Where dict must contain exactly one field, got {len(data)}")
    ((key, condition),) = data.items()
    if not isinstance(key, str):
        _type_error("Field name", "must be a string", key)
    return _condition_from_dict(key, condition) if isinstance(condition, dict) else Key(key) == condition


def _junction_from_dict(data: Json, name: str, kind: type[And] | type[Or], levels: int) -> Where:
    terms = data[name]
    if not isinstance(terms, list):
        _type_error(name, "must be a list", terms)
    if not terms:
        raise ValueError(f"{name} requires at least one condition")
    if len(data) > 1:
        raise ValueError(f"{name} cannot be combined with other fields in the same dict")
    conditions = [_where_from_dict(term, levels - 1) for term in terms]
    return conditions[0] if len(conditions) == 1 else _joined(kind, "conditions", conditions)


def _condition_from_dict(key: str, condition: Json) -> Where:
    if not condition:
        raise ValueError(f"Operator dict for field '{key}' cannot be empty")
    if len(condition) != 1:
        raise ValueError(f"Operator dict for field '{key}' must contain exactly one operator")
    ((operator, operand),) = condition.items()
    if operator not in _CONDITIONS:
        raise ValueError(f"Unknown operator: {operator}")
    build, kind, words = _CONDITIONS[operator]
    if not isinstance(operand, kind):
        _type_error(operator, f"requires {words}", operand)
    return build(Key(key), operand)


# --- Rankings ------------------------------------------------------------------------------------------------
@dataclass(repr=False)
class Rank(_Expression):
    """A score for each record, lower first; arithmetic combines scores.

    >>> (Knn(query=[1.0, 2.0]) * 0.5 + 1).to_dict()["$sum"][1]
    {'$val': 1}
    """

    @staticmethod
    def from_dict(data: Json) -> Rank:
        """The score that a dict describes; TypeError or ValueError when it is none.

        >>> Rank.from_dict({"$sum": [{"$val": 1}, {"$val": 2}]})
        Sum(ranks=[Val(value=1), Val(value=2)])
        """
        return _rank_from_dict(_plain_dict(data, "Rank"), MAX_DEPTH)

    def __add__(self, other: Rank | float) -> Sum:
        return _joined(Sum, "ranks", (self, _rank(other)))

    def __radd__(self, other: float) -> Sum:
        return _rank(other) + self

    def __sub__(self, other: Rank | float) -> Sub:
        return Sub(self, _rank(other))

    def __rsub__(self, other: float) -> Sub:
        return Sub(_rank(other), self)

    def __mul__(self, other: Rank | float) -> Mul:
        return _joined(Mul, "ranks", (self, _rank(other)))

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
        """The absolute value."""
        return Abs(self)

    def exp(self) -> Exp:
        """e to the power of the score."""
        return Exp(self)

    def log(self) -> Log:
        """The natural logarithm."""
        return Log(self)

    def max(self, other: Rank | float) -> Max:
        """The larger of two scores."""
        return _joined(Max, "ranks", (self, _rank(other)))

    def min(self, other: Rank | float) -> Min:
        """The smaller of two scores."""
        return _joined(Min, "ranks", (self, _rank(other)))


def _rank(value: Rank | float) -> Rank:
    return Val(value) if isinstance(value, int | float) else value


@dataclass(repr=False)
class Abs(Rank):
    """The absolute value of a score."""

    rank: Rank

    def _form(self, write: _Write) -> Json:
        return {"$abs": write(self.rank)}


@dataclass(repr=False)
class Exp(Rank):
    """e to the power of a score."""

    rank: Rank

    def _form(self, write: _Write) -> Json:
        return {"$exp": write(self.rank)}


@dataclass(repr=False)
class Log(Rank):
    """The natural logarithm of a score."""

    rank: Rank

    def _form(self, write: _Write) -> Json:
        return {"$log": write(self.rank)}


@dataclass(repr=False)
class Sub(Rank):
    """The difference of two scores."""

    left: Rank
    right: Rank

    def _form(self, write: _Write) -> Json:
        return {"$sub": {"left": write(self.left), "right": write(self.right)}}


@dataclass(repr=False)
class Div(Rank):
    """The quotient of two scores."""

    left: Rank
    right: Rank

    def _form(self, write: _Write) -> Json:
        return {"$div": {"left": write(self.left), "right": write(self.right)}}


@dataclass(repr=False)
class Sum(Rank):
    """The sum of scores."""

    ranks: list[Rank]

    def _form(self, write: _Write) -> Json:
        return {"$sum": [write(rank) for rank in self.ranks]}


@dataclass(repr=False)
class Mul(Rank):
    """The product of scores."""

    ranks: list[Rank]

    def _form(self, write: _Write) -> Json:
        return {"$mul": [write(rank) for rank in self.ranks]}


@dataclass(repr=False)
class Max(Rank):
    """The largest of scores."""

    ranks: list[Rank]

    def _form(self, write: _Write) -> Json:
        return {"$max": [write(rank) for rank in self.ranks]}


@dataclass(repr=False)
class Min(Rank):
    """The smallest of scores."""

    ranks: list[Rank]

    def _form(self, write: _Write) -> Json:
        return {"$min": [write(rank) for rank in self.ranks]}


@dataclass(repr=False)
class Val(Rank):
    """The same score for all."""

    value: float

    def _form(self, write: _Write) -> Json:
        return {"$val": self.value}


@dataclass(repr=False)
class Knn(Rank):
    """The distance to a query: a vector, a sparse vector, or a text to be embedded.

    The ``limit`` nearest have one, the others ``default`` (None: they are left out). With
    ``return_rank`` the score is the place, 0, 1, 2…, instead of the distance.
    """

    query: str | list[float] | SparseVector | npt.NDArray[Any]
    key: Key | str = K.EMBEDDING
    limit: int = 16
    default: float | None = None
    return_rank: bool = False

    def _form(self, write: _Write) -> Json:
        query: Any = self.query
        if isinstance(query, SparseVector):
            query = query.to_dict()
        elif isinstance(query, np.ndarray):
            query = unmasked(query).tolist()
        written = {"query": query, "key": _name(self.key), "limit": self.limit}
        if self.default is not None:
            written["default"] = self.default
        if self.return_rank:
            written["return_rank"] = self.return_rank
        return {"$knn": written}


@dataclass(repr=False)
class Rrf(Rank):
    """Reciprocal rank fusion: minus the sum of weight / (k + rank) over several rankings.

    >>> Rrf([Val(1)], k=9).to_dict()
    {'$mul': [{'$val': -1}, {'$div': {'left': {'$val': 1.0}, 'right': {'$sum': [{'$val': 9}, {'$val': 1}]}}}]}
    """

    ranks: list[Rank]
    k: int = 60
    weights: list[float] | None = None
    normalize: bool = False

    def _form(self, write: _Write) -> Json:
        terms = [weight / (self.k + rank) for weight, rank in zip(self._weights(), self.ranks, strict=True)]
        total: Rank = terms[0] if len(terms) == 1 else Sum([*terms])
        return write(-total)

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


def _rank_from_dict(data: Any, levels: int) -> Rank:
    if levels <= 0:
        raise ValueError(f"Rank dict is nested more than {MAX_DEPTH} levels deep")
    if not _dict(data, "Rank"):
        raise ValueError("Rank dict cannot be empty")
    if len(data) != 1:
        raise ValueError(f"Rank dict must contain exactly one operator, got {len(data)}")
    ((operator, operand),) = data.items()
    if operator not in _RANKS:
        raise ValueError(f"Unknown rank operator: {operator}")
    kind, build = _RANKS[operator]
    return build(kind, operator, operand, levels - 1)


def _val_from_dict(kind: type[Any], operator: str, operand: Any, levels: int) -> Rank:
    if not isinstance(operand, int | float):
        _type_error(operator, "requires a number", operand)
    return Val(operand)


def _one_from_dict(kind: type[Any], operator: str, operand: Any, levels: int) -> Rank:
    if not isinstance(operand, dict):
        _type_error(operator, "requires a rank dict", operand)
    return cast(Rank, kind(_rank_from_dict(operand, levels)))


def _two_from_dict(kind: type[Any], operator: str, operand: Any, levels: int) -> Rank:
    if not isinstance(operand, dict):
        _type_error(operator, "requires a dict with 'left' and 'right'", operand)
    if "left" not in operand or "right" not in operand:
        raise ValueError(f"{operator} requires 'left' and 'right' fields")
    return cast(Rank, kind(_rank_from_dict(operand["left"], levels), _rank_from_dict(operand["right"], levels)))


def _many_from_dict(kind: type[Any], operator: str, operand: Any, levels: int) -> Rank:
    if not isinstance(operand, list | tuple):
        _type_error(operator, "requires a list", operand)
    if len(operand) < 2:
        raise ValueError(f"{operator} requires at least 2 ranks, got {len(operand)}")
    return cast(Rank, _joined(kind, "ranks", [_rank_from_dict(part, levels) for part in operand]))


def _knn_from_dict(kind: type[Any], operator: str, operand: Any, levels: int) -> Rank:
    if not isinstance(operand, dict):
        _type_error(operator, "requires a dict", operand)
    if "query" not in operand:
        raise ValueError(f"{operator} requires 'query' field")
    key, limit = operand.get("key", "#embedding"), operand.get("limit", 16)
    return_rank = operand.get("return_rank", False)
    if not isinstance(key, str):
        _type_error(f"{operator} key", "must be a string", key)
    if not isinstance(limit, int):
        _type_error(f"{operator} limit", "must be an integer", limit)
    if limit <= 0:
        raise ValueError(f"{operator} limit must be positive, got {limit}")
    if not isinstance(return_rank, bool):
        _type_error(f"{operator} return_rank", "must be a boolean", return_rank)
    return Knn(_query_from_dict(operator, operand["query"]), key, limit, operand.get("default"), return_rank)


def _query_from_dict(operator: str, query: Any) -> Any:
    if isinstance(query, dict):
        if query.get(TYPE_KEY) != SPARSE_VECTOR_TYPE_VALUE:
            raise ValueError(f"Expected dict with {TYPE_KEY}='{SPARSE_VECTOR_TYPE_VALUE}', got {query}")
        return SparseVector.from_dict(query)
    if not isinstance(query, list | tuple | np.ndarray):
        _type_error(f"{operator} query", "must be a list, numpy array, or SparseVector dict", query)
    rows = normalize_embeddings(query)
    if rows is None or len(rows) != 1:
        raise ValueError(f"{operator} requires exactly one query embedding")
    return validate_embeddings(rows)[0]


_RANKS: Final[dict[str, tuple[type[Rank], Callable[[type[Any], str, Any, int], Rank]]]] = {
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


# --- What comes back -----------------------------------------------------------------------------------------
@dataclass
class Limit:
    """Which of the ranked records come back.

    >>> Limit(offset=10, limit=5).to_dict()
    {'offset': 10, 'limit': 5}
    """

    offset: int = 0
    limit: int | None = None

    def to_dict(self) -> Json:
        """The limit as it is sent."""
        offset, limit = plain(self.offset), plain(self.limit)
        return {"offset": offset} if limit is None else {"offset": offset, "limit": limit}

    @staticmethod
    def from_dict(data: Json) -> Limit:
        """The limit that a dict describes; TypeError or ValueError when it is none."""
        data = _plain_dict(data, "Limit")
        offset, limit = data.get("offset", 0), data.get("limit")
        if not isinstance(offset, int):
            _type_error("Limit offset", "must be an integer", offset)
        if offset < 0:
            raise ValueError(f"Limit offset must be non-negative, got {offset}")
        if limit is not None and not isinstance(limit, int):
            _type_error("Limit limit", "must be an integer", limit)
        if limit is not None and limit <= 0:
            raise ValueError(f"Limit limit must be positive, got {limit}")
        _refuse_unexpected(data, {"offset", "limit"}, "Limit")
        return Limit(offset=offset, limit=limit)


@dataclass
class Select:
    """Which fields come back: metadata keys, and fields of the record by their "#" names.

    >>> Select(keys={K.DOCUMENT}).to_dict()
    {'keys': ['#document']}
    """

    keys: set[Key | str] = field(default_factory=set)

    def to_dict(self) -> Json:
        """The selection as it is sent."""
        return {"keys": list(dict.fromkeys(map(_name, self.keys)))}

    @staticmethod
    def from_dict(data: Json) -> Select:
        """The selection that a dict describes; TypeError or ValueError when it is none."""
        data = _plain_dict(data, "Select")
        keys = data.get("keys", [])
        if not isinstance(keys, list | tuple | set):
            _type_error("Select keys", "must be a list/tuple/set", keys)
        for key in keys:
            if not isinstance(key, str):
                _type_error("Select key", "must be a string", key)
        _refuse_unexpected(data, {"keys"}, "Select")
        return Select(keys={*map(Key, dict.fromkeys(map(plain, keys)))})


def _name(key: Key | str) -> str:
    return cast(str, plain(key.name if isinstance(key, Key) else key))


def _names(keys: OneOrMany[Key | str]) -> list[str]:
    return [_name(key) for key in cast("list[Key | str]", maybe_cast_one_to_many(keys))]


def _refuse_unexpected(data: Mapping[str, Any], allowed: set[str], name: str) -> None:
    unexpected = set(data) - allowed
    if unexpected:
        raise ValueError(f"Unexpected keys in {name} dict: {unexpected}")


@dataclass
class Aggregate:
    """Which records of a group stay."""

    def to_dict(self) -> Json:
        """The aggregate as it is sent."""
        raise NotImplementedError("Subclasses must implement to_dict()")

    @staticmethod
    def from_dict(data: Json) -> Aggregate:
        """The aggregate that a dict describes; TypeError or ValueError when it is none."""
        data = _plain_dict(data, "Aggregate")
        if not data:
            raise ValueError("Aggregate dict cannot be empty")
        if len(data) != 1:
            raise ValueError(f"Aggregate dict must contain exactly one operator, got {len(data)}")
        ((operator, operand),) = data.items()
        if operator not in _AGGREGATES:
            raise ValueError(f"Unknown aggregate operator: {operator}")
        return _AGGREGATES[operator](*_keys_and_k(operator, operand))


@dataclass
class MinK(Aggregate):
    """The ``k`` records with the smallest values of the keys."""

    keys: OneOrMany[Key | str]
    k: int

    def to_dict(self) -> Json:
        return {"$min_k": {"keys": _names(self.keys), "k": plain(self.k)}}


@dataclass
class MaxK(Aggregate):
    """The ``k`` records with the largest values of the keys."""

    keys: OneOrMany[Key | str]
    k: int

    def to_dict(self) -> Json:
        return {"$max_k": {"keys": _names(self.keys), "k": plain(self.k)}}


_AGGREGATES: Final[dict[str, type[MinK] | type[MaxK]]] = {"$min_k": MinK, "$max_k": MaxK}


def _keys_and_k(operator: str, operand: Any) -> tuple[list[Key | str], int]:
    if not isinstance(operand, dict):
        _type_error(operator, "requires a dict", operand)
    for name in ("keys", "k"):
        if name not in operand:
            raise ValueError(f"{operator} requires '{name}' field")
    keys, k = operand["keys"], operand["k"]
    if not isinstance(keys, list | tuple):
        _type_error(f"{operator} keys", "must be a list", keys)
    if not keys:
        raise ValueError(f"{operator} keys cannot be empty")
    if not isinstance(k, int):
        _type_error(f"{operator} k", "must be an integer", k)
    if k <= 0:
        raise ValueError(f"{operator} k must be positive, got {k}")
    return _keys(keys), k


def _keys(names: Iterable[Any]) -> list[Key | str]:
    return [Key(plain(name)) if isinstance(name, str) else name for name in names]


@dataclass
class GroupBy:
    """Records grouped by metadata keys, of each group those the aggregate leaves.

    >>> GroupBy(keys=K("topic"), aggregate=MinK(keys=K.SCORE, k=3)).to_dict()
    {'keys': ['topic'], 'aggregate': {'$min_k': {'keys': ['#score'], 'k': 3}}}
    """

    keys: OneOrMany[Key | str] = field(default_factory=list)
    aggregate: Aggregate | None = None

    def to_dict(self) -> Json:
        """The grouping as it is sent; empty when there is none."""
        if not self.keys or self.aggregate is None:
            return {}
        return {"keys": _names(self.keys), "aggregate": self.aggregate.to_dict()}

    @staticmethod
    def from_dict(data: Json) -> GroupBy:
        """The grouping that a dict describes; TypeError or ValueError when it is none."""
        data = _plain_dict(data, "GroupBy")
        if not data:
            return GroupBy()
        for name in ("keys", "aggregate"):
            if name not in data:
                raise ValueError(f"GroupBy requires '{name}' field")
        keys, aggregate = data["keys"], data["aggregate"]
        if not isinstance(keys, list | tuple):
            _type_error("GroupBy keys", "must be a list", keys)
        if not keys:
            raise ValueError("GroupBy keys cannot be empty")
        if not isinstance(aggregate, dict):
            _type_error("GroupBy aggregate", "must be a dict", aggregate)
        return GroupBy(keys=_keys(keys), aggregate=Aggregate.from_dict(aggregate))


class Search:
    """One hybrid search: filter, ranking, grouping, limit, selection; each as object, dict, or by a method.

    >>> Search().where(K("topic") == "moon").rank(Knn(query=[1.0])).limit(5).to_dict()["limit"]
    {'offset': 0, 'limit': 5}
    """

    def __init__(
        self,
        where: Where | Json | None = None,
        rank: Rank | Json | None = None,
        group_by: GroupBy | Json | None = None,
        limit: Limit | Json | int | None = None,
        select: Select | Json | list[str] | set[str] | None = None,
    ) -> None:
        if isinstance(limit, int):
            limit = {"limit": limit, "offset": 0}
        if isinstance(select, list | set):
            select = {"keys": list(select)}
        self._where = None if where is None else _part("where", "", Where, where)
        self._rank = None if rank is None else _part("rank", "", Rank, rank)
        self._group_by = GroupBy() if group_by is None else _part("group_by", "", GroupBy, group_by)
        self._limit = Limit() if limit is None else _part("limit", "int, ", Limit, limit)
        self._select = Select() if select is None else _part("select", "list, set, ", Select, select)

    def __repr__(self) -> str:
        return f"Search({self.to_dict()})"

    def to_dict(self) -> Json:
        """The search as it is sent."""
        return {
            "filter": None if self._where is None else self._where.to_dict(),
            "rank": None if self._rank is None else self._rank.to_dict(),
            "group_by": self._group_by.to_dict(),
            "limit": self._limit.to_dict(),
            "select": self._select.to_dict(),
        }

    def where(self, where: Where | Json | None) -> Search:
        """This search with another filter."""
        return self._with(where=where)

    def rank(self, rank_expr: Rank | Json | None) -> Search:
        """This search with another ranking."""
        return self._with(rank=rank_expr)

    def group_by(self, group_by: GroupBy | Json | None) -> Search:
        """This search with another grouping."""
        return self._with(group_by=group_by)

    def limit(self, limit: int, offset: int = 0) -> Search:
        """This search with another limit."""
        return self._with(limit=Limit(offset=offset, limit=limit))

    def select(self, *keys: Key | str) -> Search:
        """This search answering these fields."""
        return self._with(select=Select(keys=set(keys)))

    def select_all(self) -> Search:
        """This search answering document, embedding, metadata and score."""
        return self.select(Key.DOCUMENT, Key.EMBEDDING, Key.METADATA, Key.SCORE)

    def _with(self, **changes: Any) -> Search:
        parts = {
            "where": self._where,
            "rank": self._rank,
            "group_by": self._group_by,
            "limit": self._limit,
            "select": self._select,
        }
        return Search(**{**parts, **changes})


def _part(name: str, also: str, kind: type[E], value: Any) -> E:
    if isinstance(value, kind):
        return value
    if isinstance(value, dict):
        return cast(E, cast(Any, kind).from_dict(value))
    raise TypeError(f"{name} must be a {kind.__name__} object, dict, {also}or None, got {type(value).__name__}")

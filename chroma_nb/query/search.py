"""Searches: a filter, a ranking, and what comes back, as objects and as JSON.

``collection.search`` runs them; ``collection.get`` and ``query`` take dicts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, cast

from chroma_nb.plain import maybe_cast_one_to_many, plain
from chroma_nb.query.conditions import Key, Where, name_of
from chroma_nb.query.expression import E, plain_dict, type_error
from chroma_nb.query.parsing import parse_where
from chroma_nb.query.ranking import Rank
from chroma_nb.types import Fields, Json, OneOrMany


@dataclass
class Limit:
    """Choose which part of the ranked records to return.

    Parameters
    ----------
    offset
        How many records to skip.
    limit
        How many records to return at most; None for all.

    Examples
    --------
    >>> Limit(offset=10, limit=5).to_dict()
    {'offset': 10, 'limit': 5}
    """

    offset: int = 0
    limit: int | None = None

    def to_dict(self) -> Json:
        """Return the limit as JSON."""
        offset, limit = plain(self.offset), plain(self.limit)
        return {"offset": offset} if limit is None else {"offset": offset, "limit": limit}

    @staticmethod
    def from_dict(data: Json) -> Limit:
        """Create a ``Limit`` from a dict.

        Raises
        ------
        TypeError
            A number is not an integer, or ``data`` is not a dict.
        ValueError
            ``offset`` is negative, ``limit`` is less than 1, or a key is unknown.
        """
        data = plain_dict(data, "Limit")
        offset, limit = data.get("offset", 0), data.get("limit")
        if not isinstance(offset, int):
            type_error("Limit offset", "must be an integer", offset)
        if offset < 0:
            raise ValueError(f"Limit offset must be non-negative, got {offset}")
        if limit is not None and not isinstance(limit, int):
            type_error("Limit limit", "must be an integer", limit)
        if limit is not None and limit <= 0:
            raise ValueError(f"Limit limit must be positive, got {limit}")
        _refuse_unexpected(data, {"offset", "limit"}, "Limit")
        return Limit(offset=offset, limit=limit)


@dataclass
class Select:
    """Choose which fields to return.

    Parameters
    ----------
    keys
        Metadata keys, and fields of the record: ``K.DOCUMENT``, ``K.EMBEDDING``, ``K.METADATA``, ``K.SCORE``. Ids are
        returned in any case.

    Examples
    --------
    >>> from chroma_nb.query.conditions import K
    >>> Select(keys={K.DOCUMENT}).to_dict()
    {'keys': ['#document']}
    """

    keys: set[Key | str] = field(default_factory=set)

    def to_dict(self) -> Json:
        """Return the selection as JSON."""
        return {"keys": list(dict.fromkeys(map(name_of, self.keys)))}

    @staticmethod
    def from_dict(data: Json) -> Select:
        """Create a ``Select`` from a dict. Raise a TypeError or a ValueError if the dict does not describe one."""
        data = plain_dict(data, "Select")
        keys = data.get("keys", [])
        if not isinstance(keys, list | tuple | set):
            type_error("Select keys", "must be a list/tuple/set", keys)
        for key in keys:
            if not isinstance(key, str):
                type_error("Select key", "must be a string", key)
        _refuse_unexpected(data, {"keys"}, "Select")
        return Select(keys={*map(Key, dict.fromkeys(map(plain, keys)))})


def _names(keys: OneOrMany[Key | str]) -> list[str]:
    return [name_of(key) for key in cast("list[Key | str]", maybe_cast_one_to_many(keys))]


def _refuse_unexpected(data: Fields, allowed: set[str], name: str) -> None:
    unexpected = set(data) - allowed
    if unexpected:
        raise ValueError(f"Unexpected keys in {name} dict: {unexpected}")


@dataclass
class Aggregate:
    """Base class of ``MinK`` and ``MaxK``, which choose the records of a group."""

    def to_dict(self) -> Json:
        """Return the aggregate as JSON."""
        raise NotImplementedError("Subclasses must implement to_dict()")

    @staticmethod
    def from_dict(data: Json) -> Aggregate:
        """Create a ``MinK`` or a ``MaxK`` from a dict. Raise a TypeError or a ValueError if it describes neither."""
        data = plain_dict(data, "Aggregate")
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
    """Keep the ``k`` records of each group with the smallest values.

    Parameters
    ----------
    keys
        What to compare: metadata keys or ``K.SCORE``. Further keys decide between records that are equal in the first.
        A record without a key comes before all others.
    k
        How many records of each group to keep.
    """

    keys: OneOrMany[Key | str]
    k: int

    def to_dict(self) -> Json:
        """Return the aggregate as JSON."""
        return {"$min_k": {"keys": _names(self.keys), "k": plain(self.k)}}


@dataclass
class MaxK(Aggregate):
    """Keep the ``k`` records of each group with the largest values.

    Parameters
    ----------
    keys
        What to compare: metadata keys or ``K.SCORE``. Further keys decide between records that are equal in the first.
        A record without a key comes after all others.
    k
        How many records of each group to keep.
    """

    keys: OneOrMany[Key | str]
    k: int

    def to_dict(self) -> Json:
        """Return the aggregate as JSON."""
        return {"$max_k": {"keys": _names(self.keys), "k": plain(self.k)}}


_AGGREGATES: Final[dict[str, type[MinK] | type[MaxK]]] = {"$min_k": MinK, "$max_k": MaxK}


def _keys_and_k(operator: str, operand: object) -> tuple[list[Key | str], int]:
    if not isinstance(operand, dict):
        type_error(operator, "requires a dict", operand)
    for name in ("keys", "k"):
        if name not in operand:
            raise ValueError(f"{operator} requires '{name}' field")
    keys, k = operand["keys"], operand["k"]
    if not isinstance(keys, list | tuple):
        type_error(f"{operator} keys", "must be a list", keys)
    if not keys:
        raise ValueError(f"{operator} keys cannot be empty")
    if not isinstance(k, int):
        type_error(f"{operator} k", "must be an integer", k)
    if k <= 0:
        raise ValueError(f"{operator} k must be positive, got {k}")
    return _keys(keys), k


def _keys(names: Iterable[Any]) -> list[Key | str]:
    return [Key(plain(name)) if isinstance(name, str) else name for name in names]


@dataclass
class GroupBy:
    """Group the ranked records by metadata keys and keep some records of each group.

    The groups are made from the records that the ranking found, before the limit is applied.

    Parameters
    ----------
    keys
        The metadata keys to group by. Records without a key form a group of their own.
    aggregate
        Which records of a group to keep: ``MinK`` or ``MaxK``.

    Examples
    --------
    >>> from chroma_nb.query.conditions import K
    >>> GroupBy(keys=K("topic"), aggregate=MinK(keys=K.SCORE, k=3)).to_dict()
    {'keys': ['topic'], 'aggregate': {'$min_k': {'keys': ['#score'], 'k': 3}}}
    """

    keys: OneOrMany[Key | str] = field(default_factory=list)
    aggregate: Aggregate | None = None

    def to_dict(self) -> Json:
        """Return the grouping as JSON; an empty dict if ``keys`` or ``aggregate`` is missing."""
        if not self.keys or self.aggregate is None:
            return {}
        return {"keys": _names(self.keys), "aggregate": self.aggregate.to_dict()}

    @staticmethod
    def from_dict(data: Json) -> GroupBy:
        """Create a ``GroupBy`` from a dict. Raise a TypeError or a ValueError if the dict does not describe one."""
        data = plain_dict(data, "GroupBy")
        if not data:
            return GroupBy()
        for name in ("keys", "aggregate"):
            if name not in data:
                raise ValueError(f"GroupBy requires '{name}' field")
        keys, aggregate = data["keys"], data["aggregate"]
        if not isinstance(keys, list | tuple):
            type_error("GroupBy keys", "must be a list", keys)
        if not keys:
            raise ValueError("GroupBy keys cannot be empty")
        if not isinstance(aggregate, dict):
            type_error("GroupBy aggregate", "must be a dict", aggregate)
        return GroupBy(keys=_keys(keys), aggregate=Aggregate.from_dict(aggregate))


class Search:
    """Describe one search: a filter, a ranking, groups, a limit and a selection of fields.

    Each part is an argument, or is set by a method that returns a new search. Run it with ``collection.search``.

    Parameters
    ----------
    where
        The filter, built with ``K`` or given as a dict.
    rank
        The ranking, such as ``Knn`` or ``Rrf``, or a dict. Without it, records come in stored order.
    group_by
        The grouping, or a dict. Needs a ranking.
    limit
        The number of records to return, a ``Limit`` or a dict.
    select
        The fields to return, as ``Select``, list, set or dict. Without it, only ids are returned.

    Raises
    ------
    TypeError
        A part is of another type.
    ValueError
        A part is malformed, or the limit is less than 1.

    Examples
    --------
    >>> from chroma_nb.query.conditions import K
    >>> from chroma_nb.query.ranking import Knn
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

    @staticmethod
    def sent(data: Fields) -> Search:
        """Create the search that an engine received.

        It is less strict than the constructor: a limit of 0 is allowed, and half a grouping counts as none.

        Raises
        ------
        TypeError, ValueError
            ``data`` does not describe a search.
        """
        limit = plain_dict(data.get("limit") or {}, "Limit")
        search = Search(
            rank=None if data.get("rank") is None else Rank.sent(data["rank"]),
            group_by=data.get("group_by") or {},
            select=data.get("select") or {},
        )
        search._where = parse_where(data["filter"]) if data.get("filter") else None
        search._limit = Limit(_count(limit, "offset") or 0, _count(limit, "limit"))
        return search

    def to_dict(self) -> Json:
        """Return the search as JSON, in Chroma's form."""
        return {
            "filter": None if self._where is None else self._where.to_dict(),
            "rank": None if self._rank is None else self._rank.to_dict(),
            "group_by": self._group_by.to_dict(),
            "limit": self._limit.to_dict(),
            "select": self._select.to_dict(),
        }

    def where(self, where: Where | Json | None) -> Search:
        """Return this search with another filter; None removes it."""
        return self._with(where=where)

    def rank(self, rank_expr: Rank | Json | None) -> Search:
        """Return this search with another ranking; None removes it."""
        return self._with(rank=rank_expr)

    def group_by(self, group_by: GroupBy | Json | None) -> Search:
        """Return this search with another grouping; None removes it."""
        return self._with(group_by=group_by)

    def limit(self, limit: int, offset: int = 0) -> Search:
        """Return this search with another limit.

        Parameters
        ----------
        limit
            How many records to return at most.
        offset
            How many of the ranked records to skip.
        """
        return self._with(limit=Limit(offset=offset, limit=limit))

    def select(self, *keys: Key | str) -> Search:
        """Return this search with another selection of fields.

        Parameters
        ----------
        *keys
            Metadata keys, and ``K.DOCUMENT``, ``K.EMBEDDING``, ``K.METADATA``, ``K.SCORE``.
        """
        return self._with(select=Select(keys=set(keys)))

    def select_all(self) -> Search:
        """Return this search with documents, embeddings, metadata and scores selected."""
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


def _count(limit: Json, name: str) -> int | None:
    count = limit.get(name)
    if count is not None and (type(count) is not int or count < 0):
        raise ValueError(f"Expected {name} to be an integer of 0 or more, got {count!r}")
    return count


def _part(name: str, also: str, kind: type[E], value: object) -> E:
    if isinstance(value, kind):
        return value
    if isinstance(value, dict):
        return cast(E, cast(Any, kind).from_dict(value))
    raise TypeError(f"{name} must be a {kind.__name__} object, dict, {also}or None, got {type(value).__name__}")

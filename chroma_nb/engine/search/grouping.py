"""Group ranked records and keep some of each group.

The records come in the order of their scores, and those that stay keep that order. A record without a key has a
special value for it, which is below all others. Chroma's order of values, from its ``MetadataValue``: false, true,
integers, floats, texts, sparse vectors, then lists of these; 1 and 1.0 are two values.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias, cast

import numpy as np

from chroma_nb.engine.arrays import Float32, Ints, Rows
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.plain import maybe_cast_one_to_many
from chroma_nb.query.conditions import Key, name_of
from chroma_nb.query.search import Aggregate, GroupBy, MaxK, MinK
from chroma_nb.types import Fields, OneOrMany, SparseVector

#: The metadata of rows (ascending), one for each.
Metadata: TypeAlias = Callable[[Rows], Sequence[Fields | None]]

_SCORE: Final = Key.SCORE.name
#: Names that are not metadata keys; "#id" is a key that no record has.
_FIELDS: Final = frozenset({"#document", "#embedding", "#metadata", _SCORE})
#: Aggregate -> whether the largest values come first.
_DIRECTIONS: Final[dict[type[Aggregate], bool]] = {MinK: False, MaxK: True}


def check(group_by: GroupBy, *, has_rank: bool) -> None:
    """InvalidArgumentError, with Chroma's message, unless the groups are valid."""
    if not is_asked(group_by):
        return
    aggregate = cast("MinK | MaxK", group_by.aggregate)
    if not has_rank:
        _refuse("group_by requires rank expression to be specified")
    if set(_names(group_by.keys)) & _FIELDS:
        _refuse("group_by keys must be metadata fields (cannot use #score, #document, #embedding, or #metadata)")
    if not _names(aggregate.keys):
        _refuse("aggregate keys must not be empty")
    if aggregate.k <= 0:
        _refuse("aggregate k must be greater than 0")
    if set(_names(aggregate.keys)) & (_FIELDS - {_SCORE}):
        _refuse("aggregate keys must be metadata fields or #score (cannot use #document, #embedding, or #metadata)")


def is_asked(group_by: GroupBy) -> bool:
    """Whether the search has groups; an incomplete GroupBy means that it has none, as in Chroma."""
    return bool(group_by.keys) and group_by.aggregate is not None


def grouped(rows: Rows, scores: Float32, group_by: GroupBy, metadata: Metadata) -> tuple[Rows, Float32]:
    """The records that stay, of records in order of their scores, in the same order.

    Of records that tie in all keys of the aggregate, those with the better score stay, then those added earlier.
    """
    if not is_asked(group_by) or not len(rows):
        return rows, scores
    aggregate = cast("MinK | MaxK", group_by.aggregate)
    keys, by, descending = _names(group_by.keys), _names(aggregate.keys), _DIRECTIONS[type(aggregate)]
    fields = _in_order_of(rows, metadata)
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, of_record in enumerate(fields):
        groups.setdefault(tuple(_distinct(of_record.get(key)) for key in keys), []).append(place)

    def value(place: int) -> list[Any]:
        return [_ordered(float(scores[place]) if key == _SCORE else fields[place].get(key)) for key in by]

    kept: list[int] = []
    for places in groups.values():  # sorted is stable in both directions: ties stay in order of their scores
        kept += sorted(places, key=value, reverse=descending)[: aggregate.k] if len(places) > aggregate.k else places
    kept.sort()
    return rows[kept], scores[kept]


def _names(keys: OneOrMany[Key | str]) -> list[str]:
    return [name_of(key) for key in cast("list[Key | str]", maybe_cast_one_to_many(keys))]


def _refuse(reason: str) -> None:
    raise InvalidArgumentError(f"Validation error: {reason}")


def _in_order_of(rows: Rows, metadata: Metadata) -> list[Fields]:
    """The metadata of rows in any order."""
    ascending: Ints = np.argsort(rows)
    fields: list[Fields] = [{}] * len(rows)
    for place, found in zip(ascending.tolist(), metadata(rows[ascending]), strict=True):
        fields[place] = found or {}
    return fields


# --- values: which are equal, and in which order -------------------------------------------------------------------

#: The types of single values, in order; a missing value is below them, lists of a type are above all.
_TYPES: Final = {bool: 1, int: 2, float: 3, str: 4, SparseVector: 5}


def _kind(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, list):
        return 10 + _TYPES[type(value[0])] if value else 10
    return _TYPES[type(value)]


def _distinct(value: Any) -> object:
    """A key that is equal for equal values only; equal values are one group."""
    if isinstance(value, list):
        return _kind(value), tuple(value)
    if isinstance(value, SparseVector):
        return _kind(value), tuple(value.indices), tuple(value.values), tuple(value.labels or ())
    return _kind(value), value


def _ordered(value: Any) -> tuple[int, Any]:
    """A key that sorts like the values."""
    kind = _kind(value)
    if isinstance(value, SparseVector):
        return kind, (value.indices, list(map(_total, value.values)))
    if isinstance(value, list):
        return kind, list(map(_total, value)) if kind == _kind([0.0]) else value
    return kind, _total(value) if isinstance(value, float) else 0 if value is None else value


def _total(value: float) -> int:
    """An integer in the order of floats: -0.0 before 0.0, NaN last."""
    if math.isnan(value):
        return 1 << 63
    bits: int = struct.unpack("<q", struct.pack("<d", value))[0]
    return bits if bits >= 0 else bits ^ 0x7FFFFFFFFFFFFFFF

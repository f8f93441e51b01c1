"""What the right answer is, in the plainest form: one record at a time, float64, no cleverness."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np

_ORDER = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}
_OPPOSITE = {
    "$ne": "$eq",
    "$nin": "$in",
    "$not_contains": "$contains",
    "$not_regex": "$regex",
}


def matches(
    where: Mapping[str, Any] | None,
    where_document: Mapping[str, Any] | None,
    metadata: Mapping[str, Any] | None,
    document: str | None,
) -> bool:
    """Whether a record passes Chroma's two filters."""
    return (where is None or _metadata_passes(where, metadata or {}, document)) and (
        where_document is None or _document_passes(where_document, document)
    )


def nearest(vectors: Any, query: Any, k: int, space: str) -> list[tuple[int, float]]:
    """The ``k`` nearest rows and their distances; equal distances in the order of the rows."""
    query = [float(x) for x in query]
    found = [(_distance([float(x) for x in vector], query, space), row) for row, vector in enumerate(vectors)]
    return [(row, distance) for distance, row in sorted(found)[:k]]


def sparse_nearest(
    vectors: Sequence[Mapping[int, float] | None],
    query: Mapping[int, float],
    k: int,
    *,
    allowed: Container[int],
    by_frequency: bool = False,
) -> list[tuple[int, float]]:
    """The ``k`` nearest of the ``allowed`` rows and their scores, 1 - dot as float32; equal ones in order of the rows.

    A vector, or None, for each row. Only rows that share a dimension with the query are found. ``by_frequency``: the
    query is weighted by inverse document frequency, over all rows.
    """
    weights = {dimension: float(np.float32(value)) for dimension, value in sorted(query.items())}
    if by_frequency:
        holding = {dimension: sum(dimension in (one or {}) for one in vectors) for dimension in weights}
        count = len(vectors)
        weights = {
            dimension: weight * float(np.log1p((count - holding[dimension] + 0.5) / (holding[dimension] + 0.5)))
            for dimension, weight in weights.items()
        }
    found = []
    for row, vector in enumerate(vectors):
        shared = [dimension for dimension in weights if dimension in (vector or {})]
        if shared and vector is not None and row in allowed:
            dot = 0.0
            for dimension in shared:
                dot += float(np.float32(vector[dimension])) * weights[dimension]
            with np.errstate(over="ignore"):
                found.append((float(np.float32(1.0 - dot)), row))
    return [(row, score) for score, row in sorted(found)[:k]]


def _metadata_passes(where: Mapping[str, Any], metadata: Mapping[str, Any], document: str | None) -> bool:
    ((key, condition),) = where.items()
    if key == "$and":
        return all(_metadata_passes(term, metadata, document) for term in condition)
    if key == "$or":
        return any(_metadata_passes(term, metadata, document) for term in condition)
    if condition in ({"$exists": True}, {"$exists": False}):
        value = document if key == "#document" else metadata.get(key)
        there = value is not None and not (isinstance(value, float) and not math.isfinite(value))
        return there is condition["$exists"]
    if key == "#document":
        return _document_passes(condition, document)
    ((name, operand),) = condition.items() if isinstance(condition, dict) else [("$eq", condition)]
    if name in _OPPOSITE:
        return not _value_passes(_OPPOSITE[name], operand, metadata.get(key))
    return _value_passes(name, operand, metadata.get(key))


def _value_passes(name: str, operand: Any, value: Any) -> bool:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return False
    if name == "$contains":
        return isinstance(value, list) and any(type(x) is type(operand) and x == operand for x in value)
    if name == "$in":
        return any(_same(value, x) for x in operand)
    if name == "$eq":
        return _same(value, operand)
    return _is_number(value) and _is_number(operand) and _ORDER[name](value, operand)


def _same(value: Any, operand: Any) -> bool:
    if _is_number(value) and _is_number(operand):
        return value == operand
    return type(value) is type(operand) and value == operand


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _document_passes(where: Mapping[str, Any], document: str | None) -> bool:
    ((name, operand),) = where.items()
    if name == "$and":
        return all(_document_passes(term, document) for term in operand)
    if name == "$or":
        return any(_document_passes(term, document) for term in operand)
    if name in _OPPOSITE:
        return not _document_passes({_OPPOSITE[name]: operand}, document)
    if document is None:
        return False
    return operand in document if name == "$contains" else re.search(operand, document) is not None


def _distance(a: list[float], b: list[float], space: str) -> float:
    if space == "l2":
        return math.fsum((x - y) ** 2 for x, y in zip(a, b, strict=True))
    dot = math.fsum(x * y for x, y in zip(a, b, strict=True))
    if space == "ip":
        return 1.0 - dot
    lengths = float(np.sqrt(math.fsum(x * x for x in a)) * np.sqrt(math.fsum(y * y for y in b)))
    return 1.0 - (dot / lengths if lengths else 0.0)

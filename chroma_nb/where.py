"""Grammar of ``where`` and ``where_document``: dict -> tree -> dict.

What a filter means is said here; how it is evaluated stands in ``engine/filters.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metadata key against one operand: ``{"year": {"$gt": 2020}}``."""

    key: str
    operator: str
    operand: Any


@dataclass(frozen=True, slots=True)
class DocumentTest:
    """A test of the document: ``$contains``, ``$not_contains``, ``$regex``, ``$not_regex``."""

    operator: str
    operand: str


@dataclass(frozen=True, slots=True)
class And:
    """All terms hold."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one term holds."""

    terms: tuple[Expression, ...]


Expression: TypeAlias = Comparison | DocumentTest | And | Or

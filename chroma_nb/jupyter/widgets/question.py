"""What a browser is asked: filter rows, text in the document, nearness to a meaning, the order. No widgets here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal

from chroma_nb.jupyter.widgets.filters import FilterRow
from chroma_nb.types import Metadata


@dataclass(frozen=True)
class Order:
    """In which order: "stored" (distance, when searching by meaning), "id", "distance", or a metadata ``key``."""

    by: Literal["stored", "id", "distance", "metadata"] = "stored"
    key: str = ""
    descending: bool = False


@dataclass(frozen=True)
class Question:
    """What is looked for: filter rows, text in the document, nearness to a meaning; and the order."""

    rows: tuple[FilterRow, ...] = ()
    contains: str = ""
    meaning: str = ""
    order: Order = Order()


def sorted_ids(ids: Sequence[str], metadatas: Sequence[Metadata | None] | None, order: Order) -> list[str]:
    """Ids in order of themselves or of a metadata value: numbers, then texts, then lists; without value last."""
    if order.by != "metadata" or metadatas is None:
        return sorted(ids, reverse=order.descending)
    values: list[Any] = [None if metadata is None else metadata.get(order.key) for metadata in metadatas]
    kinds = set(map(type, values))
    there = list(range(len(values)))
    missing = [row for row in there if values[row] is None] if NoneType in kinds else []
    if missing:
        there = [row for row in there if values[row] is not None]
    if kinds - {NoneType} not in ({str}, {int}, {float}):
        values = [value if value is None else _rank(value) for value in values]
    there.sort(key=values.__getitem__, reverse=order.descending)
    return [*map(ids.__getitem__, there), *map(ids.__getitem__, missing)]


def _rank(value: object) -> tuple[int, object]:
    if isinstance(value, str):
        return 1, value
    return (2, [_rank(element) for element in value]) if isinstance(value, list) else (0, value)

"""The order of records: by a metadata key, by id or by document.

This module compares values one by one, for results of other servers. The engine sorts columns
(``engine/filters/ordering.py``), in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from chroma_nb.query.conditions import DOCUMENT_KEY, Key
from chroma_nb.types import Fields

ID_KEY: Final = Key.ID.name
#: What a record is ordered by besides its metadata.
FIELDS: Final = frozenset({ID_KEY, DOCUMENT_KEY})


@dataclass(frozen=True, slots=True)
class Order:
    """By which key records are ordered.

    Numbers come first, then texts, then booleans: 1 and 1.0 are one number, texts are ordered by their code points,
    False comes before True. ``descending`` turns all of it round. Records without the key, or with a list or a sparse
    vector under it, come last both ways. What is equal stays in the order of ``get()``.
    """

    key: str
    descending: bool = False

    @property
    def include(self) -> tuple[str, ...]:
        """What has to be known of records, besides their ids."""
        return () if self.key == ID_KEY else ("documents",) if self.key == DOCUMENT_KEY else ("metadatas",)

    def places(
        self, ids: Sequence[str], metadatas: Sequence[Fields | None] | None, documents: Sequence[str | None] | None
    ) -> list[int]:
        """The places of records, given in the order of ``get()``, in this order.

        >>> Order("year").places(["a", "b", "c"], [{"year": 2020}, None, {"year": 1969}], None)
        [2, 0, 1]
        """
        if self.key == ID_KEY:
            values: Sequence[object] = ids
        elif self.key == DOCUMENT_KEY:
            values = documents or ()
        else:
            values = [(metadata or {}).get(self.key) for metadata in metadatas or ()]
        return places(values, descending=self.descending)


def places(values: Sequence[object], *, descending: bool = False) -> list[int]:
    """The places of values, those that have no order last.

    >>> places([True, "b", 2, None, "a", 1.5, [1]])
    [5, 2, 4, 1, 0, 3, 6]
    """
    if set(map(type, values)) == {str}:
        return sorted(range(len(values)), key=values.__getitem__, reverse=descending)  # type: ignore[arg-type]
    ranks = {place: rank for place, rank in enumerate(map(rank_of, values)) if rank is not None}
    there = sorted(ranks, key=ranks.__getitem__, reverse=descending)  # stable in both directions
    return there + [place for place in range(len(values)) if place not in ranks]


def rank_of(value: object) -> tuple[int, Any] | None:
    """What compares as single values do in this order; None for what is none of them."""
    if isinstance(value, bool):
        return 2, value
    if isinstance(value, str):
        return 1, value
    if isinstance(value, int | float) and math.isfinite(value):
        return 0, value
    return None

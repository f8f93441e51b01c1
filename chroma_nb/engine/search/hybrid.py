"""hybrid(): find records by meaning and by words and fuse the two lists, for several queries over one snapshot.

Both lists have the same length, and the filter applies to both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from chroma_nb.engine.arrays import EMPTY, Float64, Rows, found_in
from chroma_nb.engine.filters.selection import select
from chroma_nb.engine.index.postings import Allowed
from chroma_nb.engine.index.words import WordHits, WordIndex
from chroma_nb.engine.memory.snapshot import Snapshot
from chroma_nb.engine.search.executor import Search
from chroma_nb.engine.search.fusion import Fused, depth_for, how_found
from chroma_nb.query.conditions import Where
from chroma_nb.results import HybridResult
from chroma_nb.tables.bars import Bar
from chroma_nb.types import Matrix

_NO_HITS: Final = WordHits(EMPTY, np.empty(0))


@dataclass
class HybridSearch:
    """Queries over one snapshot, all with the same filter."""

    snapshot: Snapshot
    filter: Where | None
    bar: Bar | None = None

    def result(
        self, texts: Sequence[str] | None, vectors: Matrix | None, n_results: int, include: Sequence[str]
    ) -> HybridResult:
        """The results of each query: by its text, its vector, or both."""
        depth = depth_for(n_results)
        nearest = self._nearest(vectors, depth)
        by_words = self._by_words(texts, depth)
        questions = max(len(nearest), len(by_words))
        nearest = nearest or [(EMPTY, np.empty(0))] * questions
        by_words = by_words or [_NO_HITS] * questions
        found = [Fused.of(rows, hits.rows, n_results) for (rows, _), hits in zip(nearest, by_words, strict=True)]
        distances = [
            self._distances(number, records, vectors, nearest[number])
            if "distances" in include
            else np.empty(len(records.rows))
            for number, records in enumerate(found)
        ]
        result = self.snapshot.query_result(
            [(records.rows, far) for records, far in zip(found, distances, strict=True)], include
        )
        if result["distances"] is not None:
            result["distances"] = [[None if far != far else far for far in some] for some in result["distances"]]
        return HybridResult(result, **how_found(found, by_words))

    # --- by meaning -----------------------------------------------------------------------------------------------

    @cached_property
    def _allowed(self) -> Rows | None:
        return None if self.filter is None else select(self.snapshot, None, self.filter, None)

    def _nearest(self, vectors: Matrix | None, depth: int) -> list[tuple[Rows, Float64]]:
        if vectors is None:
            return []
        self.snapshot.check_dimension(vectors)
        slots = None if self._allowed is None else self.snapshot.memory.searchable_slots(self._allowed)
        return Search(self.snapshot).among(vectors, depth, slots)

    def _distances(self, number: int, found: Fused, vectors: Matrix | None, nearest: tuple[Rows, Float64]) -> Float64:
        """The distance of each record, also of those that only words found; NaN without a vector."""
        distances = np.full(len(found.rows), np.nan)
        if vectors is None:
            return distances
        near = found.by_meaning > 0
        distances[near] = nearest[1][found.by_meaning[near] - 1]
        others = np.flatnonzero(~near)
        slots = self.snapshot.memory.searchable_slots(np.sort(found.rows[others]))
        if len(slots):
            ((rows, far),) = Search(self.snapshot).among(vectors[number : number + 1], len(slots), slots)
            order = np.argsort(rows)
            there, places = found_in(rows[order], found.rows[others])
            distances[others[there]] = far[order][places]
        return distances

    # --- by words -------------------------------------------------------------------------------------------------

    def _by_words(self, texts: Sequence[str] | None, depth: int) -> list[WordHits]:
        if texts is None:
            return []
        index: WordIndex = self.snapshot.word_index(self.bar)
        allowed = None if self._allowed is None else Allowed(self._allowed)
        return [index.best(text, depth, allowed) for text in texts]

"""Fusion: merge the records found by meaning and those found by words into one list. No I/O.

The score of a record is the sum over the lists it is in of 1 / (60 + rank), ranks from 1 (G. Cormack, C. Clarke and
S. Büttcher, Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods, 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from chroma_nb.engine.arrays import Float64, Rows
from chroma_nb.engine.index.words import WordHits
from chroma_nb.types import Json

#: The constant added to ranks, which reduces the weight of the first places.
RRF_K: Final = 60
#: The least length of each list, and the length for each requested result. (A record far down in both lists
#: ranks higher than one near the top of one list: longer lists find more within 50 results, and a little less
#: within 10.)
_LEAST_DEPTH: Final = 100
_DEPTH_PER_RESULT: Final = 2


def depth_for(n_results: int) -> int:
    """The length of the two lists for this number of results.

    >>> depth_for(10), depth_for(500)
    (100, 1000)
    """
    return max(_LEAST_DEPTH, _DEPTH_PER_RESULT * n_results)


@dataclass(frozen=True)
class Fused:
    """The records of two lists, best first. By record: score, and rank in each list from 1, or 0 if it is not in it."""

    rows: Rows
    scores: Float64
    by_meaning: Rows
    by_words: Rows

    @classmethod
    def of(cls, meaning: Rows, words: Rows, k: int) -> Fused:
        """The ``k`` best of both; ties in the order of rows."""
        rows = np.union1d(meaning, words)
        ranks = [_ranks(rows, some) for some in (meaning, words)]
        scores = np.zeros(len(rows))
        for of_list in ranks:
            scores += np.where(of_list > 0, 1 / (RRF_K + of_list), 0.0)
        order = np.argsort(-scores, kind="stable")[:k]
        return cls(rows[order], scores[order], *(of_list[order] for of_list in ranks))


def _ranks(rows: Rows, ranked: Rows) -> Rows:
    ranks = np.zeros(len(rows), np.int64)
    ranks[np.searchsorted(rows, ranked)] = np.arange(1, len(ranked) + 1)
    return ranks


def how_found(fused: Sequence[Fused], by_words: Sequence[WordHits]) -> Json:
    """The fields of a result that say how the records of each query were found."""
    return {
        "scores": [records.scores.tolist() for records in fused],
        "meaning_ranks": [_or_none(records.by_meaning) for records in fused],
        "word_ranks": [_or_none(records.by_words) for records in fused],
        "words": [_words(hits, records) for hits, records in zip(by_words, fused, strict=True)],
    }


def _or_none(ranks: Rows) -> list[int | None]:
    return [rank or None for rank in ranks.tolist()]


def _words(hits: WordHits, found: Fused) -> list[list[str]]:
    """The words that found each record; empty if it was not found by words."""
    held = hits.words_in(found.rows)
    return [words if rank else [] for words, rank in zip(held, found.by_words.tolist(), strict=True)]

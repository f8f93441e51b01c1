"""The index of the sparse vectors under one key: postings, updated without building them again.

It has several parts, each with its own ``Postings``: the first holds most records, smaller ones hold later changes. A
record is live in only one of them, so the nearest of all are among the nearest of each. An index does not change:
``changed`` returns another, which shares what is the same, so writers do not disturb searches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from chroma_nb.engine.arrays import EMPTY, Float32, Float64, Ints, Rows
from chroma_nb.engine.index.postings import Allowed, Postings, SparseRows
from chroma_nb.types import Array

#: A part at least this share of the one before it is merged with it: so there are few parts, and each entry is
#: written again few times.
_SHARE_MERGED: Final = 1 / 8
_NONE: Final[Float32] = np.empty(0, np.float32)
#: A part with more than this share of dead records is rebuilt without them.
_LARGEST_DEAD: Final = 0.3


@dataclass(frozen=True)
class SparseIndex:
    """Which records are nearest to a sparse vector, exactly."""

    parts: tuple[Postings, ...] = ()

    @classmethod
    def of(cls, vectors: SparseRows) -> SparseIndex:
        """The index of these vectors."""
        return cls().changed(EMPTY, vectors)

    def changed(self, gone: Rows, vectors: SparseRows) -> SparseIndex:
        """The index after a change: rows ``gone`` (ascending) have no vector now, those of ``vectors`` have these."""
        outdated = np.union1d(gone, vectors.rows)
        parts = [part for part in (part.without(outdated) for part in self.parts) if part.live]
        new = Postings.of(vectors)
        if len(new.rows):
            parts.append(new)
        for number, part in enumerate(parts):
            if part.live < (1 - _LARGEST_DEAD) * len(part.rows):
                parts[number] = Postings.merged([part])
        while len(parts) > 1 and len(parts[-1].rows) >= _SHARE_MERGED * len(parts[-2].rows):
            parts[-2:] = [Postings.merged(parts[-2:])]
        return SparseIndex(tuple(parts))

    # --- in one file --------------------------------------------------------------------------------------------

    def arrays(self) -> dict[str, Array]:
        """The index as arrays of one part, for a file: rows, dimensions, starts (int64), places (int32), values."""
        parts = self.parts
        whole = parts[0] if len(parts) == 1 and parts[0].alive is None else Postings.merged(parts)
        return whole.arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> SparseIndex:
        """The index with these ``arrays``; they are only read, so they may be mapped from a file."""
        return cls((Postings.from_arrays(arrays),))

    # --- contents -----------------------------------------------------------------------------------------------

    @property
    def live(self) -> int:
        """How many records hold a vector that is not empty."""
        return sum(part.live for part in self.parts)

    def frequencies(self, dimensions: Ints) -> Ints:
        """How many records hold each dimension."""
        held = np.zeros(len(dimensions), np.int64)
        for part in self.parts:
            held += part.frequencies(dimensions)
        return held

    def idf(self, dimensions: Ints, records: int) -> Float64:
        """The inverse document frequency of each dimension; ``records``: all of the collection, with or without a
        vector."""
        return inverse_document_frequency(records, self.frequencies(dimensions))

    def lists(self, dimensions: Ints) -> list[tuple[Rows, Float32]]:
        """The rows of the records that hold each dimension, in no order, each once, and their values."""
        of_parts = [part.lists(dimensions) for part in self.parts]
        if len(of_parts) == 1:
            return of_parts[0]
        return [
            (
                np.concatenate([EMPTY, *(rows for rows, _ in lists)]),
                np.concatenate([_NONE, *(some for _, some in lists)]),
            )
            for lists in (zip(*of_parts, strict=True) if of_parts else [()] * len(dimensions))
        ]

    def entries_of(self, rows: Rows, dimensions: Ints) -> Float64:
        """The values that records (rows in any order) hold, shape (rows, dimensions); NaN where they do not.

        Multiplied by the weights of a query, they say how much each dimension adds to the score.
        """
        found, order = np.full((len(rows), len(dimensions)), np.nan), np.argsort(rows)
        for part in self.parts:
            entries = part.entries_of(rows[order], dimensions)
            found[order] = np.where(np.isnan(entries), found[order], entries)
        return found

    # --- searching ----------------------------------------------------------------------------------------------

    def nearest(
        self, dimensions: Ints, weights: Float64, k: int, allowed: Allowed | None = None
    ) -> tuple[Rows, Float32]:
        """(rows, scores) of the ``k`` nearest records, nearest first: the score is ``1 - dot``, ties go by row.

        Only records that hold one of ``dimensions`` (ascending, each once) are found, whatever its value; only
        those of ``allowed``, where that is given: made once for all searches that have it in common.
        """
        found = [part.nearest(dimensions, weights, k, allowed) for part in self.parts]
        if len(found) == 1:
            return found[0]
        rows = np.concatenate([EMPTY, *(rows for rows, _ in found)])
        scores = np.concatenate([np.empty(0, np.float32), *(scores for _, scores in found)])
        order = np.lexsort((rows, scores))[:k]
        return rows[order], scores[order]


def inverse_document_frequency(records: int, holding: Ints) -> Float64:
    """ln(1 + (n - n_t + 0.5) / (n_t + 0.5)) of n records of which n_t hold a dimension, as Chroma weighs them.

    >>> inverse_document_frequency(10, np.array([0])).round(3).tolist()
    [3.091]
    """
    held = np.minimum(holding, records)
    return np.log1p((records - held + 0.5) / (held + 0.5))

"""search(): one Search over a snapshot, from its filter to the fields of the result."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from operator import lt
from typing import Final, NoReturn

import numpy as np

from chroma_nb.engine.arrays import EMPTY, Float32, Ints, Rows
from chroma_nb.engine.filters.selection import allowed
from chroma_nb.engine.index.postings import Allowed
from chroma_nb.engine.memory.snapshot import Snapshot
from chroma_nb.engine.search.executor import Search as DenseSearch
from chroma_nb.engine.search.hits import hits
from chroma_nb.engine.search.scores import knns
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.plain import shown
from chroma_nb.query.conditions import Key, name_of
from chroma_nb.query.ranking import Knn
from chroma_nb.query.search import Search
from chroma_nb.types import LARGEST_FLOAT32, Fields, Json, SparseVector

#: Field of the result -> the key that selects it.
FIELDS: Final = {
    "documents": Key.DOCUMENT.name,
    "embeddings": Key.EMBEDDING.name,
    "metadatas": Key.METADATA.name,
    "scores": Key.SCORE.name,
}


@dataclass
class RankedSearch:
    """One Search over one snapshot."""

    snapshot: Snapshot
    search: Search

    def page(self) -> Json:
        """The ids that were found, and the selected fields; other fields are None."""
        search = self.search
        rows, scores = hits(
            search._rank,
            search._group_by,
            search._limit,
            allowed=lambda: self.allowed,
            nearest=self._nearest,
            metadata=self._metadata,
        )
        selected = set(map(name_of, search._select.keys))
        return {
            "ids": list(map(self.snapshot.memory.ids.__getitem__, rows.tolist())),
            **self._fields(rows, scores, selected),
        }

    @cached_property
    def allowed(self) -> Rows:
        """The rows that pass the filter."""
        return allowed(self.snapshot, self.search._where)

    @cached_property
    def _allowed_slots(self) -> Ints | None:
        if self.search._where is None:
            return None
        return self.snapshot.memory.searchable_slots(self.allowed)

    def check(self) -> None:
        """InvalidArgumentError, with Chroma's message, for a filter or a Knn that cannot be run."""
        if self.search._where is not None and (unindexed := self.snapshot.row.unindexed) is not None:
            unindexed.refuse(self.search._where)
        for knn in [] if self.search._rank is None else knns(self.search._rank):
            if isinstance(knn.query, SparseVector):
                _check_sparse_query(knn.query)
                key = name_of(knn.key)
                if not self.snapshot.row.sparse_keys.have(key):
                    raise InvalidArgumentError(
                        f"Cannot filter using metadata key '{key}' with type 'SparseVector' because indexing is "
                        "disabled"
                    )

    def _nearest(self, knn: Knn) -> tuple[Rows, Float32]:
        if isinstance(knn.query, SparseVector):
            return self._nearest_sparse(name_of(knn.key), knn.query, knn.limit)
        if not self.snapshot.memory.live:  # as in Chroma: whatever the dimension
            return EMPTY, np.empty(0, np.float32)
        queries = np.asarray(knn.query, np.float32).reshape(1, -1)
        self.snapshot.check_dimension(queries)
        ((rows, distances),) = DenseSearch(self.snapshot).among(queries, knn.limit, self._allowed_slots)
        return rows, distances.astype(np.float32)

    def _nearest_sparse(self, key: str, query: SparseVector, limit: int) -> tuple[Rows, Float32]:
        index = self.snapshot.sparse_index(key)
        dimensions = np.array(query.indices, np.int64)
        weights = np.array(query.values, np.float32).astype(np.float64)
        if self.snapshot.row.sparse_keys.by_frequency(key):
            weights *= index.idf(dimensions, self.snapshot.memory.live)
        return index.nearest(dimensions, weights, limit, self._allowed_to_sparse)

    @cached_property
    def _allowed_to_sparse(self) -> Allowed | None:
        return None if self.search._where is None else Allowed(self.allowed)

    def _metadata(self, rows: Rows) -> list[Fields | None]:
        found: list[Fields | None] = self.snapshot.texts(rows, ("metadatas",))["metadata"]
        return found

    def _fields(self, rows: Rows, scores: Float32, selected: set[str]) -> Json:
        """The fields of the records found, in the order of ``rows``."""
        keys = selected - {*FIELDS.values()}
        asked = {field for field, key in FIELDS.items() if key in selected} | ({"metadatas"} if keys else set())
        every, inverse = np.unique(rows, return_inverse=True)
        places = inverse.tolist()
        texts = self.snapshot.texts(every, tuple(asked & {"documents", "metadatas"}))
        fields: Json = dict.fromkeys(FIELDS)
        if "documents" in asked:
            fields["documents"] = list(map(texts["document"].__getitem__, places))
        if "metadatas" in asked:
            metadatas = list(map(texts["metadata"].__getitem__, places))
            whole = Key.METADATA.name in selected
            fields["metadatas"] = metadatas if whole else [_reduced(metadata, keys) for metadata in metadatas]
        if "embeddings" in asked:
            vectors = self.snapshot.embeddings(every)
            fields["embeddings"] = [vectors[place].tolist() for place in places]
        if "scores" in asked:
            fields["scores"] = [None if np.isnan(score) else _shortest(score) for score in scores]
        return fields


def _check_sparse_query(query: SparseVector) -> None:
    """InvalidArgumentError unless its lists, whose types were checked, fit together."""
    lengths = {len(part) for part in (query.indices, query.values, query.labels) if part is not None}
    if len(lengths) > 1:
        _refuse("Sparse vector indices, values, and tokens (when present) must have the same length")
    if not all(map(lt, query.indices, query.indices[1:])):
        _refuse("Sparse vector indices must be sorted in strictly ascending order (no duplicates)")
    for position, value in enumerate(query.values):
        if not abs(value) <= LARGEST_FLOAT32:
            _refuse(
                f"SparseVector values must be numbers that float32 can hold, got {shown(value)} at position {position}"
            )


def _refuse(reason: str) -> NoReturn:
    raise InvalidArgumentError(f"Validation error: Invalid sparse vector in KNN query: {reason}")


def _reduced(metadata: Fields | None, keys: set[str]) -> Json | None:
    """The selected keys of a record's metadata; None if it has none of them."""
    return {key: value for key, value in (metadata or {}).items() if key in keys} or None


def _shortest(score: np.float32) -> float:
    """The float that is printed like the float32: 0.1, not 0.10000000149."""
    return float(str(score))


def selected_keys(search: Search) -> list[str]:
    """The selected keys in Chroma's order: fields, then metadata keys by name."""
    names = set(map(name_of, search._select.keys))
    fields = [key for key in FIELDS.values() if key in names]
    return [*fields, *sorted(names - {*fields})]

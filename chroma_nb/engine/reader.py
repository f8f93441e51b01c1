"""The reader of a database: a method for each operation that reads a collection, each in one snapshot.

``filters/`` evaluates filters, ``search/`` runs queries.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from chroma_nb.embeddings import vector_like
from chroma_nb.engine.filters.ordering import ordered
from chroma_nb.engine.filters.selection import select
from chroma_nb.engine.memory import part
from chroma_nb.engine.memory.part import Part
from chroma_nb.engine.memory.snapshot import Snapshot
from chroma_nb.engine.search import facets
from chroma_nb.engine.search.executor import Search
from chroma_nb.engine.search.hybrid import HybridSearch
from chroma_nb.engine.search.index_builder import IndexBuilder
from chroma_nb.engine.search.ranked import FIELDS, RankedSearch, selected_keys
from chroma_nb.engine.storage import catalog
from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.engine.storage.sqlite import Connection
from chroma_nb.engine.transactions.running import GETTING, Transactions
from chroma_nb.facets import Description, Edges, Facet
from chroma_nb.query.conditions import Where
from chroma_nb.query.ordering import Order
from chroma_nb.query.sampling import sampled
from chroma_nb.query.search import Search as AskedSearch
from chroma_nb.results import GetResult, HybridResult, QueryResult, SearchResult
from chroma_nb.tables.bars import Bar
from chroma_nb.types import Columns, Json, Matrix


class Reader:
    """The engine's operations that read a collection; they report searches, which pay for indexes, to ``builder``."""

    transactions: Transactions
    builder: IndexBuilder

    def count(self, collection_id: UUID) -> int:
        """How many records a collection has."""
        return self.transactions.read(partial(catalog.known_collection, ident=str(collection_id))).record_count

    def count_matching(self, collection_id: UUID, filter: Where | None) -> int:
        """How many records pass the filter."""
        if filter is None:
            return self.count(collection_id)

        def operation(snapshot: Snapshot) -> int:
            return len(select(snapshot, None, filter, None))

        return self.transactions.read_collection(collection_id, operation)

    def get(
        self,
        collection_id: UUID,
        ids: Sequence[str] | None,
        filter: Where | None,
        limit: int | None,
        offset: int | None,
        include: Sequence[str],
        order: Order | None = None,
    ) -> GetResult:
        """Records in get() order, by first insertion, or in another order, in which ``limit`` and ``offset`` count."""

        def operation(snapshot: Snapshot) -> GetResult:
            if order is None:
                return snapshot.get_result(select(snapshot, ids, filter, limit, offset or 0), include)
            rows = ordered(snapshot, select(snapshot, ids, filter, None), order)[offset or 0 :]
            return snapshot.get_result_of(rows[:limit], include)

        few = _part(ids, filter, limit, offset or 0) if order is None else None
        return self.transactions.read_collection(collection_id, operation, part=few)

    def facets(
        self,
        collection_id: UUID,
        keys: Sequence[str],
        filter: Where | None,
        limit: int,
        edges: Edges | None = None,
    ) -> list[Facet]:
        """The values of the records that pass the filter under each of these keys."""

        def operation(snapshot: Snapshot) -> list[Facet]:
            rows = None if filter is None else select(snapshot, None, filter, None)
            return facets.facets(snapshot, keys, rows, limit, edges)

        return self.transactions.read_collection(collection_id, operation)

    def describe(self, collection_id: UUID) -> Description:
        """A description of a collection."""
        return self.transactions.read_collection(collection_id, facets.describe)

    def sample(
        self, collection_id: UUID, n: int, seed: int | None, filter: Where | None, include: Sequence[str]
    ) -> GetResult:
        """``n`` of the records that pass the filter, at random, in get() order."""

        def operation(snapshot: Snapshot) -> GetResult:
            rows = select(snapshot, None, filter, None)
            return snapshot.get_result(rows[sampled(len(rows), n, seed)], include)

        return self.transactions.read_collection(collection_id, operation)

    def get_as_stored(
        self,
        collection_id: UUID,
        ids: Sequence[str] | None,
        filter: Where | None,
        limit: int | None,
        offset: int | None,
        include: Sequence[str],
    ) -> Columns:
        """As ``get``, but for tables: see ``Snapshot.columns_as_stored``."""

        def operation(snapshot: Snapshot) -> Columns:
            return snapshot.columns_as_stored(select(snapshot, ids, filter, limit, offset or 0), include)

        return self.transactions.read_collection(collection_id, operation, part=_part(ids, filter, limit, offset or 0))

    def query(
        self,
        collection_id: UUID,
        query_embeddings: Matrix,
        n_results: int,
        ids: Sequence[str] | None,
        filter: Where | None,
        include: Sequence[str],
        max_distance: float | None = None,
    ) -> QueryResult:
        """The nearest records to each query vector, nearest first, none farther than ``max_distance``."""

        def operation(snapshot: Snapshot) -> QueryResult:
            found = Search(snapshot).neighbours(query_embeddings, n_results, ids, filter, max_distance)
            result = snapshot.query_result(found, include)
            self.builder.consider(snapshot.row, snapshot.memory)
            return result

        return self.transactions.read_collection(collection_id, operation, GETTING)

    def query_like(
        self,
        collection_id: UUID,
        like: Sequence[str],
        unlike: Sequence[str],
        n_results: int,
        ids: Sequence[str] | None,
        filter: Where | None,
        include: Sequence[str],
        max_distance: float | None = None,
    ) -> QueryResult:
        """The records nearest to some records, away from others; these are not in the result. See ``vector_like``."""
        named = dict.fromkeys([*like, *unlike])

        def operation(snapshot: Snapshot) -> QueryResult:
            query = vector_like(snapshot.vectors_of(named), like, unlike)
            found = Search(snapshot).neighbours(query, n_results + len(named), ids, filter, max_distance)
            result = snapshot.query_result(found, include).without(named, n_results)
            self.builder.consider(snapshot.row, snapshot.memory)
            return result

        return self.transactions.read_collection(collection_id, operation, GETTING)

    def hybrid(
        self,
        collection_id: UUID,
        texts: Sequence[str] | None,
        vectors: Matrix | None,
        n_results: int,
        filter: Where | None,
        include: Sequence[str],
        bar: Bar | None = None,
    ) -> HybridResult:
        """The results of each query by the words of its text, by its vector, or by both; ``bar`` shows progress."""

        def operation(snapshot: Snapshot) -> HybridResult:
            result = HybridSearch(snapshot, filter, bar).result(texts, vectors, n_results, include)
            self.builder.consider(snapshot.row, snapshot.memory)
            self.builder.consider_words(snapshot.row, snapshot.memory)
            return result

        return self.transactions.read_collection(collection_id, operation, GETTING)

    def search(self, collection_id: UUID, searches: Sequence[AskedSearch]) -> SearchResult:
        """The results of each search, all in one snapshot."""

        def operation(snapshot: Snapshot) -> SearchResult:
            ranked = [RankedSearch(snapshot, search) for search in searches]
            for ranking in ranked:  # check all of them first: one error fails the whole call
                ranking.check()
            pages = [ranking.page() for ranking in ranked]
            self.builder.consider(snapshot.row, snapshot.memory)
            fields = {name: [page[name] for page in pages] for name in ("ids", *FIELDS)}
            return SearchResult(fields, select=list(map(selected_keys, searches)))

        return self.transactions.read_collection(collection_id, operation, GETTING)

    def explain(
        self,
        collection_id: UUID,
        query_embeddings: Matrix,
        n_results: int,
        ids: Sequence[str] | None,
        filter: Where | None,
        include: Sequence[str],
        max_distance: float | None = None,
    ) -> Json:
        """Run a query and describe how: method, reason, allowed records, exactness, milliseconds."""
        started = time.perf_counter()

        def operation(snapshot: Snapshot) -> Json:
            loaded = time.perf_counter()
            search = Search(snapshot)
            found = search.neighbours(query_embeddings, n_results, ids, filter, max_distance)
            result = snapshot.query_result(found, include)
            return {
                **search.steps,
                "index": snapshot.memory.index_state,
                "open_ms": (loaded - started) * 1e3,
                "total_ms": (time.perf_counter() - started) * 1e3,
                "results": [len(found) for found in result["ids"]],
            }

        return self.transactions.read_collection(collection_id, operation, GETTING)


def _part(
    ids: Sequence[str] | None, filter: Where | None, limit: int | None, offset: int
) -> Callable[[Connection, CollectionRow], Part | None] | None:
    """A function that reads only the records that a call needs; None if the call needs all of them."""
    if filter is not None:
        return None
    if ids is not None:
        return partial(part.of_ids, ids=ids, limit=limit, offset=offset)
    return None if limit is None else partial(part.of_page, limit=limit, offset=offset)

"""hybrid() over a server that has no search by words: its documents are read once, in pages, and searched here.

The documents are kept with the handle of the collection, and read again when the server's number of records changes. A
document that was changed in place is not noticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from chroma_nb import _blocking as blocking
from chroma_nb.operations.requests import Hybrid
from chroma_nb.paging import PAGE, Cursor
from chroma_nb.results import HybridResult
from chroma_nb.types import Columns, Ints, Json

if TYPE_CHECKING:
    from chroma_nb.engine.index.words import WordHits, WordIndex


@dataclass
class FetchedWords:
    """The words of a collection as they were when it had ``count`` records; a row is a record's place in ``ids``."""

    count: int
    ids: list[str]
    index: WordIndex

    @cached_property
    def row_of(self) -> dict[str, int]:
        """The row of each id."""
        return {ident: row for row, ident in enumerate(self.ids)}


async def fetched(collection: Any, known: FetchedWords | None) -> FetchedWords:
    """``known``, or the words as they are now if the server counts another number of records."""
    count = await collection.count()
    if known is not None and known.count == count:
        return known
    ids: list[str] = []
    documents: list[str | None] = []
    cursor = Cursor(PAGE)
    for limit, offset in cursor:
        page = await collection.get(limit=limit, offset=offset, include=["documents"])
        cursor.passed(len(page["ids"]))
        ids += page["ids"]
        documents += page["documents"]
    return FetchedWords(count, ids, await blocking.run(_indexed, documents))


def _indexed(documents: list[str | None]) -> WordIndex:
    from chroma_nb.engine.index.words import WordIndex

    return WordIndex.of([(np.arange(len(documents)), documents)])


async def hybrid(collection: Any, request: Hybrid, words: FetchedWords | None) -> HybridResult:
    """The result of ``request`` from a server that searches by meaning; ``words`` is None to search by meaning only."""
    from chroma_nb.engine.search.fusion import Fused, depth_for, how_found

    depth = depth_for(request.n_results)
    filters = {"where": request.where, "where_document": request.where_document}
    ids = [] if words is None else list(words.ids)
    row_of = {} if words is None else dict(words.row_of)
    nearest: list[dict[str, float]] = []
    if request.query_embeddings is not None:
        found = await collection.query(
            query_embeddings=request.query_embeddings, n_results=depth, include=["distances"], **filters
        )
        nearest = [dict(zip(*nearby, strict=True)) for nearby in zip(found["ids"], found["distances"], strict=True)]
    for ident in (ident for nearby in nearest for ident in nearby):  # records that came after the documents were read
        if ident not in row_of:
            row_of[ident] = len(ids)
            ids.append(ident)
    allowed = None
    if words is not None and request.filter is not None:
        passed = (await collection.get(include=[], **filters))["ids"]
        allowed = np.array(sorted(row_of[ident] for ident in passed if ident in row_of), np.int64)
    by_words = await blocking.run(_by_words, request, words, depth, allowed, len(nearest))
    nearest = nearest or [{} for _ in by_words]
    rows_of_each = [np.array([row_of[ident] for ident in nearby], np.int64) for nearby in nearest]
    fused = [Fused.of(rows, hits.rows, request.n_results) for rows, hits in zip(rows_of_each, by_words, strict=True)]
    hits = [[ids[row] for row in records.rows.tolist()] for records in fused]
    if request.query_embeddings is not None and "distances" in request.include:
        for number, (some, distances) in enumerate(zip(hits, nearest, strict=True)):
            await _measure(collection, request.query_embeddings[number], some, distances)
    fields = [name for name in request.include if name != "distances"]
    every = list(dict.fromkeys(ident for some in hits for ident in some))
    got = await collection.get(ids=every, include=fields) if every else None
    return HybridResult(_columns(request, hits, nearest, got), **how_found(fused, by_words))


async def _measure(collection: Any, vector: object, ids: list[str], distances: dict[str, float]) -> None:
    """Add the distances of the records that only the words found."""
    others = [ident for ident in ids if ident not in distances]
    if others:
        found = await collection.query(
            query_embeddings=[vector], ids=others, n_results=len(others), include=["distances"]
        )
        distances.update(zip(found["ids"][0], found["distances"][0], strict=True))


def _by_words(
    request: Hybrid, words: FetchedWords | None, depth: int, allowed: Ints | None, questions: int
) -> list[WordHits]:
    from chroma_nb.engine.arrays import EMPTY
    from chroma_nb.engine.index.postings import Allowed
    from chroma_nb.engine.index.words import WordHits

    if words is None or request.query_texts is None:
        return [WordHits(EMPTY, np.empty(0)) for _ in range(questions)]
    may = None if allowed is None else Allowed(allowed)
    return [words.index.best(text, depth, may) for text in request.query_texts]


def _columns(request: Hybrid, hits: list[list[str]], distances: list[dict[str, float]], got: Columns | None) -> Json:
    """The fields of the records as a query returns them."""
    place = {} if got is None else {ident: number for number, ident in enumerate(got["ids"])}
    columns: Json = {"ids": hits}
    for name in ("embeddings", "documents", "uris", "metadatas"):
        values = None if got is None else got[name]
        columns[name] = None
        if name in request.include:
            # A record that was deleted in between has no values.
            columns[name] = [
                [values[place[ident]] if values is not None and ident in place else None for ident in some]
                for some in hits
            ]
    if columns["embeddings"] is not None:
        columns["embeddings"] = [np.array(some) for some in columns["embeddings"]]
    columns["included"], columns["data"] = list(request.include), None
    columns["distances"] = None
    if "distances" in request.include:
        columns["distances"] = [
            [known.get(ident) for ident in some] for some, known in zip(hits, distances, strict=True)
        ]
    order = ("ids", "embeddings", "documents", "uris", "included", "data", "metadatas", "distances")
    return {name: columns[name] for name in order}

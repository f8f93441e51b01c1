"""What a question finds in a collection: in which order, and how many. No widgets here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chroma_nb.collection import Collection
from chroma_nb.jupyter.widgets.question import Question, sorted_ids
from chroma_nb.types import Options

#: Records whose ids and metadata are read to sort them, hits that a search by meaning goes through,
#: matching documents that are counted ahead (counting all would read every document).
SORTED, NEAREST, COUNTED = 100_000, 200, 1_000


@dataclass(frozen=True)
class Listing:
    """What a question found: the ids in order where an order had to be made, else None.

    ``counted`` are the first ids in stored order, where finding them again would read documents again.
    """

    ids: list[str] | None
    distances: dict[str, float] | None
    total: int
    exact: bool
    note: str = ""
    counted: list[str] | None = None


def look_up(
    collection: Collection, question: Question, filters: Options, count: Callable[[], int], counted_to: int
) -> Listing:
    """What the question finds among what passes ``filters``, which hold its own.

    ``count`` gives the number of all records; up to ``counted_to`` matching documents are counted.
    """
    order = question.order
    if question.meaning:
        return _nearest(collection, question, filters)
    if order.by == "stored":
        return _stored(collection, filters, count, counted_to)
    include = ["metadatas"] if order.by == "metadata" else []
    found = collection.get(include=include, limit=SORTED, **filters)
    ids = sorted_ids(found["ids"], found["metadatas"], order)
    read = f"the ids{' and metadata' if include else ''} of {len(ids):,} records were read to sort them"
    if len(ids) == SORTED:
        read = f"sorted among the first {SORTED:,} records only; a filter leaves fewer to sort"
    return Listing(ids, None, len(ids), True, read)


def _stored(collection: Collection, filters: Options, count: Callable[[], int], counted_to: int) -> Listing:
    """In the order of the database nothing but the count is needed."""
    if not filters:
        return Listing(None, None, count(), True)
    of_documents = "where_document" in filters
    limit = counted_to if of_documents else SORTED
    ids = collection.get(include=[], limit=limit, **filters)["ids"]
    counted = list(ids) if of_documents else None
    return Listing(None, None, len(ids), len(ids) < limit, counted=counted)


def _nearest(collection: Collection, question: Question, filters: Options) -> Listing:
    order = question.order
    include = ["distances", *(["metadatas"] if order.by == "metadata" else [])]
    found = collection.query(query_texts=[question.meaning], n_results=NEAREST, include=include, **filters)
    ids, distances = list(found["ids"][0]), dict(zip(found["ids"][0], found["distances"][0], strict=True))
    note = f"the {len(ids):,} nearest" if len(ids) == NEAREST else ""
    if order.by in ("id", "metadata"):
        ids = sorted_ids(ids, found["metadatas"] and found["metadatas"][0], order)
    elif order.by == "distance" and order.descending:
        ids.reverse()
    return Listing(ids, distances, len(ids), True, note)

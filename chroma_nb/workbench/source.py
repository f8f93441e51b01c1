"""Reading a collection for the workbench, ours or chromadb's, by its public methods alone. No widgets here.

Filter, search and order give a listing: the number of records and, where their order has to be computed, their ids. A
page of records is read when it is shown. Our collections sort and count by themselves, also over HTTP; of another one,
ids (and the values to sort by) are read first.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from chroma_nb import _locks
from chroma_nb.collection import Collection
from chroma_nb.paging import pages, slices
from chroma_nb.query.ordering import Order
from chroma_nb.records import COLUMNS, NO_RECORDS, Records
from chroma_nb.types import Options, Where, WhereDocument
from chroma_nb.workbench import search as searching
from chroma_nb.workbench.columns import Columns
from chroma_nb.workbench.search import Hits, Search

#: Records whose values are read to order them, where the collection cannot; the others follow as stored.
ORDERED: Final = 100_000
#: Records that are read to know the columns: the first ones, and some in each of several places further on.
_FIRST, _PLACES, _EACH = 200, 8, 50
#: Ids, or records, of one call.
_BATCH: Final = 1_000
#: Searches whose hits are kept: the filter of a facet is taken away to count it.
_SEARCHES: Final = 8


@dataclass(frozen=True)
class Question:
    """What is asked of a collection: which records, and in which order; those of a search stand by rank without one."""

    where: Where | None = None
    where_document: WhereDocument | None = None
    order: Order | None = None
    search: Search | None = None
    #: Only records with these ids: a part of the map, say.
    within: frozenset[str] | None = None

    @property
    def filters(self) -> Options:
        """The filters that are there, as ``get`` and ``query`` take them."""
        both = {"where": self.where, "where_document": self.where_document}
        return {name: value for name, value in both.items() if value is not None}


@dataclass(frozen=True)
class Listing:
    """What a question finds: ``shown`` records of ``total``; ``note`` says where that is not the whole truth.

    Without ``ids``, records are found by their place in the collection, or in what passes the filters.
    """

    shown: int
    total: int
    ids: list[str] | None = None
    note: str = ""


class Source:
    """A collection, read.

    >>> import chroma_nb
    >>> with chroma_nb.EphemeralClient() as client:
    ...     birds = client.create_collection("birds")
    ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=[{"g": 9}, {"g": 500}])
    ...     Source(birds).records(Question(order=Order("g", descending=True)), 0, 10).ids
    ['crow', 'wren']
    """

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.columns = Columns()
        #: The page's requests are answered in threads beside that of the cells.
        self.lock = _locks.RLock()
        self._orders = "order_by" in inspect.signature(collection.get).parameters
        self._last: tuple[Question, Listing] | None = None
        self._hits: list[tuple[Question, Hits]] = []
        self._kept: dict[object, Any] = {}
        self._survey()

    # --- What there is ---
    def _survey(self) -> None:
        """Learn the columns from records all over the collection."""
        total = self.collection.count()
        step = max(1, (total - _FIRST) // _PLACES)
        starts = [(0, _FIRST), *((start, _EACH) for start in range(_FIRST, total, step))]
        whole = Records.concat([self._stored(start, count) for start, count in starts])
        self._meet(whole)

    def _meet(self, found: Records) -> bool:
        return self.columns.meet(
            found.ids, *(found.column("documents"), found.column("uris")), metadatas=found.column("metadatas")
        )

    def check(self, question: Question) -> None:
        """Raise what the collection raises for a filter that it does not understand."""
        if question.filters:
            self.collection.get(limit=1, include=[], **question.filters)

    def listing(self, question: Question) -> Listing:
        """What a question finds; looked up once, and again after ``forget``."""
        with self.lock:
            if self._last is None or self._last[0] != question:
                self._last = (question, self._look_up(question))
            return self._last[1]

    def forget(self) -> None:
        """Look up again: records were written, here or elsewhere."""
        with self.lock:
            self._last, self._hits = None, []
            self._kept = {}

    def kept(self, name: object, make: Callable[[], Any]) -> Any:
        """What a part has read, by a name of its own; made once, and again after ``forget``."""
        kept = self._kept
        if name not in kept:
            kept[name] = make()
        return kept[name]

    def hits(self, question: Question) -> Hits:
        """What the question's search found; nothing where it has none."""
        if question.search is None:
            with self.lock:
                self._hits = [one for one in self._hits if not one[1].error]  # asked again, it may be found
            return Hits()
        asked = replace(question, order=None, within=None)
        with self.lock:
            known = next((hits for one, hits in self._hits if one == asked), None)
            if known is None:
                known = searching.find(self.collection, question.search, question.filters)
                self._hits = [*self._hits, (asked, known)][-_SEARCHES:]
            return known

    def succeeded(self, question: Question) -> None:
        """ValueError where the question's search failed, with the reason."""
        if error := self.hits(question).error:
            raise ValueError(f"the search found nothing, since it failed: {error}")

    def _searched(self, question: Question, total: int) -> Listing:
        hits, order = self.hits(question), question.order
        ids = list(hits.found)
        if order is not None:
            records = self.by_ids(ids, list(order.include))
            documents = records.column("documents") if "documents" in order.include else None
            metadatas = records.column("metadatas") if "metadatas" in order.include else None
            places = order.places(records.ids, metadatas, documents)
            ids = [records.ids[place] for place in places]
        return Listing(len(ids), total, ids)

    def _look_up(self, question: Question) -> Listing:
        total, order = self.collection.count(), question.order
        if question.within is not None:
            return self._within(question, question.within, total)
        if question.search is not None:
            return self._searched(question, total)
        if order is None and not question.filters:
            return Listing(total, total)
        if self._orders and order is None and question.where_document is None:
            count: Callable[..., int] = self.collection.count
            return Listing(count(where=question.where), total)
        if self._orders:  # and documents are looked through once, not for each page
            by: Options = {"order_by": order.key, "descending": order.descending} if order else {}
            ids = list(self.collection.get(include=[], **by, **question.filters)["ids"])
            return Listing(len(ids), total, ids)
        return self._ordered_here(question, total)

    def _within(self, question: Question, within: frozenset[str], total: int) -> Listing:
        """Of what the question finds otherwise, the records with these ids."""
        found = self._look_up(replace(question, within=None))
        ids = found.ids
        if ids is None:
            ids = [id_ for page in pages(self.collection, _BATCH * 10, **question.filters) for id_ in page["ids"]]
        kept = [id_ for id_ in ids if id_ in within]
        return Listing(len(kept), total, kept, found.note)

    def _ordered_here(self, question: Question, total: int) -> Listing:
        """As a collection of ours would, for one that has no order."""
        order = question.order
        include = list(order.include) if order else []
        found = list(pages(self.collection, _BATCH * 10, include=include, **question.filters))
        ids = [id_ for page in found for id_ in page["ids"]]
        if order is None:
            return Listing(len(ids), total, ids)
        columns = {name: [one for page in found for one in page[name] or ()][:ORDERED] for name in include}
        places = order.places(ids[:ORDERED], columns.get("metadatas"), columns.get("documents"))
        note = f"ordered among the first {ORDERED:,} records only" if len(ids) > ORDERED else ""
        return Listing(len(ids), total, [*(ids[place] for place in places), *ids[ORDERED:]], note)

    # --- Records ---
    def ids(self, question: Question, start: int, count: int) -> list[str]:
        """The ids of ``count`` records that the question finds, from place ``start`` on."""
        found = self.listing(question)
        if found.ids is not None:
            return found.ids[start : start + count]
        if count <= 0:
            return []
        return list(self.collection.get(limit=count, offset=start, include=[], **question.filters)["ids"])

    def records(self, question: Question, start: int, count: int) -> Records:
        """``count`` records that the question finds, from place ``start`` on; those deleted meanwhile are left out."""
        listing = self.listing(question)
        if listing.ids is not None:
            found = self.by_ids(listing.ids[start : start + count])
        else:
            found = self._stored(start, count, **question.filters)
        with self.lock:
            self._meet(found)
        return found

    def _stored(self, start: int, count: int, **filters: Any) -> Records:
        """Records by their place in the collection."""
        found = self.collection.get(limit=count, offset=start, include=list(COLUMNS), **filters)
        return Records.of_result(found)

    def by_ids(self, ids: Sequence[str], include: Sequence[str] = COLUMNS) -> Records:
        """The records with these ids that are there, in this order."""
        if not ids:
            return NO_RECORDS
        return Records.of_result(self.collection.get(ids=list(ids), include=list(include))).in_order_of(ids)

    def batches(self, question: Question, include: Sequence[str] = COLUMNS) -> Iterator[Records]:
        """All records that the question finds, in its order, some at a time."""
        ids = self.listing(question).ids
        if ids is not None:
            yield from (self.by_ids(some, include) for some in slices(ids, _BATCH))
            return
        found = map(Records.of_result, pages(self.collection, _BATCH, include=include, **question.filters))
        yield from (records for records in found if records.ids)

"""What the browser shows and why: the question, the page, the selection. No widgets here.

Built on the public methods of a collection alone. One page of records leaves the database at a time; to
count a filter or to sort, ids (and metadata) are read up to a limit, and ``Page.note`` says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias

from chroma_nb._optional import require
from chroma_nb.cells import is_missing
from chroma_nb.collection import Client, Collection, first_metadatas
from chroma_nb.jupyter.widgets.filters import SAMPLE, Key, both, compiled, observe
from chroma_nb.jupyter.widgets.listing import COUNTED, Listing, look_up
from chroma_nb.jupyter.widgets.pages import PAGE_SIZE, Page, page_count
from chroma_nb.jupyter.widgets.question import Order, Question
from chroma_nb.paging import pages, slices
from chroma_nb.records import COLUMNS, FIELDS, NO_RECORDS, Record, Records
from chroma_nb.results import GetResult
from chroma_nb.types import Metadata, Options, Where, WhereDocument
from chroma_nb.workbench import subset
from chroma_nb.workbench.changes import Changes, read_records
from chroma_nb.workbench.selection import Selection

if TYPE_CHECKING:
    import pandas

#: What an export takes.
Rows: TypeAlias = Literal["all", "page", "selected"]


class BrowserState:
    """One collection, one question, one page.

    >>> import chroma_nb
    >>> client = chroma_nb.EphemeralClient()
    >>> birds = client.create_collection("birds")
    >>> birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=[{"g": 9}, {"g": 500}])
    >>> state = BrowserState(birds)
    >>> state.ask(order=Order("metadata", "g", descending=True))
    >>> state.read().ids
    ['crow', 'wren']
    >>> client.close()
    """

    def __init__(
        self,
        collection: Collection,
        *,
        page_size: int = PAGE_SIZE,
        readonly: bool = True,
        where: Where | None = None,
        where_document: WhereDocument | None = None,
        selection: Selection | None = None,
        client: Client | None = None,
    ) -> None:
        if page_size < 1:
            raise ValueError(f"expected page_size of at least 1, got {page_size}")
        #: ``client`` is where exported collections are made.
        self.collection, self.client = collection, client
        self.page_size = page_size
        self.readonly = readonly
        self.selection = selection if selection is not None else Selection(collection)
        self.lock = self.selection.lock
        self.question = Question()
        self.number = 0
        self._given = (where, where_document)
        self._changes = Changes(collection)
        self._listing: Listing | None = None
        self._keys: dict[str, Key] | None = None
        self._count: int | None = None
        self._counted_to = COUNTED

    # --- The question ---
    @property
    def keys(self) -> dict[str, Key]:
        """The metadata keys of the first records, the most frequent first."""
        if self._keys is None:
            metadatas = first_metadatas(self.collection, SAMPLE)
            self._keys = observe(metadatas)
            if len(metadatas) < SAMPLE:  # these are all
                self._count = len(metadatas)
        return self._keys

    @property
    def count(self) -> int:
        """How many records the collection holds: counted once, and again after a change or ``refresh``."""
        if self._count is None:
            self._count = self.collection.count()
        return self._count

    @property
    def where(self) -> Where | None:
        """The filter on metadata, as ``get`` and ``query`` take it."""
        return both(self._given[0], compiled(self.question.rows, self.keys)[0] if self.question.rows else None)

    @property
    def where_document(self) -> WhereDocument | None:
        """The filter on documents."""
        of_rows = compiled(self.question.rows, self.keys)[1] if self.question.rows else None
        contains = {"$contains": self.question.contains} if self.question.contains else None
        return both(self._given[1], of_rows, contains)

    def ask(self, **parts: Any) -> None:
        """Another question: parts of ``Question`` by name. The first page comes next.

        A search by meaning that ends also ends the order by distance.
        """
        question = replace(self.question, **parts)
        if question.order.by == "distance" and not question.meaning:
            question = replace(question, order=Order())
        if question != self.question:
            self.question, self.number = question, 0
            self._forget()

    def refresh(self) -> None:
        """Ask again at the next reading: what others wrote appears."""
        self._keys = self._count = None
        self._forget()

    def _forget(self) -> None:
        self._listing = None
        self._counted_to = COUNTED

    def _filters(self) -> Options:
        both_filters = {"where": self.where, "where_document": self.where_document}
        return {name: value for name, value in both_filters.items() if value is not None}

    # --- The page ---
    def go(self, number: int) -> None:
        """Show this page, from 0; beyond the last it is the last."""
        self.number = max(0, number)

    def read(self) -> Page:
        """The page, from the database: one call, when what the question finds is counted already."""
        filters = self._filters()
        listing = self._found(filters)
        if listing.exact:
            self.number = min(self.number, page_count(listing.total, self.page_size) - 1)
        start = self.number * self.page_size
        ids = listing.ids if listing.ids is not None else listing.counted
        if ids is None:
            found = self.collection.get(limit=self.page_size, offset=start, include=list(COLUMNS), **filters)
            if not found["ids"] and start and listing.exact:  # others deleted what was here: count again
                self._count = self._listing = None
                return self.read()
            return self._page(Records.of_result(found), listing)
        return self._page(self._by_id(ids[start : start + self.page_size], COLUMNS), listing)

    def _page(self, found: Records, listing: Listing) -> Page:
        return Page(
            ids=found.ids,
            documents=list(found.column("documents")),
            metadatas=list(found.column("metadatas")),
            uris=list(found.column("uris")),
            distances=None if listing.distances is None else [listing.distances[id_] for id_ in found.ids],
            number=self.number,
            size=self.page_size,
            total=listing.total,
            exact=listing.exact,
            note=listing.note,
        )

    def _by_id(self, ids: Sequence[str], include: Sequence[str]) -> Records:
        """The records with these ids in this order; Chroma returns them in its own."""
        if not ids:
            return NO_RECORDS
        return Records.of_result(self.collection.get(ids=list(ids), include=list(include))).in_order_of(ids)

    # --- What the question finds ---
    def _found(self, filters: Options) -> Listing:
        beyond = self._listing is not None and not self._listing.exact and self._reaches(self._listing.total)
        if self._listing is None or beyond:
            self._counted_to = max(self._counted_to, self.number * self.page_size + COUNTED)
            self._listing = look_up(self.collection, self.question, filters, lambda: self.count, self._counted_to)
        return self._listing

    def _reaches(self, total: int) -> bool:
        return (self.number + 2) * self.page_size > total

    # --- One record ---
    def record(self, id: str) -> Record | None:
        """The record, or None if it no longer exists."""
        return next(iter(read_records(self.collection, [id])), None)

    def neighbours(self, record: Record, count: int = 5) -> list[tuple[str, float, str | None]]:
        """The records nearest to this one, nearest first: id, distance, document."""
        if record.embedding is None:
            return []
        found = self.collection.query(
            query_embeddings=[record.embedding], n_results=count + 1, include=["distances", "documents"]
        )
        hits = zip(found["ids"][0], found["distances"][0], found["documents"][0], strict=True)
        return [hit for hit in hits if hit[0] != record.id][:count]

    # --- Writing ---
    @property
    def undoable(self) -> str | None:
        """The change that ``undo`` would take back, in words."""
        return self._changes.last

    def create(self, id: str, document: str | None = None, metadata: Metadata | None = None) -> str:
        """Add a record, embedded by the collection; what was done, in words."""
        return self._written(self._writable().create(id, document, metadata))

    def edit(self, seen: Record, document: str | None, metadata: Metadata) -> str:
        """Change a record that was ``seen`` as it is; a changed document is embedded anew by the collection."""
        return self._written(self._writable().edit(seen, document, metadata))

    def delete(self, ids: Sequence[str]) -> str:
        """Delete records; they are no longer selected."""
        done = self._writable().delete(ids)
        self.selection.remove(ids)
        return self._written(done)

    def undo(self) -> str:
        """Take back the last change. A deleted record comes back as the last in stored order."""
        return self._written(self._writable().undo())

    def _writable(self) -> Changes:
        if self.readonly:
            raise PermissionError("this browser only reads; browse(collection, readonly=False) may write")
        return self._changes

    def _written(self, done: str) -> str:
        self._count = None
        self._forget()
        return done

    # --- Taking it along ---
    def batches(self, rows: Rows = "all", include: Sequence[str] = COLUMNS) -> Iterator[Records]:
        """The records that the question finds, in the order shown; or the page, or the selected.

        A search by meaning and an order stop where the pages stop (see ``Page.note``).
        """
        filters = self._filters()
        listing = None if rows == "selected" else self._found(filters)
        if rows == "selected":
            ids: Sequence[str] | None = self.selection.ids
        elif rows == "page":
            ids = self.read().ids
        else:
            ids = listing.ids if listing is not None else None
        if ids is not None:
            yield from (self._by_id(some, include) for some in slices(ids, subset.BATCH))
            return
        found = map(Records.of_result, pages(self.collection, subset.BATCH, include=include, **filters))
        yield from (records for records in found if records.ids)

    def to_df(self, rows: Rows = "all") -> pandas.DataFrame:
        """What is shown as a DataFrame: all that the question finds, in its order, the page, or the selected."""
        whole = Records.concat(list(self.batches(rows)))
        columns: Options = {name: whole.column(name) for name in COLUMNS}
        frame = GetResult({"ids": whole.ids, **columns}).to_df()
        distances = self._listing.distances if self._listing is not None and rows != "selected" else None
        if distances is not None and "distance" not in frame:
            frame.insert(1, "distance", [distances[id_] for id_ in frame["id"]])
        return frame

    def to_csv(self, path: str | os.PathLike[str], rows: Rows = "all") -> int:
        """Write what is shown to a new CSV file; how many records. FileExistsError where there is a file."""
        frame = self.to_df(rows)
        _write_new(Path(path), lambda file: frame.to_csv(file, index=False, lineterminator="\n", encoding="utf-8"))
        return len(frame)

    def to_parquet(self, path: str | os.PathLike[str], rows: Rows = "all") -> int:
        """Write what is shown to a new Parquet file; how many records. FileExistsError where there is a file."""
        arrow = require("pyarrow", feature="a Parquet file")
        frame = self.to_df(rows)
        for name in frame.columns:
            try:
                arrow.array(frame[name], from_pandas=True)
            except (arrow.ArrowInvalid, arrow.ArrowTypeError):  # values of several types: as text
                frame[name] = [None if is_missing(value) else str(value) for value in frame[name]]
        _write_new(Path(path), lambda file: frame.to_parquet(file, index=False))
        return len(frame)

    def to_collection(self, client: Client, name: str, rows: Rows = "all") -> int:
        """Make a collection of what is shown, with its embeddings; how many records. It must be new."""
        return subset.write(self.collection, client, name, self.batches(rows, include=FIELDS))[1]


def _write_new(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Complete under its name or not at all, and never over another file."""
    with path.open("xb") as file:
        try:
            write(file)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

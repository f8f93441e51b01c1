"""What an explorer knows and does: the map, the selection, searches, and changes to the collection. No widgets.

The views (``map.py``, ``explorer.py``) show it and call it; everything here is tested without a browser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import TypeAlias

from chroma_nb.collection import Client, Collection, values_by_key
from chroma_nb.jupyter.widgets.typed_values import SAMPLE, kinds, typed
from chroma_nb.paging import IDS_PER_CALL, by_ids, slices
from chroma_nb.projection import figures
from chroma_nb.projection.projection import Placed, Projection
from chroma_nb.records import FIELDS, Record, Records
from chroma_nb.types import LiteralValue, MetadataValue, Options
from chroma_nb.workbench import subset
from chroma_nb.workbench.changes import DELETED_AT_ONCE, Changes, read_records
from chroma_nb.workbench.selection import Selection

#: Rows of one page of the table, searches drawn at a time.
ROWS, SEARCHES = 10, 4

#: What points are coloured or sized by: a metadata key ("label" for the regions), values by id, or nothing.
By: TypeAlias = figures.By
#: The same as it may be given: values also as a Series by id, or one for each record in the order of the map.
GivenBy: TypeAlias = figures.Given


class ExplorerState:
    """What an ``Explorer`` shows: ``explorer.state``. You can read it and change it from Python.

    Attributes
    ----------
    projection
        The map, without the records that were deleted here.
    selection
        The selected records.
    color
        What the points are coloured by.
    size
        What the points are sized by.
    searches
        The searches on the map, as ``Placed``; at most four.
    focus
        The ids that are marked on the map. The first is shown in full.
    """

    def __init__(
        self,
        projection: Projection,
        selection: Selection | None = None,
        *,
        client: Client | None = None,
        color: GivenBy = "label",
        size: GivenBy = None,
        n_results: int = 10,
    ) -> None:
        self.client, self.n_results = client, n_results
        self.selection = selection if selection is not None else Selection(projection.collection)
        #: Held while something is done: buttons, lassos and the making of a better map come from several threads.
        self.lock = self.selection.lock
        self._collection = _need(projection.collection)
        self._changes = Changes(self._collection)
        #: What was deleted here, and the parts of it that can be brought back, the last one last.
        self._gone: set[str] = set()
        self._revivable: list[tuple[str, ...]] = []
        self.color, self.size = figures.by_id(projection, color), figures.by_id(projection, size)
        self.searches: list[Placed] = []
        #: Ids that are marked; the first is shown in full.
        self.focus: tuple[str, ...] = ()
        self.page = 0
        self._listeners: list[Callable[[str], object]] = []
        self._followers = ExitStack()
        self._take(projection)
        self.selection.on_select(lambda selection: self._start_over())

    @property
    def collection(self) -> Collection:
        """The collection."""
        return self._collection

    def on_change(self, callback: Callable[[str], object]) -> Callable[[], None]:
        """Call a function after each change.

        Parameters
        ----------
        callback
            A function of one argument: what changed, ``"map"``, ``"searches"`` or ``"focus"``.

        Returns
        -------
        callable
            Call it to stop.
        """
        self._listeners.append(callback)

        def stop() -> None:
            """Call it no more."""
            if callback in self._listeners:
                self._listeners.remove(callback)

        return stop

    def follow(
        self, changed: Callable[[str], object], selected: Callable[[], object], *, source: object = None
    ) -> None:
        """Call one function after changes and another after selections, until ``release``."""
        self._followers.callback(self.on_change(changed))
        self._followers.callback(self.selection.on_select(lambda selection: selected(), source=source))

    def release(self) -> None:
        """Stop all calls that ``follow`` started."""
        self._followers.close()

    def _changed(self, what: str) -> None:
        with self.lock:
            for callback in list(self._listeners):
                callback(what)

    def _take(self, projection: Projection) -> None:
        """``projection`` is what is shown, except for what was deleted here."""
        self._whole = projection
        self.projection = projection.without(self._gone) if self._gone else projection
        self._rows = {id_: row for row, id_ in enumerate(self.projection.ids)}

    def _start_over(self) -> None:
        self.page = 0
        if self.focus:
            self.look_at(())

    # --- The map ---
    def metadata_keys(self, numbers: bool = False) -> list[str]:
        """Return the metadata keys of the records on the map, in alphabetical order.

        Parameters
        ----------
        numbers
            Whether to return only keys that have numbers.
        """
        found = values_by_key(self.projection.metadatas)
        return sorted(key for key, values in found.items() if not numbers or any(map(_is_number, values)))

    def paint(self, color: GivenBy, size: GivenBy = None) -> None:
        """Change what the points are coloured and sized by.

        Parameters
        ----------
        color
            A metadata key, ``"label"`` for the regions, values by id, or None.
        size
            A metadata key of numbers, numbers by id, or None.

        Raises
        ------
        ValueError
            No record has the key, or ``size`` has no numbers.
        """
        with self.lock:
            color, size = figures.by_id(self.projection, color), figures.by_id(self.projection, size)
            if (color, size) != (self.color, self.size):
                figures.column(self.projection, color)
                figures.column(self.projection, size)
                if isinstance(size, str) and len(self.projection) and size not in self.metadata_keys(numbers=True):
                    raise ValueError(f"expected size to be a metadata key with numbers, got {size!r}")
                self.color, self.size = color, size
                self._changed("map")

    def refit(self) -> None:
        """Show the map again after its coordinates or its records changed."""
        with self.lock:
            self._take(self._whole)
            texts = [text for placed in self.searches for text in placed.texts] if len(self.projection) else []
            self.searches = [self.projection.place(query_texts=text, n_results=self.n_results) for text in texts]
            self._changed("map")

    def rows_of(self, ids: Iterable[str]) -> list[int]:
        """Return the rows of the map that have these ids. Ids that are not on the map are left out."""
        return [self._rows[id_] for id_ in ids if id_ in self._rows]

    def select_rows(self, rows: Sequence[int], source: object) -> None:
        """Select the records in these rows of the map."""
        self.selection.select([self.projection.ids[row] for row in rows], source=source)

    # --- The table ---
    @property
    def pages(self) -> int:
        """How many pages the table of selected records has, at least 1."""
        return max(1, -(-len(self.selection) // ROWS))

    def turn(self, by: int) -> None:
        """Turn the table by this many pages."""
        self.page = min(max(self.page + by, 0), self.pages - 1)

    def table(self) -> list[Options]:
        """Return the rows of the current page: id, document, metadata, label."""
        ids = self.selection.ids[self.page * ROWS : (self.page + 1) * ROWS]
        named = self.projection.labels.of_records() if ids else []
        known = {
            id_: {
                "document": self.projection.documents[row],
                "metadata": self.projection.metadatas[row],
                "label": named[row],
            }
            for id_ in ids
            if (row := self._rows.get(id_)) is not None
        }
        absent = {"document": None, "metadata": None, "label": None}
        return [{"id": id_, **known.get(id_, absent)} for id_ in ids]

    def look_at(self, ids: Iterable[str]) -> None:
        """Mark records on the map and show the first in full. The selection stays."""
        self.focus = tuple(ids)
        self._changed("focus")

    def keep_focused(self) -> None:
        """Select only the records that are marked."""
        if self.focus:
            self.selection.select(self.focus, source="table")

    def record(self) -> Record | None:
        """Return the record in focus as it is in the collection now; None if no record is in focus."""
        return next(iter(read_records(self.collection, self.focus[:1], ("documents", "metadatas"))), None)

    # --- Searching ---
    def search(self, text: str) -> list[str]:
        """Find records by meaning, draw the query on the map, and select what was found.

        Returns
        -------
        list of str
            The ids of the records, nearest first.

        Raises
        ------
        ValueError
            ``text`` is empty.
        """
        if not text.strip():
            raise ValueError("expected words to search for, got none")
        placed = self.projection.place(query_texts=text, n_results=self.n_results)
        others = [search for search in self.searches if search.texts != placed.texts]
        self.searches = [*others, placed][-SEARCHES:]
        self._changed("searches")
        self.selection.select(placed.ids[0], source="search")
        return placed.ids[0]

    def forget_searches(self) -> None:
        """Remove all searches from the map."""
        if self.searches:
            self.searches = []
            self._changed("searches")

    # --- Changing the collection ---
    def as_typed(self, key: str, text: str) -> LiteralValue:
        """Convert a text to the type that ``key`` has on the map. Raise a ValueError if it has no such form."""
        carriers = (metadata for metadata in self.projection.metadatas if metadata and key in metadata)
        kind = kinds(islice(carriers, SAMPLE)).get(key)
        return text if kind is None or kind == "list" else typed(key, kind, text)

    def tag(self, key: str, value: MetadataValue) -> int:
        """Set a metadata value of the selected records.

        Parameters
        ----------
        key
            The metadata key. A value that is there is overwritten.
        value
            The value.

        Returns
        -------
        int
            The number of records.

        Raises
        ------
        ValueError
            Nothing is selected, or ``key`` is empty.
        """
        if not key.strip():
            raise ValueError("expected a metadata key, got none")
        ids = self._need_selection()
        for batch in slices(ids, subset.BATCH):
            self.collection.update(ids=batch, metadatas=[{key: value}] * len(batch))
        chosen = set(ids)
        for projection in (self.projection, self._whole):
            for row, id_ in enumerate(projection.ids):
                if id_ in chosen:
                    projection.metadatas[row] = {**(projection.metadatas[row] or {}), key: value}
        self._changed("map")
        return len(ids)

    def save_as(self, name: str) -> Collection:
        """Create a collection of the selected records, with the same distance and embedding function.

        Parameters
        ----------
        name
            The name of the new collection.

        Returns
        -------
        Collection
            The new collection.

        Raises
        ------
        ValueError
            Nothing is selected, ``name`` is empty, or the explorer has no client: pass one as ``explore(…,
            client=client)``.
        """
        ids = self._need_selection()
        if self.client is None:
            raise ValueError("a new collection needs the client: explore(collection, client=client)")
        if not name.strip():
            raise ValueError("expected a name for the new collection, got none")
        found = map(Records.of_result, by_ids(self.collection, ids, FIELDS, subset.BATCH))
        return subset.write(self.collection, self.client, name, found)[0]

    def delete(self, confirmed: int) -> int:
        """Delete the selected records.

        Parameters
        ----------
        confirmed
            How many records you mean to delete. It must be the number of selected records.

        Returns
        -------
        int
            The number of records. Up to 1,000 can be brought back with ``undo``.

        Raises
        ------
        ValueError
            Nothing is selected, or ``confirmed`` is another number.
        """
        with self.lock:
            ids = self._need_selection()
            if confirmed != len(ids):
                raise ValueError(
                    f"the selection has changed: {confirmed} records were confirmed, {len(ids)} are selected"
                )
            if len(ids) <= DELETED_AT_ONCE:
                self._changes.delete(ids)
                self._revivable.append(tuple(ids))
            else:
                for batch in slices(ids, IDS_PER_CALL):
                    self.collection.delete(ids=batch)
            self._gone.update(ids)
            self.refit()
            self.selection.clear()
        return len(ids)

    @property
    def undoable(self) -> str | None:
        """What ``undo`` would bring back, in words; None if there is nothing."""
        return self._changes.last

    def undo(self) -> str:
        """Bring back the records of the last deletion and select them.

        Returns
        -------
        str
            What was undone, in words.

        Raises
        ------
        ValueError
            There is nothing to undo, or others changed the records meanwhile.
        """
        with self.lock:
            done = self._changes.undo()
            ids = self._revivable.pop()
            self._gone.difference_update(ids)
            self.refit()
            self.selection.select(ids)
        return done

    def _need_selection(self) -> list[str]:
        if not len(self.selection):
            raise ValueError("nothing is selected: draw around some points or search first")
        return list(self.selection.ids)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _need(collection: Collection | None) -> Collection:
    if collection is None:
        raise ValueError("exploring needs the collection: Projection.load(path, collection)")
    return collection

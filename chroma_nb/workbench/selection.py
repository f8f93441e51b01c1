"""The selection that map, table, search and record share: ids of one collection. No widgets here.

Whoever changes it says who it is (``source``) and is not called back for its own change, so that two
views never chase each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from chroma_nb import _locks
from chroma_nb.collection import Collection
from chroma_nb.display.markup import counted
from chroma_nb.paging import by_ids
from chroma_nb.records import Records
from chroma_nb.results import GetResult
from chroma_nb.tables.kinds import ids_among

if TYPE_CHECKING:
    import pandas


class Selection:
    """The ids that are selected in a view, in the order of selection. Several views can share one.

    Parameters
    ----------
    collection
        The collection that the ids belong to. ``to_df`` needs it.
    ids
        The ids to begin with.

    Examples
    --------
    >>> chosen = Selection()
    >>> stop = chosen.on_select(lambda selection: print(selection.ids))
    >>> chosen.select(["b", "a", "b"])
    ('b', 'a')
    >>> chosen.select(["b", "a"])  # no change, no call
    >>> stop()
    >>> chosen.clear()
    """

    def __init__(self, collection: Collection | None = None, ids: Iterable[str] = ()) -> None:
        self.collection = collection
        self._ids = tuple(dict.fromkeys(ids_among(ids)))
        #: Who made the last change.
        self.source: object = None
        self._listeners: list[tuple[object, Callable[[Selection], object]]] = []
        #: JupyterLab has the messages of widgets handled in threads beside that of the cells. Views take this lock
        #: for what they do; those that share a selection share it too, so that they never wait for one another.
        self.lock = _locks.RLock()

    @property
    def ids(self) -> tuple[str, ...]:
        """The selected ids, a tuple. Set it to a list of ids, a Series of ids, or a table with a column ``id``."""
        return self._ids

    @ids.setter
    def ids(self, ids: Iterable[str]) -> None:
        self.select(ids)

    def select(self, ids: Iterable[str], source: object = None) -> None:
        """Select these ids and no others.

        All listeners are called, unless nothing changed. An exception of one is raised after the others were called.

        Parameters
        ----------
        ids
            A list of ids, a Series of ids, or a table with a column ``id``. Repeated ids count once.
        source
            Who made the change. Listeners that were added with the same source are not called.

        Raises
        ------
        TypeError
            ``ids`` is one text, or holds something else than texts.
        """
        chosen = tuple(dict.fromkeys(ids_among(ids)))
        with self.lock:
            if chosen == self._ids:
                return
            self._ids, self.source = chosen, source
            with ExitStack() as calls:  # which calls the last one first
                for name, callback in reversed(self._listeners):
                    if name is None or name != source:
                        calls.callback(callback, self)

    def add(self, ids: Iterable[str], source: object = None) -> None:
        """Select these ids too."""
        with self.lock:
            self.select([*self._ids, *ids_among(ids)], source)

    def remove(self, ids: Iterable[str], source: object = None) -> None:
        """Deselect these ids."""
        gone = set(ids_among(ids))
        with self.lock:
            self.select([id_ for id_ in self._ids if id_ not in gone], source)

    def toggle(self, id: str, source: object = None) -> None:
        """Select this id, or deselect it if it is selected."""
        with self.lock:
            (self.remove if id in self else self.add)([id], source)

    def clear(self, source: object = None) -> None:
        """Deselect all ids."""
        self.select((), source)

    def on_select(self, callback: Callable[[Selection], object], *, source: object = None) -> Callable[[], None]:
        """Call a function after each change of the selection.

        Parameters
        ----------
        callback
            A function of one argument, the selection.
        source
            If given, the function is not called after changes that this source made.

        Returns
        -------
        callable
            Call it to stop.
        """
        entry = (source, callback)
        self._listeners.append(entry)

        def stop() -> None:
            """Tell this listener no more."""
            if entry in self._listeners:
                self._listeners.remove(entry)

        return stop

    def to_df(self, columns: Sequence[str] | None = None) -> pandas.DataFrame:
        """Return the selected records as they are in the collection now, in the order of selection.

        Parameters
        ----------
        columns
            The columns to return. By default those of ``collection.get(…).to_df()``.

        Returns
        -------
        pandas.DataFrame
            One row per record. Records that were deleted are left out.

        Raises
        ------
        ValueError
            The selection belongs to no collection.

        Examples
        --------
        >>> import chroma_nb
        >>> collection = chroma_nb.EphemeralClient().create_collection("docs")
        >>> collection.add(ids=["a", "b"], documents=["one", "two"], embeddings=[[0, 1], [1, 0]])
        >>> Selection(collection, ["b"]).to_df()
          id document
        0  b      two
        """
        if self.collection is None:
            raise ValueError("this selection has no collection: Selection(collection)")
        parts = map(Records.of_result, by_ids(self.collection, self._ids, ["documents", "metadatas"]))
        found = Records.concat(list(parts)).in_order_of(self._ids)
        documents, metadatas = found.column("documents"), found.column("metadatas")
        return GetResult(ids=found.ids, documents=documents, metadatas=metadatas).to_df(columns)

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __contains__(self, id: object) -> bool:
        return id in self._ids

    def __repr__(self) -> str:
        return f"<Selection of {counted(len(self), 'record')}>"

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
    """Ids in the order they were selected, without repetition.

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
        """The selected ids."""
        return self._ids

    @ids.setter
    def ids(self, ids: Iterable[str]) -> None:
        self.select(ids)

    def select(self, ids: Iterable[str], source: object = None) -> None:
        """Exactly these ids (or a table's); listeners are called, except that of ``source``, unless nothing changed.

        All are called, in their order, also where one of them raises; what it raised comes out afterwards.
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
        """These ids too."""
        with self.lock:
            self.select([*self._ids, *ids_among(ids)], source)

    def remove(self, ids: Iterable[str], source: object = None) -> None:
        """Not these ids."""
        gone = set(ids_among(ids))
        with self.lock:
            self.select([id_ for id_ in self._ids if id_ not in gone], source)

    def toggle(self, id: str, source: object = None) -> None:
        """This id, if it is not selected; else not."""
        with self.lock:
            (self.remove if id in self else self.add)([id], source)

    def clear(self, source: object = None) -> None:
        """Nothing."""
        self.select((), source)

    def on_select(self, callback: Callable[[Selection], object], *, source: object = None) -> Callable[[], None]:
        """Call ``callback(selection)`` after each change; what comes back stops that.

        With ``source``, not after the changes of that source.
        """
        entry = (source, callback)
        self._listeners.append(entry)

        def stop() -> None:
            """Tell this listener no more."""
            if entry in self._listeners:
                self._listeners.remove(entry)

        return stop

    def to_df(self, columns: Sequence[str] | None = None) -> pandas.DataFrame:
        """The selected records as they are in the collection now, in the order of selection.

        The columns are those of ``collection.get(…).to_df()``. Ids that are no longer there are left out.

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

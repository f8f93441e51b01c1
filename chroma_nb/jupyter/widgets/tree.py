"""The databases and collections of a client: counts and sizes, a page of collections at a time.

Chroma lists no tenants: it is the client's tenant that is shown, with all its databases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import ipywidgets

from chroma_nb.collection import Client, Collection, databases, in_database, listed, opened
from chroma_nb.display.markup import Html, counted, escape, fragment, shortened, table, visible
from chroma_nb.jupyter.widgets.controls import button
from chroma_nb.jupyter.widgets.status import StatusLine

#: Collections of one page.
PAGE = 20
_BYTES_PER_NUMBER = 4


@dataclass(frozen=True)
class Entry:
    """A collection: its name, how many records, of which dimension (None before the first)."""

    name: str
    count: int
    dimension: int | None

    @property
    def size(self) -> str:
        """What its vectors take.

        >>> Entry("papers", 10_000, 384).size
        '15.4 MB'
        """
        size = float(self.count * (self.dimension or 0) * _BYTES_PER_NUMBER)
        for unit in ("B", "kB", "MB"):
            if size < 1000:
                return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
            size /= 1000
        return f"{size:.1f} GB"


class ClientTree:
    """What a client can reach. ``close`` gives back the clients it opened for other databases."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._opened = ExitStack()
        self._clients: dict[str, Client] = {client.database: client}

    @property
    def tenant(self) -> str:
        """The tenant of the client."""
        return self.client.tenant

    def databases(self) -> list[str]:
        """The databases of the tenant, the client's own first; that one alone where they cannot be listed."""
        return databases(self.client)

    def client_of(self, database: str) -> Client:
        """A client of this database."""
        if database not in self._clients:
            self._clients[database] = self._opened.enter_context(in_database(self.client, database))
        return self._clients[database]

    def collections(self, database: str, offset: int = 0) -> tuple[list[Entry], int]:
        """A page of the collections of a database, and how many there are."""
        client = self.client_of(database)
        found = listed(client, PAGE, offset)
        collections = [opened(client, name) if isinstance(name, str) else name for name in found]
        return [_entry(collection) for collection in collections], int(client.count_collections())

    def open(self, database: str, name: str) -> Collection:
        """The collection, with its embedding function where that can be built here."""
        client = self.client_of(database)
        try:
            return client.get_collection(name)
        except (ValueError, ImportError):  # a function without its key or package: everything but search by meaning
            return opened(client, name)

    def close(self) -> None:
        """Close what was opened here; the client itself stays open."""
        self._opened.close()


def _entry(collection: Collection) -> Entry:
    vectors = collection.get(limit=1, include=["embeddings"])["embeddings"]
    dimension = len(vectors[0]) if vectors is not None and len(vectors) else None
    return Entry(collection.name, collection.count(), dimension)


def entries_html(caption: str, entries: Sequence[Entry]) -> Html:
    """Collections as a table."""
    rows = [
        [
            escape(entry.name, 80),
            f"{entry.count:,}",
            "–" if entry.dimension is None else f"{entry.dimension:,}",
            entry.size,
        ]
        for entry in entries
    ]
    heads = ["collection", "records", "dimension", "vectors"]
    return table(caption, heads, rows, numbers=heads[1:])


class TreeView:
    """The tree as widgets: a database at a time; ``on_open(database, name)`` when a collection is chosen."""

    def __init__(self, tree: ClientTree, status: StatusLine, on_open: Callable[[str, str], None]) -> None:
        self._tree, self._on_open = tree, on_open
        self._offset = self._total = 0
        self.title = ipywidgets.HTML(f'<div class="title">Tenant {escape(tree.tenant, 80)}</div>')
        self.database = ipywidgets.Dropdown(
            description="Database", options=[(visible(name), name) for name in tree.databases()]
        )
        self.database.observe(lambda _: status.run(self._changed), "value")
        self.collection = ipywidgets.Select(description="Collection", rows=6, tooltip="Choose one to browse it")
        self.open = button("Open", "folder-open", "Browse the chosen collection", status, self._open)
        self.previous = button("Previous", "", "Collections before these", status, lambda: self._turn(-PAGE))
        self.next = button("Next", "", "Collections after these", status, lambda: self._turn(PAGE))
        self.refresh = button("Refresh", "refresh", "List the collections again", status, lambda: self._turn(0))
        self._table = ipywidgets.HTML()
        buttons = ipywidgets.HBox([self.open, self.previous, self.next, self.refresh])
        choice = ipywidgets.VBox([self.database, self.collection, buttons])
        both = ipywidgets.HBox([choice, self._table], layout={"flex_flow": "row wrap", "grid_gap": "24px"})
        self.widget = ipywidgets.VBox([self.title, both])
        self.show()

    def show(self) -> None:
        """The page of collections, from the database."""
        entries, self._total = self._tree.collections(self.database.value, self._offset)
        self.collection.options = [
            (f"{shortened(visible(entry.name), 60)} ({entry.count:,})", entry.name) for entry in entries
        ]
        last = self._offset + len(entries)
        span = f", {self._offset + 1:,}–{last:,} shown" if self._total > len(entries) and entries else ""
        self._table.value = fragment(entries_html(counted(self._total, "collection") + span, entries))
        self.previous.disabled, self.next.disabled = self._offset == 0, last >= self._total

    def _changed(self) -> None:
        self._offset = 0
        self.show()

    def _turn(self, by: int) -> None:
        self._offset = max(0, self._offset + by)
        self.show()

    def _open(self) -> None:
        if self.collection.value is None:
            raise ValueError("choose a collection first")
        self._on_open(self.database.value, self.collection.value)

"""The widget of ``browse(client)``: databases and collections of a client, and the workbench of the open one."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from chroma_nb import _locks
from chroma_nb.collection import Client, Collection
from chroma_nb.display.markup import Html, block, visible
from chroma_nb.jupyter.widgets.displayed import Displayed
from chroma_nb.jupyter.widgets.status import StatusLine
from chroma_nb.jupyter.widgets.style import STYLE
from chroma_nb.jupyter.widgets.tree import ClientTree, TreeView, entries_html
from chroma_nb.workbench.widget import Workbench


class ClientBrowser(Displayed):
    """The widget of ``browse(client)``: databases and collections, and the collection that you open.

    Attributes
    ----------
    client
        The client.
    browser
        The ``Workbench`` of the collection that was opened last; None before that.
    """

    def __init__(self, client: Client, made: Callable[[Collection, Client], Workbench]) -> None:
        self.client = client
        self._made = made
        self._build()

    def _build(self) -> None:
        client = self.client
        self.browser: Workbench | None = None
        self.status = StatusLine(_locks.RLock())
        self._tree = ClientTree(client)
        self.tree = TreeView(self._tree, self.status, self.open)
        self._place = ipywidgets.VBox([])
        style = ipywidgets.HTML(STYLE, layout={"display": "none"})
        head = ipywidgets.VBox([style, self.tree.widget, self.status.widget])
        head.add_class("chroma-nb-browser")
        self.widget = ipywidgets.VBox([head, self._place], layout={"grid_gap": "8px"})

    def open(self, database: str, name: str) -> None:
        """Open a collection below the list.

        Parameters
        ----------
        database
            The name of the database.
        name
            The name of the collection.

        Raises
        ------
        NotFoundError
            There is no such collection.
        """
        collection = self._tree.open(database, name)
        before, self.browser = self.browser, self._made(collection, self._tree.client_of(database))
        self._place.children = [self.browser]
        if before is not None:
            before.close()

    def close(self) -> None:
        """Free the widgets, and the connections to other databases. The client stays open.

        If you display the object again, it works again, with no collection open.
        """
        if self.browser is not None:
            self._place.children = []
            self.browser.close()
        self._tree.close()
        super().close()

    def _static(self) -> Html:
        entries, total = self._tree.collections(self.client.database)
        caption = f"Tenant {self._tree.tenant}, database {self.client.database}: {total:,} collections"
        return block(entries_html(caption, entries))

    def __repr__(self) -> str:
        return f"<Browser of {visible(self.client.tenant)}, {visible(self.client.database)}>"

"""``browse``: the widget of a collection (``browser.py``) or of a client (``client_browser.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chroma_nb._optional import require
from chroma_nb.collection import Client, is_client, is_collection
from chroma_nb.types import Options, Where, WhereDocument

if TYPE_CHECKING:
    from chroma_nb.jupyter.widgets.browser import Browser
    from chroma_nb.jupyter.widgets.client_browser import ClientBrowser
    from chroma_nb.workbench.selection import Selection


def browse(
    source: object,
    *,
    readonly: bool = True,
    where: Where | None = None,
    where_document: WhereDocument | None = None,
    columns: Sequence[str] | None = None,
    page_size: int = 20,
    selection: Selection | None = None,
    client: Client | None = None,
) -> Browser | ClientBrowser:
    """A live view of a collection, or of a client's collections, in the notebook.

    Pages, sorting, filters, search in documents and by meaning, a record with its neighbours, export; with
    ``readonly=False`` also to create, edit, delete and undo. Only the page shown leaves the database. ``where``
    and ``where_document`` always hold; ``columns`` are the metadata keys shown (the most frequent, if not given);
    ``client`` is where exported collections are made. Works with collections and clients of chroma_nb and of
    chromadb. Raises TypeError for anything else, ValueError for a page without room.

    >>> import chroma_nb
    >>> with chroma_nb.EphemeralClient() as memory:
    ...     birds = memory.create_collection("birds")
    ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=[{"g": 9}, {"g": 500}])
    ...     browser = chroma_nb.browse(birds, where={"g": {"$gt": 100}})
    ...     browser.to_df()["id"].tolist()
    ['crow']
    """
    require("ipywidgets", feature="browse()")
    from chroma_nb.jupyter.widgets.browser import Browser
    from chroma_nb.jupyter.widgets.client_browser import ClientBrowser

    shown: Options = {"readonly": readonly, "columns": columns, "page_size": page_size}
    if is_collection(source):
        given: Options = {"where": where, "where_document": where_document, "selection": selection, "client": client}
        return Browser(source, **shown, **given)
    if is_client(source):
        return ClientBrowser(source, **shown)
    raise TypeError(
        f"expected a collection or a client, got {type(source).__name__}; an asynchronous one cannot be browsed"
    )

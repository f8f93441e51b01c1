"""``browse``: the workbench of a collection, a table, or one of a client's collections (``client_browser.py``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from chroma_nb._optional import require
from chroma_nb.collection import Client, Collection, is_client, is_collection
from chroma_nb.query.conditions import DOCUMENT_KEY
from chroma_nb.query.ordering import ID_KEY
from chroma_nb.tables.kinds import is_frame
from chroma_nb.types import Options, Where, WhereDocument

if TYPE_CHECKING:
    from chroma_nb.jupyter.widgets.client_browser import ClientBrowser
    from chroma_nb.workbench.selection import Selection
    from chroma_nb.workbench.widget import Workbench


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
) -> Workbench | ClientBrowser:
    """Show a collection as a live table in the notebook, with facets, search, records and a map.

    Only the rows that are on the screen are read from the database.

    Parameters
    ----------
    source
        A collection or a client of chroma_nb or of the package chromadb, local or on a server. For a client, you first
        choose a collection from its databases. Or a table of your own: pandas, polars, Arrow or a Hugging Face Dataset.
    readonly
        Whether the table only reads. With False you can also create, edit, tag and delete records, and undo it.
    where
        Show only records whose metadata match this filter. It applies in addition to the filters set in the table.
    where_document
        Show only records whose document matches this filter. It applies in addition to the filters set in the table.
    columns
        The metadata keys to show beside the id and the document. By default all.
    page_size
        How many rows are visible at once.
    selection
        A selection to share with other views, such as ``other.selection``.
    client
        The client in which **Export…** creates collections.

    Returns
    -------
    Workbench or ClientBrowser
        The widget. For a client, a ``ClientBrowser``.

    Raises
    ------
    TypeError
        ``source`` is something else, or belongs to an asynchronous client.
    ValueError
        ``page_size`` is less than 1, a filter is malformed, a column is not a metadata key, or the rows of the table
        cannot be records.

    Notes
    -----
    A table becomes a temporary collection in memory. Its columns are used as by ``collection.add(df)``: ``id``,
    ``document``, ``embedding``; all others are metadata. Without a column ``document``, the column ``text`` is used, or
    else the one with the longest texts. Without a column ``embedding``, the default model embeds the documents. The
    temporary collection is deleted when its last widget is closed.

    Examples
    --------
    >>> import chroma_nb
    >>> with chroma_nb.EphemeralClient() as memory:
    ...     birds = memory.create_collection("birds")
    ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=[{"g": 9}, {"g": 500}])
    ...     browser = chroma_nb.browse(birds, where={"g": {"$gt": 100}})
    ...     browser.to_df()["id"].tolist()
    ['crow']

    >>> import pandas
    >>> table = pandas.DataFrame({"document": ["a wren", "a crow"], "embedding": [[1.0, 0.0], [0.0, 1.0]]})
    >>> browser = chroma_nb.browse(table)
    >>> browser.ids()
    ['0', '1']
    >>> browser.close()
    """
    require("ipywidgets", feature="browse()")
    from chroma_nb.jupyter.widgets.client_browser import ClientBrowser
    from chroma_nb.workbench.source import Source
    from chroma_nb.workbench.widget import Workbench, height_of

    if page_size < 1:
        raise ValueError(f"expected page_size of at least 1, got {page_size}")
    keys = None if columns is None else with_fields(columns)
    shown: Options = {"readonly": readonly, "height": height_of(page_size)}

    def of_collection(collection: Collection) -> Workbench:
        given: Options = {"where": where, "where_document": where_document, "selection": selection, "client": client}
        return Workbench(collection, columns=keys, **shown, **given)

    if is_collection(source):
        return of_collection(source)
    if is_client(source):

        def made(collection: Collection, client: Client) -> Workbench:
            there = None if keys is None else [key for key in keys if key in Source(collection).columns.known]
            return Workbench(collection, columns=there, client=client, **shown)

        return ClientBrowser(source, made)
    if is_table(source):
        from chroma_nb.workbench import temporary

        return temporary.show(source, of_collection)
    raise TypeError(
        f"expected a collection, a client or a table, got {type(source).__name__}; async ones cannot be browsed"
    )


def is_table(source: object) -> bool:
    """Whether this is a table, or a dict of tables, of which an error names one."""
    several = isinstance(source, Mapping) and bool(source) and all(map(is_frame, source.values()))
    return is_frame(source) or several


def with_fields(columns: Sequence[str]) -> list[str]:
    """The columns, after id and document unless these are among them.

    >>> with_fields(["year"]), with_fields(["year", "#id"])
    (['#id', '#document', 'year'], ['year', '#id'])
    """
    named = list(columns)
    return named if {ID_KEY, DOCUMENT_KEY} & set(named) else [ID_KEY, DOCUMENT_KEY, *named]

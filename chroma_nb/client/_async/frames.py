"""The methods of a collection that take or give a DataFrame. What they do stands in ``tables/``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from types import NoneType
from typing import TYPE_CHECKING

from chroma_nb._hints import suggesting
from chroma_nb.cells import Dates
from chroma_nb.collection import AsyncCollection
from chroma_nb.embedding_functions.progress import record_bar
from chroma_nb.tables._async import reading, syncing, writing
from chroma_nb.tables.batches import Verb
from chroma_nb.tables.reports import Synced, Written
from chroma_nb.tables.rows import OnError
from chroma_nb.types import Options, Where, WhereDocument

if TYPE_CHECKING:
    import pandas


#: Of ``add(df)`` and its like: shown after a second.
_BAR = record_bar(None)
#: Options by other words for them.
_NAMES = suggesting(
    ids="id", key="id", text="document", texts="document", documents="document", content="document",
    vector="embedding", vectors="embedding", embeddings="embedding", uris="uri", metadatas="metadata",
)  # fmt: skip


class AsyncFrames:
    """The table side of a collection."""

    async def to_df(
        self: AsyncCollection,
        where: Where | None = None,
        *,
        ids: list[str] | None = None,
        where_document: WhereDocument | None = None,
        limit: int | None = None,
        offset: int = 0,
        columns: Sequence[str] | None = None,
        include: Sequence[str] | None = None,
        dates: bool | str | Sequence[str] = False,
    ) -> pandas.DataFrame:
        """The records as a pandas DataFrame, one row a record, metadata keys as columns.

        The columns are ``id``, ``document``, ``uri`` where there is one, and the metadata keys in
        alphabetical order (``metadata.<key>`` for a key of one of these names). ``columns`` picks some, in
        that order, and fetches nothing else; ``"embedding"`` is one of them. ``include`` is Chroma's. ``dates``
        names the columns whose ISO texts, or seconds or milliseconds since 1970, become dates; True: all that look
        like dates.

        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=[{"g": 9}, {"g": 500}])
        ...     birds.to_df({"g": {"$lt": 100}}, columns=["id", "g"])
             id  g
        0  wren  9
        """
        return await reading.read(self, where, where_document, ids, limit, offset, columns, include, dates=dates)

    def iter_df(
        self: AsyncCollection,
        where: Where | None = None,
        *,
        columns: Sequence[str] | None = None,
        page_size: int = 1_000,
    ) -> AsyncIterator[pandas.DataFrame]:
        """The records as DataFrames of at most ``page_size`` rows, one after the other."""
        return reading.read_frames(self, where, columns, page_size)

    @_NAMES
    async def add_df(
        self: AsyncCollection,
        df: object,
        *,
        id: object = None,
        document: object = None,
        embedding: object = None,
        uri: object = None,
        metadata: object = None,
        on_error: OnError = "raise",
        dates: Dates = "iso",
        progress: bool | None = None,
    ) -> Written:
        """Add the rows of a table: pandas, polars, Arrow, or anything with their protocol.

        ``id``, ``document``, ``embedding`` and ``uri`` name a column or give the values; without them the
        columns of that name are taken, and the index for the ids. A Series or dict beside the table is matched by
        its labels with the table's index, or with the ids. ``metadata`` names the metadata columns, by default all
        others, or gives a dict a row. A missing cell is an absent key; a date becomes ISO 8601 text, or
        seconds since 1970 with ``dates="epoch"``. With ``on_error="skip"`` rows that cannot be records are
        left out and reported. ``progress``: None shows a bar after a second. The answer counts the rows written, and
        those whose ids were there already. All or nothing: after an error, or Ctrl-C, nothing was added (over HTTP
        the error says what was).

        Raises ValueError that names the rows and reasons.

        >>> import chroma_nb, pandas
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add_df(pandas.DataFrame({"key": ["wren"], "vector": [[1.0, 0.0]]}), id="key", embedding="vector")
        1 rows written
        """
        options = _options(id, document, embedding, uri, metadata, on_error, dates)
        return await writing.write(self, "add", df, bar=record_bar(progress), **options)

    @_NAMES
    async def upsert_df(
        self: AsyncCollection,
        df: object,
        *,
        id: object = None,
        document: object = None,
        embedding: object = None,
        uri: object = None,
        metadata: object = None,
        on_error: OnError = "raise",
        dates: Dates = "iso",
        progress: bool | None = None,
    ) -> Written:
        """Add the rows of a table, or overwrite the records that are there. Arguments as ``add_df``."""
        options = _options(id, document, embedding, uri, metadata, on_error, dates)
        return await writing.write(self, "upsert", df, bar=record_bar(progress), **options)

    @_NAMES
    async def update_df(
        self: AsyncCollection,
        df: object,
        *,
        id: object = None,
        document: object = None,
        embedding: object = None,
        uri: object = None,
        metadata: object = None,
        on_error: OnError = "raise",
        dates: Dates = "iso",
        progress: bool | None = None,
    ) -> Written:
        """Change the records of these ids; what a row does not say stays as it is. Arguments as ``add_df``."""
        options = _options(id, document, embedding, uri, metadata, on_error, dates)
        return await writing.write(self, "update", df, bar=record_bar(progress), **options)

    @_NAMES
    async def sync(
        self: AsyncCollection,
        df: object,
        *,
        delete: bool = False,
        id: object = None,
        document: object = None,
        embedding: object = None,
        uri: object = None,
        metadata: object = None,
        on_error: OnError = "raise",
        dates: Dates = "iso",
        progress: bool | None = None,
    ) -> Synced:
        """Make the collection equal to a table, doing only what is needed; run again, it does nothing.

        New rows are added, changed documents embedded anew, changed metadata updated (a key that the row
        no longer has is deleted), a document or uri whose cell is empty is taken away, and with ``delete`` the
        records that are in no row are deleted. A part that the table has no column for stays as it is, and so does the
        embedding of a record that loses its document. All or nothing, as ``add_df``, with its other arguments.
        ValueError when the ids are only row numbers and a record that is there would be changed or deleted.

        >>> import chroma_nb, pandas
        >>> birds = pandas.DataFrame({"id": ["wren"], "embedding": [[1.0, 0.0]], "g": [9]})
        >>> with chroma_nb.EphemeralClient() as client:
        ...     collection = client.create_collection("birds")
        ...     print(collection.sync(birds))
        ...     print(collection.sync(birds))
        1 added, 0 updated (0 embedded anew), 0 deleted, 0 unchanged
        0 added, 0 updated (0 embedded anew), 0 deleted, 1 unchanged
        """
        options = _options(id, document, embedding, uri, metadata, on_error, dates)
        return await syncing.sync(self, df, delete=delete, bar=record_bar(progress), **options)

    async def _write_frame(self: AsyncCollection, verb: Verb, frame: object, *others: object) -> None:
        """``add(df)`` and its like: the columns as they are called, nothing beside them."""
        if set(map(type, others)) != {NoneType}:
            raise ValueError(
                f"{verb}(df) takes a DataFrame and no other argument. To name its columns, use "
                f"{verb}_df(df, embedding=…, document=…)."
            )
        await writing.write(self, verb, frame, bar=_BAR)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        # Not _repr_html_: programs look whether a collection has one, and Chroma's has none.
        from chroma_nb.display.formatters import collection_html

        return {"text/html": collection_html(self)}  # type: ignore[arg-type]  # a part of the collection


def _options(
    id: object, document: object, embedding: object, uri: object, metadata: object, on_error: str, dates: str
) -> Options:
    return {
        "id": id,
        "document": document,
        "embedding": embedding,
        "uri": uri,
        "metadata": metadata,
        "on_error": on_error,
        "dates": dates,
    }

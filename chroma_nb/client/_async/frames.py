"""The methods of a collection that take or return a DataFrame. ``tables/`` does the work."""

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


#: The progress bar of ``add(df)`` and similar calls: shown after a second.
_BAR = record_bar(None)
#: Other words that users may write -> the option they mean.
_NAMES = suggesting(
    ids="id", key="id", text="document", texts="document", documents="document", content="document",
    vector="embedding", vectors="embedding", embeddings="embedding", uris="uri", metadatas="metadata",
)  # fmt: skip


class AsyncFrames:
    """The methods of a collection that take or return tables."""

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
        """Return records as a pandas DataFrame.

        There is a row for each record and a column for each metadata key, in alphabetical order after ``id``,
        ``document`` and, if a record has one, ``uri``. A metadata key with one of these names gets the column
        ``metadata.<key>``.

        Parameters
        ----------
        where
            A filter on metadata.
        ids
            The ids of the records. None means all records.
        where_document
            A filter on documents.
        limit
            The most records to return. None means all.
        offset
            How many matching records to skip.
        columns
            The columns to return, in this order. Nothing else is read. ``"embedding"`` adds the vectors.
        include
            The parts to return, as for ``get``.
        dates
            Columns to convert to dates. They contain ISO texts, or seconds or milliseconds since 1970. True
            converts all columns that look like dates.

        Returns
        -------
        pandas.DataFrame
            The records. A missing value stays missing.

        Raises
        ------
        ValueError
            An argument is not valid, or the filter is malformed.
        NotFoundError
            The collection was deleted.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     grams = [{"grams": 9}, {"grams": 500}]
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=grams)
        ...     birds.to_df({"grams": {"$lt": 100}}, columns=["id", "grams"])
             id  grams
        0  wren      9
        """
        return await reading.read(self, where, where_document, ids, limit, offset, columns, include, dates=dates)

    def iter_df(
        self: AsyncCollection,
        where: Where | None = None,
        *,
        columns: Sequence[str] | None = None,
        page_size: int = 1_000,
    ) -> AsyncIterator[pandas.DataFrame]:
        """Return records as several smaller DataFrames, one after the other.

        Parameters
        ----------
        where
            A filter on metadata.
        columns
            The columns to return, as for ``to_df``.
        page_size
            The most rows in a DataFrame.

        Returns
        -------
        iterator of pandas.DataFrame
            The DataFrames. Each is read when you ask for it, so it shows changes made in between.

        Raises
        ------
        ValueError
            ``page_size`` is less than 1, or the filter is malformed.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add(ids=["wren", "crow", "owl"], embeddings=[[1, 0], [0, 1], [1, 1]])
        ...     [len(part) for part in birds.iter_df(page_size=2)]
        [2, 1]
        """
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
        """Add the rows of a table as records.

        The table can be a DataFrame of pandas or polars, an Arrow table, or any object with their protocols.
        Rows whose id exists already are not written. If an error is raised, no row was added. (Over HTTP the
        error says how many rows were written.)

        Parameters
        ----------
        df
            The table.
        id
            The column of the ids, or the ids themselves. By default the column ``id``, or else the index. Row
            numbers are accepted as ids only if no existing record would be affected.
        document
            The column of the documents, or the documents. By default the column ``document``.
        embedding
            The column of the vectors, a list of columns, or an array of shape (rows, dimension). By default
            the column ``embedding``. Without vectors the documents are embedded.
        uri
            The column of the URIs, or the URIs. By default the column ``uri``.
        metadata
            The columns that become metadata, or a dict for each row. By default all other columns. A
            missing value becomes a missing key.
        on_error
            ``"raise"`` raises an error if a row cannot become a record. ``"skip"`` skips such rows and lists
            them in the report.
        dates
            ``"iso"`` stores dates as ISO 8601 texts, ``"epoch"`` as seconds since 1970, which filters can
            compare.
        progress
            Show a progress bar. None shows one if the call takes longer than a second.

        Returns
        -------
        Written
            How many rows were written, and which were not.

        Raises
        ------
        ValueError
            Rows cannot become records (the message lists them), or row numbers would be used as ids that
            exist already.

        Notes
        -----
        A Series or a dict that you pass instead of a column is matched by its labels, with the index of the
        table or with the ids. Lists and arrays are matched by position.

        Examples
        --------
        >>> import chroma_nb, pandas
        >>> df = pandas.DataFrame({"key": ["wren"], "vector": [[1.0, 0.0]], "grams": [9]})
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add_df(df, id="key", embedding="vector")
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
        """Add the rows of a table as records, or update existing records.

        Parameters
        ----------
        df
            The table, as for ``add_df``.
        id
            As for ``add_df``.
        document
            As for ``add_df``.
        embedding
            As for ``add_df``.
        uri
            As for ``add_df``.
        metadata
            As for ``add_df``.
        on_error
            As for ``add_df``.
        dates
            As for ``add_df``.
        progress
            As for ``add_df``.

        Returns
        -------
        Written
            How many rows were written, and which were not.

        Raises
        ------
        ValueError
            Rows cannot become records, or row numbers would be used as ids of records that would change.
        """
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
        """Update existing records with the rows of a table.

        Rows whose id does not exist are not written. A missing value does not change the record.

        Parameters
        ----------
        df
            The table, as for ``add_df``.
        id
            As for ``add_df``.
        document
            As for ``add_df``.
        embedding
            As for ``add_df``.
        uri
            As for ``add_df``.
        metadata
            As for ``add_df``.
        on_error
            As for ``add_df``.
        dates
            As for ``add_df``.
        progress
            As for ``add_df``.

        Returns
        -------
        Written
            How many rows were written, and which were not.

        Raises
        ------
        ValueError
            Rows cannot become records, or row numbers would be used as ids of records that would change.
        """
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
        """Make the collection equal to a table, changing only what differs.

        New rows are added. Changed documents are embedded again. Changed metadata is updated, and keys that a
        row does not have any more are deleted. An empty cell removes the document or the URI. Parts for which
        the table has no column stay as they are. If an error is raised, nothing was changed. (Over HTTP the
        error says what was written.)

        Parameters
        ----------
        df
            The table, as for ``add_df``.
        delete
            Delete all records that are not in the table. With an empty table, this deletes every record.
        id
            As for ``add_df``.
        document
            As for ``add_df``.
        embedding
            As for ``add_df``.
        uri
            As for ``add_df``.
        metadata
            As for ``add_df``.
        on_error
            As for ``add_df``. The record of a row that is skipped is not changed or deleted.
        dates
            As for ``add_df``.
        progress
            As for ``add_df``.

        Returns
        -------
        Synced
            How many records were added, updated, embedded, deleted and unchanged.

        Raises
        ------
        ValueError
            Rows cannot become records, or row numbers would be used as ids of records that would be changed
            or deleted.

        Examples
        --------
        >>> import chroma_nb, pandas
        >>> birds = pandas.DataFrame({"id": ["wren"], "embedding": [[1.0, 0.0]], "grams": [9]})
        >>> with chroma_nb.EphemeralClient() as client:
        ...     collection = client.create_collection("birds")
        ...     print(collection.sync(birds))
        ...     print(collection.sync(birds))
        1 added, 0 updated (0 embedded ...), 0 deleted, 0 unchanged
        0 added, 0 updated (0 embedded ...), 0 deleted, 1 unchanged
        """
        options = _options(id, document, embedding, uri, metadata, on_error, dates)
        return await syncing.sync(self, df, delete=delete, bar=record_bar(progress), **options)

    async def _write_frame(self: AsyncCollection, verb: Verb, frame: object, *others: object) -> None:
        """``add(df)`` and similar calls: the columns under their own names, without further arguments."""
        if set(map(type, others)) != {NoneType}:
            raise ValueError(
                f"{verb}(df) takes a DataFrame and no other argument. To name its columns, use "
                f"{verb}_df(df, embedding=…, document=…)."
            )
        await writing.write(self, verb, frame, bar=_BAR)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        # Not _repr_html_: programs check whether a collection has one, and Chroma's does not.
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

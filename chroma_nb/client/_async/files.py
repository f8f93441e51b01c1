"""The methods of a collection that write or read files of other formats, a batch at a time.

The formats themselves are in ``interchange``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from chroma_nb import _blocking as blocking
from chroma_nb._optional import Untyped
from chroma_nb.embedding_functions.progress import progress_bar, record_bar
from chroma_nb.interchange import arrow, json_lines, parquet
from chroma_nb.records import Records
from chroma_nb.tables._async import writing
from chroma_nb.tables.bars import shown_bar
from chroma_nb.tables.batches import without_empty_metadata
from chroma_nb.tables.checks import positive, refuse_repeated, say_more
from chroma_nb.types import Json, Where, WhereDocument

if TYPE_CHECKING:
    import pyarrow

_READING = record_bar(None)
_FIELDS = ["embeddings", "documents", "metadatas", "uris"]


class AsyncFiles:
    """The methods of a collection that read and write files and tables of other tools."""

    async def to_parquet(
        self,
        path: str | os.PathLike[str],
        *,
        where: Where | None = None,
        where_document: WhereDocument | None = None,
        batch_size: int = 5000,
    ) -> int:
        """Write records to a Parquet file.

        The columns are ``id``, ``embedding`` (a fixed-size list of float32), ``document``, ``uri`` and
        ``metadata`` (JSON text). The file appears under its name when it is complete. Needs pyarrow.

        Parameters
        ----------
        path
            The file to write. An existing file is replaced.
        where
            A filter on metadata.
        where_document
            A filter on documents.
        batch_size
            How many records to keep in memory at a time.

        Returns
        -------
        int
            How many records were written.

        Raises
        ------
        ImportError
            pyarrow is not installed.
        ValueError
            ``batch_size`` is less than 1, or the filter is malformed.

        Examples
        --------
        >>> import chroma_nb, tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder, chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     grams = [{"grams": 9}, {"grams": 500}]
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=grams)
        ...     file = pathlib.Path(folder, "birds.parquet")
        ...     birds.to_parquet(file, where={"grams": {"$lt": 100}})
        1
        """
        model = await self._described()
        file = await blocking.run(parquet.ParquetFile, path, model)
        return await self._write(file, where, where_document, batch_size)

    async def to_jsonl(
        self,
        path: str | os.PathLike[str],
        *,
        where: Where | None = None,
        where_document: WhereDocument | None = None,
        batch_size: int = 5000,
    ) -> int:
        """Write records to a file of JSON Lines.

        Each line is an object with ``id``, ``embedding``, ``document``, ``uri`` and ``metadata``.

        Parameters
        ----------
        path
            The file to write. It is compressed if the name ends in ``.gz``. An existing file is replaced.
        where
            A filter on metadata.
        where_document
            A filter on documents.
        batch_size
            How many records to keep in memory at a time.

        Returns
        -------
        int
            How many records were written.

        Raises
        ------
        ValueError
            ``batch_size`` is less than 1, or the filter is malformed.

        Examples
        --------
        >>> import chroma_nb, tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder, chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add(ids="wren", embeddings=[1, 0])
        ...     file = pathlib.Path(folder, "birds.jsonl.gz")
        ...     birds.to_jsonl(file)
        ...     client.create_collection("copy").from_jsonl(file)
        1
        1
        """
        file = await blocking.run(json_lines.JsonLinesFile, path)
        return await self._write(file, where, where_document, batch_size)

    async def to_arrow(
        self: Any, *, where: Where | None = None, where_document: WhereDocument | None = None, batch_size: int = 5000
    ) -> pyarrow.Table:
        """Return records as a pyarrow table, with the columns of ``to_parquet``.

        Needs pyarrow.

        Parameters
        ----------
        where
            A filter on metadata.
        where_document
            A filter on documents.
        batch_size
            How many records to convert at a time.

        Returns
        -------
        pyarrow.Table
            The records.

        Raises
        ------
        ImportError
            pyarrow is not installed.
        ValueError
            ``batch_size`` is less than 1, or the filter is malformed.
        """
        model = await self._described()
        table = await blocking.run(arrow.TableInMemory, model)
        if self._edits_at_once:
            await self._fill(table, where, where_document, batch_size)
        else:
            await self._write(table, where, where_document, batch_size)
        return table.table

    async def from_parquet(self, path: str | os.PathLike[str], *, batch_size: int = 5000) -> int:
        """Upsert the records of a Parquet file.

        The file needs a column ``id``. It can have the columns ``embedding``, ``document``, ``uri`` and
        ``metadata``. Any other column becomes metadata. Documents without an embedding are embedded. If an
        error is raised, nothing was written. (Over HTTP the error says how many records were written.) Needs
        pyarrow.

        Parameters
        ----------
        path
            The file to read.
        batch_size
            How many rows to read at a time.

        Returns
        -------
        int
            How many records were written.

        Raises
        ------
        ValueError
            The file does not contain records, or ``batch_size`` is less than 1.
        DuplicateIDError
            An id occurs twice.
        ImportError
            pyarrow is not installed.
        """
        positive("batch_size", batch_size)
        total, batches = await blocking.run(parquet.read, path, batch_size)
        return await self._read(batches, total)

    async def from_jsonl(self, path: str | os.PathLike[str], *, batch_size: int = 5000) -> int:
        """Upsert the records of a file of JSON Lines.

        The file has the form that ``to_jsonl`` writes. Each line needs an ``id``. Keys that are not a field of a
        record become metadata. Documents without an embedding are embedded. If an error is raised, nothing was
        written. (Over HTTP the error says how many records were written.)

        Parameters
        ----------
        path
            The file to read. A name that ends in ``.gz`` means a compressed file.
        batch_size
            How many lines to read at a time.

        Returns
        -------
        int
            How many records were written.

        Raises
        ------
        ValueError
            A line is not a record (the message has its number), or ``batch_size`` is less than 1.
        DuplicateIDError
            An id occurs twice.
        """
        positive("batch_size", batch_size)
        return await self._read(json_lines.read(path, batch_size), None)

    async def from_arrow(self, table: Untyped, *, batch_size: int = 5000) -> int:
        """Upsert the rows of a pyarrow table.

        The table has the columns that ``from_parquet`` reads.

        Parameters
        ----------
        table
            A ``pyarrow.Table`` or ``pyarrow.RecordBatch``.
        batch_size
            How many rows to convert at a time.

        Returns
        -------
        int
            How many records were written.

        Raises
        ------
        ValueError
            The table does not contain records, or ``batch_size`` is less than 1.
        DuplicateIDError
            An id occurs twice.
        """
        positive("batch_size", batch_size)
        batches = (
            arrow.from_batch(table.slice(start, batch_size), start) for start in range(0, table.num_rows, batch_size)
        )
        return await self._read(batches, table.num_rows)

    async def _described(self: Any) -> Json:
        """What a file says about the collection it comes from."""
        model = self.get_model()
        first = await self.get(limit=1, include=["embeddings"])
        return {
            "name": model.name,
            "metadata": model.metadata,
            "configuration": model.configuration_json,
            "dimension": len(first["embeddings"][0]) if len(first["ids"]) else model.dimension,
        }

    async def _fill(
        self: Any,
        table: arrow.TableInMemory,
        where: Where | None,
        where_document: WhereDocument | None,
        batch_size: int,
    ) -> None:
        """Fill the table with the records of one moment; they fit into memory, as the table does."""
        positive("batch_size", batch_size)
        got = await self._get_as_stored(_FIELDS, where=where, where_document=where_document)
        records = await blocking.run(Records.of_result, got)
        for piece in records.pieces(batch_size):
            await blocking.run(table.write, piece)
        await blocking.run(table.close)

    async def _write(
        self: Any,
        file: Untyped,
        where: Where | None,
        where_document: WhereDocument | None,
        batch_size: int,
    ) -> int:
        read = self._get_as_stored if self._edits_at_once else self.get
        written = 0
        try:
            positive("batch_size", batch_size)
            ids = (await self.get(where=where, where_document=where_document, include=[]))["ids"]
            with progress_bar(len(ids), description="writing", unit="record") as bar:
                for start in range(0, len(ids), batch_size):
                    got = await read(ids=ids[start : start + batch_size], include=_FIELDS)
                    records = await blocking.run(Records.of_result, got)
                    await blocking.run(file.write, records)
                    written += len(got["ids"])  # another client may delete records meanwhile
                    bar.update(len(got["ids"]))
            await blocking.run(file.close)
        except BaseException:
            file.discard()
            raise
        return written

    async def _read(self: Any, read: Iterable[Records], total: int | None) -> int:
        """Upsert the records of a file: in one transaction if the collection can, else batch by batch."""
        batches = (without_empty_metadata(batch) for batch in read if len(batch))
        if self._edits_at_once:
            return (await writing.write_pieces(self, "upsert", batches, total, bar=_READING)).written
        count, seen = 0, set[str]()
        with shown_bar(_READING, total, "reading") as shown:
            try:
                while (batch := await blocking.run(next, batches, None)) is not None:
                    refuse_repeated("upsert", seen, batch.ids)
                    await writing.write_records(self, "upsert", batch)
                    count += len(batch)
                    shown.reach(count)
            except Exception as error:
                if count:
                    say_more(error, f"the {count} records before these are written")
                raise
        return count

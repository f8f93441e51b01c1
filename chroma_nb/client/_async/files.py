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
    """The side of a collection that faces files and tables of other tools."""

    async def to_parquet(
        self,
        path: str | os.PathLike[str],
        *,
        where: Where | None = None,
        where_document: WhereDocument | None = None,
        batch_size: int = 5000,
    ) -> int:
        """Write the records to a Parquet file; returns how many.

        Columns: ``id``, ``embedding`` (a fixed-size list of float32), ``document``, ``uri``, ``metadata`` (JSON text).
        Memory holds one batch at a time, and ``path`` is there only when it is complete. Needs pyarrow.

        >>> import chroma_nb, tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder, chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=[{"g": 9}, {"g": 500}])
        ...     birds.to_parquet(pathlib.Path(folder, "birds.parquet"), where={"g": {"$lt": 100}})
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
        """Write the records to a file of JSON Lines, compressed if its name ends in ``.gz``; returns how many.

        A line is an object with ``id``, ``embedding``, ``document``, ``uri`` and ``metadata``.
        """
        file = await blocking.run(json_lines.JsonLinesFile, path)
        return await self._write(file, where, where_document, batch_size)

    async def to_arrow(
        self: Any, *, where: Where | None = None, where_document: WhereDocument | None = None, batch_size: int = 5000
    ) -> pyarrow.Table:
        """The records as a pyarrow.Table, with the columns of ``to_parquet``. Needs pyarrow."""
        model = await self._described()
        table = await blocking.run(arrow.TableInMemory, model)
        if self._edits_at_once:
            await self._fill(table, where, where_document, batch_size)
        else:
            await self._write(table, where, where_document, batch_size)
        return table.table

    async def from_parquet(self, path: str | os.PathLike[str], *, batch_size: int = 5000) -> int:
        """Upsert the records of a Parquet file; returns how many.

        A column ``id`` must be there; ``embedding``, ``document``, ``uri`` and ``metadata`` may be, and any further
        column becomes metadata under its name. Records without an embedding are embedded from their documents. All or
        nothing, however large the file is; ``batch_size`` rows are read at a time. Raises ValueError for a file that
        holds no records, DuplicateIDError for an id that occurs twice. Needs pyarrow.
        """
        positive("batch_size", batch_size)
        total, batches = await blocking.run(parquet.read, path, batch_size)
        return await self._read(batches, total)

    async def from_jsonl(self, path: str | os.PathLike[str], *, batch_size: int = 5000) -> int:
        """Upsert the records of a file of JSON Lines; returns how many.

        As ``to_jsonl`` writes them; of each line only ``id`` must be there, and keys that are none of a record's fields
        become metadata. Records without an embedding are
        embedded from their documents. All or nothing, as ``from_parquet``. Raises ValueError with the number of a line
        that is no record.
        """
        positive("batch_size", batch_size)
        return await self._read(json_lines.read(path, batch_size), None)

    async def from_arrow(self, table: Untyped, *, batch_size: int = 5000) -> int:
        """Upsert the rows of a pyarrow.Table or RecordBatch, with the columns of ``from_parquet``; returns how many."""
        positive("batch_size", batch_size)
        batches = (
            arrow.from_batch(table.slice(start, batch_size), start) for start in range(0, table.num_rows, batch_size)
        )
        return await self._read(batches, table.num_rows)

    async def _described(self: Any) -> Json:
        """What a file says of the collection it came from."""
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
        """The records at one moment: they fit into memory, where the table is to be."""
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
                    written += len(got["ids"])  # somebody may delete meanwhile
                    bar.update(len(got["ids"]))
            await blocking.run(file.close)
        except BaseException:
            file.discard()
            raise
        return written

    async def _read(self: Any, read: Iterable[Records], total: int | None) -> int:
        """Upsert the records of a file; at once where the collection can, else batch by batch."""
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

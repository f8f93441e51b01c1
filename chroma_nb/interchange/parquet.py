"""Parquet files of records, written and read a batch at a time; the columns are those of ``arrow.py``."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from typing import Any, Final

from chroma_nb._optional import Untyped
from chroma_nb.interchange import arrow
from chroma_nb.interchange.json_lines import target
from chroma_nb.records import Records
from chroma_nb.types import Fields

#: How a file is opened to be read in batches: without these pyarrow holds all of it, or all of a row group.
STREAMED: Final = {"pre_buffer": False, "buffer_size": 1 << 20}


class ParquetFile:
    """A file being written; it has its name only when it is complete. ``close`` ends it, ``discard`` gives it up."""

    def __init__(self, path: str | os.PathLike[str], about: Fields) -> None:
        self.path = target(path)
        self._parquet = arrow.pyarrow("parquet")
        self._unfinished = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        self._about = about
        self._writer: Untyped = None

    def write(self, records: Records) -> None:
        """Append a batch."""
        if self._writer is None:
            self._begin(records.embeddings.shape[1] if records.embeddings is not None else 0)
        self._writer.write_batch(arrow.to_batch(records, self._columns))

    def _begin(self, dimension: int) -> None:
        self._columns = arrow.schema(dimension, self._about)
        self._writer = self._parquet.ParquetWriter(str(self._unfinished), self._columns, compression="zstd")

    def close(self) -> None:
        """Finish the file, and give it its name."""
        if self._writer is None:
            self._begin(int(self._about.get("dimension") or 0))
        self._writer.close()
        self._unfinished.replace(self.path)

    def discard(self) -> None:
        """Give up: what was written is removed."""
        if self._writer is not None:
            with contextlib.suppress(Exception):  # on a full disk, of what is not written yet
                self._writer.close()
        self._unfinished.unlink(missing_ok=True)


def read(path: str | os.PathLike[str], batch_size: int) -> tuple[int, Iterator[Records]]:
    """How many rows the file has, and its records in batches."""
    file = arrow.pyarrow("parquet").ParquetFile(os.fspath(path), **STREAMED)
    return file.metadata.num_rows, _records(file.iter_batches(batch_size=batch_size))


def _records(batches: Iterator[Any]) -> Iterator[Records]:
    first = 0
    for batch in batches:
        yield arrow.from_batch(batch, first)
        first += batch.num_rows

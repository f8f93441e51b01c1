"""Records as Arrow: the columns of tables and Parquet files, and back.

A record is a row: ``id``, ``embedding`` (a fixed-size list of float32), ``document``, ``uri``, ``metadata``. Metadata
is JSON text, because its types may differ from record to record and must come back as they were.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import orjson

from chroma_nb import cells
from chroma_nb._optional import Untyped, require
from chroma_nb.records import AS_JSON, Records, StoredMetadatas
from chroma_nb.types import Fields, Json

ID: Final = "id"
EMBEDDING: Final = "embedding"
TEXTS: Final = ("document", "uri")
METADATA: Final = "metadata"
#: What pandas calls a level of an index that has no name.
_NAMELESS: Final = re.compile(r"__index_level_\d+__")


def pyarrow(submodule: str = "") -> Untyped:
    """pyarrow, or the error that says how to install it."""
    name = f"pyarrow.{submodule}" if submodule else "pyarrow"
    return require(name, feature="Arrow tables and Parquet files", package="pyarrow")


def schema(dimension: int, about: Fields | None = None) -> Untyped:
    """The columns of records with vectors of this dimension; ``about`` says of which collection, as JSON."""
    pa = pyarrow()
    fields = [
        pa.field(ID, pa.string(), nullable=False),
        pa.field(EMBEDDING, pa.list_(pa.float32(), dimension)),
        *(pa.field(name, pa.string()) for name in TEXTS),
        pa.field(METADATA, pa.string()),
    ]
    return pa.schema(fields, metadata=None if about is None else {b"chroma_nb": orjson.dumps(about)})


def to_batch(records: Records, columns: Untyped) -> Untyped:
    """A pyarrow.RecordBatch with the columns of ``schema``."""
    pa = pyarrow()
    vectors = np.ascontiguousarray(records.embeddings, np.float32)
    dimension = columns.field(EMBEDDING).type.list_size
    missing = None if records.has_embedding is None else pa.array(~records.has_embedding)
    arrays = [
        pa.array(records.ids, pa.string()),
        pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), dimension, mask=missing),
        pa.array(records.column("documents"), pa.string()),
        pa.array(records.column("uris"), pa.string()),
        _metadata_array(records.metadatas, len(records)),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=columns)


def _metadata_array(metadatas: Sequence[Mapping[str, object] | None] | None, count: int) -> Untyped:
    """Metadata as a column of JSON texts; what is stored as such is not decoded and encoded again."""
    pa = pyarrow()
    if metadatas is None:
        return pa.nulls(count, pa.string())
    if isinstance(metadatas, StoredMetadatas):
        encoded: Iterable[bytes | None] = metadatas.encoded()
    else:
        encoded = (None if metadata is None else orjson.dumps(metadata, *AS_JSON) for metadata in metadatas)
    return pa.array(list(encoded), pa.binary()).cast(pa.string())


def from_batch(batch: Untyped, first: int = 0) -> Records:
    """The records of a pyarrow.RecordBatch or Table.

    ``id`` must be there; ``embedding``, ``document``, ``uri`` and ``metadata`` (JSON text, a struct or a map) may be.
    Further columns become metadata under their names, their cells what they become in a DataFrame. An index that
    pandas wrote is the id where no column is. Raises ValueError for what cannot be a record; rows are counted from
    ``first``.
    """
    batch = _without_index(batch)
    names = batch.schema.names
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(
            f"expected column names that differ, got {', '.join(twice)} more than once; rename one of them"
        )
    if ID not in names:
        raise ValueError(f"expected a column 'id' with the records' ids, got the columns {names}")
    ids = batch.column(ID).to_pylist()
    if not all(isinstance(id_, str) for id_ in ids):
        raise ValueError(f"expected the column 'id' to hold texts, got the type {batch.schema.field(ID).type}")
    texts = {name: batch.column(name).to_pylist() if name in names else None for name in TEXTS}
    embeddings, there = _embeddings(batch.column(EMBEDDING)) if EMBEDDING in names else (None, None)
    return Records(
        ids=ids,
        embeddings=embeddings,
        documents=texts["document"],
        uris=texts["uri"],
        metadatas=_metadatas(batch, first),
        has_embedding=there,
    )


def _without_index(batch: Untyped) -> Untyped:
    """The columns of a DataFrame; the index, which pandas writes beside them, as ids or, unnamed, not at all."""
    about = (batch.schema.metadata or {}).get(b"pandas")
    names: list[str] = batch.schema.names
    written = orjson.loads(about).get("index_columns", []) if about else []
    index = [name for name in written if isinstance(name, str) and names.count(name) == 1]
    if ID not in names and len(index) == 1:
        return batch.rename_columns([ID if name == index[0] else name for name in names])
    nameless = [name for name in index if _NAMELESS.fullmatch(name)]
    return batch.select([name for name in names if name not in nameless]) if nameless else batch


def _embeddings(column: Untyped) -> tuple[Untyped, Untyped]:
    """An array of shape (n, dimension), and where rows have a vector (None: all)."""
    if hasattr(column, "combine_chunks"):
        column = column.combine_chunks()
        column = column if hasattr(column, "flatten") else pyarrow().concat_arrays(column.chunks)
    there = ~np.asarray(column.is_null().to_numpy(zero_copy_only=False))
    numbers = column.drop_null().flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    count = int(there.sum())
    if not count:
        return None, None
    dimension, rest = divmod(len(numbers), count)
    lengths = (
        {len(vector) for vector in column.drop_null()} if rest or not hasattr(column.type, "list_size") else {dimension}
    )
    if len(lengths) != 1:
        raise ValueError(f"expected the vectors in the column 'embedding' to have one length, got {sorted(lengths)}")
    embeddings = np.zeros((len(there), dimension), np.float32)
    embeddings[there] = numbers.reshape(count, dimension)
    return embeddings, None if there.all() else there


def _metadatas(batch: Untyped, first: int) -> list[Json | None] | None:
    others = [name for name in batch.schema.names if name not in (ID, EMBEDDING, METADATA, *TEXTS)]
    if not others and METADATA not in batch.schema.names:
        return None
    own = batch.column(METADATA).to_pylist() if METADATA in batch.schema.names else [None] * batch.num_rows
    found = _checked([_decoded(metadata, first + row) for row, metadata in enumerate(own)], METADATA, first)
    merged: list[Json] = [dict(metadata or {}) for metadata in found]
    for name in others:
        if reason := cells.key_problem(name):
            raise ValueError(
                f"expected column names that can be metadata keys, got {name!r}: {reason}; rename the column"
            )
        of_column = _checked([{name: value} for value in batch.column(name).to_pylist()], None, first)
        for row, metadata in enumerate(of_column):
            if metadata and name in merged[row]:
                raise ValueError(
                    f"row {first + row}: the key {name!r} is both in the column {METADATA!r} and a column of its own; "
                    "rename one of them"
                )
            merged[row].update(metadata or {})
    return [metadata or None for metadata in merged]


def _checked(rows: list[Untyped], column: str | None, first: int) -> list[Json | None]:
    problems: dict[int, str] = {}
    found = cells.dicts(rows, "iso", problems)
    if problems:
        row, reason = min(problems.items())
        where = "" if column is None else f"column {column!r}: "
        raise ValueError(f"row {first + row} (from 0): {where}{reason}")
    return found


def _decoded(metadata: object, row: int) -> Untyped:
    """The metadata of a row as a dict, as the list of pairs that a map is, or None."""
    given = metadata
    if isinstance(given, str):
        try:
            metadata = orjson.loads(given)
        except orjson.JSONDecodeError:
            metadata = None
    if isinstance(metadata, dict) or given is None or (isinstance(given, list) and not isinstance(metadata, str)):
        return metadata
    raise ValueError(
        f"row {row} (from 0): expected an object of JSON in the column 'metadata', got {cells.short(given)}"
    )


class TableInMemory:
    """A pyarrow.Table being gathered; ``table`` after ``close``."""

    def __init__(self, about: Fields) -> None:
        self._columns = schema(int(about.get("dimension") or 0), about)
        self._batches: list[Untyped] = []
        self.table: Untyped = None

    def write(self, records: Records) -> None:
        """Append a batch."""
        self._batches.append(to_batch(records, self._columns))

    def close(self) -> None:
        """Make the table of what was written."""
        self.table = pyarrow().Table.from_batches(self._batches, schema=self._columns)

    def discard(self) -> None:
        """Give up: what was written is removed."""
        self._batches.clear()

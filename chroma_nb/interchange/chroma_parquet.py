"""Reads a directory that a Chroma before 0.4 wrote: two Parquet files hold all of it, vectors included.

The folder ``index`` beside them is only a search index, of pickles among others: it is not opened. What later
versions wrote is ``chroma_directory.py``; ``read_chroma`` chooses between the two.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np

from chroma_nb._optional import require
from chroma_nb.interchange import arrow
from chroma_nb.interchange.chroma_configuration import stored_configuration
from chroma_nb.interchange.chroma_contents import (
    DEFAULT_DATABASE,
    DEFAULT_TENANT,
    NIL,
    ChromaCollection,
    ChromaDatabase,
    ChromaDirectory,
    named_apart,
)
from chroma_nb.interchange.chroma_directory import PARQUET_FILES, fingerprint, read_directory
from chroma_nb.interchange.chroma_sqlite import FILE_NAME, ChromaDirectoryError, NothingOfChromasError, is_uuid
from chroma_nb.interchange.parquet import STREAMED
from chroma_nb.records import Records
from chroma_nb.types import Json, Mask, Matrix

_COLLECTIONS, _EMBEDDINGS = PARQUET_FILES
#: The columns that are read, per file.
_COLUMNS: Final = {
    _COLLECTIONS: ("uuid", "name", "metadata"),
    _EMBEDDINGS: ("collection_uuid", "id", "embedding", "document", "metadata"),
}
#: Rows read at a time to find out what there is.
_ROWS: Final = 8192


@contextmanager
def read_chroma(path: str | os.PathLike[str]) -> Iterator[ChromaDirectory]:
    """What the Chroma directory at ``path`` holds, of whatever version, for the time of the block.

    Where a later Chroma was started in a directory from before 0.4, it made an empty database beside the old files:
    these are read then. Raises ChromaDirectoryError where nothing can be read, MissingPackageError where the old
    files need pyarrow.

    >>> with read_chroma("no-such-place"):
    ...     pass
    Traceback (most recent call last):
    chroma_nb.interchange.chroma_sqlite.ChromaDirectoryError: Expected a directory written by Chroma, ...
    """
    folder = Path(path)
    old = is_from_before_04(folder)
    with ExitStack() as opened:
        directory = None
        if (folder / FILE_NAME).exists() or not old:
            try:
                directory = opened.enter_context(read_directory(folder))
            except NothingOfChromasError:
                if not old:
                    raise
        if old and directory is not None and directory.collections:
            directory.notes.append(
                f"{folder} also holds the files of a Chroma before 0.4, which were not read. To import them, copy "
                f"{_COLLECTIONS} and {_EMBEDDINGS} into a directory of their own"
            )
        elif old:
            opened.close()
            directory = opened.enter_context(_read_parquet(folder))
        assert directory is not None  # noqa: S101  # for the type checker: without old files it was read or raised
        yield directory


def is_from_before_04(folder: Path) -> bool:
    """Whether a Chroma before 0.4 has left its files here."""
    return (folder / _COLLECTIONS).exists()


@contextmanager
def _read_parquet(folder: Path) -> Iterator[ChromaDirectory]:
    with ExitStack() as opened:
        files = {name: opened.enter_context(_opened(folder / name)) for name in PARQUET_FILES}
        mark = fingerprint(folder)
        records = _RecordsFile(folder / _EMBEDDINGS, files[_EMBEDDINGS])
        problems: list[str] = []
        collections = list(_collections(folder / _COLLECTIONS, files[_COLLECTIONS], records, problems))
        problems += named_apart(collections)
        if strangers := sum(len(rows) for rows in records.rows_of.values()) - sum(map(len, collections)):
            problems.append(f"{strangers:,} records belong to no collection; they were left out")
        database = ChromaDatabase(UUID(NIL), DEFAULT_DATABASE, DEFAULT_TENANT)
        yield ChromaDirectory(folder, [DEFAULT_TENANT], [database], collections, problems, mark)


@contextmanager
def _opened(path: Path) -> Iterator[object]:
    """The file as pyarrow reads it, when it is a file and has the columns that are read."""
    parquet = require("pyarrow.parquet", feature="the directory of a Chroma before 0.4", package="pyarrow")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ChromaDirectoryError(
            f"{path.parent} was written by a Chroma before 0.4, and its file {path.name} cannot be opened "
            f"({error.strerror}); links are not followed"
        ) from None
    with os.fdopen(descriptor, "rb") as source:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ChromaDirectoryError(f"{path} is not a file")
        with _damage_of(path):
            file = parquet.ParquetFile(source, **STREAMED)
        missing = set(_COLUMNS[path.name]) - set(file.schema_arrow.names)
        if missing:
            raise ChromaDirectoryError(f"{path} was not written by Chroma: it has no column {min(missing)!r}")
        yield file


@contextmanager
def _damage_of(path: Path) -> Iterator[None]:
    """What pyarrow finds wrong with a file, as an error that names the file and the way out."""
    pa = arrow.pyarrow()
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ChromaDirectoryError(
            f"{path} is damaged and cannot be read ({str(error).splitlines()[0][:120]}). Restore it from a backup."
        ) from None


def _collections(path: Path, file: Any, records: _RecordsFile, problems: list[str]) -> Iterator[ChromaCollection]:
    with _damage_of(path):
        rows = file.read(columns=list(_COLUMNS[_COLLECTIONS])).to_pylist()
    seen = set()
    for row in rows:
        identity, name = row["uuid"], row["name"]
        if not isinstance(identity, str) or not is_uuid(identity) or not isinstance(name, str) or identity in seen:
            problems.append(f"a collection with the id {ascii(identity)[:60]} is damaged and was left out")
            continue
        seen.add(identity)
        metadata, unusable = _metadata(row["metadata"])
        configuration = stored_configuration(metadata, None, None)
        reader = _CollectionRows(records, identity)
        if unusable:
            reader.problems.append("its metadata is not what Chroma writes; the invalid part was left out")
        if again := records.repeated.get(identity):
            reader.problems.append(f"{again:,} records had the id of a later one; the later ones were imported")
        yield ChromaCollection(
            id=UUID(identity),
            name=name,
            tenant=DEFAULT_TENANT,
            database=DEFAULT_DATABASE,
            metadata=metadata,
            dimension=reader.dimension,
            configuration=configuration.json,
            schema=None,
            ef_search_set=configuration.ef_search_set,
            ids=reader.ids,
            lost=reader.lost,
            problems=reader.problems,
            _reader=reader,
        )


class _RecordsFile:
    """The file with the records of all collections: which rows are whose, found once."""

    def __init__(self, path: Path, file: Any) -> None:
        kind = file.schema_arrow.field("embedding").type
        types = arrow.pyarrow().types
        if not (types.is_list(kind) and types.is_floating(kind.value_type)):
            raise ChromaDirectoryError(f"{path} was not written by Chroma: its embeddings are {kind}, not lists")
        self._path = path
        self._file = file
        #: Per collection its ids and their rows, in the order of the rows.
        self.rows_of: dict[str, dict[str, int]] = {}
        self.repeated: dict[str, int] = {}
        self._groups_of: dict[str, list[int]] = {}
        row = 0
        for group in range(file.num_row_groups):
            for batch in self._batches([group], ("collection_uuid", "id"), _ROWS):
                for collection, name in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    self._note(collection, name, group, row)
                    row += 1

    def _note(self, collection: object, name: object, group: int, row: int) -> None:
        if not isinstance(collection, str) or not isinstance(name, str):
            collection, name = str(collection), f"row-{row}"  # belongs to no collection that can be known
        rows = self.rows_of.setdefault(collection, {})
        if rows.pop(name, None) is not None:
            self.repeated[collection] = self.repeated.get(collection, 0) + 1
        rows[name] = row
        groups = self._groups_of.setdefault(collection, [])
        if groups[-1:] != [group]:
            groups.append(group)

    def of(self, collection: str, columns: tuple[str, ...], size: int) -> Iterator[Any]:
        """The collection's rows of these columns, in batches of at most ``size`` rows."""
        wanted = np.fromiter(self.rows_of.get(collection, {}).values(), np.int64)
        for group in self._groups_of.get(collection, []):
            start = sum(self._file.metadata.row_group(before).num_rows for before in range(group))
            for batch in self._batches([group], columns, size):
                low, high = np.searchsorted(wanted, (start, start + len(batch)))
                if low < high:
                    yield batch.take(arrow.pyarrow().array(wanted[low:high] - start))
                start += len(batch)

    def _batches(self, groups: list[int], columns: tuple[str, ...], size: int) -> Iterator[Any]:
        with _damage_of(self._path):
            for batch in self._file.iter_batches(size, row_groups=groups, columns=list(columns)):
                yield batch.select(list(columns))  # the file's order is its own


class _CollectionRows:
    """The records of one collection; batches are read when asked for."""

    def __init__(self, file: _RecordsFile, collection: str) -> None:
        self._file = file
        self._collection = collection
        self.ids = list(file.rows_of.get(collection, {}))
        self.lost: list[str] = []
        self.problems: list[str] = []
        self.dimension = self._dimension()

    def _dimension(self) -> int | None:
        """Of the first vector there is."""
        for (column,) in (batch.columns for batch in self._file.of(self._collection, ("embedding",), 64)):
            for length in column.value_lengths().to_pylist():
                if length:
                    return int(length)
        return None

    def batches(self, size: int) -> Iterator[Records]:
        """All records, at most ``size`` at a time."""
        unusable = 0
        self.lost.clear()
        for batch in self._file.of(self._collection, ("id", "document", "metadata", "embedding"), size):
            ids, documents, texts = (column.to_pylist() for column in batch.columns[:3])
            metadatas, damaged = zip(*map(_metadata, texts), strict=True)
            unusable += sum(damaged)
            embeddings, there = self._embeddings(batch.column("embedding"))
            self.lost += [ids[place] for place in np.flatnonzero(~there).tolist()]
            yield Records(
                ids=ids,
                embeddings=embeddings,
                documents=documents,
                metadatas=list(metadatas),
                uris=None,
                has_embedding=None if there.all() else there,
            )
        if unusable:
            self.problems.append(f"{unusable:,} values of metadata are not what Chroma writes and were left out")

    def _embeddings(self, column: Any) -> tuple[Matrix, Mask]:
        """The vectors as Chroma's index had them, float32, and which rows have one."""
        lengths = np.array([length or 0 for length in column.value_lengths().to_pylist()])
        there = lengths == (self.dimension or -1)
        embeddings = np.zeros((len(column), self.dimension or 0), np.float32)
        if there.any():
            whole = column.filter(arrow.pyarrow().array(there)).flatten().to_numpy(zero_copy_only=False)
            with np.errstate(over="ignore"):
                embeddings[there] = whole.reshape(-1, self.dimension).astype(np.float32)
        finite = np.isfinite(embeddings).all(axis=1)
        embeddings[~finite] = 0
        return embeddings, there & finite

    def close(self) -> None:
        """Nothing: the file belongs to the directory."""


def _metadata(text: object) -> tuple[Json | None, int]:
    """The metadata that Chroma kept as JSON, and how many of its values have an unknown type.

    >>> _metadata('{"n": 1, "deep": {}}')
    ({'n': 1}, 1)
    """
    if text is None:
        return None, 0
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return None, 1
    if found is None:
        return None, 0
    if not isinstance(found, dict):
        return None, 1
    usable = {key: value for key, value in found.items() if _is_scalar(value)}
    return usable or None, len(found) - len(usable)


def _is_scalar(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str) or (isinstance(value, int) and -(2**63) <= value < 2**63)

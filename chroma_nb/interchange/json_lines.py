"""JSON Lines files of records: an object a line, with ``id``, ``embedding``, ``document``, ``uri``, ``metadata``.

What else an object has, as lines of other programs do, belongs to the metadata, as a further column of a table does.
Written and read a batch at a time; numbers of vectors come back to the bit. A file whose name ends in ``.gz`` is
compressed.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import secrets
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import orjson

from chroma_nb import cells
from chroma_nb.records import AS_JSON, Records
from chroma_nb.types import Json

#: What follows a line in a call of ``orjson.dumps``.
_AS_LINE: Final = (AS_JSON[0], AS_JSON[1] | orjson.OPT_APPEND_NEWLINE)

#: The keys of a line that are a record's; others belong to its metadata.
_FIELDS: Final = ("id", "embedding", "document", "uri", "metadata")


class JsonLinesFile:
    """A file being written; it has its name only when it is complete. ``close`` ends it, ``discard`` gives it up."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = target(path)
        self._unfinished = self.path.with_name(f".{secrets.token_hex(4)}.{self.path.name}")
        self._file = _open(self._unfinished, "xb")

    def write(self, records: Records) -> None:
        """Append a batch."""
        for record in records.rows():
            line = {"id": record.id, "document": record.document, "metadata": record.metadata, "uri": record.uri}
            self._file.write(orjson.dumps({**line, "embedding": record.embedding}, *_AS_LINE))

    def close(self) -> None:
        """Finish the file, and give it its name."""
        self._file.close()
        self._unfinished.replace(self.path)

    def discard(self) -> None:
        with contextlib.suppress(OSError):  # on a full disk, of what is not written yet
            self._file.close()
        self._unfinished.unlink(missing_ok=True)


def target(path: str | os.PathLike[str]) -> Path:
    """The path of a file that is to be written; FileNotFoundError unless its folder exists."""
    file = Path(path)
    if not file.parent.is_dir():
        what = f"Cannot write {file.name!r}: the folder {str(file.parent)!r} does not exist. Create it first"
        raise FileNotFoundError(errno.ENOENT, what)
    return file


def _open(path: Path, mode: str) -> IO[bytes]:
    return gzip.open(path, mode) if path.suffix == ".gz" else path.open(mode)  # type: ignore[return-value]  # GzipFile


def read(path: str | os.PathLike[str], batch_size: int) -> Iterator[Records]:
    """The records of the file in batches; ValueError names the line that is not valid."""
    with _open(Path(path), "rb") as file:
        lines = enumerate(file, 1)
        while batch := _next(lines, batch_size, path):
            parsed = [_record(number, line) for number, line in batch if line.strip()]
            if parsed:
                yield _records(parsed)


def _next(lines: Iterator[tuple[int, bytes]], count: int, path: str | os.PathLike[str]) -> list[tuple[int, bytes]]:
    try:
        return list(islice(lines, count))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"expected {path} to be a complete gzip file: {error}") from error


def _record(number: int, line: bytes) -> Json:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"line {number} is not JSON: {error}") from error
    if not isinstance(record, dict) or not isinstance(record.get("id"), str) or not record["id"]:
        raise ValueError(f"expected line {number} to be an object with a text as its 'id', got {line[:60]!r}")
    for name in ("document", "uri"):
        if not isinstance(record.get(name), str | None):
            raise ValueError(f"expected line {number} to have a text as its {name!r}, got {cells.short(record[name])}")
    return {
        **{name: record.get(name) for name in ("id", "document", "uri")},
        "embedding": _embedding(number, record.get("embedding")),
        "metadata": _metadata(number, record.get("metadata"), {k: v for k, v in record.items() if k not in _FIELDS}),
    }


def _embedding(number: int, given: object) -> Any:
    """The numbers as an array of float32; None where there is no embedding."""
    if given is None:
        return None
    try:
        found = np.asarray(given)
    except ValueError:  # lists of several lengths
        found = np.asarray(None)
    with np.errstate(over="ignore"):
        vector = found.astype(np.float32) if found.dtype.kind in "iuf" else found
    if vector.ndim != 1 or not len(vector) or vector.dtype != np.float32 or not np.isfinite(vector).all():
        raise ValueError(
            f"expected line {number} to have a list of finite numbers as its 'embedding', got {cells.short(given)}"
        )
    return vector


def _metadata(number: int, given: object, others: Json) -> Any:
    """Checked as cells of a table are, the line's ``others`` too; None under a key stays, which deletes the key."""
    if not isinstance(given, dict | None):
        raise ValueError(f"expected line {number} to have an object as its 'metadata', got {cells.short(given)}")
    metadata: Json = {**(given or {}), **others}
    if len(metadata) < len(given or {}) + len(others):
        twice = min(set(given or {}) & set(others))
        raise ValueError(f"line {number}: the key {twice!r} is in 'metadata' and beside it; rename one")
    if not metadata:
        return None
    problems: dict[int, str] = {}
    (found,) = cells.dicts([metadata], "iso", problems)
    if problems:
        raise ValueError(f"line {number}: {problems[0]}")
    return {**{key: None for key, value in metadata.items() if value is None}, **(found or {})} or None


def _records(parsed: list[Json]) -> Records:
    vectors = [record["embedding"] for record in parsed]
    there = np.array([vector is not None for vector in vectors], np.bool_)
    lengths = {len(vector) for vector in vectors if vector is not None}
    if len(lengths) > 1:
        some = {len(record["embedding"]): record["id"] for record in parsed if record["embedding"] is not None}
        raise ValueError(
            "expected the embeddings of a file to have one length, got "
            + " and ".join(f"{length} ({some[length]!r})" for length in sorted(lengths))
        )
    embeddings = None
    if lengths:
        embeddings = np.zeros((len(parsed), lengths.pop()), np.float32)
        embeddings[there] = [vector for vector in vectors if vector is not None]
    return Records(
        ids=[record["id"] for record in parsed],
        embeddings=embeddings,
        documents=[record.get("document") for record in parsed],
        metadatas=[record.get("metadata") for record in parsed],
        uris=[record.get("uri") for record in parsed],
        has_embedding=None if there.all() or embeddings is None else there,
    )

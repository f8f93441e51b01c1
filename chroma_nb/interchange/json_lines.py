"""JSON Lines files of records: an object a line, with ``id``, ``embedding``, ``document``, ``uri``, ``metadata``.

Written and read a batch at a time; numbers of vectors come back to the bit. A file whose name ends in ``.gz`` is
compressed.
"""

from __future__ import annotations

import gzip
import os
import secrets
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson

from chroma_nb import cells
from chroma_nb.types import Records

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE


class JsonLinesFile:
    """A file being written; it has its name only when it is complete. ``close`` ends it, ``discard`` gives it up."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._unfinished = self.path.with_name(f".{secrets.token_hex(4)}.{self.path.name}")
        self._file = _open(self._unfinished, "xb")

    def write(self, records: Records) -> None:
        """Append a batch."""
        nothing = [None] * len(records)
        vectors: Any = nothing if records.embeddings is None else records.embeddings
        if records.has_embedding is not None:
            vectors = [vector if there else None for vector, there in zip(vectors, records.has_embedding, strict=True)]
        columns = (records.documents or nothing, records.metadatas or nothing, records.uris or nothing)
        for one, vector, document, metadata, uri in zip(records.ids, vectors, *columns, strict=True):
            line = {"id": one, "document": document, "metadata": metadata, "uri": uri, "embedding": vector}
            self._file.write(orjson.dumps(line, option=_OPTIONS))

    def close(self) -> None:
        """Finish the file, and give it its name."""
        self._file.close()
        self._unfinished.replace(self.path)

    def discard(self) -> None:
        """Give up: what was written is removed."""
        self._file.close()
        self._unfinished.unlink(missing_ok=True)


def _open(path: Path, mode: str) -> IO[bytes]:
    return gzip.open(path, mode) if path.suffix == ".gz" else path.open(mode)  # type: ignore[return-value]  # GzipFile


def read(path: str | os.PathLike[str], batch_size: int) -> Iterator[Records]:
    """The records of the file in batches; ValueError names the line that is none."""
    with _open(Path(path), "rb") as file:
        lines = enumerate(file, 1)
        while batch := list(islice(lines, batch_size)):
            parsed = [_record(number, line) for number, line in batch if line.strip()]
            if parsed:
                yield _records(parsed)


def _record(number: int, line: bytes) -> dict[str, Any]:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"line {number} is not JSON: {error}") from error
    if not isinstance(record, dict) or not isinstance(record.get("id"), str):
        raise ValueError(f"expected line {number} to be an object with a text as its 'id', got {line[:60]!r}")
    return {**record, "metadata": _metadata(number, record.get("metadata"))}


def _metadata(number: int, metadata: Any) -> Any:
    """Checked as a cell of a table is; None under a key stays, which deletes the key."""
    if not isinstance(metadata, dict):
        if metadata is None:
            return None
        raise ValueError(f"expected line {number} to have an object as its 'metadata', got {cells.short(metadata)}")
    problems: dict[int, str] = {}
    (found,) = cells.dicts([metadata], "iso", problems)
    if problems:
        raise ValueError(f"line {number}: {problems[0]}")
    return {**{key: None for key, value in metadata.items() if value is None}, **(found or {})} or None


def _records(parsed: list[dict[str, Any]]) -> Records:
    vectors = [record.get("embedding") for record in parsed]
    there = np.array([vector is not None for vector in vectors], np.bool_)
    lengths = {len(vector) for vector in vectors if vector is not None}
    if len(lengths) > 1:
        raise ValueError(f"expected the embeddings to have one length, got {sorted(lengths)}")
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

"""The records of one Chroma collection: where each vector is, and its document and metadata.

Synced vectors are in hnswlib's files (``chroma_index.py``), the rest in a log that is replayed here; documents and
metadata are in SQLite. Damage is reported per collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from chroma_nb.interchange.chroma_configuration import StoredConfiguration
from chroma_nb.interchange.chroma_index import SegmentFiles, SegmentVectors
from chroma_nb.interchange.chroma_sqlite import ChromaSqlite, json_object, scalar, shown
from chroma_nb.records import Records
from chroma_nb.types import Json, Mask, Matrix

DOCUMENT_KEY: Final = "chroma:document"
URI_KEY: Final = "chroma:uri"
_HIDDEN: Final = "chroma:"
_ADD, _UPDATE, _UPSERT, _DELETE = range(4)
_ENCODINGS: Final = {"FLOAT32": "<f4", "INT32": "<i4"}


@dataclass
class _Fields:
    """What a record has besides id and vector."""

    document: str | None = None
    uri: str | None = None
    metadata: Json = field(default_factory=dict)
    hidden: bool = False

    def put(self, key: str, value: object) -> None:
        """Set what a key of the metadata means; None removes it."""
        if key == DOCUMENT_KEY:
            self.document = value if isinstance(value, str) else None
        elif key == URI_KEY:
            self.uri, self.hidden = value if isinstance(value, str) else None, True
        elif key.startswith(_HIDDEN):
            self.hidden = True
        elif value is None:
            self.metadata.pop(key, None)
        else:
            self.metadata[key] = value

    def shown(self) -> Json | None:
        """The metadata as Chroma returns it: {} rather than None when there are hidden keys."""
        return self.metadata if self.metadata or self.hidden else None


class _Log:
    """One collection's entries in ``embeddings_queue``."""

    def __init__(self, database: ChromaSqlite, topic: str) -> None:
        self._database = database
        self._topic = topic

    def dimension(self) -> int | None:
        """Of the first vector in the log."""
        for size in self._rows(("length(vector)",), "AND vector IS NOT NULL ORDER BY seq_id LIMIT 1"):
            return size[0] // 4 or None
        return None

    def entries(self, after: int = 0) -> Iterator[tuple[int, int, str, int | None]]:
        """Place, operation, id and bytes of the vector (None: none given), in order."""
        columns = ("seq_id", "operation", "id", "length(vector)", "encoding")
        for number, operation, name, size, encoding in self._rows(columns, "AND seq_id > ? ORDER BY seq_id", after):
            if isinstance(number, int) and isinstance(name, str):
                yield number, operation, name, size if size is None or encoding in _ENCODINGS else -1

    def metadata(self) -> Iterator[tuple[int, str, object]]:
        """Operation, id and metadata (JSON), in order."""
        for operation, name, text in self._rows(("operation", "id", "metadata"), "ORDER BY seq_id"):
            if isinstance(name, str):
                yield operation, name, text

    def vector(self, number: int) -> Matrix:
        """The vector of the entry at ``number``."""
        columns = ("vector", "encoding")
        [(vector, encoding)] = [
            *self._database.rows("embeddings_queue", columns, "WHERE seq_id = ? LIMIT 1", (number,))
        ]
        return np.frombuffer(vector, _ENCODINGS[encoding]).astype(np.float32)

    def _rows(self, columns: Sequence[str], tail: str, *values: object) -> Iterator[Any]:
        return self._database.rows("embeddings_queue", columns, f"WHERE topic = ? {tail}", (self._topic, *values))


class CollectionReader:
    """Where every record of one collection is, found once; batches are read when asked for.

    ``_sources`` has a number per record: row + 1 of the index, minus the place in the log, 0 for a vector
    that is nowhere.
    """

    def __init__(
        self,
        *,
        folder: Path,
        database: ChromaSqlite,
        collection: str,
        topic: object,
        segments: dict[str, str],
        applied: dict[str, int],
        dimension: int | None,
        configuration: StoredConfiguration,
    ) -> None:
        self._database = database
        self._log = _Log(database, topic if isinstance(topic, str) else f"persistent://default/default/{collection}")
        self._metadata_segment = segments.get("METADATA")
        self.problems: list[str] = []
        self.notes: list[str] = []
        self._rebuilt: dict[str, _Fields] = {}
        self._files, self._vectors, no_folder = _open_index(folder, segments.get("VECTOR"), configuration, dimension)
        self.dimension = dimension or (self._vectors.dimension if self._vectors else None) or self._log.dimension()
        synced = applied.get(segments.get("VECTOR", ""))
        if synced is None:
            # Before 0.5.6 only the folder itself says how far it had come.
            synced = (self._vectors.max_seq_id if self._vectors else None) or 0
        self._row_ids, self.ids = self._read_ids()
        self._sources = self._locate(synced)
        self.lost = [name for name, source in zip(self.ids, self._sources, strict=True) if source == 0]
        if self._vectors and (synced or self.lost):
            self.problems += self._vectors.problems
        if no_folder and (synced or self.lost):
            self.problems.append(no_folder)

    def close(self) -> None:
        """Close the files of the index."""
        if self._files is not None:
            self._files.close()

    # Where things are

    def _read_ids(self) -> tuple[list[int], list[str]]:
        """Row ids and user's ids, in Chroma's order."""
        found: dict[str, int] = {}
        damaged = 0
        for row_id, name in self._database.rows(
            "embeddings", ("id", "embedding_id"), "WHERE segment_id = ? ORDER BY id", (self._metadata_segment,)
        ):
            if not isinstance(name, str) or not isinstance(row_id, int) or name in found:
                damaged += 1
            else:
                found[name] = row_id
        if damaged:
            self.problems.append(f"{damaged:,} records have no readable id of their own and were left out")
        return list(found.values()), list(found)

    def _locate(self, synced: int) -> list[int]:
        places = {name: row + 1 for name, row in self._vectors.row_of.items()} if self._vectors else {}
        self._replay(places, synced)
        if self._database.salvaged:
            self._rebuild_records(places)
        missing = {name for name in self.ids if name not in places}
        if missing:
            places.update(self._last_in_log(missing))
            places.update(self._by_order({name for name in missing if name not in places}))
        strangers = len(places) - sum(name in places for name in self.ids)
        if strangers:
            self.problems.append(f"{strangers:,} vectors belong to ids that have no record; they were left out")
        return [places.get(name, 0) for name in self.ids]

    def _replay(self, places: dict[str, int], synced: int) -> None:
        """Do what the log says since the index was last written."""
        expected, damaged = 4 * (self.dimension or 0), 0
        for number, operation, name, size in self._log.entries(after=synced):
            if operation == _DELETE:
                places.pop(name, None)
            elif (
                size is None or (operation == _ADD and name in places) or (operation == _UPDATE and name not in places)
            ):
                continue
            elif size != expected:
                damaged += 1
            else:
                places[name] = -number
        if damaged:
            self.problems.append(f"the log holds {damaged:,} vectors of the wrong size, which were ignored")

    def _last_in_log(self, missing: set[str]) -> dict[str, int]:
        """Vectors that the index should have and lacks, where the log still has them."""
        expected = 4 * (self.dimension or 0)
        found: dict[str, int] = {}
        for number, operation, name, size in self._log.entries():
            if name not in missing:
                continue
            if operation == _DELETE:
                found.pop(name, None)
            elif size == expected and expected:
                found[name] = -number
        if found:
            self.notes.append(f"{len(found):,} vectors missing from the index were found in the log")
        return found

    def _by_order(self, missing: set[str]) -> dict[str, int]:
        if not missing or self._vectors is None or self._vectors.names.problem is None:
            return {}
        found = self._vectors.by_order(self.ids, missing)
        if found:
            self.notes.append(
                f"{len(found):,} vectors got their ids back by the order of insertion, which "
                f"{len(self._vectors.row_of):,} known ids confirm"
            )
        return {name: row + 1 for name, row in found.items()}

    def _rebuild_records(self, places: dict[str, int]) -> None:
        """Records whose row is lost with a part of the SQLite file, from the log and the index."""
        known = set(self.ids)
        alive: dict[str, _Fields] = {name: _Fields() for name in places if name not in known}
        for operation, name, text in self._log.metadata():
            if name in known:
                continue
            if operation == _DELETE:
                alive.pop(name, None)
            elif operation != _UPDATE or name in alive:
                fields = alive.setdefault(name, _Fields())
                for key, value in (json_object(text) or {}).items():
                    fields.put(key, value)
        self._rebuilt = alive
        if alive:
            bare = sum(fields.document is None and not fields.metadata for fields in alive.values())
            self.problems.append(
                f"{len(alive):,} records without a row were restored from the index and the log and come last; "
                f"{bare:,} of them have neither document nor metadata, and some may be deleted records"
            )
        self.ids += alive
        self._row_ids += [0] * len(alive)

    # Reading

    def batches(self, size: int) -> Iterator[Records]:
        """All records, at most ``size`` at a time, in Chroma's order.

        What could not be read is added to ``problems``.
        """
        unreadable = 0
        for start in range(0, len(self.ids), size):
            ids = self.ids[start : start + size]
            fields, damaged = self._fields(self._row_ids[start : start + size])
            unreadable += damaged
            for place, name in enumerate(ids):
                fields[place] = self._rebuilt.get(name, fields[place])
            embeddings, there = self._embeddings(ids, self._sources[start : start + size])
            yield Records(
                ids=ids,
                embeddings=embeddings,
                documents=[record.document for record in fields],
                metadatas=[record.shown() for record in fields],
                uris=[record.uri for record in fields],
                has_embedding=None if there.all() else there,
            )
        if unreadable:
            problem = f"{unreadable:,} values of metadata or documents are damaged and were left out"
            if problem not in self.problems:
                self.problems.append(problem)

    def _embeddings(self, ids: list[str], sources: list[int]) -> tuple[Matrix, Mask]:
        numbers = np.asarray(sources, np.int64)
        embeddings = np.zeros((len(numbers), self.dimension or 0), np.float32)
        synced = numbers > 0
        if self._vectors is not None and synced.any():
            embeddings[synced] = self._vectors.vectors(numbers[synced] - 1)
        for place in np.flatnonzero(numbers < 0).tolist():
            embeddings[place] = self._log.vector(-sources[place])
        there: Mask = (numbers != 0) & np.isfinite(embeddings).all(axis=1)
        for place in np.flatnonzero((numbers != 0) & ~there).tolist():
            embeddings[place] = 0
            if ids[place] not in self.lost:
                self.lost.append(ids[place])
                self.problems.append(f"the vector of {shown(ids[place])} in the log does not consist of numbers")
        return embeddings, there

    def _fields(self, row_ids: list[int]) -> tuple[list[_Fields], int]:
        """Documents, uris and metadata of these rows, and how many values could not be read."""
        found = {row_id: _Fields() for row_id in row_ids if row_id}
        damaged = 0
        for row_id, key, value in self._values(found):
            if row_id not in found:
                continue
            if not isinstance(key, str) or value is None:
                damaged += 1
            else:
                found[row_id].put(key, value)
        if self._database.salvaged:
            self._fill_in_documents(found)
        return [found.get(row_id) or _Fields() for row_id in row_ids], damaged

    def _values(self, found: dict[int, _Fields]) -> Iterator[tuple[int, object, Any]]:
        if not found:
            return
        bounds = (self._metadata_segment, min(found), max(found))
        columns = ("id", "key", "string_value", "int_value", "float_value", "bool_value")
        tail = "WHERE id IN (SELECT id FROM embeddings WHERE segment_id = ? AND id BETWEEN ? AND ?)"
        for row_id, key, *values in self._database.rows("embedding_metadata", columns, tail, bounds):
            # No value at all is what Chroma makes of NaN; it reads it back as a missing key.
            if any(value is not None for value in values):
                yield row_id, key, scalar(*values)
        lists: dict[tuple[int, str], list[Any]] = {}
        for row_id, key, *values in self._database.rows(
            "embedding_metadata_array", columns, f"{tail} ORDER BY rowid", bounds
        ):
            lists.setdefault((row_id, key), []).append(scalar(*values))
        for (row_id, key), items in lists.items():
            yield row_id, key, None if None in items else items

    def _fill_in_documents(self, found: dict[int, _Fields]) -> None:
        """Documents of a damaged file, from the copy that its text index keeps."""
        bounds = (min(found, default=0), max(found, default=0))
        table = "embedding_fulltext_search_content"
        for row_id, text in self._database.rows(table, ("id", "c0"), "WHERE id BETWEEN ? AND ?", bounds):
            fields = found.get(row_id)
            if fields is not None and fields.document is None and isinstance(text, str):
                fields.document = text


def _open_index(
    folder: Path, segment: str | None, configuration: StoredConfiguration, dimension: int | None
) -> tuple[SegmentFiles | None, SegmentVectors | None, str | None]:
    """The folder with the synced vectors, or why there is none."""
    if segment is None:
        return None, None, "the folder of its synced vectors is not recorded"
    try:
        files = SegmentFiles(folder / segment)
    except OSError as error:
        return None, None, f"the folder {segment} with its synced vectors could not be opened: {error.strerror}"
    vectors = SegmentVectors(
        files, space=configuration.space, dimension=dimension, max_neighbors=configuration.max_neighbors
    )
    return files, vectors, None

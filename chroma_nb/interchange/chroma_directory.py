"""Reads a directory that Chroma wrote (0.4 to 1.5.9): all that is in it, and what could not be saved.

Not a client of Chroma and no copy of its engine: SQLite and numpy read the files, nothing found in
them is run, and nothing in the directory is modified. Synced vectors are in hnswlib's files
(``chroma_index.py``), the rest in a log that is replayed here; documents and metadata are in SQLite.
Damage is normal (Chroma overwrites its files in place): whatever is whole is given, whatever is not
is named, per collection.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

import numpy as np
import numpy.typing as npt

from chroma_nb.interchange.chroma_configuration import StoredConfiguration, stored_configuration
from chroma_nb.interchange.chroma_index import SegmentFiles, SegmentVectors
from chroma_nb.interchange.chroma_sqlite import (
    FILE_NAME,
    ChromaSqlite,
    is_uuid,
    open_chroma_sqlite,
)
from chroma_nb.records import Records
from chroma_nb.types import Matrix

DOCUMENT_KEY: Final = "chroma:document"
URI_KEY: Final = "chroma:uri"
_HIDDEN: Final = "chroma:"
_ADD, _UPDATE, _UPSERT, _DELETE = range(4)
_ENCODINGS: Final = {"FLOAT32": "<f4", "INT32": "<i4"}
NIL: Final = "00000000-0000-0000-0000-000000000000"
DEFAULT_TENANT: Final = "default_tenant"
DEFAULT_DATABASE: Final = "default_database"
#: What a Chroma before 0.4 kept: its collections, their records.
PARQUET_FILES: Final = ("chroma-collections.parquet", "chroma-embeddings.parquet")


@dataclass(frozen=True)
class ChromaDatabase:
    """A namespace of collections."""

    id: UUID
    name: str
    tenant: str


class RecordReader(Protocol):
    """Where the records of a collection come from."""

    def batches(self, size: int) -> Iterator[Records]:
        """All of them, at most ``size`` at a time."""

    def close(self) -> None:
        """Give back what was opened."""


@dataclass
class ChromaCollection:
    """One collection of the directory.

    ``configuration`` is what a client shows as ``configuration_json``; ``schema`` is Chroma's Schema as
    JSON, None before 1.3. ``ids`` are in Chroma's order. ``lost`` are the ids whose vector is gone (their
    documents and metadata are given by ``batches`` as all others'); ``problems`` says in sentences what was damaged,
    ``notes`` what is worth knowing though nothing is lost.
    """

    id: UUID
    name: str
    tenant: str
    database: str
    metadata: dict[str, Any] | None
    dimension: int | None
    configuration: dict[str, Any]
    schema: dict[str, Any] | None
    ef_search_set: bool
    ids: list[str] = field(repr=False)
    lost: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _reader: RecordReader = field(repr=False, kw_only=True)

    def __len__(self) -> int:
        return len(self.ids)

    def batches(self, size: int = 1000) -> Iterator[Records]:
        """All records, ``size`` at a time, in Chroma's order.

        ``embeddings`` is float32 of shape (n, dimension), bit for bit what Chroma has; rows of ``lost`` ids
        are zeros and False in ``has_embedding`` (which is None when every row has its vector).
        """
        return self._reader.batches(size)


@dataclass
class ChromaDirectory:
    """What a directory holds. ``problems`` and ``notes`` concern the directory as a whole."""

    path: Path
    tenants: list[str]
    databases: list[ChromaDatabase]
    collections: list[ChromaCollection]
    problems: list[str]
    fingerprint: str
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(len(collection) for collection in self.collections)

    @property
    def complete(self) -> bool:
        """Whether nothing at all was damaged."""
        return not self.problems and not any(one.problems or one.lost for one in self.collections)

    def report(self) -> str:
        """What was found and what could not be saved, for a reader."""
        lines = [f"{self.path}: {len(self.collections):,} collections, {len(self):,} records"]
        lines += [f"  {sentence}" for sentence in (*self.problems, *self.notes)]
        for one in self.collections:
            whole = len(one) - len(one.lost)
            lines.append(f"  {one.tenant}/{one.database}/{one.name}: {whole:,} of {len(one):,} records whole")
            lines += [f"    {sentence}" for sentence in (*one.problems, *one.notes)]
            if one.lost:
                shown = ", ".join(repr(name) for name in one.lost[:5])
                lines.append(f"    without a vector: {shown}{' …' if len(one.lost) > 5 else ''} ({len(one.lost):,})")
        return "\n".join(lines)


@contextmanager
def read_directory(path: str | os.PathLike[str]) -> Iterator[ChromaDirectory]:
    """What the Chroma directory at ``path`` holds, for the time of the block.

    Raises ChromaDirectoryError where there is none, or nothing of it can be read; damage short of that is
    told in ``problems``. SQLite's own error comes through while another process keeps the file locked.

    >>> with read_directory("no-such-place"):
    ...     pass
    Traceback (most recent call last):
    chroma_nb.interchange.chroma_sqlite.ChromaDirectoryError: expected a directory written by Chroma, ...
    """
    folder = Path(path)
    mark = fingerprint(folder)
    with open_chroma_sqlite(folder) as database:
        catalog = _Catalog(database)
        collections = [_read_collection(folder, database, catalog, row) for row in catalog.collections]
        renamed = named_apart(collections)
        problems = [*database.problems, *catalog.problems, *renamed, *_left_behind(folder, catalog)]
        try:
            yield ChromaDirectory(folder, catalog.tenants, catalog.databases, collections, problems, mark)
        finally:
            for collection in collections:
                collection._reader.close()


def fingerprint(folder: Path) -> str:
    """Changes when Chroma has written to the directory, and not when the directory was copied.

    Sizes of all files, the change counter that SQLite keeps in the file's header, and the end of Parquet files,
    which says where everything in them is.
    """
    parts = []
    for name in (FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-journal", *PARQUET_FILES):
        try:
            descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        with os.fdopen(descriptor, "rb") as file:
            size = os.fstat(descriptor).st_size
            if name in PARQUET_FILES:
                file.seek(max(0, size - 4096))
                parts.append(f"{name} {size} {hashlib.sha256(file.read(4096)).hexdigest()[:16]}")
            else:
                parts.append(f"{name} {size} {file.read(100)[24:28].hex()}")
    for segment in sorted(entry.name for entry in folder.glob("*") if is_uuid(entry.name) and not entry.is_symlink()):
        parts += [f"{segment}/{file.name} {file.lstat().st_size}" for file in sorted((folder / segment).glob("*"))]
    return "\n".join(parts)


# --- Tenants, databases, collections ------------------------------------------------------------------


class _Catalog:
    """The small tables, checked: what is not of the right kind is left out and named."""

    def __init__(self, database: ChromaSqlite) -> None:
        self._database = database
        self.problems: list[str] = []
        self.tenants = [name for (name,) in database.rows("tenants", ("id",)) if isinstance(name, str)]
        self.databases = list(self._read_databases())
        self.segments = self._read_segments()
        self.applied = {
            segment: _sequence(number) for segment, number in database.rows("max_seq_id", ("segment_id", "seq_id"))
        }
        self.collections = list(self._read_collections())

    def _read_databases(self) -> Iterator[ChromaDatabase]:
        for identity, name, tenant in self._database.rows("databases", ("id", "name", "tenant_id")):
            if is_uuid(identity) and isinstance(name, str) and isinstance(tenant, str):
                yield ChromaDatabase(UUID(identity), name, tenant)
            else:
                self.problems.append(f"a database with the id {_shown(identity)} is damaged and was left out")

    def _read_segments(self) -> dict[str, dict[str, str]]:
        """Per collection: scope (VECTOR, METADATA) to the segment's id."""
        found: dict[str, dict[str, str]] = {}
        for identity, scope, collection in self._database.rows("segments", ("id", "scope", "collection")):
            if not is_uuid(identity):
                self.problems.append(
                    f"the segment {_shown(identity)} of collection {_shown(collection)} has no proper id: not read"
                )
            elif isinstance(collection, str) and isinstance(scope, str):
                found.setdefault(collection, {})[scope] = identity
        return found

    def _read_collections(self) -> Iterator[dict[str, Any]]:
        columns = ("id", "name", "topic", "dimension", "database_id", "config_json_str", "schema_str")
        seen = set()
        for values in self._database.rows("collections", columns, "ORDER BY rowid"):
            row = dict(zip(columns, values, strict=True))
            if not is_uuid(row["id"]) or not isinstance(row["name"], str):
                self.problems.append(f"a collection with the id {_shown(row['id'])} is damaged and was left out")
                continue
            seen.add(row["id"])
            yield row
        if self._database.salvaged:
            yield from self._nameless(seen)

    def _nameless(self, seen: set[str]) -> Iterator[dict[str, Any]]:
        """Collections of a damaged file of which only segments are left."""
        for collection in self.segments:
            if collection not in seen and is_uuid(collection):
                name = f"recovered-{collection[:8]}"
                self.problems.append(f"the name of collection {collection} is lost; it is called {name!r}")
                yield {"id": collection, "name": name, "dimension": None}

    def place_of(self, database_id: object) -> tuple[str, str]:
        """Tenant and database that a collection belongs to."""
        for database in self.databases:
            if str(database.id) == database_id:
                return database.tenant, database.name
        if database_id not in (None, NIL):
            self.problems.append(
                f"the database {_shown(database_id)} is unknown; its collections are in the default one"
            )
        return DEFAULT_TENANT, DEFAULT_DATABASE


def named_apart(collections: list[ChromaCollection]) -> list[str]:
    """No two collections of a database may share a name; a damaged file can make them."""
    taken: set[tuple[str, str, str]] = set()
    problems = []
    for one in collections:
        if (one.tenant, one.database, one.name) in taken:
            problems.append(
                f"a second collection {one.name!r} in {one.database!r} is called {one.name}-{one.id.hex[:8]}"
            )
            one.name = f"{one.name}-{one.id.hex[:8]}"
        taken.add((one.tenant, one.database, one.name))
    return problems


def _read_collection(folder: Path, database: ChromaSqlite, catalog: _Catalog, row: dict[str, Any]) -> ChromaCollection:
    tenant, place = catalog.place_of(row.get("database_id"))
    metadata = _scalar_metadata(database, row["id"])
    schema = _json_object(row.get("schema_str"))
    configuration = stored_configuration(metadata, _json_object(row.get("config_json_str")), schema)
    dimension = row.get("dimension")
    reader = _CollectionReader(
        folder=folder,
        database=database,
        collection=row["id"],
        topic=row.get("topic"),
        segments=catalog.segments.get(row["id"], {}),
        applied=catalog.applied,
        dimension=dimension if type(dimension) is int and dimension > 0 else None,
        configuration=configuration,
    )
    return ChromaCollection(
        id=UUID(row["id"]),
        name=row["name"],
        tenant=tenant,
        database=place,
        metadata=metadata,
        dimension=reader.dimension,
        configuration=configuration.json,
        schema=schema,
        ef_search_set=configuration.ef_search_set,
        ids=reader.ids,
        lost=reader.lost,
        problems=reader.problems,
        notes=reader.notes,
        _reader=reader,
    )


def _scalar_metadata(database: ChromaSqlite, collection: str) -> dict[str, Any] | None:
    columns = ("key", "str_value", "int_value", "float_value", "bool_value")
    found = {}
    for key, text, integer, number, flag in database.rows(
        "collection_metadata", columns, "WHERE collection_id = ? ORDER BY key", (collection,)
    ):
        value = _scalar(text, integer, number, flag)
        if isinstance(key, str) and value is not None:
            found[key] = value
    return found or None


def _scalar(text: object, integer: object, number: object, flag: object) -> str | int | float | bool | None:
    """The one value of a row; None when it is of none of the kinds its column is for."""
    if isinstance(text, str):
        return text
    if isinstance(flag, int):
        return bool(flag)
    if isinstance(integer, int):
        return integer
    return float(number) if isinstance(number, int | float) else None


def _json_object(text: object) -> dict[str, Any] | None:
    if not isinstance(text, str):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value else None


def _sequence(number: object) -> int:
    """A place in the log: an integer since 1.0, eight bytes before."""
    if isinstance(number, bytes):
        return int.from_bytes(number[-8:], "big")
    return number if isinstance(number, int) else 0


def _shown(value: object) -> str:
    """Something out of a file, for a message: short, and without control characters."""
    return ascii(value)[:60]


def _left_behind(folder: Path, catalog: _Catalog) -> list[str]:
    """Segment folders whose collection is gone: after a deletion normal, after damage a loss to be named."""
    known = {segment for segments in catalog.segments.values() for segment in segments.values()}
    strangers = [name.name for name in folder.glob("*") if is_uuid(name.name) and name.name not in known]
    if not strangers or not catalog.problems:
        return []
    return [
        f"{len(strangers):,} folders belong to no collection that could be read: {', '.join(sorted(strangers)[:3])}"
    ]


# --- Records ------------------------------------------------------------------------------------------


@dataclass
class _Fields:
    """What a record has besides id and vector."""

    document: str | None = None
    uri: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    hidden: bool = False

    def put(self, key: str, value: Any) -> None:
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

    def shown(self) -> dict[str, Any] | None:
        """The metadata as Chroma answers it: {} rather than None when there are hidden keys."""
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

    def vector(self, number: int) -> npt.NDArray[np.float32]:
        """The vector of the entry at ``number``."""
        columns = ("vector", "encoding")
        [(vector, encoding)] = [
            *self._database.rows("embeddings_queue", columns, "WHERE seq_id = ? LIMIT 1", (number,))
        ]
        return np.frombuffer(vector, _ENCODINGS[encoding]).astype(np.float32)

    def _rows(self, columns: Sequence[str], tail: str, *values: object) -> Iterator[Any]:
        return self._database.rows("embeddings_queue", columns, f"WHERE topic = ? {tail}", (self._topic, *values))


class _CollectionReader:
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
            self.problems.append(f"the log holds {damaged:,} vectors of the wrong size, which were passed over")

    def _last_in_log(self, missing: set[str]) -> dict[str, int]:
        """Vectors that the index should have and has not, where the log still has them."""
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
                f"{len(found):,} vectors found their ids again by the order of insertion, "
                f"which {len(self._vectors.row_of):,} known ids confirm"
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
                for key, value in (_json_object(text) or {}).items():
                    fields.put(key, value)
        self._rebuilt = alive
        if alive:
            bare = sum(fields.document is None and not fields.metadata for fields in alive.values())
            self.problems.append(
                f"{len(alive):,} records without a row were put together from the index and the log and stand last; "
                f"{bare:,} of them have neither document nor metadata, and deleted ones may have come back"
            )
        self.ids += alive
        self._row_ids += [0] * len(alive)

    # Reading

    def batches(self, size: int) -> Iterator[Records]:
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
                documents=[one.document for one in fields],
                metadatas=[one.shown() for one in fields],
                uris=[one.uri for one in fields],
                has_embedding=None if there.all() else there,
            )
        if unreadable:
            problem = f"{unreadable:,} values of metadata or documents are damaged and were left out"
            if problem not in self.problems:
                self.problems.append(problem)

    def _embeddings(self, ids: list[str], sources: list[int]) -> tuple[Matrix, npt.NDArray[np.bool_]]:
        numbers = np.asarray(sources, np.int64)
        embeddings = np.zeros((len(numbers), self.dimension or 0), np.float32)
        synced = numbers > 0
        if self._vectors is not None and synced.any():
            embeddings[synced] = self._vectors.vectors(numbers[synced] - 1)
        for place in np.flatnonzero(numbers < 0).tolist():
            embeddings[place] = self._log.vector(-sources[place])
        there: npt.NDArray[np.bool_] = (numbers != 0) & np.isfinite(embeddings).all(axis=1)
        for place in np.flatnonzero((numbers != 0) & ~there).tolist():
            embeddings[place] = 0
            if ids[place] not in self.lost:
                self.lost.append(ids[place])
                self.problems.append(f"the vector of {_shown(ids[place])} in the log is not made of numbers")
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
                yield row_id, key, _scalar(*values)
        lists: dict[tuple[int, str], list[Any]] = {}
        for row_id, key, *values in self._database.rows(
            "embedding_metadata_array", columns, f"{tail} ORDER BY rowid", bounds
        ):
            lists.setdefault((row_id, key), []).append(_scalar(*values))
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
        return None, None, "no folder for its synced vectors is named"
    try:
        files = SegmentFiles(folder / segment)
    except OSError as error:
        return None, None, f"the folder {segment} with its synced vectors could not be opened: {error.strerror}"
    vectors = SegmentVectors(
        files, space=configuration.space, dimension=dimension, max_neighbors=configuration.max_neighbors
    )
    return files, vectors, None

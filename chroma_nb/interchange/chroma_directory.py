"""Read a directory that Chroma wrote (0.4 to 1.5.9): all that is in it, and what could not be read.

Not a client of Chroma and no copy of its engine: SQLite and numpy read the files, nothing found in them is run, and
nothing in the directory is modified. Damage is normal (Chroma overwrites its files in place): what is intact is
returned, the rest is reported per collection.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

from chroma_nb.interchange.chroma_catalog import Catalog, collection_metadata
from chroma_nb.interchange.chroma_configuration import stored_configuration
from chroma_nb.interchange.chroma_contents import ChromaCollection, ChromaDirectory, named_apart
from chroma_nb.interchange.chroma_records import CollectionReader
from chroma_nb.interchange.chroma_sqlite import FILE_NAME, ChromaSqlite, is_uuid, json_object, open_chroma_sqlite
from chroma_nb.types import Json

#: What a Chroma before 0.4 kept: its collections, their records.
PARQUET_FILES: Final = ("chroma-collections.parquet", "chroma-embeddings.parquet")


@contextmanager
def read_directory(path: str | os.PathLike[str]) -> Iterator[ChromaDirectory]:
    """What the Chroma directory at ``path`` holds, for the time of the block.

    Raises ChromaDirectoryError where there is none, or nothing of it can be read; damage short of that is
    told in ``problems``. SQLite's own error comes through while another process keeps the file locked.

    >>> with read_directory("no-such-place"):
    ...     pass
    Traceback (most recent call last):
    chroma_nb.interchange.chroma_sqlite.ChromaDirectoryError: Expected a directory written by Chroma, ...
    """
    folder = Path(path)
    mark = fingerprint(folder)
    with open_chroma_sqlite(folder) as database:
        catalog = Catalog(database)
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


def _read_collection(folder: Path, database: ChromaSqlite, catalog: Catalog, row: Json) -> ChromaCollection:
    tenant, place = catalog.place_of(row.get("database_id"))
    metadata = collection_metadata(database, row["id"])
    schema = json_object(row.get("schema_str"))
    configuration = stored_configuration(metadata, json_object(row.get("config_json_str")), schema)
    dimension = row.get("dimension")
    reader = CollectionReader(
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


def _left_behind(folder: Path, catalog: Catalog) -> list[str]:
    """Segment folders whose collection is gone: after a deletion normal, after damage a loss to be named."""
    known = {segment for segments in catalog.segments.values() for segment in segments.values()}
    strangers = [name.name for name in folder.glob("*") if is_uuid(name.name) and name.name not in known]
    if not strangers or not catalog.problems:
        return []
    return [
        f"{len(strangers):,} folders belong to no collection that could be read: {', '.join(sorted(strangers)[:3])}"
    ]

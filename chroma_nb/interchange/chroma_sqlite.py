"""Opens the ``chroma.sqlite3`` of a directory somebody else wrote: read only, and trusting nothing in it.

The file and what lies beside it are never modified, not even by SQLite: where opening would have to
write (a journal left behind by a killed process, a write-ahead log), a private copy is opened instead.
The schema is looked at before anything is read through it, and nothing but SELECTs of the plain tables
among COLUMNS is run. SQLite is given no authorizer or other function of ours to call while it works: an
interrupt in one would come out as SQLite's refusal. A file SQLite finds damaged is read page by page
(``sqlite_pages.py``) into a clean one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from chroma_nb.errors import ChromaError
from chroma_nb.interchange.sqlite_pages import Row, Salvage, salvage
from chroma_nb.types import Json

FILE_NAME: Final = "chroma.sqlite3"
#: Every table and column that is read; a version that lacks a column has None there.
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "tenants": ("id",),
    "databases": ("id", "name", "tenant_id"),
    "collections": ("id", "name", "topic", "dimension", "database_id", "config_json_str", "schema_str"),
    "collection_metadata": ("collection_id", "key", "str_value", "int_value", "float_value", "bool_value"),
    "segments": ("id", "type", "scope", "collection"),
    "segment_metadata": ("segment_id", "key", "str_value", "int_value", "float_value", "bool_value"),
    "embeddings": ("id", "segment_id", "embedding_id", "seq_id"),
    "embedding_metadata": ("id", "key", "string_value", "int_value", "float_value", "bool_value"),
    "embedding_metadata_array": ("id", "key", "string_value", "int_value", "float_value", "bool_value"),
    "embeddings_queue": ("seq_id", "operation", "topic", "id", "vector", "encoding", "metadata"),
    "max_seq_id": ("segment_id", "seq_id"),
    "embedding_fulltext_search_content": ("id", "c0"),
}
#: What may be asked besides columns, and the column it needs.
_EXPRESSIONS: Final = {"length(vector)": "vector"}
_NEEDED: Final = ("collections", "segments", "embeddings")
#: The file's own words for what it is; the check itself is SQLite's.
_MAGIC: Final = b"SQLite format 3\x00"
#: SQLite's codes for a lock that others hold.
_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class ChromaDirectoryError(ChromaError, ValueError):
    """A directory was not written by Chroma, or nothing in it can be read. The message says what was expected."""


class NothingOfChromasError(ChromaDirectoryError):
    """The file is whole and empty, or holds other tables only: Chroma makes its own in it and begins anew."""


@dataclass
class ChromaSqlite:
    """A readable database: ``rows`` of known tables, and what is wrong with the file, in sentences."""

    connection: sqlite3.Connection
    columns: dict[str, frozenset[str]]
    problems: list[str] = field(default_factory=list)
    salvaged: bool = False

    def rows(self, table: str, columns: Sequence[str], tail: str = "", values: Sequence[object] = ()) -> Iterator[Any]:
        """Rows of ``table``; ``tail`` is a constant such as ``WHERE topic = ?``. A table that is absent has none."""
        present = self.columns.get(table)
        if present is None:
            return iter(())
        # The names come from COLUMNS and from this package's own constants, never from a file.
        asked = ", ".join(name if _EXPRESSIONS.get(name, name) in present else "NULL" for name in columns)
        return self.connection.execute(f"SELECT {asked} FROM {table} {tail}", values)  # noqa: S608


@contextmanager
def open_chroma_sqlite(folder: Path) -> Iterator[ChromaSqlite]:
    """The database in ``folder``, ready to read, for the time of the block."""
    path = folder / FILE_NAME
    _check_is_plain_file(path)
    with tempfile.TemporaryDirectory(prefix="chroma_nb-") as private:
        readable, problems = _undisturbed(path, Path(private))
        connection = _connect(readable, mode="ro" if readable == path else "rw")
        try:
            try:
                yield _checked(connection, problems)
                return
            except _Malformed as damage:
                connection.close()
                connection, database = _salvaged(readable, str(damage))
                database.problems[:0] = problems
            yield database
        finally:
            connection.close()


class _Malformed(Exception):
    """SQLite finds the file damaged; the message is SQLite's."""


def _check_is_plain_file(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        raise ChromaDirectoryError(
            f"Expected a directory written by Chroma, with a file {FILE_NAME}; {path.parent} has no such file."
        ) from None
    if not stat.S_ISREG(mode):
        raise ChromaDirectoryError(
            f"{path} is a symbolic link or not a file. Links are not followed: pass the directory that holds the file."
        )


def _undisturbed(path: Path, private: Path) -> tuple[Path, list[str]]:
    """The file itself, or a private copy where reading it would mean writing beside it."""
    beside = [side for side in (Path(f"{path}-journal"), Path(f"{path}-wal")) if _size(side) > 0]
    with _open(path) as file:
        header = file.read(100)
    in_wal_mode = header[18:20] == b"\x02\x02"
    if not beside and not in_wal_mode:
        return path, []
    for source in (path, *beside):
        _check_is_plain_file(source)
        with _open(source) as file, (private / source.name).open("wb") as copy:
            shutil.copyfileobj(file, copy, 1 << 20)
    names = " and ".join(side.name for side in beside)
    note = f"{names} was left behind by a process that did not finish; it was applied in a private copy"
    return private / path.name, [note] if beside else []


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _open(path: Path) -> Any:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # mode=rw is for private copies: a journal is rolled back there.
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, isolation_level=None)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.text_factory = _text
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA mmap_size=0")
    connection.execute("PRAGMA busy_timeout=10000")
    return connection


def _text(data: bytes) -> str | bytes:
    """A text, or the bytes themselves if they are not UTF-8: the reader then sees a value of the wrong kind."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data


def _checked(connection: sqlite3.Connection, problems: list[str]) -> ChromaSqlite:
    """The database, after a look at its schema and its pages."""
    try:
        connection.execute("BEGIN")
        schema = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
        columns = _known_tables(connection, schema)
        for table in columns:
            [(verdict,)] = connection.execute(f"PRAGMA quick_check('{table}')").fetchmany(1)
            if verdict != "ok":
                raise _Malformed(str(verdict).replace("\n", " "))
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY:  # without what extends the code
            raise
        raise _Malformed(str(error)) from error
    except sqlite3.DatabaseError as error:
        raise _Malformed(str(error)) from error
    connection.execute("PRAGMA query_only=ON")
    problems = [*problems, *_strangers(schema)]
    missing = [table for table in _NEEDED if table not in columns]
    if not columns:
        raise NothingOfChromasError("the SQLite file has no table called collections, so it was not written by Chroma")
    if "collections" in missing:
        raise ChromaDirectoryError("the SQLite file has no table called collections, so it was not written by Chroma")
    problems += [f"the table {table} is missing or not a plain table; it was not read" for table in missing]
    return ChromaSqlite(connection, columns, problems)


def _known_tables(connection: sqlite3.Connection, schema: list[Any]) -> dict[str, frozenset[str]]:
    plain = {
        name
        for kind, name, statement in schema
        if kind == "table" and name in COLUMNS and not str(statement).upper().lstrip().startswith("CREATE VIRTUAL")
    }
    return {
        table: frozenset(row[1] for row in connection.execute(f"PRAGMA table_info('{table}')"))
        for table in COLUMNS
        if table in plain
    }


def _strangers(schema: list[Any]) -> list[str]:
    """Things Chroma never puts into its file. They are not run; the reader should know of them."""
    names = sorted(f"{kind} {name!r}" for kind, name, _ in schema if kind in {"trigger", "view"})
    return (
        [f"the file holds {', '.join(names)[:200]}, which Chroma does not write; none of it was executed"]
        if names
        else []
    )


def _salvaged(path: Path, damage: str) -> tuple[sqlite3.Connection, ChromaSqlite]:
    """A clean database with every row that could be read from the pages of a damaged one."""
    with _open(path) as file:
        found = salvage(file.fileno(), COLUMNS.__contains__)
        is_sqlite = os.pread(file.fileno(), 16, 0) == _MAGIC
    strays = _sorted_out(found)
    if not found.tables and not strays:
        what = "nothing in it could be read" if is_sqlite else "it is not an SQLite file"
        raise ChromaDirectoryError(f"{path.name} is damaged ({damage}) and {what}")
    connection = sqlite3.connect("", isolation_level=None)
    connection.text_factory = _text
    connection.execute("BEGIN")
    for table, columns in COLUMNS.items():
        rows = [*_in_our_order(found, table, columns), *strays.get(table, ())]
        connection.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608
    for table, column in (
        ("embeddings", "segment_id"),
        ("embedding_metadata", "id"),
        ("embedding_metadata_array", "id"),
        ("embeddings_queue", "topic"),
        ("embeddings_queue", "seq_id"),
        ("embedding_fulltext_search_content", "id"),
    ):
        connection.execute(f"CREATE INDEX {table}_{column} ON {table} ({column})")
    connection.execute("COMMIT")
    recovered = sum(len(rows) for _, rows in found.tables.values()) + sum(map(len, strays.values()))
    problem = (
        f"{FILE_NAME} is damaged ({damage}): {found.unreadable_pages:,} of {found.pages:,} pages and "
        f"{found.unreadable_rows:,} rows could not be read, {recovered:,} rows could. Some records may be "
        "older than the last writes"
    )
    columns_of = {table: frozenset(columns) for table, columns in COLUMNS.items()}
    return connection, ChromaSqlite(connection, columns_of, [problem], salvaged=True)


def _in_our_order(found: Salvage, table: str, columns: tuple[str, ...]) -> Iterator[Row]:
    names, rows = found.tables.get(table, ([], {}))
    places = [names.index(column) if column in names else None for column in columns]
    for row in rows.values():
        yield tuple(None if place is None else row[place] for place in places)


def _sorted_out(found: Salvage) -> dict[str, list[Row]]:
    """Rows from pages without a tree, given to the table whose shape they have."""
    known = {table: set(rows) for table, (_, rows) in found.tables.items()}
    sorted_out: dict[str, list[Row]] = {}
    for row_id, values in found.strays:
        for table, recognise in _SHAPES.items():
            row = recognise(row_id, values)
            if row is not None:
                if row_id not in known.setdefault(table, set()):
                    known[table].add(row_id)
                    sorted_out.setdefault(table, []).append(row)
                break
    return sorted_out


def is_uuid(value: object) -> bool:
    """Whether this is a UUID in its usual spelling, and so safe as the name of a folder."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def scalar(text: object, integer: object, number: object, flag: object) -> str | int | float | bool | None:
    """The one value of a row; None when it is of none of the kinds its column is for."""
    if isinstance(text, str):
        return text
    if isinstance(flag, int):
        return bool(flag)
    if isinstance(integer, int):
        return integer
    return float(number) if isinstance(number, int | float) else None


def json_object(text: object) -> Json | None:
    """The JSON object in a text; None if it is missing or empty."""
    if not isinstance(text, str):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value else None


def shown(value: object) -> str:
    """Something out of a file, for a message: short, and without control characters."""
    return ascii(value)[:60]


def _embedding(row_id: int, values: Row) -> Row | None:
    if len(values) == 5 and values[0] is None and is_uuid(values[1]) and isinstance(values[2], str):
        return (row_id, *values[1:4])
    return None


def _queued(row_id: int, values: Row) -> Row | None:
    if len(values) == 8 and isinstance(values[3], str) and values[3].startswith("persistent://"):
        return (row_id, *values[2:8])
    return None


def _segment(row_id: int, values: Row) -> Row | None:
    if len(values) in (4, 5) and is_uuid(values[0]) and str(values[1]).startswith("urn:chroma:segment"):
        return (values[0], values[1], values[2], values[-1])
    return None


def _collection(row_id: int, values: Row) -> Row | None:
    if len(values) < 4 or not is_uuid(values[0]) or not isinstance(values[1], str):
        return None
    has_topic = isinstance(values[2], str) and values[2].startswith("persistent://")
    topic, rest = (values[2], values[3:]) if has_topic else (None, values[2:])
    if len(rest) < 2 or not isinstance(rest[0], int | None) or not is_uuid(rest[1]):
        return None
    configuration, schema = (*rest[2:4], None, None)[:2]
    return (values[0], values[1], topic, rest[0], rest[1], configuration, schema)


def _database(row_id: int, values: Row) -> Row | None:
    if len(values) == 3 and is_uuid(values[0]) and isinstance(values[1], str) and isinstance(values[2], str):
        return values
    return None


def _metadata(row_id: int, values: Row) -> Row | None:
    if len(values) in (5, 6) and isinstance(values[0], int) and isinstance(values[1], str):
        return (*values, None)[:6]
    return None


def _document(row_id: int, values: Row) -> Row | None:
    if len(values) == 2 and values[0] is None and isinstance(values[1], str):
        return (row_id, values[1])
    return None


#: How a row without a table is recognised, most telling first.
_SHAPES: Final = {
    "embeddings_queue": _queued,
    "segments": _segment,
    "collections": _collection,
    "databases": _database,
    "embeddings": _embedding,
    "embedding_metadata": _metadata,
    "embedding_fulltext_search_content": _document,
}

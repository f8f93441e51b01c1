"""Migrations: the numbered SQL files that create the database, each applied once and verified.

``PRAGMA user_version`` is the number of the last one applied. A file written by a newer version
of the package is refused.
"""

from __future__ import annotations

import sqlite3
from importlib import resources
from pathlib import Path
from typing import Final

from chroma_nb.engine.storage import directory
from chroma_nb.engine.storage.sqlite import APPLICATION_ID
from chroma_nb.errors import VersionMismatchError, _DamagedError

_IN_MEMORY_TOO: Final = {1, 4, 7}
_OLDEST_READABLE: Final = 3
#: The columns of collections that a migration added -> their values for an earlier version.
_ADDED: Final = {4: "NULL AS staged", 7: "NULL AS root, 0 AS forks, 2 * next_position - record_count AS operations"}
_DEFAULTS: Final = (
    "INSERT OR IGNORE INTO tenants (name) VALUES ('default_tenant')",
    """INSERT OR IGNORE INTO databases (id, name, tenant)
    VALUES ('00000000-0000-0000-0000-000000000000', 'default_database', 'default_tenant')""",
)


def scripts() -> list[tuple[int, str]]:
    """(number, SQL) of every migration, in order."""
    folder = resources.files("chroma_nb.engine.storage") / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(int(name[:4]), (folder / name).read_text("utf-8")) for name in names]


def apply(connection: sqlite3.Connection, path: Path | None) -> None:
    """Bring the database up to date inside the caller's transaction."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    wanted = scripts()
    if version == 0 and owner == 0 and not _tables(connection):
        if path is not None:
            directory.refuse_lost(path.parent, no_tables=True)
        connection.execute(_SET_APPLICATION_ID)
    elif owner != APPLICATION_ID:
        raise _DamagedError(
            f"{path} is not a database of chroma_nb (application id {owner:#x}). Choose another directory."
        )
    if version > wanted[-1][0]:
        raise VersionMismatchError(
            f"{path} was written by a newer chroma_nb (format {version}; this one reads up to "
            f"{wanted[-1][0]}). Upgrade chroma-nb to open it."
        )
    for number, script in wanted:
        if number > version and (path is not None or number in _IN_MEMORY_TOO):
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(_SET_USER_VERSION[number])
    insert_defaults(connection)


def check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a database whose schema could run inserted code: views in place of tables, triggers.

    Reading a view may never end, and a write runs a trigger. We create neither, and no virtual tables.
    """
    for kind, name, statement in connection.execute("SELECT type, name, sql FROM main.sqlite_master").fetchall():
        kind = "virtual table" if str(statement).upper().lstrip().startswith("CREATE VIRTUAL") else str(kind)
        if kind not in ("table", "index"):
            raise _DamagedError(
                f"{path} has a {kind} {str(name)[:80]!r}, which chroma_nb does not create. It was not read, and "
                f"nothing was changed. Restore the database from a backup, or drop the {kind} (sqlite3 FILE) if "
                "you created it."
            )


def insert_defaults(connection: sqlite3.Connection) -> None:
    """The default tenant and database."""
    for statement in _DEFAULTS:
        connection.execute(statement)


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether the database is ours and fully migrated, so that opening it writes nothing."""
    return bool(
        connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
        and connection.execute("PRAGMA user_version").fetchone()[0] == scripts()[-1][0]
    )


def is_readable(connection: sqlite3.Connection) -> bool:
    """Whether the database is ours and of a format that can be read as it is, for processes that may not migrate it."""
    return bool(
        connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
        and _OLDEST_READABLE <= connection.execute("PRAGMA user_version").fetchone()[0] <= scripts()[-1][0]
    )


def show_as_current(connection: sqlite3.Connection) -> None:
    """Show an earlier format as the current one to a connection that may only read."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if _OLDEST_READABLE <= version < max(_ADDED):
        added = ", ".join(columns for number, columns in _ADDED.items() if number > version)
        connection.execute(" ".join(["CREATE TEMP VIEW collections AS SELECT *,", added, "FROM main.collections"]))


def renumber(connection: sqlite3.Connection) -> None:
    """Write the number of the last migration again: a transaction that writes without a change."""
    connection.execute(_SET_USER_VERSION[scripts()[-1][0]])


# PRAGMA takes no bound parameters; these are constants, not data.
_SET_APPLICATION_ID: Final = f"PRAGMA application_id={APPLICATION_ID}"
_SET_USER_VERSION: Final = {number: f"PRAGMA user_version={number}" for number in range(1, 100)}


def _tables(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None


def _statements(script: str) -> list[str]:
    """The statements of a script. (``executescript`` would commit the transaction.)"""
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements

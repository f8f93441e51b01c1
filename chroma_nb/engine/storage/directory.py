"""The directory that holds a database: create it, check it, and distinguish it from others."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

import orjson

from chroma_nb.engine.storage import refusals, replacing, sqlite
from chroma_nb.engine.storage.vectors import sync_directory
from chroma_nb.errors import InternalError, _DamagedError
from chroma_nb.types import Json


def make(path: Path) -> None:
    """Create the directory, for its owner only, with its parents. InternalError if that fails."""
    if path.exists() and not path.is_dir():
        raise InternalError(f"expected a directory for the database, got the file {path}")
    new = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise refusals.explained(error, path, cannot="make the directory") from error
    if not (path / sqlite.FILE_NAME).exists():  # also if a process created the directory and died before this
        for folder in {path, *new}:
            with contextlib.suppress(OSError):  # a parent that we may not read: the file system has to do this itself
                sync_directory(folder.parent)


def make_database_private(path: Path) -> None:
    """Create the empty database file, readable by its owner only; SQLite gives its journal the same mode.

    Only if there is none yet: opening and closing a database file beside SQLite drops SQLite's locks.
    """
    with contextlib.suppress(OSError):  # it exists, or is not writable: opening it raises the error
        os.close(os.open(path / sqlite.FILE_NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def is_writable(directory: Path) -> bool:
    """Whether this process may write to the directory and the database in it."""
    path = directory / sqlite.FILE_NAME
    return os.access(directory, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


def identity(path: Path) -> tuple[int, int]:
    """Device and inode: the same for every spelling of a path, different for a directory that was created again."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


#: Chroma's own files, since 0.4 and before: they identify a directory of Chroma.
CHROMAS_FILES: Final = ("chroma.sqlite3", "chroma-collections.parquet")
#: Files that exist only beside one of our databases.
_TRACES: Final = ("vectors", "cache", replacing.RECORD_FOLDER, f"{replacing.REPLACED}*")
#: The first bytes of a rollback journal (https://sqlite.org/fileformat2.html#the_rollback_journal), and the offset of
#: the number of pages that the database had.
_JOURNAL_MAGIC: Final = bytes.fromhex("d9d505f920a163d7")
_PAGES_BEFORE: Final = slice(16, 20)


def refuse_lost(path: Path, *, no_tables: bool = False) -> None:
    """Raise if the database is missing or empty, and other files show that there was one.

    Stored data is never taken for missing: nothing is created, imported or removed in its place.
    ``no_tables``: the file exists and has no tables.
    """
    database = path / sqlite.FILE_NAME
    _refuse_odd(database)
    size = database.stat().st_size if database.exists() else None
    if size and not no_tables:
        return
    found = [entry for name in _TRACES for entry in path.glob(name) if _holds_something(entry)]
    found += [] if size else _journals(database)
    names = [f"{entry.name}/" if entry.is_dir() else entry.name for entry in found]
    names = [name for name in names if name != f"{replacing.RECORD_FOLDER}/"] or names
    if size == 0 and not names and any(_holds_something(path / name) for name in CHROMAS_FILES):
        names = [database.name]  # an import replaces it by a complete one
    if names:
        raise _DamagedError(
            f"{database} is missing or empty: the database was lost, {_what_is_left(path, names)} (nothing was changed)"
        )


def _refuse_odd(database: Path) -> None:
    """Raise if SQLite would open something other than a file: opening a pipe would wait without end."""
    for name in ("", "-journal", "-wal", "-shm"):
        file = database.with_name(database.name + name)
        try:
            mode = file.stat().st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(mode):
            raise _DamagedError(
                f"Expected {file} to be a file, got something else (a folder, a pipe, a device). Nothing was "
                "changed: move it away, or restore the directory from a backup."
            )


def _journals(database: Path) -> list[Path]:
    """The journals that show that a database, which is missing or empty, held data.

    There is a rollback journal beside an empty database, and after a loss of power beside none, if the very first
    transaction was not finished: then it says that there were no pages before, or it was not written itself.
    """
    log = database.with_name(f"{database.name}-wal")
    rollback = database.with_name(f"{database.name}-journal")
    found = [log] if _holds_something(log) else []
    with contextlib.suppress(OSError), rollback.open("rb") as file:
        header = file.read(_PAGES_BEFORE.stop)
        if header.startswith(_JOURNAL_MAGIC) and any(header[_PAGES_BEFORE]):
            found.append(rollback)
    return found


def _holds_something(entry: Path) -> bool:
    """Whether there is a file or folder that is not empty."""
    try:
        return any(entry.iterdir()) if entry.is_dir() else entry.stat().st_size > 0
    except OSError:
        return False


def _what_is_left(path: Path, names: list[str]) -> str:
    """The message: what is left of a database that was lost, and what to do."""
    source, what = _imported_from(path), " and ".join(names)
    left = f"while {what} next to it {'holds' if len(names) == 1 else 'hold'} data that chroma_nb wrote"
    if source is None:
        return f"{left}; restore it from a backup, or delete {what} to start with an empty database"
    return (
        f"{left} since it imported Chroma's files; restore it from a backup. Or import Chroma's files "
        "again into another directory, without what was written since: "
        f"chroma_nb.import_chroma({source!r}, {_free_name(path)!r})"
    )


def _imported_from(path: Path) -> str | None:
    """The directory from which ``path`` was imported, if Chroma's files are still there."""
    source = path
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        report: Json = orjson.loads((path / replacing.RECORD_FOLDER / "report.json").read_bytes())
        source = Path(report["source"])
    places = [place for place in (path, source) if any((place / name).exists() for name in CHROMAS_FILES)]
    return str(places[0]) if places else None


def _free_name(path: Path) -> str:
    """A name beside ``path`` that is not taken."""
    name, number = f"{path.absolute()}-imported", 1
    while os.path.lexists(name):
        number += 1
        name = f"{path.absolute()}-imported-{number}"
    return name


def bytes_below(directory: Path | None) -> int:
    """The size of a database's files; files that come and go meanwhile are counted or not."""
    total = 0
    for folder, _, names in os.walk(directory) if directory is not None else ():
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total

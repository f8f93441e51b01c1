"""The directory that holds a database: made, examined, and told apart from others."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from chroma_nb.engine import refusals, sqlite
from chroma_nb.engine.vectors import sync_directory
from chroma_nb.errors import InternalError, _DamagedError


def make(path: Path) -> None:
    """Make the directory, for its owner only, with its parents. InternalError when it cannot be."""
    if path.exists() and not path.is_dir():
        raise InternalError(f"expected a directory to keep the database in, got the file {path}")
    new = [one for one in (path, *path.parents) if not one.exists()]
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise refusals.explained(error, path, cannot="make the directory") from error
    if not (path / sqlite.FILE_NAME).exists():  # also when somebody made the directory and died before this
        for one in {path, *new}:
            with contextlib.suppress(OSError):  # a parent that we may not read: the file system's care has to do
                sync_directory(one.parent)


def make_database_private(path: Path) -> None:
    """Make the empty database file, readable by its owner only; SQLite gives its journal the same mode.

    Only where there is none yet: whoever opens and closes a database beside SQLite drops its locks.
    """
    with contextlib.suppress(OSError):  # there already, or not writable: opening it says what is wrong
        os.close(os.open(path / sqlite.FILE_NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def is_writable(directory: Path) -> bool:
    """Whether this process may write the directory and the database in it."""
    path = directory / sqlite.FILE_NAME
    return os.access(directory, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


def identity(path: Path) -> tuple[int, int]:
    """Device and inode: the same for every spelling of a path, another for a directory made anew."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def refuse_gutted(path: Path) -> None:
    """An empty database beside vectors is a lost database, not a new one."""
    database, vectors = path / sqlite.FILE_NAME, path / "vectors"
    has_vectors = vectors.is_dir() and any(entry.suffix == ".f32" for entry in vectors.iterdir())
    if has_vectors and (not database.exists() or not database.stat().st_size):
        raise _DamagedError(
            f"{database} is missing or empty, but {vectors} holds vectors: the database was lost; "
            "restore it from a backup, or remove vectors/ to begin anew (nothing was touched)"
        )


def bytes_below(directory: Path | None) -> int:
    """What the files of a database take; files that come and go meanwhile are counted or not."""
    total = 0
    for folder, _, names in os.walk(directory) if directory is not None else ():
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total

"""Explain in one sentence what SQLite or the system refused.

Refusals are recognised by SQLite's result codes and by ``errno``, not by the text of a message: "disk I/O error" is
a used up quota and a limit on the size of files as well as a failing device. Only what SQLite calls corrupt, or no
database, is damage.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chroma_nb.errors import ChromaError, InternalError, _DamagedError, _NoRoomError, _ReadOnlyError


@dataclass(frozen=True)
class Refusal:
    """The reason, the advice, and the class of the error. ``cannot``: what could not be done to the file."""

    reason: str
    remedy: str
    error: type[InternalError] = InternalError
    cannot: str = "write"

    def told(self, path: Path | str | None, detail: str, cannot: str = "") -> InternalError:
        """The error: which file, why, the state after the call, what to do."""
        where = "the in-memory database" if path is None else path
        return self.error(
            f"cannot {cannot or self.cannot} {where}: {self.reason} ({detail}). Nothing was written, and "
            f"reading still works. To write again, {self.remedy}"
        )


_ROOM: Final = "free some disk space (delete, delete_collection, reset and vacuum work on a full disk, too)"
_FULL: Final = Refusal("no space left on the disk", _ROOM, _NoRoomError)
_QUOTA: Final = Refusal("the disk quota is used up", _ROOM, _NoRoomError)
_FILE_LIMIT: Final = Refusal("a limit on the size of files is reached", "raise it (ulimit -f)", _NoRoomError)
_REFUSED: Final = Refusal(  # SQLite does not say which
    "the disk quota is used up, or a limit on the size of files is reached (ulimit -f), or the device fails",
    _ROOM,
    _NoRoomError,
)
_DEVICE: Final = Refusal(
    "the device reports an input/output error",
    "check the disk, and copy the directory while it can be read",
    cannot="read or write",
)
_READ_ONLY: Final = Refusal(
    "it is read-only here", "check the permissions of the directory, or write to a copy of it", _ReadOnlyError
)
_DENIED: Final = Refusal(
    "permission is denied", "check the permissions of the directory, or write to a copy of it", _ReadOnlyError
)
_HANDLES: Final = Refusal(
    "too many files are open",
    "close clients and files that you do not need, or raise the limit (ulimit -n)",
    cannot="open",
)
_MEMORY: Final = Refusal("not enough memory", "free some", cannot="read or write")
_UNOPENED: Final = Refusal(
    "it could not be opened", "check the permissions of the directory, or write to a copy of it", _ReadOnlyError, "open"
)

#: The system's error number -> what it means.
_BY_ERRNO: Final = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _QUOTA,
    errno.EFBIG: _FILE_LIMIT,
    errno.EIO: _DEVICE,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EMFILE: _HANDLES,
    errno.ENFILE: _HANDLES,
    errno.ENOMEM: _MEMORY,
}

#: SQLite's code, extended or primary -> what it means. An extended code goes before its primary one.
_BY_CODE: Final = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR_WRITE: _REFUSED,
    sqlite3.SQLITE_IOERR_SHMSIZE: _REFUSED,
    sqlite3.SQLITE_IOERR_TRUNCATE: _REFUSED,
    sqlite3.SQLITE_IOERR_FSYNC: _REFUSED,  # if space is allocated at the last moment, as over a network
    sqlite3.SQLITE_IOERR_NOMEM: _MEMORY,
    sqlite3.SQLITE_IOERR_SHMMAP: _MEMORY,
    sqlite3.SQLITE_IOERR: _DEVICE,
    sqlite3.SQLITE_NOMEM: _MEMORY,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _DENIED,
}
_DAMAGE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PRIMARY: Final = 0xFF


def primary_code(error: sqlite3.Error) -> int | None:
    """SQLite's result code without its extension; None for an error of Python's own module."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & _PRIMARY


def explained(error: sqlite3.Error | OSError, path: Path | None, *, cannot: str = "") -> ChromaError:
    """The same error with an explanation. ``path``: the file, if the error does not name one."""
    if isinstance(error, OSError):
        return _explained_by_errno(error, path, cannot)
    where = "the in-memory database" if path is None else path
    primary = primary_code(error)
    if primary in _DAMAGE:
        return _DamagedError(
            f"{where} is damaged or not a database ({error}). Restore it from a backup, or recover what can be "
            "read with: sqlite3 FILE .recover"
        )
    refusal = _BY_CODE.get(getattr(error, "sqlite_errorcode", -1)) or _BY_CODE.get(primary or -1)
    if primary == sqlite3.SQLITE_CANTOPEN:
        refusal = _why_unopened(path)
    if refusal is _REFUSED and path is not None:
        refusal = _why_refused(path)
    if refusal is None:
        return InternalError(f"SQLite failed on {where}: {error}")
    return refusal.told(path, str(error))


def _explained_by_errno(error: OSError, path: Path | None, cannot: str) -> ChromaError:
    where = error.filename if isinstance(error.filename, str) else path
    detail = error.strerror or str(error) or type(error).__name__
    refusal = _BY_ERRNO.get(error.errno or 0)
    if refusal is None:
        return InternalError(
            f"cannot {cannot or 'use'} {where}: {detail}. Nothing was written, and reading still works"
        )
    return refusal.told(where, detail, cannot)


def is_beyond_limit(size: int) -> bool:
    """Whether this process may not write a file so large (``ulimit -f``)."""
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return limit != resource.RLIM_INFINITY and size > limit


def _why_refused(path: Path) -> Refusal:
    """SQLite could not write and gives no reason: the reason, as far as it can be found from outside."""
    for file in (path, path.with_name(f"{path.name}-wal")):
        with contextlib.suppress(OSError):
            if is_beyond_limit(file.stat().st_size + _ALMOST):
                return _FILE_LIMIT
    with contextlib.suppress(OSError):
        if not os.statvfs(path.parent).f_bavail:
            return _FULL
    return _REFUSED


#: A file this near to the limit cannot grow: SQLite extends its index by this much.
_ALMOST: Final = 1 << 15


def _why_unopened(path: Path | None) -> Refusal:
    """SQLite could not open the database, its journal or its index and gives no reason: find it."""
    if path is None:
        return _UNOPENED
    try:
        os.close(os.open(path.parent, os.O_RDONLY))
        if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
            return _READ_ONLY
        status = os.statvfs(path.parent)
    except OSError as error:
        return _BY_ERRNO.get(error.errno or 0, _UNOPENED)
    return _UNOPENED if status.f_bavail and (status.f_favail or not status.f_files) else _FULL

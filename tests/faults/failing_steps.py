"""Every statement and every system call of a write, counted, and the N-th one made to fail.

SQLite tests itself in this way: the first operation fails, then the second, until a run passes.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

#: System calls of ``os`` that a write makes.
CALLS = ("pwrite", "fdatasync", "fsync", "rename", "unlink", "open", "mkdir", "posix_fallocate", "copy_file_range")
#: Kind of failure -> what SQLite and the system say.
ERRORS = {
    "error": (sqlite3.SQLITE_IOERR_READ, errno.EIO),
    "full": (sqlite3.SQLITE_FULL, errno.ENOSPC),
    "quota": (sqlite3.SQLITE_IOERR_WRITE, errno.EDQUOT),
}


class Steps:
    """What was done, and at which step it stops.

    ``kind``: one of ERRORS, interrupt, or late interrupt (after the step).
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.fail_at = 0
        self.kind = "error"
        self._armed = False

    @contextmanager
    def armed(self, fail_at: int = 0, kind: str = "error") -> Iterator[Steps]:
        """Count within the block, and fail at step ``fail_at`` (0: at none)."""
        self.names, self.fail_at, self.kind, self._armed = [], fail_at, kind, True
        try:
            yield self
        finally:
            self._armed = False

    @property
    def failed(self) -> bool:
        """Whether the step that should fail was reached."""
        return 0 < self.fail_at <= len(self.names)

    def take(self, name: str, action: Callable[[], Any]) -> Any:
        """One step: a statement, or a call whose name begins with "os."."""
        if not self._armed:
            return action()
        self.names.append(name)
        if len(self.names) != self.fail_at:
            return action()
        if self.kind in ERRORS and name == "ROLLBACK":  # SQLite never refuses it
            return action()
        if self.kind in ERRORS:
            raise self._error(name)
        if self.kind == "interrupt":
            raise KeyboardInterrupt
        action()
        raise KeyboardInterrupt

    def _error(self, name: str) -> Exception:
        code, number = ERRORS[self.kind]
        if name.startswith("os."):
            return OSError(number, os.strerror(number))
        error = sqlite3.OperationalError("what SQLite says in words")
        error.sqlite_errorcode = code
        return error


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    """The steps of every engine that is opened from now on."""
    steps = Steps()

    connect = sqlite3.connect

    def stepping(*args: Any, factory: type[sqlite3.Connection] = sqlite3.Connection, **more: Any) -> Any:
        class Connection(factory):  # type: ignore[misc, valid-type]
            def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
                return steps.take(sql, lambda: super(Connection, self).execute(sql, *parameters))

            def executemany(self, sql: str, rows: Any) -> sqlite3.Cursor:
                return steps.take(sql, lambda: super(Connection, self).executemany(sql, rows))

        return connect(*args, factory=Connection, **more)

    monkeypatch.setattr(sqlite3, "connect", stepping)
    for name in CALLS:
        real = getattr(os, name)

        def call(*args: Any, name: str = name, real: Any = real, **more: Any) -> Any:
            return steps.take(f"os.{name}", lambda: real(*args, **more))

        monkeypatch.setattr(os, name, call)
    return steps

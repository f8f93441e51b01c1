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
CALLS = ("pwrite", "fdatasync", "fsync", "rename", "unlink")


class Steps:
    """What was done, and at which step it stops. ``kind``: error, interrupt, or late interrupt (after the step)."""

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

    def take(self, name: str, error: Exception, action: Callable[[], Any]) -> Any:
        """One step."""
        if not self._armed:
            return action()
        self.names.append(name)
        if len(self.names) != self.fail_at:
            return action()
        if self.kind == "error" and name == "ROLLBACK":  # SQLite never refuses it
            return action()
        if self.kind == "error":
            raise error
        if self.kind == "interrupt":
            raise KeyboardInterrupt
        action()
        raise KeyboardInterrupt


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    """The steps of every engine that is opened from now on."""
    steps = Steps()

    connect = sqlite3.connect

    def stepping(*args: Any, factory: type[sqlite3.Connection] = sqlite3.Connection, **more: Any) -> Any:
        class Connection(factory):  # type: ignore[misc, valid-type]
            def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
                error = sqlite3.OperationalError("disk I/O error")
                return steps.take(sql, error, lambda: super(Connection, self).execute(sql, *parameters))

            def executemany(self, sql: str, rows: Any) -> sqlite3.Cursor:
                error = sqlite3.OperationalError("disk I/O error")
                return steps.take(sql, error, lambda: super(Connection, self).executemany(sql, rows))

        return connect(*args, factory=Connection, **more)

    monkeypatch.setattr(sqlite3, "connect", stepping)
    for name in CALLS:
        real = getattr(os, name)

        def call(*args: Any, name: str = name, real: Any = real, **more: Any) -> Any:
            error = OSError(errno.EIO, os.strerror(errno.EIO))
            return steps.take(f"os.{name}", error, lambda: real(*args, **more))

        monkeypatch.setattr(os, name, call)
    return steps

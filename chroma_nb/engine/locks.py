"""Locks inside a process, and what must happen when it forks.

Between processes SQLite's own lock is the only one that writers need; opening a directory for the
first time is serialised by a lock on the directory itself.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ReadersWriterLock:
    """Many readers or one writer; a waiting writer goes before new readers.

    Not re-entrant, and readers must not become writers.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition(threading.Lock())
        self._readers = 0
        self._writing = False
        self._waiting_writers = 0

    def acquire_reading(self) -> None:
        """Wait for writers, then read beside other readers until ``release_reading``."""
        with self._condition:
            while self._writing or self._waiting_writers:
                self._condition.wait()
            self._readers += 1

    def release_reading(self) -> None:
        """The other end of ``acquire_reading``."""
        with self._condition:
            self._readers -= 1
            if not self._readers:
                self._condition.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self._condition:
            self._waiting_writers += 1
            try:
                while self._writing or self._readers:
                    self._condition.wait()
                self._writing = True
            finally:
                self._waiting_writers -= 1
        try:
            yield
        finally:
            with self._condition:
                self._writing = False
                self._condition.notify_all()


@contextmanager
def first_open(directory: Path) -> Iterator[None]:
    """Holds the directory's own lock, so that several processes may create one database at once."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:  # a file system without flock: SQLite's own lock has to do
            pass
        yield
    finally:
        os.close(descriptor)


#: File systems on which memory maps and shared memory between machines cannot be trusted.
NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "fuse", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "sshfs")


def is_network_mount(path: Path, mounts: str | None = None) -> bool:
    """Whether ``path`` lies on a network file system, by the mount table (``mounts``: its text, for tests)."""
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text("utf-8", "replace")
        except OSError:
            return False
    best, kind = "", ""
    target = str(path.resolve())
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        mount = fields[1].replace("\\040", " ")
        inside = target == mount or target.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, fields[2]
    return kind.startswith(NETWORK_FILE_SYSTEMS)

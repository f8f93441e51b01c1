"""Locks inside a process, and what must happen when it forks.

Between processes SQLite's own lock is the only one that writers need. Opening a directory for the
first time is serialised by a lock on the directory itself, and a lock on an unfinished file says that
whoever writes it is alive.
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

    Not re-entrant, and readers must not become writers. Who holds it is noted by thread: a mark that an
    interrupt left behind is taken away by the same thread's next use, and releasing twice does no harm.
    """

    def __init__(self) -> None:
        # Entered and left by itself: a condition's own __exit__ is Python, where an interrupt may strike
        # before the lock is released.
        self._mutex = threading.Lock()
        self._condition = threading.Condition(self._mutex)
        self._readers: set[int] = set()
        self._waiting: set[int] = set()
        self._writer = 0

    def acquire_reading(self) -> None:
        """Wait for writers, then read beside other readers until ``release_reading``."""
        me = threading.get_ident()
        with self._mutex:
            self._forget(me)
            while self._writer or self._waiting:
                self._condition.wait()
            self._readers.add(me)

    def release_reading(self) -> None:
        """The other end of ``acquire_reading``."""
        with self._mutex:
            self._readers.discard(threading.get_ident())
            if self._waiting and not self._readers:
                self._condition.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Alone: no reader and no other writer until the block ends."""
        me = threading.get_ident()
        try:
            with self._mutex:
                self._forget(me)
                self._waiting.add(me)
                while self._writer or self._readers:
                    self._condition.wait()
                self._writer = me
                self._waiting.discard(me)
            yield
        finally:
            with self._mutex:
                self._forget(me)
                self._condition.notify_all()

    def _forget(self, thread: int) -> None:
        self._readers.discard(thread)
        self._waiting.discard(thread)
        if self._writer == thread:
            self._writer = 0


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


def claim(descriptor: int) -> bool:
    """Lock a file for as long as it stays open; False when another has."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without flock
        pass
    return True


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

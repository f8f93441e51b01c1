"""Locks between processes, on directories and files.

SQLite's own lock is the only one that writers need. Opening a directory for the first time is serialised by a lock
on the directory itself, and a lock on an unfinished file says that its writer is alive.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from chroma_nb._reentry import is_running
from chroma_nb.errors import InternalError

T = TypeVar("T")

#: How often a lock is requested if the system has none left, and after how many seconds.
_TRIES: Final = 3
_BETWEEN_TRIES_SECONDS: Final = 0.05
#: Device, inode and thread of the directories that are being opened. A hint: an interrupt may leave an entry behind.
_BEING_OPENED: set[tuple[int, int, int]] = set()


def first_open(directory: Path, work: Callable[[], T]) -> T:
    """Do ``work`` with the directory's own lock, so that several processes may create one database at once.

    Raises InternalError when this thread is opening the directory already (a signal handler or a finalizer that
    creates a client): it would wait for itself.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        status = os.fstat(descriptor)
        mine = (status.st_dev, status.st_ino, threading.get_ident())
        if mine in _BEING_OPENED and is_running(first_open.__code__):
            raise InternalError(
                f"{directory} is being opened or imported by this thread, and a signal handler, a finalizer or a "
                "trace function opens it again in the middle of that. Nothing was changed: open it before or "
                "after."
            )
        _BEING_OPENED.add(mine)
        _lock(descriptor, fcntl.LOCK_EX)
        try:
            return work()
        finally:
            _BEING_OPENED.discard(mine)
    finally:
        os.close(descriptor)


def claim(descriptor: int) -> bool:
    """Lock a file for as long as it stays open; False if it is locked already."""
    try:
        _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock(descriptor: int, operation: int) -> None:
    """``flock``, repeated when the system has no lock left. A file system without it relies on SQLite's own lock."""
    for _ in range(_TRIES):
        try:
            return fcntl.flock(descriptor, operation)
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno != errno.ENOLCK:
                return None
        time.sleep(_BETWEEN_TRIES_SECONDS)


def create_claimed(name: Callable[[], Path]) -> tuple[Path, int]:
    """Create a file and claim it; returns its path and its descriptor.

    A process that removes unclaimed files may do so between the two steps. Then another file is created, under
    another name from ``name``, since the first is about to be removed.
    """
    while True:
        path = name()
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            if claim(descriptor) and os.fstat(descriptor).st_nlink:
                return path, descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


#: File systems on which memory maps and shared memory between machines cannot be trusted.
NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "fuse", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "sshfs")


def is_network_mount(path: Path, mounts: str | None = None) -> bool:
    """Whether ``path`` is on a network file system, by the mount table (``mounts``: its text, for tests)."""
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

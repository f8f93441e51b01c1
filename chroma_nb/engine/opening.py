"""The registry of the directories that are open in this process, and of their users. It survives a fork.

This module also handles calls in the middle of another call of the same thread.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from chroma_nb import _locks
from chroma_nb._reentry import is_running
from chroma_nb.engine import threads
from chroma_nb.engine.engine import EVERY, Engine
from chroma_nb.engine.locks import first_open
from chroma_nb.engine.nested import NestedEngine
from chroma_nb.engine.storage import directory, refusals, sqlite
from chroma_nb.engine.storage.room import give_up_reserve
from chroma_nb.engine.storage.sqlite import Durability
from chroma_nb.engine.transactions.cache import Cache
from chroma_nb.errors import InternalError, _NoRoomError

T = TypeVar("T")
Q = TypeVar("Q")

#: The directories that are open in this process, by device and inode. Each engine keeps its users.
OPEN: dict[tuple[int, int], SharedEngine] = {}
#: Held while directories are opened and closed. A forked child replaces it: read it from this module.
LOCK = _locks.RLock()
#: Connections that a forked child inherited: kept for ever, never used or closed.
_INHERITED: list[Any] = []


class SharedEngine(Engine):
    """An engine that the clients of one process share. ``open`` and ``share`` add a reference, ``close`` drops one.

    A reference belongs to a holder, which can count its references and drop them all.

    >>> engine = SharedEngine.open(None)
    >>> engine.serve(lambda engine, tenant: engine.get_tenant(tenant), "default_tenant")
    {'name': 'default_tenant'}
    >>> engine.close()
    """

    def __init__(self, path: Path | None, *, durability: Durability = "power") -> None:
        """Clients use ``open`` instead."""
        #: The holder of each reference. A list: a signal handler finds it before or after each of its methods.
        self._references: list[object] = [None]
        #: Threads that are in ``serve``. A hint: an interrupt may leave an entry behind.
        self._serving: set[int] = set()
        #: The thread that closes this engine at the end of its call.
        self._closed_by: int | None = None
        super().__init__(path, durability=durability)

    @classmethod
    def open(cls, path: Path | None, *, durability: Durability = "power") -> SharedEngine:
        """The engine of a directory (created if it does not exist), or a new one in memory.

        If the directory is open in this process already, the engine is the same; each ``open`` adds a reference for
        the holder None. Raises InternalError when the directory is not one of chroma_nb, or is damaged.
        """
        if path is None:
            return cls(None, durability=durability)
        try:
            return cls._shared(path.absolute(), durability)  # a later chdir must not move the database
        except OSError as error:
            raise refusals.explained(error, path, cannot="open") from error

    @classmethod
    def _shared(cls, path: Path, durability: Durability) -> SharedEngine:
        with LOCK:
            directory.make(path)
            key = directory.identity(path)

            def open_or_make() -> SharedEngine:
                # Checked again where no call in the middle of this one can open the directory any more.
                engine = cls._already_open(key)
                if engine is None:
                    engine = OPEN[key] = cls._made(path, durability)
                return engine

            return cls._already_open(key) or first_open(path, open_or_make)

    @classmethod
    def _already_open(cls, key: tuple[int, int]) -> SharedEngine | None:
        shared = OPEN.get(key)
        if shared is not None:
            shared.share(None)  # first of all: a close() in the middle of this sees it
            if not shared.transactions.closed and shared.transactions.is_there():
                return shared
            shared.close()
        return None

    @classmethod
    def _made(cls, path: Path, durability: Durability) -> SharedEngine:
        directory.refuse_lost(path)
        directory.make_database_private(path)
        # What is removed on a full disk, in order: the reserve, then all files that can be built again.
        steps: Iterator[Callable[[], bool]] = iter((partial(give_up_reserve, path), Cache(path / "cache").clear))
        while True:
            try:
                return cls(path, durability=durability)
            except _NoRoomError:
                if not any(makes_room() for makes_room in steps):
                    raise

    @staticmethod
    def is_open(path: Path) -> bool:
        """Whether the database in this directory is open in this process."""
        shared = OPEN.get(directory.identity(path))
        return shared is not None and shared.transactions.is_there()

    @classmethod
    def alone(cls, path: Path, work: Callable[[], T]) -> T:
        """Call ``work`` on an existing directory while no process opens it; InternalError if it is open here."""

        def work_alone() -> T:
            if cls.is_open(path):
                raise InternalError(f"{path} is in use in this process. Close its clients and try again.")
            return work()

        with LOCK:
            return first_open(path, work_alone)

    def share(self, holder: object) -> None:
        """Add a reference."""
        self._references.append(holder)

    def references(self, holder: object) -> int:
        """How many references ``holder`` has."""
        return self._references.count(holder)

    def release(self, holder: object) -> None:
        """Drop every reference of ``holder``."""
        while self.references(holder):
            self.close(holder)

    def close(self, holder: object = None) -> None:
        """Drop a reference of ``holder``; the last one of all closes the files and ends the background thread.

        In the middle of a call of this thread, this happens when that call is over.
        """
        with LOCK:
            with contextlib.suppress(ValueError):  # dropped already
                self._references.remove(holder)
            if self._references or self.transactions.closed:
                return
            keys = [key for key, engine in OPEN.items() if engine is self]
            for key in keys:
                del OPEN[key]
            if self._references:  # opened again, by a signal handler, between these lines
                OPEN.update(dict.fromkeys(keys, self))
                return
        me = threading.get_ident()
        if threads.THIS.ours and self._serving:  # a finalizer that runs in one of our threads
            self._closed_by = next(iter(self._serving))
        elif me in self._serving and is_running(SharedEngine.serve.__code__):
            self._closed_by = me
        else:
            super().close()

    # --- calls, and calls in the middle of a call ------------------------------------------------------------

    def serve(self, work: Callable[[Engine, Q], T], request: Q) -> T:
        """``work(engine, request)``: a call of a client, which may come in the middle of another one.

        A call in the middle runs as if it came from another process (see ``NestedEngine``), so that the outer
        call is not disturbed. A call that would have to wait for it (a write in the middle of a write; with a
        database in memory, any write) raises InternalError before anything is changed.
        """
        me = threading.get_ident()
        if threads.THIS.ours or (me in self._serving and is_running(SharedEngine.serve.__code__)):
            return self._serve_apart(work, request)
        self._serving.add(me)
        try:
            return work(self, request)
        finally:
            self._serving.discard(me)
            if self._closed_by == me:
                self._closed_by = None
                super().close()

    def _serve_apart(self, work: Callable[[Engine, Q], T], request: Q) -> T:
        self.transactions.check_open()
        connections = self.transactions.connections
        if self.directory is None and threads.THIS.ours:
            # The thread that holds the connection may be waiting for this one. (Our own threads are never interrupted.)
            if not connections.writing.acquire(blocking=False):
                raise InternalError(sqlite.IN_THE_MIDDLE)
            try:
                return self._serve_nested(work, request)
            finally:
                connections.writing.release()
        with connections.one_at_a_time:  # no thread changes a database in memory meanwhile
            return self._serve_nested(work, request)

    def _serve_nested(self, work: Callable[[Engine, Q], T], request: Q) -> T:
        nested = NestedEngine(self)
        try:
            return work(nested, request)
        finally:
            nested.close()


# --- Forks ----------------------------------------------------------------------------------------------------
#: The engines that wait for the end of a fork; one fork at a time.
_PAUSED: list[Engine] = []
_FORKING = _locks.Lock()


def _before_fork() -> None:
    # No thread may be using SQLite right now: the child inherits its locks as they are.
    _FORKING.acquire()
    for engine in list(EVERY):
        engine.transactions.connections.pause()
        _PAUSED.append(engine)


def _in_parent() -> None:
    while _PAUSED:
        _PAUSED.pop().transactions.connections.resume()
    _FORKING.release()


def _in_forked_child() -> None:
    global LOCK, _FORKING
    LOCK, _FORKING = _locks.RLock(), _locks.Lock()
    _PAUSED.clear()
    for engine in list(EVERY):
        _INHERITED.extend(engine.after_fork())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_forked_child)

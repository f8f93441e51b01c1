"""The engine in this process as a backend, shared by the clients that gave the same path.

The request's row in ``endpoints.py`` says what the engine does. This module decides nothing about data, and only the
engine opens files.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Final, cast

from chroma_nb.backends.endpoints import ENDPOINTS
from chroma_nb.config import Settings, differences, secret_names
from chroma_nb.engine import opening
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.storage import directory, replacing
from chroma_nb.engine.storage.sqlite import FILE_NAME
from chroma_nb.errors import _ClosedError, _MissingError, _ResetRefusedError
from chroma_nb.operations.requests import R, Request, Reset
from chroma_nb.types import Json


class EmbeddedBackend:
    """Runs requests in an engine of this process, shared by the clients of one place.

    ``open_embedded`` makes them. The engine counts: one reference for the backend, which takes over that of whoever
    opened it, and one for each client, taken by ``share`` and returned by ``close``.
    """

    edits_at_once = True

    def __init__(self, identifier: str, settings: Settings, engine: SharedEngine | None) -> None:
        self.identifier = identifier
        self.settings = settings
        self._engine = engine
        self._directory = None if engine is None else engine.directory
        self._holder = object()
        if engine is not None:
            engine.share(self._holder)
            engine.close()
            # Holds the engine, not self: a backend that no client and no cache knows any more releases its engine.
            weakref.finalize(self, engine.release, self._holder)

    @property
    def references(self) -> int:
        """How many clients have it."""
        return 0 if self._engine is None else self._engine.references(self._holder) - 1

    @property
    def engine(self) -> SharedEngine:
        """The engine; an AttributeError after the last client was closed, as in Chroma."""
        if self._engine is None:
            raise self._closed()
        return self._engine

    def _closed(self) -> _ClosedError:
        return _ClosedError(f"This client of {self.identifier} is closed. {_new_client(self)}.")

    def handle(self, request: Request[R]) -> R:
        """The result of ``request``. NotImplementedError for what Chroma has in its cloud only."""
        engine = self._engine
        if engine is None:
            raise self._closed()
        if isinstance(request, Reset) and not self.settings.allow_reset:
            raise _ResetRefusedError("Reset is disabled by config")
        return cast(R, engine.serve(ENDPOINTS[type(request)].handler, request))

    def share(self) -> None:
        """Take a reference for one client more."""
        engine = self._engine
        if engine is not None:
            engine.share(self._holder)
            if self._engine is None:  # stopped between these lines, by a signal handler
                engine.release(self._holder)

    def close(self) -> None:
        """Drop one client's reference; with the last one it stops."""
        with opening.LOCK:
            engine = self._engine
            if engine is None:
                return
            engine.close(self._holder)
            if self.references > 0:
                return
            self._leave()
            if engine.references(self._holder) > 1:  # shared again, by a signal handler, between these lines
                self._engine = engine
                SYSTEMS.add(self.identifier, self)
                return
        engine.release(self._holder)

    def stop(self) -> None:
        """Release the engine, whoever else uses this backend. What was ephemeral is gone."""
        engine = self._engine
        with opening.LOCK:
            self._leave()
        if engine is not None:
            engine.release(self._holder)

    def _leave(self) -> None:
        if SYSTEMS.get(self.identifier) is self:
            del SYSTEMS[self.identifier]
        self._engine = None

    # --- Copies: in this process the place is shared, in another it is opened again. ---

    def __copy__(self) -> EmbeddedBackend:
        return self

    def __deepcopy__(self, memo: object) -> EmbeddedBackend:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        if not self.settings.is_persistent:
            raise TypeError(
                "Cannot pickle a client or a collection of an in-memory database, as another process cannot reach "
                "it. Use PersistentClient(path), or chroma_nb.serve(client) and HttpClient in the other process. "
                "(copy and deepcopy work; they share the database.)"
            )
        secrets = secret_names(self.settings)  # which an engine in this process has no use for
        kept = {name: value for name, value in self.settings.model_dump().items() if name not in secrets}
        # The directory that was meant when it was opened, whatever the working directory is now, or there.
        kept["persist_directory"] = str(self._directory or Path(self.settings.persist_directory).absolute())
        return _opened_again, (kept, self._engine is None)


def _opened_again(kept: Json, closed: bool) -> EmbeddedBackend:
    """The backend of a pickled client or collection: of its own, so that it agrees with any other of that place."""
    settings = Settings().copy(update=kept)
    path = Path(settings.persist_directory)
    if closed:
        return EmbeddedBackend(str(path), settings, None)
    if not (path / FILE_NAME).exists():  # to open it would make an empty one
        raise _MissingError(
            f"The pickled client or collection needs the database in {path}, which does not exist. Check "
            "whether this is another machine, or whether the directory was moved or deleted."
        )
    return EmbeddedBackend(str(path), settings, _engine_of(path, settings))


class Systems(MutableMapping[str, EmbeddedBackend]):
    """Chroma's cache of systems: identifier ("ephemeral", or the path as given) -> the backend its clients share.

    A store in memory is kept for as long as it stands here. The backend of a directory is kept by whoever uses it
    (clients, their collections, a server), and here while it is one of the last that were opened: a program that makes
    a client for each call finds the last one's collections in memory, and clients that are dropped without ``close()``
    release what they had open.
    """

    def __init__(self) -> None:
        self._kept: dict[str, EmbeddedBackend] = {}
        self._known: weakref.WeakValueDictionary[str, EmbeddedBackend] = weakref.WeakValueDictionary()

    def __getitem__(self, identifier: str) -> EmbeddedBackend:
        return self._known[identifier]

    def __setitem__(self, identifier: str, backend: EmbeddedBackend) -> None:
        self._known[identifier] = backend
        self._kept.pop(identifier, None)
        self._kept[identifier] = backend  # as the last one

    def __delitem__(self, identifier: str) -> None:
        self._kept.pop(identifier, None)
        del self._known[identifier]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._known))

    def __len__(self) -> int:
        return len(self._known)

    def add(self, identifier: str, backend: EmbeddedBackend) -> EmbeddedBackend:
        """This backend, unless there is one of that name: then that one. Nothing comes between."""
        known = self._known.get(identifier)
        if known is None:
            known = self._known[identifier] = self._kept.setdefault(identifier, backend)
        return known

    def keep_recent(self) -> None:
        """Keep no more directories for their own sake than the last few: the others close when nobody uses them."""
        directories = [name for name, backend in list(self._kept.items()) if backend.settings.is_persistent]
        for name in directories[:-_RECENT]:
            self._kept.pop(name, None)


#: Directories that stay open although no client has them any more.
_RECENT: Final = 2
#: The places that clients share, with the settings they must agree on; programs may remove entries. Which directories
#: are open, and for whom, is not said here but in the engine's registry (``opening.py``).
SYSTEMS: Final = Systems()


def _new_client(backend: EmbeddedBackend) -> str:
    """What to do where a client is closed."""
    if backend.settings.is_persistent:
        return f"Create a new one: PersistentClient({backend.identifier!r})"
    if backend.identifier == "ephemeral":
        return "Create a new one: EphemeralClient(). It starts empty, as the records were in memory only"
    return "Its records were in memory only"


def open_embedded(settings: Settings) -> EmbeddedBackend:
    """The backend of the place that ``settings`` mean, with one reference more.

    Ephemeral clients share one place, persistent ones share by path as it was given. A path that names another
    directory than it did (deleted and made again, or relative and the working directory changed) is another place.
    ValueError when the place is open with other settings.
    """
    identifier = str(settings.persist_directory) if settings.is_persistent else "ephemeral"
    try:
        return _shared(identifier, settings)
    finally:
        SYSTEMS.keep_recent()  # without the lock: closing a directory waits for its thread


def open_alone(name: str, settings: Settings) -> EmbeddedBackend:
    """The backend of a store in memory that is in no cache: it is released with the last that uses it."""
    return EmbeddedBackend(name, settings, SharedEngine.open(None))


def _shared(identifier: str, settings: Settings) -> EmbeddedBackend:
    with opening.LOCK:
        backend = _persistent(identifier, settings) if settings.is_persistent else _ephemeral(identifier, settings)
        if backend.settings != settings:
            raise ValueError(
                f"An instance of Chroma already exists for {identifier} with different settings: "
                f"{differences(backend.settings, settings)}. Pass the settings it was opened with, or first close the "
                "clients that have it open: client.close(), or client.clear_system_cache() if you have lost them."
            )
        backend.share()
        if backend._engine is None:  # its last client was closed in the middle of this (by a signal handler)
            return _shared(identifier, settings)
        return backend


def _persistent(path: str, settings: Settings) -> EmbeddedBackend:
    engine = _engine_of(Path(path).absolute(), settings)  # a later chdir does not move it
    # Looked for after all that takes time: a client may have been made meanwhile, by this thread, too.
    backend = SYSTEMS.get(path)
    if backend is not None and backend._engine is engine:
        engine.close()  # the reference just taken: the backend has its own
        SYSTEMS[path] = backend  # the last that was opened
    else:
        backend = SYSTEMS[path] = EmbeddedBackend(path, settings, engine)
    return backend


def _ephemeral(identifier: str, settings: Settings) -> EmbeddedBackend:
    backend = SYSTEMS.get(identifier)
    if backend is None:  # a signal handler may have made one since
        backend = SYSTEMS.add(identifier, EmbeddedBackend(identifier, settings, SharedEngine.open(None)))
    return backend


def _engine_of(path: Path, settings: Settings) -> SharedEngine:
    """The engine of a directory, with what Chroma wrote there."""
    _import_what_chroma_wrote(path)
    return SharedEngine.open(path, durability=settings.chroma_nb_durability)


def _import_what_chroma_wrote(path: Path) -> None:
    """Look for Chroma's files where there may be some; the modules that read them are loaded only then."""
    try:
        names = os.listdir(path)
    except OSError:  # not there, or not readable: opening it makes it, or says what is wrong
        return
    if any(name in directory.CHROMAS_FILES or name.startswith(replacing.UNFINISHED) for name in names):
        from chroma_nb.backends.chroma_import import import_on_first_open

        import_on_first_open(path)

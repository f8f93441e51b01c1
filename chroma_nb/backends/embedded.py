"""The engine in this process as a backend, shared by the clients that gave the same path.

``operations`` and ``engine`` meet here and nowhere else: each request class has one row in HANDLERS. No decisions
about data are made here, and no files are opened but by the engine.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, cast
from uuid import UUID

from chroma_nb.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings, differences, secret_names
from chroma_nb.engine import opening
from chroma_nb.engine.engine import Engine
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.storage import directory, replacing
from chroma_nb.engine.storage.sqlite import FILE_NAME
from chroma_nb.errors import AuthorizationError, _ClosedError, _MissingError
from chroma_nb.operations import requests as r
from chroma_nb.operations import validate
from chroma_nb.operations.requests import R, Request
from chroma_nb.results import GetResult, QueryResult
from chroma_nb.types import CollectionModel, Database, Edited, Edits, Matrix, Tenant, UserIdentity
from chroma_nb.where import And, Expression, parse_where, parse_where_document

#: The version of Chroma whose API is spoken.
API_VERSION = "1.5.9"
#: Any batch is taken; programs that split theirs by this number keep it in memory, so it is not infinite.
MAX_BATCH_SIZE = 1_000_000


class EmbeddedBackend:
    """Runs requests in an engine of this process, shared by the clients of one place.

    ``open_embedded`` makes them. The engine counts: one reference for the backend, which takes over that of whoever
    opened it, and one for each client, taken by ``share`` and given back by ``close``.
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
            raise _ClosedError(
                f"The last client of {self.identifier} was closed, so it answers no more; open a new client"
            )
        return self._engine

    def handle(self, request: Request[R]) -> R:
        """The answer to ``request``. NotImplementedError for what Chroma has in its cloud only."""
        engine = self.engine
        if isinstance(request, r.Reset) and not self.settings.allow_reset:
            raise AuthorizationError("Reset is disabled by config")
        return cast(R, engine.serve(HANDLERS[type(request)], request))

    def share(self) -> None:
        """Take a reference for one client more."""
        engine = self._engine
        if engine is not None:
            engine.share(self._holder)
            if self._engine is None:  # stopped between these lines, by a signal handler
                engine.release(self._holder)

    def close(self) -> None:
        """Give one client's reference back; with the last one it stops."""
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
                SYSTEMS.setdefault(self.identifier, self)
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

    def __reduce__(self) -> tuple[Any, ...]:
        if not self.settings.is_persistent:
            raise TypeError(
                "cannot pickle a client or a collection of a store in memory: it is in this process only, and another "
                "one could not reach it; use PersistentClient(path), or serve it (chroma_nb.serve(client)) and use "
                "HttpClient there (copy and deepcopy share the store)"
            )
        secrets = secret_names(self.settings)  # which an engine in this process has no use for
        kept = {name: value for name, value in self.settings.model_dump().items() if name not in secrets}
        # The directory that was meant when it was opened, whatever the working directory is now, or there.
        kept["persist_directory"] = str(self._directory or Path(self.settings.persist_directory).absolute())
        return _opened_again, (kept, self._engine is None)


def _opened_again(kept: dict[str, Any], closed: bool) -> EmbeddedBackend:
    """The backend of a pickled client or collection: of its own, so that it agrees with any other of that place."""
    settings = Settings().copy(update=kept)
    path = Path(settings.persist_directory)
    if closed:
        return EmbeddedBackend(str(path), settings, None)
    if not (path / FILE_NAME).exists():  # to open it would make an empty one
        raise _MissingError(
            f"the pickled client or collection needs the database in {path}, and there is none; is it another machine, "
            "or was the directory moved or deleted?"
        )
    return EmbeddedBackend(str(path), settings, _engine_of(path, settings))


#: Chroma's cache of systems: identifier ("ephemeral", or the path as it was given) -> the backend its clients share,
#: with the settings they must agree on. It keeps alive what a garbage-collected client shared; programs may remove
#: entries. Which directories are open, and for whom, is not said here but in the engine's registry (``opening.py``).
SYSTEMS: dict[str, EmbeddedBackend] = {}


def open_embedded(settings: Settings) -> EmbeddedBackend:
    """The backend of the place that ``settings`` mean, with one reference more.

    Ephemeral clients share one place, persistent ones share by path as it was given. A path that names another
    directory than it did (deleted and made again, or relative and the working directory changed) is another place.
    ValueError when the place is open with other settings.
    """
    identifier = str(settings.persist_directory) if settings.is_persistent else "ephemeral"
    with opening.LOCK:
        backend = _persistent(identifier, settings) if settings.is_persistent else _ephemeral(identifier, settings)
        if backend.settings != settings:
            raise ValueError(
                f"An instance of Chroma already exists for {identifier} with different settings: "
                f"{differences(backend.settings, settings)}; give the settings it was opened with, or first close the "
                "clients that have it open (client.close(); client.clear_system_cache() when they are gone)"
            )
        backend.share()
        if backend._engine is None:  # its last client was closed in the middle of this (by a signal handler)
            return open_embedded(settings)
        return backend


def _persistent(path: str, settings: Settings) -> EmbeddedBackend:
    engine = _engine_of(Path(path).absolute(), settings)  # a later chdir does not move it
    # Looked for after all that takes time: a client may have been made meanwhile, by this thread, too.
    backend = SYSTEMS.get(path)
    if backend is not None and backend._engine is engine:
        engine.close()  # the reference just taken: the backend has its own
    else:
        backend = SYSTEMS[path] = EmbeddedBackend(path, settings, engine)
    return backend


def _ephemeral(identifier: str, settings: Settings) -> EmbeddedBackend:
    backend = SYSTEMS.get(identifier)
    if backend is None:  # setdefault: a signal handler may have made one since
        backend = SYSTEMS.setdefault(identifier, EmbeddedBackend(identifier, settings, SharedEngine.open(None)))
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


# --- Requests --------------------------------------------------------------------------------------------------
def _reset(engine: Engine, request: r.Reset) -> bool:
    engine.reset()
    return True


def _create_tenant(engine: Engine, request: r.CreateTenant) -> None:
    engine.create_tenant(validate.check_tenant_name(request.name))


def _get_tenant(engine: Engine, request: r.GetTenant) -> Tenant:
    return engine.get_tenant(validate.check_name_is_str(request.name))


def _create_database(engine: Engine, request: r.CreateDatabase) -> None:
    engine.create_database(validate.check_database_name(request.name), _str(request.tenant, "tenant"))


def _get_database(engine: Engine, request: r.GetDatabase) -> Database:
    return engine.get_database(validate.check_database_name(request.name), _str(request.tenant, "tenant"))


def _delete_database(engine: Engine, request: r.DeleteDatabase) -> None:
    engine.delete_database(_str(request.name, "name"), _str(request.tenant, "tenant"))


def _list_databases(engine: Engine, request: r.ListDatabases) -> list[Database]:
    return engine.list_databases(_str(request.tenant, "tenant"), *_limits(request))


def _list_collections(engine: Engine, request: r.ListCollections) -> list[CollectionModel]:
    return engine.list_collections(request.tenant, request.database, *_limits(request))


def _count_collections(engine: Engine, request: r.CountCollections) -> int:
    return engine.count_collections(request.tenant, request.database)


def _create_collection(engine: Engine, request: r.CreateCollection) -> CollectionModel:
    return engine.create_collection(
        validate.check_collection_name(request.name),
        request.tenant,
        request.database,
        validate.check_collection_metadata(request.metadata),
        request.configuration,
        request.schema,
        request.get_or_create,
    )


def _get_collection(engine: Engine, request: r.GetCollection) -> CollectionModel:
    return engine.get_collection(_str(request.name, "name"), request.tenant, request.database)


def _get_collection_by_id(engine: Engine, request: r.GetCollectionById) -> CollectionModel:
    return engine.get_collection_by_id(validate.check_collection_id(request.id), request.tenant, request.database)


def _modify_collection(engine: Engine, request: r.ModifyCollection) -> None:
    name = request.new_name
    engine.modify_collection(
        request.id,
        request.tenant,
        request.database,
        None if name is None else validate.check_collection_name(name, "new_name"),
        validate.check_collection_metadata(request.new_metadata, "new_metadata", updating=True),
        request.new_configuration,
    )


def _delete_collection(engine: Engine, request: r.DeleteCollection) -> None:
    engine.delete_collection(_str(request.name, "name"), request.tenant, request.database)


def _add(engine: Engine, request: r.Add) -> None:
    engine.add(request.collection_id, validate.check_records(request.records, updating=False))


def _update(engine: Engine, request: r.Update) -> None:
    engine.update(request.collection_id, validate.check_records(request.records, updating=True))


def _upsert(engine: Engine, request: r.Upsert) -> None:
    engine.upsert(request.collection_id, validate.check_records(request.records, updating=True))


def _edit(engine: Engine, request: r.Edit) -> Edited:
    return engine.edit(request.id, _checked(request.edits))


def _stage(engine: Engine, request: r.Stage) -> None:
    engine.stage(request.session, validate.check_records(request.records, updating=True))


def _publish(engine: Engine, request: r.Publish) -> Edited:
    return engine.publish(request.session, _checked(request.edits), update=request.update)


def _checked(edits: Edits) -> Edits:
    update = validate.check_records(edits.update, updating=True)
    add = validate.check_records(edits.add, updating=False)
    upsert = validate.check_records(edits.upsert, updating=True)
    return replace(edits, update=update, add=add, upsert=upsert)


def _delete(engine: Engine, request: r.Delete) -> int:
    return engine.delete(
        request.collection_id,
        validate.check_query_ids(request.ids),
        _filter(request),
        validate.check_limit(request.limit),
    )


def _count(engine: Engine, request: r.Count) -> int:
    return engine.count(request.collection_id)


def _get(engine: Engine, request: r.Get) -> GetResult:
    ids = validate.check_query_ids(request.ids)
    return engine.get(request.collection_id, ids, _filter(request), *_limits(request), request.include)


def _query(engine: Engine, request: r.Query) -> QueryResult:
    return engine.query(*_query_arguments(request))


def _record_embedding_model(engine: Engine, request: r.RecordEmbeddingModel) -> str:
    noted = engine.settings_of(request.id).get("embedding_model")
    if noted is None:
        engine.update_settings(request.id, {"embedding_model": request.embedding_model})
    return str(noted or request.embedding_model)


def _explain(engine: Engine, request: r.Explain) -> dict[str, Any]:
    return engine.explain(*_query_arguments(request.query))


def _query_arguments(request: r.Query) -> tuple[UUID, Matrix, int, list[str] | None, Expression | None, Sequence[str]]:
    return (
        request.collection_id,
        request.query_embeddings,
        validate.check_n_results(request.n_results),
        validate.check_query_ids(request.ids),
        _filter(request),
        request.include,
    )


def _str(value: str, argument: str) -> str:
    return validate.check_name_is_str(value, argument)


def _limits(request: r.Get | r.ListCollections | r.ListDatabases) -> tuple[int | None, int | None]:
    return validate.check_limit(request.limit), validate.check_limit(request.offset, "offset")


def _filter(request: r.Get | r.Query | r.Delete) -> Expression | None:
    """Both filters of ``request`` as one."""
    terms: list[Expression] = []
    if request.where is not None:
        terms.append(parse_where(request.where))
    if request.where_document is not None:
        terms.append(parse_where_document(request.where_document))
    if len(terms) > 1:
        return And(tuple(terms))
    return terms[0] if terms else None


def _in_the_cloud_only(what: str) -> Callable[[Engine, Any], NoReturn]:
    def refuse(engine: Engine, request: Any) -> NoReturn:
        raise NotImplementedError(what)

    return refuse


_ATTACHED_FUNCTIONS = _in_the_cloud_only(
    "Attached functions are only supported when connecting to a Chroma server via HttpClient. "
    "The Rust bindings (embedded mode) do not support attached function operations."
)

#: Request class -> what answers it.
HANDLERS: Mapping[type[Request[Any]], Callable[[Engine, Any], Any]] = {
    r.Heartbeat: lambda engine, request: time.time_ns(),
    r.GetVersion: lambda engine, request: API_VERSION,
    r.GetMaxBatchSize: lambda engine, request: MAX_BATCH_SIZE,
    r.GetUserIdentity: lambda engine, request: UserIdentity("", DEFAULT_TENANT, [DEFAULT_DATABASE]),
    r.Reset: _reset,
    r.CreateTenant: _create_tenant,
    r.GetTenant: _get_tenant,
    r.CreateDatabase: _create_database,
    r.GetDatabase: _get_database,
    r.DeleteDatabase: _delete_database,
    r.ListDatabases: _list_databases,
    r.ListCollections: _list_collections,
    r.CountCollections: _count_collections,
    r.CreateCollection: _create_collection,
    r.GetCollection: _get_collection,
    r.GetCollectionById: _get_collection_by_id,
    r.ModifyCollection: _modify_collection,
    r.DeleteCollection: _delete_collection,
    r.Add: _add,
    r.Update: _update,
    r.Upsert: _upsert,
    r.Edit: _edit,
    r.BeginStaging: lambda engine, request: engine.begin_staging(request.id),
    r.Stage: _stage,
    r.Publish: _publish,
    r.AbandonStaging: lambda engine, request: engine.abandon(request.session),
    r.Delete: _delete,
    r.Count: _count,
    r.Get: _get,
    r.Query: _query,
    r.Search: _in_the_cloud_only("Search is not implemented for Local Chroma"),
    r.Fork: _in_the_cloud_only("Collection forking is not implemented for Local Chroma"),
    r.ForkCount: _in_the_cloud_only("Fork count is not implemented for Local Chroma"),
    r.GetIndexingStatus: _in_the_cloud_only("Indexing status is not implemented for Local Chroma"),
    r.AttachFunction: _ATTACHED_FUNCTIONS,
    r.GetAttachedFunction: _ATTACHED_FUNCTIONS,
    r.DetachFunction: _ATTACHED_FUNCTIONS,
    r.RecordEmbeddingModel: _record_embedding_model,
    r.Vacuum: lambda engine, request: engine.vacuum(),
    r.Verify: lambda engine, request: engine.verify(),
    r.Explain: _explain,
}

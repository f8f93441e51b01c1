"""What a collection knows without a request: its model, embedding function and data loader."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, Generic, Protocol, Self, TypeVar
from uuid import UUID

from chroma_nb.client.embedding_model import described, embedding_cache
from chroma_nb.config import Settings
from chroma_nb.embedding_functions.base import (
    AnyDataLoader,
    AnyEmbeddingFunction,
    validate_embedding_function,
    validate_sparse_embedding_function,
)
from chroma_nb.embedding_functions.registry import (
    config_to_embedding_function,
    known_embedding_functions,
    sparse_known_embedding_functions,
)
from chroma_nb.operations import prepare
from chroma_nb.operations.embed import CallContext
from chroma_nb.operations.requests import ModifyCollection
from chroma_nb.operations.sparse import SparseFunctions
from chroma_nb.results import GetResult, HybridResult, QueryResult
from chroma_nb.schema import (
    CollectionConfiguration,
    Schema,
    load_collection_configuration_from_json,
    overwritten,
    updated,
)
from chroma_nb.types import CollectionMetadata, CollectionModel, Embeddings, Include, Json


class _Server(Protocol):
    def get_settings(self) -> Settings:
        """The settings of the client."""
        ...


ServerT = TypeVar("ServerT", bound=_Server)
ResultT = TypeVar("ResultT", GetResult, QueryResult, HybridResult)


class CollectionCommon(Generic[ServerT]):
    """The half of a collection that is the same for every client."""

    _client: ServerT
    _model: CollectionModel
    _embedding_function: AnyEmbeddingFunction | None
    _data_loader: AnyDataLoader | None

    def __init__(
        self,
        client: ServerT,
        model: CollectionModel,
        embedding_function: AnyEmbeddingFunction | None = None,
        data_loader: AnyDataLoader | None = None,
    ) -> None:
        if embedding_function is not None:
            validate_embedding_function(embedding_function)
        self._client = client
        self._model = model
        self._embedding_function = embedding_function
        self._data_loader = data_loader
        self._bound: tuple[Any, str | None, Any] | None = None
        self._known_sparse: SparseFunctions | None = None
        #: The documents of a server that has no search by words: see ``fetched_words.py``.
        self._fetched_words: Any = None

    @property
    def id(self) -> UUID:
        """The id of the collection. It stays the same when you rename the collection."""
        return self._model.id

    @property
    def name(self) -> str:
        """The name of the collection."""
        return self._model.name

    @property
    def metadata(self) -> CollectionMetadata | None:
        """The metadata of the collection itself, or None."""
        return self._model.metadata

    @property
    def tenant(self) -> str:
        """The tenant that the collection belongs to."""
        return self._model.tenant

    @property
    def database(self) -> str:
        """The database that the collection belongs to."""
        return self._model.database

    @property
    def configuration_json(self) -> Json:
        """How the collection is indexed, as JSON with the keys ``hnsw``, ``spann`` and ``embedding_function``."""
        return self._model.configuration_json

    def get_model(self) -> CollectionModel:
        """Return what is known of the collection apart from its records.

        Returns
        -------
        CollectionModel
            Id, name, metadata, configuration, dimension and more, as of the time when this object was
            created or last changed.
        """
        return self._model

    def _embed(self, input: list[object], is_query: bool = False) -> Embeddings:
        """A vector for each document, or question, by the function that ``add`` and ``query`` take; Chroma's name."""
        return list(prepare.vectors(self._context, input, "_embed", is_query))

    @property
    def _context(self) -> CallContext:
        return CallContext(
            self._model,
            self._embedding_function,
            self._data_loader,
            known_embedding_functions,
            self._bind,
            self._sparse_functions,
        )

    def _bind(self, function: object) -> object:
        """``function``; one that comes in variants stays with the collection's, and remembers beside the data."""
        if not hasattr(function, "for_collection"):
            return function
        variant = self._model.embedding_model
        if self._bound is None or self._bound[0] is not function or self._bound[1] != variant:
            cache = embedding_cache(self._client.get_settings(), function)
            self._bound = (function, variant, function.for_collection(variant, cache=cache))
        return self._bound[2]

    def _sparse_functions(self) -> SparseFunctions:
        """What makes sparse vectors for the keys of the schema; built once for this handle."""
        schema = self._model.serialized_schema
        if self._known_sparse is None or self._known_sparse.schema is not schema:
            self._known_sparse = SparseFunctions(
                schema, sparse_known_embedding_functions, validate_sparse_embedding_function
            )
        return self._known_sparse

    def _recorded(self, embedding_model: str) -> None:
        self._model = replace(self._model, embedding_model=embedding_model)

    @property
    def embedding_model(self) -> str | None:
        """The model that embeds texts for this collection, or None if no embedding function is known.

        Once the default model has embedded a text, its variant is included.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add(ids="wren", documents="a small brown bird")
        ...     birds.embedding_model
        'all-MiniLM-L6-v2 (...)'
        """
        return described(self._model, self._embedding_function)

    @property
    def _place(self) -> tuple[UUID, str, str]:
        return self.id, self.tenant, self.database

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CollectionCommon):
            return NotImplemented
        return (
            (self.id, self.name, self.metadata, self.tenant, self.database)
            == (other.id, other.name, other.metadata, other.tenant, other.database)
            and self.configuration_json == other.configuration_json
            and self.schema == other.schema
            and bool(self._embedding_function == other._embedding_function)
            and bool(self._data_loader == other._data_loader)
        )

    __hash__ = None  # type: ignore[assignment]  # two handles of one collection differ after modify()

    # --- Copies: handles of the same collection ---

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        vars(twin).update(vars(self))
        return twin

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        twin = self.__copy__()
        # The function and the loader stay the same: they may be a model in memory, or hold connections.
        twin._client, twin._model = copy.deepcopy((self._client, self._model), memo)
        return twin

    def __getstate__(self) -> Json:
        """What a pickle keeps. A function that cannot be pickled is built from the stored configuration when needed."""
        function = self._embedding_function
        if function is not None and not _can_be_pickled(function):
            function = None
        return {
            **vars(self),
            "_embedding_function": function,
            "_bound": None,
            "_known_sparse": None,
            "_fetched_words": None,
        }

    def __repr__(self) -> str:
        return f"Collection(name={self.name})"

    @property
    def configuration(self) -> CollectionConfiguration:
        """How the collection is indexed, with the embedding function it stores.

        Raises
        ------
        ValueError
            The stored embedding function cannot be created here.
        """
        return load_collection_configuration_from_json(self.configuration_json, config_to_embedding_function)

    @property
    def schema(self) -> Schema:
        """How the collection is indexed, in detail. Embedding functions are named, not created."""
        return Schema.deserialize_from_json(self._model.serialized_schema or {})

    def _modified(self, request: ModifyCollection) -> None:
        """Show what ``modify`` changed; a value that was None in the metadata is still shown, as in Chroma."""
        model = self._model
        if request.new_name:
            model = replace(model, name=request.new_name)
        if request.new_metadata:
            model = replace(model, metadata=request.new_metadata)
        if request.new_configuration:
            model = replace(model, **_reconfigured(model, request.new_configuration))
        self._model = model

    def _with_data(self, result: ResultT, include: Include) -> ResultT:
        """``result`` with the data that its uris point to, which was asked for."""
        result["included"] = list(include)
        if self._data_loader is not None and result["uris"] is not None:
            result["data"] = _loaded(self._data_loader, result)
        return result


def _can_be_pickled(function: object) -> bool:
    from multiprocessing.reduction import ForkingPickler  # as another process would be sent it

    try:
        ForkingPickler.dumps(function)
    except Exception:  # noqa: BLE001  # whatever the function and all it holds raise
        return False
    return True


def _loaded(load: AnyDataLoader, result: GetResult | QueryResult) -> object:
    return load(result["uris"]) if isinstance(result, GetResult) else [load(uris) for uris in result["uris"]]


def _reconfigured(model: CollectionModel, configuration: Json) -> Json:
    changed: Json = {"configuration_json": overwritten(model.configuration_json, configuration)}
    if model.configuration_json.get("hnsw") is not None and model.serialized_schema is not None:
        after = updated(model.configuration_json, model.serialized_schema, configuration)
        changed["serialized_schema"] = after.serialized_schema
    return changed

"""What a collection knows without asking anybody: its model, embedding function and data loader. No requests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Generic, TypeVar
from uuid import UUID

from chroma_nb.embedding_functions.base import DataLoader, EmbeddingFunction, validate_embedding_function
from chroma_nb.results import GetResult, QueryResult
from chroma_nb.schema import Schema
from chroma_nb.types import CollectionMetadata, CollectionModel, Include

ServerT = TypeVar("ServerT")
ResultT = TypeVar("ResultT", GetResult, QueryResult)


class CollectionCommon(Generic[ServerT]):
    """The half of a collection that is the same for every client."""

    _client: ServerT
    _model: CollectionModel
    _embedding_function: EmbeddingFunction[Any] | None
    _data_loader: DataLoader[Any] | None

    def __init__(
        self,
        client: ServerT,
        model: CollectionModel,
        embedding_function: EmbeddingFunction[Any] | None = None,
        data_loader: DataLoader[Any] | None = None,
    ) -> None:
        if embedding_function is not None:
            validate_embedding_function(embedding_function)
        self._client = client
        self._model = model
        self._embedding_function = embedding_function
        self._data_loader = data_loader

    @property
    def id(self) -> UUID:
        """The id, which stays when the name changes."""
        return self._model.id

    @property
    def name(self) -> str:
        """The name."""
        return self._model.name

    @property
    def metadata(self) -> CollectionMetadata | None:
        """The collection's own metadata, or None."""
        return self._model.metadata

    @property
    def tenant(self) -> str:
        """The tenant it belongs to."""
        return self._model.tenant

    @property
    def database(self) -> str:
        """The database it belongs to."""
        return self._model.database

    @property
    def configuration_json(self) -> dict[str, Any]:
        """How it is indexed, as JSON: hnsw, spann, embedding_function."""
        return self._model.configuration_json

    def get_model(self) -> CollectionModel:
        """What is known of the collection, as one value."""
        return self._model

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

    def __repr__(self) -> str:
        return f"Collection(name={self.name})"

"""Schema: which values of a collection are indexed and how, as Chroma's users write it, and as JSON.

Every change is checked against what Chroma allows. What the engine makes of a schema is ``resolving.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias, cast

from chroma_nb.plain import plain
from chroma_nb.schema.configuration import (
    UpdateCollectionConfiguration,
    UpdateHNSWConfiguration,
    UpdateSpannConfiguration,
)
from chroma_nb.schema.embedding_function import Build
from chroma_nb.schema.index_configurations import (
    DOCUMENT_KEY,
    EMBEDDING_KEY,
    FtsIndexConfig,
    IndexConfig,
    SparseVectorIndexConfig,
    StringInvertedIndexConfig,
    VectorIndexConfig,
)
from chroma_nb.schema.value_types import (
    INDEX_OF,
    INDEXES,
    ValueTypes,
    put,
    value_types_from_json,
    value_types_to_json,
)
from chroma_nb.types import Fields, Json


class CmekProvider(str, Enum):
    """Who keeps a customer's key."""

    GCP = "gcp"


_GCP_RESOURCE: Final = re.compile(r"^projects/.+/locations/.+/keyRings/.+/cryptoKeys/.+$")


@dataclass
class Cmek:
    """A customer's own encryption key; for Chroma's cloud.

    >>> Cmek.gcp("projects/p/locations/l/keyRings/r/cryptoKeys/k").validate_pattern()
    True
    """

    provider: CmekProvider
    resource: str

    @classmethod
    def gcp(cls, resource: str) -> Cmek:
        """A key of Google Cloud, by its resource name."""
        return cls(CmekProvider.GCP, resource)

    def validate_pattern(self) -> bool:
        """Whether the resource name has the provider's form."""
        return _GCP_RESOURCE.match(self.resource) is not None

    def to_dict(self) -> Json:
        """As it is sent: the provider's name and the resource."""
        if self.provider != CmekProvider.GCP:
            raise ValueError(f"Unknown CMEK provider: {self.provider}")
        return {self.provider.value: self.resource}

    @classmethod
    def from_dict(cls, data: Fields) -> Cmek:
        """The key that ``to_dict`` wrote; ValueError for anything else."""
        if "gcp" not in data:
            raise ValueError(f"Unsupported or missing CMEK provider in data: {data}")
        if not isinstance(data["gcp"], str):
            raise ValueError(f"CMEK gcp resource must be a string, got: {type(data['gcp'])}")
        return cls.gcp(data["gcp"])


@dataclass(init=False)
class Schema:
    """Which values of a collection are indexed and how: ``defaults`` for all keys, ``keys`` for single ones.

    >>> schema = Schema().create_index(VectorIndexConfig(space="cosine"))
    >>> schema = schema.delete_index(StringInvertedIndexConfig(), key="notes")
    >>> schema.serialize_to_json()["keys"]["notes"]
    {'string': {'string_inverted_index': {'enabled': False, 'config': {}}}}
    """

    defaults: ValueTypes
    keys: dict[str, ValueTypes]
    cmek: Cmek | None = None

    def __init__(self) -> None:
        self.defaults = ValueTypes()
        for row in INDEXES:
            put(self.defaults, row.config(), row.on)
        self.keys = {DOCUMENT_KEY: ValueTypes(), EMBEDDING_KEY: ValueTypes()}
        self.cmek = None
        put(self.keys[DOCUMENT_KEY], FtsIndexConfig(), True)
        put(self.keys[DOCUMENT_KEY], StringInvertedIndexConfig(), False)
        put(self.keys[EMBEDDING_KEY], VectorIndexConfig(source_key=DOCUMENT_KEY), True)

    def create_index(self, config: IndexConfig | None = None, key: object = None) -> Schema:
        """Turn an index on, for ``key`` (a str or Key) or by default; returns this schema.

        A vector index is global, full-text search is for ``#document``, a sparse index needs a key of
        its own; there may be several. Raises ValueError otherwise.
        """
        key = _key_name(key)
        _refuse(_CREATE_REFUSALS, config, key)
        if isinstance(config, VectorIndexConfig):
            self._set_vector_index(config)
            return self
        if isinstance(config, SparseVectorIndexConfig):
            _check_sparse(config)
        put(self._value_types(key), cast(IndexConfig, config), True)
        return self

    def delete_index(self, config: IndexConfig | None = None, key: object = None) -> Schema:
        """Turn an index off, for ``key`` (a str or Key) or by default; returns this schema.

        Vector and sparse indexes cannot be turned off. Raises ValueError then.
        """
        key = _key_name(key)
        _refuse(_DELETE_REFUSALS, config, key)
        put(self._value_types(key), cast(IndexConfig, config), False)
        return self

    def set_cmek(self, cmek: Cmek | None) -> Schema:
        """Name the customer's own key, or none; returns this schema."""
        self.cmek = cmek
        return self

    def serialize_to_json(self) -> Json:
        """The schema as it is sent."""
        written: Json = {
            "defaults": value_types_to_json(self.defaults),
            "keys": {key: value_types_to_json(value_types) for key, value_types in self.keys.items()},
        }
        if self.cmek is not None:
            written["cmek"] = self.cmek.to_dict()
        return written

    @classmethod
    def deserialize_from_json(cls, json_data: Fields, *, build: Build | None = None) -> Schema:
        """The schema that ``serialize_to_json`` wrote.

        ``build`` makes the embedding functions live; without it they are StoredEmbeddingFunctions.
        """
        schema = cls.__new__(cls)
        schema.defaults = value_types_from_json(json_data.get("defaults") or {}, build)
        schema.keys = {key: value_types_from_json(value, build) for key, value in (json_data.get("keys") or {}).items()}
        schema.cmek = Cmek.from_dict(json_data["cmek"]) if json_data.get("cmek") is not None else None
        return schema

    def _value_types(self, key: str | None) -> ValueTypes:
        return self.defaults if key is None else self.keys.setdefault(key, ValueTypes())

    def _set_vector_index(self, config: VectorIndexConfig) -> None:
        """Both places of the vector index; in the one of ``#embedding`` the source stays."""
        put(self.defaults, config, _index_is_on(self.defaults))
        embedding = self.keys[EMBEDDING_KEY]
        place = embedding.float_list.vector_index if embedding.float_list else None
        source = place.config.source_key if place else DOCUMENT_KEY
        own = VectorIndexConfig(
            space=config.space,
            embedding_function=config.embedding_function,
            hnsw=config.hnsw,
            spann=config.spann,
            source_key=source,
        )
        put(embedding, own, place.enabled if place else True)


def _check_sparse(config: SparseVectorIndexConfig) -> None:
    if config.source_key is not None and config.embedding_function is None:
        raise ValueError(
            "If source_key is provided then embedding_function must also be provided since there is no default "
            f"embedding function. Config: {config}"
        )


def _index_is_on(value_types: ValueTypes) -> bool:
    index = value_types.float_list.vector_index if value_types.float_list else None
    return index is not None and index.enabled


def _key_name(key: Any) -> str | None:
    return key if key is None else plain(key if isinstance(key, str) else str(key.name))


_Refusals: TypeAlias = tuple[tuple[Callable[[Any, str | None], bool], str], ...]


def _refuse(refusals: _Refusals, config: object, key: str | None) -> None:
    for applies, sentence in refusals:
        if applies(config, key):
            raise ValueError(sentence.format(key=key))
    if type(config) not in INDEX_OF:
        raise ValueError(f"Expected config to be an index configuration, got {type(config).__name__}")


_RESERVED: Final = "key cannot begin with '#'. Keys starting with '#' are reserved for system use."

_CREATE_REFUSALS: Final[_Refusals] = (
    (
        lambda config, key: config is None and key is None,
        "Cannot enable all index types globally. Must specify either config or key.",
    ),
    (
        lambda config, key: key == EMBEDDING_KEY,
        (
            "Cannot create index on special key '{key}'. This key is managed automatically by the system. Invoke "
            "create_index(VectorIndexConfig(...)) without specifying a key to configure the vector index globally."
        ),
    ),
    (
        lambda config, key: key == DOCUMENT_KEY and not isinstance(config, FtsIndexConfig),
        "Cannot create index on special key '{key}' with this config. Only FtsIndexConfig is allowed for #document.",
    ),
    (lambda config, key: key is not None and key.startswith("#") and key != DOCUMENT_KEY, _RESERVED),
    (
        lambda config, key: isinstance(config, VectorIndexConfig) and key is not None,
        (
            "Vector index cannot be enabled on specific keys. Use create_index(config=VectorIndexConfig(...)) without "
            "specifying a key to configure the vector index globally."
        ),
    ),
    (
        lambda config, key: isinstance(config, FtsIndexConfig) and key != DOCUMENT_KEY,
        "FTS index can only be enabled on #document key. Use create_index(config=FtsIndexConfig(), key='#document')",
    ),
    (
        lambda config, key: isinstance(config, SparseVectorIndexConfig) and key is None,
        (
            "Sparse vector index must be created on a specific key. Please specify a key using: "
            "create_index(config=SparseVectorIndexConfig(...), key='your_key')"
        ),
    ),
    (
        lambda config, key: config is None,
        "Cannot enable all index types for key '{key}'. Please specify a specific index configuration.",
    ),
)

_DELETE_REFUSALS: Final[_Refusals] = (
    (
        lambda config, key: config is None and key is None,
        "Cannot disable all indexes. Must specify either config or key.",
    ),
    (lambda config, key: key == EMBEDDING_KEY, "Cannot modify #embedding. Currently not supported"),
    (
        lambda config, key: key == DOCUMENT_KEY and not isinstance(config, FtsIndexConfig),
        "Cannot delete index on special key '{key}' with this config. Only FtsIndexConfig is allowed for #document.",
    ),
    (lambda config, key: key is not None and key.startswith("#") and key != DOCUMENT_KEY, _RESERVED),
    (
        lambda config, key: isinstance(config, VectorIndexConfig),
        "Deleting vector index is not currently supported.",
    ),
    (
        lambda config, key: isinstance(config, SparseVectorIndexConfig),
        "Deleting sparse vector index is not currently supported.",
    ),
    (
        lambda config, key: isinstance(config, FtsIndexConfig) and key != DOCUMENT_KEY,
        "Deleting FTS index is only supported on #document key.",
    ),
    (
        lambda config, key: config is None,
        "Cannot disable all index types for key '{key}'. Please specify a specific index configuration.",
    ),
)


# --- A configuration put into a schema --------------------------------------------------------------
def update_schema_from_collection_configuration(schema: Schema, configuration: UpdateCollectionConfiguration) -> Schema:
    """``schema`` itself, changed as ``configuration`` says, in both places of the vector index.

    Raises ValueError when the index is of the other kind.
    """
    for place in (schema.defaults, schema.keys.get(EMBEDDING_KEY, ValueTypes())):
        if place.float_list is None or place.float_list.vector_index is None:
            raise ValueError(f"Expected the schema to have a vector index by default and for {EMBEDDING_KEY}, got none")
        _update_vector_config(place.float_list.vector_index.config, configuration)
    return schema


def _update_vector_config(config: VectorIndexConfig, configuration: UpdateCollectionConfiguration) -> None:
    kind = "hnsw" if configuration.get("hnsw") is not None else "spann"
    change = cast(Json, configuration).get(kind)
    if change is not None:
        stored = getattr(config, kind)
        if stored is None:
            other = "SPANN" if kind == "hnsw" else "HNSW"
            raise ValueError(f"Trying to update {kind.upper()} config but schema has {other}")
        allowed = UpdateHNSWConfiguration if kind == "hnsw" else UpdateSpannConfiguration
        for key in allowed.__annotations__.keys() & change.keys():
            setattr(stored, key, change[key])
    if configuration.get("embedding_function") is not None:
        config.embedding_function = configuration["embedding_function"]

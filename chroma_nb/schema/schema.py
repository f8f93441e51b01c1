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
    """The services that hold customer-managed encryption keys."""

    GCP = "gcp"


_GCP_RESOURCE: Final = re.compile(r"^projects/.+/locations/.+/keyRings/.+/cryptoKeys/.+$")


@dataclass
class Cmek:
    """Name a customer-managed encryption key, for Chroma Cloud.

    A local collection stores the name of the key with its schema and encrypts nothing.

    Parameters
    ----------
    provider
        The service that holds the key.
    resource
        The name of the key at that service.

    Examples
    --------
    >>> Cmek.gcp("projects/p/locations/l/keyRings/r/cryptoKeys/k").validate_pattern()
    True
    """

    provider: CmekProvider
    resource: str

    @classmethod
    def gcp(cls, resource: str) -> Cmek:
        """Name a key of Google Cloud.

        Parameters
        ----------
        resource
            ``projects/…/locations/…/keyRings/…/cryptoKeys/…``.
        """
        return cls(CmekProvider.GCP, resource)

    def validate_pattern(self) -> bool:
        """Return whether the resource name has the form that the provider uses."""
        return _GCP_RESOURCE.match(self.resource) is not None

    def to_dict(self) -> Json:
        """Return the key as JSON.

        Raises
        ------
        ValueError
            The provider is unknown.
        """
        if self.provider != CmekProvider.GCP:
            raise ValueError(f"Unknown CMEK provider: {self.provider}")
        return {self.provider.value: self.resource}

    @classmethod
    def from_dict(cls, data: Fields) -> Cmek:
        """Create a ``Cmek`` from what ``to_dict`` returned.

        Raises
        ------
        ValueError
            The provider is unknown or missing, or the resource is not a text.
        """
        if "gcp" not in data:
            raise ValueError(f"Unsupported or missing CMEK provider in data: {data}")
        if not isinstance(data["gcp"], str):
            raise ValueError(f"CMEK gcp resource must be a string, got: {type(data['gcp'])}")
        return cls.gcp(data["gcp"])


@dataclass(init=False)
class Schema:
    """Choose what a collection indexes, for all metadata keys and for single ones.

    A new schema indexes everything that Chroma indexes by default: embeddings, documents, and the texts, numbers and
    bools of all metadata keys. Change it with ``create_index`` and ``delete_index``, then pass it to
    ``create_collection``.

    Attributes
    ----------
    defaults
        The indexes of all keys that ``keys`` does not name.
    keys
        The indexes of single keys. ``"#document"`` stands for the documents, ``"#embedding"`` for the embeddings.
    cmek
        The customer-managed encryption key, for Chroma Cloud.

    Examples
    --------
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
        """Turn on an index.

        Parameters
        ----------
        config
            The index: an object of one of the index configurations.
        key
            The metadata key, as text or as ``K("…")``; None for all keys. A vector index takes no key. A full-text
            index takes ``"#document"``. A sparse vector index needs a key of its own; a schema may have several.

        Returns
        -------
        Schema
            This schema, so that you can chain calls.

        Raises
        ------
        ValueError
            The index cannot be created for this key, the key starts with ``#``, or a sparse vector index has a
            ``source_key`` and no embedding function.
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
        """Turn off an index. Filters that would need it raise an InvalidArgumentError.

        Parameters
        ----------
        config
            The index: an object of one of the index configurations.
        key
            The metadata key, as text or as ``K("…")``; None for all keys. A full-text index takes ``"#document"``.

        Returns
        -------
        Schema
            This schema, so that you can chain calls.

        Raises
        ------
        ValueError
            The index is a vector index or a sparse vector index, which cannot be turned off, or it cannot be changed
            for this key.
        """
        key = _key_name(key)
        _refuse(_DELETE_REFUSALS, config, key)
        put(self._value_types(key), cast(IndexConfig, config), False)
        return self

    def set_cmek(self, cmek: Cmek | None) -> Schema:
        """Set the customer-managed encryption key, or remove it.

        Parameters
        ----------
        cmek
            The key; None for no key.

        Returns
        -------
        Schema
            This schema, so that you can chain calls.
        """
        self.cmek = cmek
        return self

    def serialize_to_json(self) -> Json:
        """Return the schema as JSON, in Chroma's form."""
        written: Json = {
            "defaults": value_types_to_json(self.defaults),
            "keys": {key: value_types_to_json(value_types) for key, value_types in self.keys.items()},
        }
        if self.cmek is not None:
            written["cmek"] = self.cmek.to_dict()
        return written

    @classmethod
    def deserialize_from_json(cls, json_data: Fields, *, build: Build | None = None) -> Schema:
        """Create a schema from what ``serialize_to_json`` returned.

        Parameters
        ----------
        json_data
            The schema as JSON.
        build
            A function that builds an embedding function from ``{"name": …, "config": …}``. Without it, the schema holds
            objects that know the name and the configuration only.

        Raises
        ------
        ValueError
            The JSON is not a schema.
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

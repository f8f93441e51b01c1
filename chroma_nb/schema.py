"""How a collection is indexed: configuration and Schema, as objects and as JSON, and what they come to.

Pure functions of values: nothing here opens anything or builds an embedding function. In JSON an
embedding function is None, ``{"type": "legacy"}`` or ``{"type": "known", "name": …, "config": …}``;
whoever needs the live function hands in a way to build it. Settings of a client are ``config.py``.

The order of this file: configurations as callers write them · Schema and its parts · what the engine
makes of both (``resolve``, ``updated``) · questions asked of the result.
"""

from __future__ import annotations

import copy
import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypedDict, cast

from chroma_nb.errors import InvalidArgumentError
from chroma_nb.plain import plain, plain_tree, shown
from chroma_nb.query.conditions import And, Condition, Or, Where
from chroma_nb.query.operators import OPERATORS
from chroma_nb.types import CollectionMetadata, Space

Json: TypeAlias = dict[str, Any]
#: Builds the live embedding function from ``{"name": …, "config": …}``.
Build: TypeAlias = Callable[[Json], Any]

SPACES: Final = ("cosine", "l2", "ip")
DOCUMENT_KEY: Final = "#document"
EMBEDDING_KEY: Final = "#embedding"
#: What the types of values and the indexes are called in a schema's JSON.
STRING_VALUE_NAME: Final = "string"
INT_VALUE_NAME: Final = "int"
BOOL_VALUE_NAME: Final = "bool"
FLOAT_VALUE_NAME: Final = "float"
FLOAT_LIST_VALUE_NAME: Final = "float_list"
SPARSE_VECTOR_VALUE_NAME: Final = "sparse_vector"
FTS_INDEX_NAME: Final = "fts_index"
VECTOR_INDEX_NAME: Final = "vector_index"
SPARSE_VECTOR_INDEX_NAME: Final = "sparse_vector_index"
STRING_INVERTED_INDEX_NAME: Final = "string_inverted_index"
INT_INVERTED_INDEX_NAME: Final = "int_inverted_index"
FLOAT_INVERTED_INDEX_NAME: Final = "float_inverted_index"
BOOL_INVERTED_INDEX_NAME: Final = "bool_inverted_index"
HNSW_INDEX_NAME: Final = "hnsw_index"
SPANN_INDEX_NAME: Final = "spann_index"


# --- Configurations as callers write them ---------------------------------------------------------
class HNSWConfiguration(TypedDict, total=False):
    """Parameters of the graph. Of the older reference: ``M`` instead of ``max_neighbors`` works too."""

    space: Space
    ef_construction: int
    max_neighbors: int
    ef_search: int
    num_threads: int
    batch_size: int
    sync_threshold: int
    resize_factor: float


CreateHNSWConfiguration = HNSWConfiguration


class UpdateHNSWConfiguration(TypedDict, total=False):
    """What of the graph may change."""

    ef_search: int
    num_threads: int
    batch_size: int
    sync_threshold: int
    resize_factor: float


class SpannConfiguration(TypedDict, total=False):
    """Parameters of Chroma's distributed index; of these only ``space`` counts here, as in a local Chroma."""

    search_nprobe: int
    write_nprobe: int
    space: Space
    ef_construction: int
    ef_search: int
    max_neighbors: int
    reassign_neighbor_count: int
    split_threshold: int
    merge_threshold: int


CreateSpannConfiguration = SpannConfiguration


class UpdateSpannConfiguration(TypedDict, total=False):
    """What of the distributed index may change."""

    search_nprobe: int
    ef_search: int


class CollectionConfiguration(TypedDict, total=False):
    """The configuration of a collection, with its live embedding function.

    Written as in the older reference it works too:
    ``CollectionConfiguration(hnsw_configuration=HNSWConfiguration(space="cosine"))``.
    """

    hnsw: HNSWConfiguration | None
    spann: SpannConfiguration | None
    embedding_function: Any


CreateCollectionConfiguration = CollectionConfiguration


class UpdateCollectionConfiguration(TypedDict, total=False):
    """What of a configuration may change."""

    hnsw: UpdateHNSWConfiguration | None
    spann: UpdateSpannConfiguration | None
    embedding_function: Any


def as_configuration(configuration: Any) -> Json:
    """A configuration as 1.5.9 writes it, from that or from the object of the older reference; a copy.

    >>> as_configuration({"hnsw_configuration": {"space": "ip", "M": 8}})
    {'hnsw': {'space': 'ip', 'max_neighbors': 8}}
    """
    if configuration is None:
        return {}
    if not isinstance(configuration, Mapping):
        if not hasattr(configuration, "to_json"):
            raise ValueError(
                f"Expected configuration to be a dict such as {{'hnsw': {{'space': 'cosine'}}}}, "
                f"got {type(configuration).__name__}"
            )
        configuration = configuration.to_json()
    written: Json = plain_tree(
        {key: dict(value) if isinstance(value, Mapping) else value for key, value in configuration.items()}
    )
    written.pop("_type", None)
    if "hnsw_configuration" in written:
        old = written.pop("hnsw_configuration") or {}
        old = old if isinstance(old, Mapping) else old.to_json()
        written["hnsw"] = {_OLD_NAMES.get(key, key): value for key, value in old.items() if key != "_type"}
    return written


_OLD_NAMES: Final = {"M": "max_neighbors"}


def create_collection_configuration_to_json(
    configuration: Any,
    metadata: CollectionMetadata | None = None,
    *,
    register: Callable[[type], Any] | None = None,
) -> Json:
    """A configuration for ``create_collection`` as it is sent.

    The space is the configuration's, else the metadata's (by leaving it out here), else the embedding
    function's default. ``register`` is called with the class of a function that can be stored.
    Raises ValueError when both hnsw and spann are given.

    >>> create_collection_configuration_to_json({"hnsw": {"space": "ip"}})
    {'hnsw': {'space': 'ip'}, 'spann': None, 'embedding_function': {'type': 'legacy'}}
    """
    written = as_configuration(configuration)
    hnsw, spann, function = written.get("hnsw"), written.get("spann"), written.get("embedding_function")
    if hnsw is not None and spann is not None:
        raise ValueError("hnsw and spann cannot both be provided")
    described: Json = {"type": "legacy"} if function is None else describe_embedding_function(function, register)
    if function is not None and described["type"] == "known":
        index = hnsw if hnsw is not None else spann
        named = (metadata or {}).get("hnsw:space") if isinstance(metadata, Mapping) else None
        if index is None and named is None:
            hnsw = index = {}
        if isinstance(index, dict) and index.get("space") is None:
            index["space"] = function.default_space()
        _warn_of_space(function, index.get("space") if isinstance(index, dict) else named)
    return {"hnsw": hnsw, "spann": spann, "embedding_function": described}


def describe_embedding_function(function: Any, register: Callable[[type], Any] | None = None) -> Json:
    """What a collection stores of a live embedding function; "legacy" when it cannot be built again."""
    try:
        if function.is_legacy():
            return {"type": "legacy"}
        described = {"type": "known", "name": function.name(), "config": function.get_config()}
        if register is not None and not isinstance(function, StoredEmbeddingFunction):
            register(type(function))
    except Exception as error:  # noqa: BLE001  # whatever a user's class raises, its vectors still work
        warnings.warn(f"legacy embedding function config: {error}", DeprecationWarning, stacklevel=3)
        return {"type": "legacy"}
    return described


def _warn_of_space(function: Any, space: Any) -> None:
    supported = function.supported_spaces()
    if space not in supported:
        warnings.warn(
            f"space {shown(space)} is not supported by {function.name()}. Supported spaces: {supported}",
            UserWarning,
            stacklevel=4,
        )


def load_collection_configuration_from_json(
    configuration_json: Mapping[str, Any], build: Build
) -> CollectionConfiguration:
    """A configuration with its live embedding function, which ``build`` makes.

    Raises ValueError when the function cannot be built.
    """
    if configuration_json.get("hnsw") is not None and configuration_json.get("spann") is not None:
        raise ValueError("hnsw and spann cannot both be provided")
    stored = configuration_json.get("embedding_function")
    function = build(stored) if stored is not None and stored.get("type") != "legacy" else None
    return CollectionConfiguration(
        hnsw=configuration_json.get("hnsw"), spann=configuration_json.get("spann"), embedding_function=function
    )


def update_collection_configuration_to_json(
    configuration: Any, *, register: Callable[[type], Any] | None = None
) -> Json:
    """A configuration for ``modify`` as it is sent; empty when it changes nothing.

    >>> update_collection_configuration_to_json({"hnsw": {"ef_search": 50}})
    {'hnsw': {'ef_search': 50}, 'spann': None, 'embedding_function': None}
    """
    written = as_configuration(configuration)
    hnsw, spann, function = written.get("hnsw"), written.get("spann"), written.get("embedding_function")
    if hnsw is None and spann is None and function is None:
        return {}
    described = None if function is None else describe_embedding_function(function, register)
    return {"hnsw": hnsw, "spann": spann, "embedding_function": described}


def overwritten(configuration_json: Mapping[str, Any], update: Mapping[str, Any]) -> Json:
    """The configuration a handle shows after its own ``modify``: the update merged in as it was written.

    Another handle shows what the engine made of it (``updated``); Chroma differs so, too.
    """
    function = update.get("embedding_function") or configuration_json.get("embedding_function") or {"type": "legacy"}
    return {
        "hnsw": overwrite_hnsw_configuration(configuration_json.get("hnsw"), update.get("hnsw")),
        "spann": overwrite_spann_configuration(configuration_json.get("spann"), update.get("spann")),
        "embedding_function": function,
    }


def overwrite_hnsw_configuration(
    existing_hnsw_config: Json | None, update_hnsw_config: Mapping[str, Any] | None
) -> Json | None:
    """The graph's parameters with those of an update that may change; None stays None.

    >>> overwrite_hnsw_configuration({"space": "ip"}, {"space": "l2", "ef_search": 50})
    {'space': 'ip', 'ef_search': 50}
    """
    return _merged(existing_hnsw_config, update_hnsw_config, UpdateHNSWConfiguration)


def overwrite_spann_configuration(
    existing_spann_config: Json | None, update_spann_config: Mapping[str, Any] | None
) -> Json | None:
    """As ``overwrite_hnsw_configuration``, for the distributed index."""
    return _merged(existing_spann_config, update_spann_config, UpdateSpannConfiguration)


def _merged(stored: Json | None, change: Mapping[str, Any] | None, allowed: type) -> Json | None:
    if stored is None or change is None:
        return stored
    return {**stored, **{key: value for key, value in change.items() if key in allowed.__annotations__}}


# --- Configurations as dicts of any origin: Chroma's words ------------------------------------------
def json_to_create_hnsw_configuration(json_map: Mapping[str, Any]) -> CreateHNSWConfiguration:
    """The graph's parameters in ``json_map``; other keys are dropped. ValueError for a space that is none."""
    return cast(CreateHNSWConfiguration, _picked(json_map, HNSWConfiguration.__annotations__))


def json_to_create_spann_configuration(json_map: Mapping[str, Any]) -> CreateSpannConfiguration:
    """The distributed index's parameters in ``json_map`` that Chroma reads. ValueError for a space that is none."""
    return cast(CreateSpannConfiguration, _picked(json_map, _SPANN_READ))


def json_to_update_hnsw_configuration(json_map: Mapping[str, Any]) -> UpdateHNSWConfiguration:
    """What of the graph may change, picked from ``json_map``."""
    return cast(UpdateHNSWConfiguration, _picked(json_map, UpdateHNSWConfiguration.__annotations__))


def json_to_update_spann_configuration(json_map: Mapping[str, Any]) -> UpdateSpannConfiguration:
    """What of the distributed index may change, picked from ``json_map``."""
    return cast(UpdateSpannConfiguration, _picked(json_map, UpdateSpannConfiguration.__annotations__))


_SPANN_READ: Final = ("search_nprobe", "write_nprobe", "space", "ef_construction", "ef_search", "max_neighbors")


def _picked(json_map: Mapping[str, Any], allowed: Iterable[str]) -> Json:
    picked = {key: json_map[key] for key in allowed if key in json_map}
    if picked.get("space", SPACES[0]) not in SPACES:
        raise ValueError(f"not a valid space: {picked['space']}")
    return picked


def populate_create_hnsw_defaults(config: CreateHNSWConfiguration, ef: Any = None) -> CreateHNSWConfiguration:
    """``config`` itself, with a default wherever it says nothing; the space is that of ``ef``, or l2.

    >>> populate_create_hnsw_defaults({"space": "ip"})["max_neighbors"]
    16
    """
    defaults = _HNSW_DEFAULTS if ef is None else {**_HNSW_DEFAULTS, "space": ef.default_space()}
    filled = cast(Json, config)
    filled.update({key: value for key, value in defaults.items() if filled.get(key) is None})
    return config


def create_collection_configuration_from_legacy_metadata_dict(
    metadata: Mapping[str, Any],
) -> CreateCollectionConfiguration:
    """The configuration that ``hnsw:*`` metadata means, defaults filled in.

    >>> create_collection_configuration_from_legacy_metadata_dict({"hnsw:space": "cosine"})["hnsw"]["space"]
    'cosine'
    """
    hnsw = json_to_create_hnsw_configuration(_without_prefix(metadata))
    return CreateCollectionConfiguration(hnsw=populate_create_hnsw_defaults(hnsw))


def update_collection_configuration_from_legacy_update_metadata(
    metadata: Mapping[str, Any],
) -> UpdateCollectionConfiguration:
    """The change that ``hnsw:*`` metadata means.

    >>> update_collection_configuration_from_legacy_update_metadata({"hnsw:search_ef": 50, "hnsw:M": 8})
    {'hnsw': {'ef_search': 50}}
    """
    return UpdateCollectionConfiguration(hnsw=json_to_update_hnsw_configuration(_without_prefix(metadata)))


create_collection_configuration_from_legacy_collection_metadata = (
    create_collection_configuration_from_legacy_metadata_dict
)
update_collection_configuration_from_legacy_collection_metadata = (
    update_collection_configuration_from_legacy_update_metadata
)


def _without_prefix(metadata: Mapping[str, Any]) -> Json:
    return {_LEGACY_NAMES[key]: value for key, value in metadata.items() if key in _LEGACY_NAMES}


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


# --- Embedding functions by name ------------------------------------------------------------------
@dataclass(frozen=True)
class StoredEmbeddingFunction:
    """An embedding function of which only the stored name and configuration are known.

    A Schema read from JSON holds these, so that reading one builds nothing.

    >>> StoredEmbeddingFunction("default").name()
    'default'
    """

    stored_name: str
    config: Json = field(default_factory=dict, hash=False)

    def __call__(self, input: Any) -> Any:
        raise TypeError(
            f"the embedding function {self.stored_name!r} is only named by this schema; "
            "add documents through the collection, which builds it"
        )

    def name(self) -> str:
        return self.stored_name

    def get_config(self) -> Json:
        return dict(self.config)

    def is_legacy(self) -> bool:
        return False

    def default_space(self) -> Space | None:
        """Of Chroma's default function l2; of others unknown here."""
        return "l2" if self.stored_name == "default" else None

    def supported_spaces(self) -> list[Space]:
        return ["cosine", "l2", "ip"]


DEFAULT_EMBEDDING_FUNCTION: Final = StoredEmbeddingFunction("default")


# --- Index configurations -------------------------------------------------------------------------
def _optional_int(name: str, value: Any) -> int | None:
    if value is None or isinstance(value, int):
        return None if value is None else int(value)
    try:
        if isinstance(value, str) or (isinstance(value, float) and value.is_integer()):
            return int(value)
    except ValueError:
        pass
    raise ValueError(f"{name}: expected an int, got {shown(value, show=repr)}")


def _optional_float(name: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected a float, got {shown(value, show=repr)}") from None


def _optional_bool(name: str, value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise ValueError(f"{name}: expected a bool, got {shown(value, show=repr)}")


def _optional_space(name: str, value: Any) -> Any:
    if value is None or value in SPACES:
        return value
    raise ValueError(f"{name}: expected one of {', '.join(SPACES)}, got {shown(value, show=repr)}")


def _optional_function(name: str, value: Any) -> Any:
    if value is None or callable(value):
        return value
    raise ValueError(f"{name} must be callable or None")


def _optional_source_key(name: str, value: Any) -> str | None:
    key = getattr(value, "name", value)
    if key is None:
        return None
    if not isinstance(key, str):
        raise ValueError(f"{name} must be str or Key, got {type(value).__name__}")
    if key.startswith("#") and key != DOCUMENT_KEY:
        raise ValueError(
            f"{name} cannot begin with '#'. The only valid key starting with '#' is Key.DOCUMENT or '#document'."
        )
    return key


_Check: TypeAlias = Callable[[str, Any], Any]
_INT: Final[dict[str, _Check]] = dict.fromkeys(
    (
        "ef_construction",
        "max_neighbors",
        "ef_search",
        "num_threads",
        "batch_size",
        "sync_threshold",
        "search_nprobe",
        "write_nprobe",
        "reassign_neighbor_count",
        "split_threshold",
        "merge_threshold",
    ),
    _optional_int,
)


@dataclass(init=False)
class IndexConfig:
    """Base of the configurations of an index: fields by keyword, each checked, unknown ones a ValueError."""

    #: How each field is checked.
    _checks: ClassVar[dict[str, _Check]] = {}
    #: Fields of Chroma's that are accepted and dropped, as Chroma does.
    _dropped: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, **values: Any) -> None:
        known = {one.name: one.default for one in fields(self)}
        unknown = [name for name in values if name not in known and name not in self._dropped]
        if unknown:
            raise ValueError(_unknown_fields(type(self).__name__, unknown))
        for name, default in known.items():
            check = self._checks[name]
            object.__setattr__(self, name, check(name, plain(values.get(name, default))))

    def model_dump(self, *, exclude_none: bool = False) -> Json:
        """The fields as a dict."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        plain = {
            name: value.model_dump(exclude_none=exclude_none) if isinstance(value, IndexConfig) else value
            for name, value in values.items()
        }
        return {name: value for name, value in plain.items() if not (exclude_none and value is None)}


def _unknown_fields(name: str, unknown: list[str]) -> str:
    if len(unknown) == 1:
        return f"{unknown[0]!r} is not a valid field for {name}. "
    return f"Invalid fields for {name}: {', '.join(map(repr, unknown))}. "


@dataclass(init=False)
class FtsIndexConfig(IndexConfig):
    """Full-text search over documents; nothing to set."""


@dataclass(init=False)
class StringInvertedIndexConfig(IndexConfig):
    """Filters on strings; nothing to set."""


@dataclass(init=False)
class IntInvertedIndexConfig(IndexConfig):
    """Filters on integers; nothing to set."""


@dataclass(init=False)
class FloatInvertedIndexConfig(IndexConfig):
    """Filters on floats; nothing to set."""


@dataclass(init=False)
class BoolInvertedIndexConfig(IndexConfig):
    """Filters on bools; nothing to set."""


@dataclass(init=False)
class HnswIndexConfig(IndexConfig):
    """Parameters of the graph; None means the default.

    >>> HnswIndexConfig(ef_search=50).ef_search
    50
    """

    _checks: ClassVar[dict[str, _Check]] = {**_INT, "resize_factor": _optional_float}

    ef_construction: int | None = None
    max_neighbors: int | None = None
    ef_search: int | None = None
    num_threads: int | None = None
    batch_size: int | None = None
    sync_threshold: int | None = None
    resize_factor: float | None = None


@dataclass(init=False)
class SpannIndexConfig(IndexConfig):
    """Parameters of Chroma's distributed index; accepted, and without effect in a local collection."""

    _checks: ClassVar[dict[str, _Check]] = _INT
    _dropped: ClassVar[frozenset[str]] = frozenset(
        {
            "search_rng_factor",
            "search_rng_epsilon",
            "nreplica_count",
            "write_rng_factor",
            "write_rng_epsilon",
            "num_samples_kmeans",
            "initial_lambda",
            "num_centers_to_merge_to",
            "center_drift_threshold",
            "quantize",
        }
    )

    search_nprobe: int | None = None
    write_nprobe: int | None = None
    ef_construction: int | None = None
    ef_search: int | None = None
    max_neighbors: int | None = None
    reassign_neighbor_count: int | None = None
    split_threshold: int | None = None
    merge_threshold: int | None = None


def _optional_config(kind: type[IndexConfig]) -> _Check:
    def check(name: str, value: Any) -> Any:
        if value is None or isinstance(value, kind):
            return value
        if isinstance(value, Mapping):
            return kind(**value)
        raise ValueError(f"{name}: expected a {kind.__name__}, got {type(value).__name__}")

    return check


@dataclass(init=False)
class VectorIndexConfig(IndexConfig):
    """Distance, embedding function and index of a collection's vectors.

    >>> VectorIndexConfig(space="cosine", hnsw=HnswIndexConfig(ef_search=50)).space
    'cosine'
    """

    _checks: ClassVar[dict[str, _Check]] = {
        "space": _optional_space,
        "embedding_function": _optional_function,
        "source_key": _optional_source_key,
        "hnsw": _optional_config(HnswIndexConfig),
        "spann": _optional_config(SpannIndexConfig),
    }

    space: Space | None = None
    embedding_function: Any = DEFAULT_EMBEDDING_FUNCTION
    source_key: str | None = None
    hnsw: HnswIndexConfig | None = None
    spann: SpannIndexConfig | None = None


@dataclass(init=False)
class SparseVectorIndexConfig(IndexConfig):
    """A sparse vector under one metadata key; a local collection has none."""

    _checks: ClassVar[dict[str, _Check]] = {
        "embedding_function": _optional_function,
        "source_key": _optional_source_key,
        "bm25": _optional_bool,
    }
    _dropped: ClassVar[frozenset[str]] = frozenset({"algorithm"})

    embedding_function: Any = None
    source_key: str | None = None
    bm25: bool | None = None


# --- Schema and its parts -------------------------------------------------------------------------
@dataclass
class FtsIndexType:
    enabled: bool
    config: FtsIndexConfig


@dataclass
class VectorIndexType:
    enabled: bool
    config: VectorIndexConfig


@dataclass
class SparseVectorIndexType:
    enabled: bool
    config: SparseVectorIndexConfig


@dataclass
class StringInvertedIndexType:
    enabled: bool
    config: StringInvertedIndexConfig


@dataclass
class IntInvertedIndexType:
    enabled: bool
    config: IntInvertedIndexConfig


@dataclass
class FloatInvertedIndexType:
    enabled: bool
    config: FloatInvertedIndexConfig


@dataclass
class BoolInvertedIndexType:
    enabled: bool
    config: BoolInvertedIndexConfig


@dataclass
class StringValueType:
    fts_index: FtsIndexType | None = None
    string_inverted_index: StringInvertedIndexType | None = None


@dataclass
class FloatListValueType:
    vector_index: VectorIndexType | None = None


@dataclass
class SparseVectorValueType:
    sparse_vector_index: SparseVectorIndexType | None = None


@dataclass
class IntValueType:
    int_inverted_index: IntInvertedIndexType | None = None


@dataclass
class FloatValueType:
    float_inverted_index: FloatInvertedIndexType | None = None


@dataclass
class BoolValueType:
    bool_inverted_index: BoolInvertedIndexType | None = None


@dataclass
class ValueTypes:
    """The indexes of one key, or by default of all, by the type of the value."""

    string: StringValueType | None = None
    float_list: FloatListValueType | None = None
    sparse_vector: SparseVectorValueType | None = None
    int_value: IntValueType | None = None
    float_value: FloatValueType | None = None
    boolean: BoolValueType | None = None


@dataclass(frozen=True)
class _Index:
    """Where an index stands: in ValueTypes, in its value type, in JSON; and whether it is on by default."""

    config: type[IndexConfig]
    attribute: str
    json_name: str
    name: str
    value_type: type[Any]
    index_type: type[Any]
    on: bool


_INDEXES: Final = (
    _Index(FtsIndexConfig, "string", STRING_VALUE_NAME, FTS_INDEX_NAME, StringValueType, FtsIndexType, False),
    _Index(
        StringInvertedIndexConfig,
        "string",
        STRING_VALUE_NAME,
        STRING_INVERTED_INDEX_NAME,
        StringValueType,
        StringInvertedIndexType,
        True,
    ),
    _Index(
        VectorIndexConfig,
        "float_list",
        FLOAT_LIST_VALUE_NAME,
        VECTOR_INDEX_NAME,
        FloatListValueType,
        VectorIndexType,
        False,
    ),
    _Index(
        SparseVectorIndexConfig,
        "sparse_vector",
        SPARSE_VECTOR_VALUE_NAME,
        SPARSE_VECTOR_INDEX_NAME,
        SparseVectorValueType,
        SparseVectorIndexType,
        False,
    ),
    _Index(
        IntInvertedIndexConfig,
        "int_value",
        INT_VALUE_NAME,
        INT_INVERTED_INDEX_NAME,
        IntValueType,
        IntInvertedIndexType,
        True,
    ),
    _Index(
        FloatInvertedIndexConfig,
        "float_value",
        FLOAT_VALUE_NAME,
        FLOAT_INVERTED_INDEX_NAME,
        FloatValueType,
        FloatInvertedIndexType,
        True,
    ),
    _Index(
        BoolInvertedIndexConfig,
        "boolean",
        BOOL_VALUE_NAME,
        BOOL_INVERTED_INDEX_NAME,
        BoolValueType,
        BoolInvertedIndexType,
        True,
    ),
)
_INDEX_OF: Final = {row.config: row for row in _INDEXES}


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
    def from_dict(cls, data: Mapping[str, Any]) -> Cmek:
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
        for row in _INDEXES:
            _put(self.defaults, row.config(), row.on)
        self.keys = {DOCUMENT_KEY: ValueTypes(), EMBEDDING_KEY: ValueTypes()}
        self.cmek = None
        _put(self.keys[DOCUMENT_KEY], FtsIndexConfig(), True)
        _put(self.keys[DOCUMENT_KEY], StringInvertedIndexConfig(), False)
        _put(self.keys[EMBEDDING_KEY], VectorIndexConfig(source_key=DOCUMENT_KEY), True)

    def create_index(self, config: IndexConfig | None = None, key: Any = None) -> Schema:
        """Turn an index on, for ``key`` (a str or Key) or by default; answers this schema.

        A vector index is global, full-text search is for ``#document``, a sparse index needs a key of
        its own. Raises ValueError otherwise.
        """
        key = _key_name(key)
        _refuse(_CREATE_REFUSALS, config, key)
        if isinstance(config, VectorIndexConfig):
            self._set_vector_index(config)
            return self
        if isinstance(config, SparseVectorIndexConfig):
            self._check_sparse(config, cast(str, key))
        _put(self._value_types(key), cast(IndexConfig, config), True)
        return self

    def delete_index(self, config: IndexConfig | None = None, key: Any = None) -> Schema:
        """Turn an index off, for ``key`` (a str or Key) or by default; answers this schema.

        Vector and sparse indexes cannot be turned off. Raises ValueError then.
        """
        key = _key_name(key)
        _refuse(_DELETE_REFUSALS, config, key)
        _put(self._value_types(key), cast(IndexConfig, config), False)
        return self

    def set_cmek(self, cmek: Cmek | None) -> Schema:
        """Name the customer's own key, or none; answers this schema."""
        self.cmek = cmek
        return self

    def serialize_to_json(self) -> Json:
        """The schema as it is sent."""
        written: Json = {
            "defaults": _value_types_to_json(self.defaults),
            "keys": {key: _value_types_to_json(value_types) for key, value_types in self.keys.items()},
        }
        if self.cmek is not None:
            written["cmek"] = self.cmek.to_dict()
        return written

    @classmethod
    def deserialize_from_json(cls, json_data: Mapping[str, Any], *, build: Build | None = None) -> Schema:
        """The schema that ``serialize_to_json`` wrote.

        ``build`` makes the embedding functions live; without it they are StoredEmbeddingFunctions.
        """
        schema = cls.__new__(cls)
        schema.defaults = _value_types_from_json(json_data.get("defaults") or {}, build)
        schema.keys = {
            key: _value_types_from_json(value, build) for key, value in (json_data.get("keys") or {}).items()
        }
        schema.cmek = Cmek.from_dict(json_data["cmek"]) if json_data.get("cmek") is not None else None
        return schema

    def _value_types(self, key: str | None) -> ValueTypes:
        return self.defaults if key is None else self.keys.setdefault(key, ValueTypes())

    def _set_vector_index(self, config: VectorIndexConfig) -> None:
        """Both places of the vector index; in the one of ``#embedding`` the source stays."""
        _put(self.defaults, config, _index_is_on(self.defaults))
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
        _put(embedding, own, place.enabled if place else True)

    def _check_sparse(self, config: SparseVectorIndexConfig, key: str) -> None:
        for other, value_types in self.keys.items():
            sparse = value_types.sparse_vector.sparse_vector_index if value_types.sparse_vector else None
            if other != key and sparse is not None and sparse.enabled:
                raise ValueError(
                    f"Cannot enable sparse vector index on key '{key}'. A sparse vector index is already enabled "
                    f"on key '{other}'. Only one sparse vector index is allowed per collection."
                )
        if config.source_key is not None and config.embedding_function is None:
            raise ValueError(
                "If source_key is provided then embedding_function must also be provided since there is no default "
                f"embedding function. Config: {config}"
            )


def _index_is_on(value_types: ValueTypes) -> bool:
    index = value_types.float_list.vector_index if value_types.float_list else None
    return index is not None and index.enabled


def _put(value_types: ValueTypes, config: IndexConfig, enabled: bool) -> None:
    row = _INDEX_OF[type(config)]
    value_type = getattr(value_types, row.attribute)
    if value_type is None:
        value_type = row.value_type()
        setattr(value_types, row.attribute, value_type)
    setattr(value_type, row.name, row.index_type(enabled=enabled, config=config))


def _key_name(key: Any) -> str | None:
    return key if key is None else plain(key if isinstance(key, str) else str(key.name))


_Refusals: TypeAlias = tuple[tuple[Callable[[Any, str | None], bool], str], ...]


def _refuse(refusals: _Refusals, config: Any, key: str | None) -> None:
    for applies, sentence in refusals:
        if applies(config, key):
            raise ValueError(sentence.format(key=key))
    if type(config) not in _INDEX_OF:
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


# --- Schema <-> JSON ------------------------------------------------------------------------------
def _value_types_to_json(value_types: ValueTypes) -> Json:
    written: Json = {}
    for row in _INDEXES:
        value_type = getattr(value_types, row.attribute)
        if value_type is None:
            continue
        place = written.setdefault(row.json_name, {})
        index = getattr(value_type, row.name)
        if index is not None:
            place[row.name] = {"enabled": index.enabled, "config": _config_to_json(index.config)}
    return written


def _config_to_json(config: IndexConfig) -> Json:
    written = config.model_dump(exclude_none=True)
    if isinstance(config, SparseVectorIndexConfig):
        function = config.embedding_function
        written["embedding_function"] = {"type": "unknown"} if function is None else _sparse_description(function)
    if isinstance(config, VectorIndexConfig):
        function = config.embedding_function
        described: Json = {"type": "legacy"} if function is None else describe_embedding_function(function)
        written["embedding_function"] = described
        if described["type"] == "known":
            space = config.space or function.default_space()
            if space is not None:
                written["space"] = space
                _warn_of_space(function, space)
    return written


def _sparse_description(function: Any) -> Json:
    return {"type": "known", "name": function.name(), "config": function.get_config()}


def _value_types_from_json(written: Mapping[str, Any], build: Build | None) -> ValueTypes:
    value_types = ValueTypes()
    for row in _INDEXES:
        place = written.get(row.json_name)
        if place is None:
            continue
        if getattr(value_types, row.attribute) is None:
            setattr(value_types, row.attribute, row.value_type())
        index = place.get(row.name)
        if index is not None:
            config = row.config(**_config_from_json(index.get("config") or {}, build))
            _put(value_types, config, index.get("enabled", True))
    return value_types


def _config_from_json(written: Mapping[str, Any], build: Build | None) -> Json:
    values = dict(written)
    stored = values.get("embedding_function")
    if stored is not None:
        values["embedding_function"] = _function_from_json(stored, build)
    return values


def _function_from_json(stored: Json, build: Build | None) -> Any:
    if stored.get("type") in ("legacy", "unknown"):
        return None
    if build is None:
        return StoredEmbeddingFunction(stored.get("name", "unknown"), stored.get("config") or {})
    try:
        return build(stored)
    except Exception as error:  # noqa: BLE001  # whatever a class raises: the schema can be read without it
        warnings.warn(
            f"Could not reconstruct embedding function {stored.get('name', 'unknown')}: {error}. Setting to None.",
            UserWarning,
            stacklevel=2,
        )
        return None


# --- What the engine makes of it ------------------------------------------------------------------
@dataclass(frozen=True)
class Resolved:
    """What a collection is to be, all defaults filled in.

    ``configuration_json`` and ``serialized_schema`` are what the collection shows; ``ef_search_is_set``
    says whether the user chose ``ef_search`` (if not, the engine may search wider).
    """

    configuration_json: Json
    serialized_schema: Json
    ef_search_is_set: bool


@dataclass(frozen=True)
class IndexParameters:
    """What the index of a collection is built and searched with.

    >>> IndexParameters.of({"hnsw": {"space": "cosine", "ef_search": 50}}, ef_search_is_set=True).ef_search
    50
    """

    space: Space = "l2"
    max_neighbors: int = 16
    ef_construction: int = 100
    ef_search: int = 100
    ef_search_is_set: bool = False

    @classmethod
    def of(cls, configuration_json: Mapping[str, Any], ef_search_is_set: bool) -> IndexParameters:
        """The parameters a collection's configuration names."""
        hnsw = configuration_json.get("hnsw") or configuration_json.get("spann") or {}
        named = {
            name: hnsw[name]
            for name in ("space", "max_neighbors", "ef_construction", "ef_search")
            if hnsw.get(name) is not None
        }
        return cls(**named, ef_search_is_set=ef_search_is_set)


_HNSW_DEFAULTS: Final[Json] = {
    "space": "l2",
    "ef_construction": 100,
    "max_neighbors": 16,
    "ef_search": 100,
    "num_threads": os.cpu_count() or 1,
    "batch_size": 100,
    "sync_threshold": 1000,
    "resize_factor": 1.2,
}
#: The parameters that ``configuration_json`` shows, in its order.
_SHOWN: Final = ("space", "ef_construction", "ef_search", "max_neighbors", "resize_factor", "sync_threshold")
_UPDATABLE: Final = ("ef_search", "max_neighbors", "num_threads", "resize_factor", "sync_threshold", "batch_size")
_LEGACY_NAMES: Final = {
    "hnsw:space": "space",
    "hnsw:construction_ef": "ef_construction",
    "hnsw:M": "max_neighbors",
    "hnsw:search_ef": "ef_search",
    "hnsw:num_threads": "num_threads",
    "hnsw:batch_size": "batch_size",
    "hnsw:sync_threshold": "sync_threshold",
    "hnsw:resize_factor": "resize_factor",
}
_DEFAULT_FUNCTION: Final[Json] = {"type": "known", "name": "default", "config": {}}


def resolve(
    metadata: Mapping[str, Any] | None = None,
    configuration: Mapping[str, Any] | None = None,
    schema: Mapping[str, Any] | None = None,
) -> Resolved:
    """What a new collection is to be, from its metadata, configuration and schema as JSON.

    A configuration other than the default wins over ``hnsw:*`` metadata; a schema other than the default
    excludes both. Raises InvalidArgumentError for parameters that mean nothing and for what a local
    collection has not.

    >>> resolve({"hnsw:space": "cosine"}).configuration_json["hnsw"]["space"]
    'cosine'
    """
    given = _parse_configuration(configuration) if configuration else None
    legacy = {} if given is not None and given[1] is not None else _legacy_parameters(metadata or {})
    own = None if schema is None else _filled_schema(schema)
    modest = _says_nothing(legacy, given)
    # A schema that names spann and nothing else resolves to the default, yet excludes a configuration.
    names_spann = bool(_vector_config(schema or {}).get("spann"))
    if own is None or (own == _default_schema_with_function() and (modest or not names_spann)):
        hnsw, function = _chosen(legacy, given)
        return _resolved(hnsw, function, _default_schema())
    if not modest:
        raise InvalidArgumentError(
            "Failed to reconcile schema: Cannot set both collection config and schema simultaneously"
        )
    config = own["keys"][EMBEDDING_KEY]["float_list"]["vector_index"]["config"]
    asked = _vector_config(schema or {}).get("hnsw") or {}
    hnsw = {"space": config["space"], **config["hnsw"]}
    return _resolved(hnsw, config.get("embedding_function"), own, ef_search_is_set=asked.get("ef_search") is not None)


def updated(
    configuration_json: Mapping[str, Any], serialized_schema: Mapping[str, Any] | None, update: Mapping[str, Any]
) -> Resolved:
    """What a collection is after ``modify(configuration=…)``, whose JSON is ``update``.

    ``ef_search_is_set`` of the answer tells of this update alone. Raises InvalidArgumentError for
    parameters that mean nothing or cannot change.

    >>> before = resolve()
    >>> after = updated(before.configuration_json, before.serialized_schema, {"hnsw": {"ef_search": 50}})
    >>> after.configuration_json["hnsw"]["ef_search"], after.ef_search_is_set
    (50, True)
    """
    change = _parse_object(update.get("hnsw"), "hnsw", _UPDATABLE)
    spann = _parse_object(update.get("spann"), "spann", tuple(UpdateSpannConfiguration.__annotations__))
    if change is not None and spann is not None:
        raise InvalidArgumentError("Multiple vector index configurations provided")
    schema = copy.deepcopy(dict(serialized_schema)) if serialized_schema else _default_schema()
    config = _vector_config(schema)
    stored = {**_HNSW_DEFAULTS, **(config.get("hnsw") or {}), **(configuration_json.get("hnsw") or {})}
    function = _parse_function(update.get("embedding_function")) or configuration_json.get("embedding_function")
    return _resolved({**stored, **(change or {})}, function, schema, ef_search_is_set="ef_search" in (change or {}))


def _chosen(legacy: Json, given: tuple[Json | None, Json | None, Json | None] | None) -> tuple[Json, Json | None]:
    """The parameters and the embedding function, of metadata and configuration."""
    if given is None:
        return legacy, None
    hnsw, spann, function = given
    if spann is not None:
        return {"space": spann["space"]} if spann.get("space") else {}, function
    if hnsw is None or {**_HNSW_DEFAULTS, **hnsw} == _HNSW_DEFAULTS:
        return legacy or (hnsw or {}), function
    return hnsw, function


def _says_nothing(legacy: Json, given: tuple[Json | None, Json | None, Json | None] | None) -> bool:
    """Whether metadata and configuration ask for nothing but defaults."""
    if {**_HNSW_DEFAULTS, **legacy} != _HNSW_DEFAULTS:
        return False
    if given is None:
        return True
    hnsw, spann, function = given
    return spann is None and {**_HNSW_DEFAULTS, **(hnsw or {})} == _HNSW_DEFAULTS and function == _DEFAULT_FUNCTION


def _resolved(hnsw: Json, function: Json | None, schema: Json, *, ef_search_is_set: bool | None = None) -> Resolved:
    full = {**_HNSW_DEFAULTS, **hnsw}
    for place in _vector_places(schema):
        place["space"] = full["space"]
        place["hnsw"] = {name: full[name] for name in _HNSW_DEFAULTS if name != "space"}
        place.pop("spann", None)
        place.pop("embedding_function", None)
        if function is not None:
            place["embedding_function"] = function
    shown = {"hnsw": {name: full[name] for name in _SHOWN}, "spann": None, "embedding_function": function}
    return Resolved(shown, schema, "ef_search" in hnsw if ef_search_is_set is None else ef_search_is_set)


# --- Parameters in JSON ---------------------------------------------------------------------------
def _natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def _at_least_two(value: Any) -> bool:
    return _natural(value) and value >= 2


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


#: Parameter -> what it must be, in words and as a test; any other is a natural number.
_EXPECTED: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    "space": ("one of `l2`, `cosine`, `ip`", lambda value: isinstance(value, str) and value in SPACES),
    "resize_factor": ("a number", _number),
}
_NATURAL: Final = ("an integer of at least 0", _natural)


def _legacy_parameters(metadata: Mapping[str, Any]) -> Json:
    """The parameters that ``hnsw:*`` keys of the metadata name."""
    found: Json = {}
    for key, value in metadata.items():
        if not key.startswith("hnsw:"):
            continue
        name = _LEGACY_NAMES.get(key)
        fits = name is not None and _EXPECTED.get(name, _NATURAL)[1](value)
        if name in ("batch_size", "sync_threshold"):
            fits = _at_least_two(value)
        if name is None or not fits:
            raise InvalidArgumentError(
                f"Failed to parse hnsw parameters from segment metadata: {key!r} is "
                + (f"{value!r}" if name else f"none of {', '.join(_LEGACY_NAMES)}")
            )
        found[name] = float(value) if name == "resize_factor" else value
    return found


def _parse_configuration(configuration: Mapping[str, Any]) -> tuple[Json | None, Json | None, Json | None]:
    """The parameters of hnsw and of spann, and the embedding function."""
    hnsw = _parse_object(configuration.get("hnsw"), "hnsw", tuple(_HNSW_DEFAULTS))
    spann = _parse_object(configuration.get("spann"), "spann", tuple(SpannConfiguration.__annotations__))
    if hnsw is not None and spann is not None:
        raise InvalidArgumentError("Multiple vector index configurations provided")
    return hnsw, spann, _parse_function(configuration.get("embedding_function"))


def _parse_object(written: Any, what: str, allowed: tuple[str, ...]) -> Json | None:
    """The parameters given; None among them counts as not given."""
    if written is None:
        return None
    if not isinstance(written, Mapping):
        raise InvalidArgumentError(f"invalid type in {what}: expected an object, got {shown(written, show=repr)}")
    parsed: Json = {}
    for name, value in written.items():
        if name not in allowed:
            raise InvalidArgumentError(
                f"unknown field `{name}` in {what}, expected one of {', '.join(f'`{one}`' for one in allowed)}"
            )
        if value is None:
            continue
        words, fits = _EXPECTED.get(name, _NATURAL)
        if not fits(value):
            raise InvalidArgumentError(
                f"invalid value for `{name}` in {what}: expected {words}, got {shown(value, show=repr)}"
            )
        parsed[name] = float(value) if name == "resize_factor" else value
    return parsed


def _parse_function(written: Any) -> Json | None:
    if written is None:
        return None
    kind = written.get("type") if isinstance(written, Mapping) else None
    if kind in ("legacy", "unknown"):
        return {"type": kind}
    if kind == "known" and isinstance(written.get("name"), str):
        return {"type": "known", "name": written["name"], "config": written.get("config") or {}}
    raise InvalidArgumentError(
        "invalid embedding_function: expected null, legacy, or known with name and config, "
        f"got {shown(kind, show=repr)}"
    )


# --- Schemas in JSON ------------------------------------------------------------------------------
def _default_schema() -> Json:
    """The stored form of ``Schema()``, in which no embedding function is named."""
    schema = Schema().serialize_to_json()
    for place in _vector_places(schema):
        place.pop("embedding_function")
        place["hnsw"] = {name: value for name, value in _HNSW_DEFAULTS.items() if name != "space"}
    schema["defaults"]["sparse_vector"]["sparse_vector_index"]["config"]["bm25"] = False
    return schema


def _default_schema_with_function() -> Json:
    schema = _default_schema()
    for place in _vector_places(schema):
        place["embedding_function"] = dict(_DEFAULT_FUNCTION)
    return schema


def _vector_places(schema: Json) -> list[Json]:
    """The two places where a stored schema describes the vector index."""
    return [
        schema["defaults"]["float_list"]["vector_index"]["config"],
        schema["keys"][EMBEDDING_KEY]["float_list"]["vector_index"]["config"],
    ]


def _vector_config(schema: Mapping[str, Any]) -> Json:
    place: Any = schema
    for name in ("keys", EMBEDDING_KEY, "float_list", "vector_index", "config"):
        place = place.get(name) or {}
    return cast(Json, place)


def _filled_schema(schema: Mapping[str, Any]) -> Json:
    """A schema as it is stored: checked, the vector index as HNSW with all parameters; a copy.

    Raises InvalidArgumentError when it has not the form of one, and for what a local collection has not.
    """
    try:
        parsed = Schema.deserialize_from_json(schema)
        written = parsed.serialize_to_json()
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidArgumentError(f"Validation error: schema: {error}") from None
    if parsed.cmek is not None and not parsed.cmek.validate_pattern():
        raise InvalidArgumentError("Validation error: schema: CMEK does not match expected pattern")
    _refuse_sparse(written)
    filled = _default_schema() | {name: written[name] for name in ("cmek",) if name in written}
    filled["defaults"] |= written["defaults"]
    filled["keys"] |= written["keys"]
    sparse = filled["defaults"].get("sparse_vector", {}).get("sparse_vector_index")
    if sparse is not None:
        sparse["config"].setdefault("bm25", False)
    if "float_list" not in filled["keys"][EMBEDDING_KEY] or "float_list" not in filled["defaults"]:
        raise InvalidArgumentError("Validation error: schema: the vector index is missing")
    for place in _vector_places(filled):
        _fill_vector_config(place)
    return filled


def _fill_vector_config(place: Json) -> None:
    if place.get("spann") is not None and place.get("hnsw") is not None:
        raise InvalidArgumentError(
            "Validation error: schema: Both spann and hnsw config cannot be present at the same time."
        )
    place.pop("spann", None)
    given = _parse_object(place.get("hnsw"), "hnsw", tuple(name for name in _HNSW_DEFAULTS if name != "space"))
    place["hnsw"] = {name: (given or {}).get(name, value) for name, value in _HNSW_DEFAULTS.items() if name != "space"}
    place["space"] = place.get("space") or "l2"


def _refuse_sparse(schema: Json) -> None:
    for value_types in (schema["defaults"], *schema["keys"].values()):
        index = value_types.get("sparse_vector", {}).get("sparse_vector_index", {})
        if index.get("enabled"):
            raise InvalidArgumentError(
                "Failed to reconcile schema: Invalid schema input: Sparse vector indexing is not enabled in local"
            )


# --- Questions ------------------------------------------------------------------------------------
#: Type of an operand -> its name in Chroma's sentence, and its index in a schema.
_FILTERED: Final[dict[type, tuple[Literal["Str", "Int", "Float", "Bool"], str, str]]] = {
    str: ("Str", "string", "string_inverted_index"),
    int: ("Int", "int", "int_inverted_index"),
    float: ("Float", "float", "float_inverted_index"),
    bool: ("Bool", "bool", "bool_inverted_index"),
}


@dataclass(frozen=True, slots=True)
class Unindexed:
    """What a schema keeps out of its indexes, and what therefore no filter may ask.

    ``types`` are the types of operands that are not indexed by default, ``keys`` are keys with their own such types,
    ``documents`` says whether the texts are not.
    """

    types: frozenset[type]
    keys: Mapping[str, frozenset[type]]
    documents: bool

    @staticmethod
    def of(serialized_schema: Mapping[str, Any] | None) -> Unindexed | None:
        """What the schema keeps out; None when that is nothing.

        >>> Unindexed.of(resolve().serialized_schema) is None
        True
        """
        schema = serialized_schema or {}
        types = _unindexed_types(schema, "")
        keys = {key: _unindexed_types(schema, key) for key in schema.get("keys") or {}}
        documents = not _enabled(schema, DOCUMENT_KEY, "string", "fts_index")
        if not (types or documents or any(keys.values())):
            return None
        return Unindexed(types, keys, documents)

    def refuse(self, condition: Where) -> None:
        """InvalidArgumentError when the condition asks for what is not indexed."""
        if isinstance(condition, And | Or):
            for term in condition.conditions:
                self.refuse(term)
        elif isinstance(condition, Condition):
            if condition.key == DOCUMENT_KEY and OPERATORS[condition.operator].document:
                if self.documents:
                    raise InvalidArgumentError("Cannot filter using full-text search because FTS indexing is disabled")
                return
            operand = condition.operand
            kind = type(operand[0] if isinstance(operand, list) else operand)
            if kind in self.keys.get(condition.key, self.types):
                raise InvalidArgumentError(
                    f"Cannot filter using metadata key '{condition.key}' with type '{_FILTERED[kind][0]}' because "
                    "indexing is disabled"
                )


def _unindexed_types(schema: Mapping[str, Any], key: str) -> frozenset[type]:
    return frozenset(
        kind for kind, (_, value_type, index) in _FILTERED.items() if not _enabled(schema, key, value_type, index)
    )


def _enabled(schema: Mapping[str, Any], key: str, value_type: str, index: str) -> bool:
    """Whether the index is on for the key, or by default where the schema does not name it."""
    for place in ((schema.get("keys") or {}).get(key), schema.get("defaults")):
        found = ((place or {}).get(value_type) or {}).get(index)
        if found is not None:
            return bool(found.get("enabled", True))
    return True

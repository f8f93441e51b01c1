"""Which indexes a type of value has: the classes that hold them, a table of them, and the form they have in JSON.

A ``ValueTypes`` stands in a ``Schema`` for one metadata key, or for all keys that it does not name.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Final

from chroma_nb.schema.embedding_function import (
    Build,
    StoredEmbeddingFunction,
    describe_embedding_function,
    warn_of_space,
)
from chroma_nb.schema.index_configurations import (
    BoolInvertedIndexConfig,
    FloatInvertedIndexConfig,
    FtsIndexConfig,
    IndexConfig,
    IntInvertedIndexConfig,
    SparseVectorIndexConfig,
    StringInvertedIndexConfig,
    VectorIndexConfig,
)
from chroma_nb.types import Fields, Json

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


@dataclass
class FtsIndexType:
    """The full-text index: whether it is on, and its configuration."""

    enabled: bool
    config: FtsIndexConfig


@dataclass
class VectorIndexType:
    """The index of vectors: whether it is on, and its configuration."""

    enabled: bool
    config: VectorIndexConfig


@dataclass
class SparseVectorIndexType:
    """The index of sparse vectors: whether it is on, and its configuration."""

    enabled: bool
    config: SparseVectorIndexConfig


@dataclass
class StringInvertedIndexType:
    """The index of strings: whether it is on, and its configuration."""

    enabled: bool
    config: StringInvertedIndexConfig


@dataclass
class IntInvertedIndexType:
    """The index of integers: whether it is on, and its configuration."""

    enabled: bool
    config: IntInvertedIndexConfig


@dataclass
class FloatInvertedIndexType:
    """The index of floats: whether it is on, and its configuration."""

    enabled: bool
    config: FloatInvertedIndexConfig


@dataclass
class BoolInvertedIndexType:
    """The index of bools: whether it is on, and its configuration."""

    enabled: bool
    config: BoolInvertedIndexConfig


@dataclass
class StringValueType:
    """The indexes of texts; None where a schema says nothing of it."""

    fts_index: FtsIndexType | None = None
    string_inverted_index: StringInvertedIndexType | None = None


@dataclass
class FloatListValueType:
    """The index of vectors; None where a schema says nothing of it."""

    vector_index: VectorIndexType | None = None


@dataclass
class SparseVectorValueType:
    """The index of sparse vectors; None where a schema says nothing of it."""

    sparse_vector_index: SparseVectorIndexType | None = None


@dataclass
class IntValueType:
    """The index of integers; None where a schema says nothing of it."""

    int_inverted_index: IntInvertedIndexType | None = None


@dataclass
class FloatValueType:
    """The index of floats; None where a schema says nothing of it."""

    float_inverted_index: FloatInvertedIndexType | None = None


@dataclass
class BoolValueType:
    """The index of bools; None where a schema says nothing of it."""

    bool_inverted_index: BoolInvertedIndexType | None = None


@dataclass
class ValueTypes:
    """The indexes of one metadata key, or of all keys, for each type of value."""

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


INDEXES: Final = (
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
INDEX_OF: Final = {row.config: row for row in INDEXES}


def put(value_types: ValueTypes, config: IndexConfig, enabled: bool) -> None:
    """Set the index that ``config`` is of, in place."""
    row = INDEX_OF[type(config)]
    value_type = getattr(value_types, row.attribute)
    if value_type is None:
        value_type = row.value_type()
        setattr(value_types, row.attribute, value_type)
    setattr(value_type, row.name, row.index_type(enabled=enabled, config=config))


# --- In JSON --------------------------------------------------------------------------------------
def value_types_to_json(value_types: ValueTypes) -> Json:
    """The indexes as they stand in a schema's JSON."""
    written: Json = {}
    for row in INDEXES:
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
                warn_of_space(function, space)
    return written


def _sparse_description(function: Any) -> Json:
    return {"type": "known", "name": function.name(), "config": function.get_config()}


def value_types_from_json(written: Fields, build: Build | None) -> ValueTypes:
    """The indexes that ``value_types_to_json`` wrote; ``build`` makes the embedding functions live."""
    value_types = ValueTypes()
    for row in INDEXES:
        place = written.get(row.json_name)
        if place is None:
            continue
        if getattr(value_types, row.attribute) is None:
            setattr(value_types, row.attribute, row.value_type())
        index = place.get(row.name)
        if index is not None:
            config = row.config(**_config_from_json(index.get("config") or {}, build))
            put(value_types, config, index.get("enabled", True))
    return value_types


def _config_from_json(written: Fields, build: Build | None) -> Json:
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

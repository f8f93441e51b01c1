"""Resolve metadata, configuration and schema to the effective parameters of a collection.

Pure functions of JSON: ``resolve`` for a new collection, ``updated`` for one that is changed. Nothing here opens
anything or builds an embedding function.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Final, cast

from chroma_nb.errors import InvalidArgumentError
from chroma_nb.schema.configuration import SpannConfiguration, UpdateSpannConfiguration
from chroma_nb.schema.embedding_function import parse_embedding_function
from chroma_nb.schema.index_configurations import DOCUMENT_KEY, EMBEDDING_KEY
from chroma_nb.schema.parameters import (
    HNSW_DEFAULTS,
    SHOWN,
    UPDATABLE,
    legacy_parameters,
    parse_parameters,
)
from chroma_nb.schema.schema import Schema
from chroma_nb.types import Fields, Json

_DEFAULT_FUNCTION: Final[Json] = {"type": "known", "name": "default", "config": {}}


@dataclass(frozen=True)
class Resolved:
    """What a collection is to be, all defaults filled in.

    ``configuration_json`` and ``serialized_schema`` are what the collection shows; ``ef_search_is_set``
    says whether the user chose ``ef_search`` (if not, the engine may search wider).
    """

    configuration_json: Json
    serialized_schema: Json
    ef_search_is_set: bool


def resolve(
    metadata: Fields | None = None,
    configuration: Fields | None = None,
    schema: Fields | None = None,
) -> Resolved:
    """What a new collection is to be, from its metadata, configuration and schema as JSON.

    A configuration other than the default wins over ``hnsw:*`` metadata; a schema other than the default
    excludes both. Raises InvalidArgumentError for parameters that mean nothing and for what a local
    collection does not have.

    >>> resolve({"hnsw:space": "cosine"}).configuration_json["hnsw"]["space"]
    'cosine'
    """
    given = _parse_configuration(configuration) if configuration else None
    legacy = {} if given is not None and given[1] is not None else legacy_parameters(metadata or {})
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


def updated(configuration_json: Fields, serialized_schema: Fields | None, update: Fields) -> Resolved:
    """What a collection is after ``modify(configuration=…)``, whose JSON is ``update``.

    ``ef_search_is_set`` of the answer tells of this update alone. Raises InvalidArgumentError for
    parameters that mean nothing or cannot change.

    >>> before = resolve()
    >>> after = updated(before.configuration_json, before.serialized_schema, {"hnsw": {"ef_search": 50}})
    >>> after.configuration_json["hnsw"]["ef_search"], after.ef_search_is_set
    (50, True)
    """
    change = parse_parameters(update.get("hnsw"), "hnsw", UPDATABLE)
    spann = parse_parameters(update.get("spann"), "spann", tuple(UpdateSpannConfiguration.__annotations__))
    if change is not None and spann is not None:
        raise InvalidArgumentError("Multiple vector index configurations provided")
    schema = copy.deepcopy(dict(serialized_schema)) if serialized_schema else _default_schema()
    config = _vector_config(schema)
    stored = {**HNSW_DEFAULTS, **(config.get("hnsw") or {}), **(configuration_json.get("hnsw") or {})}
    given = parse_embedding_function(update.get("embedding_function"))
    function = given or configuration_json.get("embedding_function")
    return _resolved({**stored, **(change or {})}, function, schema, ef_search_is_set="ef_search" in (change or {}))


def _chosen(legacy: Json, given: tuple[Json | None, Json | None, Json | None] | None) -> tuple[Json, Json | None]:
    """The parameters and the embedding function, of metadata and configuration."""
    if given is None:
        return legacy, None
    hnsw, spann, function = given
    if spann is not None:
        return {"space": spann["space"]} if spann.get("space") else {}, function
    if hnsw is None or {**HNSW_DEFAULTS, **hnsw} == HNSW_DEFAULTS:
        return legacy or (hnsw or {}), function
    return hnsw, function


def _says_nothing(legacy: Json, given: tuple[Json | None, Json | None, Json | None] | None) -> bool:
    """Whether metadata and configuration ask for nothing but defaults."""
    if {**HNSW_DEFAULTS, **legacy} != HNSW_DEFAULTS:
        return False
    if given is None:
        return True
    hnsw, spann, function = given
    return spann is None and {**HNSW_DEFAULTS, **(hnsw or {})} == HNSW_DEFAULTS and function == _DEFAULT_FUNCTION


def _resolved(hnsw: Json, function: Json | None, schema: Json, *, ef_search_is_set: bool | None = None) -> Resolved:
    full = {**HNSW_DEFAULTS, **hnsw}
    for place in _vector_places(schema):
        place["space"] = full["space"]
        place["hnsw"] = {name: full[name] for name in HNSW_DEFAULTS if name != "space"}
        place.pop("spann", None)
        place.pop("embedding_function", None)
        if function is not None:
            place["embedding_function"] = function
    shown = {"hnsw": {name: full[name] for name in SHOWN}, "spann": None, "embedding_function": function}
    return Resolved(shown, schema, "ef_search" in hnsw if ef_search_is_set is None else ef_search_is_set)


def _parse_configuration(configuration: Fields) -> tuple[Json | None, Json | None, Json | None]:
    """The parameters of hnsw and of spann, and the embedding function."""
    hnsw = parse_parameters(configuration.get("hnsw"), "hnsw", tuple(HNSW_DEFAULTS))
    spann = parse_parameters(configuration.get("spann"), "spann", tuple(SpannConfiguration.__annotations__))
    if hnsw is not None and spann is not None:
        raise InvalidArgumentError("Multiple vector index configurations provided")
    return hnsw, spann, parse_embedding_function(configuration.get("embedding_function"))


# --- Schemas in JSON ------------------------------------------------------------------------------
def _default_schema() -> Json:
    """The stored form of ``Schema()``, in which no embedding function is named."""
    schema = Schema().serialize_to_json()
    for place in _vector_places(schema):
        place.pop("embedding_function")
        place["hnsw"] = {name: value for name, value in HNSW_DEFAULTS.items() if name != "space"}
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


def _vector_config(schema: Fields) -> Json:
    place: Any = schema
    for name in ("keys", EMBEDDING_KEY, "float_list", "vector_index", "config"):
        place = place.get(name) or {}
    return cast(Json, place)


def _filled_schema(schema: Fields) -> Json:
    """A schema as it is stored: checked, the vector index as HNSW with all parameters; a copy.

    Raises InvalidArgumentError when it does not have the form of one, and for what a local collection does not have.
    """
    try:
        parsed = Schema.deserialize_from_json(schema)
        written = parsed.serialize_to_json()
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidArgumentError(f"Validation error: schema: {error}") from None
    if parsed.cmek is not None and not parsed.cmek.validate_pattern():
        raise InvalidArgumentError("Validation error: schema: CMEK does not match expected pattern")
    _check_sparse(written)
    filled = _default_schema() | {name: written[name] for name in ("cmek",) if name in written}
    filled["defaults"] |= written["defaults"]
    filled["keys"] |= written["keys"]
    sparse = filled["defaults"].get("sparse_vector", {}).get("sparse_vector_index")
    if sparse is not None:
        sparse["config"].setdefault("bm25", False)
    try:
        places = _vector_places(filled)
    except KeyError:
        raise InvalidArgumentError("Validation error: schema: the vector index is missing") from None
    for place in places:
        _fill_vector_config(place)
    return filled


def _fill_vector_config(place: Json) -> None:
    if place.get("spann") is not None and place.get("hnsw") is not None:
        raise InvalidArgumentError(
            "Validation error: schema: Both spann and hnsw config cannot be present at the same time."
        )
    place.pop("spann", None)
    given = parse_parameters(place.get("hnsw"), "hnsw", tuple(name for name in HNSW_DEFAULTS if name != "space"))
    place["hnsw"] = {name: (given or {}).get(name, value) for name, value in HNSW_DEFAULTS.items() if name != "space"}
    place["space"] = place.get("space") or "l2"


def _check_sparse(schema: Json) -> None:
    """InvalidArgumentError, in Chroma's words, for an index of sparse vectors where there can be none."""
    index = schema["defaults"].get("sparse_vector", {}).get("sparse_vector_index", {})
    if index.get("enabled"):
        raise InvalidArgumentError(
            "Validation error: schema: Sparse vector index cannot be enabled by default. Please enable sparse vector "
            "index on specific keys."
        )
    for key, only in (
        (DOCUMENT_KEY, "Document field cannot have any value types other than string"),
        (EMBEDDING_KEY, "Embedding field cannot have any value types other than float_list"),
    ):
        if "sparse_vector" in schema["keys"].get(key, {}):
            raise InvalidArgumentError(f"Validation error: schema: {only}: {key}")

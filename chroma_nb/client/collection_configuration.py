"""Chroma's functions between configurations and JSON, with live embedding functions: built, and registered.

Programs for Chroma call them by these names and with these arguments. Functions that need no embedding function are in
``schema/``, which the client itself uses.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any

from chroma_nb import schema
from chroma_nb.embedding_functions.registry import known_embedding_functions, register_embedding_function
from chroma_nb.operations.embed import build
from chroma_nb.schema import (
    CollectionConfiguration,
    CreateCollectionConfiguration,
    UpdateCollectionConfiguration,
    describe_embedding_function,
    json_to_create_hnsw_configuration,
    json_to_create_spann_configuration,
    json_to_update_hnsw_configuration,
    json_to_update_spann_configuration,
    overwrite_hnsw_configuration,
    overwrite_spann_configuration,
)
from chroma_nb.types import CollectionMetadata, Fields, Json

_TWO_INDEXES = "hnsw and spann cannot both be provided"


# --- From JSON --------------------------------------------------------------------------------------------
def load_collection_configuration_from_json(config_json_map: Mapping[str, object]) -> CollectionConfiguration:
    """The configuration with its embedding function, built; ValueError when that cannot be.

    >>> load_collection_configuration_from_json({"hnsw": {"space": "ip"}})["hnsw"]
    {'space': 'ip'}
    """
    _warn_of_legacy(config_json_map)
    return schema.load_collection_configuration_from_json(config_json_map, _build)


def load_collection_configuration_from_json_str(config_json_str: str) -> CollectionConfiguration:
    """As ``load_collection_configuration_from_json``, from text."""
    return load_collection_configuration_from_json(json.loads(config_json_str))


def load_create_collection_configuration_from_json(json_map: Fields) -> CreateCollectionConfiguration:
    """What of ``json_map`` a configuration for ``create_collection`` may hold; ValueError as Chroma raises it."""
    _refuse_two_indexes(json_map)
    loaded = CreateCollectionConfiguration()
    if json_map.get("hnsw") is not None:
        loaded["hnsw"] = json_to_create_hnsw_configuration(json_map["hnsw"])
    if json_map.get("spann") is not None:
        loaded["spann"] = json_to_create_spann_configuration(json_map["spann"])
    if (function := _built(json_map)) is not None:
        loaded["embedding_function"] = function
    return loaded


def load_update_collection_configuration_from_json(json_map: Fields) -> UpdateCollectionConfiguration:
    """What of ``json_map`` a configuration for ``modify`` may hold; ValueError as Chroma raises it."""
    _refuse_two_indexes(json_map)
    loaded = UpdateCollectionConfiguration()
    if json_map.get("hnsw") is not None:
        loaded["hnsw"] = json_to_update_hnsw_configuration(json_map["hnsw"])
    if json_map.get("spann") is not None:
        loaded["spann"] = json_to_update_spann_configuration(json_map["spann"])
    if (function := _built(json_map)) is not None:
        loaded["embedding_function"] = function
    return loaded


def load_update_collection_configuration_from_json_str(json_str: str) -> UpdateCollectionConfiguration:
    """As ``load_update_collection_configuration_from_json``, from text."""
    return load_update_collection_configuration_from_json(json.loads(json_str))


def _built(json_map: Fields) -> object:
    _warn_of_legacy(json_map)
    stored = json_map.get("embedding_function")
    return None if stored is None or stored.get("type") == "legacy" else _build(stored)


def _build(stored: Fields) -> object:
    return build(stored, known_embedding_functions)


def _warn_of_legacy(json_map: Fields) -> None:
    if (json_map.get("embedding_function") or {}).get("type") == "legacy":
        warnings.warn("legacy embedding function config", DeprecationWarning, stacklevel=3)


def _refuse_two_indexes(configuration: Mapping[str, object]) -> None:
    if configuration.get("hnsw") is not None and configuration.get("spann") is not None:
        raise ValueError(_TWO_INDEXES)


# --- To JSON ----------------------------------------------------------------------------------------------
def collection_configuration_to_json(config: Mapping[str, object]) -> Json:
    """The configuration as it is stored.

    >>> collection_configuration_to_json({"hnsw": {"space": "ip"}})
    {'hnsw': {'space': 'ip'}, 'spann': None, 'embedding_function': {'type': 'legacy'}}
    """
    function = config.get("embedding_function")
    described = (
        {"type": "legacy"} if function is None else describe_embedding_function(function, register_embedding_function)
    )
    return {"hnsw": config.get("hnsw"), "spann": config.get("spann"), "embedding_function": described}


def collection_configuration_to_json_str(config: Mapping[str, object]) -> str:
    """As ``collection_configuration_to_json``, as text."""
    return json.dumps(collection_configuration_to_json(config))


def create_collection_configuration_to_json(
    config: Mapping[str, object], metadata: CollectionMetadata | None = None
) -> Json:
    """The configuration for ``create_collection`` as it is sent; ValueError when it names two indexes."""
    return schema.create_collection_configuration_to_json(config, metadata, register=register_embedding_function)


def create_collection_configuration_to_json_str(
    config: Mapping[str, object], metadata: CollectionMetadata | None = None
) -> str:
    """As ``create_collection_configuration_to_json``, as text."""
    return json.dumps(create_collection_configuration_to_json(config, metadata))


def update_collection_configuration_to_json(config: Mapping[str, object]) -> Json:
    """The configuration for ``modify`` as it is sent; empty when it changes nothing."""
    return schema.update_collection_configuration_to_json(config, register=register_embedding_function)


def update_collection_configuration_to_json_str(config: Mapping[str, object]) -> str:
    """As ``update_collection_configuration_to_json``, as text."""
    return json.dumps(update_collection_configuration_to_json(config))


# --- One over another -------------------------------------------------------------------------------------
def overwrite_embedding_function(existing_embedding_function: Any, update_embedding_function: Any) -> Any:
    """The function after an update: the new one, or with a warning the old one where either is legacy.

    Raises ValueError when they are of two kinds, and what ``validate_config_update`` raises.
    """
    if existing_embedding_function.is_legacy() or update_embedding_function.is_legacy():
        warnings.warn("cannot update legacy embedding function config", DeprecationWarning, stacklevel=2)
        return existing_embedding_function
    stored, new = existing_embedding_function.name(), update_embedding_function.name()
    if stored != new:
        raise ValueError(f"Cannot update embedding function: incompatible types ({stored} vs {new})")
    update_embedding_function.validate_config_update(
        existing_embedding_function.get_config(), update_embedding_function.get_config()
    )
    return update_embedding_function


def overwrite_collection_configuration(existing_config: Fields, update_config: Fields) -> CollectionConfiguration:
    """The configuration after an update.

    >>> before = {"hnsw": {"space": "ip", "ef_search": 10}, "spann": None, "embedding_function": None}
    >>> overwrite_collection_configuration(before, {"hnsw": {"ef_search": 50}})["hnsw"]
    {'space': 'ip', 'ef_search': 50}
    """
    _refuse_two_indexes(update_config)
    function, change = existing_config.get("embedding_function"), update_config.get("embedding_function")
    if change is not None:
        function = change if function is None else overwrite_embedding_function(function, change)
    return CollectionConfiguration(
        hnsw=overwrite_hnsw_configuration(existing_config.get("hnsw"), update_config.get("hnsw")),  # type: ignore[typeddict-item]
        spann=overwrite_spann_configuration(existing_config.get("spann"), update_config.get("spann")),  # type: ignore[typeddict-item]
        embedding_function=function,
    )

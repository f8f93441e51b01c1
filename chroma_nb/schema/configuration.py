"""The configuration of a collection: as callers write it, as it is sent, and as it changes.

``CollectionConfiguration`` and its like, the dicts of JSON that mean the same, and the ``hnsw:*`` metadata of older
programs. A ``Schema`` says the same in another form; what the engine makes of both is ``resolving.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypedDict, cast

from chroma_nb import _hints
from chroma_nb.plain import plain_tree, shown
from chroma_nb.schema.embedding_function import Build, describe_embedding_function, warn_of_space
from chroma_nb.schema.parameters import HNSW_DEFAULTS, LEGACY_NAMES, SHOWN
from chroma_nb.types import SPACES, CollectionMetadata, CollectionModel, Fields, Json, Space


class HNSWConfiguration(TypedDict, total=False):
    """Parameters of the HNSW index in a ``configuration``. ``M`` is accepted in place of ``max_neighbors``."""

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
    """Parameters of the HNSW index that ``modify`` can change."""

    ef_search: int
    num_threads: int
    batch_size: int
    sync_threshold: int
    resize_factor: float


class SpannConfiguration(TypedDict, total=False):
    """Parameters of SPANN, the index of Chroma Cloud. In a local collection only ``space`` has an effect."""

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
    """Parameters of SPANN that ``modify`` can change."""

    search_nprobe: int
    ef_search: int


class CollectionConfiguration(TypedDict, total=False):
    """The configuration of a collection, with its embedding function.

    The older form works as well:
    ``CollectionConfiguration(hnsw_configuration=HNSWConfiguration(space="cosine"))``.
    """

    hnsw: HNSWConfiguration | None
    spann: SpannConfiguration | None
    embedding_function: Any


CreateCollectionConfiguration = CollectionConfiguration


class UpdateCollectionConfiguration(TypedDict, total=False):
    """The part of a configuration that ``modify`` can change."""

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


def warn_of_unknown_keys(written: Fields) -> None:
    """Warn of keys that no configuration has: Chroma ignores them, and so do we."""
    known = CollectionConfiguration.__annotations__
    for key, value in written.items():
        if key in HNSWConfiguration.__annotations__:
            example = shown({"hnsw": {key: value}}, 120)
            _hints.warn(f"A configuration has no key {key!r}, so it is ignored. Write configuration={example}.")
        elif key not in known:
            hint = _hints.meant(key, known) or f"Its keys are {', '.join(known)}."
            _hints.warn(f"A configuration has no key {shown(key, 60, repr)}, so it is ignored. {hint}")


def warn_of_other_settings(stored: CollectionModel, configuration: object, metadata: Fields | None) -> None:
    """Warn where a collection that is there already has other settings than those asked for, which are ignored."""
    try:
        written = as_configuration(configuration)
        asked = dict(written.get("hnsw") or {})
        if spann := written.get("spann"):
            asked = {name: value for name, value in spann.items() if name == "space"}
        for key, value in (metadata or {}).items():
            asked.setdefault(LEGACY_NAMES.get(key, key), value)
    except (AttributeError, TypeError, ValueError):  # it means nothing, and is ignored
        return
    has = stored.configuration_json.get("hnsw") or stored.configuration_json.get("spann") or {}
    for name in SHOWN:
        if asked.get(name) is not None and name in has and has[name] != asked[name]:
            _hints.warn(
                f"The collection {stored.name!r} exists with {name} {has[name]!r}, so {asked[name]!r} is ignored. "
                f"{_TO_CHANGE.get(name, _TO_CHANGE[''])}"
            )


#: Parameter -> how it can still be changed; "" is any other.
_TO_CHANGE: Final = {
    "": 'You can change it with collection.modify(configuration={"hnsw": {…}}).',
    **dict.fromkeys(
        ("space", "ef_construction"),
        "It cannot be changed. Create a collection under another name, and copy the records into it.",
    ),
}


def create_collection_configuration_to_json(
    configuration: object,
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
        warn_of_space(function, index.get("space") if isinstance(index, dict) else named)
    return {"hnsw": hnsw, "spann": spann, "embedding_function": described}


def load_collection_configuration_from_json(configuration_json: Fields, build: Build) -> CollectionConfiguration:
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
    configuration: object, *, register: Callable[[type], Any] | None = None
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


def overwritten(configuration_json: Fields, update: Fields) -> Json:
    """The configuration a handle shows after its own ``modify``: the update merged in as it was written.

    Another handle shows what the engine made of it (``updated``); Chroma differs so, too.
    """
    function = update.get("embedding_function") or configuration_json.get("embedding_function") or {"type": "legacy"}
    return {
        "hnsw": overwrite_hnsw_configuration(configuration_json.get("hnsw"), update.get("hnsw")),
        "spann": overwrite_spann_configuration(configuration_json.get("spann"), update.get("spann")),
        "embedding_function": function,
    }


def overwrite_hnsw_configuration(existing_hnsw_config: Json | None, update_hnsw_config: Fields | None) -> Json | None:
    """Return the parameters of an HNSW index, with those of an update that may change; None stays None.

    >>> overwrite_hnsw_configuration({"space": "ip"}, {"space": "l2", "ef_search": 50})
    {'space': 'ip', 'ef_search': 50}
    """
    return _merged(existing_hnsw_config, update_hnsw_config, UpdateHNSWConfiguration)


def overwrite_spann_configuration(
    existing_spann_config: Json | None, update_spann_config: Fields | None
) -> Json | None:
    """As ``overwrite_hnsw_configuration``, for the distributed index."""
    return _merged(existing_spann_config, update_spann_config, UpdateSpannConfiguration)


def _merged(stored: Json | None, change: Fields | None, allowed: type) -> Json | None:
    if stored is None or change is None:
        return stored
    return {**stored, **{key: value for key, value in change.items() if key in allowed.__annotations__}}


# --- Configurations as dicts of any origin: Chroma's words ------------------------------------------
def json_to_create_hnsw_configuration(json_map: Mapping[str, Any]) -> CreateHNSWConfiguration:
    """Pick the parameters of an HNSW index from ``json_map``. Raise a ValueError for an unknown space."""
    return cast(CreateHNSWConfiguration, _picked(json_map, HNSWConfiguration.__annotations__))


def json_to_create_spann_configuration(json_map: Mapping[str, Any]) -> CreateSpannConfiguration:
    """The distributed index's parameters in ``json_map`` that Chroma reads. ValueError for an unknown space."""
    return cast(CreateSpannConfiguration, _picked(json_map, _SPANN_READ))


def json_to_update_hnsw_configuration(json_map: Fields) -> UpdateHNSWConfiguration:
    """Pick the parameters of an HNSW index that may change from ``json_map``."""
    return cast(UpdateHNSWConfiguration, _picked(json_map, UpdateHNSWConfiguration.__annotations__))


def json_to_update_spann_configuration(json_map: Fields) -> UpdateSpannConfiguration:
    """What of the distributed index may change, picked from ``json_map``."""
    return cast(UpdateSpannConfiguration, _picked(json_map, UpdateSpannConfiguration.__annotations__))


_SPANN_READ: Final = ("search_nprobe", "write_nprobe", "space", "ef_construction", "ef_search", "max_neighbors")


def _picked(json_map: Fields, allowed: Iterable[str]) -> Json:
    picked = {key: json_map[key] for key in allowed if key in json_map}
    if picked.get("space", SPACES[0]) not in SPACES:
        raise ValueError(f"not a valid space: {picked['space']}")
    return picked


def populate_create_hnsw_defaults(config: CreateHNSWConfiguration, ef: Any = None) -> CreateHNSWConfiguration:
    """``config`` itself, with a default wherever it says nothing; the space is that of ``ef``, or l2.

    >>> populate_create_hnsw_defaults({"space": "ip"})["max_neighbors"]
    16
    """
    defaults = HNSW_DEFAULTS if ef is None else {**HNSW_DEFAULTS, "space": ef.default_space()}
    filled = cast(Json, config)
    filled.update({key: value for key, value in defaults.items() if filled.get(key) is None})
    return config


def create_collection_configuration_from_legacy_metadata_dict(
    metadata: Fields,
) -> CreateCollectionConfiguration:
    """The configuration that ``hnsw:*`` metadata means, defaults filled in.

    >>> create_collection_configuration_from_legacy_metadata_dict({"hnsw:space": "cosine"})["hnsw"]["space"]
    'cosine'
    """
    hnsw = json_to_create_hnsw_configuration(_without_prefix(metadata))
    return CreateCollectionConfiguration(hnsw=populate_create_hnsw_defaults(hnsw))


def update_collection_configuration_from_legacy_update_metadata(
    metadata: Fields,
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


def _without_prefix(metadata: Fields) -> Json:
    return {LEGACY_NAMES[key]: value for key, value in metadata.items() if key in LEGACY_NAMES}

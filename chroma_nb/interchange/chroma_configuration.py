"""The index configuration of a Chroma collection, from the layouts of five years of versions.

Two layouts have it: ``vector_index`` (1.0 to 1.2) and the schema (since 1.3). ``hnsw_configuration``, which 0.5 and
0.6 wrote, must be ignored: these versions stored it, but used only the ``hnsw:*`` keys of the metadata, as all before
them. All become the ``configuration_json`` that a 1.5.9 client shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chroma_nb.types import SPACES, Fields, Json

_DEFAULTS: Final[Json] = {
    "space": "l2",
    "ef_construction": 100,
    "ef_search": 100,
    "max_neighbors": 16,
    "resize_factor": 1.2,
    "sync_threshold": 1000,
}
#: Our name of a parameter, and how the metadata of a collection spells it.
_LEGACY_NAMES: Final = {
    "space": "hnsw:space",
    "ef_construction": "hnsw:construction_ef",
    "ef_search": "hnsw:search_ef",
    "max_neighbors": "hnsw:M",
    "resize_factor": "hnsw:resize_factor",
    "sync_threshold": "hnsw:sync_threshold",
}


@dataclass(frozen=True)
class StoredConfiguration:
    """``json`` has the keys hnsw, spann, embedding_function; ``ef_search_set``: somebody chose ef_search."""

    json: Json
    ef_search_set: bool

    @property
    def space(self) -> str:
        """The distance: l2, cosine or ip."""
        return str(self.json["hnsw"]["space"])

    @property
    def max_neighbors(self) -> int:
        """Neighbours per element of the HNSW index, hnswlib's M."""
        return int(self.json["hnsw"]["max_neighbors"])


def stored_configuration(
    metadata: Mapping[str, object] | None, config: Mapping[str, object] | None, schema: Fields | None
) -> StoredConfiguration:
    """The configuration of a collection from its metadata, its ``config_json_str`` and its ``schema_str``.

    >>> stored_configuration({"hnsw:space": "cosine"}, {"hnsw_configuration": {"space": "l2", "M": 9}}, None).space
    'cosine'
    >>> stored_configuration(None, {"hnsw_configuration": {"space": "cosine"}}, None).space
    'l2'
    """
    hnsw, function = _written(config or {}, schema or {})
    legacy = metadata or {}
    values = {}
    for name, default in _DEFAULTS.items():
        value = hnsw.get(name, default)
        asked = legacy.get(_LEGACY_NAMES[name])
        # From 1.0 on the configuration has taken the metadata in.
        if asked is not None and name not in hnsw:
            value = asked
        values[name] = value if _is_usable(value, default) else default
    if values["space"] not in SPACES:
        values["space"] = "l2"
    return StoredConfiguration(
        json={"hnsw": values, "spann": None, "embedding_function": function},
        ef_search_set="hnsw:search_ef" in legacy or values["ef_search"] != _DEFAULTS["ef_search"],
    )


def _is_usable(value: object, default: object) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(default, float):
        return isinstance(value, int | float)
    if isinstance(default, int):
        return isinstance(value, int) and value >= 0
    return isinstance(value, str)


def _written(config: Mapping[str, object], schema: Mapping[str, object]) -> tuple[Json, Any]:
    """The HNSW parameters as some version wrote them, by our names, and the embedding function's entry."""
    vector = _at(schema, "keys", "#embedding", "float_list", "vector_index", "config")
    if vector:
        chosen = vector.get("hnsw") or vector.get("spann")
        hnsw = dict(chosen) if isinstance(chosen, Mapping) else {}
        if "space" in vector:
            hnsw["space"] = vector["space"]
        return hnsw, _function(vector)
    index = _at(config, "vector_index")
    if index:
        chosen = index.get("hnsw") or index.get("spann")
        return dict(chosen) if isinstance(chosen, Mapping) else {}, _function(config)
    return {}, _function(config)


def _function(holder: Mapping[str, object]) -> Any:
    function = holder.get("embedding_function")
    return dict(function) if isinstance(function, Mapping) else None


def _at(tree: Mapping[str, object], *path: str) -> Fields:
    """The table at the end of the path; an empty one where something else is."""
    for key in path:
        inner = tree.get(key)
        tree = inner if isinstance(inner, Mapping) else {}
    return tree

"""Parameters of a collection's index: their defaults, their names in metadata, and what each must be.

Chroma has more of them than a local collection uses; ``IndexParameters`` are those that the engine reads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chroma_nb._hints import meant
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.plain import shown
from chroma_nb.types import SPACES, Fields, Json, Space

HNSW_DEFAULTS: Final[Json] = {
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
SHOWN: Final = ("space", "ef_construction", "ef_search", "max_neighbors", "resize_factor", "sync_threshold")
UPDATABLE: Final = ("ef_search", "max_neighbors", "num_threads", "resize_factor", "sync_threshold", "batch_size")
LEGACY_NAMES: Final = {
    "hnsw:space": "space",
    "hnsw:construction_ef": "ef_construction",
    "hnsw:M": "max_neighbors",
    "hnsw:search_ef": "ef_search",
    "hnsw:num_threads": "num_threads",
    "hnsw:batch_size": "batch_size",
    "hnsw:sync_threshold": "sync_threshold",
    "hnsw:resize_factor": "resize_factor",
}


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
    def of(cls, configuration_json: Fields, ef_search_is_set: bool) -> IndexParameters:
        """The parameters a collection's configuration names."""
        hnsw = configuration_json.get("hnsw") or configuration_json.get("spann") or {}
        named = {
            name: hnsw[name]
            for name in ("space", "max_neighbors", "ef_construction", "ef_search")
            if hnsw.get(name) is not None
        }
        return cls(**named, ef_search_is_set=ef_search_is_set)


# --- Parameters in JSON ---------------------------------------------------------------------------
def _natural(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def _at_least_two(value: Any) -> bool:
    return _natural(value) and value >= 2


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


#: Parameter -> what it must be, in words and as a test; any other is a natural number.
_EXPECTED: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    "space": ("one of `l2`, `cosine`, `ip`", lambda value: isinstance(value, str) and value in SPACES),
    "resize_factor": ("a number", _number),
}
_NATURAL: Final = ("an integer of at least 0", _natural)


def legacy_parameters(metadata: Fields) -> Json:
    """The parameters that ``hnsw:*`` keys of the metadata name; InvalidArgumentError for an unknown one."""
    found: Json = {}
    for key, value in metadata.items():
        if not key.startswith("hnsw:"):
            continue
        name = LEGACY_NAMES.get(key)
        fits = name is not None and _EXPECTED.get(name, _NATURAL)[1](value)
        if name in ("batch_size", "sync_threshold"):
            fits = _at_least_two(value)
        if name is None or not fits:
            raise InvalidArgumentError(
                f"Failed to parse hnsw parameters from segment metadata: {key!r} is "
                + (f"{value!r}" if name else f"none of {', '.join(LEGACY_NAMES)}")
            )
        found[name] = float(value) if name == "resize_factor" else value
    return found


def parse_parameters(written: object, what: str, allowed: tuple[str, ...]) -> Json | None:
    """The parameters that a JSON object gives, checked; None among them counts as not given.

    ``what`` is the object's name. Raises InvalidArgumentError for a parameter that is unknown or means nothing.
    """
    if written is None:
        return None
    if not isinstance(written, Mapping):
        raise InvalidArgumentError(f"invalid type in {what}: expected an object, got {shown(written, show=repr)}")
    parsed: Json = {}
    for name, value in written.items():
        if name not in allowed:
            raise InvalidArgumentError(
                f"unknown field `{name}` in {what}, expected one of {', '.join(f'`{one}`' for one in allowed)}"
                + (f"\n{close}" if (close := meant(name, allowed)) else "")
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

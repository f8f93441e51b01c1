"""Checks of arguments that Chroma's calls do not have: order, keys, bounds of ranges, counts, seed, distance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from numbers import Real
from operator import index

import numpy as np

from chroma_nb.advice import HALF
from chroma_nb.errors import refused
from chroma_nb.operations.bindings import UINT32_MAX
from chroma_nb.plain import are_unicode, plain, shown
from chroma_nb.query.conditions import Key, name_of
from chroma_nb.query.ordering import FIELDS, Order


def validate_order(order_by: object, descending: object) -> Order:
    """The order; ValueError unless it is a metadata key, "#id" or "#document".

    >>> validate_order("year", True)
    Order(key='year', descending=True)
    """
    key = _name(order_by)
    if key is None or (key.startswith("#") and key not in FIELDS):
        raise refused(
            ValueError(f"Expected order_by to be a metadata key, '#id' or '#document', got {_shown(order_by)}")
        )
    if type(descending) is not bool:
        raise refused(ValueError(f"Expected descending to be True or False, got {shown(descending, show=repr)}"))
    return Order(key, descending)


def validate_key(given: object) -> str:
    """The name of a metadata key; ValueError unless it is one."""
    key = _name(given)
    if key is None or key[0] in "#$":
        raise refused(ValueError(f"Expected the name of a metadata key, got {_shown(given)}"))
    return key


def validate_keys(given: object) -> list[str]:
    """One key or a list of keys; ValueError if the list is empty or one is not the name of a metadata key."""
    keys = list(map(validate_key, given if isinstance(given, list) else [given]))
    if not keys:
        raise refused(ValueError("Expected at least one metadata key, got an empty list"))
    return keys


def _name(given: object) -> str | None:
    """The name of a key or field; None if no record can have one of that name."""
    name = name_of(given) if isinstance(given, Key) else plain(given)
    return name if type(name) is str and name and are_unicode([name]) else None


def _shown(given: object) -> str:
    """The value as it was given, and what is wrong with a text."""
    name = name_of(given) if isinstance(given, Key) else plain(given)
    return shown(name, show=repr) + (f"; {HALF}" if type(name) is str and not are_unicode([name]) else "")


def validate_natural(number: object, name: str) -> int:
    """A count; ValueError unless it is an integer from 0 to 2**32 - 1."""
    value = _integer(number)
    if value is None or value < 0:
        raise ValueError(f"Expected {name} to be an integer of 0 or more, got {shown(number, show=repr)}")
    if value > UINT32_MAX:
        raise ValueError(f"Expected {name} to be below 2**32, got {shown(number, show=repr)}")
    return value


def validate_edges(edges: object) -> dict[str, list[float]] | None:
    """Keys and the bounds of their ranges, ascending; None if there are none. ValueError for anything else."""
    if edges is None:
        return None
    if not isinstance(edges, Mapping):
        raise ValueError(
            f"Expected edges as a dict of keys, each with a list of numbers, got {shown(edges, show=repr)}"
        )
    return {validate_key(key): _ascending(key, ends) for key, ends in edges.items()}


def _ascending(key: object, ends: object) -> list[float]:
    given = ends.tolist() if isinstance(ends, np.ndarray) else ends
    found = [plain(end) for end in given] if isinstance(given, Sequence) and not isinstance(given, str) else []
    numbers = all(type(end) is int or (type(end) is float and math.isfinite(end)) for end in found)
    if len(found) < 2 or not numbers or any(low >= high for low, high in pairwise(found)):
        raise ValueError(f"Expected edges of {key!r} as two or more ascending numbers, got {shown(ends, show=repr)}")
    return found


def validate_seed(seed: object) -> int:
    """The seed; ValueError unless it is an integer of 64 bits."""
    value = _integer(seed)
    if value is None or not -(2**63) <= value < 2**63:
        raise ValueError(f"Expected seed to be an integer of 64 bits, got {shown(seed, show=repr)}")
    return value


def _integer(number: object) -> int | None:
    if isinstance(number, bool):
        return None
    try:
        return int(index(plain(number)))
    except (AttributeError, TypeError):
        return None


def validate_max_distance(max_distance: object, space: str) -> float:
    """The distance; ValueError unless it is a finite number that a distance of the space can have.

    >>> validate_max_distance(1, "l2")
    1.0
    """
    kind = type(max_distance)
    if not isinstance(max_distance, Real) or kind is bool:
        raise ValueError(f"Expected max_distance to be a number, got {shown(max_distance)} ({kind.__name__})")
    try:
        farthest = float(max_distance)
    except OverflowError:
        farthest = math.inf
    if not math.isfinite(farthest):
        raise ValueError(
            f"Expected max_distance to be a finite number, got {farthest}. Leave it out for results at any distance."
        )
    if farthest < 0 and space != "ip":
        raise ValueError(
            f"Expected max_distance to be 0 or more, got {farthest}: no distance of the space {space!r} is negative"
        )
    return farthest

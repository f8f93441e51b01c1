"""Searches as they are sent: their texts are embedded, and they mean the same over HTTP."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from chroma_nb.advice import HALF
from chroma_nb.operations import embed
from chroma_nb.operations.embed import CallContext
from chroma_nb.plain import DEEPEST, PLAIN, are_unicode, plain_tree, shown
from chroma_nb.schema import EMBEDDING_KEY
from chroma_nb.types import Json, ReadLevel


def written_search(search: object) -> Json:
    """A search as JSON; TypeError for anything else."""
    if isinstance(search, Mapping):
        return cast(Json, plain_tree(dict(search)))
    written = search.to_dict() if hasattr(search, "to_dict") else None
    if not isinstance(written, dict):
        raise TypeError(f"Expected searches to be a Search or a list of Search, got {type(search).__name__}")
    return written


def known_read_level(given: ReadLevel | str) -> ReadLevel:
    """The level, which can be given by its name. ValueError for an unknown name.

    >>> known_read_level("index_only")
    <ReadLevel.INDEX_ONLY: 'index_only'>
    """
    try:
        return ReadLevel(given)
    except ValueError:
        names = ", ".join(repr(level.value) for level in ReadLevel)
        raise ValueError(f"Expected read_level to be one of {names}, got {shown(given, show=repr)}") from None


def embedded_rank(context: CallContext, rank: object, texts: list[str], levels: int = DEEPEST) -> Any:
    """The rank expression as JSON, with vectors in place of its texts; the texts are added to ``texts``."""
    if levels <= 0:
        raise _too_deep()
    if isinstance(rank, list | tuple):
        return [embedded_rank(context, part, texts, levels - 1) for part in rank]
    if not isinstance(rank, dict):
        return rank
    knn = rank.get("$knn")
    if isinstance(knn, dict) and isinstance(knn.get("query"), str):
        texts.append(knn["query"])
        return {"$knn": {**knn, "query": _embedded_text(context, knn["query"], knn.get("key", EMBEDDING_KEY))}}
    return {
        name: part if name == "$knn" else embedded_rank(context, part, texts, levels - 1) for name, part in rank.items()
    }


def _too_deep() -> ValueError:
    return ValueError("Expected a search that can be sent, got one that is nested too deeply")


def as_json(value: object, levels: int = DEEPEST) -> Any:
    """A part of a search as it is sent, so that it means the same to an engine in this process and to a server.

    Numpy's numbers become Python's, whole numbers of more than 64 bits floats. ValueError for NaN and infinity, for
    which JSON has no form; TypeError for other types that JSON does not have.
    """
    if levels <= 0:
        raise _too_deep()
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        if set(map(type, value)) == {float} and math.isfinite(sum(value)):  # most queries
            return value
        return [as_json(part, levels - 1) for part in value]
    if isinstance(value, dict):
        if not set(map(type, value)) <= {str}:
            raise TypeError("Expected the keys of a search to be strings, got a key of another type")
        return {name: as_json(part, levels - 1) for name, part in value.items()}
    if type(value) is int and not -(2**63) <= value < 2**63:
        value = float(value) if abs(value) <= sys.float_info.max else math.inf
    if type(value) is float and not math.isfinite(value):
        raise ValueError(f"Expected the numbers of a search to be finite, got {value}")
    if type(value) is str and not are_unicode([value]):
        raise ValueError(f"Expected the texts of a search to be Unicode, got {shown(value, 60, repr)}; {HALF}")
    if type(value) not in PLAIN:
        raise TypeError(
            f"Expected a search that JSON can carry, got {shown(value, 60, repr)}, a {type(value).__name__}"
        )
    return value


def _embedded_text(context: CallContext, text: str, key: Any) -> list[float] | Json:
    """The vector of a text for a key: a dense one for #embedding, else a sparse one, as JSON."""
    if key != EMBEDDING_KEY:
        return context.sparse().query(key, text).to_dict()
    vector: list[float] = embed.run(context.function(), [text], is_query=True)[0].tolist()
    return vector

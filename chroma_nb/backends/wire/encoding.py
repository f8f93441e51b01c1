"""Values as JSON: arrays, UUIDs, sparse vectors; vectors as base64. Also Chroma's own functions for it."""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from chroma_nb.types import SPARSE_VECTOR_TYPE_VALUE, TYPE_KEY, Array, Fields, Json, SparseVector


def _wire_value(value: object) -> object:
    if isinstance(value, SparseVector):
        return value.to_dict()
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"expected a value that JSON can carry, got {type(value).__name__}")


def _has_text_keys(value: object) -> bool:
    if isinstance(value, Mapping):
        return {str}.issuperset(map(type, value)) and all(map(_has_text_keys, value.values()))
    return all(map(_has_text_keys, value)) if isinstance(value, list | tuple) else True


def dumps(value: object) -> bytes:
    """``value`` as JSON; arrays, UUIDs and sparse vectors included.

    >>> dumps({"ids": ["a"], "v": np.array([0.1], np.float32)})
    b'{"ids":["a"],"v":[0.1]}'
    """
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATACLASS
    try:
        return orjson.dumps(value, default=_wire_value, option=options)
    except orjson.JSONEncodeError:
        if not _has_text_keys(value):  # the standard library would make texts of them in silence
            raise TypeError("expected metadata with str keys, got a key of another type") from None
        # orjson refuses integers beyond 64 bits and lone surrogates; the standard library sends both,
        # and the server says what it thinks of them.
        return json.dumps(value, default=_wire_value).encode()


# --- Vectors as text, metadata as JSON: also Chroma's own functions for it --------------------------------
def packed(row: Array) -> str:
    """A contiguous array of little-endian float32 as base64."""
    return binascii.b2a_base64(row.data, newline=False).decode("ascii")


def pack_embedding_safely(embedding: Sequence[float] | Array) -> str:
    """A vector as base64 of little-endian float32; what float32 cannot hold becomes infinite.

    >>> pack_embedding_safely([1.0, -2.0])
    'AACAPwAAAMA='
    """
    with np.errstate(over="ignore"):
        return packed(np.ascontiguousarray(embedding, dtype="<f4"))


def optional_embeddings_to_base64_strings(embeddings: Iterable[Any] | None) -> Any:
    """Each vector as ``pack_embedding_safely`` writes it; None stays None."""
    return optional(lambda row: None if row is None else pack_embedding_safely(row), embeddings)


def optional_base64_strings_to_embeddings(b64_strings: Iterable[str | None] | None) -> Any:
    """The vectors, as lists, that ``optional_embeddings_to_base64_strings`` wrote.

    >>> optional_base64_strings_to_embeddings(["AACAPwAAAMA=", None])
    [[1.0, -2.0], None]
    """
    return optional(
        lambda text: None if text is None else np.frombuffer(binascii.a2b_base64(text), "<f4").tolist(), b64_strings
    )


def convert_np_embeddings_to_list(embeddings: Iterable[Array]) -> list[Any]:
    """Vectors as lists."""
    return [row.tolist() for row in embeddings]


def convert_list_embeddings_to_np(embeddings: Iterable[Sequence[float]]) -> list[Array]:
    """Vectors as arrays."""
    return [np.array(row) for row in embeddings]


def serialize_metadata(metadata: Fields | None) -> Json | None:
    """Metadata with its sparse vectors as JSON objects.

    >>> serialize_metadata({"n": 1, "v": SparseVector([2], [0.5])})
    {'n': 1, 'v': {'#type': 'sparse_vector', 'indices': [2], 'values': [0.5]}}
    """
    if metadata is None:
        return None
    return {key: value.to_dict() if isinstance(value, SparseVector) else value for key, value in metadata.items()}


def deserialize_metadata(metadata: Fields | None) -> Json | None:
    """The metadata that ``serialize_metadata`` wrote."""
    return None if metadata is None else {key: _metadata_value(value) for key, value in metadata.items()}


def _metadata_value(value: Any) -> Any:
    sparse = isinstance(value, dict) and value.get(TYPE_KEY) == SPARSE_VECTOR_TYPE_VALUE
    return SparseVector.from_dict(value) if sparse else value


def optional(convert: Callable[[Any], Any], values: Any) -> Any:
    """Each of ``values`` converted; None stays None."""
    return None if values is None else [convert(value) for value in values]

"""Choose and run the embedding function of a collection, and check what it returns.

This module knows embedding functions by behaviour only: the caller passes the classes registered by name. The
functions themselves are in ``embedding_functions/``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any, Final

import numpy as np

from chroma_nb import advice
from chroma_nb.advice import advised, notes_of
from chroma_nb.cells import unmasked
from chroma_nb.embeddings import embedding_matrix, embedding_rows, validate_embeddings
from chroma_nb.operations.sparse import SparseFunctions
from chroma_nb.schema import DEFAULT_EMBEDDING_FUNCTION, EMBEDDING_KEY
from chroma_nb.types import CollectionModel, Fields, Json, Matrix

_NO_SPARSE_FUNCTIONS: Final = SparseFunctions(None, {})


@dataclass(frozen=True)
class CallContext:
    """A collection as one call needs it: its model and its embedding function.

    ``embedding_function`` and ``data_loader`` are those of the handle; ``known`` maps a stored name to
    its class (the registry of embedding functions); ``bind`` makes a function that comes in variants the
    collection's own; ``sparse`` returns what makes sparse vectors.
    """

    model: CollectionModel
    embedding_function: object = None
    data_loader: Any = None
    known: Fields = field(default_factory=dict)
    bind: Callable[[object], object] = lambda function: function
    #: Used by calls that write records or search.
    sparse: Callable[[], SparseFunctions] = lambda: _NO_SPARSE_FUNCTIONS
    #: The functions that were chosen; a call has at most one.
    asked: list[Any] = field(default_factory=list, compare=False)
    #: The query texts of each search of a call, to show them with the result.
    texts: list[str | None] = field(default_factory=list, compare=False)

    def function(self) -> object:
        """The embedding function: see ``choose``."""
        self.asked.append(self.bind(choose(self.embedding_function, self.model, self.known)))
        return self.asked[-1]

    def variant(self) -> str | None:
        """The variant of the model that embedded in this call; None if nothing was embedded, or there is only one."""
        if not self.asked or not hasattr(self.asked[-1], "for_collection"):
            return None
        found: str | None = self.asked[-1].embedding_model
        return found


def choose(embedding_function: object, model: CollectionModel, known: Mapping[str, object]) -> object:
    """The embedding function of a handle on a collection.

    In this order: the handle's, when it is not the default one; the one stored in the configuration; the
    one stored in the schema (where one without an entry means the default); the handle's.
    Raises ValueError when there is none, or when the stored one cannot be built.
    """
    if embedding_function is not None and not is_default(embedding_function):
        return embedding_function
    stored = model.configuration_json.get("embedding_function")
    if stored is not None and stored.get("type") != "legacy":
        return embedding_function if _names_the_default(stored, embedding_function) else build(stored, known)
    stored = _of_schema(model.serialized_schema)
    if stored is not None:
        return embedding_function if _names_the_default(stored, embedding_function) else build(stored, known)
    if embedding_function is None:
        raise ValueError(
            "You must provide an embedding function to compute embeddings.https://docs.trychroma.com/guides/embeddings"
        )
    return embedding_function


def is_default(embedding_function: object) -> bool:
    """Whether it is Chroma's default function, which is used when none is chosen."""
    return bool(name_of(embedding_function) == "default")


def name_of(embedding_function: Any) -> object:
    """The name the function is registered by; NotImplemented when it has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # an incomplete class raises one of these
        try:
            return embedding_function.name()
        except (AttributeError, NotImplementedError, TypeError):
            return NotImplemented


def _names_the_default(stored: Mapping[str, object], embedding_function: object) -> bool:
    """Whether the stored one is the default that the handle has already, perhaps with a model of its own."""
    return embedding_function is not None and stored.get("name") == "default"


def _of_schema(serialized_schema: Fields | None) -> Json | None:
    schema = serialized_schema or {}
    for value_types in ((schema.get("keys") or {}).get(EMBEDDING_KEY), schema.get("defaults")):
        index = ((value_types or {}).get("float_list") or {}).get("vector_index")
        if index is None:
            continue
        described = (index.get("config") or {}).get("embedding_function")
        if described is None:
            return {"type": "known", "name": DEFAULT_EMBEDDING_FUNCTION.name(), "config": {}}
        if described.get("type") == "known":
            return dict(described)
    return None


def build(stored: Fields, known: Fields) -> object:
    """The function that a collection stored as ``{"name": …, "config": …}``.

    Raises ValueError when no class is registered under the name or its class refuses the configuration.
    """
    if "name" not in stored:
        raise ValueError(f"Embedding function name not found in config: {dict(stored)}")
    name, config = stored["name"], stored.get("config") or {}
    if name not in known:
        raise ValueError(
            f"Embedding function {name} not found. Add @register_embedding_function decorator to the class definition."
        )
    cls = known[name]
    try:
        if hasattr(cls, "validate_config"):
            cls.validate_config(config)
        return cls.build_from_config(config)
    except Exception as error:  # whatever a class raises; it stays the cause
        raise ValueError(f"Could not build embedding function {name} from config {config}: {error}") from error


def run(function: Any, values: list[object], *, is_query: bool) -> Matrix:
    """The vectors that the function returns for the values: one row for each.

    Raises ValueError for any other result. Errors of the function itself are not changed.
    """
    ask = getattr(function, "embed_query", function) if is_query else function
    result = ask(input=values)
    try:
        rows = validate_embeddings(_rows(result))
    except (ValueError, TypeError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"{error}{notes_of(error)}\nIt came from the embedding function {_named(function)}.") from None
    if len(rows) != len(values):
        raise ValueError(
            f"Expected one embedding for each of {len(values)} inputs, got {len(rows)} from the embedding function "
            f"{_named(function)}"
        )
    return embedding_matrix(rows)


def _named(function: object) -> str:
    return type(function).__name__


def _rows(result: object) -> object:
    """The result as arrays; more is accepted than from a caller, as in Chroma: tuples, tensors, numbers of any type."""
    if isinstance(result, np.ndarray):
        return embedding_rows(_as_float32(result))
    if isawaitable(result) or not isinstance(result, Iterable) or isinstance(result, str | Mapping):
        raise advised(
            TypeError(f"argument 'embeddings': '{type(result).__name__}' object cannot be converted to 'Sequence'"),
            advice.for_answer(result),
        )
    rows = list(result)
    if rows and isinstance(rows[0], int | float | np.number):
        return [_as_float32(np.asarray(rows))]
    return [_as_float32(np.asarray(unmasked(row))) for row in rows]


def _as_float32(array: Any) -> object:
    """An array of numbers of another type or byte order; others as they are."""
    if array.dtype.kind not in "biuf" or array.dtype in _TAKEN:
        return array
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


_TAKEN: Final = frozenset(map(np.dtype, (np.float16, np.float32, np.float64, np.int32, np.int64)))


# --- Conflicts -----------------------------------------------------------------------------------------------
def validate_embedding_function_conflict_on_create(embedding_function: object, configuration_ef: object) -> None:
    """ValueError when the argument and the configuration name two functions."""
    if embedding_function is None or configuration_ef is None or is_default(embedding_function):
        return
    new, other = name_of(embedding_function), name_of(configuration_ef)
    if new != other:
        raise ValueError(
            "Multiple embedding functions provided. Please provide only one. "
            f"Embedding function conflict: {new} vs {other}"
        )


def validate_embedding_function_conflict_on_get(embedding_function: object, persisted_ef_config: Fields | None) -> None:
    """ValueError when the argument is another function than the collection's stored one."""
    if embedding_function is None or persisted_ef_config is None or is_default(embedding_function):
        return
    new, stored = name_of(embedding_function), persisted_ef_config.get("name")
    if stored is not None and stored != new:
        raise ValueError(
            "An embedding function already exists in the collection configuration, and a new one is provided. "
            "If this is intentional, please embed documents separately. "
            f"Embedding function conflict: new: {new} vs persisted: {stored}"
        )


def validate_embedding_function_update(embedding_function: Any, persisted_ef_config: Fields | None) -> None:
    """ValueError when a collection cannot change from its stored function to this one."""
    stored = None if persisted_ef_config is None else persisted_ef_config.get("name")
    if embedding_function is None or stored is None:
        return
    new = name_of(embedding_function)
    if new is NotImplemented:
        return
    if new != stored:
        raise ValueError(f"Cannot update embedding function: incompatible types ({stored} vs {new})")
    embedding_function.validate_config_update(
        (persisted_ef_config or {}).get("config") or {}, embedding_function.get_config()
    )

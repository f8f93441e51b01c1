"""Bring the arguments of a call into one form: ids, texts, vectors and ``include`` as lists.

Shared by ``prepare.py`` and ``asking.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import numpy as np

from chroma_nb.advice import notes_of
from chroma_nb.embeddings import embedding_matrix, embedding_rows
from chroma_nb.errors import ChromaError, DuplicateIDError, InvalidArgumentError
from chroma_nb.operations import embed
from chroma_nb.operations.embed import CallContext
from chroma_nb.operations.validate import as_column, validate_ids, validate_include
from chroma_nb.plain import PLAIN, maybe_cast_one_to_many, plain, plain_list
from chroma_nb.types import Array, Fields, Matrix, Options

#: What is embedded, in the order in which Chroma names it.
EMBEDDABLE: Final = ("images", "documents", "uris")
#: What is returned when ``include`` is not given.
GET_FIELDS: Final = ("metadatas", "documents")
QUERY_FIELDS: Final = ("metadatas", "documents", "distances")
_NO_LOADER: Final = "You must set a data loader on the collection if loading from URIs."

#: What checks raise. A subclass of one of the first four is raised as that one.
_RENAMED: Final = (OverflowError, ValueError, TypeError, AttributeError)
CHECKS: Final = (*_RENAMED, ChromaError)


def in_call(error: Exception, call: str) -> Exception:
    """The error of a check of arguments in Chroma's form: it ends with the name of the call, and advice follows.

    ``call`` "": a call that Chroma does not name.
    """
    notes = notes_of(error)
    if isinstance(error, InvalidArgumentError):  # the engine's message, which names no call
        return type(error)(f"{error}{notes}") if notes else error
    ending = f" in {call}.{notes}" if call else notes
    if isinstance(error, DuplicateIDError):
        return DuplicateIDError(f"{error}{ending}")
    kind = next((known for known in _RENAMED if isinstance(error, known)), None)
    return error if kind is None else kind(f"{error}{ending}")


def place(context: CallContext) -> tuple[UUID, str, str]:
    """The id, tenant and database of the collection of a call."""
    return context.model.id, context.model.tenant, context.model.database


def embeddable_fields(embeddings: object, documents: object, images: object, uris: object) -> Options:
    """Vectors as rows, and the fields that can be embedded as lists, by name; None for a field that is not given."""
    return {
        "embeddings": embedding_rows(embeddings if type(embeddings) in UNLABELLED else as_column(embeddings)),
        "documents": None if documents is None else texts_of(documents),
        "images": None if images is None else maybe_cast_one_to_many(as_column(images)),
        "uris": None if uris is None else texts_of(uris),
    }


def texts_of(given: object) -> Any:
    """One text or many as a list of plain str; anything else is left to the checks."""
    if type(given) is list and set(map(type, given)) <= PLAIN:
        return given
    return plain_list(maybe_cast_one_to_many(as_column(given)))


#: Types that have no labels of their own and are not columns of another library.
UNLABELLED: Final = frozenset({list, tuple, dict, str, np.ndarray, type(None)})


def embedded_field(context: CallContext, fields: Fields, embeddable: Sequence[str]) -> tuple[str, object]:
    """The field to embed and the function. ValueError when there is no function, or no loader for uris."""
    name = next(name for name in embeddable if fields[name] is not None)
    if name == "uris" and context.data_loader is None:
        raise ValueError(_NO_LOADER)
    return name, context.function()


def made_vectors(context: CallContext, function: object, fields: Fields, name: str, *, is_query: bool) -> Matrix:
    """The vectors of the field of this name; uris are loaded first."""
    values = context.data_loader(uris=fields["uris"]) if name == "uris" else fields[name]
    return embed.run(function, values, is_query=is_query)


def given_vectors(rows: Array | list[Any], call: str) -> Matrix:
    """The vectors that a call gives, as one matrix."""
    if type(rows) is np.ndarray and rows.dtype == np.float32 and rows.flags.c_contiguous:
        return rows
    try:
        return embedding_matrix(rows)
    except CHECKS as error:
        raise in_call(error, call) from error.__cause__


def ids_of(given: Any) -> list[str] | None:
    """The ids of a call: plain, at least one, without duplicates; None if no ids are given."""
    if given is None:
        return None
    if type(given) is list and set(map(type, given)) == _ONLY_TEXTS and len(set(given)) == len(given):
        return given[:]
    ids = validate_ids(texts_of(given))
    return ids[:]


_ONLY_TEXTS: Final = {str}
#: The names in ``include`` that the backend knows.
_GET_COLUMNS: Final = frozenset({"documents", "embeddings", "metadatas", "uris"})
_QUERY_COLUMNS: Final = _GET_COLUMNS | {"distances"}


def asked_fields(context: CallContext, include: Any, *, getting: bool = False) -> tuple[str, ...]:
    """The fields to request from the backend. For "data", which the client loads, these are uris and metadatas.

    ``include`` gets "uris" with "data", as in Chroma. ``getting``: there are no distances.
    """
    if include is GET_FIELDS or include is QUERY_FIELDS:
        return tuple(include)
    allowed = _GET_COLUMNS if getting else _QUERY_COLUMNS
    if type(include) is list and set(map(type, include)) <= _ONLY_TEXTS and allowed.issuperset(include):
        return tuple(include)
    validate_include(include, dissalowed=["distances"] if getting else None)
    if "data" not in include:
        return tuple(map(plain, include))
    if getting and context.data_loader is None:  # as in Chroma: get() is refused, query() returns no data
        raise ValueError(_NO_LOADER)
    if "uris" not in include:
        include.append("uris")
    fields = tuple(plain(name) for name in include if name != "data")
    return fields if "metadatas" in include else (*fields, "metadatas")

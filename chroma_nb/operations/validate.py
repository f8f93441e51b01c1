"""Chroma's validators of arguments, with its messages.

The checks of Chroma's Python side (ValueError, TypeError), public under their Chroma names; ``arguments.py`` adds the
call's name to a message. ``bindings.py`` checks what the calls of Chroma's engine take, ``additions.py`` the arguments
that only we have. Nothing here changes its arguments. Advice about a refused value comes from ``advice.py``, as a
note.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, KeysView, ValuesView
from itertools import chain
from typing import Any, Final, TypedDict, TypeGuard, cast

import numpy as np

from chroma_nb import _hints, advice
from chroma_nb.advice import advised
from chroma_nb.constraints import DOCUMENT_KEY, occurring_twice, repeated
from chroma_nb.embeddings import normalize_embeddings, validate_embeddings
from chroma_nb.plain import PLAIN, maybe_cast_one_to_many, plain, plain_list, plain_tree, shown
from chroma_nb.types import (
    SPARSE_VECTOR_TYPE_VALUE,
    TYPE_KEY,
    Documents,
    Embeddings,
    Fields,
    IDs,
    Image,
    Images,
    Include,
    Metadata,
    Metadatas,
    SparseVector,
    SparseVectors,
    UpdateMetadata,
    URIs,
    as_sparse_vector,
)

#: The metadata key under which Chroma stores the document.
META_KEY_CHROMA_DOCUMENT: Final = DOCUMENT_KEY

_EMBEDDABLE: Final = ("images", "documents", "uris")
_INCLUDABLE: Final = ("documents", "embeddings", "metadatas", "distances", "uris", "data")


class BaseRecordSet(TypedDict):
    """What can be embedded, and embeddings."""

    embeddings: Embeddings | None
    documents: Documents | None
    images: Images | None
    uris: URIs | None


class InsertRecordSet(TypedDict):
    """The fields of the records of one call."""

    ids: IDs
    metadatas: Metadatas | None
    embeddings: Embeddings | None
    documents: Documents | None
    images: Images | None
    uris: URIs | None


#: Kinds of array that hold texts or objects, and not a vector or an image.
_OF_TEXTS: Final = "OUT"
_LISTING: Final = ("to_list", "to_pylist")


# --- One or many -----------------------------------------------------------------------------------------
def get_default_embeddable_record_set_fields() -> set[str]:
    """The fields of records that can be embedded."""
    return set(_EMBEDDABLE)


def as_column(target: object) -> Any:
    """A column of a table, an array of texts or an iterator as the list it stands for; anything else as it is.

    Chroma takes each of them for one value, and refuses it; as it does tuples, which stay refused.

    >>> as_column(np.array(["a", "b"])), as_column(text for text in "ab"), as_column(("a", "b"))
    (['a', 'b'], ['a', 'b'], ('a', 'b'))
    """
    if isinstance(target, np.ndarray):
        return target.tolist() if target.ndim == 1 and target.dtype.kind in _OF_TEXTS else target
    if isinstance(target, Iterator | KeysView | ValuesView):
        return list(target)
    for method in _LISTING:  # of a Series, an Index; of an Arrow array
        if callable(getattr(type(target), method, None)):
            return getattr(target, method)()
    return target


def normalize_metadata(metadata: Metadata | None) -> Metadata | None:
    """The metadata with plain keys and values, and sparse vectors in dict form made SparseVectors; a copy.

    >>> normalize_metadata({"v": {"#type": "sparse_vector", "indices": [1], "values": [0.5]}})
    {'v': SparseVector(indices=[1], values=[0.5], labels=None)}
    """
    if metadata is None:
        return None
    entries = dict.items(metadata) if isinstance(metadata, dict) else metadata.items()
    return {plain(key): _normal_value(value) for key, value in entries}


def _normal_value(value: Any) -> Any:
    if isinstance(value, list):
        return plain_list(value)
    if isinstance(value, dict):
        value = plain_tree(value)
        return SparseVector.from_dict(value) if value.get(TYPE_KEY) == SPARSE_VECTOR_TYPE_VALUE else value
    return as_sparse_vector(value) or plain(value)


def normalize_metadatas(metadatas: Metadata | list[Metadata] | None) -> Metadatas | None:
    """``normalize_metadata`` of each, and one alone becomes a list.

    >>> normalize_metadatas({"k": 1})
    [{'k': 1}]
    """
    return normal_and_valid_metadatas(metadatas)[0]


def normal_and_valid_metadatas(metadatas: object) -> tuple[Metadatas | None, bool]:
    """As ``normalize_metadatas``, and whether a quick look has shown them to be valid."""
    if metadatas is None:
        return None, True
    many: list[Any] = metadatas if isinstance(metadatas, list) else [metadatas]
    if _are_plainly_valid(many):
        return many, True
    normal: list[Any] = []
    for position, metadata in enumerate(list.copy(many)):
        try:
            normal.append(normalize_metadata(metadata))
        except AttributeError as error:
            raise advised(error, f"Record {position}: {advice.for_metadata(metadata)}.") from None
    return normal, False


def normalize_base_record_set(
    embeddings: object = None, documents: Any = None, images: Any = None, uris: Any = None
) -> BaseRecordSet:
    """The four fields, each a list or None.

    >>> normalize_base_record_set(documents="a text")["documents"]
    ['a text']
    """
    return BaseRecordSet(
        embeddings=normalize_embeddings(embeddings),
        documents=maybe_cast_one_to_many(documents),
        images=maybe_cast_one_to_many(images),
        uris=maybe_cast_one_to_many(uris),
    )


def normalize_insert_record_set(
    ids: object,
    embeddings: Any,
    metadatas: Any = None,
    documents: object = None,
    images: object = None,
    uris: object = None,
) -> InsertRecordSet:
    """The six fields, each a list or None.

    >>> normalize_insert_record_set("a", [1, 2])["ids"]
    ['a']
    """
    return InsertRecordSet(
        ids=cast(IDs, maybe_cast_one_to_many(ids)),
        metadatas=normalize_metadatas(metadatas),
        **normalize_base_record_set(embeddings, documents, images, uris),
    )


# --- Record sets -------------------------------------------------------------------------------------------
def validate_lengths(record_set: Fields) -> None:
    """ValueError unless all fields that are given are equally long and not empty."""
    given = {}
    for name, values in record_set.items():
        if values is not None:
            given[name] = len(values)
    if not given:
        raise ValueError(f"At least one of one of {', '.join(record_set)} must be provided")
    if 0 in given.values():
        raise ValueError(f"Non-empty lists are required for {[name for name, length in given.items() if length == 0]}")
    if len(set(given.values())) > 1:
        lengths = ", ".join(f"{name}: {length}" for name, length in given.items())
        alone = record_set.get("ids")
        wrong = isinstance(alone, list) and len(alone) == 1 and not isinstance(alone[0], str)
        raise advised(
            ValueError(f"Unequal lengths for fields: {lengths}"),
            advice.for_id(alone[0], 0) if wrong and alone is not None else advice.for_lengths(given),
        )


def validate_base_record_set(record_set: BaseRecordSet | InsertRecordSet | Fields) -> None:
    """ValueError unless the fields fit together and hold what they should; uris are left to the engine."""
    validate_lengths(record_set)
    if record_set["embeddings"] is not None:
        validate_embeddings(record_set["embeddings"])
    if record_set["documents"] is not None:
        validate_documents(record_set["documents"], nullable=record_set["embeddings"] is not None)
    if record_set["images"] is not None:
        validate_images(record_set["images"])


def validate_insert_record_set(record_set: InsertRecordSet | Fields) -> None:
    """``validate_base_record_set``, and the ids and metadatas."""
    validate_base_record_set(record_set)
    validate_ids(record_set["ids"])
    if record_set["metadatas"] is not None:
        validate_metadatas_of(record_set["ids"], record_set["metadatas"])


def validate_record_set_for_embedding(
    record_set: BaseRecordSet | InsertRecordSet | Fields, embeddable_fields: Iterable[str] | None = None
) -> None:
    """ValueError unless exactly one of the embeddable fields is given, and no embeddings."""
    if record_set["embeddings"] is not None:
        raise ValueError("Attempting to embed a record that already has embeddings.")
    validate_record_set_contains_one(record_set, embeddable_fields or _EMBEDDABLE)


def validate_record_set_contains_any(
    record_set: BaseRecordSet | InsertRecordSet | Fields, contains_any: Iterable[str]
) -> None:
    """ValueError unless one of the fields, or several, are given."""
    if _given(record_set, contains_any) == 0:
        raise ValueError(f"At least one of {', '.join(contains_any)} must be provided")


def validate_record_set_contains_one(
    record_set: BaseRecordSet | InsertRecordSet | Fields, contains_one: Iterable[str]
) -> None:
    """ValueError unless exactly one of the fields is given."""
    if _given(record_set, contains_one) != 1:
        raise ValueError(f"Exactly one of {', '.join(contains_one)} must be provided")


def _given(record_set: Fields, names: Iterable[str]) -> int:
    if any(name not in record_set for name in names):
        raise ValueError(f"Invalid field in contains: {', '.join(names)}, available fields: {', '.join(record_set)}")
    return sum(record_set[name] is not None for name in names)


def validate_batch(batch: tuple[Any, ...], limits: Fields) -> None:
    """ValueError when the batch, whose first item is its ids, is larger than ``limits["max_batch_size"]``."""
    if len(batch[0]) > limits["max_batch_size"]:
        raise ValueError(f"Batch size {len(batch[0])} exceeds maximum batch size {limits['max_batch_size']}")


# --- Fields ------------------------------------------------------------------------------------------------
def validate_ids(ids: IDs) -> IDs:
    """ValueError unless a non-empty list of str; DuplicateIDError when one occurs twice.

    >>> validate_ids(["a", "b"])
    ['a', 'b']
    """
    if not isinstance(ids, list):
        raise ValueError(f"Expected IDs to be a list, got {type(ids).__name__} as IDs")
    if not ids:
        raise ValueError(f"Expected IDs to be a non-empty list, got {len(ids)} IDs")
    if set(map(type, ids)) != {str}:
        for position, id_ in enumerate(ids):
            if not isinstance(id_, str):
                raise advised(ValueError(f"Expected ID to be a str, got {shown(id_)}"), advice.for_id(id_, position))
        ids = plain_list(ids)
    if len(set(ids)) != len(ids):
        raise advised(repeated(ids), advice.for_duplicates(ids, occurring_twice(ids)))
    return ids


def validate_metadata(metadata: Metadata | None) -> Metadata | None:
    """ValueError or TypeError unless None or a non-empty dict of str to scalars or lists of one type.

    >>> validate_metadata({"year": 1969, "tags": ["moon", "apollo"]})
    {'year': 1969, 'tags': ['moon', 'apollo']}
    """
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        raise advised(
            ValueError(f"Expected metadata to be a dict or None, got {type(metadata).__name__} as metadata"),
            advice.for_metadata(metadata),
        )
    if not dict.__len__(metadata):
        raise ValueError("Expected metadata to be a non-empty dict, got 0 metadata attributes")
    for key, value in dict.items(metadata):
        key = plain(key)
        try:
            _check_entry(key, value)
        except (ValueError, TypeError) as error:
            raise advised(error, advice.for_entry(key, value)) from None
    return metadata


def _check_entry(key: object, value: object) -> None:
    if key == META_KEY_CHROMA_DOCUMENT:
        raise ValueError(f"Expected metadata to not contain the reserved key {META_KEY_CHROMA_DOCUMENT}")
    if not isinstance(key, str):
        raise TypeError(f"Expected metadata key to be a str, got {shown(key)} which is a {type(key).__name__}")
    if isinstance(value, list):
        _check_list_value(key, plain_list(value))
    elif not isinstance(value, str | int | float | SparseVector | None):
        raise ValueError(
            "Expected metadata value to be a str, int, float, bool, SparseVector, list, or None, "
            f"got {shown(value)} which is a {type(value).__name__}"
        )


def validate_update_metadata(metadata: UpdateMetadata | None) -> UpdateMetadata | None:
    """As ``validate_metadata``; in an update None deletes a key."""
    return validate_metadata(metadata)


def validate_metadatas(metadatas: Metadatas) -> Metadatas:
    """``validate_metadata`` of each of a list; thousands a millisecond when all are plain."""
    return validate_metadatas_of(None, metadatas)


def validate_metadatas_of(ids: object, metadatas: Metadatas) -> Metadatas:
    """``validate_metadatas``; an error names the record, by these ids."""
    if not isinstance(metadatas, list):
        raise ValueError(f"Expected metadatas to be a list, got {shown(metadatas)}")
    if not _are_plainly_valid(metadatas):
        for position, metadata in enumerate(metadatas):
            try:
                validate_metadata(metadata)
            except (ValueError, TypeError) as error:
                raise advice.located(error, advice.at(position, ids)) from None
    return metadatas


def _are_plainly_valid(metadatas: list[Any]) -> bool:
    """Whether a look at the sets of types and keys, instead of at each value, shows that nothing is wrong."""
    if not set(map(type, metadatas)) <= {dict, type(None)} or {} in metadatas:
        return False
    given = list(filter(None, metadatas))
    keys = set(chain.from_iterable(given))
    if META_KEY_CHROMA_DOCUMENT in keys or not set(map(type, keys)) <= {str}:
        return False
    return set(map(type, chain.from_iterable(map(dict.values, given)))) <= _PLAINLY_VALID


_PLAINLY_VALID: Final = PLAIN | {SparseVector}


def _check_list_value(key: str, value: list[object]) -> None:
    if not value:
        raise ValueError(f"Expected metadata list value for key '{key}' to be non-empty")
    kinds = set(map(type, value))
    if len(kinds) != 1 or not kinds <= {str, int, float, bool}:
        raise ValueError(
            f"Expected metadata list value for key '{key}' to contain only str, int, float, or bool "
            f"and all elements must be the same type, got {shown(value)}"
        )


def validate_documents(documents: object, nullable: bool = False) -> None:
    """ValueError unless a non-empty list of str; ``nullable`` allows None among them."""
    if not isinstance(documents, list):
        raise ValueError(f"Expected documents to be a list, got {type(documents).__name__}")
    if not documents:
        raise ValueError(f"Expected documents to be a non-empty list, got {len(documents)} documents")
    if set(map(type, documents)) <= {str}:
        return
    for position, document in enumerate(documents):
        if not isinstance(document, str) and not (document is None and nullable):
            raise advised(
                ValueError(f"Expected document to be a str, got {shown(document)}"),
                advice.for_document(document, position),
            )


def is_image(target: object) -> TypeGuard[Image]:
    """Whether it is an array of at least two dimensions."""
    return isinstance(target, np.ndarray) and target.ndim >= 2


def is_document(target: object) -> TypeGuard[str]:
    """Whether it is a str."""
    return isinstance(target, str)


def validate_images(images: object) -> None:
    """ValueError unless a non-empty list of arrays of at least two dimensions."""
    if not isinstance(images, list):
        raise ValueError(f"Expected images to be a list, got {type(images).__name__}")
    if not images:
        raise ValueError(f"Expected images to be a non-empty list, got {len(images)} images")
    for image in images:
        if not is_image(image):
            raise ValueError(f"Expected image to be a numpy array, got {shown(image)}")


def validate_sparse_vectors(vectors: SparseVectors) -> SparseVectors:
    """ValueError unless a non-empty list of SparseVector."""
    if not isinstance(vectors, list):
        raise ValueError(f"Expected sparse vectors to be a list, got {type(vectors).__name__}")
    if not vectors:
        raise ValueError(f"Expected sparse vectors to be a non-empty list, got {len(vectors)} sparse vectors")
    for position, vector in enumerate(vectors):
        if not isinstance(vector, SparseVector):
            raise ValueError(f"Expected SparseVector instance at position {position}, got {type(vector).__name__}")
    return vectors


def validate_include(include: Include, dissalowed: Include | None = None) -> None:
    """ValueError unless a list of names of fields, none of them in ``dissalowed`` (Chroma's spelling)."""
    if not isinstance(include, list):
        raise advised(
            ValueError(f"Expected include to be a list, got {shown(include)}"),
            advice.for_list(include, '["documents"]'),
        )
    for item in plain_list(include):
        if not isinstance(item, str):
            raise ValueError(f"Expected include item to be a str, got {shown(item)}")
        if item not in _INCLUDABLE:
            raise advised(
                ValueError(f"Expected include item to be one of {', '.join(_INCLUDABLE)}, got {shown(item)}"),
                _hints.meant(item, _INCLUDABLE),
            )
        if dissalowed is not None and item in dissalowed:
            raise ValueError(f"Include item cannot be one of {', '.join(dissalowed)}, got {item}")


def validate_n_results(n_results: int) -> int:
    """ValueError unless an int, TypeError unless above zero.

    >>> validate_n_results(3)
    3
    """
    if not isinstance(n_results, int):
        raise advised(
            ValueError(f"Expected requested number of results to be a int, got {shown(n_results)}"),
            f"Got {advice.with_article(n_results)}: convert it with int(…).",
        )
    if (n_results if type(n_results) is int else plain(n_results)) <= 0:
        raise advised(
            TypeError(f"Number of requested results {shown(n_results)}, cannot be negative, or zero."),
            "Write n_results=1 or more.",
        )
    return n_results

"""What may be stored: the constraints that every write has to meet, whoever calls the engine.

The engine checks each of its writes by these functions, once, before the transaction begins. They need no state, so a
caller that is about to do much work for a write (embed documents, begin a long import) can call them first. They raise
the errors of Chroma's engine and of its bindings, and do not change their arguments. ``operations/bindings.py`` checks
the arguments of calls.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from operator import index, itemgetter, methodcaller
from typing import Any, Final, TypeAlias

import numpy as np

from chroma_nb import advice
from chroma_nb.errors import DuplicateIDError, InvalidArgumentError, _InvalidNameError, refused
from chroma_nb.plain import PLAIN, are_unicode, plain, plain_list, plain_tree, shown
from chroma_nb.records import Edits, Records
from chroma_nb.types import (
    LARGEST_FLOAT32,
    SPARSE_DIMENSIONS,
    Fields,
    Float64,
    IDs,
    Ints,
    Json,
    Mask,
    Matrix,
    SparseVector,
    UpdateMetadata,
    as_sparse_vector,
)

#: The metadata key under which Chroma stores the document.
DOCUMENT_KEY: Final = "chroma:document"
_INT64: Final = (-(2**63), 2**63 - 1)
_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]")
#: Chroma's words for a value of metadata that has no form in storage, by whether the call changes records.
_NO_VALUE: Final = {
    updating: f"argument '{{}}': Cannot convert Python object to {kind}"
    for updating, kind in ((False, "MetadataValue"), (True, "UpdateMetadataValue"))
}


def check_records(records: Records, *, updating: bool, foreign: bool = False) -> Records:
    """The records as they are to be stored: numbers in their ranges, values that cannot be kept left out.

    Integers beyond 64 bits become floats; metadata that is NaN or infinite is stored as missing, as in
    Chroma. ``updating`` (update and upsert) allows None in metadata, which deletes the key.
    ``foreign``: records of another database, whose ids may be empty and whose keys may begin with anything.

    Raises InvalidArgumentError for an empty id, vectors that are not finite, keys that are empty or
    begin with "#" or "$"; TypeError for what has no form in storage; UnicodeEncodeError for an id, a document, a uri or
    a key with half of a surrogate pair; DuplicateIDError.
    """
    ids, vectors, metadatas = _checked_ids(records.ids, foreign), records.embeddings, records.metadatas
    if vectors is not None:
        check_finite(vectors, records.has_embedding)
    uris = None if records.uris is None else _texts(records.uris, "uris", ids)
    documents = None if records.documents is None else _texts(records.documents, "documents", ids)
    if metadatas is not None:
        metadatas = _storable_metadatas(ids, metadatas, updating, foreign)
    return Records(ids, vectors, documents, metadatas, uris, records.has_embedding)


def check_edits(edits: Edits) -> Edits:
    """The edits with their records as they are to be stored: see ``check_records``."""
    update, add, upsert = edits.update, edits.add, edits.upsert
    return replace(
        edits,
        update=check_records(update, updating=True) if update.ids else update,
        add=check_records(add, updating=False) if add.ids else add,
        upsert=check_records(upsert, updating=True) if upsert.ids else upsert,
    )


def _checked_ids(given: object, foreign: bool) -> IDs:
    """The ids, plain; TypeError unless all are str, DuplicateIDError when one occurs twice."""
    ids: IDs = given if type(given) is list and set(map(type, given)) == {str} else plain_list(given)
    if set(map(type, ids)) - {str}:
        position, wrong = next((place, id_) for place, id_ in enumerate(ids) if type(id_) is not str)
        raise refused(
            TypeError(f"argument 'ids': expected str, got {type(wrong).__name__}\n{advice.for_id(wrong, position)}")
        )
    check_unicode(ids, "the id")
    if not foreign and "" in ids:
        raise InvalidArgumentError("Empty ID, ID must have at least one character")
    if len(set(ids)) != len(ids):
        raise repeated(ids)
    return ids


def check_unicode(texts: Sequence[str | None], what: str, ids: Sequence[str] | None = None) -> None:
    """UnicodeEncodeError, as of Chroma's bindings, for the first text that UTF-8 cannot hold; None is passed over.

    ``what`` the texts are, and the ``ids`` of their records, for the sentence below Chroma's.
    """
    if all(map(str.isascii, filter(None, texts))):
        return
    for position, text in enumerate(texts):
        _check_one(text or "", f"{advice.at(position, ids)}, {what}")


def occurring_twice(ids: Sequence[str]) -> list[str]:
    """The ids that occur more than once."""
    seen: set[str] = set()
    return list(dict.fromkeys(id_ for id_ in ids if id_ in seen or seen.add(id_)))  # type: ignore[func-returns-value]  # the idiom of "not seen before"


def repeated(ids: Sequence[str]) -> DuplicateIDError:
    """What is said of ids of which some occur more than once."""
    twice = occurring_twice(ids)
    if len(twice) < 10:
        return DuplicateIDError(f"Expected IDs to be unique, found duplicates of: {', '.join(map(shown, twice))}")
    examples = f"{', '.join(map(shown, twice[:5]))}, ..., {', '.join(map(shown, twice[-5:]))}"
    return DuplicateIDError(f"Expected IDs to be unique, found {len(twice)} duplicated IDs: {examples}")


def check_uris(uris: Sequence[object]) -> None:
    """TypeError unless all are str or None, UnicodeEncodeError for what UTF-8 cannot hold."""
    _texts(uris, "uris")


def _texts(values: Sequence[Any], name: str, ids: IDs | None = None) -> Sequence[str | None]:
    """The texts, plain; TypeError unless all are str or None, UnicodeEncodeError for what UTF-8 cannot hold."""
    texts = values if set(map(type, values)) <= _TEXT_OR_NONE else list(map(plain, values))
    for position, value in enumerate(() if texts is values else texts):
        if type(value) not in _TEXT_OR_NONE:
            raise refused(
                TypeError(
                    f"argument '{name}': '{type(values[position]).__name__}' object cannot be converted to 'PyString'\n"
                    f"The value at position {position} is not a str: {advice.for_text(values[position])}."
                )
            )
    check_unicode(texts, f"the {name.removesuffix('s')}", ids)
    return texts


_TEXT_OR_NONE: Final = frozenset({str, type(None)})


def check_finite(embeddings: Matrix, present: Mask | None = None) -> None:
    """InvalidArgumentError when a vector holds NaN or infinity; ``present`` says which rows count."""
    if present is not None:
        embeddings = embeddings[present]
    with np.errstate(over="ignore", invalid="ignore"):
        total = embeddings.sum()
    # A sum that is not finite may be one that overflowed: only then each number is looked at.
    if not np.isfinite(total) and not np.isfinite(embeddings).all():
        raise InvalidArgumentError("Validation error: embeddings: Embeddings must not contain NaN or Infinity values")


# --- Metadata of records ---------------------------------------------------------------------------------------------
_Metadatas: TypeAlias = Sequence[UpdateMetadata | None]


def _storable_metadatas(ids: IDs, metadatas: _Metadatas, updating: bool, foreign: bool) -> _Metadatas:
    keys = set(chain.from_iterable(filter(None, metadatas)))
    if not set(map(type, keys)) <= {str}:
        metadatas = [one and {plain(key): value for key, value in one.items()} for one in metadatas]
        keys = set(chain.from_iterable(filter(None, metadatas)))
    # A look at all keys, then at all values together; at each only where something is to be said or changed.
    plainly = set(map(type, keys)) <= {str} and _RESERVED.isdisjoint(map(_BEGINNING, keys))
    if not foreign and (not plainly or DOCUMENT_KEY in keys):
        _check_keys(ids, metadatas)
    if not (all(map(str.isascii, keys)) or are_unicode(keys)):
        for position, metadata in enumerate(metadatas):
            for key in metadata or ():
                _check_one(key, f"{advice.at(position, ids)}, a key of its metadata")
    if _are_storable(metadatas):
        return metadatas
    return [
        _storable(metadata, updating, "metadatas", (position, ids)) if metadata else metadata
        for position, metadata in enumerate(metadatas)
    ]


#: What keys must not begin with; an empty one begins with nothing.
_RESERVED: Final = frozenset({"", "#", "$"})
_BEGINNING: Final = itemgetter(slice(0, 1))


def _check_keys(ids: IDs, metadatas: _Metadatas) -> None:
    """InvalidArgumentError that names the first key that metadata cannot have."""
    for position, metadata in enumerate(metadatas):
        for key in metadata or ():
            if type(key) is not str or key == DOCUMENT_KEY or key[:1] in _RESERVED:
                raise InvalidArgumentError(
                    f"Validation error: metadatas: Invalid metadata at index {position}\n{advice.at(position, ids)}, "
                    f"key {shown(key, 60)!r}: a key is a str that is not empty and does not begin with '#' or '$'."
                )


def _are_storable(metadatas: _Metadatas) -> bool:
    """Whether all values are strings, bools, finite floats, integers of 64 bits and sparse vectors that are right."""
    values = list(chain.from_iterable(map(methodcaller("values"), filter(None, metadatas))))
    kinds = set(map(type, values))
    if not kinds <= {str, int, float, bool, SparseVector}:
        return False
    if SparseVector in kinds and not _are_right([value for value in values if type(value) is SparseVector]):
        return False
    if str in kinds:
        texts = values if len(kinds) == 1 else [value for value in values if type(value) is str]
        if not (all(map(str.isascii, texts)) or are_unicode(texts)):
            return False
    if int in kinds:
        integers = [value for value in values if type(value) is int]
        if min(integers) < _INT64[0] or max(integers) > _INT64[1]:
            return False
    return float not in kinds or math.isfinite(sum([value for value in values if type(value) is float]))


#: The position of a record among these ids; None for the metadata of a collection.
_Place: TypeAlias = tuple[int, Sequence[str]] | None


def _storable(metadata: Fields, updating: bool, argument: str, place: _Place = None) -> Json:
    stored: Json = {}
    no_value = _NO_VALUE[updating].format(argument)
    for key, value in metadata.items():
        value = plain(value)
        try:
            if value is None and not updating:
                raise refused(TypeError(no_value))
            if place is not None and (vector := as_sparse_vector(value)) is not None:
                stored[key] = _storable_vector(key, vector, *place)
            elif isinstance(value, list):
                stored[key] = _storable_list(key, plain_list(value), argument, no_value)
            elif value is None or (type(value) is float and not math.isfinite(value)):
                # NaN and infinity have no form in JSON: Chroma stores them as missing, whatever was there before.
                if updating:
                    stored[key] = None
            else:
                stored[key] = _storable_scalar(value, no_value)
        except TypeError as error:
            where = f"{advice.at(*place)}, " if place else ""
            raise refused(TypeError(f"{error}\n{where}{advice.for_entry(key, value)}.")) from None
    return stored


def _storable_vector(key: str, vector: SparseVector, position: int, ids: Sequence[str]) -> SparseVector:
    """The vector, of plain lists; its dimensions ascend and are below 2**32, its values are numbers of float32."""
    try:
        made = SparseVector(vector.indices, vector.values, vector.labels)
        made.indices, made.values = list(map(int, made.indices)), [value + 0 for value in made.values]  # True is 1
        if not _are_right([made]):
            raise ValueError(_wrong_part(made))
    except (TypeError, ValueError) as error:  # what cannot be compared is a TypeError
        raise InvalidArgumentError(
            f"Validation error: metadatas: Invalid metadata at index {position}\n{advice.at(position, ids)}, "
            f"key {shown(key, 60)!r}: {error}"
        ) from None
    return made


def _wrong_part(vector: SparseVector) -> str:
    """What cannot be stored of a vector whose parts fit together."""
    for position, dimension in enumerate(vector.indices):
        if dimension >= SPARSE_DIMENSIONS:
            return f"SparseVector indices must be below 2**32, got {shown(dimension)} at position {position}"
    for position, number in enumerate(vector.values):
        if not abs(number) <= LARGEST_FLOAT32:
            return (
                f"SparseVector values must be numbers that float32 can hold, got {shown(number)} at position {position}"
            )
    return f"SparseVector labels must be texts; {advice.HALF}"


def _are_right(vectors: list[SparseVector]) -> bool:
    """Whether sparse vectors can be stored: by a look at all of their entries together."""
    indices, values = [vector.indices for vector in vectors], [vector.values for vector in vectors]
    labelled = [vector for vector in vectors if vector.labels is not None]
    labels: list[Any] = [vector.labels for vector in labelled]
    if set(map(type, chain(indices, values, labels))) != {list}:
        return False
    lengths = list(map(len, indices))
    if lengths != list(map(len, values)) or list(map(len, labels)) != [len(vector.indices) for vector in labelled]:
        return False
    if not set(map(type, chain.from_iterable(labels))) <= {str}:
        return False
    try:
        # That all are numbers, a sum tells in a third of the time that a look at the type of each takes.
        sums = sum(chain.from_iterable(indices)), sum(chain.from_iterable(values), 0.0)
        if (type(sums[0]), type(sums[1])) != (int, float):
            return False
        dimensions = np.fromiter(chain.from_iterable(indices), np.int64, sum(lengths))
        numbers = np.fromiter(chain.from_iterable(values), np.float64, sum(lengths))
    except (OverflowError, TypeError):
        return False
    # A sum takes True for 1.
    if (dimensions <= 1).any() and bool in set(map(type, chain.from_iterable(indices))):
        return False
    return _are_in_range(dimensions, numbers, np.array(lengths)) and are_unicode(chain.from_iterable(labels))


def _are_in_range(dimensions: Ints, numbers: Float64, lengths: Ints) -> bool:
    """Whether the dimensions of each vector ascend and are those of Chroma, and float32 can hold the numbers."""
    if not len(dimensions):
        return True
    ends = np.cumsum(lengths)
    rises = np.diff(dimensions) > 0
    rises[ends[(ends > 0) & (ends < len(dimensions))] - 1] = True  # from one vector to the next
    within = int(dimensions.min()) >= 0 and int(dimensions.max()) < SPARSE_DIMENSIONS
    return within and bool(rises.all()) and bool(np.abs(numbers).max() <= LARGEST_FLOAT32)


def _storable_list(key: str, values: list[object], argument: str, no_value: str) -> list[Any]:
    if not values:
        raise InvalidArgumentError(f"Validation error: {argument}: the list under {key!r} is empty")
    stored = [_storable_scalar(value, no_value) for value in values]
    if float in set(map(type, stored)):
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in stored):
            raise InvalidArgumentError(f"Validation error: {argument}: the list under {key!r} holds NaN or infinity")
        return [float(value) for value in stored]
    if len(set(map(type, stored))) != 1:
        raise InvalidArgumentError(f"Validation error: {argument}: the list under {key!r} holds several types")
    return stored


def _storable_scalar(value: Any, no_value: str) -> str | int | float | bool:
    if type(value) is int and not _INT64[0] <= value <= _INT64[1]:
        return _wide_int(value, no_value)
    if type(value) in (bool, int, float) or (type(value) is str and are_unicode([value])):
        return value  # type: ignore[no-any-return]  # one of the four
    raise refused(TypeError(no_value))


def _wide_int(value: int, no_value: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise refused(TypeError(f"{no_value}: the integer is too large")) from None


# --- Names, and the metadata of collections ------------------------------------------------------------------------
def check_collection_name(name: object, argument: str = "name") -> str:
    """The name; InvalidArgumentError (also a ValueError) unless Chroma allows it, TypeError unless a str.

    >>> check_collection_name("papers-2024")
    'papers-2024'
    """
    name = plain(name)
    if type(name) is not str:
        raise refused(TypeError(f"argument '{argument}': expected str, got {type(name).__name__}"))
    _check_one(name, f"Argument '{argument}'")
    if not _NAME.fullmatch(name):
        raise _InvalidNameError(
            f"Validation error: {argument}: Expected a name containing 3-512 characters from [a-zA-Z0-9._-], "
            f"starting and ending with a character in [a-zA-Z0-9]. Got: {shown(name)}"
        )
    if ".." in name:
        raise _InvalidNameError(
            f"Validation error: {argument}: Expected a name that does not contains two consecutive periods (..). "
            f"Got {name}"
        )
    if _is_ip_address(name):
        raise _InvalidNameError(
            f"Validation error: {argument}: Expected a name that is not a valid ip address. Got {name}"
        )
    return name


def _check_one(text: str, where: str) -> None:
    """UnicodeEncodeError, as of Chroma's bindings, for a text that UTF-8 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        error.reason += f"\n{where}: {advice.HALF}."
        raise refused(error) from None


def _is_ip_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def check_collection_metadata(metadata: Any, argument: str = "metadata", *, updating: bool = False) -> Any:
    """The metadata of a collection as it is stored; None stays None.

    Raises InvalidArgumentError when it is empty or a key is empty or begins with "#" or "$", TypeError
    unless a dict of str to str, int, float or bool. ``updating`` leaves out keys whose value is None.
    """
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        raise refused(TypeError(f"argument '{argument}': expected a dict, got {type(metadata).__name__}"))
    metadata = collection_metadata(metadata)
    if not metadata:
        raise InvalidArgumentError(f"Validation error: {argument}: Metadata cannot be empty")
    for key in metadata:
        if type(key) is not str:
            raise refused(TypeError(f"argument '{argument}': expected str as key, got {type(key).__name__}"))
        _check_one(key, f"Argument '{argument}', a key")
        if not key:
            raise InvalidArgumentError(f"Validation error: {argument}: Metadata key cannot be empty")
        if key[0] in "#$":
            raise InvalidArgumentError(
                f"Validation error: {argument}: Metadata key cannot start with '#' or '$': {shown(key)}"
            )
    for key, value in metadata.items():
        if isinstance(value, list):
            raise InvalidArgumentError(
                f"Validation error: {argument}: the metadata of a collection holds no lists, got one under {key!r}"
            )
    return {key: value for key, value in _storable(metadata, updating, argument).items() if value is not None}


def collection_metadata(metadata: object) -> Any:
    """The metadata of a collection as plain values; what is no dict as it is.

    Chroma's bindings take more here than in the metadata of records: what numpy's numbers and Decimal
    stand for is stored.

    >>> collection_metadata({"year": np.int64(1969), "mean": np.float32(0.5)})
    {'year': 1969, 'mean': 0.5}
    """
    if not isinstance(metadata, dict):
        return metadata
    return {plain(key): _as_number(plain_tree(value)) for key, value in dict.items(metadata)}


def _as_number(value: Any) -> Any:
    if type(value) in PLAIN or isinstance(value, list | dict):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    for method, convert in (("__index__", index), ("__float__", float)):
        if hasattr(type(value), method):
            try:
                return plain(convert(value))
            except (TypeError, ValueError, OverflowError):
                continue
    return value


def check_database_name(name: object) -> str:
    """The name; InvalidArgumentError unless it has three characters, TypeError unless a str."""
    return _checked_length(name, "database name must be at least 3 characters")


def check_tenant_name(name: object) -> str:
    """The name; InvalidArgumentError unless it has three characters, TypeError unless a str."""
    return _checked_length(name, "Validation error: name: Validation error: length below 3 characters")


def _checked_length(name: object, too_short: str) -> str:
    name = plain(name)
    if type(name) is not str:
        raise refused(TypeError(f"argument 'name': expected str, got {type(name).__name__}"))
    if len(name) < 3:
        raise _InvalidNameError(too_short)
    return name

"""Records: ids with any of embeddings, documents, metadatas and uris, as columns; and one record as a row.

What a call writes, what a file or a frame holds and what ``get`` returns are these columns. This module also selects
some of the records, and joins several lots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from operator import methodcaller
from typing import Any, Final, Literal, TypeAlias, overload

import numpy as np
import numpy.typing as npt
import orjson

from chroma_nb.errors import InvalidArgumentError
from chroma_nb.types import (
    SPARSE_VECTOR_TYPE_VALUE,
    TYPE_KEY,
    Columns,
    IDs,
    Json,
    Mask,
    Matrix,
    Metadata,
    SparseVector,
    UpdateMetadata,
    Vector,
)

#: A field of texts or metadata.
Column: TypeAlias = Literal["documents", "metadatas", "uris"]
COLUMNS: Final[tuple[Column, ...]] = ("documents", "metadatas", "uris")
#: All fields, as ``include`` of ``get`` names them.
FIELDS: Final = ("embeddings", *COLUMNS)
#: An entry of a sparse vector: a dimension and a value, as JSON.
_BYTES_OF_ENTRY: Final = 20


@dataclass(frozen=True, eq=False)
class Record:
    """One record with everything it has."""

    id: str
    embedding: Any = None
    document: str | None = None
    metadata: Metadata | None = None
    uri: str | None = None

    def same_text(self, other: Record | None) -> bool:
        """Whether document, uri and metadata are the same, values and types; no metadata and empty ones are."""
        return other is not None and _text(self) == _text(other)


def _text(record: Record) -> tuple[object, ...]:
    return record.document, record.uri, {key: (type(value), value) for key, value in (record.metadata or {}).items()}


# --- Metadata as JSON ---------------------------------------------------------------------------------------------
def _sparse_as_json(value: object) -> Json:
    """A sparse vector as Chroma's API writes it; float32 in its shortest form, which reads as the same float32."""
    if not isinstance(value, SparseVector):
        raise TypeError(f"expected a value that JSON can carry, got {type(value).__name__}")
    form = value.to_dict()
    form["values"] = np.array(value.values, np.float32)
    return form


#: How metadata becomes JSON, at rest and in files: what follows it in a call of ``orjson.dumps``.
AS_JSON: Final = (_sparse_as_json, orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATACLASS)


def with_sparse_vectors(metadata: Json) -> Json:
    """Metadata as JSON holds it, changed: its sparse vectors as such. KeyError for half of one.

    >>> with_sparse_vectors({"v": {"#type": "sparse_vector", "indices": [2], "values": [0.5]}, "text": "#type"})
    {'v': SparseVector(indices=[2], values=[0.5], labels=None), 'text': '#type'}
    """
    for key, value in metadata.items():
        if type(value) is dict and value.get(TYPE_KEY) == SPARSE_VECTOR_TYPE_VALUE:
            metadata[key] = SparseVector.as_given(value["indices"], value["values"], value.get("tokens"))
    return metadata


#: So many records are decoded at a time: their dicts are read while the processor still has them, then forgotten.
_DECODED_AT_ONCE: Final = 10_000


class StoredMetadatas(Sequence["Json | None"]):
    """Metadata as it is stored: JSON for each record, or None, decoded a piece at a time by whoever reads it.

    ``decode`` gives what readers see of a piece. A table of a million records never holds a dict for each.
    """

    def __init__(
        self, stored: Sequence[bytes | None], decode: Callable[[Sequence[bytes | None]], list[Json | None]]
    ) -> None:
        self._stored, self._decode = stored, decode

    def __len__(self) -> int:
        return len(self._stored)

    @overload
    def __getitem__(self, place: int) -> Json | None: ...
    @overload
    def __getitem__(self, place: slice) -> StoredMetadatas: ...
    def __getitem__(self, place: int | slice) -> Json | StoredMetadatas | None:
        if isinstance(place, slice):
            return StoredMetadatas(self._stored[place], self._decode)
        return self._decode([self._stored[place]])[0]

    def __iter__(self) -> Iterator[Json | None]:
        return chain.from_iterable(self.pieces())

    def pieces(self) -> Iterator[list[Json | None]]:
        """The metadata in order, some thousand records at a time."""
        return (decoded for _, decoded in self._pieces())

    def encoded(self) -> Iterator[bytes | None]:
        """The JSON of what readers see; refused as ``pieces`` refuses it when it is damaged."""
        for stored, decoded in self._pieces():
            whole = b",".join([b"null" if one is None else one for one in stored])
            if orjson.dumps(decoded, *AS_JSON) == b"[%b]" % whole:
                yield from stored
            else:  # some of it is not shown, or somebody else has written it
                yield from [None if metadata is None else orjson.dumps(metadata, *AS_JSON) for metadata in decoded]

    def _pieces(self) -> Iterator[tuple[Sequence[bytes | None], list[Json | None]]]:
        for start in range(0, len(self._stored), _DECODED_AT_ONCE):
            piece = self._stored[start : start + _DECODED_AT_ONCE]
            yield piece, self._decode(piece)


@dataclass(frozen=True)
class Records:
    """Records as columns.

    Every field is None (not given) or as long as ``ids``. ``embeddings`` is a float32 array of shape (n, dimension);
    rows where ``has_embedding`` is False hold no vector (``has_embedding`` None: all rows hold one). A None inside
    ``documents``, ``metadatas`` or ``uris`` means "nothing given for this record".
    """

    ids: IDs
    embeddings: Matrix | None = None
    documents: Sequence[str | None] | None = None
    metadatas: Sequence[UpdateMetadata | None] | None = None
    uris: Sequence[str | None] | None = None
    has_embedding: Mask | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of_result(cls, found: Columns) -> Records:
        """What ``get`` returned, of this library or another. A lost vector counts as no vector.

        >>> Records.of_result({"ids": ["a"], "documents": ["one"], "embeddings": [[1, 2]]}).matrix
        array([[1., 2.]], dtype=float32)
        """
        vectors = has = None
        if found.get("embeddings") is not None:
            has = have_vectors(found["embeddings"])
            vectors = _matrix(found["embeddings"], has)
        return cls(
            list(found["ids"]),
            vectors,
            found.get("documents"),
            found.get("metadatas"),
            found.get("uris"),
            None if has is None or has.all() else has,
        )

    @classmethod
    def of(cls, rows: Sequence[Record]) -> Records:
        """These records, as columns; all that have a vector have one of the same length."""
        has = np.array([one.embedding is not None for one in rows], np.bool_)
        given = [one.embedding for one in rows if one.embedding is not None]
        return cls(
            [one.id for one in rows],
            _matrix([one.embedding for one in rows], has) if given else None,
            [one.document for one in rows],
            [one.metadata or None for one in rows],
            [one.uri for one in rows],
            has_embedding=None if not given or has.all() else has,
        )

    def rows(self) -> Iterator[Record]:
        """One record after the other."""
        vectors: Iterable[object] = [None] * len(self)
        if self.embeddings is not None:
            vectors = self.embeddings if self.has_embedding is None else self._vectors_or_none(self.has_embedding)
        return map(Record, self.ids, vectors, *map(self.column, COLUMNS))

    def _vectors_or_none(self, has: Mask) -> Iterable[object]:
        return [row if given else None for row, given in zip(self.matrix, has.tolist(), strict=True)]

    # --- What is there ---

    @property
    def matrix(self) -> Matrix:
        """The embeddings of records that were given some."""
        if self.embeddings is None:
            raise AssertionError("these records have no embeddings")
        return self.embeddings

    def with_vector(self) -> Mask:
        """Which of the records have a vector."""
        if self.embeddings is None:
            return np.zeros(len(self.ids), np.bool_)
        return np.ones(len(self.ids), np.bool_) if self.has_embedding is None else self.has_embedding

    def column(self, name: Column) -> Sequence[Any]:
        """A field; where it was not given, a None for each record."""
        values: Sequence[object] | None = getattr(self, name)
        return [None] * len(self.ids) if values is None else values

    def given(self, name: Column) -> list[bool]:
        """Which of the records have something in this field."""
        values: Sequence[object] | None = getattr(self, name)
        return [False] * len(self.ids) if values is None else [value is not None for value in values]

    @property
    def nbytes(self) -> int:
        """About the bytes that vectors and texts take."""
        found = 0 if self.embeddings is None else self.embeddings.nbytes
        for texts in (self.ids, self.documents, self.uris):
            found += sum(map(len, filter(None, texts or ())))
        metadatas = list(filter(None, self.metadatas or ()))
        found += sum(map(len, chain.from_iterable(metadatas)))
        for value in chain.from_iterable(map(methodcaller("values"), metadatas)):
            if isinstance(value, str | list):
                found += len(value)
            else:  # a number, most times: no call for each
                found += _BYTES_OF_ENTRY * len(value.indices) if isinstance(value, SparseVector) else 8
        return found

    # --- Some of them, or more ---

    def take(self, places: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Records:
        """The records at these places, in this order; the very same where that is all of them.

        >>> Records(["a", "b"], documents=["one", "two"]).take([1]).documents
        ['two']
        """
        index = np.asarray(places, np.intp)
        if len(index) == len(self.ids) and bool((index == np.arange(len(index))).all()):
            return self
        chosen = index.tolist()
        texts: list[Any] = [
            None if values is None else [values[at] for at in chosen]
            for values in (self.documents, self.metadatas, self.uris)
        ]
        has = None if self.has_embedding is None else self.has_embedding[index]
        vectors = None if self.embeddings is None else self.embeddings[index]
        return Records([self.ids[at] for at in chosen], vectors, texts[0], texts[1], texts[2], has)

    def in_order_of(self, ids: Iterable[str]) -> Records:
        """The records with these ids, in this order; ids that are not there are left out.

        >>> Records(["a", "b"], documents=["one", "two"]).in_order_of(["b", "c", "a"]).documents
        ['two', 'one']
        """
        at = {name: place for place, name in enumerate(self.ids)}
        return self.take([at[name] for name in ids if name in at])

    def slice(self, start: int, stop: int) -> Records:
        """The records from one place to before another; of the vectors no copy is made."""
        if start <= 0 and stop >= len(self.ids):
            return self
        columns = (self.embeddings, self.documents, self.metadatas, self.uris, self.has_embedding)
        some: list[Any] = [None if values is None else values[start:stop] for values in columns]
        return Records(self.ids[start:stop], *some)

    def pieces(self, size: int) -> Iterator[Records]:
        """The records in order, at most ``size`` at a time."""
        for start in range(0, len(self.ids), size):
            yield self.slice(start, start + size)

    def pruned(self) -> Records:
        """The same records, without fields in which nothing is given: Chroma's methods take none such.

        >>> Records(["a"], documents=[None], uris=["file:a"]).pruned().documents is None
        True
        """
        vectors, has = self.embeddings, self.has_embedding
        if has is not None and not has.any():
            vectors = None
        texts: list[Any] = [
            None if values is None or values.count(None) == len(values) else values
            for values in (self.documents, self.metadatas, self.uris)
        ]
        has = None if vectors is None or has is None or has.all() else has
        return Records(self.ids, vectors, texts[0], texts[1], texts[2], has)

    @staticmethod
    def concat(parts: Sequence[Records]) -> Records:
        """Records one lot after another. InvalidArgumentError when their vectors are of several dimensions.

        >>> Records.concat([Records(["a"]), Records(["b"], documents=["two"])]).documents
        [None, 'two']
        """
        parts = [part for part in parts if len(part)]
        if len(parts) < 2:
            return parts[0] if parts else NO_RECORDS
        texts: list[Any] = [
            [value for part in parts for value in part.column(name)]
            if any(getattr(part, name) is not None for part in parts)
            else None
            for name in COLUMNS
        ]
        found = Records([one for part in parts for one in part.ids], None, texts[0], texts[1], texts[2])
        dimensions = sorted({part.embeddings.shape[1] for part in parts if part.embeddings is not None})
        if len(dimensions) > 1:
            raise InvalidArgumentError(
                f"expected embeddings of one dimension, got {' and '.join(map(str, dimensions))}"
            )
        if not dimensions:
            return found
        vectors, start = np.zeros((len(found), dimensions[0]), np.float32), 0
        for part in parts:
            if part.embeddings is not None:
                vectors[start : start + len(part)] = part.embeddings
            start += len(part)
        has = np.concatenate([part.with_vector() for part in parts])
        return replace(found, embeddings=vectors, has_embedding=None if has.all() else has)


def have_vectors(embeddings: Matrix | Sequence[Vector | Sequence[float | None] | None]) -> Mask:
    """Which rows of an answer's ``embeddings`` are vectors: those of records that have lost theirs are NaN (or None).

    >>> have_vectors(np.array([[1.0, 2.0], [np.nan, np.nan]]))
    array([ True, False])
    """
    if isinstance(embeddings, np.ndarray) and embeddings.ndim == 2 and embeddings.dtype != object:
        return np.asarray(~np.isnan(embeddings[:, 0])) if embeddings.shape[1] else np.zeros(len(embeddings), np.bool_)
    return np.array(
        [row is not None and len(row) > 0 and row[0] is not None and not np.isnan(row[0]) for row in embeddings],
        np.bool_,
    )


def _matrix(rows: Any, has: Mask) -> Matrix:
    """Vectors as one array of float32, in which those that a record does not have are zeros (or NaN, as they were)."""
    if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.dtype != object:
        return np.ascontiguousarray(rows, np.float32)
    given = [row for row, there in zip(rows, has.tolist(), strict=True) if there]
    if len(given) == len(has):
        return np.asarray(given, np.float32).reshape(len(given), -1 if given else 0)
    vectors = np.zeros((len(has), len(given[0]) if given else 0), np.float32)
    vectors[has] = given or vectors[has]
    return vectors


# --- Several changes at once --------------------------------------------------------------------------------------
NO_RECORDS: Final = Records([])


@dataclass(frozen=True)
class Edits:
    """Everything that one call changes in a collection, of which all is done or nothing.

    First ``delete``, then ``update`` (ids that do not exist are passed over), then ``add`` (ids that exist are passed
    over; each record carries a vector). ``upsert`` stands in the place of both: ids that exist are updated, the others
    added. ``without_document`` and ``without_uri`` are ids of ``update`` whose document or uri is taken away; the rest
    of the record stays, its vector too.
    """

    delete: IDs = field(default_factory=list)
    update: Records = NO_RECORDS
    add: Records = NO_RECORDS
    upsert: Records = NO_RECORDS
    without_document: IDs = field(default_factory=list)
    without_uri: IDs = field(default_factory=list)


@dataclass(frozen=True)
class Edited:
    """How many records were deleted, updated and added."""

    deleted: int = 0
    updated: int = 0
    added: int = 0

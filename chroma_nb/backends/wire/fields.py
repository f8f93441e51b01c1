"""The fields of a request: how a client writes them, and how a server reads them. Errors name the field.

A kind describes both, and the field in the OpenAPI document. The backend checks what the values mean.
"""

from __future__ import annotations

import binascii
import operator
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chroma_nb.backends.wire.encoding import packed
from chroma_nb.errors import ChromaError, DuplicateIDError, InvalidArgumentError
from chroma_nb.operations.additions import validate_edges
from chroma_nb.query.ordering import Order
from chroma_nb.records import Records
from chroma_nb.types import Fields, Json, Mask, Matrix, ReadLevel, SparseVector

_U32 = 2**32


class BodyError(ChromaError):
    """A body that is JSON but not what the call takes; Chroma answers 422."""

    status = 422


def _wrong(name: str, expected: str, value: object) -> BodyError:
    got = "null" if value is None else type(value).__name__
    return BodyError(
        f"Failed to deserialize the JSON body into the target type: {name}: expected {expected}, got {got}"
    )


# --- Kinds of fields --------------------------------------------------------------------------------------
Reader = Callable[[str, Any], Any]
#: Value, and whether the server takes vectors as base64 -> what is written as JSON.
Writer = Callable[[Any, bool], Any]
Schema = Json


def _as_it_is(value: object, takes_base64: bool) -> Any:
    return value


@dataclass(frozen=True)
class Kind:
    """How a field is read and written, and what OpenAPI calls it.

    ``check`` raises for a name that Chroma does not allow.
    """

    read: Reader
    schema: Schema
    write: Writer = _as_it_is
    check: Callable[[Any], object] | None = None


def _is(kind: type, expected: str) -> Reader:
    def read(name: str, value: object) -> Any:
        """The value, which must be of the kind."""
        if type(value) is not kind:
            raise _wrong(name, expected, value)
        return value

    return read


def _natural(name: str, value: object) -> int:
    if type(value) is not int:
        raise _wrong(name, "a non-negative integer below 2**32", value)
    if not 0 <= value < _U32:
        raise BodyError(
            f"Failed to deserialize the JSON body into the target type: {name}: invalid value: integer `{value}`, "
            "expected a non-negative integer below 2**32"
        )
    return value


def _finite_number(name: str, value: object) -> float:
    if type(value) not in (int, float):
        raise _wrong(name, "a number", value)
    return float(value)  # type: ignore[arg-type]  # JSON knows no other numbers, and no NaN


def _order(name: str, value: object) -> Order:
    if type(value) is not dict or type(value.get("key")) is not str:
        raise _wrong(name, "an object with a key", value)
    descending = value.get("descending", False)
    if type(descending) is not bool:
        raise _wrong(f"{name}.descending", "true or false", descending)
    return Order(value["key"], descending)


def _edges(name: str, value: object) -> dict[str, list[float]]:
    if type(value) is not dict:
        raise _wrong(name, "an object", value)
    try:
        return validate_edges(value) or {}
    except ValueError as error:
        raise InvalidArgumentError(str(error)) from None


def _digits(name: str, value: str) -> int:
    """A number in the query string."""
    if not value.isascii() or not value.isdigit() or int(value) >= _U32:
        raise InvalidArgumentError(
            f"Failed to deserialize query string: {name}: expected a non-negative integer below 2**32"
        )
    return int(value)


def _read_level(name: str, value: object) -> ReadLevel:
    if type(value) is not str:
        raise _wrong(name, "a string", value)
    try:
        return ReadLevel(value or ReadLevel.INDEX_AND_WAL)
    except ValueError:
        expected = ", ".join(f"`{one.value}`" for one in ReadLevel)
        raise InvalidArgumentError(f"{name}: unknown variant `{value}`, expected one of {expected}") from None


def _list_of(item: Callable[[Any], bool], expected: str) -> Reader:
    def read(name: str, value: object) -> list[Any]:
        """The list, whose items must all be of the kind."""
        if type(value) is not list:
            raise _wrong(name, f"a list of {expected}", value)
        for index, member in enumerate(value):
            if not item(member):
                raise _wrong(f"{name}[{index}]", expected, member)
        return value

    return read


def _objects(name: str, value: object) -> tuple[Json, ...]:
    return tuple(_list_of(lambda item: type(item) is dict, "objects")(name, value))


def _text(value: object) -> bool:
    return type(value) is str


def _text_or_none(value: object) -> bool:
    return value is None or type(value) is str


def _one_of(*allowed: str) -> Reader:
    def read(name: str, value: Any) -> tuple[str, ...]:
        """The members, which must all be allowed."""
        for member in _list_of(_text, "strings")(name, value):
            if member not in allowed:
                raise BodyError(
                    f"Failed to deserialize the JSON body into the target type: {name}: unknown variant `{member}`, "
                    f"expected one of {', '.join(allowed)}"
                )
        return tuple(value)

    return read


def _anything(name: str, value: object) -> Any:
    return value


def _metadata(name: str, value: object) -> Json:
    if type(value) is not dict:
        raise _wrong(name, "an object", value)
    return {key: _metadata_value(f"{name}.{key}", item) for key, item in value.items()}


def _metadata_update(name: str, value: object) -> Json:
    """As ``_metadata``; null as a value deletes the key."""
    if type(value) is not dict:
        raise _wrong(name, "an object", value)
    return {key: None if item is None else _metadata_value(f"{name}.{key}", item) for key, item in value.items()}


def _metadata_value(name: str, value: object) -> Any:
    if type(value) in (str, int, float, bool):
        # JSON knows integers of any length; beyond 64 bits they are floats, as in Chroma.
        return float(value) if type(value) is int and not -(2**63) <= value < 2**63 else value
    if type(value) is list and len({type(item) for item in value}) == 1 and type(value[0]) in (str, int, float, bool):
        return value
    if type(value) is dict and value.get("#type", "sparse_vector") == "sparse_vector" and "indices" in value:
        try:
            return SparseVector.sent(value)
        except ValueError as error:
            raise BodyError(f"Failed to deserialize the JSON body into the target type: {name}: {error}") from None
    wrong = _wrong(name, "a string, number, boolean, or a non-empty list of one of these", value)
    raise wrong if value is not None else BodyError(f"{wrong}; leave the key out")


def _list_of_metadata(one: Reader) -> Reader:
    def read(name: str, value: object) -> list[Json | None]:
        """The list of metadata, each an object or null."""
        if type(value) is not list:
            raise _wrong(name, "a list of objects", value)
        return [None if item is None else one(f"{name}[{index}]", item) for index, item in enumerate(value)]

    return read


# --- Vectors ------------------------------------------------------------------------------------------------
def _numbers(name: str, rows: list[Any]) -> Matrix:
    if not rows:
        return np.empty((0, 0), np.float32)
    for index, row in enumerate(rows):
        if type(row) is not list:
            raise _wrong(f"{name}[{index}]", "a list of numbers", row)
        if len(row) != len(rows[0]):
            raise InvalidArgumentError("Inconsistent dimensions in provided embeddings")
    if not rows[0]:
        raise InvalidArgumentError(f"Validation error: {name}: Each embedding must have at least 1 dimension")
    try:
        matrix = np.array(rows)
    except ValueError:
        raise _not_numbers(name, rows) from None
    if matrix.ndim != 2 or matrix.dtype.kind not in "iuf":
        raise _not_numbers(name, rows)
    with np.errstate(over="ignore"):
        return _finite(name, matrix.astype(np.float32))


def _not_numbers(name: str, rows: list[list[object]]) -> BodyError:
    """An error about the first that is no number. (A client writes NaN and infinity as null.)"""
    cells = ((at, place, cell) for at, row in enumerate(rows) for place, cell in enumerate(row))
    odd = next(((at, place, cell) for at, place, cell in cells if type(cell) not in (int, float)), None)
    if odd is None:
        return _wrong(name, "a list of lists of numbers", rows)
    at, place, cell = odd
    return _wrong(f"{name}[{at}][{place}]", "a finite number", cell)


def _base64(name: str, rows: list[str]) -> Matrix:
    try:
        packed = [binascii.a2b_base64(row, strict_mode=True) for row in rows]
    except ValueError as error:  # binascii.Error is one
        raise InvalidArgumentError(f"Invalid base64 string: {error}") from None
    size = len(packed[0])
    if any(len(row) != size for row in packed):
        raise InvalidArgumentError("Inconsistent dimensions in provided embeddings")
    if size % 4:
        raise InvalidArgumentError(
            f"Invalid byte length: {size} bytes cannot be converted to f32 values (must be divisible by 4)"
        )
    if not size:
        raise InvalidArgumentError(f"Validation error: {name}: Each embedding must have at least 1 dimension")
    return _finite(name, np.frombuffer(b"".join(packed), "<f4").reshape(len(rows), size // 4).astype(np.float32))


def _finite(name: str, matrix: Matrix) -> Matrix:
    if not np.isfinite(matrix).all():
        raise InvalidArgumentError(f"Validation error: {name}: Embeddings must not contain NaN or Infinity values")
    return matrix


def _matrix(name: str, value: object) -> Matrix:
    if type(value) is not list:
        raise _wrong(name, "a list of vectors", value)
    if value and all(type(row) is str for row in value):
        return _base64(name, value)
    return _numbers(name, value)


def _query_vectors(name: str, value: object) -> Matrix:
    if type(value) is not list:
        raise _wrong(name, "a list of vectors", value)
    return _numbers(name, value)


@dataclass(frozen=True)
class SomeVectors:
    """Vectors of the rows that have one; the other rows hold zeros."""

    rows: int
    matrix: Matrix | None
    present: Mask | None


def _some_vectors(name: str, value: object) -> SomeVectors:
    if type(value) is not list:
        raise _wrong(name, "a list of vectors or nulls", value)
    present = np.array([row is not None for row in value], dtype=np.bool_)
    if present.all():
        return SomeVectors(len(value), _matrix(name, value), None)
    given = _matrix(name, [row for row in value if row is not None])
    if not len(given):
        return SomeVectors(len(value), None, None)
    matrix = np.zeros((len(value), given.shape[1]), np.float32)
    matrix[present] = given
    return SomeVectors(len(value), matrix, present)


def _all_vectors(name: str, value: object) -> SomeVectors:
    matrix = _matrix(name, value)
    return SomeVectors(len(matrix), matrix, None)


def _written_vectors(vectors: SomeVectors, takes_base64: bool) -> Any:
    if vectors.matrix is None:
        return None
    matrix = np.ascontiguousarray(vectors.matrix, dtype="<f4")
    rows: list[Any]
    if takes_base64:
        rows = [packed(row) for row in matrix]
    elif vectors.present is None:
        return matrix
    else:
        rows = list(matrix)
    if vectors.present is not None:
        rows = [row if given else None for row, given in zip(rows, vectors.present, strict=True)]
    return rows


def _written_queries(matrix: object, takes_base64: bool) -> Any:
    """As numbers, also to servers that take base64 in writes."""
    return np.ascontiguousarray(matrix, dtype=np.float32)


# --- The kinds ------------------------------------------------------------------------------------------------
def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_STRING: Final[Schema] = {"type": "string"}
_OBJECT: Final[Schema] = {"type": "object"}
_VECTOR: Final[Schema] = {
    "oneOf": [
        _array({"type": "number", "format": "float"}),
        {"type": "string", "description": "base64 of little-endian float32"},
    ]
}
_INCLUDABLE: Final = ("distances", "documents", "embeddings", "metadatas", "uris")

STRING: Final = Kind(_is(str, "a string"), _STRING)
BOOL: Final = Kind(_is(bool, "a boolean"), {"type": "boolean"})
NATURAL: Final = Kind(_natural, {"type": "integer", "format": "int32", "minimum": 0})
INTEGER: Final = Kind(_is(int, "an integer"), {"type": "integer", "format": "int64"})
FLOAT: Final = Kind(_finite_number, {"type": "number"})
ORDER: Final = Kind(
    _order,
    {"type": "object", "properties": {"key": {"type": "string"}, "descending": {"type": "boolean"}}},
    lambda order, takes_base64: {"key": order.key, "descending": order.descending},
)
#: Where True is 1.
NUMBER: Final = Kind(_natural, NATURAL.schema, lambda value, takes_base64: int(value))
#: In the query string.
DIGITS: Final = Kind(_digits, {"type": "integer"}, lambda value, takes_base64: operator.index(value))
#: Written as it was given, a level or its name: which names there are is the server's to say.
READ_LEVEL: Final = Kind(
    _read_level, _STRING, lambda level, takes_base64: level.value if isinstance(level, ReadLevel) else level
)
STRINGS: Final = Kind(_list_of(_text, "strings"), _array(_STRING))
STRINGS_OR_NULLS: Final = Kind(_list_of(_text_or_none, "strings or nulls"), _array({"type": ["string", "null"]}))
#: Key -> ascending numbers.
EDGES: Final = Kind(_edges, {"type": "object", "additionalProperties": _array({"type": "number"})})
OBJECT: Final = Kind(_is(dict, "an object"), _OBJECT)
OBJECTS: Final = Kind(_objects, _array(_OBJECT))
FILTER: Final = Kind(_anything, _OBJECT)
METADATA: Final = Kind(_metadata, _OBJECT)
METADATA_UPDATE: Final = Kind(_metadata_update, _OBJECT)
METADATAS: Final = Kind(_list_of_metadata(_metadata), _array({"type": ["object", "null"]}))
METADATA_UPDATES: Final = Kind(_list_of_metadata(_metadata_update), METADATAS.schema)
VECTORS: Final = Kind(_all_vectors, _array(_VECTOR), _written_vectors)
VECTORS_OR_NULLS: Final = Kind(
    _some_vectors, _array({"oneOf": [*_VECTOR["oneOf"], {"type": "null"}]}), _written_vectors
)
QUERY_VECTORS: Final = Kind(_query_vectors, _array(_VECTOR["oneOf"][0]), _written_queries)
INCLUDE: Final = Kind(_one_of(*_INCLUDABLE), _array({"type": "string", "enum": list(_INCLUDABLE)}))


# --- Fields and bodies ----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Field:
    """One field of a body or of a query string; null and absence are the same, and ``default``.

    ``attribute`` is its name in the request, where that is another one.
    """

    name: str
    kind: Kind
    required: bool = False
    default: object = None
    attribute: str = ""
    #: Whether a client writes null, or nothing, for None.
    null: bool = True

    @property
    def key(self) -> str:
        """Its name in the request."""
        return self.attribute or self.name

    def read(self, value: object) -> Any:
        """The value that JSON, or a query string, holds."""
        if value is not None:
            return self.kind.read(self.name, value)
        if self.required:
            raise BodyError(f"Failed to deserialize the JSON body into the target type: missing field `{self.name}`")
        return self.default


class Body:
    """The fields of a JSON body; each is a field of the request.

    >>> Body(Field("name", STRING, required=True), Field("limit", NATURAL)).read({"name": "x"})
    {'name': 'x', 'limit': None}
    """

    def __init__(self, *fields: Field) -> None:
        self.fields = fields

    def read(self, body: object) -> Json:
        """The arguments of the request in a parsed body. Unknown fields are passed over, as Chroma does."""
        if type(body) is not dict:
            raise _wrong("body", "an object", body)
        return {field.key: field.read(body.get(field.name)) for field in self.fields}

    def write(self, request: object, takes_base64: bool) -> Json:
        """What stands in the body of ``request``."""
        values = self._values(request)
        return {
            field.name: None if (value := values[field.key]) is None else field.kind.write(value, takes_base64)
            for field in self.fields
            if field.null or values[field.key] is not None
        }

    def _values(self, request: object) -> Json:
        return {field.key: getattr(request, field.key) for field in self.fields}


class RecordsBody(Body):
    """The records of a write: each field is one of theirs."""

    def read(self, body: object) -> Json:
        return {"records": records(super().read(body))}

    def _values(self, request: Any) -> Json:
        held: Records = request.records
        vectors = None if held.embeddings is None else SomeVectors(len(held), held.embeddings, held.has_embedding)
        return {field.key: vectors if field.name == "embeddings" else getattr(held, field.key) for field in self.fields}


# --- Records -------------------------------------------------------------------------------------------------
def records(values: Fields) -> Records:
    """The records in the values of a write's body, all fields of one length, ids unique."""
    ids: list[str] = values["ids"]
    vectors: SomeVectors = values["embeddings"] or SomeVectors(len(ids), None, None)
    columns = [column for column in (values["metadatas"], values["documents"], values["uris"]) if column is not None]
    if any(length != len(ids) for length in (vectors.rows, *map(len, columns))):
        raise InvalidArgumentError("Inconsistent number of IDs, embeddings, documents, URIs and metadatas")
    if len(set(ids)) != len(ids):
        twice = [one for one, times in Counter(ids).items() if times > 1][:10]
        raise DuplicateIDError(f"Expected IDs to be unique, found duplicates of: {', '.join(twice)}")
    return Records(
        ids=ids,
        embeddings=vectors.matrix,
        documents=values["documents"],
        metadatas=values["metadatas"],
        uris=values["uris"],
        has_embedding=vectors.present,
    )

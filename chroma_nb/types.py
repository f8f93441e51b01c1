"""The glossary: the words of the field as types. Read top to bottom.

Chroma's public names keep Chroma's spelling. Nothing here touches a file or a socket.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from itertools import pairwise
from operator import lt
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict, TypeVar, get_args
from uuid import UUID

import numpy as np
import numpy.typing as npt

from chroma_nb import _names_above
from chroma_nb.plain import plain_list

T = TypeVar("T")
#: One value or a list of them: what Chroma's calls accept wherever a list is meant.
OneOrMany: TypeAlias = T | list[T]

# --- What has no type of its own --------------------------------------------------------------------
#: Arrays of any shape: of whatever there is in them, of floats, of whole numbers, of what numpy's searches and sorts
#: return, of yes and no.
Array: TypeAlias = npt.NDArray[Any]
Float32: TypeAlias = npt.NDArray[np.float32]
Float64: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Int32: TypeAlias = npt.NDArray[np.int32]
Indices: TypeAlias = npt.NDArray[np.intp]
Mask: TypeAlias = npt.NDArray[np.bool_]
#: An object of JSON: a configuration, a schema, the body of a request.
Json: TypeAlias = dict[str, Any]
#: Keyword arguments by name.
Options: TypeAlias = dict[str, Any]
#: What ``get`` and ``query`` return, ours and chromadb's: lists by name, "ids" and what was included.
Columns: TypeAlias = Mapping[str, Any]
#: What is read by name: the fields of a configuration, the variables of a notebook, the parts of a row.
Fields: TypeAlias = Mapping[str, Any]

# --- A record: an id, and any of embedding, document, uri, metadata -------------------------------
#: The user's name of a record; unique in its collection.
ID: TypeAlias = str
IDs: TypeAlias = list[ID]
#: A text.
Document: TypeAlias = str
Documents: TypeAlias = list[Document]
#: Where a record's image or other data can be loaded from.
URI: TypeAlias = str
URIs: TypeAlias = list[URI]
ImageDType: TypeAlias = np.uint | np.int64 | np.float64
#: An image as an array of shape (height, width, channels).
Image: TypeAlias = Array
Images: TypeAlias = list[Image]
#: What an embedding function takes.
Embeddable: TypeAlias = Documents | Images
#: What a data loader gives for each uri.
Loadable: TypeAlias = list[Image | None]
#: A vector as callers may write it.
PyVector: TypeAlias = Sequence[float] | Sequence[int]
PyEmbedding: TypeAlias = PyVector
PyEmbeddings: TypeAlias = list[PyEmbedding]
#: A vector: a one-dimensional array of float32.
Vector: TypeAlias = Array
Embedding: TypeAlias = Vector
Embeddings: TypeAlias = list[Embedding]
#: Vectors as the rows of one contiguous float32 array of shape (n, dimension).
Matrix: TypeAlias = Float32

#: The entry by which JSON says that a dict is a sparse vector.
TYPE_KEY: Final = "#type"
SPARSE_VECTOR_TYPE_VALUE: Final = "sparse_vector"
#: The dimensions of sparse vectors are below this, as in Chroma (u32).
SPARSE_DIMENSIONS: Final = 2**32
#: Their values, which float32 holds, are not beyond this.
LARGEST_FLOAT32: Final = float(np.finfo(np.float32).max)


@dataclass
class SparseVector:
    """A vector of which only the entries that are not zero are stored.

    Parameters
    ----------
    indices
        The dimensions of the entries: integers from 0, in ascending order, each once.
    values
        The value of each entry.
    labels
        The token of each entry, for example the word it stands for.

    Raises
    ------
    ValueError
        The lists have different lengths, or the indices are not ascending.

    Examples
    --------
    >>> from chroma_nb import SparseVector
    >>> SparseVector(indices=[1, 5], values=[0.5, 2.0]).to_dict()
    {'#type': 'sparse_vector', 'indices': [1, 5], 'values': [0.5, 2.0]}
    """

    indices: list[int]
    values: list[float]
    labels: list[str] | None = None

    def __post_init__(self) -> None:
        """ValueError unless the three fit together as described."""
        if self._is_well_formed():
            return
        for name in ("indices", "values", "labels"):
            value = plain_list(getattr(self, name))
            setattr(self, name, value)
            if not isinstance(value, list) and not (name == "labels" and value is None):
                raise ValueError(f"Expected SparseVector {name} to be a list, got {type(value).__name__}")
        n = len(self.indices)
        if n != len(self.values):
            raise ValueError(
                "SparseVector indices and values must have the same length, "
                f"got {n} indices and {len(self.values)} values"
            )
        if self.labels is not None and len(self.labels) != n:
            raise ValueError(
                "SparseVector labels must have the same length as indices and values, "
                f"got {len(self.labels)} labels, {n} indices"
            )
        for position, index in enumerate(self.indices):
            if not isinstance(index, int):
                raise ValueError(
                    f"SparseVector indices must be integers, got {type(index).__name__} at position {position}"
                )
            if index < 0:
                raise ValueError(f"SparseVector indices must be non-negative, got {index} at position {position}")
        for position, value in enumerate(self.values):
            if not isinstance(value, int | float):
                raise ValueError(
                    f"SparseVector values must be numbers, got {type(value).__name__} at position {position}"
                )
        for position, (before, index) in enumerate(pairwise(self.indices), start=1):
            if index <= before:
                raise ValueError(
                    "SparseVector indices must be sorted in strictly ascending order, "
                    f"found indices[{position}]={index} <= indices[{position - 1}]={before}"
                )

    def _is_well_formed(self) -> bool:
        """Whether the three are lists of the common types, and right: vectors are made by the hundred thousand."""
        indices, values, labels = self.indices, self.values, self.labels
        return (
            type(indices) is list
            and type(values) is list
            and len(indices) == len(values)
            and set(map(type, indices)) <= {int}
            and set(map(type, values)) <= {int, float}
            and (not indices or indices[0] >= 0)
            and all(map(lt, indices, indices[1:]))
            and (
                labels is None
                or (type(labels) is list and len(labels) == len(indices) and set(map(type, labels)) <= {str})
            )
        )

    @classmethod
    def as_given(cls, indices: list[int], values: list[float], labels: list[str] | None = None) -> SparseVector:
        """Create a vector without checking its parts. For values that are known to be valid.

        Parameters
        ----------
        indices
            The dimensions of the entries.
        values
            The value of each entry.
        labels
            The token of each entry.

        Returns
        -------
        SparseVector
            The vector.
        """
        vector = cls.__new__(cls)
        vector.indices, vector.values, vector.labels = indices, values, labels
        return vector

    @classmethod
    def sent(cls, d: Fields) -> SparseVector:
        """Create a vector from the body of a request, in which ``#type`` may be missing.

        It is not checked whether the lists fit together.

        Parameters
        ----------
        d
            The dict.

        Returns
        -------
        SparseVector
            The vector.

        Raises
        ------
        ValueError
            A part is missing or has the wrong type.
        """
        indices, values, tokens = d.get("indices"), d.get("values"), d.get("tokens")
        if d.get(TYPE_KEY, SPARSE_VECTOR_TYPE_VALUE) != SPARSE_VECTOR_TYPE_VALUE:
            raise ValueError(f"Expected {TYPE_KEY}='{SPARSE_VECTOR_TYPE_VALUE}', got {d[TYPE_KEY]}")
        if type(indices) is not list or not set(map(type, indices)) <= {int}:
            raise ValueError("expected indices to be a list of integers")
        if indices and not 0 <= min(indices) <= max(indices) < SPARSE_DIMENSIONS:
            raise ValueError(f"expected indices of at least 0 and below {SPARSE_DIMENSIONS}")
        if type(values) is not list or not set(map(type, values)) <= {int, float}:
            raise ValueError("expected values to be a list of numbers")
        if tokens is not None and (type(tokens) is not list or not set(map(type, tokens)) <= {str}):
            raise ValueError("expected tokens to be a list of texts, or null")
        return cls.as_given(indices, values, tokens)

    def to_dict(self) -> Json:
        """Return the vector as a dict that JSON can hold.

        Returns
        -------
        dict
            ``#type``, ``indices``, ``values`` and, if there are labels, ``tokens``.
        """
        form: Json = {TYPE_KEY: SPARSE_VECTOR_TYPE_VALUE, "indices": self.indices, "values": self.values}
        return form if self.labels is None else {**form, "tokens": self.labels}

    @classmethod
    def from_dict(cls, d: Fields) -> SparseVector:
        """Create a vector from a dict that ``to_dict`` returned.

        Parameters
        ----------
        d
            The dict.

        Returns
        -------
        SparseVector
            The vector.

        Raises
        ------
        ValueError
            The dict is not a sparse vector.
        """
        if d.get(TYPE_KEY) != SPARSE_VECTOR_TYPE_VALUE:
            raise ValueError(f"Expected {TYPE_KEY}='{SPARSE_VECTOR_TYPE_VALUE}', got {d.get(TYPE_KEY)}")
        return cls(indices=d["indices"], values=d["values"], labels=d.get("tokens"))


SparseVectors: TypeAlias = list[SparseVector]


def as_sparse_vector(value: Any) -> SparseVector | None:
    """A sparse vector of this class or of chromadb's, which may not be there to be imported; None for all else."""
    if isinstance(value, SparseVector):
        return value
    if type(value).__name__ != "SparseVector" or not all(hasattr(value, part) for part in ("indices", "values")):
        return None
    return SparseVector.as_given(value.indices, value.values, getattr(value, "labels", None))


def normalize_sparse_vector(
    indices: Sequence[int], values: Sequence[float], labels: Sequence[str] | None = None
) -> SparseVector:
    """The vector with these entries, which may come in any order.

    Raises ValueError when there are more of one than of the other, or an index twice.

    >>> normalize_sparse_vector([5, 1], [2.0, 0.5]).indices
    [1, 5]
    """
    counts = {len(indices), len(values), len(indices if labels is None else labels)}
    if len(counts) > 1:
        raise ValueError(
            f"Expected as many values (and labels) as indices, got {len(indices)} indices, {len(values)} values"
            + ("" if labels is None else f", {len(labels)} labels")
        )
    order = sorted(range(len(indices)), key=indices.__getitem__)
    named = None if labels is None or not order else [labels[place] for place in order]
    return SparseVector([indices[place] for place in order], [values[place] for place in order], named)


MetadataListValue: TypeAlias = list[str | int | float | bool]
#: A metadata value: a scalar, a non-empty list of scalars of one type, or a sparse vector.
MetadataValue: TypeAlias = (
    str | int | float | bool | SparseVector | list[str] | list[int] | list[float] | list[bool] | None
)
Metadata: TypeAlias = Fields
Metadatas: TypeAlias = list[Metadata]
#: In an update, ``None`` as a value deletes the key.
UpdateMetadata: TypeAlias = Fields
CollectionMetadata: TypeAlias = Json
UpdateCollectionMetadata: TypeAlias = Json

# --- Asking ---------------------------------------------------------------------------------------
#: A filter on metadata, as Chroma writes it: ``{"year": {"$gt": 2020}}``.
Where: TypeAlias = Json
#: A filter on documents: ``{"$contains": "word"}``.
WhereDocument: TypeAlias = Json
LiteralValue: TypeAlias = str | int | float | bool
LogicalOperator: TypeAlias = Literal["$and", "$or"]
WhereOperator: TypeAlias = Literal["$gt", "$gte", "$lt", "$lte", "$ne", "$eq"]
InclusionExclusionOperator: TypeAlias = Literal["$in", "$nin"]
ArrayContainsOperator: TypeAlias = Literal["$contains", "$not_contains"]
WhereDocumentOperator: TypeAlias = Literal["$contains", "$not_contains", "$regex", "$not_regex", "$and", "$or"]
#: What is asked of one key: ``{"$gt": 2020}``.
OperatorExpression: TypeAlias = dict[Any, Any]
IncludeItem: TypeAlias = Literal["documents", "embeddings", "metadatas", "distances", "uris", "data"]
#: Which fields an answer holds.
Include: TypeAlias = list[Any]
IncludeMetadataDocuments: Include = ["metadatas", "documents"]
IncludeMetadataDocumentsEmbeddings: Include = ["metadatas", "documents", "embeddings"]
IncludeMetadataDocumentsDistances: Include = ["metadatas", "documents", "distances"]
IncludeMetadataDocumentsEmbeddingsDistances: Include = ["metadatas", "documents", "embeddings", "distances"]
#: One field of a record.
Parameter = TypeVar("Parameter", Document, Image, Embedding, Metadata, ID)
#: How far apart two vectors are: squared Euclidean, 1 - cosine, or 1 - inner product.
Space: TypeAlias = Literal["cosine", "l2", "ip"]
#: The same as values, in Chroma's order.
SPACES: Final[tuple[Space, ...]] = get_args(Space)
#: What ``hybrid`` finds records by.
Side: TypeAlias = Literal["both", "meaning", "words"]
SIDES: Final[tuple[Side, ...]] = get_args(Side)


class ReadLevel(str, Enum):
    """Which changes a distributed server must consider. Here every call considers all finished changes."""

    INDEX_AND_WAL = "index_and_wal"
    INDEX_ONLY = "index_only"
    INDEX_AND_BOUNDED_WAL = "index_and_bounded_wal"


# --- The arguments of a call, as dicts: Chroma's words for them, which nothing here needs -----------
class AddRequest(TypedDict):
    """What ``add`` is given."""

    ids: IDs
    embeddings: Embeddings
    metadatas: Metadatas | None
    documents: Documents | None
    uris: URIs | None


class UpsertRequest(AddRequest):
    """What ``upsert`` is given."""


class UpdateRequest(TypedDict):
    """What ``update`` is given."""

    ids: IDs
    embeddings: Embeddings | None
    metadatas: Metadatas | None
    documents: Documents | None
    uris: URIs | None


class GetRequest(TypedDict):
    """What ``get`` is given."""

    ids: IDs | None
    where: Where | None
    where_document: WhereDocument | None
    include: Include


class QueryRequest(TypedDict):
    """What ``query`` is given."""

    embeddings: Embeddings
    ids: IDs | None
    where: Where | None
    where_document: WhereDocument | None
    include: Include
    n_results: int


class DeleteRequest(TypedDict):
    """What ``delete`` is given."""

    ids: IDs | None
    where: Where | None
    where_document: WhereDocument | None
    limit: int | None


class IndexMetadata(TypedDict):
    """What is counted of an index."""

    dimensionality: int
    curr_elements: int
    total_elements_added: int
    time_created: float


# --- Places ---------------------------------------------------------------------------------------
class Tenant(TypedDict):
    """An owner of databases."""

    name: str


class Database(TypedDict):
    """A namespace of collections, owned by a tenant."""

    id: UUID
    name: str
    tenant: str


@dataclass
class UserIdentity:
    """Who a client works as: a user, with a tenant and its databases.

    Attributes
    ----------
    user_id
        The id of the user.
    tenant
        The tenant that the user has access to.
    databases
        The databases that the user has access to.
    attributes
        Further data that the server sends.
    """

    user_id: str
    tenant: str | None = None
    databases: list[str] | None = None
    attributes: Json | None = None


@dataclass(frozen=True)
class CollectionModel:
    """What is known of a collection apart from its records.

    Attributes
    ----------
    id
        The id of the collection.
    name
        The name of the collection.
    configuration_json
        How the collection is indexed, with the keys ``hnsw``, ``spann`` and ``embedding_function``.
    serialized_schema
        The schema as JSON. None if a server did not send it.
    metadata
        The metadata of the collection itself.
    dimension
        The dimension of the vectors. None before the first vector is added.
    tenant
        The tenant that the collection belongs to.
    database
        The database that the collection belongs to.
    version
        As in Chroma.
    log_position
        As in Chroma.
    embedding_model
        The variant of the default model that embeds texts. None before the first text is embedded.
    """

    id: UUID
    name: str
    configuration_json: Json
    serialized_schema: Json | None
    metadata: CollectionMetadata | None
    dimension: int | None
    tenant: str
    database: str
    version: int = 0
    log_position: int = 0
    embedding_model: str | None = None

    def get(self, key: str, default: object = None) -> Any:
        """The field called ``key``, as Chroma's model offers it."""
        return getattr(self, key, default)

    def __getitem__(self, key: str) -> Any:
        """The field called ``key``, "configuration" as the object; None for any other, as in Chroma."""
        if key == "configuration":
            load: Any = _names_above.find("load_collection_configuration_from_json")
            return load(self.configuration_json)
        return dict(self).get(key)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Name and value of each field that Chroma's model has: ``dict(model)``."""
        return ((one.name, getattr(self, one.name)) for one in fields(self) if one.name != "embedding_model")


#: The model by the name it has in Chroma's ``types``.
Collection = CollectionModel


@dataclass
class CloudClientArg:
    """An argument of ``CloudClient``, and the environment variable that stands in for it."""

    name: str
    env_var: str
    value: str | None = None


class Unspecified:
    """Says that an argument was not given, where None means something. There is one of it.

    >>> Unspecified() is Unspecified()
    True
    """

    _instance: Unspecified | None = None

    def __new__(cls) -> Unspecified:
        """The one."""
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance


OptionalArgument: TypeAlias = T | Unspecified


class Function(str, Enum):
    """What a server can run over the records of a collection."""

    STATISTICS = "statistics"
    RECORD_COUNTER = "record_counter"


STATISTICS_FUNCTION = Function.STATISTICS
RECORD_COUNTER_FUNCTION = Function.RECORD_COUNTER


class TokenTransportHeader(str, Enum):
    """The HTTP header that carries the token of a client."""

    AUTHORIZATION = "Authorization"
    X_CHROMA_TOKEN = "X-Chroma-Token"  # noqa: S105  a header's name


# --- Words of Chroma's log: constants that programs compare -----------------------------------------
#: A name that is unique in the whole system.
NamespacedName: TypeAlias = str
#: A place in Chroma's log.
SeqId: TypeAlias = int


class ScalarEncoding(Enum):
    """The type of a vector's numbers."""

    FLOAT32 = "FLOAT32"
    INT32 = "INT32"


class SegmentScope(Enum):
    """What a part of a collection holds."""

    VECTOR = "VECTOR"
    METADATA = "METADATA"
    RECORD = "RECORD"


class Operation(Enum):
    """What is done to a record."""

    ADD = "ADD"
    UPDATE = "UPDATE"
    UPSERT = "UPSERT"
    DELETE = "DELETE"


# --- Names of Chroma's ``types`` that live above us -----------------------------------------------------
if not TYPE_CHECKING:  # a checker would believe in any name

    def __getattr__(name: str) -> Any:
        # Schema and its like: asked for by programs written for Chroma only
        try:
            return _names_above.find(name)
        except KeyError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None

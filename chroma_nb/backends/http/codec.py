"""What each operation is on the wire of Chroma's REST API v2: request -> call, reply -> answer.

Functions of values: no socket is known here. ``CODECS`` has one row per operation, and the server
reads its methods and paths from the same rows. Sending, splitting and repeating stand in
``exchange.py`` and ``transport.py``.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import index
from typing import Any, TypeVar
from urllib.parse import quote, urlencode
from uuid import UUID

import numpy as np
import numpy.typing as npt
import orjson

from chroma_nb import errors
from chroma_nb.operations import requests as ops
from chroma_nb.records import Records
from chroma_nb.results import GetResult, IndexingStatus, QueryResult, SearchResult
from chroma_nb.types import (
    SPARSE_VECTOR_TYPE_VALUE,
    TYPE_KEY,
    CollectionModel,
    Database,
    SparseVector,
    Tenant,
    UserIdentity,
)

R = TypeVar("R")

API_PATH = "/api/v2"
TENANT = "/tenants/{tenant}"
DATABASE = TENANT + "/databases/{database}"
COLLECTION = DATABASE + "/collections/{collection_id}"


# --- What travels ---------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request below the API's base URL. A ``repeatable`` call leaves the same state and
    gives the same answer when it arrives twice."""

    method: str
    target: str
    body: bytes | None = None
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What ``/pre-flight-checks`` tells: None as batch size means "not said"."""

    max_batch_size: int | None = None
    takes_base64: bool = False


PRE_FLIGHT = Call("GET", "/pre-flight-checks", repeatable=True)


def server_facts(reply: Reply) -> ServerFacts:
    """The facts in the answer to ``PRE_FLIGHT``; a server that does not know the question has none."""
    if reply.status == 404:
        return ServerFacts()
    answer = _json(reply)
    size = answer.get("max_batch_size")
    return ServerFacts(
        size if isinstance(size, int) and size > 0 else None, bool(answer.get("supports_base64_encoding"))
    )


# --- JSON -------------------------------------------------------------------------------------------------
def _wire_value(value: object) -> object:
    if isinstance(value, SparseVector):
        return value.to_dict()
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"expected a value that JSON can carry, got {type(value).__name__}")


def dumps(value: object) -> bytes:
    """``value`` as JSON; arrays, UUIDs and sparse vectors included.

    >>> dumps({"ids": ["a"], "v": np.array([0.1], np.float32)})
    b'{"ids":["a"],"v":[0.1]}'
    """
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATACLASS
    try:
        return orjson.dumps(value, default=_wire_value, option=options)
    except orjson.JSONEncodeError as error:
        if "key must be str" in str(error):  # the standard library would make it one in silence
            raise TypeError("expected metadata with str keys, got a key of another type") from None
        # orjson refuses integers beyond 64 bits and lone surrogates; the standard library sends both,
        # and the server says what it thinks of them.
        return json.dumps(value, default=_wire_value).encode()


def _json(reply: Reply) -> Any:
    try:
        return orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        kind = reply.headers.get("content-type", "no content type")
        raise errors.InternalError(
            f"expected JSON from a Chroma server, got {kind} beginning {reply.body[:80]!r}; "
            "do host and port name a Chroma server, and does a proxy stand in between?"
        ) from None


# --- Vectors as text, metadata as JSON: also Chroma's own functions for it --------------------------------
def _packed(row: npt.NDArray[Any]) -> str:
    return binascii.b2a_base64(row.data, newline=False).decode("ascii")


def pack_embedding_safely(embedding: Sequence[float] | npt.NDArray[Any]) -> str:
    """A vector as base64 of little-endian float32; what float32 cannot hold becomes infinite.

    >>> pack_embedding_safely([1.0, -2.0])
    'AACAPwAAAMA='
    """
    with np.errstate(over="ignore"):
        return _packed(np.ascontiguousarray(embedding, dtype="<f4"))


def optional_embeddings_to_base64_strings(embeddings: Iterable[Any] | None) -> Any:
    """Each vector as ``pack_embedding_safely`` writes it; None stays None."""
    return _optional(lambda row: None if row is None else pack_embedding_safely(row), embeddings)


def optional_base64_strings_to_embeddings(b64_strings: Iterable[str | None] | None) -> Any:
    """The vectors, as lists, that ``optional_embeddings_to_base64_strings`` wrote.

    >>> optional_base64_strings_to_embeddings(["AACAPwAAAMA=", None])
    [[1.0, -2.0], None]
    """
    return _optional(
        lambda text: None if text is None else np.frombuffer(binascii.a2b_base64(text), "<f4").tolist(), b64_strings
    )


def convert_np_embeddings_to_list(embeddings: Iterable[npt.NDArray[Any]]) -> list[Any]:
    """Vectors as lists."""
    return [row.tolist() for row in embeddings]


def convert_list_embeddings_to_np(embeddings: Iterable[Sequence[float]]) -> list[npt.NDArray[Any]]:
    """Vectors as arrays."""
    return [np.array(row) for row in embeddings]


def serialize_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Metadata with its sparse vectors as JSON objects.

    >>> serialize_metadata({"n": 1, "v": SparseVector([2], [0.5])})
    {'n': 1, 'v': {'#type': 'sparse_vector', 'indices': [2], 'values': [0.5]}}
    """
    if metadata is None:
        return None
    return {key: value.to_dict() if isinstance(value, SparseVector) else value for key, value in metadata.items()}


def deserialize_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The metadata that ``serialize_metadata`` wrote."""
    return None if metadata is None else {key: _metadata_value(value) for key, value in metadata.items()}


def _metadata_value(value: Any) -> Any:
    sparse = isinstance(value, dict) and value.get(TYPE_KEY) == SPARSE_VECTOR_TYPE_VALUE
    return SparseVector.from_dict(value) if sparse else value


# --- Requests -> bodies -----------------------------------------------------------------------------------
def _vectors(records: Records, takes_base64: bool) -> object:
    if records.embeddings is None:
        return None
    matrix = np.ascontiguousarray(records.embeddings, dtype="<f4")
    rows: list[Any]
    if takes_base64:
        rows = [_packed(row) for row in matrix]
    elif records.has_embedding is None:
        return matrix
    else:
        rows = list(matrix)
    if records.has_embedding is not None:
        rows = [row if given else None for row, given in zip(rows, records.has_embedding, strict=True)]
    return rows


def _records_body(request: Any, facts: ServerFacts) -> dict[str, Any]:
    records: Records = request.records
    return {
        "ids": records.ids,
        "embeddings": _vectors(records, facts.takes_base64),
        "metadatas": records.metadatas,
        "documents": records.documents,
        "uris": records.uris,
    }


def _get_body(request: ops.Get, facts: ServerFacts) -> dict[str, Any]:
    return _fields(request, "ids", "where", "limit", "offset", "where_document", "include")


def _query_body(request: ops.Query, facts: ServerFacts) -> dict[str, Any]:
    body = _fields(request, "ids", "n_results", "where", "where_document", "include")
    # Queries go as numbers, also to servers that take base64 in writes.
    body["n_results"] = int(request.n_results)  # True is 1
    return body | {"query_embeddings": np.ascontiguousarray(request.query_embeddings, dtype=np.float32)}


def _delete_body(request: ops.Delete, facts: ServerFacts) -> dict[str, Any]:
    body = _fields(request, "ids", "where", "where_document")
    return body if request.limit is None else body | {"limit": request.limit}


def _fields(request: object, *names: str) -> dict[str, Any]:
    return {name: getattr(request, name) for name in names}


Body = Callable[[Any, ServerFacts], "dict[str, Any]"]


def _sends(*names: str) -> Body:
    return lambda request, facts: _fields(request, *names)


# --- Replies -> answers -----------------------------------------------------------------------------------
def _collection(answer: Mapping[str, Any]) -> CollectionModel:
    return CollectionModel(
        id=UUID(answer["id"]),
        name=answer["name"],
        configuration_json=answer.get("configuration_json") or {},
        serialized_schema=answer.get("schema"),
        metadata=answer.get("metadata"),
        dimension=answer.get("dimension"),
        tenant=answer["tenant"],
        database=answer["database"],
        version=answer.get("version") or 0,
        log_position=answer.get("log_position") or 0,
        embedding_model=answer.get("embedding_model"),  # said by our server only
    )


def _database(answer: Mapping[str, Any]) -> Database:
    return Database(id=UUID(answer["id"]), name=answer["name"], tenant=answer["tenant"])


def _identity(answer: Mapping[str, Any]) -> UserIdentity:
    return UserIdentity(
        user_id=answer.get("user_id", ""), tenant=answer.get("tenant"), databases=answer.get("databases")
    )


def _matrix(rows: list[Any]) -> Any:
    """Rows of numbers as float64 holding float32 values, as a local engine answers them."""
    if any(row is None for row in rows):
        return rows
    return np.array(rows, dtype=np.float32).astype(np.float64)


def _optional(convert: Callable[[Any], Any], values: Any) -> Any:
    return None if values is None else [convert(value) for value in values]


def _get_result(answer: Mapping[str, Any], request: ops.Get) -> GetResult:
    embeddings = answer.get("embeddings")
    return GetResult(
        ids=answer["ids"],
        embeddings=None if embeddings is None else _matrix(embeddings),
        documents=answer.get("documents"),
        uris=answer.get("uris"),
        included=list(request.include),
        data=None,
        metadatas=_optional(deserialize_metadata, answer.get("metadatas")),
    )


def _query_result(answer: Mapping[str, Any], request: ops.Query) -> QueryResult:
    return QueryResult(
        ids=answer["ids"],
        embeddings=_optional(_matrix, answer.get("embeddings")),
        documents=answer.get("documents"),
        uris=answer.get("uris"),
        included=list(request.include),
        data=None,
        metadatas=_optional(lambda batch: _optional(deserialize_metadata, batch), answer.get("metadatas")),
        distances=answer.get("distances"),
    )


def _search_result(answer: dict[str, Any]) -> SearchResult:
    metadatas = _optional(lambda batch: _optional(deserialize_metadata, batch), answer.get("metadatas"))
    return SearchResult(answer | {"metadatas": metadatas})


def _indexing_status(answer: Mapping[str, Any]) -> IndexingStatus:
    return IndexingStatus(**{one.name: answer[one.name] for one in fields(IndexingStatus)})


# --- The table ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Codec:
    """How one operation travels. ``path`` names fields of the request, or what ``parameters`` gives;
    ``answer`` turns the reply's JSON (and the request) into the operation's answer."""

    method: str
    path: str
    answer: Callable[..., Any]
    body: Body | None = None
    query: Callable[[Any], Mapping[str, Any]] = lambda request: {}
    repeatable: Callable[[Any], bool] = lambda request: True
    wants_request: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)


def _nothing(answer: Any) -> None:
    return None


def _never(request: Any) -> bool:
    return False


def _page(request: Any) -> dict[str, Any]:
    return {name: None if (value := getattr(request, name)) is None else index(value) for name in ("limit", "offset")}


_BY_NAME = DATABASE + "/collections/{name}"
_BY_COLLECTION_ID = DATABASE + "/collections/by-id/{id}"

CODECS: dict[type[ops.Request[Any]], Codec] = {
    ops.Heartbeat: Codec("GET", "/heartbeat", lambda answer: int(answer["nanosecond heartbeat"])),
    ops.GetVersion: Codec("GET", "/version", str),
    ops.GetMaxBatchSize: Codec("GET", "/pre-flight-checks", lambda answer: int(answer.get("max_batch_size", -1))),
    ops.GetUserIdentity: Codec("GET", "/auth/identity", _identity),
    ops.Reset: Codec("POST", "/reset", bool, repeatable=_never),
    ops.CreateTenant: Codec("POST", "/tenants", _nothing, _sends("name"), repeatable=_never),
    ops.GetTenant: Codec("GET", TENANT, lambda answer: Tenant(name=answer["name"]), parameters={"tenant": "name"}),
    ops.CreateDatabase: Codec("POST", TENANT + "/databases", _nothing, _sends("name"), repeatable=_never),
    ops.GetDatabase: Codec("GET", DATABASE, _database, parameters={"database": "name"}),
    ops.DeleteDatabase: Codec("DELETE", DATABASE, _nothing, repeatable=_never, parameters={"database": "name"}),
    ops.ListDatabases: Codec(
        "GET", TENANT + "/databases", lambda answer: [_database(item) for item in answer], query=_page
    ),
    ops.ListCollections: Codec(
        "GET", DATABASE + "/collections", lambda answer: [_collection(item) for item in answer], query=_page
    ),
    ops.CountCollections: Codec("GET", DATABASE + "/collections_count", int),
    ops.CreateCollection: Codec(
        "POST",
        DATABASE + "/collections",
        _collection,
        _sends("name", "metadata", "configuration", "schema", "get_or_create"),
        repeatable=lambda request: bool(request.get_or_create),
    ),
    ops.GetCollection: Codec("GET", _BY_NAME, _collection),
    ops.GetCollectionById: Codec("GET", _BY_COLLECTION_ID, _collection),
    ops.ModifyCollection: Codec(
        "PUT",
        DATABASE + "/collections/{id}",
        _nothing,
        _sends("new_name", "new_metadata", "new_configuration"),
    ),
    ops.DeleteCollection: Codec("DELETE", _BY_NAME, _nothing, repeatable=_never),
    ops.Add: Codec("POST", COLLECTION + "/add", _nothing, _records_body),
    ops.Update: Codec("POST", COLLECTION + "/update", _nothing, _records_body),
    ops.Upsert: Codec("POST", COLLECTION + "/upsert", _nothing, _records_body),
    ops.Delete: Codec(
        "POST",
        COLLECTION + "/delete",
        lambda answer: int((answer or {}).get("deleted", 0)),
        _delete_body,
        # With a filter the second answer would be 0, with a limit it would delete more.
        repeatable=lambda request: request.where is None and request.where_document is None,
    ),
    ops.Count: Codec("GET", COLLECTION + "/count", int, query=lambda request: {"read_level": request.read_level.value}),
    ops.Get: Codec("POST", COLLECTION + "/get", _get_result, _get_body, wants_request=True),
    ops.Query: Codec("POST", COLLECTION + "/query", _query_result, _query_body, wants_request=True),
    ops.Search: Codec("POST", COLLECTION + "/search", _search_result, _sends("searches", "read_level")),
    ops.Fork: Codec("POST", COLLECTION + "/fork", _collection, _sends("new_name"), repeatable=_never),
    ops.ForkCount: Codec("GET", COLLECTION + "/fork_count", lambda answer: int(answer["count"])),
    ops.GetIndexingStatus: Codec("GET", COLLECTION + "/indexing_status", _indexing_status),
    ops.AttachFunction: Codec(
        "POST",
        COLLECTION + "/functions/attach",
        dict,
        _sends("name", "function_id", "output_collection", "params"),
        repeatable=_never,
    ),
    ops.GetAttachedFunction: Codec("GET", COLLECTION + "/functions/{name}", dict),
    ops.DetachFunction: Codec(
        "POST",
        COLLECTION + "/attached_functions/{name}/detach",
        lambda answer: bool(answer["success"]),
        lambda request, facts: {"delete_output": request.delete_output_collection},
        repeatable=_never,
    ),
}


# --- Encode, decode -----------------------------------------------------------------------------------------
def _segment(value: object) -> str:
    """One part of a path. A dot alone would be resolved away: ``collections/..`` is the database."""
    text = quote(str(value), safe="")
    return text.replace(".", "%2E") if text in {".", ".."} else text


def encode(request: ops.Request[Any], facts: ServerFacts) -> Call:
    """The call that asks a server for ``request``.

    >>> encode(ops.GetTenant("a/b"), ServerFacts()).target
    '/tenants/a%2Fb'
    """
    codec = CODECS[type(request)]
    names = codec.parameters
    target = re.sub(r"{(\w+)}", lambda part: _segment(getattr(request, names.get(part[1], part[1]))), codec.path)
    query = {key: value for key, value in codec.query(request).items() if value is not None}
    if query:
        target += "?" + urlencode(query)
    body = None if codec.body is None else dumps(codec.body(request, facts))
    return Call(codec.method, target, body, codec.repeatable(request))


def decode(request: ops.Request[R], reply: Reply) -> R:
    """The answer to ``request`` in ``reply``, or the error it tells of, raised."""
    if not 200 <= reply.status < 300:
        raise error_of(reply)
    codec = CODECS[type(request)]
    answer: R
    try:
        answer = codec.answer(_json(reply), request) if codec.wants_request else codec.answer(_json(reply))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise errors.InternalError(
            f"expected Chroma's answer to {type(request).__name__}, got {reply.body[:80]!r} ({type(error).__name__}); "
            "does the server speak Chroma's API v2?"
        ) from error
    return answer


# --- Errors ---------------------------------------------------------------------------------------------------
class _NotOfferedError(errors.ChromaError, NotImplementedError, metaclass=errors.ShownAs, shown=NotImplementedError):
    """The server does not have this call."""

    status = 501


#: Names that say little on the wire ("ChromaError"): the status tells which class is meant.
_BY_STATUS: dict[int, type[errors.ChromaError]] = {
    400: errors.InvalidArgumentError,
    401: errors.AuthorizationError,
    403: errors.AuthorizationError,
    404: errors._MissingError,
    409: errors._AlreadyExistsError,
    410: errors.VersionMismatchError,
    413: errors.BatchSizeExceededError,
    415: errors.InvalidArgumentError,
    422: errors.InvalidArgumentError,
    429: errors.RateLimitError,
    501: _NotOfferedError,
}
#: Where this package raises a child that is a ValueError too, the child.
_CHILDREN: dict[type[errors.ChromaError], type[errors.ChromaError]] = {
    errors.NotFoundError: errors._MissingError,
    errors.UniqueConstraintError: errors._AlreadyExistsError,
}


def error_of(reply: Reply) -> errors.ChromaError:
    """The exception a reply tells of: by its name, else by its status; with the server's trace id.

    >>> error_of(Reply(404, {}, b'{"error":"NotFoundError","message":"Collection [x] does not exist"}'))
    NotFoundError('Collection [x] does not exist')
    """
    name, message = _name_and_message(reply)
    kind = errors.error_types.get(name) or _BY_STATUS.get(reply.status)
    if kind is None:
        kind = errors.InternalError if reply.status >= 500 else errors.ChromaError
    kind = _CHILDREN.get(kind, kind)
    if kind is errors.InvalidArgumentError and "Expected a name" in message:
        kind = errors._InvalidNameError
    error = kind(message)
    error.trace_id = reply.headers.get("chroma-trace-id")
    return error


def _name_and_message(reply: Reply) -> tuple[str, str]:
    try:
        answer = orjson.loads(reply.body)
        return str(answer["error"]), str(answer.get("message", answer["error"]))
    except (orjson.JSONDecodeError, TypeError, KeyError, AttributeError):
        text = reply.body[:200].decode("utf-8", "replace").strip()
        where = f", to {reply.headers['location']!r}" if "location" in reply.headers else ""
        return "", f"the server answered {reply.status}{where}" + (f": {text}" if text else "")


# --- What has no form on the wire -----------------------------------------------------------------------------
def check_remote(request: ops.Request[Any]) -> None:
    """Refuse an operation that only a local engine can do, saying so."""
    if type(request) in CODECS:
        return
    call = type(request).__name__.lower()
    raise _NotOfferedError(
        f"{call} works on a local directory only and has no form on Chroma's wire, got it on a client of a server; "
        f"open the directory with PersistentClient on the server's machine (while the server is stopped or beside it) "
        f"and call {call} there"
    )

"""What a server says of an error: told by attributes of the error, never by its words or by where it was raised."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from types import FunctionType
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest

import chroma_nb
from chroma_nb import constraints, errors
from chroma_nb.backends import endpoints
from chroma_nb.backends.http.codec import Reply, decode
from chroma_nb.backends.wire.fields import BodyError
from chroma_nb.client.shared_system_client import SharedSystemClient
from chroma_nb.engine import engine
from chroma_nb.errors import refused
from chroma_nb.interchange import chroma_sqlite
from chroma_nb.operations import bindings
from chroma_nb.operations import requests as ops
from chroma_nb.server import app, auth

D = "/api/v2/tenants/default_tenant/databases/default_database"

#: Class -> status, and name in the reply: what Chroma's clients make their classes of.
SAID: list[tuple[type[Exception], int, str]] = [
    (errors.ChromaError, 400, "ChromaError"),
    (errors.InvalidDimensionException, 400, "InvalidDimension"),
    (errors.IDAlreadyExistsError, 409, "ChromaError"),
    (errors.ChromaAuthError, 403, "AuthError"),
    (errors.DuplicateIDError, 400, "DuplicateID"),
    (errors.InvalidArgumentError, 400, "InvalidArgumentError"),
    (errors.InvalidUUIDError, 400, "InvalidUUID"),
    (errors.InvalidHTTPVersion, 400, "InvalidHTTPVersion"),
    (errors.AuthorizationError, 401, "AuthorizationError"),
    (errors.NotFoundError, 404, "NotFoundError"),
    (errors.UniqueConstraintError, 409, "ChromaError"),
    (errors.BatchSizeExceededError, 413, "BatchSizeExceededError"),
    (errors.VersionMismatchError, 500, "VersionMismatchError"),
    (errors.InternalError, 500, "InternalError"),
    (errors.RateLimitError, 429, "RateLimitError"),
    (errors.QuotaError, 400, "QuotaError"),
    (errors._MissingError, 404, "NotFoundError"),
    (errors._InvalidNameError, 400, "InvalidArgumentError"),
    (errors._AlreadyExistsError, 409, "ChromaError"),
    (errors._ResetRefusedError, 403, "ChromaError"),
    (errors._NotOfferedError, 501, "ChromaError"),
    (errors._ClosedError, 400, "ChromaError"),
    (errors._ReadOnlyError, 500, "InternalError"),
    (errors._NoRoomError, 500, "InternalError"),
    (errors._DamagedError, 500, "InternalError"),
    (chroma_sqlite.ChromaDirectoryError, 400, "ChromaError"),
    (auth._ForeignHostError, 403, "AuthError"),
    (BodyError, 422, "ChromaError"),
]
#: What is no answer to a caller: the server's log has it.
UNSAID = [
    ValueError,
    TypeError,
    OverflowError,
    KeyError,
    OSError,
    NotImplementedError,
    errors.InvalidConfigurationError,
]


@pytest.mark.parametrize(("kind", "status", "name"), SAID)
@pytest.mark.parametrize("words", ["why", "Reset is disabled by config", "Expected a name"])
def test_the_class_of_an_error_says_status_and_name(kind: type[Exception], status: int, name: str, words: str) -> None:
    said = "Forbidden" if kind is errors.ChromaAuthError else words
    assert app.error_answer(kind(words)) == (status, name, said)


def test_every_class_of_errors_is_in_the_table() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ChromaError)}
    assert kinds <= {kind for kind, _, _ in SAID}


@pytest.mark.parametrize("kind", UNSAID)
def test_an_error_of_pythons_own_is_said_only_where_a_check_marked_it(kind: type[Exception]) -> None:
    status, name, message = app.error_answer(kind("quotes a record"))
    assert (status, name) == (500, "InternalError")
    assert "record" not in message
    assert app.error_answer(refused(kind("quotes a record")))[:2] == (400, "InvalidArgumentError")


# --- Where it is raised makes no difference ----------------------------------------------------------------------
def moved(function: Any) -> Any:
    """The same function, as if another module defined it, on a line of its own."""
    names = vars(inspect.getmodule(function)) | {"__name__": "elsewhere", "__file__": "elsewhere.py"}
    made = FunctionType(
        function.__code__.replace(co_filename="elsewhere.py", co_firstlineno=1), names, closure=function.__closure__
    )
    made.__defaults__, made.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    return made


WIDE = 10**400
#: check, what it is given
CHECKS: list[tuple[Any, tuple[Any, ...]]] = [
    (bindings.check_limit, ("ten",)),
    (bindings.check_limit, (-1,)),
    (bindings.check_query_ids, ("a",)),
    (bindings.check_query_ids, ([1],)),
    (bindings.check_name_is_str, (5,)),
    (constraints.check_tenant_name, (5,)),
    (constraints.check_database_name, (5,)),
    (constraints.check_collection_name, (5,)),
    (constraints.check_collection_metadata, ([],)),
    (constraints.check_collection_metadata, ({1: 2},)),
    (constraints._checked_ids, ([1], False)),
    (constraints._texts, ([1], "documents")),
    (constraints._storable_scalar, (object(), "metadatas")),
    (constraints._storable_scalar, (WIDE, "metadatas")),
    (constraints._storable, ({"a": None}, False, "metadatas")),
]


@pytest.mark.parametrize(("check", "given"), CHECKS)
def test_a_check_says_the_same_from_any_module(check: Any, given: tuple[Any, ...]) -> None:
    said = []
    for function in (check, moved(check)):
        with pytest.raises((TypeError, OverflowError, ValueError)) as caught:
            function(*given)
        said.append((type(caught.value), app.error_answer(caught.value)))
    assert said[0] == said[1]
    kind, (status, name, message) = said[0]
    assert kind in (TypeError, OverflowError)
    assert (status, name) == (400, "InvalidArgumentError")
    assert message


def answers(http: httpx.Client, path: str) -> list[tuple[int, Any]]:
    """What four refused calls get."""
    asked = [
        http.post(
            path + "/add", json={"ids": ["x"], "embeddings": [[1, 2, 3]], "metadatas": [{"a": "b", "c": [WIDE]}]}
        ),
        http.post(D + "/collections", json={"name": "-"}),
        http.post("/api/v2/reset"),
        http.get(path + "/functions/f"),
    ]
    return [(answer.status_code, answer.json()) for answer in asked]


def test_moved_checks_change_no_answer(http: httpx.Client, collection: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{D}/collections/{collection.id}"
    before = answers(http, path)
    assert [status for status, _ in before] == [400, 400, 403, 501]
    for name in ("_storable", "_storable_list", "_storable_scalar", "_wide_int"):
        monkeypatch.setattr(constraints, name, moved(getattr(constraints, name)))
    monkeypatch.setattr(engine, "check_collection_name", moved(constraints.check_collection_name))
    row = endpoints.ENDPOINTS[ops.GetAttachedFunction]
    monkeypatch.setitem(endpoints.ENDPOINTS, ops.GetAttachedFunction, replace(row, handler=moved(row.handler)))
    assert answers(http, path) == before


# --- Names, over the wire ------------------------------------------------------------------------------------------
@pytest.fixture(params=["embedded", "http"])
def client(request: pytest.FixtureRequest) -> Iterator[Any]:
    with chroma_nb.EphemeralClient() as store:
        SharedSystemClient.clear_system_cache()
        if request.param == "embedded":
            yield store
            return
        with chroma_nb.serve(store, port=0) as server, chroma_nb.HttpClient(port=server.port) as remote:
            yield remote


@pytest.mark.parametrize("name", ["-", "a..b", "1.2.3.4"])
def test_a_bad_name_is_a_value_error_too(client: Any, name: str) -> None:
    fish = client.create_collection("fish", embedding_function=None)
    for call in (lambda: client.create_collection(name), lambda: fish.modify(name=name)):
        with pytest.raises(errors._InvalidNameError, match="Expected a name"):
            call()


def test_what_is_wrong_besides_the_name_is_no_bad_name(client: Any) -> None:
    for metadata in ({"": 1}, {"#a": 1}):
        with pytest.raises(errors.InvalidArgumentError) as caught:
            client.create_collection("Expected-a-name", metadata=metadata)
        assert not isinstance(caught.value, errors._InvalidNameError)


PLACE = {"tenant": "t", "database": "d"}


@pytest.mark.parametrize(
    ("request_", "bad"),
    [
        (ops.CreateTenant("ab"), True),
        (ops.CreateTenant("abc"), False),
        (ops.CreateDatabase("ab", "t"), True),
        (ops.CreateCollection("-", **PLACE), True),
        (ops.CreateCollection("abc", **PLACE), False),
        (ops.CreateCollection(5, **PLACE), False),  # type: ignore[arg-type]  # what a caller may write
        (ops.ModifyCollection(UUID(int=1), **PLACE, new_metadata={"a": 1}), False),
        (ops.ModifyCollection(UUID(int=1), **PLACE, new_name="-"), True),
        (ops.GetCollection("-", **PLACE), False),
    ],
)
@pytest.mark.parametrize("words", ["Expected a name", "other words"])
def test_a_client_knows_a_bad_name_by_what_it_sent(request_: ops.Request[Any], bad: bool, words: str) -> None:
    body = orjson.dumps({"error": "InvalidArgumentError", "message": words})
    with pytest.raises(errors.InvalidArgumentError) as caught:
        decode(request_, Reply(400, {}, body))
    assert isinstance(caught.value, errors._InvalidNameError) is bad


def test_a_refused_reset_is_403_to_a_server_and_401_by_its_class() -> None:
    error = errors._ResetRefusedError("Reset is disabled by config")
    assert (error.status, error.code(), type(error).__name__) == (403, 401, "AuthorizationError")

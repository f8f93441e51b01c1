"""Every operation on the wire: what is sent, what is understood, what is refused."""

from __future__ import annotations

import inspect
from dataclasses import replace
from uuid import UUID

import numpy as np
import orjson
import pytest

from chroma_nb import errors
from chroma_nb.backends.endpoints import ENDPOINTS
from chroma_nb.backends.http.codec import Reply, ServerFacts, decode, encode, error_of
from chroma_nb.backends.wire.encoding import dumps
from chroma_nb.operations import requests as ops
from chroma_nb.query.parsing import Filter
from chroma_nb.records import Records
from chroma_nb.types import SparseVector

ID = UUID("11111111-2222-4333-8444-555555555555")
PLACE = {"collection_id": ID, "tenant": "t", "database": "d"}
BASE64 = ServerFacts(max_batch_size=5461, takes_base64=True)


def _all_requests() -> set[type]:
    classes = {kind for _, kind in inspect.getmembers(ops, inspect.isclass) if issubclass(kind, ops.Request)}
    return classes - {ops.Request, ops.CollectionRequest, ops.Filtered, ops.LocalRequest}


def test_every_operation_is_answered_by_the_engine_and_travels_unless_it_is_local() -> None:
    local = {kind for kind in _all_requests() if issubclass(kind, ops.LocalRequest)}
    assert set(ENDPOINTS) == _all_requests()
    assert {kind for kind, endpoint in ENDPOINTS.items() if endpoint.route is None} == local


@pytest.mark.parametrize(
    "request_", [ops.Vacuum(), ops.Verify(), ops.Explain(ops.Query(**PLACE, query_embeddings=None))]
)
def test_a_local_extra_says_that_it_is_local(request_: ops.Request[object]) -> None:
    with pytest.raises(errors.ChromaError, match="works on a local directory only") as caught:
        encode(request_, BASE64)
    assert isinstance(caught.value, NotImplementedError)


@pytest.mark.parametrize("name", ["a/b", "..", ".", "a b", "ü", "a%2Fb", "a?b#c", "\x00ab"])
def test_a_name_stays_one_part_of_the_path(name: str) -> None:
    target = encode(ops.DeleteCollection(name, "t", "d"), BASE64).target
    assert target.count("/") == 6
    assert target.rpartition("/")[2] not in {".", ".."}
    assert not set(target) & set("?# \x00")


def test_vectors_travel_as_base64_where_the_server_takes_it_and_as_numbers_elsewhere() -> None:
    request = ops.Add(**PLACE, records=Records(["a"], np.array([[1, 2]], np.float32)))
    assert orjson.loads(encode(request, BASE64).body or b"")["embeddings"] == ["AACAPwAAAEA="]
    assert orjson.loads(encode(request, ServerFacts()).body or b"")["embeddings"] == [[1.0, 2.0]]


@pytest.mark.parametrize("facts", [BASE64, ServerFacts()])
def test_an_update_names_the_records_without_a_vector_by_null(facts: ServerFacts) -> None:
    records = Records(["a", "b"], np.ones((2, 2), np.float32), has_embedding=np.array([False, True]))
    sent = orjson.loads(encode(ops.Update(**PLACE, records=records), facts).body or b"")["embeddings"]
    assert sent[0] is None
    assert sent[1] is not None


def test_query_vectors_survive_as_they_are() -> None:
    vector = np.random.default_rng(0).normal(size=(1, 50)).astype(np.float32)
    body = orjson.loads(encode(ops.Query(**PLACE, query_embeddings=vector), BASE64).body or b"")
    assert (np.array(body["query_embeddings"], np.float32) == vector).all()


def test_integers_beyond_64_bits_and_sparse_vectors_can_be_sent() -> None:
    metadata = {"big": 2**70, "sparse": SparseVector([1], [0.5], ["x"])}
    request = ops.Upsert(**PLACE, records=Records(["a"], np.ones((1, 2), np.float32), metadatas=[metadata]))
    body = encode(request, BASE64).body or b""
    assert b"1180591620717411303424" in body
    assert orjson.loads(body)["metadatas"][0]["sparse"] == {
        "#type": "sparse_vector", "indices": [1], "values": [0.5], "tokens": ["x"]
    }  # fmt: skip


def test_a_sparse_vector_comes_back_as_one() -> None:
    answer = {
        "ids": ["a"], "metadatas": [{"s": {"#type": "sparse_vector", "indices": [1], "values": [0.5]}}], "include": []
    }  # fmt: skip
    got = decode(ops.Get(**PLACE), Reply(200, {}, orjson.dumps(answer)))
    assert got["metadatas"] == [{"s": SparseVector([1], [0.5])}]


def test_get_answers_chromas_seven_keys_and_float64_vectors_of_float32_value() -> None:
    reply = Reply(200, {}, b'{"ids":["a"],"embeddings":[[0.1,3]],"documents":null,"uris":null,"metadatas":null}')
    got = decode(ops.Get(**PLACE, include=("embeddings",)), reply)
    assert set(got) == {"ids", "embeddings", "documents", "uris", "included", "data", "metadatas"}
    assert got["embeddings"].dtype == np.float64
    assert got["embeddings"][0, 0] == np.float32(0.1)
    assert got["included"] == ["embeddings"]


def test_nothing_found_is_an_empty_array() -> None:
    got = decode(ops.Get(**PLACE, include=("embeddings",)), Reply(200, {}, b'{"ids":[],"embeddings":[]}'))
    assert got["embeddings"].shape == (0,)


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (404, "NotFoundError", errors.NotFoundError),
        (404, "NotFoundError", ValueError),
        (409, "ChromaError", errors.UniqueConstraintError),
        (409, "ChromaError", errors.InternalError),
        (400, "InvalidArgumentError", errors.InvalidArgumentError),
        (422, "ChromaError", errors.InvalidArgumentError),
        (403, "AuthError", errors.ChromaAuthError),
        (403, "ChromaError", errors.AuthorizationError),
        (429, "RateLimitError", errors.RateLimitError),
        (400, "QuotaError", errors.QuotaError),
        (500, "InternalError", errors.InternalError),
        (501, "ChromaError", NotImplementedError),
        (418, "Whatever", errors.ChromaError),
    ],
)
def test_an_error_is_known_by_its_name_or_else_by_its_status(status: int, name: str, kind: type) -> None:
    error = error_of(Reply(status, {"chroma-trace-id": "abc"}, orjson.dumps({"error": name, "message": "why"})))
    assert isinstance(error, kind)
    assert isinstance(error, errors.ChromaError)
    assert error.trace_id == "abc"
    assert "why" in str(error)


@pytest.mark.parametrize("body", [b"<html>no</html>", b"", b"[]", b'"text"', b'{"detail":1}', b"\xff"])
def test_a_failure_without_chromas_json_still_tells_the_status(body: bytes) -> None:
    error = error_of(Reply(502, {}, body))
    assert isinstance(error, errors.InternalError)
    assert "502" in str(error)


def test_what_chromas_server_says_in_plain_text_of_a_body_is_passed_on_as_it_is() -> None:
    error = error_of(Reply(422, {}, b"Failed to deserialize the JSON body into the target type"))
    assert isinstance(error, errors.InvalidArgumentError)
    assert str(error) == "Failed to deserialize the JSON body into the target type"


@pytest.mark.parametrize("body", [b"<html>login</html>", b"[]", b"{}", b"null", b'{"id":"no uuid"}'])
def test_an_answer_that_is_not_chromas_is_refused_with_its_beginning(body: bytes) -> None:
    with pytest.raises(errors.InternalError, match="Expected"):
        decode(ops.GetCollection("c", "t", "d"), Reply(200, {"content-type": "text/html"}, body))


def test_what_may_be_sent_twice() -> None:
    def repeatable(request: ops.Request[object]) -> bool:
        return encode(request, BASE64).repeatable

    delete = ops.Delete(**PLACE, ids=["a"])
    create = ops.CreateCollection("c", "t", "d")
    assert repeatable(delete)
    assert not repeatable(replace(delete, filter=Filter({"a": 1})))
    assert not repeatable(create)
    assert repeatable(replace(create, get_or_create=True))
    assert not repeatable(ops.Reset())
    assert not repeatable(ops.Fork(**PLACE, new_name="x"))


@pytest.mark.parametrize("metadata", [{1: "a"}, {"a": {2: "b"}}, {"a": [{None: "b"}]}, {1: 2**70}])
def test_a_key_that_is_no_text_is_refused_and_not_made_one(metadata: dict[object, object]) -> None:
    with pytest.raises(TypeError, match="expected metadata with str keys"):
        dumps({"metadatas": [metadata]})

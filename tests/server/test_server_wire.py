"""The wire as Chroma's server speaks it: paths, statuses, names of errors. Raw HTTP, no client of ours."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import httpx
import numpy as np
import pytest
from plain_http import post

import chroma_nb
from chroma_nb.server import openapi
from chroma_nb.server.app import create_app

D = "/api/v2/tenants/default_tenant/databases/default_database"


def packed(*numbers: float) -> str:
    return base64.b64encode(np.array(numbers, "<f4").tobytes()).decode()


@pytest.fixture
def c(collection: Any) -> str:
    return f"{D}/collections/{collection.id}"


def test_the_server_tells_about_itself(http: httpx.Client) -> None:
    assert isinstance(http.get("/api/v2/heartbeat").json()["nanosecond heartbeat"], int)
    assert http.get("/api/v2").json().keys() == {"nanosecond heartbeat"}
    assert http.get("/api/v2/version").json() == "1.5.9"
    assert http.get("/api/v2/healthcheck").json() == {"is_executor_ready": True, "is_log_client_ready": True}
    facts = http.get("/api/v2/pre-flight-checks").json()
    assert facts["supports_base64_encoding"] is True
    assert facts["max_batch_size"] >= 5461
    identity = http.get("/api/v2/auth/identity").json()
    assert identity == {"user_id": "", "tenant": "default_tenant", "databases": ["default_database"]}


def test_v1_is_gone_and_other_paths_never_were(http: httpx.Client) -> None:
    for answer in (http.get("/api/v1/heartbeat"), http.post("/api/v1/collections", json={})):
        assert answer.status_code == 410
        assert answer.json() == {"error": "Unimplemented", "message": "The v1 API is deprecated. Please use /v2 apis"}
    assert http.get("/api/v1").status_code == 404
    assert http.get("/api/v2/nope").status_code == 404
    assert http.get("/").status_code == 404
    assert http.post("/api/v2/heartbeat").status_code == 405
    assert http.options("/api/v2/heartbeat").status_code == 405


def test_every_answer_has_a_trace_id(http: httpx.Client) -> None:
    good, bad = http.get("/api/v2/version"), http.get("/api/v2/tenants/nobody")
    assert len(good.headers["chroma-trace-id"]) == len(bad.headers["chroma-trace-id"]) == 32
    assert good.headers["chroma-trace-id"] != bad.headers["chroma-trace-id"]


def test_records_are_added_read_queried_and_deleted(http: httpx.Client, c: str) -> None:
    body = {"ids": ["owl"], "embeddings": [packed(0, 0, 1)], "documents": ["wise"], "metadatas": [{"tags": ["n"]}]}
    added = http.post(c + "/add", json=body)
    assert (added.status_code, added.json()) == (201, {})
    got = http.post(
        c + "/get", json={"ids": ["owl"], "include": ["embeddings", "documents", "metadatas", "uris"]}
    ).json()
    assert got == {
        "ids": ["owl"], "embeddings": [[0, 0, 1]], "documents": ["wise"], "metadatas": [{"tags": ["n"]}],
        "uris": [None], "include": ["embeddings", "documents", "metadatas", "uris"],
    }  # fmt: skip
    found = http.post(c + "/query", json={"query_embeddings": [[0, 0, 1]], "n_results": 1}).json()
    assert found["ids"] == [["owl"]]
    assert found["distances"] == [[0.0]]
    assert found["include"] == ["metadatas", "documents", "distances"]
    updated = http.post(c + "/update", json={"ids": ["owl", "wren"], "embeddings": [None, [0, 0, 2]]})
    assert (updated.status_code, updated.json()) == (200, {})
    assert http.post(c + "/upsert", json={"ids": ["owl"], "embeddings": [[1, 1, 1]]}).status_code == 200
    assert http.post(c + "/delete", json={"ids": ["owl", "nobody"]}).json() == {"deleted": 2}
    assert http.post(c + "/delete", json={"where": {"g": 9}}).json() == {"deleted": 1}
    assert http.get(c + "/count?read_level=index_only").json() == 1


def test_a_delete_of_nothing_in_particular_deletes_nothing(http: httpx.Client, c: str) -> None:
    assert http.post(c + "/delete", json={}).json() == {"deleted": 0}
    assert http.get(c + "/count").json() == 2


def test_collections_are_made_changed_listed_and_deleted(http: httpx.Client) -> None:
    made = http.post(D + "/collections", json={"name": "owls", "metadata": {"a": 1}}).json()
    assert made.keys() == {
        "id", "name", "configuration_json", "schema", "metadata", "dimension", "tenant", "database",
        "log_position", "version",
    }  # fmt: skip
    assert made["metadata"] == {"a": 1}
    again = http.post(D + "/collections", json={"name": "owls", "get_or_create": True}).json()
    assert again["id"] == made["id"]
    taken = http.post(D + "/collections", json={"name": "owls"})
    assert taken.status_code == 409
    assert taken.json() == {"error": "ChromaError", "message": "Collection [owls] already exists"}
    assert http.put(f"{D}/collections/{made['id']}", json={"new_name": "nightjars"}).json() == {}
    assert http.get(f"{D}/collections/by-id/{made['id']}").json()["name"] == "nightjars"
    assert http.get("/api/v2/collections/default_tenant:default_database:nightjars").json()["id"] == made["id"]
    assert [one["name"] for one in http.get(D + "/collections?limit=10&offset=0").json()] == ["nightjars"]
    assert http.get(D + "/collections_count").json() == 1
    assert http.delete(D + "/collections/nightjars").json() == {}
    gone = http.get(D + "/collections/nightjars")
    assert gone.status_code == 404
    assert gone.json() == {"error": "NotFoundError", "message": "Collection [nightjars] does not exist"}


def test_tenants_and_databases(http: httpx.Client) -> None:
    assert http.post("/api/v2/tenants", json={"name": "zoo"}).json() == {}
    assert http.post("/api/v2/tenants", json={"name": "zoo"}).status_code == 409
    assert http.get("/api/v2/tenants/zoo").json() == {"name": "zoo", "resource_name": None}
    assert http.patch("/api/v2/tenants/zoo", json={"resource_name": "x"}).json() == {}
    assert http.get("/api/v2/tenants/nobody").json() == {
        "error": "NotFoundError",
        "message": "Tenant [nobody] not found",
    }
    assert http.post("/api/v2/tenants/zoo/databases", json={"name": "a/b ü"}).json() == {}
    assert http.get("/api/v2/tenants/zoo/databases/a%2Fb%20%C3%BC").json()["name"] == "a/b ü"
    assert len(http.get("/api/v2/tenants/zoo/databases").json()) == 1
    assert http.delete("/api/v2/tenants/zoo/databases/a%2Fb%20%C3%BC").json() == {}
    assert http.get("/api/v2/tenants/zoo/databases/a%2Fb%20%C3%BC").status_code == 404


#: path below the collection, body, status, name of the error: as observed of Chroma 1.5.9's server.
REFUSED = [
    ("/add", {"ids": ["x"], "embeddings": [[1, 2, 3], [1, 2, 3]]}, 400, "InvalidArgumentError"),
    ("/add", {"ids": ["x"], "embeddings": [[1, 2, 3]], "documents": ["a", "b"]}, 400, "InvalidArgumentError"),
    ("/add", {"ids": ["x"], "embeddings": [[1, 2]]}, 400, "InvalidArgumentError"),
    ("/add", {"ids": ["x"], "embeddings": [[]]}, 400, "InvalidArgumentError"),
    ("/add", {"ids": ["x"], "embeddings": ["!!"]}, 400, "InvalidArgumentError"),
    ("/add", {"ids": ["x"], "embeddings": ["AAA="]}, 400, "InvalidArgumentError"),
    ("/add", {"ids": ["x"], "embeddings": [packed(1, 2, float("nan"))]}, 400, "InvalidArgumentError"),
    ("/add", {"ids": ["x"], "embeddings": [[1e300, 2, 3]]}, 400, "InvalidArgumentError"),
    ("/add", {"ids": [""], "embeddings": [[1, 2, 3]]}, 400, "InvalidArgumentError"),
    ("/add", {"ids": ["x"], "embeddings": [[1, 2, 3]], "metadatas": [{"$a": 1}]}, 400, "InvalidArgumentError"),
    ("/add", {"ids": ["x"], "embeddings": None}, 422, "ChromaError"),
    ("/add", {"ids": ["x"]}, 422, "ChromaError"),
    ("/add", {"ids": ["x"], "embeddings": [None]}, 422, "ChromaError"),
    ("/add", {"ids": ["x"], "embeddings": [["1", 2, 3]]}, 422, "ChromaError"),
    ("/add", {"ids": ["x"], "embeddings": [[[1], [2], [3]]]}, 422, "ChromaError"),
    ("/add", {"ids": ["x", "y"], "embeddings": [[1, 2, 3], packed(1, 2, 3)]}, 422, "ChromaError"),
    ("/add", {"ids": "x", "embeddings": [[1, 2, 3]]}, 422, "ChromaError"),
    ("/add", {"ids": ["x"], "embeddings": [[1, 2, 3]], "metadatas": [{"a": {"b": 1}}]}, 422, "ChromaError"),
    ("/add", {"ids": ["x"], "embeddings": [[1, 2, 3]], "metadatas": [{"a": None}]}, 422, "ChromaError"),
    ("/add", {"ids": ["x"], "embeddings": [[1, 2, 3]], "metadatas": [{"a": []}]}, 422, "ChromaError"),
    ("/add", {"ids": ["x"], "embeddings": [[1, 2, 3]], "metadatas": [{"a": [1, "b"]}]}, 422, "ChromaError"),
    ("/add", [], 422, "ChromaError"),
    ("/update", {}, 422, "ChromaError"),
    ("/update", {"ids": ["wren"], "embeddings": [packed(1, 2)]}, 400, "InvalidArgumentError"),
    ("/upsert", {"ids": ["x"], "documents": ["x"]}, 422, "ChromaError"),
    ("/get", {"include": ["nope"]}, 422, "ChromaError"),
    ("/get", {"include": ["data"]}, 422, "ChromaError"),
    ("/get", {"limit": -1}, 422, "ChromaError"),
    ("/get", {"limit": 2**32}, 422, "ChromaError"),
    ("/get", {"limit": 1.5}, 422, "ChromaError"),
    ("/get", {"limit": True}, 422, "ChromaError"),
    ("/get", {"ids": "x"}, 422, "ChromaError"),
    ("/get", {"where": {}}, 400, "InvalidArgumentError"),
    ("/get", {"where": {"a": {"$gt": "x"}}}, 400, "InvalidArgumentError"),
    ("/get", {"where": {"a": {"$nope": "x"}}}, 400, "InvalidArgumentError"),
    ("/get", {"where": 5}, 400, "InvalidArgumentError"),
    ("/get", {"where_document": {"$regex": "("}}, 400, "InvalidArgumentError"),
    ("/query", {}, 422, "ChromaError"),
    ("/query", {"query_embeddings": [packed(1, 2, 3)]}, 422, "ChromaError"),
    ("/query", {"query_embeddings": [[1, 2]]}, 400, "InvalidArgumentError"),
    ("/query", {"query_embeddings": [[1, 2, 3]], "n_results": -1}, 422, "ChromaError"),
    ("/query", {"query_embeddings": [[1, 2, 3]], "n_results": 2**63}, 422, "ChromaError"),
    ("/delete", {"ids": ["x"], "limit": 1}, 400, "InvalidArgumentError"),
    ("/search", {}, 422, "ChromaError"),
    ("/search", {"searches": [5]}, 422, "ChromaError"),
    ("/search", {"searches": [{"limit": {"limit": -1}}]}, 422, "ChromaError"),
    ("/search", {"searches": [{"filter": {"a": {"$nope": 1}}}]}, 400, "InvalidArgumentError"),
    ("/search", {"searches": [{"rank": {"$nope": 1}}]}, 422, "ChromaError"),
    ("/search", {"searches": [{"rank": {"$knn": {"query": "a text"}}}]}, 422, "ChromaError"),
    ("/search", {"searches": [{"rank": {"$knn": {"query": {"indices": [1]}, "key": "v"}}}]}, 422, "ChromaError"),
    ("/search", {"searches": [{"rank": {"$knn": {"query": {"indices": [-1], "values": [1]}}}}]}, 422, "ChromaError"),
    ("/search", {"searches": [{"rank": {"$knn": {"query": {"indices": [1], "values": [1]}}}}]}, 400,
     "InvalidArgumentError"),
    ("/search", {"searches": [{"rank": {"$knn": {"query": {"indices": [2, 1], "values": [1, 1]}}}}]}, 400,
     "InvalidArgumentError"),
    ("/search", {"searches": [{"rank": {"$knn": {"query": [1, 2]}}}]}, 400, "InvalidArgumentError"),
    ("/search", {"searches": [{"group_by": {"keys": ["a"], "aggregate": {"$min_k": {"keys": ["b"], "k": 1}}}}]}, 400,
     "InvalidArgumentError"),
    ("/add", {"ids": ["x"], "embeddings": [[1, 2, 3]], "metadatas": [{"v": {"#type": "sparse_vector"}}]}, 422,
     "ChromaError"),
    ("/add", {"ids": ["x"], "embeddings": [[1, 2, 3]], "metadatas": [{"v": {"indices": [-1], "values": [1]}}]}, 422,
     "ChromaError"),
    ("/add", {"ids": ["x"], "embeddings": [[1, 2, 3]], "metadatas": [{"v": {"indices": [2, 1], "values": [1, 1]}}]},
     400, "InvalidArgumentError"),
    ("/update", {"ids": ["wren"], "metadatas": [{"v": {"indices": [1], "values": []}}]}, 400, "InvalidArgumentError"),
    ("/fork", {"new_name": "birds"}, 409, "ChromaError"),
    ("/fork", {"new_name": "-"}, 400, "InvalidArgumentError"),
    ("/fork", {}, 422, "ChromaError"),
    ("/fork", {"new_name": 7}, 422, "ChromaError"),
    ("/functions/attach", {"name": "a", "function_id": "b", "output_collection": "c"}, 501, "ChromaError"),
    ("/attached_functions/x/detach", {"delete_output": False}, 501, "ChromaError"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "status", "name"), REFUSED)
def test_a_call_that_cannot_be_is_refused_with_chromas_status_and_name(
    http: httpx.Client, c: str, path: str, body: Any, status: int, name: str
) -> None:
    answer = http.post(c + path, json=body)
    assert (answer.status_code, answer.json()["error"]) == (status, name), answer.text
    assert answer.json()["message"]
    assert http.get(c + "/count").json() == 2


def test_a_collection_is_forked(http: httpx.Client, c: str) -> None:
    assert http.get(c + "/fork_count").json() == {"count": 0}
    answer = http.post(c + "/fork", json={"new_name": "trial"})
    source, fork = http.get(D + "/collections/birds").json(), answer.json()
    assert answer.status_code == 200
    assert fork == source | {"name": "trial", "id": fork["id"]}
    assert fork["id"] != source["id"]
    there = f"{D}/collections/{fork['id']}"
    assert http.post(there + "/get", json={}).json() == http.post(c + "/get", json={}).json()
    http.post(there + "/delete", json={"ids": ["wren"]})
    assert (http.get(there + "/count").json(), http.get(c + "/count").json()) == (1, 2)
    assert [http.get(one + "/fork_count").json() for one in (c, there)] == [{"count": 1}] * 2
    whole = {"num_unindexed_ops": 0, "op_indexing_progress": 1.0}
    assert http.get(c + "/indexing_status").json() == whole | {"num_indexed_ops": 2, "total_ops": 2}
    assert http.get(there + "/indexing_status").json() == whole | {"num_indexed_ops": 3, "total_ops": 3}
    nowhere = f"{D}/collections/{uuid.uuid4()}"
    for answer in (
        http.post(nowhere + "/fork", json={"new_name": "more"}),
        http.get(nowhere + "/fork_count"),
        http.get(nowhere + "/indexing_status"),
    ):
        assert (answer.status_code, answer.json()["error"]) == (404, "NotFoundError")
        assert "does not exist" in answer.json()["message"]


@pytest.mark.parametrize("body", [b"", b"{", b'{"name":', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 5_000])
def test_a_body_that_is_not_json_is_refused(http: httpx.Client, body: bytes) -> None:
    answer = http.post(D + "/collections", content=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "InvalidArgumentError")


def test_ids_that_occur_twice_in_one_write_are_refused(http: httpx.Client, c: str) -> None:
    answer = http.post(c + "/add", json={"ids": ["x", "x"], "embeddings": [[1, 2, 3]] * 2})
    assert (answer.status_code, answer.json()["error"]) == (400, "DuplicateID")


def test_a_write_of_nothing_is_done_where_the_collection_is_there(http: httpx.Client, c: str) -> None:
    assert http.post(c + "/add", json={"ids": [], "embeddings": []}).status_code == 201
    assert http.post(c + "/update", json={"ids": []}).status_code == 200
    nowhere = f"{D}/collections/{uuid.uuid4()}"
    assert http.post(nowhere + "/add", json={"ids": [], "embeddings": []}).status_code == 404


@pytest.mark.parametrize("id_", ["xyz", "..", "1", "%00"])
def test_a_collection_id_that_is_none_is_refused(http: httpx.Client, id_: str) -> None:
    answer = http.post(f"{D}/collections/{id_.replace('..', '%2E%2E')}/get", json={})
    assert (answer.status_code, answer.json()["error"]) == (400, "InvalidArgumentError")


def test_a_collection_that_is_not_there_is_not_found(http: httpx.Client) -> None:
    nowhere = f"{D}/collections/{uuid.uuid4()}"
    for answer in (http.post(nowhere + "/get", json={}), http.get(nowhere + "/count")):
        assert (answer.status_code, answer.json()["error"]) == (404, "NotFoundError")


def test_page_parameters_are_numbers(http: httpx.Client) -> None:
    for limit in ("-1", "x", str(2**32), "1.5", "²"):
        answer = http.get(D + "/collections", params={"limit": limit})
        assert (answer.status_code, answer.json()["error"]) == (400, "InvalidArgumentError")


def test_the_path_has_the_last_word_over_the_body(http: httpx.Client, store: Any) -> None:
    made = http.post(D + "/collections", json={"name": "here", "tenant": "elsewhere", "database": "other"}).json()
    assert (made["tenant"], made["database"]) == ("default_tenant", "default_database")


def test_reset_happens_only_where_it_is_allowed(http: httpx.Client, serve: Any, collection: Any, store: Any) -> None:
    refused = http.post("/api/v2/reset")
    assert refused.status_code == 403
    assert refused.json() == {"error": "ChromaError", "message": "Reset is disabled by config"}
    assert store.count_collections() == 1
    assert post(serve(allow_reset=True).url + "/api/v2/reset").json() is True
    assert store.count_collections() == 0


def test_the_openapi_document_describes_every_path(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    body = document["paths"][
        D.replace("default_tenant", "{tenant}").replace("default_database", "{database}") + "/collections"
    ]
    assert body["post"]["requestBody"]["content"]["application/json"]["schema"]["required"] == ["name"]
    for path, methods in document["paths"].items():
        concrete = path
        for name in ("tenant", "database", "name"):
            concrete = concrete.replace(f"{{{name}}}", "default_" + name)
        concrete = concrete.replace("{collection_id}", str(uuid.uuid4())).replace("{id}", str(uuid.uuid4()))
        for method in methods:
            assert http.request(method, concrete, json={}).status_code != 405, (method, path)
    assert http.get("/docs").headers["location"] == "/openapi.json"


def test_every_route_that_answers_is_described() -> None:
    client = chroma_nb.EphemeralClient()
    router = create_app(client._system)._router
    answered = {(method, route.path) for route in router.routes for method in route.methods - {"HEAD"}}  # type: ignore[attr-defined]
    described = {(method.upper(), path) for path, methods in openapi.document()["paths"].items() for method in methods}
    about = {("GET", "/docs"), ("GET", "/openapi.json")}
    assert {one for one in answered if not one[1].startswith("/api/v1/")} - about == described
    client.close()

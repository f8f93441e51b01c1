"""What strangers may not: hosts, origins, tokens, sizes, slowness. The server lives on."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import sys
import threading
import time
from typing import Any

import httpx
import numpy as np
import pytest
from plain_http import ask, get, post, raw

import chroma_nb
from chroma_nb.server.limits import Limits

D = "/api/v2/tenants/default_tenant/databases/default_database"
TOKEN = "correct-horse-battery-staple"


def alive(url: str, **headers: str) -> bool:
    return get(url + "/api/v2/heartbeat", headers=headers).status_code == 200


# --- Hosts and origins -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "localhost.evil"])
def test_a_name_that_was_rebound_to_this_machine_is_refused(server: Any, host: str) -> None:
    answer = get(server.url + "/api/v2/version", headers={"host": host})
    assert answer.status_code == 403
    assert answer.json()["error"] == "AuthError"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9", "127.0.0.1:1", "[::1]:8000"])
def test_loopback_by_any_name_is_served(server: Any, host: str) -> None:
    assert get(server.url + "/api/v2/version", headers={"host": host}).status_code == 200


def test_a_further_name_can_be_allowed(serve: Any) -> None:
    server = serve(allowed_hosts=("lab.example",))
    assert get(server.url + "/api/v2/version", headers={"host": "Lab.example:80"}).status_code == 200
    assert get(server.url + "/api/v2/version", headers={"host": "evil.example"}).status_code == 403


def test_a_web_page_of_another_origin_gets_nothing(server: Any) -> None:
    for origin in ("https://evil.example", "http://[::1", "null", ""):
        answer = get(server.url + "/api/v2/version", headers={"origin": origin})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    assert get(server.url + "/api/v2/version", headers={"origin": server.url}).status_code == 200
    preflight = ask("OPTIONS", server.url + "/api/v2/reset", headers={"access-control-request-method": "POST"})
    assert "access-control-allow-origin" not in preflight.headers


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_form_can_send_is_refused(server: Any, store: Any, kind: str) -> None:
    answer = post(server.url + D + "/collections", content=b'{"name":"forged"}', headers={"content-type": kind})
    assert answer.status_code == 415
    assert store.count_collections() == 0


# --- The token ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("headers", [{"authorization": f"Bearer {TOKEN}"}, {"x-chroma-token": TOKEN}])
def test_the_token_opens_by_either_header(serve: Any, headers: dict[str, str]) -> None:
    server = serve(token=TOKEN)
    assert get(server.url + D + "/collections", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Basic abc"}, 401),
        ({"authorization": "Bearer wrong"}, 403),
        ({"authorization": f"Bearer {TOKEN}x"}, 403),
        ({"authorization": f"Bearer {TOKEN[:-1]}"}, 403),
        ({"x-chroma-token": ""}, 403),
        ({"x-chroma-token": b"\xff\xfe"}, 403),
    ],
)
def test_without_the_token_nothing_is_told(serve: Any, headers: dict[str, Any], status: int) -> None:
    server = serve(token=TOKEN)
    for path in (D + "/collections", "/api/v2/auth/identity", "/openapi.json", "/api/v1/x", "/nope"):
        answer = get(server.url + path, headers=headers)
        assert answer.status_code == status
        assert TOKEN not in answer.text
    assert alive(server.url)


def test_a_token_in_the_address_is_none(serve: Any) -> None:
    server = serve(token=TOKEN)
    assert get(f"{server.url}{D}/collections?token={TOKEN}").status_code == 401


def test_clients_send_the_token_and_are_told_when_it_is_wrong(serve: Any) -> None:
    server = serve(token=TOKEN)
    settings = {"chroma_client_auth_provider": "chromadb.auth.token_authn.TokenAuthClientProvider"}
    right = chroma_nb.Settings(**settings, chroma_client_auth_credentials=TOKEN)
    with chroma_nb.HttpClient(port=server.port, settings=right) as client:
        assert client.count_collections() == 0
    with pytest.raises(chroma_nb.errors.ChromaAuthError):
        chroma_nb.HttpClient(port=server.port, headers={"X-Chroma-Token": "wrong"})
    with pytest.raises(chroma_nb.errors.AuthorizationError):
        chroma_nb.HttpClient(port=server.port)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_other_machines_are_not_let_in_without_a_token(host: str) -> None:
    with pytest.raises(ValueError, match="token"):
        chroma_nb.serve("./never-made", host=host, port=0)


def test_a_short_token_is_refused_and_not_shown(store: Any) -> None:
    with pytest.raises(ValueError, match="16 characters") as caught:
        chroma_nb.serve(store, port=0, token="hunter2hunter")
    assert "hunter2" not in str(caught.value)


def test_the_token_is_kept_as_a_digest_only(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(token=TOKEN)
    get(server.url + D + "/collections", headers={"x-chroma-token": TOKEN})
    server.stop()  # what is logged of the call is logged now
    assert "/collections" in caplog.text
    app = server._server.config.app
    assert TOKEN not in caplog.text + repr(server) + repr(vars(app)) + repr(vars(app._gate))


# --- Limits ------------------------------------------------------------------------------------------------------
def test_a_body_beyond_the_limit_is_refused_announced_or_not(serve: Any, collection: Any) -> None:
    server = serve(limits=Limits(body_bytes=1000))
    url = f"{server.url}{D}/collections/{collection.id}/get"
    body = json.dumps({"ids": ["x" * 2000]}).encode()
    headers = {"content-type": "application/json"}
    assert post(url, content=body, headers=headers).status_code == 413
    assert post(url, content=iter([body[:900], body[900:]]), headers=headers).status_code == 413
    assert alive(server.url)


def test_a_packed_body_is_not_unpacked(server: Any, collection: Any) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    answer = post(f"{server.url}{D}/collections/{collection.id}/get", content=bomb, headers=headers)
    assert answer.status_code == 415
    assert alive(server.url)


def test_more_records_than_allowed_are_refused(serve: Any, collection: Any) -> None:
    server = serve(limits=Limits(batch=3))
    body = {"ids": list("abcd"), "embeddings": [[1, 2, 3]] * 4}
    answer = post(f"{server.url}{D}/collections/{collection.id}/add", json=body)
    assert (answer.status_code, answer.json()["error"]) == (413, "BatchSizeExceededError")
    with chroma_nb.HttpClient(port=server.port) as client:
        client.get_collection("birds").add(ids=list("abcdefgh"), embeddings=[[1, 2, 3]] * 8)
    assert collection.count() == 10


def test_a_huge_number_of_results_is_what_there_is_or_refused(serve: Any, collection: Any) -> None:
    server = serve(limits=Limits(result_rows=10))
    url = f"{server.url}{D}/collections/{collection.id}/query"
    found = post(url, json={"query_embeddings": [[1, 0, 0]], "n_results": 10**9})
    assert found.json()["ids"] == [["wren", "crow"]]
    refused = post(url, json={"query_embeddings": [[1, 0, 0]] * 6, "n_results": 10**9})
    assert (refused.status_code, refused.json()["error"]) == (400, "InvalidArgumentError")


@pytest.mark.parametrize("depth", [65, 500, 900])
def test_a_filter_nested_too_deep_is_refused(server: Any, collection: Any, depth: int) -> None:
    body = '{"where":' + '{"$and":[' * depth + '{"a":1},{"b":1}' + "]}" * depth + "}"
    url = f"{server.url}{D}/collections/{collection.id}/get"
    answer = post(url, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (400, "InvalidArgumentError")


def test_a_filter_with_too_many_operands_is_refused(server: Any, collection: Any) -> None:
    url = f"{server.url}{D}/collections/{collection.id}/get"
    assert post(url, json={"where": {"a": {"$in": list(range(5000))}}}).status_code == 200
    assert post(url, json={"where": {"a": {"$in": list(range(20_000))}}}).status_code == 400


# --- Slow, broken and rude clients ---------------------------------------------------------------------------------
def test_a_head_that_does_not_come_is_not_waited_for(serve: Any) -> None:
    server = serve(limits=Limits(header_seconds=0.2))
    for beginning in (b"", b"GET /api/v2/version HT", b"GET / HTTP/1.1\r\nhost: loc"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(beginning)
            assert connection.recv(1000) == b""
    assert alive(server.url)


def test_a_body_that_does_not_come_is_not_waited_for(serve: Any, collection: Any) -> None:
    server = serve(limits=Limits(body_idle_seconds=0.2))
    head = f"POST {D}/collections/{collection.id}/get HTTP/1.1\r\nhost: localhost\r\n"
    head += "content-type: application/json\r\ncontent-length: 100\r\n\r\n"
    assert raw(server.port, head.encode() + b"{").startswith(b"HTTP/1.1 408")
    assert alive(server.url)


def test_an_answer_that_is_not_taken_is_not_waited_for(serve: Any, store: Any) -> None:
    large = store.create_collection("large", embedding_function=None)
    large.add(ids=[str(row) for row in range(6000)], embeddings=np.random.default_rng(0).normal(size=(6000, 128)))
    server = serve(limits=Limits(answer_idle_seconds=0.2))
    head = f"POST {D}/collections/{large.id}/get HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    connections, seen = server._server.server_state.connections, 0
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f'{head}content-length: 27\r\n\r\n{{"include":["embeddings"] }}'.encode())
        deadline = time.monotonic() + 10
        while (connections or not seen) and time.monotonic() < deadline:
            seen = max(seen, len(connections))
            threading.Event().wait(0.01)
        assert (seen, len(connections)) == (1, 0)
    assert alive(server.url)


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"HTTP/1.1 400"),
        (b"NONSENSE\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET /api/v2/version HTTP/1.1\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET /api/v2/version HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET /api/v2/version HTTP/1.1\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", b"HTTP/1.1 400"),
        (b"POST /api/v2/tenants HTTP/1.1\r\nhost: localhost\r\ncontent-length: -5\r\n\r\n", b"HTTP/1.1 400"),
        (
            b"POST /api/v2/tenants HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\ncontent-length: 8\r\n\r\n",
            b"HTTP/1.1 400",
        ),
        (b"GET /api/v2/tenants/%ff%00%zz HTTP/1.1\r\nhost: localhost\r\n\r\n", b"HTTP/1.1 404"),
        (b"GET /../../etc/passwd HTTP/1.1\r\nhost: localhost\r\n\r\n", b"HTTP/1.1 404"),
        (b"GET //api//v2 HTTP/1.1\r\nhost: localhost\r\n\r\n", b"HTTP/1.1 404"),
    ],
)
def test_bytes_that_are_no_request_are_refused(server: Any, data: bytes, answer: bytes) -> None:
    assert raw(server.port, data).startswith(answer)
    assert alive(server.url)


def test_a_half_closed_connection_is_answered(server: Any) -> None:
    request = b"GET /api/v2/version HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    assert b'"1.5.9"' in raw(server.port, request, end=True)


def test_a_client_that_goes_away_in_the_middle_of_its_body_leaves_no_trace(server: Any, collection: Any) -> None:
    head = f"POST {D}/collections/{collection.id}/add HTTP/1.1\r\nhost: localhost\r\n"
    head += "content-type: application/json\r\ncontent-length: 1000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode() + b'{"ids":["half')
    assert alive(server.url)
    assert collection.count() == 2


# --- What a caller cannot make the server do -------------------------------------------------------------------------
def test_stored_configuration_runs_nothing(server: Any, store: Any) -> None:
    before = set(sys.modules)
    config = {"type": "known", "name": "sentence_transformer", "config": {"model_name": "x", "trust_remote_code": True}}
    body = {"name": "trap", "configuration": {"embedding_function": config}}
    answer = post(server.url + D + "/collections", json=body)
    assert answer.status_code in {200, 400}
    assert not {name for name in set(sys.modules) - before if "sentence_transformers" in name or "torch" in name}


def test_a_uri_is_kept_and_never_loaded(server: Any, collection: Any) -> None:
    body = {"ids": ["u"], "embeddings": [[1, 2, 3]], "uris": ["file:///etc/passwd"]}
    assert post(f"{server.url}{D}/collections/{collection.id}/add", json=body).status_code == 201
    got = post(f"{server.url}{D}/collections/{collection.id}/get", json={"ids": ["u"], "include": ["uris"]})
    assert got.json()["uris"] == ["file:///etc/passwd"]


def test_the_log_names_the_call_and_none_of_its_contents(
    store: Any, collection: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chroma_nb.server")
    with chroma_nb.serve(store, port=0) as server:  # a call is logged after its answer: stopping waits for that
        url = f"{server.url}{D}/collections/{collection.id}"
        post(url + "/get", json={"ids": ["private-id"], "where": {"private-key": "private-value"}})
        get(f"{server.url}{D}/collections/private-name")
    ours = [record.getMessage() for record in caplog.records if record.name == "chroma_nb.server"]
    assert any("/get 200" in line for line in ours)
    assert any("404" in line for line in ours)
    assert "private" not in " ".join(ours)


def test_a_failure_of_ours_is_a_500_that_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    said = "private document"

    class Broken:
        def handle(self, request: Any) -> Any:
            raise RuntimeError(said)

    with chroma_nb.serve(Broken(), port=0) as server:
        answer = get(server.url + "/api/v2/version")
    assert answer.status_code == 500
    assert answer.json()["error"] == "InternalError"
    assert "private" not in answer.text + caplog.text
    assert answer.headers["chroma-trace-id"] in caplog.text
    assert "RuntimeError" in caplog.text


def test_a_server_bounds_the_values_of_facets(serve: Any, collection: Any) -> None:
    limited = serve(limits=Limits(result_rows=10))
    path = f"{limited.url}{D}/collections/{collection.id}/facets"
    few = httpx.post(path, json={"keys": ["g"] * 5, "limit": 1_000_000})  # there are two records: two values at most
    many = httpx.post(path, json={"keys": ["g"] * 6, "limit": 1_000_000})

    assert (few.status_code, len(few.json()["facets"])) == (200, 5)
    assert many.status_code == 400
    assert "Expected at most 10 values in one reply, got 6 keys with 2 values each" in many.json()["message"]


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("facets", {}),
        ("facets", {"keys": "g"}),
        ("facets", {"keys": ["g"], "limit": -1}),
        ("facets", {"keys": ["g"], "where": {"g": {"$near": 1}}}),
        ("sample", {}),
        ("sample", {"n": 1.5}),
        ("sample", {"n": 1, "seed": "x"}),
        ("query_like", {}),
        ("query_like", {"like": ["nobody"]}),
        ("query_like", {"like": ["wren"], "max_distance": "near"}),
        ("count", {"where": {"g": {"$exists": "yes"}}}),
        ("get", {"order_by": "g"}),
        ("get", {"order_by": {"descending": True}}),
        ("get", {"order_by": {"key": "g", "descending": "no"}}),
        ("get", {"order_by": {"key": "#bogus"}}),
        ("get", {"order_by": {"key": ""}}),
        ("facets", {"keys": []}),
        ("facets", {"keys": ["#document"]}),
        ("facets", {"keys": ["g", ""]}),
        ("query", {"query_embeddings": [[1, 0, 0]], "max_distance": [1]}),
    ],
)
def test_what_means_nothing_in_calls_of_ours_is_refused(
    http: httpx.Client, collection: Any, call: str, body: dict[str, Any]
) -> None:
    answer = http.post(f"{D}/collections/{collection.id}/{call}", json=body)

    assert 400 <= answer.status_code < 500
    assert answer.json()["message"]
    assert http.get(f"{D}/collections/{collection.id}/count").json() == 2


# --- Names, pages, and where a request ends -------------------------------------------------------------------
@pytest.mark.parametrize(
    "host",
    ["[::1].evil.example", "[::1]evil", "[::1", "::1]", "[localhost]", "localhost.evil.example", "localhost:80:80"],
)
def test_a_host_header_that_only_begins_like_ours_is_refused(server: Any, host: str) -> None:
    assert get(f"{server.url}/api/v2/heartbeat", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["[::1]", "[::1]:8000", "LOCALHOST:1", "127.0.0.1"])
def test_our_own_names_are_taken_in_every_form(server: Any, host: str) -> None:
    assert get(f"{server.url}/api/v2/heartbeat", headers={"host": host}).status_code == 200


def test_a_request_with_two_lengths_is_refused_and_its_connection_closed(server: Any) -> None:
    head = b"POST /api/v2/tenants HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    both = b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    hidden = b"GET /api/v2/version HTTP/1.1\r\nhost: localhost\r\n\r\n"
    heard = raw(server.port, head + both + hidden, end=True)
    assert heard.startswith(b"HTTP/1.1 400")
    assert b"connection: close" in heard
    assert b"1.5.9" not in heard


PAGE = "http://localhost:3000"


def test_pages_of_an_allowed_origin_may_ask_and_no_others(serve: Any) -> None:
    server = serve(allowed_origins=(PAGE,), token="0123456789abcdef")
    url = f"{server.url}/api/v2/tenants/default_tenant"
    asks = {"access-control-request-method": "GET", "access-control-request-headers": "x-chroma-token"}
    asked = ask("OPTIONS", url, headers={"origin": PAGE, **asks})
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, PAGE)
    assert "x-chroma-token" in asked.headers["access-control-allow-headers"]
    answered = get(url, headers={"origin": PAGE, "x-chroma-token": "0123456789abcdef"})
    assert (answered.status_code, answered.headers["access-control-allow-origin"]) == (200, PAGE)
    refused = get(url, headers={"origin": PAGE})  # without its token, and told so
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, PAGE)
    for origin in ("http://localhost:3001", "null", "https://localhost:3000", "http://evil.example"):
        for method in ("GET", "OPTIONS"):
            other = ask(method, url, headers={"origin": origin, "x-chroma-token": "0123456789abcdef", **asks})
            assert other.status_code == 403
            assert "access-control-allow-origin" not in other.headers


def test_no_page_may_ask_unless_it_was_allowed(server: Any) -> None:
    asked = ask("OPTIONS", f"{server.url}/api/v2", headers={"origin": PAGE, "access-control-request-method": "GET"})
    assert asked.status_code == 403
    assert "access-control-allow-origin" not in asked.headers


@pytest.mark.parametrize("origin", ["localhost:3000", "http://localhost:3000/", "http://", "page", "http://[::1"])
def test_what_is_no_origin_is_refused_at_the_start(serve: Any, origin: str) -> None:
    with pytest.raises(ValueError, match="Expected an origin such as"):
        serve(allowed_origins=(origin,))

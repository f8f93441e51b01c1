"""The sockets: against a scripted server, and against Chroma's own."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import logging
import threading
import traceback
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pytest

import chroma_nb
from chroma_nb import errors
from chroma_nb.backends.http import exchange
from chroma_nb.backends.http.transport import AsyncHttpBackend, HttpBackend, endpoint
from chroma_nb.config import Settings
from chroma_nb.display.formatters import client_html
from chroma_nb.operations import requests as ops
from chroma_nb.query.parsing import Filter
from chroma_nb.records import Records
from chroma_nb.results import IndexingStatus

COLLECTION_ID = UUID("11111111-2222-4333-8444-555555555555")
IN = {"collection_id": COLLECTION_ID, "tenant": "t", "database": "d"}
C = f"/api/v2/tenants/t/databases/d/collections/{COLLECTION_ID}"
COLLECTION = {
    "id": str(COLLECTION_ID), "name": "c", "configuration_json": {}, "schema": None, "metadata": None,
    "dimension": 2, "tenant": "t", "database": "d", "log_position": 0, "version": 0,
}  # fmt: skip
SENTINEL = "s3ntinel-Token_0123456789"


def settings_for(port: int, **more: Any) -> Settings:
    return Settings(chroma_server_host="127.0.0.1", chroma_server_http_port=port, **more)


# --- Where the server is -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("host", "port", "ssl", "url"),
    [
        ("localhost", 8000, False, "http://localhost:8000/api/v2"),
        ("example.com", 443, True, "https://example.com:443/api/v2"),
        ("http://example.com", 8000, False, "http://example.com/api/v2"),
        ("https://example.com:9000/base/", 8000, False, "https://example.com:9000/base/api/v2"),
        ("http://example.com/api/v2", 8000, True, "https://example.com/api/v2"),
        ("::1", 8000, False, "http://[::1]:8000/api/v2"),
        ("https://user:pass@example.com", 8000, False, "https://example.com/api/v2"),
    ],
)
def test_a_host_is_a_name_or_a_url(host: str, port: int, ssl: bool, url: str) -> None:
    settings = Settings(chroma_server_host=host, chroma_server_http_port=port, chroma_server_ssl_enabled=ssl)
    assert endpoint(settings).url == url


@pytest.mark.parametrize("host", ["ftp://example.com", "example.com/path", "http://"])
def test_a_url_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="Invalid URL"):
        endpoint(Settings(chroma_server_host=host))


def test_user_and_password_in_a_url_become_a_header() -> None:
    at = endpoint(Settings(chroma_server_host=f"https://me:{SENTINEL}@example.com"))
    assert at.headers["Authorization"].startswith("Basic ")
    assert SENTINEL not in repr(at) + at.url


def test_tls_is_verified_unless_told_otherwise() -> None:
    assert endpoint(Settings(chroma_server_host="h")).verify is True
    assert endpoint(Settings(chroma_server_host="h", chroma_server_ssl_verify=False)).verify is False
    assert endpoint(Settings(chroma_server_host="h", chroma_server_ssl_verify="/ca.pem")).verify == "/ca.pem"


# --- Credentials ---------------------------------------------------------------------------------------------
TOKEN = "chromadb.auth.token_authn.TokenAuthClientProvider"
BASIC = "chromadb.auth.basic_authn.BasicAuthClientProvider"


@pytest.mark.parametrize(
    ("provider", "header", "sent"),
    [
        (TOKEN, None, ("authorization", "Bearer abc")),
        (TOKEN, "Authorization", ("authorization", "Bearer abc")),
        (TOKEN, "X-Chroma-Token", ("x-chroma-token", "abc")),
        (BASIC, None, ("authorization", "Basic YWJj")),
    ],
)
def test_credentials_travel_as_the_provider_says(
    scripted: Any, provider: str, header: str, sent: tuple[str, str]
) -> None:
    scripted.replies = [(200, "1.0.0")]
    backend = HttpBackend(
        settings_for(
            scripted.port,
            chroma_client_auth_provider=provider,
            chroma_client_auth_credentials="abc",
            chroma_auth_token_transport_header=header,
        )
    )
    backend.handle(ops.GetVersion())
    backend.close()
    assert scripted.heard[0].headers[sent[0]] == sent[1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"chroma_client_auth_provider": "os.system", "chroma_client_auth_credentials": SENTINEL},
        {"chroma_client_auth_provider": TOKEN},
        {"chroma_client_auth_provider": TOKEN, "chroma_client_auth_credentials": SENTINEL + "\n"},
        {
            "chroma_client_auth_provider": TOKEN,
            "chroma_client_auth_credentials": SENTINEL,
            "chroma_auth_token_transport_header": "X-Other",
        },
    ],
)
def test_settings_that_cannot_authenticate_are_refused_without_showing_them(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        HttpBackend(settings_for(1, **wrong))
    assert SENTINEL not in str(caught.value)


def test_clients_with_different_credentials_share_nothing(scripted: Any) -> None:
    scripted.replies = [(200, "1")] * 4

    async def both() -> None:
        first = AsyncHttpBackend(settings_for(scripted.port, chroma_server_headers={"X-Who": "first"}))
        second = AsyncHttpBackend(settings_for(scripted.port, chroma_server_headers={"X-Who": "second"}))
        for backend in (first, second, first, second):
            await backend.handle(ops.GetVersion())
        await first.close()
        await second.close()

    asyncio.run(both())
    assert [told.headers["x-who"] for told in scripted.heard] == ["first", "second", "first", "second"]


async def _closed(opening: Any) -> Any:
    client = await opening
    await client.close()
    return client


def _constructors(port: int) -> list[Any]:
    token = {"chroma_client_auth_provider": TOKEN, "chroma_client_auth_credentials": SENTINEL}
    basic = {"chroma_client_auth_provider": BASIC, "chroma_client_auth_credentials": f"me:{SENTINEL}"}
    http = {"chroma_api_impl": "chromadb.api.fastapi.FastAPI"}
    url = f"http://me:{SENTINEL}@127.0.0.1:{port}"
    place = {"host": "127.0.0.1", "port": port}
    return [
        lambda: chroma_nb.HttpClient(**place, headers={"Authorization": f"Bearer {SENTINEL}"}),
        lambda: chroma_nb.HttpClient(**place, headers={"X-Chroma-Token": SENTINEL}),
        lambda: chroma_nb.HttpClient(**place, settings=Settings(**token)),
        lambda: chroma_nb.HttpClient(**place, settings=Settings(**basic)),
        lambda: chroma_nb.HttpClient(host=url),
        lambda: chroma_nb.HttpClient(host=url, settings=Settings(chroma_server_host=url + "/other")),
        lambda: asyncio.run(_closed(chroma_nb.AsyncHttpClient(**place, settings=Settings(**token)))),
        lambda: chroma_nb.CloudClient("t", "d", SENTINEL, cloud_host="127.0.0.1", cloud_port=port, enable_ssl=False),
        lambda: chroma_nb.AdminClient(settings_for(port, **token, **http)),
        lambda: chroma_nb.Client(settings_for(port, **token, **http)),
    ]


@pytest.mark.parametrize("which", range(10))
@pytest.mark.parametrize("failure", ["nobody", "refused", "forbidden", "broken", "none"])
def test_a_secret_is_nowhere_to_be_seen(
    scripted: Any, which: int, failure: str, caplog: pytest.LogCaptureFixture, capfd: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(exchange, "DELAYS", ())
    caplog.set_level(logging.DEBUG)
    forbidden = {"error": "AuthError", "message": "Forbidden"}
    scripted.replies = {
        "refused": [(401, forbidden)] * 6,
        "forbidden": [(403, forbidden)] * 6,
        "broken": ["hang up"] * 6,
        "none": [
            (200, {"user_id": "me", "tenant": "t", "databases": ["d"]}),
            (200, {"name": "t"}),
            (200, {"id": str(COLLECTION_ID), "name": "d", "tenant": "t"}),
        ],
    }.get(failure, [])
    seen = []
    try:
        client = _constructors(1 if failure == "nobody" else scripted.port)[which]()
        seen += [repr(client), repr(client.get_settings()) if hasattr(client, "get_settings") else ""]
        seen += [repr(vars(client)), repr(vars(client._backend)), repr(client._backend)]
        if isinstance(client, chroma_nb.ClientAPI):
            seen.append(str(client_html(client)))
        client._backend.stop()
    except Exception as error:  # noqa: BLE001
        seen += [str(error), repr(error), "".join(traceback.format_exception(error))]
    captured = capfd.readouterr()
    seen += [caplog.text, captured.out, captured.err]
    assert not [text for text in seen if SENTINEL in text]


# --- Failures on the way -------------------------------------------------------------------------------------
def test_nobody_there_is_chromas_value_error_and_httpx_error() -> None:
    with pytest.raises(
        ValueError, match=r"Could not connect to a Chroma server\. Are you sure it is running\?"
    ) as caught:
        chroma_nb.HttpClient(port=1)
    assert isinstance(caught.value, httpx.ConnectError)
    assert isinstance(caught.value, errors.ChromaError)


def test_a_broken_connection_is_tried_again_when_that_is_safe(scripted: Any) -> None:
    backend = HttpBackend(settings_for(scripted.port))
    scripted.replies = ["hang up", (200, "1.0.0")]
    assert backend.handle(ops.GetVersion()) == "1.0.0"
    scripted.replies = ["hang up", (200, True)]
    with pytest.raises(httpx.RemoteProtocolError, match="broke the connection"):
        backend.handle(ops.Reset())
    backend.close()


def test_a_closed_client_says_so(scripted: Any) -> None:
    backend = HttpBackend(settings_for(scripted.port))
    backend.close()
    backend.close()
    with pytest.raises(AttributeError, match="closed"):
        backend.handle(ops.GetVersion())


def test_an_async_backend_outlives_its_event_loop(scripted: Any) -> None:
    backend = AsyncHttpBackend(settings_for(scripted.port))
    scripted.replies = [(200, "a"), (200, "b")]

    async def version() -> str:
        answer = await backend.handle(ops.GetVersion())
        await backend._connections().aclose()
        return answer

    assert [asyncio.run(version()), asyncio.run(version())] == ["a", "b"]


# --- What only Chroma's Cloud has ----------------------------------------------------------------------------
STATUS = {"num_indexed_ops": 3, "num_unindexed_ops": 1, "total_ops": 4, "op_indexing_progress": 0.75}
CLOUD_CALLS = [
    (ops.Fork(**IN, new_name="copy"), "POST", C + "/fork", {"new_name": "copy"}, COLLECTION),
    (ops.ForkCount(**IN), "GET", C + "/fork_count", None, {"count": 3}),
    (ops.GetIndexingStatus(**IN), "GET", C + "/indexing_status", None, STATUS),
    (
        ops.Search(**IN, searches=({"filter": {}},)),
        "POST",
        C + "/search",
        {"searches": [{"filter": {}}], "read_level": "index_and_wal"},
        {"ids": [["a"]], "metadatas": [None]},
    ),
    (
        ops.AttachFunction(**IN, function_id="f", name="n", output_collection="o", params={"a": 1}),
        "POST",
        C + "/functions/attach",
        {"name": "n", "function_id": "f", "output_collection": "o", "params": {"a": 1}},
        {"attached_function": {"id": "x"}, "created": True},
    ),
    (ops.GetAttachedFunction(**IN, name="n"), "GET", C + "/functions/n", None, {"attached_function": {}}),
    (
        ops.DetachFunction(**IN, name="n", delete_output_collection=True),
        "POST",
        C + "/attached_functions/n/detach",
        {"delete_output": True},
        {"success": True},
    ),
]


@pytest.mark.parametrize(("request_", "method", "path", "body", "answer"), CLOUD_CALLS)
def test_a_cloud_call_is_sent_as_chroma_sends_it(
    scripted: Any, request_: Any, method: str, path: str, body: Any, answer: Any
) -> None:
    scripted.replies = [(200, answer)]
    backend = HttpBackend(settings_for(scripted.port))
    got = backend.handle(request_)
    backend.close()
    told = scripted.heard[0]
    assert (told.method, told.path, told.body) == (method, path, body)
    if isinstance(request_, ops.Fork):
        assert got.id == COLLECTION_ID
    elif isinstance(request_, ops.ForkCount):
        assert got == 3
    elif isinstance(request_, ops.DetachFunction):
        assert got is True
    elif isinstance(request_, ops.GetIndexingStatus):
        assert got == IndexingStatus(**STATUS)
    elif isinstance(request_, ops.Search):
        assert got.rows() == [[{"id": "a"}]]
    else:
        assert got == answer


@pytest.mark.parametrize(
    "request_", [call[0] for call in CLOUD_CALLS if not isinstance(call[0], ops.GetAttachedFunction)]
)
def test_a_server_without_the_call_refuses_it_as_chroma_does(chroma_backend: Any, place: Any, request_: Any) -> None:
    model = chroma_backend.handle(ops.CreateCollection("cloudless", **place))
    request_ = type(request_)(**vars(request_) | {"collection_id": model.id} | place)
    with pytest.raises(errors.ChromaError, match=r"(?i)not implemented|unsupported"):
        chroma_backend.handle(request_)


# --- Chroma's own server --------------------------------------------------------------------------------------
def test_records_written_to_chromas_server_come_back(chroma_backend: Any, place: Any) -> None:
    model = chroma_backend.handle(ops.CreateCollection("records", **place, metadata={"a": 1}))
    assert model.metadata == {"a": 1}
    at = {"collection_id": model.id, **place}
    vectors = np.random.default_rng(1).normal(size=(3, 8)).astype(np.float32)
    metadatas = [{"k": 1, "tags": ["x", "y"]}, {"k": 2.5, "ok": True}, None]
    records = Records(["a", "b", "c"], vectors, ["one", "zwei ü", None], metadatas, ["u:1", None, None])
    chroma_backend.handle(ops.Add(**at, records=records))
    got = chroma_backend.handle(ops.Get(**at, include=("embeddings", "documents", "metadatas", "uris")))
    assert got["ids"] == ["a", "b", "c"]
    assert (got["embeddings"] == vectors).all()
    assert got["documents"] == ["one", "zwei ü", None]
    assert got["metadatas"] == metadatas
    assert got["uris"] == ["u:1", None, None]
    found = chroma_backend.handle(ops.Query(**at, query_embeddings=vectors[1:2], n_results=1))
    assert found["ids"] == [["b"]]
    chroma_backend.handle(
        ops.Update(**at, records=Records(["a", "b"], vectors[1:], has_embedding=np.array([True, False])))
    )
    got = chroma_backend.handle(ops.Get(**at, ids=["a", "b"], include=("embeddings",)))
    assert (got["embeddings"] == vectors[[1, 1]]).all()
    assert chroma_backend.handle(ops.Delete(**at, filter=Filter({"k": {"$gt": 2}}))) == 1
    assert chroma_backend.handle(ops.Count(**at)) == 2


def test_more_records_than_chromas_server_takes_are_split(chroma_backend: Any, place: Any) -> None:
    model = chroma_backend.handle(ops.CreateCollection("many", **place))
    at = {"collection_id": model.id, **place}
    size = chroma_backend.handle(ops.GetMaxBatchSize()) + 10
    ids = [str(row) for row in range(size)]
    chroma_backend.handle(ops.Add(**at, records=Records(ids, np.ones((size, 2), np.float32))))
    assert chroma_backend.handle(ops.Get(**at, include=()))["ids"] == ids


def test_tenants_databases_and_collections_on_chromas_server(chroma_backend: Any, place: Any) -> None:
    names = [one["name"] for one in chroma_backend.handle(ops.ListDatabases("default_tenant"))]
    assert place["database"] in names
    with pytest.raises(errors.UniqueConstraintError):
        chroma_backend.handle(ops.CreateDatabase(place["database"], "default_tenant"))
    with pytest.raises(errors.NotFoundError):
        chroma_backend.handle(ops.GetTenant("nobody"))
    for name in ("one", "two"):
        chroma_backend.handle(ops.CreateCollection(name, **place))
    with pytest.raises(errors.UniqueConstraintError):
        chroma_backend.handle(ops.CreateCollection("one", **place))
    assert chroma_backend.handle(ops.CountCollections(**place)) == 2
    assert len(chroma_backend.handle(ops.ListCollections(**place, limit=1))) == 1
    two = chroma_backend.handle(ops.GetCollection("two", **place))
    assert chroma_backend.handle(ops.GetCollectionById(two.id, **place)).name == "two"
    chroma_backend.handle(ops.ModifyCollection(two.id, **place, new_name="deux", new_metadata={"x": 1}))
    assert chroma_backend.handle(ops.GetCollection("deux", **place)).metadata == {"x": 1}
    chroma_backend.handle(ops.DeleteCollection("deux", **place))
    with pytest.raises(ValueError, match="does not exist"):
        chroma_backend.handle(ops.GetCollection("deux", **place))
    chroma_backend.handle(ops.DeleteDatabase(place["database"], "default_tenant"))


def test_the_async_backend_asks_the_same(real_chroma: int, place: Any) -> None:
    async def conversation() -> tuple[str, int]:
        backend = AsyncHttpBackend(settings_for(real_chroma))
        model = await backend.handle(ops.CreateCollection("awaited", **place))
        at = {"collection_id": model.id, **place}
        await backend.handle(ops.Upsert(**at, records=Records(["a"], np.ones((1, 2), np.float32))))
        answer = await backend.handle(ops.GetVersion()), await backend.handle(ops.Count(**at))
        await backend.close()
        return answer

    assert asyncio.run(conversation()) == ("1.0.0", 1)


#: A token as it is read from a file, and such as no header can carry; how each comes in.
UNFIT = [f"{SENTINEL}\n", f"\t{SENTINEL} \r\n", f"{SENTINEL}\n{SENTINEL}", f"{SENTINEL}é", f"{SENTINEL}\0"]
GIVEN = {
    "X-Chroma-Token": lambda token: {"headers": {"X-Chroma-Token": token}},
    "Bearer": lambda token: {"headers": {"Authorization": f"Bearer {token}"}},
    "another header": lambda token: {"headers": {"X-Tenant-Key": token}},
    "Settings": lambda token: {
        "settings": Settings(
            chroma_client_auth_provider="chromadb.auth.token_authn.TokenAuthClientProvider",
            chroma_client_auth_credentials=token,
        )
    },
}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("token", UNFIT, ids=ascii)
def test_a_token_is_sent_without_space_around_it_or_refused_and_shows_nowhere(token, given, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    with chroma_nb.EphemeralClient() as store, chroma_nb.serve(store, port=0, token=f"{SENTINEL}\n") as server:
        try:
            with chroma_nb.HttpClient(port=server.port, **given(token)) as client:
                client.list_collections()
            refused = None
        except (ValueError, errors.ChromaError) as error:
            refused = "".join(traceback.format_exception(error))
    assert SENTINEL not in caplog.text + str(refused)
    if given not in (GIVEN["Settings"], GIVEN["another header"]):  # which Chroma refuses, and which the server ignores
        assert (refused is None) == (token.strip() == SENTINEL)


# --- Servers that mean no good, and proxies ---------------------------------------------------------------------
class _Scripted(BaseHTTPRequestHandler):
    answer: tuple[int, dict[str, str], bytes]

    def do_GET(self) -> None:
        status, headers, body = self.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):  # who has heard enough hangs up
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing to log."""


@pytest.fixture
def answering() -> Iterator[Any]:
    """Start a server that answers every GET so; its port."""
    started = []

    def start(status: int, headers: dict[str, str], body: bytes) -> int:
        handler = type("Handler", (_Scripted,), {"answer": (status, headers, body)})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return int(server.server_address[1])

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def count(port: int, *, sync: bool) -> Any:
    request = ops.Count(**IN)
    if sync:
        backend = HttpBackend(settings_for(port))
        try:
            return backend.handle(request)
        finally:
            backend.close()

    async def ask() -> Any:
        backend = AsyncHttpBackend(settings_for(port))
        try:
            return await backend.handle(request)
        finally:
            await backend.close()

    return asyncio.run(ask())


@pytest.mark.parametrize("sync", [True, False])
def test_an_answer_that_unpacks_without_end_is_refused_in_bounded_memory(answering, sync: bool) -> None:
    bomb = gzip.compress(bytes(1 << 28), 1)
    port = answering(200, {"content-type": "application/json", "content-encoding": "gzip"}, bomb)
    tracemalloc.start()
    try:
        with pytest.raises(errors.InternalError, match="unpacks to more than 100 times"):
            count(port, sync=sync)
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("coding", ["gzip, gzip", "br", "zstd", "compress"])
def test_an_answer_in_a_coding_that_was_not_asked_for_is_refused(answering, coding: str) -> None:
    port = answering(200, {"content-encoding": coding}, gzip.compress(gzip.compress(b"7")))
    with pytest.raises(errors.InternalError, match="Expected a reply with Content-Encoding identity, gzip, deflate"):
        count(port, sync=True)


def test_a_packed_answer_is_read(answering) -> None:
    assert count(answering(200, {"content-encoding": "gzip"}, gzip.compress(b"7")), sync=True) == 7


@pytest.mark.parametrize("status", [400, 404, 500])
def test_what_a_terminal_would_obey_in_the_words_of_a_server_is_shown_as_its_escape(answering, status: int) -> None:
    said = {"error": "x", "message": "gone\x1b[2J\x07\x9b31m\r\u202edlrow\nline\ttab é"}
    port = answering(status, {"chroma-trace-id": "\x1b]0;title"}, json.dumps(said).encode())
    with pytest.raises(errors.ChromaError) as told:
        count(port, sync=True)
    assert str(told.value) == "gone\\x1b[2J\\x07\\x9b31m\\r\\u202edlrow\nline\ttab é"
    assert "\x1b" not in str(told.value.trace_id)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_on_this_machine_is_asked_without_the_proxy(answering, monkeypatch, host: str) -> None:
    port = answering(200, {}, b"7")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    backend = HttpBackend(Settings(chroma_server_host=host, chroma_server_http_port=port))
    assert backend.handle(ops.Count(**IN)) == 7
    backend.close()


def test_a_proxy_that_cannot_be_reached_is_named_by_its_variable(monkeypatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://user:{SENTINEL}@127.0.0.1:1")
    monkeypatch.setenv("http_proxy", f"http://user:{SENTINEL}@127.0.0.1:1")
    with pytest.raises(ValueError, match="the request went to the proxy in HTTP_PROXY") as told:
        chroma_nb.HttpClient(host="http://chroma.example")
    assert SENTINEL not in "".join(traceback.format_exception(told.value))

"""A new endpoint is a request class, a row and its two functions: it is there embedded, over HTTP and in OpenAPI."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

import chroma_nb
from chroma_nb.backends.endpoints import COLLECTION, ENDPOINTS, Endpoint, Route
from chroma_nb.backends.http.transport import AsyncHttpBackend
from chroma_nb.backends.wire import fields
from chroma_nb.backends.wire.answers import answer
from chroma_nb.backends.wire.fields import Body, Field
from chroma_nb.client.shared_system_client import SharedSystemClient
from chroma_nb.errors import refused
from chroma_nb.operations import requests as ops
from chroma_nb.types import ReadLevel


@dataclass(frozen=True)
class Longest(ops.CollectionRequest[tuple[str, int]]):
    """The longest of some documents: its id, and how long it is."""

    ids: list[str]
    at_least: int = 1
    read_level: ReadLevel = ReadLevel.INDEX_AND_WAL


def _longest(engine: Any, request: Longest) -> tuple[str, int]:
    if request.at_least > 1000:
        raise refused(ValueError(f"expected at_least to be at most 1000, got {request.at_least}"))
    got = engine.get(request.collection_id, request.ids, None, None, None, ("documents",))
    return max(
        ((id_, len(text)) for id_, text in zip(got["ids"], got["documents"], strict=True)), key=lambda one: one[1]
    )


ROW = Endpoint(
    _longest,
    Route(
        "POST",
        COLLECTION + "/longest",
        answer(lambda found: {"id": found[0], "length": found[1]}, lambda json: (json["id"], json["length"])),
        Body(
            Field("ids", fields.STRINGS, required=True),
            Field("minimum", fields.NATURAL, attribute="at_least", default=1),
        ),
        query=Body(Field("read_level", fields.READ_LEVEL, default=ReadLevel.INDEX_AND_WAL)),
        status=203,
    ),
)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setitem(ENDPOINTS, Longest, ROW)
    SharedSystemClient.clear_system_cache()  # not a store that another test left
    with chroma_nb.EphemeralClient() as client:
        SharedSystemClient.clear_system_cache()
        yield client


@pytest.fixture
def request_(store: Any) -> Longest:
    birds = store.create_collection("birds", embedding_function=None)
    birds.add(ids=["a", "b"], embeddings=[[1, 0], [0, 1]], documents=["wren", "eagle owl"])
    return Longest(birds.id, birds.tenant, birds.database, ["a", "b"])


def test_a_row_and_two_functions_are_an_endpoint(store: Any, request_: Longest) -> None:
    assert store._server._backend.handle(request_) == ("b", 9)
    with chroma_nb.serve(store, port=0) as server:
        with chroma_nb.HttpClient(port=server.port) as remote:
            backend = remote._server._backend
            assert backend.handle(request_) == ("b", 9)
            with pytest.raises(chroma_nb.errors.InvalidArgumentError, match="at most 1000, got 1001"):
                backend.handle(replace(request_, at_least=1001))
            settings = backend.settings
        assert asyncio.run(once(settings, request_)) == ("b", 9)
        described = httpx.get(server.url + "/openapi.json").json()["paths"]["/api/v2" + COLLECTION + "/longest"]["post"]
        path = COLLECTION.format(
            tenant=request_.tenant, database=request_.database, collection_id=request_.collection_id
        )
        raw = httpx.post(f"{server.url}/api/v2{path}/longest", json={"ids": ["a"]})
        bad = httpx.post(f"{server.url}/api/v2{path}/longest", json={"ids": [5]})
    assert described["operationId"] == "longest"
    assert list(described["requestBody"]["content"]["application/json"]["schema"]["properties"]) == ["ids", "minimum"]
    assert [one["name"] for one in described["parameters"] if one["in"] == "query"] == ["read_level"]
    assert (raw.status_code, raw.json()) == (203, {"id": "a", "length": 4})
    assert (bad.status_code, bad.json()["error"]) == (422, "ChromaError")


async def once(settings: chroma_nb.Settings, request: Longest) -> tuple[str, int]:
    backend = AsyncHttpBackend(settings)
    try:
        return await backend.handle(request)
    finally:
        await backend.close()


def test_without_a_route_it_is_for_a_local_engine(
    store: Any, request_: Longest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENDPOINTS, Longest, replace(ROW, route=None))
    assert store._server._backend.handle(request_) == ("b", 9)
    with chroma_nb.serve(store, port=0) as server, chroma_nb.HttpClient(port=server.port) as remote:
        with pytest.raises(NotImplementedError, match=r"longest\(\) is not available on a client of a server"):
            remote._server._backend.handle(request_)
        assert not [path for path in httpx.get(server.url + "/openapi.json").json()["paths"] if "longest" in path]


@pytest.mark.parametrize("kind", [kind for kind, row in ENDPOINTS.items() if row.route is not None])
def test_a_route_names_fields_of_its_request(kind: type[ops.Request[Any]]) -> None:
    route = ENDPOINTS[kind].route
    assert route is not None
    known = set(getattr(kind, "__dataclass_fields__", ()))
    if issubclass(kind, ops.Filtered):  # its filter travels as it was written
        known = known - {"filter"} | {"where", "where_document"}
    in_path = {route.field_of(part[1:-1]) for part in route.path.split("/") if part.startswith("{")}
    body = (
        set()
        if route.body is None
        else {"records"}
        if isinstance(route.body, fields.RecordsBody)
        else {field.key for field in route.body.fields}
    )
    assert in_path | body | {field.key for field in route.query.fields} == known

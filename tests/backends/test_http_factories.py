"""HttpClient, AsyncHttpClient, CloudClient, AdminClient: what they ask first, and what they refuse."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

import chroma_nb
from chroma_nb.config import Settings
from chroma_nb.errors import ChromaAuthError, NotFoundError

IDENTITY = {"user_id": "me", "tenant": "acme", "databases": ["birds"]}


def accepts(tenant: str, database: str, identity: Any = IDENTITY) -> list[Any]:
    """The answers a server gives to a client that connects."""
    place = {"id": str(UUID(int=0)), "name": database, "tenant": tenant}
    return [(200, identity), (200, {"name": tenant}), (200, place)]


def asked(scripted: Any) -> list[str]:
    return [told.path for told in scripted.heard]


def test_a_client_checks_identity_tenant_and_database_in_this_order(scripted: Any) -> None:
    scripted.replies = accepts("zoo", "fish")
    with chroma_nb.HttpClient("127.0.0.1", scripted.port, False, {"X-A": "b"}, None, "zoo", "fish") as client:
        assert (client.tenant, client.database) == ("zoo", "fish")
    assert asked(scripted) == [
        "/api/v2/auth/identity", "/api/v2/tenants/zoo", "/api/v2/tenants/zoo/databases/fish"
    ]  # fmt: skip
    headers = scripted.heard[0].headers
    assert headers["x-a"] == "b"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("Chroma Python Client v1.5.9")


def test_an_async_client_asks_the_same(scripted: Any) -> None:
    async def opened() -> tuple[str, str]:
        async with await chroma_nb.AsyncHttpClient("127.0.0.1", scripted.port, tenant="zoo", database="fish") as client:
            return client.tenant, client.database

    scripted.replies = accepts("zoo", "fish")
    assert asyncio.run(opened()) == ("zoo", "fish")
    assert len(scripted.heard) == 3


def test_an_unknown_tenant_or_database_is_not_found(scripted: Any) -> None:
    missing = (404, {"error": "NotFoundError", "message": "Tenant [zoo] not found"})
    scripted.replies = [(200, IDENTITY), missing]
    with pytest.raises(NotFoundError, match="zoo"):
        chroma_nb.HttpClient("127.0.0.1", scripted.port, tenant="zoo")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"chroma_server_host": "elsewhere"}, r"settings\[elsewhere\] is different to the one provided in HttpClient"),
        ({"chroma_server_http_port": 9}, r"settings\[9\] is different to the one provided in HttpClient: \[8000\]"),
    ],
)
def test_settings_must_not_name_another_server(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chroma_nb.HttpClient(settings=Settings(**given))


def test_the_caller_s_settings_are_not_changed(scripted: Any) -> None:
    settings = Settings()
    scripted.replies = accepts("default_tenant", "default_database")
    chroma_nb.HttpClient("127.0.0.1", scripted.port, settings=settings).close()
    assert settings == Settings()


# --- Chroma Cloud --------------------------------------------------------------------------------------------
@pytest.fixture
def cloud(scripted: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("CHROMA_API_KEY", "CHROMA_TENANT", "CHROMA_DATABASE"):
        monkeypatch.delenv(name, raising=False)

    def open_cloud(**arguments: Any) -> Any:
        return chroma_nb.CloudClient(**arguments, cloud_host="127.0.0.1", cloud_port=scripted.port, enable_ssl=False)

    return open_cloud


def test_a_key_alone_tells_tenant_and_database(cloud: Any, scripted: Any) -> None:
    scripted.replies = accepts("acme", "birds")
    with cloud(api_key="ck-1") as client:
        assert (client.tenant, client.database) == ("acme", "birds")
    assert {told.headers["x-chroma-token"] for told in scripted.heard} == {"ck-1"}


def test_key_tenant_and_database_come_from_the_environment(
    cloud: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHROMA_API_KEY", "ck-2")
    monkeypatch.setenv("CHROMA_TENANT", "acme")
    monkeypatch.setenv("CHROMA_DATABASE", "fish")
    scripted.replies = accepts("acme", "fish", {**IDENTITY, "databases": ["birds", "fish"]})
    with cloud() as client:
        assert (client.tenant, client.database) == ("acme", "fish")
    assert scripted.heard[0].headers["x-chroma-token"] == "ck-2"


def test_without_a_key_nothing_is_asked(cloud: Any, scripted: Any) -> None:
    with pytest.raises(ValueError, match="Missing required arguments: api_key"):
        cloud()
    assert not scripted.heard


def test_a_key_of_another_tenant_is_refused(cloud: Any, scripted: Any) -> None:
    scripted.replies = accepts("acme", "birds")
    with pytest.raises(ChromaAuthError):
        cloud(api_key="ck-1", tenant="other")


def test_a_key_that_opens_several_databases_needs_one_named(cloud: Any, scripted: Any) -> None:
    scripted.replies = accepts("acme", "birds", {**IDENTITY, "databases": ["birds", "fish"]})
    with pytest.raises(ChromaAuthError):
        cloud(api_key="ck-1")


def test_the_cloud_is_reached_over_tls_at_443_unless_told_otherwise() -> None:
    from inspect import signature

    defaults = {name: one.default for name, one in signature(chroma_nb.CloudClient).parameters.items()}
    assert (defaults["cloud_host"], defaults["cloud_port"], defaults["enable_ssl"]) == ("api.trychroma.com", 443, True)


# --- Admin -----------------------------------------------------------------------------------------------------
def test_an_admin_client_works_on_a_server(real_chroma: int) -> None:
    settings = Settings(
        chroma_api_impl="chromadb.api.fastapi.FastAPI",
        chroma_server_host="127.0.0.1",
        chroma_server_http_port=real_chroma,
    )
    admin = chroma_nb.AdminClient(settings)
    admin.create_tenant("aviary-tenant")
    admin.create_database("aviary", tenant="aviary-tenant")
    assert [one["name"] for one in admin.list_databases(tenant="aviary-tenant")] == ["aviary"]
    with chroma_nb.HttpClient(port=real_chroma, tenant="aviary-tenant", database="aviary") as client:
        assert client.count_collections() == 0
    admin.delete_database("aviary", tenant="aviary-tenant")
    admin.close()

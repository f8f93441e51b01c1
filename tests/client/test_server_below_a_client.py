"""The root object under every client: tenant and database per call, and Chroma's names for programs that reach it."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path
from typing import Any

import pytest

import chroma_nb
from chroma_nb.api import AdminAPI, AsyncAdminAPI, AsyncClientAPI, AsyncServerAPI, BaseAPI, ClientAPI, ServerAPI
from chroma_nb.api.client import AdminClient
from chroma_nb.api.fastapi import FastAPI
from chroma_nb.api.rust import RustBindingsAPI
from chroma_nb.api.segment import SegmentAPI
from chroma_nb.client._async.admin import AsyncAdminClient
from chroma_nb.client._async.client import AsyncClient
from chroma_nb.client._async.server import AsyncServer
from chroma_nb.config import System
from chroma_nb.errors import InvalidArgumentError, NotFoundError
from chroma_nb.schema import Schema, VectorIndexConfig


def test_our_clients_are_instances_of_the_abstract_classes(sync_client: Any) -> None:
    assert isinstance(sync_client, ClientAPI)
    assert isinstance(sync_client, BaseAPI)
    assert isinstance(sync_client._admin_client, AdminAPI)
    assert isinstance(sync_client._server, ServerAPI)
    assert isinstance(sync_client._server, AdminAPI)
    assert issubclass(AsyncClient, AsyncClientAPI)
    assert issubclass(AsyncAdminClient, AsyncAdminAPI)
    assert issubclass(AsyncServer, AsyncServerAPI)


def test_the_names_of_the_classes_are_chroma_s(sync_client: Any) -> None:
    collection = sync_client.create_collection("birds")
    names = [type(one).__name__ for one in (sync_client, sync_client._admin_client, collection)]
    assert names == ["Client", "AdminClient", "Collection"]


def test_tenant_and_database_are_given_per_call(client: Any) -> None:
    server = client._server
    server.create_tenant("acme")
    server.create_database("zoo", "acme")
    made = server.create_collection("birds", tenant="acme", database="zoo")
    assert (made.tenant, made.database) == ("acme", "zoo")
    assert server.count_collections("acme", "zoo") == 1
    assert server.count_collections() == client.count_collections() == 0
    assert server.get_collection("birds", "acme", "zoo").id == made.id
    assert server.get_collection_by_id(made.id, "acme", "zoo").name == "birds"
    assert [model.name for model in server.list_collections(tenant="acme", database="zoo")] == ["birds"]
    server.delete_collection("birds", "acme", "zoo")
    with pytest.raises(NotFoundError):
        server.get_collection("birds", "acme", "zoo")
    server.delete_database("zoo", "acme")
    assert list(server.list_databases(tenant="acme")) == []


def test_a_server_takes_configuration_and_schema(client: Any) -> None:
    by_configuration = client._server.create_collection("one", configuration={"hnsw": {"space": "ip"}})
    by_schema = client._server.get_or_create_collection("two", Schema().create_index(VectorIndexConfig(space="cosine")))
    spaces = [model.configuration_json["hnsw"]["space"] for model in (by_configuration, by_schema)]
    assert spaces == ["ip", "cosine"]


def test_records_below_a_collection(sync_client: Any) -> None:
    collection, server = sync_client.create_collection("birds"), sync_client._server
    assert server is collection._client
    assert server._add(["wren", "crow"], collection.id, [[1, 0], [0, 1]], [{"g": 9}, {"g": 500}], ["a", None])
    assert server._update(collection.id, ["wren"], metadatas=[{"g": 10}])
    assert server._upsert(collection.id, ["jay"], [[1, 1]], documents=["b"])
    assert server._count(collection.id) == 3
    assert server._peek(collection.id, 1)["ids"] == ["wren"]
    assert server._get(collection.id, where={"g": {"$lt": 100}})["metadatas"] == [{"g": 10}]
    assert server._query(collection.id, [[0, 1]], n_results=1)["ids"] == [["crow"]]
    assert server._delete(collection.id, ["crow"]) == {"deleted": 1}
    server._modify(collection.id, new_name="small-birds")
    assert sync_client.get_collection("small-birds").count() == 2


def test_what_every_client_answers(local_client: Any) -> None:
    assert local_client.get_version() == "1.5.9"
    assert local_client.heartbeat() > 1_600_000_000_000_000_000
    assert local_client.get_settings().allow_reset
    identity = local_client.get_user_identity()
    assert (identity.user_id, identity.tenant, identity.databases) == ("", "default_tenant", ["default_database"])
    local_client.create_collection("birds")
    assert local_client.reset() is True
    assert local_client.count_collections() == 0


def test_a_client_moves_between_databases(client: Any) -> None:
    client._admin_client.create_database("zoo")
    client.set_database("zoo")
    client.create_collection("birds")
    client.set_tenant("default_tenant")
    assert (client.database, client.count_collections()) == ("default_database", 0)
    client.set_tenant("default_tenant", "zoo")
    assert client.list_collections()[0].database == "zoo"


def test_a_client_of_the_system_of_another_one_shares_it(sync_client: Any) -> None:
    sync_client.create_collection("birds")
    other = type(sync_client).from_system(sync_client._system)
    assert other.count_collections() == 1
    other.close()
    assert sync_client.count_collections() == 1


def test_a_place_that_cannot_be_is_refused_in_chroma_s_words(client: Any) -> None:
    with pytest.raises(ValueError, match=r"Could not connect to tenant None\. Are you sure it exists\?"):
        client.set_tenant(None)
    with pytest.raises(InvalidArgumentError, match="database name must be at least 3 characters"):
        client.set_database("ab")
    assert (client.tenant, client.database) == ("default_tenant", "default_database")


def test_an_admin_client_of_a_system_works_and_is_closed_alone(sync_client: Any) -> None:
    for system in (sync_client._system, System(sync_client.get_settings())):
        admin = AdminClient.from_system(system)
        admin.create_database(f"zoo-{type(system).__name__}")
        assert admin.get_database(f"zoo-{type(system).__name__}")["tenant"] == "default_tenant"
        admin.close()
    names = ["default_database", "zoo-System", f"zoo-{type(sync_client._system).__name__}"]
    assert [one["name"] for one in sync_client._admin_client.list_databases()] == sorted(names)


def test_an_admin_client_of_a_system_shares_its_place() -> None:
    client = chroma_nb.EphemeralClient()
    admin = AdminClient.from_system(System(client.get_settings()))
    admin.create_database("zoo")
    client.set_database("zoo")
    client.close()
    assert admin.get_database("zoo")["name"] == "zoo"
    admin.close()


async def list_and_make(port: int) -> list[str]:
    client = await chroma_nb.AsyncHttpClient(port=port)
    admin = AsyncAdminClient.from_system(System(client.get_settings()))
    await admin.create_database("zoo")
    names = [one["name"] for one in await admin.list_databases()]
    await admin.close()
    await client.close()
    return names


def test_an_async_admin_client_of_a_system_works() -> None:
    with chroma_nb.EphemeralClient() as client, chroma_nb.serve(client, port=0) as server:
        assert asyncio.run(list_and_make(server.port)) == ["default_database", "zoo"]


def test_databases_are_listed_by_name_and_so_are_their_pages(sync_client: Any) -> None:
    admin = sync_client._admin_client
    for name in ("zoo", "garden", "Abc", "zz9", "zz10", "Zoo"):
        admin.create_database(name)
    # as Chroma 1.5.9 answers
    listed = ["Abc", "Zoo", "default_database", "garden", "zoo", "zz10", "zz9"]
    assert [one["name"] for one in admin.list_databases()] == listed
    assert [one["name"] for one in admin.list_databases(limit=3, offset=2)] == listed[2:5]


def test_the_class_of_the_root_object_is_the_one_that_the_settings_name(tmp_path: Path) -> None:
    kinds = (FastAPI, RustBindingsAPI, SegmentAPI)
    settings = chroma_nb.Settings(chroma_api_impl="chromadb.api.segment.SegmentAPI")
    with (
        chroma_nb.EphemeralClient() as client,
        chroma_nb.serve(client, port=0) as server,
        chroma_nb.HttpClient(port=server.port) as http,
        chroma_nb.PersistentClient(tmp_path, settings=settings) as older,
    ):
        found = [[kind for kind in kinds if isinstance(one._server, kind)] for one in (client, http, older)]
        found_of_copy = [kind for kind in kinds if isinstance(copy.copy(client)._server, kind)]
    assert found == [[RustBindingsAPI], [FastAPI], [SegmentAPI]]
    assert found_of_copy == [RustBindingsAPI]

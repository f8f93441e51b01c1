"""A collection and a client as protocols: ours, a server's and chromadb's own keep them, and differ in one module."""

from __future__ import annotations

import asyncio
import inspect
import uuid
from collections.abc import Iterator
from typing import Any, get_origin, get_type_hints

import numpy as np
import pytest
from emptied_client import emptied_client

import chroma_nb
from chroma_nb import collection as module
from chroma_nb import paging
from chroma_nb.collection import Client, Collection
from chroma_nb.dataframe_calls import read, run
from chroma_nb.display import formatters
from chroma_nb.paging import Cursor
from chroma_nb.records import Records
from chroma_nb.workbench import subset

KINDS = ("chroma_nb", "http", "chromadb")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def client(kind: str) -> Iterator[Any]:
    """A client of memory, of a server of ours, and of chromadb."""
    if kind != "http":
        with emptied_client(kind) as client:
            yield client
        return
    with (
        emptied_client("chroma_nb") as store,
        chroma_nb.serve(store, port=0) as server,
        chroma_nb.HttpClient(port=server.port) as client,
    ):
        yield client


@pytest.fixture
def birds(client: Any) -> Any:
    """Five records, two without metadata, in the space cosine."""
    made = client.create_collection(
        f"birds-{uuid.uuid4().hex[:6]}", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
    )
    made.add(
        ids=list("abcde"),
        embeddings=np.eye(5, dtype=np.float32),
        metadatas=[{"g": 1}, None, {"g": 2, "h": "x"}, None, {"g": 1}],
    )
    return made


def members(protocol: type) -> dict[str, Any]:
    return {name: value for name, value in vars(protocol).items() if not name.startswith("_")}


@pytest.mark.parametrize("protocol", [Collection, Client])
def test_everything_the_protocol_names_is_offered_with_its_parameters(protocol: type, client: Any, birds: Any) -> None:
    one = birds if protocol is Collection else client
    for name, member in members(protocol).items():
        offered = getattr(one, name)
        if isinstance(member, property):
            written = get_origin(get_type_hints(member.fget)["return"])
            if written is not module.Write:
                continue
            member = module.Write.__call__
        parameters = inspect.signature(offered).parameters
        for wanted in list(inspect.signature(member).parameters.values())[1:]:
            assert wanted.name in parameters, f"{name}({wanted.name})"
            assert wanted.default is inspect.Parameter.empty or parameters[wanted.name].default is not wanted.empty


def test_clients_and_collections_are_told_from_others_and_from_one_another(client: Any, birds: Any) -> None:
    assert (module.is_collection(birds), module.is_client(client)) == (True, True)
    assert (module.is_collection(client), module.is_client(birds)) == (False, False)
    for other in (None, "birds", {"get": 1}, object(), type(birds)):
        assert not module.is_collection(other)
        assert not module.is_client(other)


def test_one_that_is_awaited_is_no_collection_here() -> None:
    async def made(port: int) -> tuple[bool, bool]:
        client = await chroma_nb.AsyncHttpClient(port=port)
        async with client:
            collection = await client.get_or_create_collection("awaited", embedding_function=None)
            return module.is_client(client), module.is_collection(collection)

    with chroma_nb.EphemeralClient() as store, chroma_nb.serve(store, port=0) as server:
        assert asyncio.run(made(server.port)) == (False, False)
        store.delete_collection("awaited")


def test_how_it_is_indexed_is_the_same_question_of_any(birds: Any) -> None:
    index, settings = module.index(birds)
    assert (index, settings["space"], module.space(birds)) == ("hnsw", "cosine", "cosine")
    assert module.embedding_function(birds) is None
    assert module.stored_function(birds).get("type", "legacy") == "legacy"


def test_the_space_of_old_metadata_counts_where_nothing_else_is_said() -> None:
    class Old:
        configuration_json: dict[str, Any] = {}
        metadata = {"hnsw:space": "ip"}

    old: Any = Old()
    assert (module.space(old), module.index(old)) == ("ip", (None, {}))


def test_pages_hold_every_record_once_in_order(birds: Any) -> None:
    for size in (1, 2, 5, 6):
        found = [page["ids"] for page in paging.pages(birds, size)]
        assert [one for ids in found for one in ids] == list("abcde")
        assert max(map(len, found)) <= size
    filtered = paging.pages(birds, 1, where={"g": 1}, include=["metadatas"])
    assert [(page["ids"], page["metadatas"]) for page in filtered if page["ids"]] == [
        (["a"], [{"g": 1}]),
        (["e"], [{"g": 1}]),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("limit", [None, 0, 1, 4, 9])
@pytest.mark.parametrize("offset", [0, 2, 8])
def test_a_cursor_reads_what_a_slice_has(size: int, limit: int | None, offset: int) -> None:
    records, read, calls = list(range(7)), [], 0
    cursor = Cursor(size, limit, offset)
    for asked, start in cursor:
        page = records[start:][:asked]
        cursor.passed(len(page))
        read += page
        calls += 1
    expected = records[offset:][:limit]
    assert read == expected
    assert cursor.read == len(expected)
    assert calls <= len(expected) // size + 1


def test_a_cursor_that_is_told_nothing_ends() -> None:
    assert list(Cursor(2)) == [(2, 0)]


def test_records_by_id_come_in_parts(birds: Any) -> None:
    found = list(paging.by_ids(birds, ["e", "a", "zz", "c"], ["metadatas"], 2))
    assert [sorted(page["ids"]) for page in found] == [["a", "e"], ["c"]]
    assert list(paging.by_ids(birds, [])) == []


def test_metadata_keys_come_from_the_first_records(birds: Any) -> None:
    metadatas = module.first_metadatas(birds, 3)
    assert [metadata or None for metadata in metadatas] == [{"g": 1}, None, {"g": 2, "h": "x"}]
    assert module.values_by_key(metadatas) == {"g": [1, 2], "h": ["x"]}


def test_the_client_of_a_collection_is_found_among_anything(client: Any, birds: Any) -> None:
    with chroma_nb.EphemeralClient(database="default_database") as other:
        namesake = other.get_or_create_collection(f"other-{uuid.uuid4().hex[:6]}", embedding_function=None)
        assert module.client_of(birds, [None, "x", birds, client]) is client
        assert module.client_of(namesake, [None]) is None
        assert module.holds(client, birds)
        other.delete_collection(namesake.name)
        assert not module.holds(client, namesake)


def test_a_client_lists_its_collections_and_databases(client: Any, birds: Any) -> None:
    assert module.collection_names(client) == [birds.name]
    assert [module.name_of(one) for one in module.listed(client, 5, 0)] == [birds.name]
    assert [module.name_of(one) for one in ("old", birds)] == ["old", birds.name]
    assert module.opened(client, birds.name).id == birds.id
    assert module.databases(client)[0] == client.database
    with module.in_database(client, client.database) as same:
        assert same is client


def test_another_database_has_a_client_that_is_closed_after_use(client: Any, kind: str) -> None:
    name = f"zoo-{uuid.uuid4().hex[:6]}"
    client._admin_client.create_database(name)
    assert name in module.databases(client)
    with module.in_database(client, name) as other:
        other.create_collection("there", embedding_function=None)
        assert (other.database, client.count_collections()) == (name, 0)
        other.delete_collection("there")
    assert client.heartbeat() > 0
    client._admin_client.delete_database(name)


def test_only_ours_in_this_process_takes_many_changes_at_once(birds: Any, kind: str) -> None:
    assert module.edits_at_once(birds) is (kind == "chroma_nb")
    assert module.embeds_for_calls(birds) is (kind != "chromadb")
    assert module.can_embed(birds)
    assert module.data_loader(birds) is None


def test_only_ours_in_this_process_explains_itself(birds: Any, kind: str) -> None:
    question = {"query_embeddings": [[1.0, 0, 0, 0, 0]], "n_results": 1}
    if kind == "http":
        with pytest.raises(NotImplementedError):
            module.explanation(birds, **question)
    else:
        assert (module.explanation(birds, **question) is None) is (kind == "chromadb")


def test_only_ours_on_disk_lies_in_a_directory(birds: Any, tmp_path: Any) -> None:
    assert module.directory(birds) is None
    with chroma_nb.PersistentClient(tmp_path) as disk:
        assert module.directory(disk.create_collection("here", embedding_function=None)) == tmp_path


def test_a_copy_and_a_card_have_the_space_of_old_metadata(client: Any) -> None:
    class Old:
        name = "old"
        configuration_json: dict[str, Any] = {}
        metadata = {"hnsw:space": "ip", "by": "me"}

        def count(self) -> int:
            return 0

    old: Any = Old()
    made = subset.new_like(old, client, "from-old")
    assert (module.space(made), made.metadata) == ("ip", {"by": "me"})
    assert dict(formatters._configuration_facts(old))["space"] == "ip"
    client.delete_collection("from-old")


def test_a_limit_of_nothing_gives_an_empty_table(birds: Any) -> None:
    assert len(run(birds, read(limit=0, page_size=2))) == 0


def test_records_that_cannot_all_be_read_leave_no_new_collection(client: Any, birds: Any) -> None:
    def batches() -> Iterator[Records]:
        yield Records.of_result(birds.get(include=["embeddings"]))
        raise ConnectionError("503")

    with pytest.raises(ConnectionError, match="503"):
        subset.write(birds, client, "some-birds", batches())
    assert "some-birds" not in module.collection_names(client)

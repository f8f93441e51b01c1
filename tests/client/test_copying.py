"""Copying a collection: between any two clients, continued after an interruption, compared at the end."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import chroma_nb
from chroma_nb.client import copying
from chroma_nb.errors import InternalError, InvalidArgumentError, UniqueConstraintError

COUNT = 57


@pytest.fixture
def source(sync_client: Any) -> Any:
    """A collection with records of every shape."""
    return fill(sync_client)


def fill(client: Any) -> Any:
    vectors = np.random.default_rng(3).normal(size=(COUNT, 6)).astype(np.float32)
    collection = client.create_collection(
        "source", metadata={"about": "tests"}, configuration={"hnsw": {"space": "cosine", "ef_search": 77}}
    )
    collection.add(
        ids=[f"id{row}" for row in range(COUNT)],
        embeddings=vectors,
        documents=[f"text {row} ü" if row % 3 else None for row in range(COUNT)],
        metadatas=[
            {"n": row, "x": row / 2, "tags": ["a", "b"], "odd": bool(row % 2)} if row % 5 else None
            for row in range(COUNT)
        ],
        uris=[f"u:{row}" if row % 7 == 0 else None for row in range(COUNT)],
    )
    return collection


def contents(collection: Any) -> dict[str, Any]:
    got = collection.get(include=["documents", "metadatas", "uris"])
    return {
        "ids": got["ids"],
        "documents": got["documents"],
        "metadatas": [one or None for one in got["metadatas"]],
        "uris": got["uris"],
    }


@pytest.fixture
def target(tmp_path: Path) -> Any:
    with chroma_nb.PersistentClient(tmp_path / "target") as client:
        yield client


def test_what_is_stored_of_a_function_that_cannot_be_built_here_is_kept(
    sync_client: Any, target: Any, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    function = chroma_nb.utils.embedding_functions.OpenAIEmbeddingFunction(model_name="text-embedding-3-small")
    made = sync_client.create_collection(
        "paid", embedding_function=function, configuration={"hnsw": {"space": "ip", "ef_search": 77}}
    )
    made.add(ids=["a"], embeddings=[[1.0, 2.0]], documents=["text"])
    monkeypatch.delenv("OPENAI_API_KEY")
    kept = made.configuration_json
    for _ in range(2):  # the second time there is a copy already
        copied = chroma_nb.copy(made, target, overwrite=True).collection
        assert copied.configuration_json == kept
        assert target.get_collection("paid", embedding_function=None).configuration_json == kept
        assert contents(copied) == contents(made)
    assert [str(one.message) for one in recwarn.list] == []


def test_older_settings_in_metadata_are_copied_without_a_function_that_cannot_be_built(
    sync_client: Any, target: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    function = chroma_nb.utils.embedding_functions.OpenAIEmbeddingFunction()
    made = sync_client.create_collection("paid", embedding_function=function, metadata={"hnsw:space": "ip"})
    made.add(ids=["a"], embeddings=[[1.0, 2.0]])
    monkeypatch.delenv("OPENAI_API_KEY")
    for _ in range(2):  # the second time there is a copy already, which has no function either
        with pytest.warns(UserWarning, match="the copy has none"):
            copied = chroma_nb.copy(made, target, overwrite=True).collection
    assert contents(copied) == contents(made)
    assert copied.configuration_json["hnsw"]["space"] == "ip"


def test_a_copy_holds_the_same_in_the_same_order(source: Any, target: Any) -> None:
    done = chroma_nb.copy(source, target, batch_size=10)
    copied = target.get_collection("source")
    assert (done.records, done.written) == (COUNT, COUNT)
    assert contents(copied) == contents(source)
    assert np.array_equal(
        copied.get(include=["embeddings"])["embeddings"], source.get(include=["embeddings"])["embeddings"]
    )
    assert copied.metadata == {"about": "tests"}
    assert copied.configuration_json["hnsw"]["space"] == "cosine"
    assert copied.configuration_json["hnsw"]["ef_search"] == 77


def test_a_copy_goes_to_chromadb_and_comes_back(source: Any, target: Any) -> None:
    chromadb = importlib.import_module("chromadb")
    # Closed again: what Chroma deletes in memory leaves lists behind, which later tests' records would have.
    with chromadb.EphemeralClient() as theirs:
        there = chroma_nb.copy(source, theirs, f"copy-{id(source)}", batch_size=20)
        back = chroma_nb.copy(there.collection, target, "back")
        assert there.checksum == back.checksum
        assert contents(target.get_collection("back")) == contents(source)


def test_an_interrupted_copy_is_continued(source: Any, target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    add, batches = copying._add, []

    def interrupted(to: Any, records: list[Any]) -> None:
        if len(batches) == 3:
            raise KeyboardInterrupt
        batches.append(len(records))
        add(to, records)

    monkeypatch.setattr(copying, "_add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        chroma_nb.copy(source, target, batch_size=10)
    monkeypatch.undo()
    assert target.get_collection("source").count() == 30
    done = chroma_nb.copy(source, target, batch_size=13)
    assert (done.records, done.written) == (COUNT, COUNT - 30)
    assert contents(target.get_collection("source")) == contents(source)
    assert chroma_nb.copy(source, target).written == 0


def test_a_record_that_differs_is_not_written_over_unasked(source: Any, target: Any) -> None:
    chroma_nb.copy(source, target)
    copied = target.get_collection("source")
    copied.update(ids=["id4"], metadatas=[{"mine": True}])
    with pytest.raises(UniqueConstraintError, match="id4"):
        chroma_nb.copy(source, target)
    assert copied.get("id4")["metadatas"][0]["mine"] is True
    done = chroma_nb.copy(source, target, overwrite=True)
    assert done.written == 1
    assert "mine" not in copied.get("id4")["metadatas"][0]


def test_an_overwriting_copy_that_fails_has_lost_nothing(
    source: Any, sync_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = chroma_nb.copy(source, sync_client, "twin").collection
    copied.update(ids=["id4", "id5"], metadatas=[{"mine": True}] * 2)
    before, add = contents(copied), type(copied).add

    def refusing(to: Any, *arguments: Any, **fields: Any) -> None:
        if "mine" not in str(fields["metadatas"]):  # what was there may be put back
            raise KeyboardInterrupt
        add(to, *arguments, **fields)

    # Where the copy is one transaction, it fails in it; over HTTP, between two calls.
    with monkeypatch.context() as patched:
        patched.setattr(type(copied), "add", refusing)
        patched.setattr(type(copied), "_edit", refusing_edit)
        with pytest.raises(KeyboardInterrupt):
            chroma_nb.copy(source, sync_client, "twin", overwrite=True)
    after = contents(copied)
    assert sorted(after["ids"]) == sorted(before["ids"])
    assert copied.get(ids=["id4"])["metadatas"][0]["mine"] is True
    assert chroma_nb.copy(source, sync_client, "twin", overwrite=True).written == 2


def refusing_edit(to: Any, *arguments: Any, **fields: Any) -> None:
    raise KeyboardInterrupt


def test_an_overwriting_copy_of_another_dimension_is_refused_and_deletes_nothing(sync_client: Any) -> None:
    small = sync_client.create_collection("small", embedding_function=None)
    small.add(ids=["a", "b"], embeddings=[[1, 0], [0, 1]], documents=["one", "two"])
    large = sync_client.create_collection("large", embedding_function=None)
    large.add(ids=["a", "c"], embeddings=[[1, 0, 0], [0, 1, 0]], documents=["mine", "other"])
    with pytest.raises(InvalidArgumentError, match="dimension of 3, got 2"):
        chroma_nb.copy(small, sync_client, "large", overwrite=True)
    got = large.get(include=["documents"])
    assert dict(zip(got["ids"], got["documents"], strict=True)) == {"a": "mine", "c": "other"}


def test_records_that_only_the_copy_has_stay_and_are_counted(source: Any, target: Any) -> None:
    """So a copy that is made again every night goes on when the source has deleted some."""
    copied = chroma_nb.copy(source, target).collection
    source.delete(ids=["id3", "id9"])
    source.add(ids=["new"], embeddings=[[1.0] * 6])
    done = chroma_nb.copy(source, target)
    assert (done.records, done.written, done.others) == (COUNT - 1, 1, 2)
    assert copied.count() == COUNT + 1
    assert chroma_nb.copy(source, target).written == 0


def test_records_that_come_meanwhile_are_noticed(source: Any, target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    add = copying._add

    def crowded(to: Any, records: list[Any]) -> None:
        add(to, records)
        to.add(ids=["stranger"], embeddings=[[0.0] * 6])

    monkeypatch.setattr(copying, "_add", crowded)
    with pytest.raises(InternalError, match="57 in the copy 'source', got 57 and 58"):
        chroma_nb.copy(source, target)


def test_a_copy_that_went_wrong_is_noticed(source: Any, target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    add = copying._add

    def careless(to: Any, records: list[Any]) -> None:
        add(to, records)
        to.update(ids=[records[0].id], documents=["typo"], embeddings=[records[0].embedding])

    monkeypatch.setattr(copying, "_add", careless)
    with pytest.raises(InternalError, match="records differ"):
        chroma_nb.copy(source, target)


def test_a_collection_is_not_copied_onto_itself(source: Any, sync_client: Any) -> None:
    with pytest.raises(ValueError, match="another database or another name"):
        chroma_nb.copy(source, sync_client)
    assert chroma_nb.copy(source, sync_client, "twin").records == COUNT


def test_an_empty_collection_is_copied(target: Any) -> None:
    with chroma_nb.EphemeralClient() as client:
        empty = client.create_collection("empty")
        assert chroma_nb.copy(empty, target).records == 0
        client.delete_collection("empty")
    assert target.get_collection("empty").count() == 0


@pytest.mark.parametrize(("sides", "what"), [((5, None), "collection"), ((None, 5), "client")])
def test_what_cannot_be_copied_is_said(target: Any, sides: tuple[Any, Any], what: str) -> None:
    collection = target.create_collection("any")
    source, client = (
        side if side is not None else given for side, given in zip(sides, (collection, target), strict=True)
    )
    with pytest.raises(TypeError, match=f"expected a {what}"):
        chroma_nb.copy(source, client)


def test_an_async_side_is_refused() -> None:
    class Source:
        async def get(self) -> None: ...

    with pytest.raises(TypeError, match="not async"):
        chroma_nb.copy(Source(), object())


@pytest.mark.parametrize("library", ["chroma_nb", "chromadb"])
@pytest.mark.parametrize("known", [True, False])
def test_a_source_with_sparse_vectors_is_copied_by_its_schema(library: str, known: bool) -> None:
    """Which only a schema can say; it is one of the target's library."""
    function = importlib.import_module("chroma_nb.utils.embedding_functions").ChromaBm25EmbeddingFunction()
    config = chroma_nb.SparseVectorIndexConfig(source_key=chroma_nb.K.DOCUMENT, embedding_function=function)
    schema = chroma_nb.Schema().create_index(config, key="words")
    stored = {"type": "known", "name": "default", "config": {}} if known else {"type": "legacy"}
    configuration = {"hnsw": {"space": "cosine"}, "embedding_function": stored}
    source: Any = SimpleNamespace(metadata=None, schema=schema, configuration_json=configuration)
    made: list[Any] = []
    client = type("Client", (), {"__module__": f"{library}.api.client"})()
    client.list_collections = list
    client.get_or_create_collection = lambda name, **how: made.append(how)
    copying._target(source, client, "copy")
    (how,) = made
    assert type(how["schema"]) is importlib.import_module(f"{library}.api.types").Schema
    assert how["schema"].serialize_to_json() == schema.serialize_to_json()
    assert set(how) - {"metadata", "schema"} == (set() if known else {"embedding_function"})


def test_where_chroma_refuses_sparse_vectors_the_error_names_the_collection_and_a_way_out() -> None:
    chromadb = importlib.import_module("chromadb")
    function = importlib.import_module("chroma_nb.utils.embedding_functions").ChromaBm25EmbeddingFunction()
    config = chroma_nb.SparseVectorIndexConfig(embedding_function=function)
    schema = chroma_nb.Schema().create_index(config, key="words")
    source: Any = SimpleNamespace(name="animals", metadata=None, schema=schema, configuration_json={})
    with (
        chromadb.EphemeralClient() as theirs,
        pytest.raises(Exception, match=r"not enabled in local; 'animals' has an index of sparse vectors.*to_jsonl"),
    ):
        copying._target(source, theirs, "copy-of-animals")

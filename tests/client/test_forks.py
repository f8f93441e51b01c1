"""Forks in every place: the same records under another name, each changing by itself."""

from __future__ import annotations

from typing import Any

import pytest

import chroma_nb
from chroma_nb import Knn, Schema, Search, SparseVector, SparseVectorIndexConfig
from chroma_nb.results import IndexingStatus

#: Chroma's own local server refuses all of it.
pytestmark = pytest.mark.parametrize("client", ["memory", "disk", "http", "async"], indirect=True)
EVERYTHING = ["embeddings", "documents", "metadatas", "uris"]


class Letters(chroma_nb.EmbeddingFunction[Any]):
    """A text's first letters."""

    def __init__(self) -> None:
        pass

    def __call__(self, input: Any) -> Any:
        return [[float(ord(letter)) for letter in text.ljust(3)[:3]] for text in input]


@pytest.fixture
def birds(client: Any) -> Any:
    """Two records; a third was deleted, one was changed."""
    configuration = {"hnsw": {"space": "cosine"}}
    made = client.create_collection(
        "birds", configuration=configuration, metadata={"by": "me"}, embedding_function=Letters()
    )
    made.add(
        ids=["wren", "gull", "crow"],
        embeddings=Letters()(["small", "white", "black"]),
        documents=["small", "white", "black"],
        metadatas=[{"grams": 9}, None, {"tags": ["night"]}],
        uris=["file:///wren", "file:///gull", "file:///crow"],
    )
    made.update(ids=["wren"], documents=["smallest"])
    made.delete(ids=["gull"])
    return made


def content(collection: Any) -> dict[str, Any]:
    got = collection.get(include=EVERYTHING)
    return {**got, "embeddings": [list(row) for row in got["embeddings"]]}


def test_a_fork_holds_what_its_collection_holds(client: Any, birds: Any) -> None:
    fork = birds.fork("trial")
    assert content(fork) == content(birds)
    assert (fork.name, fork.metadata, fork.configuration) == ("trial", birds.metadata, birds.configuration)
    now = client.get_collection_by_id(
        birds.id, embedding_function=Letters()
    )  # whose schema knows the keys that were added
    assert fork.schema.serialize_to_json() == now.schema.serialize_to_json()
    assert fork.id != birds.id
    assert fork._embedding_function is birds._embedding_function
    assert (fork.tenant, fork.database) == (birds.tenant, birds.database)
    assert fork.query(query_texts=["smallest"], n_results=1)["ids"] == [["wren"]]
    again = client.get_collection("trial", embedding_function=Letters())
    assert content(again) == content(birds)
    assert [one.name for one in client.list_collections()] == ["birds", "trial"]


def test_each_changes_by_itself(birds: Any) -> None:
    fork = birds.fork("trial")
    before = content(birds)
    fork.add(ids=["owl"], documents=["wise"])
    fork.update(ids=["wren"], documents=["tiny"], metadatas=[{"grams": 8}])
    fork.delete(ids=["crow"])
    fork.modify(metadata={"by": "you"})
    assert content(birds) == before
    assert birds.metadata == {"by": "me"}
    changed = content(fork)
    birds.add(ids=["jay"], documents=["blue"])
    birds.update(ids=["wren"], documents=["brown"])
    assert content(fork) == changed
    assert fork.query(query_texts=["wise"], n_results=5)["ids"] == [["owl", "wren"]]
    assert sorted(birds.query(query_texts=["blue"], n_results=5)["ids"][0]) == ["crow", "jay", "wren"]
    assert fork.query(query_texts=["tiny"], n_results=1)["documents"] == [["tiny"]]


def test_it_outlives_its_collection_and_is_forked_itself(client: Any, birds: Any) -> None:
    fork = birds.fork("trial")
    wanted = content(birds)
    client.delete_collection("birds")
    second = fork.fork("birds")  # the name is free again
    assert content(fork) == content(second) == wanted
    client.delete_collection("trial")
    assert content(second) == wanted
    with pytest.raises(chroma_nb.errors.NotFoundError, match="does not exist"):
        fork.fork("more")
    with pytest.raises(chroma_nb.errors.NotFoundError, match="does not exist"):
        fork.fork_count()


def test_forks_are_counted_for_the_whole_tree_deleted_ones_too(client: Any, birds: Any) -> None:
    other = client.create_collection("other", embedding_function=None)
    assert (birds.fork_count(), other.fork_count()) == (0, 0)
    first = birds.fork("first")
    second = first.fork("second")
    assert [one.fork_count() for one in (birds, first, second, other)] == [2, 2, 2, 0]
    client.delete_collection("first")
    assert [one.fork_count() for one in (birds, second)] == [2, 2]
    client.delete_collection("birds")
    third = second.fork("third")
    assert [one.fork_count() for one in (second, third, other)] == [3, 3, 0]


@pytest.mark.parametrize(
    ("name", "said"),
    [("birds", r"Collection \[birds\] already exists"), ("a", "name"), ("-no-", "name"), ("x" * 513, "name")],
)
def test_a_name_that_is_taken_or_not_allowed_is_refused(client: Any, birds: Any, name: str, said: str) -> None:
    for call in (lambda: birds.fork(name), lambda: client.create_collection(name, embedding_function=None)):
        with pytest.raises(chroma_nb.errors.ChromaError, match=said) as caught:
            call()
        if name != "birds":
            assert type(caught.value).__name__.endswith(("InvalidArgumentError", "_InvalidNameError"))
    assert [one.name for one in client.list_collections()] == ["birds"]
    assert birds.fork_count() == 0


def test_an_empty_collection_is_forked_and_takes_vectors_of_any_dimension(client: Any) -> None:
    empty = client.create_collection("empty", embedding_function=None)
    fork = empty.fork("trial")
    assert fork.count() == 0
    fork.add(ids=["a"], embeddings=[[1, 2, 3]])
    empty.add(ids=["a", "b"], embeddings=[[1, 2], [2, 1]])
    assert fork.query(query_embeddings=[[1, 2, 3]], n_results=2)["ids"] == [["a"]]
    empty.delete(ids=["a", "b"])
    third = empty.fork("third")
    with pytest.raises(chroma_nb.errors.InvalidArgumentError, match="dimension of 2, got 3"):
        third.add(ids=["a"], embeddings=[[1, 2, 3]])
    third.add(ids=["c"], embeddings=[[1, 2]])
    assert third.get()["ids"] == ["c"]


def test_a_fork_has_the_sparse_vectors_and_their_index(client: Any) -> None:
    schema = Schema().create_index(SparseVectorIndexConfig(bm25=True), key="words")
    words = client.create_collection("words", schema=schema, embedding_function=None)
    vectors = [SparseVector([1, 2], [1.0, 2.0]), SparseVector([2], [1.0])]
    words.add(ids=["a", "b"], embeddings=[[1, 0], [0, 1]], metadatas=[{"words": one} for one in vectors])
    search = Search().rank(Knn(SparseVector([2], [1.0]), key="words"))
    fork = words.fork("trial")
    words.delete(ids=["a"])
    assert fork.search(search)["ids"] == [["a", "b"]]
    assert words.search(search)["ids"] == [["b"]]
    assert fork.get()["metadatas"] == [{"words": one} for one in vectors]


def test_every_operation_is_indexed_when_its_call_returns(client: Any) -> None:
    birds = client.create_collection("birds", embedding_function=None)
    assert birds.get_indexing_status() == IndexingStatus(0, 0, 0, 1.0)
    birds.add(ids=["a", "b", "c"], embeddings=[[1, 0], [0, 1], [1, 1]])
    assert birds.get_indexing_status() == IndexingStatus(3, 0, 3, 1.0)
    birds.update(ids=["a"], metadatas=[{"n": 1}])
    birds.upsert(ids=["a", "d"], embeddings=[[1, 2], [2, 2]])
    birds.delete(where={"n": 1})
    fork = birds.fork("trial")
    assert birds.get_indexing_status() == fork.get_indexing_status() == IndexingStatus(7, 0, 7, 1.0)
    fork.delete(ids=["b"])
    assert fork.get_indexing_status().total_ops == 8
    assert birds.get_indexing_status().total_ops == 7
    client.delete_collection("birds")
    with pytest.raises(chroma_nb.errors.NotFoundError):
        birds.get_indexing_status()


@pytest.mark.parametrize("level", chroma_nb.ReadLevel)
def test_every_read_level_sees_everything(birds: Any, level: chroma_nb.ReadLevel) -> None:
    assert birds.count(read_level=level) == 2
    assert birds.search(Search(), read_level=level)["ids"] == [["wren", "crow"]]

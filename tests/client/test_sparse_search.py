"""Sparse vectors in metadata, and searches by them: in memory, on disk and over HTTP.

Rules of search(): the unit tests of Chroma's executor (rust/worker/src/execution/operators: rank.rs, sparse_log_knn.rs,
idf.rs) and its documentation. A record that shares no dimension with the query is not found: Chroma's compacted index
does so, its log finds every record that has the key; here the answer does not depend on that.
"""

from __future__ import annotations

import math
from typing import Any

import chromadb
import numpy as np
import pytest

import chroma_nb
from chroma_nb import K, Knn, ReadLevel, Rrf, Schema, Search, SparseVector, SparseVectorIndexConfig
from chroma_nb.errors import ChromaError, InvalidArgumentError
from chroma_nb.query.search import GroupBy, MinK

#: id -> sparse vector under "words"; d has none.
WORDS = {
    "a": SparseVector([1, 5], [0.5, 1.5], ["moon", "rock"]),
    "b": SparseVector([5], [2.0]),
    "c": SparseVector([1, 2**32 - 1], [1.0, 0.1]),
}


def made(client: Any, **indexes: bool) -> Any:
    """A collection of four records, with a sparse index for each of ``indexes``, by frequency or not."""
    schema = Schema()
    for key, by_frequency in (indexes or {"words": False}).items():
        schema.create_index(SparseVectorIndexConfig(bm25=by_frequency), key=key)
    collection = client.create_collection("sparse", schema=schema, embedding_function=None)
    collection.add(
        ids=list("abcd"),
        embeddings=[[1, 0], [0, 1], [1, 1], [3, 3]],
        metadatas=[{**dict.fromkeys(indexes or ["words"], vector), "n": n} for n, vector in enumerate(WORDS.values())]
        + [{"n": 3, "text": "#type"}],
    )
    return collection


@pytest.fixture
def collection(sync_client: Any) -> Any:
    return made(sync_client)


def found(collection: Any, rank: Any, where: Any = None) -> dict[str, Any]:
    """id -> score, in order."""
    result = collection.search(Search(where=where, rank=rank).select(K.SCORE))
    return dict(zip(result["ids"][0], result["scores"][0], strict=True))


def words(*indices: int, **options: Any) -> Knn:
    """The nearest to a vector with 1.0 in each of these dimensions."""
    return Knn(query=SparseVector([*indices], [1.0] * len(indices)), key="words", **options)


# --- Stored ---------------------------------------------------------------------------------------------------------
def test_a_sparse_vector_comes_back_from_get_query_peek_and_search(collection: Any) -> None:
    metadata = {"words": WORDS["a"], "n": 0}
    assert collection.get(ids="a")["metadatas"] == [metadata]
    assert collection.peek(1)["metadatas"] == [metadata]
    assert collection.query(query_embeddings=[[1, 0]], n_results=1)["metadatas"] == [[metadata]]
    assert collection.search(Search(rank=words(1), where=K("n") == 0).select(K.METADATA))["metadatas"] == [[metadata]]
    assert collection.search(Search(where=K("n") == 0).select("words"))["metadatas"] == [[{"words": WORDS["a"]}]]
    assert collection.get(ids="d")["metadatas"] == [{"n": 3, "text": "#type"}]


def test_its_values_are_float32(collection: Any) -> None:
    collection.update(ids="a", metadatas={"words": SparseVector([7], [0.123456789])})
    assert collection.get(ids="a")["metadatas"][0]["words"] == SparseVector([7], [0.12345679])
    collection.update(ids="a", metadatas={"n": 9})  # which writes the whole again
    assert collection.get(ids="a")["metadatas"] == [{"words": SparseVector([7], [0.12345679]), "n": 9}]


def test_chromadbs_own_class_and_the_form_of_the_wire_are_taken(collection: Any) -> None:
    collection.update(
        ids=["a", "b"],
        metadatas=[{"words": chromadb.SparseVector([3], [1.0], ["x"])}, {"words": SparseVector([3], [2.0]).to_dict()}],
    )
    stored = [metadata["words"] for metadata in collection.get(ids=["a", "b"])["metadatas"]]
    assert stored == [SparseVector([3], [1.0], ["x"]), SparseVector([3], [2.0])]
    query = chromadb.SparseVector([3], [1.0])
    assert found(collection, Knn(query=query, key="words")) == {"b": -1.0, "a": 0.0}


def test_what_becomes_of_the_given_vector_afterwards_does_not_matter(sync_client: Any) -> None:
    collection = made(sync_client)
    assert list(found(collection, words(9))) == []
    given = SparseVector([9], [1.0])
    collection.add(ids="e", embeddings=[[0, 0]], metadatas={"words": given})
    given.indices[0], given.values[0] = 8, 5.0
    assert found(collection, words(9)) == {"e": 0.0}
    assert found(collection, words(8)) == {}


def test_many_of_them_are_stored_as_few(sync_client: Any) -> None:
    random = np.random.default_rng(3)
    collection = made(sync_client)
    vectors = [
        SparseVector(sorted(random.choice(1_000, 5, replace=False).tolist()), random.random(5).tolist())
        for _ in range(2_000)
    ]
    collection.add(
        ids=[f"r{n}" for n in range(2_000)],
        embeddings=np.zeros((2_000, 2)),
        metadatas=[{"words": vector} for vector in vectors],
    )
    stored = [metadata["words"] for metadata in collection.get(limit=2_000, offset=4)["metadatas"]]
    assert [vector.indices for vector in stored] == [vector.indices for vector in vectors]
    assert np.array_equal(*[np.array([vector.values for vector in some], np.float32) for some in (stored, vectors)])


def test_no_filter_reaches_a_sparse_vector(collection: Any) -> None:
    assert collection.get(where={"words": {"$eq": 1}})["ids"] == []
    assert collection.get(where={"words": {"$gt": 0}})["ids"] == []
    assert collection.get(where={"words": {"$ne": 1}})["ids"] == list("abcd")
    assert collection.get(where={"n": {"$gt": 1}})["ids"] == list("cd")


def test_the_metadata_of_a_collection_holds_none(sync_client: Any) -> None:
    with pytest.raises((TypeError, ChromaError), match="a sparse vector can only be the value of a metadata key"):
        sync_client.create_collection("refused", metadata={"v": WORDS["a"]})
    assert sync_client.count_collections() == 0


# --- Found ----------------------------------------------------------------------------------------------------------
def test_the_score_is_one_minus_the_dot_product(collection: Any) -> None:
    assert found(collection, words(1, 5)) == {"a": -1.0, "b": -1.0, "c": 0.0}
    assert found(collection, words(2**32 - 1)) == {"c": 0.9}


def test_records_that_share_no_dimension_with_the_query_are_not_found(collection: Any) -> None:
    assert found(collection, words(5)) == {"b": -1.0, "a": -0.5}
    assert found(collection, words(77)) == {}
    assert found(collection, Knn(query=SparseVector([5], [0.0]), key="words")) == {"a": 1.0, "b": 1.0}
    assert found(collection, Knn(query=SparseVector([], []), key="words")) == {}
    assert found(collection, words(77, default=2.0) + words(5, default=1.0)) == {"b": 1.0, "a": 1.5}


def test_the_filter_comes_first_and_limit_and_rank_count_what_it_left(collection: Any) -> None:
    assert found(collection, words(1, 5, limit=1)) == {"a": -1.0}
    assert found(collection, words(1, 5, limit=1), {"n": {"$gte": 1}}) == {"b": -1.0}
    assert found(collection, words(1, 5, return_rank=True)) == {"a": 0.0, "b": 1.0, "c": 2.0}
    assert found(collection, words(1, 5, return_rank=True), {"#id": {"$in": ["c", "b"]}}) == {"b": 0.0, "c": 1.0}
    assert found(collection, words(1, 5), {"n": 99}) == {}


def test_a_key_object_means_its_name(collection: Any) -> None:
    assert found(collection, Knn(query=SparseVector([5], [1.0]), key=K("words"))) == {"b": -1.0, "a": -0.5}


def test_rrf_of_meaning_and_words(collection: Any) -> None:
    dense = Knn(query=[0.0, 1.0], return_rank=True, default=10)  # b, c, a, d
    ranks = [dense, words(1, 5, return_rank=True, default=10)]
    scores = found(collection, Rrf(ranks))
    assert list(scores) == ["b", "a", "c", "d"]
    assert scores["b"] == pytest.approx(-(1 / 60 + 1 / 61))
    assert scores["d"] == pytest.approx(-(1 / 63 + 1 / 70))


def test_with_bm25_a_query_is_weighted_by_inverse_document_frequency(sync_client: Any) -> None:
    collection = made(sync_client, words=True, plain=False)

    def idf(records: int, holding: int) -> float:
        return math.log(1 + (records - holding + 0.5) / (holding + 0.5))

    assert found(collection, words(5)) == pytest.approx({"b": 1 - 2 * idf(4, 2), "a": 1 - 1.5 * idf(4, 2)})
    plain = Knn(query=SparseVector([5], [1.0]), key="plain")
    assert found(collection, plain) == {"b": -1.0, "a": -0.5}
    filtered = found(collection, words(5), {"n": 1})
    assert filtered == pytest.approx({"b": 1 - 2 * idf(4, 2)})  # over all records, whatever the filter
    collection.delete(ids=["a"])
    collection.add(ids=list("xyz"), embeddings=[[0, 0]] * 3)  # records without the key count
    assert found(collection, words(5)) == pytest.approx({"b": 1 - 2 * idf(6, 1)})


def test_several_keys_have_an_index_each(sync_client: Any) -> None:
    collection = made(sync_client, words=False, titles=False)
    collection.update(ids="d", metadatas={"titles": SparseVector([5], [9.0])})
    assert list(found(collection, words(5))) == ["b", "a"]
    assert found(collection, Knn(query=SparseVector([5], [1.0]), key="titles")) == {"d": -8.0, "b": -1.0, "a": -0.5}


def test_changes_are_found_at_once(collection: Any) -> None:
    assert found(collection, words(5)) == {"b": -1.0, "a": -0.5}
    collection.update(ids="b", metadatas={"n": 7})  # the vector stays
    assert found(collection, words(5)) == {"b": -1.0, "a": -0.5}
    collection.update(ids="a", metadatas={"words": SparseVector([5], [4.0])})
    assert found(collection, words(5)) == {"a": -3.0, "b": -1.0}
    collection.upsert(ids=["b", "e"], embeddings=[[0, 0]] * 2, metadatas=[{"words": SparseVector([6], [1.0])}] * 2)
    assert found(collection, words(5, 6)) == {"a": -3.0, "b": 0.0, "e": 0.0}
    collection.update(ids="e", metadatas={"words": None})
    assert found(collection, words(5, 6)) == {"a": -3.0, "b": 0.0}
    collection.delete(ids="a")
    assert found(collection, words(5, 6)) == {"b": 0.0}
    collection.add(ids="a", embeddings=[[0, 0]], metadatas={"words": SparseVector([6], [1.0])})
    assert found(collection, words(5, 6)) == {"b": 0.0, "a": 0.0}  # the last place now
    collection.update(ids="b", metadatas={"words": "a text"})
    assert found(collection, words(5, 6)) == {"a": 0.0}


def test_equal_sparse_vectors_are_one_group(collection: Any) -> None:
    collection.add(
        ids=["e", "f"], embeddings=[[9, 9]] * 2, metadatas=[{"words": WORDS["b"]}, {"words": SparseVector([5], [3.0])}]
    )
    best = GroupBy(keys="words", aggregate=MinK(keys=K.SCORE, k=1))
    search = Search(rank=Knn(query=[0.0, 1.0], limit=10), group_by=best)
    assert collection.search(search)["ids"] == [["b", "c", "a", "d", "f"]]
    smallest = GroupBy(keys="n", aggregate=MinK(keys="words", k=1))  # of e and f, which have no "n", e
    assert collection.search(Search(rank=words(5), group_by=smallest))["ids"] == [["b", "e", "a"]]


def test_a_collection_with_a_sparse_index_opens_again(tmp_path: Any) -> None:
    with chroma_nb.PersistentClient(tmp_path / "db") as client:
        before = found(made(client, words=True), words(1, 5))
        schema = client.get_collection("sparse", embedding_function=None).schema
    with chroma_nb.PersistentClient(tmp_path / "db") as client:
        collection = client.get_collection("sparse", embedding_function=None)
        assert collection.schema == schema
        assert found(collection, words(1, 5)) == before
        client.vacuum()
        assert found(collection, words(1, 5)) == before
        assert client.verify() == []


# --- Odd searches ---------------------------------------------------------------------------------------------------
def test_pages_beyond_the_end_and_of_nothing_are_empty(collection: Any) -> None:
    rank = words(1, 5)
    searches = [Search(rank=rank).limit(5, offset=9), Search(rank=rank).limit(0), Search().limit(0, offset=2)]
    assert collection.search([one.select_all() for one in searches]) == {
        "ids": [[]] * 3,
        "documents": [[]] * 3,
        "embeddings": [[]] * 3,
        "metadatas": [[]] * 3,
        "scores": [[]] * 3,
        "select": [["#document", "#embedding", "#metadata", "#score"]] * 3,
    }
    assert collection.search(Search(rank=words(5, limit=0)))["ids"] == [[]]
    assert collection.search(Search(rank=rank).limit(2**40))["ids"] == [list("abc")]


def test_records_are_counted_at_a_read_level_given_by_its_name(collection: Any) -> None:
    for level in (ReadLevel.INDEX_ONLY, "index_only", "index_and_bounded_wal"):
        assert collection.count(read_level=level) == 4


def test_a_collection_without_records_finds_nothing(sync_client: Any) -> None:
    collection = made(sync_client)
    collection.delete(ids=list("abcd"))
    assert found(collection, words(5)) == {}
    assert found(collection, Knn(query=[1.0, 2.0, 3.0])) == {}
    assert collection.search([])["ids"] == []


def test_thousands_of_searches_are_one_call(collection: Any) -> None:
    result = collection.search([Search(rank=words(5))] * 2_000)
    assert result["ids"] == [["b", "a"]] * 2_000


def test_what_arithmetic_does_not_know_is_no_error(collection: Any) -> None:
    assert list(found(collection, words(5) / 0)) == ["a", "b"]
    assert found(collection, (words(5) - 100).log()) == {"a": None, "b": None}


@pytest.mark.parametrize("depth", [100, 10_000])
def test_an_expression_of_any_depth_is_refused_in_one_sentence(collection: Any, depth: int) -> None:
    rank: Any = words(5)
    for _ in range(depth):
        rank = 1 - rank
    with pytest.raises((ValueError, ChromaError), match="nested"):
        collection.search(Search(rank=rank))
    assert list(found(collection, words(5))) == ["b", "a"]


@pytest.mark.usefixtures("no_place_is_open")
def test_a_million_dimensions_are_a_vector_as_others() -> None:
    long = SparseVector(list(range(1_000_000)), [0.5] * 1_000_000)
    with chroma_nb.EphemeralClient() as client:
        collection = made(client)
        collection.add(ids="long", embeddings=[[0, 0]], metadatas={"words": long})
        assert found(collection, Knn(query=long, key="words")) == {"long": -249_999.0, "a": 0.0, "b": 0.0, "c": 0.5}


# --- Refused --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("key", ["n", "absent", "#embedding"])
def test_a_key_without_a_sparse_index_is_refused_whatever_else_is_asked(collection: Any, key: str) -> None:
    wrong = Knn(query=SparseVector([1], [1.0]), key=key)
    said = f"Cannot filter using metadata key '{key}' with type 'SparseVector' because indexing is disabled"
    for searches in (Search(rank=wrong), [Search(rank=words(5)), Search(rank=words(5) + wrong)]):
        with pytest.raises(InvalidArgumentError, match=said):
            collection.search(searches)


SORTED = "must be sorted in strictly ascending order"
FLOAT32 = "values must be numbers that float32 can hold|expected values to be a list of numbers"
WRONG = {
    "unsorted": ([2, 1], [1.0, 1.0], SORTED),
    "twice": ([1, 1], [1.0, 1.0], SORTED),
    "too few values": ([1, 2], [1.0], "must have the same length"),
    "negative": ([-1], [1.0], "must be non-negative|expected indices of at least 0"),
    "too large": ([2**32], [1.0], r"must be below 2\*\*32|below 4294967296"),
    "a float": ([1.5], [1.0], "must be integers|expected indices to be a list of integers"),
    "NaN": ([1], [math.nan], FLOAT32),
    "infinity": ([1], [math.inf], FLOAT32),
    "beyond float32": ([1], [1e39], FLOAT32),
    "a text": ([1], ["1"], "must be numbers|expected values to be a list of numbers"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_vector_that_is_wrong_is_neither_stored_nor_searched_for(collection: Any, name: str) -> None:
    indices, values, said = WRONG[name]
    vector = SparseVector.as_given(indices, values)  # as one that was changed after it was made
    finite = all(not isinstance(value, float) or math.isfinite(value) for value in values)
    kind, unsaid = (InvalidArgumentError, said) if finite else (ValueError, "numbers of a search to be finite")
    with pytest.raises(kind, match=unsaid):
        collection.search(Search(rank=Knn(query=vector, key="words")))
    right = {"words": WORDS["a"]}
    for write in (collection.add, collection.upsert):
        with pytest.raises(InvalidArgumentError, match=said):
            write(ids=["x", "y"], embeddings=[[1, 1]] * 2, metadatas=[right, {"words": vector}])
    with pytest.raises(InvalidArgumentError, match=said):
        collection.update(ids=["a", "b"], metadatas=[right, {"words": vector}])
    assert collection.get()["ids"] == list("abcd")
    assert collection.get(ids=["a", "b"])["metadatas"] == [{"words": WORDS["a"], "n": 0}, {"words": WORDS["b"], "n": 1}]


def test_the_record_and_the_key_are_named(local_client: Any) -> None:
    collection = made(local_client)
    said = r"Invalid metadata at index 1\nRecord 1 \(id 'y'\), key 'words': SparseVector indices must be sorted"
    with pytest.raises(InvalidArgumentError, match=said):
        collection.add(
            ids=["x", "y"],
            embeddings=[[1, 1]] * 2,
            metadatas=[{"n": 1}, {"words": SparseVector.as_given([2, 1], [1.0, 1.0])}],
        )

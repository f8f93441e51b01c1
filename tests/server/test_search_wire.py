"""Searches and sparse vectors as Chroma's server speaks them: raw HTTP, and Chroma's own client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from chroma_nb import Schema, SparseVector, SparseVectorIndexConfig
from chroma_nb.server.limits import Limits

D = "/api/v2/tenants/default_tenant/databases/default_database"
ON_THE_WIRE = {"#type": "sparse_vector", "indices": [1, 5], "values": [0.1, 1.5], "tokens": ["moon", "rock"]}
QUERY = {"indices": [5], "values": [1.0]}


@pytest.fixture
def stones(store: Any) -> Any:
    schema = Schema().create_index(SparseVectorIndexConfig(), key="words")
    made = store.create_collection("stones", schema=schema, embedding_function=None)
    made.add(ids=["a", "b"], embeddings=[[1, 0], [0, 1]], documents=["one", None])
    made.update(ids="a", metadatas={"words": SparseVector([5], [2.0])})
    return made


@pytest.fixture
def c(stones: Any) -> str:
    return f"{D}/collections/{stones.id}"


def test_sparse_vectors_are_written_and_read_with_their_tokens(http: httpx.Client, c: str) -> None:
    body = {"ids": ["c"], "embeddings": [[1, 1]], "metadatas": [{"words": ON_THE_WIRE}]}
    assert http.post(c + "/add", json=body).status_code == 201
    assert http.post(c + "/get", json={"ids": ["c"]}).json()["metadatas"] == [{"words": ON_THE_WIRE}]
    body = {"query_embeddings": [[1, 1]], "n_results": 1}
    assert http.post(c + "/query", json=body).json()["metadatas"] == [[{"words": ON_THE_WIRE}]]
    without_type = {"indices": [7], "values": [1]}
    assert http.post(c + "/update", json={"ids": ["c"], "metadatas": [{"words": without_type}]}).status_code == 200
    stored = http.post(c + "/get", json={"ids": ["c"]}).json()["metadatas"]
    assert stored == [{"words": {"#type": "sparse_vector", "indices": [7], "values": [1.0]}}]
    assert http.post(c + "/update", json={"ids": ["c"], "metadatas": [{"words": None}]}).status_code == 200
    assert http.post(c + "/get", json={"ids": ["c"]}).json()["metadatas"] == [None]


def test_a_search_answers_what_is_selected_and_null_for_the_rest(http: httpx.Client, c: str) -> None:
    rank = {"$knn": {"query": QUERY, "key": "words"}}
    everything = ["#score", "#metadata", "#document", "#embedding"]
    searches = [{}, {"rank": rank, "select": {"keys": everything}}, {"rank": rank, "select": {"keys": ["#score", "x"]}}]
    answer = http.post(c + "/search", json={"searches": searches, "read_level": "index_only"})
    assert answer.status_code == 200
    assert answer.json() == {
        "ids": [["a", "b"], ["a"], ["a"]],
        "documents": [None, ["one"], None],
        "embeddings": [None, [[1.0, 0.0]], None],
        "metadatas": [None, [{"words": {"#type": "sparse_vector", "indices": [5], "values": [2.0]}}], [None]],
        "scores": [None, [-1.0], [-1.0]],
        "select": [[], ["#document", "#embedding", "#metadata", "#score"], ["#score", "x"]],
    }


def test_scores_that_json_cannot_hold_are_null(http: httpx.Client, c: str) -> None:
    rank = {"$div": {"left": {"$knn": {"query": QUERY, "key": "words"}}, "right": {"$val": 0}}}
    search = {"rank": rank, "select": {"keys": ["#score"]}}
    assert http.post(c + "/search", json={"searches": [search]}).json()["scores"] == [[None]]


def test_searches_for_more_than_an_answer_may_hold_are_refused(serve: Callable[..., Any], stones: Any, c: str) -> None:
    limited = serve(limits=Limits(result_rows=3, filter_operands=5))
    with httpx.Client(base_url=limited.url) as http:
        assert http.post(c + "/search", json={"searches": [{}]}).status_code == 200
        assert http.post(c + "/search", json={"searches": [{"limit": {"limit": 10**6}}]}).status_code == 200
        few = {"$knn": {"query": QUERY, "key": "words", "limit": 1}}
        assert http.post(c + "/search", json={"searches": [{"rank": {"$abs": few}}] * 3}).status_code == 200
        many = {"rank": {"$sum": [{"$knn": {"query": QUERY, "key": "words"}}, {"$val": 1}]}}
        for searches in ([many, many], [{}, {}], [{"limit": {"limit": 2}}] * 2, [{"filter": {"n": {"$in": [1] * 9}}}]):
            answer = http.post(c + "/search", json={"searches": searches})
            assert (answer.status_code, answer.json()["error"]) == (400, "InvalidArgumentError")
        assert http.get(c + "/count").json() == 2


def test_a_search_that_looks_for_the_nearest_too_often_is_refused(
    serve: Callable[..., Any], stones: Any, c: str
) -> None:
    def rank(knns: int) -> Any:
        knn = {"$knn": {"query": QUERY, "key": "words", "limit": 1}}
        deep: Any = knn
        for _ in range(knns // 2):
            deep = {"$abs": {"$sum": [deep, knn]}}
        return (
            {"rank": {"$div": {"left": {"$val": 1}, "right": deep}}} if knns % 2 else {"rank": {"$sum": [knn] * knns}}
        )

    limited = serve(limits=Limits(knns=5))
    with httpx.Client(base_url=limited.url) as http:
        for searches in ([rank(3)], [rank(5)], [rank(4), rank(4)], [rank(1)] * 20):
            assert http.post(c + "/search", json={"searches": searches}).status_code == 200
        for searches in ([rank(6)], [rank(11)], [rank(1), rank(6)], [rank(1000)]):
            answer = http.post(c + "/search", json={"searches": searches})
            assert (answer.status_code, answer.json()["error"]) == (400, "InvalidArgumentError")
            assert "Expected at most 5 $knn in one search" in answer.json()["message"]
        assert http.get(c + "/count").json() == 2


def test_a_hybrid_search_is_one_call_and_says_how_each_record_was_found(http: httpx.Client, c: str) -> None:
    answer = http.post(c + "/hybrid", json={"query_texts": ["One?"], "query_embeddings": [[0, 1]], "include": []})
    assert answer.status_code == 200
    assert answer.json() == {
        "ids": [["a", "b"]],
        "embeddings": None,
        "documents": None,
        "uris": None,
        "metadatas": None,
        "distances": None,
        "include": [],
        "scores": [[1 / 62 + 1 / 61, 1 / 61]],
        "meaning_ranks": [[2, 1]],
        "word_ranks": [[1, None]],
        "words": [[["One"], []]],
    }
    answer = http.post(c + "/hybrid", json={"query_texts": ["one"], "where": {"n": 1}})
    assert answer.json()["ids"] == [[]]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"query_texts": []}, 400),
        ({"query_embeddings": []}, 400),
        ({"query_texts": "one"}, 422),
        ({"query_texts": [5]}, 422),
        ({"query_texts": ["one"], "query_embeddings": [[0, 1], [1, 0]]}, 400),
        ({"query_texts": ["one"], "query_embeddings": [[0, 1, 2]]}, 400),
        ({"query_texts": ["one"], "n_results": -1}, 422),
        ({"query_texts": ["one"], "where": {"n": {"$no": 1}}}, 400),
        ({"query_texts": ["one"], "include": ["words"]}, 422),
        ({"query_texts": ["one"] * 4, "n_results": 2}, 400),
    ],
)
def test_a_hybrid_search_that_makes_no_sense_is_refused(
    serve: Callable[..., Any], stones: Any, c: str, body: Any, status: int
) -> None:
    limited = serve(limits=Limits(result_rows=6))
    with httpx.Client(base_url=limited.url) as http:
        assert http.post(c + "/hybrid", json=body).status_code == status
        assert http.post(c + "/hybrid", json={"query_texts": ["one"], "n_results": 10**6}).status_code == 200


def test_chromas_client_makes_a_sparse_index_and_searches_it(server: Any, store: Any, chromadb: Any) -> None:
    client = chromadb.HttpClient(port=server.port)
    schema = chromadb.Schema().create_index(chromadb.SparseVectorIndexConfig(bm25=True), key="words")
    stones = client.create_collection("stones", schema=schema, embedding_function=None)
    index = stones.schema.keys["words"].sparse_vector.sparse_vector_index
    assert (index.enabled, index.config.bm25) == (True, True)
    vector = chromadb.SparseVector([1, 5], [0.5, 1.5], ["moon", "rock"])
    stones.add(ids=["a", "b"], embeddings=[[1, 0], [0, 1]], metadatas=[{"words": vector}, {"n": 1}])
    assert stones.get(ids=["a"])["metadatas"] == [{"words": vector}]
    knns = [
        chromadb.Knn(query=chromadb.SparseVector([5], [1.0]), key="words", return_rank=True, default=100),
        chromadb.Knn(query=[0.0, 1.0], return_rank=True, default=100),
    ]
    page = stones.search(chromadb.Search().rank(chromadb.Rrf(knns)).limit(5).select_all())
    assert page["ids"] == [["a", "b"]]
    assert page["metadatas"] == [[{"words": vector}, {"n": 1}]]
    assert page["scores"][0] == pytest.approx([-(1 / 60 + 1 / 61), -(1 / 60 + 1 / 160)])
    with pytest.raises(chromadb.errors.InvalidArgumentError, match="because indexing is disabled"):
        stones.search(chromadb.Search().rank(chromadb.Knn(query=vector, key="absent")))

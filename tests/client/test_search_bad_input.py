"""Searches that are wrong, or absurd, in memory, on disk and over HTTP: refused in one sentence, or of a defined value.

Nothing is written by any of them, the next search works, and a server answers what is wrong with 4xx and lives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import numpy as np
import pytest

import chroma_nb
from chroma_nb import GroupBy, K, Knn, MaxK, MinK, Rrf, Schema, Search, SparseVector, SparseVectorIndexConfig, Val
from chroma_nb.client.shared_system_client import SharedSystemClient
from chroma_nb.errors import ChromaError, InvalidArgumentError
from chroma_nb.query.ranking import Abs, Sum

WORDS = SparseVector([1, 5], [0.5, 1.5])


def made(client: Any) -> Any:
    """Four records; "words" has a sparse index that no function fills, "n" has none."""
    schema = Schema().create_index(SparseVectorIndexConfig(), key="words")
    collection = client.create_collection("stones", schema=schema, embedding_function=None)
    collection.add(
        ids=list("abcd"),
        embeddings=[[1, 0], [0, 1], [1, 1], [3, 3]],
        documents=["moon", "rock", None, "x"],
        metadatas=[{"words": WORDS, "n": 0}, {"words": SparseVector([5], [2.0]), "n": 1}, {"n": 2}, {"n": 3}],
    )
    return collection


@pytest.fixture
def collection(sync_client: Any) -> Iterator[Any]:
    """The records, which a test must leave as they are."""
    collection = made(sync_client)
    before = collection.get()
    yield collection
    assert collection.get() == before
    assert collection.search(Search(rank=NEAREST))["ids"] == [list("acbd")]


NEAREST = Knn(query=[1.0, 0.0])


def sparse(*parts: Any, key: str = "words") -> Knn:
    """A Knn of a sparse vector that was changed after it was made."""
    return Knn(query=SparseVector.as_given(*parts), key=key)


def deep(levels: int) -> Any:
    rank: Any = NEAREST
    for _ in range(levels):
        rank = 1 - rank
    return rank


def circle() -> Any:
    rank = Sum([])
    rank.ranks = [rank, Val(1)]
    return rank


def scores(collection: Any, rank: Any) -> dict[str, Any]:
    """id -> score, in order; what JSON cannot hold is None everywhere."""
    result = collection.search(Search(rank=rank).select(K.SCORE))
    found = zip(result["ids"][0], result["scores"][0], strict=True)
    return {one: score if score is not None and math.isfinite(score) else None for one, score in found}


# --- Refused --------------------------------------------------------------------------------------------------------
FINITE = "Expected the numbers of a search to be finite, got"
SORTED = "must be sorted in strictly ascending order"
NO_INDEX = "Cannot filter using metadata key '{}' with type 'SparseVector' because indexing is disabled"

#: What is wrong -> the rank, its error, and words of that.
RANKS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a key without sparse index": (lambda: sparse([1], [1.0], key="n"), InvalidArgumentError, NO_INDEX.format("n")),
    "a key nobody has": (lambda: sparse([1], [1.0], key="nope"), InvalidArgumentError, NO_INDEX.format("nope")),
    "no key": (
        lambda: Knn(query=SparseVector([1], [1.0])),
        InvalidArgumentError,
        NO_INDEX.format("#embedding"),
    ),
    "a key that is no text": (lambda: Knn([1.0, 0.0], key=5), InvalidArgumentError, "key must be a string, got int"),
    "half a character as key": (lambda: sparse([1], [1.0], key="\ud800"), ValueError, "to be Unicode, got '.ud800'"),
    "a text nothing embeds": (lambda: Knn("moon", key="words"), ValueError, "no embedding function configured for"),
    "a text for an unknown key": (lambda: Knn("moon", key="nope"), ValueError, "key not found in schema"),
    "a text of another dimension": (lambda: Knn("moon"), InvalidArgumentError, "with dimension of 2, got 384"),
    "another dimension": (lambda: Knn([1.0, 2.0, 3.0]), InvalidArgumentError, "with dimension of 2, got 3"),
    "no dimension": (lambda: Knn([]), InvalidArgumentError, "to be non-empty list"),
    "two vectors": (lambda: Knn(np.ones((2, 2))), InvalidArgumentError, "requires exactly one query embedding"),
    "texts as a vector": (lambda: Knn(["a", "b"]), InvalidArgumentError, "to be a list of floats or ints"),
    "no query": (lambda: Knn(None), InvalidArgumentError, "query must be a list, numpy array, or SparseVector dict"),
    "a query that is a number": (lambda: Knn(3), InvalidArgumentError, "query must be a list, numpy array, or"),
    "bytes as a query": (lambda: Knn(b"ab"), TypeError, r"a search that JSON can carry, got b'ab', a bytes"),
    "a set as a query": (lambda: Knn({1, 2}), TypeError, r"a search that JSON can carry, got \{1, 2\}, a set"),
    "NaN in a query": (lambda: Knn([math.nan, 1.0]), ValueError, f"{FINITE} nan"),
    "infinity in a query": (lambda: Knn(np.array([np.inf, 1.0])), ValueError, f"{FINITE} inf"),
    "a number beyond all floats": (lambda: Knn([10**400, 1]), ValueError, f"{FINITE} inf"),
    "NaN as a number": (lambda: NEAREST + math.nan, ValueError, f"{FINITE} nan"),
    "infinity as a default": (lambda: Knn([1.0, 0.0], default=-math.inf), ValueError, f"{FINITE} -inf"),
    "an integer beyond all floats": (lambda: NEAREST * 10**400, ValueError, f"{FINITE} inf"),
    "a complex number": (lambda: Sum([NEAREST, Val(1j)]), TypeError, "that JSON can carry, got 1j, a complex"),
    "a Decimal": (lambda: Sum([NEAREST, Val(Decimal(1))]), TypeError, "that JSON can carry, got Decimal"),
    "a text as a number": (lambda: Sum([NEAREST, Val("1")]), InvalidArgumentError, "requires a number, got str"),
    "a text as a default": (lambda: Knn([1.0, 0.0], default="x"), InvalidArgumentError, "to be numbers, got str"),
    "a negative limit": (lambda: Knn([1.0, 0.0], limit=-1), InvalidArgumentError, "limit must be positive, got -1"),
    "half a limit": (lambda: Knn([1.0, 0.0], limit=1.5), InvalidArgumentError, "must be an integer, got float"),
    "a limit beyond 64 bits": (lambda: Knn([1.0, 0.0], limit=2**70), InvalidArgumentError, "must be an integer"),
    "a sum of nothing": (lambda: Sum([]), InvalidArgumentError, "requires at least 2 ranks, got 0"),
    "a sum of a text": (lambda: Sum(["x", NEAREST]), AttributeError, "no attribute 'to_dict'"),
    "a value of nothing": (lambda: Abs(None), AttributeError, "no attribute 'to_dict'"),
    "an unknown operator": (lambda: {"$pow": [1, 2]}, ValueError, "Unknown rank operator: .pow"),
    "two operators": (lambda: {"$val": 1, "$abs": {}}, ValueError, "exactly one operator, got 2"),
    "a hundred levels": (lambda: deep(100), ValueError, "nested too deeply"),
    "ten thousand levels": (lambda: deep(10_000), ValueError, "nested too deeply"),
    "itself": (circle, ValueError, "Circular reference"),
    "an Rrf of nothing": (lambda: Rrf([]), ValueError, "RRF requires at least one rank"),
    "an Rrf of NaN": (lambda: Rrf([NEAREST], k=math.nan), ValueError, f"{FINITE} nan"),
    "unsorted dimensions": (lambda: sparse([2, 1], [1.0, 1.0]), InvalidArgumentError, SORTED),
    "a dimension twice": (lambda: sparse([1, 1], [1.0, 1.0]), InvalidArgumentError, SORTED),
    "a negative dimension": (lambda: sparse([-1], [1.0]), InvalidArgumentError, "indices of at least 0"),
    "a dimension beyond 32 bits": (lambda: sparse([2**32], [1.0]), InvalidArgumentError, "and below 4294967296"),
    "half a dimension": (lambda: sparse([1.5], [1.0]), InvalidArgumentError, "indices to be a list of integers"),
    "NaN as a weight": (
        lambda: sparse([1], [math.nan]),
        ValueError,
        "the numbers of a search to be finite, got nan",
    ),
    "a weight too few": (lambda: sparse([1, 2], [1.0]), InvalidArgumentError, "must have the same length"),
    "a label too many": (lambda: sparse([1], [1.0], ["a", "b"]), InvalidArgumentError, "must have the same length"),
    "no lists": (lambda: sparse("ab", "cd"), InvalidArgumentError, "indices to be a list of integers"),
}


@pytest.mark.parametrize("name", RANKS)
def test_a_rank_that_is_wrong_is_refused_in_one_sentence(collection: Any, name: str) -> None:
    rank, kind, said = RANKS[name]
    with pytest.raises(kind, match=said) as caught:
        collection.search([Search(rank=NEAREST), Search(rank=rank())])
    assert isinstance(caught.value, ChromaError) == issubclass(kind, ChromaError)


def grouped(**parts: Any) -> Search:
    return Search(rank=NEAREST, group_by=GroupBy(**parts))


#: What is wrong -> what is searched for, its error, and words of that.
SEARCHES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a number": (lambda: 5, TypeError, "to be a Search or a list of Search, got int"),
    "a text": (lambda: ["moon"], TypeError, "to be a Search or a list of Search, got str"),
    "None among others": (lambda: [Search(), None], TypeError, "a list of Search, got NoneType"),
    "lists of lists": (lambda: [[Search()]], TypeError, "a list of Search, got list"),
    "a rank that is none": (lambda: {"rank": 5}, InvalidArgumentError, "Expected dict for Rank, got int"),
    "a key that is no text": (lambda: {"limit": {}, 5: 1}, TypeError, "keys of a search to be strings"),
    "a filter that is none": (lambda: {"filter": 5}, InvalidArgumentError, "Invalid where clause"),
    "an unclosed pattern": (lambda: Search(where=K.DOCUMENT.regex("(")), InvalidArgumentError, "unclosed group"),
    "a document that is equal": (
        lambda: Search(where=K.DOCUMENT == "moon"),
        InvalidArgumentError,
        "metadata key '#document' with type 'Str' because indexing is disabled",
    ),
    "a negative limit": (lambda: Search().limit(-1), InvalidArgumentError, "an integer of 0 or more, got -1"),
    "a negative offset": (lambda: Search().limit(1, offset=-1), InvalidArgumentError, "of 0 or more, got -1"),
    "half a limit": (lambda: Search().limit(1.5), InvalidArgumentError, "of 0 or more, got 1.5"),
    "an offset beyond 64 bits": (lambda: Search().limit(1, offset=2**70), InvalidArgumentError, "of 0 or more"),
    "a number selected": (lambda: Search().select(5), InvalidArgumentError, "must be a string, got int"),
    "half a character": (lambda: Search().select("\ud800"), ValueError, "to be Unicode, got '.ud800'"),
    "groups without rank": (
        lambda: Search(group_by=GroupBy(keys="n", aggregate=MinK(keys=K.SCORE, k=1))),
        InvalidArgumentError,
        "group_by requires rank expression",
    ),
    "groups by score": (
        lambda: grouped(keys=K.SCORE, aggregate=MinK(keys=K.SCORE, k=1)),
        InvalidArgumentError,
        "group_by keys must be metadata fields",
    ),
    "groups of nothing": (
        lambda: grouped(keys="n", aggregate=MaxK(keys=K.SCORE, k=0)),
        InvalidArgumentError,
        "k must be positive, got 0",
    ),
    "the best by document": (
        lambda: grouped(keys="n", aggregate=MaxK(keys=K.DOCUMENT, k=1)),
        InvalidArgumentError,
        "aggregate keys must be metadata fields or #score",
    ),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_that_is_wrong_is_refused_in_one_sentence(collection: Any, name: str) -> None:
    searches, kind, said = SEARCHES[name]
    with pytest.raises(kind, match=said):
        collection.search(searches())


@pytest.mark.parametrize("level", ["soon", 5, None])
def test_a_read_level_that_is_none_is_refused_by_name(collection: Any, level: Any) -> None:
    with pytest.raises(ValueError, match=r"Expected read_level to be one of 'index_and_wal', .*, got"):
        collection.search(Search(), read_level=level)


# --- Defined values -------------------------------------------------------------------------------------------------
def test_arithmetic_beyond_the_numbers_gives_no_error(collection: Any) -> None:
    assert scores(collection, NEAREST / 0) == {"b": None, "c": None, "d": None, "a": None}  # 0 / 0 comes last
    assert scores(collection, (NEAREST - 100).log()) == dict.fromkeys("abcd")
    assert scores(collection, (NEAREST * 1000 + 1000).exp()) == dict.fromkeys("abcd")
    assert scores(collection, NEAREST * 1e30 * 1e30 * 0) == {"a": 0.0, "b": None, "c": None, "d": None}
    assert scores(collection, Val(1) / 0) == {}


def test_filters_mean_the_same_in_this_process_and_over_http(collection: Any) -> None:
    by_number = collection.search(Search(where=K("n") >= 0).select())["ids"]
    assert collection.search(Search(where=K("n") >= np.int64(0)).select())["ids"] == by_number
    assert collection.search({"filter": {"n": {"$gte": np.float32(0)}}, "select": {"keys": []}})["ids"] == by_number
    for wrong, kind in (
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        (object(), TypeError),
    ):
        with pytest.raises(kind, match=r"Expected (the numbers of a search to be finite|a search that JSON can carry)"):
            collection.search({"filter": {"n": {"$gt": wrong}}})


def test_numbers_of_sparse_queries_are_finite(collection: Any) -> None:
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="Expected the numbers of a search to be finite"):
            collection.search(Search(rank=Knn({"#type": "sparse_vector", "indices": [1], "values": [wrong]}, key="sp")))


def test_numpys_numbers_are_numbers(collection: Any) -> None:
    expected = {"a": 1.0, "c": 2.0, "b": 3.0}
    assert scores(collection, Knn([1.0, 0.0], limit=np.int64(3)) + np.float64(1)) == expected
    assert scores(collection, Sum([Knn(np.array([1, 0], np.float16), limit=3), Val(np.float32(1))])) == expected


def test_weights_may_be_negative_and_their_sums_beyond_float32(collection: Any) -> None:
    assert scores(collection, Knn(SparseVector([1], [-1.0]), key="words")) == {"a": 1.5}
    assert scores(collection, Knn(SparseVector([5], [3e38]), key="words")) == dict.fromkeys("ab")


def test_a_million_dimensions_are_a_query_as_others(collection: Any) -> None:
    long = SparseVector(list(range(1_000_000)), [1.0] * 1_000_000)
    assert scores(collection, Knn(long, key="words")) == {"a": -1.0, "b": -1.0}


def test_pages_of_nothing_and_beyond_the_end_are_empty(collection: Any) -> None:
    far = [Search(rank=NEAREST).limit(5, offset=10**6), Search().limit(2**63 - 1, offset=2**63 - 1)]
    none = [Search().limit(0), Search(rank=Knn([1.0, 0.0], limit=0)), Search(rank=NEAREST).limit(0)]
    assert collection.search(far + none)["ids"] == [[]] * 5
    assert collection.search([])["ids"] == []


def test_keys_nobody_has_select_and_group_as_missing_values(collection: Any) -> None:
    result = collection.search(Search(rank=NEAREST).select("nope", "#nope", K.ID))
    assert result["metadatas"] == [[None] * 4]
    one = grouped(keys="nope", aggregate=MinK(keys="nope", k=1))
    assert collection.search([one, {"bogus": 1, "rank": {"$val": 1}}])["ids"] == [["a"], []]


def test_thousands_of_searches_and_of_parts_are_one_call(collection: Any) -> None:
    assert collection.search([Search(rank=NEAREST).limit(1)] * 2_000)["ids"] == [["a"]] * 2_000
    wide = Sum([Knn([1.0, 0.0]) for _ in range(500)] + [Val(1)] * 5_000)
    assert scores(collection, wide) == {"a": 5_000.0, "c": 5_500.0, "b": 6_000.0, "d": 11_500.0}


# --- What no client of ours sends -----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def search_url() -> Iterator[str]:
    SharedSystemClient.clear_system_cache()
    with chroma_nb.EphemeralClient() as store, chroma_nb.serve(store, port=0) as server:
        place = "/api/v2/tenants/default_tenant/databases/default_database/collections"
        yield f"{server.url}{place}/{made(store).id}/search"
    SharedSystemClient.clear_system_cache()


def ranked(rank: str) -> str:
    return '{"searches":[{}, {"rank":%s}]}' % rank  # noqa: UP031


def knn(query: str, more: str = "") -> str:
    return ranked('{"$knn":{"query":%s%s}}' % (query, more))  # noqa: UP031


BODIES = {
    "not an object": "[]",
    "no searches": "{}",
    "searches that are none": '{"searches":[1]}',
    "half of JSON": '{"searches":[{',
    "not UTF-8": b'{"searches":["\xff"]}',
    "NaN": ranked('{"$val":NaN}'),
    "null": ranked('{"$val":null}'),
    "five thousand digits": ranked('{"$val":1' + "0" * 5_000 + "}"),
    "a hundred levels": ranked('{"$abs":' * 100 + '{"$val":1}' + "}" * 100),
    "ten thousand levels": ranked('{"$abs":' * 10_000 + '{"$val":1}' + "}" * 10_000),
    "ten thousand lists": ranked("[" * 10_000 + "]" * 10_000),
    "a filter of five thousand levels": '{"searches":[{"filter":' + '{"$and":[' * 5_000 + "]}" * 5_000 + "}]}",
    "an operand of twenty thousand": '{"searches":[{"filter":{"n":{"$in":[%s1]}}}]}' % ("1," * 20_000),
    "a text": knn('"moon"'),
    "a vector of texts": knn('[1,"a"]'),
    "a ragged matrix": knn("[[1],[1,2]]"),
    "null in a vector": knn("[null,1]"),
    "a vector of a million": knn("[" + "1," * 999_999 + "1]"),
    "a negative limit": knn("[1,0]", ',"limit":-1'),
    "a limit beyond 64 bits": knn("[1,0]", f',"limit":{2**70}'),
    "a key that is a list": knn("[1,0]", ',"key":["words"]'),
    "another type": knn('{"#type":"x","indices":[5],"values":[1]}', ',"key":"words"'),
    "truths as dimensions": knn('{"indices":[true],"values":[true]}', ',"key":"words"'),
    "a dimension of 64 bits": knn(f'{{"indices":[{2**64 - 1}],"values":[1]}}', ',"key":"words"'),
    "a weight beyond float32": knn('{"indices":[5],"values":[1e39]}', ',"key":"words"'),
    "half a division": ranked('{"$div":{"left":{"$val":1}}}'),
    "half a grouping": '{"searches":[{"rank":{"$val":1},"group_by":{"keys":["n"]}}]}',
    "an unknown aggregate": '{"searches":[{"rank":{"$val":1},"group_by":{"keys":["n"],"aggregate":{"$avg":{}}}}]}',
    "a text as limit": '{"searches":[{"limit":{"limit":"1"}}]}',
    "a text as keys": '{"searches":[{"select":{"keys":"#score"}}]}',
    "an unknown level": '{"searches":[],"read_level":"soon"}',
}


@pytest.mark.parametrize("name", BODIES)
def test_a_server_answers_a_wrong_body_with_4xx_and_lives(search_url: str, name: str) -> None:
    with httpx.Client(headers={"content-type": "application/json"}) as http:
        answer = http.post(search_url, content=BODIES[name])
        assert answer.status_code in (400, 422), answer.text[:200]
        assert set(answer.json()) == {"error", "message"}
        assert http.post(search_url, content=ranked('{"$knn":{"query":[1,0]}}')).json()["ids"] == [
            list("abcd"),
            list("acbd"),
        ]

"""The answers are Chroma's dicts; to_df() is an addition."""

import copy
import json
import pickle
import pprint

import pytest

import chroma_nb
from chroma_nb.results import GetResult, HybridResult, QueryResult, SearchResult

PLAIN = {"ids": ["a"], "documents": ["one\x1b[31m"], "metadatas": [{"year": 2020}], "included": ["documents"]}


@pytest.mark.parametrize("kind", [GetResult, QueryResult, SearchResult])
def test_a_result_is_and_prints_as_a_plain_dict(kind):
    result = kind(PLAIN)
    assert result == PLAIN
    assert isinstance(result, dict)
    assert repr(result) == repr(PLAIN)
    assert str(result) == str(PLAIN)
    assert pprint.pformat(result) == pprint.pformat(PLAIN)
    assert json.dumps(result) == json.dumps(PLAIN)


@pytest.mark.parametrize("kind", [GetResult, QueryResult, HybridResult, SearchResult])
def test_a_result_survives_copy_with_what_it_knows(kind):
    result = kind(PLAIN)
    result.query_texts = ["what?"]
    for other in (copy.copy(result), copy.deepcopy(result)):
        assert type(other) is kind
        assert other == PLAIN
        assert other.query_texts == ["what?"]
    assert copy.copy(result)["ids"] is result["ids"]
    assert copy.deepcopy(result)["ids"] is not result["ids"]


@pytest.mark.parametrize("kind", [GetResult, QueryResult, HybridResult])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_result_is_a_plain_dict_that_needs_nothing_of_ours(kind, protocol):
    result = kind(PLAIN)
    result.query_texts = ["what?"]
    pickled = pickle.dumps([result], protocol)
    assert b"chroma_nb" not in pickled
    (other,) = pickle.loads(pickled)
    assert (type(other), other) == (dict, PLAIN)


def test_a_pickled_search_result_keeps_its_rows_as_chromas_does():
    result = SearchResult(ids=[["a"]], documents=[["one"]], scores=None)
    assert pickle.loads(pickle.dumps(result)).rows() == [[{"id": "a", "document": "one"}]]


def test_ipython_prints_a_result_as_it_prints_a_dict():
    pretty = pytest.importorskip("IPython.lib.pretty")
    assert pretty.pretty(GetResult(PLAIN)) == pretty.pretty(dict(PLAIN))


def test_a_control_character_never_reaches_the_terminal():
    assert "\x1b" not in repr(GetResult(PLAIN))


def test_to_df_of_a_query_has_one_row_a_hit():
    result = QueryResult(
        ids=[["a", "b"], ["b"]],
        distances=[[0.1, 0.2], [0.3]],
        documents=[["one", "two"], ["two"]],
        metadatas=[[{"rank": 7}, None], [None]],
    )
    result.query_texts = ["first", "second"]
    frame = result.to_df()
    assert list(frame) == ["query", "query_text", "rank", "id", "distance", "document", "metadata.rank"]
    assert frame["query"].tolist() == [0, 0, 1]
    assert frame["query_text"].tolist() == ["first", "first", "second"]
    assert frame["rank"].tolist() == [1, 2, 1]
    assert frame["metadata.rank"].isna().tolist() == [False, True, True]


def test_to_df_picks_columns_in_the_order_asked_for():
    with pytest.warns(UserWarning, match="No record of this result has 'nowhere', so its column is empty"):
        frame = GetResult(PLAIN).to_df(columns=["year", "id", "nowhere"])
    assert list(frame) == ["year", "id", "nowhere"]
    assert frame["nowhere"].isna().all()


def test_to_df_of_nothing_has_columns_and_no_rows():
    assert list(GetResult(ids=[], documents=[], metadatas=[]).to_df()) == ["id", "document"]
    frame = QueryResult(ids=[[]], distances=[[]], documents=[[]]).to_df()
    assert (len(frame), list(frame)) == (0, ["query", "rank", "id", "distance", "document"])


# --- Searches ----------------------------------------------------------------------------------------------
def searched(**fields):
    """The answer of two searches, the second of which selected nothing."""
    answer = {
        "ids": [["a", "b"], ["b"]],
        "documents": [["one", None], None],
        "embeddings": [None, None],
        "metadatas": [[{"year": 2020, "rank": 7, "score": 3}, None], None],
        "scores": [[-0.5, None], None],
        "select": [["#document", "#metadata", "#score"], []],
    }
    return SearchResult(answer | fields)


def test_to_df_of_a_search_has_one_row_a_hit_with_its_rank_and_score():
    frame = searched().to_df()
    assert list(frame) == ["search", "rank", "id", "score", "document", "metadata.rank", "metadata.score", "year"]
    assert frame["search"].tolist() == [0, 0, 1]
    assert frame["rank"].tolist() == [1, 2, 1]
    assert frame["id"].tolist() == ["a", "b", "b"]
    assert frame["score"].isna().tolist() == [False, True, True]
    assert frame["document"].isna().tolist() == [False, True, True]
    assert frame["year"].isna().tolist() == [False, True, True]


def test_to_df_of_a_search_says_what_was_searched_for():
    result = searched()
    result.query_texts = ["red cat", None]
    frame = result.to_df()
    assert list(frame)[:3] == ["search", "query_text", "rank"]
    assert frame["query_text"].tolist()[:2] == ["red cat", "red cat"]
    assert frame["query_text"].isna().tolist() == [False, False, True]


def test_to_df_of_a_search_holds_the_vectors_that_were_selected():
    frame = searched(embeddings=[[[1.0, 2.0], None], None]).to_df(columns=["id", "embedding"])
    assert frame["embedding"][0].tolist() == [1.0, 2.0]
    assert frame["embedding"].isna().tolist() == [False, True, True]


def test_to_df_of_no_search_and_of_nothing_found_has_no_rows():
    none = SearchResult(ids=[], documents=[], embeddings=[], metadatas=[], scores=[], select=[])
    assert len(none.to_df()) == 0
    empty = SearchResult(ids=[[]], documents=[[]], embeddings=[None], metadatas=[[]], scores=[[]], select=[[]])
    assert (len(empty.to_df()), list(empty.to_df())) == (0, ["search", "rank", "id", "score", "document"])


def test_the_frame_of_a_search_is_written_without_what_says_where_its_hits_stood():
    frame = searched(ids=[["a", "b"], ["c"]], documents=[["one", "two"], ["three"]]).to_df()
    with chroma_nb.EphemeralClient() as client:
        records = client.create_collection("of_a_search", embedding_function=None)
        records.add_df(frame, embedding=[[1.0], [2.0], [3.0]])
        assert records.get()["metadatas"] == [{"year": 2020, "rank": 7, "score": 3}, None, None]


def found_by_both(**others):
    return HybridResult(
        {
            "ids": [["a", "b"], ["b"]],
            "documents": [["the wren", None], [None]],
            "metadatas": [[{"year": 2020, "words": "mine"}, None], [None]],
            "distances": [[0.5, None], [0.25]],
            "scores": [[0.03, 0.01], [0.02]],
            "meaning_ranks": [[2, None], [1]],
            "word_ranks": [[1, 3], [None]],
            "words": [[["Wren", "鳥"], []], [[]]],
        }
        | others
    )


def test_to_df_of_a_hybrid_search_has_both_ranks_and_the_words():
    frame = found_by_both().to_df()
    assert list(frame) == [
        *("query", "rank", "id", "score", "meaning_rank", "word_rank", "words", "distance", "document"),
        *("metadata.words", "year"),
    ]
    assert frame["meaning_rank"].dtype == frame["word_rank"].dtype == "Int64"
    assert frame["word_rank"].isna().tolist() == [False, False, True]
    assert frame["words"].tolist() == ["Wren, 鳥", "", ""]
    assert frame["distance"].isna().tolist() == [False, True, False]
    empty = HybridResult({name: [[]] for name in found_by_both()}).to_df()
    assert len(empty) == 0


def test_the_frame_of_a_hybrid_search_is_written_without_what_says_how_its_hits_were_found():
    frame = found_by_both(ids=[["a", "b"], ["c"]]).to_df()
    with chroma_nb.EphemeralClient() as client:
        records = client.create_collection("of_a_hybrid", embedding_function=None)
        records.add_df(frame, embedding=[[1.0], [2.0], [3.0]])
        assert records.get()["metadatas"] == [{"words": "mine", "year": 2020}, None, None]

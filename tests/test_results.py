"""The answers are Chroma's dicts; to_df() is an addition."""

import copy
import json
import pickle
import pprint

import pytest

from chroma_nb.results import GetResult, QueryResult

PLAIN = {"ids": ["a"], "documents": ["one\x1b[31m"], "metadatas": [{"year": 2020}], "included": ["documents"]}


@pytest.mark.parametrize("kind", [GetResult, QueryResult])
def test_a_result_is_and_prints_as_a_plain_dict(kind):
    result = kind(PLAIN)
    assert result == PLAIN
    assert isinstance(result, dict)
    assert repr(result) == repr(PLAIN)
    assert str(result) == str(PLAIN)
    assert pprint.pformat(result) == pprint.pformat(PLAIN)
    assert json.dumps(result) == json.dumps(PLAIN)


@pytest.mark.parametrize("kind", [GetResult, QueryResult])
def test_a_result_survives_copy_and_pickle_with_what_it_knows(kind):
    result = kind(PLAIN)
    result.query_texts = ["what?"]
    for other in (copy.copy(result), copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        assert type(other) is kind
        assert other == PLAIN
        assert other.query_texts == ["what?"]


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
    frame = GetResult(PLAIN).to_df(columns=["year", "id", "nowhere"])
    assert list(frame) == ["year", "id", "nowhere"]
    assert frame["nowhere"].isna().all()


def test_to_df_of_nothing_has_columns_and_no_rows():
    assert list(GetResult(ids=[], documents=[], metadatas=[]).to_df()) == ["id", "document"]
    frame = QueryResult(ids=[[]], distances=[[]], documents=[[]]).to_df()
    assert (len(frame), list(frame)) == (0, ["query", "rank", "id", "distance", "document"])

"""Filters as text: what they compile to, and what is said about mistakes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_nb.jupyter.where_sql import Compiled, WhereTextError, compile_where
from chroma_nb.query.parsing import parse_where


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("year = 2020", {"year": {"$eq": 2020}}),
        ("year == -3", {"year": {"$eq": -3}}),
        ("year != 2020", {"year": {"$ne": 2020}}),
        ("year <> 2020", {"year": {"$ne": 2020}}),
        ("score >= 1.5e-3", {"score": {"$gte": 0.0015}}),
        ("score<.5", {"score": {"$lt": 0.5}}),
        ("name = 'it''s'", {"name": {"$eq": "it's"}}),
        ('name = "a ""b"""', {"name": {"$eq": 'a "b"'}}),
        ("good = true", {"good": {"$eq": True}}),
        ("good = FALSE", {"good": {"$eq": False}}),
        ("topic in ('a', 'b')", {"topic": {"$in": ["a", "b"]}}),
        ("n in (1, 2.5)", {"n": {"$in": [1.0, 2.5]}}),
        ("topic not in ('a')", {"topic": {"$nin": ["a"]}}),
        ("tags contains 'x'", {"tags": {"$contains": "x"}}),
        ("tags not contains 'x'", {"tags": {"$not_contains": "x"}}),
        ("year between 1 and 2", {"$and": [{"year": {"$gte": 1}}, {"year": {"$lte": 2}}]}),
        ("`the year` = 1", {"the year": {"$eq": 1}}),
        ("a.b-c = 1", {"a.b-c": {"$eq": 1}}),
        ("größe = 1", {"größe": {"$eq": 1}}),
        ("a = 1 and b = 2 or c = 3", {"$or": [{"$and": [{"a": {"$eq": 1}}, {"b": {"$eq": 2}}]}, {"c": {"$eq": 3}}]}),
        ("a = 1 and (b = 2 or c = 3)", {"$and": [{"a": {"$eq": 1}}, {"$or": [{"b": {"$eq": 2}}, {"c": {"$eq": 3}}]}]}),
        ("not (a > 1 or b in (2))", {"$and": [{"a": {"$lte": 1}}, {"b": {"$nin": [2]}}]}),
        ("not not a = 1", {"a": {"$eq": 1}}),
    ],
)
def test_a_filter_compiles_to_chromas(text, expected):
    assert compile_where(text) == Compiled(expected, None)
    parse_where(expected)


@pytest.mark.parametrize(
    ("text", "metadata", "document"),
    [
        ("document contains 'x'", None, {"$contains": "x"}),
        ("document not matches 'x+'", None, {"$not_regex": "x+"}),
        ("a = 1 and document contains 'x'", {"a": {"$eq": 1}}, {"$contains": "x"}),
        (
            "a = 1 and (b = 2 and (document contains 'x' or document contains 'y'))",
            {"$and": [{"a": {"$eq": 1}}, {"b": {"$eq": 2}}]},
            {"$or": [{"$contains": "x"}, {"$contains": "y"}]},
        ),
        ("`document` = 1", {"document": {"$eq": 1}}, None),
    ],
)
def test_tests_of_documents_stand_apart(text, metadata, document):
    assert compile_where(text) == Compiled(metadata, document)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 0, "got nothing"),
        ("year >", 6, "expected a value, got 'the end'"),
        ("year > 2020 and", 15, "expected a metadata key"),
        ("year > 2020 topic = 1", 12, "expected 'and', 'or' or the end"),
        ("topic = a", 8, "put a text in quotes: 'a'"),
        ("topic = 'a", 8, "expected a closing quotation mark"),
        ("year > 'x'", 7, "compares numbers"),
        ("year > true", 7, "compares numbers"),
        ("(year > 1", 9, "expected ')'"),
        ("topic in ('a', 1)", 9, "of one kind"),
        ("topic in 'a'", 9, "a list of values"),
        ("topic like 'a%'", 6, "like is not supported"),
        ("topic is null", 6, "null is not supported"),
        ("document = 'a'", 9, "contains or matches"),
        ("document contains 1", 18, "expected a text"),
        ("a = 1 or document contains 'x'", 0, "joined by 'and' only"),
        ("a ; drop", 2, "unexpected ';'"),
        ("year = :nope", 7, "'nope'"),
        ("not " * 60 + "a = 1", 196, "too deeply"),
        ("(" * 60 + "a = 1" + ")" * 60, 50, "too deeply"),
    ],
)
def test_a_mistake_is_pointed_at(text, position, message):
    with pytest.raises(WhereTextError, match=message.replace("(", r"\(").replace(")", r"\)")) as caught:
        compile_where(text, {}.__getitem__)
    assert caught.value.position in range(position, position + 6)
    assert str(caught.value).endswith("^")


def test_variables_are_looked_up_and_never_evaluated():
    names = {
        "y": 2020,
        "names": ["a", "b'; x"],
        "array": np.array([1, 2]),
        "column": pd.Series(["a"]),
        "t": "x' or 1=1",
    }
    assert compile_where("year > :y", names.__getitem__).where == {"year": {"$gt": 2020}}
    assert compile_where("year > {y}", names.__getitem__).where == {"year": {"$gt": 2020}}
    assert compile_where("a in :names", names.__getitem__).where == {"a": {"$in": ["a", "b'; x"]}}
    assert compile_where("a in :array", names.__getitem__).where == {"a": {"$in": [1, 2]}}
    assert compile_where("a in :column", names.__getitem__).where == {"a": {"$in": ["a"]}}
    assert compile_where("a = :t", names.__getitem__).where == {"a": {"$eq": "x' or 1=1"}}


@pytest.mark.parametrize("value", [None, object(), {"a": 1}, [[1]], [], len])
def test_a_variable_that_is_no_value_is_refused(value):
    with pytest.raises(WhereTextError):
        compile_where("a in :x", {"x": value}.__getitem__)


@given(st.text(max_size=60))
def test_any_text_compiles_or_is_refused_with_a_position(text):
    position = 0
    try:
        compile_where(text)
    except WhereTextError as error:
        position = error.position
    assert 0 <= position <= len(text)


@given(st.text(), st.sampled_from("'\""))
def test_any_text_can_be_quoted(text, quote):
    written = quote + text.replace(quote, quote * 2) + quote
    assert compile_where(f"a = {written}").where == {"a": {"$eq": text}}

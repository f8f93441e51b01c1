"""Facets of texts: the most frequent in order, whatever their letters; dates; what is kept follows every change."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chroma_nb
from chroma_nb.facets import Description, counted, facet

#: What might be taken for the end of a text, what UTF-8 orders as Python does, and texts that share their beginning.
LETTERS = st.sampled_from(["", "a", "b", "\0", "\n", "\r", "é", "\ud800", "日本", "😀", "z" * 12, "2024-01-02", " "])
TEXTS = st.lists(st.lists(LETTERS, max_size=4).map("".join), max_size=60)


@given(TEXTS, st.integers(0, 9), st.booleans())
def test_the_most_frequent_texts_come_in_order_whatever_their_letters(texts, limit, long):
    texts = [text * 40 for text in texts] if long else texts
    found = facet("k", len(texts), counted(texts), limit)
    counts = sorted(Counter(texts).items(), key=lambda item: (-item[1], item[0]))
    assert [tuple(value) for value in found.values] == counts[:limit]
    assert found.distinct == len(counts)


@pytest.mark.parametrize("end", ["", "T10:00", " at noon", " für alle", " a\nb", " " + "z" * 500])
def test_texts_that_begin_with_a_date_are_counted_by_it_whatever_follows(end):
    texts = ["2023-12-31" + end, "2024-01-01" + end, "2024-01-01" + end]
    assert [tuple(day) for day in facet("k", 3, counted(texts), 5).dates] == [("2023-12-31", 1), ("2024-01-01", 2)]


@pytest.mark.parametrize("other", ["2024-13-01", "2024-01-011", "2024-01-01\n", "24-01-01", "", "é"])
def test_one_text_that_is_no_date_and_there_are_no_dates(other):
    assert facet("k", 2, counted(["2024-01-01", other]), 5).dates == ()


def test_facets_of_texts_follow_every_change():
    with chroma_nb.EphemeralClient() as client:
        books = client.create_collection("books", embedding_function=None)

        def values():
            return dict(books.facets("title", limit=5000).values)

        ids, old, new = ([f"{name}{i}" for i in range(2000)] for name in ("id", "old", "new"))
        books.add(ids=ids, embeddings=[[0.0]] * 2000, metadatas=[{"title": title} for title in old])
        assert values() == dict.fromkeys(old, 1)
        for titles in (new, old, new):  # the texts that nobody has any more are forgotten at some point
            books.update(ids=ids, metadatas=[{"title": title} for title in titles])
            assert values() == dict.fromkeys(titles, 1)
        books.delete(ids=ids[10:])
        assert values() == dict.fromkeys(new[:10], 1)
        books.add(ids=["last"], embeddings=[[0.0]], metadatas=[{"title": "aaa"}])
        assert values() == {**dict.fromkeys(new[:10], 1), "aaa": 1}


def test_displays_name_kinds_as_people_do():
    values = ["a", 1, 0.5, True, ["x", "y"], [1], chroma_nb.SparseVector([1], [0.5])]
    found = facet("k", len(values) + 1, counted(values), 5)
    words = ["text", "whole number", "number", "true or false", "list of text", "list of whole number", "sparse vector"]
    assert found.kinds.keys() == {"str", "int", "float", "bool", "list of str", "list of int", "SparseVector"}
    shown = Description(8, 2, "l2", 0, None, (found,))
    for display in (str(found), found._repr_html_(), str(shown), shown._repr_html_()):
        assert not re.search(r"\b(str|int|bool|SparseVector)\b", display.rpartition("</style>")[2])
    for display in (str(found), found._repr_html_()):
        assert all(word in display for word in words)
    assert "text in 1" in str(found)


def test_displays_tell_a_text_from_a_number_and_an_empty_text_from_nothing():
    mixed, texts = (facet("k", 9, counted(values), 5) for values in ([1, "1", True, "true", ""], ["1", "one", ""]))
    shown = [line.split()[-1] for line in str(mixed).splitlines()[2:7]]
    assert sorted(shown) == sorted(["1", '"1"', "true", '"true"', '""'])
    assert [line.split()[-1] for line in str(texts).splitlines()[2:5]] == ['""', "1", "one"]
    for display in (mixed._repr_html_(), texts._repr_html_()):
        assert "&quot;&quot;" in display

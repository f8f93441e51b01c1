"""The meaning of filters; every operator against the oracle stands in tests/property."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chroma_nb.engine.filters.evaluation import TESTS, evaluate
from chroma_nb.engine.memory.columns import Columns
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.query.conditions import And, Or
from chroma_nb.query.operators import of_metadata
from chroma_nb.query.parsing import parse_where, parse_where_document

METADATAS: list[Any] = [
    {"k": 1},
    {"k": 1.0},
    {"k": True},
    {"k": "1"},
    {"k": [1, 2]},
    {"k": [1.0]},
    {"k": ["1"]},
    {"k": [True]},
    {"k": 1.5},
    {"k": -2},
    {"k": False},
    {"other": 1},
    None,
]


def rows(where: dict[str, Any], metadatas: list[Any] = METADATAS) -> list[int]:
    columns = Columns()
    columns.extend(metadatas)
    mask = evaluate(
        parse_where(where), lambda keys: columns, lambda rows: [None] * len(rows), np.ones(len(metadatas), bool)
    )
    return np.flatnonzero(mask).tolist()


def test_every_operator_of_the_grammar_has_a_meaning():
    assert TESTS.keys() == {row.opposite if row.negative else row.name for row in of_metadata()}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"k": 1}, [0, 1]),
        ({"k": 1.0}, [0, 1]),
        ({"k": True}, [2]),
        ({"k": "1"}, [3]),
        ({"k": {"$in": [1, -2]}}, [0, 1, 9]),
        ({"k": {"$in": [1.0, 1.5]}}, [0, 1, 8]),
        ({"k": {"$in": [True, False]}}, [2, 10]),
        ({"k": {"$in": ["1", "2"]}}, [3]),
        ({"k": {"$gt": 0}}, [0, 1, 8]),
        ({"k": {"$gte": 1}}, [0, 1, 8]),
        ({"k": {"$lt": 1.5}}, [0, 1, 9]),
        ({"k": {"$lte": 1}}, [0, 1, 9]),
        ({"k": {"$contains": 1}}, [4]),
        ({"k": {"$contains": 1.0}}, [5]),
        ({"k": {"$contains": "1"}}, [6]),
        ({"k": {"$contains": True}}, [7]),
    ],
)
def test_numbers_are_one_kind_and_every_other_type_is_its_own(where, expected):
    assert rows(where) == expected


@pytest.mark.parametrize(
    ("negative", "positive", "operand"),
    [("$ne", "$eq", 1), ("$nin", "$in", [1, -2]), ("$not_contains", "$contains", 1), ("$ne", "$eq", "1")],
)
def test_negative_operators_hold_where_the_positive_does_not_and_where_the_key_is_missing(negative, positive, operand):
    found = rows({"k": {negative: operand}})

    assert sorted(found + rows({"k": {positive: operand}})) == list(range(len(METADATAS)))
    assert {11, 12} <= set(found)


def test_a_key_that_no_record_has_fails_and_satisfies_the_opposite():
    assert rows({"unknown": 1}) == []
    assert rows({"unknown": {"$ne": 1}}) == list(range(len(METADATAS)))


def test_integers_that_no_float_can_tell_apart_are_told_apart():
    near = [{"k": 2**53 + n} for n in (-1, 0, 1, 2)] + [{"k": 2.0**53}]

    assert rows({"k": 2**53 + 1}, near) == [2]
    assert rows({"k": {"$gt": 2**53}}, near) == [2, 3]
    assert rows({"k": {"$gt": 2.0**53}}, near) == [2, 3]
    assert rows({"k": {"$in": [2**53 + 1, 2**53]}}, near) == [1, 2, 4]
    assert rows({"k": {"$lt": 2**53 + 1}}, near) == [0, 1, 4]


def test_a_fraction_is_compared_as_it_is_and_not_cut_to_an_integer():
    # Chroma 1.5.9 cuts 1.5 to 1 before it compares with integers, so {"k": 1.5} finds 1 and $lt 1.5 misses it.
    numbers = [{"k": n} for n in (-1, 0, 1, 2)]

    assert rows({"k": 1.5}, numbers) == []
    assert rows({"k": {"$lt": 1.5}}, numbers) == [0, 1, 2]
    assert rows({"k": {"$gte": 1.5}}, numbers) == [3]
    assert rows({"k": {"$gt": -0.5}}, numbers) == [1, 2, 3]
    assert rows({"k": {"$nin": [1.5]}}, numbers) == [0, 1, 2, 3]


def test_bounds_at_the_ends_of_64_bits():
    ends = [{"k": 2**63 - 1}, {"k": -(2**63)}, {"k": 2.0**63}, {"k": 0}]

    assert rows({"k": {"$gt": 2**63 - 1}}, ends) == [2]
    assert rows({"k": {"$gte": 2.0**63}}, ends) == [2]
    assert rows({"k": {"$lt": 2.0**63}}, ends) == [0, 1, 3]
    assert rows({"k": {"$lte": -(2**63)}}, ends) == [1]
    assert rows({"k": {"$in": [2.0**63]}}, ends) == [2]
    assert rows({"k": {"$gt": -1e300}}, ends) == [0, 1, 2, 3]


def test_a_long_list_of_operands():
    metadatas = [{"n": n, "s": f"s{n}", "f": n / 7} for n in range(0, 1000, 3)]
    many = list(range(0, 100_000, 2))

    expected = [row for row in range(len(metadatas)) if row * 3 % 2 == 0]
    assert rows({"n": {"$in": many}}, metadatas) == expected
    assert rows({"s": {"$in": [f"s{n}" for n in many]}}, metadatas) == expected
    assert rows({"f": {"$in": [n / 7 for n in many]}}, metadatas) == expected


class Texts:
    """A source of documents that remembers what was asked."""

    def __init__(self, texts: list[str | None]) -> None:
        self.texts = texts
        self.asked: list[int] = []

    def __call__(self, rows: Any) -> list[str | None]:
        self.asked += rows.tolist()
        return [self.texts[row] for row in rows]


@pytest.fixture
def columns() -> Columns:
    columns = Columns()
    columns.extend([{"n": n} for n in range(6)])
    return columns


def test_documents_are_fetched_only_where_metadata_leaves_a_doubt(columns):
    texts = Texts(["moon", "sun", None, "moon", "moon", "sun"])
    moon, early = parse_where_document({"$contains": "moon"}), parse_where({"n": {"$lt": 2}})
    alive = np.array([True, True, True, True, False, True])

    assert evaluate(And([moon, early]), lambda keys: columns, texts, alive).tolist() == [True, *[False] * 5]
    assert texts.asked == [0, 1]
    texts.asked.clear()
    assert evaluate(Or([moon, early]), lambda keys: columns, texts, alive).tolist() == [
        True,
        True,
        False,
        True,
        False,
        False,
    ]
    assert texts.asked == [2, 3, 5]


def test_a_document_is_fetched_once_for_several_tests(columns):
    texts = Texts(["moon", "sun", None, "moon and sun", "", "star"])
    where = parse_where_document({"$or": [{"$contains": "moon"}, {"$and": [{"$contains": "sun"}, {"$regex": "^s"}]}]})

    assert evaluate(where, lambda keys: columns, texts, np.ones(6, bool)).tolist() == [
        True,
        True,
        False,
        True,
        False,
        False,
    ]
    assert texts.asked == [0, 1, 2, 3, 4, 5]


def test_a_filter_on_metadata_and_documents_in_one_tree(columns):
    texts = Texts(["moon", "sun", None, "moon", "moon", "sun"])
    where = parse_where({"$and": [{"$or": [{"n": 5}, {"#document": {"$contains": "moon"}}]}, {"n": {"$gt": 1}}]})

    assert evaluate(where, lambda keys: columns, texts, np.ones(6, bool)).tolist() == [
        False,
        False,
        False,
        True,
        True,
        True,
    ]


def test_a_part_of_the_rows_can_be_asked_for(columns):
    texts = Texts(["moon"] * 6)
    where = And([parse_where({"n": {"$ne": 3}}), parse_where_document({"$contains": "oo"})])

    assert evaluate(where, lambda keys: columns, texts, np.ones(6, bool), 2, 5).tolist() == [True, False, True]
    assert texts.asked == [2, 4]


def test_a_pattern_that_is_none_is_refused_where_no_document_would_be_read(columns):
    where = And([parse_where({"n": 99}), parse_where_document({"$regex": "("})])

    with pytest.raises(InvalidArgumentError, match="Regex syntax errror"):
        evaluate(where, lambda keys: columns, Texts([]), np.ones(6, bool))

"""The grammar of filters: what parses to what, what is refused, and that nothing is lost on the way back."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_nb.errors import InvalidArgumentError
from chroma_nb.query.conditions import (
    And,
    Contains,
    Eq,
    Gt,
    In,
    Nin,
    NotContains,
    NotRegex,
    Or,
    Regex,
)
from chroma_nb.query.expression import MAX_DEPTH
from chroma_nb.query.operators import OPERATORS, TRUTH, of_documents, of_metadata
from chroma_nb.query.parsing import parse_where, parse_where_document

PARSED = [
    ({"k": "x"}, Eq("k", "x")),
    ({"k": True}, Eq("k", True)),
    ({"k": {"$gt": 2}}, Gt("k", 2)),
    ({"k": {"$in": ["a", "b"]}}, In("k", ["a", "b"])),
    ({"k": {"$nin": [True, False]}}, Nin("k", [True, False])),
    ({"k": {"$contains": 2}}, Contains("k", 2)),
    ({"#document": {"$contains": "x"}}, Contains("#document", "x")),
    ({"#document": {"$contains": ""}}, Contains("#document", "")),
    ({"#document": {"$regex": "x"}}, Regex("#document", "x")),
    ({"#document": {"$gt": 1}}, Gt("#document", 1)),
    ({"#id": "a"}, Eq("#id", "a")),
    ({"": "a"}, Eq("", "a")),
    ({"$or": [{"a": 1}, {"b": 2}]}, Or([Eq("a", 1), Eq("b", 2)])),
    ({"$and": [{"a": 1}]}, And([Eq("a", 1)])),
]


@pytest.mark.parametrize(("where", "tree"), PARSED)
def test_a_filter_parses_to_its_tree(where: dict[str, Any], tree: Any) -> None:
    assert parse_where(where) == tree


@pytest.mark.parametrize(
    "where",
    [
        None,
        {},
        "x",
        [{"k": 1}],
        {"a": 1, "b": 2},
        {1: "x"},
        {"k": None},
        {"k": {}},
        {"k": {"$gt": 1, "$lt": 2}},
        {"k": {"$bogus": 1}},
        {"k": {"$regex": "x"}},
        {"k": {1: 1}},
        {"$foo": 1},
        {"$eq": "x"},
        {"$in": ["x"]},
        {"$and": []},
        {"$and": {"k": 1}},
        {"k": {"$gt": True}},
        {"k": {"$gt": "x"}},
        {"k": {"$lte": None}},
        {"k": {"$eq": ["x"]}},
        {"k": {"$eq": b"x"}},
        {"k": {"$in": "x"}},
        {"k": {"$in": []}},
        {"k": {"$in": [None]}},
        {"k": {"$in": [[1], [2]]}},
        {"k": {"$in": [1, True]}},
        {"k": {"$in": [1, 2.5]}},
        {"k": {"$in": [1, 2**63]}},
        {"k": {"$in": [math.nan]}},
        {"k": math.nan},
        {"k": {"$lt": math.inf}},
        {"k": 2**63},
        {"k": 2**64 - 1},
        {"k": {"$contains": ["x"]}},
        {"#document": {"$contains": 1}},
    ],
)
def test_what_chromas_engine_refuses_is_an_invalid_where_clause(where: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^Invalid where clause"):
        parse_where(where)


@pytest.mark.parametrize("where", [None, {}, {"$bogus": "x"}, {"$contains": 1}, {"$and": []}, {"$and": "x"}, {1: "x"}])
def test_a_bad_document_filter_is_named_as_one(where: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^Invalid where document clause"):
        parse_where_document(where)


@pytest.mark.parametrize("kind", [Contains, NotContains, Regex, NotRegex])
def test_every_document_operator_parses(kind: Any) -> None:
    assert parse_where_document({kind.operator: "x"}) == kind("#document", "x")


@pytest.mark.parametrize(
    ("value", "kept"),
    [(-(2**63), -(2**63)), (2**63 - 1, 2**63 - 1), (-(2**63) - 1, -(2.0**63)), (2**64, 2.0**64)],
)
def test_integers_beyond_64_bits_become_floats_as_json_numbers_do(value: int, kept: float) -> None:
    operand = parse_where({"k": value}).operand
    assert (operand, type(operand)) == (kept, type(kept))
    listed = parse_where({"k": {"$in": [value, value]}}).operand
    assert (listed, type(listed[0])) == ([kept, kept], type(kept))


def test_an_integer_that_no_float_holds_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="too large"):
        parse_where({"k": 10**400})


@pytest.mark.parametrize(("value", "kind"), [(np.float64(1.5), float), (np.str_("x"), str)])
def test_numpy_values_that_are_pythons_become_plain(value: Any, kind: type) -> None:
    assert type(parse_where({"k": value}).operand) is kind
    assert type(parse_where({"k": {"$in": [value, value]}}).operand[0]) is kind


def _nested(term: dict[str, Any], levels: int) -> dict[str, Any]:
    nested = term
    for _ in range(levels - 1):
        nested = {"$and": [term, nested]}
    return nested


@pytest.mark.parametrize(("parse", "term"), [(parse_where, {"k": 1}), (parse_where_document, {"$contains": "x"})])
def test_filters_nest_64_levels_deep_and_no_deeper(parse: Any, term: dict[str, Any]) -> None:
    assert isinstance(parse(_nested(term, MAX_DEPTH)), And)
    for levels in (MAX_DEPTH + 1, 5_000):
        with pytest.raises(InvalidArgumentError, match="deeply"):
            parse(_nested(term, levels))


def test_the_depth_is_a_parameter() -> None:
    assert parse_where(_nested({"k": 1}, 100), max_depth=100)


def test_a_filter_that_contains_itself_is_refused() -> None:
    loop: dict[str, Any] = {"$and": [{"k": 1}]}
    loop["$and"].append(loop)
    with pytest.raises(InvalidArgumentError):
        parse_where(loop)


def test_wide_filters_and_long_lists_parse() -> None:
    assert len(parse_where({"$or": [{"k": i} for i in range(10_000)]}).conditions) == 10_000
    assert len(parse_where({"k": {"$in": list(range(100_000))}}).operand) == 100_000


def test_messages_do_not_repeat_long_operands() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        parse_where({"k": {"$in": ["x"] * 100_000 + [None]}})
    assert len(str(caught.value)) < 500


scalars = st.one_of(
    st.text(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
lists = st.one_of(
    st.lists(st.text(), min_size=1),
    st.lists(st.booleans(), min_size=1),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1),
)
numbers = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))


def _operands(name: str) -> st.SearchStrategy[Any]:
    operator = OPERATORS[name]
    if operator.kinds == TRUTH:
        return st.booleans()
    return lists if operator.many else scalars if str in operator.kinds else numbers


keys = st.text().filter(lambda key: not key.startswith(("$", "#")))
comparisons = st.sampled_from(sorted(row.name for row in of_metadata())).flatmap(
    lambda name: st.builds(lambda key, operand: {key: {name: operand}}, keys, _operands(name))
)
tests = st.builds(
    lambda name, text: {"#document": {name: text}},
    st.sampled_from(sorted(row.name for row in of_documents())),
    st.text(),
)
filters = st.recursive(
    st.one_of(comparisons, tests),
    lambda inner: st.builds(
        lambda name, terms: {name: terms}, st.sampled_from(["$and", "$or"]), st.lists(inner, min_size=1, max_size=4)
    ),
    max_leaves=10,
)


@given(filters)
def test_a_filter_in_its_long_form_survives_the_tree(where: dict[str, Any]) -> None:
    tree = parse_where(where)
    assert tree.to_dict() == where
    assert parse_where(tree.to_dict()) == tree


def test_a_negative_operator_is_the_opposite_of_one_that_is_not() -> None:
    negatives = {row.name: row.opposite for row in OPERATORS.values() if row.negative}
    assert negatives == {"$ne": "$eq", "$nin": "$in", "$not_contains": "$contains", "$not_regex": "$regex"}
    assert all(OPERATORS[row.opposite].opposite == row.name for row in OPERATORS.values() if row.opposite)

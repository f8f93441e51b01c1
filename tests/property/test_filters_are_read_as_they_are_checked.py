"""The one pass over a call's filter takes nothing that Chroma's checks refuse, and reads it as they leave it."""

from __future__ import annotations

import copy
from http import HTTPStatus
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chroma_nb.errors import InvalidArgumentError
from chroma_nb.operations.filters import check_plain_where, check_plain_where_document, check_sendable, checked_filter
from chroma_nb.plain import plain_tree
from chroma_nb.query.operators import OPERATORS
from chroma_nb.query.parsing import Filter, parse_where, parse_where_document, read_filter


class Dict(dict[Any, Any]):
    """A subclass, as a library may hand one over."""


values = st.one_of(
    st.sampled_from(["", "x", 0, 1, -1, 1.5, True, False, None, 2**63, 2**63 - 1, -(2**63), 2**64, 10**400]),
    st.sampled_from([float("nan"), float("inf"), b"x", (1, 2), {1}, np.float64(2.5), np.int64(3), HTTPStatus.OK]),
)
operands = st.one_of(values, st.lists(values, max_size=3), st.lists(st.integers(0, 5), max_size=3).map(tuple))
names = st.sampled_from([*OPERATORS, "$and", "$or", "$near", "eq", HTTPStatus.OK])
keys = st.sampled_from(["k", "#document", "#id", "", "$and", "$or", "$contains", "$in", "$foo", 1, np.str_("k")])
asked = st.one_of(
    operands, st.dictionaries(names, operands, max_size=2), st.builds(lambda n, o: Dict({n: o}), names, operands)
)
terms = st.one_of(
    st.builds(lambda key, what: {key: what}, keys, asked),
    st.builds(lambda name, what: {name: what}, names, operands),
    st.dictionaries(keys, asked, max_size=2),
    values,
)
filters = st.recursive(
    terms,
    lambda inner: st.one_of(
        st.builds(lambda name, of: {name: of}, st.sampled_from(["$and", "$or"]), st.lists(inner, max_size=3)),
        st.builds(lambda name, of: {name: tuple(of)}, st.sampled_from(["$and", "$or"]), st.lists(inner, max_size=3)),
    ),
    max_leaves=6,
)


def step_by_step(where: Any, where_document: Any) -> Filter:
    """What Chroma does: plain values, the checks of its Python side, JSON, the engine's."""
    written = Filter(plain_tree(where), plain_tree(where_document))
    if where is not None:
        check_plain_where(written.where)
    if where_document is not None:
        check_plain_where_document(written.where_document)
    check_sendable(written)
    return Filter(written.where, written.where_document, written.condition)


def outcome(read: Any, *arguments: Any) -> Any:
    try:
        return read(*arguments)
    except Exception as error:  # noqa: BLE001  # whatever is raised is the outcome
        return type(error), str(error), getattr(error, "__notes__", None)


@settings(max_examples=600, deadline=None)
@given(filters, filters)
@example({"#document": {"$regex": "x"}}, {"$and": [{"$regex": "x"}, {"$contains": ""}]})
@example({"k": {"$in": [2**64, 2**65]}}, {"$and": ({"$regex": "x"}, {"$contains": "x"})})
@example({"k": {"$nin": [1.5, float("inf")]}}, Dict({"$contains": "x"}))
@example({"$or": [{"k": {"$in": (1, 2)}}, {"k": {"$gt": True}}]}, {"$contains": np.str_("x")})
def test_one_pass_and_the_checks_one_by_one_come_to_the_same(where: Any, where_document: Any) -> None:
    for both in ((where, None), (None, where_document), (where, where_document)):
        if both == (None, None):
            continue
        expected = outcome(step_by_step, *both)
        try:
            read = read_filter(*both)
        except InvalidArgumentError:
            kept = outcome(checked_filter, *both)
            assert kept == expected or isinstance(kept, Filter)  # what only the engine refuses is refused there
            if isinstance(kept, Filter) and isinstance(expected, Filter):
                assert kept.condition == expected.known
            continue
        assert read == expected
        assert (read.known, repr(read.where)) == (expected.known, repr(expected.where))
        assert repr(read.where_document) == repr(expected.where_document)


good = st.recursive(
    st.one_of(
        st.builds(lambda key, value: {key: value}, st.sampled_from("ab"), st.sampled_from([1, 2.5, "x", True])),
        st.builds(lambda values: {"a": {"$in": values}}, st.lists(st.integers(), min_size=1, max_size=3)),
        st.builds(lambda name: {"a": {name: 1}}, st.sampled_from(["$gt", "$ne", "$contains"])),
        st.just({"#document": {"$contains": "x"}}),
    ),
    lambda inner: st.builds(
        lambda name, of: {name: of}, st.sampled_from(["$and", "$or"]), st.lists(inner, min_size=2, max_size=3)
    ),
    max_leaves=8,
)


@given(good)
def test_what_is_taken_is_read_in_the_one_pass_and_is_a_copy(where: dict[str, Any]) -> None:
    where, before = copy.deepcopy(where), copy.deepcopy(where)
    read = read_filter(where, {"$contains": "x"})

    def spoil(part: Any) -> None:
        for inner in list(part.values() if isinstance(part, dict) else part):
            if isinstance(inner, dict | list):
                spoil(inner)
        part.clear()

    spoil(where)
    assert (read.where, read.where_document) == (before, {"$contains": "x"})
    assert read.known is not None
    assert read.known == Filter(before, {"$contains": "x"}).condition
    assert read.condition.conditions == [parse_where(before), parse_where_document({"$contains": "x"})]  # type: ignore[attr-defined]

"""Search expressions: how they are built, what they are sent as, what is refused. Facts of Chroma 1.5.9."""

import enum
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import numpy as np
import pytest

from chroma_nb.execution.expression import operator as e
from chroma_nb.query.conditions import And, K, Where
from chroma_nb.query.parsing import parse_where
from chroma_nb.query.ranking import Knn, Rank, Rrf, Val
from chroma_nb.query.search import Aggregate, GroupBy, Limit, MaxK, MinK, Search, Select
from chroma_nb.types import SparseVector


class Word(str, enum.Enum):
    TOPIC = "topic"
    GT = "$gt"


A, B, C = K("a") == 1, K("b") > 2, K("c") != 3
KNN = {"$knn": {"query": [1.0, 2.0], "key": "#embedding", "limit": 16}}


@pytest.mark.parametrize(
    ("condition", "written"),
    [
        (K("k") == 1, {"k": {"$eq": 1}}),
        (K("k") != 1, {"k": {"$ne": 1}}),
        (K("k") > 1, {"k": {"$gt": 1}}),
        (K("k") >= 1, {"k": {"$gte": 1}}),
        (K("k") < 1, {"k": {"$lt": 1}}),
        (K("k") <= 1, {"k": {"$lte": 1}}),
        (K("k").is_in([1]), {"k": {"$in": [1]}}),
        (K("k").not_in([1]), {"k": {"$nin": [1]}}),
        (K("k").contains(1), {"k": {"$contains": 1}}),
        (K.DOCUMENT.not_contains("x"), {"#document": {"$not_contains": "x"}}),
        (K.DOCUMENT.regex("x"), {"#document": {"$regex": "x"}}),
        (K("k").not_regex("x"), {"k": {"$not_regex": "x"}}),
        (A & B, {"$and": [{"a": {"$eq": 1}}, {"b": {"$gt": 2}}]}),
        (A | B, {"$or": [{"a": {"$eq": 1}}, {"b": {"$gt": 2}}]}),
    ],
)
def test_conditions_are_written_as_where_and_read_back(condition: Where, written: dict[str, Any]) -> None:
    assert condition.to_dict() == written
    assert Where.from_dict(written) == condition


def test_chains_of_one_kind_stay_flat() -> None:
    assert len((A & B & C).conditions) == len((A & (B & C)).conditions) == 3
    assert len(((A | B) & C).conditions) == 2
    assert Where.from_dict({"$and": [{"$and": [{"a": 1}, {"b": 1}]}, {"c": 1}]}) == And(
        [K("a") == 1, K("b") == 1, K("c") == 1]
    )


def test_what_is_built_here_means_the_same_to_the_engine() -> None:
    built = (K("a") == 1) & (K("b").is_in(["x"])) & K.DOCUMENT.regex("^x")
    assert parse_where(built.to_dict()) == built


def test_a_condition_shows_itself() -> None:
    assert repr(K("k") == "x") == "Eq(key='k', value='x')"
    assert repr(K("k")) == "Key('k')"


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        ([], TypeError, "Expected dict for Where, got list"),
        ({}, ValueError, "Where dict cannot be empty"),
        ({"a": 1, "b": 2}, ValueError, "Where dict must contain exactly one field, got 2"),
        ({1: 2}, TypeError, "Field name must be a string, got int"),
        ({"a": {}}, ValueError, "Operator dict for field 'a' cannot be empty"),
        ({"a": {"$gt": 1, "$lt": 2}}, ValueError, "Operator dict for field 'a' must contain exactly one operator"),
        ({"a": {"$foo": 1}}, ValueError, "Unknown operator: $foo"),
        ({"a": {"$in": "x"}}, TypeError, "$in requires a list, got str"),
        ({"a": {"$contains": [1]}}, TypeError, "$contains requires a str, int, float, or bool, got list"),
        ({"#document": {"$contains": 1}}, TypeError, "$contains on #document requires a string pattern"),
        ({"a": {"$regex": 1}}, TypeError, "$regex requires a string pattern, got int"),
        ({"$and": {"a": 1}}, TypeError, "$and must be a list, got dict"),
        ({"$or": []}, ValueError, "$or requires at least one condition"),
        ({"$and": [{"a": 1}], "b": 1}, ValueError, "$and cannot be combined with other fields in the same dict"),
    ],
)
def test_what_is_no_condition_is_said_why(data: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        Where.from_dict(data)
    assert str(caught.value) == said


def knn() -> Knn:
    return Knn(query=[1.0, 2.0])


@pytest.mark.parametrize(
    ("rank", "written"),
    [
        (knn() + 1, {"$sum": [KNN, {"$val": 1}]}),
        (1 + knn(), {"$sum": [{"$val": 1}, KNN]}),
        (knn() + 1 + 2, {"$sum": [KNN, {"$val": 1}, {"$val": 2}]}),
        (knn() - 1, {"$sub": {"left": KNN, "right": {"$val": 1}}}),
        (1 - knn(), {"$sub": {"left": {"$val": 1}, "right": KNN}}),
        (knn() * 2, {"$mul": [KNN, {"$val": 2}]}),
        (2 * knn(), {"$mul": [{"$val": 2}, KNN]}),
        (knn() / 2, {"$div": {"left": KNN, "right": {"$val": 2}}}),
        (2 / knn(), {"$div": {"left": {"$val": 2}, "right": KNN}}),
        (-knn(), {"$mul": [{"$val": -1}, KNN]}),
        (abs(knn()), {"$abs": KNN}),
        (knn().abs(), {"$abs": KNN}),
        (knn().exp(), {"$exp": KNN}),
        (knn().log(), {"$log": KNN}),
        (knn().max(1).max(2), {"$max": [KNN, {"$val": 1}, {"$val": 2}]}),
        (knn().min(1), {"$min": [KNN, {"$val": 1}]}),
    ],
)
def test_arithmetic_of_ranks_is_written_and_read_back(rank: Rank, written: dict[str, Any]) -> None:
    assert rank.to_dict() == written
    assert Rank.from_dict(written).to_dict() == written


@pytest.mark.parametrize(
    ("query", "written"),
    [
        (np.array([1.0, 2.0]), [1.0, 2.0]),
        ("text", "text"),
        (SparseVector([1], [0.5]), {"#type": "sparse_vector", "indices": [1], "values": [0.5]}),
    ],
)
def test_a_knn_takes_vectors_sparse_vectors_and_texts(query: Any, written: Any) -> None:
    sent = Knn(query=query, key=K("k"), limit=5, default=9.0, return_rank=True).to_dict()
    assert sent == {"$knn": {"query": written, "key": "k", "limit": 5, "default": 9.0, "return_rank": True}}


def test_reciprocal_rank_fusion_is_a_sum_of_weights_over_ranks() -> None:
    sent = Rrf([Val(1), Val(2)], k=10, weights=[1, 3], normalize=True).to_dict()
    terms = [
        {"$div": {"left": {"$val": weight}, "right": {"$sum": [{"$val": 10}, {"$val": rank}]}}}
        for weight, rank in ((0.25, 1), (0.75, 2))
    ]
    assert sent == {"$mul": [{"$val": -1}, {"$sum": terms}]}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"ranks": []}, "RRF requires at least one rank"),
        ({"ranks": [Val(1)], "k": 0}, "k must be positive, got 0"),
        ({"ranks": [Val(1)], "weights": [1, 2]}, r"Number of weights \(2\) must match number of ranks \(1\)"),
        ({"ranks": [Val(1)], "weights": [-1]}, "All weights must be non-negative"),
        ({"ranks": [Val(1)], "weights": [0], "normalize": True}, "Sum of weights must be positive"),
    ],
)
def test_a_fusion_that_does_not_fit_is_refused_when_sent(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Rrf(**arguments).to_dict()


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        ([], TypeError, "Expected dict for Rank, got list"),
        ({}, ValueError, "Rank dict cannot be empty"),
        ({"$foo": 1}, ValueError, "Unknown rank operator: $foo"),
        ({"$val": "x"}, TypeError, "$val requires a number, got str"),
        ({"$knn": {}}, ValueError, "$knn requires 'query' field"),
        ({"$knn": {"query": "x"}}, TypeError, "$knn query must be a list, numpy array, or SparseVector dict, got str"),
        ({"$knn": {"query": [[1.0], [2.0]]}}, ValueError, "$knn requires exactly one query embedding"),
        ({"$knn": {"query": [1.0], "limit": 0}}, ValueError, "$knn limit must be positive, got 0"),
        ({"$sum": [{"$val": 1}]}, ValueError, "$sum requires at least 2 ranks, got 1"),
        ({"$sub": {"left": {"$val": 1}}}, ValueError, "$sub requires 'left' and 'right' fields"),
        ({"$abs": 1}, TypeError, "$abs requires a rank dict, got int"),
    ],
)
def test_what_is_no_rank_is_said_why(data: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        Rank.from_dict(data)
    assert str(caught.value) == said


@pytest.mark.parametrize("read", [Where.from_dict, Rank.from_dict])
def test_expressions_nested_without_end_are_refused(read: Any) -> None:
    deep: dict[str, Any] = {"a": 1} if read is Where.from_dict else {"$val": 1}
    for _ in range(5_000):
        deep = {"$and": [deep]} if read is Where.from_dict else {"$abs": deep}
    with pytest.raises(ValueError, match="nested more than 64 levels"):
        read(deep)


def test_an_empty_search_asks_for_nothing() -> None:
    assert Search().to_dict() == {
        "filter": None, "rank": None, "group_by": {}, "limit": {"offset": 0}, "select": {"keys": []}
    }  # fmt: skip


def test_a_search_is_built_step_by_step_and_each_step_is_a_new_one() -> None:
    empty = Search()
    built = (
        empty.where(A).rank(knn()).group_by(GroupBy(K("t"), MaxK(K.SCORE, 2))).limit(10, offset=5).select(K.DOCUMENT)
    )
    assert built.to_dict() == {
        "filter": {"a": {"$eq": 1}},
        "rank": KNN,
        "group_by": {"keys": ["t"], "aggregate": {"$max_k": {"keys": ["#score"], "k": 2}}},
        "limit": {"offset": 5, "limit": 10},
        "select": {"keys": ["#document"]},
    }
    assert empty.to_dict() == Search().to_dict()
    assert sorted(empty.select_all().to_dict()["select"]["keys"]) == ["#document", "#embedding", "#metadata", "#score"]


def test_a_search_takes_dicts_and_plain_values() -> None:
    search = Search(
        {"a": 1}, {"$val": 1}, {"keys": ["t"], "aggregate": {"$min_k": {"keys": ["#score"], "k": 3}}}, 5, ["x"]
    )
    assert search.to_dict() == {
        "filter": {"a": {"$eq": 1}},
        "rank": {"$val": 1},
        "group_by": {"keys": ["t"], "aggregate": {"$min_k": {"keys": ["#score"], "k": 3}}},
        "limit": {"offset": 0, "limit": 5},
        "select": {"keys": ["x"]},
    }


@pytest.mark.parametrize("name", ["where", "rank", "group_by", "select"])
def test_a_part_of_another_type_is_a_type_error(name: str) -> None:
    with pytest.raises(TypeError, match=f"^{name} must be a "):
        Search(**{name: 1.5})


@pytest.mark.parametrize(
    ("read", "data", "said"),
    [
        (Limit.from_dict, {"limit": 0}, "Limit limit must be positive, got 0"),
        (Limit.from_dict, {"offset": -1}, "Limit offset must be non-negative, got -1"),
        (Limit.from_dict, {"x": 1}, "Unexpected keys in Limit dict: {'x'}"),
        (Select.from_dict, {"x": 1}, "Unexpected keys in Select dict: {'x'}"),
        (GroupBy.from_dict, {"keys": ["a"]}, "GroupBy requires 'aggregate' field"),
        (Aggregate.from_dict, {"$avg": {}}, "Unknown aggregate operator: $avg"),
        (Aggregate.from_dict, {"$min_k": {"keys": ["a"], "k": 0}}, "$min_k k must be positive, got 0"),
    ],
)
def test_parts_refuse_what_is_out_of_range(read: Any, data: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r"^.*$") as caught:
        read(data)
    assert str(caught.value) == said


def test_a_grouping_survives_its_json() -> None:
    grouped = GroupBy([K("a"), "b"], MinK([K.SCORE], 3)).to_dict()
    assert GroupBy.from_dict(grouped).to_dict() == grouped
    assert GroupBy.from_dict({}).to_dict() == {}


#: How an expression may use one part twice; forty times over there are 2**40 parts.
TWICE: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "&": (A, lambda one: one & one),
    "|": (A, lambda one: one | one),
    "& of |": (A, lambda one: (one | B) & (one | C)),
    "And": (A, lambda one: e.And([one, one])),
    "+": (Val(1), lambda one: one + one),
    "*": (Val(1), lambda one: one * one),
    "-": (Val(1), lambda one: one - one),
    "/": (Val(1), lambda one: one / one),
    "max": (Val(1), lambda one: one.max(one)),
    "min": (Val(1), lambda one: one.min(one)),
    "* of +": (Val(1), lambda one: (one + 1) * (one + 2)),
    "Rrf": (Val(1), lambda one: Rrf([one, one])),
    "abs": (Val(1), lambda one: abs(one - one).exp().log()),
}


def _repeated(name: str, levels: int) -> Any:
    expression, use = TWICE[name]
    for _ in range(levels):
        expression = use(expression)
    return expression


@pytest.mark.parametrize("name", TWICE)
def test_an_expression_that_repeats_its_own_parts_without_end_is_refused_at_once(name: str) -> None:
    part = "where" if isinstance(TWICE[name][0], Where) else "rank"
    for refused in (
        lambda: _repeated(name, 40).to_dict(),
        lambda: Search(**{part: _repeated(name, 40)}).to_dict(),
        lambda: Search(**{part: _repeated(name, 39) & A if part == "where" else abs(_repeated(name, 39))}).to_dict(),
    ):
        with pytest.raises(ValueError, match=r"^Expected at most 100,000 parts, got a value with more"):
            refused()


@pytest.mark.parametrize("name", TWICE)
def test_an_expression_may_use_a_part_twice_and_is_shown_whole(name: str) -> None:
    expression = _repeated(name, 3)
    assert len(str(expression.to_dict())) > 2**3
    assert "…" not in repr(expression)
    assert eval(repr(expression), vars(e)) == expression  # as a dataclass shows itself


def test_an_expression_that_repeats_its_parts_without_end_is_shown_in_few_words() -> None:
    assert repr(_repeated("-", 40)) == "Sub(…)"


@pytest.mark.parametrize("read", [Where.from_dict, Rank.from_dict, lambda one: Search(where=one)])
def test_a_dict_that_repeats_its_parts_without_end_is_no_expression(read: Any) -> None:
    for operator, leaf in (("$and", {"a": 1}), ("$sum", {"$val": 1})):
        repeated: dict[str, Any] = leaf
        for _ in range(40):
            repeated = {operator: [repeated, repeated]}
        with pytest.raises(ValueError, match=r"^Expected at most 100,000 parts"):
            read(repeated)


def test_many_conditions_that_differ_are_no_repetition() -> None:
    many = {"$or": [{"a": place} for place in range(110_000)]}
    assert len(Where.from_dict(many).to_dict()["$or"]) == 110_000


def test_an_expression_that_contains_itself_is_refused() -> None:
    for circle, parts in ((e.And([]), "conditions"), (e.Sum([]), "ranks")):
        getattr(circle, parts).extend([circle, circle])
        with pytest.raises(ValueError, match=r"^Circular reference detected\nThe expression contains itself"):
            circle.to_dict()
        assert repr(circle) == f"{type(circle).__name__}({parts}=[..., ...])"


def test_a_condition_of_ones_own_class_is_written_by_its_own_method() -> None:
    class Mine(Where):
        def to_dict(self) -> dict[str, Any]:
            return {"mine": {"$eq": 1}}

    assert (Mine() & A).to_dict() == {"$and": [{"mine": {"$eq": 1}}, {"a": {"$eq": 1}}]}


def _types(value: Any) -> set[type]:
    if isinstance(value, dict):
        return set(map(type, value)).union(*map(_types, value.values()))
    return set().union(*map(_types, value)) if isinstance(value, list) else {type(value)}


def test_members_of_enumerations_are_written_as_the_values_they_stand_for() -> None:
    ok, topic = HTTPStatus.OK, Word.TOPIC
    search = Search(
        where=(K(topic) == topic) & (K("status").is_in([ok]) | (K("status") > np.float64(1))),
        rank=Knn(query=topic, key=topic, limit=ok, default=ok) * ok + Val(ok),
        group_by=GroupBy(keys=[topic], aggregate=MinK(keys=topic, k=ok)),
        limit=Limit(ok, ok),
        select=[topic],
    )
    assert search.to_dict() == {
        "filter": {
            "$and": [
                {"topic": {"$eq": "topic"}},
                {"$or": [{"status": {"$in": [200]}}, {"status": {"$gt": 1.0}}]},
            ]
        },
        "rank": {
            "$sum": [
                {"$mul": [{"$knn": {"query": "topic", "key": "topic", "limit": 200, "default": 200}}, {"$val": 200}]},
                {"$val": 200},
            ]
        },
        "group_by": {"keys": ["topic"], "aggregate": {"$min_k": {"keys": ["topic"], "k": 200}}},
        "limit": {"offset": 200, "limit": 200},
        "select": {"keys": ["topic"]},
    }
    assert _types(search.to_dict()) == {str, int, float}
    read = (
        Where.from_dict({topic: {Word.GT: ok}}),
        Rank.from_dict({"$knn": {"query": [1.0], "key": topic, "limit": ok}}),
        Limit.from_dict({"offset": ok, "limit": ok}),
        Select.from_dict({"keys": [topic]}),
        GroupBy.from_dict({"keys": [topic], "aggregate": {"$max_k": {"keys": [topic], "k": ok}}}),
    )
    assert set().union(*[_types(one.to_dict()) for one in read]) <= {str, int, float}
    assert "Word" not in repr(read)

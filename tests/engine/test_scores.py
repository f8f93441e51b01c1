"""The scores of ranking expressions are those of Chroma's executor: which records have one, which, in which order."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_nb.engine.arrays import Float32, Rows
from chroma_nb.engine.search.scores import Scores, evaluate, knns, order
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.query.ranking import Abs, Div, Exp, Knn, Log, Max, Min, Mul, Rank, Rrf, Sub, Sum, Val

#: What Knns find: query -> (row, distance), nearest first.
Found = dict[str, list[tuple[int, float]]]


def scores_of(rank: Rank, found: Found) -> Scores:
    def nearest(knn: Knn) -> tuple[Rows, Float32]:
        places = found[str(knn.query)]
        return np.array([row for row, _ in places], np.int64), np.array([score for _, score in places], np.float32)

    scores = evaluate(rank, nearest)
    assert scores.values.dtype == np.float32
    assert scores.default is None or isinstance(scores.default, np.float32)
    return scores


def ranked(rank: Rank, found: Found) -> list[tuple[int, float]]:
    rows, values = scores_of(rank, found).ranked()
    return list(zip(rows.tolist(), values.tolist(), strict=True))


def near(expected: list[tuple[int, float]]) -> list[tuple[int, Any]]:
    return [(row, pytest.approx(score, rel=1e-6)) for row, score in expected]


# --- facts of Chroma's executor and documentation ------------------------------------------------------------------
A, B = Knn("a"), Knn("b")


def test_a_record_that_a_knn_without_default_did_not_find_is_left_out() -> None:
    found: Found = {"a": [(2, 0.6), (1, 0.8)], "b": [(3, 0.2), (1, 0.4)]}
    assert ranked(A + B, found) == near([(1, 1.2)])
    assert ranked(A * 0.5, found) == near([(2, 0.3), (1, 0.4)])


def test_with_defaults_the_records_of_any_knn_have_a_score() -> None:
    found: Found = {"a": [(2, 0.5), (1, 1.0)], "b": [(1, 0.2), (3, 0.8)]}
    rank = Knn("a", default=0.0) * 0.7 + Knn("b", default=0.0) * 0.3
    assert ranked(rank, found) == near([(3, 0.24), (2, 0.35), (1, 0.76)])
    assert scores_of(rank, found).default == 0.0


def test_a_knn_with_default_beside_one_without_adds_no_records() -> None:
    found: Found = {"a": [(2, 0.5), (1, 1.0)], "b": [(1, 0.2), (3, 0.8)]}
    assert ranked(A + Knn("b", default=9.0), found) == near([(1, 1.2), (2, 9.5)])
    assert ranked(Knn("b", default=9.0) + A, found) == near([(1, 1.2), (2, 9.5)])


def test_the_larger_and_the_smaller_of_a_knn_and_a_number() -> None:
    found: Found = {"a": [(2, 0.3), (1, 0.8)]}
    assert ranked(A.max(0.5), found) == near([(2, 0.5), (1, 0.8)])
    assert ranked(A.min(0.5), found) == near([(2, 0.3), (1, 0.5)])


def test_reciprocal_rank_fusion_counts_places_from_zero() -> None:
    # Record 7 is first and third, record 8 second and first.
    found: Found = {"a": [(7, 0.1), (8, 0.2), (9, 0.3)], "b": [(8, 0.1), (9, 0.2), (7, 0.3)]}
    rank = Rrf([Knn("a", return_rank=True), Knn("b", return_rank=True)], k=60)
    first, second = -(1 / 61 + 1 / 60), -(1 / 60 + 1 / 62)
    assert [round(first, 5), round(second, 5)] == [-0.03306, -0.03280]
    assert ranked(rank, found)[:2] == near([(8, first), (7, second)])


def test_numbers_alone_find_nothing() -> None:
    assert ranked(Val(1) + 2, {}) == []
    assert scores_of(Val(1) + 2, {}).default == 3.0


def test_a_default_does_not_bring_records_that_nothing_found() -> None:
    assert ranked(Knn("a", default=0.5) + 1, {"a": []}) == []


@pytest.mark.parametrize(
    ("rank", "expected"),
    [
        (A / 0, math.inf),
        (A / 0 * -1, -math.inf),
        (A * 0 / 0, math.nan),
        (Log(A * 0), -math.inf),
        (Log(-A), math.nan),
        (Exp(A * 1000), math.inf),
        (Log(-A).max(0.25), 0.25),
        (Log(-A).min(0.25), 0.25),
        (Exp(A), math.exp(0.5)),
        (Abs(-A), 0.5),
        (2 - A, 1.5),
        (Max([A / -1 / 0]), float(np.finfo(np.float32).min)),  # a fold that begins with the lowest float32
        (Val(10**400) - A, math.inf),
        (Val(1e300) - A, math.inf),
        (Val(3.4028235e38) - A, float(np.finfo(np.float32).max)),
        (Val(3.5e38) - A, math.inf),
    ],
)
def test_arithmetic_is_ieees_in_float32(rank: Rank, expected: float) -> None:
    ((row, score),) = ranked(rank, {"a": [(4, 0.5)]})
    assert row == 4
    assert score == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_each_step_rounds_to_float32() -> None:
    assert ranked(A + 16_777_216 + 1 - 16_777_216, {"a": [(1, 0.0)]}) == [(1, 0.0)]


def test_ties_go_by_row_and_nan_comes_last() -> None:
    scores = np.array([0.0, np.nan, -0.0, np.inf, -np.nan, -np.inf, -1.0, 0.0, 2.0], np.float32)
    assert order(scores).tolist() == [5, 6, 2, 0, 7, 8, 3, 1, 4]


# --- expressions of any shape ------------------------------------------------------------------------------------
def test_an_expression_may_be_as_deep_as_it_likes() -> None:
    rank: Rank = A
    for _ in range(10_000):
        rank = Sub(Val(1), rank)
    assert ranked(rank, {"a": [(1, 0.25)]}) == [(1, 0.25)]
    assert len(knns(rank)) == 1


def test_a_part_that_is_used_again_is_computed_once() -> None:
    rank: Rank = A
    for _ in range(64):  # written out, this has more nodes than anybody could count
        rank = Sum([rank, rank])
    calls = []

    def nearest(knn: Knn) -> tuple[Rows, Float32]:
        calls.append(knn)
        return np.array([3]), np.array([1.0], np.float32)

    assert evaluate(rank, nearest).values.tolist() == [2.0**64]
    assert calls == [A]


def test_an_expression_that_contains_itself_is_refused() -> None:
    rank = Sum([Val(1)])
    rank.ranks.append(Abs(rank))
    with pytest.raises(ValueError, match="contains itself"):
        knns(rank)


def test_knns_run_depth_first_from_left_to_right() -> None:
    rank = Sub(Sum([Knn("1"), Log(Knn("2"))]), Div(Knn("3"), Rrf([Knn("4"), Knn("5")])))
    ran = []

    def nearest(knn: Knn) -> tuple[Rows, Float32]:
        ran.append(knn.query)
        return np.array([1]), np.ones(1, np.float32)

    evaluate(rank, nearest)
    assert ran == [knn.query for knn in knns(rank)] == ["1", "2", "3", "4", "5"]


def test_what_is_no_ranking_expression_is_refused() -> None:
    with pytest.raises(TypeError, match="got str"):
        knns(Abs("x"))  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="numbers, got str"):
        ranked(Knn("a", default="1"), {"a": []})  # type: ignore[arg-type]


# --- an oracle in plain Python -------------------------------------------------------------------------------------
F = np.float32


def merged(left: Any, right: Any, step: Any) -> Any:
    """Chroma's rules, with dicts: (scores by row, default)."""
    (ours, of_ours), (theirs, of_theirs) = left, right
    if of_ours is not None and of_theirs is not None:
        rows, default = ours.keys() | theirs.keys(), step(of_ours, of_theirs)
    elif of_ours is not None:
        rows, default = theirs.keys(), None
    elif of_theirs is not None:
        rows, default = ours.keys(), None
    else:
        rows, default = ours.keys() & theirs.keys(), None
    return {row: step(ours.get(row, of_ours), theirs.get(row, of_theirs)) for row in rows}, default


def rust_max(one: Any, other: Any) -> Any:
    return other if math.isnan(one) else one if math.isnan(other) else max(one, other)


def rust_min(one: Any, other: Any) -> Any:
    return other if math.isnan(one) else one if math.isnan(other) else min(one, other)


ONE: dict[type, Any] = {Abs: abs, Exp: np.exp, Log: np.log}
TWO: dict[type, Any] = {Sub: lambda a, b: a - b, Div: lambda a, b: a / b}
MANY: dict[type, Any] = {
    Sum: (lambda a, b: a + b, F(0)),
    Mul: (lambda a, b: a * b, F(1)),
    Max: (rust_max, np.finfo(F).min),
    Min: (rust_min, np.finfo(F).max),
}


def expected(rank: Any, found: Found) -> Any:
    kind = type(rank)
    if kind is Val:
        return {}, F(rank.value)
    if kind is Knn:
        default = None if rank.default is None else F(rank.default)
        places = enumerate(found[rank.query])
        return {row: F(place if rank.return_rank else score) for place, (row, score) in places}, default
    if kind in ONE:
        scores, default = expected(rank.rank, found)
        return {row: ONE[kind](score) for row, score in scores.items()}, None if default is None else ONE[kind](default)
    if kind in TWO:
        return merged(expected(rank.left, found), expected(rank.right, found), TWO[kind])
    step, start = MANY[kind]
    total: Any = ({}, start)
    for part in rank.ranks:
        total = merged(total, expected(part, found), step)
    return total


NUMBERS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.1, 0.3, 2.5, 60.0, 90.0, 1e30, -1e30])
LEAVES = st.builds(Val, NUMBERS) | st.builds(
    Knn,
    query=st.sampled_from(["a", "b", "c"]),
    default=st.none() | NUMBERS,
    return_rank=st.booleans(),
)


def grown(ranks: st.SearchStrategy[Rank]) -> st.SearchStrategy[Rank]:
    kinds = [st.builds(kind, ranks) for kind in ONE]
    kinds += [st.builds(kind, ranks, ranks) for kind in TWO]
    kinds += [st.builds(kind, st.lists(ranks, max_size=3)) for kind in MANY]
    return st.one_of(kinds)


RANKS: st.SearchStrategy[Rank] = st.recursive(LEAVES, grown, max_leaves=8)
PLACES = st.lists(st.tuples(st.integers(0, 9), NUMBERS), unique_by=lambda place: place[0], max_size=6).map(
    lambda places: sorted(places, key=lambda place: (place[1], place[0]))
)


@given(RANKS, st.fixed_dictionaries({"a": PLACES, "b": PLACES, "c": PLACES}))
def test_any_expression_has_the_scores_of_a_computation_with_dicts(rank: Rank, found: Found) -> None:
    with np.errstate(all="ignore"):
        by_row, default = expected(rank, found)
    scores = scores_of(rank, found)
    assert scores.rows.tolist() == sorted(by_row)
    np.testing.assert_array_equal(scores.values, np.array([by_row[row] for row in sorted(by_row)], F))
    assert (scores.default is None) == (default is None)
    if default is not None:
        np.testing.assert_array_equal(scores.default, F(default))
    wanted = sorted(by_row, key=lambda row: (math.isnan(by_row[row]), by_row[row], row))
    if not any(score == 0 for score in by_row.values()):  # whose sign counts in the order
        assert scores.ranked()[0].tolist() == wanted

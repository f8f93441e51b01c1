"""Groups of ranked records: Chroma's groups, its order of values, what stays of each; and the page of a search."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_nb.engine.arrays import Float32, Rows
from chroma_nb.engine.search.grouping import check, grouped
from chroma_nb.engine.search.hits import hits
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.query.conditions import K
from chroma_nb.query.ranking import Knn, Rank, Val
from chroma_nb.query.search import GroupBy, Limit, MaxK, MinK
from chroma_nb.types import Fields, SparseVector

#: What the records of a test hold: row -> metadata.
Records = dict[int, Fields]
NO_GROUPS = GroupBy()


def kept(records: Records, scores: dict[int, float], group_by: GroupBy) -> list[int]:
    """The rows that stay, in order; ``scores`` by row, in order."""

    def metadata(rows: Rows) -> Sequence[Fields | None]:
        assert rows.tolist() == sorted(rows.tolist())
        return [records[row] or None for row in rows.tolist()]

    rows, left = grouped(
        np.array(list(scores), np.int64), np.array(list(scores.values()), np.float32), group_by, metadata
    )
    assert left.tolist() == [float(np.float32(scores[row])) for row in rows.tolist()]
    return rows.tolist()


CATEGORIES: Records = {row: {"category": "ABC"[(row - 1) % 3], "price": 10 - row} for row in range(1, 10)}
NUMBERED = {row: float(row) for row in CATEGORIES}


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        (MinK(K.SCORE, 1), [1, 2, 3]),
        (MaxK(K.SCORE, 1), [7, 8, 9]),
        (MinK(K.SCORE, 2), [1, 2, 3, 4, 5, 6]),
        (MinK("price", 1), [7, 8, 9]),
        (MaxK([K("price")], 2), [1, 2, 3, 4, 5, 6]),
        (MinK(K.SCORE, 99), list(range(1, 10))),
    ],
)
def test_each_group_keeps_its_first_records_by_the_keys_of_the_aggregate(
    aggregate: MinK | MaxK, expected: list[int]
) -> None:
    assert kept(CATEGORIES, NUMBERED, GroupBy(K("category"), aggregate)) == expected


def test_what_stays_of_all_groups_is_in_order_of_scores_again() -> None:
    records: Records = {1: {"g": "a"}, 2: {"g": "b"}, 3: {"g": "a"}, 4: {"g": "b"}}
    assert kept(records, {4: 0.1, 3: 0.2, 2: 0.3, 1: 0.4}, GroupBy("g", MaxK(K.SCORE, 1))) == [2, 1]


def test_ties_keep_the_better_score_in_both_directions() -> None:
    records: Records = {row: {"g": 1, "v": 5} for row in range(4)}
    scores = {2: 0.1, 0: 0.2, 1: 0.3, 3: 0.4}
    for kind in (MinK, MaxK):
        assert kept(records, scores, GroupBy("g", kind("v", 2))) == [2, 0]


def test_records_without_the_key_are_a_group_of_their_own() -> None:
    records: Records = {0: {"g": "a"}, 1: {}, 2: {"g": "a"}, 3: {"other": 1}}
    assert kept(records, dict.fromkeys(range(4), 0.0), GroupBy("g", MinK(K.SCORE, 1))) == [0, 1]


def test_values_of_different_types_are_different_groups() -> None:
    values: list[Any] = [1, 1.0, True, "1", [1], [1.0], [True], ["1"], SparseVector([1], [1.0]), None]
    records: Records = {row: {"g": value} for row, value in enumerate(values + values)}
    assert kept(records, dict.fromkeys(records, 0.0), GroupBy("g", MinK(K.SCORE, 1))) == list(range(len(values)))


def test_groups_go_by_all_keys_together() -> None:
    records: Records = {0: {"a": 1, "b": 1}, 1: {"a": 1, "b": 2}, 2: {"a": 1, "b": 1}, 3: {"b": 1}}
    assert kept(records, dict.fromkeys(range(4), 0.0), GroupBy(["a", "b"], MinK(K.SCORE, 1))) == [0, 1, 3]


def test_the_order_of_values_is_chromas() -> None:
    ascending: list[Any] = [
        None, False, True, -5, 7, -math.inf, -1.5, -0.0, 0.0, 1e300, "", "Z", "a", "é", "\U0001f600",
        SparseVector([1], [2.0]), SparseVector([1], [3.0]), SparseVector([1, 2], [0.0, 0.0]), SparseVector([2], [-1.0]),
        [False, True], [True], [-5, 9], [7], [-1.5], [-0.0], [0.0], [0.0, 1.0], ["a", "z"], ["b"],
    ]  # fmt: skip
    shuffled = np.random.default_rng(1).permutation(len(ascending)).tolist()
    records: Records = {row: {"v": ascending[row]} for row in shuffled}
    for count in range(1, len(ascending) + 1):
        scores = dict.fromkeys(shuffled, 0.0)
        assert set(kept(records, scores, GroupBy("g", MinK("v", count)))) == set(range(count))
        largest = set(range(len(ascending) - count, len(ascending)))
        assert set(kept(records, scores, GroupBy("g", MaxK("v", count)))) == largest


def test_a_record_without_the_key_of_the_aggregate_is_the_first_of_mink_and_the_last_of_maxk() -> None:
    records: Records = {0: {"v": -9}, 1: {}, 2: {"v": False}}
    assert kept(records, dict.fromkeys(range(3), 0.0), GroupBy("g", MinK("v", 1))) == [1]
    assert kept(records, dict.fromkeys(range(3), 0.0), GroupBy("g", MaxK("v", 2))) == [0, 2]


def test_half_a_grouping_is_none() -> None:
    for group_by in (GroupBy("category"), GroupBy([], MinK(K.SCORE, 1)), NO_GROUPS):
        assert kept(CATEGORIES, NUMBERED, group_by) == list(CATEGORIES)
        check(group_by, has_rank=False)


@pytest.mark.parametrize(
    ("group_by", "has_rank", "reason"),
    [
        (GroupBy("g", MinK(K.SCORE, 1)), False, "group_by requires rank expression to be specified"),
        *[
            (
                GroupBy(["g", key], MinK(K.SCORE, 1)),
                True,
                "group_by keys must be metadata fields (cannot use #score, #document, #embedding, or #metadata)",
            )
            for key in (K.SCORE, K.DOCUMENT, "#embedding", "#metadata")
        ],
        (GroupBy("g", MinK([], 1)), True, "aggregate keys must not be empty"),
        (GroupBy("g", MaxK(K.SCORE, 0)), True, "aggregate k must be greater than 0"),
        *[
            (
                GroupBy("g", MinK([K.SCORE, key], 1)),
                True,
                "aggregate keys must be metadata fields or #score (cannot use #document, #embedding, or #metadata)",
            )
            for key in (K.DOCUMENT, "#embedding", "#metadata")
        ],
    ],
)
def test_groups_that_cannot_be_made_are_refused_in_chromas_words(
    group_by: GroupBy, has_rank: bool, reason: str
) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        check(group_by, has_rank=has_rank)
    assert str(error.value) == f"Validation error: {reason}"


def test_an_id_is_a_key_that_no_record_has() -> None:
    check(GroupBy(K.ID, MinK(K.ID, 1)), has_rank=True)
    assert kept(CATEGORIES, NUMBERED, GroupBy(K.ID, MinK(K.SCORE, 1))) == [1]


# --- pages -------------------------------------------------------------------------------------------------------
def found(rank: Rank | None, limit: Limit, group_by: GroupBy = NO_GROUPS) -> list[tuple[int, float]]:
    def nearest(knn: Knn) -> tuple[Rows, Float32]:
        return np.array([7, 2, 5, 1]), np.array([0.25, 0.5, 0.5, 2.0], np.float32)

    rows, scores = hits(
        rank,
        group_by,
        limit,
        allowed=lambda: np.array([1, 2, 5, 7, 8]),
        nearest=nearest,
        metadata=lambda rows: [{"odd": bool(row % 2)} for row in rows.tolist()],
    )
    assert scores.dtype == np.float32
    return list(zip(rows.tolist(), scores.tolist(), strict=True))


def test_without_a_rank_the_records_come_in_order_with_their_places_on_the_page() -> None:
    assert found(None, Limit()) == [(1, 0.0), (2, 1.0), (5, 2.0), (7, 3.0), (8, 4.0)]
    assert found(None, Limit(offset=2, limit=2)) == [(5, 0.0), (7, 1.0)]
    assert found(None, Limit(offset=9)) == found(None, Limit(limit=0)) == []


def test_offset_and_limit_are_of_the_records_that_the_groups_left() -> None:
    assert found(Knn("x"), Limit()) == [(7, 0.25), (2, 0.5), (5, 0.5), (1, 2.0)]
    assert found(Knn("x"), Limit(offset=1, limit=2)) == [(2, 0.5), (5, 0.5)]
    groups = GroupBy("odd", MinK(K.SCORE, 1))
    assert found(Knn("x"), Limit(), groups) == [(7, 0.25), (2, 0.5)]
    assert found(Knn("x"), Limit(offset=1), groups) == [(2, 0.5)]
    assert found(Knn("x"), Limit(offset=4)) == found(Knn("x"), Limit(limit=0)) == found(Val(1), Limit()) == []


@pytest.mark.parametrize("limit", [Limit(offset=-1), Limit(limit=-1)])
def test_a_limit_below_zero_is_refused(limit: Limit) -> None:
    with pytest.raises(InvalidArgumentError, match="of 0 or more"):
        found(None, limit)


# --- an oracle ---------------------------------------------------------------------------------------------------
SINGLE = st.sampled_from([None, False, True, -1, 0, 1, -0.5, 0.5, 1.0, "", "a", "b"])
VALUES: st.SearchStrategy[Any] = SINGLE | st.sampled_from([[1], [1, 2], [0.5], ["a"], [True]])


def types_in_order(value: Any) -> tuple[bool, int]:
    inner = value[0] if isinstance(value, list) else value
    return isinstance(value, list), [type(None), bool, int, float, str].index(type(inner))


def compared(one: Any, other: Any) -> int:
    """Chroma's order of two values, one after the other as its code compares them."""
    for left, right in ((types_in_order(one), types_in_order(other)), (one, other)):
        if left != right:
            return -1 if left < right else 1
    return 0


@given(st.lists(st.fixed_dictionaries({"g": VALUES, "h": SINGLE, "v": VALUES, "w": SINGLE}), max_size=14), st.data())
def test_groups_are_those_of_a_selection_one_record_at_a_time(fields: list[Fields], data: st.DataObject) -> None:
    keys = data.draw(st.sampled_from([["g"], ["h"], ["g", "h"]]))
    by = data.draw(st.sampled_from([["v"], ["#score"], ["w", "v"], ["w", "#score"]]))
    kind, k = data.draw(st.sampled_from([MinK, MaxK])), data.draw(st.integers(1, 3))
    scores = sorted(data.draw(st.lists(st.sampled_from([0.25, 0.5, 1.5]), min_size=len(fields), max_size=len(fields))))
    rows = list(range(0, 2 * len(fields), 2))
    records = dict(zip(rows, fields, strict=True))
    of_row = dict(zip(rows, scores, strict=True))

    def before(one: int, other: int) -> int:
        for key in by:
            left, right = (of_row[r] if key == "#score" else records[r][key] for r in (one, other))
            if difference := compared(left, right):
                return difference if kind is MinK else -difference
        return 0

    expected: list[int] = []
    for row in rows:
        group = [other for other in rows if all(not compared(records[row][key], records[other][key]) for key in keys)]
        better = sum(before(other, row) < 0 or (not before(other, row) and other < row) for other in group)
        expected += [row] if better < k else []
    assert kept(records, of_row, GroupBy(keys, kind(by, k))) == expected

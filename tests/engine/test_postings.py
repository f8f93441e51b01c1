"""The index of sparse vectors finds what a scan in plain Python finds, to the last bit, after any change."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_nb.engine.arrays import EMPTY
from chroma_nb.engine.index import postings
from chroma_nb.engine.index.postings import Allowed, Postings, SparseRows
from chroma_nb.engine.index.sparse import SparseIndex, inverse_document_frequency
from chroma_nb.types import SparseVector

#: What a record holds: dimension -> value. The records of a test: row -> what it holds.
Vector = dict[int, float]
Records = dict[int, Vector]
Found = list[tuple[int, float]]


def stored(records: Records) -> SparseRows:
    rows = sorted(records)
    vectors = [SparseVector(sorted(v), [v[d] for d in sorted(v)]) for v in map(records.__getitem__, rows)]
    return SparseRows.of(np.array(rows, np.int64), vectors)


def scan(records: Records, query: Vector, k: int, allowed: set[int] | None = None) -> Found:
    """The oracle: every record that shares a dimension, products added in float64, order of (float32 score, row)."""
    found = []
    for row, held in records.items():
        if held.keys() & query.keys() and (allowed is None or row in allowed):
            dot = 0.0
            for dimension in sorted(query.keys() & held.keys()):
                dot += float(np.float32(held[dimension])) * query[dimension]
            found.append((float(np.float32(1.0 - dot)), row))
    found.sort(key=lambda one: (math.isnan(one[0]), one))
    return [(row, score) for score, row in found[:k]]


def nearest(index: SparseIndex | Postings, query: Vector, k: int, allowed: set[int] | None = None) -> Found:
    dimensions = sorted(query)
    may = None if allowed is None else Allowed(np.array(sorted(allowed), np.int64))
    rows, scores = index.nearest(
        np.array(dimensions, np.int64), np.array([query[d] for d in dimensions], np.float64), k, may
    )
    assert scores.dtype == np.float32
    return list(zip(rows.tolist(), scores.tolist(), strict=True))


#: Settings under which small collections take every path of the search.
PATHS: Mapping[str, Mapping[str, float]] = {
    "as set": {},
    "sorted": {"_FEW_POSTINGS": 0, "_LOOKUP": 10**9},
    "looked up": {"_LOOKUP": -1},
    "summed over all": {"_FEW_POSTINGS": 10**9, "_LOOKUP": 10**9, "_BLOCK": 2, "_WORTH_BOUNDS": 10**9},
    "without long lists": {
        "_FEW_POSTINGS": 10**9,
        "_LOOKUP": 10**9,
        "_BLOCK": 1,
        "_WORTH_BOUNDS": 0,
        "_SHORT": 0.6,
        "_MOST_NEAR": 1,
    },
}


@contextmanager
def taking(path: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in PATHS[path].items():
            patch.setattr(postings, name, value)
        yield


#: Few different values, so that scores tie; some that are no powers of two, so that sums round.
VALUES = st.sampled_from([0.0, 0.5, 1.0, 1.0, 2.0, 0.1, 0.3, -1.0, -0.7, 1e-8])
POSITIVE = st.sampled_from([0.0, 0.5, 1.0, 1.0, 2.0, 0.1, 0.3, 7.3])
DIMENSIONS = st.sampled_from([0, 1, 2, 3, 5, 8, 2**31, 2**32 - 1])


def vectors(values: st.SearchStrategy[float], largest: int = 6) -> st.SearchStrategy[Vector]:
    return st.dictionaries(DIMENSIONS, values, max_size=largest)


def collections(values: st.SearchStrategy[float]) -> st.SearchStrategy[Records]:
    return st.dictionaries(st.integers(0, 40), vectors(values), max_size=25)


@given(st.data())
def test_the_nearest_are_those_of_a_scan_whichever_path_is_taken(data: st.DataObject) -> None:
    values = data.draw(st.sampled_from([VALUES, POSITIVE]))
    records, query = data.draw(collections(values)), data.draw(vectors(values))
    k = data.draw(st.sampled_from([1, 2, 3, 50]))
    allowed = data.draw(st.none() | st.sets(st.integers(0, 60)))
    index, expected = SparseIndex.of(stored(records)), scan(records, query, k, allowed)
    for path in PATHS:
        with taking(path):
            assert (path, nearest(index, query, k, allowed)) == (path, expected)


@given(st.data())
def test_an_index_that_was_changed_finds_what_a_new_one_finds(data: st.DataObject) -> None:
    records = data.draw(collections(VALUES))
    index = SparseIndex.of(stored(records))
    for _ in range(data.draw(st.integers(0, 6))):
        put = data.draw(st.dictionaries(st.integers(0, 60), vectors(VALUES), max_size=6))
        gone = data.draw(st.sets(st.integers(0, 60), max_size=6))
        index = index.changed(np.array(sorted(gone - put.keys()), np.int64), stored(put))
        records = {row: vector for row, vector in records.items() if row not in gone} | put
    query, k = data.draw(vectors(VALUES)), data.draw(st.sampled_from([1, 3, 50]))
    allowed = data.draw(st.none() | st.sets(st.integers(0, 60)))
    dimensions, expected = sorted(query), scan(records, query, k, allowed)
    saved = SparseIndex.from_arrays(index.arrays())
    for path in PATHS:
        with taking(path):
            assert (path, nearest(index, query, k, allowed)) == (path, expected)
            assert (path, nearest(saved, query, k, allowed)) == (path, expected)
            held = [sum(d in vector for vector in records.values()) for d in dimensions]
            assert index.frequencies(np.array(dimensions, np.int64)).tolist() == held
    assert index.live == saved.live == sum(map(bool, records.values()))


@given(collections(VALUES), st.data())
def test_what_each_dimension_of_a_query_brought_is_told(records: Records, data: st.DataObject) -> None:
    index = SparseIndex.of(stored(records)).changed(np.array([3]), stored({7: {1: 0.25}}))
    records = {row: v for row, v in records.items() if row != 3} | {7: {1: 0.25}}
    rows = data.draw(st.permutations(sorted(records)))
    dimensions = [0, 1, 8, 2**31]
    entries = index.entries_of(np.array(rows, np.int64), np.array(dimensions))
    for row, brought in zip(rows, entries.tolist(), strict=True):
        expected = [float(np.float32(records[row][d])) if d in records[row] else None for d in dimensions]
        assert [None if math.isnan(value) else value for value in brought] == expected


def test_records_that_share_no_dimension_are_not_found() -> None:
    index = SparseIndex.of(stored({0: {1: 1.0}, 1: {2: 1.0}, 2: {}}))
    assert nearest(index, {1: 1.0, 9: 1.0}, 10) == [(0, 0.0)]
    assert nearest(index, {9: 1.0}, 10) == nearest(index, {}, 10) == nearest(SparseIndex(), {1: 1.0}, 10) == []


def test_a_shared_dimension_whose_product_is_zero_counts() -> None:
    index = SparseIndex.of(stored({0: {1: 0.0}, 1: {2: 5.0}}))
    assert nearest(index, {1: 1.0}, 10) == [(0, 1.0)]
    assert nearest(index, {2: 0.0}, 10) == [(1, 1.0)]


def test_ties_as_float32_go_by_row_however_the_sums_differ_in_float64() -> None:
    records: Records = {row: {1: 0.5, row + 2: 1e-12 * row} for row in range(2_000)}
    query = {1: 1.0} | {row + 2: 1.0 for row in range(2_000)}
    assert [row for row, _ in nearest(SparseIndex.of(stored(records)), query, 5)] == [0, 1, 2, 3, 4]


def test_what_is_not_finite_comes_last_and_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postings, "_BLOCK", 16)
    records: Records = {row: {1: 1.0 + row % 7} for row in range(600)}
    records |= {5: {1: math.nan}, 300: {1: math.inf}, 301: {1: -math.inf}}
    index = SparseIndex.of(stored(records))
    everything = nearest(index, {1: 1.0}, 600)
    assert [row for row, _ in everything[:3]] == [300, 6, 13]
    assert everything[-2] == (301, math.inf)
    assert everything[-1][0] == 5
    assert math.isnan(everything[-1][1])
    assert nearest(index, {1: 1.0}, 3) == everything[:3]


def test_an_index_is_not_changed_by_a_change() -> None:
    before = SparseIndex.of(stored({0: {1: 1.0}, 1: {1: 2.0}}))
    after = before.changed(np.array([1]), stored({2: {1: 3.0}}))
    assert nearest(before, {1: 1.0}, 9) == [(1, -1.0), (0, 0.0)]
    assert nearest(after, {1: 1.0}, 9) == [(2, -2.0), (0, 0.0)]


def test_an_empty_vector_takes_a_record_out_of_the_lists() -> None:
    index = SparseIndex.of(stored({0: {1: 1.0}})).changed(EMPTY, stored({0: {}}))
    assert index.parts == ()
    assert index.frequencies(np.array([1])).tolist() == [0]


def test_a_dimension_that_chroma_could_not_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="below 4294967296, got 4294967296"):
        Postings.of(stored({0: {2**32: 1.0}}))


def test_records_added_one_by_one_are_in_few_parts() -> None:
    index = SparseIndex.of(stored({row: {row % 5: 1.0} for row in range(1_000)}))
    most = 0
    for row in range(1_000, 1_300):
        index = index.changed(EMPTY, stored({row: {1: 1.0}}))
        most = max(most, len(index.parts))
    assert most <= 4
    assert index.live == 1_300


def test_records_that_are_gone_are_dropped_from_the_lists_in_time() -> None:
    index = SparseIndex.of(stored({row: {1: 1.0} for row in range(100)}))
    index = index.changed(np.arange(20), stored({}))
    assert (len(index.parts[0].rows), index.live) == (100, 80)
    index = index.changed(np.arange(20, 40), stored({}))
    assert (len(index.parts[0].rows), index.live) == (60, 60)


def test_inverse_document_frequency_is_chromas() -> None:
    of_none, of_half, of_all = inverse_document_frequency(10, np.array([0, 5, 10])).tolist()
    assert of_none == pytest.approx(math.log(1 + 10.5 / 0.5)) == pytest.approx(3.091, abs=5e-4)
    assert 2 * of_none == pytest.approx(6.182, abs=5e-4)
    assert of_half == pytest.approx(math.log(2))
    assert of_all == pytest.approx(math.log(1 + 0.5 / 10.5))
    assert inverse_document_frequency(10, np.array([12])).tolist() == [of_all]
    index = SparseIndex.of(stored({0: {1: 1.0, 2: 1.0}, 1: {1: 0.0}}))
    assert index.idf(np.array([1, 7]), 10).tolist() == inverse_document_frequency(10, np.array([2, 0])).tolist()


@pytest.mark.parametrize("weighted", [False, True])
def test_thousands_of_records_with_frequent_and_rare_words_are_found_as_by_a_scan(
    weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(7)
    words = generator.zipf(1.3, (6_000, 8))
    records: Records = {
        row: {int(word): 1.0 + (row % 5) / 7 for word in of_row if word < 10**6} for row, of_row in enumerate(words)
    }
    index = SparseIndex.of(stored(records))
    index = index.changed(np.arange(0, 6_000, 400), stored({row: {1: 0.5, 3: 2.0} for row in range(10, 6_100, 610)}))
    for row in range(0, 6_000, 400):
        del records[row]
    records |= {row: {1: 0.5, 3: 2.0} for row in range(10, 6_100, 610)}
    monkeypatch.setattr(postings, "_BLOCK", 16)
    for number in range(15):
        dimensions = sorted({int(word) for word in words[number * 3][:5] if word < 10**6})
        idf = index.idf(np.array(dimensions), len(records)) if weighted else np.ones(len(dimensions))
        query = dict(zip(dimensions, idf.tolist(), strict=True))
        few, many = set(range(0, 6_000, 997)), set(range(0, 6_000, 2))
        for allowed in (None, few, many):
            assert nearest(index, query, 10, allowed) == scan(records, query, 10, allowed)

"""Facets, descriptions, orders and samples of the engine, and of values one by one, against plain Python."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import matches
from strategies import documents, keys, metadatas, numbers, wheres

import chroma_nb
from chroma_nb.client.shared_system_client import SharedSystemClient
from chroma_nb.facets import counted, edges, facet

dates = st.dates().map(str) | st.datetimes().map(lambda one: one.isoformat())
some = st.one_of(metadatas(), st.fixed_dictionaries({"a": dates}), st.fixed_dictionaries({"a": numbers}))
records = st.lists(st.tuples(some, documents), max_size=14)


@pytest.fixture(scope="module")
def client() -> Any:
    SharedSystemClient.clear_system_cache()
    with chroma_nb.EphemeralClient() as made:
        yield made


def stored(client: Any, rows: Sequence[tuple[Any, Any]]) -> Any:
    client.delete_collection("asked") if client.count_collections() else None
    made = client.create_collection("asked", embedding_function=None)
    if rows:
        ids = [f"{number:02}" for number in range(len(rows))]
        made.add(ids, [[0.0]] * len(rows), [one for one, _ in rows], documents=[text for _, text in rows])
    return made


# --- The oracle ------------------------------------------------------------------------------------------------
def order(value: Any) -> tuple[int, Any] | None:
    for place, kinds in enumerate(((int, float), (str,), (bool,))):
        if type(value) in kinds:
            return place, value
    return None


def ordered(values: Sequence[Any], descending: bool) -> list[int]:
    """By insertion, one after the other: no sort that could be stable or not."""
    found: list[int] = []
    for place in [place for place, value in enumerate(values) if order(value) is not None]:
        at = len(found)
        while at and is_before(values[place], values[found[at - 1]], descending):
            at -= 1
        found.insert(at, place)
    return found + [place for place, value in enumerate(values) if order(value) is None]


def is_before(one: Any, other: Any, descending: bool) -> bool:
    first: Any = order(one)
    second: Any = order(other)
    return bool(first > second if descending else first < second)


def check_facet(found: Any, values: Sequence[Any], limit: int) -> None:
    there = [value for value in values if value is not None]
    assert (found.records, found.missing) == (len(values), len(values) - len(there))
    kinds = Counter(f"list of {type(one[0]).__name__}" if type(one) is list else type(one).__name__ for one in there)
    assert found.kinds == kinds
    of_each: list[tuple[Any, int]] = []
    for value in there:
        elements: list[Any] = []
        for one in value if type(value) is list else [value]:
            if not any(order(one) == order(other) for other in elements):
                elements.append(one)
        for one in elements:
            place = next((n for n, (other, _) in enumerate(of_each) if order(other) == order(one)), None)
            if place is None:
                of_each.append((one, 1))
            else:
                of_each[place] = of_each[place][0], of_each[place][1] + 1
    assert found.distinct == len(of_each)
    expected = sorted(of_each, key=lambda one: (-one[1], order(one[0])))[:limit]
    assert list(map(tuple, found.values)) == expected
    assert [type(one) is bool for one, _ in found.values] == [type(one) is bool for one, _ in expected]
    check_ranges(found, [(value, count) for value, count in of_each if type(value) in (int, float)])
    check_dates(found, [(value, count) for value, count in of_each if type(value) is str])


def check_ranges(found: Any, of_numbers: Sequence[tuple[float, int]]) -> None:
    if not of_numbers:
        assert (found.minimum, found.maximum, found.ranges) == (None, None, ())
        return
    assert (found.minimum, found.maximum) == (min(of_numbers)[0], max(of_numbers)[0])
    assert 1 <= len(found.ranges) <= 12
    assert found.ranges[0].lower <= found.minimum
    assert found.ranges[-1].upper >= found.maximum
    for number, one in enumerate(found.ranges):
        last = number == len(found.ranges) - 1
        inside = [n for x, n in of_numbers if one.lower <= x and (x < one.upper or (last and x == one.upper))]
        assert one.records == sum(inside)
        assert last or one.upper == found.ranges[number + 1].lower


def check_dates(found: Any, of_texts: Sequence[tuple[str, int]]) -> None:
    pattern = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])([T ].*)?", re.DOTALL)
    if not of_texts or not all(pattern.fullmatch(text) for text, _ in of_texts):
        assert found.dates == ()
        return
    for length, most in ((10, 31), (7, 36), (4, math.inf)):
        expected: Counter[str] = Counter()
        for text, count in of_texts:
            expected[text[:length]] += count
        if len(expected) <= most:
            break
    assert list(map(tuple, found.dates)) == sorted(expected.items())


# --- The promises ------------------------------------------------------------------------------------------------
@settings(max_examples=150, deadline=None)
@given(rows=records, where=st.none() | wheres(ours=True), limit=st.integers(0, 6), gone=st.sets(st.integers(0, 13)))
def test_a_facet_counts_what_plain_python_counts(client, rows, where, limit, gone):
    asked = stored(client, rows)
    asked.facets("a")  # the columns are there, and follow what is deleted
    left = [row for number, row in enumerate(rows) if number not in gone]
    if len(left) < len(rows):
        asked.delete(ids=[f"{number:02}" for number in gone if number < len(rows)])
    passing = [metadata or {} for metadata, document in left if matches(where, None, metadata, document)]

    for key in ("a", "tags"):
        found = asked.facets(key, where=where, limit=limit)
        check_facet(found, [metadata.get(key) for metadata in passing], limit)
        # One by one, as for other servers, it is the same.
        assert facet(key, len(passing), counted([one.get(key) for one in passing]), limit) == found
    assert asked.count(where=where) == len(passing)


@settings(max_examples=100, deadline=None)
@given(
    rows=records,
    ends=st.lists(numbers, min_size=2, max_size=5, unique=True).map(sorted),
)
def test_a_facet_counts_numbers_between_given_ends(client, rows, ends):
    values = [(metadata or {}).get("a") for metadata, _ in rows]
    found = stored(client, rows).facets("a", edges={"a": ends})
    assert [(low, high) for low, high, _ in found.ranges] == list(pairwise(ends))
    each = [one for value in values for one in (value if isinstance(value, list) else [value])]
    given = [one for one in each if type(one) in (int, float)]
    for place, (low, high, count) in enumerate(found.ranges):
        last = place == len(found.ranges) - 1
        assert count == sum(low <= one < high or (last and one == high) for one in given)
    assert facet("a", len(rows), counted(values), 20, ends) == found


@settings(max_examples=150, deadline=None)
@given(
    rows=records,
    where=st.none() | wheres(ours=True),
    key=keys | st.just("#document") | st.just("#id"),
    descending=st.booleans(),
    limit=st.none() | st.integers(0, 5),
    offset=st.none() | st.integers(0, 5),
)
def test_get_is_ordered_as_plain_python_orders(client, rows, where, key, descending, limit, offset):
    asked = stored(client, rows)
    passing = [
        (f"{number:02}", metadata or {}, document)
        for number, (metadata, document) in enumerate(rows)
        if matches(where, None, metadata, document)
    ]
    values = [
        id_ if key == "#id" else document if key == "#document" else metadata.get(key)
        for id_, metadata, document in passing
    ]

    found = asked.get(where=where, order_by=key, descending=descending, limit=limit, offset=offset)

    expected = [passing[place][0] for place in ordered(values, descending)][offset or 0 :]
    assert found["ids"] == (expected if limit is None else expected[:limit])


@settings(max_examples=60, deadline=None)
@given(rows=records)
def test_a_description_counts_what_plain_python_counts(client, rows):
    found = stored(client, rows).describe()
    texts = sorted(len(text) for _, text in rows if text is not None)
    middle = texts[(len(texts) - 1) // 2 : len(texts) // 2 + 1]

    assert (found.records, found.space, found.dimension) == (len(rows), "l2", 1 if rows else None)
    assert (found.documents, found.median_length) == (len(texts), sum(middle) / len(middle) if texts else None)
    assert [one.key for one in found.keys] == sorted({key for metadata, _ in rows for key in metadata or {}})
    for one in found.keys:
        check_facet(one, [(metadata or {}).get(one.key) for metadata, _ in rows], 1)


@given(st.lists(numbers, min_size=2, max_size=2).map(sorted))
def test_the_ends_of_ranges_are_few_and_around_all(ends):
    minimum, maximum = ends
    found = edges(minimum, maximum, whole=all(type(one) is int for one in ends))

    assert found == sorted(found)
    assert 2 <= len(found) <= 13
    assert found[0] <= minimum <= maximum <= found[-1]


@pytest.mark.parametrize(
    ("minimum", "maximum", "whole", "expected"),
    [
        (1, 9, True, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (0, 100, True, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]),
        (-1, 1.5, False, [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5]),
        (7, 7, True, [7, 7]),
        (0.1, 0.4, False, [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4]),
    ],
)
def test_the_ends_of_ranges_are_readable(minimum, maximum, whole, expected):
    assert edges(minimum, maximum, whole=whole) == expected


def test_numbers_are_exact_where_floats_are_not():
    found = facet("n", 3, counted([2**53, 2**53 + 1, 2.0**53]), 9)

    assert [(one.value, one.records) for one in found.values] == [(2**53, 2), (2**53 + 1, 1)]
    assert sum(one.records for one in found.ranges) == 3
    assert Fraction(found.ranges[0].upper) == 2**53 + 1


def test_a_list_that_holds_a_value_twice_is_one_record():
    found = facet("tags", 2, counted([["a", "a"], ["a", "b"]]), 9)

    assert list(map(tuple, found.values)) == [("a", 2), ("b", 1)]
    assert found.records == 2

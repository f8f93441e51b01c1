"""Neighbours: exact ones against a plain oracle, and the collection's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_nb.projection import neighbours, reading
from chroma_nb.records import Records


def distances(points, space):
    points = points.astype(np.float64)
    if space == "l2":
        return np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    return 1 - unit @ unit.T


@pytest.mark.parametrize("space", ["l2", "cosine"])
@pytest.mark.parametrize("offset", [0, 100])
def test_exact_neighbours_are_those_of_all_pairs_even_far_from_the_origin(space, offset):
    points = (np.random.default_rng(1).normal(size=(700, 8)) + offset).astype(np.float32)
    found = neighbours.exact(points, 6, space)
    expected = np.sort(distances(points, space), axis=1)[:, :6]
    np.testing.assert_allclose(found.distances, np.maximum(expected, 0), atol=1e-4 if space == "l2" else 1e-6)
    assert found.rows[:, 0].tolist() == list(range(700))


@settings(max_examples=60, deadline=None)
@given(
    numbers=st.lists(st.integers(-3, 3), min_size=2, max_size=120),
    k=st.integers(1, 9),
    block=st.integers(1, 40),
    seldom=st.sampled_from([1, 50, 10**9]),
)
def test_neighbours_are_the_nearest_whatever_the_blocks_and_however_many_are_equal(numbers, k, block, seldom):
    points = np.array(numbers, np.float32).reshape(-1, 1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(neighbours, "_BLOCK", block)
        patched.setattr(neighbours, "_SELDOM", seldom)
        found = neighbours.exact(points, k)
    k = min(k, len(points))
    np.testing.assert_allclose(found.distances, np.sort(distances(points, "l2"), axis=1)[:, :k], atol=1e-5)
    assert found.rows[:, 0].tolist() == list(range(len(points)))
    assert all(len(set(row)) == k for row in found.rows.tolist())


def test_each_record_is_its_own_first_neighbour_among_equal_ones():
    found = neighbours.exact(np.ones((5, 3), np.float32), 3)
    assert found.rows[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert not found.distances.any()


@pytest.mark.parametrize("space", ["l2", "cosine"])
def test_the_collections_search_finds_the_same_neighbours(client, filled, space):
    collection = filled(client, 60, space=space)
    records = reading.read(collection)
    ours = neighbours.exact(records.embeddings, 5, space)
    theirs = neighbours.searched(collection, records, 5, space)
    assert theirs.rows.tolist() == ours.rows.tolist()
    np.testing.assert_allclose(theirs.distances, ours.distances, atol=1e-3)


def test_a_neighbour_the_search_did_not_find_is_minus_one():
    class Blind:
        def query(self, **asked):
            return {"ids": [["a"], ["b", "gone"]], "distances": [[0.0], [0.0, 4.0]]}

    records = Records(["a", "b"], np.zeros((2, 1), np.float32))
    assert neighbours.searched(Blind(), records, 2).rows.tolist() == [[0, -1], [1, -1]]


def test_progress_ends_at_the_whole():
    shares = []
    neighbours.exact(np.eye(50, dtype=np.float32), 2, report=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0

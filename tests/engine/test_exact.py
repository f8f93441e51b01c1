"""The exact index alone: slots, holes and ties. Its answers against the oracle: tests/property."""

from __future__ import annotations

import numpy as np
import pytest
from engine_samples import vectors

from chroma_nb.engine.index.exact import ExactIndex, kth_smallest, ordered
from chroma_nb.engine.storage.vectors import norms_of


def index_of(matrix: np.ndarray, space: str = "l2") -> ExactIndex:
    index = ExactIndex(space, matrix.shape[1])
    index.extend(np.arange(len(matrix)), norms_of(matrix), len(matrix))
    return index


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
def test_slots_that_are_dead_are_passed_over(space: str) -> None:
    matrix = vectors(5000, 6)
    index, order = index_of(matrix, space), np.arange(5000)
    ((slots, _),) = index.search(matrix, matrix[:1], 10, order)
    dead = np.zeros(5000, np.bool_)
    dead[slots[:4]] = True
    ((rest, _),) = index.search(matrix, matrix[:1], 6, order, dead=dead)
    assert rest.tolist() == slots[4:].tolist()


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
def test_few_slots_are_looked_at_as_if_they_were_all(space: str) -> None:
    matrix = vectors(5000, 6)
    index, order = index_of(matrix, space), np.arange(5000)
    for among in (np.arange(3), np.arange(0, 5000, 2)):
        ((slots, distances),) = index.search(matrix, matrix[:1], 3, order, among=among)
        dead = np.ones(5000, np.bool_)
        dead[among] = False
        ((others, same),) = index.search(matrix, matrix[:1], 3, order, dead=dead)
        assert slots.tolist() == others.tolist()
        assert distances.tolist() == same.tolist()


def test_it_is_extended_and_garbage_between_slots_is_harmless() -> None:
    matrix = vectors(100, 6)
    matrix[40:60] = np.nan  # rows that no record names
    index = ExactIndex("l2", 6)
    index.extend(np.arange(40), norms_of(matrix[:40]), 40)
    index.search(matrix[:40], matrix[:1], 3, np.arange(100))
    index.extend(np.arange(60, 100), norms_of(matrix[60:]), 100)
    dead = np.zeros(100, np.bool_)
    dead[40:60] = True
    ((slots, distances),) = index.search(matrix, matrix[70:71], 80, np.arange(100), dead=dead)
    assert slots[0] == 70
    assert len(slots) == 80
    assert np.isfinite(distances).all()


def test_equal_distances_are_in_the_order_that_is_given() -> None:
    slots, distances = np.array([4, 2, 9]), np.array([1.0, 1.0, 0.5])
    order = np.zeros(10, np.int64)
    order[[4, 2, 9]] = [0, 1, 2]
    assert ordered(slots, distances, 3, order)[0].tolist() == [9, 4, 2]
    assert ordered(slots, distances, 2, order)[0].tolist() == [9, 4]


@pytest.mark.parametrize("size", [1, 10, 4095, 4096, 10_001])
@pytest.mark.parametrize("k", [1, 7, 100])
def test_kth_smallest_is_never_too_small(size: int, k: int) -> None:
    values = np.random.default_rng(size).normal(size=(3, size))
    for row, bound in zip(values, kth_smallest(values, k).tolist(), strict=True):
        assert (row <= bound).sum() >= min(k, size)
        if k < size < 4096:
            assert bound == np.sort(row)[k - 1]

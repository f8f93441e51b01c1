"""What l2, cosine and ip mean: Chroma's definitions, in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_nb.engine.index.distances import DISTANCES

ROWS = np.array([[3.0, 4.0], [0.0, 0.0], [-3.0, -4.0], [6.0, 8.0]])
QUERY = np.array([3.0, 4.0])


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("l2", [0.0, 25.0, 100.0, 25.0]),  # squared
        ("cosine", [0.0, 1.0, 2.0, 0.0]),  # a zero vector has distance 1 to everything
        ("ip", [-24.0, 1.0, 26.0, -49.0]),  # may be negative
    ],
)
def test_distances(space: str, expected: list[float]) -> None:
    assert DISTANCES[space].of(ROWS, QUERY).tolist() == expected


def test_every_row_of_the_table_is_named_by_its_key() -> None:
    assert {name: distance.space for name, distance in DISTANCES.items()} == {name: name for name in DISTANCES}


@pytest.mark.parametrize("space", list(DISTANCES))
@given(seed=st.integers(0, 1000), dimension=st.integers(1, 40))
def test_equal_rows_have_equal_distances_wherever_they_stand(space: str, seed: int, dimension: int) -> None:
    random = np.random.default_rng(seed)
    row, query = random.normal(size=(2, dimension))
    rows = np.repeat(row[None], 37, axis=0)
    assert len(set(DISTANCES[space].of(rows, query).tolist())) == 1


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e18, 1e30])
def test_equal_directions_have_cosine_distance_zero_to_rounding(scale: float) -> None:
    row = np.random.default_rng(0).normal(size=(1, 64)) * scale
    assert abs(DISTANCES["cosine"].of(row, row[0] * 3)[0]) < 1e-15

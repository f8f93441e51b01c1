"""A reducer is its function and its row: maps are made by it, kept, and drawn."""

import numpy as np
import pytest

from chroma_nb.projection import reducers
from chroma_nb.projection.projection import Projection, project
from chroma_nb.projection.reducers import REDUCERS, Reducer


def first_numbers(points, neighbours=None, dims=2, seed=42, report=lambda share: None):
    report(1.0)
    return np.ascontiguousarray(points[:, :dims], np.float32)


@pytest.fixture(autouse=True)
def _a_reducer_more(monkeypatch):
    monkeypatch.setitem(REDUCERS, "first", Reducer("first", first_numbers))


@pytest.mark.parametrize("dims", [2, 3])
def test_maps_are_made_by_it(client, filled, tmp_path, dims):
    collection = filled(client, 40)
    found = project(collection, "first", dims)

    vectors = np.asarray(collection.get(include=["embeddings"])["embeddings"], np.float32)
    assert found.method == "first"
    spread = found.coordinates - found.coordinates.mean(axis=0)
    np.testing.assert_allclose(spread, (vectors - vectors.mean(axis=0))[:, :dims], atol=1e-3)
    found.save(tmp_path / "map.npz")
    assert Projection.load(tmp_path / "map.npz").method == "first"


def test_its_name_is_among_those_to_choose_from():
    reducers.check("first")
    with pytest.raises(ValueError, match="'first', got 'last'"):
        reducers.check("last")

"""A distance that a product of vectors ranks is a name and a row: it is stored, searched and sent like the others."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from chroma_nb.engine.arrays import Float64
from chroma_nb.engine.index.distances import DISTANCES, Distance, cosine
from chroma_nb.types import SPACES

VECTORS = np.random.default_rng(7).normal(size=(60, 5)).astype(np.float32)


def angle(rows: Float64, query: Float64) -> Float64:
    return np.arccos(1.0 - cosine(rows, query))


@pytest.fixture(autouse=True)
def _a_distance_more(monkeypatch: pytest.MonkeyPatch) -> None:
    row: Any = Distance("angle", angle, bias_is_half_square=False, scale_is_inverse_norm=True, in_graph="ip")  # type: ignore[arg-type]
    monkeypatch.setitem(DISTANCES, "angle", row)
    for name, module in list(sys.modules.items()):  # the line in types.py, wherever it was imported
        if name.startswith("chroma_nb") and vars(module).get("SPACES") is SPACES:
            monkeypatch.setattr(module, "SPACES", (*SPACES, "angle"))


def test_a_collection_of_it_is_searched_by_it(sync_client: Any) -> None:
    collection = sync_client.create_collection(
        "angles", embedding_function=None, configuration={"hnsw": {"space": "angle"}}
    )
    ids = [str(row) for row in range(len(VECTORS))]
    collection.add(ids=ids, embeddings=VECTORS, metadatas=[{"even": row % 2 == 0} for row in range(len(ids))])
    expected = angle(VECTORS.astype(np.float64), VECTORS[3].astype(np.float64))

    found = sync_client.get_collection("angles", embedding_function=None)
    assert found.configuration_json["hnsw"]["space"] == "angle"
    result = found.query(query_embeddings=[VECTORS[3]], n_results=60, where={"even": False})
    rows = [row for row in np.argsort(expected, kind="stable").tolist() if row % 2]
    assert result["ids"] == [[str(row) for row in rows]]
    np.testing.assert_allclose(result["distances"][0], expected[rows], atol=1e-6)


def test_other_names_are_still_refused(sync_client: Any) -> None:
    with pytest.raises(Exception, match="manhattan"):
        sync_client.create_collection("n", configuration={"hnsw": {"space": "manhattan"}})

"""A distance that a product of vectors ranks is a name and a row: it is stored, searched and sent like the others."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import numpy as np
import pytest
from codes_for_few import codes_for_few

from chroma_nb.engine.arrays import Float64
from chroma_nb.engine.index import int8_products
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


@pytest.mark.parametrize("count", [1, 2, 12])
@pytest.mark.parametrize("where", [None, {"even": False}])
def test_one_query_and_several_find_what_measuring_everything_finds(
    sync_client: Any, count: int, where: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are no codes for it: those of other distances would be wrong."""
    codes_for_few(monkeypatch.setattr)
    vectors = np.random.default_rng(8).normal(size=(600, 40)).astype(np.float32)
    queries = np.random.default_rng(9).normal(size=(count, 40)).astype(np.float32)
    ids = [str(row) for row in range(len(vectors))]
    allowed = np.arange(where is not None, len(vectors), 1 if where is None else 2)
    for space in ("angle", "cosine"):
        collection = sync_client.create_collection(
            f"{space}s", embedding_function=None, configuration={"hnsw": {"space": space}}
        )
        collection.add(ids=ids, embeddings=vectors, metadatas=[{"even": row % 2 == 0} for row in range(len(ids))])
        result = collection.query(query_embeddings=list(queries), n_results=20, where=where)
        for number, query in enumerate(queries.astype(np.float64)):
            expected = DISTANCES[space].of(vectors[allowed].astype(np.float64), query)
            nearest = np.argsort(expected, kind="stable")[:20]
            assert result["ids"][number] == [str(row) for row in allowed[nearest]]
            np.testing.assert_allclose(result["distances"][number], expected[nearest], atol=1e-6)
        with contextlib.suppress(NotImplementedError):  # a server does not tell
            told = collection.explain(query_embeddings=list(queries), n_results=20, where=where)
            assert (told["method"] == "codes") == (space == "cosine" and int8_products.available())


def test_other_names_are_still_refused(sync_client: Any) -> None:
    with pytest.raises(Exception, match="manhattan"):
        sync_client.create_collection("n", configuration={"hnsw": {"space": "manhattan"}})

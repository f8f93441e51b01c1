"""A graph that loses its way is found out by the witnesses, and the answer is that of a complete scan."""

from __future__ import annotations

import numpy as np
import pytest
from engine_samples import create, records, vectors

from chroma_nb.engine.index.hnsw import HnswIndex
from chroma_nb.engine.index.witnesses import Witnesses
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.search import planner
from chroma_nb.query.parsing import parse_where

N, K = 900, 10

pytestmark = pytest.mark.skipif(not HnswIndex.available(), reason="hnswlib is not installed")


@pytest.fixture(params=["l2", "cosine", "ip"])
def collection(request):
    engine = SharedEngine.open(None)
    ident = create(engine, space=request.param)
    engine.add(
        ident, records([f"r{row}" for row in range(N)], vectors(N), metadatas=[{"half": row % 2} for row in range(N)])
    )
    yield engine, ident
    engine.close()


def answers(engine, ident, filter=None):
    found = engine.query(ident, vectors(20, seed=9), K, None, filter, ("distances",))
    return found["ids"], found["distances"]


@pytest.fixture
def lost(monkeypatch):
    """Every search of a graph ends among the records that are farthest away."""
    right = HnswIndex.query

    def farthest(self, queries, k, ef):
        found = right(self, queries, self.count, self.count)
        return None if found is None else found[:, ::-1][:, :k].copy()

    return lambda: monkeypatch.setattr(HnswIndex, "query", farthest)


@pytest.mark.parametrize("filter", [None, parse_where({"half": 1})])
def test_what_a_lost_graph_missed_is_found(collection, lost, filter, monkeypatch):
    monkeypatch.setattr(planner, "ALWAYS_EXACT", 0)
    engine, ident = collection
    exact = answers(engine, ident, filter)
    assert engine.build_graph(ident)
    lost()
    assert answers(engine, ident, filter) == exact
    told = engine.explain(ident, vectors(3, seed=9), K, None, filter, ())
    assert (told["scanned_instead"], told["exact"]) == (3, True)


def test_a_graph_that_finds_its_way_is_believed(collection):
    engine, ident = collection
    exact = answers(engine, ident)
    assert engine.build_graph(ident)
    assert answers(engine, ident) == exact
    told = engine.explain(ident, vectors(3, seed=9), K, None, None, ())
    assert told["method"] == "graph"
    assert "scanned_instead" not in told


def test_deleted_records_are_no_witnesses(collection):
    engine, ident = collection
    assert engine.build_graph(ident)
    nearest = {one for ids in answers(engine, ident)[0] for one in ids}
    engine.delete(ident, sorted(nearest), None)
    told = engine.explain(ident, vectors(3, seed=9), K, None, None, ())
    assert told["method"] == "graph"
    assert "scanned_instead" not in told


def test_the_sample_is_the_same_each_time_and_its_vectors_are_those_of_its_slots():
    slots, held = np.arange(0, 300_000, 3), vectors(300_000, dimension=2)
    sample = Witnesses.of(slots, held)
    assert len(sample.slots) == 2_000
    assert set(sample.slots.tolist()) <= set(slots.tolist())
    np.testing.assert_array_equal(sample.vectors, held[sample.slots])
    np.testing.assert_array_equal(sample.slots, Witnesses.of(slots, held).slots)
    assert len(Witnesses.of(slots[:10], held).slots) == 10

"""What a graph finds when the user set nothing: at least 0.99 of the nearest, and never none of a cluster."""

from __future__ import annotations

import numpy as np
import pytest
from engine_samples import create, records

from chroma_nb.engine.index.hnsw import HnswIndex
from chroma_nb.engine.opening import SharedEngine

N, D, K = 50_000, 32, 10


@pytest.fixture(scope="module")
def clustered() -> tuple[np.ndarray, np.ndarray]:
    """Vectors in 500 narrow clusters, and queries beside some of them."""
    if not HnswIndex.available():
        pytest.skip("hnswlib is not installed")
    random = np.random.default_rng(0)
    centres = random.normal(size=(500, D))
    vectors = centres[random.integers(0, 500, N)] + random.normal(size=(N, D)) * 0.1
    queries = centres[random.integers(0, 500, 400)] + random.normal(size=(400, D)) * 0.1
    return vectors.astype(np.float32), queries.astype(np.float32)


def right_answers(vectors: np.ndarray, queries: np.ndarray, space: str) -> np.ndarray:
    products = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    if space == "ip":
        scores = -products
    elif space == "cosine":
        scores = -products / np.linalg.norm(vectors.astype(np.float64), axis=1)
    else:
        scores = (vectors.astype(np.float64) ** 2).sum(axis=1) - 2 * products
    return np.argpartition(scores, K, axis=1)[:, :K]


def check_recall(vectors: np.ndarray, queries: np.ndarray, space: str) -> None:
    engine = SharedEngine.open(None)
    # A cheap graph: links and ef_construction below Chroma's defaults, so that the test is quick and hard.
    collection = create(engine, space=space, ef_construction=60, max_neighbors=12)
    engine.add(collection, records([str(row) for row in range(len(vectors))], vectors))
    assert engine.build_graph(collection)
    shares = []
    answers = engine.query(collection, queries[:20], K, None, None, ())["ids"]
    answers += [engine.query(collection, query[None], K, None, None, ())["ids"][0] for query in queries[20:]]
    assert engine.explain(collection, queries[:1], K, None, None, ())["method"] == "graph"
    for found, right in zip(answers, right_answers(vectors, queries, space).tolist(), strict=True):
        shares.append(len(set(map(int, found)) & set(right)) / K)
    engine.close()
    assert np.mean(shares) >= 0.99
    assert min(shares) > 0, "a query missed its whole cluster"


def test_clusters(clustered: tuple[np.ndarray, np.ndarray]) -> None:
    check_recall(*clustered, "l2")


def test_inner_products_of_vectors_of_very_different_length(clustered: tuple[np.ndarray, np.ndarray]) -> None:
    vectors, queries = clustered
    lengths = np.random.default_rng(1).uniform(0.05, 5, (len(vectors), 1)).astype(np.float32)
    check_recall((vectors * lengths)[:20_000], queries[:200], "ip")

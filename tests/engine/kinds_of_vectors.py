"""Vectors as they come, and as nobody hopes they come: what a search has to be exact on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chroma_nb.types import Matrix

Draw = Callable[[np.random.Generator, int], np.ndarray]


def _clusters(dimension: int, count: int, spread: float) -> Draw:
    def draw(random: np.random.Generator, n: int) -> np.ndarray:
        return random.normal(size=(count, dimension))[random.integers(0, count, n)] + spread * random.normal(
            size=(n, dimension)
        )

    return draw


def _some_equal(dimension: int, share: float) -> Draw:
    def draw(random: np.random.Generator, n: int) -> np.ndarray:
        rows = random.normal(size=(n, dimension))
        rows[random.permutation(n)[: int(share * n)]] = rows[0]
        return rows

    return draw


def _scaled(dimension: int, factor: Callable[[np.random.Generator, int], np.ndarray]) -> Draw:
    return lambda random, n: random.normal(size=(n, dimension)) * factor(random, n)


def _large_coordinates(random: np.random.Generator, n: int) -> np.ndarray:
    rows = random.normal(size=(n, 64))
    rows[:, :2] *= 50
    return rows


def _some_zero(random: np.random.Generator, n: int) -> np.ndarray:
    rows = random.normal(size=(n, 48))
    rows[::7] = 0
    return rows


def _curved(random: np.random.Generator, n: int) -> np.ndarray:
    """As embeddings of text lie: few directions matter, all are of length 1."""
    rows = random.normal(size=(n, 384)) * np.linspace(2, 0.05, 384) + 0.3
    return rows / np.linalg.norm(rows, axis=1)[:, None]


#: How vectors may lie -> rows drawn, and how far queries are from them.
KINDS: dict[str, tuple[Draw, float]] = {
    "embeddings of text": (_curved, 0.02),
    "loose clusters": (_clusters(384, 100, 0.7), 0.5),
    "tight clusters": (_clusters(384, 100, 0.01), 0.01),
    "very tight clusters": (_clusters(384, 5, 1e-4), 1e-4),
    "no structure": (lambda random, n: random.normal(size=(n, 96)), 1.0),
    "many dimensions": (lambda random, n: random.normal(size=(n // 4, 1536)), 1.0),
    "lengths of many sizes": (_scaled(384, lambda random, n: np.exp(1.5 * random.normal(size=(n, 1))) / 20), 0.1),
    "far from the origin": (lambda random, n: random.normal(size=(n, 384)) + 100, 1.0),
    "very far from the origin": (lambda random, n: random.normal(size=(n, 96)) + 1e4, 1.0),
    "a fifth equal": (_some_equal(96, 0.2), 0.1),
    "nearly all equal": (_some_equal(64, 0.95), 0.1),
    "integers in 8 dimensions": (lambda random, n: random.integers(-2, 3, (n, 8)), 0.0),
    "integers in 32 dimensions": (lambda random, n: random.integers(-2, 3, (n, 32)), 0.0),
    "two large coordinates": (_large_coordinates, 1.0),
    "2 dimensions": (lambda random, n: random.normal(size=(n, 2)), 0.1),
    "1 dimension": (lambda random, n: random.normal(size=(n, 1)), 0.1),
    "zero now and then": (_some_zero, 0.1),
    "huge": (_scaled(64, lambda random, n: np.full((n, 1), 1e18)), 1e17),
    "enormous": (_scaled(64, lambda random, n: np.full((n, 1), 1e30)), 1e29),
    "tiny": (_scaled(64, lambda random, n: np.full((n, 1), 1e-20)), 1e-21),
    "below the normal numbers": (_scaled(64, lambda random, n: np.full((n, 1), 1e-40)), 1e-41),
    "of 16 orders of magnitude": (_scaled(64, lambda random, n: 10.0 ** random.integers(-8, 8, (n, 1))), 1.0),
    "of 43 orders of magnitude": (_scaled(64, lambda random, n: 10.0 ** random.integers(-25, 18, (n, 1))), 1.0),
    "all the same": (lambda random, n: np.full((n, 64), 0.1), 0.0),
    "a few": (lambda random, n: random.normal(size=(37, 384)), 0.1),
}


def drawn(kind: str, n: int, seed: int) -> Matrix:
    """Some vectors of a kind; fewer than ``n`` where they are large."""
    with np.errstate(under="ignore"):
        return np.ascontiguousarray(KINDS[kind][0](np.random.default_rng(seed), n), np.float32)


def near(kind: str, vectors: Matrix, count: int, seed: int) -> Matrix:
    """Queries: at vectors, beside and away from them, at the origin, and a thousand times as long."""
    random, noise = np.random.default_rng(seed), KINDS[kind][1]
    queries = vectors[random.integers(0, len(vectors), count)].astype(np.float64)
    queries[1:] += noise * random.choice([0, 1, 4], (count - 1, 1)) * random.normal(size=(count - 1, vectors.shape[1]))
    if count > 3:
        queries[1], queries[2] = 0, queries[2] * 1e3
    with np.errstate(under="ignore"):
        return queries.astype(np.float32)

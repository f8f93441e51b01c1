"""Exact means exact: the engine's answers against distances computed one record at a time in float64."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from engine_samples import create, records
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import nearest

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.search import planner

SPACES = ("l2", "cosine", "ip")


def _some_equal(random: np.random.Generator, n: int, d: int) -> np.ndarray:
    return random.normal(size=(3, d))[random.integers(0, 3, n)]


def _some_zero(random: np.random.Generator, n: int, d: int) -> np.ndarray:
    return random.normal(size=(n, d)) * (random.random((n, 1)) < 0.7)


#: How vectors may lie -> rows drawn.
REGIMES: dict[str, Any] = {
    "around the origin": lambda random, n, d: random.normal(size=(n, d)),
    "far from the origin": lambda random, n, d: random.normal(100, 0.1, (n, d)),
    "very far from the origin": lambda random, n, d: random.normal(3e4, 0.01, (n, d)),
    "huge": lambda random, n, d: random.normal(size=(n, d)) * 1e18,
    "enormous": lambda random, n, d: random.normal(size=(n, d)) * 1e30,
    "tiny": lambda random, n, d: random.normal(size=(n, d)) * 1e-25,
    "of every length": lambda random, n, d: random.normal(size=(n, d)) * 10.0 ** random.integers(-25, 18, (n, 1)),
    "equal": _some_equal,
    "all the same": lambda random, n, d: np.full((n, d), 0.1),
    "zero": lambda random, n, d: np.zeros((n, d)),
    "zero now and then": _some_zero,
    "integers": lambda random, n, d: random.integers(-2, 3, (n, d)),
    "differing in the last bit": lambda random, n, d: 1 + random.integers(0, 4, (n, d)) * 2.0**-23,
}


def tolerance(space: str, vectors: np.ndarray, query: np.ndarray, distance: float) -> float:
    """What float64 rounding may change."""
    if space == "l2":
        return 1e-12 * distance
    if space == "cosine":
        return 1e-12
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1).max() * np.linalg.norm(query.astype(np.float64))
    return float(1e-13 * (1 + lengths) * len(query))


def check(
    space: str, vectors: np.ndarray, query: np.ndarray, rows: list[int], found: list[tuple[int, float]], k: int
) -> None:
    """``found`` is (row, distance) as the engine answered; ``rows`` were allowed."""
    right = [(rows[place], distance) for place, distance in nearest(vectors[rows], query, len(rows), space)]
    of_row = dict(right)
    assert len(found) == min(k, len(rows))
    assert len({row for row, _ in found}) == len(found)
    for (row, distance), (_, expected) in zip(found, right, strict=False):
        allowed = tolerance(space, vectors, query, abs(expected))
        assert abs(distance - expected) <= allowed, "not the nearest, or not its distance"
        assert abs(of_row[row] - distance) <= allowed, "the distance of another record"
    for (row, distance), (following, next_distance) in itertools.pairwise(found):
        assert (distance, row) < (next_distance, following), "not in order of distance, then of get()"


def ask(
    engine: Engine, collection: Any, queries: np.ndarray, k: int, ids: list[str] | None = None
) -> list[list[tuple[int, float]]]:
    """Each query's answer as (row, distance)."""
    found = engine.query(collection, queries, k, ids, None, ("distances",))
    return [
        [(int(ident[1:]), distance) for ident, distance in zip(some, distances, strict=True)]
        for some, distances in zip(found["ids"], found["distances"], strict=True)
    ]


@settings(max_examples=250, deadline=None)
@given(
    space=st.sampled_from(SPACES),
    regime=st.sampled_from(sorted(REGIMES)),
    seed=st.integers(0, 10_000),
    n=st.integers(1, 120),
    dimension=st.sampled_from((1, 2, 3, 7, 16)),
    k=st.integers(1, 130),
    share=st.sampled_from((None, 0.02, 0.3, 0.9)),
    deleted=st.sampled_from((0.0, 0.3)),
)
def test_every_answer_is_that_of_the_oracle(
    space: str, regime: str, seed: int, n: int, dimension: int, k: int, share: float | None, deleted: float
) -> None:
    random = np.random.default_rng(seed)
    vectors = REGIMES[regime](random, n, dimension).astype(np.float32)
    others = REGIMES[regime](random, 2, dimension).astype(np.float32)
    queries = np.stack([*others, vectors[random.integers(n)], np.zeros(dimension, np.float32)])
    engine = SharedEngine.open(None)
    collection = create(engine, space=space)
    engine.add(collection, records([f"r{row}" for row in range(n)], vectors))
    gone = np.flatnonzero(random.random(n) < deleted).tolist()
    engine.delete(collection, [f"r{row}" for row in gone], None)
    rows = [row for row in range(n) if row not in set(gone)]
    ids = None
    if share is not None:
        rows = [row for row in rows if random.random() < share]
        ids = [f"r{row}" for row in rows]
    try:
        for query, found in zip(queries, ask(engine, collection, queries, k, ids), strict=True):
            check(space, vectors, query, rows, found, k)
        for query in queries[1:]:
            check(space, vectors, query, rows, ask(engine, collection, query[None], k, ids)[0], k)
    finally:
        engine.close()


def float64_distances(space: str, vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    """The oracle for many rows at once."""
    wide, asked = vectors.astype(np.float64), query.astype(np.float64)
    if space == "l2":
        return ((wide - asked) ** 2).sum(axis=1)
    if space == "ip":
        return 1 - (wide * asked).sum(axis=1)
    lengths = np.linalg.norm(wide, axis=1) * np.linalg.norm(asked)
    return 1 - np.divide((wide * asked).sum(axis=1), lengths, out=np.zeros(len(wide)), where=lengths > 0)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("regime", sorted(REGIMES))
def test_ten_thousand_records(space: str, regime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large enough for the float32 ranking, its bounds and the batch product."""
    monkeypatch.setattr(planner, "SMALLEST_GRAPH_BYTES", 10**12)
    random = np.random.default_rng(1)
    n, k = 10_000, 10
    vectors = REGIMES[regime](random, n, 24).astype(np.float32)
    queries = np.concatenate([REGIMES[regime](random, 3, 24).astype(np.float32), vectors[[17]]])
    engine = SharedEngine.open(None)
    collection = create(engine, space=space)
    engine.add(collection, records([f"r{row}" for row in range(n)], vectors))
    allowed = random.permutation(n)[:1500]
    few = [f"r{row}" for row in np.sort(allowed[:200]).tolist()]
    many = [f"r{row}" for row in np.sort(allowed).tolist()]
    for ids in (None, few, many):
        rows = np.arange(n) if ids is None else np.array([int(ident[1:]) for ident in ids])
        together = ask(engine, collection, queries, k, ids)
        for number, query in enumerate(queries):
            distances = float64_distances(space, vectors[rows], query)
            right = np.sort(distances)[:k]
            for answer in (together[number], ask(engine, collection, query[None], k, ids)[0]):
                given = np.array([distance for _, distance in answer])
                limits = [tolerance(space, vectors, query, abs(distance)) for distance in right]
                assert (np.abs(given - right) <= limits).all()
                assert {row for row, _ in answer} <= set(rows.tolist())
                assert answer == sorted(answer, key=lambda pair: (pair[1], pair[0]))
    engine.close()


@pytest.mark.parametrize("space", SPACES)
def test_equal_vectors_come_in_the_order_of_get(space: str) -> None:
    engine = SharedEngine.open(None)
    collection = create(engine, space=space)
    engine.add(collection, records([f"r{row}" for row in range(6000)], np.full((6000, 5), 0.3, np.float32)))
    engine.delete(collection, ["r0", "r3"], None)
    engine.add(collection, records(["r0"], [[0.3] * 5]))  # now last
    query = np.full((1, 5), 0.2, np.float32)
    first = [row for row, _ in ask(engine, collection, query, 5)[0]]
    assert first == [1, 2, 4, 5, 6]
    assert [row for row, _ in ask(engine, collection, query, 6000)[0]][-1] == 0
    some = [f"r{row}" for row in range(0, 6000, 2)]
    assert [row for row, _ in ask(engine, collection, query, 3, some)[0]] == [2, 4, 6]
    engine.close()

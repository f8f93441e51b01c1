"""The graph, and what hnswlib must not be asked."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import pytest

from chroma_nb.engine.index.hnsw import CHUNK, HnswIndex
from chroma_nb.types import Space

pytest.importorskip("hnswlib")


@dataclass(frozen=True)
class Parameters:
    space: Space = "l2"
    max_neighbors: int = 16
    ef_construction: int = 100


def vectors(n: int, dimension: int = 16, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    # Lengths differ widely: inner products then have favourites.
    return (random.normal(size=(n, dimension)) * random.uniform(0.2, 5, (n, 1))).astype(np.float32)


def built(matrix: np.ndarray, space: Space = "l2", slots: np.ndarray | None = None) -> HnswIndex:
    slots = np.arange(len(matrix)) if slots is None else slots
    index = HnswIndex.build(Parameters(space), lambda rows: matrix[rows], slots, matrix.shape[1])
    assert index is not None
    return index


def distances(space: Space, queries: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    queries, matrix = queries.astype(np.float64), matrix.astype(np.float64)
    if space == "l2":
        return ((queries[:, None] - matrix) ** 2).sum(axis=2)
    if space == "cosine":
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        matrix = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return 1 - queries @ matrix.T


def recall(found: np.ndarray, exact: np.ndarray, k: int) -> float:
    nearest = np.argsort(exact, axis=1)[:, :k]
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(found.tolist(), nearest.tolist(), strict=True)]))


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
def test_it_finds_the_nearest(space):
    matrix, queries = vectors(4000), vectors(50, seed=1)
    index = built(matrix, space)

    slots = index.query(queries, 10, 200)

    exact = distances(space, queries, matrix)
    assert recall(slots, exact, 10) >= 0.99
    assert (np.diff(np.take_along_axis(exact, slots, axis=1), axis=1) >= -1e-4).all(), "not nearest first"
    assert (index.count, index.dead, index.covers) == (4000, 0, 4000)


def test_marked_slots_are_never_found():
    matrix = vectors(2000)
    index = built(matrix)
    gone = np.arange(0, 2000, 2)

    index.mark(gone)
    index.mark(gone[:10])
    index.mark(np.array([10**9, -1]))

    slots = index.query(matrix[:50], 10, 200)
    assert (slots % 2 == 1).all()
    assert (index.count, index.dead) == (1000, 1000)
    assert index.slots().tolist() == list(range(1, 2000, 2))


def test_appended_slots_are_found_beyond_the_first_room():
    matrix = vectors(2500)
    index = built(matrix[:100])

    for start in range(100, 2500, 300):
        slots = np.arange(start, start + 300)
        index.append(slots, matrix[slots])

    assert index.query(matrix[::100], 1, 200)[:, 0].tolist() == list(range(0, 2500, 100))
    assert index.covers == 2500


def test_slots_may_have_holes():
    matrix = vectors(5000)
    slots = np.arange(7, 5000, 5)

    index = built(matrix, slots=slots)

    assert index.query(matrix[slots[:30]], 1, 100)[:, 0].tolist() == slots[:30].tolist()
    assert index.covers == 4998
    assert index.count == len(slots)


def test_heavy_duplicates_are_indexed_once_and_answered_in_full():
    few = vectors(20)
    which = np.random.default_rng(3).integers(0, 20, 3000)
    matrix = few[which]

    index = built(matrix)

    assert index.count == 3000
    assert index._graph.get_current_count() == 20
    slots = index.query(few, 200, 200)
    exact = distances("l2", few, matrix)
    assert np.allclose(np.take_along_axis(exact, slots, axis=1), np.sort(exact, axis=1)[:, :200], rtol=1e-4, atol=1e-4)
    assert all(len(set(row)) == 200 for row in slots.tolist())


def test_of_equal_vectors_the_unmarked_remain():
    matrix = np.repeat(vectors(3), 4, axis=0)
    index = built(matrix)

    index.mark(np.array([0, 2]))
    assert index.query(matrix[:1], 4, 50)[0, :2].tolist() == [1, 3]
    index.mark(np.array([1, 3]))
    assert set(index.query(matrix[:1], 12, 50)[0].tolist()) == {-1, *range(4, 12)}
    index.append(np.array([12]), matrix[:1])
    assert index.query(matrix[:1], 1, 50).tolist() == [[12]]
    assert index.dead == 1


def test_cosine_takes_a_vector_of_zeros():
    matrix = vectors(50)
    matrix[3] = 0

    assert sorted(built(matrix, "cosine").query(matrix[3:4], 50, 200)[0].tolist()) == list(range(50))


def test_fewer_than_k_are_padded():
    matrix = vectors(5)

    slots = built(matrix).query(matrix[:2], 8, 100)

    assert sorted(slots[0, :5].tolist()) == [0, 1, 2, 3, 4]
    assert slots[:, 5:].tolist() == [[-1] * 3] * 2


def test_an_empty_index_finds_nothing():
    index = built(vectors(0))
    assert index.query(vectors(2), 3, 10).tolist() == [[-1] * 3] * 2


def test_what_hnswlib_refuses_is_none(monkeypatch):
    index = built(vectors(100))
    graph = index._graph

    class Refusing:
        def set_ef(self, ef):
            graph.set_ef(ef)

        def knn_query(self, queries, k, **options):
            return graph.knn_query(queries, k=101, **options)  # more than it holds: the "contiguous 2D array"

    monkeypatch.setattr(index, "_graph", Refusing())
    assert index.query(vectors(1), 5, 10) is None


def test_an_append_that_was_interrupted_leaves_an_index_that_refuses(monkeypatch):
    index = built(vectors(100))

    class Interrupted:
        def __getattr__(self, name):
            raise KeyboardInterrupt

    monkeypatch.setattr(index, "_graph", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        index.append(np.arange(100, 110), vectors(10, seed=5))

    assert index.query(vectors(1), 5, 10) is None


def test_a_build_stops_when_told_to():
    asked = []

    def cancelled() -> bool:
        asked.append(True)
        return len(asked) > 1

    matrix = vectors(CHUNK * 3, 4)
    assert HnswIndex.build(Parameters(), lambda rows: matrix[rows], np.arange(len(matrix)), 4, cancelled) is None
    assert len(asked) == 2


def test_threads_may_ask_mark_and_append_at_once():
    matrix = vectors(3000, 8)
    index = built(matrix[:1000])
    wrong: list[object] = []

    def ask() -> None:
        for row in range(0, 900, 3):
            answer = index.query(matrix[row : row + 1], 1, 10 + row % 90)
            if answer is None or answer[0, 0] != row:
                wrong.append((row, answer))

    def change() -> None:
        for start in range(1000, 3000, 100):
            index.append(np.arange(start, start + 100), matrix[start : start + 100])
            index.mark(np.arange(start, start + 50))

    threads = [threading.Thread(target=target) for target in (ask, ask, change)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_billion_links_take_no_more_memory_than_hnswlib_can_have():
    """Chroma stores any number; hnswlib would lay out eight bytes for each link of each vector."""
    matrix = vectors(300)
    parameters = Parameters(max_neighbors=10**9, ef_construction=10**18)
    index = HnswIndex.build(parameters, lambda rows: matrix[rows], np.arange(300), 16)
    assert index is not None
    found = index.query(matrix, 1, 10)
    assert found[:, 0].tolist() == list(range(300))


def test_it_can_be_turned_off(monkeypatch):
    assert HnswIndex.available()
    monkeypatch.setenv("CHROMA_NB_NO_HNSW", "1")
    assert not HnswIndex.available()

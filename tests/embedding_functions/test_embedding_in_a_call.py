"""A signal handler or a callback may embed in the middle of embedding, through the same function and the same file."""

from __future__ import annotations

import contextlib
import contextvars
import sqlite3
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calls_in_a_call import interrupted, lines_of, spread, watchdog

import chroma_nb
from chroma_nb.embedding_functions import ImageLoader, onnx_minilm
from chroma_nb.embedding_functions.base import EmbeddingFunction
from chroma_nb.embedding_functions.cache import VectorCache, cached
from chroma_nb.embedding_functions.default import DefaultEmbeddingFunction
from chroma_nb.projection.background import Background


class Counted(EmbeddingFunction[Any]):
    """The vector of a text is its length and its number of words."""

    within: Any = None

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, input: Any) -> Any:
        self.asked.extend(input)
        if self.within is not None:
            self.within(input)
        return [[float(len(text)), float(text.count(" "))] for text in input]

    @staticmethod
    def name() -> str:
        return "counted"

    def get_config(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Counted:
        return Counted()


def right(texts: list[str], vectors: Any) -> bool:
    return [vector.tolist() for vector in vectors] == [[float(len(text)), float(text.count(" "))] for text in texts]


def kept(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(connection.execute("SELECT count(*) FROM vectors").fetchone()[0])
    finally:
        connection.close()


# --- The cache ----------------------------------------------------------------------------------------------
def test_at_every_line_of_a_cached_call_the_same_function_embeds(tmp_path: Path) -> None:
    path, inner = tmp_path / "vectors.sqlite3", Counted()
    function, told = cached(inner, path=path, max_vectors=10_000), []

    def handler() -> None:
        texts = [f"inner {len(told)}", f"inner {len(told) // 2}"]
        told.append(right(texts, function(texts)))

    texts = [f"outer {number}" for number in range(5)]
    with watchdog(60):
        result, lines = interrupted(lambda: function(texts), handler)
    assert right(texts, result)
    assert lines > 100
    assert told == [True] * lines
    assert not function._vectors._given_up  # type: ignore[attr-defined]
    inner.asked.clear()
    assert right(texts, function(texts))
    assert inner.asked == []  # the outer call lost nothing
    assert 5 < kept(path) <= 5 + lines


def test_a_function_that_embeds_through_the_cached_one_is_remembered_on_both_levels(tmp_path: Path) -> None:
    path, inner = tmp_path / "vectors.sqlite3", Counted()
    function = cached(inner, path=path)
    depth = []

    def within(texts: list[str]) -> None:
        if len(depth) < 2:
            depth.append(texts)
            deeper = [f"{text} deeper" for text in texts]
            assert right(deeper, function(deeper))

    inner.within = within
    with watchdog(30):
        assert right(["a", "b"], function(["a", "b"]))
    assert kept(path) == 6


def test_a_collection_embeds_in_the_middle_of_its_storing_of_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, told = VectorCache._work_alone, []

    def working(self: VectorCache, work: Any) -> None:
        def inside(connection: Any) -> None:
            if not told:
                told.append([])
                told[0] = fish.query(query_texts="a question", n_results=1)["ids"]
            work(connection)

        alone(self, inside)

    with chroma_nb.PersistentClient(tmp_path) as client:
        birds = client.create_collection("birds")
        fish = client.create_collection("fish")
        fish.add(ids="cod", documents="a cod")
        monkeypatch.setattr(VectorCache, "_work_alone", working)
        with watchdog(60):
            birds.add(ids="wren", documents="a wren")
        assert told == [[["cod"]]]
        assert birds.count() == 1


def test_an_interrupt_in_the_cache_leaves_it_usable(tmp_path: Path) -> None:
    function = cached(Counted(), path=tmp_path / "vectors.sqlite3")
    function(["warm"])

    def stop() -> None:
        raise KeyboardInterrupt

    def interrupted_at(line: int) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            interrupted(lambda: function([f"text {line}"]), stop, line.__eq__)

    with watchdog(60):
        for line in range(0, lines_of(lambda: function(["counted"])), 3):
            contextvars.copy_context().run(interrupted_at, line)
            assert right([f"text {line}"], function([f"text {line}"]))


# --- The model ----------------------------------------------------------------------------------------------
#: Enough for several batches, and therefore for threads.
TEXTS = [f"{'a longer text about birds ' * (number % 7)}number {number}" for number in range(20)]


def test_the_default_model_embeds_in_the_middle_of_embedding(monkeypatch: pytest.MonkeyPatch) -> None:
    function, told = DefaultEmbeddingFunction(), []
    monkeypatch.setattr(function._minilm()._model(), "workers", 2)
    expected = np.array(function(TEXTS))
    with watchdog(120):
        lines = lines_of(lambda: function(TEXTS))
        chosen = spread(lines, 40)
        result, _ = interrupted(
            lambda: function(TEXTS), lambda: told.append(np.array(function(TEXTS[:9]))), chosen.__contains__
        )
    assert np.array_equal(np.array(result), expected)
    assert len(told) > 20
    assert all(np.allclose(one, expected[:9], atol=1e-6) for one in told)


def test_the_default_model_embeds_in_the_middle_of_being_opened() -> None:
    function, told = DefaultEmbeddingFunction(), []
    expected = function(["a wren"])[0]
    onnx_minilm._open.cache_clear()
    with watchdog(120):
        lines = lines_of(lambda: function(["a wren"]))
        onnx_minilm._open.cache_clear()
        result, _ = interrupted(
            lambda: function(["a wren"]), lambda: told.append(function(["a wren"])[0]), spread(lines, 25).__contains__
        )
    assert np.array_equal(result[0], expected)
    assert len(told) > 10
    assert all(np.array_equal(one, expected) for one in told)


def test_threads_are_not_given_work_while_python_starts_one(tmp_path: Path) -> None:
    """A lock that is common to all pools is held then: images are loaded one after the other."""
    image = pytest.importorskip("PIL.Image")
    image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(tmp_path / "dot.png")
    load, told = ImageLoader(root=tmp_path, max_workers=2), []
    with watchdog(120):
        lines = lines_of(lambda: load(["dot.png"] * 3))
        result, _ = interrupted(
            lambda: load(["dot.png"] * 3),
            lambda: told.append(load(["dot.png"] * 2)),
            spread(lines, 150).__contains__,
        )
    assert [one.shape for one in result] == [(2, 2, 3)] * 3
    assert all(len(one) == 2 for one in told)
    assert len(told) > 75


# --- Work in the background -----------------------------------------------------------------------------------
def test_work_in_the_background_is_asked_and_stopped_in_the_middle_of_a_wait() -> None:
    go, told = threading.Event(), []

    def work(report: Any) -> int:
        go.wait(60)
        return 7

    running = Background(work).start()

    def handler() -> None:
        running.on_done(lambda work: told.append(work.done))
        told.append(running.ended(0))
        running.stop()

    with watchdog(60):
        ended, lines = interrupted(lambda: running.ended(0.001), handler)
        assert (ended, lines > 10) == (False, True)
        go.set()
        assert interrupted(lambda: running.wait(30), lambda: running.done)[0] == 7
    assert told.count(True) == told.count(False) == lines

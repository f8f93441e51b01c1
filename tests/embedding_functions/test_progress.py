"""The bar: only for long work, never when switched off, one however deep the work is nested."""

import sys
import types
from typing import Any

import pytest

from chroma_nb.embedding_functions import onnx_minilm, progress
from chroma_nb.embedding_functions.base import DefaultEmbeddingFunction
from chroma_nb.embedding_functions.progress import progress_bar


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The bars that were shown; the clock moves 0.4 seconds each time it is read."""
    shown: list[Any] = []

    class Bar:
        def __init__(self, **kwargs: Any) -> None:
            self.kwargs, self.n, self.closed = kwargs, kwargs["initial"], False
            shown.append(self)

        def update(self, n: int) -> None:
            self.n += n

        def close(self) -> None:
            self.closed = True

    now = [0.0]

    def clock() -> float:
        now[0] += 0.4
        return now[0]

    monkeypatch.setitem(sys.modules, "tqdm.auto", types.SimpleNamespace(tqdm=Bar))
    # Only where the bars read it: threads of the process that wait by the clock would wait for hours.
    monkeypatch.setattr(progress, "time", types.SimpleNamespace(monotonic=clock))
    monkeypatch.setenv("CHROMA_NB_PROGRESS", "1")
    return shown


def work(steps: int, total: int | None = 100) -> None:
    with progress_bar(total, description="embedding", unit="text") as bar:
        for _ in range(steps):
            bar.update(10)


def test_short_work_shows_nothing(bars: list[Any]) -> None:
    work(2)
    assert bars == []


def test_a_share_has_no_rate(bars: list[Any]) -> None:
    for unit in ("%", "text"):
        with progress_bar(100, description="map", unit=unit) as bar:
            for _ in range(9):
                bar.update(10)
    assert [bar.kwargs["bar_format"] for bar in bars] == ["{l_bar}{bar}| {elapsed}<{remaining}", None]


def test_work_of_more_than_a_second_shows_one_bar_with_what_is_done(bars: list[Any]) -> None:
    work(10)
    (bar,) = bars
    assert bar.kwargs["initial"] == 30
    assert (bar.kwargs["total"], bar.kwargs["desc"]) == (100, "embedding")
    assert (bar.n, bar.closed) == (100, True)


def test_opening_the_model_is_nobodys_progress(bars: list[Any]) -> None:
    onnx_minilm._open.cache_clear()
    with progress_bar(4, description="all", unit="text"):
        DefaultEmbeddingFunction()(["a", "b", "c"])
    assert all(bar.n <= 3 for bar in bars)
    with progress_bar(2_000, description="download", unit="B", delay=0) as bar:
        bar.update(1_000)
    assert [bar.kwargs["unit_scale"] for bar in bars][-1] is True


def test_work_that_is_done_by_then_shows_nothing(bars: list[Any]) -> None:
    work(3, total=30)
    assert bars == []


def test_it_can_be_switched_off(bars: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMA_NB_PROGRESS", "0")
    work(10)
    assert bars == []


def test_work_within_work_shows_one_bar(bars: list[Any]) -> None:
    with progress_bar(100, description="all", unit="text"):
        work(5, total=50)
        work(5, total=50)
    (bar,) = bars
    assert (bar.kwargs["desc"], bar.kwargs["total"], bar.n) == ("all", 100, 100)


def test_a_bar_is_closed_by_an_interrupt(bars: list[Any]) -> None:
    def interrupted() -> None:
        with progress_bar(100, description="all", unit="text") as bar:
            for _ in range(5):
                bar.update(10)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert bars[0].closed

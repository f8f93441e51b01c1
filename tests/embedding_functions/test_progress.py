"""The bar: only for long work, never when switched off, one however deep the work is nested."""

import contextlib
import gc
import io
import itertools
import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chroma_nb
from chroma_nb.embedding_functions import onnx_minilm, progress
from chroma_nb.embedding_functions.default import DefaultEmbeddingFunction
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


# --- A bar that cannot be shown ---------------------------------------------------------------------------
class Raising(io.StringIO):
    def write(self, text: str) -> int:
        raise RuntimeError("no write")

    def flush(self) -> None:
        raise RuntimeError("no flush")


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


def broken_pipe() -> Any:
    reader, writer = os.pipe()
    os.close(reader)
    return open(writer, "w", buffering=1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("stderr", [lambda: None, closed, broken_pipe, Raising, object], ids=lambda make: make.__name__)
def test_a_stderr_that_cannot_be_written_ends_no_work(stderr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMA_NB_PROGRESS", "1")
    stream = stderr()
    monkeypatch.setattr(sys, "stderr", stream)
    done = 0
    with progress_bar(1_000, description="all", unit="text", delay=0) as bar:
        for _ in range(100):
            bar.update(10)
            done += 10
    progress.say("the end")
    gc.collect()
    monkeypatch.undo()
    assert (done, bar.done) == (1_000, 1_000)
    if hasattr(stream, "fileno") and not isinstance(stream, io.StringIO):
        with contextlib.suppress(OSError):
            stream.close()


@pytest.mark.parametrize("fails", ["__init__", "update", "close"])
def test_a_bar_that_raises_is_given_up_at_once(bars: list[Any], monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    tried = []

    def fail(*arguments: Any, **options: Any) -> None:
        tried.append(fails)
        raise BrokenPipeError

    monkeypatch.setattr(sys.modules["tqdm.auto"].tqdm, fails, fail)
    work(10)
    assert len(tried) == 1


def test_without_tqdm_there_is_no_bar(bars: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    work(10)
    assert bars == []


@pytest.mark.parametrize("way", ["to_jsonl", "from_jsonl", "copy"])
def test_no_work_of_a_collection_is_ended_by_its_bar(way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = itertools.count()
    monkeypatch.setattr(progress, "time", types.SimpleNamespace(monotonic=lambda: next(now)))
    monkeypatch.setenv("CHROMA_NB_PROGRESS", "1")
    ids = [str(number) for number in range(300)]
    with chroma_nb.EphemeralClient() as client:
        source = client.create_collection("bars", embedding_function=None)
        source.add(ids=ids, embeddings=np.eye(300, 8, dtype=np.float32))
        made = source
        monkeypatch.setattr(sys, "stderr", Raising())
        try:
            if way == "copy":
                made = chroma_nb.copy(source, client, "bars-copied", batch_size=10).collection
            else:
                assert source.to_jsonl(tmp_path / "all.jsonl", batch_size=10) == 300
            if way == "from_jsonl":
                made = client.create_collection("bars-again", embedding_function=None)
                made.from_jsonl(tmp_path / "all.jsonl", batch_size=10)
        finally:
            monkeypatch.undo()
        assert made.count() == 300
        for collection in client.list_collections():
            client.delete_collection(collection.name)

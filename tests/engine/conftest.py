"""Engines to test: in memory and on disk; with hnswlib and without."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_samples import quick_directory

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.index.hnsw import HnswIndex
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.search import planner


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory where many databases are quickly made."""
    directory = quick_directory("engine")
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(params=["memory", "disk"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A new engine."""
    engine = SharedEngine.open(None if request.param == "memory" else tmp_path / "db")
    yield engine
    engine.close()


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[Engine]:
    """A new engine with a directory."""
    engine = SharedEngine.open(tmp_path / "db")
    yield engine
    engine.close()


@pytest.fixture(params=["with hnswlib", "without hnswlib"])
def hnswlib(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether hnswlib can be used; where it can, small collections get graphs too, at their first query."""
    if request.param == "without hnswlib":
        monkeypatch.setenv("CHROMA_NB_NO_HNSW", "1")
        return False
    monkeypatch.delenv("CHROMA_NB_NO_HNSW", raising=False)
    if not HnswIndex.available():
        pytest.skip("hnswlib is not installed")
    monkeypatch.setattr(planner, "SMALLEST_GRAPH_BYTES", 0)
    monkeypatch.setattr(planner, "SHARE_OF_BUILD", 0.0)
    return True

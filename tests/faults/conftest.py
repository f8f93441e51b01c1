"""Faults to inject, and a place where many databases are quickly made."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_samples import quick_directory
from failing_steps import steps

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.opening import SharedEngine

__all__ = ["on_disk", "steps", "tmp_path"]


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[Engine]:
    """A new engine with a directory."""
    engine = SharedEngine.open(tmp_path / "db")
    yield engine
    engine.close()


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory where many databases are quickly made."""
    directory = quick_directory("faults")
    yield directory
    shutil.rmtree(directory, ignore_errors=True)

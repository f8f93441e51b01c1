"""Faults to inject, and a place where many databases are quickly made."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from failing_steps import steps

from chroma_nb.engine.engine import Engine

__all__ = ["in_ram", "on_disk", "steps"]


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[Engine]:
    """A new engine with a directory."""
    engine = Engine.open(tmp_path / "db")
    yield engine
    engine.close()


@pytest.fixture
def in_ram(tmp_path: Path) -> Iterator[Path]:
    """A directory whose syncs cost nothing, where there is one."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    directory = Path(tempfile.mkdtemp(prefix="chroma_nb-faults-", dir="/dev/shm"))
    yield directory
    shutil.rmtree(directory)

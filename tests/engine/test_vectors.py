"""Vectors at rest: append-only rows, seen through a map."""

from __future__ import annotations

import gc
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from engine_samples import vectors

from chroma_nb.engine.storage.vectors import MemoryVectors, VectorFile, VectorStore, checksums_of, norms_of
from chroma_nb.errors import InternalError

Maker = Callable[[int], VectorStore]


@pytest.fixture(params=["memory", "mapped", "read"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorStore]:
    """Each kind of store."""
    if request.param == "memory":
        yield MemoryVectors(8)
        return
    store = VectorFile.open(tmp_path / "v" / "a.f32", 8, create=True, mapped=request.param == "mapped")
    yield store
    store.close()


def test_what_is_written_is_seen(store: VectorStore) -> None:
    rows = vectors(100)
    store.write(0, rows[:3])
    assert (store.view(3) == rows[:3]).all()
    store.write(3, rows[3:])
    assert (store.view(100) == rows).all()
    assert store.view(5).shape == (5, 8)


def test_older_views_stay_valid_while_the_store_grows(store: VectorStore) -> None:
    rows = vectors(2000)
    store.write(0, rows[:10])
    old = store.view(10)
    for start in range(10, 2000, 199):
        store.write(start, rows[start : start + 199])
        store.view(min(start + 199, 2000))
    assert (old == rows[:10]).all()


def test_a_view_cannot_be_written(store: VectorStore) -> None:
    if isinstance(store, MemoryVectors):
        pytest.skip("an array in memory has one owner")
    store.write(0, vectors(3))
    if store._mapped:
        with pytest.raises(ValueError, match="read-only"):
            store.view(3)[0, 0] = 1


def test_rows_of_another_memory_layout_are_written_as_they_read(store: VectorStore) -> None:
    rows = np.asfortranarray(vectors(20)[::2])
    store.write(0, rows)
    assert (store.view(10) == rows).all()


def test_a_file_that_is_too_short_is_an_error_that_names_what_is_lost(tmp_path: Path) -> None:
    store = VectorFile.open(tmp_path / "a.f32", 8, create=True)
    store.write(0, vectors(10))
    with pytest.raises(InternalError, match=r"holds 10 vectors, but the database expects 12.*from slot 10 on are lost"):
        store.view(12)
    assert store.view(10).shape == (10, 8)
    store.close()


def test_a_live_file_is_never_truncated(tmp_path: Path) -> None:
    store = VectorFile.open(tmp_path / "a.f32", 8, create=True)
    store.write(0, vectors(100))
    store.close()
    again = VectorFile.open(tmp_path / "a.f32", 8, create=True)
    again.write(3, vectors(2, seed=1))
    assert (tmp_path / "a.f32").stat().st_size == 100 * 8 * 4
    assert (again.view(100)[5:] == vectors(100)[5:]).all()
    again.close()


def test_a_file_that_is_not_there_is_not_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        VectorFile.open(tmp_path / "a.f32", 8, create=False)
    assert not (tmp_path / "a.f32").exists()


def test_a_store_that_nobody_holds_gives_its_descriptor_back(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    store = VectorFile.open(tmp_path / "a.f32", 8, create=True)
    store.write(0, vectors(4))
    view = store.view(4)
    del store
    assert (view == vectors(4)).all()
    del view  # a map has a descriptor of its own
    gc.collect()
    assert set(os.listdir("/proc/self/fd")) <= before


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = VectorFile.open(tmp_path / "a.f32", 8, create=True)
    store.close()
    store.close()
    with pytest.raises(InternalError, match="was closed"):
        store.write(0, vectors(1))


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e30])
def test_norms_are_computed_in_float64(scale: float) -> None:
    rows = (vectors(5000) * np.float32(scale)).astype(np.float32)
    expected = np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1))
    assert np.allclose(norms_of(rows), expected, rtol=1e-14, atol=0)


def test_checksums_are_of_the_bytes_in_the_file() -> None:
    rows = vectors(7)
    assert checksums_of(rows) == [zlib.crc32(row.astype("<f4").tobytes()) for row in rows]
    assert checksums_of(rows[::2]) == checksums_of(rows)[::2]

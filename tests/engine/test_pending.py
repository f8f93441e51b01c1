"""Rows that no sync covers yet: kept in the database with what names them, and put back at the next opening."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from uuid import UUID

import pytest
from engine_samples import contents, create, numbered

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.storage import pending
from chroma_nb.errors import InternalError


def count(engine: Engine) -> int:
    statement = "SELECT count(*) FROM pending_vectors"
    return int(engine.transactions.read(lambda connection: connection.execute(statement).fetchone())[0])


def opened(path: Path, durability: str = "process") -> tuple[Engine, UUID]:
    engine = SharedEngine.open(path, durability=durability)  # type: ignore[arg-type]
    return engine, create(engine)


def test_rows_whose_file_was_lost_are_put_back_at_the_next_opening(tmp_path: Path) -> None:
    engine, collection = opened(tmp_path)
    engine.add(collection, numbered(0, 3))
    engine.upsert(collection, numbered(2, 3, version=1))
    before = contents(engine, collection)
    engine.close()
    (file,) = (tmp_path / "vectors").iterdir()
    file.unlink()
    engine = SharedEngine.open(tmp_path)
    assert contents(engine, collection) == before
    assert engine.verify() == []
    assert count(engine) == 0
    engine.close()


def test_rows_are_kept_until_the_file_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, collection = opened(tmp_path)
    engine.add(collection, numbered(0, 2))
    engine.add(collection, numbered(2, 2))
    assert count(engine) == 2
    monkeypatch.setattr(pending, "LARGEST", 4 * 8 * 5)
    engine.add(collection, numbered(4, 2))
    assert count(engine) == 0
    engine.add(collection, numbered(10, 6))  # one call that is larger
    assert count(engine) == 0
    assert engine.verify() == []
    engine.close()


def test_durability_power_keeps_none_and_takes_care_of_what_others_kept(tmp_path: Path) -> None:
    engine, collection = opened(tmp_path)
    other = Engine(tmp_path, durability="power")
    engine.add(collection, numbered(0, 2))
    other.add(collection, numbered(2, 2))
    assert count(engine) == 0
    other.close()
    engine.close()


def test_a_compaction_and_a_deletion_leave_none(tmp_path: Path) -> None:
    engine, collection = opened(tmp_path)
    other = create(engine, "other")
    engine.add(collection, numbered(0, 4))
    engine.add(other, numbered(0, 4))
    engine.delete(collection, ["r1"], None)
    assert engine.compact(collection)
    assert count(engine) == 1
    engine.delete_collection("other", "default_tenant", "default_database")
    assert count(engine) == 0
    engine.close()


def test_without_room_to_put_them_back_reading_goes_on_and_writing_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, collection = opened(tmp_path)
    engine.add(collection, numbered(0, 3))
    before = contents(engine, collection)
    engine.close()
    (file,) = (tmp_path / "vectors").iterdir()
    file.write_bytes(bytes(3 * 32))  # long enough, but the rows never reached the disk

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        engine = SharedEngine.open(tmp_path)
        assert engine.get(collection, None, None, None, None, ())["ids"] == ["r0", "r1", "r2"]
        for write in (lambda: engine.delete(collection, ["r0"], None), lambda: engine.compact(collection)):
            with pytest.raises(InternalError, match="No space left"):
                write()
    assert count(engine) == 1
    engine.compact(collection)
    assert contents(engine, collection) == before
    assert engine.verify() == []
    engine.close()


def test_rows_that_belong_nowhere_are_not_written(tmp_path: Path) -> None:
    engine, collection = opened(tmp_path)
    engine.add(collection, numbered(0, 2))
    wrong = [(1 << 50, bytes(32)), (2, bytes(32)), (-1, bytes(32)), (0, bytes(31))]
    statement = "INSERT OR REPLACE INTO pending_vectors VALUES (1, ?, ?)"
    engine.transactions.write(lambda connection: connection.executemany(statement, wrong))
    engine.close()
    engine = SharedEngine.open(tmp_path)
    assert engine.verify() == []
    assert (next((tmp_path / "vectors").iterdir())).stat().st_size == 2 * 32
    engine.close()

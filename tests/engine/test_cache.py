"""Files of every kind in ``cache/`` are found and dropped together, and given up together on a full disk."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from engine_samples import agree, create, numbered

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.storage.room import RESERVE_NAME
from chroma_nb.engine.transactions.cache import Cache
from chroma_nb.errors import InternalError, _NoRoomError


@pytest.fixture
def collection(tmp_path: Path) -> UUID:
    """A collection in a closed directory whose graph, codes and rows are in the cache."""
    pytest.importorskip("hnswlib")
    engine = SharedEngine.open(tmp_path / "db")
    collection = create(engine)
    engine.add(collection, numbered(0, 200))
    assert engine.build_graph(collection)
    engine.close()
    for kind in ("codes", "rows"):
        (tmp_path / "db" / "cache" / f"{collection}.0.{kind}").write_bytes(b"small collections have none")
    assert kinds(tmp_path / "db" / "cache") == [".codes", ".hnsw", ".json", ".rows"]
    return collection


def kinds(cache: Path) -> list[str]:
    return sorted(path.suffix for path in cache.iterdir())


@pytest.mark.parametrize("way", ["sweep", "drop", "clear"])
def test_files_of_every_kind_go_together(tmp_path: Path, collection: UUID, way: str) -> None:
    cache = Cache(tmp_path / "db" / "cache")
    cache.sweep({str(collection): 0})
    cache.drop(str(collection), before=0)
    assert len(kinds(cache.directory)) == 4
    assert cache.has_files()
    if way == "sweep":
        cache.sweep({str(collection): 1})
    else:
        assert cache.drop(str(collection)) if way == "drop" else cache.clear()
    assert kinds(cache.directory) == []
    assert not cache.has_files()
    assert not cache.drop(str(collection))
    assert not cache.clear()


@pytest.mark.parametrize("reserve", [True, False])
@pytest.mark.parametrize("kind", [".hnsw", ".codes", ".rows"])
def test_on_a_full_disk_opening_gives_up_the_reserve_and_then_all_that_can_be_made_again(
    tmp_path: Path, collection: UUID, monkeypatch: pytest.MonkeyPatch, kind: str, reserve: bool
) -> None:
    directory = tmp_path / "db"
    if not reserve:
        (directory / RESERVE_NAME).unlink()
    prepare = Engine._prepare

    def without_room(engine: Engine, mapped: bool) -> None:
        if kind in kinds(directory / "cache"):
            raise _NoRoomError("no space left on device")
        prepare(engine, mapped)

    monkeypatch.setattr(Engine, "_prepare", without_room)
    engine = SharedEngine.open(directory)
    assert len(agree(engine, collection)) == 200
    engine.close()


def test_where_the_reserve_is_enough_nothing_else_is_given_up(
    tmp_path: Path, collection: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = Engine._prepare

    def without_room(engine: Engine, mapped: bool) -> None:
        if (tmp_path / "db" / RESERVE_NAME).exists():
            raise _NoRoomError("no space left on device")
        prepare(engine, mapped)

    monkeypatch.setattr(Engine, "_prepare", without_room)
    SharedEngine.open(tmp_path / "db").close()
    assert len(kinds(tmp_path / "db" / "cache")) == 4


def test_where_nothing_is_enough_opening_says_so(
    tmp_path: Path, collection: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_room(engine: Engine, mapped: bool) -> None:
        raise _NoRoomError("no space left on device")

    monkeypatch.setattr(Engine, "_prepare", without_room)
    with pytest.raises(InternalError, match="no space left"):
        SharedEngine.open(tmp_path / "db")

"""Codes in an engine: made in the background, kept in the cache, told by explain, gone with what they belong to."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from engine_samples import create, nearest, numbered, records

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.index import certified, code_files, codes, int8_products
from chroma_nb.engine.index.hnsw import HnswIndex
from chroma_nb.engine.memory.collection import CollectionInMemory
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.search import index_builder, planner
from chroma_nb.engine.transactions import maintenance
from chroma_nb.errors import InternalError

ROWS, COUNT, DIMENSION = 256, 900, 40

pytestmark = pytest.mark.skipif(not int8_products.available(), reason="numkong is not installed")


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (codes, code_files, index_builder):
        monkeypatch.setattr(module, "BLOCK_ROWS", ROWS)
    for name in ("FEWEST_ROWS", "FEWEST_ROWS_FOR_A_BATCH"):
        monkeypatch.setattr(certified, name, 1)
    monkeypatch.setattr(certified, "FEW_ALLOWED", 10)
    monkeypatch.setattr(certified, "rows_per_result", lambda queries, *, gathered: 1)
    monkeypatch.setattr(certified, "_LONGEST_WAIT", 0.0)  # no search makes codes: the background does
    monkeypatch.setattr(planner, "BATCH_ROWS", 500)
    monkeypatch.setattr(index_builder, "IDLE_SECONDS", 0.0)


def given(count: int = COUNT, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)


def filled(engine: Engine, name: str = "papers", first: int = 0, vectors: np.ndarray | None = None) -> UUID:
    matrix = given() if vectors is None else vectors
    collection = create(engine, name, space="cosine")
    ids = [f"r{number}" for number in range(first, first + len(matrix))]
    engine.add(collection, records(ids, matrix, metadatas=[{"even": number % 2 == 0} for number in range(len(ids))]))
    return collection


def told(engine: Engine, collection: UUID, count: int = 1, k: int = 5) -> dict:
    return engine.explain(collection, given(count, seed=5), k, None, None, ())


def answers(engine: Engine, collection: UUID) -> list[list[str]]:
    return [nearest(engine, collection, query, 7) for query in given(5, seed=9)]


def let_code(engine: Engine, *collections: UUID) -> None:
    """Wait for the background, which a query has told that there are vectors."""
    for collection in collections:
        answers(engine, collection)
    assert engine.builder.wait(60)


def in_cache(directory: Path) -> list[Path]:
    return sorted((directory / "cache").glob("*.codes"))


def test_searches_go_by_codes_once_the_background_has_made_them(engine: Engine) -> None:
    collection = filled(engine)
    expected = answers(engine, collection)
    let_code(engine, collection)
    for count in (1, 2, 20):
        explained = told(engine, collection, count)
        assert explained["method"] == "codes"
        assert explained["exact"] is True
    assert answers(engine, collection) == expected


def test_where_codes_narrow_nothing_explain_says_so_and_a_graph_is_built(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not HnswIndex.available():
        pytest.skip("hnswlib is not installed")
    monkeypatch.setattr(certified, "NARROWED", 0)
    monkeypatch.setattr(certified, "LARGEST_LEFT", 0.0)
    monkeypatch.setattr(planner, "SMALLEST_GRAPH_BYTES", 0)
    collection = filled(engine)
    engine.builder.wait(60)
    let_code(engine, collection)
    assert told(engine, collection)["method"] == "scan"
    assert told(engine, collection)["reason"] == "codes left too many records to measure"
    monkeypatch.setattr(planner, "SHARE_OF_BUILD", 0.0)
    for _ in range(4):
        answers(engine, collection)
    assert engine.builder.wait(60)
    assert told(engine, collection)["method"] == "graph"


def test_beside_codes_a_graph_is_built_only_when_searches_have_paid_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not HnswIndex.available():
        pytest.skip("hnswlib is not installed")
    monkeypatch.setattr(planner, "SMALLEST_GRAPH_BYTES", 0)
    monkeypatch.setattr(planner, "CODED_ROWS", 1)
    monkeypatch.setattr(planner, "CODED_SHARE", 1.0)
    monkeypatch.setattr(planner, "SHARE_OF_BUILD", 1e9)
    engine = SharedEngine.open(tmp_path / "db")
    collection = filled(engine)
    let_code(engine, collection)
    told(engine, collection, 20)  # idle, and asked in batches: no graph would be of use
    assert engine.builder.wait(60)
    assert told(engine, collection)["method"] == "codes"
    assert told(engine, collection)["index"] == "exact"
    monkeypatch.setattr(planner, "SHARE_OF_BUILD", 0.0)
    answers(engine, collection)
    assert engine.builder.wait(60)
    assert told(engine, collection)["method"] == "graph"
    assert told(engine, collection, 3)["method"] == "codes"

    monkeypatch.setattr(planner, "SHARE_OF_BUILD", 1e9)  # it was paid for: it is built again when it is outdated
    monkeypatch.setattr(planner, "SMALLEST_TAIL", 10)
    engine.add(collection, records([f"n{number}" for number in range(COUNT)], given(seed=3)))
    assert engine.builder.wait(60)
    assert told(engine, collection)["index"] == f"hnsw over {2 * COUNT} of {2 * COUNT} records"
    engine.delete(collection, [f"r{number}" for number in range(COUNT // 2)], None)
    assert engine.compact(collection)
    assert engine.builder.wait(60)
    assert told(engine, collection)["method"] == "graph"
    engine.close()
    if not list((tmp_path / "db" / "cache").glob("*.json")):
        pytest.skip("this hnswlib's graphs are not stored")

    engine = SharedEngine.open(tmp_path / "db")  # one that is there costs nothing: it is loaded
    answers(engine, collection)
    assert engine.builder.wait(60)
    assert told(engine, collection)["method"] == "graph"
    engine.close()


def test_without_the_library_everything_is_scanned(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = filled(engine, "with")
    let_code(engine, collection)
    expected = answers(engine, collection)
    monkeypatch.setenv("CHROMA_NB_NO_CODES", "1")
    other = filled(engine, "without")
    let_code(engine, other)
    assert told(engine, other)["method"] == "scan"
    assert answers(engine, other) == answers(engine, collection) == expected


def test_codes_are_kept_and_followed_by_what_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SharedEngine.open(tmp_path / "db")
    collection = filled(engine)
    let_code(engine, collection)
    assert len(in_cache(tmp_path / "db")) == 1
    engine.delete(collection, [f"r{number}" for number in range(0, 100, 3)], None)
    expected = answers(engine, collection)
    engine.close()
    monkeypatch.setattr(certified.CertifiedIndex, "_frame", lambda self, vectors: pytest.fail("made anew"))
    engine = SharedEngine.open(tmp_path / "db")
    assert answers(engine, collection) == expected
    assert engine.builder.wait(60)
    assert told(engine, collection)["method"] == "codes"
    assert answers(engine, collection) == expected
    before = in_cache(tmp_path / "db")[0].stat().st_size
    more = given(700, seed=3)
    engine.add(collection, records([f"n{number}" for number in range(700)], more))
    assert nearest(engine, collection, more[650], 1) == ["n650"]
    assert engine.builder.wait(60)
    assert told(engine, collection)["method"] == "codes"
    assert nearest(engine, collection, more[650], 1) == ["n650"]
    assert in_cache(tmp_path / "db")[0].stat().st_size > before
    engine.close()


def test_a_file_that_was_just_read_whole_is_not_read_again_to_be_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = SharedEngine.open(tmp_path / "db")
    collection = filled(engine)
    let_code(engine, collection)
    engine.close()
    saved = []
    monkeypatch.setattr(code_files, "_append", lambda *given: saved.append(given))
    engine = SharedEngine.open(tmp_path / "db")
    answers(engine, collection)
    assert engine.builder.wait(60)
    assert told(engine, collection)["method"] == "codes"
    assert saved == []
    engine.close()


@pytest.mark.parametrize("damage", ["a byte", "half of it", "of other vectors"])
def test_a_damaged_file_is_made_again(damage: str, tmp_path: Path) -> None:
    engine = SharedEngine.open(tmp_path / "db")
    collection = filled(engine)
    other = filled(engine, "others", vectors=given(seed=8))
    let_code(engine, collection, other)
    expected = answers(engine, collection)
    engine.close()
    (path,) = [path for path in in_cache(tmp_path / "db") if path.name.startswith(str(collection))]
    (theirs,) = [path for path in in_cache(tmp_path / "db") if path.name.startswith(str(other))]
    whole = path.read_bytes()
    wrong = {
        "a byte": whole[:9000] + bytes([whole[9000] ^ 1]) + whole[9001:],
        "half of it": whole[: len(whole) // 2],
        "of other vectors": theirs.read_bytes(),
    }
    path.write_bytes(wrong[damage])
    engine = SharedEngine.open(tmp_path / "db")
    assert answers(engine, collection) == expected
    assert engine.builder.wait(60)
    assert told(engine, collection)["method"] == "codes"
    assert answers(engine, collection) == expected
    assert path.stat().st_size == len(whole)
    engine.close()


def test_codes_go_with_their_collection_and_their_generation(tmp_path: Path) -> None:
    engine = SharedEngine.open(tmp_path / "db")
    collection, other = filled(engine), filled(engine, "others")
    let_code(engine, collection, other)
    assert len(in_cache(tmp_path / "db")) == 2
    engine.delete(collection, [f"r{number}" for number in range(300)], None)
    expected = answers(engine, collection)
    assert engine.compact(collection)
    assert answers(engine, collection) == expected
    engine.builder.wait(60)
    names = [path.name for path in in_cache(tmp_path / "db")]
    assert f"{collection}.0.codes" not in names
    assert any(name.startswith(str(other)) for name in names)
    engine.close()


def test_codes_are_made_where_the_file_of_rows_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise InternalError("busy")

    engine = SharedEngine.open(tmp_path)
    monkeypatch.setattr(engine.maintenance, "store_rows", failing)
    monkeypatch.setattr(CollectionInMemory, "lacks_stored_rows", lambda memory: True)
    monkeypatch.setattr(maintenance, "lacks_codes", lambda row, memory: True)
    built: list[UUID] = []
    monkeypatch.setattr(engine.maintenance, "build_codes", lambda collection, cancelled: built.append(collection))
    collection = create(engine)
    engine.add(collection, numbered(0, 3))
    engine.maintenance.build_indexes(collection, lambda: False)
    assert set(built) == {collection}
    engine.close()

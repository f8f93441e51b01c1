"""From a plan to an answer: every method gives the same, and only what was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from engine_samples import EVERYTHING, create, nearest, numbered, numbered_vector, records, vectors

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.filters import selection
from chroma_nb.engine.index.hnsw import HnswIndex
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.search import planner
from chroma_nb.query.parsing import parse_where, parse_where_document


@pytest.fixture
def filled(engine: Engine):
    """600 records with holes, of which a third has a document."""
    collection = create(engine)
    given = vectors(600, 12)
    engine.add(
        collection,
        records(
            [f"r{row}" for row in range(600)],
            given,
            [f"text {row}" if row % 3 == 0 else None for row in range(600)],
            [{"number": row, "even": row % 2 == 0} for row in range(600)],
            [f"https://example.org/{row}" if row % 5 == 0 else None for row in range(600)],
        ),
    )
    engine.delete(collection, [f"r{row}" for row in range(0, 600, 10)], None)
    return engine, collection, given


@pytest.mark.parametrize("limit", [3, 30, 250, 500])
def test_each_method_finds_the_same(filled, hnswlib: bool, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    engine, collection, given = filled
    where = parse_where({"number": {"$lt": limit}})
    nearest(engine, collection, given[3], 5)
    assert engine.builder.wait(60)
    answers, methods = [], set()
    ways = (
        {"GATHER_SHARE": 2.0, "FILTER_SHARE": 2.0},
        {"GATHER_SHARE": 0.0, "FILTER_SHARE": 2.0},
        {"GATHER_SHARE": 0.0, "FILTER_SHARE": 0.0, "LARGEST_SHARE": 9.0, "ALWAYS_EXACT": 0},
    )
    for way in ways:
        with monkeypatch.context() as patch:
            for name, value in way.items():
                patch.setattr(planner, name, value)
            answers.append([nearest(engine, collection, query, 5, filter=where) for query in given[:20]])
            methods.add(engine.explain(collection, given[:1], 5, None, where, ())["method"])
    assert answers[0] == answers[1] == answers[2]
    assert methods == ({"gather", "scan", "graph, then filter"} if hnswlib else {"gather", "scan"})


def test_a_filter_that_disagrees_with_the_graph_is_answered_all_the_same(
    engine: Engine, hnswlib: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All allowed records lie far from the query: a graph alone would come back with few."""
    for name, value in {"ALWAYS_EXACT": 0, "LARGEST_SHARE": 9.0}.items():
        monkeypatch.setattr(planner, name, value)
    collection = create(engine)
    near, far = vectors(500, 8) * 0.01, vectors(200, 8, seed=1) + 100
    engine.add(
        collection,
        records(
            [f"r{row}" for row in range(700)],
            np.concatenate([near, far]),
            metadatas=[{"far": row >= 500} for row in range(700)],
        ),
    )
    nearest(engine, collection, near[0], 3)
    assert engine.builder.wait(60)
    found = nearest(engine, collection, near[0], 10, filter=parse_where({"far": True}))
    distances = ((far.astype(np.float64) - near[0]) ** 2).sum(axis=1)
    assert found == [f"r{500 + row}" for row in np.argsort(distances, kind="stable")[:10].tolist()]
    told = engine.explain(collection, near[:1], 10, None, parse_where({"far": True}), ())
    assert told["exact"]
    assert told.get("scanned_instead", 0) == (1 if hnswlib else 0)


@pytest.mark.parametrize("include", [(), ("documents",), ("distances",), ("uris", "metadatas"), ("embeddings",)])
def test_only_what_was_asked_for_is_there(filled, include: tuple[str, ...]) -> None:
    engine, collection, given = filled
    found = engine.query(collection, given[:2], 4, None, None, include)
    for name in ("documents", "metadatas", "uris", "embeddings", "distances"):
        assert (found[name] is not None) is (name in include)
    assert [len(ids) for ids in found["ids"]] == [4, 4]
    if "distances" not in include:
        got = engine.get(collection, ["r1"], None, None, None, include)
        for name in ("documents", "metadatas", "uris", "embeddings"):
            assert (got[name] is not None) is (name in include)


def test_every_field_of_an_answer_is_its_records(filled) -> None:
    engine, collection, given = filled
    found = engine.query(collection, given[[3, 30]], 50, None, None, (*EVERYTHING, "distances"))
    for place, query in enumerate(given[[3, 30]]):
        for rank, ident in enumerate(found["ids"][place]):
            row = int(ident[1:])
            assert found["documents"][place][rank] == (f"text {row}" if row % 3 == 0 else None)
            assert found["uris"][place][rank] == (f"https://example.org/{row}" if row % 5 == 0 else None)
            assert found["metadatas"][place][rank] == {"number": row, "even": row % 2 == 0}
            assert (found["embeddings"][place][rank] == given[row].astype(np.float64)).all()
            expected = ((given[row].astype(np.float64) - query) ** 2).sum()
            assert found["distances"][place][rank] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("limit", "offset"), [(None, None), (10, None), (10, 5), (None, 530), (3, 10**6), (0, 0)])
def test_limit_and_offset_cut_what_matches(
    filled, limit: int | None, offset: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, collection, _ = filled
    monkeypatch.setattr(selection, "_FIRST_BLOCK", 64)  # the filter is evaluated block by block
    where = parse_where({"even": True})
    every = engine.get(collection, None, where, None, None, ())["ids"]
    assert every == [f"r{row}" for row in range(0, 600, 2) if row % 10]
    assert engine.get(collection, None, where, limit, offset, ())["ids"] == every[offset or 0 :][:limit]


def test_documents_are_looked_at_where_metadata_allows(filled) -> None:
    engine, collection, _ = filled
    text = parse_where_document({"$contains": "text 3"})
    found = engine.get(collection, None, text, None, None, ())["ids"]
    assert found == [f"r{row}" for row in range(600) if row % 3 == 0 and row % 10 and str(row).startswith("3")]


def test_explain_tells_how(filled, hnswlib: bool) -> None:
    engine, collection, given = filled
    told = engine.explain(collection, given[:1], 5, None, parse_where({"even": True}), ())
    assert told["records"] == 540
    assert told["allowed"] == 240
    assert told["exact"] is True
    assert told["results"] == [5]
    assert told["method"] == "scan"
    assert told["total_ms"] >= told["search_ms"] >= 0


def test_ef_search_that_the_user_set_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not HnswIndex.available():
        pytest.skip("hnswlib is not installed")
    engine = SharedEngine.open(tmp_path / "db")
    for name, given, expected in (("unset", {}, 200), ("set", {"ef_search": 37}, 37)):
        collection = create(engine, name, **given)
        engine.add(collection, numbered(0, 300))
        assert engine.build_graph(collection)
        asked = np.array([numbered_vector(3)], np.float32)
        assert engine.explain(collection, asked, 3, None, None, ())["ef"] == expected
    engine.close()


def test_twins_are_all_found(engine: Engine, hnswlib: bool) -> None:
    """Each distinct vector stands in the graph once; its records are all in the answer, in get() order."""
    collection = create(engine)
    engine.add(collection, numbered(0, 300))
    engine.add(collection, records([f"twin{row}" for row in range(8)], [numbered_vector(7)] * 8))
    nearest(engine, collection, numbered_vector(3), 3)
    assert engine.builder.wait(60)
    expected = ["r7", *(f"twin{row}" for row in range(8))]
    assert nearest(engine, collection, numbered_vector(7), 9) == expected
    engine.delete(collection, ["r7", "twin3"], None)
    assert nearest(engine, collection, numbered_vector(7), 7) == [f"twin{row}" for row in (0, 1, 2, 4, 5, 6, 7)]

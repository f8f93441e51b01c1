"""Records that have lost their vector: there for everything but a search, until they are given one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from engine_samples import PLACE, create, records, vectors

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.search import planner
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.query.parsing import parse_where
from chroma_nb.records import Records

DIMENSION = 8
LOST = None


@pytest.fixture(params=["memory", "disk"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = SharedEngine.open(None if request.param == "memory" else tmp_path / "db")
    yield engine
    engine.close()


def adopted(ids: list[str], wanted: dict[str, Any]) -> Records:
    """Records of these ids, with the vectors that ``wanted`` has."""
    there = np.array([wanted[one] is not LOST for one in ids])
    rows = [wanted[one] if wanted[one] is not LOST else np.zeros(DIMENSION, np.float32) for one in ids]
    return Records(
        ids=ids,
        embeddings=np.array(rows, np.float32),
        documents=[f"text of {one}" for one in ids],
        metadatas=[{"number": int(one[1:])} for one in ids],
        has_embedding=there,
    )


def check(engine: Engine, collection: UUID, wanted: dict[str, Any]) -> None:
    """Everything is found by get and filters, and a search gives exactly those that have a vector, in order."""
    got = engine.get(collection, None, None, None, None, ("embeddings", "documents"))
    assert got["ids"] == list(wanted)
    assert got["documents"] == [f"text of {one}" for one in wanted]
    assert engine.count(collection) == len(wanted)
    for row, one in zip(got["embeddings"], wanted, strict=True):
        if wanted[one] is LOST:
            assert np.isnan(row).all()
        else:
            assert row.astype(np.float32).tobytes() == wanted[one].tobytes()
    even = parse_where({"number": {"$in": [int(one[1:]) for one in wanted if int(one[1:]) % 2 == 0]}})
    assert engine.get(collection, None, even, None, None, ())["ids"] == [one for one in wanted if int(one[1:]) % 2 == 0]
    query = np.ones((1, DIMENSION), np.float32)
    for where, among in ((None, list(wanted)), (even, [one for one in wanted if int(one[1:]) % 2 == 0])):
        have = [one for one in among if wanted[one] is not LOST]
        distances = [float(((wanted[one].astype(np.float64) - 1) ** 2).sum()) for one in have]
        nearest = [have[place] for place in np.argsort(distances, kind="stable")]
        for count in (3, len(wanted) + 1):
            found = engine.query(collection, query, count, None, where, ("distances",))
            assert found["ids"] == [nearest[:count]]
            assert found["distances"] is not None
            assert np.isfinite(found["distances"][0]).all()
    said = [text for text in engine.verify() if "no vector" in text]
    assert len(said) == len(engine.verify()) == any(vector is LOST for vector in wanted.values())


@pytest.mark.parametrize("offset", [0.0, 100.0], ids=["around the origin", "far from it"])
@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_done_with_them_all_but_a_search_finds_them(engine: Engine, offset: float, seed: int) -> None:
    chance = random.Random(seed)
    given = vectors(2000, DIMENSION, seed) + np.float32(offset)
    collection, wanted, number = create(engine), dict[str, Any](), 0

    def some(count: int) -> list[str]:
        return sorted(chance.sample(list(wanted), min(count, len(wanted))), key=list(wanted).index)

    for step in range(30):
        kind = (
            "adopt" if step == 0 else chance.choice(["adopt", "add", "update", "upsert", "delete", "compact", "text"])
        )
        if kind in ("adopt", "add"):
            ids = [f"r{number + place}" for place in range(40)]
            share = chance.choice([0.0, 0.5, 1.0]) if kind == "adopt" else 0.0
            for one in ids:
                wanted[one] = LOST if chance.random() < share else given[number]
                number += 1
            (engine.adopt if kind == "adopt" else engine.add)(collection, adopted(ids, wanted))
        elif kind in ("update", "upsert"):
            ids = some(10)
            for one in ids:
                wanted[one] = given[number]
                number += 1
            getattr(engine, kind)(collection, records(ids, [wanted[one] for one in ids]))
        elif kind == "text":
            ids = some(10)
            engine.update(collection, records(ids, metadatas=[{"more": step} for _ in ids]))
        elif kind == "delete":
            ids = some(15)
            for one in ids:
                del wanted[one]
            engine.delete(collection, ids, None)
        else:
            engine.compact(collection)
        check(engine, collection, wanted)


def test_they_are_the_same_to_another_engine_and_after_opening_again(tmp_path: Path) -> None:
    wanted = {f"r{number}": LOST if number % 3 else vector for number, vector in enumerate(vectors(90, DIMENSION))}
    engine = SharedEngine.open(tmp_path / "db")
    collection = create(engine)
    engine.adopt(collection, adopted(list(wanted)[:60], wanted))
    check(engine, collection, {one: wanted[one] for one in list(wanted)[:60]})
    engine.transactions.memories.clear()  # as another process, which loads what is there, and then follows
    check(engine, collection, {one: wanted[one] for one in list(wanted)[:60]})
    number = next(iter(engine.transactions.memories))
    before = engine.transactions.memories[number].seq
    engine.adopt(collection, adopted(list(wanted)[60:], wanted))
    wanted["r1"] = np.full(DIMENSION, 0.25, np.float32)
    engine.update(collection, records(["r1"], [wanted["r1"]]))
    assert engine.transactions.memories[number].seq == before + 2
    check(engine, collection, wanted)
    engine.close()
    engine = SharedEngine.open(tmp_path / "db")
    check(engine, collection, wanted)
    engine.vacuum()
    check(engine, collection, wanted)
    engine.close()


def test_a_graph_holds_none_of_them(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hnswlib")
    monkeypatch.setattr(planner, "SMALLEST_GRAPH_BYTES", 0)
    monkeypatch.setattr(planner, "LARGEST_SHARE", 1.0)
    wanted = {f"r{number}": LOST if number % 2 else vector for number, vector in enumerate(vectors(800, DIMENSION))}
    collection = create(engine)
    engine.adopt(collection, adopted(list(wanted), wanted))
    assert engine.build_graph(collection)
    assert engine.explain(collection, np.ones((1, DIMENSION), np.float32), 3, None, None, ())["method"] == "graph"
    check(engine, collection, wanted)
    for number in range(1, 9, 2):
        wanted[f"r{number}"] = np.full(DIMENSION, 1 + number / 100, np.float32)
    ids = [f"r{number}" for number in range(1, 9, 2)]
    engine.update(collection, records(ids, [wanted[one] for one in ids]))
    check(engine, collection, wanted)


def test_where_no_vector_ever_was_the_first_one_gives_the_dimension(engine: Engine) -> None:
    collection = create(engine)
    engine.adopt(
        collection, records(["r0", "r1"], documents=["text of r0", "text of r1"], metadatas=[{"number": 0}] * 2)
    )
    got = engine.get(collection, None, None, None, None, ("embeddings", "documents"))
    assert (got["ids"], len(got["embeddings"])) == (["r0", "r1"], 2)
    assert engine.query(collection, np.ones((1, 3), np.float32), 5, None, None, ())["ids"] == [[]]
    wanted = {"r0": LOST, "r1": np.arange(DIMENSION, dtype=np.float32)}
    engine.update(collection, records(["r1"], [wanted["r1"]], metadatas=[{"number": 1}]))
    check(engine, collection, wanted)
    engine.compact(collection)
    check(engine, collection, wanted)
    wanted["r0"] = np.ones(DIMENSION, np.float32)
    engine.upsert(collection, records(["r0"], [wanted["r0"]]))
    check(engine, collection, wanted)
    assert engine.list_collections(*PLACE)[0].dimension == DIMENSION


@pytest.mark.parametrize("call", ["add", "upsert"])
def test_only_an_import_makes_them(call: str, engine: Engine) -> None:
    collection = create(engine)
    given = adopted(["r0", "r1"], {"r0": np.ones(DIMENSION, np.float32), "r1": LOST})
    with pytest.raises(InvalidArgumentError, match=r"expected an embedding for every new record.*'r1'"):
        getattr(engine, call)(collection, given)
    assert engine.count(collection) == 0


def test_words_find_them_and_say_no_distance(engine: Engine) -> None:
    collection = create(engine)
    engine.adopt(collection, records(["lost"], documents=["a kite"]))  # before any vector is known
    assert engine.hybrid(collection, ["kite"], None, 3, None, ("distances", "embeddings"))["ids"] == [["lost"]]
    engine.add(collection, records(["near", "far"], [[0.0] * 8, [1.0] * 8], ["no words", "another kite"]))
    result = engine.hybrid(collection, ["kite"], np.zeros((1, 8), np.float32), 3, None, ("distances", "embeddings"))
    found = dict(zip(result["ids"][0], result["distances"][0], strict=True))
    assert found == {"far": 8.0, "lost": None, "near": 0.0}
    vectors = dict(zip(result["ids"][0], result["embeddings"][0], strict=True))
    assert np.isnan(vectors["lost"]).all()
    assert vectors["far"].tolist() == [1.0] * 8

"""The engine's promises: which records exist, in which order, and who may know."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from engine_samples import (
    EVERYTHING,
    PLACE,
    agree,
    contents,
    create,
    index_state,
    nearest,
    numbered,
    numbered_vector,
    records,
    vectors,
)

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.errors import ChromaError, InternalError, InvalidArgumentError, NotFoundError
from chroma_nb.query.parsing import parse_where, parse_where_document
from chroma_nb.records import Records

# --- Records ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
def test_vectors_come_back_as_they_went_in(engine: Engine, space: str) -> None:
    collection, given = create(engine, space=space), vectors(100, 24)
    engine.add(collection, records([f"r{row}" for row in range(100)], given))
    found = engine.get(collection, None, None, None, None, ("embeddings",))["embeddings"]
    assert found.dtype == np.float64
    assert (found == given.astype(np.float64)).all()


def test_add_leaves_what_exists_as_it_is(engine: Engine) -> None:
    collection = create(engine)
    engine.add(collection, numbered(0, 5))
    before = contents(engine, collection)
    engine.add(collection, numbered(3, 4, version=1))
    after = contents(engine, collection)
    assert {ident: after[ident] for ident in before} == before
    assert list(after) == [f"r{number}" for number in range(7)]
    assert after["r6"][1] == "text 6 version 1"


def test_update_passes_over_what_does_not_exist(engine: Engine) -> None:
    collection = create(engine)
    engine.add(collection, numbered(0, 3))
    engine.update(collection, numbered(2, 3, version=1))
    assert list(contents(engine, collection)) == ["r0", "r1", "r2"]
    assert nearest(engine, collection, numbered_vector(2, 1), 1) == ["r2"]


def test_an_update_changes_what_is_given_and_nothing_else(engine: Engine) -> None:
    collection = create(engine)
    engine.add(collection, records(["a"], [[1, 2]], ["text"], [{"x": 1, "y": 2}], ["uri"]))
    engine.update(collection, records(["a"], metadatas=[{"y": None, "z": 3}]))
    assert contents(engine, collection) == {"a": ((1.0, 2.0), "text", {"x": 1, "z": 3}, "uri")}
    engine.update(collection, records(["a"], documents=["new"]))
    engine.update(collection, records(["a"], [[3, 4]]))
    assert contents(engine, collection) == {"a": ((3.0, 4.0), "new", {"x": 1, "z": 3}, "uri")}


def test_vectors_may_be_given_for_some_of_the_records_of_an_update(engine: Engine) -> None:
    collection = create(engine)
    engine.add(collection, numbered(0, 3))
    given = Records(
        ids=["r0", "r1", "r2"],
        embeddings=np.array([numbered_vector(0, 1), [0.0] * 8, numbered_vector(2, 1)], np.float32),
        documents=["a", "b", "c"],
        has_embedding=np.array([True, False, True]),
    )
    engine.update(collection, given)
    found = contents(engine, collection)
    assert [found[ident][1] for ident in found] == ["a", "b", "c"]
    assert nearest(engine, collection, numbered_vector(0, 1), 1) == ["r0"]
    assert np.allclose(found["r1"][0], numbered_vector(1))


def test_get_is_in_order_of_first_insertion(engine: Engine) -> None:
    collection = create(engine)
    engine.add(collection, numbered(0, 4))
    engine.upsert(collection, numbered(1, 1, version=5))  # keeps its place
    engine.delete(collection, ["r2"], None)
    engine.add(collection, numbered(2, 1))  # a new record
    assert list(contents(engine, collection)) == ["r0", "r1", "r3", "r2"]
    assert engine.get(collection, ["r2", "r0"], None, None, None, ())["ids"] == ["r0", "r2"]
    assert engine.get(collection, None, None, 2, 1, ())["ids"] == ["r1", "r3"]


def test_delete_answers_how_many(engine: Engine) -> None:
    collection = create(engine)
    engine.add(collection, numbered(0, 10))
    assert engine.delete(collection, ["r0", "nobody"], None) == 2  # as Chroma counts: the ids asked for
    assert engine.delete(collection, None, parse_where({"number": {"$gte": 5}}), 3) == 3
    assert agree(engine, collection) == {"r1", "r2", "r3", "r4", "r8", "r9"}
    assert engine.delete(collection, ["r1", "r8"], parse_where({"number": 8})) == 1
    assert "r1" in agree(engine, collection)


def test_a_deleted_record_leaves_no_trace_in_its_successor(engine: Engine) -> None:
    collection = create(engine)
    engine.add(collection, records(["a"], [[1, 2]], ["text"], [{"x": 1}], ["uri"]))
    engine.delete(collection, ["a"], None)
    engine.add(collection, records(["a"], [[5, 6]]))
    assert contents(engine, collection) == {"a": ((5.0, 6.0), None, None, None)}
    assert engine.get(collection, None, parse_where({"x": 1}), None, None, ())["ids"] == []


def test_hundred_thousand_ids_and_values(tmp_path: Path) -> None:
    engine = SharedEngine.open(tmp_path / "db", durability="process")
    collection, n = create(engine), 100_000
    ids = [f"r{number}" for number in range(n)]
    given = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    engine.add(collection, records(ids, given, metadatas=[{"number": number} for number in range(n)]))
    assert engine.count(collection) == n
    found = engine.get(collection, ids, None, None, None, ("metadatas",))
    assert found["metadatas"][-1] == {"number": n - 1}
    every = parse_where({"number": {"$in": list(range(n))}})
    assert len(engine.get(collection, None, every, None, None, ())["ids"]) == n
    answer = engine.query(collection, given[[77]], 3, ids, every, ("distances",))
    assert answer["ids"][0][0] == "r77"
    everything = engine.query(collection, given[[77]], n, None, None, ())
    assert len(set(everything["ids"][0])) == n
    assert engine.delete(collection, ids[: n // 2], None) == n // 2
    assert engine.delete(collection, None, every) == n // 2
    assert engine.count(collection) == 0
    engine.close()


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
def test_query_finds_every_record_after_fifty_rounds_of_churn(engine: Engine, hnswlib: bool, space: str) -> None:
    collection = create(engine, space=space)
    random = np.random.default_rng(5)
    live: set[int] = set()
    for turn in range(50):
        first = 20 * turn
        engine.add(collection, numbered(first, 20))
        live |= set(range(first, first + 20))
        old = random.choice(sorted(live), size=len(live) // 3, replace=False).tolist()
        engine.delete(collection, [f"r{number}" for number in old[::2]], None)
        live -= set(old[::2])
        changed = sorted(set(old[1::2]))
        for number in changed[:4]:
            engine.upsert(collection, numbered(number, 1, version=0))
        assert nearest(engine, collection, numbered_vector(changed[0]), 1) != []
        assert engine.builder.wait(60)
    if hnswlib:
        assert index_state(engine, collection).startswith("hnsw")
    assert agree(engine, collection) == {f"r{number}" for number in live}
    for number in sorted(live)[::5]:
        if space != "ip":
            assert nearest(engine, collection, numbered_vector(number), 1) == [f"r{number}"]
        assert f"r{number}" in nearest(engine, collection, numbered_vector(number), len(live))
    for asked in (len(live) - 1, len(live), len(live) + 1, 10**6):
        assert len(nearest(engine, collection, numbered_vector(1), asked)) == min(asked, len(live))
    assert engine.verify() == []


def graph_in_place(engine: Engine, collection: UUID, expected: bool) -> None:
    """Provoke a graph where there can be one."""
    nearest(engine, collection, numbered_vector(0), 1)
    assert engine.builder.wait(60)
    explained = engine.explain(collection, np.array([numbered_vector(0)], np.float32), 1, None, None, ())
    assert (explained["method"] == "graph") is expected


def test_a_filter_and_ids_limit_a_query(engine: Engine, hnswlib: bool) -> None:
    collection = create(engine)
    engine.add(collection, numbered(0, 200))
    graph_in_place(engine, collection, hnswlib)
    few = parse_where({"number": {"$lt": 5}})
    assert set(nearest(engine, collection, numbered_vector(100), 10, filter=few)) == {f"r{n}" for n in range(5)}
    assert nearest(engine, collection, numbered_vector(3), 1, ids=["r4", "r3", "nobody"]) == ["r3"]
    assert nearest(engine, collection, numbered_vector(3), 9, ids=["r4", "r90"], filter=few) == ["r4"]
    assert nearest(engine, collection, numbered_vector(3), 9, ids=[]) == []
    text = parse_where_document({"$contains": "text 77 "})
    assert nearest(engine, collection, numbered_vector(3), 9, filter=text) == ["r77"]


def test_a_batch_of_queries_answers_each_as_if_alone(engine: Engine, hnswlib: bool) -> None:
    collection = create(engine)
    engine.add(collection, numbered(0, 300))
    graph_in_place(engine, collection, hnswlib)
    queries = np.array([numbered_vector(number) for number in (3, 250, 900)], np.float32)
    together = engine.query(collection, queries, 7, None, None, ("distances", "documents", "embeddings"))
    for place, query in enumerate(queries):
        alone = engine.query(collection, query[None], 7, None, None, ("distances", "documents", "embeddings"))
        assert together["ids"][place] == alone["ids"][0]
        assert np.allclose(together["distances"][place], alone["distances"][0])
        assert together["documents"][place] == alone["documents"][0]
        assert (together["embeddings"][place] == alone["embeddings"][0]).all()


def test_an_empty_collection_answers_nothing(engine: Engine) -> None:
    collection = create(engine)
    assert engine.count(collection) == 0
    assert engine.get(collection, None, None, None, None, EVERYTHING)["ids"] == []
    assert nearest(engine, collection, [1.0, 2.0], 3) == []
    engine.add(collection, numbered(0, 2))
    engine.delete(collection, ["r0", "r1"], None)
    assert nearest(engine, collection, numbered_vector(0), 3) == []
    assert engine.verify() == []


# --- What is refused ------------------------------------------------------------------------------------------


def test_another_dimension_is_refused_and_nothing_written(engine: Engine) -> None:
    collection = create(engine)
    engine.add(collection, numbered(0, 3))
    for call in (engine.add, engine.upsert, engine.update):
        with pytest.raises(InvalidArgumentError, match="dimension of 8, got 5"):
            call(collection, numbered(2, 3, version=1, dimension=5))
    with pytest.raises(InvalidArgumentError, match="dimension of 8, got 5"):
        nearest(engine, collection, [1.0] * 5, 1)
    assert len(agree(engine, collection)) == 3


def test_the_dimension_stays_when_every_record_is_gone(engine: Engine) -> None:
    collection = create(engine)
    engine.add(collection, numbered(0, 3))
    engine.delete(collection, [f"r{number}" for number in range(3)], None)
    with pytest.raises(InvalidArgumentError, match="dimension of 8, got 5"):
        engine.add(collection, numbered(0, 3, dimension=5))


def test_text_that_is_no_unicode_is_refused_and_nothing_written(engine: Engine) -> None:
    collection = create(engine)
    engine.add(collection, numbered(0, 2))
    before = contents(engine, collection)
    lone = "half \ud800"
    hostile = (
        records(["a", lone], [[1.0] * 8] * 2),
        records(["a", "b"], [[1.0] * 8] * 2, documents=["fine", lone]),
        records(["a", "b"], [[1.0] * 8] * 2, uris=["fine", lone]),
        records(["a", "b"], [[1.0] * 8] * 2, metadatas=[{"k": "fine"}, {"k": lone}]),
        records(["a", "b"], [[1.0] * 8] * 2, metadatas=[{"k": "fine"}, {lone: "x"}]),
    )
    for given in hostile:
        with pytest.raises((UnicodeEncodeError, TypeError), match=r"Record 1\b.*half of a surrogate pair"):
            engine.add(collection, given)
        assert contents(engine, collection) == before
    assert engine.verify() == []


@pytest.mark.parametrize("text", ["", "'; DROP TABLE records; --", '"', "a\0b", "%_*", "\u2028", "𝔘", "x" * 100_000])
def test_hostile_text_is_text(engine: Engine, text: str) -> None:
    collection = create(engine)
    given = records([text or "empty"], [[1.0, 2.0]], [text], [{text or "key": text}], [text])
    engine.add(collection, given)
    assert list(contents(engine, collection).values()) == [((1.0, 2.0), text, {text or "key": text}, text)]
    assert engine.get(collection, None, parse_where({text or "key": text}), None, None, ())["ids"] == given.ids
    if text:
        assert engine.get(collection, None, parse_where_document({"$contains": text}), None, None, ())["ids"]
    assert engine.delete(collection, given.ids, None) == 1
    assert engine.count(collection) == 0


def test_a_collection_that_is_not_there(engine: Engine) -> None:
    nobody = uuid4()
    for call in (
        lambda: engine.count(nobody),
        lambda: engine.add(nobody, numbered(0, 1)),
        lambda: engine.delete(nobody, ["a"], None),
        lambda: contents(engine, nobody),
        lambda: nearest(engine, nobody, [1.0], 1),
        lambda: engine.compact(nobody),
        lambda: engine.get_collection("words", *PLACE),
        lambda: engine.delete_collection("words", *PLACE),
    ):
        with pytest.raises(NotFoundError) as caught:
            call()
        assert isinstance(caught.value, ValueError)


def test_a_closed_engine_says_so(tmp_path: Path) -> None:
    engine = SharedEngine.open(tmp_path / "db")
    collection = create(engine)
    engine.close()
    with pytest.raises(ChromaError, match=r"closed\. Create a new one"):
        engine.count(collection)
    engine.close()  # once more does no harm


# --- Collections ------------------------------------------------------------------------------------------------


def test_collections_are_listed_in_order_of_creation(engine: Engine) -> None:
    for name in ("zebra", "ant", "mole"):
        create(engine, name)
    engine.delete_collection("ant", *PLACE)
    create(engine, "ant")
    assert [model.name for model in engine.list_collections(*PLACE)] == ["zebra", "mole", "ant"]
    assert [model.name for model in engine.list_collections(*PLACE, 1, 1)] == ["mole"]


def test_collections_do_not_mix(engine: Engine) -> None:
    one, two = create(engine, "one"), create(engine, "two", "cosine")
    engine.add(one, numbered(0, 5))
    engine.add(two, numbered(0, 5, version=3))
    engine.add(two, numbered(90, 1))
    engine.delete_collection("one", *PLACE)
    assert agree(engine, two) == {"r0", "r1", "r2", "r3", "r4", "r90"}
    assert contents(engine, two)["r0"][1] == "text 0 version 3"
    assert engine.verify() == []


def test_reset_deletes_everything_and_goes_on(engine: Engine) -> None:
    collection = create(engine)
    engine.add(collection, numbered(0, 5))
    engine.create_tenant("other")
    engine.reset()
    assert engine.count_collections(*PLACE) == 0
    with pytest.raises(NotFoundError):
        engine.get_tenant("other")
    again = create(engine)
    engine.add(again, numbered(0, 2, dimension=3))
    assert len(agree(engine, again)) == 2
    assert engine.verify() == []


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    engine = SharedEngine.open(tmp_path / "db")
    collection = create(engine, space="cosine")
    engine.add(collection, numbered(0, 20))
    engine.delete(collection, ["r3"], None)
    engine.update(collection, numbered(5, 2, version=1))
    before = contents(engine, collection)
    engine.close()
    engine = SharedEngine.open(tmp_path / "db")
    assert contents(engine, collection) == before
    assert list(agree(engine, collection)) != []
    assert nearest(engine, collection, numbered_vector(6, 1), 1) == ["r6"]
    parameters = engine.transactions.read_collection(collection, lambda snapshot: snapshot.row.parameters)
    assert parameters.space == "cosine"
    engine.close()


def test_deletions_and_changes_of_metadata_do_without_the_vectors(tmp_path: Path) -> None:
    engine = SharedEngine.open(tmp_path / "db")
    collection = create(engine)
    engine.add(collection, numbered(0, 20))
    engine.close()
    (file,) = (tmp_path / "db" / "vectors").glob("*.f32")
    file.rename(tmp_path / "aside")
    engine = SharedEngine.open(tmp_path / "db")
    engine.delete(collection, ["r3"], None)
    engine.update(collection, records(["r4"], metadatas=[{"version": 7}]))
    with pytest.raises(InternalError, match="is missing"):
        engine.update(collection, numbered(5, 1, version=1))
    engine.close()
    (tmp_path / "aside").rename(file)
    engine = SharedEngine.open(tmp_path / "db")
    assert engine.verify() == []
    after = contents(engine, collection)
    assert "r3" not in after
    assert after["r4"][1:3] == ("text 4 version 0", {"number": 4, "version": 7})
    assert after["r5"][1] == "text 5 version 0"
    engine.close()


def test_settings_of_ours_are_kept_beside(engine: Engine) -> None:
    collection = create(engine)
    engine.update_settings(collection, {"embedding_model": "int8"})
    engine.update_settings(collection, {"more": 1})
    settings = engine.settings_of(collection)
    assert (settings["embedding_model"], settings["more"]) == ("int8", 1)


# --- The snapshot ------------------------------------------------------------------------------------------------


def test_an_answer_is_of_one_moment(tmp_path: Path) -> None:
    """While others write: ids, vectors, texts and count of one answer belong together."""
    engine = SharedEngine.open(tmp_path / "db", durability="process")
    collection = create(engine)
    engine.add(collection, numbered(0, 100))
    over = threading.Event()

    def write() -> None:
        version = 1
        while not over.is_set():
            engine.upsert(collection, numbered(0, 100, version=version))
            version += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(25):
            found = engine.get(collection, None, None, None, None, EVERYTHING)
            versions = {metadata["version"] for metadata in found["metadatas"]}
            assert len(versions) == 1
            (version,) = versions
            assert found["documents"][7] == f"text 7 version {version}"
            assert np.allclose(found["embeddings"][7], numbered_vector(7, version))
    finally:
        over.set()
        writer.join()
    engine.close()


def test_a_get_or_create_race_makes_one_collection(tmp_path: Path) -> None:
    engine = SharedEngine.open(tmp_path / "db")
    ids: list[UUID] = []
    threads = [
        threading.Thread(
            target=lambda: ids.append(engine.create_collection("words", *PLACE, None, None, None, True).id)
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1
    with pytest.raises(InternalError, match="already exists"):
        create(engine)
    engine.close()


def test_the_files_are_readable_by_their_owner_only_also_in_a_directory_of_others(tmp_path):
    place = tmp_path / "shared"
    place.mkdir(mode=0o755)
    engine = SharedEngine.open(place)
    model = engine.create_collection("words", "default_tenant", "default_database", None, None, None, False)
    engine.add(model.id, Records(ids=["a"], embeddings=np.ones((1, 2), np.float32)))
    files = [path for path in place.rglob("*") if path.is_file()]
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}
    engine.close()

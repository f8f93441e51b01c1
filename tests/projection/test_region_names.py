"""Regions of a map in two levels: where they lie, what they are called, and that they keep their names."""

import csv
from pathlib import Path

import numpy as np
import pytest
from emptied_client import emptied_client

import chroma_nb
from chroma_nb.embedding_functions.default import DefaultEmbeddingFunction
from chroma_nb.projection import coordinates_cache, labels, projection, reducers, region_names
from chroma_nb.projection.projection import Projection, project
from chroma_nb.projection.reading import read
from chroma_nb.projection.region_meaning import meaning_of

DATA = Path(__file__).parents[2] / "notebooks" / "data"


@pytest.fixture(autouse=True)
def _maps_by_pca(monkeypatch):
    monkeypatch.setattr(reducers, "find_spec", lambda package: None)


@pytest.fixture
def words():
    """Nouns of WordNet: their texts and vectors."""
    with (DATA / "wordnet-nouns.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [f"{row['word']}: {row['definition']}" for row in rows], np.load(DATA / "wordnet-nouns.f16.npy").astype("f4")


def towns(client, name="towns", **options):
    """A collection of 1,400 records: a region of 1,200 in three quarters, and a small one."""
    random = np.random.default_rng(0)
    topics = ["harbour boats", "railway trains", "market fruit", "forest owls"]
    of = np.repeat([0, 1, 2, 3], [400, 400, 400, 200])
    middle = np.array([[0, 0], [3, 0], [1.5, 2.5], [40, 30]])
    vectors = np.zeros((1_400, 6), np.float32)
    vectors[:, :2] = middle[of] + random.normal(size=(1_400, 2)) * 0.9
    vectors[np.arange(1_400), 2 + of] = 1
    collection = client.create_collection(name, **{"embedding_function": None, **options})
    collection.add(
        ids=[f"t{row}" for row in range(1_400)],
        embeddings=vectors,
        documents=[f"A town with {topics[topic]}, number {row}" for row, topic in enumerate(of.tolist())],
    )
    return collection


def rewritten(collection, text):
    """All documents are this one."""
    found = collection.get(include=["embeddings"])
    collection.update(ids=found["ids"], embeddings=found["embeddings"], documents=[text] * len(found["ids"]))


@pytest.fixture
def memory():
    with emptied_client("chroma_nb") as client:
        yield client


# --- Phrases and names ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "there", "not_there"),
    [
        ("United States writer. Born 1900", ["united states writer"], ["writer born"]),
        ("the heart of the sea", ["heart", "sea"], ["the", "heart of", "of the sea"]),
        ("king of france", ["king of france"], ["of", "of france"]),
        ("l'été à l'école naïve", ["l'été", "naïve"], []),
        ("Größe über Straße", ["größe", "straße"], []),
        ("東京の都", ["東京"], []),
        ("海洋生物学", ["海洋", "海洋生物"], ["海洋 生物"]),
        ("바다 고래", ["바다 고래"], []),
        ("हिन्दी भाषा", ["हिन्दी भाषा"], []),
        ("x-ray of a well-known bone", ["x-ray", "well-known bone"], []),
        ("", [], [""]),
    ],
)
def test_phrases_are_words_that_stand_together(text, there, not_there):
    found = list(region_names.phrases(text))
    assert set(there) <= set(found)
    assert not set(not_there) & set(found)


def test_a_name_fits_what_it_names_also_by_the_measure(words):
    texts, vectors = words
    spots = reducers.pca(vectors)
    by_words = labels.find(spots, texts)
    function = DefaultEmbeddingFunction()

    def meaning(rows):
        return region_names.Meaning(vectors[rows], lambda some: np.asarray(function(some), np.float32))

    by_meaning = labels.find(spots, texts, None, meaning)

    def fits(found):
        asked = np.asarray(function(found.names), np.float32)
        return [
            region_names.fit(vectors[inside] @ vector, vectors[~inside] @ vector)
            for vector, inside in ((vector, found.clusters == number) for number, vector in enumerate(asked))
        ]

    assert np.mean(fits(by_meaning)) > np.mean(fits(by_words))
    assert np.mean(fits(by_meaning.parts)) > np.mean(fits(by_words.parts))
    assert np.mean(fits(by_meaning.parts)) > 0.83


def test_without_a_model_a_phrase_means_what_its_records_mean():
    random = np.random.default_rng(0)
    middle = random.normal(size=(2, 8)) * 4
    vectors = (middle[np.repeat([0, 1], 40)] + random.normal(size=(80, 8))).astype(np.float32)
    # "cargo" is as frequent in the first region as "ship", but of records that are near the second.
    vectors[:12] = middle[1] + random.normal(size=(12, 8)) * 0.1
    texts = ["cargo"] * 12 + ["ship"] * 12 + ["other"] * 16 + ["tree"] * 40
    clusters = np.repeat(np.array([0, 1], np.int32), 40)
    (names,) = region_names.named(
        [clusters], texts, [None] * 80, np.arange(80), region_names.Meaning(vectors - vectors.mean(axis=0))
    )
    assert not names[0].startswith("cargo")
    assert names[1] == "tree"


def test_only_the_package_s_own_model_is_asked_and_only_where_it_made_the_vectors(memory, words):
    texts, vectors = words
    ids, rows = [f"w{row}" for row in range(60)], np.arange(60)

    def known(name, embeddings, documents=texts[:60], **options):
        collection = memory.create_collection(name, **options)
        collection.add(ids=ids, embeddings=embeddings, documents=documents)
        return meaning_of(collection, ids, documents, rows)

    assert known("ours", vectors[:60]).embed is not None
    assert known("shifted", np.roll(vectors[:60], 1, axis=0)).embed is None
    assert known("narrow", vectors[:60, :10]).embed is None
    assert known("nobodys", vectors[:60], embedding_function=None).embed is None
    assert meaning_of(memory.get_collection("ours"), [*ids[:-1], "gone"], texts[:60], rows) is None


# --- Two levels -----------------------------------------------------------------------------------------
def test_a_large_region_has_parts_with_names_and_a_small_one_has_none(memory):
    found = project(towns(memory)).labels
    assert np.bincount(found.clusters).tolist() == [1_200, 200]
    assert found.parts.within == [0] * 4
    assert set(found.parts.clusters[found.clusters == 1]) == {-1}
    assert (found.parts.clusters[found.clusters == 0] >= 0).all()
    said = " ".join(found.parts.names)
    assert all(word in said for word in ("harbour", "railway", "market"))
    assert "forest" in found.names[1]
    table = found.parts.to_df()
    assert list(table.columns) == ["label", "records", "x", "y", "within"]
    assert table["records"].sum() == 1_200
    assert list(found.to_df().columns) == ["label", "records", "x", "y"]


@pytest.mark.parametrize("count", [100, 3_001, 40_000])
@pytest.mark.parametrize("dims", [2, 3])
def test_no_region_of_more_than_3000_records_is_without_parts(count, dims):
    spots = np.random.default_rng(0).normal(size=(count, dims)).astype(np.float32)
    regions = labels.hills(spots)
    parts = labels.divided(spots, regions)
    sizes = np.bincount(regions[regions >= 0])
    for number, size in enumerate(sizes.tolist()):
        inside = parts[regions == number]
        assert (inside >= 0).all() if size > 3_000 else len(set((inside >= 0).tolist())) == 1
    assert np.array_equal(parts, labels.divided(spots, regions))
    assert set(parts[parts >= 0]) == set(range(parts.max(initial=-1) + 1))


def test_points_on_one_spot_have_one_part():
    assert set(labels.divided(np.zeros((900, 2), np.float32), np.zeros(900, np.int32))) == {0}


# --- Names are kept -------------------------------------------------------------------------------------
def names(found):
    return [*found.names, *found.parts.names]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "db"


def test_names_come_again_in_another_kernel_without_being_found_anew(path, monkeypatch):
    with chroma_nb.PersistentClient(path) as client:
        first = names(project(towns(client)).labels)
    (kept,) = (path / "cache").glob("map-of-*")
    whole = b"".join(part.tobytes() for part in coordinates_cache.read(kept).values())
    assert not any(word in whole for word in (b"harbour", b"railway", b"owls", b"t1399"))
    monkeypatch.setattr(projection.labels.region_names, "named", None)
    with chroma_nb.PersistentClient(path) as client:
        collection = client.get_collection("towns", embedding_function=None)
        collection.add(ids=["new"], embeddings=[[0.0] * 6], documents=["A town with airports"])
        collection.delete(ids=["t3", "t5"])
        found = project(collection)
        assert names(found.labels) == first
        assert found.labels.clusters[-1] == 0
        assert names(project(collection).labels) == first


def test_names_whose_documents_changed_are_found_anew_and_the_regions_stay(path):
    with chroma_nb.PersistentClient(path) as client:
        collection = towns(client)
        before = project(collection).labels
        rewritten(collection, "A hill with goats")
        after = project(collection).labels
        assert "goats" in after.names[0]
        assert np.array_equal(after.parts.clusters, before.parts.clusters)


def test_a_name_that_was_given_is_kept_with_the_map(path):
    with chroma_nb.PersistentClient(path) as client:
        found = project(towns(client))
        found.labels.rename(1, "the woods")
        found.labels.parts.rename(2, "quarter two")
        found.labels.rename(0, "seen once", keep=False)
    with chroma_nb.PersistentClient(path) as client:
        collection = client.get_collection("towns", embedding_function=None)
        collection.add(ids=["new"], embeddings=[[40.0, 30, 0, 0, 0, 1]], documents=["A town"])
        rewritten(collection, "A hill with goats")
        found = project(collection)
        assert (found.labels.names[1], found.labels.parts.names[2]) == ("the woods", "quarter two")
        assert "seen once" not in names(found.labels)
        assert found.labels.of_records()[-1] == "the woods"
        refreshed = found.refreshed()
        refreshed.labels.rename("the woods", "the forest")
        assert found.labels.names[1] == "the woods"
        assert project(collection).labels.names[1] == "the forest"
        again = project(collection, anew=True)
        assert "the forest" not in names(again.labels)


def test_a_name_given_on_a_part_of_the_map_is_that_of_the_whole(memory):
    collection = towns(memory)
    project(collection)
    records = read(collection)
    some = projection.on_the_map(collection, records.take(range(0, 1_400, 7)))
    assert names(some.labels) == names(project(collection).labels)
    some.labels.rename(1, "ours")
    assert project(collection).labels.names[1] == "ours"


@pytest.mark.parametrize("level", ["regions", "parts"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_map_goes_on_when_all_records_of_a_region_are_deleted(path, level, number):
    with chroma_nb.PersistentClient(path) as client:
        collection = towns(client)
        found = project(collection)
        clusters = found.labels.clusters if level == "regions" else found.labels.parts.clusters
        gone = [id_ for id_, cluster in zip(found.ids, clusters, strict=True) if cluster == number]
        collection.delete(ids=gone)
        for after in (found.refreshed(), project(collection)):
            assert len(after) == 1_400 - len(gone)
            assert len(after.labels.of_records()) == len(after)
            assert after.figure().data


def test_a_saved_map_has_both_levels(memory, tmp_path):
    found = project(towns(memory))
    found.labels.parts.rename(0, "mine")
    found.save(tmp_path / "map.npz")
    again = Projection.load(tmp_path / "map.npz")
    assert names(again.labels) == names(found.labels)
    assert again.labels.parts.within == found.labels.parts.within
    assert np.array_equal(again.labels.parts.clusters, found.labels.parts.clusters)
    assert names(found.without(["t0"]).labels) == names(found.labels)


@pytest.mark.parametrize("damage", ["regions", "parts", "region_lines", "part_lines", "given"])
def test_damaged_regions_are_found_anew_and_the_places_stay(path, damage):
    with chroma_nb.PersistentClient(path) as client:
        collection = towns(client)
        found = project(collection)
        first = names(found.labels)
        (kept,) = (path / "cache").glob("map-of-*")
        parts = coordinates_cache.read(kept)
        if damage == "given":
            parts["state"] = np.frombuffer(parts["state"].tobytes().replace(b'"given"', b'"taken"'), np.uint8)
        else:
            parts[damage] = parts[damage][:, :3] if "lines" in damage else parts[damage][3:]
        coordinates_cache.write([kept.parent], kept.name, **parts)
        again = project(collection)
        np.testing.assert_array_equal(again.coordinates, found.coordinates)
        assert names(again.labels) == first

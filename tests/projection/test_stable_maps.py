"""A collection has one map: whatever draws it draws the same one, and it stays while records come and go."""

import numpy as np
import pytest
from emptied_client import emptied_client

import chroma_nb
from chroma_nb.projection import coordinates_cache, kept_map, neighbours, reducers
from chroma_nb.projection import projection as projection_
from chroma_nb.projection.compare import compare
from chroma_nb.projection.drift import drift
from chroma_nb.projection.duplicates import duplicates, outliers
from chroma_nb.projection.projection import project


@pytest.fixture
def fits(monkeypatch):
    """How many records each fit had: of what stands for UMAP, and of another method, "other"."""
    made = []

    def fit(points, near, dims, seed, report):
        made.append(len(points))
        noise = np.random.default_rng(len(made)).normal(size=(len(points), dims))  # no two fits are alike
        return (reducers.pca(points, dims=dims) + 3 * len(made) + 0.1 * noise).astype(np.float32)

    for name in ("umap", "other"):
        monkeypatch.setitem(reducers.REDUCERS, name, reducers.Reducer(name, fit, slow=True))
    return made


def places(figure):
    """Where each record lies in a figure, by its id."""
    found = {}
    for trace in figure.data:
        if trace.mode == "markers":
            ids = [text.split("<br>")[0].removeprefix("<b>").removesuffix("</b>") for text in trace.hovertext]
            found |= dict(zip(ids, zip(trace.x, trace.y, strict=True), strict=True))
    return found


def of(projection):
    """The same of a projection."""
    return dict(zip(projection.ids, map(tuple, projection.coordinates), strict=True))


@pytest.mark.parametrize(("method", "seed"), [("auto", 42), ("other", 7), ("pca", 42)])
def test_all_that_draws_a_collection_draws_the_map_it_has_whatever_made_it(client, filled, fits, method, seed):
    collection, other = filled(client, 80), filled(client, 80, name="other", seed=3)
    made = of(project(collection, method, seed=seed))
    second = of(project(other, method, seed=seed))
    fitted = len(fits)
    compared = compare(collection, other)
    for drawn in (
        places(duplicates(collection, 0.5).figure()),
        places(drift(collection, {"topic": "whale ocean"}).figure()),
        places(outliers(collection, 3).figure()),
        of(compared.first),
        of(project(collection, method, seed=seed)),
        of(project(collection, method, seed=seed, wait=False)),
    ):
        assert drawn == made
    assert len(fits) == fitted == (0 if method == "pca" else 2)
    turned = dict(zip(compared.second.ids, compared.second.coordinates, strict=True))
    widths = [np.ptp(np.array(list(each)), axis=0).max() for each in (second.values(), turned.values())]
    assert np.linalg.norm(turned["id3"] - turned["id7"]) / widths[1] == pytest.approx(
        np.linalg.norm(np.subtract(second["id3"], second["id7"])) / widths[0], rel=0.5
    )


@pytest.mark.parametrize("first", ["duplicates", "outliers", "drift", "compare"])
def test_whoever_draws_first_makes_the_map_and_keeps_it(client, filled, fits, first):
    collection, other = filled(client, 60), filled(client, 60, name="other", seed=3)
    draw = {
        "duplicates": lambda: places(duplicates(collection, 0.5).figure()),
        "outliers": lambda: places(outliers(collection, 3).figure()),
        "drift": lambda: places(drift(collection, {"topic": "whale ocean"}, sample=12).figure()),
        "compare": lambda: of(compare(collection, other, sample=20).first),
    }
    drawn = draw[first]()
    fitted = len(fits)
    assert set(fits) == {60}
    for again in (draw[first](), of(project(collection))):
        assert {id_: again[id_] for id_ in drawn} == drawn
    assert len(fits) == fitted


def test_records_that_are_new_or_changed_lie_beside_their_neighbours_and_the_others_stay(client, filled, fits):
    collection = filled(client, 80)
    before = of(project(collection))
    vectors = dict(zip(*[collection.get(include=["embeddings"])[name] for name in ("ids", "embeddings")], strict=True))
    collection.add(ids=["new"], embeddings=[vectors["id5"]], documents=["a text"])
    collection.update(ids=["id0"], embeddings=[vectors["id7"]])
    collection.delete(ids=["id1"])
    after = of(project(collection))
    assert {id_: after[id_] for id_ in before if id_ not in ("id0", "id1")} == {
        id_: spot for id_, spot in before.items() if id_ not in ("id0", "id1")
    }
    assert "id1" not in after
    for placed, near in (("new", "id5"), ("id0", "id7")):
        np.testing.assert_allclose(after[placed], before[near], atol=0.2)
    for drawn in (
        places(duplicates(collection, 0.5).figure()),
        places(outliers(collection).figure()),
        places(drift(collection, {"topic": "engine fuel"}).figure()),
        of(project(collection).refreshed()),
    ):
        assert drawn == after
    assert fits == [80]


def test_a_refreshed_map_is_the_one_that_all_others_draw(client, filled, fits):
    collection = filled(client, 80)
    found = project(collection)
    collection.add(ids=["new", "newer"], embeddings=[[1.0] * 16, [2.0] * 16])
    refreshed = found.refreshed()
    assert of(refreshed) == of(project(collection)) == places(duplicates(collection, 0.5).figure())
    assert fits == [80]


def test_a_map_that_knows_less_than_half_of_the_records_is_made_anew_and_so_it_is_when_asked(client, filled, fits):
    collection = filled(client, 30)
    first = of(project(collection))
    random = np.random.default_rng(0)
    collection.add(ids=[f"new{row}" for row in range(40)], embeddings=random.normal(size=(40, 16)))
    assert {id_: spot for id_, spot in of(project(collection)).items() if id_ in first} != first
    assert fits == [30, 70]
    anew = of(project(collection, anew=True))
    assert fits == [30, 70, 70]
    assert of(project(collection)) == places(outliers(collection).figure()) == anew
    project(collection, cache=False)
    assert of(project(collection)) == anew
    assert fits == [30, 70, 70, 70]


def test_parameters_that_are_given_have_maps_of_their_own(client, filled, fits):
    collection = filled(client, 40)
    maps = [
        {}, {"seed": 1}, {"method": "other"}, {"dims": 3}, {"where": {"topic": {"$ne": "whale ocean"}}},
        {"where": {"topic": {"$ne": "engine fuel"}}},
    ]  # fmt: skip
    made = [of(project(collection, **options)) for options in maps]
    assert len(fits) == len(maps)
    assert [of(project(collection, **options)) for options in maps] == made
    assert len(fits) == len(maps)
    assert places(duplicates(collection, 0.5, where=maps[4]["where"]).figure()) == made[4]
    project(collection, "other")
    assert places(outliers(collection).figure()) == made[2]
    assert places(outliers(collection).figure(method="umap")) in (made[0], made[1])
    assert len(fits) == len(maps)


def test_a_filter_without_a_map_of_its_own_is_drawn_on_that_of_the_collection(client, filled, fits):
    collection = filled(client, 40)
    made = of(project(collection))
    collection.add(ids=["new"], embeddings=[[0.5] * 16], metadatas=[{"topic": "whale ocean"}])
    found = duplicates(collection, 0.5, where={"topic": "whale ocean"}).figure()
    drawn = places(found)
    assert len(drawn) == 11
    assert {id_: spot for id_, spot in drawn.items() if id_ != "new"} == {
        id_: made[id_] for id_ in drawn if id_ in made
    }
    assert fits == [40]


def test_a_part_of_the_map_has_the_regions_of_the_whole(client, filled, fits):
    collection = filled(client, 80)
    whole = project(collection)
    names = dict(zip(whole.ids, whole.labels.of_records(), strict=True))
    part = drift(collection, {"topic": "whale ocean"}, sample=10).projection
    assert len(part) == 20
    assert part.labels.of_records() == [names[id_] for id_ in part.ids]


def test_two_collections_in_one_drift_have_a_map_of_their_own_that_is_kept(client, filled, fits):
    old, new = filled(client, 40, name="old"), filled(client, 30, name="new", seed=4)
    project(old)
    drawn = drift(old, after=new).projection.coordinates
    np.testing.assert_array_equal(drift(old, after=new).projection.coordinates, drawn)
    assert fits == [40, 70]


def test_few_of_very_many_records_are_drawn_without_a_map_of_all(client, filled, fits, monkeypatch):
    monkeypatch.setattr(neighbours, "EXACT_LIMIT", 50)
    collection = filled(client, 120)
    drift(collection, {"topic": "whale ocean"}, sample=20).figure()
    assert fits == [40]
    project(collection)
    drift(collection, {"topic": "whale ocean"}, sample=20).figure()
    assert fits == [40, 120]


def test_another_kernel_finds_the_map_beside_the_collection(filled, fits, tmp_path):
    with chroma_nb.PersistentClient(tmp_path / "db") as client:
        made = of(project(filled(client, 40)))
    assert [path.name[:7] for path in (tmp_path / "db" / "cache").glob("map-*")] == [coordinates_cache.KEPT]
    with chroma_nb.PersistentClient(tmp_path / "db") as client:
        collection = client.get_collection("docs", embedding_function=None)
        assert places(outliers(collection).figure()) == of(project(collection)) == made
    assert fits == [40]


def test_a_collection_in_memory_that_is_filled_again_has_the_map_of_its_vectors(filled, fits):
    made = []
    for _ in range(2):
        with emptied_client("chroma_nb") as client:
            collection = filled(client, 40)
            made.append(of(project(collection)))
            assert places(outliers(collection).figure()) == made[-1]
            client.delete_collection("docs")
    assert made[0] == made[1]
    assert fits == [40]


def test_a_kept_map_holds_no_id_and_no_text(filled, fits, tmp_path):
    with chroma_nb.PersistentClient(tmp_path / "db") as client:
        project(filled(client, 40))
    (path,) = (tmp_path / "db" / "cache").glob("map-*")
    parts = coordinates_cache.read(path)
    assert {name: part.dtype.kind for name, part in parts.items()} == {
        "ids": "u", "vectors": "u", "coordinates": "f", "state": "u",
    }  # fmt: skip
    whole = b"".join(part.tobytes() for part in parts.values())
    assert b"id1" not in whole
    assert b"whale" not in whole


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half a file", "shape", "state", "nan"])
def test_a_damaged_map_is_made_anew(client, filled, fits, damage, tmp_path):
    collection = filled(client, 20)
    project(collection)
    (path,) = (tmp_path / "user-cache" / "chroma_nb" / "maps").glob("map-of-*.npz")
    (by_vectors,) = (tmp_path / "user-cache" / "chroma_nb" / "maps").glob("map-[!o]*.npz")
    by_vectors.unlink()
    if isinstance(damage, bytes):
        path.write_bytes(damage)
    else:
        parts = coordinates_cache.read(path)
        if damage == "shape":
            parts["coordinates"] = parts["coordinates"][1:]
        elif damage == "state":
            parts["state"] = np.frombuffer(b'{"version": 0}', np.uint8)
        else:
            parts["coordinates"][3] = np.nan
        coordinates_cache.write([path.parent], path.name, **parts)
    again = of(project(collection))
    assert fits == [20, 20]
    assert of(project(collection)) == again
    assert fits == [20, 20]


def test_maps_of_many_collections_do_not_push_out_those_of_single_vectors(tmp_path, monkeypatch):
    monkeypatch.setattr(coordinates_cache, "MOST", 2)
    monkeypatch.setattr(coordinates_cache, "MOST_KEPT", 3)
    for number in range(6):
        coordinates_cache.write([tmp_path], f"{coordinates_cache.KEPT}{number}.npz", a=np.zeros(1))
        coordinates_cache.save([tmp_path], str(number), np.zeros((1, 2), np.float32))
    kept = [path.name.startswith(coordinates_cache.KEPT) for path in tmp_path.iterdir()]
    assert (kept.count(True), kept.count(False)) == (3, 2)


def test_vectors_are_told_apart_by_every_number_and_by_their_order():
    vectors = np.random.default_rng(0).normal(size=(5_000, 8)).astype(np.float32)
    found = kept_map.hashed_vectors(vectors)
    assert len(set(found.tolist())) == 5_000
    assert (kept_map.hashed_vectors(vectors[::-1]) == found[::-1]).all()
    assert (kept_map.hashed_vectors(vectors[:, ::-1]) != found).all()
    vectors[4_500, 3] += 1e-6
    assert np.flatnonzero(kept_map.hashed_vectors(vectors) != found).tolist() == [4_500]
    assert kept_map.hashed_vectors(np.array([[0.0]], np.float32)) == kept_map.hashed_vectors(
        np.array([[-0.0]], np.float32)
    )


def test_a_map_that_is_still_made_is_not_kept_as_that_of_the_method(client, filled, monkeypatch):
    def fails(points, near, dims, seed, report):
        raise ZeroDivisionError("oh")

    monkeypatch.setitem(reducers.REDUCERS, "umap", reducers.Reducer("umap", fails, slow=True))
    collection = filled(client, 40)
    found = project(collection, wait=False)
    assert found.fit.ended(30)
    collection.add(ids=["new"], embeddings=[[0.5] * 16])
    assert len(found.refreshed()) == 41
    assert projection_.Shelf.of(collection, None, 2).find() is None

"""project(): coordinates for any collection, kept, refreshed, and queries placed among them."""

import json
import random
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

import chroma_nb
from chroma_nb.projection import coordinates_cache, labels, neighbours, projection, reducers
from chroma_nb.projection.background import Background
from chroma_nb.projection.projection import Projection, project


@pytest.mark.parametrize("count", [0, 1, 2, 3, 20])
@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("method", ["auto", "pca"])
def test_the_smallest_collections_have_a_map(client, filled, count, dims, method, monkeypatch):
    monkeypatch.setattr(reducers, "FEWEST", 21)
    found = project(filled(client, count), method, dims)
    assert found.coordinates.shape == (count, dims)
    assert np.isfinite(found.coordinates).all()
    assert len(found.to_df()) == count
    found.figure()


def test_equal_vectors_lie_on_one_spot(client):
    collection = client.create_collection("same", embedding_function=None)
    collection.add(ids=[str(row) for row in range(30)], embeddings=[[1.0, 2.0]] * 30)
    found = project(collection)
    assert found.method == "pca"
    assert not found.coordinates.any()
    found.figure()


def test_pca_keeps_the_distances_of_a_plane_and_is_the_same_in_every_run():
    numbers = np.random.default_rng(3)
    plane = numbers.normal(size=(50, 2)) @ np.linalg.qr(numbers.normal(size=(9, 2)))[0].T
    for points in (plane.astype(np.float32), plane[:6].astype(np.float32)):
        found = reducers.pca(points)
        apart = np.linalg.norm(points[:, None] - points[None], axis=2)
        np.testing.assert_allclose(np.linalg.norm(found[:, None] - found[None], axis=2), apart, atol=1e-4)
        np.testing.assert_array_equal(found, reducers.pca(points))


def test_what_umap_compiles_is_kept_for_the_next_kernel_where_a_folder_can_be_written(monkeypatch):
    functions = [
        getattr(pytest.importorskip(name), function) for name, names in reducers._COMPILED.items() for function in names
    ]
    reducers.warm_umap()
    assert all(function.stats.cache_hits or function.stats.cache_misses for function in functions)

    def nowhere() -> None:
        raise RuntimeError("cannot cache function: no locator available")

    for function in functions:
        monkeypatch.setattr(function, "enable_caching", nowhere)
    reducers.warm_umap.cache_clear()
    reducers.warm_umap()
    assert reducers.warm_umap.cache_info().currsize == 1


@pytest.mark.parametrize(("numbers", "dims"), [(1, 2), (1, 3), (2, 3)])
@pytest.mark.parametrize("method", ["umap", "tsne"])
def test_vectors_of_fewer_numbers_than_the_map_has_axes_have_a_map(client, numbers, dims, method):
    collection = client.create_collection("narrow", embedding_function=None)
    vectors = np.random.default_rng(0).normal(size=(40, numbers))
    collection.add(ids=[str(row) for row in range(40)], embeddings=vectors)
    found = project(collection, method, dims)
    assert found.coordinates.shape == (40, dims)
    assert np.isfinite(found.coordinates).all()


def test_umap_keeps_regions_together_is_repeatable_and_is_kept(filled, tmp_path, monkeypatch):
    with chroma_nb.PersistentClient(tmp_path / "db") as client:
        collection = filled(client, 80)
        stages = []
        first = project(collection, "umap", wait=False)
        first.fit.on_progress(lambda stage, share: stages.append(stage))
        assert first.fit.wait(timeout=300) is not None
        assert first.method == "umap"
        assert stages[-2:] == ["layout", "names"]
        nearest = np.argsort(np.linalg.norm(first.coordinates[:, None] - first.coordinates[None], axis=2))[:, 1:6]
        assert (nearest % 4 == np.arange(80)[:, None] % 4).mean() > 0.95
        assert list((tmp_path / "db" / "cache").glob("map-*.npz"))

        monkeypatch.setattr(reducers, "umap", None)
        monkeypatch.setitem(reducers.REDUCERS, "umap", reducers.Reducer("umap", None, needs_neighbours=True, slow=True))
        again = project(collection, "umap")
        np.testing.assert_array_equal(again.coordinates, first.coordinates)
        monkeypatch.undo()
        np.testing.assert_array_equal(project(collection, "umap", cache=False).coordinates, first.coordinates)


@pytest.fixture
def slow(monkeypatch):
    """A method that takes long in name only: what is kept and when can be seen without UMAP."""
    calls = []

    def reduce(points, near, dims, seed, report):
        calls.append(len(points))
        report(0.5)
        return reducers.pca(points, dims=dims) + 1

    monkeypatch.setitem(reducers.REDUCERS, "slow", reducers.Reducer("slow", reduce, slow=True))
    return calls


def test_a_map_is_made_again_when_parameters_change(client, filled, slow):
    collection = filled(client, 30)
    for options in ({}, {"dims": 3}, {"seed": 1}, {"where": {"topic": {"$ne": "whale ocean"}}}, {"sample": 17}):
        before = len(slow)
        first = project(collection, "slow", **options)
        np.testing.assert_array_equal(project(collection, "slow", **options).coordinates, first.coordinates)
        assert len(slow) == before + 1


def test_text_and_metadata_that_change_need_no_new_map(client, filled, slow):
    collection = filled(client, 20)
    project(collection, "slow")
    collection.update(ids=["id1"], metadatas=[{"topic": "new"}])
    assert project(collection, "slow").metadatas[1]["topic"] == "new"
    assert slow == [20]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half a file", b"not numpy"])
def test_a_damaged_file_of_coordinates_is_forgotten(client, filled, slow, damage, tmp_path):
    collection = filled(client, 20)
    kept = project(collection, "slow").coordinates
    for path in (tmp_path / "user-cache" / "chroma_nb" / "maps").glob("map-*.npz"):
        path.write_bytes(damage)
    np.testing.assert_array_equal(project(collection, "slow").coordinates, kept)
    assert slow == [20, 20]


def test_files_with_pickles_are_not_read(tmp_path):
    class Trap:
        def __reduce__(self):
            return (sys.exit, (1,))

    with open(tmp_path / "map-x.npz", "wb") as file:
        np.savez(file, coordinates=np.array([Trap()], dtype=object))
    assert coordinates_cache.load([tmp_path], "x", (1, 2)) is None
    with pytest.raises(ValueError, match=r"expected a map that Projection\.save of this version wrote"):
        Projection.load(tmp_path / "map-x.npz")


def _text(path):
    path.write_text("a text")


FOREIGN_FILES = {
    "a text": _text,
    "nothing": lambda path: path.touch(),
    "one array": lambda path: np.save(path, np.zeros(2)),
    "other arrays": lambda path: np.savez(path, a=np.zeros(2)),
    "another state": lambda path: np.savez(path, state=np.frombuffer(b"[1]", np.uint8), coordinates=np.zeros((1, 2))),
}


@pytest.mark.parametrize("kind", FOREIGN_FILES)
def test_a_file_that_is_no_map_is_named_with_what_to_do(tmp_path, kind):
    path = tmp_path / ("map.npy" if kind == "one array" else "map.npz")
    FOREIGN_FILES[kind](path)
    with pytest.raises(ValueError, match=r"wrote, got .*map\.np.*; create it again with project\(\)$") as caught:
        Projection.load(path)
    assert "pickle" not in str(caught.value)


@pytest.mark.parametrize("odd", ["missing", "folder", "below/a file"])
def test_a_map_that_is_not_there_is_named_with_what_to_do(tmp_path, odd):
    (tmp_path / "folder").mkdir()
    (tmp_path / "below").touch()
    with pytest.raises(ValueError, match=r"cannot be read \(.*\); create it again with project\(\)$"):
        Projection.load(tmp_path / odd)


def test_a_damaged_map_is_a_map_or_refused_with_what_to_do(tmp_path, client, filled):
    whole = project(filled(client, 8), "pca")
    whole.save(tmp_path / "map.npz")
    data = (tmp_path / "map.npz").read_bytes()
    dice = random.Random(0)
    for number in range(400):
        damaged = bytearray(data)
        if number % 4 == 0:
            del damaged[dice.randrange(len(data)) :]
        else:
            for _ in range(1 + number % 3):
                damaged[dice.randrange(len(data))] = dice.randrange(256)
        (tmp_path / "damaged.npz").write_bytes(damaged)
        said = "create it again with project()"
        try:
            Projection.load(tmp_path / "damaged.npz")
        except ValueError as error:
            said = str(error)
        assert said.endswith("create it again with project()")


def test_a_map_whose_file_says_that_it_is_encrypted_is_refused_with_what_to_do(tmp_path, client, filled):
    project(filled(client, 8), "pca").save(tmp_path / "map.npz")
    data = bytearray((tmp_path / "map.npz").read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # before each file, and in the list of all
        for found in re.finditer(re.escape(header), bytes(data)):
            data[found.start() + flags] |= 1
    (tmp_path / "map.npz").write_bytes(data)
    with pytest.raises(ValueError, match=r"create it again with project\(\)$"):
        Projection.load(tmp_path / "map.npz")


def test_only_so_many_maps_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(coordinates_cache, "MOST", 3)
    for number in range(6):
        coordinates_cache.save([tmp_path], str(number), np.zeros((1, 2), np.float32))
    assert len(list(tmp_path.iterdir())) == 3


def test_a_place_that_cannot_be_written_is_passed_over(tmp_path):
    (tmp_path / "file").write_text("")
    kept = coordinates_cache.save([tmp_path / "file" / "cache", tmp_path / "second"], "x", np.zeros((1, 2), np.float32))
    assert kept == tmp_path / "second" / "map-x.npz"
    assert coordinates_cache.save([tmp_path / "file" / "cache"], "x", np.zeros((1, 2), np.float32)) is None


def test_with_wait_false_pca_is_there_at_once_and_the_method_follows(client, filled, monkeypatch):
    go, at_work = threading.Event(), threading.Event()

    def reduce(points, near, dims, seed, report):
        at_work.set()
        go.wait(30)
        return reducers.pca(points, dims=dims) + 1

    monkeypatch.setitem(reducers.REDUCERS, "slow", reducers.Reducer("slow", reduce, slow=True))
    found = project(filled(client, 20), "slow", wait=False)
    at_work.wait(30)
    assert (found.method, found.fit.done) == ("pca", False)
    start = found.coordinates
    go.set()
    found.fit.wait(30)
    found.fit.on_done(lambda fit: None)
    np.testing.assert_allclose(found.coordinates, start + 1)
    assert found.method == "slow"


def test_a_stopped_fit_leaves_the_map_of_pca_and_keeps_nothing(client, filled, monkeypatch, tmp_path):
    at_work = threading.Event()

    def reduce(points, near, dims, seed, report):
        while True:
            report(0.1)
            at_work.set()

    monkeypatch.setitem(reducers.REDUCERS, "slow", reducers.Reducer("slow", reduce, slow=True))
    found = project(filled(client, 20), "slow", wait=False)
    at_work.wait(30)
    found.fit.stop()
    assert found.fit.wait(30) is None
    assert found.fit.stopped
    assert found.method == "pca"
    assert not list((tmp_path / "user-cache").rglob("*.npz"))


def test_what_goes_wrong_in_the_background_is_raised_where_somebody_waits():
    def work(report):
        raise ZeroDivisionError("oh")

    background = Background(work).start()
    with pytest.raises(ZeroDivisionError, match="oh"):
        background.wait(30)


def test_a_filter_and_a_sample_choose_the_records(client, filled):
    collection = filled(client, 40)
    assert {m["topic"] for m in project(collection, "pca", where={"topic": "whale ocean"}).metadatas} == {"whale ocean"}
    sample = project(collection, "pca", sample=7)
    assert len(sample) == 7
    assert sample.ids == project(collection, "pca", sample=7).ids
    assert sample.ids != project(collection, "pca", sample=7, seed=1).ids


WHALES = {"$contains": "whale"}


def test_a_filter_of_documents_chooses_the_records_and_holds_for_all_that_is_done_with_the_map(
    client, filled, tmp_path
):
    collection = filled(client, 40)
    whales = collection.get(where={"topic": "whale ocean"})["ids"]
    found = project(collection, "pca", where={"year": {"$gte": 2000}}, where_document=WHALES)
    assert found.ids == whales
    assert len(project(collection, "pca", where_document=WHALES, sample=4)) == 4
    assert set(project(collection, "pca", where_document=WHALES, sample=4).ids) < set(whales)
    assert set(found.place(query_embeddings=[0.0] * 16, n_results=20).ids[0]) == set(whales)
    collection.update(ids=["id0"], documents=["no more of them"], embeddings=[[0.0] * 16])
    years = [{"year": 2001}] * 2
    collection.add(ids=["new", "no"], embeddings=[[0.0] * 16] * 2, documents=["a whale", "a piano"], metadatas=years)
    found.save(tmp_path / "map.npz")
    for one in (found, Projection.load(tmp_path / "map.npz", collection), found.without(["id4"])):
        assert set(one.refreshed().ids) == {*whales, "new"} - {"id0"}
    assert found.recipe.make(collection, wait=True).ids == [*whales[1:], "new"]


def test_a_map_of_an_earlier_version_had_no_filter_of_documents(client, filled, tmp_path):
    project(filled(client, 4), "pca").save(tmp_path / "map.npz")
    with np.load(tmp_path / "map.npz") as stored:
        parts = {name: stored[name] for name in stored.files}
    state = json.loads(parts["state"].tobytes())
    del state["where_document"]
    parts["state"] = np.frombuffer(json.dumps(state).encode(), np.uint8)
    np.savez(tmp_path / "map.npz", **parts)
    assert Projection.load(tmp_path / "map.npz").where_document is None


@pytest.mark.parametrize("limit", [0, 1_000])
def test_a_filtered_map_is_not_taken_for_that_of_all_records(client, filled, monkeypatch, limit):
    made = []

    def reduce(points, near, dims, seed, report):
        made.append((len(points), int(near.rows.max())))
        return reducers.pca(points, dims=dims) + 1

    monkeypatch.setattr(neighbours, "EXACT_LIMIT", limit)
    monkeypatch.setattr(reducers, "FEWEST", 2)
    monkeypatch.setattr(reducers, "warm_umap", lambda: None)
    row = reducers.Reducer("slow", reduce, slow=True, needs_neighbours=True)
    monkeypatch.setitem(reducers.REDUCERS, "slow", row)
    collection = filled(client, 40)
    asked = [{}, {"where_document": WHALES}, {"where": {"topic": "piano music"}}] * 2
    maps = [project(collection, "slow", **filters) for filters in asked]
    assert made == [(40, 39), (10, 9), (10, 9)]
    for first, second in zip(maps[:3], maps[3:], strict=True):
        np.testing.assert_array_equal(first.coordinates, second.coordinates)


def test_a_query_lies_where_its_neighbours_lie(client, filled):
    collection = filled(client, 40)
    found = project(collection, "pca")
    vector = collection.get(ids=["id5"], include=["embeddings"])["embeddings"][0]
    placed = found.place(query_embeddings=vector, n_results=3)
    np.testing.assert_allclose(placed.coordinates[0], found.coordinates[found.ids.index("id5")], atol=0.1)
    assert placed.ids[0][0] == "id5"
    assert len(placed.ids[0]) == 3


def test_a_query_is_placed_on_the_map_of_a_sample(client, filled):
    found = project(filled(client, 80), "pca", sample=8)
    placed = found.place(query_embeddings=[0.0] * 16)
    low, high = found.coordinates.min(axis=0), found.coordinates.max(axis=0)
    assert (placed.coordinates[0] >= low).all()
    assert (placed.coordinates[0] <= high).all()


def test_new_records_are_placed_by_their_neighbours_and_the_others_stay(client, filled):
    collection = filled(client, 40)
    before = project(collection, "pca")
    vector = collection.get(ids=["id5"], include=["embeddings"])["embeddings"][0]
    collection.delete(ids=["id0"])
    collection.add(ids=["new"], embeddings=[vector], documents=["a new one"])
    after = before.refreshed()
    place = dict(zip(after.ids, after.coordinates.tolist(), strict=True))
    assert "id0" not in place
    assert place["id7"] == before.coordinates[before.ids.index("id7")].tolist()
    np.testing.assert_allclose(place["new"], place["id5"], atol=0.05)
    assert after.to_df().set_index("id").loc["new", "document"] == "a new one"


def test_a_refreshed_map_keeps_the_names_of_its_regions(client, filled):
    collection = filled(client, 40)
    before = project(collection, "pca")
    before.labels.rename(before.labels.of_records()[5], "ours")
    vector = collection.get(ids=["id5"], include=["embeddings"])["embeddings"][0]
    collection.delete(ids=["id0"])
    collection.add(ids=["new"], embeddings=[vector])
    after = before.refreshed()
    named = dict(zip(after.ids, after.labels.of_records(), strict=True))
    old = dict(zip(before.ids, before.labels.of_records(), strict=True))
    assert {one: named[one] for one in old if one in named} == {one: old[one] for one in old if one != "id0"}
    assert named["new"] == "ours"
    after.labels.rename("ours", "theirs")
    assert "ours" in before.labels.names
    collection.delete(ids=collection.get()["ids"])
    assert before.refreshed().labels.of_records() == []


def test_the_map_of_a_sample_gains_no_records_however_often_it_is_refreshed(client, filled):
    found = project(filled(client, 40), "pca", sample=9)
    assert len(found.refreshed().refreshed()) == 9


def test_a_saved_map_comes_back(client, filled, tmp_path):
    collection = filled(client, 40)
    found = project(collection, "pca", 3)
    found.metadatas[0] = {"topic": "\ud800 lone", "nan": float("nan"), "list": [1, 2]}
    found.labels.rename(0, "ours")
    found.save(tmp_path / "map.npz")
    again = Projection.load(tmp_path / "map.npz", collection)
    np.testing.assert_array_equal(again.coordinates, found.coordinates)
    assert (again.ids, again.documents, again.metadatas[1:]) == (found.ids, found.documents, found.metadatas[1:])
    assert again.metadatas[0]["list"] == [1, 2]
    assert again.labels.names == found.labels.names
    assert repr(again) == "<Projection of 'docs': 40 records, 3-D, pca>"
    assert len(again.place(query_embeddings=[0.0] * 16).coordinates) == 1


def test_the_table_has_coordinates_and_keeps_metadata_of_those_names_apart(client):
    collection = client.create_collection("docs", embedding_function=None)
    collection.add(
        ids=["a", "b"], embeddings=[[0, 1], [1, 0]], metadatas=[{"x": 7, "label": "mine"}, {"x": 8, "label": "b"}]
    )
    frame = project(collection).to_df()
    assert list(frame.columns[:4]) == ["id", "x", "y", "label"]
    assert frame["metadata.x"].tolist() == [7, 8]
    assert frame["metadata.label"].tolist() == ["mine", "b"]


@pytest.mark.parametrize("source", ["papers", None, {"get": 1}, {}])
def test_what_is_no_collection_is_refused_by_its_type(source):
    with pytest.raises(TypeError, match=f"expected a collection, got {type(source).__name__}"):
        project(source)


def test_a_region_in_which_no_word_comes_twice_is_named_by_its_metadata():
    spots = np.repeat(np.array([[0, 0], [9, 9]], np.float32), 20, axis=0)
    words = [f"word{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(40)]
    topics = [{"topic": "fish"}] * 20 + [{"topic": "fowl"}] * 20
    assert labels.find(spots, words, topics).names == ["fish", "fowl"]
    topics[:15] = [{"topic": f"fish {n}"} for n in range(15)]
    assert labels.find(spots, words, topics).names == ["region 1", "fowl"]
    assert labels.find(spots, words).names == ["region 1", "region 2"]


def test_labels_can_be_stored_as_metadata(client, filled):
    collection = filled(client, 80)
    found = project(collection, "pca")
    found.labels.rename(0, "the first")
    assert found.store_labels("region") == 80
    assert collection.get(where={"region": "the first"})["ids"]
    assert collection.get(ids=["id0"])["metadatas"][0]["topic"] == "whale ocean"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "magic"}, "expected method to be one of 'auto', 'pca'"),
        ({"dims": 4}, "expected dims to be 2 or 3, got 4"),
        ({"sample": 0}, "expected sample to be a number of records of at least 1"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_read(arguments, message):
    with pytest.raises(ValueError, match=message):
        project(None, **arguments)


def test_what_needs_the_collection_says_so(client, filled, tmp_path):
    project(filled(client, 4)).save(tmp_path / "map.npz")
    with pytest.raises(ValueError, match=r"placing a query needs the collection: Projection\.load"):
        Projection.load(tmp_path / "map.npz").place("a text")


def test_naming_project_loads_nothing_heavy():
    program = (
        "import sys, chroma_nb; chroma_nb.project; "
        "print([name for name in ('pandas', 'plotly', 'umap', 'sklearn', 'numba', 'tqdm') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "[]"
    assert projection.project is chroma_nb.project

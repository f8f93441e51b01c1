"""The map's points, marks and texts are those of the collection as it is, row by row."""

import threading

import numpy as np
import pytest

import chroma_nb
from chroma_nb.projection import reducers
from chroma_nb.projection.background import Background
from chroma_nb.projection.projection import Projection
from chroma_nb.workbench import points as points_
from chroma_nb.workbench.points import SIDE, Points, placed


@pytest.fixture
def mapped(birds, show):
    """A workbench of 300 birds on a line, of which row ``i`` is bird ``i``; its page; the first answer."""
    ids = [f"b{i:03}" for i in range(300)]
    spots = np.stack([np.arange(300), np.zeros(300)], axis=1).astype(np.float32)
    found = birds.get(include=["documents", "metadatas"])
    projection = Projection(ids, spots, found["documents"], found["metadatas"], method="umap", collection=birds)
    workbench, page = show(birds, projection=projection)
    return workbench, page, page.ask("map")


def marked(answer):
    """The rows whose bit is set."""
    return np.flatnonzero(np.unpackbits(np.frombuffer(answer["marks"], np.uint8), bitorder="little")).tolist()


def test_a_key_that_names_of_regions_were_stored_under_can_be_a_colour(mapped):
    workbench, page, _ = mapped
    page.ask("map_colour", key="kind")
    for name in ("home", "kind"):  # a new key, and one that the map has coloured by before
        workbench.projection.store_labels(name)
        workbench.colour = name
        stored = {(record or {}).get(name) for record in workbench.projection.metadatas}
        assert {entry["text"] for entry in page.ask("map_colour", key=name)["entries"]} == stored


def test_points_are_pairs_of_sixteen_bits_sent_once(mapped):
    _, page, first = mapped
    places = np.frombuffer(first["points"], "<u2").reshape(-1, 2)
    assert (first["records"], first["making"], len(first["points"])) == (300, None, 1200)
    assert places[[0, 299], 0].tolist() == [0, SIDE]
    assert np.all(np.diff(places[:, 0].astype(int)) > 0)
    again = page.ask("map", have=first["version"])
    assert "points" not in again
    assert again["version"] == first["version"]


def test_a_filter_marks_what_passes_it_a_bit_a_record(mapped):
    _, page, first = mapped
    assert page.ask("map_shown")["all"]
    page.set(where={"kind": "heron"})
    answer = page.ask("map_shown")
    assert answer["version"] == first["version"]
    assert len(answer["marks"]) == 38
    assert marked(answer) == list(range(1, 300, 3))


def test_hits_are_rows_in_their_rank(mapped):
    _, page, _ = mapped
    page.set(where={"kind": "heron"}, order={"by": "weight", "descending": True})
    answer = page.ask("map_shown", hits=True)
    assert np.frombuffer(answer["hits"], "<i4")[:3].tolist() == [1, 4, 7]


def test_rows_drawn_around_become_the_selection(mapped):
    workbench, page, first = mapped
    rows = np.array([5, 9, 7], "<i4").tobytes()
    assert page.ask("map_select", version=first["version"], do="only", rows=rows)["count"] == 3
    assert workbench.selection.ids == ("b005", "b009", "b007")
    assert page.heard[-2] == {"told": "selection", "count": 3}
    page.ask("map_select", version=first["version"], do="remove", rows=np.array([9], "<i4").tobytes())
    assert marked(page.ask("map_selected")) == [5, 7]


def test_a_part_of_the_map_filters_the_table_beside_the_filters(mapped):
    workbench, page, first = mapped
    page.ask("map_select", version=first["version"], do="only", rows=np.arange(10, 20, dtype="<i4").tobytes())
    page.ask("map_within")
    assert page.ask("count")["shown"] == 10
    page.set(where={"kind": "heron"}, order={"by": "weight", "descending": True})
    assert workbench.ids() == ["b019", "b016", "b013", "b010"]
    assert marked(page.ask("map_shown")) == [10, 13, 16, 19]
    workbench.selection.clear()
    assert workbench.within == {f"b{i:03}" for i in range(10, 20)}
    page.ask("map_within", all=True)
    assert (workbench.within, page.ask("count")["shown"]) == (None, 100)
    workbench.within = ["b001", "not there"]
    assert workbench.ids() == ["b001"]
    with pytest.raises(TypeError, match="expected a list of ids"):
        workbench.within = "b001"
    assert workbench.ids() == ["b001"]


def test_rows_of_a_map_that_was_made_anew_select_nothing(mapped, birds):
    workbench, page, first = mapped
    birds.delete(ids=["b000"])
    renewed = page.ask("map", have=first["version"], renew=True)
    assert renewed["version"] != first["version"]
    assert renewed["records"] == 299
    said = page.ask("map_select", version=first["version"], do="only", rows=np.array([5], "<i4").tobytes())
    assert said["error"] == "the map was computed again meanwhile; try again"
    assert not len(workbench.selection)
    page.ask("map_select", version=renewed["version"], do="only", rows=np.array([5], "<i4").tobytes())
    assert workbench.selection.ids == ("b006",)


def test_what_is_renewed_stays_where_it_was(mapped, birds):
    _, page, first = mapped
    birds.delete(ids=["b100"])
    birds.add(ids=["new"], embeddings=[[0.5, 0.5, 0.5]], documents=["a new one"])
    renewed = page.ask("map", have=first["version"], renew=True)
    before = np.frombuffer(first["points"], "<u2").reshape(-1, 2)
    after = np.frombuffer(renewed["points"], "<u2").reshape(-1, 2)
    assert renewed["records"] == 300
    assert np.array_equal(np.delete(before, 100, axis=0), after[:299])


def test_a_refresh_moves_no_view_and_changes_no_colour(mapped, birds):
    workbench, page, first = mapped
    colours = page.ask("map_colour", key="kind")
    meant = {entry["whole"]: colours["colours"][entry["code"]] for entry in colours["entries"]}
    birds.delete(ids=[f"b{row:03}" for row in (*range(0, 240, 3), *range(280, 300))])  # most wrens, and the right end
    birds.add(ids=["new"], embeddings=[[0.5, 0.5, 0.5]], metadatas=[{"kind": "auk"}])
    workbench.refresh()
    renewed = page.ask("map", have=first["version"], renew=True)
    assert renewed["home"] == first["home"]
    places = [np.frombuffer(one["points"], "<u2").reshape(-1, 2).tolist() for one in (first, renewed)]
    assert places[1][0] == places[0][1]
    again = page.ask("map_colour", key="kind")
    after = {entry["whole"]: again["colours"][entry["code"]] for entry in again["entries"]}
    assert {kind: after[kind] for kind in meant} == meant
    assert after["auk"] not in meant.values()
    birds.delete(where={"kind": "heron"})
    page.ask("map", renew=True)
    birds.add(ids=["newer"], embeddings=[[0.5, 0.5, 0.5]], metadatas=[{"kind": "heron"}])
    page.ask("map", renew=True)
    last = page.ask("map_colour", key="kind")
    assert {entry["whole"]: last["colours"][entry["code"]] for entry in last["entries"]} == after


def test_a_refreshed_map_of_some_documents_stays_where_it_is(birds, show, monkeypatch):
    monkeypatch.setattr("chroma_nb.projection.reducers.find_spec", lambda package: None)  # the map of PCA is the last
    workbench, page = show(birds, where_document={"$contains": "number 1"})
    first = page.ask("map")
    workbench.projection.coordinates[:] = np.random.default_rng(5).random(workbench.projection.coordinates.shape)
    before = dict(zip(workbench.projection.ids, workbench.projection.coordinates.tolist(), strict=True))
    birds.add(ids=["in", "out"], embeddings=[[0.5] * 3] * 2, documents=["bird number 1000", "bird number 2"])
    renewed = page.ask("map", have=first["version"], renew=True)
    after = dict(zip(workbench.projection.ids, workbench.projection.coordinates.tolist(), strict=True))
    assert renewed["records"] == first["records"] + 1
    assert {id_: after[id_] for id_ in before} == before
    assert set(after) - set(before) == {"in"}


def test_the_text_below_the_pointer_is_the_record_as_it_is_now(mapped, birds):
    _, page, first = mapped
    birds.update(ids=["b004"], embeddings=[[1, 0, 0]], documents=["changed since " + "x" * 500])
    said = page.ask("map_hover", version=first["version"], row=4, key="kind")
    assert (said["id"], said["value"]) == ("b004", "heron")
    assert said["text"].startswith("changed since xx")
    assert len(said["text"]) == 281
    birds.delete(ids=["b004"])
    assert page.ask("map_hover", version=first["version"], row=4)["gone"]


def test_the_map_of_a_workbench_with_filters_is_of_what_passes_them(birds, show):
    filters = {"where": {"kind": "wren"}, "where_document": {"$contains": "number 1"}}
    workbench, page = show(birds, **filters)
    ids = birds.get(**filters)["ids"]
    assert page.ask("map")["records"] == len(ids)
    assert workbench.projection.where_document == filters["where_document"]


def test_a_map_of_filtered_documents_stays_where_it_was_when_records_are_written(birds, show):
    filters = {"where": {"kind": "wren"}, "where_document": {"$contains": "number 1"}}
    workbench, page = show(birds, projection=chroma_nb.project(birds, "pca", **filters), **filters)
    before = workbench.projection
    birds.delete(ids=before.ids[:1])
    page.ask("map", renew=True)
    assert workbench.projection.ids == before.ids[1:]
    assert np.array_equal(workbench.projection.coordinates, before.coordinates[1:])


def test_an_empty_collection_has_a_map_without_points(client, show):
    _, page = show(client.create_collection("none", embedding_function=None))
    said = page.ask("map")
    assert (said["records"], said["points"]) == (0, b"")


def test_a_better_map_takes_the_place_of_the_first_and_says_how_far_it_is(birds):
    ids, go_on = birds.get(include=[])["ids"], threading.Event()
    projection = Projection(
        ids, np.random.default_rng(0).random((300, 2)).astype(np.float32), [None] * 300, [None] * 300
    )

    def work(report):
        report("layout", 0.25)
        assert go_on.wait(30)
        return np.zeros((300, 2), np.float32)

    projection.fit = Background(work)
    projection.fit.on_done(lambda fit: setattr(projection, "coordinates", fit.wait()))
    map_ = Points(birds, projection=projection)
    first = map_.now()
    projection.fit.start()
    stages = iter(lambda: map_.making()["stage"], "layout")
    assert all(stage == "waiting" for stage in stages)
    assert map_.making() == {"stage": "layout", "share": 0.25}
    assert map_.now() is first
    go_on.set()
    projection.fit.wait()
    assert map_.now().version > first.version
    assert (map_.making(), map_.note) == (None, "")


def test_a_map_that_is_stopped_stays_and_says_so(birds):
    begun = threading.Event()
    projection = Projection(["a"], np.zeros((1, 2), np.float32), [None], [None])

    def work(report):
        begun.set()
        while True:
            report("layout", 0.5)

    projection.fit = Background(work).start()
    map_ = Points(birds, projection=projection)
    map_.now()
    assert begun.wait(30)
    map_.stop()
    projection.fit.ended(30)
    assert map_.note == "Stopped: this is the PCA map."


@pytest.fixture
def slow(monkeypatch, tmp_path):
    """A method "slow" whose maps are made for as long as the test goes on; the seeds it was asked for."""
    seeds, end = [], threading.Event()

    def reduce(points, near, dims, seed, report):
        seeds.append(seed)
        while not end.wait(0.01):
            report(0.5)
        raise ArithmeticError("no such luck")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    monkeypatch.setitem(reducers.REDUCERS, "slow", reducers.Reducer("slow", reduce, slow=True))
    seeds_and_end = (seeds, end)
    yield seeds_and_end
    end.set()


def test_a_map_in_the_making_is_made_again_as_it_was_asked_for_when_records_are_written(birds, show, slow):
    seeds, end = slow
    projection = chroma_nb.project(birds, "slow", where={"kind": "wren"}, sample=50, seed=7, wait=False)
    workbench, page = show(birds, where={"kind": "wren"}, projection=projection)
    before = page.ask("map")
    birds.delete(ids=projection.ids[:1])
    after = page.ask("map", have=before["version"], renew=True)
    assert (before["records"], after["records"], workbench.projection.recipe.sample) == (50, 50, 50)
    assert set(workbench.projection.ids) < set(birds.get(where={"kind": "wren"})["ids"])
    projection.fit.ended(30)
    assert workbench.projection.fit is not projection.fit
    end.set()
    workbench.projection.fit.ended(30)
    assert page.ask("map")["note"] == "This is the PCA map; slow failed: no such luck"
    assert seeds[-1] == 7


def test_a_workbench_that_is_shown_again_after_it_was_closed_has_the_map_that_was_asked_for(birds, show):
    workbench, _ = show(birds, projection=chroma_nb.project(birds, "pca", sample=50, seed=3))
    ids = workbench.projection.ids
    loaded, _ = show(birds, projection=Projection(["b001"], np.zeros((1, 2), np.float32), [None], [None]))
    for one in (workbench, loaded):
        one.close()
    assert (workbench.projection.ids, loaded.projection.ids) == (ids, ["b001"])


def test_a_record_far_away_makes_the_others_not_small():
    spots = np.random.default_rng(0).normal(size=(1_000, 2)).astype(np.float32)
    spots[0] = 100
    places, (left, bottom, right, top), _ = placed(spots)
    assert right - left < 0.1
    assert top - bottom < 0.1
    assert places[0].min() > 0.99 * SIDE


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_places_that_are_no_numbers_are_drawn_in_the_middle(bad):
    places, _, _ = placed(np.array([[0, 0], [bad, 1], [2, 2]], np.float32))
    assert places[1].tolist()[0] in (SIDE // 2, SIDE // 2 + 1)
    assert len(points_.placed(np.full((3, 2), bad, np.float32))[0]) == 3


# --- Regions --------------------------------------------------------------------------------------------
@pytest.fixture
def towns(client, monkeypatch):
    """A collection with a region of 1,200 records, which has parts, and one of 200; its map is that of PCA."""
    monkeypatch.setattr("chroma_nb.projection.reducers.find_spec", lambda package: None)
    random = np.random.default_rng(0)
    of = np.repeat([0, 1, 2, 3], [400, 400, 400, 200])
    middle = np.array([[0, 0], [3, 0], [1.5, 2.5], [40, 30]])
    collection = client.create_collection("towns", embedding_function=None)
    collection.add(
        ids=[f"t{row:04}" for row in range(1_400)],
        embeddings=(middle[of] + random.normal(size=(1_400, 2)) * 0.9).astype(np.float32),
        documents=[["harbour", "railway", "market", "forest"][topic] for topic in of.tolist()],
    )
    return collection


def regions(page):
    """What the page is told of regions, by level and number."""
    return {(one["level"], one["number"]): one for one in page.ask("map_labels")["labels"]}


def test_regions_come_with_their_parts_and_where_they_lie(towns, show):
    _, page = show(towns)
    page.ask("map")
    found = regions(page)
    assert found[0, 0]["records"] == 1_200
    assert found[0, 1]["whole"] == "forest"
    parts = [one for (level, _), one in found.items() if level == 1]
    assert sum(one["records"] for one in parts) == 1_200
    assert {one["within"] for one in parts} == {0}
    assert {"harbour", "railway", "market"} <= {word for one in parts for word in one["whole"].split(", ")}
    for one in found.values():
        left, bottom, right, top = one["box"]
        assert left <= one["x"] <= right
        assert bottom <= one["y"] <= top


def test_a_name_selects_its_region_or_its_part(towns, show):
    workbench, page = show(towns)
    first, found = page.ask("map"), regions(page)
    page.ask("map_select", version=first["version"], do="only", region=1)
    assert set(workbench.selection.ids) == {f"t{row:04}" for row in range(1_200, 1_400)}
    said = page.ask("map_select", version=first["version"], do="only", region=0, level=1)
    assert said["count"] == found[1, 0]["records"]
    page.ask("map_select", version=first["version"], do="add", region=1, level=0)
    assert len(workbench.selection) == found[1, 0]["records"] + 200


def test_a_region_that_is_renamed_where_writing_is_allowed_keeps_its_name(towns, show):
    workbench, page = show(towns, readonly=False)
    first = page.ask("map")
    page.set(colour="#region")
    before = {entry["whole"]: entry["code"] for entry in page.ask("map_colour", key="#region")["entries"]}
    said = page.ask("map_rename", version=first["version"], region=1, level=0, name="  the\n woods ")
    assert (said["name"], said["kept"]) == ("the woods", True)
    page.ask("map_rename", version=first["version"], region=2, level=1, name="quarter")
    assert regions(page)[0, 1]["whole"] == "the woods"
    after = {entry["whole"]: entry["code"] for entry in page.ask("map_colour", key="#region")["entries"]}
    assert after["the woods"] == before["forest"]
    towns.add(ids=["new"], embeddings=[[40.0, 30.0]], documents=["forest"])
    workbench.refresh()
    page.ask("map", renew=True)
    for one in (page, show(towns)[1]):
        one.ask("map")
        found = regions(one)
        assert (found[0, 1]["whole"], found[1, 2]["whole"]) == ("the woods", "quarter")
        assert found[0, 1]["records"] == 201


def test_a_region_that_is_renamed_where_only_reading_is_allowed_is_so_for_the_view(towns, show):
    workbench, page = show(towns)
    first = page.ask("map")
    said = page.ask("map_rename", version=first["version"], region=1, name="the woods")
    assert (said["name"], said["kept"]) == ("the woods", False)
    workbench.refresh()
    page.ask("map", renew=True)
    assert regions(page)[0, 1]["whole"] == "the woods"
    _, other = show(towns)
    other.ask("map")
    assert regions(other)[0, 1]["whole"] == "forest"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"region": 1, "name": " "}, "a region needs a name"),
        ({"region": 9, "name": "x"}, "there is no region 9"),
        ({"region": -1, "name": "x"}, "there is no region -1"),
        ({"region": 99, "level": 1, "name": "x"}, "there is no region 99"),
        ({"region": 1, "name": "x", "version": -1}, "the map was computed again meanwhile"),
    ],
)
def test_what_cannot_be_a_name_is_said(towns, show, asked, message):
    _, page = show(towns)
    first = page.ask("map")
    assert message in page.ask("map_rename", **{"version": first["version"], **asked})["error"]

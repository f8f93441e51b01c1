"""``explore(collection)`` is the workbench with the map in front; what its map does not draw is the explorer's."""

import base64
import re

import pytest

import chroma_nb
from chroma_nb.jupyter.widgets.explorer import Explorer
from chroma_nb.workbench.selection import Selection
from chroma_nb.workbench.widget import Workbench


@pytest.fixture(autouse=True)
def _the_cache_is_the_tests_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


@pytest.fixture
def explore(request):
    def make(*args, **options):
        workbench = chroma_nb.explore(*args, **options)
        if isinstance(workbench, Workbench):
            request.addfinalizer(workbench.close)
        return workbench

    return make


def test_the_map_is_in_front_and_coloured_by_its_regions_or_a_key(birds, explore):
    workbench = explore(birds, "pca")
    assert isinstance(workbench, Workbench)
    assert (workbench.view, workbench.colour, workbench.readonly) == ("map", "#region", True)
    assert "map" not in workbench.folded
    assert explore(birds, "pca", color="kind").colour == "kind"
    assert explore(birds, "pca", color=None).colour is None


def test_a_colour_that_was_chosen_survives_another_run_of_the_cell(birds, explore):
    explore(birds, "pca").colour = "kind"
    assert explore(birds, "pca").colour == "kind"
    assert explore(birds, "pca", color="year").colour == "year"
    assert explore(birds, "pca").colour == "#region"


def test_a_key_of_one_record_that_nobody_has_met_colours_too(birds, explore):
    birds.update(ids=["b299"], metadatas=[{"seldom": "x"}])
    assert explore(birds, "pca", color="seldom").colour == "seldom"


def test_a_key_that_no_record_has_is_an_error(birds, explore):
    with pytest.raises(ValueError, match="No record has the metadata key 'knid'"):
        explore(birds, "pca", color="knid")


def test_a_key_that_is_called_label_is_a_key(client, explore):
    collection = client.create_collection("labelled", embedding_function=None)
    collection.add(ids=["a", "b"], embeddings=[[1, 0], [0, 1]], metadatas=[{"label": "x"}, {"label": "y"}])
    assert explore(collection, "pca").colour == "label"


def test_the_smallest_collections_have_a_map(client, explore):
    collection = client.create_collection("small", embedding_function=None)
    assert explore(collection, color="any").ids() == []
    collection.add(ids=["a"], embeddings=[[1, 0]])
    assert explore(collection).projection.ids == ["a"]


def test_a_filter_holds_for_map_and_table(birds, explore):
    workbench = explore(birds, "pca", where={"kind": "wren"})
    assert workbench.ids() == workbench.projection.ids == birds.get(where={"kind": "wren"})["ids"]
    assert workbench._given == {"where": {"kind": "wren"}, "where_document": None}


def test_a_filter_of_documents_holds_for_map_table_and_search(papers, explore):
    workbench = explore(papers, "pca", where_document={"$contains": "a"}, where={"year": {"$gte": 2019}})
    assert workbench.ids() == workbench.projection.ids == ["p1", "p2"]
    assert workbench._given == {"where": {"year": {"$gte": 2019}}, "where_document": {"$contains": "a"}}
    papers.add(ids=["p4", "p5"], documents=["a cab", "moon"], metadatas=[{"year": 2020}] * 2)
    workbench._seen.points.renew()
    assert workbench.projection.ids == ["p1", "p2", "p4"]
    workbench.search = {"text": "aab", "by": "meaning"}
    assert set(workbench.ids()) <= {"p1", "p2", "p4"}
    assert set(workbench.projection.place(query_texts="aab").ids[0]) == {"p1", "p2", "p4"}
    plotly = explore(papers, "pca", where_document={"$contains": "a"}, renderer="plotly")
    assert plotly.projection.ids == ["p1", "p2", "p3", "p4"]


def test_a_map_that_is_there_is_explored(birds, explore):
    projection = chroma_nb.project(birds, "pca", sample=50)
    selection = Selection(birds)
    workbench = explore(projection, selection=selection)
    assert workbench.projection is projection
    assert workbench.selection is selection


@pytest.mark.parametrize(
    "asked",
    [{"dims": 3}, {"size": "weight"}, {"color": dict.fromkeys(["b000"], 1)}, {"renderer": "plotly"}],
    ids=["three dimensions", "sizes", "values", "asked for"],
)
def test_plotly_draws_what_the_workbench_does_not(birds, explore, asked):
    assert isinstance(explore(birds, "pca", **asked), Explorer)


def test_a_renderer_that_there_is_not_is_an_error(birds, explore):
    with pytest.raises(ValueError, match="expected renderer to be 'auto', 'plotly' or 'scatter', got 'svg'"):
        explore(birds, "pca", renderer="svg")


def test_a_saved_notebook_shows_the_map_and_the_first_records(birds, explore, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw, display_id=None: shown.append(data))
    explore(birds, "pca", color="kind")._ipython_display_()
    explore(birds, "pca")._ipython_display_()
    pictures = [one["text/html"] for one in shown[::2]]
    assert all("data:image/svg+xml;base64," in one and "bird number 0" in one for one in pictures)
    assert len(set(pictures)) == 2


def test_a_search_by_meaning_is_a_star_in_a_saved_notebook(papers, explore, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw, display_id=None: shown.append(data))
    workbench = explore(papers, "pca")
    for search in (None, {"text": "aab", "by": "words"}, {"text": "aab", "by": "meaning"}):
        workbench.search = search
        workbench._ipython_display_()
    drawn = [base64.b64decode(re.search('base64,([^"]+)', one["text/html"])[1]).decode() for one in shown[::2]]
    assert ["aab" in one for one in drawn] == [False, False, True]

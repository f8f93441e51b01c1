"""What draws the map of an explorer is its file and its row: selection, table and record follow it."""

import ipywidgets
import pytest

from chroma_nb.jupyter.widgets.explore import explore
from chroma_nb.jupyter.widgets.explorer import RENDERERS


class ListOfPoints:
    """The ids of all points; those chosen are the selection."""

    def __init__(self, state, height):
        self.figure = ipywidgets.SelectMultiple(options=state.projection.ids, layout={"height": f"{height}px"})
        self.figure.observe(lambda change: state.select_rows(state.rows_of(change["new"]), "list"), "value")
        state.selection.on_select(self.show, source="list")
        state.on_change(lambda what: None)

    def show(self, selection):
        self.figure.value = selection.ids


@pytest.fixture(autouse=True)
def _a_renderer_more(monkeypatch):
    monkeypatch.setitem(RENDERERS, "list", ListOfPoints)


def test_it_selects_and_follows_the_selection(papers, client):
    explorer = explore(papers, "pca", client=client, renderer="list")
    assert isinstance(explorer.map, ListOfPoints)
    explorer.figure.value = ("p2",)
    assert explorer.selection.ids == ("p2",)
    assert "deaf ghee" in explorer.table.rows.value
    explorer.selection.ids = ["p1", "p3"]
    assert explorer.figure.value == ("p1", "p3")


def test_its_name_is_among_those_to_choose_from(papers, client):
    with pytest.raises(ValueError, match="'auto', 'plotly', 'scatter' or 'list', got 'svg'"):
        explore(papers, "pca", client=client, renderer="svg")

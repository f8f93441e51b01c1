"""What a saved notebook shows is what was seen last: the columns, the order, the filters, the search, the map."""

import base64
import re

import pytest


@pytest.fixture
def saved(monkeypatch):
    """What the outputs of the notebook hold by now: the id of a display -> its HTML."""
    outputs = {}

    def display(data, raw, display_id=None):
        if display_id is not None:
            outputs[display_id] = data["text/html"]

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("IPython.display.update_display", display)
    return outputs


def settle(page, box=None):
    """The page says that nothing changes any more."""
    assert "error" not in page.ask("settled", box=box)


def text(html):
    return re.sub(r"<style.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL)


def drawing(html):
    return base64.b64decode(re.search('base64,([^"]+)', html)[1]).decode()


def test_what_was_chosen_is_saved_when_nothing_changes_any_more(birds, show, saved):
    workbench, page = show(birds, columns=["#id", "kind", "weight"])
    workbench._ipython_display_()
    (name,) = saved
    before = saved[name]
    workbench.where, workbench.order = {"kind": "wren"}, {"by": "weight", "descending": True}
    workbench.columns = ["weight", "#id"]
    assert saved[name] == before
    settle(page)
    now = text(saved[name])
    assert list(saved) == [name]
    assert f'class="{name}"' in saved[name]
    assert "kind" in now
    assert re.search(r"weight\s+id\s", now)
    assert "sorted by weight, descending" in now
    assert now.index(workbench.ids()[0]) < now.index(workbench.ids()[1])
    assert f"{len(workbench.ids()):,} records of {birds.count():,}" in now
    assert "run the cell again" in now


def test_each_output_of_a_workbench_follows(birds, show, saved):
    workbench, page = show(birds)
    workbench._ipython_display_()
    workbench._ipython_display_()
    workbench.where = {"kind": "wren"}
    settle(page)
    assert len(saved) == 2
    assert all("wren" in text(html) for html in saved.values())


def test_what_is_not_in_a_notebook_or_closed_updates_nothing(birds, show, saved):
    settle(show(birds)[1])
    workbench, _ = show(birds)
    workbench._ipython_display_()
    before = dict(saved)
    workbench.where = {"kind": "wren"}
    workbench.close()
    workbench._renew_twins(None)
    assert saved == before


def test_a_search_is_saved_with_ranks_and_reasons(birds, show, saved):
    workbench, page = show(birds)
    workbench._ipython_display_()
    workbench.search = {"text": "number 7", "by": "words"}
    settle(page)
    (html,) = saved.values()
    assert "search: number 7" in text(html)
    assert re.search(r"rank\s", text(html))
    assert "found by" in text(html)


def test_the_map_is_saved_as_it_was_looked_at(birds, show, saved):
    workbench, page = show(birds, view="map", colour="kind")
    workbench._ipython_display_()
    (name,) = saved
    whole = drawing(saved[name])
    workbench.where = {"kind": "wren"}
    settle(page)
    filtered = drawing(saved[name])
    assert 'stroke-opacity=".2"' in filtered
    assert 'stroke-opacity=".2"' not in whole
    settle(page, [0.4, 0.4, 0.6, 0.6])
    assert drawing(saved[name]) != filtered
    workbench.folded = ["map"]
    settle(page)
    assert "data:image" not in saved[name]


def test_the_map_is_saved_in_the_colours_that_were_chosen_on_it(birds, show, saved):
    """Every value of them has one colour there: the scale of the page's map is that of the picture."""
    workbench, page = show(birds, view="map", colour="kind")
    workbench._ipython_display_()
    (name,) = saved
    colours = page.ask("map_colour", key="kind")["colours"]
    used = set(re.findall('stroke="(#[0-9a-f]{6})" stroke-width="6"', drawing(saved[name])))
    assert used
    assert used <= set(colours)


def test_text_of_the_collection_stays_text(client, show, saved):
    attack = "<img src=x onerror=alert(1)>"
    collection = client.create_collection("docs", embedding_function=None)
    collection.add(
        ids=[attack], embeddings=[[1, 0]], documents=[attack], metadatas=[{attack: attack, "day": "2024-05-01"}]
    )
    workbench, page = show(collection)
    workbench._ipython_display_()
    workbench.where = {attack: attack}
    settle(page)
    (html,) = saved.values()
    assert "<img" not in html
    assert "2024-05-01" in html


def test_missing_values_and_dates_are_shown_as_in_the_table(client, show, saved):
    collection = client.create_collection("docs", embedding_function=None)
    collection.add(
        ids=["a", "b"],
        embeddings=[[1, 0], [0, 1]],
        metadatas=[{"created_at": 1714568700, "price": 1.5}, {"price": 2.25}],
    )
    workbench, _ = show(collection)
    workbench._ipython_display_()
    (html,) = saved.values()
    assert "2024-05-01 13:05" in html
    assert "—" in html
    assert "1.50" in html

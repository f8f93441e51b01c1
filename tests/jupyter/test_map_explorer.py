"""The explorer by plotly without a browser: what a lasso, a search, a button do to state, table and collection."""

import base64
import functools
import json
import re
import threading
import warnings

import ipywidgets
import numpy as np
import pandas as pd
import pytest

import chroma_nb
from chroma_nb.jupyter.widgets import displayed, large_map
from chroma_nb.jupyter.widgets.explorer import Explorer, static_html
from chroma_nb.jupyter.widgets.explorer_state import SEARCHES, ExplorerState
from chroma_nb.jupyter.widgets.large_map import LargeMapView
from chroma_nb.jupyter.widgets.map import MapView
from chroma_nb.projection import figures, reducers
from chroma_nb.projection.projection import project
from chroma_nb.workbench import shown as shown_module
from chroma_nb.workbench.selection import Selection

explore = functools.partial(chroma_nb.explore, renderer="plotly")

ATTACK = '<img src=x onerror="alert(1)"><script>alert(1)</script>'
#: The map itself in what a saved notebook shows; test_map_drawing.py looks into it.
PICTURE = re.compile(r'<img [^<>]*src="data:image/svg\+xml;base64,[\w+/=]+">')
TEXTS = ["aaa bad cab", "bee ebb", "cod cedar", "fed gag", "hah ahead"]


@pytest.fixture(autouse=True)
def _the_cache_is_the_tests_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


@pytest.fixture
def collection(client, words):
    made = client.create_collection("docs", embedding_function=words)
    made.add(
        ids=[f"id{n}" for n in range(25)],
        documents=[f"{TEXTS[n % 5]} {'abcdefgh'[n % 8]}" for n in range(25)],
        metadatas=[{"kind": "xyz"[n % 3], "n": n + 0.5} for n in range(25)],
    )
    return made


@pytest.fixture
def explorer(client, collection):
    return explore(collection, "pca", client=client, color="kind")


OUTLINE = {"type": "box", "xrange": [0, 1], "yrange": [0, 1]}


def page_says(explorer, event, **said):
    """A message of the map in the page."""
    content = {"data": {"method": "custom", "content": {"event": event, **said}}}
    explorer.figure._handle_msg({"content": content, "buffers": []})


def points_of(explorer, ids):
    """Records as the page knows them: the numbers of points by the number of their trace, as JSON has it."""
    rows = explorer.state.rows_of(ids)
    places = {str(number): np.flatnonzero(np.isin(own, rows)).tolist() for number, own in enumerate(explorer.map._rows)}
    return {number: found for number, found in places.items() if found}


def lasso(explorer, ids, shape=OUTLINE):
    """Draw around these records; the page tells of the outline after what lies in it."""
    page_says(explorer, "lassoed", points=points_of(explorer, ids), shape=shape)
    outlines = [{"type": "rect", "x0": 0, "x1": 1, "y0": 0, "y1": 1, "line": {"width": 1}}]
    moved = {"relayout_data": {"selections": outlines}, "source_view_id": "page"}
    explorer.figure.set_state({"_js2py_relayout": moved})


@pytest.fixture
def sent(explorer):
    """The messages that the map sends to the page, in order."""
    messages = []
    explorer.figure.observe(
        lambda change: messages.append(change["new"]) if change["new"] else None,
        [name for name in explorer.figure.keys if name.startswith("_py2js_")],
    )
    return messages


def drawn_anew(messages):
    """The changes of the layout in messages."""
    return [message["relayout_data"] for message in messages if message.get("relayout_data")]


def chosen_points(explorer):
    """The ids that the figure shows as selected."""
    ids = explorer.projection.ids
    return {
        ids[rows[place]]
        for trace, rows in zip(explorer.figure.data, explorer.map._rows, strict=False)
        for place in trace.selectedpoints or ()
    }


def test_a_lasso_over_several_traces_is_one_selection_and_fills_the_table(explorer):
    heard = []
    explorer.selection.on_select(lambda selection: heard.append(selection.ids))
    lasso(explorer, ["id4", "id1", "id2"])
    assert heard == [("id1", "id2", "id4")]
    assert "3 of 25 records selected" in explorer.table.rows.value
    assert "cod cedar" in explorer.table.rows.value
    assert explorer.selection.to_df()["id"].tolist() == ["id1", "id2", "id4"]


def test_the_table_says_how_to_fill_it_or_that_there_is_nothing(client, explorer):
    assert "Draw around points on the map" in explorer.table.rows.value
    nothing = client.create_collection("nothing", embedding_function=None)
    assert "There are no records on this map." in explore(nothing, "pca", client=client).table.rows.value


def test_where_a_sample_is_drawn_a_lasso_selects_what_is_not_drawn_too(explorer, monkeypatch):
    monkeypatch.setattr(figures, "DRAWN", 5)
    explorer.map.redraw()
    assert sum(map(len, explorer.map._rows)) == 5
    x, y = explorer.projection.coordinates.T
    box = {"type": "box", "xrange": [float(x.max()), 0.0], "yrange": [float(y.min()), float(y.max())]}
    lasso(explorer, [], box)
    assert set(explorer.selection.ids) == {f"id{n}" for n in np.flatnonzero(x >= 0)}


def test_python_and_the_table_are_followed_by_the_map(explorer):
    explorer.selection.ids = ["id7", "id8", "id9"]
    assert chosen_points(explorer) == {"id7", "id8", "id9"}
    explorer.table.pick.value = ["id8"]
    assert "Record id8" in explorer.marked.record.value
    rings = explorer.figure.layout.to_plotly_json()["shapes"]
    assert [ring["xanchor"] for ring in rings] == [explorer.projection.coordinates[8, 0]]
    explorer.table.keep.click()
    assert explorer.selection.ids == ("id8",)
    assert chosen_points(explorer) == {"id8"}
    explorer.table.clear.click()
    assert chosen_points(explorer) == set()
    assert all(trace.selectedpoints is None for trace in explorer.figure.data)


def test_a_lasso_is_erased_when_the_selection_comes_from_elsewhere(explorer, sent):
    lasso(explorer, ["id1", "id2", "id3"])
    assert {"selections": []} not in drawn_anew(sent)
    explorer.selection.ids = ["id1"]
    assert drawn_anew(sent)[-1] == {"selections": []}
    assert chosen_points(explorer) == {"id1"}
    sent.clear()
    explorer.selection.ids = ["id2"]
    assert drawn_anew(sent) == []


def test_the_echo_of_an_erased_lasso_changes_nothing(explorer):
    lasso(explorer, ["id1", "id2", "id3"])
    explorer.selection.ids = ["id1"]
    page_says(explorer, "lassoed", points={}, shape=None)
    assert explorer.selection.ids == ("id1",)
    assert chosen_points(explorer) == {"id1"}
    page_says(explorer, "lassoed", points={}, shape=OUTLINE)  # the person, around nothing
    assert explorer.selection.ids == ()


def test_a_lasso_that_a_callback_changes_at_once_is_erased_when_the_page_tells_of_it(explorer, sent):
    explorer.selection.on_select(lambda selection: selection.select(["id7", "id8"]))
    lasso(explorer, ["id1", "id2"])
    assert explorer.selection.ids == ("id7", "id8")
    assert chosen_points(explorer) == {"id7", "id8"}
    assert drawn_anew(sent)[-1] == {"selections": []}


def test_a_lasso_ends_with_a_map_that_is_drawn_anew(explorer, sent):
    lasso(explorer, ["id1", "id2"])
    explorer.painting.color.value = "n"
    assert {"selections": []} in drawn_anew(sent)
    assert chosen_points(explorer) == {"id1", "id2"}


def test_what_the_person_chose_on_the_map_stays_when_it_is_painted_anew(explorer, sent):
    chosen = {"relayout_data": {"dragmode": "pan", "xaxis.range[0]": 0, "xaxis.range[1]": 1}, "source_view_id": "page"}
    explorer.figure.set_state({"_js2py_relayout": chosen})
    sent.clear()
    explorer.painting.color.value = "n"
    assert not {"dragmode", "xaxis", "height", "yaxis"} & {name for one in drawn_anew(sent) for name in one}
    assert explorer.figure.layout.to_plotly_json()["dragmode"] == "pan"
    explorer.selection.ids = [f"id{n}" for n in range(15)]
    explorer.state.delete(confirmed=15)
    assert {"xaxis", "yaxis"} <= {name for one in drawn_anew(sent) for name in one}
    assert explorer.figure.get_state()["_widget_layout"]["height"] == 560


def test_a_double_click_selects_nothing(explorer):
    lasso(explorer, ["id1", "id2"])
    page_says(explorer, "unselected")
    assert explorer.selection.ids == ()
    assert chosen_points(explorer) == set()


def test_a_page_that_asks_again_gets_the_map_as_it_is(explorer):
    explorer.painting.color.value = "n"
    explorer.selection.ids = ["id1"]
    state = explorer.figure.get_state()
    assert state["_widget_data"][0]["marker"]["showscale"]
    assert sum(len(trace.get("selectedpoints", ())) for trace in state["_widget_data"]) == 1


def test_nothing_that_is_drawn_is_lost_while_a_message_comes_in(explorer, sent, monkeypatch):
    """Without turns traitlets would hold back what is drawn, and send of each message its end alone."""
    handling, drawn = threading.Event(), threading.Event()
    figure = explorer.figure

    def slowly(name, value):
        handling.set()
        drawn.wait(0.3)
        type(figure).set_trait(figure, name, value)

    def draw():
        handling.wait(10)
        explorer.state.paint("n")
        drawn.set()

    monkeypatch.setattr(figure, "set_trait", slowly)
    thread = threading.Thread(target=draw)
    thread.start()
    figure.set_state({"_view_count": 1})
    thread.join(10)
    assert any("trace_data" in message for message in sent)


def test_views_of_one_selection_never_wait_for_one_another(collection, client):
    both = Selection(collection)
    first = explore(collection, "pca", client=client, selection=both)
    second = explore(first.projection, client=client, selection=both)
    assert first.state.lock is second.state.lock is both.lock
    threads = [
        threading.Thread(target=lambda one=one, own=own: [lasso(one, [f"id{own + n % 3}"]) for n in range(20)])
        for one, own in ((first, 0), (second, 10))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert chosen_points(first) == chosen_points(second) == set(both.ids)


def test_the_message_that_makes_the_map_holds_every_point(client, collection, monkeypatch):
    opened = []
    create = ipywidgets.widget.comm.create_comm
    monkeypatch.setattr(
        ipywidgets.widget.comm, "create_comm", lambda **said: opened.append(said["data"]["state"]) or create(**said)
    )
    explore(collection, "pca", client=client)
    (figure,) = [state for state in opened if "_widget_data" in state]
    assert sum(trace["x"]["shape"][0] for trace in figure["_widget_data"]) == 25
    assert figure["_widget_layout"]["height"] == 560
    assert figure["_line"]


@pytest.fixture
def line(explorer, monkeypatch):
    """What is said on the line of the map."""
    said = []
    monkeypatch.setattr(explorer.figure._to_page, "send", lambda content, buffers=None: said.append(content))
    return said


def page_asks(explorer, number):
    content = {"data": {"method": "custom", "content": {"who": "page 1", "number": number}}}
    explorer.figure._to_page._handle_msg({"content": content, "buffers": []})


def test_messages_to_the_map_are_numbered_and_none_needs_the_script_of_the_page(explorer, line, monkeypatch):
    monkeypatch.setattr(explorer.figure.comm, "send", lambda **said: pytest.fail("the page may be deaf to it"))
    explorer.state.paint("n")
    lasso(explorer, ["id1"])
    explorer.selection.ids = ["id2"]
    assert [one["number"] for one in line] == list(range(1, len(line) + 1))
    assert all(list(filter(None, one["state"].values())) for one in line)


def test_a_page_that_missed_something_is_given_the_map_as_it_stands(explorer, line):
    page_asks(explorer, 0)
    assert line == [{"who": "page 1", "number": 0}]
    explorer.state.paint("n")
    said = len(line) - 1
    page_asks(explorer, 0)
    answer = line[-1]
    assert (answer["who"], answer["number"]) == ("page 1", said)
    assert answer["state"]["_widget_data"][0]["marker"]["showscale"]
    page_asks(explorer, said)
    assert line[-1] == {"who": "page 1", "number": said}
    assert explorer.figure.get_state()["_said"] == said


def test_a_click_shows_the_record_as_it_is_now(explorer, collection):
    collection.update(ids=["id0"], metadatas=[{"kind": "fresh"}])
    page_says(explorer, "clicked", points=points_of(explorer, ["id0"]))
    assert "fresh" in explorer.marked.record.value
    collection.delete(ids=["id0"])
    explorer.state.look_at(["id0"])
    assert "id0 is not in the collection any more" in explorer.marked.record.value


def test_a_search_is_a_star_and_selects_its_hits(explorer, collection):
    explorer.questions.query.value = "aaa bad cab"
    assert explorer.selection.ids == tuple(collection.query(query_texts="aaa bad cab", n_results=10)["ids"][0])
    assert chosen_points(explorer) == set(explorer.selection.ids)
    stars = [trace.name for trace in explorer.figure.data if (trace.name or "").startswith("★")]
    assert stars == ["★ aaa bad cab"]
    for number in range(SEARCHES + 1):
        explorer.state.search(f"cab {number}")
    assert len(explorer.state.searches) == SEARCHES
    explorer.questions.forget.click()
    assert not [trace for trace in explorer.figure.data if (trace.name or "").startswith("★")]


def test_the_table_turns_its_pages(explorer):
    explorer.selection.ids = [f"id{n}" for n in range(25)]
    explorer.table.next.click()
    explorer.table.next.click()
    assert "page 3 of 3" in explorer.table.of_pages.value
    assert explorer.table.next.disabled
    assert [value for _, value in explorer.table.pick.options] == [f"id{n}" for n in range(20, 25)]
    explorer.selection.ids = ["id1"]
    assert "page 1 of 1" in explorer.table.of_pages.value


def test_the_selection_becomes_a_collection_of_the_same_kind(explorer, client, collection):
    explorer.selection.ids = ["id1", "id2"]
    explorer.actions.name.value = "chosen"
    explorer.actions.save.click()
    made = client.get_collection("chosen", embedding_function=collection._embedding_function)
    assert made.get(include=["documents", "metadatas"])["metadatas"] == [
        {"kind": "y", "n": 1.5},
        {"kind": "z", "n": 2.5},
    ]
    np.testing.assert_allclose(
        made.get(include=["embeddings"])["embeddings"],
        collection.get(["id1", "id2"], include=["embeddings"])["embeddings"],
    )
    assert "Saved 2 records as the collection &#x27;chosen&#x27;" in explorer.status.widget.value


def test_the_selection_is_tagged_in_the_collection_and_on_the_map(explorer, collection):
    explorer.selection.ids = ["id1", "id2"]
    explorer.actions.key.value, explorer.actions.value.value = "seen", "yes"
    explorer.actions.tag.click()
    assert collection.get(where={"seen": "yes"})["ids"] == ["id1", "id2"]
    assert collection.get(ids=["id1"])["metadatas"][0]["kind"] == "y"
    assert ("seen", "seen") in explorer.painting.color.options
    explorer.painting.color.value = "seen"
    assert [trace.name for trace in explorer.figure.data[:2]] == ["yes", "missing"]


def test_showing_a_map_writes_out_no_point(explorer):
    assert repr(explorer.figure) == f"<map of {len(explorer.figure.data)} traces>"


def test_a_tag_is_of_the_type_that_its_key_has(client, collection):
    collection.update(ids=["id3"], metadatas=[{"ok": True, "tags": ["a"]}])
    explorer = explore(collection, "pca", client=client)
    explorer.selection.ids = ["id1"]
    for key, text, stored in (
        ("n", "7", 7),
        ("ok", "false", False),
        ("kind", "5", "5"),
        ("tags", "b", "b"),
        ("z", "1", "1"),
    ):
        explorer.actions.key.value, explorer.actions.value.value = key, text
        explorer.actions.tag.click()
        assert collection.get(ids=["id1"])["metadatas"][0][key] == stored
        assert f"1 record has {key} = {text} now." in explorer.status.widget.value
    assert collection.get(where={"n": {"$gt": 6.5}}, ids=["id1"])["ids"] == ["id1"]
    explorer.actions.key.value, explorer.actions.value.value = "n", "seven"
    explorer.actions.tag.click()
    assert "expected a number for &#x27;n&#x27;, got &#x27;seven&#x27;" in explorer.status.widget.value
    assert collection.get(ids=["id1"])["metadatas"][0]["n"] == 7


def test_a_saved_selection_keeps_its_uris(explorer, collection):
    collection.update(ids=["id2"], uris=["file:///two"])
    explorer.selection.ids = ["id1", "id2"]
    found = explorer.state.save_as("with-uris").get(include=["uris", "documents"])
    assert dict(zip(found["ids"], found["uris"], strict=True)) == {"id1": None, "id2": "file:///two"}
    assert all(found["documents"])


def test_what_went_wrong_is_said_in_words_and_not_for_longer_than_it_is_so(explorer, client):
    explorer.search("cod cedar")
    explorer.actions.save.click()
    assert "⚠ expected a name for the new collection, got none" in explorer.status.widget.value
    explorer.table.clear.click()
    assert "⚠" not in explorer.status.widget.value


def test_a_collection_deleted_elsewhere_is_said_to_be_gone(explorer, client):
    explorer.selection.ids = ["id1", "id2"]
    explorer.table.pick.value = ("id1",)
    assert "Record id1" in explorer.marked.record.value
    client.delete_collection("docs")
    explorer.table.pick.value = ("id2",)
    gone = "⚠ this collection does not exist any more: it was deleted, or created again, elsewhere"
    assert gone in explorer.status.widget.value
    assert explorer.marked.record.value == ""
    explorer.actions.delete.click()
    explorer.actions.deletion.confirm.click()
    assert gone in explorer.status.widget.value
    assert len(explorer.projection) == 25


def test_deleting_asks_and_deletes_only_what_was_confirmed(explorer, collection):
    explorer.selection.ids = ["id1", "id2"]
    explorer.actions.delete.click()
    assert explorer.actions.deletion.widget.layout.display is None
    assert collection.count() == 25
    explorer.selection.ids = ["id1"]
    assert explorer.actions.deletion.widget.layout.display == "none"
    explorer.actions.deletion.confirm.click()
    assert "the selection has changed: 0 records were confirmed, 1 are selected" in explorer.status.widget.value
    assert collection.count() == 25
    explorer.actions.delete.click()
    explorer.actions.deletion.confirm.click()
    assert collection.count() == 24
    assert "id1" not in explorer.projection.ids
    assert explorer.selection.ids == ()


def test_what_was_deleted_is_brought_back_to_its_place(explorer, collection):
    before = collection.get(ids=["id1", "id2"], include=["documents", "metadatas", "embeddings"])
    spots = explorer.projection.to_df().set_index("id").loc[["id1", "id2"], ["x", "y"]]
    assert explorer.undo.disabled
    explorer.selection.ids = ["id1", "id2"]
    explorer.actions.delete.click()
    assert "Undo brings them back" in explorer.actions.deletion.text.value
    explorer.actions.deletion.confirm.click()
    assert collection.count() == 23
    explorer.undo.click()
    assert "Undone: deletion of 2 records." in explorer.status.widget.value
    after = collection.get(ids=["id1", "id2"], include=["documents", "metadatas", "embeddings"])
    assert (after["documents"], after["metadatas"]) == (before["documents"], before["metadatas"])
    np.testing.assert_array_equal(after["embeddings"], before["embeddings"])
    assert explorer.projection.to_df().set_index("id").loc[["id1", "id2"], ["x", "y"]].equals(spots)
    assert explorer.selection.ids == ("id1", "id2")
    assert explorer.undo.disabled


def test_a_deletion_of_more_than_can_be_kept_says_so(explorer, collection, monkeypatch):
    for module in ("selection_actions", "explorer_state"):
        monkeypatch.setattr(f"chroma_nb.jupyter.widgets.{module}.DELETED_AT_ONCE", 1)
    explorer.selection.ids = ["id1", "id2"]
    explorer.actions.delete.click()
    assert "this cannot be undone" in explorer.actions.deletion.text.value
    explorer.actions.deletion.confirm.click()
    assert collection.count() == 23
    assert explorer.undo.disabled


def test_what_was_deleted_while_a_better_map_was_made_stays_away(client, collection, monkeypatch):
    go = threading.Event()

    def reduce(points, near, dims, seed, report):
        go.wait(60)
        return reducers.pca(points, dims=dims) + 100

    monkeypatch.setitem(reducers.REDUCERS, "slow", reducers.Reducer("slow", reduce, slow=True))
    explorer = explore(collection, "slow", client=client, color=None)
    fit = explorer.projection.fit
    ended = threading.Event()
    fit.on_done(lambda fit: ended.set())
    explorer.selection.ids = ["id1"]
    explorer.actions.delete.click()
    explorer.actions.deletion.confirm.click()
    go.set()
    assert ended.wait(60)
    assert "id1" not in explorer.projection.ids
    assert explorer.projection.coordinates.mean() > 50
    explorer.undo.click()
    assert explorer.projection.coordinates[explorer.projection.ids.index("id1")].mean() > 50


def test_what_goes_wrong_is_said_above_the_map(explorer):
    explorer.state.client = None
    explorer.selection.ids = ["id1"]
    explorer.actions.save.click()
    assert 'role="alert"' in explorer.status.widget.value
    assert "needs the client: explore(collection, client=client)" in explorer.status.widget.value
    explorer.questions.query.value = "  "
    assert "expected words to search for, got none" in explorer.status.widget.value


def test_without_a_selection_the_buttons_that_change_are_off(explorer):
    assert all(
        button.disabled
        for button in (explorer.actions.save, explorer.actions.tag, explorer.actions.delete, explorer.table.keep)
    )
    with pytest.raises(ValueError, match="nothing is selected"):
        explorer.state.delete(confirmed=0)


def test_size_and_colour_follow_their_lists(explorer):
    explorer.painting.color.value = "n"
    assert explorer.figure.data[0].marker.showscale
    explorer.painting.size.value = "n"
    assert len(explorer.figure.data[0].marker.size) == 25
    explorer.painting.color.value = ""
    assert explorer.state.color is None
    assert [key for _, key in explorer.painting.size.options] == ["", "n"]


def test_the_lists_and_the_box_say_what_python_chose(explorer):
    explorer.state.paint("n", "n")
    assert (explorer.painting.color.value, explorer.painting.size.value) == ("n", "n")
    explorer.state.paint(None)
    assert (explorer.painting.color.value, explorer.painting.size.value) == ("", "")
    assert (explorer.state.color, explorer.state.size) == (None, None)
    explorer.search("cod cedar")
    assert explorer.questions.query.value == "cod cedar"
    assert "10 records nearest to “cod cedar”" in explorer.status.widget.value
    assert len(explorer.state.searches) == 1
    explorer.state.forget_searches()
    assert explorer.questions.query.value == ""
    explorer.selection.ids = [f"id{n}" for n in range(15)]
    explorer.state.delete(confirmed=15)
    assert "10 records · map by pca" in explorer.title.value


def test_values_by_id_are_a_choice_until_another_is_made(explorer, client, collection):
    own = {"id1": "mine", "id2": "yours"}
    explorer.state.paint(own)
    assert dict(explorer.painting.color.options)["own values"] == explorer.painting.color.value
    explorer.painting.size.value = "n"
    assert (explorer.state.color, explorer.state.size) == (own, "n")
    assert {trace.name for trace in explorer.figure.data} >= {"mine", "yours", "missing"}
    explorer.painting.color.value = "kind"
    assert "own values" not in dict(explorer.painting.color.options)
    assert explore(collection, "pca", client=client, color=own).state.color == own


def test_a_series_by_id_is_kept_by_id(explorer, client, collection):
    own = pd.Series({"id1": 1.5, "id2": 2.5}).iloc[::-1]
    explorer.state.paint(own, own)
    assert {one: explorer.state.color[one] for one in own.index} == own.to_dict()
    assert explorer.state.size == explorer.state.color
    again = explore(collection, "pca", client=client, color=own, size=np.arange(len(explorer.projection)))
    assert {one: again.state.color[one] for one in own.index} == own.to_dict()
    assert [again.state.size[one] for one in explorer.projection.ids[:3]] == [0, 1, 2]


@pytest.mark.parametrize(
    ("color", "size", "said"),
    [("knd", None, "No record has the metadata key 'knd'"), (None, "kind", "a metadata key with numbers, got 'kind'")],
)
def test_a_key_that_cannot_be_painted_by_changes_nothing(explorer, color, size, said):
    with pytest.raises(ValueError, match=said):
        explorer.state.paint(color, size)
    assert (explorer.state.color, explorer.state.size) == ("kind", None)
    assert (explorer.painting.color.value, explorer.painting.size.value) == ("kind", "")


def test_a_record_takes_room_beside_the_map_only_while_it_is_looked_at(explorer):
    assert explorer.marked.widget.layout.display == "none"
    explorer.state.look_at(["id3"])
    assert explorer.marked.widget.layout.display is None
    explorer.marked.close.click()
    assert explorer.marked.widget.layout.display == "none"
    assert explorer.state.focus == ()


def test_what_can_be_done_with_a_selection_is_seen_when_there_is_one(explorer):
    assert {part.layout.display for part in explorer.of_selection} == {"none"}
    explorer.selection.ids = ["id1"]
    assert {part.layout.display for part in explorer.of_selection} == {None}
    assert explorer.table.paging.layout.display == "none"
    explorer.selection.ids = [f"id{n}" for n in range(25)]
    assert explorer.table.paging.layout.display is None


def test_the_map_sends_nothing_to_strangers(explorer):
    """plotly's own buttons offer to send the chart, with its texts, to a server of the makers."""
    said = explorer.figure.get_state()["_config"]
    assert (said["showSendToCloud"], said["plotlyServerURL"]) == (False, "")


def test_a_better_map_takes_the_place_of_the_first_and_can_be_stopped(client, collection, monkeypatch):
    def reduce(points, near, dims, seed, report):
        report(0.5)
        return reducers.pca(points, dims=dims) + 100

    monkeypatch.setitem(reducers.REDUCERS, "slow", reducers.Reducer("slow", reduce, slow=True))
    explorer = explore(collection, "slow", client=client, color=None)
    explorer.projection.fit.wait(60)
    for _ in range(2):  # whoever comes late is called at once
        explorer.projection.fit.on_done(lambda fit: None)
    state = ExplorerState(explorer.projection)
    assert Explorer(state).progress.widget.layout.display == "none"
    assert explorer.projection.coordinates.mean() > 50


def test_two_views_share_one_selection(collection, client):
    both = Selection(collection)
    first = explore(collection, "pca", client=client, selection=both)
    second = explore(first.projection, client=client, selection=both)
    lasso(first, ["id3"])
    assert chosen_points(second) == {"id3"}


def test_in_three_dimensions_a_click_selects(collection, client):
    explorer = explore(collection, "pca", 3, client=client, color=None)
    page_says(explorer, "clicked", points={"0": [5]})
    assert explorer.selection.ids == ("id5",)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_smallest_collections_can_be_explored(client, words, count):
    made = client.create_collection("small", embedding_function=words)
    if count:
        made.add(ids=["a", "b"][:count], documents=["abc", "def"][:count])
    explorer = explore(made, client=client)
    assert len(explorer.projection) == count
    assert ("<img" in static_html(explorer.projection)) == bool(count)


def test_nothing_in_a_collection_becomes_markup(client, words):
    made = client.create_collection("attack", embedding_function=words)
    made.add(ids=[ATTACK], documents=[ATTACK], metadatas=[{ATTACK: ATTACK}])
    explorer = explore(made, client=client)
    explorer.selection.ids = [ATTACK]
    explorer.state.look_at([ATTACK])
    explorer.questions.query.value = ATTACK
    explorer.status.say(ATTACK, alert=True)
    parts = [explorer.table.rows, explorer.marked.record, explorer.status.widget, explorer.table.of_pages]
    for text in [
        *(part.value for part in parts),
        PICTURE.sub("", static_html(explorer.projection), count=1),
        json.dumps(explorer.figure.to_dict(), default=str),
    ]:
        assert "<img" not in text
        assert "<script" not in text


def test_a_question_asked_from_python_is_in_the_picture_of_the_saved_notebook(explorer, capsys):
    hits = explorer.search("cod")
    assert explorer.selection.ids == tuple(hits)
    outputs = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("IPython.display.display", lambda shown, **options: outputs.append(shown))
        explorer._ipython_display_()
    (picture,) = PICTURE.findall(outputs[0]["text/html"])
    assert ">cod</text>" in base64.b64decode(picture.partition("base64,")[2].partition('"')[0]).decode()


def test_the_saved_notebook_gets_the_same_bytes_in_every_run(collection, client, capsys):
    first = explore(collection, "pca", client=client)
    assert static_html(first.projection) == static_html(project(collection, "pca"))
    assert repr(first) == "<Explorer of 'docs': 25 records>"


def test_every_control_has_a_name(explorer):
    pending, named = [explorer.widget], 0
    while pending:
        one = pending.pop()
        pending += getattr(one, "children", ())
        if type(one).__name__ in ("Button", "Text", "Dropdown", "SelectMultiple"):
            assert one.description.strip()
            named += 1
    assert named > 15


# --- jupyter-scatter ------------------------------------------------------------------------------------
@pytest.fixture
def jscatter():
    """jupyter-scatter, where the extra "large" is installed; its import warns of its own use of pandas."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("jscatter")


@pytest.mark.parametrize("color", ["kind", "n", None])
def test_a_large_map_has_the_same_selection(collection, client, jscatter, color):
    explorer = explore(collection, "pca", client=client, color=color, renderer="scatter")
    explorer.map.scatter.widget.selection = np.array([4, 1])
    assert explorer.selection.ids == ("id1", "id4")
    assert "2 of 25 records selected" in explorer.table.rows.value
    explorer.selection.ids = ["id7"]
    assert explorer.map.scatter.selection().tolist() == [7]
    explorer.state.paint("n")
    assert explorer.map.scatter.selection().tolist() == [7]


def test_a_large_map_keeps_its_view_when_its_colours_and_sizes_change(collection, client, jscatter, monkeypatch):
    monkeypatch.setattr(large_map, "_DRAWING", 0.0)
    explorer = explore(collection, "pca", client=client, color="kind", renderer="scatter")
    page = explorer.map.scatter.widget
    kinds = dict(page.legend_encoding)
    explorer.state.paint("n", "n")
    explorer.state.paint(None)
    assert (page.legend, page.legend_encoding) == (False, {})
    explorer.state.paint("kind")
    assert explorer.map.scatter.widget is page
    assert (page.legend, page.legend_encoding) == (True, kinds)


def test_a_large_map_is_drawn_once_at_a_time(collection, client, jscatter, monkeypatch):
    """The page drops points that come while it draws others."""
    monkeypatch.setattr(large_map, "_DRAWING", 0.0)
    explorer = explore(collection, "pca", client=client, color="kind", renderer="scatter")
    sent = []
    explorer.map.scatter.widget.observe(lambda change: sent.append(change["new"]), "points")
    explorer.state.paint("n", "n")
    assert len(sent) == 1
    monkeypatch.setattr(large_map, "_DRAWING", 60.0)
    before = explorer.map.scatter.widget
    explorer.state.paint("kind")
    page = explorer.map.scatter.widget
    assert page is not before
    assert explorer.figure.children == (page,)
    assert len(sent) == 1
    assert len(page.color) == 3


def test_the_legend_of_a_large_map_names_what_is_drawn(collection, client, jscatter):
    collection.update(ids=["id3", "id4"], metadatas=[{"kind": "missing"}, {"kind": "<b>" + "k" * 40}])
    projection = project(collection, "pca")
    projection.metadatas[5] = None
    explorer = explore(projection, client=client, color="kind", renderer="scatter")
    page = explorer.map.scatter.widget
    legend = page.legend_encoding["color"]
    assert legend["variable"] == "kind"
    code = {(metadata or {}).get("kind"): int(page.points[row, 2]) for row, metadata in enumerate(projection.metadatas)}
    shown = [legend["values"][code[kind]][0] for kind in ("x", "y", "z", "missing", "<b>" + "k" * 40)]
    assert shown == ["x", "y", "z", "missing", "<b>" + "k" * 24 + "…"]
    assert legend["values"][code[None]][0] == "missing\N{ZERO WIDTH SPACE}"
    assert [tuple(colour) for _, colour, _ in legend["values"]] == [tuple(colour) for colour in page.color]

    explorer.state.paint("n")
    names = [name for name, _, _ in explorer.map.scatter.widget.legend_encoding["color"]["values"]]
    assert names == ["missing", "10", "20"]


def test_points_of_a_large_map_have_the_sizes_asked_for(collection, client, jscatter):
    explorer = explore(collection, "pca", client=client, color=None, renderer="scatter")
    assert set(explorer.map.scatter.widget.size) == {3}
    explorer.state.paint(None, "n")
    page = explorer.map.scatter.widget
    numbers = np.array([metadata["n"] for metadata in explorer.projection.metadatas])
    assert page.size == sorted(page.size)
    assert (page.size[0], page.size[-1]) == (3, 10)
    shares = page.points[:, 3 if page.size_by == "valueB" else 2]
    np.testing.assert_allclose(shares, (numbers - numbers.min()) / np.ptp(numbers), atol=1e-6)
    assert page.legend_encoding["size"]["variable"] == "n"


def test_a_large_map_has_one_scale_in_both_directions(collection, client, jscatter):
    explorer = explore(collection, "pca", client=client, renderer="scatter")
    drawn, spots = explorer.map.scatter.widget.points[:, :2], explorer.projection.coordinates
    np.testing.assert_allclose(
        np.ptp(drawn, 0) / np.ptp(drawn, 0).max(), np.ptp(spots, 0) / np.ptp(spots, 0).max(), 1e-5
    )
    assert abs(drawn).max() == pytest.approx(0.95)


def test_a_large_map_may_be_emptied_and_filled_again(collection, client, jscatter):
    explorer = explore(collection, "pca", client=client, renderer="scatter")
    explorer.selection.ids = explorer.projection.ids
    explorer.state.delete(confirmed=25)
    assert explorer.figure.children == ()
    explorer.state.undo()
    assert len(explorer.map.scatter.widget.points) == 25
    assert len(explorer.map.scatter.selection()) == 25


def test_a_click_on_a_large_map_shows_the_record_and_what_is_marked_is_shown_on_it(collection, client, jscatter):
    explorer = explore(collection, "pca", client=client, renderer="scatter")
    explorer.map.scatter.widget.selection = np.array([4])
    assert explorer.state.focus == ("id4",)
    assert "Record id4" in explorer.marked.record.value
    explorer.state.look_at(["id7"])
    assert explorer.map.scatter.widget.hovering == 7
    explorer.state.look_at(())
    assert explorer.map.scatter.widget.hovering is None


def test_a_large_map_is_drawn_by_what_holds_it(collection, client, jscatter, monkeypatch):
    explore = functools.partial(chroma_nb.explore, client=client, size="n")
    assert isinstance(explore(collection, "pca").map, MapView)
    monkeypatch.setattr(figures, "DRAWN", 20)
    assert isinstance(explore(collection, "pca").map, LargeMapView)
    assert isinstance(explore(collection, "pca", 3).map, MapView)
    with pytest.raises(ValueError, match="expected renderer to be 'auto', 'plotly' or 'scatter', got 'gl'"):
        explore(collection, "pca", client=client, renderer="gl")


# --- Closing ---
WIDGETS = ipywidgets.widgets.widget._instances


@pytest.mark.parametrize("drawn", [{}, {"dims": 3}, {"renderer": "scatter"}], ids=["plotly", "in space", "scatter"])
def test_closing_frees_every_widget_and_leaves_the_selection(client, collection, capsys, drawn):
    if "renderer" in drawn:
        pytest.importorskip("jscatter")
    chosen = Selection(collection)
    before = set(WIDGETS)
    explorer = explore(collection, "pca", client=client, selection=chosen, **drawn)
    explorer._ipython_display_()
    assert len(set(WIDGETS) - before) > 100
    explorer.close()
    explorer.close()
    assert set(WIDGETS) == before
    chosen.ids = ["id3"]  # and nothing of the explorer is told
    assert set(WIDGETS) == before
    assert explorer.selection.ids == ("id3",)


def test_what_is_closed_is_there_again_when_it_is_shown_again(explorer, capsys):
    explorer.search("cod")
    explorer.state.paint("n")
    explorer.close()
    explorer.selection.ids = ["id2", "id7"]
    explorer._ipython_display_()
    assert explorer.widget.comm is not None
    assert explorer.figure.comm is not None
    assert "id7" in explorer.table.rows.value
    assert explorer.painting.color.value == "n"
    assert explorer.questions.query.value == "cod"
    explorer.selection.ids = ["id9"]
    assert "id9" in explorer.table.rows.value
    assert len(explorer.state._listeners) == 2  # the map, and what is around it


def test_running_a_cell_again_closes_the_explorer_and_the_browser_that_its_last_run_showed(
    client, collection, capsys, monkeypatch
):
    monkeypatch.setattr(shown_module, "_CELLS", {})
    kept, counts = [], []
    for run in range(4):
        monkeypatch.setattr(displayed, "running_cell", lambda run=run: ("cell", run, []))
        kept += [explore(collection, "pca", client=client), chroma_nb.browse(client)]  # as Out[…] keeps them
        for view in kept[-2:]:
            view._ipython_display_()
        counts.append(len(WIDGETS))
    assert len(set(counts)) == 1
    assert [view.widget.comm is None for view in kept] == [True] * 6 + [False] * 2
    kept[0]._ipython_display_()  # a variable still names it
    assert kept[0].widget.comm is not None


def test_a_callback_of_the_state_can_be_stopped(explorer):
    told = []
    stop = explorer.state.on_change(told.append)
    explorer.state.paint("n")
    stop()
    stop()
    explorer.state.paint("kind")
    assert told == ["map"]

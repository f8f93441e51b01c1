"""The selection that all views share."""

import pandas as pd
import pytest

from chroma_nb.workbench.selection import Selection


def test_a_view_is_not_called_back_for_its_own_change():
    chosen, told = Selection(), []
    chosen.on_select(lambda selection: told.append(("map", selection.ids)), source="map")
    chosen.on_select(lambda selection: told.append(("table", selection.ids)), source="table")
    chosen.select(["a"], source="map")
    assert told == [("table", ("a",))]


def test_a_person_is_told_of_every_change_but_not_of_none():
    chosen, told = Selection(), []
    stop = chosen.on_select(lambda selection: told.append((selection.ids, selection.source)))
    chosen.select(["a", "b", "a"], source="map")
    chosen.select(["a", "b"], source="table")
    chosen.toggle("a")
    chosen.toggle("c")
    stop()
    chosen.clear()
    assert told == [(("a", "b"), "map"), (("b",), None), (("b", "c"), None)]
    assert len(chosen) == 0


def test_a_listener_that_raises_keeps_no_other_from_being_told():
    chosen, told = Selection(), []
    chosen.on_select(lambda selection: told.append("first"))
    chosen.on_select(lambda selection: 1 / 0)
    chosen.on_select(lambda selection: told.append("last"))
    with pytest.raises(ZeroDivisionError):
        chosen.ids = ["a"]
    assert (chosen.ids, told) == (("a",), ["first", "last"])


def test_two_views_that_answer_each_other_come_to_rest():
    chosen, calls = Selection(), []
    for name in ("map", "table"):
        chosen.on_select(lambda s, name=name: (calls.append(name), s.select(s.ids, source=name)), source=name)
    chosen.select(["a"], source="search")
    assert calls == ["map", "table"]


def test_the_frame_follows_the_order_of_selection_and_leaves_out_what_is_gone(client):
    collection = client.create_collection("docs", embedding_function=None)
    collection.add(
        ids=["a", "b", "c"],
        documents=["one", "two", "three"],
        embeddings=[[0, 1], [1, 0], [1, 1]],
        metadatas=[{"n": 1}, {"n": 2}, {"n": 3}],
    )
    frame = Selection(collection, ["c", "gone", "a"]).to_df()
    assert frame[["id", "document", "n"]].values.tolist() == [["c", "three", 3], ["a", "one", 1]]
    assert Selection(collection).to_df().empty


def test_one_text_is_not_several_ids():
    with pytest.raises(TypeError, match=r"write \['abc'\]"):
        Selection().select("abc")


def test_the_text_form_is_the_same_in_every_run():
    assert repr(Selection(None, ["a"])) == "<Selection of 1 record>"


def test_a_table_or_a_column_of_ids_can_be_selected_and_nothing_else_by_mistake():
    table = pd.DataFrame({"id": ["b", "a"], "score": [2.0, 1.0]})
    for given in (table, table["id"], table.set_index("id"), table.set_index("id").index, iter(["b", "a"])):
        chosen = Selection(ids=["c"])
        chosen.add(given)
        assert chosen.ids == ("c", "b", "a")
    chosen.remove(table)
    assert chosen.ids == ("c",)
    for given in (table["score"], [1], [None]):
        for change in (chosen.select, chosen.add, chosen.remove):
            with pytest.raises(TypeError, match="expected ids as texts"):
                change(given)
    assert chosen.ids == ("c",)

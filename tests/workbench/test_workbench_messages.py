"""What the page asks is answered from the collection as it is; what is overtaken is not computed."""

import inspect
import threading
import time

from chroma_nb.workbench import messages, rows, source, widget


def test_a_page_of_rows_has_cells_by_column(birds, show):
    _, page = show(birds)
    found = page.ask("rows", **{"from": 20, "count": 2, "keys": ["#id", "kind", "ringed", "no such"]})
    assert found["ids"] == ["b020", "b021"]
    assert found["rows"] == [["b020", "swift", True, None], ["b021", "wren", False, None]]
    assert found["counts"] == {"shown": 300, "total": 300, "note": ""}


def test_the_filter_and_the_order_decide_which_rows_there_are(birds, show):
    workbench, page = show(birds)
    page.set(where={"kind": "wren"}, order={"by": "weight", "descending": True})
    assert page.ask("count") == {**page.heard[-1], "shown": 100, "total": 300}
    assert page.ask("rows", **{"from": 0, "count": 2, "keys": ["#id"]})["ids"] == ["b297", "b294"]
    assert workbench.ids()[:2] == ["b297", "b294"]


def test_records_without_the_key_come_last_in_any_order(birds, show):
    workbench, _ = show(birds)
    for descending in (False, True):
        workbench.order = {"by": "year", "descending": descending}
        assert set(workbench.ids()[-10:]) == {f"b{i:03}" for i in range(10)}


def test_a_key_that_only_one_record_has_becomes_a_column_when_it_is_seen(birds, show):
    workbench, page = show(birds)
    workbench._seen.source.columns.known.pop("rare", None)
    found = page.ask("rows", **{"from": 295, "count": 5, "keys": ["#id"]})
    assert "rare" in [column["key"] for column in found["columns"]]


def test_a_record_deleted_meanwhile_keeps_its_place_without_cells(birds, show):
    workbench, page = show(birds)
    workbench.order = "weight"
    page.ask("count")
    birds.delete(ids=["b001"])
    found = page.ask("rows", **{"from": 0, "count": 3, "keys": ["kind"]})
    assert (found["ids"], found["rows"]) == (["b000", "b001", "b002"], [["wren"], None, ["swift"]])
    page.ask("refresh")
    assert page.ask("rows", **{"from": 0, "count": 2, "keys": ["kind"]})["ids"] == ["b000", "b002"]


def test_a_request_that_is_overtaken_is_never_computed(birds, show, monkeypatch):
    _, page = show(birds)
    computed, begun, go_on = [], threading.Event(), threading.Event()

    def slow(seen, asked):
        computed.append(asked["from"])
        begun.set()
        assert go_on.wait(30)
        return rows.rows(seen, asked)

    monkeypatch.setitem(messages.HANDLERS, "rows", messages.Handler(slow))
    numbers = [page.tell("rows", **{"from": 0, "count": 1, "keys": []})]
    assert begun.wait(30)
    numbers += [page.tell("rows", **{"from": start, "count": 1, "keys": []}) for start in (1, 2, 3)]
    go_on.set()
    assert [len(page.answers(n)) for n in numbers] == [1, 0, 0, 1]
    assert computed == [0, 3]


def test_what_one_view_asks_does_not_overtake_another(birds, show):
    _, page = show(birds)
    numbers = [page.tell("count", who=who) for who in ("a", "b", "c")]
    assert [len(page.answers(n)) for n in numbers] == [1, 1, 1]


def test_what_is_selected_in_turn_is_all_selected(birds, show):
    workbench, page = show(birds)
    numbers = [page.tell("select", do="add", ids=[f"b{i:03}"]) for i in range(20)]
    assert all(page.answers(n) for n in numbers)
    assert list(workbench.selection) == [f"b{i:03}" for i in range(20)]
    page.ask("select", do="remove", places=[0, 10])
    assert list(workbench.selection) == [f"b{i:03}" for i in range(10, 20)]
    page.set(where={"kind": "wren"})
    page.ask("select", do="all")
    assert len(workbench.selection) == 100
    assert page.ask("selected", ids=["b000", "b001"])["selected"] == [True, False]
    page.ask("select", do="none")
    assert workbench._selected == 0


def test_values_of_several_types_have_an_order(client, show):
    collection = client.create_collection("types", embedding_function=None)
    values = [["b"], "text", 2.5, True, 1]
    collection.add(ids=list("edcba"), embeddings=[[1.0, 2.0]] * 5, metadatas=[{"v": value} for value in values])
    workbench, _ = show(collection)
    workbench.order = "v"
    assert workbench.ids() == ["a", "c", "d", "b", "e"]


def test_an_order_of_more_than_are_read_says_so(birds, show, monkeypatch):
    monkeypatch.setattr(source, "ORDERED", 30)
    workbench, page = show(birds)
    workbench.order = {"by": "#id", "descending": True}
    by_itself = "order_by" in inspect.signature(birds.get).parameters
    assert workbench.ids()[0] == ("b299" if by_itself else "b029")
    assert page.ask("count")["note"] == ("" if by_itself else "ordered among the first 30 records only")


def test_what_fails_is_told_in_a_sentence(client, birds, show):
    _, page = show(birds)
    client.delete_collection("birds")
    assert "it was deleted" in page.ask("count")["error"]
    assert "unknown message 'no such'" in page.ask("no such")["error"]


# --- Requests and the state they are asked in -----------------------------------------------------------------
def test_a_request_waits_for_the_state_that_it_was_asked_in(birds, show):
    """JupyterLab holds a state back while the kernel is at the one before, and sends requests at once."""
    workbench, page = show(birds)
    n = page.tell("count", step=1)
    assert not workbench._requests.settle(0.3)
    page.set(where={"kind": "wren"}, _step=1)
    (answer,) = page.answers(n)
    assert answer["shown"] == len(workbench.ids()) < birds.count()


def test_a_state_that_is_refused_keeps_no_request_waiting(birds, show):
    workbench, page = show(birds)
    n = page.tell("count", step=1)
    page.set(where={"kind": {"$no": 1}}, _step=1)
    began = time.monotonic()
    (answer,) = page.answers(n)
    assert answer["shown"] == birds.count()
    assert time.monotonic() - began < 4
    assert workbench.where is None


def test_a_workbench_that_is_closed_or_shown_again_keeps_no_request_waiting(birds, show):
    workbench, page = show(birds)
    page.set(where={"kind": "wren"}, _step=3)
    page.tell("count", step=9)
    workbench.close()
    assert workbench._requests.settle(2)
    workbench._repr_mimebundle_()
    workbench.send = page._hear
    began = time.monotonic()
    assert page.ask("count", step=3)["shown"] == len(workbench.ids())
    assert time.monotonic() - began < 4


def test_where_no_thread_can_wait_the_request_is_answered_when_its_state_comes(birds, show, monkeypatch):
    """In marimo the state is heard behind the request."""
    monkeypatch.setattr(widget, "_answers_aside", lambda: False)
    workbench, page = show(birds)
    n = page.tell("count", step=1)
    later = page.tell("rows", **{"from": 0, "count": 2, "keys": ["#id"]}, step=1)
    assert [said for said in page.heard if said.get("n") in (n, later)] == []
    page.set(where={"kind": "wren"}, _step=1)
    (answer,) = page.answers(n)
    assert answer["shown"] == len(workbench.ids()) < birds.count()
    assert page.answers(later)[0]["ids"] == workbench.ids()[:2]
    assert page.ask("count", step=1)["shown"] == len(workbench.ids())

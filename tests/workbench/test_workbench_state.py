"""What may be set on a workbench; what is kept of it; what is given back."""

import gc
import weakref

import ipywidgets
import pytest
from traitlets import TraitError

from chroma_nb import K
from chroma_nb.workbench import shown as shown_module
from chroma_nb.workbench.widget import Workbench

GOOD = {"where": {"kind": "wren"}, "order": {"by": "year", "descending": True}, "columns": [{"key": "kind"}]}


@pytest.mark.parametrize(
    ("name", "bad", "sentence"),
    [
        ("where", {"kind": {"$no": 1}}, r"\$no"),
        ("where", "kind = wren", "expected where as a dict"),
        ("where_document", {"$contains": 5}, "contains"),
        ("order", "yeer", "no key to order by 'yeer'; did you mean 'year'"),
        ("order", {"by": "year", "descending": "no"}, "expected descending as True or False"),
        ("columns", ["kin"], "no column 'kin'; did you mean 'kind'"),
        ("columns", "kind", "expected columns as a list"),
        ("columns", [{"key": "kind", "width": "wide"}], "expected the width of column 'kind' in pixels"),
        ("record", 7, "expected the id of a record"),
        ("view", "list", "table"),
        ("height", 3, "160"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence_and_changes_nothing(birds, show, name, bad, sentence):
    workbench, page = show(birds)
    workbench.set_trait(name, GOOD.get(name, getattr(workbench, name)))
    before = getattr(workbench, name)
    with pytest.raises(TraitError, match=sentence):
        setattr(workbench, name, bad)
    assert getattr(workbench, name) == before
    page.set(**{name: bad})
    assert getattr(workbench, name) == before
    assert page.heard[-1]["told"] == "refused"


def test_what_is_set_in_python_is_kept_in_one_form(birds, show):
    workbench, _ = show(birds)
    workbench.order = K("year")
    workbench.columns = ["kind", {"key": "#id", "width": 10_000, "pinned": True}, "kind"]
    assert workbench.order == {"by": "year", "descending": False}
    assert workbench.columns == [{"key": "kind"}, {"key": "#id", "width": 2_000, "pinned": True}]
    workbench.columns = workbench.order = None
    assert workbench.ids()[0] == "b000"


def test_a_state_can_be_observed(birds, show):
    workbench, page = show(birds)
    heard = []
    workbench.observe(lambda change: heard.append((change["name"], change["new"])), ["where", "order", "record"])
    page.set(where={"kind": "wren"}, record="b000")
    assert heard == [("where", {"kind": "wren"}), ("record", "b000")]


def test_choices_survive_another_workbench_of_the_collection(birds, show):
    first, page = show(birds)
    page.set(
        columns=[{"key": "#id", "width": 99}, {"key": "kind"}], wrap=True, order={"by": "year", "descending": False}
    )
    again, _ = show(birds)
    assert (again.columns, again.wrap, again.order) == (first.columns, True, first.order)
    asked, _ = show(birds, columns=["year"])
    assert asked.columns == [{"key": "year"}]


def test_choices_do_not_bring_back_a_key_that_is_gone(birds, show):
    first, _ = show(birds)
    first.columns, first.order = ["rare", "kind"], "rare"
    birds.delete(ids=["b299"])
    again, _ = show(birds)
    assert again.columns == [{"key": "kind"}]
    assert again.order is None


def test_a_filter_that_is_given_is_what_the_page_returns_to(birds, show):
    workbench, _ = show(birds, where={"kind": "wren"})
    assert (workbench.where, workbench._given["where"]) == ({"kind": "wren"},) * 2
    assert len(workbench.ids()) == 100


def test_closing_frees_the_models_and_the_memory(birds):
    gc.collect()
    before = set(ipywidgets.widgets.widget._instances)
    workbench = Workbench(birds, order="weight")
    workbench.ids()
    gone = weakref.ref(workbench)
    workbench.close()
    assert set(ipywidgets.widgets.widget._instances) == before
    del workbench
    gc.collect()
    assert gone() is None


def test_what_is_closed_is_there_again_when_it_is_shown_again(birds, show):
    workbench, page = show(birds)
    workbench.close()
    workbench.close()
    assert workbench.ids()[0] == "b000"
    assert workbench._repr_mimebundle_() is not None
    assert page.ask("count")["total"] == 300


def test_running_a_cell_again_closes_what_its_last_run_showed(birds, show, monkeypatch):
    def run(cell, number, *views, deleted=()):
        monkeypatch.setattr("chroma_nb.workbench.widget.running_cell", lambda: (cell, number, list(deleted)))
        for view in views:
            view._repr_mimebundle_()

    monkeypatch.setattr(shown_module, "_CELLS", {})
    a, b, c = (show(birds)[0] for _ in range(3))
    run("one", 1, a, b)
    run("two", 2, b)
    run("one", 3, c)
    assert [view.comm is None for view in (a, b, c)] == [True, False, False]  # b is in the second cell, too
    run("one", 4, c)
    assert c.comm is not None
    run("three", 5, a, deleted=["two"])
    assert [view.comm is None for view in (a, b, c)] == [False, True, False]


def test_a_hundred_runs_of_a_cell_leave_one_workbench(birds, show, monkeypatch):
    monkeypatch.setattr(shown_module, "_CELLS", {})
    kept = []
    before = len(ipywidgets.widgets.widget._instances)
    for number in range(100):
        monkeypatch.setattr("chroma_nb.workbench.widget.running_cell", lambda number=number: ("cell", number, []))
        kept.append(show(birds)[0])  # as Out[…] does
        kept[-1]._repr_mimebundle_()
    assert len(ipywidgets.widgets.widget._instances) - before == 2  # the workbench and its layout

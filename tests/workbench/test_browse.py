"""``browse(collection)`` is the workbench with the table in front; its arguments mean what they say."""

import pytest

import chroma_nb
from chroma_nb.workbench.selection import Selection
from chroma_nb.workbench.widget import Workbench


@pytest.fixture
def browse(request):
    def make(*args, **options):
        workbench = chroma_nb.browse(*args, **options)
        request.addfinalizer(workbench.close)
        return workbench

    return make


def test_as_many_columns_are_shown_as_are_named(birds, browse):
    six = ["kind", "weight", "ringed", "seen", "year", "rare"]
    workbench = browse(birds, columns=six)
    assert isinstance(workbench, Workbench)
    assert [column["key"] for column in workbench.columns] == ["#id", "#document", *six]
    assert [column["key"] for column in browse(birds, columns=["year", "#id"]).columns] == ["year", "#id"]
    assert browse(birds).columns is None


def test_a_column_that_is_no_key_is_an_error_with_the_nearest_name(birds, browse):
    with pytest.raises(ValueError, match="no column 'wieght'; did you mean 'weight'"):
        browse(birds, columns=["kind", "wieght"])


def test_a_filter_that_is_given_always_holds_for_the_person_at_the_page(birds, browse):
    workbench = browse(birds, where={"kind": "wren"}, where_document={"$contains": "number 1"})
    assert workbench._given == {"where": workbench.where, "where_document": workbench.where_document}
    expected = birds.get(where=workbench.where, where_document=workbench.where_document)["ids"]
    assert workbench.to_df()["id"].tolist() == workbench.ids() == expected
    with pytest.raises(ValueError, match=r"\$no"):
        browse(birds, where={"kind": {"$no": 1}})


def test_a_selection_is_shared(birds, browse):
    selection = Selection(birds)
    first, second = browse(birds, selection=selection), browse(birds, selection=selection)
    first.selection.ids = ["b001", "b000"]
    assert second._selected == 2
    assert second.to_df("selected")["id"].tolist() == ["b001", "b000"]


def test_so_many_rows_are_in_view(birds, browse):
    assert browse(birds, page_size=10).height == 10 * 28 + 104
    with pytest.raises(ValueError, match="page_size of at least 1"):
        browse(birds, page_size=0)


def test_rows_keep_the_order_and_the_values(birds, browse):
    workbench = browse(birds)
    workbench.order = {"by": "weight", "descending": True}
    frame = workbench.to_df()
    assert frame["id"].tolist() == [f"b{i:03}" for i in reversed(range(300))]
    assert frame["weight"].tolist() == [i / 7 for i in reversed(range(300))]


def test_an_empty_collection_and_one_without_documents_or_metadata(client, browse):
    collection = client.create_collection("empty", embedding_function=None)
    assert browse(collection).ids() == []
    collection.add(ids=["a"], embeddings=[[1, 0]])
    workbench = browse(collection)
    assert [column["key"] for column in workbench._known] == ["#id"]
    assert browse(collection, columns=[]).columns == [{"key": "#id"}]


def test_a_saved_notebook_shows_the_first_records_beside_the_live_table(birds, browse, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw, display_id=None: shown.append(data))
    workbench = browse(birds, where={"kind": "wren"})
    workbench._ipython_display_()
    static, live = shown
    assert "bird number 0" in static["text/html"]
    assert "bird number 1<" not in static["text/html"]
    assert f'class="{workbench._twins[0]}"' in static["text/html"]
    assert live["text/plain"] == "<Workbench of birds>"
    assert "application/vnd.jupyter.widget-view+json" in live


def test_it_works_over_a_server(browse):
    with (
        chroma_nb.EphemeralClient() as store,
        chroma_nb.serve(store, port=0) as server,
        chroma_nb.HttpClient(port=server.port) as client,
    ):
        collection = client.create_collection("served", embedding_function=None)
        collection.add(
            ids=[f"r{n:03}" for n in range(450)],
            embeddings=[[n, 1.0] for n in range(450)],
            metadatas=[{"n": -n, "late": True} if n > 440 else {"n": -n} for n in range(450)],
        )
        workbench = browse(collection)
        workbench.order, workbench.where = "n", {"n": {"$lt": -10}}
        assert workbench.ids()[:2] == ["r449", "r448"]
        assert len(workbench.ids()) == 439

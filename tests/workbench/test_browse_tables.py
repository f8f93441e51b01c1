"""``browse(df)`` and ``explore(df)``: the rows as a temporary collection, which goes with what shows it."""

import decimal
import gc
import uuid
import weakref

import numpy as np
import pandas as pd
import pytest

import chroma_nb
from chroma_nb.jupyter.widgets.explorer import Explorer
from chroma_nb.workbench import export, temporary
from chroma_nb.workbench import shown as shown_module

PROSE = ["a wren sings from the hedge at the end of the garden", "a crow walks along the ditch behind the station"]


@pytest.fixture(autouse=True)
def _nothing_of_the_person_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    monkeypatch.setattr(shown_module, "_CELLS", {})


@pytest.fixture
def letters(monkeypatch):
    """The default function counts letters; the texts that it was given."""
    from chroma_nb.embedding_functions.default import DefaultEmbeddingFunction

    given = []

    def embed(self, input):
        given.extend(input)
        return [np.array([text.count("a"), len(text)], np.float32) for text in input]

    monkeypatch.setattr(DefaultEmbeddingFunction, "__call__", embed)
    return given


@pytest.fixture
def browse(request):
    return _closing(request, chroma_nb.browse)


@pytest.fixture
def explore(request):
    return _closing(request, chroma_nb.explore)


def _closing(request, function):
    def make(*args, **options):
        view = function(*args, **options)
        request.addfinalizer(view.close)
        return view

    return make


def table(**columns):
    return pd.DataFrame({"embedding": [[1.0, 0.0], [0.0, 1.0]], **columns})


def stored(view):
    return view.collection.get(include=["documents", "metadatas"])


# --- What becomes of a table -----------------------------------------------------------------------------------------
def test_the_columns_are_what_they_are_for_add(browse):
    view = browse(table(id=["w", "c"], document=["a wren", "a crow"], g=[9, 500]), columns=["g"], where={"g": 9})
    assert stored(view)["ids"] == ["w", "c"]
    assert stored(view)["documents"] == ["a wren", "a crow"]
    assert view.ids() == ["w"]
    assert view._about["note"] == (
        "Temporary: 2 records. It is deleted when you close it or the kernel ends. "
        "To keep the records: Export…, or collection.add(df)."
    )
    assert repr(view) == view._about["note"]


def test_without_vectors_the_longest_texts_are_embedded_by_the_default_function(browse, letters):
    view = browse(pd.DataFrame({"kind": ["bird", "bird"], "body": PROSE, "n": [1, 2]}))
    assert letters == PROSE == stored(view)["documents"]
    assert stored(view)["metadatas"] == [{"kind": "bird", "n": 1}, {"kind": "bird", "n": 2}]
    assert "2 records, text from the column 'body'. It is deleted" in view._about["note"]
    assert "add_df(df, document='body')" in view._about["note"]
    view.search = {"text": "aaaa", "by": "meaning"}
    assert len(view.ids()) == 2


def test_a_column_called_text_is_the_text_and_categories_stay_metadata_too(browse, letters):
    view = browse(pd.DataFrame({"text": ["a", "b"], "body": PROSE}))
    assert (stored(view)["documents"], stored(view)["metadatas"][0]) == (["a", "b"], {"body": PROSE[0]})
    view = browse(pd.DataFrame({"kind": pd.Series(["bird", "fish"], dtype="category"), "n": [1, 2]}))
    assert stored(view)["documents"] == ["bird", "fish"]
    assert stored(view)["metadatas"] == [{"kind": "bird", "n": 1}, {"kind": "fish", "n": 2}]


def test_beside_vectors_only_what_is_to_be_read_is_a_document(browse):
    assert stored(browse(table(kind=["bird", "fish"])))["documents"] == [None, None]
    assert stored(browse(table(body=PROSE)))["documents"] == PROSE
    assert browse(table(body=PROSE)).collection._embedding_function is None


@pytest.mark.parametrize(
    "index",
    [
        None,
        [7, 7],
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]),
        pd.to_datetime(["2020-01-01", "2020-01-02"]),
        ["", 1],
    ],
    ids=["none", "repeated", "levels", "dates", "mixed"],
)
def test_where_no_column_is_the_id_rows_are_numbered(browse, index):
    assert browse(table().set_axis(index if index is not None else [0, 1])).ids() == ["0", "1"]


def test_an_index_of_names_is_the_id(browse):
    assert browse(table().set_axis(["wren", "crow"])).ids() == ["wren", "crow"]


def test_rows_that_cannot_be_records_are_left_out_and_that_is_said(browse, letters):
    view = browse(pd.DataFrame({"document": ["a", None, "b"]}))
    assert view.ids() == ["0", "2"]
    assert "1 row left out, the first of them row 1 (id '1'): no document, embedding or uri." in view._about["note"]
    mixed = pd.DataFrame({"embedding": [[1.0, 0.0], None], "document": ["a", "b"]})
    assert "1 row left out, the first of them row 1 (id '1'): no embedding." in browse(mixed)._about["note"]
    assert letters == ["a", "b"]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"document": []}), "expected a table with rows, got none; its columns are: 'document'"),
        (pd.DataFrame(), "expected a table with rows, got none; its columns are: none"),
        (table(id=["a", "a"]), r"1 of 2 rows have the id of an earlier row; the first is row 1 \(id 'a'\)"),
        (pd.DataFrame({"n": [1, 2], "m": [3, 4]}), "expected a column of texts, .* the columns are: 'n', 'm'"),
        (
            pd.DataFrame({"when": pd.to_datetime(["2020-01-01"])}),
            "expected a column of texts, .* the columns are: 'when'",
        ),
        (pd.DataFrame({"document": ["a"], "id": [1.5]}), r"none of 1 row can become a record; row 0 .* as id, got 1.5"),
    ],
)
def test_a_table_that_cannot_be_seen_is_refused_in_a_sentence(frame, message):
    before = set(temporary._TEMPORARY)
    for function in (chroma_nb.browse, chroma_nb.explore):
        with pytest.raises(ValueError, match=message):
            function(frame)
    assert set(temporary._TEMPORARY) <= before


def test_what_is_no_table_is_refused_in_a_sentence():
    with pytest.raises(TypeError, match="expected a collection, a client or a table, got Series"):
        chroma_nb.browse(pd.Series(["a"]))
    with pytest.raises(TypeError, match="pass one of its tables: 'train'"):
        chroma_nb.browse({"train": table()})
    with pytest.raises(TypeError, match="expected a collection, got Series"):
        chroma_nb.explore(pd.Series(["a"]))


def test_what_no_record_can_hold_is_seen_as_text(browse, letters):
    odd = {
        "price": [decimal.Decimal("1.50"), decimal.Decimal("2.00")],
        "key": [uuid.UUID(int=1), uuid.UUID(int=2)],
        "month": pd.period_range("2024-01", periods=2, freq="M"),
        "more": [{"a": 1}, None],
        "mixed": [[1, "x"], [1, 2]],
        "half": pd.Series(["\ud800", "whole"], dtype=object),
    }
    view = browse(pd.DataFrame({"text": PROSE, "n": [1, 2], **odd}))
    first, second = stored(view)["metadatas"]
    assert first == {
        "n": 1,
        "price": "1.50",
        "key": str(uuid.UUID(int=1)),
        "month": "2024-01",
        "more": "{'a': 1}",
        "mixed": "[1, 'x']",
        "half": "\\ud800",
    }
    assert (second["price"], second["mixed"], "more" in second) == ("2.00", [1, 2], False)
    assert "values of 'price', 'key', 'month', 'more', 'mixed', 'half' as text" in view._about["note"]


@pytest.mark.parametrize("library", ["pyarrow", "polars", "datasets"])
def test_tables_of_other_libraries_are_seen(browse, letters, library):
    package = pytest.importorskip(library)
    columns = {"text": ["a wren", "a crow"], "n": [1, 2]}
    made = {
        "pyarrow": lambda: package.table(columns),
        "polars": lambda: package.DataFrame(columns).lazy(),
        "datasets": lambda: package.Dataset.from_dict(columns),
    }[library]()
    view = browse(made)
    assert (stored(view)["documents"], stored(view)["metadatas"][1]) == (["a wren", "a crow"], {"n": 2})


def test_a_table_is_explored_as_a_map(explore):
    view = explore(table(topic=["moon", "mars"]), "pca", color="topic", where={"topic": "mars"})
    assert (view.view, view.colour, view.projection.ids) == ("map", "topic", ["1"])
    assert "Temporary: 2 records" in view._about["note"]


# --- How long it is there --------------------------------------------------------------------------------------------
def engine_of(view):
    return weakref.ref(view.collection._client._backend.engine)


def run(monkeypatch, number, make, cell="cell"):
    """Run a cell whose last expression is what ``make()`` gives."""
    place = (cell, number, [])
    monkeypatch.setattr(shown_module, "running_cell", lambda: place)
    monkeypatch.setattr("chroma_nb.workbench.widget.running_cell", lambda: place)
    view = make()
    if hasattr(view, "_repr_mimebundle_"):
        view._repr_mimebundle_()
    return view


@pytest.mark.parametrize(
    "make",
    [
        lambda: chroma_nb.browse(table()),
        lambda: chroma_nb.explore(table(), "pca"),
        lambda: chroma_nb.explore(table(), "pca", 3),
        lambda: (chroma_nb.browse(table()), None)[0].collection,
    ],
    ids=["browse", "explore", "plotly", "never shown"],
)
def test_a_cell_that_runs_again_leaves_one_collection(monkeypatch, make):
    before = set(temporary._TEMPORARY)
    outputs = [run(monkeypatch, number, make) for number in range(5)]  # which Out[…] keeps
    left = [one for id_, one in temporary._TEMPORARY.items() if id_ not in before and not one.gone]
    assert len(left) == 1
    shown_module.begin(("cell", 6, []))
    assert all(one.gone for id_, one in temporary._TEMPORARY.items() if id_ not in before)
    assert len(outputs) == 5


def test_what_a_closed_workbench_held_is_given_back(browse):
    view = browse(table())
    engine = view.collection._client._backend.engine
    view.close()
    assert engine.transactions.closed
    with pytest.raises(AttributeError, match="client of the temporary collection of a table is closed"):
        view.to_df()


def test_it_stays_while_another_view_shows_it(browse, explore):
    first = browse(table())
    second = explore(first.collection, "pca", selection=first.selection)
    third = explore(first.collection, "pca", 3)
    assert isinstance(third, Explorer)
    assert second._about["note"] == first._about["note"]
    first.close()
    second.close()
    assert third.projection.collection.count() == 2
    assert first._repr_mimebundle_() is not None  # and it can be shown again
    third.close()
    assert first.ids() == ["0", "1"]
    first.close()
    assert first._repr_mimebundle_() == {"text/plain": temporary.GONE}


def test_it_goes_with_the_last_who_knows_it():
    made = temporary.collected(table())
    engine = made.collection._client._backend.engine
    del made
    gc.collect()
    assert engine.transactions.closed


def test_an_error_leaves_nothing():
    before = set(temporary._TEMPORARY)
    with pytest.raises(ValueError, match="no column 'k'") as error:
        chroma_nb.browse(table(), columns=["k"])
    assert all(one.gone for id_, one in temporary._TEMPORARY.items() if id_ not in before)
    assert error


def test_no_client_of_anybody_lists_it(browse):
    with chroma_nb.EphemeralClient() as client:
        view = browse(table())
        assert client.list_collections() == []
        assert view.collection.count() == 2


def test_what_was_chosen_stays_when_the_cell_runs_again(monkeypatch):
    first = run(monkeypatch, 1, lambda: chroma_nb.browse(table(n=[1, 2])))
    first.order = {"by": "n", "descending": True}
    second = run(monkeypatch, 2, lambda: chroma_nb.browse(table(n=[1, 2])))
    assert second.ids() == ["1", "0"]
    other = chroma_nb.browse(table(m=[1, 2]))
    assert other.order is None
    for one in (second, other):
        one.close()


def test_it_is_kept_by_an_export_with_the_one_client_of_the_notebook(browse, monkeypatch):
    class Shell:
        user_ns = {}

    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: Shell)
    with chroma_nb.EphemeralClient() as client:
        view = browse(table(id=["w", "c"], n=[1, 2]))
        with pytest.raises(ValueError, match="needs a client: browse"):
            export.export(view._seen, {"to": "collection", "target": "kept", "rows": "all"})
        Shell.user_ns = {"client": client, "same": client}
        export.export(view._seen, {"to": "collection", "target": "kept", "rows": "all"})
        kept = client.get_collection("kept", embedding_function=None)
        assert kept.get(include=["embeddings"])["embeddings"].tolist() == [[1, 0], [0, 1]]
        client.delete_collection("kept")

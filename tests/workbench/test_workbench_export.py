"""What a workbench shows, taken along: in its order, with its filter, over nothing that is there."""

import uuid

import pandas
import pytest


@pytest.fixture
def seen(birds, show):
    """The page's wrens, the heaviest first; two other birds are selected."""
    workbench, page = show(birds)
    page.set(where={"kind": "wren"}, order={"by": "weight", "descending": True})
    workbench.selection.ids = ["b002", "b001"]
    return workbench, page


def test_what_is_shown_becomes_a_dataframe_in_its_order(seen):
    workbench, _ = seen
    frame = workbench.to_df()
    assert frame["id"].tolist() == workbench.ids()
    assert frame["weight"].tolist() == sorted(frame["weight"], reverse=True)
    assert workbench.to_df("selected")["id"].tolist() == ["b002", "b001"]


@pytest.mark.parametrize(("to", "read"), [("csv", pandas.read_csv), ("parquet", pandas.read_parquet)])
@pytest.mark.parametrize(("rows", "count"), [("all", 100), ("selected", 2)])
def test_a_file_holds_what_was_asked_for_and_replaces_none(seen, tmp_path, to, read, rows, count):
    workbench, page = seen
    target = str(tmp_path / f"x.{to}")
    assert page.ask("export", rows=rows, to=to, target=target)["done"] == f"{count} records written to {target}."
    assert read(target)["id"].tolist() == workbench.to_df(rows)["id"].tolist()
    assert "exists already; nothing was written" in page.ask("export", rows=rows, to=to, target=target)["error"]
    assert (
        "does not exist; nothing was written"
        in page.ask("export", rows=rows, to=to, target=str(tmp_path / "no" / "x"))["error"]
    )


def test_a_file_that_cannot_be_written_whole_is_not_there(birds, show, tmp_path, monkeypatch):
    _, page = show(birds)
    monkeypatch.setattr(pandas.DataFrame, "to_csv", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    assert "disk full" in page.ask("export", rows="all", to="csv", target=str(tmp_path / "x.csv"))["error"]
    assert not (tmp_path / "x.csv").exists()


def test_a_parquet_file_takes_values_of_several_types_and_none(client, show, tmp_path):
    collection = client.create_collection("mixed", embedding_function=None)
    collection.add(
        ids=["a", "b", "c"],
        embeddings=[[1.0]] * 3,
        metadatas=[{"each": 1, "l": [1]}, {"each": "two", "l": ["a"]}, {"each": True}],
    )
    _, page = show(collection)
    page.ask("export", rows="all", to="parquet", target=str(tmp_path / "x.parquet"))
    stored = pandas.read_parquet(tmp_path / "x.parquet")
    assert stored["each"].tolist() == ["1", "two", "True"]
    assert stored["l"].dropna().tolist() == ["[1]", "['a']"]


def test_what_is_shown_becomes_a_collection(client, seen, birds):
    workbench, page = seen
    workbench._seen.client = client
    name = f"part-{uuid.uuid4().hex[:6]}"
    assert page.ask("export", rows="all", to="collection", target=name)["done"].startswith("100 records")
    part = client.get_collection(name, embedding_function=None).get(include=["documents", "metadatas"])
    assert part["ids"] == workbench.ids()
    assert part["metadatas"] == birds.get(ids=["b297"])["metadatas"] + part["metadatas"][1:]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"to": "csv", "target": " "}, "expected the path of a new file, got nothing"),
        ({"to": "csv", "target": "x", "rows": "selected"}, "nothing is selected"),
        ({"to": "variable", "target": "a b"}, "expected the name of a variable, got 'a b'"),
        ({"to": "variable", "target": "frame"}, "this is not a notebook"),
    ],
)
def test_what_is_missing_is_said(birds, show, asked, sentence):
    _, page = show(birds)
    assert sentence in page.ask("export", **{"rows": "all", **asked})["error"]


def test_other_rows_there_are_none(birds, show):
    with pytest.raises(ValueError, match="expected rows as 'all' or 'selected', got 'page'"):
        show(birds)[0].to_df("page")


def test_a_variable_is_new(birds, show, monkeypatch):
    class Shell:
        user_ns = {"old": 1}

    monkeypatch.setattr("IPython.core.getipython.get_ipython", Shell)
    _, page = show(birds)
    assert "the variable 'old' exists already" in page.ask("export", rows="all", to="variable", target="old")["error"]
    page.ask("export", rows="all", to="variable", target="frame")
    assert len(Shell.user_ns["frame"]) == 300
    assert Shell.user_ns["old"] == 1


def test_hits_of_a_search_have_their_distance(birds, show):
    workbench, _ = show(birds)
    workbench.search = {"like": "b007"}
    frame = workbench.to_df()
    assert frame["id"].tolist() == workbench.ids()
    assert list(frame.columns[:2]) == ["id", "distance"]
    assert frame["distance"].is_monotonic_increasing
    workbench.selection.ids = ["b000"]
    assert "distance" not in workbench.to_df("selected")

"""What a workbench writes: only what was changed, never over what others wrote, and each change can be taken back."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chroma_nb.types import SparseVector
from chroma_nb.workbench import changes, fields
from chroma_nb.workbench.columns import column_of
from chroma_nb.workbench.selection import Selection


@pytest.fixture
def writing(papers, show):
    return show(papers, readonly=False)


def contents(collection):
    found = collection.get(include=["documents", "metadatas", "embeddings"])
    vectors = np.round(found["embeddings"], 4).tolist()
    rows = zip(found["ids"], found["documents"], found["metadatas"], vectors, strict=True)
    return {one: (document, metadata or {}, tuple(vector)) for one, document, metadata, vector in rows}


def save(page, id_, **changed):
    """Save changes of the record as it is seen now."""
    return page.ask("edit", **{"id": id_, "version": page.ask("record", id=id_)["version"], **changed})


WRITES = {
    "edit": {"id": "p1", "version": None, "document": "other"},
    "create": {"id": "new", "document": "text"},
    "tag": {"key": "k", "field": {"type": "text", "text": "v"}, "confirmed": 1},
    "delete": {"ids": ["p1"]},
    "undo": {},
}


# --- Reading only ---
@pytest.mark.parametrize("kind", WRITES)
def test_a_workbench_only_reads_unless_told_otherwise(papers, show, kind):
    workbench, page = show(papers, selection=Selection(papers, ["p1"]))
    before = contents(papers)
    page.set(_about={"name": "papers", "readonly": False})
    assert "read-only; to edit, use browse(collection, readonly=False)" in page.ask(kind, **WRITES[kind])["error"]
    assert workbench.readonly
    assert contents(papers) == before
    with pytest.raises(PermissionError, match="readonly=False"):
        workbench.undo()


# --- Fields ---
scalars = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
items = (st.text(max_size=5), st.booleans(), st.integers(), st.floats(-1e9, 1e9))
lists = st.one_of(*(st.lists(one, min_size=1) for one in items))
sparse = st.dictionaries(st.integers(0, 99), st.sampled_from([0.5, -2.0]), min_size=1).map(
    lambda entries: SparseVector(sorted(entries), [entries[index] for index in sorted(entries)])
)


@given(st.one_of(scalars, lists, sparse), st.sampled_from(["k", "created_at"]))
@example("2024-05-01", "k")
@example(1758568000.25, "created_at")
@example(1758568000000, "created_at")
def test_a_value_that_goes_through_its_field_is_the_same(value, key):
    again = fields.value(key, fields.field(value, column_of(key, [value])))
    assert (type(again), repr(again)) == (type(value), repr(value))


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ({"type": "integer", "text": "1.5"}, "expected a whole number for 'k', such as 2020, got '1.5'"),
        ({"type": "integer", "text": " "}, "expected a whole number for 'k', such as 2020, got nothing"),
        ({"type": "number", "text": "many"}, "expected a number for 'k', such as 0.5, got 'many'"),
        ({"type": "number", "text": "nan"}, "got 'nan', which cannot be stored"),
        ({"type": "boolean", "text": "yes"}, "expected true or false for 'k', got 'yes'"),
        ({"type": "list", "of": "integer", "items": ["1", "x"]}, "expected a whole number for 'k'"),
        ({"type": "list", "of": "text", "items": []}, "expected at least one item for 'k'"),
        ({"type": "sparse", "text": "[1"}, "expected a sparse vector for 'k'"),
        ({"type": "sparse", "text": '{"indices": [1]}'}, "expected a sparse vector for 'k'"),
        ({"type": "text", "as": "date", "text": "soon"}, "expected a date for 'k', such as 2024-05-01, got 'soon'"),
        ({"type": "code", "text": "1"}, "expected one of the types text, integer"),
    ],
)
def test_a_field_that_does_not_hold_what_its_type_says_is_refused_before_anything_is_written(
    writing, papers, field, sentence
):
    _, page = writing
    before = contents(papers)
    assert sentence in save(page, "p1", document="other", set={"k": field})["error"]
    assert contents(papers) == before


# --- Editing ---
def test_only_what_was_changed_is_written(writing, papers):
    _, page = writing
    before = contents(papers)
    assert save(page, "p1", set={"year": {"type": "integer", "text": "2020"}})["done"] == "edit of 'p1'"
    document, metadata, vector = contents(papers)["p1"]
    assert metadata == {"year": 2020, "topic": "a", "w": 1.0}
    assert (document, vector) == (before["p1"][0], before["p1"][2])
    assert type(metadata["w"]) is float


def test_keys_are_added_and_taken_away(writing, papers):
    _, page = writing
    tags = {"type": "list", "of": "text", "items": ["x", "y, z"]}
    save(page, "p1", set={"tags": tags, "ok": {"type": "boolean", "text": "true"}}, remove=["year", "w"])
    assert contents(papers)["p1"][1] == {"topic": "a", "tags": ["x", "y, z"], "ok": True}


def test_an_edited_document_is_embedded_anew_and_comes_back(writing, papers):
    workbench, page = writing
    before = contents(papers)
    save(page, "p1", document="aaa")
    assert contents(papers)["p1"] == ("aaa", before["p1"][1], (4.0, 0.0, 3.0))
    assert workbench.undo() == "edit of 'p1'"
    assert contents(papers) == before


@pytest.mark.parametrize(
    "other",
    [{"metadatas": [{"year": 1}]}, {"metadatas": [{"w": 1}]}, {"metadatas": [{"new": "x"}]}, {"documents": ["theirs"]}],
)
def test_an_edit_stops_where_somebody_else_wrote(writing, papers, other):
    workbench, page = writing
    seen = page.ask("record", id="p1")["version"]
    papers.update(ids=["p1"], **other)
    theirs = contents(papers)
    mine = {"id": "p1", "version": seen, "set": {"topic": {"type": "text", "text": "mine"}}}
    assert "changed meanwhile" in page.ask("edit", **mine)["error"]
    assert contents(papers) == theirs
    papers.delete(ids=["p1"])
    assert "deleted meanwhile" in page.ask("edit", **mine)["error"]
    assert workbench._undoable == ""


def test_an_edit_that_changes_nothing_is_no_change(writing):
    workbench, page = writing
    same = {"year": {"type": "integer", "text": "2019"}}
    assert "nothing was changed" in save(page, "p1", document="a bad cab", set=same)["error"]
    assert workbench._undoable == ""


def test_a_document_that_would_be_taken_away_stays(writing, papers):
    _, page = writing
    before = contents(papers)
    assert "a document cannot be removed" in save(page, "p1", document="")["error"]
    assert contents(papers) == before


def test_a_type_alone_is_a_change(writing, papers):
    _, page = writing
    whole = {"type": "list", "of": "integer", "items": ["1"]}
    save(page, "p1", set={"w": {"type": "integer", "text": "1"}, "year": whole})
    assert type(contents(papers)["p1"][1]["w"]) is int
    save(page, "p1", set={"year": {**whole, "of": "number"}})
    assert [type(item) for item in contents(papers)["p1"][1]["year"]] == [float]


# --- Adding, tagging, deleting ---
def test_a_record_is_created_once_and_taken_back(writing, papers):
    workbench, page = writing
    before = contents(papers)
    page.ask("create", id="p4", document="abc", set={"year": {"type": "integer", "text": "5"}})
    assert contents(papers)["p4"][:2] == ("abc", {"year": 5})
    assert "the record 'p4' exists already" in page.ask("create", id="p4", document="other")["error"]
    assert "expected an id" in page.ask("create", id="", document="other")["error"]
    assert "expected a document" in page.ask("create", id="p5", document="")["error"]
    workbench.undo()
    assert contents(papers) == before


def test_the_selected_records_are_tagged_and_only_they(writing, papers):
    workbench, page = writing
    before = contents(papers)
    workbench.selection.ids = ["p1", "p3"]
    answer = page.ask("tag", key="year", field={"type": "integer", "text": "1"}, confirmed=2)
    assert answer["done"] == "tag 'year' of 2 records"
    assert [metadata.get("year") for _, metadata, _ in contents(papers).values()] == [1, 2021, 1]
    workbench.undo()
    assert contents(papers) == before


def test_a_tag_is_not_taken_back_over_what_others_wrote(writing, papers):
    workbench, page = writing
    workbench.selection.ids = ["p1", "p2", "p3"]
    page.ask("tag", key="k", field={"type": "text", "text": "v"}, confirmed=3)
    papers.update(ids=["p2"], metadatas=[{"k": "theirs"}])
    theirs = contents(papers)
    with pytest.raises(ValueError, match="'k' of the record 'p2' was changed meanwhile"):
        workbench.undo()
    assert contents(papers) == theirs
    papers.update(ids=["p2"], metadatas=[{"k": "v", "year": 7}])
    papers.delete(ids=["p3"])
    workbench.undo()
    assert [metadata for _, metadata, _ in contents(papers).values()] == [
        {"year": 2019, "topic": "a", "w": 1.0},
        {"year": 7, "topic": "b"},
    ]


def test_a_tag_that_fails_half_way_leaves_nothing(writing, papers, monkeypatch):
    workbench, page = writing
    before = contents(papers)
    monkeypatch.setattr(changes, "_BATCH", 1)
    workbench.selection.ids = ["p1", "p2", "p3"]
    update, calls = papers.update, []

    def fails_at_the_third(**arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise ConnectionError("the server is away")
        update(**arguments)

    monkeypatch.setattr(workbench._seen.changes, "_collection", Failing(papers, fails_at_the_third))
    assert "the server is away" in page.ask("tag", key="k", field={"type": "text", "text": "v"}, confirmed=3)["error"]
    assert contents(papers) == before
    assert workbench._undoable == ""


class Failing:
    """A collection whose ``update`` is another."""

    def __init__(self, collection, update):
        self._collection, self.update = collection, update

    def __getattr__(self, name):
        return getattr(self._collection, name)


def test_no_other_number_of_records_is_tagged_or_deleted_than_was_confirmed(writing, papers):
    workbench, page = writing
    before = contents(papers)
    assert "nothing is selected" in page.ask("delete", confirmed=0)["error"]
    workbench.selection.ids = ["p1", "p2"]
    for kind in ("delete", "tag"):
        answer = page.ask(kind, confirmed=1, key="k", field={"type": "text", "text": "v"})
        assert "1 records were confirmed, 2 are selected" in answer["error"]
    assert contents(papers) == before


def test_deleted_records_come_back_whole_and_are_no_longer_selected(writing, papers):
    workbench, page = writing
    before = contents(papers)
    workbench.selection.ids = ["p1", "p3"]
    assert page.ask("delete", confirmed=2)["done"] == "deletion of 2 records"
    assert (list(contents(papers)), workbench.selection.ids) == (["p2"], ())
    assert workbench._undoable == "deletion of 2 records"
    workbench.undo()
    assert contents(papers) == before


# --- Undo ---
def test_changes_are_taken_back_last_first_until_none_is_left(writing, papers):
    workbench, page = writing
    before = contents(papers)
    workbench.selection.ids = ["p1"]
    save(page, "p1", document="one")
    page.ask("tag", key="k", field={"type": "text", "text": "v"}, confirmed=1)
    page.ask("delete", ids=["p1"])
    for undone, left in (
        ("deletion of 'p1'", "tag 'k' of 1 record"),
        ("tag 'k' of 1 record", "edit of 'p1'"),
        ("edit of 'p1'", ""),
    ):
        assert workbench._undoable == undone
        assert page.ask("undo")["done"] == undone
        assert workbench._undoable == left
    assert contents(papers) == before
    assert "nothing to undo" in page.ask("undo")["error"]


@pytest.mark.parametrize("kind", ["create", "edit"])
def test_undo_stops_where_somebody_else_wrote(writing, papers, kind):
    workbench, page = writing
    if kind == "create":
        page.ask("create", id="p4", document="abc")
    else:
        save(page, "p1", document="mine")
    touched = {"create": "p4", "edit": "p1"}[kind]
    papers.update(ids=[touched], documents=["theirs"])
    with pytest.raises(ValueError, match="changed meanwhile"):
        workbench.undo()
    assert contents(papers)[touched][0] == "theirs"
    assert workbench._undoable


def test_what_is_written_is_read_again(writing, papers):
    workbench, page = writing
    workbench.where = {"topic": "a"}
    assert page.ask("count")["shown"] == 1
    seen = workbench._renewed
    save(page, "p2", set={"topic": {"type": "text", "text": "a"}})
    assert workbench._renewed > seen
    assert page.ask("count")["shown"] == 2


@pytest.mark.parametrize(
    "text",
    ["<img src=x onerror=alert(1)>", "\u202eevil\u202c", "a\x01b\r\nc", "שלום, עולם!", "' OR 1=1 --", "{{7*7}}"],
)
def test_hostile_texts_are_kept_as_they_are(writing, papers, text):
    _, page = writing
    save(page, "p1", document=text, set={text: {"type": "text", "text": text}})
    assert contents(papers)["p1"][:2] == (text, {"year": 2019, "topic": "a", "w": 1.0, text: text})
    told = page.ask("record", id="p1")
    assert told["document"] == [(text, False)]
    assert {entry["key"]: entry["value"] for entry in told["metadata"]}[text] == text


def test_python_tags_and_deletes_what_is_selected_and_takes_it_back(writing, papers):
    workbench, _ = writing
    before = contents(papers)
    with pytest.raises(ValueError, match="nothing is selected"):
        workbench.tag("read", True)
    workbench.selection.ids = ["p1", "p3"]
    workbench.tag("read", True)
    assert papers.get(where={"read": True})["ids"] == ["p1", "p3"]
    workbench.delete()
    assert (workbench.ids(), len(workbench.selection)) == (["p2"], 0)
    workbench.undo()
    workbench.undo()
    assert contents(papers) == before


def test_python_does_not_write_where_only_reading_is_allowed(papers, show):
    workbench, _ = show(papers, selection=Selection(papers, ["p1"]))
    for write in (lambda: workbench.tag("read", True), workbench.delete):
        with pytest.raises(PermissionError, match="readonly=False"):
            write()

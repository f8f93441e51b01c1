"""The browser without widgets, over collections of ours and of chromadb."""

import uuid

import numpy as np
import pandas
import pytest
from emptied_client import emptied_client

from chroma_nb.jupyter.widgets import browser_state as state_module
from chroma_nb.jupyter.widgets import listing
from chroma_nb.jupyter.widgets.browser_state import BrowserState
from chroma_nb.jupyter.widgets.filters import DOCUMENT, FilterRow, Key, compiled, observe, operations
from chroma_nb.jupyter.widgets.question import Order
from chroma_nb.records import Records
from chroma_nb.workbench.changes import Changes
from chroma_nb.workbench.selection import Selection


@pytest.fixture
def many(client, words):
    """50 records: whole numbers, words, every tenth without metadata."""
    collection = client.create_collection(f"many-{uuid.uuid4().hex[:6]}", embedding_function=words)
    collection.add(
        ids=[f"r{n:02}" for n in range(50)],
        documents=[f"{'abcdefgh'[n % 8] * (n % 5 + 1)} number {n}" for n in range(50)],
        metadatas=[{"size": (n * 7) % 50, "kind": "odd" if n % 2 else "even"} if n % 10 else None for n in range(50)],
    )
    return collection


class Counting:
    """A collection that notes how many records each ``get`` brought."""

    def __init__(self, collection):
        self._collection, self.brought = collection, []

    def __getattr__(self, name):
        return getattr(self._collection, name)

    def get(self, **arguments):
        answer = self._collection.get(**arguments)
        self.brought.append((len(answer["ids"]), sorted(arguments.get("include", []))))
        return answer


# --- Pages ---
def test_a_page_holds_twenty_records_in_stored_order(many):
    state = BrowserState(many)
    page = state.read()
    assert (page.ids, page.total, page.exact) == ([f"r{n:02}" for n in range(20)], 50, True)
    state.go(2)
    assert state.read().position == "41–50 of 50"


def test_a_page_beyond_the_last_is_the_last(many):
    state = BrowserState(many)
    state.go(99)
    assert (state.read().number, state.number) == (2, 2)


def test_only_the_page_leaves_the_database(many):
    counting = Counting(many)
    state = BrowserState(counting)
    state.go(1)
    state.read()
    assert counting.brought == [(20, ["documents", "metadatas", "uris"])]


def test_an_empty_collection_has_one_empty_page(client):
    page = BrowserState(client.create_collection("nothing")).read()
    assert (page.ids, page.position, page.last_number) == ([], "no records", 0)


def test_a_page_needs_room_for_a_record(many):
    with pytest.raises(ValueError, match="at least 1, got 0"):
        BrowserState(many, page_size=0)


def test_what_another_wrote_appears_at_refresh(many):
    state = BrowserState(many, page_size=50)
    state.ask(order=Order("id", descending=True))
    state.read()
    many.add(ids=["zz"], documents=["new"], metadatas=[{"colour": "red"}])
    assert "zz" not in state.read().ids
    state.refresh()
    assert state.read().ids[0] == "zz"
    assert "colour" in state.keys


# --- Order ---
def test_records_sort_by_a_metadata_value_and_those_without_come_last(many):
    state = BrowserState(many)
    state.ask(order=Order("metadata", "size"))
    page = state.read()
    sizes = [metadata["size"] for metadata in page.metadatas]
    assert sizes == sorted(sizes)
    assert "50 records were read to sort them" in page.note
    for descending in (False, True):
        state.ask(order=Order("metadata", "size", descending))
        state.go(2)
        assert state.read().metadatas[-5:] == [None] * 5


def test_values_of_several_types_have_an_order(client):
    collection = client.create_collection("types")
    values = [["b"], "text", 2.5, True, 1]
    collection.add(ids=list("edcba"), embeddings=[[1.0, 2.0]] * 5, metadatas=[{"v": value} for value in values])
    state = BrowserState(collection)
    state.ask(order=Order("metadata", "v"))
    assert state.read().ids == ["b", "a", "c", "d", "e"]


def test_a_sort_of_too_many_says_what_it_rests_on(many, monkeypatch):
    monkeypatch.setattr(listing, "SORTED", 30)
    state = BrowserState(many)
    state.ask(order=Order("id", descending=True))
    page = state.read()
    assert (page.ids[0], page.total) == ("r29", 30)
    assert page.note == "sorted among the first 30 records only; a filter leaves fewer to sort"


# --- Search ---
def test_search_in_documents(many):
    state = BrowserState(many)
    state.ask(contains="number 4")
    page = state.read()
    assert (page.ids, page.total) == (["r04", *(f"r{n}" for n in range(40, 50))], 11)


def test_search_by_meaning_orders_by_distance(many):
    state = BrowserState(many)
    state.ask(meaning="bbbb")
    page = state.read()
    assert page.distances == sorted(page.distances)
    assert page.documents[0].startswith("bbb")
    state.ask(order=Order("distance", descending=True))
    assert state.read().distances[0] >= page.distances[-1]


def test_both_searches_and_a_filter_hold_together(many):
    state = BrowserState(many)
    state.ask(meaning="bbbb", contains="number 1", rows=(FilterRow("kind", "is", "odd"),))
    page = state.read()
    assert sorted(page.ids) == ["r01", "r11", "r13", "r15", "r17", "r19"]
    assert page.distances == sorted(page.distances)


def test_the_order_by_distance_ends_with_the_search(many):
    state = BrowserState(many)
    state.ask(meaning="b", order=Order("distance", descending=True))
    state.ask(meaning="")
    assert state.question.order == Order()
    assert state.read().distances is None


def test_matches_in_documents_are_counted_ahead_only(many, monkeypatch):
    monkeypatch.setattr(state_module, "COUNTED", 25)
    state = BrowserState(many, page_size=10)
    state.ask(contains="number")
    assert state.read().position == "1–10 of 25 or more"
    state.go(2)
    assert state.read().position == "21–30 of 45 or more"
    state.go(4)
    assert state.read().position == "41–50 of 50"


def test_a_filter_given_at_the_start_always_holds(many):
    state = BrowserState(many, where={"kind": "odd"}, where_document={"$contains": "number"})
    state.ask(rows=(FilterRow("size", "≥", "40"),), contains="4")
    assert state.where == {"$and": [{"kind": "odd"}, {"size": {"$gte": 40}}]}
    assert state.where_document == {"$and": [{"$contains": "number"}, {"$contains": "4"}]}
    assert all(metadata["size"] >= 40 and metadata["kind"] == "odd" for metadata in state.read().metadatas)


def test_another_question_starts_at_the_first_page(many):
    state = BrowserState(many)
    state.go(2)
    state.ask(contains="number")
    assert state.number == 0


# --- The filter builder ---
def test_keys_are_typed_by_what_is_observed():
    keys = observe([{"a": 1, "b": True, "c": "x", "d": 1, "e": ["x"], "f": 1}, {"a": 2, "d": 1.5, "f": "x"}, None])
    assert {name: key.kind for name, key in keys.items()} == {
        "a": "int", "b": "bool", "c": "text", "d": "number", "e": "list", "f": "mixed",
    }  # fmt: skip
    assert list(keys)[:3] == ["a", "d", "f"]
    assert (keys["e"].element, keys["e"].values) == ("text", ("x",))
    assert ">" in operations("int")
    assert ">" not in operations("text")


@pytest.mark.parametrize(
    ("row", "where"),
    [
        (FilterRow("year", "≥", "2019"), {"year": {"$gte": 2019}}),
        (FilterRow("year", "is one of", "2019, 2020"), {"year": {"$in": [2019, 2020]}}),
        (FilterRow("score", "<", "2"), {"score": {"$lt": 2.0}}),
        (FilterRow("open", "is", "true"), {"open": {"$eq": True}}),
        (FilterRow("topic", "is", "2019"), {"topic": {"$eq": "2019"}}),
        (FilterRow("topic", "is none of", '"a, b", c'), {"topic": {"$nin": ["a, b", "c"]}}),
        (FilterRow("tags", "contains", "x"), {"tags": {"$contains": "x"}}),
        (FilterRow("unseen", "is", "7"), {"unseen": {"$eq": 7}}),
        (FilterRow("unseen", "is", "seven"), {"unseen": {"$eq": "seven"}}),
    ],
)
def test_a_row_becomes_a_condition_of_the_type_of_its_key(row, where):
    keys = observe([{"year": 2020, "score": 0.5, "open": False, "topic": "a", "tags": ["x"]}])
    assert compiled([row], keys) == (where, None)
    ((_, condition),) = where.items()
    ((_, operand),) = condition.items()
    ((_, got),) = compiled([row], keys)[0][row.key].items()
    assert type(got) is type(operand)


def test_rows_make_groups_and_a_row_without_value_does_not_count():
    keys = {"a": Key("a", "int")}
    rows = [FilterRow("a", ">", "1"), FilterRow("a", "<", "5"), FilterRow("a", "is", "9", "or"), FilterRow("a")]
    assert compiled(rows, keys)[0] == {"$or": [{"$and": [{"a": {"$gt": 1}}, {"a": {"$lt": 5}}]}, {"a": {"$eq": 9}}]}


def test_rows_about_the_document_become_where_document():
    rows = [FilterRow(DOCUMENT, "contains", "whale"), FilterRow(DOCUMENT, "matches", "^T", "or")]
    assert compiled(rows, {}) == (None, {"$or": [{"$contains": "whale"}, {"$regex": "^T"}]})
    with pytest.raises(ValueError, match="only be joined by 'and'"):
        compiled([rows[0], FilterRow("year", "is", "1", "or")], {})


def test_a_value_that_does_not_fit_says_what_was_expected():
    with pytest.raises(ValueError, match="expected a number for 'year', got 'last'"):
        compiled([FilterRow("year", ">", "last")], {"year": Key("year", "int")})
    with pytest.raises(ValueError, match="cannot be asked '>'"):
        compiled([FilterRow("t", ">", "1")], {"t": Key("t", "text")})


# --- One record ---
def test_a_record_has_its_neighbours(papers):
    state = BrowserState(papers)
    record = state.record("p1")
    assert (record.document, record.metadata["year"], len(record.embedding)) == ("a bad cab", 2019, 8)
    near = state.neighbours(record, 2)
    assert {hit[0] for hit in near} == {"p2", "p3"}
    assert near[0][1] <= near[1][1]
    assert state.record("gone") is None


# --- Writing ---
@pytest.fixture
def writing(papers):
    return BrowserState(papers, readonly=False)


def contents(collection):
    found = collection.get(include=["documents", "metadatas", "embeddings"])
    vectors = np.round(found["embeddings"], 4).tolist()
    rows = zip(found["ids"], found["documents"], found["metadatas"], vectors, strict=True)
    return {one: (document, metadata, tuple(vector)) for one, document, metadata, vector in rows}


def test_a_browser_only_reads_unless_told_otherwise(papers):
    state = BrowserState(papers)
    record, before = state.record("p1"), contents(papers)
    for write in (
        lambda: state.create("x", "text"),
        lambda: state.edit(record, "other", {}),
        lambda: state.delete(["p1"]),
        state.undo,
    ):
        with pytest.raises(PermissionError, match="readonly=False"):
            write()
    assert contents(papers) == before


def test_an_edited_document_is_embedded_anew_and_comes_back(writing, papers, words):
    before = contents(papers)
    writing.edit(writing.record("p1"), "hhh", {"year": 1999, "new": True})
    changed = writing.record("p1")
    assert (changed.document, changed.metadata) == ("hhh", {"year": 1999, "new": True})
    assert np.allclose(changed.embedding, words(["hhh"])[0])
    assert writing.undo() == "edit of 'p1'"
    assert contents(papers) == before


def test_an_edit_of_metadata_alone_leaves_the_embedding(writing, papers):
    before = contents(papers)["p2"]
    writing.edit(writing.record("p2"), "deaf ghee", {"year": 2021.0, "topic": "b"})
    document, metadata, vector = contents(papers)["p2"]
    assert (document, vector) == (before[0], before[2])
    assert type(metadata["year"]) is float


def test_an_edit_stops_where_somebody_else_wrote(writing, papers):
    seen = writing.record("p1")
    papers.update(ids=["p1"], metadatas=[{"year": 1}])
    with pytest.raises(ValueError, match="changed meanwhile"):
        writing.edit(seen, "mine", {})
    papers.delete(ids=["p1"])
    with pytest.raises(ValueError, match="deleted meanwhile"):
        writing.edit(seen, "mine", {})


def test_an_edit_that_changes_nothing_is_no_change(writing):
    seen = writing.record("p1")
    with pytest.raises(ValueError, match="nothing was changed"):
        writing.edit(seen, seen.document, seen.metadata)
    assert writing.undoable is None


def test_deleted_records_come_back_whole(writing, papers):
    before = contents(papers)
    writing.selection.select(["p1", "p3"])
    assert writing.delete(["p1", "p3"]) == "deletion of 2 records"
    assert list(contents(papers)) == ["p2"]
    assert writing.selection.ids == ()
    writing.undo()
    assert contents(papers) == before


def test_a_record_is_created_once_and_taken_back(writing, papers):
    writing.create("p4", "abc", {"year": 5})
    assert contents(papers)["p4"][:2] == ("abc", {"year": 5})
    with pytest.raises(ValueError, match="there is a record 'p4' already"):
        writing.create("p4", "other")
    with pytest.raises(ValueError, match="expected an id"):
        writing.create("", "other")
    writing.undo()
    assert "p4" not in contents(papers)


def test_a_record_needs_a_document_and_a_key_without_value_is_none(writing, papers):
    with pytest.raises(ValueError, match="expected a document"):
        writing.create("p4", None, {"year": 5})
    writing.create("p4", "abc", {"year": None, "topic": "c"})
    assert contents(papers)["p4"][:2] == ("abc", {"topic": "c"})


def test_a_document_that_would_be_taken_away_stays_and_it_says_so(writing, papers):
    before = contents(papers)
    with pytest.raises(ValueError, match="a document cannot be taken away"):
        writing.edit(writing.record("p1"), "", {"year": 1})
    assert contents(papers) == before
    assert writing.undoable is None


def test_undo_stops_where_somebody_else_wrote(writing, papers):
    writing.create("p4", "abc")
    papers.update(ids=["p4"], documents=["theirs"])
    with pytest.raises(ValueError, match="changed meanwhile"):
        writing.undo()
    assert contents(papers)["p4"][0] == "theirs"
    assert writing.undoable == "creation of 'p4'"


def test_changes_are_taken_back_last_first_until_none_is_left(writing, papers):
    before = contents(papers)
    writing.edit(writing.record("p1"), "one", {"year": 1})
    writing.delete(["p1"])
    assert [writing.undo(), writing.undo()] == ["deletion of 'p1'", "edit of 'p1'"]
    assert contents(papers) == before
    with pytest.raises(ValueError, match="nothing to undo"):
        writing.undo()


def test_a_document_given_to_a_record_without_one_is_taken_away_again(client, words):
    collection = client.create_collection("bare", embedding_function=words)
    collection.add(ids=["a"], embeddings=[[1.0] * 8])
    state = BrowserState(collection, readonly=False)
    state.edit(state.record("a"), "text", {"k": 1})
    state.undo()
    assert contents(collection) == {"a": (None, None, (1.0,) * 8)}


def test_a_document_given_to_a_record_that_has_lost_its_vector_is_taken_away_again(words):
    with emptied_client("chroma_nb") as client:
        collection = client.create_collection("lost", embedding_function=words)
        collection.add(ids=["a"], embeddings=[[1.0] * 8])
        lost = Records(["b"], np.zeros((1, 8), np.float32), metadatas=[{"k": 0}], has_embedding=np.array([False]))
        collection._client._backend.engine.adopt(collection.id, lost)
        state = BrowserState(collection, readonly=False)
        state.edit(state.record("b"), "text", {"k": 1})
        assert collection.get(ids=["b"])["documents"] == ["text"]
        state.undo()
        found = collection.get(ids=["b"])
        assert (found["documents"], found["metadatas"]) == ([None], [{"k": 0}])


def test_more_is_not_deleted_at_once_than_can_come_back(papers):
    with pytest.raises(ValueError, match="at most 1,000 records"):
        Changes(papers).delete([str(n) for n in range(1_001)])


# --- Taking it along ---
def test_what_is_shown_becomes_a_dataframe_in_its_order(many):
    state = BrowserState(many)
    state.ask(rows=(FilterRow("kind", "is", "odd"),), order=Order("metadata", "size", descending=True))
    frame = state.to_df()
    assert len(frame) == 25
    assert frame["size"].tolist() == sorted(frame["size"], reverse=True)
    assert frame["id"].tolist()[:20] == state.read().ids == state.to_df("page")["id"].tolist()


def test_the_selected_records_become_a_dataframe(many):
    state = BrowserState(many, selection=Selection(many, ["r07", "r03"]))
    assert state.to_df("selected")["id"].tolist() == ["r07", "r03"]


def test_a_search_by_meaning_keeps_its_distances(many):
    state = BrowserState(many)
    state.ask(meaning="cc")
    frame = state.to_df("page")
    assert frame["distance"].tolist() == state.read().distances


def test_files_hold_what_is_shown_and_replace_none(many, tmp_path):
    state = BrowserState(many)
    state.ask(rows=(FilterRow("kind", "is", "even"),))
    for name, write, read in (
        ("x.csv", state.to_csv, pandas.read_csv),
        ("x.parquet", state.to_parquet, pandas.read_parquet),
    ):
        assert write(tmp_path / name) == 20
        assert read(tmp_path / name)["id"].tolist() == state.to_df()["id"].tolist()
        with pytest.raises(FileExistsError):
            write(tmp_path / name)


def test_a_parquet_file_takes_values_of_several_types_and_none(client, tmp_path):
    collection = client.create_collection(f"mixed-{uuid.uuid4().hex[:6]}", embedding_function=None)
    collection.add(
        ids=["a", "b", "c", "d"],
        embeddings=[[1.0]] * 4,
        documents=["x", "y", "z", None],
        metadatas=[{"n": 1, "each": 1, "l": [1]}, None, {"n": 2, "each": "two", "l": ["a"]}, {"each": True}],
    )
    assert BrowserState(collection).to_parquet(tmp_path / "mixed.parquet") == 4
    stored = pytest.importorskip("pyarrow.parquet").read_table(tmp_path / "mixed.parquet").to_pydict()
    assert stored["n"] == [1, None, 2, None]
    assert stored["each"] == ["1", None, "two", "True"]
    assert stored["l"] == ["[1]", None, "['a']", None]


def test_what_is_shown_becomes_a_collection(client, many):
    state = BrowserState(many)
    state.ask(contains="number 4")
    name = f"part-{uuid.uuid4().hex[:6]}"
    assert state.to_collection(client, name) == 11
    part = client.get_collection(name, embedding_function=None)
    shown = contents(many)
    assert contents(part) == {one: shown[one] for one in state.read().ids}

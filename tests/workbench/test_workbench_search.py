"""A search decides which records the workbench shows, best first, and says of each how it was found."""

import pytest
from traitlets import TraitError

from chroma_nb.workbench import search as searching

RANKED = ["#rank", "#distance", "#why"]


def rows(page, keys=RANKED, count=5):
    return page.ask("rows", **{"from": 0, "count": count, "keys": keys})


def test_words_find_records_and_say_which_of_them_did(birds, show):
    workbench, page = show(birds, where={"kind": "heron"})
    page.set(search={"text": "NUMBER 121", "by": "words"})
    assert page.ask("count")["shown"] == len(workbench.ids())
    found = rows(page)
    assert found["ids"][0] == "b121"
    assert found["rows"][0][0] == 1
    assert "121" in found["rows"][0][2]
    assert set(workbench.ids()) <= {f"b{i:03}" for i in range(1, 300, 3)}
    assert page.ask("found")["count"] == len(workbench.ids())


def test_the_case_of_letters_counts_where_that_is_asked_for(birds, show):
    workbench, page = show(birds)
    page.set(search={"text": "NUMBER", "by": "words"})
    assert len(workbench.ids()) == 300
    page.set(search={"text": "NUMBER", "by": "words", "case": True})
    assert workbench.ids() == []
    page.set(search={"text": "number", "by": "words", "case": True})
    assert len(workbench.ids()) == 300


def test_more_like_a_record_are_its_neighbours_nearest_first(birds, show):
    workbench, page = show(birds)
    page.set(search={"like": "b007"})
    vector = birds.get(ids=["b007"], include=["embeddings"])["embeddings"]
    nearest = birds.query(query_embeddings=vector, n_results=4, include=["distances"])["ids"][0][1:]
    assert workbench.ids()[:3] == nearest
    found = rows(page)["rows"]
    assert [row[0] for row in found] == [1, 2, 3, 4, 5]
    assert [row[1]["share"] for row in found] == sorted((row[1]["share"] for row in found), reverse=True)
    assert found[0][2] == "meaning 1"


def test_that_a_search_finds_no_more_is_said_once(birds, show):
    _, page = show(birds)
    page.set(search={"like": "b007"})
    assert page.ask("found")["note"] == "The 200 nearest"
    assert page.ask("count") | {"who": 0, "n": 0} == {"who": 0, "n": 0, "shown": 200, "total": 300, "note": ""}


def test_the_search_without_the_filter_of_a_facet_is_made_once(birds, show, monkeypatch):
    made = []
    find = searching.find
    monkeypatch.setattr(searching, "find", lambda *asked: made.append(asked) or find(*asked))
    _, page = show(birds)
    page.set(search={"like": "b007"})
    for where in (None, {"kind": "heron"}, {"kind": "wren"}):
        page.set(where=where)
        page.ask("count")
        page.ask("facets", keys=["kind", "year", "weight"])
    assert len(made) == 3


def test_hits_can_be_ordered_by_a_key_and_keep_their_rank(birds, show):
    workbench, page = show(birds)
    page.set(search={"like": "b007"}, order={"by": "weight", "descending": True})
    ids = workbench.ids()
    assert ids == sorted(ids, reverse=True)
    assert {row[0] for row in rows(page, count=300)["rows"]} == set(range(1, len(ids) + 1))


def test_what_fails_is_told_beside_the_field_and_shows_no_records(birds, show):
    workbench, page = show(birds)
    page.set(search={"like": "no such"})
    assert "no such" in page.ask("found")["wrong"]
    assert page.ask("count")["shown"] == 0
    page.set(search=None)
    assert len(workbench.ids()) == 300


@pytest.mark.parametrize(
    "bad", [7, {}, {"text": "a", "like": "b"}, {"text": "a", "by": "smell"}, {"text": 5}, {"text": "a", "n": 3}]
)
def test_what_is_no_search_is_refused(birds, show, bad):
    workbench, _ = show(birds)
    workbench.search = "wren"
    with pytest.raises(TraitError, match="expected"):
        workbench.search = bad
    assert workbench.search == {"text": "wren", "by": "both", "case": False}


def test_both_lists_are_one_by_reciprocal_rank_where_a_collection_does_not_do_it(birds):
    class Both:
        """A collection of Chroma's whose query knows what is near."""

        get = staticmethod(birds.get)

        def query(self, **asked):
            return {"ids": [["b005", "b121"]], "distances": [[0.1, 0.2]]}

    found = searching.find(Both(), searching.Search("121"), {}).found
    assert list(found) == ["b121", "b005"]
    assert found["b121"] == searching.Found(2, 1, ("121",), 0.2)


def test_a_search_that_fails_is_an_error_in_python_and_no_empty_table(client, show):
    collection = client.create_collection("flat", embedding_function=None)
    collection.add(ids=["a"], embeddings=[[1, 0]], documents=["a wren"])
    workbench, _ = show(collection)
    workbench.search = {"text": "wren", "by": "meaning"}
    for asked in (workbench.ids, workbench.to_df):
        with pytest.raises(ValueError, match="the search found nothing, since it failed"):
            asked()
    workbench.search = None
    assert workbench.ids() == ["a"]


def marked(cell):
    """The marked parts of a cell, and whether it begins in the middle of its text."""
    return [part for part, is_marked in cell["parts"] if is_marked], cell["text"].startswith("…")


def test_a_document_is_shown_from_shortly_before_what_was_found_in_it(birds, show):
    long = "word " * 500 + "a kingfisher dives. " + "word " * 500
    birds.update(ids=["b003"], documents=[long], embeddings=[[0.0] * len(birds.peek(1)["embeddings"][0])])
    _, page = show(birds)
    page.set(search={"text": "Kingfisher", "by": "words"})
    (found,) = rows(page, ["#document"])["rows"]
    assert marked(found[0]) == (["kingfisher"], True)
    assert found[0]["text"].startswith("…word word")
    assert len(found[0]["text"]) <= 402
    page.set(search=None, where_document={"$contains": "a king"})
    assert marked(rows(page, ["#document"])["rows"][0][0]) == (["a king"], True)
    page.set(where_document={"$not_contains": "a king"})
    assert isinstance(rows(page, ["#document"], 1)["rows"][0][0], str)


def test_the_beginning_stays_where_what_was_found_is_near_it(birds, show):
    _, page = show(birds)
    page.set(search={"text": "number", "by": "words", "case": True})
    (found,) = rows(page, ["#document"], 1)["rows"]
    assert marked(found[0]) == (["number"], False)
    whole = page.ask("cells", ids=rows(page, count=1)["ids"], keys=["#document"])["rows"][0][0]
    assert found[0]["text"] == whole


@pytest.mark.parametrize("pattern", [r"(\w+\s*)+:", r"x.*y.*z", ".", "[[a]b]", ""])
def test_a_filter_by_a_pattern_takes_no_longer_to_mark_than_to_match(birds, show, pattern):
    birds.update(ids=["b003"], documents=["Title: " + "word" * 20 + "x" * 4_000 + "!"], embeddings=[[0.0, 0.0, 0.0]])
    _, page = show(birds)
    page.set(where_document={"$regex": pattern} if pattern else {"$contains": "word"})
    for row in rows(page, ["#document"], 5)["rows"]:
        assert len(row[0]["text"] if isinstance(row[0], dict) else row[0]) <= 402


def test_a_document_that_goes_on_says_so_wherever_it_is_cut(birds, show):
    for text in ("kingfisher" * 40 + "x" * 90, "a kingfisher " + "b" * 30_000):
        birds.update(ids=["b003"], documents=[text], embeddings=[[0.0, 0.0, 0.0]])
        _, page = show(birds, where_document={"$contains": "kingfisher"})
        (found,) = rows(page, ["#document"])["rows"]
        assert found[0]["text"].endswith("…")


def test_rows_that_others_deleted_are_counted_again(birds, show):
    _, page = show(birds)
    assert page.ask("count")["shown"] == 300
    birds.delete(ids=[f"b{i:03}" for i in range(200, 300)])
    said = page.ask("rows", **{"from": 200, "count": 5, "keys": ["kind"]})
    assert said["ids"] == []
    assert said["counts"]["shown"] == 200

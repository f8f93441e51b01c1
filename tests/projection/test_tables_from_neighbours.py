"""duplicates, outliers, compare, evaluate: tables first."""

import enum
import json
import math
import pickle

import numpy as np
import pandas as pd
import pytest

from chroma_nb.projection import reducers
from chroma_nb.projection.compare import aligned, compare
from chroma_nb.projection.drift import drift
from chroma_nb.projection.duplicates import duplicates, outliers
from chroma_nb.projection.evaluate import evaluate
from chroma_nb.projection.measures import ndcg
from chroma_nb.projection.projection import project


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
def test_duplicates_are_groups_of_near_vectors_whatever_the_space(client, filled, space):
    collection = filled(client, 40, space=space, dimension=64)
    vectors = collection.get(ids=["id3", "id8"], include=["embeddings"])["embeddings"]
    collection.add(ids=["copy"], embeddings=[vectors[0]], documents=["a copy"])
    collection.add(ids=["near", "far off"], embeddings=[vectors[1] * 1.5 + 0.01, -vectors[1]])
    found = duplicates(collection, 0.995)
    assert found.groupby("group")["id"].agg(set).tolist() == [{"id3", "copy"}, {"id8", "near"}]
    assert (found["similarity"] >= 0.995).all()


def test_duplicates_are_drawn_a_colour_a_group_and_the_rest_in_grey(client, filled):
    collection = filled(client, 12)
    vectors = collection.get(ids=["id3"], include=["embeddings"])["embeddings"]
    collection.add(ids=["copy"], embeddings=vectors)
    figure = duplicates(collection, 0.9999).figure(method="pca", title="twins")
    drawn = {trace.name: len(trace.x) for trace in figure.data if trace.mode == "markers"}
    assert drawn == {"group 0": 2, "missing": 11}
    assert figure.layout.title.text == "twins"
    assert duplicates(filled(client, 3, name="apart"), 1.0).figure().data


def test_outliers_are_drawn_by_score_and_stand_out_by_size(client, filled):
    collection = filled(client, 30)
    collection.add(ids=["lonely"], embeddings=[[90.0] * 16])
    points = outliers(collection, 1).figure(method="pca").data[0]
    assert len(points.x) == 31
    assert np.argmax(points.marker.color) == np.argmax(points.marker.size) == 30
    assert outliers(filled(client, 0, name="empty")).figure() is not None


@pytest.mark.parametrize("per_question", [False, True])
def test_an_evaluation_is_drawn_as_bars_whose_names_are_only_text(per_question):
    attack = "<img src=x onerror=alert(1)>"

    class Asked:
        name = attack

        def query(self, **given):
            return {"ids": [["id9", "id3"]]}

    figure = evaluate([Asked()], {attack: "id3"}, per_question=per_question).figure(height=300)
    assert figure.layout.height == 300
    heights = {bar.name: bar.y[0] for bar in figure.data}
    assert figure.layout.modebar.remove == ("sendChartToCloud",)
    assert list(heights.values()) == pytest.approx([1 / math.log2(3)] if per_question else [1, 0.5, 1 / math.log2(3)])
    assert "<img" not in figure.to_json()
    assert "&lt;img" in json.loads(figure.to_json())["data"][0]["x"][0]


def test_no_figure_offers_to_send_the_records_to_plotlys_makers(client, filled):
    collection, other = filled(client, 30), filled(client, 30, name="other")
    figures = [
        project(collection, "pca").figure(),
        compare(collection, other, "pca").figure(),
        drift(collection, after=other, method="pca").figure(),
        duplicates(collection).figure(method="pca"),
        outliers(collection).figure(method="pca"),
    ]
    assert [figure.layout.modebar.remove for figure in figures] == [("sendChartToCloud",)] * len(figures)


def test_a_table_with_a_picture_is_a_table_like_any_other(client, filled):
    found = outliers(filled(client, 8), 5)
    for part in (found.head(2), found[found["score"] > 0], found.copy(), found.sort_values("id")):
        assert type(part) is pd.DataFrame
    assert "figure" not in found.columns
    stored = pickle.loads(pickle.dumps(found))
    pd.testing.assert_frame_equal(pd.DataFrame(stored), pd.DataFrame(found))
    with pytest.raises(ValueError, match="it has no collection to draw; create the table again"):
        stored.figure()


def test_many_copies_are_one_group(client):
    collection = client.create_collection("same", embedding_function=None)
    collection.add(ids=[str(n) for n in range(60)], embeddings=[[1.0, 2.0]] * 60)
    assert duplicates(collection, 1.0)["group"].tolist() == [0] * 60


def test_the_loneliest_records_come_first(client, filled):
    collection = filled(client, 60)
    collection.add(ids=["lonely"], embeddings=[[90.0] * 16], documents=["nobody near"])
    found = outliers(collection, 5)
    assert found["id"].iloc[0] == "lonely"
    assert len(found) == 5
    assert found["score"].iloc[0] > 5
    assert found["distance"].is_monotonic_decreasing


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_is_found_where_nothing_is(client, filled, count):
    collection = filled(client, count)
    assert duplicates(collection).empty
    assert outliers(collection).empty
    assert list(duplicates(collection).columns) == ["group", "id", "similarity", "document"]


@pytest.mark.parametrize("threshold", [0, 1.1, -1])
def test_a_threshold_is_a_similarity(threshold):
    with pytest.raises(ValueError, match="expected threshold to be a cosine similarity above 0 and at most 1"):
        duplicates(None, threshold)


def test_a_turned_copy_of_a_collection_is_the_same_map(client, filled):
    a = filled(client, 60, name="one")
    b = filled(client, 0, name="two")
    stored = a.get(include=["embeddings", "documents"])
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(16, 16)))[0]
    b.add(ids=stored["ids"][10:], embeddings=stored["embeddings"][10:] @ turn * 3, documents=stored["documents"][10:])
    b.add(ids=["only here"], embeddings=[[1.0] * 16])
    found = compare(a, b, "pca")
    assert len(found.overlap) == 50
    assert found.overlap.min() == 1
    assert found.moved.max() < 0.01
    assert repr(found) == "<Comparison of 'one' and 'two': 50 records, 100% of 10 neighbours in common>"
    figure = found.figure()
    assert len(figure.data) == 2
    anchors = [(axis.scaleanchor, axis.scaleratio) for axis in (figure.layout.yaxis, figure.layout.yaxis2)]
    assert anchors == [("x", 1), ("x2", 1)]


def test_a_record_that_moved_is_the_first_of_the_comparison(client, filled):
    a, b = filled(client, 40, name="one"), filled(client, 40, name="two")
    b.update(ids=["id7"], embeddings=[a.get(ids=["id1"], include=["embeddings"])["embeddings"][0] + 0.01])
    assert compare(a, b, "pca", k=5).to_df()["id"].iloc[0] == "id7"


@pytest.mark.parametrize("needs_neighbours", [False, True])
def test_a_comparison_takes_any_method_and_its_cache(client, filled, monkeypatch, needs_neighbours, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = []

    def reduce(points, near, dims, seed, report):
        made.append(near)
        return reducers.pca(points, dims=dims)

    monkeypatch.setattr(reducers, "warm_umap", lambda: None)
    slow = reducers.Reducer("slow", reduce, slow=True, needs_neighbours=needs_neighbours)
    monkeypatch.setitem(reducers.REDUCERS, "slow", slow)
    a, b = filled(client, 60, name="one"), filled(client, 50, name="two")
    b.update(ids=["id7"], embeddings=[a.get(ids=["id1"], include=["embeddings"])["embeddings"][0]])
    found = compare(a, b, "slow")
    assert [(near is not None) for near in made] == [needs_neighbours] * 2
    assert len(found.overlap) == 50
    assert compare(a, b, "slow").to_df().equals(found.to_df())
    assert len(made) == 2
    with pytest.raises(ValueError, match="umapp"):
        compare(a, b, "umapp")


def test_collections_that_share_nothing_cannot_be_compared(client, filled):
    a, b = filled(client, 2, name="one"), filled(client, 0, name="two")
    with pytest.raises(
        ValueError,
        match="got none: 'one' and 'two' have no id in common",
    ):
        compare(a, b)


def test_aligning_equal_points_does_no_harm():
    assert aligned(np.ones((3, 2), np.float32), np.zeros((3, 2), np.float32)).tolist() == [[0, 0]] * 3


class Answers:
    """A collection of which one knows what it answers."""

    def __init__(self, name, answers):
        self.name, self.answers = name, answers

    def query(self, query_texts, n_results, where, include):
        return {"ids": [self.answers[text][:n_results] for text in query_texts]}


GOOD = Answers("good", {"q1": ["a", "b", "c"], "q2": ["x", "b", "y"]})
BAD = Answers("bad", {"q1": ["z", "a", "y"], "q2": ["x", "y", "z"]})


def test_the_measures_are_those_of_the_books():
    found = evaluate(GOOD, {"q1": ["a", "c"], "q2": "b"}, k=3, per_question=True)
    assert found["recall"].tolist() == [1.0, 1.0]
    assert found["mrr"].tolist() == [1.0, 0.5]
    assert found["rank"].tolist() == [1, 2]
    expected = (1 + 1 / math.log2(4)) / (1 + 1 / math.log2(3))
    np.testing.assert_allclose(found["ndcg"], [expected, 1 / math.log2(3)])


def test_several_collections_are_compared_the_best_first():
    table = evaluate([BAD, GOOD], pd.DataFrame({"query": ["q1", "q2"], "expected": ["a", ["b"]]}), k=2)
    assert table["collection"].tolist() == ["good", "bad"]
    assert table["recall"].tolist() == [1.0, 0.5]
    assert table["mrr"].tolist() == [0.75, 0.25]
    assert table["questions"].tolist() == [2, 2]
    missed = evaluate({"other": BAD}, {"q2": "b"}, per_question=True)
    assert missed["rank"].isna().all()


def test_whole_numbers_are_expected_as_the_ids_they_become():
    numbered = Answers("numbered", {"q1": ["7", "8"], "q2": ["8", "9"]})
    table = pd.DataFrame({"query": ["q1", "q2"], "expected": [7, 9]})
    assert evaluate(numbered, table, per_question=True)["rank"].tolist() == [1, 2]
    assert evaluate(numbered, {"q1": np.array([8, 7])})["recall"].tolist() == [1.0]


class Holding(Answers):
    """As Answers, and one knows what it holds."""

    def get(self, ids, include):
        return {"ids": [one for one in ids if one in "abcxyz"]}


def test_expected_ids_that_do_not_exist_are_counted_and_named():
    collection = Holding("docs", GOOD.answers)
    with pytest.warns(
        UserWarning, match="2 of 3 expected ids are not in the collection 'docs' .*: 'nope', '8'"
    ) as said:
        table = evaluate(collection, {"q1": ["a", "nope"], "q2": 8})
    assert said[0].filename == __file__
    assert table["missing"].tolist() == [2]
    assert table["recall"].tolist() == [0.25]
    with pytest.warns(UserWarning, match="1 of 3"):
        assert evaluate(collection, {"q1": ["a", "nope"], "q2": "b"}, per_question=True)["missing"].tolist() == [1, 0]


@pytest.mark.filterwarnings("error")
def test_nothing_is_said_of_expected_ids_that_exist():
    table = evaluate(Holding("docs", GOOD.answers), pd.Series({"q1": "a", "q2": "b"}))
    assert (table["missing"].tolist(), table["questions"].tolist()) == ([0], [2])


def test_questions_that_begin_alike_have_bars_of_their_own():
    long = "how do proteins fold " * 4
    found = evaluate(
        Answers("docs", {long + "1": ["a"], long + "2": ["a"]}), {long + "1": "a", long + "2": "a"}, per_question=True
    )
    assert len(set(found.figure().data[0].x)) == 2


def test_a_collection_that_must_be_awaited_is_refused():
    class Later:
        name = "later"

        async def query(self, **arguments):
            raise NotImplementedError

    with pytest.raises(TypeError, match="got one of an async client"):
        evaluate(Later(), {"q1": "a"})


def test_more_expected_than_asked_for_can_still_be_perfect():
    assert ndcg(["a", "b"], dict.fromkeys("abcdef", 1), 2) == 1


@pytest.mark.parametrize(
    ("collections", "questions", "message"),
    [
        (GOOD, {}, "expected at least one question, got none"),
        (GOOD, {"q1": []}, "expected an id for the question 'q1', got none"),
        ([], {"q1": "a"}, "expected at least one collection, got none"),
        ([GOOD, GOOD], {"q1": "a"}, "expected collections with different names"),
        (GOOD, pd.DataFrame({"query": ["q1"]}), "got no 'expected'"),
        (GOOD, pd.DataFrame({"query": ["q1", "q2"], "expected": ["a", None]}), "an id for the question 'q2', got none"),
        (GOOD, {"q1": ["a", 7.0]}, "expected ids as texts or whole numbers, got 7.0"),
        (GOOD, pd.DataFrame({"query": ["q1", None], "expected": ["a", "b"]}), "a text as question 1"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(collections, questions, message):
    with pytest.raises(ValueError, match=message):
        evaluate(collections, questions)


def test_expected_ids_may_be_members_of_an_enumeration():
    class Id(str, enum.Enum):
        A = "a"

    for expected in ({"q1": Id.A}, {"q1": [Id.A]}, pd.DataFrame({"query": ["q1"], "expected": [[Id.A]]})):
        assert (
            evaluate(GOOD, expected, per_question=True)["rank"].tolist()
            == evaluate(GOOD, {"q1": "a"}, per_question=True)["rank"].tolist()
        )

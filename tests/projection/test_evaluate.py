"""evaluate: ways of asking, functions and runs side by side; grades; how sure a difference is; what changed."""

import copy
import json
import math
import pickle
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_nb import EmbeddingFunction
from chroma_nb.projection.evaluate import evaluate
from chroma_nb.projection.measures import interval, ndcg, recall, reciprocal_rank

ATTACK = "<img src=x onerror=alert(1)>"


class Docs:
    """A collection that can be asked by meaning, by words and by both, and what it was asked."""

    FOUND = {
        "meaning": {"q1": ["x", "a", "b"], "q2": ["c", "x", "y"], "q3": ["x", "y", "z"]},
        "words": {"q1": ["a", "x", "y"], "q2": ["x", "y", "z"], "q3": ["d", "x", "y"]},
        "both": {"q1": ["a", "b", "x"], "q2": ["x", "c", "y"], "q3": ["d", "x", "y"]},
    }

    def __init__(self, name="docs"):
        self.name, self.asked = name, []

    def query(self, query_texts, n_results, where, include):
        return self._found("meaning", query_texts, n_results, where)

    def hybrid(self, query_texts, n_results, where, include, by):
        return self._found(by, query_texts, n_results, where)

    def _found(self, by, texts, n_results, where):
        self.asked.append((by, n_results, where))
        return {"ids": [self.FOUND[by][text][:n_results] for text in texts]}


QUESTIONS = {"q1": ["a", "b"], "q2": "c", "q3": "d"}


def by_hand(found, graded, k):
    """nDCG as the definition has it: gains over the logarithm of place + 1, and the best order's."""

    def discounted(gains):
        return math.fsum(gain / math.log2(place + 2) for place, gain in enumerate(gains[:k]))

    return discounted([graded.get(id_, 0) for id_ in found]) / discounted(sorted(graded.values())[::-1])


# --- Ways of asking ---------------------------------------------------------------------------------------
def test_each_way_of_asking_is_a_row():
    docs = Docs()
    found = evaluate(docs, QUESTIONS, k=3, by=["meaning", "words", "both"], where={"year": 2020})
    assert found["collection"].tolist() == ["docs, by both", "docs, by meaning", "docs, by words"]
    assert docs.asked == [(by, 3, {"year": 2020}) for by in ("meaning", "words", "both")]
    assert found["recall"].tolist() == pytest.approx([1, 2 / 3, 1 / 2])


@pytest.mark.parametrize(
    ("by", "asked"),
    [
        (None, "meaning"),
        ("meaning", "meaning"),
        (["meaning"], "meaning"),
        ("words", "words"),
        (("both", "both"), "both"),
    ],
)
def test_one_way_of_asking_has_the_plain_name(by, asked):
    docs = Docs()
    found = evaluate(docs, QUESTIONS, by=by)
    assert found.columns.tolist() == ["collection", "questions", "recall", "mrr", "ndcg", "missing"]
    assert found["collection"].tolist() == ["docs"]
    assert docs.asked == [(asked, 10, None)]


def test_a_way_that_a_collection_lacks_is_refused_before_anything_is_asked():
    class OnlyQuery(Docs):
        hybrid = None

    docs, other = Docs(), OnlyQuery("other")
    with pytest.raises(TypeError, match=r"expected a collection with hybrid\(\) for by='words', got 'other', a .*Only"):
        evaluate([docs, other], QUESTIONS, by=["meaning", "words"])
    assert docs.asked == other.asked == []
    assert len(evaluate(other, QUESTIONS, by="meaning")) == 1


class Zeros(EmbeddingFunction):
    def __init__(self):
        pass

    def __call__(self, input):
        return [np.zeros(16, np.float32) for _ in input]


def test_real_collections_are_asked_by_meaning(client, filled):
    collection = filled(client, 8)
    collection._embedding_function = Zeros()
    nearest = collection.query(query_embeddings=[[0.0] * 16], n_results=3)["ids"][0]
    found = evaluate(collection, {"anything": nearest[1]}, k=3, by="meaning", per_question=True)
    assert found["rank"].tolist() == [2]


# --- Functions and runs -----------------------------------------------------------------------------------
def test_a_function_stands_beside_collections():
    asked = []

    def reranked(texts, k):
        asked.append((texts, k))
        return [np.array(Docs.FOUND["both"][text]) for text in texts]

    found = evaluate({"docs": Docs(), "mine": reranked}, QUESTIONS, k=2, by=["meaning", "words"])
    assert found["collection"].tolist() == ["mine", "docs, by words", "docs, by meaning"]
    assert asked == [(["q1", "q2", "q3"], 2)]
    assert evaluate({"mine": reranked}, QUESTIONS, k=2, per_question=True)["found"].tolist()[0] == ["a", "b"]


def test_what_a_function_finds_beyond_k_does_not_count():
    found = evaluate({"mine": lambda texts, k: [["x", "y", "a"]]}, {"q1": "a"}, k=2, per_question=True)
    assert found[["recall", "mrr", "ndcg"]].to_numpy().tolist() == [[0, 0, 0]]
    assert found["rank"].isna().all()


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ([], "expected 'mine' to return a list of ids for each of 1 texts"),
        (None, "expected 'mine' to return a list of ids for each of 1 texts, got None"),
        (["a"], "expected 'mine' to return a list of ids for 'q1', got 'a'"),
        ([[7]], "expected 'mine' to return a list of ids for 'q1'"),
        ([["a", "b", "a"]], "expected 'mine' to return ids that differ for 'q1', got 'a' more than once"),
    ],
)
def test_a_function_that_returns_something_else_is_refused(returned, message):
    with pytest.raises(ValueError, match=message):
        evaluate({"mine": lambda texts, k: returned}, {"q1": "a"})


def test_what_must_be_awaited_is_refused():
    class Later(Docs):
        async def query(self, **given):
            raise NotImplementedError

    async def later(texts, k):
        raise NotImplementedError

    with pytest.raises(TypeError, match="got one of an async client"):
        evaluate({"docs": Docs(), "later": Later()}, QUESTIONS, by=["words", "both"])
    with pytest.raises(TypeError, match="expected a function that is not async, got 'mine'"):
        evaluate({"mine": later}, QUESTIONS)


ASKED = pd.DataFrame({"query_id": ["7", "8"], "query": ["q1", "q2"], "expected": [["a"], ["c"]]})
RUN = pd.DataFrame({"query_id": ["7", "7", "9"], "id": ["x", "a", "c"], "score": [0.5, 0.25, 1.0]})


def test_a_run_is_matched_by_query_id_and_has_found_nothing_for_others():
    found = evaluate({"theirs": RUN, "docs": Docs()}, ASKED, per_question=True)
    assert found["found"].tolist()[:2] == [["x", "a"], []]
    assert found.query("collection == 'theirs'")["mrr"].tolist() == [0.5, 0]


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        (QUESTIONS, "expected a 'query_id' for each question, as read_qrels.. returns them, got none for question 0"),
        (ASKED.assign(query_id=["7", None]), "got none for question 1"),
        (ASKED.assign(query_id=["7", "7"]), "expected a different 'query_id' for each question, got '7' more than"),
        (ASKED.assign(query_id=["1", "2"]), "expected the run 'theirs' to hold some of the questions, got none"),
    ],
)
def test_a_run_whose_questions_are_not_known_is_refused(questions, message):
    with pytest.raises(ValueError, match=message):
        evaluate({"theirs": RUN}, questions)


def test_a_column_query_id_concerns_runs_alone():
    assert len(evaluate(Docs(), ASKED.assign(query_id=["7", "7"]))) == 1
    assert len(evaluate(Docs(), ASKED.assign(query_id=[None, 1.5]))) == 1


@pytest.mark.parametrize(
    ("collections", "by", "error", "message"),
    [
        (
            Docs(),
            "dense",
            ValueError,
            "expected by to be 'meaning', 'words' or 'both', or several of these, got 'dense'",
        ),
        (Docs(), [], ValueError, "expected by to be 'meaning'"),
        ({"docs": Docs(), "docs, by words": Docs()}, ["words", "both"], None, None),
        ({"docs": Docs(), "docs, by words": len}, ["words", "both"], ValueError, "expected names that differ"),
        ({"docs": 3}, None, TypeError, "expected a collection, a function or a run as 'docs', got 3"),
        (lambda texts, k: [], None, TypeError, "pass a function or a run with a name"),
        (RUN, None, TypeError, "pass a function or a run with a name"),
        ("docs", None, TypeError, "expected a collection, got 'docs'"),
        ([Docs(), len], None, TypeError, "pass a function or a run with a name"),
    ],
)
def test_what_cannot_be_compared_is_refused(collections, by, error, message):
    if error is None:
        assert len(evaluate(collections, QUESTIONS, by=by)) == 4
        return
    with pytest.raises(error, match=message):
        evaluate(collections, QUESTIONS, by=by)


# --- Grades -----------------------------------------------------------------------------------------------
IDS = st.sampled_from("abcdefgh")
GRADES = st.dictionaries(IDS, st.integers(1, 4) | st.floats(0.1, 4), min_size=1)


@given(st.lists(IDS, unique=True), GRADES, st.integers(1, 9))
def test_ndcg_is_that_of_the_definition(found, grades, k):
    assert ndcg(found, grades, k) == pytest.approx(by_hand(found, grades, k))
    assert 0 <= ndcg(found, grades, k) <= 1 + 1e-12
    assert ndcg(sorted(grades, key=grades.get, reverse=True), grades, k) == pytest.approx(1)


@settings(max_examples=20)
@given(st.lists(IDS, unique=True), st.sets(IDS, min_size=1), st.integers(1, 9))
def test_ids_without_grades_are_those_of_grade_1(found, expected, k):
    plain = evaluate({"f": lambda texts, k: [found]}, {"q": sorted(expected)}, k=k)
    graded = evaluate({"f": lambda texts, k: [found]}, {"q": dict.fromkeys(sorted(expected), 1)}, k=k)
    pd.testing.assert_frame_equal(plain, graded)


def test_grades_of_0_and_less_are_not_relevant():
    found = evaluate(
        {"f": lambda texts, k: [["no", "never", "some", "most"]]},
        {"q": {"most": 2, "no": 0, "some": True, "never": -1, "lost": np.float32(0.5), "unjudged": None}},
        per_question=True,
    )
    assert found["rank"].tolist() == [3]
    assert found["recall"].tolist() == pytest.approx([2 / 3])
    gain = 1 / math.log2(4) + 2 / math.log2(5)
    assert found["ndcg"].tolist() == pytest.approx([gain / (2 + 1 / math.log2(3) + 0.5 / math.log2(4))])


def test_grades_come_in_a_table_too_also_from_a_file(tmp_path):
    table = pd.DataFrame({"query": ["q1", "q2"], "expected": [{"a": 2, "x": 1}, {"c": 1}]})
    table.to_parquet(tmp_path / "questions.parquet")  # gives each question the keys of both
    stored = pd.read_parquet(tmp_path / "questions.parquet")
    pd.testing.assert_frame_equal(evaluate(Docs(), stored), evaluate(Docs(), table))


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"a": 0}, "expected a grade above 0 for the question 'q1', got none; leave it out"),
        ({}, "expected an id for the question 'q1', got none"),
        ({"a": "high"}, "expected a number as the grade of 'a', got 'high'"),
        ({"a": math.inf}, "expected a number as the grade of 'a', got inf"),
        ({7.5: 1}, "expected ids as texts or whole numbers, got 7.5"),
    ],
)
def test_what_is_no_grade_is_refused(expected, message):
    with pytest.raises(ValueError, match=message):
        evaluate(Docs(), {"q1": expected})


def test_recall_and_reciprocal_rank_do_not_see_grades():
    assert recall(["a", "x"], {"a": 3, "b": 1}) == 0.5
    assert reciprocal_rank(["x", "a"], {"a": 3}) == 0.5


# --- How sure a difference is -----------------------------------------------------------------------------
def test_every_row_but_the_best_says_how_far_it_is_behind():
    each = evaluate(Docs(), QUESTIONS, k=3, by=["meaning", "words", "both"], per_question=True)
    ndcgs = {name: rows["ndcg"].to_numpy() for name, rows in each.groupby("collection")}
    table = evaluate(Docs(), QUESTIONS, k=3, by=["meaning", "words", "both"]).set_index("collection")
    behind = table[["behind", "behind_low", "behind_high"]]
    assert behind.iloc[0].isna().all()
    for name in table.index[1:]:
        differences = ndcgs[table.index[0]] - ndcgs[name]
        assert behind.loc[name].tolist() == [pytest.approx(differences.mean()), *interval(differences)]


def test_systems_that_find_the_same_are_not_apart():
    table = evaluate({"a": Docs(), "b": Docs()}, QUESTIONS)
    assert table.loc[1, ["behind", "behind_low", "behind_high"]].tolist() == [0, 0, 0]


def test_one_question_has_no_interval():
    table = evaluate({"a": Docs(), "b": Docs()}, {"q1": "a"})
    assert table["behind"].tolist()[1] == 0
    assert table[["behind_low", "behind_high"]].isna().all(axis=None)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=40))
def test_the_interval_holds_the_difference_and_lies_within_the_differences(differences):
    low, high = interval(np.array(differences))
    assert low <= np.mean(differences) <= high
    assert min(differences) - 1e-12 <= low
    assert high <= max(differences) + 1e-12


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12), st.floats(-1, 1))
def test_the_interval_turns_and_moves_with_the_differences(differences, by):
    low, high = interval(np.array(differences))
    assert interval(-np.array(differences)) == pytest.approx((-high, -low), abs=1e-9)
    assert interval(np.array(differences) + by) == pytest.approx((low + by, high + by), abs=1e-9)
    assert interval(np.array(differences)) == (low, high)


def test_the_interval_is_that_of_all_samples_there_are():
    """Of 0 and 1 drawn n times the sum is binomial: its quantiles are known without drawing anything."""
    for ones, count in ((3, 20), (30, 60), (1, 400)):
        share = Fraction(ones, count)
        chances = [math.comb(count, hits) * share**hits * (1 - share) ** (count - hits) for hits in range(count + 1)]
        reached = np.cumsum(np.array(chances, float))
        exact = [np.searchsorted(reached, part) / count for part in (0.025, 0.975)]
        differences = np.repeat([1.0, 0.0], [ones, count - ones])
        assert interval(differences) == pytest.approx(exact, abs=1 / count + 1e-9)


def test_the_interval_does_not_depend_on_the_steps_it_is_made_in(monkeypatch):
    differences = np.random.default_rng(3).normal(size=50)
    expected = interval(differences)
    monkeypatch.setattr("chroma_nb.projection.measures._DRAWN", 350)
    assert interval(differences) == expected


# --- What changed -----------------------------------------------------------------------------------------
def test_changes_name_the_questions_that_gain_and_those_that_lose():
    docs = Docs()
    found = evaluate(docs, QUESTIONS, k=3, by=["meaning", "both"])
    asked = list(docs.asked)
    changes = found.changes("docs, by meaning", "docs, by both")
    assert docs.asked == asked
    assert changes.columns.tolist() == [
        "query", "rank_before", "rank_after", "ndcg_before", "ndcg_after", "difference",
    ]  # fmt: skip
    assert changes["query"].tolist() == ["q3", "q1", "q2"]
    assert changes["rank_before"].tolist() == [pd.NA, 2, 1]
    assert changes["rank_after"].tolist() == [1, 1, 2]
    assert changes["difference"].tolist() == pytest.approx(
        [1, 1 - by_hand(["x", "a", "b"], {"a": 1, "b": 1}, 3), 1 / math.log2(3) - 1]
    )


def test_changes_are_of_evaluations_by_question_too_and_questions_may_be_alike():
    table = pd.DataFrame({"query": ["q1", "q1"], "expected": ["a", "x"]})
    changes = evaluate(Docs(), table, by=["meaning", "words"], per_question=True).changes(
        "docs, by meaning", "docs, by words"
    )
    assert changes[["query", "rank_before", "rank_after"]].to_numpy().tolist() == [["q1", 2, 1], ["q1", 1, 2]]


def test_copies_and_pickles_know_their_questions_and_draw():
    found = evaluate(Docs(), QUESTIONS, by=["meaning", "both"])
    names = ("docs, by meaning", "docs, by both")
    for other in (copy.copy(found), copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        pd.testing.assert_frame_equal(other, found)
        pd.testing.assert_frame_equal(other.changes(*names), found.changes(*names))
        pd.testing.assert_frame_equal(other.run(names[0]), found.run(names[0]))
        assert other.figure().to_json() == found.figure().to_json()
    for part in (found.head(1), found[found["ndcg"] > 0], found.sort_values("ndcg"), found.copy(), found.round(2)):
        assert type(part) is pd.DataFrame
    assert type(pd.concat([found, found])) is pd.DataFrame


def test_changing_the_table_changes_nothing_of_what_it_knows():
    found = evaluate(Docs(), QUESTIONS, by=["meaning", "both"], per_question=True)
    before = found.changes("docs, by meaning", "docs, by both")
    found["query"] = "?"
    found.loc[:, "ndcg"] = 0.0
    pd.testing.assert_frame_equal(found.changes("docs, by meaning", "docs, by both"), before)


def test_a_row_that_is_not_there_is_refused():
    found = evaluate(Docs(), QUESTIONS, by=["meaning", "both"])
    with pytest.raises(ValueError, match="one of 'docs, by meaning', 'docs, by both'; got 'docs, by words'"):
        found.changes("docs, by words", "docs, by both")
    with pytest.raises(ValueError, match="this table has no questions"):
        type(found)(found.head(1)).changes("docs, by meaning", "docs, by both")


# --- How it looks -----------------------------------------------------------------------------------------
def test_the_bars_of_ndcg_carry_the_interval_and_the_best_has_a_line():
    table = evaluate(Docs(), QUESTIONS, k=3, by=["meaning", "words", "both"])
    figure = table.figure()
    (bars,) = [bar for bar in figure.data if bar.name == "ndcg"]
    best = table["ndcg"][0]
    assert figure.layout.shapes[0].y0 == figure.layout.shapes[0].y1 == best
    for row in (1, 2):
        assert bars.y[row] + bars.error_y.array[row] == pytest.approx(best - table["behind_low"][row])
        assert bars.y[row] - bars.error_y.arrayminus[row] == pytest.approx(best - table["behind_high"][row])
    assert all(bar.error_y.array is None for bar in figure.data if bar.name != "ndcg")


def test_one_row_has_neither_line_nor_interval():
    figure = evaluate(Docs(), QUESTIONS).figure()
    assert not figure.layout.shapes
    assert all(bar.error_y.array is None for bar in figure.data)


@pytest.mark.parametrize("per_question", [False, True])
def test_names_of_systems_are_only_text(per_question):
    systems = {ATTACK: Docs(ATTACK), f"{ATTACK}2": lambda texts, k: [["a"]] * len(texts)}
    questions = {"q1": "a"}
    text = evaluate(systems, questions, by=["meaning", "both"], per_question=per_question).figure().to_json()
    assert "<img" not in text
    assert "&lt;img" in json.dumps(json.loads(text)["data"])

"""Files of TREC: read strictly, written exactly, judged as trec_eval judges them."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_nb import evaluate, read_qrels, read_run, write_qrels, write_run
from chroma_nb.projection.trec import ranked

QRELS = """\
1 0 whale 3
1 0 dolphin 2
1 0 shark 0
1 0 krill 1
1 0 submarine -1
2 0 piston 1
2 0 whale 0
3 0 bread 2
3 0 oven 1
"""
RUN = """\
1 Q0 shark 1 9.5 mine
1 Q0 dolphin 2 8.25 mine
1 Q0 submarine 3 8.0 mine
1 Q0 whale 4 8.0 mine
1 Q0 krill 5 1e-3 mine
2 Q0 bread 1 0.5 mine
2 Q0 oven 2 0.5 mine
2 Q0 piston 3 0.5 mine
"""
TEXTS = {"1": "animals of the sea", "2": "parts of an engine", "3": "baking"}
#: What trec_eval 10 prints of these two files: -c -q -m ndcg_cut.3,10 -m recall.3,10 -m recip_rank.
TREC_EVAL = {
    3: {"recall": [0.6667, 1, 0], "mrr": [0.5, 1, 0], "ndcg": [0.5800, 1, 0]},
    10: {"recall": [1, 1, 0], "mrr": [0.5, 1, 0], "ndcg": [0.6612, 1, 0]},
}


@pytest.fixture
def written(tmp_path):
    """written(text) is the path of a file with this text."""

    def write(text, name="file.txt"):
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


# --- As trec_eval -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("k", TREC_EVAL)
def test_the_measures_are_those_that_trec_eval_prints(written, k):
    questions = read_qrels(written(QRELS, "qrels"), TEXTS)
    found = evaluate({"mine": read_run(written(RUN, "run"))}, questions, k=k, per_question=True)
    for measure, numbers in TREC_EVAL[k].items():
        assert found[measure].tolist() == pytest.approx(numbers, abs=5e-5)


def test_a_run_goes_by_its_scores_and_ties_by_the_last_id(written):
    run = read_run(written(RUN))
    assert ranked(run) == {
        "1": ["shark", "dolphin", "whale", "submarine", "krill"],
        "2": ["piston", "oven", "bread"],
    }
    assert run["rank"].tolist() == [1, 2, 3, 4, 5, 1, 2, 3]


# --- There and back ---------------------------------------------------------------------------------------
def test_qrels_come_back_as_they_were_written(written, tmp_path):
    questions = read_qrels(written(QRELS), TEXTS)
    assert write_qrels(tmp_path / "again", questions) == TEXTS
    assert (tmp_path / "again").read_text() == QRELS
    pd.testing.assert_frame_equal(read_qrels(tmp_path / "again", TEXTS), questions)


def test_questions_without_ids_are_numbered(tmp_path):
    texts = write_qrels(tmp_path / "qrels", {"animals": ["a", "b"], "engines": {"e": np.int64(2)}, "cars": 7})
    assert texts == {"1": "animals", "2": "engines", "3": "cars"}
    assert read_qrels(tmp_path / "qrels", texts)["expected"].tolist() == [{"a": 1, "b": 1}, {"e": 2}, {"7": 1}]


def test_a_run_comes_back_as_it_was_written(written, tmp_path):
    run = read_run(written(RUN))
    write_run(tmp_path / "again", run)
    pd.testing.assert_frame_equal(read_run(tmp_path / "again"), run)


def test_what_an_evaluation_found_can_be_written_and_evaluated_again(tmp_path):
    questions = {"q1": ["a"], "q2": {"b": 3, "c": 1}}
    first = evaluate({"my search": lambda texts, k: [["x", "a"], ["c", "x", "b"]]}, questions)
    write_run(tmp_path / "run", first.run("my search"))
    texts = write_qrels(tmp_path / "qrels", questions)
    run = read_run(tmp_path / "run")
    assert set(run["tag"]) == {"my_search"}
    again = evaluate({"my search": run}, read_qrels(tmp_path / "qrels", texts))
    pd.testing.assert_frame_equal(again, first)


def test_the_ids_of_questions_are_those_of_the_run_that_is_written():
    questions = pd.DataFrame({"query_id": [31, 32], "query": ["q1", "q2"], "expected": ["a", "b"]})
    run = evaluate({"mine": lambda texts, k: [["a"], ["x", "b"]]}, questions).run("mine")
    assert run[["query_id", "id", "rank", "score"]].to_numpy().tolist() == [
        ["31", "a", 1, 1.0],
        ["32", "x", 1, 1.0],
        ["32", "b", 2, 0.5],
    ]


def test_ranks_and_tag_are_made_where_a_run_has_none(tmp_path):
    write_run(tmp_path / "run", pd.DataFrame({"query_id": 7, "id": ["b", "a", 3], "score": [1, 2.5, 1]}), tag="t")
    assert (tmp_path / "run").read_text() == "7 Q0 b 2 1.0 t\n7 Q0 a 1 2.5 t\n7 Q0 3 3 1.0 t\n"


#: Texts that a column can hold: other spaces than ASCII's, and anything else that is Unicode.
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\t\n\v\f\r "), min_size=1)
QUERY_IDS = WORDS.filter(lambda word: word[0] not in "#\ufeff")


@settings(max_examples=30)
@given(st.dictionaries(QUERY_IDS, st.dictionaries(WORDS, st.integers(-9, 9), min_size=1), min_size=1))
def test_any_words_come_back_from_qrels(tmp_path_factory, judged):
    path = tmp_path_factory.mktemp("trec") / "qrels"
    table = pd.DataFrame({"query_id": list(judged), "query": "a text", "expected": list(judged.values())})
    write_qrels(path, table)
    pd.testing.assert_frame_equal(read_qrels(path, dict.fromkeys(judged, "a text")), table)


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.tuples(QUERY_IDS, WORDS),
        st.tuples(st.integers(-9, 10**9), st.floats(allow_nan=False, allow_infinity=False), WORDS),
        min_size=1,
    )
)
def test_any_words_and_numbers_come_back_from_a_run(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("trec") / "run"
    rows = [(*pair, *values) for pair, values in lines.items()]
    table = pd.DataFrame(rows, columns=["query_id", "id", "rank", "score", "tag"])
    write_run(path, table)
    pd.testing.assert_frame_equal(read_run(path), table)


@pytest.mark.parametrize("bad", ["two words", "tab\t", "line\n", "", "\0"])
def test_ids_that_are_no_single_word_cannot_be_written(tmp_path, bad):
    with pytest.raises(ValueError, match="expected ids without spaces, since spaces separate the columns"):
        write_qrels(tmp_path / "file", {"q": {"good": 1, bad: 1}})
    run = pd.DataFrame({"query_id": ["1"], "id": [bad], "score": [1.0]})
    with pytest.raises(ValueError, match="expected ids without spaces"):
        write_run(tmp_path / "file", run)
    with pytest.raises(ValueError, match="expected query ids without spaces"):
        write_run(tmp_path / "file", run.assign(query_id=[bad], id="a"))
    with pytest.raises(ValueError, match="expected a tag without spaces"):
        write_run(tmp_path / "file", run.assign(id="a"), tag=bad)
    assert list(tmp_path.iterdir()) == []


def test_ids_that_are_no_unicode_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match="expected ids without spaces"):
        write_qrels(tmp_path / "file", {"q": "\ud800"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", ["#1", "\ufeff1"])
def test_query_ids_that_would_not_be_read_cannot_be_written(tmp_path, bad):
    with pytest.raises(ValueError, match="expected query ids that do not look like a comment"):
        write_qrels(tmp_path / "file", pd.DataFrame({"query_id": [bad], "query": ["q"], "expected": ["a"]}))


def test_grades_that_are_not_whole_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match="expected whole numbers as grades, as TREC files need them, got"):
        write_qrels(tmp_path / "file", {"q": {"a": 0.5}})
    write_qrels(tmp_path / "file", {"q": {"a": 2.0}})
    assert (tmp_path / "file").read_text() == "1 0 a 2\n"


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    write_qrels(tmp_path / "file", {"q": "a"})
    with pytest.raises(ValueError, match="without spaces"):
        write_qrels(tmp_path / "file", {"q": "a", "r": "b c"})
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_qrels(tmp_path / "file", {"q": "b"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"file": "1 0 a 1\n"}


ONE_HIT = pd.DataFrame({"query_id": ["1"], "id": ["a"], "score": [1.0]})


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (pd.DataFrame({"query_id": ["1"], "id": ["a"]}), "expected the columns .* got no 'score'"),
        (pd.DataFrame({"query_id": ["1"], "id": ["a"], "score": [np.nan]}), "expected numbers in the column 'score'"),
        (pd.DataFrame({"query_id": ["1"], "id": ["a"], "score": ["2"]}), "expected numbers in the column 'score'"),
        (pd.DataFrame({"query_id": [1.5], "id": ["a"], "score": [1.0]}), "texts or whole numbers in .* 'query_id'"),
        (pd.DataFrame({"query_id": "1", "id": ["a", "a"], "score": [1.0, 2]}), "got 'a' for '1' again"),
        (ONE_HIT.assign(rank=1.5), "expected whole numbers in the column 'rank'"),
        (ONE_HIT.assign(rank=np.nan), "expected whole numbers in the column 'rank'"),
        (ONE_HIT.assign(tag=5), "expected texts in the column 'tag'"),
        (ONE_HIT.assign(tag=None), "expected texts in the column 'tag'"),
    ],
)
def test_a_table_that_is_no_run_is_refused(tmp_path, run, message):
    with pytest.raises(ValueError, match=message):
        write_run(tmp_path / "run", run)
    with pytest.raises(ValueError, match=message):
        evaluate({"run": run}, pd.DataFrame({"query_id": ["1"], "query": ["q"], "expected": ["a"]}))
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_a_table(tmp_path):
    with pytest.raises(TypeError, match=r"expected a table as read_run\(\) returns it, got a dict"):
        write_run(tmp_path / "run", {"1": ["a"]})


# --- What is read -----------------------------------------------------------------------------------------
def test_tabs_empty_lines_comments_and_line_ends_do_not_matter(written):
    path = written("\ufeff# judged in 2020\r\n\r\n 1\t0  a\t2 \r\n\n#1 0 b 1\n1 0 b +1")
    assert read_qrels(path, {"1": "q"})["expected"].tolist() == [{"a": 2, "b": 1}]


def test_qrels_of_beir_are_read(written):
    path = written("query-id\tcorpus-id\tscore\n1\td1\t2\n1\td2\t0\n")
    assert read_qrels(path, {1: "q"})["expected"].tolist() == [{"d1": 2, "d2": 0}]


@pytest.mark.parametrize(
    "queries",
    [
        '{"_id": "1", "text": "a {text}", "metadata": {}}\n\n{"_id": 2, "text": "no"}\n',
        "1\ta {text}\r\n2\tno\n",
        "\ufeff1\ta {text}",
    ],
)
def test_the_texts_of_queries_come_from_a_file(written, queries):
    questions = read_qrels(written("1 0 a 1\n", "qrels"), written(queries, "queries"))
    assert questions.to_dict("records") == [{"query_id": "1", "query": "a {text}", "expected": {"a": 1}}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 0 a 1\n1 0 b\n", "expected line 2 of FILE to have 4 columns (query id, 0, id, grade), got 3"),
        ("1 0 two words 1\n", "expected line 1 of FILE to have 4 columns (query id, 0, id, grade), got 5"),
        ("1 0 a 1.5\n", "expected line 1 of FILE to have a whole number as its grade, got '1.5'"),
        ("1 0 a 1_0\n", "expected line 1 of FILE to have a whole number as its grade, got '1_0'"),
        ("1 0 a ٣\n", "expected line 1 of FILE to have a whole number as its grade, got '٣'"),
        ("1 0 a " + "9" * 5000, "expected line 1 of FILE to have a whole number as its grade"),
        ("1 0 a 1\n\n1 0 a 0\n", "expected each id once for a query, got 'a' for '1' again in line 3 of FILE"),
        ("7 0 a 1\n", "expected line 1 of FILE to name one of the queries, got '7'"),
        (b"1 0 a\xff 1\n", "expected line 1 of FILE to be UTF-8, got b'a\\xff'"),
        ("query-id\tcorpus-id\tscore\n1 0 a 1\n", "expected line 2 of FILE to have 3 columns (query id, id, grade)"),
        ("", "expected judgements in FILE, got none"),
        ("# nothing\n", "expected judgements in FILE, got none"),
    ],
)
def test_qrels_that_cannot_be_read_are_refused_with_their_line(written, text, message):
    path = written(text)
    with pytest.raises(ValueError, match=re.escape(message.replace("FILE", str(path)))):
        read_qrels(path, {"1": "q"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 0 a 1\n", "line 1 of FILE to have 6 columns (query id, Q0, id, rank, score, tag), got 4"),
        ("1 Q0 a first 1 t\n", "line 1 of FILE to have a whole number as its rank, got 'first'"),
        ("1 Q0 a 1 high t\n", "line 1 of FILE to have a number as its score, got 'high'"),
        ("1 Q0 a 1 nan t\n", "line 1 of FILE to have a number as its score, got 'nan'"),
        ("1 Q0 a 1 1e999 t\n", "line 1 of FILE to have a number as its score, got '1e999'"),
        ("1 Q0 a 1 2 t\n1 Q0 a 2 1 t\n", "each id once for a query, got 'a' for '1' again in line 2 of FILE"),
        ("\n", "expected lines of a run in FILE, got none"),
    ],
)
def test_a_run_that_cannot_be_read_is_refused_with_its_line(written, text, message):
    path = written(text)
    with pytest.raises(ValueError, match=re.escape(message.replace("FILE", str(path)))):
        read_run(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\tq\nno tab\n", "expected line 2 of FILE to be a query id, a tab and a text, got 'no tab'"),
        ("1\tq\n1\tr\n", "expected each query once, got '1' again in line 2 of FILE"),
        ('{"_id": "1", "text": "q"}\nno JSON', "expected line 2 of FILE to be a JSON object, got 'no JSON'"),
        ('{"_id": "1"}', "expected line 1 of FILE to be an object with '_id' and 'text'"),
        ('{"_id": 1.5, "text": "q"}', "expected line 1 of FILE to be an object with '_id' and 'text'"),
        ("[" * 100_000, "expected line 1 of FILE to be a query id, a tab and a text"),
        ('{"_id":' + "[" * 100_000, "expected line 1 of FILE to be a JSON object"),
        (b"1\t\xff\n", "expected line 1 of FILE to be UTF-8"),
    ],
)
def test_queries_that_cannot_be_read_are_refused_with_their_line(written, text, message):
    path = written(text, "queries")
    with pytest.raises(ValueError, match=re.escape(message.replace("FILE", str(path)))):
        read_qrels(written("1 0 a 1\n"), path)


@pytest.mark.parametrize(
    ("queries", "error", "message"),
    [
        ({"1": None}, ValueError, "expected a text for the query '1', got None"),
        ({1.5: "q"}, ValueError, "expected a text for the query 1.5"),
        (["q"], TypeError, "expected queries to be a dict of query id -> text, or a file"),
    ],
)
def test_queries_that_are_no_texts_are_refused(written, queries, error, message):
    with pytest.raises(error, match=re.escape(message)):
        read_qrels(written("1 0 a 1\n"), queries)


def test_ids_and_texts_from_files_stay_text_in_figures(written):
    attack = "<img/src=x/onerror=alert(1)>"
    questions = read_qrels(written(f"{attack} 0 {attack} 1\n", "qrels"), {attack: attack})
    run = read_run(written(f"{attack} Q0 {attack} 1 1 {attack}\n"))
    for per_question in (False, True):
        shown = evaluate({attack: run, "b": run}, questions, per_question=per_question).figure().to_json()
        assert "<img" not in shown
        assert "&lt;img" in json.dumps(json.loads(shown)["data"])

"""%chroma search, facets, describe, sample, and what count, get and query take beside Chroma's arguments."""

from __future__ import annotations

import pandas as pd
import pytest
from emptied_client import emptied_client
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError

import chroma_nb
from chroma_nb.jupyter.command_line import Quoted, split, written
from chroma_nb.results import GetResult, HybridResult

INCLUDE = ["documents", "metadatas", "distances"]
DOCUMENTS = ["the parcel is stuck at customs", "a parcel arrived", "dead cab", "the whale"]


#: What asks the collection is asked over HTTP, too.
everywhere = pytest.mark.parametrize("place", ["memory", "http"], indirect=True)


@pytest.fixture
def place(request):
    """An empty client of ours."""
    with chroma_nb.EphemeralClient() as store:
        if getattr(request, "param", "memory") == "memory":
            yield store
        else:
            with chroma_nb.serve(store, port=0) as server, chroma_nb.HttpClient(port=server.port) as client:
                yield client
        for collection in store.list_collections():
            store.delete_collection(collection.name)


@pytest.fixture
def post(place, words):
    collection = place.create_collection("post", embedding_function=words)
    collection.add(
        ids=["p1", "p2", "p3", "p4"],
        documents=DOCUMENTS,
        metadatas=[{"year": 2019, "kind": "a"}, {"year": 2021, "kind": "b"}, {"year": 2023, "kind": "a"}, {"year": 1}],
    )
    return collection


@pytest.fixture
def magic(shell, place, post):
    """``%chroma`` in a notebook whose variables are ``client`` and ``post``."""
    shell.user_ns.update(client=place, post=post)
    return lambda line, cell=None: (
        shell.run_line_magic("chroma", line) if cell is None else shell.run_cell_magic("chroma", line, cell)
    )


# --- search ---------------------------------------------------------------------------------------------
@everywhere
def test_search_returns_what_hybrid_returns(magic, post):
    found = magic('search post "parcel stuck" -n 2')
    assert isinstance(found, HybridResult)
    assert found == post.hybrid(["parcel stuck"], 2, include=INCLUDE)
    assert found["ids"][0][0] == "p1"
    assert found["words"][0][0] == ["parcel", "stuck"]
    assert "<mark>parcel</mark>" in found._repr_html_()


@everywhere
@pytest.mark.parametrize("by", ["both", "meaning", "words"])
def test_search_by_one_side_alone(magic, post, by):
    assert magic(f'search post "parcel stuck" --by {by}') == post.hybrid(["parcel stuck"], 5, include=INCLUDE, by=by)


@everywhere
def test_search_takes_filters_and_gives_tables_and_variables(magic, shell):
    assert magic('search post parcel --by words --where "year > 2020"')["ids"] == [["p2"]]
    assert magic("search post parcel --by words --contains customs")["ids"] == [["p1"]]
    both = magic("""search post parcel --by words --contains parcel --where "document contains 'arrived'" """)
    assert both["ids"] == [["p2"]]
    assert magic("search post parcel stuck --as df")["words"].iloc[0] == "parcel, stuck"
    assert magic("search post whale -n 1 -o hits") is None
    assert shell.user_ns["hits"]["ids"] == [["p4"]]


def test_search_in_a_cell_is_shown_assigned_and_sees_the_variables_of_a_function(magic, shell):
    shell.run_cell('found = %chroma search "parcel stuck" -n 1').raise_error()
    assert shell.user_ns["found"]["ids"] == [["p1"]]
    source = (
        "def find(q, n):\n    hits = %chroma search post :q -n :n --by words\n    return hits\nhits = find('whale', 1)"
    )
    shell.run_cell(source).raise_error()
    assert shell.user_ns["hits"]["ids"] == [["p4"]]
    shown = shell.run_cell("%chroma search post whale -n 1")
    assert "<mark>whale</mark>" in shell.display_formatter.format(shown.result)[0]["text/html"]


@everywhere
def test_search_takes_several_texts(magic, shell):
    shell.user_ns["texts"] = ["whale", "parcel"]
    assert magic("search post :texts -n 1 --by words").query_texts == ["whale", "parcel"]
    assert magic('search post "whale" "parcel" -n 1').query_texts == ["whale", "parcel"]
    assert magic("search post -n 1 --lines", "whale\n\nparcel\n").query_texts == ["whale", "parcel"]


def test_a_server_without_search_says_what_to_add(magic, monkeypatch, post):
    def refused(*texts, fetch, **options):
        if not fetch:
            raise NotImplementedError("This server has no search by words. Pass fetch=True to read its documents")
        return HybridResult(ids=[["p1"]])

    monkeypatch.setattr(type(post), "hybrid", refused)
    with pytest.raises(UsageError) as caught:
        magic("search post parcel")
    assert str(caught.value) == (
        "%chroma search: This server has no search by words. Add --fetch to read its documents"
    )
    assert magic("search post parcel --fetch")["ids"] == [["p1"]]


def test_a_server_of_chroma_is_searched_with_fetch(shell, real_chroma, words):
    with chroma_nb.HttpClient(port=real_chroma) as client:
        client.reset()
        post = client.create_collection("post", embedding_function=words)
        post.add(ids=["p1", "p2"], documents=DOCUMENTS[:2])
        shell.user_ns["post"] = post
        with pytest.raises(UsageError, match=r"^%chroma search: This server has no search by words. Add --fetch to"):
            shell.run_line_magic("chroma", 'search post "parcel stuck"')
        found = shell.run_line_magic("chroma", 'search post "parcel stuck" --fetch')
        assert found["words"][0][0] == ["parcel", "stuck"]


# --- facets, describe, sample, count, get, query ----------------------------------------------------------
@everywhere
def test_facets_of_one_key_and_of_several(magic, post, capsys):
    assert magic("facets post kind") == post.facets("kind")
    assert magic('facets post kind --where "year > 2020" -n 1') == post.facets(
        "kind", where={"year": {"$gt": 2020}}, limit=1
    )
    assert magic("facets post kind --contains parcel").records == 2
    several = magic("facets post kind year")
    assert several == post.facets(["kind", "year"])
    assert "Facet kind" in several._repr_html_()
    assert "Facet year" in several._repr_html_()
    table = magic("facets post kind year --as df")
    assert table.columns.tolist() == ["key", "value", "records"]
    assert table[table.key == "kind"].value.tolist() == ["a", "b"]
    assert capsys.readouterr().out == ""
    magic("facets post knd")
    assert capsys.readouterr().out == "No record has the key 'knd'; did you mean 'kind'?\n"
    magic('facets post knd --where "year > 2020"')
    assert capsys.readouterr().out == "No record that passed the filter has the key 'knd'; did you mean 'kind'?\n"
    magic('facets post kind --where "yaer > 2020"')
    assert "the first records have no key 'yaer'; did you mean 'year'?" in capsys.readouterr().out
    with pytest.raises(UsageError, match="expected a metadata key; the keys are: kind, year"):
        magic("facets post")


@everywhere
def test_describe(magic, post):
    assert magic("describe post") == post.describe()
    assert magic("describe post --as df")["key"].tolist() == ["kind", "year"]


@everywhere
def test_sample_is_the_same_for_the_same_seed(magic, post):
    assert magic("sample post -n 2 --seed 7") == post.sample(2, 7, include=INCLUDE[:2])
    assert isinstance(magic("sample post"), GetResult)
    assert magic('sample post --seed -1 --where "year > 2022"')["ids"] == ["p3"]
    assert isinstance(magic("sample post -n 2 --as df"), pd.DataFrame)
    with pytest.raises(UsageError, match="expected a whole number, got 'x'"):
        magic("sample post --seed x")


@everywhere
def test_count_with_a_filter_fetches_nothing(magic, monkeypatch, post):
    monkeypatch.setattr(type(post), "get", None)
    assert magic('count post --where "year > 2020"') == 2
    assert magic("count post --contains parcel") == 2
    assert magic("""count post --contains parcel --where "year > 2020" """) == 1


@everywhere
def test_get_in_the_order_of_a_key(magic):
    assert magic("get post --order-by year -n 2")["ids"] == ["p4", "p1"]
    assert magic("get post --order-by year --descending -n 2")["ids"] == ["p3", "p2"]
    assert magic("get post --order-by #id --descending -n 1")["ids"] == ["p4"]
    assert magic("get post --contains parcel --order-by year --descending")["ids"] == ["p2", "p1"]
    with pytest.raises(UsageError, match="--descending needs --order-by KEY"):
        magic("get post --descending")


@everywhere
def test_query_takes_neighbours_and_a_greatest_distance(magic, post, shell):
    shell.user_ns.update(near=["p1", "p2"], far=0.5)
    assert magic("query post --like p1 -n 2") == post.query(like=["p1"], n_results=2, include=INCLUDE)
    assert magic("query post --like :near --unlike p3") == post.query(
        like=["p1", "p2"], unlike=["p3"], n_results=5, include=INCLUDE
    )
    assert magic("query post --like p1 --like p2")["ids"] == post.query(like=["p1", "p2"], n_results=5)["ids"]
    assert magic("query post whale --max-distance 0.5") == magic("query post whale --max-distance :far")
    assert magic("query post the whale --max-distance 0.001")["ids"] == [["p4"]]
    magic("use post")
    assert magic("query --like p1 -n 2") == post.query(like=["p1"], n_results=2, include=INCLUDE)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("search post x --by word", "invalid choice: 'word'"),
        ("search post", "expected a text to search for"),
        ("search post x --n 3", "did you mean '-n'"),
        ("search post :number", "expected texts, or one variable with a list of texts"),
        ("search post :nothing", "expected texts"),
        ("query post x --max-distance far", "expected a number, got 'far'"),
        ("query post x --max-distance nan", "to be a finite number"),
        ("query post x --max-distance -1", "0 or more"),
        ("query post x --like p1", "got 'x' as well"),
        ("query post --like p1 --explain", "--explain works with a text or vector"),
        ("query post --like nobody", "ids of records with a vector, found none for 'nobody'"),
        ("sample post p1", "as well"),
        ("describe post kind", "as well"),
    ],
)
def test_a_mistake_is_one_sentence(magic, shell, line, message):
    shell.user_ns.update(number=3, nothing=None)
    with pytest.raises(UsageError, match=message):
        magic(line)


@pytest.mark.parametrize(
    "line",
    [
        "search theirs x",
        "facets theirs k",
        "describe theirs",
        "sample theirs",
        "get theirs --order-by k",
        "query theirs x --max-distance 1",
        "query theirs --like a",
    ],
)
def test_a_collection_of_the_chromadb_package_is_refused_in_one_sentence(shell, line):
    with emptied_client("chromadb") as client:
        shell.user_ns["theirs"] = client.create_collection("birds", embedding_function=None)
        with pytest.raises(UsageError, match="'birds' is a collection of the chromadb package, which cannot do this"):
            shell.run_line_magic("chroma", line)


# --- No collection is in use ------------------------------------------------------------------------------
#: Commands whose first word may be a text, an id, a key or a variable, and what they find in ``post``.
FIRST = {
    'query "parcel stuck" -n 1': lambda found: found["ids"][0] == ["p1"],
    "query parcel stuck -n 1": lambda found: found.query_texts == ["parcel stuck"],
    "query parcel -n 1": lambda found: found.query_texts == ["parcel"],
    "query :text -n 1": lambda found: found.query_texts == ["parcel stuck"],
    "query :texts -n 1": lambda found: found.query_texts == ["parcel", "whale"],
    'query "pos" -n 1': lambda found: found.query_texts == ["pos"],
    "query --like p1 -n 1": lambda found: len(found["ids"][0]) == 1,
    'search "parcel stuck" -n 1': lambda found: found["ids"] == [["p1"]],
    "search parcel stuck --by words": lambda found: found["ids"] == [["p1", "p2"]],
    "get p2": lambda found: found["ids"] == ["p2"],
    "get": lambda found: len(found["ids"]) == 4,
    "facets kind": lambda found: found.key == "kind",
    "add rows": lambda found: found.written == 1,
    "count": lambda found: found == 4,
    "peek -n 1": lambda found: found["ids"] == ["p1"],
    "sample -n 1": lambda found: len(found["ids"]) == 1,
    "describe": lambda found: found.records == 4,
}


@pytest.fixture
def of_the_notebook(shell):
    shell.user_ns.update(
        rows=pd.DataFrame({"id": ["p9"], "document": ["ghee"]}), text="parcel stuck", texts=["parcel", "whale"]
    )


@pytest.mark.parametrize("line", FIRST)
def test_the_only_collection_is_meant_and_named(magic, of_the_notebook, capsys, line):
    assert FIRST[line](magic(line))
    assert capsys.readouterr().out == "Using post, the only collection.\n"


@everywhere
def test_the_texts_of_a_cell_are_meant_for_the_only_collection(magic, capsys):
    assert magic("query -n 1", "parcel stuck").query_texts == ["parcel stuck"]
    assert magic("search -n 1", "parcel stuck")["ids"] == [["p1"]]
    assert magic("add", "ghee\n").written == 1
    assert capsys.readouterr().out == "Using post, the only collection.\n" * 3


def test_nothing_is_said_where_a_collection_is_named_or_in_use(magic, capsys):
    magic("query post whale")
    magic("use")
    assert capsys.readouterr().out == "Using post: 4 records.\n"
    magic("query whale")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("line", FIRST)
def test_of_several_none_is_guessed(magic, of_the_notebook, place, line):
    place.create_collection("other", embedding_function=None)
    with pytest.raises(UsageError, match=r"Name one of other, post, or choose it for all commands: %chroma use other$"):
        magic(line)


def test_of_several_the_error_says_which_word_names_none(magic, place, shell):
    place.create_collection("other", embedding_function=None)
    with pytest.raises(UsageError, match=r"^no collection 'parcel stuck', and none is in use. Name one of"):
        magic('search "parcel stuck"')
    shell.user_ns["text"] = "<b>\nparcel " * 1000
    with pytest.raises(UsageError, match="and none is in use") as caught:
        magic("query :text")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_without_any_the_error_says_how_to_make_one(shell, place):
    shell.user_ns["client"] = place
    with pytest.raises(UsageError, match=r"no collection 'parcel stuck', .*. Create one with %chroma create NAME"):
        shell.run_line_magic("chroma", 'query "parcel stuck"')
    with pytest.raises(UsageError, match=r"this database has no collections\. Create one with %chroma create NAME"):
        shell.run_line_magic("chroma", "count")


def test_a_word_that_is_nearly_a_name_is_not_searched_for(magic):
    for line in ("query posd", "search posd whale", "get pst"):
        with pytest.raises(UsageError, match="did you mean 'post'"):
            magic(line)


def test_delete_never_guesses(magic, post):
    with pytest.raises(UsageError, match="no collection 'p1'"):
        magic("delete p1 --yes")
    assert post.count() == 4


def test_the_only_collection_embeds_as_the_variable_does(magic, post):
    assert magic('query "whale" -n 1')["ids"] == [["p4"]]  # the database cannot make its embedding function


# --- Hostile texts ------------------------------------------------------------------------------------------
HOSTILE = [
    "<script>alert(1)</script> & parcel",
    "parcel --where",
    "--where",
    "--where=year > 1",
    "-n 3",
    "-h",
    "--help",
    "--",
    "-",
    ":text",
    ":nothing_of_this_name",
    "say \\ it's",
    "{nothing} {'a': 1}",
    "{nothing}",
    "\0 parcel",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_in_quotes_is_a_text(magic, shell, text):
    shell.user_ns["text"] = "of the variable"
    for command in ("query", "search"):
        found = magic(f'{command} post "{text}" -n 1')
        assert found.query_texts == [text]
        assert "<script>" not in found._repr_html_()
    assert magic(f'get post "{text}"')["ids"] == []
    assert magic(f'count post --contains "{text}"') == 0


@pytest.mark.parametrize("text", [*HOSTILE, "two\nlines <b>", "\u2028"])
def test_a_text_in_a_variable_or_a_cell_is_a_text(magic, shell, text):
    shell.user_ns["asked"] = text
    for command in ("query", "search"):
        assert magic(f"{command} post :asked -n 1").query_texts == [text]
        if text.strip():
            assert magic(f"{command} post -n 1", text).query_texts == [text.strip()]
    assert magic("count post --contains :asked") == 0


@everywhere
def test_keys_and_values_that_are_html_are_escaped(magic, post):
    post.update(ids=["p1"], documents=["<script>parcel"], metadatas=[{"<script>key": "<script>value"}])
    for line in ('facets post "<script>key"', "facets post <script>key kind", "describe post", "search post parcel"):
        html = magic(line)._repr_html_()
        assert "&lt;script&gt;" in html
        assert "<script>" not in html


@pytest.mark.parametrize("text", [*HOSTILE, "plain", "", 'say "hi" now', "the year"])
def test_a_text_is_written_as_one_word_of_a_line(text):
    assert split(f"get {written(text)} x") == ["get", text, "x"]
    assert split(written(Quoted(text))) == [text]
    assert isinstance(split(written(Quoted(text)))[0], Quoted)


def test_a_saved_command_keeps_its_quotes(magic, capsys):
    magic('save asked query post ":text" "-n 3" -n 1 --where="year > 1"')
    magic("save")
    listed = capsys.readouterr().out.splitlines()[-1]
    assert listed == 'asked: query post ":text" "-n 3" -n 1 --where="year > 1"'
    assert magic("run asked").query_texts == [":text", "-n 3"]


# --- Completion ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%chroma sear", ["search"]),
        ("%chroma search po", ["post"]),
        ("%chroma search post x --b", ["--by"]),
        ("%chroma search post x --by ", ["both", "meaning", "words"]),
        ('%chroma search "parcel stuck" --by w', ["words"]),
        ("%%chroma search post --l", ["--lines"]),
        ('%chroma search "parcel stuck" --where "y', ["year"]),
        ('%chroma search post "parcel stuck" --where "kind = ', ["'a'", "'b'"]),
        ("%chroma facets post k", ["kind"]),
        ("%chroma facets post kind y", ["year"]),
        ("%chroma facets k", ["kind"]),
        ("%chroma get post --order-by ", ["kind", "year", "#id", "#document"]),
        ("%chroma query post --like p", ["p1", "p2", "p3", "p4"]),
        ("%chroma query post --like p1 --unlike p4", ["p4"]),
    ],
)
def test_completion_knows_their_options_keys_and_ids(magic, shell, capsys, line, expected):
    shell.Completer.use_jedi = False
    with provisionalcompleter():
        found = [one.text for one in shell.Completer.completions(line, len(line)) if one.type == "chroma"]
    assert found == expected
    assert capsys.readouterr().out == ""


def test_completion_offers_no_keys_where_it_is_not_clear_whose(magic, shell, place):
    place.create_collection("other", embedding_function=None)
    shell.Completer.use_jedi = False
    for line in ('%chroma search "parcel stuck" --where "y', "%chroma facets k"):
        with provisionalcompleter():
            assert [one for one in shell.Completer.completions(line, len(line)) if one.type == "chroma"] == []

"""%chroma and %%chroma, on our collections and on chromadb's own."""

import enum
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from IPython.core.error import UsageError

import chroma_nb.pandas
from chroma_nb.jupyter.command_line import split
from chroma_nb.jupyter.commands import COMMANDS, command
from chroma_nb.results import GetResult, QueryResult


# --- Words ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("query docs hello", ["query", "docs", "hello"]),
        ('docs -k 3 "hello world"', ["docs", "-k", "3", "hello world"]),
        ("""a '{"a": 1}'""", ["a", '{"a": 1}']),
        ("it's broken", ["it's", "broken"]),
        ("'tis open", ["'tis", "open"]),
        ('--where="a = 1" x', ["--where=a = 1", "x"]),
        ("""--where "t in ('a', 'b')" x""", ["--where", "t in ('a', 'b')", "x"]),
        (r'"say \"hi\" now"', ['say "hi" now']),
        ('""', [""]),
    ],
)
def test_a_line_is_split_as_one_reads_it(line, words):
    assert split(line) == words


# --- Commands -------------------------------------------------------------------------------------------
def test_query_answers_with_a_result_that_knows_its_text(chroma):
    result = chroma('query papers "bad cab" -n 2')
    assert isinstance(result, QueryResult)
    assert result["ids"][0][0] == "p1"
    assert len(result["ids"][0]) == 2
    assert result.query_texts == ["bad cab"]


def test_options_may_stand_anywhere(chroma):
    ids = [chroma(line)["ids"] for line in ('query -n 1 papers "bad cab"', 'query papers -n 1 "bad cab"')]
    assert ids == [[["p1"]], [["p1"]]]


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ("bad cab", ["bad cab"]),
        ('"bad cab" whale', ["bad cab", "whale"]),
        ('"bad cab" "a whale"', ["bad cab", "a whale"]),
        ("whale", ["whale"]),
    ],
)
def test_words_without_quotes_are_one_query(chroma, words, texts):
    assert chroma(f"query papers {words} -n 1").query_texts == texts


def test_query_takes_vectors_and_texts_from_variables(chroma, shell):
    shell.user_ns.update(v=np.full(8, 0.01), many=["bad cab", "whale"], word="cab", k=2)
    assert len(chroma("query papers :v -n 1")["ids"]) == 1
    assert chroma("query papers :many -n 1").query_texts == ["bad cab", "whale"]
    assert chroma('query papers "bad {word} {other}" -n :k').query_texts == ["bad cab {other}"]


def test_a_cell_is_one_query_or_one_a_line(chroma, shell):
    assert chroma("query papers -n 1 -o hits", "bad\ncab\n") is None
    assert shell.user_ns["hits"].query_texts == ["bad\ncab"]
    assert chroma("query papers -n 1 --lines", "bad cab\n\nwhale\n").query_texts == ["bad cab", "whale"]


def test_an_answer_can_be_assigned(chroma, shell):
    shell.run_cell("x = %chroma count papers")
    assert shell.user_ns["x"] == 3


def test_as_df_gives_a_dataframe_once_or_always(chroma, shell):
    assert chroma("get papers --as df")["year"].tolist() == [2019, 2021, 2023]
    shell.run_line_magic("config", "ChromaMagics.result = 'df'")
    assert isinstance(chroma("get papers"), pd.DataFrame)
    assert isinstance(chroma("get papers --as result"), GetResult)


def test_a_browser_stays_a_browser_whatever_an_answer_is(chroma, shell):
    shell.run_line_magic("config", "ChromaMagics.result = 'df'")
    assert repr(chroma("browse papers")).startswith("<Workbench of papers")
    assert isinstance(chroma("peek papers"), pd.DataFrame)


def test_get_by_id_and_by_filter(chroma, shell):
    shell.user_ns.update(since=2020, names=["p1", "p3"], f={"year": 2019})
    assert chroma("get papers p3 p1")["ids"] == ["p1", "p3"]
    assert chroma("get papers :names")["ids"] == ["p1", "p3"]
    assert chroma("get papers --where \"year > :since and topic in ('a', 'b')\"")["ids"] == ["p2"]
    assert chroma("get papers --where \"document contains 'whale'\"")["ids"] == ["p3"]
    assert chroma("get papers --where :f")["ids"] == ["p1"]
    assert chroma("""get papers --where '{"year": 2021}'""")["ids"] == ["p2"]
    assert chroma("get papers -n 1 --offset 1 --include embeddings")["embeddings"].shape == (1, 8)
    shell.run_line_magic("config", "ChromaMagics.limit = 2")
    assert len(chroma("get papers")["ids"]) == 2


def test_explain_shows_the_filter_and_asks_nothing(chroma):
    assert chroma('get papers --where "year > 1" --explain') == {"where": {"year": {"$gt": 1}}, "where_document": None}
    assert chroma('query papers x --where "year > 1" --explain')["where"] == {"year": {"$gt": 1}}


def test_count_and_peek(chroma):
    assert chroma("count papers") == 3
    assert chroma('count papers --where "year > 2020"') == 2
    assert chroma("peek papers -n 2")["ids"] == ["p1", "p2"]


def test_use_chooses_the_collection_that_is_meant(chroma, capsys):
    chroma("use papers")
    assert "3 records" in capsys.readouterr().out
    assert chroma("count") == 3
    assert chroma('query "bad cab" -n 1')["ids"] == [["p1"]]
    assert chroma("get p2")["ids"] == ["p2"]
    with pytest.raises(UsageError, match="did you mean 'papers'"):
        chroma("get paprs")


def test_collections_are_found_by_their_name_in_the_only_client(chroma, papers):
    assert chroma(f"count {papers.name}") == 3
    assert chroma("list").to_dict("list") == {"collection": [papers.name], "records": [3]}


def test_create_add_copy_and_delete(chroma, client, shell, capsys, words):
    shell.user_ns.update(ef=words, df=pd.DataFrame({"key": ["x", "y"], "text": ["abc", "def"], "n": [1, None]}))
    chroma("""create notes --space cosine --model :ef --metadata '{"a": 1}'""")
    notes = client.get_collection("notes", embedding_function=words)
    assert notes.metadata == {"a": 1}
    assert notes.configuration_json["hnsw"]["space"] == "cosine"
    assert repr(chroma("add df --id key --text text")) == "2 rows written"
    assert notes.get()["metadatas"] == [{"n": 1.0}, None]
    chroma("add", "one line\n\nanother line\n")
    chroma("add", "one line\n")
    assert notes.count() == 4
    shell.user_ns["df"] = shell.user_ns["df"].iloc[:1]
    assert chroma("add df --id key --text text --sync --delete --yes").deleted == 3
    shell.user_ns["notes"] = notes
    chroma("copy notes notes-2")
    copy = client.get_collection("notes-2", embedding_function=words)
    assert copy.get(include=["documents", "metadatas"]) == notes.get(include=["documents", "metadatas"])
    assert np.allclose(copy.get(include=["embeddings"])["embeddings"], notes.get(include=["embeddings"])["embeddings"])
    chroma("delete notes-2 x --yes")
    assert copy.count() == 0
    chroma("delete notes-2 --yes")
    assert [one.name for one in client.list_collections() if one.name.startswith("notes")] == ["notes"]


def test_delete_asks_and_does_nothing_without_an_answer(chroma, papers, monkeypatch, shell):
    answers = {"no": "n", "yes": "y"}
    asked = []
    session = shell.find_line_magic("chroma").__self__.session
    monkeypatch.setattr(session, "_ask", lambda question: asked.append(question) or answers["no"])
    with pytest.raises(UsageError, match="nothing was changed"):
        chroma("delete papers p1")
    assert (papers.count(), asked) == (3, [f"Delete 1 record of '{papers.name}'? [y/N] "])

    def nobody(question):
        raise EOFError

    monkeypatch.setattr(session, "_ask", nobody)
    with pytest.raises(UsageError, match="add --yes"):
        chroma("delete papers")
    monkeypatch.setattr(session, "_ask", lambda question: answers["yes"])
    chroma("delete papers p1")
    assert papers.count() == 2


def test_delete_of_a_collection_of_another_database_is_refused(chroma, shell, tmp_path, papers):
    chroma(f"connect {tmp_path} --alias disk")
    chroma("create birds --model none")
    with pytest.raises(UsageError, match="does not belong to the client in use"):
        chroma("delete papers --yes")
    chroma("connect --close disk")
    assert papers.count() == 3


def test_connect_opens_lists_and_closes(chroma, tmp_path, capsys):
    chroma(f"connect '{tmp_path}/my data' --alias disk")
    chroma("create birds --model none")
    chroma("connect client")
    chroma("connect disk")
    chroma("connect --list")
    out = capsys.readouterr().out
    assert "Connected to disk: 1 collection." in out
    assert "* disk\n  client\n" in out
    chroma("connect --close disk")
    assert (tmp_path / "my data").is_dir()
    with pytest.raises(UsageError, match="no client 'disk'"):
        chroma("connect --close disk")


def test_connect_takes_the_client_that_is_in_the_variable_now(chroma, shell, tmp_path):
    import chroma_nb

    chroma("connect client")
    chroma("connect client --alias first")
    with chroma_nb.PersistentClient(tmp_path) as other:
        other.create_collection("elsewhere", embedding_function=None)
        shell.user_ns["client"] = other
        chroma("connect client")
        assert chroma("list")["collection"].tolist() == ["elsewhere"]
        chroma("connect first")
        assert "elsewhere" not in chroma("list")["collection"].tolist()


def test_connect_opens_the_place_that_a_variable_names(chroma, shell, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shell.user_ns.update(place=tmp_path / "here", base="there", number=3)
    chroma("connect :place --alias p")
    chroma("connect ./{base}/below --alias q")
    assert (tmp_path / "here").is_dir()
    assert (tmp_path / "there" / "below").is_dir()
    for line, message in (
        ("connect :number", "to be a client, a directory or an address, got a int"),
        ("connect base", "'base' is not a client but a str. For its text write :base, for a directory ./base"),
    ):
        with pytest.raises(UsageError, match=message):
            chroma(line)
    assert not (tmp_path / "base").exists()
    chroma("connect p --alias second")
    chroma("connect --close p")
    with pytest.raises(UsageError, match="no client 'second'"):
        chroma("connect --close second")
    chroma("connect --close q")


@pytest.mark.parametrize("setting", ["limit", "n_results"])
def test_a_setting_that_is_no_number_of_records_is_refused(chroma, shell, setting, capsys):
    before = getattr(shell.configurables[-1], setting)
    shell.run_line_magic("config", f"ChromaMagics.{setting} = 0")
    assert getattr(shell.configurables[-1], setting) == before


def test_a_password_in_a_url_is_refused_and_not_repeated(chroma):
    with pytest.raises(UsageError) as caught:
        chroma("connect http://me:hunter2@localhost:8000")
    assert "hunter2" not in str(caught.value)


def test_saved_commands_take_their_variables_when_they_run(chroma, shell, capsys):
    shell.user_ns.update(since=2020)
    chroma('save recent get papers --where "year > :since"')
    assert chroma("run recent")["ids"] == ["p2", "p3"]
    shell.user_ns.update(since=2022)
    assert chroma("run recent --as df")["id"].tolist() == ["p3"]
    chroma("save")
    assert 'recent: get papers --where "year > :since"' in capsys.readouterr().out
    chroma("save ask query papers -n 1", "bad cab")
    assert chroma("run ask").query_texts == ["bad cab"]
    chroma("save recent")
    with pytest.raises(UsageError, match="no command is saved as 'recent'"):
        chroma("run recent")


def test_model_tells_what_embeds(chroma, capsys):
    chroma("model papers")
    assert "words-of-the-tests" in capsys.readouterr().out
    chroma("model --list")
    assert {"none", "default", "openai"} <= set(capsys.readouterr().out.split())


# --- Mistakes -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("qeury papers x", "did you mean 'query'"),
        ("count papres", "did you mean 'papers"),
        ("query papers x --wehre y", "did you mean '--where'"),
        ("query papers x -n 0", "whole number of at least 1"),
        ("query papers x -n many", "whole number of at least 1"),
        ("query papers", "expected a text"),
        ("query papers :papars", "did you mean 'papers'"),
        ("query papers :nothing", "expected a text or a vector, got a NoneType"),
        ("count papers papers", "as well"),
        ("peek papers p1", "as well"),
        ("map papers p1", "as well"),
        ('get papers --where "year >"', "expected a value"),
        ("""get papers --where '{"a": '""", "not valid JSON"),
        ("get papers --include vectors", "there is no field"),
        ("get papers -o for", "the name of a variable"),
        ("get papers --as table", "invalid choice"),
        ("add papers papers", "to be a DataFrame or a list of texts"),
        ("add papers df --text abstract", "no column 'abstract'; the columns are: id, text"),
        ("add papers df --text txet", "did you mean 'text'"),
        ("add papers df --text text --delete", "--delete needs --sync"),
        ("delete papers nobody", "no such record"),
        ("create notes --model opnai", "did you mean 'openai'"),
        ("create notes --metadata '[1]'", "expected an object"),
        ("connect ftp://x", "expected memory"),
        ("run nothing", "no command is saved"),
        ("save x run y", "cannot be saved"),
        ("query papers x --where \"year > 'x'\"", "compares numbers"),
    ],
)
def test_a_mistake_is_a_short_message(chroma, shell, line, message):
    shell.user_ns.update(df=pd.DataFrame({"id": ["a"], "text": ["b"]}), nothing=None)
    with pytest.raises(UsageError, match=message) as caught:
        chroma(line)
    assert len(str(caught.value)) < 400


def test_an_error_of_the_collection_is_short_until_one_wants_to_see_more(chroma, shell):
    with pytest.raises(UsageError, match="short_errors"):
        chroma('create "no good name!"')
    shell.run_line_magic("config", "ChromaMagics.short_errors = False")
    with pytest.raises(Exception, match=r"(?i)name") as caught:
        chroma('create "no good name!"')
    assert not isinstance(caught.value, UsageError)


def test_an_error_is_called_by_its_public_name(chroma):
    with pytest.raises(UsageError, match=r"^[A-Z]\w*: "):
        chroma("connect http://127.0.0.1:9")


def test_a_variable_holds_a_collection_or_its_name_in_every_command(chroma, shell, client, papers):
    notes = client.create_collection("other-notes", embedding_function=None)
    notes.add(ids=["n1"], embeddings=[[1.0, 0.0]])
    shell.user_ns.update(name="other-notes", notes=notes, wanted=["p1"], df=pd.DataFrame({"id": ["n1"], "x": [1]}))
    for in_use in (False, True):
        if in_use:
            chroma("use papers")
        for word in (":name", "{name}", ":notes", "notes"):
            assert chroma(f"get {word}")["ids"] == ["n1"]
            assert chroma(f"peek {word}")["ids"] == ["n1"]
            assert chroma(f"count {word}") == 1
            assert repr(chroma(f"browse {word}")) == "<Workbench of other-notes>"
            assert chroma(f"add {word} df --update").written == 1
    assert chroma("get :wanted")["ids"] == ["p1"]
    with pytest.raises(UsageError, match="no variable 'nam' in the notebook; did you mean 'name'"):
        chroma("get :nam")


def test_a_name_beside_the_collection_in_use_is_a_name(chroma, client):
    client.create_collection("other-notes", embedding_function=None)
    chroma("use papers")
    for line in ("count ", "peek ", "map ", "browse "):
        with pytest.raises(UsageError, match="no collection 'ghost'; the collections are: other-notes"):
            chroma(line + "ghost")


def test_without_a_client_it_says_how_to_get_one(shell):
    with pytest.raises(UsageError, match="connect PATH"):
        shell.run_line_magic("chroma", "list")


def test_several_clients_are_not_guessed_between(chroma, shell, client):
    import chroma_nb

    with chroma_nb.EphemeralClient() as other:
        shell.user_ns["other"] = other
        with pytest.raises(UsageError, match="several clients: client, other"):
            chroma("list")


def test_a_command_that_takes_no_cell_says_so(chroma):
    with pytest.raises(UsageError, match="takes no text below"):
        chroma("count papers", "text")


def test_a_variable_cannot_become_an_option_or_a_piece_of_a_filter(chroma, shell):
    shell.user_ns.update(text="--where", evil="x' or year > 0 or topic = 'x")
    assert chroma("query papers :text -n 1").query_texts == ["--where"]
    assert chroma('get papers --where "topic = :evil"')["ids"] == []


def test_variables_can_be_turned_off(chroma, shell):
    shell.user_ns["a"] = "value"
    shell.run_line_magic("config", "ChromaMagics.variables = False")
    assert chroma("query papers :a -n 1").query_texts == [":a"]


# --- Help and completion --------------------------------------------------------------------------------
def test_the_overview_names_every_command(shell, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    for name in COMMANDS:  # each is loaded now: a module of a package is a name in it, and may hide another
        command(name)
    for line in ("", "-h"):
        shell.run_line_magic("chroma", line)
        out = capsys.readouterr().out
        first_words = {words[0] for words in map(str.split, out.splitlines()) if words}
        assert set(COMMANDS) <= first_words, out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_examples_and_no_codes_of_colours(shell, capsys, monkeypatch, name):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as every kernel has it
    shell.run_line_magic("chroma", f"{name} -h")
    out = capsys.readouterr().out
    assert f"%chroma {name}" in out
    assert "examples:" in out
    assert "\x1b" not in out
    assert command(name).name == name


def test_question_mark_shows_examples(shell):
    assert "%chroma query" in shell.object_inspect("%chroma")["docstring"]


def completions(shell, line):
    from IPython.core.completer import provisionalcompleter

    with provisionalcompleter():
        return [one.text for one in shell.Completer.completions(line, len(line)) if one.type == "chroma"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%chroma qu", ["query"]),
        ("%%chroma qu", ["query"]),
        ("x = %chroma qu", ["query"]),
        ("%chroma query pap", ["papers"]),
        ("%chroma query papers --wh", ["--where"]),
        ("%chroma get papers --as ", ["df", "result"]),
        ("%chroma create notes --space ", ["cosine", "l2", "ip"]),
        ("%chroma create notes --model sentence_tr", ["sentence_transformer"]),
        ("%chroma add papers df --text ", ["text", '"the year"']),
        ("%chroma map papers --color ", ["label", "topic", "year"]),
        ("%chroma get papers --include u", ["uris"]),
        ("%chroma get papers -n ", []),
        ('%chroma get papers --where "y', ["year"]),
        ('%chroma get papers --where "year > 2020 and top', ["topic"]),
        ('%chroma get papers --where "topic = ', ["'a'", "'b'", "'it''s'"]),
        ("%chroma get papers --where \"topic in ('a', '", ["'a'", "'b'", "'it''s'"]),
        ('%chroma get papers --where "year in (20', ["2019", "2021", "2023"]),
        ("%chroma query papers :many", [":many_words"]),
        ("%chroma add papers d", ["df"]),
        ("%chroma connect cl", ["client"]),
        ("%chroma run re", ["recent"]),
        ('%chroma get gone --where "y', ["year"]),  # an id, of the only collection
        ("print('%chroma qu", []),
    ],
)
def test_completion_knows_commands_collections_keys_values_and_options(chroma, shell, papers, line, expected):
    shell.Completer.use_jedi = False
    shell.user_ns.update(df=pd.DataFrame(columns=["text", "the year"]), many_words=["x"])
    chroma("save recent get papers")
    if line == "%chroma query pap":
        expected = sorted({papers.name, *expected}, key=[papers.name, "papers"].index)
    assert completions(shell, line) == expected


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        ("`the", ["`the year`"]),
        ("`the year` = ", ["1999"]),
        ("year > 1 and `the year` in (1999, ", ["1999"]),
        ("`the year` = 1999 and top", ["topic"]),
    ],
)
def test_completion_knows_keys_that_are_no_words(chroma, shell, papers, filter_, expected):
    shell.Completer.use_jedi = False
    papers.update(ids=["p1"], metadatas=[{"the year": 1999}])
    assert completions(shell, f'%chroma get papers --where "{filter_}') == expected


def test_completion_works_beside_jedi(shell):
    shell.Completer.use_jedi = True
    assert completions(shell, "%chroma qu") == ["query"]


@pytest.mark.parametrize("command", ["get papers", "count papers", "query papers whales"])
def test_a_filter_by_a_key_that_nobody_has_is_told_with_what_was_meant(chroma, shell, papers, capsys, command):
    chroma(f"{command} --where \"yaer > 2020 or (topc = 'a' and year > 3000)\"")
    said = capsys.readouterr().out
    assert "No record passed the filter; the first records have no key 'yaer'; did you mean 'year'?" in said
    assert "no key 'topc'; did you mean 'topic'?" in said
    chroma(f'{command} --where "year > 2100"')
    chroma(f'{command} --where "yaer > 2020 or year > 2020"')
    assert "No record passed" not in capsys.readouterr().out


# --- The extension --------------------------------------------------------------------------------------
def test_unload_restores_what_was_there(chroma, shell, client, papers):
    html = shell.display_formatter.formatters["text/html"]
    shell.run_line_magic("unload_ext", "chroma_nb")
    before = (dict(html.type_printers), dict(html.deferred_printers), list(shell.Completer.custom_matchers))
    configurables = list(shell.configurables)
    shell.register_magic_function(lambda line: "theirs", "line", "chroma")
    shell.run_line_magic("load_ext", "chroma_nb")
    assert chroma("count papers") == 3
    assert "Collection" in shell.display_formatter.format(papers)[0]["text/html"]
    shell.run_line_magic("unload_ext", "chroma_nb")
    assert shell.run_line_magic("chroma", "") == "theirs"
    del shell.magics_manager.magics["line"]["chroma"]
    assert (dict(html.type_printers), dict(html.deferred_printers), list(shell.Completer.custom_matchers)) == before
    assert shell.configurables == configurables


def test_objects_of_chromadb_are_displayed_once_loaded(shell):
    chromadb = pytest.importorskip("chromadb")
    client = chromadb.EphemeralClient()
    collection = client.get_or_create_collection("seen", embedding_function=None)
    collection.add(ids=["a"], embeddings=[[1.0, 0.0]], documents=["<b>"])
    html = shell.display_formatter.formatters["text/html"]
    assert "Collection seen" in html(collection)
    assert "seen" in html(client)
    assert "&lt;b&gt;" in html(collection.get())
    assert html({"any": "dict"}) is None
    client.delete_collection("seen")
    client.close()


def test_the_accessor_comes_with_pandas_and_goes_with_the_extension(shell):
    chroma_nb.pandas.unregister()
    shell.run_cell("import pandas as pd\ndf = pd.DataFrame({'id': ['a', 'b'], 'embedding': [[1.0, 0.0], [0.0, 1.0]]})")
    shell.run_cell("found = df.chroma.search([0.1, 0.9], 1)")
    assert shell.user_ns["found"]["id"].tolist() == ["b"]
    shell.run_line_magic("unload_ext", "chroma_nb")
    assert not hasattr(pd.DataFrame, "chroma")
    chroma_nb.pandas.register()
    shell.run_line_magic("load_ext", "chroma_nb")
    shell.run_line_magic("unload_ext", "chroma_nb")
    assert hasattr(pd.DataFrame, "chroma")


def test_an_accessor_of_somebody_else_stays_theirs(shell):
    shell.run_line_magic("unload_ext", "chroma_nb")
    chroma_nb.pandas.unregister()

    class Theirs:
        def __init__(self, frame):
            pass

    pd.api.extensions.register_dataframe_accessor("chroma")(Theirs)
    try:
        shell.run_line_magic("load_ext", "chroma_nb")
        shell.run_line_magic("unload_ext", "chroma_nb")
        assert isinstance(pd.DataFrame().chroma, Theirs)
    finally:
        del pd.DataFrame.chroma
        pd.DataFrame._accessors.discard("chroma")
        chroma_nb.pandas.register()


def test_loading_the_extension_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell()\n"
        "before = set(sys.modules)\n"
        "shell.run_line_magic('load_ext', 'chroma_nb')\n"
        "heavy = {'pandas', 'plotly', 'umap', 'ipywidgets', 'httpx', 'onnxruntime', 'tqdm', 'hnswlib'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


# --- The variables that are seen --------------------------------------------------------------------------
SEEN = {
    "line magic": """
def find(q):
    found = %chroma query papers :q -n 1
    return found
""",
    "inside a text": """
def find(q):
    found = %chroma query papers "{q}" -n 1
    return found
""",
    "cell magic": """
def find(q):
    return get_ipython().run_cell_magic("chroma", "query papers -n 1", "{q}")
""",
    "function around it": """
def find(q):
    def inner():
        found = %chroma query papers :q -n 1
        return found
    return inner()
""",
    "closure": """
def find(q):
    def inner():
        q
        found = %chroma query papers :q -n 1
        return found
    return inner
find = (lambda make: lambda q: make(q)())(find)
""",
    "comprehension": """
def find(q):
    return [get_ipython().run_line_magic("chroma", "query papers :q -n 1") for _ in "1"][0]
""",
    "variable of a comprehension": """
find = lambda text: [get_ipython().run_line_magic("chroma", "query papers :q -n 1") for q in [text]][0]
""",
    "generator": """
def find(q):
    return next(get_ipython().run_line_magic("chroma", "query papers :q -n 1") for _ in "1")
""",
    "lambda": """
find = lambda q: get_ipython().run_line_magic("chroma", "query papers :q -n 1")
""",
    "method": """
class Finder:
    q = "of the class"
    def find(self, q):
        found = %chroma query papers :q -n 1
        return found
find = Finder().find
""",
    "class": """
def find(text):
    class Found:
        q = text
        found = %chroma query papers :q -n 1
    return Found.found
""",
    "recursion": """
def find(text, q="not this one"):
    if q != text:
        return find(text, text)
    found = %chroma query papers :q -n 1
    return found
""",
    "saved command": """
%chroma save asked query papers :q -n 1
def find(q):
    found = %chroma run asked
    return found
""",
    "filter": """
def find(q):
    since = 2022
    found = %chroma get papers --where "year > :since"
    found.query_texts = [q] if found["ids"] == ["p3"] else found["ids"]
    return found
""",
}


@pytest.mark.parametrize("where", SEEN)
def test_a_magic_sees_the_variables_that_python_sees(chroma, shell, where):
    shell.user_ns.update(q="of the notebook", since=1999)
    shell.run_cell(SEEN[where]).raise_error()
    shell.run_cell("found = find('near')").raise_error()
    assert shell.user_ns["found"].query_texts == ["near"]
    assert chroma("query papers :q -n 1").query_texts == ["of the notebook"]


def test_a_local_variable_without_a_value_is_not_the_one_of_the_notebook(chroma, shell, capsys):
    shell.user_ns["q"] = "of the notebook"
    shell.run_cell("def find():\n    found = %chroma query papers :q -n 1\n    q = 1\nfind()")
    assert "the variable 'q' of the function has no value yet" in capsys.readouterr().err


def test_an_answer_is_not_put_where_the_function_would_not_see_it(chroma, shell, capsys):
    shell.user_ns["hits"] = "before"
    shell.run_cell("def find():\n    hits = None\n    %chroma query papers x -o hits\nfind()")
    assert "'hits' is a variable of the function. Write hits = %chroma" in capsys.readouterr().err
    assert shell.user_ns["hits"] == "before"
    shell.run_cell("def find():\n    %chroma query papers x -n 1 -o hits\nfind()").raise_error()
    assert len(shell.user_ns["hits"]["ids"][0]) == 1


def test_collections_tables_and_clients_of_a_function_are_found(chroma, shell, client):
    shell.user_ns["books"] = "no collection"
    shell.run_cell("def count(books):\n    found = %chroma count books\n    return found").raise_error()
    shell.run_cell("found = count(papers)").raise_error()
    assert shell.user_ns["found"] == 3
    source = "def add(df):\n    found = %chroma add papers df\n    return found"
    shell.run_cell(source).raise_error()
    table = pd.DataFrame({"id": ["p9"], "document": ["bad"]})
    shell.user_ns.update(df=pd.DataFrame({"id": ["wrong"], "document": ["wrong"]}), table=table)
    shell.run_cell("add(table)").raise_error()
    assert client.get_collection(shell.user_ns["papers"].name).get(ids=["p9", "wrong"])["ids"] == ["p9"]


def test_a_hidden_number_of_a_vector_is_not_searched_for(chroma, shell):
    shell.user_ns["v"] = np.ma.array(np.ones(8), mask=[True] + [False] * 7)
    assert np.isnan(chroma("query papers :v -n 1")["distances"][0][0])


def test_columns_whose_names_are_numbers_are_named_by_them(chroma, shell, client):
    shell.user_ns["rows"] = pd.DataFrame([["p7", "a bad cab"]])
    chroma("add papers rows --id 0 --text 1")
    assert client.get_collection(shell.user_ns["papers"].name).get(ids=["p7"])["documents"] == ["a bad cab"]


def test_ids_in_a_variable_may_be_members_of_an_enumeration(chroma, shell, papers):
    first, second = papers.get(limit=2)["ids"]
    shell.user_ns["wanted"] = list(enum.Enum("Id", {"ONE": first, "TWO": second}, type=str))
    assert chroma("get papers {wanted}")["ids"] == [first, second]

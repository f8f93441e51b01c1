"""Every mistake is told with what was expected, what was found and what to do; what is ignored is a warning."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

import chroma_nb
from chroma_nb.errors import AuthorizationError, ChromaAuthError, ChromaError, InvalidArgumentError

NOTES = pd.DataFrame({"key": ["x"], "text": ["a text"], "year": [2020]})


class Lengths(chroma_nb.EmbeddingFunction):  # type: ignore[type-arg]
    """Two dimensions: the length of the text, and one."""

    def __init__(self) -> None:
        """Nothing to configure."""

    def __call__(self, input: Any) -> Any:
        return [[float(len(text)), 1.0] for text in input]

    @staticmethod
    def name() -> str:
        return "lengths_for_messages"

    def get_config(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Lengths:
        return Lengths()


@pytest.fixture
def notes(sync_client: Any) -> Any:
    collection = sync_client.create_collection("notes", embedding_function=Lengths())
    collection.add(
        ids=["a", "b"], documents=["one", "two more"], metadatas=[{"year": 2020}, {"year": 2021, "topic": "x"}]
    )
    return collection


class Mistake(NamedTuple):
    """A call of a collection, the class of its error, and parts of the message."""

    call: Callable[[Any], object]
    error: type[Exception] | tuple[type[Exception], ...]
    says: tuple[str, ...]


def _two(ids: Any) -> Callable[[Any], object]:
    return lambda notes: notes.add(ids=ids, embeddings=[[1, 2], [2, 3]])


MISTAKES = {
    "row numbers as ids": Mistake(
        lambda notes: notes.sync(NOTES, document="text", delete=True), ValueError, ("has no id column", "'a'", 'id="…"')
    ),
    "another word for a column": Mistake(
        lambda notes: notes.sync(NOTES, id="key", text="text"), TypeError, ("'text'", "Did you mean 'document'?")
    ),
    "an option of a table that there is not": Mistake(
        lambda notes: notes.add_df(NOTES, metadat="year"), TypeError, ("'metadat'", "Did you mean 'metadata'?")
    ),
    "a column that there is not": Mistake(
        lambda notes: notes.add_df(NOTES, id="keys", document="text"), ValueError, ("'keys'", "Did you mean 'key'?")
    ),
    "no column of texts": Mistake(
        lambda notes: notes.sync(NOTES, id="key"), ValueError, ("'x' is new", 'document="…"', 'on_error="skip"')
    ),
    "ids in an array": Mistake(_two(np.arange(2)), ValueError, ("Unequal lengths", "list of str", "int64", "map(str")),
    "ids in a tuple": Mistake(_two(("p", "q")), ValueError, ("Unequal lengths", "list of str", "tuple", "list(…)")),
    "something else than a bool for $exists": Mistake(
        lambda notes: notes.get(where={"year": {"$exists": 1}}), ValueError, ("$exists", "Write True", "or False")
    ),
    "$not around a condition": Mistake(
        lambda notes: notes.get(where={"$not": {"year": 2020}}), ValueError, ("There is no $not", "$ne", "$lte")
    ),
    "a text of documents in where": Mistake(
        lambda notes: notes.get(where={"#document": "one"}),
        InvalidArgumentError,
        ("indexing is disabled", "where_document={'$contains': …}"),
    ),
    "None in metadata": Mistake(
        lambda notes: notes.add(ids=["z"], embeddings=[[1, 2]], metadatas=[{"a": None}]),
        (TypeError, InvalidArgumentError),  # over HTTP the server's
        ("metadatas", "a", "leave the key out"),
    ),
    "metadata that is a text": Mistake(
        lambda notes: notes.add(ids=["z"], embeddings=[[1, 2]], metadatas=["x"]),
        AttributeError,
        ("no attribute 'items'", "Record 0", "write a dict"),
    ),
    "a text as a vector": Mistake(
        lambda notes: notes.query("hello"), ValueError, ("got hello", "query_texts= in a query")
    ),
    "two keys in a filter": Mistake(
        lambda notes: notes.get(where={"year": 2020, "topic": "x"}),
        ValueError,
        ("exactly one operator", "{'$and': [{'year': 2020}, {'topic': 'x'}]}"),
    ),
    "an operator without $": Mistake(
        lambda notes: notes.get(where={"year": {"gt": 2020}}), ValueError, ("got gt", "Did you mean '$gt'?")
    ),
    "a misspelt operator": Mistake(
        lambda notes: notes.get(where={"year": {"$gtt": 2020}}), ValueError, ("got $gtt", "Did you mean '$gt'?")
    ),
    "a misspelt operator on documents": Mistake(
        lambda notes: notes.get(where_document={"$contain": "x"}), ValueError, ("Did you mean '$contains'?",)
    ),
    "a text where a number is compared": Mistake(
        lambda notes: notes.get(where={"year": {"$gt": "2020"}}),
        ValueError,
        ("got 2020 in get", "$gt compares numbers, got a str", "without quotes"),
    ),
    "a filter as an expression": Mistake(
        lambda notes: notes.get(where=chroma_nb.K("year") > 2020),
        ValueError,
        ("Expected where to be a dict", "to_dict()"),
    ),
    "a field that there is not": Mistake(
        lambda notes: notes.get(include=["metadata"]), ValueError, ("got metadata", "Did you mean 'metadatas'?")
    ),
    "no results": Mistake(
        lambda notes: notes.query(query_texts=["x"], n_results=0), TypeError, ("requested results 0", "1 or more")
    ),
    "another dimension": Mistake(
        lambda notes: notes.add(ids=["z"], embeddings=[[1, 2, 3]]),
        InvalidArgumentError,
        ("dimension of 2, got 3", "2 dimensions", "embedding function"),
    ),
    "a negative limit": Mistake(
        lambda notes: notes.get(limit=-1), (OverflowError, InvalidArgumentError), ("limit", "-1", "2**32")
    ),
    "a folder that there is not": Mistake(
        lambda notes: notes.to_jsonl("nowhere/notes.jsonl"), FileNotFoundError, ("'nowhere'", "does not exist")
    ),
}


#: The same of a client.
MISTAKES_OF_A_CLIENT = {
    "a model as a text": Mistake(
        lambda client: client.create_collection("other", embedding_function="openai"),
        ValueError,
        ("to have the following signature", "got the text 'openai'", "OpenAIEmbeddingFunction(model_name=…)"),
    ),
    "a misspelt parameter of the index": Mistake(
        lambda client: client.create_collection("other", configuration={"hnsw": {"spce": "cosine"}}),
        InvalidArgumentError,
        ("unknown field `spce`", "Did you mean 'space'?"),
    ),
}


def told(mistake: Mistake, to: Any) -> None:
    with pytest.raises(mistake.error) as caught:
        mistake.call(to)
    assert [part for part in mistake.says if part not in str(caught.value)] == []


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_message_says_what_to_do(
    mistake: Mistake, notes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told(mistake, notes)
    assert notes.count() == 2


@pytest.mark.parametrize("mistake", MISTAKES_OF_A_CLIENT.values(), ids=MISTAKES_OF_A_CLIENT)
def test_a_message_of_a_client_says_what_to_do(mistake: Mistake, sync_client: Any) -> None:
    told(mistake, sync_client)
    assert sync_client.count_collections() == 0


def test_texts_of_the_default_model_in_a_collection_of_other_vectors(sync_client: Any) -> None:
    collection = sync_client.create_collection("mine", embedding_function=None)
    collection.add(ids=["a"], embeddings=[[1, 2]])
    with pytest.raises(InvalidArgumentError, match=r"dimension of 2, got 384\n.*default model \(384 dimensions\)"):
        collection.add(ids=["b"], documents=["a text"])


# --- What is ignored ---
IGNORED = {
    "a key of a configuration": (
        lambda client: client.create_collection("other", configuration={"space": "cosine"}),
        "no key 'space', so it is ignored. Write configuration={'hnsw': {'space': 'cosine'}}",
    ),
    "a misspelt key of a configuration": (
        lambda client: client.create_collection("other", configuration={"hnws": {}}),
        "no key 'hnws', so it is ignored. Did you mean 'hnsw'?",
    ),
    "a distance of a collection that exists": (
        lambda client: client.get_or_create_collection(
            "notes", embedding_function=Lengths(), configuration={"hnsw": {"space": "cosine"}}
        ),
        "'notes' exists with space 'l2', so 'cosine' is ignored. It cannot be changed.",
    ),
    "the same as metadata": (
        lambda client: client.get_or_create_collection(
            "notes", embedding_function=Lengths(), metadata={"hnsw:space": "ip"}
        ),
        "'notes' exists with space 'l2', so 'ip' is ignored",
    ),
    "a parameter that can be changed": (
        lambda client: client.create_collection(
            "notes", embedding_function=Lengths(), configuration={"hnsw": {"ef_search": 7}}, get_or_create=True
        ),
        "'notes' exists with ef_search 100, so 7 is ignored. You can change it with collection.modify",
    ),
    "a column of a result": (
        lambda client: client.get_collection("notes", Lengths()).query(query_texts=["x"]).to_df(["id", "distnce"]),
        "No record of this result has 'distnce', so its column is empty. Did you mean 'distance'?",
    ),
    "a column of a collection": (
        lambda client: client.get_collection("notes", Lengths()).to_df(columns=["yeer"]),
        "no record has the metadata key 'yeer', so its column is empty; did you mean 'year'?",
    ),
    "a filter that no record passes": (
        lambda client: chroma_nb.project(client.get_collection("notes", Lengths()), "pca", where={"year": 1}),
        "No record of 'notes' passes the filter, so the map is empty.",
    ),
    "a setting": (
        lambda client: chroma_nb.Settings(allow_rest=True),
        "no setting 'allow_rest', so it is ignored. Did you mean 'allow_reset'?",
    ),
}


@pytest.mark.usefixtures("notes")
@pytest.mark.parametrize(("call", "says"), IGNORED.values(), ids=IGNORED)
def test_what_is_ignored_is_a_warning_at_the_line_of_the_call(call: Any, says: str, sync_client: Any) -> None:
    with pytest.warns(UserWarning, match=re.escape(says)) as caught:
        call(sync_client)
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize("configuration", [None, {"hnsw": {"space": "cosine", "ef_search": 9, "resize_factor": 2}}])
def test_the_settings_that_a_collection_has_are_no_matter_for_a_warning(configuration: Any, sync_client: Any) -> None:
    for _ in range(2):
        sync_client.get_or_create_collection(
            "same", configuration=configuration, embedding_function=None, metadata={"hnsw:space": "cosine"}
        )


# --- Clients and servers ---
def test_settings_of_chroma_before_04_say_what_to_use(tmp_path: Path) -> None:
    settings = chroma_nb.Settings(chroma_db_impl="duckdb+parquet", persist_directory=str(tmp_path))
    for make in (
        lambda: chroma_nb.Client(settings),
        lambda: chroma_nb.PersistentClient(tmp_path / "new", settings),
        lambda: chroma_nb.HttpClient(settings=settings),
    ):
        with pytest.raises(ValueError, match=r"^You are using a deprecated configuration of Chroma\.\n") as caught:
            make()
        for part in ("chroma_db_impl='duckdb+parquet'", "PersistentClient(path)", "chroma_nb.import_chroma("):
            assert part in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_closed_client_says_how_to_create_another(tmp_path: Path) -> None:
    client = chroma_nb.PersistentClient(tmp_path)
    client.close()
    with pytest.raises(AttributeError, match=r"is closed\. Create a new one: PersistentClient\('"):
        client.list_collections()


TOKEN = "a token of 18 bytes"


@pytest.fixture
def guarded(closed_connections: None) -> Iterator[Any]:
    with chroma_nb.EphemeralClient() as client, chroma_nb.serve(client, port=0, token=TOKEN) as server:
        yield server


def test_another_token_or_none_is_told_with_the_way_to_pass_it(guarded: Any) -> None:
    with pytest.raises(ChromaAuthError, match=r"^Forbidden\n.*rejected the token.*X-Chroma-Token"):
        chroma_nb.HttpClient(port=guarded.port, headers={"X-Chroma-Token": "another token, 24 bytes"})
    with pytest.raises(AuthorizationError, match=r"needs a token.*\n.*Pass it: HttpClient.*X-Chroma-Token"):
        chroma_nb.HttpClient(port=guarded.port)


def test_a_port_in_use_is_told_with_another(guarded: Any, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=rf"Port {guarded.port} of 127\.0\.0\.1 is in use\. .* 0 for a free one"):
        chroma_nb.serve(str(tmp_path), port=guarded.port)


def test_a_port_in_the_host_is_told_in_both_forms() -> None:
    with pytest.raises(
        ValueError, match=r"^Invalid port: '8000:8000'\n.*host='localhost', port=8000.*'http://localhost:8"
    ):
        chroma_nb.HttpClient(host="localhost:8000")


def test_a_server_that_is_not_reached_is_told_with_what_to_check(closed_connections: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ValueError, match=r"is running\? \(.*\)\nCheck the host and the port, .*chroma-nb serve"):
        chroma_nb.HttpClient(port=port)


def test_tls_against_a_server_without_it_is_told_and_not_repeated(
    guarded: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError, match=r"SSL.*\nIf the server does not speak TLS, use ssl=False"):
        chroma_nb.HttpClient(port=guarded.port, ssl=True)
    assert len([record for record in caplog.records if "Invalid HTTP request" in record.message]) <= 1


def test_a_server_with_tls_asked_without_it_is_told() -> None:
    def refuse(listening: socket.socket) -> None:
        for _ in range(8):  # as a server with TLS does, which reads no greeting
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(1 << 16)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=refuse, args=(listening,), daemon=True)
        thread.start()
        with pytest.raises(ChromaError, match=r"If it is a server with TLS, use ssl=True"):
            chroma_nb.HttpClient(port=listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_the_command_line_suggests_a_command_an_option_and_a_token(tmp_path: Path) -> None:
    def said(*words: str) -> str:
        run = subprocess.run(
            [sys.executable, "-m", "chroma_nb", *words], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert run.returncode != 0
        return run.stderr

    assert "Did you mean 'serve'?" in said("serv")
    assert "Did you mean '--port'?" in said("serve", "--prt", "3")
    assert "--token-file FILE or the environment variable CHROMA_NB_TOKEN" in said("serve", "--host", "0.0.0.0")
    assert "--token-file: cannot read 'nowhere'" in said("serve", "--token-file", "nowhere")


def test_an_address_that_no_loader_reads_is_told(tmp_path: Path) -> None:
    load = chroma_nb.utils.data_loaders.ImageLoader(root=tmp_path)
    with pytest.raises(ValueError, match=r"does not read s3: .*'s3://bucket/x\.png'.*Download the image first"):
        load(["s3://bucket/x.png"])


def test_a_figure_suggests_its_option() -> None:
    with chroma_nb.EphemeralClient() as client:
        collection = client.create_collection("points", embedding_function=None)
        collection.add(ids=["a", "b"], embeddings=[[1, 2], [2, 1]], metadatas=[{"year": 1}, {"year": 2}])
        found = chroma_nb.project(collection, "pca")
        with pytest.raises(TypeError, match=r"figure\(\) has no option 'colour'\. Did you mean 'color'\?"):
            found.figure(colour="year")
        with pytest.raises(ValueError, match=r"'yeer'\. Did you mean 'year'\?"):
            found.figure(color="yeer")

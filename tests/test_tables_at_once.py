"""A table or a file is one call: whatever goes wrong, the collection is as it was before.

Where it cannot be one transaction (over HTTP, chromadb's own collections) everything is computed first, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from engine_samples import asked
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chroma_nb
import chroma_nb.pandas
from chroma_nb.dataframe_calls import run, sync, write
from chroma_nb.embedding_functions import progress
from chroma_nb.tables import batches

EVERYTHING = ["embeddings", "documents", "metadatas", "uris"]
#: Rows of the tables: three pieces of what is embedded at once.
ROWS = 700


def vector_of(text: str) -> np.ndarray[Any, Any]:
    """What the embedding function below makes of a text."""
    return np.random.default_rng(list(text.encode())).normal(size=3).astype(np.float32)


class Provider(chroma_nb.EmbeddingFunction):  # type: ignore[type-arg]
    """An embedding function that fails at its n-th call, when it is told to, and counts texts."""

    def __init__(self) -> None:
        self.calls, self.texts = 0, 0
        self.fails_at: int | None = None
        self.error: BaseException = RuntimeError("provider: 503")

    def __call__(self, input: Any) -> Any:
        self.calls += 1
        if self.calls == self.fails_at:
            raise self.error
        self.texts += len(input)
        return [vector_of(text) for text in input]

    @staticmethod
    def name() -> str:
        return "tests-provider"

    def get_config(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Provider:
        return Provider()


def table(rows: int = ROWS, first: int = 0, text: str = "text") -> pd.DataFrame:
    """Rows whose documents are to be embedded, the last of them known to the collection."""
    numbers = range(first, first + rows)
    return pd.DataFrame(
        {"id": [f"r{n}" for n in numbers], "document": [f"{text} {n}" for n in numbers], "n": list(numbers)}
    )


def arrow(frame: pd.DataFrame) -> Any:
    return pytest.importorskip("pyarrow").Table.from_pandas(frame, preserve_index=False)


def parquet_file(frame: pd.DataFrame, folder: Path) -> Path:
    pytest.importorskip("pyarrow.parquet").write_table(arrow(frame), folder / "rows.parquet")
    return folder / "rows.parquet"


def jsonl_file(frame: pd.DataFrame, folder: Path) -> Path:
    lines = [
        json.dumps({"id": row.id, "document": row.document, "metadata": {"n": row.n}}, default=int)
        for row in frame.itertuples()
    ]
    (folder / "rows.jsonl").write_text("\n".join(lines))
    return folder / "rows.jsonl"


#: Every call that takes a table or a file.
CALLS: dict[str, Callable[[Any, pd.DataFrame, Path], Any]] = {
    "add": lambda collection, frame, folder: collection.add(frame),
    "upsert": lambda collection, frame, folder: collection.upsert(frame),
    "update": lambda collection, frame, folder: collection.update(frame),
    "add_df": lambda collection, frame, folder: collection.add_df(frame),
    "upsert_df": lambda collection, frame, folder: collection.upsert_df(frame),
    "update_df": lambda collection, frame, folder: collection.update_df(frame),
    "sync": lambda collection, frame, folder: collection.sync(frame),
    "sync and delete": lambda collection, frame, folder: collection.sync(frame, delete=True),
    "df.chroma": lambda collection, frame, folder: frame.chroma.to_collection(collection),
    "from_arrow": lambda collection, frame, folder: collection.from_arrow(arrow(frame), batch_size=100),
    "from_parquet": lambda collection, frame, folder: collection.from_parquet(
        parquet_file(frame, folder), batch_size=100
    ),
    "from_jsonl": lambda collection, frame, folder: collection.from_jsonl(jsonl_file(frame, folder), batch_size=100),
}
CALL = pytest.mark.parametrize("call", list(CALLS.values()), ids=list(CALLS))


def state(collection: Any) -> dict[str, Any]:
    """Everything a collection holds, in its order, and what else a call could change."""
    got = collection.get(include=EVERYTHING)
    vectors = np.asarray(got["embeddings"], np.float32).tolist() if got["ids"] else []
    return {"ids": got["ids"], "vectors": vectors, **{name: got[name] for name in EVERYTHING[1:]}}


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture(params=["memory", "disk, by pieces"])  # on disk, at once: tests/faults/test_tables.py
def collection(request: Any, provider: Provider, tmp_path: Path, monkeypatch: Any, no_place_is_open: None) -> Any:
    """Records before, between and after those of the tables; with uris, and metadata of their own."""
    if request.param == "memory":
        client: Any = chroma_nb.EphemeralClient()
    else:
        client = chroma_nb.PersistentClient(tmp_path / "db")
    if "pieces" in request.param:
        monkeypatch.setattr(batches, "MEMORY_BUDGET", 4_000)
        monkeypatch.setattr(batches, "STAGED_BYTES", 1_000)
        monkeypatch.setattr(batches, "BATCH", 100)
    with client:
        yield filled(client, provider)


def filled(client: Any, provider: Provider) -> Any:
    collection = client.create_collection("rows", embedding_function=provider)
    collection.add(
        ids=["a", "r5", "r690", "z"],
        documents=["first", "old five", None, "last"],
        embeddings=np.eye(4, 3),
        metadatas=[{"k": 1}, {"mine": True}, None, {"k": 2}],
        uris=["u", "v", "w", None],
    )
    return collection


# --- Nothing is half done -----------------------------------------------------------------------------------
@CALL
@pytest.mark.parametrize("error", [RuntimeError("provider: 429"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_provider_that_fails_leaves_the_collection_as_it_was(call, error, collection, provider, tmp_path):
    before, client = state(collection), collection._client
    provider.error, failures = error, 0
    for fails_at in (1, 2, 3):
        provider.calls, provider.fails_at = 0, fails_at
        try:
            call(collection, table(), tmp_path)
        except type(error):
            failures += 1
            assert state(collection) == before
        else:
            break
    assert failures > 0
    provider.fails_at = None
    call(collection, table(), tmp_path)
    assert state(collection) != before
    assert client._backend.handle(chroma_nb.operations.requests.Verify()) == []


@CALL
def test_after_a_failure_what_was_embedded_is_not_embedded_again(call, local_client, provider, tmp_path):
    remembering = chroma_nb.cached(provider, path=tmp_path / "vectors.sqlite3")
    collection = local_client.create_collection("rows", embedding_function=remembering)
    if call in (CALLS["update"], CALLS["update_df"]):
        collection.add(ids=[f"r{n}" for n in range(ROWS)], embeddings=np.ones((ROWS, 3)))
    provider.fails_at = 3
    with pytest.raises(RuntimeError, match="503"):
        call(collection, table(), tmp_path)
    embedded = provider.texts
    assert embedded > 0
    provider.fails_at = None
    call(collection, table(), tmp_path)
    assert provider.texts == ROWS


@CALL
@pytest.mark.parametrize(
    "spoilt",
    [
        {"id": "r0"},
        {"n": float("inf")},
        {"document": 5},
    ],
    ids=["an id twice", "a value that cannot be", "a document that is none"],
)
def test_an_error_in_a_late_row_leaves_the_collection_as_it_was(call, spoilt, collection, provider, tmp_path):
    if call in (CALLS["from_arrow"], CALLS["from_parquet"]) and "document" in spoilt:
        pytest.skip("a column of Arrow has one type")
    frame = table().astype({"document": object, "n": object})
    for column, value in spoilt.items():
        frame.loc[ROWS - 1, column] = value
    before = state(collection)
    if call in (CALLS["from_arrow"], CALLS["from_parquet"]) and "n" in spoilt:
        frame = frame.assign(n=frame["n"].astype(float)).rename(columns={"n": "#n"})  # a key that cannot be
    if call is CALLS["from_jsonl"] and "n" in spoilt:
        frame["n"] = frame["n"].map(lambda value: {"nested": 1} if value == float("inf") else value)
    with pytest.raises((ValueError, chroma_nb.errors.ChromaError)):
        call(collection, frame, tmp_path)
    assert state(collection) == before
    if batches.MEMORY_BUDGET > 4_000:
        assert provider.texts == 0  # nothing is paid for in vain


@CALL
def test_a_bar_that_breaks_ends_no_call(call, collection, monkeypatch, tmp_path):
    def update(self: Any, n: int) -> None:
        raise BrokenPipeError("nobody reads the bar")

    before = state(collection)
    with monkeypatch.context() as patch:
        patch.setattr(progress._Bar, "update", update)
        call(collection, table(), tmp_path)
    after = state(collection)
    assert after != before
    call(collection, table(), tmp_path)  # which finds nothing left to do
    assert state(collection) == after
    assert list(tmp_path.glob("db/vectors/*.new")) == []


class BrokenBar:
    """Fails at one of its methods."""

    done = 0

    def __init__(self, fails: str) -> None:
        self._fails = fails

    def __call__(self, total: int | None, verb: str) -> Any:
        return self._step("__call__")

    def __enter__(self) -> Any:
        return self._step("__enter__")

    def update(self, n: int) -> None:
        self._step("update")

    def __exit__(self, *error: object) -> None:
        self._step("__exit__")

    def _step(self, name: str) -> Any:
        if name == self._fails:
            raise BrokenPipeError("nobody reads the bar")
        return self


@pytest.mark.parametrize("at_once", [True, False], ids=["one transaction", "calls"])
@pytest.mark.parametrize("fails", ["__call__", "__enter__", "update", "__exit__"])
def test_a_bar_that_breaks_in_the_middle_of_a_sync_changes_nothing_of_what_it_does(
    fails, at_once, collection, monkeypatch
):
    if not at_once:
        monkeypatch.setattr(type(collection), "_edits_at_once", False)
    first = table(3).assign(document=["new", None, "text 2"])
    collection.upsert_df(table(3))
    frame = pd.concat([first, table(2, ROWS + 50)])
    done = run(collection, sync(frame, delete=True, bar=BrokenBar(fails)))
    assert (done.added, done.updated, done.unchanged) == (2, 2, 1)
    found = collection.get()
    documents = dict(zip(frame["id"], frame["document"], strict=True)) | {"r1": None}
    assert dict(zip(found["ids"], found["documents"], strict=True)) == documents


def test_a_bar_that_breaks_when_all_is_written_does_not_say_that_it_is_not(collection):
    frame = pd.DataFrame({"id": ["n1"], "embedding": [[1.0, 2.0, 3.0]]})
    for fails in ("update", "__exit__"):
        assert run(collection, write("upsert", frame, bar=BrokenBar(fails))).written == 1


def test_a_table_is_one_change_for_those_who_follow(collection, tmp_path):
    """Another reader never sees a part: there is one sequence number for the call."""
    engine = collection._client._backend.engine
    seq = asked(engine, "SELECT seq FROM collections")
    for number, call in enumerate(CALLS.values(), 1):
        call(collection, table(ROWS, 0, f"text of call {number}"), tmp_path)
        now = asked(engine, "SELECT seq FROM collections")
        assert now <= seq + 1
        seq = now


def test_the_vectors_of_one_call_have_one_dimension(collection):
    before = state(collection)
    frame = pd.DataFrame({"id": ["x", "y"], "document": ["one", "two"], "embedding": [[1.0, 2.0], None]})
    with pytest.raises(chroma_nb.errors.InvalidArgumentError, match="of one dimension, got 2 and 3"):
        collection.add(frame)
    assert state(collection) == before


def test_a_record_without_anything_to_be_found_by_is_named(collection, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"id": "n1", "document": "x"}\n{"id": "n2", "metadata": {"a": 1}}\n')
    before = state(collection)
    with pytest.raises(ValueError, match="got neither for 'n2' in upsert"):
        collection.from_jsonl(tmp_path / "rows.jsonl")
    with pytest.raises(ValueError, match=r"row 1 \(id 'n2'\): upsert needs a document or an embedding"):
        collection.upsert(pd.DataFrame({"id": ["n1", "n2"], "document": ["x", None], "uri": [None, "u"]}))
    assert state(collection) == before


@CALL
def test_a_provider_may_write_to_the_collection_itself(call, collection, provider, monkeypatch, tmp_path):
    """Nothing is locked while others are waited for, and what they write meanwhile is not lost."""
    embed = Provider.__call__

    def embedding(self: Any, input: Any) -> Any:
        collection.upsert(ids=[f"own {self.calls}"], embeddings=[[1, 2, 3]], documents=["by the provider"])
        return embed(self, input)

    monkeypatch.setattr(Provider, "__call__", embedding)
    call(collection, table(), tmp_path)
    own = [name for name in collection.get(include=[])["ids"] if name.startswith("own")]
    assert len(own) == provider.calls
    assert collection._client._backend.handle(chroma_nb.operations.requests.Verify()) == []


def test_what_uris_point_to_is_loaded_and_embedded(local_client, provider):
    collection = local_client.create_collection("loaded", embedding_function=provider)
    frame = pd.DataFrame({"id": ["x", "y"], "document": ["text", None], "uri": [None, "file:///y"]})
    with pytest.raises(ValueError, match="You must set a data loader"):
        collection.add(frame)
    assert collection.count() == 0
    collection = local_client.get_collection(
        "loaded", embedding_function=provider, data_loader=lambda uris: [f"loaded {uri}" for uri in uris]
    )
    collection.add(frame)
    got = collection.get(include=EVERYTHING)
    assert np.allclose(got["embeddings"], [vector_of("text"), vector_of("loaded file:///y")])
    assert got["uris"] == [None, "file:///y"]


# --- Reports say what was done ------------------------------------------------------------------------------
@pytest.fixture(params=["at once", "by the public methods", "over http", "chromadb"])
def either(request, tmp_path, provider):
    """A collection that takes a table at once, and those that are called several times."""
    if request.param == "chromadb":
        chromadb = pytest.importorskip("chromadb")
        with chromadb.EphemeralClient() as client:
            name = f"tables-{np.random.default_rng().integers(2**60)}"
            yield client.create_collection(name, embedding_function=Provider())
            client.delete_collection(name)
        return
    with chroma_nb.PersistentClient(tmp_path / "db") as store:
        if request.param == "over http":
            with chroma_nb.serve(store, port=0) as server, chroma_nb.HttpClient(port=server.port) as client:
                yield client.create_collection("rows", embedding_function=provider)
        else:
            collection = store.create_collection("rows", embedding_function=provider)
            yield collection if request.param == "at once" else Public(collection)


class Public:
    """A collection of which little more than the public methods can be called, as of chromadb's."""

    def __init__(self, collection: Any) -> None:
        self._inside = collection

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") and name != "_embed":
            raise AttributeError(name)
        return getattr(self._inside, name)


class Wrapped(Public):
    """One that does not even embed apart from writing."""

    _embed = None


def test_a_collection_that_embeds_only_when_it_writes_is_written_in_small_batches(collection, provider):
    assert run(Wrapped(collection), write("add", table())).written == ROWS - 2
    assert provider.calls == 3
    assert np.allclose(collection.get(ids=["r7"], include=["embeddings"])["embeddings"], [vector_of("text 7")])


def test_the_report_of_a_write_counts_what_was_written(either):
    frame = pd.DataFrame({"id": ["a", "b"], "document": ["one", "two"], "n": [1, 2]})
    assert repr(run(either, write("add", frame))) == "2 rows written"
    again = run(either, write("add", frame))
    assert (again.written, again.existing) == (0, 2)
    assert repr(again) == "0 rows written; 2 unchanged: their ids exist already"
    more = pd.concat([frame, frame.iloc[:1].assign(id="c")])
    assert run(either, write("add", more)).written == 1
    updated = run(either, write("update", more.assign(id=["a", "nobody", "b"])))
    assert repr(updated) == "2 rows written; 1 not found: no record has these ids"
    assert run(either, write("upsert", more.assign(id=["a", "new", "b"]))).written == 3
    assert either.count() == 4


def test_row_numbers_are_no_ids_of_records_that_are_there(either):
    frame = pd.DataFrame({"document": ["one", "two", "three"], "n": [1, 2, 3]})
    assert run(either, sync(frame)).added == 3
    assert run(either, sync(frame)).unchanged == 3
    assert run(either, write("upsert", frame)).written == 0
    before = state(either)
    sorted_again = [frame.sort_values("document", ignore_index=True), frame.iloc[::-1].reset_index(drop=True)]
    shuffled = frame.iloc[::-1].set_axis([1, 0, 2])  # as sorting leaves an index: nobody chose it
    for other in [*sorted_again, shuffled]:
        for calls in (sync(other), sync(other, delete=True), write("upsert", other), write("update", other)):
            with pytest.raises(ValueError, match="The DataFrame has no id column"):
                run(either, calls)
        assert state(either) == before
    with pytest.raises(ValueError, match="The DataFrame has no id column"):
        run(either, write("add", frame))
    longer = pd.concat([frame, frame.iloc[:1].assign(document="four")], ignore_index=True)
    assert run(either, sync(longer)).added == 1
    assert run(either, sync(longer.iloc[::-1].rename_axis("number"))).unchanged == 4
    with pytest.raises(ValueError, match="The DataFrame has no id column"):
        run(either, sync(frame, delete=True))  # one who forgets the ids must not delete by them


def test_sync_skips_a_new_row_with_nothing_in_it_and_says_which(either):
    run(either, sync(pd.DataFrame({"id": ["a"], "document": ["one"]})))
    frame = pd.DataFrame({"id": ["a", "b", "c", "d"], "document": ["one", None, "three", 5], "n": [1, 2, 3, 4]})
    with pytest.raises(ValueError, match=r"1 row cannot become a record.*row 1 \(id 'b'\).*on_error=\"skip\""):
        run(either, sync(frame.iloc[:3]))
    assert either.get()["ids"] == ["a"]
    done = run(either, sync(frame, delete=True, on_error="skip"))
    assert (done.added, done.updated) == (1, 1)
    assert [(bad.row, bad.id) for bad in done.skipped] == [(1, "b"), (3, "d")]
    assert "is new, and" in done.skipped[0].reason
    assert either.get()["ids"] == ["a", "c"]


def test_over_http_an_error_says_what_is_written(provider, tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "BATCH", 200)
    with (
        chroma_nb.EphemeralClient() as store,
        chroma_nb.serve(store, port=0) as server,
        chroma_nb.HttpClient(port=server.port) as client,
    ):
        collection = client.create_collection(f"rows-{tmp_path.name}", embedding_function=provider)
        real, calls = type(collection).add, []

        def add(self: Any, *arguments: Any, **fields: Any) -> None:
            calls.append(fields["ids"])
            if len(calls) == 3:
                raise chroma_nb.errors.RateLimitError("slow down")
            real(self, *arguments, **fields)

        monkeypatch.setattr(type(collection), "add", add)
        with pytest.raises(chroma_nb.errors.RateLimitError) as caught:
            collection.add_df(table())
        assert "400 of 700, up to id 'r399', are written, those from id 'r400' on are not" in str(caught.value)
        assert collection.get(include=[])["ids"] == [f"r{n}" for n in range(400)]
        assert provider.texts == ROWS  # all of it came first


# --- sync takes a part away, and nothing else ----------------------------------------------------------------
def test_sync_takes_a_document_or_a_uri_away_and_leaves_the_rest(either):
    vectors = np.eye(3, dtype=np.float32)
    either.add(
        ids=["a", "b", "c"],
        embeddings=vectors,
        documents=["x", "y", "z"],
        metadatas=[{"read": "yes"}, {"read": "no", "n": 1}, None],
        uris=["u1", "u2", None],
    )
    first = run(either, sync(pd.DataFrame({"id": ["a", "b", "c"], "document": [None, "y", None]})))
    assert (first.added, first.updated, first.embedded, first.unchanged) == (0, 2, 0, 1)
    second = run(either, sync(pd.DataFrame({"id": ["b", "a"], "uri": [None, "u1"]})))
    assert (second.updated, second.unchanged) == (1, 1)
    got = either.get(include=EVERYTHING)
    at = {name: row for row, name in enumerate(got["ids"])}
    rows = [at[name] for name in ("a", "b", "c")]
    assert [got["documents"][row] for row in rows] == [None, "y", None]
    assert [got["uris"][row] for row in rows] == ["u1", None, None]
    assert [got["metadatas"][row] or None for row in rows] == [{"read": "yes"}, {"read": "no", "n": 1}, None]
    assert np.allclose(np.asarray(got["embeddings"])[rows], vectors)
    if getattr(either, "_edits_at_once", False):
        assert got["ids"] == ["a", "b", "c"]
    assert run(either, sync(pd.DataFrame({"id": ["b", "a"], "uri": [None, "u1"]}))).unchanged == 2


@pytest.mark.parametrize("error", [RuntimeError("503"), KeyboardInterrupt()], ids=["error", "interrupt"])
@pytest.mark.parametrize("fails", ["delete", "add"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_record_that_is_replaced_by_two_calls_is_put_back_when_one_fails(
    error, fails, moment, local_client, provider, monkeypatch
):
    collection = local_client.create_collection("rows", embedding_function=provider)
    collection.add(ids=["a", "b"], documents=["x", "y"], metadatas=[{"n": 1}, {"n": 2}], embeddings=np.eye(2, 3))
    before = state(collection)
    public = Public(collection)
    real, count = getattr(collection, fails), 0

    def failing(**arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count > 1:
            return real(**arguments)
        if moment == "after":
            real(**arguments)
        raise error

    setattr(public, fails, failing)
    with pytest.raises(type(error)):
        run(public, sync(pd.DataFrame({"id": ["a"], "document": [None]})))
    after = state(collection)
    at = [after["ids"].index(name) for name in before["ids"]]
    lost = fails == "add" and moment == "after"  # the new record is there already
    assert [after["documents"][row] for row in at] == ([None, "y"] if lost else ["x", "y"])
    for name in ("metadatas", "uris", "vectors"):
        assert [after[name][row] for row in at] == before[name]


TEXTS = st.none() | st.sampled_from(["x", "y", "", "ü"])
VALUES = st.sampled_from([1, 1.0, True, "1", "", 2**40, [1], ["a", "b"], 0.5])


@st.composite
def frames(draw: Any) -> pd.DataFrame:
    """A table with some of the columns, cells of which are missing, in any order of rows."""
    ids = draw(st.permutations("abcdef"))[: draw(st.integers(1, 6))]
    columns: dict[str, Any] = {"id": list(ids)}
    columns["document"] = pd.Series([draw(TEXTS) for _ in ids], dtype=object)
    if draw(st.booleans()):
        columns["uri"] = pd.Series([draw(TEXTS) for _ in ids], dtype=object)
    if draw(st.booleans()):
        columns["embedding"] = pd.Series(
            [draw(st.none() | st.sampled_from([[1.0, 0.0, 0.0], [0.0, 1.0, 0.5]])) for _ in ids], dtype=object
        )
    for key in ("k", "l"):
        if draw(st.booleans()):
            columns[key] = pd.Series([draw(st.none() | VALUES) for _ in ids], dtype=object)
    if draw(st.booleans()) and len(columns) > 2:
        del columns["document"]
    return pd.DataFrame(columns)


def synced(before: dict[str, dict[str, Any]], frame: pd.DataFrame, delete: bool) -> dict[str, dict[str, Any]]:
    """The oracle: what a collection holds after sync, record by record."""
    after = {name: dict(record) for name, record in before.items()}
    keys = [name for name in frame.columns if name in ("k", "l")]
    for row in frame.to_dict("records"):
        said = {name: None if value is None or value is np.nan else value for name, value in row.items()}
        name, document = said["id"], said.get("document")
        new = name not in after
        if new and document is None and said.get("embedding") is None:
            continue  # skipped
        record = after.setdefault(name, {"document": None, "uri": None, "metadata": {}, "vector": None})
        changed = "document" in said and document != record["document"]
        if "document" in said:
            record["document"] = document
        if "uri" in said:
            record["uri"] = said["uri"]
        if said.get("embedding") is not None:
            record["vector"] = said["embedding"]
        elif document is not None and (changed or new):
            record["vector"] = vector_of(document).tolist()
        if keys:
            record["metadata"] = {key: said[key] for key in keys if said[key] is not None}
    if delete:
        after = {name: record for name, record in after.items() if name in set(frame["id"])}
    return after


def records_of(collection: Any) -> dict[str, dict[str, Any]]:
    got = collection.get(include=EVERYTHING)
    rows = zip(
        got["ids"], got["documents"], got["uris"], got["metadatas"], got["embeddings"], strict=True
    )  # in the order of get
    return {
        name: {"document": document, "uri": uri, "metadata": dict(metadata or {}), "vector": list(vector)}
        for name, document, uri, metadata, vector in rows
    }


def exactly(value: Any) -> Any:
    return [exactly(one) for one in value] if isinstance(value, list) else (type(value), value)


@given(st.lists(st.tuples(frames(), st.booleans()), min_size=1, max_size=4))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_sync_agrees_with_its_oracle(either, tables):
    known = either.get(include=[])["ids"]
    if known:
        either.delete(ids=known)
    wanted: dict[str, dict[str, Any]] = {}
    for frame, delete in tables:
        if "uri" in frame and "document" in frame:  # what has a uri alone would have to be loaded
            bare = frame["document"].isna() & (frame["embedding"].isna() if "embedding" in frame else True)
            frame = frame.assign(uri=frame["uri"].where(~(bare & ~frame["id"].isin(list(wanted))), None))
        elif "uri" in frame and "embedding" not in frame:
            frame = frame[frame["id"].isin(list(wanted))]
        elif "uri" in frame:
            frame = frame[frame["id"].isin(list(wanted)) | ~frame["embedding"].isna()]
        before = wanted
        wanted = synced(wanted, frame, delete)
        report = run(either, sync(frame, delete=delete, on_error="skip"))
        now = records_of(either)
        assert set(now) == set(wanted)
        for name, record in wanted.items():
            assert (now[name]["document"], now[name]["uri"]) == (record["document"], record["uri"])
            assert {k: exactly(v) for k, v in now[name]["metadata"].items()} == {
                k: exactly(v) for k, v in record["metadata"].items()
            }
            assert np.allclose(now[name]["vector"], record["vector"], atol=1e-6)
        assert report.added == len(set(wanted) - set(before))
        assert report.deleted == len(set(before) - set(wanted))
        touched = [name for name in frame["id"] if name in before]
        assert report.updated == sum(before[name] != wanted[name] for name in touched if name in wanted)
        assert report.updated + report.unchanged == len(touched)
        if getattr(either, "_edits_at_once", False):
            order = [name for name in before if name in wanted]
            assert list(now) == order + [name for name in frame["id"] if name in wanted and name not in before]
        assert run(either, sync(frame, delete=delete, on_error="skip")).updated == 0

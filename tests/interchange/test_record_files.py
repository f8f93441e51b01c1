"""Parquet, JSON Lines and Arrow: what is written comes back, to the bit, in bounded memory."""

import asyncio
import datetime
import decimal
import gzip
import json
import subprocess
import tracemalloc

import numpy as np
import pytest
from chroma_fixtures import unpack

import chroma_nb
from chroma_nb.interchange import arrow, json_lines, parquet
from chroma_nb.records import Records
from chroma_nb.types import SparseVector

pa = pytest.importorskip("pyarrow", reason="Arrow and Parquet need pyarrow: pip install pyarrow")
pq = pytest.importorskip("pyarrow.parquet", reason="Arrow and Parquet need pyarrow: pip install pyarrow")
EVERYTHING = ["embeddings", "documents", "metadatas", "uris"]


@pytest.fixture
def client(no_place_is_open):
    with chroma_nb.EphemeralClient() as client:
        yield client


@pytest.fixture
def birds(client):
    collection = client.create_collection("birds", embedding_function=None)
    collection.add(
        ids=["wren", "crow", "rook", "ü\n🐦"],
        embeddings=np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32),
        documents=["a wren", None, "", "four"],
        metadatas=[{"n": 1, "x": 1.0, "b": True, "tags": ["a", "b"]}, {"n": "text"}, None, {"big": 2**62}],
        uris=[None, "file:///crow", None, None],
    )
    return collection


def same(one, other):
    left, right = (collection.get(include=EVERYTHING) for collection in (one, other))
    assert (
        np.asarray(left.pop("embeddings"), np.float32).tobytes()
        == np.asarray(right.pop("embeddings"), np.float32).tobytes()
    )
    left["metadatas"] = [metadata or None for metadata in left["metadatas"]]
    right["metadatas"] = [metadata or None for metadata in right["metadatas"]]
    assert left == right
    for a, b in zip(left["metadatas"], right["metadatas"], strict=True):
        assert [type(value) for value in (a or {}).values()] == [type(value) for value in (b or {}).values()]


def test_a_sparse_vector_is_written_as_chromas_api_writes_it_and_read_back(tmp_path):
    value = float(np.float32(0.1))
    given = [{"v": SparseVector([1, 7], [value, 2.0], ["a", "ü"]), "text": "#type"}, {"v": SparseVector([], [])}, None]
    records = Records(["a", "b", "c"], np.ones((3, 2), np.float32), metadatas=given)
    file = json_lines.JsonLinesFile(tmp_path / "records.jsonl")
    file.write(records)
    file.close()
    first = json.loads((tmp_path / "records.jsonl").read_text().splitlines()[0])
    assert first["metadata"]["v"] == {
        "#type": "sparse_vector", "indices": [1, 7], "values": [0.1, 2.0], "tokens": ["a", "ü"]
    }  # fmt: skip
    read = [*json_lines.read(tmp_path / "records.jsonl", 10)]
    batch = arrow.to_batch(records, arrow.schema(2))
    assert json.loads(batch.column("metadata")[0].as_py()) == first["metadata"]
    read.append(arrow.from_batch(batch))
    for found in read:
        kept = found.metadatas[0]["v"]
        assert (kept.indices, kept.labels) == ([1, 7], ["a", "ü"])
        assert np.float32(kept.values).tolist() == [value, 2.0]
        assert found.metadatas[1:] == [{"v": SparseVector([], [])}, None]


@pytest.mark.parametrize("batch_size", [1, 3, 5000])
@pytest.mark.parametrize("form", ["parquet", "jsonl", "jsonl.gz"])
def test_a_file_gives_back_what_was_written(form, batch_size, birds, client, tmp_path):
    path, name = tmp_path / f"birds.{form}", form.split(".")[0]
    assert getattr(birds, f"to_{name}")(path, batch_size=batch_size) == 4
    again = client.create_collection("again", embedding_function=None)
    assert getattr(again, f"from_{name}")(path, batch_size=batch_size) == 4
    same(birds, again)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_table_gives_back_what_was_put_into_it(birds, client):
    table = birds.to_arrow(batch_size=3)
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 5)
    assert table.column_names == ["id", "embedding", "document", "uri", "metadata"]
    assert json.loads(table.schema.metadata[b"chroma_nb"])["name"] == "birds"
    again = client.create_collection("again", embedding_function=None)
    assert again.from_arrow(table, batch_size=3) == 4
    same(birds, again)


def test_a_filter_chooses_what_is_written(birds, tmp_path):
    assert birds.to_jsonl(tmp_path / "some.jsonl", where={"n": 1}) == 1
    [line] = (tmp_path / "some.jsonl").read_text().splitlines()
    assert json.loads(line)["metadata"] == {"n": 1, "x": 1.0, "b": True, "tags": ["a", "b"]}


def test_an_empty_collection_makes_an_empty_file_that_reads_back(client, tmp_path):
    empty = client.create_collection("empty", embedding_function=None)
    assert empty.to_parquet(tmp_path / "empty.parquet") == 0
    assert empty.to_jsonl(tmp_path / "empty.jsonl") == 0
    assert empty.from_parquet(tmp_path / "empty.parquet") == 0
    assert empty.from_jsonl(tmp_path / "empty.jsonl") == 0
    assert empty.to_arrow().num_rows == 0


def test_the_async_form_does_the_same(tmp_path):
    async def there_and_back(port):
        async with await chroma_nb.AsyncHttpClient(port=port) as client:
            one = await client.create_collection("one", embedding_function=None)
            await one.add(ids=["a", "b"], embeddings=[[1, 2], [3, 4]], documents=["x", "y"])
            assert await one.to_parquet(tmp_path / "one.parquet") == 2
            two = await client.create_collection("two", embedding_function=None)
            assert await two.from_parquet(tmp_path / "one.parquet") == 2
            return await two.get()

    with chroma_nb.EphemeralClient() as client, chroma_nb.serve(client, port=0) as server:
        assert asyncio.run(there_and_back(server.port))["documents"] == ["x", "y"]


def test_further_columns_of_a_table_become_metadata(client):
    table = pa.table(
        {"id": ["a", "b"], "embedding": [[1.0, 2.0], [3.0, 4.0]], "year": [1999, None], "metadata": ['{"k": 1}', None]}
    )
    collection = client.create_collection("made", embedding_function=None)
    collection.from_arrow(table)
    assert collection.get()["metadatas"] == [{"k": 1, "year": 1999}, None]


def test_records_without_an_embedding_are_embedded_from_their_documents(client, tmp_path):
    class Lengths(chroma_nb.EmbeddingFunction):
        def __init__(self):
            pass

        def __call__(self, input):
            return [np.array([len(text), 0], np.float32) for text in input]

    lines = [{"id": "a", "document": "four"}, {"id": "b", "embedding": [7, 7]}, {"id": "c", "document": "seven77"}]
    (tmp_path / "mixed.jsonl").write_text("\n".join(map(json.dumps, lines)))
    collection = client.create_collection("mixed", embedding_function=Lengths())
    assert collection.from_jsonl(tmp_path / "mixed.jsonl") == 3
    got = collection.get(include=["embeddings"])
    assert got["ids"] == ["a", "b", "c"]
    assert got["embeddings"].tolist() == [[4, 0], [7, 7], [7, 0]]


def test_vectors_that_an_import_could_not_save_can_be_given_by_a_file(no_place_is_open, tmp_path, capsys):
    folder = unpack("chroma-1.5.9", tmp_path)
    for data in folder.glob("*/data_level0.bin"):
        data.unlink()
    with chroma_nb.PersistentClient(folder) as client:
        collection = client.get_collection("docs-l2", embedding_function=None)
        before = collection.count()
        [lost] = (folder / "chroma_nb-import").glob(f"{collection.id}.without-vectors.jsonl")
        records = [record for batch in json_lines.read(lost, 100) for record in batch.ids]
        new = {"id": records[0], "embedding": [0.5] * 24}
        (tmp_path / "new.jsonl").write_text(json.dumps(new))
        collection.from_jsonl(tmp_path / "new.jsonl")
        assert collection.count() == before == 1328
        assert collection.get(ids=records[:1], include=["embeddings"])["embeddings"].tolist() == [[0.5] * 24]
    assert "have no vector any more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"id": "a", "embedding": [1]}\nnonsense\n', "line 2 is not JSON"),
        ('{"document": "no id"}\n', "expected line 1 to be an object with a text as its 'id'"),
        ("[1, 2]\n", "expected line 1 to be an object"),
        ('{"id": "a", "embedding": [1]}\n{"id": "b", "embedding": [1, 2]}\n', "one length, got 1 ('a') and 2 ('b')"),
    ],
)
def test_a_line_that_is_no_record_is_named(text, words, client, tmp_path):
    (tmp_path / "bad.jsonl").write_text(text)
    with pytest.raises(ValueError) as raised:  # noqa: PT011  # the words are compared below
        client.create_collection("bad", embedding_function=None).from_jsonl(tmp_path / "bad.jsonl")
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"name": ["a"]}, "expected a column 'id'"),
        ({"id": [1]}, "expected the column 'id' to hold texts"),
        ({"id": ["a", "b"], "embedding": [[1.0], [1.0, 2.0]]}, "to have one length, got [1, 2]"),
        ({"id": ["a"], "metadata": ["[1]"]}, "expected an object of JSON in the column 'metadata'"),
    ],
)
def test_a_table_that_holds_no_records_is_refused(columns, words):
    with pytest.raises(ValueError) as raised:  # noqa: PT011  # the words are compared below
        arrow.from_batch(pa.table(columns))
    assert words in str(raised.value)


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_writing_that_fails_leaves_no_file_and_keeps_the_old_one(form, birds, tmp_path, monkeypatch):
    path = tmp_path / f"birds.{form}"
    path.write_text("the old one")
    calls = []

    def failing(original):
        def fail(self, *arguments, **named):
            calls.append(1)
            if len(calls) > 1:
                raise KeyboardInterrupt
            return original(self, *arguments, **named)

        return fail

    for reading in ("get", "_get_as_stored"):
        monkeypatch.setattr(type(birds), reading, failing(getattr(type(birds), reading)))
    with pytest.raises(KeyboardInterrupt):
        getattr(birds, f"to_{form}")(path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "the old one"


@pytest.mark.parametrize("form", ["parquet", "jsonl", "jsonl.gz"])
def test_on_a_full_disk_nothing_of_a_file_is_left(form, client, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        collection = client.create_collection("many", embedding_function=None)
        vectors = np.random.default_rng(0).standard_normal((700, 64)).astype(np.float32)
        collection.add(ids=[str(n) for n in range(700)], embeddings=vectors)
        with pytest.raises(OSError, match="No space left"):
            getattr(collection, f"to_{form.removesuffix('.gz')}")(small / f"many.{form}", batch_size=100)
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", small], check=True)


@pytest.mark.parametrize("size", [0, -1, 2.5, "many"])
def test_a_batch_of_no_size_is_refused_and_changes_nothing(size, birds, client, tmp_path):
    path = tmp_path / "birds.jsonl"
    birds.to_jsonl(path)
    kept, other = path.read_bytes(), client.create_collection("other", embedding_function=None)
    table = birds.to_arrow()
    for call in (
        lambda: birds.to_jsonl(path, batch_size=size),
        lambda: birds.to_parquet(tmp_path / "birds.parquet", batch_size=size),
        lambda: birds.to_arrow(batch_size=size),
        lambda: other.from_jsonl(path, batch_size=size),
        lambda: other.from_arrow(table, batch_size=size),
        lambda: other.from_parquet(path, batch_size=size),
        lambda: list(birds.iter_df(page_size=size)),
    ):
        with pytest.raises(ValueError, match=r"expected (batch|page)_size of at least 1, got"):
            call()
    assert path.read_bytes() == kept
    assert [entry.name for entry in tmp_path.iterdir()] == ["birds.jsonl"]
    assert other.count() == 0


@pytest.mark.parametrize("form", ["parquet", "jsonl", "jsonl.gz"])
def test_the_answer_counts_what_was_written_though_somebody_deletes_meanwhile(form, birds, tmp_path, monkeypatch):
    original = type(birds).get

    def get(self, *arguments, **named):
        got = original(self, *arguments, **named)
        if named.get("include") == []:
            birds.delete(ids=["crow"])
        return got

    monkeypatch.setattr(type(birds), "get", get)
    path = tmp_path / f"birds.{form}"
    assert getattr(birds, f"to_{form.removesuffix('.gz')}")(path, batch_size=2) == 3


def test_a_file_that_is_cut_short_is_an_error_that_says_so(client, birds, tmp_path):
    whole, cut, none = (tmp_path / f"{name}.jsonl.gz" for name in ("whole", "cut", "none"))
    birds.to_jsonl(whole)
    cut.write_bytes(whole.read_bytes()[:-20])
    none.write_bytes(b"not compressed")
    other = client.create_collection("other", embedding_function=None)
    for path in (cut, none):
        with pytest.raises(ValueError, match=f"expected {path} to be a complete gzip file"):
            other.from_jsonl(path, batch_size=1)
    assert other.count() == 0


# --- Over HTTP ----------------------------------------------------------------------------------------------
@pytest.fixture
def remote(client):
    with chroma_nb.serve(client, port=0) as server, chroma_nb.HttpClient(port=server.port) as there:
        yield there.create_collection("remote", embedding_function=None)


def lines_of(path, *ids, end=""):
    path.write_text("".join(json.dumps({"id": one, "embedding": [1.0, 2.0]}) + "\n" for one in ids) + end)
    return path


def test_over_http_an_id_that_occurs_twice_in_a_file_is_refused_too(remote, tmp_path):
    with pytest.raises(chroma_nb.errors.DuplicateIDError, match=r"a in upsert\.; the 4 records before these are"):
        remote.from_jsonl(lines_of(tmp_path / "twice.jsonl", "a", "b", "c", "d", "e", "a"), batch_size=2)
    assert remote.get(include=[])["ids"] == ["a", "b", "c", "d"]


def test_over_http_a_line_that_is_no_record_says_what_is_written(remote, tmp_path):
    path = lines_of(tmp_path / "cut.jsonl", "a", "b", "c", end='{"id": "d", "embed')
    with pytest.raises(ValueError, match=r"line 4 is not JSON: .*; the 2 records before these are written"):
        remote.from_jsonl(path, batch_size=2)
    assert remote.get(include=[])["ids"] == ["a", "b"]


@pytest.mark.parametrize("batch_size", [1, 10])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("embedding", value) for value in ("text", 5, [1, "2"], [1, None], [], [[1, 2]], [[1], [1, 2]], {"a": 1})),
        *(("embedding", value) for value in ([1e39, 1], [True, False])),
        ("document", 5),
        ("uri", ["a"]),
        ("id", ""),
    ],
)
def test_a_field_that_is_none_is_named_with_its_line(field, value, batch_size, client, tmp_path):
    collection = client.create_collection("others", embedding_function=None)
    bad = {"id": "b", "embedding": [1, 2], field: value}
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps({"id": "a", "embedding": [1, 2]}) + "\n" + json.dumps(bad))
    with pytest.raises(ValueError, match=f"expected line 2 to .* as its '{field}', got"):
        collection.from_jsonl(path, batch_size=batch_size)
    assert collection.count() == 0


def test_memory_holds_one_batch_at_a_time(client, tmp_path):
    vector = [0.25] * 256
    with gzip.open(tmp_path / "large.jsonl.gz", "wt") as file:
        for n in range(1000):
            file.write(json.dumps({"id": str(n), "embedding": vector}) + "\n")
    tracemalloc.start()
    count = sum(len(batch) for batch in json_lines.read(tmp_path / "large.jsonl.gz", 50))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 1000
    assert peak < 1000 * 256 * 8  # the numbers of all records alone would take four times as much


# --- Cells of files ---------------------------------------------------------------------------------------
def test_cells_of_arrow_become_what_they_become_in_a_dataframe():
    table = pa.table(
        {
            "id": ["a", "b"],
            "metadata": pa.array([{"n": 1, "day": datetime.date(2024, 5, 1)}, None]),
            "kind": pa.array(["x", None]).dictionary_encode(),
            "tags": [[1.0, 2.5], []],
        }
    )
    expected = {"n": 1, "day": "2024-05-01", "kind": "x", "tags": [1.0, 2.5]}
    assert arrow.from_batch(table).metadatas == [expected, None]
    with pytest.raises(ValueError, match="row 0: the key 'n' is both in the column 'metadata' and a column of its own"):
        arrow.from_batch(table.append_column("n", [[5, 6]]))


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("total", [None, decimal.Decimal("1.5")], r"row 6 .* 'total': .*Decimal.*float\(…\)"),
        ("metadata", [None, {"a": {"b": 1}}], "row 6 .* column 'metadata': key 'a': expected text"),
        ("metadata", [None, '{"a": [1, "x"]}'], "row 6 .* key 'a': expected a list of values of one kind"),
        ("metadata", [None, "no JSON"], "row 6 .*expected an object of JSON"),
        ("raw", [None, b"bytes"], "row 6 .* 'raw': .*decode"),
        ("score", [None, float("inf")], "row 6 .* 'score': expected a finite number"),
        ("$x", [1, 2], "can be metadata keys"),
    ],
)
def test_a_cell_of_arrow_that_is_no_value_is_named_with_its_row(column, values, words):
    with pytest.raises(ValueError, match=words):
        arrow.from_batch(pa.table({"id": ["a", "b"], column: values}), first=5)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ('{"a": {"b": 1}}', "line 2: key 'a': expected text"),
        ('{"a": [1, "x"]}', "line 2: key 'a': expected a list of values of one kind"),
        ('{"$a": 1}', "line 2: expected a key that is not reserved by Chroma"),
        ('{"a": 18446744073709551615}', "line 2: key 'a': expected a whole number of at most 64 bits"),
        ("[1]", "line 2 to have an object as its 'metadata'"),
    ],
)
def test_a_line_with_metadata_that_cannot_be_kept_is_named(tmp_path, metadata, words):
    path = tmp_path / "records.jsonl"
    path.write_text(f'{{"id": "a"}}\n{{"id": "b", "metadata": {metadata}}}\n')
    with pytest.raises(ValueError, match=words):
        list(json_lines.read(path, 10))


def test_a_line_may_hold_an_empty_list_and_mixed_numbers(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text('{"id": "a", "metadata": {"a": [], "b": [1, 2.5], "c": null}}\n')
    (records,) = json_lines.read(path, 10)
    assert records.metadatas == [{"b": [1.0, 2.5], "c": None}]


@pytest.mark.parametrize("rows_of_a_group", [1_000, 10**9])
def test_a_parquet_file_is_read_a_batch_at_a_time_whatever_its_row_groups(tmp_path, rows_of_a_group):
    vectors = np.random.default_rng(0).random(20_000 * 128, np.float32)
    columns = {
        "id": [str(number) for number in range(20_000)],
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors), 128),
    }
    path = tmp_path / "birds.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=rows_of_a_group)
    before, most = pa.total_allocated_bytes(), 0
    del columns
    count, batches = parquet.read(path, 500)
    for batch in batches:
        most = max(most, pa.total_allocated_bytes() - before)
        count -= len(batch.ids)
    assert count == 0
    assert most < vectors.nbytes / 2


# --- Files of other programs ------------------------------------------------------------------------------
def test_further_keys_of_a_line_become_metadata_as_further_columns_of_a_table_do(client, tmp_path):
    path = tmp_path / "lines.jsonl"
    lines = [
        {"id": "a", "document": "x", "embedding": [1, 0], "year": 2020, "tags": ["p", "q"], "metadata": {"kind": "k"}},
        {"id": "b", "embedding": [0, 1], "year": None, "price": 1.5},
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    collection = client.create_collection("lines", embedding_function=None)
    assert collection.from_jsonl(path) == 2
    assert collection.get()["metadatas"] == [{"kind": "k", "year": 2020, "tags": ["p", "q"]}, {"price": 1.5}]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"metadata": {"year": 1}, "year": 2}, "line 1: the key 'year' is in 'metadata' and beside it"),
        ({"where": {"deep": 1}}, "line 1: .*where"),
        ({"chroma:document": "x"}, "line 1: .*chroma:document"),
    ],
)
def test_a_further_key_that_cannot_be_kept_is_named_with_its_line(client, tmp_path, more, words):
    path = tmp_path / "lines.jsonl"
    path.write_text(json.dumps({"id": "a", "embedding": [1, 0], **more}))
    collection = client.create_collection("lines", embedding_function=None)
    with pytest.raises(ValueError, match=words):
        collection.from_jsonl(path)
    assert collection.count() == 0


def test_the_index_that_pandas_writes_is_the_id_where_no_column_is(client, tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"document": ["x", "y"], "year": [1, 2]}, index=["a", "b"])
    path = tmp_path / "frame.parquet"
    for named, made in (("nameless", frame), ("named", frame.rename_axis("key"))):
        made.to_parquet(path)
        collection = client.create_collection(named)
        assert collection.from_parquet(path) == 2
        got = collection.get()
        assert got["ids"] == ["a", "b"]
        assert got["metadatas"] == [{"year": 1}, {"year": 2}]
    frame.assign(id=["p", "q"]).to_parquet(path)  # the index says nothing then
    collection = client.create_collection("beside")
    collection.from_parquet(path)
    assert collection.get()["ids"] == ["p", "q"]
    assert collection.get()["metadatas"] == [{"year": 1}, {"year": 2}]
    frame.reset_index(drop=True).to_parquet(path)
    with pytest.raises(ValueError, match="expected a column 'id'"):
        collection.from_parquet(path)

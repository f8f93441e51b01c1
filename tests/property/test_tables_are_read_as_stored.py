"""Tables are read as they are stored; what they hold is what ``get`` returns: values, types, order, what is missing."""

import tempfile
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chroma_nb
from chroma_nb import records
from chroma_nb.interchange import arrow
from chroma_nb.records import Edits, Records
from chroma_nb.tables.frames import to_frame

pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

#: Keys that are called as columns are, and those that Chroma keeps and never shows.
KEYS = (
    "a",
    "b",
    "id",
    "metadata.id",
    "document",
    "embedding",
    "data",
    "rank",
    "metadata",
    "ü",
    "null",
    "chroma:hidden",
)
texts = st.text(st.characters(codec="utf-8"), max_size=4) | st.sampled_from(("null", '"chroma:', "\n", ","))
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = numbers | texts | st.booleans() | st.lists(texts, min_size=1, max_size=2)
metadatas = st.none() | st.dictionaries(st.sampled_from(KEYS), values, min_size=1, max_size=5)
rows = st.lists(st.tuples(st.none() | texts, st.none() | texts, metadatas), min_size=1, max_size=10)
FIELDS = ("documents", "metadatas", "uris", "embeddings")


@pytest.fixture(params=["memory", "disk"])
def client(request, no_place_is_open):
    if request.param == "memory":
        with chroma_nb.EphemeralClient() as client:
            yield client
        return
    with tempfile.TemporaryDirectory() as folder, chroma_nb.PersistentClient(folder) as client:
        yield client


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])  # emptied by the test
@given(
    rows=rows,
    gone=st.sets(st.integers(0, 9)),
    moved=st.sets(st.integers(0, 9)),
    include=st.sets(st.sampled_from(FIELDS)),
    where=st.sampled_from((None, {"a": {"$gt": 0}})),
    page=st.sampled_from(((None, 0), (3, 0), (3, 2), (0, 0))),
)
def test_a_table_holds_what_get_returns(client, rows, gone, moved, include, where, page):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_DECODED_AT_ONCE", 3)
        collection = _filled(client, rows, gone, moved)
        try:
            limit, offset = page
            found = collection.get(where=where, limit=limit, offset=offset or None, include=list(include))
            frame = collection.to_df(where, limit=limit, offset=offset, include=list(include))
            _assert_same(frame, to_frame(found))
            expected = arrow.TableInMemory(collection._described())
            everything = Records.of_result(collection.get(where=where, include=list(FIELDS)))
            for piece in everything.pieces(4):
                expected.write(piece)
            expected.close()
            table = collection.to_arrow(where=where, batch_size=4)
            assert table.equals(expected.table, check_metadata=True)
            table.validate(full=True)
        finally:
            client.delete_collection(collection.name)


def _filled(client, rows, gone, moved):
    """A collection with holes among its records and its vectors."""
    collection = client.create_collection("stored", embedding_function=None)
    ids = [str(number) for number in range(len(rows))]
    documents, uris, metadatas = (list(column) for column in zip(*rows, strict=True))
    vectors = np.random.default_rng(len(rows)).standard_normal((len(rows), 3)).astype(np.float32)
    # As tables are written, which may leave out single documents.
    collection._edit(Edits(add=Records(ids, vectors, documents, metadatas, uris)), embedded=False)
    if moved := [str(number) for number in sorted(moved) if number < len(rows)]:
        collection.update(ids=moved, embeddings=np.ones((len(moved), 3)), metadatas=[{"a": None, "b": 1}] * len(moved))
    if gone := [str(number) for number in gone]:
        collection.delete(ids=gone)
    return collection


def _assert_same(frame, expected):
    assert list(frame.columns) == list(expected.columns)
    assert frame.attrs == expected.attrs
    for name in frame.columns:
        if name == "embedding":
            pairs = list(zip(frame[name], expected[name], strict=True))
            assert all(mine.dtype == theirs.dtype == np.float32 for mine, theirs in pairs)
            assert all(mine.tobytes() == theirs.tobytes() for mine, theirs in pairs)
        else:
            pd.testing.assert_series_equal(frame[name], expected[name])
            assert list(map(type, frame[name].tolist())) == list(map(type, expected[name].tolist()))


def test_the_vectors_of_a_table_are_its_own(client):
    collection = client.create_collection("own", embedding_function=None)
    collection.add(ids=["a", "b"], embeddings=[[1.0, 2.0], [3.0, 4.0]])
    frame, table = collection.to_df(include=["embeddings"]), collection.to_arrow()
    frame["embedding"][0][:] = 0
    collection.update(ids=["a"], embeddings=[[7.0, 7.0]])
    collection.delete(ids=["b"])
    collection.add(ids=["c"], embeddings=[[9.0, 9.0]])
    client.vacuum()
    assert table["embedding"].to_pylist() == [[1.0, 2.0], [3.0, 4.0]]
    assert collection.get(include=["embeddings"])["embeddings"].tolist() == [[7.0, 7.0], [9.0, 9.0]]


def test_a_table_of_damaged_metadata_is_refused(tmp_path, no_place_is_open):
    import sqlite3

    from chroma_nb.errors import InternalError

    with chroma_nb.PersistentClient(tmp_path) as client:
        collection = client.create_collection("damaged", embedding_function=None)
        collection.add(ids=["a", "b"], embeddings=[[1.0], [2.0]], metadatas=[{"n": 1}, {"n": 2}])
        connection = sqlite3.connect(tmp_path / "chroma_nb.sqlite3")
        with connection:
            connection.execute("UPDATE records SET metadata = CAST('{\"n\":' AS BLOB) WHERE id = 'b'")
        connection.close()
        for read in (collection.to_df, collection.to_arrow):
            with pytest.raises(InternalError, match=r"client\.verify\(\) lists it"):
                read()


def test_an_arrow_table_of_a_directory_copies_no_vectors(tmp_path, no_place_is_open):
    rows, dimension = 4_000, 256
    vectors = np.random.default_rng(0).standard_normal((rows, dimension)).astype(np.float32)
    with chroma_nb.PersistentClient(tmp_path) as client:
        collection = client.create_collection("large", embedding_function=None)
        collection.add(ids=[str(number) for number in range(rows)], embeddings=vectors)
        collection.to_arrow()  # what is imported and loaded is not counted
        tracemalloc.start()
        try:
            table = collection.to_arrow()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert table["embedding"].combine_chunks().flatten().to_numpy().tobytes() == vectors.tobytes()
    assert peak < vectors.nbytes / 2

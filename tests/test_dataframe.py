"""Records and DataFrames, both ways: nothing is lost, nothing is guessed."""

import asyncio
import contextlib
import datetime
import decimal
import enum
import http
import pathlib
import re
import tracemalloc
import uuid

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chroma_nb import dataframe_calls
from chroma_nb.cells import is_missing
from chroma_nb.dataframe_calls import read, run, sync, write
from chroma_nb.records import Records
from chroma_nb.tables import batches
from chroma_nb.tables.frames import get_result_to_df, query_result_to_dfs, to_frame
from chroma_nb.tables.kinds import is_frame
from chroma_nb.tables.plan import plan_sync
from chroma_nb.tables.rows import from_frame


@contextlib.contextmanager
def over_http():
    import chroma_nb

    with chroma_nb.EphemeralClient() as served, chroma_nb.serve(served, port=0) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with chroma_nb.HttpClient(host, int(port)) as client:
            yield client


@contextlib.contextmanager
def in_memory(name):
    module = pytest.importorskip(name)
    with module.EphemeralClient() as client:  # chromadb allows one kind of settings a process
        yield client


@pytest.fixture(params=["chroma_nb", "chroma_nb over http", "chromadb"])
def make_collection(request):
    """Empty collections of our client in memory and over HTTP, and of chromadb's own."""
    with over_http() if "http" in request.param else in_memory(request.param) as client:
        yield from _collections(client)


def _collections(client):
    made = []

    def make():
        name = f"frames-{uuid.uuid4().hex}"
        made.append(name)
        return client.create_collection(name, embedding_function=None)

    yield make
    for name in made:
        client.delete_collection(name)


@pytest.fixture
def collection(make_collection):
    return make_collection()


# --- The round trip -----------------------------------------------------------------------------------
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
INT = st.integers(-(2**63), 2**63 - 1)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
SCALAR = st.one_of(st.booleans(), INT, FLOAT, TEXT)
LISTS = st.one_of(*(st.lists(one, min_size=1, max_size=3) for one in (st.booleans(), INT, FLOAT, TEXT)))
KEYS = st.one_of(
    st.sampled_from(
        ["id", "document", "embedding", "uri", "data", "metadata", "metadata.id", "rank", "query", "a", "b"]
    ),
    TEXT.filter(lambda key: key and key[0] not in "$#" and key != "metadata."),
)


def exactly(value):
    """Equality that tells 1, 1.0 and True apart."""
    if isinstance(value, dict):
        return {key: exactly(one) for key, one in value.items()}
    if isinstance(value, list):
        return [exactly(one) for one in value]
    return (type(value), value)


@st.composite
def stored(draw):
    """What get answers: any mixture of types under a key, absent keys, absent documents."""
    ids = draw(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True, max_size=6))
    one_type = draw(
        st.dictionaries(KEYS, st.sampled_from([st.booleans(), INT, FLOAT, TEXT, LISTS, SCALAR]), max_size=4)
    )
    metadatas = [{key: draw(values) for key, values in one_type.items() if draw(st.booleans())} or None for _ in ids]
    rows = np.array(
        draw(
            st.lists(
                st.lists(
                    st.floats(width=32, allow_nan=False, allow_infinity=False, max_value=2.0**90, min_value=-(2.0**90)),
                    min_size=3,
                    max_size=3,
                ),
                min_size=len(ids),
                max_size=len(ids),
            )
        ),
        np.float32,
    )
    return {
        "ids": ids,
        "documents": [draw(st.none() | TEXT) for _ in ids],
        "uris": [draw(st.none() | TEXT) for _ in ids],
        "metadatas": metadatas,
        "embeddings": rows.reshape(len(ids), 3).astype(np.float64),
    }


@given(stored())
@settings(max_examples=200, deadline=None)
def test_what_is_stored_comes_back_from_its_frame_exactly(result):
    records = from_frame(to_frame(result)).records
    assert records.ids == result["ids"]
    assert exactly(list(records.documents or [])) == exactly(result["documents"])
    assert exactly(list(records.uris or [None] * len(records))) == exactly(result["uris"])
    assert exactly(list(records.metadatas or [None] * len(records))) == exactly(result["metadatas"])
    if result["ids"]:
        assert np.array_equal(records.embeddings, result["embeddings"])


@given(stored())
@settings(max_examples=50, deadline=None)
def test_a_frame_passes_through_arrow_unless_a_column_mixes_types(result):
    pa = pytest.importorskip("pyarrow")
    frame = to_frame(result)
    try:
        table = pa.table(frame)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, OverflowError):
        return
    records, direct = from_frame(table).records, from_frame(frame).records
    assert (records.ids, list(records.documents)) == (direct.ids, list(direct.documents))


def one_key(*values):
    return to_frame(
        {
            "ids": [str(row) for row in range(len(values))],
            "metadatas": [None if value is None else {"x": value} for value in values],
        }
    )["x"]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ((1, 2), "int64"),
        ((1, None), "Int64"),
        ((True, False), "bool"),
        ((True, None), "boolean"),
        ((1.0, 2.0), "float64"),
        ((1.0, None), "float64"),
        ((1, True), "object"),
        ((1, 2.0), "object"),
        (([1], None), "object"),
        ((2**70, 1), "object"),
    ],
)
def test_a_column_has_the_type_of_its_values(values, dtype):
    assert str(one_key(*values).dtype) == dtype


def test_a_missing_text_is_a_missing_cell_and_not_the_word_none():
    assert one_key("a", None).isna().tolist() == [False, True]


def metadata_of(column, **options):
    frame = pd.DataFrame({"document": ["text"] * len(column), "x": column})
    return [row and row["x"] for row in from_frame(frame, **options).records.metadatas]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pd.Series([1, 2], dtype="int8"), [1, 2]),
        (pd.Series([1, None], dtype="Int64"), [1, None]),
        (pd.Series([1.5, None]), [1.5, None]),
        (pd.Series([1.5, None], dtype="Float64"), [1.5, None]),
        (pd.Series([0.1], dtype="float32"), [float(np.float32(0.1))]),
        (pd.Series([True, None], dtype="boolean"), [True, None]),
        (pd.Series([True, 1, 1.0, "1", None], dtype=object), [True, 1, 1.0, "1", None]),
        (pd.Series([np.int64(3), np.float32(0.5), np.bool_(True), np.str_("a")], dtype=object), [3, 0.5, True, "a"]),
        (pd.Series(["a", pd.NA, None, float("nan"), pd.NaT], dtype=object), ["a", None, None, None, None]),
        (pd.Series(["b", "a", None], dtype="category"), ["b", "a", None]),
        (pd.Series([3, 1], dtype="category"), [3, 1]),
        (pd.Series([[1, 2], (3,), np.array([4])]), [[1, 2], [3], [4]]),
        (pd.Series([["a"], None]), [["a"], None]),
        (pd.Series(["a", None], dtype="string"), ["a", None]),
        (pd.Series([enum.IntEnum("E", "ONE").ONE], dtype=object), [1]),
        (pd.Series(pd.to_datetime(["2024-05-01 12:30", None])), ["2024-05-01T12:30:00", None]),
        (pd.Series(pd.to_datetime(["2024-05-01 12:30+02:00"])), ["2024-05-01T12:30:00+02:00"]),
        (pd.Series([datetime.date(2024, 5, 1)], dtype=object), ["2024-05-01"]),
        (pd.Series([datetime.time(9, 30)], dtype=object), ["09:30:00"]),
        (pd.Series([np.datetime64("2024-05-01")], dtype=object), ["2024-05-01T00:00:00"]),
        (pd.Series(pd.to_timedelta(["90s"])), [90.0]),
        (pd.Series([["2024", "x"]]), [["2024", "x"]]),
    ],
)
def test_a_cell_becomes_the_metadata_value_it_stands_for(column, values):
    assert exactly(metadata_of(column)) == exactly(values)


def test_dates_become_seconds_on_request_and_a_time_without_zone_counts_as_utc():
    column = pd.Series([datetime.datetime(1970, 1, 2), datetime.date(1970, 1, 2), None], dtype=object)
    assert metadata_of(column, dates="epoch") == [86400.0, 86400.0, None]


@pytest.mark.parametrize(
    ("arrow_type", "values", "expected"),
    [
        ("int64", [1, None], [1, None]),
        ("bool_", [True, None], [True, None]),
        ("string", ["a", None], ["a", None]),
        ("list", [["a", "b"], None], [["a", "b"], None]),
        ("dictionary", ["a", "b"], ["a", "b"]),
        ("date", [datetime.date(2024, 5, 1), None], ["2024-05-01", None]),
    ],
)
def test_arrow_columns_keep_their_values(arrow_type, values, expected):
    pa = pytest.importorskip("pyarrow")
    kinds = {"list": pa.list_(pa.string()), "dictionary": pa.dictionary(pa.int8(), pa.string()), "date": pa.date32()}
    kind = kinds[arrow_type] if arrow_type in kinds else getattr(pa, arrow_type)()
    assert exactly(metadata_of(pd.Series(values, dtype=pd.ArrowDtype(kind)))) == exactly(expected)


# --- Columns ------------------------------------------------------------------------------------------
def test_a_metadata_key_with_the_name_of_a_column_is_prefixed():
    frame = to_frame({"ids": ["a"], "documents": ["one"], "metadatas": [{"id": 1, "document": "x", "metadata.y": 2}]})
    assert list(frame) == ["id", "document", "metadata.document", "metadata.id", "metadata.metadata.y"]


def test_the_index_is_the_id_where_no_column_is():
    frame = pd.DataFrame({"document": ["one", "two"]}, index=["a", 7])
    assert from_frame(frame).records.ids == ["a", "7"]


def test_columns_are_named_by_argument():
    frame = pd.DataFrame(
        {"key": [1, 2], "text": ["one", "two"], "v0": [0.0, 1.0], "v1": [1.0, 0.0], "note": ["x", "y"]}
    )
    records = from_frame(frame, id="key", document="text", embedding=["v0", "v1"]).records
    assert records.ids == ["1", "2"]
    assert records.documents == ["one", "two"]
    assert records.embeddings.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert records.metadatas == [{"note": "x"}, {"note": "y"}]
    assert from_frame(frame, id="key", document="text", metadata="note").records.metadatas == records.metadatas
    assert from_frame(frame, id="key", document="text", metadata=[]).records.metadatas is None


def test_an_embedding_may_be_an_array_beside_the_frame():
    vectors = np.arange(6, dtype=np.float64).reshape(2, 3)
    records = from_frame(pd.DataFrame({"id": ["a", "b"]}), embedding=vectors).records
    assert records.embeddings.dtype == np.float32
    assert np.array_equal(records.embeddings, vectors)


def test_the_columns_of_a_query_do_not_become_metadata():
    frame = to_frame({"ids": [["a"]], "distances": [[0.5]], "documents": [["one"]], "metadatas": [[{"year": 1}]]})
    assert from_frame(frame[frame.distance < 1]).records.metadatas == [{"year": 1}]


def test_the_frames_of_chromas_own_helper_functions_are_understood():
    result = {
        "ids": ["a", "b"],
        "documents": ["one", "two"],
        "metadatas": [{"x": 1}, None],
        "included": ["documents", "metadatas"],
    }
    records = from_frame(get_result_to_df(result)).records
    assert (records.ids, records.metadatas) == (["a", "b"], [{"x": 1}, None])


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # theirs
def test_the_helper_functions_answer_what_chromas_do():
    theirs = pytest.importorskip("chromadb.utils.results")
    get = {
        "ids": ["a", "b"],
        "documents": ["one", None],
        "metadatas": [{"x": 1}, None],
        "uris": None,
        "data": None,
        "embeddings": np.eye(2),
        "included": ["metadatas", "documents", "embeddings"],
    }
    pd.testing.assert_frame_equal(get_result_to_df(get), theirs.get_result_to_df(get))
    query = {
        "ids": [["a", "b"], ["b"]],
        "documents": [["one", None], [None]],
        "distances": [[0.0, 1.0], [0.5]],
        "metadatas": [[{"x": 1}, None], [None]],
        "embeddings": [np.eye(2), np.eye(2)[1:]],
        "uris": None,
        "included": ["metadatas", "documents", "distances", "embeddings"],
    }
    for ours, other in zip(query_result_to_dfs(query), theirs.query_result_to_dfs(query), strict=True):
        pd.testing.assert_frame_equal(ours, other)


# --- Embeddings ---------------------------------------------------------------------------------------
ROWS = [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    "make",
    [
        lambda: [np.array(row) for row in ROWS],
        lambda: [np.array(row, np.float32) for row in ROWS],
        lambda: ROWS,
        lambda: [tuple(row) for row in ROWS],
        lambda: [np.array(ROWS[0]), ROWS[1]],
    ],
)
def test_a_column_of_vectors_becomes_one_array(make):
    vectors = from_frame(
        pd.DataFrame({"id": ["a", "b"], "embedding": pd.Series(make(), dtype=object)})
    ).records.embeddings
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    assert vectors.tolist() == ROWS


@pytest.mark.parametrize("kind", ["fixed", "list", "large_list"])
@pytest.mark.parametrize("missing", [False, True])
def test_arrow_lists_become_one_array(kind, missing):
    pa = pytest.importorskip("pyarrow")
    kinds = {
        "fixed": pa.list_(pa.float32(), 2),
        "list": pa.list_(pa.float64()),
        "large_list": pa.large_list(pa.float32()),
    }
    column = pa.chunked_array(
        [pa.array([ROWS[0]], kinds[kind]), pa.array([None if missing else [9.0, 9.0], ROWS[1]], kinds[kind])]
    )
    table = pa.table({"id": ["a", "b", "c"], "document": ["x", "y", "z"], "embedding": column})
    records = from_frame(table).records
    assert records.embeddings[[0, 2]].tolist() == ROWS
    assert (records.has_embedding is not None) == missing


def test_polars_frames_are_read_by_protocol():
    pl = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    frame = pl.DataFrame(
        {
            "id": ["a", "b"],
            "document": ["one", "two"],
            "year": [2020, None],
            "tags": [["x"], None],
            "embedding": pl.Series(ROWS, dtype=pl.Array(pl.Float32, 2)),
        }
    )
    for table in (frame, frame.lazy()):
        records = from_frame(table).records
        assert records.metadatas == [{"year": 2020, "tags": ["x"]}, None]
        assert records.embeddings.tolist() == ROWS


def test_a_frame_is_recognised_by_its_protocol():
    pa = pytest.importorskip("pyarrow")
    assert is_frame(pd.DataFrame())
    assert is_frame(pa.table({"id": ["a"]}))
    for other in (["a"], "a", None, pd.Series(["a"]), pa.array(["a"]), np.eye(2), {"ids": []}):
        assert not is_frame(other)


def test_a_hundred_thousand_vectors_cross_without_a_python_float():
    """100,000 × 384 as Python floats would be 1.2 GB; the two crossings may hold the array and little more."""
    rows, width = 20_000, 384
    result = {"ids": [str(row) for row in range(rows)], "embeddings": np.ones((rows, width), np.float32)}
    to_frame({"ids": ["a"]})
    tracemalloc.start()
    try:
        frame = to_frame(result)
        records = from_frame(frame).records
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert np.array_equal(records.embeddings, result["embeddings"])
    assert peak < 2 * rows * width * 4


# --- Bad rows -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ({"id": ["a", "a"], "document": ["x", "y"]}, "an earlier row has the same id"),
        ({"id": ["a", None], "document": ["x", "y"]}, "no id"),
        ({"id": ["a", 1.5], "document": ["x", "y"]}, "as id"),
        ({"id": ["a", "b"], "document": ["x", 5]}, "text as document"),
        ({"id": ["a", "b"], "document": ["x", None]}, "no document, embedding or uri"),
        ({"id": ["a", "b"], "document": ["x", "y"], "m": [1, {"no": 1}]}, "column 'm'"),
        ({"id": ["a", "b"], "document": ["x", "y"], "m": [None, decimal.Decimal(1)]}, "Decimal"),
        ({"id": ["a", "b"], "document": ["x", "y"], "m": [None, b"bytes"]}, "bytes"),
        ({"id": ["a", ""], "document": ["x", "y"]}, "the id is an empty text"),
        ({"id": ["a", "b"], "document": ["x", "y"], "m": [None, [1, "x"]]}, "list of values of one kind"),
        ({"id": ["a", "b"], "document": ["x", "y"], "m": [None, [[1]]]}, "list of values of one kind"),
        ({"id": ["a", "b"], "document": ["x", "y"], "m": [1.0, float("inf")]}, "infinity"),
        ({"id": ["a", "b"], "document": ["x", "y"], "m": [1, 2**64]}, "64 bits"),
        ({"id": ["a", "b", "c"], "embedding": [[1.0, 2.0], [1.0], [1.0, 2.0]]}, "expected 2 dimensions"),
        ({"id": ["a", "b"], "embedding": [[1.0, 2.0], "no"]}, "list of numbers"),
        ({"id": ["a", "b"], "embedding": [[1.0, 2.0], [1.0, float("nan")]]}, "NaN"),
        ({"id": ["a", "b"], "embedding": [[1.0, 2.0], [1.0, 1e300]]}, "infinity"),
        ({"id": ["a", "b"], "embedding": [np.array([1.0, 2.0]), np.array([1.0, 1e300])]}, "infinity"),
    ],
)
def test_a_row_that_is_no_record_is_named_with_its_reason(frame, reason):
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in frame.items()})
    with pytest.raises(ValueError, match=reason) as caught:
        from_frame(frame)
    assert "row 1" in str(caught.value)
    kept = from_frame(frame, on_error="skip")
    assert [bad.row for bad in kept.skipped] == [1]
    assert len(kept.records) == len(frame) - 1
    assert reason in kept.skipped[0].reason or reason in str(kept.skipped[0])


@pytest.mark.parametrize("column", ["id", "document", "uri", "note"])
def test_half_a_surrogate_pair_is_a_bad_row(column):
    rows = {"id": ["a", "b"], "document": ["x", "y"], "uri": ["u", "v"], "note": ["m", "n"], "embedding": [[1.0]] * 2}
    frame = pd.DataFrame(rows).astype(dict.fromkeys(("id", "document", "uri", "note"), object))
    frame.loc[1, column] = "half \ud83d"
    with pytest.raises(ValueError, match="holds half of a surrogate pair, which cannot be written as UTF-8"):
        from_frame(frame)
    assert from_frame(frame, on_error="skip").records.ids == ["a"]
    frame.loc[1, column] = "whole \U0001f600"
    assert len(from_frame(frame).records) == 2


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (pd.DataFrame({"text": ["x"]}), {}, "Name the column with the text"),
        (pd.DataFrame({"document": ["x"]}), {"id": "key"}, "Expected id= to be the name of a column, got 'key'"),
        (pd.DataFrame({"document": ["x"]}), {"metadata": ["key"]}, "Expected metadata= to be names of columns"),
        (pd.DataFrame({"document": ["x"], "$x": [1]}), {}, "can be metadata keys"),
        (pd.DataFrame([["x", "y"]], columns=["document", "document"]), {}, "column names that differ"),
        (pd.DataFrame({"document": ["x"], "a": [1], "metadata.a": [2]}), {}, "two columns would become"),
        (pd.DataFrame({("a", "b"): [1]}), {}, "one level of column names"),
        (pd.DataFrame({"document": ["x"]}), {"on_error": "ignore"}, "Expected on_error to be one of"),
        (
            pd.DataFrame({"document": ["x"]}),
            {"embedding": np.eye(2)},
            "for each of the 1 rows, got 2",
        ),
    ],
)
def test_a_frame_that_cannot_be_read_says_what_to_do(frame, options, message):
    with pytest.raises(ValueError, match=message):
        from_frame(frame, **options)


def test_what_is_no_table_is_refused():
    with pytest.raises(TypeError, match="expected a DataFrame, got a list"):
        from_frame([1, 2])
    with pytest.raises(TypeError, match="expected a DataFrame, got a Series"):
        from_frame(pd.Series(["a text"]))


# --- Into a collection and out of it --------------------------------------------------------------------
def example():
    return pd.DataFrame(
        {
            "id": ["a", "b", "c"],
            "document": ["one", "two", "three"],
            "embedding": [np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([1.0, 1.0])],
            "year": pd.array([2020, None, 2022], dtype="Int64"),
            "good": [True, False, True],
            "tags": [["x", "y"], None, ["z"]],
        }
    )


def test_a_frame_goes_into_a_collection_and_comes_out_the_same(collection):
    assert repr(run(collection, write("add", example()))) == "3 rows written"
    frame = run(collection, read(include=["documents", "metadatas", "embeddings"]))
    for name in ("id", "document", "good"):
        assert frame[name].tolist() == example()[name].tolist()
    assert frame["year"].dtype == "Int64"
    assert frame["year"].isna().tolist() == [False, True, False]
    assert frame["tags"].tolist() == example()["tags"].tolist()
    assert np.array_equal(np.stack(frame["embedding"]), np.stack(example()["embedding"]))


def test_pages_give_the_same_table_as_one_call(collection):
    run(collection, write("add", example()))
    whole = run(collection, read(include=["documents", "metadatas", "embeddings"]))
    paged = run(collection, read(include=["documents", "metadatas", "embeddings"], page_size=2))
    pd.testing.assert_frame_equal(whole, paged)
    assert [len(frame) for frame in dataframe_calls.frames(collection, page_size=2)] == [2, 1]


def test_where_limit_and_columns_choose(collection):
    run(collection, write("add", example()))
    frame = run(collection, read(where={"year": {"$gte": 2020}}, limit=1, columns=["year", "id"]))
    assert frame.to_dict("list") == {"year": [2020], "id": ["a"]}


def test_rows_with_and_without_a_document_are_sent_in_order(collection):
    frame = example().assign(document=["one", None, "three"])
    run(collection, write("add", frame))
    assert collection.get()["ids"] == ["a", "b", "c"]
    assert collection.get()["documents"] == ["one", None, "three"]


def test_the_name_of_one_column_is_one_column(collection):
    run(collection, write("add", example()))
    assert run(collection, read(columns="year")).columns.tolist() == ["year"]
    assert run(collection, read(columns="embedding"))["embedding"].iloc[0].dtype == np.float32


def test_an_update_touches_only_the_cells_that_are_there(collection):
    run(collection, write("add", example()))
    run(collection, write("update", pd.DataFrame({"id": ["a", "b"], "year": pd.array([None, 1999], dtype="Int64")})))
    assert run(collection, read(columns=["year"]))["year"].tolist() == [2020, 1999, 2022]


def test_row_numbers_as_ids_may_not_meet_records_that_are_there(collection):
    frame = example().drop(columns="id")
    run(collection, write("add", frame))
    with pytest.raises(ValueError, match="has no id column"):
        run(collection, write("add", frame))


def test_a_page_has_room_for_a_record():
    import chroma_nb

    with chroma_nb.EphemeralClient() as client:
        collection = client.create_collection("pages", embedding_function=None)
        for pages in (collection.iter_df(page_size=0), dataframe_calls.frames(collection, page_size=0)):
            with pytest.raises(ValueError, match="expected page_size of at least 1, got 0"):
                next(pages)
        with pytest.raises(ValueError, match="expected page_size of at least 1, got 0"):
            run(collection, read(page_size=0))


def test_sync_deletes_no_record_whose_row_is_skipped(collection):
    run(collection, write("add", example()))
    frame = example().astype({"document": object})
    frame.loc[frame["id"] == "b", "document"] = 5
    done = run(collection, sync(frame[frame["id"] != "c"], delete=True, on_error="skip"))
    assert (done.deleted, done.unchanged, [bad.id for bad in done.skipped]) == (1, 1, ["b"])
    assert collection.get()["ids"] == ["a", "b"]


def test_skipped_rows_are_reported(collection):
    frame = example().assign(id=["a", "a", "c"])
    report = run(collection, write("add", frame, on_error="skip"))
    assert repr(report) == "2 rows written; 1 skipped: row 1 (id 'a'): an earlier row has the same id"
    assert collection.count() == 2


def test_our_collections_have_the_methods_themselves():
    import chroma_nb

    with chroma_nb.EphemeralClient() as client:
        collection = client.create_collection("birds", embedding_function=None)
        assert collection.add(example()) is None
        assert repr(collection.update_df(example(), metadata="year")) == "3 rows written"
        assert repr(collection.upsert_df(example().assign(id=["x", "y", "z"]))) == "3 rows written"
        assert repr(collection.add_df(example().assign(id=["u", "u", "v"]), on_error="skip")).startswith("2 rows")
        assert collection.to_df({"year": 2020}, columns=["id"])["id"].tolist() == ["a", "x", "u"]
        assert [len(frame) for frame in collection.iter_df(page_size=5)] == [5, 3]
        assert collection.sync(example(), delete=True).deleted == 5
        assert collection.get().to_df().equals(collection.to_df())
        with pytest.raises(ValueError, match="add_df"):
            collection.add(example(), documents=["one", "two", "three"])


def test_awaited_collections_have_them_too():
    import chroma_nb

    async def use(host, port):
        client = await chroma_nb.AsyncHttpClient(host, port)
        collection = await client.create_collection("birds", embedding_function=None)
        await collection.add(example())
        assert (await collection.sync(example())).unchanged == 3
        assert [len(frame) async for frame in collection.iter_df(page_size=2)] == [2, 1]
        frame = await collection.to_df(columns=["id", "year"])
        await client.close()
        return frame

    with chroma_nb.EphemeralClient() as served, chroma_nb.serve(served, port=0) as server:
        host, port = server.url.removeprefix("http://").split(":")
        frame = asyncio.run(use(host, int(port)))
    assert frame["year"].fillna(0).tolist() == [2020, 0, 2022]


def test_a_bar_follows_the_records_and_ends_with_an_error(collection, monkeypatch):
    monkeypatch.setattr(batches, "MEMORY_BUDGET", 0)  # what is written in one step has no progress to show

    class Shown:
        def __init__(self, total, verb):
            self.total, self.verb, self.done, self.open = total, verb, 0, False
            bars.append(self)

        def update(self, n):
            self.done += n

        def __enter__(self):
            self.open = True
            return self

        def __exit__(self, *error):
            self.open = False

    bars = []
    run(collection, write("add", example(), bar=Shown))
    wrong = example().assign(id=["x", "y", "z"], embedding=[np.ones(5)] * 3)
    with pytest.raises(Exception, match=r"(?i)dimension"):
        run(collection, write("add", wrong, bar=Shown))
    assert [(bar.total, bar.verb, bar.done, bar.open) for bar in bars] == [(3, "add", 3, False), (3, "add", 0, False)]


# --- Sync ---------------------------------------------------------------------------------------------
class Calls:
    """A collection that remembers what it was asked to write."""

    def __init__(self, collection):
        self.collection, self.made = collection, []

    def __getattr__(self, name):
        def call(**arguments):
            if name != "get":
                self.made.append((name, arguments["ids"], sorted(set(arguments) - {"ids"})))
            return getattr(self.collection, name)(**arguments)

        return call


def test_sync_does_only_what_is_needed_and_then_nothing(collection):
    watched = Calls(collection)
    assert run(watched, sync(example())).added == 3
    changed = example()
    changed.loc[0, "document"] = "new text"
    changed.loc[1, "year"] = 2021
    changed = pd.concat([changed.iloc[:2], example().iloc[2:].assign(id="d")], ignore_index=True)
    watched.made.clear()
    report = run(watched, sync(changed, delete=True))
    assert (report.added, report.updated, report.embedded, report.deleted, report.unchanged) == (1, 2, 1, 1, 0)
    assert sorted(watched.made) == sorted(
        [
            ("delete", ["c"], []),
            ("update", ["a"], ["documents", "embeddings"]),
            ("update", ["b"], ["metadatas"]),
            ("add", ["d"], ["documents", "embeddings", "metadatas"]),
        ]
    )
    watched.made.clear()
    again = run(watched, sync(changed, delete=True))
    assert (again.unchanged, watched.made) == (3, [])


def test_sync_deletes_a_key_that_the_row_lost_and_keeps_what_the_frame_does_not_name(collection):
    run(collection, sync(example()))
    run(collection, sync(example().assign(year=pd.array([None, None, None], dtype="Int64"))))
    assert all("year" not in row for row in collection.get()["metadatas"])
    run(collection, sync(example()[["id", "document"]]))
    assert [row["good"] for row in collection.get()["metadatas"]] == [True, False, True]


def test_sync_without_delete_leaves_other_records(collection):
    run(collection, sync(example()))
    assert run(collection, sync(example().iloc[:1])).deleted == 0
    assert collection.count() == 3


def test_sync_tells_one_from_true_and_from_one_point_zero():
    wanted = Records(["a"], metadatas=[{"x": 1}])
    for old in (True, 1.0, "1", [1]):
        assert plan_sync(wanted, {"ids": ["a"], "metadatas": [{"x": old}]}, delete=False).update.metadatas == [{"x": 1}]


def test_sync_replaces_a_record_that_loses_its_document(collection):
    run(collection, sync(example()))
    frame = example().assign(document=["one", None, "three"])
    assert run(collection, sync(frame)).updated == 1
    assert run(collection, sync(frame)).updated == 0
    assert sorted(map(str, collection.get()["documents"])) == ["None", "one", "three"]


def test_sync_refuses_a_new_row_that_nothing_could_find(collection):
    watched = Calls(collection)
    with pytest.raises(ValueError, match="'b' is new"):
        run(watched, sync(pd.DataFrame({"id": ["a", "b"], "document": ["one", None]})))
    assert watched.made == []


@given(st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sync_of_any_two_frames_reaches_the_second(make_collection, data):
    def frame():
        ids = data.draw(st.lists(st.sampled_from("abcd"), unique=True, min_size=1))
        rows = [
            data.draw(
                st.fixed_dictionaries(
                    {"document": st.none() | st.sampled_from(["x", "y"])},
                    optional={"n": st.sampled_from([1, 1.0, True, "1", [1], [2, 3]])},
                )
            )
            for _ in ids
        ]
        table = pd.DataFrame(
            {"id": ids, "embedding": [np.array([ord(name), data.draw(st.sampled_from([0.0, 1.0]))]) for name in ids]}
        )
        table["document"] = pd.Series([row["document"] for row in rows], dtype=object)
        table["n"] = pd.Series([row.get("n") for row in rows], dtype=object)
        return table

    collection = make_collection()
    run(collection, sync(frame()))
    second = frame()
    run(collection, sync(second, delete=True))
    assert run(collection, sync(second, delete=True)).unchanged == len(second)
    got = collection.get(include=["documents", "metadatas", "embeddings"])
    at = {name: row for row, name in enumerate(got["ids"])}
    assert set(at) == set(second["id"])
    for row in second.itertuples():
        assert got["documents"][at[row.id]] == row.document
        assert exactly((got["metadatas"][at[row.id]] or {}).get("n")) == exactly(row.n)
        assert np.allclose(got["embeddings"][at[row.id]], row.embedding)


# --- Every column is checked alike ------------------------------------------------------------------------
CELLS = [
    (1.5, float("nan"), None),
    (-0.0, 2**53, float("inf")),
    (True, False, None),
    ("a", "", None),
    (2**63 - 1, -(2**63), 2**63),
    (datetime.date(2024, 5, 1), datetime.datetime(2024, 5, 1, 12, 30), datetime.timedelta(seconds=2)),
    (pd.Interval(0, 4), "ten", pd.Period("2024-05")),
    (decimal.Decimal("1.5"), uuid.UUID(int=1), b"bytes"),
    (1, "mixed", 2.5),
    ((1, 2), (1, 2.5), (1, "x")),
]


@pytest.mark.parametrize("given", CELLS, ids=str)
@pytest.mark.parametrize("ordered", [False, True])
def test_a_category_is_checked_as_the_value_it_stands_for(given, ordered):
    """Categories are an encoding: the records and the bad rows are those of the same column without it."""
    values = [given[place] for place in (0, 1, 2, 1, 0)] + [None]
    plain = pd.Series(values, dtype=object)
    there = list(dict.fromkeys(value for value in values if not is_missing(value)))
    unused = [*there, "never used"]
    codes = [-1 if is_missing(value) else there.index(value) for value in values]
    coded = pd.Series(pd.Categorical.from_codes(codes, pd.Index(unused, dtype=object, tupleize_cols=False), ordered))
    found = [
        from_frame(pd.DataFrame({"document": ["text"] * 6, "x": column}), on_error="skip") for column in (plain, coded)
    ]
    assert found[0].skipped == found[1].skipped
    assert exactly(list(found[0].records.metadatas)) == exactly(list(found[1].records.metadatas))


def test_the_bins_of_cut_are_refused_with_what_to_do_and_their_labels_taken():
    frame = pd.DataFrame({"document": ["x", "y"], "bin": pd.cut([1, 5], [0, 4, 10])})
    with pytest.raises(ValueError, match=r"column 'bin': .* got Interval\(0, 4.*; convert the column: astype\(str\)"):
        from_frame(frame)
    assert [row["bin"] for row in from_frame(frame.astype({"bin": str})).records.metadatas] == ["(0, 4]", "(4, 10]"]


@pytest.mark.parametrize("kind", ["Categorical", "Enum", "dictionary", "infinite dictionary"])
def test_categories_of_polars_and_arrow_are_checked_too(kind):
    pa, pl = pytest.importorskip("pyarrow"), pytest.importorskip("polars")
    columns = {
        "Categorical": pl.Series(["u", None], dtype=pl.Categorical),
        "Enum": pl.Series(["u", None], dtype=pl.Enum(["u", "v"])),
        "dictionary": pa.array(["u", None]).dictionary_encode(),
        "infinite dictionary": pa.array([0.5, float("inf")]).dictionary_encode(),
    }
    column = columns[kind]
    make = pl.DataFrame if isinstance(column, pl.Series) else pa.table
    found = from_frame(make({"id": ["a", "b"], "document": ["x", "y"], "c": column}), on_error="skip")
    if kind == "infinite dictionary":
        assert "infinity" in str(found.skipped[0])
    else:
        assert found.records.metadatas == [{"c": "u"}, None]


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (decimal.Decimal("1.50"), "astype(float), or astype(str)"),
        (uuid.UUID(int=7), "astype(str)"),
        (b"bytes", 'str.decode("utf-8")'),
        (pathlib.PurePosixPath("/a/b"), "astype(str)"),
        (1 + 2j, "abs(), or astype(str)"),
        (np.clongdouble(1), "abs(), or astype(str)"),
        ({1, 2}, "map(sorted"),
        ({"a": {"b": 1}}, "map(json.dumps"),
        (range(3), "map(list"),
        (pd.Period("2024-05"), "astype(str)"),
        (pd.Interval(0, 1), "astype(str)"),
        (enum.Enum("Plain", "ONE").ONE, "astype(str)"),
        (2**64, "astype(float), or astype(str)"),
        (float("inf"), "replace([numpy.inf, -numpy.inf], None)"),
        (np.longdouble("1e400"), "replace([numpy.inf, -numpy.inf], None)"),
        ([1, "x"], "map(json.dumps"),
        ([2**53 + 1, 0.5], "map(str"),
        ([1, None], "map(json.dumps"),
    ],
    ids=repr,
)
def test_a_column_of_something_else_is_refused_with_its_name_and_what_to_do(value, remedy):
    frame = pd.DataFrame({"document": ["x", "y"], "total": pd.Series([None, value], dtype=object)})
    with pytest.raises(ValueError, match=r"row 1 .* column 'total': expected") as caught:
        from_frame(frame)
    assert f"convert the column: {remedy}" in str(caught.value)
    report = from_frame(frame, on_error="skip")
    assert (report.records.ids, remedy in report.skipped[0].reason) == (["0"], True)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pd.Series([[], ["x"]]), [None, ["x"]]),
        (pd.Series([np.array([]), ()]), [None, None]),
        (pd.Series([[1, 2.5], [True, False]]), [[1.0, 2.5], [True, False]]),
        (pd.Series(np.array([1, 2], np.longdouble)), [1.0, 2.0]),
        (pd.Series([np.longdouble(1), None], dtype=object), [1.0, None]),
        (pd.Series(np.array([1, 2], ">i4")), [1, 2]),
        (pd.Series([0.5, 1.5], dtype="float16"), [0.5, 1.5]),
        (pd.Series([np.array(5), np.array("x")], dtype=object), [5, "x"]),
        (pd.Series([np.ma.masked, 1], dtype=object), [None, 1]),
        (pd.Series(pd.arrays.SparseArray([0.5, np.nan])), [0.5, None]),
        (pd.Series([http.HTTPStatus.OK, enum.Enum("Role", {"ADMIN": "admin"}, type=str).ADMIN]), [200, "admin"]),
    ],
)
def test_cells_in_an_unusual_dress_are_what_they_stand_for(column, values):
    assert exactly(metadata_of(column)) == exactly(values)


METADATA = {
    "None": ({"a": 1, "b": None}, {"a": 1}),
    "NaN": ({"a": float("nan")}, None),
    "numpy": ({"a": np.int64(1), np.str_("b"): np.float32(0.5)}, {"a": 1, "b": 0.5}),
    "date": ({"a": datetime.date(2024, 5, 1)}, {"a": "2024-05-01"}),
    "lists": ({"a": [1, 2.5], "b": []}, {"a": [1.0, 2.5]}),
    "infinity": ({"a": float("inf")}, "key 'a': expected a finite number"),
    "nested": ({"a": {"b": 1}}, r"key 'a': expected text.*convert it: json.dumps"),
    "big": ({"a": 2**63}, "key 'a': expected a whole number of at most 64 bits"),
    "Decimal": ({"a": decimal.Decimal(1)}, r"key 'a': .*convert it: float\(…\)"),
    "surrogate": ({"a": "half \ud83d"}, "half of a surrogate pair"),
    "number as key": ({1: 2}, "expected a text as key, got 1"),
    "key of Chroma": ({"$a": 2}, "is not reserved by Chroma"),
    "no dict": ("text", "expected a dict of keys and values, got 'text'"),
}


@pytest.mark.parametrize("name", METADATA)
def test_a_column_of_dicts_is_checked_as_columns_are(name):
    cell, expected = METADATA[name]
    frame = pd.DataFrame({"id": ["a", "b"], "document": ["x", "y"], "metadata": [cell, {"n": 1}]})
    found = from_frame(frame, on_error="skip")
    if isinstance(expected, str):
        assert [bad.row for bad in found.skipped] == [0]
        assert re.search(f"column 'metadata': .*{expected}", found.skipped[0].reason)
        with pytest.raises(ValueError, match=expected):
            from_frame(frame)
    else:
        assert exactly(list(found.records.metadatas)) == exactly([expected, {"n": 1}])


@pytest.mark.parametrize("kind", ["pandas", "polars struct", "Arrow struct", "Arrow map"])
def test_metadata_is_the_same_from_every_kind_of_table(kind):
    pa, pl = pytest.importorskip("pyarrow"), pytest.importorskip("polars")
    rows = {"id": ["a", "b", "c"], "document": ["x", "y", "z"]}
    metadata = [{"n": 1, "m": None}, {"n": 2, "m": 3}, None]
    tables = {
        "pandas": lambda: pd.DataFrame({**rows, "metadata": metadata}),
        "polars struct": lambda: pl.DataFrame({**rows, "metadata": metadata}),
        "Arrow struct": lambda: pa.table({**rows, "metadata": metadata}),
        "Arrow map": lambda: pa.table(
            {
                **rows,
                "metadata": pa.array(
                    [None if row is None else list(row.items()) for row in metadata], pa.map_(pa.string(), pa.int64())
                ),
            }
        ),
    }
    found = from_frame(tables[kind]()).records
    assert list(found.metadatas) == [{"n": 1}, {"n": 2, "m": 3}, None]


def test_a_key_that_is_also_a_column_is_not_overwritten_silently():
    frame = pd.DataFrame({"document": ["x", "y"], "metadata": [{"n": 1}, {"m": 2}], "n": [5, 6]})
    found = from_frame(frame, on_error="skip")
    assert "the key 'n' is both in the column 'metadata' and a column of its own" in found.skipped[0].reason
    assert found.records.metadatas == [{"m": 2, "n": 6}]


SYNCED = {
    "NaN": [1.5, float("nan")],
    "float32": pd.Series([0.1, 0.2], dtype="float32"),
    "float16": pd.Series([0.1, 0.2], dtype="float16"),
    "minus zero": [-0.0, 0.0],
    "big": [2**63 - 1, -(2**63)],
    "Int64": pd.array([2**62 + 1, None], dtype="Int64"),
    "boolean": pd.array([True, None], dtype="boolean"),
    "string": pd.array(["a", None], dtype="string"),
    "category": pd.Categorical(["a", None]),
    "dates": [datetime.date(2024, 5, 1), None],
    "zone": pd.to_datetime(["2024-05-01 12:30+02:00", None]),
    "timedelta": pd.to_timedelta(["1.5s", None]),
    "lists": [[1, 2.5], []],
    "tuples": [(1, 2), None],
    "metadata": [{"a": 1.5, "b": [1, 2.5], "c": None}, {"a": float("nan")}],
    "infinity": [1.0, float("inf")],
    "masked": np.ma.array([1, 2], mask=[False, True]),
}


@pytest.mark.parametrize("name", SYNCED)
def test_sync_of_the_same_frame_says_nothing_was_updated(collection, name):
    column = "metadata" if name == "metadata" else "x"
    frame = pd.DataFrame({"id": ["a", "b"], "embedding": [[1.0, 0.0], [0.0, 1.0]], column: SYNCED[name]})
    run(collection, sync(frame, on_error="skip"))
    again = run(collection, sync(frame, on_error="skip"))
    assert (again.added, again.updated, again.unchanged) == (0, 0, 1 if name == "infinity" else 2)


# --- Beside a frame: by label -----------------------------------------------------------------------------
LABELLED = pd.DataFrame({"id": ["a", "b", "c"], "text": ["A", "B", "C"], "n": [3, 1, 2]})


def given_as(part, series):
    """A Series of texts as the values of a part."""
    if part == "metadata":
        return series.map(lambda text: {"text": text})
    if part == "embedding":
        return series.map(lambda text: [float(ord(text)), 1.0])
    return series


def taken(part, frame, series, **options):
    """What became of the text of each record, whatever part it was given as."""
    content = {} if part in ("document", "uri", "embedding") else {"embedding": np.ones((len(frame), 2))}
    found = from_frame(frame, **{part: given_as(part, series)}, **content, **options).records
    values = {
        "document": lambda: found.documents,
        "uri": lambda: found.uris,
        "metadata": lambda: [row["text"] for row in found.metadatas],
        "embedding": lambda: [chr(int(row[0])) for row in found.embeddings],
    }
    return dict(zip(found.ids, values[part](), strict=True))


RIGHT = {"a": "A", "b": "B", "c": "C"}
PARTS = pytest.mark.parametrize("part", ["document", "uri", "metadata", "embedding"])


@PARTS
@pytest.mark.parametrize(
    ("frame", "series"),
    [
        (LABELLED.sort_values("n"), LABELLED["text"]),
        (LABELLED.iloc[1:], LABELLED["text"]),
        (LABELLED, LABELLED.sort_values("n").set_index("id")["text"]),
        (LABELLED.set_index("id"), LABELLED.sort_values("n").set_index("id")["text"]),
        (LABELLED.set_index("id").sort_values("n"), LABELLED.set_index("id")["text"]),
        (LABELLED, pd.Series(["A", "B", "C"])),
    ],
)
def test_a_series_belongs_to_the_rows_of_its_index_as_in_pandas(part, frame, series):
    found = taken(part, frame.drop(columns="text"), series)
    assert found == {one: RIGHT[one] for one in found}
    assert len(found) == len(frame)


@PARTS
@pytest.mark.parametrize(
    ("frame", "series", "message"),
    [
        (LABELLED, LABELLED["text"].iloc[1:], "got none for 'a'|got none for 0"),
        (LABELLED.set_index("id"), LABELLED["text"], "got none for 'a', 'b', 'c'; its labels are 0, 1, 2"),
        (LABELLED, pd.Series(["A", "B"], index=["a", "b"]), "got none for 'c'"),
        (LABELLED, pd.Series(list("ABCD"), index=[0, 1, 2, 2]), "expected one value for 2, got two"),
        (LABELLED, pd.Series(list("ABCD"), index=["a", "b", "c", "c"]), "expected one value for 'c', got two"),
    ],
)
def test_a_series_whose_index_does_not_fit_is_refused(part, frame, series, message):
    with pytest.raises(ValueError, match=message):
        taken(part, frame.drop(columns="text"), series)


def test_ids_that_are_whole_numbers_are_matched_and_an_index_called_like_their_column_holds_ids():
    frame = pd.DataFrame({"key": [2, 0, 1]})
    texts = pd.Series(["zero", "one", "two"], index=pd.Index([0, 1, 2], name="key"))
    assert from_frame(frame, id="key", document=texts).records.documents == ["two", "zero", "one"]
    assert from_frame(frame + 7, id="key", document=texts.set_axis([7, 8, 9])).records.documents == [
        "two",
        "zero",
        "one",
    ]


def test_ids_and_tables_beside_a_frame_are_matched_by_the_index_too():
    shuffled = LABELLED.sort_values("n")
    assert from_frame(shuffled[["text"]], id=LABELLED["id"], document="text").records.documents == ["B", "C", "A"]
    vectors = pd.DataFrame(np.eye(3), index=["a", "b", "c"])
    found = from_frame(shuffled[["id"]], embedding=vectors, metadata=LABELLED[["text"]]).records
    assert found.embeddings.tolist() == np.eye(3)[[1, 2, 0]].tolist()
    assert [row["text"] for row in found.metadatas] == ["B", "C", "A"]
    assert from_frame(shuffled[["id"]], document=RIGHT).records.documents == ["B", "C", "A"]


@pytest.mark.parametrize("kind", ["list", "tuple", "array", "Index", "Arrow", "polars", "generator"])
def test_values_without_labels_go_by_position(kind):
    pa, pl = pytest.importorskip("pyarrow"), pytest.importorskip("polars")
    make = {
        "list": list,
        "tuple": tuple,
        "array": np.array,
        "Index": pd.Index,
        "Arrow": pa.array,
        "polars": pl.Series,
        "generator": iter,
    }
    frame = LABELLED.sort_values("n")[["id"]]
    assert from_frame(frame, document=make[kind](["x", "y", "z"])).records.documents == ["x", "y", "z"]


@pytest.mark.parametrize("method", ["add_df", "upsert_df", "update_df", "sync", "to_collection"])
def test_every_way_into_a_collection_goes_by_label(method):
    import chroma_nb
    import chroma_nb.pandas

    frame = LABELLED.sort_values("n")[["id"]]
    with chroma_nb.EphemeralClient() as client:
        collection = client.create_collection("labels", embedding_function=None)
        if method == "update_df":
            collection.add(ids=["a", "b", "c"], embeddings=np.eye(3))
        given = {"document": LABELLED["text"], "embedding": pd.DataFrame(np.eye(3))}
        if method == "to_collection":
            frame.chroma.to_collection(collection, **given)
        else:
            getattr(collection, method)(frame, **given)
        assert dict(zip(*map(collection.get().get, ("ids", "documents")), strict=True)) == RIGHT
        found = frame.chroma.search([0.0, 1.0, 0.0], 1, embedding=given["embedding"])
        assert found["id"].tolist() == ["b"]


@pytest.mark.parametrize("method", ["add", "upsert", "update"])
@pytest.mark.parametrize("field", ["documents", "uris", "metadatas", "embeddings"])
@pytest.mark.parametrize("ids", ["column", "list", "other"])
def test_columns_beside_ids_go_by_label_too(method, field, ids):
    import chroma_nb

    shuffled = LABELLED.sort_values("n")
    part = {"documents": "document", "uris": "uri", "metadatas": "metadata", "embeddings": "embedding"}[field]
    texts = given_as(part, LABELLED["text"] if ids == "column" else LABELLED.set_index("id")["text"])
    given = {"column": shuffled["id"], "list": shuffled["id"].tolist(), "other": shuffled["id"].set_axis([7, 8, 9])}[
        ids
    ]
    with chroma_nb.EphemeralClient() as client:
        collection = client.create_collection("beside", embedding_function=None)
        if method == "update":
            collection.add(ids=["a", "b", "c"], embeddings=np.eye(3, 2))
        vectors = {} if field == "embeddings" else {"embeddings": np.eye(3, 2)}
        getattr(collection, method)(ids=given, **{field: texts}, **vectors)
        got = collection.get(include=[field])
        values = {
            "metadatas": lambda row: row["text"],
            "embeddings": lambda row: chr(int(row[0])),
        }.get(field, str)
        assert {one: values(row) for one, row in zip(got["ids"], got[field], strict=True)} == RIGHT


def test_columns_beside_ids_of_other_rows_are_refused_and_nothing_is_written():
    import chroma_nb

    with chroma_nb.EphemeralClient() as client:
        collection = client.create_collection("beside", embedding_function=None)
        for add in (collection.add, collection.upsert, collection.update):
            with pytest.raises(ValueError, match=r"Series given as documents is matched by its index.*got none for"):
                add(ids=LABELLED["id"], documents=LABELLED["text"].set_axis([5, 6, 7]), embeddings=np.eye(3))
        assert collection.count() == 0
        collection.add(ids=["x", "y", "z"], documents=LABELLED["text"], embeddings=np.eye(3))
        assert collection.get()["documents"] == ["A", "B", "C"]


# --- What a masked array hides ------------------------------------------------------------------------------
def test_what_is_hidden_is_missing():
    rows = np.ma.array([[9.0, 9.0], [1.0, 2.0], [1.0, 9.0]], mask=[[1, 1], [0, 0], [0, 1]])
    texts = np.ma.array(["x", "hidden", "z"], mask=[0, 1, 0])
    for embedding in (rows, list(rows), pd.Series(list(rows), dtype=object)):
        found = from_frame(LABELLED[["id"]], document=texts, embedding=embedding, on_error="skip")
        assert (found.records.ids, found.records.documents) == (["a", "b"], ["x", None])
        assert found.records.has_embedding.tolist() == [False, True]
        assert "NaN" in found.skipped[0].reason
    ids = np.ma.array(["a", "b", "c"], mask=[0, 0, 1])
    assert from_frame(LABELLED[["text"]], id=ids, document="text", on_error="skip").records.ids == ["a", "b"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("make", [lambda rows: rows, list, lambda rows: rows[0]])
def test_a_number_that_is_hidden_is_never_stored(dtype, make):
    import chroma_nb

    hidden = make(np.ma.array(np.ones((1, 2), dtype), mask=[[False, True]]))
    with chroma_nb.EphemeralClient() as client:
        collection = client.create_collection("masked", embedding_function=None)
        collection.add(ids=["a"], embeddings=[[1.0, 0.0]])
        for write_it in (collection.add, collection.upsert, collection.update):
            with pytest.raises(chroma_nb.errors.InvalidArgumentError, match="must not contain NaN"):
                write_it(ids=["a"], embeddings=hidden)
        assert collection.get(include=["embeddings"])["embeddings"].tolist() == [[1.0, 0.0]]
        assert np.isnan(collection.query(query_embeddings=hidden)["distances"][0][0])


# --- Names and shapes -----------------------------------------------------------------------------------------
def test_columns_may_be_called_anything():
    frame = pd.DataFrame([["a", 1.0, 2.0, "x"], ["b", 3.0, 4.0, "y"]])
    found = from_frame(frame, id=0, embedding=[1, 2], document=3).records
    assert (found.ids, found.embeddings.tolist(), found.documents) == (["a", "b"], [[1.0, 2.0], [3.0, 4.0]], ["x", "y"])
    assert from_frame(frame, id=0, embedding=[1, 2]).records.metadatas == [{"3": "x"}, {"3": "y"}]
    with pytest.raises(
        ValueError, match=r"Expected id= to be the name of a column, got 5\. The columns are: 0, 1, 2, 3"
    ):
        from_frame(frame, id=5, embedding=[1, 2])


@pytest.mark.parametrize("make", [list, tuple, np.array, pd.Index, pd.Series])
def test_the_names_of_the_dimensions_may_come_in_any_list(make):
    frame = pd.DataFrame({"id": ["a"], "v0": [1.0], "v1": pd.array([2], dtype="Int64")})
    assert from_frame(frame, embedding=make(["v0", "v1"])).records.embeddings.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("embedding", "message"),
    [
        (np.array(5), r"values of shape \(\)"),
        (np.zeros((3, 2, 2)), r"values of shape \(3, 2, 2\)"),
        (np.array([["1", "2"]] * 3), "expected a list of numbers"),
        (np.eye(3) > 0, "expected a list of numbers"),
        (np.eye(3) + 0j, "expected a list of numbers"),
        (np.eye(2), "Expected one embedding for each of the 3 rows, got 2"),
        ([np.ones(2), np.ones(3), np.ones(2)], "row 1 .*expected 2 dimensions"),
        ([[1.0, 2.0], [[1.0], [2.0, 3.0]], [1.0, 2.0]], "row 1 .*expected a list of numbers"),
    ],
)
def test_an_embedding_of_another_shape_or_kind_is_refused(embedding, message):
    with pytest.raises(ValueError, match=message):
        from_frame(LABELLED, embedding=embedding)


def test_texts_are_no_numbers_in_a_column_of_a_dimension():
    frame = pd.DataFrame({"id": ["a", "b"], "v0": ["1", 2.0], "v1": [1.0, 2.0]})
    with pytest.raises(ValueError, match=r"row 0 .*expected a number in the column 'v0', got '1'"):
        from_frame(frame, embedding=["v0", "v1"])


def test_an_index_of_several_levels_is_no_id():
    index = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])
    with pytest.raises(ValueError, match="The index has several levels"):
        from_frame(pd.DataFrame({"document": ["x", "y"]}, index=index))
    assert len(from_frame(pd.DataFrame({"id": ["a", "b"], "document": ["x", "y"]}, index=index)).records) == 2


def test_a_column_of_ones_own_on_a_frame_of_hits_is_metadata():
    hits = to_frame({"ids": [["a", "b"]], "distances": [[0.5, 0.7]], "documents": [["one", "two"]]})
    assert from_frame(hits).records.metadatas is None
    own = hits.assign(query="what I asked", rank="first")
    assert from_frame(own).records.metadatas == [{"query": "what I asked", "rank": "first"}] * 2
    assert from_frame(pd.concat([hits, hits.assign(id=["c", "d"])])).records.metadatas is None


# --- Tables of other libraries -----------------------------------------------------------------------------------
def arrow_rows():
    import pyarrow as pa

    return pa.table({"id": ["a", "b"], "document": ["x", "y"], "n": [1, None]})


class Dataset:
    """As of Hugging Face: ``data`` is the table before select() and shuffle()."""

    column_names = ("id", "document", "n")
    data = None

    def __init__(self, format=None):
        self.format = format

    def __len__(self):
        return 2

    def with_format(self, format):
        return Dataset(format)

    def __getitem__(self, rows):
        assert self.format == "arrow"
        return arrow_rows()[rows]

    def to_pandas(self):
        raise AssertionError("a whole number beside a missing one would become a float")


class Relation:
    """As of DuckDB."""

    columns = ("id", "document", "n")

    def to_arrow_table(self):
        return arrow_rows()


class OnlyPandas:
    columns = ("id", "document", "n")

    def df(self):
        return arrow_rows().to_pandas().astype({"n": "Int64"})


class OnlyAStream:
    def __arrow_c_stream__(self, requested_schema=None):
        return arrow_rows().__arrow_c_stream__(requested_schema)


class OnlyInterchange:
    def __dataframe__(self, *arguments, **options):  # of pandas, which says that it will go
        return arrow_rows().to_pandas().assign(n=[1, 2]).__dataframe__()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", [Dataset, Relation, OnlyPandas, OnlyAStream, OnlyInterchange])
def test_tables_of_other_libraries_are_taken(collection, kind):
    pytest.importorskip("pyarrow")
    assert is_frame(kind())
    run(collection, write("add", kind(), embedding=np.eye(2)))
    assert collection.get()["documents"] == ["x", "y"]
    assert exactly(collection.get()["metadatas"][0]) == exactly({"n": 1})


def test_splits_of_a_dataset_are_several_tables():
    with pytest.raises(TypeError, match="got a dict; pass one of its tables: 'train', 'test'"):
        from_frame({"train": Dataset(), "test": Dataset()})


# --- A column that is a key of no record ---------------------------------------------------------------------------
def test_a_column_that_no_record_has_is_told_with_what_was_meant(collection):
    run(collection, write("add", example()))
    for calls in (
        read(columns=["id", "yaer"]),
        read({"year": 2020}, columns=["id", "yaer"]),
        read(columns=["yaer"], page_size=2),
    ):
        with pytest.warns(UserWarning, match="no record has the metadata key 'yaer'.*did you mean 'year'"):
            assert run(collection, calls)["yaer"].isna().all()


@pytest.mark.parametrize(
    "ask",
    [
        lambda collection: collection.to_df(columns=["yaer"]),
        lambda collection: list(collection.iter_df(columns=["yaer"])),
        lambda collection: list(dataframe_calls.frames(collection, columns=["yaer"])),
        lambda collection: run(collection, read(columns=["yaer"], page_size=2)),
    ],
    ids=["to_df", "iter_df", "frames", "run"],
)
def test_the_line_that_named_the_column_is_warned(ask, local_client):
    collection = local_client.create_collection("years", embedding_function=None)
    collection.add(example())
    with pytest.warns(UserWarning, match="'yaer'") as warned:
        ask(collection)
    assert [one.filename for one in warned] == [__file__]


@pytest.mark.filterwarnings("error")
def test_a_column_that_only_these_records_lack_is_empty_without_a_word(make_collection):
    collection = make_collection()
    assert run(collection, read(columns=["id", "year"])).empty
    run(collection, write("add", example()))
    assert run(collection, read(ids=["b"], columns=["year"]))["year"].tolist() == [None]
    assert run(collection, read({"year": 1}, columns=["year"])).empty
    assert run(collection, read(columns=["metadata.year"]))["metadata.year"].tolist()[0] == 2020
    assert run(collection, read(columns=["year"], include=["documents"]))["year"].tolist()[0] == 2020

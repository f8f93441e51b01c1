"""What arguments may be: Chroma's sentences, and what its engine refuses. Facts observed of Chroma 1.5.9."""

import math
import uuid
from typing import Any

import numpy as np
import pytest

from chroma_nb import constraints
from chroma_nb import embeddings as e
from chroma_nb.errors import DuplicateIDError, InvalidArgumentError
from chroma_nb.operations import bindings
from chroma_nb.operations import filters as f
from chroma_nb.operations import validate as v
from chroma_nb.records import Records
from chroma_nb.types import SparseVector

OUT_OF_RANGE = "out of range integral type conversion attempted"


@pytest.mark.parametrize(
    ("check", "value", "error", "said"),
    [
        (v.validate_ids, "a", ValueError, "Expected IDs to be a list, got str as IDs"),
        (v.validate_ids, None, ValueError, "Expected IDs to be a list, got NoneType as IDs"),
        (v.validate_ids, [], ValueError, "Expected IDs to be a non-empty list, got 0 IDs"),
        (v.validate_ids, ["a", 1], ValueError, "Expected ID to be a str, got 1"),
        (v.validate_ids, [["a"]], ValueError, "Expected ID to be a str, got ['a']"),
        (v.validate_ids, ["a", "b", "a"], DuplicateIDError, "Expected IDs to be unique, found duplicates of: a"),
        (v.validate_ids, [str(i % 12) for i in range(24)], DuplicateIDError,
         "Expected IDs to be unique, found 12 duplicated IDs: 0, 1, 2, 3, 4, ..., 7, 8, 9, 10, 11"),
        (v.validate_metadata, "x", ValueError, "Expected metadata to be a dict or None, got str as metadata"),
        (v.validate_metadata, {}, ValueError, "Expected metadata to be a non-empty dict, got 0 metadata attributes"),
        (v.validate_metadata, {1: "x"}, TypeError, "Expected metadata key to be a str, got 1 which is a int"),
        (v.validate_metadata, {"chroma:document": 1}, ValueError,
         "Expected metadata to not contain the reserved key chroma:document"),
        (v.validate_metadata, {"v": np.float32(3.5)}, ValueError,
         ("Expected metadata value to be a str, int, float, bool, SparseVector, list, or None, "
         "got 3.5 which is a float32")),
        (v.validate_metadata, {"v": []}, ValueError, "Expected metadata list value for key 'v' to be non-empty"),
        (v.validate_metadata, {"v": [1, True]}, ValueError,
         ("Expected metadata list value for key 'v' to contain only str, int, float, or bool "
         "and all elements must be the same type, got [1, True]")),
        (v.validate_metadatas, "x", ValueError, "Expected metadatas to be a list, got x"),
        (v.validate_metadatas, [{"a": 1}, {}], ValueError,
         "Expected metadata to be a non-empty dict, got 0 metadata attributes"),
        (v.validate_metadatas, [{"a": 1}, {"a": (1,)}], ValueError,
         ("Expected metadata value to be a str, int, float, bool, SparseVector, list, or None, "
         "got (1,) which is a tuple")),
        (v.validate_documents, "x", ValueError, "Expected documents to be a list, got str"),
        (v.validate_documents, [], ValueError, "Expected documents to be a non-empty list, got 0 documents"),
        (v.validate_documents, ["x", None], ValueError, "Expected document to be a str, got None"),
        (v.validate_images, ["x"], ValueError, "Expected image to be a numpy array, got x"),
        (v.validate_sparse_vectors, [1], ValueError, "Expected SparseVector instance at position 0, got int"),
        (v.validate_include, "documents", ValueError, "Expected include to be a list, got documents"),
        (v.validate_include, [1], ValueError, "Expected include item to be a str, got 1"),
        (v.validate_include, ["bogus"], ValueError,
         "Expected include item to be one of documents, embeddings, metadatas, distances, uris, data, got bogus"),
        (v.validate_n_results, 1.5, ValueError, "Expected requested number of results to be a int, got 1.5"),
        (v.validate_n_results, 0, TypeError, "Number of requested results 0, cannot be negative, or zero."),
        (e.embedding_rows, [], ValueError, "Expected Embeddings to be non-empty list or numpy array, got []"),
        (e.embedding_rows, [True], ValueError,
         ("Expected embeddings to be a list of floats or ints, a list of lists, a numpy array, or a list of numpy "
         "arrays, got [True]")),
        (e.validate_embeddings, np.zeros((1, 2), dtype=np.uint8), ValueError,
         "Expected each value in the embedding to be a int or float, got an embedding with uint8 - [0 0]"),
        (e.validate_embeddings, [np.float32(1)], ValueError,
         "Expected each embedding in the embeddings to be a numpy array, got ['float32']"),
        (f.validate_where, "s", ValueError, "Expected where to be a dict, got s"),
        (f.validate_where, {}, ValueError, "Expected where to have exactly one operator, got {}"),
        (f.validate_where, {"$and": [{"k": 1}, {"$or": [{"k": 1}, {"k": None}]}]}, ValueError,
         "Expected where value to be a str, int, float, or operator expression, got None"),
        (f.validate_where, {"k": {"$in": []}}, ValueError,
         "Expected where operand value to be a non-empty list, and all values to be of the same type got []"),
        (f.validate_where, {"#document": {"$contains": 1}}, ValueError,
         "Expected operand value to be a str for operator $contains on #document, got 1"),
        (f.validate_where_document, {"$contains": ""}, ValueError,
         "Expected where document operand value for operator $contains to be a non-empty str"),
        (f.validate_where_document, {"$and": [{"$contains": "a"}]}, ValueError,
         ("Expected document value for $and or $or to be a list with at least two where document expressions, "
         "got [{'$contains': 'a'}]")),
        (constraints.check_collection_name, 5, TypeError, "argument 'name': expected str, got int"),
        (constraints.check_collection_name, "ab", InvalidArgumentError,
         ("Validation error: name: Expected a name containing 3-512 characters from [a-zA-Z0-9._-], "
         "starting and ending with a character in [a-zA-Z0-9]. Got: ab")),
        (constraints.check_collection_name, "a..b", InvalidArgumentError,
         "Validation error: name: Expected a name that does not contains two consecutive periods (..). Got a..b"),
        (constraints.check_collection_name, "1.2.3.4", InvalidArgumentError,
         "Validation error: name: Expected a name that is not a valid ip address. Got 1.2.3.4"),
        (constraints.check_database_name, "ab", InvalidArgumentError, "database name must be at least 3 characters"),
        (bindings.check_limit, -1, OverflowError, OUT_OF_RANGE),
        (bindings.check_limit, 2**32, OverflowError, OUT_OF_RANGE),
        (bindings.check_limit, "1", TypeError, "argument 'limit': 'str' object cannot be interpreted as an integer"),
        (bindings.check_limit, 2**40, OverflowError, OUT_OF_RANGE),
        (bindings.check_query_ids, [5], TypeError, "argument 'ids': expected str, got int"),
        (bindings.check_collection_id, "x", InvalidArgumentError,
         "Validation error: collection_id: Invalid collection ID format, expected UUID"),
        (constraints.check_collection_metadata, {}, InvalidArgumentError,
         "Validation error: metadata: Metadata cannot be empty"),
        (constraints.check_collection_metadata, {"": 1}, InvalidArgumentError,
         "Validation error: metadata: Metadata key cannot be empty"),
        (constraints.check_collection_metadata, {"#b": 1}, InvalidArgumentError,
         "Validation error: metadata: Metadata key cannot start with '#' or '$': #b"),
        (constraints.check_collection_metadata, {"a": None}, TypeError,
         "argument 'metadata': Cannot convert Python object to MetadataValue"),
        (constraints.check_collection_metadata, {"a": [1]}, InvalidArgumentError,
         "Validation error: metadata: the metadata of a collection holds no lists, got one under 'a'"),
        (constraints.check_collection_metadata, "abc", TypeError, "argument 'metadata': expected a dict, got str"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_chromas_words(check: Any, value: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        check(value)
    assert str(caught.value).split("\n")[0] == said  # what to do stands below


@pytest.mark.parametrize("name", ["abc", "ABC", "1.2.3", "a--b", "a_b-c.d", "a" * 512])
def test_names_that_chroma_allows(name: str) -> None:
    assert constraints.check_collection_name(name) == name


@pytest.mark.parametrize("name", ["abc\n", "a b", "Ünï", "日本語コレ", "abc-", "-abc", "a/b", "a" * 513, "", "'; DROP"])
def test_a_bad_name_is_a_value_error_too(name: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        constraints.check_collection_name(name)
    assert isinstance(caught.value, ValueError)


# --- Embeddings ---
@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ([1, 2.5], (1, 2)),
        ([[1, 2], [3, 4]], (2, 2)),
        ([[1, 2], (3, 4)], (2, 2)),
        ([np.float64(1), 2], (1, 2)),
        (np.array([1, 2]), (1, 2)),
        (np.zeros((3, 2), dtype=np.float16), (3, 2)),
        ([np.zeros(2), np.zeros(2, dtype=np.int32)], (2, 2)),
    ],
)
def test_embeddings_become_one_contiguous_float32_array(given: Any, shape: tuple[int, int]) -> None:
    matrix = e.embedding_matrix(e.validate_embeddings(e.embedding_rows(given)))
    assert (matrix.shape, matrix.dtype, matrix.flags.c_contiguous) == (shape, np.float32, True)


def test_a_float32_array_is_not_copied() -> None:
    given = np.zeros((3, 2), dtype=np.float32)
    assert e.embedding_matrix(e.embedding_rows(given)) is given


@pytest.mark.parametrize("given", [[[1, 2], [3]], [np.zeros(2), np.zeros(3)]])
def test_rows_of_different_length_are_the_engines_complaint(given: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="Inconsistent dimensions in provided embeddings"):
        e.embedding_matrix(e.validate_embeddings(e.embedding_rows(given)))


@pytest.mark.parametrize("given", [[[]], [np.array([])], np.zeros((2, 0)), [[1, [2]]], [[1, 2], None], [[1, "x"]],
                                   [np.zeros((1, 2))], np.zeros((1, 1, 1)), {"a": 1},
                                   [np.zeros(2), [1, 2]]])  # fmt: skip
def test_what_is_no_embedding_is_a_value_error(given: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # numpy says some of it
        e.embedding_matrix(e.validate_embeddings(e.embedding_rows(given)))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_vectors_that_are_not_finite_are_refused(value: float) -> None:
    matrix = e.embedding_matrix(e.embedding_rows([[1.0, 2.0], [value, 1.0]]))
    with pytest.raises(InvalidArgumentError, match="Embeddings must not contain NaN or Infinity values"):
        constraints.check_finite(matrix)
    constraints.check_finite(matrix, np.array([True, False]))


def test_large_vectors_whose_sum_overflows_are_fine() -> None:
    constraints.check_finite(np.full((10, 10), 3e38, dtype=np.float32))


# --- Records as they are stored ---
def records(**fields: Any) -> Records:
    return Records(**{"ids": ["a"], **fields})


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"v": 2**63}, {"v": 2.0**63}),
        ({"v": -(2**63)}, {"v": -(2**63)}),
        ({"v": [1, 2**63]}, {"v": [1.0, 2.0**63]}),
        ({"v": math.nan}, {}),
        ({"v": math.inf, "w": 1}, {"w": 1}),
        ({"v": np.float64(1.5), "s": np.str_("x")}, {"v": 1.5, "s": "x"}),
        ({"v": True, "l": ["a"]}, {"v": True, "l": ["a"]}),
        (None, None),
    ],
)
def test_metadata_is_stored_as_plain_values_in_their_range(given: Any, stored: Any) -> None:
    (found,) = constraints.check_records(records(metadatas=[given]), updating=False).metadatas
    assert found == stored
    if stored:
        assert [type(value) for value in found.values()] == [type(value) for value in stored.values()]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_cannot_be_stored_takes_the_place_of_what_was_there(value: float) -> None:
    (found,) = constraints.check_records(records(metadatas=[{"v": value, "w": 1}]), updating=True).metadatas
    assert found == {"v": None, "w": 1}


def test_checking_changes_nothing_it_was_given() -> None:
    given = {"v": 2**70, "w": math.nan}
    constraints.check_records(records(metadatas=[given]), updating=False)
    assert given["v"] == 2**70
    assert len(given) == 2


@pytest.mark.parametrize(
    ("fields", "error", "said"),
    [
        ({"ids": ["a", ""]}, InvalidArgumentError, "Empty ID, ID must have at least one character"),
        ({"ids": ["a", "a"]}, DuplicateIDError, "found duplicates of: a"),
        ({"metadatas": [{"": 1}]}, InvalidArgumentError, "Validation error: metadatas: Invalid metadata at index 0"),
        ({"ids": ["a", "b"], "metadatas": [{"x": 1}, {"$v": 1}]}, InvalidArgumentError, "Invalid metadata at index 1"),
        ({"metadatas": [{"#v": 1}]}, InvalidArgumentError, "Invalid metadata at index 0"),
        ({"metadatas": [{"chroma:document": 1}]}, InvalidArgumentError, "Invalid metadata at index 0"),
        ({"metadatas": [{"v": None}]}, TypeError, "Cannot convert Python object to MetadataValue"),
        ({"metadatas": [{"v": 10**400}]}, TypeError, "too large"),
        ({"metadatas": [{"v": {"a": 1}}]}, TypeError, "Cannot convert Python object to MetadataValue"),
        ({"metadatas": [{"v": [SparseVector([1], [1.0])]}]}, TypeError, "item 0 of the list is a SparseVector"),
        ({"metadatas": [{"v": [1.0, math.nan]}]}, InvalidArgumentError, "holds NaN or infinity"),
        ({"metadatas": [{"v": []}]}, InvalidArgumentError, "is empty"),
        ({"metadatas": [{"v": [1, "a"]}]}, InvalidArgumentError, "several types"),
        ({"uris": [5]}, TypeError, "argument 'uris'"),
        ({"documents": [5]}, TypeError, "argument 'documents'"),
        ({"embeddings": np.array([[math.nan]], dtype=np.float32)}, InvalidArgumentError, "NaN or Infinity"),
    ],
)
def test_what_the_engine_refuses(fields: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        constraints.check_records(records(**fields), updating=False)


def test_none_in_an_update_stays_to_delete_the_key() -> None:
    (found,) = constraints.check_records(records(metadatas=[{"a": None, "b": 1}]), updating=True).metadatas
    assert found == {"a": None, "b": 1}


def test_none_in_the_metadata_of_a_collection_leaves_the_key_out_of_an_update() -> None:
    assert constraints.check_collection_metadata({"a": None, "b": 1}, "new_metadata", updating=True) == {"b": 1}


@pytest.mark.parametrize("limit", [0, 2**32 - 1, True, np.int64(1)])
def test_limits_from_0_to_32_bits(limit: Any) -> None:
    assert bindings.check_limit(limit) == int(limit)
    assert type(bindings.check_limit(limit)) is int


def test_an_id_may_be_a_uuid_or_its_text() -> None:
    one = uuid.uuid4()
    assert bindings.check_collection_id(str(one)) == bindings.check_collection_id(one) == one


# --- Fields together ---
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"ids": ["a", "b"], "embeddings": [[1]]}, "Unequal lengths for fields: ids: 2, embeddings: 1"),
        ({"ids": ["a"], "embeddings": [[1]], "metadatas": [{"a": 1}, {"a": 2}]},
         "Unequal lengths for fields: ids: 1, metadatas: 2, embeddings: 1"),
        ({"ids": [], "embeddings": None}, r"Non-empty lists are required for \['ids'\]"),
        ({"ids": None, "embeddings": None},
         "At least one of one of ids, metadatas, embeddings, documents, images, uris"),
    ],
)  # fmt: skip
def test_fields_fit_together_or_it_is_said_how_not(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        v.validate_insert_record_set(v.normalize_insert_record_set(**fields))


def test_one_stands_for_a_list_of_one() -> None:
    fields = v.normalize_insert_record_set("a", [1.0, 2.0], {"k": 1}, "text", uris="u://a")
    assert (fields["ids"], fields["metadatas"], fields["documents"], fields["uris"]) == (
        ["a"], [{"k": 1}], ["text"], ["u://a"]
    )  # fmt: skip
    assert len(fields["embeddings"] or []) == 1


def test_a_batch_larger_than_the_limit_is_named() -> None:
    with pytest.raises(ValueError, match="Batch size 3 exceeds maximum batch size 2"):
        v.validate_batch((["a", "b", "c"], None, None, None, None), {"max_batch_size": 2})


def test_a_sparse_vector_in_dict_form_becomes_one_and_the_dict_stays() -> None:
    given = {"v": {"#type": "sparse_vector", "indices": [1], "values": [0.5]}, "w": 1}
    assert v.normalize_metadatas([given]) == [{"v": SparseVector([1], [0.5]), "w": 1}]
    assert isinstance(given["v"], dict)


# --- Filters that hurt ---
@pytest.mark.parametrize(
    ("check", "term"), [(f.validate_where, {"k": 1}), (f.validate_where_document, {"$regex": "x"})]
)
def test_filters_nested_without_end_are_refused(check: Any, term: dict[str, Any]) -> None:
    loop: dict[str, Any] = {"$and": [term]}
    loop["$and"].append(loop)
    deep = term
    for _ in range(5_000):
        deep = {"$or": [term, deep]}
    for where in (loop, deep):
        with pytest.raises(InvalidArgumentError, match="nested more than 64 levels"):
            check(where)


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(ValueError, match="same type") as caught:
        f.validate_where({"k": {"$in": [1, "x"] * 100_000}})
    assert len(str(caught.value)) < 2_000

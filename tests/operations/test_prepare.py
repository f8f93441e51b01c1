"""From the arguments of a call to its request."""

import uuid
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest

from chroma_nb.errors import DuplicateIDError, InvalidArgumentError
from chroma_nb.operations import asking, prepare
from chroma_nb.operations.embed import CallContext
from chroma_nb.query.ranking import Knn, Val
from chroma_nb.query.search import Search
from chroma_nb.schema import Schema, resolve
from chroma_nb.types import CollectionModel


class Lengths:
    """Embeds a text as its length; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def __call__(self, input: Any) -> Any:
        self.asked.append(("document", input))
        return [[float(len(one)), 0.0] for one in input]

    def embed_query(self, input: Any) -> Any:
        self.asked.append(("query", input))
        return [[float(len(one)), 1.0] for one in input]

    def name(self) -> str:
        return "lengths"

    def get_config(self) -> dict[str, Any]:
        return {}

    def is_legacy(self) -> bool:
        return False

    def default_space(self) -> str:
        return "cosine"

    def supported_spaces(self) -> list[str]:
        return ["cosine", "l2", "ip"]

    def validate_config_update(self, old: Any, new: Any) -> None:
        return None


def context(function: Any = None, loader: Any = None, **configuration: Any) -> CallContext:
    resolved = resolve(None, {"hnsw": {}, "embedding_function": {"type": "legacy"}, **configuration})
    model = CollectionModel(
        uuid.UUID(int=7), "col", resolved.configuration_json, resolved.serialized_schema, None, None, "t", "d"
    )
    return CallContext(model, function, loader)


@pytest.mark.parametrize("call", [prepare.add, prepare.update, prepare.upsert])
def test_records_come_as_given_with_vectors_as_one_array(call: Any) -> None:
    request = call(context(), "a", [1, 2], {"k": 1}, "text", uris="u://a")
    assert (request.collection_id, request.tenant, request.database) == (uuid.UUID(int=7), "t", "d")
    records = request.records
    assert (records.ids, records.metadatas, records.documents, records.uris) == (
        ["a"], [{"k": 1}], ["text"], ["u://a"]
    )  # fmt: skip
    np.testing.assert_array_equal(records.embeddings, np.array([[1, 2]], dtype=np.float32))


@pytest.mark.parametrize("call", [prepare.add, prepare.update, prepare.upsert])
def test_documents_without_vectors_are_embedded(call: Any) -> None:
    function = Lengths()
    request = call(context(function), ["a", "b"], documents=["xx", "yyy"])
    np.testing.assert_array_equal(request.records.embeddings, [[2, 0], [3, 0]])
    assert function.asked == [("document", ["xx", "yyy"])]


COLUMNS: dict[str, Any] = {
    "array": np.array,
    "array of objects": lambda values: np.array(values, dtype=object),
    "Series": lambda values: pd.Series(values, index=range(9, 9 + len(values))),
    "Index": pd.Index,
    "categories": lambda values: pd.Series(values, dtype="category"),
    "polars": polars.Series,
    "Arrow": pyarrow.array,
    "generator": lambda values: (value for value in values),
    "dict values": lambda values: dict(enumerate(values)).values(),
}


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_a_column_of_a_table_and_anything_like_it_is_the_list_it_stands_for(column: Any) -> None:
    function = Lengths()
    records = prepare.add(context(function), column(["a", "b"]), documents=column(["xx", "yyy"])).records
    assert (records.ids, records.documents) == (["a", "b"], ["xx", "yyy"])
    np.testing.assert_array_equal(records.embeddings, [[2, 0], [3, 0]])
    vectors, metadatas = pd.Series([np.ones(2), np.zeros(2)]), pd.Series([{"k": 1}, None])
    records = prepare.upsert(context(), column(["a", "b"]), vectors, metadatas, uris=column(["u", "v"])).records
    np.testing.assert_array_equal(records.embeddings, [[1, 1], [0, 0]])
    assert (records.metadatas, records.uris) == ([{"k": 1}, None], ["u", "v"])
    assert len(asking.query(context(function), query_texts=column(["x", "y"])).query_embeddings) == 2
    assert asking.get(context(), column(["a"])).ids == prepare.delete(context(), column(["a"])).ids == ["a"]


def test_a_hole_in_a_column_is_named() -> None:
    with pytest.raises(ValueError, match=r"Expected document to be a str, got (nan|<NA>|None) in add"):
        prepare.add(context(Lengths()), ["a", "b"], documents=pd.Series(["x", None], dtype="string"))


def test_vectors_given_are_not_embedded_again() -> None:
    function = Lengths()
    prepare.add(context(function), ["a"], [[1, 2]], documents=["xx"])
    assert function.asked == []


def test_queries_are_embedded_as_queries() -> None:
    function = Lengths()
    request = asking.query(context(function), query_texts="xx")
    np.testing.assert_array_equal(request.query_embeddings, [[2, 1]])
    assert function.asked == [("query", ["xx"])]


def test_vectors_given_to_a_query_win_over_its_texts() -> None:
    request = asking.query(context(), query_embeddings=[[1, 2]], query_texts=["a"])
    np.testing.assert_array_equal(request.query_embeddings, [[1, 2]])


def test_what_uris_point_to_is_loaded_and_embedded() -> None:
    function, loaded = Lengths(), []

    def load(uris: list[str]) -> list[Any]:
        loaded.extend(uris)
        return [np.zeros((4, 2))]

    request = prepare.add(context(function, load), "a", uris="u://a")
    assert loaded == ["u://a"]
    np.testing.assert_array_equal(request.records.embeddings, [[4, 0]])
    assert request.records.uris == ["u://a"]


def test_an_update_of_metadata_or_uris_needs_no_vector() -> None:
    assert prepare.update(context(), "a", metadatas={"k": None}).records.embeddings is None
    assert prepare.update(context(), "a", uris="u://a").records.embeddings is None


@pytest.mark.parametrize(
    ("call", "arguments", "error", "said"),
    [
        (prepare.add, {"ids": ["a"]}, ValueError, "Exactly one of images, documents, uris must be provided in add."),
        (prepare.add, {"ids": ["a"], "metadatas": [{"k": 1}]}, ValueError,
         "Exactly one of images, documents, uris must be provided in add."),
        (prepare.add, {"ids": ["a"], "documents": ["x"], "uris": ["y"]}, ValueError,
         "Exactly one of images, documents, uris must be provided in add."),
        (prepare.add, {"ids": ["a"], "embeddings": 5}, TypeError, "object of type 'int' has no len() in add."),
        (prepare.add, {"ids": ["a", "a"], "embeddings": [[1], [2]]}, DuplicateIDError,
         "Expected IDs to be unique, found duplicates of: a in add."),
        (prepare.add, {"ids": ["a"], "embeddings": [[1]], "metadatas": ["abc"]}, AttributeError, " in add."),
        (prepare.add, {"ids": ["a"], "embeddings": [[10**400]]}, OverflowError, " in add."),
        (prepare.add, {"ids": ["a", "b"], "embeddings": [[1], [1, 2]]}, InvalidArgumentError,
         "Inconsistent dimensions in provided embeddings"),
        (prepare.add, {"ids": ["a"], "uris": ["x"]}, ValueError,
         "You must set a data loader on the collection if loading from URIs. in add."),
        (prepare.add, {"ids": ["a"], "documents": ["x"]}, ValueError,
         ("You must provide an embedding function to compute embeddings.https://docs.trychroma.com/guides/embeddings "
         "in add.")),
        (prepare.upsert, {"ids": ["a"], "uris": ["x"]}, ValueError,
         "Exactly one of images, documents must be provided in upsert."),
        (prepare.update, {"ids": []}, ValueError, "Non-empty lists are required for ['ids'] in update."),
        (asking.query, {}, ValueError,
         "At least one of one of embeddings, documents, images, uris must be provided in query."),
        (asking.query, {"query_embeddings": [[1]], "n_results": 0}, TypeError,
         "Number of requested results 0, cannot be negative, or zero. in query."),
        (asking.get, {"include": ["distances"]}, ValueError,
         "Include item cannot be one of distances, got distances in get."),
        (asking.get, {"include": ["data"]}, ValueError,
         "You must set a data loader on the collection if loading from URIs. in get."),
        (prepare.delete, {}, ValueError,
         "At least one of ids, where, or where_document must be provided in delete."),
        (prepare.delete, {"ids": ["a"], "limit": 1}, ValueError,
         "limit can only be specified when a where or where_document clause is provided in delete."),
        (prepare.delete, {"where": {"k": 1}, "limit": -1}, ValueError,
         "limit must be a non-negative integer in delete."),
        (prepare.delete, {"where": {"k": 1}, "limit": True}, TypeError,
         "limit must be a non-negative integer in delete."),
        (prepare.modify, {"metadata": {"hnsw:space": "ip"}}, ValueError,
         "Changing the distance function of a collection once it is created is not supported currently."),
        (prepare.modify, {"metadata": {}}, ValueError,
         "Expected metadata to be a non-empty dict, got 0 metadata attributes"),
        (prepare.modify, {"configuration": {"spann": {"ef_search": 5}}}, ValueError,
         "Trying to update SPANN config but schema has HNSW"),
    ],
)  # fmt: skip
def test_errors_name_the_call_they_come_from(
    call: Any, arguments: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error) as caught:
        call(context(), **arguments)
    chromas, *_ = str(caught.value).split("\n")  # what to do stands below Chroma's words
    assert chromas == said or (said.startswith(" in") and chromas.endswith(said))


def test_an_error_of_the_embedding_function_is_left_as_it_is() -> None:
    def fails(input: Any) -> Any:
        raise ConnectionError("no line")

    with pytest.raises(ConnectionError, match=r"^no line$"):
        prepare.add(context(fails), "a", documents="x")


def test_nothing_is_embedded_when_another_argument_is_wrong() -> None:
    function = Lengths()
    with pytest.raises(ValueError, match="Expected where to be a dict"):
        asking.query(context(function), query_texts="x", where="wrong")
    assert function.asked == []


@pytest.mark.parametrize("call", [asking.get, asking.query])
def test_asking_for_data_asks_the_backend_for_uris(call: Any) -> None:
    include = ["data", "documents"]
    arguments = {"query_embeddings": [[1]]} if call is asking.query else {}
    request = call(context(loader=lambda uris: []), include=include, **arguments)
    assert {"documents", "uris"} <= set(request.include)
    assert "data" not in request.include
    assert include == ["data", "documents", "uris"]  # as Chroma does


def test_what_is_asked_stands_in_the_request() -> None:
    got = asking.get(context(), "a", {"k": 1}, 5, 2, {"$contains": "x"}, ["uris"])
    assert (got.ids, got.where, got.limit, got.offset, got.where_document, got.include) == (
        ["a"], {"k": 1}, 5, 2, {"$contains": "x"}, ("uris",)
    )  # fmt: skip
    asked = asking.query(context(), [1, 2], ids="a", n_results=3, where={"k": 1})
    assert (asked.ids, asked.n_results, asked.where, asked.include) == (
        ["a"], 3, {"k": 1}, ("metadatas", "documents", "distances")
    )  # fmt: skip
    gone = prepare.delete(context(), where={"k": 1}, limit=3)
    assert (gone.ids, gone.where, gone.limit) == (None, {"k": 1}, 3)


def test_a_query_may_be_limited_to_no_ids() -> None:
    assert asking.query(context(), [1, 2], ids=[]).ids == []


# --- Collections ---
def test_creating_with_nothing_sends_no_configuration() -> None:
    request = prepare.create_collection("col", "t", "d")
    assert (request.configuration, request.schema, request.metadata) == (None, None, None)


def test_creating_sends_the_embedding_function_by_name() -> None:
    request = prepare.create_collection("col", "t", "d", embedding_function=Lengths())
    assert request.configuration == {
        "hnsw": {"space": "cosine"},
        "spann": None,
        "embedding_function": {"type": "known", "name": "lengths", "config": {}},
    }


def test_creating_leaves_the_configuration_it_was_given() -> None:
    configuration = {"hnsw": {"ef_search": 5}}
    prepare.create_collection("col", "t", "d", configuration=configuration, embedding_function=Lengths())
    assert configuration == {"hnsw": {"ef_search": 5}}


def test_creating_sends_a_schema_as_json() -> None:
    assert prepare.create_collection("col", "t", "d", schema=Schema()).schema == Schema().serialize_to_json()
    with pytest.raises(ValueError, match="Expected schema to be a Schema, got int"):
        prepare.create_collection("col", "t", "d", schema=5)  # type: ignore[arg-type]


def test_modifying_sends_what_changes() -> None:
    request = prepare.modify(context(), "new", {"k": 1}, {"hnsw": {"ef_search": 5}})
    assert (request.new_name, request.new_metadata) == ("new", {"k": 1})
    assert request.new_configuration == {"hnsw": {"ef_search": 5}, "spann": None, "embedding_function": None}
    assert prepare.modify(context(), "new", configuration={}).new_configuration is None


def test_modifying_to_another_embedding_function_is_refused() -> None:
    mine = {"type": "known", "name": "mine", "config": {}}
    with pytest.raises(ValueError, match=r"Cannot update embedding function: incompatible types \(mine vs lengths\)"):
        prepare.modify(context(embedding_function=mine), configuration={"embedding_function": Lengths()})


# --- Search ---
def test_texts_to_rank_by_are_embedded_wherever_they_stand() -> None:
    search = Search().rank((Knn(query="xx") * 2).max(Val(1))).limit(3)
    (sent,) = asking.search(context(Lengths()), search).searches
    assert sent["rank"]["$max"][0]["$mul"][0] == {"$knn": {"query": [2.0, 1.0], "key": "#embedding", "limit": 16}}
    assert sent["limit"] == {"offset": 0, "limit": 3}


def test_a_search_may_be_one_or_many_objects_or_dicts() -> None:
    one = Search()
    assert len(asking.search(context(), one).searches) == 1
    assert asking.search(context(), [one, one.to_dict()]).searches[1] == one.to_dict()
    assert asking.search(context(), []).searches == ()


def test_a_text_for_another_key_cannot_be_embedded() -> None:
    with pytest.raises(ValueError, match="Cannot embed string query for key 'sparse'"):
        asking.search(context(Lengths()), Search().rank(Knn(query="x", key="sparse")))

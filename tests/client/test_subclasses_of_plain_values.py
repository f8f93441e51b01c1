"""A subclass of str, int or float is the value it stands for, wherever a value can be given, in every place."""

from __future__ import annotations

import enum
import faulthandler
import http
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import chroma_nb
from chroma_nb.plain import plain, plain_list, plain_tree
from chroma_nb.types import SparseVector


class Role(str, enum.Enum):
    ADMIN = "admin"


class Word(enum.StrEnum):
    ADMIN = "admin"


class Level(enum.IntEnum):
    SEVEN = 7


class Money(float):
    """A plain child."""


def _lies(*_: Any, **__: Any) -> Any:
    raise AssertionError("a method of the value's own was called")


#: What a class may define that others call.
_LIES = dict.fromkeys(
    (
        "__str__", "__repr__", "__format__", "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__contains__",
        "__index__", "__int__", "__float__", "__bool__", "__len__", "__iter__", "__getitem__", "encode", "startswith",
    ),
    _lies,
)  # fmt: skip
HostileStr = type("HostileStr", (str,), {**_LIES, "__hash__": str.__hash__})
HostileInt = type("HostileInt", (int,), {**_LIES, "__hash__": int.__hash__})
HostileFloat = type("HostileFloat", (float,), {**_LIES, "__hash__": float.__hash__})

TEXTS = [Role.ADMIN, Word.ADMIN, np.str_("admin"), HostileStr("admin")]
NUMBERS = [http.HTTPStatus.OK, Level.SEVEN, HostileInt(5), Money(1.5), np.float64(2.5), HostileFloat(0.5)]
VALUES = [*TEXTS, *NUMBERS, True]


def _name(value: Any) -> str:
    return type(value).__name__


def same(found: Any, value: Any) -> bool:
    """Whether ``found`` is of the plain type itself, and the value that the subclass holds."""
    kind = next(base for base in (str, bool, int, float) if isinstance(value, base))
    return type(found) is kind and found == plain(value)


@pytest.fixture(autouse=True)
def _no_endless_loop() -> Iterator[None]:
    """A walk through 2**64 numbers hears no interrupt: it ends the process, which shows where it was."""
    faulthandler.dump_traceback_later(120, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def collection(sync_client: Any) -> Any:
    return sync_client.create_collection("things", embedding_function=None)


# --- Records ---
@pytest.mark.parametrize("value", VALUES, ids=_name)
@pytest.mark.parametrize("call", ["add", "upsert", "update"])
def test_a_metadata_value_is_stored_as_the_plain_value(collection: Any, call: str, value: Any) -> None:
    if call == "update":
        collection.add(ids=["a"], embeddings=[[1, 2]], metadatas=[{"key": 0}])
    getattr(collection, call)(ids=["a"], embeddings=[[1, 2]], metadatas=[{"key": value, "list": [value]}])
    (metadata,) = collection.get()["metadatas"]
    assert same(metadata["key"], value)
    assert same(metadata["list"][0], value)


@pytest.mark.parametrize("text", TEXTS, ids=_name)
@pytest.mark.parametrize("one", [True, False])
def test_ids_documents_uris_and_keys_are_stored_as_plain_text(collection: Any, text: Any, one: bool) -> None:
    fields = {"ids": text, "documents": text, "uris": text, "metadatas": {text: 1}}
    given = fields if one else {name: [field] for name, field in fields.items()}
    collection.add(embeddings=[[1, 2]], **given)
    found = collection.get(include=["documents", "uris", "metadatas"])
    stored = [found["ids"][0], found["documents"][0], found["uris"][0], *found["metadatas"][0]]
    assert [(type(one), one) for one in stored] == [(str, "admin")] * 4


@pytest.mark.parametrize("text", TEXTS, ids=_name)
def test_records_are_found_updated_and_deleted_by_such_an_id(collection: Any, text: Any) -> None:
    collection.add(ids=["admin", "other"], embeddings=[[1, 2], [1, 2]], documents=["x", "y"])
    assert collection.get(ids=[text])["ids"] == ["admin"]
    assert collection.query(query_embeddings=[[1, 2]], ids=[text])["ids"] == [["admin"]]
    collection.update(ids=text, embeddings=[1, 2], documents=text)
    assert collection.get(ids=text)["documents"] == ["admin"]
    collection.upsert(ids=[text], embeddings=[[3, 4]])
    assert collection.delete(ids=[text]) == {"deleted": 1}
    assert collection.get()["ids"] == ["other"]


def test_an_id_given_as_itself_and_as_a_subclass_is_given_twice(collection: Any) -> None:
    with pytest.raises(chroma_nb.errors.DuplicateIDError, match="found duplicates of: admin"):
        collection.add(ids=["admin", Role.ADMIN], embeddings=[[1, 2], [1, 2]])
    assert collection.count() == 0


@pytest.mark.parametrize("value", VALUES, ids=_name)
def test_a_table_stores_the_plain_value(collection: Any, value: Any) -> None:
    cells = pd.Series([value, None], dtype=object)
    ids = pd.Series([value, "b"] if isinstance(value, str) else ["a", "b"], dtype=object)
    frame = pd.DataFrame({"id": ids, "key": cells, "embedding": [[1.0, 2.0]] * 2})
    collection.add(frame)
    found = collection.get()
    assert same(found["metadatas"][0]["key"], value)
    assert {type(one) for one in found["ids"]} == {str}


# --- Names of columns, and ids as labels ---
@pytest.mark.parametrize("text", TEXTS[:3], ids=_name)
@pytest.mark.parametrize(
    "given", ["a column", "named", "named in a list", "a table", "a dict a row", "a column of dicts"], ids=str
)
def test_the_name_of_a_column_is_plain(collection: Any, given: str, text: Any) -> None:
    vectors = {"id": ["a", "b"], "embedding": [[1.0, 2.0]] * 2}
    whole = pd.DataFrame({**vectors, "admin": [1, 2]})
    frame, options = {
        "a column": (pd.DataFrame({**vectors, text: [1, 2]}), {}),
        "named": (whole, {"metadata": text}),
        "named in a list": (whole, {"metadata": [text]}),
        "a table": (pd.DataFrame(vectors), {"metadata": pd.DataFrame({text: [1, 2]})}),
        "a dict a row": (pd.DataFrame(vectors), {"metadata": [{text: 1}, {text: 2}]}),
        "a column of dicts": (pd.DataFrame({**vectors, "metadata": [{text: 1}, {text: 2}]}), {}),
    }[given]
    for call in ("add_df", "upsert_df", "sync"):
        getattr(collection, call)(frame, **options)
        assert collection.get()["metadatas"] == [{"admin": 1}, {"admin": 2}]
    assert collection.to_df(columns=[text])[text].tolist() == [1, 2]
    with pytest.raises(ValueError, match="column 'admin': expected"):
        collection.upsert_df(frame.assign(admin=[1j, 1j]).rename(columns={"admin": text}))


@pytest.mark.parametrize("text", TEXTS[:3], ids=_name)
def test_a_label_that_is_an_id_is_plain(collection: Any, text: Any) -> None:
    labels = pd.Index(["b", text], dtype=object)
    frame = pd.DataFrame({"id": ["admin", "b"], "embedding": [[1.0, 2.0]] * 2})
    for documents in ({"b": "of b", text: "of admin"}, pd.Series(["of b", "of admin"], index=labels)):
        collection.upsert_df(frame, document=documents)
        assert collection.get()["documents"] == ["of admin", "of b"]
        collection.delete(["admin", "b"])


# --- Filters and numbers ---
@pytest.mark.parametrize("value", VALUES, ids=_name)
@pytest.mark.parametrize("call", ["get", "query", "delete"])
def test_a_filter_asks_for_the_plain_value(collection: Any, call: str, value: Any) -> None:
    collection.add(
        ids=["yes", "no"],
        embeddings=[[1, 2]] * 2,
        metadatas=[{"admin": plain(value), "list": [plain(value)]}, {"admin": "none", "list": ["none"]}],
    )
    key = Role.ADMIN
    filters: list[Any] = [
        {key: value},
        {key: {HostileStr("$eq"): value}},
        {"admin": {"$in": [value, value]}},
        {"list": {"$contains": value}},
        {"$and": [{"admin": value}, {"admin": {"$nin": ["none"]}}]},
    ]
    if not isinstance(value, str | bool):
        filters += [{"admin": {"$gte": value}}, {"admin": {"$lte": value}}]
    for where in filters:
        if call == "delete":
            assert collection.delete(where={"$and": [where, {"admin": {"$ne": value}}]}) == {"deleted": 0}
            continue
        arguments = {"query_embeddings": [[1, 2]]} if call == "query" else {}
        assert np.ravel(getattr(collection, call)(where=where, **arguments)["ids"]).tolist() == ["yes"]
    assert collection.get(where={"admin": {"$nin": [value]}})["ids"] == ["no"]
    assert collection.delete(where={"admin": value}) == {"deleted": 1}


@pytest.mark.parametrize("text", TEXTS, ids=_name)
def test_a_document_is_found_by_the_plain_text(collection: Any, text: Any) -> None:
    collection.add(ids=["yes", "no"], embeddings=[[1, 2]] * 2, documents=["the admin", "nobody"])
    for where in ({"$contains": text}, {HostileStr("$regex"): text}, {"$or": [{"$contains": text}] * 2}):
        assert collection.get(where_document=where)["ids"] == ["yes"]
    assert collection.get(where={"#document": {"$contains": text}})["ids"] == ["yes"]


@pytest.mark.parametrize("number", [Level.SEVEN, HostileInt(7)], ids=_name)
def test_limits_are_the_plain_number(sync_client: Any, collection: Any, number: Any) -> None:
    collection.add(ids=[str(row) for row in range(9)], embeddings=[[row, 0] for row in range(9)])
    assert len(collection.get(limit=number)["ids"]) == 7
    assert collection.get(offset=number)["ids"] == ["7", "8"]
    assert len(collection.peek(number)["ids"]) == 7
    assert len(collection.query(query_embeddings=[[0, 0]], n_results=number)["ids"][0]) == 7
    assert len(sync_client.list_collections(limit=number, offset=HostileInt(0))) == 1
    collection.update(ids=[str(row) for row in range(9)], metadatas=[{"k": 1}] * 9)
    assert collection.delete(where={"k": 1}, limit=number) == {"deleted": 7}


def test_what_to_include_may_be_an_enumeration(collection: Any) -> None:
    fields = enum.StrEnum("fields", ["documents", "metadatas"])
    collection.add(ids="a", embeddings=[1, 2], documents="text")
    assert collection.get(include=[fields.documents])["documents"] == ["text"]
    assert collection.query(query_embeddings=[1, 2], include=[fields.documents])["documents"] == [["text"]]


# --- Collections, databases, tenants ---
@pytest.mark.parametrize("value", VALUES, ids=_name)
def test_the_metadata_of_a_collection_is_the_plain_value(sync_client: Any, value: Any) -> None:
    made = sync_client.create_collection("made", metadata={Role.ADMIN: value}, embedding_function=None)
    for handle in (made, sync_client.get_collection("made", embedding_function=None)):
        assert [type(key) for key in handle.metadata] == [str]
        assert same(handle.metadata["admin"], value)
    made.modify(metadata={HostileStr("other"): value})
    for handle in (made, sync_client.get_collection("made", embedding_function=None)):
        assert list(handle.metadata) == ["other"]
        assert same(handle.metadata["other"], value)


@pytest.mark.parametrize("name", TEXTS, ids=_name)
def test_names_are_plain(sync_client: Any, name: Any) -> None:
    made = sync_client.create_collection(name, embedding_function=None)
    assert (type(made.name), made.name) == (str, "admin")
    assert sync_client.get_collection(name).id == sync_client.get_or_create_collection(name).id == made.id
    made.modify(name="another")
    made.modify(name=name)
    assert (type(made.name), made.name) == (str, "admin")
    sync_client.delete_collection(name)
    assert sync_client.count_collections() == 0
    sync_client._admin_client.create_tenant(name)
    sync_client._admin_client.create_database(name, name)
    assert sync_client._admin_client.get_database(name, name)["name"] == "admin"
    sync_client.set_tenant(name, name)
    assert [type(part) for part in (sync_client.tenant, sync_client.database)] == [str, str]
    sync_client.create_collection("here", embedding_function=None)
    assert [(one.tenant, one.database) for one in sync_client.list_collections()] == [("admin", "admin")]
    sync_client._admin_client.delete_database(name, name)


def test_a_configuration_is_plain(sync_client: Any) -> None:
    space = enum.StrEnum("space", ["cosine"])
    configuration = {"hnsw": {"space": space.cosine, "ef_search": Level.SEVEN, "resize_factor": Money(1.5)}}
    made = sync_client.create_collection("made", configuration=configuration, embedding_function=None)
    hnsw = made.configuration_json["hnsw"]
    assert [(type(hnsw[key]), hnsw[key]) for key in ("space", "ef_search")] == [(str, "cosine"), (int, 7)]
    legacy = sync_client.create_collection("old", metadata={"hnsw:M": Level.SEVEN}, embedding_function=None)
    assert (type(legacy.configuration_json["hnsw"]["max_neighbors"]), legacy.metadata) == (int, {"hnsw:M": 7})


def test_a_sparse_vector_is_plain() -> None:
    vector = SparseVector([Level.SEVEN], [Money(0.5)], [Role.ADMIN])
    assert [type(one[0]) for one in (vector.indices, vector.values, vector.labels or [])] == [int, float, str]


def test_calls_below_a_client_store_plain_values(sync_client: Any, collection: Any) -> None:
    server, place = sync_client._server, {"collection_id": collection.id}
    server._add(**place, ids=[Role.ADMIN], embeddings=[[1, 2]], metadatas=[{Role.ADMIN: http.HTTPStatus.OK}])
    found = server._get(**place, ids=[Role.ADMIN], where={Role.ADMIN: http.HTTPStatus.OK})
    assert found["ids"] == ["admin"]
    assert found["metadatas"] == [{"admin": 200}]
    assert server._delete(**place, ids=[Role.ADMIN]) == {"deleted": 1}


# --- As Chroma ---
@pytest.fixture
def chroma(tmp_path: Path) -> Any:
    return importlib.import_module("chromadb").PersistentClient(str(tmp_path / "theirs"))


@pytest.mark.parametrize("value", [*TEXTS[:3], *NUMBERS[:2], *NUMBERS[3:5]], ids=_name)
def test_chroma_stores_and_finds_the_same(chroma: Any, sync_client: Any, value: Any) -> None:
    """At every entry where Chroma takes the value: it refuses subclasses in lists only."""
    answers = []
    for client in (sync_client, chroma):
        made = client.create_collection("things", metadata={"by": value}, embedding_function=None)
        made.add(ids=["a", "b"], embeddings=[[1, 2]] * 2, metadatas=[{"key": value}, {"key": "none"}])
        found = made.get(where={"key": value})
        number = found["metadatas"][0]["key"], made.metadata["by"]
        others = made.get(where={"key": {"$nin": [value]}})["ids"]
        answers.append((found["ids"], others, [(type(one), one) for one in number]))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("value", [np.int64(3), np.float32(0.5), np.bool_(True)], ids=_name)
def test_chroma_takes_numpys_numbers_in_the_metadata_of_a_collection_only(
    chroma: Any, sync_client: Any, value: Any
) -> None:
    theirs = chroma.create_collection("numbers", metadata={"n": value}, embedding_function=None).metadata
    ours = sync_client.create_collection("numbers", metadata={"n": value}, embedding_function=None).metadata
    assert [(type(one["n"]), one) for one in (ours, theirs)] == [(type(value.item()), {"n": value.item()})] * 2


# --- The one place ---
def test_what_is_plain_is_not_copied() -> None:
    values = ["a", 1, 2.5, True, None]
    assert plain_list(values) is values
    assert all(plain(value) is value for value in values)


def test_what_contains_itself_ends() -> None:
    where: dict[str, Any] = {"$and": []}
    where["$and"] += [where, where]
    copied = plain_tree(where)
    assert copied["$and"][0] is copied


def test_a_key_of_a_schema_is_plain() -> None:
    schema = chroma_nb.Schema().create_index(chroma_nb.StringInvertedIndexConfig(), key=Role.ADMIN)
    assert {type(key) for key in schema.serialize_to_json()["keys"]} == {str}


def test_a_collection_is_found_by_its_id_as_text_and_by_no_value_that_equals_everything(sync_client: Any) -> None:
    made = sync_client.create_collection("things", embedding_function=None)
    assert sync_client.get_collection("things", None, id=str(made.id)).id == made.id
    for foreign in (np.ma.masked, np.ma.array([1, 2]), Role.ADMIN, 1.5):
        with pytest.raises(chroma_nb.errors.InvalidArgumentError, match="expected UUID"):
            sync_client.get_collection("things", None, id=foreign)


def test_a_message_can_be_printed_whatever_stands_in_it(local_client: Any) -> None:
    half = "half \ud800"
    collection = local_client.create_collection("things", embedding_function=None)
    for refused in (
        lambda: collection.get(where={"key": {half: 1}}),
        lambda: collection.get(include=[half]),
    ):
        with pytest.raises((ValueError, chroma_nb.errors.InvalidArgumentError), match="ud800") as caught:
            refused()
        str(caught.value).encode()

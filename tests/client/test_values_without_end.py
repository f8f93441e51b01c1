"""What contains itself, repeats its own parts or lies too deep is refused at once, with a sentence, in every place."""

from __future__ import annotations

import enum
import faulthandler
import pathlib
from collections import namedtuple
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

import chroma_nb
from chroma_nb.plain import shown

Pair = namedtuple("Pair", "x y")

CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)
RING: dict[str, Any] = {}
RING["k"] = RING
DEEP: list[Any] = []
for _ in range(10_000):
    DEEP = [DEEP]


def repeated(leaf: Any, levels: int = 40) -> Any:
    """A filter whose every level holds the one below twice: 2**levels conditions, and as many dicts as levels."""
    for _ in range(levels):
        leaf = {"$and": [leaf, leaf]}
    return leaf


@pytest.fixture(autouse=True)
def _no_endless_loop() -> Iterator[None]:
    faulthandler.dump_traceback_later(120, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def collection(sync_client: Any) -> Any:
    made = sync_client.create_collection("things", embedding_function=None)
    made.add(ids="a", embeddings=[1, 2], documents="text", metadatas={"k": 1})
    return made


@pytest.mark.parametrize("call", ["get", "query", "delete"])
@pytest.mark.parametrize("condition", [{"$eq": CIRCLE}, {"$in": CIRCLE}, {"$in": [RING]}, {"$nin": [[CIRCLE]]}])
def test_a_filter_that_contains_itself_is_refused_as_by_chroma(collection: Any, call: str, condition: Any) -> None:
    arguments = {"query_embeddings": [1, 2]} if call == "query" else {}
    with pytest.raises(ValueError, match="Circular reference detected\nThe filter contains itself"):
        getattr(collection, call)(where={"k": condition}, **arguments)
    assert collection.count() == 1


@pytest.mark.parametrize("call", ["get", "query", "delete"])
def test_a_filter_of_lists_in_lists_is_refused(collection: Any, call: str) -> None:
    arguments = {"query_embeddings": [1, 2]} if call == "query" else {}
    for condition in ({"$eq": DEEP}, {"$in": DEEP}, {"$in": [DEEP]}):
        with pytest.raises(chroma_nb.errors.InvalidArgumentError, match="a list in a list, nested too deeply"):
            getattr(collection, call)(where={"k": condition}, **arguments)


@pytest.mark.parametrize("call", ["get", "query", "delete"])
def test_a_filter_that_repeats_its_own_parts_without_end_is_refused(collection: Any, call: str) -> None:
    arguments = {"query_embeddings": [1, 2]} if call == "query" else {}
    for where in ({"where": repeated({"k": 1})}, {"where_document": repeated({"$contains": "t"})}):
        with pytest.raises(ValueError, match=rf"the same parts many times in {call}\.\nThe same dict or list"):
            getattr(collection, call)(**where, **arguments)
    assert collection.count() == 1


def test_a_filter_may_use_a_part_twice(collection: Any) -> None:
    assert collection.get(where=repeated({"k": 1}, 5), where_document=repeated({"$contains": "t"}, 5))["ids"] == ["a"]


def test_metadata_and_settings_that_repeat_their_parts_are_refused(sync_client: Any, collection: Any) -> None:
    whole = repeated({"k": 1})
    for refused in (
        lambda: collection.add(ids=["b"], embeddings=[[1, 2]], metadatas=[whole]),
        lambda: collection.add(ids=["b"], embeddings=[[1, 2]], metadatas=[{"k": whole}]),
        lambda: collection.add(ids=["b"], embeddings=[[1, 2]], metadatas=[{"k": [whole]}]),
        lambda: collection.get(ids=[whole]),
        lambda: collection.get(include=[whole]),
        lambda: collection.query(query_embeddings=whole),
        lambda: collection.modify(metadata={"k": whole}),
        lambda: sync_client.create_collection("made", metadata={"k": whole}),
        lambda: sync_client.create_collection("made", configuration={"hnsw": whole}),
    ):
        with pytest.raises((ValueError, TypeError)) as caught:
            refused()
        assert len(str(caught.value)) < 2_000
    assert collection.count() == 1


def test_what_a_message_shows_is_bounded_and_else_as_python_shows_it() -> None:
    assert len(shown(repeated(1))) == 1_001
    for value in (CIRCLE, RING, [1, (2,), {3}, {"a": [None]}, b"x", frozenset({4})], (), {}, set()):
        assert shown(value) == str(value)


def test_a_named_tuple_in_a_list_of_operands_is_refused_as_a_list_is(collection: Any) -> None:
    for operand in (Pair(1, 2), (1, 2), [1, 2]):
        with pytest.raises(chroma_nb.errors.InvalidArgumentError, match="Invalid where clause"):
            collection.get(where={"k": {"$in": [operand]}})


@pytest.mark.parametrize("call", ["add", "upsert", "update"])
@pytest.mark.parametrize("uri", [3, 1.5, b"x", ["x"], pathlib.PurePosixPath("x")], ids=repr)
def test_a_uri_that_is_no_text_is_refused_by_position(collection: Any, call: str, uri: Any) -> None:
    name = type(uri).__name__
    with pytest.raises(
        TypeError, match=f"^argument 'uris': '{name}' object cannot be converted to 'PyString'\nThe value at position 1"
    ):
        getattr(collection, call)(ids=["a", "b"], embeddings=[[1, 2], [3, 4]], uris=["fine", uri])
    assert collection.count() == 1


class Wild:
    """What no message can show."""

    def __repr__(self) -> str:
        raise RuntimeError("not to be shown")


class WildList(list[Any]):
    """A list whose own methods raise."""

    def __len__(self) -> int:
        raise RuntimeError("not to be called")

    __iter__ = __getitem__ = __eq__ = __repr__ = __len__  # type: ignore[assignment]


class WildDict(dict[str, Any]):
    """A dict whose own methods raise."""

    def __len__(self) -> int:
        raise RuntimeError("not to be called")

    __iter__ = __getitem__ = __eq__ = __repr__ = get = items = keys = values = __len__  # type: ignore[assignment]


UNSHOWN = [Wild(), WildDict(a=1), CIRCLE, DEEP, [DEEP], [Wild()], 10**400, 10**5_000]


@pytest.mark.parametrize("cell", UNSHOWN, ids=list(map(str, range(len(UNSHOWN)))))
def test_a_cell_that_cannot_be_shown_is_a_bad_row_like_others(collection: Any, cell: Any) -> None:
    frame = pd.DataFrame({"id": ["x", "y"], "embedding": [[1.0, 2.0]] * 2, "c": pd.Series([cell, 1], dtype=object)})
    with pytest.raises(ValueError, match=r"row 0 \(id 'x'\): column 'c': expected") as caught:
        collection.add_df(frame)
    assert len(str(caught.value)) < 500
    assert collection.count() == 1
    assert [one.row for one in collection.add_df(frame, on_error="skip").skipped] == [0]


HALF_VECTORS = [
    {"#type": "sparse_vector"},
    {"#type": "sparse_vector", "indices": [1, 2], "values": [0.5]},
    {"#type": "sparse_vector", "indices": [2, 1], "values": [0.5, 1.0]},
    {"#type": "sparse_vector", "indices": 5, "values": None},
    {"#type": "sparse_vector", "indices": ["x"], "values": [0.5]},
]


@pytest.mark.parametrize("cell", HALF_VECTORS, ids=list(map(str, range(len(HALF_VECTORS)))))
@pytest.mark.parametrize("form", ["column", "column of dicts"])
@pytest.mark.parametrize("call", ["add_df", "upsert_df", "update_df", "sync"])
def test_half_a_sparse_vector_is_a_bad_cell_like_others(collection: Any, call: str, form: str, cell: Any) -> None:
    column = pd.Series([cell, "fine"], dtype=object)
    if form == "column of dicts":
        column = pd.Series([{"k": cell}, {"k": 1}], dtype=object)
    name = "metadata" if form == "column of dicts" else "c"
    frame = pd.DataFrame({"id": ["x", "a"], "embedding": [[1.0, 2.0]] * 2, name: column})
    with pytest.raises(ValueError, match=rf"row 0 \(id 'x'\): column '{name}': .*expected a sparse vector, got"):
        getattr(collection, call)(frame)
    assert collection.get()["metadatas"] == [{"k": 1}]
    report = getattr(collection, call)(frame, on_error="skip")
    assert [one.row for one in report.skipped] == [0]
    assert collection.get()["ids"] == ["a"]


def test_a_cell_of_a_wild_list_or_dict_is_its_items(collection: Any) -> None:
    metadata = pd.Series([WildDict(a=1), None], dtype=object)
    lists = pd.Series([WildList(["b"]), None], dtype=object)
    frame = pd.DataFrame({"id": ["x", "y"], "embedding": [[1.0, 2.0]] * 2, "metadata": metadata, "list": lists})
    collection.add_df(frame)
    assert collection.get(["x", "y"])["metadatas"] == [{"a": 1, "list": ["b"]}, None]


@pytest.mark.parametrize("value", [Wild(), DEEP, "x" * 100_000])
@pytest.mark.parametrize("key", ["ef_search", "space", "resize_factor"])
def test_a_setting_that_cannot_be_shown_is_refused_in_few_words(local_client: Any, key: str, value: Any) -> None:
    with pytest.raises((ValueError, chroma_nb.errors.InvalidArgumentError), match="expected") as caught:
        local_client.create_collection("made", configuration={"hnsw": {key: value}}, embedding_function=None)
    assert len(str(caught.value)) < 1_500


class Place(str, enum.Enum):
    TENANT = "default_tenant"
    DATABASE = "default_database"


def test_a_client_is_made_for_the_tenant_that_an_enumeration_stands_for() -> None:
    with chroma_nb.EphemeralClient(tenant=Place.TENANT, database=Place.DATABASE) as client:
        assert [(type(one), one) for one in (client.tenant, client.database)] == [
            (str, "default_tenant"),
            (str, "default_database"),
        ]
        with (
            chroma_nb.serve(client, port=0) as server,
            chroma_nb.HttpClient(port=server.port, tenant=Place.TENANT, database=Place.DATABASE) as remote,
        ):
            assert (remote.tenant, remote.database) == ("default_tenant", "default_database")

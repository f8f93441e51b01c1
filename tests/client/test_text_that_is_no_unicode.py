"""Half of a surrogate pair, which Python's text may hold and UTF-8 may not: refused wherever a text is given.

The classes are those of Chroma, whose bindings take text as UTF-8; each refusal is tried beside chromadb.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import chroma_nb
from chroma_nb.errors import ChromaError

HALF = "half \ud800"
Call = Callable[[Any, Any], Any]

NAMES_AND_METADATA: dict[str, Call] = {
    "create_collection(name)": lambda client, _: client.create_collection(HALF),
    "create_collection(metadata)": lambda client, _: client.create_collection("other", metadata={"key": HALF}),
    "create_collection(a key)": lambda client, _: client.create_collection("other", metadata={HALF: 1}),
    "modify(name)": lambda _, collection: collection.modify(name=HALF),
    "modify(metadata)": lambda _, collection: collection.modify(metadata={"key": HALF}),
    "modify(a key)": lambda _, collection: collection.modify(metadata={HALF: 1}),
    "get_collection": lambda client, _: client.get_collection(HALF),
    "delete_collection": lambda client, _: client.delete_collection(HALF),
}
RECORDS: dict[str, Call] = {
    f"{name}({what})": lambda _, collection, name=name, given=given: getattr(collection, name)(
        **{"ids": ["a", "b"], "embeddings": [[1, 2], [3, 4]], **given}
    )
    for name in ("add", "update", "upsert")
    for what, given in {
        "ids": {"ids": ["b", HALF]},
        "documents": {"documents": ["fine", HALF]},
        "uris": {"uris": ["fine", HALF]},
        "metadatas": {"metadatas": [{"key": "fine"}, {"key": HALF}]},
        "a list": {"metadatas": [{"key": "fine"}, {"key": ["fine", HALF]}]},
        "a key": {"metadatas": [{"key": "fine"}, {HALF: 1}]},
    }.items()
}
IDS: dict[str, Call] = {
    "get(ids)": lambda _, collection: collection.get(ids=["a", HALF]),
    "delete(ids)": lambda _, collection: collection.delete(ids=HALF),
    "query(ids)": lambda _, collection: collection.query(query_embeddings=[1, 2], ids=["a", HALF]),
}
FILTERS: dict[str, Call] = {
    f"{name}({asked})": lambda _, collection, name=name, asked=asked: getattr(collection, name)(
        **({"query_embeddings": [1, 2]} if name == "query" else {}), **asked
    )
    for name in ("get", "delete", "query")
    for asked in (
        {"where": {"key": HALF}},
        {"where": {"key": {"$ne": HALF}}},
        {"where": {"key": {"$nin": ["fine", HALF]}}},
        {"where": {"key": {"$contains": HALF}}},
        {"where": {HALF: 1}},
        {"where": {"$or": [{"key": 1}, {"key": {"$in": [HALF]}}]}},
        {"where_document": {"$contains": HALF}},
        {"where_document": {"$not_regex": HALF}},
        {"where_document": {"$and": [{"$contains": "fine"}, {"$not_contains": HALF}]}},
    )
}
CALLS = NAMES_AND_METADATA | RECORDS | IDS | FILTERS


def outcome(client: Any, call: Call) -> tuple[BaseException, Any]:
    """What a call raises in a collection of one record, and the collection."""
    collection = client.get_or_create_collection("things", embedding_function=None)
    collection.upsert(ids=["a"], embeddings=[[1, 2]], documents=["fine"], metadatas=[{"key": "fine"}])
    with pytest.raises(Exception) as caught:  # noqa: PT011  # its class is what is compared
        call(client, collection)
    return caught.value, collection


def test_each_is_refused_as_by_chroma_and_nothing_is_changed(tmp_path: Path, local_client: Any) -> None:
    chroma = importlib.import_module("chromadb").PersistentClient(str(tmp_path / "theirs"))
    for name, call in CALLS.items():
        theirs, _ = outcome(chroma, call)
        ours, collection = outcome(local_client, call)
        assert type(ours).__name__ == type(theirs).__name__, name
        words = str(theirs).replace("list to", "object to").removesuffix(": mixed or unsupported element types")
        assert str(ours).startswith(words), name
        assert collection.get()["documents"] == ["fine"]
        assert collection.name == "things"
        assert local_client.count_collections() == 1


def test_the_message_names_the_record_and_what_to_do_and_can_be_printed(local_client: Any) -> None:
    for name, call in RECORDS.items():
        words = str(outcome(local_client, call)[0])
        assert "Record 1" in words, name
        assert "half of a surrogate pair is not valid Unicode" in words
        words.encode()


def test_a_server_refuses_each_and_lives(tmp_path: Path) -> None:
    with (
        chroma_nb.PersistentClient(tmp_path) as store,
        chroma_nb.serve(store, port=0) as server,
        chroma_nb.HttpClient(port=server.port) as client,
    ):
        for name, call in CALLS.items():
            error, collection = outcome(client, call)
            assert isinstance(error, ValueError | TypeError | ChromaError), name
            assert "surrogate" in str(error), name
            assert collection.get()["documents"] == ["fine"]

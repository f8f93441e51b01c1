"""A schema learns the keys and types of the metadata that is written, as Chroma's does, and forgets none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import chroma_nb
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.schema import IntInvertedIndexConfig, Schema, StringInvertedIndexConfig

STRING = {
    "string": {
        "fts_index": {"enabled": False, "config": {}},
        "string_inverted_index": {"enabled": True, "config": {}},
    }
}
INT = {"int": {"int_inverted_index": {"enabled": True, "config": {}}}}
FLOAT = {"float": {"float_inverted_index": {"enabled": True, "config": {}}}}
BOOL = {"bool": {"bool_inverted_index": {"enabled": True, "config": {}}}}


def keys(client: Any, name: str = "birds") -> dict[str, Any]:
    """The keys of the schema of a handle that is new, without Chroma's own."""
    schema = client.get_collection(name).schema.serialize_to_json()
    return {key: value for key, value in schema["keys"].items() if not key.startswith("#")}


def test_each_way_of_writing_teaches_the_schema(sync_client: Any) -> None:
    birds = sync_client.create_collection("birds")
    birds.add(ids=["1"], embeddings=[[1, 2]], metadatas=[{"s": "x", "i": 1, "f": 1.5, "b": True}])
    assert keys(sync_client) == {"s": STRING, "i": INT, "f": FLOAT, "b": BOOL}
    assert set(birds.schema.keys) == {"#document", "#embedding"}  # a handle knows what was when it was made
    birds.add(
        ids=["2"], embeddings=[[1, 2]], metadatas=[{"i": "text", "l": ["a"], "lf": [1.0], "li": [1], "lb": [True]}]
    )
    assert keys(sync_client)["i"] == {**STRING, **INT}
    assert [keys(sync_client)[key] for key in ("l", "lf", "li", "lb")] == [STRING, FLOAT, INT, BOOL]
    birds.update(ids=["1"], metadatas=[{"changed": 1, "s": None}])
    birds.upsert(ids=["1", "3"], embeddings=[[1, 2]] * 2, metadatas=[{"over": 1}, {"new": 1}])
    assert {"changed", "over", "new", "s"} <= set(keys(sync_client))
    birds.delete(ids=["1", "2", "3"])
    assert {"changed", "over", "new", "s", "l"} <= set(keys(sync_client))
    assert keys(sync_client) == {
        key: value
        for key, value in sync_client.list_collections()[0].schema.serialize_to_json()["keys"].items()
        if not key.startswith("#")
    }


def test_what_is_not_written_teaches_nothing(local_client: Any) -> None:
    birds = local_client.create_collection("birds")
    birds.add(ids=["1"], embeddings=[[1, 2]], metadatas=[{"big": 2**70, "nan": float("nan")}], uris=["file:///x"])
    birds.add(ids=["1"], embeddings=[[1, 2]], metadatas=[{"exists": 1}])
    birds.update(ids=["nobody"], metadatas=[{"absent": 1}])
    birds.update(ids=["1"], metadatas=[{"gone": None}])
    assert keys(local_client) == {"big": FLOAT}


def test_a_key_gets_what_the_schema_says_of_all_and_keeps_its_own(sync_client: Any) -> None:
    schema = (
        Schema()
        .delete_index(config=IntInvertedIndexConfig())
        .delete_index(config=StringInvertedIndexConfig(), key="own")
    )
    birds = sync_client.create_collection("birds", schema=schema)
    birds.add(ids=["1"], embeddings=[[1, 2]], metadatas=[{"own": "text", "n": 1}])
    off = {"int": {"int_inverted_index": {"enabled": False, "config": {}}}}
    assert keys(sync_client) == {
        "own": {"string": {"string_inverted_index": {"enabled": False, "config": {}}}},
        "n": off,
    }
    with pytest.raises(InvalidArgumentError, match="indexing is disabled"):
        birds.get(where={"n": 1})


def test_tables_teach_it_and_what_it_knows_is_on_disk_and_in_copies(tmp_path: Path) -> None:
    with chroma_nb.PersistentClient(tmp_path) as client:
        birds = client.create_collection("birds")
        birds.add(
            pd.DataFrame({"id": ["a", "b"], "embedding": [[1.0, 0], [0, 1.0]], "grams": [9, 500], "of": ["x", "y"]})
        )
        birds.modify(name="fowl", metadata={"kept": True})
        birds.fork("forked")
    with chroma_nb.PersistentClient(tmp_path) as client:
        assert keys(client, "fowl") == keys(client, "forked") == {"grams": INT, "of": STRING}

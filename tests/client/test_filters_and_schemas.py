"""What a schema keeps out of its indexes, no filter may ask; no call reads the schema for that once more."""

from __future__ import annotations

from typing import Any

import pytest

from chroma_nb.engine.storage import catalog
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.schema import FtsIndexConfig, Schema, StringInvertedIndexConfig


def _limited() -> Schema:
    schema = Schema()
    schema.delete_index(config=StringInvertedIndexConfig(), key="secret")
    return schema


@pytest.mark.parametrize("call", ["get", "query", "delete"])
def test_what_is_not_indexed_is_refused_and_all_else_is_not(sync_client: Any, call: str) -> None:
    collection = sync_client.create_collection("limited", schema=_limited(), embedding_function=None)
    collection.add(ids=["a"], embeddings=[[1, 2]], metadatas=[{"secret": "x", "open": "x", "n": 1}], documents=["text"])
    arguments = {"query_embeddings": [[1, 2]]} if call == "query" else {}

    for where in ({"secret": "x"}, {"$or": [{"open": "x"}, {"secret": {"$in": ["x"]}}]}):
        with pytest.raises(InvalidArgumentError, match="metadata key 'secret' with type 'Str' because indexing is"):
            getattr(collection, call)(where=where, **arguments)
    assert collection.count() == 1
    getattr(collection, call)(
        where={"$and": [{"secret": 1}, {"open": "y"}]}, where_document={"$contains": "t"}, **arguments
    )
    assert collection.count() == 1


def test_documents_without_a_full_text_index_are_not_asked(sync_client: Any) -> None:
    schema = Schema()
    schema.delete_index(config=FtsIndexConfig(), key="#document")
    collection = sync_client.create_collection("untold", schema=schema, embedding_function=None)
    with pytest.raises(InvalidArgumentError, match="FTS indexing is disabled"):
        collection.get(where_document={"$contains": "x"})


@pytest.mark.parametrize("schema", [None, _limited()], ids=["without a schema", "with one"])
def test_a_filtered_query_parses_no_json_of_the_collection(
    local_client: Any, monkeypatch: pytest.MonkeyPatch, schema: Schema | None
) -> None:
    collection = local_client.create_collection("things", schema=schema, embedding_function=None)
    collection.add(ids=["a", "b"], embeddings=[[1, 2], [2, 1]], metadatas=[{"n": 1}, {"n": 2}])

    def found() -> list[str]:
        return collection.query(query_embeddings=[[1, 2]], where={"n": {"$gt": 1}}, include=[])["ids"][0]

    assert found() == ["b"]
    read: list[Any] = []
    monkeypatch.setattr(catalog, "_parsed", read.append)
    assert found() == ["b"]
    assert read == []

"""Calls as the older reference (0.5) writes them, and as 1.5.9 does: the table of docs/compatibility.md."""

from __future__ import annotations

import inspect
import uuid
from typing import Any

import pytest

from chroma_nb.api.configuration import CollectionConfiguration, HNSWConfiguration
from chroma_nb.embedding_functions.base import EmbeddingFunction
from chroma_nb.errors import InternalError, InvalidArgumentError, NotFoundError, UniqueConstraintError
from chroma_nb.schema import HnswIndexConfig, Schema, VectorIndexConfig
from chroma_nb.types import Documents, Embeddings

COSINE = {"hnsw": {"space": "cosine"}}


class Lengths(EmbeddingFunction[Documents]):
    """Embeds a text as its length, so that it is seen who embedded."""

    def __init__(self) -> None: ...

    def __call__(self, input: Documents) -> Embeddings:
        return [[float(len(text)), 1.0] for text in input]  # type: ignore[misc]

    @staticmethod
    def name() -> str:
        return "lengths-of-both-references"

    def get_config(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Lengths:
        return Lengths()


def space(collection: Any) -> str:
    return str(collection.configuration_json["hnsw"]["space"])


def cosine_schema() -> Schema:
    return Schema().create_index(VectorIndexConfig(space="cosine", hnsw=HnswIndexConfig(ef_search=50)))


@pytest.mark.parametrize("method", ["create_collection", "get_or_create_collection"])
@pytest.mark.parametrize("second", [COSINE, cosine_schema()], ids=["configuration", "schema"])
def test_the_second_argument_is_told_by_its_type(client: Any, method: str, second: Any) -> None:
    assert space(getattr(client, method)("abc", second)) == "cosine"


def test_the_reference_s_objects_are_a_configuration(client: Any) -> None:
    configuration = CollectionConfiguration(hnsw_configuration=HNSWConfiguration(space="ip", M=8))  # type: ignore[typeddict-unknown-key]
    collection = client.create_collection("abc", configuration)
    assert space(collection) == "ip"
    assert collection.configuration_json["hnsw"]["max_neighbors"] == 8


def test_all_positional_arguments_of_the_reference(client: Any) -> None:
    collection = client.create_collection("abc", COSINE, {"year": 2024}, Lengths(), list, True)
    assert (space(collection), collection.metadata) == ("cosine", {"year": 2024})
    assert collection._data_loader is list
    collection.add(ids="a", documents="four")
    assert collection.get(include=["embeddings"])["embeddings"].tolist() == [[4.0, 1.0]]
    assert client.create_collection("abc", COSINE, None, Lengths(), None, True).id == collection.id


def test_all_positional_arguments_of_1_5_9(client: Any) -> None:
    collection = client.create_collection("abc", None, COSINE, {"year": 2024}, Lengths(), list, True)
    assert (space(collection), collection.metadata) == ("cosine", {"year": 2024})
    assert client.get_collection("abc", Lengths(), list)._data_loader is list


def test_the_reference_s_order_mixed_with_keywords(client: Any) -> None:
    collection = client.create_collection("abc", COSINE, metadata={"year": 2024}, embedding_function=None)
    assert (space(collection), collection.metadata) == ("cosine", {"year": 2024})


def test_an_argument_given_twice_is_a_type_error(client: Any) -> None:
    with pytest.raises(TypeError, match="metadata"):
        client.create_collection("abc", COSINE, {"year": 2024}, metadata={"year": 2025})
    assert client.count_collections() == 0


def test_get_collection_takes_the_reference_s_id(client: Any) -> None:
    made = client.create_collection("abc")
    assert client.get_collection("abc", made.id).id == made.id
    assert client.get_collection("abc", id=made.id).id == made.id
    assert client.get_collection("abc", made.id, None, list)._data_loader is list
    assert client.get_collection_by_id(made.id).name == "abc"


def test_get_collection_looks_for_name_and_id_together(client: Any) -> None:
    client.create_collection("abc")
    with pytest.raises(NotFoundError, match="does not exist"):
        client.get_collection("abc", id=uuid.uuid4())


# --- Errors that are what 1.5.9 raises, and a ValueError as the reference promises --------------------------------
def test_a_missing_collection_is_both_errors(client: Any) -> None:
    for error in (NotFoundError, ValueError):
        with pytest.raises(error, match=r"Collection \[abc\] does not exist"):
            client.get_collection("abc")
        with pytest.raises(error, match=r"Collection \[abc\] does not exist"):
            client.delete_collection("abc")


def test_a_taken_name_is_all_three_errors(client: Any) -> None:
    client.create_collection("abc")
    for error in (InternalError, UniqueConstraintError, ValueError):
        with pytest.raises(error, match=r"Collection \[abc\] already exists"):
            client.create_collection("abc")


def test_a_bad_name_is_both_errors(client: Any) -> None:
    for error in (InvalidArgumentError, ValueError):
        with pytest.raises(error, match="Expected a name containing 3-512 characters"):
            client.create_collection("-")


def test_a_missing_place_is_both_errors(client: Any) -> None:
    for error in (NotFoundError, ValueError):
        with pytest.raises(error, match=r"Tenant \[nobody\] not found"):
            client.set_tenant("nobody")
        with pytest.raises(error, match=r"Database \[nothing\] not found"):
            client.set_database("nothing")
    assert (client.tenant, client.database) == ("default_tenant", "default_database")


# --- Signatures ------------------------------------------------------------------------------------------------------
#: Methods of Chroma's that are its own affair: a secret is nothing to look for in other clients.
PRIVATE = {"from_system", "get_chroma_cloud_api_key_from_clients"}
#: Parameters of ours that Chroma does not have.
#: What ours take besides: by name alone, but for what an earlier Chroma took.
EXTRA = {
    ("Client", "get_collection"): ["id"],
    ("Collection", "count"): ["where", "where_document"],
    ("Collection", "get"): ["order_by", "descending"],
    ("Collection", "query"): ["max_distance", "like", "unlike"],
}


def parameters(function: Any) -> list[tuple[str, Any]]:
    """Names and defaults; an object as default counts by its class."""
    simple = (str, int, bool, list, type(None))
    return [
        (p.name, p.default if isinstance(p.default, simple) or p.default is p.empty else type(p.default).__name__)
        for p in inspect.signature(function).parameters.values()
    ]


def methods_of_chroma() -> list[tuple[str, str]]:
    from chromadb.api.client import AdminClient, Client
    from chromadb.api.models.Collection import Collection

    return [
        (kind.__name__, name)
        for kind in (AdminClient, Client, Collection)
        for name in dir(kind)
        if not name.startswith("_") and inspect.isroutine(getattr(kind, name)) and name not in PRIVATE
    ]


@pytest.mark.parametrize(("kind", "name"), methods_of_chroma())
def test_a_method_takes_what_chroma_s_takes(kind: str, name: str) -> None:
    import chromadb.api.client
    import chromadb.api.models.Collection

    import chroma_nb.api.client
    import chroma_nb.api.models.Collection

    def of(package: Any) -> Any:
        module = package.api.models.Collection if kind == "Collection" else package.api.client
        return getattr(getattr(module, kind), name)

    ours, theirs = parameters(of(chroma_nb)), parameters(of(chromadb))
    extra = EXTRA.get((kind, name), [])
    assert [p for p in ours if p[0] not in extra] == theirs
    if kind == "Collection":
        ours_alone = [inspect.signature(of(chroma_nb)).parameters[parameter] for parameter in extra]
        assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in ours_alone)

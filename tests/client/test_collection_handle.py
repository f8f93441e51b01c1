"""What a collection is to its holder: its fields, equality, data, and the extras of our own."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

import chroma_nb
from chroma_nb.client.collection_configuration import (
    load_collection_configuration_from_json,
    load_create_collection_configuration_from_json,
    load_update_collection_configuration_from_json,
)
from chroma_nb.embedding_functions.base import EmbeddingFunction
from chroma_nb.embedding_functions.registry import known_embedding_functions, register_embedding_function
from chroma_nb.errors import NotFoundError
from chroma_nb.types import CollectionModel


@pytest.fixture
def birds(client: Any) -> Any:
    return _birds(client)


@pytest.fixture
def local_birds(local_client: Any) -> Any:
    return _birds(local_client)


def _birds(client: Any) -> Any:
    collection = client.create_collection("birds", metadata={"year": 2024}, data_loader=lambda uris: list(uris))
    collection.add(
        ids=["wren", "crow"],
        embeddings=[[1, 0], [0, 1]],
        documents=["a wren", "a crow"],
        metadatas=[{"grams": 9}, {"grams": 500}],
        uris=["file:///wren", None],
    )
    return collection


def test_a_handle_knows_its_collection_without_asking(birds: Any) -> None:
    assert (birds.name, birds.metadata, birds.tenant) == ("birds", {"year": 2024}, "default_tenant")
    assert repr(birds) == "Collection(name=birds)"
    assert isinstance(birds.get_model(), CollectionModel)
    assert birds.get_model().id == birds.id
    with pytest.raises(FrozenInstanceError):
        birds.get_model().name = "fish"


def test_handles_are_equal_while_they_show_the_same(client: Any, birds: Any) -> None:
    loader = birds._data_loader
    birds = client.get_collection("birds", data_loader=loader)  # Chroma's schema changed with what was added
    assert client.get_collection("birds", data_loader=loader) == birds
    assert client.get_collection("birds") != birds
    other = client.get_collection("birds", data_loader=loader)
    other.modify(metadata={"year": 2025})
    assert other != birds
    assert birds != "birds"


def test_a_handle_has_no_hash_as_it_changes() -> None:
    from chroma_nb import Collection

    with pytest.raises(TypeError, match="unhashable"):
        {Collection.__new__(Collection)}


def test_a_renamed_collection_still_answers_to_an_old_handle(client: Any, birds: Any) -> None:
    old = client.get_collection("birds")
    birds.modify(name="small-birds")
    assert (birds.name, old.name, old.count()) == ("small-birds", "birds", 2)
    assert client.get_collection("small-birds").id == old.id


def test_a_deleted_collection_answers_no_old_handle_even_when_its_name_is_used_again(client: Any, birds: Any) -> None:
    client.delete_collection("birds")
    client.create_collection("birds")
    for call in (birds.count, birds.peek, lambda: birds.query(query_embeddings=[1, 0])):
        with pytest.raises(NotFoundError, match=f"{birds.id}"):
            call()


def test_modify_shows_in_the_handle_and_in_a_new_one(client: Any, birds: Any) -> None:
    birds.modify(configuration={"hnsw": {"ef_search": 77}})
    assert birds.configuration_json["hnsw"]["ef_search"] == 77
    assert birds.schema.keys["#embedding"].float_list.vector_index.config.hnsw.ef_search == 77
    assert client.get_collection("birds").configuration_json["hnsw"]["ef_search"] == 77


def test_configuration_holds_the_live_embedding_function(birds: Any) -> None:
    assert birds.configuration["hnsw"]["space"] == "l2"
    assert birds.configuration["embedding_function"].name() == "default"


@pytest.mark.parametrize("include", [["data"], ["data", "uris"], ["documents", "data"]])
def test_data_is_loaded_from_the_uris(birds: Any, include: list[str]) -> None:
    found = birds.get(include=include)
    assert found["data"] == ["file:///wren", None]
    assert found["uris"] == ["file:///wren", None]
    assert set(found["included"]) == {*include, "uris"}
    near = birds.query(query_embeddings=[[1, 0]], n_results=1, include=list(include))
    assert near["data"] == [["file:///wren"]]


def test_data_without_a_loader_is_an_error_of_get_only(client: Any, birds: Any) -> None:
    plain = client.get_collection("birds")
    with pytest.raises(ValueError, match="You must set a data loader"):
        plain.get(include=["data"])
    assert plain.query(query_embeddings=[[1, 0]], n_results=1, include=["data"])["data"] is None


def test_defaults_of_include_are_never_changed(birds: Any) -> None:
    birds.get(include=["data"])
    assert birds.get()["included"] == ["metadatas", "documents"]
    birds.get()["included"].append("uris")
    assert birds.get()["included"] == ["metadatas", "documents"]


def test_peek_shows_the_first_records_with_their_embeddings(birds: Any) -> None:
    first = birds.peek(1)
    assert first["ids"] == ["wren"]
    assert first["included"] == ["metadatas", "documents", "embeddings"]
    assert first["embeddings"].dtype == np.float64


def test_explain_tells_how_a_query_is_answered(local_birds: Any) -> None:
    told = local_birds.explain(query_embeddings=[[1, 0]], n_results=1, where={"grams": {"$lt": 100}})
    assert told
    assert local_birds.query(query_embeddings=[[1, 0]], n_results=1)["ids"] == [["wren"]]


def test_vacuum_and_verify(local_client: Any, local_birds: Any) -> None:
    local_birds.delete("crow")
    assert isinstance(local_client.vacuum(), dict)
    assert local_client.verify() == []
    assert local_birds.get()["ids"] == ["wren"]


def test_an_embedding_function_with_other_parameters_is_refused_before_anything_is_made(client: Any) -> None:
    class Wrong:
        def __call__(self, texts: list[str]) -> list[list[float]]:
            return [[1.0] for _ in texts]

    with pytest.raises(ValueError, match=r"Expected EmbeddingFunction\.__call__ to have the following signature"):
        client.create_collection("abc", embedding_function=Wrong())
    assert client.count_collections() == 0


def test_a_notebook_shows_a_card_and_programs_see_no_html(birds: Any) -> None:
    assert not hasattr(birds, "_repr_html_")
    assert "birds" in birds._repr_mimebundle_()["text/html"]


def test_the_answer_of_a_search_knows_the_texts_that_it_ranked_by(local_client: Any) -> None:
    birds = local_client.create_collection("songs")
    birds.add(["wren", "crow"], documents=["a wren", "a crow"], metadatas=[{"grams": 9}, {"grams": 500}])
    by_text = chroma_nb.Search().rank(chroma_nb.Knn("a wren")).select("grams", chroma_nb.K.SCORE)
    found = birds.search([by_text, chroma_nb.Search()])
    assert found.query_texts == ["a wren", None]
    assert "Search 0: a wren" in found._repr_html_()
    frame = found.to_df()
    assert list(frame) == ["search", "query_text", "rank", "id", "score", "grams"]
    assert frame["rank"].tolist() == [1, 2, 1, 2]
    assert birds.search(chroma_nb.Search()).query_texts is None


def test_the_model_is_read_like_a_dict(sync_client: Any) -> None:
    collection = sync_client.create_collection("birds", metadata={"of": "prey"})
    model = collection._model
    assert (model["id"], model["name"], model["metadata"]) == (collection.id, "birds", {"of": "prey"})
    assert model["configuration"]["hnsw"]["space"] == "l2"
    assert model["wings"] is None
    assert list(dict(model)) == [
        "id",
        "name",
        "configuration_json",
        "serialized_schema",
        "metadata",
        "dimension",
        "tenant",
        "database",
        "version",
        "log_position",
    ]


class _Asks(EmbeddingFunction[Any]):
    def __init__(self) -> None: ...

    def __call__(self, input: Any) -> Any:
        return [np.array([len(text), 0.5]) for text in input]

    def embed_query(self, input: Any) -> Any:
        return [[-len(text), 0.5] for text in input]


def test_embed_gives_a_list_of_vectors_for_documents_and_for_questions(sync_client: Any) -> None:
    collection = sync_client.create_collection("birds", embedding_function=_Asks())
    assert [row.tolist() for row in collection._embed(["wren", "owl"])] == [[4, 0.5], [3, 0.5]]
    assert [row.tolist() for row in collection._embed(input=["owl"], is_query=True)] == [[-3, 0.5]]


def test_a_stored_function_that_cannot_be_built_is_a_value_error_wherever_it_is_loaded() -> None:
    @register_embedding_function
    class NeedsDim(_Asks):
        @staticmethod
        def name() -> str:
            return "needs_dim"

        @staticmethod
        def build_from_config(config: Any) -> Any:
            return config["dim"]

    stored = {"embedding_function": {"name": "needs_dim", "type": "known", "config": {}}}
    words = "Could not build embedding function needs_dim from config {}: 'dim'"
    try:
        for load in (
            load_collection_configuration_from_json,
            load_create_collection_configuration_from_json,
            load_update_collection_configuration_from_json,
        ):
            with pytest.raises(ValueError, match=words):
                load(stored)  # type: ignore[operator]
            with pytest.raises(ValueError, match="Embedding function nobody not found"):
                load({"embedding_function": {"name": "nobody", "type": "known", "config": {}}})  # type: ignore[operator]
    finally:
        del known_embedding_functions["needs_dim"]

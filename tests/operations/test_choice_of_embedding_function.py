"""Which embedding function embeds for a collection, and when two of them are one too many."""

import uuid
from typing import Any

import numpy as np
import pytest

from chroma_nb.operations import embed
from chroma_nb.schema import Schema, VectorIndexConfig, resolve
from chroma_nb.types import CollectionModel


class Function:
    """An embedding function by behaviour alone."""

    def __init__(self, name: str, config: Any = None) -> None:
        self._name, self.config = name, config

    def name(self) -> str:
        return self._name

    def get_config(self) -> Any:
        return self.config or {}

    def validate_config_update(self, old: Any, new: Any) -> None:
        if old.get("model") != new.get("model"):
            raise ValueError("the model cannot change")


class Nameless:
    """A function of the old kind: a callable and nothing else."""


def known(*names: str) -> dict[str, Any]:
    return {
        name: type(name, (), {"build_from_config": staticmethod(lambda config, name=name: Function(name, config))})
        for name in names
    }


def model(configuration: Any = None, schema: Any = None) -> CollectionModel:
    resolved = resolve(None, configuration, schema)
    return CollectionModel(
        uuid.uuid4(), "col", resolved.configuration_json, resolved.serialized_schema, None, None, "t", "d"
    )


MINE = {"embedding_function": {"type": "known", "name": "mine", "config": {"a": 1}}}
DEFAULT = {"embedding_function": {"type": "known", "name": "default", "config": {}}}
LEGACY = {"embedding_function": {"type": "legacy"}}


def test_the_handles_own_function_comes_first() -> None:
    own = Function("own")
    assert embed.choose(own, model(MINE), known("mine")) is own


def test_a_nameless_function_of_the_handle_counts_as_its_own() -> None:
    own = Nameless()
    assert embed.choose(own, model(MINE), known("mine")) is own


@pytest.mark.parametrize("handle", [None, Function("default")])
def test_the_stored_function_comes_before_the_default(handle: Any) -> None:
    chosen = embed.choose(handle, model(MINE), known("mine", "default"))
    assert (chosen.name(), chosen.config) == ("mine", {"a": 1})


def test_the_default_function_of_the_handle_stands_for_the_stored_default() -> None:
    handle = Function("default")
    assert embed.choose(handle, model(DEFAULT), known("default")) is handle


def test_a_collection_without_any_function_means_the_default() -> None:
    assert embed.choose(None, model(), known("default")).name() == "default"


def test_a_collection_whose_function_could_not_be_stored_has_none() -> None:
    with pytest.raises(ValueError, match="You must provide an embedding function to compute embeddings"):
        embed.choose(None, model(LEGACY), known("default"))
    handle = Function("default")
    assert embed.choose(handle, model(LEGACY), {}) is handle


def test_the_function_of_a_schema_is_found() -> None:
    schema = Schema().create_index(VectorIndexConfig(space="ip")).serialize_to_json()
    place = schema["keys"]["#embedding"]["float_list"]["vector_index"]["config"]
    place["embedding_function"] = MINE["embedding_function"]
    stored = model(None, schema)
    stored.configuration_json["embedding_function"] = None
    assert embed.choose(None, stored, known("mine")).name() == "mine"


def test_a_stored_function_that_nobody_registered_is_named() -> None:
    with pytest.raises(ValueError, match=r"Embedding function mine not found. Add @register_embedding_function"):
        embed.choose(None, model(MINE), {})


def test_a_stored_function_that_cannot_be_built_keeps_its_reason() -> None:
    class Broken:
        @staticmethod
        def build_from_config(config: Any) -> Any:
            raise RuntimeError("no key in the environment")

    with pytest.raises(ValueError, match=r"Could not build embedding function mine .* no key in the environment"):
        embed.choose(None, model(MINE), {"mine": Broken})


def test_a_stored_configuration_is_checked_before_anything_is_built() -> None:
    class Careful:
        @staticmethod
        def validate_config(config: Any) -> None:
            raise ValueError("path arguments are refused")

        @staticmethod
        def build_from_config(config: Any) -> Any:
            raise AssertionError("built")

    with pytest.raises(ValueError, match="path arguments are refused"):
        embed.choose(None, model(MINE), {"mine": Careful})


# --- What an embedding function answers ---
@pytest.mark.parametrize(
    "answer",
    [
        [[1.0, 2.0]],
        [(1, 2)],
        ([1, 2],),
        [np.array([1, 2])],
        np.array([[1, 2]]),
        np.array([1.0, 2.0], dtype=np.float64),
        [1.0, 2.0],
        [[np.float32(1), np.float32(2)]],
    ],
)
def test_answers_in_any_form_become_rows(answer: Any) -> None:
    rows = embed.run(lambda input: answer, ["x"], is_query=False)
    np.testing.assert_array_equal(rows, np.array([[1, 2]], dtype=np.float32))
    assert rows.dtype == np.float32


@pytest.mark.parametrize("answer", [[], [[]], [["a"]], [[1.0], [2.0]], [[[1.0]]], [None]])
def test_answers_that_are_no_vectors_are_a_value_error(answer: Any) -> None:
    with pytest.raises(ValueError, match="Expected"):
        embed.run(lambda input: answer, ["x"], is_query=False)


# --- Conflicts ---
def test_two_functions_at_creation_conflict() -> None:
    with pytest.raises(ValueError, match="Embedding function conflict: own vs mine"):
        embed.validate_embedding_function_conflict_on_create(Function("own"), Function("mine"))


@pytest.mark.parametrize(
    ("argument", "configured"),
    [(None, "mine"), ("default", "mine"), ("mine", "mine"), ("mine", None)],
)
def test_one_function_at_creation_does_not(argument: Any, configured: Any) -> None:
    embed.validate_embedding_function_conflict_on_create(
        argument and Function(argument), configured and Function(configured)
    )


def test_another_function_than_the_stored_one_conflicts() -> None:
    for other in (Function("own"), Nameless()):
        with pytest.raises(ValueError, match=r"An embedding function already exists .* persisted: mine"):
            embed.validate_embedding_function_conflict_on_get(other, MINE["embedding_function"])


@pytest.mark.parametrize(
    ("argument", "stored"),
    [
        ("own", None),
        ("own", {"type": "legacy"}),
        ("mine", MINE["embedding_function"]),
        ("default", MINE["embedding_function"]),
    ],
)
def test_the_default_the_same_and_the_unknown_do_not_conflict(argument: str, stored: Any) -> None:
    embed.validate_embedding_function_conflict_on_get(Function(argument), stored)


def test_a_function_may_refuse_an_update_of_its_configuration() -> None:
    stored = {"type": "known", "name": "mine", "config": {"model": "small"}}
    embed.validate_embedding_function_update(Function("mine", {"model": "small"}), stored)
    with pytest.raises(ValueError, match="the model cannot change"):
        embed.validate_embedding_function_update(Function("mine", {"model": "large"}), stored)

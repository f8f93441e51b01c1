"""Chroma's functions at Chroma's paths answer what Chroma's own answer."""

from __future__ import annotations

import importlib
import json
import math
import warnings
from typing import Any

import chromadb.api.collection_configuration as their_configuration
import chromadb.api.types as their_types
import chromadb.auth.utils as their_auth
import chromadb.config as their_config
import chromadb.types
import chromadb.utils.sparse_embedding_utils as their_sparse
import numpy as np
import pytest
from chromadb.auth.basic_authn import BasicAuthClientProvider as TheirBasic
from chromadb.auth.token_authn import TokenAuthClientProvider as TheirToken
from hypothesis import given
from hypothesis import strategies as st

import chroma_nb
from chroma_nb.api import collection_configuration, types
from chroma_nb.auth.basic_authn import BasicAuthClientProvider
from chroma_nb.auth.token_authn import TokenAuthClientProvider
from chroma_nb.auth.utils import maybe_set_tenant_and_database
from chroma_nb.config import Component, Settings, System, get_class, get_fqn
from chroma_nb.types import CloudClientArg, Unspecified, normalize_sparse_vector

# --- Vectors as text ------------------------------------------------------------------------------------------
float32s = st.floats(width=32, allow_nan=False)
vectors = st.lists(float32s, min_size=1, max_size=8)


@given(st.lists(st.none() | vectors, max_size=4))
def test_vectors_are_packed_as_chroma_packs_them_and_come_back(rows: list[Any]) -> None:
    packed = types.optional_embeddings_to_base64_strings(rows)
    assert packed == their_types.optional_embeddings_to_base64_strings(rows)
    assert types.optional_base64_strings_to_embeddings(packed) == rows
    assert their_types.optional_base64_strings_to_embeddings(packed) == rows


def test_what_float32_cannot_hold_becomes_infinite() -> None:
    huge = [1e300, -1e300, 3.4028234663852886e38, 1.0]
    with warnings.catch_warnings(action="ignore"):  # Chroma's own casts warn
        expected = their_types.pack_embedding_safely(huge)
    assert types.pack_embedding_safely(huge) == expected
    assert types.optional_base64_strings_to_embeddings([expected])[0][:2] == [math.inf, -math.inf]


def test_a_column_of_a_table_can_be_packed() -> None:
    column = np.arange(6, dtype=np.float32).reshape(3, 2)[:, 1]
    assert types.pack_embedding_safely(column) == types.pack_embedding_safely(column.tolist())


def test_no_vectors_stay_none() -> None:
    assert types.optional_embeddings_to_base64_strings(None) is None
    assert types.optional_base64_strings_to_embeddings(None) is None


@given(st.lists(vectors, max_size=4))
def test_vectors_become_lists_and_arrays_as_chroma_makes_them(rows: list[list[float]]) -> None:
    arrays = types.convert_list_embeddings_to_np(rows)
    for mine, theirs in zip(arrays, their_types.convert_list_embeddings_to_np(rows), strict=True):
        assert mine.dtype == theirs.dtype
        assert (mine == theirs).all()
    assert types.convert_np_embeddings_to_list(arrays) == rows


# --- Metadata -------------------------------------------------------------------------------------------------
METADATA = [
    None,
    {},
    {"n": 1, "s": "x", "none": None, "list": ["a"]},
    {"v": ([1, 5], [0.5, 2.0], None)},
    {"v": ([1, 5], [0.5, 2.0], ["a", "b"])},
]


def with_vectors(metadata: Any, kind: Any) -> Any:
    vector = {"v": kind(*metadata["v"])} if metadata and "v" in metadata else {}
    return None if metadata is None else {**metadata, **vector}


@pytest.mark.parametrize("metadata", METADATA)
def test_metadata_travels_as_chroma_s_does(metadata: Any) -> None:
    ours = with_vectors(metadata, types.SparseVector)
    sent = types.serialize_metadata(ours)
    assert sent == their_types.serialize_metadata(with_vectors(metadata, their_types.SparseVector))
    assert types.deserialize_metadata(sent) == ours


@pytest.mark.parametrize(
    ("indices", "values", "labels"),
    [([], [], None), ([5, 1], [2.0, 0.5], None), ([5, 1, 3], [2.0, 0.5, 1.0], ["five", "one", "three"])],
)
def test_a_sparse_vector_is_sorted_as_chroma_sorts_it(indices: Any, values: Any, labels: Any) -> None:
    mine = normalize_sparse_vector(indices, values, labels)
    assert mine.to_dict() == their_sparse.normalize_sparse_vector(indices, values, labels).to_dict()


def test_a_sparse_vector_with_an_index_twice_or_a_value_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="strictly ascending"):
        normalize_sparse_vector([1, 1], [1.0, 2.0])
    with pytest.raises(ValueError, match="got 2 indices, 1 values, 2 labels"):
        normalize_sparse_vector([1, 2], [1.0], ["a", "b"])


# --- Words ------------------------------------------------------------------------------------------------------
CONSTANTS = [name for name in dir(their_types) if name.isupper() and isinstance(getattr(their_types, name), str)]
INCLUDES = [name for name in dir(their_types) if name.startswith("Include") and name != "Include"]
RECORDS = [name for name in dir(their_types) if name.endswith("Request")]
RECORDS += ["DeleteResult", "IndexMetadata", "SearchResultRow"]


@pytest.mark.parametrize("name", CONSTANTS + INCLUDES)
def test_a_constant_has_chroma_s_value(name: str) -> None:
    assert getattr(types, name) == getattr(their_types, name)


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_type_has_chroma_s_fields(name: str) -> None:
    assert set(getattr(types, name).__annotations__) == set(getattr(their_types, name).__annotations__)


@pytest.mark.parametrize("name", ["Operation", "SegmentScope", "ScalarEncoding"])
def test_an_enum_has_chroma_s_members(name: str) -> None:
    mine, theirs = getattr(chroma_nb.types, name), getattr(chromadb.types, name)
    assert {one.name: one.value for one in mine} == {one.name: one.value for one in theirs}


def test_the_small_classes_are_as_chroma_s() -> None:
    assert vars(CloudClientArg("key", "KEY")) == vars(chromadb.types.CloudClientArg("key", "KEY"))
    assert Unspecified() is Unspecified()
    assert types.get_default_embeddable_record_set_fields() == their_types.get_default_embeddable_record_set_fields()


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"ids": [[], ["a", "b"]], "documents": [None, ["one", None]], "embeddings": None, "select": [["#id"]]},
        {"ids": [["a"]], "documents": [["x"]], "embeddings": [[[1.0]]], "metadatas": [[{"n": 1}]], "scores": [[0.5]]},
    ],
)
def test_the_rows_of_a_search_are_chroma_s(answer: dict[str, Any]) -> None:
    assert types.SearchResult(answer).rows() == their_types.SearchResult(answer).rows()
    assert types.SearchResult(answer) == answer


def test_a_sparse_function_with_other_parameters_is_refused_in_chroma_s_words() -> None:
    class Fits:
        def __call__(self, input: Any) -> Any: ...

    class Wrong:
        def __call__(self, texts: Any) -> Any: ...

    types.validate_sparse_embedding_function(Fits())
    with pytest.raises(ValueError, match="signature") as theirs:
        their_types.validate_sparse_embedding_function(Wrong())
    with pytest.raises(ValueError, match="signature") as mine:
        types.validate_sparse_embedding_function(Wrong())
    assert str(mine.value).startswith(str(theirs.value))  # what to write stands below


# --- Configurations ---------------------------------------------------------------------------------------------
HNSW = {"space": "ip", "ef_search": 7, "max_neighbors": 8, "num_threads": 1, "batch_size": 3, "resize_factor": 2.0}
SPANN = {"space": "l2", "search_nprobe": 1, "write_nprobe": 2, "split_threshold": 3, "ef_search": 9}
METADATA_KEYS = {"hnsw:space": "cosine", "hnsw:search_ef": 50, "hnsw:M": 8, "hnsw:batch_size": 5, "other": 1}
CALLS = [
    ("json_to_create_hnsw_configuration", [HNSW]),
    ("json_to_create_hnsw_configuration", [{**HNSW, "nonsense": 1}]),
    ("json_to_create_hnsw_configuration", [{"space": "nonsense"}]),
    ("json_to_create_spann_configuration", [SPANN]),
    ("json_to_update_hnsw_configuration", [HNSW]),
    ("json_to_update_spann_configuration", [SPANN]),
    ("populate_create_hnsw_defaults", [{"space": "ip"}]),
    ("populate_create_hnsw_defaults", [{}]),
    ("create_collection_configuration_from_legacy_collection_metadata", [METADATA_KEYS]),
    ("create_collection_configuration_from_legacy_metadata_dict", [{}]),
    ("update_collection_configuration_from_legacy_collection_metadata", [METADATA_KEYS]),
    ("update_collection_configuration_from_legacy_update_metadata", [METADATA_KEYS]),
    ("overwrite_hnsw_configuration", [HNSW, {"ef_search": 1, "space": "l2"}]),
    ("overwrite_spann_configuration", [SPANN, {"ef_search": 1, "space": "ip"}]),
    ("overwrite_collection_configuration", [{"hnsw": HNSW, "spann": None}, {"hnsw": {"ef_search": 1}}]),
    ("overwrite_collection_configuration", [{"hnsw": HNSW}, {"hnsw": {}, "spann": {}}]),
    ("load_collection_configuration_from_json", [{"hnsw": HNSW}]),
    ("load_collection_configuration_from_json", [{"hnsw": HNSW, "spann": SPANN}]),
    ("load_collection_configuration_from_json_str", [json.dumps({"spann": SPANN})]),
    ("load_create_collection_configuration_from_json", [{"hnsw": HNSW}]),
    ("load_create_collection_configuration_from_json", [{"spann": SPANN}]),
    ("load_create_collection_configuration_from_json", [{"hnsw": HNSW, "spann": SPANN}]),
    ("load_update_collection_configuration_from_json", [{"hnsw": HNSW}]),
    ("load_update_collection_configuration_from_json_str", [json.dumps({"spann": SPANN})]),
    ("collection_configuration_to_json", [{"hnsw": HNSW}]),
    ("collection_configuration_to_json_str", [{"hnsw": HNSW}]),
    ("create_collection_configuration_to_json_str", [{"hnsw": HNSW}]),
    ("update_collection_configuration_to_json", [{"hnsw": {"ef_search": 1}}]),
    ("update_collection_configuration_to_json_str", [{}]),
]


def outcome(module: Any, name: str, arguments: list[Any]) -> Any:
    try:
        return getattr(module, name)(*json.loads(json.dumps(arguments)))
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize(("name", "arguments"), CALLS)
def test_a_function_of_configurations_answers_as_chroma_s(name: str, arguments: list[Any]) -> None:
    expected = outcome(their_configuration, name, arguments)
    assert outcome(collection_configuration, name, arguments) == expected


STORED = {"type": "known", "name": "default", "config": {}}


@pytest.mark.parametrize(
    "load",
    [
        "load_collection_configuration_from_json",
        "load_create_collection_configuration_from_json",
        "load_update_collection_configuration_from_json",
    ],
)
def test_a_stored_embedding_function_is_built_and_a_legacy_one_warned_of(load: str) -> None:
    loaded = getattr(collection_configuration, load)({"embedding_function": STORED})
    assert loaded["embedding_function"].name() == "default"
    with pytest.warns(DeprecationWarning, match="legacy embedding function config"):
        loaded = getattr(collection_configuration, load)({"embedding_function": {"type": "legacy"}})
    assert loaded.get("embedding_function") is None


def test_a_live_embedding_function_is_written_and_overwritten() -> None:
    function = types.DefaultEmbeddingFunction()
    written = collection_configuration.collection_configuration_to_json({"embedding_function": function})
    assert written["embedding_function"] == STORED
    before = {"hnsw": None, "spann": None, "embedding_function": None}
    after = collection_configuration.overwrite_collection_configuration(before, {"embedding_function": function})
    assert after["embedding_function"] is function
    assert collection_configuration.overwrite_embedding_function(function, function) is function


class Other(types.EmbeddingFunction[Any]):
    """Of another name; legacy when asked."""

    def __init__(self, legacy: bool = False) -> None:
        self.legacy = legacy

    def __call__(self, input: Any) -> Any:
        return [np.zeros(1, np.float32) for _ in input]

    def is_legacy(self) -> bool:
        return self.legacy

    @staticmethod
    def name() -> str:
        return "another"

    def get_config(self) -> dict[str, Any]:
        return {}


def test_an_embedding_function_is_not_overwritten_by_another_kind_nor_by_a_legacy_one() -> None:
    function = types.DefaultEmbeddingFunction()
    with pytest.raises(ValueError, match=r"incompatible types \(default vs another\)"):
        collection_configuration.overwrite_embedding_function(function, Other())
    with pytest.warns(DeprecationWarning, match="cannot update legacy"):
        assert collection_configuration.overwrite_embedding_function(function, Other(legacy=True)) is function


def test_a_schema_takes_a_change_of_configuration_in_both_places() -> None:
    schema = types.Schema().create_index(types.VectorIndexConfig(hnsw=types.HnswIndexConfig(ef_search=1)))
    change = collection_configuration.update_schema_from_collection_configuration
    function = Other()
    assert change(schema, {"hnsw": {"ef_search": 50}, "embedding_function": function}) is schema
    for place in (schema.defaults, schema.keys["#embedding"]):
        config = place.float_list.vector_index.config
        assert (config.hnsw.ef_search, config.embedding_function) == (50, function)
    with pytest.raises(ValueError, match="Trying to update SPANN config but schema has HNSW"):
        change(schema, {"spann": {"ef_search": 50}})
    schema.keys.clear()
    with pytest.raises(ValueError, match="Expected the schema to have a vector index"):
        change(schema, {})


# --- Credentials --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("mine", "theirs", "settings"),
    [
        (TokenAuthClientProvider, TheirToken, {"chroma_client_auth_credentials": "hush"}),
        (
            TokenAuthClientProvider,
            TheirToken,
            {"chroma_client_auth_credentials": "hush", "chroma_auth_token_transport_header": "X-Chroma-Token"},
        ),
        (BasicAuthClientProvider, TheirBasic, {"chroma_client_auth_credentials": "me:hush"}),
    ],
)
def test_a_provider_gives_chroma_s_headers_and_shows_none(mine: Any, theirs: Any, settings: Any) -> None:
    headers = System(Settings(**settings)).instance(mine).authenticate()
    expected = theirs(their_config.System(their_config.Settings(**settings))).authenticate()
    shown = {name: value.get_secret_value() for name, value in headers.items()}
    assert shown == {name: value.get_secret_value() for name, value in expected.items()}
    assert repr(headers) == repr(expected)
    assert "hush" not in str(headers) + "".join(map(str, headers.values()))
    assert headers == System(Settings(**settings)).instance(mine).authenticate()


def test_a_provider_refuses_settings_without_credentials_or_with_wrong_ones() -> None:
    with pytest.raises(ValueError, match="Missing required config value 'chroma_client_auth_credentials'"):
        TokenAuthClientProvider(System(Settings()))
    with pytest.raises(ValueError, match="Invalid token"):
        TokenAuthClientProvider(System(Settings(chroma_client_auth_credentials="ü")))


@pytest.mark.parametrize("inferred", [True, False])
@pytest.mark.parametrize("own", [(None, None), ("acme", ["birds"]), ("*", ["birds", "fish"])])
@pytest.mark.parametrize("asked", [(None, None), ("default_tenant", "default_database"), ("acme", "fish")])
def test_tenant_and_database_are_chosen_as_chroma_chooses(inferred: bool, own: Any, asked: Any) -> None:
    def choice(choose: Any, identity: Any) -> Any:
        try:
            return choose(identity("me", *own), inferred, *asked)
        except Exception as error:  # noqa: BLE001  # either library's ChromaAuthError
            return type(error).__name__, str(error)

    expected = choice(their_auth.maybe_set_tenant_and_database, their_auth.UserIdentity)
    assert choice(maybe_set_tenant_and_database, chroma_nb.types.UserIdentity) == expected


# --- Arguments of providers that are only kept here -----------------------------------------------------------
ENUMS = [
    ("chroma_cloud_qwen_embedding_function", "ChromaCloudQwenEmbeddingModel"),
    ("chroma_cloud_qwen_embedding_function", "ChromaCloudQwenEmbeddingTarget"),
    ("chroma_cloud_splade_embedding_function", "ChromaCloudSpladeEmbeddingModel"),
]


@pytest.mark.parametrize(("module", "name"), ENUMS)
def test_a_provider_s_enum_has_chroma_s_members(module: str, name: str) -> None:
    mine, theirs = (
        getattr(importlib.import_module(f"{package}.utils.embedding_functions.{module}"), name)
        for package in ("chroma_nb", "chromadb")
    )
    assert {one.name: one.value for one in mine} == {one.name: one.value for one in theirs}
    assert json.dumps(list(mine)) == json.dumps([one.value for one in theirs])


# --- Components ---------------------------------------------------------------------------------------------------
def test_a_system_holds_the_components_that_a_program_derives() -> None:
    class Part(Component):
        pass

    class Whole(Component):
        def __init__(self, system: System) -> None:
            super().__init__(system)
            self.part = self.require(Part)

    system = System(Settings())
    whole = system.instance(Whole)
    assert system.instance(Whole) is whole
    assert whole.dependencies() == {whole.part}
    system.start()
    assert all(component._running for component in system.components())
    system.stop()
    assert not any(component._running for component in system.components())
    with pytest.raises(NotImplementedError, match="no component Component"):
        system.instance(Component)


def test_a_class_has_a_full_name_and_is_found_by_it() -> None:
    assert get_fqn(Settings) == "chroma_nb.config.Settings"
    assert get_class("chroma_nb.config.Settings", Settings) is Settings

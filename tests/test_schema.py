"""Configuration and Schema: what is written, what it comes to, what is refused. Facts observed of Chroma 1.5.9."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from chroma_nb import schema as s
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.query.conditions import Where
from chroma_nb.query.parsing import parse_where, parse_where_document
from chroma_nb.schema import IndexParameters, Schema, Unindexed, resolve, updated

KNOWN_DEFAULT = {"type": "known", "name": "default", "config": {}}
LEGACY = {"type": "legacy"}


class Named:
    """An embedding function by behaviour alone."""

    def __init__(self, name: str = "mine", space: str = "cosine") -> None:
        self._name, self._space = name, space

    def __call__(self, input: Any) -> Any:
        return [[1.0]] * len(input)

    def name(self) -> str:
        return self._name

    def get_config(self) -> dict[str, Any]:
        return {"a": 1}

    def is_legacy(self) -> bool:
        return False

    def default_space(self) -> str:
        return self._space

    def supported_spaces(self) -> list[str]:
        return ["cosine", "l2"]


def hnsw(**changes: Any) -> dict[str, Any]:
    default = {
        "space": "l2",
        "ef_construction": 100,
        "ef_search": 100,
        "max_neighbors": 16,
        "resize_factor": 1.2,
        "sync_threshold": 1000,
    }
    return {**default, **changes}


def schema_json(build: Any) -> dict[str, Any]:
    return build(Schema()).serialize_to_json()


RESOLVED: list[tuple[Any, Any, Any, dict[str, Any], Any]] = [
    (None, None, None, hnsw(), None),
    (None, {}, None, hnsw(), None),
    ({"x": 1}, {"hnsw": {}, "embedding_function": LEGACY}, None, hnsw(), LEGACY),
    ({"hnsw:space": "cosine"}, None, None, hnsw(space="cosine"), None),
    ({"hnsw:M": 8, "hnsw:construction_ef": 50, "hnsw:search_ef": 20}, None, None,
     hnsw(max_neighbors=8, ef_construction=50, ef_search=20), None),
    ({"hnsw:resize_factor": 2, "hnsw:sync_threshold": 50}, None, None,
     hnsw(resize_factor=2.0, sync_threshold=50), None),
    ({"hnsw:space": "cosine"}, {"hnsw": {"space": "ip"}}, None, hnsw(space="ip"), None),
    ({"hnsw:space": "cosine"}, {"hnsw": {"ef_search": 5}}, None, hnsw(ef_search=5), None),
    ({"hnsw:space": "cosine", "hnsw:M": 7}, {"hnsw": {"space": "l2"}}, None,
     hnsw(space="cosine", max_neighbors=7), None),
    (None, {"hnsw": {"max_neighbors": 0, "resize_factor": 0.5}}, None, hnsw(max_neighbors=0, resize_factor=0.5), None),
    (None, {"hnsw": {"batch_size": 100, "sync_threshold": 10}}, None, hnsw(sync_threshold=10), None),
    (None, {"hnsw": {"ef_search": None}}, None, hnsw(), None),
    (None, {"spann": {"space": "ip", "ef_search": 5}}, None, hnsw(space="ip"), None),
    ({"hnsw:bogus": 1}, {"spann": {"space": "ip"}}, None, hnsw(space="ip"), None),
    (None, {"embedding_function": KNOWN_DEFAULT}, None, hnsw(), KNOWN_DEFAULT),
    (None, None, schema_json(lambda x: x), hnsw(), None),
    (None, {"hnsw": {"space": "ip"}, "embedding_function": LEGACY}, schema_json(lambda x: x), hnsw(space="ip"), LEGACY),
    (None, None, schema_json(lambda x: x.create_index(s.VectorIndexConfig(space="cosine"))),
     hnsw(space="cosine"), KNOWN_DEFAULT),
    (None, {"hnsw": {"space": "l2"}, "embedding_function": KNOWN_DEFAULT},
     schema_json(lambda x: x.create_index(s.VectorIndexConfig(space="cosine"))), hnsw(space="cosine"), KNOWN_DEFAULT),
    (None, None, schema_json(lambda x: x.create_index(s.VectorIndexConfig(embedding_function=None))), hnsw(), LEGACY),
    (None, None, schema_json(lambda x: x.create_index(s.VectorIndexConfig(space="ip", spann=s.SpannIndexConfig()))),
     hnsw(space="ip"), KNOWN_DEFAULT),
]  # fmt: skip


SPARSE = {"sparse_vector": {"sparse_vector_index": {"enabled": True, "config": {}}}}


@pytest.mark.parametrize(("metadata", "configuration", "schema", "index", "function"), RESOLVED)
def test_a_new_collection_comes_to_this(
    metadata: Any, configuration: Any, schema: Any, index: dict[str, Any], function: Any
) -> None:
    resolved = resolve(metadata, configuration, schema)
    assert resolved.configuration_json == {"hnsw": index, "spann": None, "embedding_function": function}


def test_a_schema_may_have_several_sparse_indexes() -> None:
    asked = Schema().create_index(s.SparseVectorIndexConfig(bm25=True), key="v")
    asked = asked.create_index(s.SparseVectorIndexConfig(), key="w")
    resolved = resolve(None, None, asked.serialize_to_json())
    stored = resolved.serialized_schema
    unknown = {"type": "unknown"}
    assert [stored["keys"][key]["sparse_vector"]["sparse_vector_index"] for key in "vw"] == [
        {"enabled": True, "config": {"embedding_function": unknown, "bm25": True}},
        {"enabled": True, "config": {"embedding_function": unknown}},
    ]
    keys = s.SparseKeys(stored)
    assert [keys.have(key) for key in ("v", "w", "x", "#embedding")] == [True, True, False, False]
    assert [keys.by_frequency(key) for key in ("v", "w", "x")] == [True, False, False]
    configuration = {"hnsw": {"ef_search": 50}}
    assert schemas_of(updated(resolved.configuration_json, stored, configuration)) == schemas_of(resolved)


def schemas_of(resolved: Any) -> dict[str, Any]:
    """What the schema says of other keys than the vector's."""
    keys = resolved.serialized_schema["keys"]
    return {key: keys[key] for key in keys if key != "#embedding"}


@pytest.mark.parametrize("count", [8, 5])
def test_the_stored_schema_has_the_parameters_in_both_places(count: int) -> None:
    stored = resolve(None, {"hnsw": {"batch_size": count}, "embedding_function": LEGACY}).serialized_schema
    places = [stored["defaults"]["float_list"], stored["keys"]["#embedding"]["float_list"]]
    for place in places:
        config = place["vector_index"]["config"]
        assert config["hnsw"]["batch_size"] == count
        assert config["space"] == "l2"
        assert config["embedding_function"] == LEGACY
    assert [place["vector_index"]["enabled"] for place in places] == [False, True]
    assert stored["keys"]["#document"]["string"]["fts_index"]["enabled"] is True


NAMED = schema_json(lambda x: x.delete_index(s.IntInvertedIndexConfig()))

REFUSED = [
    ({"hnsw:space": "manhattan"}, None, None, "Failed to parse hnsw parameters from segment metadata"),
    ({"hnsw:bogus": 1}, None, None, "Failed to parse hnsw parameters from segment metadata"),
    ({"hnsw:M": "many"}, None, None, "Failed to parse hnsw parameters from segment metadata"),
    ({"hnsw:M": True}, None, None, "Failed to parse hnsw parameters from segment metadata"),
    ({"hnsw:batch_size": 1}, None, None, "Failed to parse hnsw parameters from segment metadata"),
    ({"hnsw:bogus": 1}, {"hnsw": {"space": "ip"}}, None, "Failed to parse hnsw parameters from segment metadata"),
    (None, {"hnsw": {"space": "hamming"}}, None, "`space`"),
    (None, {"hnsw": {"bogus": 1}}, None, "unknown field `bogus`"),
    (None, {"hnsw": {"ef_search": -1}}, None, "`ef_search`"),
    (None, {"hnsw": {"ef_search": 1.5}}, None, "`ef_search`"),
    (None, {"hnsw": {"ef_search": True}}, None, "`ef_search`"),
    (None, {"hnsw": {"ef_search": 2**64}}, None, "`ef_search`"),
    (None, {"hnsw": {"resize_factor": "2"}}, None, "`resize_factor`"),
    (None, {"hnsw": 5}, None, "invalid type"),
    (None, {"spann": {"bogus": 1}}, None, "unknown field `bogus`"),
    (None, {"hnsw": {}, "spann": {}}, None, "Multiple vector index configurations"),
    (None, {"embedding_function": {"type": "odd"}}, None, "invalid embedding_function"),
    (None, {"hnsw": {"space": "ip"}}, NAMED, "Cannot set both collection config and schema simultaneously"),
    (None, {"hnsw": {"space": "l2"}}, NAMED, "Cannot set both collection config and schema simultaneously"),
    ({"hnsw:M": 7}, None, NAMED, "Cannot set both collection config and schema simultaneously"),
    (None, None, {"defaults": SPARSE, "keys": {}}, "Sparse vector index cannot be enabled by default"),
    (None, None, {"keys": {"#document": SPARSE}}, "Document field cannot have any value types other than string"),
    (None, None, {"keys": {"#embedding": SPARSE}}, "Embedding field cannot have any value types other than float_list"),
    (None, None, schema_json(lambda x: x.create_index(
        s.VectorIndexConfig(hnsw=s.HnswIndexConfig(), spann=s.SpannIndexConfig()))), "Both spann and hnsw"),
    (None, None, schema_json(lambda x: x.create_index(s.VectorIndexConfig(hnsw=s.HnswIndexConfig(ef_search=-1)))),
     "`ef_search`"),
    (None, None, schema_json(lambda x: x.set_cmek(s.Cmek.gcp("nowhere"))), "CMEK"),
    (None, None, {"defaults": 5}, "Validation error: schema"),
    (None, None, {"keys": {"#embedding": {"float_list": {"vector_index": {"config": {"bogus": 1}}}}}}, "bogus"),
]  # fmt: skip


@pytest.mark.parametrize(("metadata", "configuration", "schema", "said"), REFUSED)
def test_what_means_nothing_is_an_invalid_argument(metadata: Any, configuration: Any, schema: Any, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        resolve(metadata, configuration, schema)


@pytest.mark.parametrize(
    ("metadata", "configuration", "schema", "is_set"),
    [
        (None, None, None, False),
        (None, {"hnsw": {"ef_search": 100}}, None, True),
        (None, {"hnsw": {"ef_search": None}}, None, False),
        ({"hnsw:search_ef": 100}, None, None, True),
        (None, {"spann": {"ef_search": 50}}, None, False),
        (None, None, schema_json(lambda x: x.create_index(s.VectorIndexConfig(space="ip"))), False),
        (None, None, schema_json(lambda x: x.create_index(
            s.VectorIndexConfig(space="ip", hnsw=s.HnswIndexConfig(ef_search=30)))), True),
    ],
)  # fmt: skip
def test_ef_search_is_set_when_the_user_named_it(metadata: Any, configuration: Any, schema: Any, is_set: bool) -> None:
    assert resolve(metadata, configuration, schema).ef_search_is_set is is_set


def test_resolving_changes_nothing_it_was_given() -> None:
    metadata, configuration, schema = {"hnsw:space": "l2"}, {"hnsw": {"space": "l2"}}, Schema().serialize_to_json()
    resolve(metadata, configuration, schema)
    assert (metadata, configuration) == ({"hnsw:space": "l2"}, {"hnsw": {"space": "l2"}})
    assert schema == Schema().serialize_to_json()


# --- Updates ---
def test_an_update_changes_what_it_names() -> None:
    before = resolve(None, {"hnsw": {"space": "cosine"}, "embedding_function": KNOWN_DEFAULT})
    change = {"hnsw": {"ef_search": 33, "max_neighbors": 4, "batch_size": 10, "sync_threshold": 20}}
    after = updated(before.configuration_json, before.serialized_schema, change)
    expected = hnsw(space="cosine", ef_search=33, max_neighbors=4, sync_threshold=20)
    assert after.configuration_json == {"hnsw": expected, "spann": None, "embedding_function": KNOWN_DEFAULT}
    config = after.serialized_schema["keys"]["#embedding"]["float_list"]["vector_index"]["config"]
    assert (config["hnsw"]["ef_search"], config["hnsw"]["batch_size"]) == (33, 10)
    assert after.ef_search_is_set is True
    assert before == resolve(None, {"hnsw": {"space": "cosine"}, "embedding_function": KNOWN_DEFAULT})


@pytest.mark.parametrize(
    "change", [{"hnsw": {"space": "ip"}}, {"hnsw": {"ef_construction": 5}}, {"hnsw": {"ef_search": -1}},
               {"hnsw": {"bogus": 1}}, {"hnsw": {}, "spann": {}}]
)  # fmt: skip
def test_an_update_that_cannot_be_is_an_invalid_argument(change: dict[str, Any]) -> None:
    before = resolve()
    with pytest.raises(InvalidArgumentError):
        updated(before.configuration_json, before.serialized_schema, change)


def test_an_update_of_something_else_leaves_the_parameters() -> None:
    before = resolve(None, {"hnsw": {"ef_search": 40}})
    after = updated(before.configuration_json, before.serialized_schema, {"embedding_function": KNOWN_DEFAULT})
    assert after.configuration_json == {**before.configuration_json, "embedding_function": KNOWN_DEFAULT}
    assert after.ef_search_is_set is False


def test_a_handle_shows_its_own_update_as_it_was_written() -> None:
    shown = s.overwritten(resolve().configuration_json, {"hnsw": {"ef_search": 33, "batch_size": 10}})
    assert shown == {"hnsw": hnsw(ef_search=33, batch_size=10), "spann": None, "embedding_function": LEGACY}


def test_index_parameters_are_read_from_the_configuration() -> None:
    resolved = resolve(None, {"hnsw": {"space": "ip", "max_neighbors": 8, "ef_construction": 50, "ef_search": 30}})
    assert IndexParameters.of(resolved.configuration_json, resolved.ef_search_is_set) == IndexParameters(
        "ip", 8, 50, 30, True
    )
    assert IndexParameters.of({}, False) == IndexParameters()


# --- Configurations as callers write them ---
@pytest.mark.parametrize(
    ("configuration", "metadata", "sent"),
    [
        ({"hnsw": {"space": "ip"}}, None, ({"space": "ip"}, None, LEGACY)),
        ({"embedding_function": Named()}, None, ({"space": "cosine"}, None, "mine")),
        ({"embedding_function": Named()}, {"hnsw:space": "l2"}, (None, None, "mine")),
        ({"embedding_function": Named(), "hnsw": {"ef_search": 5}}, None,
         ({"ef_search": 5, "space": "cosine"}, None, "mine")),
        ({"embedding_function": Named(), "spann": {}}, None, (None, {"space": "cosine"}, "mine")),
        ({"bogus": 1}, None, (None, None, LEGACY)),
    ],
)  # fmt: skip
def test_a_configuration_is_sent_with_the_space_of_its_function(configuration: Any, metadata: Any, sent: Any) -> None:
    written = s.create_collection_configuration_to_json(configuration, metadata)
    index, spann, function = sent
    expected = {"type": "known", "name": function, "config": {"a": 1}} if isinstance(function, str) else function
    assert written == {"hnsw": index, "spann": spann, "embedding_function": expected}


def test_sending_a_configuration_does_not_change_it() -> None:
    configuration = {"hnsw": {"ef_search": 5}, "embedding_function": Named()}
    s.create_collection_configuration_to_json(configuration)
    assert configuration["hnsw"] == {"ef_search": 5}


def test_hnsw_and_spann_together_are_a_value_error() -> None:
    with pytest.raises(ValueError, match="hnsw and spann cannot both be provided"):
        s.create_collection_configuration_to_json({"hnsw": {"space": "l2"}, "spann": {"space": "l2"}})


def test_a_space_that_the_function_does_not_support_is_a_warning() -> None:
    with pytest.warns(UserWarning, match="space ip is not supported by mine"):
        s.create_collection_configuration_to_json({"hnsw": {"space": "ip"}, "embedding_function": Named()})


def test_a_function_that_cannot_be_stored_is_legacy() -> None:
    with pytest.warns(DeprecationWarning, match="legacy embedding function config"):
        written = s.create_collection_configuration_to_json({"embedding_function": lambda input: input})
    assert written["embedding_function"] == LEGACY


def test_the_class_of_a_function_that_can_be_stored_is_registered() -> None:
    seen: list[type] = []
    s.create_collection_configuration_to_json({"embedding_function": Named()}, register=seen.append)
    s.update_collection_configuration_to_json({"embedding_function": Named()}, register=seen.append)
    assert seen == [Named, Named]


def test_an_update_that_says_nothing_is_empty() -> None:
    assert s.update_collection_configuration_to_json({}) == {}
    assert s.update_collection_configuration_to_json({"bogus": 1}) == {}


class OldHnsw:
    def to_json(self) -> dict[str, Any]:
        return {"space": "cosine", "M": 8, "ef_search": 20, "_type": "HNSWConfigurationInternal"}


class OldConfiguration:
    def to_json(self) -> dict[str, Any]:
        return {"hnsw_configuration": OldHnsw().to_json(), "_type": "CollectionConfigurationInternal"}


@pytest.mark.parametrize(
    "configuration",
    [
        OldConfiguration(),
        {"hnsw_configuration": OldHnsw()},
        s.CollectionConfiguration(hnsw_configuration=s.HNSWConfiguration(space="cosine", M=8, ef_search=20)),  # type: ignore[typeddict-unknown-key]
    ],
)
def test_configurations_of_the_older_reference_work(configuration: Any) -> None:
    assert s.as_configuration(configuration) == {"hnsw": {"space": "cosine", "max_neighbors": 8, "ef_search": 20}}


def test_something_else_as_configuration_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="Expected configuration to be a dict"):
        s.as_configuration("hnsw")


def test_a_configuration_is_loaded_with_its_function_built() -> None:
    built: list[Any] = []
    loaded = s.load_collection_configuration_from_json(
        {"hnsw": {}, "embedding_function": KNOWN_DEFAULT}, lambda stored: built.append(stored) or "live"
    )
    assert loaded == {"hnsw": {}, "spann": None, "embedding_function": "live"}
    assert built == [KNOWN_DEFAULT]
    assert s.load_collection_configuration_from_json({"embedding_function": LEGACY}, built.append) == {
        "hnsw": None, "spann": None, "embedding_function": None
    }  # fmt: skip


# --- Schema ---
BUILDS = {
    "default": lambda x: x,
    "vector": lambda x: x.create_index(s.VectorIndexConfig(space="cosine", hnsw=s.HnswIndexConfig(ef_search=5))),
    "no function": lambda x: x.create_index(s.VectorIndexConfig(embedding_function=None)),
    "string off for one key": lambda x: x.delete_index(s.StringInvertedIndexConfig(), key="s"),
    "int off": lambda x: x.delete_index(s.IntInvertedIndexConfig()),
    "bool on again": lambda x: x.delete_index(s.BoolInvertedIndexConfig()).create_index(s.BoolInvertedIndexConfig()),
    "sparse": lambda x: x.create_index(s.SparseVectorIndexConfig(bm25=True), key="v"),
    "two sparse": lambda x: x.create_index(s.SparseVectorIndexConfig(), key="v").create_index(
        s.SparseVectorIndexConfig(), key="w"
    ),
    "no full text": lambda x: x.delete_index(s.FtsIndexConfig(), key="#document"),
    "key": lambda x: x.set_cmek(s.Cmek.gcp("projects/p/locations/l/keyRings/r/cryptoKeys/k")),
}


@pytest.mark.parametrize("name", BUILDS)
def test_a_schema_survives_its_json(name: str) -> None:
    schema = BUILDS[name](Schema())
    written = schema.serialize_to_json()
    again = Schema.deserialize_from_json(written)
    assert again.serialize_to_json() == written


def test_schemas_are_equal_when_they_say_the_same() -> None:
    assert Schema() == Schema()
    assert Schema() != Schema().delete_index(s.IntInvertedIndexConfig())


def test_reading_a_schema_builds_no_embedding_function_unless_asked() -> None:
    written = Schema().serialize_to_json()
    index = Schema.deserialize_from_json(written).keys["#embedding"].float_list.vector_index
    assert index.config.embedding_function.name() == "default"
    with pytest.raises(TypeError, match="only named"):
        index.config.embedding_function(["a"])
    live = Schema.deserialize_from_json(written, build=lambda stored: Named(stored["name"]))
    assert isinstance(live.keys["#embedding"].float_list.vector_index.config.embedding_function, Named)


def test_a_function_that_cannot_be_built_leaves_a_schema_without() -> None:
    def build(stored: Any) -> Any:
        raise RuntimeError("no key")

    with pytest.warns(UserWarning, match="Could not reconstruct embedding function default: no key"):
        schema = Schema.deserialize_from_json(Schema().serialize_to_json(), build=build)
    assert schema.keys["#embedding"].float_list.vector_index.config.embedding_function is None


def test_the_vector_index_keeps_documents_as_its_source() -> None:
    schema = Schema().create_index(s.VectorIndexConfig(space="ip", source_key="text"))
    assert schema.keys["#embedding"].float_list.vector_index.config.source_key == "#document"
    assert schema.defaults.float_list.vector_index.config.source_key == "text"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x.create_index(), "Cannot enable all index types globally"),
        (lambda x: x.create_index(key="a"), "Cannot enable all index types for key 'a'"),
        (lambda x: x.create_index(s.VectorIndexConfig(), key="a"), "Vector index cannot be enabled on specific keys"),
        (lambda x: x.create_index(s.FtsIndexConfig(), key="a"), "FTS index can only be enabled on #document key"),
        (lambda x: x.create_index(s.SparseVectorIndexConfig()), "Sparse vector index must be created on a specific"),
        (lambda x: x.create_index(s.IntInvertedIndexConfig(), key="#document"), "Only FtsIndexConfig is allowed"),
        (lambda x: x.create_index(s.IntInvertedIndexConfig(), key="#embedding"), "managed automatically"),
        (lambda x: x.create_index(s.IntInvertedIndexConfig(), key="#x"), "key cannot begin with '#'"),
        (lambda x: x.create_index("string", key="x"), "Expected config to be an index configuration, got str"),
        (lambda x: x.delete_index(), "Cannot disable all indexes"),
        (lambda x: x.delete_index(key="a"), "Cannot disable all index types for key 'a'"),
        (lambda x: x.delete_index(s.VectorIndexConfig()), "Deleting vector index is not currently supported"),
        (lambda x: x.delete_index(s.SparseVectorIndexConfig(), key="a"), "Deleting sparse vector index is not"),
        (lambda x: x.delete_index(s.FtsIndexConfig()), "Deleting FTS index is only supported on #document key"),
        (lambda x: x.delete_index(s.IntInvertedIndexConfig(), key="#embedding"), "Cannot modify #embedding"),
        (lambda x: x.create_index(s.SparseVectorIndexConfig(source_key="x"), key="a"), "embedding_function must also"),
    ],
)  # fmt: skip
def test_a_schema_refuses_what_chroma_refuses(change: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        change(Schema())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: s.HnswIndexConfig(bogus=1), "'bogus' is not a valid field for HnswIndexConfig"),
        (lambda: s.HnswIndexConfig(a=1, b=2), "Invalid fields for HnswIndexConfig: 'a', 'b'"),
        (lambda: s.FtsIndexConfig(a=1), "1 validation error for FtsIndexConfig\na\n"),
        (lambda: s.HnswIndexConfig(ef_search="x"), "ef_search: expected an int, got 'x'"),
        (lambda: s.HnswIndexConfig(ef_search=5.5), "ef_search: expected an int"),
        (lambda: s.HnswIndexConfig(resize_factor="x"), "resize_factor: expected a float"),
        (lambda: s.VectorIndexConfig(space="hamming"), "space: expected one of cosine, l2, ip"),
        (lambda: s.VectorIndexConfig(embedding_function=5), "embedding_function must be callable or None"),
        (lambda: s.VectorIndexConfig(source_key="#x"), "source_key cannot begin with '#'"),
        (lambda: s.VectorIndexConfig(source_key=5), "source_key must be str or Key, got int"),
        (lambda: s.VectorIndexConfig(hnsw=5), "hnsw: expected a HnswIndexConfig, got int"),
        (lambda: s.SparseVectorIndexConfig(bm25="yes"), "bm25: expected a bool"),
        (lambda: s.Cmek.from_dict({"aws": "x"}), "Unsupported or missing CMEK provider"),
    ],
)
def test_index_configurations_check_their_fields(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_index_configurations_accept_what_chroma_does() -> None:
    assert s.HnswIndexConfig(ef_search="5", resize_factor=1) == s.HnswIndexConfig(ef_search=5, resize_factor=1.0)
    assert s.VectorIndexConfig(hnsw={"ef_search": 5}).hnsw == s.HnswIndexConfig(ef_search=5)
    assert "quantize" not in s.SpannIndexConfig(quantize=True).model_dump()


# --- Filters on what is not indexed ---
def stored(build: Any) -> dict[str, Any]:
    return resolve(None, None, schema_json(build)).serialized_schema


OFF = stored(
    lambda x: (
        x.delete_index(s.StringInvertedIndexConfig(), key="s")
        .delete_index(s.IntInvertedIndexConfig())
        .delete_index(s.BoolInvertedIndexConfig())
        .delete_index(s.FtsIndexConfig(), key="#document")
    )
)


def refuse(schema: dict[str, Any] | None, condition: Where) -> None:
    unindexed = Unindexed.of(schema)
    if unindexed is not None:
        unindexed.refuse(condition)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"s": "x"}, "Cannot filter using metadata key 's' with type 'Str' because indexing is disabled"),
        ({"s": {"$ne": "x"}}, "key 's' with type 'Str'"),
        ({"s": {"$in": ["x"]}}, "key 's' with type 'Str'"),
        ({"s": {"$contains": "x"}}, "key 's' with type 'Str'"),
        ({"$and": [{"t": "x"}, {"$or": [{"t": "y"}, {"s": "x"}]}]}, "key 's' with type 'Str'"),
        ({"i": 1}, "key 'i' with type 'Int'"),
        ({"i": True}, "key 'i' with type 'Bool'"),
        ({"#document": "x"}, "key '#document' with type 'Str'"),
        ({"#document": {"$contains": "x"}}, "Cannot filter using full-text search because FTS indexing is disabled"),
    ],
)
def test_filtering_on_what_is_not_indexed_is_refused(where: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        refuse(OFF, parse_where(where))


@pytest.mark.parametrize("where", [{"t": "x"}, {"i": 1.5}, {"s": {"$gt": 0.5}}])
def test_other_keys_and_types_stay_filterable(where: dict[str, Any]) -> None:
    refuse(OFF, parse_where(where))


def test_everything_is_filterable_by_default_and_without_a_schema() -> None:
    everything = parse_where({"$and": [{"a": "x"}, {"b": 1}, {"c": 1.5}, {"d": True}]})
    for schema in (resolve().serialized_schema, None):
        refuse(schema, everything)
        refuse(schema, parse_where_document({"$regex": "x"}))


def test_a_key_without_a_name_says_nothing_of_the_others() -> None:
    off = {"keys": {"": {"string": {"string_inverted_index": {"enabled": False}}}}}
    refuse(off, parse_where({"k": "x"}))
    with pytest.raises(InvalidArgumentError, match="metadata key '' with type 'Str'"):
        refuse(off, parse_where({"": "x"}))


def test_a_document_filter_is_refused_without_full_text_search() -> None:
    with pytest.raises(InvalidArgumentError, match="FTS indexing is disabled"):
        refuse(OFF, parse_where_document({"$contains": "x"}))


def _places(value: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, part in value.items():
        yield (*path, name)
        if isinstance(part, dict):
            yield from _places(part, (*path, name))


@pytest.mark.filterwarnings("ignore:legacy embedding function config:DeprecationWarning")
@pytest.mark.parametrize("wrong", [None, {}, 5, [], "x", ...], ids=lambda wrong: "left out" if wrong is ... else None)
@pytest.mark.parametrize("place", list(_places(Schema().serialize_to_json())), ids=".".join)
def test_a_schema_with_one_wrong_part_is_stored_or_refused(place: tuple[str, ...], wrong: Any) -> None:
    given = Schema().serialize_to_json()
    inner = given
    for name in place[:-1]:
        inner = inner[name]
    if wrong is ...:
        del inner[place[-1]]
    else:
        inner[place[-1]] = wrong
    with contextlib.suppress(InvalidArgumentError):
        assert resolve(None, None, given).serialized_schema


def test_serialising_a_default_schema_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Schema().serialize_to_json()


@pytest.mark.parametrize(
    "kind",
    [
        s.VectorIndexConfig,
        s.FtsIndexConfig,
        s.StringInvertedIndexConfig,
        s.IntInvertedIndexConfig,
        s.FloatInvertedIndexConfig,
        s.BoolInvertedIndexConfig,
    ],
)
def test_a_field_that_an_index_configuration_does_not_have_is_named_in_the_words_of_chromas_library(kind: Any) -> None:
    words = f"1 validation error for {kind.__name__}\nbad\n  Extra inputs are not permitted"
    with pytest.raises(ValueError, match=words):
        kind(bad=1)
    with pytest.raises(ValueError, match=r"2 validation errors .*\nbad\n.*\nworse\n.*input_value=x, input_type=str"):
        kind(bad=1, worse="x")


@pytest.mark.parametrize("kind", [s.HnswIndexConfig, s.SpannIndexConfig, s.SparseVectorIndexConfig])
def test_a_field_that_an_index_configuration_does_not_have_is_named_in_chromas_words(kind: Any) -> None:
    with pytest.raises(ValueError, match=f"'bad' is not a valid field for {kind.__name__}"):
        kind(bad=1)
    with pytest.raises(ValueError, match=f"Invalid fields for {kind.__name__}: 'bad', 'worse'"):
        kind(bad=1, worse=2)

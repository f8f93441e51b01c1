"""Sparse vectors of texts: what a call's records get, and what a text to search by becomes."""

import uuid
import warnings
from typing import Any

import pytest

from chroma_nb.operations import asking, prepare
from chroma_nb.operations.embed import CallContext
from chroma_nb.operations.sparse import SparseFunctions
from chroma_nb.query.conditions import K
from chroma_nb.query.ranking import Knn, Rrf
from chroma_nb.query.search import Search
from chroma_nb.schema import resolve
from chroma_nb.types import CollectionModel, ReadLevel, SparseVector


class Letters:
    """A text as the counts of its letters; keeps what it was asked."""

    asked: list[tuple[str, Any]]
    built = 0

    def __init__(self) -> None:
        self.asked = []

    def __call__(self, input: Any) -> list[SparseVector]:
        self.asked.append(("document", input))
        return [letters(text) for text in input]

    def embed_query(self, input: Any) -> list[SparseVector]:
        self.asked.append(("query", input))
        return [letters(text) for text in input]

    @classmethod
    def build_from_config(cls, config: Any) -> "Letters":
        cls.built += 1
        return cls()


def letters(text: str) -> SparseVector:
    return SparseVector(
        sorted({ord(one) for one in text}), [float(text.count(chr(one))) for one in sorted({*map(ord, text)})]
    )


def index(source: str | None = None, name: str | None = "letters", enabled: bool = True) -> dict[str, Any]:
    function = {"type": "unknown"} if name is None else {"type": "known", "name": name, "config": {}}
    config = {"embedding_function": function} | ({} if source is None else {"source_key": source})
    return {"sparse_vector": {"sparse_vector_index": {"enabled": enabled, "config": config}}}


def context(known: Any = None, **keys: Any) -> CallContext:
    resolved = resolve(None, {"hnsw": {}, "embedding_function": {"type": "legacy"}})
    schema = resolved.serialized_schema
    schema["keys"].update(keys)
    model = CollectionModel(uuid.UUID(int=7), "col", resolved.configuration_json, schema, None, 2, "t", "d")
    sparse = SparseFunctions(schema, {"letters": Letters} if known is None else known)
    return CallContext(model, sparse=lambda: sparse)


ONE = [[1.0, 2.0]]
CALLS = pytest.mark.parametrize("call", [prepare.add, prepare.update, prepare.upsert])


# --- Records that are written ----------------------------------------------------------------------------------
@CALLS
def test_a_document_gets_a_sparse_vector_under_each_key_that_is_made_of_documents(call: Any) -> None:
    for_call = context(sp=index("#document"), other=index("#document"))
    records = call(for_call, ["a", "b"], ONE * 2, [{"k": 1}, None], ["xx", ""]).records
    assert records.metadatas == [
        {"k": 1, "sp": letters("xx"), "other": letters("xx")},
        {"sp": SparseVector([], []), "other": SparseVector([], [])},
    ]
    assert for_call.sparse().function("sp").asked == [("document", ["xx", ""])]  # all texts at once


@CALLS
def test_a_text_in_the_metadata_gets_one_and_a_number_does_not(call: Any) -> None:
    metadatas = [{"title": "xy"}, {"title": 5}, {"k": 1}, None]
    records = call(context(sp=index("title")), list("abcd"), ONE * 4, metadatas, ["doc"] * 4).records
    assert records.metadatas == [{"title": "xy", "sp": letters("xy")}, *metadatas[1:]]
    assert metadatas[0] == {"title": "xy"}  # the caller's own stay as they were


@CALLS
@pytest.mark.parametrize("own", [SparseVector([1], [2.0]), None])
def test_what_the_call_says_of_the_key_itself_wins_also_that_it_is_to_go(call: Any, own: Any) -> None:
    for_call = context(sp=index("#document"))
    records = call(for_call, ["a"], ONE, [{"sp": own, "k": 1}], ["doc"]).records
    assert records.metadatas == [{"sp": own, "k": 1}]
    assert for_call.sparse().function("sp").asked == []


@CALLS
def test_without_documents_or_metadatas_nothing_is_made(call: Any) -> None:
    assert call(context(sp=index("#document")), ["a"], ONE).records.metadatas is None
    assert call(context(sp=index("#document")), ["a"], ONE, [{"k": 1}]).records.metadatas == [{"k": 1}]
    assert call(context(sp=index("title")), ["a"], ONE, None, ["doc"]).records.metadatas is None


@pytest.mark.parametrize("key", [index(None), index("#document", None), index("#document", enabled=False)])
def test_a_key_without_source_or_function_or_index_gets_none(key: Any) -> None:
    assert prepare.add(context(sp=key), ["a"], ONE, None, ["doc"]).records.metadatas is None


def test_a_function_is_built_once() -> None:
    for_call, before = context(sp=index("#document")), Letters.built
    for _ in range(3):
        prepare.add(for_call, ["a"], ONE, None, ["doc"])
        asking.search(for_call, Search().rank(Knn("doc", key="sp")))
    assert Letters.built == before + 1


def test_a_function_that_is_not_known_is_warned_of_and_the_records_are_written_without() -> None:
    for_call = context(sp=index("#document", "foreign"))
    with pytest.warns(UserWarning, match="Could not reconstruct sparse embedding function foreign: 'foreign'") as found:
        assert prepare.add(for_call, ["a"], ONE, None, ["doc"]).records.metadatas is None
    assert "register_sparse_embedding_function" in str(found[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepare.add(for_call, ["b"], ONE, None, ["doc"])


class Chromadbs:
    """A class of chromadb's, told by its name."""

    def __call__(self, input: Any) -> Any:
        theirs = type("SparseVector", (), {"indices": [3], "values": [0.5], "labels": None})
        return [theirs() for _ in input]

    @classmethod
    def build_from_config(cls, config: Any) -> Any:
        return cls()


def test_vectors_of_chromadbs_class_become_ours() -> None:
    records = prepare.add(context({"letters": Chromadbs}, sp=index("#document")), ["a"], ONE, None, ["doc"]).records
    assert records.metadatas == [{"sp": SparseVector([3], [0.5])}]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ([], "Sparse embedding function returned unexpected number of embeddings"),
        ([[1.0]], "Expected SparseVectors from the embedding function Wrong of the key 'sp', got list"),
    ],
)
def test_a_function_must_return_a_sparse_vector_for_each_text(made: Any, message: str) -> None:
    class Wrong(Letters):
        def __call__(self, input: Any) -> Any:
            return made

        embed_query = __call__

    for_call = context({"letters": Wrong}, sp=index("#document"))
    with pytest.raises(ValueError, match=message):
        prepare.add(for_call, ["a"], ONE, None, ["doc"])
    with pytest.raises(ValueError, match=message):
        asking.search(for_call, Search().rank(Knn("doc", key="sp")))


# --- Queries ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("key", ["sp", K("sp")])
@pytest.mark.parametrize("source", [None, "#document"])
def test_a_text_to_search_a_sparse_key_by_is_embedded_by_that_keys_function(key: Any, source: Any) -> None:
    for_call = context(sp=index(source))
    rank = Rrf([Knn("xyx", key=key, return_rank=True), Knn([1.0, 2.0], return_rank=True)])
    (sent,) = asking.search(for_call, Search().rank(rank)).searches
    left = sent["rank"]["$mul"][1]["$sum"][0]["$div"]["right"]["$sum"][1]["$knn"]
    assert left == {"query": letters("xyx").to_dict(), "key": "sp", "limit": 16, "return_rank": True}
    assert for_call.sparse().function("sp").asked == [("query", ["xyx"])]


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("nope", "key not found in schema. Please provide an embedded vector or configure an embedding function for"),
        ("bare", "no embedding function configured for this key in the schema. Please provide an embedded vector or"),
        ("off", "no embedding function configured for this key in the schema. Please provide an embedded vector or"),
        ("#document", "no embedding function configured for this key in the schema"),
    ],
)
def test_a_text_for_a_key_without_function_is_refused_in_chromas_words(key: str, reason: str) -> None:
    for_call = context(bare=index("#document", None), off=index("#document", enabled=False))
    with pytest.raises(ValueError, match=f"^Cannot embed string query for key '{key}': {reason}"):
        asking.search(for_call, Search().rank(Knn("text", key=key)))


def test_a_read_level_may_be_given_by_its_name() -> None:
    assert asking.search(context(), Search(), "index_only").read_level is ReadLevel.INDEX_ONLY
    with pytest.raises(ValueError, match=r"Expected read_level to be one of 'index_and_wal', .*got 'soon'"):
        asking.search(context(), Search(), "soon")


def test_the_texts_that_a_search_asks_by_are_kept_for_its_display_each_once() -> None:
    hybrid = Knn("red cat", key="sp") + Knn("red cat", key="other") * Knn("dog", key="sp")
    for_call = context(sp=index(), other=index())
    asking.search(for_call, [Search().rank(hybrid), Search().rank(Knn([1.0, 2.0])), Search()])
    assert for_call.texts == ["red cat / dog", None, None]

"""Tables and files whose records get sparse vectors: of their documents, of the texts in their metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import chromadb.utils.embedding_functions
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import chroma_nb
from chroma_nb import cells
from chroma_nb.collection import sparse_sources
from chroma_nb.embedding_functions.registry import sparse_known_embedding_functions
from chroma_nb.operations import requests
from chroma_nb.records import Edited, Records
from chroma_nb.tables import batches
from chroma_nb.tables.plan import laid_over, plan_sync
from chroma_nb.tables.rows import from_frame
from chroma_nb.types import SparseVector

VECTORS = [np.array([1.0, 2.0], np.float32)] * 3


def length(text: str) -> SparseVector:
    """What the function below makes of a text."""
    return SparseVector([len(text)], [1.0])


class Lengths:
    fails = False

    def __call__(self, input: Any) -> Any:
        if Lengths.fails:
            raise RuntimeError("provider: 503")
        return list(map(length, input))

    @staticmethod
    def build_from_config(config: Any) -> Lengths:
        return Lengths()


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    sparse_known_embedding_functions["tests-lengths"] = Lengths
    yield
    del sparse_known_embedding_functions["tests-lengths"]


def sparse_index(source: str) -> Any:
    config = {"embedding_function": {"type": "known", "name": "tests-lengths", "config": {}}, "source_key": source}
    return {"sparse_vector": {"sparse_vector_index": {"enabled": True, "config": config}}}


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A collection with two such keys; what it would write in one transaction is in its ``edits``."""
    with chroma_nb.EphemeralClient() as client:
        collection = client.create_collection("of_texts", embedding_function=None)
        keys = {"words": sparse_index("#document"), "of_title": sparse_index("title")}
        collection._model = replace(collection._model, serialized_schema={"keys": keys})
        collection.edits = []
        handle = collection._client._backend.handle

        def kept(request: Any) -> Any:
            if not isinstance(request, requests.Edit):
                return handle(request)
            collection.edits.append(request.edits)
            return Edited()

        monkeypatch.setattr(collection._client._backend, "handle", kept)
        yield collection


FRAME = pd.DataFrame(
    {
        "id": ["a", "b", "c"],
        "embedding": VECTORS,
        "document": ["one", "three", None],
        "title": ["A title", None, "more"],
        "year": [1, 2, 3],
    }
)
MADE = [
    {"title": "A title", "year": 1, "words": length("one"), "of_title": length("A title")},
    {"year": 2, "words": length("three")},
    {"title": "more", "year": 3, "of_title": length("more")},
]


@pytest.mark.parametrize("verb", ["add", "upsert", "update"])
def test_the_rows_of_a_table_get_sparse_vectors_as_those_of_a_call_do(written: Any, verb: str) -> None:
    getattr(written, f"{verb}_df")(FRAME)
    (edits,) = written.edits
    assert list(getattr(edits, verb).metadatas) == MADE


def test_a_table_that_is_embedded_in_pieces_gets_them(written: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH", 1)
    written.add_df(FRAME)
    assert list(written.edits[0].add.metadatas) == MADE


def test_the_records_of_a_file_get_them(written: Any, tmp_path: Path) -> None:
    lines = [
        {"id": "a", "embedding": [1.0, 2.0], "document": "one"},
        {"id": "b", "embedding": [1.0, 2.0], "metadata": {"title": "t"}},
    ]
    file = tmp_path / "records.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    written.from_jsonl(file)
    assert list(written.edits[0].upsert.metadatas) == [
        {"words": length("one")},
        {"title": "t", "of_title": length("t")},
    ]


def test_a_function_that_fails_leaves_nothing_written(written: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lengths, "fails", True)
    with pytest.raises(RuntimeError, match="503"):
        written.add_df(FRAME)
    assert written.edits == []


# --- sync ------------------------------------------------------------------------------------------------------
SOURCES = {"words": "#document", "of_title": "title"}
THERE = {
    "ids": ["a"],
    "documents": ["one"],
    "metadatas": [{"title": "t", "words": length("one"), "of_title": length("t")}],
}


def planned(document: str | None, metadata: Any) -> Any:
    wanted = Records(["a"], documents=[document], metadatas=[metadata])
    return plan_sync(wanted, THERE, delete=False, made=SOURCES)


def test_a_table_without_the_sparse_vectors_leaves_them_where_they_are() -> None:
    assert planned("one", {"title": "t"}).unchanged == 1


def test_sparse_vectors_in_the_table_are_not_compared_with_those_that_were_made() -> None:
    assert planned("one", {"title": "t", "words": length("a stale one"), "of_title": length("t")}).unchanged == 1


def test_what_changes_is_what_they_are_made_of(written: Any) -> None:
    plan = planned("another", {"title": "u", "words": length("one")})
    assert plan.update.documents == ["another"]
    assert plan.update.metadatas == [{"title": "u"}]
    update = written._with_sparse_vectors(plan.update)
    assert update.metadatas == [{"title": "u", "words": length("another"), "of_title": length("u")}]


def test_a_sparse_vector_that_is_made_of_nothing_is_compared_as_it_is_kept_in_float32() -> None:
    kept = SparseVector([1], [float(np.float32(0.1))])
    there = {"ids": ["a"], "metadatas": [{"own": kept}]}

    def unchanged(*vector: Any) -> int:
        return plan_sync(Records(["a"], metadatas=[{"own": SparseVector(*vector)}]), there, delete=False).unchanged

    assert unchanged([1], [0.1]) == 1
    assert unchanged([1], [0.2]) == unchanged([2], [0.1]) == unchanged([1], [0.1], ["x"]) == 0
    assert plan_sync(Records(["a"], metadatas=[{}]), there, delete=False).update.metadatas == [{"own": None}]


def test_a_sync_embeds_what_changed_and_what_is_new(written: Any) -> None:
    written.sync(FRAME)
    assert list(written.edits[0].add.metadatas) == MADE


def test_a_record_that_is_replaced_whole_keeps_only_the_vectors_whose_source_stays() -> None:
    """Over HTTP a part cannot be taken away, and the record is added again, which makes the missing vectors."""
    old = Records.of_result({**THERE, "embeddings": [[1.0, 2.0]], "uris": ["file:a"]})
    title = Records(["a"], metadatas=[{"title": "u"}])
    assert laid_over(old, title, {"a"}, set(), SOURCES).metadatas == [{"title": "u", "words": length("one")}]
    text = Records(["a"], documents=["other"])
    assert laid_over(old, text, set(), {"a"}, SOURCES).metadatas == [{"title": "t", "of_title": length("t")}]


def test_what_a_collection_of_chromadb_makes_is_read_from_its_schema(written: Any) -> None:
    theirs = chromadb.Schema()
    function = chromadb.utils.embedding_functions.ChromaBm25EmbeddingFunction()
    config = chromadb.SparseVectorIndexConfig(source_key=chromadb.K.DOCUMENT, embedding_function=function)
    theirs.create_index(config, key="words")
    assert sparse_sources(SimpleNamespace(schema=theirs)) == {"words": "#document"}
    assert sparse_sources(SimpleNamespace(schema=chromadb.Schema())) == {}
    assert sparse_sources(SimpleNamespace(schema=None)) == sparse_sources(object()) == {}
    assert sparse_sources(written) == SOURCES


# --- Cells -----------------------------------------------------------------------------------------------------
class _OfChromadb:
    def __init__(self) -> None:
        self.indices, self.values, self.labels = [1, 5], [0.5, 2.0], None


_OfChromadb.__name__ = "SparseVector"
VECTOR = SparseVector([1, 5], [0.5, 2.0])
CELLS = {"ours": VECTOR, "chromadb's": _OfChromadb(), "as JSON": VECTOR.to_dict()}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_a_cell_may_be_a_sparse_vector(cell: Any) -> None:
    assert cells.value(cell) == VECTOR
    frame = pd.DataFrame({"id": ["a", "b"], "document": ["x", "y"], "v": pd.Series([cell, None], dtype=object)})
    assert from_frame(frame).records.metadatas == [{"v": VECTOR}, None]
    whole = pd.DataFrame({"id": ["a"], "document": ["x"], "metadata": [{"v": cell, "k": 1}]})
    assert from_frame(whole).records.metadatas == [{"v": VECTOR, "k": 1}]


def test_a_column_of_structs_may_hold_sparse_vectors() -> None:
    labelled = SparseVector([1], [0.5], ["cat"])
    column = pa.array([VECTOR.to_dict(), labelled.to_dict(), None])
    table = pa.table({"id": ["a", "b", "c"], "document": ["x", "y", "z"], "v": column})
    assert from_frame(table).records.metadatas == [{"v": VECTOR}, {"v": labelled}, None]


def test_a_frame_that_was_read_holds_them_and_is_written_back() -> None:
    found = {"ids": ["a", "b"], "documents": ["x", "y"], "metadatas": [{"v": VECTOR, "k": 1}, None]}
    frame = chroma_nb.api.types.GetResult(found).to_df()
    assert frame["v"].tolist() == [VECTOR, None]
    assert from_frame(frame).records.metadatas == found["metadatas"]

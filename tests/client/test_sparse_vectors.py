"""Sparse vectors of texts, in every place: made at writing, found by words, carried by tables, files and copies."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import chroma_nb
from chroma_nb import K, Knn, Rrf, Schema, Search, SparseVector, SparseVectorIndexConfig, VectorIndexConfig
from chroma_nb.utils.embedding_functions import ChromaBm25EmbeddingFunction

BM25 = ChromaBm25EmbeddingFunction()
TEXTS = {"cat": "The red cat sat on the mat", "dog": "A blue dog ran", "fish": "Red fish, blue fish"}
TITLES = {"cat": "Pets of the house", "dog": "Runners", "fish": "Swimmers of the sea"}
VECTORS = [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]


#: Chroma's own local server refuses such a schema.
IN_EVERY_PLACE = pytest.mark.parametrize("client", ["memory", "disk", "http", "async"], indirect=True)


@pytest.fixture
def animals(client: Any) -> Any:
    """A collection with a key that is made of documents and one that is made of titles."""
    return client.create_collection("animals", schema=schema(), embedding_function=None)


def schema() -> Schema:
    made = Schema().create_index(VectorIndexConfig(embedding_function=None))
    for key, source in (("words", K.DOCUMENT), ("of_title", "title")):
        config = SparseVectorIndexConfig(source_key=source, embedding_function=BM25, bm25=True)
        made.create_index(config, key=key)
    return made


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {"id": list(TEXTS), "embedding": VECTORS, "document": list(TEXTS.values()), "title": list(TITLES.values())}
    )


def found(collection: Any, text: str, key: str = "words") -> list[str]:
    """The ids that a text finds by the key, the best first."""
    ids: list[str] = collection.search(Search().rank(Knn(text, key=key)))["ids"][0]
    return ids


WRITES: dict[str, Any] = {
    "add": lambda one: one.add(
        list(TEXTS), VECTORS, [{"title": title} for title in TITLES.values()], list(TEXTS.values())
    ),
    "add(df)": lambda one: one.add(frame()),
    "upsert_df": lambda one: one.upsert_df(frame()),
    "sync": lambda one: one.sync(frame()),
}


@IN_EVERY_PLACE
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_documents_and_titles_are_found_by_their_words(animals: Any, write: Any) -> None:
    write(animals)
    assert found(animals, "red") == ["cat", "fish"]  # as often among as many words: in their order
    assert found(animals, "dogs") == ["dog"]  # by its stem
    assert found(animals, "pet", "of_title") == ["cat"]
    assert found(animals, "nothing") == []
    stored = animals.get("dog")["metadatas"][0]
    assert stored["words"].indices == BM25([TEXTS["dog"]])[0].indices


@IN_EVERY_PLACE
def test_a_new_document_and_a_new_title_are_found_and_the_old_ones_are_not(animals: Any) -> None:
    animals.add(frame())
    animals.update("cat", [[1.0, 0.0]], documents="A green parrot")
    animals.update("dog", metadatas={"title": "Sleepers"})
    assert (found(animals, "cat"), found(animals, "parrot")) == ([], ["cat"])
    assert (found(animals, "runner", "of_title"), found(animals, "sleeper", "of_title")) == ([], ["dog"])
    assert found(animals, "dog") == ["dog"]  # an update of the metadata alone leaves it
    animals.update("dog", metadatas={"words": None})
    assert found(animals, "dog") == []
    animals.upsert(["dog"], [[0.0, 1.0]], documents=["a wolf"])
    assert found(animals, "wolf") == ["dog"]


@IN_EVERY_PLACE
def test_a_sync_makes_anew_what_changed_and_then_does_nothing(animals: Any) -> None:
    animals.sync(frame())
    assert animals.sync(frame()).unchanged == 3
    read = animals.to_df()
    assert isinstance(read["words"][0], SparseVector)
    assert animals.sync(read).unchanged == 3
    changed = frame().assign(document=["A green parrot", TEXTS["dog"], None], title=["Pets", "Runners", "Divers"])
    report = animals.sync(changed)
    assert (report.updated, report.unchanged) == (2, 1)
    assert (found(animals, "cat"), found(animals, "parrot")) == ([], ["cat"])
    assert found(animals, "fish") == ["fish"]  # it lost its document, not what was made of it
    assert (found(animals, "swimmer", "of_title"), found(animals, "diver", "of_title")) == ([], ["fish"])
    assert animals.sync(changed).unchanged == 3


@IN_EVERY_PLACE
@pytest.mark.parametrize("form", ["jsonl", "parquet", "arrow", "frame"])
def test_records_with_sparse_vectors_go_out_and_come_back(animals: Any, form: str, tmp_path: Path) -> None:
    animals.add(frame())
    animals.update("cat", metadatas={"words": SparseVector([7], [0.5], ["seven"])})
    before = animals.get(include=["metadatas", "documents"])
    path = [tmp_path / f"animals.{form}"] if form in ("jsonl", "parquet") else []
    if form == "frame":
        kept = animals.to_df(columns=["id", "document", "embedding", "title", "words", "of_title"])
    else:
        kept = getattr(animals, f"to_{form}")(*path)
    animals.delete(list(TEXTS))
    getattr(animals, "add" if form == "frame" else f"from_{form}")(*(path or [kept]))
    assert animals.get(include=["metadatas", "documents"]) == before
    assert found(animals, "dogs") == ["dog"]
    assert found(animals, "cat") == []  # what was given was kept


@IN_EVERY_PLACE
def test_a_hybrid_search_asks_by_meaning_and_by_words(animals: Any) -> None:
    animals.add(frame())
    by_meaning = Knn([0.0, 1.0], return_rank=True, default=100)
    by_words = Knn("red fish", key=K("words"), return_rank=True, default=100)
    answer = animals.search(Search().rank(Rrf([by_meaning, by_words])).select(K.SCORE, "title").limit(2))
    assert answer["ids"] == [["fish", "cat"]]
    assert answer.query_texts == ["red fish"]
    assert list(answer.to_df()) == ["search", "query_text", "rank", "id", "score", "title"]


def test_a_copy_has_the_sparse_vectors_and_their_indexes(local_client: Any, tmp_path: Path) -> None:
    animals = local_client.create_collection("animals", schema=schema(), embedding_function=None)
    animals.add(frame())
    with chroma_nb.PersistentClient(tmp_path / "other") as other:
        copied = chroma_nb.copy(animals, other).collection
        assert copied.get(include=["metadatas"])["metadatas"] == animals.get(include=["metadatas"])["metadatas"]
        assert found(copied, "dogs") == ["dog"]
        copied.add("hen", [[1.0, 1.0]], documents="A brown hen")
        assert found(copied, "hen") == ["hen"]


def test_a_collection_that_wrote_sparse_vectors_can_be_pickled_and_copied(tmp_path: Path) -> None:
    with chroma_nb.PersistentClient(tmp_path) as client:
        animals = client.create_collection("animals", schema=schema(), embedding_function=None)
        animals.add(frame())
        for other in (pickle.loads(pickle.dumps(animals)), copy.deepcopy(animals), copy.copy(animals)):
            assert found(other, "dogs") == ["dog"]

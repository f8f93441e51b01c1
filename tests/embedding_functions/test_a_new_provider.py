"""A provider is its file and its row in the registry: stored configurations name it, and its class is loaded on use."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import chroma_nb
from chroma_nb.embedding_functions.registry import known_embedding_functions

FILE = """
from chroma_nb.embedding_functions.configuration import Configured, Key


class LengthEmbeddingFunction(Configured):
    keys = {"scale": Key(int)}

    def __init__(self, scale=1):
        self.scale = scale

    def __call__(self, input):
        return [[len(text) * self.scale, 1.0] for text in input]

    @staticmethod
    def name():
        return "length"
"""


@pytest.fixture
def _a_provider_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "length_provider.py").write_text(FILE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(known_embedding_functions._classes, "length", "length_provider:LengthEmbeddingFunction")


@pytest.mark.usefixtures("_a_provider_more")
def test_a_stored_configuration_names_it(tmp_path: Path) -> None:
    assert "length_provider" not in sys.modules
    function = known_embedding_functions["length"](scale=2)
    with chroma_nb.PersistentClient(tmp_path / "db") as client:
        client.create_collection("texts", embedding_function=function).add(ids=["a", "b"], documents=["x", "xxxx"])
    with chroma_nb.PersistentClient(tmp_path / "db") as client:
        collection = client.get_collection("texts")
        assert collection.query(query_texts=["yyy"], n_results=1)["ids"] == [["b"]]
        assert collection.configuration_json["embedding_function"]["config"] == {"scale": 2}
        assert collection.get(ids=["b"], include=["embeddings"])["embeddings"].tolist() == [[8.0, 1.0]]

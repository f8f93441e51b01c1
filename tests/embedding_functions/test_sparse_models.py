"""Sparse models of fastembed and sentence-transformers: what the library is told, what becomes of its vectors."""

from __future__ import annotations

import pickle
import sys
import types
from typing import Any

import numpy as np
import pytest

from chroma_nb._optional import MissingPackageError
from chroma_nb.embedding_functions.registry import config_to_sparse_embedding_function, sparse_known_embedding_functions
from chroma_nb.types import SparseVector
from chroma_nb.utils.embedding_functions import (
    Bm25EmbeddingFunction,
    FastembedSparseEmbeddingFunction,
    HuggingFaceSparseEmbeddingFunction,
)

pytestmark = pytest.mark.filterwarnings("ignore:Bm25EmbeddingFunction is deprecated:DeprecationWarning")


class Model:
    """A model of either library: says how it was made; a question has one dimension more than a document."""

    made: tuple[tuple[Any, ...], dict[str, Any]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        type(self).made = (args, kwargs)

    def embed(self, texts: Any) -> Any:
        return (types.SimpleNamespace(indices=np.array([9, 2]), values=np.array([0.5, len(text)])) for text in texts)

    def query_embed(self, texts: Any) -> Any:
        return (types.SimpleNamespace(indices=np.array([3]), values=np.array([1.0])) for text in texts)

    def encode_document(self, texts: Any) -> Any:
        return [Tensor([0, 0, len(text), 0, 0.5]) for text in texts]

    def encode_query(self, texts: Any) -> Any:
        return np.array([[0, 0, 0, 1.0]] * len(texts), np.float32)


class Tensor:
    """A sparse tensor on a device."""

    def __init__(self, row: Any) -> None:
        self.row = np.array(row, np.float32)

    def to_dense(self) -> Any:
        return self

    def cpu(self) -> Any:
        return self.row


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in {
        "fastembed": {"SparseTextEmbedding": Model},
        "fastembed.sparse": {},
        "fastembed.sparse.bm25": {"Bm25": Model},
        "sentence_transformers": {"SparseEncoder": Model},
    }.items():
        module = types.ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)


FUNCTIONS = [
    pytest.param(Bm25EmbeddingFunction, {"k": 1.5, "language": "german", "local_files_only": True}, id="bm25"),
    pytest.param(FastembedSparseEmbeddingFunction, {"model_name": "prithivida/Splade_PP_en_v1"}, id="fastembed"),
    pytest.param(HuggingFaceSparseEmbeddingFunction, {"model_name": "naver/splade-v3", "device": "cpu"}, id="hugging"),
]
QUESTION = SparseVector([3], [1.0])


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize(("cls", "arguments"), FUNCTIONS)
def test_documents_and_questions_are_embedded_as_the_task_says(cls: Any, arguments: dict[str, Any]) -> None:
    document = SparseVector([2, 4 if cls is HuggingFaceSparseEmbeddingFunction else 9], [4.0, 0.5])
    function = cls(**arguments)
    assert function(["four"]) == function.embed_query(["four"]) == [document]
    function = cls(**arguments, query_config={"task": "query"})
    assert (function(["four"]), function.embed_query(["four"])) == ([document], [QUESTION])
    assert cls(**arguments, task="query")(["four"]) == [QUESTION]
    with pytest.raises(ValueError, match="Invalid task: None"):
        cls(**arguments, task=None)(["four"])
    with pytest.raises(ValueError, match="Keyword argument x is not a primitive type"):
        cls(**arguments, x=object())
    with pytest.raises(ValueError, match="non-empty list, got 0 sparse vectors"):
        cls(**arguments)([])


@pytest.mark.usefixtures("libraries")
def test_a_library_is_told_what_was_given() -> None:
    Bm25EmbeddingFunction(k=1.5, b=None, local_files_only=True)(["a"])
    assert Model.made == ((), {"model_name": "Qdrant/bm25", "k": 1.5, "local_files_only": True})
    FastembedSparseEmbeddingFunction("m", threads=2, lazy_load=True, more=1)(["a"])
    assert Model.made == (("m", None, 2, None, None, True), {"more": 1})
    HuggingFaceSparseEmbeddingFunction("m", "cpu", revision="x")(["a"])
    assert Model.made == ((), {"model_name_or_path": "m", "device": "cpu", "revision": "x"})


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize(("cls", "arguments"), FUNCTIONS)
def test_a_stored_configuration_is_built_again(cls: Any, arguments: dict[str, Any]) -> None:
    function = cls(**arguments)
    function(["a"])
    config = function.get_config()
    again = config_to_sparse_embedding_function({"name": cls.name(), "config": config})
    assert type(again) is cls is sparse_known_embedding_functions[cls.name()]
    assert again.get_config() == config == pickle.loads(pickle.dumps(function)).get_config()
    function.validate_config_update(config, config | {"task": "query"})
    with pytest.raises(ValueError, match=r"to have only the keys"):
        cls.validate_config({**config, "nope": 1})


@pytest.mark.parametrize(("cls", "arguments"), FUNCTIONS)
def test_the_configuration_is_chromadbs(cls: Any, arguments: dict[str, Any], libraries: None) -> None:
    theirs = getattr(pytest.importorskip("chromadb.utils.embedding_functions"), cls.__name__)
    assert cls(**arguments).get_config() == theirs(**arguments).get_config()
    assert cls.name() == theirs.name()


@pytest.mark.parametrize(
    ("name", "config", "says"),
    [
        ("bm25", {"specific_model_path": "/tmp/evil"}, "has files under specific_model_path"),
        ("bm25", {"specific_model_path": "models/evil"}, "has files under specific_model_path"),
        ("bm25", {"cache_dir": "/models/evil"}, "has files under cache_dir"),
        ("fastembed_sparse", {"model_name": "a/b", "cache_dir": "/models/evil"}, "has files under cache_dir"),
        ("bm25", {"kwargs": {"model_name": "x"}}, "only the keys"),
        ("fastembed_sparse", {"model_name": "../evil"}, "looks like a path"),
        ("fastembed_sparse", {"model_name": "m", "kwargs": {"providers": ["x"]}}, "only the keys"),
        ("fastembed_sparse", {}, "model_name"),
        ("huggingface_sparse", {"model_name": "/evil", "device": "cpu"}, "looks like a path"),
        ("huggingface_sparse", {"model_name": "m", "device": "cpu", "kwargs": {"trust_remote_code": True}}, "only the"),
    ],
)
def test_a_stored_configuration_names_no_files_and_runs_no_code(name: str, config: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        config_to_sparse_embedding_function({"name": name, "config": config})


@pytest.mark.parametrize(("cls", "arguments"), FUNCTIONS)
def test_without_the_library_it_is_kept_and_embedding_says_what_to_install(
    cls: Any, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("fastembed", "fastembed.sparse.bm25", "sentence_transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    function = cls(**arguments)
    assert cls.build_from_config(function.get_config()).get_config() == function.get_config()
    with pytest.raises(MissingPackageError, match=r"pip install (fastembed|sentence-transformers)"):
        function(["a"])


def test_chromas_warning_that_bm25_is_deprecated_is_given() -> None:
    with pytest.warns(DeprecationWarning, match="Please use ChromaBm25EmbeddingFunction instead"):
        Bm25EmbeddingFunction()

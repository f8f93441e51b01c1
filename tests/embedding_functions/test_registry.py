"""The names a stored configuration may use, and the protocol behind them."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from chroma_nb import embedding_functions, embeddings
from chroma_nb.api import types as api_types
from chroma_nb.embedding_functions import registry, stand_ins
from chroma_nb.embedding_functions.base import (
    EmbeddingFunction,
    SparseEmbeddingFunction,
    validate_embedding_function,
)
from chroma_nb.embedding_functions.registry import (
    config_to_embedding_function,
    config_to_sparse_embedding_function,
    known_embedding_functions,
    register_embedding_function,
    register_sparse_embedding_function,
    sparse_known_embedding_functions,
)
from chroma_nb.execution.expression import operator
from chroma_nb.types import SparseVector


@pytest.fixture
def clean_registry() -> Any:
    """What a test registers is gone afterwards."""
    before, sparse = dict(known_embedding_functions._classes), dict(sparse_known_embedding_functions._classes)
    yield
    known_embedding_functions._classes, sparse_known_embedding_functions._classes = before, sparse


class Lengths(EmbeddingFunction[list[str]]):
    def __init__(self) -> None: ...

    def __call__(self, texts: Any) -> Any:
        return [[len(text), 1] for text in texts]

    @staticmethod
    def name() -> str:
        return "lengths"

    def get_config(self) -> dict[str, Any]:
        return {"a": 1}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> "Lengths":
        return Lengths()


# --- Names ------------------------------------------------------------------------------------------------
def test_every_name_that_chroma_registers_is_known_with_its_class() -> None:
    theirs = pytest.importorskip("chromadb.utils.embedding_functions")
    for known, ours in (
        (theirs.known_embedding_functions, known_embedding_functions),
        (theirs.sparse_known_embedding_functions, sparse_known_embedding_functions),
    ):
        for name, cls in known.items():
            if cls.__module__.startswith("chromadb."):
                assert ours[name].__name__ == cls.__name__, name
    assert theirs.get_builtins() - {"GoogleGenaiEmbeddingFunction"} <= registry.get_builtins()


def test_every_public_name_of_chromas_package_is_here() -> None:
    theirs = pytest.importorskip("chromadb.utils.embedding_functions")
    assert [name for name in theirs.__all__ if not hasattr(embedding_functions, name)] == []


def test_names_are_imported_when_asked_for() -> None:
    script = (
        "import sys; from chroma_nb.embedding_functions import known_embedding_functions as known; "
        "assert 'openai' in known and len(list(known)) > 25; "
        "assert 'chroma_nb.embedding_functions.openai' not in sys.modules; known['openai']; "
        "assert 'chroma_nb.embedding_functions.openai' in sys.modules; assert 'httpx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.usefixtures("clean_registry")
def test_a_registered_class_is_built_from_its_configuration() -> None:
    with pytest.raises(ValueError, match="Unsupported embedding function: lengths"):
        config_to_embedding_function({"name": "lengths", "config": {}})
    assert register_embedding_function(Lengths) is Lengths
    assert isinstance(config_to_embedding_function({"type": "known", "name": "lengths", "config": {}}), Lengths)
    assert register_embedding_function()(Lengths) is Lengths
    del known_embedding_functions["lengths"]
    assert "lengths" not in known_embedding_functions
    with pytest.raises(ValueError, match="must contain a 'name'"):
        config_to_embedding_function({})


def test_a_class_without_a_name_cannot_be_registered() -> None:
    class Nameless(EmbeddingFunction[list[str]]):
        def __call__(self, input: Any) -> Any:
            return [[1.0]]

    with (
        pytest.raises(ValueError, match="Failed to register embedding function"),
        pytest.warns(DeprecationWarning, match="has no name"),
    ):
        register_embedding_function(Nameless)
    with pytest.raises(ValueError, match="Failed to register"):
        register_embedding_function(int)


@pytest.mark.parametrize("name", ["os.system", "__import__", "../x", "builtins:eval", "chroma_nb.cli:main"])
def test_a_stored_name_is_looked_up_and_never_imported(name: str) -> None:
    with pytest.raises(ValueError, match="Unsupported embedding function"):
        config_to_embedding_function({"name": name, "config": {}})


# --- Names without a model here -----------------------------------------------------------------------------
@pytest.mark.parametrize("row", stand_ins.STAND_INS, ids=lambda row: row.name)
def test_a_kept_configuration_comes_back_untouched_and_embedding_says_what_to_do(row: stand_ins.StandIn) -> None:
    build = config_to_sparse_embedding_function if row.sparse else config_to_embedding_function
    config = {"model_name": "whatever", "of_a_later_version": [1, {"a": None}]}
    function: Any = build({"type": "known", "name": row.name, "config": config})
    assert function.get_config() == config
    assert type(function).__name__ == row.class_name
    assert (function.name(), type(function).name()) == (row.name, row.name)
    assert isinstance(function, SparseEmbeddingFunction if row.sparse else EmbeddingFunction)
    function.validate_config_update(config, config)
    with pytest.raises(NotImplementedError, match=f"cannot embed with it.*pip install chromadb {row.package}"):
        function(["a text"])


def test_kept_classes_are_constructed_as_chromas_are() -> None:
    splade: Any = embedding_functions.ChromaCloudSpladeEmbeddingFunction(include_tokens=True)
    assert splade.get_config() == {
        "api_key_env_var": "CHROMA_API_KEY",
        "model": "prithivida/Splade_PP_en_v1",
        "include_tokens": True,
    }
    bm25: Any = embedding_functions.ChromaBm25EmbeddingFunction(k=1.5)
    assert "stopwords" not in bm25.get_config()
    for arguments, says in ((("a", "b", "c", "d"), "at most 3"),):
        with pytest.raises(TypeError, match=says):
            embedding_functions.ChromaCloudSpladeEmbeddingFunction(*arguments)
    with pytest.raises(TypeError, match="unexpected keyword argument 'surprise'"):
        embedding_functions.ChromaCloudSpladeEmbeddingFunction(surprise=1)


# --- The protocol -------------------------------------------------------------------------------------------
def test_whatever_a_class_returns_arrives_as_float32_arrays() -> None:
    (vector,) = Lengths()(["four"])
    assert vector.dtype == np.float32
    assert vector.tolist() == [4.0, 1.0]
    assert Lengths().embed_query(["four"])[0].tolist() == [4.0, 1.0]
    validate_embedding_function(Lengths())


class Returns(EmbeddingFunction[list[str]]):
    def __init__(self, result: Any) -> None:
        self.result = result

    def __call__(self, input: Any) -> Any:
        return self.result


@pytest.mark.parametrize(
    ("result", "dtype"),
    [
        ([1, 2], np.float32),
        ([[1, 2]], np.float32),
        ([[1.0, 2.0]], np.float32),
        (np.array([1.0, 2.0]), np.float64),
        (np.array([[1.0, 2.0]]), np.float64),
        ([np.array([1, 2], np.float16)], np.float16),
        ([np.array([1, 2])], np.int64),
        # more than Chroma takes
        (([1, 2],), np.float32),
        ([(1, 2)], np.float32),
        ([np.int64(1), 2], np.float32),
        ([[np.int64(1), 2]], np.float32),
    ],
)
def test_a_function_that_is_called_returns_arrays_as_they_are_and_lists_as_float32(result: Any, dtype: Any) -> None:
    (vector,) = Returns(result)(["a"])
    assert vector.dtype == dtype
    assert vector.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("result", "says"),
    [
        ([], "non-empty list or numpy array"),
        ([["a"]], r"a list of lists, a numpy array, or a list of numpy arrays, got \[\['a'\]\]"),
        ([[True]], "Expected embeddings to be a list of floats or ints"),
        ([[1, "a"]], "could not convert string to float: 'a'"),
        ([[]], "no values at pos 0"),
        ([[[1]]], "Expected embeddings to be a list of floats or ints"),
        (np.zeros((1, 1, 1)), "Expected embeddings to be a list of floats or ints"),
        ({"a": 1}, "Expected embeddings to be a list of floats or ints, .* got {'a': 1}"),
    ],
)
def test_what_is_no_vector_is_refused_in_chromas_words(result: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Returns(result)(["a"])


def test_there_is_one_function_that_normalizes_embeddings() -> None:
    assert api_types.normalize_embeddings is operator.normalize_embeddings is embeddings.normalize_embeddings
    assert api_types.normalize_embeddings(None) is None


def test_a_function_that_returns_nothing_is_refused_by_chromas_class() -> None:
    with pytest.raises(AssertionError, match=r"got None. Check that its __call__ returns"):
        Returns(None)(["a"])


def test_a_class_wraps_its_call_once_however_often_it_is_inherited() -> None:
    class Child(Lengths):
        pass

    assert Child.__call__ is Lengths.__call__
    assert Child()(["a"])[0].tolist() == [1.0, 1.0]


def test_an_incomplete_class_works_and_is_legacy() -> None:
    class Incomplete(EmbeddingFunction[list[str]]):
        def __call__(self, input: Any) -> Any:
            return [[1.0]]

    with pytest.warns(DeprecationWarning, match="Incomplete has no __init__"):
        function = Incomplete()
    assert function.is_legacy()
    assert not Lengths().is_legacy()
    for method in (function.name, function.get_config, lambda: function.build_from_config({})):
        with pytest.warns(DeprecationWarning, match="cannot be stored with a collection"):
            assert method() is NotImplemented


def test_a_callable_with_other_parameter_names_is_refused() -> None:
    class Stranger:
        def __call__(self, texts: Any) -> Any: ...

    with pytest.raises(ValueError, match="to have the following signature"):
        validate_embedding_function(Stranger())  # type: ignore[arg-type]


def test_retries_end_with_the_last_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from chroma_nb.embedding_functions import base

    waited: list[float] = []
    monkeypatch.setattr(base.time, "sleep", waited.append)
    calls: list[int] = []

    class Moody(Lengths):
        def __call__(self, input: Any) -> Any:
            calls.append(1)
            if len(calls) < 3:
                raise OSError("busy")
            return [[1.0]]

    assert Moody().embed_with_retries(["a"])[0].tolist() == [1.0]
    assert len(waited) == 2
    calls[:] = [1] * -5
    with pytest.raises(TypeError):
        Lengths().embed_with_retries(3)


def test_retries_can_be_told_as_to_tenacity() -> None:
    tenacity = pytest.importorskip("tenacity")
    calls: list[int] = []

    class Moody(Lengths):
        def __call__(self, input: Any) -> Any:
            calls.append(1)
            raise OSError("busy")

    with pytest.raises(OSError, match="busy"):
        Moody().embed_with_retries(["a"], stop=tenacity.stop_after_attempt(2), reraise=True)
    assert len(calls) == 2


@pytest.mark.usefixtures("clean_registry")
def test_sparse_functions_return_sparse_vectors() -> None:
    @register_sparse_embedding_function
    class Sparse(SparseEmbeddingFunction[list[str]]):
        def __init__(self) -> None: ...

        def __call__(self, input: Any) -> Any:
            return [SparseVector([1], [2.0])] if input else "nothing"

        @staticmethod
        def name() -> str:
            return "my_sparse"

        def get_config(self) -> dict[str, Any]:
            return {}

        @staticmethod
        def build_from_config(config: dict[str, Any]) -> "Sparse":
            return Sparse()

    function = config_to_sparse_embedding_function({"name": "my_sparse", "config": {}})
    assert function.embed_query(["a"])[0].indices == [1]
    with pytest.raises(ValueError, match="to be a list, got str"):
        function([])
    with pytest.raises(ValueError, match="Unsupported sparse"):
        config_to_sparse_embedding_function({"name": "none"})

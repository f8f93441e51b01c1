"""ChromaBm25EmbeddingFunction is chromadb's, bit for bit: vectors, labels, configurations and errors."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from typing import Any

import chromadb.utils.embedding_functions.chroma_bm25_embedding_function as theirs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chroma_nb.embedding_functions.registry import config_to_sparse_embedding_function, sparse_known_embedding_functions
from chroma_nb.utils.embedding_functions import ChromaBm25EmbeddingFunction, chroma_bm25_embedding_function

PARAMETERS: list[dict[str, Any]] = [
    {},
    {"include_tokens": True},
    {"k": 0.9, "b": 0.4, "include_tokens": True},
    {"k": 0.0},
    {"b": 0.0},
    {"k": 2.0, "b": 1.0, "avg_doc_length": 10},
    {"avg_doc_length": 1.5, "token_max_length": 5.9},
    {"stopwords": [], "token_max_length": 1000},
    {"stopwords": ["FOX", "Quick", "word"], "include_tokens": True},
    {"stopwords": ("a",), "k": "1.5"},
    {"k": -3.0},
    {"k": float("inf")},
    {"k": 1e308, "avg_doc_length": 1e-308},
    {"b": float("nan")},
    {"avg_doc_length": 0},
    {"avg_doc_length": -1.0},
]
INPUTS: list[Any] = [
    ["wax: any of various substances of either mineral origin or plant or animal origin"],
    ["communism communal commune", "", "the of and", "don't Don't DON'T run running runs"],
    ["a_b_c 42 4.2 ½ ²", "İstanbul ǅ ΟΔΟΣ ß ﬁ", "東京都に行く", "\ud800 lone", "\x1c\x85\u2028x", "x" * 41, "x" * 40],
    ["a"],
    [],
    None,
    "cat dog",
    ("cat", "dog"),
    [None],
    [1],
    [b"cat"],
    [2.5, "cat"],
    {"cat": 1},
    3,
]


def outcome(do: Any) -> Any:
    """What a call gives, or its error."""
    with warnings.catch_warnings(action="error"):
        try:
            found = do()
        except Exception as error:  # noqa: BLE001  # whatever either raises
            return type(error), str(error)
    return [(vector.indices, repr(vector.values), vector.labels) for vector in found]


def both(parameters: dict[str, Any]) -> tuple[Any, Any]:
    return ChromaBm25EmbeddingFunction(**parameters), theirs.ChromaBm25EmbeddingFunction(**parameters)


def error_of(do: Any) -> Any:
    """The class and the text of the error that a call raises; None when it raises none."""
    try:
        do()
    except Exception as error:  # noqa: BLE001  # whatever either raises
        return type(error), str(error)
    return None


@pytest.mark.parametrize("texts", INPUTS, ids=repr)
@pytest.mark.parametrize("parameters", PARAMETERS, ids=repr)
def test_vectors_and_errors_are_chromadbs(parameters: dict[str, Any], texts: Any) -> None:
    ours, chromas = both(parameters)
    assert outcome(lambda: ours(texts)) == outcome(lambda: chromas(texts))
    assert outcome(lambda: ours.embed_query(texts)) == outcome(lambda: chromas.embed_query(texts))


@pytest.mark.parametrize("parameters", PARAMETERS, ids=repr)
def test_its_configuration_is_chromadbs(parameters: dict[str, Any]) -> None:
    ours, chromas = both(parameters)
    assert repr(ours.get_config()) == repr(chromas.get_config())


@pytest.mark.parametrize("parameters", [{"k": "x"}, {"k": None}, {"stopwords": 3}, {"token_max_length": "x"}], ids=repr)
def test_a_wrong_parameter_is_chromadbs_error(parameters: dict[str, Any]) -> None:
    error = error_of(lambda: ChromaBm25EmbeddingFunction(**parameters))
    assert error == error_of(lambda: theirs.ChromaBm25EmbeddingFunction(**parameters))
    assert error is not None


WORDS = st.sampled_from(
    [
        "the",
        "a",
        "fox",
        "foxes",
        "quick",
        "running",
        "organization",
        "don't",
        "naïve",
        "Straße",
        "東京",
        "a_b",
        "4.2",
        "İ",
    ]
)


@given(
    st.lists(st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=40), max_size=6),
    st.fixed_dictionaries(
        {},
        optional={
            "k": st.floats(-2, 4),
            "b": st.floats(-1, 2),
            "avg_doc_length": st.floats(0.5, 300),
            "token_max_length": st.integers(0, 12),
            "stopwords": st.lists(WORDS, max_size=3),
            "include_tokens": st.booleans(),
        },
    ),
)
@example(["to be or not to be"], {})
def test_any_texts_have_chromadbs_vectors(texts: list[str], parameters: dict[str, Any]) -> None:
    ours, chromas = both(parameters)
    assert outcome(lambda: ours(texts)) == outcome(lambda: chromas(texts))
    assert ours.get_config() == chromas.get_config()


CONFIGS: list[Any] = [
    {},
    {"k": 1, "b": 2.5, "avg_doc_length": 9, "token_max_length": 3.5, "stopwords": ["q"], "include_tokens": True},
    {"k": -1},
    {"k": "x"},
    {"b": True},
    {"k": None},
    {"stopwords": None},
    {"stopwords": "abc"},
    {"stopwords": ["a", 1]},
    {"include_tokens": 1},
    {"nope": 1},
    {"nope": 1, "more": 2},
    [],
    "x",
]


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
def test_a_configuration_is_taken_or_refused_in_chromadbs_words(config: Any) -> None:
    refused = error_of(lambda: theirs.ChromaBm25EmbeddingFunction.validate_config(config))
    if refused is None:
        ChromaBm25EmbeddingFunction.validate_config(config)
        built, chromas = (
            cls.build_from_config(config) for cls in (ChromaBm25EmbeddingFunction, theirs.ChromaBm25EmbeddingFunction)
        )
        assert built.get_config() == chromas.get_config()
        assert config_to_sparse_embedding_function({"name": "chroma_bm25", "config": config}).get_config() == (
            chromas.get_config()
        )
    else:
        with pytest.raises(ValueError, match="Config validation failed") as caught:
            ChromaBm25EmbeddingFunction.validate_config(config)
        assert str(caught.value) == refused[1]


@pytest.mark.parametrize("change", [{}, {"k": 2}, {"stopwords": ["a"], "b": 1}, {"k": 2, "unknown": 2}])
def test_an_update_of_the_configuration_is_taken_as_by_chromadb(change: dict[str, Any]) -> None:
    ours, chromas = both({})
    refused = error_of(lambda: chromas.validate_config_update({}, change))
    assert error_of(lambda: ours.validate_config_update({}, change)) == refused


def test_it_is_found_by_its_name_and_at_chromas_path() -> None:
    assert ChromaBm25EmbeddingFunction.name() == theirs.ChromaBm25EmbeddingFunction.name() == "chroma_bm25"
    assert sparse_known_embedding_functions["chroma_bm25"] is ChromaBm25EmbeddingFunction
    for name in ("DEFAULT_K", "DEFAULT_B", "DEFAULT_AVG_DOC_LENGTH", "DEFAULT_TOKEN_MAX_LENGTH", "NAME"):
        assert getattr(chroma_bm25_embedding_function, name) == getattr(theirs, name)
    ours = ChromaBm25EmbeddingFunction(k=2)
    assert pickle.loads(pickle.dumps(ours)).get_config() == ours.get_config()
    ours.get_config()["k"] = 7
    assert ours.k == 2


def test_many_texts_give_the_same_as_arrays() -> None:
    texts = ["the cat", "", "cats and dogs and cats"]
    ours = ChromaBm25EmbeddingFunction()
    counted = ours.count(texts)
    weights = ours.weights(counted)
    for row, vector in enumerate(ours(texts)):
        entries = counted.rows == row
        assert counted.terms[entries].tolist() == vector.indices
        assert weights[entries].tolist() == vector.values


def test_nothing_of_it_is_loaded_before_it_embeds() -> None:
    script = (
        "import sys, chroma_nb; assert not {'mmh3', 'snowballstemmer'} & set(sys.modules); "
        "assert not [name for name in sys.modules if name.startswith('chroma_nb.words')]; "
        "from chroma_nb.utils.embedding_functions import ChromaBm25EmbeddingFunction as Bm25; Bm25()(['a cat']); "
        "assert {'mmh3', 'snowballstemmer'} <= set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)

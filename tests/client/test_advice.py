"""What is refused is refused with Chroma's class and words; below them stands which record it is and what to do."""

from __future__ import annotations

import datetime
import decimal
import functools
import importlib
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import chroma_nb
from chroma_nb.errors import DuplicateIDError, InvalidArgumentError

TWO = {"ids": ["a", "b"], "embeddings": [[1, 2], [3, 4]]}


class Tensor:
    """As of torch or jax."""

    def __init__(self, values: Any) -> None:
        self._values = np.asarray(values, np.float32)

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, row: int) -> Tensor:
        return Tensor(self._values[row])

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self._values.astype(dtype)


class OnCard(Tensor):
    """One that numpy cannot take by itself."""

    __array__ = None  # type: ignore[assignment]

    def __dlpack__(self) -> Any:
        raise TypeError("it lies on the card")


class Unshowable:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


# --- Metadata ---
FOREIGN = [
    (np.int64(1), ".item()"),
    (np.float32(1), ".item()"),
    (np.bool_(True), ".item()"),
    (datetime.date(2024, 1, 2), ".isoformat()"),
    (datetime.datetime(2024, 1, 2), ".isoformat()"),
    (datetime.timedelta(1), ".total_seconds()"),
    (pd.NaT, "leave the key out"),
    (decimal.Decimal("1.5"), "float(…)"),
    (uuid.UUID(int=1), "str(…)"),
    (Path("a"), "str(…)"),
    (b"x", ".decode()"),
    ((1, 2), "list(…)"),
    ({1}, "list(…)"),
    (range(2), "list(…)"),
    (np.array([1]), ".tolist()"),
    (Tensor([1]), ".tolist()"),
    ({"a": 1}, "json.dumps(…)"),
    (Unshowable(), "str(…)"),
]  # fmt: skip


@pytest.mark.parametrize("call", ["add", "upsert", "update"])
@pytest.mark.parametrize(("value", "advice"), FOREIGN, ids=lambda one: type(one).__name__)
def test_a_value_that_cannot_be_stored_names_record_and_key(
    sync_client: Any, call: str, value: Any, advice: str
) -> None:
    collection = sync_client.create_collection("things", embedding_function=None)
    for given in (value, ["x", value]):
        with pytest.raises(ValueError, match=r"^Expected metadata ") as caught:
            getattr(collection, call)(**TWO, metadatas=[{"k": 1}, {"year": given}])
        chromas, below = str(caught.value).split("\n")
        assert chromas.endswith(f" in {call}.")
        assert below.startswith("Record 1 (id 'b'), key 'year': ")
        assert advice in below
    assert collection.count() == 0


def test_none_in_metadata_names_record_and_key(local_client: Any) -> None:
    collection = local_client.create_collection("things", embedding_function=None)
    with pytest.raises(
        TypeError, match=r"^argument 'metadatas': Cannot convert Python object to MetadataValue"
    ) as caught:
        collection.add(**TWO, metadatas=[{"k": 1}, {"k": 1, "none": None}])
    assert "\nRecord 1 (id 'b'), key 'none': " in str(caught.value)
    collection.upsert(**TWO, metadatas=[{"k": 1}, {"k": 1, "none": None}])
    assert collection.get()["metadatas"] == [{"k": 1}, {"k": 1}]


# --- Filters ---
FILTERS: list[tuple[dict[str, Any], str]] = [
    ({"where": {"year": 1, "topic": "moon"}}, "{'$and': [{'year': 1}, {'topic': 'moon'}]}"),
    ({"where": {"year": {"$gt": 1, "$lt": 3}}}, "{'$and': [{'year': {'$gt': 1}}, {'year': {'$lt': 3}}]}"),
    ({"where": {"$and": [{"a": 1}, {"b": 1, "c": 2}]}}, "{'$and': [{'b': 1}, {'c': 2}]}"),
    ({"where_document": {"$contains": "a", "$regex": "b"}}, "{'$and': [{'$contains': 'a'}, {'$regex': 'b'}]}"),
    ({"where": {"year": {"$in": (1, 2)}}}, "list(…)"),
    ({"where": {"year": {"$in": {1, 2}}}}, "list(…)"),
    ({"where": {"year": {"$nin": {1: 2}.keys()}}}, "list(…)"),
    ({"where": {"year": {"$nin": np.array([1, 2])}}}, ".tolist()"),
    ({"where": {"year": {"$in": "abc"}}}, "['abc']"),
    ({"where": {"year": {"$in": [1, "a"]}}}, "int and str"),
    ({"where": {"year": {"$gt": "2024-01-01"}}}, ".timestamp()"),
    ({"where": {"year": {"$eq": np.int64(1)}}}, ".item()"),
    ({"where": {"year": np.float32(1)}}, ".item()"),
    ({"where": {"year": [1, 2]}}, "{'$in': [1, 2]}"),
    ({"where": {"year": None}}, "leave the condition out"),
    ({"where": {"year": {"gt": 1}}}, "Did you mean '$gt'?"),
    ({"where": {"year": {"==": 1}}}, "Write $eq"),
    ({"where": {"year": {"$regex": "a"}}}, "where_document="),
    ({"where": {"$contains": "a"}}, "where_document="),
    ({"where": {}}, "leave the argument out"),
    ({"where": [{"a": 1}]}, "'$and'"),
    ({"where": {"$or": [{"a": 1}]}}, "without the list"),
    ({"where": {"$or": {"a": 1, "b": 2}}}, "[{'a': 1}, {'b': 2}]"),
    ({"where_document": "moon"}, "{'$contains': 'moon'}"),
    ({"where_document": {"$contains": ["a", "b"]}}, "'$or'"),
    ({"ids": ("a", "b")}, "list(…)"),
    ({"ids": {"a"}}, "list(…)"),
    ({"ids": [1]}, "str(…)"),
    ({"include": "documents"}, "['documents']"),
    ({"include": ("documents",)}, "list(…)"),
]  # fmt: skip


@pytest.fixture(scope="module")
def chromas(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A collection of Chroma itself."""
    client = importlib.import_module("chromadb").PersistentClient(str(tmp_path_factory.mktemp("chroma")))
    return client.create_collection("things", embedding_function=None)


def _raised(call: Callable[..., Any], **arguments: Any) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # compared with Chroma's
        call(**arguments)
    return caught.value


@pytest.mark.parametrize(("arguments", "advice"), FILTERS, ids=lambda one: str(one)[:40])
def test_a_filter_that_is_none_says_what_to_write(
    sync_client: Any, chromas: Any, arguments: dict[str, Any], advice: str
) -> None:
    collection = sync_client.create_collection("things", embedding_function=None)
    theirs = _raised(chromas.get, **arguments)
    ours = _raised(collection.get, **arguments)
    assert type(ours) is type(theirs)
    words, below = str(ours).split("\n")
    assert words == str(theirs)
    assert advice in below


def test_numpys_numbers_in_a_list_of_a_filter(sync_client: Any, chromas: Any) -> None:
    collection = sync_client.create_collection("things", embedding_function=None)
    where = {"year": {"$in": list(np.array([1, 2]))}}
    for call in ("get", "delete"):
        theirs, ours = (_raised(getattr(one, call), where=where) for one in (chromas, collection))
        assert (type(ours), str(ours).split("\n")[0]) == (TypeError, str(theirs))
        assert ".item()" in str(ours)


# --- Embeddings and lengths ---
EMBEDDINGS = [
    ("abc", "documents="),
    (["abc"], "documents="),
    ([["a", "b"]], "documents="),
    ([[np.float32(1), np.float32(2)]], "np.array(…)"),
    ([np.float32(1), np.float32(2)], "np.array(…)"),
    ([[np.int64(1), np.int64(2)]], "np.array(…)"),
    (np.ones((1, 2), ">f4"), ".astype(np.float32)"),
    (np.ones((1, 2), np.uint8), ".astype(np.float32)"),
    (np.array([[1, 2]], object), "np.float32"),
    (Tensor([[1, 2]]), "np.asarray(…)"),
    ([Tensor([1, 2])], "np.asarray(…)"),
    (OnCard([[1, 2]]), ".cpu()"),
    (((1.0, 2.0),), "numpy array"),
    (np.ones((1, 1, 2)), "3 axes"),
    ([None], "without an embedding"),
]


@pytest.mark.parametrize(("given", "advice"), EMBEDDINGS, ids=lambda one: f"{type(one).__name__} {str(one)[:20]}")
def test_embeddings_that_are_none_say_what_to_write(sync_client: Any, chromas: Any, given: Any, advice: str) -> None:
    collection = sync_client.create_collection("things", embedding_function=None)
    for call, arguments in (("add", {"ids": ["a"], "embeddings": given}), ("query", {"query_embeddings": given})):
        theirs, ours = (_raised(getattr(one, call), **arguments) for one in (chromas, collection))
        assert type(ours) is type(theirs)
        words, _, below = str(ours).rpartition("\n")
        assert words == str(theirs)
        assert advice in below
    assert collection.count() == 0


def test_what_a_masked_array_hides_is_not_stored(sync_client: Any) -> None:
    collection = sync_client.create_collection("things", embedding_function=None)
    hidden = np.ma.masked_array([[1.0, 2.0]], mask=[[False, True]])
    for given in (hidden, [hidden[0]], hidden.astype(np.int64)):
        with pytest.raises(InvalidArgumentError, match="NaN or Infinity"):
            collection.add(ids=["a"], embeddings=given)
    collection.add(ids=["a"], embeddings=np.ma.masked_array([[1.0, 2.0]]))
    assert collection.count() == 1


@pytest.mark.parametrize(
    ("arguments", "error", "advice"),
    [
        ({"ids": ["a", "b"], "embeddings": [1, 2]}, ValueError, "ids has 2, embeddings has 1. A list"),
        ({**TWO, "documents": ["x"]}, ValueError, "documents has 1"),
        ({"ids": ["a", "b"], "embeddings": [[1, 2], [1]]}, InvalidArgumentError, "dimensions, the one at position 1"),
        ({"ids": ["a", "b", "a"], "embeddings": [[1]] * 3}, DuplicateIDError, "'a' is at positions 0 and 2"),
        ({**TWO, "documents": ["x", 5]}, ValueError, "The document at position 1 is an int"),
        ({**TWO, "metadatas": [{"k": 1}, {}]}, ValueError, "Record 1 (id 'b'), write None"),
        ({**TWO, "metadatas": [{"k": 1}, {5: 1}]}, TypeError, "Record 1 (id 'b'), key 5"),
        ({**TWO, "metadatas": [{"k": 1}, "x"]}, AttributeError, "Record 1"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_named(
    sync_client: Any, arguments: dict[str, Any], error: type[Exception], advice: str
) -> None:
    collection = sync_client.create_collection("things", embedding_function=None)
    with pytest.raises(error) as caught:
        collection.add(**arguments)
    assert advice in str(caught.value).split("\n", 1)[1]
    assert collection.count() == 0


# --- Messages ---
@pytest.mark.parametrize(
    "arguments",
    [
        {**TWO, "metadatas": [{"k": tuple(range(10**6))}, None]},
        {**TWO, "metadatas": [{"k": ["x" * 10**6, 1]}, None]},
        {**TWO, "metadatas": [{("k",) * 10**6: 1}, None]},
        {"ids": ["x" * 10**6] * 2, "embeddings": [[1], [2]]},
        {"ids": ["x", 10**5000], "embeddings": [[1], [2]]},
        {"ids": ["x"], "embeddings": "y" * 10**6},
        {"ids": ["x"], "embeddings": [{1: "y" * 10**6}]},
    ],
    ids=["tuple", "text", "key", "id", "number", "embedding", "nested"],
)
def test_a_message_never_holds_the_whole_of_a_huge_value(local_client: Any, arguments: dict[str, Any]) -> None:
    collection = local_client.create_collection("things", embedding_function=None)
    error = _raised(collection.add, **arguments)
    assert isinstance(error, ValueError | TypeError | DuplicateIDError)
    assert len(str(error)) < 3_000


# --- Embedding functions ---
class Mine(chroma_nb.EmbeddingFunction[Any]):
    def __init__(self) -> None: ...

    def __call__(self, input: Any) -> Any:
        return [[1.0, 2.0] for _ in input]


class OfLangChain:
    def embed_documents(self, texts: Any) -> Any: ...

    def embed_query(self, text: Any) -> Any: ...


class SentenceTransformer:
    def encode(self, texts: Any) -> Any: ...

    def __call__(self, *features: Any, **options: Any) -> Any: ...


class Misnamed:
    def __call__(self, texts: Any) -> Any: ...


def _embed(input: Any) -> Any: ...


@pytest.mark.parametrize(
    ("function", "advice"),
    [
        (Mine, "Mine is a class. Pass an object of it: Mine(…)."),
        (OfLangChain(), "create_langchain_embedding(…)"),
        (OfLangChain, "create_langchain_embedding(…)"),
        (SentenceTransformer(), "SentenceTransformerEmbeddingFunction(model_name=…)"),
        (Misnamed(), "def __call__(self, input) in Misnamed"),
        (lambda input: [[1.0]], "is a function. Write a subclass of EmbeddingFunction"),
        (_embed, "_embed is a function"),
        (functools.partial(_embed), "partial is a function"),
        (Mine().__call__, "is a function"),
        ("default", "DefaultEmbeddingFunction()"),
        (5, "int cannot be called"),
    ],
    ids=lambda one: str(one)[:20],
)
def test_what_is_no_embedding_function_says_what_to_write(sync_client: Any, function: Any, advice: str) -> None:
    with pytest.raises(ValueError, match=r"^Expected EmbeddingFunction\.__call__ to have the following sign") as caught:
        sync_client.create_collection("things", embedding_function=function)
    assert advice in str(caught.value).rpartition("\n")[2]
    assert sync_client.count_collections() == 0


class Async(chroma_nb.EmbeddingFunction[Any]):
    def __init__(self) -> None: ...

    async def __call__(self, input: Any) -> Any:
        return [[1.0, 2.0] for _ in input]


class Unnamed:
    def is_legacy(self) -> bool:
        return True


class AsyncCallable(Unnamed):
    async def __call__(self, input: Any) -> Any:
        return [[1.0, 2.0] for _ in input]


@pytest.mark.parametrize("function", [Async(), AsyncCallable()], ids=lambda one: type(one).__name__)
def test_an_async_embedding_function_says_so(sync_client: Any, function: Any) -> None:
    collection = sync_client.create_collection("things", embedding_function=function)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a coroutine that nobody awaited
        with pytest.raises(TypeError, match=r"coroutine(.|\n)* is async"):
            collection.add(ids=["a"], documents=["x"])
    assert collection.count() == 0


class Returns(Unnamed):
    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __call__(self, input: Any) -> Any:
        return self._answer


@pytest.mark.parametrize(
    "answer",
    [
        np.ones((1, 2), ">f4"),
        np.ones((1, 2), np.uint8),
        [np.ones(2, ">f8")],
        [Tensor([1, 1])],
        [[np.float32(1), np.float32(1)]],
        ((1.0, 1.0),),
    ],
    ids=lambda one: f"{type(one).__name__} {str(one)[:20]}",
)
def test_a_plain_callable_may_return_what_chroma_takes(sync_client: Any, answer: Any) -> None:
    collection = sync_client.create_collection("things", embedding_function=Returns(answer))
    collection.add(ids=["a"], documents=["x"])
    assert collection.get(include=["embeddings"])["embeddings"].tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("answer", [None, "abc", {"a": 1}, 5], ids=str)
def test_an_answer_that_holds_no_embeddings_names_the_function(sync_client: Any, answer: Any) -> None:
    collection = sync_client.create_collection("things", embedding_function=Returns(answer))
    with pytest.raises(TypeError, match=r"^argument 'embeddings': (.|\n)*the embedding function Returns\."):
        collection.add(ids=["a"], documents=["x"])

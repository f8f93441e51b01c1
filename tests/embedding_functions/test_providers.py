"""Providers, each against a local server: what it is sent, what becomes of its answers, patience, and secrecy."""

import re
import sys
import traceback
import types
import warnings
from typing import Any

import httpx
import numpy as np
import pytest

from chroma_nb import errors
from chroma_nb.embedding_functions import (
    chroma_langchain,
    cohere,
    google_genai,
    huggingface,
    jina,
    ollama,
    openai,
    providers,
    sentence_transformer,
    voyageai,
)
from chroma_nb.embedding_functions.base import EmbeddingFunction
from chroma_nb.embedding_functions.cohere import CohereEmbeddingFunction
from chroma_nb.embedding_functions.google_genai import GoogleGeminiEmbeddingFunction
from chroma_nb.embedding_functions.huggingface import HuggingFaceEmbeddingFunction, HuggingFaceEmbeddingServer
from chroma_nb.embedding_functions.jina import JinaEmbeddingFunction
from chroma_nb.embedding_functions.ollama import OllamaEmbeddingFunction
from chroma_nb.embedding_functions.open_clip import OpenCLIPEmbeddingFunction
from chroma_nb.embedding_functions.openai import OpenAIEmbeddingFunction
from chroma_nb.embedding_functions.sentence_transformer import SentenceTransformerEmbeddingFunction
from chroma_nb.embedding_functions.voyageai import VoyageAIEmbeddingFunction

SECRET = "sk-very-secret-0123456789"
VARIABLES = (
    "OPENAI_API_KEY",
    "COHERE_API_KEY",
    "GEMINI_API_KEY",
    "HUGGINGFACE_API_KEY",
    "JINA_API_KEY",
    "VOYAGE_API_KEY",
)
IMAGE = np.zeros((2, 3, 3), np.uint8)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Every provider's usual key is set, and waiting is recorded instead of done."""
    for variable in VARIABLES:
        monkeypatch.setenv(variable, SECRET)
    waited: list[float] = []
    monkeypatch.setattr(providers.time, "sleep", waited.append)
    return waited


def vector(text: str) -> list[float]:
    return [float(len(text)), 1.0, -0.5]


def expected(texts: list[str]) -> np.ndarray:
    return np.array([vector(text) for text in texts], np.float32)


def openai_answer(body: Any) -> Any:
    rows = [{"index": index, "embedding": vector(text)} for index, text in enumerate(body["input"])]
    return {"data": rows[::-1]}


# --- What is sent and what comes back ---------------------------------------------------------------------
def test_openai_is_asked_and_its_answer_put_in_order(provider) -> None:
    provider.plays(openai_answer)
    function = OpenAIEmbeddingFunction(
        model_name="text-embedding-3-small",
        api_base=f"{provider.url}/v1",
        organization_id="org",
        dimensions=3,
        default_headers={"X-Team": "birds"},
    )
    assert np.array_equal(np.stack(function(["a", "bb", "ccc"])), expected(["a", "bb", "ccc"]))
    (request,) = provider.received
    assert request.path == "/v1/embeddings"
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert (request.headers["openai-organization"], request.headers["x-team"]) == ("org", "birds")
    assert request.body == {
        "model": "text-embedding-3-small",
        "input": ["a", "bb", "ccc"],
        "encoding_format": "float",
        "dimensions": 3,
    }


def test_azure_is_asked_at_its_deployment(provider) -> None:
    provider.plays(openai_answer)
    function = OpenAIEmbeddingFunction(
        api_type="azure", api_base=provider.url, api_version="2024-02-01", deployment_id="my deployment"
    )
    function(["a"])
    (request,) = provider.received
    assert request.path == "/openai/deployments/my%20deployment/embeddings?api-version=2024-02-01"
    assert request.headers["api-key"] == SECRET
    assert "authorization" not in request.headers


@pytest.mark.parametrize("missing", ["api_base", "api_version", "deployment_id"])
def test_azure_names_what_is_missing(missing: str) -> None:
    given = {"api_base": "https://x.openai.azure.com", "api_version": "1", "deployment_id": "d"}
    given.pop(missing)
    with pytest.raises(ValueError, match=f"{missing} must be specified for Azure OpenAI"):
        OpenAIEmbeddingFunction(api_type="azure", **given)


def test_cohere_embeds_texts_and_images(provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohere, "API_URL", f"{provider.url}/v1/embed")
    provider.plays(lambda body: {"embeddings": [vector(text) for text in body.get("texts") or ["an image"]]})
    function = CohereEmbeddingFunction(model_name="embed-v4.0")
    assert np.array_equal(np.stack(function(["a", "bb"])), expected(["a", "bb"]))
    assert np.array_equal(np.stack(function([IMAGE, IMAGE])), expected(["an image"] * 2))
    texts, image, _ = provider.received
    assert texts.body == {"model": "embed-v4.0", "texts": ["a", "bb"], "input_type": "search_document"}
    assert image.body["input_type"] == "image"
    assert image.body["images"][0].startswith("data:image/png;base64,iVBOR")
    with pytest.raises(ValueError, match="Expected either texts or images, got both"):
        function(["a", IMAGE])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("model", "spaces"),
    [
        ("embed-multilingual-v2.0", ["ip"]),
        ("embed-english-v2.0", ["cosine"]),
        ("embed-english-v3.0", ["cosine", "l2", "ip"]),
    ],
)
def test_cohere_models_have_their_spaces(model: str, spaces: list[str]) -> None:
    function = CohereEmbeddingFunction(model_name=model)
    assert function.supported_spaces() == spaces
    assert function.default_space() == spaces[0]


def test_gemini_is_asked_for_a_batch(provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google_genai, "API_BASE", f"{provider.url}/v1beta")
    provider.plays(
        lambda body: {"embeddings": [{"values": vector(r["content"]["parts"][0]["text"])} for r in body["requests"]]}
    )
    function = GoogleGeminiEmbeddingFunction(task_type="RETRIEVAL_DOCUMENT", dimension=256)
    assert np.array_equal(np.stack(function(["a", "bb"])), expected(["a", "bb"]))
    (request,) = provider.received
    assert request.path == "/v1beta/models/gemini-embedding-001:batchEmbedContents"
    assert request.headers["x-goog-api-key"] == SECRET
    assert request.body["requests"][1] == {
        "model": "models/gemini-embedding-001",
        "content": {"parts": [{"text": "bb"}]},
        "taskType": "RETRIEVAL_DOCUMENT",
        "outputDimensionality": 256,
    }


def test_vertex_goes_through_googles_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMINI_API_KEY")
    asked: list[Any] = []

    class Client:
        def __init__(self, **kwargs: Any) -> None:
            asked.append(kwargs)
            self.models = self

        def embed_content(self, *, model: str, contents: list[str], config: Any) -> Any:
            rows = [types.SimpleNamespace(values=vector(text)) for text in contents]
            return types.SimpleNamespace(embeddings=rows)

    monkeypatch.setitem(sys.modules, "google.genai", types.SimpleNamespace(Client=Client))
    function = GoogleGeminiEmbeddingFunction(vertexai=True, project="p", location="l")
    assert np.array_equal(np.stack(function(["a"])), expected(["a"]))
    assert asked == [{"vertexai": True, "project": "p", "location": "l"}]


def test_vertex_and_a_key_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="mutually exclusive"):
        GoogleGeminiEmbeddingFunction(vertexai=True)


def test_hugging_face_is_asked_at_the_models_address(provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface, "API_BASE", f"{provider.url}/models")
    provider.plays(lambda body: [vector(text) for text in body["inputs"]])
    assert np.array_equal(np.stack(HuggingFaceEmbeddingFunction()(["a"])), expected(["a"]))
    (request,) = provider.received
    assert request.path == "/models/sentence-transformers/all-MiniLM-L6-v2/pipeline/feature-extraction"
    assert request.headers["authorization"] == f"Bearer {SECRET}"


def test_an_embedding_server_is_asked_in_batches_it_takes(provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUGGINGFACE_API_KEY")
    provider.plays(lambda body: [vector(text) for text in body["inputs"]])
    texts = ["x" * (1 + number) for number in range(70)]
    assert np.array_equal(np.stack(HuggingFaceEmbeddingServer(f"{provider.url}/embed")(texts)), expected(texts))
    assert [len(request.body["inputs"]) for request in provider.received] == [32, 32, 6]
    assert "authorization" not in provider.received[0].headers


@pytest.mark.parametrize("address", ["{}", "{}/", "{}/api/embeddings"])
def test_ollama_is_asked_whatever_form_its_address_has(provider, address: str) -> None:
    provider.plays(lambda body: {"embeddings": [vector(text) for text in body["input"]]})
    function = OllamaEmbeddingFunction(url=address.format(provider.url), model_name="nomic-embed-text")
    assert np.array_equal(np.stack(function(["a"])), expected(["a"]))
    assert provider.received[0].path == "/api/embed"
    assert provider.received[0].body == {"model": "nomic-embed-text", "input": ["a"]}


def test_jina_embeds_texts_images_and_questions(provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jina, "API_URL", provider.url)
    provider.plays(
        lambda body: {"data": [{"index": i, "embedding": [float(i), 1.0]} for i in range(len(body["input"]))]}
    )
    function = JinaEmbeddingFunction(task="retrieval.passage", dimensions=64, query_config={"task": "retrieval.query"})
    function(["a", "bb"])
    function.embed_query(["a"])
    mixed = function(["a", IMAGE])  # type: ignore[list-item]
    texts, question, both = (request.body for request in provider.received)
    assert (texts["input"], texts["task"], texts["dimensions"]) == (["a", "bb"], "retrieval.passage", 64)
    assert question["task"] == "retrieval.query"
    assert both["input"][0] == {"text": "a"}
    assert both["input"][1]["image"].startswith("iVBOR")
    assert np.array_equal(np.stack(mixed), np.array([[0, 1], [1, 1]], np.float32))


def test_late_chunking_keeps_repeated_texts_in_place(provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jina, "API_URL", provider.url)
    provider.plays(openai_answer)
    JinaEmbeddingFunction(late_chunking=True)(["a", "bb", "a"])
    assert provider.received[0].body["input"] == ["a", "bb", "a"]


def test_voyage_is_asked(provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voyageai, "API_URL", provider.url)
    provider.plays(openai_answer)
    assert np.array_equal(np.stack(VoyageAIEmbeddingFunction(input_type="document")(["a"])), expected(["a"]))
    assert provider.received[0].body == {
        "input": ["a"],
        "model": "voyage-large-2",
        "truncation": True,
        "input_type": "document",
    }


def test_a_repeated_text_is_paid_for_once(provider) -> None:
    provider.plays(openai_answer)
    vectors = OpenAIEmbeddingFunction(api_base=provider.url)(["a", "bb", "a", "a"])
    assert provider.received[0].body["input"] == ["a", "bb"]
    assert np.array_equal(np.stack(vectors), expected(["a", "bb", "a", "a"]))


# --- Patience ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_provider_is_asked_again(provider, surroundings: list[float], status: int) -> None:
    provider.plays((status, {"error": "busy"}), (status, {"Retry-After": "7"}, {"error": "busy"}), openai_answer)
    assert len(OpenAIEmbeddingFunction(api_base=provider.url)(["a"])) == 1
    assert len(provider.received) == 3
    assert 0 < surroundings[0] < 1
    assert surroundings[1] == 7


def test_waiting_has_an_end(provider, surroundings: list[float]) -> None:
    provider.plays((429, {"Retry-After": "86400"}, {"error": {"message": "slow down"}}))
    with pytest.raises(errors.RateLimitError, match="OpenAI returned status 429: slow down"):
        OpenAIEmbeddingFunction(api_base=provider.url)(["a"])
    assert surroundings == [providers.LONGEST_WAIT] * (providers.TRIES - 1)


def test_a_used_up_quota_is_not_waited_for(provider, surroundings: list[float]) -> None:
    provider.plays((429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}))
    with pytest.raises(errors.QuotaError, match="exceeded your quota"):
        OpenAIEmbeddingFunction(api_base=provider.url)(["a"])
    assert (len(provider.received), surroundings) == (1, [])


def test_a_request_that_is_wrong_is_not_repeated(provider) -> None:
    provider.plays((400, {"error": {"message": "no such model"}}))
    with pytest.raises(errors.ChromaError, match="OpenAI returned status 400: no such model"):
        OpenAIEmbeddingFunction(api_base=provider.url)(["a"])
    assert len(provider.received) == 1


def test_an_unreachable_provider_is_named(surroundings: list[float]) -> None:
    with pytest.raises(errors.ChromaError, match="Ollama could not be reached: ConnectError"):
        OllamaEmbeddingFunction(url="http://127.0.0.1:1")(["a"])
    assert len(surroundings) == providers.TRIES - 1


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"data": []}, r"Expected 1 vectors from .*, got a reply of shape \(0,\)"),
        ({"data": [{"index": 0, "embedding": ["x"]}]}, "not vectors"),
        ({"oops": 1}, "expected data in the provider's reply"),
        ((200, {}, b"<html>"), "not JSON"),
    ],
)
def test_an_answer_of_another_shape_is_refused(provider, answer: Any, says: str) -> None:
    provider.plays(answer)
    with pytest.raises((ValueError, errors.ChromaError), match=says):
        OpenAIEmbeddingFunction(api_base=provider.url)(["a"])


# --- Keys -------------------------------------------------------------------------------------------------
def test_a_refused_key_is_named_by_its_variable_and_never_shown(provider) -> None:
    provider.plays((401, {"error": {"message": f"Incorrect API key provided: {SECRET}."}}))
    with pytest.raises(errors.ChromaAuthError, match="OPENAI_API_KEY") as caught:
        OpenAIEmbeddingFunction(api_base=provider.url)(["a"])
    assert SECRET not in str(caught.value)
    assert "***" in str(caught.value)


KEYED: list[tuple[type, dict[str, Any]]] = [
    (OpenAIEmbeddingFunction, {}),
    (CohereEmbeddingFunction, {}),
    (HuggingFaceEmbeddingFunction, {}),
    (HuggingFaceEmbeddingServer, {"url": "https://example.com"}),
    (JinaEmbeddingFunction, {}),
    (VoyageAIEmbeddingFunction, {}),
]


@pytest.mark.parametrize(("cls", "arguments"), KEYED)
def test_a_key_given_directly_is_used_but_neither_stored_nor_shown(cls: Any, arguments: dict[str, Any]) -> None:
    given = "given-key-of-the-caller"
    with pytest.warns(DeprecationWarning, match="not stored with a collection"):
        function = cls(api_key=given, **arguments)
    assert function._key.value() == given
    shown = f"{function!r} {function.get_config()} {vars(function)}"
    assert given not in shown
    assert SECRET not in shown


@pytest.mark.parametrize(("cls", "arguments"), [row for row in KEYED if row[0] is not HuggingFaceEmbeddingServer])
def test_without_a_key_the_variable_is_named(
    cls: Any, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable)
    with pytest.raises(ValueError, match="The MY_KEY environment variable is not set"):
        cls(api_key_env_var="MY_KEY", **arguments)
    with pytest.raises(ValueError, match="GEMINI_API_KEY environment variable must be set"):
        GoogleGeminiEmbeddingFunction()


def test_the_named_variable_comes_before_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "mine")
    assert OpenAIEmbeddingFunction(api_key_env_var="MY_KEY").get_config()["api_key_env_var"] == "MY_KEY"
    assert OpenAIEmbeddingFunction(api_key_env_var="UNSET_KEY").get_config()["api_key_env_var"] == "OPENAI_API_KEY"


def test_headers_that_carry_a_secret_are_sent_but_not_stored() -> None:
    function = OpenAIEmbeddingFunction(default_headers={"X-Api-Key": SECRET, "X-Team": "birds"})
    assert function.get_config()["default_headers"] == {"X-Team": "birds"}
    assert SECRET not in repr(function)


# --- Stored configurations ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "api_base", ["https://evil.example/v1", "http://api.openai.com", "https://openai.com.evil.org"]
)
def test_a_stored_address_gets_no_key_unless_it_is_the_providers(api_base: str) -> None:
    config = OpenAIEmbeddingFunction().get_config() | {"api_base": api_base}
    with pytest.raises(ValueError, match=r"would send an API key to .* If you trust the collection, pass"):
        OpenAIEmbeddingFunction.build_from_config(config)


@pytest.mark.parametrize(
    "api_base", ["https://api.openai.com/v1", "https://my.openai.azure.com/", "http://127.0.0.1:8080/v1", None]
)
def test_a_stored_address_of_the_provider_or_of_this_machine_is_used(api_base: str | None) -> None:
    config = OpenAIEmbeddingFunction().get_config() | {"api_base": api_base}
    assert OpenAIEmbeddingFunction.build_from_config(config).get_config() == config


@pytest.mark.parametrize("key", ["sk-1", None])
@pytest.mark.parametrize(
    "url", ["http://embeddings.example/embed", "https://x.huggingface.cloud", "http://10.0.0.1:8080"]
)
def test_a_stored_address_of_another_machine_needs_the_users_word(
    monkeypatch: pytest.MonkeyPatch, url: str, key: str | None
) -> None:
    monkeypatch.setenv("HUGGINGFACE_API_KEY", key or "")
    configs = {
        HuggingFaceEmbeddingServer: {"url": url, "api_key_env_var": None},
        OllamaEmbeddingFunction: {"url": url, "model_name": "m", "timeout": 60},
    }
    for function, config in configs.items():
        says = rf"would send your texts to .* not this machine. If you trust .*{function.__name__}\(url=..."
        with pytest.raises(ValueError, match=says):
            function.build_from_config(config)
        assert function(url=url).get_config()["url"] == url
        here = function.build_from_config(config | {"url": "http://localhost:11434"})
        assert here.get_config()["url"] == "http://localhost:11434"


@pytest.mark.parametrize("given", ["hush-0123456789\n", " hush-0123456789", "hush-012\n3456789", "hush-0123456789é"])
def test_a_key_is_sent_without_space_around_it_or_refused_unseen(provider, given: str) -> None:
    provider.plays(lambda body: [vector(text) for text in body["inputs"]])
    with pytest.warns(DeprecationWarning, match="not stored"):
        function = HuggingFaceEmbeddingServer(provider.url, api_key=given)
    if given.strip().isascii() and "\n" not in given.strip():
        function(["a"])
        assert provider.received[0].headers["authorization"] == "Bearer hush-0123456789"
        return
    with pytest.raises(ValueError, match="the header Authorization") as told:
        function(["a"])
    assert "hush" not in "".join(traceback.format_exception(told.value))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model_name": "/etc/models/x"}, "looks like a path"),
        ({"model_name": "../x"}, "looks like a path"),
        ({"model_name": "~/x"}, "looks like a path"),
        ({"model_name": "C:\\x"}, "looks like a path"),
        ({"kwargs": {"trust_remote_code": True}}, "only the keys.*trust_remote_code.*pass"),
        ({"kwargs": {"model_kwargs": {}}}, "model_kwargs"),
        ({"kwargs": {"cache_folder": "/tmp"}}, "cache_folder"),
        ({"kwargs": {"revision": 3}}, "revision .* to be a str, got int"),
        ({"device": 3}, "device .* to be a str"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_stored_sentence_transformer_runs_no_code(
    change: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", types.SimpleNamespace())
    config = {"model_name": "all-MiniLM-L6-v2", "device": "cpu", "normalize_embeddings": False, "kwargs": {}}
    assert SentenceTransformerEmbeddingFunction.build_from_config(config).get_config() == config
    with pytest.raises(ValueError, match=says):
        SentenceTransformerEmbeddingFunction.build_from_config(config | change)


@pytest.mark.parametrize("change", [{"model_name": "local-dir:/x"}, {"checkpoint": "/tmp/x.pt"}, {"checkpoint": "a/b"}])
def test_a_stored_clip_model_is_named_and_not_a_file(change: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("open_clip", "torch"):
        monkeypatch.setitem(sys.modules, module, types.SimpleNamespace())
    config = {"model_name": "ViT-B-32", "checkpoint": "laion2b_s34b_b79k", "device": "cpu"}
    assert OpenCLIPEmbeddingFunction.build_from_config(config).get_config() == config
    with pytest.raises(ValueError, match="looks like a path"):
        OpenCLIPEmbeddingFunction.build_from_config(config | change)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"api_key_env_var": "OPENAI_API_KEY"}, r"to have \['model_name'\]"),
        ({"api_key_env_var": "OPENAI_API_KEY", "model_name": None}, "model_name .* to be a str, got NoneType"),
        (
            {"api_key_env_var": "OPENAI_API_KEY", "model_name": "m", "dimensions": True},
            "dimensions .* an int, got bool",
        ),
        ({"api_key_env_var": "OPENAI_API_KEY", "model_name": "m", "api_key": "x"}, r"got \['api_key'\]"),
        ([], "to be an object, got list"),
    ],
)
def test_a_stored_configuration_has_the_right_keys_and_types(config: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        OpenAIEmbeddingFunction.build_from_config(config)


def test_a_collection_cannot_change_its_model() -> None:
    function = OpenAIEmbeddingFunction(model_name="a")
    function.validate_config_update(function.get_config(), function.get_config())
    with pytest.raises(ValueError, match="The model name cannot be changed"):
        function.validate_config_update(function.get_config(), {"model_name": "b"})


# --- Models on this machine, played by small fakes ----------------------------------------------------------
def test_a_sentence_transformer_is_loaded_once_with_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    class SentenceTransformer:
        def __init__(self, **kwargs: Any) -> None:
            made.append(kwargs)

        def encode(self, texts: list[str], *, convert_to_numpy: bool, normalize_embeddings: bool) -> np.ndarray:
            assert convert_to_numpy
            assert normalize_embeddings
            return expected(texts)

    fake = types.SimpleNamespace(SentenceTransformer=SentenceTransformer)
    monkeypatch.setitem(sys.modules, "sentence_transformers", fake)
    function = SentenceTransformerEmbeddingFunction("m", normalize_embeddings=True, trust_remote_code=True)
    assert made == []
    function(["a"])
    assert np.array_equal(np.stack(function(["a", "bb", "a"])), expected(["a", "bb", "a"]))
    assert made == [{"model_name_or_path": "m", "device": "cpu", "trust_remote_code": True}]


@pytest.mark.parametrize(
    ("function", "module", "package"),
    [
        (SentenceTransformerEmbeddingFunction, "sentence_transformers", "sentence_transformers"),
        (OpenCLIPEmbeddingFunction, "open_clip", "open-clip-torch"),
    ],
)
@pytest.mark.parametrize("kind", [ValueError, ImportError])
def test_a_function_whose_package_is_missing_is_not_made(
    function: Any, module: str, package: str, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    words = f"The {module} python package is not installed. Please install it with `pip install {package}`"
    with pytest.raises(kind, match=re.escape(words)):
        function()


def test_an_argument_that_no_configuration_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", types.SimpleNamespace())
    with pytest.raises(ValueError, match="not a primitive type"):
        SentenceTransformerEmbeddingFunction(model_args=object())


def test_clip_embeds_texts_and_images(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tensor:
        """As much of a tensor as is asked for."""

        def __init__(self, values: list[float]) -> None:
            self.values = np.array(values, np.float32)

        def unsqueeze(self, axis: int) -> "Tensor":
            return self

        def to(self, device: str) -> "Tensor":
            assert device == "cpu"
            return self

        def norm(self, *, dim: int, keepdim: bool) -> float:
            return float(np.linalg.norm(self.values))

        def __truediv__(self, norm: float) -> "Tensor":
            return Tensor(list(self.values / norm))

        squeeze = cpu = lambda self: self

        def numpy(self) -> np.ndarray:
            return self.values

    model = types.SimpleNamespace(
        to=lambda device: None, eval=lambda: None, encode_image=lambda image: image, encode_text=lambda text: text
    )
    library = types.SimpleNamespace(
        create_model_and_transforms=lambda model_name, pretrained: (
            model,
            None,
            lambda image: Tensor([float(image.size[0]), 0]),
        ),
        get_tokenizer=lambda model_name: lambda text: Tensor([0, float(len(text))]),
    )
    monkeypatch.setitem(sys.modules, "open_clip", library)
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(no_grad=lambda: warnings.catch_warnings()))
    vectors = OpenCLIPEmbeddingFunction()(["a", IMAGE])  # type: ignore[list-item]
    assert np.array_equal(np.stack(vectors), np.array([[0, 1], [1, 0]], np.float32))


class Langchain:
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return vector(text + "?")


def test_a_langchain_object_embeds() -> None:
    function = chroma_langchain.create_langchain_embedding(Langchain())
    assert np.array_equal(np.stack(function(["a", "bb"])), expected(["a", "bb"]))
    assert function.embed_query("a") == vector("a?")
    assert function.embed_query(["a"]) == [vector("a?")]
    assert function.embed_documents(["a"]) == [vector("a")]
    assert (function.name(), function.is_legacy()) == ("langchain", False)
    assert function.get_config()["embedding_function_class"] == "Langchain"
    with pytest.raises(ValueError, match="does not support image"):
        function(("images", ["a.png"]))
    with pytest.raises(NotImplementedError, match="create_langchain_embedding"):
        function.build_from_config({})
    with pytest.raises(ValueError, match="object has no embed_documents"):
        chroma_langchain.create_langchain_embedding(object())


def test_every_provider_is_an_embedding_function() -> None:
    for cls, arguments in KEYED:
        function = cls(**arguments)
        assert isinstance(function, EmbeddingFunction)
        assert function.default_space() == "cosine"
        assert not function.is_legacy()
    assert openai.API_BASE.startswith("https://")
    assert httpx.URL(huggingface.API_BASE).host.endswith("huggingface.co")
    assert sentence_transformer.HUB_NAME.fullmatch("BAAI/bge-small-en-v1.5")
    assert ollama.OllamaEmbeddingFunction().get_config()["url"] == "http://localhost:11434"

"""Chroma's further services, each against a local server: request, answer, configuration, and secrecy of the key."""

import base64
import copy
import io
import json
import logging
import pickle
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pytest

import chroma_nb
from chroma_nb import errors
from chroma_nb.embedding_functions import chroma_cloud_qwen, google_genai, openai, providers, services
from chroma_nb.embedding_functions.amazon_bedrock import AmazonBedrockEmbeddingFunction
from chroma_nb.embedding_functions.base import EmbeddingFunction
from chroma_nb.embedding_functions.baseten import BasetenEmbeddingFunction
from chroma_nb.embedding_functions.chroma_cloud_qwen import (
    CHROMA_CLOUD_QWEN_DEFAULT_INSTRUCTIONS,
    ChromaCloudQwenEmbeddingFunction,
    ChromaCloudQwenEmbeddingModel,
)
from chroma_nb.embedding_functions.google_genai import (
    GoogleGenerativeAiEmbeddingFunction,
    GooglePalmEmbeddingFunction,
    GoogleVertexEmbeddingFunction,
)
from chroma_nb.embedding_functions.huggingface import HuggingFaceEmbeddingFunction
from chroma_nb.embedding_functions.registry import config_to_embedding_function, known_embedding_functions
from chroma_nb.embedding_functions.sentence_models import InstructorEmbeddingFunction, Text2VecEmbeddingFunction
from chroma_nb.embedding_functions.services import (
    CloudflareWorkersAIEmbeddingFunction,
    MistralEmbeddingFunction,
    MorphEmbeddingFunction,
    NomicEmbeddingFunction,
    PerplexityEmbeddingFunction,
    RoboflowEmbeddingFunction,
    TogetherAIEmbeddingFunction,
)

SECRET = "sk-very-secret-0123456789"
TEXTS = ["a", "bb", "ccc"]
IMAGE = np.zeros((2, 3, 3), np.uint8)


def vector(text: str) -> list[float]:
    return [float(len(text)), 1.0, -2.0]


def by_index(texts: list[str]) -> Any:
    rows = [{"index": index, "embedding": vector(text)} for index, text in enumerate(texts)]
    return {"data": rows[::-1]}


def packed(dtype: str) -> Callable[[Any], Any]:
    """An answer whose vectors are base64 of numbers."""

    def answer(body: Any) -> Any:
        arrays = [np.array(vector(text), dtype).tobytes() for text in body["input"]]
        rows = [{"index": index, "embedding": base64.b64encode(row).decode()} for index, row in enumerate(arrays)]
        return {"data": rows}

    return answer


@dataclass(frozen=True)
class Case:
    """One service: how it is made, where it is asked, and what each request and answer is."""

    function: Any
    variable: str
    make: dict[str, Any]
    path: str
    #: The bodies of the requests for TEXTS.
    bodies: list[Any]
    answer: Callable[[Any], Any]
    #: Module and name of the address; None where the class takes it.
    address: tuple[Any, str] | None
    #: The address, below the server's.
    below: str = ""
    key: tuple[str, str] = ("authorization", f"Bearer {SECRET}")
    config: dict[str, Any] = field(default_factory=dict)
    usual: str | None = None
    #: The argument that is the address.
    base: str | None = None
    space: str = "cosine"


CASES = [
    Case(
        MistralEmbeddingFunction,
        "MISTRAL_API_KEY",
        {"model": "mistral-embed"},
        "/v1/embeddings",
        [{"model": "mistral-embed", "input": TEXTS}],
        lambda body: by_index(body["input"]),
        (services, "MISTRAL"),
        "/v1/embeddings",
        config={"model": "mistral-embed"},
    ),
    Case(
        NomicEmbeddingFunction,
        "NOMIC_API_KEY",
        {
            "model": "nomic-embed-text-v1.5",
            "task_type": "search_document",
            "query_config": {"task_type": "search_query"},
        },
        "/v1/embedding/text",
        [{"model": "nomic-embed-text-v1.5", "texts": TEXTS, "task_type": "search_document"}],
        lambda body: {"embeddings": [vector(text) for text in body["texts"]]},
        (services, "NOMIC"),
        "/v1/embedding/text",
        config={
            "model": "nomic-embed-text-v1.5",
            "task_type": "search_document",
            "query_config": {"task_type": "search_query"},
        },
    ),
    Case(
        CloudflareWorkersAIEmbeddingFunction,
        "CHROMA_CLOUDFLARE_API_KEY",
        {"model_name": "@cf/baai/bge-base-en-v1.5", "account_id": "me"},
        "/accounts/me/ai/run/@cf/baai/bge-base-en-v1.5",
        [{"text": TEXTS}],
        lambda body: {"result": {"shape": [3, 3], "data": [vector(text) for text in body["text"]]}, "success": True},
        (services, "CLOUDFLARE"),
        "/accounts",
        config={"model_name": "@cf/baai/bge-base-en-v1.5", "account_id": "me", "gateway_id": None},
        usual="CLOUDFLARE_API_KEY",
    ),
    Case(
        CloudflareWorkersAIEmbeddingFunction,
        "CHROMA_CLOUDFLARE_API_KEY",
        {"model_name": "@cf/m", "account_id": "me", "gateway_id": "gate"},
        "/v1/me/gate/workers-ai/@cf/m",
        [{"text": TEXTS}],
        lambda body: {"result": {"data": [vector(text) for text in body["text"]]}},
        (services, "CLOUDFLARE_GATEWAY"),
        "/v1",
        config={"model_name": "@cf/m", "account_id": "me", "gateway_id": "gate"},
        usual="CLOUDFLARE_API_KEY",
    ),
    Case(
        TogetherAIEmbeddingFunction,
        "CHROMA_TOGETHER_AI_API_KEY",
        {"model_name": "m2-bert"},
        "/v1/embeddings",
        [{"model": "m2-bert", "input": TEXTS}],
        lambda body: by_index(body["input"]),
        (services, "TOGETHER"),
        "/v1/embeddings",
        config={"model_name": "m2-bert"},
        usual="TOGETHER_API_KEY",
    ),
    Case(
        PerplexityEmbeddingFunction,
        "PERPLEXITY_API_KEY",
        {"dimensions": 3},
        "/v1/embeddings",
        [{"model": "pplx-embed-v1-0.6b", "input": TEXTS, "dimensions": 3}],
        packed("i1"),
        (services, "PERPLEXITY"),
        "/v1/embeddings",
        config={"model_name": "pplx-embed-v1-0.6b", "dimensions": 3},
    ),
    Case(
        MorphEmbeddingFunction,
        "MORPH_API_KEY",
        {},
        "/v1/embeddings",
        [{"model": "morph-embedding-v2", "input": TEXTS, "encoding_format": "float"}],
        lambda body: by_index(body["input"]),
        None,
        "/v1",
        config={"model_name": "morph-embedding-v2", "encoding_format": "float"},
        base="api_base",
    ),
    Case(
        MorphEmbeddingFunction,
        "MORPH_API_KEY",
        {"encoding_format": "base64"},
        "/v1/embeddings",
        [{"model": "morph-embedding-v2", "input": TEXTS, "encoding_format": "base64"}],
        packed("<f4"),
        None,
        "/v1",
        config={"model_name": "morph-embedding-v2", "encoding_format": "base64"},
        base="api_base",
    ),
    Case(
        BasetenEmbeddingFunction,
        "CHROMA_BASETEN_API_KEY",
        {},
        "/sync/v1/embeddings",
        [{"model": "baseten-embedding-model", "input": TEXTS, "encoding_format": "float"}],
        lambda body: by_index(body["input"]),
        None,
        "/sync/v1",
        usual="BASETEN_API_KEY",
        base="api_base",
    ),
    Case(
        RoboflowEmbeddingFunction,
        "CHROMA_ROBOFLOW_API_KEY",
        {},
        f"/clip/embed_text?api_key={SECRET}",
        [{"text": text} for text in TEXTS],
        lambda body: {"embeddings": [vector(body["text"])]},
        None,
        key=("authorization", ""),
        usual="ROBOFLOW_API_KEY",
        base="api_url",
    ),
    Case(
        ChromaCloudQwenEmbeddingFunction,
        "CHROMA_API_KEY",
        {"model": ChromaCloudQwenEmbeddingModel.QWEN3_EMBEDDING_0p6B, "task": "nl_to_code"},
        "/",
        [{"instructions": "", "texts": TEXTS}],
        lambda body: {"embeddings": [vector(text) for text in body["texts"]]},
        (chroma_cloud_qwen, "URL"),
        key=("x-chroma-token", SECRET),
        config={
            "model": "Qwen/Qwen3-Embedding-0.6B",
            "task": "nl_to_code",
            "instructions": {
                "nl_to_code": {
                    "documents": "",
                    "query": "Given a question about coding, retrieval code or passage that can solve user's question",
                }
            },
        },
    ),
    Case(
        GoogleGenerativeAiEmbeddingFunction,
        "GEMINI_API_KEY",
        {"dimension": 3},
        "/v1beta/models/gemini-embedding-001:batchEmbedContents",
        [
            {
                "requests": [
                    {
                        "model": "models/gemini-embedding-001",
                        "content": {"parts": [{"text": text}]},
                        "taskType": "RETRIEVAL_DOCUMENT",
                        "outputDimensionality": 3,
                    }
                    for text in TEXTS
                ]
            }
        ],
        lambda body: {
            "embeddings": [{"values": vector(one["content"]["parts"][0]["text"])} for one in body["requests"]]
        },
        (google_genai, "API_BASE"),
        "/v1beta",
        key=("x-goog-api-key", SECRET),
        config={"model_name": "gemini-embedding-001", "task_type": "RETRIEVAL_DOCUMENT", "dimension": 3},
        usual="GOOGLE_API_KEY",
    ),
    Case(
        GooglePalmEmbeddingFunction,
        "CHROMA_GOOGLE_PALM_API_KEY",
        {},
        "/v1beta3/models/embedding-gecko-001:embedText",
        [{"text": text} for text in TEXTS],
        lambda body: {"embedding": {"value": vector(body["text"])}},
        (google_genai, "PALM_BASE"),
        "/v1beta3",
        key=("x-goog-api-key", SECRET),
        config={"model_name": "models/embedding-gecko-001"},
        usual="GOOGLE_API_KEY",
    ),
]
of_each = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.function.name()}-{case.path[:12]}")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key is set, and nothing waits."""
    for case in CASES:
        for variable in (case.variable, case.usual):
            if variable:
                monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("CHROMA_EMBED_URL", raising=False)
    monkeypatch.setattr(providers.time, "sleep", lambda seconds: None)


def made(case: Case, provider: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The function, asking the local server with the secret of the environment."""
    monkeypatch.setenv(case.variable, SECRET)
    url = provider.url + case.below
    if case.address is not None:
        monkeypatch.setattr(*case.address, url)
        return case.function(**case.make)
    assert case.base is not None
    return case.function(**{**case.make, case.base: url})


@of_each
def test_a_service_is_asked_as_chroma_asks_it(case: Case, provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    provider.plays(case.answer)
    found = made(case, provider, monkeypatch)(TEXTS)
    assert np.array_equal(np.stack(found), np.array([vector(text) for text in TEXTS], np.float32))
    assert [request.path for request in provider.received] == [case.path] * len(case.bodies)
    assert [request.body for request in provider.received] == case.bodies
    name, value = case.key
    assert provider.received[0].headers.get(name, "") == value


@of_each
def test_a_configuration_comes_back_and_builds_the_same_function(
    case: Case, provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = made(case, provider, monkeypatch)
    address = {} if case.base is None else {case.base: provider.url + case.below}
    config = {"api_key_env_var": case.variable, **case.config, **address}
    assert function.get_config() == config
    assert json.loads(json.dumps(config)) == config
    case.function.validate_config(config)
    again = config_to_embedding_function({"type": "known", "name": function.name(), "config": config})
    assert type(again) is case.function
    assert again.get_config() == config
    assert (again.default_space(), again.supported_spaces()) == (case.space, ["cosine", "l2", "ip"])
    again.validate_config_update(config, config)
    provider.plays(case.answer)
    assert np.array_equal(np.stack(again(TEXTS)), np.stack(function(TEXTS)))


@of_each
def test_what_is_fixed_cannot_change_and_other_keys_are_refused(
    case: Case, provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = made(case, provider, monkeypatch)
    config = function.get_config()
    for name, key in case.function.keys.items():
        if key.fixed:
            with pytest.raises(ValueError, match="cannot be changed after the embedding function has been initialized"):
                function.validate_config_update(config, {name: "another"})
        if key.required:
            with pytest.raises(ValueError, match=name):
                case.function.build_from_config({one: config[one] for one in config if one != name})
    with pytest.raises(ValueError, match="surprise"):
        case.function.validate_config(config | {"surprise": 1})


@of_each
def test_without_a_key_a_function_is_not_made(case: Case, provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    function = made(case, provider, monkeypatch)
    arguments = case.make if case.base is None else {**case.make, case.base: provider.url}
    monkeypatch.delenv(case.variable)
    with pytest.raises(ValueError, match=case.variable):
        case.function(**arguments)
    if case.usual is not None:
        monkeypatch.setenv(case.usual, SECRET)
        assert case.function(**arguments).get_config()["api_key_env_var"] == case.usual
        with pytest.warns(DeprecationWarning, match="is not stored"):
            given = case.function(api_key="given", **arguments)
        assert "given" not in json.dumps(given.get_config())
    assert function.get_config()["api_key_env_var"] == case.variable


@of_each
def test_the_key_is_in_no_error_no_log_and_no_pickle(
    case: Case, provider: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    function = made(case, provider, monkeypatch)
    provider.plays((401, {"error": f"{SECRET} is no key"}))
    with pytest.raises(errors.ChromaAuthError, match=case.variable) as raised:
        function(["a"])
    provider.answers[:] = []
    provider.plays((500, {"error": "no"}))
    with pytest.raises(errors.ChromaError) as failed:
        function(["a"])
    shown = [caplog.text, repr(function), repr(raised.value), repr(failed.value), str(vars(function))]
    assert SECRET not in "".join(shown)
    assert SECRET.encode() not in pickle.dumps(function)
    assert copy.deepcopy(function).get_config() == function.get_config()


@of_each
def test_an_answer_of_another_form_says_so(case: Case, provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    function = made(case, provider, monkeypatch)
    provider.plays({"something": "else"})
    with pytest.raises(ValueError, match=r"in the provider's reply, got {'something': 'else'}"):
        function(["a"])


@pytest.mark.parametrize(("name", "key"), [("morph", "api_base"), ("baseten", "api_base"), ("roboflow", "api_url")])
def test_a_stored_address_gets_no_key(name: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function = known_embedding_functions[name]
    case = next(case for case in CASES if case.function is function)
    monkeypatch.setenv(case.variable, SECRET)
    config = {"api_key_env_var": case.variable, **case.config, key: "https://evil.example/v1"}
    with pytest.raises(ValueError, match=r"would send an API key to https://evil\.example"):
        function.build_from_config(config)


def test_questions_are_asked_as_the_configuration_says(provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    by_name = {case.function.name(): case for case in CASES}
    provider.plays(lambda body: {"embeddings": [vector(text) for text in body["texts"]]})
    made(by_name["nomic"], provider, monkeypatch).embed_query(["a"])
    made(by_name["chroma-cloud-qwen"], provider, monkeypatch).embed_query(["a"])
    nomic, qwen = (request.body for request in provider.received)
    assert nomic["task_type"] == "search_query"
    assert qwen["instructions"].startswith("Given a question about coding")
    assert provider.received[1].headers["x-chroma-embedding-model"] == "Qwen/Qwen3-Embedding-0.6B"
    assert list(CHROMA_CLOUD_QWEN_DEFAULT_INSTRUCTIONS) == ["nl_to_code"]


def test_chromas_service_is_where_the_environment_says(provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMA_API_KEY", SECRET)
    monkeypatch.setenv("CHROMA_EMBED_URL", provider.url + "/mine/")
    provider.plays(lambda body: {"embeddings": [vector(text) for text in body["texts"]]})
    ChromaCloudQwenEmbeddingFunction(ChromaCloudQwenEmbeddingModel.QWEN3_EMBEDDING_0p6B, None)(["a"])
    assert provider.received[0].path == "/mine"


def test_roboflow_embeds_images_beside_texts(provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBOFLOW_API_KEY", SECRET)
    provider.plays(lambda body: {"embeddings": [vector(body.get("text", "image"))]})
    found = RoboflowEmbeddingFunction(api_url=provider.url)(["a", IMAGE, "bb"])  # type: ignore[list-item]
    assert [row[0] for row in found] == [1, 5, 2]
    image = provider.received[1]
    assert image.path == f"/clip/embed_image?api_key={SECRET}"
    assert image.body["image"]["type"] == "base64"
    assert base64.b64decode(image.body["image"]["value"]).startswith(b"\xff\xd8")


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("kind", ["key in the address", "key in a header"])
def test_services_are_asked_by_way_of_the_proxy_that_the_environment_names(
    provider: Any, monkeypatch: pytest.MonkeyPatch, variable: str, kind: str
) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv(variable, provider.url)
    monkeypatch.setenv("ROBOFLOW_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    provider.plays(lambda body: {"embeddings": [[1.0, 2.0]], "data": [{"embedding": [1.0, 2.0], "index": 0}]})
    if kind == "key in the address":
        RoboflowEmbeddingFunction(api_url="http://service.example")(["a"])
    else:
        openai.OpenAIEmbeddingFunction(api_base="http://service.example")(["a"])
    assert provider.received[0].path.startswith("http://service.example/")


def test_baseten_is_an_openai_function_and_wants_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASETEN_API_KEY", SECRET)
    assert issubclass(BasetenEmbeddingFunction, openai.OpenAIEmbeddingFunction)
    with pytest.raises(ValueError, match="The api_base argument must be provided"):
        BasetenEmbeddingFunction(None, "")


# --- Through the package of the provider, played by small fakes ---------------------------------------------
class Session:
    """As much of boto3's session as is asked for."""

    region_name, profile_name = "eu-west-1", "work"

    def __init__(self, **arguments: Any) -> None:
        self.arguments, self.clients, self.asked = arguments, [], []

    def client(self, **arguments: Any) -> Any:
        self.clients.append(arguments)
        return self

    def invoke_model(self, **arguments: Any) -> Any:
        self.asked.append(arguments)
        text = json.loads(arguments["body"])["inputText"]
        return {"body": io.BytesIO(json.dumps({"embedding": vector(text)}).encode())}


def test_bedrock_is_asked_through_the_session() -> None:
    session = Session()
    function = AmazonBedrockEmbeddingFunction(session, "titan", region_name="eu-west-1")
    assert np.array_equal(np.stack(function(["a", "bb"])), np.array([vector("a"), vector("bb")], np.float32))
    assert session.clients == [{"service_name": "bedrock-runtime", "region_name": "eu-west-1"}]
    assert session.asked[0] == {
        "body": '{"inputText": "a"}',
        "modelId": "titan",
        "accept": "application/json",
        "contentType": "application/json",
    }
    assert function.get_config() == {
        "model_name": "titan",
        "session_args": {"region_name": "eu-west-1", "profile_name": "work"},
        "kwargs": {"region_name": "eu-west-1"},
    }
    assert function.default_space() == "l2"
    with pytest.raises(ValueError, match="Keyword argument config is not a primitive type"):
        AmazonBedrockEmbeddingFunction(session, config=object())
    with pytest.raises(TypeError, match="holds credentials"):
        pickle.dumps(function)


def test_secrets_among_arguments_for_another_library_are_neither_stored_nor_shown() -> None:
    secrets = {"aws_access_key_id": SECRET, "aws_secret_access_key": SECRET, "aws_session_token": SECRET}
    session = Session()
    function = AmazonBedrockEmbeddingFunction(session, region_name="eu-west-1", **secrets)
    assert session.clients[0].items() >= secrets.items()
    assert function.get_config()["kwargs"] == {"region_name": "eu-west-1"}
    assert SECRET not in repr(function)


@pytest.mark.parametrize("name", ["..", ".", "", "a/../../b", "../../pages/projects/x/purge_build_cache", "a//b"])
def test_no_name_leads_to_another_address_of_the_service(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("CLOUDFLARE", "GOOGLE_PALM", "HUGGINGFACE"):
        monkeypatch.setenv(f"CHROMA_{variable}_API_KEY", SECRET)
    monkeypatch.setenv("GEMINI_API_KEY", SECRET)
    monkeypatch.setattr(httpx.Client, "send", lambda *_, **__: pytest.fail("was sent"))
    for function in (
        CloudflareWorkersAIEmbeddingFunction(name, "account"),
        CloudflareWorkersAIEmbeddingFunction("model", name),
        GooglePalmEmbeddingFunction(model_name=name),
        GoogleGenerativeAiEmbeddingFunction(model_name=name),
        HuggingFaceEmbeddingFunction(model_name=name),
    ):
        with pytest.raises(ValueError, match="Expected the name of a model or an account"):
            function(["a text"])


def test_a_stored_bedrock_function_is_built_over_a_session_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    config: dict[str, Any] = {"model_name": "titan", "session_args": {"region_name": "eu-west-1"}, "kwargs": {}}
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ValueError, match="The boto3 python package is not installed"):
        AmazonBedrockEmbeddingFunction.build_from_config(config)
    monkeypatch.setitem(sys.modules, "boto3", types.SimpleNamespace(Session=Session))
    built = AmazonBedrockEmbeddingFunction.build_from_config(config)
    assert built._client.arguments == {"region_name": "eu-west-1"}
    for change in ({"kwargs": {"endpoint_url": "https://evil.example"}}, {"session_args": {"aws_session_token": "x"}}):
        with pytest.raises(ValueError, match="not read from a stored configuration"):
            AmazonBedrockEmbeddingFunction.build_from_config(config | change)


def test_vertex_is_asked_through_googles_package(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Any] = []

    class TextEmbeddingModel:
        @staticmethod
        def from_pretrained(name: str) -> Any:
            begun.append(name)
            return types.SimpleNamespace(
                get_embeddings=lambda texts: [types.SimpleNamespace(values=vector(text)) for text in texts]
            )

    monkeypatch.setenv("GOOGLE_API_KEY", SECRET)
    monkeypatch.setitem(sys.modules, "vertexai", None)
    with pytest.raises(ValueError, match="pip install google-cloud-aiplatform"):
        GoogleVertexEmbeddingFunction()
    monkeypatch.setitem(sys.modules, "vertexai", types.SimpleNamespace(init=lambda **given: begun.append(given)))
    models = types.SimpleNamespace(TextEmbeddingModel=TextEmbeddingModel)
    monkeypatch.setitem(sys.modules, "vertexai.language_models", models)
    function = GoogleVertexEmbeddingFunction(project_id="zoo")
    assert begun == []
    assert np.array_equal(np.stack(function(["a", "bb"])), np.array([vector("a"), vector("bb")], np.float32))
    assert begun == [{"project": "zoo", "location": "us-central1"}, "textembedding-gecko"]
    config = {
        "api_key_env_var": "GOOGLE_API_KEY",
        "model_name": "textembedding-gecko",
        "project_id": "zoo",
        "region": "us-central1",
    }
    assert function.get_config() == config
    assert GoogleVertexEmbeddingFunction.build_from_config(config).get_config() == config


class SentenceModel:
    """A model of one's own machine: the vector of a text, or of an instruction and a text."""

    def __init__(self, **arguments: Any) -> None:
        self.arguments = arguments

    def encode(self, texts: list[Any], *, convert_to_numpy: bool) -> np.ndarray:
        assert convert_to_numpy
        return np.array([vector("".join(text)) for text in texts], np.float32)


@pytest.mark.parametrize(
    ("function", "module", "model", "make", "found"),
    [
        (InstructorEmbeddingFunction, "InstructorEmbedding", "INSTRUCTOR", {"instruction": "say: "}, [6, 7, 6]),
        (InstructorEmbeddingFunction, "InstructorEmbedding", "INSTRUCTOR", {}, [1, 2, 1]),
        (Text2VecEmbeddingFunction, "text2vec", "SentenceModel", {}, [1, 2, 1]),
    ],
)
def test_a_model_of_a_package_is_loaded_at_the_first_call(
    function: Any, module: str, model: str, make: Any, found: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=f"The {module} python package is not installed"):
        function(**make)
    monkeypatch.setitem(sys.modules, module, types.SimpleNamespace(**{model: SentenceModel}))
    one = function(**make)
    assert [row[0] for row in one(["a", "bb", "a"])] == found
    assert one._model.arguments["model_name_or_path"] == one.model_name
    config = one.get_config()
    assert function.build_from_config(config).get_config() == config
    with pytest.raises(ValueError, match="looks like a path"):
        function.build_from_config(config | {"model_name": "/etc/models/x"})


# --- In a collection ----------------------------------------------------------------------------------------
def test_a_collection_remembers_a_service_and_opens_without_its_key(
    provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.plays(lambda body: by_index(body["input"]))
    monkeypatch.setenv("MISTRAL_API_KEY", SECRET)
    monkeypatch.setattr(services, "MISTRAL", provider.url)
    with chroma_nb.EphemeralClient() as client:
        function = MistralEmbeddingFunction("mistral-embed")
        client.create_collection("birds", embedding_function=function).add(ids=TEXTS, documents=TEXTS)  # type: ignore[arg-type]
        again = client.get_collection("birds")
        assert again.query(query_texts=["bb"], n_results=1)["ids"] == [["bb"]]
        monkeypatch.delenv("MISTRAL_API_KEY")
        without = client.get_collection("birds")
        assert without.get()["ids"] == TEXTS
        with pytest.raises(ValueError, match="MISTRAL_API_KEY"):
            without.query(query_texts=["bb"])


def test_every_function_that_chroma_registers_for_vectors_embeds() -> None:
    ours = [kind for kind in known_embedding_functions.values() if kind.__module__.startswith("chroma_nb.")]
    assert len(ours) > 20
    for function in ours:
        assert issubclass(function, EmbeddingFunction)
        assert not function.__module__.endswith("stand_ins")

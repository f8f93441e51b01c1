"""Google's embeddings: Gemini and its predecessors with an API key; those of a Google Cloud project (Vertex AI) through
Google's own packages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from chroma_nb._optional import check_installed, require
from chroma_nb.embedding_functions.batches import texts_of
from chroma_nb.embedding_functions.configuration import Configured, Key
from chroma_nb.embedding_functions.providers import Api, ApiKey, embed_in_batches, find_key, in_path, rows_of
from chroma_nb.types import Documents, Embeddings, Json

API_BASE = "https://generativelanguage.googleapis.com/v1beta"
#: Where the service before Gemini is asked, which has versions of its own.
PALM_BASE = "https://generativelanguage.googleapis.com/v1beta3"
KEY_HEADER = ("x-goog-api-key", "")
USUAL_VARIABLE = "GOOGLE_API_KEY"
#: Texts a request, at most.
BATCH = 100


class GoogleGeminiEmbeddingFunction(Configured[Documents]):
    """Embed texts with Google's Gemini models, with an API key or through Vertex AI.

    Sends 100 texts per request to ``https://generativelanguage.googleapis.com``. With ``vertexai=True``, the package
    google-genai sends them to Vertex AI with Google's own credentials. The class is also named
    ``GoogleGenaiEmbeddingFunction``.

    Parameters
    ----------
    model_name
        The model.
    task_type
        What the vectors are for, such as ``"RETRIEVAL_DOCUMENT"``.
    dimension
        The number of dimensions. The default is the model's own.
    api_key_env_var
        The environment variable with the key.
    vertexai
        Whether to use Vertex AI. There must be no key then.
    project, location
        For Vertex AI: the Google Cloud project and its region.

    Raises
    ------
    ValueError
        There is no key and ``vertexai`` is not set, or there are both.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "model_name": Key(str, required=True, fixed=True),
        "api_key_env_var": Key(str),
        "vertexai": Key(bool, fixed=True),
        "project": Key(str, fixed=True),
        "location": Key(str, fixed=True),
        "task_type": Key(str, omitted_if_none=True),
        "dimension": Key(int, fixed=True, omitted_if_none=True),
    }

    def __init__(
        self,
        model_name: str = "gemini-embedding-001",
        task_type: str | None = None,
        dimension: int | None = None,
        api_key_env_var: str | None = "GEMINI_API_KEY",
        vertexai: bool | None = None,
        project: str | None = None,
        location: str | None = None,
    ) -> None:
        self.model_name = model_name
        self.task_type = task_type
        self.dimension = dimension
        self.api_key_env_var = api_key_env_var
        self.vertexai = vertexai
        self.project = project
        self.location = location
        self._key = ApiKey(api_key_env_var)
        if self._key.value() and vertexai:
            raise ValueError("Vertex AI and API key are mutually exclusive in the client initializer.")
        if not self._key.value() and not vertexai:
            raise ValueError(f"The {api_key_env_var} environment variable must be set if vertexai is not enabled.")

    def __call__(self, input: Documents) -> Embeddings:
        texts = texts_of(input)
        if self.vertexai:
            return embed_in_batches(texts, size=BATCH, ask=self._ask_vertex, provider="Vertex AI")
        return _contents(texts, self.model_name, self._key, self.task_type, self.dimension)

    def _ask_vertex(self, batch: Sequence[str]) -> list[Any]:
        genai = require("google.genai", feature="embedding with Vertex AI", package="google-genai")
        client = genai.Client(vertexai=True, project=self.project, location=self.location)
        options = {"task_type": self.task_type, "output_dimensionality": self.dimension}
        answer = client.models.embed_content(model=self.model_name, contents=list(batch), config=options)
        return [embedding.values for embedding in answer.embeddings]

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "google_gemini"


def _contents(
    texts: Sequence[str], model: str, key: ApiKey, task_type: str | None, dimension: int | None
) -> Embeddings:
    """The vectors of ``texts`` by a model of Gemini's API."""
    model = model.removeprefix("models/")
    options = {"taskType": task_type, "outputDimensionality": dimension}
    given: Json = {name: value for name, value in options.items() if value is not None}
    url = f"{API_BASE}/models/{in_path(model)}:batchEmbedContents"
    with Api("Gemini", url, key, KEY_HEADER).session() as post:

        def ask(batch: Sequence[str]) -> list[Any]:
            """The vectors of one batch, from one request."""
            requests = [{"model": f"models/{model}", "content": {"parts": [{"text": text}]}, **given} for text in batch]
            answer = post({"requests": requests})
            return [rows_of(row, "values") for row in rows_of(answer, "embeddings")]

        return embed_in_batches(texts, size=BATCH, ask=ask, provider="Gemini")


#: Chroma's older name of the class.
GoogleGenaiEmbeddingFunction = GoogleGeminiEmbeddingFunction


class GoogleGenerativeAiEmbeddingFunction(Configured[Documents]):
    """Embed texts with Google's Gemini models, under the name of Google's older package.

    Sends 100 texts per request to ``https://generativelanguage.googleapis.com``. For new collections, use
    ``GoogleGeminiEmbeddingFunction``.

    Parameters
    ----------
    api_key
        The API key. Collections do not store it, so a DeprecationWarning recommends an environment variable.
    model_name
        The model.
    task_type
        What the vectors are for.
    api_key_env_var
        The environment variable with the key. If it is not set, ``GOOGLE_API_KEY`` is read.
    dimension
        The number of dimensions. The default is the model's own.

    Raises
    ------
    ValueError
        There is no key.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "api_key_env_var": Key(str, required=True),
        "model_name": Key(str, required=True, fixed=True),
        "task_type": Key(str, required=True, fixed=True),
        "dimension": Key(int, fixed=True, omitted_if_none=True),
    }

    def __init__(
        self,
        api_key: str | None = None,
        model_name: str = "gemini-embedding-001",
        task_type: str = "RETRIEVAL_DOCUMENT",
        api_key_env_var: str = "GEMINI_API_KEY",
        dimension: int | None = None,
    ) -> None:
        self._key = find_key(api_key, api_key_env_var, USUAL_VARIABLE)
        self.api_key_env_var = self._key.variable
        self.model_name = model_name
        self.task_type = task_type
        self.dimension = dimension

    def __call__(self, input: Documents) -> Embeddings:
        return _contents(texts_of(input), self.model_name, self._key, self.task_type, self.dimension)

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "google_generative_ai"


class GooglePalmEmbeddingFunction(Configured[Documents]):
    """Embed texts with PaLM, Google's service before Gemini.

    Sends one text per request to ``https://generativelanguage.googleapis.com/v1beta3``.

    Parameters
    ----------
    api_key
        The API key. Collections do not store it, so a DeprecationWarning recommends an environment variable.
    model_name
        The model.
    api_key_env_var
        The environment variable with the key. If it is not set, ``GOOGLE_API_KEY`` is read.

    Raises
    ------
    ValueError
        There is no key.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "api_key_env_var": Key(str, required=True),
        "model_name": Key(str, required=True, fixed=True),
    }

    def __init__(
        self,
        api_key: str | None = None,
        model_name: str = "models/embedding-gecko-001",
        api_key_env_var: str = "CHROMA_GOOGLE_PALM_API_KEY",
    ) -> None:
        self._key = find_key(api_key, api_key_env_var, USUAL_VARIABLE)
        self.api_key_env_var = self._key.variable
        self.model_name = model_name

    def __call__(self, input: Documents) -> Embeddings:
        texts = texts_of(input)
        url = f"{PALM_BASE}/{in_path(self.model_name, safe='/')}:embedText"
        with Api("PaLM", url, self._key, KEY_HEADER).session() as post:

            def ask(batch: Sequence[str]) -> list[Any]:
                """The vector of one text, from one request."""
                return [rows_of(post({"text": batch[0]}), "embedding", "value")]

            return embed_in_batches(texts, size=1, ask=ask, provider="PaLM")

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "google_palm"


class GoogleVertexEmbeddingFunction(Configured[Documents]):
    """Embed texts with a model of Vertex AI in a Google Cloud project. Needs the package google-cloud-aiplatform.

    The package sends one text per request, with Google's own credentials. As in Chroma, an API key must be set as well,
    although it is not sent.

    Parameters
    ----------
    api_key
        The API key. Collections do not store it, so a DeprecationWarning recommends an environment variable.
    model_name
        The model.
    project_id
        The Google Cloud project.
    region
        The region.
    api_key_env_var
        The environment variable with the key. If it is not set, ``GOOGLE_API_KEY`` is read.

    Raises
    ------
    ValueError
        There is no key, or the package is not installed (then also an ImportError).
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "api_key_env_var": Key(str, required=True),
        "model_name": Key(str, required=True, fixed=True),
        "project_id": Key(str, required=True, fixed=True),
        "region": Key(str, required=True, fixed=True),
    }

    def __init__(
        self,
        api_key: str | None = None,
        model_name: str = "textembedding-gecko",
        project_id: str = "cloud-large-language-models",
        region: str = "us-central1",
        api_key_env_var: str = "CHROMA_GOOGLE_VERTEX_API_KEY",
    ) -> None:
        check_installed("vertexai", "google-cloud-aiplatform")
        self._key = find_key(api_key, api_key_env_var, USUAL_VARIABLE)
        self.api_key_env_var = self._key.variable
        self.model_name = model_name
        self.project_id = project_id
        self.region = region

    @cached_property
    def _model(self) -> Any:
        feature, package = "GoogleVertexEmbeddingFunction", "google-cloud-aiplatform"
        require("vertexai", feature=feature, package=package).init(project=self.project_id, location=self.region)
        models = require("vertexai.language_models", feature=feature, package=package)
        return models.TextEmbeddingModel.from_pretrained(self.model_name)

    def __call__(self, input: Documents) -> Embeddings:
        return embed_in_batches(
            texts_of(input),
            size=1,
            ask=lambda batch: [self._model.get_embeddings(list(batch))[0].values],
            provider="Vertex AI",
        )

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "google_vertex"

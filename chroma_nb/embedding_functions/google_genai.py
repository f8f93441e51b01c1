"""Google's Gemini embeddings, with an API key; with a Google Cloud project (Vertex AI) through google-genai."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from chroma_nb._optional import require
from chroma_nb.embedding_functions.batches import texts_of
from chroma_nb.embedding_functions.configuration import Configured, Key
from chroma_nb.embedding_functions.providers import Api, ApiKey, embed_in_batches, rows_of
from chroma_nb.types import Documents, Embeddings, Json

API_BASE = "https://generativelanguage.googleapis.com/v1beta"
#: Texts a request, at most.
BATCH = 100


class GoogleGeminiEmbeddingFunction(Configured[Documents]):
    """Embeds with Gemini. Its registered names are google_gemini and google_genai.

    The key is read from the environment variable ``api_key_env_var``; with ``vertexai=True`` there is none, and
    Google's credentials, ``project`` and ``location`` are used through the package google-genai.
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
        with self._api().session() as post:

            def ask(batch: Sequence[str]) -> list[Any]:
                """The vectors of one batch, from one request."""
                answer = post({"requests": [self._request(text) for text in batch]})
                return [rows_of(row, "values") for row in rows_of(answer, "embeddings")]

            return embed_in_batches(texts, size=BATCH, ask=ask, provider="Gemini")

    def _api(self) -> Api:
        url = f"{API_BASE}/models/{quote(self._model(), safe='')}:batchEmbedContents"
        return Api("Gemini", url, self._key, ("x-goog-api-key", ""))

    def _model(self) -> str:
        return self.model_name.removeprefix("models/")

    def _request(self, text: str) -> Json:
        options = {"taskType": self.task_type, "outputDimensionality": self.dimension}
        return {
            "model": f"models/{self._model()}",
            "content": {"parts": [{"text": text}]},
            **{name: value for name, value in options.items() if value is not None},
        }

    def _ask_vertex(self, batch: Sequence[str]) -> list[Any]:
        genai = require("google.genai", feature="embedding with Vertex AI", package="google-genai")
        client = genai.Client(vertexai=True, project=self.project, location=self.location)
        options = {"task_type": self.task_type, "output_dimensionality": self.dimension}
        answer = client.models.embed_content(model=self.model_name, contents=list(batch), config=options)
        return [embedding.values for embedding in answer.embeddings]

    @staticmethod
    def name() -> str:
        """The name under which the class is registered and stored."""
        return "google_gemini"


#: Chroma's older name of the class.
GoogleGenaiEmbeddingFunction = GoogleGeminiEmbeddingFunction

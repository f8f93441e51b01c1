"""Ollama: models run locally."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from chroma_nb.embedding_functions.base import Config
from chroma_nb.embedding_functions.batches import texts_of
from chroma_nb.embedding_functions.configuration import Configured, Key, check_local
from chroma_nb.embedding_functions.providers import Api, embed_in_batches, rows_of
from chroma_nb.types import Documents, Embeddings

BATCH = 64


class OllamaEmbeddingFunction(Configured[Documents]):
    """Embed texts with an Ollama server.

    Sends 64 texts per request to ``url``. Fetch the model first with ``ollama pull``.

    Parameters
    ----------
    url
        The address of the server.
    model_name
        The model, by its name in Ollama.
    timeout
        Seconds to wait for a reply.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "url": Key(str, required=True),
        "model_name": Key(str, required=True, fixed=True),
        "timeout": Key(int, required=True),
    }

    def __init__(
        self,
        url: str = "http://localhost:11434",
        model_name: str = "chroma/all-minilm-l6-v2-f32",
        timeout: int = 60,
    ) -> None:
        self.url = url
        self.model_name = model_name
        self.timeout = timeout

    def __call__(self, input: Documents) -> Embeddings:
        texts = texts_of(input)
        with Api("Ollama", f"{self._base()}/api/embed", timeout=self.timeout).session() as post:

            def ask(batch: Sequence[str]) -> Any:
                """The vectors of one batch, from one request."""
                return rows_of(post({"model": self.model_name, "input": list(batch)}), "embeddings")

            return embed_in_batches(texts, size=BATCH, ask=ask, provider="Ollama")

    def _base(self) -> str:
        """The server's address; older configurations name the endpoint of the old API."""
        if not self.url.endswith("/api/embeddings"):
            return self.url.rstrip("/")
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @classmethod
    def check_stored(cls, config: Config) -> None:
        """Raise a ValueError if a stored configuration would send texts to another machine."""
        check_local(config["url"], cls.__name__)

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "ollama"

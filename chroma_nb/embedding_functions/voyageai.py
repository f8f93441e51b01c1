"""Voyage AI's embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from chroma_nb.embedding_functions.base import Config
from chroma_nb.embedding_functions.batches import texts_of
from chroma_nb.embedding_functions.configuration import Configured, Key
from chroma_nb.embedding_functions.providers import Api, embed_in_batches, find_key, indexed
from chroma_nb.types import Documents, Embeddings

API_URL = "https://api.voyageai.com/v1/embeddings"
BATCH = 128


class VoyageAIEmbeddingFunction(Configured[Documents]):
    """Embed texts with Voyage AI.

    Sends 128 texts per request to ``https://api.voyageai.com``.

    Parameters
    ----------
    api_key
        The API key. Collections do not store it, so a DeprecationWarning recommends an environment variable.
    model_name
        The model.
    api_key_env_var
        The environment variable with the key. If it is not set, ``VOYAGE_API_KEY`` is read.
    input_type
        What the vectors are for: ``"document"``, ``"query"`` or None.
    truncation
        Whether the service cuts texts that are too long, instead of refusing them.

    Raises
    ------
    ValueError
        There is no key.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "api_key_env_var": Key(str, required=True),
        "model_name": Key(str, required=True, fixed=True),
        "input_type": Key(str),
        "truncation": Key(bool),
    }

    def __init__(
        self,
        api_key: str | None = None,
        model_name: str = "voyage-large-2",
        api_key_env_var: str = "CHROMA_VOYAGE_API_KEY",
        input_type: str | None = None,
        truncation: bool | None = True,
    ) -> None:
        self._key = find_key(api_key, api_key_env_var, "VOYAGE_API_KEY")
        self.api_key_env_var = self._key.variable
        self.model_name = model_name
        self.input_type = input_type
        self.truncation = True if truncation is None else truncation

    def __call__(self, input: Documents) -> Embeddings:
        texts = texts_of(input)
        with Api("Voyage AI", API_URL, self._key).session() as post:

            def ask(batch: Sequence[str]) -> list[Any]:
                """The vectors of one batch, from one request."""
                return indexed(post(self._body(batch)))

            return embed_in_batches(texts, size=BATCH, ask=ask, provider="Voyage AI")

    def _body(self, texts: Sequence[str]) -> Config:
        body: Config = {"input": list(texts), "model": self.model_name, "truncation": self.truncation}
        return body if self.input_type is None else {**body, "input_type": self.input_type}

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "voyageai"

"""Hugging Face: its inference API, and your own text-embeddings-inference server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar

from chroma_nb.embedding_functions.base import Config
from chroma_nb.embedding_functions.batches import texts_of
from chroma_nb.embedding_functions.configuration import Configured, Key, check_local
from chroma_nb.embedding_functions.providers import Api, ApiKey, embed_in_batches, find_key, in_path
from chroma_nb.types import Documents, Embeddings

#: The host Chroma names, api-inference.huggingface.co, was retired for this one.
API_BASE = "https://router.huggingface.co/hf-inference/models"
USUAL_VARIABLE = "HUGGINGFACE_API_KEY"
#: Texts a request: what a text-embeddings-inference server takes unless told otherwise.
BATCH = 32


class HuggingFaceEmbeddingFunction(Configured[Documents]):
    """Embed texts with Hugging Face's inference API.

    Sends 32 texts per request to ``https://router.huggingface.co``.

    Parameters
    ----------
    api_key
        The API key. Collections do not store it, so a DeprecationWarning recommends an environment variable.
    model_name
        The model, by its name on the hub.
    api_key_env_var
        The environment variable with the key. If it is not set, ``HUGGINGFACE_API_KEY`` is read.

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
        model_name: str = "sentence-transformers/all-MiniLM-L6-v2",
        api_key_env_var: str = "CHROMA_HUGGINGFACE_API_KEY",
    ) -> None:
        self._key = find_key(api_key, api_key_env_var, USUAL_VARIABLE)
        self.api_key_env_var = self._key.variable
        self.model_name = model_name

    def __call__(self, input: Documents) -> Embeddings:
        url = f"{API_BASE}/{in_path(self.model_name, safe='/')}/pipeline/feature-extraction"
        texts = texts_of(input)
        with Api("Hugging Face", url, self._key).session() as post:
            return embed_in_batches(
                texts,
                size=BATCH,
                ask=lambda batch: post({"inputs": list(batch), "options": {"wait_for_model": True}}),
                provider="Hugging Face",
            )

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "huggingface"


class HuggingFaceEmbeddingServer(Configured[Documents]):
    """Embed texts with a text-embeddings-inference server, which you run yourself.

    Sends 32 texts per request to ``url``. The server chooses the model.

    Parameters
    ----------
    url
        The full address of the endpoint, such as ``"http://localhost:8080/embed"``.
    api_key_env_var
        The environment variable with the key, if the server needs one. Without it, ``HUGGINGFACE_API_KEY`` is sent
        if it is set.
    api_key
        The API key. Collections do not store it, so a DeprecationWarning recommends an environment variable.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "url": Key(str, required=True, fixed=True),
        "api_key_env_var": Key(str),
    }

    def __init__(self, url: str, api_key_env_var: str | None = None, api_key: str | None = None) -> None:
        self.url = url
        if api_key is not None:
            self._key = find_key(api_key, api_key_env_var)
        else:
            self._key = ApiKey(api_key_env_var or (USUAL_VARIABLE if os.environ.get(USUAL_VARIABLE) else None))
        self.api_key_env_var = self._key.variable

    def __call__(self, input: Documents) -> Embeddings:
        texts = texts_of(input)
        with Api("the embedding server", self.url, self._key).session() as post:
            return embed_in_batches(
                texts, size=BATCH, ask=lambda batch: post({"inputs": list(batch)}), provider="the embedding server"
            )

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "huggingface_server"

    @classmethod
    def check_stored(cls, config: Config) -> None:
        """Raise a ValueError if a stored configuration would send texts to another machine."""
        check_local(config["url"], cls.__name__)

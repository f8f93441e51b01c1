"""Models deployed at Baseten, through OpenAI's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from chroma_nb.embedding_functions.base import Config
from chroma_nb.embedding_functions.configuration import Key, check_hosts
from chroma_nb.embedding_functions.openai import OpenAIEmbeddingFunction


class BasetenEmbeddingFunction(OpenAIEmbeddingFunction):
    """Embed texts with a model that you deployed at Baseten, which has OpenAI's API.

    Sends 256 texts per request to ``api_base``.

    Parameters
    ----------
    api_key
        The API key. Collections do not store it, so a DeprecationWarning recommends an environment variable.
    api_base
        The address of the deployment, without ``/embeddings``.
    api_key_env_var
        The environment variable with the key. If it is not set, ``BASETEN_API_KEY`` is read.

    Raises
    ------
    ValueError
        There is no key or no ``api_base``.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "api_base": Key(str, required=True),
        "api_key_env_var": Key(str, required=True),
    }
    provider = "Baseten"
    usual_variable = "BASETEN_API_KEY"

    def __init__(
        self, api_key: str | None = None, api_base: str = "", api_key_env_var: str = "CHROMA_BASETEN_API_KEY"
    ) -> None:
        if not api_base:
            raise ValueError("The api_base argument must be provided.")
        super().__init__(api_key, "baseten-embedding-model", api_base=api_base, api_key_env_var=api_key_env_var)

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "baseten"

    @classmethod
    def check_stored(cls, config: Config) -> None:
        """Raise a ValueError if a stored configuration would send a key to a host that is not the provider's."""
        check_hosts(config["api_base"], ("baseten.co",), cls.__name__)

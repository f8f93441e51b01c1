"""Models that one has deployed at Baseten, which speak OpenAI's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from chroma_nb.embedding_functions.base import Config
from chroma_nb.embedding_functions.configuration import Key, check_hosts
from chroma_nb.embedding_functions.openai import OpenAIEmbeddingFunction


class BasetenEmbeddingFunction(OpenAIEmbeddingFunction):
    """Embeds with the deployment at ``api_base``.

    The key is read from the environment variable ``api_key_env_var``, else from BASETEN_API_KEY.
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
        """The name under which the class is registered and stored."""
        return "baseten"

    @classmethod
    def check_stored(cls, config: Config) -> None:
        """Raise ValueError when a key would be sent to an address that only the stored configuration names."""
        check_hosts(config["api_base"], ("baseten.co",), cls.__name__)

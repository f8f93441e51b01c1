"""OpenAI's embeddings, on its own servers, on Azure's, and on any that speak its API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from chroma_nb.embedding_functions.base import Config
from chroma_nb.embedding_functions.batches import texts_of
from chroma_nb.embedding_functions.configuration import Configured, Key, check_hosts
from chroma_nb.embedding_functions.providers import Api, embed_in_batches, find_key, in_path, indexed
from chroma_nb.types import Documents, Embeddings, Json

API_BASE = "https://api.openai.com/v1"
#: Where a stored configuration may send a key.
HOSTS = ("openai.com", "openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com")
#: Texts a request; the API takes 2,048, and 300,000 tokens.
BATCH = 256
#: Parameters that Azure cannot do without.
AZURE = ("api_version", "deployment_id", "api_base")
#: Headers that carry a secret: sent, never stored.
SECRET_HEADERS = ("authorization", "api-key", "cookie", "token", "secret")


class _Headers(dict[str, str]):
    """Headers as they are sent; those that carry a secret stay out of a pickle."""

    def shown(self) -> dict[str, str]:
        """The headers that are not secret."""
        return {name: value for name, value in self.items() if not any(word in name.lower() for word in SECRET_HEADERS)}

    def __deepcopy__(self, memo: object) -> _Headers:
        return _Headers(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Headers, (self.shown(),)


class OpenAIEmbeddingFunction(Configured[Documents]):
    """Embeds with OpenAI (``api_type="azure"``: with an Azure deployment).

    The key is read from the environment variable ``api_key_env_var``, else from OPENAI_API_KEY.
    Raises ValueError when there is no key, RateLimitError when retries do not help, ChromaAuthError when the key is
    refused.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "api_key_env_var": Key(str, required=True),
        "model_name": Key(str, required=True, fixed=True),
        "organization_id": Key(str),
        "api_base": Key(str),
        "api_type": Key(str),
        "api_version": Key(str),
        "deployment_id": Key(str),
        "default_headers": Key(dict),
        "dimensions": Key(int, fixed=True),
    }

    #: How errors call the service, and the environment variable that its users have usually set.
    provider: ClassVar[str] = "OpenAI"
    usual_variable: ClassVar[str] = "OPENAI_API_KEY"

    def __init__(
        self,
        api_key: str | None = None,
        model_name: str = "text-embedding-ada-002",
        organization_id: str | None = None,
        api_base: str | None = None,
        api_type: str | None = None,
        api_version: str | None = None,
        deployment_id: str | None = None,
        default_headers: dict[str, str] | None = None,
        dimensions: int | None = None,
        api_key_env_var: str = "CHROMA_OPENAI_API_KEY",
    ) -> None:
        self._key = find_key(api_key, api_key_env_var, self.usual_variable)
        self.api_key_env_var = self._key.variable
        self.model_name = model_name
        self.organization_id = organization_id
        self.api_base = api_base
        self.api_type = api_type
        self.api_version = api_version
        self.deployment_id = deployment_id
        self._headers = _Headers(default_headers or {})
        self.dimensions = dimensions
        for name in AZURE if api_type == "azure" else ():
            if getattr(self, name) is None:
                raise ValueError(f"{name} must be specified for Azure OpenAI")

    @property
    def default_headers(self) -> dict[str, str] | None:
        """The headers sent with each request, without those that carry a secret."""
        return self._headers.shown() or None

    def __call__(self, input: Documents) -> Embeddings:
        texts = texts_of(input)
        with self._api().session() as post:

            def ask(batch: Sequence[str]) -> list[Any]:
                """The vectors of one batch, from one request."""
                return indexed(post(self._body(batch)))

            return embed_in_batches(texts, size=BATCH, ask=ask, provider=self.provider)

    def _body(self, texts: Sequence[str]) -> Json:
        body: Json = {"model": self.model_name, "input": list(texts), "encoding_format": "float"}
        if self.dimensions is not None and "text-embedding-3" in self.model_name:
            body["dimensions"] = self.dimensions
        return body

    def _api(self) -> Api:
        headers = dict(self._headers)
        if self.api_type == "azure":
            deployment, version = in_path(str(self.deployment_id)), in_path(str(self.api_version))
            url = f"{str(self.api_base).rstrip('/')}/openai/deployments/{deployment}/embeddings?api-version={version}"
            return Api("Azure OpenAI", url, self._key, ("api-key", ""), headers)
        if self.organization_id is not None:
            headers["OpenAI-Organization"] = self.organization_id
        return Api(self.provider, f"{(self.api_base or API_BASE).rstrip('/')}/embeddings", self._key, headers=headers)

    @staticmethod
    def name() -> str:
        """The name under which the class is registered and stored."""
        return "openai"

    @classmethod
    def check_stored(cls, config: Config) -> None:
        """Raise ValueError when a key would be sent to an address that only the stored configuration names."""
        check_hosts(config.get("api_base"), HOSTS, cls.__name__)

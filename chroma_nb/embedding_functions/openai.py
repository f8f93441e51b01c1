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
    """Embed texts with OpenAI, with an Azure OpenAI deployment, or with a server that has OpenAI's API.

    Sends 256 texts per request to ``https://api.openai.com/v1/embeddings`` or below ``api_base``.

    Parameters
    ----------
    api_key
        The API key. Collections do not store it, so a DeprecationWarning recommends an environment variable.
    model_name
        The model, such as ``"text-embedding-3-small"``.
    organization_id
        Your organization, sent as the header ``OpenAI-Organization``.
    api_base
        The base address of another server, such as ``"https://llm.example.com/v1"``. For Azure, the endpoint.
    api_type
        ``"azure"`` for Azure OpenAI.
    api_version, deployment_id
        For Azure: the version of the API and the deployment.
    default_headers
        Headers to send with each request. Headers that look like secrets are sent and not stored.
    dimensions
        The number of dimensions. It is sent for models whose name contains ``text-embedding-3`` only.
    api_key_env_var
        The environment variable with the key. If it is not set, ``OPENAI_API_KEY`` is read.

    Raises
    ------
    ValueError
        There is no key, or ``api_type="azure"`` lacks ``api_version``, ``deployment_id`` or ``api_base``.
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
        """The headers sent with each request, without those that look like secrets."""
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
        """Return the name under which this class is registered and stored."""
        return "openai"

    @classmethod
    def check_stored(cls, config: Config) -> None:
        """Raise a ValueError if a stored configuration would send a key to a host that is not the provider's."""
        check_hosts(config.get("api_base"), HOSTS, cls.__name__)

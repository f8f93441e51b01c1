"""Further services: each class says which address to call, what to send, and where the vectors are in the answer.

``providers.py`` calls them. Services whose request needs more than this have a file of their own.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar, TypedDict

import numpy as np

from chroma_nb.embedding_functions.base import Config
from chroma_nb.embedding_functions.batches import items_of, texts_of
from chroma_nb.embedding_functions.configuration import Configured, Key, check_hosts
from chroma_nb.embedding_functions.image_loader import is_image, jpeg_base64
from chroma_nb.embedding_functions.progress import progress_bar
from chroma_nb.embedding_functions.providers import (
    Answer,
    Api,
    ApiKey,
    embed_in_batches,
    find_key,
    in_path,
    indexed,
    matrix,
    rows_of,
)
from chroma_nb.types import Documents, Embeddable, Embeddings, Float32, Json

MISTRAL = "https://api.mistral.ai/v1/embeddings"
NOMIC = "https://api-atlas.nomic.ai/v1/embedding/text"
CLOUDFLARE = "https://api.cloudflare.com/client/v4/accounts"
CLOUDFLARE_GATEWAY = "https://gateway.ai.cloudflare.com/v1"
TOGETHER = "https://api.together.xyz/v1/embeddings"
PERPLEXITY = "https://api.perplexity.ai/v1/embeddings"
MORPH = "https://api.morphllm.com/v1"
ROBOFLOW = "https://infer.roboflow.com"


class Service(Configured[Documents]):
    """Embeds texts with a service that takes many in a request."""

    #: How errors and the progress bar call it.
    provider: ClassVar[str]
    #: Texts a request.
    batch: ClassVar[int] = 64
    _key: ApiKey

    def __call__(self, input: Documents) -> Embeddings:
        return self._embed(input, self._body)

    def _embed(self, input: Documents, body: Callable[[list[str]], Json]) -> Embeddings:
        texts = texts_of(input)
        with self._api().session() as post:

            def ask(batch: Sequence[str]) -> Answer:
                """The vectors of one batch, from one request."""
                return self._found(post(body(list(batch))))

            return embed_in_batches(texts, size=self.batch, ask=ask, provider=self.provider)

    def _api(self) -> Api:
        return Api(self.provider, self._url(), self._key)

    def _url(self) -> str:
        raise NotImplementedError

    def _body(self, texts: list[str]) -> Json:
        raise NotImplementedError

    def _found(self, answer: Answer) -> Answer:
        """The vectors in an answer, in the order of the texts."""
        return indexed(answer)


class MistralEmbeddingFunction(Service):
    """Embed texts with Mistral.

    Sends 64 texts per request to ``https://api.mistral.ai``.

    Parameters
    ----------
    model
        The model, such as ``"mistral-embed"``.
    api_key_env_var
        The environment variable with the key.

    Raises
    ------
    ValueError
        There is no key.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "model": Key(str, required=True, fixed=True),
        "api_key_env_var": Key(str, required=True),
    }
    provider = "Mistral"

    def __init__(self, model: str, api_key_env_var: str = "MISTRAL_API_KEY") -> None:
        self._key = find_key(None, api_key_env_var)
        self.model = model
        self.api_key_env_var = api_key_env_var

    def _url(self) -> str:
        return MISTRAL

    def _body(self, texts: list[str]) -> Json:
        return {"model": self.model, "input": texts}

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "mistral"


class NomicQueryConfig(TypedDict):
    """The task that ``NomicEmbeddingFunction`` uses for queries in place of that for documents."""

    task_type: str


class NomicEmbeddingFunction(Service):
    """Embed texts with Nomic.

    Sends 64 texts per request to ``https://api-atlas.nomic.ai``.

    Parameters
    ----------
    model
        The model, such as ``"nomic-embed-text-v1.5"``.
    task_type
        What the vectors are for, such as ``"search_document"``.
    query_config
        The task for queries, such as ``{"task_type": "search_query"}``. Without it, queries use ``task_type``.
    api_key_env_var
        The environment variable with the key.

    Raises
    ------
    ValueError
        There is no key.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "model": Key(str, required=True, fixed=True),
        "api_key_env_var": Key(str, required=True),
        "task_type": Key(str, required=True),
        "query_config": Key(dict),
    }
    provider = "Nomic"

    def __init__(
        self,
        model: str,
        task_type: str,
        query_config: NomicQueryConfig | None = None,
        api_key_env_var: str = "NOMIC_API_KEY",
    ) -> None:
        self._key = find_key(None, api_key_env_var)
        self.model = model
        self.task_type = task_type
        self.query_config = query_config
        self.api_key_env_var = api_key_env_var

    def embed_query(self, input: Documents) -> Embeddings:
        """Embed queries with the task of ``query_config``."""
        task = self.query_config.get("task_type", self.task_type) if self.query_config else self.task_type
        return self._embed(input, lambda texts: self._body(texts) | {"task_type": task})

    def _url(self) -> str:
        return NOMIC

    def _body(self, texts: list[str]) -> Json:
        return {"model": self.model, "texts": texts, "task_type": self.task_type}

    def _found(self, answer: Answer) -> Answer:
        return rows_of(answer, "embeddings")

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "nomic"


class CloudflareWorkersAIEmbeddingFunction(Service):
    """Embed texts with Cloudflare Workers AI.

    Sends 64 texts per request to ``https://api.cloudflare.com``, or to ``https://gateway.ai.cloudflare.com`` if you
    name a gateway.

    Parameters
    ----------
    model_name
        The model, such as ``"@cf/baai/bge-m3"``.
    account_id
        Your account.
    api_key
        The API key. Collections do not store it, so a DeprecationWarning recommends an environment variable.
    api_key_env_var
        The environment variable with the key. If it is not set, ``CLOUDFLARE_API_KEY`` is read.
    gateway_id
        The AI gateway to send the requests through.

    Raises
    ------
    ValueError
        There is no key.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "api_key_env_var": Key(str, required=True),
        "model_name": Key(str, required=True, fixed=True),
        "account_id": Key(str, required=True),
        "gateway_id": Key(str),
    }
    provider = "Cloudflare Workers AI"

    def __init__(
        self,
        model_name: str,
        account_id: str,
        api_key: str | None = None,
        api_key_env_var: str = "CHROMA_CLOUDFLARE_API_KEY",
        gateway_id: str | None = None,
    ) -> None:
        self._key = find_key(api_key, api_key_env_var, "CLOUDFLARE_API_KEY")
        self.api_key_env_var = self._key.variable
        self.model_name = model_name
        self.account_id = account_id
        self.gateway_id = gateway_id

    def _url(self) -> str:
        account, model = in_path(self.account_id), in_path(self.model_name, safe="@/")
        if self.gateway_id:
            return f"{CLOUDFLARE_GATEWAY}/{account}/{in_path(self.gateway_id)}/workers-ai/{model}"
        return f"{CLOUDFLARE}/{account}/ai/run/{model}"

    def _body(self, texts: list[str]) -> Json:
        return {"text": texts}

    def _found(self, answer: Answer) -> Answer:
        return rows_of(answer, "result", "data")

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "cloudflare_workers_ai"


class TogetherAIEmbeddingFunction(Service):
    """Embed texts with Together AI.

    Sends 64 texts per request to ``https://api.together.xyz``.

    Parameters
    ----------
    model_name
        The model.
    api_key
        The API key. Collections do not store it, so a DeprecationWarning recommends an environment variable.
    api_key_env_var
        The environment variable with the key. If it is not set, ``TOGETHER_API_KEY`` is read.

    Raises
    ------
    ValueError
        There is no key.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "api_key_env_var": Key(str, required=True),
        "model_name": Key(str, required=True, fixed=True),
    }
    provider = "Together AI"

    def __init__(
        self, model_name: str, api_key: str | None = None, api_key_env_var: str = "CHROMA_TOGETHER_AI_API_KEY"
    ) -> None:
        self._key = find_key(api_key, api_key_env_var, "TOGETHER_API_KEY")
        self.api_key_env_var = self._key.variable
        self.model_name = model_name

    def _url(self) -> str:
        return TOGETHER

    def _body(self, texts: list[str]) -> Json:
        return {"model": self.model_name, "input": texts}

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "together_ai"


class PerplexityEmbeddingFunction(Service):
    """Embed texts with Perplexity.

    Sends 64 texts per request to ``https://api.perplexity.ai``. The values of the vectors are integers from -128 to
    127, returned as float32.

    Parameters
    ----------
    api_key
        The API key. Collections do not store it, so a DeprecationWarning recommends an environment variable.
    model_name
        The model.
    api_key_env_var
        The environment variable with the key. If it is not set, ``PERPLEXITY_API_KEY`` is read.
    dimensions
        The number of dimensions. The default is the model's own.

    Raises
    ------
    ValueError
        There is no key.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "api_key_env_var": Key(str, required=True),
        "model_name": Key(str, required=True, fixed=True),
        "dimensions": Key(int, fixed=True, omitted_if_none=True),
    }
    provider = "Perplexity"

    def __init__(
        self,
        api_key: str | None = None,
        model_name: str = "pplx-embed-v1-0.6b",
        api_key_env_var: str = "PERPLEXITY_API_KEY",
        dimensions: int | None = None,
    ) -> None:
        self._key = find_key(api_key, api_key_env_var, "PERPLEXITY_API_KEY")
        self.api_key_env_var = self._key.variable
        self.model_name = model_name
        self.dimensions = dimensions

    def _url(self) -> str:
        return PERPLEXITY

    def _body(self, texts: list[str]) -> Json:
        body: Json = {"model": self.model_name, "input": texts}
        return body if self.dimensions is None else {**body, "dimensions": self.dimensions}

    def _found(self, answer: Answer) -> Answer:
        return decoded(indexed(answer), np.int8)

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "perplexity"


class MorphEmbeddingFunction(Service):
    """Embed code and texts with Morph.

    Sends 64 texts per request to ``https://api.morphllm.com`` or below ``api_base``.

    Parameters
    ----------
    api_key
        The API key. Collections do not store it, so a DeprecationWarning recommends an environment variable.
    model_name
        The model.
    api_base
        The base address of the API.
    encoding_format
        How the service sends the vectors: ``"float"`` or ``"base64"``. The result is the same.
    api_key_env_var
        The environment variable with the key.

    Raises
    ------
    ValueError
        There is no key.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "api_key_env_var": Key(str, required=True),
        "model_name": Key(str, required=True, fixed=True),
        "api_base": Key(str),
        "encoding_format": Key(str),
    }
    provider = "Morph"

    def __init__(
        self,
        api_key: str | None = None,
        model_name: str = "morph-embedding-v2",
        api_base: str | None = MORPH,
        encoding_format: str | None = "float",
        api_key_env_var: str = "MORPH_API_KEY",
    ) -> None:
        self._key = find_key(api_key, api_key_env_var)
        self.api_key_env_var = self._key.variable
        self.model_name = model_name
        self.api_base = MORPH if api_base is None else api_base
        self.encoding_format = "float" if encoding_format is None else encoding_format

    def _url(self) -> str:
        return f"{self.api_base.rstrip('/')}/embeddings"

    def _body(self, texts: list[str]) -> Json:
        return {"model": self.model_name, "input": texts, "encoding_format": self.encoding_format}

    def _found(self, answer: Answer) -> Answer:
        return decoded(indexed(answer), np.dtype("<f4"))

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "morph"

    @classmethod
    def check_stored(cls, config: Config) -> None:
        """Raise a ValueError if a stored configuration would send a key to a host that is not the provider's."""
        check_hosts(config.get("api_base"), ("morphllm.com",), cls.__name__)


class RoboflowEmbeddingFunction(Configured[Embeddable]):
    """Embed texts and images in the same space with CLIP at Roboflow.

    Sends one text or image per request to ``api_url``. A call may mix texts and images (arrays). The key is sent as a
    parameter of the address, as the service requires.

    Parameters
    ----------
    api_key
        The API key. Collections do not store it, so a DeprecationWarning recommends an environment variable.
    api_url
        The address of the service.
    api_key_env_var
        The environment variable with the key. If it is not set, ``ROBOFLOW_API_KEY`` is read.

    Raises
    ------
    ValueError
        There is no key.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "api_key_env_var": Key(str, required=True),
        "api_url": Key(str, required=True),
    }

    def __init__(
        self, api_key: str | None = None, api_url: str = ROBOFLOW, api_key_env_var: str = "CHROMA_ROBOFLOW_API_KEY"
    ) -> None:
        self._key = find_key(api_key, api_key_env_var, "ROBOFLOW_API_KEY")
        self.api_key_env_var = self._key.variable
        self.api_url = api_url

    def __call__(self, input: Embeddable) -> Embeddings:
        requests = [_request(item) for item in items_of(input)]
        with ExitStack() as sessions:
            post = {path: sessions.enter_context(self._api(path).session()) for path in {path for path, _ in requests}}
            with progress_bar(len(requests), description="embedding (Roboflow)", unit="item") as bar:
                vectors = []
                for path, body in requests:
                    vectors.append(matrix(list(rows_of(post[path](body), "embeddings"))[:1], 1, "Roboflow")[0])
                    bar.update(1)
        return vectors

    def _api(self, path: str) -> Api:
        url = f"{self.api_url.rstrip('/')}/clip/{path}"
        return Api("Roboflow", url, self._key, key_parameter="api_key")

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "roboflow"

    @classmethod
    def check_stored(cls, config: Config) -> None:
        """Raise a ValueError if a stored configuration would send a key to a host that is not the provider's."""
        check_hosts(config["api_url"], ("roboflow.com",), cls.__name__)


def _request(item: Any) -> tuple[str, Json]:
    """Path and body for one text or image."""
    if is_image(item):
        return "embed_image", {"image": {"type": "base64", "value": jpeg_base64(item)}}
    return "embed_text", {"text": texts_of([item])[0]}


def decoded(rows: Iterable[object], dtype: Any) -> list[Any]:
    """The vectors, those that came as base64 of numbers of ``dtype`` as float32. ValueError for another text."""
    return [_decoded(row, dtype) if isinstance(row, str) else row for row in rows]


def _decoded(row: str, dtype: Any) -> Float32:
    try:
        return np.frombuffer(base64.b64decode(row, validate=True), dtype).astype(np.float32)
    except (binascii.Error, ValueError):
        raise ValueError("the provider's reply holds text that is not base64 of numbers") from None

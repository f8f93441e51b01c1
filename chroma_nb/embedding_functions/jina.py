"""Jina AI's embeddings, of texts and of images, alone or mixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypedDict, cast

from chroma_nb.embedding_functions.base import Config
from chroma_nb.embedding_functions.batches import in_batches, items_of, texts_of
from chroma_nb.embedding_functions.configuration import Configured, Key
from chroma_nb.embedding_functions.image_loader import is_image, png_base64
from chroma_nb.embedding_functions.providers import Api, embed_in_batches, find_key, indexed, matrix
from chroma_nb.types import Embeddable, Embeddings

API_URL = "https://api.jina.ai/v1/embeddings"
BATCH = 128
#: Parameters of the model, sent when they are set.
OPTIONS = ("task", "late_chunking", "truncate", "dimensions", "embedding_type", "normalized")


class JinaQueryConfig(TypedDict):
    """Parameters that ``JinaEmbeddingFunction`` uses for queries in place of those for documents."""

    task: str


class JinaEmbeddingFunction(Configured[Embeddable]):
    """Embed texts and images with Jina AI.

    Sends 128 items per request to ``https://api.jina.ai/v1/embeddings``. A call may mix texts and images (arrays).

    Parameters
    ----------
    api_key
        The API key. Collections do not store it, so a DeprecationWarning recommends an environment variable.
    model_name
        The model.
    api_key_env_var
        The environment variable with the key. If it is not set, ``JINA_API_KEY`` is read.
    task, late_chunking, truncate, dimensions, embedding_type, normalized
        Parameters of Jina's API. They are sent if they are not None. With ``late_chunking``, Jina reads the texts of a
        request as one document.
    query_config
        Parameters to use for queries instead, such as ``{"task": "retrieval.query"}``.

    Raises
    ------
    ValueError
        There is no key.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "api_key_env_var": Key(str, required=True),
        "model_name": Key(str, required=True, fixed=True),
        "task": Key(str),
        "late_chunking": Key(bool),
        "truncate": Key(bool),
        "dimensions": Key(int, fixed=True),
        "embedding_type": Key(str),
        "normalized": Key(bool),
        "query_config": Key(dict),
    }

    def __init__(
        self,
        api_key: str | None = None,
        model_name: str = "jina-embeddings-v2-base-en",
        api_key_env_var: str = "CHROMA_JINA_API_KEY",
        task: str | None = None,
        late_chunking: bool | None = None,
        truncate: bool | None = None,
        dimensions: int | None = None,
        embedding_type: str | None = None,
        normalized: bool | None = None,
        query_config: JinaQueryConfig | None = None,
    ) -> None:
        self._key = find_key(api_key, api_key_env_var, "JINA_API_KEY")
        self.api_key_env_var = self._key.variable
        self.model_name = model_name
        self.task = task
        self.late_chunking = late_chunking
        self.truncate = truncate
        self.dimensions = dimensions
        self.embedding_type = embedding_type
        self.normalized = normalized
        self.query_config = query_config

    def __call__(self, input: Embeddable) -> Embeddings:
        return self._embed(input, self._options())

    def embed_query(self, input: Embeddable) -> Embeddings:
        """Embed queries with the parameters of ``query_config``."""
        return self._embed(input, {**self._options(), **(self.query_config or {})})

    def _options(self) -> Config:
        return {name: getattr(self, name) for name in OPTIONS if getattr(self, name) is not None}

    def _embed(self, input: Embeddable, options: Config) -> Embeddings:
        items = items_of(input)
        with Api("Jina", API_URL, self._key).session() as post:

            def ask(batch: Sequence[object]) -> list[Any]:
                """The vectors of one batch, from one request."""
                return indexed(post({"input": list(batch), "model": self.model_name, **options}))

            texts_only = not any(is_image(item) for item in items)
            if texts_only and not self.late_chunking:
                return embed_in_batches(texts_of(items), size=BATCH, ask=ask, provider="Jina")
            # late_chunking reads the items of a request as one document: each stays in its place, repeated or not
            parts = texts_of(items) if texts_only else [_part(item) for item in items]
            answers = [matrix(ask(batch), len(batch), "Jina") for batch in in_batches(parts, BATCH)]
            return cast(Embeddings, [row for answer in answers for row in answer])

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "jina"


def _part(item: Any) -> dict[str, str]:
    return {"image": png_base64(item)} if is_image(item) else {"text": texts_of([item])[0]}

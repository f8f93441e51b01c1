"""Cohere's embeddings, of texts and of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from chroma_nb.embedding_functions.base import EmbeddingFunction
from chroma_nb.embedding_functions.batches import items_of, texts_of
from chroma_nb.embedding_functions.configuration import Configured, Key
from chroma_nb.embedding_functions.image_loader import all_images, data_url
from chroma_nb.embedding_functions.providers import Api, embed_in_batches, find_key, matrix, rows_of
from chroma_nb.types import Embeddable, Embeddings, Json, Space

API_URL = "https://api.cohere.com/v1/embed"
#: Texts a request, at most.
BATCH = 96
#: Models whose vectors were trained for one space only.
SPACES: dict[str, Space] = {
    "embed-english-v2.0": "cosine",
    "embed-english-light-v2.0": "cosine",
    "embed-multilingual-v2.0": "ip",
}


class CohereEmbeddingFunction(Configured[Embeddable]):
    """Embed texts or images with Cohere.

    Sends 96 texts, or one image, per request to ``https://api.cohere.com/v1/embed``. A call takes either texts or
    images (arrays), not both.

    Parameters
    ----------
    api_key
        The API key. Collections do not store it, so a DeprecationWarning recommends an environment variable.
    model_name
        The model, such as ``"embed-english-v3.0"``.
    api_key_env_var
        The environment variable with the key. If it is not set, ``COHERE_API_KEY`` is read.

    Raises
    ------
    ValueError
        There is no key; in a call, texts and images are mixed.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "api_key_env_var": Key(str, required=True),
        "model_name": Key(str, required=True, fixed=True),
    }

    def __init__(
        self,
        api_key: str | None = None,
        model_name: str = "large",
        api_key_env_var: str = "CHROMA_COHERE_API_KEY",
    ) -> None:
        self._key = find_key(api_key, api_key_env_var, "COHERE_API_KEY")
        self.api_key_env_var = self._key.variable
        self.model_name = model_name

    def __call__(self, input: Embeddable) -> Embeddings:
        items = items_of(input)
        images = all_images(items)
        with Api("Cohere", API_URL, self._key).session() as post:
            if images:
                return [self._image(post, image) for image in items]

            def ask(batch: Sequence[str]) -> object:
                """The vectors of one batch, from one request."""
                return rows_of(post(self._body(texts=list(batch), input_type="search_document")), "embeddings")

            return embed_in_batches(texts_of(items), size=BATCH, ask=ask, provider="Cohere")

    def _image(self, post: Any, image: Any) -> Any:
        """One image: the API takes no more a request."""
        answer = post(self._body(images=[data_url(image)], input_type="image"))
        return matrix(rows_of(answer, "embeddings"), 1, "Cohere")[0]

    def _body(self, **fields: object) -> Json:
        return {"model": self.model_name, **fields}

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "cohere"

    def default_space(self) -> Space:
        """Return the distance that a new collection uses if you do not choose one.

        Returns
        -------
        str
            ``"ip"`` for ``embed-multilingual-v2.0``, else ``"cosine"``.
        """
        return "ip" if SPACES.get(self.model_name) == "ip" else "cosine"

    def supported_spaces(self) -> list[Space]:
        """Return the distances that suit the vectors of this model: one only for Cohere's models of version 2."""
        only = SPACES.get(self.model_name)
        return EmbeddingFunction.supported_spaces(self) if only is None else [only]

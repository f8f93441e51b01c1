"""What embeds when a collection names nothing else: all-MiniLM-L6-v2, in the variant the collection was made with.

Running the model is ``onnx_minilm.py``; finding its file is ``models.py``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from chroma_nb.embedding_functions.base import Config, EmbeddingFunction
from chroma_nb.embedding_functions.cache import cached_if_possible
from chroma_nb.types import Documents, Embeddings

if TYPE_CHECKING:
    from chroma_nb.embedding_functions.onnx_minilm import ONNXMiniLM_L6_V2


class DefaultEmbeddingFunction(EmbeddingFunction[Documents]):
    """all-MiniLM-L6-v2: what embeds when nothing else is named. 384 numbers per text, of length 1.

    Offline from the first minute: the model comes with the package, unless Chroma's own is in its cache folder.
    A collection stores it as ``{"type": "known", "name": "default", "config": {}}``. ``model`` names an ONNX file of
    the model, ``variant`` the one to stay with: see ``ONNXMiniLM_L6_V2``.

    >>> vectors = DefaultEmbeddingFunction()(["a cat"])
    >>> len(vectors), vectors[0].shape
    (1, (384,))
    """

    def __init__(self, *, model: str | os.PathLike[str] | None = None, variant: str | None = None) -> None:
        self._model, self._variant = model, variant

    def __call__(self, input: Documents) -> Embeddings:
        return self._minilm()(input)

    def _minilm(self) -> ONNXMiniLM_L6_V2:
        # on first use: every client has this function, few embed with it, and thread pools and archives take time
        from chroma_nb.embedding_functions.onnx_minilm import ONNXMiniLM_L6_V2

        return ONNXMiniLM_L6_V2(model=self._model, variant=self._variant)

    def for_collection(self, embedding_model: str | None, *, cache: Path | None = None) -> EmbeddingFunction[Documents]:
        """This function, staying with the variant that a collection was made with (None: not yet known).

        ``cache`` is a file in which its vectors are remembered.
        """
        own = DefaultEmbeddingFunction(model=self._model, variant=embedding_model)
        return own if cache is None else cached_if_possible(own, cache)

    @property
    def embedding_model(self) -> str:
        """The variant of the model that embeds: "fp32", "int8", or the digest of another file."""
        return self._minilm().embedding_model

    @staticmethod
    def name() -> str:
        """The name under which the class is registered and stored."""
        return "default"

    def get_config(self) -> Config:
        """Empty, as Chroma's: the variant of the model is noted by the collection."""
        return {}

    @staticmethod
    def build_from_config(config: Config) -> DefaultEmbeddingFunction:
        """The default function, whatever ``config`` says."""
        return DefaultEmbeddingFunction()

    def max_tokens(self) -> int:
        """How many tokens of a text the model reads."""
        return 256

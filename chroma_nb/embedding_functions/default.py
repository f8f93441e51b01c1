"""The default embedding function: all-MiniLM-L6-v2, in the variant the collection was made with.

``onnx_minilm.py`` runs the model; ``models.py`` finds its file.
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
    """Embed texts with all-MiniLM-L6-v2, the model that is used if you do not choose another.

    It runs in this process and downloads nothing. Each vector has 384 dimensions and length 1. The model was trained on
    English texts. It reads the first 256 tokens of a text, about 200 words; a warning says once how many texts were
    longer.

    Parameters
    ----------
    model
        The path of an ONNX file of all-MiniLM-L6-v2. Without it the function uses, in this order: the file that the
        environment variable ``CHROMA_NB_MODEL`` names, the file in Chroma's cache directory, the packaged 8-bit file.
    variant
        The weights to use, ``"int8"`` or ``"fp32"``. Collections set this, so that all their vectors come from the same
        weights. If only the other variant is installed, it is used and a warning says so.

    Raises
    ------
    ValueError
        When a text is embedded: ``model`` is not a file, or not a file of this model.

    Examples
    --------
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
        """Return this function for a collection, with the weights that the collection was made with.

        Parameters
        ----------
        embedding_model
            The variant of the weights; None if the collection has none yet.
        cache
            A file in which to remember the vectors.
        """
        own = DefaultEmbeddingFunction(model=self._model, variant=embedding_model)
        return own if cache is None else cached_if_possible(own, cache)

    @property
    def embedding_model(self) -> str:
        """The variant of the weights, ``"fp32"``, ``"int8"``, or a part of the checksum of another file."""
        return self._minilm().embedding_model

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "default"

    def get_config(self) -> Config:
        """Return an empty dict, as Chroma does. The collection notes the variant of the weights separately."""
        return {}

    @staticmethod
    def build_from_config(config: Config) -> DefaultEmbeddingFunction:
        """Return the default function. ``config`` is ignored."""
        return DefaultEmbeddingFunction()

    def max_tokens(self) -> int:
        """Return how many tokens of a text the model reads: 256."""
        return 256

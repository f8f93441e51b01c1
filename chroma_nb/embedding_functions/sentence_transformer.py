"""Models of the package sentence-transformers, run locally."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from chroma_nb._optional import check_installed, require
from chroma_nb.embedding_functions.base import Config
from chroma_nb.embedding_functions.batches import distinct, texts_of
from chroma_nb.embedding_functions.configuration import Configured, Key, check_config
from chroma_nb.types import Documents, Embeddings

#: What a stored configuration may pass to the model. Not trust_remote_code, nor anything that names a file or
#: reaches the classes below: those a caller passes himself.
STORED_ARGUMENTS = {
    "revision": Key(str),
    "truncate_dim": Key(int),
    "prompts": Key(dict),
    "default_prompt_name": Key(str),
    "similarity_fn_name": Key(str),
    "local_files_only": Key(bool),
}
#: A model's name on the Hugging Face hub; a path does not look like one.
HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


class SentenceTransformerEmbeddingFunction(Configured[Documents]):
    """Embed texts with a model of the package sentence-transformers.

    The model runs in this process. The package loads it, and downloads it if needed, at the first call.

    Parameters
    ----------
    model_name
        The model, by its name on the Hugging Face hub, or a directory.
    device
        The device, such as ``"cpu"`` or ``"cuda"``.
    normalize_embeddings
        Whether to scale the vectors to length 1.
    **kwargs
        Further arguments of ``SentenceTransformer``: texts, numbers, bools, lists and dicts.

    Raises
    ------
    ValueError
        The package is not installed (also an ImportError), or an argument is of another type.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "model_name": Key(str, required=True),
        "device": Key(str, required=True),
        "normalize_embeddings": Key(bool, required=True),
        "kwargs": Key(dict),
    }

    def __init__(
        self,
        model_name: str = "all-MiniLM-L6-v2",
        device: str = "cpu",
        normalize_embeddings: bool = False,
        **kwargs: object,
    ) -> None:
        check_installed("sentence_transformers")
        check_arguments(kwargs)
        self.model_name = model_name
        self.device = device
        self.normalize_embeddings = normalize_embeddings
        self.kwargs = kwargs

    @cached_property
    def _model(self) -> Any:
        library = require(
            "sentence_transformers", feature="SentenceTransformerEmbeddingFunction", package="sentence-transformers"
        )
        return library.SentenceTransformer(model_name_or_path=self.model_name, device=self.device, **self.kwargs)

    def __call__(self, input: Documents) -> Embeddings:
        texts, places = distinct(texts_of(input))
        vectors = self._model.encode(texts, convert_to_numpy=True, normalize_embeddings=self.normalize_embeddings)
        return list(vectors if places is None else vectors[places])

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "sentence_transformer"

    @classmethod
    def check_stored(cls, config: Config) -> None:
        """Raise a ValueError if a stored configuration names a path instead of a model, or other arguments."""
        check_stored_model(
            config,
            STORED_ARGUMENTS,
            f"pass embedding_function={cls.__name__}(...) when you get the collection",
        )


def check_arguments(kwargs: Mapping[str, object]) -> None:
    """Raise ValueError for an argument that a configuration could not hold."""
    for name, value in kwargs.items():
        if not isinstance(value, (str, int, float, bool, list, dict, tuple)):
            raise ValueError(f"Keyword argument {name} is not a primitive type")


def check_stored_model(config: Config, arguments: Mapping[str, Key], instead: str) -> None:
    """Raise ValueError when a stored configuration names a path instead of a model, or other arguments."""
    if not HUB_NAME.fullmatch(config["model_name"]):
        raise ValueError(
            f"The stored configuration has the model {config['model_name']!r}, which looks like a path. To use "
            f"it, {instead}"
        )
    try:
        check_config(config.get("kwargs") or {}, arguments, "the stored model")
    except ValueError as error:
        raise ValueError(f"{error}. Other arguments are not read from a stored configuration: {instead}") from None

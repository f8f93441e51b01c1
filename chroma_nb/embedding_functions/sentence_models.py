"""Models of the packages InstructorEmbedding and text2vec, run locally, loaded at the first call."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from chroma_nb._optional import check_installed, require
from chroma_nb.embedding_functions.base import Config
from chroma_nb.embedding_functions.batches import distinct, texts_of
from chroma_nb.embedding_functions.configuration import Configured, Key
from chroma_nb.embedding_functions.sentence_transformer import check_stored_model
from chroma_nb.types import Documents, Embeddings


class _SentenceModel(Configured[Documents]):
    _model: Any

    def __call__(self, input: Documents) -> Embeddings:
        texts, places = distinct(texts_of(input))
        vectors = self._model.encode([self._asked(text) for text in texts], convert_to_numpy=True)
        return list(vectors if places is None else vectors[places])

    def _asked(self, text: str) -> object:
        return text

    @classmethod
    def check_stored(cls, config: Config) -> None:
        """Raise a ValueError if a stored configuration names a path instead of a model."""
        check_stored_model(config, {}, f"pass embedding_function={cls.__name__}(...) when you get the collection")


class InstructorEmbeddingFunction(_SentenceModel):
    """Embed texts with an Instructor model. Needs the package InstructorEmbedding.

    The model runs in this process. The package loads it, and downloads it if needed, at the first call.

    Parameters
    ----------
    model_name
        The model, by its name on the Hugging Face hub, or a directory.
    device
        The device, such as ``"cpu"`` or ``"cuda"``.
    instruction
        What the vectors are for, such as ``"Represent the question for retrieval: "``.

    Raises
    ------
    ValueError
        The package is not installed (also an ImportError).
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "model_name": Key(str, required=True),
        "device": Key(str, required=True),
        "instruction": Key(str),
    }

    def __init__(
        self, model_name: str = "hkunlp/instructor-base", device: str = "cpu", instruction: str | None = None
    ) -> None:
        check_installed("InstructorEmbedding")
        self.model_name = model_name
        self.device = device
        self.instruction = instruction

    @cached_property
    def _model(self) -> Any:
        library = require("InstructorEmbedding", feature="InstructorEmbeddingFunction")
        return library.INSTRUCTOR(model_name_or_path=self.model_name, device=self.device)

    def _asked(self, text: str) -> object:
        return text if self.instruction is None else [self.instruction, text]

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "instructor"


class Text2VecEmbeddingFunction(_SentenceModel):
    """Embed texts with a model of the package text2vec. The default model is for Chinese.

    The model runs in this process. The package loads it, and downloads it if needed, at the first call.

    Parameters
    ----------
    model_name
        The model, by its name on the Hugging Face hub, or a directory.

    Raises
    ------
    ValueError
        The package is not installed (also an ImportError).
    """

    keys: ClassVar[Mapping[str, Key]] = {"model_name": Key(str, required=True)}

    def __init__(self, model_name: str = "shibing624/text2vec-base-chinese") -> None:
        check_installed("text2vec")
        self.model_name = model_name

    @cached_property
    def _model(self) -> Any:
        library = require("text2vec", feature="Text2VecEmbeddingFunction")
        return library.SentenceModel(model_name_or_path=self.model_name)

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "text2vec"

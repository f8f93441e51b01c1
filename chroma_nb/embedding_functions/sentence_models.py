"""Models of the packages InstructorEmbedding and text2vec, on one's own machine, loaded at the first call."""

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
        """Raise ValueError when the stored configuration names a path instead of a model."""
        check_stored_model(config, {}, f"pass embedding_function={cls.__name__}(...) when you get the collection")


class InstructorEmbeddingFunction(_SentenceModel):
    """Embeds with an Instructor model, told what for by ``instruction``.

    Raises ValueError (also an ImportError) when the package InstructorEmbedding is not installed.
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
        """The name under which the class is registered and stored."""
        return "instructor"


class Text2VecEmbeddingFunction(_SentenceModel):
    """Embeds with a model of text2vec.

    Raises ValueError (also an ImportError) when the package text2vec is not installed.
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
        """The name under which the class is registered and stored."""
        return "text2vec"

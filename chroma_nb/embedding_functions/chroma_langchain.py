"""The bridge to LangChain: one of its embedding objects as an embedding function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from chroma_nb._optional import Untyped
from chroma_nb.embedding_functions.base import Config, EmbeddingFunction
from chroma_nb.embedding_functions.batches import texts_of
from chroma_nb.types import Embeddable

#: A stored configuration cannot hold a LangChain object.
HOW = (
    "create the LangChain object again, and pass embedding_function=create_langchain_embedding(...) "
    "when you get the collection"
)


def create_langchain_embedding(langchain_embedding_fn: Untyped) -> ChromaLangchainEmbeddingFunction:
    """``langchain_embedding_fn``, anything with LangChain's ``embed_documents`` and ``embed_query``, as ours."""
    return ChromaLangchainEmbeddingFunction(embedding_function=langchain_embedding_fn)


class ChromaLangchainEmbeddingFunction(EmbeddingFunction[Embeddable]):
    """Embeds with a LangChain object, and can itself be used as one.

    A collection keeps its class name only: it has to be passed again when the collection is opened.
    Raises ValueError when ``embedding_function`` lacks LangChain's two methods.
    """

    def __init__(self, embedding_function: Untyped) -> None:
        for method in ("embed_documents", "embed_query"):
            if not callable(getattr(embedding_function, method, None)):
                raise ValueError(
                    "The embedding_function must implement the Embeddings interface from langchain_core: "
                    f"{type(embedding_function).__name__} has no {method}"
                )
        self.embedding_function = embedding_function

    def embed_documents(self, documents: Sequence[str]) -> list[list[float]]:
        """LangChain's own: vectors of documents, as lists of numbers."""
        return self.embedding_function.embed_documents(list(documents))  # type: ignore[no-any-return]

    def embed_query(self, input: object) -> Any:
        """The vector of one question (LangChain's own), or the vectors of a list of them."""
        if isinstance(input, str):
            return self.embedding_function.embed_query(input)
        return [self.embedding_function.embed_query(text) for text in texts_of(input)]

    def embed_image(self, uris: list[str]) -> list[list[float]]:
        """Vectors of images, if the LangChain object has such a method."""
        if not callable(getattr(self.embedding_function, "embed_image", None)):
            raise ValueError("The provided embedding function does not support image embeddings.")
        return self.embedding_function.embed_image(uris)  # type: ignore[no-any-return]

    def __call__(self, input: object) -> Any:
        # what ChromaLangchainPassthroughDataLoader gives
        if isinstance(input, tuple) and len(input) == 2 and isinstance(input[0], str) and input[0] == "images":
            return self.embed_image(list(input[1]))
        return self.embed_documents(texts_of(input))

    @staticmethod
    def name() -> str:
        """The name under which the class is registered and stored."""
        return "langchain"

    def get_config(self) -> Config:
        """The name of the LangChain class, as Chroma stores it; the function cannot be built from it."""
        return {
            "embedding_function_class": type(self.embedding_function).__name__,
            "note": "This is a placeholder config. You will need to recreate the langchain embedding function.",
        }

    @staticmethod
    def build_from_config(config: Config) -> NoReturn:
        """Raises NotImplementedError: LangChain's object is not stored."""
        raise NotImplementedError(f"A LangChain embedding function cannot be built from its configuration: {HOW}.")

    def is_legacy(self) -> bool:
        """No: the configuration is kept, though nothing can be built from it."""
        return False

    def validate_config_update(self, old_config: Config, new_config: Config) -> None:
        """Raises NotImplementedError, as in Chroma."""
        raise NotImplementedError(f"The configuration of a LangChain embedding function cannot be updated: {HOW}.")

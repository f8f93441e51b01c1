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
    """Use a LangChain embedding object as an embedding function.

    Parameters
    ----------
    langchain_embedding_fn
        Any object with LangChain's methods ``embed_documents`` and ``embed_query``.

    Returns
    -------
    ChromaLangchainEmbeddingFunction
        An embedding function, which LangChain can use as well.

    Raises
    ------
    ValueError
        The object lacks one of the two methods.
    """
    return ChromaLangchainEmbeddingFunction(embedding_function=langchain_embedding_fn)


class ChromaLangchainEmbeddingFunction(EmbeddingFunction[Embeddable]):
    """Embed with a LangChain object. ``create_langchain_embedding`` creates one.

    A collection stores only the name of the LangChain class. Pass the function again when you open the collection.

    Parameters
    ----------
    embedding_function
        Any object with LangChain's methods ``embed_documents`` and ``embed_query``.

    Raises
    ------
    ValueError
        The object lacks one of the two methods.
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
        """Embed documents, as LangChain does: the vectors are lists of floats."""
        return self.embedding_function.embed_documents(list(documents))  # type: ignore[no-any-return]

    def embed_query(self, input: object) -> Any:
        """Embed one query, given as text, or a list of queries."""
        if isinstance(input, str):
            return self.embedding_function.embed_query(input)
        return [self.embedding_function.embed_query(text) for text in texts_of(input)]

    def embed_image(self, uris: list[str]) -> list[list[float]]:
        """Embed images by their URIs, if the LangChain object can. Raise a ValueError if it cannot."""
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
        """Return the name under which this class is registered and stored."""
        return "langchain"

    def get_config(self) -> Config:
        """Return the name of the LangChain class, as Chroma stores it. The function cannot be built from it."""
        return {
            "embedding_function_class": type(self.embedding_function).__name__,
            "note": "This is a placeholder config. You will need to recreate the langchain embedding function.",
        }

    @staticmethod
    def build_from_config(config: Config) -> NoReturn:
        """Raise a NotImplementedError: the LangChain object is not stored."""
        raise NotImplementedError(f"A LangChain embedding function cannot be built from its configuration: {HOW}.")

    def is_legacy(self) -> bool:
        """Return False: the collection stores the name of the class, although it cannot build the function from it."""
        return False

    def validate_config_update(self, old_config: Config, new_config: Config) -> None:
        """Raise a NotImplementedError, as Chroma does."""
        raise NotImplementedError(f"The configuration of a LangChain embedding function cannot be updated: {HOW}.")

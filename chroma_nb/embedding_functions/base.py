"""What an embedding function is: texts (or images) in, vectors out, and a name and a configuration to find it again.

Not a model: those are one file each beside this one. Not the choice of a function for a collection: that is the
client's.
"""

from __future__ import annotations

import random
import time
import warnings
from abc import abstractmethod
from collections.abc import Callable
from types import FunctionType
from typing import Any, Protocol, TypeAlias, TypeVar, cast, runtime_checkable

import numpy as np

from chroma_nb._optional import require
from chroma_nb.embeddings import normalize_embeddings
from chroma_nb.plain import shown
from chroma_nb.types import (
    SPACES,
    Embeddable,
    Embeddings,
    Json,
    Options,
    Space,
    SparseVector,
    SparseVectors,
    URIs,
)

D = TypeVar("D", contravariant=True)
L = TypeVar("L", covariant=True)

#: The JSON object that a collection keeps about its embedding function.
Config: TypeAlias = Json

#: How often ``embed_with_retries`` tries when nothing else is said.
TRIES = 3


def _vectors(result: object) -> Embeddings:
    """What a function returned, as a list of arrays: arrays keep their kind of number, lists become float32.

    More is taken than Chroma takes: tuples, and lists of numpy's numbers.
    """
    if not isinstance(result, (list, tuple, np.ndarray)):
        raise _no_embeddings(result)
    if not isinstance(result, np.ndarray) and len(result) and isinstance(result[0], np.number):
        return normalize_embeddings(np.asarray(result, np.float32))  # type: ignore[return-value]  # None only for None
    if not isinstance(result, np.ndarray) and any(map(_is_no_plain_list, result)):
        result = [np.asarray(row, np.float32) for row in result]
    return normalize_embeddings(list(result) if isinstance(result, tuple) else result)  # type: ignore[return-value]


def _is_no_plain_list(row: object) -> bool:
    return isinstance(row, tuple) or (isinstance(row, list) and len(row) > 0 and isinstance(row[0], np.number))


def _no_embeddings(result: object) -> Exception:
    """What to raise for a result that holds none: Chroma's class and words, and what to do."""
    import inspect

    name = type(result).__name__
    if inspect.iscoroutine(result):
        result.close()
    if inspect.isawaitable(result) or hasattr(type(result), "__aiter__"):
        does = "is async. An embedding function is called without await, also by an async client"
        return TypeError(f"object of type '{name}' has no len()\nThe __call__ of this embedding function {does}.")
    advice = "An embedding function returns one list of numbers (or array) for each text"
    if result is None:  # Chroma asserts it, without a word
        return AssertionError(f"{advice}, got None. Check that its __call__ returns the vectors.")
    if not hasattr(type(result), "__len__"):
        return TypeError(f"object of type '{name}' has no len()\n{advice}, got {name}.")
    if hasattr(type(result), "__array__") or hasattr(type(result), "__dlpack__"):
        advice += ". Convert a tensor with np.asarray(…) (torch: .detach().cpu().numpy())"
    return ValueError(
        "Expected embeddings to be a list of floats or ints, a list of lists, a numpy array, or a list of numpy "
        f"arrays, got {shown(result)}\n{advice}."
    )


def normalize_sparse_vectors(result: object) -> SparseVectors:
    """``result`` if it is a non-empty list of SparseVector; else ValueError."""
    if not isinstance(result, list):
        raise ValueError(f"Expected sparse vectors to be a list, got {type(result).__name__}")
    if not result:
        raise ValueError("Expected sparse vectors to be a non-empty list, got 0 sparse vectors")
    for position, vector in enumerate(result):
        if not isinstance(vector, SparseVector):
            raise ValueError(f"Expected SparseVector instance at position {position}, got {type(vector).__name__}")
    return result


def _check_results(cls: type, check: Callable[[object], object]) -> None:
    """Let the ``__call__`` that ``cls`` defines pass its result through ``check``; an inherited one already does."""
    call = cls.__dict__.get("__call__")
    if call is None:
        return

    # No functools.wraps: Chroma looks at the signature, and accepts any parameter name in a subclass.
    def checked(self: object, input: object) -> object:
        return check(call(self, input))

    checked.__doc__ = call.__doc__
    cls.__call__ = checked  # type: ignore[method-assign]


def _with_retries(call: Callable[[Any], object], input: object, retry_kwargs: Options) -> object:
    if retry_kwargs:
        tenacity = require("tenacity", feature="embed_with_retries() with arguments")
        return tenacity.retry(**retry_kwargs)(call)(input)
    for attempt in range(TRIES - 1):
        try:
            return call(input)
        except Exception:  # noqa: BLE001  # whatever a model raises; the last one is not caught
            time.sleep(2**attempt * random.uniform(0.5, 1.0))  # noqa: S311  # spreads callers, hides nothing
    return call(input)


def _not_implemented(cls: type, method: str) -> object:
    """NotImplemented, said aloud: Chroma's way to let an incomplete class work, without being stored."""
    warnings.warn(
        f"{cls.__name__} has no {method}, so it cannot be stored with a collection. Define {method}.",
        DeprecationWarning,
        stacklevel=3,
    )
    return NotImplemented


@runtime_checkable
class EmbeddingFunction(Protocol[D]):
    """Convert texts or images into vectors. Subclass it to use a model of your own.

    Define ``__call__``, which takes a list of texts (or images) and returns one vector for each. That is enough
    to pass an object of the class as ``embedding_function``. To let a collection store the function as well, define
    ``__init__``, ``name``, ``get_config`` and ``build_from_config``, and register the class with
    ``register_embedding_function``.

    ``__call__`` may return lists, tuples or arrays. Callers receive a list of NumPy arrays: arrays keep their dtype,
    everything else becomes float32.

    Examples
    --------
    >>> from chroma_nb.embedding_functions.registry import register_embedding_function
    >>> from chroma_nb.types import Documents
    >>> @register_embedding_function
    ... class Lengths(EmbeddingFunction[Documents]):
    ...     def __init__(self) -> None: ...
    ...     def __call__(self, input):
    ...         return [[len(text), text.count(" ")] for text in input]
    ...     @staticmethod
    ...     def name():
    ...         return "lengths"
    ...     def get_config(self):
    ...         return {}
    ...     @staticmethod
    ...     def build_from_config(config):
    ...         return Lengths()
    >>> Lengths()(["a bird"])
    [array([6., 1.], dtype=float32)]
    """

    @abstractmethod
    def __call__(self, input: D) -> Embeddings:
        """Embed documents.

        Parameters
        ----------
        input
            The documents, usually a list of texts.

        Returns
        -------
        list of numpy.ndarray
            One vector for each document.
        """
        ...

    def embed_query(self, input: D) -> Embeddings:
        """Embed queries.

        Override it if the model treats queries and documents differently. By default it calls the function itself.

        Parameters
        ----------
        input
            The queries, usually a list of texts.

        Returns
        -------
        list of numpy.ndarray
            One vector for each query.
        """
        return self.__call__(input)

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        _check_results(cls, _vectors)

    def embed_with_retries(self, input: D, **retry_kwargs: object) -> Embeddings:
        """Embed ``input`` and try again if the function raises an exception.

        Parameters
        ----------
        input
            The texts or images.
        **retry_kwargs
            Arguments of ``tenacity.retry``, which needs the package tenacity. Without them there are at most
            three attempts, with a pause of 0.5 to 1 second after the first and twice as long after the second.

        Returns
        -------
        list of numpy.ndarray
            One vector for each item of ``input``.

        Raises
        ------
        Exception
            Whatever the last attempt raised.
        """
        return cast(Embeddings, _with_retries(self.__call__, input, retry_kwargs))

    def __init__(self, *args: object, **kwargs: object) -> None:
        _not_implemented(type(self), "__init__")

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return cast(str, _not_implemented(EmbeddingFunction, "name()"))

    def default_space(self) -> Space:
        """Return the distance that a new collection uses if you do not choose one.

        Returns
        -------
        str
            ``"l2"``, ``"cosine"`` or ``"ip"``. The base class returns ``"l2"``.
        """
        return "l2"

    def supported_spaces(self) -> list[Space]:
        """Return the distances that suit these vectors.

        A collection that is created with another distance gives a warning. The base class supports all three.
        """
        return list(SPACES)

    @staticmethod
    def build_from_config(config: Config) -> AnyEmbeddingFunction:
        """Build the function from a stored configuration.

        Parameters
        ----------
        config
            What ``get_config`` returned.
        """
        return cast("AnyEmbeddingFunction", _not_implemented(EmbeddingFunction, "build_from_config()"))

    def get_config(self) -> Config:
        """Return what is needed to build this function again, as JSON.

        A collection stores it in plain text: leave out API keys and other secrets.
        """
        return cast(Config, _not_implemented(type(self), "get_config()"))

    def validate_config_update(self, old_config: Config, new_config: Config) -> None:
        """Check whether a collection may replace one configuration by another.

        Parameters
        ----------
        old_config
            The stored configuration.
        new_config
            The configuration to replace it.

        Raises
        ------
        ValueError
            The change is not allowed. The base class allows every change.
        """
        return None

    @staticmethod
    def validate_config(config: Config) -> None:
        """Check a configuration before the function is built from it.

        Raises
        ------
        ValueError
            The configuration does not fit this class. The base class accepts every configuration.
        """
        return None

    def is_legacy(self) -> bool:
        """Return whether a collection cannot store this function, because it lacks a name or a configuration."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            if self.name() is NotImplemented:
                return True
            config = self.get_config()
            return config is NotImplemented or self.build_from_config(config) is NotImplemented


@runtime_checkable
class SparseEmbeddingFunction(Protocol[D]):
    """Convert texts into sparse vectors. Subclass it to use a model of your own.

    Define ``__init__``, ``__call__``, ``name``, ``get_config`` and ``build_from_config``, and register the class with
    ``register_sparse_embedding_function`` so that a stored schema can build it again. ``__call__`` returns a list with
    one ``SparseVector`` for each text; anything else raises a ValueError.
    """

    @abstractmethod
    def __call__(self, input: D) -> SparseVectors:
        """Embed documents.

        Parameters
        ----------
        input
            The documents, usually a list of texts.

        Returns
        -------
        list of SparseVector
            One sparse vector for each document.
        """
        ...

    def embed_query(self, input: D) -> SparseVectors:
        """Embed queries.

        Override it if the model treats queries and documents differently. By default it calls the function itself.

        Parameters
        ----------
        input
            The queries.

        Returns
        -------
        list of SparseVector
            One sparse vector for each query.
        """
        return self.__call__(input)

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        _check_results(cls, normalize_sparse_vectors)

    def embed_with_retries(self, input: D, **retry_kwargs: object) -> SparseVectors:
        """Embed ``input`` and try again if the function raises an exception.

        Parameters
        ----------
        input
            The texts.
        **retry_kwargs
            Arguments of ``tenacity.retry``, which needs the package tenacity. Without them there are at most
            three attempts.

        Returns
        -------
        list of SparseVector
            One sparse vector for each text.
        """
        return cast(SparseVectors, _with_retries(self.__call__, input, retry_kwargs))

    @abstractmethod
    def __init__(self, *args: object, **kwargs: object) -> None: ...

    @staticmethod
    @abstractmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        ...

    @staticmethod
    @abstractmethod
    def build_from_config(config: Config) -> SparseEmbeddingFunction[Any]:
        """Build the function from a stored configuration.

        Parameters
        ----------
        config
            What ``get_config`` returned.
        """
        ...

    @abstractmethod
    def get_config(self) -> Config:
        """Return what is needed to build this function again, as JSON.

        A collection stores it in plain text: leave out API keys and other secrets.
        """
        ...

    def validate_config_update(self, old_config: Config, new_config: Config) -> None:
        """Check whether a collection may replace one configuration by another.

        Parameters
        ----------
        old_config
            The stored configuration.
        new_config
            The configuration to replace it.

        Raises
        ------
        ValueError
            The change is not allowed. The base class allows every change.
        """
        return None

    @staticmethod
    def validate_config(config: Config) -> None:
        """Raise a ValueError if ``config`` does not fit this class. The base class accepts every configuration."""
        return None


class DataLoader(Protocol[L]):
    """Load what URIs point to: a callable that takes a list of URIs and returns a list of images."""

    def __call__(self, uris: URIs) -> L: ...


#: An embedding function whatever it takes, a data loader whatever it gives.
AnyEmbeddingFunction: TypeAlias = EmbeddingFunction[Any]
AnyDataLoader: TypeAlias = DataLoader[Any]


def validate_embedding_function(embedding_function: AnyEmbeddingFunction | EmbeddingFunction[Embeddable]) -> None:
    """Check that the parameters of ``__call__`` are named ``self`` and ``input``, as Chroma requires.

    Raises
    ------
    ValueError
        They have other names, or the object is not an embedding function.
    """
    _check_call(
        embedding_function,
        EmbeddingFunction,
        "Please note the recent change to the EmbeddingFunction interface: "
        "https://docs.trychroma.com/deployment/migration#migration-to-0.4.16---november-7,-2023 \n",
    )


def validate_sparse_embedding_function(sparse_vector_function: SparseEmbeddingFunction[Any]) -> None:
    """Check a sparse embedding function, as ``validate_embedding_function`` does for dense ones."""
    _check_call(sparse_vector_function, SparseEmbeddingFunction, "")


def _check_call(function: object, protocol: type[Any], note: str) -> None:
    import inspect

    found = inspect.signature(type(function).__call__).parameters.keys()
    expected = inspect.signature(protocol.__call__).parameters.keys()
    if found != expected:
        raise ValueError(
            f"Expected {protocol.__name__}.__call__ to have the following signature: {expected}, got {found}\n"
            "Please see https://docs.trychroma.com/guides/embeddings for details of the "
            f"{protocol.__name__} interface.\n{note}{_advice(function, protocol.__name__)}"
        )


def _advice(function: object, base: str) -> str:
    """What to write in place of something that is not an embedding function."""
    kind = function if isinstance(function, type) else type(function)
    name = getattr(function, "__name__", kind.__name__)
    if all(callable(getattr(kind, method, None)) for method in ("embed_documents", "embed_query")):
        objects = "its objects" if function is kind else "it"
        return (
            f"{kind.__name__} is a class of LangChain. Convert {objects} with create_langchain_embedding(…) of "
            "chroma_nb.utils.embedding_functions."
        )
    if isinstance(function, type):
        return f"{name} is a class. Pass an object of it: {name}(…)."
    if callable(getattr(kind, "encode", None)) and not isinstance(function, str | bytes):
        return (
            f"{name} is a model. Use SentenceTransformerEmbeddingFunction(model_name=…), or write a subclass of {base} "
            "whose __call__(self, input) returns model.encode(input)."
        )
    if isinstance(function, str):
        return (
            f"Expected an embedding function, got the text {shown(function, 40, repr)}. Pass an object, such as "
            "DefaultEmbeddingFunction() or OpenAIEmbeddingFunction(model_name=…)."
        )
    if callable(function):
        if isinstance(kind.__call__, FunctionType):
            return f"Name the parameter input: def __call__(self, input) in {kind.__name__}."
        return f"{name} is a function. Write a subclass of {base} whose __call__(self, input) calls it."
    return f"{kind.__name__} cannot be called. Write a subclass of {base} with __call__(self, input)."

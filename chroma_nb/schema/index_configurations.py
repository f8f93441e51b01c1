"""The configurations of single indexes: of vectors (HNSW, SPANN), sparse vectors, texts, numbers and bools.

Fields are given by keyword and checked one by one. Which index belongs to which type of value is ``value_types.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, TypeAlias

from chroma_nb.plain import plain, shown
from chroma_nb.schema.embedding_function import DEFAULT_EMBEDDING_FUNCTION
from chroma_nb.types import SPACES, Json, Space

#: Keys of a schema that stand for a record's text and vector.
DOCUMENT_KEY: Final = "#document"
EMBEDDING_KEY: Final = "#embedding"


def _optional_int(name: str, value: object) -> int | None:
    if value is None or isinstance(value, int):
        return None if value is None else int(value)
    try:
        if isinstance(value, str) or (isinstance(value, float) and value.is_integer()):
            return int(value)
    except ValueError:
        pass
    raise ValueError(f"{name}: expected an int, got {shown(value, show=repr)}")


def _optional_float(name: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected a float, got {shown(value, show=repr)}") from None


def _optional_bool(name: str, value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise ValueError(f"{name}: expected a bool, got {shown(value, show=repr)}")


def _optional_space(name: str, value: object) -> Any:
    if value is None or value in SPACES:
        return value
    raise ValueError(f"{name}: expected one of {', '.join(SPACES)}, got {shown(value, show=repr)}")


def _optional_function(name: str, value: object) -> Any:
    if value is None or callable(value):
        return value
    raise ValueError(f"{name} must be callable or None")


def _optional_source_key(name: str, value: object) -> str | None:
    key = getattr(value, "name", value)
    if key is None:
        return None
    if not isinstance(key, str):
        raise ValueError(f"{name} must be str or Key, got {type(value).__name__}")
    if key.startswith("#") and key != DOCUMENT_KEY:
        raise ValueError(
            f"{name} cannot begin with '#'. The only valid key starting with '#' is Key.DOCUMENT or '#document'."
        )
    return key


_Check: TypeAlias = Callable[[str, object], object]
_INT: Final[dict[str, _Check]] = dict.fromkeys(
    (
        "ef_construction",
        "max_neighbors",
        "ef_search",
        "num_threads",
        "batch_size",
        "sync_threshold",
        "search_nprobe",
        "write_nprobe",
        "reassign_neighbor_count",
        "split_threshold",
        "merge_threshold",
    ),
    _optional_int,
)


@dataclass(init=False)
class IndexConfig:
    """Base class of all index configurations. Their fields are keyword arguments.

    Raises
    ------
    ValueError
        A field is unknown or has a value of the wrong type.
    """

    #: How each field is checked.
    _checks: ClassVar[dict[str, _Check]] = {}
    #: Fields of Chroma's that are accepted and dropped, as Chroma does.
    _dropped: ClassVar[frozenset[str]] = frozenset()
    #: Whether Chroma refuses an unknown field in words of its own, or in those of its library.
    _own_words: ClassVar[bool] = False

    def __init__(self, **values: object) -> None:
        known = {one.name: one.default for one in fields(self)}
        unknown = [name for name in values if name not in known and name not in self._dropped]
        if unknown:
            raise ValueError(self._refusal({name: values[name] for name in unknown}))
        for name, default in known.items():
            check = self._checks[name]
            object.__setattr__(self, name, check(name, plain(values.get(name, default))))

    def model_dump(self, *, exclude_none: bool = False) -> Json:
        """Return the fields as a dict.

        Parameters
        ----------
        exclude_none
            Whether to leave out fields that are None.
        """
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        plain = {
            name: value.model_dump(exclude_none=exclude_none) if isinstance(value, IndexConfig) else value
            for name, value in values.items()
        }
        return {name: value for name, value in plain.items() if not (exclude_none and value is None)}

    @classmethod
    def _refusal(cls, unknown: Json) -> str:
        name = cls.__name__
        if not cls._own_words:
            return f"{len(unknown)} validation error{'s'[: len(unknown) > 1]} for {name}" + "".join(
                f"\n{field}\n  Extra inputs are not permitted [type=extra_forbidden, input_value={shown(value)}, "
                f"input_type={type(value).__name__}]"
                for field, value in unknown.items()
            )
        if len(unknown) == 1:
            return f"{next(iter(unknown))!r} is not a valid field for {name}. "
        return f"Invalid fields for {name}: {', '.join(map(repr, unknown))}. "


@dataclass(init=False)
class FtsIndexConfig(IndexConfig):
    """Index documents for ``where_document`` filters (full-text search). It has no fields."""


@dataclass(init=False)
class StringInvertedIndexConfig(IndexConfig):
    """Index metadata texts for ``where`` filters. It has no fields."""


@dataclass(init=False)
class IntInvertedIndexConfig(IndexConfig):
    """Index metadata integers for ``where`` filters. It has no fields."""


@dataclass(init=False)
class FloatInvertedIndexConfig(IndexConfig):
    """Index metadata floats for ``where`` filters. It has no fields."""


@dataclass(init=False)
class BoolInvertedIndexConfig(IndexConfig):
    """Index metadata bools for ``where`` filters. It has no fields."""


@dataclass(init=False)
class HnswIndexConfig(IndexConfig):
    """Set the parameters of the HNSW index of embeddings. None means the default.

    Collections use an HNSW index only where it pays; the other searches are exact. The parameters are those of Malkov
    and Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World
    graphs" (2016).

    Parameters
    ----------
    ef_construction
        How many candidates to consider when a record is inserted. Default 100.
    max_neighbors
        How many neighbours each record is linked to (``M`` in the paper). Default 16.
    ef_search
        How many candidates a search keeps. More find more of the true neighbours, in more time. Default 100; if you do
        not set it, a search may keep more.
    num_threads, batch_size, sync_threshold, resize_factor
        Stored for Chroma, without effect here.

    Raises
    ------
    ValueError
        A field is unknown or not a number.

    Examples
    --------
    >>> HnswIndexConfig(ef_search=50).ef_search
    50
    """

    _own_words: ClassVar[bool] = True
    _checks: ClassVar[dict[str, _Check]] = {**_INT, "resize_factor": _optional_float}

    ef_construction: int | None = None
    max_neighbors: int | None = None
    ef_search: int | None = None
    num_threads: int | None = None
    batch_size: int | None = None
    sync_threshold: int | None = None
    resize_factor: float | None = None


@dataclass(init=False)
class SpannIndexConfig(IndexConfig):
    """Set the parameters of SPANN, the index of Chroma Cloud. They have no effect in a local collection.

    Parameters
    ----------
    search_nprobe, write_nprobe, ef_construction, ef_search, max_neighbors
        Chroma's parameters, integers.
    reassign_neighbor_count, split_threshold, merge_threshold
        Chroma's parameters, integers.

    Raises
    ------
    ValueError
        A field is unknown or not an integer.
    """

    _own_words: ClassVar[bool] = True
    _checks: ClassVar[dict[str, _Check]] = _INT
    _dropped: ClassVar[frozenset[str]] = frozenset(
        {
            "search_rng_factor",
            "search_rng_epsilon",
            "nreplica_count",
            "write_rng_factor",
            "write_rng_epsilon",
            "num_samples_kmeans",
            "initial_lambda",
            "num_centers_to_merge_to",
            "center_drift_threshold",
            "quantize",
        }
    )

    search_nprobe: int | None = None
    write_nprobe: int | None = None
    ef_construction: int | None = None
    ef_search: int | None = None
    max_neighbors: int | None = None
    reassign_neighbor_count: int | None = None
    split_threshold: int | None = None
    merge_threshold: int | None = None


def _optional_config(kind: type[IndexConfig]) -> _Check:
    def check(name: str, value: object) -> Any:
        """A configuration, of an object or of the dict that means one."""
        if value is None or isinstance(value, kind):
            return value
        if isinstance(value, Mapping):
            return kind(**value)
        raise ValueError(f"{name}: expected a {kind.__name__}, got {type(value).__name__}")

    return check


@dataclass(init=False)
class VectorIndexConfig(IndexConfig):
    """Set the distance, the embedding function and the index of a collection's embeddings.

    Parameters
    ----------
    space
        The distance: ``"l2"`` (squared Euclidean), ``"cosine"`` (1 - cosine similarity) or ``"ip"`` (1 - inner
        product). None means the default of the embedding function.
    embedding_function
        The function that embeds documents and query texts. The default is the default model.
    source_key
        What is embedded. In a collection it is always the document.
    hnsw
        The parameters of the HNSW index, as ``HnswIndexConfig`` or dict.
    spann
        The parameters of SPANN, for Chroma Cloud. Not together with ``hnsw``.

    Raises
    ------
    ValueError
        A field is unknown or has a value of the wrong type.

    Examples
    --------
    >>> VectorIndexConfig(space="cosine", hnsw=HnswIndexConfig(ef_search=50)).space
    'cosine'
    """

    _checks: ClassVar[dict[str, _Check]] = {
        "space": _optional_space,
        "embedding_function": _optional_function,
        "source_key": _optional_source_key,
        "hnsw": _optional_config(HnswIndexConfig),
        "spann": _optional_config(SpannIndexConfig),
    }

    space: Space | None = None
    embedding_function: Any = DEFAULT_EMBEDDING_FUNCTION
    source_key: str | None = None
    hnsw: HnswIndexConfig | None = None
    spann: SpannIndexConfig | None = None


@dataclass(init=False)
class SparseVectorIndexConfig(IndexConfig):
    """Index the sparse vectors under one metadata key, for ``Knn(…, key=…)``.

    Parameters
    ----------
    embedding_function
        A sparse embedding function. It embeds query texts and, with ``source_key``, the documents that you add.
    source_key
        Where the texts come from: ``K.DOCUMENT`` or a metadata key. Their sparse vectors are stored under the key of
        the index. Needs ``embedding_function``. Without it, you store the sparse vectors yourself.
    bm25
        Whether each dimension of a query counts by how rare it is: ``ln(1 + (N - n + 0.5) / (n + 0.5))`` for ``N``
        records of which ``n`` have the dimension, as in Chroma. Set it for the vectors of
        ``ChromaBm25EmbeddingFunction``.

    Raises
    ------
    ValueError
        A field is unknown or has a value of the wrong type.
    """

    _own_words: ClassVar[bool] = True
    _checks: ClassVar[dict[str, _Check]] = {
        "embedding_function": _optional_function,
        "source_key": _optional_source_key,
        "bm25": _optional_bool,
    }
    _dropped: ClassVar[frozenset[str]] = frozenset({"algorithm"})

    embedding_function: object = None
    source_key: str | None = None
    bm25: bool | None = None

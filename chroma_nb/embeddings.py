"""Embeddings as they are given: one or many, in lists or arrays, checked with Chroma's words, as rows or one matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from chroma_nb import advice
from chroma_nb.advice import advised
from chroma_nb.cells import unmasked
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.plain import shown
from chroma_nb.types import Array, Embedding, Embeddings, Float32, Matrix

_DTYPES: Final = frozenset(map(np.dtype, (np.float16, np.float32, np.float64, np.int32, np.int64)))


def normalize_embeddings(target: object) -> Embeddings | None:
    """One embedding or many, in lists or arrays, as a list of arrays.

    >>> normalize_embeddings([1.0, 2.0])
    [array([1., 2.], dtype=float32)]
    """
    rows = embedding_rows(target)
    return None if rows is None else list(rows)


def embedding_rows(target: Any) -> Array | list[Embedding] | None:
    """As ``normalize_embeddings``, but rows of equal length stay, or become, one two-dimensional array."""
    if target is None:
        return None
    if type(target) is list and set(map(type, target)) == {list} and (rows := _rows_of_lists(target)) is not None:
        return rows
    if isinstance(target, list) and any(isinstance(row, np.ma.MaskedArray) for row in target):
        target = [unmasked(row) for row in target]
    target = unmasked(target)  # what is hidden becomes NaN, which is refused in Chroma's words
    if len(target) == 0:
        raise ValueError(f"Expected Embeddings to be non-empty list or numpy array, got {shown(target)}")
    if isinstance(target, np.ndarray):
        array = _unmasked(target)
        if array.ndim == 1:
            return array[np.newaxis]
        if array.ndim == 2:
            return array
    elif isinstance(target, list):
        first = target[0]
        if _is_number(first):
            return _float32(target)[np.newaxis]
        if isinstance(first, np.ndarray):
            return [_unmasked(row) for row in target] if np.ma.MaskedArray in map(type, target) else target
        if isinstance(first, list) and first and _is_number(first[0]):
            return [_float32(row) for row in target]
        if isinstance(first, list) and not first:
            raise ValueError(_empty_embedding(0))
    raise advised(
        ValueError(
            "Expected embeddings to be a list of floats or ints, a list of lists, a numpy array, or a list of "
            f"numpy arrays, got {shown(target)}"
        ),
        advice.for_embeddings(target),
    )


def _unmasked(array: Array) -> Array:
    """What a masked array hides is NaN, which is refused: it stands for no number. Others stay as they are."""
    if not isinstance(array, np.ma.MaskedArray):
        return array
    shown_only = np.ma.filled(np.ma.asarray(array, np.float32), np.nan) if np.ma.is_masked(array) else array
    return np.asarray(shown_only)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _float32(values: object) -> Float32:
    """An array of float32; what does not fit becomes infinite, which the engine refuses with its own words."""
    with np.errstate(over="ignore"):
        return np.asarray(values, dtype=np.float32)


def _rows_of_lists(rows: list[list[object]]) -> Matrix | None:
    """Lists of numbers, all of one length, as an array; None when they are something else."""
    if len(set(map(len, rows))) != 1 or not rows[0] or type(rows[0][0]) not in (int, float):
        return None
    with np.errstate(over="ignore"):
        return np.asarray(rows, dtype=np.float32)


def embedding_matrix(rows: Array | Sequence[Embedding]) -> Matrix:
    """Checked rows as one contiguous float32 array; an array that is one already is not copied.

    Raises InvalidArgumentError when the rows differ in length.

    >>> embedding_matrix([np.array([1.0, 2.0]), np.array([3.0, 4.0])]).shape
    (2, 2)
    """
    if not isinstance(rows, np.ndarray):
        if len({row.shape for row in rows}) != 1:
            raise advised(
                InvalidArgumentError("Inconsistent dimensions in provided embeddings"), advice.for_dimensions(rows)
            )
        rows = np.concatenate(rows).reshape(len(rows), -1) if len(rows) > 1 else rows[0][np.newaxis]
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(rows, dtype=np.float32)


def validate_embeddings(embeddings: object) -> Any:
    """ValueError unless arrays of float16, float32, float64, int32 or int64, none empty.

    >>> len(validate_embeddings([np.array([1.0, 2.0])]))
    1
    """
    if not isinstance(embeddings, list | np.ndarray):
        raise ValueError(f"Expected embeddings to be a list, got {type(embeddings).__name__}")
    if len(embeddings) == 0:
        raise ValueError(f"Expected embeddings to be a list with at least one item, got {len(embeddings)} embeddings")
    if isinstance(embeddings, np.ndarray) and embeddings.ndim == 2:
        if not embeddings.shape[1] or embeddings.dtype not in _DTYPES:
            _check_embedding(embeddings[0], 0)  # the rows of an array differ in nothing that is checked
        return embeddings
    if not all(isinstance(row, np.ndarray) for row in embeddings):
        kinds = sorted({type(row).__name__ for row in embeddings})
        raise ValueError(f"Expected each embedding in the embeddings to be a numpy array, got {kinds}")
    for position, row in enumerate(embeddings):
        _check_embedding(row, position)
    return embeddings


def _check_embedding(row: Array, position: int) -> None:
    if row.ndim != 1:
        raise ValueError(f"Expected a 1-dimensional array, got a {row.ndim}-dimensional array {shown(row)}")
    if row.size == 0:
        raise ValueError(_empty_embedding(position))
    if row.dtype not in _DTYPES:
        raise advised(
            ValueError(
                "Expected each value in the embedding to be a int or float, got an embedding with "
                f"{row.dtype} - {shown(row)}"
            ),
            advice.for_dtype(row.dtype),
        )


def _empty_embedding(position: int) -> str:
    return (
        "Expected each embedding in the embeddings to be a 1-dimensional numpy array with at least 1 int/float value. "
        f"Got a 1-dimensional numpy array with no values at pos {position}"
    )


# --- Vectors of records as a query -------------------------------------------------------------------------------
def vector_like(vectors: Mapping[str, object], like: Sequence[str], unlike: Sequence[str]) -> Matrix:
    """The query for records like some and unlike others, as a matrix of one row; ``vectors`` are those of the records.

    It is the mean of ``like``; with ``unlike``, that mean and once more the way to it from the mean of ``unlike``;
    without ``like``, the opposite of the mean of ``unlike``. InvalidArgumentError names ids that have no vector.

    >>> vector_like({"a": [1, 0], "b": [3, 0], "c": [0, 1]}, ["a", "b"], ["c"])
    array([[ 4., -1.]], dtype=float32)
    """
    unknown = [id_ for id_ in dict.fromkeys([*like, *unlike]) if not _is_there(vectors.get(id_))]
    if unknown:
        names = ", ".join(map(repr, unknown[:10])) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else "")
        raise InvalidArgumentError(
            f"Expected like and unlike to be ids of records with a vector, found none for {names}"
        )
    means = [np.mean([np.asarray(vectors[id_], np.float64) for id_ in ids], axis=0) for ids in (like, unlike) if ids]
    query = means[0] if not unlike else 2 * means[0] - means[1] if like else -means[0]
    with np.errstate(over="ignore"):
        row: Matrix = query.astype(np.float32)[None]
    if not np.isfinite(row).all():
        raise InvalidArgumentError(
            "Expected vectors with a mean that float32 can hold, those of like and unlike are too large"
        )
    return row


def _is_there(vector: Any) -> bool:
    return vector is not None and not bool(np.isnan(vector[0]))

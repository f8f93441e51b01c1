"""Embeddings of a table -> rows of float32: of a column of vectors, of a column for each dimension, of an array.

``bad`` collects the rows whose value is no vector, and why.
"""

from __future__ import annotations

import array

import numpy as np

from chroma_nb import cells
from chroma_nb._optional import Untyped, require
from chroma_nb.cells import ABSENT, Cell, is_missing, short, unmasked
from chroma_nb.plain import plain
from chroma_nb.types import Array, Mask, Matrix


def of_column(column: Untyped, bad: dict[int, str]) -> tuple[Matrix, Mask]:
    """A column of vectors as one array, without a Python float where the cells are arrays or Arrow."""
    if cells.is_arrow(column.dtype):
        flat = _arrow_vectors(column)
        if flat is not None:
            return _finite(*flat, bad)
        found = column.array.__arrow_array__().to_pylist()
    else:
        found = column.tolist()
    present = np.ones(len(found), bool)
    kinds = set(map(type, found))
    if kinds != {np.ndarray} and not (kinds == {list} and min(map(len, found))):  # where none is missing
        found = [_shown(cell) for cell in found]
        present = np.fromiter((not is_missing(cell) for cell in found), bool, len(found))
    rows = _stack(found if present.all() else [cell for cell, there in zip(found, present, strict=True) if there])
    if rows is None:
        rows, present = _stack_each(found, present, bad)
    if present.all():
        return _finite(rows, present, bad)
    vectors = np.zeros((len(found), rows.shape[1]), np.float32)
    vectors[present] = rows
    return _finite(vectors, present, bad)


def _shown(cell: object) -> Cell:
    """A vector as an array or list: what is hidden of it is NaN, and one that is hidden wholly is missing."""
    if isinstance(cell, np.ma.MaskedArray):
        return None if cell.size and np.ma.getmaskarray(cell).all() else unmasked(cell)
    if isinstance(cell, array.array) or (hasattr(cell, "__array__") and not isinstance(cell, np.ndarray | np.generic)):
        return np.asarray(cell)  # of another library
    return cell


def _stack(vectors: list[Cell]) -> Matrix | None:
    """Vectors of one length as an array; None when they are not."""
    if not vectors:
        return np.zeros((0, 0), np.float32)
    if set(map(type, vectors)) == {np.ndarray}:
        shapes, kinds = {one.shape for one in vectors}, {one.dtype.kind for one in vectors}
        if len(shapes) > 1 or not kinds <= {"f", "i", "u"} or vectors[0].ndim != 1 or not len(vectors[0]):
            return None
        return np.concatenate(vectors, dtype=np.float32, casting="unsafe").reshape(len(vectors), -1)
    if not (set(map(type, vectors)) == {list} or all(isinstance(one, list | tuple) for one in vectors)):
        return None
    try:
        rows = np.array(vectors)
    except ValueError:  # of different lengths
        return None
    return rows.astype(np.float32) if rows.ndim == 2 and rows.shape[1] and rows.dtype.kind in "fiu" else None


def _stack_each(vectors: list[Cell], present: Mask, bad: dict[int, str]) -> tuple[Matrix, Mask]:
    """As ``_stack``, row by row: those unlike the most common length are bad."""
    rows: dict[int, Array] = {}
    for row, cell in enumerate(vectors):
        if present[row]:
            found = _numbers(cell)
            if found is not None and found.ndim == 1 and found.dtype.kind in "fiu" and len(found):
                rows[row] = found
            else:
                bad.setdefault(row, f"expected a list of numbers as embedding, got {short(cell)}")
    lengths = [len(one) for one in rows.values()]
    length = max(set(lengths), key=lambda one: (lengths.count(one), -lengths.index(one)), default=0)
    for row, one in list(rows.items()):
        if len(one) != length:
            bad.setdefault(row, f"expected {length} dimensions of the embedding, got {len(one)}")
            del rows[row]
    there = np.zeros(len(vectors), bool)
    there[list(rows)] = True
    return np.array(list(rows.values()), np.float32).reshape(len(rows), length), there


def _numbers(cell: object) -> Array | None:
    """A vector as an array; None for what is none, or is ragged."""
    if not isinstance(cell, list | tuple | np.ndarray):
        return None
    try:
        return np.asarray(cell)
    except (ValueError, TypeError, OverflowError):
        return None


def of_array(values: Cell, bad: dict[int, str]) -> tuple[Matrix, Mask]:
    """A two-dimensional array; a row that a masked one hides wholly has no vector."""
    present = np.ones(len(values), bool)
    if isinstance(values, np.ma.MaskedArray):
        if values.shape[1]:
            present = np.asarray(~np.ma.getmaskarray(values).all(axis=1))
        values = np.array(unmasked(values))
        if values.dtype.kind == "f":
            values[~present] = 0
    values = np.asarray(values)
    if values.dtype.kind not in "fiu" or not values.shape[1]:
        return of_column(_objects(list(values), present), bad)
    return _finite(np.ascontiguousarray(values, np.float32), present, bad)


def _objects(rows: list[Cell], present: Mask) -> Cell:
    pd = require("pandas", feature="a DataFrame")
    return pd.Series([list(row) if there else None for row, there in zip(rows, present, strict=True)], dtype=object)


def of_columns(table: Untyped, bad: dict[int, str]) -> tuple[Matrix, Mask]:
    """A column for each dimension."""
    vectors = np.empty(table.shape, np.float32)
    for place, name in enumerate(table.columns):
        column = table[name]
        if _is_numeric(column.dtype):
            vectors[:, place] = column.to_numpy(dtype=np.float32, na_value=np.nan)
            continue
        for row, cell in enumerate(cells.cells(column)):
            if type(cell) in (int, float):
                vectors[row, place] = cell
            else:
                vectors[row, place] = np.nan if cell is ABSENT else 0
                if cell is not ABSENT:
                    bad.setdefault(row, f"expected a number in the column {str(plain(name))!r}, got {short(cell)}")
    return _finite(vectors, np.ones(len(vectors), bool), bad)


def _is_numeric(dtype: Untyped) -> bool:
    """Whether all cells are whole numbers, numbers or missing."""
    if cells.is_arrow(dtype):
        pa = require("pyarrow", feature="an Arrow column")
        return bool(pa.types.is_floating(dtype.pyarrow_dtype) or pa.types.is_integer(dtype.pyarrow_dtype))
    plain = getattr(dtype, "numpy_dtype", dtype)
    return isinstance(plain, np.dtype) and plain.kind in "iuf"


def _finite(vectors: Matrix, present: Mask, bad: dict[int, str]) -> tuple[Matrix, Mask]:
    """Mark the rows that hold NaN or infinity: no distance to them exists."""
    if vectors.size and not np.isfinite(vectors.sum(dtype=np.float64)):
        for row in np.flatnonzero(~np.isfinite(vectors).all(axis=1)):
            bad.setdefault(int(row), "the embedding holds NaN or infinity")
    return vectors, present


def _arrow_vectors(column: Untyped) -> tuple[Matrix, Mask] | None:
    """An Arrow column of lists of one length as an array; None when it is something else."""
    pa = require("pyarrow", feature="an Arrow column")
    compute = require("pyarrow.compute", feature="an Arrow column")
    lists = pa.chunked_array(column.array.__arrow_array__()).combine_chunks()
    if not (
        pa.types.is_fixed_size_list(lists.type) or pa.types.is_list(lists.type) or pa.types.is_large_list(lists.type)
    ):
        return None
    if not pa.types.is_floating(lists.type.value_type) and not pa.types.is_integer(lists.type.value_type):
        return None
    present = np.asarray(lists.is_valid())
    valid = lists if present.all() else lists.drop_null()
    numbers = valid.flatten()
    lengths = compute.min_max(compute.list_value_length(valid)).as_py()
    if not lengths["min"] or lengths["min"] != lengths["max"] or numbers.null_count:
        return None
    rows = np.ascontiguousarray(numbers.to_numpy(zero_copy_only=False), np.float32).reshape(len(valid), lengths["min"])
    if present.all():
        return rows, present
    vectors = np.zeros((len(lists), lengths["min"]), np.float32)
    vectors[present] = rows
    return vectors, present

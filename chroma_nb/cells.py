"""Convert a table's cell of any type to a metadata value, and recognise missing cells.

``tables/rows.py`` decides which column is which part of a record. pandas is used only where it is loaded.
"""

from __future__ import annotations

import array
import datetime
import decimal
import os
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from chroma_nb._optional import Untyped
from chroma_nb.plain import plain, plain_tree, shown
from chroma_nb.types import SPARSE_VECTOR_TYPE_VALUE, TYPE_KEY, Array, Json, SparseVector, as_sparse_vector

#: How a date is written, since a metadata value is text, a number or a bool: as ISO 8601 text, or
#: as seconds since 1970 (a time without zone counts as UTC), which ``$gt`` and ``$lt`` can compare.
Dates: TypeAlias = Literal["iso", "epoch"]
#: What a table, a dict or a file holds in one place: a value of any library's, to be looked at.
Cell: TypeAlias = Any

_INT64: Final = (-(2**63), 2**63 - 1)
#: The key under which Chroma keeps the document.
_DOCUMENT_KEY: Final = "chroma:document"


class _Absent:
    """No value in this cell. Not None, which in an update deletes a key."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: object = _Absent()


class BadCell(ValueError):
    """A cell that is no metadata value, and what makes one of it: said of a whole column, or of one value."""

    def __init__(self, reason: str, of_column: str = "", of_value: str = "") -> None:
        super().__init__(reason)
        self.in_column = f"{reason}; convert the column: {of_column}" if of_column else reason
        self.alone = f"{reason}; convert it: {of_value}" if of_value else reason


# --- Missing --------------------------------------------------------------------------------------------
def is_missing(cell: object) -> bool:
    """None, NaN, NA, NaT, and what a masked array hides.

    >>> is_missing(None), is_missing(float("nan")), is_missing(np.ma.masked), is_missing("")
    (True, True, True, False)
    """
    if cell is None or cell is ABSENT or cell is np.ma.masked:
        return True
    if isinstance(cell, float):
        number: float = plain(cell)
        return number != number
    if isinstance(cell, str | int | list | tuple | dict | np.ndarray):
        return False
    pd = sys.modules.get("pandas")
    if pd is None:
        return isinstance(cell, float | np.floating | np.datetime64 | np.timedelta64) and bool(cell != cell)
    try:
        return bool(pd.api.types.is_scalar(cell) and pd.isna(cell))
    except ArithmeticError:  # a Decimal that is a signalling NaN
        return True


def unmasked(values: object) -> Cell:
    """A masked array as a plain one: NaN where a number was hidden, None where anything else was; others as they are.

    >>> unmasked(np.ma.array([1, 2], mask=[False, True])).tolist()
    [1.0, nan]
    """
    if not isinstance(values, np.ma.MaskedArray):
        return values
    if not np.ma.is_masked(values):
        return np.asarray(values.data)
    if values.dtype.kind in "fiu":
        wide = values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)
        return np.where(np.ma.getmaskarray(values), np.array(np.nan, wide), values.data.astype(wide))
    shown = values.data.astype(object)
    shown[np.ma.getmaskarray(values)] = None
    return shown


# --- Columns --------------------------------------------------------------------------------------------
def cells(column: Untyped, dates: Dates = "iso", problems: dict[int, str] | None = None) -> list[Cell]:
    """A column (a pandas Series) as metadata values, ABSENT where a cell is empty.

    A cell that is no value stays as it is, and ``problems`` says of its row why.

    >>> import pandas as pd
    >>> cells(pd.Series(["b", None, "b"], dtype="category"))
    ['b', ABSENT, 'b']
    """
    dtype = column.dtype
    problems = {} if problems is None else problems
    kind = type(dtype).__name__
    if kind == "CategoricalDtype":
        return _decoded(column, dates, problems)
    found: list[Cell]
    if kind == "ArrowDtype":
        found = column.array.__arrow_array__().to_pylist()
    elif isinstance(dtype, np.dtype) and dtype.kind in "iufb":
        with np.errstate(over="ignore"):  # of a long double: infinite then, and refused
            found = (column.astype(np.float64) if dtype.itemsize > 8 else column).to_numpy().tolist()
    elif hasattr(dtype, "numpy_dtype"):  # pandas' nullable numbers
        found = column.array.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0)).tolist()
        for empty in np.flatnonzero(column.isna().to_numpy()):
            found[empty] = ABSENT
    else:
        found = column.tolist()
    if _are_plain(found):
        return found
    for row, cell in enumerate(found):
        if type(cell) is not str:
            try:
                found[row] = value(cell, dates)
            except BadCell as error:
                problems.setdefault(row, error.in_column)
    return found


def _decoded(column: Untyped, dates: Dates, problems: dict[int, str]) -> list[Cell]:
    """A categorical column: each category is converted, and checked, once."""
    of_categories: dict[int, str] = {}
    values = [*cells(column.dtype.categories.to_series(), dates, of_categories), ABSENT]  # the code of a missing is -1
    codes = column.cat.codes.to_numpy()
    if of_categories:
        for row in np.flatnonzero(np.isin(codes, list(of_categories))).tolist():
            problems.setdefault(row, of_categories[int(codes[row])])
    return [values[code] for code in codes.tolist()]


def is_arrow(dtype: object) -> bool:
    """Whether pandas keeps this column in Arrow's memory."""
    return type(dtype).__name__ == "ArrowDtype"


def _are_plain(values: list[Cell]) -> bool:
    """Whether all are values already, of one kind: seen by a look at all together."""
    kinds = set(map(type, values))
    if kinds <= {str, bool}:
        return True
    if kinds == {int}:
        return bool(_INT64[0] <= min(values) and max(values) <= _INT64[1])
    return kinds == {float} and bool(np.isfinite(values).all())


# --- Values ---------------------------------------------------------------------------------------------
def value(cell: Cell, dates: Dates = "iso") -> Cell:
    """A cell as a metadata value: text, whole number, number, bool, list of one of them, sparse vector, or ABSENT.

    Raises BadCell for anything else. An empty list is a missing cell: Chroma has no form for it.

    >>> value(np.float32(0.5)), value([1, 2.5]), value([])
    (0.5, [1.0, 2.5], ABSENT)
    """
    if is_missing(cell):
        return ABSENT
    for kind, convert in _CONVERSIONS:
        if isinstance(cell, kind):
            try:
                return convert(cell, dates)
            except BadCell:
                raise
            except RecursionError:  # a list in itself
                raise BadCell(
                    f"expected a value that can be converted, got {short(cell)}: it is nested too deeply"
                ) from None
            except (ValueError, OverflowError) as error:  # a date beyond the calendar
                raise BadCell(f"expected a value that can be converted, got {short(cell)}: {error}") from None
    if issubclass(type(cell), dict):
        cell = dict(dict.items(cell))  # none of a subclass's own methods is called
    vector = _sparse_vector(cell)
    if vector is not None:
        return vector
    raise _no_value(cell)


def _sparse_vector(cell: Cell) -> SparseVector | None:
    """A sparse vector, of ours or of chromadb's class or as JSON writes it; None for anything else."""
    try:
        if type(cell) is dict and plain(cell.get(TYPE_KEY)) == SPARSE_VECTOR_TYPE_VALUE:
            return SparseVector.from_dict(plain_tree({key: part for key, part in cell.items() if part is not None}))
        found = as_sparse_vector(cell)
        return found if found is None or found is cell else SparseVector(found.indices, found.values, found.labels)
    except KeyError as error:
        raise BadCell(f"expected a sparse vector, got {short(cell)}: it has no {error}") from None
    except (TypeError, ValueError) as error:
        raise BadCell(f"expected a sparse vector, got {short(cell)}: {error}") from None


def _no_value(cell: object) -> BadCell:
    of_column, of_value = next(remedy for kind, *remedy in _REMEDIES if isinstance(cell, kind))
    reason = f"expected text, a number, a bool, a date or a list of one of them, got {short(cell)}"
    return BadCell(reason, of_column, of_value)


#: What is no value -> what makes one of it, for a column and for one value.
_REMEDIES: Final[tuple[tuple[Any, str, str], ...]] = (
    (decimal.Decimal, "astype(float), or astype(str), which keeps every digit", "float(…), or str(…)"),
    (uuid.UUID, "astype(str)", "str(…)"),
    (bytes | bytearray | memoryview, 'str.decode("utf-8")', '….decode("utf-8")'),
    (os.PathLike, "astype(str)", "str(…)"),
    (complex, "abs(), or astype(str)", "abs(…), or str(…)"),
    (set | frozenset, 'map(sorted, na_action="ignore")', "sorted(…)"),
    (
        Mapping,
        'map(json.dumps, na_action="ignore"), or a column for each of its keys',
        "json.dumps(…), or a column for each of its keys",
    ),
    (Iterable, 'map(list, na_action="ignore")', "list(…)"),
    (object, "astype(str)", "str(…)"),
)


def _int(cell: object, dates: Dates) -> int:
    number: int = plain(cell)
    if not _INT64[0] <= number <= _INT64[1]:
        reason = f"expected a whole number of at most 64 bits, got {shown(number, 60)}"
        raise BadCell(reason, "astype(float), or astype(str)", "float(…), or str(…)")
    return number


def _float(cell: object, dates: Dates) -> float:
    number = float(cell) if isinstance(cell, np.generic) else plain(cell)
    if not np.isfinite(number):
        reason = "expected a finite number, got infinity, which Chroma cannot store"
        raise BadCell(reason, "replace([numpy.inf, -numpy.inf], None)", "None where it is missing")
    return number


def _datetime(cell: datetime.datetime, dates: Dates) -> str | float:
    if dates == "iso":
        return cell.isoformat()
    return (cell if cell.tzinfo else cell.replace(tzinfo=datetime.UTC)).timestamp()


def _date(cell: datetime.date, dates: Dates) -> str | float:
    if dates == "iso":
        return cell.isoformat()
    return _datetime(datetime.datetime(cell.year, cell.month, cell.day), dates)


def _numpy_scalar(cell: Cell, dates: Dates) -> Cell:
    if cell.dtype.kind in "mM":
        pd = sys.modules.get("pandas")
        if pd is None:
            return value(cell.astype(f"{cell.dtype.kind}8[us]").item(), dates)
        return value((pd.Timestamp if cell.dtype.kind == "M" else pd.Timedelta)(cell), dates)
    if cell.dtype.kind == "f":  # a long double's item() is itself
        return _float(cell, dates)
    if cell.dtype.kind not in "iubU":
        raise _no_value(complex(cell) if cell.dtype.kind == "c" else cell.item())
    return value(cell.item(), dates)


def _list(cell: Cell, dates: Dates) -> Cell:
    for kind in (list, tuple):
        if issubclass(type(cell), kind):
            cell = list(kind.__iter__(cell))  # none of a subclass's own methods is called
    if len(cell) == 0:
        return ABSENT
    values = [value(one, dates) for one in cell]
    kinds = set(map(type, values))
    if kinds == {int, float}:
        floats = [float(one) for one in values]
        if floats != values:  # Python compares whole numbers with floats exactly
            reason = f"expected numbers that all fit a float, as some have a fraction, got {short(cell)}"
            raise BadCell(reason, 'map(str, na_action="ignore")', "str(…)")
        return floats
    if len(kinds) != 1 or not kinds <= {str, int, float, bool}:
        reason = f"expected a list of values of one kind (text, number or bool), got {short(cell)}"
        raise BadCell(reason, 'map(json.dumps, na_action="ignore")', "json.dumps(…)")
    return values


def _array(cell: Array, dates: Dates) -> Cell:
    if cell.ndim == 0:  # a scalar in the dress of an array
        return value(cell.item() if cell.dtype.kind == "O" else cell[()], dates)
    return _list(list(unmasked(cell)), dates)


#: From the most special to the most general: bool is an int, datetime is a date, float64 a float.
_CONVERSIONS: Final[tuple[tuple[Any, Callable[[Cell, Dates], Cell]], ...]] = (
    (bool, lambda cell, dates: cell),
    (np.generic, _numpy_scalar),
    (str, lambda cell, dates: plain(cell)),
    (int, _int),
    (float, _float),
    (datetime.datetime, _datetime),
    (datetime.date, _date),
    (datetime.time, lambda cell, dates: cell.isoformat()),
    (datetime.timedelta, lambda cell, dates: cell.total_seconds()),
    (list | tuple | array.array, _list),
    (np.ndarray, _array),
)


def short(cell: object) -> str:
    """A value as a message shows it, with its type."""
    name = type(cell).__name__
    text = shown(cell, 40, repr)
    return (
        text if text.endswith(" that cannot be shown") else f"{text if len(text) <= 40 else text[:39] + '…'} ({name})"
    )


# --- Texts that cannot be written -------------------------------------------------------------------------
def check_encodable(values: list[Cell], what: str, problems: dict[int, str]) -> None:
    """Half of a surrogate pair cannot be stored: Python's text may hold one, UTF-8 may not."""
    kinds = set(map(type, values))
    if kinds == {str} and _is_utf8(values):
        return
    if not {str, list} & kinds:
        return
    texts = {row: one for row, one in enumerate(values) if isinstance(one, str)}
    if list in kinds:
        lists = {row: one for row, one in enumerate(values) if isinstance(one, list) and set(map(type, one)) == {str}}
        texts |= {row: "".join(one) for row, one in lists.items()}
    if _is_utf8(texts.values()):
        return
    for row, text in texts.items():
        if any("\ud800" <= character <= "\udfff" for character in text):
            problems.setdefault(row, f"{what} holds half of a surrogate pair, which cannot be written as UTF-8")


def _is_utf8(texts: Iterable[str]) -> bool:
    """Whether all of the texts can be written."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True


# --- Dicts ------------------------------------------------------------------------------------------------
def key_problem(key: object) -> str | None:
    """Why this cannot be a metadata key; None when it can."""
    if not isinstance(key, str):
        return f"expected a text as key, got {short(key)}"
    if not key:
        return "expected a text as key, got an empty one"
    if key[0] in "$#" or key == _DOCUMENT_KEY:
        return f"expected a key that is not reserved by Chroma ($…, #…, {_DOCUMENT_KEY}), got {key!r}"
    return None


def dicts(rows: Iterable[Cell], dates: Dates, problems: dict[int, str]) -> list[Json | None]:
    """Cells that each hold the whole metadata of a record, with every value checked as in a column of its own.

    A row is a dict, an Arrow map (a list of pairs) or a missing cell; None comes back where nothing is left.

    >>> dicts([{"year": np.int64(2020), "note": None}, [("a", 1)], None], "iso", {})
    [{'year': 2020}, {'a': 1}, None]
    """
    given = list(rows)
    if _are_plain_dicts(given):
        return [dict(one) if one else None for one in given]
    found: list[Json | None] = []
    for row, cell in enumerate(given):
        one: Json = {}
        for key, inner in _entries(cell, row, problems):
            reason = key_problem(key)
            if reason is None:
                try:
                    kept = value(inner, dates)
                    if kept is not ABSENT:
                        one[str.__str__(key)] = kept
                except BadCell as error:
                    reason = f"key {key!r}: {error.alone}"
            if reason is not None:
                problems.setdefault(row, reason)
        found.append(one or None)
    for what, texts in (
        ("a key", [list(one) if one else None for one in found]),
        ("the text", [list(_texts(one)) if one else None for one in found]),
    ):
        check_encodable(texts, what, problems)
    return found


def _are_plain_dicts(given: list[Cell]) -> bool:
    """Whether nothing has to be changed or refused, by a look at all keys and all values together."""
    if not set(map(type, given)) <= {dict, type(None)}:
        return False
    values = [one for row in given if row for one in row.values()]
    kinds = set(map(type, values))
    if not kinds <= {str, bool, int, float}:
        return False
    by_kind = {kind: [one for one in values if type(one) is kind] for kind in kinds}
    keys = {key for row in given if row for key in row}
    if not all(type(key) is str and key_problem(key) is None for key in keys):
        return False
    return _is_utf8([*keys, *by_kind.get(str, ())]) and all(_are_plain(by_kind[kind]) for kind in kinds)


def _entries(cell: Cell, row: int, problems: dict[int, str]) -> Iterable[tuple[Any, Cell]]:
    if is_missing(cell):
        return ()
    if issubclass(type(cell), dict):
        return dict.items(cell)
    if isinstance(cell, Mapping):
        return cell.items()
    if isinstance(cell, list) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in cell):
        return cell
    problems.setdefault(row, f"expected a dict of keys and values, got {short(cell)}")
    return ()


def _texts(metadata: Mapping[str, object]) -> Iterable[str]:
    for one in metadata.values():
        if isinstance(one, str):
            yield one
        elif isinstance(one, list) and isinstance(one[0], str):
            yield from one


# --- What metadata values are called --------------------------------------------------------------------------
def kind_of(value: object) -> str:
    """The kind of a metadata value, by Python's names.

    >>> kind_of(["a", "b"]), kind_of(True)
    ('list of str', 'bool')
    """
    return f"list of {kind_of(value[0])}" if isinstance(value, list) and value else type(value).__name__


#: Python's name of a kind -> what it is called where people read it.
_IN_WORDS: Final = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    SparseVector.__name__: "sparse vector",
}


def kind_in_words(kind: str) -> str:
    """What ``kind_of`` answers, for people.

    >>> kind_in_words("list of str"), kind_in_words("int")
    ('list of text', 'whole number')
    """
    of = "list of "
    return of + kind_in_words(kind.removeprefix(of)) if kind.startswith(of) else _IN_WORDS.get(kind, kind)

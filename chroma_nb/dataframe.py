"""Records <-> table: which column is which part of a record, and how a cell becomes a metadata value.

The only module that knows columns. It calls no collection: the calls that move a frame in or out
stand in ``dataframe_calls.py``. pandas is loaded by the first use; polars and Arrow tables are
recognised by their protocol and never imported.

A table has the columns ``id``, ``document``, ``uri`` and ``embedding``; every other column is a
metadata key. A key of one of those names is written ``metadata.<key>``.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from chroma_nb._optional import require
from chroma_nb.types import Matrix, Records

if TYPE_CHECKING:
    import pandas

#: What happens to a row that cannot become a record.
OnError: TypeAlias = Literal["raise", "skip"]
#: How a date is written, since a metadata value is text, a number or a bool: as ISO 8601 text, or
#: as seconds since 1970 (a time without zone counts as UTC), which ``$gt`` and ``$lt`` can compare.
Dates: TypeAlias = Literal["iso", "epoch"]
#: A column by its name, or as many values.
ColumnOrValues: TypeAlias = Any

#: Written before a metadata key that is called like a column of the record.
METADATA_PREFIX = "metadata."
_RECORD_COLUMNS = ("id", "document", "uri", "data", "embedding")
_HIT_COLUMNS = ("query", "query_text", "rank", "distance")
#: Where a frame of ours remembers which of its columns are not metadata (``DataFrame.attrs``).
_ATTRIBUTE = "chroma_nb"
_INT64 = range(-(2**63), 2**63)


class _Absent:
    """No value in this cell. Not None, which in an update deletes a key."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Any = _Absent()


# --- Recognising a table ------------------------------------------------------------------------------
def is_frame(value: object) -> bool:
    """Whether ``value`` is a table: pandas, polars (lazy, too), Arrow or anything else with their protocol.

    >>> is_frame(["a", "b"])
    False
    """
    kind = type(value)
    if _is_plan(kind):
        return True
    if not hasattr(kind, "__arrow_c_stream__") and not hasattr(kind, "__dataframe__"):
        return False
    return any(hasattr(value, name) for name in ("columns", "column_names", "schema"))


def _is_plan(kind: type) -> bool:
    """A polars.LazyFrame, or one that behaves like it: ``collect()`` makes the table."""
    return hasattr(kind, "collect") and hasattr(kind, "collect_schema")


def to_pandas(frame: Any) -> pandas.DataFrame:
    """``frame`` as a pandas DataFrame; a foreign table comes over as Arrow columns, a lazy one is run.

    >>> import pyarrow
    >>> to_pandas(pyarrow.table({"id": ["a"], "year": [2020]})).dtypes["year"]
    int64[pyarrow]
    """
    pd = require("pandas", feature="a DataFrame")
    if _is_plan(type(frame)):
        frame = frame.collect()
    if isinstance(frame, pd.DataFrame):
        result = frame
    elif not is_frame(frame):
        raise TypeError(f"expected a DataFrame, got a {type(frame).__name__}")
    elif hasattr(frame, "__arrow_c_stream__"):
        arrow = require("pyarrow", feature=f"reading a {type(frame).__module__.split('.')[0]} table")
        result = arrow.table(frame).to_pandas(types_mapper=pd.ArrowDtype)
    else:
        result = pd.api.interchange.from_dataframe(frame)
    if result.columns.nlevels > 1:
        raise ValueError("expected one level of column names, got several; flatten df.columns first")
    if not result.columns.is_unique:
        twice = sorted({str(name) for name in result.columns[result.columns.duplicated()]})
        raise ValueError(f"expected column names that differ, got {', '.join(twice)} more than once")
    return result  # type: ignore[no-any-return]


# --- Table -> records ---------------------------------------------------------------------------------
@dataclass(frozen=True)
class BadRow:
    """A row that cannot become a record: its place in the frame (from 0), its id, and why."""

    row: int
    id: str | None
    reason: str

    def __str__(self) -> str:
        return f"row {self.row} (id {self.id!r}): {self.reason}"


@dataclass(frozen=True)
class FrameRecords:
    """What a frame holds: ``records`` for Chroma's calls, and the rows that were left out.

    ``ids_are_row_numbers`` says that the frame named no ids and its 0, 1, 2, … became them.
    """

    records: Records
    skipped: list[BadRow] = field(default_factory=list)
    ids_are_row_numbers: bool = False

    def without(self, bad: Mapping[str, str], on_error: OnError) -> FrameRecords:
        """Without the records of these ids, which are bad rows for these reasons: listed, or raised."""
        if not bad:
            return self
        taken = {one.row for one in self.skipped}
        rows = [row for row in range(len(self.records) + len(taken)) if row not in taken]
        more = [BadRow(row, name, bad[name]) for row, name in zip(rows, self.records.ids, strict=True) if name in bad]
        if on_error == "raise":
            raise ValueError(_bad_rows_message(more))
        kept = [place for place, name in enumerate(self.records.ids) if name not in bad]
        skipped = sorted([*self.skipped, *more], key=lambda one: one.row)
        return replace(self, records=records_at(self.records, kept), skipped=skipped)


def records_at(records: Records, places: Sequence[int]) -> Records:
    """The records at these places, in their order; a field of which they have nothing is None."""
    whole = len(places) == len(records)

    def picked(values: Sequence[Any] | None) -> Sequence[Any] | None:
        found = values if whole or values is None else [values[place] for place in places]
        return found if found is not None and any(value is not None for value in found) else None

    vectors, has = records.embeddings, records.has_embedding
    if not whole:
        index = np.asarray(places, np.intp)
        vectors = None if vectors is None else vectors[index]
        has = None if has is None else has[index]
    if has is not None and not has.any():
        vectors = None
    return Records(
        ids=records.ids if whole else [records.ids[place] for place in places],
        embeddings=vectors,
        documents=picked(records.documents),
        metadatas=picked(records.metadatas),
        uris=picked(records.uris),
        has_embedding=None if vectors is None or has is None or has.all() else has,
    )


def from_frame(
    frame: Any,
    *,
    id: ColumnOrValues | None = None,
    document: ColumnOrValues | None = None,
    embedding: ColumnOrValues | None = None,
    uri: ColumnOrValues | None = None,
    metadata: str | Sequence[str] | None = None,
    on_error: OnError = "raise",
    dates: Dates = "iso",
    partial: bool = False,
) -> FrameRecords:
    """The records of a frame, one a row.

    ``id``, ``document``, ``embedding`` and ``uri`` name a column or give the values; without them
    the columns of that name are taken, and the index where there is no ``id``. ``embedding`` may
    also be a list of columns, one a dimension, or an array of shape (rows, dimension).
    ``metadata`` names the metadata columns; default is every other column.

    A missing cell (None, NaN, NA, NaT) is an absent key. Dates become ISO 8601 text, or seconds since
    1970 with ``dates="epoch"``. ``partial`` allows rows without document, uri and embedding, as
    an update needs them. A row that cannot become a record raises ValueError, or is left out and
    listed in ``skipped`` with ``on_error="skip"``.

    >>> import pandas as pd
    >>> found = from_frame(pd.DataFrame({"id": ["a"], "document": ["one"], "year": [2020]}))
    >>> found.records.documents, found.records.metadatas
    (['one'], [{'year': 2020}])
    """
    _one_of("on_error", on_error, ("raise", "skip"))
    _one_of("dates", dates, ("iso", "epoch"))
    table = to_pandas(frame)
    columns = _Columns(table, id=id, document=document, embedding=embedding, uri=uri)
    bad: dict[int, str] = {}
    ids = columns.ids(bad)
    documents = columns.texts("document", bad)
    uris = columns.texts("uri", bad)
    vectors, has_vector = columns.embeddings(bad)
    metadatas = _metadatas(table, columns.metadata_names(metadata), dates, bad)
    if not partial:
        _need_content(len(table), documents, uris, has_vector, bad)
    skipped = [BadRow(row, ids[row] or None, reason) for row, reason in sorted(bad.items())]
    if skipped and on_error == "raise":
        raise ValueError(_bad_rows_message(skipped))
    return FrameRecords(
        _records(ids, documents, uris, vectors, has_vector, metadatas, set(bad)), skipped, columns.ids_are_row_numbers
    )


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"expected {name} to be one of {', '.join(map(repr, allowed))}, got {value!r}")


def _bad_rows_message(skipped: list[BadRow]) -> str:
    shown = "; ".join(map(str, skipped[:3]))
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    what = "1 row cannot become a record" if len(skipped) == 1 else f"{len(skipped)} rows cannot become records"
    return f'{what}: {shown}{more}. Leave them out with on_error="skip"'


def _need_content(
    rows: int,
    documents: list[Any] | None,
    uris: list[Any] | None,
    has_vector: npt.NDArray[np.bool_] | None,
    bad: dict[int, str],
) -> None:
    """Chroma wants something to find each record by."""
    if documents is None and uris is None and has_vector is None:
        raise ValueError(
            "expected a column 'document', 'embedding' or 'uri', got none; name the one that holds the text: "
            'document="…"'
        )
    for row in range(rows):
        if (
            (documents is None or documents[row] is None)
            and (uris is None or uris[row] is None)
            and (has_vector is None or not has_vector[row])
        ):
            bad.setdefault(row, "no document, embedding or uri")


def _records(
    ids: list[str],
    documents: list[Any] | None,
    uris: list[Any] | None,
    vectors: Matrix | None,
    has_vector: npt.NDArray[np.bool_] | None,
    metadatas: list[dict[str, Any] | None] | None,
    bad: set[int],
) -> Records:
    keep = [row for row in range(len(ids)) if row not in bad]

    def kept(values: list[Any] | None) -> list[Any] | None:
        return values if values is None or not bad else [values[row] for row in keep]

    if has_vector is not None and vectors is not None and bad:
        vectors, has_vector = vectors[keep], has_vector[keep]
    if has_vector is not None and not has_vector.any():
        vectors = has_vector = None
    return Records(
        ids=ids if not bad else [ids[row] for row in keep],
        embeddings=vectors,
        documents=kept(documents),
        metadatas=kept(metadatas),
        uris=kept(uris),
        has_embedding=None if has_vector is None or has_vector.all() else has_vector,
    )


class _Columns:
    """Which column of a table is which part of the record."""

    def __init__(self, table: Any, **parts: Any) -> None:
        self._table = table
        self._parts = {part: self._find(part, given) for part, given in parts.items()}
        self.ids_are_row_numbers = self._parts["id"] is None and _is_row_numbers(table.index)

    def _find(self, part: str, given: Any) -> Any:
        """The column or the values of one part, None when the table has none."""
        if given is None:
            return part if part in self._table.columns else None
        if isinstance(given, str) or (
            part == "embedding" and isinstance(given, list) and given and all(isinstance(name, str) for name in given)
        ):
            for name in [given] if isinstance(given, str) else given:
                if name not in self._table.columns:
                    raise ValueError(
                        f"expected {part}= to name a column, got {name!r}; there are: "
                        + ", ".join(map(str, self._table.columns))
                    )
            return given
        if len(given) != len(self._table):
            raise ValueError(f"expected one {part} a row, {len(self._table)} in all, got {len(given)}")
        return np.asarray(given) if part == "embedding" else list(given)

    def _values(self, part: str) -> Any:
        """A part as a column of the table, as given values, or None."""
        found = self._parts[part]
        return self._table[found] if isinstance(found, str) else found

    def metadata_names(self, wanted: str | Sequence[str] | None) -> list[Any]:
        """The columns that are metadata, in the table's order."""
        if wanted is not None:
            names = [wanted] if isinstance(wanted, str) else list(wanted)
            for name in names:
                if name not in self._table.columns:
                    raise ValueError(f"expected metadata= to name columns, got {name!r}, which is none")
            return names
        used: set[Any] = set(self._table.attrs.get(_ATTRIBUTE, ()))
        for part in self._parts.values():
            used.update([part] if isinstance(part, str) else part if _is_names(part) else ())
        return [name for name in self._table.columns if name not in used]

    def ids(self, bad: dict[int, str]) -> list[str]:
        """The ids as text; missing and repeated ones are bad rows."""
        pd = require("pandas", feature="a DataFrame")
        found = self._values("id")
        if found is None:
            found = self._table.index.to_series()
        cells = _cells(pd.Series(found, dtype=object) if isinstance(found, list) else found)
        _check_encodable(cells, "the id", bad)
        if set(map(type, cells)) == {str} and len(set(cells)) == len(cells):
            return cells
        seen: set[str] = set()
        ids: list[str] = []
        for row, cell in enumerate(cells):
            name = "" if cell is ABSENT else str(cell)
            if not isinstance(cell, str | int) or isinstance(cell, bool):
                reason = "no id" if cell is ABSENT else f"expected a text or whole number as id, got {cell!r}"
                bad.setdefault(row, reason)
            elif name in seen:
                bad.setdefault(row, "an earlier row has the same id")
            seen.add(name)
            ids.append(name)
        return ids

    def texts(self, part: str, bad: dict[int, str]) -> list[str | None] | None:
        """Documents or uris; None where the cell is empty."""
        pd = require("pandas", feature="a DataFrame")
        found = self._values(part)
        if found is None:
            return None
        cells = _cells(pd.Series(found, dtype=object) if isinstance(found, list) else found)
        for row, cell in enumerate(cells):
            if cell is ABSENT:
                cells[row] = None
            elif not isinstance(cell, str):
                bad.setdefault(row, f"expected a text as {part}, got {cell!r}")
        _check_encodable(cells, f"the {part}", bad)
        return cells

    @np.errstate(over="ignore")  # what float32 cannot hold becomes infinite, and a bad row
    def embeddings(self, bad: dict[int, str]) -> tuple[Matrix | None, npt.NDArray[np.bool_] | None]:
        """One row of float32 a record, and which of them hold a vector."""
        found = self._parts["embedding"]
        if found is None:
            return None, None
        if isinstance(found, str):
            return _vectors(self._table[found], bad)
        if _is_names(found):
            found = self._table[found].to_numpy(np.float32)
        if found.ndim == 2:
            return _finite(np.ascontiguousarray(found, np.float32), np.ones(len(found), bool), bad)
        pd = require("pandas", feature="a DataFrame")
        return _vectors(pd.Series(list(found), dtype=object), bad)


def _is_names(part: Any) -> bool:
    return isinstance(part, list) and bool(part) and all(isinstance(name, str) for name in part)


def _is_row_numbers(index: Any) -> bool:
    """Whether nobody chose this index: a range, or 0 to n-1 in another order, as sorting leaves it."""
    pd = require("pandas", feature="a DataFrame")
    if index.name is not None:
        return False
    if isinstance(index, pd.RangeIndex):
        return True
    if not isinstance(index.dtype, np.dtype) or index.dtype.kind not in "iu":
        return False
    return bool(np.array_equal(np.sort(index.to_numpy()), np.arange(len(index))))


# --- Vectors --------------------------------------------------------------------------------------------
def _vectors(column: Any, bad: dict[int, str]) -> tuple[Matrix, npt.NDArray[np.bool_]]:
    """A column of vectors as one array, without a Python float where the cells are arrays or Arrow."""
    if _is_arrow(column.dtype):
        flat = _arrow_vectors(column)
        if flat is not None:
            return _finite(*flat, bad)
        cells = column.array.__arrow_array__().to_pylist()
    else:
        cells = column.tolist()
    present = np.ones(len(cells), bool)
    if set(map(type, cells)) != {np.ndarray}:
        present = np.fromiter((not is_missing(cell) for cell in cells), bool, len(cells))
    found = cells if present.all() else [cell for cell, there in zip(cells, present, strict=True) if there]
    rows = _stack(found)
    if rows is None:
        rows, present = _stack_each(cells, present, bad)
    if present.all():
        return _finite(rows, present, bad)
    vectors = np.zeros((len(cells), rows.shape[1]), np.float32)
    vectors[present] = rows
    return _finite(vectors, present, bad)


def _stack(cells: list[Any]) -> Matrix | None:
    """Vectors of one length as an array; None when they are not."""
    if not cells:
        return np.zeros((0, 0), np.float32)
    if set(map(type, cells)) == {np.ndarray}:
        shapes, kinds = {cell.shape for cell in cells}, {cell.dtype.kind for cell in cells}
        if len(shapes) > 1 or not kinds <= {"f", "i", "u"} or cells[0].ndim != 1 or not len(cells[0]):
            return None
        return np.concatenate(cells, dtype=np.float32, casting="unsafe").reshape(len(cells), -1)
    if not all(isinstance(cell, list | tuple) for cell in cells):
        return None
    try:
        rows = np.array(cells)
    except ValueError:  # of different lengths
        return None
    return rows.astype(np.float32) if rows.ndim == 2 and rows.shape[1] and rows.dtype.kind in "fiu" else None


def _stack_each(
    cells: list[Any], present: npt.NDArray[np.bool_], bad: dict[int, str]
) -> tuple[Matrix, npt.NDArray[np.bool_]]:
    """As ``_stack``, row by row: those unlike the most common length are bad."""
    rows: dict[int, npt.NDArray[Any]] = {}
    for row, cell in enumerate(cells):
        if present[row]:
            array = np.asarray(cell) if isinstance(cell, list | tuple | np.ndarray) else np.empty(0, object)
            if array.ndim == 1 and array.dtype.kind in "fiu" and len(array):
                rows[row] = array
            else:
                bad.setdefault(row, f"expected a list of numbers as embedding, got {_short(cell)}")
    lengths = [len(array) for array in rows.values()]
    length = max(set(lengths), key=lambda one: (lengths.count(one), -lengths.index(one)), default=0)
    for row, array in list(rows.items()):
        if len(array) != length:
            bad.setdefault(row, f"expected {length} numbers as embedding, got {len(array)}")
            del rows[row]
    there = np.zeros(len(cells), bool)
    there[list(rows)] = True
    return np.array(list(rows.values()), np.float32).reshape(len(rows), length), there


def _finite(
    vectors: Matrix, present: npt.NDArray[np.bool_], bad: dict[int, str]
) -> tuple[Matrix, npt.NDArray[np.bool_]]:
    """Mark the rows that hold NaN or infinity: no distance to them exists."""
    if vectors.size and not np.isfinite(vectors.sum(dtype=np.float64)):
        for row in np.flatnonzero(~np.isfinite(vectors).all(axis=1)):
            bad.setdefault(int(row), "the embedding holds NaN or infinity")
    return vectors, present


def _is_arrow(dtype: Any) -> bool:
    return type(dtype).__name__ == "ArrowDtype"


def _arrow_vectors(column: Any) -> tuple[Matrix, npt.NDArray[np.bool_]] | None:
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


# --- Metadata -------------------------------------------------------------------------------------------
def _metadatas(table: Any, names: list[Any], dates: Dates, bad: dict[int, str]) -> list[dict[str, Any] | None] | None:
    """One dict a row; None for a row without any key, None for a table without metadata columns."""
    keys: list[str] = []
    columns: list[list[Any]] = []
    whole: list[list[Any]] = []
    for name in names:
        if name == "metadata" and _holds_dicts(table[name]):
            whole.append([None if is_missing(cell) else cell for cell in table[name].tolist()])
            continue
        key = str(name).removeprefix(METADATA_PREFIX)
        if not key or key[0] in "$#":
            raise ValueError(f"expected column names that can be metadata keys, got {name!r}; rename or drop it")
        problems: dict[int, str] = {}
        columns.append(_cells(table[name], dates, problems))
        _check_encodable(columns[-1], "the text", problems)
        keys.append(key)
        for row, reason in problems.items():
            bad.setdefault(row, f"column {str(name)!r}: {reason}")
    if not keys and not whole:
        return None
    if len(set(keys)) != len(keys):
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise ValueError(f"two columns would become the metadata key {', '.join(map(repr, twice))}; rename one")
    rows = [
        {key: cell for key, cell in zip(keys, cells, strict=True) if cell is not ABSENT} or None
        for cells in (zip(*columns, strict=True) if columns else [()] * len(table))
    ]
    for dicts in whole:
        rows = [({**given, **(row or {})} or None) if given else row for given, row in zip(dicts, rows, strict=True)]
    return rows


def _check_encodable(cells: list[Any], what: str, bad: dict[int, str]) -> None:
    """Half of a surrogate pair cannot be stored: Python's text may hold one, UTF-8 may not."""
    texts = {row: cell for row, cell in enumerate(cells) if isinstance(cell, str)}
    try:
        "".join(texts.values()).encode()
    except UnicodeEncodeError:
        for row, text in texts.items():
            if any("\ud800" <= character <= "\udfff" for character in text):
                bad.setdefault(row, f"{what} holds a lone surrogate, which cannot be written as UTF-8")


def _holds_dicts(column: Any) -> bool:
    """Whether this is the ``metadata`` column of Chroma's own helper functions."""
    if column.dtype != object:
        return False
    cells = [cell for cell in column.tolist() if not is_missing(cell)]
    return bool(cells) and all(isinstance(cell, dict) for cell in cells)


def _cells(column: Any, dates: Dates = "iso", bad: dict[int, str] | None = None) -> list[Any]:
    """A column as Python values, ABSENT where a cell is empty; a cell that is none stays, and ``bad`` says why."""
    dtype = column.dtype
    if type(dtype).__name__ == "CategoricalDtype":
        values = [*_cells(dtype.categories.to_series(), dates), ABSENT]
        return [values[code] for code in column.cat.codes.tolist()]
    cells: list[Any]
    if _is_arrow(dtype):
        cells = column.array.__arrow_array__().to_pylist()
    elif isinstance(dtype, np.dtype) and dtype.kind in "iufb":
        cells = column.to_numpy().tolist()
    elif hasattr(dtype, "numpy_dtype"):  # pandas' nullable numbers
        cells = column.array.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0)).tolist()
        for empty in np.flatnonzero(column.isna().to_numpy()):
            cells[empty] = ABSENT
    else:
        cells = column.tolist()
    kinds = set(map(type, cells))
    if kinds <= {str, bool}:
        return cells
    if kinds == {int} and min(cells) in _INT64 and max(cells) in _INT64:
        return cells
    if kinds == {float} and np.isfinite(cells).all():
        return cells
    for row, cell in enumerate(cells):
        if type(cell) is not str:
            try:
                cells[row] = _value(cell, dates)
            except ValueError as error:
                if bad is not None:
                    bad.setdefault(row, str(error))
    return cells


def _value(cell: Any, dates: Dates) -> Any:
    """A cell as a metadata value: text, whole number, number, bool, list of one of them, or ABSENT."""
    if is_missing(cell):
        return ABSENT
    for kind, convert in _CONVERSIONS:
        if isinstance(cell, kind):
            return convert(cell, dates)
    if all(hasattr(cell, name) for name in ("indices", "values", "to_dict")):  # a SparseVector, ours or Chroma's
        return cell
    raise ValueError(f"expected text, a number, a bool, a date or a list of one of them, got {_short(cell)}")


def _int(cell: Any, dates: Dates) -> int:
    number = int(cell)
    if number not in _INT64:
        raise ValueError(f"expected a whole number of at most 64 bits, got {number}")
    return number


def _float(cell: Any, dates: Dates) -> float:
    number = float(cell)
    if not np.isfinite(number):
        raise ValueError("expected a finite number, got infinity, which Chroma cannot store")
    return number


def _datetime(cell: datetime.datetime, dates: Dates) -> str | float:
    if dates == "iso":
        return cell.isoformat()
    return (cell if cell.tzinfo else cell.replace(tzinfo=datetime.UTC)).timestamp()


def _date(cell: datetime.date, dates: Dates) -> str | float:
    if dates == "iso":
        return cell.isoformat()
    return _datetime(datetime.datetime(cell.year, cell.month, cell.day), dates)


def _numpy_scalar(cell: Any, dates: Dates) -> Any:
    if cell.dtype.kind in "mM":
        pd = require("pandas", feature="a DataFrame")
        return _value((pd.Timestamp if cell.dtype.kind == "M" else pd.Timedelta)(cell), dates)
    return _value(cell.item(), dates)


def _list(cell: Any, dates: Dates) -> list[Any]:
    values = [_value(one, dates) for one in cell]
    kinds = set(map(type, values))
    if len(kinds) != 1 or not kinds <= {str, int, float, bool}:
        raise ValueError(f"expected a list of values of one kind (text, number or bool), got {_short(cell)}")
    return values


#: From the most special to the most general: bool is an int, datetime is a date, float64 a float.
_CONVERSIONS: tuple[tuple[Any, Callable[[Any, Dates], Any]], ...] = (
    (bool, lambda cell, dates: cell),
    (np.generic, _numpy_scalar),
    (str, lambda cell, dates: str.__str__(cell)),
    (int, _int),
    (float, _float),
    (datetime.datetime, _datetime),
    (datetime.date, _date),
    (datetime.time, lambda cell, dates: cell.isoformat()),
    (datetime.timedelta, lambda cell, dates: cell.total_seconds()),
    ((list, tuple), _list),
    (np.ndarray, lambda cell, dates: _list(np.atleast_1d(cell), dates)),
)


def is_missing(cell: Any) -> bool:
    """None, NaN, NA, NaT: the empty cells of pandas."""
    if cell is None or cell is ABSENT:
        return True
    if type(cell) is float:
        return cell != cell
    if isinstance(cell, str | int | list | tuple | dict | np.ndarray):
        return False
    pd: Any = sys.modules["pandas"]
    return bool(pd.api.types.is_scalar(cell) and pd.isna(cell))


def _short(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 40 else text[:39] + '…'} ({type(value).__name__})"


# --- Records -> table -----------------------------------------------------------------------------------
def to_frame(
    result: Mapping[str, Any],
    *,
    columns: Sequence[str] | None = None,
    query_texts: Sequence[str] | None = None,
) -> pandas.DataFrame:
    """What ``get`` or ``query`` answered as a table: one row a record, or one row a hit.

    A get has ``id``, ``document``, ``uri``, the metadata keys in alphabetical order, and
    ``embedding`` when it was included; a query puts ``query`` (from 0), ``query_text`` where known,
    ``rank`` (1 is the nearest) first and ``distance`` after the id. Fields that no record has are
    left out. Whole numbers stay whole beside missing ones (Int64), bool stays bool, a key that a
    record does not have is a missing cell. ``columns`` picks columns and their order.

    >>> frame = to_frame({"ids": ["a", "b"], "metadatas": [{"year": 2020}, None]})
    >>> frame["year"].dtype, frame["year"].isna().tolist()
    (Int64Dtype(), [False, True])
    """
    pd = require("pandas", feature="to_df()")
    hits = "distances" in result or bool(result["ids"] and isinstance(result["ids"][0], list))
    parts: dict[str, Any] = _hit_parts(result, query_texts) if hits else {}
    flat = _flatten(result) if hits else result
    parts["id"] = flat["ids"]
    if flat.get("distances") is not None:
        parts["distance"] = np.array(flat["distances"], np.float64)
    for part, source in (("document", "documents"), ("uri", "uris")):
        if flat.get(source) is not None and (part == "document" or any(value is not None for value in flat[source])):
            parts[part] = flat[source]
    made = {
        name: pd.Series(values) if isinstance(values, np.ndarray) else _text_column(pd, values)
        for name, values in parts.items()
    }
    made.update(_metadata_columns(pd, flat.get("metadatas"), hits))
    if flat.get("data") is not None and any(value is not None for value in flat["data"]):
        made["data"] = pd.Series(list(flat["data"]), dtype=object)
    if flat.get("embeddings") is not None:
        made["embedding"] = pd.Series(_rows(flat["embeddings"]), dtype=object)
    frame = pd.DataFrame(made) if columns is None else _picked(pd, made, column_names(columns), len(flat["ids"]))
    frame.attrs[_ATTRIBUTE] = [name for name in (*_HIT_COLUMNS, "data") if name in parts or name == "data" in made]
    return frame  # type: ignore[no-any-return]


def _hit_parts(result: Mapping[str, Any], query_texts: Sequence[str] | None) -> dict[str, Any]:
    counts = [len(ids) for ids in result["ids"]]
    numbers = np.repeat(np.arange(len(counts)), counts)
    parts: dict[str, Any] = {"query": numbers}
    if query_texts is not None:
        parts["query_text"] = [query_texts[number] for number in numbers.tolist()]
    parts["rank"] = np.concatenate([np.arange(1, count + 1) for count in counts] or [np.arange(0)])
    return parts


def _flatten(result: Mapping[str, Any]) -> dict[str, Any]:
    """A query's lists of lists end to end."""
    fields = ("ids", "distances", "documents", "uris", "metadatas", "data", "embeddings")
    return {name: [one for many in result[name] for one in many] for name in fields if result.get(name) is not None}


def _text_column(pd: Any, values: Sequence[str | None]) -> Any:
    """Text, with missing cells. pandas 3 has a type for it; in pandas 2 ``str`` would write 'None'."""
    try:
        return pd.Series(values, dtype="str" if int(pd.__version__.split(".")[0]) >= 3 else object)
    except UnicodeEncodeError:  # half of a surrogate pair, which Arrow text cannot hold
        return pd.Series(values, dtype=object)


def _rows(embeddings: Any) -> list[Any]:
    """Each vector as a view of one float32 array."""
    if isinstance(embeddings, np.ndarray):
        return list(np.ascontiguousarray(embeddings, np.float32))
    return [None if row is None else np.asarray(row, np.float32) for row in embeddings]


def _metadata_columns(pd: Any, metadatas: Sequence[Mapping[str, Any] | None] | None, hits: bool) -> dict[str, Any]:
    if metadatas is None:
        return {}
    taken = {*_RECORD_COLUMNS, *(_HIT_COLUMNS if hits else ())}
    rows = [row or {} for row in metadatas]
    keys = sorted({key for row in rows for key in row})
    return {_column_name(key, taken): _metadata_column(pd, [row.get(key, ABSENT) for row in rows]) for key in keys}


def _column_name(key: str, taken: Iterable[str]) -> str:
    """The key, prefixed where it would be read back as something else."""
    return METADATA_PREFIX + key if key in taken or key.startswith(METADATA_PREFIX) else key


def _metadata_column(pd: Any, values: list[Any]) -> Any:
    """A column of the values' own type; of Python objects when the types differ."""
    present = [value for value in values if value is not ABSENT and value is not None]
    kinds = set(map(type, present))
    make = _COLUMNS.get(kinds.pop()) if len(kinds) == 1 else None
    if make is not None:
        try:
            return make(pd, values, len(present) == len(values))
        except OverflowError:  # a whole number beyond 64 bits
            pass
    return pd.Series([None if value is ABSENT else value for value in values], dtype=object)


def _absent(values: list[Any]) -> npt.NDArray[np.bool_]:
    return np.array([value is ABSENT or value is None for value in values], bool)


def _filled(values: list[Any], filler: Any) -> list[Any]:
    return [filler if value is ABSENT or value is None else value for value in values]


def _int_column(pd: Any, values: list[Any], full: bool) -> Any:
    numbers = np.array(_filled(values, 0), np.int64)
    return pd.Series(numbers if full else pd.arrays.IntegerArray(numbers, _absent(values)))


def _bool_column(pd: Any, values: list[Any], full: bool) -> Any:
    flags = np.array(_filled(values, False), bool)
    return pd.Series(flags if full else pd.arrays.BooleanArray(flags, _absent(values)))


def _float_column(pd: Any, values: list[Any], full: bool) -> Any:
    return pd.Series(np.array(_filled(values, np.nan), np.float64))


def _str_column(pd: Any, values: list[Any], full: bool) -> Any:
    return _text_column(pd, _filled(values, None))


_COLUMNS: dict[type, Callable[[Any, list[Any], bool], Any]] = {
    bool: _bool_column,
    int: _int_column,
    float: _float_column,
    str: _str_column,
}


def column_names(columns: Sequence[str]) -> Sequence[str]:
    """The names of columns, where the name of one is one, not its letters.

    >>> column_names("id"), column_names(["id", "year"])
    (['id'], ['id', 'year'])
    """
    return [columns] if isinstance(columns, str) else columns


def _picked(pd: Any, made: dict[str, Any], columns: Sequence[str], rows: int) -> Any:
    """The wanted columns; one that no record has is empty."""
    return pd.DataFrame(
        {name: made[name] if name in made else pd.Series([None] * rows, dtype=object) for name in columns},
        columns=list(columns),
    )


# --- Chroma's own helper functions (chromadb.utils.results) ---------------------------------------------
def get_result_to_df(get_result: Mapping[str, Any]) -> pandas.DataFrame:
    """Chroma's function of this name: the id as index, one column an included field.

    ``GetResult.to_df()`` is the richer form.

    >>> get_result_to_df({"ids": ["a"], "documents": ["one"], "included": ["documents"]})
       document
    id
    a       one
    """
    return _plain_frame(get_result["ids"], {name: get_result.get(name) for name in get_result["included"]})


def query_result_to_dfs(query_result: Mapping[str, Any]) -> list[pandas.DataFrame]:
    """Chroma's function of this name: one frame a query, as ``get_result_to_df``."""
    return [
        _plain_frame(
            ids,
            {
                name: query_result[name][number]
                for name in query_result["included"]
                if query_result.get(name) is not None
            },
        )
        for number, ids in enumerate(query_result["ids"])
    ]


def _plain_frame(ids: list[str], fields: Mapping[str, Any]) -> pandas.DataFrame:
    pd = require("pandas", feature="a DataFrame")
    columns = {
        name.rstrip("s"): [list(map(float, row)) for row in values] if name == "embeddings" else values
        for name, values in fields.items()
        if values is not None
    }
    return pd.DataFrame({"id": ids, **columns}).set_index("id")  # type: ignore[no-any-return]

"""Records <-> table: which column is which part of a record.

The only module that knows columns; what a cell becomes stands in ``cells.py``, to which row a value belongs that is
given beside the table in ``by_label.py``. It calls no collection: the calls that move a frame in or out
stand in ``dataframe_calls.py``. pandas is loaded by the first use; polars, Arrow and other tables are
recognised by their protocol and never imported.

A table has the columns ``id``, ``document``, ``uri`` and ``embedding``; every other column is a
metadata key, and a column ``metadata`` of dicts holds any number of them. A key of one of those names is written
``metadata.<key>``.
"""

from __future__ import annotations

import array
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from chroma_nb import by_label, cells
from chroma_nb._optional import Untyped, require
from chroma_nb.cells import ABSENT, Cell, Dates, is_missing, short, unmasked
from chroma_nb.plain import plain
from chroma_nb.records import Records, have_vectors
from chroma_nb.types import Array, Columns, Fields, Json, Mask, Matrix, Metadata

if TYPE_CHECKING:
    import pandas

#: What happens to a row that cannot become a record.
OnError: TypeAlias = Literal["raise", "skip"]
#: A column by its name, or as many values.
ColumnOrValues: TypeAlias = Any

#: Written before a metadata key that is called like a column of the record.
METADATA_PREFIX = "metadata."
_RECORD_COLUMNS = ("id", "document", "uri", "data", "embedding")
_HIT_COLUMNS = ("query", "query_text", "rank", "distance")
#: Where a frame of ours remembers which of its columns are not metadata (``DataFrame.attrs``).
_ATTRIBUTE = "chroma_nb"
#: What the cells of such a column are: one that holds anything else was overwritten, and is the person's own.
_OF_HITS: dict[str, Callable[[Cell], bool]] = {
    "query": lambda cell: type(cell) is int,
    "query_text": lambda cell: isinstance(cell, str),
    "rank": lambda cell: type(cell) is int,
    "distance": lambda cell: type(cell) is float,
    "data": lambda cell: not isinstance(cell, str | bool | int | float),
}


# --- Recognising a table ------------------------------------------------------------------------------
#: What makes an Arrow table of a table that lacks Arrow's protocol: of a Hugging Face Dataset (its ``data`` does not
#: know of ``select`` and ``shuffle``), a DuckDB relation, Ibis, a pyarrow dataset, Spark.
_TO_ARROW: tuple[tuple[str, Callable[[Untyped], Untyped]], ...] = (
    ("with_format", lambda frame: frame.with_format("arrow")[:]),
    ("to_arrow_table", lambda frame: frame.to_arrow_table()),
    ("to_pyarrow", lambda frame: frame.to_pyarrow()),
    ("to_table", lambda frame: frame.to_table()),
    ("toArrow", lambda frame: frame.toArrow()),
)
#: What makes a pandas DataFrame of one, where nothing else does.
_TO_PANDAS = ("to_pandas", "df", "toPandas")


def is_frame(value: object) -> bool:
    """Whether ``value`` is a table: pandas, polars (lazy, too), Arrow, Hugging Face, DuckDB, or of their protocols.

    >>> is_frame(["a", "b"])
    False
    """
    kind = type(value)
    if kind is list or kind is str:  # what most calls are given
        return False
    if _is_plan(kind):
        return True
    if (
        hasattr(kind, "dtype") or hasattr(kind, "type") or isinstance(value, type | Mapping)
    ):  # a column, a dict of splits
        return False
    if hasattr(kind, "__arrow_c_stream__") or hasattr(kind, "__dataframe__"):
        return True
    if not any(hasattr(kind, name) for name in ("column_names", "columns", "schema")):
        return False
    return any(hasattr(kind, name) for name in (*(name for name, _ in _TO_ARROW), *_TO_PANDAS))


def _is_plan(kind: type) -> bool:
    """A polars.LazyFrame, or one that behaves like it: ``collect()`` makes the table."""
    return hasattr(kind, "collect") and hasattr(kind, "collect_schema")


def to_pandas(frame: Untyped) -> pandas.DataFrame:
    """``frame`` as a pandas DataFrame; a foreign table comes over as Arrow columns, a lazy one is run.

    >>> import pyarrow
    >>> to_pandas(pyarrow.table({"id": ["a"], "year": [2020]})).dtypes["year"]
    int64[pyarrow]
    """
    pd = require("pandas", feature="a DataFrame")
    if _is_plan(type(frame)):
        frame = frame.collect()
    result = frame if isinstance(frame, pd.DataFrame) else _from_foreign(pd, frame)
    if result.columns.nlevels > 1:
        raise ValueError("expected one level of column names, got several; flatten df.columns first")
    if not result.columns.is_unique:
        twice = sorted({str(plain(name)) for name in result.columns[result.columns.duplicated()]})
        raise ValueError(f"expected column names that differ, got {', '.join(twice)} more than once")
    return result  # type: ignore[no-any-return]


def _from_foreign(pd: ModuleType, frame: Untyped) -> Untyped:
    if not is_frame(frame):
        hint = ""
        if isinstance(frame, Mapping) and frame and all(map(is_frame, frame.values())):
            hint = f"; choose one of its tables: {', '.join(map(repr, frame))}"
        raise TypeError(f"expected a DataFrame, got a {type(frame).__name__}{hint}")
    if hasattr(frame, "__arrow_c_stream__"):
        return _from_arrow(pd, frame, frame)
    for name, convert in _TO_ARROW:
        if hasattr(frame, name) and hasattr(frame, "__len__" if name == "with_format" else name):
            return _from_arrow(pd, frame, convert(frame))
    if hasattr(frame, "__dataframe__"):
        with warnings.catch_warnings():  # pandas will drop this protocol; until then it is the only way to such a table
            warnings.simplefilter("ignore")
            return pd.api.interchange.from_dataframe(frame)
    for name in _TO_PANDAS:
        if hasattr(frame, name):
            return getattr(frame, name)()
    raise TypeError(
        f"expected a DataFrame, got a {type(frame).__name__} that is not in memory; make a table of it first"
    )


def _from_arrow(pd: ModuleType, frame: Untyped, table: Untyped) -> Untyped:
    """By way of Arrow columns: a whole number beside a missing one stays whole."""
    if isinstance(table, pd.DataFrame):
        return table
    arrow = require("pyarrow", feature=f"reading a {type(frame).__module__.split('.')[0]} table")
    return arrow.table(table).to_pandas(types_mapper=pd.ArrowDtype)


def ids_among(values: Cell) -> list[str]:
    """Ids, as they may be given where several are meant: a list, a Series of them, or a table of records.

    >>> ids_among(["a", "b"])
    ['a', 'b']
    """
    if isinstance(values, str):
        raise TypeError(f"expected several ids, got the text {values!r}; write [{values!r}]")
    if is_frame(values):
        table = to_pandas(values)
        values = table.get("id", table.index)
    found = list(values)
    for one in found:
        if not isinstance(one, str):
            hint = "; where the ids are its index, give series.index" if hasattr(values, "index") else ""
            raise TypeError(f"expected ids as texts, got {short(one)}{hint if not isinstance(values, list) else ''}")
    return [str.__str__(one) for one in found]


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
        return replace(self, records=self.records.take(kept).pruned(), skipped=skipped)


def from_frame(
    frame: object,
    *,
    id: ColumnOrValues | None = None,
    document: ColumnOrValues | None = None,
    embedding: ColumnOrValues | None = None,
    uri: ColumnOrValues | None = None,
    metadata: object = None,
    on_error: OnError = "raise",
    dates: Dates = "iso",
    partial: bool = False,
) -> FrameRecords:
    """The records of a frame, one a row.

    ``id``, ``document``, ``embedding`` and ``uri`` name a column or give the values; without them
    the columns of that name are taken, and the index where there is no ``id``. ``embedding`` may
    also be a list of columns, one a dimension, or an array of shape (rows, dimension). A Series, a DataFrame and a
    dict are matched by their labels, with the index of the frame or with the ids; other values by position.
    ``metadata`` names the metadata columns, or is a table of them or one dict a row; default is every other column.

    A missing cell (None, NaN, NA, NaT, an empty list) is an absent key. Dates become ISO 8601 text, or seconds since
    1970 with ``dates="epoch"``. ``partial`` allows rows without document, uri and embedding, as
    an update needs them. A row that cannot become a record raises ValueError, or is left out and
    listed in ``skipped`` with ``on_error="skip"``.

    >>> import pandas as pd
    >>> found = from_frame(pd.DataFrame({"id": ["a"], "document": ["one"], "year": [2020]}))
    >>> found.records.documents, found.records.metadatas
    (['one'], [{'year': 2020}])
    """
    for name, value, allowed in (("on_error", on_error, ("raise", "skip")), ("dates", dates, ("iso", "epoch"))):
        if value not in allowed:
            raise ValueError(f"expected {name} to be one of {', '.join(map(repr, allowed))}, got {value!r}")
    table = to_pandas(frame)
    bad: dict[int, str] = {}
    columns = _Columns(table, bad, id=id, document=document, embedding=embedding, uri=uri)
    ids = columns.ids
    documents = columns.texts("document", bad)
    uris = columns.texts("uri", bad)
    vectors, has_vector = columns.embeddings(bad)
    metadatas = _metadatas(len(table), columns.metadata(metadata), metadata is not None, dates, bad)
    if not partial:
        _need_content(len(table), documents, uris, has_vector, bad)
    skipped = [BadRow(row, ids[row] or None, reason) for row, reason in sorted(bad.items())] if bad else []
    if skipped and on_error == "raise":
        raise ValueError(_bad_rows_message(skipped))
    return FrameRecords(
        _records(ids, documents, uris, vectors, has_vector, metadatas, bad), skipped, columns.ids_are_row_numbers
    )


def _bad_rows_message(skipped: list[BadRow]) -> str:
    shown = "; ".join(map(str, skipped[:3]))
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    what = "1 row cannot become a record" if len(skipped) == 1 else f"{len(skipped)} rows cannot become records"
    return f'{what}: {shown}{more}. Leave them out with on_error="skip"'


def _need_content(
    rows: int,
    documents: list[Cell] | None,
    uris: list[Cell] | None,
    has_vector: Mask | None,
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
    documents: list[Cell] | None,
    uris: list[Cell] | None,
    vectors: Matrix | None,
    has_vector: Mask | None,
    metadatas: list[Json | None] | None,
    bad: Collection[int],
) -> Records:
    """The rows that are not bad."""
    found = Records(ids, vectors, documents, metadatas, uris, has_embedding=has_vector)
    if bad:
        found = found.take([row for row in range(len(ids)) if row not in bad])
    has = found.has_embedding
    if has is None or not has.any():
        return replace(found, embeddings=None, has_embedding=None)
    return replace(found, has_embedding=None) if has.all() else found


class _Columns:
    """Which column of a table, or what beside it, is which part of the record."""

    def __init__(self, table: Untyped, bad: dict[int, str], id: Cell, **given: Cell) -> None:
        self._table = table
        self._labels = dict.fromkeys(table.columns.tolist())
        #: The columns that are a part, by their names.
        self._named: dict[str, list[Cell]] = {}
        #: The values of a part, as a column or, of embeddings, as an array or a table.
        self._values: Json = {}
        self._find("id", id)
        #: The ids of the rows; what stands beside the table may be matched by them.
        self.ids: list[str] = self._read_ids(bad)
        for part, one in given.items():
            self._find(part, one)
        self.ids_are_row_numbers = "id" not in self._values and _is_row_numbers(table.index)

    def _find(self, part: str, given: Cell) -> None:
        """Find the columns or values of one part; nothing, when the table has none."""
        if given is None:
            names = [part] if part in self._labels else []
        else:
            names = self._names(part, given)
        if names:
            for name in names:
                if name not in self._labels:
                    there = ", ".join(map(str, self._labels))
                    raise ValueError(f"expected {part}= to name a column, got {name!r}; there are: {there}")
            self._named[part] = names
            several = part == "embedding" and given is not None and not self._is_label(given)
            self._values[part] = self._table[names] if several else self._table[names[0]]
        elif given is not None:
            self._values[part] = self._beside(given, part)

    def _is_label(self, given: object) -> bool:
        """Whether this is the name of one column: a text, a number, or whatever is one here."""
        try:
            return given in self._labels or bool(np.isscalar(given))
        except TypeError:  # it cannot be hashed: values
            return False

    def _names(self, part: str, given: Cell) -> list[Cell]:
        """The names of columns that ``given`` is; none when it is values."""
        if self._is_label(given):
            return [given]
        if part != "embedding" or isinstance(given, Mapping) or is_frame(given) or getattr(given, "ndim", 1) != 1:
            return []
        several = [given] if not hasattr(given, "__len__") else given if len(given) < 1 else list(given)
        # A vector is no scalar, so scalars can only be names.
        names = all(np.isscalar(name) and not is_missing(name) for name in several)
        return list(several) if names and len(several) else []

    def _beside(self, given: object, part: str, what: str = "") -> Untyped:
        """Values that are given beside the table, in the order of its rows."""
        pd = require("pandas", feature="a DataFrame")
        what = what or f"Series given as {part}"
        if is_frame(given):
            if not part or part in ("embedding", "metadata"):
                own = isinstance(given, pd.DataFrame)
                given = to_pandas(given)
                return self._in_order(given, f"DataFrame given as {part}") if own else self._as_long(given, part)
            raise ValueError(f"expected one {part} a row, got a table; give one of its columns: {part}=df[…]")
        if (series := by_label.as_series(given)) is not None:
            return self._in_order(series, what)
        if hasattr(given, "toarray"):  # a sparse matrix of scipy
            given = given.toarray()
        if part == "embedding" and hasattr(given, "__array__") and np.ndim(given) == 2:
            return self._as_long(given, part)
        return self._as_long(pd.Series(by_label.as_list(given, f"{part}="), dtype=object), part)

    def _as_long(self, values: Cell, part: str) -> Untyped:
        if len(values) != len(self._table):
            raise ValueError(f"expected one {part} a row, {len(self._table)} in all, got {len(values)}")
        return values

    def _in_order(self, values: Cell, what: str) -> Untyped:
        """The rows of a Series or DataFrame that belong to the rows of the table, by its index."""
        name = self._named.get("id", [None])[0]
        rows = by_label.rows_of_frame(values.index, self._table.index, lambda: self.ids, name, what)
        return values if rows is None else values.take(rows)

    def metadata(self, wanted: Cell) -> list[tuple[str, Cell]]:
        """The columns of metadata, each with its name, in the table's order."""
        if wanted is None:
            used = {name for name in _OF_HITS if name in self._labels and is_of_hits(self._table, name)}
            used.update(*self._named.values())
            return [(name, self._table[name]) for name in self._labels if name not in used]
        if isinstance(wanted, Mapping) or is_frame(wanted):
            table = self._beside(wanted, "metadata")
            return [("metadata", table)] if table.ndim == 1 else [(name, table[name]) for name in table.columns]
        names = [wanted] if self._is_label(wanted) else by_label.as_list(wanted, "metadata=")
        if any(isinstance(one, Mapping) for one in names):
            return [("metadata", self._beside(wanted, "metadata"))]
        for name in names:
            if not self._is_label(name) or name not in self._labels:
                raise ValueError(f"expected metadata= to name columns, got {name!r}, which is not one")
        return [(name, self._table[name]) for name in names]

    def _read_ids(self, bad: dict[int, str]) -> list[str]:
        """The ids as text; missing, empty and repeated ones are bad rows."""
        index = self._table.index
        if "id" not in self._values and index.nlevels > 1:
            raise ValueError(
                "the index has several levels, and an id is one text; name a column with id=, or df.reset_index() first"
            )
        found = self._values["id"] if "id" in self._values else index.to_series()
        values = cells.cells(found)
        cells.check_encodable(values, "the id", bad)
        if set(map(type, values)) == {str} and "" not in values and len(set(values)) == len(values):
            return values
        seen: set[str] = set()
        ids: list[str] = []
        for row, cell in enumerate(values):
            name = "" if cell is ABSENT else str(cell)
            if not isinstance(cell, str | int) or isinstance(cell, bool):
                wrong = f"expected a text or whole number as id, got {short(cell)}; convert the column: astype(str)"
                bad.setdefault(row, "no id" if cell is ABSENT else wrong)
            elif not name:
                bad.setdefault(row, "the id is an empty text")
            elif name in seen:
                bad.setdefault(row, "an earlier row has the same id")
            seen.add(name)
            ids.append(name)
        return ids

    def texts(self, part: str, bad: dict[int, str]) -> list[str | None] | None:
        """Documents or uris; None where the cell is empty."""
        if part not in self._values:
            return None
        values = cells.cells(self._values[part])
        for row, cell in enumerate(values):
            if cell is ABSENT:
                values[row] = None
            elif not isinstance(cell, str):
                bad.setdefault(row, f"expected a text as {part}, got {short(cell)}; convert the column: astype(str)")
        cells.check_encodable(values, f"the {part}", bad)
        return values

    @np.errstate(over="ignore")  # what float32 cannot hold becomes infinite, and a bad row
    def embeddings(self, bad: dict[int, str]) -> tuple[Matrix | None, Mask | None]:
        """One row of float32 a record, and which of them hold a vector."""
        found = self._values.get("embedding")
        if found is None:
            return None, None
        if found.ndim == 1:
            return _vectors(found, bad)
        if hasattr(found, "columns"):
            return _wide(found, bad)
        return _rows_of_array(found, bad)


def _is_row_numbers(index: Untyped) -> bool:
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
def _vectors(column: Untyped, bad: dict[int, str]) -> tuple[Matrix, Mask]:
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
            bad.setdefault(row, f"expected {length} numbers as embedding, got {len(one)}")
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


def _rows_of_array(values: Cell, bad: dict[int, str]) -> tuple[Matrix, Mask]:
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
        return _vectors(_objects(list(values), present), bad)
    return _finite(np.ascontiguousarray(values, np.float32), present, bad)


def _objects(rows: list[Cell], present: Mask) -> Cell:
    pd = require("pandas", feature="a DataFrame")
    return pd.Series([list(row) if there else None for row, there in zip(rows, present, strict=True)], dtype=object)


def _wide(table: Untyped, bad: dict[int, str]) -> tuple[Matrix, Mask]:
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


# --- Metadata -------------------------------------------------------------------------------------------
def is_of_hits(table: Untyped, name: str) -> bool:
    """Whether a column says of a hit where it stood in an answer, and nothing of the record."""
    if name not in table.attrs.get(_ATTRIBUTE, ()):
        return False
    column = table[name]
    if name == "data":
        return all(is_missing(cell) or _OF_HITS[name](cell) for cell in column.tolist())
    return all(cell is ABSENT or _OF_HITS[name](cell) for cell in cells.cells(column))


def mark_hits(frame: Untyped, names: Iterable[str]) -> None:
    """Have a frame remember that these columns are not metadata."""
    frame.attrs[_ATTRIBUTE] = list(dict.fromkeys([*frame.attrs.get(_ATTRIBUTE, ()), *names]))


def _metadatas(
    count: int, columns: list[tuple[Cell, Cell]], chosen: bool, dates: Dates, bad: dict[int, str]
) -> list[Json | None] | None:
    """One dict a row; None for a row without any key, None for a table without metadata columns.

    A column of dicts is all of the metadata where it is called that, or was ``chosen``.
    """
    if not columns:
        return None
    keys: list[str] = []
    values: list[list[Cell]] = []
    rows: list[Json | None] = [None] * count
    for name, column in columns:
        problems: dict[int, str] = {}
        if (chosen or name == "metadata") and (whole := _dict_cells(column)) is not None:
            for row, one in enumerate(cells.dicts(whole, dates, problems)):
                rows[row] = one if rows[row] is None else {**rows[row], **(one or {})}  # type: ignore[dict-item]
        else:
            key = str(plain(name)).removeprefix(METADATA_PREFIX)
            if reason := cells.key_problem(key):
                raise ValueError(f"expected column names that can be metadata keys, got {name!r}: {reason}; rename it")
            values.append(cells.cells(column, dates, problems))
            cells.check_encodable(values[-1], "the text", problems)
            keys.append(key)
        for row, reason in problems.items():
            bad.setdefault(row, f"column {str(plain(name))!r}: {reason}")
    if len(set(keys)) != len(keys):
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise ValueError(f"two columns would become the metadata key {', '.join(map(repr, twice))}; rename one")
    if not keys:
        return rows
    for row, of_row in enumerate(zip(*values, strict=True)):
        found = dict(zip(keys, of_row, strict=True))
        if type(ABSENT) in map(type, of_row):
            found = {key: cell for key, cell in found.items() if cell is not ABSENT}
        for key in found.keys() & (rows[row] or {}).keys():
            bad.setdefault(row, f"the key {key!r} is in the column 'metadata' and is a column of its own; rename one")
        rows[row] = {**(rows[row] or {}), **found} or None
    return rows


def _dict_cells(column: Untyped) -> list[Cell] | None:
    """The cells of a column of dicts, as of Chroma's own helper functions; None for another column."""
    if cells.is_arrow(column.dtype):
        pa = require("pyarrow", feature="an Arrow column")
        kind = column.dtype.pyarrow_dtype
        if not (pa.types.is_struct(kind) or pa.types.is_map(kind)):
            return None
        return column.array.__arrow_array__().to_pylist()  # type: ignore[no-any-return]
    if column.dtype != object:
        return None
    found: list[Cell] = column.tolist()
    return found if any(isinstance(cell, Mapping) for cell in found) else None


# --- Records -> table -----------------------------------------------------------------------------------
def to_frame(
    result: Columns,
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
    parts: Json = _hit_parts(result, query_texts) if hits else {}
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
    mark_hits(frame, [name for name in (*_HIT_COLUMNS, "data") if name in parts or name == "data" in made])
    return frame  # type: ignore[no-any-return]


def _hit_parts(result: Columns, query_texts: Sequence[str] | None) -> Json:
    counts = [len(ids) for ids in result["ids"]]
    numbers = np.repeat(np.arange(len(counts)), counts)
    parts: Json = {"query": numbers}
    if query_texts is not None:
        parts["query_text"] = [query_texts[number] for number in numbers.tolist()]
    parts["rank"] = np.concatenate([np.arange(1, count + 1) for count in counts] or [np.arange(0)])
    return parts


def _flatten(result: Columns) -> Json:
    """A query's lists of lists end to end."""
    fields = ("ids", "distances", "documents", "uris", "metadatas", "data", "embeddings")
    return {name: [one for many in result[name] for one in many] for name in fields if result.get(name) is not None}


def _text_column(pd: ModuleType, values: Sequence[str | None]) -> Untyped:
    """Text, with missing cells. pandas 3 has a type for it; in pandas 2 ``str`` would write 'None'."""
    try:
        return pd.Series(values, dtype="str" if int(pd.__version__.split(".")[0]) >= 3 else object)
    except UnicodeEncodeError:  # half of a surrogate pair, which Arrow text cannot hold
        return pd.Series(values, dtype=object)


def _rows(embeddings: Cell) -> list[Cell]:
    """Each vector as a view of one float32 array; None for a record that has lost its own."""
    there = have_vectors(embeddings).tolist()
    vectors = np.ascontiguousarray(embeddings, np.float32) if isinstance(embeddings, np.ndarray) else embeddings
    return [np.asarray(row, np.float32) if given else None for row, given in zip(vectors, there, strict=True)]


def _metadata_columns(pd: ModuleType, metadatas: Sequence[Metadata | None] | None, hits: bool) -> Json:
    if metadatas is None:
        return {}
    taken = {*_RECORD_COLUMNS, *(_HIT_COLUMNS if hits else ())}
    rows = [row or {} for row in metadatas]
    keys = sorted({key for row in rows for key in row})
    return {_column_name(key, taken): _metadata_column(pd, [row.get(key, ABSENT) for row in rows]) for key in keys}


def _column_name(key: str, taken: Iterable[str]) -> str:
    """The key, prefixed where it would be read back as something else."""
    return METADATA_PREFIX + key if key in taken or key.startswith(METADATA_PREFIX) else key


def _metadata_column(pd: ModuleType, values: list[Cell]) -> Untyped:
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


def _absent(values: list[Cell]) -> Mask:
    return np.array([value is ABSENT or value is None for value in values], bool)


def _filled(values: list[Cell], filler: object) -> list[Cell]:
    return [filler if value is ABSENT or value is None else value for value in values]


def _int_column(pd: ModuleType, values: list[Cell], full: bool) -> Untyped:
    numbers = np.array(_filled(values, 0), np.int64)
    return pd.Series(numbers if full else pd.arrays.IntegerArray(numbers, _absent(values)))


def _bool_column(pd: ModuleType, values: list[Cell], full: bool) -> Untyped:
    flags = np.array(_filled(values, False), bool)
    return pd.Series(flags if full else pd.arrays.BooleanArray(flags, _absent(values)))


def _float_column(pd: ModuleType, values: list[Cell], full: bool) -> Untyped:
    return pd.Series(np.array(_filled(values, np.nan), np.float64))


def _str_column(pd: ModuleType, values: list[Cell], full: bool) -> Untyped:
    return _text_column(pd, _filled(values, None))


_COLUMNS: dict[type, Callable[[ModuleType, list[Cell], bool], Untyped]] = {
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


def keys_among(columns: Sequence[str]) -> list[str]:
    """The columns that can only be metadata keys.

    >>> keys_among(["id", "year", "document"])
    ['year']
    """
    return [name for name in column_names(columns) if name not in _RECORD_COLUMNS]


def _picked(pd: ModuleType, made: Json, columns: Sequence[str], rows: int) -> Untyped:
    """The wanted columns; one that no record has is empty."""
    empty = pd.Series([None] * rows, dtype=object)
    picked = {name: made.get(name, made.get(name.removeprefix(METADATA_PREFIX), empty)) for name in columns}
    return pd.DataFrame(picked, columns=list(columns))


# --- Chroma's own helper functions (chromadb.utils.results) ---------------------------------------------
def get_result_to_df(get_result: Columns) -> pandas.DataFrame:
    """Chroma's function of this name: the id as index, one column an included field.

    ``GetResult.to_df()`` is the richer form.

    >>> get_result_to_df({"ids": ["a"], "documents": ["one"], "included": ["documents"]})
       document
    id
    a       one
    """
    return _plain_frame(get_result["ids"], {name: get_result.get(name) for name in get_result["included"]})


def query_result_to_dfs(query_result: Columns) -> list[pandas.DataFrame]:
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


def _plain_frame(ids: list[str], fields: Fields) -> pandas.DataFrame:
    pd = require("pandas", feature="a DataFrame")
    columns = {
        name.rstrip("s"): [list(map(float, row)) for row in values] if name == "embeddings" else values
        for name, values in fields.items()
        if values is not None
    }
    return pd.DataFrame({"id": ids, **columns}).set_index("id")  # type: ignore[no-any-return]

"""Recognise tables, and convert any of them to a pandas DataFrame.

pandas is loaded by the first use; polars, Arrow and other tables are recognised by their protocol and never imported.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING

from chroma_nb._optional import Untyped, require
from chroma_nb.cells import Cell, short
from chroma_nb.plain import plain

if TYPE_CHECKING:
    import pandas

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
        raise ValueError(
            f"expected column names that differ, got {', '.join(twice)} more than once; rename one of them"
        )
    return result  # type: ignore[no-any-return]


def _from_foreign(pd: ModuleType, frame: Untyped) -> Untyped:
    if not is_frame(frame):
        hint = ""
        if isinstance(frame, Mapping) and frame and all(map(is_frame, frame.values())):
            hint = f"; pass one of its tables: {', '.join(map(repr, frame))}"
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
    raise TypeError(f"expected a DataFrame, got a {type(frame).__name__} that is not in memory; load it first")


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
        raise TypeError(f"expected a list of ids, got the text {values!r}; write [{values!r}]")
    if is_frame(values):
        table = to_pandas(values)
        values = table.get("id", table.index)
    found = list(values)
    for one in found:
        if not isinstance(one, str):
            hint = "; if the ids are its index, pass series.index" if hasattr(values, "index") else ""
            raise TypeError(f"expected ids as texts, got {short(one)}{hint if not isinstance(values, list) else ''}")
    return [str.__str__(one) for one in found]

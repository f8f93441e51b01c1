"""Metadata of a table -> one dict a row."""

from __future__ import annotations

from collections.abc import Mapping

from chroma_nb import cells
from chroma_nb._optional import Untyped, require
from chroma_nb.cells import ABSENT, Cell, Dates
from chroma_nb.plain import plain
from chroma_nb.tables.columns import METADATA_PREFIX
from chroma_nb.types import Json


def metadata_dicts(
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
        text = name if type(name) is str else str(plain(name))
        if (chosen or name == "metadata") and (whole := _dict_cells(column)) is not None:
            for row, one in enumerate(cells.dicts(whole, dates, problems)):
                rows[row] = one if rows[row] is None else {**rows[row], **(one or {})}  # type: ignore[dict-item]
        else:
            key = text.removeprefix(METADATA_PREFIX)
            if reason := cells.key_problem(key):
                raise ValueError(
                    f"expected column names that can be metadata keys, got {name!r}: {reason}; rename the column"
                )
            values.append(cells.cells(column, dates, problems))
            cells.check_encodable(values[-1], "the text", problems)
            keys.append(key)
        for row, reason in problems.items():
            bad.setdefault(row, f"column {text!r}: {reason}")
    if len(set(keys)) != len(keys):
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise ValueError(f"two columns would become the metadata key {', '.join(map(repr, twice))}; rename one of them")
    if not keys:
        return rows
    for row, of_row in enumerate(zip(*values, strict=True)):
        found = dict(zip(keys, of_row, strict=True))
        if type(ABSENT) in map(type, of_row):
            found = {key: cell for key, cell in found.items() if cell is not ABSENT}
        for key in found.keys() & (rows[row] or {}).keys():
            bad.setdefault(
                row, f"the key {key!r} is both in the column 'metadata' and a column of its own; rename one of them"
            )
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

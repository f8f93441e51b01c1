"""Rows of a table -> records: which column, or which argument beside the table, is which part.

``cells.py`` converts cells. ``by_label.py`` assigns values beside the table to rows. Calls no collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from chroma_nb import by_label, cells
from chroma_nb._hints import meant
from chroma_nb._optional import Untyped, require
from chroma_nb.cells import ABSENT, Cell, Dates, is_missing, short
from chroma_nb.records import Records
from chroma_nb.tables import vectors
from chroma_nb.tables.columns import CELLS_OF_HITS, is_of_hits
from chroma_nb.tables.kinds import is_frame, to_pandas
from chroma_nb.tables.metadata import metadata_dicts
from chroma_nb.types import Json, Mask, Matrix

#: What happens to a row that cannot become a record.
OnError: TypeAlias = Literal["raise", "skip"]
#: Why a row is bad whose id is taken.
SAME_ID: Final = "an earlier row has the same id"
#: A column by its name, or as many values.
ColumnOrValues: TypeAlias = Any


@dataclass(frozen=True)
class BadRow:
    """A row of a table that cannot become a record.

    Attributes
    ----------
    row
        The position of the row in the table, from 0.
    id
        The id of the row, if it has one.
    reason
        Why it cannot become a record.
    """

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
            raise ValueError(f"Expected {name} to be one of {', '.join(map(repr, allowed))}, got {value!r}.")
    table = to_pandas(frame)
    bad: dict[int, str] = {}
    columns = _Columns(table, bad, id=id, document=document, embedding=embedding, uri=uri)
    ids = columns.ids
    documents = columns.texts("document", bad)
    uris = columns.texts("uri", bad)
    embeddings, has_vector = columns.embeddings(bad)
    metadatas = metadata_dicts(len(table), columns.metadata(metadata), metadata is not None, dates, bad)
    if not partial:
        _need_content(len(table), documents, uris, has_vector, bad)
    skipped = [BadRow(row, ids[row] or None, reason) for row, reason in sorted(bad.items())] if bad else []
    if skipped and on_error == "raise":
        raise ValueError(_bad_rows_message(skipped))
    return FrameRecords(
        _records(ids, documents, uris, embeddings, has_vector, metadatas, bad), skipped, columns.ids_are_row_numbers
    )


def _bad_rows_message(skipped: list[BadRow]) -> str:
    shown = "; ".join(map(str, skipped[:3]))
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    what = "1 row cannot become a record" if len(skipped) == 1 else f"{len(skipped)} rows cannot become records"
    which = "it" if len(skipped) == 1 else "them"
    return f'{what}: {shown}{more}. Correct {which}, or pass on_error="skip" to leave {which} out.'


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
            "Expected a column 'document', 'embedding' or 'uri', got none of them. Name the column with the text: "
            'document="…".'
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
    embeddings: Matrix | None,
    has_vector: Mask | None,
    metadatas: list[Json | None] | None,
    bad: Collection[int],
) -> Records:
    """The rows that are not bad."""
    found = Records(ids, embeddings, documents, metadatas, uris, has_embedding=has_vector)
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
                    hint = meant(name, self._labels) or f"The columns are: {there}."
                    raise ValueError(f"Expected {part}= to be the name of a column, got {name!r}. {hint}")
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
            raise ValueError(f"Expected one {part} for each row, got a table. Pass one of its columns: {part}=df[…].")
        if (series := by_label.as_series(given)) is not None:
            return self._in_order(series, what)
        if hasattr(given, "toarray"):  # a sparse matrix of scipy
            given = given.toarray()
        if part == "embedding" and hasattr(given, "__array__") and np.ndim(given) == 2:
            return self._as_long(given, part)
        return self._as_long(pd.Series(by_label.as_list(given, f"{part}="), dtype=object), part)

    def _as_long(self, values: Cell, part: str) -> Untyped:
        if len(values) != len(self._table):
            raise ValueError(f"Expected one {part} for each of the {len(self._table)} rows, got {len(values)}.")
        return values

    def _in_order(self, values: Cell, what: str) -> Untyped:
        """The rows of a Series or DataFrame that belong to the rows of the table, by its index."""
        name = self._named.get("id", [None])[0]
        rows = by_label.rows_of_frame(values.index, self._table.index, lambda: self.ids, name, what)
        return values if rows is None else values.take(rows)

    def metadata(self, wanted: Cell) -> list[tuple[str, Cell]]:
        """The columns of metadata, each with its name, in the table's order."""
        if wanted is None:
            used = {name for name in CELLS_OF_HITS if name in self._labels and is_of_hits(self._table, name)}
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
                hint = meant(name, self._labels) or f"The columns are: {', '.join(map(str, self._labels))}."
                raise ValueError(f"Expected metadata= to be names of columns, got {name!r}. {hint}")
        return [(name, self._table[name]) for name in names]

    def _read_ids(self, bad: dict[int, str]) -> list[str]:
        """The ids as text; missing, empty and repeated ones are bad rows."""
        index = self._table.index
        if "id" not in self._values and index.nlevels > 1:
            raise ValueError(
                "The index has several levels, but an id is one text. Pass the name of a column as id=, or call "
                "df.reset_index() first."
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
                bad.setdefault(row, SAME_ID)
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
            return vectors.of_column(found, bad)
        if hasattr(found, "columns"):
            return vectors.of_columns(found, bad)
        return vectors.of_array(found, bad)


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

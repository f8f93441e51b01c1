"""Values given beside records: a Series is matched by the labels of its index, anything else by position.

As in pandas, where ``frame.assign(text=series)`` goes by the index. Never by position where the index says otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, KeysView, Mapping, Sequence, ValuesView

import numpy as np

from chroma_nb._optional import Untyped
from chroma_nb.cells import Cell, unmasked
from chroma_nb.plain import plain

#: How a column of another library becomes a list.
_LISTING = ("to_pylist", "to_list")


def as_series(values: object) -> Untyped:
    """A pandas Series, or one of a library like it; a dict as the Series of its keys; None for what has no labels."""
    pd = sys.modules.get("pandas")
    if pd is not None and isinstance(values, pd.Series):
        return values
    if isinstance(values, Mapping):
        from chroma_nb._optional import require

        pd = require("pandas", feature="values by id")
        keys = pd.Index(list(values), tupleize_cols=False, dtype=object)
        return pd.Series(list(values.values()), index=keys, dtype=object)
    if hasattr(values, "to_pandas") and not callable(getattr(values, "index", len)):
        return values.to_pandas()
    return None


def as_list(values: Cell, what: str) -> list[Cell]:
    """What has no labels, as a list: None where a masked array hides a value. TypeError for what is not several."""
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise ValueError(f"expected one value per record as {what}, got values of shape {values.shape}")
        return list(unmasked(values))
    for method in _LISTING:  # of an Arrow array, of a polars Series
        if callable(getattr(type(values), method, None)):
            return list(getattr(values, method)())
    if isinstance(values, Iterator | KeysView | ValuesView) or (
        isinstance(values, Sequence) and not isinstance(values, str | bytes)
    ):
        return list(values)
    if hasattr(values, "__array__"):
        return as_list(np.asarray(values), what)
    try:
        return list(values)
    except TypeError:
        raise TypeError(f"expected one value per record as {what}, got a {type(values).__name__}") from None


# --- Rows of a frame ------------------------------------------------------------------------------------
def rows_of_frame(
    labels: Untyped, index: Untyped, ids: Callable[[], Sequence[str]], id_name: object, what: str
) -> Untyped:
    """Where in ``labels``, the index of what was given, each row of the frame stands; None where all stand in order.

    By the labels of the frame's own index; by the ids where these are the labels, or where the index has the name of
    the column of ids. ValueError where a row has no value, or two.
    """
    named = labels.name is not None and labels.name == id_name and index.name != id_name
    if labels.equals(index) and not named:
        return None
    found = None if named else _positions(labels, index)
    if found is None or (found < 0).any():
        place = places(labels, what, set(ids()))
        # A row without an id is no record: whatever stands there is left out.
        without: list[Cell] = [one for one in ids() if one and one not in place]
        if not without:
            return np.array([place.get(one, 0) for one in ids()], np.intp)
        if not place and found is not None:
            without = index[found < 0].tolist()
        raise ValueError(
            f"The {what} is matched by its index, with the index of the rows or with the ids. Expected a value "
            f"for each row, got none for {_some(without)}; its labels are {_some(labels.tolist())}. To match "
            "by position, pass series.to_numpy()."
        )
    if not labels.is_unique:
        raise ValueError(_twice(what, labels[labels.duplicated()].tolist()[0]))
    return found


def _positions(labels: Untyped, index: Untyped) -> Untyped:
    """The place of each label of ``index``, -1 for none; None where the two cannot be compared."""
    if labels.nlevels != index.nlevels:
        return None
    first = np.flatnonzero(~labels.duplicated())
    try:
        found = labels[first].get_indexer(index)
    except (TypeError, ValueError):  # labels of kinds that cannot be compared
        return None
    return np.where(found < 0, -1, first[found]) if len(first) else found


def places(labels: Untyped, what: str, wanted: set[str]) -> dict[str, int]:
    """Where each of the ids stands among the labels, as far as it does. ValueError where one stands twice."""
    place: dict[str, int] = {}
    for position, label in enumerate(labels.tolist()):
        if isinstance(label, str | int | np.integer) and (one := str(plain(label))) in wanted:
            if one in place:
                raise ValueError(_twice(what, label))
            place[one] = position
    return place


def _counts_from_zero(index: Untyped) -> bool:
    """Whether it is the index that pandas makes. That of a slice (``series[4:]``, ``series[::2]``) names rows."""
    return type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1


def _twice(what: str, label: object) -> str:
    return f"The {what} is matched by its index: expected one value for {label!r}, got two."


def _some(labels: list[Cell]) -> str:
    shown = ", ".join(map(repr, labels[:3])) or "none"
    return shown + (f" and {len(labels) - 3:,} more" if len(labels) > 3 else "")


# --- Beside ids -----------------------------------------------------------------------------------------
def beside_ids(ids: object, values: object, what: str) -> Untyped:
    """Values for ``add`` and its like, in the order of the ids, where a Series would say otherwise by its index.

    A Series beside a Series of ids is matched with its index, as columns of a frame are; beside a list of ids it is
    matched with these where they are its labels, and else goes by position. Anything else comes back as it is.
    """
    pd = sys.modules.get("pandas")
    if pd is None or not isinstance(values, pd.Series) or not hasattr(ids, "__len__"):
        return values
    what = f"Series given as {what}"
    # An index that nobody chose says nothing, unless that of the ids is the same numbers in another order.
    unlabelled = len(values) == len(ids) and values.index.name is None and _counts_from_zero(values.index)
    if unlabelled and not (isinstance(ids, pd.Series) and values.index.isin(ids.index).all()):
        return values
    if isinstance(ids, pd.Series):
        rows = rows_of_frame(values.index, ids.index, lambda: [str(plain(one)) for one in ids.tolist()], ids.name, what)
        return values if rows is None else values.take(rows)
    if isinstance(ids, str) or not isinstance(ids, Sequence | np.ndarray | pd.Index):
        return values
    place = places(values.index, what, {one for one in ids if isinstance(one, str)})
    if len(values) != len(ids) or any(one not in place for one in ids):
        return values
    return values.take([place[one] for one in ids])


# --- Records in order -----------------------------------------------------------------------------------
def of_records(values: object, ids: Sequence[str], what: str) -> list[Cell]:
    """One value for each record: of a Series or dict by id, or by row number (as ``to_df()`` counts), else by place.

    A record that a Series or dict does not name has None. ValueError where nothing fits, or where the labels could be
    ids and row numbers, and these are not the same.

    >>> of_records({"b": 2}, ["a", "b"], "color"), of_records([1, 2], ["a", "b"], "color")
    ([None, 2], [1, 2])
    """
    if isinstance(values, Mapping):
        if values and not any(one in values for one in ids) and ids:
            raise ValueError(
                f"expected a dict of values by id as {what}; no key of it is the id of a record on this map"
            )
        return [values.get(one) for one in ids]
    if (series := as_series(values)) is None:
        found = as_list(values, what)
        if len(found) != len(ids):
            raise ValueError(f"expected a value for each of {len(ids)} records, got {len(found)}")
        return found
    cells = series.tolist()
    place = places(series.index, what, set(ids))
    numbered = _row_numbers(series.index, len(ids))
    if place and numbered is not None and any(place.get(one) != numbered[row] for row, one in enumerate(ids)):
        raise ValueError(
            f"The index of the Series passed as {what} could be row numbers or ids, and the two differ. Pass a "
            "dict by id, or series.to_numpy() for values in the order of the records."
        )
    if place:
        return [cells[place[one]] if one in place else None for one in ids]
    if numbered is not None:
        return [cells[position] for position in numbered]
    if not len(ids):
        return []
    raise ValueError(
        f"expected a Series by id as {what}; no label of it is the id of a record on this map: "
        f"{_some(series.index.tolist())}. To match by position, pass series.to_numpy()."
    )


def _row_numbers(labels: Untyped, count: int) -> list[int] | None:
    """Where the rows 0 to ``count`` - 1 stand among the labels; None where these are something else."""
    found = labels.tolist()
    if len(found) != count or not all(type(label) is int for label in found) or set(found) != set(range(count)):
        return None
    return [position for _, position in sorted(zip(found, range(count), strict=True))]

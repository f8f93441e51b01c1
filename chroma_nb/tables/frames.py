"""Records -> table: what ``get``, ``query`` and ``search`` returned as a DataFrame, in our form and in Chroma's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from types import ModuleType
from typing import TYPE_CHECKING, Final

import numpy as np

from chroma_nb import _hints
from chroma_nb._optional import Untyped, require
from chroma_nb.cells import ABSENT, Cell
from chroma_nb.dates import as_dates
from chroma_nb.records import StoredMetadatas, have_vectors
from chroma_nb.tables.columns import (
    HIT_COLUMNS,
    HYBRID_COLUMNS,
    METADATA_PREFIX,
    RECORD_COLUMNS,
    SEARCH_COLUMNS,
    column_names,
    column_of,
    mark_hits,
)
from chroma_nb.types import Columns, Fields, Json, Mask, Metadata

if TYPE_CHECKING:
    import pandas


def to_frame(
    result: Columns,
    *,
    columns: Sequence[str] | None = None,
    query_texts: Sequence[str | None] | None = None,
    dates: bool | str | Sequence[str] = False,
    warned: bool = False,
) -> pandas.DataFrame:
    """What ``get``, ``query`` or ``search`` returned as a table: one row a record, or one row a hit.

    A get has ``id``, ``document``, ``uri``, the metadata keys in alphabetical order, and
    ``embedding`` when it was included; a query puts ``query`` (from 0), ``query_text`` where known,
    ``rank`` (1 is the nearest) first and ``distance`` after the id, a search ``search`` and ``score`` in
    the places of ``query`` and ``distance``. Fields that no record has are left out. Whole numbers stay
    whole beside missing ones (Int64), bool stays bool, a key that a record does not have is a missing
    cell. ``columns`` picks columns and their order; ``dates`` are columns whose dates become dates (``as_dates``).

    >>> frame = to_frame({"ids": ["a", "b"], "metadatas": [{"year": 2020}, None]})
    >>> frame["year"].dtype, frame["year"].isna().tolist()
    (Int64Dtype(), [False, True])
    """
    pd = require("pandas", feature="to_df()")
    of_hits = _columns_of_hits(result)
    parts: Json = _hit_parts(of_hits[0], result, query_texts) if of_hits else {}
    flat = _flatten(result) if of_hits else result
    parts["id"] = flat["ids"]
    parts.update(_measures(pd, flat))
    for part, source in (("document", "documents"), ("uri", "uris")):
        if flat.get(source) is not None and (part == "document" or any(value is not None for value in flat[source])):
            parts[part] = flat[source]
    made = {
        name: _text_column(pd, values) if isinstance(values, list) else pd.Series(values)
        for name, values in parts.items()
    }
    made.update(_metadata_columns(pd, flat.get("metadatas"), of_hits))
    if flat.get("data") is not None and any(value is not None for value in flat["data"]):
        made["data"] = pd.Series(list(flat["data"]), dtype=object)
    if flat.get("embeddings") is not None:
        made["embedding"] = pd.Series(_rows(flat["embeddings"]), dtype=object)
    if warned and columns is not None and flat["ids"]:
        _warn_of_unknown(column_names(columns), {*made, *RECORD_COLUMNS, *of_hits})
    frame = pd.DataFrame(made) if columns is None else _picked(pd, made, column_names(columns), len(flat["ids"]))
    mark_hits(frame, [name for name in (*of_hits, "data") if name in parts or name == "data" in made])
    return as_dates(frame, dates)  # type: ignore[no-any-return]


def _warn_of_unknown(columns: Sequence[str], known: set[str]) -> None:
    """Warn of columns that no record of a result has; ``known`` are those that it has, or could have."""
    for name in columns:
        if name not in known and name.removeprefix(METADATA_PREFIX) not in known:
            hint = _hints.meant(name, known) or f"The columns are {', '.join(sorted(known)[:12])}."
            _hints.warn(f"No record of this result has {name!r}, so its column is empty. {hint}")


def _measures(pd: ModuleType, flat: Columns) -> Json:
    """How near a hit is, and how it was found."""
    parts: Json = {}
    if flat.get("word_ranks") is not None:
        parts["score"] = np.array(flat["scores"], np.float64)
        for part, source in (("meaning_rank", "meaning_ranks"), ("word_rank", "word_ranks")):
            parts[part] = pd.array(flat[source], "Int64")
        parts["words"] = [", ".join(words) for words in flat["words"]]
    for part, source in (("distance", "distances"), ("score", "scores")):
        if flat.get(source) is not None:
            parts.setdefault(part, np.array(flat[source], np.float64))
    return parts


def _columns_of_hits(result: Columns) -> Sequence[str]:
    """The columns that say where a hit stood; none for what ``get`` returned."""
    if "word_ranks" in result:
        return HYBRID_COLUMNS
    if "scores" in result:
        return SEARCH_COLUMNS
    lists = bool(result["ids"]) and isinstance(result["ids"][0], list)
    return HIT_COLUMNS if lists or "distances" in result else ()


def _hit_parts(numbered: str, result: Columns, query_texts: Sequence[str | None] | None) -> Json:
    counts = [len(ids) for ids in result["ids"]]
    numbers = np.repeat(np.arange(len(counts)), counts)
    parts: Json = {numbered: numbers}
    if query_texts is not None:
        parts["query_text"] = [query_texts[number] for number in numbers.tolist()]
    parts["rank"] = np.concatenate([np.arange(1, count + 1) for count in counts] or [np.arange(0)])
    return parts


def _flatten(result: Columns) -> Json:
    """The lists of several queries or searches end to end; a field that one search did not select is None there."""
    records = ("ids", "documents", "uris", "metadatas", "data", "embeddings")
    fields = (*records, "distances", "scores", "meaning_ranks", "word_ranks", "words")
    counts = [len(ids) for ids in result["ids"]]
    flat: Json = {}
    for name in fields:
        lists = result.get(name)
        if lists is not None and (not lists or any(many is not None for many in lists)):
            pairs = zip(lists, counts, strict=True)
            flat[name] = [value for many, count in pairs for value in ([None] * count if many is None else many)]
    return flat


def _text_column(pd: ModuleType, values: Sequence[str | None]) -> Untyped:
    """Text, with missing cells. pandas 3 has a type for it; in pandas 2 ``str`` would write 'None'."""
    try:
        return pd.Series(values, dtype="str" if int(pd.__version__.split(".")[0]) >= 3 else object)
    except UnicodeEncodeError:  # half of a surrogate pair, which Arrow text cannot hold
        return pd.Series(values, dtype=object)


def _rows(embeddings: Cell) -> list[Cell]:
    """Each vector as a view of one float32 array; None for a record that has lost its own."""
    there = have_vectors(embeddings)
    if not isinstance(embeddings, np.ndarray):
        pairs = zip(embeddings, there.tolist(), strict=True)
        return [np.asarray(row, np.float32) if given else None for row, given in pairs]
    # What must not be written to is copied, as cells may be.
    rows: list[Cell] = list(np.require(embeddings, np.float32, ("C_CONTIGUOUS", "WRITEABLE")))
    for row in np.flatnonzero(~there).tolist():
        rows[row] = None
    return rows


def _metadata_columns(pd: ModuleType, metadatas: Sequence[Metadata | None] | None, of_hits: Sequence[str]) -> Json:
    if metadatas is None:
        return {}
    taken = {*RECORD_COLUMNS, *of_hits}
    found = _cells_by_key(metadatas.pieces() if isinstance(metadatas, StoredMetadatas) else [metadatas])
    return {column_of(key, taken): _metadata_column(pd, found[key]) for key in sorted(found)}


def _cells_by_key(pieces: Iterable[Sequence[Metadata | None]]) -> dict[str, list[Cell]]:
    """Each metadata key with its value in every record, ABSENT where there is none."""
    found: dict[str, list[Cell]] = {}
    seen = 0
    for piece in pieces:
        rows: Sequence[Metadata] = [row or {} for row in piece]
        plain = set(map(type, rows)) == {dict}
        for key in set[str]().union(*rows):
            found.setdefault(key, [ABSENT] * seen).extend(_values(key, rows, plain))
        seen += len(rows)
        for column in found.values():
            column += [ABSENT] * (seen - len(column))
    return found


def _values(key: str, rows: Sequence[Metadata], plain: bool) -> list[Cell]:
    """The value of a key in every row; ``plain``: all are dicts of Python's own."""
    if plain:
        try:
            return list(map(itemgetter(key), rows))  # where all have it: in a tenth of the time
        except KeyError:
            pass
    return [row.get(key, ABSENT) for row in rows]


def _metadata_column(pd: ModuleType, values: list[Cell]) -> Untyped:
    """A column of the values' own type; of Python objects when the types differ."""
    kinds = set(map(type, values))
    present = kinds - _MISSING
    make = _COLUMNS.get(next(iter(present))) if len(present) == 1 else None
    if make is not None:
        try:
            return make(pd, values, kinds == present)
        except OverflowError:  # a whole number beyond 64 bits
            pass
    return pd.Series([None if value is ABSENT else value for value in values], dtype=object)


#: The types of cells in which nothing is.
_MISSING: Final = frozenset({type(ABSENT), type(None)})


def _absent(values: list[Cell]) -> Mask:
    return np.array([value is ABSENT or value is None for value in values], bool)


def _filled(values: list[Cell], filler: object) -> list[Cell]:
    return [filler if value is ABSENT or value is None else value for value in values]


def _int_column(pd: ModuleType, values: list[Cell], full: bool) -> Untyped:
    if full:
        return pd.Series(np.array(values, np.int64))
    return pd.Series(pd.arrays.IntegerArray(np.array(_filled(values, 0), np.int64), _absent(values)))


def _bool_column(pd: ModuleType, values: list[Cell], full: bool) -> Untyped:
    if full:
        return pd.Series(np.array(values, bool))
    return pd.Series(pd.arrays.BooleanArray(np.array(_filled(values, False), bool), _absent(values)))


def _float_column(pd: ModuleType, values: list[Cell], full: bool) -> Untyped:
    return pd.Series(np.array(values if full else _filled(values, np.nan), np.float64))


def _str_column(pd: ModuleType, values: list[Cell], full: bool) -> Untyped:
    return _text_column(pd, values if full else _filled(values, None))


_COLUMNS: dict[type, Callable[[ModuleType, list[Cell], bool], Untyped]] = {
    bool: _bool_column,
    int: _int_column,
    float: _float_column,
    str: _str_column,
}


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

"""Records at rest: ids, documents, uris and metadata in SQLite. SQL and rows; no decisions.

A record's slot, norm and checksum are kept here, too: a vector counts
only because a row of this table says so. A record whose vector was lost (in the files it was imported from)
has a slot like any other, whose row is NaN and is never searched, and the norm NO_VECTOR.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, Final, NamedTuple, cast

import numpy as np
import orjson

from chroma_nb.engine.arrays import Float64, Ints, Positions
from chroma_nb.errors import InvalidArgumentError, _DamagedError
from chroma_nb.plain import are_unicode, shown
from chroma_nb.records import AS_JSON, with_sparse_vectors
from chroma_nb.types import Json

#: Bits of ``records.key`` that hold the position; the rest is the collection's number.
POSITION_BITS: Final = 40
_POSITION: Final = (1 << POSITION_BITS) - 1
#: The norm of a record without a vector; no vector has this norm.
NO_VECTOR: Final = -1.0

#: Ranges of positions, first and last, that readers do not see: see ``staging.py``.
Hidden = Sequence[tuple[int, int]]

_INSERT: Final = (
    "INSERT INTO records (key, collection, id, slot, norm, crc, document, uri, metadata) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
#: As above, for records that come in pieces.
_INSERT_STAGED: Final = (
    "INSERT INTO records (key, collection, id, slot, norm, crc, document, uri, metadata, staged) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)"
)
_STAGED_AT: Final = (
    "SELECT id, slot, norm, crc, document, uri, metadata FROM records "
    "WHERE key IN (SELECT value FROM json_each(?)) ORDER BY key"
)
_HEADERS: Final = "SELECT key, id, slot, norm FROM records WHERE key BETWEEN ? AND ? ORDER BY key"
_NEXT_HEADERS: Final = f"{_HEADERS} LIMIT ?"
#: Headers for each statement: all of them at once take twice the time, most of it for the objects of all rows.
_HEADERS_AT_ONCE: Final = 1_000
#: The metadata of the next records as one text, which takes SQLite a quarter of the time of a row for each.
_METADATAS: Final = (
    "SELECT max(key), count(*), CAST(group_concat(coalesce(metadata, 'null')) AS BLOB) FROM "
    "(SELECT key, metadata FROM records WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?)"
)
_CHECKSUMS: Final = (
    "SELECT max(key), CAST(group_concat(slot || ',' || crc) AS BLOB) FROM "
    "(SELECT key, slot, crc FROM records WHERE key BETWEEN ? AND ? AND norm >= 0 ORDER BY key LIMIT ?)"
)
#: Records for each piece: their metadata fits into the processor's cache.
_PIECE: Final = 10_000
_HEADERS_AT: Final = (
    "SELECT key, id, slot, norm, metadata FROM records WHERE key IN (SELECT value FROM json_each(?)) ORDER BY key"
)


class Header(NamedTuple):
    """The fields of a record that a collection in memory needs; ``metadata`` is JSON or None."""

    position: int
    id: str
    slot: int
    norm: float
    metadata: bytes | None


def encode_metadata(metadata: Mapping[str, object] | None) -> bytes | None:
    """Metadata as JSON; None if there is none. NaN and infinity become null, which means missing."""
    if not metadata:
        return None if metadata is None else b"{}"
    try:
        return orjson.dumps(metadata, *AS_JSON)
    except TypeError as error:
        raise InvalidArgumentError(f"cannot store metadata {shown(metadata, 200, repr)}: {error}") from None


def encode_metadatas(metadatas: Sequence[Mapping[str, object] | None]) -> Iterable[bytes | None]:
    """``encode_metadata`` of many records; in one call if all of them have metadata."""
    if not all(metadatas):
        return map(encode_metadata, metadatas)
    try:
        return list(map(orjson.dumps, metadatas, *map(repeat, AS_JSON)))
    except TypeError:  # find the record, to name it
        return map(encode_metadata, metadatas)


def decode_metadata(stored: Sequence[bytes | None], *, hidden: bool = False) -> list[Json | None]:
    """The metadata of many records at once; values that JSON wrote as null are left out.

    Keys that begin with "chroma:" are kept and never shown, as in Chroma; ``hidden``: show them.
    """
    if None in stored:
        whole = [b"null" if metadata is None else metadata for metadata in stored]
    else:
        whole = cast("list[bytes]", stored)  # not filtered: most records have metadata
    try:
        joined = b",".join(whole)
    except TypeError as error:  # we do not write this
        raise _damaged(error) from None
    return _decoded(joined, len(stored), hidden)


def _decoded(joined: bytes, count: int, hidden: bool = False, sparse: bool = True) -> list[Json | None]:
    try:
        decoded: list[Json | None] = orjson.loads(b"[" + joined + b"]")
        if len(decoded) != count:
            raise ValueError(f"{len(decoded)} values in {count} records")
        if not set(map(type, decoded)) <= {dict, type(None)}:
            raise ValueError("expected objects of JSON")
        if sparse and b'"#type"' in joined:  # a text that looks like it is escaped, or it is "#type" itself
            decoded = [metadata and with_sparse_vectors(metadata) for metadata in decoded]
    except (KeyError, ValueError) as error:
        raise _damaged(error) from None
    if b"null" in joined or (b'"chroma:' in joined and not hidden):
        return [None if metadata is None else _shown(metadata, hidden) for metadata in decoded]
    return decoded


def _damaged(error: Exception) -> _DamagedError:
    return _DamagedError(
        f"The metadata of a record is damaged ({error}). client.verify() lists it: update it, or restore a backup."
    )


def _shown(metadata: Json, hidden: bool) -> Json:
    return {
        key: value for key, value in metadata.items() if value is not None and (hidden or not key.startswith("chroma:"))
    }


def _bounds(collection: int) -> tuple[int, int]:
    return collection << POSITION_BITS, (collection << POSITION_BITS) | _POSITION


def _visible(collection: int, hidden: Hidden) -> Iterator[tuple[int, int]]:
    """The ranges of keys of a collection without the ``hidden`` ranges of positions (ascending)."""
    first, last = _bounds(collection)
    for start, end in hidden:
        if first < (collection << POSITION_BITS | start):
            yield first, (collection << POSITION_BITS | start) - 1
        first = (collection << POSITION_BITS | end) + 1
    yield first, last


def _keys(collection: int, positions: Positions) -> str:
    base = collection << POSITION_BITS
    return orjson.dumps((positions | base).tolist()).decode()


def insert(
    connection: sqlite3.Connection,
    collection: int,
    positions: Positions,
    *columns: Iterable[object],
    staged: bool = False,
) -> None:
    """Write new records: a column each for ids, slots, norms, crcs, documents, uris and metadata (JSON)."""
    keys = (positions | collection << POSITION_BITS).tolist()
    connection.executemany(
        _INSERT_STAGED if staged else _INSERT, zip(keys, repeat(collection, len(keys)), *columns, strict=True)
    )


def copy(connection: sqlite3.Connection, collection: int, into: int, hidden: Hidden = ()) -> None:
    """Copy the records that are not hidden to the same positions of another collection."""
    for start, last in _visible(collection, hidden):
        while (first := connection.execute(_FIRST, (start, last)).fetchone()[0]) is not None:
            start = first + _PIECE  # an interrupt waits for one
            connection.execute(_COPY, (into - collection << POSITION_BITS, into, first, min(start - 1, last)))


_FIRST: Final = "SELECT min(key) FROM records WHERE key BETWEEN ? AND ?"
_COPY: Final = (
    "INSERT INTO records (key, collection, id, slot, norm, crc, document, uri, metadata) "
    "SELECT key + ?, ?, id, slot, norm, crc, document, uri, metadata FROM records "
    "WHERE key BETWEEN ? AND ? ORDER BY key"
)


def metadatas(
    connection: sqlite3.Connection, collection: int, hidden: Hidden = (), *, sparse: bool = True, whole: bool = False
) -> Iterator[list[Json | None]]:
    """The metadata of every record of a collection, in get() order, piece by piece.

    ``sparse``: with sparse vectors as objects; else they stay as in JSON, if few or none of them are needed.
    ``whole``: with keys that begin with "chroma:", too.
    """
    for first, last in _visible(collection, hidden):
        key = first
        while True:
            key, count, joined = connection.execute(_METADATAS, (key, last, _PIECE)).fetchone()
            if not count:
                break
            yield _decoded(joined, count, whole, sparse)
            key += 1


def header_columns(
    connection: sqlite3.Connection, collection: int, hidden: Hidden = ()
) -> tuple[Positions, list[str], Positions, Float64]:
    """Positions, ids, slots and norms of a whole collection, in get() order: what opening reads."""
    ids: list[str] = []
    parts = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))]
    for first, last in _visible(collection, hidden):
        key = first
        while rows := connection.execute(_NEXT_HEADERS, (key, last, _HEADERS_AT_ONCE)).fetchall():
            keys, names, slots, norms = zip(*rows, strict=True)
            ids += names
            parts.append((np.array(keys, np.int64), np.array(slots, np.int64), np.array(norms, np.float64)))
            key = keys[-1] + 1
    every, slots_of_all, norms_of_all = map(np.concatenate, zip(*parts, strict=True))
    return every & _POSITION, ids, slots_of_all, norms_of_all


def positions_of(keys: Positions) -> Positions:
    """The positions in these keys."""
    return keys & _POSITION


def headers_at(connection: sqlite3.Connection, collection: int, positions: Positions) -> list[Header]:
    """The records that exist at these positions."""
    rows = connection.execute(_HEADERS_AT, (_keys(collection, positions),)).fetchall()
    return [Header(values[0] & _POSITION, *values[1:]) for values in rows]


#: Ids for each statement, as parameters, since JSON in SQLite ends a text at the character 0.
_IDS_AT_ONCE: Final = 250
_OF_IDS: Final = {
    count: " UNION ALL ".join(
        f"SELECT key, id, slot, norm FROM records INDEXED BY {index} "  # noqa: S608  # constants, and question marks
        f"WHERE collection = ? AND staged {staged} AND id IN ({', '.join('?' * count)})"
        for index, staged in (("records_by_id", "IS NULL"), ("staged_records_by_id", "IS NOT NULL"))
    )
    for count in (1, 10, _IDS_AT_ONCE)
}
_PAGE: Final = "SELECT key, id, slot, norm FROM records WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ? OFFSET ?"


def headers_of(
    connection: sqlite3.Connection, collection: int, ids: Iterable[str], hidden: Hidden = ()
) -> list[tuple[object, ...]]:
    """(key, id, slot, norm) of the records of those ids that exist, in get() order.

    For files only: a database in memory has no index of ids.
    """
    wanted, found = _searchable(ids), []
    for start in range(0, len(wanted), _IDS_AT_ONCE):
        part = wanted[start : start + _IDS_AT_ONCE]
        size = min(size for size in _OF_IDS if size >= len(part))
        values = (collection, *part, *part[:1] * (size - len(part)))
        found += connection.execute(_OF_IDS[size], values + values).fetchall()
    if hidden:
        found = [one for one in found if not any(start <= one[0] & _POSITION <= end for start, end in hidden)]
    return sorted(found)


def _searchable(ids: Iterable[str]) -> list[str]:
    """Each id once, without those that no record can have: SQLite refuses half of a surrogate pair."""
    each = list(dict.fromkeys(ids))
    return each if are_unicode(each) else [ident for ident in each if are_unicode([ident])]


def headers_between(connection: sqlite3.Connection, collection: int, first: int, last: int) -> list[tuple[object, ...]]:
    """(key, id, slot, norm) of the records at the positions from ``first`` to ``last``."""
    base = collection << POSITION_BITS
    return connection.execute(_HEADERS, (base | first, base | last)).fetchall()


def page_of_headers(
    connection: sqlite3.Connection, collection: int, limit: int, offset: int
) -> list[tuple[object, ...]]:
    """(key, id, slot, norm) of ``limit`` records after the first ``offset``, which SQLite walks past."""
    return connection.execute(_PAGE, (*_bounds(collection), limit, offset)).fetchall()


#: Up to this many records are selected by a parameter for each; more by a list in JSON.
_MOST_PARAMETERS: Final = 16
#: The columns that get() may need -> SQL. One statement for each combination, so that only these are read.
_FIELDS: Final = ("document", "uri", "metadata", "crc")
_SELECTS: Final = {
    fields: tuple(
        " ".join(["SELECT", ", ".join(("key", *fields)), "FROM records WHERE", condition])
        for condition in (
            "key = ?",
            "key IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ORDER BY key",
            "key IN (SELECT value FROM json_each(?)) ORDER BY key",
            "key BETWEEN ? AND ? ORDER BY key",
        )
    )
    for mask in range(1 << len(_FIELDS))
    for fields in [tuple(field for bit, field in enumerate(_FIELDS) if mask >> bit & 1)]
}


def fetch(
    connection: sqlite3.Connection,
    collection: int,
    positions: Positions,
    fields: tuple[str, ...],
    *,
    all_of_it: bool = False,
) -> list[tuple[Any, ...]]:
    """(key, *fields) of the records at ``positions`` (ascending), in that order.

    ``fields`` in the order document, uri, metadata, crc. ``all_of_it``: these are all positions.
    """
    one, few, some, stretch = _SELECTS[fields]
    if all_of_it:
        return connection.execute(stretch, _bounds(collection)).fetchall()
    base = collection << POSITION_BITS
    if len(positions) == 1:
        return connection.execute(one, (base | int(positions[0]),)).fetchall()
    if len(positions) <= _MOST_PARAMETERS:
        keys = (positions | base).tolist()
        return connection.execute(few, keys + [-1] * (_MOST_PARAMETERS - len(keys))).fetchall()
    first, last = int(positions[0]), int(positions[-1])
    if last - first + 1 == len(positions):
        return connection.execute(stretch, (base | first, base | last)).fetchall()
    return connection.execute(some, (_keys(collection, positions),)).fetchall()


def update_texts(
    connection: sqlite3.Connection, collection: int, field: str, rows: Iterable[tuple[str | None, int]]
) -> None:
    """Set the documents or uris of records: (text, position)."""
    connection.executemany(_SET_TEXT[field], _keyed(collection, rows))


def update_metadatas(connection: sqlite3.Connection, collection: int, rows: Iterable[tuple[bytes | None, int]]) -> None:
    """Set the metadata of records: (JSON, position)."""
    connection.executemany(_SET_METADATA, _keyed(collection, rows))


def update_vectors(
    connection: sqlite3.Connection, collection: int, rows: Iterable[tuple[int, float, int, int]]
) -> None:
    """Set the slots of new vectors of records: (slot, norm, crc, position)."""
    connection.executemany(_SET_VECTOR, _keyed(collection, rows))


def update_slots(connection: sqlite3.Connection, collection: int, rows: Iterable[tuple[int, int]]) -> None:
    """Renumber slots (compaction): (slot, position)."""
    connection.executemany(_SET_SLOT, _keyed(collection, rows))


_SET_TEXT: Final = {
    "document": "UPDATE records SET document = ? WHERE key = ?",
    "uri": "UPDATE records SET uri = ? WHERE key = ?",
}
_SET_METADATA: Final = "UPDATE records SET metadata = ? WHERE key = ?"
_SET_VECTOR: Final = "UPDATE records SET slot = ?, norm = ?, crc = ? WHERE key = ?"
_SET_SLOT: Final = "UPDATE records SET slot = ? WHERE key = ?"


def _keyed(collection: int, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[object, ...]]:
    base = collection << POSITION_BITS
    return ((*row[:-1], base | int(row[-1])) for row in rows)


def delete(connection: sqlite3.Connection, collection: int, positions: Positions) -> None:
    """Delete the records at these positions."""
    connection.execute(
        "DELETE FROM records WHERE key IN (SELECT value FROM json_each(?))", (_keys(collection, positions),)
    )


def delete_range(connection: sqlite3.Connection, collection: int, first: int, last: int) -> None:
    """Delete the records at the positions from ``first`` to ``last``."""
    base = collection << POSITION_BITS
    connection.execute("DELETE FROM records WHERE key BETWEEN ? AND ?", (base | first, base | last))


def staged_at(connection: sqlite3.Connection, collection: int, positions: Positions) -> list[tuple[Any, ...]]:
    """(id, slot, norm, crc, document, uri, metadata as JSON) of staged records."""
    return connection.execute(_STAGED_AT, (_keys(collection, positions),)).fetchall()


def first_slot(connection: sqlite3.Connection, collection: int, positions: Hidden) -> int | None:
    """The lowest slot of the records in these ranges (ascending): positions and slots are assigned in one order."""
    for first, last in positions:
        base = collection << POSITION_BITS
        found = connection.execute(
            "SELECT slot FROM records WHERE key BETWEEN ? AND ? ORDER BY key LIMIT 1", (base | first, base | last)
        ).fetchone()
        if found is not None:
            return int(found[0])
    return None


def vector_checksums(connection: sqlite3.Connection, collection: int, hidden: Hidden = ()) -> Ints:
    """(slot, crc32) of every record's vector, shape (n, 2).

    As text, a piece in one row: fetching a row for each would switch to other threads a hundred thousand times.
    """
    pieces = [np.empty((0, 2), np.int64)]
    for first, last in _visible(collection, hidden):
        key = first
        while (found := connection.execute(_CHECKSUMS, (key, last, _PIECE)).fetchone())[0] is not None:
            pieces.append(np.array(orjson.loads(b"[%b]" % found[1]), np.int64).reshape(-1, 2))
            key = found[0] + 1
    return np.concatenate(pieces)


def checksums(
    connection: sqlite3.Connection, collection: int, hidden: Hidden = ()
) -> Iterator[tuple[str, int, int | None]]:
    """(id, slot, crc) of every record, for verify(); None for the crc of one without a vector."""
    for bounds in _visible(collection, hidden):
        yield from connection.execute(
            "SELECT id, slot, CASE WHEN norm >= 0 THEN crc END FROM records WHERE key BETWEEN ? AND ? ORDER BY slot",
            bounds,
        )


def unreadable(connection: sqlite3.Connection, collection: int, hidden: Hidden = ()) -> list[str]:
    """The ids of records whose metadata is not JSON, for verify()."""
    ranges = _visible(collection, hidden)
    return [ident for bounds in ranges for (ident,) in connection.execute(_UNREADABLE, bounds).fetchall()]


_UNREADABLE: Final = (
    "SELECT id FROM records WHERE key BETWEEN ? AND ? AND metadata IS NOT NULL "
    "AND NOT json_valid(CAST(metadata AS TEXT))"
)

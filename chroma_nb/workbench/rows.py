"""The table's requests: how many records, the rows that are seen, whole cells, the selection. No widgets here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from chroma_nb.query.conditions import DOCUMENT_KEY
from chroma_nb.query.ordering import ID_KEY
from chroma_nb.records import Record
from chroma_nb.types import Json
from chroma_nb.workbench import marks
from chroma_nb.workbench.columns import URI_KEY, cell
from chroma_nb.workbench.search import DISTANCE, RANK, WHY, Hits
from chroma_nb.workbench.seen import Seen

#: Rows of one answer, and records whose whole cells are copied at once.
MOST_ROWS: Final = 500
#: Columns that there are while it is searched.
OF_A_SEARCH: Final = (RANK, DISTANCE, WHY)
#: What a record holds besides metadata.
_FIELDS: Final[dict[str, Callable[[Record], Any]]] = {
    ID_KEY: lambda record: record.id,
    DOCUMENT_KEY: lambda record: record.document,
    URI_KEY: lambda record: record.uri,
}


def value(record: Record, key: str) -> object:
    """What a record has in a column; None where it has nothing."""
    return _FIELDS[key](record) if key in _FIELDS else (record.metadata or {}).get(key)


def count(seen: Seen, asked: Json) -> Json:
    """How many records the question finds, of how many."""
    listing = seen.listing
    return {"shown": listing.shown, "total": listing.total, "note": listing.note}


def alive(seen: Seen, asked: Json) -> Json:
    """That somebody is there."""
    return {}


def refresh(seen: Seen, asked: Json) -> Json:
    """Read again: what others wrote appears."""
    seen.renewed()
    return {}


def rows(seen: Seen, asked: Json) -> Json:
    """Rows ``from`` a place on, ``count`` of them: ids, cells by ``keys``, and which of them are selected.

    A record that was deleted since the ids were listed has None for its cells. ``columns`` are all columns that are
    known by now: a row may have a key that no other had. ``counts`` say how many records there are, so that a new
    question is one request.
    """
    start, many, keys = int(asked["from"]), min(int(asked["count"]), MOST_ROWS), list(map(str, asked["keys"]))
    found = {record.id: record for record in seen.source.records(seen.question, start, many).rows()}
    hits = seen.source.hits(seen.question)
    if seen.listing.ids is None and len(found) < min(many, seen.listing.shown - start):
        seen.source.forget()  # others deleted records: they are counted again
    ids = list(found) if seen.listing.ids is None else seen.listing.ids[start : start + many]
    return {
        "from": start,
        "ids": ids,
        "rows": [_row(seen, found[one], keys, hits) if one in found else None for one in ids],
        "selected": [one in seen.selection for one in ids],
        "columns": seen.columns(),
        "counts": count(seen, asked),
    }


def _row(seen: Seen, record: Record, keys: Sequence[str], hits: Hits) -> list[Any]:
    return [hits.cell(record.id, key) if key in OF_A_SEARCH else _cell(seen, record, key) for key in keys]


def _cell(seen: Seen, record: Record, key: str) -> Any:
    """A value; of a document that was found by what it says, that part of it, marked."""
    if key == DOCUMENT_KEY and record.document and (found := marks.of_record(seen, record.id)):
        return marks.excerpt(record.document, found) or cell(record.document)
    return cell(value(record, key))


def cells(seen: Seen, asked: Json) -> Json:
    """Whole values of some records, by ``ids`` and ``keys``, not cut: what is copied."""
    keys = list(map(str, asked["keys"]))
    found = {record.id: record for record in seen.source.by_ids(_ids(asked)).rows()}
    return {"rows": [[cell(value(record, key), None) for key in keys] for record in found.values()]}


def selected(seen: Seen, asked: Json) -> Json:
    """Which of these ``ids`` are selected, and how many are in all."""
    return {"selected": [one in seen.selection for one in _ids(asked)], "count": len(seen.selection)}


def select(seen: Seen, asked: Json) -> Json:
    """Select more or less: ``do`` is "add", "remove", "only", "none" or "all"; the records are ``ids`` or places.

    ``places`` is a first place and one behind the last, of what the question finds; "all" is all that it finds.
    """
    do = asked["do"]
    if do == "none":
        seen.selection.clear("page")
    elif do == "all":
        seen.selection.select(seen.source.ids(seen.question, 0, seen.listing.shown), "page")
    else:
        ids = _ids(asked) if "ids" in asked else _between(seen, asked["places"])
        change = {"add": seen.selection.add, "remove": seen.selection.remove, "only": seen.selection.select}[do]
        change(ids, "page")
    return {"count": len(seen.selection)}


def _between(seen: Seen, places: Sequence[int]) -> list[str]:
    start, stop = map(int, places)
    return seen.source.ids(seen.question, start, stop - start)


def _ids(asked: Json) -> list[str]:
    return list(map(str, asked["ids"]))[:MOST_ROWS]

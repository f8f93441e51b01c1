"""The map's requests: its points, what passes the filters, what is selected, colours, the text below the pointer.

A row is the place of a record on the map; ``version`` says of which map. Rows and marks of rows travel as bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from chroma_nb.projection import scales
from chroma_nb.projection.labels import Labels
from chroma_nb.types import Float64, Int32, Json, Mask
from chroma_nb.workbench.columns import REGION_KEY, cell
from chroma_nb.workbench.points import SIDE, Drawn
from chroma_nb.workbench.seen import Seen

#: Hits of a search that are marked.
HITS: Final = 50
#: Regions that are named, and parts of them; letters of a name on the map.
REGIONS: Final = 120
PARTS: Final = 600
_LETTERS_OF_NAME: Final = 24
#: Letters of a name that a person gives.
_LETTERS_OF_GIVEN: Final = 120
#: Values that are listed at once, and letters that are read of one.
_VALUES: Final = 50
_LETTERS_OF_VALUE: Final = 38
#: Types of columns whose values are moments.
_MOMENTS: Final[dict[str, scales.Moments]] = {"date": "date", "epoch_s": "epoch_s", "epoch_ms": "epoch_ms"}
#: Letters of a document that are shown below the pointer.
_LETTERS: Final = 280


def points(seen: Seen, asked: Json) -> Json:
    """The map as it is by now: ``points`` are pairs of uint16 by row, left out where the page has this version.

    ``making`` says how far a better one is. With ``renew``, records were written since.
    """
    if asked.get("renew"):
        seen.points.renew()
    drawn = seen.points.now()
    answer: Json = {
        "version": drawn.version,
        "records": len(drawn.ids),
        "method": drawn.projection.method,
        "making": seen.points.making(),
        "note": seen.points.note,
        "home": list(drawn.home),
    }
    if asked.get("have") != drawn.version:
        answer["points"] = np.ascontiguousarray(drawn.places, "<u2").tobytes()
    return answer


def stop(seen: Seen, asked: Json) -> Json:
    """Make no better map."""
    seen.points.stop()
    return {}


def shown(seen: Seen, asked: Json) -> Json:
    """Which rows pass the filters: ``marks``, a bit a row, or ``all``. With ``hits`` the first rows in their rank."""
    drawn = seen.points.now()
    # Hits stand by their rank, however the table is ordered.
    question = replace(seen.question, order=None) if asked.get("hits") else seen.question
    listing = seen.source.listing(question)
    answer: Json = {"version": drawn.version}
    if listing.shown == listing.total and not asked.get("hits"):
        return {**answer, "all": True}
    ids = seen.source.ids(question, 0, listing.shown)
    if asked.get("hits"):
        answer["hits"] = drawn.rows(ids[:HITS]).astype("<i4").tobytes()
    return {**answer, "marks": _bits(drawn.mask(ids))}


def selected(seen: Seen, asked: Json) -> Json:
    """Which rows are selected: ``marks``, a bit a row, and how many records are."""
    drawn, ids = seen.points.now(), seen.selection.ids
    answer: Json = {"version": drawn.version, "count": len(ids)}
    return {**answer, "marks": _bits(drawn.mask(ids))} if ids else answer


def select(seen: Seen, asked: Json) -> Json:
    """Select the records of ``rows``, or of a ``region`` of a ``level``: ``do`` is "only", "add" or "remove"."""
    drawn = _same(seen, asked)
    chosen_rows = _rows(asked) if "rows" in asked else _level(drawn, asked).clusters == int(asked["region"])
    ids = [drawn.ids[row] for row in _numbers(chosen_rows)]
    chosen = seen.selection
    {"only": chosen.select, "add": chosen.add, "remove": chosen.remove}[asked["do"]](ids, "map")
    return {"count": len(chosen)}


def colour(seen: Seen, asked: Json) -> Json:
    """The colours by ``key``: ``codes``, a byte a row, and what each means. ``first``: values that have their own."""
    drawn, key = seen.points.now(), str(asked["key"])
    found = scale(seen, drawn, key, list(asked.get("first") or ()))
    short = scales.shortened([entry.text for entry in found.entries], _LETTERS_OF_VALUE)
    return {
        "version": drawn.version,
        "key": key,
        "kind": found.kind,
        "codes": found.codes.tobytes(),
        "colours": list(found.colours),
        "entries": [
            {"code": entry.code, "text": text, "whole": cell(entry.text, _LETTERS), "records": entry.records}
            for entry, text in zip(found.entries, short, strict=True)
        ],
        "ticks": [{"at": tick.at, "text": tick.text} for tick in found.ticks],
        "note": found.note,
        "missing": found.missing,
        "others": found.others,
    }


def scale(seen: Seen, drawn: Drawn, key: str, first: Sequence[object] = ()) -> scales.Scale:
    """The scale by a key, made once; ``first`` are values that have a colour of their own from now on."""
    found = drawn.scales.get(key) if not first else None
    if found is None:
        found = scales.scale(drawn.values(key), _moments(seen, key), first, _order(drawn, key))
        drawn.scales[key] = found
    return found


def _order(drawn: Drawn, key: str) -> list[object]:
    """The values whose colours stay: of regions all, by their numbers; of others those of the map before."""
    if key == REGION_KEY:
        return list(drawn.projection.labels.names)
    earlier = drawn.earlier.get(key)
    return list(earlier.order) if earlier is not None else []


def _moments(seen: Seen, key: str) -> scales.Moments | None:
    column = seen.source.columns.known.get(key)
    return _MOMENTS.get(column.type) if column is not None else None


def values(seen: Seen, asked: Json) -> Json:
    """Values of ``key`` with ``text`` in them, the most frequent ones, and how many records have each."""
    found = scales.others(seen.points.now().values(str(asked["key"])), str(asked["text"]), _VALUES)
    short = scales.shortened([entry.text for entry in found], _LETTERS_OF_VALUE)
    return {
        "values": [
            {"value": cell(entry.value, None), "text": text, "records": entry.records}
            for entry, text in zip(found, short, strict=True)
        ]
    }


def members(seen: Seen, asked: Json) -> Json:
    """Which rows have the item of a ``code`` of a scale of lists: ``marks``, a bit a row."""
    drawn = _same(seen, asked)
    return {"marks": _bits(drawn.scales[str(asked["key"])].members[int(asked["code"]) - 1])}


def labels(seen: Seen, asked: Json) -> Json:
    """The regions of the map and their parts, the largest first.

    Of each: its ``level``, 0 for regions and 1 for parts, and ``within`` which region a part lies; where (as shares of
    the square), its ``box`` but for the outermost of its records, what it is called, and how many records it has.
    """
    drawn = seen.points.now()
    found, places = drawn.projection.labels, drawn.places.astype(np.float64) / SIDE
    regions = _named(found, places, 0, REGIONS)
    if found.parts is not None:
        regions += _named(found.parts, places, 1, PARTS)
    return {"version": drawn.version, "labels": sorted(regions, key=lambda region: -region["records"])}


def _named(found: Labels, places: Float64, level: int, most: int) -> list[Json]:
    order = np.argsort(found.clusters, kind="stable")
    starts = np.searchsorted(found.clusters[order], np.arange(len(found.names) + 1))
    regions = []
    for number, name in enumerate(found.names[:most]):
        rows = order[starts[number] : starts[number + 1]]
        if not len(rows):
            continue
        (left, bottom), (x, y), (right, top) = np.quantile(places[rows], [0.05, 0.5, 0.95], axis=0).tolist()
        region: Json = {"number": number, "level": level, "x": x, "y": y, "box": [left, bottom, right, top]}
        region |= {"text": _short(name), "whole": name, "records": len(rows)}
        regions.append({**region, "within": found.within[number]} if found.within else region)
    return regions


def rename(seen: Seen, asked: Json) -> Json:
    """Call a ``region`` of a ``level`` something else; ``kept``: with the map, where this workbench may write.

    Where it only reads, the name is that of this view, until it is closed.
    """
    drawn = _same(seen, asked)
    found, name = _level(drawn, asked), " ".join(str(asked["name"]).split())
    if not name:
        raise ValueError("a region needs a name")
    keep = seen.changes is not None
    found.rename(int(asked["region"]), name[:_LETTERS_OF_GIVEN], keep=keep)
    drawn.scales.pop(REGION_KEY, None)
    return {"name": found.names[int(asked["region"])], "kept": keep and found.changed is not None}


def _level(drawn: Drawn, asked: Json) -> Labels:
    """The regions that are meant, or their parts."""
    found = drawn.projection.labels
    if not asked.get("level"):
        return found
    if found.parts is None:
        raise ValueError("the regions of this map have no parts")
    return found.parts


def _short(name: str) -> str:
    """As much of a name as has room on the map: its first terms."""
    terms = name.split(", ")
    while len(terms) > 1 and len(", ".join(terms)) > _LETTERS_OF_NAME:
        terms.pop()
    text = ", ".join(terms)
    return text if len(text) <= _LETTERS_OF_NAME else text[: _LETTERS_OF_NAME - 1] + "…"


def hover(seen: Seen, asked: Json) -> Json:
    """The record of a ``row`` as it is now: its id, the beginning of its document, its value under ``key``."""
    drawn = _same(seen, asked)
    id_ = drawn.ids[int(asked["row"])]
    found = seen.source.by_ids([id_]).rows()
    answer: Json = {"row": int(asked["row"]), "id": id_, "text": None, "value": None}
    for record in found:
        answer["text"] = cell(record.document or record.uri, _LETTERS)
        key = asked.get("key")
        if key == REGION_KEY:
            answer["value"] = cell(drawn.values(REGION_KEY)[answer["row"]])
        elif key is not None:
            answer["value"] = cell((record.metadata or {}).get(str(key)))
        return answer
    return {**answer, "gone": True}


def _same(seen: Seen, asked: Json) -> Drawn:
    """The map that the page speaks of; its rows are others where it has been made anew meanwhile."""
    drawn = seen.points.now()
    if asked["version"] != drawn.version:
        raise ValueError("the map was computed again meanwhile; try again")
    return drawn


def within(seen: Seen, asked: Json) -> Json:
    """Show only the records that are selected, everywhere, or with ``all`` the others again."""
    seen.narrow(None if asked.get("all") else seen.selection.ids)
    return {}


def _numbers(rows: Int32 | Mask) -> list[int]:
    numbers: list[int] = (np.flatnonzero(rows) if rows.dtype == np.bool_ else rows).tolist()
    return numbers


def _rows(asked: Json) -> Int32:
    return np.frombuffer(asked["rows"], "<i4").astype(np.int32)


def _bits(mask: Mask) -> bytes:
    return np.packbits(mask, bitorder="little").tobytes()

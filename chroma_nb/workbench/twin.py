"""The static twin: the map and the first records as plain HTML in an output of its own, hidden by the live workbench.

A saved notebook shows it where no kernel runs. It shows the last state, since it follows when the page says that
nothing changes any more. One output with both forms would show neither after reopening: the front end takes the
widget. The widget's own output cannot be updated either: the page would make its view anew.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Sequence
from typing import Any, Final

from chroma_nb.dates import shown_date
from chroma_nb.display.markup import Html, block, counted, document, escape, plain, table
from chroma_nb.projection.layout import Box
from chroma_nb.query.conditions import DOCUMENT_KEY
from chroma_nb.query.ordering import ID_KEY
from chroma_nb.records import Record
from chroma_nb.types import Json
from chroma_nb.workbench import marks
from chroma_nb.workbench.columns import URI_KEY, Column
from chroma_nb.workbench.points import Drawn
from chroma_nb.workbench.search import RANK, WHY
from chroma_nb.workbench.seen import Seen
from chroma_nb.workbench.source import Question

#: Records of the static table, and columns at most.
ROWS: Final = 20
COLUMNS: Final = 16
#: Letters of a cell.
_LETTERS: Final = 160
_MISSING: Final = '<span class="dim">—</span>'
_NAMES: Final = {ID_KEY: "id", DOCUMENT_KEY: "document", URI_KEY: "uri"}
#: Displays so far; it tells one twin from the next, and is the same from run to run.
_DISPLAYS = itertools.count(1)


def new_name(about: str) -> str:
    """A CSS class for the next twin, which is also the id of its display."""
    return f"chroma-nb-static-{zlib.crc32(about.encode()):08x}-{next(_DISPLAYS)}"


def settled(seen: Seen, asked: Json) -> Json:
    """Nothing changes any more: what is seen now is saved, of the map the ``box`` of its square that is looked at."""
    box = asked.get("box")
    seen.keep(None if box is None else on_the_map(seen.points.now(), box))
    return {}


def on_the_map(drawn: Drawn, box: Sequence[Any]) -> Box:
    """A box of the square that holds all points, on the map itself.

    >>> from types import SimpleNamespace
    >>> on_the_map(SimpleNamespace(frame=(-1.0, 2.0, 4.0)), [0, 0.25, 1, 0.75])
    (-1.0, 3.0, 3.0, 5.0)
    """
    x, y, side = drawn.frame
    left, bottom, right, top = (float(share) for share in box)
    return x + left * side, y + bottom * side, x + right * side, y + top * side


def html(seen: Seen, name: str, columns: Sequence[Column], picture: Html = "") -> Html:
    """The picture of the map, if any, and the first records that the question finds, in its order, by these columns."""
    question, shown = seen.question, columns[:COLUMNS]
    listing = seen.listing
    found = [*seen.source.records(question, 0, ROWS).rows()]
    heads = [_NAMES.get(column.key, column.key) for column in shown]
    numbers = [head for head, column in zip(heads, shown, strict=True) if column.type in ("integer", "number")]
    rows = [[_cell(seen, record, column) for column in shown] for record in found]
    if question.search is not None:
        hits = seen.source.hits(question)
        heads, numbers = ["rank", *heads, "found by"], ["rank", *numbers]
        rows = [
            [escape(hits.cell(record.id, RANK)), *row, escape(hits.cell(record.id, WHY) or "", _LETTERS)]
            for record, row in zip(found, rows, strict=True)
        ]
    of = f" of {listing.total:,}" if listing.shown != listing.total else ""
    caption = f"{seen.source.collection.name}: {counted(listing.shown, 'record')}{of}"
    notes = "".join(f'<div class="dim">{text}</div>' for text in _said(question, len(found), listing.shown, columns))
    return f'<div class="{name}">{picture}{block(table(caption, heads, rows, numbers), notes)}</div>'


def _cell(seen: Seen, record: Record, column: Column) -> Html:
    fields = {ID_KEY: record.id, DOCUMENT_KEY: record.document, URI_KEY: record.uri}
    value = fields[column.key] if column.key in fields else (record.metadata or {}).get(column.key)
    if value is None:
        return _MISSING
    if column.key == DOCUMENT_KEY:
        return document(str(value), marks.of_record(seen, record.id))
    if column.type in ("date", "epoch_s", "epoch_ms") and (text := shown_date(value, column.type)) is not None:
        return escape(text)
    if column.type == "number" and column.digits is not None and isinstance(value, float):
        return escape(f"{value:,.{column.digits}f}")
    return escape(plain(value), _LETTERS)


def _said(question: Question, rows: int, shown: int, columns: Sequence[Column]) -> list[Html]:
    """What was asked, and what is left out."""
    asked = [f"{kind}={filter_!r}" for kind, filter_ in question.filters.items()]
    if question.search is not None:
        wanted = question.search.text if question.search.text is not None else f"like {question.search.like}"
        asked.append(f"search: {wanted}")
    if (order := question.order) is not None:
        asked.append(f"sorted by {_NAMES.get(order.key, order.key)}" + (", descending" if order.descending else ""))
    left = []
    if shown > rows:
        left.append(f"the first {rows} of {shown:,} records")
    if len(columns) > COLUMNS:
        left.append(f"{COLUMNS} of {len(columns)} columns")
    said = [escape("; ".join(asked), 400)] if asked else []
    still = f"A still picture ({', '.join(left)})" if left else "A still picture"
    return [*said, f"{still} of the workbench; run the cell again to search, filter and edit."]

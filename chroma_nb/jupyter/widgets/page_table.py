"""A page of records as HTML: the live table, whose ids and headers are buttons beside it, and the static one."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from chroma_nb.display.markup import (
    Html,
    Marks,
    bar,
    block,
    chips,
    document,
    escape,
    exact,
    number,
    plain,
    shares,
    shortened,
    table,
    words,
)
from chroma_nb.jupyter.widgets.pages import Page
from chroma_nb.jupyter.widgets.question import Order, Question
from chroma_nb.types import Metadata, Options

#: Metadata keys that have a column of their own; characters of a cell.
KEY_COLUMNS, _CELL = 4, 160
#: What surrounds a match that stands far into a document.
_BEFORE = 40

#: JupyterLab turns the cells of a saved table to the right.
_LEFT = "<style>.chroma-nb :is(th,td):not(.number){text-align:left!important}</style>"


@dataclass(frozen=True)
class Column:
    """A column beside the id: its head, its share of the width, how to sort by it, its cells."""

    head: str
    width: int
    order: Order | None
    cell: Callable[[Page, int], Html]
    kind: str = ""


def columns(keys: Sequence[str], page: Page, marks: Sequence[Marks] = ()) -> list[Column]:
    """The columns of a page: distance where there is one, the document, metadata keys."""
    made = []
    if page.distances is not None:
        distances, share = page.distances, shares(page.distances)

        def distance(page: Page, row: int) -> Html:
            """The distance, with a bar."""
            return number(distances[row]) + bar(share[row])

        made.append(Column("distance", 12, Order("distance"), distance, "number"))
    numeric = {key: _all_numbers(page, key) for key in keys[:KEY_COLUMNS]}
    widths = sum(column.width for column in made) + 13 * len(numeric)
    made.append(Column("document", 100 - widths, None, lambda page, row: _document(page.documents[row], marks)))
    made += [
        Column(key, 13, Order("metadata", key), _value_of(key), "number" if number_like else "")
        for key, number_like in numeric.items()
    ]
    return made


def _all_numbers(page: Page, key: str) -> bool:
    values = [metadata[key] for metadata in page.metadatas if metadata and metadata.get(key) is not None]
    return bool(values) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _value_of(key: str) -> Callable[[Page, int], Html]:
    def cell(page: Page, row: int) -> Html:
        """The record's value of the key, or a dash."""
        value = (page.metadatas[row] or {}).get(key)
        return '<span class="dim">–</span>' if value is None else _titled(plain(value))

    return cell


def _titled(text: str) -> Html:
    return f'<span title="{escape(text, 500)}">{escape(text, _CELL)}</span>'


def _document(text: str | None, marks: Sequence[Marks]) -> Html:
    """One line, around the first match; the whole text's beginning is the tool tip."""
    if text is None:
        return '<span class="dim">no document</span>'
    first = min((span[0] for mark in marks for span in mark(text)), default=0)
    start = first - _BEFORE if first > _CELL - _BEFORE else 0
    excerpt = ("…" if start else "") + shortened(text[start:], _CELL)
    return f'<span title="{escape(text, 500)}">{document(excerpt, marks)}</span>'


def marks_of(question: Question, page: Page) -> list[Marks]:
    """What is underlined in the page's documents: the text searched for, the words of the meaning."""
    found = [exact(question.contains)] if question.contains else []
    of_meaning = words([question.meaning], page.documents) if question.meaning else None
    return [*found, of_meaning] if of_meaning else found


def live_html(caption: str, page: Page, shown: Sequence[Column], order: Order, selected: Container[str]) -> Html:
    """The table beside the buttons. Heads and ids are in it for screen readers; one sees them on the buttons."""
    group = '<col style="width:0">' + "".join(f'<col style="width:{column.width}%">' for column in shown)
    heads = _head("id", Order("id"), order) + "".join(_head(column.head, column.order, order) for column in shown)
    body = "".join(
        f'<tr{" class=selected" if id_ in selected else ""}><th scope="row"><span>{escape(id_, 80)}</span></th>'
        + "".join(f'<td class="{column.kind}">{column.cell(page, row)}</td>' for column in shown)
        + "</tr>"
        for row, id_ in enumerate(page.ids)
    )
    return (
        f"<table><caption>{escape(caption, 200)}</caption><colgroup>{group}</colgroup>"
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    )


def _head(name: str, by: Order | None, order: Order) -> Html:
    """A head that says to a screen reader what the arrow on its button says to the eye."""
    sorts = by is not None and (by.by, by.key) == (order.by, order.key)
    direction = "descending" if order.descending else "ascending"
    return f'<th scope="col"{f" aria-sort={direction}" if sorts else ""}>{escape(name, 60)}</th>'


def static_html(caption: str, page: Page, keys: Sequence[str]) -> Html:
    """What stays in the saved notebook: the page as a plain table, and how to have the rest."""
    rows = [
        [
            escape(id_, 80),
            document(page.documents[row] and shortened(page.documents[row] or "", _CELL)),
            chips(_of(page, row, keys)),
        ]
        for row, id_ in enumerate(page.ids)
    ]
    more = '<div class="dim">Run this cell to page, search and filter.</div>'
    return block(_LEFT, table(caption, ["id", "document", "metadata"], rows), more)


def _of(page: Page, row: int, keys: Sequence[str]) -> Options:
    metadata: Metadata = page.metadatas[row] or {}
    return {key: metadata[key] for key in keys[:KEY_COLUMNS] if key in metadata}

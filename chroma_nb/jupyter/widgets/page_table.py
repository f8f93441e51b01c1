"""A page of records as HTML: the live table, whose ids and headers are buttons beside it, and the static one."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from chroma_nb.display import markup
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

#: Each line of the table is as high as the line of buttons beside it.
STYLE = (
    markup.STYLE
    + """<style>
.chroma-nb-browser{--c-text:var(--jp-ui-font-color1,var(--vscode-foreground,inherit));
--c-dim:var(--jp-ui-font-color2,var(--vscode-descriptionForeground,inherit));
--c-line:var(--jp-border-color2,var(--vscode-panel-border,rgba(128,128,128,.4)));
--c-fill:var(--jp-layout-color2,var(--vscode-editorWidget-background,rgba(128,128,128,.12)));
--c-back:var(--jp-layout-color1,var(--vscode-editor-background,transparent));
--c-mark:var(--jp-brand-color1,var(--vscode-focusBorder,#1976d2));
color:var(--c-text);background:var(--c-back);border:1px solid var(--c-line);border-radius:8px;padding:12px;
gap:8px;box-sizing:border-box;max-width:100%;overflow:hidden}
.chroma-nb-browser :is(button,input,textarea,select):focus-visible{outline:2px solid var(--c-mark)!important;
outline-offset:-2px}
.chroma-nb-browser .chroma-nb{overflow:visible}
.chroma-nb-browser .jupyter-widgets{margin:0}
.chroma-nb-browser .jupyter-button{border-radius:4px;margin:0 6px 0 0;width:auto;padding:0 12px}
.chroma-nb-browser .title{font-size:16px;font-weight:600}
.chroma-nb-browser .title span{font-size:13px;font-weight:400;color:var(--c-dim);margin-left:.8em}
.chroma-nb-grid{border:1px solid var(--c-line);border-radius:6px;overflow:hidden;flex:none}
.chroma-nb-head{background:var(--c-fill);border-bottom:1px solid var(--c-line);height:34px}
.chroma-nb-head .jupyter-button{background:none;box-shadow:none;border:0;font-weight:600;text-align:left;
padding:0 8px;margin:0;height:33px;color:var(--c-text);border-radius:0}
.chroma-nb-head .jupyter-button:hover{background:var(--c-line)}
.chroma-nb-line{height:32px;border-bottom:1px solid var(--c-line);box-sizing:border-box;align-items:center}
.chroma-nb-line:has(input:checked){background:var(--c-fill)}
.chroma-nb-line .jupyter-button{background:none;box-shadow:none;border:0;text-align:left;padding:0 8px;margin:0;
height:31px;color:var(--jp-content-link-color,var(--vscode-textLink-foreground,#1565c0));flex:1 1 auto;min-width:0;
overflow:hidden;text-overflow:ellipsis;white-space:nowrap;border-radius:0;font-size:12px;
font-family:var(--jp-code-font-family,monospace)}
.chroma-nb-line .jupyter-button:hover{text-decoration:underline}
.chroma-nb-tick{flex:none!important;width:30px!important;height:30px;overflow:hidden;position:relative}
.chroma-nb-tick .widget-label-basic{width:100%!important;padding:0!important;margin:0!important;
height:30px;justify-content:center;align-items:center;display:flex}
.chroma-nb-tick input{margin:0!important;accent-color:var(--c-mark)}
.chroma-nb-tick span,.chroma-nb-grid caption,.chroma-nb-grid thead,.chroma-nb-grid tbody th span{
position:absolute!important;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap;
border:0!important;padding:0!important}
.chroma-nb-grid tbody th{position:relative;padding:0!important;border:0!important}
.chroma-nb-head .number{text-align:right}
.chroma-nb-grid .widget-html,.chroma-nb-grid .widget-html-content{margin:0;padding:0;line-height:1.4;
min-width:0;width:100%;height:auto;overflow:hidden}
.chroma-nb-grid table{table-layout:fixed;width:100%;border-collapse:separate;border-spacing:0;margin:0;font-size:13px}
.chroma-nb-grid tbody tr{background:none!important}
.chroma-nb-grid tbody tr.selected{background:var(--c-fill)!important}
.chroma-nb-grid td{height:32px;box-sizing:border-box;border:0;border-bottom:1px solid var(--c-line)!important;
padding:0 8px!important;white-space:nowrap;overflow:hidden;
text-overflow:ellipsis;color:var(--c-text);text-align:left!important;vertical-align:middle}
.chroma-nb-grid td.number{text-align:right!important;font-variant-numeric:tabular-nums}
.chroma-nb-grid .bar{display:block;height:3px;background:var(--c-fill)}
.chroma-nb-grid .bar>span{display:block;height:3px;background:var(--c-mark)}
.chroma-nb-grid .dim,.chroma-nb-browser .dim{color:var(--c-dim)}
.chroma-nb-grid mark{background:none;color:inherit;font-weight:700;border-bottom:2px solid var(--c-mark)}
.chroma-nb-pages,.chroma-nb-row{align-items:center;flex-wrap:wrap;gap:6px}
.chroma-nb-pages b{margin-right:1em}
.chroma-nb-panel{border-left:3px solid var(--c-mark);padding:4px 0 4px 12px;gap:8px}
.chroma-nb-near .jupyter-button{font-family:var(--jp-code-font-family,monospace);font-size:12px;height:26px;
line-height:26px}
.chroma-nb-near{gap:4px}
.chroma-nb-browser .jupyter-widget-Collapse,.chroma-nb-browser .jupyter-widget-Collapse-contents{margin:0}
.chroma-nb-browser .jupyter-widget-Collapse-header{color:var(--c-text)}
.chroma-nb-browser textarea{font-family:var(--jp-code-font-family,monospace);font-size:12px}
.chroma-nb-browser .where input{font-family:var(--jp-code-font-family,monospace);font-size:12px;width:min(44em,60%);
background:var(--c-fill);color:var(--c-text);border:1px solid var(--c-line);
border-radius:4px;padding:4px 8px;margin:0 6px}
.chroma-nb-browser .where button{background:var(--c-fill);color:var(--c-text);border:1px solid var(--c-line);
border-radius:4px;padding:4px 12px;cursor:pointer}
.chroma-nb-browser [role=alert]{color:var(--jp-error-color0,#b71c1c);font-weight:600}
</style>"""
)


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
        low, high = min([0.0, *page.distances]), max([0.0, *page.distances])
        span = (high - low) or 1.0

        def distance(page: Page, row: int) -> Html:
            """The distance, with a bar."""
            value = (page.distances or [])[row]
            return number(value) + bar((value - low) / span)

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

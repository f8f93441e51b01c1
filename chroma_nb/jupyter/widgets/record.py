"""One record in full: text, metadata, neighbours; and, where writing is allowed, the form to change it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import ipywidgets
import numpy as np

from chroma_nb.display.markup import Html, escape, facts, fragment, number, plain, shortened, visible
from chroma_nb.jupyter.widgets.browser_state import BrowserState
from chroma_nb.records import Record
from chroma_nb.types import Json, Metadata, Vector

#: Characters of a document that are shown; numbers of an embedding; neighbours.
_DOCUMENT, _NUMBERS, NEIGHBOURS = 20_000, 6, 5
_WIDE = {"width": "100%", "max_width": "900px"}


def record_html(record: Record) -> Html:
    """The record as a table of facts."""
    pairs: list[tuple[str, Html]] = []
    if record.document is not None:
        pairs.append(("document", escape(record.document, _DOCUMENT)))
    pairs += [
        (key, f'{escape(plain(value), 2_000)} <span class="dim">{escape(_kind(value))}</span>')
        for key, value in sorted((record.metadata or {}).items())
    ]
    if record.uri is not None:
        pairs.append(("uri", escape(record.uri, 500)))
    if record.embedding is not None:
        pairs.append(("embedding", _embedding(record.embedding)))
    return fragment(facts(f"Record {shortened(visible(record.id), 120)}", pairs))


def _kind(value: object) -> str:
    return f"list of {_kind(value[0])}" if isinstance(value, list) and value else type(value).__name__


def _embedding(embedding: Vector | None) -> Html:
    vector = np.asarray(embedding, np.float64)
    first = ", ".join(number(value) for value in vector[:_NUMBERS])
    more = ", …" if len(vector) > _NUMBERS else ""
    length = number(float(np.linalg.norm(vector)))
    return f'[{first}{more}] <span class="dim">{len(vector):,} numbers, length {length}</span>'


def metadata_text(metadata: Metadata | None) -> str:
    """Metadata as JSON to be edited."""
    return json.dumps(dict(metadata or {}), ensure_ascii=False, indent=2, sort_keys=True)


def metadata_of(text: str) -> Json:
    """Metadata from JSON. ValueError says where the text is not valid.

    >>> metadata_of('{"year": 2020}')
    {'year': 2020}
    """
    try:
        value = json.loads(text or "{}", parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise ValueError(
            'expected metadata as JSON, such as {"year": 2020}; '
            f"line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    if not isinstance(value, dict):
        raise ValueError(f'expected metadata as a JSON object, such as {{"year": 2020}}, got {shortened(text, 60)}')
    return value


def _refuse(constant: str) -> None:
    """NaN and infinity, which Python reads and no Chroma keeps."""
    raise ValueError(f"expected metadata of texts, numbers, true or false, got {constant}, which cannot be stored")


class RecordPanel:
    """``show(record)`` opens it, ``close()`` hides it. ``do`` runs a step and shows its text, or what went wrong."""

    def __init__(
        self, state: BrowserState, do: Callable[[Callable[[], str | None]], None], on_open: Callable[[str], object]
    ) -> None:
        self._state, self._do, self._on_open = state, do, on_open
        self.record: Record | None = None
        self._html = ipywidgets.HTML()
        self._near = ipywidgets.VBox()
        self.close_button = ipywidgets.Button(description="Close record", icon="times", tooltip="Close the record")
        self.close_button.on_click(lambda _: self.close())
        self.document = ipywidgets.Textarea(description="Document", layout={**_WIDE, "height": "110px"})
        self.metadata = ipywidgets.Textarea(description="Metadata", layout={**_WIDE, "height": "110px"})
        self.save = ipywidgets.Button(
            description="Save",
            icon="check",
            button_style="primary",
            tooltip="Save; a changed document is embedded anew",
        )
        self.save.on_click(lambda _: do(self._save))
        self.delete = ipywidgets.Button(description="Delete…", icon="trash", tooltip="Delete this record; asks first")
        self._near.add_class("chroma-nb-near")
        side_by_side = ipywidgets.HBox(
            [self._html, self._near], layout={"flex_flow": "row wrap", "grid_gap": "8px 32px"}
        )
        form = [] if state.readonly else [self.document, self.metadata]
        buttons = [self.close_button] if state.readonly else [self.save, self.delete, self.close_button]
        self.widget = ipywidgets.VBox([side_by_side, *form, ipywidgets.HBox(buttons)], layout={"display": "none"})
        self.widget.layout.grid_gap = "6px"
        self.widget.add_class("chroma-nb-panel")

    def show(self, record: Record) -> None:
        """This record, and its neighbours as buttons."""
        self.record = record
        self._html.value = record_html(record)
        self.document.value, self.metadata.value = record.document or "", metadata_text(record.metadata)
        self._near.children = self._neighbours(self._state.neighbours(record, NEIGHBOURS))
        self.widget.layout.display = None

    def close(self) -> None:
        """Nothing is open."""
        self.record = None
        self.widget.layout.display = "none"

    def _neighbours(self, hits: Sequence[tuple[str, float, str | None]]) -> list[ipywidgets.Widget]:
        if not hits:
            return []
        lines = [ipywidgets.HTML(fragment("<b>Nearest records</b>"))]
        for id_, distance, document in hits:
            button = ipywidgets.Button(description=shortened(visible(id_), 40), tooltip=f"Open {visible(id_)}")
            button.on_click(lambda _, id_=id_: self._on_open(id_))
            text = escape(document or "no document", 120)
            about = ipywidgets.HTML(fragment(f'<span class="number">{number(distance)}</span> {text}'))
            lines.append(ipywidgets.HBox([button, about], layout={"align_items": "center"}))
        return lines

    def _save(self) -> str | None:
        if self.record is None:
            return None
        done = self._state.edit(self.record, self.document.value, metadata_of(self.metadata.value))
        again = self._state.record(self.record.id)
        if again is not None:
            self.show(again)
        return f"Saved: {done}."


class NewRecord:
    """The form for a record that is not there yet."""

    def __init__(self, state: BrowserState, do: Callable[[Callable[[], str | None]], None]) -> None:
        self._state = state
        self.id = ipywidgets.Text(description="Id", layout={"width": "340px"})
        self.document = ipywidgets.Textarea(description="Document", layout={**_WIDE, "height": "90px"})
        self.metadata = ipywidgets.Textarea(
            description="Metadata", placeholder='{"year": 2020}', layout={**_WIDE, "height": "60px"}
        )
        self.create = ipywidgets.Button(
            description="Create",
            icon="plus",
            button_style="primary",
            tooltip="Add the record; its document is embedded",
        )
        self.create.on_click(lambda _: do(self._create))
        self.widget = ipywidgets.VBox([self.id, self.document, self.metadata, self.create])

    def _create(self) -> str:
        done = self._state.create(self.id.value, self.document.value or None, metadata_of(self.metadata.value))
        self.id.value = self.document.value = self.metadata.value = ""
        return f"Done: {done}."

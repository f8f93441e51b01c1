"""One record in full: text, metadata, neighbours; and, where writing is allowed, the form to change it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial

import ipywidgets
import numpy as np

from chroma_nb.cells import kind_in_words, kind_of
from chroma_nb.display.markup import Html, escape, facts, fragment, number, plain, shortened, visible
from chroma_nb.jupyter.widgets.browser_state import BrowserState
from chroma_nb.jupyter.widgets.controls import button, show
from chroma_nb.jupyter.widgets.status import StatusLine
from chroma_nb.records import Record, with_sparse_vectors
from chroma_nb.types import Json, Metadata, SparseVector, Vector

#: Characters of a document that are shown; numbers of an embedding; neighbours.
_DOCUMENT, _NUMBERS, NEIGHBOURS = 20_000, 6, 5
_WIDE = {"width": "100%", "max_width": "900px"}


def record_html(record: Record) -> Html:
    """The record as a table of facts."""
    pairs: list[tuple[str, Html]] = []
    if record.document is not None:
        pairs.append(("document", escape(record.document, _DOCUMENT)))
    pairs += [
        (key, f'{escape(plain(value), 2_000)} <span class="dim">{escape(kind_in_words(kind_of(value)))}</span>')
        for key, value in sorted((record.metadata or {}).items())
    ]
    if record.uri is not None:
        pairs.append(("uri", escape(record.uri, 500)))
    if record.embedding is not None:
        pairs.append(("embedding", _embedding(record.embedding)))
    return fragment(facts(f"Record {shortened(visible(record.id), 120)}", pairs))


def _embedding(embedding: Vector | None) -> Html:
    vector = np.asarray(embedding, np.float64)
    first = ", ".join(number(value) for value in vector[:_NUMBERS])
    more = ", …" if len(vector) > _NUMBERS else ""
    length = number(float(np.linalg.norm(vector)))
    return f'[{first}{more}] <span class="dim">{len(vector):,} numbers, length {length}</span>'


def metadata_text(metadata: Metadata | None) -> str:
    """Metadata as JSON to be edited, a key a line.

    >>> print(metadata_text({"year": 2020, "tags": ["a", "b"]}))
    {
      "tags": ["a", "b"],
      "year": 2020
    }
    """
    lines = [f"  {_json(key)}: {_json(value)}" for key, value in sorted((metadata or {}).items())]
    return "{\n" + ",\n".join(lines) + "\n}" if lines else "{}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=SparseVector.to_dict)


def metadata_of(text: str) -> Metadata:
    """Metadata from JSON. ValueError says where the text is not valid.

    >>> metadata_of('{"year": 2020}')
    {'year': 2020}
    """
    try:
        value: Json = json.loads(text or "{}", parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise ValueError(
            'expected metadata as JSON, such as {"year": 2020}; '
            f"line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    if not isinstance(value, dict):
        raise ValueError(f'expected metadata as a JSON object, such as {{"year": 2020}}, got {shortened(text, 60)}')
    try:
        return with_sparse_vectors(value)
    except KeyError as error:
        raise ValueError(f"expected a sparse vector of indices and values, got one without {error}") from None


def _refuse(constant: str) -> None:
    """NaN and infinity, which Python reads and no Chroma keeps."""
    raise ValueError(f"expected metadata of texts, numbers, true or false, got {constant}, which cannot be stored")


class RecordPanel:
    """``show(record)`` opens it, ``close()`` hides it.

    ``open(id)`` is called for a click on a neighbour, ``delete(ids)`` to ask, ``changed()`` after the record was saved.
    """

    def __init__(
        self,
        state: BrowserState,
        status: StatusLine,
        *,
        open: Callable[[str], object],
        delete: Callable[[Sequence[str]], object],
        changed: Callable[[], object],
    ) -> None:
        self._state, self._status, self._open, self._changed = state, status, open, changed
        self.record: Record | None = None
        self._html = ipywidgets.HTML()
        self._near = ipywidgets.VBox()
        self.close_button = button("Close record", "times", "Close the record", status, self.close)
        self.document = ipywidgets.Textarea(description="Document", layout={**_WIDE, "height": "110px"})
        self.metadata = ipywidgets.Textarea(description="Metadata", layout={**_WIDE, "height": "110px"})
        self.save = button("Save", "check", "Save; a changed document is embedded anew", status, self._save)
        self.save.button_style = "primary"
        self.delete = button(
            "Delete…",
            "trash",
            "Delete this record; asks first",
            status,
            lambda: delete([self.record.id] if self.record else []),
        )
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
        show(self.widget, True)

    def close(self) -> None:
        """Nothing is open."""
        self.record = None
        show(self.widget, False)

    def _neighbours(self, hits: Sequence[tuple[str, float, str | None]]) -> list[ipywidgets.Widget]:
        if not hits:
            return []
        lines = [ipywidgets.HTML(fragment("<b>Nearest records</b>"))]
        for id_, distance, document in hits:
            shown, hint = shortened(visible(id_), 40), f"Open {visible(id_)}"
            neighbour = button(shown, "", hint, self._status, partial(self._open, id_))
            text = escape(document or "no document", 120)
            about = ipywidgets.HTML(fragment(f'<span class="number">{number(distance)}</span> {text}'))
            lines.append(ipywidgets.HBox([neighbour, about], layout={"align_items": "center"}))
        return lines

    def _save(self) -> str | None:
        if self.record is None:
            return None
        done = self._state.edit(self.record, self.document.value, metadata_of(self.metadata.value))
        again = self._state.record(self.record.id)
        if again is not None:
            self.show(again)
        self._changed()
        return f"Saved: {done}."


class NewRecord:
    """The form for a record that is not there yet; ``changed()`` is called when it is made."""

    def __init__(self, state: BrowserState, status: StatusLine, *, changed: Callable[[], object]) -> None:
        self._state, self._changed = state, changed
        self.id = ipywidgets.Text(description="Id", layout={"width": "340px"})
        self.document = ipywidgets.Textarea(description="Document", layout={**_WIDE, "height": "90px"})
        self.metadata = ipywidgets.Textarea(
            description="Metadata", placeholder='{"year": 2020}', layout={**_WIDE, "height": "60px"}
        )
        self.create = button("Create", "plus", "Add the record; its document is embedded", status, self._create)
        self.create.button_style = "primary"
        self.widget = ipywidgets.VBox([self.id, self.document, self.metadata, self.create])

    def _create(self) -> str:
        done = self._state.create(self.id.value, self.document.value or None, metadata_of(self.metadata.value))
        self.id.value = self.document.value = self.metadata.value = ""
        self._changed()
        return f"Done: {done}."

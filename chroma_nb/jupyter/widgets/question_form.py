"""Where the question of a browser is asked: the boxes of both searches, the filter builder, the filter as Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ipywidgets

from chroma_nb.jupyter.widgets.browser_state import BrowserState
from chroma_nb.jupyter.widgets.controls import FLOW, button
from chroma_nb.jupyter.widgets.filter_builder import FilterBuilder, where_html
from chroma_nb.jupyter.widgets.filters import Key
from chroma_nb.jupyter.widgets.question import Order, Question
from chroma_nb.jupyter.widgets.status import Filled, StatusLine


class QuestionForm(Filled):
    """``ask(**parts)`` is called with what is another than before: parts of ``Question`` by name."""

    def __init__(self, state: BrowserState, status: StatusLine, ask: Callable[..., object]) -> None:
        super().__init__(status)
        self._state, self._ask = state, ask
        self._shown: Question | None = Question()
        self.contains = _search_box("In document", "text, letter for letter")
        self.meaning = _search_box("By meaning", "a question or a topic")
        self.follow(self.contains, lambda text: ask(contains=text))
        self.follow(self.meaning, lambda text: ask(meaning=text))
        self.clear = button("Clear", "eraser", "No search, no filter, stored order", status, self._clear)
        self.filters = FilterBuilder(state.keys, lambda rows: ask(rows=rows), status)
        self.where = ipywidgets.HTML()
        boxes = ipywidgets.HBox([self.contains, self.meaning, self.filters.add, self.clear], layout=FLOW)
        self.widgets = [boxes, self.filters.widget, self.where]

    def offer(self, keys: Mapping[str, Key]) -> None:
        """Other keys to filter by. What was typed and could not be asked is not shown again."""
        self._shown = None
        self.filters.offer(keys)

    def show(self) -> None:
        """The boxes show the question, also one asked from Python."""
        question = self._state.question
        if question != self._shown:
            self._shown = question
            with self.filling():
                self.contains.value, self.meaning.value = question.contains, question.meaning
                self.filters.show(question.rows)
        self.where.value = where_html(self._state.where, self._state.where_document)

    def _clear(self) -> None:
        with self.filling():
            self.contains.value = self.meaning.value = ""
            self.filters.clear()
        self._ask(contains="", meaning="", rows=(), order=Order())


def _search_box(label: str, hint: str) -> ipywidgets.Text:
    box = ipywidgets.Text(
        description=label, placeholder=f"{hint}, then Enter", continuous_update=False, layout={"width": "310px"}
    )
    box.style.description_width = "84px"
    return box

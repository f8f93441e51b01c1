"""The explorer by plotly, in three dimensions too, or by jupyter-scatter.

Map, table, search and record of one collection, joined by one selection.

What happens is decided in ``explorer_state.py``; the map is in ``map.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final, Literal, TypeAlias

import ipywidgets

from chroma_nb.display.markup import Html, block, chips, counted, escape, table
from chroma_nb.jupyter.widgets.controls import APART, FLOW, button, show, show_undoable, title_html
from chroma_nb.jupyter.widgets.displayed import Displayed
from chroma_nb.jupyter.widgets.explorer_state import By, ExplorerState
from chroma_nb.jupyter.widgets.large_map import LargeMapView
from chroma_nb.jupyter.widgets.map import MapView
from chroma_nb.jupyter.widgets.map_progress import MapProgress
from chroma_nb.jupyter.widgets.painting import Painting
from chroma_nb.jupyter.widgets.selection_actions import SelectionActions
from chroma_nb.jupyter.widgets.selection_table import MarkedRecord, SelectionTable
from chroma_nb.jupyter.widgets.status import Filled, StatusLine
from chroma_nb.jupyter.widgets.style import STYLE
from chroma_nb.projection import figures
from chroma_nb.projection.projection import Projection
from chroma_nb.workbench import temporary
from chroma_nb.workbench.drawing import drawing
from chroma_nb.workbench.selection import Selection

#: Records below the picture that stays in the saved notebook.
_LISTED = 10

Renderer: TypeAlias = Literal["auto", "plotly", "scatter"]
#: What draws the map of an explorer.
RENDERERS: Final[dict[str, type[MapView] | type[LargeMapView]]] = {"plotly": MapView, "scatter": LargeMapView}


def _renderer(asked: Renderer, state: ExplorerState) -> str:
    if asked not in ("auto", *RENDERERS):
        known = ", ".join(map(repr, ("auto", *list(RENDERERS)[:-1])))
        raise ValueError(f"expected renderer to be {known} or {list(RENDERERS)[-1]!r}, got {asked!r}")
    if asked != "auto":
        return asked
    is_large = len(state.projection) > figures.DRAWN and state.projection.dims == 2
    return "scatter" if is_large and find_spec("jscatter") else "plotly"


class Explorer(Displayed):
    """The widget of ``explore`` if plotly or jupyter-scatter draws the map.

    Display it as the last expression of a cell. Below the map is a table of the selected records.

    Attributes
    ----------
    state
        What the widget shows, as ``ExplorerState``: colours, searches, the record in focus.
    """

    def __init__(self, state: ExplorerState, height: int = 560, renderer: Renderer = "auto") -> None:
        self.state, self._height, self._renderer = state, height, _renderer(renderer, state)
        self._build()

    def _build(self) -> None:
        state = self.state
        self.map = RENDERERS[self._renderer](state, self._height)
        self.status = StatusLine(state.lock, lasting=True)
        self.title = ipywidgets.HTML()
        self.undo = button("Undo", "undo", None, self.status, self._undo)
        self.questions = _SearchBox(state, self.status)
        self.painting = Painting(state, self.status)
        self.progress = MapProgress(state, self.status)
        self.table = SelectionTable(state, self.status, self._show_selection)
        self.marked = MarkedRecord(state, self.status)
        self.actions = SelectionActions(state, self.status)
        self.widget = self._arranged()
        self._show_map()
        if state.searches:
            self.questions.show()
        if state.focus:
            self._follow("focus")
        state.follow(self._follow, self._show_selection)
        self._temporary = temporary.of(state.collection)
        if self._temporary is not None:
            self._temporary.hold(self)
            self.status.say(self._temporary.note)
        if (fit := state.projection.fit) is not None:
            self.progress.watch(fit)

    def close(self) -> None:
        """Free the widgets, here and in the browser. If you display the object again, it works again.

        ``state``, ``selection`` and ``projection`` stay. The temporary collection of a table is deleted.
        """
        self.state.release()
        super().close()
        if self._temporary is not None:
            if (fit := self.projection.fit) is not None:
                fit.stop()
            self._temporary.release(self)

    @property
    def selection(self) -> Selection:
        """The selected records. Set ``selection.ids`` to select records from Python."""
        return self.state.selection

    @property
    def projection(self) -> Projection:
        """The map as a ``Projection``, without the records that were deleted here."""
        return self.state.projection

    @property
    def figure(self) -> ipywidgets.Widget:
        """The plotly ``FigureWidget`` of the map, or the widget of jupyter-scatter."""
        return self.map.figure

    def search(self, text: str) -> list[str]:
        """Find records by meaning, draw the query on the map, and select what was found.

        Parameters
        ----------
        text
            The query.

        Returns
        -------
        list of str
            The ids of the records, nearest first.

        Raises
        ------
        ValueError
            ``text`` is empty.
        """
        return self.state.search(text)

    def __repr__(self) -> str:
        return f"<Explorer of {self.projection.name!r}: {counted(len(self.projection), 'record')}>"

    def _static(self) -> Html:
        stars = [star for placed in self.state.searches for star in self.projection.stars(placed)]
        return static_html(self.projection, self.state.color, stars)

    def _arranged(self) -> ipywidgets.VBox:
        """The parts in their places."""
        box, row = ipywidgets.VBox, ipywidgets.HBox
        turning = row([self.table.paging, self.table.keep, self.table.clear], layout=FLOW)
        #: Of no use while nothing is selected.
        self.of_selection = [self.actions.widget, turning, self.table.pick]
        choices = row([self.painting.color, self.painting.size], layout=FLOW)
        whole = box(
            [
                ipywidgets.HTML(STYLE, layout={"display": "none"}),
                row([self.title, self.undo], layout=APART),
                row([self.questions.widget, choices], layout=APART),
                row(
                    [box([self.map.figure], layout={"flex": "1 1 480px", "min_width": "0"}), self.marked.widget],
                    layout={"flex_flow": "row wrap", "grid_gap": "12px"},
                ),
                row([self.status.widget, self.progress.widget], layout=FLOW),
                self.actions.widget,
                turning,
                row(
                    [self.table.pick, ipywidgets.Box([self.table.rows], layout={"flex": "1", "min_width": "0"})],
                    layout={"grid_gap": "12px"},
                ),
            ]
        )
        return whole.add_class("chroma-nb-explorer").add_class("chroma-nb-browser")

    # --- Following ---
    def _follow(self, what: str) -> None:
        if what == "map":
            self._show_map()
        elif what == "searches":
            self.questions.show()
        elif what == "focus":
            self.table.show_marks()
            self.status.run(self.marked.show)  # plotly and ipywidgets keep the errors of a click to themselves

    def _show_map(self) -> None:
        self.painting.offer()
        about = f"{counted(len(self.projection), 'record')} · map by {self.projection.method}"
        self.title.value = title_html(self.projection.name, about)
        self._show_selection()

    def _show_selection(self) -> None:
        self.table.show()
        self.actions.show()
        for part in self.of_selection:
            show(part, len(self.selection))
        show_undoable(self.undo, self.state.undoable)

    def _undo(self) -> str:
        return f"Undone: {self.state.undo()}."


class _SearchBox(Filled):
    """The box of the search by meaning, and its buttons."""

    def __init__(self, state: ExplorerState, status: StatusLine) -> None:
        super().__init__(status)
        self._state = state
        self.query = ipywidgets.Text(
            placeholder="a question or a topic, then Enter",
            description="By meaning",
            continuous_update=False,
            style={"description_width": "initial"},
            layout={"width": "380px"},
        )
        self.follow(self.query, state.search)
        self.find = button("Search", "search", "Find the nearest records", status, self._search)
        self.forget = button("Clear searches", "eraser", "Take the stars off the map", status, state.forget_searches)
        self.widget = ipywidgets.HBox([self.query, self.find, self.forget], layout=FLOW)

    def _search(self) -> None:
        self._state.search(self.query.value)

    def show(self) -> None:
        """The question that was asked last; none where all are forgotten."""
        searches = self._state.searches
        text = searches[-1].texts[0] if searches else ""
        with self.filling():
            self.query.value = text
        self.status.say(f"{counted(len(searches[-1].ids[0]), 'record')} nearest to “{text}”" if searches else "")


# --- What stays in the saved notebook -------------------------------------------------------------------
def static_html(projection: Projection, color: By = "label", stars: Sequence[figures.Star] = ()) -> Html:
    """The map as a picture and its first records: what one sees without a kernel."""
    first = [
        [escape(id_, 60), escape(text or "", 160), chips(dict(metadata or {}), 5)]
        for id_, text, metadata in zip(
            projection.ids[:_LISTED], projection.documents, projection.metadatas, strict=False
        )
    ]
    caption = f"Map of {projection.name}: {counted(len(projection), 'record')}; run the cell to explore them"
    return block(drawing(projection, color, stars), table(caption, ["id", "document", "metadata"], first))

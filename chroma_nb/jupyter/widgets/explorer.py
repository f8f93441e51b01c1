"""``explore(collection)``: map, table, search and record of one collection, joined by one selection.

The view only: what happens stands in ``explorer_state.py``, the map in ``map.py``.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from chroma_nb._optional import require
from chroma_nb.collection import Client, Collection, client_of
from chroma_nb.jupyter.markup import Html, block, chips, counted, document, escape, facts, failure, table, visible
from chroma_nb.jupyter.scope import notebook_variables
from chroma_nb.jupyter.widgets.changes import DELETED_AT_ONCE
from chroma_nb.jupyter.widgets.explorer_state import By, ExplorerState, GivenBy
from chroma_nb.jupyter.widgets.filling import Filling
from chroma_nb.jupyter.widgets.large_map import LargeMapView
from chroma_nb.jupyter.widgets.map import MapView
from chroma_nb.jupyter.widgets.map_drawing import drawing
from chroma_nb.jupyter.widgets.page_table import STYLE, part
from chroma_nb.jupyter.widgets.selection import Selection
from chroma_nb.projection import figures
from chroma_nb.projection.background import Background
from chroma_nb.projection.projection import Projection, project
from chroma_nb.types import Matrix, Where

if TYPE_CHECKING:
    from ipywidgets import Widget

#: Seconds between two words about progress.
_PAUSE = 0.25
#: Records below the picture that stays in the saved notebook.
_LISTED = 10
_NUMBERS = itertools.count(1)
#: The choice that stands for values by id, which only Python can give; no metadata key is called so.
_OWN: Final = "\x00 own values"

Renderer: TypeAlias = Literal["auto", "plotly", "scatter"]
#: What draws the map of an explorer.
RENDERERS: Final[dict[str, type[MapView] | type[LargeMapView]]] = {"plotly": MapView, "scatter": LargeMapView}


def _renderer(asked: Renderer, state: ExplorerState) -> str:
    if asked not in ("auto", *RENDERERS):
        raise ValueError(f"expected renderer to be 'auto', 'plotly' or 'scatter', got {asked!r}")
    if asked != "auto":
        return asked
    is_large = len(state.projection) > figures.DRAWN and state.projection.dims == 2
    return "scatter" if is_large and find_spec("jscatter") else "plotly"


class Explorer(Filling):
    """What ``explore`` gives: shows itself in a notebook; ``selection`` is what is lassoed, and can be set."""

    def __init__(self, state: ExplorerState, height: int = 560, renderer: Renderer = "auto") -> None:
        self.state = state
        self.map = RENDERERS[_renderer(renderer, state)](state, height)
        self._number = next(_NUMBERS)
        self._asked: int | None = None
        self._warned = False
        self._build(require("ipywidgets", feature="explore()"))
        self._offer()
        self._show_table()
        state.selection.on_select(lambda selection: self._show_table())
        state.on_change(self._follow)
        if (fit := state.projection.fit) is not None:
            self._watch(fit)

    @property
    def selection(self) -> Selection:
        """The selected ids: ``selection.ids``, ``selection.to_df()``, ``selection.on_select(callback)``."""
        return self.state.selection

    @property
    def projection(self) -> Projection:
        """The map as a table and picture."""
        return self.state.projection

    @property
    def figure(self) -> Widget:
        """The plotly FigureWidget (for very large maps, the box of jupyter-scatter)."""
        return self.map.figure

    def search(self, text: str) -> list[str]:
        """Find records by meaning, draw the question on the map, select its hits; their ids, nearest first."""
        return self.state.search(text)

    def __repr__(self) -> str:
        return f"<Explorer of {self.projection.name!r}: {counted(len(self.projection), 'record')}>"

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, display

        # Two outputs: what reopens a saved notebook shows this one; the live one beside it hides it.
        stars = [star for placed in self.state.searches for star in self.projection.stars(placed)]
        saved = static_html(self.projection, self.state.color, stars)
        display(HTML(f'<div class="{self._static_class}">{saved}</div>'))  # type: ignore[no-untyped-call]
        bundle = self.widget._repr_mimebundle_()
        display({**bundle, "text/plain": repr(self)}, raw=True)  # type: ignore[no-untyped-call]

    @property
    def _static_class(self) -> str:
        return f"chroma-nb-saved-map-{self._number}"

    # --- Parts ---
    def _build(self, widgets: ModuleType) -> None:
        wide = {"description_width": "initial"}
        self.title = widgets.HTML()
        self.color = widgets.Dropdown(description="Colour", style=wide, layout={"width": "220px"})
        self.size = widgets.Dropdown(description="Size", style=wide, layout={"width": "190px"})
        self.query = widgets.Text(
            placeholder="a question or a topic, then Enter",
            description="By meaning",
            continuous_update=False,
            style=wide,
            layout={"width": "380px"},
        )
        self.find = widgets.Button(description="Search", icon="search", tooltip="Find the nearest records")
        self.forget = widgets.Button(description="Clear searches", icon="eraser", tooltip="Take the stars off the map")
        self.status = widgets.HTML()
        self.progress = widgets.FloatProgress(min=0, max=1, description="Map", layout={"width": "260px"})
        self.stop = widgets.Button(description="Stop", tooltip="Keep the map of PCA")
        self.working = widgets.HBox([self.progress, self.stop], layout={"display": "none"})
        self.rows = widgets.HTML()
        self.pick = widgets.SelectMultiple(
            description="Mark",
            style=wide,
            layout={"width": "24%", "min_width": "150px", "max_width": "260px", "flex": "none"},
            tooltip="Mark these on the map",
        )
        self.previous = widgets.Button(description="Previous", icon="angle-left")
        self.next = widgets.Button(description="Next", icon="angle-right")
        self.of_pages = widgets.HTML()
        self.keep = widgets.Button(description="Select only marked", tooltip="Narrow the selection to the marked rows")
        self.clear = widgets.Button(description="Clear selection", tooltip="Select nothing")
        self.record = widgets.HTML()
        self.close = widgets.Button(description="Close record", icon="times", tooltip="Mark nothing")
        self.name = widgets.Text(placeholder="name of the new collection", description="Save as", style=wide)
        self.save = widgets.Button(description="Save selection", tooltip="As a new collection")
        self.key = widgets.Text(placeholder="key", description="Tag", style=wide, layout={"width": "160px"})
        self.value = widgets.Text(placeholder="value", description="=", style=wide, layout={"width": "180px"})
        self.tag = widgets.Button(description="Tag selection", tooltip="Give each selected record this metadata")
        self.delete = widgets.Button(description="Delete selection…", icon="trash", tooltip="Asks first")
        self.confirm = widgets.Button(description="Yes, delete", button_style="danger", layout={"display": "none"})
        self.cancel = widgets.Button(description="No", layout={"display": "none"})
        self.undo = widgets.Button(description="Undo", icon="undo", disabled=True)
        self._wire()
        self._arrange(widgets)

    def _arrange(self, widgets: ModuleType) -> None:
        """What of this stands where; what is of no use just now is hidden."""
        flow = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "6px"}
        apart = {**flow, "justify_content": "space-between"}
        hide = widgets.HTML(f"{STYLE}<style>.{self._static_class}{{display:none}}</style>", layout={"display": "none"})
        search = widgets.HBox([self.query, self.find, self.forget], layout=flow)
        self._beside = widgets.VBox(
            [self.record, widgets.HBox([self.close])],
            layout={"flex": "0 1 300px", "min_width": "0", "display": "none"},
        )
        self._paging = widgets.HBox([self.previous, self.next, self.of_pages], layout=flow)
        saving, deleting = [self.name, self.save], [self.delete, self.confirm, self.cancel]
        tagging = [self.key, self.value, self.tag]
        doing, turning = (
            widgets.HBox([widgets.HBox(deeds) for deeds in (saving, tagging, deleting)], layout=flow),
            widgets.HBox([self._paging, self.keep, self.clear], layout=flow),
        )
        self._of_selection = [doing, turning, self.pick]
        self.widget = widgets.VBox(
            [
                hide,
                widgets.HBox([self.title, self.undo], layout=apart),
                widgets.HBox([search, widgets.HBox([self.color, self.size], layout=flow)], layout=apart),
                widgets.HBox(
                    [widgets.VBox([self.map.figure], layout={"flex": "1 1 480px", "min_width": "0"}), self._beside],
                    layout={"flex_flow": "row wrap", "grid_gap": "12px"},
                ),
                widgets.HBox([self.status, self.working], layout=flow),
                doing,
                turning,
                widgets.HBox(
                    [self.pick, widgets.Box([self.rows], layout={"flex": "1", "min_width": "0"})],
                    layout={"grid_gap": "12px"},
                ),
            ]
        )
        self.widget.add_class("chroma-nb-explorer").add_class("chroma-nb-browser")

    def _wire(self) -> None:
        doing: list[tuple[Widget, Callable[[], object]]] = [
            (self.find, self._search),
            (self.forget, self.state.forget_searches),
            (self.previous, lambda: self._turn(-1)),
            (self.next, lambda: self._turn(1)),
            (self.keep, self.state.keep_focused),
            (self.clear, self.state.selection.clear),
            (self.close, lambda: self.state.look_at(())),
            (self.save, self._save),
            (self.tag, self._tag),
            (self.delete, self._ask),
            (self.confirm, self._delete),
            (self.cancel, self._withdraw),
            (self.undo, self._undo),
        ]
        for button, do in doing:
            button.on_click(lambda _, do=do: self._try(do))
        self.query.observe(lambda change: self._try(self._search), "value")
        for choice in (self.color, self.size):
            choice.observe(lambda change: self._try(self._paint), "value")
        self.pick.observe(lambda change: self._try(self._picked), "value")

    def _try(self, do: Callable[[], object]) -> None:
        """Do it; what goes wrong is said, not raised into the log where nobody looks."""
        with self.state.lock:
            if self._warned:
                self.say("")
            try:
                do()
            except Exception as error:  # noqa: BLE001  # the collection's model may raise whatever it likes
                self.say(failure(error), wrong=True)

    def say(self, text: str, wrong: bool = False) -> None:
        """One line below the map."""
        self._warned = wrong
        role = "alert" if wrong else "status"
        mark = "⚠ " if wrong else ""
        self.status.value = part(f'<span role="{role}">{mark}{escape(text, 300)}</span>')

    # --- Following ---
    def _follow(self, what: str) -> None:
        if what == "map":
            self._offer()
            self._show_table()
        elif what == "searches":
            self._show_search()
        elif what == "focus":
            self._show_record()

    def _offer(self) -> None:
        """The choices there are now, and what is chosen, whoever chose it."""
        state = self.state
        with self._filled():
            for choice, options, value in (
                (self.color, self._colors(), _choice(state.color)),
                (self.size, self._sizes(), _choice(state.size)),
            ):
                if list(choice.options) != options:
                    choice.options = options
                choice.value = value
        about = f"{counted(len(self.projection), 'record')} · map by {self.projection.method}"
        self.title.value = (
            f'<div class="title">{escape(self.projection.name, 120)}<span>{escape(about, 200)}</span></div>'
        )

    def _colors(self) -> list[tuple[str, str]]:
        keys = [key for key in self.state.metadata_keys() if key != "label"]
        first = [("regions", "label"), ("one colour", "")]
        return [*_own(self.state.color), *first, *((_shown(key), key) for key in keys)]

    def _sizes(self) -> list[tuple[str, str]]:
        keys = self.state.metadata_keys(numbers=True)
        return [*_own(self.state.size), ("equal", ""), *((_shown(key), key) for key in keys)]

    def _show_search(self) -> None:
        """The question that was asked last; none where all are forgotten."""
        searches = self.state.searches
        text = searches[-1].texts[0] if searches else ""
        with self._filled():
            self.query.value = text
        self.say(f"{counted(len(searches[-1].ids[0]), 'record')} nearest to “{text}”" if searches else "")

    def _show_table(self) -> None:
        rows, state = self.state.table(), self.state
        chosen = len(state.selection)
        caption = f"{chosen:,} of {len(state.projection):,} records selected"
        cells = [
            [
                escape(row["id"], 60),
                escape(row["document"] or "", 160),
                escape(row["label"] or "", 60),
                chips(row["metadata"], 5),
            ]
            for row in rows
        ]
        hint = "Draw around points on the map, or search: the records stand here."
        if not len(state.projection):
            hint = "There are no records on this map."
        empty = f'<p class="dim">{hint}</p>'
        self.rows.value = part(table(caption, ["id", "document", "region", "metadata"], cells) if rows else empty)
        self._fill_pick([row["id"] for row in rows])
        self.of_pages.value = part(f"page {state.page + 1} of {state.pages}")
        self.previous.disabled, self.next.disabled = state.page == 0, state.page + 1 >= state.pages
        for button in (self.keep, self.clear, self.save, self.tag, self.delete):
            button.disabled = not chosen
        for place in self._of_selection:
            place.layout.display = None if chosen else "none"
        self._paging.layout.display = None if state.pages > 1 else "none"
        self._withdraw()
        undoable = self.state.undoable
        self.undo.disabled = undoable is None
        self.undo.tooltip = f"Take back: {visible(undoable)}" if undoable else "Nothing to undo"

    def _fill_pick(self, ids: list[str]) -> None:
        with self._filled():
            self.pick.value = ()  # first: the page would mark the old places among the new options
            self.pick.options = [(_shown(one), one) for one in ids]
            self.pick.value = [one for one in self.state.focus if one in ids]
            self.pick.rows = max(2, len(ids))

    def _picked(self) -> None:
        if not self._filling:
            self.state.look_at(self.pick.value)

    def _show_record(self) -> None:
        with self._filled():
            self.pick.value = [one for one in self.state.focus if (_shown(one), one) in self.pick.options]
        self._beside.layout.display = None if self.state.focus else "none"
        try:
            found = self.state.record()
        except Exception:
            self.record.value = ""  # not another's beside this one's mark
            raise
        if found is None:
            gone = f"{self.state.focus[0]} is not in the collection any more" if self.state.focus else ""
            self.record.value = part(escape(gone, 200)) if gone else ""
            return
        pairs = [("document", document(found["document"])), ("metadata", chips(found["metadata"], 40))]
        self.record.value = part(facts(f"Record {found['id']}", pairs))

    # --- Doing ---
    def _search(self) -> None:
        if not self._filling:
            self.state.search(self.query.value)

    def _paint(self) -> None:
        if not self._filling:
            state = self.state
            state.paint(_by(self.color.value, state.color), _by(self.size.value, state.size))

    def _turn(self, by: int) -> None:
        self.state.turn(by)
        self._show_table()

    def _save(self) -> None:
        made = self.state.save_as(self.name.value)
        self.say(f"Saved {counted(len(self.selection), 'record')} as the collection {made.name!r}.")

    def _tag(self) -> None:
        key, text = self.key.value, self.value.value
        count = self.state.tag(key, self.state.as_typed(key, text))
        self.say(f"{counted(count, 'record')} {'has' if count == 1 else 'have'} {key} = {text} now.")

    def _ask(self) -> None:
        self._asked = len(self.selection)
        self.confirm.description = f"Yes, delete {self._asked:,}"
        self.confirm.layout.display = self.cancel.layout.display = None
        few = self._asked <= DELETED_AT_ONCE
        after = "Undo brings them back." if few else f"More than {DELETED_AT_ONCE:,}: this cannot be undone."
        self.say(f"Delete {counted(self._asked, 'record')} from {self.projection.name!r}? {after}")

    def _withdraw(self) -> None:
        self._asked = None
        self.confirm.layout.display = self.cancel.layout.display = "none"

    def _delete(self) -> None:
        count = self.state.delete(confirmed=self._asked or 0)
        self._withdraw()
        self.say(f"Deleted {counted(count, 'record')}.")

    def _undo(self) -> None:
        self.say(f"Taken back: {self.state.undo()}.")

    # --- While a better map is made ---
    def _watch(self, fit: Background[Matrix]) -> None:
        said = 0.0

        def tell(stage: str, share: float) -> None:
            """Show how far the map is, not too often."""
            nonlocal said
            if (now := time.monotonic()) - said >= _PAUSE:
                said = now
                self.progress.value, self.progress.description = share, stage.capitalize()

        def end(fit: Background[Matrix]) -> None:
            """Take over the map, while nothing else changes the state."""
            with self.state.lock:
                finish(fit)

        def finish(fit: Background[Matrix]) -> None:
            """Show the map, or what went wrong."""
            self.working.layout.display = "none"
            if fit.error is None:
                self._try(self.state.refit)
                self.say(f"{counted(len(self.projection), 'record')} by {self.projection.method}.")
            elif fit.stopped:
                self.say("Stopped: this is the map of PCA.")
            else:
                self.say(f"This is the map of PCA; the better one failed: {fit.error}", wrong=True)

        self.working.layout.display = None
        self.progress.style.description_width = "initial"
        self.say("A first map, by PCA; a better one is on its way.")
        self.stop.on_click(lambda _: fit.stop())
        fit.on_progress(tell)
        fit.on_done(end)


def explore(
    collection: Collection | Projection,
    method: str = "auto",
    dims: int = 2,
    *,
    where: Where | None = None,
    sample: int | None = None,
    color: GivenBy = "label",
    size: GivenBy = None,
    n_results: int = 10,
    client: Client | None = None,
    selection: Selection | None = None,
    height: int = 560,
    wait: bool = False,
    renderer: Renderer = "auto",
) -> Explorer:
    """A live map of ``collection``: lasso or box selects, the table follows, a search becomes a star.

    The map of PCA is there at once and gives way to that of ``method`` when it is ready. ``client`` is where
    "Save selection" makes its collection; without it a client variable of the notebook that has this collection.
    ``color`` and ``size`` are those of ``Projection.figure``.
    Several views may share one ``selection``. ``collection`` may also be a ``Projection``. ``renderer`` is "plotly"
    or "scatter" (jupyter-scatter, the extra ``large``), which "auto" takes where it is installed and the map is large.

    >>> import chroma_nb
    >>> collection = chroma_nb.EphemeralClient().create_collection("docs")
    >>> collection.add(ids=["a", "b"], documents=["one", "two"], embeddings=[[0, 3], [4, 0]])
    >>> explorer = explore(collection)
    >>> explorer.selection.ids = ["b"]
    >>> explorer.selection.to_df()
      id document
    0  b      two
    """
    if isinstance(collection, Projection):
        projection = collection
    else:
        projection = project(collection, method, dims, where=where, sample=sample, wait=wait)
    if client is None and projection.collection is not None:
        client = client_of(projection.collection, notebook_variables())
    state = ExplorerState(projection, selection, client=client, color=color, size=size, n_results=n_results)
    return Explorer(state, height, renderer)


def _choice(by: By) -> str:
    """As a value of a list box, which shows None as nothing at all."""
    return _OWN if isinstance(by, Mapping) else by or ""


def _by(choice: str, before: By) -> By:
    """What was chosen; the values by id stay what they were."""
    return before if choice == _OWN else choice or None


def _own(by: By) -> list[tuple[str, str]]:
    return [("own values", _OWN)] if isinstance(by, Mapping) else []


def _shown(text: str) -> str:
    """Text in a list box, where nothing needs to be escaped but length."""
    return text if len(text) <= 40 else text[:39] + "…"


# --- What stays in the saved notebook -------------------------------------------------------------------
def static_html(projection: Projection, color: By = "label", stars: Sequence[figures.Star] = ()) -> Html:
    """The map as a picture and its first records: what one sees without a kernel."""
    first = [
        [escape(one, 60), escape(text or "", 160), chips(dict(metadata or {}), 5)]
        for one, text, metadata in zip(
            projection.ids[:_LISTED], projection.documents, projection.metadatas, strict=False
        )
    ]
    caption = f"Map of {projection.name}: {counted(len(projection), 'record')}; run the cell to explore them"
    return block(drawing(projection, color, stars), table(caption, ["id", "document", "metadata"], first))

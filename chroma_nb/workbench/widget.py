"""``Workbench``: the widget, and the state that page and Python share.

There is one model for all of it. Its traits are what a user can set. Large data (rows, counts, pictures) goes by
messages, which ``messages.py`` answers. ``state.py`` checks the values of traits.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

import anywidget
import traitlets

from chroma_nb.collection import Client, Collection
from chroma_nb.display.markup import Html, failure, visible
from chroma_nb.projection.figures import Star
from chroma_nb.projection.layout import Box
from chroma_nb.projection.projection import Projection
from chroma_nb.tables.kinds import ids_among
from chroma_nb.types import Json, MetadataValue, Where, WhereDocument
from chroma_nb.workbench import assets, edits, export, state, temporary, twin
from chroma_nb.workbench import map as map_
from chroma_nb.workbench.changes import Changes
from chroma_nb.workbench.columns import REGION_KEY
from chroma_nb.workbench.drawing import drawing
from chroma_nb.workbench.messages import Requests
from chroma_nb.workbench.points import Points
from chroma_nb.workbench.seen import Seen
from chroma_nb.workbench.selection import Selection
from chroma_nb.workbench.shown import running_cell, shown
from chroma_nb.workbench.source import Question, Source

if TYPE_CHECKING:
    import pandas

#: Pixels of height, unless said otherwise.
HEIGHT: Final = 520
#: Hits that a search has lines to on the map of a saved notebook.
_STARRED: Final = 10
#: Hits that are numbered there.
_NUMBERED: Final = 20
#: Traits that make up the question.
_QUESTION: Final = ("where", "where_document", "search", "order", "_within")


class Workbench(anywidget.AnyWidget):
    """The widget of ``browse`` and ``explore``: table, facets, search, record and map of a collection.

    ``browse`` and ``explore`` create it. Display it as the last expression of a cell. What you do in the widget is
    visible in the attributes below, and what you set from Python appears in the widget. It is an ipywidget:
    ``observe`` calls a function after a change. A value that does not fit raises a ValueError and changes nothing.

    Attributes
    ----------
    where
        The filter on metadata, as ``get`` takes it; None for no filter.
    where_document
        The filter on documents, as ``get`` takes it; None for no filter.
    search
        A text to search for; ``{"text": …, "by": "words", "case": True}``, where ``by`` is ``"meaning"``, ``"words"``
        or ``"both"``; ``{"like": id}`` for records similar to one; or None.
    order
        A key to sort by, or ``{"by": key, "descending": True}``; None for stored order.
    columns
        The keys of the columns to show, among them ``"#id"``, ``"#document"`` and ``"#uri"``; None for all.
    record
        The id of the record that is open; None if none is.
    colour
        The key that the map is coloured by, or ``"#region"`` for the regions of the map; None for one colour.
    view
        What is in front, ``"table"`` or ``"map"``.
    wrap
        Whether a row has three lines of text.
    folded
        The parts that are folded away.
    height
        The height in pixels, from 160 to 4,000.

    Examples
    --------
    >>> import chroma_nb
    >>> client = chroma_nb.EphemeralClient()
    >>> birds = client.create_collection("birds")
    >>> birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=[{"g": 9}, {"g": 500}])
    >>> bench = Workbench(birds)
    >>> bench.where = {"g": {"$gt": 100}}
    >>> bench.order = "g"
    >>> bench.ids()
    ['crow']
    >>> bench.close()
    >>> client.close()
    """

    _esm, _css = assets.loader(), assets.style()

    where = traitlets.Any(None).tag(sync=True)
    where_document = traitlets.Any(None).tag(sync=True)
    search = traitlets.Any(None).tag(sync=True)
    order = traitlets.Any(None).tag(sync=True)
    columns = traitlets.Any(None).tag(sync=True)
    record = traitlets.Any(None).tag(sync=True)
    colour = traitlets.Any(None).tag(sync=True)
    view = traitlets.Enum(["table", "map"], "table").tag(sync=True)
    #: Whether rows are as high as three lines of text.
    wrap = traitlets.Bool(False).tag(sync=True)
    #: Names of the parts that are folded away.
    folded = traitlets.List(traitlets.Unicode()).tag(sync=True)
    #: Pixels.
    height = traitlets.Int(HEIGHT, min=160, max=4_000).tag(sync=True)

    #: What the page is told beside: the collection, the columns, the filters that always hold, how many records are
    #: selected; the change that undo would take back, in words; and a number that rises when what was read is no
    #: longer true.
    _about = traitlets.Dict().tag(sync=True)
    _known: traitlets.List[Json] = traitlets.List().tag(sync=True)
    _given = traitlets.Dict().tag(sync=True)
    _selected = traitlets.Int(0).tag(sync=True)
    _undoable = traitlets.Unicode("").tag(sync=True)
    _renewed = traitlets.Int(0).tag(sync=True)
    #: How many ids ``within`` has (-1 where it is None), and a number that is another for each of them.
    _within: traitlets.List[int] = traitlets.List([-1, 0]).tag(sync=True)
    #: How often the page has set the state; requests say in which they are asked.
    _step = traitlets.Int(0).tag(sync=True)
    #: Classes of the static twins, which the page hides.
    _twins: traitlets.List[str] = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(
        self,
        collection: Collection,
        *,
        readonly: bool = True,
        where: Where | None = None,
        where_document: WhereDocument | None = None,
        order: object = None,
        columns: Sequence[object] | None = None,
        view: Literal["table", "map"] = "table",
        selection: Selection | None = None,
        client: Client | None = None,
        projection: Projection | None = None,
        colour: object = None,
        height: int = HEIGHT,
    ) -> None:
        selected = selection if selection is not None else Selection(collection)
        changes = None if readonly else Changes(collection)
        self._seen = Seen(Source(collection), selected, changes=changes, client=client, renewed=self.refresh)
        self._seen.points = Points(collection, where, where_document, projection)
        self._seen.narrow, self._seen.keep = self._narrow, self._renew_twins
        self._temporary = temporary.of(collection)
        self._only: frozenset[str] | None = None
        known = self._seen.source.columns.known
        shown = state.columns(columns, known, strict=True)
        keys = None if shown is None else [column["key"] for column in shown]
        # Which parts are folded is another choice where the map is in front.
        self._asked: Json = {"columns": keys, "colour": colour, "folded": view}
        given = {"where": where, "where_document": where_document}
        kept = self._still_there(state.remembered(collection, self._asked))
        folded = kept.get("folded", ["map"] if view == "table" else [])
        chosen: Json = {"columns": shown, "colour": colour, **kept}
        chosen["folded"] = [part for part in folded if part != view]
        chosen |= {} if order is None else {"order": order}
        super().__init__(
            _about={
                "name": visible(collection.name),
                "readonly": readonly,
                "note": visible(self._temporary.note) if self._temporary is not None else "",
            },
            _known=self._seen.columns(),
            _given=given,
            **{**chosen, **given, "view": view, "height": height},
        )
        self._listen()
        self.on_msg(self._hear)

    def _listen(self) -> None:
        """Answer the page, and follow the selection, until it is closed."""
        if self._temporary is not None:
            self._temporary.hold(self)
        self._requests = Requests(self._seen, self._answer, aside=_answers_aside())
        self._requests.reached(self._step)
        self._stop = self._seen.selection.on_select(self._tell_selection)
        self._tell_selection(self._seen.selection)

    def _still_there(self, kept: Json) -> Json:
        """Choices that were kept, without keys that are gone."""
        known = self._seen.source.columns.known
        found = dict(kept)
        if found.get("columns") is not None:
            found["columns"] = state.columns(found["columns"], known, strict=False)
        if found.get("order") is not None and found["order"]["by"] not in known:
            found["order"] = None
        if found.get("colour") not in (None, REGION_KEY, *known, *self._seen.points.metadata_keys):
            found["colour"] = None
        return found

    # --- For Python ---
    @property
    def collection(self) -> Collection:
        """The collection."""
        return self._seen.source.collection

    @property
    def selection(self) -> Selection:
        """The selected records. Set ``selection.ids`` to select records from Python, or share it with another view."""
        return self._seen.selection

    @property
    def projection(self) -> Projection:
        """The map as a ``Projection``, for ``to_df()`` and ``figure()``."""
        return self._seen.points.projection

    @property
    def within(self) -> frozenset[str] | None:
        """Show only these ids, in addition to the filters; None for no such limit."""
        return self._seen.question.within

    @within.setter
    def within(self, ids: Iterable[str] | None) -> None:
        self._narrow(ids)

    def _narrow(self, ids: Iterable[str] | None) -> None:
        self._only = None if ids is None else frozenset(ids_among(ids))
        self._within = [-1 if self._only is None else len(self._only), self._within[1] + 1]

    @property
    def readonly(self) -> bool:
        """Whether the widget only reads."""
        return self._seen.changes is None

    def ids(self) -> list[str]:
        """Return the ids of all records that the table shows, in its order.

        Raises
        ------
        ValueError
            The search failed.
        """
        self._seen.source.succeeded(self._seen.question)
        return self._seen.source.ids(self._seen.question, 0, self._seen.listing.shown)

    def to_df(self, rows: export.Rows = "all") -> pandas.DataFrame:
        """Return records as a DataFrame.

        Parameters
        ----------
        rows
            ``"all"`` for all records that the table shows, in its order, or ``"selected"`` for the selected ones.

        Returns
        -------
        pandas.DataFrame
            The columns of ``collection.get(…).to_df()``. After a search, also ``distance``.

        Raises
        ------
        ValueError
            ``rows`` is something else.
        """
        return export.to_df(self._seen, rows)

    def tag(self, key: str, value: MetadataValue) -> str:
        """Set a metadata value of the selected records.

        Parameters
        ----------
        key
            The metadata key. A value that is there is overwritten; ``undo`` brings it back.
        value
            The value.

        Returns
        -------
        str
            What was done, in words.

        Raises
        ------
        PermissionError
            The widget only reads: use ``browse(collection, readonly=False)``.
        ValueError
            Nothing is selected, or the value cannot be stored.
        """
        return str(edits.tag_with(self._seen, key, value, len(self.selection))["done"])

    def delete(self) -> str:
        """Delete the selected records, at most 1,000. ``undo`` brings them back.

        Returns
        -------
        str
            What was done, in words.

        Raises
        ------
        PermissionError
            The widget only reads: use ``browse(collection, readonly=False)``.
        ValueError
            Nothing is selected, or more than 1,000 records are.
        """
        return str(edits.delete(self._seen, {"confirmed": len(self.selection)})["done"])

    def undo(self) -> str:
        """Undo the last change that was made in this widget. The last 20 changes can be undone.

        Returns
        -------
        str
            What was undone, in words.

        Raises
        ------
        PermissionError
            The widget only reads.
        ValueError
            There is nothing to undo, or others changed the records meanwhile.
        """
        return str(edits.undo(self._seen, {})["done"])

    def refresh(self) -> None:
        """Read the collection again, so that changes by others appear."""
        self._seen.source.forget()
        self._undoable = (self._seen.changes.last if self._seen.changes is not None else None) or ""
        self._renewed += 1

    def close(self) -> None:
        """Free the widget, here and in the browser. If you display it again, it works again.

        If a cell runs again, what its last run displayed is closed, unless another cell displays it too. The temporary
        collection of a table is deleted with the last widget that shows it.
        """
        if self.comm is None:  # closed already, or never made whole
            return
        self._requests.close()
        self._stop()
        self._seen.source.forget()
        self._seen.points.close()
        self.layout.close()
        super().close()
        self.__dict__.pop("_repr_mimebundle_", None)  # with which ipywidgets keeps what is closed from being shown
        if self._temporary is not None:
            self._temporary.release(self)

    def _ipython_display_(self) -> None:
        """The static twin first; the live workbench hides it while it lives."""
        from IPython.display import display

        if self._temporary is not None and self._temporary.gone:
            display({"text/plain": temporary.GONE}, raw=True)  # type: ignore[no-untyped-call]
            return
        name = twin.new_name(repr(self))
        display({"text/html": self._twin(name)}, raw=True, display_id=name)  # type: ignore[no-untyped-call]
        self._twins = [*self._twins, name]
        display({**self._repr_mimebundle_(), "text/plain": repr(self)}, raw=True)  # type: ignore[no-untyped-call]

    def _twin(self, name: str, box: Box | None = None) -> Html:
        known = self._seen.source.columns.known
        keys = list(known) if self.columns is None else [column["key"] for column in self.columns]
        picture = "" if "map" in self.folded else self._picture(box)
        return twin.html(self._seen, name, [known[key] for key in keys if key in known], picture)

    def _picture(self, box: Box | None) -> Html:
        """The map as it is seen: its colours, what passes the filters, the hits of a search."""
        question, drawn = self._seen.question, self._seen.points.now()
        by = self.colour if self.colour in self._seen.points.metadata_keys else "label"
        scale = map_.scale(self._seen, drawn, by) if by != "label" else None
        listing = self._seen.listing
        passing = None
        if listing.shown != listing.total:
            passing = drawn.mask(self._seen.source.ids(question, 0, listing.shown))
        hits: list[int] = []
        if question.search is not None:
            first = self._seen.source.ids(replace(question, order=None), 0, _NUMBERED)
            hits = drawn.rows(first).tolist()
        return drawing(drawn.projection, by, self._stars(), scale=scale, passing=passing, hits=hits, box=box)

    def _renew_twins(self, box: Box | None) -> None:
        """What is saved is what is seen now."""
        if not self._twins or self.comm is None:
            return
        from IPython.display import update_display

        for name in self._twins:
            update_display({"text/html": self._twin(name, box)}, raw=True, display_id=name)  # type: ignore[no-untyped-call]

    def _stars(self) -> list[Star]:
        """Where a search by meaning lies on the map, and its nearest hits."""
        question = self._seen.question
        search = question.search
        if search is None or search.text is None or search.by == "words" or self._seen.source.hits(question).error:
            return []
        return self.projection.stars(self.projection.place(query_texts=search.text, n_results=_STARRED))

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        if self._temporary is not None and self._temporary.gone:
            return {"text/plain": temporary.GONE}
        if self.comm is None:
            self.layout.open()
            self.open()
            self._listen()
        shown(self, running_cell())
        found = super()._repr_mimebundle_(**kwargs)
        return found[0] if isinstance(found, tuple) else found

    def __repr__(self) -> str:
        return f"<Workbench of {visible(self.collection.name)}>" if self._temporary is None else self._about["note"]

    # --- What may be set ---
    @traitlets.validate("where", "where_document")
    def _check_filter(self, proposal: Json) -> Any:
        name, value = proposal["trait"].name, state.mapping(proposal["trait"].name, proposal["value"])
        if value is not None:
            try:
                self._seen.source.check(Question(**{name: value}))
            except Exception as error:
                raise state.StateError(failure(error)) from error
        return value

    @traitlets.validate("order")
    def _check_order(self, proposal: Json) -> Json | None:
        return state.order(proposal["value"], self._seen.source.columns.known)

    @traitlets.validate("columns")
    def _check_columns(self, proposal: Json) -> list[Json] | None:
        return state.columns(proposal["value"], self._seen.source.columns.known, strict=True)

    @traitlets.validate("search")
    def _check_search(self, proposal: Json) -> Json | None:
        return state.search(proposal["value"])

    @traitlets.validate("colour")
    def _check_colour(self, proposal: Json) -> str | None:
        known = dict.fromkeys([*self._seen.source.columns.known, *sorted(self._seen.points.metadata_keys)])
        return state.colour(proposal["value"], known)

    @traitlets.validate("record")
    def _check_record(self, proposal: Json) -> str | None:
        return state.record(proposal["value"])

    @traitlets.observe(*_QUESTION)
    def _ask(self, change: Json) -> None:
        order, search = state.order_of(self.order), state.search_of(self.search)
        self._seen.question = Question(self.where, self.where_document, order, search, self._only)

    @traitlets.observe(*state.CHOSEN)
    def _remember(self, change: Json) -> None:
        chosen = {name: getattr(self, name) for name in state.CHOSEN}
        state.remember(self.collection, state.Choices(self._asked, chosen))

    # --- The page ---
    def set_state(self, sync_data: Json) -> None:
        """Take over values from the browser. Values that do not fit are reset there, with the reason."""
        try:
            super().set_state(sync_data)
        except traitlets.TraitError as refused:
            self.send({"told": "refused", "sentence": str(refused)})
            self.send_state([name for name in sync_data if name in self.keys and name != "_step"])
        if isinstance(step := sync_data.get("_step"), int):
            self._requests.reached(step)

    def _hear(self, widget: object, request: Json, buffers: Sequence[bytes]) -> None:
        if request.get("kind") == "script":
            self.send({"script": assets.script()})
            return
        self._requests.hear({**request, **dict(zip(request.pop("bytes", ()), buffers, strict=True))})

    def _answer(self, answer: Json) -> None:
        """What is bytes travels as such. Where the workbench was closed meanwhile, nobody hears it."""
        bytewise = [name for name, value in answer.items() if isinstance(value, bytes)]
        if not bytewise:
            self.send(answer)
            return
        plain = {name: value for name, value in answer.items() if name not in bytewise}
        self.send({**plain, "bytes": bytewise}, [answer[name] for name in bytewise])

    def _tell_selection(self, selection: Selection) -> None:
        self._selected = len(selection)
        self.send({"told": "selection", "count": len(selection)})


def height_of(rows: int) -> int:
    """Pixels of height with which this many rows are in view."""
    return min(max(rows * 28 + 104, 160), 4_000)


def _answers_aside() -> bool:
    """Whether answers may come from other threads: marimo sends nothing from these."""
    marimo = sys.modules.get("marimo")
    return marimo is None or not marimo.running_in_notebook()

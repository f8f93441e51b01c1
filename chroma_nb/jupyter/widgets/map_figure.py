"""The plotly FigureWidget of a map: only what we say is drawn, and one listener is called for what the person does.

plotly's own widget leaves some things open that show in a slow browser or with a busy kernel. What is drawn stands
in ``map.py``, the page's half in ``map_figure.js``:

- anywidget gives a widget's script two seconds, of which a slow or busy page needs more; from then on the page drops
  whatever Python says to this widget, for good. Here nothing is said to this widget: the points are in the message
  that makes it, and what follows goes over a line of its own, a bare widget that no script is needed for. Messages
  on it are numbered. A page that was late, or misses a number, asks, and is given the figure as it stands.
- Lasso, click and hover are told by one trait, so that a lasso is lost when the mouse moves on before it is sent.
  Here each is a message of its own.
- What the page works out (defaults, the points inside an outline) is sent back and written over what was said in
  Python. Here it stays in the page.
- A page that is loaded again asks for the state; plotly's widget sends the figure it was made with.
- A button sends the chart, documents and all, to plotly's cloud; another is the maker's logo. Both are left out here.
- The plot keeps the width of a page that it is not in yet. Here it follows the width of its place.
- Messages of the page are handled in a thread of their own. While one comes in, traitlets holds back what is set,
  and of a message and its end (None) only the end would be sent. So both take turns.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Protocol

from chroma_nb._optional import Untyped, require
from chroma_nb.projection.figures import NO_CLOUD
from chroma_nb.types import Json

if TYPE_CHECKING:
    from ipywidgets import Widget
    from plotly.basedatatypes import BaseTraceType
    from plotly.graph_objects import Layout

#: What is said to the page over our own line; what plotly's widget syncs besides and nobody here needs.
_TOLD, _NEEDLESS = "_py2js_", ("_js2py_", "_last_")
_FIGURE = ("_widget_data", "_widget_layout")


class Listener(Protocol):
    """Is called for what the person does on a map. Points are numbers by the number of their trace."""

    def lassoed(self, points: dict[int, list[int]], shape: SimpleNamespace | None) -> None:
        """What lies in the lasso or box that was drawn: ``shape`` has a type and xs, ys or xrange, yrange."""

    def outlined(self) -> None:
        """The outline of that stands on the map now."""

    def unselected(self) -> None:
        """A double click."""

    def clicked(self, points: dict[int, list[int]]) -> None:
        """A click on points."""


@functools.cache
def map_figure() -> Untyped:
    """The class; a function, because plotly is loaded only where a map is drawn."""
    plotly = require("plotly.graph_objects", feature="the map")
    require("anywidget", feature="the map")
    ipywidgets = require("ipywidgets", feature="the map")
    traitlets = require("traitlets", feature="the map")
    text = _text(plotly.FigureWidget)

    class MapFigure(plotly.FigureWidget):  # type: ignore[name-defined, misc]
        """A FigureWidget that calls ``listener``, holding ``lock``."""

        _esm = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
        _plotly = traitlets.Unicode(text).tag(sync=True)
        _plotly_name = traitlets.Unicode(f"chroma_nb plotly {zlib.crc32(text.encode()):08x}").tag(sync=True)
        #: The line, and the number of the last message on it that the state has in it already.
        _line = traitlets.Unicode().tag(sync=True)
        _said = traitlets.Int(0).tag(sync=True)
        #: What is read out for the plot.
        _label = traitlets.Unicode().tag(sync=True)
        _is_made = False

        def __init__(
            self,
            data: Sequence[BaseTraceType],
            layout: Layout,
            listener: Listener,
            lock: AbstractContextManager[object],
            label: str,
        ) -> None:
            self._listener, self._turn, self._number = listener, lock, 0
            self._to_page = ipywidgets.Widget()
            super().__init__(data, layout)
            self._config, self._label = NO_CLOUD, label
            self._line, self._is_made = self._to_page.model_id, True
            self.open()
            self.on_msg(self._hear)
            self._to_page.on_msg(self._answer)

        def __repr__(self) -> str:
            """Short: plotly's own writes out every point, each time a widget around it is shown."""
            return f"<map of {len(self.data)} traces>"

        def open(self) -> None:
            """Not before the points are there: plotly's widget sends them after itself."""
            if self._is_made:
                super().open()

        def close(self) -> None:
            """The line, too."""
            super().close()
            self._to_page.close()

        def _hear(self, widget: object, said: Json, buffers: object) -> None:
            with self._turn:
                tell(self._listener, said)

        def _answer(self, widget: object, said: Json, buffers: object) -> None:
            """A page asks whether it has missed something."""
            with self._turn:
                reply = {"who": said["who"], "number": self._number}
                if said["number"] == self._number:
                    self._to_page.send(reply)
                    return
                self._follow()
                state, paths, arrays = ipywidgets.widgets.widget._remove_buffers(self.get_state(_FIGURE))
                self._to_page.send({**reply, "state": state, "paths": paths}, arrays)

        def _send(self, msg: Json, buffers: object = None) -> None:
            state = msg.get("state") or {"": None}
            if not all(name.startswith((_TOLD, *_NEEDLESS)) for name in state):
                super()._send(msg, buffers)
                return
            # A message is a trait that is set and then emptied; the emptying is for traits only.
            if any(name.startswith(_TOLD) and value is not None for name, value in state.items()):
                self._number += 1
                said = {"number": self._number, "state": state, "paths": msg["buffer_paths"]}
                self._to_page.send(said, buffers)

        def set_state(self, sync_data: Json) -> None:
            """Take over what the front end says, one message at a time."""
            with self._turn:
                super().set_state(sync_data)
                moved = (sync_data.get("_js2py_relayout") or {}).get("relayout_data") or {}
                if moved.get("selections"):
                    self._listener.outlined()

        def _follow(self) -> None:
            """The figure that is synced is the one that stands, not the one that was made."""
            self._trait_values["_widget_data"] = deepcopy(self._data)
            self._trait_values["_widget_layout"] = deepcopy(self._layout)

        def get_state(self, key: object = None, drop_defaults: bool = False) -> Json:
            """What the front end is sent."""
            with self._turn:
                if key is None and self._is_made:
                    self._follow()
                    self._trait_values["_said"] = self._number
                state: Json = super().get_state(key, drop_defaults)
                return state

    return MapFigure


def tell(listener: Listener, said: Json) -> None:
    """What the page says, to who listens."""
    points = {int(trace): numbers for trace, numbers in said.get("points", {}).items()}
    if said["event"] == "unselected":
        listener.unselected()
    elif said["event"] == "clicked":
        listener.clicked(points)
    # Without points and without a shape it is not the person, but plotly's echo of an outline that we took away.
    elif points or said["shape"]:
        listener.lassoed(points, said["shape"] and SimpleNamespace(**said["shape"]))


def _text(widget: Widget) -> str:
    """plotly's script; the widget has it, or the path of it."""
    text = str(widget._esm)
    return Path(text).read_text(encoding="utf-8") if len(text) < 1_000 and Path(text).is_file() else text

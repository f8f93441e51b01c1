"""The plotly FigureWidget of a map: only what we say is drawn, and what the person does is told to one listener.

plotly's own widget leaves some things open that show in a slow browser or with a busy kernel; what is drawn
stands in ``map.py``:

- anywidget gives a widget's script two seconds. plotly's has five megabytes; where it takes longer, the page
  drops whatever Python says from then on, the points included. Here the script that anywidget waits for is a few
  lines; they fetch plotly.js, keep what comes in meanwhile and pass it on.
- Lasso, click and hover are told by one trait, so that a lasso is lost when the mouse moves on before it is sent.
  Here each is a message of its own.
- What the page works out (defaults, the points inside an outline) is sent back and written over what was said in
  Python. Here it stays in the page.
- A page that is loaded again asks for the state; plotly's widget answers with the figure it was made with.
- Messages of the page are handled in a thread of their own. While one comes in, traitlets holds back what is set,
  and of a message and its end (None) only the end would be sent. So both take turns.
"""

from __future__ import annotations

import functools
import json
import zlib
from contextlib import AbstractContextManager
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

from chroma_nb._optional import require

#: What plotly's widget says by itself and nobody needs.
_UNSAID = ("_js2py_traceDeltas", "_js2py_layoutDelta", "_js2py_widget_layoutDelta", "_js2py_pointsCallback")
#: ``text`` (plotly's script), ``name`` (of that text), ``messages`` and ``unsaid`` (traits) are defined before it.
_SCRIPT = """
const plotly = () => (globalThis[name] ??= import(URL.createObjectURL(new Blob([text], {type: "text/javascript"}))));
const quiet = (model) => new Proxy(model, {
  get(from, key) {
    if (key === "set") return (trait, value) => unsaid.includes(trait) || from.set(trait, value);
    return typeof from[key] === "function" ? from[key].bind(from) : from[key];
  },
});
const byTrace = (points) => {
  const found = {};
  for (const point of points) (found[point.curveNumber] ??= []).push(point.pointNumber);
  return found;
};
const shapeOf = (said) => {
  if (said.range) return {type: "box", xrange: said.range.x, yrange: said.range.y};
  return said.lassoPoints ? {type: "lasso", xs: said.lassoPoints.x, ys: said.lassoPoints.y} : null;
};
export default () => {
  let widget;
  return {
    initialize(context) {
      const model = context.model, missed = [];
      const keep = messages.map((message) => {
        const listener = () => missed.push([message, model.get(message)]);
        model.on(`change:${message}`, listener);
        return () => model.off(`change:${message}`, listener);
      });
      widget = plotly().then(async (module) => {
        const made = await module.default();
        keep.forEach((stop) => stop());
        await made.initialize({...context, model: quiet(model)});
        for (const [message, value] of missed) model.set(message, value);
        return made;
      });
    },
    async render(context) {
      const {model, el} = context;
      const stop = await (await widget).render({...context, model: quiet(model)});
      el.on("plotly_selected", (said) => {
        if (said) model.send({event: "lassoed", points: byTrace(said.points), shape: shapeOf(said)});
      });
      el.on("plotly_deselect", () => model.send({event: "unselected"}));
      el.on("plotly_click", (said) => model.send({event: "clicked", points: byTrace(said.points)}));
      return stop;
    },
  };
};
"""


class Listener(Protocol):
    """Who is told what the person does on a map. Points are numbers by the number of their trace."""

    def lassoed(self, points: dict[int, list[int]], shape: Any) -> None:
        """What lies in the lasso or box that was drawn: ``shape`` has a type and xs, ys or xrange, yrange."""

    def outlined(self) -> None:
        """The outline of that stands on the map now."""

    def unselected(self) -> None:
        """A double click."""

    def clicked(self, points: dict[int, list[int]]) -> None:
        """A click on points."""


@functools.cache
def map_figure() -> Any:
    """The class; a function, because plotly is loaded only where a map is drawn."""
    plotly: Any = require("plotly.graph_objects", feature="the map")
    require("anywidget", feature="the map")

    class MapFigure(plotly.FigureWidget):  # type: ignore[misc]
        """A FigureWidget that tells ``listener``, holding ``lock`` for it."""

        _esm = _script(plotly.FigureWidget)

        def __init__(self, data: Any, layout: Any, listener: Listener, lock: AbstractContextManager[Any]) -> None:
            self._listener, self._turn = listener, lock
            super().__init__(data, layout)
            self.on_msg(self._hear)

        def _hear(self, widget: Any, said: dict[str, Any], buffers: Any) -> None:
            with self._turn:
                tell(self._listener, said)

        def set_state(self, sync_data: dict[str, Any]) -> None:
            with self._turn:
                super().set_state(sync_data)
                moved = (sync_data.get("_js2py_relayout") or {}).get("relayout_data") or {}
                if moved.get("selections"):
                    self._listener.outlined()

        def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
            if key is None and self._trait_values.get("_widget_data"):
                self._trait_values["_widget_data"] = deepcopy(self._data)
                self._trait_values["_widget_layout"] = deepcopy(self._layout)
            state: dict[str, Any] = super().get_state(key, drop_defaults)
            return state

    return MapFigure


def tell(listener: Listener, said: dict[str, Any]) -> None:
    """What the page says, to who listens."""
    points = {int(trace): numbers for trace, numbers in said.get("points", {}).items()}
    if said["event"] == "unselected":
        listener.unselected()
    elif said["event"] == "clicked":
        listener.clicked(points)
    # Without points and without a shape it is not the person, but plotly's echo of an outline that we took away.
    elif points or said["shape"]:
        listener.lassoed(points, said["shape"] and SimpleNamespace(**said["shape"]))


def _script(widget: Any) -> str:
    text = str(widget._esm)
    if len(text) < 1_000 and Path(text).is_file():
        text = Path(text).read_text(encoding="utf-8")
    constants = {
        "text": text,
        "name": f"chroma_nb plotly {zlib.crc32(text.encode()):08x}",
        "messages": sorted(name for name in widget.class_trait_names(sync=True) if name.startswith("_py2js_")),
        "unsaid": _UNSAID,
    }
    return "".join(f"const {name} = {json.dumps(value)};\n" for name, value in constants.items()) + _SCRIPT

"""How a view is displayed: a static block, which stays in the saved notebook, and the live widget, which hides it."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator

import ipywidgets

from chroma_nb.display.markup import Html
from chroma_nb.workbench.shown import running_cell, shown

#: Displays so far; it tells one static block from the next, and is the same from run to run.
_DISPLAYS = itertools.count(1)


class Displayed:
    """Base class of views that display themselves in a notebook.

    If a cell runs again, what its last run displayed is closed, unless another cell displays it too.
    """

    widget: ipywidgets.Widget
    #: What the live outputs have around the widget.
    _around: tuple[ipywidgets.Widget, ...] = ()

    def _build(self) -> None:
        """Make the widgets, once, and again where what was closed is shown again."""
        raise NotImplementedError

    def _static(self) -> Html:
        raise NotImplementedError

    def close(self) -> None:
        """Free the widgets, here and in the browser. If you display the object again, it works again."""
        for widget in (*self._around, self.widget):
            for part in list(_parts(widget)):
                part.close()
        self._around = ()

    def _ipython_display_(self) -> None:
        """The static block first, as an output of its own; the live widget hides it while it lives.

        One output with both forms would show neither after reopening: the front end takes the widget. A terminal,
        which shows text only, finds it once, beside the widget.
        """
        from IPython.display import display

        if self.widget.comm is None:
            self._build()
        shown(self, running_cell())
        name = f"chroma-nb-static-{zlib.crc32(repr(self).encode()):08x}-{next(_DISPLAYS)}"
        static = f'<div class="{name}">{self._static()}</div>'
        display({"text/html": static}, raw=True)  # type: ignore[no-untyped-call]
        hide = ipywidgets.HTML(f"<style>.{name}{{display:none}}</style>", layout={"display": "none"})
        live = ipywidgets.VBox([hide, self.widget])
        self._around = (*self._around, live)
        bundle = live._repr_mimebundle_()
        display({**bundle, "text/plain": repr(self)}, raw=True)  # type: ignore[no-untyped-call]


def _parts(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """A widget and all that it holds that is not closed: children, layouts, styles."""
    if widget.comm is None:
        return
    yield widget
    for value in list(widget._trait_values.values()):
        for part in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(part, ipywidgets.Widget):
                yield from _parts(part)

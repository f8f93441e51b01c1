"""How a view is displayed: a static block, which stays in the saved notebook, and the live widget, which hides it."""

from __future__ import annotations

import itertools
import zlib

import ipywidgets

from chroma_nb.display.markup import Html

#: Displays so far; it tells one static block from the next, and is the same from run to run.
_DISPLAYS = itertools.count(1)


class Displayed:
    """A view that shows itself in a notebook."""

    widget: ipywidgets.Widget

    def _static(self) -> Html:
        raise NotImplementedError

    def _ipython_display_(self) -> None:
        """The static block first, as an output of its own; the live widget hides it while it lives.

        One output with both forms would show neither after reopening: the front end takes the widget. A terminal,
        which shows text only, finds it once, beside the widget.
        """
        from IPython.display import display

        name = f"chroma-nb-static-{zlib.crc32(repr(self).encode()):08x}-{next(_DISPLAYS)}"
        static = f'<div class="{name}">{self._static()}</div>'
        display({"text/html": static}, raw=True)  # type: ignore[no-untyped-call]
        hide = ipywidgets.HTML(f"<style>.{name}{{display:none}}</style>", layout={"display": "none"})
        live = ipywidgets.VBox([hide, self.widget])
        bundle = live._repr_mimebundle_()
        display({**bundle, "text/plain": repr(self)}, raw=True)  # type: ignore[no-untyped-call]

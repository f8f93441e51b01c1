"""``%load_ext chroma_nb`` and ``%unload_ext chroma_nb``: what is added to IPython, and removed again."""

from __future__ import annotations

import sys

from chroma_nb._optional import Untyped
from chroma_nb.display.formatters import FORMATTERS
from chroma_nb.jupyter.magics import ChromaMagics

_KINDS = ("line", "cell")


class Extension:
    """What ``%load_ext chroma_nb`` registers in IPython, and what was there before."""

    def __init__(self, shell: Untyped) -> None:
        self._shell = shell
        self._magics = ChromaMagics(shell)
        self._previous_magics: dict[str, Untyped] = {}
        self._previous_formatters: dict[tuple[str, str], Untyped] = {}
        self._gave_accessor = False

    def load(self) -> None:
        """Register the magics, their completion, the displays of chromadb's objects, and ``df.chroma``."""
        registered = self._shell.magics_manager.magics
        self._previous_magics = {kind: registered[kind].get("chroma") for kind in _KINDS}
        self._shell.register_magics(self._magics)
        self._shell.Completer.custom_matchers.append(self._magics.matcher)
        for place, display in FORMATTERS.items():
            self._previous_formatters[place] = self._html().for_type_by_name(*place, display)
        self._shell.events.register("pre_run_cell", self._register_accessor)
        self._register_accessor()

    def unload(self) -> None:
        """Remove everything and restore what was there before."""
        registered = self._shell.magics_manager.magics
        for kind, before in self._previous_magics.items():
            if before is None:
                registered[kind].pop("chroma", None)
            else:
                registered[kind]["chroma"] = before
        self._shell.configurables.remove(self._magics)
        self._shell.Completer.custom_matchers.remove(self._magics.matcher)
        for place, previous in self._previous_formatters.items():
            _restore(self._html(), place, previous)
        self._shell.events.unregister("pre_run_cell", self._register_accessor)
        if self._gave_accessor:
            sys.modules["chroma_nb.pandas"].unregister()

    def _html(self) -> Untyped:
        return self._shell.display_formatter.formatters["text/html"]

    def _register_accessor(self, info: object = None) -> None:
        """Give DataFrames their ``.chroma`` once somebody has loaded pandas; never load it."""
        if "pandas" in sys.modules and not hasattr(sys.modules["pandas"].DataFrame, "chroma"):
            from chroma_nb import pandas

            pandas.register()
            self._gave_accessor = True


def _restore(formatter: Untyped, place: tuple[str, str], previous: Untyped | None) -> None:
    """Undo for_type_by_name, which keeps the types that are imported and those that are not apart."""
    module, name = place
    kind = getattr(sys.modules.get(module), name, None)
    if previous is not None:
        formatter.for_type_by_name(module, name, previous)
        return
    formatter.deferred_printers.pop(place, None)
    if kind is not None:
        formatter.type_printers.pop(kind, None)


#: Shell -> its extension: IPython loads and unloads by module, once a shell.
_LOADED: dict[int, Extension] = {}


def load(shell: Untyped) -> None:
    """Load the extension into a shell. Calling it again does nothing."""
    if id(shell) not in _LOADED:
        _LOADED[id(shell)] = Extension(shell)
        _LOADED[id(shell)].load()


def unload(shell: Untyped) -> None:
    """Remove the extension from a shell. Does nothing if it was not loaded."""
    if (extension := _LOADED.pop(id(shell), None)) is not None:
        extension.unload()

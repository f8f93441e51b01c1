"""Optional packages: imported where they are used, and the error is the install line."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any, Final, TypeAlias

from chroma_nb.errors import ShownAs

#: What a package imports only to know that it is there, and seldom uses: loaded at its first use instead.
#: plotly asks for nbformat, whose check of web addresses builds 39 grammars: two thirds of a first map.
_SELDOM_USED: Final = {"plotly": "nbformat"}

#: A value of a package that has no types, or wrong ones.
Untyped: TypeAlias = Any


class MissingPackageError(ImportError):
    """An optional package is not installed. The message contains the command that installs it."""


class _NotInstalledError(MissingPackageError, ValueError, metaclass=ShownAs, shown=ValueError):
    """The same where Chroma's class raises a ValueError in its constructor."""


def check_installed(module: str, package: str | None = None) -> None:
    """Raise an error that is a ValueError, with Chroma's words, unless ``module`` can be imported; it is not yet.

    >>> check_installed("no_such_module", "no-such-package")
    Traceback (most recent call last):
    ...
    ValueError: The no_such_module python package is not installed. Please install it with `pip install no-such-package`
    """  # Chroma's sentence is one line
    found = sys.modules[module] if module in sys.modules else importlib.util.find_spec(module)
    if found is None:
        raise _NotInstalledError(
            f"The {module} python package is not installed. Please install it with `pip install {package or module}`",
            name=module,
        )


def require(module: str, *, feature: str, extra: str | None = None, package: str | None = None) -> ModuleType:
    """Import ``module``, or say how to install it.

    ``extra`` names an extra of chroma-nb that brings it; else ``package`` is the distribution's name
    (default: the module's).
    """
    top = module.split(".")[0]
    if top in _SELDOM_USED and top not in sys.modules:
        _import_at_first_use(_SELDOM_USED[top])
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        if error.name is not None and error.name.split(".")[0] != top:
            raise
        what = f'"chroma-nb[{extra}]"' if extra else (package or top)
        raise MissingPackageError(
            f"{feature} needs the package {(package or top)!r}, which is not installed; "
            f"install it with: pip install {what}",
            name=module,
        ) from error
    if is_being_imported(found):
        raise ImportError(
            f"{feature} was called while this thread is importing {module!r} (by a signal handler or a "
            "callback in the middle of another call). Call it again afterwards.",
            name=module,
        )
    return found


def is_being_imported(module: ModuleType) -> bool:
    """Whether this thread is in the middle of importing ``module``; Python gives such a module to no other thread."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


class _AtFirstUse(ModuleType):
    """A module whose code runs when a name of it, or a module below it, is first asked for.

    Python's own ``LazyLoader`` is of no use here: its modules load already when they are imported once more.
    """

    def __getattr__(self, name: str) -> Any:
        spec = self.__spec__
        if spec is None or spec.loader is None:
            raise AttributeError(name)
        self.__class__ = ModuleType  # type: ignore[assignment]  # no longer this class: its names are there now
        self.__path__ = list(spec.submodule_search_locations or ())
        try:
            spec.loader.exec_module(self)
        except BaseException:
            sys.modules.pop(spec.name, None)
            raise
        return getattr(self, name)


def _import_at_first_use(name: str) -> None:
    """Put a module that is installed, and not imported yet, in its place without running it."""
    spec = importlib.util.find_spec(name) if name not in sys.modules else None
    if spec is not None:
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        module.__class__ = _AtFirstUse
        del module.__path__  # modules below it are looked for there: that loads it, too

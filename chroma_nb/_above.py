"""What a lower layer takes from an upper one that it must not import: by names, which the package itself provides.

``chroma_nb/__init__.py`` is above every layer, so it may know both who asks and where the answer is. Two things are
asked for: how results, collections and clients look in a notebook, and the names of Chroma's ``types`` that are
defined above ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

#: Name -> the module that defines it; what stands before the last dot of a name says who asks. Filled by the package.
_HOMES: dict[str, str] = {}


def provide(homes: Mapping[str, str]) -> None:
    """Let ``from_above`` find these names in these modules, which are imported when they are asked for."""
    _HOMES.update(homes)


def from_above(name: str) -> Any:
    """What was provided under this name; KeyError when nothing was."""
    return getattr(import_module(_HOMES[name]), name.rpartition(".")[2])

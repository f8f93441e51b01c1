"""Embedding functions: the protocol, the registry of names, and one file a provider.

The public classes are resolved on first use; importing this package loads none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from chroma_nb.embedding_functions.registry import CLASSES

__all__ = sorted(CLASSES)


def __getattr__(name: str) -> Any:
    if name == "models":
        return import_module(f"{__name__}.models")
    if name not in CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{CLASSES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *CLASSES})

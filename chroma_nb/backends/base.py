"""The protocol of backends: one method handles every request. Clients and the server call it."""

from __future__ import annotations

from typing import Protocol

from chroma_nb.config import Settings
from chroma_nb.operations.requests import R, Request


class Backend(Protocol):
    """Handles requests. ``identifier`` names the place, ``settings`` are those it was opened with.

    Errors are those of ``chroma_nb.errors``; after the last ``close`` every request raises one that is
    an ``AttributeError`` too, as Chroma's clients do. A copy is of the same place; a pickle holds no secret.
    """

    identifier: str
    settings: Settings
    #: Whether ``Edit`` is offered: many changes in one transaction. Over a wire it takes several calls.
    edits_at_once: bool

    def handle(self, request: Request[R]) -> R:
        """Handle ``request`` and return its result."""
        ...

    def share(self) -> None:
        """Take a reference for one client more."""
        ...

    def close(self) -> None:
        """Drop one reference; the last one releases what the backend holds."""
        ...

    def stop(self) -> None:
        """Release what the backend holds now, whoever else uses it."""
        ...


class AsyncBackend(Protocol):
    """As Backend, for a place one waits for."""

    identifier: str
    settings: Settings
    edits_at_once: bool

    async def handle(self, request: Request[R]) -> R:
        """Handle ``request`` and return its result."""
        ...

    def share(self) -> None:
        """Take a reference for one client more."""
        ...

    async def close(self) -> None:
        """Drop one reference; the last one releases what the backend holds."""
        ...

    def stop(self) -> None:
        """Release what the backend holds now, whoever else uses it."""
        ...

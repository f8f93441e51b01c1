"""Telling what we fill into a widget from what the person does to it: ipywidgets reports both alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Filling:
    """A view that asks ``_filling`` before it takes a change for the person's."""

    _filling = False

    @contextmanager
    def _filled(self) -> Iterator[None]:
        """What changes meanwhile is filled in by us, not by the person."""
        before, self._filling = self._filling, True
        try:
            yield
        finally:
            self._filling = before

"""A DataFrame that can draw itself: what ``duplicates`` and ``outliers`` return.

Loads pandas, so it is imported only by the functions that return one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import pandas as pd

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Draw: TypeAlias = "Callable[..., Figure]"


class DrawnFrame(pd.DataFrame):
    """A table with the method ``figure``. What is made of it, a part, a sorted copy, is an ordinary DataFrame.

    >>> found = DrawnFrame.of(pd.DataFrame({"n": [1, 2]}), lambda title: f"a picture of {title}")
    >>> found.figure(title="two numbers"), type(found.head(1)) is pd.DataFrame
    ('a picture of two numbers', True)
    """

    #: Of the class, so that pandas takes it for an attribute, not a column; copies and pickles do not have it.
    _draw: Draw | None = None

    @classmethod
    def of(cls, frame: pd.DataFrame, draw: Draw) -> DrawnFrame:
        """``frame`` with ``draw`` as its picture."""
        made = cls(frame)
        made._draw = draw
        return made

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def figure(self, **options: object) -> Figure:
        """The picture as a plotly figure; the function that made the table says which options there are."""
        if self._draw is None:
            raise ValueError(
                "this table was stored and loaded, so it has no collection to draw; create the table again"
            )
        return self._draw(**options)

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
    """A DataFrame with a method ``figure``. Parts and sorted copies of it are ordinary DataFrames.

    Examples
    --------
    >>> found = DrawnFrame.of(pd.DataFrame({"n": [1, 2]}), lambda title: f"a picture of {title}")
    >>> found.figure(title="two numbers"), type(found.head(1)) is pd.DataFrame
    ('a picture of two numbers', True)
    """

    #: Of the class, so that pandas takes it for an attribute, not a column; copies and pickles do not have it.
    _draw: Draw | None = None

    @classmethod
    def of(cls, frame: pd.DataFrame, draw: Draw) -> DrawnFrame:
        """Return ``frame`` with ``draw`` as its figure."""
        made = cls(frame)
        made._draw = draw
        return made

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def figure(self, **options: object) -> Figure:
        """Draw the table as a plotly figure. The function that made the table documents the options.

        Raises
        ------
        ValueError
            The table was stored and loaded, so its collection is not known. Call the function again.
        """
        if self._draw is None:
            raise ValueError(
                "this table was stored and loaded, so it has no collection to draw; create the table again"
            )
        return self._draw(**options)

"""What get, query and delete answer: Chroma's dicts.

They are dicts and nothing else to Chroma code: equal to plain ones, printed like them. ``to_df()``
and the rich display in a notebook are additions. How a table is made stands in ``dataframe.py``, how
HTML is made in ``jupyter/``.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chroma_nb import dataframe
from chroma_nb.types import WhereDocument

if TYPE_CHECKING:
    import pandas


class _Result(dict[str, Any]):
    #: The filter on documents that was asked for: its words are marked in the display.
    where_document: WhereDocument | None = None
    query_texts: Sequence[str] | None = None

    def to_df(self, columns: Sequence[str] | None = None) -> pandas.DataFrame:
        """The answer as a pandas DataFrame, one row a record, metadata keys as columns.

        The columns: ``id``, ``document``, ``uri`` where there is one, metadata in alphabetical order,
        ``embedding`` when included. In front of a query's stand ``query`` (from 0), ``query_text``
        where known, ``rank`` (1 is the nearest), and ``distance`` follows the id. A metadata key with
        the name of one of these is called ``metadata.<key>``. ``columns`` picks some, in that order.

        >>> GetResult(ids=["a"], documents=["one"], metadatas=[{"year": 2020}]).to_df()
          id document  year
        0  a      one  2020
        """
        return dataframe.to_frame(self, columns=columns, query_texts=self.query_texts)

    def _repr_html_(self) -> str:
        # Named, not imported: the notebook is above us, and only IPython calls this.
        html: str = importlib.import_module("chroma_nb.jupyter.formatters").result_html(self)
        return html


class GetResult(_Result):
    """The answer of ``get`` and ``peek``: ids and, per ``include``, one list per field."""


class QueryResult(_Result):
    """The answer of ``query``: as GetResult, with one list per query, and distances."""

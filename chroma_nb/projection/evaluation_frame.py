"""What ``evaluate`` returns: a table that can draw itself and still knows what each query found.

Loads pandas, so it is imported only by the function that returns one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import pandas as pd

from chroma_nb.projection.drawn_frame import DrawnFrame
from chroma_nb.projection.questions import query_ids

if TYPE_CHECKING:
    from chroma_nb.projection.drawn_frame import Draw


class Evaluation(DrawnFrame):
    """A table of search quality measures: what ``evaluate`` returns. It is a DataFrame with three more methods.

    Parts and sorted copies of it are ordinary DataFrames. Copies by the module ``copy``, and pickles, keep the methods.
    """

    #: What pickles keep of it, in pandas' words.
    _metadata: ClassVar[list[str]] = ["_draw", "_each", "_ids"]
    #: One row a system and question: what ``per_question`` shows.
    _each: pd.DataFrame | None = None
    #: What TREC's files call the questions, in their order; None for those that have no id.
    _ids: Sequence[str | None] = ()

    @classmethod
    def holding(cls, table: pd.DataFrame, draw: Draw, each: pd.DataFrame, ids: Sequence[str | None]) -> Evaluation:
        """Return ``table`` with what its methods need."""
        made = cls(table)
        made._draw, made._each, made._ids = draw, each, ids
        return made

    # Not copy(), which pandas calls itself where a sort or a filter changes nothing: a part would know the whole.
    def __copy__(self) -> Evaluation:
        made = type(self)(self.copy())
        made._draw, made._each, made._ids = self._draw, self._each, self._ids
        return made

    def __deepcopy__(self, memo: object = None) -> Evaluation:
        return self.__copy__()

    def changes(self, before: object, after: object) -> pd.DataFrame:
        """Compare two rows of the table question by question.

        Parameters
        ----------
        before, after
            The names of two rows, as in the column ``collection``.

        Returns
        -------
        pandas.DataFrame
            One row per question, the largest gain first: ``query``, ``rank_before``, ``rank_after`` (the rank of the
            first expected id; missing if it was not found), ``ndcg_before``, ``ndcg_after`` and ``difference`` (nDCG
            after minus nDCG before). Nothing is searched again.

        Raises
        ------
        ValueError
            There is no such row.
        """
        earlier, later = self._of(before), self._of(after)
        columns = {"query": earlier["query"]}
        for measure in ("rank", "ndcg"):
            columns |= {f"{measure}_before": earlier[measure], f"{measure}_after": later[measure]}
        table = pd.DataFrame({**columns, "difference": later["ndcg"] - earlier["ndcg"]})
        return table.sort_values("difference", ascending=False, kind="stable", ignore_index=True)

    def run(self, collection: object) -> pd.DataFrame:
        """Return what one row of the table found, in the form that ``write_run`` takes.

        Parameters
        ----------
        collection
            The name of the row, as in the column ``collection``.

        Returns
        -------
        pandas.DataFrame
            One row per question and id: ``query_id``, ``id``, ``rank``, ``score`` (1 / rank) and ``tag``. ``query_id``
            is that of the questions; without one they are numbered "1", "2", and so on, as ``write_qrels`` does.

        Raises
        ------
        ValueError
            There is no such row.
        """
        ids = query_ids(self._ids)
        tag = "_".join(str(collection).split())
        lines = [
            (query_id, id_, rank, 1 / rank, tag)
            for query_id, found in zip(ids, self._of(collection)["found"], strict=True)
            for rank, id_ in enumerate(found, 1)
        ]
        return pd.DataFrame(lines, columns=["query_id", "id", "rank", "score", "tag"])

    def _of(self, collection: object) -> pd.DataFrame:
        """The questions of one row of the table, in their order."""
        if self._each is None:
            raise ValueError(
                "this table has no questions, as it was loaded or changed; use the evaluation that it came from"
            )
        names = self._each["collection"]
        if not (asked := names == collection).any():
            known = ", ".join(repr(name) for name in names.unique())
            raise ValueError(f"expected a row of the evaluation, one of {known}; got {collection!r}")
        return self._each[asked].reset_index(drop=True)

"""What a collection's calls return: Chroma's dicts.

They are dicts and nothing else to Chroma code: equal to plain ones, printed like them. ``to_df()``
and the rich display in a notebook are additions. How a table is made stands in ``tables/frames.py``, how
HTML is made in ``display/``.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any, Self, SupportsIndex, TypedDict, cast

from chroma_nb.tables.frames import to_frame
from chroma_nb.types import Json, WhereDocument

if TYPE_CHECKING:
    import pandas


class _Result(dict[str, Any]):
    #: The filter on documents that was asked for: its words are marked in the display.
    where_document: WhereDocument | None = None
    query_texts: Sequence[str | None] | None = None

    def to_df(
        self, columns: Sequence[str] | None = None, *, dates: bool | str | Sequence[str] = False
    ) -> pandas.DataFrame:
        """The result as a pandas DataFrame, one row a record, metadata keys as columns.

        The columns: ``id``, ``document``, ``uri`` where there is one, metadata in alphabetical order,
        ``embedding`` when included. In front of a query's stand ``query`` (from 0), ``query_text``
        where known, ``rank`` (1 is the nearest), and ``distance`` follows the id. A metadata key with
        the name of one of these is called ``metadata.<key>``. ``columns`` picks some, in that order. ``dates`` names
        the columns whose ISO texts, or seconds or milliseconds since 1970, become dates; True: all that look like that.

        >>> GetResult(ids=["a"], documents=["one"], metadatas=[{"year": 2020}]).to_df()
          id document  year
        0  a      one  2020
        """
        return to_frame(self, columns=columns, query_texts=self.query_texts, dates=dates, warned=True)

    def _repr_html_(self) -> str:
        from chroma_nb.display.formatters import result_html

        return result_html(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython shows as text; ``print`` and ``repr`` write all of it, as of any dict."""
        from chroma_nb.display.formatters import in_short

        printer.pretty(in_short(self))


class _PlainResult(_Result):
    """One whose pickle is the plain dict that Chroma's is: it loads where this package is not installed."""

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[type[Json], tuple[Json]]:
        return dict, (dict(self),)

    def __copy__(self) -> Self:
        return self._with(dict(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self._with(copy.deepcopy(dict(self), memo))

    def _with(self, fields: Json) -> Self:
        other = type(self)(fields)
        vars(other).update(vars(self))
        return other


class GetResult(_PlainResult):
    """The result of ``get`` and ``peek``: ids and, per ``include``, one list per field."""

    def at(self, places: Sequence[int]) -> GetResult:
        """The records in these places, in this order.

        >>> GetResult(ids=["a", "b"], documents=["one", "two"], metadatas=None, included=["documents"]).at([1])
        {'ids': ['b'], 'documents': ['two'], 'metadatas': None, 'included': ['documents']}
        """
        return GetResult(
            {
                field: values if field == "included" or values is None else _picked(values, places)
                for field, values in self.items()
            }
        )


class QueryResult(_PlainResult):
    """The result of ``query``: as GetResult, with one list per query, and distances."""

    def within(self, max_distance: float, include: Sequence[str]) -> QueryResult:
        """What lies no farther than ``max_distance``; the distances, which are there, stay where ``include`` has them.

        >>> QueryResult(ids=[["a", "b"]], distances=[[0.1, 0.5]]).within(0.4, [])
        {'ids': [['a']], 'distances': None, 'included': []}
        """
        near = [
            [place for place, distance in enumerate(of_query) if distance is not None and distance <= max_distance]
            for of_query in self["distances"]
        ]
        cut = self._at(near)
        return QueryResult(
            cut | {"distances": cut["distances"] if "distances" in include else None, "included": list(include)}
        )

    def without(self, ids: Collection[str], n_results: int) -> QueryResult:
        """The first ``n_results`` of each query that are none of ``ids``.

        >>> QueryResult(ids=[["a", "b", "c"]], distances=[[0.1, 0.5, 0.6]], included=[]).without({"a"}, 1)
        {'ids': [['b']], 'distances': [[0.5]], 'included': []}
        """
        kept = [[place for place, id_ in enumerate(of_query) if id_ not in ids] for of_query in self["ids"]]
        return self._at([places[:n_results] for places in kept])

    def _at(self, places: Sequence[Sequence[int]]) -> QueryResult:
        """For each query what stands in these places."""
        return QueryResult(
            {
                field: lists if field == "included" or not lists else list(map(_picked, lists, places))
                for field, lists in self.items()
            }
        )


def _picked(values: Any, places: Sequence[int]) -> Any:
    """Some of the values of one query; its vectors are an array."""
    if isinstance(values, list):
        return list(map(values.__getitem__, places))
    return values[places] if places else values.reshape(-1)[:0]


class HybridResult(QueryResult):
    """The result of ``hybrid``: as QueryResult, with four lists more per query, which say how a record was found.

    ``scores``: the sum of 1 / (60 + rank) over the two ranks. ``meaning_ranks`` and ``word_ranks``: the record's place
    among the nearest and among those that hold the words, from 1; None where it is not among them. ``words``: the
    words of the query that stand in its document, as the query writes them. ``distances`` are those of ``query``;
    None where no vector was asked for, or the record has none.
    """

    def to_df(
        self, columns: Sequence[str] | None = None, *, dates: bool | str | Sequence[str] = False
    ) -> pandas.DataFrame:
        """As ``QueryResult.to_df``; after the id stand ``score``, ``meaning_rank``, ``word_rank`` and ``words``.

        >>> found = HybridResult(
        ...     ids=[["a"]], scores=[[0.03]], meaning_ranks=[[2]], word_ranks=[[None]], words=[[[]]], distances=[[0.5]]
        ... )
        >>> found.to_df(["id", "score", "meaning_rank", "word_rank"])
          id  score  meaning_rank  word_rank
        0  a   0.03             2       <NA>
        """
        return super().to_df(columns, dates=dates)


class DeleteResult(TypedDict):
    """The result of ``delete``: how many ids were given, or how many records passed the filter."""

    deleted: int


@dataclass
class IndexingStatus:
    """How many operations an index has; ``op_indexing_progress``, its share of all, goes from 0 to 1."""

    num_indexed_ops: int
    num_unindexed_ops: int
    total_ops: int
    op_indexing_progress: float


class SearchResultRow(TypedDict, total=False):
    """A record found: its id, and what was selected and is there."""

    id: str
    document: str | None
    embedding: list[float] | None
    metadata: Json | None
    score: float | None


#: List of a search's answer -> its entry in a row.
_ROW_FIELDS = {"documents": "document", "embeddings": "embedding", "metadatas": "metadata", "scores": "score"}


class SearchResult(_Result):
    """The result of ``search``: a dict with, for each field, one list per search, or None."""

    def to_df(
        self, columns: Sequence[str] | None = None, *, dates: bool | str | Sequence[str] = False
    ) -> pandas.DataFrame:
        """The hits of all searches as a pandas DataFrame, one row a hit, metadata keys as columns.

        In front stand ``search`` (from 0), ``query_text`` where a text was searched for, and ``rank`` (1 is the
        best); then ``id``, ``score``, ``document``, the metadata in alphabetical order and ``embedding``, as far as
        they were selected. A metadata key with the name of one of these is called ``metadata.<key>``. ``columns``
        picks some, in that order.

        >>> SearchResult(ids=[["a"], ["b"]], scores=[[0.5], None], metadatas=[[{"year": 2020}], None]).to_df()
           search  rank id  score  year
        0       0     1  a    0.5  2020
        1       1     1  b    NaN  <NA>
        """
        return super().to_df(columns, dates=dates)

    def rows(self) -> list[list[SearchResultRow]]:
        """The records found by each search, one dict a record; what a record lacks is left out.

        >>> SearchResult(ids=[["a", "b"]], documents=[["one", None]], scores=None).rows()
        [[{'id': 'a', 'document': 'one'}, {'id': 'b'}]]
        """
        searches = self.get("ids", [])
        columns = {row_field: self.get(field) or repeat(None) for field, row_field in _ROW_FIELDS.items()}
        each_search = zip(searches, *columns.values(), strict=False)
        return [list(_rows(ids, dict(zip(columns, fields, strict=True)))) for ids, *fields in each_search]


def _rows(ids: Sequence[str], columns: dict[str, Sequence[object] | None]) -> Iterator[SearchResultRow]:
    for id_, *values in zip(ids, *(column or repeat(None) for column in columns.values()), strict=False):
        found = {name: value for name, value in zip(columns, values, strict=True) if value is not None}
        yield cast(SearchResultRow, {"id": id_, **found})

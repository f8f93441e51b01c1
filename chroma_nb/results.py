"""What a collection's calls return: Chroma's dicts.

They are dicts and nothing else to Chroma code: equal to plain ones, printed like them. ``to_df()`` and the rich
display in a notebook are additions. ``tables/frames.py`` makes the tables, ``display/`` the HTML.
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
        """Return the result as a pandas DataFrame, with a row for each record.

        Metadata keys become columns, in alphabetical order after ``id``, ``document`` and ``uri``.
        ``embedding`` is a column if it is included. A metadata key with the name of another column is called
        ``metadata.<key>``. The result of ``query`` has the columns ``query`` (from 0), ``query_text`` and
        ``rank`` (1 is the nearest) first, and ``distance`` after the id.

        Parameters
        ----------
        columns
            The columns to return, in this order. None means all.
        dates
            Columns to convert to dates. They contain ISO texts, or seconds or milliseconds since 1970. True
            converts all columns that look like dates.

        Returns
        -------
        pandas.DataFrame
            The records.

        Examples
        --------
        >>> from chroma_nb import GetResult
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
    """The result of ``get``, ``peek`` and ``sample``.

    A dict, equal to the one that Chroma returns: ``ids`` and, for each part, a list with one entry for
    each record. Parts that were not included are None. A notebook shows it as a table.

    Examples
    --------
    >>> import chroma_nb
    >>> with chroma_nb.EphemeralClient() as client:
    ...     birds = client.create_collection("birds")
    ...     birds.add(ids=["wren"], embeddings=[[1, 0]], documents=["a wren"])
    ...     result = birds.get()
    ...     result["ids"], result["documents"], result["embeddings"]
    (['wren'], ['a wren'], None)
    """

    def at(self, places: Sequence[int]) -> GetResult:
        """Select records of the result by their position.

        Parameters
        ----------
        places
            Positions from 0, in the order that you want.

        Returns
        -------
        GetResult
            The selected records.

        Examples
        --------
        >>> from chroma_nb import GetResult
        >>> result = GetResult(
        ...     ids=["a", "b"], documents=["one", "two"], metadatas=None, included=["documents"]
        ... )
        >>> result.at([1])
        {'ids': ['b'], 'documents': ['two'], 'metadatas': None, 'included': ['documents']}
        """
        return GetResult(
            {
                field: values if field == "included" or values is None else _picked(values, places)
                for field, values in self.items()
            }
        )


class QueryResult(_PlainResult):
    """The result of ``query``.

    A dict, equal to the one that Chroma returns: like a ``GetResult``, but each part has one list for
    each query. ``distances`` are included by default. A notebook shows it as a table.

    Examples
    --------
    >>> import chroma_nb
    >>> with chroma_nb.EphemeralClient() as client:
    ...     birds = client.create_collection("birds")
    ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]])
    ...     result = birds.query(query_embeddings=[[1, 0]])
    ...     result.to_df(["query", "rank", "id", "distance"])
       query  rank    id  distance
    0      0     1  wren       0.0
    1      0     2  crow       2.0
    """

    def within(self, max_distance: float, include: Sequence[str]) -> QueryResult:
        """Keep only records that are near enough.

        Parameters
        ----------
        max_distance
            The greatest distance to keep.
        include
            The parts of the result. ``distances`` is None afterwards unless it is named.

        Returns
        -------
        QueryResult
            The remaining records of each query. The result needs its distances.

        Examples
        --------
        >>> from chroma_nb import QueryResult
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
        """Remove records by their ids.

        Parameters
        ----------
        ids
            The ids to remove.
        n_results
            The most records to keep for each query.

        Returns
        -------
        QueryResult
            The remaining records of each query.

        Examples
        --------
        >>> from chroma_nb import QueryResult
        >>> result = QueryResult(ids=[["a", "b", "c"]], distances=[[0.1, 0.5, 0.6]], included=[])
        >>> result.without({"a"}, 1)
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
    """The result of ``hybrid``.

    A dict like a ``QueryResult``, with four more parts that say how each record was found. A distance is
    None if no vector was searched for, or if the record has none.

    - ``scores``: the sum of 1 / (60 + rank) over the two ranks.
    - ``meaning_ranks``: the rank among the nearest records, from 1. None if the record is not among them.
    - ``word_ranks``: the rank among the documents that contain the words, from 1. None if the record is
      not among them.
    - ``words``: the words of the text that the document contains, as written in the text.
    """

    def to_df(
        self, columns: Sequence[str] | None = None, *, dates: bool | str | Sequence[str] = False
    ) -> pandas.DataFrame:
        """Return the result as a pandas DataFrame, with a row for each record.

        The columns are those of ``QueryResult.to_df``, with ``score``, ``meaning_rank``, ``word_rank`` and
        ``words`` after the id.

        Parameters
        ----------
        columns
            The columns to return, in this order. None means all.
        dates
            Columns to convert to dates, as for ``QueryResult.to_df``.

        Returns
        -------
        pandas.DataFrame
            The records.

        Examples
        --------
        >>> from chroma_nb import HybridResult
        >>> found = HybridResult(
        ...     ids=[["a"]], scores=[[0.03]], distances=[[0.5]],
        ...     meaning_ranks=[[2]], word_ranks=[[None]], words=[[[]]],
        ... )
        >>> found.to_df(["id", "score", "meaning_rank", "word_rank"])
          id  score  meaning_rank  word_rank
        0  a   0.03             2       <NA>
        """
        return super().to_df(columns, dates=dates)


class DeleteResult(TypedDict):
    """The result of ``delete``: a dict with the key ``deleted``.

    With a filter, ``deleted`` is the number of deleted records. With ids alone it is the number of ids,
    even if some do not exist.
    """

    deleted: int


@dataclass
class IndexingStatus:
    """How many changes of records a search knows.

    Attributes
    ----------
    num_indexed_ops
        How many changes are indexed.
    num_unindexed_ops
        How many changes are not indexed yet.
    total_ops
        How many changes there were.
    op_indexing_progress
        The indexed share, from 0 to 1.
    """

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
    """The result of ``search``.

    A dict with the lists ``ids``, ``documents``, ``embeddings``, ``metadatas`` and ``scores``. Each has
    one list for each search, or None if the search did not select the part. A notebook shows it as a
    table.
    """

    def to_df(
        self, columns: Sequence[str] | None = None, *, dates: bool | str | Sequence[str] = False
    ) -> pandas.DataFrame:
        """Return the results of all searches as a pandas DataFrame, with a row for each record found.

        The columns ``search`` (from 0), ``query_text`` and ``rank`` (1 is the best) come first, then ``id``,
        ``score``, ``document``, the metadata keys in alphabetical order, and ``embedding``. Only parts that
        were selected have a column. A metadata key with the name of another column is called
        ``metadata.<key>``.

        Parameters
        ----------
        columns
            The columns to return, in this order. None means all.
        dates
            Columns to convert to dates, as for ``QueryResult.to_df``.

        Returns
        -------
        pandas.DataFrame
            The records found.

        Examples
        --------
        >>> from chroma_nb import SearchResult
        >>> metadatas = [[{"year": 2020}], None]
        >>> SearchResult(ids=[["a"], ["b"]], scores=[[0.5], None], metadatas=metadatas).to_df()
           search  rank id  score  year
        0       0     1  a    0.5  2020
        1       1     1  b    NaN  <NA>
        """
        return super().to_df(columns, dates=dates)

    def rows(self) -> list[list[SearchResultRow]]:
        """Return the records found by each search as dicts.

        Returns
        -------
        list of list of dict
            For each search a list with a dict for each record. It has ``id`` and the selected parts
            ``document``, ``embedding``, ``metadata`` and ``score`` that the record has.

        Examples
        --------
        >>> from chroma_nb import SearchResult
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

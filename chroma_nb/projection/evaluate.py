"""Search quality of a collection: queries with the ids expected, and the usual measures.

The systems that are compared are collections, each queried in one or several ways, functions, and runs of a file.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeGuard

from chroma_nb import cells
from chroma_nb._optional import require
from chroma_nb.collection import Collection, offers
from chroma_nb.paging import by_ids
from chroma_nb.projection.figures import PLAIN
from chroma_nb.projection.measures import MEASURES, interval, rank
from chroma_nb.projection.plotly_text import escaped, told_apart
from chroma_nb.projection.questions import Question, given_ids, questions_of
from chroma_nb.projection.scales import PALETTE
from chroma_nb.projection.trec import ranked
from chroma_nb.tables.kinds import is_frame
from chroma_nb.types import Columns, Options, Side, Where

if TYPE_CHECKING:
    import pandas
    from plotly.graph_objects import Figure

    from chroma_nb.projection.evaluation_frame import Evaluation

#: A way of your own to find something: texts, how many results -> the ids for each text, best first.
Finder: TypeAlias = Callable[[list[str], int], Sequence[Sequence[str]]]
#: Questions -> the ids found for each.
_Find: TypeAlias = Callable[[Sequence[Question]], Iterable[Sequence[str]]]

_QUESTIONS_PER_CALL: Final = 100


def evaluate(
    collections: Collection | Sequence[Collection] | Mapping[str, Collection | Finder | pandas.DataFrame],
    questions: object,
    k: int = 10,
    *,
    by: Side | Sequence[Side] | None = None,
    where: Where | None = None,
    per_question: bool = False,
) -> Evaluation:
    """Measure how well collections find what they should: recall, MRR and nDCG.

    Parameters
    ----------
    collections
        A collection, a list of collections, or a dict of name to collection. In a dict, a value may also be a function
        (list of texts, k) that returns a list of ids for each text, or a table that ``read_run`` returned.
    questions
        A dict of question to the expected id, to a list of ids, or to a dict of id to grade. Or a table with the
        columns ``query`` and ``expected``, and ``query_id`` if runs are compared; ``read_qrels`` returns one. An id is
        relevant if its grade is above 0.
    k
        How many results to look at.
    by
        How to search the collections: ``"meaning"`` (``query``, the default), ``"words"`` or ``"both"`` (``hybrid``),
        or a list of these. With several, each is a row of its own, such as ``"docs, by words"``.
    where
        Search only records whose metadata match this filter. It does not apply to functions and runs.
    per_question
        Whether to return one row per question instead of averages.

    Returns
    -------
    Evaluation
        A DataFrame with one row per collection, the best first: ``collection``, ``questions``, ``recall``, ``mrr``,
        ``ndcg`` and ``missing`` (how many expected ids the collection does not hold; they count as misses). If there
        are several rows, also ``behind``: how much lower the nDCG is than that of the best row. ``behind_low`` and
        ``behind_high`` are its 95 % interval. If the interval contains 0, the difference may be chance.

        With ``per_question``, also ``query``, ``rank`` (of the first expected id; missing if it was not found) and
        ``found`` (the ids).

        ``figure()`` draws the measures as bars, ``changes`` compares two rows, ``run`` returns what a row found.

    Raises
    ------
    ValueError
        A question has no relevant id, two rows would have the same name, ``by`` or ``k`` is not one of the values
        above, or a function returned something else than ids.
    TypeError
        ``collections`` holds something else than the kinds above, or a collection of an asynchronous client.

    Warns
    -----
    UserWarning
        Expected ids are not in a collection.

    Notes
    -----
    ``recall`` is the share of the relevant ids among the first ``k`` results. ``mrr`` is 1 / rank of the first relevant
    id, 0 if no relevant id was found. ``ndcg`` is ``sum(grade / log2(rank + 1))`` divided by its best possible value
    (Järvelin and Kekäläinen, "Cumulated Gain-Based Evaluation of IR Techniques", 2002), as ``ndcg_cut`` of trec_eval.
    All are means over the questions. The interval is a paired bootstrap over the questions, with 10,000 resamples and
    a fixed seed (Sakai, "Evaluating Evaluation Metrics Based on the Bootstrap", 2006).

    Examples
    --------
    >>> import chroma_nb
    >>> collection = chroma_nb.EphemeralClient().create_collection("docs")
    >>> collection.add(ids=["w", "e"], documents=["Whales are mammals", "Engines burn fuel"])
    >>> evaluate(collection, {"a whale": "w", "an engine": ["e"]}, k=1)
      collection  questions  recall  mrr  ndcg  missing
    0       docs          2     1.0  1.0   1.0        0
    """
    if k < 1:
        raise ValueError(f"expected k to be a number of results of at least 1, got {k!r}")
    asked = questions_of(questions)
    _check_expected(asked)
    sources = _named(collections)
    systems = [system for name, source in sources.items() for system in _systems(name, source, by, k, where, asked)]
    if len({system.name for system in systems}) < len(systems):
        raise ValueError(
            "expected names that differ, also from the names with a search method, such as 'docs, by words'"
        )
    unknown = {}
    for name, source in sources.items():
        unknown[name] = _unknown(name, source, asked) if _is_collection(source) else frozenset()
    pd = require("pandas", feature="an evaluation")
    each = pd.DataFrame([row for system in systems for row in _rows(system, asked, k, unknown[system.source])])
    each["rank"] = each["rank"].astype("Int64")
    table, draw = _by_question(each) if per_question else _summary(each)
    from chroma_nb.projection.evaluation_frame import Evaluation  # loads pandas

    return Evaluation.holding(table, draw, each, [question.id for question in asked])


# --- What is compared -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _System:
    """One row of the table: its name, the name of the collection, function or run behind it, and how it is asked."""

    name: str
    source: str
    find: _Find


def _by_meaning(collection: Collection, texts: list[str], k: int, where: Where | None) -> Columns:
    return collection.query(query_texts=texts, n_results=k, where=where, include=[])


def _hybrid(side: Side, collection: Any, texts: list[str], k: int, where: Where | None) -> Columns:
    found: Columns = collection.hybrid(texts, n_results=k, where=where, include=[], by=side)
    return found


#: How a collection may be asked: the method that it needs, and the call.
_WAYS: Final[dict[Side, tuple[str, Callable[[Any, list[str], int, Where | None], Columns]]]] = {
    "meaning": ("query", _by_meaning),
    "words": ("hybrid", partial(_hybrid, "words")),
    "both": ("hybrid", partial(_hybrid, "both")),
}


def _systems(
    name: str, source: object, by: Side | Sequence[Side] | None, k: int, where: Where | None, asked: list[Question]
) -> list[_System]:
    """The rows of one collection, function or run."""
    if _is_collection(source):
        ways = _ways(by)
        names = [name] if len(ways) == 1 else [f"{name}, by {way}" for way in ways]
        return [
            _System(row, name, _of_collection(name, source, way, k, where))
            for row, way in zip(names, ways, strict=True)
        ]
    find = _of_run(name, source, k, asked) if is_frame(source) else _of_function(name, source, k)
    return [_System(name, name, find)]


def _ways(by: Side | Sequence[Side] | None) -> list[Side]:
    ways: list[Side] = ["meaning"] if by is None else list(dict.fromkeys([by] if isinstance(by, str) else by))
    if not ways or not set(ways) <= _WAYS.keys():
        raise ValueError(f"expected by to be 'meaning', 'words' or 'both', or several of these, got {by!r}")
    return ways


def _is_collection(source: object) -> TypeGuard[Collection]:
    return hasattr(source, "query") and not is_frame(source)


def _of_collection(name: str, collection: Collection, way: Side, k: int, where: Where | None) -> _Find:
    if not offers(collection, "query"):
        raise TypeError("expected a collection that is not async, got one of an async client")
    method, ask = _WAYS[way]
    if not offers(collection, method):
        kind = f"{type(collection).__module__.partition('.')[0]}.{type(collection).__name__}"
        raise TypeError(f"expected a collection with {method}() for by={way!r}, got {name!r}, a {kind} without it")

    def find(part: Sequence[Question]) -> Iterable[Sequence[str]]:
        return ask(collection, [question.text for question in part], k, where)["ids"]  # type: ignore[no-any-return]

    return find


def _of_function(name: str, function: object, k: int) -> _Find:
    if not callable(function):
        raise TypeError(f"expected a collection, a function or a run as {name!r}, got {cells.short(function)}")
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"expected a function that is not async, got {name!r}")

    def find(part: Sequence[Question]) -> Iterable[Sequence[str]]:
        found = function([question.text for question in part], k)
        lists = list(found) if isinstance(found, Iterable) else []
        if len(lists) != len(part):
            raise ValueError(
                f"expected {name!r} to return a list of ids for each of {len(part)} texts, got {cells.short(found)}"
            )
        return [_checked(name, question.text, ids) for question, ids in zip(part, lists, strict=True)]

    return find


def _checked(name: str, text: str, ids: object) -> list[str]:
    """The ids that a function found: texts that differ, since one found twice would count twice."""
    several: list[Any] = list(ids) if isinstance(ids, Iterable) and not isinstance(ids, str) else [None]
    if not all(isinstance(id_, str) for id_ in several):
        raise ValueError(f"expected {name!r} to return a list of ids for {text!r}, got {cells.short(ids)}")
    if len(set(several)) < len(several):
        twice = next(id_ for place, id_ in enumerate(several) if id_ in several[:place])
        raise ValueError(f"expected {name!r} to return ids that differ for {text!r}, got {twice!r} more than once")
    return several


def _of_run(name: str, run: object, k: int, asked: list[Question]) -> _Find:
    """A run knows questions by their ids; one that it does not hold found nothing."""
    found = ranked(run)
    ids = given_ids([question.id for question in asked])
    if found.keys().isdisjoint(ids):
        raise ValueError(
            f"expected the run {name!r} to hold some of the questions, got none: it has the query id "
            f"{next(iter(found), None)!r}, the questions have {ids[0]!r}"
        )
    return lambda part: [found.get(str(question.id), [])[:k] for question in part]


def _named(collections: object) -> dict[str, object]:
    if isinstance(collections, Mapping):
        named = dict(collections)
    else:
        is_single = isinstance(collections, str) or not isinstance(collections, Sequence)
        several: Sequence[Any] = [collections] if is_single else collections  # type: ignore[assignment]
        for source in several:
            if not _is_collection(source):
                hint = 'pass a function or a run with a name: {"mine": search}'
                raise TypeError(f"expected a collection, got {cells.short(source)}; {hint}")
        named = {collection.name: collection for collection in several}
        if len(named) < len(several):
            raise ValueError(
                'expected collections with different names; pass a dict with other names: {"small": a, "large": b}'
            )
    if not named:
        raise ValueError("expected at least one collection, got none")
    return named


def _check_expected(asked: list[Question]) -> None:
    for question in asked:
        if not question.judged:
            raise ValueError(f"expected an id for the question {question.text!r}, got none")
        if not question.expected:
            raise ValueError(f"expected a grade above 0 for the question {question.text!r}, got none; leave it out")


def _unknown(name: str, collection: Collection, asked: list[Question]) -> frozenset[str]:
    """The expected ids that the collection does not hold; a warning names some of them."""
    expected = list(dict.fromkeys(id_ for question in asked for id_ in sorted(question.expected)))
    if not offers(collection, "get"):  # an object with only a query method is enough
        return frozenset()
    there = {id_ for page in by_ids(collection, expected) for id_ in page["ids"]}
    unknown = [id_ for id_ in expected if id_ not in there]
    if unknown:
        some = ", ".join(map(repr, unknown[:3])) + (", …" if len(unknown) > 3 else "")
        warnings.warn(
            f"{len(unknown):,} of {len(expected):,} expected ids are not in the collection {name!r} "
            f"and count as misses: {some}",
            stacklevel=3,
        )
    return frozenset(unknown)


# --- What is measured -------------------------------------------------------------------------------------
def _rows(system: _System, asked: list[Question], k: int, unknown: frozenset[str]) -> Iterable[Options]:
    for start in range(0, len(asked), _QUESTIONS_PER_CALL):
        part = asked[start : start + _QUESTIONS_PER_CALL]
        for question, ids in zip(part, system.find(part), strict=True):
            found = list(ids)[:k]
            yield {
                "collection": system.name,
                "query": question.text,
                **{column: measure(found, question.expected, k) for column, measure in MEASURES.items()},
                "rank": rank(found, question.expected),
                "found": found,
                "missing": len(question.expected.keys() & unknown),
            }


def _by_question(each: pandas.DataFrame) -> tuple[pandas.DataFrame, Callable[..., Figure]]:
    bars = {str(name): (rows["query"], rows["ndcg"]) for name, rows in each.groupby("collection", sort=False)}
    return each.copy(), partial(_bars, bars, "nDCG")


def _summary(each: pandas.DataFrame) -> tuple[pandas.DataFrame, Callable[..., Figure]]:
    by_collection = each.groupby("collection", sort=False)
    means = by_collection[list(MEASURES)].mean()
    means.insert(0, "questions", by_collection.size())
    means["missing"] = by_collection["missing"].sum()
    table: pandas.DataFrame = means.sort_values(["ndcg", "recall"], ascending=False, kind="stable").reset_index()
    if len(table) > 1:
        table = table.join(_behind(each, table["collection"]))
    return table, partial(_bars, {name: (table["collection"], table[name]) for name in MEASURES}, "", table)


def _behind(each: pandas.DataFrame, names: Iterable[str]) -> pandas.DataFrame:
    """How far each is behind the first, with the interval of that."""
    pd = require("pandas", feature="an evaluation")
    measured = {name: rows["ndcg"].to_numpy() for name, rows in each.groupby("collection", sort=False)}
    best, *others = (measured[name] for name in names)
    rows = [(float((best - other).mean()), *interval(best - other)) for other in others]
    nothing = (float("nan"),) * 3
    found: pandas.DataFrame = pd.DataFrame([nothing, *rows], columns=["behind", "behind_low", "behind_high"])
    return found


# --- How it looks -----------------------------------------------------------------------------------------
def _bars(
    groups: Mapping[str, tuple[Iterable[str], Iterable[float]]],
    title: str,
    compared: pandas.DataFrame | None = None,
    height: int = 420,
) -> Figure:
    """Bars beside each other: group -> what stands below its bars, and their heights, from 0 to 1.

    On the bars of nDCG of what is ``compared``, a line shows where the interval of the difference puts them; where it
    reaches the dotted line, the height of the best, the difference may be chance.
    """
    go = require("plotly.graph_objects", feature="the figure of an evaluation")
    bars = [
        go.Bar(
            name=escaped(name, 40),
            x=[escaped(name, 60) for name in told_apart(list(below), 60)],
            y=list(heights),
            marker={"color": PALETTE[number % len(PALETTE)]},
        )
        for number, (name, (below, heights)) in enumerate(
            zip(told_apart(list(groups), 40), groups.values(), strict=True)
        )
    ]
    if compared is not None and "behind" in compared:
        bars[list(MEASURES).index("ndcg")].error_y = _intervals(compared)
    figure = go.Figure(bars)
    if compared is not None and "behind" in compared:
        figure.add_hline(y=compared["ndcg"].iloc[0], line={"dash": "dot", "width": 1, "color": PLAIN["font"]["color"]})
    figure.update_layout(**PLAIN, barmode="group", height=height, showlegend=True)
    figure.update_xaxes(type="category", automargin=True)
    figure.update_yaxes(range=[0, 1], title=title, automargin=True)
    return figure


def _intervals(compared: pandas.DataFrame) -> Options:
    """Lines on bars: from the height of the best less the interval's upper end to that less its lower end."""
    behind = compared["behind"]
    return {
        "type": "data",
        "symmetric": False,
        "array": list(behind - compared["behind_low"]),
        "arrayminus": list(compared["behind_high"] - behind),
        "thickness": 1.2,
        "width": 4,
        "color": PLAIN["font"]["color"],
    }

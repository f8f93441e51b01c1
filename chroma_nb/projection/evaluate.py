"""How well a collection finds what it should: questions with the ids expected, and the usual measures."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Final

from chroma_nb import cells
from chroma_nb._optional import require
from chroma_nb.collection import Collection, offers
from chroma_nb.paging import by_ids
from chroma_nb.plain import plain
from chroma_nb.projection.colours import PALETTE
from chroma_nb.projection.figures import PLAIN
from chroma_nb.projection.plotly_text import escaped, told_apart
from chroma_nb.tables.kinds import is_frame, to_pandas
from chroma_nb.types import Options, Where

if TYPE_CHECKING:
    import pandas
    from plotly.graph_objects import Figure

_QUESTIONS_PER_CALL: Final = 100


def recall(found: Sequence[str], expected: frozenset[str]) -> float:
    """The share of the expected ids that was found."""
    return len(expected & set(found)) / len(expected)


def reciprocal_rank(found: Sequence[str], expected: frozenset[str]) -> float:
    """One over the rank of the first expected id; 0 when there is none."""
    return next((1 / rank for rank, id_ in enumerate(found, 1) if id_ in expected), 0.0)


def ndcg(found: Sequence[str], expected: frozenset[str], k: int) -> float:
    """Discounted gain over the best possible: 1 when the expected ids stand first.

    >>> ndcg(["a", "x"], frozenset("a"), 2)
    1.0
    """
    gain = sum(1 / math.log2(rank + 1) for rank, id_ in enumerate(found[:k], 1) if id_ in expected)
    return gain / sum(1 / math.log2(rank + 1) for rank in range(1, min(len(expected), k) + 1))


#: What is measured for each question: column -> (found ids, expected ids, k) -> number.
MEASURES: Final[dict[str, Callable[[Sequence[str], frozenset[str], int], float]]] = {
    "recall": lambda found, expected, k: recall(found[:k], expected),
    "mrr": lambda found, expected, k: reciprocal_rank(found[:k], expected),
    "ndcg": ndcg,
}


def evaluate(
    collections: Collection | Sequence[Collection] | Mapping[str, Collection],
    questions: object,
    k: int = 10,
    *,
    where: Where | None = None,
    per_question: bool = False,
) -> pandas.DataFrame:
    """recall@k, MRR and nDCG of one collection, or of several side by side, one row each, the best first.

    ``collections`` is a collection, a list of them, or a dict of name -> collection (other models, other
    settings). ``questions`` is a dict of question -> expected id or ids, or a table with the columns
    ``query`` and ``expected``. With ``per_question`` there is one row a collection and question, with ``rank``,
    the place of the first expected id (missing when it was not found), and ``found``. ``figure()`` of the table draws
    the measures as bars, a colour a measure; per question nDCG, a colour a collection. An expected id that the
    collection does not hold is a miss: a warning names some, and the column ``missing`` counts them.

    >>> import chroma_nb
    >>> collection = chroma_nb.EphemeralClient().create_collection("docs")
    >>> collection.add(ids=["w", "e"], documents=["Whales are mammals", "Engines burn fuel"])
    >>> evaluate(collection, {"a whale": "w", "an engine": ["e"]}, k=1)
      collection  questions  recall  mrr  ndcg  missing
    0       docs          2     1.0  1.0   1.0        0
    """
    if k < 1:
        raise ValueError(f"expected k to be a number of results from 1, got {k!r}")
    asked = _questions(questions)
    named = _named(collections)
    if not all(offers(collection, "query") for collection in named.values()):
        raise TypeError("expected collections that answer at once, got one of an asynchronous client")
    rows: list[Options] = []
    for name, collection in named.items():
        unknown = _unknown(name, collection, asked)
        rows += _rows(name, collection, asked, k, where, unknown)
    from chroma_nb.projection.drawn_frame import DrawnFrame  # loads pandas

    pd = require("pandas", feature="an evaluation")
    frame: pandas.DataFrame = pd.DataFrame(rows)
    if per_question:
        frame["rank"] = frame["rank"].astype("Int64")
        each = {str(name): (rows["query"], rows["ndcg"]) for name, rows in frame.groupby("collection", sort=False)}
        return DrawnFrame.of(frame, partial(_bars, each, "nDCG"))
    table = frame.groupby("collection", sort=False)[list(MEASURES)].mean()
    table.insert(0, "questions", frame.groupby("collection", sort=False).size())
    table["missing"] = frame.groupby("collection", sort=False)["missing"].sum()
    result: pandas.DataFrame = table.sort_values(["ndcg", "recall"], ascending=False, kind="stable").reset_index()
    return DrawnFrame.of(result, partial(_bars, {name: (result["collection"], result[name]) for name in MEASURES}, ""))


def _bars(groups: Mapping[str, tuple[Iterable[str], Iterable[float]]], title: str, height: int = 420) -> Figure:
    """Bars beside each other: group -> what stands below its bars, and their heights, from 0 to 1."""
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
    figure = go.Figure(bars)
    figure.update_layout(**PLAIN, barmode="group", height=height, showlegend=True)
    figure.update_xaxes(type="category", automargin=True)
    figure.update_yaxes(range=[0, 1], title=title, automargin=True)
    return figure


def _named(collections: Collection | Sequence[Collection] | Mapping[str, Collection]) -> dict[str, Collection]:
    if isinstance(collections, Mapping):
        named = dict(collections)
    elif isinstance(collections, Sequence):
        named = {collection.name: collection for collection in collections}
        if len(named) < len(collections):
            raise ValueError('expected collections of different names; give them others: {"small": a, "large": b}')
    else:
        named = {collections.name: collections}
    if not named:
        raise ValueError("expected at least one collection, got none")
    return named


def _questions(questions: object) -> list[tuple[str, frozenset[str]]]:
    if is_frame(questions):
        table = to_pandas(questions)
        if missing := [name for name in ("query", "expected") if name not in table]:
            raise ValueError(f"expected the columns 'query' and 'expected', got no {missing[0]!r}")
        pairs: Iterable[tuple[object, object]] = zip(table["query"].tolist(), table["expected"].tolist(), strict=True)
    else:
        pairs = _pairs(questions)
    found: list[tuple[str, frozenset[str]]] = []
    for row, (text, ids) in enumerate(pairs):
        if not isinstance(text, str):
            raise ValueError(f"expected a text as question {row} (from 0), got {text!r}")
        found.append((text, _expected(ids)))
    if not found:
        raise ValueError("expected at least one question, got none")
    for text, ids in found:
        if not ids:
            raise ValueError(f"expected an id for the question {text!r}, got none")
    return found


def _pairs(questions: object) -> Iterable[tuple[object, object]]:
    """Questions with their ids: of a dict, of a Series, which holds the questions in its index, or as they come."""
    items = getattr(questions, "items", None)
    pairs: Iterable[tuple[object, object]] = questions if items is None else items()  # type: ignore[assignment]
    return pairs


def _expected(ids: object) -> frozenset[str]:
    """The ids of one question: one, several or (a missing cell) none; whole numbers as the text they are as ids."""
    several = [ids] if isinstance(ids, str) or not isinstance(ids, Iterable) else list(ids)
    for value in several:
        if not isinstance(value, str | Integral) and not cells.is_missing(value):
            raise ValueError(f"expected ids as texts or whole numbers, got {cells.short(value)}")
    return frozenset(str(plain(value)) for value in several if isinstance(value, str | Integral))


def _unknown(name: str, collection: Collection, asked: list[tuple[str, frozenset[str]]]) -> frozenset[str]:
    """The expected ids that the collection does not hold; a warning names some of them."""
    expected = list(dict.fromkeys(id_ for _, ids in asked for id_ in sorted(ids)))
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


def _rows(
    name: str,
    collection: Collection,
    asked: list[tuple[str, frozenset[str]]],
    k: int,
    where: Where | None,
    unknown: frozenset[str],
) -> Iterable[Options]:
    for start in range(0, len(asked), _QUESTIONS_PER_CALL):
        part = asked[start : start + _QUESTIONS_PER_CALL]
        result = collection.query(query_texts=[text for text, _ in part], n_results=k, where=where, include=[])
        for (text, expected), found in zip(part, result["ids"], strict=True):
            measured = {column: measure(found, expected, k) for column, measure in MEASURES.items()}
            rank = next((rank for rank, id_ in enumerate(found, 1) if id_ in expected), None)
            missing = len(expected & unknown)
            found = list(found)
            yield {"collection": name, "query": text, **measured, "rank": rank, "found": found, "missing": missing}

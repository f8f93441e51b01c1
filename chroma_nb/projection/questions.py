"""Queries with the ids they should find, as ``evaluate`` and TREC's files take them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral, Real

from chroma_nb import cells
from chroma_nb.plain import plain
from chroma_nb.tables.kinds import is_frame, to_pandas


@dataclass(frozen=True)
class Question:
    """A text, and each judged id with its grade; 0 and less are judged not to be relevant.

    ``id`` is what the files of TREC call it, None where none was given.
    """

    text: str
    judged: Mapping[str, float]
    id: str | None = None

    @cached_property
    def expected(self) -> dict[str, float]:
        """The ids with a grade above 0."""
        return {id_: grade for id_, grade in self.judged.items() if grade > 0}


def questions_of(given: object) -> list[Question]:
    """Questions of a dict (text -> id, ids, or id -> grade), or of a table with the columns query and expected.

    >>> questions_of({"a whale": "w", "engines": {"e": 2, "f": 0}})[1].expected
    {'e': 2}
    """
    ids: Sequence[object] = ()
    if is_frame(given):
        table = to_pandas(given)
        if missing := [name for name in ("query", "expected") if name not in table]:
            raise ValueError(f"expected the columns 'query' and 'expected', got no {missing[0]!r}")
        pairs: Iterable[tuple[object, object]] = zip(table["query"].tolist(), table["expected"].tolist(), strict=True)
        ids = table["query_id"].tolist() if "query_id" in table else ()
    else:
        pairs = _pairs(given)
    found: list[Question] = []
    for row, (text, expected) in enumerate(pairs):
        if not isinstance(text, str):
            raise ValueError(f"expected a text as question {row} (from 0), got {text!r}")
        id_ = ids[row] if ids else None
        found.append(Question(text, _judged(expected), as_id(id_) if is_id(id_) else None))
    if not found:
        raise ValueError("expected at least one question, got none")
    return found


def _pairs(questions: object) -> Iterable[tuple[object, object]]:
    """Questions with their ids: of a dict, of a Series, which holds the questions in its index, or as they come."""
    items = getattr(questions, "items", None)
    pairs: Iterable[tuple[object, object]] = questions if items is None else items()  # type: ignore[assignment]
    return pairs


def _judged(ids: object) -> dict[str, float]:
    """The ids of one question: one, several or (a missing cell) none; or a dict of them with their grades."""
    if isinstance(ids, Mapping):
        # a table that was stored may give each question the ids of all others, with empty cells as grades
        return {_checked(id_): _grade(id_, grade) for id_, grade in ids.items() if not cells.is_missing(grade)}
    several = [ids] if isinstance(ids, str) or not isinstance(ids, Iterable) else list(ids)
    return dict.fromkeys((_checked(id_) for id_ in several if not cells.is_missing(id_)), 1)


def is_id(value: object) -> bool:
    """Whether this can be an id: a text, or a whole number, which stands for the text it is as an id."""
    return isinstance(value, str | Integral)


def as_id(value: object) -> str:
    """A text, or a whole number as a text."""
    return str(plain(value))


def _checked(value: object) -> str:
    if not is_id(value):
        raise ValueError(f"expected ids as texts or whole numbers, got {cells.short(value)}")
    return as_id(value)


def _grade(id_: object, grade: object) -> float:
    if not isinstance(grade, Real) or not math.isfinite(grade):
        raise ValueError(f"expected a number as the grade of {as_id(id_)!r}, got {cells.short(grade)}")
    return int(grade) if isinstance(grade, Integral) else float(grade)


def query_ids(ids: Sequence[str | None]) -> list[str]:
    """What TREC's files call the questions: their ids, or "1", "2", … where none of them has one."""
    if not any(id_ is not None for id_ in ids):
        return [str(number) for number in range(1, len(ids) + 1)]
    return given_ids(ids)


def given_ids(ids: Sequence[str | None]) -> list[str]:
    """The ids of the questions; ValueError when one has none, or two have the same."""
    seen: set[str] = set()
    for row, id_ in enumerate(ids):
        if id_ is None:
            raise ValueError(
                "expected a 'query_id' for each question, as read_qrels() returns them, got none for question "
                f"{row} (from 0)"
            )
        if id_ in seen:
            raise ValueError(f"expected a different 'query_id' for each question, got {id_!r} more than once")
        seen.add(id_)
    return [id_ for id_ in ids if id_ is not None]

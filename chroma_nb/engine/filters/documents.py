"""Conditions on documents: ``$contains``, ``$regex`` and their negatives.

Chroma uses Rust's regex: linear time, no look-around, no backreferences. RE2 is of the same kind. Without google-re2,
Python's ``re`` is used for patterns that cannot make it backtrack too long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from chroma_nb.query.conditions import Condition
from chroma_nb.query.operators import OPERATORS

#: Whether a document passes. None means a record without a document.
DocumentMatch = Callable[[str | None], bool]


def compile_match(condition: Condition) -> DocumentMatch:
    """``condition`` as a function of a document; without one, only the negative operators hold.

    Raises InvalidArgumentError for an invalid pattern.

    >>> from chroma_nb.query.conditions import K
    >>> contains = compile_match(K.DOCUMENT.contains("fold"))
    >>> contains("protein folding"), contains("Fold"), contains(None)
    (True, False, False)
    """
    row = OPERATORS[condition.operator]
    if not (row.negative and row.opposite):
        return MATCHES[row.name](condition.operand)
    match = MATCHES[row.opposite](condition.operand)
    return lambda text: not match(text)


def _contains(needle: str) -> DocumentMatch:
    return lambda text: text is not None and needle in text


def _matches(pattern: str) -> DocumentMatch:
    from chroma_nb.engine.filters.regex import compile_pattern  # loads the tables of Rust's syntax: only for patterns

    search = compile_pattern(pattern)
    return lambda text: text is not None and search(text)


def _is_there(wanted: bool) -> DocumentMatch:
    return lambda text: (text is not None) is wanted


#: The tests of documents: a function of the operand for each operator that is not the negative of another.
MATCHES: Final[dict[str, Callable[[Any], DocumentMatch]]] = {
    "$contains": _contains,
    "$regex": _matches,
    "$exists": _is_there,
}

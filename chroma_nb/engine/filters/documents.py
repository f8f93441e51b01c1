"""The test of a document: ``$contains`` and ``$regex``, and their opposites.

Chroma's patterns are those of Rust's regex: linear time, no look-around, no backreferences. RE2's are the
same kind; without google-re2, Python's ``re`` serves for patterns that it cannot be led astray by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chroma_nb.where import DocumentTest

#: Whether a document passes. None is a record without a document.
DocumentMatch = Callable[[str | None], bool]


def compile_test(test: DocumentTest) -> DocumentMatch:
    """``test`` as a function of a document; without one, only the negative tests hold.

    Raises InvalidArgumentError for a pattern that is none.

    >>> contains = compile_test(DocumentTest("$contains", "fold"))
    >>> contains("protein folding"), contains("Fold"), contains(None)
    (True, False, False)
    """
    return OPERATORS[test.operator](test.operand)


def _contains(needle: str) -> DocumentMatch:
    return lambda text: text is not None and needle in text


def _matches(pattern: str) -> DocumentMatch:
    from chroma_nb.engine.filters.regex import compile_pattern  # loads the tables of Rust's syntax: only for patterns

    search = compile_pattern(pattern)
    return lambda text: text is not None and search(text)


def _not(operator: Callable[[str], DocumentMatch]) -> Callable[[str], DocumentMatch]:
    def compiled(operand: str) -> DocumentMatch:
        test = operator(operand)
        return lambda text: not test(text)

    return compiled


#: One row per operator of documents.
OPERATORS: Final[dict[str, Callable[[str], DocumentMatch]]] = {
    "$contains": _contains,
    "$not_contains": _not(_contains),
    "$regex": _matches,
    "$not_regex": _not(_matches),
}

"""Patterns as Chroma takes them: the syntax of Rust's regex, searched in linear time."""

from __future__ import annotations

from collections.abc import Callable

from chroma_nb._optional import require
from chroma_nb.errors import InvalidArgumentError


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """A function that says whether ``pattern`` occurs in a text; raises InvalidArgumentError."""
    re2 = require("re2", feature="A pattern", package="google-re2")
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        raise InvalidArgumentError(f"Regex syntax errror: {error}") from None
    return lambda text: compiled.search(text) is not None

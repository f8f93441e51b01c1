"""Search texts for a pattern in linear time, with RE2. ``regex_syntax.py`` translates the syntax.

Without google-re2, Python's ``re`` is used for patterns that cannot make it backtrack too long.
"""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from chroma_nb.engine.filters.regex_syntax import PYTHON, RE2, RE2_MARKED, marked, refuse, translate

#: Whether the pattern occurs in a text.
Search: TypeAlias = Callable[[str], bool]

#: Where Python's re replaces RE2: the longest time of one filter.
_PATIENCE_SECONDS: Final = 10.0


def compile_pattern(pattern: str) -> Search:
    r"""A function that says whether ``pattern`` occurs in a text.

    Raises InvalidArgumentError for what Rust's regex refuses: look-around and backreferences above all,
    because they cannot be searched in linear time.

    >>> century = compile_pattern(r"\b(19|20)\d\d\b")
    >>> century("in 1969"), century("in 19691")
    (True, False)
    """
    try:
        re2 = importlib.import_module("re2")
    except ImportError:
        return _by_python(pattern)
    return _by_re2(pattern, re2)


def _by_re2(pattern: str, re2: Any) -> Search:
    translated = translate(pattern, RE2)
    exact = _compiled(re2, translated.text)
    if not translated.boundaries or translated.lines:  # with both, the words are those of ASCII
        return exact
    in_marked = _compiled(re2, translate(pattern, RE2_MARKED).text)
    return lambda text: exact(text) if text.isascii() else in_marked(marked(text))


def _compiled(re2: Any, text: str) -> Search:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    try:
        search = re2.compile(text.encode(), options).search
    except re2.error as error:
        reason = error.args[0] if error.args else "this is not a pattern"
        refuse(reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason))
    return lambda text: search(text.encode(errors="replace")) is not None


def _by_python(pattern: str) -> Search:
    translated = translate(pattern, PYTHON)
    if not translated.tame:
        refuse("such repetitions need google-re2. Install it with pip install google-re2")
    search = re.compile(translated.text).search
    end = time.monotonic() + _PATIENCE_SECONDS

    def found(text: str) -> bool:
        if time.monotonic() > end:
            refuse("the pattern takes too long without google-re2. Install it with pip install google-re2")
        return search(text) is not None

    return found

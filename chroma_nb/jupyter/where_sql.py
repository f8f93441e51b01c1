"""A filter as one would write it in SQL -> Chroma's ``where`` and ``where_document``.

    year > 2020 and topic in ('a', 'b') and document contains 'whale'

Compared are a metadata key and a value: ``= != < <= > >=``, ``in (…)``, ``not in (…)``, ``between … and …``,
``contains`` (an element of a list); where the collection is known also dates, ``opened >= '2024-05'``,
``opened between '2024-05-17' and '2024-06'``; ``document contains 'text'`` and ``document matches 'pattern'`` look
at the document. They join with ``and``, ``or``, ``not`` and parentheses. A value is a number, 'text', true, false, or a
variable of the notebook as ``:name`` or ``{name}``. A key that is no plain word stands in backquotes.

Nothing is evaluated: a variable is only looked up. ``not`` is carried inwards, so that
``not year > 2020`` is ``year <= 2020``, which a record without the key does not pass either.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from chroma_nb.dates import is_date
from chroma_nb.errors import ChromaError
from chroma_nb.query.conditions import DOCUMENT_KEY
from chroma_nb.query.operators import OPERATORS, SCALARS, Operator
from chroma_nb.types import Where

Filter: TypeAlias = Where
#: Gives a variable's value, or raises KeyError.
Lookup: TypeAlias = Callable[[str], Any]
#: The filter of a key that is compared with a date, or raises ValueError.
Dated: TypeAlias = Callable[[str, str, str], Filter]


class WhereTextError(ValueError):
    """What is wrong with the text of a filter, and where."""

    def __init__(self, message: str, text: str, position: int) -> None:
        line = text.replace("\n", " ").replace("\t", " ")
        start = max(0, position - 60)
        super().__init__(f"{message}\n  {line[start : position + 40]}\n  {' ' * (position - start)}^")
        self.position = position

    __reduce__ = ChromaError.__reduce__  # which makes it again without asking for these arguments


@dataclass(frozen=True)
class Compiled:
    """The two filters of Chroma; None where there is nothing to ask."""

    where: Filter | None
    where_document: Filter | None


def compile_where(text: str, lookup: Lookup | None = None, dated: Dated | None = None) -> Compiled:
    """Compile a filter; WhereTextError says what is wrong and points at it. ``dated`` makes filters of dates.

    >>> compile_where("year > 2020 and topic in ('a', 'b')").where
    {'$and': [{'year': {'$gt': 2020}}, {'topic': {'$in': ['a', 'b']}}]}
    >>> compile_where("document contains 'whale'").where_document
    {'$contains': 'whale'}
    """
    return _split(_Parser(text, lookup, dated).parse(), text)


# --- Words ------------------------------------------------------------------------------------------------
_PATTERN = r"""\s*(?:
      (?P<number>[+-]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    | (?P<quoted>`[^`]+`)
    | (?P<variable>:[^\W\d]\w*|\{\s*[^\W\d]\w*\s*\})
    | (?P<word>[^\W\d][\w.\-]*)
    | (?P<sign>SIGNS|[(),])
    )"""
_KEYWORDS = frozenset({"and", "or", "not", "between", "like", "is", "null", "true", "false"})
#: Operators that dates are compared with.
_RANGES = frozenset({"$gt", "$gte", "$lt", "$lte"})
_OPPOSITE = {"$and": "$or", "$or": "$and"}


def _is_word(sign: str) -> bool:
    return sign[0].isalpha()


@lru_cache
def _token_pattern(signs: frozenset[str]) -> re.Pattern[str]:
    longest_first = sorted((sign for sign in signs if not _is_word(sign)), key=lambda sign: (-len(sign), sign))
    return re.compile(_PATTERN.replace("SIGNS", "|".join(map(re.escape, longest_first))), re.VERBOSE)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int
    keyword: str | None = None


def _tokens(text: str, signs: frozenset[str]) -> list[_Token]:
    tokens: list[_Token] = []
    pattern, keywords = _token_pattern(signs), _KEYWORDS | signs
    at = 0
    while text[at:].strip():
        match = pattern.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            what = "expected a closing quotation mark" if text[at] in "'\"`" else f"{text[at]!r}"
            raise WhereTextError(f"unexpected {what}", text, at)
        kind = str(match.lastgroup)
        word = match[kind].lower()
        keyword = word if kind == "word" and word in keywords else None
        tokens.append(_Token(kind, match[kind], match.start(kind), keyword))
        at = match.end()
    return [*tokens, _Token("end", "", len(text))]


class _Date(str):
    """A text that is compared as a date, and where it stands."""

    token: _Token


# --- Sentences --------------------------------------------------------------------------------------------
class _Parser:
    """Recursive descent: or < and < not < test."""

    #: Deeper than any filter one writes, shallower than Python's own limit.
    DEPTH = 50

    def __init__(self, text: str, lookup: Lookup | None, dated: Dated | None) -> None:
        self._text, self._lookup, self._dated = text, lookup, dated
        self._signs = {sign: row for row in OPERATORS.values() for sign in row.signs}
        self._left = _tokens(text, frozenset(self._signs))[::-1]
        self._depth = 0

    def parse(self) -> Filter:
        """The filter that the text is. Raises the syntax error with the place."""
        if self._next.kind == "end":
            raise self._error("expected a filter such as year > 2020, got nothing")
        result = self._either()
        if self._next.kind != "end":
            raise self._error(f"expected 'and', 'or' or the end, got {self._next.text!r}")
        return self._with_dates(result)

    @property
    def _next(self) -> _Token:
        return self._left[-1]

    def _take(self) -> _Token:
        return self._left.pop() if len(self._left) > 1 else self._left[-1]

    def _accept(self, *words: str) -> bool:
        if self._next.keyword in words or (self._next.kind == "sign" and self._next.text in words):
            self._take()
            return True
        return False

    def _expect(self, sign: str, what: str) -> None:
        if not self._accept(sign):
            raise self._error(f"expected {what}, got {self._next.text or 'the end'!r}")

    def _error(self, message: str, token: _Token | None = None) -> WhereTextError:
        return WhereTextError(message, self._text, (token or self._next).position)

    def _either(self) -> Filter:
        return self._joined("or", self._both)

    def _both(self) -> Filter:
        return self._joined("and", self._single)

    def _joined(self, word: str, part: Callable[[], Filter]) -> Filter:
        parts = [part()]
        while self._accept(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else {f"${word}": parts}

    def _single(self) -> Filter:
        self._depth += 1
        if self._depth > self.DEPTH:
            raise self._error("the filter is nested too deeply")
        try:
            if self._accept("not"):
                return self._negated(self._single())
            if self._accept("("):
                inner = self._either()
                self._expect(")", "')'")
                return inner
            return self._test()
        finally:
            self._depth -= 1

    def _test(self) -> Filter:
        token = self._take()
        if token.kind not in ("word", "quoted", "text") or token.keyword:
            raise self._error(f"expected a metadata key, got {token.text or 'the end'!r}", token)
        if token.kind == "word" and token.text.lower() == "document":
            return self._document_test()
        key = token.text if token.kind == "word" else _unquoted(token.text)
        negative = self._accept("not")
        operator = self._take()
        test = self._comparison(key, operator)
        return self._negated(test) if negative else test

    def _document_test(self) -> Filter:
        negative = self._accept("not")
        operator = self._take()
        row = self._operator(operator)
        if row is None or not row.document:
            signs = " or ".join(row.signs[0] for row in OPERATORS.values() if row.document and row.signs)
            raise self._error(f"expected {signs} after document; a key called document: `document`", operator)
        token = self._next
        operand = self._value()
        if not isinstance(operand, str):
            raise self._error("expected a text", token)
        test = {DOCUMENT_KEY: {row.name: operand}}
        return self._negated(test) if negative else test

    def _operator(self, token: _Token) -> Operator | None:
        return self._signs.get(token.keyword or token.text) if token.keyword or token.kind == "sign" else None

    def _comparison(self, key: str, operator: _Token) -> Filter:
        row = self._operator(operator)
        if row is not None and row.many:
            return {key: {row.name: self._list()}}
        if row is not None and row.metadata:
            token = self._next
            value = self._value()
            if isinstance(value, list) and row.kinds == SCALARS:
                raise self._error("expected one value; for several values, write in (…)", token)
            if isinstance(value, str) and row.name in _RANGES and self._dated is not None and is_date(value):
                return self._date_test(key, row.name, value, token)
            if not isinstance(value, tuple(row.kinds)) or (isinstance(value, bool) and bool not in row.kinds):
                kind = "texts" if str in row.kinds else "numbers" if self._dated is None else "numbers and dates"
                raise self._error(f"{operator.text} compares {kind}, got {value!r}", token)
            return {key: {row.name: value}}
        if operator.keyword == "between":
            low = self._bound(key, "$gte")
            if not self._accept("and"):
                raise self._error("expected 'and' and the upper bound")
            return {"$and": [low, self._bound(key, "$lte")]}
        raise self._error(_operator_message(operator), operator)

    def _bound(self, key: str, operator: str) -> Filter:
        token = self._next
        if self._dated is None or token.kind not in ("text", "variable"):
            return {key: {operator: self._number()}}
        value = self._value()
        if isinstance(value, str) and is_date(value):
            return self._date_test(key, operator, value, token)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._error(f"expected a number or a date, got {value!r}", token)
        return {key: {operator: value}}

    def _date_test(self, key: str, operator: str, value: str, token: _Token) -> Filter:
        """A comparison with a date; a filter is made of it when ``not`` has been carried to it."""
        date = _Date(value)
        date.token = token
        return {key: {operator: date}}

    def _with_dates(self, whole: Filter) -> Filter:
        """The filter with dates as they are stored."""
        (key, operand), *_ = whole.items()
        if key in _OPPOSITE:
            return {key: [self._with_dates(term) for term in operand]}
        (name, value), *_ = operand.items()
        if not isinstance(value, _Date) or self._dated is None:
            return whole
        try:
            return self._dated(key, name, str(value))
        except ValueError as error:
            raise self._error(str(error), value.token) from None

    def _negated(self, test: Filter) -> Filter:
        """The opposite, with ``not`` carried to the comparisons."""
        (key, operand), *_ = test.items()
        if key in _OPPOSITE:
            return {_OPPOSITE[key]: [self._negated(term) for term in operand]}
        (name, value), *_ = operand.items()
        row = OPERATORS[name]
        if row.opposite is None:
            raise self._error(f"there is no opposite of {row.signs[0]}")
        return {key: {row.opposite: value}}

    def _number(self) -> int | float:
        token = self._next
        value = self._value()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._error(f"expected a number, got {value!r}", token)
        return value

    def _list(self) -> list[Any]:
        token = self._next
        if token.kind == "variable":
            values = self._value()
            if not isinstance(values, list) or not values:
                raise self._error(f"expected {token.text} to be a list with values", token)
            return self._of_one_kind(values, token)
        self._expect("(", "'(' and a list of values")
        values = [self._value()]
        while self._accept(","):
            values.append(self._value())
        self._expect(")", "',' or ')'")
        return self._of_one_kind(values, token)

    def _of_one_kind(self, values: list[Any], token: _Token) -> list[Any]:
        kinds = set(map(type, values))
        if kinds == {int, float}:
            return list(map(float, values))
        if len(kinds) > 1 or not kinds <= {str, int, float, bool}:
            raise self._error("expected values of one kind: texts, numbers or bools", token)
        return values

    def _value(self) -> Any:
        token = self._take()
        if token.kind == "number":
            return int(token.text) if re.fullmatch(r"[+-]?\d+", token.text) else float(token.text)
        if token.kind == "text":
            return _unquoted(token.text)
        if token.keyword in ("true", "false"):
            return token.keyword == "true"
        if token.kind == "variable":
            return self._variable(token)
        hint = f"; put a text in quotes: '{token.text}'" if token.kind == "word" and not token.keyword else ""
        raise self._error(f"expected a value, got {token.text or 'the end'!r}{hint}", token)

    def _variable(self, token: _Token) -> Any:
        name = token.text.strip("{}: ")
        try:
            value = None if self._lookup is None else self._lookup(name)
        except KeyError:
            value = None
        plain = _plain(value)
        if plain is None:
            what = "is not defined" if value is None else f"is a {type(value).__name__}"
            raise self._error(f"expected {name!r} to be a text, number, bool or a list of them; it {what}", token)
        return plain


def _operator_message(operator: _Token) -> str:
    if operator.keyword == "like":
        return "like is not supported. For documents, write document contains 'text' or document matches 'pattern'"
    if operator.keyword == "is":
        return "null is not supported: a filter cannot test whether a key exists"
    signs = [row.signs[0] for row in OPERATORS.values() if row.metadata and row.signs]
    words = [sign for sign in signs if _is_word(sign)]
    expected = f"{' '.join(sign for sign in signs if not _is_word(sign))} {', '.join(words)} or between"
    return f"expected {expected}, got {operator.text or 'the end'!r}"


def _unquoted(text: str) -> str:
    return text[1:-1].replace(text[0] * 2, text[0])


def _plain(value: object) -> Any:
    """A variable's value as Chroma takes it, or None."""
    if hasattr(value, "tolist"):  # an array, a number of numpy's, a column of a DataFrame
        value = value.tolist()
    if isinstance(value, list | tuple | set | frozenset):
        values = [_plain(element) for element in value]
        if isinstance(value, set | frozenset):
            values.sort(key=repr)
        return None if any(element is None or isinstance(element, list) for element in values) else values
    return value if isinstance(value, str | int | float) else None


# --- Two filters ------------------------------------------------------------------------------------------
def _split(whole: Filter, text: str) -> Compiled:
    """Chroma keeps tests of documents apart; only ``and`` can join the two."""
    terms = _terms(whole)
    documents = [term for term in terms if _speaks_of(term) == {"document"}]
    metadata = [term for term in terms if "metadata" in _speaks_of(term)]
    for term in metadata:
        if "document" in _speaks_of(term):
            raise WhereTextError(
                "document conditions and metadata conditions can be joined by 'and' only, not by 'or'", text, 0
            )
    return Compiled(_conjunction(metadata), _conjunction([_bare(term) for term in documents]))


def _terms(whole: Filter) -> list[Filter]:
    """The tests that must all hold, out of any depth of ``and``."""
    return [term for inner in whole["$and"] for term in _terms(inner)] if "$and" in whole else [whole]


def _speaks_of(term: Filter) -> set[str]:
    (key, operand), *_ = term.items()
    if key in ("$and", "$or"):
        return {what for inner in operand for what in _speaks_of(inner)}
    return {"document" if key == DOCUMENT_KEY else "metadata"}


def _bare(term: Filter) -> Filter:
    """A test of the document as ``where_document`` has it: without the key."""
    (key, operand), *_ = term.items()
    if key in ("$and", "$or"):
        return {key: [_bare(inner) for inner in operand]}
    bare: Filter = operand
    return bare


def _conjunction(terms: list[Filter]) -> Filter | None:
    if not terms:
        return None
    return terms[0] if len(terms) == 1 else {"$and": terms}

"""A filter as one would write it in SQL -> Chroma's ``where`` and ``where_document``.

    year > 2020 and topic in ('a', 'b') and document contains 'whale'

Compared are a metadata key and a value: ``= != < <= > >=``, ``in (…)``, ``not in (…)``, ``between … and …``,
``contains`` (an element of a list); ``document contains 'text'`` and ``document matches 'pattern'`` look at the
document. They join with ``and``, ``or``, ``not`` and parentheses. A value is a number, 'text', true, false, or a
variable of the notebook as ``:name`` or ``{name}``. A key that is no plain word stands in backquotes.

Nothing is evaluated: a variable is only looked up. ``not`` is carried inwards, so that
``not year > 2020`` is ``year <= 2020``, which a record without the key does not pass either.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from chroma_nb.errors import ChromaError

Filter: TypeAlias = dict[str, Any]
#: Gives a variable's value, or raises KeyError.
Lookup: TypeAlias = Callable[[str], Any]


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


def compile_where(text: str, lookup: Lookup | None = None) -> Compiled:
    """Compile a filter; WhereTextError says what is wrong and points at it.

    >>> compile_where("year > 2020 and topic in ('a', 'b')").where
    {'$and': [{'year': {'$gt': 2020}}, {'topic': {'$in': ['a', 'b']}}]}
    >>> compile_where("document contains 'whale'").where_document
    {'$contains': 'whale'}
    """
    return _split(_Parser(text, lookup).parse(), text)


# --- Words ------------------------------------------------------------------------------------------------
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[+-]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    | (?P<quoted>`[^`]+`)
    | (?P<variable>:[^\W\d]\w*|\{\s*[^\W\d]\w*\s*\})
    | (?P<word>[^\W\d][\w.\-]*)
    | (?P<sign><=|>=|<>|!=|==|[=<>(),])
    )""",
    re.VERBOSE,
)
_SIGNS = {"=": "$eq", "==": "$eq", "!=": "$ne", "<>": "$ne", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
_OPPOSITE = {
    "$eq": "$ne", "$lt": "$gte", "$lte": "$gt", "$in": "$nin", "$contains": "$not_contains",
    "$regex": "$not_regex", "$and": "$or",
}  # fmt: skip
_OPPOSITE |= {other: one for one, other in _OPPOSITE.items()}
_KEYWORDS = {"and", "or", "not", "in", "between", "contains", "matches", "like", "is", "null", "true", "false"}
_DOCUMENT = "#document"


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int

    @property
    def keyword(self) -> str | None:
        """The keyword that the token is, in small letters, or None."""
        word = self.text.lower()
        return word if self.kind == "word" and word in _KEYWORDS else None


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            what = "a quotation that does not end" if text[at] in "'\"`" else f"{text[at]!r}"
            raise WhereTextError(f"unexpected {what}", text, at)
        kind = str(match.lastgroup)
        tokens.append(_Token(kind, match[kind], match.start(kind)))
        at = match.end()
    return [*tokens, _Token("end", "", len(text))]


# --- Sentences --------------------------------------------------------------------------------------------
class _Parser:
    """Recursive descent: or < and < not < test."""

    #: Deeper than any filter one writes, shallower than Python's own limit.
    DEPTH = 50

    def __init__(self, text: str, lookup: Lookup | None) -> None:
        self._text, self._lookup = text, lookup
        self._left = _tokens(text)[::-1]
        self._depth = 0

    def parse(self) -> Filter:
        """The filter that the text is. Raises the syntax error with the place."""
        if self._next.kind == "end":
            raise self._error("expected a filter such as year > 2020, got nothing")
        result = self._either()
        if self._next.kind != "end":
            raise self._error(f"expected 'and', 'or' or the end, got {self._next.text!r}")
        return result

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
                return _negated(self._single())
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
        return _negated(test) if negative else test

    def _document_test(self) -> Filter:
        negative = self._accept("not")
        operator = self._take()
        names = {"contains": "$contains", "matches": "$regex"}
        if operator.keyword not in names:
            raise self._error(
                "expected contains or matches after document; a key called document: `document`", operator
            )
        token = self._next
        operand = self._value()
        if not isinstance(operand, str):
            raise self._error("expected a text", token)
        test = {_DOCUMENT: {names[operator.keyword]: operand}}
        return _negated(test) if negative else test

    def _comparison(self, key: str, operator: _Token) -> Filter:
        if operator.kind == "sign" and operator.text in _SIGNS:
            name = _SIGNS[operator.text]
            token = self._next
            value = self._value()
            if name in ("$lt", "$lte", "$gt", "$gte") and (isinstance(value, str | bool | list)):
                raise self._error(f"{operator.text} compares numbers, got {value!r}", token)
            if isinstance(value, list):
                raise self._error("expected one value; for several: in (…)", token)
            return {key: {name: value}}
        if operator.keyword == "in":
            return {key: {"$in": self._list()}}
        if operator.keyword == "contains":
            return {key: {"$contains": self._value()}}
        if operator.keyword == "between":
            low = self._number()
            if not self._accept("and"):
                raise self._error("expected 'and' and the upper bound")
            return {"$and": [{key: {"$gte": low}}, {key: {"$lte": self._number()}}]}
        raise self._error(_operator_message(operator), operator)

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
        hint = f"; a text stands in quotes: '{token.text}'" if token.kind == "word" and not token.keyword else ""
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
        return "there is no like; for documents: document contains 'text' or document matches 'pattern'"
    if operator.keyword == "is":
        return "there is no null: a filter cannot ask whether a key exists"
    return f"expected = != < <= > >= in, between or contains, got {operator.text or 'the end'!r}"


def _unquoted(text: str) -> str:
    return text[1:-1].replace(text[0] * 2, text[0])


def _plain(value: Any) -> Any:
    """A variable's value as Chroma takes it, or None."""
    if hasattr(value, "tolist"):  # an array, a number of numpy's, a column of a DataFrame
        value = value.tolist()
    if isinstance(value, list | tuple | set | frozenset):
        values = [_plain(one) for one in value]
        if isinstance(value, set | frozenset):
            values.sort(key=repr)
        return None if any(one is None or isinstance(one, list) for one in values) else values
    return value if isinstance(value, str | int | float) else None


def _negated(test: Filter) -> Filter:
    """The opposite, with ``not`` carried to the comparisons."""
    (key, operand), *_ = test.items()
    if key in ("$and", "$or"):
        return {_OPPOSITE[key]: [_negated(term) for term in operand]}
    (operator, value), *_ = operand.items()
    return {key: {_OPPOSITE[operator]: value}}


# --- Two filters ------------------------------------------------------------------------------------------
def _split(whole: Filter, text: str) -> Compiled:
    """Chroma keeps tests of documents apart; only ``and`` can join the two."""
    terms = _terms(whole)
    documents = [term for term in terms if _speaks_of(term) == {"document"}]
    metadata = [term for term in terms if "metadata" in _speaks_of(term)]
    for term in metadata:
        if "document" in _speaks_of(term):
            raise WhereTextError("document tests and metadata tests can be joined by 'and' only, not by 'or'", text, 0)
    return Compiled(_conjunction(metadata), _conjunction([_bare(term) for term in documents]))


def _terms(whole: Filter) -> list[Filter]:
    """The tests that must all hold, out of any depth of ``and``."""
    return [term for inner in whole["$and"] for term in _terms(inner)] if "$and" in whole else [whole]


def _speaks_of(term: Filter) -> set[str]:
    (key, operand), *_ = term.items()
    if key in ("$and", "$or"):
        return {what for inner in operand for what in _speaks_of(inner)}
    return {"document" if key == _DOCUMENT else "metadata"}


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

"""where_document: what occurs in a text. The patterns' answers were taken from Chroma 1.5.9."""

from __future__ import annotations

import contextlib
import sys
import time

import pytest

from chroma_nb.engine.filters.documents import MATCHES, compile_match
from chroma_nb.engine.filters.regex import compile_pattern
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.query.conditions import DOCUMENT_KEY, condition
from chroma_nb.query.operators import of_documents


def passes(operator: str, operand: str, text: str | None) -> bool:
    return compile_match(condition(operator, DOCUMENT_KEY, operand))(text)


def test_every_operator_of_the_grammar_has_a_meaning():
    meant = {row.opposite if row.negative else row.name for row in of_documents()}
    assert MATCHES.keys() == meant | {"$exists"}  # which is asked of the document by its key, in where


@pytest.mark.parametrize("needle", ["a", "%", "_", "*", "'", '"', "\n", "é", "a%_'\"\né"])
def test_a_needle_is_taken_letter_for_letter(needle):
    assert passes("$contains", needle, "xx a%_'\"\né * xx")
    assert not passes("$contains", needle, "xx A xx")


@pytest.mark.parametrize(("operator", "operand"), [("$contains", "a"), ("$regex", "a")])
def test_a_record_without_a_document_passes_only_the_negative(operator, operand):
    assert not passes(operator, operand, None)
    assert passes(operator.replace("$", "$not_"), operand, None)
    assert not passes(operator.replace("$", "$not_"), operand, "a")


MATCHING = [
    (r"caf\w\b", "un café noir"),
    (r"\bé", "année é"),
    (r"né\b", "né"),
    (r"\Bé", "année"),
    (r"\b\w+\b-\b", "ñandú-2"),
    (r"\d\d", "١٢"),
    (r"x\sy", "x\u00a0y"),
    (r"(?m)^line2", "line1\nline2"),
    (r"(?m)line1$", "line1\nline2"),
    (r"(?i)k", "\u212a"),
    (r"(?i:CAF)é", "café"),
    (r"(?x) f o o # comment", "foo"),
    (r"(?s)1.l", "1\nl"),
    (r"\u00e9|\u{fc}|\x{f1}|\x41|\U000000E5", "A"),
    (r"[a-z&&[^f]]oo", "boo"),
    (r"[\w--\d]{3}", "12abc"),
    (r"[a-c~~b-d]", "d"),
    (r"[[:alpha:]]é", "fé"),
    (r"[^[:alpha:]]", "1"),
    (r"[]a]", "]"),
    (r"[a-]", "-"),
    (r"\p{Letter}\pN\p{gc=Lu}", "a1A"),
    (r"\p{Greek}", "λ"),
    (r"\p{Alphabetic}", "ⓐ"),
    (r"\P{L}", "1"),
    (r"(?P<a>x)(?<b>y)", "xy"),
    (r"a**b++", "b"),
    (r"a{2}{2}$", "aaaa"),
    (r"a{ 2 }", "aa"),
    (r"(|a)b", "b"),
    (r"^*\b+x", "x"),
    (r"\_\-\/\@\#\ ", "_-/@# "),
    (r"(?U)a+?b", "aab"),
    (r"(?-u)caf", "caf"),
    (r"}]", "}]"),
]
NOT_MATCHING = [
    (r"caf\b", "café"),
    (r"\b\b\Bé", "é"),
    (r"line1$", "line1\nline2"),
    (r"^line2", "line1\nline2"),
    (r"a$", "a\n"),
    (r"1.l", "1\nl"),
    (r"(?i)STRASSE", "straße"),
    (r"[a-z&&[^f]]oo", "foo"),
    (r"[\w&&[^\d]]", "12"),
    (r"\p{Lu}", "a"),
    (r"[^\W\d_]", "1_-"),
]
REFUSED = [
    *(r"(?=a)", r"(?!a)", r"(?<=a)", r"(?<!a)", r"(a)\1", r"\0", r"(?P=a)"),
    *(r"\Qa\E", r"\C", r"\Z", r"\h", r"\R", r"\é", r"\e", "\\"),
    *("a{b", "a{,2}", "a{2", "a{2,1}", "a{}", "{", "*a", "a|*", "(?i)*"),
    *("[", "[a", "[]", "[^]", "[z-a]", r"[a-\d]", r"[\b]", "[&&a]", "[a&&]"),
    *("(", ")", "(?", "(?i", "(?z)", "(?ii)a", "(?i-)a", "(?#c)a", "(?>a)", "(?<1>a)", "(?<>a)", "(?<a>x)(?<a>y)"),
    *(r"\p", r"\p{", r"\p{Foo}", r"\p{^L}", r"\x{110000}", r"\u12", r"(?-u)\w", "(" * 300 + ")" * 300),
]


@pytest.fixture(params=["re2", "re"])
def engine(request, monkeypatch):
    if request.param == "re":
        monkeypatch.setitem(sys.modules, "re2", None)
    else:
        pytest.importorskip("re2")
    return request.param


#: What Python's re is not asked: scripts, and repetitions that could lead it astray.
_RE2_ONLY = {r"\p{Greek}", r"a**b++", r"a{2}{2}$"}


@pytest.mark.parametrize(("pattern", "text"), MATCHING)
def test_a_pattern_is_found(engine, pattern, text):
    if engine == "re" and pattern in _RE2_ONLY:
        with pytest.raises(InvalidArgumentError):
            compile_pattern(pattern)
    else:
        assert compile_pattern(pattern)(text)


@pytest.mark.parametrize(("pattern", "text"), NOT_MATCHING)
def test_a_pattern_is_not_found(engine, pattern, text):
    assert not compile_pattern(pattern)(text)


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_rust_refuses_is_refused(engine, pattern):
    with pytest.raises(InvalidArgumentError, match="Regex syntax errror: "):
        compile_pattern(pattern)


def test_look_around_and_backreferences_are_named_in_the_refusal():
    with pytest.raises(InvalidArgumentError, match="look-around, including look-ahead and look-behind, is not"):
        compile_pattern("(?=a)")
    with pytest.raises(InvalidArgumentError, match="backreferences are not supported"):
        compile_pattern(r"(a)\1")


@pytest.mark.parametrize("pattern", [r"^(a+)+$", r"^(a|a)*$", r"(a?){30}a{30}b", r"(\w+\s*)+\b€", r"(a*)*b"])
def test_a_pattern_that_ruins_a_backtracking_engine_is_quick_or_refused(engine, pattern):
    text = "a" * 5000 + "é!"
    if engine == "re":
        with pytest.raises(InvalidArgumentError, match="pip install google-re2"):
            compile_pattern(pattern)
    else:
        assert not compile_pattern(pattern)(text)  # without linear time this line would not end


def test_a_lone_surrogate_in_a_text_is_no_error():
    assert compile_pattern("a")("\ud800a")


#: What once took time or memory out of proportion, as patterns of some length.
LONG_PATTERNS = {
    "a class of ranges": lambda n: "[" + "a-z" * (n // 3) + "]",
    "a class of points, less others": lambda n: f"[{''.join(map(chr, range(300, 300 + n // 2)))}{'--b' * (n // 6)}]",
    "groups": lambda n: "(?:a)" * (n // 5),
    "named groups": lambda n: "".join(f"(?P<g{i}>a)" for i in range(n // 12)),
    "groups that are not closed": lambda n: "(?P<" * (n // 4),
    "classes of POSIX that are not closed": lambda n: "[" + "[:alpha" * (n // 7) + "]",
    "negated classes": lambda n: r"\W" * (n // 2),
    "a class of negated classes": lambda n: "[" + r"\W" * (n // 2) + "]",
    "classes of negated classes": lambda n: r"[\W]" * (n // 4),
    "intersections": lambda n: r"[\w" + r"&&\d&&\w" * (n // 8) + "]",
    "negations": lambda n: "[" + r"[^\p{L}\p{M}\p{N}\p{P}\p{S}\p{Z}\p{C}]" * (n // 38) + "a]",
    "repetitions of repetitions": lambda n: "a" + "*" * n,
    "a count": lambda n: "a{" + "9" * n + "}",
}


@pytest.mark.parametrize("pattern", LONG_PATTERNS.values(), ids=LONG_PATTERNS)
def test_a_long_pattern_takes_a_few_seconds_or_is_refused(pattern):
    started = time.process_time()
    with contextlib.suppress(InvalidArgumentError):
        compile_pattern(pattern(90_000))("xaé")
    assert time.process_time() - started < 6


def test_a_pattern_may_be_long_but_not_of_any_length():
    assert compile_pattern("|".join(["ab"] * 30_000))("xab")
    with pytest.raises(InvalidArgumentError, match="expected a pattern of at most 100,000 characters, got 240,002"):
        compile_pattern("[" + "a-z" * 80_000 + "]")

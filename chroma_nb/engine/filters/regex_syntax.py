r"""Rust's regex syntax, rewritten for RE2 (and for Python's re, where there is no RE2).

RE2 has the same guarantees and nearly the same syntax. The differences: ``\d``, ``\w`` and ``\s`` mean
Unicode, classes may be nested, intersected and subtracted, and each accepts some patterns that the other refuses.
Searches only test whether a pattern occurs, so groups capture nothing and laziness is dropped.
"""

from __future__ import annotations

import re
import string
import sys
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import groupby
from typing import Final, NoReturn, TypeAlias

from chroma_nb.errors import InvalidArgumentError

_DEEPEST: Final = 100
#: The most characters of a pattern, and ranges in all of its classes together (``\W`` alone has 700): reading and
#: compiling a pattern takes some seconds at most. Rust's limit is one of memory.
_LONGEST: Final = 100_000
_LARGEST: Final = 500_000
#: About how many ranges a property has.
_OF_PROPERTY: Final = 100
#: The longest pattern whose translation is kept.
_KEPT_LENGTH: Final = 1_000
#: The most repetitions of RE2; Rust limits memory instead.
_MOST_REPETITIONS: Final = 1000
#: The most digits of a number, with leading zeros.
_DIGITS: Final = 100
#: A backtracking engine is still fast with this many repetitions one after the other.
_TAME: Final = 2
_MARK: Final = "[-w]"
_LAST: Final = sys.maxunicode


def refuse(reason: str) -> NoReturn:
    """Raise what Chroma raises for an invalid pattern."""
    raise InvalidArgumentError(f"Regex syntax errror: {reason}")  # (sic)


@dataclass(frozen=True)
class Dialect:
    """How an engine spells what differs between the engines."""

    end: str
    #: Knows Unicode properties.
    properties: bool = True
    #: Searches texts that went through ``marked``.
    marked: bool = False


RE2: Final = Dialect(end=r"(?:\z)")
RE2_MARKED: Final = Dialect(end=r"(?:\z)", marked=True)
PYTHON: Final = Dialect(end=r"(?:\Z)", properties=False)


@dataclass(frozen=True)
class Translated:
    """A pattern in another engine's syntax."""

    text: str
    #: Whether it has word boundaries.
    boundaries: bool
    #: Whether it has line boundaries.
    lines: bool
    #: Whether a backtracking engine is safe with it: few repetitions, none of a repetition or a choice.
    tame: bool


def translate(pattern: str, dialect: Dialect) -> Translated:
    r"""Rewrite a pattern of Rust's for ``dialect``, in linear time; raises InvalidArgumentError.

    >>> translate(r"(?i)a[^\n]+|(?P<year>\d{4})", RE2).text
    '(?i:a)(?i:[^\\x{a}])+|(?:(?i:[\\p{Nd}]){4})'
    """
    if len(pattern) > _LONGEST:
        refuse(f"expected a pattern of at most {_LONGEST:,} characters, got {len(pattern):,}")
    return _kept(pattern, dialect) if len(pattern) <= _KEPT_LENGTH else _translated(pattern, dialect)


def _translated(pattern: str, dialect: Dialect) -> Translated:
    parser = _Parser(pattern, dialect)
    text = parser.alternatives(_Flags(), 0)
    if parser.at < len(pattern):
        refuse(f"unopened group at character {parser.at}")
    if dialect.marked:
        text = rf"\A(?:{_MARK}(?s:.){_MARK})*(?:{text})"
    return Translated(text, parser.boundaries, parser.lines, parser.repetitions <= _TAME and not parser.wild)


_kept = lru_cache(maxsize=256)(_translated)


def marked(text: str) -> str:
    r"""``text`` with every character between two marks that say whether it belongs to a word.

    RE2's ``\b`` knows the words of ASCII only; the marks are such words, so between two characters it finds what
    Unicode says of them.

    >>> marked("né!")
    'wnwwéw-!-'
    """
    return "".join(map(_mark, text))


@cache
def _mark(character: str) -> str:
    mark = "w" if any(_holds(item, character) for item in _WORD) else "-"
    return mark + character + mark


# --- Classes ------------------------------------------------------------------------------------------------
#: Code points from the first to the last.
Range: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Property:
    r"""``\p{name}``, or ``\P{name}``: a general category or a script."""

    name: str
    negated: bool = False


Item: TypeAlias = Range | Property
Items: TypeAlias = tuple[Item, ...]

_SPACE: Final[Items] = ((9, 13), (0x85, 0x85), Property("Z"))
_ENCLOSED: Final[Items] = ((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))
_WORD: Final[Items] = (*map(Property, ("L", "M", "Nd", "Nl", "Pc")), (0x200C, 0x200D), *_ENCLOSED)
_PERL: Final[dict[str, Items]] = {"d": (Property("Nd"),), "s": _SPACE, "w": _WORD}
_POSIX: Final = {
    "alnum": string.ascii_letters + string.digits,
    "alpha": string.ascii_letters,
    "ascii": "".join(map(chr, range(128))),
    "blank": " \t",
    "cntrl": "".join(map(chr, (*range(32), 127))),
    "digit": string.digits,
    "graph": "".join(map(chr, range(33, 127))),
    "lower": string.ascii_lowercase,
    "print": "".join(map(chr, range(32, 127))),
    "punct": string.punctuation,
    "space": string.whitespace,
    "upper": string.ascii_uppercase,
    "word": string.ascii_letters + string.digits + "_",
    "xdigit": string.hexdigits,
}
_POSIX_CLASS: Final = re.compile(rf"\[:(?P<not>\^?)(?P<name>{'|'.join(_POSIX)}):\]")
_CATEGORIES: Final = (
    "L=Letter Lu=UppercaseLetter Ll=LowercaseLetter Lt=TitlecaseLetter Lm=ModifierLetter Lo=OtherLetter "
    "M=Mark Mn=NonspacingMark Mc=SpacingMark Me=EnclosingMark "
    "N=Number Nd=DecimalNumber Nl=LetterNumber No=OtherNumber "
    "P=Punctuation Pc=ConnectorPunctuation Pd=DashPunctuation Ps=OpenPunctuation Pe=ClosePunctuation "
    "Pi=InitialPunctuation Pf=FinalPunctuation Po=OtherPunctuation "
    "S=Symbol Sm=MathSymbol Sc=CurrencySymbol Sk=ModifierSymbol So=OtherSymbol "
    "Z=Separator Zs=SpaceSeparator Zl=LineSeparator Zp=ParagraphSeparator C=Other Cc=Control Cf=Format Co=PrivateUse"
)
#: Every name of a category in small letters -> its short name.
_CATEGORY: Final = {name.lower(): pair.split("=")[0] for pair in _CATEGORIES.split() for name in pair.split("=")}
_BINARY: Final[dict[str, Items]] = {
    "any": ((0, _LAST),),
    "ascii": ((0, 127),),
    "alphabetic": (Property("L"), Property("Nl"), *_ENCLOSED),
    "whitespace": _SPACE,
    "uppercase": (Property("Lu"),),
    "lowercase": (Property("Ll"),),
}


def _holds(item: Item, character: str) -> bool:
    if isinstance(item, Property):
        return unicodedata.category(character).startswith(item.name) != item.negated
    return item[0] <= ord(character) <= item[1]


def _merged(ranges: Iterable[Range]) -> list[Range]:
    merged: list[Range] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return merged


def _complement(ranges: Iterable[Range]) -> list[Range]:
    gaps, after = [], 0
    for first, last in _merged(ranges):
        if first > after:
            gaps.append((after, first - 1))
        after = last + 1
    return [*gaps, (after, _LAST)] if after <= _LAST else gaps


def _resolved(items: Items) -> list[Range]:
    """The code points of a union, properties looked up."""
    ranges: list[Range] = []
    for item in items:
        if isinstance(item, Property):
            found = _of_category(item.name)
            ranges += _complement(found) if item.negated else found
        else:
            ranges.append(item)
    return _merged(ranges)


@lru_cache(maxsize=128)
def _of_category(name: str) -> list[Range]:
    if name.lower() not in _CATEGORY:
        refuse(f"the script {name} cannot be part of this class")
    return _merged(item for category, ranges in _categories().items() if category.startswith(name) for item in ranges)


@cache
def _categories() -> dict[str, list[Range]]:
    """The ranges of every general category: a million look-ups, so only when a class cannot do without."""
    found: dict[str, list[Range]] = {}
    for category, points in groupby(range(_LAST + 1), lambda point: unicodedata.category(chr(point))):
        run = list(points)
        found.setdefault(category, []).append((run[0], run[-1]))
    return found


@cache
def _posix(name: str, negated: bool) -> Items:
    ranges: Items = tuple(_merged((ord(c), ord(c)) for c in _POSIX[name]))
    return _negation(ranges) if negated else ranges


def _negation(items: Items) -> Items:
    if len(items) == 1 and isinstance(items[0], Property):
        return (replace(items[0], negated=not items[0].negated),)
    return tuple(_complement(_resolved(items)))


def _intersection(a: Items, b: Items) -> Items:
    return tuple(_complement([*_complement(_resolved(a)), *_complement(_resolved(b))]))


#: The operators inside brackets. A symmetric difference has what is in one of two and not in both.
_SET_OPERATIONS: Final[dict[str, Callable[[Items, Items], Items]]] = {
    "&&": _intersection,
    "--": lambda a, b: _intersection(a, _negation(b)),
    "~~": lambda a, b: _intersection((*a, *b), _negation(_intersection(a, b))),
}


# --- The parser -----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Flags:
    i: bool = False
    m: bool = False
    s: bool = False
    x: bool = False
    u: bool = True
    U: bool = False  # swaps greedy and lazy, which makes no difference to whether a pattern occurs


_CONTROLS: Final = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_HEX_DIGITS: Final = {"x": 2, "u": 4, "U": 8}


class _Parser:
    """Recursive descent over a pattern; each method consumes what it is named after and returns its translation."""

    def __init__(self, pattern: str, dialect: Dialect) -> None:
        self.pattern = pattern
        self.dialect = dialect
        self.at = 0
        self.boundaries = self.lines = False
        self.repetitions = self.choices = 0
        self.wild = False
        self.names: set[str] = set()
        self.held = 0  # ranges in the classes, so far

    def alternatives(self, flags: _Flags, depth: int) -> str:
        """Up to the closing parenthesis or the end."""
        if depth > _DEEPEST:
            refuse("groups are nested too deeply")
        done: list[str] = []
        atoms: list[str] = []
        repeatable = busy = False
        repeated = 0  # repetitions of one atom
        while self.at < len(self.pattern) and self.pattern[self.at] != ")":
            character = self.pattern[self.at]
            if flags.x and self._skip_space():
                continue
            if character == "|":
                self.at += 1
                done += [*atoms, "|"]
                atoms, repeatable, repeated = [], False, 0
                self.choices += 1
            elif character in "*+?{":
                if not repeatable:
                    refuse(f"nothing to repeat at character {self.at}")
                self.wild = self.wild or busy
                self.repetitions += 1
                if repeated > _DEEPEST:
                    refuse("repetitions are nested too deeply")
                atoms[-1] = (f"(?:{atoms[-1]})" if repeated else atoms[-1]) + self._repetition(flags)
                repeated, busy = repeated + 1, True
            else:
                new_flags = self._flags_alone(flags)
                if new_flags is not None:
                    flags, repeatable = new_flags, False
                    continue
                before = self.repetitions + self.choices
                atoms.append(self._atom(flags, depth))
                repeatable, repeated, busy = True, 0, self.repetitions + self.choices > before
        return "".join([*done, *atoms])

    def _skip_space(self) -> bool:
        """White space and comments, in verbose patterns."""
        start = self.at
        while self.at < len(self.pattern) and (self.pattern[self.at].isspace() or self.pattern[self.at] == "#"):
            if self.pattern[self.at] == "#":
                end = self.pattern.find("\n", self.at)
                self.at = len(self.pattern) if end < 0 else end
            else:
                self.at += 1
        return self.at > start

    def _repetition(self, flags: _Flags) -> str:
        sign = self.pattern[self.at]
        self.at += 1
        text = sign if sign != "{" else self._counts()
        if flags.x:
            self._skip_space()
        if self.pattern.startswith("?", self.at):
            self.at += 1
        return text

    def _counts(self) -> str:
        end = self.pattern.find("}", self.at)
        if end < 0:
            refuse("unclosed counted repetition")
        parts = [part.strip() for part in self.pattern[self.at : end].split(",")]
        valid = [part.isascii() and part.isdigit() for part in parts]
        if len(parts) > 2 or not valid[0] or (len(parts) == 2 and parts[1] and not valid[1]):
            refuse(f"expected {{n}}, {{n,}} or {{n,m}}, got {{{self.pattern[self.at : end]}}}")
        if any(len(part) > _DIGITS for part in parts):
            refuse(f"at most {_MOST_REPETITIONS} repetitions can be counted")
        counts = [int(part) for part in parts if part]
        if max(counts) > _MOST_REPETITIONS:
            refuse(f"at most {_MOST_REPETITIONS} repetitions can be counted, got {max(counts)}")
        if len(counts) == 2 and counts[0] > counts[1]:
            refuse("a repetition from more to fewer")
        self.at = end + 1
        return "{" + ",".join(str(int(part)) if part else "" for part in parts) + "}"

    # Groups and flags
    def _flags_alone(self, flags: _Flags) -> _Flags | None:
        """``(?i)``: flags for the rest of this group; None if something else follows."""
        if not self.pattern.startswith("(?", self.at):
            return None
        end = self.at + 2
        while end < len(self.pattern) and (self.pattern[end].isalpha() or self.pattern[end] == "-"):
            end += 1
        if not self.pattern.startswith(")", end):
            return None
        letters = self.pattern[self.at + 2 : end]
        if not letters:
            refuse("repetition operator missing expression")
        self.at = end + 1
        return _changed(flags, letters)

    def _group(self, flags: _Flags, depth: int) -> str:
        start = self.at
        self.at += 1
        if self.pattern.startswith("?", self.at):
            flags = self._opening(flags)
        inner = self.alternatives(flags, depth + 1)
        if not self.pattern.startswith(")", self.at):
            refuse(f"unclosed group, opened at character {start}")
        self.at += 1
        return f"(?:{inner})"

    def _opening(self, flags: _Flags) -> _Flags:
        """What follows ``(?``: a name, or flags and a colon."""
        start = self.at + 1
        if self.pattern.startswith(("=", "!", "<=", "<!"), start):
            refuse("look-around, including look-ahead and look-behind, is not supported")
        for opening in ("P<", "<"):
            if self.pattern.startswith(opening, start):
                name = self._up_to(">", start + len(opening))
                if not name or not all(c.isalnum() or c in "_.[]" for c in name) or name[0].isdigit():
                    refuse("invalid group name")
                if name in self.names:
                    refuse(f"duplicate group name {name!r}")
                self.names.add(name)
                return flags
        letters = self._up_to(":", start)
        if letters is None:
            refuse("unrecognized flag, or unclosed group")
        return _changed(flags, letters)

    def _up_to(self, end: str, start: int) -> str | None:
        """The text from ``start`` up to the next ``end``, which is consumed, too; None if there is no ``end``."""
        found = self.pattern.find(end, start)
        if found < 0:
            return None
        self.at = found + len(end)
        return self.pattern[start:found]

    # Atoms
    def _atom(self, flags: _Flags, depth: int) -> str:
        character = self.pattern[self.at]
        if character == "(":
            return self._group(flags, depth)
        if character == "[":
            items, negated = self._brackets(flags, depth)
            return self._class(items, flags, negated=negated)
        if character == "\\":
            return self._escape(flags)
        self.at += 1
        if character == ".":
            return self._class(((0, _LAST),) if flags.s else ((0, 9), (11, _LAST)), replace(flags, i=False))
        if character in "^$":
            self.lines = self.lines or flags.m
            outside = r"(?:\A)" if character == "^" else self.dialect.end
            return f"(?m:{character})" if flags.m else outside
        return self._literal(ord(character), flags)

    def _escape(self, flags: _Flags) -> str:
        following = self.pattern[self.at + 1 : self.at + 2]
        if following in ("b", "B"):
            if self.pattern.startswith("b{", self.at + 1):
                refuse("half word boundaries are not supported")
            self.at += 2
            self.boundaries = self.boundaries or flags.u
            ascii_only = not flags.u and not self.dialect.properties
            return rf"(?a:\{following})" if ascii_only else rf"(?:\{following})"
        if following in ("<", ">"):
            refuse("half word boundaries are not supported")
        if following in ("A", "z"):
            self.at += 2
            return r"(?:\A)" if following == "A" else self.dialect.end
        if following in ("D", "S", "W") and flags.u:
            self.at += 2
            return self._class(_PERL[following.lower()], flags, negated=True)
        items = self._escaped_items(flags)
        if len(items) == 1 and isinstance(items[0], tuple) and items[0][0] == items[0][1]:
            return self._literal(items[0][0], flags)
        return self._class(items, flags)

    def _literal(self, point: int, flags: _Flags) -> str:
        return self._one(self._point(point), flags)

    def _one(self, text: str, flags: _Flags) -> str:
        """An atom that matches one character."""
        text = f"(?i:{text})" if flags.i else text
        return f"(?:{_MARK}{text}{_MARK})" if self.dialect.marked else text

    def _point(self, point: int) -> str:
        character = chr(point)
        if character.isascii() and character.isalnum():
            return character
        return rf"\x{{{point:x}}}" if self.dialect.properties else f"\\U{point:08x}"

    def _class(self, items: Items, flags: _Flags, *, negated: bool = False) -> str:
        self._counted(items)
        if not self.dialect.properties and any(isinstance(item, Property) for item in items):
            items = tuple(_resolved(items))
        text = "".join(map(self._item, items))
        return self._one(f"[^{text}]" if negated else f"[{text}]", flags)

    def _item(self, item: Item) -> str:
        if isinstance(item, Property):
            return rf"\{'P' if item.negated else 'p'}{{{item.name}}}"
        first, last = item
        return self._point(first) if first == last else f"{self._point(first)}-{self._point(last)}"

    # Escapes
    def _escaped_items(self, flags: _Flags) -> Items:
        """A backslash and what belongs to it, as a class."""
        start = self.at
        letter = self.pattern[start + 1 : start + 2]
        self.at += 2
        if letter.lower() in _PERL and letter:
            if not flags.u:
                refuse("Byte pattern is not allowed")
            items = _PERL[letter.lower()]
            return items if letter.islower() else _negation(items)
        if letter in ("p", "P") and letter:
            return self._property(negated=letter == "P")
        if letter in _CONTROLS:
            return ((_CONTROLS[letter],) * 2,)
        if letter in _HEX_DIGITS:
            return ((self._hexadecimal(_HEX_DIGITS[letter]),) * 2,)
        if letter.isdigit():
            refuse("backreferences are not supported")
        if letter and letter.isascii() and not letter.isalnum() and letter not in "<>":
            return ((ord(letter),) * 2,)
        refuse(f"unrecognized escape sequence at character {start}")

    def _hexadecimal(self, digits: int) -> int:
        if self.pattern.startswith("{", self.at):
            end = self.pattern.find("}", self.at)
            text = self.pattern[self.at + 1 : end] if end > 0 else ""
            self.at = end + 1
        else:
            text = self.pattern[self.at : self.at + digits]
            text = text if len(text) == digits else ""
            self.at += digits
        if not text or not set(text) <= set(string.hexdigits) or int(text, 16) > _LAST:
            refuse("invalid hexadecimal escape")
        return int(text, 16)

    def _property(self, *, negated: bool) -> Items:
        if self.pattern.startswith("{", self.at):
            end = self.pattern.find("}", self.at)
            if end < 0:
                refuse("unclosed Unicode class")
            name = self.pattern[self.at + 1 : end]
            self.at = end + 1
        else:
            name = self.pattern[self.at : self.at + 1]
            self.at += 1
        for separator in ("!=", "=", ":"):
            _, found, value = name.partition(separator)
            if found:
                name, negated = value, negated != (separator == "!=")
                break
        plain = name.lower().replace("_", "").replace(" ", "").replace("-", "")
        if plain in _BINARY:
            items = _BINARY[plain]
        elif plain in _CATEGORY:
            items = (Property(_CATEGORY[plain]),)
        elif plain.isalpha():
            items = (Property("_".join(part.capitalize() for part in name.replace(" ", "_").split("_"))),)
        else:
            refuse("Unicode property not found")
        return _negation(items) if negated else items

    # Brackets
    def _brackets(self, flags: _Flags, depth: int) -> tuple[Items, bool]:
        """``[...]`` with everything inside it, and whether it is ``[^...]``."""
        if depth > _DEEPEST:
            refuse("classes are nested too deeply")
        start = self.at
        self.at += 1
        negated = self._take("^")
        items: list[Item] = []
        pending: tuple[str, Items] | None = None
        first = True
        while True:
            if self.at >= len(self.pattern):
                refuse(f"unclosed character class, opened at character {start}")
            if flags.x and self._skip_space():
                continue
            operation = self.pattern[self.at : self.at + 2]
            if self.pattern[self.at] == "]" and not first:
                self.at += 1
                break
            if operation in _SET_OPERATIONS:
                self.at += 2
                pending, items = (operation, self._combined(pending, items)), []
                continue
            items += self._counted(self._member(flags, depth))
            first = False
        found = self._combined(pending, items)
        if not found and not negated:
            refuse("a character class that matches nothing")
        return (found, negated) if found else (((0, _LAST),), False)

    def _combined(self, pending: tuple[str, Items] | None, items: list[Item]) -> Items:
        """The items before an operator, if there is one, combined with those after it."""
        if pending is None:
            return tuple(items)
        operation, before = pending
        after = self._counted(tuple(items))
        return self._counted(_SET_OPERATIONS[operation](self._counted(before), after))

    def _counted(self, items: Items) -> Items:
        """The same; refused when all classes together have too many ranges, which measure their cost."""
        self.held += sum(_OF_PROPERTY if isinstance(item, Property) else 1 for item in items)
        if self.held > _LARGEST:
            refuse("its character classes are too large")
        return items

    def _member(self, flags: _Flags, depth: int) -> Items:
        if self.pattern.startswith("[:", self.at) and (posix := _POSIX_CLASS.match(self.pattern, self.at)):
            self.at = posix.end()
            return _posix(posix["name"], posix["not"] != "")
        if self.pattern[self.at] == "[":
            items, negated = self._brackets(flags, depth + 1)
            return _negation(items) if negated else items
        low = self._end_of_range(flags)
        dash = self.pattern[self.at : self.at + 1] == "-"
        if not dash or self.pattern[self.at + 1 : self.at + 2] in ("]", "-", ""):
            return low
        self.at += 1
        if self.pattern.startswith("[", self.at):
            refuse("invalid range boundary, must be a literal")
        high = self._end_of_range(flags)
        ends = [item for item in (*low, *high) if isinstance(item, tuple) and item[0] == item[1]]
        if len(ends) != 2 or len(low) + len(high) != 2:
            refuse("invalid range boundary, must be a literal")
        if ends[0][0] > ends[1][0]:
            refuse("invalid character class range, the start must be <= the end")
        return ((ends[0][0], ends[1][0]),)

    def _end_of_range(self, flags: _Flags) -> Items:
        if self.pattern[self.at] == "\\":
            return self._escaped_items(flags)
        self.at += 1
        return ((ord(self.pattern[self.at - 1]),) * 2,)

    def _take(self, character: str) -> bool:
        found = self.pattern.startswith(character, self.at)
        self.at += found
        return found


def _changed(flags: _Flags, letters: str) -> _Flags:
    """Flags such as ``i`` and ``s-m``."""
    on, dash, off = letters.partition("-")
    if (dash and not off) or "-" in off or not set(on + off) <= set("imsxuU") or len(set(on + off)) < len(on + off):
        refuse("unrecognized flag")
    return replace(flags, **dict.fromkeys(on, True), **dict.fromkeys(off, False))

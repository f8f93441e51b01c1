"""A ``%chroma`` line: how it is split, what a sub-command is, how its options are read."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, SupportsFloat, SupportsInt

from IPython.core.error import UsageError

if TYPE_CHECKING:
    from chroma_nb.jupyter.session import Session

#: A whole word that stands for a variable of the notebook.
_VARIABLE = re.compile(r":([^\W\d]\w*)|\{([^\W\d]\w*)\}")
_INSIDE = re.compile(r"\{([^\W\d]\w*)\}")


@dataclass(frozen=True)
class Command:
    """A sub-command: its description, its arguments and what it does.

    ``run`` gets the session, the arguments and the cell's text (None in a line magic, and always where
    ``takes_cell`` is False) and returns what is displayed or assigned.
    """

    name: str
    summary: str
    examples: tuple[str, ...]
    arguments: Callable[[Parser], None]
    run: Callable[[Session, argparse.Namespace, str | None], object]
    takes_cell: bool = False
    #: The words are handed over unread, as ``arguments.words``: they are another command.
    raw: bool = False


class Quoted(str):
    """A word that stands in quotes: a text, never an option, nor a variable for its colon."""

    __slots__ = ()


def split(line: str) -> list[str]:
    r"""The words of a line. Quotes at the start of a word, or after ``=``, hold several together.

    An apostrophe inside a word is only an apostrophe, and so is a quote that is never closed. A word in quotes is
    ``Quoted``.

    >>> split('query docs "it\'s here" --where="year > 2020" -n 3')
    ['query', 'docs', "it's here", '--where=year > 2020', '-n', '3']
    """
    words: list[str] = []
    at = 0
    while at < len(line):
        if line[at].isspace():
            at += 1
            continue
        word, at = _word(line, at)
        words.append(word)
    return words


def check_quotes(words: list[str]) -> None:
    """UsageError for a word that opens a double quote and does not close it."""
    for word in words:
        if word.startswith('"') and not isinstance(word, Quoted):
            raise UsageError(f'the quote before {word[1:]!r} is not closed; write "…" around the text')


def _word(line: str, at: int) -> tuple[str, int]:
    """The word that begins at ``at``, without its quotes, and where it ends."""
    start = at
    while at < len(line) and not line[at].isspace():
        opens = line[at] in "'\"" and (at == start or line[at - 1] == "=")
        if opens and (end := _closing(line, at)) is not None:
            inner = line[at + 1 : end].replace("\\" + line[at], line[at])
            return Quoted(inner) if at == start else line[start:at] + inner, end + 1
        at += 1
    return line[start:at], at


def _closing(line: str, at: int) -> int | None:
    """Where the quotation that opens at ``at`` ends: the same quote, at the end of a word."""
    for end in range(at + 1, len(line)):
        ends_word = end + 1 == len(line) or line[end + 1].isspace()
        if line[end] == line[at] and line[end - 1] != "\\" and ends_word:
            return end
    return None


def written(text: str) -> str:
    r"""A text as one word of a line, in quotes where it needs them.

    >>> written("docs"), written('say "hi"'), written(":text")
    ('docs', '"say \\"hi\\""', '":text"')
    """
    plain = text and text[0] not in "-:'\"{" and not any(map(str.isspace, text))
    return text if plain and not isinstance(text, Quoted) else '"' + text.replace('"', '\\"') + '"'


#: In front of a quoted word while argparse reads it, which would take one that begins with "-" for an option.
_QUOTED = "\0"


class Parser(argparse.ArgumentParser):
    """argparse with errors for a notebook: short, with a suggestion, without exit."""

    def __init__(self, command: Command, session: Session) -> None:
        super().__init__(
            prog=f"%chroma {command.name}",
            description=command.summary,
            epilog="examples:\n" + "\n".join(f"  {example}" for example in command.examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_help=False,
            allow_abbrev=False,
        )
        self.color = False  # from Python 3.14 on help is coloured where FORCE_COLOR is set, as it is in every kernel
        self._session = session
        self.add_argument("-h", "--help", action="store_true", help="show this help")
        command.arguments(self)

    def read(self, words: list[str]) -> argparse.Namespace:
        """The arguments; options may stand before, between and after the other words."""
        return self.parse_intermixed_args(
            [_QUOTED + word if isinstance(word, Quoted) or word.startswith(_QUOTED) else word for word in words]
        )

    def _get_value(self, action: argparse.Action, arg_string: str) -> object:
        """The value of a word, as argparse asks for it: a quoted one without the mark of ``read``."""
        word = Quoted(arg_string[len(_QUOTED) :]) if arg_string.startswith(_QUOTED) else arg_string
        return super()._get_value(action, word)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and what was perhaps meant."""
        message = message.replace(_QUOTED, "")
        unknown = re.search(r"unrecognized arguments: (--?[\w-]+)", message)
        hint = suggestion(unknown[1], self._option_string_actions) if unknown else ""
        raise UsageError(f"{self.prog}: {message}{hint or f'; {self.prog} -h shows the help'}")

    def value(self, word: str) -> object:
        """A word of the line: itself, or the value of the variable it names; ``{name}`` inside is replaced."""
        return value_of(word, self._session)

    def text(self, word: str) -> str:
        """As ``value``, for what must be text."""
        return str(self.value(word))

    def whole(self, word: str) -> int:
        """A whole number of at least 1, or a variable that holds one."""
        number = _integer(self.value(word))
        if number is None or number < 1:
            raise UsageError(f"{self.prog}: expected a whole number of at least 1, got {word!r}")
        return number

    def integer(self, word: str) -> int:
        """A whole number, or a variable that holds one."""
        number = _integer(self.value(word))
        if number is None:
            raise UsageError(f"{self.prog}: expected a whole number, got {word!r}")
        return number

    def number(self, word: str) -> float:
        """A number, or a variable that holds one."""
        value = self.value(word)
        try:
            if isinstance(value, str | SupportsFloat):
                return float(value)
        except (TypeError, ValueError):
            pass
        raise UsageError(f"{self.prog}: expected a number, got {word!r}")


def _integer(value: object) -> int | None:
    try:
        return int(value) if isinstance(value, str | SupportsInt) and not isinstance(value, float) else None
    except (TypeError, ValueError):
        return None


def value_of(word: str, session: Session) -> object:
    """A word, with the notebook's variables put in; an undefined one that is the whole word is an error.

    What stands in quotes stays a text: ``":name"`` is no variable, and ``"{name}"`` without such a variable no error.
    """
    match = _VARIABLE.fullmatch(word)
    if match and session.settings.variables and not isinstance(word, Quoted):
        return session.variable(match[1] or match[2])
    return filled(str(word), session)


def filled(text: str, session: Session) -> str:
    """A text with ``{name}`` replaced by the variable; braces around anything else stay."""
    if not session.settings.variables:
        return text

    def replacement(match: re.Match[str]) -> str:
        """The variable's value as text; the word itself when there is no such variable."""
        names = session.variables
        return str(names[match[1]]) if match[1] in names else match[0]

    return _INSIDE.sub(replacement, text)


def suggestion(word: str, known: Iterable[str]) -> str:
    """What was perhaps meant, as the end of a message.

    >>> suggestion("qeury", ["query", "get"])
    "; did you mean 'query'?"
    """
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""

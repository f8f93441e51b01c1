"""Completion at the cursor of a ``%chroma`` line: commands, collections, keys, values, options, names.

A completion never raises and never waits for more than one small read of the collection.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable

from IPython.core.error import UsageError

from chroma_nb.collection import Collection, collection_names
from chroma_nb.jupyter.command_line import Parser, written
from chroma_nb.jupyter.commands import COMMANDS, command
from chroma_nb.jupyter.session import Session, metadata_keys
from chroma_nb.plain import plain

_LINE = re.compile(r"^\s*(?:[\w., ]+=\s*)?%{1,2}chroma(?P<rest>\s.*|)$", re.DOTALL)
#: An open ``--where`` at the end of the line: the quote and what stands in it.
_WHERE = re.compile(r"""--where[\s=]+(?P<quote>["'])(?P<text>(?:(?!(?P=quote)).)*)$""")
_KEY, _VALUE = r"[^\W\d][\w.\-]*", r"'[^']*|\"[^\"]*|[\w.\-]*"
#: A key that is not a plain word is written between these.
_TICK = "`"
_AFTER_SIGN = re.compile(
    rf"(?P<key>{_KEY}|`[^`]*`)\s*(?:!=|<>|==?|(?:not\s+)?in\s*\((?:[^()]*,)?|contains)\s*(?P<begun>{_VALUE})$"
)
#: Ids that are offered.
_IDS = 100
_BEGUN = re.compile(r"[\w.\-]*$")


def complete(session: Session, line: str) -> tuple[str, list[str]]:
    """The begun word, and what it may become, in the order to be offered."""
    match = _LINE.match(line)
    if match is None:
        return "", []
    rest = match["rest"]
    begun = re.search(r"\S*$", rest)[0]  # type: ignore[index]  # it matches the empty text too
    words = rest.split()[: None if not begun else -1]
    try:
        if not words:
            return begun, _starting(begun, list(COMMANDS))
        if where := _WHERE.search(rest):
            return _in_where(session, words, where["text"])
        return begun, _starting(begun, _after(session, words, begun))
    except Exception:  # noqa: BLE001  # a completion never raises: no client, a collection that is gone, no server
        return begun, []


def _starting(begun: str, choices: list[str]) -> list[str]:
    return [choice for choice in choices if choice.startswith(begun)]


def _after(session: Session, words: list[str], begun: str) -> list[str]:
    """What may be the next word of a command."""
    name, *given = words
    options = Parser(command(name), session)._option_string_actions
    if begun.startswith("-"):
        return sorted(option for option in options if option.startswith("--"))
    if begun.startswith(":"):
        return [f":{variable}" for variable in sorted(session.variables) if not variable.startswith("_")]
    if given and (option := options.get(given[-1])) is not None and option.nargs != 0:
        return _of_option(session, words, option)
    if given:
        later = _LATER_WORDS.get(name)
        return [] if later is None else later(session, words)
    choices: list[str] = _FIRST_WORDS.get(name, _collections)(session)
    return choices


def _of_option(session: Session, words: list[str], option: argparse.Action) -> list[str]:
    """What may follow an option that takes a value."""
    if option.choices is not None:
        return list(option.choices)
    values = _OPTION_VALUES.get(option.option_strings[-1])
    return [] if values is None else values(session, words)


def _models(session: Session, words: list[str]) -> list[str]:
    from chroma_nb.embedding_functions.registry import known_embedding_functions

    return sorted({"none", *known_embedding_functions})


def _columns(session: Session, words: list[str]) -> list[str]:
    """The columns of the table that the line names."""
    from chroma_nb.tables.kinds import is_frame

    for word in words[1:]:
        frame = session.variables.get(word)
        if is_frame(frame):
            arrow = getattr(frame, "column_names", None)
            found = arrow if isinstance(arrow, list) else getattr(frame, "columns", ())
            return [written(str(plain(name))) for name in found]
    return []


def _keys(session: Session, words: list[str]) -> list[str]:
    return list(map(written, metadata_keys(_named_collection(session, words))))


def _ids(session: Session, words: list[str]) -> list[str]:
    """The ids of the first records."""
    return list(map(written, _named_collection(session, words).get(limit=_IDS, include=[])["ids"]))


#: The long name of an option -> what may be its value, where argparse does not know it.
_OPTION_VALUES: dict[str, Callable[[Session, list[str]], list[str]]] = {
    "--model": _models,
    "--color": lambda session, words: ["label", *_keys(session, words)],
    "--size": _keys,
    "--order-by": lambda session, words: [*_keys(session, words), "#id", "#document"],
    "--like": _ids,
    "--unlike": _ids,
    "--include": lambda session, words: ["embeddings", "uris", "data"],
    **dict.fromkeys(("--id", "--text", "--embedding", "--uri", "--metadata"), _columns),
}


def _collections(session: Session) -> list[str]:
    try:
        names = collection_names(session.client())
    except UsageError:
        names = []
    return list(dict.fromkeys([*names, *session.collection_variables()]))


def _clients(session: Session) -> list[str]:
    return list(dict.fromkeys(["memory", *session.clients, *session.client_variables()]))


def _keys_here(session: Session) -> list[str]:
    """The keys of the collection that is meant where none is named; none where that is not clear."""
    try:
        return _keys(session, [])
    except UsageError:
        return []


def _frames(session: Session) -> list[str]:
    from chroma_nb.tables.kinds import is_frame

    return [name for name, value in sorted(session.variables.items()) if name[0] != "_" and is_frame(value)]


def _saved(session: Session) -> list[str]:
    return sorted(session.saved)


#: What the first word of a command may be, where it is not a collection.
_FIRST_WORDS: dict[str, Callable[[Session], list[str]]] = {
    "connect": _clients,
    "facets": lambda session: [*_collections(session), *_keys_here(session)],
    "create": lambda session: [],
    "list": lambda session: [],
    "dropin": lambda session: [],
    "model": lambda session: ["download", *_collections(session)],
    "save": _saved,
    "run": _saved,
}


#: What a later word of a command may be, where something is known of it.
_LATER_WORDS: dict[str, Callable[[Session, list[str]], list[str]]] = {
    "add": lambda session, words: _frames(session) if len(words) == 2 else [],
    "facets": _keys,
}


def _in_where(session: Session, words: list[str], text: str) -> tuple[str, list[str]]:
    """Values after a comparison, keys elsewhere."""
    keys = metadata_keys(_named_collection(session, words))
    if match := _AFTER_SIGN.search(text):
        values = [literal(value) for value in _flat(keys.get(match["key"].strip(_TICK), []))]
        return match["begun"], _starting(match["begun"], values)
    if text.count(_TICK) % 2:
        begun = text[text.rindex(_TICK) :]
    else:
        begun = _BEGUN.search(text)[0]  # type: ignore[index]  # it matches the empty text too
    return begun, _starting(begun, [*(_key(key) for key in keys), "document"])


def _named_collection(session: Session, words: list[str]) -> Collection:
    """The collection of a line that is still being written."""
    names = _collections(session)
    if len(words) > 1 and words[1] in names:
        return session.collection(words[1])
    return session.current_collection or session.only_collection()


def _flat(values: Iterable[object]) -> list[object]:
    return [element for value in values for element in (value if isinstance(value, list) else [value])]


def _key(key: str) -> str:
    return key if re.fullmatch(_KEY, key) else f"`{key}`"


def literal(value: object) -> str:
    """A value as a filter has it.

    >>> literal("it's"), literal(True), literal(2020)
    ("'it''s'", 'true', '2020')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)

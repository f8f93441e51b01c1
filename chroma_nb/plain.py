"""Values as Python's own: a subclass of str, int, float or bool becomes the plain value, here and nowhere else.

Chroma stores the value that a subclass stands for: ``HTTPStatus.OK`` is 200, ``Role.ADMIN`` of a
``class Role(str, Enum)`` its text, ``numpy.float64`` a float. Subclasses may say anything of themselves
(``str(Role.ADMIN)`` is its name, and comparing one may run their code), so none of their own methods is
called. What is no subclass of the four (``numpy.int64``, a date, a tuple) comes back as it is: whoever
checks says what is wrong with it, and ``shown`` writes it into the message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from typing import Any, Final, TypeVar

T = TypeVar("T")

#: The types of plain values.
PLAIN: Final = frozenset({str, int, float, bool, type(None)})
#: Base -> what copies its value out of a subclass. (Nothing can be a subclass of bool.)
_COPIES: Final[tuple[tuple[type, Callable[[Any], object]], ...]] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
)


def plain(value: object) -> Any:
    """The str, int or float that ``value`` is a subclass of; anything else as it is.

    >>> from http import HTTPStatus
    >>> plain(HTTPStatus.OK), plain("text"), plain((1, 2))
    (200, 'text', (1, 2))
    """
    kind = type(value)
    if kind in PLAIN:
        return value
    for base, copy in _COPIES:
        if issubclass(kind, base):
            return copy(value)
    return value


def are_unicode(texts: Iterable[str]) -> bool:
    """Whether UTF-8 can hold all of the texts: half of a surrogate pair it cannot.

    >>> are_unicode(["moon", "mañana"]), are_unicode(["\\ud83d"])
    (True, False)
    """
    return _HALF.search("".join(text for text in texts if not text.isascii())) is None


_HALF: Final = re.compile("[\ud800-\udfff]")


def plain_list(values: Any) -> Any:
    """A list with each item plain; the same list when all are, and anything but a list as it is.

    >>> from http import HTTPStatus
    >>> plain_list([HTTPStatus.OK, 1])
    [200, 1]
    """
    if type(values) is not list:
        if not issubclass(type(values), list):
            return values
        values = list.copy(values)
    return values if set(map(type, values)) <= PLAIN else list(map(plain, values))


def maybe_cast_one_to_many(target: T | list[T] | None) -> list[T] | None:
    """A list stays as it is, None too; anything else becomes a list of one.

    >>> maybe_cast_one_to_many("a")
    ['a']
    """
    return target if target is None or isinstance(target, list) else [target]


def plain_tree(value: Any) -> Any:
    """Nested dicts and lists (a filter, metadata, a configuration) with all keys and values plain: a copy.

    Their subclasses become dict and list. Two keys that are one as plain values become one, the later
    holds, as in Chroma. What contains itself, or lies deeper than any of these may, is left for the
    checks to refuse. Raises ValueError when parts occur in each other so often that nobody could
    write the whole out: thirty levels of ``x = {"$and": [x, x]}`` are a billion conditions.

    >>> from http import HTTPStatus
    >>> plain_tree({"status": {"$in": [HTTPStatus.OK]}})
    {'status': {'$in': [200]}}
    """
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind is dict and len(value) == 1:  # most filters: one condition, of plain values
        ((key, item),) = value.items()
        if type(key) is str and type(item) in PLAIN:
            return {key: item}
    made = _Made()
    copied = _copy(value, DEEPEST, made)
    if made.shared and _size(copied, DEEPEST, {}) > LARGEST:
        raise too_many_parts()
    return copied


def too_many_parts() -> ValueError:
    """What is said of a value in which the same parts stand again and again."""
    error = ValueError(
        f"Expected at most {LARGEST:,} parts, got a value with more, as it contains the same parts many times"
    )
    error.add_note("The same dict or list occurs in it again and again. Write each condition once.")
    return error


#: Deeper than a filter of 64 levels, each a dict and a list.
DEEPEST: Final = 200
#: So many dicts, lists and values may stand in what repeats a part of itself.
LARGEST: Final = 100_000


class _Made(dict[int, Any]):
    """The copies by the id of what they are of; ``shared`` when one is used again."""

    shared = False


def _size(value: Any, levels: int, known: dict[int, int]) -> int:
    """How many dicts, lists and values a copy has, written out; what contains itself counts once."""
    if type(value) not in (dict, list) or levels == 0:
        return 1
    if id(value) not in known:
        known[id(value)] = 1
        items = value.values() if type(value) is dict else value
        known[id(value)] = 1 + sum([_size(item, levels - 1, known) for item in items])
    return known[id(value)]


_KEYS: Final = frozenset({str})


def _copy(value: Any, levels: int, made: _Made) -> object:
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind is dict and set(map(type, value)) == _KEYS and set(map(type, value.values())) <= PLAIN:
        return value.copy()
    if issubclass(kind, list):
        if set(map(type, list.__iter__(value))) <= PLAIN:
            return list.copy(value)
    elif not issubclass(kind, dict):
        return plain(value)
    if id(value) in made or levels == 0:
        made.shared = True
        return made.get(id(value), value)
    if issubclass(kind, list):
        items = made[id(value)] = list.copy(value)
        items[:] = [_copy(item, levels - 1, made) for item in items]
        return items
    copied: dict[Any, object] = {}
    made[id(value)] = copied
    for key, item in list(dict.items(value)):
        copied[plain(key)] = _copy(item, levels - 1, made)
    return copied


# --- In messages ---------------------------------------------------------------------------------------------
#: So much of a value stands in a message.
SHOWN: Final = 1_000


def shown(value: object, longest: int = SHOWN, show: Callable[[object], str] = str) -> str:
    """The value for a message: whole when short, else its beginning. Never an error of the value's own.

    ``show`` is str or repr.

    >>> shown([1, 2]), shown("x" * 5000, longest=3)
    ('[1, 2]', 'xxx…')
    """
    try:
        # A message can be printed and logged: half of a surrogate pair stands in it as its escape.
        text = show(_beginning(plain(value), longest)).encode("utf-8", "backslashreplace").decode()
    except Exception:  # noqa: BLE001  # whatever a class raises when it is shown, or what lies too deep
        return f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= longest else f"{text[:longest]}…"


def _beginning(value: Any, longest: int) -> object:
    """As much of a long value as a message can show, so that no text of all of it is made."""
    kind = type(value)
    if kind in (str, bytes):
        return value[: longest + 1]
    return _cut(value, [longest + 1], ()) if kind in _CONTAINERS else value


#: Containers that are cut, exactly these: a subclass may show itself as it likes.
_CONTAINERS: Final = frozenset({list, tuple, dict, set, frozenset})


def _cut(value: Any, left: list[int], within: tuple[int, ...]) -> object:
    """A container with the parts that a message reaches: each takes a letter of it at least.

    Parts that stand in each other many times would otherwise be written out, which may never end.
    """
    left[0] -= 1
    kind = type(value)
    if kind in (str, bytes):
        return value[: left[0] + 1]
    if kind not in _CONTAINERS:
        return value
    if id(value) in within:
        return _Itself(kind)
    within = (*within, id(value))
    if kind is dict:
        return {key: _cut(item, left, within) for key, item in _while_any(value.items(), left)}
    return kind(_cut(item, left, within) for item in _while_any(value, left))


class _Itself:
    """Stands where a container contains itself, and shows as Python shows it."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    def __repr__(self) -> str:
        return "[...]" if self._kind is list else "{...}" if self._kind is dict else "(...)"


def _while_any(items: Iterable[object], left: list[int]) -> Iterator[Any]:
    return takewhile(lambda _: left[0] > 0, items)

"""Reads Chroma's ``index_metadata.pickle`` as data: a parser of the few opcodes that file needs.

Not an unpickler: nothing is imported, called or built. The bytes are walked once; texts, integers,
None and dictionaries are the only values there are, and the one class name that may occur
(0.x wrote its own ``PersistentData`` object) stands for "the fields follow". Any other opcode ends
the walk, and what was read up to there is returned, with the reason beside it: a file that was
cut short by a killed process still says most of what it knew.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

#: The one class 0.x pickled; met as a name, never imported.
_PERSISTENT_DATA: Final = ("chromadb.segment.impl.vector.local_persistent_hnsw", "PersistentData")
#: What a key may be; a value may be a table besides.
_SCALARS: Final = (str, int, type(None))
_LARGEST_LABEL: Final = (1 << 63) - 1


@dataclass(frozen=True)
class IndexMetadata:
    """Whose vector each label of the graph is.

    ``labels`` maps ids to labels; ``max_seq_id`` is the last log entry it knows of, where the file says
    so (before 0.5.6 nothing else does); ``problem`` says why the file could not be read to its end (None:
    it was); ``disputed`` holds ids about which its two tables, id to label and label to id, disagree.

    >>> parse_index_metadata(b"\\x80\\x03}(X\\x0b\\x00\\x00\\x00id_to_label}X\\x01\\x00\\x00\\x00aK\\x01su.").labels
    {'a': 1}
    """

    labels: dict[str, int] = field(default_factory=dict)
    dimensionality: int | None = None
    max_seq_id: int | None = None
    problem: str | None = None
    disputed: frozenset[str] = frozenset()


class _Refused(Exception):
    """This byte cannot belong to the file; the message says why."""


class _Instance:
    """Where 0.x's PersistentData object stands on the stack."""


class _Walk:
    """The stack, the memo and the place in the bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.stack: list[object] = []
        self.marks: list[list[object]] = []
        self.memo: dict[int, object] = {}

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        piece = self.data[self.at : self.at + size]
        if len(piece) < size:
            raise _Refused(f"ends at byte {len(self.data):,} in the middle of a value")
        self.at += size
        return piece

    def pop(self) -> object:
        """The top of the stack, taken off it."""
        if not self.stack:
            raise _Refused("takes a value that was never given")
        return self.stack.pop()

    def top_dict(self) -> dict[Any, object]:
        """The dict on top of the stack."""
        if not self.stack or type(self.stack[-1]) is not dict:
            raise _Refused("fills something that is not a table")
        table: dict[Any, object] = self.stack[-1]
        return table

    def items(self) -> list[object]:
        """What was pushed since the last mark; the stack is the one below it again."""
        if not self.marks:
            raise _Refused("closes a group that was never opened")
        items, self.stack = self.stack, self.marks.pop()
        return items


def _fill(table: dict[Any, object], items: list[object]) -> None:
    for key, value in zip(items[::2], items[1::2], strict=False):
        if not isinstance(key, _SCALARS) or not isinstance(value, (*_SCALARS, dict)):
            raise _Refused("holds a value of a kind this file never holds")
        table[key] = value


def _text(walk: _Walk, size: int) -> None:
    try:
        walk.stack.append(str(walk.take(size), "utf-8"))
    except UnicodeDecodeError as error:
        raise _Refused("holds a text that is not UTF-8") from error


def _fixed(layout: str) -> Callable[[_Walk], int]:
    form = struct.Struct(layout)

    def read(walk: _Walk) -> int:
        """The number that follows."""
        number: int = form.unpack(walk.take(form.size))[0]
        return number

    return read


_byte, _pair, _quad, _signed, _octet = map(_fixed, ("<B", "<H", "<I", "<i", "<Q"))


def _skip(size: int) -> Callable[[_Walk], None]:
    def skip(walk: _Walk) -> None:
        """Pass over the bytes that follow."""
        walk.take(size)

    return skip


def _integer(read: Callable[[_Walk], int]) -> Callable[[_Walk], None]:
    return lambda walk: walk.stack.append(read(walk))


def _string(read: Callable[[_Walk], int]) -> Callable[[_Walk], None]:
    return lambda walk: _text(walk, read(walk))


def _constant(make: Callable[[], object]) -> Callable[[_Walk], None]:
    return lambda walk: walk.stack.append(make())


def _put(read: Callable[[_Walk], int]) -> Callable[[_Walk], None]:
    def put(walk: _Walk) -> None:
        """Remember the top of the stack under the number that follows."""
        index = read(walk)
        if not walk.stack:
            raise _Refused("remembers a value that was never given")
        walk.memo[index] = walk.stack[-1]

    return put


def _get(read: Callable[[_Walk], int]) -> Callable[[_Walk], None]:
    def get(walk: _Walk) -> None:
        """Push what was remembered under the number that follows."""
        index = read(walk)
        if index not in walk.memo:
            raise _Refused("refers to a value that was never given")
        walk.stack.append(walk.memo[index])

    return get


def _mark(walk: _Walk) -> None:
    if len(walk.marks) > 8:
        raise _Refused("nests deeper than this file ever does")
    walk.marks.append(walk.stack)
    walk.stack = []


def _memoize(walk: _Walk) -> None:
    if not walk.stack:
        raise _Refused("remembers a value that was never given")
    walk.memo[len(walk.memo)] = walk.stack[-1]


def _set_items(walk: _Walk) -> None:
    items = walk.items()
    _fill(walk.top_dict(), items)


def _set_item(walk: _Walk) -> None:
    value, key = walk.pop(), walk.pop()
    _fill(walk.top_dict(), [key, value])


def _long(walk: _Walk) -> None:
    walk.stack.append(int.from_bytes(walk.take(_byte(walk)), "little", signed=True))


def _name(walk: _Walk, module: object, name: object) -> None:
    if (module, name) != _PERSISTENT_DATA:
        raise _Refused(f"names {str(module)[:80]}.{str(name)[:80]}, which does not belong there; nothing was executed")
    walk.stack.append(_PERSISTENT_DATA)


def _stack_global(walk: _Walk) -> None:
    name, module = walk.pop(), walk.pop()
    _name(walk, module, name)


def _global(walk: _Walk) -> None:
    end = walk.data.find(b"\n", walk.data.find(b"\n", walk.at) + 1)
    if end < 0:
        raise _Refused("ends in the middle of a name")
    module, name = walk.take(end - walk.at).decode("utf-8", "replace").split("\n")[:2]
    walk.take(1)
    _name(walk, module, name)


def _new_object(walk: _Walk) -> None:
    if (walk.pop(), walk.pop()) != ((), _PERSISTENT_DATA):
        raise _Refused("makes an object of a class this file never holds")
    walk.stack.append(_Instance())


def _build(walk: _Walk) -> None:
    fields = walk.pop()
    if type(fields) is not dict or not isinstance(walk.pop(), _Instance):
        raise _Refused("gives fields to something that takes none")
    walk.stack.append(fields)


#: Every opcode the file may hold. What is missing here ends the reading; that is the point.
OPCODES: Final[dict[int, Callable[[_Walk], None]]] = {
    0x80: _skip(1),  # PROTO
    0x95: _skip(8),  # FRAME
    ord("("): _mark,  # MARK
    ord("}"): _constant(dict),  # EMPTY_DICT
    ord(")"): _constant(tuple),  # EMPTY_TUPLE
    ord("N"): _constant(lambda: None),  # NONE
    ord("J"): _integer(_signed),  # BININT
    ord("K"): _integer(_byte),  # BININT1
    ord("M"): _integer(_pair),  # BININT2
    0x8A: _long,  # LONG1
    ord("X"): _string(_quad),  # BINUNICODE
    0x8C: _string(_byte),  # SHORT_BINUNICODE
    0x8D: _string(_octet),  # BINUNICODE8
    0x94: _memoize,  # MEMOIZE
    ord("q"): _put(_byte),  # BINPUT
    ord("r"): _put(_quad),  # LONG_BINPUT
    ord("h"): _get(_byte),  # BINGET
    ord("j"): _get(_quad),  # LONG_BINGET
    ord("s"): _set_item,  # SETITEM
    ord("u"): _set_items,  # SETITEMS
    0x93: _stack_global,  # STACK_GLOBAL
    ord("c"): _global,  # GLOBAL
    0x81: _new_object,  # NEWOBJ
    ord("b"): _build,  # BUILD
}
_STOP: Final = ord(".")


def parse_index_metadata(data: bytes) -> IndexMetadata:
    """What the file says, as far as it can be read; never raises for any bytes."""
    walk = _Walk(data)
    problem = _run(walk)
    return _interpret(_fields(walk), problem)


def _run(walk: _Walk) -> str | None:
    """Walk to the end; returns why it could not be reached."""
    data, opcodes = walk.data, OPCODES
    try:
        while walk.at < len(data):
            code = data[walk.at]
            walk.at += 1
            if code == _STOP:
                return None
            action = opcodes.get(code)
            if action is None:
                raise _Refused(
                    f"holds the instruction {code:#04x} at byte {walk.at - 1:,}, which does not belong there"
                )
            action(walk)
    except _Refused as refusal:
        return str(refusal)
    return f"ends at byte {len(data):,} before its end"


def _fields(walk: _Walk) -> dict[Any, object]:
    """The outermost table; groups left open by a file cut short are closed with what they hold."""
    while walk.marks:
        items, walk.stack = walk.stack, walk.marks.pop()
        if walk.stack and type(walk.stack[-1]) is dict:
            try:
                _fill(walk.stack[-1], items[: len(items) // 2 * 2])
            except _Refused:
                continue
    tables = [value for value in walk.stack if type(value) is dict]
    return tables[-1] if tables else {}


def _interpret(fields: dict[Any, object], problem: str | None) -> IndexMetadata:
    forward = _table(fields.get("id_to_label"), str, int)
    forward = {name: label for name, label in forward.items() if 0 <= label <= _LARGEST_LABEL}
    backward = _table(fields.get("label_to_id"), int, str)
    labels, disputed = dict(forward), set()
    for label, name in backward.items():
        if not 0 <= label <= _LARGEST_LABEL:
            continue
        known = labels.setdefault(name, label)
        if known == label:
            continue
        # Two labels for one id: the forward one is wrong when the backward table gives it to another id.
        if backward.get(known, name) != name:
            labels[name] = label
        else:
            disputed.add(name)
    dimension, last = fields.get("dimensionality"), fields.get("max_seq_id")
    if problem is None and not forward and not backward and "id_to_label" not in fields:
        problem = "holds no table of labels"
    return IndexMetadata(
        labels=labels,
        dimensionality=dimension if type(dimension) is int else None,
        max_seq_id=last if type(last) is int else None,
        problem=problem,
        disputed=frozenset(disputed),
    )


def _table(value: object, key_type: type, value_type: type) -> dict[Any, Any]:
    if type(value) is not dict:
        return {}
    return {key: item for key, item in value.items() if type(key) is key_type and type(item) is value_type}

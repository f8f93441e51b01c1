"""Rows of a damaged SQLite file, page by page: what ``sqlite3``'s own reading gives up on.

Not a database: no SQL runs here, nothing in the file is obeyed (no trigger, view or expression can
do anything), and nothing is written. The tables' trees are followed as far as they go; when a part
of a tree is gone, leaf pages that no tree and no free list names are read too, and their rows are
told apart by their shape. See https://www.sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Value: TypeAlias = int | float | str | bytes | None
Row: TypeAlias = tuple[Value, ...]

_LEAF, _INTERIOR = 0x0D, 0x05
#: Index pages: known as such so that they are not taken for damage.
_INDEX_PAGES: Final = (0x0A, 0x02)
_PAGE_SIZES: Final = frozenset(1 << n for n in range(9, 17))
_INTEGER_BYTES: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
#: The longest row that is believed: a length beyond it is damage.
_LONGEST_ROW: Final = 1 << 30


@dataclass
class Salvage:
    """What was found: per table its column names and rows by row id, and how much of the file was readable.

    ``strays`` are rows (id, values) from leaf pages that no readable tree names.
    """

    tables: dict[str, tuple[list[str], dict[int, Row]]] = field(default_factory=dict)
    strays: list[tuple[int, Row]] = field(default_factory=list)
    pages: int = 0
    unreadable_pages: int = 0
    unreadable_rows: int = 0


class _Damaged(Exception):
    """This page or row cannot be read."""


class Pages:
    """The pages of one file, by number from 1."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._file_size = os.fstat(descriptor).st_size
        header = os.pread(descriptor, 100, 0)
        size = int.from_bytes(header[16:18], "big")
        size = 65536 if size == 1 else size
        # The default of Chroma's files when the header is gone.
        self.size = size if size in _PAGE_SIZES else 4096
        reserved = header[20] if len(header) > 20 and size in _PAGE_SIZES else 0
        self.usable = self.size - (reserved if reserved <= 32 else 0)
        self.count = self._file_size // self.size
        self.free_list_trunk = int.from_bytes(header[32:36], "big")

    def page(self, number: int) -> bytes:
        """The bytes of a page, counted from 1."""
        if not 1 <= number <= self.count:
            raise _Damaged(f"page {number} is outside the file")
        return os.pread(self._descriptor, self.size, (number - 1) * self.size)

    def free(self) -> set[int]:
        """The numbers of the pages that hold nothing any more."""
        found: set[int] = set()
        trunk = self.free_list_trunk
        while 1 <= trunk <= self.count and trunk not in found:
            found.add(trunk)
            page = self.page(trunk)
            trunk, count = struct.unpack(">II", page[:8])
            leaves = min(count, (self.usable - 8) // 4)
            found.update(struct.unpack(f">{leaves}I", page[8 : 8 + 4 * leaves]))
        return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at ``at`` and where the next begins."""
    value = 0
    for count in range(9):
        if at >= len(data):
            raise _Damaged("a number runs over the end")
        byte = data[at]
        at += 1
        if count == 8:
            value = value << 8 | byte
            break
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            break
    return (value - (1 << 64) if value >= 1 << 63 else value), at


def decode_record(payload: bytes) -> Row:
    """The values of a row from its stored form.

    >>> decode_record(bytes([3, 1, 17, 7]) + b"hi")
    (7, 'hi')
    """
    header_size, at = _varint(payload, 0)
    if not 1 <= header_size <= len(payload):
        raise _Damaged("a row's header is longer than the row")
    kinds = []
    while at < header_size:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    values: list[Value] = []
    at = header_size
    for kind in kinds:
        value, at = _value(payload, at, kind)
        values.append(value)
    return tuple(values)


def _value(data: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind == 0:
        return None, at
    if kind in (8, 9):
        return kind - 8, at
    if kind in _INTEGER_BYTES:
        size = _INTEGER_BYTES[kind]
    elif kind == 7:
        size = 8
    elif kind >= 12:
        size = (kind - 12) // 2
    else:
        raise _Damaged(f"a value of the kind {kind}, which does not exist")
    piece = data[at : at + size]
    if len(piece) < size:
        raise _Damaged("a value runs over the end of its row")
    at += size
    if kind < 7:
        return int.from_bytes(piece, "big", signed=True), at
    if kind == 7:
        number: float = struct.unpack(">d", piece)[0]
        return number, at
    if kind % 2 == 0:
        return piece, at
    try:
        return piece.decode("utf-8"), at
    except UnicodeDecodeError as error:
        raise _Damaged("a text that is not UTF-8") from error


class _Reader:
    """One pass over the file; remembers which pages it saw."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self.seen: set[int] = set()
        self.unreadable_pages = 0
        self.unreadable_rows = 0

    def table(self, root: int) -> Iterator[tuple[int, bytes]]:
        """Row ids and stored rows of the tree that begins at ``root``, as far as it can be followed."""
        waiting = [root]
        while waiting:
            number = waiting.pop()
            if number in self.seen:
                continue
            try:
                page = self.pages.page(number)
                kind, children = self._open(number, page)
            except _Damaged:
                self.unreadable_pages += 1
                continue
            self.seen.add(number)
            if kind == _LEAF:
                yield from self.leaf(number, page)
            else:
                waiting.extend(reversed(children))

    def index(self, root: int) -> None:
        """Mark the pages of an index as seen, so that they are not taken for lost ones."""
        waiting = [root]
        while waiting:
            number = waiting.pop()
            if number in self.seen:
                continue
            try:
                page = self.pages.page(number)
            except _Damaged:
                continue
            self.seen.add(number)
            if page[0] == 0x02:
                waiting.extend(_children(page, 0, self.pages.usable))

    def _open(self, number: int, page: bytes) -> tuple[int, list[int]]:
        start = 100 if number == 1 else 0
        kind = page[start]
        if kind not in (_LEAF, _INTERIOR):
            raise _Damaged(f"page {number} is not a page of a table")
        return kind, _children(page, start, self.pages.usable) if kind == _INTERIOR else []

    def leaf(self, number: int, page: bytes) -> Iterator[tuple[int, bytes]]:
        """Row id and bytes of every row in a leaf page that can be read."""
        start = 100 if number == 1 else 0
        count = int.from_bytes(page[start + 3 : start + 5], "big")
        pointers = start + 8
        if pointers + 2 * count > self.pages.usable:
            self.unreadable_pages += 1
            return
        for at in struct.unpack(f">{count}H", page[pointers : pointers + 2 * count]):
            try:
                yield self._cell(page, at)
            except _Damaged:
                self.unreadable_rows += 1

    def _cell(self, page: bytes, at: int) -> tuple[int, bytes]:
        size, at = _varint(page, at)
        row_id, at = _varint(page, at)
        if not 0 < size <= _LONGEST_ROW:
            raise _Damaged("a row of an impossible length")
        usable = self.pages.usable
        here = _stored_here(size, usable)
        if at + here > len(page):
            raise _Damaged("a row runs over the end of its page")
        payload = page[at : at + here]
        if size > here:
            following = int.from_bytes(page[at + here : at + here + 4], "big")
            payload += self._overflow(following, size - here)
        return row_id, payload

    def _overflow(self, number: int, size: int) -> bytes:
        pieces, chain = [], set()
        while size > 0:
            if number in chain:
                raise _Damaged("a row's pages run in a circle")
            chain.add(number)
            page = self.pages.page(number)
            piece = page[4 : 4 + min(size, self.pages.usable - 4)]
            pieces.append(piece)
            size -= len(piece)
            number = int.from_bytes(page[:4], "big")
        self.seen.update(chain)
        return b"".join(pieces)


def _stored_here(size: int, usable: int) -> int:
    """How many bytes of a row of ``size`` stand on its own page; the rest is on overflow pages."""
    if size <= usable - 35:
        return size
    least = (usable - 12) * 32 // 255 - 23
    fitting = least + (size - least) % (usable - 4)
    return fitting if fitting <= usable - 35 else least


def _children(page: bytes, start: int, usable: int) -> list[int]:
    count = int.from_bytes(page[start + 3 : start + 5], "big")
    if start + 12 + 2 * count > usable:
        raise _Damaged("more branches than fit on a page")
    pointers = struct.unpack(f">{count}H", page[start + 12 : start + 12 + 2 * count])
    found = [int.from_bytes(page[at : at + 4], "big") for at in pointers]
    return [*found, int.from_bytes(page[start + 8 : start + 12], "big")]


def column_names(statement: str) -> tuple[list[str], int | None]:
    """The columns a CREATE TABLE names, and which of them is the row id.

    >>> column_names("CREATE TABLE t (id INTEGER PRIMARY KEY, -- note, more\\n a TEXT REFERENCES b(c), UNIQUE (a))")
    (['id', 'a'], 0)
    """
    bare = "\n".join(line.split("--")[0] for line in statement.splitlines())
    body = bare[bare.find("(") + 1 : bare.rfind(")")]
    names: list[str] = []
    row_id = None
    for part in _split(body):
        words = part.split()
        if not words or words[0].upper().split("(")[0] in {"PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "CONSTRAINT"}:
            continue
        if [word.upper() for word in words[1:4]] == ["INTEGER", "PRIMARY", "KEY"]:
            row_id = len(names)
        names.append(words[0].strip("\"'`[]"))
    return names, row_id


def _split(body: str) -> list[str]:
    """The parts between commas that stand in no brackets."""
    parts, depth = [""], 0
    for letter in body:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def salvage(descriptor: int, wanted: Callable[[str], bool]) -> Salvage:
    """Everything that can still be read of the tables that ``wanted`` names."""
    pages = Pages(descriptor)
    reader = _Reader(pages)
    found = Salvage(pages=pages.count)
    for kind, name, root, statement in _schema(reader):
        if kind == "index":
            reader.index(root)
        elif kind == "table" and wanted(name):
            names, row_id = column_names(statement)
            found.tables[name] = (names, _decoded(reader, root, len(names), row_id))
        elif kind == "table":
            _pass_over(reader, root)
    if reader.unreadable_pages:
        found.strays = list(_strays(reader, pages))
    found.unreadable_pages, found.unreadable_rows = reader.unreadable_pages, reader.unreadable_rows
    return found


def _schema(reader: _Reader) -> list[tuple[str, str, int, str]]:
    entries = []
    for _, payload in reader.table(1):
        try:
            values = decode_record(payload)
        except _Damaged:
            reader.unreadable_rows += 1
            continue
        if len(values) == 5:
            kind, name, _, root, statement = values
            if isinstance(kind, str) and isinstance(name, str) and isinstance(root, int) and root > 0:
                entries.append((kind, name, root, statement if isinstance(statement, str) else ""))
    return entries


def _decoded(reader: _Reader, root: int, width: int, row_id_column: int | None) -> dict[int, Row]:
    rows: dict[int, Row] = {}
    for row_id, payload in reader.table(root):
        try:
            values = decode_record(payload)
        except _Damaged:
            reader.unreadable_rows += 1
            continue
        if len(values) > width:
            reader.unreadable_rows += 1
            continue
        # Columns added later are absent from rows written before.
        full = [*values, *[None] * (width - len(values))]
        if row_id_column is not None:
            full[row_id_column] = row_id
        rows[row_id] = tuple(full)
    return rows


def _pass_over(reader: _Reader, root: int) -> None:
    """Follow a tree of no interest (or of an index stored as a table), so that its pages are known."""
    try:
        kind = reader.pages.page(root)[0] if root > 1 else _LEAF
    except _Damaged:
        return
    if kind in _INDEX_PAGES:
        reader.index(root)
        return
    for _ in reader.table(root):
        pass


def _strays(reader: _Reader, pages: Pages) -> Iterator[tuple[int, Row]]:
    free = pages.free()
    for number in range(2, pages.count + 1):
        if number in reader.seen or number in free:
            continue
        page = pages.page(number)
        if page[0] != _LEAF:
            continue
        for row_id, payload in reader.leaf(number, page):
            try:
                yield row_id, decode_record(payload)
            except _Damaged:
                reader.unreadable_rows += 1

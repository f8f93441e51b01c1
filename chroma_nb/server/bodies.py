"""Bodies of requests as JSON. The vectors of a large one are read row by row, so that other threads run in between.

Reading 100 MB of numbers at once would stop all other threads for as long as that takes.
"""

from __future__ import annotations

import re
import secrets
from typing import Any, Final

import orjson

#: A body that is no larger is read at once.
_LARGE: Final = 4 * 1024 * 1024
#: What is most of a large body: a list of rows of numbers. (White space as JSON has it, which is less than ``\\s``.)
_ROWS: Final = re.compile(rb'[{,][ \t\r\n]*"((?:query_)?embeddings)"[ \t\r\n]*:[ \t\r\n]*(?=\[)')
_BETWEEN: Final = re.compile(rb"[ \t\r\n]*([\[,\]])[ \t\r\n]*")


def parsed(body: bytes) -> Any:
    """The value that ``body`` says. Raises orjson.JSONDecodeError.

    >>> parsed(b'{"embeddings": [[1, 2.5]], "ids": ["a"]}')
    {'embeddings': [[1, 2.5]], 'ids': ['a']}
    """
    found = _ROWS.search(body) if len(body) > _LARGE else None
    rows = None if found is None else _rows(body, found.end())
    if found is None or rows is None:
        return orjson.loads(body)
    values, end = rows
    name, stand_in = found[1].decode(), secrets.token_hex(16)
    whole = orjson.loads(b'%b"%b"%b' % (body[: found.end()], stand_in.encode(), body[end:]))
    if type(whole) is not dict or whole.get(name) != stand_in:  # it was something else that looked like it
        return orjson.loads(body)
    whole[name] = values
    return whole


def _rows(body: bytes, start: int) -> tuple[list[list[Any]], int] | None:
    """The rows of numbers that begin at ``start``, and where they end; None where there is anything else."""
    rows: list[list[Any]] = []
    expected = b"["
    while (sign := _BETWEEN.match(body, start)) is not None and sign[1] in (expected, b"]" if rows else expected):
        if sign[1] == b"]":
            return rows, sign.end(1)
        first, last = sign.end(), body.find(b"]", sign.end()) + 1
        try:
            row = orjson.loads(body[first:last])
        except orjson.JSONDecodeError:
            return None
        if type(row) is not list:
            return None
        rows.append(row)
        start, expected = last, b","
    return None

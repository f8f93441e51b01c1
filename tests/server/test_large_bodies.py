"""A large body says what the same text says to a parser of JSON, or is refused as that refuses it."""

from typing import Any

import orjson
import pytest

from chroma_nb.server.bodies import _LARGE, parsed

ROW = b"[" + b",".join(b"0.25" for _ in range(768)) + b"]"


PLACES = ("before the name", "before the colon", "before the list", "before a row", "after a row")


def body_with(space: bytes, place: str) -> bytes:
    """A large body with this at one place."""
    name, colon, array, before, after = (space if place == one else b"" for one in PLACES)
    rows = (after + b"," + before).join([ROW] * (1 + _LARGE // len(ROW)))
    return b'{"ids":["a"],' + name + b'"embeddings"' + colon + b":" + array + b"[" + rows + b"]}"


def said(read: Any, body: bytes) -> Any:
    try:
        return read(body)
    except orjson.JSONDecodeError:
        return "refused"


@pytest.mark.parametrize("place", PLACES)
def test_white_space_is_that_of_json(place: str) -> None:
    for code in range(0x21):
        assert (said(parsed, body_with(bytes([code]), place)) == "refused") == (code not in b" \t\r\n"), code


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("space", [b"\xa0", b"\xc2\xa0", b"\xef\xbb\xbf", b"/**/", b",", b"]"])
def test_what_else_stands_between_is_refused(space: bytes, place: str) -> None:
    assert said(parsed, body_with(space, place)) == "refused"


def test_rows_read_one_by_one_are_those_read_at_once() -> None:
    for place in PLACES:
        body = body_with(b"\n", place)
        assert parsed(body) == orjson.loads(body)

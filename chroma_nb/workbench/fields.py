"""A metadata value as an editor of the page holds it, and back. No widgets here.

What JavaScript cannot tell apart (1 and 1.0, integers beyond 2**53) travels as text beside its type. A field is
``{"type", "text"}``; of a list ``{"type": "list", "of": type, "items": texts}``. ``as`` tells the page that the text
or number is a date, which it is edited as and stays stored as it is.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from chroma_nb.display.markup import shortened
from chroma_nb.records import with_sparse_vectors
from chroma_nb.types import Json, MetadataValue, SparseVector, as_sparse_vector
from chroma_nb.workbench.columns import Column, is_date

_WHOLE: Final = re.compile(r"[+-]?\d+")
#: Types of columns whose numbers are edited as dates.
_EPOCHS: Final = ("epoch_s", "epoch_ms")


def field(value: MetadataValue, column: Column) -> Json:
    """The field of a value.

    >>> field(2.0, Column("n", "number")), field(["a"], Column("tags", "list"))
    ({'type': 'number', 'text': '2.0'}, {'type': 'list', 'of': 'text', 'items': ['a']})
    """
    if isinstance(value, list | tuple):
        items: Sequence[Any] = value
        return {"type": "list", "of": _type(items[0]) if items else "text", "items": [_text(one) for one in items]}
    found = {"type": _type(value), "text": _text(value)}
    return {**found, "as": column.type} if _shown_as_date(value, column) else found


def _shown_as_date(value: object, column: Column) -> bool:
    if isinstance(value, str):
        return column.type == "date" and is_date(value)
    return column.type in _EPOCHS and isinstance(value, int | float) and not isinstance(value, bool)


def _type(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    return "text" if isinstance(value, str) else "sparse"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(float(value))
    sparse = as_sparse_vector(value)
    return json.dumps(sparse.to_dict() if sparse is not None else value, ensure_ascii=False)


def value(key: str, given: Json) -> MetadataValue:
    """The value of a field. ValueError says which key does not hold what its type says.

    >>> value("n", {"type": "integer", "text": "12"}), value("tags", {"type": "list", "of": "number", "items": ["1"]})
    (12, [1.0])
    >>> value("n", {"type": "integer", "text": "a dozen"})
    Traceback (most recent call last):
    ValueError: expected a whole number for 'n', such as 2020, got 'a dozen'
    """
    if not key.strip():
        raise ValueError("expected a name for each key, got none")
    type_ = str(given.get("type"))
    if type_ != "list":
        text = str(given.get("text", ""))
        if given.get("as") == "date" and not is_date(text):
            raise ValueError(f"expected a date for {key!r}, such as 2024-05-01, got {_shown(text)}")
        return _read(type_)(key, text)
    items = given.get("items")
    if not isinstance(items, list) or not items:
        raise ValueError(f"expected at least one item for {key!r}, got none; to remove the key, delete it")
    read = _read(str(given.get("of", "text")))
    return cast(MetadataValue, [read(key, str(one)) for one in items])


def _read(type_: str) -> Callable[[str, str], MetadataValue]:
    if type_ not in _READ:
        raise ValueError(f"expected one of the types {', '.join(_READ)} and list, got {type_!r}")
    return _READ[type_]


def _integer(key: str, text: str) -> int:
    if not _WHOLE.fullmatch(text.strip()):
        raise ValueError(f"expected a whole number for {key!r}, such as 2020, got {_shown(text)}")
    return int(text)


def _number(key: str, text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        raise ValueError(f"expected a number for {key!r}, such as 0.5, got {_shown(text)}") from None
    if not math.isfinite(found):
        raise ValueError(f"expected a number for {key!r}, got {_shown(text)}, which cannot be stored")
    return found


def _boolean(key: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"expected true or false for {key!r}, got {_shown(text)}")
    return text == "true"


def _sparse(key: str, text: str) -> SparseVector:
    example = '{"indices": [1, 5], "values": [0.5, 2.0]}'
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"expected a sparse vector for {key!r}, such as {example}; "
            f"line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    if not isinstance(given, Mapping) or not {"indices", "values"} <= given.keys():
        raise ValueError(f"expected a sparse vector for {key!r}, such as {example}, got {_shown(text)}")
    return cast(SparseVector, with_sparse_vectors({key: {"#type": "sparse_vector", **given}})[key])


def _shown(text: str) -> str:
    return repr(shortened(text, 60)) if text.strip() else "nothing"


#: Type of a field -> what reads its text.
_READ: Final[dict[str, Callable[[str, str], MetadataValue]]] = {
    "text": lambda key, text: text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "sparse": _sparse,
}

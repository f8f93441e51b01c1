"""What a filter may use: only what the schema of the collection says is indexed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from chroma_nb.errors import InvalidArgumentError
from chroma_nb.schema.index_configurations import DOCUMENT_KEY
from chroma_nb.where import And, Comparison, DocumentTest, Expression, Or

#: Type of an operand -> its name in Chroma's sentence, and its index in a schema.
_FILTERED: Final[dict[type, tuple[Literal["Str", "Int", "Float", "Bool"], str, str]]] = {
    str: ("Str", "string", "string_inverted_index"),
    int: ("Int", "int", "int_inverted_index"),
    float: ("Float", "float", "float_inverted_index"),
    bool: ("Bool", "bool", "bool_inverted_index"),
}


def check_filter_allowed(expression: Expression, serialized_schema: Mapping[str, Any] | None) -> None:
    """InvalidArgumentError when the filter asks for what the schema says is not indexed.

    >>> from chroma_nb.schema.resolving import resolve
    >>> from chroma_nb.where import parse_where
    >>> check_filter_allowed(parse_where({"year": 1969}), resolve().serialized_schema)
    """
    if not serialized_schema:
        return
    match expression:
        case And(terms) | Or(terms):
            for term in terms:
                check_filter_allowed(term, serialized_schema)
        case Comparison(key, _, operand):
            kind = type(operand[0] if isinstance(operand, tuple | list) else operand)
            name, value_type, index = _FILTERED[kind]
            if not _enabled(serialized_schema, key, value_type, index):
                raise InvalidArgumentError(
                    f"Cannot filter using metadata key '{key}' with type '{name}' because indexing is disabled"
                )
        case DocumentTest():
            if not _enabled(serialized_schema, DOCUMENT_KEY, "string", "fts_index"):
                raise InvalidArgumentError("Cannot filter using full-text search because FTS indexing is disabled")


def _enabled(schema: Mapping[str, Any], key: str, value_type: str, index: str) -> bool:
    """Whether the index is on for the key, or by default where the schema does not name it."""
    for place in ((schema.get("keys") or {}).get(key), schema.get("defaults")):
        found = ((place or {}).get(value_type) or {}).get(index)
        if found is not None:
            return bool(found.get("enabled", True))
    return True

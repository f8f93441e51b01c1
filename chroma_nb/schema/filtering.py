"""What a filter or a search may use: only what the collection's schema indexes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from chroma_nb.errors import InvalidArgumentError
from chroma_nb.query.conditions import And, Condition, Or, Where
from chroma_nb.query.operators import OPERATORS
from chroma_nb.schema.index_configurations import DOCUMENT_KEY
from chroma_nb.types import Fields

#: Type of an operand -> its name in Chroma's sentence, and its index in a schema.
_FILTERED: Final[dict[type, tuple[Literal["Str", "Int", "Float", "Bool"], str, str]]] = {
    str: ("Str", "string", "string_inverted_index"),
    int: ("Int", "int", "int_inverted_index"),
    float: ("Float", "float", "float_inverted_index"),
    bool: ("Bool", "bool", "bool_inverted_index"),
}


@dataclass(frozen=True, slots=True)
class Unindexed:
    """What a schema keeps out of its indexes, and what therefore no filter may ask.

    ``types`` are the types of operands that are not indexed by default, ``keys`` are keys with their own such types,
    ``documents`` says whether the texts are not.
    """

    types: frozenset[type]
    keys: Mapping[str, frozenset[type]]
    documents: bool

    @staticmethod
    def of(serialized_schema: Fields | None) -> Unindexed | None:
        """What the schema keeps out; None when that is nothing.

        >>> off = {"string": {"string_inverted_index": {"enabled": False}}}
        >>> Unindexed.of({"keys": {"secret": off}}).keys
        {'secret': frozenset({<class 'str'>})}
        """
        schema = serialized_schema or {}
        types = _unindexed_types({"defaults": schema.get("defaults")}, "")
        keys = {key: _unindexed_types(schema, key) for key in schema.get("keys") or {}}
        documents = not _enabled(schema, DOCUMENT_KEY, "string", "fts_index")
        if not (types or documents or any(keys.values())):
            return None
        return Unindexed(types, keys, documents)

    def refuse(self, condition: Where) -> None:
        """InvalidArgumentError when the condition asks for what is not indexed."""
        if isinstance(condition, And | Or):
            for term in condition.conditions:
                self.refuse(term)
        elif isinstance(condition, Condition) and OPERATORS[condition.operator].metadata != "presence":
            if condition.key == DOCUMENT_KEY and OPERATORS[condition.operator].document:
                if self.documents:
                    raise InvalidArgumentError("Cannot filter using full-text search because FTS indexing is disabled")
                return
            operand = condition.operand
            kind = type(operand[0] if isinstance(operand, list) else operand)
            if kind in self.keys.get(condition.key, self.types):
                advice = "\nTo search the text, write where_document={'$contains': …}."
                raise InvalidArgumentError(
                    f"Cannot filter using metadata key '{condition.key}' with type '{_FILTERED[kind][0]}' because "
                    f"indexing is disabled{advice if condition.key == DOCUMENT_KEY else ''}"
                )


@dataclass(frozen=True, slots=True)
class SparseKeys:
    """Which keys have an index of sparse vectors, as a schema says.

    >>> index = {"sparse_vector": {"sparse_vector_index": {"enabled": True, "config": {"bm25": True}}}}
    >>> keys = SparseKeys({"keys": {"words": index}})
    >>> keys.have("words"), keys.by_frequency("words"), keys.have("year")
    (True, True, False)
    """

    schema: Fields

    def have(self, key: str) -> bool:
        """Whether this key has one."""
        return any(found.get("enabled", False) for found in self._indexes(key)[:1])

    def by_frequency(self, key: str) -> bool:
        """Whether queries weigh by inverse document frequency ("bm25")."""
        return any((found.get("config") or {}).get("bm25") for found in self._indexes(key)[:1])

    def _indexes(self, key: str) -> list[Fields]:
        """What the schema says of the key, then by default."""
        places = ((self.schema.get("keys") or {}).get(key), self.schema.get("defaults"))
        found = [((place or {}).get("sparse_vector") or {}).get("sparse_vector_index") for place in places]
        return [index for index in found if index is not None]


def _unindexed_types(schema: Fields, key: str) -> frozenset[type]:
    return frozenset(
        kind for kind, (_, value_type, index) in _FILTERED.items() if not _enabled(schema, key, value_type, index)
    )


def _enabled(schema: Fields, key: str, value_type: str, index: str) -> bool:
    """Whether the index is on for the key, or by default where the schema does not name it."""
    for place in ((schema.get("keys") or {}).get(key), schema.get("defaults")):
        found = ((place or {}).get(value_type) or {}).get(index)
        if found is not None:
            return bool(found.get("enabled", True))
    return True

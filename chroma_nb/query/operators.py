"""The operators of filters, one row each: what they ask, what they take, and how they are written.

What an operator does is one more function, in ``engine/filters/evaluation.py`` for metadata and in
``engine/filters/documents.py`` for documents. Everything else reads the row: parsing, the checks of arguments and
their advice, and ``--where`` of the magics.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

#: Types of operands, by exact type: bool is no int.
SCALARS: Final = frozenset({str, int, float, bool})
NUMBERS: Final = frozenset({int, float})
TEXT: Final = frozenset({str})
TRUTH: Final = frozenset({bool})


@dataclass(frozen=True, slots=True)
class Operator:
    """What an operator asks and takes.

    ``metadata`` says what it looks at under a key: the value, an element of a list, whether there is any value (the
    operand says which of the two is wanted), or nothing; ``document`` whether it can be asked of the document, where
    its operand is a str. ``kinds`` are the types of its operand under a key; with ``many`` the operand is a list of
    values of one of them. ``opposite`` is what ``not`` makes of it. A ``negative`` operator holds exactly where its
    opposite does not, so also where the key or the document is missing. ``signs`` are how ``--where`` writes it. Chroma
    has no operator that is ``ours``, and its sentences do not name it.
    """

    name: str
    metadata: Literal["value", "element", "presence"] | None
    document: bool
    kinds: frozenset[type]
    signs: tuple[str, ...] = ()
    opposite: str | None = None
    negative: bool = False
    many: bool = False
    ours: bool = False


#: Every operator by its name, in the order in which they are offered.
OPERATORS: Final[dict[str, Operator]] = {
    row.name: row
    for row in (
        Operator("$eq", "value", False, SCALARS, ("=", "=="), opposite="$ne"),
        Operator("$ne", "value", False, SCALARS, ("!=", "<>"), opposite="$eq", negative=True),
        Operator("$gte", "value", False, NUMBERS, (">=",), opposite="$lt"),
        Operator("$lte", "value", False, NUMBERS, ("<=",), opposite="$gt"),
        Operator("$gt", "value", False, NUMBERS, (">",), opposite="$lte"),
        Operator("$lt", "value", False, NUMBERS, ("<",), opposite="$gte"),
        Operator("$in", "value", False, SCALARS, ("in",), opposite="$nin", many=True),
        Operator("$nin", "value", False, SCALARS, opposite="$in", negative=True, many=True),
        Operator("$contains", "element", True, SCALARS, ("contains",), opposite="$not_contains"),
        Operator("$not_contains", "element", True, SCALARS, opposite="$contains", negative=True),
        Operator("$regex", None, True, TEXT, ("matches",), opposite="$not_regex"),
        Operator("$not_regex", None, True, TEXT, opposite="$regex", negative=True),
        Operator("$exists", "presence", False, TRUTH, ours=True),
    )
}


def of_metadata() -> Iterator[Operator]:
    """The operators that a metadata key can be asked with.

    >>> "$regex" in [row.name for row in of_metadata()]
    False
    """
    return (row for row in OPERATORS.values() if row.metadata)


def of_documents() -> Iterator[Operator]:
    """The operators that a document can be asked with.

    >>> [row.name for row in of_documents()]
    ['$contains', '$not_contains', '$regex', '$not_regex']
    """
    return (row for row in OPERATORS.values() if row.document)


def kind_names(row: Operator) -> str:
    """The types of its operand, for a message.

    >>> kind_names(OPERATORS["$gt"])
    'float, int'
    """
    return ", ".join(sorted(kind.__name__ for kind in row.kinds))
